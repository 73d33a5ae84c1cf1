"""Counts of llm-analysis and calflops, from an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PEERS_PYTHON = "COMPUTEBILL_PEERS_PYTHON"
SCRIPT = Path(__file__).parent / "peers" / "peer_counts.py"


def ask_peers(questions: dict[str, Any]) -> dict[str, Any]:
    """Run ``peers/peer_counts.py``; skip the test where there is no environment for it."""
    python = os.environ.get(PEERS_PYTHON)
    if not python:
        pytest.skip(f"{PEERS_PYTHON} is not set: the interpreter that has llm-analysis, calflops")
    done = subprocess.run(
        [python, str(SCRIPT)], input=json.dumps(questions), capture_output=True, text=True
    )
    if done.returncode:
        pytest.fail(f"{python} {SCRIPT.name}: {done.stderr[-2000:]}")
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers
