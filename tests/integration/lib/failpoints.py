# SPDX-License-Identifier: Apache-2.0
"""The fail points of the source, and of the build that is tested: one that is added is tested from then on."""

import os
import re
import threading

from .daemon import find_binary

HERE = os.path.dirname(os.path.abspath(__file__))


def source_points():
    source = os.environ.get("IDSYNCD_SRCDIR") or os.path.join(HERE, "..", "..", "..")
    names = set()
    for place, _, files in os.walk(f"{source}/daemon"):
        for name in files:
            if name.endswith(".c"):
                with open(f"{place}/{name}") as text:
                    for call in re.findall(r"failpoint\(([^;]*)\);", text.read()):
                        names |= set(re.findall('"([a-z-]+)"', call))
    return sorted(names)


def known_points():
    """Those that the program has: none, unless it was configured with --enable-failpoints."""
    with open(find_binary("idsyncd"), "rb") as binary:
        data = binary.read()
    return [name for name in source_points() if name.encode() + b"\0" in data]


class Rounds:
    """Hands out 1, 2, 3 … to several workers, until one of them tells that its number was passed no more."""

    def __init__(self, limit=150):
        self.lock = threading.Lock()
        self.next, self.end, self.limit = 1, limit, limit

    def take(self):
        with self.lock:
            number = self.next
            self.next += 1
            return number if number <= self.end else None

    def over(self, number):
        with self.lock:
            self.end = min(self.end, number)
