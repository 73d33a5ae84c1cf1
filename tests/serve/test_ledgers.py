"""Records on the page: those of the command line, told as the command tells them, no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from computebill.base.errors import RequestError
from computebill.cli import main
from computebill.serve import make_app
from computebill.serve.ledgers import Ledgers, read_ledgers

EXAMPLE = Path(__file__).parents[2] / "examples" / "ledger"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "mine.json"
    rules = ("--rules", str(EXAMPLE / "rules.toml"))
    records = (str(EXAMPLE / "sacct.txt"), str(EXAMPLE / "runs.csv"))
    done = CliRunner().invoke(main, ["ledger", *records, *rules, "-o", str(path), "--brief"])
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture(scope="module")
def client(file: Path) -> TestClient:
    app = make_app(rate=1e9, ledgers=read_ledgers([str(file)]))
    return TestClient(app, base_url="http://localhost")


def told(client: TestClient, **given: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/ledger", params=given).json()
    return found


def test_it_says_what_the_command_says(client: TestClient, file: Path) -> None:
    shown = told(client, records="mine")["shown"]
    assert told(client)["shown"] == shown
    rules = ("--rules", str(EXAMPLE / "rules.toml"))
    records = (str(EXAMPLE / "sacct.txt"), str(EXAMPLE / "runs.csv"))
    brief = CliRunner().invoke(main, ["ledger", *records, *rules, "--brief"])
    assert brief.stdout.startswith(shown["headline"])
    titles = [each["title"] for each in shown["charts"]]
    assert len(titles) == 4
    assert "beside known programmes" in titles[0]
    assert client.get("/api/options").json()["records"] == {
        "mine": "mine: 2025-06-03 to 2025-10-14"
    }


@pytest.mark.parametrize("name", ["other", "../../etc/passwd", "mine.json"])
def test_no_request_names_a_file(client: TestClient, name: str) -> None:
    response = client.get("/api/ledger", params={"records": name})
    assert response.status_code == 422
    assert response.json()["errors"][0]["message"].endswith("allowed: mine")


def test_without_records_there_is_no_view() -> None:
    with pytest.raises(RequestError, match="start it with a result"):
        Ledgers({}).answer({})


@pytest.mark.parametrize("text", ["{}", "[]", "not json", json.dumps({"final_share": 1})])
def test_another_file_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(RequestError, match=r"x\.json"):
        read_ledgers([str(path)])
