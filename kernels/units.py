"""Seconds and joules of the units that people count in."""

from __future__ import annotations

from .constants import number

SECONDS_PER_HOUR = number("units.SECONDS_PER_HOUR")
"""Length of an hour [s]."""

SECONDS_PER_DAY = number("units.SECONDS_PER_DAY")
"""Length of a day [s]."""

SECONDS_PER_YEAR = number("units.SECONDS_PER_YEAR")
"""Length of a Julian year of 365.25 days [s]."""

JOULES_PER_KWH = number("units.JOULES_PER_KWH")
"""Energy of a kilowatt-hour [J]."""

JOULES_PER_MWH = number("units.JOULES_PER_MWH")
"""Energy of a megawatt-hour [J]."""
