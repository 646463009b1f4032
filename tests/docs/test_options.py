"""Options in --help and in the man pages are the same."""

import re

import pytest
from project import CTL, DAEMON, help_of, long_options, man_source, man_text


def man_options(page: str) -> set:
    """Options that the page describes in a list of its own, not those it mentions."""
    return options_of(man_source(page))


def commands_of_ctl() -> list:
    return re.findall(r"^  ([a-z][a-z-]*)\s", help_of(CTL, "--help"), re.M)


def subsection(page: str, title: str) -> str:
    """The source of a .Ss of a page."""
    match = re.search(rf"^\.Ss {re.escape(title)}\n(.*?)(?=^\.S[sh] )", man_source(page),
                      re.M | re.S)
    assert match, f"{page} has no .Ss {title}"
    return match[1]


def options_of(text: str) -> set:
    """Options that lists in a piece of man source describe."""
    lines = re.findall(r"^\.It (.*Fl.*)$", text, re.M)
    return {option for line in lines for option in re.findall(r"Fl -([a-z][a-z-]+)", line)}


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


@pytest.mark.parametrize("command", commands_of_ctl())
def test_options_of_a_command(command):
    """Its own subsection describes its own options, or refers to the one that does."""
    page = "sasha-callbackctl.1"
    own = help_of(CTL, command, "--help").split("common options:")[0]
    told = set(re.findall(r"^  --([a-z][a-z-]+)", own, re.M))
    text = subsection(page, command)
    described = options_of(text)
    for shared in ("Filters", "Acting on many"):
        if f".Sx {shared}" in text:
            described |= options_of(subsection(page, shared))
    # Options that belong to another one are listed in its words.
    mentioned = set(re.findall(r"Fl -([a-z][a-z-]+)", text))
    assert told - described - mentioned == set(), "in --help, but not in the subsection"
    assert described - told == set(), "in the subsection, but not in --help"


def test_exit_statuses_of_the_daemon():
    text = man_source("sasha-callbackd.8")
    told = set(re.findall(r"\b(\d\d)\b", help_of(DAEMON, "--help").split("Exit status")[1]))
    described = set(re.findall(r"^\.It (\d\d)$", text, re.M))
    assert told == described
