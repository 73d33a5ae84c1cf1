"""Flags that mean the same everywhere, and what they give."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from .completion import completed
from .grouped import spellings, unit

F = TypeVar("F", bound=Callable[..., Any])
Command = Callable[..., Any]
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(path_type=Path)


def number(ctx: click.Context, param: click.Parameter, value: str | float | None) -> float | None:
    """Read a flag's number, with the suffixes that numbers take everywhere: ``405B``."""
    if value is None:
        return None
    from computebill.base.errors import RequestError
    from computebill.base.quantity import parse_number

    try:
        return parse_number(value)
    except ValueError as error:
        raise RequestError(param.opts[0], str(error)) from None


def whole_number(ctx: click.Context, param: click.Parameter, value: str | int | None) -> int | None:
    """Read a flag's whole number: ``10M``."""
    given = number(ctx, param, value)
    if given is None:
        return None
    if given % 1:
        from computebill.base.errors import RequestError, shown

        raise RequestError(param.opts[0], f"got {shown(value)}; allowed: a whole number")
    return int(given)


def part_options(command: F) -> F:
    """Which part of a multimodal model is counted, and what goes with a sequence, as ``sample``."""
    part = click.option(
        "--part",
        default="whole",
        show_default=True,
        help="Of a multimodal model: whole, or language, its language model alone.",
    )
    images = click.option(
        "--images-per-sample",
        default="1",
        show_default=True,
        metavar="N",
        callback=number,
        help="Images, and clips of sound, of a sequence of the whole.",
    )
    size = click.option(
        "--image-size",
        metavar="SIZE",
        help="Of a model of images or video: pixels, 1024x1024; with frames, 480x832x81.",
    )
    text = click.option(
        "--text-length",
        metavar="N",
        callback=whole_number,
        help="Tokens of text beside an image or video.",
    )

    @wraps(command)
    def collecting(**given: Any) -> Any:
        from computebill.architectures import read_sample

        sample = read_sample(given.pop("image_size"), given.pop("text_length"))
        return command(**given, sample=sample)

    return part(images(size(text(cast("F", collecting)))))


def sampling_options(command: Command) -> Command:
    """Add the options of ``sampling_of``, of a command that draws 131,072 times."""
    return sampling_of("131,072")(command)


def sampling_of(draws: str) -> Callable[[Command], Command]:
    """Return a decorator that adds --samples, --seed and more, collected as ``sampling``.

    ``sampling`` holds the keyword arguments that every estimate of the Python API takes.

    Args:
        draws: how often is drawn where nobody says, in words.
    """
    return lambda command: _with_sampling(command, draws)


def _with_sampling(command: Command, draws: str) -> Command:
    @wraps(command)
    def collecting(**given: Any) -> Any:
        names = ("samples", "seed", "method", "device", "profiles")
        return command(sampling={name: given.pop(name) for name in names}, **given)

    return with_options(
        collecting,
        click.option(
            "--samples",
            metavar="N",
            callback=whole_number,
            help=f"Monte Carlo draws, 10M (default {draws}).",
        ),
        click.option(
            "--seed",
            metavar="N",
            callback=whole_number,
            default="0",
            show_default=True,
            help="Of the draws.",
        ),
        click.option(
            "--method",
            default="sobol",
            show_default=True,
            help="sobol (scrambled) or random (plain Monte Carlo).",
        ),
        click.option(
            "--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1."
        ),
        profiles_option,
    )


def profiles_option(command: F) -> F:
    """Add --profiles."""
    option = click.option(
        "--profiles",
        multiple=True,
        type=FOLDER,
        metavar="DIR",
        help="Folder of accelerator profiles of your own; may be repeated.",
    )
    return option(command)


def set_option(command: F) -> F:
    """Add --set, collected as ``changes``."""
    option = click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="PATH=VALUE",
        help="Change the file's data, by a path through it; may be repeated.",
    )
    return option(command)


def print_option(command: F) -> F:
    """Add --print, collected as ``as_file``."""
    text = "Print the file itself, to edit it."
    return click.option("--print", "as_file", is_flag=True, help=text)(command)


def documents_options(command: Command) -> Command:
    """Add --lengths and --packing."""
    return with_options(
        command,
        click.option(
            "--lengths",
            metavar="FILE|RANGE",
            help="Tokens of documents: a CSV with a column tokens, or 200..4000 (p10..p90).",
        ),
        click.option(
            "--packing",
            metavar="NAME",
            help="Of documents in a sequence: attention within each [default], or across.",
        ),
    )


def flag(names: Sequence[str], text: str) -> Callable[[Command], Command]:
    """Return the option of a text, with what its value is called and completed with.

    Args:
        names: the flag and other spellings of it, with their dashes.
        text: help.
    """
    name = names[0].removeprefix("--")
    field, complete = name.replace("-", "_"), completed(name)
    return click.option(*names, field, metavar=unit(name), help=text, shell_complete=complete)


def field_options(fields: Sequence[tuple[str, str]]) -> Callable[[Command], Command]:
    """Return a decorator that adds a flag for each field, by its name and help."""

    def adding(command: Command) -> Command:
        names = [name for name, _ in fields]
        flags = (flag(spellings(name, names), text) for name, text in fields)
        return with_options(command, *flags)

    return adding


def kept_share(lost: str) -> str:
    """Return the share of the time that trains, for the share that is lost: ``10%``, ``5%..15%``.

    Raises:
        RequestError: naming the flag.
    """
    from computebill.base.errors import RequestError, shown
    from computebill.base.quantity import parse_number

    try:
        ends = [parse_number(each.strip()) for each in lost.split("..")]
    except ValueError as error:
        raise RequestError("--lost", str(error)) from None
    if len(ends) > 2 or not all(0 <= end < 1 for end in ends):
        raise RequestError("--lost", f"got {shown(lost)}; allowed: 0 to below 1, 10% or 5%..15%")
    return "..".join(f"{1 - end:.12g}" for end in reversed(ends))


def given_fields(fields: Mapping[str, str | None]) -> dict[str, str]:
    """Return the fields that flags give, by the names that files have for them.

    Raises:
        UsageError: where the share of time that trains is given twice.
    """
    given = {name.replace("-", "_"): value for name, value in fields.items() if value is not None}
    if (lost := given.pop("lost", None)) is not None:
        if "goodput" in given:
            raise click.UsageError("give --goodput or --lost, not both")
        given["goodput"] = kept_share(lost)
    return given


def with_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    """Add options so that the help lists them in this order."""
    for option in reversed(options):
        command = option(command)
    return command


@contextmanager
def progress_bar(name: str, total: int, *, is_long: bool) -> Iterator[Callable[[int], None] | None]:
    """Show a bar with the time left on a terminal, where there is something to wait for."""
    if not sys.stderr.isatty() or not is_long:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total)
        yield lambda done: bar.advance(task, done)
