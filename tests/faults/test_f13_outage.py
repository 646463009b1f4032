"""F13: three sinks are out for a while, all at once: a syslog that nobody listens to, a file whose
folder is gone, a hook that cannot do its work. The fourth is not disturbed; when they are back each
gets all that it missed, once and in order, and nothing died."""

from harness.sinks import SyslogServer, read_ids
from harness.stored import HEAD, query
from harness.wait import Stopwatch, pause, wait_until
from lab import ledger
from lab.plan import count, note
from lab.verdict import wait_until_drained

#: The healthy sink may be this many deliveries behind, at any moment of the outage.
BEHIND_MAX = 200

RATE = 100


def pending(rig, sink):
    return query(rig.conf.store["path"], f"""
        SELECT head - frontier
             + (SELECT count(*) FROM progress WHERE sink = sinks.id AND state = 0)
        FROM sinks, {HEAD} WHERE name = ?""", sink)[0][0]


def test_outage(rig):
    seconds = count("F13")
    out = rig.folder / "out"
    back = rig.folder / "back"  # the hook works when this is there
    script = rig.folder / "hook"
    script.write_text(script.read_text().replace("\n", f"\n[ -e {back} ] || exit 75\n", 1))
    server = SyslogServer(f"local:{rig.folder}/syslog")
    server.close()
    patience = {"retry_first": "50ms", "retry_max": "1s", "retry_attempts": 10_000}
    rig.conf.syslog_sink("far", server.target, format="json", **patience)
    rig.conf.file_sink("second", **{**patience, "path": str(out / "second.jsonl")})
    rig.conf.sinks["hook"] |= patience
    out.mkdir()
    rig.daemon.start()
    out.rename(rig.folder / "gone")

    load = rig.load(rate=RATE, seconds=seconds)
    load.wait_promised(1)
    watch, most = Stopwatch(), 0
    while watch.seconds() < seconds - 1:
        pause(0.2)
        most = max(most, pending(rig, "archive"))
        assert most < BEHIND_MAX, "the healthy sink is held up"
    summary = load.join()
    missed = {sink: pending(rig, sink) for sink in ("far", "second", "hook")}
    assert missed["far"] == missed["second"] == summary["promised"] and missed["hook"] > 0

    server.listen()
    (rig.folder / "gone").rename(out)
    back.touch()
    watch = Stopwatch()
    assert wait_until_drained(rig.conf.store["path"], 180), "they did not drain"
    drained = watch.seconds()
    figures = rig.check(more=["--jsonl", f"second={out}/second.jsonl"])
    promised = ledger.read(rig.ledger).promised()
    wait_until(lambda: all(id in server.text() for id in promised), "every delivery in syslog")
    server.close()
    assert read_ids(out / "second.jsonl") == read_ids(rig.conf.archive), "the same order"
    note("F13", f"{seconds} s without syslog, folder and hook: {sum(missed.values())} deliveries "
                f"made up in {drained:.1f} s, {figures['lost']} lost, the healthy sink at most "
                f"{most} behind", seconds=seconds, missed=missed, drained=round(drained, 1),
         behind=most, **figures)
