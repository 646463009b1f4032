"""A5: bodies that are signed but hostile to a JSON parser. A table of verdicts, each within 100 ms."""

import time
from typing import Dict, Tuple

from harness.callback import make_job
from harness.sinks import read_ids, wait_ids
from kit.plan import count, note

LIMIT = 0.1

OK, BAD, LARGE = 202, 400, 413


def with_field(text: bytes) -> bytes:
    """A good Job with one more member, written as it stands."""
    return make_job()[:-1] + b"," + text + b"}"


def with_value(value: bytes) -> bytes:
    return with_field(b'"n":' + value)


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """The Job itself is the first level."""
    return with_value(opening * (depth - 1) + closing * (depth - 1))


#: Name: (body, verdict). max_body is 256 KiB.
TABLE: Dict[str, Tuple[bytes, int]] = {
    # depth
    "64-deep": (nested(64), OK),
    "65-deep": (nested(65), BAD),
    "objects-64-deep": (with_value(b'{"a":' * 62 + b"{}" + b"}" * 62), OK),
    "objects-65-deep": (with_value(b'{"a":' * 63 + b"{}" + b"}" * 63), BAD),
    "100000-deep": (with_value(b"[" * 100_000), BAD),
    "100000-deep-closed": (nested(100_000), BAD),
    "brackets-in-a-string": (with_value(b'"' + b"[{" * 50_000 + b'"'), OK),
    "brackets-after-an-escaped-quote": (with_value(b'"\\"' + b"[" * 1000 + b'"'), OK),
    "only-closing": (make_job() + b"]" * 100_000, BAD),
    # names twice
    "twice": (with_field(b'"job_id":"other"'), BAD),
    "twice-escaped": (with_field(b'"job\\u005fid":"other"'), BAD),
    "twice-below": (with_value(b'{"a":1,"a":2}'), BAD),
    "twice-in-error": (make_job(status="failed", error=...)[:-1] +
                       b',"error":{"code":"a","code":"b"}}', BAD),
    "twice-but-for-case": (with_field(b'"JOB_ID":"other"'), OK),
    "20000-names": (with_value(b"{" + b",".join(b'"%d":0' % i for i in range(20_000)) + b"}"), OK),
    "20000-names-and-one-twice": (with_value(
        b"{" + b",".join(b'"%d":0' % i for i in range(20_000)) + b',"7":1}'), BAD),
    "empty-name": (with_field(b'"":1'), OK),
    "long-name": (with_field(b'"' + b"n" * 200_000 + b'":1'), OK),
    # numbers
    "huge-integer": (with_value(b"123456789" * 10), OK),
    "integer-of-300-digits": (with_value(b"9" * 300), OK),
    "integer-of-100000-digits": (with_value(b"9" * 100_000), BAD),
    "fraction-of-100000-digits": (with_value(b"0." + b"3" * 100_000), OK),
    "exponent-308": (with_value(b"1e308"), OK),
    "exponent-309": (with_value(b"1e309"), BAD),
    "exponent-of-many-digits": (with_value(b"1e" + b"9" * 1000), BAD),
    "exponent-minus-many": (with_value(b"1e-99999"), OK),
    "minus-zero": (with_value(b"-0.0"), OK),
    "nan": (with_value(b"NaN"), BAD),
    "infinity": (with_value(b"-Infinity"), BAD),
    "leading-zero": (with_value(b"01"), BAD),
    "leading-plus": (with_value(b"+1"), BAD),
    "hexadecimal": (with_value(b"0x10"), BAD),
    "point-last": (with_value(b"1."), BAD),
    "100000-numbers": (with_value(b"[" + b"0," * 99_999 + b"0]"), OK),
    "signature-id-2^64": (make_job(signature_id="18446744073709551616"), BAD),
    "signature-id-minus": (make_job(signature_id="-1"), BAD),
    "signature-id-space": (make_job(signature_id=" 1"), BAD),
    "signature-id-number": (with_field(b'"signature_id":340558932877813735'), BAD),
    # strings
    "surrogate-pair": (with_value(b'"\\ud83d\\ude00"'), OK),
    "surrogate-alone": (with_value(b'"\\ud83d"'), BAD),
    "surrogate-low-first": (with_value(b'"\\ude00\\ud83d"'), BAD),
    "surrogate-cut": (with_value(b'"\\ud83d\\u00"'), BAD),
    "surrogate-in-utf8": (with_value(b'"\xed\xa0\xbd"'), BAD),
    "overlong-slash": (with_value(b'"\xc0\xaf"'), BAD),
    "beyond-unicode": (with_value(b'"\xf4\x90\x80\x80"'), BAD),
    "utf8-cut": (with_value(b'"\xe2\x82"'), BAD),
    "latin-1": (with_value(b'"caf\xe9"'), BAD),
    "utf-16": (make_job().decode().encode("utf-16"), BAD),
    "nul-escaped": (with_value(b'"a\\u0000b"'), BAD),
    "nul-escaped-in-a-name": (with_field(b'"a\\u0000b":1'), BAD),
    "nul-raw": (with_value(b'"a\0b"'), BAD),
    "nul-after": (make_job() + b"\0", BAD),
    "control-raw": (with_value(b'"a\nb"'), BAD),
    "tab-raw": (with_value(b'"a\tb"'), BAD),
    "unknown-escape": (with_value(b'"\\x41"'), BAD),
    "job-id-with-controls": (make_job(job_id="a\nb\x1b[31m\u202ec"), OK),
    "string-of-200000": (with_value(b'"' + b"x" * 200_000 + b'"'), OK),
    "30000-escapes": (with_value(b'"' + b"\\u00e4" * 30_000 + b'"'), OK),
    "string-open": (make_job()[:-1] + b',"n":"', BAD),
    # shape
    "bom": (b"\xef\xbb\xbf" + make_job(), BAD),
    "space-first": (b" " + make_job(), BAD),
    "space-after": (make_job() + b" \r\n\t", OK),
    "200000-spaces-after": (make_job() + b" " * 200_000, OK),
    "two-objects": (make_job() * 2, BAD),
    "comma-last": (make_job()[:-1] + b",}", BAD),
    "comment": (make_job()[:-1] + b"/* x */}", BAD),
    "single-quotes": (make_job().replace(b'"', b"'"), BAD),
    "array": (b"[" + make_job() + b"]", BAD),
    "null": (b"null", BAD),
    "empty-object": (b"{}", BAD),
    "proto": (with_field(b'"__proto__":{"status":"failed"}'), OK),
    "date-with-10000-digits": (make_job(updated_at="2025-01-01T00:00:00." + "1" * 10_000 + "Z"),
                               OK),
    "date-31st-february": (make_job(created_at="2025-02-31T00:00:00Z"), BAD),
    "max-body": (make_job(fill="x" * (256 * 1024 - len(make_job(fill="")))), OK),
    "max-body-and-one": (make_job(fill="x" * (256 * 1024 - len(make_job(fill="")) + 1)), LARGE),
}


def test_verdicts(conf, running):
    slowest, slowest_name, accepted = 0.0, "", []
    for _ in range(count("A5")):
        for name, (body, verdict) in TABLE.items():
            fastest = float("inf")
            for _ in range(5):  # the machine's hiccups are not the parser's
                callback = running.callback(body)
                with running.client() as client:
                    begin = time.monotonic()
                    status = client.exchange(callback.wire()).status
                    fastest = min(fastest, time.monotonic() - begin)
                assert status == verdict, (name, status)
                if status == OK:
                    accepted.append(callback.request_id)
                if fastest <= LIMIT / 4:
                    break
            assert fastest <= LIMIT, (name, fastest)
            if fastest > slowest:
                slowest, slowest_name = fastest, name
    wait_ids(conf.archive, accepted, 60)
    assert read_ids(conf.archive) == accepted
    note("A5", f"{len(TABLE)} bodies, each with its verdict; the slowest ({slowest_name}) took "
         f"{slowest * 1000:.1f} ms", bodies=len(TABLE), slowest_ms=slowest * 1000)
