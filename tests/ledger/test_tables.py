"""Bills of clouds, jobs of clusters, and forms of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from computebill.base.errors import RequestError
from computebill.cli import main
from computebill.ledger import Ledger, read_ledger
from computebill.ledger.account import Options
from computebill.ledger.formats import formats, read_mapping
from computebill.ledger.plan import Asked


def csv_ledger(path: Path, *rows: str) -> Ledger:
    path.write_text("\n".join(rows) + "\n")
    return read_ledger([path])


def test_aws(tmp_path: Path) -> None:
    found = csv_ledger(
        tmp_path / "cur.csv",
        "lineItem/UsageStartDate,lineItem/UsageEndDate,lineItem/LineItemType,lineItem/UsageAmount,"
        "pricing/unit,lineItem/UnblendedCost,product/instanceType,resourceTags/user:team",
        "2024-05-01T00:00:00Z,2024-05-01T01:00:00Z,Usage,2,Hrs,196.6,p5.48xlarge,alpha",
        "2024-05-01T00:00:00Z,2024-05-01T01:00:00Z,Tax,1,Hrs,10,p5.48xlarge,",
        "2024-05-01T00:00:00Z,2024-05-01T01:00:00Z,Usage,5,GB,1.5,,",
    )
    assert found.files[0].format == "aws"
    assert found.total.gpu_hours == 16.0
    assert found.total.cost_usd.p50 == pytest.approx(208.1)


def test_azure_and_google(tmp_path: Path) -> None:
    azure = csv_ledger(
        tmp_path / "azure.csv",
        "Date,MeterCategory,MeterName,Quantity,UnitOfMeasure,CostInBillingCurrency,BillingCurrency",
        "05/13/2024,Virtual Machines,ND96isr H100 v5,3,1 Hour,295,USD",
    )
    assert azure.files[0].format == "azure"
    assert (azure.total.gpu_hours, azure.total.cost_usd.p50) == (24.0, 295.0)
    assert list(azure.parts["month"]) == ["2024-05"]
    google = tmp_path / "google.jsonl"
    row = {
        "sku": {"id": "x", "description": "Nvidia H100 80GB GPU running in Iowa"},
        "usage_start_time": "2024-05-01 00:00:00 UTC",
        "usage": {"amount_in_pricing_units": 7.5, "pricing_unit": "hour"},
        "cost": 22.5,
        "currency": "USD",
        "project": {"id": "lab"},
        "labels": [{"key": "team", "value": "alpha"}],
    }
    google.write_text(json.dumps(row) + "\n")
    found = read_ledger([google])
    assert found.files[0].format == "google"
    assert (found.total.gpu_hours, found.total.cost_usd.p50) == (7.5, 22.5)
    assert list(found.parts["project"]) == ["lab"]


def test_overlapping_charges_are_named(tmp_path: Path) -> None:
    head = "BilledCost,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeDescription"
    head += ",ConsumedQuantity,ConsumedUnit,ResourceId,ServiceName"
    row = "98,2024-05-01T0{}:00:00,2024-05-01T0{}:00:00,Usage,p5.48xlarge,1,Hours,i-1,EC2"
    found = csv_ledger(tmp_path / "a.csv", head, row.format(0, 2), row.format(1, 2))
    assert found.remarks["overlaps another charge of the same resource"] == 1
    assert found.total.cost_usd.p50 == 196.0


def test_a_bill_of_the_machines_that_jobs_ran_on_prices_them(tmp_path: Path) -> None:
    """Ten billed hours of a machine of eight, of which jobs used five: half lay idle."""
    head = "BilledCost,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeDescription"
    head += ",ConsumedQuantity,ConsumedUnit,ResourceId,ServiceName"
    (tmp_path / "bill.csv").write_text(
        f"{head}\n800,2024-05-01T00:00:00,2024-05-01T10:00:00,Usage,p5.48xlarge,10,Hours,node7,EC2\n"
    )
    (tmp_path / "sacct.txt").write_text(
        "JobID|JobName|State|Start|End|Elapsed|NodeList|AllocTRES\n"
        "1|x|COMPLETED|2024-05-01T01:00:00|2024-05-01T06:00:00|05:00:00|node7|gres/gpu:h100=8\n"
    )
    (tmp_path / "runs.csv").write_text(
        "run,name,gpus,start,end,host,tokens\n"
        "a,x,8,2024-05-01T01:00:00,2024-05-01T06:00:00,node7,1e9\n"
    )
    tracked = read_ledger([tmp_path / "bill.csv", tmp_path / "runs.csv"])
    assert (tracked.total.gpu_hours, tracked.parts["kind"]["idle"].gpu_hours) == (80.0, 40.0)
    (tmp_path / "far.csv").write_text((tmp_path / "runs.csv").read_text().replace("node7", "far"))
    apart = read_ledger([tmp_path / "bill.csv", tmp_path / "far.csv"])
    assert apart.total.gpu_hours == 120.0
    assert any("both counted" in text for text in apart.remarks)
    found = read_ledger([tmp_path / "bill.csv", tmp_path / "sacct.txt"])
    assert found.total.gpu_hours == 80.0
    assert found.total.cost_usd.p50 == pytest.approx(800.0)
    assert found.parts["kind"]["idle"].gpu_hours == 40.0
    assert found.parts["kind"]["unknown"].cost_usd.p50 == pytest.approx(400.0)
    # What lies idle computes nothing, and is idle of the capacity too.
    assert found.parts["kind"]["idle"].flop.p95 == 0.0
    assert found.total.flop.p50 == found.parts["kind"]["unknown"].flop.p50 > 0
    records = [tmp_path / "bill.csv", tmp_path / "sacct.txt"]
    whole = read_ledger(records, None, Options(capacity=100.0)).to_dict()["capacity"]
    assert whole == {"gpu_hours": 100.0, "idle_gpu_hours": 60.0, "idle_share": 0.6}
    assert found.joined == {"charges of machines that jobs ran on": 1}


def test_kubernetes_kueue_and_ray(tmp_path: Path) -> None:
    job = {
        "metadata": {"name": "train", "namespace": "alpha", "uid": "u1"},
        "spec": {
            "parallelism": 4,
            "template": {
                "spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "8"}}}]}
            },
        },
        "status": {
            "startTime": "2024-05-01T00:00:00Z",
            "completionTime": "2024-05-01T02:00:00Z",
            "conditions": [
                {"type": "Complete", "status": "True", "lastTransitionTime": "2024-05-01T02:00:00Z"}
            ],
        },
    }
    pods = {
        "clusterQueue": "main",
        "podSetAssignments": [{"resourceUsage": {"nvidia.com/gpu": "16"}, "count": 2}],
    }
    times = (("QuotaReserved", "00:00"), ("Admitted", "00:00"), ("Finished", "03:00"))
    workload = {
        "metadata": {"name": "w", "namespace": "beta", "uid": "u2"},
        "spec": {"queueName": "q"},
        "status": {
            "admission": pods,
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": f"2024-05-01T{at}:00Z"}
                for kind, at in times
            ],
        },
    }
    ray = {
        "submission_id": "raysubmit_1",
        "entrypoint": "python train.py",
        "status": "SUCCEEDED",
        "start_time": 1714521600000,
        "end_time": 1714525200000,
        "metadata": {"num_gpus": "4"},
    }
    wanted = {"kubernetes": ({"items": [job]}, 64.0), "kueue": ({"items": [workload]}, 48.0)}
    wanted["ray"] = ([ray], 4.0)  # type: ignore[assignment]
    for name, (value, hours) in wanted.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(value))
        found = read_ledger([path])
        assert found.files[0].format == name
        assert found.total.gpu_hours == hours, name
        assert list(found.parts["state"]) == ["completed"]


def test_a_form_of_ones_own(tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(
        'title = "ours"\n[fields]\njob = "Task"\nelapsed = { "Took" = "min" }\nstart = "Begun"\n'
        'state = "How"\n[constants]\naccelerators = 2\n[states]\n"fine" = "completed"\n'
    )
    path = tmp_path / "tasks.csv"
    path.write_text("Task;Took;Begun;How\nx;90;13.05.2024 00:00;fine\n")
    found = read_ledger([path], None, Options(Asked(mapping=read_mapping(mapping))))
    assert found.total.gpu_hours == 3.0
    assert list(found.parts["state"]) == ["completed"]
    mapping.write_text("[fields]\njobs_id = 'x'\n")
    with pytest.raises(RequestError, match="jobs_id"):
        read_mapping(mapping)
    with pytest.raises(RequestError, match="known form"):
        read_ledger([path])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[fields]\nelapsed = { "Took" = "parsec" }', "elapsed.Took: got 'parsec'; allowed: s,"),
        ('[fields]\nelapsed = { "Took" = "kwh" }', "elapsed.Took: got 'kwh'; allowed: s,"),
        ('[fields]\ntokens = { "T" = "s" }', "tokens.T: got 's'; allowed: no unit"),
        ("[fields]\njob = 3", "job: got 3; allowed: a heading, a list of headings"),
        ('[constants]\naccelerators = "x"', "accelerators: got 'x'; allowed: a number"),
        ('[states]\nfine = "good"', "fine: got 'good'; allowed: completed"),
    ],
)
def test_what_is_wrong_with_a_form_of_ones_own(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(text + "\n")
    with pytest.raises(RequestError) as error:
        read_mapping(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bill_tells_no_person_and_rests_on_no_price_that_it_tells_itself(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    heads = "BilledCost,EffectiveCost,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName"
    heads += ",ChargeDescription,ConsumedQuantity,ConsumedUnit,SubAccountName,"
    heads += "CommitmentDiscountStatus"
    hour = "2025-01-01T00:00:00Z,2025-01-01T01:00:00Z,Usage,EC2,p5.48xlarge,1,Hours,lab,"
    path.write_text(f"{heads}\n80.5,80.5,{hour}Used\n0,20.5,{hour}Unused\n")
    found = read_ledger([path])
    assert set(found.parts["user"]) == {"unknown"}
    assert list(found.parts["project"]) == ["lab"]
    names = [each.name for each in found.assumptions]
    assert not [name for name in names if name.startswith("USD an hour")]
    assert "energy of idle accelerators" in names
    # What is idle is known; nothing says what the rest was for, and it was not idle.
    assert found.final_share.p50 == pytest.approx(0.5 * 80.5 / 101.0, rel=1e-3)
    assert "no rule tells" in CliRunner().invoke(main, ["ledger", str(path), "--brief"]).output


def test_shipped_forms_name_fields_that_there_are() -> None:
    assert {"sacct", "sreport", "wandb", "mlflow", "trainer", "focus", "jobs"} <= set(formats())
    for name, form in formats().items():
        assert form.title, name
        assert form.needs, name
