"""Measuring gives memory back after each size that does not fit."""

from __future__ import annotations

from heap import small_heap as small_heap
