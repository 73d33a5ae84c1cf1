"""Files of lengths: of any size, in blocks, each line told by its number."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import computebill as cb
from computebill.base.errors import RequestError
from computebill.cli import main
from computebill.models.count import count_model
from computebill.training import lengths
from computebill.training.documents import read_documents

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 256,
}
CELLS = st.sampled_from(["12", " 7 ", "4096.0", "1e3", "1_000", '"55"'])
VALUES = {"12": 12, " 7 ": 7, "4096.0": 4096, "1e3": 1000, "1_000": 1000, '"55"': 55}
OTHERS = st.sampled_from(["a", "", '"two\nlines"', '"one, two"', "ü"])


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lengths, "BLOCK", 40)
    return tmp_path / "lengths.csv"


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(OTHERS, CELLS, st.integers(0, 9)), min_size=1, max_size=30),
    is_packed=st.booleans(),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_blocks_add_up_to_the_lines(
    path: Path, rows: list[tuple[str, str, int]], is_packed: bool, ends: str
) -> None:
    lines = ["name,tokens,count", *(f"{name},{cell},{count}" for name, cell, count in rows)]
    text = ends.join(lines).encode()
    path.write_bytes(gzip.compress(text) if is_packed else text)
    expected: Counter[int] = Counter()
    for _, cell, count in rows:
        expected[VALUES[cell]] += count
    assert +lengths.read_lengths(path) == +expected


def test_a_million_lines_are_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lengths.csv.gz"
    numbers = [1 + place * place % 5003 for place in range(1_000_000)] + [10**9] * 3
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write("\n".join(map(str, numbers)))
    assert read_documents(path).counts == Counter(numbers)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"tokens\n" + b"12\n" * 1000 + b"long\n", "line 1002: got 'long'"),
        (b"tokens\n" + b"12\n" * 1000 + b"\n\n0\n", "line 1004: got '0'"),
        (b"tokens,count\n" + b"12,1\n" * 1000 + b"12\n", "line 1002: has 1 cells"),
        (b'name,tokens\n"a\nb",3\n' + b"c,12\n" * 1000 + b"c,-1\n", "line 1004: got '-1'"),
        (b"tokens\n" + b"12\n" * 1000 + b"\xff\n", "line 1002: is not UTF-8 text"),
        (b"12\n" * 1000 + b"9" * 2**21, "line 1001: is longer than 1,048,576 bytes"),
        (gzip.compress(b"12\n" * 1000)[:-9], "is no whole gzip file"),
        (b"\n\n", "is empty; allowed: one length a line"),
    ],
)
def test_a_bad_line_is_told_by_its_number(path: Path, text: bytes, told: str) -> None:
    path.write_bytes(text)
    with pytest.raises(RequestError, match=told) as caught:
        read_documents(path)
    assert str(path) in str(caught.value)


def test_files_with_too_many_lengths_and_none_are_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lengths, "MOST_LENGTHS", 50)
    path.write_text("\n".join(map(str, range(1, 200))))
    with pytest.raises(RequestError, match="more lengths differ than allowed: at most 50"):
        read_documents(path)
    for missing in (path.parent, path.parent / "none.csv"):
        with pytest.raises(RequestError, match=r"is a directory|cannot be read: No such file"):
            lengths.read_lengths(missing)


def test_counts_alone_are_those_of_documents(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "lengths.csv").write_text("tokens,count\n100,10\n1000,1\n")
    documents = read_documents(tmp_path / "lengths.csv")
    card = cb.describe_model(LLAMA, documents=documents).to_dict()
    alone = count_model(LLAMA, documents=documents).to_dict()
    assert alone["sequence_length"] == card["sequence_length"] == 1000
    found, whole = (each["flop_per_token"]["conventions"] for each in (alone, card))
    assert found == pytest.approx(whole, rel=1e-12)
    command = ["model", str(tmp_path), "--no-memory", "--json", "--lengths"]
    done = CliRunner().invoke(main, [*command, str(tmp_path / "lengths.csv")])
    told = json.loads(done.output)
    assert told["flop_per_token"]["conventions"] == pytest.approx(found)
    assert "documents" in {each["name"] for each in told["assumptions"]}
