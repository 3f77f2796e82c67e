#!/usr/bin/env python3
"""Prints "passed failed skipped" for a report that `ctest --output-junit` wrote; names what failed, with the end of its output, on
standard error.

A test that ctest could not run (its program is missing, a fixture failed) is a failure here, not a skip.
"""
import sys
import xml.etree.ElementTree as xml

LINES_SHOWN = 15

passed = failed = skipped = 0
for case in xml.parse(sys.argv[1]).getroot().iter("testcase"):
    status = case.get("status")
    reason = case.find("skipped")
    why = reason.get("message", "") if reason is not None else ""
    if status == "run":
        passed += 1
    elif status == "disabled" or "SKIP_" in why:
        skipped += 1
    else:
        failed += 1
        print("failed:", case.get("name"), why, file=sys.stderr)
        for line in (case.findtext("system-out") or "").splitlines()[-LINES_SHOWN:]:
            print("   ", line, file=sys.stderr)
print(passed, failed, skipped)
