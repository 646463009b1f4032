"""Every row of the table in design §2: what is checked, in which order, and how it is answered."""

import json
import sqlite3

import pytest
from harness.callback import PATH, Secret, make_job, new_request_id, new_token, sign
from harness.sinks import read_ids, wait_ids
from harness.stored import query

ACCEPTED = (202, {"status": "accepted"})


def answer(response):
    return response.status, json.loads(response.body)


def check_error(response, status):
    """Errors are {"message": …} and nothing else."""
    assert response.status == status, response
    message = json.loads(response.body)
    assert list(message) == ["message"] and isinstance(message["message"], str)
    assert response.headers["content-type"].startswith("application/json")


def check_reason(daemon, reason):
    daemon.wait_event("request-refused", lambda event: event.get("reason") == reason)


# ---- 2: path and method ----

@pytest.mark.parametrize("target", [
    "/", PATH + "/", PATH + "x", PATH[:-1], "/" + PATH, PATH.upper(),
    PATH.replace("/sasha", "/%73asha"), PATH.replace("s/s", "s%2Fs"), PATH + "%00",
    "/callbacks/./sasha-job-update", "/callbacks//sasha-job-update",
])
def test_path_is_compared_as_raw_bytes(running, target):
    check_error(running.send(running.callback(target=target)), 404)
    check_reason(running, "path")


@pytest.mark.parametrize("target", [PATH + "?", PATH + "?a=b", PATH + "?a=/x%00?y"])
def test_query_is_not_part_of_the_path(running, target):
    running.accept(target=target)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "post"])
def test_method_other_than_post(running, method):
    callback = running.callback()
    callback.method = method
    with running.client() as client:
        client.send(callback.wire())
        if method == "HEAD":  # its answer has no body
            assert client.sock.recv(100).startswith(b"HTTP/1.1 405 ")
            return
        response = client.read()
    check_error(response, 405)
    assert response.headers["allow"] == "POST"
    check_reason(running, "method")


def test_healthz_answers_and_tells_nothing(running):
    with running.client() as client:
        response = client.exchange(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert response.status == 200
    assert len(response.body) < 32
    assert "server" not in response.headers


# ---- 3: size ----

def test_body_over_the_limit_is_refused_by_its_length(conf, daemon):
    conf.server["max_body"] = "4K"
    daemon.start()
    fits = make_job(fill="")
    fits = make_job(fill="x" * (4096 - len(fits)))
    daemon.accept(fits)
    with daemon.client() as client:  # the body itself is never sent
        client.send(daemon.callback(fits + b" ").wire()[:-len(fits) - 1])
        check_error(client.read(), 413)
    check_reason(daemon, "too-large")


def test_chunked_body_over_the_limit_is_refused_when_seen(conf, daemon):
    conf.server["max_body"] = "4K"
    daemon.start()
    callback = daemon.callback(make_job(fill="x" * 5000))
    callback.set("Content-Length").set("Transfer-Encoding", "chunked")
    callback.body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(callback.body), callback.body)
    check_error(daemon.send(callback), 413)


def test_chunked_body_is_accepted(conf, running):
    callback = running.callback()
    body = callback.body
    callback.set("Content-Length").set("Transfer-Encoding", "chunked")
    callback.body = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7])
                             for i in range(0, len(body), 7)) + b"0\r\n\r\n"
    assert answer(running.send(callback)) == ACCEPTED


# ---- 4: token ----

TOKEN_CASES = {
    "missing": ([], "token-missing"),
    "empty": ([""], "token-wrong"),
    "wrong": (["Bearer wrong-token-of-some-length"], "token-wrong"),
    "shorter": (["Bearer {token:.8}"], "token-wrong"),
    "longer": (["Bearer {token}x"], "token-wrong"),
    "other-scheme": (["Basic {token}"], "token-wrong"),
    "no-scheme": (["{token}"], "token-wrong"),
    "twice": (["Bearer {token}", "Bearer {token}"], "token-wrong"),
    "case": (["Bearer {upper}"], "token-wrong"),
}


@pytest.mark.parametrize("case", TOKEN_CASES)
def test_token(running, case):
    values, reason = TOKEN_CASES[case]
    token = running.conf.endpoint.tokens[0]
    upper = token.upper()
    running.canaries.discard(token.upper().encode())
    callback = running.callback().set(
        "Authorization", *[value.format(token=token, upper=upper) for value in values])
    response = running.send(callback)
    check_error(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")
    check_reason(running, reason)


def test_any_of_several_tokens_passes(conf, daemon):
    conf.endpoint.tokens = [new_token(), new_token(), new_token()]
    daemon.canaries = set(conf.canaries())
    daemon.start()
    for token in conf.endpoint.tokens:
        daemon.accept(token=token)


def test_no_token_is_asked_for_only_when_the_conf_says_none(conf, daemon):
    conf.endpoint.tokens = []
    daemon.start()
    daemon.accept()
    daemon.accept(token="whatever-an-old-sender-sends")


# ---- 5: request id and signature header ----

ID_CASES = {
    "missing": ([], "id-missing"),
    "empty": ([""], "id-malformed"),
    "twice": (["a", "a"], "id-malformed"),
    "brace": (["a{b"], "id-malformed"),
    "quote": ['a"b'],
    "space": ["a b"],
    "too-long": ["x" * 256],
    "not-ascii": ["caf\xe9"],
}


@pytest.mark.parametrize("case", ID_CASES)
def test_request_id(running, case):
    row = ID_CASES[case]
    values, reason = row if isinstance(row, tuple) else (row, "id-malformed")
    callback = running.callback()
    if values:  # signed with the bad id: only the rule itself refuses it
        callback = running.callback(request_id=values[0])
    callback.set("SASHA-Request-ID", *values)
    response = running.send(callback)
    check_error(response, 400)
    if case != "empty":  # a parser may drop an empty value; it is refused either way
        check_reason(running, reason)


@pytest.mark.parametrize("request_id", ["x", "x" * 255, "!#$%&'()*+,-./:;<=>?@[\\]^_`|}~"])
def test_request_id_at_its_limits(conf, running, request_id):
    running.accept(request_id=request_id)
    assert wait_ids(conf.archive, [request_id]) == [request_id]


SIGNATURE_CASES = {
    "missing": ([], "signature-missing"),
    "empty": ([""], None),
    "short": (["{:.63}"], "signature-malformed"),
    "long": (["{}0"], "signature-malformed"),
    "not-hex": (["{:.63}g"], "signature-malformed"),
    "twice": (["{}", "{}"], "signature-malformed"),
    "wrong": (["0" * 64], "signature-wrong"),
}


@pytest.mark.parametrize("case", SIGNATURE_CASES)
def test_signature_header(running, case):
    values, reason = SIGNATURE_CASES[case]
    callback = running.callback()
    right = callback.get("SASHA-Request-Signature")
    callback.set("SASHA-Request-Signature", *[value.format(right) for value in values])
    check_error(running.send(callback), 401)
    if reason:
        check_reason(running, reason)


# ---- 6: what is signed ----

@pytest.mark.parametrize("spoil", ["body", "id", "url", "method", "key", "secret-as-text"])
def test_every_signed_part_counts(running, spoil):
    secret = running.conf.endpoint.secrets[0]
    callback = running.callback()
    how = {"key": secret.key, "request_id": callback.request_id, "body": callback.body}
    more = {}
    if spoil == "body":
        how["body"] = callback.body + b" "
    elif spoil == "id":
        how["request_id"] = new_request_id()
    elif spoil == "url":
        more["url"] = "http://127.0.0.1" + PATH
    elif spoil == "method":
        more["method"] = "PUT"
    elif spoil == "key":
        how["key"] = b"another key that is 32 bytes long"
    else:
        how["key"] = secret.text.encode()
    callback.set("SASHA-Request-Signature", sign(**how, **more))
    check_error(running.send(callback), 401)
    check_reason(running, "signature-wrong")
    assert read_ids(running.conf.archive) == []


def test_host_and_forwarded_headers_do_not_change_what_is_signed(running):
    callback = running.callback()
    callback.set("Host", "evil.example").set("X-Forwarded-Host", "evil.example")
    callback.set("X-Forwarded-Proto", "http").set("Forwarded", "host=evil.example")
    assert answer(running.send(callback)) == ACCEPTED


def test_moving_the_cut_between_id_and_body_is_refused(running):
    """method, url, id and body are joined without separators: the same bytes, cut elsewhere, carry
    the same signature. No such cut may pass."""
    first = running.callback(request_id="split-me-1234567890")
    signed = first.request_id.encode() + first.body
    right = len(first.request_id)
    for cut in list(range(1, right + 12)):
        if cut == right:
            continue
        callback = running.callback(signed[cut:], request_id="x")
        callback.set("SASHA-Request-ID", signed[:cut].decode("latin-1"))
        callback.set("SASHA-Request-Signature", first.get("SASHA-Request-Signature"))
        response = running.send(callback)
        assert response.status in (400, 401), (cut, response)
    assert answer(running.send(first)) == ACCEPTED


def test_unknown_secret_id(conf, daemon):
    conf.endpoint.secrets = [Secret.base64("now", "id-now")]
    daemon.start()
    callback = daemon.callback().set("SASHA-Callback-Secret-ID", "id-of-another")
    check_error(daemon.send(callback), 401)
    check_reason(daemon, "secret-unknown")


def test_every_401_is_the_same_bytes(running):
    """Nothing tells a forger how far he got."""
    def without_date(response):
        return b"\r\n".join(line for line in response.raw.split(b"\r\n")
                            if not line.lower().startswith(b"date:"))

    wrong = [
        running.callback(token=None),
        running.callback(token="wrong"),
        running.callback().set("SASHA-Request-Signature"),
        running.callback().set("SASHA-Request-Signature", "zz"),
        running.callback().set("SASHA-Request-Signature", "0" * 64),
        running.callback(token="wrong").set("SASHA-Request-Signature", "0" * 64),
    ]
    answers = {without_date(running.send(callback)) for callback in wrong}
    assert len(answers) == 1, answers


# ---- 7: the Job ----

JOB_CASES = {
    "not-json": b"{nope",
    "array": b"[]",
    "text": b'"x"',
    "empty": b"",
    "space-first": b" " + make_job(),
    "bom-first": b"\xef\xbb\xbf" + make_job(),
    "rest-after": make_job() + b"{}",
    "no-job-id": make_job(job_id=...),
    "job-id-number": make_job(job_id=17),
    "job-id-empty": make_job(job_id=""),
    "no-type": make_job(type=...),
    "type-null": make_job(type=None),
    "no-status": make_job(status=...),
    "status-object": make_job(status={}),
    "no-created-at": make_job(created_at=...),
    "updated-at-not-a-date": make_job(updated_at="yesterday"),
    "updated-at-without-zone": make_job(updated_at="2025-01-01T00:00:00"),
    "updated-at-32nd": make_job(updated_at="2025-01-32T00:00:00Z"),
    "signature-id-number": make_job(signature_id=340558932877813735),
    "signature-id-signed": make_job(signature_id="-1"),
    "signature-id-too-big": make_job(signature_id="18446744073709551616"),
    "error-text": make_job(error="broken"),
    "output-url-number": make_job(output_url=7),
    "same-key-twice": make_job()[:-1] + b',"job_id":"again"}',
    "nul-in-text": make_job(note="a\0b"),
    "not-utf8": make_job(note="@").replace(b"@", b"\xff\xfe"),
    "too-deep": make_job(note=0)[:-2] + b"[" * 500 + b"]" * 500 + b"}",
}


@pytest.mark.parametrize("case", JOB_CASES)
def test_signed_but_not_a_job(running, case):
    check_error(running.send(running.callback(JOB_CASES[case])), 400)
    check_reason(running, "job-malformed")
    assert read_ids(running.conf.archive) == []


@pytest.mark.parametrize("body", [
    make_job(status="in_progress"),
    make_job(status="a-status-of-tomorrow", type="a-type-of-tomorrow"),
    make_job(unknown={"a": [1, 2.5, None, True]}),
    make_job(status="failed", error={"code": "internal", "message": "x\ny", "more": 1}),
    make_job(signature_id="18446744073709551615", output_url="https://x/y?z"),
    make_job(updated_at="2025-01-01T00:00:00.123456789Z"),
    make_job(updated_at="2025-01-01t23:59:60-08:00"),
    make_job(signature_id=None, error=None, output_url=None),
])
def test_job_of_any_generation(conf, running, body):
    callback = running.accept(body)
    wait_ids(conf.archive, [callback.request_id])


# ---- 8: age ----

def test_age(conf, daemon):
    conf.endpoint.keys["max_age"] = "1h"
    daemon.start()
    check_error(daemon.send(body=make_job(updated_at="2025-01-01T00:00:00Z")), 403)
    check_reason(daemon, "stale")
    daemon.accept(make_job(updated_at="2999-01-01T00:00:00Z"))


# ---- 9: the store ----

def test_duplicate_and_conflict(conf, running):
    first = running.accept()
    assert answer(running.send(first)) == (200, {"status": "duplicate"})

    other = running.callback(make_job("another-body"), request_id=first.request_id)
    response = running.send(other)
    assert response.status == 200
    running.wait_event("request-conflict")
    after = running.accept()
    assert wait_ids(conf.archive, [after.request_id]) == [first.request_id, after.request_id]
    assert query(conf.store["path"], "SELECT seq, body FROM conflicts") == [(1, other.body)]


def test_busy_store_is_503_with_retry_after(conf, daemon):
    """G2: somebody else holds the database's write lock."""
    conf.server["commit_timeout"] = "1s"
    daemon.start()
    daemon.accept()
    blocker = sqlite3.connect(conf.store["path"], isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        callback = daemon.callback()
        response = daemon.send(callback)
        check_error(response, 503)
        assert int(response.headers["retry-after"]) > 0
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
    response = daemon.send(callback)
    assert response.status in (200, 202)  # what was in doubt may have been stored meanwhile
    wait_ids(conf.archive, [callback.request_id])
    assert read_ids(conf.archive).count(callback.request_id) == 1


def test_disk_below_its_floor_is_503(conf, daemon):
    conf.store["disk_floor"] = "1024G"
    daemon.start()
    response = daemon.send()
    check_error(response, 503)
    assert int(response.headers["retry-after"]) > 0
    assert read_ids(conf.archive) == []


# ---- the order of the steps ----

def test_the_first_failing_step_answers(conf, daemon):
    conf.server["max_body"] = "1K"
    daemon.start()
    large = make_job(fill="x" * 2000)
    bad = dict(token="wrong")

    def spoilt(**how):
        callback = daemon.callback(**how)
        return callback

    nothing_right = spoilt(body=large, target="/nowhere", **bad)
    assert daemon.send(nothing_right).status == 404
    nothing_right = spoilt(body=large, **bad)
    nothing_right.method = "PUT"
    assert daemon.send(nothing_right).status == 405
    assert daemon.send(spoilt(body=large, **bad)).status == 413
    assert daemon.send(spoilt(**bad).set("SASHA-Request-ID")).status == 401
    assert daemon.send(spoilt().set("SASHA-Request-ID").set("SASHA-Request-Signature")).status == 400
    unsigned = spoilt(body=b"{nope").set("SASHA-Request-Signature", "0" * 64)
    assert daemon.send(unsigned).status == 401
