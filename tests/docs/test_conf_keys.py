"""Every conf key is known to the program, shown in the sample conf and described in the man page,
with the same default; and nothing else is."""

import re
import subprocess

import pytest
from project import DAEMON, REPO, SAMPLE, by_section, conf_keys, man_source

#: Makes the daemon show every key: all sections, and a sink of each type.
FULL = """
store { path = "FOLDER/deliveries.db" }
endpoint "main" {
    public_url = "https://your-app.com/callbacks/sasha-job-update"
    partner_token = {"none"}
    callback_secret "current" {
        source = "value:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
        id = "177F01DA-34F2-4318-9763-B73876FDD7FA"
    }
}
sink "exec" { type = "exec" command = {"/bin/true"}
    statuses = {"completed"} types = {"embed-signature"} endpoints = {"main"} }
sink "file" { type = "file" path = "FOLDER/jobs.jsonl" }
sink "syslog" { type = "syslog" }
"""


@pytest.fixture(scope="module")
def dump(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("conf")
    path = folder / "full.conf"
    path.write_text(FULL.replace("FOLDER", str(folder)))
    path.chmod(0o600)
    result = subprocess.run([str(DAEMON), "--config", str(path), "--dump-config"],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def known(dump):
    keys = conf_keys(dump)
    assert len(keys) > 40, by_section(keys)
    return keys


def test_sample_conf_shows_every_key(known):
    """Set or commented out, under its own section."""
    text = SAMPLE.read_text()
    # A comment that holds a key or a section counts as if it were set.
    bare = re.sub(r'^(\s*)#\s?(?=\s*(?:[a-z_]+\s*=|[a-z_]+\s*(?:"[^"]*"\s*)?\{|\}))', r"\1",
                  text, flags=re.M)
    shown = conf_keys(bare)
    assert by_section(known - shown) == {}, "keys that the sample conf does not show"
    assert by_section(shown - known) == {}, "keys of the sample conf that do not exist"


def test_man_page_describes_every_key(known):
    text = man_source("sasha-callbackd.conf.5")
    described = set(re.findall(r"^\.It (?:Ic|Cm|Va|Li) ([a-z_]+)", text, re.M))
    names = {key for _, key in known} | {section for section, _ in known}
    assert names - described == set(), "not in the man page"
    assert described - names == set(), "in the man page, but unknown to the program"


def test_readme_names_no_unknown_key(known):
    """The conf example of the README is checked by running it; here only its keys."""
    for block in re.findall(r"```[a-z]*\n(.*?)```", (REPO / "README.md").read_text(), re.S):
        if 'endpoint "' in block:
            assert conf_keys(block) <= known, by_section(conf_keys(block) - known)
