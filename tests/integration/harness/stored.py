"""What the store holds, read from outside while the daemon is stopped or runs; never written."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, List, Tuple


def query(path: Path, sql: str, *values: object) -> List[Tuple[Any, ...]]:
    """Read-only, one statement, no transaction left open."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as reader:
        reader.execute("PRAGMA query_only = ON")
        return reader.execute(sql, values).fetchall()


#: The seq of the newest delivery, as a table of one row.
HEAD = """(SELECT max(coalesce((SELECT max(seq) FROM deliveries), 0), pruned_through) AS head
             FROM store)"""

#: Guarantee G5, from the rows: head - start + requeued = delivered + filtered + dropped + dead +
#: pending (store.h). What is above the frontier is pending without a row.
SUMS = f"""
SELECT sinks.name,
       head - start + requeued AS due,
       delivered + filtered + dropped
         + (SELECT count(*) FROM progress WHERE sink = sinks.id AND state IN (0, 2))
         + (head - frontier) AS accounted
FROM sinks, {HEAD}
"""


def check(path: Path) -> None:
    """What must hold of a stopped daemon's store after every test."""
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    for name, due, accounted in query(path, SUMS):
        assert due == accounted, f"sink {name}: {due} accepted, {accounted} accounted for"
    twice = query(path, "SELECT endpoint, request_id FROM deliveries "
                        "GROUP BY endpoint, request_id HAVING count(*) > 1")
    assert not twice, f"stored twice: {twice}"
