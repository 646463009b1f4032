"""docs/hook-cookbook.md and conf/hooks: every recipe is in both, and is what the daemon and systemd
take."""

import re
import subprocess
from pathlib import Path

import pytest
from project import REPO
from test_pages import check_example

HOOKS = sorted((REPO / "conf" / "hooks").iterdir())
TEXT = (REPO / "docs" / "hook-cookbook.md").read_text()

#: Everything of a conf but the sink.
REST = """
endpoint "main" {
    public_url    = "https://your-app.com/callbacks/sasha-job-update"
    partner_token = {"credential:partner-token"}
    callback_secret "current" { source = "credential:callback-secret" }
}
"""


def without_layout(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def sinks_of_the_cookbook() -> dict:
    """Name of the program to the sink that it is shown with."""
    blocks = re.findall(r"^```\n(sink .*?)^```", TEXT, re.M | re.S)
    return {re.search(r"sasha-hooks/([\w.-]+)", block)[1]: block for block in blocks}


def sink_of(hook: Path) -> str:
    """The sink in the text at the hook's top."""
    top = re.sub(r"(?m)^# ?", "", hook.read_text())
    match = re.search(r'^ *sink "\w+" \{\n.*?^ *\}\n', top, re.M | re.S)
    return match[0] if match else ""


def test_every_hook_is_in_the_cookbook():
    for hook in HOOKS:
        assert f"`{hook.name}`" in TEXT, hook.name
        assert hook.stat().st_mode & 0o777 == 0o755, hook.name


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name)
def test_the_sink_of_a_hook(hook, tmp_path):
    """What its own text says is what the cookbook says, and the daemon takes it."""
    sink = sink_of(hook)
    shown = sinks_of_the_cookbook().get(hook.name)
    if shown:
        assert without_layout(sink) == without_layout(shown)
    if sink:
        check_example(REST + sink, tmp_path)


def test_units(tmp_path):
    units = dict(re.findall(r"<!-- unit: (\S+) -->\n```\n(.*?)```", TEXT, re.S))
    assert len(units) == 2
    worker = without_layout(re.sub(r"(?m)^#   ", "", (REPO / "conf" / "hooks" / "spool-worker.sh")
                                   .read_text()))
    for name, text in units.items():
        assert without_layout(text) in worker, name
        program = tmp_path / "program"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        text = re.sub(r"ExecStart=\S+", f"ExecStart={program}", text)
        (tmp_path / name).write_text(text.replace("User=sasha-callbackd", "User=daemon"))
    result = subprocess.run(["systemd-analyze", "verify", "--man=no",
                             *(str(tmp_path / name) for name in units)],
                            capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
