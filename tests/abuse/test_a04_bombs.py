"""A4: heads, targets and bodies that are larger than anything a callback has. Refused or cut, and
memory stays where it was."""

import itertools
import threading
from collections import Counter
from typing import Callable, Dict, Iterator

from harness.callback import PATH, make_job
from harness.http import ConnectionEnded
from harness.process import status_kib
from kit.plan import count, note

AT_ONCE = 16

#: What 16 connections may take: 16 KiB each for the head, max_body each for the body, and as much
#: again for what malloc keeps.
GROWTH_KIB = 2 * AT_ONCE * (16 + 256)

MEGABYTE = b"x" * (1 << 20)


def pieces(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 65536):
        yield data[at:at + 65536]


def with_head(*lines: bytes, target: bytes = PATH.encode()) -> bytes:
    return b"".join(line + b"\r\n" for line in (b"POST " + target + b" HTTP/1.1", b"Host: x",
                                                *lines))


def endless_chunks(token: bytes) -> Iterator[bytes]:
    yield with_head(b"Authorization: Bearer " + token, b"SASHA-Request-ID: a",
                    b"SASHA-Request-Signature: " + b"0" * 64,
                    b"Transfer-Encoding: chunked") + b"\r\n"
    for _ in range(64):
        yield b"8000\r\n" + b"x" * 0x8000 + b"\r\n"


def bombs(token: bytes) -> Dict[str, Callable[[], Iterator[bytes]]]:
    large = make_job(fill="x" * 300_000)
    announced = with_head(b"Content-Length: %d" % len(large)) + b"\r\n"
    return {
        "one-header-of-1-MiB": lambda: pieces(with_head(b"X: " + MEGABYTE)),
        "one-name-of-1-MiB": lambda: pieces(with_head(MEGABYTE + b": x")),
        "10000-headers": lambda: pieces(with_head(*[b"X-%d: y" % i for i in range(10_000)],
                                                  b"Content-Length: 0") + b"\r\n"),
        "10000-hosts": lambda: pieces(with_head(*[b"Host: x"] * 10_000) + b"\r\n"),
        "token-of-1-MiB": lambda: pieces(with_head(b"Authorization: Bearer " + MEGABYTE) + b"\r\n"),
        "target-of-1-MiB": lambda: pieces(with_head(target=PATH.encode() + MEGABYTE) + b"\r\n"),
        "target-of-16-KiB": lambda: pieces(with_head(b"Content-Length: 0",
                                                     target=b"/" + MEGABYTE[:16384]) + b"\r\n"),
        "query-of-1-MiB": lambda: pieces(with_head(target=PATH.encode() + b"?a=" + MEGABYTE)),
        "method-of-1-MiB": lambda: pieces(MEGABYTE + b" / HTTP/1.1\r\nHost: x\r\n\r\n"),
        "no-line-end": lambda: pieces(MEGABYTE),
        "body-too-large": lambda: pieces(announced + large),
        "body-of-a-terabyte": lambda: iter([with_head(b"Content-Length: 1099511627776") + b"\r\n",
                                            MEGABYTE]),
        "endless-chunks": lambda: endless_chunks(token),
        "endless-extension": lambda: pieces(with_head(b"Transfer-Encoding: chunked") + b"\r\n5;" +
                                            MEGABYTE),
        "endless-trailer": lambda: pieces(with_head(b"Transfer-Encoding: chunked") +
                                          b"\r\n0\r\nX: " + MEGABYTE),
        "endless-chunk-size": lambda: pieces(with_head(b"Transfer-Encoding: chunked") + b"\r\n" +
                                             b"0" * (1 << 20)),
    }


def attack(daemon, stream: Iterator[bytes]) -> str:
    """The status of the answer, or "cut"."""
    with daemon.client(timeout=30) as client:
        try:
            for piece in stream:
                client.send(piece)
        except OSError:
            pass
        try:
            return str(client.read().status)
        except (ConnectionEnded, OSError, AssertionError, ValueError):
            return "cut"


def test_bombs(conf, daemon):
    total = count("A4")
    conf.server.update(header_timeout="2s", body_timeout="2s", idle_timeout="2s")
    conf.log["level"] = "info"
    daemon.start()
    kinds = bombs(conf.endpoint.tokens[0].encode())
    daemon.accept(make_job(fill="x" * 200_000))
    before = status_kib(daemon.pid, "VmHWM")
    numbers = itertools.count()
    answers: Dict[str, Counter] = {name: Counter() for name in kinds}

    def work() -> None:
        while (number := next(numbers)) < total:
            name = list(kinds)[number % len(kinds)]
            answers[name][attack(daemon, kinds[name]())] += 1
    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, found in answers.items():
        assert set(found) <= {"400", "401", "404", "413", "414", "431", "cut"}, (name, found)
    grown = status_kib(daemon.pid, "VmHWM") - before
    assert grown <= GROWTH_KIB, f"{grown} KiB"
    daemon.accept()
    summed = sum(answers.values(), Counter())
    assert sum(summed.values()) == total
    note("A4", f"{total} bombs of {len(kinds)} kinds, {AT_ONCE} at a time: "
         + ", ".join(f"{n} {status}" for status, n in sorted(summed.items()))
         + f"; memory grew by {grown} KiB (bound {GROWTH_KIB})", bombs=total, grown_kib=grown,
         answers={name: dict(found) for name, found in answers.items()})
