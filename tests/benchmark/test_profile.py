from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from measured_device import REACHED, as_predicted, hardware, plain_cpu, product, traffic

import computebill as cb
from computebill.base.errors import RequestError
from computebill.benchmark.check import changes, seconds_of
from computebill.benchmark.models import (
    FITTED,
    NARROWEST,
    PREDICTED,
    WIDEST,
    decoder,
    step_case,
    unit_width,
)
from computebill.benchmark.profile import fitted_on, measured_profile, write_accelerator
from computebill.hardware.accelerators import load_accelerator
from computebill.training.efficiency import efficiencies_of, read_profile
from computebill.training.step_time import estimate_step

DATE = dt.date(2026, 11, 22)
STEPS = [as_predicted(decoder(row, 256), plain_cpu()) for row in FITTED]


def test_fitted_and_predicted_decoders_are_others() -> None:
    assert not set(FITTED) & set(PREDICTED)
    assert len(PREDICTED) >= 12
    for unit in (NARROWEST, 256, 512, 1024, WIDEST):
        for row in (*FITTED, *PREDICTED):
            shape = decoder(row, unit).shape
            assert shape.heads % shape.kv_heads == 0
            assert shape.heads * shape.head_dim == shape.hidden


@pytest.mark.parametrize(
    ("flop_per_s", "memory", "width"),
    [(1e9, None, 128), (2e11, 2e10, 256), (7e14, 8e10, 2048), (7e14, 1.2e9, 256)],
)
def test_decoders_follow_the_device(flop_per_s: float, memory: float | None, width: int) -> None:
    assert unit_width(flop_per_s, memory) == width


def test_a_fit_finds_what_a_device_reaches() -> None:
    found = fitted_on(STEPS, plain_cpu(), "a test")
    assert found is not None
    fitted, error = found
    assert error < 0.03
    assert fitted.rows == len(STEPS)
    own = plain_cpu().model_copy(update={"efficiency": fitted})
    for row in PREDICTED:
        sizes = decoder(row, 256)
        true = as_predicted(sizes, plain_cpu()).whole.seconds
        assert seconds_of(step_case(sizes, own, "fp32"), efficiencies_of(own)) == pytest.approx(
            true, rel=0.1
        )
    assert fitted.values["products.other.32"] == pytest.approx(
        REACHED["products.other.32"], rel=0.15
    )


def test_too_few_steps_fit_nothing() -> None:
    assert fitted_on(STEPS[:3], plain_cpu(), "a test") is None


def test_a_profile_s_own_efficiencies_go_before_the_shipped_and_after_a_file(
    tmp_path: Path,
) -> None:
    found = fitted_on(STEPS, plain_cpu(), "a test")
    assert found is not None
    own = plain_cpu().model_copy(update={"efficiency": found[0]})
    case = step_case(decoder(PREDICTED[0], 256), own, "fp32")
    plain = step_case(decoder(PREDICTED[0], 256), plain_cpu(), "fp32")
    assert estimate_step(case).seconds < 0.8 * estimate_step(plain).seconds
    assert estimate_step(case).is_seen
    assert "of 1 source (" in estimate_step(case).source
    path = tmp_path / "slow.toml"
    path.write_text(
        'fitted = 2026-01-01\nrows = 1\nsources = ["s"]\n[values]\n"products.other.32" = 0.1\n'
    )
    assert estimate_step(case, path).seconds == pytest.approx(estimate_step(plain, path).seconds)
    assert efficiencies_of(own).intervals == read_profile().intervals


def test_a_wrong_efficiency_is_told_with_its_profile() -> None:
    found = fitted_on(STEPS, plain_cpu(), "a test")
    assert found is not None
    wrong = found[0].model_copy(update={"values": {"products.other.32": 1.5}})
    with pytest.raises(RequestError, match=r"plain-cpu: efficiency: values\.products\.other\.32"):
        efficiencies_of(plain_cpu().model_copy(update={"efficiency": wrong}))


def test_a_cpu_s_profile_is_read_again(tmp_path: Path) -> None:
    made = measured_profile(
        "my-cpu", hardware(), None, {"fp32": product().best}, {"copy": traffic()}, {}, DATE, "1"
    )
    assert made is not None
    found = fitted_on(STEPS, made, "a test")
    assert found is not None
    made = made.model_copy(update={"efficiency": found[0]})
    write_accelerator(made, tmp_path / "my-cpu.toml")
    assert load_accelerator(tmp_path / "my-cpu.toml") == made
    assert made.peak("fp32").value == pytest.approx(0.2)
    assert made.peak("fp32").source == "measured"
    assert "PyTorch 2.13.0" in made.sources["measured"].title


def test_a_known_part_keeps_its_datasheet(tmp_path: Path) -> None:
    known = cb.find_accelerator("h100-sxm")
    gpu = hardware(kind="cuda", name="NVIDIA H100 80GB HBM3", multiprocessors=132)
    best = {"bf16": product("bf16", 700.0).best}
    made = measured_profile("mine", gpu, known, best, {"copy": traffic(gb_s=3000)}, {}, DATE, "1")
    assert made is not None
    write_accelerator(made, tmp_path / "mine.toml")
    again = load_accelerator(tmp_path / "mine.toml")
    assert again == made
    assert again.peak_tflops == known.peak_tflops
    assert again.prices == known.prices
    assert again.generation == known.generation
    measured = again.measured_flop_per_s("bf16")
    assert measured == pytest.approx(700e12)
    # What the bench did not measure stays as others did.
    assert again.measured_flop_per_s("fp8") == known.measured_flop_per_s("fp8")
    for change in changes(again, known, "bf16"):
        # Slower products, slower steps.
        assert change.datasheet is not None
        assert change.measured > change.datasheet


def test_without_a_rate_there_is_no_profile() -> None:
    assert measured_profile("x", hardware(), None, {}, {"copy": traffic()}, {}, DATE, "1") is None
    assert (
        measured_profile("x", hardware(), None, {"fp32": product().best}, {}, {}, DATE, "1") is None
    )


def test_a_peak_is_no_less_than_what_a_step_reached() -> None:
    given = (hardware(), None, {"fp32": product().best}, {"copy": traffic()})
    made = measured_profile("x", *given, {"fp32": 0.3e12}, DATE, "1")
    assert made is not None
    assert made.peak("fp32").value == pytest.approx(0.3)
    assert made.measured_flop_per_s("fp32") == pytest.approx(0.2e12)
