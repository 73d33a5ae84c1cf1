"""Whether a layout divides a model, and itself."""

from __future__ import annotations

from computebill.architectures import Architecture
from computebill.architectures.beside import is_adapted, saved_operators
from computebill.architectures.operators import UNLIMITED, Beside
from computebill.base.errors import RequestError
from computebill.hardware.accelerators import Accelerator
from computebill.hardware.generations import has_deepep

from .adapters import SAVED
from .dealing import told
from .layout import Layout


def check_layout(architecture: Architecture, layout: Layout, sequence: int) -> None:
    """Refuse a layout that does not divide the model, or itself.

    Raises:
        RequestError: naming the degree, what was given and what is allowed.
    """
    _check_groups(layout)
    _check_experts(architecture, layout)
    _check_tensor(architecture, layout)
    _check_sequence(architecture, layout, sequence)
    _check_pipeline(architecture, layout)
    check_adapters(architecture, layout)


def check_part(layout: Layout, accelerator: Accelerator) -> None:
    """Refuse what a layout asks of an accelerator that its maker's software does not have there.

    Raises:
        RequestError: naming the field, what was given and what is allowed.
    """
    if layout.dispatcher == "deepep" and not has_deepep(accelerator):
        raise RequestError(
            "dispatcher",
            f"got deepep; allowed on {accelerator.name}: all-to-all, as DeepEP is made for "
            "datacentre parts of NVIDIA and AMD",
        )


def _check_tensor(architecture: Architecture, layout: Layout) -> None:
    def refuse(allowed: str) -> RequestError:
        return RequestError("tp", f"got {layout.tp}; allowed: {allowed}")

    dense = [each for each in architecture.operators() if not each.expert and each.ways != 1]
    for each in dense:
        if each.heads and not each.is_apart and each.heads % layout.tp:
            raise refuse(f"a divisor of {each.heads} heads")
    for each in dense:
        ways, what = min(layout.tp, each.ways), each.name.replace("_", " ")
        # Fewer heads of keys and values than ranks are copied.
        if layout.tp % ways or (each.ways < UNLIMITED and each.ways % ways):
            raise refuse(f"a divisor or a multiple of {each.ways:g}, the heads of {what}")
        if each.by_input and each.d_in % ways:
            raise refuse(f"a divisor of {each.d_in}, the width of {what}")


def _check_experts(architecture: Architecture, layout: Layout) -> None:
    experts = [each for each in architecture.operators() if each.expert]
    if layout.dispatcher is not None and not experts:
        raise RequestError(
            "dispatcher", f"got {layout.dispatcher}; allowed: none, as the model has no experts"
        )
    for field in ("ep", "etp"):
        given = getattr(layout, field)
        if given is not None and given > 1 and not experts:
            raise RequestError(field, f"got {given}; allowed: 1, as the model has no experts")
    for each in experts:
        if each.copies % layout.ep:
            raise RequestError(
                "ep", f"got {layout.ep}; allowed: a divisor of {each.copies} experts"
            )
        if each.by_input and each.d_in % layout.expert_tensor:
            raise RequestError(
                "etp",
                f"got {layout.expert_tensor}; allowed: a divisor of {each.d_in}, an expert's width",
            )


def _check_sequence(architecture: Architecture, layout: Layout, sequence: int) -> None:
    if sequence % layout.cp:
        raise RequestError("cp", f"got {layout.cp}; allowed: a divisor of {sequence} tokens")
    scores = [each for each in architecture.operators() if each.heads and not each.is_apart]
    heads = {each.heads / layout.tp for each in scores}
    if layout.cp_exchange == "all-to-all" and any(each % layout.cp for each in heads):
        allowed = ", ".join(f"{each:g}" for each in sorted(heads))
        raise RequestError(
            "cp", f"got {layout.cp}; allowed with all-to-all: a divisor of {allowed} heads a rank"
        )
    if layout.is_sequence_parallel and sequence // layout.cp % layout.tp:
        raise RequestError(
            "tp",
            f"got {layout.tp}; allowed with sequence parallelism: a divisor of "
            f"{sequence // layout.cp} tokens",
        )


def check_adapters(architecture: Architecture, layout: Layout) -> None:
    """Refuse adapters, and copies of modules beside them, that a model has no place for.

    Raises:
        RequestError: naming the field, what was given and what is allowed.
    """
    for field in ("lora_targets", "modules_to_save", "dora"):
        if field in layout.model_fields_set and getattr(layout, field) and not layout.lora_rank:
            raise RequestError(field, "needs lora_rank")
    if not layout.lora_rank:
        return
    if not any(is_adapted(each, layout.beside) for each in architecture.operators()):
        has = {each.adapted for each in architecture.operators()}
        has |= {each.module for each in architecture.operators()}
        raise RequestError(
            "lora_targets",
            f"got {', '.join(layout.lora_targets)}; the model has none of them; allowed: "
            f"{', '.join(sorted(has - {''}))}",
        )
    for name in layout.modules_to_save:
        if not saved_operators(architecture, Beside(saved=frozenset({SAVED[name]}))):
            allowed = "others, as the model has no such module"
            raise RequestError("modules_to_save", f"got {name}; allowed: {allowed}")


def _check_groups(layout: Layout) -> None:
    ranks, replicas = layout.tp * layout.cp * layout.dp, layout.dp * layout.cp
    if ranks % (layout.ep * layout.expert_tensor):
        raise RequestError(
            "ep",
            f"got {layout.ep} x etp {layout.expert_tensor}; "
            f"allowed: a divisor of tp x cp x dp, {ranks}",
        )
    batches = layout.micro_batches
    if layout.vpp > 1 and batches is not None and batches % layout.pp:
        raise RequestError(
            "micro_batches", f"got {batches}; allowed with vpp: a multiple of pp, {layout.pp}"
        )
    if layout.schedule == "dualpipe" and batches is not None and batches < 2 * layout.pp:
        raise RequestError(
            "micro_batches",
            f"got {batches}; allowed with dualpipe: at least 2 x pp, {2 * layout.pp}",
        )
    if layout.shards is not None and not layout.zero:
        raise RequestError("shards", f"got {layout.shards}; needs zero 1, 2 or 3")
    if layout.shards is not None and replicas % layout.shards:
        raise RequestError(
            "shards", f"got {layout.shards}; allowed: a divisor of dp x cp, {replicas}"
        )


def chunk_counts(architecture: Architecture) -> list[int]:
    """Return the numbers of chunks that a model's layers may be dealt out in, ascending.

    The embedding, the head and layers for further tokens may stand for a layer each.
    """
    layers = int(architecture.layer_count)
    places = range(layers, layers + 3 + architecture.further)
    return [n for n in range(1, places.stop) if any(count % n == 0 for count in places)]


def _check_ends(layers: int, layout: Layout) -> None:
    others, left = layout.pp - len(layout.ends), layers - sum(layout.ends.values())
    if left == 0 if others == 0 else left >= others and left % others == 0:
        return
    name = next(iter(layout.ends))
    given = " and ".join(f"{field} {own}" for field, own in layout.ends.items())
    raise RequestError(
        name,
        f"got {given}; allowed: what leaves as many of {layers} layers, and one at least, to each "
        f"of the {others} other stages",
    )


def _check_lists(layers: int, layout: Layout) -> None:
    given, again = layout.layers_per_stage, layout.recompute_layers
    if given is not None and sum(given) != layers:
        raise RequestError(
            "layers_per_stage",
            f"got {told(given)}, {sum(given):,} in all; allowed: the model's {layers:,} layers",
        )
    if isinstance(again, tuple):
        held = layout.deal.stages(layers)
        if any(one > most for one, most in zip(again, held, strict=True)):
            raise RequestError(
                "recompute_layers",
                f"got {told(again)}; allowed: up to {told(held)}, what the stages have",
            )


def _check_pipeline(architecture: Architecture, layout: Layout) -> None:
    layers = int(architecture.layer_count)
    _check_deal(architecture, layers, layout)
    _check_lists(layers, layout)


def _check_deal(architecture: Architecture, layers: int, layout: Layout) -> None:
    chunks = layout.pp * layout.vpp
    if layout.layers_per_stage is not None:
        return
    if layout.ends:
        _check_ends(layers, layout)
        return
    allowed = chunk_counts(architecture)
    if chunks in allowed:
        return
    field = "vpp" if layout.vpp > 1 else "pp"
    given = f"{layout.pp}" if layout.vpp == 1 else f"{layout.vpp} x pp {layout.pp}"
    raise RequestError(
        field,
        f"got {given}; allowed: what divides {layers} layers, where the embedding and the head "
        f"may stand for one each: {', '.join(map(str, allowed))}",
    )
