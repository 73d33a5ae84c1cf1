"""``computebill serve``."""

from __future__ import annotations

import click

from .grouped import Grouped

NEEDED = ("fastapi", "starlette", "uvicorn")


@click.command(cls=Grouped)
@click.argument("programmes", nargs=-1, metavar="[FILE]...")
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
    programmes: tuple[str, ...],
    host: str,
    port: int,
    names: tuple[str, ...],
    rate: float,
    workers: int,
) -> None:
    """Serve a local page where assumptions are sliders: a company's programme, or a run.

    A FILE is a programme of your own, offered beside those that ship, or what `computebill ledger
    … -o FILE.json` wrote of your records; it is read at the start. No request reads a file, and the
    page asks nobody else. On an address of a network, give the --name by which others ask for it;
    its number always does.

    \b
    computebill serve
    computebill serve my-lab.toml
    computebill serve ledger.json
    computebill serve --host 0.0.0.0 --name prices.example --workers 4
    """  # noqa: D301 -- click reads the backslash
    try:
        from computebill.serve import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        from computebill.base.errors import RequestError

        raise RequestError("serve", "needs fastapi; install computebill[serve]") from None
    run(host, port, names, rate, workers, programmes, click.echo)
