"""What Slurm allocated, and which accelerators a record names."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from computebill.ledger import read_ledger
from computebill.ledger.devices import find_device
from computebill.ledger.joining import nodes_of
from computebill.ledger.rules import Rules
from computebill.ledger.slurm import allocated, generic


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("billing=320,cpu=320,gres/gpu=8,gres/gpu:h100=8,mem=1000000M", (("h100", 8.0),)),
        ("cpu=4,gres/gpu=3,gres/gpu:a100=2,gres/gpu:v100=1", (("a100", 2.0), ("v100", 1.0))),
        ("cpu=4,gres/gpu=2,node=1", (("", 2.0),)),
        ("gres/gpu:a100=4", (("a100", 4.0),)),
        ("billing=320,cpu=320,mem=1M,node=2", (("", 0.0),)),
        ("", (("", 0.0),)),
    ],
)
def test_accelerators_told_twice_count_once(
    text: str, types: tuple[tuple[str, float], ...]
) -> None:
    assert allocated(text).types == types


def test_energy_within_resources_and_none() -> None:
    assert allocated("cpu=4,energy=1439089,gres/gpu=1").energy == 1_439_089
    assert allocated("energy=1.5M,cpu=1").energy == 1.5e6
    assert math.isnan(allocated("cpu=4,energy=0").energy)
    assert generic("gpu:a100:4(IDX:0-3)").types == (("a100", 4.0),)
    assert generic("gpu:2").types == (("", 2.0),)


@pytest.mark.parametrize(
    ("text", "profile", "each"),
    [
        ("h100", "h100-sxm", 1),
        ("nvidia_a100-sxm4-80gb", "a100-sxm-80gb", 1),
        ("v100_16gb", "v100-sxm-16gb", 1),
        ("p5.48xlarge", "h100-sxm", 8),
        ("USW2-BoxUsage:p4d.24xlarge", "a100-sxm-40gb", 8),
        ("$1.624 per On Demand Linux g5.4xlarge Instance Hour", "a10g", 1),
        ("Standard_ND96isr_H100_v5", "h100-sxm", 8),
        ("Nvidia H100 80GB GPU running in Iowa", "h100-sxm", 1),
        ("Virtual Machines Dv2/DSv2 Series - D11 v2/DS11 v2 - US East 2", None, 1),
        ("$0.114 per GB-month of General Purpose SSD (gp2)", None, 1),
        ("ram", None, 1),
    ],
)
def test_devices(text: str, profile: str | None, each: float) -> None:
    found = find_device(text)
    assert (found.profile, found.each) == (profile, each)


def test_nodes_of_a_list() -> None:
    assert nodes_of("gpu[01-03,7],login.example.org") == {
        "gpu01",
        "gpu02",
        "gpu03",
        "gpu7",
        "login",
    }


def test_sreport_in_the_unit_of_its_title(tmp_path: Path) -> None:
    line = "-" * 40
    path = tmp_path / "report.txt"
    path.write_text(
        f"{line}\nCluster/Account/User Utilization 2024-01-01T00:00:00 - 2024-01-31T23:59:59\n"
        f"Usage reported in TRES Hours\n{line}\n"
        "Cluster|Account|Login|Proper Name|TRES Name|Used\n"
        "c1|alpha|||gres/gpu|30\nc1|alpha|ann|Ann|gres/gpu|10\nc1|alpha|bob|Bob|gres/gpu|20\n"
        "c1|alpha|bob|Bob|cpu|999\n"
    )
    found = read_ledger([path])
    assert found.total.gpu_hours == pytest.approx(30.0)
    assert {name: each.gpu_hours for name, each in found.parts["user"].items()} == pytest.approx(
        {"bob": 20.0, "ann": 10.0}
    )
    assert found.reasons == {"is a sum of other rows": 1, "is of another resource than gres/gpu": 1}
    assert list(found.parts["month"]) == ["2024-01"]


def test_sreport_with_its_percentages_and_without_a_unit(tmp_path: Path) -> None:
    """``-t HourPer`` puts a share behind each time; a time that is none is no hours of 0."""
    head = "Cluster|Account|Login|Proper Name|TRES Name|Used"
    rows = ("600(60.00%)", "400(40.00%)", "much")
    lines = [f"c1|alpha|u{place}|U|gres/gpu|{told}" for place, told in enumerate(rows)]
    path = tmp_path / "report.txt"
    path.write_text("\n".join(["Usage reported in TRES Hours/Percentage of Total", head, *lines]))
    found = read_ledger([path])
    assert {name: each.gpu_hours for name, each in found.parts["user"].items()} == {
        "u0": 600.0,
        "u1": 400.0,
    }
    assert found.reasons == {"tells no accelerator time": 1}
    path.write_text("\n".join([head, lines[0]]))
    found = read_ledger([path])
    assert found.total.gpu_hours == pytest.approx(10.0)
    assert "is of a report that tells no unit; minutes are taken" in found.remarks


def test_nodes_times_those_of_a_node_where_rules_tell(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        "JobID|Partition|State|Elapsed|NNodes\n1|gpu|COMPLETED|01:00:00|3\n2|cpu|COMPLETED|01:00:00|1\n"
    )
    place = {"partition": "^gpu$", "profile": "a100-sxm-80gb", "per_node": 4}
    found = read_ledger([path], Rules.model_validate({"accelerator": [place]}))
    assert found.total.gpu_hours == 12.0
    assert list(found.parts["accelerator"]) == ["a100-sxm-80gb"]
    assert found.reasons == {"tells no number of accelerators": 1}


def test_a_job_on_two_types_is_hours_of_both(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        "JobID|State|Elapsed|AllocTRES\n"
        "1|COMPLETED|01:00:00|gres/gpu=6,gres/gpu:h100=4,gres/gpu:v100_16gb=2\n"
    )
    found = read_ledger([path])
    hours = {name: each.gpu_hours for name, each in found.parts["accelerator"].items()}
    assert hours == {"h100-sxm": 4.0, "v100-sxm-16gb": 2.0}
    assert found.total.jobs == 1
