from __future__ import annotations

import datetime as dt
import shlex
from importlib.metadata import version

from computebill.base.provenance import provenance


def test_a_command_can_be_pasted_into_a_shell() -> None:
    arguments = ["run", "my lab.toml", "--name", "it's", "--price", "1.5..3"]
    told = provenance({}, arguments)
    assert shlex.split(told["command"]) == ["computebill", *arguments]
    assert told["torch"] == version("torch")
    assert dt.date.today() - dt.date.fromisoformat(told["date"]) <= dt.timedelta(days=1)


def test_draws_are_told_of_the_result_or_of_its_first_programme() -> None:
    drawn = {"samples": 64, "seed": 3, "method": "sobol", "device": "cpu"}
    assert provenance(drawn, []).items() >= drawn.items()
    assert provenance({"programmes": [drawn, {"samples": 1}]}, []).items() >= drawn.items()


def test_a_device_that_was_measured_is_no_setting() -> None:
    assert "device" not in provenance({"device": {"name": "Some GPU"}}, [])
    assert not {"samples", "seed"} & set(provenance({"rows_in": 3}, []))
