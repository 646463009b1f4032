#!/usr/bin/python3
"""Counts results: `tally.py unit TESTLOG.json` or `tally.py pytest JUNIT.xml`.

Prints "passed failed skipped" and then the name of each failure, one a line. Of a Check program its
own count of cases is taken; one that died without a count is one failure."""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from typing import List, Tuple

Result = Tuple[int, int, int, List[str]]

CHECK_COUNT = re.compile(r"(\d+)%: Checks: (\d+), Failures: (\d+), Errors: (\d+)")


def tally_unit(path: str) -> Result:
    passed, failed, skipped, names = 0, 0, 0, []
    with open(path) as file:
        for line in file:
            test = json.loads(line)
            counts = CHECK_COUNT.findall(test.get("stdout", ""))
            total = sum(int(checks) for _, checks, _, _ in counts)
            bad = sum(int(failures) + int(errors) for _, _, failures, errors in counts)
            if test["result"] == "SKIP":
                skipped += 1
                continue
            if test["result"] not in ("OK", "EXPECTEDFAIL"):
                bad = max(bad, 1)
                names.append(f"{test['name']} ({test['result']})")
            failed += bad
            passed += max(total, 1) - min(bad, max(total, 1))
    return passed, failed, skipped, names


def tally_pytest(path: str) -> Result:
    passed, failed, skipped, names = 0, 0, 0, []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            names.append(f"{case.get('classname')}::{case.get('name')}")
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped, names


def main() -> int:
    kind, path = sys.argv[1:]
    try:
        passed, failed, skipped, names = {"unit": tally_unit, "pytest": tally_pytest}[kind](path)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        passed, failed, skipped, names = 0, 1, 0, [f"no result: {error}"]
    print(passed, failed, skipped)
    print("\n".join(names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
