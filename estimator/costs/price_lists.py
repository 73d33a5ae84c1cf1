"""What a price list says that an hour of an accelerator costs: one price, or a distribution."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from computebill.base.assumptions import Assumption
from computebill.base.errors import RequestError, shown
from computebill.base.quantity import Quantity, constant, from_table, number_text
from computebill.base.specfile import is_folder
from computebill.hardware.accelerators import Accelerator, accelerators_named, find_accelerator
from computebill.hardware.names import compact

from .price_rows import DAY, Left, Offer, formats, read_offers
from .prices import PROVIDER_NAMES

MEMORY_APART = 0.1
"""Share by which the memory that a list tells may differ from the profile's: drivers tell less."""

PLACEHOLDER = 10.0
"""Times the middle price of a part: a price above it stands for none. Google Cloud's TPUs that
nobody can have are listed at 700 USD."""

MOST_NAMED = 4
"""Values of a kind that are named where rows were left out."""


@dataclass(frozen=True)
class Asked:
    """Which prices of a list are meant.

    Attributes:
        commitment: on-demand, 1y, 3y or spot.
        provider: whose; all of them where None.
        region: where; everywhere where None.
        date: day of the prices; the newest where None.
    """

    commitment: str = "on-demand"
    provider: str | None = None
    region: str | None = None
    date: dt.date | None = None


@dataclass(frozen=True)
class Listed:
    """What a list says of an accelerator.

    Attributes:
        values: prices that stand for it, ascending: one a provider, or of one provider one a
            region [USD/h].
        source: list, commitment, who, where and the day.
        left_out: rows that say nothing of any price, told as one assumption.
    """

    values: tuple[float, ...]
    source: str
    left_out: Assumption | None = field(default=None)

    @property
    def quantity(self) -> Quantity:
        """The price: a number, or the distribution of several."""
        if self.values[0] == self.values[-1]:
            return constant(self.values[0])
        low, high = (number_text(end, 4) for end in (self.values[0], self.values[-1]))
        return from_table(self.values, f"{low}–{high} ({len(self.values)} prices)")

    @property
    def as_field(self) -> float | dict[str, float]:
        """The price as a spec's field has it: a number, or p10, p50 and p90."""
        if self.values[0] == self.values[-1]:
            return self.values[0]
        tenths = quantiles(self.values, n=10, method="inclusive")
        return {"p10": tenths[0], "p50": tenths[4], "p90": tenths[8]}


class _List(NamedTuple):
    """A list as read."""

    offers: tuple[Offer, ...]
    left: tuple[Left, ...]
    rows: int


def listed_price(path: str | Path, accelerator: Accelerator, asked: Asked) -> Listed:
    """Return what a price list says of an accelerator.

    One price stands for a provider and a region: the middle one of its machines with most
    accelerators. Of several providers, one price each, the middle one of its regions.

    Args:
        path: a CSV, or a folder of them: SkyPilot's catalogue, with a folder a cloud, or gpuhunt's.
        accelerator: whose price.
        asked: which of its prices.

    Raises:
        RequestError: naming the file, and what it has in place of what was asked for.
    """
    files = _files(Path(path))
    lists = [_read(file, _stamp(file)) for file in files]
    of_part = [offer for each in lists for offer in each.offers if _means(offer, accelerator)]
    told = _told_left(lists, len(files), path)
    if not of_part:
        why = f"; {told.value}: {told.source}" if told else ""
        raise RequestError("prices", f"{shown(str(path))} has no price of {accelerator.name}{why}")
    chosen = _narrowed(of_part, asked, accelerator, path)
    chosen, day = _of_day(chosen, asked, files)
    places = _one_a_place(_without_placeholders(chosen))
    providers = sorted({provider for provider, _ in places})
    if len(providers) > 1:
        of_each = [[usd for (who, _), usd in places.items() if who == name] for name in providers]
        values, who = [_middle(each) for each in of_each], f"{len(providers)} providers"
        who += f" ({', '.join(providers)})" if len(providers) <= MOST_NAMED else ""
    else:
        values = list(places.values())
        regions = [region for _, region in places if region]
        where = regions[0] if len(regions) == 1 else f"{len(regions)} regions"
        who = f"{where} of {providers[0]}" if regions else providers[0]
    spot = "; interruptions are not in it" if asked.commitment == "spot" else ""
    source = f"{Path(path).name}: {asked.commitment}, {who}, {day}{spot}"
    return Listed(tuple(sorted(values)), source, told)


def _files(path: Path) -> list[Path]:
    if not is_folder(path):
        return [path]
    found = sorted(path.glob("*/vms.csv")) or sorted(path.glob("*.csv"))
    if not found:
        raise RequestError("prices", f"{shown(str(path))} has no price list, NAME.csv or */vms.csv")
    return found


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes with a file's text."""
    try:
        stat = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError("prices", f"{shown(str(path))} cannot be read: {reason}") from None
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=64)
def _read(path: Path, stamp: tuple[int, int]) -> _List:
    offers, left, rows = read_offers(path)
    known = {key: _profile(*key) for key in {(offer.name, offer.memory_gb) for offer in offers}}
    strange = [
        Left(why, offer.line, offer.name)
        for offer in offers
        if (why := known[offer.name, offer.memory_gb][1])
    ]
    return _List(tuple(offers), (*left, *strange), rows)


@lru_cache(maxsize=4096)
def _profile(name: str, memory_gb: tuple[float, ...]) -> tuple[str | None, str]:
    """Return the profile that a list's name and memory mean, or why there is none."""
    spelled = formats()["names"].get(name.removeprefix("tpu-"), name)
    named = accelerators_named(spelled)
    if not named:
        return None, "not a known accelerator"
    if not memory_gb:
        try:
            return find_accelerator(spelled).name, ""
        except RequestError:
            return None, "names more than one accelerator"
    found = []
    for size in memory_gb:
        fits = [each for each in named if abs(size / each.memory_gb.value - 1) < MEMORY_APART]
        modules = [each for each in fits if "sxm" in each.form_factor.lower()]
        found += modules if len(modules) == 1 else fits
    names = {each.name for each in found}
    if len(names) == 1:
        return names.pop(), ""
    why = "names more than one accelerator" if names else "no accelerator of its name and memory"
    return None, why


def _means(offer: Offer, accelerator: Accelerator) -> bool:
    """Whether an offer is of an accelerator; a profile of one's own goes by its own names."""
    if _profile(offer.name, offer.memory_gb)[0] == accelerator.name:
        return True
    own = (accelerator.name, accelerator.title, *accelerator.aliases)
    return not offer.memory_gb and compact(offer.name) in {compact(each) for each in own}


def _narrowed(
    offers: list[Offer], asked: Asked, accelerator: Accelerator, path: str | Path
) -> list[Offer]:
    """Return the offers of a commitment, a provider, a region.

    Raises:
        RequestError: naming the first that none has, and what they have.
    """
    rules: list[tuple[str, str | None, Callable[[Offer], str], Callable[[str], str]]] = [
        ("commitment", asked.commitment, lambda each: each.commitment, str),
        ("provider", asked.provider, lambda each: each.provider, _provider_key),
        ("region", asked.region, lambda each: each.region, compact),
    ]
    for name, wanted, value_of, key in rules:
        if wanted is None:
            continue
        kept = [each for each in offers if key(value_of(each)) == key(wanted)]
        if not kept:
            has = ", ".join(sorted({value_of(each) or "none named" for each in offers}))
            raise RequestError(
                name,
                f"got {shown(wanted)}; of {accelerator.name} {shown(str(path))} has: {has}",
            )
        offers = kept
    return offers


def _provider_key(name: str) -> str:
    return compact(PROVIDER_NAMES.get(compact(name), name))


def _of_day(offers: list[Offer], asked: Asked, files: Sequence[Path]) -> tuple[list[Offer], str]:
    """Return offers of the day nearest to the one asked for, and the day, with its source."""
    dated = [each for each in offers if each.date is not None]
    if not dated:
        return offers, _day_of(files, asked.date)
    chosen: list[Offer] = []
    for place in {(each.provider, each.region) for each in dated}:
        here = [each for each in dated if (each.provider, each.region) == place]
        days = [each.date for each in here if each.date is not None]
        before = [day for day in days if asked.date is None or day <= asked.date]
        day = max(before) if before else min(days)
        chosen += [each for each in here if each.date == day]
    days = sorted({each.date for each in chosen if each.date is not None})
    told = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return chosen, told


def _day_of(files: Sequence[Path], given: dt.date | None) -> str:
    """Return the day of lists without a column of days, and who says so."""
    for text in (files[0].name, *(each.name for each in files[0].absolute().parents[:2])):
        for year, month, day in DAY.findall(text):
            try:
                return f"{dt.date(int(year), int(month), int(day))} by its name"
            except ValueError:
                continue
    if given is not None:
        return f"{given}, as given"
    newest = max(file.stat().st_mtime for file in files)
    day = dt.datetime.fromtimestamp(newest, dt.UTC).date()
    return f"{day}, when the file was last written: assumed"


def _without_placeholders(offers: list[Offer]) -> list[Offer]:
    most = PLACEHOLDER * _middle([each.usd_per_hour for each in offers])
    return [each for each in offers if each.usd_per_hour <= most]


def _one_a_place(offers: Iterable[Offer]) -> dict[tuple[str, str], float]:
    """Return one price a provider and region: the middle of its machines with most accelerators."""
    groups: dict[tuple[str, str], list[Offer]] = {}
    for offer in offers:
        groups.setdefault((offer.provider, offer.region), []).append(offer)
    found = {}
    for place, group in groups.items():
        most = max(each.chips for each in group)
        found[place] = _middle([each.usd_per_hour for each in group if each.chips == most])
    return found


def _middle(values: Sequence[float]) -> float:
    """Return the median, the lower one of two: a price that somebody does ask."""
    return sorted(values)[(len(values) - 1) // 2]


def _told_left(lists: Sequence[_List], files: int, path: str | Path) -> Assumption | None:
    """Return what was not read of lists, reason by reason; None where everything was."""
    left = [each for one in lists for each in one.left]
    if not left:
        return None
    told = []
    for why, times in Counter(each.why for each in left).most_common():
        rows = [each for each in left if each.why == why]
        named = list(dict.fromkeys(each.what for each in rows if each.what))
        lines = [f"line {each.line}" for each in rows[:MOST_NAMED]] if files == 1 else []
        which = [shown(each, 40) for each in named[:MOST_NAMED]] or lines
        if named and files == 1 and times <= MOST_NAMED:
            which = [f"{shown(each.what, 40)} in line {each.line}" for each in rows]
        more = ", …" if len(which) < (len(named) or times) else ""
        told.append(f"{why} {times:,}" + (f" ({', '.join(which)}{more})" if which else ""))
    total = sum(each.rows for each in lists)
    value = f"{len(left):,} entries of {total:,} rows"
    return Assumption(f"not read of {Path(path).name}", value, "; ".join(told))
