#!/usr/bin/python3
"""record.py DATABASE: an example of a hook in Python. It keeps the latest state of each job in a
table of an SQLite database of yours. Copy it to /usr/local/lib/sasha-hooks, and write into the conf:

    sink "record" {
        type    = "exec"
        command = {"/usr/local/lib/sasha-hooks/record.py", "/var/lib/sasha-callbackd/jobs.db"}
    }

- The work and the note that it was done are one transaction, so it is done once.
- An older notification does not undo a newer one, also when an operator replays it.
- A database that is locked or full is "try again later"; any other failure, an exception too, is
  tried again as well.
"""

import json
import os
import sqlite3
import sys
from contextlib import closing

RETRY = 75

SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (endpoint TEXT, request_id TEXT, PRIMARY KEY (endpoint, request_id));
CREATE TABLE IF NOT EXISTS jobs (job_id TEXT PRIMARY KEY, status TEXT, updated_at TEXT, job TEXT);
"""


def record(database: sqlite3.Connection, job: dict, text: str) -> str:
    """Does the work, in a transaction of the caller's."""
    key = (os.environ["SASHA_ENDPOINT"], os.environ["SASHA_REQUEST_ID"])
    if database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", key).rowcount == 0:
        return "recorded before"
    # SASHA writes moments in UTC, ending in Z: they compare as text.
    changed = database.execute(
        "INSERT INTO jobs VALUES (?, ?, ?, ?) ON CONFLICT (job_id) DO UPDATE SET"
        " status = excluded.status, updated_at = excluded.updated_at, job = excluded.job"
        " WHERE excluded.updated_at >= jobs.updated_at",
        (job["job_id"], job["status"], job["updated_at"], text)).rowcount
    return "recorded" if changed else "a newer state is recorded"


def main() -> int:
    if len(sys.argv) != 2:
        print("record.py: no database given")
        return RETRY
    # The body, byte for byte as SASHA signed it. Numbers may be larger than a float holds.
    text = sys.stdin.buffer.read().decode("utf-8")
    job = json.loads(text)
    try:
        with closing(sqlite3.connect(sys.argv[1], timeout=20)) as database:
            database.executescript("PRAGMA synchronous = FULL;" + SCHEMA)
            with database:
                print(record(database, job, text))
    except sqlite3.OperationalError as error:
        print(f"{sys.argv[1]}: {error}")
        return RETRY
    return 0


if __name__ == "__main__":
    sys.exit(main())
