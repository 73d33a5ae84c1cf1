"""Spec files: TOML in, a validated object out, every mistake told with its field's path."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .errors import RequestError, shown
from .mistakes import mistakes_in
from .quantity import Quantity

LARGEST_FILE = 4 * 2**20
"""Bytes. Specs are written by people; a larger file is a mistake, and costs minutes to parse."""

DEEPEST = 20
"""Levels of nesting; every spec has fewer, and tools that recurse fail on thousands."""


LONGEST_REPR = 160
"""Letters of a spec's line."""


class Spec(BaseModel):
    """Base of everything read from a file: frozen, and no key is ever ignored."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        defer_build=True,
    )

    @classmethod
    def lacking(cls, data: Mapping[str, Any]) -> Iterator[str]:
        """Yield what data lack of several fields together, told beside mistakes in single ones."""
        yield from ()

    def __repr__(self) -> str:
        """Return the fields that were given, in one line that ends where it gets long."""
        given = (name for name in type(self).model_fields if name in self.model_fields_set)
        told = ", ".join(f"{name}={_briefly(getattr(self, name))}" for name in given)
        told = f"{type(self).__name__}({told})"
        return told if len(told) <= LONGEST_REPR else f"{told[: LONGEST_REPR - 2]}…)"


def _briefly(value: object) -> str:
    """Return a field's value as a line of many has it: of a quantity what a person reads."""
    if isinstance(value, Quantity):
        return repr(value.text)
    if isinstance(value, Spec):
        return f"{type(value).__name__}(…)"
    return f"[{len(value)}]" if isinstance(value, list | tuple | dict) else shown(value, 60)


S = TypeVar("S", bound=Spec)


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("allowed: no line breaks, no control characters")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_on_one_line)]
"""A name as tables and charts print it: one line of at most 200 characters."""


def within(low: float, high: float) -> AfterValidator:
    """Return the check that a number lies between two, both allowed."""

    def check(value: float) -> float:
        if not low <= value <= high:
            raise ValueError(f"got {value:g}; allowed: {low:g} to {high:g}")
        return value

    return AfterValidator(check)


class SourceNote(Spec):
    """A source of figures.

    Attributes:
        title: title of the work or the page, with its authors and year.
        address: its address.
        licence: licence of the facts that were taken.
        note: what a reader should know of it.
    """

    title: Name
    address: str | None = None
    licence: str | None = None
    note: str | None = None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        RequestError: naming the file: missing, a directory, too large, empty, not UTF-8 text,
            or not TOML (with line and column).
    """
    return parse_toml(read_text(path), str(path))


def read_text(source: Path | BinaryIO, name: str | None = None) -> str:
    """Read a small UTF-8 text file or stream, refusing what cannot be one.

    Raises:
        RequestError: naming the file (or ``name``): missing, a directory, too large, not text.
    """
    name = name or str(source)
    try:
        if not isinstance(source, Path):
            raw = source.read(LARGEST_FILE + 1)
        elif source.is_dir():
            raise IsADirectoryError
        else:
            with source.open("rb") as file:
                raw = file.read(LARGEST_FILE + 1)
    except IsADirectoryError:
        raise RequestError(name, "is a directory; a file is needed") from None
    except (OSError, ValueError) as error:  # a null byte in the name is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise RequestError(name, f"cannot be read: {reason}") from None
    if len(raw) > LARGEST_FILE:
        raise RequestError(
            name, f"is larger than {LARGEST_FILE // 2**20} MiB, the most a spec may be"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(name, f"is not UTF-8 text (byte {error.start})") from None


def is_file_name(name: str | Path) -> bool:
    """Whether a name is meant as a file's: it ends in .toml, has a folder, or is there."""
    path = Path(name)
    if path.suffix == ".toml" or len(path.parts) > 1:
        return True
    try:
        return path.exists()
    except OSError:  # longer than a file's name may be
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder is there; a name that no file can have is none's."""
    try:
        return path.is_dir()
    except (OSError, ValueError):  # longer than a file's name may be; a null byte
        return False


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Parse TOML, with ``name`` standing for the file in messages."""
    if not text.strip():
        raise RequestError(name, "is empty")
    try:
        # Windows line ends are legal TOML; a lone carriage return is not.
        data = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise RequestError(name, f"is not valid TOML: {error}") from None
    except (RecursionError, ValueError) as error:
        # tomllib lets deep nesting and over-long integers through as these.
        raise RequestError(name, f"is not valid TOML: {shown(str(error))}") from None
    if is_deeper(data, DEEPEST):
        raise RequestError(name, f"is nested more than {DEEPEST} levels deep")
    return data


def is_deeper(data: Any, limit: int) -> bool:
    """Whether tables and lists are nested beyond ``limit``; level by level, as recursion fails."""
    level = [data]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def table_rows(text: str, name: str = "", needed: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield a CSV table's rows by its header; lines that start with ``#`` are comments.

    Raises:
        RequestError: naming the file: not a table, or without a column that is needed.
    """
    for _, row in numbered_rows(text, name, needed):
        yield row


def numbered_rows(
    text: str, name: str = "", needed: Sequence[str] = (), meant: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield a CSV table's rows as ``table_rows``, each with the line, from 1, that it begins in.

    Args:
        text: the table.
        name: of the file.
        needed: columns that it has to have.
        meant: columns by other headings that people give them, which a message offers.

    Raises:
        RequestError: as ``table_rows``.
    """
    numbered = enumerate(text.splitlines(), start=1)
    lines = [(number, line) for number, line in numbered if not line.startswith("#")]
    table = csv.DictReader(io.StringIO("\n".join(line for _, line in lines)))
    try:
        headings = table.fieldnames or ()
        missing = [key for key in needed if key not in headings]
        if missing:
            offered = _offered(headings, meant or {})
            has_none = f"has no column {', '.join(missing)}; {offered}needed: {', '.join(needed)}"
            raise RequestError(name, has_none)
        read = table.line_num
        for row in table:
            while not lines[read][1]:  # empty lines are no rows
                read += 1
            yield lines[read][0], row
            read = table.line_num
    except csv.Error as error:
        raise RequestError(name, f"is not a CSV table: {error}") from None


def _offered(headings: Sequence[str], meant: Mapping[str, str]) -> str:
    """Say which headings may be renamed to columns that a table lacks; empty where none may."""
    words = {heading: heading.strip().lower().replace(" ", "_") for heading in headings}
    found = ((heading, meant.get(word, "")) for heading, word in words.items())
    named = [f"{heading} to {own}" for heading, own in found if own and own not in headings]
    return f"rename {', '.join(named)}; " if named else ""


def validate(model: type[S], data: Mapping[str, Any], name: str, flags: Collection[str] = ()) -> S:
    """Validate ``data`` against ``model``; ``name`` stands for the file in messages.

    Fields in ``flags`` were given on the command line, and are named as they are there.

    Raises:
        RequestError: for every mistake, with the field's path, what was given and what is
            allowed.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first, *others = mistakes_in(error, model, name, flags)
        # What fields lack together pydantic asks only where each of them is right.
        if isinstance(data, Mapping) and all(each["loc"] for each in error.errors()):
            others += [(name, text) for text in model.lacking(data)]
        raise RequestError(*first, others) from None


def with_flags(
    model: type[S],
    data: Mapping[str, Any],
    flags: Mapping[str, Any],
    replaces: Mapping[str, Collection[str]],
    name: str,
    is_file: bool = True,
) -> S:
    """Return a spec from a file's fields and from flags, which go before them.

    Args:
        model: class of the spec.
        data: fields of the file; none of them where there is no file.
        flags: fields by the name that each has in the spec or on the command line.
        replaces: fields that say the same in another way as a flag, which a file's are put aside
            for.
        name: name of the file, or of what is described, in messages.
        is_file: whether there is a file; without one, every field was given by a flag.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    kept = _kept(data, {flag.replace("-", "_") for flag in flags}, replaces)
    named = frozenset(flags) if is_file else frozenset(model.model_fields)
    return validate(model, {**kept, **flags}, name, named)


def with_fields(
    model: type[S],
    data: Any,
    fields: Mapping[str, Any],
    replaces: Mapping[str, Collection[str]],
    name: str,
) -> S:
    """Return a spec from a caller's data and fields, which go before them as flags do.

    Args:
        model: class of the spec.
        data: fields of a file, or of another spec.
        fields: fields by keyword.
        replaces: fields that say the same in another way, which the data's are put aside for.
        name: name of the file, or of what is described, in messages.

    Raises:
        RequestError: naming the field.
    """
    if not isinstance(data, Mapping):  # says what is allowed
        return validate(model, data, name)
    return validate(model, {**_kept(data, fields, replaces), **fields}, name)


def described(
    spec: object, read: Callable[[Path], Mapping[str, Any]], name: str
) -> tuple[Any, str]:
    """Return the data that a caller describes something by, and its name in messages.

    Args:
        spec: a mapping of fields, or a file.
        read: reads the file's fields.
        name: of what is described, where it is no file.
    """
    if isinstance(spec, str | Path):
        return read(Path(spec)), str(spec)
    return spec, name


def _kept(
    data: Mapping[str, Any], names: Iterable[str], replaces: Mapping[str, Collection[str]]
) -> dict[str, Any]:
    """Return data without what fields of these names say in another way."""
    aside = {key for name in names for key in replaces.get(name, ())}
    return {key: value for key, value in data.items() if key not in aside}


def as_data(value: object, depth: int = 0) -> Any:
    """Return what a spec was made from: its given fields, as a file would hold them.

    Raises:
        RequestError: where it is nested too deep, as what holds itself is.
    """
    if depth > DEEPEST:
        raise RequestError("data", f"is nested more than {DEEPEST} levels deep")
    if isinstance(value, Spec):
        return {key: as_data(getattr(value, key), depth + 1) for key in value.model_fields_set}
    if isinstance(value, Mapping):
        return {key: as_data(item, depth + 1) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [as_data(item, depth + 1) for item in value]
    return value
