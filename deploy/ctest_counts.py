#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the single tests inside the verbose output of ctest (stdin): prints "<passed> <failed>", then
one line "skipped <name>: <why>" for each test that skipped itself and "wrong <name>: <why>" for each that failed.

A ctest test counts as what its runner says (Check, unittest or kernel_tester summary), else as one."""
import re
import sys

LINE = re.compile(r"^(\d+): (.*)$")
RESULT = re.compile(r"^\s*\d+/\d+ Test\s+#(\d+): (\S+) \.*\s*(.*?)\s+[\d.]+ sec")
CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)")
UNITTEST = re.compile(r"^Ran (\d+) tests? in ")
UNITTEST_BAD = re.compile(r"^FAILED \((.*)\)")
SUMMARY = re.compile(r"(?:^|\s)(\d+) passed, (\d+) failed(?:, (\d+) skipped)?")
SKIPPED = re.compile(r"^SKIPPED (.*)$")
UNITTEST_SKIP = re.compile(r"^(.*?) \.\.\. skipped (.*)$")
UNITTEST_WRONG = re.compile(r"^(?:FAIL|ERROR): (.*)$")
UNITTEST_WHY = re.compile(r"^((?:\w+\.)*\w*(?:Error|Exception|Expired|Exit|Refused|Reset)\b.*)$")
CHECK_WRONG = re.compile(r"^(\S+\.c:\d+):[FE]:[^:]*:(.*)$")
WHY_MAX = 400  # characters


def main():
    run, bad, skipped, wrong_tests, asked, results = {}, {}, {}, {}, {}, []
    for line in sys.stdin:
        line = line.rstrip("\n")
        match = RESULT.match(line)
        if match:
            results.append(match.groups())
            continue
        match = LINE.match(line)
        if not match:
            continue
        number, text = match.groups()
        found = CHECK.match(text)
        if found:
            checks, failures, errors = map(int, found.groups())
            run[number] = run.get(number, 0) + checks
            bad[number] = bad.get(number, 0) + failures + errors
        found = UNITTEST.match(text)
        if found:
            run[number] = run.get(number, 0) + int(found.group(1))
        found = UNITTEST_BAD.match(text)
        if found:
            bad[number] = bad.get(number, 0) + sum(map(int, re.findall(r"(?:failures|errors)=(\d+)", text)))
        found = SUMMARY.search(text)
        if found:
            run[number] = run.get(number, 0) + int(found.group(1)) + int(found.group(2))
            bad[number] = bad.get(number, 0) + int(found.group(2))
        found = SKIPPED.match(text)
        if found:
            skipped.setdefault(number, []).append(found.group(1))
        found = UNITTEST_SKIP.match(text)
        if found:
            skipped.setdefault(number, []).append(f"{found.group(1)}: {found.group(2)}")
        found = UNITTEST_WRONG.match(text)
        if found:
            asked[number] = found.group(1)
        found = UNITTEST_WHY.match(text)
        if found and number in asked:
            wrong_tests.setdefault(number, []).append(f"{asked.pop(number)}: {found.group(1)[:WHY_MAX]}")
        found = CHECK_WRONG.match(text)
        if found:
            wrong_tests.setdefault(number, []).append(f"{found.group(2)[:WHY_MAX]} at {found.group(1)}")
    passed = failed = 0
    lines, named = [], []
    for number, name, verdict in results:
        mine = skipped.get(number, [])
        if "Skipped" in verdict or "Not Run" in verdict:
            mine = mine or [f"{name}: {verdict.strip('* ')}"]
            lines += mine
            continue
        lines += mine
        wrong = bad.get(number, 0)
        if verdict.strip() != "Passed":
            wrong = max(wrong, 1)
            named += wrong_tests.get(number, [f"{name}: {verdict.strip('* ')}"])
        failed += wrong
        passed += max(run.get(number, 1) - wrong - len(mine), 0)
    print(passed, failed)
    for line in lines:
        print("skipped", line)
    for line in named:
        print("wrong", line)


if __name__ == "__main__":
    main()
