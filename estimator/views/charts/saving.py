"""Charts as files: PNG, SVG, PDF or HTML; an HTML file holds its own scripts, needs no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from computebill.base.errors import RequestError, shown
from computebill.base.writing import replacing

Spec = dict[str, Any]


class ScriptSafeEncoder(json.JSONEncoder):
    """JSON that stays inside its HTML script, whatever the names in it: no ``</script>``."""

    def encode(self, o: Any) -> str:
        """Return JSON with every ``<`` escaped."""
        return super().encode(o).replace("<", "\\u003c")


def _html(spec: Spec) -> bytes:
    chart = alt.Chart.from_dict(spec)
    return str(chart.to_html(inline=True, json_kwds={"cls": ScriptSafeEncoder})).encode()


FORMS: dict[str, Callable[[Spec], bytes]] = {
    "png": lambda spec: bytes(vl_convert.vegalite_to_png(spec, scale=2)),
    "svg": lambda spec: str(vl_convert.vegalite_to_svg(spec)).encode(),
    "pdf": lambda spec: bytes(vl_convert.vegalite_to_pdf(spec)),
    "html": _html,
}


def check_ending(target: Path) -> None:
    """Refuse a file name that is no picture's, before anything is computed.

    Raises:
        RequestError: naming the endings that are allowed.
    """
    if target.suffix.lower().removeprefix(".") not in FORMS:
        allowed = ", ".join(f".{form}" for form in ("png", "svg", "html", "pdf"))
        raise RequestError("--plot", f"got {shown(str(target))}; allowed: {allowed}")


def save(spec: Spec, target: Path) -> None:
    """Write Vega-Lite under its final name in one step, in the form that its ending says."""
    check_ending(target)
    with replacing(target) as temporary:
        temporary.write_bytes(FORMS[target.suffix.lower().removeprefix(".")](spec))
