"""What draws charts in a browser."""

from __future__ import annotations

from computebill.views.charts import browser


def test_the_bundle_can_stand_in_a_page() -> None:
    script = browser.vega()
    assert "</script" not in script
    assert "<!--" not in script
    # Its names are its own: none of them meets one of the page.
    assert script.startswith("(() => {")
    assert script.endswith("})();")
    assert script.count("window.vegaEmbed=") == 1


def test_what_fits_a_chart_asks_nobody() -> None:
    script = browser.fitting()
    assert "vegaEmbed(" in script
    assert not [word for word in ("http", "fetch(", "eval(", "innerHTML") if word in script]
