"""``--log`` and ``--follow``: what a run printed; the same in every command."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from .options import FILE, with_options

if TYPE_CHECKING:
    from computebill.logs import Log, LogReader

POLL = 0.5
"""Seconds between two looks at a growing file."""

EVERY = 2.0
"""Seconds between two lines that are told of it, at least."""

Command = Callable[..., Any]


def log_options(command: Command) -> Command:
    """Add --log, --follow and --until-idle, collected as ``given_log``."""

    @wraps(command)
    def collecting(**given: Any) -> Any:
        names = ("log", "follow", "until_idle")
        return command(given_log=GivenLog(**{name: given.pop(name) for name in names}), **given)

    return with_options(
        collecting,
        click.option(
            "--log",
            type=FILE,
            metavar="FILE",
            help="What a run printed: the log of a framework, or trainer_state.json.",
        ),
        click.option("--follow", is_flag=True, help="Go on reading --log as it grows, to Ctrl-C."),
        click.option(
            "--until-idle",
            type=click.FloatRange(min=0),
            metavar="SECONDS",
            help="With --follow: end where nothing was added for so long.",
        ),
    )


def passport_options(command: Command) -> Command:
    """Add --passport and --kwh, collected as ``given_passport``, and --log-stage."""

    @wraps(command)
    def collecting(**given: Any) -> Any:
        names = ("passport", "kwh")
        found = GivenPassport(**{name: given.pop(name) for name in names})
        return command(given_passport=found, **given)

    return with_options(
        collecting,
        click.option("--log-stage", metavar="NAME", help="Stage that --log is of, of several."),
        click.option(
            "--passport",
            type=FILE,
            metavar="FILE",
            help="With --log: write the run's passport, .json or .md for a model card.",
        ),
        click.option(
            "--kwh", type=float, metavar="KWH", help="With --passport: what a meter measured."
        ),
    )


@dataclass(frozen=True)
class GivenPassport:
    """A passport as flags ask for it.

    Attributes:
        passport: its file; None where none is asked for.
        kwh: electricity that a meter measured [kWh].
    """

    passport: Path | None = None
    kwh: float | None = None

    def check(self, given_log: GivenLog) -> None:
        """Refuse flags that do not go together.

        Raises:
            RequestError: naming the flag.
        """
        from computebill.base.errors import RequestError, shown

        if self.passport is None:
            if self.kwh is not None:
                raise RequestError("--kwh", "needs --passport FILE")
            return
        if given_log.log is None:
            raise RequestError("--passport", "needs --log FILE")
        if self.passport.suffix not in (".json", ".md"):
            raise RequestError(
                "--passport", f"got {shown(str(self.passport))}; allowed: .json or .md"
            )
        if not self.passport.parent.is_dir():
            raise RequestError(
                "--passport", f"got {shown(str(self.passport))}; its folder does not exist"
            )


@dataclass(frozen=True)
class GivenLog:
    """A log as flags give it.

    Attributes:
        log: its file; None where none is given.
        follow: whether it is read on as it grows.
        until_idle: seconds without growth after which that ends; None: at Ctrl-C.
    """

    log: Path | None = None
    follow: bool = False
    until_idle: float | None = None

    def check(self, others: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Refuse flags that do not go together.

        Args:
            others: flags that tell what a log tells, by name, and what they give.

        Raises:
            RequestError: naming the flag.
        """
        from computebill.base.errors import RequestError

        if self.log is None and (self.follow or self.until_idle is not None):
            raise RequestError("--follow" if self.follow else "--until-idle", "needs --log FILE")
        if self.until_idle is not None and not self.follow:
            raise RequestError("--until-idle", "needs --follow")
        given = [name for name, value in others.items() if value is not None]
        if self.log is not None and given:
            flag = f"--{given[0].replace('_', '-')}"
            raise RequestError(flag, "got it beside --log, which tells it; allowed: one of them")

    def read(self, told: Callable[[Log], str], *, aside: bool) -> Log:
        """Return what it says; of one that is followed, when that ends.

        Args:
            told: makes a line of what was read so far.
            aside: whether lines go to standard error, standard output being taken.

        Raises:
            RequestError: naming the file.
        """
        from computebill.base.errors import RequestError
        from computebill.logs import read_log

        if self.log is None:
            raise RequestError("--log", "is missing; allowed: a file")
        if self.follow:
            return _followed(self.log, self.until_idle, told, aside=aside)
        return read_log(self.log)


def _followed(
    path: Path, until_idle: float | None, told: Callable[[Log], str], *, aside: bool
) -> Log:
    from computebill.base.errors import RequestError
    from computebill.logs import LogReader
    from computebill.logs.files import is_packed

    reader = LogReader(path.name)
    told_at, told_rows = 0.0, 0
    try:
        with path.open("rb") as file, _telling(aside) as tell:
            for data in _growth(file, path, reader.note, until_idle):
                if not reader.lines and is_packed(data):
                    raise RequestError("--follow", f"got {path.name}, which gzip packed")
                reader.feed(data)
                now = time.monotonic()
                if reader.rows > told_rows and now - told_at >= EVERY:
                    tell(_line(reader, told))
                    told_at, told_rows = now, reader.rows
    except KeyboardInterrupt:
        pass  # what was read so far is the answer
    except OSError as error:
        raise RequestError(str(path), f"cannot be read: {error.strerror or error}") from None
    reader.close()
    return reader.log()


def _line(reader: LogReader, told: Callable[[Log], str]) -> str:
    """Return where a log stands; of one too young to tell a speed, what it does not tell yet."""
    from computebill.base.errors import RequestError

    try:
        return told(reader.log())
    except RequestError as error:
        return f"so far, {error}"


def _growth(
    file: Any, path: Path, note: Callable[[str], None], until_idle: float | None
) -> Iterator[bytes]:
    """Yield what is added to a file; a file that is shorter than before was begun anew."""
    from computebill.logs.files import BLOCK

    idle_since = time.monotonic()
    while True:
        data = file.read(BLOCK)
        if data:
            yield data
            idle_since = time.monotonic()  # what is told of it takes a while
            continue
        if path.stat().st_size < file.tell():
            note(f"{path.name} was begun anew while it was read")
            file.seek(0)
            continue
        if until_idle is not None and time.monotonic() - idle_since >= until_idle:
            return
        yield b""
        time.sleep(POLL)


@contextmanager
def _telling(aside: bool) -> Iterator[Callable[[str], None]]:
    """Tell lines: one that is written anew on a terminal, one after the other in a pipe."""
    stream = sys.stderr if aside else sys.stdout
    if not stream.isatty():
        yield lambda line: click.echo(line, err=aside)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=aside), refresh_per_second=4, transient=True) as live:
        yield lambda line: live.update(Text(line))
