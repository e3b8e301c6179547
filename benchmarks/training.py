"""What a token costs in fine-tuning: this project's trainer beside plain TRL and a bare PyTorch loop, in one run.

The rows are places in the standard library's source, of mixed lengths, and the model is a small Llama with random
weights. The arms take turns, a few steps of each at a time in the order of a round, and a figure is the median over the
rounds of useful tokens (padding left out) a second: of CPU time on a CPU, of wall time on a GPU.

    python benchmarks/training.py [--lessons N] [--rounds N] [--method full|lora] [--quick]

| arm | what it is |
|---|---|
| ours | `training/trainer.py`: rows packed, logits where there is loss |
| TRL | `SFTTrainer` as it comes on the same tokens and labels: its order, its collation, its loss, no packing |
| TRL, our order | the same, with our rows in our order, so sorted by length: what packing and the loss alone bring |
| bare loop | our batches and our loss in a loop of forward, backward, clip and AdamW, without any trainer |

The bars: padding under 3 %, and 1.5 times TRL's useful tokens a second; on a GPU also 0.95 of the bare loop. There it
adds the share of the GPU's peak (model flops after PaLM, forward and twice that backward, recomputing left out), and
the largest architecture of a public model that fits, with random weights, at 2,048 tokens. No GPU was at hand when
that part was written: it is untried.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from echo_ops.settings import Training
from echo_ops.training.base_model import Recipe, architecture, train_tokenizer
from echo_ops.training.corpus import corpus, places
from echo_ops.training.device import Device, best_device, flash_attention
from echo_ops.training.fim import IGNORED, Layout
from echo_ops.training.lessons import Lessons, order
from echo_ops.training.packing import cells, collate, pack, passes
from echo_ops.training.progress import silent
from echo_ops.training.trainer import Rows, adapter, arguments, lessons_on_device, make_trainer, packing_for

PADDING, OVER_TRL, OF_BARE = 0.03, 1.5, 0.95
WARM = 2
"""Steps of a run before its clock starts: the first ones allocate."""

RATE = 1e-4
QUICK = 64  # lessons
ROOM = 0.7  # share of the GPU's memory for what stays; the rest is for activations

PUBLIC: dict[str, dict[str, int]] = {
    f"Qwen2.5-Coder-{size}": {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared,
        "intermediate_size": inner,
    }
    for size, width, layers, heads, shared, inner in (
        ("32B", 5120, 64, 40, 8, 27_648),
        ("14B", 5120, 48, 40, 8, 13_824),
        ("7B", 3584, 28, 28, 4, 18_944),
        ("3B", 2048, 36, 16, 2, 11_008),
        ("1.5B", 1536, 28, 12, 2, 8_960),
    )
}
"""Sizes in the published config.json, the largest first."""

BYTES_A_WEIGHT = {"lora": 2, "full": 16}
"""bf16 alone under an adapter; else weights, gradients and two moments in float32."""


@dataclass(frozen=True, slots=True)
class Work:
    """One model on one set of rows."""

    make_model: Callable[[], Any]
    tokenizer: Any
    rows: Rows
    training: Training
    device: Device
    folder: Path

    @property
    def steps(self) -> int:
        """Optimizer steps of one run."""
        return -(-len(self.rows.lengths) // self.training.batch_size)


@dataclass(frozen=True, slots=True)
class Timed:
    """Steps of one arm, after it was warm."""

    tokens: int  # of lessons
    seconds: float

    @property
    def rate(self) -> float:
        """Useful tokens a second."""
        return self.tokens / self.seconds


def lessons(count: int, layout: Layout, context: int, seed: int) -> list[dict[str, list[int]]]:
    """Places of the standard library as tokens and labels, the context cut at random, as files begin and end."""
    dice, found = Random(seed), []
    for place in islice(places(corpus()[0], 400, seed), count):
        kept = int(2 ** dice.uniform(5, 11))
        one = layout.render(place.prefix[-kept:], place.suffix[: kept // 3], place.middle[:100], context, 32)
        found.append({"input_ids": one.input_ids, "labels": one.labels})
    return found


def in_order(found: list[dict[str, list[int]]], pad_id: int, training: Training) -> Rows:
    """The rows as fine-tuning would take them."""
    from datasets import Dataset

    lengths = [len(one["input_ids"]) for one in found]
    ids = [f"{index:06}" for index in range(len(found))]
    every = Lessons(Path(), ids, lengths, [1] * len(ids), [1.0] * len(ids), 0)
    chosen = order(every, training.batch_size, 1, training.seed)
    return Rows(Dataset.from_list(found).select(chosen), [lengths[index] for index in chosen], pad_id)


def clock(device: Device) -> float:
    """Seconds of work so far."""
    if device.name == "cpu":
        return time.process_time()
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def run_trainer(work: Work, trainer: Any) -> Timed:
    """Train, with the clock on the steps from the third on."""
    from transformers import TrainerCallback

    marks: list[float] = []
    tokens: list[int] = []
    collate_first = trainer.data_collator

    def counted(some: list[dict[str, Any]]) -> Any:
        tokens.append(sum(len(one["input_ids"]) for one in some))
        return collate_first(some)

    trainer.data_collator = counted

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == WARM:
                marks.append(clock(work.device))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == state.max_steps:
                marks.append(clock(work.device))

    trainer.add_callback(Clock())
    trainer.train()
    passes_a_step = work.training.batch_size // lessons_on_device(work.training)
    return Timed(sum(tokens[WARM * passes_a_step :]), marks[1] - marks[0])


def ours(work: Work) -> Timed:
    """This project's trainer."""
    model = work.make_model()
    given = (work.training, RATE, work.rows, work.tokenizer, work.device, packing_for(model), work.folder, silent)
    return run_trainer(work, make_trainer(model, *given))


def trl(work: Work, strategy: str = "random") -> Timed:
    """TRL's trainer as it comes, with the same settings but for the order."""
    from transformers import PrinterCallback
    from trl import SFTTrainer

    given = arguments(work.training, RATE, work.steps, work.device, work.folder)
    given.train_sampling_strategy = strategy
    trainer = SFTTrainer(
        model=work.make_model(),
        args=given,
        train_dataset=work.rows.dataset,
        processing_class=work.tokenizer,
        peft_config=adapter(work.training),
    )
    trainer.remove_callback(PrinterCallback)
    return run_trainer(work, trainer)


def bare(work: Work) -> Timed:
    """The same batches and loss in a loop of PyTorch's own."""
    import torch
    from peft import get_peft_model
    from torch.nn.functional import cross_entropy

    model, training, rows = work.make_model(), work.training, work.rows
    packing, on_device = packing_for(model), lessons_on_device(training)
    given = arguments(training, RATE, work.steps, work.device, work.folder)
    if given.activation_checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    if training.method == "lora":
        model = get_peft_model(model, adapter(training))
    model.train()
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=RATE, weight_decay=0.0, fused=True)
    began, tokens, place = 0.0, 0, 0
    for step, lengths in enumerate(passes(rows.lengths, training.batch_size, training.batch_size)):
        if step == WARM:
            began = clock(work.device)
        if step >= WARM:
            tokens += sum(lengths)
        batches = []
        for some in passes(lengths, training.batch_size, on_device):
            batches.append(collate([rows.dataset[place + index] for index in range(len(some))], rows.pad_id, packing))
            place += len(some)
        count = sum(int((batch["labels"] != IGNORED).sum()) for batch in batches)
        for batch in batches:
            inputs = {name: one.to(work.device.local) if hasattr(one, "to") else one for name, one in batch.items()}
            following = inputs.pop("labels").roll(-1, dims=1)
            following[:, -1] = IGNORED
            kept = following != IGNORED
            with torch.autocast(work.device.name, torch.bfloat16, enabled=work.device.bf16):
                logits = model(**inputs, use_cache=False, logits_to_keep=kept).logits
                loss = cross_entropy(logits.float(), following[kept], reduction="sum") / count
            loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return Timed(tokens, clock(work.device) - began)


ARMS: dict[str, Callable[[Work], Timed]] = {
    "ours": ours,
    "TRL": trl,
    "TRL, our order": partial(trl, strategy="sequential"),
    "bare loop": bare,
}


def share_of_peak(work: Work, rate: float) -> float | None:
    """Flops of the model a second over what the GPU can do in bf16; None where nobody has written down the latter."""
    import torch
    from trl.trainer.utils import compute_flops_per_token, get_peak_flops

    peak = get_peak_flops(torch.cuda.get_device_name(), "bfloat16")
    if peak is None:
        return None
    config, rows = work.make_model().config, work.rows
    tokens = sum(rows.lengths)
    with_loss = sum(label != IGNORED for labels in rows.dataset["labels"] for label in labels)
    # The logits of tokens without loss are not computed; frozen weights have no gradient.
    head = 6 * config.vocab_size * config.hidden_size * (1 - with_loss / tokens)
    a_token = compute_flops_per_token(config, tokens // len(rows.lengths)) - head
    return float(rate * a_token * (2 / 3 if work.training.method == "lora" else 1) / peak)


def show(title: str, work: Work, rounds: int, console: Console) -> None:
    """Measure all arms in turns, and print the medians beside the bars."""
    computed = sum(
        cells(one, pack(one, packing_for(work.make_model())))
        for one in passes(work.rows.lengths, work.training.batch_size, lessons_on_device(work.training))
    )
    padding = 1 - sum(work.rows.lengths) / computed
    found: dict[str, list[float]] = {name: [] for name in ARMS}
    for turn in range(rounds):
        names = list(ARMS)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(ARMS[name](work).rate)
    rates = {name: statistics.median(rates) for name, rates in found.items()}
    table = Table(title=title)
    for column in ("arm", "useful tokens/s", "ours ×", "lowest to highest"):
        table.add_column(column, justify="left" if column == "arm" else "right")
    for name, rate in rates.items():
        table.add_row(
            name, f"{rate:,.0f}", f"{rates['ours'] / rate:.2f}", f"{min(found[name]):,.0f} to {max(found[name]):,.0f}"
        )
    console.print(table)
    bars = [
        ("padding", padding, padding < PADDING, f"< {PADDING:.0%}"),
        ("ours over TRL", rates["ours"] / rates["TRL"], rates["ours"] >= OVER_TRL * rates["TRL"], f"≥ {OVER_TRL}"),
    ]
    if work.device.name != "cpu":
        of_bare = rates["ours"] / rates["bare loop"]
        bars.append(("ours over the bare loop", of_bare, of_bare >= OF_BARE, f"≥ {OF_BARE}"))
        share = share_of_peak(work, rates["ours"])
        console.print("share of the GPU's peak: " + ("unknown" if share is None else f"{share:.1%}"))
    for name, value, met, bar in bars:
        console.print(f"{name}: {value:.3f} (bar {bar}): {'met' if met else 'NOT MET'}")


def small(count: int, width: int, layers: int, method: Any, folder: Path) -> Work:
    """A small Llama at a context of 256 tokens."""
    import torch

    tokenizer = train_tokenizer(corpus()[0][:: 1 if count > QUICK else 20], 2048)
    layout, device = Layout(tokenizer), best_device()
    training = Training(method=method, context_tokens=256, max_new_tokens=32)
    rows = in_order(lessons(count, layout, training.context_tokens, seed=0), layout.end_id, training)

    def make_model() -> Any:
        torch.manual_seed(0)
        return architecture(Recipe(width=width, layers=layers, head=min(64, width // 2)), layout).to(device.local)

    return Work(make_model, tokenizer, rows, training, device, folder)


def large(count: int, method: Any, small_one: Work) -> Work:
    """The largest public architecture that fits the GPU, with random weights and tokens, at 2,048 tokens. Untried."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    device, dice = small_one.device, Random(0)
    free = torch.cuda.mem_get_info()[0]

    def config_of(name: str) -> Any:
        return AutoConfig.for_model("qwen2", vocab_size=152_064, max_position_embeddings=2048, **PUBLIC[name])

    def needed(name: str) -> float:
        with torch.device("meta"):
            weights = sum(one.numel() for one in AutoModelForCausalLM.from_config(config_of(name)).parameters())
        return weights * BYTES_A_WEIGHT[method] / ROOM

    name = next((name for name in PUBLIC if needed(name) < free), None)
    if name is None:
        raise SystemExit(f"{free / 1e9:.0f} GB of GPU memory are free; the smallest of {', '.join(PUBLIC)} needs more")
    rows = []
    for _ in range(count):
        length, with_loss = int(2 ** dice.uniform(8, 11)), dice.randint(2, 40)
        ids = [dice.randrange(150_000) for _ in range(length)]
        rows.append({"input_ids": ids, "labels": [IGNORED] * (length - with_loss) + ids[-with_loss:]})
    training = Training(method=method, context_tokens=2048, device_batch_size=8)

    def make_model() -> Any:
        torch.cuda.empty_cache()
        torch.manual_seed(0)
        with torch.device(device.local):
            return AutoModelForCausalLM.from_config(
                config_of(name),
                dtype=torch.bfloat16 if method == "lora" else torch.float32,
                attn_implementation=flash_attention(device),
            )

    print(f"largest that fits {free / 1e9:.0f} GB: {name}")
    return Work(make_model, small_one.tokenizer, in_order(rows, 0, training), training, device, small_one.folder)


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description="tokens per second of fine-tuning, beside plain TRL")
    parser.add_argument("--lessons", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--method", choices=["lora", "full"], default="full")
    parser.add_argument("--quick", action="store_true", help="so small that it says nothing, for a test")
    given = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        count, rounds, sizes = (QUICK, 1, (32, 1)) if given.quick else (given.lessons, given.rounds, (256, 4))
        work = small(count, *sizes, given.method, Path(folder))
        title = f"{given.method}: {count} lessons, {sum(work.rows.lengths):,} tokens, {work.device.name}"
        show(title, work, rounds, console)
        if work.device.name != "cpu":
            show(f"{title}, largest", large(count, given.method, work), rounds, console)


if __name__ == "__main__":
    main()
