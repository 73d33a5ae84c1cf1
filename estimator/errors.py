"""What goes wrong, said so that the user can mend it."""

from __future__ import annotations


class RequestError(ValueError):
    """A request that cannot be met as given.

    Attributes:
        field: path of the field, as the user wrote it (``runs[2].mfu``, ``--tokens``), or the
            file's name.
        problem: what was given and what is allowed, in one sentence.
    """

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")

    def within(self, parent: str) -> RequestError:
        """Return the same error with its field placed inside ``parent``."""
        return RequestError(f"{parent}: {self.field}", self.problem)


def shown(value: object, limit: int = 80) -> str:
    """Return ``value`` as a message quotes it: its repr on one line, cut at ``limit``."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
