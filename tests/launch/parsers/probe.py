"""What a framework's own parser makes of files; run by the Python that the framework is in."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def answer(read: Callable[[Path], dict[str, Any]]) -> None:
    """Write what a parser reads in each file, or why it refuses it, as JSON.

    The first word of the command line is the file to write, the others those to read.
    """
    target, *files = sys.argv[1:]
    answers: dict[str, Any] = {}
    for name in files:
        told = io.StringIO()
        try:
            with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
                answers[name] = {"says": read(Path(name))}
        except (Exception, SystemExit) as error:
            last = told.getvalue()[-800:] if isinstance(error, SystemExit) else ""
            answers[name] = {"refused": f"{type(error).__name__}: {error} {last}"}
    Path(target).write_text(json.dumps(answers), encoding="utf-8")


def torchrun_words(script: Path, more: list[str]) -> list[str]:
    """Return the words that a script would start torchrun with, by one that only tells them.

    What the script exports of ``CUDA_…`` holds here afterwards, and nothing else of that name.
    """
    with tempfile.TemporaryDirectory() as folder:
        stand_in = Path(folder) / "torchrun"
        tells = "#!/bin/bash\nenv | grep ^CUDA_\nprintf '%s\\n' -- \"$@\"\n"
        stand_in.write_text(tells, encoding="utf-8")
        stand_in.chmod(0o755)
        paths = f"{folder}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-eu", str(script), *more],
            env={"PATH": paths},
            capture_output=True,
            text=True,
            check=True,
        )
    exported, _, words = done.stdout.partition("--\n")
    for name in [each for each in os.environ if each.startswith("CUDA_")]:
        del os.environ[name]
    os.environ |= dict(each.split("=", 1) for each in exported.splitlines())
    return words.splitlines()


def started(words: list[str]) -> tuple[dict[str, Any], str, list[str]]:
    """Return what torchrun's own parser makes of words: its facts, the program, the rest."""
    from torch.distributed.run import get_args_parser

    args = get_args_parser().parse_args(words)
    facts = {"nodes": int(args.nnodes), "node_devices": int(args.nproc_per_node)}
    return facts, args.training_script, list(args.training_script_args)
