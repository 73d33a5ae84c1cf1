"""The table of architectures: one entry a ``model_type``.

An entry says where it differs from a Llama: root-mean-square norms before attention and before a
gated feed-forward block, no biases, separate embeddings and head. Its defaults are those that
``transformers`` fills in for fields that makers leave out of ``config.json``; sizes that define
a model have none, and must be there.
"""

from __future__ import annotations

from ..recipes import Family
from .dense import DENSE_DECODERS
from .encoders import OTHERS
from .experts import MIXTURES
from .experts_later import LATER_MIXTURES
from .hybrids import HYBRIDS
from .hybrids_later import LATER_HYBRIDS
from .later import LATER
from .makers import MAKERS
from .older import OLDER

FAMILIES: dict[str, Family] = {
    **OLDER,
    **DENSE_DECODERS,
    **LATER,
    **MIXTURES,
    **LATER_MIXTURES,
    **HYBRIDS,
    **LATER_HYBRIDS,
    **OTHERS,
    **MAKERS,
}
"""Family of each ``model_type``: the recipes by which it is counted."""
