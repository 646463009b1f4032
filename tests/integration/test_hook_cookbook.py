"""The example hooks of conf/hooks that docs/hook-cookbook.md shows, each against a mock of what is
behind it: what they do, that they may be run twice, and what they exit with. publish.sh and
notify.sh are in unit/test_hook_examples.c."""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest
from harness.callback import make_job
from harness.paths import REPO, SLOWNESS
from harness.tls import Certificate
from harness.wait import wait_until
from harness.web import MailServer, WebServer

HOOKS = REPO / "conf" / "hooks"
JPEG = b"\xff\xd8\xff\xe0" + os.urandom(5000)


def moment(hours: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def run_hook(name, *arguments, status=0, body=None, **variables):
    """As the exec sink runs it: environment out of nothing, the Job on stdin."""
    body = make_job("../a job") if body is None else body
    job = json.loads(body)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "SASHA_JOB_ID": job["job_id"],
        "SASHA_JOB_TYPE": job["type"], "SASHA_JOB_STATUS": job["status"],
        "SASHA_CREATED_AT": job["created_at"], "SASHA_UPDATED_AT": job["updated_at"],
        "SASHA_REQUEST_ID": "r/1", "SASHA_ENDPOINT": "main",
        "SASHA_RECEIVED_AT": "2026-01-01T00:00:00.000000Z", "SASHA_SEQ": "7",
        "SASHA_ATTEMPT": "1", "SASHA_STALE": "0", "SASHA_REPLAY": "0", **variables}
    result = subprocess.run([str(HOOKS / name), *map(str, arguments)], input=body, cwd="/",
                            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=60 * SLOWNESS)
    output = result.stdout.decode()
    assert result.returncode == status, output
    return output


def name_of(job_id: str) -> str:
    return hashlib.sha256(job_id.encode()).hexdigest()[:32]


# ---- download.sh ----

@pytest.fixture
def certificate(folder):
    return Certificate(folder)


@pytest.fixture
def store(certificate):
    """Where output_url points to."""
    server = WebServer(certificate)
    server.body = JPEG
    yield server
    server.stop()


@pytest.fixture
def media(folder):
    path = folder / "media"
    path.mkdir()
    return path


@pytest.fixture
def download(media, store, certificate):
    def run(*arguments, url=None, expires=1.0, **how):
        return run_hook("download.sh", media, *arguments, SASHA_OUTPUT_URL=url or f"{store.url}/x",
                        SASHA_OUTPUT_URL_EXPIRES_AT=moment(expires),
                        CURL_CA_BUNDLE=str(certificate.certificate), **how)
    return run


def test_download_once(media, store, download):
    assert "fetched 5004 bytes" in download()
    result = media / f"{name_of('../a job')}.jpg"
    assert result.read_bytes() == JPEG and result.stat().st_mode & 0o777 == 0o644
    assert "fetched before" in download()
    assert len(store.requests) == 1
    assert list(media.iterdir()) == [result]


@pytest.mark.parametrize("beginning, suffix", [
    (b"\x89PNG\r\n\x1a\n", "png"), (b"II*\x00", "tif"), (b"MM\x00*", "tif"),
    (b"RIFF\x00\x00\x00\x00WEBP", "webp")])
def test_download_types(media, store, download, beginning, suffix):
    store.body = beginning + bytes(100)
    download()
    assert [path.suffix for path in media.iterdir()] == [f".{suffix}"]


def test_download_too_late(store, download):
    assert "expired at" in download(expires=-1, status=65)
    assert store.requests == []


def test_download_what_is_not_kept(media, store, download):
    """None of these leaves anything in the folder."""
    store.status = 503
    assert "503" in download(status=75)
    store.status = 200
    store.cut = 1000
    download(status=75)
    store.cut = None
    assert "larger than 5003 bytes" in download(5003, status=65)
    store.body = b"<html>Please log in</html>"
    assert "no image" in download(status=75)
    store.body = b""
    assert "empty" in download(status=75)
    assert list(media.iterdir()) == []
    store.body = JPEG
    download(5004)


def test_download_only_https(media, store, download, folder):
    secret = folder / "secret"
    secret.write_text("x")
    download(url=f"file://{secret}", status=75)
    store.status, store.headers = 302, {"Location": f"file://{secret}"}
    download(status=75)
    assert list(media.iterdir()) == []


def test_download_a_url_is_no_option_of_curl(media, store, download, folder):
    """A url that would end its quotes, or its line, in the file that curl reads."""
    evil = folder / "evil"
    download(url=f'{store.url}/x"\noutput = "{evil}', status=65)
    download(url=f'{store.url}/x" -o "{evil}', status=75)
    assert not evil.exists()


def test_download_leaves_alone_what_is_stale(media, download):
    download(SASHA_STALE="1")
    assert list(media.iterdir()) == []


def test_download_by_the_daemon(conf, daemon, media, store, certificate):
    """The whole way, as the cookbook shows it; the first attempt fails."""
    conf.exec_sink("download", [str(HOOKS / "download.sh"), str(media)], statuses=["completed"],
                   types=["embed-signature"], retry_first="10ms", retry_max="1s",
                   user_env=["PATH=/usr/bin:/bin", f"CURL_CA_BUNDLE={certificate.certificate}"])
    store.status = 500
    daemon.start()
    daemon.accept(make_job("one", output_url=f"{store.url}/y",
                           output_url_expires_at=moment(1)))
    wait_until(lambda: store.requests, "the first attempt", 20)
    store.status = 200
    wait_until(lambda: (media / f"{name_of('one')}.jpg").exists(), "the result", 30)


# ---- cms.sh ----

@pytest.fixture
def cms():
    server = WebServer()
    yield server
    server.stop()


@pytest.fixture
def token(folder):
    path = folder / "cms-token"
    path.write_text("cms-secret\n")
    path.chmod(0o600)
    return path


def test_cms(cms, token):
    body = make_job("../a job", note=" raw  ")
    for _ in range(2):
        assert "published as" in run_hook("cms.sh", f"{cms.url}/jobs", token, body=body)
    first, second = cms.requests
    assert first == second
    method, path, headers, got = first
    assert (method, path, got) == ("PUT", f"/jobs/{name_of('../a job')}", body)
    assert headers["Authorization"] == "Bearer cms-secret"
    assert headers["Idempotency-Key"] == "r/1"


@pytest.mark.parametrize("answer, status", [
    (200, 0), (201, 0), (204, 0), (400, 65), (409, 65), (422, 65), (401, 75), (403, 75),
    (404, 75), (429, 75), (500, 75), (503, 75), (302, 75)])
def test_cms_answers(cms, token, answer, status):
    cms.status = answer
    cms.body = b"" if answer == 204 else b"no \x1b[31mway\n"
    output = run_hook("cms.sh", cms.url, token, status=status)
    if status != 0:
        assert f"the CMS answers {answer}: no  [31mway" in output


def test_cms_out_of_reach(cms, token, folder):
    cms.stop()
    assert "cms-secret" not in run_hook("cms.sh", cms.url, token, status=75)
    run_hook("cms.sh", cms.url, folder / "no-token", status=75)
    run_hook("cms.sh", cms.url, token, SASHA_STALE="1")


def test_cms_token_shows_in_no_list_of_processes(cms, token, folder):
    """curl is shadowed by a program that looks at its own arguments."""
    shadow = folder / "bin" / "curl"
    shadow.parent.mkdir()
    shadow.write_text(f'#!/bin/sh\nprintf "%s " "$@" >{folder}/arguments\nexec /usr/bin/curl "$@"\n')
    shadow.chmod(0o755)
    run_hook("cms.sh", cms.url, token, PATH=f"{shadow.parent}:/usr/bin:/bin")
    assert "cms-secret" not in (folder / "arguments").read_text()


# ---- mail.sh ----

@pytest.fixture
def mail_server():
    server = MailServer()
    yield server
    server.stop()


FAILED = make_job("bjørn\nBcc: all@example.com", "failed",
                  error={"code": "internal", "message": "two\nlines"})


def test_mail(mail_server):
    msmtp = ["/usr/bin/msmtp", "--host=127.0.0.1", f"--port={mail_server.port}",
             "--from=sasha@example.com", "--read-recipients"]
    for _ in range(2):
        run_hook("mail.sh", "ops@example.com", "sasha@example.com", *msmtp, body=FAILED,
                 SASHA_ERROR_CODE="internal", SASHA_ERROR_MESSAGE="two\nlines")
    assert [recipients for recipients, _ in mail_server.mails] == [["ops@example.com"]] * 2
    texts = [text for _, text in mail_server.mails]
    head, body = texts[0].split("\n\n", 1)
    assert "Subject: SASHA job bj??rn?Bcc: all@example.com: failed" in head
    assert not re.search(r"^Bcc", head, re.M)
    assert "Error:   internal: two lines" in body and "sasha-callbackctl show 7" in body
    ids = {re.search(r"^Message-ID: (<\w+@sasha-callbackd>)$", text, re.M)[1] for text in texts}
    assert len(ids) == 1


def test_mail_not_now(mail_server):
    mail_server.stop()
    run_hook("mail.sh", "a@example.com", "b@example.com", "/usr/bin/msmtp", "--host=127.0.0.1",
             f"--port={mail_server.port}", "--from=b@example.com", "--read-recipients", status=75)
    run_hook("mail.sh", "a@example.com", "b@example.com", "/bin/false", status=75)


def test_mail_not_for_a_replay():
    run_hook("mail.sh", "a@example.com", "b@example.com", "/bin/false", SASHA_REPLAY="1")


# ---- spool.sh, spool-worker.sh ----

@pytest.fixture
def spool(folder):
    return folder / "spool"


def test_spool_once(spool):
    body = make_job("../a job")
    assert "handed over: 000000000007-" in run_hook("spool.sh", spool, body=body)
    assert "handed over before" in run_hook("spool.sh", spool, body=body)
    (only,) = (spool / "new").iterdir()
    assert only.read_bytes() == body
    run_hook("spool.sh", spool, body=body, SASHA_REPLAY="1")
    assert len(list((spool / "new").iterdir())) == 2
    assert list((spool / "tmp").iterdir()) == []


def test_spool_not_now(folder):
    (folder / "file").write_text("")
    run_hook("spool.sh", folder / "file" / "spool", status=75)


def work(spool, script):
    program = spool.parent / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    result = subprocess.run([str(HOOKS / "spool-worker.sh"), str(spool), str(program)],
                            capture_output=True, text=True, timeout=60 * SLOWNESS)
    assert result.returncode == 0, result.stderr
    return result.stderr


def test_spool_worker(spool, folder):
    """In order, also with more than ten; what fails is kept; what was under way is begun anew."""
    for seq in (2, 12, 9, 111):
        run_hook("spool.sh", spool, body=make_job(f"job-{seq}"), SASHA_SEQ=str(seq),
                 SASHA_REQUEST_ID=f"r-{seq}")
    (spool / "cur").mkdir(exist_ok=True)
    first = sorted((spool / "new").iterdir())[0]
    first.rename(spool / "cur" / first.name)  # the machine stopped
    told = work(spool, f"cat >>{folder}/done; echo >>{folder}/done; ! tail -n 1 {folder}/done | "
                       f"grep -q job-9")
    jobs = [json.loads(line)["job_id"] for line in (folder / "done").read_text().splitlines()]
    assert jobs == ["job-2", "job-9", "job-12", "job-111"]
    assert [path.name[:12] for path in (spool / "failed").iterdir()] == ["000000000009"]
    assert "failed, kept as" in told
    assert list((spool / "new").iterdir()) == list((spool / "cur").iterdir()) == []


def test_spool_worker_takes_what_comes_meanwhile(spool, folder):
    run_hook("spool.sh", spool)
    work(spool, f"cat >>{folder}/done; [ -e {folder}/once ] || "
                f"{{ touch {folder}/once; echo more >{spool}/new/000000000008-x.json; }}")
    assert (folder / "done").read_text().endswith("more\n")


def test_only_one_spool_worker(spool, folder):
    run_hook("spool.sh", spool)
    work(spool, f"{HOOKS}/spool-worker.sh {spool} /bin/false && cat >{folder}/done")
    assert (folder / "done").exists()


# ---- redis.sh ----

@pytest.fixture
def redis(folder):
    """A server of our own, on a socket in the folder."""
    path = folder / "redis.sock"
    process = subprocess.Popen(
        [shutil.which("redis-server"), "--port", "0", "--unixsocket", str(path), "--dir",
         str(folder), "--save", "", "--requirepass", "sesame"], stdout=subprocess.DEVNULL)
    wait_until(path.exists, "redis", 30)
    yield path
    process.terminate()
    process.wait(30)


def cli(redis, *command):
    result = subprocess.run(["redis-cli", "-s", str(redis), "--no-auth-warning", "-a", "sesame",
                             *command], capture_output=True, text=True, timeout=30)
    return result.stdout.splitlines()


def test_redis_once(redis, folder):
    password = folder / "password"
    password.write_text("sesame\n")
    bodies = [make_job("a", note='\\"$x'), make_job("b")]
    for i, body in enumerate(bodies):
        for want in ("queued", "queued before"):
            assert run_hook("redis.sh", "sasha:jobs", password, "-s", redis, body=body,
                            SASHA_REQUEST_ID=f"r-{i}").strip() == want
    assert cli(redis, "LRANGE", "sasha:jobs", "0", "-1") == [
        body.decode() for body in reversed(bodies)]
    assert 600_000 < int(cli(redis, "TTL", "sasha:jobs:seen:main:r-0:0")[0]) <= 604_800


def test_redis_not_now(redis, folder):
    (folder / "wrong").write_text("wrong\n")
    assert "NOAUTH" in run_hook("redis.sh", "q", "", "-s", redis, status=75)
    run_hook("redis.sh", "q", folder / "wrong", "-s", redis, status=75)
    run_hook("redis.sh", "q", "", "-s", folder / "nobody.sock", status=75)


# ---- record.py ----

def rows(path):
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT job_id, status, job FROM jobs").fetchall()


def test_record(folder):
    path = folder / "jobs.db"
    new = make_job("a", "completed", updated_at="2026-01-02T00:00:00Z", big=18446744073709551615)
    old = make_job("a", "pending", updated_at="2026-01-01T00:00:00Z")
    assert run_hook("record.py", path, body=new) == "recorded\n"
    assert run_hook("record.py", path, body=new) == "recorded before\n"
    assert run_hook("record.py", path, body=old, SASHA_REQUEST_ID="r-2") == \
        "a newer state is recorded\n"
    assert rows(path) == [("a", "completed", new.decode())]


def test_record_not_now(folder):
    run_hook("record.py", folder / "no" / "jobs.db", status=75)
