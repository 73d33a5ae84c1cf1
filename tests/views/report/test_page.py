from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from looks import contrast

from computebill.views.report import page, reports_of

Results = dict[str, dict[str, Any]]
HOSTILE = '</script><script>alert(1)</script><img src="http://example.org/x"><!-- & "\''
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Reader(HTMLParser):
    """Gathers tags, and fails where they are not closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text(results: Results) -> str:
    return page.render(reports_of([(name, each) for name, each in results.items()]))


def test_tags_are_closed_and_names_are_unique(text: str) -> None:
    reader = Reader(text)
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [each["href"] or "" for tag, each in reader.tags if tag == "a"]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    for _, attributes in reader.tags:
        for key in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(key, ids[0]) in ids


def test_headings_go_down_one_by_one(text: str, results: Results) -> None:
    for each in (text, page.render(reports_of([("a", results["run"])]))):
        levels = [int(tag[1]) for tag, _ in Reader(each).tags if re.fullmatch(r"h\d", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_nothing_is_fetched(text: str) -> None:
    for tag, attributes in Reader(text).tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert "src" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy[1]


def test_scripts_are_those_that_are_allowed(text: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in text


def test_one_bundle_whatever_the_charts(text: str) -> None:
    assert text.count("window.vegaEmbed=") == 1
    given = re.search(r'id="given">(.*?)</script>', text, flags=re.DOTALL)
    assert given is not None
    assert len(json.loads(given[1])["charts"]) == text.count('<div class="chart"') > 20


def test_names_stay_text(results: Results) -> None:
    run = {**results["run"], "name": HOSTILE, "accelerator_title": HOSTILE}
    run["assumptions"] = [dict.fromkeys(("name", "value", "source"), HOSTILE)]
    run["sources"] = {"s": {"title": HOSTILE, "address": "javascript:alert(1)", "note": HOSTILE}}
    run["about"] = {"command": HOSTILE}
    found = page.render(reports_of([("a", run), ("b", results["score"])]))
    assert not [tag for tag, _ in Reader(found).tags if tag == "img"]
    assert "<script>alert" not in found
    assert 'href="javascript' not in found


def test_numbers_stay_in_one_line() -> None:
    assert page.together("22.7 % (10.6–48.9) of $180 M & 3 days") == (
        "22.7\u00a0% (10.6\u2060–\u206048.9) of $180\u00a0M &amp; 3 days"
    )


def test_text_stands_out_in_light_and_dark() -> None:
    style = Path(page.__file__).with_name("page.css").read_text()
    themes = re.findall(r"--page: (#\w+); --card: (#\w+); --ink: (#\w+); --soft: (#\w+)", style)
    links = re.findall(r"--link: (#\w+); --mark: (#\w+)", style)
    assert len(themes) == len(links) == 3
    for (paper, card, *text), pair in zip(themes, links, strict=True):
        for colour in (*text, *pair):
            assert contrast(colour, paper) >= 4.5
            assert contrast(colour, card) >= 4.5


def test_addresses_in_a_cell_become_links_and_nothing_else() -> None:
    assert page.linked('See https://a.example/x?y=1&z=2, <b> "https://b.example/".') == (
        'See <a href="https://a.example/x?y=1&amp;z=2" rel="noreferrer">'
        "https://a.example/x?y=1&amp;z=2</a>, &lt;b&gt; &quot;"
        '<a href="https://b.example/" rel="noreferrer">https://b.example/</a>&quot;.'
    )
    assert page.linked("javascript:alert(1)") == "javascript:alert(1)"
    assert page.linked("http://") == "http://"
