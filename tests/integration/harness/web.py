"""A web server on loopback that a test tells what to answer, and a mail server that keeps mails."""

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Dict, List, Optional, Tuple

from .tls import Certificate


class WebServer:
    """Answers every request with `status` and `body`, and notes what came."""

    def __init__(self, certificate: Optional[Certificate] = None) -> None:
        self.status = 200
        self.body = b""
        self.headers: Dict[str, str] = {}
        self.cut: Optional[int] = None  # so many bytes of the body, then the end
        self.requests: List[Tuple[str, str, Dict[str, str], bytes]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                owner.requests.append((self.command, self.path, dict(self.headers),
                                       self.rfile.read(length)))
                self.send_response(owner.status)
                for name, value in owner.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(owner.body)))
                self.end_headers()
                self.wfile.write(owner.body[:owner.cut])

            do_GET = do_PUT = do_POST = answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.url = f"https://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class MailServer:
    """As much of SMTP as a submission needs."""

    def __init__(self) -> None:
        self.mails: List[Tuple[List[str], str]] = []  # recipients, text
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        """Twice is legal. A mere close would leave it listening for as long as accept waits."""
        if self._sock.fileno() >= 0:
            self._sock.shutdown(socket.SHUT_RDWR)
            self._sock.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._sock.accept()
            except OSError:
                return
            with peer, peer.makefile("rwb") as stream:
                self._talk(stream)

    def _talk(self, stream) -> None:
        def say(text: str) -> None:
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        recipients: List[str] = []
        say("220 mail")
        for line in stream:
            verb = line[:4].upper()
            if verb == b"RCPT":
                recipients.append(line.decode().split("<")[1].split(">")[0])
            if verb == b"DATA":
                say("354 go on")
                lines = []
                for line in stream:
                    if line == b".\r\n":
                        break
                    lines.append(line.rstrip(b"\r\n"))
                self.mails.append((recipients, b"\n".join(lines).decode()))
            say("221 bye" if verb == b"QUIT" else "250 ok")
            if verb == b"QUIT":
                return
