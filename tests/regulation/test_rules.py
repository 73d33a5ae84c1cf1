from __future__ import annotations

import csv
import os
import tomllib
from pathlib import Path

import pytest

from computebill.base.errors import RequestError
from computebill.regulation.rules import (
    EVERYTHING,
    FOLDER,
    SHIPPED,
    items,
    one_rule_set,
    read_rules,
    rule_set,
    rule_sets,
)

EVIDENCE = Path(os.environ.get("COMPUTEBILL_EVIDENCE", "")) / "regulation" / "rules.csv"

OWN = """
name = "own"
title = "A rule of one's own"
measures = "what I count"
read_on = 2026-11-30
how_read = "whole"
[sources.own]
title = "Mine"
[[line]]
item = "pretraining"
treatment = "counts"
basis = "text"
where = "1"
source = "own"
read = "primary"
words = "All of it."
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_every_line_has_a_source_a_place_and_words(name: str) -> None:
    rules = rule_set(name)
    assert rules.name == name
    assert rules.how_read
    for line in rules.line:
        source = rules.sources[line.source]
        assert source.title
        assert (source.address or "").startswith("https://"), line.item
        assert line.where, line.item
        assert line.words.endswith("."), line.item
        assert not any(key in line.words for key in items() if "_" in key), line.item
        # What a rule does not mention cannot count.
        assert line.basis != "absent" or line.treatment == "silent", line.item


def test_what_ships_is_what_is_in_the_folder() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.toml")) == sorted(SHIPPED)


@pytest.mark.skipif(not EVIDENCE.is_file(), reason="needs COMPUTEBILL_EVIDENCE")
def test_treatments_are_those_that_were_read() -> None:
    with EVIDENCE.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["rule_set"] in SHIPPED]
    keys = ("treatment", "basis", "where", "read")
    told = {(row["rule_set"], row["item"]): tuple(row[key] for key in keys) for row in rows}
    own = {
        (name, line.item): tuple(getattr(line, key) for key in keys)
        for name in SHIPPED
        for line in rule_set(name).line
    }
    assert own == told


def test_what_nobody_looked_for_is_not_silence() -> None:
    assert rule_set("eu-cumulative").treatment("data_filtering_by_model") == "silent"
    assert rule_set("fmf").treatment("pretraining") == "not_read"
    assert not rule_set("fmf").is_whole
    assert rule_set("raise").is_second_hand


def test_all_counts_every_line_of_compute() -> None:
    compute = {name for name, item in items().items() if item.kind == "compute"}
    assert {line.item for line in rule_set(EVERYTHING).line} == compute
    assert [each.name for each in rule_sets()] == [*SHIPPED, EVERYTHING]
    assert rule_sets(["all"]) == rule_sets()


def test_a_rule_set_of_ones_own_goes_with_the_others(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    assert [each.name for each in rule_sets(["sb53", path])] == ["sb53", "own"]
    assert one_rule_set(str(path)) == read_rules(path)
    assert one_rule_set(None) is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('item = "pretraining"', 'item = "cooking"', "line[0].item: got 'cooking'; allowed: pre"),
        ('source = "own"', 'source = "other"', "line[0].source: got 'other'; allowed: own"),
        ('"counts"', '"perhaps"', "line[0].treatment: got 'perhaps'; allowed: 'counts'"),
        ('"own"\ntitle', '"sb53"\ntitle', "name: got 'sb53', which is taken"),
        ('title = "Mine"', "", "sources.own.title is missing"),
    ],
)
def test_what_is_wrong_with_own_rules_is_told(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    path = tmp_path / "own.toml"
    assert OWN.count(old) == 1
    path.write_text(OWN.replace(old, new), encoding="utf-8")
    with pytest.raises(RequestError) as error:
        rule_sets([path])
    assert str(path) in str(error.value)
    assert told in str(error.value)


def test_a_line_is_given_once(tmp_path: Path) -> None:
    line = OWN[OWN.index("[[line]]") :]
    path = tmp_path / "own.toml"
    path.write_text(OWN + line, encoding="utf-8")
    with pytest.raises(RequestError, match="'pretraining' twice"):
        read_rules(path)
    assert tomllib.loads(OWN)["line"][0]["item"] == "pretraining"


def test_an_unknown_rule_set_lists_those_that_are() -> None:
    with pytest.raises(RequestError, match=r"rules: got 'eu'; allowed: eu-updates, .*, all, or a"):
        rule_sets(["eu"])
