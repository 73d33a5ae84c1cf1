from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from computebill.cli import main

PROFILE = """
name = "mine"
title = "My [bold] chip"
vendor = "Me"
memory_gb = { value = 80, source = "sheet", checked = false, note = "as told" }
memory_bandwidth_gb_s = { value = 2000, source = "sheet" }
[peak_tflops]
fp16 = { value = 500, source = "sheet" }
[sources]
sheet = { title = "A datasheet", licence = "facts only" }
"""


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("COMPUTEBILL_PROFILES", raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["hardware", *arguments])


def parsed(*arguments: str) -> Any:
    result = run(*arguments)
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_plain_hardware_lists_every_accelerator() -> None:
    result = run()
    assert result.exit_code == 0
    assert "h100-sxm" in result.stdout
    assert "989.4" in result.stdout
    assert result.stdout == run("list").stdout


def test_the_list_as_json_is_one_object() -> None:
    rows = parsed("list", "--json")["accelerators"]
    assert len(rows) == 99
    h100 = next(row for row in rows if row["name"] == "h100-sxm")
    assert h100["bf16_tflops"] == 989.4
    assert h100["usd_per_hour"] > 1
    assert parsed("--json")["accelerators"] == rows
    assert parsed("--json", "list")["accelerators"] == rows


def test_show_names_every_source_and_marks_what_was_not_re_checked() -> None:
    result = run("show", "RTX 5090")
    assert result.exit_code == 0
    assert "NVIDIA GeForce RTX 5090 (rtx-5090)" in result.stdout
    assert "not re-checked" in result.stdout
    assert "ml-engineering-network" in result.stdout
    assert "CC-BY-SA-4.0" in result.stdout


def test_show_tells_what_was_looked_for_and_not_found() -> None:
    told = " ".join(run("show", "mi455x").stdout.split())
    assert "Looked for and not found: multiprocessors, node_size," in told
    assert "power.chip_watt." in told
    assert "generation" in told


def test_show_gives_the_last_ten_prices_or_all() -> None:
    total = len(parsed("show", "h100", "--json")["prices"]["cloud"])
    assert f"10 of {total}" in run("show", "h100").stdout
    assert f"{total} of {total}" in run("show", "h100", "--prices").stdout


def test_show_as_json_is_the_whole_profile() -> None:
    profile = parsed("show", "NVIDIA H100 80GB HBM3", "--json")
    assert profile["name"] == "h100-sxm"
    assert profile["peak_tflops"]["bf16"] == {
        "value": 989.4,
        "source": "vendor",
        "checked": True,
        "note": "",
    }
    assert profile["sources"]["vendor"]["address"].startswith("https://")
    other = parsed("--json", "show", "h100")
    assert other.pop("about")["command"] == "computebill hardware --json show h100"
    assert profile.pop("about")["computebill"]
    assert other == profile


def test_doubtful_prices_and_variants_are_told() -> None:
    # A cell may wrap, so one word of each mark is looked for.
    assert "doubtful" in run("show", "h100", "--prices").stdout
    assert "variant" in run("show", "v100", "--prices").stdout


@pytest.mark.parametrize("name", ["rubin-nvl72", "trainium1", "tpu-v2", "ascend-910c"])
def test_every_kind_of_profile_can_be_shown(name: str) -> None:
    assert run("show", name).exit_code == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a100", "names more than one accelerator: a100-pcie-40gb"),
        ("h1000", "is not a known accelerator; nearest: h100-"),
        ("./none.toml", "none.toml: cannot be read"),
    ],
)
def test_a_bad_name_ends_with_status_2(name: str, message: str) -> None:
    result = run("show", name)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())


def test_further_profiles_are_listed_and_shown(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(PROFILE, encoding="utf-8")
    assert "My [bold] chip" in run("--profiles", str(tmp_path)).stdout
    shown = run("show", "mine", "--profiles", str(tmp_path)).stdout
    assert "not re-checked; as told" in shown
    rows = parsed("--profiles", str(tmp_path), "list", "--json")["accelerators"]
    assert len(rows) == 100


def test_a_missing_profile_directory_ends_with_status_2(tmp_path: Path) -> None:
    result = run("list", "--profiles", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "is not a directory" in result.stderr


@pytest.mark.parametrize("before", [True, False])
def test_a_page_of_one_or_all(tmp_path: Path, before: bool) -> None:
    page = ["--html", str(tmp_path / "page.html")]
    assert run(*page).exit_code == 0
    assert "What an hour costs" in (tmp_path / "page.html").read_text()
    show = ["show", "h100"]
    assert run(*page, *show).exit_code == 0 if before else run(*show, *page).exit_code == 0
    text = (tmp_path / "page.html").read_text()
    assert "NVIDIA H100 SXM5 80GB" in text
    assert "Price of an hour, by day and provider" in text
    wrong = run("--html", "page.pdf")
    assert wrong.exit_code == 2
    assert "--html: got 'page.pdf'; allowed: .html" in wrong.output


def test_a_profile_of_few_figures_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(PROFILE)
    page = tmp_path / "page.html"
    result = run("show", str(tmp_path / "mine.toml"), "--html", str(page))
    assert result.exit_code == 0, result.output
    assert "My [bold] chip reaches 500 TFLOP/s dense in fp16" in page.read_text()
    assert "not re-checked; as told" in page.read_text()
