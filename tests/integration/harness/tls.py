"""A certificate of our own, and a client that trusts no other."""

import socket
import ssl
import subprocess
from pathlib import Path
from typing import List, Optional

from .http import Client
from .paths import SLOWNESS


class Certificate:
    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "certificate.pem"
        self.key = folder / "certificate.key"
        self.both = folder / "both.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=your-app.com",
             "-addext", "subjectAltName=DNS:your-app.com,DNS:localhost",
             "-keyout", str(self.key), "-out", str(self.certificate)],
            check=True, capture_output=True)
        self.both.write_text(self.certificate.read_text() + self.key.read_text())


class TlsClient(Client):
    """Talks HTTP/1.1 over TLS to a proxy on loopback that answers for your-app.com."""

    def __init__(self, port: int, certificate: Certificate, timeout: float = 10.0,
                 heard: Optional[List[bytes]] = None) -> None:
        super().__init__(f"127.0.0.1:{port}", timeout, heard)
        context = ssl.create_default_context(cafile=str(certificate.certificate))
        context.set_alpn_protocols(["http/1.1"])
        plain = self.sock
        try:
            self.sock = context.wrap_socket(plain, server_hostname="your-app.com")
        except (OSError, ssl.SSLError):
            plain.close()
            raise
        self.sock.settimeout(timeout * SLOWNESS)


def free_port() -> int:
    """A port that nobody has now, for programs that cannot choose one and tell."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
