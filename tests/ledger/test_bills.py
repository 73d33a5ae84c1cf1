"""Providers' own bills: commitments by the hour, what was not used, credits."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from computebill.ledger import Ledger, read_ledger
from computebill.ledger.account import Options
from computebill.ledger.plan import Asked

CUR2 = {
    "identity/TimeInterval": "identity_time_interval",
    "lineItem/UsageStartDate": "line_item_usage_start_date",
    "lineItem/UsageEndDate": "line_item_usage_end_date",
    "lineItem/LineItemType": "line_item_line_item_type",
    "lineItem/UsageType": "line_item_usage_type",
    "lineItem/ResourceId": "line_item_resource_id",
    "lineItem/UsageAmount": "line_item_usage_amount",
    "lineItem/UnblendedCost": "line_item_unblended_cost",
    "lineItem/CurrencyCode": "line_item_currency_code",
    "lineItem/LineItemDescription": "line_item_line_item_description",
    "product/instanceType": "product_instance_type",
    "pricing/unit": "pricing_unit",
    "reservation/ReservationARN": "reservation_reservation_a_r_n",
    "reservation/EffectiveCost": "reservation_effective_cost",
    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": (
        "reservation_unused_amortized_upfront_fee_for_billing_period"
    ),
    "reservation/UnusedRecurringFee": "reservation_unused_recurring_fee",
    "reservation/UnusedQuantity": "reservation_unused_quantity",
    "savingsPlan/SavingsPlanEffectiveCost": "savings_plan_savings_plan_effective_cost",
    "savingsPlan/TotalCommitmentToDate": "savings_plan_total_commitment_to_date",
    "savingsPlan/UsedCommitment": "savings_plan_used_commitment",
}
"""Headings of the Cost and Usage Report, by those of Data Exports (CUR 2)."""


def line(kind: str, cost: float, usage: str = "", hours: float = 0.0, **further: Any) -> dict:
    """A line of CUR 2."""
    return {
        "line_item_usage_start_date": "2025-05-01T00:00:00Z",
        "line_item_usage_end_date": "2025-05-01T10:00:00Z",
        "line_item_line_item_type": kind,
        "line_item_usage_type": usage,
        "line_item_resource_id": "",
        "line_item_usage_amount": hours,
        "line_item_unblended_cost": cost,
        "line_item_currency_code": "USD",
        "pricing_unit": "Hrs" if hours else "",
        "product_instance_type": usage.rpartition(":")[2],
        **further,
    }


LINES = [
    line("Usage", 98.32, "USW2-BoxUsage:p5.48xlarge", 1.0, line_item_resource_id="i-1"),
    # Ten hours of an H100 machine at 98.32, which a savings plan has for 40: covered, and negated.
    line(
        "SavingsPlanCoveredUsage",
        983.2,
        "USW2-BoxUsage:p5.48xlarge",
        10.0,
        line_item_resource_id="i-2",
        savings_plan_savings_plan_effective_cost=400.0,
    ),
    line("SavingsPlanNegation", -983.2, "USW2-BoxUsage:p5.48xlarge"),
    line(
        "SavingsPlanRecurringFee",
        500.0,
        "USW2-ComputeSP:1yrNoUpfront",
        savings_plan_total_commitment_to_date=500.0,
        savings_plan_used_commitment=400.0,
    ),
    line("SavingsPlanUpfrontFee", 7000.0, "USW2-ComputeSP:1yrPartialUpfront"),
    # Six of ten reserved hours were used; the fee is 8 an hour, and as much upfront.
    line(
        "DiscountedUsage",
        0.0,
        "USW2-BoxUsage:p4d.24xlarge",
        6.0,
        line_item_resource_id="i-3",
        reservation_effective_cost=96.0,
        reservation_reservation_a_r_n="arn:1",
    ),
    line(
        "RIFee",
        80.0,
        "USW2-HeavyUsage:p4d.24xlarge",
        10.0,
        reservation_unused_amortized_upfront_fee_for_billing_period=32.0,
        reservation_unused_recurring_fee=32.0,
        reservation_unused_quantity=4.0,
        reservation_reservation_a_r_n="arn:1",
    ),
    line("Fee", 9000.0, reservation_reservation_a_r_n="arn:1"),
    line("Fee", 15.0),
    line("Usage", 3.0, "USW2-EBSOptimized:p3.2xlarge", 2.0),
    line("Usage", 196.64, "USW2-UnusedBox:p5.48xlarge", 2.0),
    line("Tax", 11.0),
    line("Credit", -1.5),
]
AMORTISED = 98.32 + 400.0 + 100.0 + 96.0 + 64.0 + 15.0 + 3.0 + 196.64 + 11.0 - 1.5
BILLED = sum(each["line_item_unblended_cost"] for each in LINES)


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for each in lines for key in each)))
        writer.writeheader()
        writer.writerows(lines)
    return path


def usd(found: Ledger, kind: str | None = None) -> float:
    return (found.total if kind is None else found.parts["kind"][kind]).cost_usd.p50


@pytest.mark.parametrize("form", ["CUR 1", "CUR 2", "Parquet"])
def test_an_aws_bill_with_commitments_by_the_hour(tmp_path: Path, form: str) -> None:
    """By hand, as the CUR query library's amortised cost by type of line."""
    old = {new: old for old, new in CUR2.items()}
    lines = [{old[key]: each[key] for key in each} for each in LINES] if form == "CUR 1" else LINES
    path = write(tmp_path / "cur.csv", lines)
    if form == "Parquet":
        names = dict.fromkeys(key for each in LINES for key in each)
        table = pa.table({name: [each.get(name) for each in LINES] for name in names})
        path = tmp_path / "cur.parquet"
        pq.write_table(table, path)
    found = read_ledger([path])
    assert [each.format for each in found.files] == ["aws"]
    assert (found.rows_used, found.rows_rejected) == (len(LINES), 0)
    assert usd(found) == pytest.approx(AMORTISED)
    assert found.bill_costs == ("amortised cost, as AWS adds it up",)
    # Eleven hours of eight H100, six of eight A100; four reserved and two kept were not used.
    assert found.total.gpu_hours == 8 * (11 + 6 + 4 + 2)
    assert found.parts["kind"]["idle"].gpu_hours == 8 * (4 + 2)
    assert usd(found, "idle") == pytest.approx(100.0 + 64.0 + 196.64)


def test_an_aws_bill_as_billed(tmp_path: Path) -> None:
    path = write(tmp_path / "cur.csv", LINES)
    found = read_ledger([path], None, Options(Asked(cost="billed")))
    assert usd(found) == pytest.approx(BILLED)
    assert found.total.gpu_hours == 8 * (11 + 6 + 2)
    bare = [
        {key: each[key] for key in each if "_cost" not in key or "unblended" in key}
        for each in LINES
    ]
    commitments = ("reservation_e", "reservation_un", "savings_plan_")
    bare = [
        {key: value for key, value in each.items() if not key.startswith(commitments)}
        for each in LINES
    ]
    lacking = read_ledger([write(tmp_path / "bare.csv", bare)])
    assert usd(lacking) == pytest.approx(BILLED)
    assert lacking.bill_costs == ("as billed: the file has no column of amortised costs",)


def test_a_line_without_its_amortised_cost_is_told(tmp_path: Path) -> None:
    lines = [*LINES, line("DiscountedUsage", 0.0, "USW2-BoxUsage:p4d.24xlarge", 1.0)]
    found = read_ledger([write(tmp_path / "cur.csv", lines)])
    assert found.remarks["is of a commitment, and tells no amortised cost; it is as billed"] == 1
    assert usd(found) == pytest.approx(AMORTISED)


def azure(kind: str, cost: float, hours: float) -> dict[str, Any]:
    return {
        "Date": "05/13/2025",
        "MeterCategory": "Virtual Machines",
        "MeterName": "ND96isr H100 v5",
        "Quantity": hours,
        "UnitOfMeasure": "1 Hour",
        "CostInBillingCurrency": cost,
        "BillingCurrencyCode": "USD",
        "ChargeType": kind,
        "ResourceId": "/subscriptions/1/vm-1" if kind == "Usage" else "",
    }


def test_azures_amortised_and_actual_exports(tmp_path: Path) -> None:
    lines = [azure("Usage", 600.0, 10), azure("UnusedReservation", 240.0, 4)]
    lines += [azure("UnusedSavingsPlan", 5.0, 0)]
    found = read_ledger([write(tmp_path / "amortised.csv", lines)])
    assert found.total.gpu_hours == 8 * 14
    assert found.parts["kind"]["idle"].gpu_hours == 8 * 4
    assert (usd(found), usd(found, "idle")) == (845.0, 245.0)
    assert found.bill_costs == ("as the file has it: amortised, with what was not used",)
    lines = [azure("Usage", 0.0, 10), azure("Purchase", 840.0, 1)]
    found = read_ledger([write(tmp_path / "actual.csv", lines)])
    assert (found.total.gpu_hours, usd(found)) == (80.0, 840.0)
    assert found.bill_costs == ("as the file has it: actual, with what was bought ahead",)


@pytest.mark.parametrize("form", ["json", "csv", "sum", "parquet"])
def test_googles_costs_and_their_credits(tmp_path: Path, form: str) -> None:
    off = [{"name": "CUD", "amount": -30.0}, {"name": "SUD", "amount": -2.5}]
    off += [{"name": f"promotion {place}", "amount": -1.0} for place in range(5)]
    rows: list[dict[str, Any]] = [
        {
            "service_description": "Compute Engine",
            "sku_description": name,
            "usage_start_time": "2025-05-01T00:00:00Z",
            "usage_end_time": "2025-05-01T10:00:00Z",
            "usage_amount_in_pricing_units": hours,
            "usage_pricing_unit": "hour",
            "cost": cost,
            "currency": "USD",
            "cost_type": "regular",
            "credits": credit,
        }
        for name, hours, cost, credit in (
            ("Nvidia H100 80GB GPU running in Iowa", 10.0, 100.0, off),
            ("Commitment v1: Nvidia H100 80GB GPU running in Iowa for 1 Year", 10.0, 50.0, []),
            ("N1 Core running in Iowa", 10.0, 4.0, []),
        )
    ]
    path = tmp_path / f"bill.{form if form != 'sum' else 'csv'}"
    if form == "json":
        path.write_text(json.dumps(rows))
    elif form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        made = [
            {**row, "credits": sum(each["amount"] for each in row["credits"])}
            if form == "sum"
            else {**row, "credits": json.dumps(row["credits"])}
            for row in rows
        ]
        write(path, made)
    found = read_ledger([path])
    assert found.rows_rejected == 0
    assert usd(found) == pytest.approx(100.0 - 37.5 + 50.0 + 4.0)
    assert found.total.gpu_hours == 10.0  # what a commitment costs is no use
    assert found.bill_costs == ("as billed, credits taken off",)


def test_a_cost_that_is_none_is_rejected(tmp_path: Path) -> None:
    found = read_ledger([write(tmp_path / "cur.csv", [*LINES, line("Usage", 1e308)])])
    assert found.reasons == {"its cost is above a trillion": 1}
