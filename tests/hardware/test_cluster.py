from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result

import computebill as cb
from computebill.base.errors import RequestError
from computebill.cli import main
from computebill.hardware.accelerators import find_accelerator
from computebill.hardware.cluster import in_cluster
from computebill.runs.spec import RunSpec

LLAMA = "examples/llama-3.1-405b"
RUN = {"model": LLAMA, "tokens": "1T", "count": 512, "global_batch": 1024}
LAYOUT = {"tp": 8, "pp": 8, "zero": 1}


def estimate(**changes: Any) -> cb.RunEstimate:
    given = {**RUN, "accelerator": "h100-sxm", "layout": LAYOUT, **changes}
    return cb.estimate_run(given, samples=64)


def cli(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


def test_a_node_s_network_is_shared_by_its_chips() -> None:
    # 3.2 Tb/s of eight H100 are the 400 Gb/s each of a DGX; GB200 has four a node.
    h100 = in_cluster(find_accelerator("h100-sxm"), node_network=400)
    assert h100.links.across.bandwidth_gb_s is not None
    assert h100.links.across.bandwidth_gb_s.value == 50
    gb200 = in_cluster(find_accelerator("gb200-nvl72"), node_network=400)
    assert gb200.links.across.bandwidth_gb_s is not None
    assert gb200.links.across.bandwidth_gb_s.value == 100
    assert gb200.links.inside == find_accelerator("gb200-nvl72").links.inside


@pytest.mark.parametrize(
    ("text", "gb_s"), [("800gbit", 100), ("3.2Tbit/s", 400), ("100 GByte", 100), ("1e2gbyte", 100)]
)
def test_a_network_has_its_unit(text: str, gb_s: float) -> None:
    spec = RunSpec.model_validate(
        {**RUN, "accelerator": "h100", "layout": LAYOUT, "node_network": text}
    )
    assert spec.node_network == pytest.approx(gb_s)
    # What is written of a spec is read again.
    again = RunSpec.model_validate({**RUN, **spec.model_dump(include={"node_network", "layout"}),
                                    "accelerator": "h100"})  # fmt: skip
    assert again.node_network == spec.node_network


@pytest.mark.parametrize(
    ("text", "watt"), [("500", 500), (500, 500), ("500 W", 500), ("0.5kW", 500)]
)
def test_a_limit_is_in_watts(text: object, watt: float) -> None:
    spec = RunSpec.model_validate({**RUN, "accelerator": "h100", "power_limit": text})
    assert spec.power_limit == pytest.approx(watt)


def test_less_network_and_less_power_are_slower() -> None:
    plain, narrow, weak = estimate(), estimate(node_network="100gbit"), estimate(power_limit=350)
    found = [each.to_dict() for each in (plain, narrow, weak)]
    seconds = [each["step_seconds"]["p50"] for each in found]
    assert seconds[0] < min(seconds[1:])
    # A watt less takes off more electricity than a slower clock adds.
    assert found[2]["energy_mwh"]["p50"] < found[0]["energy_mwh"]["p50"]
    told = {each.name: each for each in narrow.assumptions}
    assert told["links across a domain"].value == "1.5625 GB/s"
    assert "100 Gb/s a node of 8" in told["links across a domain"].source


def test_the_datasheet_s_own_figures_change_nothing_but_a_doubt() -> None:
    plain, limited = estimate(), estimate(power_limit=700)
    assert plain.to_dict()["step_seconds"] == limited.to_dict()["step_seconds"]
    assert plain.to_dict()["energy_mwh"] == limited.to_dict()["energy_mwh"]
    # A network that is told is no longer assumed to be the profile's: a narrower interval.
    assumed, told = (
        each.to_dict()["step_seconds"] for each in (plain, estimate(node_network="3.2tbit"))
    )
    assert told["p50"] == pytest.approx(assumed["p50"], rel=1e-3)
    assert assumed["p5"] < told["p5"] < told["p95"] < assumed["p95"]


def test_a_limited_server_keeps_what_else_it_takes() -> None:
    part = find_accelerator("h100-sxm")
    limited = in_cluster(part, power_limit=500)
    for each, chip in ((part, 700), (limited, 500)):
        assert each.power.chip_watt is not None
        assert each.power.server_watt_per_chip is not None
        assert each.power.chip_watt.value == chip
        assert each.power.server_watt_per_chip.value - chip == 575
    # The peaks stay those of 700 W, of a part whose own power is less too.
    slow = in_cluster(find_accelerator("h100-96gb-hbm2e"), power_limit=400)
    for each in (limited, slow):
        assert each.power.peak_watt is not None
        assert each.power.peak_watt.value == 700


@pytest.mark.parametrize(
    ("accelerator", "field", "value", "problem"),
    [
        ("h100-sxm", "power_limit", 701.0, "got 701 W; allowed: up to the 700 W of h100-sxm"),
        ("trainium1", "power_limit", 300.0, "does not know its power"),
        ("l40s", "node_network", 100.0, "does not know how many chips a node has"),
    ],
)
def test_what_a_part_cannot_take_is_refused(
    accelerator: str, field: str, value: float, problem: str
) -> None:
    with pytest.raises(RequestError, match=f"{field}: .*{problem}"):
        in_cluster(find_accelerator(accelerator), **{field: value})


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--power-limit", "800"], "power_limit: got 800 W; allowed: up to the 700 W"),
        (["--power-limit", "0"], "--power-limit: got '0'; allowed: watts, 1 or more"),
        (["--node-network", "800"], "--node-network: got '800'; allowed: a bandwidth"),
        (["--node-network", "0gbit"], "--node-network: got '0gbit'; allowed: a bandwidth"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_wrong_cluster_is_told(command: str, flags: list[str], problem: str) -> None:
    shared = ["--model", LLAMA, "--tokens", "1T", "--accelerator", "h100", "--count", "512"]
    layout = ["--tp", "8", "--pp", "8"] if command == "run" else []
    found = cli(command, *shared, *layout, "--global-batch", "1024", *flags)
    assert found.exit_code == 2
    assert problem in found.stderr


def test_a_network_without_a_layout_is_refused() -> None:
    arguments = ["--params", "7B", "--tokens", "1T", "--accelerator", "h100", "--count", "8"]
    found = cli("run", *arguments, "--node-network", "800gbit")
    assert found.exit_code == 2
    assert "node_network: needs a layout" in found.stderr


def test_a_plan_takes_the_cluster_as_it_is() -> None:
    asked = {**RUN, "accelerator": "h100-sxm", "tp": "8", "pp": "8", "zero": "1"}
    asked = {**asked, "micro_batch": "1", "recompute": "full"}
    plain, weak = cb.plan(asked), cb.plan({**asked, "power_limit": 350, "node_network": "100gbit"})
    assert weak.best.step_seconds > 1.1 * plain.best.step_seconds


def test_a_limit_that_no_part_can_be_set_to_is_refused() -> None:
    with pytest.raises(RequestError, match=r"got 10 W; allowed: from 175 W"):
        in_cluster(find_accelerator("h100-sxm"), power_limit=10.0)


def test_a_limit_beside_a_given_utilisation_is_said_to_lower_energy_alone() -> None:
    run = {"params": "8B", "tokens": "2T", "accelerator": "h100", "count": 512, "mfu": 0.4}
    found = cb.estimate_run({**run, "power_limit": 350}, samples=64)
    assert any("lowers the energy alone" in note for note in found.notes)
    assert not any("lowers the energy" in each for each in cb.estimate_run(run, samples=64).notes)
