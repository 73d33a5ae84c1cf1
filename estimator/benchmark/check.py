"""The closed loop: predict steps of decoders that nothing was fitted to, then run them.

And what the measured profile changes in estimates of larger models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from computebill.architectures import read_architecture
from computebill.base.errors import RequestError
from computebill.hardware.accelerators import Accelerator
from computebill.hardware.fitted import Fitted
from computebill.kernels.measure.outcome import Skip
from computebill.training.cases import Case, case_columns, step_times
from computebill.training.efficiency import efficiencies_of, read_profile
from computebill.training.layout import Layout
from computebill.training.parameters import bounded, unbounded

from .models import PREDICTED, Sizes, decoder, step_case
from .result import Change, Checked, Timed

LARGE = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
"""A decoder of 8 billion parameters, of Llama 3's sizes."""

LARGE_SEQUENCE = 4096
LARGE_COUNT = 8
LARGE_MICRO_BATCHES = 4


def seconds_of(case: Case, fitted: Fitted) -> float:
    """Return a step's predicted time."""
    return float(step_times(case_columns([case]), bounded(unbounded(fitted.values))).total)


def predicted_and_run(
    accelerator: Accelerator,
    precision: str,
    unit: int,
    run: Callable[[Sizes], Timed | Skip],
) -> Iterator[Checked | Skip]:
    """Predict each decoder's step, then run it; yields one after the other.

    Where memory sufficed only for a smaller batch, the prediction is of what was run.

    Args:
        accelerator: the device's profile, with its efficiencies.
        precision: precision of matrix products.
        unit: width that the decoders' widths are multiples of.
        run: times a step.
    """
    own, shipped = efficiencies_of(accelerator), read_profile()
    for row in PREDICTED:
        sizes = decoder(row, unit)
        before = step_case(sizes, accelerator, precision)
        predicted = seconds_of(before, own), seconds_of(before, shipped)
        timed = run(sizes)
        if isinstance(timed, Skip):
            yield Skip(f"check of {sizes.name}", timed.why)
            continue
        step = timed.step
        if (step.batch, step.sequence) != (sizes.batch, sizes.sequence):
            smaller = step_case(step, accelerator, precision)
            predicted = seconds_of(smaller, own), seconds_of(smaller, shipped)
        yield Checked(timed, *predicted)


def changes(measured: Accelerator, known: Accelerator | None, precision: str) -> tuple[Change, ...]:
    """Return what estimates of larger models become.

    Args:
        measured: the device's profile, with its efficiencies.
        known: its datasheet's profile.
        precision: precision of matrix products.
    """
    large = Case(
        architecture=read_architecture(LARGE),
        layout=Layout(dp=LARGE_COUNT, zero=3, micro_batches=LARGE_MICRO_BATCHES, kernels="eager"),
        accelerator=measured,
        precision=precision,
        sequence=LARGE_SEQUENCE,
        software="eager",
    )
    cases = {
        f"8B decoder, {LARGE_COUNT} devices, fully sharded, "
        f"{LARGE_MICRO_BATCHES} x {LARGE_SEQUENCE} tokens each": large,
        f"8B decoder, one device, {LARGE_MICRO_BATCHES} x {LARGE_SEQUENCE} tokens": replace(
            large, layout=Layout(zero=0, micro_batches=LARGE_MICRO_BATCHES, kernels="eager")
        ),
    }
    found = []
    for what, case in cases.items():
        if known is None and case.layout.dp > 1:
            continue  # nobody knows its links
        try:
            before = (
                None
                if known is None
                else seconds_of(replace(case, accelerator=known), read_profile())
            )
            found.append(Change(what, before, seconds_of(case, efficiencies_of(measured))))
        except RequestError:  # the datasheet has no such precision
            continue
    return tuple(found)
