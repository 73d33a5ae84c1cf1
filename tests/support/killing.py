"""The real command, ended by SIGKILL: by the clock, or at one of its own file operations."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

LAB = Path(__file__).parents[2] / "examples" / "ledger"
KEPT = "kept"
OUTPUTS = {
    "-o": "out.json",
    "--rejects": "rejects.csv",
    "--sweep-to": "sweep.toml",
    "--run-to": "stages.toml",
}
COMMAND = [
    *("ledger", "records/*", "--rules", "rules.toml", "--keep", KEPT, "--brief"),
    *(each for pair in OUTPUTS.items() for each in pair),
]
PAGE = "page.html"
FILES = 5
KILLED = -9

STARTER = r"""
import json, os, signal, sys, time
import computebill.ledger.account, computebill.ledger.experiments, computebill.ledger.stages
import computebill.programmes.opened, computebill.views.ledger, computebill.views.report.page
import computebill.views.charts.ledger
from computebill.cli import main

def child(told):
    os.chdir(told["folder"])
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1), os.dup2(log, 2)
    seen = [0]

    def watch(event, given):
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.chmod"):
            if isinstance(given[0], (str, os.PathLike)) and not os.path.isabs(given[0]):
                seen[0] += 1
                if seen[0] == told["at"]:
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    status = 1
    try:
        main(told["arguments"])
    except SystemExit as ending:
        status = ending.code or 0
    os.write(log, b"file operations: %d\n" % seen[0])
    os._exit(status)

for line in sys.stdin:
    told = json.loads(line)
    begun = time.monotonic()
    pid = os.fork()
    if not pid:
        child(told)
    ended = 0
    while not ended:
        is_late = told["after"] is not None and time.monotonic() - begun > told["after"]
        if is_late:
            os.kill(pid, signal.SIGKILL)
        ended, status = os.waitpid(pid, 0 if is_late else os.WNOHANG)
        time.sleep(0.0005)
    print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - begun]), flush=True)
"""
"""Imports the command once, and forks before anything runs: each child is a process of its own."""


class Ended(NamedTuple):
    """How a process ended.

    Attributes:
        status: its exit status; ``KILLED`` where it was.
        seconds: that it ran.
    """

    status: int
    seconds: float


class Starter:
    """Starts the command in processes that may be killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(
        self, folder: Path, *further: str, at: int | None = None, after: float | None = None
    ) -> Ended:
        """Run the command in a folder, until it ends or is killed.

        Args:
            folder: of its records, and its working directory.
            further: flags.
            at: number of the file operation at which it is killed.
            after: seconds after which it is killed.
        """
        told = {"folder": str(folder), "arguments": [*COMMAND, *further], "at": at, "after": after}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return Ended(*json.loads(self._process.stdout.readline()))


@contextmanager
def starting() -> Iterator[Starter]:
    """Start what starts the command."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Starter(process)
    finally:
        process.kill()
        process.wait()


def make_records(folder: Path) -> Path:
    """Write the example lab's records, in several files, some rows of them none."""
    (folder / "records").mkdir(parents=True)
    head, *rows = (LAB / "sacct.txt").read_text("utf-8").splitlines()
    rows += ["1|2", "x" * 30, rows[0]]
    for place in range(FILES):
        text = "\n".join([head, *rows[place::FILES]])
        (folder / "records" / f"sacct-{place}.txt").write_text(text, encoding="utf-8")
    for name in ("runs.csv", "rules.toml"):
        target = folder / ("records" if name == "runs.csv" else "") / name
        target.write_bytes((LAB / name).read_bytes())
    return folder


def operations(folder: Path) -> int:
    """Return how many file operations the last whole run took."""
    return int((folder / "log.txt").read_text("utf-8").rpartition(": ")[2])


def outcome(folder: Path) -> dict[str, Any]:
    """Return all that a run left, without the time that it took and its flags."""
    result = json.loads((folder / OUTPUTS["-o"]).read_text("utf-8"))
    del result["seconds"], result["about"]["command"]
    texts = [name for flag, name in OUTPUTS.items() if flag != "-o"]
    page = folder / PAGE
    parts = sorted((folder / KEPT).glob("*.parquet"))
    return {
        "result": result,
        "page": page.read_text("utf-8").replace(" --resume", "") if page.exists() else "",
        **{name: (folder / name).read_text("utf-8") for name in texts},
        "parts": {path.name: pq.read_table(path).cast(plain(path)).to_pydict() for path in parts},
        # A kill leaves what it was writing, under a hidden name that nobody reads.
        "kept": sorted(each.name for each in (folder / KEPT).glob("[!.]*")),
        "beside": sorted(each.name for each in folder.glob("[!.]*")),
    }


def plain(path: Path) -> pa.Schema:
    """Return a part's columns, however its texts are coded."""
    return pa.schema(
        [
            pa.field(each.name, pa.string() if pa.types.is_dictionary(each.type) else each.type)
            for each in pq.read_schema(path)
        ]
    )


def resumed(
    starter: Starter, folder: Path, kills: list[dict[str, Any]], *further: str
) -> tuple[int, dict[str, Any]]:
    """Return how often the command was killed, and what it left when it was let end.

    Args:
        starter: of the command.
        folder: that gets its records.
        kills: when it is killed, one after the other.
        further: flags.
    """
    make_records(folder)
    number = 0
    for place, kill in enumerate(kills):
        ended = starter.run(folder, *further, *(["--resume"] if place else []), **kill)
        number += ended.status == KILLED
        assert ended.status in (0, KILLED), (folder / "log.txt").read_text("utf-8")
    ended = starter.run(folder, *further, "--resume")
    assert ended.status == 0, (folder / "log.txt").read_text("utf-8")
    return number, outcome(folder)


def chains(seed: int, number: int, seconds: float) -> list[list[dict[str, Any]]]:
    """Return chains of kills by the clock: one to four, each at any moment of a run."""
    draw = random.Random(seed)
    return [
        [{"after": draw.uniform(0.0, 1.05 * seconds)} for _ in range(draw.randint(1, 4))]
        for _ in range(number)
    ]
