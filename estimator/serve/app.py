"""The page and what it asks: programmes, runs on shipped accelerators, no files.

Every state is an address: what a page shows is a function of its query.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from importlib import resources

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from computebill.base.errors import RequestError
from computebill.views.charts import browser
from computebill.views.charts.look import INK, look
from computebill.views.result import Result

from .answers import Answers, Given, dumped
from .limits import BusyError, Limits, Queue
from .what_if import WhatIf, programmes

LONGEST = 2000
"""Letters of a query."""

DOWNLOADS_PER_SECOND, MOST_DOWNLOADS = 0.5, 12
"""A report takes a second; of one client that many at once."""

MOST_ANSWERS_WAITING, MOST_FILES_WAITING = 256, 8

SECURITY = {
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
FRESH = {"Cache-Control": "no-store"}
HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine."""

ASKING = ["GET", "HEAD"]
ICON = "icon.svg"
SCRIPTS = {"vega.js": browser.vega, "charts.js": browser.fitting}
STATIC = {"page.js": "text/javascript", "page.css": "text/css", ICON: "image/svg+xml"}
STATIC |= dict.fromkeys(SCRIPTS, "text/javascript")

Next = Callable[[Request], Awaitable[Response]]


def make_app(
    hosts: Sequence[str] = HOSTS,
    rate: float = 40.0,
    known: Mapping[str, WhatIf] | None = None,
    *,
    by_number: bool = False,
    ledgers: Mapping[str, Result] | None = None,
) -> FastAPI:
    """Return the application.

    Args:
        hosts: names by which it may be asked for; others are refused, against rebinding of names.
        rate: requests a second of one client; more are told to wait.
        known: programmes to choose from; those that ship if not given.
        by_number: whether it may be asked for by any IP address: no name leads there.
        ledgers: results of ``ledger`` to choose from; none if not given.
    """
    app = FastAPI(title="computebill", docs_url=None, redoc_url=None, openapi_url=None)
    answers = Answers(programmes() if known is None else known, ledgers)
    names = frozenset(host.lower().rstrip(".") for host in hosts)
    limits = Limits(rate)

    @app.middleware("http")
    async def guard(request: Request, following: Next) -> Response:
        refused = _refusal(request, limits, names, by_number)
        try:
            response = refused or await following(request)
        except Exception:  # told to nobody but the log
            logging.getLogger(__name__).exception("an answer failed")
            response = _told(500, "request", "could not be answered")
        response.headers.update(SECURITY)
        return response

    _add_refusals(app)
    _add_pages(app)
    _add_answers(app, answers, rate)
    _add_downloads(app, answers)
    return app


def _refusal(
    request: Request, limits: Limits, names: frozenset[str], by_number: bool
) -> Response | None:
    """Return what is answered to a request that is too long, too often, or no question."""
    host = re.sub(r":\d*$", "", request.headers.get("host", "")).lower().rstrip(".")
    if host not in names and not (by_number and _is_number(host)):  # a name that leads here
        return _told(400, "host", "is not this page's; start it with --name HOST")
    if request.method not in ASKING:
        return _told(405, "request", "only questions: GET")
    if len(request.url.query) > LONGEST:
        return _told(414, "query", f"is longer than {LONGEST} letters")
    if not limits.allow(_client(request)):
        return _told(429, "request", "too many at once; try again in a second", wait=1)
    return None


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _told(status: int, field: str, message: str, wait: int = 0) -> JSONResponse:
    errors = [{"field": field, "message": message}]
    headers = {**FRESH, **({"Retry-After": str(wait)} if wait else {})}
    return JSONResponse({"errors": errors}, status_code=status, headers=headers)


def _add_refusals(app: FastAPI) -> None:
    @app.exception_handler(RequestError)
    async def refuse(_: Request, error: RequestError) -> JSONResponse:
        return _told(422, error.field, error.problem)

    @app.exception_handler(BusyError)
    async def busy(_: Request, error: BusyError) -> JSONResponse:
        return _told(503, "request", "too many wait already; try again soon", wait=5)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> JSONResponse:
        return _told(error.status_code, "address", str(error.detail).lower())


def _add_pages(app: FastAPI) -> None:
    @app.api_route("/", methods=ASKING)
    async def page(request: Request) -> Response:
        return _stored(request, "page.html", "text/html")

    @app.api_route("/static/{name}", methods=ASKING)
    async def static(request: Request, name: str) -> Response:
        if name not in STATIC:
            return _told(404, "address", "not found")
        return _stored(request, name, STATIC[name])


def _stored(request: Request, name: str, kind: str) -> Response:
    """Return a file of the page; a browser keeps it, and asks whether it is still the same."""
    content, tag = _static(name)
    # Browsers ask for the icon at every new address of the page.
    kept = "max-age=86400" if name == ICON else "no-cache"
    headers = {"Cache-Control": kept, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


@lru_cache
def _static(name: str) -> tuple[bytes, str]:
    if name in SCRIPTS:
        content = SCRIPTS[name]().encode()
    else:
        content = resources.files(__package__).joinpath(name).read_bytes()
    return content, f'"{sha256(content).hexdigest()[:16]}"'


def _add_answers(app: FastAPI, answers: Answers, rate: float) -> None:
    # What takes seconds the first time it is asked waits by itself: sliders go on meanwhile.
    queue, opening = Queue(MOST_ANSWERS_WAITING), Queue(MOST_ANSWERS_WAITING)
    # A page that asks no faster is never told to wait.
    begun = {"pause_ms": math.ceil(1000 / rate), "look": look(INK)}
    options_text = dumped({**answers.options(), **begun})

    @app.api_route("/api/options", methods=ASKING)
    async def options() -> Response:
        """Return what there is to choose from, and where sliders begin."""
        return _json(options_text)

    @app.api_route("/api/spend", methods=ASKING)
    async def spend(request: Request) -> Response:
        """Return final runs against R&D compute: ``programme``, and assumptions that are moved."""
        return _json(await queue.compute(answers.spend, _given(request)))

    @app.api_route("/api/organisations", methods=ASKING)
    async def organisations(request: Request) -> Response:
        """Return every shipped programme: ``grade``, the one ``opened``, and its ``methods``."""
        return _json(await opening.compute(answers.organisations, _given(request)))

    @app.api_route("/api/ledger", methods=ASKING)
    async def ledger(request: Request) -> Response:
        """Return what ``records`` tell that the server was started with."""
        return _json(await queue.compute(answers.ledger, _given(request)))

    @app.api_route("/api/run", methods=ASKING)
    async def run(request: Request) -> Response:
        """Return what a run takes and costs: ``accelerator``, ``params``, ``tokens``."""
        return _json(await queue.compute(answers.run, _given(request)))


def _json(text: str) -> Response:
    return Response(text, media_type="application/json", headers=FRESH)


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


def _add_downloads(app: FastAPI, answers: Answers) -> None:
    queue, limits = Queue(MOST_FILES_WAITING), Limits(DOWNLOADS_PER_SECOND, MOST_DOWNLOADS)

    async def made(request: Request, function: Callable[[Given], str], kind: str) -> Response:
        given, ending = _given(request), request.url.path.rpartition(".")[2]
        if not limits.allow(_client(request)):
            return _told(429, "request", "too many downloads; try again in 2 seconds", wait=2)
        try:
            text = await queue.compute(function, given)
        except (RequestError, BusyError):  # no file, so it does not count
            limits.give_back(_client(request))
            raise
        told = f'attachment; filename="{answers.file_name(given)}.{ending}"'
        return Response(text, media_type=kind, headers={**FRESH, "Content-Disposition": told})

    @app.api_route("/download/spec.toml", methods=ASKING)
    async def spec(request: Request) -> Response:
        """Return the file that the command takes."""
        return await made(request, answers.spec, "application/toml")

    @app.api_route("/download/result.json", methods=ASKING)
    async def result(request: Request) -> Response:
        """Return the result, as ``--json`` prints it."""
        return await made(request, lambda given: dumped(answers.result(given)), "application/json")

    @app.api_route("/download/report.html", methods=ASKING)
    async def report(request: Request) -> Response:
        """Return the page of the result, that needs no network."""
        return await made(request, answers.page, "text/html")
