"""Which of the two forms of this package runs: its sources, or what ``hatch_build.py`` compiled of them.

The compiled modules are taken only while they were made of the very sources beside them: a source can be changed and
tried at once. ``ECHO_PURE_PYTHON=1`` leaves them aside.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path


def sources_digest(package: Path) -> str:
    """The hash of a package's sources."""
    digest = sha256()
    for source in sorted(package.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()


def take(search_path: list[str]) -> bool:
    """Put the compiled modules first on a package's path, where there are any that are current."""
    package = Path(search_path[0])
    stamp = package / "_compiled" / "sources.sha256"
    if os.environ.get("ECHO_PURE_PYTHON") == "1" or not stamp.is_file() or stamp.read_text() != sources_digest(package):
        return False
    search_path.insert(0, str(stamp.parent))
    return True
