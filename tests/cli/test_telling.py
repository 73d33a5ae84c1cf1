"""What standard output gets: a sentence and tables, a line, a slide's block, in its own letters."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from computebill.cli import main
from computebill.cli.telling import PLAINER, PLAINLY, markdown
from computebill.views.answers import answer_of
from computebill.views.answers.answer import Answer, Figure

SHOW = ("hardware", "h100")
MFU = ("mfu", "--params", "70B", "--accelerator", "h100", "--tokens-per-second", "430")


def told(*arguments: str, **env: str) -> Result:
    done = CliRunner(env=env).invoke(main, list(arguments))
    assert done.exit_code == 0, done.output
    return done


def printed(*arguments: str, **env: str) -> bytes:
    """What a process of its own writes."""
    script = "import sys; from computebill.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(
        command, capture_output=True, check=True, env={**os.environ, **env}
    ).stdout


def sentence(*arguments: str) -> str:
    answer = answer_of(json.loads(told(*arguments, "--json").stdout))
    assert answer is not None
    return answer.sentence


@pytest.mark.parametrize("arguments", [SHOW, MFU])
def test_the_sentence_stands_first_and_brief_is_the_sentence(arguments: tuple[str, ...]) -> None:
    line = sentence(*arguments)
    assert told(*arguments, "--brief").stdout == f"{line}\n"
    whole = told(*arguments).stdout
    first, _, tables = whole.partition("\n\n")
    assert " ".join(first.split()) == line
    assert "──" in tables


def test_of_two_forms_one_is_refused() -> None:
    done = CliRunner().invoke(main, [*SHOW, "--brief", "--json"])
    assert done.exit_code == 2
    assert "--json: got --brief as well; allowed: one of them" in done.output


def test_a_file_is_told_and_no_table_beside_it(tmp_path: Path) -> None:
    file, page = tmp_path / "mfu.csv", tmp_path / "mfu.html"
    done = told(*MFU, "-o", str(file), "--html", str(page))
    line, wrote = done.stdout.split("\n\n")
    assert " ".join(line.split()) == sentence(*MFU)
    assert wrote == f"Wrote {file}\nWrote {page}\n"
    assert file.read_text().startswith("convention,")
    assert "</html>" in page.read_text()
    done = told(*MFU, "-o", str(file), "--json")
    assert json.loads(done.stdout)["mfu"]
    assert done.stderr == f"Wrote {file}\n"


def test_a_block_for_a_slide() -> None:
    lines = told(*MFU, "--markdown").stdout.splitlines()
    assert lines[0] == "## Utilisation of NVIDIA H100 SXM5 80GB"
    assert lines[2] == sentence(*MFU)
    assert "| 6nd | 18.3 % |" in lines  # 6 x 70e9 x 430 / 989.4e12
    (assumed,) = [line for line in lines if line.startswith("Assumed: ")]
    assert "peak, dense bf16 989.4 TFLOP/s" in assumed
    assert lines[-1] == f"`computebill {' '.join(MFU)} --markdown`"


def test_a_name_is_no_markdown() -> None:
    answer = Answer("a|b\n# c", "<b>*1*</b>.", [Figure("[x](y)", "1", "0–2")], ["_n_"])
    block = markdown(answer, {"about": {"command": "computebill run `x`"}})
    assert block.splitlines()[0] == r"## a\|b # c"
    assert r"\<b\>\*1\*\</b\>." in block
    assert r"| \[x\](y) | 1 (0–2) |" in block
    assert r"> \_n\_" in block
    assert block.endswith("`computebill run x`")


def test_columns_are_as_many_as_asked_for() -> None:
    for width in (60, 90):
        lines = told(*SHOW, COLUMNS=str(width)).stdout.splitlines()
        assert width - 10 < max(map(len, lines)) <= width
    for odd in ("0", "-5", "wide", ""):
        assert told(*SHOW, COLUMNS=odd).stdout == told(*SHOW).stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_without_a_letter_gets_a_plainer_one(encoding: str) -> None:
    text = printed(*SHOW, PYTHONIOENCODING=encoding).decode(encoding)
    assert "\\u" not in text
    assert text.splitlines()[0].startswith("NVIDIA H100 SXM5 80GB reaches 989 TFLOP/s")
    assert re.search(r"\d-\d", text)


def test_every_plainer_letter_is_plain() -> None:
    letters = "".join(PLAINER)
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii", errors=PLAINLY) as output:
        output.write(f"{letters} ζ")
        output.flush()
        assert raw.getvalue() == ("".join(PLAINER.values()) + " \\u03b6").encode("ascii")
