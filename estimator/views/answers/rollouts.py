"""A search of splits in a sentence."""

from __future__ import annotations

from computebill.views.plan_words import LEAST, UNNAMED, memory, split_text, waiting
from computebill.views.result import Result, distribution
from computebill.views.text import count_interval, duration, duration_interval, money_interval

from .answer import Answer, figure


def answer(result: Result) -> Answer:
    """Tell the best split, what it takes, who waits, and how it stands beside one pool."""
    best = result["best"]
    days, usd = distribution(best["days"]), distribution(best["cost_usd"])
    told = f"{LEAST[result['objective']]} is {split_text(best)}: {duration_interval(days)}"
    told += f" and {money_interval(usd)} rented" if usd.is_known else "; no price is known"
    told += f"; {waiting(best)}" if not best["in_turn"] else ""
    told += _beside(result)
    figures = [
        figure("wall-clock time", duration_interval(days)),
        figure("seconds a step", count_interval(distribution(best["step_seconds"]))),
        *([figure("cost, rented", money_interval(usd))] if usd.is_known else []),
        *(
            figure(f"memory of those that {role}, GB", memory(best[key]))
            for key, role in (("train", "train"), ("generate", "write"))
            if best[key]["memory_gb"] is not None
        ),
    ]
    title = "The plan" if result["name"] == UNNAMED else result["name"]
    return Answer(title, f"{told}.", figures, result.get("notes", ()))


def _beside(result: Result) -> str:
    """Tell one pool, and the split that the stage has itself, beside the best."""
    told = ""
    shared, best = result["in_turn"], result["best"]
    if shared is not None and not best["in_turn"]:
        told += f". In turn, {split_text(shared)} take {duration(shared['days'])}"
    given = result.get("given")
    if given is not None and given["rank"] > 1:
        told += f". As given, {split_text(given)}, rank {given['rank']} of "
        told += f"{result['splits_tried']}, it takes {duration(given['days'])}"
    return told
