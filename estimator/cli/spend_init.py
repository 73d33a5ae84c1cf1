"""``computebill spend init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .grouped import Grouped
from .options import FILE, field_options

QUESTIONS = (
    ("organisation", "Name of the organisation"),
    ("first", "First period of the spend, 2025-01 or 2025-H1"),
    ("last", "Last period of the spend, included"),
    ("basis", "What both sides are counted in, dollars or hours"),
    ("spend", "R&D compute in that period, 20M (USD) or 5M (GPU-hours)"),
    ("run", "Name of the largest final run"),
    ("released", "When it was released, 2025-09"),
    ("gpu-hours", "Its accelerator-hours; leave empty to give parameters and tokens"),
    ("params", "Its parameters, 30B; active ones of a mixture of experts"),
    ("tokens", "Tokens that it was trained on, 12T"),
    ("accelerator", "Accelerator, h100-sxm"),
    ("mfu", "Utilisation, 0.3..0.45"),
    ("price", "Price of an accelerator-hour, USD, 1.8..2.6"),
)
SIZED_BY_HOURS = ("params", "tokens", "accelerator", "mfu")


@click.command(cls=Grouped)
@click.argument("file", type=FILE)
@field_options(QUESTIONS)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(file: Path, force: bool, **given: Any) -> None:
    """Write a commented programme of one's own; on a terminal it asks for what is missing.

    \b
    computebill spend init my-lab.toml
    computebill spend init my-lab.toml --organisation Mine --first 2025-H1 --last 2025-H2 \\
        --basis dollars --spend 20M --run base-30b --released 2025-09 --gpu-hours 400k --price 2..3
    """  # noqa: D301 -- click reads the backslash
    from computebill.base.errors import RequestError
    from computebill.base.specfile import validate
    from computebill.base.writing import replacing
    from computebill.programmes.loading import load_programme
    from computebill.programmes.template import Answers, programme_text

    if file.suffix.lower() != ".toml":
        raise RequestError(str(file), "allowed: a file that ends in .toml")
    if file.exists() and not force:
        raise RequestError(str(file), "is there already; allowed: another name, or --force")
    if sys.stdin.isatty():
        _ask(given)
    known = {name: value for name, value in given.items() if value is not None}
    answers = validate(Answers, known, "spend init", frozenset(Answers.model_fields))
    text = programme_text(answers, known, file.name)
    with replacing(file) as path:
        path.write_text(text, encoding="utf-8")
        load_programme(path)
    click.echo(f"Wrote {file}; next: computebill spend {file}")


def _ask(given: dict[str, Any]) -> None:
    """Ask for what no flag gave, as far as it is needed; an empty answer leaves it out."""
    for flag, text in QUESTIONS:
        name = flag.replace("-", "_")
        has_hours = given.get("gpu_hours") is not None
        is_needless = name in SIZED_BY_HOURS and has_hours
        is_needless |= name == "gpu_hours" and given.get("params") is not None
        is_needless |= name == "price" and given.get("basis") == "hours"
        if given.get(name) is None and not is_needless:
            given[name] = click.prompt(text, default="", show_default=False) or None
