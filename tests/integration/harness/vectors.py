"""Messages that could be read in two ways, and such as only look it.

A vector is the beginning of what a client sends; a complete, correctly signed callback follows it.
Where the vector is not beyond doubt that callback must never be served: it would be a second request
out of one message."""

from typing import Dict, List, Tuple

from .callback import PATH

HOST = b"Host: your-app.com\r\n"


def head(*lines: bytes, target: str = PATH, version: bytes = b"HTTP/1.1") -> bytes:
    """A request line, a Host, and these header lines, without the empty line."""
    return b"POST " + target.encode() + b" " + version + b"\r\n" + HOST + b"".join(
        line + b"\r\n" for line in lines)


#: Lines of the head in place of Content-Length; the body is "hello".
LENGTHS: Dict[str, List[bytes]] = {
    "two-lengths": [b"Content-Length: 5", b"Content-Length: 0"],
    "two-equal-lengths": [b"Content-Length: 5", b"Content-Length: 5"],
    "two-lengths-zero-first": [b"Content-Length: 0", b"Content-Length: 5"],
    "two-lengths-in-two-cases": [b"Content-Length: 5", b"content-length: 6"],
    "length-list": [b"Content-Length: 5, 5"],
    "length-list-without-space": [b"Content-Length: 5,5"],
    "length-list-of-two": [b"Content-Length: 5, 6"],
    "length-list-open": [b"Content-Length: 5,"],
    "length-plus": [b"Content-Length: +5"],
    "length-minus": [b"Content-Length: -5"],
    "length-minus-zero": [b"Content-Length: -0"],
    "length-hex": [b"Content-Length: 0x5"],
    "length-octal-prefix": [b"Content-Length: 0o5"],
    "length-exponent": [b"Content-Length: 5e0"],
    "length-fraction": [b"Content-Length: 5.0"],
    "length-underscore": [b"Content-Length: 0_5"],
    "length-empty": [b"Content-Length:"],
    "length-blank": [b"Content-Length:  \t "],
    "length-text": [b"Content-Length: five"],
    "length-quoted": [b'Content-Length: "5"'],
    "length-with-space": [b"Content-Length: 5 5"],
    "length-with-tab": [b"Content-Length: 5\t5"],
    "length-with-parameter": [b"Content-Length: 5; x=y"],
    "length-with-vertical-tab": [b"Content-Length: \x0b5"],
    "length-with-form-feed": [b"Content-Length: 5\x0c"],
    "length-with-nul": [b"Content-Length: 5\x00"],
    "length-with-no-break-space": [b"Content-Length: \xa05"],
    "length-fullwidth-digit": ["Content-Length: \uff15".encode()],
    "length-19-digits": [b"Content-Length: 1844674407370955162"],
    "length-many-zeros": [b"Content-Length: 00000000000000000000000000000005"],
    "length-overflow": [b"Content-Length: 18446744073709551621"],
    "length-overflow-32-bits": [b"Content-Length: 4294967301"],
    "space-before-colon": [b"Content-Length : 5"],
    "tab-before-colon": [b"Content-Length\t: 5"],
    "length-and-encoding": [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
    "encoding-and-length": [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
    "encoding-and-length-zero": [b"Transfer-Encoding: chunked", b"Content-Length: 0"],
    "encoding-gzip-chunked": [b"Transfer-Encoding: gzip, chunked"],
    "encoding-chunked-gzip": [b"Transfer-Encoding: chunked, gzip"],
    "encoding-gzip-then-chunked": [b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"],
    "encoding-xchunked": [b"Transfer-Encoding: xchunked"],
    "encoding-chunkedx": [b"Transfer-Encoding: chunkedx"],
    "encoding-chunked-parameter": [b"Transfer-Encoding: chunked;q=1"],
    "encoding-chunked-comma": [b"Transfer-Encoding: chunked,"],
    "encoding-comma-chunked": [b"Transfer-Encoding: ,chunked"],
    "encoding-chunked-twice": [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
    "encoding-chunked-and-other": [b"Transfer-Encoding: chunked", b"Transfer-Encoding: cow"],
    "encoding-other-and-chunked": [b"Transfer-Encoding: cow", b"Transfer-Encoding: chunked"],
    "encoding-list-twice": [b"Transfer-Encoding: chunked, chunked"],
    "encoding-identity": [b"Transfer-Encoding: identity"],
    "encoding-empty": [b"Transfer-Encoding:"],
    "encoding-quoted": [b'Transfer-Encoding: "chunked"'],
    "encoding-with-vertical-tab": [b"Transfer-Encoding: \x0bchunked"],
    "encoding-with-nul": [b"Transfer-Encoding: chunked\x00"],
    "encoding-with-cr": [b"Transfer-Encoding: \rchunked"],
    "encoding-space-before-colon": [b"Transfer-Encoding : chunked"],
    "encoding-underscore": [b"Transfer_Encoding: chunked"],
    "encoding-long-s": ["Transfer-Encoding: \u017fchunked".encode()],
    "encoding-folded": [b"Transfer-Encoding:", b" chunked"],
    "encoding-after-folded": [b"X: y", b" Transfer-Encoding: chunked"],
    "encoding-with-length-after-cr": [b"X: y\rTransfer-Encoding: chunked"],
    "encoding-with-length-after-lf": [b"X: y\nTransfer-Encoding: chunked", b"Content-Length: 5"],
    "neither": [],
}

HEADERS: Dict[str, List[bytes]] = {
    "folded": [b"X-A: a", b" b", b"Content-Length: 5"],
    "folded-with-tab": [b"X-A: a", b"\tb", b"Content-Length: 5"],
    "folded-first": [b" X-A: a", b"Content-Length: 5"],
    "folded-length": [b"Content-Length:", b" 5"],
    "folded-empty": [b"X-A: a", b" ", b"Content-Length: 5"],
    "name-with-space": [b"X A: a", b"Content-Length: 5"],
    "name-with-parenthesis": [b"X(A): a", b"Content-Length: 5"],
    "name-with-slash": [b"X/A: a", b"Content-Length: 5"],
    "name-with-quote": [b'X"A: a', b"Content-Length: 5"],
    "name-with-brace": [b"X{A: a", b"Content-Length: 5"],
    "name-with-escape": [b"X\x1bA: a", b"Content-Length: 5"],
    "name-not-ascii": [b"X-\xc3\xa9: a", b"Content-Length: 5"],
    "name-with-nul": [b"X\0A: a", b"Content-Length: 5"],
    "name-empty": [b": a", b"Content-Length: 5"],
    "no-colon": [b"XA", b"Content-Length: 5"],
    "cr-in-value": [b"X-A: a\rb", b"Content-Length: 5"],
    "cr-at-end-of-value": [b"X-A: a\r", b"Content-Length: 5"],
    "nul-in-value": [b"X-A: a\0b", b"Content-Length: 5"],
    "escape-in-value": [b"X-A: \x1b[31m", b"Content-Length: 5"],
    "bell-in-value": [b"X-A: \x07", b"Content-Length: 5"],
    "del-in-value": [b"X-A: a\x7fb", b"Content-Length: 5"],
    "lf-ends-a-line": [b"X-A: a\nX-B: b", b"Content-Length: 5"],
    "two-hosts": [HOST.strip(), b"Content-Length: 5"],
    "two-content-types": [b"Content-Type: application/json", b"Content-Type: text/plain",
                          b"Content-Length: 5"],
    "too-many-headers": [b"X-%d: a" % i for i in range(70)] + [b"Content-Length: 5"],
}

#: %s is the callback's path. The head of a good callback follows.
REQUEST_LINES: Dict[str, bytes] = {
    "version-1.9": b"POST %s HTTP/1.9",
    "version-2.0": b"POST %s HTTP/2.0",
    "version-1.10": b"POST %s HTTP/1.10",
    "version-0.9": b"POST %s HTTP/0.9",
    "version-1": b"POST %s HTTP/1",
    "version-lower-case": b"POST %s http/1.1",
    "version-with-space": b"POST %s HTTP/1.1 ",
    "version-other-protocol": b"POST %s RTSP/1.0",
    "absolute-form": b"POST http://your-app.com%s HTTP/1.1",
    "absolute-form-other-host": b"POST http://evil.example%s HTTP/1.1",
    "asterisk-form": b"OPTIONS * HTTP/1.1",
    "authority-form": b"CONNECT your-app.com:443 HTTP/1.1",
    "no-slash": b"POST x%s HTTP/1.1",
    "fragment": b"POST %s#part HTTP/1.1",
    "control-in-target": b"POST %s\x01 HTTP/1.1",
    "nul-in-target": b"POST %s\x00 HTTP/1.1",
    "eight-bit-target": b"POST %s\xc3\xa9 HTTP/1.1",
    "tab-before-target": b"POST\t%s HTTP/1.1",
    "two-spaces-before-target": b"POST  %s HTTP/1.1",
    "two-spaces-before-version": b"POST %s  HTTP/1.1",
    "space-in-target": b"POST %s x HTTP/1.1",
    "space-first": b" POST %s HTTP/1.1",
    "method-not-a-token": b"PO(ST %s HTTP/1.1",
    "method-with-nul": b"POST\x00 %s HTTP/1.1",
    "cr-in-line": b"POST %s\r HTTP/1.1",
    "lf-ends-the-line": b"POST %s HTTP/1.1\nX: y",
}

#: Bodies of a chunked request that no one may take for whole, or whose end is in doubt.
CHUNKS: Dict[str, bytes] = {
    "chunk-longer-than-said": b"5\r\nhelloXX0\r\n\r\n",
    "chunk-no-number": b"g\r\n",
    "chunk-empty-number": b"\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunk-minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "chunk-plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "chunk-hex-prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "chunk-overflow": b"fffffffffffffffff\r\nhello",
    "chunk-wraps-64-bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk-space-first": b" 5\r\nhello\r\n0\r\n\r\n",
    "chunk-space-in-number": b"0 5\r\nhello\r\n0\r\n\r\n",
    "chunk-comma": b"5,5\r\nhello\r\n0\r\n\r\n",
    "chunk-nul": b"5\x00\r\nhello\r\n0\r\n\r\n",
    "chunk-ends-with-lf": b"5\nhello\r\n0\r\n\r\n",
    "chunk-ends-with-cr": b"5\rhello\r\n0\r\n\r\n",
    "chunk-data-ends-with-lf": b"5\r\nhello\n0\r\n\r\n",
    "chunk-data-ends-with-cr": b"5\r\nhello\r0\r\n\r\n",
    "chunk-data-ends-with-two-bytes": b"5\r\nhelloxx0\r\n\r\n",
    "chunk-extension-ends-with-lf": b"5;a\nhello\r\n0\r\n\r\n",
    "chunk-extension-with-cr": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "chunk-last-ends-with-lf": b"5\r\nhello\r\n0\n\n",
    "chunk-last-ends-with-one-crlf": b"5\r\nhello\r\n0\r\n",
    "chunk-trailer-length": b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n",
    "chunk-trailer-encoding": b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunk-trailer-ends-with-lf": b"5\r\nhello\r\n0\r\nX: y\n\r\n",
    "chunk-trailer-folded": b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
    "chunk-trailer-no-colon": b"5\r\nhello\r\n0\r\nX\r\n\r\n",
    "chunk-whole": b"5\r\nhello\r\n0\r\n\r\n",
    "chunk-whole-in-upper-case": b"A\r\nhellohello\r\n0\r\n\r\n",
}

#: The classical pairs: one side goes by the length, the other by the chunks.
PAIRS: Dict[str, Tuple[List[bytes], bytes]] = {
    "cl-te": ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "te-cl": ([b"Transfer-Encoding: chunked", b"Content-Length: 4"], b"5c\r\n"),
    "cl-te-obscured-by-space": ([b"Content-Length: 5", b"Transfer-Encoding : chunked"],
                                b"0\r\n\r\n"),
    "cl-te-obscured-by-tab": ([b"Content-Length: 5", b"Transfer-Encoding:\tchunked"],
                              b"0\r\n\r\n"),
    "cl-te-obscured-by-case": ([b"Content-Length: 5", b"tRANSFER-eNCODING: CHUNKED"],
                               b"0\r\n\r\n"),
    "te-te": ([b"Transfer-Encoding: chunked", b"Transfer-encoding: x"], b"0\r\n\r\n"),
    "te-te-obscured": ([b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked"],
                       b"0\r\n\r\n"),
    "cl-cl": ([b"Content-Length: 5", b"Content-Length: 100"], b"hello"),
    "cl-in-te": ([b"Transfer-Encoding: chunked, Content-Length: 5"], b"0\r\n\r\n"),
}

#: What does not speak HTTP/1; answered, or cut without an answer.
FOREIGN: Dict[str, bytes] = {
    "http-0.9": b"POST " + PATH.encode() + b"\r\n\r\n",
    "http-0.9-get": b"GET " + PATH.encode() + b"\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "proxy-protocol": b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n",
    "json": b'{"job_id":"1"}\r\n\r\n',
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "status-line": b"HTTP/1.1 200 OK\r\n\r\n",
    "binary": bytes(range(128, 256)) + b"\r\n\r\n",
}

assert not (set(LENGTHS) | set(HEADERS)) & set(CHUNKS)


def ambiguous() -> Dict[str, bytes]:
    """Every vector above as the bytes that stand before the callback."""
    found = {name: head(*lines) + b"\r\nhello" for name, lines in {**LENGTHS, **HEADERS}.items()}
    found |= {name: head(b"Transfer-Encoding: chunked") + b"\r\n" + body
              for name, body in CHUNKS.items()}
    found |= {name: head(*lines) + b"\r\n" + body for name, (lines, body) in PAIRS.items()}
    return found | FOREIGN
