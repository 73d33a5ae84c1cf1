"""Scripts are followed as far as variables and conditions go; nothing of them is run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.launch.entries import plain
from computebill.launch.script import read_script


def words(script: str, **given: str) -> list[str]:
    """Words of the last command that a script would run."""
    reading = read_script(script, "a.sh", given)
    return [plain(str(each)) for each in reading.commands[-1].words]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("A=4\npython x.py --tp $A", ["--tp", "4"]),
        ("A=4\npython x.py --tp ${A}", ["--tp", "4"]),
        ("python x.py --tp ${A:-2}", ["--tp", "2"]),
        ("A=\npython x.py --tp ${A:-2}", ["--tp", "2"]),
        ("A=6\npython x.py --tp ${A:-2}", ["--tp", "6"]),
        ("A=8\npython x.py --n $((A*4+1))", ["--n", "33"]),
        ("A=8; B=2\npython x.py --n $(($A/$B%3))", ["--n", "1"]),
        ("A=(--tp 4 --pp 2)\npython x.py ${A[@]}", ["--tp", "4", "--pp", "2"]),
        ("A=(--tp 4)\nA+=(--pp 2)\npython x.py ${A[*]}", ["--tp", "4", "--pp", "2"]),
        ('A=(--name "a b")\npython x.py "${A[@]}"', ["--name", "a b"]),
        ('A=(1)\nA=("${A[@]}" 2)\npython x.py --n "${A[@]}"', ["--n", "1", "2"]),
        ('A="--tp 4 \\\n --pp 2"\npython x.py $A', ["--tp", "4", "--pp", "2"]),
        ("if [ $X -eq 3 ]; then A=1; else A=2; fi\npython x.py --n $A", ["--n", "2"]),
        ('X=b\nif [[ $X == "a" || $X == b ]]; then A=1; fi\npython x.py --n $A', ["--n", "1"]),
        ("if [ -z $X ]; then A=1; fi\npython x.py --n $A", ["--n", "1"]),
        ("X=7B\ncase $X in 1B) A=1;; 7*) A=7;; *) A=9;; esac\npython x.py --n $A", ["--n", "7"]),
        ("for T in 4 8; do python x.py --tp $T; done", ["--tp", "4"]),
        ("go() { python x.py --tp $1; }\ngo 8", ["--tp", "8"]),
        ("A=Model-7B\npython x.py --n ${A%-*} ${A##*-} ${A,,}", ["--n", "Model", "7B", "model-7b"]),
        ("read -r -d '' C <<EOF\nx.py --tp 4\nEOF\npython $C", ["--tp", "4"]),
        ("bash -c 'python x.py --tp 4'", ["--tp", "4"]),
        ("sbatch <<EOF\n#!/bin/bash\nsrun python x.py --tp 4\nEOF", ["--tp", "4"]),
        ("python x.py --tp 4 > log.txt 2>&1 &", ["--tp", "4"]),
        ("[ -d out ] || exit 1\npython x.py --tp 4 | tee log", ["--tp", "4"]),
        ("export A=4 && python x.py --tp $A", ["--tp", "4"]),
        ("A='$B'\npython x.py --n $A", ["--n", "$B"]),
        ("python x.py --n a#b # c", ["--n", "a#b"]),
        ("python x.py --n ${SLURM_NNODES}", ["--n", "16"]),
    ],
)
def test_words_come_as_a_shell_makes_them(script: str, found: list[str]) -> None:
    assert words(script, SLURM_NNODES="16")[-len(found) :] == found


def test_each_word_has_the_line_that_it_is_written_on() -> None:
    reading = read_script(
        "A=(\n  --tp 4\n  --pp 2\n)\n\npython x.py \\\n  ${A[@]} \\\n  --cp 2", "a", {}
    )
    lines = {str(word): word.line for word in reading.commands[0].words}
    assert lines == {"python": 6, "x.py": 6, "--tp": 2, "4": 2, "--pp": 3, "2": 8, "--cp": 8}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("A=$(nproc)\npython x.py --n $A", "line 1: the output of a command is not known, as none"),
        ("source env.sh\npython x.py --n 1", "line 1: sources env.sh, which is not read: give it"),
        ("C='python x.py --n 1'\neval $C", "line 2: eval is not run; the words after it are read"),
        ("while read l; do A=1; done\npython x.py --n 1", "line 1: a loop is not read"),
        ("for T in 4 8; do python x.py --tp $T; done", "line 1: a loop over 2 values of T: its f"),
        ("if grep -q a b; then A=1; fi\npython x.py --n 1", "line 1: a condition on what only a"),
    ],
)
def test_what_only_a_run_would_tell_is_named_with_its_line(script: str, told: str) -> None:
    notes = read_script(script, "a.sh", {}).notes
    assert [note for note in notes if note.startswith(f"a.sh {told}")]


def test_nothing_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = (
        f"touch {mark}\nA=$(touch {mark})\n`touch {mark}`\neval touch {mark}\npython x.py --n $A"
    )
    read_script(script, "a.sh", {})
    assert not mark.exists()


def test_a_script_that_is_given_is_followed_where_another_sources_it() -> None:
    reading = read_script(". ./env.sh\npython x.py --tp $TP", "a.sh", {}, {"env.sh": "TP=8"})
    assert list(map(str, reading.commands[0].words)) == ["python", "x.py", "--tp", "8"]
    assert reading.sourced == {"env.sh"}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("A='x", r"a.sh line 1: a quote \('\) is not closed"),
        ('\npython "x', r"a.sh line 2: a quote"),
        ("A=$(( (1", r"a.sh line 1: \( is not closed"),
        ("A=aaaaaaaaaaaaaaaa\n" + "A=$A$A\n" * 30, "a.sh: a word grows beyond 262,144 characters"),
        ("A=(1 2 3 4)\n" + 'A=("${A[@]}" "${A[@]}")\n' * 30, "a.sh: A grows beyond"),
        ("f() { f; }\nf", "functions call each other too deep"),
        ("if [ 1 ]; then\n" * 100 + "A=1\n" + "fi\n" * 100, "is nested too deep"),
        ("A=" + "$(" * 200 + ")" * 200, "is nested too deep"),
    ],
)
def test_what_cannot_be_read_is_told_soon(script: str, told: str) -> None:
    start = time.perf_counter()
    with pytest.raises(RequestError, match=told):
        read_script(script, "a.sh", {})
    assert time.perf_counter() - start < 2


def test_a_long_text_is_not_cut_by_a_pattern_at_each_of_its_characters() -> None:
    start = time.perf_counter()
    script = "X=" + "a" * 200_000 + "\nY=${X##*b}\nZ=${X%%b*}\npython x.py --y $Y --z ${X:0:3}"
    assert "$X##*b" in words(script)
    assert time.perf_counter() - start < 2


PIECES = st.sampled_from(
    ["A=1\n", "A=(", ")", "$A", "${A[@]}", "${A:-", "}", "$((", "))", "'", '"', "\\", "\n", " ",
     "if ", "then ", "fi\n", "[ ", " ]", "&& ", "| ", "case ", "in ", ";; ", "esac\n", "{ ", "f() ",
     "<<E\n", "E\n", "for x in ", "do ", "done\n", "python x --tp ", "# c\n", "`", "$(", "*",
     "\ue000", "\ue001"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(script: str) -> None:
    try:
        reading = read_script(script, "a.sh", {})
    except RequestError:
        return
    assert all(word.line >= 1 for each in reading.commands for word in each.words)
