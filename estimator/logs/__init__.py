"""Logs of training frameworks, read: steps, tokens, seconds, memory, loss, restarts."""

from .reader import LogReader, read_log
from .record import Log
from .timeline import Timeline, Work

__all__ = ["Log", "LogReader", "Timeline", "Work", "read_log"]
