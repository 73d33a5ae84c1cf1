"""What records tell, as a page tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from computebill.views.answers.ledger import answer
from computebill.views.charts import ledger as drawn
from computebill.views.charts.picture import Picture
from computebill.views.result import Result, distribution
from computebill.views.text import (
    UNKNOWN,
    count,
    energy_interval,
    flop_interval,
    money,
    money_interval,
    number,
    percent,
)

from .document import Chart, Report, Section, Table, charted, parts, sections

MOST = 20
MOST_CELLS = 60
STATES = "By state at the end; a cancelled job is how a long run ends, and no waste"
TITLES = {"state": STATES, "user": "By person", "accelerator": "By accelerator"}


def report(result: Result) -> Report:
    """Tell one ledger."""
    found = sections(
        Section("What it was for", parts([_opened(result), _over_time(result)])),
        Section("Whose it was", parts([_projects(result), _sizes(result)])),
        Section("Sums", parts([*_every_sum(result), _capacity(result)])),
        Section("The largest runs", parts([_largest(result), _restarts(result), _queue(result)])),
        Section("The records", parts(_records(result))),
    )
    return Report.of(answer(result), result, found, "no record tells of an hour")


def _opened(result: Result) -> Chart | None:
    picture = drawn.opened(result)
    table = _amounts("Kinds", "kind", result["by_kind"], float(result["gpu_hours"]))
    return None if picture is None else Chart(picture, table)


def _amounts(
    title: str, heading: str, found: Mapping[str, Mapping[str, Any]], hours: float
) -> Table:
    cells = [
        (
            name,
            f"{each['jobs']:,.0f}",
            count(each["gpu_hours"]),
            percent(each["gpu_hours"] / hours) if hours else UNKNOWN,
            money_interval(distribution(each["cost_usd"])),
            energy_interval(distribution(each["energy_mwh"])),
            flop_interval(distribution(each["flop"])),
        )
        for name, each in list(found.items())[:MOST]
    ]
    headings = (heading, "jobs", "hours", "share", "cost", "energy", "FLOP")
    return Table(title, headings, cells)


def _over_time(result: Result) -> Chart | None:
    picture = drawn.over_time(result)
    if picture is None:
        return None
    kinds = list(dict.fromkeys(row["kind"] for row in picture.rows))
    told = {(row["kind"], row["when"]): row["text"] for row in picture.rows}
    months = list(dict.fromkeys(row["when"] for row in picture.rows))[-MOST_CELLS:]
    cells = [(month, *(told[kind, month] for kind in kinds)) for month in months]
    return Chart(picture, Table("Accelerator-hours of each month", ("month", *kinds), cells))


def _projects(result: Result) -> Chart | None:
    return _told(drawn.projects(result), ("project", "kind", "accelerator-hours"))


def _told(picture: Picture | None, headings: tuple[str, str, str]) -> Chart | None:
    keys = ("project", "kind", "text")
    left = headings[1:]
    found = charted(picture, "Projects and kinds", headings, keys, left)
    if found is None:
        return None
    rows = found.table.rows[:MOST_CELLS]
    return Chart(found.picture, Table(found.table.title, headings, rows, left))


def _sizes(result: Result) -> Chart | None:
    picture = drawn.sizes(result)
    if picture is None:
        return None
    found = result["by_size"]
    cells = [
        (size, f"{found[size]['jobs']:,.0f}", count(found[size]["gpu_hours"]))
        for size in dict.fromkeys(row["name"] for row in picture.rows)
    ]
    return Chart(picture, Table("Jobs by size", ("accelerators", "jobs", "hours"), cells))


def _every_sum(result: Result) -> list[Table | None]:
    return [_sums(result, name, title) for name, title in TITLES.items()]


def _capacity(result: Result) -> Table | None:
    told = result.get("capacity")
    if not told:
        return None
    cells = [
        ("accelerator-hours that there were", count(told["gpu_hours"])),
        ("that jobs used", count(told["gpu_hours"] - told["idle_gpu_hours"])),
        ("idle", f"{count(told['idle_gpu_hours'])} ({percent(told['idle_share'])})"),
    ]
    return Table("Against the cluster's capacity", ("", ""), cells)


def _sums(result: Result, name: str, title: str) -> Table | None:
    found = result.get(f"by_{name}") or {}
    if not set(found) - {"unknown", "not told"}:
        return None
    return _amounts(title, name, found, float(result["gpu_hours"]))


def _largest(result: Result) -> Table | None:
    cells = [
        (
            str(each["name"] or each["job"] or UNKNOWN),
            str(each["kind"]),
            ", ".join(str(who) for who in (each["user"], each["project"]) if who),
            f"{each['jobs']:,}",
            UNKNOWN if each["accelerators"] is None else number(each["accelerators"]),
            count(each["gpu_hours"]),
            UNKNOWN if each["cost_usd"] is None else money(each["cost_usd"]),
        )
        for each in result["largest"][:MOST]
    ]
    if not cells:
        return None
    headings = ("run", "kind", "who", "jobs", "accelerators", "hours", "cost")
    return Table("Jobs with their restarts as one", headings, cells, ("kind", "who"))


def _restarts(result: Result) -> Table | None:
    told = result["restarts"]
    if not told.get("restarts"):
        return None
    lost, goodput = told["lost_gpu_hours"], told["goodput"]
    cells = [
        ("runs that were restarted", f"{told['chains']:,}"),
        ("restarts", f"{told['restarts']:,}"),
        ("their accelerator-hours", count(told["gpu_hours"])),
        ("of which done again", UNKNOWN if lost is None else count(lost)),
        ("restarts that do not tell", f"{told['restarts_untold']:,}"),
        ("goodput of those that tell", UNKNOWN if goodput is None else percent(goodput)),
    ]
    return Table("Restarts", ("", ""), cells)


def _queue(result: Result) -> Table | None:
    cells = [
        (
            str(each["size"]),
            f"{each['jobs']:,.0f}",
            *(f"{each[name]:,.2f}" for name in ("p50_h", "p90_h", "p99_h")),
        )
        for each in result.get("queue") or []
    ]
    headings = ("accelerators", "jobs", "median", "90 %", "99 %")
    return Table("Wait in the queue by size of job [h]", headings, cells) if cells else None


def _records(result: Result) -> list[Table | None]:
    files = [
        (each["file"], each["format"], f"{each['rows_in']:,}", f"{each['rows_rejected']:,}")
        for each in result["files"][:MOST]
    ]
    found: list[Table | None] = [
        Table("Files", ("file", "taken for", "rows", "rejected"), files, ("taken for",))
    ]
    titles = {"joined": "Joined, so that no job counts twice", "remarks": "To know of rows"}
    for key, title in (titles | {"reasons": "Rejected, by reason"}).items():
        cells = [(name, f"{rows:,}") for name, rows in result[key].items()]
        found.append(Table(title, ("", "rows"), cells[:MOST]) if cells else None)
    return found
