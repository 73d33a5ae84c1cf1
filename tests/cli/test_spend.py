from __future__ import annotations

import copy
import csv
import io
import json
import math
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from computebill.cli import main
from computebill.programmes import regressions
from computebill.programmes.loading import SHIPPED

Data = dict[str, Any]
Small = Callable[[], Data]
Write = Callable[[Data], Path]


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regressions, "RESAMPLES", 2**10)


@pytest.fixture
def lab(programme: Small, write_programme: Write) -> str:
    return str(write_programme(programme()))


def spend(*arguments: str, samples: str = "1024") -> Result:
    return CliRunner().invoke(main, ["spend", "--samples", samples, *arguments])


def parsed(*arguments: str, samples: str = "1024") -> Any:
    result = spend(*arguments, "--json", samples=samples)
    assert result.exit_code == 0, result.output
    assert all(line.startswith("Wrote ") for line in result.stderr.splitlines())
    return json.loads(result.stdout, parse_constant=lambda name: pytest.fail(name))


def refusal(*arguments: str) -> str:
    result = spend(*arguments)
    assert result.exit_code == 2, (arguments, result.output, result.exception)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.count("Error: ") == 1
    return result.stderr


DISTRIBUTION = {"p5", "p50", "p95", "mean"}


def test_json_is_one_object_with_the_agreed_keys(lab: str) -> None:
    found = parsed(lab)
    assert found["programme"] == "lab"
    assert found["window"] == {"start": "2024-01-01", "end": "2024-12-31"}
    assert found["reported"] == {"rnd_compute_usd": 1e9}
    for key in ("final_runs_usd", "final_share", "exploration_usd"):
        assert set(found[key]) >= DISTRIBUTION
    for run in found["runs"]:
        assert set(run) >= {"name", "flop", "gpu_hours", "cost_usd"}
        assert set(run["cost_usd"]) >= DISTRIBUTION
    assert (found["samples"], found["seed"]) == (1024, 0)


def test_the_figures_by_hand(lab: str) -> None:
    found = parsed(lab, samples="8192")
    # 1.1e25 FLOP at sqrt(0.2 x 0.4) of 989.4e12 FLOP/s, at sqrt(1.5 x 3) USD an hour.
    usd = 1.1e25 / (989.4e12 * math.sqrt(0.08)) / 3600 * math.sqrt(4.5)
    assert found["final_runs_usd"]["p50"] == pytest.approx(usd, rel=0.01)
    assert found["final_share"]["p50"] == pytest.approx(usd / 1e9, rel=0.01)
    assert found["exploration_usd"]["p50"] == pytest.approx(1e9 - usd, rel=0.01)
    follower = {row["skipped"]: row["bill_usd"]["p50"] for row in found["follower"]}
    assert follower[0.5] == pytest.approx(usd + 0.5 * (1e9 - usd), rel=0.01)
    half = next(row for row in found["variants"] if row["name"] == "cheap")
    cheap = usd / math.sqrt(4.5)
    assert half["final_runs_usd"]["p50"] == pytest.approx(cheap, rel=0.01)
    effect = half["changes"][0]["effect_on_share_p50"]
    assert effect == pytest.approx((cheap - usd) / 1e9, rel=0.02)


def test_the_best_grades_are_compared_by_default() -> None:
    table = spend(samples="256").stdout
    for text in ("OpenAI, 2024", "MiniMax, Q4 2024", "Z.ai, H2 2024", "$5.00 B", "k = 50%"):
        assert text in table
    rows = [line for line in table.splitlines() if line.strip().endswith(("h", "Wh", "%)", ")"))]
    assert any("Ai2, Olmo 3" in row and " A " in row and "17.8 %" in row for row in rows)
    assert "xAI, 2025" not in table
    assert "minimax-2025 and minimax-fy2025 have 9 months of spend in common" in table
    assert "xAI, 2025" in spend("--grade", "c", samples="64").stdout


def test_the_published_shares() -> None:
    found = parsed("openai-2024", "minimax-2025", "zai-2025")["programmes"]
    shares = [row["final_share"]["p50"] for row in found]
    assert shares == pytest.approx([0.10, 0.23, 0.12], abs=0.02)
    assert [row["grade"] for row in found] == ["B", "B", "B"]


def test_one_organisation_is_told_over_time() -> None:
    sentence, _, tables = spend("minimax", samples="256").stdout.partition("\n\n")
    assert sentence.startswith("Final training runs are a minority of R&D compute: ")
    assert sentence.count(" at MiniMax") == 3  # of grade C none, beside better ones
    told = " ".join(tables.split())
    order = [
        told.index(f"MiniMax, {year}") for year in ("2022", "2023", "2024", "Q4", "full", "H1")
    ]
    assert order == sorted(order)
    assert "No trend: the medians" in told
    assert "differ by more than their intervals: openai-2022 against openai-2025" in " ".join(
        spend("openai", samples="2048").stdout.split()
    )


def test_json_tells_overlaps_and_the_trend() -> None:
    found = parsed("hf", samples="64")
    assert found["overlaps"] == []
    assert found["trend"]["windows"] == ["hf-smollm3", "hf-finephrase"]
    assert found["trend"]["is_larger_than_intervals"] is True
    assert "trend" not in parsed("smollm", "bloom", samples="64")


def test_a_unique_beginning_is_a_name() -> None:
    assert parsed("smollm", samples="64")["programme"] == "hf-smollm3"
    assert "k = 100%" in spend("bloom", samples="64").stdout


def test_hours_are_told_in_dollars_where_a_price_is_given() -> None:
    bare, priced = parsed("bloom"), parsed("bloom", "--price", "1..2")
    assert bare["final_runs_usd"] is None
    assert bare["final_runs_gpu_hours"]["p50"] == 1082990
    # The middle of a log-normal of these percentiles is sqrt(1 x 2).
    usd = 1082990 * math.sqrt(2)
    assert priced["final_runs_usd"]["p50"] == pytest.approx(usd, rel=0.01)
    assert priced["final_share"] == bare["final_share"]
    assert "in dollars" in spend("bloom", "--price", "1..2").stdout
    assert "--price: ai2-olmo-2 is counted in MWh" in refusal("ai2-olmo-2", "--price", "2")
    assert "$" in spend("bloom", "smollm", "--price", "2").stdout.split("k = ")[0]


def test_a_price_in_the_files_place_is_told_in_heading_and_list(lab: str) -> None:
    bare, priced = parsed(lab, samples="8192"), parsed(lab, "--price", "1..2", samples="8192")
    # The file's price is 1.5..3: the middle goes from sqrt(4.5) to sqrt(2).
    moved = priced["final_share"]["p50"] / bare["final_share"]["p50"]
    assert moved == pytest.approx(math.sqrt(2 / 4.5), rel=0.01)
    assert bare["price_given"] is None
    assert priced["price_given"] == "1–2 (p10–p90)"
    told = " ".join(spend(lab, "--price", "1..2").stdout.split())
    assert "Lab, 2024, as-published, price 1–2 (p10–p90)" in told
    assert "Price of an hour, USD, as given" in told
    assert "price" not in spend(lab).stdout.split("Spend of")[0]
    # A variant whose own price goes before is not headed by another.
    assert parsed(lab, "--variant", "cheap", "--price", "1..2")["price_given"] is None


def test_a_price_is_applied_where_it_says_something() -> None:
    told = " ".join(spend("--price", "1..2", samples="64").stdout.split())
    assert "as-published, price 1–2 (p10–p90); median" in told
    left = told.partition("Left as they are by the price")[2].partition("): ")[2]
    assert "Ai2, OLMo to OLMo 2; Meta, LLaMA 1" in left.partition(".")[0]
    assert "OpenAI" not in left.partition(".")[0]


def test_grades_choose_among_those_named() -> None:
    assert parsed("minimax", "--grade", "B")["programmes"][-1]["programme"] == "minimax-fy2025"
    assert "--grade: got A; allowed: a worse one" in refusal("minimax", "--grade", "A")


def test_what_cannot_be_told_is_told_so() -> None:
    found = parsed("anthropic-2025", samples="64")
    assert found["final_share"] is None
    assert found["follower"] == []
    assert found["rnd_compute_usd"]["p50"] == 4.1e9
    told = spend("anthropic-2025", samples="64").stdout
    assert "Claude 4 to 4.5 (size not published)" in told
    assert "the share cannot be told" in told


def test_one_programme_is_told_in_full() -> None:
    result = spend("zai-2025")
    assert result.exit_code == 0
    for text in ("GLM-4.5", "MC error", "follower's bill", "What drives the share", "Olmo 3"):
        assert text in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 120


def test_a_variant_is_shown_when_asked_for(lab: str) -> None:
    assert parsed(lab, "--variant", "cheap")["variant"] == "cheap"
    assert "variant: got 'dear'; allowed: as-published, cheap" in refusal(lab, "--variant", "dear")
    assert "variant: got 'stated-rl'" in refusal("--variant", "stated-rl")


def test_csv_has_a_row_a_run(lab: str) -> None:
    result = spend(lab, "openai-2024", "--csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["programme"] for row in rows] == ["lab", "lab", "openai-2024", "openai-2024"]
    expected = parsed(lab)["runs"][1]["cost_usd"]["p95"]
    assert float(rows[1]["cost_usd_p95"]) == pytest.approx(expected)


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_what_is_written_is_what_is_printed(lab: str, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"out.{ending}"
    found = parsed(lab, "-o", str(target))
    if ending == "json":
        assert json.loads(target.read_text("utf-8")) == found
        return
    frame = pd.read_csv(target) if ending == "csv" else pd.read_parquet(target)
    assert list(frame["run"]) == ["A", "B"]
    assert frame["cost_usd_p50"][0] == pytest.approx(found["runs"][0]["cost_usd"]["p50"])


@pytest.mark.parametrize("names", [[], ["LAB"], ["LAB", "LAB"]])
@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_a_plot_is_written(lab: str, tmp_path: Path, names: list[str], ending: str) -> None:
    target = tmp_path / f"share.{ending}"
    chosen = [lab for _ in names] or ["openai-2024", lab]
    assert spend(*chosen, "--plot", str(target)).exit_code == 0
    assert target.stat().st_size > 5000


def test_every_draw_can_be_written(lab: str, tmp_path: Path) -> None:
    target = tmp_path / "draws.parquet"
    found = parsed(lab, "--draws", str(target))
    frame = pd.read_parquet(target)
    assert len(frame) == 1024
    assert frame["final_share"].median() == pytest.approx(found["final_share"]["p50"], rel=1e-3)
    total = frame["cost_usd A"] + frame["cost_usd B"]
    assert total.to_numpy() == pytest.approx(frame["final_runs_usd"].to_numpy())
    rest = frame["rnd_compute_usd"] - frame["final_runs_usd"]
    assert rest.to_numpy() == pytest.approx(frame["exploration_usd"].to_numpy())


def test_the_same_programme_twice_is_shown_once(lab: str) -> None:
    assert parsed(lab, lab)["programme"] == "lab"


def test_seeds_methods_and_samples(lab: str) -> None:
    first = parsed(lab, samples="4096")
    assert parsed(lab, samples="4096") == first
    for other in (["--seed", "1"], ["--method", "random"]):
        found = parsed(lab, *other, samples="4096")
        share, error = found["final_share"], found["final_share"]["monte_carlo_error"]
        assert share != first["final_share"]
        own = first["final_share"]["monte_carlo_error"]
        for key in DISTRIBUTION:
            gap = abs(share[key] - first["final_share"][key])
            assert gap < 6 * math.hypot(error[key], own[key])


@pytest.mark.parametrize("samples", ["1", "2", "100", "300", "1k"])
def test_any_number_of_samples(lab: str, samples: str) -> None:
    found = parsed(lab, samples=samples)
    assert (found["final_share"]["monte_carlo_error"] is None) == (samples != "1k")
    assert spend(lab, samples=samples).exit_code == 0


def test_a_programme_may_come_through_a_pipe(lab: str) -> None:
    if not Path("/dev/stdin").exists():
        pytest.skip("no /dev/stdin")
    command = [sys.executable, "-m", "computebill.cli", "spend", "/dev/stdin", "--samples", "64"]
    result = subprocess.run(
        command, input=Path(lab).read_bytes(), capture_output=True, check=False, env=os.environ
    )
    assert result.returncode == 0, result.stderr
    assert b"Lab, 2024" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nosuch"], "programme: got 'nosuch'; allowed: openai-2024, minimax-2025, zai-2025"),
        (["openia-2024"], "programme: got 'openia-2024'; nearest: openai-2024, "),
        (["smolm"], "got 'smolm'; nearest: hf-smollm3; allowed"),
        (["minimx"], "got 'minimx'; nearest: minimax-2025, minimax-"),
        (
            ["hf", "--multiverse"],
            "--multiverse: got 2 programmes; allowed: one of hf-finephrase, hf-smollm3",
        ),
        (["2025"], "programme: got '2025', of several organisations; allowed: one of minimax"),
        (["--grade", "D"], "--grade: got 'D'; allowed: A, B or C"),
        (["--price", "0"], "--price: got 0"),
        (["bloom", "--price", "x"], "--price: got 'x'"),
        (["missing.toml"], "missing.toml: cannot be read"),
        ([""], "is a directory"),
        (["/"], "is a directory"),
        (["x" * 300], "programme: got 'xxx"),
        (["openai-2024", "[bold]"], "programme: got '[bold]'"),
        (["[/]"], "[/]: cannot be read: No such file"),
        (["--samples", "0"], "samples: got 0"),
        (["--samples", "-5"], "samples: got -5"),
        (["--samples", "x"], "--samples"),
        (["--seed", "-1"], "seed: got -1"),
        (["--method", "x"], "method: got 'x'"),
        (["--device", "meta"], "device: got 'meta'"),
        (["openai-2024", "--profiles", "missing"], "profiles: 'missing' is not a directory"),
        (["--json", "--csv"], "--json: got --csv as well"),
        (["--draws", "x.parquet"], "--draws: allowed: one programme, and a .parquet file"),
        (["openai-2024", "--draws", "x.csv"], "--draws: allowed: one programme, and a .parquet"),
        (["openai-2024", "--draws", "missing/x.parquet"], "missing/x.parquet"),
        (["--nothing"], "No such option"),
    ],
)
def test_bad_requests(arguments: list[str], problem: str) -> None:
    assert problem in refusal(*arguments)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"\x00", "is not valid TOML"),
        (b"organisation = ", "is not valid TOML"),
        (b"organisation = 'x'", "is missing"),
        (b"a" + b".a" * 3000 + b" = 1", "is nested more than 20 levels deep"),
        (b"a = " + b"[" * 3000 + b"]" * 3000, "is not valid TOML"),
    ],
)
def test_bad_files(tmp_path: Path, raw: bytes, problem: str) -> None:
    path = tmp_path / "lab.toml"
    path.write_bytes(raw)
    message = refusal(str(path))
    assert problem in message
    assert f"Error: {path}: " in message


def test_a_file_of_100_megabytes_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    assert "is larger than 4 MiB" in refusal(str(path))
    assert "cannot be read" in refusal(str(path / "inner.toml"))


@pytest.mark.parametrize("flag", ["-o", "--plot", "--draws"])
@pytest.mark.parametrize("name", ["out.txt", "out", "missing/out{}", "folder", "x" * 300 + "{}"])
def test_outputs_that_cannot_be(lab: str, tmp_path: Path, flag: str, name: str) -> None:
    (tmp_path / "folder").mkdir()
    ending = {"-o": ".json", "--plot": ".svg", "--draws": ".parquet"}[flag]
    refusal(lab, flag, str(tmp_path / name.format(ending)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "lab.toml"]


def too_large(data: Data) -> None:
    data["runs"][1]["fraction"] = 1e60
    for i in range(5):
        data["runs"].append({**data["runs"][1], "name": f"C{i}", "base": data["runs"][-1]["name"]})


def nothing_left(data: Data) -> None:
    item = data["reported"][0]
    item["periods"].append({"period": "2023", "amount": {"low": 1, "high": 3e9}})
    item["periods"].append({"period": "2023", "amount": 1.6e9, "sign": -1})


def out_of_window(data: Data) -> None:
    data["reported"][0]["periods"][0]["period"] = "2023"


def no_such_part(data: Data) -> None:
    data["assumptions"]["accelerator"] = "h1000"


def no_such_regression(data: Data) -> None:
    del data["runs"][0]["flop"]
    data["runs"][0]["regression"] = {"on": "[/]", "params": 1e9, "size": 1e6}


def bad_variant(data: Data) -> None:
    data["variants"][0]["changes"][0]["runs"] = [{"name": ["A"], "mfu": 0.1}]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (too_large, "figures: taken together they lead to numbers beyond 1e308"),
        (nothing_left, "reported: R&D compute is zero or negative in"),
        (out_of_window, "reported[0].periods: the periods do not add up"),
        (no_such_part, "runs[0]: accelerator: 'h1000' is not a known accelerator"),
        (no_such_regression, "runs[0].regression.on: got '[/]' with 0 models"),
        (bad_variant, "variants[0].changes[0].runs[0].name: got ['A']"),
    ],
)
def test_outputs_are_untouched_by_a_failure(
    programme: Small, write_programme: Write, tmp_path: Path, spoil: Any, problem: str
) -> None:
    data = programme()
    spoil(data)
    path = write_programme(data)
    targets = {"-o": "out.json", "--plot": "plot.svg", "--draws": "draws.parquet"}
    arguments = [str(path)]
    for flag, name in targets.items():
        (tmp_path / name).write_bytes(b"before")
        arguments += [flag, str(tmp_path / name)]
    assert problem in refusal(*arguments)
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted(
        ["lab.toml", *targets.values()]
    )
    assert {(tmp_path / name).read_bytes() for name in targets.values()} == {b"before"}


def test_nothing_uncertain_is_a_bill_without_intervals(
    programme: Small, write_programme: Write
) -> None:
    data = programme()
    data["assumptions"]["mfu"]["value"] = 0.4
    data["assumptions"]["price"]["value"] = 2
    path = str(write_programme(data))
    found = parsed(path)
    usd = 1.1e25 / (989.4e12 * 0.4) / 1800
    assert found["final_runs_usd"]["p5"] == pytest.approx(usd)
    assert found["final_runs_usd"]["p5"] == found["final_runs_usd"]["p95"]
    assert found["sensitivity"] == []
    assert found["joint"] is None
    assert "Final runs" in spend(path).stdout


def test_spend_that_is_all_estimated(programme: Small, write_programme: Write) -> None:
    data = programme()
    item = data["reported"][0]
    data["reported"].append({**copy.deepcopy(item), "item": "more", "estimated": True})
    item["periods"][0]["amount"] = 0
    path = str(write_programme(data))
    assert parsed(path)["reported"] == {"rnd_compute_usd": 0}
    assert "R&D compute, with what is added" in spend(path).stdout


def test_final_runs_above_the_spend_are_pointed_out(
    programme: Small, write_programme: Write
) -> None:
    data = programme()
    data["reported"][0]["periods"][0]["amount"] = 23e6
    path = str(write_programme(data))
    found = parsed(path)
    assert 0 < found["probability_final_exceeds_rnd"] < 1
    assert found["exploration_usd"]["p5"] < 0
    assert "of the draws the final runs cost more than all R&D" in " ".join(
        spend(path).stdout.split()
    )


@pytest.mark.parametrize("name", ["[bold]x[/]", "[/]", "[link=http://x]y", ":smile:", "大きさ–é"])
def test_names_are_printed_as_they_are(programme: Small, write_programme: Write, name: str) -> None:
    data = programme()
    data["title"] = data["organisation"] = name
    data["runs"][0]["name"] = data["runs"][1]["base"] = f"run {name}"
    data["reported"][0]["item"] = data["variants"][0]["name"] = name
    data["variants"][0]["changes"][0]["name"] = f"change {name}"
    table = spend(str(write_programme(data))).stdout
    for text in (f"{name}, as-published", f"run {name}", f"change {name}"):
        assert text in table


@pytest.mark.parametrize("letter", ["\x1b[2J", "\n", "\r", "\x00", "\x7f", "\u202e", "\u2028"])
def test_names_that_would_spoil_a_terminal(
    programme: Small, write_programme: Write, letter: str
) -> None:
    data = programme()
    data["runs"][0]["name"] = f"x{letter}y"
    message = refusal(str(write_programme(data)))
    assert "runs[0].name: got 'x" in message
    assert all(line.isprintable() for line in message.splitlines())


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flag=st.sampled_from(["variant", "samples", "seed", "method", "device"]), value=texts)
def test_any_flag_ends_well_or_with_status_2(lab: str, flag: str, value: str) -> None:
    result = spend(lab, f"--{flag}={value}", samples="16")
    assert result.exit_code in (0, 2), (flag, value, result.exception)
    assert bool(result.stdout) == (result.exit_code == 0)


numbers = st.sampled_from(
    [0, 1, -1, 0.5, 1e60, 1e-60, 1e30, math.nan, math.inf, True, "x", "0.1..0.2", "1e20..1e25"]
) | st.fixed_dictionaries({"p10": st.floats(1e-9, 1e9), "p90": st.floats(1e-9, 1e30)})


def leaves(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a number, with the number's key."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[tuple[Any, Any]] = []
    for key, item in pairs:
        if isinstance(item, dict | list):
            found += leaves(item)
        elif isinstance(item, int | float):
            found.append((value, key))
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_programme_of_other_numbers_ends_well_or_with_status_2(
    data: st.DataObject, write_programme: Write
) -> None:
    spec = tomllib.loads(SHIPPED.joinpath("openai-2024.toml").read_text("utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(leaves(spec)))
        container[key] = data.draw(numbers)
    result = spend(str(write_programme(spec)), "--json", samples="64")
    assert result.exit_code in (0, 2), (spec, result.exception)
    if result.exit_code == 0:
        json.loads(result.stdout, parse_constant=lambda name: pytest.fail(name))
    else:
        assert result.stdout == ""
        first, *others = result.stderr.splitlines()
        assert first.startswith("Error: ")
        assert all(line.startswith("  ") for line in others)


def test_two_outputs_may_not_be_one_file(tmp_path: Path) -> None:
    same = str(tmp_path / "x.parquet")
    result = CliRunner().invoke(main, ["spend", "zai-2025", "-o", same, "--draws", same])
    assert result.exit_code == 2
    assert "--draws" in result.stderr
    assert "the file of -o" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_shipped_file_is_printed_and_changed(tmp_path: Path) -> None:
    shipped = CliRunner().invoke(main, ["spend", "openai-2024", "--print"])
    assert shipped.output == SHIPPED.joinpath("openai-2024.toml").read_text(encoding="utf-8")
    changing = ["spend", "openai-2024", "--set", "assumptions.price=2.5..4"]
    told = json.loads(CliRunner().invoke(main, [*changing, "--samples", "64", "--json"]).output)
    printed = CliRunner().invoke(main, [*changing, "--print"]).output
    (tmp_path / "mine.toml").write_text(printed, encoding="utf-8")
    again = ["spend", str(tmp_path / "mine.toml"), "--samples", "64", "--json"]
    known = json.loads(CliRunner().invoke(main, again).output)
    assert told["final_share"] == known["final_share"]
    assert told["set"] == ["assumptions.price=2.5..4"]
    several = CliRunner().invoke(main, ["spend", "minimax", "--print"])
    assert several.exit_code == 2
    assert "--print: got 6 programmes; allowed: one, by its name" in several.output


def test_csv_has_the_share_the_total_and_what_went_in(lab: str) -> None:
    frame = pd.read_csv(io.StringIO(spend(lab, "ai2-olmo-3", "--csv").stdout))
    known = parsed(lab)
    own = frame[frame["programme"] == "lab"].iloc[0]
    for part in ("p5", "p50", "p95"):
        assert own[f"final_share_{part}"] == pytest.approx(known["final_share"][part])
        assert own[f"rnd_compute_{part}"] == pytest.approx(known["rnd_compute_usd"][part])
    assert (own["unit"], own["grade"]) == ("USD", known["grade"])
    assert own["size_given"].startswith("flop 1e+25")
    assert own["price_usd_per_gpu_hour_given"].endswith("(p10–p90)")
    hours = frame[frame["programme"] == "ai2-olmo-3"].iloc[0]
    assert (hours["unit"], hours["grade"]) == ("GPU-hours", "A")
    assert hours["rnd_compute_p50"] == pytest.approx(8.34e6)
    # What was there stays, in its order.
    assert list(frame.columns[:6]) == [
        "programme",
        "variant",
        "run",
        "released",
        "counted",
        "flop_p5",
    ]
    assert frame.columns[17] == "source"
