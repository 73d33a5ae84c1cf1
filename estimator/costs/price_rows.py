"""Rows of price lists: SkyPilot's and gpuhunt's catalogues, and tables of one's own.

A list is data: nothing in it is run, a cell with a formula is no number. What is not an offer is
left out with its reason, never guessed at.
"""

from __future__ import annotations

import csv
import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, get_args

from computebill.base.errors import RequestError, shown
from computebill.base.specfile import is_folder, read_toml

from .prices import Commitment

FILE = Path(__file__).with_name("price_lists.toml")
LARGEST = 256 * 2**20
"""Bytes of a list: a cloud's whole catalogue has some ten million."""

COMMITMENTS = get_args(Commitment)
MIB_PER_GB = 1024
"""A maker's gigabyte of memory is 2^30 bytes, as drivers count it."""

DAY = re.compile(r"[-_. ]?(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)")
"""A day in a file's name."""

_TPU = re.compile(r"tpu-(v\d+[a-z]*)-(\d+)")
_MEMORY = re.compile(r"'SizeInMiB': *(\d+)")


class Left(NamedTuple):
    """A row, or one price of it, that was not taken.

    Attributes:
        why: reason, the same for all of a kind.
        line: of the file, from 1.
        what: value that it is about; empty where the reason says all.
    """

    why: str
    line: int
    what: str = ""


class Offer(NamedTuple):
    """A price at which somebody rents an accelerator out.

    Attributes:
        name: accelerator as the list spells it.
        memory_gb: what its memory may be [GB]: a list may mean one chip or the whole machine.
        usd_per_hour: of one accelerator [USD/h].
        chips: accelerators of the machine.
        provider: who asks it.
        region: where; empty where the list does not say.
        instance: machine and zone.
        commitment: on-demand, 1y, 3y or spot.
        date: day of the price; None where its list has no column of days.
        line: of the file.
    """

    name: str
    memory_gb: tuple[float, ...]
    usd_per_hour: float
    chips: float
    provider: str
    region: str
    instance: str
    commitment: str
    date: dt.date | None
    line: int


@cache
def formats() -> dict[str, Any]:
    """Return the formats of lists, and what they leave unsaid."""
    return read_toml(FILE)


def read_offers(path: Path) -> tuple[list[Offer], list[Left], int]:
    """Read a list.

    Returns:
        Its offers, what was left out, and the number of its rows.

    Raises:
        RequestError: naming the file: missing, too large, no table, or none of the three formats.
    """
    rows = list(_rows(path))
    columns = set(rows[0][1]) if rows else set()
    readers = {"skypilot": _skypilot, "gpuhunt": _gpuhunt, "plain": _plain}
    needed = {name: _needed(formats()[name]) for name in readers}
    found = next((name for name in readers if columns >= needed[name]), None)
    if found is None:
        allowed = "; ".join(f"{', '.join(sorted(each))} ({name})" for name, each in needed.items())
        what = "has no row" if not rows else f"has the columns {shown(sorted(map(str, columns)))}"
        raise RequestError(str(path), f"{what}; allowed: a CSV with the columns {allowed}")
    taken: list[Offer] = []
    left: list[Left] = []
    for each in readers[found](rows, _provider(path)):
        taken.append(each) if isinstance(each, Offer) else left.append(each)
    kept, again = _once(taken)
    return kept, [*left, *again], len(rows)


def _needed(columns: Mapping[str, Any]) -> set[str]:
    named = {columns[key] for key in ("accelerator", "count", "price") if key in columns}
    return named | set(columns.get("prices", {}).values())


def _provider(path: Path) -> str:
    """Return whom a list is of: SkyPilot's stand in a folder a cloud, gpuhunt's have its name."""
    name = path.absolute().parent.name if path.stem == "vms" else path.stem
    return DAY.sub("", name) or name


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        if is_folder(path):
            raise RequestError(str(path), "is a directory; a CSV file is needed")
        if path.stat().st_size > LARGEST:
            raise RequestError(str(path), f"is larger than {LARGEST // 2**20} MiB")
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = enumerate(file, start=1)
            first, header = next(
                ((number, line) for number, line in lines if not line.startswith("#")), (0, "")
            )
            rest = ("\n" if line.startswith("#") else line for _, line in lines)
            table = csv.DictReader(chain([header], rest), restval="")
            for row in table:
                row.pop(None, None)
                yield first - 1 + table.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise RequestError(str(path), f"cannot be read as a CSV table: {reason}") from None


def _price(text: str, per: float, line: int) -> float | Left | None:
    """Return a price of one accelerator, why it is none, or None where the cell is empty."""
    text = text.strip().removeprefix("$")
    if not text:
        return None
    if text[0] in "=@+" or (text[0] == "-" and not re.fullmatch(r"-[\d.eE+-]+", text)):
        return Left("the price is a formula", line, text)
    try:
        usd = float(text)
    except ValueError:
        return Left("the price is no number", line, text)
    if not math.isfinite(usd):
        return Left("the price is no number", line, text)
    if usd < 0:
        return Left("the price is negative", line, text)
    if usd == 0:
        return Left("the price is 0: no offer", line)
    return usd / per


def _count(text: str, line: int) -> float | Left:
    try:
        count = float(text)
    except ValueError:
        return Left("the number of accelerators is none", line, text)
    return count if 0 < count < math.inf else Left("no accelerator", line)


def _skypilot(rows: list[tuple[int, dict[str, str]]], provider: str) -> Iterator[Offer | Left]:
    columns = formats()["skypilot"]
    machines = {
        (row.get(columns["instance"], ""), row.get(columns["zone"], "")): row
        for _, row in rows
        if not row[columns["accelerator"]]
    }
    for line, row in rows:
        name = row[columns["accelerator"]].strip()
        if not name:
            yield Left("no accelerator", line)
            continue
        count = _count(row[columns["count"]], line)
        if isinstance(count, Left):
            yield count
            continue
        slice_, usual = _TPU.fullmatch(name), columns["usual_gb"].get(name)
        sizes = [
            float(size) / MIB_PER_GB for size in _MEMORY.findall(row.get(columns["memory"], ""))
        ]
        memory = tuple(dict.fromkeys((*sizes[:1], *(size / count for size in sizes[:1]))))
        memory = memory or ((float(usual),) if usual else ())
        name, count, zone = *_chips(slice_, name, count), row.get(columns["zone"], "")
        part_of = columns["machines"].get(name, {}).get(f"{count:g}")
        machine = row.get(columns["instance"], "") or part_of or ""
        # A row that leaves its machine empty is of accelerators alone.
        is_apart = row.get(columns["instance"]) == "" and not slice_
        for commitment, column in columns["prices"].items():
            usd = _price(row[column], count, line)
            if isinstance(usd, float) and is_apart:
                usd = _with_machine(usd, machines.get((machine, zone)), column, count, line)
            if usd is None or isinstance(usd, Left):
                yield usd or Left(f"no {commitment} price", line)
                continue
            region, place = row.get(columns["region"], ""), f"{machine} {zone}".strip()
            yield Offer(name, memory, usd, count, provider, region, place, commitment, None, line)


def _chips(slice_: re.Match[str] | None, name: str, count: float) -> tuple[str, float]:
    """Return a TPU and its chips of a slice of it; anything else as it is."""
    if slice_ is None:
        return name, count
    cores = formats()["cores_per_chip"].get(slice_[1], 1)
    return f"tpu-{slice_[1]}", count * max(1, int(slice_[2]) / cores)


def _with_machine(
    usd: float, machine: Mapping[str, str] | None, column: str, count: float, line: int
) -> float | Left | None:
    """Return the price of an accelerator with its share of the machine that it is a part of."""
    if machine is None:
        return Left("the price is without the machine, which the list does not have", line)
    host = _price(machine[column], count, line)
    return usd + host if isinstance(host, float) else host


def _gpuhunt(rows: list[tuple[int, dict[str, str]]], provider: str) -> Iterator[Offer | Left]:
    columns = formats()["gpuhunt"]
    for line, row in rows:
        count = _count(row[columns["count"]] or "0", line)
        name = row[columns["accelerator"]].strip()
        if isinstance(count, Left) or not name:
            yield count if isinstance(count, Left) else Left("no accelerator", line)
            continue
        usd = _price(row[columns["price"]], count, line)
        if usd is None or isinstance(usd, Left):
            yield usd or Left("no price", line)
            continue
        is_spot = row.get(columns["spot"], "").strip().lower() == "true"
        try:
            memory: tuple[float, ...] = (float(row.get(columns["memory"], "")),)
        except ValueError:
            memory = ()
        yield Offer(
            name,
            memory,
            usd,
            count,
            row.get(columns["provider"], "") or provider,
            row.get(columns["region"], ""),
            row.get(columns["instance"], ""),
            "spot" if is_spot else "on-demand",
            None,
            line,
        )


def _plain(rows: list[tuple[int, dict[str, str]]], provider: str) -> Iterator[Offer | Left]:
    columns = formats()["plain"]
    for line, row in rows:
        name = row[columns["accelerator"]].strip()
        usd = _price(row[columns["price"]], 1.0, line)
        if not name or usd is None:
            yield Left("no price" if name else "no accelerator", line)
            continue
        if isinstance(usd, Left):
            yield usd
            continue
        commitment = row.get(columns["commitment"], "").strip() or "on-demand"
        if commitment not in COMMITMENTS:
            yield Left(f"the commitment is none of {', '.join(COMMITMENTS)}", line, commitment)
            continue
        day = row.get(columns["date"], "").strip()
        try:
            date = dt.date.fromisoformat(day) if day else None
        except ValueError:
            yield Left("the date is no day, 2025-06-30", line, day)
            continue
        who = row.get(columns["provider"], "").strip() or provider
        region = row.get(columns["region"], "").strip()
        yield Offer(name, (), usd, 1.0, who, region, "", commitment, date, line)


def _once(offers: list[Offer]) -> tuple[list[Offer], list[Left]]:
    """Return each offer once, and rows that say one again; of two prices the first counts."""
    kept: dict[tuple[object, ...], Offer] = {}
    left = []
    for offer in offers:
        key = (*offer[:2], *offer[3:-1])
        first = kept.setdefault(key, offer)
        if first is offer:
            continue
        if first.usd_per_hour == offer.usd_per_hour:
            left.append(Left("the same offer again", offer.line))
        else:
            what = f"{offer.usd_per_hour:g}, and {first.usd_per_hour:g} in line {first.line}"
            left.append(Left("the same offer again at another price", offer.line, what))
    return list(kept.values()), left
