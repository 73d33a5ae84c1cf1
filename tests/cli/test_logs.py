"""Commands that take a log beside launch files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from results import asked

from computebill.cli import logs, main
from computebill.models.mfu import Speed, utilisation

EXAMPLES = Path(__file__).parents[2] / "examples"
LAUNCH = ("--launch", str(EXAMPLES / "train.sh"))
LOG = ("--log", str(EXAMPLES / "train.log"))


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(main, list(arguments))


def test_mfu_of_a_log_is_that_of_its_mean_speed() -> None:
    found = asked("mfu", *LAUNCH, *LOG)
    log = found["log"]
    speed = found["tokens_per_second_per_gpu"]
    assert speed == pytest.approx(512 * 8192 / log["step_seconds"]["mean"] / 64, rel=1e-3)
    by_hand = utilisation(
        EXAMPLES / "llama-3.1-405b" / "config.json",
        speed=Speed(tokens_per_second_per_gpu=speed),
        accelerator="h100",
    )
    assert found["peak_flop_per_s"] == by_hand.peak_flop_per_s
    assert found["mfu"]["6nd"] == pytest.approx(
        found["flop_per_token"]["6nd"] * speed / by_hand.peak_flop_per_s
    )
    assert (log["first_step"], log["last_step"], log["steps_of_run"]) == (20, 900, 25000)
    assert (log["unread"]["count"], log["left_out_steps"]) == (1, 40)
    assert [each["repeated"] for each in log["restarts"]] == [140]
    assert [each["why"] for each in log["stalls"]] == ["checkpoint"] * 2
    assert log["mfu_of_all_time"]["6nd"] == pytest.approx(found["mfu"]["6nd"] * log["goodput"])
    mean = sum(point["mfu"]["causal"] for point in log["over_time"]) / len(log["over_time"])
    assert mean == pytest.approx(found["mfu"]["causal"], rel=1e-3)


def test_tables_pictures_and_pages_have_the_course(tmp_path: Path) -> None:
    page = tmp_path / "mfu.html"
    done = invoke("mfu", *LAUNCH, *LOG, "--html", str(page))
    assert done.exit_code == 0, done.output
    assert "Of steps 20 to 900 of train.log without the first 40" in done.output.replace("\n", " ")
    assert "restart, 140 steps made again" in done.output
    for title in ("Utilisation over the steps", "What 2.72 hours went to", "restart, 140 steps"):
        assert title in page.read_text(encoding="utf-8")
    done = invoke("mfu", *LAUNCH, *LOG, "--csv")
    assert done.stdout.startswith("first_step,last_step,part,hours,loss,")


def test_a_run_is_set_beside_its_log(tmp_path: Path) -> None:
    found = asked("run", *LAUNCH, *LOG)
    seen = found["watched"]
    assert seen["measured"]["step_seconds"] == pytest.approx(7.9, rel=0.01)
    assert seen["within_interval"] is True
    assert seen["alarm"] is None
    assert seen["so_far"]["tokens"] == 900 * 512 * 8192
    low, high = (found["cost_usd"][end] / found["gpu_hours"]["p50"] for end in ("p5", "p95"))
    assert low < seen["so_far"]["cost_ways_usd"]["cloud"] / seen["so_far"]["gpu_hours"] < high
    brief = invoke("run", *LAUNCH, *LOG, "--brief").stdout
    assert brief.startswith("train.log at step 900: ")
    assert "so far, rented" in brief
    assert "As predicted: the run takes" in brief
    page = tmp_path / "run.html"
    done = invoke("run", *LAUNCH, *LOG, "--html", str(page))
    written = page.read_text(encoding="utf-8").replace("&#x27;", "'")
    for title in ("Predicted, and measured", "What a step's difference is likely of", "So far to"):
        assert title in done.output
        assert title in written


def test_a_slow_log_raises_an_alarm(tmp_path: Path) -> None:
    slow = tmp_path / "train.log"
    text = (EXAMPLES / "train.log").read_text().replace("iteration (ms): 7", "iteration (ms): 27")
    slow.write_text(text)
    seen = asked("run", *LAUNCH, "--log", str(slow))["watched"]
    assert seen["within_interval"] is False
    assert seen["alarm"].startswith("slower than its interval: ")
    assert seen["time_over_predicted"] > 3
    assert "Alarm: slower" in invoke("run", *LAUNCH, "--log", str(slow), "--brief").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("mfu", *LAUNCH, *LOG, "--step-seconds", "8"), "--step-seconds: got it beside --log"),
        (("mfu", *LAUNCH, "--follow"), "--follow: needs --log FILE"),
        (("run", *LAUNCH, *LOG, "--until-idle", "3"), "--until-idle: needs --follow"),
        (("mfu", *LAUNCH, "--log", "nosuch.log"), "nosuch.log: cannot be read"),
        (
            ("mfu", *LAUNCH, "--log", str(EXAMPLES / "train.sh")),
            "train.sh: is no log that is known",
        ),
        (
            ("mfu", "--params", "8B", "--accelerator", "h100", *LOG),
            "train.log: does not say: how many accelerators there are (--count); the tokens of a "
            "sequence (--sequence-length)",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_message(arguments: tuple[str, ...], told: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_growing_log_is_followed_until_nothing_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (EXAMPLES / "train.log").read_text().splitlines(keepends=True)
    file = tmp_path / "train.log"
    file.write_text("".join(lines[:13]))
    added = iter(["".join(lines[13:]), ""])

    def wait(_: float) -> None:
        with file.open("a") as opened:
            opened.write(next(added, ""))

    monkeypatch.setattr(logs, "EVERY", 0.0)
    monkeypatch.setattr(logs.time, "sleep", wait)
    done = invoke("run", *LAUNCH, "--log", str(file), "--follow", "--until-idle", "0.05", "--brief")
    assert done.exit_code == 0, done.output
    first, second = done.stderr.splitlines()
    assert first.startswith("step 200/25,000, ")
    assert " so far, " in first
    assert " left" in first
    assert second.startswith("step 900/25,000, ")
    assert done.stdout.startswith("train.log at step 900: ")


def test_a_log_too_young_to_tell_a_speed_is_followed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = (
        "2025-12-07 17:{m:02d}:{s:02d}.000\tgpu:0\tolmo.train:979\tINFO\t[step={n}/900]\n"
        "    throughput/total_tokens={tokens}\n"
    )
    lines = [line.format(m=n // 6, s=10 * n % 60, n=n, tokens=n * 8192) for n in range(1, 40)]
    file = tmp_path / "train.log"
    file.write_text(lines[0])
    added = iter(["".join(lines[1:]), ""])

    def wait(_: float) -> None:
        with file.open("a") as opened:
            opened.write(next(added, ""))

    monkeypatch.setattr(logs, "EVERY", 0.0)
    monkeypatch.setattr(logs.time, "sleep", wait)
    size = ("--params", "8B", "--accelerator", "h100", "--count", "8")
    done = invoke("mfu", *size, "--log", str(file), "--follow", "--until-idle", "0.05", "--json")
    assert done.exit_code == 0, done.output
    first, second = done.stderr.splitlines()
    assert first.startswith("so far, train.log: tells neither a step's seconds")
    assert second.startswith("step 39/900, 10")
    packed = tmp_path / "train.log.gz"
    packed.write_bytes(gzip.compress(b"x" * 999))
    done = invoke("mfu", *size, "--log", str(packed), "--follow")
    assert (done.exit_code, "--follow: got train.log.gz, which gzip packed" in done.stderr) == (
        2,
        True,
    )


def test_following_ends_with_the_answer_at_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(logs.time, "sleep", interrupted)
    done = invoke("mfu", *LAUNCH, *LOG, "--follow")
    assert done.exit_code == 0
    assert done.stdout.startswith("step 900/25,000, 7.9")
    assert "tokens per second and GPU are" in done.stdout


def test_a_file_that_is_begun_anew_goes_on_as_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (EXAMPLES / "train.log").read_text()
    file = tmp_path / "train.log"
    file.write_text(text)
    written = iter([text[: len(text) // 3].replace("2026-03-01", "2026-03-02"), None])

    def wait(_: float) -> None:
        if (found := next(written, None)) is not None:
            file.write_text(found)

    monkeypatch.setattr(logs.time, "sleep", wait)
    done = invoke("mfu", *LAUNCH, "--log", str(file), "--follow", "--until-idle", "0.05", "--json")
    log = json.loads(done.stdout)["log"]
    assert len(log["restarts"]) == 2
    assert "train.log was begun anew while it was read" in log["notes"]


def test_measured_makes_rows_that_are_read_back(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    done = invoke("measured", LOG[1], *LAUNCH, "-o", str(rows))
    assert done.exit_code == 0, done.output
    assert "1 row for a calibration: 7.89" in done.output
    done = invoke("validate", str(rows), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"] == 1
    assert "--launch: is missing" in invoke("measured", LOG[1], "-o", str(rows)).stderr
    assert "allowed: .csv" in invoke("measured", LOG[1], *LAUNCH, "-o", "x.toml").stderr


def test_a_passport_of_a_log_is_written_for_people_and_machines(tmp_path: Path) -> None:
    card, data = tmp_path / "passport.md", tmp_path / "passport.json"
    done = invoke("run", *LAUNCH, *LOG, "--passport", str(card), "--kwh", "250", "--brief")
    assert done.exit_code == 0, done.output
    assert f"Wrote {card}" in done.output
    text = card.read_text(encoding="utf-8")
    assert "| Updates | 1040 | measured |" in text
    assert "| Energy | 250 kWh | measured | a meter, as given |" in text
    done = invoke("run", *LAUNCH, *LOG, "--passport", str(data), "--json")
    assert done.exit_code == 0, done.output
    found, kept = json.loads(done.stdout), json.loads(data.read_text(encoding="utf-8"))
    assert found["passport"] == kept
    so_far = found["watched"]["so_far"]["cost_ways_usd"]["cloud"]
    assert so_far == pytest.approx(kept["figures"]["usd"]["value"], rel=1e-3)


def test_tokens_that_a_launch_file_leaves_to_epochs_are_the_logs(tmp_path: Path) -> None:
    config = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 512,
              "num_hidden_layers": 2, "num_attention_heads": 4}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    launch = tmp_path / "sft.yaml"
    launch.write_text(
        "base_model: .\nsequence_len: 1024\nmicro_batch_size: 8\ngradient_accumulation_steps: 2\n"
        "num_epochs: 3\nsample_packing: true\nbf16: true\n"
    )
    log = tmp_path / "train.log"
    bar = " 10%|#  | {n}/500 [{m:02d}:{s:02d}<1:00:00,  2.00s/it]\n"
    log.write_text("".join(bar.format(n=n, m=n // 30, s=2 * n % 60) for n in range(1, 200)))
    told = ("--launch", str(launch), "--log", str(log), "--accelerator", "h100", "--count", "8")
    found = asked("run", *told)
    assert found["tokens"]["p50"] == 500 * 8 * 2 * 8 * 1024
    assert found["watched"]["so_far"]["share"] == pytest.approx(199 / 500)
    assert any("its tokens are those of all steps" in note for note in found["launch"]["notes"])


def test_a_log_stands_beside_one_of_several_stages(tmp_path: Path) -> None:
    spec = tmp_path / "stages.toml"
    spec.write_text(
        'accelerator = "h100"\ncount = 64\nparams = "8B"\n[[stage]]\nkind = "pretrain"\n'
        'tokens = "100B"\nsequence_length = 8192\nglobal_batch = 512\n[[stage]]\nkind = "sft"\n'
        'tokens = "1B"\n'
    )
    found = asked("run", str(spec), *LOG, "--log-stage", "pretrain", "--samples", "256")
    assert found["watched"]["stage"] == "pretrain"
    brief = invoke("run", str(spec), *LOG, "--log-stage", "pretrain", "--brief").stdout
    assert brief.startswith("pretrain: train.log at step 900: 8.30 k tokens a second")
    assert "As predicted: the 2 stages take" in brief


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", *LAUNCH, "--passport", "x.md"), "--passport: needs --log FILE"),
        (("run", *LAUNCH, *LOG, "--kwh", "3"), "--kwh: needs --passport FILE"),
        (("run", *LAUNCH, *LOG, "--passport", "x.txt"), "--passport: got 'x.txt'; allowed: .json"),
        (("run", *LAUNCH, *LOG, "--passport", "nosuch/x.md"), "its folder does not exist"),
        (("run", *LAUNCH, *LOG, "--log-stage", "sft"), "--log-stage: needs --log FILE of a run of"),
    ],
)
def test_what_a_passport_or_a_stage_needs_is_told(arguments: tuple[str, ...], told: str) -> None:
    done = invoke(*arguments)
    assert (done.exit_code, told in done.stderr, "Traceback" in done.stderr) == (2, True, False)
