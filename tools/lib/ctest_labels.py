"""
What a test run came to, label by label.

    ctest_labels.py BUILD_DIR JUNIT_FILE

Reads the labels from CTest's list and the results from the file of `ctest --output-junit`. A test
with two labels counts under both.
"""
import json
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


def main():
    build, junit = sys.argv[1:]
    labels = labels_of_tests(build)
    table = {}
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        outcome = {"run": 0, "fail": 1}.get(case.get("status"), 2)
        for label in labels.get(case.get("name"), ["(none)"]):
            row = table.setdefault(label, [0, 0, 0, 0.0])
            row[outcome] += 1
            row[3] += float(case.get("time", 0))
    print(f"{'label':<14}{'passed':>8}{'failed':>8}{'not run':>9}{'seconds':>10}")
    for label in sorted(table):
        passed, failed, skipped, seconds = table[label]
        print(f"{label:<14}{passed:>8}{failed:>8}{skipped:>9}{seconds:>10.1f}")


if __name__ == "__main__":
    main()
