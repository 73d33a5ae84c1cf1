from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from known import LLAMA_8B
from rich.console import Console

import computebill as cb
from computebill.training.cases import Case
from computebill.training.inputs import link_notes
from computebill.training.memory import stage_bytes
from computebill.views import run as run_view
from computebill.views.report import reports_of

NO_LINKS = "a800-pcie-80gb"  # whose profile has no bandwidth of any link
NOTE = "has no bandwidth across a domain, which this layout needs: 25 GB/s is assumed."


@pytest.fixture
def spec(llama_config: str) -> dict[str, Any]:
    return {
        "model": llama_config,
        "tokens": 1e12,
        "accelerator": "h100-sxm",
        "count": 64,
        "price": 2,
        "layout": {"tp": 2, "pp": 2},
    }


def estimate(spec: dict[str, Any], **changes: Any) -> cb.RunEstimate:
    return cb.estimate_run({**spec, **changes}, samples=64)


def told(found: cb.RunEstimate) -> dict[str, tuple[str, str]]:
    return {each.name: (each.value, each.source) for each in found.assumptions}


def test_what_a_step_takes_in_silence_is_listed(spec: dict[str, Any]) -> None:
    listed = told(estimate(spec))
    # 8 micro-batches for each of 2 stages, of one sequence, on 64 / (2 x 2) = 16 replicas.
    count, source = listed["global batch, sequences"]
    assert (count, source.startswith("assumed: 8 micro-batches")) == ("256", True)
    assert listed["software generation"][0] == "modern"
    assert listed["software generation"][1].startswith("assumed")
    # The datasheet's figures, as the profile cites them.
    assert listed["links inside a domain"][0] == "450 GB/s"
    assert listed["links across a domain"][0] == "50 GB/s"
    assert listed["accelerators of a domain"][0] == "8"
    for name in ("links inside a domain", "links across a domain", "accelerators of a domain"):
        assert listed[name][1].startswith("h100-sxm: ")
    for name in ("latency inside a domain", "latency across a domain", "efficiencies"):
        assert listed[name][1].startswith("fitted ")
    assert "interval of the step" in listed
    for name in ("micro batch", "recompute", "zero", "optimizer", "attention", "kernels"):
        assert listed[name][1].startswith("assumed")


def test_that_weights_on_the_host_are_fully_sharded_is_told(spec: dict[str, Any]) -> None:
    layout = {"tp": 2, "offload": ("weights",)}
    assert told(estimate(spec, layout=layout))["zero"] == ("3", "as offload weights shards fully")
    assert "zero" not in told(estimate(spec, layout=layout | {"zero": 3}))


def test_what_was_given_is_not_called_assumed(spec: dict[str, Any]) -> None:
    layout = {"tp": 2, "pp": 2, "micro_batch": 2, "recompute": "full"}
    listed = told(estimate(spec, layout=layout, software="compiled", global_batch=512))
    assert listed["software generation"] == ("compiled", "given")
    assert not {"global batch, sequences", "micro batch", "recompute"} & set(listed)


def test_what_a_framework_decides_is_told_with_its_name(spec: dict[str, Any]) -> None:
    listed = told(estimate(spec, framework="internevo", date="2024-03-01"))
    source = "InternEvo in March 2024 (training/frameworks.toml)"
    decided = {"attention": "flash", "attention kernel": "flash2", "reduce bits": "16"}
    for name, value in (decided | {"experts": "grouped", "kernels": "fused"}).items():
        assert listed[name] == (value, source)
    layout = {"tp": 2, "pp": 2, "reduce_bits": "32"}
    assert "reduce bits" not in told(estimate(spec, framework="internevo", layout=layout))


def test_links_that_a_profile_does_not_know_are_called_assumed(spec: dict[str, Any]) -> None:
    listed = told(estimate(spec, accelerator=NO_LINKS))
    for where in ("inside", "across"):
        value, source = listed[f"links {where} a domain"]
        assert value == "25 GB/s"
        assert source.startswith("assumed")


def test_a_link_that_is_not_known_is_told_wherever_the_run_is(spec: dict[str, Any]) -> None:
    found = estimate(spec, accelerator=NO_LINKS)
    result = found.to_dict()
    assert any(note.endswith(NOTE) for note in result["notes"])
    console = Console(width=400, record=True, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        for each in run_view.full(found):
            console.print(each)
    text = capture.get()
    assert NOTE in text
    assert text.index(NOTE) < text.index("Wall-clock time")
    (page,) = reports_of([("run", result)])
    assert any(note.endswith(NOTE) for note in page.notes)
    assert not any("no bandwidth" in note for note in estimate(spec).notes)


def test_a_given_utilisation_needs_no_step(spec: dict[str, Any]) -> None:
    found = estimate(spec, accelerator=NO_LINKS, mfu=0.4)
    listed = told(found)
    assert not any("links" in name or "latency" in name for name in listed)
    assert not any("no bandwidth" in note for note in found.notes)
    assert "software generation" not in listed
    assert listed["recompute"][1].startswith("assumed")  # memory needs it
    assert "global batch, sequences" in listed


@pytest.mark.parametrize(
    ("layout", "domain", "missing"),
    [
        ({}, 8, []),  # one accelerator
        ({"tp": 2}, 8, ["inside"]),
        ({"pp": 2}, 8, ["inside"]),
        ({"dp": 8}, 8, ["inside"]),
        ({"dp": 16}, 8, ["inside", "across"]),
        ({"tp": 2, "dp": 8}, 8, ["inside", "across"]),
        ({"pp": 16}, 8, ["across"]),
        ({"dp": 16}, 1, ["across"]),
    ],
)
def test_only_links_that_a_layout_needs_are_missed(
    layout: dict[str, int], domain: int, missing: list[str]
) -> None:
    case = Case(
        architecture=cb.read_architecture(LLAMA_8B),
        layout=cb.Layout(**layout),
        accelerator=cb.find_accelerator(NO_LINKS),
        precision="bf16",
        sequence=4096,
        software="modern",
        domain=domain,
    )
    notes = link_notes(case)
    assert len(notes) == len(missing)
    assert all(f"{where} a domain" in note for where, note in zip(missing, notes, strict=True))
    known = dataclasses.replace(case, accelerator=cb.find_accelerator("h100-sxm"))
    assert link_notes(known) == ()


def test_a_domain_that_nobody_knows_is_told_where_it_counts() -> None:
    one = Case(
        architecture=cb.read_architecture(LLAMA_8B),
        layout=cb.Layout(),
        accelerator=cb.find_accelerator(NO_LINKS),
        precision="bf16",
        sequence=4096,
        software="modern",
    )
    several = dataclasses.replace(one, layout=cb.Layout(dp=4))
    assert link_notes(one) == ()
    told = "how many accelerators its fast links join: 8 are assumed."
    assert link_notes(several)[-1].endswith(told)
    assert not any(told in note for note in link_notes(dataclasses.replace(several, domain=8)))


@pytest.mark.parametrize("pp", [1, 2, 4])
def test_memory_and_time_have_the_same_micro_batches(spec: dict[str, Any], pp: int) -> None:
    found = estimate(spec, layout={"tp": 2, "pp": pp}).model
    assert found is not None
    assert found.step is not None
    assert found.memory is not None
    layout = found.step.case.layout
    assert layout.micro_batches == 8 * pp
    held = stage_bytes(found.card.architecture, [layout], float(found.card.sequence))
    assert found.memory.total == pytest.approx(float(held.nan_to_num(0.0).max()) / 1e9)


def test_a_model_tells_the_micro_batches_that_its_memory_has() -> None:
    def listed(**layout: int) -> dict[str, tuple[str, str]]:
        card = cb.describe_model(LLAMA_8B, layout=layout)
        return {each.name: (each.value, each.source) for each in card.assumptions}

    assert listed(pp=4)["micro-batches of a step"] == ("32", "assumed: 8 a pipeline stage")
    assert "micro-batches of a step" not in listed(pp=4, micro_batches=16)


def test_a_plan_tells_what_its_best_layout_takes(spec: dict[str, Any]) -> None:
    asked = {key: spec[key] for key in ("model", "tokens", "price")}
    found = cb.plan({**asked, "accelerator": NO_LINKS, "count": 16, "global_batch": 64})
    result = found.to_dict()
    listed = {each["name"]: each["source"] for each in result["assumptions"]}
    for name in ("software generation", "links inside a domain", "accelerators of a domain"):
        assert listed[name].startswith("assumed"), name
    assert listed["sequence length"] != "given"
    assert any("25 GB/s is assumed" in note for note in result["notes"])


def test_a_preset_tells_what_is_used_in_its_place() -> None:
    run = {"model": "llama-3.1-8b", "tokens": "1T", "accelerator": "h100", "count": 8}
    layout = {"dp": 8, "recipe": "trl", "recompute": "none"}
    found = cb.estimate_run({**run, "layout": layout}, samples=64)
    told = {each.name: each.value for each in found.assumptions}["recipe trl"]
    assert "recompute full (here none)" in told
    assert "bookkeeping bf16 (here" not in told


def test_who_moves_experts_tokens_is_told() -> None:
    run = {"model": "qwen3-30b-a3b", "tokens": "1T", "accelerator": "h100", "count": 8}
    for given, source in ((None, "assumed, as modern software has"), ("all-to-all", "given")):
        layout = {"dp": 8, "ep": 8, "zero": 1, **({"dispatcher": given} if given else {})}
        found = cb.estimate_run({**run, "layout": layout}, samples=64)
        told = {each.name: each for each in found.assumptions}["dispatcher of experts' tokens"]
        assert told.source == source
