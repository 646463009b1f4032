"""G9: it refuses to start unsafe, and says everything that is wrong in one run."""

import re
import subprocess

import pytest
from harness.callback import Secret
from harness.daemon import Daemon
from harness.paths import CTL, DAEMON, SLOWNESS

FAULT = re.compile(r"^(?P<file>/[^:]+):(?P<line>\d+): (?P<text>.+; .+)$")


def run(*arguments, **how):
    return subprocess.run([str(DAEMON), *map(str, arguments)], capture_output=True, text=True,
                          timeout=20 * SLOWNESS, **how)


def check(conf, path=None):
    return run("--config", path or conf.write(), "--check")


def faults(result):
    """Lines of faults: (line number, text)."""
    assert result.returncode == 78, result
    matches = [FAULT.match(line) for line in result.stderr.splitlines()]
    assert matches and all(matches), result.stderr
    return [(int(match["line"]), match["text"]) for match in matches]


def line_of(conf, text):
    lines = conf.path.read_text().splitlines()
    return next(i + 1 for i, line in enumerate(lines) if text in line)


def test_good_conf(conf):
    result = check(conf)
    assert (result.returncode, result.stderr) == (0, "")


def test_all_errors_in_one_run_with_their_lines(conf):
    conf.server["max_bdy"] = "1M"
    conf.server["workers"] = 0
    conf.log["level"] = "loud"
    conf.store["keep_deliveries"] = "30 days"
    conf.endpoint.keys["path"] = "no-slash"
    conf.exec_sink("hook", ["/nonexistent/program"])
    conf.sinks["odd"] = {"type": "pigeon"}
    found = faults(check(conf))
    lines = [line for line, _ in found]
    assert lines == sorted(lines)
    for text in ("max_bdy", "workers", "level", "keep_deliveries", "no-slash",
                 "/nonexistent/program", "pigeon"):
        line = line_of(conf, text)
        assert any(number == line for number, _ in found), (text, line, found)
    assert len(found) == 7, found
    assert any("max_bdy" in text and "max_body" in text for _, text in found), "what is meant"


def test_the_daemon_refuses_with_the_same_words(conf, daemon):
    conf.server["max_bdy"] = "1M"
    daemon.spawn()
    assert daemon.wait() == 78
    assert "max_bdy" in daemon.log_text()
    assert not (conf.folder / "deliveries.db").exists()


def inline(text):
    """A secret whose text is kept as it is in its file."""
    return Secret("current", text, text.encode())


REFUSED_SECRETS = {
    "empty": "",
    "short-hex": "ab" * 15,
    "neither-hex-nor-base64": "this is just a pass phrase of some length",
    "base64-of-31-bytes": "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMQ==",
}


@pytest.mark.parametrize("case", REFUSED_SECRETS)
def test_secret_that_is_too_short_or_cannot_be_told(conf, case):
    text = REFUSED_SECRETS[case]
    conf.endpoint.secrets = [inline(text)]
    result = check(conf)
    found = faults(result)
    assert len(found) == 1
    assert not text or text not in result.stderr, "the text of a secret must not show"


@pytest.mark.parametrize("mode, refused", [(0o600, False), (0o400, False), (0o640, True),
                                           (0o604, True), (0o660, True)])
def test_secret_file_readable_by_others(conf, mode, refused):
    conf.write()
    (conf.secret_folder / "main-current").chmod(mode)
    result = run("--config", conf.path, "--check")
    if refused:
        found = faults(result)
        assert any("main-current" in text for _, text in found)
    else:
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("mode, refused", [(0o600, False), (0o640, True), (0o604, True)])
def test_conf_with_inline_secret_readable_by_others(conf, mode, refused):
    conf.write()
    text = conf.path.read_text()
    secret = conf.endpoint.secrets[0]
    conf.path.write_text(text.replace(f"file:{conf.secret_folder}/main-current",
                                      f"value:{secret.text}"))
    conf.path.chmod(mode)
    result = run("--config", conf.path, "--check")
    assert result.returncode == (78 if refused else 0), result.stderr
    assert secret.text not in result.stderr + result.stdout


def test_conf_without_inline_secret_may_be_readable(conf):
    conf.write()
    conf.path.chmod(0o644)
    assert run("--config", conf.path, "--check").returncode == 0


def test_two_endpoints_that_could_be_confused(conf):
    other = conf.new_endpoint("other", conf.endpoint.public_url + "-2",
                              secrets=conf.endpoint.secrets)
    conf.endpoints.append(other)
    found = faults(check(conf))
    assert len(found) == 1 and "prefix" in found[0][1]

    other.secrets = [Secret.base64()]
    assert check(conf).returncode == 0, "no shared secret, no confusion"

    other.keys["path"] = "/callbacks/sasha-job-update"
    found = faults(check(conf))
    assert len(found) == 1 and "path" in found[0][1]


@pytest.mark.parametrize("url", [
    "https://your-app.com/x?a=b", "https://your-app.com/x#y", "ftp://your-app.com/x",
    "your-app.com/x", "https:///x", "https://your app.com/x", "",
])
def test_public_url(conf, url):
    conf.endpoint.public_url = url
    assert len(faults(check(conf))) >= 1


@pytest.mark.parametrize("keep_ids, max_age, good", [
    ("forever", "none", True), ("30d", "none", False), ("30d", "60d", False),
    ("30d", "30d", True), ("30d", "12h", True),
])
def test_keep_ids_needs_a_max_age_that_fits(conf, keep_ids, max_age, good):
    conf.store["keep_ids"] = keep_ids
    conf.endpoint.keys["max_age"] = max_age
    result = check(conf)
    assert result.returncode == (0 if good else 78), result.stderr
    if not good:
        assert any("max_age" in text for _, text in faults(result))


def test_hook_program_must_be_there_and_executable(conf):
    program = conf.folder / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o644)
    conf.exec_sink("hook", [str(program)])
    assert len(faults(check(conf))) == 1
    program.chmod(0o755)
    assert check(conf).returncode == 0
    conf.exec_sink("hook", ["relative/program"])
    assert len(faults(check(conf))) == 1
    conf.exec_sink("hook", [str(conf.folder)])
    assert len(faults(check(conf))) == 1
    conf.exec_sink("hook", [])
    assert len(faults(check(conf))) == 1


def test_no_endpoint_and_no_secret(conf):
    conf.endpoint.secrets = []
    assert len(faults(check(conf))) == 1
    conf.endpoints.clear()
    result = check(conf)
    assert result.returncode == 78


def test_short_token(conf):
    conf.endpoint.tokens = ["", "x"]
    result = check(conf)
    assert result.returncode == 78


def test_names_twice(conf):
    conf.more = '\nsink "archive" { type = "file" path = "/tmp/x" }\n'
    assert any("archive" in text for _, text in faults(check(conf)))


def test_syntax_error_ends_the_reading_with_its_line(conf):
    conf.more = 'sink "x" {\n    type = = "file"\n}\n'
    found = faults(check(conf))
    assert len(found) == 1 and found[0][0] == line_of(conf, "= =")


@pytest.mark.parametrize("path", ["/nonexistent/conf", "/"])
def test_conf_that_cannot_be_read(path):
    result = run("--config", path, "--check")
    assert result.returncode == 78 and path in result.stderr


def test_dump_config_can_be_read_again_and_holds_no_secret(conf):
    inline_secret = Secret.hex("inline", "some-id")
    conf.endpoint.secrets.append(inline_secret)
    conf.syslog_sink("log", "local")
    conf.exec_sink("hook", ["/bin/true", 'a "b" \\c $HOME ${HOME}'], user_env=["A=b"])
    conf.write()
    text = conf.path.read_text().replace(f"file:{conf.secret_folder}/main-inline",
                                         f"value:{inline_secret.text}")
    conf.path.write_text(text)
    result = run("--config", conf.path, "--dump-config")
    assert (result.returncode, result.stderr) == (0, "")
    dump = result.stdout
    for canary in conf.canaries():
        assert canary not in dump.encode()
    assert dump.count("<set>") == 1
    assert f"file:{conf.secret_folder}/main-current" in dump

    again = conf.folder / "again.conf"
    again.write_text(dump.replace("<set>", f"value:{inline_secret.text}"))
    again.chmod(0o600)
    second = run("--config", again, "--dump-config")
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == dump, "a dump of a dump is the same"


def test_command_line():
    for program in (DAEMON, CTL):
        result = subprocess.run([str(program), "--version"], capture_output=True, text=True)
        assert result.returncode == 0 and re.search(r"\d+\.\d+\.\d+", result.stdout)
        result = subprocess.run([str(program), "--help"], capture_output=True, text=True)
        assert result.returncode == 0 and "usage:" in result.stdout.lower()
        result = subprocess.run([str(program), "--no-such"], capture_output=True, text=True)
        assert result.returncode == 64 and "no-such" in result.stderr
    assert run("stray").returncode == 64


def test_environment_in_the_conf_is_not_expanded(conf):
    """A dollar sign in an argument reaches the hook as it stands."""
    conf.exec_sink("hook", ["/bin/echo", "${HOME}"])
    result = run("--config", conf.write(), "--dump-config", env={"HOME": "expanded"})
    assert "expanded" not in result.stdout and "HOME" in result.stdout


def test_address_in_use(conf, daemon, new_daemon):
    daemon.start()
    second_conf = type(conf)(conf.folder / "secrets")
    second_conf.server["listen"] = [daemon.address]
    second = Daemon(second_conf)
    try:
        second.spawn()
        assert second.wait() == 69
        assert daemon.address in second.log_text()
    finally:
        second.abandon()
    daemon.accept()
