"""A10: a flood of requests without a valid token. The log stays readable, and who has a token hardly
notices."""

import time
from collections import Counter
from typing import List

from harness.callback import PATH
from harness.http import Client
from kit.bystander import FORK, Bystander, check_unharmed
from kit.numbers import increase, outcomes
from kit.plan import count, note

#: Requests a second, over all senders. What a loaded machine falls short of is told in the note.
RATE = 5000
SENDERS = 2
CONNECTIONS = 4  # of each sender: so that every worker has its share
BATCH = 50


def kinds() -> List[bytes]:
    """Refusals that leave the connection open, each for another reason."""
    def message(line: str, *headers: str) -> bytes:
        return "\r\n".join([line, "Host: your-app.com", *headers, "Content-Length: 2", "", "{}"
                            ]).encode()
    return [
        message(f"POST {PATH} HTTP/1.1"),
        message(f"POST {PATH} HTTP/1.1", "Authorization: Bearer guessed"),
        message(f"POST {PATH} HTTP/1.1", "Authorization: Basic Z3Vlc3NlZA=="),
        message("POST /wp-login.php HTTP/1.1"),
        message(f"PUT {PATH} HTTP/1.1"),
    ]


def flood(address: str, seconds: float, answer) -> None:
    batch = b"".join(kinds()[i % len(kinds())] for i in range(BATCH))
    clients = [Client(address, 30) for _ in range(CONNECTIONS)]
    begin = time.monotonic()
    sent, statuses = 0, Counter()
    while (now := time.monotonic()) < begin + seconds:
        due = begin + sent / (RATE / SENDERS)
        if now < due:
            time.sleep(due - now)
        client = clients[sent // BATCH % CONNECTIONS]
        client.send(batch)
        for _ in range(BATCH):
            statuses[client.read().status] += 1
        sent += BATCH
    for client in clients:
        client.close()
    answer.send(statuses)


def test_flood(conf, daemon):
    seconds = count("A10")
    conf.log["level"] = "info"
    daemon.start()
    before_counts = outcomes(daemon)
    pipes, senders = [], []
    with Bystander(daemon) as bystander:
        start = time.monotonic()
        time.sleep(2.0)
        begun = time.monotonic()
        for _ in range(SENDERS):
            ours, theirs = FORK.Pipe(duplex=False)
            senders.append(FORK.Process(target=flood, args=(daemon.address, seconds, theirs),
                                        daemon=True))
            senders[-1].start()
            pipes.append(ours)
        statuses: Counter = Counter()
        for pipe, sender in zip(pipes, senders):
            assert pipe.poll(seconds + 60), "a sender died"
            statuses += pipe.recv()
            sender.join(10)
        end = time.monotonic()
    before, during = bystander.p99(start, begun), bystander.p99(begun, end)
    sent = sum(statuses.values())
    rate = sent / (end - begun)
    assert set(statuses) == {401, 404, 405}, statuses
    assert bystander.count(202) == len(bystander.tries)
    grown = increase(before_counts, outcomes(daemon))
    assert sum(n for reason, n in grown.items() if reason != "accepted") == sent

    lines = daemon.events("request-refused")
    reasons = Counter(line["reason"] for line in lines)
    assert set(reasons) == set(grown) - {"accepted"}
    for reason, n in reasons.items():
        assert n <= (end - begun) + 2, f"{n} lines about {reason} in {end - begun:.1f} s"
    # A line is about one request and those left out before it, or, without a peer, about those only.
    told = sum(int(line.get("left_out", 0)) + ("peer" in line) for line in lines)
    assert told <= sent
    check_unharmed(before, during)
    note("A10", f"{sent} unauthenticated requests in {end - begun:.1f} s ({rate:.0f}/s): "
         f"{len(lines)} lines of log for {len(reasons)} reasons; signed p99 {before * 1000:.1f} ms "
         f"before, {during * 1000:.1f} ms meanwhile", requests=sent, rate=rate, lines=len(lines),
         p99_before_ms=before * 1000, p99_ms=during * 1000)
