"""What goes with a sample of a model of images or video: their size, and the text beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from computebill.base.errors import RequestError, shown

MOST_SIDE, MOST_FRAMES, MOST_TEXT = 65_536, 100_000, 1_000_000
SIZE = re.compile(r"(\d{1,9})x(\d{1,9})(?:x(\d{1,9}))?")


@dataclass(frozen=True)
class Sample:
    """A sample as somebody says it is.

    Attributes:
        height: of its image [pixels]; 0 where nobody says it.
        width: of its image [pixels].
        frames: of its video; 0 where nobody says it, 1 of an image.
        text: tokens of text beside it; None where nobody says it.
    """

    height: int = 0
    width: int = 0
    frames: int = 0
    text: int | None = None


UNSAID = Sample()


def read_sample(image_size: str | None = None, text_length: int | None = None) -> Sample:
    """Return a sample from what a flag or a file says.

    Args:
        image_size: ``1024x1024``, high and wide, of a video with its frames: ``480x832x81``.
        text_length: tokens of text.

    Raises:
        RequestError: naming what is allowed.
    """
    is_whole = isinstance(text_length, int) and not isinstance(text_length, bool)
    if text_length is not None and not (is_whole and 0 <= text_length <= MOST_TEXT):
        allowed = f"a whole number from 0 to {MOST_TEXT:,}"
        raise RequestError("text_length", f"got {shown(text_length)}; allowed: {allowed}")
    if image_size is None:
        return Sample(text=text_length)
    found = SIZE.fullmatch(image_size) if isinstance(image_size, str) else None
    height, width, frames = (int(each or 1) for each in found.groups()) if found else (0, 0, 0)
    if not (0 < height <= MOST_SIDE and 0 < width <= MOST_SIDE and 0 < frames <= MOST_FRAMES):
        raise RequestError(
            "image_size",
            f"got {shown(image_size)}; allowed: pixels high and wide, as 1024x1024, up to "
            f"{MOST_SIDE:,}, and of a video its frames, as 480x832x81, up to {MOST_FRAMES:,}",
        )
    return Sample(height, width, frames, text_length)
