"""The table of architectures: one entry a ``model_type``.

An entry says where it differs from a Llama: root-mean-square norms before attention and before a
gated feed-forward block, no biases, separate embeddings and head. Its defaults are those that
``transformers`` fills in for fields that makers leave out of ``config.json``; sizes that define
a model have none, and must be there.
"""

from __future__ import annotations

from .families_dense import DENSE_DECODERS
from .families_encoders import OTHERS
from .families_experts import MIXTURES
from .families_experts_later import LATER_MIXTURES
from .families_hybrids import HYBRIDS
from .families_hybrids_later import LATER_HYBRIDS
from .families_later import LATER
from .families_makers import MAKERS
from .families_older import OLDER
from .recipes import Family

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
