"""The data docs of a day: one page that says at a glance what held, and Great Expectations' own pages behind it.

::

    <docs>/<day>/index.html            all tables of the day; needs nothing but itself: no script, no network
    <docs>/<day>/<table>/report.json   what was found, for machines
    <docs>/<day>/<table>/index.html    Great Expectations' site of the table
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from echo_ops.errors import UnavailableError
from echo_ops.quality import charts
from echo_ops.quality.expectations import Severity
from echo_ops.quality.profile import NAMES, Name
from echo_ops.quality.report import Report

REPORT = "report.json"
SEVERITIES = get_args(Severity)

_REMOTE = re.compile(
    r"<script\b.*?</script\s*>|<(?:link|img|iframe)\b[^>]*\b(?:href|src)\s*=\s*[\"']?(?:https?:)?//[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_CLOSED = """<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline' 'self'; img-src 'self' data:">
<style>
body { max-width: 72rem; margin: 0 auto; padding: 1rem; font: 15px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; } th, td { padding: .3rem .6rem; border: 1px solid #ccc; vertical-align: top; }
.modal, button, footer, [data-toggle], .card:has([type=radio]) { display: none !important; } a { color: #175cd3; }
</style>"""
"""Put into the pages of Great Expectations in place of what they load; the browser then refuses what is left."""


def gx_site(folder: Path) -> dict[str, Any]:
    """Configuration of a site of Great Expectations in ``folder``."""
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
    }


@contextmanager
def replacing(day_folder: Path, name: Name) -> Iterator[Path]:
    """An empty folder that takes the place of the table's pages once the block ends well.

    Pages of tables that come after it in a day are removed: they were made from what is now replaced.

    Raises:
        UnavailableError: the folder cannot be written.
    """
    part = day_folder / f".{name}.{os.getpid()}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        # Animated tutorials, 3.4 MB for each table and day; the pages that show them are switched off.
        for tutorial in (part / "static" / "images").glob("*.gif"):
            tutorial.unlink()
        for page in part.rglob("*.html"):
            page.write_text(closed(page.read_text()))
        for outdated in NAMES[NAMES.index(name) :]:
            shutil.rmtree(day_folder / outdated, ignore_errors=True)
        part.replace(day_folder / name)
    except OSError as error:
        raise UnavailableError(
            f"the data docs cannot be written to {day_folder}: {error.strerror or type(error).__name__}; "
            "check that the folder is writable and has space, or name another with ECHO_HOME"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def closed(page: str) -> str:
    """A page of Great Expectations that loads nothing: without scripts and remote styles, with a few of our own."""
    page = _REMOTE.sub("", page)
    return page.replace("<head>", f"<head>\n{_CLOSED}", 1)


def write(site: Path, report: Report) -> None:
    """Put a report beside the pages of its table, for machines and for the page of the day."""
    data = {name: value for name, value in asdict(report).items() if name not in ("docs_path", "measures")}
    data["passed"] = report.passed
    (site / REPORT).write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")


def _validation_pages(day_folder: Path, name: str) -> Iterator[str]:
    """Great Expectations' page of the results; its index alone lists them by script."""
    for page in sorted((day_folder / name / "validations").rglob("*.html")):
        yield page.relative_to(day_folder).as_posix()


def _once(failures: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the warnings of what has failed critically already; the most severe come first."""
    said: dict[tuple[str | None, str], dict[str, Any]] = {}
    for failure in failures:
        said.setdefault((failure["column"], failure["says"]), failure)
    return list(said.values())


def write_day(day_folder: Path, day: str) -> None:
    """Write the page of a day anew, from the reports that are there."""
    from jinja2 import Environment, PackageLoader

    reports = [json.loads(file.read_text()) for name in NAMES if (file := day_folder / name / REPORT).is_file()]
    for report in reports:
        report["failures"] = _once(finding for finding in report["findings"] if not finding["passed"])
        report["held"] = [finding for finding in report["findings"] if finding["passed"]]
        report["pages"] = list(_validation_pages(day_folder, report["name"]))
        report["charts"] = charts.of_table(report)
    failures = [{**failure, "table": report["name"]} for report in reports for failure in report["failures"]]
    failures.sort(key=lambda failure: SEVERITIES.index(failure["severity"]))
    page = Environment(loader=PackageLoader("echo_ops.quality", "."), autoescape=True, trim_blocks=True)
    text = page.get_template("day.html.j2").render(
        day=day,
        reports=reports,
        failures=failures,
        counts=Counter(failure["severity"] for failure in failures),
        expected=NAMES,
        glance=charts.glance(reports),
    )
    part = day_folder / f".index.{os.getpid()}.part"
    part.write_text(text)
    part.replace(day_folder / "index.html")
