"""A known configuration, changed: counted as transformers' modules, or refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from minutes import takes_minutes
from mutated import ADDED, changes, modules_total, mutated, small, types_of

import computebill as cb
from computebill.architectures.entries import family_name
from computebill.architectures.plain import plain_parameters

TABLES = ("CAUSAL_LM", "MASKED_LM", "SEQ_TO_SEQ_CAUSAL_LM")
MULTIMODAL = {"gemma3", "gemma3n", "gemma4", "llama4", "qwen3_5", "qwen3_5_moe"}
"""Whose files hold more than a language model, which an entry alone does not count."""

OTHERWISE = {"longcat_flash"}
"""Whose modules hold what no checkpoint does; their notes say so."""

PAIRS = {"bart", "mbart", "plbart", "whisper"}
"""Counted with their encoder, though the table of causal models has their decoders too."""


def known(table: str) -> dict[str, dict[str, Any]]:
    """Return small configurations of the types of a table that an entry counts."""
    found = {}
    for name in types_of(table):
        skipped = name in MULTIMODAL | OTHERWISE or (name in PAIRS and table != TABLES[-1])
        config = small(name) if family_name(name) and not skipped else None
        if config is not None:
            found[name] = config
    return found


KNOWN = {table: known(table) for table in TABLES}


def ours(config: dict[str, Any]) -> int | None:
    """Return our count; None where it is refused."""
    try:
        return int(plain_parameters(cb.read_architecture(config)).total)
    except cb.RequestError:
        return None


def agrees(config: dict[str, Any], table: str) -> None:
    found = ours(config)
    if found is not None:
        expected = modules_total(config, table)
        assert expected in (None, found), config["model_type"]


def test_most_causal_types_are_known() -> None:
    # Of 196 in transformers 5.24; other releases have others.
    assert len(KNOWN["CAUSAL_LM"]) > len(types_of("CAUSAL_LM")) // 2


@pytest.mark.parametrize("table", TABLES)
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_changed_configuration_is_counted_exactly_or_refused(
    table: str, data: st.DataObject
) -> None:
    agrees(data.draw(mutated(KNOWN[table])), table)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_field_that_a_type_does_not_have_is_refused_or_told(data: st.DataObject) -> None:
    known = KNOWN["CAUSAL_LM"]
    config = known[data.draw(st.sampled_from(sorted(known)))]
    field = data.draw(st.sampled_from(sorted(ADDED.keys() - config.keys())))
    plain = ours(config)
    assume(plain is not None)
    try:
        found = cb.read_architecture({**config, field: ADDED[field]})
    except cb.RequestError as error:
        assert field in str(error)  # noqa: PT017 -- either way is right
        return
    is_read = plain_parameters(found).total != plain
    assert is_read or field in " ".join(found.notes)


@pytest.mark.slow
@takes_minutes("builds a few thousand models")
@pytest.mark.parametrize(("table", "name"), [(t, name) for t in TABLES for name in KNOWN[t]])
def test_every_field_by_itself(table: str, name: str) -> None:
    config = KNOWN[table][name]
    agrees(config, table)
    for key, value in changes(config):
        agrees({**config, key: value}, table)
