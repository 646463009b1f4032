"""Completion in bash, zsh and fish offers what the program has: they ask it for commands and options,
and what they know of values goes by what the option tables call them."""

import re
import subprocess
import tempfile

import pytest
from project import CTL, REPO, help_of

FOLDER = REPO / "conf" / "completion"
HOME = tempfile.TemporaryDirectory(prefix="sasha-home-")  # fish writes into it
ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": HOME.name}

BASH = '''
source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_sasha_callbackctl "$1"; printf "%s\\n" "${COMPREPLY[@]}"'''

# What zsh's own completion system would be given.
ZSH = '''
source "$0"; words=("$@"); CURRENT=$#
compadd() { shift; print -l -- "$@" }
_describe() { print -l -- "${(@)${(@P)@[-1]}%%:*}" }
_files() { print -l -- $PWD/* }
_message() { }
_sasha_callbackctl'''

FISH = '''source $argv[1]; complete -C (string join " " -- $argv[2..])'''


def offered(shell, *words, cwd=None):
    """What the shell offers for the last word."""
    script = str(FOLDER / f"sasha-callbackctl.{shell}")
    command = {"bash": ["bash", "--norc", "-c", BASH, script, str(CTL), *words],
               "zsh": ["zsh", "-f", "-c", ZSH, script, str(CTL), *words],
               "fish": ["fish", "--no-config", "-c", FISH, script, str(CTL), *words]}[shell]
    if shell == "fish":  # completions belong to a name, not to a path
        command[-1 - len(words)] = "sasha-callbackctl"
    result = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60,
                            env={**ENV, "PATH": f"{CTL.parent}:{ENV['PATH']}"})
    assert result.returncode == 0 and not result.stderr, result.stderr
    found = [line.split("\t")[0].strip() for line in result.stdout.splitlines()]
    return {word for word in found if word.startswith(words[-1]) and word}


def commands():
    return set(re.findall(r"^  ([a-z][a-z-]*)\s", help_of(CTL, "--help"), re.M))


def options(*command):
    return set(re.findall(r"^  (--[a-z-]+)", help_of(CTL, *command, "--help"), re.M))


shells = pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])


@shells
def test_commands(shell):
    assert offered(shell, "") == commands()
    assert offered(shell, "--json", "re") == {"replay", "resume", "retry"}
    assert offered(shell, "--socket", "/x", "pau") == {"pause"}


@shells
@pytest.mark.parametrize("command", sorted(commands()))
def test_options(shell, command):
    assert offered(shell, command, "--") == options(command)


@shells
def test_common_options(shell):
    assert offered(shell, "--") == options()


@shells
@pytest.mark.parametrize("words, want", [
    (["dead", ""], {"list", "retry", "drop"}),
    (["--json", "dead", "--sink", "x", "re"], {"retry"}),
    (["list", "--state", ""], {"dead", "pending"}),
    (["list", "--stale", ""], {"yes", "no"}),
    (["tail", "--status", "c"], {"completed"}),
    (["send", "--type", "l"], {"lookup-signature"}),
    (["stats", "--since", "t"], {"today"}),
    (["list", "--job", ""], set()),
    (["no-such-command", "--"], set()),
])
def test_values(shell, words, want):
    assert offered(shell, *words) == want


@shells
@pytest.mark.parametrize("words", [["--config", ""], ["send", "--job", ""], ["explain", ""]])
def test_files(shell, words, tmp_path):
    (tmp_path / "captured").touch()
    found = offered(shell, *words, cwd=tmp_path)
    # For bash the last resort is readline's: `complete -o default`.
    assert any(name.endswith("captured") for name in found) or \
        (shell == "bash" and words == ["explain", ""] and found == set())


@shells
def test_words_for_values_are_in_the_tables(shell):
    """Each kind of value that the script knows is one that an option takes."""
    text = (FOLDER / f"sasha-callbackctl.{shell}").read_text()
    kinds = set(re.findall(r"\b(?:FILE|PATH|STATE|STATUS|TYPE|TIME)\b|yes\|no", text))
    helps = "\n".join(help_of(CTL, command, "--help") for command in commands())
    for kind in kinds:
        assert re.search(rf"^  --[a-z-]+ {re.escape(kind)}\b", helps, re.M), kind
