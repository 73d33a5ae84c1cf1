"""What a run's ``config.json`` and layout add to its totals: exact counts, FLOP, memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from computebill.architectures import Architecture, read_architecture, read_sample
from computebill.base.assumptions import Assumption
from computebill.base.errors import RequestError
from computebill.base.quantity import Quantity
from computebill.base.specfile import validate
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.cluster import NODE_NETWORK
from computebill.models.card import (
    DEFAULT_ACCELERATOR,
    MemoryUse,
    ModelCard,
    count_card,
    describe_model,
)
from computebill.training.cases import Case, usual_precision
from computebill.training.documents import given_documents, packed
from computebill.training.doubts import assumed_facts
from computebill.training.from_files import adapter_assumptions, with_files
from computebill.training.layout import Layout
from computebill.training.rules import check_part
from computebill.training.software import Choice
from computebill.training.step_time import StepEstimate, estimate_step, scaling

from .spec import RunFields

R = TypeVar("R", bound=RunFields)


@dataclass(frozen=True)
class RunModel:
    """A run's model, counted.

    Attributes:
        card: of the model, at the run's sequence length.
        layout: as given, its data parallel degree completed from the accelerators' number.
        memory: of the fullest pipeline stage; None without a layout.
        step: its time as predicted; None without a layout and the accelerators' number.
        told: what was assumed of its sequences, and of what is trained.
    """

    card: ModelCard
    layout: Layout | None
    memory: MemoryUse | None
    step: StepEstimate | None
    told: tuple[Assumption, ...]

    def utilisation(self, convention: str, peak_flop_per_s: float) -> Quantity | None:
        """Model FLOP utilisation as predicted; None without a step's time."""
        if self.step is None:
            return None
        layout = self.step.case.layout
        batches = layout.micro_batch * (layout.micro_batches or 1) * layout.dp
        tokens = batches * self.card.sequence * self.card.architecture.stacks
        return self.step.utilisation(self.flop_per_token(convention) * tokens, peak_flop_per_s)

    def scaling(self, mfu: float) -> list[dict[str, float]]:
        """Return utilisation on more and on fewer accelerators, the global batch the same.

        Args:
            mfu: on the run's own number, at the median.

        Returns:
            gpus, p5, p50 and p95; empty without a step's time.
        """
        if self.step is None:
            return []
        now, step = self.step.case.layout.accelerators * self.step.seconds, self.step
        found = []
        for gpus, seconds in scaling(step):
            middle = mfu * now / (gpus * seconds)
            ends = {"p5": middle / step.high, "p50": middle, "p95": min(1.0, middle / step.low)}
            found.append({"gpus": gpus, **ends})
        return found

    def flop_per_token(self, convention: str) -> float:
        """Model FLOP per token of a training step."""
        return float(self.card.flop.conventions[convention])


def run_architecture(run: RunFields) -> Architecture | None:
    """Return the architecture of a run's model, where it has one.

    Raises:
        RequestError: naming the field of the configuration.
    """
    if run.model is None:
        return None
    return read_architecture(
        run.model,
        part=run.part,
        images_per_sample=run.images_per_sample,
        sample=read_sample(run.image_size, run.text_length),
    )


def by_products(run: R, architecture: Architecture | None) -> R:
    """Return a run whose FLOP are those of products, of a model whose tokens are of images.

    Some of its parameters meet each token, others a sample's text or time alone, so that six times
    all parameters say nothing. A convention that was given stays.
    """
    if architecture is None or not architecture.sample_tokens:
        return run
    if "convention" in run.model_fields_set:
        return run
    counted = run.model_copy(update={"convention": "megatron"})
    counted.model_fields_set.discard("convention")
    return counted


def count_run_model(
    run: RunFields, accelerator: Accelerator | None, architecture: Architecture
) -> RunModel:
    """Count a run's model.

    Args:
        run: as described.
        accelerator: the part it runs on; without one there is no step's time.
        architecture: of its model.

    Raises:
        RequestError: naming the field of the configuration or of the layout.
    """
    documents = given_documents(run.lengths, run.packing)
    trained = packed(architecture, run.sequence_length, documents)
    batch = run.sequences(trained.sequence * architecture.stacks)
    given = run.layout or Layout()
    adapted = with_files(given, architecture)
    layout = run.layout and with_files(_completed(run, run.layout, batch), architecture)
    part = accelerator or find_accelerator(DEFAULT_ACCELERATOR)
    if layout is None:
        card = count_card(trained.architecture, trained.sequence, part)
    else:
        card = describe_model(
            trained.architecture,
            sequence_length=trained.sequence,
            layout=layout,
            accelerator=part,
        )
    fullest = max(card.memory, key=lambda use: use.total) if card.layout else None
    step = None
    if layout is not None and run.count is not None and accelerator is not None:
        case = Case(
            architecture=card.architecture,
            layout=_with_batches(layout),
            accelerator=accelerator,
            precision=run.precision or usual_precision(accelerator, layout),
            sequence=card.sequence,
            software=run.software_choice.software,
        )
        check_part(case.layout, accelerator)
        step = estimate_step(
            with_assumed(case, given.model_fields_set, run.software_choice),
            None if run.efficiency is None else Path(run.efficiency),
        )
    told = (*trained.told, *adapter_assumptions(adapted, given, architecture))
    return RunModel(card, layout, fullest, step, told)


def with_assumed(case: Case, given: Collection[str], choice: Choice) -> Case:
    """Return the case of a run with the facts that its time hangs on and the run does not state.

    How documents fill a sequence is no question of pretraining.

    Args:
        case: model, layout and part.
        given: fields of the layout that the run gives.
        choice: of the software, and whether that is known.
    """
    stated = {"packing", *given}
    if choice.is_known:
        stated.add("software")
    across = case.accelerator.links.across.bandwidth_gb_s
    if across is not None and across.source == NODE_NETWORK:
        stated.add("network")
    return replace(case, assumed=assumed_facts(case, stated))


def _with_batches(layout: Layout) -> Layout:
    """Fill the pipeline where nobody says how many micro-batches a step has."""
    return layout.model_copy(update={"micro_batches": layout.filled_batches})


def _completed(run: RunFields, layout: Layout, batch: float | None) -> Layout:
    """Give the layout the run's accelerators and its global batch."""
    update: dict[str, int] = {}
    given = {name: getattr(layout, name) for name in layout.model_fields_set}
    if run.count is not None:
        if not run.count.is_constant:
            raise RequestError("count", f"got {run.count.text}; allowed with a layout: one number")
        count, replica = int(run.count.value), layout.tp * layout.pp * layout.cp
        if "dp" not in layout.model_fields_set:
            if count % replica:
                raise RequestError(
                    "count", f"got {count}; allowed: a multiple of tp x pp x cp, {replica}"
                )
            update["dp"] = count // replica
        elif layout.accelerators != count:
            raise RequestError(
                "count", f"got {count}; allowed: tp x pp x cp x dp, {layout.accelerators}"
            )
    dp = update.get("dp", layout.dp)
    if batch is not None and layout.micro_batches is None:
        micro, rest = divmod(batch, layout.micro_batch * dp)
        if rest:
            raise RequestError(
                "global_batch",
                f"got {batch:.10g}; allowed: a multiple of micro-batch x dp, "
                f"{layout.micro_batch * dp}",
            )
        update["micro_batches"] = int(micro)
    elif batch is not None and layout.micro_batches is not None and (update or "dp" in given):
        _check_batches(run, layout.micro_batch * layout.micro_batches * dp, batch, layout)
    # Made anew, so that what hangs on several degrees is checked with all of them.
    return validate(Layout, {**run.software_choice.settings, **given, **update}, "layout")


def _check_batches(run: RunFields, laid_out: int, batch: float, layout: Layout) -> None:
    """Refuse micro-batches that make another step than the batch beside them.

    Args:
        run: as its user described it.
        laid_out: sequences of a step by the layout.
        batch: sequences of a step as given.
        layout: of the run.

    Raises:
        RequestError: naming both.
    """
    if laid_out != batch:
        field = "global_batch" if run.global_batch is not None else "global_batch_tokens"
        raise RequestError(
            field,
            f"got {batch:,.10g} sequences and micro_batches {layout.micro_batches}; allowed: "
            f"micro-batch x micro-batches x dp, {laid_out}, or no micro_batches",
        )
