"""
What a test run came to, label by label.

    ctest_labels.py BUILD_DIR JUNIT_FILE SKIPS_FILE

Reads the labels from CTest's list and the results from the file of `ctest --output-junit`. A test
with two labels counts under both. To CTest a skipped test is no failure; here it is one (exit code
1), unless SKIPS_FILE has a line with its name and the reason.
"""
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def labels_of_tests(build):
    listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True,
                             capture_output=True, text=True).stdout
    labels = {}
    for test in json.loads(listing)["tests"]:
        for entry in test.get("properties", []):
            if entry["name"] == "LABELS":
                labels[test["name"]] = entry["value"]
    return labels


def excused(path):
    """Names of tests that may skip; a line without a reason excuses nothing."""
    lines = (line.split("#")[0].split(maxsplit=1) for line in path.read_text().splitlines())
    return {line[0] for line in lines if len(line) == 2}


def main():
    build, junit, skips = sys.argv[1:]
    may_skip = excused(pathlib.Path(skips))
    skipped_names = []
    labels = labels_of_tests(build)
    table = {}
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        outcome = {"run": 0, "fail": 1}.get(case.get("status"), 2)
        if outcome == 2:
            skipped_names.append(case.get("name"))
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
    return 1 if unexcused else 0


if __name__ == "__main__":
    sys.exit(main())
