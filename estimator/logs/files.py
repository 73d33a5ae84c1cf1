"""A log's file: read in blocks, unpacked where gzip packed it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from computebill.base.errors import RequestError

BLOCK = 4 * 2**20
"""Bytes that are read at once."""

GZIP = b"\x1f\x8b"


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is packed by gzip."""
    return head.startswith(GZIP)


def blocks(file: Path, note: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the bytes of a file; of one that is packed and cut, those that are there.

    Args:
        file: of a log.
        note: is told what a reader must know.

    Raises:
        RequestError: naming the file, where it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            if not is_packed(opened.read(len(GZIP))):
                opened.seek(0)
                while block := opened.read(BLOCK):
                    yield block
                return
            opened.seek(0)
            with gzip.GzipFile(fileobj=opened) as unpacked:
                while block := unpacked.read1(BLOCK):
                    yield block
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        note(f"{file.name} is packed by gzip, and broken or cut: {error}")
    except OSError as error:
        raise RequestError(str(file), f"cannot be read: {error.strerror or error}") from None
