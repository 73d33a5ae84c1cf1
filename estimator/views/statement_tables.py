"""The tables of a statement, for the terminal, a page and a model card alike.

They are made of the result as ``--json`` prints it, and estimate nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .result import Result, distribution
from .text import (
    UNKNOWN,
    count,
    energy_interval,
    fit_text,
    flop,
    flop_interval,
    percent,
    percent_interval,
    signed,
)

UNREAD = "not read"

TREATED = {
    "counts": "yes",
    "does_not_count": "no",
    "need_not": "need not",
    "silent": "silent",
    "not_read": UNREAD,
}
"""What becomes of a line, as a table has it."""

LEAST = 1e-3
"""Share of a total that a number has to move, to be told among those that move it."""

EVERYTHING, MODIFICATION = "all", "eu-modification"


class Told(NamedTuple):
    """Rows of text; the first column names the row.

    Attributes:
        title: caption.
        headings: of the columns.
        rows: cells as people read them.
        left: headings of columns of words; the others are figures, set to the right.
        less: headings of columns that may go on a narrow terminal, the first to go first.
        note: what is to be said below.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[str] = ()
    note: str = ""
    less: Sequence[str] = ()


def odds_text(odds: float) -> str:
    """Write odds: ``97 %``, ``no``, ``yes``."""
    return {0.0: "no", 1.0: "yes"}.get(odds) or fit_text(odds)


def all_tables(result: Result) -> Iterator[Told]:
    """Yield every table that there is something for, the answer first."""
    yield totals(result)
    yield from planned(result)
    yield lines(result)
    found = (
        crossing(result),
        modification(result),
        methods(result),
        energy(result),
        moves(result),
        reasons(result),
        left_open(result),
    )
    yield from (each for each in found if each is not None)


def totals(result: Result) -> Told:
    """What lines come to under each rule set, and the odds of exceeding thresholds."""
    marks = next(iter(result["totals"].values()))["thresholds"]
    headings = ["rule set", "FLOP", "stated", "with what is open", "margin used"]
    headings += [f"above {each['value']:.0e}".replace("+", "") for each in marks]
    partly = {each["name"] for each in result["rules"] if not each["is_whole"]}
    rows = []
    for name, total in result["totals"].items():
        whole = total["with_silent"]
        is_unread = name in partly and total["flop"]["p95"] == 0
        is_open = whole["flop"] != total["flop"]
        used = total["margin_used"]
        rows.append(
            [
                name,
                UNREAD if is_unread else _flop(total["flop"]),
                UNREAD if is_unread else _least(total) + total["two_figures"],
                whole["two_figures"] if is_open else "the same",
                UNKNOWN if used is None else percent(used),
                *(
                    # Of a rule that nobody read, nothing is above or below.
                    UNKNOWN
                    if is_unread
                    else odds_text(each["odds"]) + (" *" if each["applies"] else "")
                    for each in total["thresholds"]
                ),
            ]
        )
    title = f"{result['name']}: training compute (* held to)"
    return Told(title, headings, rows, less=headings[4:2:-1])


def _least(total: Mapping[str, Any]) -> str:
    return "at least " if total["is_lower_bound"] else ""


def _flop(given: Mapping[str, Any] | None) -> str:
    """Write FLOP with their interval; nothing at all as 0."""
    value = distribution(given)
    return "0" if value.p95 == 0 else flop_interval(value)


def lines(result: Result) -> Told:
    """What each stage and lineage took, and whether it counts."""
    left_out = [EVERYTHING] if result["modification"] else [EVERYTHING, MODIFICATION]
    names = [name for name in result["totals"] if name not in left_out]
    rows = [
        [
            each["source"],
            each["title"],
            _flop(each["flop"]),
            *(TREATED[each["treatment"][name]] for name in names),
        ]
        for each in result["lines"]
    ]
    headings = ["of", "what", "FLOP", *names]
    return Told("Line by line", headings, rows, ("what", *names), less=names[::-1])


def planned(result: Result) -> Iterator[Told]:
    """Yield what brings a planned run to each threshold, and what changes do."""
    found = result.get("planned")
    if not found:
        return
    rows = [
        [
            f"{each['value']:.0e}".replace("+", ""),
            *(
                UNKNOWN if each[key] is None else count(each[key])
                for key in ("tokens", "params", "synthetic_tokens")
            ),
        ]
        for each in found["reaches"]
    ]
    headings = ("threshold", "tokens", "active parameters", "or tokens that it writes itself")
    yield Told("Each alone reaches it, all else as planned", headings, rows)
    changes = [
        [
            each["name"],
            each["two_figures"],
            *(odds_text(held["odds"]) for held in each["thresholds"]),
        ]
        for each in found["moves"]
    ]
    if changes:
        marks = found["moves"][0]["thresholds"]
        above = [f"above {each['value']:.0e}".replace("+", "") for each in marks]
        title = f"What moves it, under {found['rule_set']}"
        yield Told(title, ["change", "FLOP", *above], changes)


def crossing(result: Result) -> Told | None:
    """When totals that are held to a threshold are expected to exceed it."""
    held = {
        (name, each["name"])
        for name, total in result["totals"].items()
        for each in total["thresholds"]
        if each["applies"]
    }
    rows = []
    for each in result["crossing"]:
        if (each["rule_set"], each["name"]) in held:
            day = each["day"]
            spread = "" if day["p5"] == day["p95"] else f"{day['p5']} to {day['p95'] or 'never'}"
            rows.append(
                [
                    f"{each['rule_set']}, {each['value']:.0e}".replace("+", ""),
                    odds_text(each["odds"]),
                    day["p50"] or "not expected",
                    spread,
                    each["notify_by"] or "",
                    each["stage"] or "",
                ]
            )
    headings = ("threshold", "crosses", "on", "5th–95th percentile", "two weeks later", "during")
    title = "When the running total crosses; sooner where that is known before"
    return Told(title, headings, rows, ("during",), less=("during",)) if rows else None


def modification(result: Result) -> Told | None:
    """Whether who modifies a model becomes its provider."""
    rows = [
        [
            each["original"],
            each["basis"],
            test["notion"],
            flop_interval(distribution(test["flop"])),
            flop_interval(distribution(test["limit"])) + (" *" if each["is_substitute"] else ""),
            percent_interval(distribution(test["share"])),
            odds_text(test["odds"]),
        ]
        for each in result["modification"] or ()
        for test in each["tests"]
    ]
    headings = ("of", "compute", "counted", "modification", "a third", "share", "above")
    title = "As a modification (* of the threshold: the original is not known)"
    left = ("compute", "counted")
    return Told(title, headings, rows, left, less=("compute",)) if rows else None


def methods(result: Result) -> Told | None:
    """Both methods of the stages whose hours are told."""
    rows = []
    for stage in result["stages"]:
        each = stage["methods"]
        if each["hardware"] is None and each["implied_utilisation"] is None:
            continue
        off = each["difference"]
        rows.append(
            [
                stage["name"],
                flop_interval(distribution(each["architecture"])),
                flop_interval(distribution(each["hardware"])),
                UNKNOWN if off is None else signed(off),
                percent_interval(distribution(each["implied_utilisation"])),
                percent_interval(distribution(each["observed_utilisation"])),
                each["chosen"],
            ]
        )
    headings = ("stage", "architecture", "hardware", "apart", "implied", "told", "stated")
    title = "Both methods; utilisation that the first makes of the hours, and what was told"
    less = ("stated", "told", "implied")
    return Told(title, headings, rows, ("stated",), less=less) if rows else None


def energy(result: Result) -> Told | None:
    """Electricity, stage by stage, with its boundary."""
    rows = [
        [each["name"], energy_interval(distribution(each["energy_mwh"]))]
        for each in result["stages"]
        if each["energy_mwh"]
    ]
    if not rows:
        return None
    if len(rows) > 1:
        rows.append(["all of these", energy_interval(distribution(result["energy_mwh"]))])
    return Told("Electricity", ("stage", "used"), rows, note=f"Of {result['energy_boundary']}.")


def moves(result: Result) -> Told | None:
    """What a total hangs on."""
    rows = [
        [each["assumption"], *(flop(each[key]) for key in ("p5", "p50", "p95"))]
        for each in result["swings"]
        if abs(each["p95"] - each["p5"]) > LEAST * each["p50"]
    ]
    title = f"What moves {result['swings_of']}: one number at its 5th and 95th percentile"
    return Told(title, ("number", "5th", "middle", "95th"), rows) if rows else None


def reasons(result: Result) -> Told | None:
    """Where each rule says so, in a few words."""
    there = {each["item"]: each["title"] for each in result["lines"]}
    rows = []
    for rules in result["rules"]:
        said = {each["item"]: each for each in rules["lines"]}
        is_idle = rules["name"] == MODIFICATION and not result["modification"]
        if rules["name"] == EVERYTHING or is_idle:
            continue
        for item, title in there.items():
            if (each := said.get(item)) is not None:
                read = " (read second-hand)" if each["read"] == "secondary" else ""
                treated = TREATED[each["treatment"]]
                treated += f", {each['basis']}" if each["basis"] == "inferred" else ""
                words = f"{each['words']}{read}"
                rows.append([rules["name"], title, treated, each["where"], words])
    headings = ("rule set", "what", "counts", "where", "in our words")
    return Told("Why", headings, rows, headings[1:]) if rows else None


def left_open(result: Result) -> Told | None:
    """What rules do not say of how FLOP are counted."""
    rows = [
        [rules["name"], each["where"], each["words"]]
        for rules in result["rules"]
        for each in rules["lines"]
        if each["treatment"] == "silent" and each["is_method"]
    ]
    headings = ("rule set", "where", "in our words")
    title = "What the rules leave open of how to count"
    return Told(title, headings, rows, headings[1:]) if rows else None
