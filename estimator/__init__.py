"""computebill: what training an AI model costs in compute, and the research bill behind it.

The names below are loaded when first used, so that ``import computebill`` is instant.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from .base import notebook as _notebook

if TYPE_CHECKING:
    from .accuracy.validation import Validation as Validation
    from .accuracy.validation import calibrate as calibrate
    from .accuracy.validation import validate as validate
    from .architectures import Architecture as Architecture
    from .architectures import read_architecture as read_architecture
    from .base.errors import RequestError as RequestError
    from .benchmark import Bench as Bench
    from .benchmark import bench as bench
    from .catalogue import Score as Score
    from .catalogue import score_catalogue as score_catalogue
    from .catalogue import score_files as score_files
    from .hardware.accelerators import Accelerator as Accelerator
    from .hardware.accelerators import find_accelerator as find_accelerator
    from .hardware.accelerators import list_accelerators as list_accelerators
    from .launch import Launch as Launch
    from .launch import read_launch as read_launch
    from .ledger import Ledger as Ledger
    from .ledger import read_ledger as read_ledger
    from .logs import Log as Log
    from .logs import Timeline as Timeline
    from .logs import Work as Work
    from .logs import read_log as read_log
    from .models.card import ModelCard as ModelCard
    from .models.card import describe_model as describe_model
    from .models.logged import LoggedUse as LoggedUse
    from .models.logged import logged_use as logged_use
    from .models.mfu import Speed as Speed
    from .models.mfu import Utilisation as Utilisation
    from .models.mfu import utilisation as utilisation
    from .planning.compared import ComparedPlan as ComparedPlan
    from .planning.compared import compare_plans as compare_plans
    from .planning.compared_spec import ComparedSpec as ComparedSpec
    from .planning.result import Plan as Plan
    from .planning.rollout_result import RolloutPlan as RolloutPlan
    from .planning.rollout_spec import RolloutSpec as RolloutSpec
    from .planning.rollouts import plan_rollouts as plan_rollouts
    from .planning.search import plan as plan
    from .planning.spec import PlanSpec as PlanSpec
    from .programmes.forecast import forecast_spend as forecast_spend
    from .programmes.loading import load_programme as load_programme
    from .programmes.loading import shipped_programmes as shipped_programmes
    from .programmes.measured_shares import shares_elsewhere as shares_elsewhere
    from .programmes.spec import Programme as Programme
    from .programmes.spend import SpendEstimate as SpendEstimate
    from .programmes.spend import compare_spend as compare_spend
    from .runs.estimate import RunEstimate as RunEstimate
    from .runs.estimate import estimate_run as estimate_run
    from .runs.spec import RunSpec as RunSpec
    from .runs.staged import StagedEstimate as StagedEstimate
    from .runs.staged import estimate_stages as estimate_stages
    from .runs.staged_spec import StagedSpec as StagedSpec
    from .runs.watched import Watched as Watched
    from .runs.watched import watch_run as watch_run
    from .runs.watched_stage import WatchedStage as WatchedStage
    from .runs.watched_stage import watch_stage as watch_stage
    from .statements.estimate import Statement as Statement
    from .statements.estimate import state as state
    from .statements.planned import Watch as Watch
    from .statements.planned import watch as watch
    from .statements.spec import StatementSpec as StatementSpec
    from .sweep import SweepEstimate as SweepEstimate
    from .sweep import SweepSpec as SweepSpec
    from .sweep import load_sweep as load_sweep
    from .sweep import price_sweep as price_sweep
    from .sweep import shipped_sweeps as shipped_sweeps
    from .training.layout import Layout as Layout
    from .watching.logged import logged_passport as logged_passport
    from .watching.passport import Passport as Passport
    from .watching.run_watch import RunWatch as RunWatch
    from .watching.trainer import WatchCallback as WatchCallback

# Before torch is loaded, which reads it once: waiting threads that spin take the cores of a busy
# machine from those that work. What was set already stands.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOMES = {
    "Accelerator": "hardware.accelerators",
    "Architecture": "architectures",
    "Bench": "benchmark",
    "ComparedPlan": "planning.compared",
    "ComparedSpec": "planning.compared_spec",
    "Launch": "launch",
    "Layout": "training.layout",
    "Ledger": "ledger",
    "Log": "logs",
    "LoggedUse": "models.logged",
    "ModelCard": "models.card",
    "Passport": "watching.passport",
    "Plan": "planning.result",
    "PlanSpec": "planning.spec",
    "Programme": "programmes.spec",
    "RequestError": "base.errors",
    "RolloutPlan": "planning.rollout_result",
    "RolloutSpec": "planning.rollout_spec",
    "RunEstimate": "runs.estimate",
    "RunSpec": "runs.spec",
    "RunWatch": "watching.run_watch",
    "Score": "catalogue",
    "Speed": "models.mfu",
    "SpendEstimate": "programmes.spend",
    "StagedEstimate": "runs.staged",
    "StagedSpec": "runs.staged_spec",
    "Statement": "statements.estimate",
    "StatementSpec": "statements.spec",
    "SweepEstimate": "sweep",
    "SweepSpec": "sweep",
    "Timeline": "logs",
    "Utilisation": "models.mfu",
    "Validation": "accuracy.validation",
    "Watch": "statements.planned",
    "WatchCallback": "watching.trainer",
    "Watched": "runs.watched",
    "WatchedStage": "runs.watched_stage",
    "Work": "logs",
    "bench": "benchmark",
    "calibrate": "accuracy.validation",
    "compare_plans": "planning.compared",
    "compare_spend": "programmes.spend",
    "describe_model": "models.card",
    "estimate_run": "runs.estimate",
    "estimate_stages": "runs.staged",
    "find_accelerator": "hardware.accelerators",
    "forecast_spend": "programmes.forecast",
    "list_accelerators": "hardware.accelerators",
    "load_programme": "programmes.loading",
    "load_sweep": "sweep",
    "logged_passport": "watching.logged",
    "logged_use": "models.logged",
    "plan": "planning.search",
    "plan_rollouts": "planning.rollouts",
    "price_sweep": "sweep",
    "read_architecture": "architectures",
    "read_ledger": "ledger",
    "read_launch": "launch",
    "read_log": "logs",
    "score_catalogue": "catalogue",
    "score_files": "catalogue",
    "shares_elsewhere": "programmes.measured_shares",
    "shipped_programmes": "programmes.loading",
    "shipped_sweeps": "sweep",
    "state": "statements.estimate",
    "utilisation": "models.mfu",
    "validate": "accuracy.validation",
    "watch": "statements.planned",
    "watch_run": "runs.watched",
    "watch_stage": "runs.watched_stage",
}
"""Public names, and the module each lives in."""

__all__ = list(_HOMES)


def _views() -> Any:
    return importlib.import_module(".views.notebook", __name__)


# Here, as results do not import their views: imports point down.
_notebook.tell_with(
    html=lambda result: str(_views().html(result)),
    line=lambda result: str(_views().line(result)),
)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'computebill' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
