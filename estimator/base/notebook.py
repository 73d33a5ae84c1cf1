"""How results show themselves: in one line, and in a notebook as the tables of the terminal.

Views import results, never the other way round; the package tells here what makes the words.
"""

from __future__ import annotations

from collections.abc import Callable

Words = Callable[[object], str]

_words: dict[str, Words] = {}


def tell_with(html: Words, line: Words) -> None:
    """Set what tells a result, as HTML and in one line."""
    _words.update(html=html, line=line)


class Shown:
    """A result that tells itself briefly, and as tables where HTML is shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {_words['line'](self)}>"

    def _repr_html_(self) -> str:
        """Return the tables of the terminal as HTML, for notebooks."""
        return _words["html"](self)
