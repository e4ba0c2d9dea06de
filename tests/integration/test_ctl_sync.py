# SPDX-License-Identifier: Apache-2.0
"""idsyncctl sync: a cycle now, a full one, or one person with each step shown."""

import os

import pytest

from lib.bus import compared, sync, wait_done
from lib.company import Person
from lib.process import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users: needs root")


def lists(standin):
    return [c["query"] for c in standin.calls("GET", "/users$")]


# --- everything ---

def test_sync_full(make_daemon, bus, standin):
    """An account that came by hand is seen at once; a plain sync goes by the listing that is young enough."""
    make_daemon()
    wait_done(bus, 10)
    sync(bus, "ok")
    standin.clear_ledger()
    standin.add_accounts(accounts=[{"email": "ghost@example.com", "role": "Read Only"}])
    assert sync(bus, "ok")["targets"][0]["accounts"] == 10 and lists(standin) == []
    assert sync(bus, "ok", "--full")["targets"][0]["accounts"] == 11
    assert lists(standin) == ["page=1&limit=100", "page=2&limit=100"]
    sync(bus, "ok")
    assert len(lists(standin)) == 2, "that was for one cycle"


def test_sync_while_a_read_runs(make_daemon, bus, slapd, standin):
    """What was changed before the command is read, whatever was under way."""
    make_daemon()
    wait_done(bus, 10)
    slapd.freeze()
    before = bus.ask("status")["cycle"]
    assert f"cycle {before + 1} has begun" in bus.ctl("sync", expect=0).out
    for _ in range(2):
        assert f"cycle {before + 2} begins when the read under way has ended" in bus.ctl("sync", "--full", expect=0).out
    slapd.thaw()
    wait_for(lambda: (doc := bus.ask("status"))["cycle"] == before + 2 and not doc["cycle_running"], 15, "both cycles")


def test_sync_while_a_target_is_busy(make_daemon, bus, slapd, standin):
    """The comparison under way goes by older rows: another follows it."""
    make_daemon()
    wait_done(bus, 10)
    standin.fault("delay", seconds=3, method="GET", path="/users$", count=1)
    bus.ctl("sync", "--full", expect=0)
    wait_for(lambda: bus.ask("status")["targets"][0]["comparing"], 10, "a comparison under way")
    slapd.add_person(Person("late"), "umbrella")
    bus.ctl("sync", expect=0)
    wait_done(bus, 11)
    compared(bus, "ok")
