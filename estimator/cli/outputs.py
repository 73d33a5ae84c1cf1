"""How a result leaves the program: printed in one form, in a file, as a picture, as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import FILE, Command, F, with_options
from .telling import brief, markdown, print_line, tell

if TYPE_CHECKING:
    import pandas as pd

    from computebill.views.report.document import Report

ARGUMENTS = "computebill.arguments"
"""Key of the command line's arguments as they were given, which reproduce a result."""

WORKBOOK = ".xlsx"
FILE_ENDINGS = (".json", ".csv", ".parquet", WORKBOOK)


def answer_options(*more: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds --brief, --markdown, --json and more, as ``outputs``.

    Args:
        more: options of further fields of ``Outputs``.
    """

    def adding(command: Command) -> Command:
        @wraps(command)
        def collecting(**given: Any) -> Any:
            names = [each.name for each in fields(Outputs) if each.name in given]
            chosen = {name: given.pop(name) for name in names}
            return command(outputs=Outputs(**chosen), **given)

        return with_options(
            collecting,
            click.option("--brief", is_flag=True, help="Print the answer's sentence alone."),
            click.option("--markdown", is_flag=True, help="Print a block for a slide."),
            click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
            *more,
        )

    return adding


def output_options(command: Command) -> Command:
    """Add all ways in which a result leaves the program, collected as ``outputs``."""
    as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print the rows as CSV.")
    file = click.option(
        "-o",
        "--output",
        "file",
        type=FILE,
        metavar="FILE",
        help="Write the result to a file: .json, .csv, .parquet or .xlsx.",
    )
    return answer_options(as_csv, file, plot_option, html_option)(command)


def plot_option(command: F) -> F:
    """Add --plot."""
    text = "Draw it: .png, .svg, .pdf or .html."
    return click.option("--plot", type=FILE, metavar="FILE", help=text)(command)


def html_option(command: F) -> F:
    """Add --html."""
    text = "Write a page of it: the answer, charts, tables, sources; it needs no network."
    return click.option("--html", type=FILE, metavar="FILE", help=text)(command)


@dataclass(frozen=True)
class Outputs:
    """Where a result goes: standard output in one form, a file, a picture, a page."""

    as_json: bool = False
    as_csv: bool = False
    file: Path | None = None
    plot: Path | None = None
    html: Path | None = None
    brief: bool = False
    markdown: bool = False

    @property
    def form(self) -> str | None:
        """What standard output gets in place of sentence and tables; None of those."""
        return next((name for name, is_asked in self._forms().items() if is_asked), None)

    def _forms(self) -> dict[str, bool]:
        return {
            "--json": self.as_json,
            "--csv": self.as_csv,
            "--brief": self.brief,
            "--markdown": self.markdown,
        }

    @property
    def is_tables_only(self) -> bool:
        """Whether nothing is asked for but tables on standard output."""
        files = (self.file, self.plot, self.html)
        return self.form is None and all(path is None for path in files)

    def check(self, rows: Path | None = None, flag_of_rows: str = "--draws") -> None:
        """Refuse what cannot be written before anything is computed.

        Args:
            rows: a further file, of draws or of experiments.
            flag_of_rows: flag that gave it.
        """
        from computebill.base.errors import RequestError, shown

        asked = [name for name, is_asked in self._forms().items() if is_asked]
        if len(asked) > 1:
            raise RequestError(asked[0], f"got {asked[1]} as well; allowed: one of them")
        if self.file is not None and self.file.suffix.lower() not in FILE_ENDINGS:
            given = shown(str(self.file))
            raise RequestError("-o", f"got {given}; allowed: .json, .csv, .parquet or .xlsx")
        if self.file is not None and self.file.suffix.lower() == WORKBOOK:
            from computebill.views.report.workbook import check_workbook

            check_workbook()
        taken: dict[Path, str] = {}
        files = (self.file, self.plot, self.html, rows)
        for flag, path in zip(("-o", "--plot", "--html", flag_of_rows), files, strict=True):
            if path is None:
                continue
            if not _has_folder(path):
                raise RequestError(flag, f"got {shown(str(path))}; its folder does not exist")
            if path.absolute() in taken:
                other = taken[path.absolute()]
                raise RequestError(
                    flag, f"got {shown(str(path))}, the file of {other}; allowed: another"
                )
            taken[path.absolute()] = flag
        if self.plot is not None:
            from computebill.views.charts.saving import check_ending

            check_ending(self.plot)
        check_page(self.html)

    def after(self, outer: Outputs) -> Outputs:
        """Return these, and those that were given before a subcommand's name."""
        names = [each.name for each in fields(self)]
        return Outputs(**{name: getattr(self, name) or getattr(outer, name) for name in names})

    def emit(
        self,
        result: dict[str, Any],
        frame: Callable[[], pd.DataFrame],
        tables: Callable[[], Iterable[Any]],
    ) -> None:
        """Write and print a result as asked; what is not asked for is not made."""
        result = self._drawn(result)
        if self.file is not None:
            write_result(result, frame, self.file)
        if self.as_csv:
            click.echo(frame().to_csv(index=False), nl=False)
        else:
            self._print(result, tables if self.file is None else list)
        self._tell_written()

    def emit_answer(self, result: dict[str, Any], tables: Callable[[], Iterable[Any]]) -> None:
        """Do the same with a result that is no rows."""
        self._print(self._drawn(result), tables)
        self._tell_written()

    def _drawn(self, result: dict[str, Any]) -> dict[str, Any]:
        """Draw a result, and return it with where it comes from."""
        result = {**result, "about": about(result)}
        draw_own(result, self.plot, self.html)
        return result

    def _print(self, result: dict[str, Any], tables: Callable[[], Iterable[Any]]) -> None:
        """Print the answer; of a list, which has none, the list."""
        if self.as_json:
            click.echo(to_json(result))
            return
        from computebill.views.answers import answer_of

        answer = answer_of(result)
        if answer is None or self.form is None:
            tell(answer, tables())
        else:
            print_line(brief(answer) if self.brief else markdown(answer, result))
            for each in result.get("launch", {}).get("hanging", ()):
                click.echo(f"Not known: {each}", err=True)

    def _tell_written(self) -> None:
        for path in (self.file, self.plot, self.html):
            if path is not None:
                click.echo(f"Wrote {path}", err=self.form is not None)


def about(result: dict[str, Any]) -> dict[str, Any]:
    """Return where a result comes from: the command, the versions, the day, the draws."""
    from computebill.base.provenance import provenance

    return provenance(result, click.get_current_context().meta[ARGUMENTS])


def draw_own(result: dict[str, Any], plot: Path | None, html: Path | None) -> None:
    """Write the page and the picture of a command's own result, where they are asked for.

    Raises:
        RequestError: where there is nothing to draw.
    """
    if plot is None and html is None:
        return
    from computebill.views.report import reports_of

    reports = reports_of([("result", result)])
    if html is not None:
        write_page(reports, html)
    if plot is not None:
        from computebill.views.report.pictures import save_picture

        save_picture(reports[0], plot)


def check_page(html: Path | None, flag: str = "--html") -> None:
    """Refuse a page's name that does not end as one.

    Raises:
        RequestError: naming the flag.
    """
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        from computebill.base.errors import RequestError, shown

        raise RequestError(flag, f"got {shown(str(html))}; allowed: .html")


def write_page(reports: Sequence[Report], html: Path) -> None:
    """Write one page of reports, under its final name in one step."""
    from computebill.base.writing import replacing
    from computebill.views.report import page

    text = page.render(reports)
    with replacing(html) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")


@contextmanager
def columns_file(target: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Write columns to a Parquet file as they come; it appears when all are there.

    Each chunk is a table of tensors, or of texts that are the same in all of its rows; all chunks
    have the same columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from computebill.base.writing import replacing

    writer: Any = None
    with replacing(target) as temporary:

        def sink(columns: dict[str, Any]) -> None:
            nonlocal writer
            lengths = [len(each) for each in columns.values() if not isinstance(each, str)]
            table = pa.table(
                {
                    name: pa.repeat(each, lengths[0])
                    if isinstance(each, str)
                    else each.cpu().numpy()
                    for name, each in columns.items()
                }
            )
            if writer is None:
                writer = pq.ParquetWriter(temporary, table.schema)
            writer.write_table(table)

        try:
            yield sink
        finally:
            if writer is not None:
                writer.close()


def _has_folder(path: Path) -> bool:
    try:
        return path.parent.is_dir()
    except OSError:  # longer than a path may be
        return False


def write_result(result: dict[str, Any], frame: Callable[[], pd.DataFrame], output: Path) -> None:
    """Write a result under its final name in one step, in the form its ending says."""
    from computebill.base.writing import replacing

    with replacing(output) as temporary:
        if output.suffix.lower() == ".json":
            temporary.write_text(to_json(result) + "\n", encoding="utf-8")
        elif output.suffix.lower() == WORKBOOK:
            from computebill.views.report import reports_of
            from computebill.views.report.workbook import write_workbook

            write_workbook(reports_of([("result", result)]), frame(), temporary)
        elif output.suffix.lower() == ".csv":
            frame().to_csv(temporary, index=False)
        else:
            frame().to_parquet(temporary, index=False)


def to_json(result: dict[str, Any]) -> str:
    """Write JSON that every parser reads: no NaN, no infinities."""
    return json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False, default=str)
