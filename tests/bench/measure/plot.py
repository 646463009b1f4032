"""The plot: rates side by side, and how far each bar is reached. SVG, written by hand."""

from html import escape
from statistics import median
from typing import Dict, List, Sequence, Tuple

from .bars import Round, Verdict
from .report import figures_of, show

WIDTH, LEFT, RIGHT = 880, 290, 150
LINE, BAR = 24, 14
PLOT = WIDTH - LEFT - RIGHT

INK, FAINT, OURS, OTHERS = "#1a1a1a", "#8a8a8a", "#2f6f9f", "#b9b9b9"
COLOURS = {"aim": "#2e7d4f", "met": "#7aa329", "NOT MET": "#b3402e"}

#: Rows that are not the daemon: what it stands on, and what it is compared with.
NOT_OURS = {"floor", "verify", "peer", "peer-exec", "floor-256", "verify-256", "peer-256",
            "spawn", "peer-mark", "peer-mark-wait"}

#: Rows at fixed rates have nothing to show here.
FIXED = {"latency-1000", "latency-5000", "hook-start"}
HOOKS = ["spawn", "hooks-true", "hooks-mark", "peer-mark", "peer-mark-wait"]


class Page:
    def __init__(self) -> None:
        self.parts: List[str] = []
        self.y = 0.0

    def text(self, x: float, y: float, text: str, anchor: str = "start", fill: str = INK,
             size: int = 12, weight: str = "normal") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
                          f'font-size="{size}" font-weight="{weight}">{escape(text)}</text>')

    def rect(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
                          f'height="{height:.1f}" fill="{fill}"/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, stroke: str = INK) -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{stroke}"/>')

    def heading(self, title: str, note: str) -> None:
        self.y += 34
        self.text(16, self.y, title, size=14, weight="bold")
        self.text(WIDTH - 16, self.y, note, "end", FAINT, 11)
        self.y += 10

    def finish(self) -> str:
        height = self.y + 16
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
                f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif">\n'
                f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def _rates(page: Page, rounds: Sequence[Round], rows: Sequence[str], title: str) -> None:
    found = [(row, figures_of(rounds, row, "rate")) for row in rows]
    found = [(row, figures) for row, figures in found if figures]
    if not found:
        return
    page.heading(title, "median; the line is lowest to highest")
    scale = PLOT / max(max(figures) for _, figures in found)
    for row, figures in found:
        middle = page.y + LINE / 2
        page.text(LEFT - 10, middle + 4, row, "end")
        page.rect(LEFT, middle - BAR / 2, median(figures) * scale, BAR,
                  OTHERS if row in NOT_OURS else OURS)
        page.line(LEFT + min(figures) * scale, middle, LEFT + max(figures) * scale, middle)
        page.text(LEFT + max(figures) * scale + 8, middle + 4, f"{median(figures):,.0f}")
        page.y += LINE


#: Where "at least" stands on the scale of the bars, and where the scale ends.
MARK_SHARE, SCALE_END = 0.5, 2.0


def _place(verdict: Verdict, value: float) -> float:
    """How many times as good as "at least" it is, as a place on the scale."""
    least = verdict.bar.least
    times = value / least if verdict.bar.more_is_better else least / max(value, least / 1e6)
    return LEFT + min(times, SCALE_END) * MARK_SHARE * PLOT


def _bars(page: Page, verdicts: Sequence[Verdict]) -> None:
    verdicts = [verdict for verdict in verdicts if verdict.bar.least is not None]
    if not verdicts:
        return
    page.heading("Bars", "as times “at least” (thick line); aim: thin line; longer is better")
    top = page.y
    for verdict in verdicts:
        middle = page.y + LINE / 2
        page.text(LEFT - 10, middle + 4, verdict.bar.what, "end")
        page.rect(LEFT, middle - BAR / 2, _place(verdict, verdict.median) - LEFT, BAR,
                  COLOURS[verdict.word])
        aim = _place(verdict, verdict.bar.aim)
        page.line(aim, middle - BAR / 2 - 2, aim, middle + BAR / 2 + 2)
        page.text(WIDTH - RIGHT + 8, middle + 4,
                  f"{show(verdict.median, verdict.bar.unit)}  {verdict.word}")
        page.y += LINE
    page.rect(LEFT + MARK_SHARE * PLOT - 1, top, 2, page.y - top, INK)


def draw(machine: Dict[str, str], rounds: Sequence[Round], verdicts: Sequence[Verdict],
         rows: Sequence[str]) -> str:
    page = Page()
    page.y = 28
    page.text(16, page.y, "sasha-callbackd", size=17, weight="bold")
    page.text(WIDTH - 16, page.y, f"{machine['date']} · {machine['commit']}", "end", FAINT, 11)
    page.y += 18
    page.text(16, page.y, f"{machine['cpu']} · {machine['disk']} · Linux {machine['kernel']} · "
              f"{len(rounds)} rounds", fill=FAINT, size=11)
    answers = [row for row in rows if row not in FIXED and row not in HOOKS]
    panels: List[Tuple[List[str], str]] = [(answers, "Answers a second"),
                                           (HOOKS, "Completed hooks a second")]
    for names, title in panels:
        _rates(page, rounds, names, title)
    _bars(page, verdicts)
    return page.finish()
