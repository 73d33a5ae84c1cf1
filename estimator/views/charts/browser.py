"""What draws charts in a browser, without a network."""

from __future__ import annotations

from functools import cache
from importlib import resources

import vl_convert


@cache
def vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # Nothing inside may end the script, or begin one within it; its names are its own.
    script = script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return f"(() => {{{script}\n}})();"


@cache
def fitting() -> str:
    """Return what draws a chart in the width that it has, by Vega."""
    return resources.files(__package__).joinpath("charts.js").read_text(encoding="utf-8")
