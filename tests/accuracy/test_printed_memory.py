"""What the printed memory of a row is."""

from __future__ import annotations

import pytest

from computebill.accuracy.cells import UnusableError
from computebill.accuracy.printed_memory import PrintedMemory, printed_memory


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, None),
        ({"mem_gb": "10"}, PrintedMemory(10 * 2**30, "shown", is_first=False)),
        # The shipped sources' facts: nvidia-smi in thousands of MiB; max_memory_allocated.
        (
            {"mem_gb": "10", "source_id": "bloom_prequel"},
            PrintedMemory(10_000 * 2**20, "shown", is_first=True),
        ),
        (
            {"mem_gb": "10", "source_id": "simumax_b200"},
            PrintedMemory(10 * 2**30, "allocated", is_first=False),
        ),
        # A row's own word goes before its source's.
        (
            {"mem_gb": "10", "source_id": "simumax_b200", "mem_of": "reserved", "mem_unit": "GB"},
            PrintedMemory(10e9, "reserved", is_first=False),
        ),
    ],
)
def test_a_row_s_figure_in_bytes(cells: dict[str, str], expected: PrintedMemory | None) -> None:
    assert printed_memory(cells) == expected


@pytest.mark.parametrize(
    ("name", "value"), [("mem_of", "smi"), ("mem_unit", "MB"), ("mem_stage", "last")]
)
def test_what_a_cell_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(UnusableError, match=rf"{name}: got '{value}'; allowed: "):
        printed_memory({"mem_gb": "10", name: value})
