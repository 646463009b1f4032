"""F1: SIGKILL at a random moment under load, again and again on the same store.

One kill in five strikes while the daemon still starts, that is, while it heals from the kill
before. The load goes on all the time; what got no answer is partly sent again. In the end nothing
that was acknowledged is lost, and each start was ready within two seconds."""

import random

from harness.paths import SLOWNESS
from harness.wait import Stopwatch, pause
from lab.plan import count, note

#: Seconds that the daemon may live: while it starts, and once it is ready.
START_LIFE = 0.1
READY_LIFE = 0.4

READY_LIMIT = 2.0


def kill_while_starting(daemon, chance):
    daemon.spawn()
    pause(chance.uniform(0, START_LIFE))
    daemon.kill()


def kill_while_ready(daemon, chance):
    """Returns how long it took to be ready."""
    watch = Stopwatch()
    daemon.start()
    seconds = watch.seconds()
    pause(chance.uniform(0, READY_LIFE))
    daemon.kill()
    return seconds


def test_sigkill(rig):
    kills = count("F1")
    chance = random.Random(kills)
    slowest = 0.0
    load = rig.load(rate=300)
    for _ in range(kills):
        if chance.random() < 0.2:
            kill_while_starting(rig.daemon, chance)
        else:
            slowest = max(slowest, kill_while_ready(rig.daemon, chance))
    watch = Stopwatch()
    rig.daemon.start()
    slowest = max(slowest, watch.seconds())
    load.wait_promised(100)
    summary = load.stop()
    figures = rig.check()
    assert figures["promised"] > kills, "hardly any load: the kills struck an idle daemon"
    assert summary["unavailable"] == 0, "a crash is no reason for a 503"
    note("F1", f"{kills} kills, {figures['promised']} acknowledged, {figures['lost']} lost, "
               f"ready again max {slowest:.2f} s",
         kills=kills, ready_max=round(slowest, 3), load=summary, **figures)
    assert slowest <= READY_LIMIT * SLOWNESS
