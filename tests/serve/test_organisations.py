"""Every organisation on the page: the overview, an opened bar, and the share by method."""

from __future__ import annotations

from typing import Any

import altair as alt
import pytest
from starlette.testclient import TestClient

import computebill as cb
from computebill.programmes.comparison import ask, compare_totals
from computebill.programmes.loading import load_programme, shipped_programmes
from computebill.programmes.multiverse import multiverse
from computebill.serve import make_app
from computebill.serve import organisations as module
from computebill.serve.what_if import SAMPLES
from computebill.views.report import reports_of
from computebill.views.text import percent_interval

ASKED = "/api/organisations"
OVERVIEW, REST, METHODS = (
    "Final share by organisation and window",
    "What everything else went to",
    "What the share hangs on",
)


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(make_app(rate=1e9), base_url="http://localhost")


def told(client: TestClient, **given: str) -> dict[str, Any]:
    response = client.get(ASKED, params=given)
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def rows_of(found: dict[str, Any], title: str) -> list[dict[str, Any]]:
    (chart,) = [each for each in found["shown"]["charts"] if each["title"] == title]
    assert alt.Chart.from_dict(chart["spec"])  # Altair validates it
    rows: list[dict[str, Any]] = chart["spec"]["datasets"]["rows"]
    return rows


def test_what_is_shown_is_what_the_command_and_the_report_say(client: TestClient) -> None:
    found = told(client, opened="stability-2023")
    known = cb.compare_spend("stability-2023", samples=SAMPLES, device="cpu").to_dict()
    for key in ("final_share", "bounds", "grade", "exploration"):
        assert found[key] == known[key]
    (report,) = reports_of([("x", known)])
    drawn = {each.title: each.picture for each in report.charts()}
    assert rows_of(found, REST) == drawn[REST].spec()["datasets"]["rows"]
    share = [each for each in found["shown"]["figures"] if each["label"] == "Share of final runs"]
    assert share[0]["value"].startswith("at least 0.")
    assert "size was never published" in found["shown"]["notes"][0]


def test_grades_are_those_that_are_asked_for(client: TestClient) -> None:
    for grade in ("A", "AB"):
        found = told(client, grade=grade[-1])
        names = [each["programme"] for each in found["programmes"]]
        assert names == shipped_programmes(grade[-1])
        assert {row["grade"] for row in rows_of(found, OVERVIEW)} == set(grade)
    texts = {row["name"]: row["text"] for row in rows_of(told(client), OVERVIEW)}
    by_name = {each["programme"]: each for each in told(client)["programmes"]}
    share = compare_totals("openai-2024", samples=SAMPLES, device="cpu").totals.final_share
    assert texts["OpenAI, 2024"] == percent_interval(share)
    assert by_name["openai-2024"]["final_share"] == share.to_dict()


def test_combinations_of_methods_are_shown_where_they_are_asked_for(client: TestClient) -> None:
    found = told(client, opened="stability-2023", methods="all")
    assert found["multiverse"] == multiverse(load_programme("stability-2023")).to_dict()
    assert rows_of(found, METHODS)[0]["name"] == "all combinations"
    assert "combinations of methods the median share is" in found["shown"]["notes"][-1]
    assert told(client, opened="stability-2023")["multiverse"] is None


def test_what_cannot_be_told_is_told_so(client: TestClient) -> None:
    found = told(client, opened="anthropic-2025", methods="all")
    assert "the share cannot be told" in found["shown"]["headline"]
    assert [each["title"] for each in found["shown"]["charts"]] == [OVERVIEW]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("opened", "/etc/passwd", "got '/etc/passwd'; allowed: "),
        ("grade", "D", "got 'D'; allowed: A, B, C"),
        ("methods", "most", "got 'most'; allowed: none, all"),
        ("programme", "zai-2025", "is not chosen here; allowed: grade, opened, methods"),
    ],
)
def test_nothing_else_can_be_asked(
    client: TestClient, field: str, value: str, message: str
) -> None:
    response = client.get(ASKED, params={field: value})
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert error["message"].startswith(message)


def test_every_part_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(name: str, *more: Any) -> Any:
        asked.append(name)
        return ask(name, *more)

    monkeypatch.setattr(module, "ask", counted)
    found = module.Organisations()
    for grade in "AAA":
        found.answer({"opened": "ai2-olmo-3", "grade": grade})
    assert asked == ["ai2-olmo-3"]
    with pytest.raises(cb.RequestError, match="got 'x'"):
        found.answer({"opened": "x"})


def test_the_options_name_what_ships(client: TestClient) -> None:
    options = client.get("/api/options").json()
    assert sorted(options["organisations"]["opened"]) == sorted(shipped_programmes())
    assert options["organisations"]["opened"]["zai-2025"] == "Z.ai, H2 2024 – H1 2025: B"
    assert set(options["begin"]["organisations"]) == set(options["organisations"])
