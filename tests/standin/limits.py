# SPDX-License-Identifier: Apache-2.0
"""The published rate limits: sliding windows for each key, and the headers that tell about them."""

import math
import time
from collections import deque
from email.utils import formatdate

SPANS = {"second": 1.0, "minute": 60.0, "1800": 1800.0}


class Windows:
    """The calls of one key. `limits` maps window names to the number of calls allowed in each."""

    def __init__(self):
        self.times = deque()

    def counts(self, now, limits):
        while self.times and self.times[0] <= now - max(SPANS.values()):
            self.times.popleft()
        return {name: sum(1 for t in self._recent(now, SPANS[name])) for name in limits}

    def _recent(self, now, span):
        for t in reversed(self.times):
            if t <= now - span:
                return
            yield t

    def take(self, now, limits, refused_count):
        """(allowed?, calls left per window, seconds until the next call would be allowed)"""
        counts = self.counts(now, limits)
        allowed = all(counts[name] < limit for name, limit in limits.items())
        if allowed or refused_count:
            self.times.append(now)
            counts = {name: count + 1 for name, count in counts.items()}
        left = {name: max(0, limit - counts[name]) for name, limit in limits.items()}
        return allowed, left, self._wait(now, limits)

    def _wait(self, now, limits):
        wait = 0.0
        for name, limit in limits.items():
            recent = list(self._recent(now, SPANS[name]))
            if len(recent) >= limit > 0:
                wait = max(wait, recent[limit - 1] + SPANS[name] - now)
            elif limit == 0:
                wait = SPANS[name]
        return wait


def headers(limits, left, wait):
    """In the recorded order: the named windows first, then the shortest one in the unnamed headers."""
    lines = []
    for name, limit in limits.items():
        lines.append((f"x-ratelimit-limit-{name}", str(limit)))
        lines.append((f"x-ratelimit-remaining-{name}", str(left[name])))
    first = next(iter(limits))
    reset = 1 if first == "second" else max(1, math.ceil(wait))
    lines += [("ratelimit-limit", str(limits[first])), ("ratelimit-remaining", str(left[first])),
              ("ratelimit-reset", str(reset))]
    return lines


def retry_after(wait, form):
    """The value of a Retry-After header: whole seconds, or an HTTP date; never too early."""
    if form == "date":
        return formatdate(math.ceil(time.time() + wait), usegmt=True)
    return str(max(1, math.ceil(wait)))
