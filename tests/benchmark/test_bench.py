from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from measured_device import as_predicted, hardware, plain_cpu, product, traffic

import computebill as cb
from computebill import benchmark
from computebill.benchmark import suite
from computebill.benchmark.models import Sizes
from computebill.cli import main
from computebill.kernels.measure import copies
from computebill.kernels.measure.devices import Conditions
from computebill.kernels.measure.host import Launches
from computebill.kernels.measure.matmul import Product
from computebill.kernels.measure.outcome import Skip
from computebill.views import bench as view

from measured_device import timing  # isort: skip

KEYS = {"device", "matmul", "copy_gb_s", "attention", "block", "collectives", "skipped"}


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a device that nobody has be measured at once."""

    def set_up(**other: Any) -> None:
        def step(*given: Any, **more: Any) -> Any:
            shape, batch, sequence, *_ = given
            return as_predicted(Sizes(shape, batch, sequence), plain_cpu())

        def probe(m: int, n: int, k: int, dtype: str, *_: Any, **__: Any) -> Product:
            return replace(product(dtype).best, m=m, n=n, k=k)

        fakes: dict[str, Any] = {
            "matmul.search_best": lambda dtype, *_, **__: product(dtype),
            "matmul.measure_product": probe,
            "matmul.dtypes_of": lambda _: (("fp32", "bf16"), (Skip("fp8", "not on a CPU"),)),
            "copies.measure_bandwidth": lambda *_, **__: (traffic(), traffic("read", 42.0)),
            "host.measure_launches": lambda *_, **__: Launches(timing(5e-6)),
            "attention.measure_attention": lambda *_, **__: (Skip("flash", "no such kernel"),),
            "step.measure_block": lambda *_, **__: Skip("block", "out of memory"),
            "step.measure_step": step,
            "collectives.measure_collectives": lambda *_, **__: (Skip("collectives", "one rank"),),
            "load.conditions_under_load": lambda *_, **__: Conditions(None, None, None, 0.5, 0.9),
            **other,
        }
        for name, fake in fakes.items():
            module, function = name.split(".")
            monkeypatch.setattr(getattr(suite, module), function, fake)
        monkeypatch.setattr(benchmark, "describe", lambda _: hardware())

    return set_up


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", *arguments])


def test_a_bench_fits_checks_and_writes_what_commands_take(
    measuring: Callable[..., None], tmp_path: Path
) -> None:
    measuring()
    path = tmp_path / "my-cpu.toml"
    page = tmp_path / "page.html"
    outputs = ("--json", "-o", str(path), "--html", str(page))
    result = invoke("--quick", "--check", *outputs, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "Some CPU reaches 0.200" in page.read_text()
    found = json.loads(result.stdout)
    assert found.keys() >= KEYS
    assert found["matmul"][0].keys() >= {"m", "n", "k", "dtype", "tflops"}
    assert found["matmul"][0]["tflops"] == pytest.approx(0.2)
    assert found["copy_gb_s"] == pytest.approx(40)
    assert found["device"]["name"] == "Some CPU"
    assert len(found["check"]) >= 12
    assert found["check_mape"] < 0.1
    assert found["check_quiet"] == {"steps": len(found["check"]), "mape": found["check_mape"]}
    # The device is not what the shipped efficiencies say.
    assert abs(found["check"][0]["shipped_predicted_seconds"] / found["check"][0]["seconds"]) > 1.3
    assert {"what": "fp8 products", "why": "not on a CPU"} in found["skipped"]
    run = [
        *("run", "--accelerator", str(path), "--count", "1", "--tokens", "1e9", "--price", "1"),
        *("--micro-batch", "1", "--sequence-length", "256", "--precision", "fp32", "--json"),
        *("--model", str(_config(tmp_path))),
    ]
    estimated = CliRunner().invoke(main, run)
    assert estimated.exit_code == 0, estimated.output
    shown = CliRunner().invoke(main, ["hardware", "show", str(path)])
    assert shown.exit_code == 0, shown.output
    assert "computebill bench" in shown.output
    assert "products.other.32" in shown.output  # an efficiency


def _config(folder: Path) -> Path:
    config = {
        "model_type": "llama",
        "num_hidden_layers": 4,
        "hidden_size": 512,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "intermediate_size": 1536,
        "vocab_size": 1024,
        "tie_word_embeddings": False,
        "max_position_embeddings": 4096,
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize("command", ["plan", "mfu"])
def test_other_commands_take_the_profile(
    command: str, measuring: Callable[..., None], tmp_path: Path
) -> None:
    measuring()
    path = tmp_path / "my-cpu.toml"
    assert invoke("--quick", "--only", "matmul,copy,step", "-o", str(path)).exit_code == 0
    extra = {
        "plan": ["--tokens", "1e9", "--count", "1", "--global-batch", "8", "--price", "1"],
        "mfu": ["--tokens-per-second", "1000"],
    }
    given = ["--accelerator", str(path), "--sequence-length", "1024", "--precision", "fp32"]
    result = CliRunner().invoke(
        main, [command, "--model", str(_config(tmp_path)), *given, *extra[command], "--json"]
    )
    assert result.exit_code == 0, result.output


def test_the_tables_tell_all(measuring: Callable[..., None]) -> None:
    measuring()
    output = invoke("--check", "--device", "cpu").stdout
    for text in ("fp32 product", "memory read", "products.other.32", "mean error", "Not measured"):
        assert text in output
    assert "no accelerator was found" not in output
    assert "no accelerator was found" in invoke("--only", "launches").stdout


def test_an_interrupt_keeps_what_there_is(measuring: Callable[..., None], tmp_path: Path) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    measuring(**{"attention.measure_attention": interrupted})
    path = tmp_path / "part.toml"
    result = invoke("--json", "-o", str(path), "--check")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["interrupted"]
    assert found["copy_gb_s"] == pytest.approx(40)
    assert (found["step"], found["check"]) == ([], [])
    assert "efficiency" not in cb.find_accelerator(str(path)).model_dump(exclude_none=True)


def test_an_interrupted_check_keeps_the_fit(measuring: Callable[..., None]) -> None:
    calls = 0

    def step(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 9:
            raise KeyboardInterrupt
        return as_predicted(Sizes(*given[:3]), plain_cpu())

    measuring(**{"step.measure_step": step})
    found = cb.bench(quick=True, check=True, only=["matmul", "copy", "step"])
    assert found.is_interrupted
    assert found.profile is not None
    assert found.profile.efficiency is not None
    assert len(found.checks) == 3


def test_nothing_measured_is_a_failure(measuring: Callable[..., None]) -> None:
    measuring(**{"host.measure_launches": lambda *_, **__: Skip("launches", "refused")})
    result = invoke("--only", "launches")
    assert result.exit_code == 1
    assert "launches: refused" in result.output


def test_an_absent_device_is_a_line_and_a_failure() -> None:
    result = invoke("--device", "cuda:99")
    assert result.exit_code == 1
    assert "cuda:99: this machine has" in result.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--only", "matmul,magic"], "only: got 'magic'; allowed: matmul, copy"),
        (["--dtype", "fp7"], "dtype: got 'fp7'; allowed: fp32, tf32"),
        (["--device", "gpu one"], "device: got 'gpu one'; allowed: auto"),
        (["--only", "copy", "--check"], "only: leaves out step"),
        (["-o", "x.json"], "-o: got 'x.json'; allowed: .toml"),
        (["-o", "My GPU.toml"], "-o: got 'My GPU.toml'; allowed: small letters"),
        (["-o", "nowhere/x.toml"], "its folder does not exist"),
    ],
)
def test_a_wrong_request_is_told(arguments: list[str], text: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert text in result.output


def test_a_dtype_that_a_device_lacks_is_a_line(measuring: Callable[..., None]) -> None:
    measuring()
    found = cb.bench(only=["matmul"], dtypes=["fp32", "fp8"])
    assert list(found.best) == ["fp32"]
    assert found.skipped == (Skip("fp8 products", "not on a CPU"),)


def test_a_disturbed_step_is_timed_again(measuring: Callable[..., None]) -> None:
    rates = iter([1.0, 1.0, 1.0, 0.5] + [1.0] * 100)
    counted = []

    def probe(m: int, n: int, k: int, dtype: str, *_: Any, **__: Any) -> Product:
        return product(dtype, next(rates)).best

    def step(*given: Any, **more: Any) -> Any:
        counted.append(given)
        return as_predicted(Sizes(*given[:3]), plain_cpu())

    measuring(**{"matmul.measure_product": probe, "step.measure_step": step})
    found = cb.bench(quick=True, only=["matmul", "copy", "step"])
    assert len(counted) == suite.QUICK.steps + 1
    assert all(each["speed"] == 1.0 for each in found.to_dict()["step"])


def test_real_measurements_of_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = replace(
        suite.QUICK,
        matmul=0.2,
        copy=0.1,
        launches=0.05,
        attention=0.1,
        block=0.1,
        step=0.1,
        steps=4,
    )
    monkeypatch.setattr(benchmark, "QUICK", tiny)
    monkeypatch.setattr(copies, "_LARGEST", 2**22)
    monkeypatch.setattr(suite, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(suite, "QUIET", 0.0)
    monkeypatch.setattr(suite, "UNSTEADY", 1e9)
    monkeypatch.setattr(suite.Suite, "unit", lambda _: 128)
    shares = []
    found = cb.bench(
        quick=True,
        device="cpu",
        dtypes=["fp32"],
        only=["matmul", "copy", "launches", "attention", "block", "step"],
        progress=lambda what, share: shares.append(share),
    )
    assert sum(shares) == pytest.approx(1)
    assert found.profile is not None
    assert found.profile.efficiency is not None
    assert not found.is_interrupted
    assert set(found.to_frame()["part"]) == {"matmul", "copy", "attention", "block", "step"}
    assert json.loads(json.dumps(found.to_dict()))["device"]["kind"] == "cpu"
    assert list(view.full(found))


def test_a_dtype_that_leaves_out_the_steps_own_is_no_fault(
    measuring: Callable[..., None],
) -> None:
    measuring(**{"matmul.search_best": lambda dtype, *_, **__: product("bf16")})
    found = cb.bench(quick=True, only=["matmul", "copy", "step"], dtypes=["bf16"])
    assert found.profile is not None
    assert found.profile.efficiency is None
    assert [each.what for each in found.skipped].count("fit") == 1


def test_a_driver_that_refuses_ends_only_its_part(
    measuring: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise RuntimeError("all devices are busy or unavailable")

    measuring()
    monkeypatch.setattr(suite, "memory_free_bytes", refuse)
    found = cb.bench(quick=True, only=["launches", "attention", "step"])
    assert [each.what for each in found.skipped if "busy" in each.why] == ["attention", "step"]
    assert len(found.of(Launches)) == 1
    monkeypatch.setattr(benchmark, "describe", refuse)
    nothing = cb.bench(quick=True)
    assert not nothing.results
    assert "busy" in nothing.skipped[0].why


def test_utilisation_is_told_under_every_convention(measuring: Callable[..., None]) -> None:
    measuring()
    found = cb.bench(only=["matmul", "copy", "step"]).to_dict()
    peak = next(each["tflops"] for each in found["matmul"] if each["dtype"] == "fp32") * 1e12
    for row in (*found["step"], *found["compiled_step"]):
        assert row["mfu"] == pytest.approx(
            {name: rate * 1e12 / peak for name, rate in row["tflops"].items()}
        )
    assert len(found["compiled_step"]) == 1
