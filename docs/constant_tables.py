"""The tables of constants.md, from the files and modules where the constants stand."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from computebill.base.constants import Constant, constants
from computebill.kernels.constants import CONSTANTS
from computebill.kernels.constants import Constant as KernelConstant
from computebill.training.efficiency import read_profile
from computebill.training.inputs import trainer_told
from computebill.training.layout import Layout
from computebill.training.parameters import PARAMETERS, meaning
from computebill.training.recipes import MOMENTS, RECIPES, TRAINERS
from computebill.training.software import FRAMEWORKS_FILE

ROOT = Path(__file__).parents[1]
MOST_SHOWN = 10
"""Numbers of a constant that a cell holds; of more, how many there are and their ends."""

UNCHECKED = "**not checked**"

ELSEWHERE = {
    "training.recipes.RECIPES": "B a parameter, and of an activation's element",
    "training.recipes.MOMENTS": "B a parameter: moments of matrices in layers, and of all else",
    "training.recipes.WEIGHTS": "B a weight of a matrix in a layer",
    "costs.prices.DISCOUNTS": "share off the on-demand price of a provider, for one year and three",
    "runs.inputs.LLAMA_3_FAILURES": "failures a GPU and day of a run that tells none",
}
"""Constants that stand with their source in the module that uses them."""

SOURCES = {
    "costs.prices.DISCOUNTS": "Cottier et al. 2024, arXiv:2405.21015",
    "runs.inputs.LLAMA_3_FAILURES": "runs.inputs.LLAMA_3",
}
"""Where those are from that hold no source of their own: a text, or the name of one."""


Described = Constant | KernelConstant


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in lines)


def described(table: Mapping[str, Described]) -> str:
    """The table of constants that tell of themselves."""
    rows = (
        [spaced(name), f"{numbers(each.value)} [{each.unit}]", each.what, origin(each)]
        for name, each in table.items()
    )
    return markdown(["constant", "value", "what it is", "source"], rows)


def spaced(name: str) -> str:
    """A constant's name, which a narrow column may break after its module."""
    module, _, own = name.rpartition(".")
    return f"`{module}.` `{own}`"


def estimator_table(package: str) -> str:
    """The constants of a package, by the module that uses them."""
    own = {
        name.removeprefix(f"{package}."): each
        for name, each in constants().items()
        if name.startswith(f"{package}.")
    }
    return described(own)


def estimator_tables() -> str:
    """The constants above the kernels, a heading a package."""
    packages = dict.fromkeys(name.partition(".")[0] for name in constants())
    return "\n".join(f"### {each}\n\n{estimator_table(each)}" for each in packages)


def kernel_table() -> str:
    """The constants of the kernels."""
    return described(CONSTANTS)


def origin(constant: Described) -> str:
    """The source of a constant, with a mark where nobody compared the two."""
    if not constant.source:
        return "**assumed**"
    return constant.source if constant.checked else f"{constant.source} ({UNCHECKED})"


def numbers(value: Any) -> str:
    """A constant's numbers, with their names where they have any."""
    if isinstance(value, Mapping):
        found = {key: numbers(each) for key, each in value.items()}
        if len(found) > MOST_SHOWN:
            low, high = min(value.values()), max(value.values())
            return f"{len(found)} values, {number(low)} to {number(high)}"
        deep = any(isinstance(each, Mapping | list) for each in value.values())
        between = ": " if deep else " "
        return ("; " if deep else ", ").join(
            f"{key}{between}{each}" for key, each in found.items() if each
        )
    if isinstance(value, list | tuple):
        between = ", " if isinstance(value, tuple) else " or "
        return between.join(filter(None, map(numbers, value)))
    return "" if isinstance(value, str) else number(value)


def number(value: float) -> str:
    """A number of six digits at most, as a page shows it."""
    return re.sub(r"e([+-])0*", lambda found: "e" + found[1].strip("+"), f"{value:.6g}")


def module_table() -> str:
    """The constants that stand with their source in a module."""
    rows = []
    for name, what in ELSEWHERE.items():
        value = named(name)
        source = SOURCES.get(name, "")
        source = named(source) if source.startswith("runs.") else source
        if isinstance(value, Mapping) and not source:
            rows += [
                [f"{spaced(name)} {key}", fields(each), what, each.source]
                for key, each in value.items()
            ]
        else:
            rows.append([spaced(name), numbers(value), what, source])
    return markdown(["constant", "value", "what it is", "source"], rows)


def fields(row: Any) -> str:
    """The numbers of a row by their names, and its switches that are on."""
    return ", ".join(
        name.replace("_", " ") if each is True else f"{name.replace('_', ' ')} {number(each)}"
        for name, each in row._asdict().items()
        if isinstance(each, int | float) and each is not False
    )


def trainer_table() -> str:
    """The presets by trainers: what each sets where its user does not, and where that is from."""
    rows = (
        [f"`{name}`", each.title, "; ".join(trainer_told(each, Layout(recipe=name))), each.source]
        for name, each in TRAINERS.items()
    )
    return markdown(["recipe", "trainer", "sets", "source"], rows)


def recipe_table() -> str:
    """What each bookkeeping holds for a parameter that is trained, with AdamW."""
    rows = []
    for name, each in RECIPES.items():
        moments = sum(MOMENTS["adamw"].held(each)) / 2.0
        whole = each.weight + each.copy + each.gradient + each.master + moments + each.step
        held = (each.weight + each.copy, each.gradient, each.master, moments, each.step, whole)
        rows.append([f"`{name}`", *map(number, held), each.source])
    heads = ["recipe", "weight", "gradient", "master copy", "moments", "step", "all", "source"]
    return markdown(heads, rows)


def named(name: str) -> Any:
    """What a module of the package has by a name."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(f"computebill.{module}"), attribute)


def efficiency_table() -> str:
    """The efficiencies of the step model: what is assumed before, and what the shipped fit says."""
    fitted = read_profile().values
    rows = []
    for name, each in PARAMETERS.items():
        found = number(float(f"{fitted[name]:.3g}")) if name in fitted else "–"
        rows.append([f"`{name}`", number(each.prior), number(each.spread), found, meaning(name)])
    return markdown(["efficiency", "before", "spread", "fitted", "what it is"], rows)


def framework_table() -> str:
    """The names of training software, and which generation each is since when."""
    data = tomllib.loads(FRAMEWORKS_FILE.read_text("utf-8"))

    def since(kind: str, name: str) -> str:
        (_, first), *later = data["histories"][kind][name].items()
        return "; ".join([first, *(f"{value} since {month}" for month, value in later)])

    rows = [
        [
            f"`{name}`",
            ", ".join(f"`{each}`" for each in told["names"]),
            since("generation", told["generation"]),
            since("attention", told["attention"]),
            told["kernels"],
            since("experts", told.get("experts", "kernel")),
            told.get("reduces", ""),
            since("checkpoints", told["checkpoints"]) if "checkpoints" in told else "",
        ]
        for name, told in data["frameworks"].items()
    ]
    headings = ["name", "also", "generation", "attention", "element-wise kernels"]
    return markdown([*headings, "experts", "gradients between replicas, bits", "checkpoints"], rows)


def file_table(path: str) -> str:
    """The constants of a file, by its tables; what each is stands in its comments.

    Args:
        path: of a TOML file, from the root of the tree.
    """
    text = (ROOT / path).read_text("utf-8")
    remarks, data = comments(text), tomllib.loads(text)
    origin = data.get("fitted") or remarks.get("", "")
    rows = [
        [
            f"`{name}`" if name else "",
            numbers(values),
            remarks.get(name, "") if name else "",
            source,
        ]
        for name, values, source in tables(data, "", origin)
    ]
    return markdown(["table", "values", "what it is", "source"], rows)


def tables(
    data: Mapping[str, Any], name: str, source: str
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each table of a file that holds values, those, and the source that it or its parent names."""
    source = data.get("source", source)
    inner = {key: each for key, each in data.items() if is_table(each)}
    own = {
        key: each
        for key, each in data.items()
        if key not in inner and not isinstance(each, str | bool)
    }
    if numbers(own):
        yield name, own, f"{source} ({UNCHECKED})" if data.get("checked") is False else source
    for key, each in inner.items():
        yield from tables(each, f"{name}.{key}" if name else key, source)


def is_table(value: Any) -> bool:
    """Whether a value is a table of its own, rather than a constant of a few numbers."""
    if not isinstance(value, Mapping):
        return False
    return len(value) > 3 or not all(isinstance(each, int | float) for each in value.values())


def comments(text: str) -> dict[str, str]:
    """What the comments of a file say, by the table that they follow; of the file, by no name."""
    found: dict[str, list[str]] = {"": []}
    name: str | None = ""
    for line in text.splitlines():
        if head := re.match(r"\[([\w.]+)\](?:\s+# (.+))?", line):
            name = head[1]
            found[name] = [head[2]] if head[2] else []
        elif line.startswith("# ") and name is not None:
            found[name].append(line[2:])
        else:
            name = None
    return {key: " ".join(lines) for key, lines in found.items()}
