"""``computebill serve``."""

from __future__ import annotations

import glob
import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from .grouped import Grouped
from .ledger import HIDDEN, account, records_options, result_of
from .options import FILE

NEEDED = ("fastapi", "starlette", "uvicorn")


@click.command(cls=Grouped)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--rules", type=FILE, metavar="FILE", help="Kinds of jobs, for records.")
@click.option("--price", metavar="USD", help="Of an accelerator's hour, for records.")
@click.option("--anonymise", is_flag=True, help="Hide names of records by a hash.")
@records_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free."
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="Name by which the page is asked for, besides localhost; may be repeated.",
)
@click.option(
    "--rate",
    type=click.FloatRange(1),
    default=40.0,
    show_default=True,
    help="Requests a second of one client, of each process.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes."
)
def command(
    files: tuple[str, ...],
    host: str,
    port: int,
    names: tuple[str, ...],
    rate: float,
    workers: int,
    **given: Any,
) -> None:
    """Serve a local page where assumptions are sliders: a company's programme, or a run.

    A FILE is a programme of your own, offered beside those that ship, .toml; or what `computebill
    ledger … -o FILE.json` wrote of your records; or records themselves, with --rules. It is read at
    the start. No request reads a file, and the page asks nobody else. On an address of a network,
    give the name by which others ask for it; its number always does.

    \b
    computebill serve
    computebill serve my-lab.toml
    computebill serve ledger.json
    computebill serve sacct.txt runs.csv --rules rules.toml
    computebill serve --host 0.0.0.0 --name prices.example --workers 4
    """  # noqa: D301 -- click reads the backslash
    from computebill.base.errors import RequestError

    try:
        from computebill.serve import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        raise RequestError("serve", "needs fastapi; install computebill[serve]") from None
    records = tuple(file for file in files if _is_record(file))
    if not records:
        for name, value in given.items():
            if value not in (None, False, "auto"):
                flag = "format" if name == "form" else name.replace("_", "-")
                raise RequestError(f"--{flag}", "is of records; name some, or a file of them")
    with ExitStack() as stack:
        known = [file for file in files if file not in records]
        if records:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="computebill-"))
            known.append(_accounted(records, given, Path(folder)))
        run(host, port, names, rate, workers, known, click.echo)


def _is_record(file: str) -> bool:
    """Whether a file is none of a programme, and no result of ``ledger``."""
    from computebill.serve.ledgers import is_ledger, is_result

    path = Path(file)
    if path.suffix.lower() == ".toml":
        return False
    if not is_ledger(file) or path.is_dir() or glob.has_magic(file):
        return True
    return path.is_file() and not is_result(path)


def _accounted(records: Sequence[str], given: dict[str, Any], folder: Path) -> str:
    """Account for records once, before any process serves, and return the result's file."""
    found = account(tuple(records), given)
    for file, reason in found.unread_files.items():
        click.echo(f"Error: {file}: {reason}", err=True)
    told = (HIDDEN,) if given["anonymise"] else tuple(records)
    name = Path(told[0]).name.partition(".")[0] if told != (HIDDEN,) and len(told) == 1 else ""
    path = folder / f"{name.strip('*?[]') or 'records'}.json"
    path.write_text(json.dumps(result_of(found, told), default=str), encoding="utf-8")
    return str(path)
