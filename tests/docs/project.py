"""Where the project's files and programs are; shared by the tests of this folder."""

import os
import re
import subprocess
from pathlib import Path
from typing import Dict, List, Set, Tuple

REPO = Path(__file__).resolve().parents[2]
SRC = REPO / "src"
MAN = REPO / "docs" / "man"
SAMPLE = REPO / "conf" / "sasha-callbackd.conf"
BUILD = Path(os.environ.get("SASHA_BUILD", REPO / "build" / "gcc")).resolve()
DAEMON = BUILD / "src" / "sasha-callbackd"
CTL = BUILD / "src" / "sasha-callbackctl"

MAN_PAGES = ["sasha-callbackctl.1", "sasha-callbackd.conf.5", "sasha-callback-hook.7",
             "sasha-callbackd.8"]


def source_files() -> List[Path]:
    return sorted([*SRC.rglob("*.c"), *SRC.rglob("*.h")])


def without_comments(text: str) -> str:
    """C source without its comments; strings stay."""
    pattern = r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|/\*.*?\*/|//[^\n]*'
    return re.sub(pattern, lambda m: " " if m[0].startswith("/") else m[0], text, flags=re.S)


def man_text(page: str) -> str:
    """The page as a reader sees it, without line breaks in words."""
    result = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=1000", str(MAN / page)],
                            capture_output=True, text=True, check=True)
    return re.sub(r".\x08", "", result.stdout)


def man_source(page: str) -> str:
    return (MAN / page).read_text()


def conf_keys(text: str) -> Set[Tuple[str, str]]:
    """(section, key) of each key set in a conf text. Secrets count as a section of their own; a
    sink's section is "sink"."""
    found = set()
    path: List[str] = []
    tokens = re.finditer(r'#[^\n]*|"(?:\\.|[^"\\])*"|([a-z_0-9]+)\s*(?:"(?:\\.|[^"\\])*")?\s*(\{)'
                         r'|([a-z_0-9]+)\s*=\s*(\{[^}]*\}|"(?:\\.|[^"\\])*"|[^\s}]+)|(\})', text)
    for token in tokens:
        if token[2]:
            path.append(token[1])
        elif token[3]:
            found.add((path[-1], token[3]))
        elif token[5]:
            path.pop()
    assert not path, "braces do not match"
    return found


def help_of(*command: object) -> str:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def long_options(text: str) -> Set[str]:
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text))


def by_section(keys: Set[Tuple[str, str]]) -> Dict[str, List[str]]:
    sections: Dict[str, List[str]] = {}
    for section, key in sorted(keys):
        sections.setdefault(section, []).append(key)
    return sections
