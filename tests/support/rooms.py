"""The rooms of the package, one a folder, and the imports between them and within each.

As a command, ``python tests/support/rooms.py`` prints rooms, floors, arrows and circles.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOPS = {"estimator": "", "kernels": "kernels", "hardware_profiles": "hardware_profiles"}
"""Folders at the top of the tree, and what each is called under ``computebill``."""

Graph = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Files by the module each is, without the package's own name; a folder by its own."""
    found = {}
    for top, name in TOPS.items():
        for file in sorted((ROOT / top).rglob("*.py")):
            parts = [name, *file.relative_to(ROOT / top).with_suffix("").parts]
            found[".".join(part for part in parts if part and part != "__init__")] = file
    return found


def imports(module: str, file: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Modules of ours that a file imports, at its top, in functions and for types alike."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *filter(None, [node.module])]).strip(".")
        elif (node.module or "").split(".")[0] == "computebill":
            base = (node.module or "").removeprefix("computebill").strip(".")
        else:
            continue
        for name in node.names:
            inner = f"{base}.{name.name}".strip(".")
            yield inner if inner in known else base


def module_graph() -> Graph:
    """Modules, and the modules that each imports."""
    known = modules()
    return {
        module: {each for each in imports(module, file, known) if each not in ("", module)}
        for module, file in known.items()
        if module
    }


def room_of(module: str) -> str:
    """Folder that a module stands in, ``views`` and ``views.report`` being two."""
    return module if modules()[module].name == "__init__.py" else module.rpartition(".")[0]


def room_graph(graph: Graph | None = None) -> Graph:
    """Rooms, and the rooms that each imports from."""
    places = {module: room_of(module) for module in (graph or module_graph())}
    rooms: Graph = {room: set() for room in places.values()}
    for module, others in (graph or module_graph()).items():
        rooms[places[module]] |= {places[other] for other in others} - {places[module]}
    return rooms


def inside(room: str, graph: Graph) -> Graph:
    """Modules of a room by their last name, and those of the same room that each imports."""
    held = {module for module in graph if module != room and module.rpartition(".")[0] == room}
    return {
        module.rpartition(".")[2]: {other.rpartition(".")[2] for other in graph[module] & held}
        for module in held
    }


def floors(graph: Graph) -> list[list[str]]:
    """Names by floor, lowest first: each stands just above the highest that it imports.

    Raises:
        CycleError: where there is no such order.
    """
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found.append(ready)
        sorter.done(*ready)
    return found


def main() -> None:
    """Print the figures."""
    graph = module_graph()
    rooms = room_graph(graph)
    try:
        storeys = floors(rooms)
    except CycleError as circle:
        print("circle:", circle.args[1])
        return
    print(f"rooms {len(rooms)}, floors {len(storeys)}, arrows {sum(map(len, rooms.values()))}")
    for floor, names in reversed(list(enumerate(storeys, 1))):
        print(f"{floor:3} {' '.join(names)}")
    for room in sorted(rooms):
        within = inside(room, graph)
        if len(within) > 1:
            arrows = sum(map(len, within.values()))
            print(f"{room}: {len(within)} files, {arrows} arrows")
            for names in reversed(floors(within)):
                print("     ", " ".join(names))


if __name__ == "__main__":
    main()
