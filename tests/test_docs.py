"""README.md and docs/: length, links, anchors, commands; and what cuts the outputs they show.

That the outputs are true is for ``cog --check`` (``make check``).
"""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from computebill.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?^ {0,3}\1", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """A page without its code and comments."""
    return COMMENT.sub("", FENCE.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    heads = re.findall(r"^#+ +(.+?)\s*$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(page: Path) -> list[str]:
    return [each for each in LINK.findall(prose(page)) if "://" not in each]


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each ``computebill`` command line in a page's console blocks."""
    for block in re.findall(r"```(?:console|bash)\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.match(r"(?:\$ )?computebill\b(.*)", line):
                yield shlex.split(found[1], comments=True)


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_anchors_resolve(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_is_two_clicks_away() -> None:
    near = {(ROOT / each.partition("#")[0]).resolve() for each in links(ROOT / "README.md")}
    contents = ROOT / "docs" / "index.md"
    assert contents in near
    near |= {(contents.parent / each.partition("#")[0]).resolve() for each in links(contents)}
    assert set(PAGES) <= near


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_flags_exist(page: Path) -> None:
    for words in commands(page):
        command: click.Command = main
        context = click.Context(main)
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            within = command.get_command(context, words[0])
            if within is None:
                break
            command, words = within, words[1:]
        if words and words[0] in getattr(command, "tasks", ()):
            task = importlib.import_module(f"{command.callback.__module__}_{words[0]}")
            command, words = task.command, words[1:]
        assert command is not main, f"{page.name}: {words}"
        known = {flag for option in command.get_params(context) for flag in option.opts}
        given = {word for word in words if re.match(r"-{1,2}[a-z]", word)}
        assert given <= known, f"{page.name}: {command.name} has no {given - known}"


@pytest.fixture(scope="module")
def shown() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shown", ROOT / "docs" / "shown.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLE = " what   how much\n ───────────────\n a             1\n b             2"
TEXT = f"Title\n\n{TABLE}\n\nMore\n c   3"


@pytest.mark.parametrize(
    ("since", "until", "only", "part"),
    [
        (None, None, (), TEXT),
        (None, "More", (), f"Title\n\n{TABLE}\n…"),
        ("More", None, (), "…\nMore\n c   3"),
        (None, None, ("what", "b"), "…\n what   how much\n…\n b             2\n…"),
        # A rule of a table is kept: nothing was left out between its neighbours.
        (None, "More", ("what", "a", "b"), f"…\n{TABLE}\n…"),
    ],
)
def test_what_is_left_out_is_marked(
    shown: ModuleType, since: str | None, until: str | None, only: tuple[str, ...], part: str
) -> None:
    assert shown.cut(TEXT, since, until, only) == part


@pytest.mark.parametrize(
    "asked", [{"since": "nowhere"}, {"until": "nowhere"}, {"only": ["a", "nowhere"]}]
)
def test_a_marker_that_is_not_there_is_named(shown: ModuleType, asked: dict[str, object]) -> None:
    with pytest.raises(LookupError, match="'nowhere'"):
        shown.cut(TEXT, **{"since": None, "until": None, "only": (), **asked})


def test_a_command_that_fails_is_named(shown: ModuleType) -> None:
    with pytest.raises(RuntimeError, match=r"run --params -3.*exit status 2"):
        shown.output("computebill run --params -3 --tokens 1T --accelerator h100 --count 8")
