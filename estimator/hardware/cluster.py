"""What a user's cluster has beside its chips: the network of a node, a limit of power."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from computebill.base.errors import RequestError, shown
from computebill.base.quantity import parse_number

from .accelerators import Accelerator
from .figures import Figure, Source

NODE_NETWORK = "node-network"
"""Key of the user's network among a profile's sources."""

POWER_LIMIT = "power-limit"
"""Key of the user's limit among a profile's sources."""

GIGABYTES = {"gbit": 1 / 8, "tbit": 1e3 / 8, "gbyte": 1.0, "tbyte": 1e3}
"""A unit of a node's network [GB/s]."""

_NETWORK = re.compile(r"([0-9][0-9_.e+]*)\s*(gbit|tbit|gbyte|tbyte)(?:/s)?", re.IGNORECASE)
_WATTS = re.compile(r"(.*?)\s*(k?)w", re.IGNORECASE)


def _network(value: object) -> float:
    """Read ``800gbit``, ``3.2tbit`` or ``100gbyte`` a second, as GB/s."""
    match = _NETWORK.fullmatch(str(value).strip())
    number = parse_number(match[1]) * GIGABYTES[match[2].lower()] if match else 0.0
    if match is None or not 1e-3 <= number <= 1e6:
        raise ValueError(
            f"got {shown(value)}; allowed: a bandwidth a direction with its unit, 800gbit or "
            "100gbyte, above 0"
        )
    return number


def _watts(value: object) -> float:
    """Read ``500``, ``500W`` or ``0.5kW`` as watts."""
    match = _WATTS.fullmatch(value.strip()) if isinstance(value, str) else None
    number = parse_number(match[1] if match else value)
    number *= 1e3 if match and match[2] else 1.0
    if number < 1:
        raise ValueError(f"got {shown(value)}; allowed: watts, 1 or more: 500 or 500W")
    return number


NodeNetwork = Annotated[
    float, BeforeValidator(_network), PlainSerializer(lambda value: f"{value:.15g}gbyte")
]
"""Bandwidth of a node's network [GB/s a direction], from text with its unit."""

LEAST_POWER = 0.25
"""Of a part's own power: limits that drivers take end at 100 to 200 W of 400 to 700 W
(nvidia-smi's "Min Power Limit"; not checked part by part)."""

PowerLimit = Annotated[float, BeforeValidator(_watts)]
"""Power that a chip may take [W]."""


def in_cluster(
    accelerator: Accelerator, node_network: float | None = None, power_limit: float | None = None
) -> Accelerator:
    """Return an accelerator as a user's cluster has it.

    Args:
        accelerator: as its vendor sells it.
        node_network: bandwidth from a node to the others [GB/s a direction]; its chips share it.
        power_limit: power that a chip may take [W].

    Raises:
        RequestError: where the limit is above the part's own power, or the profile does not know
            that or the chips of a node.
    """
    if node_network is not None:
        accelerator = _on_network(accelerator, node_network)
    if power_limit is not None:
        accelerator = _limited(accelerator, power_limit)
    return accelerator


def _on_network(accelerator: Accelerator, node_network: float) -> Accelerator:
    if accelerator.node_size is None:
        raise RequestError(
            "node_network",
            f"the profile of {accelerator.name} does not know how many chips a node has; allowed: "
            "with a profile of your own that has node_size",
        )
    chips = accelerator.node_size.value
    across = accelerator.links.across.model_copy(
        update={"bandwidth_gb_s": Figure(value=node_network / chips, source=NODE_NETWORK)}
    )
    title = f"given: {node_network * 8:g} Gb/s a node of {chips:g}"
    return accelerator.model_copy(
        update={
            "links": accelerator.links.model_copy(update={"across": across}),
            "sources": {**accelerator.sources, NODE_NETWORK: _source(title)},
        }
    )


def _limited(accelerator: Accelerator, power_limit: float) -> Accelerator:
    power = accelerator.power
    if power.chip_watt is None:
        raise RequestError(
            "power_limit",
            f"the profile of {accelerator.name} does not know its power; allowed: with a profile "
            "of your own that has power.chip_watt",
        )
    if power_limit > power.chip_watt.value:
        raise RequestError(
            "power_limit",
            f"got {power_limit:g} W; allowed: up to the {power.chip_watt.value:g} W of "
            f"{accelerator.name}",
        )
    if power_limit < LEAST_POWER * power.chip_watt.value:
        least = LEAST_POWER * power.chip_watt.value
        raise RequestError(
            "power_limit",
            f"got {power_limit:g} W; allowed: from {least:g} W, a quarter of what "
            f"{accelerator.name} takes, as parts cannot be set lower",
        )
    limited = {
        "chip_watt": Figure(value=power_limit, source=POWER_LIMIT),
        "peak_watt": power.peak_watt or power.chip_watt,
        # The rest of a server takes what it took.
        "server_watt_per_chip": power.server_watt_per_chip
        and power.server_watt_per_chip.model_copy(
            update={"value": power.server_watt_per_chip.value - power.chip_watt.value + power_limit}
        ),
    }
    return accelerator.model_copy(
        update={
            "power": power.model_copy(update=limited),
            "sources": {**accelerator.sources, POWER_LIMIT: _source("given")},
        }
    )


def _source(title: str) -> Source:
    return Source(title=title, licence="none")
