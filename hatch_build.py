"""Compiles, while the package is built, what every event goes through: its row in C, its reconstruction with mypyc.

See docs/decisions/0007-compiled-reconstruction.md and 0014-rows-taken-apart-in-c.md. The modules of the reconstruction
lie in ``echo_ops/lifecycle/_compiled``, beside the hash of the sources that they were made of:
``echo_ops/lifecycle/compiled.py`` takes them only while that hash is right. Without a C compiler nothing is compiled:
the sources run as they are, and ADBC reads the rows.
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
COPY_READER = Path("echo_ops/events/_copy_reader.c")
INTERPRETED = {"__init__", "compiled", "columns", "reconstruct"}  # the latter work in Arrow and numpy

BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import Distribution, Extension
target, copy_reader, *sources = sys.argv[1:]
options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
extensions = mypycify(
    [*options, *sources], debug_level="0", target_dir=f"{target}/c", group_name="echo_ops.lifecycle.reconstruction"
)
extensions.append(Extension(copy_reader.removesuffix(".c").replace("/", "."), [copy_reader]))
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
        reader = Path(self.root, COPY_READER)
        shutil.rmtree(place, ignore_errors=True)
        for old in reader.parent.glob(f"{reader.stem}.*.so"):
            old.unlink()
        sources = sorted(path for path in package.glob("*.py") if path.stem not in INTERPRETED)
        with tempfile.TemporaryDirectory() as target:
            relative = [str(path.relative_to(self.root)) for path in sources]
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-c", BUILD, target, str(COPY_READER), *relative],
                cwd=self.root,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
                self.app.display_warning(f"nothing was compiled, so a harvest takes longer: {' '.join(reason)}")
                return
            shutil.copytree(Path(target, "lib", PACKAGE), place)
            for made in Path(target, "lib", COPY_READER.parent).glob("*.so"):
                shutil.copy(made, reader.parent)
        digest = runpy.run_path(str(package / "compiled.py"))["sources_digest"]
        (place / "sources.sha256").write_text(digest(package))
        build_data["artifacts"] += [f"/{PACKAGE}/_compiled/*", f"/{COPY_READER.parent}/*.so"]
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
