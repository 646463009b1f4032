"""The commands that README and the guides show: a walkthrough that a test runs, or one that the
service manager of a real machine must do; and all with options that there are."""

import re

import pytest
from project import CTL, REPO, help_of

GUIDE = (REPO / "docs" / "operations.md").read_text()
PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]

#: What a test cannot do on the machine it runs on; test_units.py does it on a root of its own.
OF_THE_MACHINE = {"tests/setup", "meson", "ninja", "systemd-sysusers", "systemd-tmpfiles",
                  "systemctl", "install", "editor"}


def test_every_block_of_the_guide_is_a_walkthrough_or_of_the_machine():
    for match in re.finditer(r"^( *)(<!-- run: [\w-]+ -->\n\1)?```\n(.*?)^\1```$", GUIDE,
                             re.M | re.S):
        _, marker, block = match.groups()
        lines = [line.strip() for line in block.splitlines()]
        if marker or lines[0].startswith("callback_secret"):
            continue
        if re.match(r"\d+ \d+ \* \* \* root ", lines[0]):  # cron
            continue
        assert {line.split()[0] for line in lines[:-1]} <= OF_THE_MACHINE, lines
        assert lines[-1].split()[0] in OF_THE_MACHINE | {"sasha-callbackctl"}, lines


def shown() -> list:
    """(page, command line) of sasha-callbackctl, in blocks and within lines."""
    found = []
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        lines = re.findall(r"(?m)^\s*(?:\$ )?(sasha-callbackctl [a-z-].*)$", text)
        lines += re.findall(r"`(sasha-callbackctl [^`]+)`", text)
        found += [(page.name, line.split(" #")[0]) for line in lines]
    return found


@pytest.mark.parametrize("page, line", sorted(set(shown())))
def test_options_exist(page, line):
    words = line.replace("\n", " ").split()[1:]
    common = set(re.findall(r"--[a-z-]+", help_of(CTL, "--help")))
    while words and words[0].startswith("--"):
        assert words.pop(0) in common
    told = help_of(CTL, words[0], "--help")
    assert f" {words[0]} " in told
    for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", " ".join(words[1:])):
        assert option in re.findall(r"--[a-z-]+", told), (page, line, option)
