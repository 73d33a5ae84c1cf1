"""What a shell is told when a value is half typed."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete

from computebill.cli import main


def offered(*words: str) -> list[str]:
    """Return what is offered for the last word."""
    complete = ShellComplete(main, {}, "computebill", "_COMPUTEBILL_COMPLETE")
    return [each.value for each in complete.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "among"),
    [
        (("run", "--accelerator", "h100-s"), "h100-sxm"),
        (("plan", "--accelerator", "h100-sxm,b2"), "h100-sxm,b200"),
        (("model", "config.json", "--accelerator", "a100-sxm"), "a100-sxm-80gb"),
        (("mfu", "--accelerator", "mi3"), "mi300x"),
        (("run", "--framework", "torcht"), "torchtitan"),
        (("run", "--recompute", "f"), "full"),
        (("spend", "mini"), "minimax-2025"),
        (("sweep", "smol"), "smollm3"),
        (("hardware", "show", "h200"), "h200-sxm"),
        (("statement", "x.toml", "--rules", "eu"), "eu-cumulative"),
        (("score", "x.csv", "--rules", "sb"), "sb53"),
        (("ledger", "x.txt", "--accelerator", "h100-s"), "h100-sxm"),
        (("ru",), "run"),
        (("run", "--global"), "--global-batch"),
    ],
)
def test_values_that_ship_are_offered(words: tuple[str, ...], among: str) -> None:
    found = offered(*words)
    assert among in found
    assert all(each.startswith(words[-1]) for each in found)


def test_a_file_s_name_is_left_to_the_shell() -> None:
    assert offered("run", "--name", "x") == []
