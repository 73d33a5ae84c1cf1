from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import computebill as cb
from computebill.cli import main

RUN = ["run", "--params", "7B", "--tokens", "2T", "--accelerator", "h100", "--count", "8"]
RUN += ["--mfu", "0.4", "--samples", "512", "--name", "O'Run"]


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    assert invoke(*RUN, "-o", str(path)).exit_code == 0
    return path


def test_about_tells_the_command_and_the_versions(result: Path) -> None:
    found = json.loads(result.read_text())["about"]
    assert found["command"] == (
        "computebill run --params 7B --tokens 2T --accelerator h100 --count 8 --mfu 0.4 "
        f"""--samples 512 --name 'O'"'"'Run' -o {result}"""
    )
    assert found["seed"] == 0
    assert found["samples"] == 512
    assert {"computebill", "torch", "date", "method", "device"} <= set(found)


def test_a_page_of_results(result: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = invoke("report", str(result), str(result), "-o", str(page))
    assert done.exit_code == 0, done.output
    assert done.stdout == f"Wrote {page}\n"
    text = page.read_text()
    assert "O&#x27;Run: 8 x NVIDIA H100" in text
    assert text.count("<article") == 1


def test_every_command_writes_its_own_page(result: Path, tmp_path: Path) -> None:
    page, other = tmp_path / "page.html", tmp_path / "other.html"
    assert invoke(*RUN, "--html", str(page)).exit_code == 0
    assert invoke("report", str(result), "-o", str(other)).exit_code == 0
    answer = '<p class="answer">The run takes'
    assert answer in page.read_text()
    assert answer in other.read_text()
    for name in ("spend", "plan", "sweep", "score", "validate", "calibrate", "model", "mfu"):
        assert "--html FILE" in invoke(name, "--help").stdout


def test_pictures(result: Path, tmp_path: Path) -> None:
    folder = tmp_path / "charts"
    done = invoke("report", str(result), "-o", str(tmp_path / "x.html"), "--pictures", str(folder))
    assert done.exit_code == 0, done.output
    assert {path.suffix for path in folder.iterdir()} == {".png", ".svg", ".pdf"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "x.json: is not JSON, as --json prints it"),
        ("[" * 100_000, "x.json: is not JSON"),
        ('{"mfu": NaN}', "x.json: is not JSON, as --json prints it: NaN is no number"),
        ("[1]", "x.json: allowed: one JSON object"),
        (
            '{"a": 1}',
            "x.json: is no result of a command that has a page; allowed: what a command wrote",
        ),
        ("\udcff", "x.json: is not JSON"),
    ],
)
def test_bad_results(content: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    done = invoke("report", str(path), "-o", str(tmp_path / "page.html"))
    assert done.exit_code == 2, done.output
    assert f"Error: {tmp_path}/{problem}" in done.output
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["none.json"], "none.json: cannot be read"),
        (["none.json", "-o", "page.pdf"], "-o: got 'page.pdf'; allowed: .html"),
        ([], "Missing argument 'RESULT...'"),
    ],
)
def test_bad_requests(arguments: list[str], problem: str) -> None:
    done = invoke("report", *arguments)
    assert done.exit_code == 2
    assert problem in done.output


def test_a_page_s_name_is_looked_at_before_anything_is_computed(tmp_path: Path) -> None:
    for flags in (["--html", "x.txt"], ["--html", str(tmp_path / "no" / "x.html")]):
        done = invoke(*RUN, *flags)
        assert done.exit_code == 2
        assert "--html: got" in done.output
    both = str(tmp_path / "x.html")
    assert "the file of --plot" in invoke(*RUN, "--html", both, "--plot", both).output


@pytest.mark.parametrize("place", ["title", "organisation", "name"])
@pytest.mark.parametrize("wrong", [7, ["a"], {"b": None}, None, True])
def test_a_result_of_wrong_kinds_gives_a_page_or_one_line(
    tmp_path: Path, place: str, wrong: object
) -> None:
    result = cb.estimate_run(
        {"params": "7B", "tokens": "1T", "accelerator": "h100", "count": 64}, samples=256
    ).to_dict()
    result[place] = wrong
    result["swings"] = [{**each, "assumption": wrong} for each in result["swings"]]
    file = tmp_path / "x.json"
    file.write_text(json.dumps(result))
    done = CliRunner().invoke(main, ["report", str(file), "-o", str(tmp_path / "x.html")])
    assert done.exit_code in (0, 2), done.output
    assert "Traceback" not in done.output
