"""Documents in a sequence: how long they are, and which keys their tokens attend.

Trainers pack documents into sequences of one length. Where attention stays within a document, its
products grow with the sum of the documents' squares, not with the sequence's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from computebill.architectures import Architecture
from computebill.architectures.operators import Operator
from computebill.architectures.plain import attended_keys
from computebill.base.assumptions import GIVEN, Assumption, as_text, sequence_assumption
from computebill.base.errors import RequestError, shown
from computebill.base.quantity import Quantity, parse_quantity

from .layout import LONGEST_SEQUENCE, check_sequence_length, default_sequence, sequence_told
from .lengths import read_lengths, whole

PACKINGS: dict[str, str] = {
    "within": "attention stays within a document",
    "across": "a token attends documents before its own too",
}

DRAWN = 4096
"""Documents that stand for a distribution: equally likely ranks of it."""


@dataclass(frozen=True)
class Documents:
    """How long documents are.

    Attributes:
        counts: how many there are of each length [tokens].
        source: where that is from.
        packing: within, where attention stays within a document; across, where it does not.
    """

    counts: Mapping[int, int]
    source: str
    packing: str = "within"

    @property
    def number(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def tokens(self) -> int:
        """Tokens of all."""
        return sum(length * count for length, count in self.counts.items())

    @property
    def longest(self) -> int:
        """Tokens of the longest."""
        return max(self.counts)

    @property
    def mean(self) -> float:
        """Mean tokens of a document."""
        return self.tokens / self.number

    def cut(self, sequence: int) -> Documents:
        """Return what is left whole by sequences of so many tokens: longer ones are cut there."""
        pieces: Counter[int] = Counter()
        for length, count in self.counts.items():
            whole, rest = divmod(length, sequence)
            if whole:
                pieces[sequence] += whole * count
            if rest:
                pieces[rest] += count
        return replace(self, counts=pieces)

    def described(self) -> str:
        """Return number, mean and longest, as a person reads them."""
        return f"{self.number:,} of {self.mean:,.0f} tokens in the mean, {self.longest:,} at most"


def attend_within(architecture: Architecture, documents: Documents, sequence: int) -> Architecture:
    r"""Return an architecture whose tokens attend no document but their own.

    A document of :math:`l` tokens that attends itself causally takes :math:`l (l + 1) / 2`
    pairs of a query and a key; over all, a query meets
    :math:`\sum l (l + 1) / 2 \sum l` keys, and :math:`\sum l^2 / \sum l` where nothing is masked.

    Args:
        architecture: any.
        documents: that are packed; longer ones than a sequence are cut.
        sequence: tokens of a sequence.
    """
    pieces = documents.cut(sequence)

    @cache
    def mean_keys(window: float, *, causal: bool, chunked: bool) -> float:
        """Keys that a query of a document attends, on average over all documents' tokens."""
        keys = (
            length * count * attended_keys(length, window, causal=causal, chunked=chunked)
            for length, count in pieces.counts.items()
        )
        return math.fsum(keys) / pieces.tokens

    def changed(operators: Sequence[Operator]) -> tuple[Operator, ...]:
        return tuple(
            replace(
                each,
                attended=mean_keys(float(each.window), causal=each.causal, chunked=each.chunked),
            )
            if each.per_key and not each.is_apart
            else each
            for each in operators
        )

    return replace(
        architecture,
        kinds=tuple(
            replace(kind, operators=changed(kind.operators)) for kind in architecture.kinds
        ),
        inputs=changed(architecture.inputs),
        outputs=changed(architecture.outputs),
    )


class Packed(NamedTuple):
    """A model, and the sequences that it is trained on.

    Attributes:
        architecture: what its tokens attend included.
        sequence: tokens of a sequence.
        told: what was assumed of it.
    """

    architecture: Architecture
    sequence: int
    told: tuple[Assumption, ...]


def packed(
    architecture: Architecture, sequence_length: float | None, documents: Documents | None
) -> Packed:
    """Return a model on sequences of documents, or on whole ones where nothing is said of them.

    Args:
        architecture: the model.
        sequence_length: tokens of a sequence; else of the longest document, or the model's own
            limit, at most 4,096.
        documents: that are packed into them.

    Raises:
        RequestError: where the model cannot take such a sequence.
    """
    is_given = sequence_length is not None
    if documents is None:
        length = default_sequence(architecture) if sequence_length is None else sequence_length
        sequence = check_sequence_length(architecture, length)
        told = sequence_told(architecture, sequence, is_given=is_given)
        return Packed(architecture.at(sequence), sequence, (told,))
    longest = documents.longest
    if architecture.is_limit and architecture.sequence_length:
        longest = min(longest, architecture.sequence_length)
    sequence = check_sequence_length(
        architecture, longest if sequence_length is None else sequence_length
    )
    if is_given:
        told = sequence_assumption(sequence, is_given=True)
    else:
        told = Assumption("sequence length", as_text(sequence), "the longest document")
    if documents.packing == "within":
        architecture = attend_within(architecture, documents, sequence)
    return Packed(
        architecture.at(sequence), sequence, (told, *_documents_told(documents, sequence))
    )


def _documents_told(documents: Documents, sequence: int) -> Iterator[Assumption]:
    """Yield what was assumed of documents."""
    yield Assumption("documents", documents.described(), documents.source)
    yield Assumption("packing", documents.packing, PACKINGS[documents.packing])
    if documents.longest > sequence:
        cut = sum(count for length, count in documents.counts.items() if length > sequence)
        text = f"{cut:,} longer than {sequence:,} tokens"
        yield Assumption("documents cut", text, "into pieces of a sequence's length")


def given_documents(lengths: object, packing: str | None) -> Documents | None:
    """Return documents where their lengths are given; see ``read_documents``.

    Raises:
        RequestError: where only their packing is.
    """
    if lengths is not None:
        return read_documents(lengths, packing or "within")
    if packing is not None:
        raise RequestError("packing", "needs lengths, of the documents that are packed")
    return None


def read_documents(given: object, packing: str = "within") -> Documents:
    """Return documents from a file of lengths, a distribution of them, or a list.

    Args:
        given: a CSV file of any size, gzipped or not, with a column ``tokens`` (or ``length``), or
            one number a line, and ``count`` beside it where a line stands for several;
            ``"200..4000"`` (p10..p90) or a table of a distribution; numbers.
        packing: within or across.

    Raises:
        RequestError: naming ``packing`` or ``lengths``, and the file's line.
    """
    if packing not in PACKINGS:
        raise RequestError("packing", f"got {shown(packing)}; allowed: {', '.join(PACKINGS)}")
    return replace(_read(given), packing=packing)


def _read(given: object) -> Documents:
    if isinstance(given, Sequence) and not isinstance(given, str):
        places = ((f"number {place + 1}", each) for place, each in enumerate(given))
        return _documents(_counted(places), GIVEN)
    if isinstance(given, str | Path) and not is_quantity(str(given)):
        return _documents(read_lengths(Path(given)), str(given))
    try:
        quantity = parse_quantity(given, lower=1.0, upper=LONGEST_SEQUENCE, zero=True)
    except ValueError as error:
        raise RequestError("lengths", str(error)) from None
    return _from_distribution(quantity)


def _documents(found: Counter[int], source: str) -> Documents:
    counts = Counter({length: count for length, count in found.items() if count})
    if not counts:
        raise RequestError("lengths", f"{source}: no document; allowed: one or more")
    return Documents(counts, source)


def is_quantity(text: str) -> bool:
    """Whether lengths are meant as a number or a range, rather than as a file's name."""
    if Path(text).suffix.lower() in (".csv", ".txt", ".tsv", ".gz"):
        return False
    try:
        parse_quantity(text)
    except ValueError:
        # A range that cannot be read is told as one; a folder may begin with two points.
        return ".." in text and "/" not in text
    return True


def _from_distribution(quantity: Quantity) -> Documents:
    import torch

    from computebill.uncertainty.draws import Columns

    ranks = (torch.arange(DRAWN, dtype=torch.float64) + 0.5) / DRAWN
    # A constant takes no dimension, and is drawn once.
    points = ranks[:1].expand(0, 1) if quantity.is_constant else ranks.unsqueeze(0)
    drawn = Columns([quantity], ["lengths"], "cpu").draw(points)[0]
    lengths = drawn.round().clamp(1, LONGEST_SEQUENCE).to(torch.int64).tolist()
    return Documents(Counter(lengths), f"{GIVEN}: {quantity.text} tokens")


def _counted(cells: Iterable[tuple[str, object]]) -> Counter[int]:
    """Count lengths that are given one by one, with where each stands."""
    return Counter(whole(where, length, 1) for where, length in cells)
