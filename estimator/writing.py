"""Output files: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import RequestError


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it becomes ``target`` in one step.

    A failure inside the block leaves ``target`` as it was and no file behind. The temporary
    name ends as the target's does, for writers that go by the ending.

    Raises:
        RequestError: where the target's folder does not exist or cannot be written.
    """
    try:
        if target.is_dir():
            raise RequestError(str(target), "is a directory; a file name is needed")
        handle, name = tempfile.mkstemp(prefix=".", suffix=f".{target.name}", dir=target.parent)
    except OSError as error:
        raise RequestError(str(target), f"cannot be written: {error.strerror or error}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
