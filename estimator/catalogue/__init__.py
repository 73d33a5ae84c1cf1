"""Catalogues of models: read, derive what is missing, price every row, lose none."""

from .files import score_files
from .score import Score, score_catalogue

__all__ = ["Score", "score_catalogue", "score_files"]
