"""The page in a real browser."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from computebill.serve import make_app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = sync_api.expect


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(make_app(rate=1e9), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    found = browser.new_page()
    said: list[str] = []
    asked: list[str] = []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("request", lambda request: asked.append(request.url))
    found.goto(address)
    found.wait_for_selector("#figures div")
    yield found
    assert all(url.startswith(address) for url in asked)
    # A refused question is an error to the console, and to nobody else.
    assert [text for text in said if "422" not in text] == []
    found.close()


def share(page: Any) -> str:
    return str(page.inner_text("#figures dd").split("\n")[0])


def test_sliders_move_the_figures_to_what_the_api_says(page: Any, address: str) -> None:
    page.select_option("select[name=programme]", "minimax-2025")
    expect(page.locator("#headline")).to_contain_text("MiniMax")
    before = share(page)
    assert before.startswith("22.")
    slider = page.locator("input[type=range]").nth(0)
    slider.focus()
    with page.expect_response("**/api/spend?*mfu*") as answered:
        slider.press("End")
    known = answered.value.json()["final_share"]["p50"]
    expect(page.locator("#headline")).not_to_contain_text(before)
    assert float(share(page).removesuffix(" %")) == pytest.approx(100 * known, rel=0.01)


def test_a_state_has_an_address(page: Any) -> None:
    page.click("button[data-view=run]")
    expect(page.locator("#headline")).to_contain_text("days")
    page.fill("input[name=tokens]", "1T")
    expect(page).to_have_url(re.compile("tokens=1T"))
    expect(page.locator("#answer")).not_to_have_class("late")
    headline = page.inner_text("#headline")
    page.reload()
    page.wait_for_selector("#figures div")
    assert page.input_value("input[name=tokens]") == "1T"
    assert page.inner_text("#headline") == headline


def test_what_is_wrong_is_told_beside_its_field_and_stays_as_typed(page: Any) -> None:
    typed = page.locator("input[name=price]").first
    typed.fill("minus one")
    expect(page.locator("#wrong-price")).to_contain_text("allowed")
    expect(typed).to_have_value("minus one")
    expect(typed).to_have_attribute("aria-invalid", "true")
    typed.fill("1")
    expect(page.locator("#wrong-price")).to_be_empty()


def test_the_page_is_readable_on_a_telephone_and_by_keyboard(page: Any) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, select, svg')]"
        ".filter(each => !each.getAttribute('aria-label')).length"
    )
    assert unnamed == 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
