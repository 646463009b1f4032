"""The benchmark's page and its script speak of the same rows, and its bars are judged right."""

import re
import sys

import pytest
from project import REPO, help_of

sys.path.insert(0, str(REPO / "tests" / "bench"))

from measure import bars  # noqa: E402

PAGE = REPO / "docs" / "performance.md"


def test_every_row_is_described_and_no_other():
    text = re.sub(r"-\n\s+", "-", help_of(REPO / "tests" / "bench" / "run", "--help"))
    rows = re.search(r"or\s+rows\s+\(([^)]*)\)", text)
    section = re.search(r"^## The rows\n(.*?)^## ", PAGE.read_text(), re.M | re.S)
    cells = re.findall(r"^\| (`[^|]*`) \|", section[1], re.M)
    described = {row for cell in cells for row in re.findall(r"`([^`]+)`", cell)}
    assert described == set(re.split(r"[,\s]+", rows[1]))


def judge(what: str, *rounds: bars.Round) -> bars.Verdict:
    return next(verdict for verdict in bars.judge(list(rounds)) if verdict.bar.what == what)


def rates(durable: float, verify: float) -> bars.Round:
    return {"durable-256": {"rate": durable, "cpu_usec": 20.0},
            "verify-256": {"rate": verify, "cpu_usec": 15.0}}


@pytest.mark.parametrize("durable, want", [(64.0, "NOT MET"), (65.0, "met"), (80.0, "aim")])
def test_a_ratio_must_reach_its_bar(durable, want):
    assert judge("durable ÷ verify", rates(durable, 100.0)).word == want


@pytest.mark.parametrize("usec, want", [(2000, "aim"), (5000, "met"), (5001, "NOT MET")])
def test_a_latency_must_stay_below_its_bar(usec, want):
    assert judge("p99 at 5,000/s", {"latency-5000": {"p99_usec": usec}}).word == want


def test_the_median_counts_over_rounds_that_have_both():
    verdict = judge("durable ÷ verify", rates(10.0, 100.0), rates(70.0, 100.0), rates(75.0, 100.0),
                    {"durable-256": {"rate": 1.0, "cpu_usec": 1.0}})
    assert verdict.figures == [0.1, 0.7, 0.75]
    assert verdict.word == "met"
    assert verdict.figures_by_cpu == [0.75, 0.75, 0.75]


def test_a_ratio_beside_a_bar_is_not_judged():
    few = {name: {"rate": rate, "cpu_usec": 20.0} for name, rate in
           [("durable", 10.0), ("verify", 100.0)]}
    verdict = judge("durable ÷ verify, 64 connections", few)
    assert (verdict.figures, verdict.word) == ([0.1], "")


def test_the_peer_is_compared_with_in_both_of_its_ways():
    hooks = {name: {"rate": rate, "cpu_usec": usec} for name, rate, usec in
             [("hooks-mark", 130.0, 500.0), ("peer-mark", 50.0, 900.0),
              ("peer-mark-wait", 100.0, 600.0)]}
    first = judge("completed hooks ÷ peer's, which answers first", hooks)
    waits = judge("completed hooks ÷ peer's, which waits", hooks)
    assert (first.figures, first.figures_by_cpu) == ([2.6], [1.8])
    assert (waits.figures, waits.figures_by_cpu) == ([1.3], [1.2])


def test_what_was_not_measured_is_not_judged():
    assert bars.judge([{"floor": {"rate": 1.0}}]) == []
