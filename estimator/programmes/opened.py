"""Shipped programmes as opened bars: final runs, each kind of the rest, what nothing explains."""

from __future__ import annotations

from typing import Any

from computebill.uncertainty.draws import settings

from .comparison import ask
from .exploration import split_rest
from .loading import shipped_programmes
from .spec import BASE_VARIANT, Grade

SAMPLES = 4096
"""Draws of each; a bar is of means."""


def opened_bars(grade: Grade = "B") -> list[dict[str, Any]]:
    """Return the shares of R&D compute of shipped programmes by kind, means, as JSON has them.

    Those whose final runs have no published size, or whose parts never fit, are left out.

    Args:
        grade: the worst that is taken.
    """
    chosen = settings(SAMPLES, device="cpu")
    found = []
    for name in shipped_programmes(grade):
        asked = ask(name, BASE_VARIANT, chosen, ())
        rest = split_rest(asked.compiled, asked.loaded, chosen)
        if not (rest.final_share.is_known and rest.unexplained_share.is_known):
            continue
        parts = {"final runs": rest.final_share.mean}
        parts |= {each.kind: each.share.mean for each in rest.kinds}
        parts["unexplained"] = rest.unexplained_share.mean
        programme = asked.loaded.programme
        found.append({"title": programme.title, "programme": name, "parts": parts})
    return sorted(found, key=lambda each: float(each["parts"]["final runs"]))
