"""``computebill statement``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .completion import completed
from .grouped import Grouped
from .launches import launch_option, launch_tables, read_launches, with_launch
from .options import FILE, sampling_of
from .outputs import Outputs, about, output_options, to_json

if TYPE_CHECKING:
    from computebill.training.launched import Launched


@click.command(cls=Grouped)
@click.argument("spec", type=FILE, required=False, metavar="[FILE]")
@launch_option
@click.option(
    "--of",
    metavar="STAGE",
    help="Name of the stage that launch files are of, where FILE has several.",
)
@click.option(
    "--rules",
    multiple=True,
    metavar="NAME|FILE",
    shell_complete=completed("rules"),
    help="Rule set: eu-updates, eu-cumulative, eu-modification, sb53, raise, fmf, all, or a .toml "
    "of your own; may be repeated (default all).",
)
@click.option(
    "--planned", is_flag=True, help="FILE is a plan: tell before the run what it will cross."
)
@click.option("--start", metavar="DAY", help="Of a planned run, 2027-01-15: on which day it will.")
@click.option(
    "--synthetic",
    metavar="TOKENS",
    help="Of a planned run: tokens of training data that the model writes itself, 500B.",
)
@click.option("--card", is_flag=True, help="Print it whole in Markdown, for a model card.")
@click.option(
    "--form", is_flag=True, help="Print the fields of the Commission's Model Documentation Form."
)
@sampling_of("8,192")
@output_options
def command(
    spec: Path | None,
    launches: tuple[Path, ...],
    of: str | None,
    rules: tuple[str, ...],
    planned: bool,
    start: str | None,
    synthetic: str | None,
    card: bool,
    form: bool,
    sampling: dict[str, Any],
    outputs: Outputs,
) -> None:
    """State a model's training compute under public rules, line by line.

    FILE tells the model, the weights that it came from, and the stages of its making; what a
    stage was started with can stand in its place, or fill it (--launch). For each rule set it is
    told which lines count, the total with its interval and two significant figures, the odds of
    exceeding 1e23, 1e25 and 1e26 FLOP, and when. It is arithmetic, not legal advice.

    \b
    computebill statement examples/statement.toml
    computebill statement examples/statement.toml --rules eu-cumulative --json
    computebill statement examples/statement.toml --card > card.md
    computebill statement examples/plan.toml --planned --start 2027-01-15
    computebill statement --launch train.sh --planned
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    _check(outputs, card=card, form=form)
    if spec is None and not launches:
        raise click.UsageError("Missing argument 'FILE', or option '--launch'.")
    from computebill.regulation.rules import rule_sets
    from computebill.statements.spec import read_statement

    if rules:
        rule_sets(rules)
    watched = {"start": start, "synthetic": synthetic}
    if not planned:
        _refuse(watched)
    launch, given = _given(spec, launches, of, watched)
    if not planned:
        stated = read_statement(given)
        # What is wrong so far was told before torch was loaded.
        from computebill.statements.estimate import state

        found: Any = state(stated, rules=rules, **sampling)
        whole = found
    else:
        from computebill.statements.planned import watch

        found = watch(given, **_watched(**watched), rules=rules, **sampling)
        whole = found.statement
    if card:
        from computebill.views.answers.statement import answer
        from computebill.views.statement_card import markdown

        result = with_launch(found.to_dict(), launch)
        click.echo(markdown(answer(result).sentence, result), nl=False)
        return
    if form:
        _print_form(whole, outputs)
        return

    def tables() -> Any:
        from computebill.views import statement as view

        return [*view.full(found), *launch_tables(launch)]

    outputs.emit(with_launch(found.to_dict(), launch), found.to_frame, tables)


def _given(
    spec: Path | None, launches: Sequence[Path], of: str | None, watched: dict[str, str | None]
) -> tuple[Launched | None, Any]:
    """Return launch files, and the statement with what they say; of none, FILE as it is.

    A day of ``--start`` is then of their stage, and asked for no more.
    """
    from computebill.base.errors import RequestError

    if not launches:
        if of is not None:
            raise RequestError("--of", "is the stage of a launch file; give --launch")
        return None, spec
    from computebill.statements.spec import launched_statement

    launch = read_launches(launches, {}, {})
    assert launch is not None
    start = _watched(watched["start"], None).get("start")
    watched["start"] = None
    return launch, launched_statement(spec, launch, of, start)


def _check(outputs: Outputs, *, card: bool, form: bool) -> None:
    """Refuse two forms of one output."""
    from computebill.base.errors import RequestError

    if card and form:
        raise RequestError("--card", "got --form as well; allowed: one of them")
    if card and not outputs.is_tables_only:
        raise RequestError("--card", "is printed alone; allowed without other outputs")
    files = (outputs.file, outputs.plot, outputs.html)
    if form and (outputs.form not in (None, "--json") or any(files)):
        raise RequestError("--form", "is printed as a table; allowed beside it: --json")


def _refuse(watched: dict[str, str | None]) -> None:
    """Refuse what only a planned run has."""
    from computebill.base.errors import RequestError

    for name, value in watched.items():
        if value is not None:
            raise RequestError(f"--{name}", "is of a planned run; give --planned")


def _watched(start: str | None, synthetic: str | None) -> dict[str, Any]:
    """Read the flags of a planned run."""
    from computebill.base.amounts import parse_tokens
    from computebill.base.errors import RequestError
    from computebill.costs.fields import check_day

    found: dict[str, Any] = {}
    for name, value, read in (("start", start, check_day), ("synthetic", synthetic, parse_tokens)):
        if value is None:
            continue
        try:
            found[name] = read(value)
        except ValueError as error:
            raise RequestError(f"--{name}", str(error)) from None
    return found


def _print_form(found: Any, outputs: Outputs) -> None:
    """Print the fields of the documentation form."""
    from computebill.statements.form import documentation_form, filled_form, form_dict

    if outputs.as_json:
        result = form_dict(found)
        click.echo(to_json({**result, "about": about(result)}))
        return
    from computebill.views import statement as view

    from .telling import print_tables

    notes = (documentation_form().how_read, *found.notes)
    print_tables(view.form(filled_form(found), notes))
