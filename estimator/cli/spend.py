"""``computebill spend``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .completion import completed
from .grouped import WithTasks
from .options import (
    FILE,
    print_option,
    progress_bar,
    sampling_options,
    set_option,
)
from .outputs import Outputs, columns_file, output_options
from .telling import tell

if TYPE_CHECKING:
    from computebill.programmes.comparison import SpendTotals
    from computebill.programmes.loading import LoadedProgramme
    from computebill.programmes.spend import SpendEstimate

LONG = 2**21
"""Draws that take some time."""


class Choice(NamedTuple):
    """What a request chooses beside programmes, draws and outputs; a field an option."""

    variant: str
    grade: str | None
    price: str | None
    prices: str | None
    accelerator: str | None
    provider: str | None
    region: str | None
    commitment: str | None
    followers: Path | None
    multiverse: bool
    draws: Path | None
    changes: tuple[str, ...]
    as_file: bool


class Spend(WithTasks):
    """The command and its tasks."""

    tasks = ("init", "forecast")
    module = "spend"


@click.command(cls=Spend)
@click.argument(
    "programmes", nargs=-1, metavar="[NAME|FILE]...", shell_complete=completed("programmes")
)
@click.option(
    "--variant", default="as-published", show_default=True, help="Set of assumptions to show."
)
@click.option(
    "--grade",
    metavar="A|B|C",
    shell_complete=completed("grade"),
    help="Worst grade of those that are shown (default B without NAME).",
)
@click.option(
    "--price",
    metavar="USD",
    help="Of an accelerator's hour, 1.5..3, for the one a file's runs share; tells programmes in "
    "hours in dollars as well.",
)
@click.option(
    "--prices",
    metavar="FILE",
    help="Take it from this list, a CSV of SkyPilot, of gpuhunt or of your own, or a folder.",
)
@click.option(
    "--accelerator",
    metavar="NAME",
    shell_complete=completed("accelerator"),
    help="Of --prices: whose price, where a programme names none.",
)
@click.option("--provider", metavar="NAME", help="Of --prices: aws, gcp, lambda, …")
@click.option("--region", metavar="NAME", help="Of --prices: us-east-1, …")
@click.option("--commitment", metavar="NAME", help="Of --prices: on-demand, 1y, 3y, spot.")
@click.option(
    "--followers", type=FILE, metavar="FILE", help="Ways of following of your own, by kind: a TOML."
)
@click.option(
    "--multiverse",
    is_flag=True,
    help="Of one programme: its share under every sensible combination of methods.",
)
@click.option(
    "--draws", type=FILE, metavar="FILE", help="Write every draw: totals and runs, .parquet."
)
@set_option
@print_option
@sampling_options
@output_options
def command(
    programmes: tuple[str, ...], sampling: dict[str, Any], outputs: Outputs, **given: Any
) -> None:
    """Set final training runs against the R&D compute that was reported.

    Without a name, all programmes that ship of grade A or B are compared; --grade C adds those in
    which one side is a guess or a plan. NAME is one of them or how several of one organisation
    begin (minimax), which are shown over time. A FILE is a programme of your own; the shipped ones
    are worked examples of the format.

    \b
    computebill spend
    computebill spend minimax
    computebill spend minimax-2025 --variant computebill
    computebill spend openai-2024 --set assumptions.price=2.5..4
    computebill spend openai-2024 --print > mine.toml
    computebill spend my-lab.toml --json
    computebill spend init my-lab.toml         writes a programme of your own
    computebill spend forecast NAME --growth 2 splits a later budget
    """  # noqa: D301 -- click reads the backslash
    choice = Choice(**given)
    outputs.check(choice.draws)
    loaded = _loaded(programmes, choice)
    if choice.as_file:
        click.echo(_file_of(loaded[0]), nl=False)
        return
    asked = {"variant": choice.variant, **sampling}
    if len(loaded) > 1 and outputs.is_tables_only:
        from computebill.views.answers import PROGRAMMES, answer_of

        totals = list(_totals(loaded, asked))
        head = answer_of({PROGRAMMES: [each.to_dict() for each in totals]})
        tell(head, _several(totals, bool(programmes)))
        return
    estimates = _estimates(loaded, asked, choice)
    result = estimates[0].to_dict()
    if choice.multiverse:
        result["multiverse"] = _multiverse(loaded[0], sampling)
    if len(estimates) > 1 or not programmes:
        told = [estimate.to_dict() for estimate in estimates]
        result = {"programmes": told, **_compared(estimates)}

    def frame() -> Any:
        import pandas as pd

        return pd.concat([estimate.to_frame() for estimate in estimates], ignore_index=True)

    outputs.emit(result, frame, lambda: _tables(estimates, bool(programmes), result))


def _loaded(programmes: tuple[str, ...], choice: Choice) -> list[LoadedProgramme]:
    """Load what is meant, and check all of the request before anything is computed."""
    from computebill.base.errors import RequestError
    from computebill.programmes.loading import load_programme

    names = _names(programmes, choice.grade)
    draws = choice.draws
    if draws is not None and (len(names) != 1 or draws.suffix.lower() != ".parquet"):
        raise RequestError("--draws", "allowed: one programme, and a .parquet file")
    if choice.multiverse and len(names) != 1:
        raise RequestError(
            "--multiverse", f"got {len(names)} programmes; allowed: one of {', '.join(names)}"
        )
    for flag, is_given in (("--set", choice.changes), ("--print", choice.as_file)):
        if is_given and len(names) != 1:
            raise RequestError(flag, f"got {len(names)} programmes; allowed: one, by its name")
    # Read once: a pipe is empty the second time.
    loaded = [load_programme(name).changed(choice.changes) for name in names]
    check_list(choice)
    if choice.prices is not None:
        from computebill.costs.price_lists import Asked

        asked = Asked(choice.commitment or "on-demand", choice.provider, choice.region)
        loaded = [each.listed(choice.prices, asked, choice.accelerator) for each in loaded]
    if choice.price is not None:
        # Where none has hours, each is refused by name; beside others it is left as it is.
        is_any = any(programme.takes_price for programme in loaded)
        loaded = [
            programme.priced(choice.price) if programme.takes_price or not is_any else programme
            for programme in loaded
        ]
    for programme in loaded:
        programme.stages(choice.variant)
    return loaded


def check_list(choice: Choice) -> None:
    """Refuse a price beside a list, and what narrows a list beside none.

    Raises:
        RequestError: naming the flag.
    """
    from computebill.base.errors import RequestError

    if choice.price is not None and choice.prices is not None:
        raise RequestError("--prices", "got --price as well; allowed: one of them")
    for name in ("accelerator", "provider", "region", "commitment"):
        if getattr(choice, name) is not None and choice.prices is None:
            raise RequestError(f"--{name}", "is of a price list; allowed: with --prices")


def _file_of(loaded: LoadedProgramme) -> str:
    """Return a programme's file, with its comments where nothing of it was changed."""
    if loaded.changes or not loaded.text:
        import tomli_w

        return tomli_w.dumps(loaded.data)
    return loaded.text


def _names(programmes: tuple[str, ...], grade: str | None) -> list[str]:
    """Return the programmes that are meant: those named, or all that ship up to a grade."""
    from computebill.base.errors import RequestError, shown
    from computebill.programmes.loading import named_programmes, shipped_programmes

    grades = ("A", "B", "C")
    if grade is not None and grade.upper() not in grades:
        raise RequestError("--grade", f"got {shown(grade)}; allowed: A, B or C")
    worst = "B" if grade is None else grade.upper()
    if not programmes:
        return shipped_programmes(worst)
    names = list(dict.fromkeys(each for name in programmes for each in named_programmes(name)))
    if grade is None:
        return names
    dropped = set(shipped_programmes()) - set(shipped_programmes(worst))
    kept = [name for name in names if name not in dropped]
    if not kept:
        raise RequestError("--grade", f"got {worst}; allowed: a worse one, as none of these has it")
    return kept


def _compared(estimates: list[SpendEstimate]) -> dict[str, Any]:
    """Return what several programmes say of each other."""
    from computebill.programmes.windows import overlaps, trend

    found: dict[str, Any] = {"overlaps": [each.to_dict() for each in overlaps(estimates)]}
    if len({estimate.programme.organisation for estimate in estimates}) == 1:
        found["trend"] = trend(estimates).to_dict()
    return found


def _totals(loaded: list[LoadedProgramme], asked: dict[str, Any]) -> Iterator[SpendTotals]:
    """Price what a comparison shows; variants, scenarios and drivers are of one programme."""
    from computebill.programmes.comparison import (
        SHOWN_SKIPS,
        compare_totals,
        shared_regressions,
    )

    known = shared_regressions(loaded, asked["seed"], asked["device"])
    for programme in loaded:
        with _bar(programme.name, asked) as progress:
            regressions = known.get(programme.name)
            yield compare_totals(
                programme, progress=progress, regressions=regressions, skipped=SHOWN_SKIPS, **asked
            )


def _estimates(
    loaded: list[LoadedProgramme], asked: dict[str, Any], choice: Choice
) -> list[SpendEstimate]:
    from computebill.programmes.followers import read_followers
    from computebill.programmes.spend import compare_spend

    asked = {**asked, "followers": read_followers(choice.followers)}
    estimates = []
    with ExitStack() as stack:
        draws = choice.draws
        sink = stack.enter_context(columns_file(draws)) if draws is not None else None
        for programme in loaded:
            progress = stack.enter_context(_bar(programme.name, asked))
            estimates.append(compare_spend(programme, progress=progress, sink=sink, **asked))
    return estimates


def _bar(name: str, asked: dict[str, Any]) -> Any:
    samples = asked["samples"] or 0
    return progress_bar(name, samples, is_long=samples >= LONG)


def _multiverse(loaded: LoadedProgramme, sampling: dict[str, Any]) -> dict[str, Any]:
    from computebill.programmes.multiverse import multiverse
    from computebill.uncertainty.draws import choose_device

    device = choose_device(sampling["device"])
    return multiverse(loaded, sampling["seed"], device, sampling["profiles"]).to_dict()


def _tables(
    estimates: list[SpendEstimate], is_named: bool, result: dict[str, Any]
) -> Iterator[Any]:
    from computebill.views import multiverse as methods
    from computebill.views import spend as view

    if len(estimates) == 1:
        alone = estimates[0]
        yield from view.full(alone, view.elsewhere_of(alone))
        if "multiverse" in result:
            yield from methods.multiverse(result["multiverse"])
        return
    yield from _several(estimates, is_named)


def _several(found: Iterable[SpendTotals], is_named: bool) -> Iterator[Any]:
    """Tell several programmes: one organisation's over time, others side by side."""
    from computebill.programmes.measured_shares import shares_elsewhere
    from computebill.views import spend as view

    each = list(found)
    if not is_named:
        each.sort(key=lambda estimate: estimate.graded.grade)
    if len({estimate.programme.organisation for estimate in each}) == 1:
        yield from view.windows(each)
    else:
        yield from view.comparison(each)
        yield view.grades(each)
        yield view.followers(
            [estimate for estimate in each if estimate.programme.basis == "dollars"]
        )
        if is_named:
            yield view.context(shares_elsewhere())
    yield "Runs, variants and what drives each share: computebill spend NAME"
