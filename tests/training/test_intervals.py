from __future__ import annotations

import pytest
from known import LLAMA_8B

import computebill as cb
from computebill.training.cases import Case
from computebill.training.intervals import interval_kind, interval_of

MIXTRAL = LLAMA_8B | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
INTERVALS = {"dense": (0.9, 1.1), "experts": (0.7, 1.2), "rough": (0.8, 1.9)}


def case(config: dict[str, object], software: str) -> Case:
    return Case(
        architecture=cb.read_architecture(config),
        layout=cb.Layout(dp=8),
        accelerator=cb.find_accelerator("h100-sxm"),
        precision="bf16",
        sequence=4096,
        software=software,
    )


@pytest.mark.parametrize(
    ("config", "software", "kind"),
    [
        (LLAMA_8B, "modern", "dense"),
        (MIXTRAL, "modern", "experts"),
        (LLAMA_8B, "scripts", "rough"),
        (MIXTRAL, "early", "rough"),
    ],
)
def test_a_case_has_the_interval_of_its_kind(
    config: dict[str, object], software: str, kind: str
) -> None:
    one = case(config, software)
    assert interval_kind(one) == kind
    assert interval_of(one, INTERVALS) == INTERVALS[kind]


def test_a_kind_that_was_never_left_out_has_the_widest() -> None:
    known = {key: INTERVALS[key] for key in ("dense", "rough")}
    assert interval_of(case(MIXTRAL, "modern"), known) == (0.8, 1.9)
    assert interval_of(case(MIXTRAL, "modern"), {}) is None
