"""sasha-callbackctl send: a correctly signed callback to an endpoint of the conf or to a url, and
the same as a curl command."""

import json
import shlex
import subprocess

import pytest
from harness.callback import PATH, Secret, make_job, sign
from harness.paths import CTL, SLOWNESS
from harness.proxy import Nginx
from harness.sinks import read_bodies, read_lines, wait_ids


def send(conf, *arguments, config=True, **how):
    command = [str(CTL), *(["--config", str(conf.path)] if config else []), "send",
               *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60 * SLOWNESS, **how)


@pytest.fixture
def on_unix(conf, daemon):
    """Listening where --direct finds it: the conf's first address."""
    conf.server["listen"] = [f"unix:{conf.folder}/http.sock"]
    return daemon.start()


def test_made_up_job(conf, on_unix):
    result = send(conf, "--direct", "--status", "completed", "--type", "embed-signature",
                  "--job-id", "from-ctl", "--request-id", "the-id")
    assert result.returncode == 0, result.stderr
    assert "202" in result.stdout
    wait_ids(conf.archive, ["the-id"])
    job = read_lines(conf.archive)[0]["job"]
    assert (job["job_id"], job["status"], job["type"]) == \
        ("from-ctl", "completed", "embed-signature")


@pytest.mark.parametrize("way", ["file", "stdin"])
def test_job_of_a_file_goes_as_it_is(conf, on_unix, way):
    body = make_job("raw").replace(b",", b" ,\t")
    path = conf.folder / "job.json"
    path.write_bytes(body)
    if way == "file":
        result = send(conf, "--direct", "--job", path, "--request-id", "raw-1")
    else:
        result = send(conf, "--direct", "--job", "-", "--request-id", "raw-1",
                      input=body.decode())
    assert result.returncode == 0, result.stderr
    wait_ids(conf.archive, ["raw-1"])
    assert read_bodies(conf.archive)["raw-1"].replace(b" ", b"\t") == body.replace(b" ", b"\t")


def test_each_secret_and_endpoint(conf, daemon):
    conf.server["listen"] = [f"unix:{conf.folder}/http.sock"]
    conf.endpoint.secrets = [Secret.base64("old", "id-old"), Secret.hex("new", "id-new")]
    conf.endpoints.append(conf.new_endpoint("other", "https://other.example/sasha", tokens=[]))
    daemon.canaries |= set(conf.canaries())
    daemon.start()
    for arguments in (["--endpoint", "main"], ["--endpoint", "main", "--secret", "new"],
                      ["--endpoint", "main", "--secret", "new", "--no-secret-id"],
                      ["--endpoint", "other"]):
        result = send(conf, "--direct", "--status", "pending", *arguments)
        assert result.returncode == 0, (arguments, result.stderr)
    assert send(conf, "--direct", "--status", "pending").returncode == 64, "which endpoint?"


def test_refused_callback_is_exit_1(conf, on_unix):
    result = send(conf, "--direct", "--status", "completed", "--token", "wrong-token")
    assert result.returncode == 1
    assert "401" in result.stdout + result.stderr
    result = send(conf, "--direct", "--status", "completed", "--request-id", "once")
    assert result.returncode == 0
    result = send(conf, "--direct", "--status", "completed", "--request-id", "once", "--job-id", "x")
    assert result.returncode == 0 and "200" in result.stdout


def test_to_a_url(conf, running):
    result = send(conf, "--url", f"http://{running.address}{PATH}", "--status", "completed")
    assert result.returncode == 0, result.stderr


def test_without_a_conf(conf, running):
    folder = conf.secret_folder
    result = send(conf, "--url", f"http://{running.address}{PATH}", "--status", "completed",
                  "--sign-url", conf.endpoint.public_url, "--secret-file", folder / "main-current",
                  "--token-file", folder / "main-token-0", config=False)
    assert result.returncode == 0, result.stderr


def test_nobody_there(conf, daemon):
    conf.server["listen"] = [f"unix:{conf.folder}/nobody.sock"]
    conf.write()
    result = send(conf, "--direct", "--status", "completed")
    assert result.returncode not in (0, 1) and result.stderr


def test_print_shows_a_curl_command_that_would_pass(conf, daemon):
    conf.write()
    result = send(conf, "--print", "--status", "completed", "--request-id", "it's",
                  "--job-id", "a'b\"c$d")
    assert result.returncode == 0, result.stderr
    words = shlex.split(result.stdout.replace("\\\n", " "))
    assert words[0] == "curl"
    assert conf.endpoint.public_url in words
    headers = dict(word.split(": ", 1) for word in words if ": " in word and "{" not in word)
    body = next(word for word in words if word.startswith("{")).encode()
    assert json.loads(body)["job_id"] == "a'b\"c$d"
    assert headers["SASHA-Request-ID"] == "it's"
    assert headers["Authorization"] == f"Bearer {conf.endpoint.tokens[0]}"
    key = conf.endpoint.secrets[0].key
    assert headers["SASHA-Request-Signature"] == sign(key, "it's", body)
    assert conf.endpoint.secrets[0].text not in result.stdout


def test_through_nginx_with_tls(conf, daemon, folder):
    """The self-test that an operator runs: through the public url, the whole way."""
    daemon.start()
    proxy = Nginx(folder, daemon.address)
    conf.endpoint.public_url = f"https://localhost:{proxy.port}{PATH}"
    daemon.reload()
    proxy.start()
    try:
        result = send(conf, "--status", "completed", "--request-id", "public",
                      "--cacert", proxy.certificate.certificate)
        assert result.returncode == 0, result.stderr + proxy.log.read_text()
        wait_ids(conf.archive, ["public"])
        result = send(conf, "--status", "completed")
        assert result.returncode not in (0, 1), "a certificate that nobody vouches for"
        assert "certificate" in result.stderr.lower()
    finally:
        proxy.stop()


def test_json(conf, on_unix):
    result = send(conf, "--json", "--direct", "--status", "completed", "--request-id", "j")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["status"] == 202


@pytest.mark.parametrize("arguments", [
    [], ["--job", "x", "--status", "y"], ["--status"], ["--no-such"], ["--status", "x", "stray"],
    ["--direct", "--url", "http://x/", "--status", "x"],
])
def test_wrong_usage(conf, arguments):
    conf.write()
    result = send(conf, *arguments)
    assert result.returncode == 64 and result.stderr
