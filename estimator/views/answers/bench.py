"""What a device reaches, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from computebill.uncertainty.distribution import Distribution
from computebill.views.result import Result
from computebill.views.text import count, count_interval, digits, percent

from .answer import Answer, Figure

MOVED = {"copy_gb_s": "memory copy", "triad_gb_s": "memory triad", "read_gb_s": "memory read"}


def best(result: Result) -> list[Mapping[str, Any]]:
    """Return the fastest product of each precision."""
    return [each for each in result["matmul"] if each["best"]]


def rate(product: Mapping[str, Any]) -> str:
    """Write a rate with its interval; results of before have none."""
    middle = product["tflops"]
    low, high = (product.get(f"{end}_tflops", middle) for end in ("p5", "p95"))
    return count_interval(Distribution(low, middle, high, middle))


def answer(result: Result) -> Answer:
    """Tell the fastest products and memory, beside the datasheet."""
    device = result["device"]
    name = "this machine" if device is None else device["name"]
    ended = ["Stopped before its end."] if result["interrupted"] else []
    notes = [*ended, *(f"{each[:1].upper()}{each[1:]}." for each in result["remarks"])]
    title = f"{name}, measured {result['date']}"
    return Answer(title, _sentence(result, name), _figures(result), notes)


def _bandwidth(result: Result) -> float | None:
    rates = [result[key] for key in MOVED if result[key] is not None]
    return max(rates, default=None)


def _peak(result: Result, dtype: str) -> float | None:
    known = result["datasheet"]
    value: float | None = known["peak_tflops"].get(dtype) if known else None
    return value


def _sentence(result: Result, name: str) -> str:
    told = []
    products, moved = best(result), _bandwidth(result)
    if products:
        most = max(products, key=lambda each: each["tflops"])
        peak = _peak(result, most["dtype"])
        of = f", {percent(most['tflops'] / peak)} of its datasheet's peak" if peak else ""
        told.append(f"{rate(most)} TFLOP/s in {most['dtype']} products{of}")
    if moved is not None:
        told.append(f"{digits(moved)} GB/s of memory")
    found = f"{name} reaches {' and '.join(told)}" if told else f"{name}: 0 rates were measured"
    if result["check_mape"] is not None:
        found += f"; steps that nothing was fitted to, {len(result['check'])} of them, were "
        found += f"predicted {percent(result['check_mape'])} off"
    return f"{found}."


def _figures(result: Result) -> list[Figure]:
    found = []
    for each in best(result):
        value, _, interval = rate(each).partition(" (")
        found.append(Figure(f"{each['dtype']}, TFLOP/s", value, interval.rstrip(")")))
    moved, launches = _bandwidth(result), result["host"]["launches_per_s"]
    if moved is not None:
        found.append(Figure("memory, GB/s", digits(moved)))
    if launches is not None:
        found.append(Figure("launches a second", count(launches)))
    if result["check_mape"] is not None:
        found.append(Figure("mean error of predicted steps", percent(result["check_mape"])))
    return found
