"""Launch configurations of training frameworks: read, never run, and written."""

from .read import read_launch
from .record import Fact, Launch, Said, Unused

__all__ = ["Fact", "Launch", "Said", "Unused", "read_launch"]
