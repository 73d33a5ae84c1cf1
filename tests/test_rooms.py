"""Rooms stand on floors, no two import each other, and every module has its tests."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import rooms

MOST_ROOMS, MOST_FLOORS, MOST_ARROWS = 23, 13, 120
"""Figures of today: a change may lower them, and says why where it raises one."""
FEW = 3
"""Modules of a package that needs no order of its own."""

GRAPH = rooms.module_graph()
ROOMS = sorted(rooms.room_graph(GRAPH))


def contracts() -> dict[str, list[str]]:
    """Layers by the package whose contract they are."""
    told = tomllib.loads((rooms.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    each: dict[str, Any]
    return {
        container.removeprefix("computebill").strip("."): each["layers"]
        for each in told["tool"]["importlinter"]["contracts"]
        if each["type"] == "layers"
        for container in each["containers"]
    }


def test_rooms_stand_on_few_floors_with_few_arrows() -> None:
    graph = rooms.room_graph(GRAPH)
    assert len(graph) <= MOST_ROOMS
    assert len(rooms.floors(graph)) <= MOST_FLOORS  # a circle is an error of its own
    assert sum(map(len, graph.values())) <= MOST_ARROWS


@pytest.mark.parametrize("room", ROOMS)
def test_modules_of_a_room_import_in_no_circle(room: str) -> None:
    inside = rooms.inside(room, GRAPH)
    assert sum(map(len, rooms.floors(inside)), 0) == len(inside)


@pytest.mark.parametrize("room", [each for each in ROOMS if len(rooms.inside(each, GRAPH)) > FEW])
def test_a_contract_has_each_module_of_its_room(room: str) -> None:
    layers = contracts()[room]
    named = [name.strip() for layer in layers for name in layer.split("|")]
    assert sorted(named) == sorted(rooms.inside(room, GRAPH))
