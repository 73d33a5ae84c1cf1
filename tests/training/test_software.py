"""Generations of training software, by a framework's name and a year."""

from __future__ import annotations

import pytest

from computebill.base.errors import RequestError
from computebill.training.software import LACKS, SOFTWARE, read_software, software_generation


@pytest.mark.parametrize(
    ("framework", "year", "software"),
    [
        ("megatron-deepspeed", 2022, "early"),
        ("transformers-deepspeed", 2024, "scripts"),
        ("megatron", 2021, "megatron"),
        ("megatron-core", 2024, "fused"),
        ("nemo", 2025, "modern"),
        ("composer-fsdp", 2024, "eager"),
        ("maxtext", 2024, "compiled"),
        ("", 2020, "eager"),
        ("", None, "modern"),
        ("something", 2026, "modern"),
        ("megatron-bridge", 2026 + 5 / 12, "graphed"),
    ],
)
def test_generations_of_software(framework: str, year: float | None, software: str) -> None:
    assert software_generation(framework, year) == software


def test_generations_are_read_by_name() -> None:
    assert [read_software(name) for name in SOFTWARE] == list(SOFTWARE)
    with pytest.raises(RequestError, match="got 'Modern'; allowed: early, megatron"):
        read_software("Modern")
    assert set(LACKS) <= set(SOFTWARE)
