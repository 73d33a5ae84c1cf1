"""A local page to ask "what if": assumptions as sliders, over the same Python API."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import math
import multiprocessing
import os
import re
import signal
import socket
from collections.abc import Callable, Sequence

import torch
import uvicorn
from fastapi import FastAPI

from computebill.base.errors import RequestError, shown
from computebill.views.result import Result

from .app import HOSTS, make_app
from .ledgers import is_ledger, read_ledgers
from .what_if import WhatIf, programmes

__all__ = ["application", "make_app", "run"]

TOLD = "COMPUTEBILL_SERVE"
"""What the processes of a server are told, as JSON."""

BACKLOG, MOST_CONNECTIONS = 256, 512
IDLE = 5
"""Seconds that a connection is kept after an answer."""
LONGEST_HEAD = 2**14
"""Bytes of a request's first line and headers."""


def run(
    host: str,
    port: int,
    names: Sequence[str],
    rate: float,
    workers: int,
    files: Sequence[str] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until stopped.

    Args:
        host: address to listen on.
        port: 0 for any that is free.
        names: by which the page is asked for, besides those of this machine.
        rate: requests a second of one client, of each process.
        workers: processes.
        files: programmes of one's own, and results of ``ledger``.
        tell: called with what is to be known: the address, and who can reach it.

    Raises:
        RequestError: where a name is none, the rate no number, the address not to be had, or a
            file no programme and no result of ``ledger``.
    """
    wrong = [name for name in names if not re.fullmatch(r"[A-Za-z0-9._:\[\]-]+", name)]
    if wrong:
        raise RequestError("--name", f"got {shown(wrong[0])}; allowed: a host's name")
    if not math.isfinite(rate):
        raise RequestError("--rate", f"got {rate}; allowed: a number of 1 or more")
    _read(files)
    listening = _listen(host, port)
    is_own = ipaddress.ip_address(listening.getsockname()[0]).is_loopback
    hosts = [*HOSTS, host, f"[{host}]", *names]
    os.environ[TOLD] = json.dumps(
        {"hosts": hosts, "rate": rate, "by_number": not is_own, "files": list(files)}
    )
    _tell_where(tell, listening, is_own, names)
    with contextlib.suppress(KeyboardInterrupt):
        if workers == 1:
            _serve(listening)
        else:
            _side_by_side(listening, workers)


def _serve(listening: socket.socket) -> None:
    """Serve by this process until it is told to stop."""
    config = uvicorn.Config(
        f"{__name__}:application",
        factory=True,
        http="h11",
        ws="none",
        log_level="warning",
        backlog=BACKLOG,
        server_header=False,
        proxy_headers=False,  # who asks is who is connected
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE,
        h11_max_incomplete_event_size=LONGEST_HEAD,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _side_by_side(listening: socket.socket, workers: int) -> None:
    """Serve by several processes until this one is told to stop."""
    fresh = multiprocessing.get_context("spawn")
    started = [fresh.Process(target=_serve, args=(listening,)) for _ in range(workers)]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops them as Ctrl+C does
    try:
        for process in started:
            process.start()
        for process in started:
            process.join()
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.join()


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens: whoever connects from now on is answered."""
    if not host:
        raise RequestError("--host", "got ''; allowed: an address, 0.0.0.0 for all of this machine")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
        # Without its protocol asyncio does not see that it is TCP, and answers wait 40 ms.
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError("--host", f"got {shown(host)}; {reason}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise RequestError("--port", f"got {port} of {host}; {error.strerror}") from None
    listening.set_inheritable(True)
    return listening


def _tell_where(
    tell: Callable[[str], None], listening: socket.socket, is_own: bool, names: Sequence[str]
) -> None:
    address, port = listening.getsockname()[:2]
    is_all = ipaddress.ip_address(address).is_unspecified
    host = "localhost" if is_all else _bracketed(address)
    tell(f"Serving http://{host}:{port}; Ctrl+C stops.")
    if not is_own:
        by = names[0] if names else _own_address(listening.family) if is_all else host
        at = f" at http://{by}:{port}" if by else ""
        known = f"; by name as {', '.join(names)}" if names else "; by a name only with --name HOST"
        tell(f"Anyone who reaches this machine's addresses can use the page{at}{known}.")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _own_address(family: int) -> str:
    """Return the address that others reach this machine at; empty where it has none."""
    far = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # of nobody
    try:
        # To connect sends nothing, and tells which address would.
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((far, 9))
            return _bracketed(asking.getsockname()[0])
    except OSError:
        return ""


def _read(files: Sequence[str]) -> tuple[dict[str, WhatIf], dict[str, Result]]:
    """Return programmes and results of ``ledger`` by their names."""
    own = [file for file in files if not is_ledger(file)]
    return programmes(own), read_ledgers([file for file in files if is_ledger(file)])


def application() -> FastAPI:
    """Return the application of one process, as its environment tells."""
    torch.set_num_threads(1)  # requests are small, and run side by side
    told = json.loads(os.environ.get(TOLD, "{}"))
    known, ledgers = _read(told.get("files", ()))
    return make_app(
        told.get("hosts", HOSTS),
        told.get("rate", 40.0),
        known,
        by_number=told.get("by_number", False),
        ledgers=ledgers,
    )
