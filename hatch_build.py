"""Compiles the reconstruction with mypyc while the package is built (docs/decisions/0007-compiled-reconstruction.md).

The compiled modules lie in ``echo_ops/lifecycle/_compiled``, beside the hash of the sources that they were made of:
``echo_ops/lifecycle/compiled.py`` takes them only while that hash is right. Without a C compiler nothing is compiled,
and the sources run as they are.
"""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = Path("echo_ops/lifecycle")
INTERPRETED = {"__init__", "compiled", "columns", "reconstruct"}  # the latter work in Arrow and numpy

BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import Distribution
target, *sources = sys.argv[1:]
options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
extensions = mypycify(
    [*options, *sources], debug_level="0", target_dir=f"{target}/c", group_name="echo_ops.lifecycle.reconstruction"
)
build = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
build.build_lib, build.build_temp = f"{target}/lib", f"{target}/temp"
build.ensure_finalized()
build.run()
"""


class CustomBuildHook(BuildHookInterface):
    """Found by hatchling by its name and place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and put what came of it into the wheel; an editable install finds it in the source tree."""
        package = Path(self.root, PACKAGE)
        place = package / "_compiled"
        shutil.rmtree(place, ignore_errors=True)
        sources = sorted(path for path in package.glob("*.py") if path.stem not in INTERPRETED)
        with tempfile.TemporaryDirectory() as target:
            relative = [str(path.relative_to(self.root)) for path in sources]
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-c", BUILD, target, *relative], cwd=self.root, capture_output=True, text=True
            )
            if done.returncode:
                reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
                self.app.display_warning(f"the reconstruction was not compiled and runs slower: {' '.join(reason)}")
                return
            shutil.copytree(Path(target, "lib", PACKAGE), place)
        digest = runpy.run_path(str(package / "compiled.py"))["sources_digest"]
        (place / "sources.sha256").write_text(digest(package))
        build_data["artifacts"].append(f"/{PACKAGE}/_compiled/*")
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
