"""The pages themselves: well formed, and true where a program can tell."""

import re
import subprocess
from pathlib import Path

import pytest
from project import DAEMON, MAN, MAN_PAGES, REPO, SAMPLE


def test_all_pages_are_there_and_no_other():
    assert sorted(path.name for path in MAN.iterdir()) == sorted(MAN_PAGES)


@pytest.mark.parametrize("page", MAN_PAGES)
def test_mandoc_lint(page):
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "style", str(MAN / page)],
                            capture_output=True, text=True)
    # The pages refer to each other before they are installed.
    complaints = [line for line in result.stdout.splitlines()
                  if "referenced manual not found" not in line and "outdated mandoc.db" not in line]
    assert complaints == []


def links(text: str) -> list:
    return [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)
            if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("path", sorted([*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md")]),
                         ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for link in links(path.read_text()):
        assert not link or (path.parent / link).exists(), link


def anchors(text: str) -> set:
    """What a reader's browser can be led to: GitHub's names for headings."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", plain, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", sorted([*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md")]),
                         ids=lambda path: path.name)
def test_anchors_lead_somewhere(path):
    for page, anchor in re.findall(r"\]\(([\w./-]*)#([^)\s]+)\)", path.read_text()):
        target = path.parent / page if page else path
        assert anchor in anchors(target.read_text()), f"{page}#{anchor}"


def test_guarantees_name_tests_that_exist():
    """Each of G1 to G9 has a row, and each test that a row names is there."""
    text = (REPO / "docs" / "guarantees.md").read_text()
    rows = {match[1]: match[0] for match in re.finditer(r"^\|\s*\**(G\d)\b.*$", text, re.M)}
    assert sorted(rows) == [f"G{n}" for n in range(1, 10)]
    for name, row in rows.items():
        named = re.findall(r"`(tests/[\w./-]+?)(?:::(\w+))?`", row)
        assert named, f"{name} names no test"
        for file, function in named:
            path = REPO / file
            assert path.exists(), (name, file)
            if function:
                assert re.search(rf"\b{function}\b", path.read_text()), (name, file, function)


def check_example(example: str, folder) -> None:
    """The daemon's own check of a conf example, with nothing changed but the folders it names; the
    secrets and hooks that it names are there."""
    credentials = folder / "credentials"
    for place in ("/var/lib/sasha-callbackd", "/etc/sasha-callbackd", "/run/sasha-callbackd",
                  "/usr/local/lib/sasha-hooks"):
        moved = folder / place.strip("/").replace("/", "-")
        moved.mkdir(exist_ok=True)
        example = example.replace(place, str(moved))
    # The default of store.path is one of these folders as well.
    store = f'store {{\n path = "{folder}/var-lib-sasha-callbackd/deliveries.db"\n'
    example = example.replace("store {\n", store) if "store {\n" in example else \
        store + "}\n" + example
    credentials.mkdir(exist_ok=True)
    secrets = [credentials / name for name in re.findall(r'"credential:([\w.-]+)"', example)]
    secrets += [Path(path) for path in re.findall(r'"file:([^"]+)"', example)]
    for path in secrets:
        path.write_text("MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\n")
        path.chmod(0o600)
    for program in re.findall(r'command\s*=\s*\{\s*"([^"]+)"', example):
        Path(program).write_text("#!/bin/sh\n")
        Path(program).chmod(0o755)
    conf = folder / "example.conf"
    conf.write_text(example)
    conf.chmod(0o600)
    result = subprocess.run([str(DAEMON), "--config", str(conf), "--check"], capture_output=True,
                            text=True, env={"CREDENTIALS_DIRECTORY": str(credentials)})
    assert result.returncode == 0, result.stderr


def test_sample_conf_runs_as_written(tmp_path):
    check_example(SAMPLE.read_text(), tmp_path)


def test_conf_example_of_the_readme_runs_as_written(tmp_path):
    blocks = re.findall(r"```[a-z]*\n(.*?)```", (REPO / "README.md").read_text(), re.S)
    examples = [block for block in blocks if 'endpoint "' in block and "callback_secret" in block]
    assert examples
    for example in examples:
        check_example(example, tmp_path)


def test_the_readmes_two_commands_are_the_scripts():
    text = (REPO / "README.md").read_text()
    for script in ("tests/quickstart", "tests/run"):
        assert script in text and (REPO / script).stat().st_mode & 0o111
