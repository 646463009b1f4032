"""What the daemon counts, as its metrics say."""

import re
from typing import Dict

from harness.daemon import Daemon
from harness.http import Client

ROW = re.compile(r'^sasha_callbacks_total\{[^}]*outcome="([a-z-]+)"[^}]*\} (\d+)$', re.M)


def get(daemon: Daemon, target: str) -> bytes:
    """The body of an answer of the admin socket."""
    with Client(f"unix:{daemon.folder}/admin.sock", heard=daemon.heard) as client:
        response = client.exchange(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert response.status == 200, response
        return response.body


def outcomes(daemon: Daemon) -> Dict[str, int]:
    """Requests by reason, over all endpoints; what is 0 is left out."""
    found: Dict[str, int] = {}
    rows = ROW.findall(get(daemon, "/metrics").decode())
    assert rows, "no such metric (any more)"
    for reason, number in rows:
        if int(number) > 0:
            found[reason] = found.get(reason, 0) + int(number)
    return found


def increase(before: Dict[str, int], after: Dict[str, int]) -> Dict[str, int]:
    return {reason: number - before.get(reason, 0) for reason, number in after.items()
            if number > before.get(reason, 0)}
