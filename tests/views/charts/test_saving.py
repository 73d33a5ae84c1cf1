"""Charts as files."""

from __future__ import annotations

import copy
import json
import re
import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from looks import one

from computebill.base.errors import RequestError
from computebill.views.charts import saving
from computebill.views.report.pictures import save_picture

Results = dict[str, dict[str, Any]]
KINDS = ("run", "laid-out", "plan", "model", "mfu", "sweep", "spend", "spends", "score", "validate")
HOSTILE = '</script><script src="http://example.org/x.js"></script><!-- [/] & "\''


def check(path: Path) -> None:
    """Fail where the file is not what its ending says, or wants the network."""
    raw = path.read_bytes()
    if path.suffix == ".png":
        assert raw.startswith(b"\x89PNG\r\n\x1a\n")
        assert raw.endswith(b"IEND\xaeB`\x82")
        width, height = struct.unpack(">II", raw[16:24])
        assert width > 800
        assert height > 100
        return
    if path.suffix == ".pdf":
        assert raw.startswith(b"%PDF")
        return
    text = raw.decode("utf-8")
    if path.suffix == ".svg":
        root = ElementTree.fromstring(text)
        assert root.tag.endswith("svg")
        links = [value for item in root.iter() for key, value in item.items() if "href" in key]
        assert not [link for link in links if "://" in link]
        return
    tags = re.findall(r"<(?:script|link|iframe)\b[^>]*>", text)
    assert tags
    assert not [tag for tag in tags if "src" in tag or "href" in tag]
    assert "vegaEmbed" in text
    assert "@import" not in text


def written(result: dict[str, Any], path: Path) -> str:
    save_picture(one(result), path)
    check(path)
    return path.read_text("utf-8") if path.suffix in (".svg", ".html") else ""


@pytest.mark.parametrize("kind", KINDS)
def test_every_result_in_one_picture(results: Results, tmp_path: Path, kind: str) -> None:
    report = one(results[kind])
    text = written(results[kind], tmp_path / "chart.svg")
    words = [report.heading or report.title, *(chart.title for chart in report.charts(mainly=True))]
    for word in words:
        assert word.split(",")[0].replace("&", "&amp;") in text
    assert "NaN" not in text


@pytest.mark.parametrize("ending", ["png", "html", "pdf"])
def test_every_form(results: Results, tmp_path: Path, ending: str) -> None:
    for kind in ("run", "plan"):  # several charts, and one
        written(results[kind], tmp_path / f"chart.{ending}")


@pytest.mark.parametrize("ending", ["html", "svg"])
def test_names_cannot_leave_the_script_they_stand_in(
    results: Results, tmp_path: Path, ending: str
) -> None:
    lab = copy.deepcopy(results["spend"])
    lab["title"] = HOSTILE
    lab["runs"][0]["name"] = HOSTILE
    assert "<script src" not in written(lab, tmp_path / f"lab.{ending}")
    named = {**results["run"], "name": HOSTILE, "accelerator_title": HOSTILE}
    assert "<script src" not in written(named, tmp_path / f"run.{ending}")


@pytest.mark.parametrize("name", ["chart.gif", "chart", "chart.html.zip", ".png"])
def test_other_endings_are_refused(results: Results, tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match=r"allowed: \.png, \.svg, \.html, \.pdf"):
        written(results["run"], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_endings_may_be_capitals(results: Results, tmp_path: Path) -> None:
    save_picture(one(results["run"]), tmp_path / "chart.SVG")
    ElementTree.parse(tmp_path / "chart.SVG")


def test_json_in_a_script_has_no_tag() -> None:
    text = json.dumps({"a": "</script><!--"}, cls=saving.ScriptSafeEncoder)
    assert "<" not in text
    assert json.loads(text) == {"a": "</script><!--"}
