"""The bars: what must be reached at least, and what is aimed at. A ratio is of two measurements of
the same round; the figure is the median over the rounds, with the lowest and the highest."""

from dataclasses import dataclass
from statistics import median
from typing import Callable, Dict, List, Optional

#: Of each round: row -> figures.
Round = Dict[str, Dict[str, float]]


@dataclass(frozen=True)
class Bar:
    what: str
    unit: str
    least: Optional[float]  # None: no bar, but to be seen beside one
    aim: Optional[float]
    figure: Callable[[Round], float]  # KeyError: not measured
    more_is_better: bool = True
    by_cpu: Optional[Callable[[Round], float]] = None  # the same ratio, of work for a CPU second


@dataclass(frozen=True)
class Verdict:
    bar: Bar
    figures: List[float]
    figures_by_cpu: List[float]

    @property
    def median(self) -> float:
        return median(self.figures)

    def reaches(self, mark: float) -> bool:
        return self.median >= mark if self.bar.more_is_better else self.median <= mark

    @property
    def word(self) -> str:
        if self.bar.least is None:
            return ""
        if self.reaches(self.bar.aim):
            return "aim"
        return "met" if self.reaches(self.bar.least) else "NOT MET"


def figure(row: str, key: str, scale: float = 1.0) -> Callable[[Round], float]:
    return lambda round: round[row][key] * scale


def _ratio(what: str, least: Optional[float], aim: Optional[float], above: str,
           below: str) -> Bar:
    return Bar(what, "", least, aim,
               figure=lambda round: round[above]["rate"] / round[below]["rate"],
               by_cpu=lambda round: round[below]["cpu_usec"] / round[above]["cpu_usec"])


def _at_most(what: str, unit: str, least: float, aim: float,
             find: Callable[[Round], float]) -> Bar:
    return Bar(what, unit, least, aim, find, more_is_better=False)


#: Ratios of rates count where the servers are saturated, which takes more than 64 connections.
BARS = [
    _ratio("durable, no sinks ÷ peer without exec", 1.5, 2.0, "durable-256", "peer-256"),
    _ratio("durable ÷ peer, 64 connections", None, None, "durable", "peer"),
    _ratio("durable ÷ verify", 0.65, 0.8, "durable-256", "verify-256"),
    _ratio("durable ÷ verify, 64 connections", None, None, "durable", "verify"),
    _ratio("verify ÷ floor", 0.6, 0.75, "verify-256", "floor-256"),
    _ratio("verify ÷ floor, 64 connections", None, None, "verify", "floor"),
    _ratio("hooks ÷ bare spawn loop", 0.9, 0.97, "hooks-true", "spawn"),
    _ratio("completed hooks ÷ peer's, which answers first", 1.2, 1.5, "hooks-mark", "peer-mark"),
    _ratio("completed hooks ÷ peer's, which waits", 1.2, 1.5, "hooks-mark", "peer-mark-wait"),
    _ratio("durable at 10 M ids ÷ durable at 0", 0.7, 0.9, "ids-10m", "durable"),
    _at_most("p99 at 5,000/s", "ms", 5, 2, figure("latency-5000", "p99_usec", 1e-3)),
    _at_most("p99 at saturation, 64 connections", "ms", 25, 10,
             figure("durable", "p99_usec", 1e-3)),
    _at_most("RSS idle", "MiB", 8, 5, figure("durable", "idle_mib")),
    _at_most("RSS saturated with 256 connections", "MiB", 32, 24, figure("durable-256", "rss_mib")),
    _at_most("RSS with 10 M ids", "MiB", 64, 32, figure("ids-10m", "rss_mib")),
    _at_most("ready again with 1 M pending", "s", 1, 0.3, figure("pending-1m", "start_ms", 1e-3)),
]


def _figures(find: Optional[Callable[[Round], float]], rounds: List[Round]) -> List[float]:
    found = []
    for round in rounds if find else []:
        try:
            found.append(find(round))
        except (KeyError, ZeroDivisionError):  # not measured; too little to be measured
            pass
    return found


def judge(rounds: List[Round]) -> List[Verdict]:
    """Of each bar for which something was measured."""
    verdicts = [Verdict(bar, _figures(bar.figure, rounds), _figures(bar.by_cpu, rounds))
                for bar in BARS]
    return [verdict for verdict in verdicts if verdict.figures]
