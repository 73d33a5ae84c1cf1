"""``computebill spend init``: by flags, by questions, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from computebill.cli import main
from computebill.cli import spend_init as module

FLAGS = ("--organisation", "Mine", "--first", "2025-H1", "--last", "2025-H2", "--basis", "dollars")
FLAGS += ("--spend", "20M", "--run", "base", "--released", "2025-09", "--gpu-hours", "400k")
PRICED = (*FLAGS, "--price", "2..3")


def init(*arguments: str, answers: str | None = None) -> Result:
    return CliRunner().invoke(main, ["spend", "init", *arguments], input=answers)


def test_flags_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    assert f"Wrote {path}; next: computebill spend {path}" in init(str(path), *PRICED).stdout
    told = CliRunner().invoke(main, ["spend", str(path), "--samples", "256"])
    assert told.exit_code == 0
    assert "Mine, 2025-H1..2025-H2, own" in told.stdout
    assert "# Final runs" in path.read_text()


def test_a_terminal_is_asked_for_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    class System:
        stdin = Terminal()

    monkeypatch.setattr(module, "sys", System)
    path = tmp_path / "lab.toml"
    done = init(str(path), *FLAGS, answers="2.5\n")
    assert done.exit_code == 0, done.output
    assert "Price of an accelerator-hour" in done.output
    assert "Its parameters" not in done.output
    answers = ["Mine", "2025", "2025", "hours", "5M", "base", "2025-06", "1M"]
    done = init(str(tmp_path / "two.toml"), answers="\n".join([*answers, ""]))
    assert done.exit_code == 0, done.output
    assert "Price of" not in done.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("lab.toml", *FLAGS), "--price is missing"),
        (("lab.toml", "--first", "2025", *PRICED[2:]), "--organisation: is missing"),
        (("lab.toml", *PRICED, "--spend", "much"), "--spend: got 'much'"),
        (("lab.toml", *PRICED, "--released", "2031"), "runs: none is counted"),
        (("lab.toml", *PRICED, "--gpu-hours", "0"), "--gpu-hours: got 0"),
        (("lab.txt", *PRICED), "allowed: a file that ends in .toml"),
        (("nosuch/lab.toml", *PRICED), "cannot be written"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = init(*arguments)
    assert done.exit_code == 2, done.output
    assert problem in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text("mine")
    assert "is there already; allowed: another name, or --force" in init(str(path), *PRICED).stderr
    assert path.read_text() == "mine"
    assert init(str(path), *PRICED, "--force").exit_code == 0
    assert path.read_text() != "mine"
