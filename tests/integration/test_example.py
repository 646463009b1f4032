"""The example that SASHA publishes (API reference 1.0.0), and each generation of its API, through
the real daemon to the file sink."""

import json

from harness.callback import Callback, Secret, make_callback, make_job, sign
from harness.sinks import read_bodies, read_lines, wait_ids

EXAMPLE_SECRET = Secret("example", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=",
                        b"12345678901234567890123456789012")
EXAMPLE_BODY = (b'{"job_id":"1234567890","type":"embed-signature","status":"pending",'
                b'"created_at":"2025-01-01T00:00:00Z","updated_at":"2025-01-01T00:00:00Z"}')
EXAMPLE_SIGNATURE = "d7137c82af30e6db405ad73b4a0c11442e8e228b4d05fde2e84228b99508ae2c"


def test_own_signer_agrees_with_the_publication():
    assert sign(EXAMPLE_SECRET.key, "aa-b-c-d-ee", EXAMPLE_BODY) == EXAMPLE_SIGNATURE


def test_published_example_reaches_the_file_sink(conf, daemon):
    conf.endpoint.secrets = [EXAMPLE_SECRET]
    daemon.canaries = set(conf.canaries())
    daemon.start()
    callback = Callback(EXAMPLE_BODY, "aa-b-c-d-ee", [
        ("Host", "your-app.com"),
        ("Content-Type", "application/json"),
        ("Authorization", f"Bearer {conf.endpoint.tokens[0]}"),
        ("SASHA-Request-ID", "aa-b-c-d-ee"),
        ("SASHA-Request-Signature", EXAMPLE_SIGNATURE),
        ("Content-Length", str(len(EXAMPLE_BODY))),
    ])
    response = daemon.send(callback)
    assert (response.status, json.loads(response.body)) == (202, {"status": "accepted"})
    assert wait_ids(conf.archive, ["aa-b-c-d-ee"]) == ["aa-b-c-d-ee"]

    line = read_lines(conf.archive)[0]
    assert list(line) == ["seq", "request_id", "endpoint", "received_at", "stale", "job"]
    assert (line["seq"], line["endpoint"], line["stale"]) == (1, "main", False)
    assert read_bodies(conf.archive) == {"aa-b-c-d-ee": EXAMPLE_BODY}


def test_generation_1_4_with_ids_and_a_token(conf, daemon):
    conf.endpoint.secrets = [Secret.base64("now", "177F01DA-34F2-4318-9763-B73876FDD7FA")]
    daemon.start()
    body = make_job(creator_id=4294967295, guidance={"share_state": "none", "advice": "allowed"},
                    record={"c2pa": "x" * 60000}, signature_id="340558932877813735")
    callback = daemon.accept(body)
    wait_ids(conf.archive, [callback.request_id])
    assert read_bodies(conf.archive)[callback.request_id] == body


def test_newest_generation_without_token_with_a_hex_secret(conf, daemon):
    conf.endpoint.secrets = [Secret.hex("now", "177F01DA-34F2-4318-9763-B73876FDD7FA")]
    conf.endpoint.tokens = []
    daemon.start()
    callback = daemon.accept(make_job(type="lookup-signature", signature_id=None))
    wait_ids(conf.archive, [callback.request_id])


def test_raw_bytes_are_passed_on_untouched(conf, running):
    """Spaces, escapes, numbers that a parser would write otherwise: the sink gets what came."""
    body = (b'{ "job_id": "raw\\u002d1","type":"embed-signature" , "status":"completed",'
            b'"created_at":"2025-01-01T00:00:00.123456Z","updated_at":"2025-01-01T02:00:00+02:00",'
            b'"x":0.1000,"y":1e400,"z":"\xc3\xa9\\u00e9"}')
    body = body.replace(b"1e400", b"1e300")
    callback = running.accept(body)
    wait_ids(conf.archive, [callback.request_id])
    assert read_bodies(conf.archive)[callback.request_id] == body


def test_newlines_in_a_body_stay_one_line(conf, running):
    """JSON may hold newlines between its tokens; a JSONL line may not."""
    body = make_job().replace(b",", b",\r\n ")
    callback = running.accept(body)
    wait_ids(conf.archive, [callback.request_id])
    lines = read_lines(conf.archive)
    assert len(lines) == 1 and lines[0]["job"] == json.loads(body)


def test_several_endpoints_each_with_its_own_secret(conf, daemon):
    other = conf.new_endpoint("other", "https://other.example/sasha")
    conf.endpoints.append(other)
    daemon.canaries = set(conf.canaries())
    daemon.start()
    mine = daemon.accept()
    theirs = make_callback(other.secrets[0], other.tokens[0], url=other.public_url,
                           target="/sasha")
    assert daemon.send(theirs).status == 202
    wait_ids(conf.archive, [mine.request_id, theirs.request_id])
    assert [line["endpoint"] for line in read_lines(conf.archive)] == ["main", "other"]

    crossed = make_callback(other.secrets[0], conf.endpoint.tokens[0])
    assert daemon.send(crossed).status == 401


def test_a_path_that_the_proxy_stripped(conf, daemon):
    conf.endpoint.keys["path"] = "/job-update"
    daemon.start()
    daemon.accept(target="/job-update?tried=2")
    assert daemon.send(daemon.callback()).status == 404
