"""Mutants tried on every door that users' data come in by, and what may not come of them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import resource
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pandas as pd
import tomli_w
from click.testing import CliRunner
from known import GPT3, LLAMA_8B
from mutants import mutated, mutated_flags, mutated_table, mutated_text
from results import HEADER, MEASURED, SWEEP, all_results

import computebill
from computebill import plan
from computebill.accuracy.validation import calibrate, validate
from computebill.base.errors import MOST_OTHERS, RequestError
from computebill.base.specfile import read_toml
from computebill.catalogue import score_catalogue
from computebill.cli import main
from computebill.cli.outputs import to_json
from computebill.cli.report import read_result
from computebill.models.card import describe_model
from computebill.programmes.spend import compare_spend
from computebill.runs.estimate import estimate_run
from computebill.runs.staged import estimate_stages
from computebill.statements.estimate import state
from computebill.sweep import price_sweep
from computebill.training.efficiency import SHIPPED
from computebill.views.report import page, reports_of

PACKAGE = Path(computebill.__file__).parent
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SAMPLES = 64
"""Draws of a result: no mutant asks for accuracy."""

SECONDS = 5.0
"""Of the processor's time that one mutant may take."""

MOST_BYTES = 2**30
"""Of memory that one mutant may take beyond what the process had."""


class HangError(BaseException):
    """A mutant took too long; no handler of the package's own takes it for a mistake."""


class BrokenError(Exception):
    """A result that says what none may: money below zero, an exit status of none's."""


@dataclass(frozen=True)
class Mutant:
    """What is tried.

    Attributes:
        kind: of input.
        text: the input itself, to be looked at.
        use: hands it in at the front door.
    """

    kind: str
    text: str
    use: Callable[[], Any]


@dataclass(frozen=True)
class Failure:
    """What a mutant broke.

    Attributes:
        exception: its type.
        line: innermost line of the package that it came through, ``file:number``.
        detail: its message and the whole trace.
        mutant: that broke it.
    """

    exception: str
    line: str
    detail: str
    mutant: Mutant


@contextlib.contextmanager
def watched(seconds: float = SECONDS) -> Iterator[None]:
    """Raise :class:`HangError` after that much of the processor's time, however busy it is."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise HangError(f"took more than {seconds:g} s of the processor's time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def attempt(mutant: Mutant) -> Failure | bool:
    """Try a mutant; True where it gave a sound result, False where it was refused as documented."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with watched():
            found = mutant.use()
        check_result(found)
    except RequestError as error:
        lines = str(error).splitlines()
        fit = all(len(line) <= 2600 and line.isprintable() for line in lines)
        if not fit or len(lines) > MOST_OTHERS + 2:
            return _failure(BrokenError("a message that is no line"), mutant)
        return False
    except (Exception, HangError) as error:
        return _failure(error, mutant)
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024
    if taken > MOST_BYTES:
        return _failure(BrokenError(f"took {taken / 2**30:.1f} GiB"), mutant)
    return True


def _failure(error: BaseException, mutant: Mutant) -> Failure:
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if any(
            Path(frame.filename).is_relative_to(folder)
            for folder in (PACKAGE, ROOT / "kernels", ROOT / "hardware_profiles")
        )
    ]
    line = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "(result)"
    if isinstance(error, BrokenError):
        line = str(error).partition(":")[0]
    detail = "".join(traceback.format_exception(error))
    return Failure(type(error).__name__, line, detail[-20_000:], mutant)


def check_result(found: Any) -> None:
    """Look for what no result may say.

    Raises:
        ValueError: of a number that is not finite.
        BrokenError: of money below zero.
    """
    if isinstance(found, Mapping):
        to_json(dict(found))
        for path, value in _money(found, "", is_money=False):
            if value < 0 and not path.startswith(MAY_BE_NEGATIVE):
                raise BrokenError(f"money below zero at {path}: {value!r}")


MAY_BE_NEGATIVE = ("variants", "swings", "reported", "exploration_usd", "rest", "scenarios")
"""Differences between two sums of money, and what accounts take back."""


def _money(value: Any, path: str, *, is_money: bool) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            named = is_money or any(word in str(key) for word in ("usd", "cost", "price"))
            yield from _money(item, f"{path}.{key}" if path else str(key), is_money=named)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _money(item, path, is_money=is_money)
    elif is_money and isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def commanded(*words: str) -> Any:
    """Run a command in process; return its JSON.

    Raises:
        RequestError: where it was refused with a message.
        BrokenError: where it ends in another status than 0, 1 and 2, or without a word.
    """
    if any("\x00" in word for word in words):  # no shell can hand it over
        return None
    done = CliRunner().invoke(main, list(words), catch_exceptions=False)
    if done.exit_code not in (0, 1, 2) or (done.exit_code and not done.stderr.strip()):
        raise BrokenError(f"exit status: {done.exit_code}")
    if done.exit_code:
        raise RequestError(words[0], "was refused, as it says")
    return json.loads(done.stdout, parse_constant=_refused)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


def without_none(value: Any) -> Any:
    """Return plain data without what TOML has no word for."""
    if isinstance(value, dict):
        return {str(key): without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value if item is not None]
    return value


class Maker:
    """Makes mutants of each kind, in a folder of its own."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.seed = seed
        self.config = folder / "llama"
        self.config.mkdir(parents=True, exist_ok=True)
        (self.config / "config.json").write_text(json.dumps(LLAMA_8B))

    def make(self, kind: str, number: int) -> Mutant:
        """Return the mutant of a number: the same of the same seed."""
        random = Random(f"{self.seed}/{kind}/{number}")
        text, use = KINDS[kind](self, random)
        return Mutant(kind, text, use)

    def file(self, name: str, text: str) -> Path:
        """Write a file of a mutant's."""
        path = self.folder / name
        path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
        return path

    def toml(self, data: Any, random: Random) -> str:
        """Return mutated data as TOML; now and then the text is mutated instead."""
        try:
            if random.random() < 0.1:
                return mutated_text(tomli_w.dumps(without_none(data)), random)
            return tomli_w.dumps(without_none(mutated(data, random)))
        except (ValueError, RecursionError):  # too many digits, or levels, to be written
            return tomli_w.dumps(without_none(data))

    def json(self, data: Any, random: Random) -> str:
        """Return mutated data as JSON; now and then the text is mutated instead."""
        try:
            if random.random() < 0.05:
                return mutated_text(json.dumps(data), random)
            return json.dumps(mutated(data, random), default=str)
        except (ValueError, RecursionError):
            return json.dumps(data)


Made = tuple[str, Callable[[], Any]]

RUN = {"params": 7e9, "tokens": 2e12, "accelerator": "h100", "count": 512, "mfu": "0.3..0.45"}
RUN |= {"price": {"p10": 1.5, "p90": 3.0}, "date": "2025-06-30", "operator": "Meta"}
TOTALS = {"name": "x", "flop": 1e24, "accelerator": "a100-80gb", "provider": "aws", "count": 64}
TOTALS |= {"final_share": 0.2, "pue": 1.2, "usd_per_kwh": 0.08, "carbon_g_per_kwh": 300}
TOTALS |= {"commitment": "1y", "failures_per_gpu_day": 1e-3, "checkpoint_seconds": 30}
LAYOUT = {"tp": 2, "pp": 2, "dp": 16, "micro_batch": 1, "zero": 1, "recompute": "full"}
STAGED: dict[str, Any] = {"name": "s", "accelerator": "h100", "price": "1.5..3", "count": 64}
STAGED["base"] = [{"name": "open", "params": 3e9, "flop": 1e22}]
STAGED["stage"] = [
    {"name": "pre", "params": 7e9, "mfu": "0.3..0.45", "restarted_tokens": 1e9,
     "schedule": [{"tokens": 1e11, "count": 32}, {"tokens": 9e11, "mfu": 0.4}]},
    {"kind": "dpo", "from": "pre", "pairs": 1e5, "answer_length": "100..900", "mfu": 0.3},
    {"kind": "distill", "from": ["open"], "teacher": "pre", "tokens": 1e9, "epochs": 2},
    {"kind": "rl", "from": "preference", "steps": 20, "prompts": 32, "samples_per_prompt": 8,
     "prompt_length": 100, "answer_length": {"p10": 100, "p90": 2000}, "kept_share": 0.5,
     "reward": "open", "generation": {"count": 16, "asynchronous": True}},
    {"kind": "generate", "params": 7e9, "requests": 1e4, "answer_length": [10, 500], "kept": 5e3},
    {"kind": "sft", "from": "rl", "gpu_hours": 100, "mfu": 0.4, "price_per_token": 2},
]  # fmt: skip
STATED: dict[str, Any] = {
    "accelerator": "h100",
    "model": {"name": "m", "params": 7e9, "context": 8192},
}
STATED |= {"sources": {"post": {"title": "A report", "address": "https://example.org"}}}
STATED["lineage"] = [
    {"name": "open", "params": 3e9, "flop": "1e22..3e22", "basis": "estimated", "source": "post"},
    {"name": "older", "of": "open", "relation": "merge", "systemic_risk": False},
    {"name": "judge", "relation": "reward", "params": 1e9},
]
STATED["stage"] = [
    {"name": "pre", "tokens": "1T..2T", "gpu_hours": 2e5, "mfu": 0.4, "start": "2026-01-05",
     "count": 512, "recomputed_share": 0.3, "restarted_tokens": 1e10},
    {"name": "dropped", "tokens": 1e11, "fate": "dropped", "energy_mwh": 20},
    {"kind": "generate", "requests": 1e8, "answer_length": "100..900", "kept": 1e7, "public": True},
    {"kind": "sft", "from": "pre", "tokens": 1e9, "epochs": 2, "counts_as": "mid_training"},
    {"kind": "rl", "from": "sft", "steps": 20, "prompts": 32, "samples_per_prompt": 8,
     "prompt_length": 100, "answer_length": 1000, "reward": "judge", "start": "2026-03-01",
     "end": "2026-03-09"},
    {"kind": "evaluate", "gpu_hours": 100, "hfu": 0.5, "peak_tflops": 989, "method": "hardware"},
]  # fmt: skip
PLANNED = {"name": "p", "tokens": 1e12, "accelerator": "h100", "count": 64, "global_batch": 512}
PLANNED |= {"sequence_length": 4096, "price": 2.0, "tp": "1,2", "pp": "1,2", "micro_batch": "1"}
PLANNED |= {"cp": "1", "zero": "1", "recompute": "none", "top": 2, "max_days": 1000}


def _laid_out(maker: Maker) -> dict[str, Any]:
    run = {"model": str(maker.config), "tokens": 1e12, "accelerator": "h100", "count": 64}
    return run | {"global_batch": 512, "sequence_length": 4096, "layout": LAYOUT, "mfu": 0.4}


def _run(spec: Any) -> Any:
    return estimate_run(spec, samples=SAMPLES).to_dict()


def _run_mapping(maker: Maker, random: Random) -> Made:
    base = random.choice((RUN, TOTALS, _laid_out(maker), _laid_out(maker)))
    spec = mutated(base, random)
    return repr(spec)[:10_000], lambda: _run(spec)


def _staged(maker: Maker, random: Random) -> Made:
    spec = mutated(STAGED, random)
    return repr(spec)[:10_000], lambda: estimate_stages(spec, samples=SAMPLES).to_dict()


def _statement(maker: Maker, random: Random) -> Made:
    text = maker.toml(STATED, random)
    path = maker.file("statement.toml", text)
    if random.random() < 0.05:
        form = random.choice((("--json",), ("--form", "--json")))
        words = ("statement", str(path), "--samples", str(SAMPLES), *form)
        return text, lambda: commanded(*words)
    return text, lambda: state(path, samples=SAMPLES).to_dict()


def _rule_set(maker: Maker, random: Random) -> Made:
    own = {**random.choice(_shipped_rules()), "name": "own"}
    text = maker.toml(own, random)
    path = maker.file("rules.toml", text)
    return text, lambda: state(STATED, rules=[path], samples=SAMPLES).to_dict()


@cache
def _shipped_rules() -> tuple[dict[str, Any], ...]:
    folder = PACKAGE / "regulation" / "rule_sets"
    shipped = [read_toml(path) for path in sorted(folder.glob("*.toml"))]
    return tuple({**each, "line": each["line"][:3]} for each in shipped)


def _run_file(maker: Maker, random: Random) -> Made:
    text = maker.toml(random.choice((RUN, TOTALS, _laid_out(maker))), random)
    path = maker.file("run.toml", text)
    return text, lambda: _run(path)


def _run_flags(maker: Maker, random: Random) -> Made:
    base = dict(random.choice((RUN, TOTALS, _laid_out(maker))))
    base |= base.pop("layout", {})  # type: ignore[call-overload]
    flags = {name.replace("_", "-"): value for name, value in base.items()}
    if isinstance(flags.get("price"), dict):
        flags["price"] = "1.5..3"
    words = ["run", *mutated_flags(flags, random), "--samples", str(SAMPLES), "--json"]
    return repr(words), lambda: commanded(*words)


def _plan_mapping(maker: Maker, random: Random) -> Made:
    spec = mutated(PLANNED | {"model": str(maker.config)}, random)
    return repr(spec)[:10_000], lambda: plan(spec).to_dict()


def _plan_file(maker: Maker, random: Random) -> Made:
    text = maker.toml(PLANNED | {"model": "llama"}, random)
    path = maker.file("plan.toml", text)
    return text, lambda: plan(path).to_dict()


def _sweep(maker: Maker, random: Random) -> Made:
    text = maker.toml(random.choice(_sweeps()), random)
    path = maker.file("sweep.toml", text)
    return text, lambda: price_sweep(path, samples=SAMPLES, budget=1e6).to_dict()


@cache
def _sweeps() -> tuple[dict[str, Any], ...]:
    own = maker_toml(SWEEP)
    # Step Law's grids alone take seconds, and are searched rightly.
    paths = sorted(set((PACKAGE / "presets").glob("*.toml")) - {PACKAGE / "presets/step-law.toml"})
    shipped = [read_toml(path) for path in paths]
    return own, read_toml(EXAMPLES / "sweep.toml"), *shipped


def maker_toml(text: str) -> dict[str, Any]:
    """Parse TOML of the tests' own."""
    import tomllib

    return tomllib.loads(text)


@cache
def _programmes() -> tuple[dict[str, Any], ...]:
    lab = read_toml(EXAMPLES / "lab.toml")
    folder = PACKAGE / "programmes" / "shipped"
    shipped = [read_toml(path) for path in sorted(folder.glob("*.toml"))]
    return lab, lab, *shipped


def _programme(maker: Maker, random: Random) -> Made:
    text = maker.toml(random.choice(_programmes()), random)
    path = maker.file("programme.toml", text)
    return text, lambda: compare_spend(path, samples=SAMPLES).to_dict()


@cache
def _configs() -> tuple[dict[str, Any], ...]:
    from hypothesis import HealthCheck, Phase, given, settings
    from small import SMALL, small_config

    found: list[dict[str, Any]] = [LLAMA_8B, GPT3]
    found += [json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*/config.json"))]
    for model_type in SMALL:

        @settings(
            max_examples=4,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(small_config(model_type))
        def collect(config: dict[str, Any]) -> None:
            found.append(config)

        collect()
    return tuple(found)


def _config(maker: Maker, random: Random) -> Made:
    base = random.choice(_configs())
    layout = random.choice(
        (None, {"dp": 8, "zero": 3}, {"tp": 2, "pp": 2, "schedule": "zero-bubble"})
    )
    if random.random() < 0.7:
        config = mutated(base, random)
        return repr(config)[:10_000], lambda: _card(config, layout)
    text = maker.json(base, random)
    path = maker.file("config.json", text)
    return text, lambda: _card(path, layout)


def _card(config: Any, layout: dict[str, Any] | None) -> Any:
    return describe_model(config, layout=layout).to_dict()


@cache
def _profiles() -> tuple[dict[str, Any], ...]:
    names = ("h100-sxm", "b300", "gaudi3", "gtx-1080-ti", "gb200-nvl72", "tpu-v5p")
    shipped = [_few(read_toml(ROOT / "hardware_profiles" / f"{name}.toml")) for name in names]
    fitted = _efficiency_data()
    return *shipped, {**shipped[0], "efficiency": fitted}


def _few(data: Any) -> Any:
    """Return a profile with the first of each list alone: mutations meet all of its parts."""
    if isinstance(data, dict):
        return {key: _few(item) for key, item in data.items() if key not in ("note", "notes")}
    return [_few(data[0])] if isinstance(data, list) and data else data


def _efficiency_data() -> dict[str, Any]:
    return read_toml(PACKAGE / "training" / SHIPPED)


def _profile(maker: Maker, random: Random) -> Made:
    base = {**random.choice(_profiles()), "name": "part"}
    text = maker.toml(base, random)
    path = maker.file("part.toml", text)
    run = random.choice((RUN, _laid_out(maker), {**RUN, "price": None}, {**RUN, "mfu": None}))
    spec = {**run, "accelerator": str(path)}
    if random.random() < 0.2:
        return text, lambda: commanded("hardware", "show", str(path), "--json")
    return text, lambda: _run({key: value for key, value in spec.items() if value is not None})


def _efficiency(maker: Maker, random: Random) -> Made:
    text = maker.toml(_efficiency_data(), random)
    path = maker.file("efficiency.toml", text)
    spec = {**_laid_out(maker), "efficiency": str(path)}
    del spec["mfu"]
    measured = maker.file("plain.csv", HEADER + MEASURED)
    if random.random() < 0.5:
        return text, lambda: _run(spec)
    return text, lambda: validate(measured, profile_file=path, leave_out=None).to_dict()


@cache
def _measured_rows() -> tuple[dict[str, str], ...]:
    return tuple(csv.DictReader(io.StringIO(HEADER + MEASURED)))


MORE = (
    {"n_experts": 8, "experts_per_token": 2, "ep": 8},
    {"head_dim": 128, "n_kv_heads": 8, "mem_gb": 70},
    {"vp": 2, "pp": 2, "dp": 4, "recompute": "full", "zero_stage": 1},
    {"iter_seconds": "", "tokens_per_s_per_gpu": 10000},
    {"iter_seconds": "", "measured_tflops_per_gpu": 400},
    {"iter_seconds": "", "measured_mfu": 0.4, "global_batch_seqs": "", "global_batch_tokens": 1e6},
    {"n_experts": 64, "experts_per_token": 4, "ep": 8, "attention": "latent"},
    {"framework": "torchtitan", "micro_batch": "", "pp": 2, "dp": 4},
    {"kv_lora_rank": 512, "q_lora_rank": 0, "n_experts": 8, "experts_per_token": 2},
    {"n_experts": 8, "experts_per_token": 2, "shared_experts": 1, "shared_ffn_hidden": 2048},
    {"n_experts": 8, "experts_per_token": 2, "dense_layers": 2, "dense_ffn_hidden": 4096},
    {"model_type": "gpt2", "window": 1024, "full_every": 4, "tied": 1, "sinks": 1},
    {"node_network_gbit": 400, "chips_per_node": 8, "power_limit_w": 500, "shards": 4},
    {"release": "2026-06", "compiled": "yes", "attention_kernel": "flash2", "remat": "minimal"},
)


def _table(maker: Maker, random: Random, name: str) -> Path:
    rows = [dict(row) for row in _measured_rows()]
    rows[0] |= {key: str(value) for key, value in random.choice(MORE).items()}
    changed = mutated_table(rows, random)
    text = _csv(changed)
    return maker.file(name, mutated_text(text, random) if random.random() < 0.05 else text)


def _csv(rows: list[dict[str, str]]) -> str:
    target = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(target, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


def _measured(maker: Maker, random: Random) -> Made:
    path = _table(maker, random, "measured.csv")
    unit = random.choice([None, None, "lab"])
    return path.read_text(errors="replace"), lambda: validate(path, leave_out=unit).to_dict()


def _calibration(maker: Maker, random: Random) -> Made:
    path = _table(maker, random, "calibration.csv")
    afresh = random.random() < 0.3
    return path.read_text(errors="replace"), lambda: calibrate(path, afresh=afresh)[1].to_dict()


@cache
def _catalogue_rows() -> tuple[dict[str, str], ...]:
    with (EXAMPLES / "models.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def _catalogue(maker: Maker, random: Random) -> Made:
    rows = [dict(row) for row in random.sample(_catalogue_rows(), 4)]
    changed = mutated_table(rows, random)
    if random.random() < 0.2:
        path = maker.file("catalogue.csv", _csv(changed))
        words = ("score", str(path), "-o", str(maker.folder / "scored.csv"), "--json")
        return path.read_text(errors="replace"), lambda: commanded(*words)
    frame = pd.DataFrame(changed)
    return _csv(changed), lambda: _scored(frame)


def _scored(frame: pd.DataFrame) -> Any:
    score = score_catalogue(frame)
    if score.scored is not None:
        for name, column in score.scored.select_dtypes("number").items():
            if not bool((column.isna() | column.abs().lt(math.inf)).all()):
                raise BrokenError(f"not finite: {name}")
            if "usd" in str(name) and bool(column.lt(0).any()):
                raise BrokenError(f"money below zero in {name}: {column.min()}")
    return score.to_dict()


@cache
def _results() -> tuple[dict[str, Any], ...]:
    folder = Path(tempfile.mkdtemp(prefix="results-"))
    return tuple(all_results(folder).values())


def _report(maker: Maker, random: Random) -> Made:
    text = maker.json(random.choice(_results()), random)
    path = maker.file("result.json", text)
    return text, lambda: page.render(reports_of([(str(path), read_result(path))])) and None


KINDS: dict[str, Callable[[Maker, Random], Made]] = {
    "measured": _measured,
    "calibration": _calibration,
    "run": _run_mapping,
    "stages": _staged,
    "statement": _statement,
    "rule set": _rule_set,
    "run file": _run_file,
    "run flags": _run_flags,
    "plan": _plan_mapping,
    "plan file": _plan_file,
    "sweep": _sweep,
    "programme": _programme,
    "config": _config,
    "profile": _profile,
    "efficiency": _efficiency,
    "catalogue": _catalogue,
    "report": _report,
}
"""Every kind of input, and what makes a mutant of it."""
