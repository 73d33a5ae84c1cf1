"""A local page to ask "what if": assumptions as sliders, over the same Python API."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import uvicorn
from fastapi import FastAPI

from ..programme import shipped_programmes
from ..what_if import what_if
from .app import HOSTS, make_app

__all__ = ["app", "make_app", "run"]

NAMES, RATE = "COMPUTEBILL_SERVE_NAMES", "COMPUTEBILL_SERVE_RATE"
"""What the processes of a server are told."""

BACKLOG = 256


def run(host: str, port: int, names: Sequence[str], rate: float, workers: int) -> None:
    """Serve until stopped.

    Args:
        host: address to listen on.
        port: 0 for any that is free.
        names: by which the page is asked for, besides those of this machine.
        rate: requests a second of one client.
        workers: processes.
    """
    os.environ[NAMES] = ",".join([*HOSTS, host, *names])
    os.environ[RATE] = str(rate / workers)
    uvicorn.run(
        f"{__name__}:app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level="warning",
        backlog=BACKLOG,
        server_header=False,
    )


def app() -> FastAPI:
    """Return the application of one process, as its environment tells."""
    torch.set_num_threads(1)  # requests are small, and run side by side
    for programme in shipped_programmes():  # so that nobody waits for the first answer
        what_if(programme).answer({})
    names = os.environ.get(NAMES, "")
    return make_app(names.split(",") if names else HOSTS, float(os.environ.get(RATE, "40")))
