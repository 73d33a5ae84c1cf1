from __future__ import annotations

from pathlib import Path

import computebill as cb
from computebill.statements.form import NO_FIELD, documentation_form, filled_form, form_dict

EXAMPLE = Path(__file__).parents[2] / "examples" / "statement.toml"


def test_the_form_is_filled_as_far_as_a_statement_goes() -> None:
    found = {each.title: each.value for each in filled_form(cb.state(EXAMPLE))}
    assert found["Model name"] == "SmolLM3-3B"
    assert found["Models that it is a modification of"] == "N/A"
    assert found["Training time, as a range"] == "less than 1 month"
    assert found["Training time, wall clock days (at least one significant figure)"] == "24 days"
    assert found["Amount of computation used for training, order of magnitude"] == "10^23 FLOP"
    flop = "Amount of computation used for training (at least two significant figures)"
    assert found[flop] == "2.1e23 FLOP"
    size = "Total model size (at least two significant figures)"
    assert found[size] == "3.1e9 parameters"
    assert found["Benchmarked amount of computation used for inference"] == NO_FIELD


def test_fields_have_a_source_and_how_it_was_read() -> None:
    form = documentation_form()
    assert form.read == "secondary"
    assert form.how_read
    assert (form.source.address or "").startswith("https://")
    found = form_dict(cb.state({"model": {"name": "m"}, "stage": [{"flop": 1e24}]}))
    told = {each["title"]: each["value"] for each in found["fields"]}
    assert told["Training time, as a range"] == NO_FIELD
    assert len(told) == len(form.field)
