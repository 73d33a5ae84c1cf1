from __future__ import annotations

import numpy as np
import plain
import pytest
from ours import Tables
from timing import Compare

RESAMPLES = 20_000
TIMED = 1_000
"""Resamples that the plain way is timed on, unless ``--full-baseline``; it takes the same time
for each."""


def test_bootstrap_regressions(compare: Compare, request: pytest.FixtureRequest) -> None:
    questions = plain.all_questions()
    assert len(questions) == 8
    rng = np.random.default_rng(0)
    drawn = [plain.resample(question, RESAMPLES, rng) for question in questions]
    tables = [Tables(*pair) for pair in zip(questions, drawn, strict=True)]
    timed = RESAMPLES if request.config.getoption("--full-baseline") else TIMED
    part = [plain.Resamples(one.index[:, :timed], one.params[:timed]) for one in drawn]

    for table, question, some in zip(tables, questions, part, strict=True):
        expected = plain.predict(question, some)
        np.testing.assert_allclose(table.predict()[:timed].numpy(), expected, rtol=1e-9)

    def the_plain_way() -> None:
        for question, some in zip(questions, part, strict=True):
            np.percentile(plain.predict(question, some), plain.PERCENTILES)

    compare(
        f"8 regressions x {RESAMPLES:,} resamples (plain timed on {timed:,} of each)",
        the_plain_way,
        lambda: [table.percentiles() for table in tables],
        scale=RESAMPLES / timed,
        rounds=20,
    )
