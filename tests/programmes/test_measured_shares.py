from __future__ import annotations

import pytest

from computebill.programmes.measured_shares import shares_elsewhere


def test_every_share_has_its_basis_and_source() -> None:
    rows = shares_elsewhere()
    assert len({row.programme for row in rows}) == len(rows) >= 6
    for row in rows:
        assert 0 < row.final_share < 1
        assert row.basis
        assert row.source.startswith("https://")


@pytest.mark.parametrize(
    ("programme", "share"),
    [
        ("Ai2 OLMo, OLMo 2, OLMoE", 913 / (913 + 459)),  # MWh, final over all
        ("Hugging Face SmolLM3", 276_480 / 437_760),  # GPU-hours
        ("GPT-3", 12 / 49),  # million USD
        ("OPT-175B", 1.7 / 6),
    ],
)
def test_shares_follow_from_what_was_measured(programme: str, share: float) -> None:
    found = {row.programme: row.final_share for row in shares_elsewhere()}
    assert found[programme] == pytest.approx(share, abs=0.006)


def test_olmo_3_spent_most_on_development() -> None:
    found = {row.programme: row.final_share for row in shares_elsewhere()}
    assert found["Ai2 Olmo 3"] == pytest.approx(1 - 6.85 / 8.34, abs=0.002)
