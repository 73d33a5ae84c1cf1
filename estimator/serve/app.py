"""The page and what it asks: shipped programmes, runs on shipped accelerators, no files.

Every state is an address: what a page shows is a function of its query.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import tomli_w
import torch
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from ..draws import Columns
from ..errors import RequestError, shown
from ..programme import shipped_programmes
from ..quantity import Quantity
from ..spend import compare_spend
from ..views.report import reports_of
from ..views.report.page import render
from ..what_if import RUN_FIELDS, accelerators, estimate_of, run_of, what_if
from .limits import Limits

TENTHS = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
LONGEST = 2000
"""Letters of a query."""

REPORT_SAMPLES = 2**14
"""Draws of a report that is downloaded: more than the eye needs, and still soon there."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine."""

STATIC = {"page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}

T = TypeVar("T")
Given = tuple[tuple[str, str], ...]
Next = Callable[[Request], Awaitable[Response]]


def make_app(hosts: Sequence[str] = HOSTS, rate: float = 40.0) -> FastAPI:
    """Return the application.

    Args:
        hosts: names by which it may be asked for; others are refused, against rebinding of names.
        rate: requests a second of one client; more are told to wait.
    """
    app = FastAPI(title="computebill", docs_url=None, redoc_url=None, openapi_url=None)
    limits, known = Limits(rate), frozenset(host.lower() for host in hosts)

    @app.middleware("http")
    async def guard(request: Request, following: Next) -> Response:
        refused = _refusal(request, limits, known)
        try:
            response = refused or await following(request)
        except Exception:  # told to nobody but the log
            logging.getLogger(__name__).exception("an answer failed")
            response = _told(500, "request", "could not be answered")
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(RequestError)
    async def refuse(_: Request, error: RequestError) -> JSONResponse:
        content = {"errors": [{"field": error.field, "message": error.problem}]}
        return JSONResponse(content, status_code=422)

    _add_pages(app)
    _add_answers(app)
    _add_downloads(app)
    return app


def _refusal(request: Request, limits: Limits, hosts: frozenset[str]) -> Response | None:
    """Return what is answered to a request that is too long, too often, or no question."""
    host = re.sub(r":\d*$", "", request.headers.get("host", "")).lower()
    if host not in hosts:  # another name that leads here: rebinding
        return _told(400, "host", "is not this page's; start it with --name HOST")
    if request.method not in ("GET", "HEAD"):
        return _told(405, "request", "only questions: GET")
    if len(request.url.query) > LONGEST:
        return _told(414, "query", f"is longer than {LONGEST} letters")
    client = request.client.host if request.client else ""
    if not limits.allow(client):
        return _told(429, "request", "too many at once; try again in a second")
    return None


def _told(status: int, field: str, message: str) -> JSONResponse:
    errors = [{"field": field, "message": message}]
    headers = {"Retry-After": "1"} if status == 429 else None
    return JSONResponse({"errors": errors}, status_code=status, headers=headers)


async def _beside(function: Callable[..., T], *given: Any, queue: str = "answers") -> T:
    """Compute beside the server, one at a time: side by side they only wait for each other."""
    return await anyio.to_thread.run_sync(function, *given, limiter=_limiter(queue))


@lru_cache
def _limiter(_: str) -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(1)


def _add_pages(app: FastAPI) -> None:
    @app.api_route("/", methods=["GET", "HEAD"])
    async def page() -> Response:
        return Response(_static("page.html"), media_type="text/html")

    @app.api_route("/static/{name}", methods=["GET", "HEAD"])
    async def static(name: str) -> Response:
        if name not in STATIC:
            return _told(404, "name", "there is no such file")
        return Response(_static(name), media_type=STATIC[name])


@lru_cache
def _static(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


def _add_answers(app: FastAPI) -> None:
    @app.get("/api/options")
    async def options() -> JSONResponse:
        """Return what there is to choose from, and where sliders begin."""
        return JSONResponse(await _beside(_options))

    @app.get("/api/spend")
    async def spend(request: Request) -> Response:
        """Return final runs against R&D compute: ``programme``, and assumptions that are moved."""
        return _json(await _beside(_spend, _given(request)))

    @app.get("/api/run")
    async def run(request: Request) -> Response:
        """Return what a run takes and costs: ``accelerator``, ``params``, ``tokens``."""
        return _json(await _beside(_run, _given(request)))


def _json(text: str) -> Response:
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})


def _given(request: Request) -> Given:
    """Return a query's fields, each once, sorted: the same question has the same answer.

    Raises:
        RequestError: where one is given twice.
    """
    items = [(name, value) for name, value in request.query_params.multi_items() if value.strip()]
    names = [name for name, _ in items]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(name[:40], "is given twice; allowed: once")
    return tuple(sorted((name, value.strip()) for name, value in items))


@lru_cache(maxsize=1)
def _options() -> dict[str, Any]:
    programmes = {}
    for name in shipped_programmes():
        found = what_if(name)
        programmes[name] = {
            "title": found.loaded.programme.title,
            "assumed": {key: _ends(value) for key, value in found.assumed().items()},
        }
    return {
        "programmes": programmes,
        "accelerators": accelerators(),
        "run_fields": ["accelerator", *RUN_FIELDS],
    }


def _ends(value: Quantity) -> dict[str, float]:
    points = torch.tensor(
        [list(TENTHS.values())] if not value.is_constant else [], dtype=torch.float64
    )
    (drawn,) = Columns([value], ["value"], "cpu").draw(points.reshape(-1, len(TENTHS)))
    return dict(zip(TENTHS, drawn.expand(len(TENTHS)).tolist(), strict=True))


@lru_cache(maxsize=4096)
def _spend(given: Given) -> str:
    name, moved = _programme_of(given)
    return dumped(what_if(name).answer(moved))


def _programme_of(given: Given) -> tuple[str, dict[str, str]]:
    moved = dict(given)
    name = moved.pop("programme", "")
    if name not in shipped_programmes():
        allowed = ", ".join(shipped_programmes())
        raise RequestError("programme", f"got {shown(name)}; allowed: {allowed}")
    return name, moved


@lru_cache(maxsize=4096)
def _run(given: Given) -> str:
    return dumped(estimate_of(dict(given)).to_dict())


def dumped(result: Any) -> str:
    """Return JSON; what is not known is null."""
    return json.dumps(_finite(result), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _add_downloads(app: FastAPI) -> None:
    @app.get("/download/spec.toml")
    async def spec(request: Request) -> Response:
        """Return the file that the command takes."""
        text = await _beside(_spec, _given(request))
        return _file(text, "spec.toml", "application/toml")

    @app.get("/download/result.json")
    async def result(request: Request) -> Response:
        """Return the result, as ``--json`` prints it."""
        found = await _beside(_result, _given(request), queue="files")
        return _file(dumped(found), "result.json", "application/json")

    @app.get("/download/report.html")
    async def report(request: Request) -> Response:
        """Return the page of the result, that needs no network."""
        found = await _beside(_result, _given(request), queue="files")
        text = await _beside(_page, found, queue="files")
        return _file(text, "report.html", "text/html")


def _page(result: dict[str, Any]) -> str:
    return render(reports_of([("result.json", result)]))


def _file(text: str, name: str, kind: str) -> Response:
    return Response(
        text, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _spec(given: Given) -> str:
    if any(name == "programme" for name, _ in given):
        name, moved = _programme_of(given)
        return tomli_w.dumps(what_if(name).moved(moved).data)
    run_of(dict(given))
    return tomli_w.dumps(dict(given))


@lru_cache(maxsize=64)
def _result(given: Given) -> dict[str, Any]:
    if any(name == "programme" for name, _ in given):
        name, moved = _programme_of(given)
        found = compare_spend(what_if(name).moved(moved), samples=REPORT_SAMPLES, device="cpu")
        return found.to_dict()
    return estimate_of(dict(given), REPORT_SAMPLES).to_dict()
