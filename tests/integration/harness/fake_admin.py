"""A daemon's admin API without a daemon: what sasha-callbackctl says to it, and how it takes answers
that a real one gives rarely or never."""

import json
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

SINK = {"name": "publish", "type": "exec", "accepted": 12, "filtered": 2, "delivered": 6, "dead": 3,
        "dropped": 0, "pending": 2, "running": 1, "paused": False, "breaker_open": False,
        "oldest_pending_at": None, "last_error": None}


def make_delivery(seq: int, **fields: object) -> dict:
    delivery = {"seq": seq, "received_at": "2026-11-22T07:15:38.123456Z",
                "updated_at": "2026-11-22T07:15:37Z", "endpoint": "main",
                "request_id": f"request-{seq}", "secret": "current", "job_id": f"job-{seq}",
                "type": "embed-signature", "status": "completed", "stale": False,
                "unverified": None, "bytes": 100}
    delivery.update(fields)
    return delivery


class FakeAdmin:
    """Serves the deliveries 1 to `count`, all of them dead for every sink, until stopped."""

    def __init__(self, path: Path, count: int = 5) -> None:
        self.path = path
        self.count = count
        self.fields: Dict[int, dict] = {}  # what differs, by seq
        self.shown: Dict[int, dict] = {}  # what show adds, by seq
        self.sinks = [dict(SINK)]
        self.status: dict = {}  # what differs
        self.stats: dict = {"since": "2026-11-22T07:00:00Z", "until": "2026-11-22T08:00:00Z",
                            "buckets": [], "sinks": []}
        self.backup: dict = {"state": "running", "bytes": 8192, "bytes_done": 4096, "file": None,
                             "started_at": "2026-11-22T08:00:00Z", "ended_at": None, "error": None}
        self.room: Callable[[], int] = lambda: 1000  # how many an action takes
        self.override: Optional[Tuple[int, bytes]] = None  # for every request
        self.requests: List[Tuple[str, Dict[str, str]]] = []  # GETs: path, query
        self.actions: List[Tuple[str, dict]] = []  # POSTs: path, body
        self.done: List[int] = []

    def seqs(self) -> List[int]:
        return [seq for _, body in self.actions for seq in body.get("seqs", [])]

    def start(self) -> "FakeAdmin":
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                fake.connections.append(self.connection)

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *arguments: object) -> None:
                pass

            def answer(self, status: int, what: object) -> None:
                body = what if isinstance(what, bytes) else \
                    json.dumps(what, ensure_ascii=False).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                fake.requests.append((parts.path, query))
                self.answer(*(fake.override or fake.get(parts.path, query)))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.actions.append((self.path, body))
                self.answer(*(fake.override or fake.act(self.path, body)))

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.connections: List[socket.socket] = []
        self.path.unlink(missing_ok=True)
        self.server = Server(str(self.path), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.path.unlink(missing_ok=True)

    def delivery(self, seq: int) -> dict:
        return make_delivery(seq, **self.fields.get(seq, {}))

    def get(self, path: str, query: Dict[str, str]) -> Tuple[int, object]:
        if path == "/v1/status":
            return 200, self.make_status()
        if path == "/v1/stats":
            return 200, self.stats
        if path == "/v1/deliveries":
            return 200, self.page(query)
        if path == "/v1/backup":
            return 200, self.backup
        seq = path.rsplit("/", 1)[1]
        if path.startswith("/v1/deliveries/") and 1 <= int(seq) <= self.count:
            extra = {"job": {"job_id": f"job-{seq}"}, "sinks": [], "tries": [], "conflicts": []}
            return 200, {**self.delivery(int(seq)), **extra, **self.shown.get(int(seq), {})}
        return 404, {"message": f"there is no {path}"}

    def page(self, query: Dict[str, str]) -> dict:
        limit, start = int(query.get("limit", 100)), int(query.get("from", 0))
        if query.get("order") == "oldest":
            seqs = range(start + 1, min(self.count, start + limit) + 1)
        else:
            first = start - 1 if start else self.count
            seqs = range(first, max(0, first - limit), -1)
        ended = not seqs or seqs[-1] == (self.count if query.get("order") == "oldest" else 1)
        return {"deliveries": [self.delivery(seq) for seq in seqs
                               if query.get("job") in (None, f"job-{seq}")],
                "next": None if ended else seqs[-1]}

    def act(self, path: str, body: dict) -> Tuple[int, object]:
        if path == "/v1/prune":
            return 200, {"status": "ok", "deliveries": 2, "ids": 1, "more": len(self.actions) < 3}
        if path == "/v1/backup/start":
            self.backup["file"] = body["file"]
        if path == "/v1/backup/cancel":
            self.backup.update(state="cancelled", error="cancelled")
        if path.startswith("/v1/backup"):
            return 200, self.backup
        if "seqs" not in body:
            return 200, {"status": "ok"}
        known = [sink["name"] for sink in self.sinks]
        if body["sink"] not in known:
            return 404, {"message": f"there is no sink \"{body['sink']}\""}
        taken = body["seqs"][:self.room()]
        done = [seq for seq in taken if seq <= self.count]
        self.done += done
        return 200, {"done": len(done), "skipped": len(taken) - len(done),
                     "busy": len(body["seqs"]) - len(taken)}

    def make_status(self) -> dict:
        status = {
            "version": "0.1.0", "pid": 7, "started_at": "2026-11-22T04:00:00Z",
            "now": "2026-11-22T08:00:00Z", "config": "/etc/x.conf", "ready": True, "reasons": [],
            "intake": {"listen": ["127.0.0.1:8480"], "connections": 3, "max_connections": 1024,
                       "accepted_connections": 9, "refused_connections": 0,
                       "unrouted": {"framing": 0, "path": 2}},
            "recent": [{"minutes": 5, "accepted": 10, "duplicate": 1, "refused": 0,
                        "commit_ms_p50": 0.9, "commit_ms_p99": 4.0},
                       {"minutes": 60, "accepted": 60, "duplicate": 1, "refused": 3,
                        "commit_ms_p50": None, "commit_ms_p99": None}],
            "endpoints": [{
                "name": "main", "public_url": "https://x/", "verify": "enforce",
                "outcomes": {"accepted": 10, "duplicate": 1, "conflict": 0, "token-wrong": 3},
                "unverified": 0, "last_valid_at": "2026-11-22T07:55:00Z",
                "tokens": [{"number": 1, "source": "credential:partner-token", "used": 10,
                            "last_used_at": "2026-11-22T07:55:00Z"}],
                "secrets": [{"name": "current", "id": None, "used": 0, "last_used_at": None}]}],
            "store": {"path": "/var/x.db", "head": self.count, "deliveries": self.count,
                      "ids": self.count, "bytes": 12345678, "wal_bytes": 1, "disk_free": 1 << 34,
                      "reserve": 48 << 20, "below_floor": False, "disk_full": False,
                      "commits": 9, "commit_ms": 1.25},
            "sinks": self.sinks}
        status.update(self.status)
        return status
