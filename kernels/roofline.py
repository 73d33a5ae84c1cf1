"""Time of the parts of a layer on one accelerator: products, attention, element-wise traffic.

References:
    Williams et al. 2009, "Roofline", Communications of the ACM 52 (4).
    NVIDIA, "Matrix Multiplication Background User's Guide" (tile and wave quantization).
    Dao 2023, "FlashAttention-2", arXiv 2307.08691, section 3.1 (2.5 times the work backward).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .constants import number

TILE_M = number("roofline.TILE_M")
"""Height of the tile of a product that one multiprocessor computes at a time [rows]."""

TILE_N = number("roofline.TILE_N")
"""Width of that tile [columns]."""


def quantised(m: Tensor, n: Tensor, units: Tensor, harshness: Tensor) -> Tensor:
    r"""Work that a product of :math:`m \times n` outputs takes, over what it needs.

    Outputs are computed in whole tiles, and tiles in whole waves over all multiprocessors. A
    kernel may choose another tile, or split the inner size, so that a wave that is not full
    costs only a part (``harshness``) of what it would. A CPU's libraries cut tiles to size: there,
    a product takes what it needs.

    Args:
        m: rows; any shape, as all that follow.
        n: columns.
        units: number of multiprocessors; 0 of a CPU.
        harshness: 0 where partial waves cost nothing, 1 where they cost a whole one.
    """
    rows = torch.ceil(m / TILE_M) * TILE_M / m
    columns = torch.ceil(n / TILE_N) * TILE_N / n
    tiles = torch.ceil(m / TILE_M) * torch.ceil(n / TILE_N)
    there = units.clamp_min(1.0)
    waves = torch.ceil(tiles / there) * there / tiles
    # Small products take smaller tiles: no more than twice the work.
    padding = (rows * columns).clamp_max(2.0)
    wasted = padding * (1.0 + harshness * (waves.clamp_max(4.0) - 1.0))
    return torch.where(units > 0, wasted, 1.0)


class ProductShape(NamedTuple):
    """Matrix products of one size; every field broadcasts with the others.

    Attributes:
        m: rows of the result.
        n: columns of the result.
        k: inner size.
        copies: how many such products.
    """

    m: Tensor
    n: Tensor
    k: Tensor
    copies: Tensor


class ProductRate(NamedTuple):
    """What matrix products reach; every field broadcasts with a shape's.

    Attributes:
        flop_per_s: speed that a large product reaches [FLOP/s].
        half_k: inner size at which half of it is reached [elements].
        bytes_per_s: bandwidth of memory [B/s].
        units: number of multiprocessors; 0 of a CPU.
        harshness: cost of a partial wave of tiles, as a share of a full one, 0 to 1.
        element_bytes: size of an element of an operand [B].
    """

    flop_per_s: Tensor
    half_k: Tensor
    bytes_per_s: Tensor
    units: Tensor
    harshness: Tensor
    element_bytes: Tensor


def product_seconds(shape: ProductShape, rate: ProductRate) -> Tensor:
    r"""Time of matrix products :math:`m \times k \times n`.

    Compute: :math:`2 m n k / (F \cdot k / (k + k_0))`, times what tiles and waves waste; memory:
    operands and result once. The slower of both counts, with a soft corner.

    Args:
        shape: shape of the products, and how many.
        rate: what they reach.

    Returns:
        seconds of all of them; 0 where a size is.
    """
    m, n, k, copies = shape
    rows, columns, inner = (torch.where(size > 0, size, 1.0) for size in (m, n, k))
    compute = 2.0 * rows * columns * (inner + rate.half_k) / rate.flop_per_s
    compute = compute * quantised(rows, columns, rate.units, rate.harshness)
    traffic = (rows * inner + inner * columns) * rate.element_bytes + 2.0 * rows * columns
    memory = traffic / rate.bytes_per_s
    slower = (compute**4 + memory**4) ** 0.25
    return torch.where((m > 0) & (n > 0) & (k > 0), slower * copies, 0.0)
