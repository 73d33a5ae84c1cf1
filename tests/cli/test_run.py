from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from known import LLAMA_8B

from computebill.cli import main
from computebill.cli.run import FIELDS

Data = dict[str, Any]

GIVEN = ["--params", "7B", "--tokens", "2T", "--accelerator", "h100", "--count", "1024"]
PLAIN = [*GIVEN, "--mfu", "0.4", "--price", "1.5..3", "--samples", "2048"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments])


def parsed(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout, parse_constant=lambda name: pytest.fail(name))


def refusal(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 2, (arguments, result.output, result.exception)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.count("Error: ") == 1
    return result.stderr


def test_the_table_tells_figures_and_where_they_come_from() -> None:
    result = run(*PLAIN)
    assert result.exit_code == 0
    for text in (
        "1024 x NVIDIA H100 SXM5 80GB",
        "8.40e22",
        "Wall-clock time",
        "40.0 %",
        "given",
        "Cottier",
    ):
        assert text in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 120


def test_json_is_one_object_with_the_agreed_keys() -> None:
    found = parsed(*PLAIN)
    assert found["gpu_hours"]["p50"] == pytest.approx(8.4e22 / (989.4e12 * 0.4) / 3600)
    assert found["flop"]["model"]["p50"] == pytest.approx(8.4e22)
    assert found["cost_usd"]["p50"] == pytest.approx(
        found["gpu_hours"]["p50"] * math.sqrt(4.5), rel=0.02
    )
    assert (found["samples"], found["seed"]) == (2048, 0)
    keys = ("model", "mfu", "step_seconds", "tokens_per_second_per_gpu", "days", "energy_mwh")
    assert {*keys, "memory_gb", "layout", "breakdown_seconds"} <= set(found)


def test_csv_has_a_row_a_figure() -> None:
    result = run(*PLAIN, "--csv")
    rows = {row["quantity"]: row for row in csv.DictReader(io.StringIO(result.stdout))}
    found = parsed(*PLAIN)
    assert float(rows["cloud"]["p95"]) == pytest.approx(found["cost_usd"]["p95"])
    assert float(rows["days"]["mean"]) == pytest.approx(found["days"]["mean"])


@pytest.mark.parametrize("ending", ["json", "csv", "parquet", "JSON"])
def test_what_is_written_is_what_is_printed(tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"out.{ending}"
    found = parsed(*PLAIN, "-o", str(target))
    if ending.lower() == "json":
        assert json.loads(target.read_text("utf-8")) == found
        return
    frame = pd.read_csv(target) if ending == "csv" else pd.read_parquet(target)
    cloud = frame.set_index("quantity").loc["cloud"]
    assert cloud["p5"] == pytest.approx(found["cost_usd"]["p5"])


@pytest.mark.parametrize("ending", ["png", "svg", "html", "pdf"])
def test_a_plot_is_written_beside_the_table(tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"cost.{ending}"
    result = run(*PLAIN, "--plot", str(target))
    assert result.exit_code == 0
    assert "Wall-clock time" in result.stdout
    assert target.stat().st_size > 5000


def test_the_same_seed_prints_the_same() -> None:
    assert run(*PLAIN, "--seed", "3").stdout == run(*PLAIN, "--seed", "3").stdout
    assert parsed(*PLAIN, "--seed", "3")["cost_usd"] != parsed(*PLAIN)["cost_usd"]


def test_a_file_gives_the_fields_and_flags_go_before_it(
    tmp_path: Path, as_toml: Callable[[Data], str]
) -> None:
    path = tmp_path / "run.toml"
    spec = {"params": "7B", "tokens": "2T", "accelerator": "h100", "mfu": 0.4, "price": 2}
    path.write_text(as_toml(spec))
    found = parsed(str(path), "--samples", "64")
    assert found["cost_usd"]["p50"] == pytest.approx(8.4e22 / (989.4e12 * 0.4) / 1800)
    found = parsed(str(path), "--samples", "64", "--mfu", "0.2")
    assert found["mfu"]["p50"] == pytest.approx(0.2)


def test_every_field_has_a_flag_and_every_flag_a_field() -> None:
    from computebill.runs.spec import RunSpec

    fields = {name.replace("-", "_") for name, _ in FIELDS}
    # A layout's own flags have a test of their own; what is lost is the rest of goodput.
    assert fields - {"lost"} == set(RunSpec.model_fields) - {"layout"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "--accelerator: is missing"),
        (
            ["--accelerator", "h100"],
            "run: give params (or params_active, or model) and tokens, or flop",
        ),
        (["--flop", "1e24"], "--accelerator: is missing"),
        ([*GIVEN, "--mfu", "2"], "--mfu: got 2; allowed: above 0, up to 1"),
        ([*GIVEN, "--mfu", "0"], "--mfu: got 0"),
        ([*GIVEN, "--mfu", "nan"], "--mfu: got 'nan'"),
        ([*GIVEN, "--mfu", "inf"], "--mfu: got 'inf'"),
        ([*GIVEN, "--mfu", "0.5..0.3"], "--mfu: p10: got 0.5; allowed: at most p90"),
        ([*GIVEN, "--mfu", "0.9..1"], "--mfu: got"),
        ([*GIVEN, "--price", "-1"], "--price: got -1"),
        ([*GIVEN, "--price", ""], "--price: got ''"),
        ([*GIVEN, "--count", "0"], "--count: got 0"),
        ([*GIVEN, "--count", "-8"], "--count: got -8"),
        ([*GIVEN, "--count", "1.5"], "count: got 1.5; allowed: a whole number"),
        ([*GIVEN, "--params-active", "9B"], "params_active: got 9B; allowed: up to 7B"),
        ([*GIVEN, "--accelerator", "h1000"], "'h1000' is not a known accelerator"),
        ([*GIVEN, "--accelerator", "missing.toml"], "missing.toml: cannot be read"),
        ([*GIVEN, "--precision", "fp3"], "precision: h100-sxm has no 'fp3' peak"),
        ([*GIVEN, "--provider", "acme"], "provider: no price of h100-sxm from 'acme'"),
        ([*GIVEN, "--commitment", "9y"], "--commitment: got '9y'"),
        ([*GIVEN, "--price", "2", "--provider", "aws"], "give price or provider, not both"),
        (
            [*GIVEN, "--software", "modern", "--framework", "nemo"],
            "give software or framework, not both",
        ),
        ([*GIVEN, "--framework", ""], "--framework"),
        ([*GIVEN, "--date", "yesterday"], "--date: got 'yesterday'"),
        ([*GIVEN, "--date", "0"], "--date: got '0'"),
        ([*GIVEN, "--global-batch", "8"], "give global_batch and sequence_length together"),
        ([*GIVEN, "--samples", "0"], "samples: got 0"),
        ([*GIVEN, "--samples", "many"], "--samples"),
        ([*GIVEN, "--samples", "1.5"], "--samples"),
        ([*GIVEN, "--samples", "1e12"], "samples: got 1000000000000"),
        ([*GIVEN, "--seed", "-1"], "seed: got -1"),
        ([*GIVEN, "--seed", "x"], "--seed"),
        ([*GIVEN, "--method", "halton"], "method: got 'halton'"),
        ([*GIVEN, "--device", "gpu"], "device: got 'gpu'"),
        ([*GIVEN, "--device", "meta"], "device: got 'meta'"),
        ([*GIVEN, "--profiles", "missing"], "profiles: 'missing' is not a directory"),
        ([*GIVEN, "--name", "a\nb"], "--name: got 'a\\nb'"),
        ([*GIVEN, "--json", "--csv"], "--json: got --csv as well"),
        ([*GIVEN, "--nothing"], "No such option"),
        (["missing.toml"], "missing.toml: cannot be read: No such file"),
        (["x" * 300], "cannot be read"),
        (["."], ".: is a directory"),
    ],
)
def test_bad_requests(arguments: list[str], problem: str) -> None:
    assert problem in refusal(*arguments)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (bytes(range(256)), "is not"),
        (b"flop = nan\naccelerator = 'h100'", "flop: got nan"),
        (b"flop = inf\naccelerator = 'h100'", "flop: got inf"),
        (b"flop = 'nan'\naccelerator = 'h100'", "flop: got 'nan'"),
        (b"flop = 1\naccelerator = 'h100'\nmfuu = 1", "mfuu is not a known key"),
        (b"flop = 1\naccelerator = ['h100']", "accelerator: got ['h100']"),
        (b"flop = 1\naccelerator = 'h100'\ncount = -3", "count: got -3"),
        (b"flop = {low = 2, high = 1}\naccelerator = 'h100'", "flop: low: got 2"),
        (b"flop = 0x" + b"f" * 5000 + b"\naccelerator = 'h100'", "flop: got (int too large"),
        (b"flop = " + b"[" * 1000 + b"]" * 1000, "is not valid TOML"),
        (b'"\\u001b[2J" = 1\nflop = 1\naccelerator = "h100"', r"\x1b[2J is not a known key"),
    ],
)
def test_bad_files(tmp_path: Path, raw: bytes, problem: str) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(raw)
    message = refusal(str(path))
    assert f"Error: {path}: {problem}" in message
    assert message.strip().isprintable()


def test_a_file_of_100_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    assert "is larger than 4 MiB" in refusal(str(path))


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("-o", "out.txt"),
        ("-o", "out"),
        ("-o", "missing/out.json"),
        ("-o", "folder.json"),
        ("-o", "x" * 300 + ".json"),
        ("-o", "x" * 300 + "/out.json"),
        ("--plot", "out.gif"),
        ("--plot", "out"),
        ("--plot", "missing/out.png"),
        ("--plot", "folder.png"),
        ("--plot", "x" * 300 + ".png"),
    ],
)
def test_outputs_that_cannot_be(tmp_path: Path, flag: str, name: str) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "folder.png").mkdir()
    refusal(*PLAIN, flag, str(tmp_path / name))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder.json", "folder.png"]


@pytest.mark.parametrize(
    "arguments",
    [
        [*GIVEN, "--mfu", "2"],
        [*GIVEN, "--samples", "0"],
        [*GIVEN, "--json", "--csv"],
        ["--flop", "1e24", "--accelerator", "mi455x", "--precision", "fp2"],
        ["missing.toml"],
    ],
)
def test_outputs_are_untouched_by_a_failure(tmp_path: Path, arguments: list[str]) -> None:
    targets = [tmp_path / name for name in ("out.json", "plot.png")]
    for target in targets:
        target.write_bytes(b"before")
    refusal(*arguments, "-o", str(targets[0]), "--plot", str(targets[1]))
    assert [target.read_bytes() for target in targets] == [b"before"] * 2
    assert sorted(tmp_path.iterdir()) == targets


def test_a_plot_without_a_cost_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bare.toml").write_text(
        'name = "bare"\ntitle = "Bare"\nvendor = "V"\n'
        'memory_gb = { value = 1, source = "s" }\n'
        'memory_bandwidth_gb_s = { value = 1, source = "s" }\n'
        'peak_tflops = { bf16 = { value = 100, source = "s" } }\n'
        'sources = { s = { title = "S", licence = "facts only" } }\n'
    )
    bare = ["--flop", "1e24", "--accelerator", str(tmp_path / "bare.toml")]
    assert "Training FLOP" in run(*bare, "--samples", "64").stdout
    target = tmp_path / "plot.svg"
    target.write_bytes(b"before")
    out = tmp_path / "out.json"
    given = (*bare, "--mfu", "0.4", "--plot", str(target), "-o", str(out))
    assert "--plot: no cost is known" in refusal(*given)
    assert target.read_bytes() == b"before"
    assert not out.exists()


@pytest.mark.parametrize("name", ["[bold]x[/]", "[/]", "[link=http://x]y", ":smile:", "–é大"])
def test_names_are_printed_as_they_are(name: str) -> None:
    assert f"{name}: 1024 x" in run(*PLAIN, "--name", name).stdout


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
values = texts | st.from_regex(r"\A[0-9.eKMBT%_+-]{0,10}\Z") | st.integers().map(str)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from([name for name, _ in FIELDS]), values, max_size=3))
def test_any_flags_end_well_or_with_status_2(flags: dict[str, str]) -> None:
    base = {"params": "7B", "tokens": "1T", "accelerator": "h100", **flags}
    arguments = [f"--{name}={value}" for name, value in base.items()]
    result = run(*arguments, "--samples", "16", "--json")
    assert result.exit_code in (0, 2), (arguments, result.exception)
    assert bool(result.stdout) == (result.exit_code == 0)
    if result.exit_code == 2:
        assert result.stderr.count("Error: ") == 1


def test_a_flag_puts_the_files_other_way_aside(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        'params = 1e9\ntokens = 1e12\naccelerator = "h100"\nprovider = "lambda"\nmfu = 0.4\n'
    )
    flags = ["--flop", "1e22", "--price", "2", "--json", "--samples", "16"]
    result = CliRunner().invoke(main, ["run", str(file), *flags])
    found = json.loads(result.stdout)
    assert found["flop"]["model"]["p50"] == 1e22
    assert found["cost_usd"]["p50"] == pytest.approx(found["gpu_hours"]["p50"] * 2)


def test_a_framework_puts_a_file_s_software_aside(tmp_path: Path) -> None:
    config, file = tmp_path / "config.json", tmp_path / "run.toml"
    config.write_text(json.dumps(LLAMA_8B))
    file.write_text(
        'model = "config.json"\ntokens = 1e12\naccelerator = "h100"\ncount = 8\nprice = 2\n'
        'software = "early"\n[layout]\ntp = 2\n'
    )
    flags = ["--framework", "NeMo", "--date", "2024-03-01", "--json", "--samples", "16"]
    found = json.loads(CliRunner().invoke(main, ["run", str(file), *flags]).stdout)
    listed = {each["name"]: each for each in found["assumptions"]}
    assert listed["software generation"]["value"] == "fused"
    assert listed["software generation"]["source"].startswith("NVIDIA NeMo in March 2024")


def test_counts_that_lack_their_unit_are_refused() -> None:
    told = refusal("--params", "34", "--tokens", "4", "--accelerator", "h100")
    assert "did you mean 34B?" in told
    told = refusal("--params", "34B", "--tokens", "4", "--accelerator", "h100")
    assert "--tokens" in told
    assert "did you mean 4B or 4T?" in told


def test_a_batch_in_tokens_given_as_sequences_is_refused() -> None:
    told = refusal(*PLAIN, "--global-batch", "4M", "--sequence-length", "4096")
    assert "--global-batch" in told
    assert "is this tokens? --global-batch-tokens 4M is 976 sequences" in " ".join(told.split())
    found = parsed(*PLAIN, "--global-batch-tokens", "4M", "--sequence-length", "4096")
    same = parsed(*PLAIN, "--global-batch", "976", "--sequence-length", "4096")
    assert found["step_seconds"] == same["step_seconds"]


def test_what_undoes_the_figures_stands_above_them() -> None:
    done = run(*GIVEN, "--price", "2", "--samples", "256")
    first, note, *_ = done.stdout.split("\n\n")
    assert first.startswith("The run takes 75.6 k (39.8–145) GPU-hours, 3.08 (1.62–5.89) days")
    assert note.startswith("Memory not checked: weights alone 14 GB")
    assert done.stdout.index("computebill plan") < done.stdout.index(" GPU-hours   ")


def test_goodput_goes_before_a_file_s_failures(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'params = "7B"\ntokens = "2T"\naccelerator = "h100"\ncount = 1024\nmfu = 0.4\n'
        "price = 2.0\nfailures_per_gpu_day = 0.0\n"
    )
    never = parsed(str(path), "--samples", "256")
    found = parsed(str(path), "--goodput", "0.9", "--samples", "256")
    assert found["days"]["p50"] == pytest.approx(never["days"]["p50"] / 0.9)


def test_a_run_of_adapters_beside_a_quantised_base(llama_config: str) -> None:
    flags = ["--model", llama_config, "--tokens", "1B", "--accelerator", "rtx-4090", "--count", "1"]
    flags += ["--recompute", "full", "--sequence-length", "2048", "--samples", "512"]
    whole, packed, told = (
        parsed(*flags, *more) for more in ([], ["--qlora"], ["--qlora", "--recipe", "trl"])
    )
    assert packed["memory_gb"]["total"] < 24 < whole["memory_gb"]["total"]
    assert packed["layout"]["weights"] == "nf4"
    names = {each["name"]: each for each in told["assumptions"]}
    assert "kernels eager" in names["recipe trl"]["value"]
    assert names["rank of adapters"]["value"] == "16"
    # Weights that are unpacked for each product, on the same device.
    plain = parsed(*flags, "--lora-rank", "16")
    assert packed["breakdown_seconds"]["elementwise"] > plain["breakdown_seconds"]["elementwise"]


def test_a_file_s_layout_is_changed_by_its_path(tmp_path: Path) -> None:
    spec = tmp_path / "run.toml"
    spec.write_text('params = "7B"\ntokens = "1T"\naccelerator = "h100"\nmfu = 0.4\n')
    asked = ["run", str(spec), "--samples", "64", "--json"]
    plain = json.loads(CliRunner().invoke(main, asked).output)
    more = json.loads(CliRunner().invoke(main, [*asked, "--set", "tokens=2T"]).output)
    assert more["gpu_hours"]["p50"] == pytest.approx(2 * plain["gpu_hours"]["p50"])
    wrong = CliRunner().invoke(main, [*asked, "--set", "layuot.tp=2"])
    assert wrong.exit_code == 2
    assert "--set: layuot.tp: 'layuot' is not known; nearest: layout" in wrong.output


def test_csv_has_the_screens_words_units_and_what_went_in() -> None:
    frame = pd.read_csv(io.StringIO(run(*PLAIN, "--csv").stdout))
    assert list(frame.columns[:5]) == ["quantity", "p5", "p50", "p95", "mean"]
    rows = frame.set_index("quantity")
    assert tuple(rows.loc["cloud", ["figure", "unit"]]) == ("Cost, rented", "USD")
    assert tuple(rows.loc["energy_mwh", ["figure", "unit"]]) == ("Energy", "MWh")
    inputs = frame[frame["quantity"] == "input"]
    told = parsed(*PLAIN)["assumptions"]
    assert list(inputs["figure"]) == [each["name"] for each in told]
    assert list(inputs["value"]) == [each["value"] for each in told]
    assert "USD per accelerator-hour" in set(inputs["figure"])
    assert inputs["source"].notna().all()


def test_a_share_that_is_lost_is_the_rest_of_what_trains() -> None:
    kept = parsed(*PLAIN, "--goodput", "0.85..0.95", "--samples", "256")
    lost = parsed(*PLAIN, "--lost", "5%..15%", "--samples", "256")
    assert lost["goodput"]["p50"] == pytest.approx(kept["goodput"]["p50"])
    assert lost["days"]["p50"] == pytest.approx(kept["days"]["p50"])
    assert "--lost: got '110%'; allowed: 0 to below 1" in refusal(*PLAIN, "--lost", "110%")
    assert "not both" in refusal(*PLAIN, "--lost", "10%", "--goodput", "0.9")


def test_a_run_without_a_layout_tells_the_best_that_a_plan_finds() -> None:
    asked = ("--model", "llama-3.1-8b", "--tokens", "1T", "--accelerator", "h100", "--count", "64")
    line = run(*asked, "--brief", "--samples", "256").stdout
    assert " That is at the utilisation that real runs reached, " in line
    assert " is predicted on the best layout that `computebill plan` finds (" in line
    assert line.rstrip().endswith(" In brackets: 5th–95th percentile.")
    found = parsed(*asked, "--samples", "256")
    assert found["best_layout"]["mfu"]["p50"] > found["mfu"]["p50"]
    one = run(*asked[:-1], "1", "--brief", "--samples", "256").stdout
    assert one.startswith("Does not fit: the nearest, 1 x h100-sxm with ")


def test_a_price_list_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "lambda.csv"
    path.write_text(
        "AcceleratorName,AcceleratorCount,Price,SpotPrice,Region\nH100,8,24,,us-west-3\n"
        "H100,8,32,,us-east-1\n"
    )
    found = parsed(*GIVEN, "--prices", str(path), "--region", "us-west-3")
    assert found["cost_usd"]["p50"] == pytest.approx(3.0 * found["gpu_hours"]["p50"], rel=1e-6)
    [source] = [
        each["source"]
        for each in found["assumptions"]
        if each["name"] == "USD per accelerator-hour"
    ]
    assert source.startswith("lambda.csv: on-demand, us-west-3 of lambda, ")


RL = ["--kind", "rl", "--params", "8B", "--steps", "100", "--prompts", "32", "--mfu", "0.3"]
RL += ["--samples-per-prompt", "8", "--prompt-length", "200", "--answer-length", "500..3000"]
RL += ["--accelerator", "h100", "--count", "32", "--price", "2", "--samples", "512"]


def test_the_short_door_prices_one_stage() -> None:
    found = parsed(*RL)
    (stage,) = found["stages"]
    assert (stage["kind"], stage["name"]) == ("rl", "rl")
    assert stage["flop"]["updates"]["p50"] == pytest.approx(
        3 * stage["flop"]["forward_by"]["rollouts"]["p50"]
    )
    assert stage["cost_usd"]["p50"] == pytest.approx(2 * stage["gpu_hours"]["p50"])
    assert found["about"]["command"].startswith("computebill run --kind rl")
    told = run(*RL).stdout
    assert told.startswith("The stage takes ")
    assert max(map(len, told.splitlines())) <= 120


def test_a_file_of_stages_is_told_stage_by_stage(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        'params = "7B"\naccelerator = "h100"\ncount = 64\n[[stage]]\ntokens = "1T"\nmfu = 0.4\n'
        '[[stage]]\nkind = "sft"\nfrom = "pretrain"\ntokens = "10B"\n'
    )
    found = parsed(str(file), "--price", "3", "--samples", "512")
    assert [each["name"] for each in found["stages"]] == ["pretrain", "sft"]
    assert found["cost_usd"]["p50"] == pytest.approx(3 * found["gpu_hours"]["p50"], rel=1e-6)
    sold = parsed("--kind", "sft", "--params", "8B", "--tokens", "1B", "--price-per-token", "0.5")
    assert sold["cost_usd"]["p50"] == pytest.approx(500)
    assert sold["gpu_hours"] is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--kind", "nope", *GIVEN], "--kind: got 'nope'; allowed: 'pretrain', 'midtrain'"),
        (["--kind", "rl", "--params", "8B", "--steps", "5"], "prompts: is missing; allowed with"),
        (["--kind", "sft", "--params", "8B"], "tokens: is missing; allowed with kind sft"),
        (["--kind", "sft", *GIVEN, "--steps", "5"], "steps: is of no use to kind sft"),
        (["--kind", "dpo", "--params", "8B", "--tokens", "5"], "--tokens: got 5; allowed: 10,000"),
    ],
)
def test_a_wrong_stage_is_told_by_its_flag(arguments: list[str], told: str) -> None:
    assert told in refusal(*arguments)
