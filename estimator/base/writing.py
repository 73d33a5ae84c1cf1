"""Output files: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    except OSError as error:
        raise _refused(target, error) from None
    # Named before it is made, so that a signal in between leaves nothing behind.
    temporary = target.with_name(f".{secrets.token_hex(4)}.{target.name}")
    try:
        try:
            temporary.touch(0o600, exist_ok=False)
        except OSError as error:
            raise _refused(target, error) from None
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    finally:
        with suppress(OSError):  # what went wrong before is told
            temporary.unlink()


def _refused(target: Path, error: OSError) -> RequestError:
    return RequestError(str(target), f"cannot be written: {error.strerror or error}")
