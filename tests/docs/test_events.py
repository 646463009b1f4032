"""Events of the log: the names that the code uses, the table of ids, the man page and the journal's
catalog are about the same ones."""

import re
import shutil
import subprocess

import pytest
from project import REPO, SRC, man_source, source_files, without_comments

CATALOG = REPO / "systemd" / "sasha-callbackd.catalog"
NAME = r"[a-z]+(?:-[a-z]+)+|[a-z]+"
LEVELS = ["debug", "info", "warning", "err"]

#: Where a name is not written in the call itself: the file, and what it passes.
BY_VARIABLE = {"daemon/sockets.c": "event", "intake/report.c": "event_name(reason)"}


def calls():
    """(file, level or None, name or None, second argument) of each call of the log."""
    for path in source_files():
        if path.name.startswith("log"):
            continue
        text = without_comments(path.read_text())
        place = str(path.relative_to(SRC))
        for level, argument in re.findall(r'\blog_(err|warning|info|debug)\(\s*("[^"]*"|[^,]+),',
                                          text):
            yield place, level, argument
        for level, argument in re.findall(
                r'\blog_event\(\s*(\w+),\s*("[^"]*"|[\w()]+),', text):
            yield place, level.removeprefix("LOG_LEVEL_").lower(), argument


def levels_of_reasons():
    """The level of each reason, from the table of answers."""
    text = (SRC / "intake" / "answer.c").read_text()
    rows = re.findall(r"\[REASON_(\w+)\] = \{.*?LOG_LEVEL_(\w+)\}", text)
    assert len(rows) == 20
    return {reason: level.lower() for reason, level in rows}


def events_in_code():
    """Each event with its levels."""
    events = {}
    for place, level, argument in calls():
        if argument.startswith('"'):
            assert level in LEVELS, (place, argument, level)
            events.setdefault(argument.strip('"'), set()).add(level)
        else:
            assert BY_VARIABLE.get(place) == argument, f"{place}: an event named by {argument}"
    text = without_comments((SRC / "daemon" / "daemon.c").read_text())
    listening = re.findall(r'sockets_log\(&\w+, "([\w-]+)"\)', text)
    assert listening
    for name in listening:
        events.setdefault(name, set()).add("info")
    text = without_comments((SRC / "intake" / "report.c").read_text())
    body = re.search(r"\*event_name\(enum reason reason\)\n\{(.*?)\n\}", text, re.S)[1]
    by_reason = {}
    for reasons, name in re.findall(r'(?:if \((.*?)\)\s*)?return "([\w-]+)";', body, re.S):
        for reason in re.findall(r"REASON_(\w+)", reasons) or [None]:
            by_reason[reason] = name
    for reason, level in levels_of_reasons().items():
        events.setdefault(by_reason.get(reason, by_reason[None]), set()).add(level)
    return events


def ids_in_code():
    rows = re.findall(r'\{"([^"]*)", "([^"]*)"\},', (SRC / "util" / "log_ids.c").read_text())
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def catalog():
    """Event to (id, headers, text), events taken from the comment above each entry."""
    entries = {}
    for part in CATALOG.read_text().split("\n# ")[1:]:
        match = re.fullmatch(rf"({NAME})\n-- ([0-9a-f]{{32}})\n(.*?)\n\n(.*)", part, re.S)
        if match:
            headers = dict(line.split(": ", 1) for line in match[3].splitlines())
            assert match[1] not in entries
            entries[match[1]] = match[2], headers, match[4].strip()
    return entries


def test_each_event_has_an_id_and_each_id_an_event():
    assert set(ids_in_code()) == set(events_in_code())


def test_man_page_lists_each_event_with_its_levels():
    page = re.search(r"^\.Sh EVENTS$(.*?)^\.Sh", man_source("sasha-callbackd.8"), re.M | re.S)[1]
    rows = re.findall(rf"^\.It ({NAME}) Ta ([\w, ]+?) Ta (\S.*)$", page, re.M)
    described = {name: set(re.split(r", | or ", levels)) for name, levels, _ in rows}
    assert len(described) == len(rows)
    assert described == events_in_code()


def test_catalog_explains_each_event():
    entries = catalog()
    assert {name: entry[0] for name, entry in entries.items()} == ids_in_code()
    assert len(re.findall(r"^-- ", CATALOG.read_text(), re.M)) == len(entries)
    for name, (_, headers, text) in entries.items():
        assert list(headers) == ["Subject", "Defined-By", "Documentation"], name
        assert headers["Defined-By"] == "sasha-callbackd"
        assert headers["Documentation"] == "man:sasha-callbackd(8)"
        assert len(text) > 40, f"{name}: what happened, and what to do?"
        assert max(map(len, text.splitlines())) <= 80, name


def test_catalog_names_only_fields_that_the_event_has():
    sources = "".join(without_comments(path.read_text()) for path in source_files())
    fields = set(re.findall(r'\{"([a-z_]+)",\s', sources))
    for name, (_, headers, text) in catalog().items():
        for field in re.findall(r"@([A-Z_]+)@", headers["Subject"] + text):
            assert field.startswith("SASHA_") and field[6:].lower() in fields, (name, field)


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """A root with the catalog compiled by the real journalctl."""
    root = tmp_path_factory.mktemp("root")
    folder = root / "usr" / "lib" / "systemd" / "catalog"
    folder.mkdir(parents=True)
    (root / "var" / "lib" / "systemd" / "catalog").mkdir(parents=True)
    shutil.copy(CATALOG, folder)
    result = subprocess.run(["journalctl", f"--root={root}", "--update-catalog"],
                            capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    return root


def test_journalctl_takes_the_catalog(journal):
    result = subprocess.run(["journalctl", f"--root={journal}", "--dump-catalog"],
                            capture_output=True, text=True, check=True)
    got = dict(re.findall(r"^-- ([0-9a-f]{32})\nSubject: (.*)$", result.stdout, re.M))
    assert got == {id: headers["Subject"] for id, headers, _ in catalog().values()}


#: Written at a start and a reload only; once a backup, which takes its time and is an operator's.
NOT_OF_PEERS = {'"report-mode"', '"backup-made"', '"backup-not-made"'}


def test_what_peers_can_cause_is_limited():
    """Each call of the log in intake/ and admin/ stands behind a limit, in the same function."""
    found = 0
    for path in [*(SRC / "intake").glob("*.c"), *(SRC / "admin").glob("*.c")]:
        for function in without_comments(path.read_text()).split("\n}\n"):
            for argument in re.findall(r"\blog_(?:event\(\s*\w+,|err\(|warning\(|info\(|debug\()"
                                       r'\s*("[^"]*"|[\w()]+),', function):
                found += 1
                assert argument in NOT_OF_PEERS or re.search(
                    r"\b(log_limit_pass|log_state_step|may_log|may_report|take_rest)\(", function), (path, argument)
    assert found >= 8
