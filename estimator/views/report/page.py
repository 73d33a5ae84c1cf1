"""Writes reports as one HTML file that needs no network.

A Content-Security-Policy forbids every connection and every script but the page's own, which are
named by their hashes. Vega evaluates expressions with its interpreter, so no ``eval`` is needed.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

from computebill.views.answers.answer import Figure
from computebill.views.charts.browser import fitting, vega
from computebill.views.charts.look import INK, look
from computebill.views.charts.saving import ScriptSafeEncoder
from computebill.views.charts.skins import on_page

from .document import Chart, Report, Section, Table

SHORT = 8
"""Rows of a table that one sheet of paper shall hold."""
NARROW, WIDE = 3, 6
"""Columns of a table with words that becomes a list of its rows on a narrow screen, on paper."""
# Of escaped text; the sign that ends a sentence or a bracket is no part of an address.
_ADDRESS = re.compile(r"https?://[^\s<>&\"')]+(?:&amp;[^\s<>&\"')]+)*(?<![.,;:])")
INTERVAL = r"\([−$\d][^()]*(–| to )[^()]*\)"
"""Of an answer, in brackets."""

ABOUT = {
    "computebill": "computebill",
    "torch": "torch",
    "date": "date",
    "seed": "seed of the draws",
    "samples": "draws",
    "method": "method",
    "device": "device",
}


def escape(text: object) -> str:
    """Return a text as HTML shows it, whatever a result has in its place."""
    return html.escape(str(text))


def render(reports: Sequence[Report]) -> str:
    """Return the page of one report, or of several with their answers and a list of contents."""
    title = reports[0].title if len(reports) == 1 else "Training compute: results"
    body = "\n".join(_Writer(reports, title).lines())
    charts = [
        {"spec": on_page(chart.picture), "title": chart.title, "label": chart.picture.label}
        for report in reports
        for chart in report.charts()
    ]
    shipped = resources.files(__package__)
    scripts = [vega(), fitting() + shipped.joinpath("page.js").read_text(encoding="utf-8")]
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    style = shipped.joinpath("page.css").read_text(encoding="utf-8")
    given = json.dumps({"charts": charts, "look": look(INK)}, cls=ScriptSafeEncoder)
    run = "".join(f"<script>{script}</script>\n" for script in scripts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="given">{given}</script>\n{run}</body>\n</html>\n'
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


class _Writer:
    """Writes the body, with a running number for what is referred to."""

    def __init__(self, reports: Sequence[Report], title: str) -> None:
        self.reports = reports
        self.title = title
        self.several = len(reports) > 1
        self.level = 3 if self.several else 2
        self.number = 0

    def lines(self) -> Iterator[str]:
        """Yield the body's lines."""
        yield '<a class="skip" href="#results">Skip to the results</a>'
        yield "<header>"
        yield '<p class="brand">computebill</p>'
        yield '<button type="button" id="theme" hidden>Colours: as the system</button>'
        yield f"<h1>{escape(self.title)}</h1>"
        if not self.several:
            yield from self._answer(self.reports[0])
        yield "</header>"
        yield from self._contents()
        yield '<main id="results" tabindex="-1">'
        yield from self._how()
        yield "<noscript><p>The charts need JavaScript; the tables do not.</p></noscript>"
        for place, report in enumerate(self.reports):
            yield f'<article id="r{place}">'
            if self.several:
                yield f"<h2>{escape(report.title)}</h2>"
                yield from self._figures(report)
            for index, section in enumerate(report.sections):
                yield from self._section(section, f"r{place}s{index}")
            yield from self._assumptions(report, place)
            yield from self._provenance(report, place)
            yield "</article>"
        yield "</main>"

    def _how(self) -> Iterator[str]:
        """Yield how to read the page: of what is on it."""
        told = []
        if any(
            re.search(INTERVAL, each.answer) or each.about.get("samples") for each in self.reports
        ):
            told.append("In brackets: 5th to 95th percentile, in the unit of the median.")
        if any(each.charts() for each in self.reports):
            told.append(
                "In a chart, hover for figures, drag to move, Ctrl and wheel to zoom, double-click "
                "to go back; click names in a legend to single them out. Below each are buttons "
                "for the same, reached by the Tab key too, and its table."
            )
        if told:
            yield f'<p class="how">{" ".join(told)}</p>'

    def _heading(self, text: str, deeper: int = 0) -> str:
        level = self.level + deeper
        return f"<h{level}>{escape(text)}</h{level}>"

    def _answer(self, report: Report) -> Iterator[str]:
        yield f'<p class="answer">{together(report.answer)}</p>'
        yield from self._figures(report)

    def _figures(self, report: Report) -> Iterator[str]:
        for note in report.notes:
            yield f'<p class="note">{escape(note)}</p>'
        if report.figures:
            yield '<dl class="figures">'
            yield from map(_figure, report.figures)
            yield "</dl>"

    def _contents(self) -> Iterator[str]:
        """Yield the list of sections; of several reports with the answer of each."""
        if not self.several:
            yield f'<nav aria-label="Contents">{self._links(self.reports[0], 0)}</nav>'
            return
        yield '<nav class="several" aria-label="Answers"><ul class="answers">'
        for place, report in enumerate(self.reports):
            yield f'<li><a href="#r{place}">{escape(report.title)}</a>'
            yield f"<p>{together(report.answer)}</p>{self._links(report, place)}</li>"
        yield "</ul></nav>"

    def _links(self, report: Report, place: int) -> str:
        found = [(f"r{place}s{index}", each.title) for index, each in enumerate(report.sections)]
        if report.assumptions or report.sources:
            found.append((f"r{place}a", "Assumptions"))
        if report.about:
            found.append((f"r{place}p", "Reproduce"))
        links = (f'<li><a href="#{to}">{escape(text)}</a></li>' for to, text in found)
        return f"<ul>{''.join(links)}</ul>"

    def _section(self, section: Section, key: str) -> Iterator[str]:
        yield f'<section id="{key}">'
        yield self._heading(section.title)
        if section.text:
            yield f"<p>{escape(section.text)}</p>"
        for part in section.parts:
            yield from self._chart(part) if isinstance(part, Chart) else table(part)
        yield "</section>"

    def _chart(self, chart: Chart) -> Iterator[str]:
        key = f"c{self.number}"
        self.number += 1
        yield f'<figure aria-labelledby="{key}t" aria-describedby="{key}d">'
        heading = f"h{self.level + 1}"
        yield f'<figcaption><{heading} id="{key}t">{escape(chart.title)}</{heading}>'
        yield f'<p id="{key}d">{escape(chart.says)}</p></figcaption>'
        yield f'<div class="chart" id="{key}"></div>'
        yield f"<details><summary>Table: {escape(chart.title)}</summary>"
        yield from table(chart.table)
        yield "</details></figure>"

    def _assumptions(self, report: Report, place: int) -> Iterator[str]:
        if not report.assumptions and not report.sources:
            return
        yield f'<section id="r{place}a">'
        yield self._heading("Assumptions and sources")
        if report.assumptions:
            headings, left = ("input", "value", "source"), ("value", "source")
            yield from table(Table("Every number that went in", headings, report.assumptions, left))
        if report.sources:
            yield '<ul class="sources">'
            yield from (f"<li>{_source(each)}</li>" for each in report.sources)
            yield "</ul>"
        yield "</section>"

    def _provenance(self, report: Report, place: int) -> Iterator[str]:
        if not report.about:
            return
        yield f'<section id="r{place}p">'
        yield self._heading("Reproduce")
        if report.about.get("command"):
            command = escape(str(report.about["command"]))
            yield f"<pre><code>{command}</code></pre>"
        known = [(text, report.about[key]) for key, text in ABOUT.items() if key in report.about]
        yield '<dl class="about">'
        for text, value in known:
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            yield f"<div><dt>{escape(text)}</dt><dd>{escape(shown)}</dd></div>"
        yield "</dl></section>"


def _figure(figure: Figure) -> str:
    interval = f'<span class="interval">{escape(figure.interval)}</span>' if figure.interval else ""
    label, value = escape(figure.label), escape(figure.value)
    return f"<div><dt>{label}</dt><dd>{value}{interval}</dd></div>"


def together(text: str) -> str:
    """Return a sentence whose numbers do not break across lines."""
    text = re.sub(r"(?<=\d) (?=[%kMBT]\b|%)", "\u00a0", str(text))
    return escape(re.sub(r"(?<=\d)–(?=[$\d])", "\u2060–\u2060", text))


def _source(source: Any) -> str:
    title, address = escape(source.get("title") or ""), str(source.get("address") or "")
    if address.startswith(("https://", "http://")):
        address, _, where = address.partition(" ")
        title = f'<a href="{escape(address)}" rel="noreferrer">{title}</a> {escape(where)}'.strip()
    elif address:
        title = f"{title} ({escape(address)})"
    more = [escape(source[key]) for key in ("licence", "note") if source.get(key)]
    return ". ".join([title, *more])


def table(given: Table) -> Iterator[str]:
    """Yield a table's lines; it scrolls sideways by itself where it is wider than the page."""
    title = escape(given.title)
    stacked = bool(given.left) and len(given.headings) >= NARROW
    is_wide = stacked and len(given.headings) >= WIDE
    is_short = len(given.rows) <= SHORT
    kinds = ["short"] * is_short + ["stack"] * stacked + ["wide"] * is_wide
    kind = f' class="{" ".join(kinds)}"' if kinds else ""
    yield f'<div class="scroll"><table{kind}><caption><span>{title}</span></caption>'
    is_left = [place == 0 or name in given.left for place, name in enumerate(given.headings)]
    if any(given.headings):
        heads = zip(given.headings, is_left, strict=True)
        cells = "".join(f'<th scope="col"{_side(left)}>{escape(name)}</th>' for name, left in heads)
        yield f"<thead><tr>{cells}</tr></thead>"
    yield "<tbody>"
    labels = [f' data-label="{escape(name)}"' if stacked else "" for name in given.headings]
    for first, *rest in given.rows:
        cells = "".join(
            f"<td{_side(left)}{label}>{linked(cell)}</td>"
            for cell, left, label in zip(rest, is_left[1:], labels[1:], strict=True)
        )
        yield f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def linked(text: object) -> str:
    """Return a text as HTML, its addresses as links."""
    return _ADDRESS.sub(r'<a href="\g<0>" rel="noreferrer">\g<0></a>', escape(text))


def _side(is_left: bool) -> str:
    return "" if is_left else ' class="n"'
