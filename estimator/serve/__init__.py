"""A local page to ask "what if": assumptions as sliders, over the same Python API."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence

import torch
import uvicorn
from fastapi import FastAPI

from ..errors import RequestError, shown
from ..programme import shipped_programmes
from ..what_if import what_if
from .app import HOSTS, make_app

__all__ = ["application", "make_app", "run"]

NAMES, RATE = "COMPUTEBILL_SERVE_NAMES", "COMPUTEBILL_SERVE_RATE"
"""What the processes of a server are told."""

BACKLOG, MOST_CONNECTIONS = 256, 512


def run(host: str, port: int, names: Sequence[str], rate: float, workers: int) -> None:
    """Serve until stopped.

    Args:
        host: address to listen on.
        port: 0 for any that is free.
        names: by which the page is asked for, besides those of this machine.
        rate: requests a second of one client.
        workers: processes.

    Raises:
        RequestError: where a name is none, or the rate no number.
    """
    wrong = [name for name in names if not re.fullmatch(r"[A-Za-z0-9._:\[\]-]+", name)]
    if wrong:
        raise RequestError("--name", f"got {shown(wrong[0])}; allowed: a host's name")
    if not math.isfinite(rate):
        raise RequestError("--rate", f"got {rate}; allowed: a number of 1 or more")
    os.environ[NAMES] = ",".join([*HOSTS, host, *names])
    os.environ[RATE] = str(rate / workers)
    uvicorn.run(
        f"{__name__}:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level="warning",
        backlog=BACKLOG,
        server_header=False,
        proxy_headers=False,  # who asks is who is connected
        limit_concurrency=MOST_CONNECTIONS,
    )


def application() -> FastAPI:
    """Return the application of one process, as its environment tells."""
    torch.set_num_threads(1)  # requests are small, and run side by side
    for programme in shipped_programmes():  # so that nobody waits for the first answer
        what_if(programme).answer({})
    names = os.environ.get(NAMES, "")
    return make_app(names.split(",") if names else HOSTS, float(os.environ.get(RATE, "40")))
