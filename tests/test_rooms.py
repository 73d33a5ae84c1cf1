"""Rooms stand on floors, no two import each other, and every module has its tests."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
import rooms

MOST_ROOMS, MOST_FLOORS, MOST_ARROWS = 31, 13, 177
"""Figures of today: a change may lower them, and says why where it raises one.

Counting from a library's modules is a room of its own, on architectures and base: two arrows.
Sentences are a room and a floor of their own, above tables and below charts, whose points have the
same words: a terminal tells them without a library of charts.
Launch files are a room on base: training makes layouts of them, commands and views tell them.
The ledger is one, on six rooms below it; batches, the streaming of files that it and catalogues
have in common, another.
Logs are a room on base, which utilisation, measured rows, runs and commands read.
A watch on a run is one, on eight below it, and nothing stands on it; programmes read price lists,
an arrow to costs.
Public rules are a room that catalogues and statements stand on, statements one beside programmes.
"""
FEW = 3
"""Modules of a package that needs no order of its own."""

TESTED_BY = {
    "architectures.attending": "architectures/test_counting.py",
    "architectures.beside": "architectures/test_sources.py",
    "architectures.blocks": "architectures/test_counting.py",
    "architectures.columns": "kernels/test_memory.py",
    "architectures.counts": "architectures/test_plain.py",
    "architectures.encoders": "architectures/test_mutated.py",
    "architectures.entries": "architectures/test_config.py",
    "architectures.gemmas": "architectures/test_mutated.py",
    "architectures.gguf": "architectures/test_weights.py",
    "architectures.mixers": "architectures/test_mutated.py",
    **{
        f"architectures.modules.{name}": "architectures/modules/test_architecture.py"
        for name in ("attention", "inputs", "measured", "recurrence", "walk")
    },
    **{
        f"architectures.{name}": "architectures/modules/test_diffusion.py"
        for name in ("modules.latents", "modules.samples", "pipelines", "sample")
    },
    "architectures.modules.stacks": "architectures/modules/test_trace.py",
    "architectures.operators": "kernels/test_operators.py",
    "architectures.other_shapes": "architectures/test_counting.py",
    "architectures.particulars": "architectures/test_counting.py",
    "architectures.recipes": "architectures/test_flop_counter.py",
    "architectures.recurrences": "architectures/test_counting.py",
    "architectures.seq2seq": "architectures/test_mutated.py",
    "architectures.sparse": "architectures/test_mutated.py",
    "architectures.tensors": "architectures/test_weights.py",
    "architectures.unknown": "architectures/test_config.py",
    "base.assumptions": "views/report/test_reports.py",
    "batches.cluster": "catalogue/test_cluster.py",
    "batches.columns": "catalogue/test_cells.py",
    "batches.documents": "ledger/test_trackers.py",
    "batches.pieces": "catalogue/test_files.py",
    "batches.reading": "catalogue/test_files.py",
    "batches.working": "catalogue/test_files.py",
    "batches.writing": "catalogue/test_files.py",
    "benchmark.check": "benchmark/test_profile.py",
    "benchmark.models": "benchmark/test_profile.py",
    "benchmark.result": "benchmark/test_bench.py",
    "benchmark.suite": "benchmark/test_bench.py",
    "catalogue.assumptions": "catalogue/test_score.py",
    "catalogue.batch": "catalogue/test_score.py",
    "catalogue.derive": "catalogue/test_score.py",
    "catalogue.rows": "catalogue/test_score.py",
    "catalogue.tasks": "catalogue/test_files.py",
    "cli.bench": "benchmark/test_bench.py",
    "cli.layouts": "cli/test_model.py",
    "cli.options": "cli/test_main.py",
    "cli.outputs": "cli/test_main.py",
    "cli.ledger": "ledger/test_account.py",
    "cli.ledger_files": "ledger/test_programme.py",
    "cli.ledger_init": "ledger/test_rules.py",
    "cli.score": "catalogue/test_score.py",
    "cli.serve": "serve/test_command.py",
    "costs.hour": "runs/test_estimate.py",
    "hardware.figures": "hardware/test_accelerators.py",
    "kernels.constants": "test_site.py",
    "kernels.stage_times": "training/test_dealing.py",
    "kernels.measure.ranks": "kernels/measure/test_collectives.py",
    "launch.applied": "launch/test_read.py",
    "launch.arguments": "launch/test_read.py",
    "launch.entries": "launch/test_documents.py",
    **{
        f"launch.{name}": "launch/test_script.py"
        for name in ("expansion", "grammar", "marks", "words")
    },
    "launch.interpolation": "launch/test_documents.py",
    "launch.maps": "launch/test_read.py",
    "launch.printed": "launch/test_read.py",
    "launch.record": "launch/test_read.py",
    "launch.sources": "launch/test_read.py",
    "launch.values": "launch/test_read.py",
    "launch.writing": "training/test_handover.py",
    "ledger.billed": "ledger/test_tables.py",
    "ledger.commitments": "ledger/test_bills.py",
    "ledger.draft": "ledger/test_account.py",
    "ledger.experiments": "ledger/test_programme.py",
    "ledger.formats": "ledger/test_tables.py",
    "ledger.gather": "ledger/test_account.py",
    "ledger.groups": "ledger/test_rules.py",
    "ledger.joining": "ledger/test_trackers.py",
    "ledger.naming": "ledger/test_trackers.py",
    "ledger.nested": "ledger/test_trackers.py",
    "ledger.normalise": "ledger/test_account.py",
    "ledger.plan": "ledger/test_account.py",
    "ledger.pricing": "ledger/test_account.py",
    "ledger.result": "ledger/test_account.py",
    "ledger.rows": "ledger/test_account.py",
    "ledger.stages": "ledger/test_programme.py",
    "ledger.steps": "ledger/test_programme.py",
    "ledger.telling": "ledger/test_programme.py",
    "ledger.twice": "ledger/test_account.py",
    "logs.files": "logs/test_reader.py",
    "logs.kinds": "logs/test_reader.py",
    "logs.parts": "logs/test_timeline.py",
    "logs.record": "logs/test_reader.py",
    "logs.steps": "logs/test_timeline.py",
    "models.count": "architectures/test_plain.py",
    "views.answers.stages": "views/report/test_stages.py",
    "views.launch": "cli/test_launches.py",
    **{f"views.{name}logs": "cli/test_logs.py" for name in ("", "answers.", "charts.", "report.")},
    "cli.measured": "cli/test_logs.py",
    "training.choices": "planning/test_search.py",
    "planning.kept": "planning/test_search.py",
    "planning.pricing": "planning/test_search.py",
    "planning.result": "planning/test_search.py",
    "planning.compared_spec": "planning/test_compared.py",
    "planning.fields": "planning/test_spec.py",
    "planning.rollout_result": "planning/test_rollouts.py",
    "planning.rollout_spec": "planning/test_rollouts.py",
    "costs.spot_rates": "planning/test_compared.py",
    "runs.staged_spec": "runs/test_stage_spec.py",
    **{
        f"views.{name}": "views/test_rollouts.py"
        for name in ("answers.rollouts", "charts.rollouts", "plan_words", "report.rollouts")
    },
    "programmes.opened": "views/charts/test_ledger.py",
    "programmes.bases": "programmes/test_lines.py",
    "runs.inputs": "runs/test_estimate.py",
    **{f"runs.stage_{name}": "runs/test_staged.py" for name in ("bench", "passes", "speeds")},
    "runs.rates": "runs/test_watched.py",
    "runs.rest": "runs/test_watched.py",
    "runs.stage_defaults": "runs/test_stage_spec.py",
    "runs.stage_draws": "runs/test_staged.py",
    "runs.stage_inputs": "runs/test_staged.py",
    "runs.stage_kinds": "runs/test_stage_spec.py",
    "runs.stage_models": "runs/test_staged.py",
    "serve.answers": "serve/test_app.py",
    "serve.screen": "serve/test_app.py",
    "serve.sliders": "serve/test_app.py",
    "serve.what_if": "serve/test_app.py",
    "statements.drawn": "statements/test_estimate.py",
    "statements.inputs": "statements/test_estimate.py",
    "training.adapters": "architectures/test_sources.py",
    "training.from_files": "architectures/test_sources.py",
    "training.layout_columns": "kernels/test_memory.py",
    "views.charts.statement": "views/report/test_statement.py",
    "views.statement_card": "views/test_statement.py",
    "views.statement_tables": "views/test_statement.py",
    **{
        f"views.answers.{name}": "views/answers/test_answer.py"
        for name in (
            *("bench", "forecast", "hardware", "mfu", "model", "plan", "run", "score", "spend"),
            *("statement", "sweep", "validation"),
        )
    },
    "views.charts.squarified": "views/charts/test_ledger.py",
    "views.report.ledger": "views/report/test_reports.py",
    "views.answers.ledger": "ledger/test_account.py",
    "views.ledger": "ledger/test_account.py",
    "watching.done": "watching/test_passport.py",
    "watching.subject": "watching/test_run_watch.py",
}
"""Modules whose tests stand elsewhere, with what they are a part of or are compared with."""

LOGIC = ast.FunctionDef | ast.ClassDef
GRAPH = rooms.module_graph()
ROOMS = sorted(rooms.room_graph(GRAPH))


def contracts() -> dict[str, list[str]]:
    """Layers by the package whose contract they are."""
    told = tomllib.loads((rooms.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
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


def own_tests(module: str) -> Path:
    """File of a module's tests: the same place under tests/."""
    *folders, name = module.split(".")
    return Path(*folders, f"test_{name}.py")


def test_a_module_with_functions_has_tests_of_its_name_or_they_stand_where_the_list_says() -> None:
    tests = rooms.ROOT / "tests"
    lacking = {
        module
        for module, file in rooms.modules().items()
        if file.name not in ("__init__.py", "__main__.py")
        and any(isinstance(node, LOGIC) for node in ast.parse(file.read_text("utf-8")).body)
        and not (tests / own_tests(module)).exists()
    }
    assert sorted(lacking) == sorted(TESTED_BY)
    assert [file for file in TESTED_BY.values() if not (tests / file).exists()] == []
