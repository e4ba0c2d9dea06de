# SPDX-License-Identifier: Apache-2.0
"""Processes that die with the test, time limits that scale with the machine, free ports."""

import ctypes
import os
import random
import select
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
scale = float(os.environ.get("IDSYNCD_TEST_SCALE", "1"))    # slow machine, sanitizers: 3, or --time-scale 3


def scaled(seconds):
    return seconds * scale


def wait_for(check, timeout=10, what="", every=0.02):
    """CHECK's first true value; an AssertionError when none came in TIMEOUT (scaled) seconds."""
    deadline = time.monotonic() + scaled(timeout)
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {scaled(timeout):g} s in vain for {what or check}; last value: {value!r}")
        time.sleep(every)


def never(check, seconds, what="", every=0.05):
    """CHECK stays false for SECONDS (not scaled)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = check()
        assert not value, f"{what or check}: {value!r}"
        time.sleep(every)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    """A port that is free now, below the range from which the kernel serves others."""
    for _ in range(200):
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


def spawn(command, **options):
    """A Popen in a process group of its own that is killed when the test's process dies."""
    return subprocess.Popen(command, preexec_fn=die_with_parent, start_new_session=True, **options)


class Distant:
    """Of a process that isn't our child what end() and poll() need of a Popen."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None
        self.handle = os.pidfd_open(pid)

    def poll(self):
        """None while it lives."""
        return self._ended(0)

    def wait(self, timeout):
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)

    def _ended(self, timeout):
        if self.returncode is None:
            polled = select.poll()
            polled.register(self.handle)
            if polled.poll(timeout * 1000):
                os.close(self.handle)
                self.returncode = -1            # nobody tells us which
        return self.returncode


def end(process, timeout=5):
    """Kill PROCESS and its group; safe to call at any time."""
    if process is None:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait(timeout)


def children(pid):
    """The process ids below PID, at any depth."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as source:
                for child in map(int, source.read().split()):
                    found += [child, *children(child)]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def cpu_seconds(pid):
    """User and system time of PID, its children, and what of them it has waited for."""
    total = 0
    for process in [pid, *children(pid)]:
        try:
            with open(f"/proc/{process}/stat") as source:
                fields = source.read().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / os.sysconf("SC_CLK_TCK")


def pss_bytes(pid):
    """Proportional memory of PID and its children now."""
    total = 0
    for process in [pid, *children(pid)]:
        try:
            with open(f"/proc/{process}/smaps_rollup") as source:
                total += sum(int(line.split()[1]) * 1024 for line in source if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total
