"""computebill: what training an AI model costs in compute, and the research bill behind it.

The names below are loaded when first used, so that ``import computebill`` is instant.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from . import notebook as _notebook

if TYPE_CHECKING:
    from .accelerators import Accelerator as Accelerator
    from .accelerators import find_accelerator as find_accelerator
    from .accelerators import list_accelerators as list_accelerators
    from .architectures import Architecture as Architecture
    from .architectures import read_architecture as read_architecture
    from .benchmark import Bench as Bench
    from .benchmark import bench as bench
    from .catalogue import Score as Score
    from .catalogue import score_catalogue as score_catalogue
    from .catalogue import score_files as score_files
    from .elsewhere import shares_elsewhere as shares_elsewhere
    from .errors import RequestError as RequestError
    from .layout import Layout as Layout
    from .mfu import Speed as Speed
    from .mfu import Utilisation as Utilisation
    from .mfu import utilisation as utilisation
    from .model import ModelCard as ModelCard
    from .model import describe_model as describe_model
    from .plan_search import Plan as Plan
    from .plan_search import plan as plan
    from .plan_spec import PlanSpec as PlanSpec
    from .programme import Programme as Programme
    from .programme import load_programme as load_programme
    from .programme import shipped_programmes as shipped_programmes
    from .run import RunEstimate as RunEstimate
    from .run import estimate_run as estimate_run
    from .run_spec import RunSpec as RunSpec
    from .spend import SpendEstimate as SpendEstimate
    from .spend import compare_spend as compare_spend
    from .sweep import SweepEstimate as SweepEstimate
    from .sweep import SweepSpec as SweepSpec
    from .sweep import load_sweep as load_sweep
    from .sweep import price_sweep as price_sweep
    from .sweep import shipped_sweeps as shipped_sweeps
    from .validation import Validation as Validation
    from .validation import calibrate as calibrate
    from .validation import validate as validate

# Before torch is loaded, which reads it once: waiting threads that spin take the cores of a busy
# machine from those that work. What was set already stands.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOMES = {
    "Accelerator": "accelerators",
    "Architecture": "architectures",
    "Bench": "benchmark",
    "Layout": "layout",
    "ModelCard": "model",
    "Plan": "plan_search",
    "PlanSpec": "plan_spec",
    "Programme": "programme",
    "RequestError": "errors",
    "RunEstimate": "run",
    "RunSpec": "run_spec",
    "Score": "catalogue",
    "Speed": "mfu",
    "SpendEstimate": "spend",
    "SweepEstimate": "sweep",
    "SweepSpec": "sweep",
    "Utilisation": "mfu",
    "Validation": "validation",
    "bench": "benchmark",
    "calibrate": "validation",
    "compare_spend": "spend",
    "describe_model": "model",
    "estimate_run": "run",
    "find_accelerator": "accelerators",
    "list_accelerators": "accelerators",
    "load_programme": "programme",
    "load_sweep": "sweep",
    "plan": "plan_search",
    "price_sweep": "sweep",
    "read_architecture": "architectures",
    "score_catalogue": "catalogue",
    "score_files": "catalogue",
    "shares_elsewhere": "elsewhere",
    "shipped_programmes": "programme",
    "shipped_sweeps": "sweep",
    "utilisation": "mfu",
    "validate": "validation",
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
    return sorted({*globals(), *_HOMES})
