"""Names hidden: each by a keyed hash, the same in all of an answer, and by nobody undone."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from .result import Amount, FileRead, Ledger
from .schema import UNKNOWN

LENGTH = 8
"""Letters of a hash; two of a thousand names agree in one of ten thousand answers."""

COLUMNS = ("user", "project", "name", "job", "partition", "cluster", "host", "checkpoint", "qos")


@dataclass(frozen=True)
class Naming:
    """Hides names.

    Attributes:
        key: of the hash; without the same one, no one finds a name by trying.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def hidden(self, what: str, name: object) -> object:
        """Return what a name is told as; unknown stays so."""
        if not isinstance(name, str) or name in (UNKNOWN, "(others)"):
            return name
        digest = hashlib.blake2b(f"{what}\0{name}".encode(), key=self.key[:64]).hexdigest()
        return f"{what}-{digest[:LENGTH]}"

    def hide(self, found: Ledger) -> None:
        """Hide the names of an answer; what may hold further ones is left out."""
        found.cells = self._frame(found.cells)
        found.runs = self._frame(found.runs)
        trackers = self._frame(found.trackers)
        found.trackers = trackers.drop(columns=["config", "tags"], errors="ignore")
        found.parts = {what: self._parts(what, parts) for what, parts in found.parts.items()}
        found.rejects = []
        names = {each.file: str(self.hidden("file", each.file)) for each in found.files}
        names |= {each: str(self.hidden("file", each)) for each in found.unread_files}
        found.files = [
            FileRead(names[each.file], each.format, each.rows_in, each.rows_rejected)
            for each in found.files
        ]
        found.unread_files = {names[each]: why for each, why in found.unread_files.items()}

    def _frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        columns = [name for name in COLUMNS if name in frame.columns]
        found = frame.copy()
        for name in columns:
            hidden = [self.hidden(name, each) for each in frame[name]]
            found[name] = pd.Series(hidden, index=frame.index, dtype=object)
        return found

    def _parts(self, what: str, parts: Mapping[str, Amount]) -> dict[str, Amount]:
        if what not in ("user", "project"):
            return dict(parts)
        return {str(self.hidden(what, name)): each for name, each in parts.items()}
