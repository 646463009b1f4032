"""F10: the clock is set, by an hour or a year, forth or back, while deliveries come in and a hook that
cannot do its work waits for its next try.

Nothing is lost and nothing pruned; the hook is neither tried in a storm nor forgotten until the
clock is there again, not even after a restart; and all of it once more when the clock is set
right."""

import pytest
from harness.wait import pause
from lab.plan import count, note
from lab.shim import Shim
from lab.verdict import wait_until_drained

HOUR, DAY, YEAR = 3600, 86400, 365 * 86400
STEPS = {"+1 year": YEAR, "-1 year": -YEAR, "+1 hour": HOUR, "-1 hour": -HOUR, "+1 day": DAY,
         "-1 day": -DAY}

#: Seconds in which tries are counted.
WINDOW = 2.0

#: Jobs, of each of which one notification at a time is tried, every quarter of a second or, by
#: jitter, twice as often.
JOBS = 5
STORM = JOBS * (WINDOW / 0.125 + 2)


def tries_in_window(path):
    def tries():
        return path.read_text().count("\n") if path.exists() else 0
    before = tries()
    pause(WINDOW)
    return tries() - before


@pytest.mark.parametrize("step", list(STEPS)[:count("F10")])
def test_step(rig, step):
    works = rig.folder / "works"
    tried = rig.folder / "tried"
    script = rig.folder / "hook"
    script.write_text(script.read_text().replace(
        "\n", f"\necho >>{tried}\n[ -e {works} ] || exit 75\n", 1))
    rig.conf.sinks["hook"] |= {"retry_first": "100ms", "retry_max": "250ms",
                               "retry_attempts": 10_000, "breaker": 0}
    shim = Shim(rig.folder / "shim").preload(rig.daemon)
    rig.daemon.start()
    load = rig.load(rate=100, jobs=JOBS)
    load.wait_promised(100)
    windows = {"before": tries_in_window(tried)}
    shim.set_clock(STEPS[step])
    windows["after"] = tries_in_window(tried)
    rig.daemon.restart()
    windows["restarted"] = tries_in_window(tried)
    shim.set_clock(0)
    windows["set right"] = tries_in_window(tried)
    rig.daemon.restart()
    windows["restarted again"] = tries_in_window(tried)
    works.touch()
    load.wait_promised(100)
    summary = load.stop()
    assert wait_until_drained(rig.conf.store["path"], 60), "a delivery waits for another time"
    figures = rig.check()
    told = ", ".join(f"{n} {when}" for when, n in windows.items())
    note("F10", f"{step}: {figures['promised']} acknowledged, {figures['lost']} lost; tries of a "
                f"failing hook in {WINDOW:g} s: {told}",
         step=step, windows=windows, load=summary, **figures)
    for when, tries in windows.items():
        assert 0 < tries < STORM, when
