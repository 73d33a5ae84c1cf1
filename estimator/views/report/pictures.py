"""Pictures of a report's charts: PNG, SVG and PDF of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from computebill.base.errors import RequestError
from computebill.views.charts.saving import save
from computebill.views.charts.skins import on_paper

from .document import Report

FORMS = ("png", "svg", "pdf")
LONGEST_NAME = 60


def save_pictures(reports: Sequence[Report], folder: Path) -> list[Path]:
    """Write each chart three times, and return the files.

    Raises:
        RequestError: where the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(str(folder), f"cannot be made: {error.strerror or error}") from None
    # Alone, a picture of one of several results would not say which.
    several = len(reports) > 1
    charts = [(chart, report.title) for report in reports for chart in report.charts()]
    written = []
    for place, (chart, title) in enumerate(charts, start=1):
        spec = on_paper([chart.picture], title if several else "")
        for form in FORMS:
            target = folder / f"{place:02d}-{_plain(chart.title)}.{form}"
            save(spec, target)
            written.append(target)
    return written


def save_picture(report: Report, target: Path) -> None:
    """Write the main charts of a report as one file.

    Raises:
        RequestError: where it has none, or the file's ending is none of a picture.
    """
    pictures = [chart.picture for chart in report.charts(mainly=True)]
    if not pictures:
        raise RequestError("--plot", report.undrawn)
    save(on_paper(pictures, report.heading or report.title), target)


def _plain(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:LONGEST_NAME]
