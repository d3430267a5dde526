"""
What a test run came to, label by label.

    ctest_labels.py BUILD_DIR JUNIT_FILE SKIPS_FILE

Reads the labels from CTest's list and the results from the file of `ctest --output-junit`. A test
with two labels counts under both. To CTest a skipped test is no failure; here it is one (exit code
1), unless SKIPS_FILE has a line with its name and the reason. One whose Python may skip, and to
CTest would have passed all the same, is a failure however it went.
"""
import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


SKIPS = re.compile(r"\bskip(If|Unless|Test)\(|\bSkipTest\b")
REASON = re.compile(r"\.\.\. skipped ['\"](.*)['\"]$", re.MULTILINE)


def all_tests(build):
    listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True,
                             capture_output=True, text=True).stdout
    return json.loads(listing)["tests"]


def properties(test):
    return {entry["name"]: entry["value"] for entry in test.get("properties", [])}


def skips_unseen(tests):
    """Names of those whose cases in Python could be left out without CTest's knowing."""
    return [test["name"] for test in tests
            if "SKIP_REGULAR_EXPRESSION" not in properties(test)
            and any(SKIPS.search(pathlib.Path(word).read_text(encoding="utf-8"))
                    for word in test.get("command", []) if word.endswith(".py"))]


def excused(path):
    """Names of tests that may skip; a line without a reason excuses nothing."""
    lines = (line.split("#")[0].split(maxsplit=1) for line in path.read_text().splitlines())
    return {line[0] for line in lines if len(line) == 2}


def main():
    build, junit, skips = sys.argv[1:]
    may_skip = excused(pathlib.Path(skips))
    skipped_names = []
    tests = all_tests(build)
    labels = {test["name"]: properties(test).get("LABELS", ["(none)"]) for test in tests}
    table = {}
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        outcome = {"run": 0, "fail": 1}.get(case.get("status"), 2)
        if outcome == 2:
            skipped_names.append(case.get("name"))
            for reason in REASON.findall(case.findtext("system-out", "")):
                print(f"{case.get('name')} skipped: {reason}")
        for label in labels.get(case.get("name"), ["(none)"]):
            row = table.setdefault(label, [0, 0, 0, 0.0])
            row[outcome] += 1
            row[3] += float(case.get("time", 0))
    print(f"{'label':<14}{'passed':>8}{'failed':>8}{'not run':>9}{'seconds':>10}")
    for label in sorted(table):
        passed, failed, skipped, seconds = table[label]
        print(f"{label:<14}{passed:>8}{failed:>8}{skipped:>9}{seconds:>10.1f}")
    unexcused = sorted(set(skipped_names) - may_skip)
    if unexcused:
        print(f"not run, and not excused in {skips}: {', '.join(unexcused)}")
    unseen = skips_unseen(tests)
    if unseen:
        print(f"passed to CTest even if it skips (SKIP_REGULAR_EXPRESSION): {', '.join(unseen)}")
    return 1 if unexcused or unseen else 0


if __name__ == "__main__":
    sys.exit(main())
