"""weft-doctor from outside: a machine as it is, with features masked, with system calls forbidden.

    test_doctor.py WEFT_DOCTOR FORBID

Would catch an exit status that does not say what the text says, a missing feature without its
reason, and a doctor that hangs or crashes where there is no io_uring.
"""
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

DOCTOR, FORBID = sys.argv[1:3]
SETUP, ENTER, REGISTER = "425", "426", "427"
EPERM, ENOSYS = "1", "38"
VERSION = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])


def run(*arguments, mask="", before=()):
    environment = dict(os.environ, WEFT_RING_MASK=mask)
    return subprocess.run([*before, DOCTOR, *arguments], capture_output=True, text=True,
                          env=environment, timeout=120)


def report(*arguments, **options):
    result = run("--json", *arguments, **options)
    return result.returncode, json.loads(result.stdout)


def missing(found):
    return {feature["name"]: feature for feature in found["features"] if not feature["in_use"]}


class AsItIs(unittest.TestCase):
    def test_text_and_json_say_the_same(self):
        status, found = report()
        text = run("--quick")
        self.assertEqual(found["verdict"], ["full", "reduced", "cannot start"][status])
        self.assertEqual(found["kernel"], platform.release())
        for feature in found["features"]:
            state = "in use" if feature["in_use"] else "missing: " + feature["why"]
            self.assertRegex(text.stdout, rf"(?m)^  {feature['name']} +{state}$")

    def test_the_suite_holds(self):
        _, found = report()
        self.assertEqual(found["contract"]["broken"], [])
        self.assertGreaterEqual(found["contract"]["held"] + found["contract"]["not_used"], 200)

    def test_nothing_is_missing_without_a_reason_and_a_cost(self):
        _, found = report("--quick")
        for feature in missing(found).values():
            self.assertTrue(feature["why"] and feature["cost"], feature)
        if VERSION >= (6, 15):
            self.assertEqual(missing(found), {})

    def test_quick_asks_less(self):
        _, found = report("--quick")
        self.assertNotIn("contract", found)

    def test_zero_copy_is_measured_and_said(self):
        _, found = report("--quick")
        least = found["zero_copy_min"]  # of this run of it: the next may measure otherwise
        self.assertTrue(least is None or 8192 <= least <= 131072, least)
        self.assertRegex(run("--quick").stdout,
                         r"(?m)^Memory that is given to be sent\n  Is (copied|sent from)")
        self.assertIsNone(report("--quick", mask="send_zc")[1]["zero_copy_min"])

    def test_bad_usage(self):
        self.assertEqual(run("--strange").returncode, 3)
        self.assertEqual(run("--help").returncode, 0)


class Masked(unittest.TestCase):
    def test_each_feature(self):
        for feature in report("--quick")[1]["features"]:
            if not feature["in_use"]:
                continue
            status, found = report("--quick", mask=feature["name"])
            gone = missing(found)[feature["name"]]
            self.assertTrue(gone["masked"])
            self.assertEqual(gone["why"], "masked by WEFT_RING_MASK")
            if feature["name"] != "min_timeout":  # which is not used yet
                self.assertEqual((status, found["verdict"]), (1, "reduced"))

    def test_what_needs_another(self):
        _, found = report("--quick", mask="buffer_ring")
        self.assertEqual(missing(found)["recv_multishot"]["why"], "it needs buffer_ring")

    def test_the_suite_holds_without_all(self):
        names = [feature["name"] for feature in report("--quick")[1]["features"]]
        status, found = report(mask=",".join(names))
        self.assertEqual(status, 1)
        self.assertEqual(found["contract"]["broken"], [])
        self.assertGreater(found["contract"]["not_used"], 20)


class Forbidden(unittest.TestCase):
    def test_no_ring(self):
        for error in (EPERM, ENOSYS):
            status, found = report(before=(FORBID, error, SETUP))
            self.assertEqual((status, found["verdict"]), (2, "cannot start"))
            self.assertIn("seccomp", found["cause"])
            text = run(before=(FORBID, error, SETUP))
            self.assertEqual(text.returncode, 2)
            self.assertIn("profile", text.stdout)
            self.assertIn("weft cannot start on this machine.", text.stdout)

    def test_a_ring_that_cannot_be_entered(self):
        status, found = report(before=(FORBID, EPERM, ENTER))
        self.assertEqual(status, 2)
        self.assertIn("io_uring_enter", found["cause"])

    def test_nothing_can_be_registered(self):
        status, found = report(before=(FORBID, EPERM, REGISTER))
        self.assertEqual(status, 1)
        for name in ("registered_fd", "buffer_ring"):
            self.assertIn("io_uring_register", missing(found)[name]["why"])
        self.assertIn("fixed_files", missing(found))  # found in use, and refused when used
        self.assertEqual(found["contract"]["broken"], [])

    def test_too_few_descriptors(self):
        result = subprocess.run(["sh", "-c", 'ulimit -n 4; exec "$0" --json --quick', DOCTOR],
                                capture_output=True, text=True, timeout=120)
        found = json.loads(result.stdout)
        if found["cpus"] > 1:
            self.assertEqual((result.returncode, found["reactors"]), (1, 1))
            self.assertIn("RLIMIT_NOFILE is 4", found["reactors_why"])

    def test_no_locked_memory(self):
        """Newer kernels charge rings to RLIMIT_MEMLOCK: a ring, or the sentence."""
        def nobody():
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
            if os.geteuid() == 0:
                os.setuid(65534)
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            program = shutil.copy(DOCTOR, folder)
            result = subprocess.run([program, "--json", "--quick"], capture_output=True, text=True,
                                    timeout=120, preexec_fn=nobody)
        found = json.loads(result.stdout)
        if found["verdict"] == "cannot start":
            self.assertIn("RLIMIT_MEMLOCK is 0 bytes", found["cause"])
        else:
            self.assertEqual(found["memlock"], 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
