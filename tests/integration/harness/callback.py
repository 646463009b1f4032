"""A callback as SASHA makes it: secrets, the signature, the Job, the headers.

Written from SASHA's published contract with Python's own hmac, so that it can disagree with the C
code."""

import base64
import hashlib
import hmac
import itertools
import json
import os
import uuid
from dataclasses import dataclass
from typing import List, Optional, Tuple

Header = Tuple[str, str]

PUBLIC_URL = "https://your-app.com/callbacks/sasha-job-update"
PATH = "/callbacks/sasha-job-update"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Secret:
    """A Callback Secret: what the operator was given, and the key that it stands for."""

    name: str
    text: str
    key: bytes
    id: Optional[str] = None

    @staticmethod
    def base64(name: str = "current", id: Optional[str] = None) -> "Secret":
        key = os.urandom(32)
        return Secret(name, base64.b64encode(key).decode(), key, id)

    @staticmethod
    def hex(name: str = "current", id: Optional[str] = None) -> "Secret":
        key = os.urandom(32)
        return Secret(name, key.hex(), key, id)

    def forms(self) -> List[bytes]:
        """Every way in which the secret could leak."""
        return [self.text.encode(), self.key, self.key.hex().encode(),
                self.key.hex().upper().encode(), base64.b64encode(self.key)]


def new_token() -> str:
    return "canary-token-" + os.urandom(16).hex()


def new_request_id() -> str:
    return str(uuid.uuid4())


def sign(key: bytes, request_id: str, body: bytes, url: str = PUBLIC_URL,
         method: str = "POST") -> str:
    text = method.encode() + url.encode() + request_id.encode("latin-1") + body
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def make_job(job_id: Optional[str] = None, status: str = "completed",
             type: str = "embed-signature", **more: object) -> bytes:
    """The body of a callback. `more` overrides or adds fields; ... (Ellipsis) leaves one out."""
    job = {
        "job_id": job_id if job_id is not None else f"job-{next(_numbers)}",
        "type": type,
        "status": status,
        "created_at": "2025-01-01T00:00:00Z",
        "updated_at": "2025-01-01T00:00:00Z",
    }
    job.update(more)
    return json.dumps({k: v for k, v in job.items() if v is not Ellipsis},
                      separators=(",", ":")).encode()


@dataclass
class Callback:
    """One callback, ready to be sent, and to be spoilt by a test before that."""

    body: bytes
    request_id: str
    headers: List[Header]
    target: str = PATH
    method: str = "POST"

    def set(self, name: str, *values: str) -> "Callback":
        """Replaces a header by none, one or several of its name."""
        self.headers = [h for h in self.headers if h[0].lower() != name.lower()]
        self.headers += [(name, value) for value in values]
        return self

    def get(self, name: str) -> str:
        return next(value for n, value in self.headers if n.lower() == name.lower())

    def wire(self, keep_alive: bool = True) -> bytes:
        head = [f"{self.method} {self.target} HTTP/1.1"]
        head += [f"{name}: {value}" for name, value in self.headers]
        if not keep_alive:
            head.append("Connection: close")
        return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + self.body


def make_callback(secret: Secret, token: Optional[str], body: Optional[bytes] = None,
                  request_id: Optional[str] = None, url: str = PUBLIC_URL,
                  target: str = PATH, send_id: Optional[bool] = None) -> Callback:
    """A correct callback. The secret's id is sent when it has one, unless told otherwise."""
    body = make_job() if body is None else body
    request_id = new_request_id() if request_id is None else request_id
    headers = [
        ("Host", "your-app.com"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("SASHA-Request-ID", request_id),
        ("SASHA-Request-Signature", sign(secret.key, request_id, body, url)),
    ]
    if token is not None:
        headers.append(("Authorization", f"Bearer {token}"))
    if secret.id is not None and send_id is not False:
        headers.append(("SASHA-Callback-Secret-ID", secret.id))
    return Callback(body, request_id, headers, target)
