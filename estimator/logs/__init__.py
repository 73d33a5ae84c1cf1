"""Logs of training frameworks, read: steps, tokens, seconds, memory, loss, restarts."""

from .reader import LogReader, read_log
from .record import Log
from .steps import Work
from .timeline import Timeline

__all__ = ["Log", "LogReader", "Timeline", "Work", "read_log"]
