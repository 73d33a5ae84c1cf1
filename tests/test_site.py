"""The site's reference is whole: kernels, public names, specifications, constants.

That it builds without a warning is for ``python -m sphinx`` (``make docs``).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

import computebill as cb
from computebill.base.constants import constants, number, pair, table, whole
from computebill.kernels.constants import CONSTANTS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs" / "constants.md", *sorted((ROOT / "docs" / "api").glob("*.md"))]
REFERENCE = "\n".join(page.read_text("utf-8") for page in PAGES)

DESCRIBED = {
    **{f"computebill.{name}": each for name, each in constants().items()},
    **{f"computebill.kernels.{name}": each for name, each in CONSTANTS.items()},
}


def test_every_kernel_is_on_a_page() -> None:
    paths = [path.relative_to(ROOT) for path in (ROOT / "kernels").rglob("*.py")]
    modules = {".".join(path.with_suffix("").parts) for path in paths if path.stem != "__init__"}
    shown = set(re.findall(r"automodule:: computebill\.(kernels\.[\w.]+)", REFERENCE))
    assert shown == modules


def test_every_public_name_is_on_a_page() -> None:
    shown = re.findall(r"auto(?:class|function):: (\w+)$", REFERENCE, re.MULTILINE)
    assert sorted(shown) == sorted(cb.__all__)


@pytest.mark.parametrize(
    "spec", [cb.RunSpec, cb.PlanSpec, cb.SweepSpec, cb.Programme, cb.Layout, cb.Accelerator]
)
def test_every_field_is_described(spec: type[BaseModel]) -> None:
    docs = "\n".join(each.__doc__ or "" for each in spec.__mro__)
    told = re.findall(r"^ +(\w+): \w", docs, re.MULTILINE)
    assert set(spec.model_fields) <= set(told)


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_constant_is_where_its_table_says(name: str) -> None:
    module, _, own = name.rpartition(".")
    assert getattr(importlib.import_module(module), own) == DESCRIBED[name].value


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_constant_has_a_unit_a_meaning_and_a_source_or_a_mark(name: str) -> None:
    each = DESCRIBED[name]
    assert each.unit
    assert each.what
    assert each.source or not each.checked


def test_a_constant_is_read_as_what_it_is() -> None:
    by_kind: Mapping[type, list[str]] = {
        kind: [name for name, each in constants().items() if isinstance(each.value, kind)]
        for kind in (float, int, tuple, Mapping)
    }
    assert all(type(number(name)) is float for name in by_kind[float] + by_kind[int])
    assert all(type(whole(name)) is int for name in by_kind[int])
    for read, wrong in (
        (number, by_kind[tuple] + by_kind[Mapping]),
        (whole, by_kind[float] + by_kind[tuple]),
        (pair, by_kind[float] + by_kind[Mapping]),
        (table, by_kind[float] + by_kind[tuple]),
    ):
        for name in wrong:
            with pytest.raises(TypeError, match=name):
                read(name)


def test_a_constant_that_lacks_a_field_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "[a.B]\nvalue = 1.0\nunit = 'm'\n")
    constants.cache_clear()
    try:
        with pytest.raises(TypeError, match="what"):
            constants()
    finally:
        constants.cache_clear()
