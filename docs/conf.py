"""The settings of the documentation site (``make docs``), built from the root of the tree.

Pages are written for GitHub as well, so links stay as they are there, and the site's menu is made
from the lists of ``docs/index.md`` rather than from directives, which GitHub would show as code.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TypeGuard

import click
from docutils import nodes
from pydantic import BaseModel
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
from fields import field_table  # beside this file

project = "computebill"
author = "The computebill developers"
version = release = metadata.version(project)

include_patterns = ["docs/**", "README.md", "CHANGELOG.md", "bench/README.md", "bench/results/*.md"]
exclude_patterns = [".*", "build", "demo"]
root_doc = "docs/index"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
]
nitpicky = True
# Without a network nothing can be looked up in the documentation of others. Short names are those
# that annotations import for the type checker alone.
SHORT = ("Tensor", "pd.DataFrame", "Path", "Method", "Value")
nitpick_ignore = [("py:class", name) for name in SHORT]
# What is read of ``dict[str, Counter[str]] = <factory>``.
nitpick_ignore.append(("py:class", "dict[str"))
nitpick_ignore_regex = [
    ("py:.*", r"(torch|contextlib|numpy|pandas|pydantic|click|collections|pathlib|datetime)\..*"),
    # Type variables.
    ("py:class", r"computebill\..*\.(Found|Size|T)"),
]

# Flags stay two hyphens.
smartquotes = False

html_theme = "furo"
html_title = "computebill"
html_static_path = ["static"]
html_css_files = ["site.css"]

myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints_format = "short"
autosummary_generate = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

HEADING_OR_LINK = re.compile(r"^## +(.+?)\s*$|\[([^]]+)\]\(([^):#]+)\.md\)", re.MULTILINE)

FURTHER = {"bench/README": "results/*"}
"""Pages that hold a menu of others, which no list names."""


def menu(app: Sphinx, name: str, source: list[str]) -> None:
    """Append the site's menu to its first page: a part a heading, an entry a link under it."""
    parts: list[list[str]] = []
    if name in FURTHER:
        parts = [[":glob:", "", FURTHER[name]]]
    elif name == app.config.root_doc:
        parts = [[""]]
        for heading, title, page in HEADING_OR_LINK.findall(source[0]):
            if heading:
                parts.append([f":caption: {heading}", ""])
            else:
                shown = title if title == page else f"{title[:1].upper()}{title[1:]}"
                parts[-1].append(f"{shown} <{page}>")
    for part in parts:
        source[0] += "\n".join(["", "```{toctree}", ":hidden:", *part, "```", ""])


def docstring(
    app: Sphinx, what: str, name: str, item: object, options: object, lines: list[str]
) -> None:
    """Have a specification's fields in a table, and a constant's docstring read as text.

    Words before a colon in the first line of a constant's or a property's would be read as a type,
    unless an empty comment goes before them.
    """
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]
    if is_spec(item):
        field_table(item, lines)


def signature(
    app: Sphinx, what: str, name: str, item: object, options: object, text: str, returned: str
) -> tuple[str, str] | None:
    """Leave out the signature of a specification: it is the table of its fields."""
    return ("", "") if is_spec(item) else None


def is_spec(item: object) -> TypeGuard[type[BaseModel]]:
    """Whether a documented thing is the class of a specification."""
    return isinstance(item, type) and issubclass(item, BaseModel)


def without_fields(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: object
) -> bool | None:
    """Leave out what the class describes as ``Attributes``, and what pydantic sets."""
    return True if type(member).__name__ == "_tuplegetter" or name == "model_config" else None


def description(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Show the examples that end a command's help as a terminal's, and take all else as it is."""
    shown = [line[2:] for line in lines if line.startswith("| ")]
    lines[:] = [escaped(line) for line in lines if not line.startswith("| ")]
    if shown:
        lines += [".. code-block:: console", ""]
        lines += [f"   {'$ ' if line.startswith('computebill') else ''}{line}" for line in shown]
        lines.append("")


def options(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Take an option's help as it is."""
    directives = (".. option", ":default:", ":options:")
    lines[:] = [line if line.lstrip().startswith(directives) else escaped(line) for line in lines]


def escaped(line: str) -> str:
    """A line of click's as reStructuredText: code between backticks, and no other markup."""
    return re.sub(r"`([^`]+)`", r"``\1``", re.sub(r"([*|\\])", r"\\\1", line))


def dashes(app: Sphinx, tree: nodes.document) -> None:
    """Set a dash between an argument and its meaning, where Sphinx sets two hyphens."""
    for text in list(tree.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" – "))


def front(app: Sphinx, failed: Exception | None) -> None:
    """Lead from the site's root to its first page."""
    page = '<!DOCTYPE html><meta http-equiv="refresh" content="0; url=docs/index.html">\n'
    if failed is None:
        (Path(app.outdir) / "index.html").write_text(page, "utf-8")


def setup(app: Sphinx) -> None:
    """Register what is above."""
    app.connect("source-read", menu)
    # Before napoleon.
    app.connect("autodoc-process-docstring", docstring, priority=400)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", without_fields)
    app.connect("sphinx-click-process-description", description)
    app.connect("sphinx-click-process-options", options)
    app.connect("doctree-read", dashes)
    app.connect("build-finished", front)
