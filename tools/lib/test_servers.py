"""Catches a comparison of proxies that counts what others disturbed: a slice is to be asked again
for that, and not because of what we do ourselves; and one for which nothing came is to fail.

    test_servers.py
"""
import os
import sys
import types
import unittest

import servers
from contest import Failed

ASKED = {"messages": 7}
NOTHING = {"messages": 0}


class Told(servers.Others):
    """Of counters that somebody wrote down."""

    def __init__(self, busy, ours, cpus=(0,)):
        self.told = iter(busy), iter(ours)
        super().__init__(types.SimpleNamespace(server_cpu=None, load_cpu=None), [])
        self.cpus = set(cpus)

    def busy(self):
        return next(self.told[0])

    def ours(self):
        return next(self.told[1])


class Shares:
    """In the place of Others: so much, one time after the other."""

    def __init__(self, *shares):
        self.shares = iter(shares)

    def start(self):
        pass

    def share(self):
        return next(self.shares)


class Slices(unittest.TestCase):
    def ask(self, results, others, smoke=False):
        results = iter(results)
        ask, servers.ask_through = servers.ask_through, lambda *_: next(results)
        self.addCleanup(setattr, servers, "ask_through", ask)
        options = types.SimpleNamespace(smoke=smoke, seconds=0.1)
        return servers.ask_undisturbed(options, "there", 1, None, others)

    def test_one_that_nobody_disturbed_counts(self):
        self.assertEqual(self.ask([ASKED], Shares(servers.OTHERS_MAX)), (ASKED, 0))

    def test_it_is_asked_again_while_others_have_the_cpus(self):
        self.assertEqual(self.ask([NOTHING, NOTHING, ASKED], Shares(0)), (ASKED, 2))
        self.assertEqual(self.ask([ASKED] * 3, Shares(1.9, 0.2, 0.01)), (ASKED, 2))

    def test_not_for_ever(self):
        tries = servers.TRIES
        self.assertEqual(self.ask([ASKED] * tries, Shares(*[1] * tries)), (ASKED, tries - 1))
        with self.assertRaises(Failed):
            self.ask([NOTHING] * tries, Shares())

    def test_a_smoke_run_is_not_judged(self):
        self.assertEqual(self.ask([ASKED], Shares(), smoke=True), (ASKED, 0))


class Share(unittest.TestCase):
    def test_what_is_ours_is_not_theirs(self):
        others = Told(busy=[10, 13], ours=[1, 4])
        self.assertEqual(others.share(), 0)

    def test_the_rest_is(self):
        others = Told(busy=[10, 13], ours=[1, 2])
        self.assertGreater(others.share(), 0)

    def test_no_cpu_is_no_share(self):
        self.assertEqual(Told(busy=[10, 13], ours=[1, 1], cpus=()).share(), 0)

    def test_the_kernels_counters_are_read(self):
        cpus = sorted(os.sched_getaffinity(0))[:1]
        options = types.SimpleNamespace(server_cpu=cpus[0], load_cpu=cpus[0])
        others = servers.Others(options, [os.getpid()])
        self.assertGreater(others.busy(), 0)
        before = others.ours()
        while others.ours() == before: # which must come to count what we do
            pass


if __name__ == "__main__":
    sys.exit(unittest.main())
