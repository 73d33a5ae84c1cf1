"""``computebill ledger``."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .completion import completed
from .grouped import WithTasks
from .ledger_files import Onward, onward_options
from .options import FILE, FOLDER, profiles_option, progress_bar, with_options
from .outputs import ARGUMENTS, Outputs, output_options

LONG = 20_000_000
"""Bytes of records from which a bar is shown."""


HIDDEN = "RECORDS"
"""What stands for the names of files where names are hidden."""


class LedgerCommand(WithTasks):
    """The command and its tasks."""

    tasks = ("init",)
    module = "ledger"


def records_options(command: Any) -> Any:
    """Add what says how files of records are read."""
    return with_options(
        command,
        click.option("--format", "form", metavar="NAME", help="Form of all files: sacct, focus …"),
        click.option(
            "--mapping", type=FILE, metavar="FILE", help="A form of your own: fields by heading."
        ),
        click.option("--columns", metavar="A,B,…", help="Headings of files that have none."),
        click.option(
            "--bill-cost",
            type=click.Choice(["auto", "billed", "effective"]),
            default="auto",
            show_default=True,
            help="Which cost of a bill is taken; effective ones have commitments amortised.",
        ),
    )


def price_options(command: Any) -> Any:
    """Add what says what hours cost."""
    return with_options(
        command,
        click.option("--price", metavar="USD", help="Of an accelerator's hour, 1.8..2.6."),
        click.option("--owned", is_flag=True, help="Hardware is owned: what is used up."),
        click.option("--provider", metavar="NAME", help="Whose list prices."),
        click.option("--date", metavar="DAY", help="Of list prices; else each job's month."),
        click.option(
            "--accelerator",
            default="",
            metavar="NAME",
            help="Of jobs whose record names none.",
            shell_complete=completed("accelerator"),
        ),
    )


@click.command(cls=LedgerCommand)
@click.argument("records", nargs=-1, required=True, metavar="RECORDS...")
@click.option("--rules", type=FILE, metavar="FILE", help="Kinds of jobs, accelerators, prices.")
@click.option(
    "--capacity",
    metavar="GPUS|HOURS",
    help="Accelerators of the cluster, 1024; or its accelerator-hours, 8.9Mh.",
)
@click.option("--anonymise", is_flag=True, help="Hide names by a hash whose key nobody keeps.")
@click.option("--rejects", type=FILE, metavar="FILE", help="Gets the rejected rows, .csv.")
@click.option("--keep", type=FOLDER, metavar="FOLDER", help="Gets the jobs, as Parquet parts.")
@click.option("--resume", is_flag=True, help="Go on with a folder's parts, after a stop.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where records are read; ray needs computebill[ray], and --keep.",
)
@click.option("--address", metavar="HOST:PORT", help="Of the Ray cluster; else RAY_ADDRESS.")
@records_options
@price_options
@onward_options
@profiles_option
@output_options
def command(records: tuple[str, ...], onward: Onward, outputs: Outputs, **given: Any) -> None:
    """Read what clusters, trackers and clouds recorded, and tell what it was for and cost.

    RECORDS are files, folders or globs, compressed or not: Slurm's sacct -P and sreport, Weights &
    Biases, MLflow, trainer_state.json, FOCUS and other bills, jobs of Kubernetes, Kueue and Ray,
    tables of jobs. What kind a job is rules tell; `computebill ledger init` proposes some.

    \b
    computebill ledger sacct.txt
    computebill ledger init sacct.txt -o rules.toml       proposes rules, to be edited
    computebill ledger 'sacct/*.txt.gz' runs.csv --rules rules.toml --price 2.1
    computebill ledger bill.parquet --rules rules.toml --json
    computebill ledger sacct.txt --rules rules.toml -o my-lab.toml   a programme for spend
    computebill ledger sacct.txt --rules rules.toml --html page.html
    """  # noqa: D301 -- click reads the backslash
    outputs, onward = onward.after(outputs)
    outputs.check()
    onward.check(outputs, is_anonymous=given["anonymise"])
    found = account(records, given)
    is_drawn = bool(outputs.plot or outputs.html or _is_kept(outputs))
    told = _hidden(records) if given["anonymise"] else records
    result = result_of(found, told, is_drawn=is_drawn)
    onward.write(found)

    def tables() -> Any:
        from computebill.views import ledger as view

        return view.full(found)

    def frame() -> Any:
        from computebill.views.ledger import runs_frame

        return runs_frame(found)

    outputs.emit(result, frame, tables)
    onward.tell(is_aside=outputs.form is not None)
    for file, reason in found.unread_files.items():
        click.echo(f"Error: {file}: {reason}", err=True)
    if found.unread_files:
        raise SystemExit(1)


def _hidden(records: tuple[str, ...]) -> tuple[str, ...]:
    """Take the names of records out of the command that a result tells, and return what stands."""
    meta = click.get_current_context().meta
    meta[ARGUMENTS] = [HIDDEN if each in records else each for each in meta[ARGUMENTS]]
    return (HIDDEN,)


def result_of(found: Any, records: Sequence[str], *, is_drawn: bool = True) -> dict[str, Any]:
    """Return a ledger's result, with the programmes that a picture of it shows beside it."""
    result: dict[str, Any] = {**found.to_dict(), "records": list(records)}
    if is_drawn:
        from computebill.programmes.opened import opened_bars

        result["beside"] = opened_bars()
    return result


def _is_kept(outputs: Outputs) -> bool:
    """Whether a file gets the result, of which a page may be made later."""
    return outputs.file is not None and outputs.file.suffix.lower() in (".json", ".xlsx")


def account(records: tuple[str, ...], given: dict[str, Any], *, has_groups: bool = False) -> Any:
    """Read records as the flags say."""
    from computebill.batches.pieces import find_files, state_of

    # A name that is none is told before torch is loaded.
    for name in records:
        if not glob.has_magic(name):
            state_of(Path(name))
    from computebill.ledger import read_ledger
    from computebill.ledger.account import Options, Running
    from computebill.ledger.naming import Naming
    from computebill.ledger.plan import layout_of
    from computebill.ledger.rules import read_rules

    rules = given.get("rules")
    asked = _asked(given)
    files = find_files(records, layout_of(asked))
    size = sum(state_of(path)[0] for path in files)
    capacity, capacity_is = _capacity(given.get("capacity"))
    with progress_bar("reading", size, is_long=size > LONG) as progress:
        names = ("keep", "resume", "engine", "address")
        running = {name: given[name] for name in names if name in given}
        options = Options(
            asked,
            _prices(given),
            capacity,
            capacity_is,
            Naming() if given.get("anonymise") else None,
            given.get("rejects"),
            has_groups,
            Running(**running, progress=progress),
        )
        return read_ledger(records, None if rules is None else read_rules(rules), options)


def _asked(given: dict[str, Any]) -> Any:
    from computebill.ledger.formats import read_mapping
    from computebill.ledger.plan import Asked

    mapping, columns = given["mapping"], given["columns"]
    return Asked(
        given["form"] or "",
        None if mapping is None else read_mapping(mapping),
        tuple(name.strip() for name in columns.split(",")) if columns else (),
        given["bill_cost"],
    )


def _prices(given: dict[str, Any]) -> Any:
    import datetime as dt

    from computebill.base.errors import RequestError, shown
    from computebill.base.quantity import parse_quantity
    from computebill.ledger.pricing import Prices

    price, date = given.get("price"), given.get("date")
    try:
        quantity = None if price is None else parse_quantity(price)
    except ValueError as error:
        raise RequestError("--price", str(error)) from None
    try:
        day = None if date is None else dt.date.fromisoformat(date)
    except ValueError:
        raise RequestError("--date", f"got {shown(date)}; allowed: a day, 2026-07-15") from None
    return Prices(
        quantity,
        given.get("owned", False),
        given.get("provider"),
        day,
        given.get("accelerator", ""),
        tuple(given.get("profiles", ())),
    )


def _capacity(text: str | None) -> tuple[float | None, Any]:
    """Read a number of accelerators, or of accelerator-hours, which has an h behind it."""
    if text is None:
        return None, "hours"
    from computebill.base.errors import RequestError, shown
    from computebill.base.quantity import parse_number

    plain = text.strip()
    is_hours = plain.endswith("h")
    try:
        value = parse_number(plain.removesuffix("h"))
    except ValueError as error:
        raise RequestError("--capacity", str(error)) from None
    if value <= 0:
        raise RequestError("--capacity", f"got {shown(text)}; allowed: above 0")
    return value, "hours" if is_hours else "accelerators"
