"""vLLM's real server on a CPU, with a tiny random model: for tests and benchmarks of the teacher's client.

    .venv/bin/python benchmarks/vllm_server.py FOLDER

makes the model there, with two adapters; ``VllmServer`` serves it from the environment that ``scripts/vllm-env`` makes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".echo" / "vllm" / "bin" / "python"
REASON = ROOT / ".echo" / "vllm.unavailable"

MODEL, ADAPTERS = "tiny", ("first", "second")
TOKENS = 4096
"""Context of the model: the teacher's prompts have some 2,000 tokens of its small vocabulary."""

STARTS_WITHIN = 420.0
"""Seconds; alone on two cores it takes one minute, mostly imports."""

TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>\n{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>\n{% endif %}"
)


def missing() -> str | None:
    """Why there is no vLLM here; None where there is."""
    if PYTHON.is_file() and (PYTHON.parents[1] / ".made").is_file():
        return None
    return REASON.read_text().strip() if REASON.is_file() else "no vLLM here: scripts/vllm-env makes it"


def make_model(folder: Path) -> None:
    """A random Llama of 150,000 weights with a tokenizer of its own and a chat template, and two random adapters."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from echo_ops.training.base_model import train_tokenizer

    library = Path(sysconfig.get_path("stdlib"))
    tokenizer = train_tokenizer([(library / name).read_text() for name in ("argparse.py", "ast.py")], 1024)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder / MODEL)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    for seed, name in enumerate((MODEL, *ADAPTERS)):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(shape)
        if name in ADAPTERS:
            lora = LoraConfig(r=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
            model = get_peft_model(model, lora)
        model.save_pretrained(folder / name)


class VllmServer:
    """One server, on a port of its own, which it keeps over a restart. Starting returns at once; ``wait`` waits."""

    def __init__(self, folder: Path, log: Path, sequences: int = 8, name: str = MODEL) -> None:
        """Args: folder: holds the model, ``MODEL``. sequences: that the server runs at a time. name: of the model."""
        self.folder, self.log, self.sequences, self.name = folder, log, sequences, name
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """As in ``ECHO_TEACHER_URL``."""
        return f"{self.root}/v1"

    def start(self) -> VllmServer:
        backend = {"backend": "xgrammar", "disable_any_whitespace": True}
        command = [
            *(str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(self.folder / MODEL)),
            *("--served-model-name", self.name, "--host", "127.0.0.1", "--port", str(self._port), "--dtype", "float32"),
            *("--max-model-len", str(TOKENS), "--max-num-seqs", str(self.sequences), "--enforce-eager"),
            *("--enable-lora", "--max-lora-rank", "8", "--max-loras", "2", "--enable-prompt-tokens-details"),
            *("--structured-outputs-config", json.dumps(backend)),
        ]
        environment = {
            **os.environ,
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "2",
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, cwd=self.folder, start_new_session=True
            )
        return self

    def wait(self) -> VllmServer:
        """Until it answers."""
        assert self._process is not None
        end = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < end and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.root}/health", timeout=5).close()
                return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.25)
        self.kill()
        raise RuntimeError(f"vLLM did not start; see {self.log}")

    def kill(self) -> None:
        """End it and its children at once, as a crash does."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def post(self, path: str, body: dict[str, Any]) -> int:
        """Status of a request, such as ``/v1/load_lora_adapter``."""
        content = json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, content, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)

    def metric(self, name: str) -> float:
        """A counter of ``/metrics``, such as ``vllm:prefix_cache_hits_total``."""
        with urllib.request.urlopen(f"{self.root}/metrics", timeout=60) as response:
            lines = response.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    make_model(Path(sys.argv[1]))
