"""The saved page in a real browser: offline, no errors, charts drawn, keys and zoom."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from computebill.views.report import page, reports_of

Results = dict[str, dict[str, Any]]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # As root, as in a container, chromium runs only without its sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def saved(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "all.html"
    reports = reports_of([(name, each) for name, each in results.items()])
    path.write_text(page.render(reports), encoding="utf-8")
    return path


def opened(browser: Any, path: Path, **options: Any) -> tuple[Any, list[str], list[str]]:
    context = browser.new_context(offline=True, **options)
    shown = context.new_page()
    problems: list[str] = []
    asked: list[str] = []
    shown.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    shown.on("pageerror", lambda error: problems.append(str(error)))
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(path.as_uri())
    if options.get("java_script_enabled", True):
        shown.wait_for_selector("html[data-drawn=yes]", timeout=60_000)
    return shown, problems, asked


@pytest.mark.parametrize(
    ("width", "scheme"), [(1200, "light"), (1200, "dark"), (400, "light")], ids=str
)
def test_it_opens_offline_without_a_word(
    browser: Any, saved: Path, width: int, scheme: str
) -> None:
    size = {"width": width, "height": 800}
    shown, problems, asked = opened(browser, saved, viewport=size, color_scheme=scheme)
    assert problems == []
    assert asked == [saved.as_uri()]
    charts = shown.locator(".chart")
    assert charts.count() > 20
    assert shown.locator(".chart svg.marks[role=img][aria-label]").count() == charts.count()
    # Nothing but tables and commands is wider than the page.
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    ink = shown.evaluate("getComputedStyle(document.body).color")
    label = shown.locator(".chart svg.marks text").first
    assert label.evaluate("each => getComputedStyle(each).fill") == ink


def test_hover_zoom_legend_and_keys(browser: Any, results: Results, tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    path.write_text(page.render(reports_of([("x", results["plan"])])), encoding="utf-8")
    shown, problems, _ = opened(browser, path)
    chart = shown.locator(".chart").first
    chart.scroll_into_view_if_needed()
    chart.locator("path[aria-roledescription=point]").first.hover(force=True)
    tooltip = shown.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert "days" in tooltip.inner_text()
    before = chart.locator(".role-axis-label").all_text_contents()
    box = chart.bounding_box()
    shown.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shown.keyboard.down("Control")
    shown.mouse.wheel(0, -600)
    shown.keyboard.up("Control")
    shown.wait_for_timeout(200)
    assert chart.locator(".role-axis-label").all_text_contents() != before
    shown.keyboard.press("Home")
    reached = []
    shown.locator("body").evaluate("each => each.focus()")
    for _ in range(12):
        shown.keyboard.press("Tab")
        reached.append(
            shown.evaluate("document.activeElement.className || document.activeElement.tagName")
        )
    assert reached[0] == "skip"
    assert "BUTTON" in reached
    assert "SUMMARY" in reached
    assert problems == []


def test_keys_zoom_and_choose(browser: Any, results: Results, tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    path.write_text(page.render(reports_of([("x", results["plan"])])), encoding="utf-8")
    shown, problems, _ = opened(browser, path)
    chart = shown.locator(".chart").first
    assert chart.locator("summary").get_attribute("aria-label") == "Save this chart"
    ticks = chart.locator(".role-axis-label text")
    whole = sorted(ticks.all_text_contents())
    shown.get_by_role("button", name="Zoom in").press("Enter")
    shown.wait_for_timeout(200)
    assert sorted(ticks.all_text_contents()) != whole
    shown.get_by_role("button", name="Back to all").press("Enter")
    shown.wait_for_timeout(200)
    assert sorted(ticks.all_text_contents()) == whole

    points = chart.locator("path[aria-roledescription=point]")
    seen = "all => all.filter(each => each.getAttribute('opacity') > .5).length"
    every = points.evaluate_all(seen)
    best = shown.get_by_role("button", name="Only best", exact=True)
    shown.evaluate("document.activeElement.blur()")
    assert best.bounding_box()["width"] <= 1
    best.focus()
    assert best.bounding_box()["width"] > 20
    best.press("Space")
    shown.wait_for_timeout(200)
    assert best.get_attribute("aria-pressed") == "true"
    assert 0 < points.evaluate_all(seen) < every
    best.press("Space")
    shown.wait_for_timeout(200)
    assert points.evaluate_all(seen) == every
    # The legend itself does the same, and the button knows.
    chart.locator(".role-legend-symbol path").last.click(force=True)
    shown.wait_for_timeout(200)
    assert 0 < points.evaluate_all(seen) < every
    front = shown.get_by_role("button", name="Only front", exact=True)
    assert front.get_attribute("aria-pressed") == "true"
    assert best.get_attribute("aria-pressed") == "false"
    assert problems == []


def test_only_tables_that_scroll_are_reached_by_keys(browser: Any, saved: Path) -> None:
    regions = "all => all.map(each => [each.tabIndex, each.scrollWidth > each.clientWidth])"
    for width in (400, 1200):
        shown, _, _ = opened(browser, saved, viewport={"width": width, "height": 800})
        shown.wait_for_timeout(200)
        found = shown.locator("section > .scroll").evaluate_all(regions)
        assert found
        assert all((index == 0) == scrolls for index, scrolls in found)
    assert not any(scrolls for _, scrolls in found)


def test_a_narrow_page_stacks_wide_tables(browser: Any, saved: Path) -> None:
    shown, _, _ = opened(browser, saved, viewport={"width": 400, "height": 800})
    table = shown.locator("table.stack:visible").first
    assert table.bounding_box()["width"] <= 400
    cell = table.locator("td").first
    label = cell.evaluate("each => getComputedStyle(each, '::before').content")
    assert cell.get_attribute("data-label") in label
    names = shown.locator(".chart .role-axis-label text").all_text_contents()
    assert not [name for name in names if "…" in name]


def test_paper_has_the_tables_behind_charts_and_the_addresses(browser: Any, saved: Path) -> None:
    shown, _, _ = opened(browser, saved)
    table = shown.locator("details", has_text="The same in dollars").locator("table")
    assert not table.is_visible()
    shown.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    shown.emulate_media(media="print")
    assert table.is_visible()
    assert "all else" in table.inner_text()
    long = shown.locator("figure > details:not([open]) > summary")
    rows = "all => all.map(each => each.parentElement.querySelectorAll('tbody tr').length)"
    assert long.count()
    assert min(long.evaluate_all(rows)) > 60
    told = "each => getComputedStyle(each, '::after').content"
    assert "left out on paper" in long.first.evaluate(told)
    link = shown.locator(".sources a").first
    assert "attr(href)" in link.evaluate(told) or "http" in link.evaluate(told)
    shown.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not table.is_visible()


def test_the_theme_is_the_reader_s(browser: Any, saved: Path) -> None:
    shown, _, _ = opened(browser, saved, color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = shown.evaluate(paper)
    button = shown.get_by_role("button", name="Colours")
    button.click()
    assert shown.evaluate(paper) == light
    button.click()
    dark = shown.evaluate(paper)
    assert dark != light
    shown.emulate_media(media="print")
    assert shown.evaluate(paper) == light


def test_tables_without_scripts(browser: Any, saved: Path) -> None:
    shown, _, _ = opened(browser, saved, java_script_enabled=False)
    assert shown.locator("table").count() > 20
    details = shown.locator("details").first
    details.locator("summary").click()
    assert details.locator("table").is_visible()
    assert "need JavaScript" in shown.locator("main").inner_text()
