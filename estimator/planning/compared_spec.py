"""Clusters and markets side by side: a plan for each, of what they share and what each says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import Field, model_validator

from computebill.base.changes import read_change, set_in
from computebill.base.errors import RequestError, shown
from computebill.base.quantity import Number
from computebill.base.specfile import Name, Spec, as_data, validate
from computebill.costs.fields import Day, Prices
from computebill.costs.prices import Commitment
from computebill.costs.spot_rates import published_rates
from computebill.runs.spec import fields_of_file

from .fields import Rates
from .spec import PlanSpec, plan_of

if TYPE_CHECKING:
    from computebill.training.launched import Launched

MARKETS = get_args(Commitment)
SPOT = "spot"

OF_CLUSTER = (
    "accelerator", "count", "max_gpus", "node_network", "power_limit", "precision", "price",
    "provider", "commitment", "prices", "region", "date", "failures_per_gpu_day",
    "checkpoint_seconds", "restart_seconds", "interruptions_per_gpu_day", "goodput",
)  # fmt: skip
"""Fields of a plan that a cluster may have of its own."""

BESIDE = ("cluster", "market", "deadline")
"""What tells a comparison from one plan."""

MOST_WAYS = 32


class Market(Spec):
    """What is a market's own.

    Attributes:
        price: USD per accelerator-hour, of all or by accelerator.
        provider: whose list price.
        prices: a price list in place of the profiles'.
        region: of its offers that count.
        date: of the prices.
        interruptions_per_gpu_day: how often machines are taken away; or the name of a rate that
            was published.
    """

    price: Prices | None = None
    provider: str | None = None
    prices: str | None = None
    region: str | None = None
    date: Day | None = None
    interruptions_per_gpu_day: Rates | None = None


class PlanFile(PlanSpec):
    """What a file of clusters or markets may hold: a plan's fields, and theirs.

    Attributes:
        market: markets by name: on-demand, 1y, 3y, spot.
        cluster: clusters, each with a name and fields of its own.
        deadline: days by which the run is to be done.
    """

    market: dict[str, Market] = Field(default_factory=dict)
    cluster: tuple[dict[str, Any], ...] = ()
    deadline: Number | None = None


class Way(Spec):
    """One plan of several.

    Attributes:
        cluster: its name; empty where there is one.
        market: its name; empty where none is named.
        plan: what is searched.
    """

    cluster: str = ""
    market: str = ""
    plan: PlanSpec

    @property
    def label(self) -> str:
        """Cluster and market, in words."""
        return ", ".join(filter(None, (self.cluster, self.market))) or "as given"


class ComparedSpec(Spec):
    """Plans side by side.

    Attributes:
        name: for people.
        deadline: days by which the run is to be done.
        ways: the plans.
    """

    name: Name = "plan"
    deadline: Number | None = None
    ways: Annotated[tuple[Way, ...], Field(min_length=1, max_length=MOST_WAYS)]

    @model_validator(mode="after")
    def _consistent(self) -> ComparedSpec:
        if self.deadline is not None and self.deadline <= 0:
            raise ValueError(f"deadline: got {self.deadline:g}; allowed: days, above 0")
        for label, times in Counter(each.label for each in self.ways).items():
            if times > 1:
                raise ValueError(f"cluster: the name {shown(label)} is given twice; allowed: once")
        return self


def is_compared(data: Mapping[str, Any], clusters: Sequence[Path] = ()) -> bool:
    """Whether fields are of plans side by side, or ask for odds by a day."""
    return bool(clusters) or any(name in data for name in BESIDE)


def compared_spec(
    path: Path | None,
    flags: Mapping[str, Any],
    layout: Mapping[str, Any] | None = None,
    changes: Sequence[str] = (),
    launch: Launched | None = None,
    clusters: Sequence[Path] = (),
) -> ComparedSpec:
    """Return the plans that a file and files of clusters describe, flags going before them.

    Args:
        path: a TOML file; its model is looked for beside it.
        flags: fields of a plan, ``market`` and ``deadline``.
        layout: fields of the layout that no choice decides.
        changes: of the file's data by their paths.
        launch: launch files, which the file and the flags go before.
        clusters: a TOML file each.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    data = {} if path is None else fields_of_file(path)
    for text in changes:
        set_in(data, read_change(text), PlanFile)
    tables = [table for each in clusters for table in _clusters([_of_file(each)], str(each))]
    files = () if path is None else (str(path),)
    asked = _Asked(data, dict(flags), dict(layout or {}), launch, files)
    return asked.compared(tables, ", ".join(map(str, filter(None, (path, *clusters)))))


def _of_file(path: Path) -> dict[str, Any]:
    return {"name": path.stem, **fields_of_file(path)}


def read_compared(spec: ComparedSpec | str | Path | Mapping[str, Any]) -> ComparedSpec:
    """Return plans side by side as described.

    Args:
        spec: a ComparedSpec, a TOML file, or a mapping of a plan's fields with ``cluster``,
            ``market`` or ``deadline``.

    Raises:
        RequestError: naming the field, or the file and its field.
    """
    if isinstance(spec, ComparedSpec):
        return spec
    if isinstance(spec, str | Path):
        return compared_spec(Path(spec), {})
    return _Asked(dict(spec), {}, {}, None, ()).compared([], "plan")


def _clusters(tables: object, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield clusters with their names, each with fields of its own alone.

    Raises:
        RequestError: naming the field that a cluster has no use for.
    """
    if not isinstance(tables, list | tuple) or not all(isinstance(e, Mapping) for e in tables):
        raise RequestError(name, f"got {shown(tables)}; allowed: [[cluster]] tables")
    for place, table in enumerate(tables):
        fields = {str(key): value for key, value in table.items() if key != "name"}
        for key in fields:
            if key not in OF_CLUSTER:
                allowed = f"name, {', '.join(OF_CLUSTER)}"
                raise RequestError(
                    f"{name}: {key}", f"is no field of a cluster; allowed: {allowed}"
                )
        usual = fields.get("accelerator", f"cluster {place + 1}")
        yield str(table.get("name") or usual), fields


def _markets(given: object) -> dict[str, dict[str, Any]]:
    """Return markets by name with what is their own.

    Raises:
        RequestError: naming the market.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        given = [each.strip() for each in given.split(",")]
    if isinstance(given, list | tuple):
        given = {str(each): {} for each in given}
    if not isinstance(given, Mapping) or not given:
        raise RequestError("market", f"got {shown(given)}; allowed: {', '.join(MARKETS)}")
    found = {}
    for market, fields in given.items():
        if market not in MARKETS:
            raise RequestError("market", f"got {shown(market)}; allowed: {', '.join(MARKETS)}")
        read = validate(Market, fields, f"market.{market}")
        found[str(market)] = as_data(read)
    return found


class _Asked:
    """What describes the plans, in the order in which each takes it."""

    def __init__(
        self,
        data: dict[str, Any],
        flags: dict[str, Any],
        layout: dict[str, Any],
        launch: Launched | None,
        files: tuple[str, ...],
    ) -> None:
        self._data, self._flags, self._layout = data, flags, layout
        self._launch, self._files = launch, files

    def compared(self, tables: list[tuple[str, dict[str, Any]]], name: str) -> ComparedSpec:
        """Return the plans of all clusters on all markets.

        Args:
            tables: clusters of files, beside those of the data.
            name: of what is described, in messages.

        Raises:
            RequestError: naming the flag, or the file and its field.
        """
        data, flags = self._data, self._flags
        own = [*_clusters(data.pop("cluster", ()), "cluster"), *tables]
        given = {key: flags.pop(key, data.pop(key, None)) for key in ("deadline", "market")}
        markets = _markets(given["market"])
        ways = [
            Way(cluster=cluster, market=market, plan=plan)
            for cluster, fields in own or [("", {})]
            for market, plan in self.plans(fields, markets, cluster)
        ]
        whole = {"name": ways[0].plan.name, "ways": ways, "deadline": given["deadline"]}
        return validate(ComparedSpec, whole, name or "plan", ("deadline",))

    def plans(
        self, cluster: Mapping[str, Any], markets: Mapping[str, Mapping[str, Any]], name: str
    ) -> Iterator[tuple[str, PlanSpec]]:
        """Yield the plans of a cluster, one a market, each with its market's name.

        Raises:
            RequestError: naming the flag, or the file and its field.
        """
        data = {**_without(self._data, cluster), **cluster}
        for market, own in (markets or {"": {}}).items():
            flags = dict(self._flags)
            given = self._of_market(deepcopy(data), flags, market, own) if market else data
            try:
                plan = plan_of(dict(given), flags, self._layout, self._launch, self._files)
            except RequestError as error:
                raise error.within(name) if name else error from None
            if market == SPOT and plan.interruptions_per_gpu_day is None and plan.goodput is None:
                raise RequestError(
                    "market.spot.interruptions_per_gpu_day",
                    "is missing: machines of spot are taken away; give how often, of a GPU and "
                    "day, --interruptions-per-gpu-day 0.0125 (a machine of 8 once in ten days), "
                    f"or one that was published: {', '.join(published_rates())}",
                )
            yield market, plan

    def _of_market(
        self,
        data: dict[str, Any],
        flags: dict[str, Any],
        market: str,
        own: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the fields of a plan on one market; flags lose what is of other markets.

        A price alone is that of on-demand, and interruptions are of spot.
        """
        if market != SPOT:
            flags.pop("interruptions_per_gpu_day", None)
            data.pop("interruptions_per_gpu_day", None)
        priced = flags if "price" in flags else data
        price = _by_market(priced.pop("price", None))
        if isinstance(price, Mapping) and set(price) <= set(MARKETS):
            price = price.get(market)
        elif market != "on-demand" and price is not None and not _has_price(own):
            raise RequestError(
                f"market.{market}.price",
                f"is missing: a price alone is that of on-demand; give {market}=1.2 with it",
            )
        found = {**_without(data, own), **own}
        if not _has_price(own):
            found |= {"commitment": market} if price is None else {"price": price}
        elif "price" not in own:
            found["commitment"] = market
        if "price" in found:
            for key in ("provider", "commitment", "prices", "region"):
                found.pop(key, None)
                flags.pop(key, None)
        return found


def _by_market(price: object) -> object:
    """Read ``on-demand=2.5,spot=1.1`` as a price of each."""
    if isinstance(price, str) and "=" in price:
        parts = [part.partition("=") for part in price.split(",")]
        return {name.strip(): text.strip() for name, _, text in parts}
    return price


def _has_price(own: Mapping[str, Any]) -> bool:
    return any(key in own for key in ("price", "provider", "prices"))


def _without(data: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return data without what a cluster or market says in another way."""
    aside: dict[str, tuple[str, ...]] = {"count": ("max_gpus",), "max_gpus": ("count",)}
    aside |= {"price": ("provider", "commitment", "prices", "region"), "goodput": LOSES}
    aside |= dict.fromkeys(("provider", "commitment", "prices", "region"), ("price",))
    gone = {each for key in own for each in aside.get(key, ())}
    return {key: value for key, value in data.items() if key not in gone}


LOSES = (
    "failures_per_gpu_day", "checkpoint_seconds", "restart_seconds", "interruptions_per_gpu_day",
)  # fmt: skip
"""Fields that a share of the time that trains is given in place of."""
