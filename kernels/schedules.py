"""Pipeline schedules as columns number them."""

from __future__ import annotations

ONE_FORWARD_ONE_BACKWARD, ZERO_BUBBLE, DUAL = 0.0, 1.0, 2.0
"""1F1B, interleaved where a stage has chunks; ZB-H1; DualPipe."""
