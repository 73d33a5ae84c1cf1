from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import computebill as cb
from computebill.serve import make_app
from computebill.serve.app import LONGEST
from computebill.serve.limits import Limits
from computebill.what_if import SAMPLES

RUN = {"accelerator": "h100-sxm", "params": "70B", "tokens": "15T", "count": "1024"}


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(make_app(rate=1e9), base_url="http://localhost", raise_server_exceptions=True)


def errors(client: TestClient, path: str, params: dict[str, str]) -> list[dict[str, str]]:
    response = client.get(path, params=params)
    assert response.status_code == 422
    found: list[dict[str, str]] = response.json()["errors"]
    return found


def test_a_programme_as_it_ships_is_what_the_api_says(client: TestClient) -> None:
    found = client.get("/api/spend", params={"programme": "minimax-2025"}).json()
    known = cb.compare_spend("minimax-2025", samples=SAMPLES, device="cpu").to_dict()
    for key in ("final_share", "final_runs_usd", "exploration_usd", "rnd_compute_usd", "swings"):
        assert found[key] == known[key]


def test_moved_assumptions_are_those_of_a_file_that_says_so(client: TestClient) -> None:
    moved = {"programme": "zai-2025", "mfu": "0.3..0.5", "price": "2"}
    found = client.get("/api/spend", params=moved).json()
    spec = tomllib.loads(client.get("/download/spec.toml", params=moved).text)
    assert spec["assumptions"]["mfu"]["value"] == "0.3..0.5"
    known = cb.compare_spend(spec, samples=SAMPLES, device="cpu").to_dict()
    assert found["final_share"] == known["final_share"]
    as_shipped = client.get("/api/spend", params={"programme": "zai-2025"}).json()
    assert found["final_share"]["p50"] < as_shipped["final_share"]["p50"]


def test_a_run_is_what_the_api_says(client: TestClient) -> None:
    given = {**RUN, "final_share": "0.1..0.25"}
    found = client.get("/api/run", params=given).json()
    known = cb.estimate_run(given, samples=SAMPLES, device="cpu").to_dict()
    for key in ("gpu_hours", "cost_usd", "programme_usd", "swings"):
        assert found[key] == known[key]


@pytest.mark.parametrize(
    ("path", "params", "field", "told"),
    [
        ("/api/spend", {"programme": "../../etc/passwd"}, "programme", "allowed: "),
        ("/api/spend", {"programme": "minimax-2025", "mfu": "3"}, "mfu", "above 0, up to 1"),
        ("/api/spend", {"programme": "minimax-2025", "mfu": "<b>"}, "mfu", "allowed: a number"),
        ("/api/spend", {"programme": "openai-2024", "mfu": "0.3"}, "mfu", "is not moved here"),
        ("/api/run", {**RUN, "accelerator": "/etc/passwd"}, "accelerator", "a shipped profile"),
        ("/api/run", {**RUN, "model": "/etc/passwd"}, "model", "is not moved here"),
        ("/api/run", {**RUN, "efficiency": "x.toml"}, "efficiency", "is not moved here"),
        ("/api/run", {**RUN, "tokens": "much"}, "tokens", "allowed: a number"),
        ("/api/run", {"accelerator": "h100-sxm"}, "run", "give params"),
        ("/download/report.html", {**RUN, "price": "-1"}, "price", "above 0"),
    ],
)
def test_what_is_wrong_is_told_of_its_field(
    client: TestClient, path: str, params: dict[str, str], field: str, told: str
) -> None:
    (error,) = errors(client, path, params)
    assert error["field"] == field
    assert told in error["message"]


def test_a_field_given_twice_is_refused(client: TestClient) -> None:
    response = client.get("/api/run?params=1B&params=2B")
    assert response.status_code == 422
    assert response.json()["errors"][0] == {
        "field": "params",
        "message": "is given twice; allowed: once",
    }


def test_every_answer_has_the_headers_of_a_closed_house(client: TestClient) -> None:
    for path in ("/", "/static/page.js", "/api/options", "/api/run", "/nothing", "/static/app.py"):
        response = client.get(path)
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
    assert client.get("/static/..%2fapp.py").status_code == 404
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.post("/api/run").status_code == 405
    assert client.get("/api/run", params={"x": "y" * LONGEST}).status_code == 414
    assert client.get("/docs").status_code == 404
    assert client.get("/openapi.json").status_code == 404
    assert client.head("/").status_code == 200


def test_what_leaves_nothing_to_explain_is_told(client: TestClient) -> None:
    dear = {"programme": "zai-2025", "mfu": "0.03", "price": "100"}
    assert client.get("/api/spend", params=dear).status_code == 200
    (error,) = errors(client, "/download/report.html", dear)
    assert "more than all R&D compute in every draw" in error["message"]


def test_a_fault_is_told_without_its_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> str:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("computebill.serve.app._run", fail)
    client = TestClient(make_app(), base_url="http://localhost")
    response = client.get("/api/run", params=RUN)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert response.headers["x-frame-options"] == "DENY"


def test_too_many_questions_wait() -> None:
    client = TestClient(make_app(rate=2), base_url="http://localhost")
    codes = [client.get("/static/page.css").status_code for _ in range(15)]
    assert codes[:10] == [200] * 10
    assert codes[-1] == 429


def test_a_bucket_fills_at_its_rate() -> None:
    limits = Limits(rate=2.0)
    assert [limits.allow("a", 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert limits.allow("b", 0.0)
    assert [limits.allow("a", 1.0) for _ in range(3)] == [True, True, False]


def test_downloads_are_what_is_shown(client: TestClient) -> None:
    given = {"programme": "minimax-2025", "price": "1..2"}
    result = client.get("/download/result.json", params=given)
    assert "attachment" in result.headers["content-disposition"]
    share = result.json()["final_share"]
    shown = client.get("/api/spend", params=given).json()["final_share"]
    assert share["p50"] == pytest.approx(shown["p50"], rel=0.02)
    page = client.get("/download/report.html", params=given)
    assert page.status_code == 200
    assert "MiniMax" in page.text
    assert "Moved by hand" in page.text
    run = tomllib.loads(client.get("/download/spec.toml", params=RUN).text)
    assert run == RUN
    assert cb.estimate_run(run, samples=64).rows["flop"].p50 == pytest.approx(6 * 70e9 * 15e12)


texts = st.one_of(
    st.text(max_size=30),
    st.floats().map(str),
    st.sampled_from(["1..0", "..", "1e999", "-1", "NaN", "70B", "0.1..0.9", "'", "<script>", "0"]),
)
names = st.sampled_from(
    ["programme", "accelerator", "params", "tokens", "count", "mfu", "price", "final_share", "date"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(["/api/spend", "/api/run", "/download/spec.toml"]),
    fields=st.dictionaries(st.one_of(names, st.text(max_size=8)), texts, max_size=5),
    is_whole=st.booleans(),
)
def test_no_question_breaks_the_server(
    client: TestClient, path: str, fields: dict[str, str], is_whole: bool
) -> None:
    begin: dict[str, Any] = {"programme": "zai-2025"} if path == "/api/spend" else RUN
    params = {**begin, **fields} if is_whole else fields
    response = client.get(path, params=params)
    assert response.status_code in (200, 414, 422)
    if response.status_code == 422:
        for error in response.json()["errors"]:
            assert error["message"]
    elif path.startswith("/api"):
        json.loads(response.text, parse_constant=lambda name: pytest.fail(name))
