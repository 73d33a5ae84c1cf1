"""Files of stages: what each kind takes, whose weights each begins from, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from computebill.base.errors import RequestError
from computebill.runs.spec import RunFields
from computebill.runs.stage_defaults import STAGE_REPLACES, WANTS
from computebill.runs.stage_kinds import ALSO, KINDS, OWN, Kind, needs_text
from computebill.runs.stage_spec import Stage
from computebill.runs.staged_spec import (
    StagedSpec,
    is_staged,
    read_staged,
    staged_run,
)

Data = dict[str, Any]

PRE: Data = {"name": "pre", "params": "7B", "tokens": "1T"}
RL: Data = {
    "kind": "rl", "params": "7B", "steps": 10, "prompts": 64, "samples_per_prompt": 8,
    "answer_length": 1000,
}  # fmt: skip
LEAST: dict[str, Data] = {
    **{kind: {"tokens": "1B"} for kind in ("pretrain", "midtrain", "context", "sft", "lora")},
    "filter": {"tokens": "1B"},
    "distill": {"tokens": "1B", "teacher_params": "70B"},
    "preference": {"pairs": 1e5, "answer_length": 500},
    "reward": {"tokens": "1B"},
    "rl": {key: RL[key] for key in ("steps", "prompts", "samples_per_prompt", "answer_length")},
    "ppo": {key: RL[key] for key in ("steps", "prompts", "samples_per_prompt", "answer_length")},
    "generate": {"requests": 1e6, "answer_length": 500},
    "evaluate": {"requests": 1e4, "answer_length": 500},
}
"""The fewest fields that each kind takes."""


def staged(*stages: Data, **above: Any) -> StagedSpec:
    return read_staged({**above, "stage": list(stages)})


def refusal(*stages: Data, **above: Any) -> str:
    with pytest.raises(RequestError) as caught:
        staged(*stages, **above)
    return str(caught.value)


def test_every_kind_is_read_by_its_fewest_fields_and_by_other_words() -> None:
    assert set(LEAST) == set(get_args(Kind)) == set(KINDS)
    for kind, fields in LEAST.items():
        assert staged({"kind": kind, "params": "7B", **fields}).stage[0].kind == kind
        told = refusal({"kind": kind, "params": "7B"})
        assert "is missing" in told
        assert kind == "distill" or needs_text(kind) in told
    for word, kind in ALSO.items():
        assert staged({"kind": word, "params": "7B", **LEAST[kind]}).stage[0].kind == kind
    assert set(Stage.model_fields) >= OWN
    assert {*STAGE_REPLACES, *WANTS} <= set(Stage.model_fields)


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        ([{"name": "a", "params": "7B"}], "stage[0]: tokens: is missing; allowed with kind"),
        ([{"name": "a", "tokens": "1B"}], "stage[0]: params: is missing"),
        (
            [{**PRE, "from": "b"}, {**PRE, "name": "b", "from": "pre"}],
            "weights in a circle, pre from b from pre; allowed: from what was made before",
        ),
        ([{**PRE, "from": "pre"}], "in a circle, pre from pre"),
        (
            [PRE, {**PRE, "kind": "distill", "name": "d", "teacher": "d"}],
            "teacher: got 'd', which is the stage itself; allowed: another's name",
        ),
        ([{**RL, "kept": 5121}], "kept: got 5121; allowed: up to the 5,120 samples made"),
        (
            [{"kind": "generate", "params": "7B", "answer_length": 5, "requests": 10, "kept": 11}],
            "kept: got 11; allowed: up to the 10 samples made",
        ),
        ([PRE, {**PRE, "name": "b", "from": "nobody"}], "stage[1].from: got 'nobody'; allowed"),
        ([PRE, PRE], "the name 'pre' is given twice"),
        ([{**PRE, "steps": 5}], "steps: is of no use to kind pretrain"),
        ([{**RL, "tokens": "1B"}], "tokens: is of no use to kind rl"),
        ([{**RL, "critic_params": "1B"}], "critic_params: is of no use to kind rl"),
        ([{**RL, "kind": "ppo", "critic": "nobody"}], "stage[0].critic: got 'nobody'; allowed"),
        ([{**PRE, "kind": "filter", "mfu": 0.4}], "mfu: is of no use to kind filter without"),
        ([{**PRE, "kind": "grp"}], "stage[0].kind: got 'grp'; allowed: 'pretrain', 'midtrain'"),
        ([{**PRE, "pairs": 5, "kind": "reward"}], "give tokens or pairs, not both"),
        (
            [{**PRE, "schedule": [{"tokens": "1B"}, {"tokens": "2B"}]}],
            "schedule: its parts have 3e+09 tokens; allowed: as many as the stage's, 1T",
        ),
        ([{**RL, "price_per_token_read": 1}], "give price_per_token beside"),
        ([{**PRE, "kind": "distill"}], "teacher: is missing"),
        ([{**PRE, "final_share": 0.2}], "final_share: is of a whole run, not of a stage"),
    ],
)
def test_a_mistake_names_field_value_and_what_is_allowed(stages: list[Data], told: str) -> None:
    assert told in refusal(*stages)


def test_an_unknown_key_above_the_stages_is_refused() -> None:
    assert "tokns is not a known key; allowed: name, base, stage" in refusal(PRE, tokns=5)
    assert "begins is not a known key" in refusal(PRE, begins="a")


def test_what_stands_above_holds_where_a_stage_says_nothing_else() -> None:
    run = staged(
        {"tokens": "1T", "count": 64},
        {"kind": "sft", "from": "pretrain", "tokens": "1B", "price": 3, "params": "7B"},
        {**RL, "from": "sft", "params": "7B"},
        model="m.json", price="1..2", mfu="0.3..0.4", layout={"tp": 2}, global_batch=64,
        sequence_length=4096,
    )  # fmt: skip
    pretrained, tuned, reinforced = run.stage
    assert pretrained.price is not None
    assert pretrained.price.shared == "all stages: price"
    assert pretrained.mfu == tuned.mfu == reinforced.mfu
    assert tuned.price is not None
    assert tuned.price.value == 3
    # Its own size puts the model aside, and with it what needs one.
    assert (tuned.model, tuned.layout) == (None, None)
    assert pretrained.layout is not None
    assert pretrained.label == "pretrain"


def test_a_stage_is_as_large_as_what_it_begins_from() -> None:
    run = staged(
        {**PRE, "params_active": "1B"},
        {"kind": "sft", "tokens": "1B", "from": "pre"},
        {"kind": "reward", "params": "2B", "tokens": "1B"},
        {"kind": "sft", "name": "other", "tokens": "1B", "from": "open"},
        base=[{"name": "open", "params": "30B"}], params="9B",
    )  # fmt: skip
    sizes = [each.params.value if each.params else None for each in run.stage]
    assert sizes == [7e9, 7e9, 2e9, 30e9]
    assert run.stage[1].params_active is not None
    assert run.stage[3].params_active is None


def test_lineage_is_all_that_went_into_a_stage_nearest_first() -> None:
    run = staged(
        PRE,
        {"kind": "midtrain", "name": "m1", "from": "pre", "tokens": "1B"},
        {"kind": "midtrain", "name": "m2", "from": "pre", "tokens": "1B"},
        {"kind": "sft", "from": ["m1", "m2"], "params": "7B", "tokens": "1B"},
        {"kind": "distill", "from": "open", "teacher": "sft", "tokens": "1B"},
        base=[{"name": "open", "params": "1B", "flop": 1e22}],
    )  # fmt: skip
    assert run.ancestors("sft") == ("m1", "m2", "pre")
    assert run.ancestors("distill") == ("open",)
    assert run.stage[4].rests_on == ("open", "sft")


def test_flags_go_before_a_file_in_every_stage_that_has_a_use_for_them(tmp_path: Path) -> None:
    (tmp_path / "lengths.csv").write_text("tokens\n100\n900\n")
    file = tmp_path / "run.toml"
    file.write_text(
        'params = "7B"\nprice = 1\n[[stage]]\ntokens = "1T"\nmfu = 0.4\nprice = 2\n'
        '[[stage]]\nkind = "evaluate"\nrequests = 5\nanswer_length = "lengths.csv"\n'
    )
    run = staged_run(file, {"price": "3", "mfu": "0.5"})
    assert [each.price.value for each in run.stage if each.price] == [3, 3]
    assert run.stage[0].mfu is not None
    assert run.stage[0].mfu.value == 0.5
    assert run.stage[1].mfu is None
    assert run.stage[1].answer_length == str(tmp_path / "lengths.csv")
    with pytest.raises(RequestError, match=r"^--answer-length|answer_length"):
        staged_run(None, {"kind": "rl", "steps": "5", "prompts": "5", "samples_per_prompt": "5"})


def test_one_stage_is_described_flat() -> None:
    flags = {"kind": "dpo", "params": "8B", "pairs": "200K", "answer_length": "700"}
    run = staged_run(None, {**flags, "name": "tuned"}, {})
    assert run.name == run.stage[0].label == "tuned"
    assert run.stage[0].kind == "preference"
    apart = {**{key: str(value) for key, value in RL.items()}, "generators": "16"}
    generation = staged_run(None, apart).stage[0].generation
    assert generation is not None
    assert generation.count.value == 16


def test_a_run_of_totals_is_none_of_stages() -> None:
    assert not is_staged(RunFields.model_fields)
    assert is_staged(["params", "stage"])
    assert is_staged(["params", "kind"])
    assert is_staged(["params", "price_per_token"])
