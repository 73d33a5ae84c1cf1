"""Clients who move sliders, on this machine: ``python bench/load_serve.py [SECONDS] [PAUSE]``.

Starts the server with two processes, asks it from 50 connections that each move a slider, wait for
the answer and pause, and tells the percentiles of the time to an answer.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
import urllib.request
from statistics import quantiles

CLIENTS, WORKERS, PORT = 50, 2, 8765
PROGRAMMES = ("minimax-2025", "zai-2025")


def state(rng: random.Random) -> str:
    """A state that a slider may be at: 1,000 places each, so that few are asked for twice."""
    low = rng.uniform(0.05, 0.4)
    high = low * rng.uniform(1.1, 1.6)
    if rng.random() < 0.5:
        return f"/api/spend?programme={rng.choice(PROGRAMMES)}&mfu={low:.3g}..{high:.3g}"
    size = 10 ** rng.uniform(9, 12)
    run = f"accelerator=h100-sxm&params={size:.0f}&tokens={20 * size:.0f}&count=1024"
    return f"/api/run?{run}&mfu={low:.3g}..{high:.3g}&final_share=0.1..0.25"


async def client(number: int, until: float, pause: float, seconds: list[float]) -> int:
    """Ask until the end; return how many answers were no good."""
    rng, wrong = random.Random(number), 0
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    while time.perf_counter() < until:
        start = time.perf_counter()
        writer.write(f"GET {state(rng)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(size)
        seconds.append(time.perf_counter() - start)
        wrong += not head.startswith(b"HTTP/1.1 200")
        await asyncio.sleep(pause)
    writer.close()
    return wrong


async def load(length: float, pause: float) -> None:
    seconds: list[float] = []
    until = time.perf_counter() + length
    clients = [client(number, until, pause, seconds) for number in range(CLIENTS)]
    wrong = sum(await asyncio.gather(*clients))
    twentieths = quantiles(seconds, n=20)
    print(
        f"{CLIENTS} clients, {length:g} s, a pause of {pause:g} s: {len(seconds) / length:.0f} "
        f"answers a second, median {1e3 * twentieths[9]:.0f} ms, 95th percentile "
        f"{1e3 * twentieths[18]:.0f} ms, {wrong} errors"
    )


def main(length: float = 60.0, pause: float = 0.5) -> None:
    flags = ["--port", str(PORT), "--rate", "1e9", "--workers", str(WORKERS)]
    server = subprocess.Popen([sys.executable, "-m", "computebill.cli", "serve", *flags])
    try:
        for _ in range(300):
            try:
                for _ in range(8):  # both processes begin
                    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/options").read()
                break
            except OSError:
                time.sleep(0.1)
        asyncio.run(load(length, pause))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
