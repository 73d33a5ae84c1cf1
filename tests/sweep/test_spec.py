from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from computebill import RequestError
from computebill.sweep import load_sweep
from computebill.sweep.spec import sweep_spec

GROUP: dict[str, Any] = {
    "name": "ladder",
    "params": "1B",
    "tokens": "20B",
    "accelerator": "h100",
    "count": 8,
}


def loaded(group: dict[str, Any] | None = None, **fields: Any) -> Any:
    changed = {name: value for name, value in {**GROUP, **(group or {})}.items() if value != ""}
    return load_sweep({"groups": [changed], **fields})


@pytest.mark.parametrize(
    ("group", "problem"),
    [
        ({"learning_rat": 1}, "groups[0]: learning_rat: is no field of an experiment; nearest"),
        ({"grid": {"sede": [1]}}, "groups[0]: grid.sede: is no field of an experiment; nearest"),
        ({"grid": {"tokens": []}}, "grid.tokens: got 0 values; allowed: 1 to"),
        ({"grid": {"tokens": ["20B", -1]}}, "grid.tokens: got -1; allowed: above 0"),
        ({"grid": {"count": [8, 7.5]}}, "grid.count: got 7.5; allowed: a whole number"),
        ({"grid": {"tokens": {"from": 1, "to": 2}}}, "grid.tokens: got the keys from, to"),
        ({"grid": {"tokens": {"from": "2B", "to": "1B", "count": 3}}}, "allowed: rising"),
        ({"grid": {"seed": 3}}, "grid.seed: got 3; allowed: a list"),
        ({"params": ""}, "give a size: params, width and depth, model or ladder"),
        ({"tokens": ""}, "a pretrain needs tokens or tokens_per_param or flop"),
        ({"width": 512}, "give width and depth together"),
        ({"ladder": "pythia"}, "give one size, not ladder, params"),
        ({"tokens_per_param": 20}, "give one of tokens, tokens_per_param, flop"),
        ({"within_hours": 3}, "give count or within_hours, not both"),
        ({"kind": "rl"}, "a rl needs steps"),
        ({"kind": "dance"}, "groups[0].kind"),
        ({"mfu": 1.2}, "groups[0].mfu: got 1.2"),
        ({"idle": 1}, "groups[0].idle"),
        ({"gpu_hours": 5, "mfu": 0.4}, "give gpu_hours, or mfu and throughput, not both"),
        ({"failures": {"rate": 1.2}}, "groups[0].failures.rate"),
        ({"failures": {"rate": 0.2, "restarted": 2}}, "groups[0].failures.restarted"),
        ({"stop": {}}, "give one of fraction, halving, killed"),
        ({"stop": {"fraction": 1.5}}, "groups[0].stop.fraction"),
        ({"stop": {"halving": {"eta": 3}}}, "give rungs or brackets"),
        ({"stop": {"halving": {"eta": 1, "rungs": 2}}}, "groups[0].stop.halving.eta"),
        (
            {"stop": {"killed": [{"at": 0.5, "share": 0.1}, {"at": 0.2, "share": 0.1}]}},
            "above that of the one before",
        ),
        ({"stop": {"killed": [{"at": 0.5, "share": 1.1}]}}, "groups[0].stop.killed[0].share"),
        ({"samples": {"count": 5, "fields": {}}}, "groups[0].samples.fields"),
        ({"samples": {"count": 5, "fields": {"count": [8, 16]}}}, "is listed, never drawn"),
        ({"samples": {"count": 5, "fields": {"x": [8]}}}, "x: is no field of an experiment"),
        (
            {"samples": {"count": 5, "fields": {"tokens": ["1B"]}}, "grid": {"tokens": ["1B"]}},
            "tokens: is given by two of grid, experiments and samples",
        ),
        ({"experiments": [{"tokens": 0}]}, "experiments[0].tokens: got 0; allowed: above 0"),
        ({"teacher_params": "70B"}, "teacher_params: is of no use to pretrain; allowed: count"),
        ({"throughput": 5}, "throughput: is of no use to pretrain"),
        ({"smallest": 5}, "give largest and smallest with a ladder"),
        ({"vocabulary": 5}, "give vocabulary with width and depth"),
        ({"neutral": ["params"]}, "neutral: got params, which changes the cost"),
        (
            {"grid": {"learning_rate": {"from": 1, "to": 2, "count": "x"}}},
            "learning_rate.count: got",
        ),
        ({"source": "nowhere"}, "groups[0].source: got 'nowhere'; allowed: a key of [sources]"),
    ],
)
def test_groups_that_cannot_be(group: dict[str, Any], problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        loaded(group)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"cluster": {}}, "give gpus or days"),
        ({"cluster": {"gpus": 8, "days": 2}}, "give gpus or days"),
        ({"price": 2, "provider": "aws"}, "give price, or provider and commitment"),
        ({"price": -2}, "price: got -2; allowed: above 0"),
        ({"defaults": 3}, "defaults: got 3; allowed: a table"),
        ({"cost": 3}, "cost is not a known key"),
        ({"published": [{"quantity": "flop", "value": 1, "source": "s"}]}, "no such source"),
        ({"published": [{"quantity": "fame", "value": 1, "source": "s"}]}, "published[0].quantity"),
    ],
)
def test_sweeps_that_cannot_be(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        loaded(**fields)
    assert problem in str(caught.value)


def test_two_groups_have_two_names() -> None:
    with pytest.raises(RequestError, match="the name 'ladder' is given twice"):
        load_sweep({"groups": [GROUP, GROUP]})


def test_defaults_fill_what_a_group_does_not_give_in_any_way() -> None:
    defaults = {"accelerator": "a100", "count": 64, "params": "3B", "tokens": "5B", "mfu": 0.3}
    found = load_sweep(
        {
            "defaults": defaults,
            "groups": [
                {"name": "usual"},
                {"name": "sized", "grid": {"width": [512], "depth": [8]}},
                {"name": "timed", "within_hours": 5, "grid": {"tokens_per_param": [20, 30]}},
                {"name": "by hours", "gpu_hours": 5},
                {"name": "active", "params_active": "1B"},
            ],
        }
    )  # fmt: skip
    usual, sized, timed, hours, active = (set(group.fields) for group in found.groups)
    assert usual == {"accelerator", "count", "params", "tokens"}
    assert sized == {"accelerator", "count", "tokens"}
    assert timed == {"accelerator", "params", "within_hours"}
    assert hours == {"accelerator"}
    assert active == {"accelerator", "count", "tokens", "params_active"}
    assert [group.mfu is None for group in found.groups] == [False, False, False, True, False]


def test_flags_go_before_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'price = 2\n[cluster]\ndays = 3\n[[groups]]\nname = "one"\nparams = "1B"\n'
        'tokens = "5B"\naccelerator = "h100"\n'
    )
    found = sweep_spec(file, {"provider": "aws", "gpus": "512"})
    assert found.price is None
    assert found.provider == "aws"
    assert found.cluster is not None
    assert (found.cluster.gpus, found.cluster.days) == (512, None)
    with pytest.raises(RequestError) as caught:
        sweep_spec(file, {"gpus": "many"})
    assert "--gpus" in str(caught.value)


def test_what_is_no_sweep_is_told_with_those_that_ship() -> None:
    with pytest.raises(RequestError, match=r"allowed: .*smollm3.*, or a TOML file"):
        load_sweep("nothing-of-the-kind")
    with pytest.raises(RequestError, match=r"missing\.toml: cannot be read"):
        load_sweep("missing.toml")
