"""What is answered to a question: a query's fields in, JSON or a file's text out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import tomli_w

from computebill.base.errors import RequestError, shown
from computebill.base.provenance import provenance
from computebill.views.report import reports_of
from computebill.views.report.page import render
from computebill.views.result import Result

from .ledgers import Ledgers
from .organisations import BEGIN, Organisations
from .screen import run_shown, spend_shown
from .sliders import ProgrammeSliders, run_fields, run_options
from .what_if import SAMPLES, WhatIf, accelerators, estimate_of, run_of

LONGEST_NAME = 80
"""Letters of a file's name."""

Given = tuple[tuple[str, str], ...]


class Answers:
    """Answers over a fixed set of programmes; no request reads a file.

    Args:
        programmes: by name.
        ledgers: results of ``ledger`` by name.
    """

    def __init__(
        self, programmes: Mapping[str, WhatIf], ledgers: Mapping[str, Result] | None = None
    ) -> None:
        self._programmes = programmes
        self._published = {name: each.answer({}).totals for name, each in programmes.items()}
        self._sliders = {name: ProgrammeSliders(each) for name, each in programmes.items()}
        self.spend = lru_cache(maxsize=4096)(self._spend)
        self.run = lru_cache(maxsize=4096)(self._run)
        self._organisations = Organisations()
        self._ledgers = Ledgers(ledgers or {})
        self.result = lru_cache(maxsize=64)(self._result)
        # The first answer of each is made now, and the shapes of its charts: nobody waits for them.
        for name in programmes:
            self.spend((("programme", name),))

    def options(self) -> dict[str, Any]:
        """Return what there is to choose from, and where sliders stop and begin."""
        return {
            "programmes": {
                name: {
                    "title": each.loaded.programme.title,
                    "fields": self._sliders[name].options(),
                }
                for name, each in self._programmes.items()
            },
            "accelerators": accelerators(),
            "organisations": self._organisations.options,
            "records": self._ledgers.options,
            "begin": {"organisations": BEGIN, "ledger": self._begin()},
            "run": run_options(),
        }

    def _spend(self, given: Given) -> str:
        name, moved = self._programme_of(given)
        answer, published = self._programmes[name].answer(moved), self._published[name]
        shown_as = spend_shown(answer, published if moved else answer.totals)
        fields = self._sliders[name].fields(moved)
        return dumped({**answer.to_dict(), "shown": {**shown_as, "fields": fields}})

    def _run(self, given: Given) -> str:
        estimate = estimate_of(dict(given))
        shown_as = {**run_shown(estimate), "fields": run_fields(estimate.spec)}
        return dumped({**estimate.to_dict(), "shown": shown_as})

    def organisations(self, given: Given) -> str:
        """Return what is known of all programmes that ship, and of one that is opened."""
        return dumped(self._organisations.answer(dict(given)))

    def _begin(self) -> dict[str, str]:
        return {"records": next(iter(self._ledgers.options), "")}

    def ledger(self, given: Given) -> str:
        """Return what records tell, of those that the server was started with."""
        return dumped(self._ledgers.answer(dict(given)))

    def _programme_of(self, given: Given) -> tuple[str, dict[str, str]]:
        moved = dict(given)
        name = moved.pop("programme", "")
        if name not in self._programmes:
            allowed = ", ".join(self._programmes)
            raise RequestError("programme", f"got {shown(name)}; allowed: {allowed}")
        return name, moved

    def spec(self, given: Given) -> str:
        """Return the file that the command takes."""
        if _is_programme(given):
            name, moved = self._programme_of(given)
            data = self._programmes[name].file(moved).data
        else:
            run_of(dict(given))
            data = dict(given)
        told = " ".join(["computebill", *self._arguments(given)])
        return f"# {told}\n\n{tomli_w.dumps(data)}"

    def _result(self, given: Given) -> dict[str, Any]:
        """Return the result, of the draws that the page shows, as ``--json`` prints it."""
        if _is_programme(given):
            name, moved = self._programme_of(given)
            found = self._programmes[name].estimate(moved).to_dict()
        else:
            found = estimate_of(dict(given)).to_dict()
        return {**found, "about": provenance(found, self._arguments(given))}

    def page(self, given: Given) -> str:
        """Return the report of the result."""
        return render(reports_of([("result.json", self.result(given))]))

    def file_name(self, given: Given) -> str:
        """Return a file's name, without its ending, that tells the state."""
        fields = dict(given)
        if _is_programme(given):
            words = [fields.pop("programme"), *(f"{name}-{fields[name]}" for name in fields)]
        else:
            words = ["run", *(fields.pop(name, "") for name in ("accelerator", "params", "tokens"))]
            words += [f"{name.replace('_', '-')}-{fields[name]}" for name in fields]
        text = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(filter(None, words)))
        return text[:LONGEST_NAME].strip("-.") or "computebill"

    def _arguments(self, given: Given) -> list[str]:
        """Return the command line that gives the same."""
        command, source = "run", f"{self.file_name(given)}.toml"
        if _is_programme(given):
            name, moved = self._programme_of(given)
            is_known = not moved and self._programmes[name].is_shipped
            command, source = "spend", name if is_known else source
        return [command, source, "--samples", str(SAMPLES)]


def _is_programme(given: Given) -> bool:
    return any(name == "programme" for name, _ in given)


def dumped(result: Any) -> str:
    """Return JSON; what is not known is null."""
    try:
        return json.dumps(result, allow_nan=False)
    except ValueError:  # seldom: a copy of every answer would take longer than to write it
        return json.dumps(_finite(result), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
