"""The command that serves: what it tells, what it refuses, and connections that it closes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from computebill.cli import main
from computebill.programmes.loading import SHIPPED
from computebill.serve import IDLE, LONGEST_HEAD


def refused(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["serve", *arguments])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    return result


def test_what_cannot_be_served_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refused("--port", str(port)).output
        assert f"--port: got {port} of 127.0.0.1; Address already in use" in told
    assert "--host: got ''; allowed: an address" in refused("--host", "").output
    assert "--host: got 'no.such.host.invalid'" in refused("--host", "no.such.host.invalid").output
    assert "--name: got 'a b'" in refused("--name", "a b").output
    assert "cannot be read" in refused(str(tmp_path / "none.toml")).output


def _interruptible() -> None:
    """Take Ctrl-C, which processes in the background of a shell do not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A server's process, its first line, and its port."""
    command = [sys.executable, "-m", "computebill.cli", "serve", "--port", "0", *arguments]
    server = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ},
        preexec_fn=_interruptible,
    )
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        found = re.search(r":(\d+);", line)
        assert found, line
        yield server, line, found[1]
    finally:
        server.terminate()  # a killed one would leave its processes behind
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        server.stdout.close()


def get(port: str, path: str, host: str = "localhost") -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=180)) as connection:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_address_is_told_and_answers_at_once_until_all_processes_end(tmp_path: Path) -> None:
    own = tmp_path / "my-lab.toml"
    own.write_bytes(SHIPPED.joinpath("openai-2024.toml").read_bytes())
    with serving("--workers", "2", str(own)) as (server, line, port):
        assert line == f"Serving http://127.0.0.1:{port}; Ctrl+C stops.\n"
        # Whoever comes before it is ready waits.
        status, body = get(port, "/api/spend?programme=my-lab&price=2")
        assert status == 200
        assert b'"programme": "my-lab"' in body
        assert get(port, "/", "10.1.2.3")[0] == 400
        start = time.monotonic()
        with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)) as kept:
            for _ in range(60):
                kept.request("GET", "/static/icon.svg", headers={"Host": "localhost"})
                kept.getresponse().read()
        # A delayed acknowledgement takes 40 ms each.
        assert time.monotonic() - start < 60 * 0.04 * 0.6
        server.send_signal(signal.SIGTERM)
        assert server.wait(90) == 0
        with pytest.raises(OSError, match="refused"):
            get(port, "/")


def test_a_server_of_a_network_says_who_can_reach_it_and_ends_when_interrupted() -> None:
    with serving("--host", "0.0.0.0", "--name", "prices.example") as (server, line, port):
        assert line == f"Serving http://localhost:{port}; Ctrl+C stops.\n"
        assert server.stdout is not None
        told = server.stdout.readline()
        assert "Anyone who reaches" in told
        assert f"at http://prices.example:{port};" in told
        assert "by name as prices.example" in told
        codes = [get(port, "/", host)[0] for host in ("10.1.2.3:80", "[::1]", "prices.example")]
        assert codes == [200, 200, 200]
        assert get(port, "/", "evil.example")[0] == 400
        server.send_signal(signal.SIGINT)
        assert server.wait(90) == 0


@pytest.fixture(scope="module")
def nameless() -> Iterator[tuple[str, str]]:
    """What a server of a network without a name told besides its address, and its port."""
    with serving("--host", "0.0.0.0") as (server, _, port):
        assert server.stdout is not None
        yield server.stdout.readline(), port


def test_others_are_told_an_address_that_they_can_open(nameless: tuple[str, str]) -> None:
    told, port = nameless
    assert "0.0.0.0" not in told
    found = re.search(rf" at http://([\d.]+):{port};", told)
    if found:  # a machine without a network has none
        assert get(port, "/", found[1])[0] == 200


def answered(port: str, sent: bytes, seconds: float = 10.0) -> bytes:
    """Return what is answered until the connection is closed."""
    found = b""
    with socket.create_connection(("127.0.0.1", int(port)), timeout=seconds) as connection:
        with suppress(OSError):  # closed while it is written to
            connection.sendall(sent)
        with suppress(ConnectionResetError):
            while part := connection.recv(2**16):
                found += part
    return found


def test_what_is_too_long_or_idle_is_closed(nameless: tuple[str, str]) -> None:
    _, port = nameless
    assert get(port, "/static/icon.svg")[0] == 200  # it has begun: what follows is timed
    whole = b"GET /static/icon.svg HTTP/1.1\r\nHost: localhost\r\n"
    start = time.monotonic()
    assert answered(port, whole + b"\r\n").startswith(b"HTTP/1.1 200")
    assert IDLE - 1 < time.monotonic() - start < IDLE + 3
    long = whole + b"X: " + b"y" * 2 * LONGEST_HEAD
    assert b" 200 " not in answered(port, long)


def test_records_are_accounted_for_at_the_start() -> None:
    """The page says of records what `ledger` says of them, and their names can be hidden."""
    folder = Path(__file__).parents[2] / "examples" / "ledger"
    records = [str(folder / "sacct.txt"), str(folder / "runs.csv")]
    rules = ["--rules", str(folder / "rules.toml")]
    brief = CliRunner().invoke(main, ["ledger", *records, *rules, "--brief"])
    with serving(*records, *rules, "--anonymise") as (_, _, port):
        told = json.loads(page(port, "/api/ledger"))["shown"]
        assert brief.stdout.startswith(told["headline"])
        assert told["title"].endswith(": records")
        assert "atlas" not in json.dumps(told)
        assert list(json.loads(page(port, "/api/options"))["records"]) == ["records"]


def page(port: str, path: str) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)) as asking:
        asking.request("GET", path)
        return asking.getresponse().read().decode()


def test_records_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    assert f"{path}: is of no known form" in refused(str(path)).output
    path.with_suffix(".json").write_text('[{"a": 1}]')
    assert "is of no known form" in refused(str(path.with_suffix(".json"))).output
    path.with_suffix(".json").write_text("no json")
    assert "is not JSON" in refused(str(path.with_suffix(".json"))).output
    assert "cannot be read" in refused(str(tmp_path / "none.csv")).output
    assert "--rules: is of records" in refused("--rules", str(path)).output
