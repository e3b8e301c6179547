"""What a program can do there, and what it cannot."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from echo_ops.errors import InputError
from echo_ops.training import sandbox
from echo_ops.training.sandbox import Limits, run, run_all

try:
    sandbox.must_work()
except InputError as error:
    pytestmark = pytest.mark.skip(reason=str(error))

QUICK = Limits(seconds=5, memory_bytes=256 * 2**20)

ENDINGS = {
    "x = 1\nassert x == 1": "passed",
    "assert 1 == 2": "AssertionError",
    "def f(:": "SyntaxError",
    "import math, re, typing, collections, hashlib, ctypes, heapq": "passed",
    "import sys; sys.exit(0)": "SystemExit",
    "import os; os._exit(0)": "killed",
    "print('a' * 10**6)": "passed",
    "import sys; sys.stderr.write('passed')": "passed",
    "input()": "EOFError",
    "x = bytearray(10**9)": "MemoryError",
    "def f():\n    f()\nf()": "RecursionError",
    "import os\nassert set(os.environ) <= {'PATH', 'LANG', 'PWD', 'SHLVL', 'OLDPWD', '_', 'LC_CTYPE'}, 1": "passed",
    "import os\nassert os.listdir('.') == [] and os.getcwd() == '/tmp'": "passed",
    "open('here', 'w').write('x')\nassert open('/tmp/here').read() == 'x'": "passed",
    "with open('here', 'wb') as f:\n    for _ in range(64):\n        f.write(b'x' * 2**20)": "OSError",
    "open('/etc/passwd').read()": "FileNotFoundError",
    "import os; os.listdir('/home')": "FileNotFoundError",
    "import os; os.listdir('/proc')": "FileNotFoundError",
    "open('/usr/here', 'w')": "OSError",
    "import os, sys; open(os.path.join(sys.base_prefix, 'here'), 'w')": "OSError",
    "import os; os.kill(os.getppid() or -1, 9)": "ProcessLookupError",
    "import os; os.chroot('/tmp')": "PermissionError",
    "import os; os.setuid(0)": "PermissionError",
    "import ctypes\nif ctypes.CDLL(None).unshare(0x10000000): raise PermissionError": "PermissionError",
}


def test_how_a_program_ends() -> None:
    assert dict(zip(ENDINGS, run_all(list(ENDINGS), QUICK), strict=True)) == ENDINGS


def test_what_is_outside_cannot_be_read_or_written(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    secret.chmod(0o666)
    programs = [
        f"open({str(secret)!r}).read()",
        f"open({str(secret)!r}, 'w')",
        f"import os; os.remove({str(secret)!r})",
    ]
    assert run_all(programs, QUICK) == ["FileNotFoundError"] * 3
    assert secret.read_text() == "key"


def test_there_is_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)", QUICK) == "OSError"


def test_an_endless_loop_is_ended() -> None:
    assert run("while True: pass", Limits(seconds=1)) in {"killed", "timeout"}
    assert run("import time; time.sleep(60)", Limits(seconds=1)) == "timeout"


def test_a_fork_bomb_is_small_and_ends_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = (
        "import os, time\nn = 0\ntry:\n    while os.fork():\n        n += 1\nexcept BlockingIOError:\n"
        "    assert 1 <= n <= 8, n\n    raise SystemExit\ntime.sleep(60)"
    )
    assert run(counted, QUICK) == "SystemExit"
    mark = f"# test {os.getpid()}"
    monkeypatch.setattr(sandbox, "CHILD", sandbox.CHILD + mark)
    assert run("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", Limits(1)) in {
        "killed",
        "timeout",
    }
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(mark.encode() in command for command in commands)


def test_what_cannot_be_isolated_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "PATH", "/nowhere")
    with pytest.raises(InputError, match="cannot be run isolated here"):
        run_all(["print(1)"])
