"""A teacher's server that takes a fixed time for every answer, in a process of its own: what remains is the client's.

    python benchmarks/fixed_server.py PORT SECONDS

Any number of requests at a time. ``GET /busy`` gives how many were served, and how many at once, on average, from the
first request to the last but ``LAST``: while the last are served the client has nothing more to ask.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

LAST = 128


class Server:
    """Answers every request with the first choice, after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.served: list[tuple[float, float]] = []  # from, to

    def at_once(self) -> float:
        """Requests under way, on average."""
        begun = sorted(start for start, _ in self.served)[:-LAST]
        if len(begun) < 2:
            return 0.0
        first, last = begun[0], begun[-1]
        return sum(min(end, last) - start for start, end in self.served if start < last) / (last - first)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    writer.write(_response({"at_once": self.at_once(), "served": len(self.served)}))
                    continue
                length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
                body = await reader.readexactly(int(length))
                begun = time.perf_counter()
                await asyncio.sleep(self.seconds)
                said = body.rpartition(b'"choice": ["')[2][:1].decode()
                writer.write(_response(_completion(said)))
                self.served.append((begun, time.perf_counter()))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def _completion(said: str) -> dict[str, object]:
    token = {"token": said, "logprob": -0.7, "top_logprobs": []}
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "logprobs": {"content": [token]}}
    return {"choices": [choice], "usage": {"prompt_tokens": 900, "completion_tokens": 1}}


def _response(content: dict[str, object]) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def _serve(port: int, seconds: float) -> None:
    server = await asyncio.start_server(Server(seconds).connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
