from __future__ import annotations

import copy
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.statements.spec import read_statement

GIVEN: dict[str, Any] = {
    "model": {"name": "student", "params": "8B"},
    "lineage": [
        {"name": "base", "flop": 1e24},
        {"name": "teacher", "relation": "teacher", "params": "70B"},
    ],
    "stage": [
        {"name": "more", "kind": "midtrain", "tokens": "100B"},
        {"kind": "distill", "tokens": "10B", "teacher": "teacher"},
    ],
}


def changed(*path: str | int, value: Any) -> dict[str, Any]:
    found = copy.deepcopy(GIVEN)
    place: Any = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return found


def test_stages_take_the_models_size_where_they_say_none() -> None:
    found = read_statement(GIVEN)
    assert [stage.params.text for stage in found.stage if stage.params] == ["8B", "8B"]
    own = read_statement(changed("stage", 0, "params", value="3B"))
    assert [stage.params.text for stage in own.stage if stage.params] == ["3B", "8B"]


def test_lineage_is_an_item_by_what_is_on_the_way() -> None:
    more = [
        *GIVEN["lineage"],
        {"name": "base of the base", "of": "base"},
        {"name": "base of the teacher", "of": "teacher"},
        {"name": "merged", "relation": "merge"},
        {"name": "judge", "relation": "reward"},
    ]
    found = read_statement({**GIVEN, "lineage": more})
    assert {each.name: found.item_of(each) for each in found.lineage} == {
        "base": "base_model",
        "teacher": "teacher_training",
        "base of the base": "base_model",
        "base of the teacher": "teacher_training",
        "merged": "merged_weights",
        "judge": "reward_model_training",
    }


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("lineage", 0, "of"), "base", "lineage[0].of: got weights in a circle, base of base"),
        (
            ("lineage",),
            [{"name": "teacher", "of": "b"}, {"name": "b", "of": "teacher"}],
            "lineage[0].of: got weights in a circle, teacher of b of teacher; allowed: a chain",
        ),
        (("lineage", 0, "of"), "nobody", "lineage[0].of: got 'nobody'; allowed: student, base"),
        (("lineage", 0, "name"), "student", "lineage[0].name: got 'student', which is the model"),
        (("lineage", 0, "basis"), "unknown", "flop: got 1e+24; allowed with basis unknown: none"),
        (("lineage", 1, "basis"), "known", "flop: is missing"),
        (("stage", 1, "teacher"), "student", "stage[1].teacher: got 'student', which is the stu"),
        (("stage", 1, "teacher"), "distill", "teacher: got 'distill', which is the stage itself"),
        (
            ("stage", 0),
            {"kind": "pretrain"},
            "tokens: is missing; allowed with kind pretrain: tokens",
        ),
        (
            ("stage", 0),
            {"kind": "generate", "requests": 100, "answer_length": 500, "kept": 200},
            "kept: got 200; allowed: up to the 100 samples made",
        ),
        (("stage", 0, "counts_as"), "cooking", "counts_as: got 'cooking'; allowed: pretraining"),
        (("stage", 0, "end"), "2026-01-01", "start: is missing; give start and end"),
        (("stage", 0, "public"), True, "public: got true; allowed with kind generate, got midtr"),
        (("stage", 0, "peak_tflops"), 989, "peak_tflops: needs gpu_hours"),
        (("base",), [{"name": "x"}], "base: allowed in a statement: lineage"),
        (("model", "config"), "config.json", "give config or params, not both"),
    ],
)
def test_what_is_wrong_is_told_with_field_value_and_what_is_allowed(
    path: tuple[str | int, ...], value: Any, told: str
) -> None:
    with pytest.raises(RequestError) as error:
        read_statement(changed(*path, value=value))
    assert told in str(error.value)


def test_stages_begin_from_the_lineage() -> None:
    found = read_statement(changed("stage", 0, "from", value="base"))
    assert found.ancestors("more") == ("base",)
    with pytest.raises(RequestError, match=r"stage\[0\].from: got 'x'; allowed: the name of a"):
        read_statement(changed("stage", 0, "from", value="x"))


def test_days_that_run_backwards_are_refused() -> None:
    days = {"start": "2026-02-01", "end": "2026-01-01"}
    with pytest.raises(RequestError, match="end: got 2026-01-01; allowed: 2026-02-01 or later"):
        read_statement(changed("stage", 0, value={"tokens": "1T", **days}))
    both = {"tokens": "1T", "gpu_hours": 1e5, "mfu": 0.3, "hfu": 0.4, "accelerator": "h100"}
    with pytest.raises(RequestError, match="give mfu or hfu, not both"):
        read_statement(changed("stage", 0, value=both))
