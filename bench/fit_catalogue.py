"""Fit what rows lack to those that have it: ``python bench/fit_catalogue.py CATALOGUE``.

Prints the figures of estimator/catalogue/derivation.toml: how far 6 N D is from listed FLOP, and
the lines through FLOP by date and size. CATALOGUE is in Epoch AI's columns.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from computebill.batches.columns import arrow_column
from computebill.catalogue.cells import read_days, read_numbers, years_of
from computebill.catalogue.headers import find_columns

DOMAINS = ("language", "vision", "image generation", "video", "speech", "biology", "games")


def main(path: str) -> None:
    frame = pd.read_csv(path, dtype="string")
    found = find_columns(frame.columns)

    def numbers(name: str) -> np.ndarray:
        return read_numbers(arrow_column(frame[found[name].heading]), found[name].factor).values

    flop, params, tokens = (np.log10(numbers(name)) for name in ("flop", "params", "tokens"))

    def text(name: str) -> pd.Series:
        return frame[found[name].heading].fillna("").str.lower()

    epochs = np.nan_to_num(numbers("epochs"), nan=1.0)
    days = read_days(arrow_column(frame[found["date"].heading])).values
    year = years_of(days)
    domain = text("domain")
    first = domain.str.split(",").str[0].str.strip()
    language = domain.str.contains("language").to_numpy()
    off = np.log10(6) + params + tokens + np.log10(epochs) - flop
    known = np.isfinite(off)
    recent = known & (year > 0)  # before 2020 sizes are of words and epochs are not told
    # The size is the run's own tokens where it is of language alone, nothing was there before, and
    # somebody counted epochs; other sizes are of words, images, a part of the data, or a tune's.
    base, told = (text(name) for name in ("base_model", "confidence"))
    stated = recent & (domain.str.strip() == "language").to_numpy() & (base == "").to_numpy()
    stated &= (told == "confident").to_numpy() & np.isfinite(numbers("epochs"))
    products = {"language": recent & language, "tokens": stated, "other": recent & ~language}
    for name, rows in products.items():
        low, middle, high = np.quantile(off[rows], [0.05, 0.5, 0.95])
        print(f"[product.{name}]  # {rows.sum()} rows\nlow = {low:.3f}\nmiddle = {middle:.3f}")
        print(f"high = {high:.3f}")
    for name, has_size in (("with_size", True), ("by_date", False)):
        columns = [np.ones_like(year), year, *((first == d).to_numpy(float) for d in DOMAINS[1:])]
        columns += [params] if has_size else []
        matrix = np.stack(columns, axis=1)
        rows = np.isfinite(flop) & np.isfinite(matrix).all(1) & first.isin(DOMAINS).to_numpy()
        solved, *_ = np.linalg.lstsq(matrix[rows], flop[rows], rcond=None)
        residual = flop[rows] - matrix[rows] @ solved
        spread = np.sqrt((residual**2).sum() / (rows.sum() - matrix.shape[1]))
        print(f"[line.{name}]  # {rows.sum()} rows\nconstant = {solved[0]:.3f}")
        print(f"per_year = {solved[1]:.4f}\nper_size = {solved[-1] if has_size else 0:.4f}")
        print(f"sd = {spread:.3f}")
        for label, value in zip(DOMAINS[1:], solved[2:], strict=False):
            print(f'domains."{label}" = {value:.3f}')


if __name__ == "__main__":
    main(sys.argv[1])
