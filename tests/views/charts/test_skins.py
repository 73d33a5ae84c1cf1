"""What a chart is given at the end."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import pytest
from looks import charts, one

from computebill.views.charts.skins import LINE_LENGTH, on_page, on_paper, still

Results = dict[str, dict[str, Any]]


def test_a_picture_says_what_its_lines_mean(results: Results) -> None:
    picture = one(results["run"]).charts()[0].picture
    title = on_paper([picture])["title"]
    assert title["text"] == picture.title
    assert " ".join(title["subtitle"]) == picture.says
    assert max(map(len, title["subtitle"])) <= LINE_LENGTH
    assert on_paper([picture], "Mine")["title"]["subtitle"] == ["Mine", *title["subtitle"]]


@pytest.mark.parametrize("kind", ["run", "plan", "sweep", "spend", "score", "model"])
def test_paper_has_nothing_that_only_a_pointer_moves(results: Results, kind: str) -> None:
    pictures = [chart.picture for chart in one(results[kind]).charts()]
    spec = on_paper(pictures, "Mine")
    assert alt.Chart.from_dict(spec)  # Altair validates it
    assert '"param' not in json.dumps(spec)
    assert spec["config"]["background"] == "white"
    if len(pictures) > 1:
        assert [view["title"]["text"] for view in spec["vconcat"]] == [
            picture.title for picture in pictures
        ]
        assert len(spec["datasets"]) == sum(len(each.spec()["datasets"]) for each in pictures)


def test_a_condition_on_data_stays() -> None:
    chosen = {"condition": {"test": {"and": [{"param": "a"}, {"param": "b"}]}, "value": 1}}
    doubtful = {"condition": {"test": "datum.doubtful", "value": 0}, "value": 1}
    spec = {"mark": "bar", "name": "view_1", "encoding": {"opacity": chosen, "fill": doubtful}}
    spec |= {"data": {"name": "rows"}, "params": [{"name": "a"}]}
    assert still(spec) == {
        "mark": "bar",
        "data": {"name": "rows"},
        "encoding": {"opacity": {"value": 1}, "fill": doubtful},
    }


def test_a_page_says_the_title_and_has_the_look_itself(results: Results) -> None:
    spec = on_page(charts(one(results["run"]))["What moves the result"].picture)
    assert not {"title", "config"} & set(spec)
    assert spec["width"] == "container"
    assert [param["name"] for param in spec["params"]] == ["chosen_end", "zoom"]
