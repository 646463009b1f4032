"""Names that others build on: the variables of a hook, and the reasons of an answer."""

import re

from project import REPO, SRC, man_source, source_files, without_comments

#: Design §6. Names may be added here together with the man page, never renamed.
VARIABLES = set("""
SASHA_JOB_ID SASHA_JOB_TYPE SASHA_JOB_STATUS SASHA_SIGNATURE_ID SASHA_OUTPUT_URL
SASHA_OUTPUT_URL_EXPIRES_AT SASHA_ERROR_CODE SASHA_ERROR_MESSAGE SASHA_CREATED_AT SASHA_UPDATED_AT
SASHA_REQUEST_ID SASHA_ENDPOINT SASHA_RECEIVED_AT SASHA_SEQ SASHA_ATTEMPT SASHA_STALE SASHA_REPLAY
SASHA_UNVERIFIED
""".split())

NAME = r"SASHA_[A-Z_]*[A-Z]"


def in_strings(text: str) -> set:
    """Names inside of string literals."""
    strings = re.findall(r'"((?:\\.|[^"\\])*)"', without_comments(text))
    return {name for string in strings for name in re.findall(NAME, string)}


def test_variables_of_hooks_in_code():
    used = set()
    for path in (SRC / "sink").glob("*.c"):
        used |= in_strings(path.read_text())
    assert used == VARIABLES


def test_variables_of_hooks_in_the_man_page():
    described = set(re.findall(rf"^\.It (?:Ev|Va) ({NAME})", man_source("sasha-callback-hook.7"),
                               re.M))
    assert described == VARIABLES


def test_hook_examples_use_no_unknown_variable():
    for path in (REPO / "conf" / "hooks").rglob("*"):
        if path.is_file():
            used = set(re.findall(NAME, path.read_text()))
            assert used <= VARIABLES, (path, used - VARIABLES)


def test_field_names_of_the_journal_do_not_clash():
    """The journal gets SASHA_EVENT and SASHA_<FIELD>; none but the log writes such names."""
    for path in source_files():
        if path.parent.name not in ("sink", "util"):
            assert not in_strings(path.read_text()), path


def test_reasons_in_the_man_page():
    text = (SRC / "verify" / "reason.c").read_text()
    reasons = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', without_comments(text)))
    assert len(reasons) == 20, reasons
    page = man_source("sasha-callbackd.8")
    rows = dict(re.findall(r"^\.It ([a-z-]+) Ta (\d{3}) Ta", page, re.M))
    assert set(rows) == reasons
    for reason, status in re.findall(r'\{\s*"([a-z-]+)",\s*(\d{3})\s*\}', text):
        assert rows[reason] == status, reason
