"""What frameworks offer: against every measured step, and against spaces of everything."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from known import LLAMA_8B
from plans import SEQUENCE, planned

import computebill as cb
from computebill.accuracy.measured import MeasuredRow, read_measured
from computebill.training.cases import Case
from computebill.training.choice_grid import Grid
from computebill.training.choices import Space, make_space
from computebill.training.efficiency import read_profile
from computebill.training.layout import Layout
from computebill.training.offers import DEGREES, Offer, offer_of
from computebill.training.parameters import bounded, unbounded

COUNT, BATCH = 32, 64


def lacks(offer: Offer, layout: Layout) -> list[str]:
    """What a layout has and the framework does not, rule by rule as the table's head says."""
    found = [name for name in DEGREES if getattr(layout, name) > 1 and name not in offer.degrees]
    if layout.tp > 1 and layout.is_sequence_parallel and "sequence_parallel" not in offer.degrees:
        found.append("sequence_parallel")
    if layout.dp * layout.cp > 1 and layout.zero not in offer.zero:
        found.append(f"zero {layout.zero}")
    if layout.pp > 1 and layout.zero not in offer.piped_zero:
        found.append(f"zero {layout.zero} with pp")
    if layout.tp > 1 and layout.zero not in offer.tensor_zero:
        found.append(f"zero {layout.zero} with tp")
    found += [layout.recompute] * (layout.recompute not in offer.recompute)
    return found + [layout.schedule] * (layout.schedule not in offer.schedules)


def test_frameworks_offer_what_was_measured_on_them() -> None:
    offered: list[tuple[MeasuredRow, Offer]] = []
    for row in read_measured(None)[0]:
        if (offer := row.offer) is not None:
            offered.append((row, offer))
    assert len(offered) > 1500
    assert len({row.framework for row, _ in offered}) >= 15
    missing = {
        (row.framework, what) for row, offer in offered for what in lacks(offer, row.case.layout)
    }
    # Megatron's --recompute-modules beside attention, counted as recomputation by operator.
    assert missing == {("megatron-core", "operators")}


def legal_layouts(space: Space) -> dict[str, tuple[Layout, float]]:
    """Layouts that obey every rule, by what makes them, with their seconds."""
    grid = Grid(space, bounded(unbounded(read_profile().values)), torch.device("cpu"))
    found = {}
    for pipes in grid.chunks():
        chunk = grid.evaluate(pipes, COUNT, BATCH)
        seconds = chunk.legal_seconds(float("inf")).reshape(-1)
        where = torch.nonzero(seconds.isfinite()).squeeze(1)
        places = chunk.place(where, space.shape).tolist()
        for place, each in zip(places, seconds[where].tolist(), strict=True):
            layout = space.layout(place, COUNT, BATCH)
            found[str(layout.to_dict())] = layout, each
    return found


@pytest.mark.parametrize("framework", ["fsdp", "deepspeed", "torchtitan", "nemo", "torchtune"])
def test_a_framework_leaves_of_everything_what_it_has(framework: str) -> None:
    part = cb.find_accelerator("h100-sxm")
    case = Case(cb.read_architecture(LLAMA_8B), cb.Layout(), part, "bf16", SEQUENCE, "modern")
    offer = offer_of(framework, None)
    assert offer is not None
    given: dict[str, Any] = {"micro_batch": [1, 4], "zero": [0, 1, 2, 3], "tp": [1, 4]}
    given |= {"recompute": ["none", "operators", "full"], "cp": [1, 2], "vpp": [1, 2]}
    given |= {"pp": [1, 2, 4], "sequence_parallel": [True, False]}
    everything = legal_layouts(make_space(case, given))
    left = legal_layouts(make_space(case, given, offer=offer))
    # One rank shards nothing: whatever its stage, ZeRO 1 and 2 are what they are.
    wanted = {
        key: seconds
        for key, (layout, seconds) in everything.items()
        if not lacks(offer, layout) and layout.zero in offer.zero
    }
    assert {key: seconds for key, (_, seconds) in left.items()} == pytest.approx(wanted)
    assert 0 < len(wanted) < len(everything)


def test_before_its_month_a_framework_lacks_a_degree() -> None:
    early, late = (offer_of("megatron-lm", year) for year in (2020.5, 2022.0))
    assert early is not None
    assert late is not None
    assert "pp" not in early.degrees
    assert late.degrees >= {"tp", "pp", "vpp"}
    # What no framework's table says is not limited.
    assert offer_of("pytorch", None) is None
    assert offer_of(None, None) is None


def test_a_plan_names_what_its_framework_lacks(llama_config: str) -> None:
    found = planned(llama_config, framework="fsdp")
    assert (found.best.layout.tp, found.best.layout.pp, found.best.layout.cp) == (1, 1, 1)
    assert found.best.layout.zero in (2, 3)
    assert found.excluded["PyTorch FSDP: pp is 1"] > 0
    told = {each.name: each for each in found.assumptions}
    assert told["layouts of PyTorch FSDP"].value.startswith("no degree but dp; zero 0, 2, 3")
    free = planned(llama_config, software="eager")
    assert free.best.step_seconds <= found.best.step_seconds * 1.1
    piped = planned(llama_config, framework="megatron-lm", pp=[4])
    assert piped.best.layout.zero in (0, 1)


def test_what_a_framework_has_none_of_is_refused(llama_config: str) -> None:
    with pytest.raises(cb.RequestError, match=r"pp: got 4; allowed with torchtune: 1"):
        planned(llama_config, framework="torchtune", pp=[4])
    with pytest.raises(cb.RequestError, match=r"zero: got 1; allowed with torchtitan: 0, 2, 3"):
        planned(llama_config, framework="torchtitan", zero=[1])


def test_stages_have_of_their_own_what_the_framework_lets_them(llama_config: str) -> None:
    asked = {"pp": 4, "vpp": 1, "cp": 1, "uneven": True, "top": 64}
    for framework in ("megatron-lm", "torchtitan"):
        found = planned(llama_config, **asked, framework=framework)
        assert not any("its stages" in rule for rule in found.excluded)
        told = (found.best, *found.runners_up, *found.pareto)
        assert any(each.layout.ends or each.layout.layers_per_stage for each in told)
    lists = planned(llama_config, **asked, framework="olmo-core")
    assert any("its stages" in rule for rule in lists.excluded)
    assert not any(each.layout.ends for each in (lists.best, *lists.runners_up, *lists.pareto))
    with pytest.raises(cb.RequestError, match=r"uneven: got on; allowed with .*nanotron: off"):
        planned(llama_config, **asked, framework="nanotron")
    with pytest.raises(cb.RequestError, match=r"layers_per_stage: got .*: as many on each"):
        planned(llama_config, layers_per_stage=(7, 9, 9, 7), framework="deepspeed")
