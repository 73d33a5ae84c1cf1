"""What a model is for, which ``architectures`` says, and the head that it has for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from computebill.base.errors import RequestError, shown

from .blocks import BYTES, column, head
from .operators import Count, Operator

LANGUAGE, SEQUENCE, TOKEN, ANSWER, REWARD, NONE, PRETRAINING, OTHER = (
    "language",
    "sequence",
    "token",
    "answer",
    "reward",
    "none",
    "pretraining",
    "other",
)
ENDINGS = {
    "ForCausalLM": LANGUAGE,
    "LMHeadModel": LANGUAGE,
    "ForConditionalGeneration": LANGUAGE,
    "ForMaskedLM": LANGUAGE,
    "ForImageTextToText": LANGUAGE,
    "ForVision2Seq": LANGUAGE,
    "WithLMHead": LANGUAGE,
    "LM": LANGUAGE,
    "ForSequenceClassification": SEQUENCE,
    "ForImageClassification": SEQUENCE,
    "ForTokenClassification": TOKEN,
    "ForQuestionAnswering": ANSWER,
    "ForProcessRewardModel": REWARD,
    "ForRewardModel": REWARD,
    "ForPreTraining": PRETRAINING,
    "ChatGLMModel": LANGUAGE,
    "EncoderModel": NONE,
    "DoubleHeadsModel": OTHER,
    "Model": NONE,
}
"""What a class is for, by how its name ends; of several, the longest."""

DECODER_HEADS = frozenset({LANGUAGE, SEQUENCE, TOKEN, ANSWER, REWARD, NONE})
"""Kinds of heads that ``transformers``' generic classes put on a decoder."""
ENCODER_HEADS = frozenset({LANGUAGE, SEQUENCE, TOKEN, ANSWER, NONE})
PRETRAINED_HEADS = ENCODER_HEADS | {PRETRAINING}
"""Kinds of heads of an encoder; of one that predicts the next sentence too."""

MOST_LABELS = 10**6


class Purpose(NamedTuple):
    """What a model is for.

    Attributes:
        kind: kind of its head; ``other`` where its class's name says none that is known.
        labels: outputs of a head that classifies.
        name: the class that says so; nothing where none is named.
    """

    kind: str = LANGUAGE
    labels: int = 2
    name: str = ""

    @property
    def is_encoder(self) -> bool:
        """Whether only the encoder of an encoder and a decoder is meant."""
        return self.name.endswith(("EncoderModel", "ForTokenClassification"))


def read_purpose(fields: Mapping[str, Any], file: str, labels: int = 2) -> Purpose:
    """Return what a configuration's model is for; a language model where nothing says.

    Args:
        fields: the configuration.
        file: what to call it in messages.
        labels: how many its type has where the configuration does not say.

    Raises:
        RequestError: where ``architectures``, or what says how many labels there are, cannot be.
    """
    given = fields.get("architectures")
    if isinstance(given, str) and given:
        given = [given]
    if given is None or given == []:
        return Purpose(labels=_labels(fields, file, labels))
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise RequestError(file, f"architectures: got {shown(given)}; allowed: a list of names")
    name = given[0]
    endings = [ending for ending in ENDINGS if name.endswith(ending)]
    kind = ENDINGS[max(endings, key=len)] if endings else OTHER
    labels = _labels(fields, file, labels)
    if kind == REWARD and "num_labels" not in fields and "id2label" not in fields:
        labels = 2 if name.endswith("ForProcessRewardModel") else 1
    return Purpose(kind, labels, name)


def _labels(fields: Mapping[str, Any], file: str, otherwise: int) -> int:
    """Return how many labels there are: ``otherwise`` where nothing says."""
    names, count = fields.get("id2label"), fields.get("num_labels")
    if isinstance(names, Mapping) and names:
        return len(names)
    if count is None:
        return otherwise
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= MOST_LABELS:
        raise RequestError(
            file,
            f"num_labels: got {shown(count)}; allowed: a whole number from 1 to {MOST_LABELS}",
        )
    return count


def has_head(purpose: Purpose, kinds: Collection[str]) -> bool:
    """Whether heads of these kinds are what a model is for; where no class is named, they are."""
    return not purpose.name or purpose.kind in kinds


def unknown_head(purpose: Purpose, kinds: Collection[str], model_type: str) -> str:
    """Return the problem of a class whose head is not known for a type.

    Args:
        purpose: of the class.
        kinds: kinds of heads that are known for the type.
        model_type: the type.
    """
    known = ", ".join(ending for ending, kind in ENDINGS.items() if kind in kinds)
    return (
        f"architectures: got {shown(purpose.name)}, whose head is not known for {model_type}; "
        f"allowed: a class whose name ends in {known}"
    )


def unknown_purpose(purpose: Purpose) -> list[str]:
    """Return what to say of a multimodal model's class that is for nothing that is known."""
    if purpose.kind != OTHER:
        return []
    told = f"architectures: {purpose.name} is not known; counted with the head of a language model."
    return [told]


class Outputs(NamedTuple):
    """A model's head.

    Attributes:
        operators: the products that give its outputs.
        width: outputs of each token; 0 where there are none.
    """

    operators: list[Operator]
    width: Count


def decoder_outputs(
    purpose: Purpose, hidden: Count, vocabulary: Count, *, tied: bool, bias: bool
) -> Outputs:
    """Return a decoder's head, as ``transformers``' generic classes have it.

    Args:
        purpose: what the model is for.
        hidden: width of what it is made from.
        vocabulary: entries of a language model's.
        tied: whether a language model's is the embedding.
        bias: whether a language model's has one.
    """
    kind, labels = purpose.kind, purpose.labels
    if kind in (LANGUAGE, OTHER):
        return Outputs(head(hidden, vocabulary, tied=tied, bias=bias), vocabulary)
    if kind == NONE:
        return Outputs([], 0)
    if kind == REWARD:
        first = column("logits", hidden, hidden, True, ways=1, kept=BYTES * hidden)
        return Outputs([first, *head(hidden, labels, tied=False, bias=True)], labels)
    if kind == ANSWER:
        return Outputs(head(hidden, 2, tied=False, bias=True), 2)
    return Outputs(head(hidden, labels, tied=False, bias=kind == TOKEN), labels)
