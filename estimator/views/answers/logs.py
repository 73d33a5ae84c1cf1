"""A log, and a run beside it, in a sentence."""

from __future__ import annotations

from computebill.views.logs import part_name
from computebill.views.result import Result, distribution
from computebill.views.text import count, duration, duration_interval, money, percent, signed

from .answer import Answer


def course(result: Result) -> str:
    """Tell which steps a speed is of, how much of the time trained, and how often it stopped."""
    log = result["log"]
    told = f"Of steps {log['first_step']:,} to {log['last_step']:,} of {log['file']}"
    if log["left_out_steps"]:
        told += f" without the first {log['left_out_steps']:,}"
    if log["goodput"] is not None:
        wall = duration(log["spent_seconds"]["wall"] / 86400)
        told += f"; {percent(log['goodput'])} of {wall} trained"
    stops = [
        f"{len(log[key]):,} {key if len(log[key]) > 1 else key[:-1]}"
        for key in ("restarts", "stalls")
        if log[key]
    ]
    return f"{told}, with {' and '.join(stops)}." if stops else f"{told}."


def rows(result: Result) -> Answer:
    """Tell how many rows a log comes to, and the steps that they are of."""
    found, log = result["measured_rows"], result["log"]
    several = f"{len(found):,} row{'s' if len(found) > 1 else ''}"
    speeds = ", ".join(
        f"{float(row['iter_seconds']):g} s a step of {row['global_batch_seqs']:,} sequences"
        for row in found
    )
    told = f"{several} for a calibration: {speeds} on {found[0]['n_gpus']:,} x {found[0]['gpu']}"
    return Answer(f"Measured in {log['file']}", f"{told}. {course(result)}", (), result["notes"])


def watched(result: Result) -> str:
    """Tell how a run goes beside what was predicted: speed, who is to blame, what is left."""
    found, log = result["watched"], result["log"]
    measured = found["measured"]
    told = f"{log['file']} at step {found['so_far']['step']:,}"
    if found.get("stage"):
        told = f"{found['stage']}: {told}"
    speed, parts = measured["tokens_per_second_per_gpu"], []
    if speed is not None:
        parts.append(f"{count(speed)} tokens a second and accelerator")
    if found["time_over_predicted"] is not None:
        over = signed(found["time_over_predicted"] - 1)
        parts.append(f"{over} time against what was predicted")
    if found["within_interval"] is not None:
        parts.append(f"{'within' if found['within_interval'] else 'outside of'} its interval")
    told += f": {', '.join(parts)}" if parts else ""
    likely = [each for each in found["blame"] if each["part"] != "unexplained"]
    if likely and not found["within_interval"]:
        told += f"; likely of {part_name(likely[0]['part'])} ({percent(likely[0]['share'])} of it)"
    usd = found["so_far"]["cost_ways_usd"].get("cloud")
    told += "" if usd is None else f"; {money(usd)} so far, rented"
    if found["rest"]["days"] is not None:
        told += f"; {duration_interval(distribution(found['rest']['days']))} left"
    alarm = f" Alarm: {found['alarm']}." if found["alarm"] else ""
    return f"{told}.{alarm}"
