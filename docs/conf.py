"""The settings of the documentation site (``make docs``), built from the root of the tree.

Pages are written for GitHub as well, so links stay as they are there, and the site's menu is made
from the lists of ``docs/index.md`` rather than from directives, which GitHub would show as code.
"""

from __future__ import annotations

import inspect
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TypeGuard, get_type_hints

import click
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature
from sphinx.writers.html5 import HTML5Translator

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
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
]
nitpicky = True
# Without a network nothing can be looked up in the documentation of others. Short names are those
# that annotations import for the type checker alone.
SHORT = ("pd.DataFrame", "Path", "Method", "Value", "Count")
nitpick_ignore = [("py:class", name) for name in SHORT]
nitpick_ignore_regex = [
    ("py:.*", r"(torch|contextlib|numpy|pandas|pydantic|click|collections|pathlib|datetime)\..*"),
    # What is read of ``dict[str, Counter[str]] = <factory>``, cut at its commas.
    ("py:.*", r"[^\[\]]*\[[^\]]*"),
    # Type variables.
    ("py:class", r"computebill\..*\.(Found|Size|T)"),
]

# Flags stay two hyphens.
smartquotes = False

html_theme = "furo"
html_title = "computebill"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]

myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

python_use_unqualified_type_names = True
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
    list_references(lines)


def list_references(lines: list[str]) -> None:
    """Make a list of a docstring's references, each of which ends a line with a full stop."""
    if "References:" not in lines:
        return
    begins = True
    for at in range(lines.index("References:") + 1, len(lines)):
        if lines[at] and not lines[at].startswith(" "):
            return
        text = lines[at].strip()
        if text:
            lines[at] = f"    {'*' if begins else ' '} {text}"
            begins = text.endswith(".")


def signature(
    app: Sphinx, what: str, name: str, item: object, options: object, text: str, returned: str
) -> tuple[str, str] | None:
    """Leave out a specification's signature, and give a named tuple's with the types it means.

    The one is the table of its fields; the other would name its types by their text alone, which
    several modules may have.
    """
    if is_spec(item):
        return "", ""
    if isinstance(item, type) and issubclass(item, tuple) and hasattr(item, "_fields"):
        item.__new__.__annotations__ = get_type_hints(item)
        found = inspect.signature(item)
        return stringify_signature(
            found, show_return_annotation=False, unqualified_typehints=True
        ), ""
    return None


def is_spec(item: object) -> TypeGuard[type[BaseModel]]:
    """Whether a documented thing is the class of a specification."""
    return isinstance(item, type) and issubclass(item, BaseModel)


def without_fields(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: object
) -> bool | None:
    """Leave out what the class describes as ``Attributes``, and what pydantic sets."""
    is_field = type(member).__name__ == "_tuplegetter"
    return True if is_field or name in ("model_config", "model_post_init") else None


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


def inline_math(writer: HTML5Translator, node: nodes.math) -> None:
    """Write a formula as MathML, which browsers draw without a script from elsewhere."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_math(writer: HTML5Translator, node: nodes.math_block) -> None:
    """The same of a formula that stands by itself."""
    writer.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


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
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    app.connect("build-finished", front)
