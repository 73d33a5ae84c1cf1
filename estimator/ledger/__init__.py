"""What really ran: a bill by kind, project and person, from records of clusters and clouds."""

from .account import read_ledger
from .result import Ledger

__all__ = ["Ledger", "read_ledger"]
