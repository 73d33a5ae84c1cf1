"""What a model's own files say of how it is trained: its adapter, what its weights rest in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from computebill.architectures import Architecture
from computebill.architectures.operators import Adapter
from computebill.architectures.plain import Trained
from computebill.base.assumptions import GIVEN, Assumption
from computebill.base.errors import RequestError, shown
from computebill.base.specfile import validate

from .adapters import LORA_SOURCE, QLORA_SOURCE, SAVED, TARGETS
from .layout import Layout
from .rules import check_adapters

UNWEIGHED = "its norms of whole matrices, made in each pass, are not timed"
"""What DoRA takes besides its parameters."""


def with_files(layout: Layout, architecture: Architecture) -> Layout:
    """Return a layout with the adapter and the frozen weights of the model's files.

    What its user says goes first.

    Args:
        layout: as its user described it.
        architecture: of the model.

    Raises:
        RequestError: where the adapter cannot be put beside the model.
    """
    adapted = _with_adapter(layout, architecture)
    check_adapters(architecture, adapted)
    return _as_stored(adapted, architecture)


def _with_adapter(layout: Layout, architecture: Architecture) -> Layout:
    adapter, given = architecture.adapter, layout.model_fields_set
    if adapter is None or ("lora_rank" in given and not layout.lora_rank):
        return layout
    told: dict[str, object] = {"lora_rank": adapter.rank}
    if "lora_targets" not in given:
        told["lora_targets"] = _targets(adapter)
    if adapter.saved and "modules_to_save" not in given:
        told["modules_to_save"] = _saved(adapter)
    if adapter.has_magnitudes:
        told["dora"] = True
    return validate(Layout, {**told, **{name: getattr(layout, name) for name in given}}, "layout")


def _targets(adapter: Adapter) -> tuple[str, ...]:
    """Return what an adapter is put beside, in every layer, by the last part of each name.

    Raises:
        RequestError: where one is not known: a pattern, a module of one layer alone.
    """
    named = []
    for given in adapter.targets:
        *above, name = given.split(".")
        named.append(name)
        if name not in TARGETS or not all(part.isidentifier() for part in above):
            allowed = f"{', '.join(sorted(TARGETS))}, in every layer; or say --lora-targets"
            raise RequestError("target_modules", f"got {shown(given)}; allowed: {allowed}")
    if not named:
        raise RequestError("target_modules", "is missing; allowed: names; or say --lora-targets")
    return tuple(dict.fromkeys(named))


def _last_parts(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[2] for name in names}


def _saved(adapter: Adapter) -> tuple[str, ...]:
    """Return the modules of which a copy is trained, by the last part of each name.

    Raises:
        RequestError: where one is not known.
    """
    named = [given.rpartition(".")[2] for given in adapter.saved]
    for given, name in zip(adapter.saved, named, strict=True):
        if name not in SAVED:
            allowed = f"{', '.join(sorted(SAVED))}; or say --modules-to-save"
            raise RequestError("modules_to_save", f"got {shown(given)}; allowed: {allowed}")
    # The classes of a library have one head each; peft names all that it may have.
    return tuple({SAVED[name]: name for name in named}.values())


def _as_stored(layout: Layout, architecture: Architecture) -> Layout:
    """Return a layout whose frozen weights rest as the configuration stores them, if none is told.

    Args:
        layout: with its adapter.
        architecture: of the model.
    """
    if not architecture.stored or not layout.lora_rank or layout.qlora:
        return layout
    is_given = "weights" in layout.model_fields_set
    return layout if is_given else layout.model_copy(update={"weights": architecture.stored})


def trained_of(layout: Layout) -> Trained:
    """Return what a layout trains in the place of all weights."""
    return Trained(layout.lora_rank, layout.beside)


def adapter_assumptions(
    layout: Layout, given: Layout, architecture: Architecture
) -> Iterator[Assumption]:
    """Yield the adapter that is trained, where the model's file or a preset has it.

    Args:
        layout: as it is used.
        given: as its user described it.
        architecture: of the model.
    """
    adapter, rank = architecture.adapter, str(layout.lora_rank)
    if adapter is None:
        if (layout.qlora or layout.lora) and "lora_rank" not in given.model_fields_set:
            source = QLORA_SOURCE if layout.qlora else LORA_SOURCE
            yield Assumption("rank of adapters", rank, source)
        return
    source = f"adapter_config.json of an adapter of {adapter.base}"
    if not layout.lora_rank:
        yield Assumption("adapters", "none", f"{GIVEN}, in place of {source}")
        return
    same = layout.lora_rank == adapter.rank
    yield Assumption("rank of adapters", rank, source if same else GIVEN)
    same = set(layout.lora_targets) == _last_parts(adapter.targets)
    targets = ", ".join(layout.lora_targets)
    yield Assumption("adapters beside", targets, source if same else GIVEN)
    if layout.modules_to_save:
        same = set(layout.modules_to_save) <= _last_parts(adapter.saved)
        saved = ", ".join(layout.modules_to_save)
        yield Assumption("modules trained whole beside them", saved, source if same else GIVEN)
    if layout.dora:
        own = source if adapter.has_magnitudes else GIVEN
        yield Assumption("magnitudes of adapters (DoRA)", "counted", f"{own}; {UNWEIGHED}")


def stored_note(layout: Layout, architecture: Architecture) -> Iterator[str]:
    """Yield that weights which are stored in few bits are not trained in them."""
    stored = architecture.stored
    # In 8-bit floating point much is trained; whole numbers and 4 bits are of the weights alone.
    if stored not in ("", "fp8") and not layout.lora_rank:
        yield (
            f"The configuration stores weights in {stored}; where all are trained they rest in "
            f"{layout.used_weights}. Frozen beside adapters (`--lora-rank`) they stay as stored."
        )
