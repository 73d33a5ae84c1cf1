"""``computebill ledger init``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .grouped import Grouped
from .ledger import account, records_options
from .options import FILE


@click.command(cls=Grouped)
@click.argument("records", nargs=-1, required=True, metavar="RECORDS...")
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Of the rules, .toml.")
@click.option("--rules", type=FILE, metavar="FILE", help="Known rules; the rest is proposed.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@records_options
def command(records: tuple[str, ...], output: Path | None, force: bool, **given: Any) -> None:
    """Propose rules from records: groups of names with their hours, largest first.

    What a name suggests is a guess; edit the file, and say above all which runs were final ones.

    \b
    computebill ledger init sacct.txt -o rules.toml
    """  # noqa: D301 -- click reads the backslash
    from computebill.base.errors import RequestError
    from computebill.base.writing import replacing
    from computebill.ledger.groups import proposed

    if output is not None and output.suffix.lower() != ".toml":
        raise RequestError("-o", f"got {output}; allowed: a file that ends in .toml")
    if output is not None and output.exists() and not force:
        raise RequestError(str(output), "is there already; allowed: another name, or --force")
    found = account(records, given, has_groups=True)
    text = proposed(found.groups, ", ".join(records))
    if output is None:
        click.echo(text, nl=False)
        return
    with replacing(output) as path:
        path.write_text(text, encoding="utf-8")
