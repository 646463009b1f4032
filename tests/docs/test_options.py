"""Options in --help and in the man pages are the same."""

import re

import pytest
from project import CTL, DAEMON, help_of, long_options, man_source, man_text


def man_options(page: str) -> set:
    """Options that the page describes in a list of its own, not those it mentions."""
    found = set()
    for line in re.findall(r"^\.It (.*Fl.*)$", man_source(page), re.M):
        found |= set(re.findall(r"Fl -([a-z][a-z-]+)", line))
    return found


def commands_of_ctl() -> list:
    return re.findall(r"^  ([a-z]+)\b", help_of(CTL, "--help"), re.M)


def all_help(program) -> str:
    """What --help says, of the program and of each of its commands."""
    if program == DAEMON:
        return help_of(DAEMON, "--help")
    return "\n".join([help_of(CTL, "--help"),
                      *(help_of(CTL, command, "--help") for command in commands_of_ctl())])


@pytest.mark.parametrize("program, page", [
    (DAEMON, "sasha-callbackd.8"), (CTL, "sasha-callbackctl.1")])
def test_options(program, page):
    told = long_options(all_help(program))
    assert told, "no option in --help"
    described = man_options(page)
    assert told - described == set(), "in --help, but not in the man page"
    assert described - told == set(), "in the man page, but not in --help"


def test_commands_of_the_ctl():
    """Each command that --help lists has its words in the man page."""
    text = man_text("sasha-callbackctl.1")
    assert "send" in commands_of_ctl()
    for command in commands_of_ctl():
        assert re.search(rf"\b{command}\b", text), command


def test_exit_statuses_of_the_daemon():
    text = man_source("sasha-callbackd.8")
    told = set(re.findall(r"\b(\d\d)\b", help_of(DAEMON, "--help").split("Exit status")[1]))
    described = set(re.findall(r"^\.It (\d\d)$", text, re.M))
    assert told == described
