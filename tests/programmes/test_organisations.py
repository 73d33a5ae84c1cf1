"""Every organisation that ships, against what it measured or what others worked out by hand."""

from __future__ import annotations

import re

import pytest

from computebill.programmes.comparison import compare_totals
from computebill.programmes.loading import load_programme, shipped_programmes
from computebill.programmes.periods import parse_period
from computebill.programmes.spec import Programme

MEASURED = [
    ("ai2-olmo-3", "as-stated", 1_485_329 / 8_340_000),
    ("ai2-olmo-3", "energy", 1.947 / 12.3),
    ("ai2-olmo-2", "as-stated", 913 / 1372),
    ("hf-smollm3", "as-stated", 276_480 / 437_760),
    ("hf-finephrase", "as-stated", 14_700 / 125_700),
    ("hf-finephrase", "inside", 14_700 / 111_000),
    ("bigscience-bloom", "as-stated", 1_082_990 / 3_460_000),
    ("bigscience-bloom", "emissions", 24.69 / 66.29),
    ("bigscience-bloom", "a100-equivalents", 1.08299 / (1.2510688 + 0.4 * 2.06774302)),
    ("meta-llama-1", "as-stated", (36 + 59 + 233 + 449) / 2638),
    ("meta-llama-1", "hours", 1_768_394 / 7_400_000),
    ("meta-opt", "as-stated", 0.5),
]
"""Of hours, energy and emissions that the organisations themselves published."""

BY_HAND = [
    ("minimax-2024", "as-stated", 6.4, 13.7, 29.1),
    ("minimax-2024", "without-abab6.5", 4.0, 8.3, 17.0),
    ("minimax-fy2025", "as-stated", 7.6, 16.9, 37.2),
    ("minimax-fy2025", "without-video", 4.0, 7.2, 13.0),
    ("minimax-2026-h1", "as-stated", 6.0, 11.9, 24.0),
    ("minimax-2026-h1", "m3-in-bf16", 10.2, 20.3, 40.1),
    ("minimax-2026-h1", "with-h3", 11.4, 26.8, 60.3),
    ("zai-2022", "as-stated", 37, 61, 102),
    ("zai-2023", "as-stated", 0.7, 1.5, 3.0),
    ("zai-2024", "as-stated", 0.7, 1.4, 2.8),
    ("zai-2024", "glm-4-plus-imputed", 22, 45, 90),
    ("zai-fy2025", "as-stated", 9.6, 18.1, 34.7),
    ("zai-fy2025", "without-glm-5", 6.3, 11.8, 21.9),
    ("zai-2026-h1", "as-stated", 2.6, 5.9, 13.7),
    ("zai-2026-h1", "new-pretraining", 8.2, 15.5, 29.1),
    ("openai-2022", "as-stated", 13, 18, 24),
    ("openai-2025", "as-stated", 0.4, 1.6, 8.5),
    ("openai-2025", "paid-to-microsoft", 0.3, 1.3, 6.6),
    ("anthropic-2023", "as-stated", 16, 21, 29),
    ("anthropic-2024", "as-stated", 4.4, 7.9, 14.3),
    ("xai-2025", "as-stated", 13, 13.5, 14),
    ("deepseek-2024", "as-stated", 0.9, 1.0, 1.1),
    ("arcee-trinity", "as-stated", 22, 29, 36),
]
"""Percent, 5th, 50th, 95th: a plain Monte Carlo of another hand over the same public figures."""


@pytest.mark.parametrize(("name", "variant", "share"), MEASURED)
def test_measured_shares_are_exact(name: str, variant: str, share: float) -> None:
    found = compare_totals(name, variant=variant, samples=1024).totals.final_share
    # The median of draws of one number is that number; of OPT's, the interval is our reading.
    assert found.p50 == pytest.approx(share, rel=2e-3)
    if name != "meta-opt":
        assert found.p5 == found.p95


@pytest.mark.parametrize(("name", "variant", "low", "middle", "high"), BY_HAND)
def test_shares_by_hand_lie_in_the_interval(
    name: str, variant: str, low: float, middle: float, high: float
) -> None:
    found = compare_totals(name, variant=variant, samples=8192).totals.final_share
    assert found.p5 < middle / 100 < found.p95
    assert low / 100 < found.p50 < high / 100
    assert found.p50 == pytest.approx(middle / 100, rel=0.2)


@pytest.fixture(scope="module")
def shipped() -> dict[str, Programme]:
    return {name: load_programme(name).programme for name in shipped_programmes()}


def test_every_figure_has_its_mark_and_source(shipped: dict[str, Programme]) -> None:
    for name, programme in shipped.items():
        for item in programme.reported:
            assert item.mark != "unmarked" or not item.is_base, (name, item.item)
        for run in programme.runs:
            assert (run.mark == "unmarked") == (run.unsized is not None), (name, run.name)
        for source in programme.sources.values():
            own = source.title.startswith("Judgement of this project")
            assert own or (source.address or "").startswith("https://"), (name, source.title)


def test_names_tell_the_organisation_and_the_window(shipped: dict[str, Programme]) -> None:
    owners: dict[str, set[str]] = {}
    for name, programme in shipped.items():
        owners.setdefault(name.partition("-")[0], set()).add(programme.organisation)
    assert all(len(each) == 1 for each in owners.values()), owners
    assert len({programme.title for programme in shipped.values()}) == len(shipped)


WINDOWS = {
    "minimax-2025": "Q4 2024 – Q3 2025",
    "minimax-2026-h1": "H1 2026",
    "mistral-2024": "to June 2024",
    "zai-2025": "H2 2024 – H1 2025",
    "zai-2026-h1": "H1 2026",
}
"""What titles tell of windows that are no calendar year; the published names are older."""


def test_no_title_reads_as_the_name_of_another_window(shipped: dict[str, Programme]) -> None:
    years = re.compile(r"(fy)?(20\d\d)(-h1)?")
    named = {name: years.fullmatch(name.partition("-")[2]) for name in shipped}
    assert sum(found is not None for found in named.values()) >= 20
    for name, found in named.items():
        if found is None:
            continue
        programme = shipped[name]
        told = WINDOWS.get(name, f"full year {found[2]}" if found[1] else found[2])
        assert programme.title == f"{programme.organisation}, {told}"
        if name not in WINDOWS:
            assert programme.window.months == parse_period(found[2])
