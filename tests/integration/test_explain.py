"""sasha-callbackctl explain: each cause of a refusal is named, with the conf's secrets and by the
daemon, and nothing secret is in what it prints."""

import base64
import json
import subprocess

import pytest
from harness.callback import PATH, PUBLIC_URL, Secret, make_callback, make_job, sign
from harness.paths import CTL, SLOWNESS

BODY = make_job("explained")
ID = "request-1"


def explain(conf, *arguments, config=True, stdin=None):
    """Runs it, and looks for secrets in all it prints."""
    command = [str(CTL), *(["--config", str(conf.path)] if config else []), "explain",
               *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, input=stdin, timeout=60 * SLOWNESS)
    for canary in conf.canaries():
        assert canary not in result.stdout + result.stderr
    return result


def findings(result):
    assert result.returncode in (0, 1), result.stderr
    report = json.loads(result.stdout)
    return report["verdict"], report["findings"]


@pytest.fixture
def two(conf):
    """An endpoint with two secrets, and another endpoint."""
    conf.endpoint.secrets = [Secret.base64("current", "id-current"), Secret.hex("old", "id-old")]
    conf.endpoints.append(conf.new_endpoint("other", "https://other.example/sasha"))
    conf.write()
    return conf


def capture(conf, secret=None, key=None, url=PUBLIC_URL, method="POST", signed_id=ID,
            signed_body=BODY, body=None, target=PATH, headers=()):
    """The bytes of a request that was signed in one way and came in another."""
    secret = secret or conf.endpoint.secrets[0]
    callback = make_callback(secret, conf.endpoint.tokens[0], signed_body if body is None else body,
                             ID, target=target)
    callback.set("SASHA-Request-Signature",
                 sign(key or secret.key, signed_id, signed_body, url, method))
    for name, *values in headers:
        callback.set(name, *values)
    return callback.wire()


def spaced(body):
    return json.dumps(json.loads(body)).encode()


CAUSES = {
    "http": (dict(url="http://your-app.com" + PATH), "the url is \"http://your-app.com" + PATH),
    "host": (dict(url="https://intern.example" + PATH, headers=[("Host", "intern.example")]),
             "the url is \"https://intern.example" + PATH),
    "forwarded host": (dict(url="https://front.example" + PATH,
                            headers=[("X-Forwarded-Host", "front.example")]),
                       "the url is \"https://front.example" + PATH),
    "port": (dict(url="https://your-app.com:443" + PATH), "https://your-app.com:443" + PATH),
    "slash": (dict(url=PUBLIC_URL + "/"), f"the url is \"{PUBLIC_URL}/\""),
    "query": (dict(url=PUBLIC_URL + "?a=1", target=PATH + "?a=1"), "without its query"),
    "path only": (dict(url=PATH), "only the path is signed"),
    "url of other": (dict(url="https://other.example/sasha"), "public_url of endpoint \"other\""),
    "lower-case method": (dict(method="post"), "the method is signed as \"post\""),
    "no id": (dict(signed_id=""), "the request id is left out"),
    "newline behind": (dict(body=BODY + b"\n"), "newline at the end of the body is taken away"),
    "newline lost": (dict(signed_body=BODY + b"\n", body=BODY), "a newline is put behind"),
    "crlf": (dict(signed_body=BODY.replace(b",", b",\r\n"), body=BODY.replace(b",", b",\n")),
             "the lines of the body end with CRLF"),
    "written anew": (dict(body=spaced(BODY)), "the same JSON, but written compact"),
    "python": (dict(signed_body=spaced(BODY), body=BODY), "a blank behind each comma and colon"),
    "empty body": (dict(signed_body=b"", body=BODY), "the body is left out"),
    "stripped": (dict(target="/sasha-job-update"), "set path = \"/sasha-job-update\""),
    "redirected": (dict(headers=[]), None),
    "two changes": (dict(url=PUBLIC_URL + "/", body=BODY + b"\n"), "/\" and the newline"),
    "token": (dict(headers=[("Authorization", "Bearer nobody-has-this")]), "none that the conf has"),
    "no token": (dict(headers=[("Authorization",)]), "there is no Authorization"),
    "secret id": (dict(headers=[("SASHA-Callback-Secret-ID", "id-new")]), "\"id-new\" is not in"),
    "no signature": (dict(headers=[("SASHA-Request-Signature",)]), "there is no SASHA-Request-Sig"),
    "unknown": (dict(key=b"k" * 32), "ways to sign this request matches"),
}


@pytest.mark.parametrize("name", sorted(CAUSES))
def test_cause(two, name):
    how, want = CAUSES[name]
    path = two.folder / "captured"
    path.write_bytes(capture(two, **how))
    result = explain(two, "--json", "--offline", path)
    verdict, found = findings(result)
    if want is None:
        assert (verdict, found, result.returncode) == ("accepted", [], 0)
    else:
        assert want in found[0], found
        assert verdict != "accepted" and result.returncode == 1


@pytest.mark.parametrize("form, want", [
    (lambda s: base64.b64encode(s.key), "base64 text, not decoded, of callback_secret \"current\""),
    (lambda s: s.key.hex().encode(), "lower-case hex digits, not decoded"),
    (lambda s: s.key.hex().upper().encode(), "upper-case hex digits, not decoded"),
])
def test_encodings(two, form, want):
    verdict, found = findings(explain(
        two, "--json", "--offline", "-", stdin=capture(two, key=form(two.endpoint.secrets[0]))))
    assert verdict == "signature-wrong" and want in found[0]


def test_each_secret(two):
    old, other = two.endpoint.secrets[1], two.endpoints[1].secrets[0]
    for key, want in ((old.key, "callback_secret \"old\" of endpoint \"main\""),
                      (other.key, "of endpoint \"other\"")):
        _, found = findings(explain(two, "--json", "--offline", "-", stdin=capture(two, key=key)))
        assert want in found[0]


def test_words_for_a_person(two):
    text = explain(two, "--offline", "-", stdin=capture(two, url=PUBLIC_URL + "/")).stdout.decode()
    assert "FAIL  signature" in text and "ok    token" in text
    assert "  1. the signature matches if the url is" in text


def test_with_a_secret_of_a_file(conf):
    conf.write()
    folder = conf.secret_folder
    how = ["--secret-file", folder / "main-current", "--sign-url", PUBLIC_URL,
           "--token-file", folder / "main-token-0", "-"]
    result = explain(conf, *how, config=False, stdin=capture(conf))
    assert result.returncode == 0, result.stdout
    result = explain(conf, *how, config=False, stdin=capture(conf, url="http://x/"))
    assert result.returncode == 1


def test_falls_back_when_no_daemon_answers(two):
    result = explain(two, "--json", "-", stdin=capture(two))
    assert findings(result) == ("accepted", [])
    assert b"explaining with the conf's secrets" in result.stderr


def test_the_daemon_explains(two, daemon):
    daemon.canaries |= set(two.canaries())
    daemon.start()
    result = explain(two, "--json", "-", stdin=capture(two, url=PUBLIC_URL + "/"))
    assert result.stderr == b""
    verdict, found = findings(result)
    assert verdict == "signature-wrong" and PUBLIC_URL + "/" in found[0]


def test_a_refused_request_of_the_daemon(two, daemon):
    daemon.canaries |= set(two.canaries())
    daemon.start()
    with daemon.client() as client:
        assert client.exchange(capture(two, url="http://your-app.com" + PATH)).status == 401
    listed = json.loads(explain(two, "--json", "--list").stdout)["refused"]
    assert [row["reason"] for row in listed] == ["signature-wrong"]
    assert listed[0]["id"].encode() in explain(two, "--list").stdout
    verdict, found = findings(explain(two, "--json", "--refused", listed[0]["id"]))
    assert verdict == "signature-wrong"
    assert "the url is \"http://your-app.com" + PATH in found[0]
    assert explain(two, "--refused", "nobody-1").returncode == 1


@pytest.mark.parametrize("text, want", [
    (b"", b"empty"), (b"hello\n", b"line 1"), (b"POST / HTTP/1.1\nno colon\n\n", b"line 2")])
def test_no_captured_request(conf, text, want):
    conf.write()
    result = explain(conf, "--offline", "-", stdin=text)
    assert result.returncode == 65 and want in result.stderr


@pytest.mark.parametrize("arguments", [
    [], ["a", "b"], ["--list", "a"], ["--refused", "a", "--offline"], ["--refused", "../x"],
    ["--secret-file", "a", "b"], ["--sign-url", "http://x/", "b"], ["--offline"],
])
def test_wrong_usage(conf, arguments):
    conf.write()
    result = explain(conf, *arguments)
    assert result.returncode == 64 and result.stderr
