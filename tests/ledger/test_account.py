"""Whole ledgers: published samples against counts made otherwise, traps, bad input, resume."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from computebill.base.errors import RequestError
from computebill.base.quantity import parse_quantity
from computebill.cli import main
from computebill.ledger import Ledger, read_ledger, work
from computebill.ledger.account import Options, Running
from computebill.ledger.plan import Asked
from computebill.ledger.pricing import Prices, draw_hours
from computebill.ledger.rules import Rules

DATA = Path(__file__).parents[1] / "data" / "ledger"
EVIDENCE = Path(os.environ.get("COMPUTEBILL_EVIDENCE", "")) / "ledger"
needs_evidence = pytest.mark.skipif(
    not os.environ.get("COMPUTEBILL_EVIDENCE") or not EVIDENCE.is_dir(),
    reason="needs the evidence folder, COMPUTEBILL_EVIDENCE",
)

HEAD = "JobID|JobName|User|Account|Partition|State|Submit|Start|End|Elapsed|NNodes|AllocTRES"


def sacct(path: Path, *rows: str, head: str = HEAD) -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def job(
    number: object,
    name: str = "train",
    start: str = "2024-01-01T01:00:00",
    end: str = "2024-01-01T03:00:00",
    elapsed: str = "02:00:00",
    state: str = "COMPLETED",
    gpus: int = 8,
) -> str:
    tres = f"billing=96,cpu=96,gres/gpu={gpus},gres/gpu:h100={gpus},node=1"
    submit = "2024-01-01T00:30:00"
    return f"{number}|{name}|ann|alpha|gpu|{state}|{submit}|{start}|{end}|{elapsed}|1|{tres}"


def hours_by_hand(rows: list[dict[str, str]], count: str, time_: str, unit: float) -> float:
    return sum(float(row[count]) * float(row[time_]) / unit for row in rows)


def rows_of(path: Path, separator: str = ",") -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=separator))


def test_ten_restarts_of_one_model_are_one_run() -> None:
    found = read_ledger([DATA / "wandb_runs_evo2.csv"])
    rows = rows_of(DATA / "wandb_runs_evo2.csv")
    assert found.total.gpu_hours == pytest.approx(
        hours_by_hand(rows, "gpus", "runtime_h", 1.0), rel=1e-9
    )
    largest = found.runs.iloc[0]
    assert (largest["name"], largest["jobs"]) == ("40b-train", 10)
    assert largest["gpu_hours"] == pytest.approx(294_860.8, rel=1e-9)
    # Two runs of the 7B were resumed: ten rows, eight runs.
    assert found.restarts["runs"] == 9
    assert found.restarts["restarts"] == 9 + 2
    # Both went on where they had stopped, so nothing was lost; the other nine do not tell.
    assert found.restarts["restarts_untold"] == 9
    assert found.restarts["goodput"] == 1.0


def test_hours_of_slurm_count_what_is_told_twice_once() -> None:
    found = read_ledger([DATA / "sacct_gpu.txt"])
    rows = rows_of(DATA / "sacct_gpu.txt", "|")
    by_hand = sum(8 * float(row["ElapsedRaw"]) / 3600 for row in rows)
    assert found.total.gpu_hours == pytest.approx(by_hand, rel=1e-9)
    # CPUTimeRAW over 320 processors is the same time, counted by Slurm itself.
    own = sum(float(row["CPUTimeRAW"]) / 320 * 8 / 3600 for row in rows)
    assert found.total.gpu_hours == pytest.approx(own, rel=1e-9)
    assert {name: each.jobs for name, each in found.parts["state"].items()} == {
        "completed": 2,
        "failed": 1,
    }


@pytest.mark.parametrize("cluster", ["Seren", "Kalos"])
def test_a_published_summary_is_reproduced_from_its_figures(cluster: str) -> None:
    found = read_ledger([DATA / "acme_summary.csv"])
    row = next(each for each in rows_of(DATA / "acme_summary.csv") if each["id"] == cluster)
    cells = found.cells[found.cells["project"] == cluster].set_index("state")["gpu_hours"]
    published = {"completed": "complete", "cancelled": "cancel", "failed": "fail"}
    for state, word in published.items():
        assert cells[state] / cells.sum() == pytest.approx(
            float(row[f"{word}_rate_gpu_time"]), abs=5.1e-4
        )
        assert cells[state] == pytest.approx(float(row[f"{word}_gpu_time"]) / 3600, rel=1e-12)
    # PAI tells no time: it is not lost, it is named.
    assert found.rows_rejected == 1
    assert found.reasons["tells no accelerator time"] == 1


def test_jobs_of_a_published_summary_are_those_that_it_tells() -> None:
    found = read_ledger([DATA / "acme_summary.csv"])
    for row in rows_of(DATA / "acme_summary.csv")[:4]:
        # Its rates are rounded to three digits; all of its jobs ended.
        jobs = found.parts["project"][row["id"]].jobs
        assert jobs == pytest.approx(float(row["gpu_job_num"]), rel=1e-12)
    # A summary tells no sizes, which is not that jobs had no accelerators.
    assert set(found.parts["size"]) == {"unknown"}


def test_times_of_both_schemas_of_a_trace() -> None:
    found = read_ledger([DATA / "acme_jobs_sample.csv"])
    rows = rows_of(DATA / "acme_jobs_sample.csv")
    by_hand = sum(float(row["gpu_time"]) for row in rows) / 3600
    assert found.total.gpu_hours == pytest.approx(by_hand, rel=1e-9)
    assert found.parts["state"]["failed"].jobs == 2


def test_a_bill_of_the_open_form() -> None:
    found = read_ledger([DATA / "focus.csv"])
    rows = rows_of(DATA / "focus.csv")
    gpu = [row for row in rows if "g5.4xlarge" in row["ChargeDescription"]]
    assert len(gpu) == 8
    assert found.total.gpu_hours == pytest.approx(
        sum(float(row["ConsumedQuantity"]) for row in gpu), rel=1e-9
    )
    # Effective costs are rounded there, so what was billed is taken, and the answer says so.
    assert found.total.cost_usd.p50 == pytest.approx(
        sum(float(row["BilledCost"]) for row in rows), rel=1e-9
    )
    assert any("rounded" in each.value for each in found.assumptions)
    negative = sum(float(row["BilledCost"]) < 0 for row in rows)
    assert found.remarks["is a negative charge; it is taken off"] == negative
    assert found.rows_rejected == 0


def test_runs_that_tell_tokens_and_no_hours_are_flop() -> None:
    found = read_ledger([DATA / "openlm_runs.csv"])
    rows = rows_of(DATA / "openlm_runs.csv")
    by_hand = sum(6 * float(row["params"]) * float(row["tokens"]) for row in rows)
    assert found.total.flop.p50 == pytest.approx(by_hand, rel=1e-9)
    assert found.total.gpu_hours == 0
    assert found.remarks["tells no hours; its FLOP alone are counted"] == len(rows)


@needs_evidence
def test_every_row_of_all_samples_is_used_or_rejected_with_its_reason() -> None:
    for path in sorted(EVIDENCE.glob("*.[ct][sx][vt]")):
        found = read_ledger([path])
        separator = "|" if path.suffix == ".txt" else ","
        assert found.rows_in == len(rows_of(path, separator)), path.name
        assert sum(found.reasons.values()) == found.rows_rejected, path.name


@needs_evidence
def test_hours_of_large_samples_are_those_of_a_count_by_hand() -> None:
    jean_zay = read_ledger([EVIDENCE / "bigscience_jobs_sample.csv"])
    rows = rows_of(EVIDENCE / "bigscience_jobs_sample.csv")
    parts = ("v100_32gb", "v100_16gb", "a100_40gb", "a100_80gb")
    by_hand = {
        part: sum(float(row[part]) * float(row["elapsed_s"]) / 3600 for row in rows)
        for part in parts
    }
    assert jean_zay.total.gpu_hours == pytest.approx(sum(by_hand.values()), rel=1e-9)
    of = {name: each.gpu_hours for name, each in jean_zay.parts["accelerator"].items()}
    assert of["v100-sxm-16gb"] == pytest.approx(by_hand["v100_16gb"], rel=1e-9)
    assert of["a100-sxm-80gb"] == pytest.approx(by_hand["a100_80gb"], rel=1e-9)
    # Some 65 W were recorded for each: presumably without the accelerators.
    assert any("too little" in each.value for each in jean_zay.assumptions)
    bill = read_ledger([EVIDENCE / "focus_sample.csv"])
    usd = sum(float(row["BilledCost"]) for row in rows_of(EVIDENCE / "focus_sample.csv"))
    assert bill.total.cost_usd.p50 == pytest.approx(usd, rel=1e-9)
    mixed = read_ledger([EVIDENCE / "sacct_cpu_cluster.txt"])
    # Two of its jobs had two each, for 10-13:27:06 and 00:00:17.
    seconds = (10 * 24 + 13) * 3600 + 27 * 60 + 6 + 17
    assert mixed.total.gpu_hours == pytest.approx(2 * seconds / 3600, rel=1e-9)
    steps = read_ledger([EVIDENCE / "sacct_steps.txt"])
    assert steps.rows_used == 0  # it tells no accelerators
    table = read_ledger([EVIDENCE / "wandb_ui_export.csv"])
    assert table.rows_rejected == 18


def test_without_rules_every_job_is_unknown_and_the_share_may_be_anything(tmp_path: Path) -> None:
    found = read_ledger([sacct(tmp_path / "a.txt", job(1), job(2, gpus=4))])
    assert list(found.parts["kind"]) == ["unknown"]
    assert found.total.gpu_hours == 24.0
    assert (found.final_share.p5, found.final_share.p95) == (0.0, 1.0)
    told = found.to_dict()
    for key in (
        *("rows_in", "rows_used", "rows_rejected", "period", "gpu_hours", "cost_usd"),
        *("by_kind", "by_state", "final_share"),
    ):
        assert key in told
    json.dumps(told)


def test_rules_sort_jobs_and_bound_the_share(tmp_path: Path) -> None:
    rules = Rules.model_validate(
        {
            "rule": [
                {"kind": "final run", "name": "^final-"},
                {"kind": "evaluation", "name": "eval", "max_accelerators": 8},
            ]
        }
    )
    found = read_ledger(
        [
            sacct(
                tmp_path / "a.txt",
                job(1, "final-70b", gpus=64),
                job(2, "eval-70b", gpus=8),
                job(3, "other", gpus=8),
                job(4, "eval-large", gpus=16),
            )
        ],
        rules,
        Options(prices=Prices(price=parse_quantity(2.0))),
    )
    kinds = {name: each.gpu_hours for name, each in found.parts["kind"].items()}
    assert kinds == {"final run": 128.0, "evaluation": 16.0, "unknown": 48.0}
    share = found.final_share
    assert share.p5 == pytest.approx(128 / 192)
    assert share.p95 == pytest.approx(176 / 192)
    # The unknown as the known: 128 of 144.
    assert share.p50 == pytest.approx((128 + 48 * 128 / 144) / 192, rel=1e-3)
    assert found.total.cost_usd.p50 == pytest.approx(384.0)


def test_steps_arrays_and_requeues(tmp_path: Path) -> None:
    """Steps repeat their job's time; tasks are jobs; a requeued job ran twice."""
    path = sacct(
        tmp_path / "a.txt",
        job("5_0"),
        job("5_0.batch", "batch"),
        job("5_0.extern", "extern"),
        job("5_1"),
        job("5_1.batch", "batch"),
        job("6", state="REQUEUED"),
        job("6", start="2024-01-01T04:00:00", end="2024-01-01T06:00:00"),
        job("7_[2-9]", start="Unknown", end="Unknown", elapsed="00:00:00", state="PENDING"),
    )
    found = read_ledger([path])
    assert found.total.gpu_hours == 4 * 16.0
    assert found.joined["steps of a job"] == 3
    assert found.rows_used == found.rows_in == 8


def test_a_job_in_two_exports_counts_once_with_its_end(tmp_path: Path) -> None:
    first = sacct(
        tmp_path / "a.txt", job(1, end="Unknown", elapsed="01:00:00", state="RUNNING"), job(2)
    )
    second = sacct(tmp_path / "b.txt", job(1), job(2), job(3))
    found = read_ledger([first, second])
    assert found.total.gpu_hours == 48.0
    assert found.rows_used == 5
    assert found.joined["rows that another row tells too"] == 2


def test_named_and_not_lost(tmp_path: Path) -> None:
    path = sacct(
        tmp_path / "a.txt",
        job(1, start="2024-01-01T05:00:00", end="2024-01-01T03:00:00"),
        job(2, start="2024-01-01T05:00:00", end="2024-01-01T03:00:00", elapsed=""),
        job(3, elapsed="", end="Unknown"),
        job(4, name="a|b"),
        job(5),
        "what is this, then",
    )
    found = read_ledger([path])
    assert found.rows_in == 6
    assert found.rows_used == 2
    assert found.remarks["ends before it starts; its own duration is used"] == 1
    assert found.reasons == {
        "ends before it starts, and tells no duration": 1,
        "tells no duration, and not both start and end": 1,
        "has 13 cells, where there are 12 headings": 1,
        "has 1 cells, where there are 12 headings": 1,
    }
    lines = {each.reason: each.line for each in found.rejects}
    assert lines["has 13 cells, where there are 12 headings"] == 5
    assert lines["tells no duration, and not both start and end"] == 4


def test_headerless_text_is_named_and_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(job(163485) + "\n" + job(163486) + "\n")
    with pytest.raises(RequestError, match="no heading"):
        read_ledger([path])
    asked = Asked(names=tuple(HEAD.split("|")))
    assert read_ledger([path], None, Options(asked)).total.gpu_hours == 32.0


def test_a_charts_export_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "chart.csv"
    path.write_text("Step,a - loss,a - loss__MIN,a - loss__MAX\n1,2,2,2\n")
    with pytest.raises(RequestError, match="chart"):
        read_ledger([path])


def test_hours_of_a_job_that_spans_months_are_divided(tmp_path: Path) -> None:
    path = sacct(
        tmp_path / "a.txt",
        job(1, start="2024-01-31T00:00:00", end="2024-03-01T12:00:00", elapsed="30-12:00:00"),
    )
    months = read_ledger([path]).parts["month"]
    assert {name: each.gpu_hours for name, each in months.items()} == pytest.approx(
        {"2024-01": 8 * 24, "2024-02": 8 * 29 * 24, "2024-03": 8 * 12}
    )
    assert [each.jobs for each in months.values()] == [1, 0, 0]


def test_prices_of_two_accelerators_are_drawn_apart() -> None:
    """Points of two scrambled sequences rise and fall together, whatever their scrambling."""
    keys = [("a100-sxm-80gb", "2025-01"), ("h100-sxm", "2025-01"), ("h100-sxm", "2025-02")]
    drawn = draw_hours(keys, Prices(), Rules()).usd
    ranks = np.argsort(np.argsort(drawn, axis=1), axis=1) >= drawn.shape[1] // 2
    # Of independent draws half are on the same side of both medians, within four errors of 0.8 %.
    assert (ranks[0] == ranks[1]).mean() == pytest.approx(0.5, abs=0.032)
    assert (ranks[1] == ranks[2]).all()  # a price is as wrong in one month as in another


def test_capacity_and_queue(tmp_path: Path) -> None:
    path = sacct(tmp_path / "a.txt", job(1), job(2, gpus=1))
    found = read_ledger([path], None, Options(capacity=16, capacity_is="accelerators"))
    told = found.to_dict()["capacity"]
    assert told["gpu_hours"] == 32.0
    assert told["idle_share"] == pytest.approx((32 - 18) / 32)
    # Half an hour between submission and start, within a bin's width.
    assert found.queue.loc["2–8", "p50_h"] == pytest.approx(0.5, rel=0.02)


def compressed(source: Path, target: Path) -> Path:
    target.write_bytes(gzip.compress(source.read_bytes()))
    return target


def test_compressed_files_and_globs(tmp_path: Path) -> None:
    compressed(sacct(tmp_path / "x.txt", job(1)), tmp_path / "a.txt.gz")
    compressed(sacct(tmp_path / "x.txt", job(2)), tmp_path / "b.txt.gz")
    found = read_ledger([str(tmp_path / "*.gz")])
    assert (found.rows_used, found.total.gpu_hours) == (2, 32.0)
    assert [each.format for each in found.files] == ["sacct", "sacct"]


def test_a_bill_in_parquet_with_unused_commitments(tmp_path: Path) -> None:
    rows = {
        "BilledCost": [0.0, 0.0, 5000.0],
        "EffectiveCost": [80.25, 40.5, 0.0],
        "BillingCurrency": ["USD"] * 3,
        "ChargeCategory": ["Usage", "Usage", "Purchase"],
        "ChargePeriodStart": pd.to_datetime(["2024-05-01"] * 3),
        "ChargePeriodEnd": pd.to_datetime(["2024-05-01 01:00"] * 3),
        "ChargeDescription": ["p5.48xlarge hour"] * 3,
        "CommitmentDiscountStatus": ["Used", "Unused", None],
        "ConsumedQuantity": [1.0, 0.5, 1.0],
        "ConsumedUnit": ["Hours"] * 3,
        "ResourceId": ["i-1", None, None],
        "ServiceName": ["EC2"] * 3,
    }
    path = tmp_path / "bill.parquet"
    pq.write_table(pa.table(rows), path)
    found = read_ledger([path])
    kinds = found.parts["kind"]
    assert kinds["idle"].gpu_hours == 4.0
    assert kinds["idle"].cost_usd.p50 == 40.5
    assert found.total.gpu_hours == 12.0  # what was bought is money, not hours
    assert found.total.cost_usd.p50 == 120.75
    billed = read_ledger([path], None, Options(Asked(cost="billed")))
    assert billed.total.cost_usd.p50 == 5000.0


def test_another_currency_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_text(
        "BilledCost,BillingCurrency,ChargePeriodStart,ChargeCategory,ServiceName\n"
        "10,EUR,2024-05-01T00:00:00Z,Usage,EC2\n20,USD,2024-05-01T00:00:00Z,Usage,EC2\n"
    )
    found = read_ledger([path])
    assert (found.rows_rejected, found.total.cost_usd.p50) == (1, 20.0)
    assert "EUR" in next(iter(found.reasons))
    rates = Rules.model_validate({"rates": {"EUR": 1.1}})
    assert read_ledger([path], rates).total.cost_usd.p50 == pytest.approx(31.0)


def test_small_batches_give_the_same(tmp_path: Path) -> None:
    rows = [job(number, name=f"run{number % 3}") for number in range(50)]
    path = sacct(tmp_path / "a.txt", *rows)
    whole = read_ledger([path])
    apart = read_ledger([path], None, Options(running=Running(rows=7)))
    assert whole.to_dict()["by_month"] == apart.to_dict()["by_month"]
    assert whole.restarts == apart.restarts
    assert whole.rows_used == apart.rows_used == 50


def test_steps_stay_with_their_job_across_batches(tmp_path: Path) -> None:
    rows = []
    for number in range(30):
        rows += [job(number), job(f"{number}.batch", "batch"), job(f"{number}.0", "step")]
    found = read_ledger([sacct(tmp_path / "a.txt", *rows)], None, Options(running=Running(rows=7)))
    assert (found.rows_used, found.rows_rejected) == (90, 0)
    assert found.joined["steps of a job"] == 60


def test_a_file_that_grows_while_it_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sacct(tmp_path / "a.txt", job(1), job(2))
    plain = work.read_batches

    def growing(*given: Any) -> Iterator[Any]:
        batches = plain(*given)
        yield next(batches)
        with path.open("a") as file:
            file.write(job(3) + "\n")
        yield from batches

    monkeypatch.setattr(work, "read_batches", growing)
    found = read_ledger([path])
    assert found.unread_files == {str(path): "changed while it was read"}
    assert found.rows_used == 2  # what was read by then counts


def test_names_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    path = sacct(tmp_path / "a.txt", job(1, name='=HYPERLINK("x")'))
    result = CliRunner().invoke(main, ["ledger", str(path), "--csv"])
    assert result.exit_code == 0, result.output
    assert "'=HYPERLINK" in result.stdout


def test_tables_and_usage(tmp_path: Path) -> None:
    path = sacct(tmp_path / "a.txt", job(1), job(2, state="CANCELLED by 1001"))
    result = CliRunner().invoke(main, ["ledger", str(path), "--price", "2"])
    assert result.exit_code == 0, result.output
    assert "cancelled" in result.output
    assert "$64.0" in result.output
    for flags in (["--resume"], ["--engine", "ray"], ["--price", "x"], ["--capacity", "-1"]):
        refused = CliRunner().invoke(main, ["ledger", str(path), *flags])
        assert refused.exit_code == 2, flags
        assert flags[0] in refused.output


def test_it_tells_itself_in_one_line(tmp_path: Path) -> None:
    found: Ledger = read_ledger([sacct(tmp_path / "a.txt", job(1))])
    told = "16.0 accelerator-hours of 1 row cost $"
    assert repr(found).startswith(f"<Ledger {told}")
    assert "which of them were final runs no rule tells" in repr(found)
    assert "The largest runs" in found._repr_html_()
    assert len(found.to_frame()) == 1
    assert list(found.by("kind")["gpu_hours"]) == [16.0]
