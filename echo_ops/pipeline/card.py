"""The model card of a challenger, in Markdown: what it learned from, how it was made, and how it compares.

MLflow is seen by more people than the lake, and what lies there is not forgotten when a user withdraws. So a card names
no user, and its samples are few, redacted as the lessons are, cut short, and can be turned off
(``ECHO_EVALUATION_SAMPLES=0``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

import pyarrow as pa

from echo_ops.pipeline.assemble import compared_on
from echo_ops.pipeline.evaluation import Judged
from echo_ops.schema.lengths import bucket
from echo_ops.training.compare import Compared, Slice
from echo_ops.training.replay import choose

CONTEXT_LINES, LESSON_LINES, LINE = 2, 6, 80
"""Of a sample: lines before the caret, lines of lesson and proposals, characters of each line."""

PLOTS = {
    "loss.png": "Loss of the fine-tuning",
    "kept_by_length.png": "Kept rate by length of the lesson",
    "acceptance_by_day.png": "Acceptance by day",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A held-out lesson and what both models proposed. Written by ``samples``; read by ``card``."""

    language: str
    before: str  # what stands before the caret, its last lines
    lesson: str
    champion: str
    challenger: str


def samples(rows: pa.Table, proposals: Mapping[str, Mapping[str, str]], number: int) -> list[Sample]:
    """Some of the held-out lessons on which the models differ, chosen by hash: nobody picks the good ones.

    Args:
        rows: EXAMPLES, redacted as they are.
        proposals: model → request → what it proposed.
        number: how many, at most.
    """
    asked = rows["request_id"].to_pylist()
    champion, challenger = proposals["champion"], proposals["challenger"]
    differ = rows.filter(pa.array([champion[one] != challenger[one] for one in asked], pa.bool_()))
    return [
        Sample(
            language=row["language"] or "",
            before=_short(row["prefix"].splitlines()[-CONTEXT_LINES:]),
            lesson=_short(row["lesson"].splitlines()[:LESSON_LINES]),
            champion=_short(champion[row["request_id"]].splitlines()[:LESSON_LINES]),
            challenger=_short(challenger[row["request_id"]].splitlines()[:LESSON_LINES]),
        )
        for row in choose(differ, number).to_pylist()
    ]


def summary(day: str, judged: Judged, served_name: str | None) -> str:
    """The head of a card: what it is and how it compares; short enough for the version's description."""
    found = judged.comparison
    lines = [
        f"# {served_name or 'Challenger'} of {day}",
        "",
        f"{'Registered' if found.better else 'Not registered'}: {found.reason}.",
        "",
        f"On {found.requests:,} held-out requests in {found.clusters:,} clusters; 95 % intervals of a paired bootstrap "
        "over clusters; – where too few tell.",
        "",
        "| figure | champion | challenger | difference |",
        "|---|---:|---:|---:|",
        *(_row(name.replace("_", " "), compared) for name, compared in found.figures.items()),
    ]
    if judged.guard is not None:
        guard = Compared(judged.guard.champion, judged.guard.challenger, judged.guard.difference)
        lines.append(_row(f"infilling, {judged.guard.problems} problems passed", guard))
    return "\n".join([*lines, ""])


def card(
    head: str,
    judged: Judged,
    assembled: Mapping[str, Any],
    finetuned: Mapping[str, Any],
    dropped: Mapping[str, int],
    settings: Mapping[str, Any],
    shown: Sequence[Sample],
    plots: Sequence[str],
) -> str:
    """The whole card.

    Args:
        head: see ``summary``.
        judged: for its slices.
        assembled, finetuned: records of the night.
        dropped: reason → lifecycles of these days that became no lesson.
        settings: sections that shaped the model.
        shown: see ``samples``.
        plots: names of the images beside the card.
    """
    days, versions = assembled["days"], assembled["versions"]
    parts = [
        head,
        "## Slices\n",
        *_slices(judged.comparison.slices),
        "## Data\n",
        f"- days: {len(days)}, {days[0]} to {days[-1]}",
        f"- {assembled['train_rows']:,} lessons, {assembled['replay_rows']:,} of them replayed from before the window; "
        f"{assembled['evaluation_rows']:,} held-out requests of {compared_on(assembled)}",
        "- tables of the lake: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        f"- rows: train `{assembled['train_hash'][:16]}`, evaluation `{assembled['evaluation_hash'][:16]}`\n",
        *_counts("Lifecycles that became no lesson", dropped),
        *_counts("Lessons that another day makes superfluous", assembled.get("left_out", {})),
        "## Training\n",
        *(
            f"- {name.replace('_', ' ')}: {value}"
            for name, value in finetuned.items()
            if isinstance(value, int | float | str) and name != "model"
        ),
        "",
        "```json",
        json.dumps(settings, indent=2, sort_keys=True),
        "```\n",
        *(f"## {PLOTS[name]}\n\n![{PLOTS[name]}](plots/{name})\n" for name in plots),
    ]
    if shown:
        parts += ["## Samples\n", "Where the models differ, chosen by hash; redacted and cut short.\n"]
        parts += [text for sample in shown for text in _sample(sample)]
    return "\n".join(parts) + "\n"


def _slices(slices: Sequence[Slice]) -> list[str]:
    names = ("exact_match", "kept_rate", "saved_share", "nll_per_character")
    header = " | ".join(name.replace("_", " ") for name in names)
    lines = [f"| slice | requests | {header} |", "|---|---:" + "|---:" * len(names) + "|"]
    for one in slices:
        cells = [f"{_number(c.champion)} → {_number(c.challenger)}" for c in (one.figures[name] for name in names)]
        lines.append(f"| {one.by} {_cell(one.value)} | {one.requests:,} | {' | '.join(cells)} |")
    return [*lines, ""]


def _row(name: str, compared: Compared) -> str:
    difference = compared.difference or "–"
    return f"| {name} | {_number(compared.champion)} | {_number(compared.challenger)} | {difference} |"


def _counts(title: str, counts: Mapping[str, int]) -> list[str]:
    if not counts:
        return []
    rows = [f"| {_cell(reason)} | {rows:,} |" for reason, rows in sorted(counts.items())]
    return [f"| {title} | rows |", "|---|---:|", *rows, ""]


def _sample(sample: Sample) -> list[str]:
    """A sample as a diff of each proposal against what the user wrote, in a fence that no text in it can close."""
    title = f"{_cell(sample.language) or 'unknown'}, lesson of {bucket(len(sample.lesson))} characters"
    lines = [f" {line}" for line in sample.before.splitlines()] + [" ▸"]
    for who, proposal in (("champion", sample.champion), ("challenger", sample.challenger)):
        # without context lines: the whole text is there
        diff = list(unified_diff(proposal.splitlines(), sample.lesson.splitlines(), n=LESSON_LINES, lineterm=""))[3:]
        silent = "" if proposal else ", silent,"
        lines += [f"@@ {who}{silent} → user @@", *(diff or [f" {line}" for line in sample.lesson.splitlines()])]
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max((len(run) for run in text.split() if set(run) == {"`"}), default=0))
    return [f"**{title}**\n", f"{fence}diff", text, f"{fence}\n"]


def _short(lines: Sequence[str]) -> str:
    return "\n".join(line if len(line) <= LINE else f"{line[: LINE - 1]}…" for line in lines)


def _cell(text: str) -> str:
    """A word of a user's (a language) in a table: nothing that Markdown or HTML would act on."""
    return "".join(letter if letter.isalnum() or letter in " +-._#" else "_" for letter in text)[:40]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
