"""Deliveries by hand, one at a time over a connection of its own each: for faults where it matters
what exactly was going on. The same ledger and the same verdict as the oracle's."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from harness.callback import make_job, new_request_id
from harness.http import Client, ConnectionEnded, Response

from . import ledger, verdict
from .sender import Target


@dataclass
class Delivery:
    id: str
    body: bytes
    wire: bytes
    status: Optional[int] = None  # of the last answer


class Hand:
    """`refusals`: statuses that are as good as a 503 for the fault at hand."""

    def __init__(self, target: Path, path: Path, refusals: Tuple[int, ...] = ()) -> None:
        fields = json.loads(target.read_text())
        self._target = Target(**{**fields, "key": bytes.fromhex(fields["key"])})
        self._path = path
        self._refusals = refusals
        self._ledger = ledger.Ledger(path)
        self.deliveries: List[Delivery] = []

    def make(self, size: int = 100, job: str = "job", status: str = "completed") -> Delivery:
        id = new_request_id()
        body = make_job(job, status, note=id, fill="x" * size)
        self._ledger.note("sent", id, hashlib.sha256(body).hexdigest(), status, job)
        self.deliveries.append(Delivery(id, body, self._target.wire(id, body)))
        return self.deliveries[-1]

    def send(self, delivery: Delivery, timeout: float = 15.0) -> Optional[Response]:
        """The answer, noted; None when there was no whole one."""
        try:
            with Client(self._target.address, timeout) as client:
                response = client.exchange(delivery.wire)
        except (OSError, ConnectionEnded):
            self._ledger.note("lost", delivery.id)
            return None
        delivery.status = response.status
        if response.status in (200, 202):
            self._ledger.note("promised", delivery.id, response.status)
        elif response.status in self._refusals or \
                (response.status == 503 and "retry-after" in response.headers):
            self._ledger.note("unavailable", delivery.id)
        else:
            self._ledger.note("wrong", delivery.id, response.status)
        return response

    def deliver(self, **how: object) -> Optional[int]:
        """A new one; its status, or None."""
        response = self.send(self.make(**how))
        return response.status if response else None

    def send_again(self) -> None:
        """What was not promised, once more, as SASHA would; it must be accepted."""
        for delivery in self.deliveries:
            if delivery.status not in (200, 202):
                response = self.send(delivery)
                assert response and response.status in (200, 202), (delivery.id, response)

    def judge(self, store: Path, sinks: List[verdict.Sink],
              deadline: float = 30.0) -> Dict[str, object]:
        report = verdict.judge(ledger.read(self._path), sinks, store, deadline)
        assert not report.failures, (report.failures, report.figures)
        return report.figures

    def close(self) -> None:
        self._ledger.close()
