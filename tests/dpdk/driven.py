# SPDX-License-Identifier: BSD-2-Clause
"""The module in the bastion, driven by a program (drive.c), and the tests of such a bed as TAP.

Every test_*.py here is called as: test_X.py DRIVE MODULE [TEST]... and needs root.
"""

import functools
import os
import re
import select
import subprocess
import sys
import time
import traceback

from bed import PATIENCE, Bed

DRIVE, MODULE = (os.path.abspath(path) for path in sys.argv[1:3])
SESSION4 = "session=-1,60005,10.2.0.2,60001,10.2.0.1,3900"
SESSION6 = "session=-1,60006,fd02::2,60001,fd02::1,3901"
COMMON = ["address=198.51.100.1", "address=2001:db8:1::1", SESSION4, SESSION6]
PACKET = ["interface=b0", "interface=b1", "link=b0", "link=b1", *COMMON]


class Drive:
    """The module, driven in the bastion; inside `with` it is ready, and is gone afterwards."""

    def __init__(self, bed, *words, env=None):
        self.process = subprocess.Popen(
            bed.bastion.words(DRIVE, MODULE, *words), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, bufsize=0, env={**os.environ, **(env or {})})
        self.events = []
        self.said = b""

    def __enter__(self):
        try:
            self.wait_for("ready")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        self.kill()

    def line(self):
        """What it says next. Read by hand: what a buffer holds, select() doesn't see."""
        while b"\n" not in self.said:
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            more = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert more, "drive says no more"
            self.said += more
        line, self.said = self.said.split(b"\n", 1)
        return line.decode()

    def wait_for(self, start):
        while True:
            line = self.line()
            if line.startswith("event "):
                self.events.append(line)
            if line.startswith(start):
                return line

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def counts(self):
        self.say("")
        counts = {}
        while True:
            words = self.line().split()
            if words[0] == "count":
                counts[words[1]] = int(words[2])
            elif words[0] == "session":
                counts[int(words[1])] = dict(word.split("=") for word in words[2:])
            elif words[0] == "event":
                self.events.append(" ".join(words))
            elif words[0] == "end":
                return counts

    def counted(self, reason, least):
        """Waits until so many packets ended so: the worker may be later than the kernel."""
        deadline = time.monotonic() + PATIENCE
        while self.counts().get(reason, 0) < least:
            assert time.monotonic() < deadline, f"fewer than {least} {reason}"

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def set_interface(drive, name, wanted="0 -"):
    """Tells the module that an interface has become another one, and what comes of that."""
    drive.say(f"set {name}")
    line = drive.wait_for(f"set {name} ")
    assert re.search(rf"^set {name} \d+ {wanted}", line), line


def settled_counts(drive):
    """The counts when all that came is in them: a burst is counted behind its sending, in a session before."""
    ways = ("to_target", "to_client")
    deadline = time.monotonic() + PATIENCE
    while True:
        counts = drive.counts()
        came = sum(int(counts[name][way]) for name in counts if isinstance(name, int) for way in ways)
        if sum(counts.get(reason, 0) for reason in (*ways, "no_neighbour")) == came:
            return counts
        assert time.monotonic() < deadline, counts


def burns(drive, seconds=1):
    """Ticks of a CPU that the module takes while nothing is to be done."""
    def ticks():
        with open(f"/proc/{drive.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    assert not select.select([drive.process.stdout], [], [], seconds)[0], "an event out of nothing"
    return ticks() - before


def worker_waits(drive):
    """How often each packet thread has slept so far."""
    found = []
    for task in os.listdir(f"/proc/{drive.process.pid}/task"):
        with open(f"/proc/{drive.process.pid}/task/{task}/status") as file:
            status = dict(line.split(":", 1) for line in file.read().splitlines())
        if "worker" in status["Name"]:
            found.append(int(status["voluntary_ctxt_switches"]))
    return found


def given(prepare, *words):
    """A test that gets a bed, prepared, and the module with these words on its command line."""
    def given_to(test):
        @functools.wraps(test)
        def wrapped():
            with Bed() as bed:
                prepare(bed)
                with Drive(bed, *words) as drive:
                    test(bed, drive)
        return wrapped
    return given_to


def addresses_on_cables(bed):
    bed.bastion_addresses("b0", "b1")


with_packet = given(addresses_on_cables, *PACKET)


def main(tests):
    """Runs them, or those that the command line names, and says so as TAP. The exit status."""
    failed = 0
    if os.geteuid():
        print("Bail out! needs root")
        return 1
    wanted = sys.argv[3:]
    for number, test in enumerate(tests, 1):
        if wanted and test.__name__ not in wanted:
            continue
        try:
            test()
            print(f"ok {number} - {test.__doc__}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {test.__doc__}")
            print("# " + traceback.format_exc().strip().replace("\n", "\n# "), flush=True)
    print(f"1..{len(tests)}")
    return 1 if failed else 0
