from __future__ import annotations

from typing import Any

import pytest

import computebill as cb
from computebill.regulation.rules import items
from computebill.statements.lines import BESIDE, SAMPLES, UPDATES, item_of
from computebill.statements.spec import StatedStage


def stage(**fields: Any) -> StatedStage:
    return StatedStage(**{"params": 1e9, "tokens": 1e9, **fields})


@pytest.mark.parametrize(
    ("fields", "part", "item"),
    [
        ({}, "updates", "pretraining"),
        ({"kind": "midtrain"}, "updates", "mid_training"),
        ({"kind": "context"}, "updates", "mid_training"),
        ({"kind": "lora"}, "updates", "fine_tuning"),
        ({"kind": "preference"}, "reference", "reference_forward"),
        ({"kind": "reward"}, "updates", "reward_model_training"),
        ({"kind": "distill", "teacher_params": 1e10}, "teacher", "teacher_forward"),
        ({"kind": "filter"}, "samples", "data_filtering_by_model"),
        ({"kind": "evaluate"}, "samples", "evaluation"),
        ({"kind": "generate"}, "samples", "synthetic_private"),
        ({"kind": "generate"}, "discarded", "synthetic_private_discarded"),
        ({"kind": "generate", "public": True}, "discarded", "synthetic_public"),
        ({"kind": "generate", "fate": "dropped"}, "samples", "failed_synthetic_experiments"),
        ({"kind": "generate"}, "updates", "synthetic_private"),  # its hours alone are told
        ({"fate": "dropped"}, "updates", "failed_runs"),
        ({"fate": "dropped"}, "recomputed", "failed_runs"),
        ({"fate": "explored"}, "updates", "exploratory_research"),
        ({"counts_as": "safety_training"}, "updates", "safety_training"),
        ({"counts_as": "safety_training"}, "restarted", "restarted_steps"),
        ({}, "recomputed", "activation_recomputation"),
    ],
)
def test_what_a_part_of_a_stage_is_to_a_rule(fields: dict[str, Any], part: str, item: str) -> None:
    assert item_of(stage(**fields), part) == item


def test_all_items_are_known_to_the_rules() -> None:
    samples = {item for both in SAMPLES.values() for item in both}
    named = {*UPDATES.values(), *BESIDE.values(), *samples}
    assert named <= {name for name, item in items().items() if item.kind == "compute"}


def test_only_parts_that_there_are_become_lines() -> None:
    data = {"model": {"name": "m", "params": 1e9}, "stage": [{"tokens": 1e9}]}
    (line,) = cb.state(data).lines
    assert (line.source, line.part, line.item) == ("pretrain", "updates", "pretraining")
    assert line.title == "pretraining"
