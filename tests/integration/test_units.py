"""The units: clean for systemd-analyze, no more exposed than promised, and in place after
`meson install`."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from harness.paths import BUILD, DAEMON, REPO

MAN_PAGES = ["man1/sasha-callbackctl.1", "man5/sasha-callbackd.conf.5",
             "man7/sasha-callback-hook.7", "man8/sasha-callbackd.8"]


def run(*command, **how):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120,
                          **how)


def install(root: Path) -> None:
    result = run("meson", "install", "-C", BUILD, "--no-rebuild",
                 env={**os.environ, "DESTDIR": str(root)})
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("installed")
    install(root)
    return root


@pytest.fixture
def units(installed, tmp_path) -> Path:
    """The installed units in a folder of their own, with the program where it really is: verify
    asks whether it can be run."""
    for unit in installed.rglob("sasha-callbackd.s*"):
        if unit.suffix in (".service", ".socket"):
            text = re.sub(r"ExecStart=\S+", f"ExecStart={DAEMON}", unit.read_text())
            (tmp_path / unit.name).write_text(text)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sasha-callbackd.service", "sasha-callbackd.socket"]
    return tmp_path


def test_systemd_analyze_verify_is_silent(units):
    result = run("systemd-analyze", "verify", "--man=no", *units.iterdir(), cwd=units)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_exposure(units):
    result = run("systemd-analyze", "security", "--offline=true", "--threshold=15",
                 units / "sasha-callbackd.service")
    assert result.returncode == 0, result.stdout
    score = float(re.search(r"exposure level for \S+: ([\d.]+)", result.stdout)[1])
    assert score <= 1.5


def test_program_and_conf_are_where_the_unit_says(installed):
    unit = next(installed.rglob("sasha-callbackd.service")).read_text()
    program, conf = re.search(r"^ExecStart=(\S+) --config (\S+)$", unit, re.M).groups()
    assert os.access(installed / program.lstrip("/"), os.X_OK)
    path = installed / conf.lstrip("/")
    assert path.stat().st_mode & 0o777 == 0o640
    for name in re.findall(r"^LoadCredential=([^:]+):", unit, re.M):
        assert f'"credential:{name}"' in path.read_text(), f"the sample conf does not use {name}"


def test_stop_timeout_is_longer_than_the_default_drain_timeout(installed):
    unit = next(installed.rglob("sasha-callbackd.service")).read_text()
    stop = int(re.search(r"^TimeoutStopSec=(\d+)s$", unit, re.M)[1])
    keys = (REPO / "src" / "config" / "keys.c").read_text()
    drain = int(re.search(r'"drain_timeout",[^}]*\.def = "(\d+)s"', keys)[1])
    grace = int(re.search(r'"grace",[^}]*\.def = "(\d+)s"', keys)[1])
    commit = int(re.search(r'"commit_timeout",[^}]*\.def = "(\d+)s"', keys)[1])
    assert stop > drain + grace + commit + 10


def test_everything_is_installed(installed):
    names = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    for end in ("sysusers.d/sasha-callbackd.conf", "tmpfiles.d/sasha-callbackd.conf",
                "systemd/catalog/sasha-callbackd.catalog", "logrotate.d/sasha-callbackd",
                "bin/sasha-callbackctl", "sbin/sasha-callbackd",
                "doc/sasha-callbackd/proxy/nginx.conf", "doc/sasha-callbackd/monitoring/alerts.yml",
                "doc/sasha-callbackd/monitoring/grafana-dashboard.json",
                "doc/sasha-callbackd/monitoring/prometheus.yml", "doc/sasha-callbackd/api.md",
                "doc/sasha-callbackd/hook-cookbook.md", "doc/sasha-callbackd/operations.md",
                "doc/sasha-callbackd/hooks/download.sh",
                "doc/sasha-callbackd/drop-in-hooks.conf",
                *(f"share/man/{page}" for page in MAN_PAGES)):
        assert any(name.endswith(end) for name in names), end


def test_install_never_overwrites_the_conf(tmp_path):
    install(tmp_path)
    conf = next(tmp_path.rglob("sasha-callbackd/sasha-callbackd.conf"))
    conf.write_text("# mine\n")
    install(tmp_path)
    assert conf.read_text() == "# mine\n"


def test_sysusers_and_tmpfiles_are_well_formed(installed, tmp_path):
    """The real programs, on a root of their own."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    sysusers = next(installed.rglob("sysusers.d/sasha-callbackd.conf"))
    tmpfiles = next(installed.rglob("tmpfiles.d/sasha-callbackd.conf"))
    result = run("systemd-sysusers", f"--root={root}", sysusers)
    assert result.returncode == 0, result.stderr
    assert "sasha-callbackd:" in (root / "etc" / "passwd").read_text()
    result = run("systemd-tmpfiles", f"--root={root}", "--create", tmpfiles)
    assert result.returncode == 0, result.stderr
    assert (root / "run" / "sasha-callbackd").stat().st_mode & 0o777 == 0o755
    state = root / "var" / "lib" / "sasha-callbackd"
    assert state.stat().st_mode & 0o777 == 0o750

    # From there the guide's next step, the check of the conf before the first start, can be done.
    credentials = root / "etc" / "sasha-callbackd" / "credentials"
    for name in ("partner-token", "callback-secret"):
        (credentials / name).write_text("MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\n")
        (credentials / name).chmod(0o600)
    conf = root / "etc" / "sasha-callbackd" / "sasha-callbackd.conf"
    sample = next(installed.rglob("sasha-callbackd/sasha-callbackd.conf")).read_text()
    conf.write_text(sample.replace('# path = "/var', 'path = "/var')
                    .replace("/var/lib/sasha-callbackd", str(state)))
    conf.chmod(0o640)
    result = run(DAEMON, "--config", conf, "--check",
                 env={"CREDENTIALS_DIRECTORY": str(credentials)})
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("part", ["service.in", "drop-in-hooks.conf"])
def test_each_hardening_line_that_may_bite_a_hook_is_explained(part):
    path = next((REPO / "systemd").glob(f"*{part}"))
    text = path.read_text()
    for key in ("MemoryDenyWriteExecute", "IPAddressAllow", "ReadWritePaths", "ProtectHome"):
        assert key in text, (path, key)


def test_drop_in_example_is_valid(units, tmp_path):
    """The documented drop-in on top of the unit, as an operator would put it."""
    text = (REPO / "systemd" / "drop-in-hooks.conf").read_text()
    uncommented = re.sub(r"^#(?=[A-Z]\w+=)", "", text, flags=re.M)
    for content in (text, uncommented):
        folder = units / "sasha-callbackd.service.d"
        folder.mkdir(exist_ok=True)
        (folder / "hooks.conf").write_text(content)
        result = run("systemd-analyze", "verify", "--man=no", units / "sasha-callbackd.service",
                     cwd=units)
        assert (result.returncode, result.stdout + result.stderr) == (0, "")
