"""The table, as text and as JSON."""

from statistics import median
from typing import Dict, List, Optional

from .bars import Bar, Round, Verdict

#: The columns of the first table: key of a sample, heading, format.
COLUMNS = [
    ("rate", "per second", "{:,.0f}"),
    ("cpu_usec", "CPU µs each", "{:.1f}"),
    ("p50_usec", "p50 ms", "{:.2f}"),
    ("p99_usec", "p99 ms", "{:.2f}"),
    ("p999_usec", "p99.9 ms", "{:.2f}"),
    ("idle_mib", "RSS idle MiB", "{:.1f}"),
    ("rss_mib", "RSS peak MiB", "{:.1f}"),
    ("start_ms", "ready ms", "{:.0f}"),
    ("batch", "a commit", "{:.1f}"),
    ("behind", "behind", "{:,.0f}"),
    ("lost", "lost", "{:,.0f}"),
]


def rows_of(rounds: List[Round]) -> List[str]:
    return list(dict.fromkeys(row for round in rounds for row in round))


def figures_of(rounds: List[Round], row: str, key: str) -> List[float]:
    return [round[row][key] for round in rounds if key in round.get(row, {})]


def _cell(rounds: List[Round], row: str, key: str, form: str) -> str:
    figures = figures_of(rounds, row, key)
    if not figures:
        return ""
    if key.endswith("_usec") and key != "cpu_usec":
        figures = [value / 1000 for value in figures]
    text = form.format(median(figures))
    if key == "rate" and len(figures) > 1:
        text += f" ({form.format(min(figures))}–{form.format(max(figures))})"
    return text


def _align(lines: List[List[str]]) -> List[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return ["| " + " | ".join(
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(line, widths))) + " |" for line in lines]


def table_of_rows(rounds: List[Round]) -> str:
    rows = rows_of(rounds)
    columns = [column for column in COLUMNS
               if any(figures_of(rounds, row, column[0]) for row in rows)]
    lines = [["row", *(heading for _, heading, _ in columns)]]
    for row in rows:
        lines.append([row, *(_cell(rounds, row, key, form) for key, _, form in columns)])
    return "\n".join(_align(lines))


def show(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}".strip() if value < 100 else f"{value:.0f} {unit}".strip()


def _mark(bar: Bar, value: Optional[float]) -> str:
    sign = "" if bar.more_is_better else "≤ "
    return "" if value is None else f"{sign}{value:g} {bar.unit}".strip()


def table_of_bars(verdicts: List[Verdict]) -> str:
    lines = [["bar", "at least", "aim", "measured", "lowest–highest", "by CPU", ""]]
    for verdict in verdicts:
        bar, by_cpu = verdict.bar, verdict.figures_by_cpu
        lines.append([bar.what, _mark(bar, bar.least), _mark(bar, bar.aim),
                      show(verdict.median, bar.unit),
                      f"{min(verdict.figures):.2f}–{max(verdict.figures):.2f}",
                      f"{median(by_cpu):.2f}" if by_cpu else "", verdict.word])
    return "\n".join(_align(lines))


def as_json(machine: Dict[str, str], command: str, rounds: List[Round],
            verdicts: List[Verdict], note: Optional[str] = None) -> Dict[str, object]:
    return {
        "machine": machine,
        "command": command,
        "note": note,
        "rounds": rounds,
        "bars": [{
            "what": verdict.bar.what,
            "unit": verdict.bar.unit,
            "at_least": verdict.bar.least,
            "aim": verdict.bar.aim,
            "more_is_better": verdict.bar.more_is_better,
            "median": verdict.median,
            "figures": verdict.figures,
            "figures_by_cpu": verdict.figures_by_cpu,
            "verdict": verdict.word,
        } for verdict in verdicts],
    }
