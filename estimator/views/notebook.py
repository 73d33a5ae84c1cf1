"""Results in a notebook: the answer and tables of the terminal as HTML, and one line of text.

The HTML stands alone: no script, nothing loaded, every text escaped, colours those of the page
around it, light or dark.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from html import escape
from itertools import chain
from types import ModuleType
from typing import Any, Protocol

from rich.console import RenderableType
from rich.style import Style
from rich.table import Column, Table
from rich.text import Text

VIEWS = {
    "Bench": "bench",
    "ComparedPlan": "compared",
    "Forecast": "forecast",
    "Ledger": "ledger",
    "ModelCard": "model",
    "Plan": "plan",
    "RolloutPlan": "rollouts",
    "RunEstimate": "run",
    "Score": "score",
    "SpendEstimate": "spend",
    "StagedEstimate": "stages",
    "Statement": "statement",
    "SweepEstimate": "sweep",
    "Utilisation": "mfu",
    "Validation": "validation",
    "Watch": "statement",
}
"""Results by their class, and the module whose ``full`` has the tables of each."""


class Told(Protocol):
    """A result with a JSON form."""

    def to_dict(self) -> dict[str, Any]:
        """Return it."""


LONGEST_LINE = 140
"""Letters of a result's line: with its class, one line of a wide terminal."""

FOLDED = 16
"""Rows from which on a table, unless it is the first, is folded under its title."""

STYLE = """
.computebill{max-width:72em;line-height:1.4}
div.computebill table{border-collapse:collapse;color:inherit;border:0;margin:.4em 0 1.2em;\
table-layout:auto;width:auto;font-variant-numeric:tabular-nums}
div.computebill caption,.computebill summary{font-weight:bold;text-align:left;padding:.3em 0;\
color:inherit;caption-side:top}
div.computebill summary{cursor:pointer}
div.computebill table th,div.computebill table td{text-align:left;vertical-align:top;\
padding:.15em 1.2em .15em 0;border:0;background:none;color:inherit;white-space:pre-wrap;\
overflow-wrap:anywhere;max-width:44em}
div.computebill table th{font-weight:normal;opacity:.7}
div.computebill table thead tr{border-bottom:1px solid rgba(128,128,128,.6)}
div.computebill table .right{text-align:right;white-space:pre}
div.computebill dl{display:flex;flex-wrap:wrap;gap:.4em 2em;margin:.4em 0 1.2em}
div.computebill dt{opacity:.7}
div.computebill dd{margin:0}
div.computebill .bold{font-weight:bold}
div.computebill .dim{opacity:.7}
div.computebill p{white-space:pre-wrap;margin:.4em 0 1em}
div.computebill .warning{border-left:.25em solid #d29922;padding-left:.6em}
"""

CLASSES = {"bold": "bold", "dim": "dim", "yellow": "warning"}
"""Of the views' styles."""


def html(result: Told) -> str:
    """Return a result's sentence, the few figures that matter, and its tables as HTML."""
    view, answer = _view(result), _answer(result)
    shown: Iterable[RenderableType] = view.full(result, *_beside(view, result))
    parts = "".join(_part(part, i > 0) for i, part in enumerate(shown))
    told = f'<p class="bold">{escape(answer.sentence)}</p>{_tiles(answer)}{parts}'
    return f'<div class="computebill"><style>{STYLE}</style>{told}</div>'


def _tiles(answer: Any) -> str:
    """Return the figures that a page has on top."""
    told = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)}"
        f'<span class="dim">{f" {escape(interval)}" if interval else ""}</span></dd></div>'
        for label, value, interval in answer.figures
    )
    return f"<dl>{told}</dl>" if told else ""


def line(result: Told) -> str:
    """Return what a result says in one line of at most ``LONGEST_LINE`` letters."""
    told = " ".join(_answer(result).sentence.split())
    return told if len(told) <= LONGEST_LINE else f"{told[: LONGEST_LINE - 1]}…"


def _answer(result: Told) -> Any:
    """Return the answer of a result; answers import this folder, so never the other way round."""
    return importlib.import_module(".answers", __package__).answer_of(result.to_dict())


def _view(result: object) -> ModuleType:
    return importlib.import_module(f".{VIEWS[type(result).__name__]}", __package__)


def _beside(view: ModuleType, result: object) -> Iterator[object]:
    """What a command gives its view besides the result."""
    if hasattr(view, "elsewhere_of"):
        yield view.elsewhere_of(result)


def _part(part: RenderableType, can_fold: bool) -> str:
    if isinstance(part, Table):
        return _table(part, can_fold)
    if isinstance(part, Text):
        return f"<p{_class(part.style)}>{escape(part.plain)}</p>"
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    raise TypeError(f"a view gave {type(part).__name__}; allowed: Table, Text, str")


def _table(table: Table, can_fold: bool) -> str:
    title = escape(str(table.title or ""))
    columns = [(column, list(column.cells)) for column in table.columns]
    head = ""
    if table.show_header:
        cells = (_cell(column, column.header, "th") for column, _ in columns)
        head = f"<thead><tr>{''.join(cells)}</tr></thead>"
    rows = []
    for i, row in enumerate(table.rows):
        cells = (_cell(column, found[i], "td") for column, found in columns)
        rows.append(f"<tr{_class(row.style)}>{''.join(cells)}</tr>")
    folds = can_fold and len(rows) >= FOLDED
    caption = "" if folds or not title else f"<caption>{title}</caption>"
    note = f"<p>{escape(str(table.caption))}</p>" if table.caption else ""
    body = f"<table>{caption}{head}<tbody>{''.join(rows)}</tbody></table>{note}"
    return f"<details><summary>{title}</summary>{body}</details>" if folds else body


def _cell(column: Column, cell: RenderableType, tag: str) -> str:
    styles = [cell.style] if isinstance(cell, Text) else []
    found = [*_classes(*styles), *(["right"] if column.justify == "right" else [])]
    text = cell.plain if isinstance(cell, Text) else str(cell)
    return f"<{tag}{_attribute(found)}>{escape(text)}</{tag}>"


def _class(style: str | Style | None) -> str:
    return _attribute(_classes(style))


def _classes(*styles: str | Style | None) -> list[str]:
    words = chain.from_iterable(str(style or "").split() for style in styles)
    return [CLASSES[word] for word in words if word in CLASSES]


def _attribute(classes: Iterable[str]) -> str:
    joined = " ".join(classes)
    return f' class="{joined}"' if joined else ""
