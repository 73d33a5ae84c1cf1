"""Every kind of input: valid seeds, what is done with them, and what must hold of the result."""

from __future__ import annotations

import csv
import io
import json
import random
import resource
import signal
import sys
import tempfile
import tomllib
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mutate import mutated, mutated_table

import computebill as cb
from computebill.accelerators import Accelerator
from computebill.efficiency import read_profile, write_profile
from computebill.errors import RequestError
from computebill.specfile import read_toml, validate
from computebill.views.report import page, reports_of

ROOT = Path(__file__).parents[2]
MODEL = str(ROOT / "examples/llama-3.1-405b")
SAMPLES = 64
MOST_SECONDS = 5.0
"""Of processor time, for one mutant."""
MOST_MEMORY_KB = 2**20
"""That the process may grow by, over all mutants of a kind."""

MEASURED = """\
source_id,model,gpu,n_gpus,n_layers,hidden,n_heads,n_kv_heads,ffn_hidden,gated_mlp,vocab,seq_len,\
tp,pp,dp,micro_batch,global_batch_seqs,precision,framework,year,iter_seconds,mem_gb
s,Llama 8B,H100-SXM-80GB,8,32,4096,32,8,14336,1,128256,4096,1,1,8,1,64,bf16,nemo,2025,3.0,60
t,Llama 8B,H100-SXM-80GB,16,32,4096,32,8,14336,1,128256,4096,2,2,4,1,64,bf16,megatron,2024,2.0,40
"""
LLAMA = {
    "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "vocab_size": 128256,
    "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of input: its seeds, and a call that returns results to look at."""

    seeds: Callable[[], list[Any]]
    call: Callable[[Any, Path], Any]
    mutate: Callable[[Any, random.Random], Any] = mutated


class HangError(Exception):
    """A call took more processor time than it may."""


def _toml(name: str) -> Any:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def _tomls(folder: str) -> list[Any]:
    return [tomllib.loads(path.read_text()) for path in sorted((ROOT / folder).glob("*.toml"))]


def _table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def _runs() -> list[Any]:
    modelled = {
        "model": MODEL, "tokens": 1e12, "accelerator": "h100", "count": 1024,
        "global_batch": 1024, "sequence_length": 8192, "price": "2..3",
        "layout": {"tp": 8, "pp": 8, "micro_batch": 1},
    }  # fmt: skip
    flags = {
        "params": "8B", "tokens": "1T", "accelerator": "h100", "count": "64", "mfu": "0.3..0.4"
    }  # fmt: skip
    return [_toml("examples/run.toml"), modelled, flags]


def _plans() -> list[Any]:
    return [
        {"model": LLAMA, "tokens": 1e12, "accelerator": ["h100"], "count": 16, "global_batch": 64},
        {"model": MODEL, "tokens": "1T", "accelerator": "h100", "count": "256",
         "global_batch": "256", "sequence_length": 4096},
    ]  # fmt: skip


def _run(data: Any, _: Path) -> Any:
    return cb.estimate_run(data, samples=SAMPLES).to_dict()


def _plan(data: Any, _: Path) -> Any:
    if isinstance(data.get("model"), dict):  # as it is given on the command line: a file
        (_ / "config.json").write_text(json.dumps(data["model"]), encoding="utf-8")
        data = {**data, "model": str(_ / "config.json")}
    return cb.plan(data).to_dict()


def _measured(text: str, folder: Path) -> Any:
    path = folder / "measured.csv"
    path.write_text(text, encoding="utf-8", errors="replace")
    found = cb.validate(path)
    found.to_frame()
    return found.to_dict()


def _profile(data: Any, _: Path) -> Any:
    part = validate(Accelerator, data, "profile.toml")
    folder = _ / "profiles"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    import tomli_w

    try:
        text = tomli_w.dumps(data)
    except (TypeError, ValueError):  # nothing that TOML can hold
        return None
    (folder / f"{part.name}.toml").write_text(text, encoding="utf-8", errors="replace")
    spec = {"model": MODEL, "tokens": 1e12, "accelerator": part.name, "count": 512,
            "layout": {"tp": 8, "pp": 8}}  # fmt: skip
    return cb.estimate_run(spec, samples=SAMPLES, profiles=[folder]).to_dict()


def _fitted(data: Any, folder: Path) -> Any:
    import tomli_w

    try:
        text = tomli_w.dumps(data)
    except (TypeError, ValueError):
        return None
    path = folder / "efficiency.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    write_profile(read_profile(path), folder / "again.toml")
    read_toml(folder / "again.toml")
    spec = {"model": MODEL, "tokens": 1e12, "accelerator": "h100", "count": 512,
            "layout": {"tp": 8, "pp": 8}, "efficiency": str(path)}  # fmt: skip
    return cb.estimate_run(spec, samples=SAMPLES).to_dict()


def _catalogue(text: str, _: Path) -> Any:
    frame = pd.read_csv(io.StringIO(text.replace('"', "").replace("\0", "")), dtype=str,
                        on_bad_lines="skip")  # fmt: skip
    return cb.score_catalogue(frame).to_dict()


def _report(data: Any, _: Path) -> Any:
    page.render(reports_of([("result.json", data)]))


KINDS = {
    "measured": Kind(lambda: [_table(MEASURED)], _measured, mutated_table),
    "run": Kind(_runs, _run),
    "plan": Kind(_plans, _plan),
    "sweep": Kind(
        lambda: [_toml("examples/sweep.toml")],
        lambda data, _: cb.price_sweep(data, samples=SAMPLES).to_dict(),
    ),
    "programme": Kind(
        lambda: [_toml("examples/lab.toml")],
        lambda data, _: cb.compare_spend(data, samples=SAMPLES).to_dict(),
    ),
    "configuration": Kind(
        lambda: [
            each["config"]
            for each in json.loads((ROOT / "tests/data/published_configs.json").read_text())
        ],
        lambda data, _: cb.describe_model(data).to_dict(),
    ),
    "profile": Kind(lambda: _tomls("hardware_profiles"), _profile),
    "efficiency": Kind(lambda: [_toml("estimator/efficiency.toml")], _fitted),
    "catalogue": Kind(
        lambda: [_table((ROOT / "examples/models.csv").read_text())[:6]], _catalogue, mutated_table
    ),
    "report": Kind(
        lambda: [json.loads(json.dumps(_run(each, Path()))) for each in _runs()[:2]], _report
    ),
}


@contextmanager
def limited() -> Iterator[None]:
    """Raise HangError where the block takes more processor time than it may."""

    def stop(number: int, frame: Any) -> None:
        raise HangError(f"more than {MOST_SECONDS:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def negative_money(data: Any, name: str = "") -> list[str]:
    """Return the paths of negative amounts of money in a result."""
    if isinstance(data, dict):
        return [at for key, each in data.items() for at in negative_money(each, f"{name}.{key}")]
    if isinstance(data, list):
        return [at for each in data for at in negative_money(each, name)]
    is_money = "usd" in name.lower() or "cost" in name.lower()
    return [name] if is_money and isinstance(data, int | float) and data < 0 else []


def broken(kind: Kind, mutant: Any, folder: Path) -> str | None:
    """Return what a mutant breaks: the exception and where, or the result; None where nothing."""
    try:
        with limited():
            result = kind.call(mutant, folder)
            json.dumps(result, allow_nan=False)
    except RequestError:
        return None
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        own = [each for each in traceback.extract_tb(error.__traceback__)
               if f"{ROOT.name}/" in each.filename and ".venv" not in each.filename]  # fmt: skip
        at = own[-1] if own else at
        return f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}: {error}"[:200]
    money = negative_money(result)
    return f"negative money: {money[0]}" if money else None


def faults(name: str, count: int, seed: int) -> list[tuple[int, str]]:
    """Return the number of each of ``count`` mutants that breaks something, and what."""
    kind = KINDS[name]
    seeds = kind.seeds()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            rng = random.Random(zlib.crc32(f"{name} {seed} {index}".encode()))
            problem = broken(kind, kind.mutate(rng.choice(seeds), rng), Path(folder))
            if problem is not None:
                found.append((index, problem))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if grown > MOST_MEMORY_KB:
        found.append((count, f"memory grew by {grown // 1024} MiB"))
    return found


def main(count: int, seed: int, names: list[str]) -> int:
    """Print what mutants break, by kind; 1 where anything did."""
    torch.set_num_threads(1)
    total, write = 0, sys.stdout.write
    for name in names or list(KINDS):
        found = faults(name, count, seed)
        total += len(found)
        write(f"{name}: {len(found)} of {count}\n")
        for problem, times in Counter(text for _, text in found).most_common():
            first = next(index for index, text in found if text == problem)
            write(f"  {times} times, first mutant {first}: {problem!a}\n")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
