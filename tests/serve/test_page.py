"""The page in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from computebill.serve import make_app
from computebill.serve.what_if import programmes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = sync_api.expect


@contextmanager
def served(app: Any) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(make_app(rate=1e9)) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One profile for all pages, which keeps scripts as they were compiled."""
    with sync_api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started.new_context(viewport={"width": 1100, "height": 900})
        started.close()


@pytest.fixture
def said() -> list[str]:
    """What the console was told."""
    return []


@pytest.fixture
def page(browser: Any, address: str, said: list[str]) -> Iterator[Any]:
    found = browser.new_page()
    asked: list[str] = []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("request", lambda request: asked.append(request.url))
    yield found
    assert all(url.startswith((address, f"blob:{address}")) for url in asked)
    # A refused question is an error to the console, and to nobody else.
    assert [text for text in said if "422" not in text] == []
    found.close()


def settled(page: Any) -> None:
    """Wait until the newest state is answered."""
    # The page's own policy forbids the eval of wait_for_function.
    while page.evaluate("!options || isBusy || isWaiting"):
        page.wait_for_timeout(5)


def drawn(page: Any) -> None:
    """Wait until the newest state is drawn."""
    settled(page)
    page.evaluate("drawing")


def share(page: Any) -> str:
    return str(page.inner_text("#figures dd").split("\n")[0])


def opened(page: Any, address: str, query: str = "") -> None:
    page.goto(f"{address}/?{query}")
    page.wait_for_selector("#figures div")
    settled(page)


def test_sliders_move_the_figures_to_what_the_api_says(page: Any, address: str) -> None:
    opened(page, address)
    page.select_option("select[name=programme]", "minimax-2025")
    expect(page.locator("#headline")).to_contain_text("MiniMax")
    before = share(page)
    assert before.startswith("22.")
    slider = page.locator("input[type=range]").nth(0)
    slider.focus()
    with page.expect_response("**/api/spend?*mfu*") as answered:
        slider.press("End")
    known = answered.value.json()
    expect(page.locator("#headline")).not_to_contain_text(before)
    settled(page)
    assert page.inner_text("#headline") == known["shown"]["headline"]
    assert float(share(page).removesuffix(" %")) == pytest.approx(
        100 * known["final_share"]["p50"], rel=0.01
    )


@pytest.mark.parametrize(
    "query", [*(f"view=spend&programme={name}" for name in programmes()), "view=run"]
)
def test_every_slider_can_go_anywhere(page: Any, address: str, said: list[str], query: str) -> None:
    opened(page, address, query)
    sliders = page.locator("input[type=range]")
    assert sliders.count() >= 3
    for place in range(sliders.count()):
        name = sliders.nth(place).get_attribute("aria-label")
        for key in ("Home", "End", "ArrowLeft", "PageDown"):
            sliders.nth(place).press(key)
            settled(page)
            wrong = page.locator(".wrong").all_inner_texts()
            assert not any(wrong), (name, key, wrong)
            assert not page.inner_text("#problem")
        # Where it is left is what its box reads.
        assert sliders.nth(place).get_attribute("aria-valuetext") in page.evaluate(
            "[...document.querySelectorAll('input[type=text]')].map(each => each.value)"
        )
    assert said == []
    drawn(page)
    marks = "#charts svg .mark-rule line, #charts svg .mark-rect path, #charts svg text"
    broken = page.locator(marks).evaluate_all(
        "each => each.filter(one => /NaN|undefined/.test(one.outerHTML)).length"
    )
    assert page.locator(marks).count()
    assert broken == 0


def texts(page: Any) -> list[str]:
    found: list[str] = page.locator("#charts svg text").all_text_contents()
    return found


def test_charts_move_with_the_sliders_and_stay_themselves(page: Any, address: str) -> None:
    opened(page, address, "view=spend&programme=zai-2025")
    drawn(page)
    page.evaluate("window.before = document.querySelector('#charts svg')")
    before = texts(page)
    page.get_by_label("Price, USD an hour, p90, slider").press("ArrowRight")
    drawn(page)
    assert texts(page) != before
    value = page.inner_text("#figures dd >> nth=0").replace("\n", " ")
    assert any(text.startswith(value.split(" %")[0]) for text in texts(page))
    # Of the same shape: only its rows are new.
    assert page.evaluate("window.before === document.querySelector('#charts svg')")
    label = page.get_attribute("#charts svg", "aria-label")
    assert label.startswith("Final runs and the rest of R&D compute. Red is")
    # Another company has other runs.
    page.select_option("select[name=programme]", "minimax-2025")
    drawn(page)
    assert "Hailuo-02 (pretraining)" in texts(page)
    assert page.locator("#charts figure").count() == page.locator("#charts svg.marks").count()


def test_a_chart_tells_its_figures_when_hovered(page: Any, address: str) -> None:
    opened(page, address, "view=spend&programme=zai-2025")
    drawn(page)
    bar = page.locator("#charts path[aria-roledescription=bar]").first
    bar.scroll_into_view_if_needed()
    bar.hover(force=True)
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert "final share" in tooltip.inner_text()
    assert tooltip.evaluate("each => getComputedStyle(each).position") == "fixed"


def test_charts_have_the_ink_of_the_page(page: Any, address: str) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        opened(page, address, "view=run")
        drawn(page)
        ink = page.evaluate("getComputedStyle(document.body).color")
        label = page.locator("#charts svg text").first
        assert label.evaluate("each => getComputedStyle(each).fill") == ink


def test_a_company_has_the_sliders_of_its_assumptions(page: Any, address: str) -> None:
    opened(page, address)
    assert page.locator("input[name=mfu]").count() == 0
    page.select_option("select[name=programme]", "zai-2025")
    expect(page.locator("input[name=mfu]")).to_have_count(2)


def test_one_end_of_an_empty_interval_is_both(page: Any, address: str) -> None:
    opened(page, address, "view=run")
    low, high = page.locator("input[name=mfu]").nth(0), page.locator("input[name=mfu]").nth(1)
    page.get_by_label("Utilisation (MFU), p90, slider").press("Home")
    settled(page)
    assert (low.input_value(), high.input_value()) == ("2%", "2%")
    expect(page).to_have_url(re.compile("mfu=2%25(&|$)"))
    high.fill("")
    settled(page)
    expect(page.locator("#wrong-mfu")).to_be_empty()
    low.fill("")
    settled(page)
    assert "mfu" not in page.evaluate("query().toString()")
    high.fill("40%")
    settled(page)
    expect(page.locator("#wrong-mfu")).to_be_empty()
    high.press("Tab")
    assert (low.input_value(), high.input_value()) == ("40%", "40%")


@pytest.mark.parametrize("typed", ["10T..20T", "1T..2T..3T"])
def test_a_typed_interval_is_kept(page: Any, address: str, typed: str) -> None:
    opened(page, address, "view=run")
    box = page.locator("input[name=tokens]")
    box.fill(typed)
    settled(page)
    expect(page).to_have_url(re.compile(f"tokens={re.escape(typed)}"))
    page.reload()
    settled(page)
    boxes = page.locator("input[name=tokens]")
    assert "..".join(boxes.nth(place).input_value() for place in range(boxes.count())) == typed


def test_a_number_becomes_an_interval(page: Any, address: str) -> None:
    opened(page, address, "view=run")
    page.get_by_label("Tokens: an interval").click()
    page.get_by_label("Tokens, p90, slider").press("PageUp")
    settled(page)
    assert re.search(r"tokens=15T\.\.\d+T", page.evaluate("query().toString()"))
    assert page.inner_text("#headline").count("–") == 3
    given = page.evaluate("query().toString()")
    # One number is the median; an interval again is the one that was.
    low, high = re.search(r"tokens=(\d+)T\.\.(\d+)T", given).groups()
    page.get_by_label("Tokens: an interval").click()
    page.wait_for_selector("input[aria-label=Tokens]")
    settled(page)
    one = re.search(r"tokens=([\d.]+)T(&|$)", page.evaluate("query().toString()"))[1]
    assert float(one) == pytest.approx((float(low) * float(high)) ** 0.5, rel=0.001)
    page.get_by_label("Tokens: an interval").click()
    settled(page)
    assert page.evaluate("query().toString()") == given


def test_an_interval_of_a_company_comes_back(page: Any, address: str) -> None:
    opened(page, address, "view=spend&programme=minimax-2025")
    boxes = page.locator("input[name=mfu]")
    before = share(page)
    toggle = page.get_by_label("Utilisation (MFU): an interval")
    toggle.click()
    expect(boxes).to_have_count(1)
    settled(page)
    assert boxes.input_value() == "22.91%"
    toggle.click()
    expect(boxes).to_have_count(2)
    settled(page)
    assert [boxes.nth(place).input_value() for place in (0, 1)] == ["15%", "35%"]
    assert share(page) == before


def test_what_was_typed_is_there_when_the_page_is_loaded_at_once(page: Any, address: str) -> None:
    opened(page, address, "view=run")
    page.fill("input[name=tokens]", "3T")
    page.reload()
    expect(page.locator("input[name=tokens]")).to_have_value("3T")


def test_active_parameters_take_all_with_them_and_are_taken(page: Any, address: str) -> None:
    opened(page, address, "view=run&accelerator=h100-sxm&params=70B&params_active=20B&tokens=15T")
    page.get_by_label("Active parameters, slider").press("End")
    settled(page)
    values = "[...document.querySelectorAll('input[name^=params]')].map(each => each.value)"
    assert page.evaluate(values) == ["10T", "10T"]
    page.locator("input[aria-label='Parameters, slider']").press("Home")
    settled(page)
    assert page.evaluate(values) == ["100M", "100M"]
    assert not any(page.locator(".wrong").all_inner_texts())


def test_a_day_without_prices_is_told_beside_it(page: Any, address: str) -> None:
    opened(page, address, "view=run")
    page.fill("input[name=date]", "2015-01-01")
    expect(page.locator("#note-date")).to_contain_text("nearest to it serve")
    page.fill("input[name=date]", "")
    expect(page.locator("#note-date")).to_be_empty()
    expect(page.locator("#note-mfu")).to_contain_text("Not given")


def test_a_field_that_a_company_does_not_have_is_left_out(page: Any, address: str) -> None:
    opened(page, address, "view=spend&programme=openai-2024&mfu=0.3&price=2&nonsense=1")
    expect(page.locator("#left-out")).to_contain_text("mfu, nonsense")
    expect(page.locator("#headline")).to_contain_text("OpenAI")
    expect(page).to_have_url(re.compile(r"programme=openai-2024&price=2$"))
    assert page.title() == "OpenAI, 2024, moved by hand - computebill"
    page.click("button[data-view=run]")
    expect(page.locator("#left-out")).to_be_empty()


def test_the_print_has_the_figures_and_no_buttons(page: Any, address: str) -> None:
    opened(page, address, "view=spend&programme=minimax-2025")
    page.emulate_media(media="print")
    for hidden in ("nav", ".toggle", "#share", "input[type=range]"):
        expect(page.locator(hidden).first).to_be_hidden()
    assert page.evaluate("getComputedStyle($('main')).display") == "block"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#table")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#table")).to_be_hidden()


def test_a_state_has_an_address(page: Any, address: str) -> None:
    opened(page, address)
    page.click("button[data-view=run]")
    expect(page.locator("#headline")).to_contain_text("days")
    page.fill("input[name=tokens]", "1T")
    expect(page).to_have_url(re.compile("tokens=1T"))
    settled(page)
    headline = page.inner_text("#headline")
    page.reload()
    page.wait_for_selector("#figures div")
    assert page.input_value("input[name=tokens]") == "1T"
    assert page.inner_text("#headline") == headline


def test_back_returns_and_nothing_moved_is_lost(page: Any, address: str) -> None:
    opened(page, address)
    page.select_option("select[name=programme]", "minimax-2025")
    box = page.locator("input[name=price]").first
    box.fill("1.75")
    box.press("Tab")
    page.select_option("select[name=programme]", "zai-2025")
    page.click("button[data-view=run]")
    page.fill("input[name=tokens]", "2T")
    page.click("button[data-view=spend]")
    page.select_option("select[name=programme]", "minimax-2025")
    expect(page.locator("input[name=price]").first).to_have_value("1.75")
    page.click("button[data-view=run]")
    expect(page.locator("input[name=tokens]")).to_have_value("2T")
    page.go_back()
    expect(page.locator("select[name=programme]")).to_have_value("minimax-2025")
    expect(page.locator("input[name=price]").first).to_have_value("1.75")
    page.go_back()
    expect(page.locator("select[name=programme]")).to_have_value("zai-2025")


@pytest.mark.parametrize(
    ("name", "typed", "told"),
    [
        ("price", "minus one", "allowed"),
        ("count", "0.5", "a whole number"),
        ("params_active", "80B", "up to 70B"),
        ("tokens", "", "is missing"),
        ("date", "soon", "a day"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field_and_stays_as_typed(
    page: Any, address: str, name: str, typed: str, told: str
) -> None:
    opened(page, address, "view=run&accelerator=h100-sxm&params=70B&tokens=15T&count=2048")
    headline, link = page.inner_text("#headline"), page.get_attribute("[data-file]", "href")
    box = page.locator(f"input[name={name}]").first
    before = box.input_value()
    box.fill(typed)
    expect(page.locator(f"#wrong-{name}")).to_contain_text(told)
    expect(page.locator("#problem")).to_be_empty()
    expect(box).to_have_value(typed)
    expect(box).to_have_attribute("aria-invalid", "true")
    # What stands is of the last good state, and says so.
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator("main")).to_have_class("late")
    assert page.inner_text("#headline") == headline
    assert page.get_attribute("[data-file]", "href") == link
    box.fill(before)
    expect(page.locator(f"#wrong-{name}")).to_be_empty()
    expect(page.locator("main")).not_to_have_class("late")
    expect(page.locator("#stale")).to_be_hidden()


def test_an_unknown_company_is_told_and_shown(page: Any, address: str) -> None:
    page.goto(f"{address}/?view=spend&programme=nobody")
    expect(page.locator("#wrong-programme")).to_contain_text("allowed: openai-2024")
    expect(page.locator("#downloads")).to_be_hidden()
    expect(page.locator("select[name=programme] option:checked")).to_have_text("nobody (not known)")


def test_a_file_is_saved_under_the_name_of_its_state(page: Any, address: str) -> None:
    opened(page, address, "view=spend&programme=minimax-2025&mfu=0.03&price=20")
    with page.expect_download() as saved:
        page.click("[data-file='result.json']")
    assert saved.value.suggested_filename == "minimax-2025-mfu-0.03-price-20.json"
    result = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert result["variant"] == "moved by hand"


def test_a_refused_file_is_told(page: Any, address: str, said: list[str]) -> None:
    opened(page, address)
    told = {"errors": [{"field": "request", "message": "too many wait"}]}
    page.route("**/download/*", lambda route: route.fulfill(status=422, json=told))
    page.click("[data-file='report.html']")
    expect(page.locator("#refused")).to_have_text("Report: too many wait")


def test_a_page_that_moves_fast_is_never_refused(browser: Any) -> None:
    with served(make_app(rate=2)) as address:
        page = browser.new_page()
        codes: list[int] = []
        page.on("response", lambda response: codes.append(response.status))
        page.goto(f"{address}/?view=spend&programme=zai-2025")
        page.wait_for_selector("#figures div")
        slider = page.locator("input[type=range]").first
        until = time.monotonic() + 3
        while time.monotonic() < until:
            slider.press("ArrowRight")
            slider.press("ArrowLeft")
        slider.press("End")
        settled(page)
        assert set(codes) == {200}
        assert "60 %" in page.inner_text(".reading >> nth=0")
        page.close()


def test_a_busy_server_is_asked_again(page: Any, address: str, said: list[str]) -> None:
    opened(page, address)
    refusals: list[str] = []

    def refuse_once(route: Any) -> None:
        if refusals:
            route.continue_()
            return
        refusals.append(route.request.url)
        route.fulfill(status=429, headers={"Retry-After": "1"}, json={"errors": []})

    page.route("**/api/spend*", refuse_once)
    page.fill("input[name=price]", "2")
    settled(page)
    assert refusals
    expect(page.locator("main")).not_to_have_class("late")
    assert page.locator("input[name=price]").first.input_value() == "2"
    said[:] = [text for text in said if "429" not in text]


def test_a_server_that_stopped_is_told(page: Any, address: str, said: list[str]) -> None:
    opened(page, address)
    page.route("**/api/*", lambda route: route.abort())
    page.fill("input[name=price]", "2")
    expect(page.locator("#problem")).to_contain_text("does not answer")
    expect(page.locator("main")).to_have_class("late")
    expect(page.locator("#headline")).to_have_css("opacity", "0.5")
    page.reload()
    expect(page.locator("#problem")).to_contain_text("to choose from")
    page.unroute("**/api/*")
    page.click("#again")
    page.wait_for_selector("#figures div")
    page.route("**/api/*", lambda route: route.abort())
    page.fill("input[name=price]", "2.5")
    expect(page.locator("#problem")).to_contain_text("does not answer")
    page.unroute("**/api/*")
    # It asks by itself.
    expect(page.locator("main")).not_to_have_class("late")
    expect(page.locator("#problem")).to_be_empty()
    said[:] = [text for text in said if "ERR_FAILED" not in text]


def wide_enough(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("query", ["view=spend&programme=minimax-2025", "view=run"])
def test_the_page_is_readable_on_a_telephone_and_by_keyboard(
    page: Any, address: str, query: str
) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    opened(page, address, query)
    drawn(page)
    assert wide_enough(page)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, select, svg')]"
        ".filter(each => !each.getAttribute('aria-label')).length"
    )
    assert unnamed == 0
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('#charts text, #charts span')]"
        ".map(each => parseFloat(getComputedStyle(each).fontSize)))"
    )
    assert smallest >= 12
    # The answer stays in sight while the last slider is moved.
    page.locator("input[type=range]").last.scroll_into_view_if_needed()
    page.mouse.wheel(0, 300)
    page.wait_for_timeout(100)
    expect(page.locator("#headline")).to_be_in_viewport()
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_the_address_is_copied_and_the_button_says_so_for_a_while(page: Any, address: str) -> None:
    opened(page, address)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator("#share")
    text: Callable[[], str] = button.inner_text
    before = text()
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    expect(button).to_have_text(before)


def test_every_organisation_is_shown_and_one_opened(page: Any, address: str) -> None:
    opened(page, address)
    page.click("nav button[data-view=organisations]")
    expect(page.locator("#headline")).to_contain_text("MiniMax, full year 2025: final runs took")
    page.select_option("select[name=opened]", "ai2-olmo-3")
    expect(page.locator("#headline")).to_contain_text("Ai2, Olmo 3: final runs took 17.8 %")
    drawn(page)
    captions = page.locator("figcaption").all_text_contents()
    assert captions == ["Final share by organisation and window", "What everything else went to"]
    assert page.locator(".chart svg").count() == 2
    assert page.locator("#downloads a:visible").count() == 0
    expect(page).to_have_url(re.compile("view=organisations&.*opened=ai2-olmo-3"))
    opened(page, address, "view=organisations&opened=stability-2023&methods=all")
    expect(page.locator("figcaption")).to_have_count(3)
    page.click("nav button[data-view=spend]")
    expect(page.locator("#headline")).to_contain_text("Final training runs took")
    assert page.locator("#downloads a:visible").count() == 3
