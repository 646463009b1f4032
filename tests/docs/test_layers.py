"""The arrows of the design hold: util <- job <- {verify, store, sink} <- {intake, dispatch} <- admin
<- daemon <- main, with config beside them. Found by reading every #include."""

import re

import pytest
from project import SRC, source_files, without_comments

#: What each folder may include besides itself.
MAY_INCLUDE = {
    "util": set(),
    "job": {"util"},
    "verify": {"util", "job"},
    "store": {"util", "job"},
    "sink": {"util", "job"},
    "intake": {"util", "job", "verify", "store"},
    "dispatch": {"util", "job", "store", "sink"},
    "config": {"util", "verify", "sink", "intake"},
    "admin": {"util", "job", "verify", "store", "sink", "intake", "dispatch"},
    "ctl": {"util", "job", "verify", "config"},
    "daemon": {"util", "job", "verify", "store", "sink", "intake", "dispatch", "admin", "config"},
    "main": {"util", "config", "daemon"},
}

#: Third-party headers, and where they may be: folders, or single files.
LIBRARIES = {
    r"microhttpd\.h": {"intake", "admin"},
    r"openssl/.*": {"verify"},
    r"jansson\.h": {"job", "admin", "ctl"},
    r"sqlite3\.h": {"store"},
    r"curl/.*": {"ctl"},
    r"confuse\.h": {"config"},
    r"systemd/sd-event\.h": {"daemon", "sink", "dispatch"},
    r"systemd/sd-daemon\.h": {"daemon"},
    r"systemd/sd-journal\.h": {"util/log.c"},
}


def includes(path):
    """(local?, name) of each #include."""
    text = without_comments(path.read_text())
    return [(opening == '"', name) for opening, name in
            re.findall(r'^\s*#\s*include\s+(["<])([^">]+)[">]', text, re.M)]


def layer(path) -> str:
    relative = path.relative_to(SRC)
    return relative.parts[0] if len(relative.parts) > 1 else "main"


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(SRC)))
def test_arrows(path):
    mine = layer(path)
    assert mine in MAY_INCLUDE, f"a new folder: say in {__file__} what it may include"
    for local, name in includes(path):
        if local and "/" in name:
            other = name.split("/")[0]
            assert (SRC / name).exists(), f"{name} does not exist"
            assert other == mine or other in MAY_INCLUDE[mine], \
                f"{path.relative_to(SRC)} includes {name}: {mine} may know only " \
                f"{sorted(MAY_INCLUDE[mine])}"
        elif local:
            assert name == "build_config.h", \
                f"{path.relative_to(SRC)} includes {name}: write it with its folder"


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(SRC)))
def test_libraries_stay_in_their_folders(path):
    place = str(path.relative_to(SRC))
    for local, name in includes(path):
        if local:
            continue
        for pattern, allowed in LIBRARIES.items():
            if re.fullmatch(pattern, name):
                assert place in allowed or layer(path) in allowed, \
                    f"{place} includes <{name}>, which belongs in {sorted(allowed)}"


def test_sqlite_is_in_the_sqlite_files_only():
    users = [path.relative_to(SRC) for path in source_files()
             if (False, "sqlite3.h") in includes(path)]
    assert all(path.name.startswith("sqlite") for path in users), users


def test_every_library_of_the_table_is_used():
    """So that a typing error in a pattern above does not make it toothless."""
    used = {name for path in source_files() for local, name in includes(path) if not local}
    for pattern in LIBRARIES:
        assert any(re.fullmatch(pattern, name) for name in used), pattern
