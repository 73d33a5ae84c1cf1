"""The constants of the kernels, each with its unit and its source.

They stand in one table, under the module that uses each and its name there; the documentation
prints all of them. A module reads its own by their full names::

    BYTES_ACROSS = number("serving.BYTES_ACROSS")
"""

from __future__ import annotations

from typing import NamedTuple


class Constant(NamedTuple):
    """A number that kernels use.

    Attributes:
        value: the number.
        unit: its unit.
        what: noun phrase of the quantity.
        source: paper or documentation that the value is from; empty where it is assumed.
        checked: whether the value was compared with its source, or follows from a definition.
    """

    value: float
    unit: str
    what: str
    source: str = ""
    checked: bool = False


DEFINITION = "by definition"

CONSTANTS = {
    "flop.FORWARD_FLOP_PER_PARAMETER": Constant(
        2.0,
        "FLOP a parameter and token",
        "a multiply and an add for each weight that a token meets",
        "Kaplan et al. 2020, arXiv:2001.08361, section 2.1",
        True,
    ),
    "flop.BACKWARD_FLOP_PER_PARAMETER": Constant(
        4.0,
        "FLOP a parameter and token",
        "gradients of the inputs and of the weights, each as large as the forward product",
        "Kaplan et al. 2020, arXiv:2001.08361, section 2.1",
        True,
    ),
    "roofline.RESULT_BYTES": Constant(
        2.0, "B", "an element of a product's result: 16 bits", DEFINITION, True
    ),
    "roofline.TILE_M": Constant(
        128.0,
        "rows",
        "height of the tile of a product that one multiprocessor computes at a time",
    ),
    "roofline.TILE_N": Constant(256.0, "columns", "width of that tile"),
    "layer_time.RECURRENCE_SHARE": Constant(
        1 / 30,
        "share of the dense 16-bit peak",
        "share that recurrences of state-space layers reach",
    ),
    "layer_time.LOGIT_BYTES": Constant(
        10.0,
        "B a token and entry of the vocabulary",
        "traffic of a pass over logits: in 16 bits and in 32, and their softmax in 32",
        "counted: 2 + 4 + 4",
    ),
    "layer_time.ADAPTER_BYTES": Constant(
        2.0,
        "B",
        "an element that an adapter reads, adds and writes: 16 bits",
        DEFINITION,
        True,
    ),
    "layer_time.USUAL_WIDTH": Constant(
        128.0,
        "elements",
        "width of a head that attention's share of the peak is told for",
        DEFINITION,
        True,
    ),
    "layer_time.UNFUSED_BACKWARD": Constant(
        2.0,
        "ratio",
        "work of unfused attention's backward pass over its forward pass: nothing is computed "
        "again",
        DEFINITION,
        True,
    ),
    "layer_time.REPEATED_PRODUCTS": Constant(
        0.4,
        "share of a forward pass's products",
        "products computed again where every second one is, as torchtitan's",
    ),
    "layer_time.SEPARATE_PASSES": Constant(
        4.0,
        "passes",
        "moves of stored scores by kernels of their own that scale and mask them, where none is "
        "fused: each reads and writes",
        "counted: 2 + 2",
    ),
    "layer_time.DROPOUT_PASSES": Constant(
        2.5,
        "passes",
        "moves of stored scores by their dropout: read and written in 16 bits, and a mask of 8",
        "Korthikanti et al. 2022, arXiv:2205.05198, section 4.1 (a mask of one byte)",
        True,
    ),
    "layer_time.DROPOUTS": Constant(
        2.0,
        "dropouts a layer",
        "of the residual stream: after attention and after the feed-forward block",
        "Korthikanti et al. 2022, arXiv:2205.05198, section 4.1",
        True,
    ),
    "layer_time.MASK_BYTES": Constant(
        1.0,
        "B",
        "an element of a dropout's mask, written going forward and read going back",
        "Korthikanti et al. 2022, arXiv:2205.05198, section 4.1",
        True,
    ),
    "layer_time.DROPPED_BYTES": Constant(
        4.0,
        "B",
        "an element that a dropout kernel of its own reads and writes: twice 16 bits",
        "counted: 2 + 2",
    ),
    "communication.ELEMENT_BYTES": Constant(
        2.0,
        "B",
        "an activation's element between ranks: 16 bits",
        DEFINITION,
        True,
    ),
    "communication.HIDING": Constant(
        0.7,
        "share of attention's time",
        "time of attention that a ring of keys and values hides behind",
    ),
    "communication.SENDS_SEEN": Constant(
        0.5,
        "share of the sends",
        "sends between pipeline stages that are waited for while a pipeline is full: plain "
        "schedules wait, interleaved ones overlap them",
    ),
    "optimizers.NEWTON_SCHULZ_STEPS": Constant(
        5.0,
        "iterations",
        "Newton-Schulz iterations of Muon's step",
        "Jordan et al. 2024, Muon",
        True,
    ),
    "memory.ACTIVATION_BYTES": Constant(
        2.0,
        "B",
        "an activation's element kept for the backward pass: 16 bits",
        DEFINITION,
        True,
    ),
    "memory.PREFETCHED": Constant(
        2.0,
        "units of layers",
        "units of a fully sharded model that are gathered at once: the one in use, and the next",
        "Zhao et al. 2023, arXiv:2304.11277",
    ),
    "memory.ON_THE_WAY": Constant(
        2.0,
        "layers",
        "layers whose activations are on the device where they rest on the host: one on its way, "
        "and the one that is computed",
        "double buffering, as torchtune and TRL do with two streams",
    ),
    "memory.UNPACKED_BYTES": Constant(
        2.0,
        "B",
        "a quantised weight as it is multiplied with: 16 bits",
        "Dettmers et al. 2023, arXiv:2305.14314, section 3: computed in bfloat16",
        True,
    ),
    "serving.BYTES_ACROSS": Constant(
        2.0,
        "B",
        "an activation's element between ranks: 16 bits",
        DEFINITION,
        True,
    ),
    "units.SECONDS_PER_HOUR": Constant(3600.0, "s", "seconds of an hour", DEFINITION, True),
    "units.SECONDS_PER_DAY": Constant(86400.0, "s", "seconds of a day", DEFINITION, True),
    "units.SECONDS_PER_YEAR": Constant(
        31557600.0, "s", "seconds of a Julian year of 365.25 days", DEFINITION, True
    ),
    "units.JOULES_PER_KWH": Constant(3.6e6, "J", "joules of a kilowatt-hour", DEFINITION, True),
    "units.JOULES_PER_MWH": Constant(3.6e9, "J", "joules of a megawatt-hour", DEFINITION, True),
    "measure.attention.BACKWARD_TIMES": Constant(
        2.0,
        "ratio",
        "model FLOP of attention's backward pass over the forward's: what fused kernels compute "
        "again is not counted",
        DEFINITION,
        True,
    ),
    "measure.clock.WARM_SHARE": Constant(
        0.3, "share of a measurement's seconds", "time that warming up may take"
    ),
    "measure.buffers.FREE_SHARE": Constant(
        0.6, "share of the free memory", "memory that a measurement's tensors may take"
    ),
    "measure.devices.DEFAULT_CACHE_BYTES": Constant(
        32 * 2**20, "B", "size of the last cache of a device that does not tell it"
    ),
    "measure.devices.MPS_CACHE_BYTES": Constant(
        96 * 2**20,
        "B",
        "system-level cache of the largest Apple chips: no driver tells it",
    ),
    "measure.devices.ROCM_CACHE_BYTES": Constant(
        256 * 2**20,
        "B",
        "memory-side cache of Instinct accelerators; the driver tells a smaller one's size",
        "AMD, CDNA 3 white paper",
    ),
    "measure.devices.BUSY_UTILISATION": Constant(
        0.1, "share of the time", "utilisation of a device above which other work is on it"
    ),
    "measure.devices.LITTLE_FREE": Constant(
        0.2, "share of the memory", "free memory of a device below which other work is on it"
    ),
}
"""Every constant by its full name within the kernels."""


def number(name: str) -> float:
    """The value of a constant.

    Args:
        name: full name, such as ``units.JOULES_PER_KWH``.

    Raises:
        KeyError: there is no constant of the name.
    """
    return CONSTANTS[name].value
