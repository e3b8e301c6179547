"""Write the parts of README.md that follow from the code: the table of commands and the table of settings.

    python scripts/generate_docs.py [--check]

With ``--check`` nothing is written; the exit status is 1 when README.md is stale.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from echo_ops import settings
from echo_ops.cli import app

README = Path(__file__).parents[1] / "README.md"


def commands(group: typer.Typer = app, before: str = "") -> Iterator[tuple[str, str]]:
    """Each command's name and the first line of its docstring."""
    for command in group.registered_commands:
        function = command.callback
        if function is None or not function.__doc__:
            raise SystemExit(f"the command {command.name} has no docstring")
        name = command.name or function.__name__.replace("_", "-")
        yield f"{before}{name}", function.__doc__.strip().splitlines()[0]
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from commands(inner.typer_instance, f"{before}{inner.name} ")


def render(text: str) -> str:
    """README.md with its generated parts as they should be."""
    rows = ["| command | what it does |", "|---|---|", *(f"| `{name}` | {what} |" for name, what in commands())]
    for part, content in (("commands", "\n".join(rows)), ("settings", settings.markdown())):
        pattern = re.compile(rf"(<!-- {part}:[^>]*-->\n).*?(<!-- /{part} -->)", re.DOTALL)
        text, found = pattern.subn(lambda match, content=content: f"{match[1]}{content}\n{match[2]}", text)
        if found != 1:
            raise SystemExit(f"README.md has {found} places for {part}, 1 is wanted")
    return text


if __name__ == "__main__":
    now = README.read_text()
    wanted = render(now)
    if "--check" in sys.argv:
        sys.exit("README.md is stale: run scripts/docs" if now != wanted else 0)
    README.write_text(wanted)
