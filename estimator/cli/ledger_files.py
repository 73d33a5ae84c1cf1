"""Files that ``computebill ledger`` writes for other commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from .options import FILE, Command, with_options
from .outputs import Outputs

PROGRAMME, SWEEP, RUN, STEPS = "-o", "--sweep-to", "--run-to", "--steps-to"
STATEMENT = "--statement-to"
NEXT = {
    PROGRAMME: "spend",
    SWEEP: "sweep",
    RUN: "run",
    STATEMENT: "statement",
    STEPS: "calibrate",
}
"""Commands that read each file."""


@dataclass(frozen=True)
class Onward:
    """Where what records tell goes on to.

    Attributes:
        files: by the flag that named them.
        name: of the organisation; None for the file's.
        basis: what the programme is counted in; None for what was measured.
    """

    files: dict[str, Path]
    name: str | None = None
    basis: str | None = None

    def after(self, outputs: Outputs) -> tuple[Outputs, Onward]:
        """Return the outputs without a programme's file, and these with it."""
        if outputs.file is None or outputs.file.suffix.lower() != ".toml":
            return outputs, self
        files = {PROGRAMME: outputs.file, **self.files}
        return replace(outputs, file=None), replace(self, files=files)

    def check(self, outputs: Outputs, *, is_anonymous: bool) -> None:
        """Refuse what cannot be written before records are read.

        Raises:
            RequestError: naming the flag.
        """
        from computebill.base.errors import RequestError, shown

        taken = {each.absolute() for each in (outputs.file, outputs.plot, outputs.html) if each}
        for flag, path in self.files.items():
            ending = ".csv" if flag == STEPS else ".toml"
            if path.suffix.lower() != ending:
                raise RequestError(flag, f"got {shown(str(path))}; allowed: {ending}")
            if path.absolute() in taken:
                given = shown(str(path))
                raise RequestError(flag, f"got {given}, the file of another flag; allowed: another")
            taken.add(path.absolute())
        if STEPS in self.files and is_anonymous:
            told = "needs configurations of trackers, which --anonymise leaves out"
            raise RequestError(STEPS, told)
        for flag, value in (("--organisation", self.name), ("--basis", self.basis)):
            if value is not None and PROGRAMME not in self.files:
                raise RequestError(flag, "is of a programme; give -o FILE.toml too")
        if self.basis is not None:
            from computebill.ledger.programme import basis_of

            basis_of(self.basis)

    def write(self, found: Any) -> None:
        """Write each file under its final name in one step.

        Raises:
            RequestError: where records do not tell what the file needs.
        """
        from computebill.base.writing import replacing

        made = [(path, text(found)) for path, text in self._texts()]
        for path, text in made:
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")

    def _texts(self) -> Iterator[tuple[Path, Callable[[Any], str]]]:
        from computebill.ledger.experiments import sweep_text
        from computebill.ledger.programme import basis_of, programme_text
        from computebill.ledger.stages import stages_text, statement_text
        from computebill.ledger.steps import steps_csv

        basis = None if self.basis is None else basis_of(self.basis)
        for flag, path in self.files.items():
            name, file = self.name or path.stem, path.name
            if flag == PROGRAMME:
                yield path, partial(programme_text, name=name, file=file, basis=basis)
            elif flag == STEPS:
                yield path, steps_csv
            else:
                texts = {SWEEP: sweep_text, RUN: stages_text, STATEMENT: statement_text}
                yield path, partial(texts[flag], name=name, file=file)

    def tell(self, *, is_aside: bool) -> None:
        """Say what was written, and what reads it."""
        for flag, path in self.files.items():
            click.echo(f"Wrote {path}; next: computebill {NEXT[flag]} {path}", err=is_aside)


def onward_options(command: Command) -> Command:
    """Add the flags that name such files, collected as ``onward``."""

    @wraps(command)
    def collecting(**given: Any) -> Any:
        flags = (SWEEP, RUN, STATEMENT, STEPS)
        paths = {flag: given.pop(flag.removeprefix("--").replace("-", "_")) for flag in flags}
        files = {flag: path for flag, path in paths.items() if path is not None}
        onward = Onward(files, given.pop("organisation"), given.pop("basis"))
        return command(onward=onward, **given)

    return with_options(
        collecting,
        click.option(SWEEP, type=FILE, metavar="FILE", help="A sweep of what was run, .toml."),
        click.option(RUN, type=FILE, metavar="FILE", help="Final runs as stages of run, .toml."),
        click.option(
            STATEMENT, type=FILE, metavar="FILE", help="The same for statement, with days, .toml."
        ),
        click.option(STEPS, type=FILE, metavar="FILE", help="Tracked steps for calibrate, .csv."),
        click.option("--organisation", metavar="NAME", help="Of -o FILE.toml; else the file's."),
        click.option(
            "--basis",
            metavar="NAME",
            help="Of -o FILE.toml: dollars, hours, energy; else as measured.",
        ),
    )
