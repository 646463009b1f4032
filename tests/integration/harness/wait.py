"""Waiting for something to become true, with a deadline. The only place that sleeps."""

import time
from typing import Callable, Optional, TypeVar

from .paths import SLOWNESS

T = TypeVar("T")


def wait_until(check: Callable[[], T], what: str, seconds: float = 10.0,
               interval: float = 0.005) -> T:
    """Polls `check` until it returns something true, and returns that."""
    deadline = time.monotonic() + seconds * SLOWNESS
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds * SLOWNESS:g} s in vain: {what}")
        time.sleep(interval)


def holds_for(check: Callable[[], object], seconds: float, what: str,
              interval: float = 0.02) -> None:
    """Asserts that `check` stays true for a while: for things that must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert check(), what
        time.sleep(interval)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._start


def first(items, match: Callable[[T], bool]) -> Optional[T]:
    """The first item that matches, or None."""
    return next((item for item in items if match(item)), None)


def pause(seconds: float) -> None:
    """Lets time pass: only for faults that strike at a moment of their own, never to wait for
    something that could be asked for."""
    time.sleep(seconds)
