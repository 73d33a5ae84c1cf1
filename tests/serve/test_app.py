from __future__ import annotations

import json
import math
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import altair as alt
import pytest
import tomli_w
import vl_convert
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import computebill as cb
from computebill.base.quantity import parse_number
from computebill.cli import main
from computebill.programmes.loading import SHIPPED
from computebill.serve import make_app
from computebill.serve.answers import dumped
from computebill.serve.app import LONGEST, MOST_DOWNLOADS
from computebill.serve.what_if import SAMPLES, programmes
from computebill.views import text
from computebill.views.report import reports_of

RUN = {"accelerator": "h100-sxm", "params": "70B", "tokens": "15T", "count": "1024"}


@pytest.fixture(scope="module")
def client() -> TestClient:
    monkeyed = pytest.MonkeyPatch()
    monkeyed.setattr("computebill.serve.app.MOST_DOWNLOADS", 10**9)
    found = TestClient(make_app(rate=1e9), base_url="http://localhost")
    monkeyed.undo()
    return found


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
    moved = {"programme": "zai-2025", "mfu": "0.3..0.5", "price": "2", "rnd_compute": "200M"}
    found = client.get("/api/spend", params=moved).json()
    spec = tomllib.loads(client.get("/download/spec.toml", params=moved).text)
    assert spec["assumptions"]["mfu"]["value"] == "0.3..0.5"
    known = cb.compare_spend(spec, samples=SAMPLES, device="cpu").to_dict()
    for key in ("final_share", "exploration_usd", "rnd_compute_usd", "swings"):
        assert found[key] == known[key]
    assert found["rnd_compute_usd"]["p50"] == pytest.approx(200e6)
    assert known["variant"] == found["variant"] == "moved by hand"
    assert [variant["name"] for variant in known["variants"]] == ["moved by hand"]
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
        ("/api/spend", {"programme": "minimax-2025", "rnd_compute": "0"}, "rnd_compute", "above 0"),
        ("/api/run", {"accelerator": "h100-sxm"}, "params", "is missing"),
        ("/api/run", {"accelerator": "h100-sxm", "params": "1B"}, "tokens", "is missing"),
        ("/api/run", {**RUN, "count": "0.5"}, "count", "a whole number"),
        ("/api/run", {**RUN, "params_active": "80B"}, "params_active", "up to 70B"),
        ("/api/run", {**RUN, "mfu": "0.2..0.3..0.4"}, "mfu", "got '0.3..0.4'"),
        ("/api/run", {**RUN, "params": "70%"}, "params", "got '70%'; allowed: a number that is no"),
        ("/api/run", {**RUN, "tokens": "20T..10T"}, "tokens", "got 20T; allowed: at most p90, 10T"),
        ("/api/spend", {"programme": "zai-2025", "price": "2%"}, "price", "no percentage"),
        ("/api/run", {**RUN, "date": "soon"}, "date", "a day"),
        ("/download/report.html", {**RUN, "price": "-1"}, "price", "above 0"),
    ],
)
def test_what_is_wrong_is_told_of_its_field(
    client: TestClient, path: str, params: dict[str, str], field: str, told: str
) -> None:
    (error,) = errors(client, path, params)
    assert error["field"] == field
    assert told in error["message"]


def test_what_is_not_known_is_null() -> None:
    assert json.loads(dumped({"a": [math.nan, 1.5], "b": math.inf})) == {
        "a": [None, 1.5],
        "b": None,
    }


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
    assert client.get("/nothing").json()["errors"][0]["field"] == "address"
    assert client.head("/api/options").status_code == 200
    assert client.get("/", headers={"host": "localhost.:80"}).status_code == 200
    assert client.get("/", headers={"host": "10.0.0.1"}).status_code == 400
    assert client.get("/openapi.json").status_code == 404
    assert client.head("/").status_code == 200


def test_what_leaves_nothing_to_explain_is_told_and_can_be_downloaded(client: TestClient) -> None:
    dear = {"programme": "minimax-2025", "mfu": "0.03", "price": "20"}
    found = client.get("/api/spend", params=dear).json()
    assert found["probability_final_exceeds_rnd"] == 1
    shown = found["shown"]
    assert "more than all of it" in shown["headline"]
    assert "In 100 % of the draws" in shown["notes"][0]
    assert shown["figures"][2]["value"].startswith("−$2.5")
    for name in ("result.json", "report.html", "spec.toml"):
        assert client.get(f"/download/{name}", params=dear).status_code == 200


@pytest.mark.parametrize("mfu", ["0.05..0.35", "0.03", "0.2..0.4", "2%..60%"])
def test_pictures_are_those_of_the_report(client: TestClient, mfu: str) -> None:
    given = {"programme": "minimax-2025", "mfu": mfu, "price": "1.5..3"}
    drawn = client.get("/api/spend", params=given).json()["shown"]["charts"]
    result = client.get("/download/result.json", params=given).json()
    known = {each.title: each.picture for each in reports_of([("result", result)])[0].charts()}
    assert len(drawn) == 3
    for chart in drawn:
        picture = known[chart["title"]]
        rows = chart["spec"]["datasets"]["rows"]
        assert rows == picture.spec()["datasets"]["rows"][: len(rows)]
        assert alt.Chart.from_dict(chart["spec"])  # Altair validates it
        assert "NaN" not in vl_convert.vegalite_to_svg({**chart["spec"], "width": 600})


def test_a_picture_keeps_its_shape_while_a_slider_moves(client: TestClient) -> None:
    def shapes(usd: str) -> list[dict[str, Any]]:
        given = {"programme": "zai-2025", "rnd_compute": usd}
        charts = client.get("/api/spend", params=given).json()["shown"]["charts"]
        return [{**chart["spec"], "datasets": None} for chart in charts]

    assert shapes("290M") == shapes("280M") == shapes("300M")


def test_a_picture_of_nothing_is_left_out(client: TestClient) -> None:
    given = {**RUN, "mfu": "0.4", "price": "2"}
    titles = [
        chart["title"] for chart in client.get("/api/run", params=given).json()["shown"]["charts"]
    ]
    assert titles == ["Cost, by the way it is counted"]


def test_swings_stand_in_the_table_and_runs_that_are_not_counted_are_marked(
    client: TestClient,
) -> None:
    found = client.get("/api/spend", params={"programme": "minimax-2025"}).json()
    groups = {group["title"]: group["rows"] for group in found["shown"]["table"]}
    moved = groups["Share of final runs, one assumption moved"]
    assert [row[0] for row in moved] == [swing["assumption"] for swing in found["swings"]]
    outside = [run["name"] for run in found["runs"] if not run["counted"]]
    assert outside
    marked = [row[0] for row in groups["Runs"] if row[0].endswith(" (not counted)")]
    assert sorted(marked) == sorted(f"{name} (not counted)" for name in outside)


def test_texts_are_those_of_the_command(client: TestClient) -> None:
    found = client.get("/api/run", params={**RUN, "mfu": "0.3..0.4", "price": "2"}).json()
    estimate = cb.estimate_run(
        {**RUN, "mfu": "0.3..0.4", "price": "2"}, samples=SAMPLES, device="cpu"
    )
    assert text.money_interval(estimate.rows["cloud"]) in found["shown"]["headline"]
    assert found["shown"]["fields"]["params"]["text"] == "70 B"
    assert found["shown"]["fields"]["mfu"]["text"] == "30 % – 40 %"


def test_what_is_not_given_is_told_with_its_source(client: TestClient) -> None:
    known = client.get("/api/run", params=RUN).json()["shown"]["assumed"]
    assert "observed on" in known["mfu"]
    assert "on-demand prices" in known["price"]
    unknown = client.get("/api/run", params={**RUN, "accelerator": "h20"}).json()["shown"]
    assert unknown["assumed"]["price"] == "No rental price of this accelerator is known; type one."
    assert unknown["headline"].endswith("no rental price of the accelerator is known: type one.")


def test_a_day_without_prices_is_told(client: TestClient) -> None:
    def told(**fields: str) -> str:
        shown = client.get("/api/run", params={**RUN, **fields}).json()["shown"]
        return str(shown["assumed"].get("date", ""))

    assert "nearest to it serve" in told(date="2015-01-01")
    assert "nearest to it serve" in told(date="2035-01-01")
    assert not told(date="2015-01-01", price="2")
    assert not told(date="2025-06-30")
    assert not told(date="2025-06-30", accelerator="h20")
    assert not told()


def test_a_slider_stands_where_its_number_is(client: TestClient) -> None:
    options = client.get("/api/options").json()
    assert set(options["programmes"]["openai-2024"]["fields"]) == {"price", "rnd_compute"}
    stops = options["run"]["tokens"]["stops"]
    for wanted in ("1T", "15T", "200B"):
        given = {**RUN, "tokens": f"{wanted}..400T"}
        fields = client.get("/api/run", params=given).json()["shown"]["fields"]
        assert [stops[place] for place in fields["tokens"]["places"]] == [wanted, "400T"]
    assert all(float(parse_number(each)) % 1 == 0 for each in options["run"]["count"]["stops"])


def test_an_interval_reads_as_it_was_given(client: TestClient) -> None:
    found = client.get("/api/spend?programme=minimax-2025&mfu=0.05..0.35&price=1.5..3").json()
    assert found["shown"]["fields"]["mfu"]["text"] == "5 % – 35 %"


def test_a_fault_is_told_without_its_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> str:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("computebill.serve.answers.estimate_of", fail)
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


def test_downloads_have_a_smaller_measure() -> None:
    client = TestClient(make_app(rate=1e9), base_url="http://localhost")
    answers = [client.get("/download/spec.toml", params=RUN) for _ in range(MOST_DOWNLOADS + 1)]
    assert [answer.status_code for answer in answers] == [200] * MOST_DOWNLOADS + [429]
    assert answers[-1].headers["retry-after"] == "2"


def test_a_download_that_is_refused_does_not_count() -> None:
    client = TestClient(make_app(rate=1e9), base_url="http://localhost")
    wrong = {**RUN, "price": "-1"}
    codes = [client.get("/download/spec.toml", params=wrong).status_code for _ in range(20)]
    assert set(codes) == {422}
    assert client.get("/download/spec.toml", params=RUN).status_code == 200


def test_a_browser_keeps_what_has_not_changed(client: TestClient) -> None:
    first = client.get("/static/page.js")
    again = client.get("/static/page.js", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert "max-age" in client.get("/static/icon.svg").headers["cache-control"]
    assert not again.content


def test_downloads_are_what_is_shown(client: TestClient) -> None:
    given = {"programme": "minimax-2025", "price": "1..2"}
    result = client.get("/download/result.json", params=given)
    name = "minimax-2025-price-1..2"
    assert result.headers["content-disposition"] == f'attachment; filename="{name}.json"'
    shown = client.get("/api/spend", params=given).json()
    for key in ("final_share", "final_runs_usd", "exploration_usd"):
        assert result.json()[key] == shown[key]
    page = client.get("/download/report.html", params=given)
    assert page.status_code == 200
    assert "MiniMax" in page.text
    assert "moved by hand" in page.text
    assert "as-published" not in page.text
    assert f"computebill spend {name}.toml --samples {SAMPLES}" in page.text
    run = client.get("/download/spec.toml", params=RUN)
    assert tomllib.loads(run.text) == RUN
    assert run.text.startswith("# computebill run run-h100-sxm-70B-15T-count-1024.toml --samples")
    assert cb.estimate_run(RUN, samples=64).rows["flop"].p50 == pytest.approx(6 * 70e9 * 15e12)


def test_the_command_of_a_download_gives_its_figures(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"programme": "zai-2025", "mfu": "30%..50%"}
    result = client.get("/download/result.json", params=given).json()
    spec = client.get("/download/spec.toml", params=given)
    name = spec.headers["content-disposition"].partition('"')[2].rstrip('"')
    (tmp_path / name).write_text(spec.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(result["about"]["command"])[1:]
    told = json.loads(CliRunner().invoke(main, [*arguments, "--device", "cpu", "--json"]).stdout)
    assert told["final_share"] == result["final_share"]
    assert told["variant"] == "moved by hand"


def test_an_untouched_programme_is_as_published(client: TestClient) -> None:
    result = client.get("/download/result.json", params={"programme": "minimax-2025"}).json()
    assert result["about"]["command"] == f"computebill spend minimax-2025 --samples {SAMPLES}"
    assert result["variant"] == "as-published"
    assert len(result["variants"]) > 1


def test_a_programme_of_ones_own_is_offered(tmp_path: Path) -> None:
    shipped = SHIPPED.joinpath("openai-2024.toml").read_text(encoding="utf-8")
    own = tmp_path / "my-lab.toml"
    own.write_text(shipped.replace('title = "OpenAI, 2024"', 'title = "My lab"'), encoding="utf-8")
    client = TestClient(make_app(known=programmes([own])), base_url="http://localhost")
    own.unlink()  # read at the start, and never again
    assert next(iter(client.get("/api/options").json()["programmes"])) == "my-lab"
    found = client.get("/api/spend", params={"programme": "my-lab", "price": "2"}).json()
    assert found["title"] == "My lab"
    about = client.get("/download/result.json", params={"programme": "my-lab"}).json()["about"]
    assert about["command"] == f"computebill spend my-lab.toml --samples {SAMPLES}"
    second = tmp_path / "zai-2025.toml"
    second.write_text(shipped, encoding="utf-8")
    with pytest.raises(cb.RequestError, match=r"zai-2025\.toml: has the name of another"):
        programmes([second])


SWEEP = '[[groups]]\naccelerator = "h800-sxm"\nname = "tries"\ngpu_hours = 50\nrepeats = 1000\n'


def test_what_is_downloaded_of_ones_own_programme_holds_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, elsewhere = tmp_path / "own", tmp_path / "elsewhere"
    own.mkdir()
    elsewhere.mkdir()
    shipped = SHIPPED.joinpath("minimax-2025.toml").read_text(encoding="utf-8")
    programme = shipped.partition("[[scenarios]]")[0] + (
        '[[scenarios]]\nname = "s"\ndescription = "d"\nsource = "computebill"\n'
        'sweep = "tries.toml"\n'
    )
    (own / "mine.toml").write_text(
        'regression_models = "models.csv"\n' + programme, encoding="utf-8"
    )
    (own / "tries.toml").write_text(SWEEP, encoding="utf-8")
    models = SHIPPED.joinpath("regression_models.csv").read_bytes()
    (own / "models.csv").write_bytes(models)
    monkeypatch.chdir(tmp_path)
    client = TestClient(make_app(known=programmes(["own/mine.toml"])), base_url="http://localhost")
    monkeypatch.chdir(elsewhere)
    for moved in ({}, {"price": "2"}):
        given = {"programme": "mine", **moved}
        result = client.get("/download/result.json", params=given).json()
        spec = client.get("/download/spec.toml", params=given).text
        known = cb.compare_spend(tomllib.loads(spec), samples=SAMPLES, device="cpu").to_dict()
        assert known["final_share"] == result["final_share"]
        assert known["scenarios"] == result["scenarios"] != []
    (own / "tries.toml").unlink()
    with pytest.raises(cb.RequestError, match=r"scenarios\[0\]\.sweep: .*tries\.toml"):
        programmes([own / "mine.toml"])


def uncertain_lab(folder: Path) -> Path:
    """OpenAI's programme with R&D compute of 20 to 40 million EUR."""
    data = tomllib.loads(SHIPPED.joinpath("openai-2024.toml").read_text("utf-8"))
    data.pop("variants")
    data["currencies"] = {"EUR": {"per_usd": 0.92, "source": next(iter(data["sources"]))}}
    data["reported"] = [
        {
            "item": "R&D compute",
            "counts_as": "rnd_compute",
            "currency": "EUR",
            "source": next(iter(data["sources"])),
            "periods": [
                {"period": "2024", "amount": "20e6..40e6"},
            ],
        }
    ]
    own = folder / "lab.toml"
    own.write_text(tomli_w.dumps(data), encoding="utf-8")
    return own


def test_what_the_boxes_of_the_spend_hold_is_what_they_say(tmp_path: Path) -> None:
    known = programmes([uncertain_lab(tmp_path)])
    client = TestClient(make_app(known=known), base_url="http://localhost")
    begin = client.get("/api/options").json()["programmes"]["lab"]["fields"]["rnd_compute"]
    low, high = map(parse_number, begin["texts"])
    assert (low, high) == pytest.approx((20e6 / 0.92, 40e6 / 0.92), rel=0.01)
    as_is = client.get("/api/spend?programme=lab").json()["rnd_compute_usd"]
    given = {"programme": "lab", "rnd_compute": "..".join(begin["texts"])}
    typed = client.get("/api/spend", params=given).json()["rnd_compute_usd"]
    for key in ("p5", "p50", "p95"):
        assert typed[key] == pytest.approx(as_is[key], rel=0.005)


def test_the_spend_moved_by_hand_is_told_as_one_amount(tmp_path: Path) -> None:
    known = programmes([uncertain_lab(tmp_path)])
    client = TestClient(make_app(known=known), base_url="http://localhost")
    for name, period in (("zai-2025", "2024-07..2025-06"), ("lab", "2024-01..2024-12")):
        given = {"programme": name, "rnd_compute": "2M..20M"}
        result = client.get("/download/result.json", params=given).json()
        told = {each["name"]: each["value"] for each in result["assumptions"]}
        amount = f"2M–20M (p10–p90) ({period}) USD"
        assert told["R&D compute, moved by hand"] == amount
        spec = tomllib.loads(client.get("/download/spec.toml", params=given).text)
        used = {each.get("currency", "USD") for each in spec["reported"]} - {"USD"}
        assert set(spec["currencies"]) == used
    assert not used


def test_an_error_of_the_draws_says_what_it_is_relative_to(client: TestClient) -> None:
    notes = client.get("/api/spend?programme=minimax-2025").json()["shown"]["notes"]
    assert re.search(r"error of the share: [\d.]+ % of it\.$", notes[-1])


def test_every_state_has_a_title(client: TestClient) -> None:
    asked = (
        "spend?programme=zai-2025",
        "spend?programme=zai-2025&price=2",
        "spend?programme=openai-2024",
    )
    titles = [client.get(f"/api/{each}").json()["shown"]["title"] for each in asked]
    titles.append(client.get("/api/run", params=RUN).json()["shown"]["title"])
    assert len(set(titles)) == 4
    assert titles[-1] == "70B parameters, 15T tokens, h100-sxm"


texts = st.one_of(
    st.text(max_size=30),
    st.floats().map(str),
    st.sampled_from(["1..0", "..", "1e999", "-1", "NaN", "70B", "0.1..0.9", "'", "<script>", "0"]),
)
names = st.sampled_from(
    [
        "programme",
        "accelerator",
        "params",
        "tokens",
        "count",
        "mfu",
        "price",
        "final_share",
        "date",
        "rnd_compute",
    ]
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
