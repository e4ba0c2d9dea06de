# SPDX-License-Identifier: Apache-2.0
"""idsyncctl check: the daemon checks beside its work, for one caller at a time."""

import json
import os
import subprocess
import time

import pytest

from lib.bus import Bus
from lib.company import Person
from lib.daemon import find_binary
from lib.process import end, spawn, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users: needs root")


@pytest.fixture
def bus():
    made = Bus().start()
    yield made
    made.cleanup()


@pytest.fixture
def daemon(idsyncd, standin, bus):
    """On the bus; everybody has an account."""
    idsyncd.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    idsyncd.config["directory"]["poll_interval"] = "1h"
    started = idsyncd.start()
    wait_for(lambda: len(standin.emails()) == 10, 20, "ten accounts", every=0.1)
    return started


@pytest.fixture
def ask(bus):
    """ask() → a process that waits for a check."""
    asked = []

    def start():
        asked.append(spawn([find_binary("idsyncctl"), "check", "--json"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           env={"PATH": os.environ["PATH"], "DBUS_SYSTEM_BUS_ADDRESS": bus.address}))
        return asked[-1]
    yield start
    for process in asked:
        end(process)


def answer(process, expect):
    out, err = process.communicate(timeout=60)
    assert process.returncode == expect, (out, err)
    return json.loads(out)["checks"] if expect != 2 else err


def under_way(daemon, number=1):
    wait_for(lambda: daemon.log().count("a check is asked for by an operator") == number, 10, "a check", every=0.05)


def readers(daemon):
    return subprocess.run(["pgrep", "-P", str(daemon.pid)], capture_output=True, text=True).stdout.split()


def test_check(daemon, idsyncd, bus, standin):
    status = bus.ask("status")
    standin.clear_ledger()
    lines = bus.ask("check", expect=0)["checks"]
    assert {line["result"] for line in lines} == {"ok"} and len(lines) == 14, lines
    text = bus.ctl("check", expect=0).out
    assert "all 14 checks passed" in text and "ldapsearch" in text
    assert {call["method"] for call in standin.calls()} == {"GET"}, "the token that the daemon has is good"
    after = bus.ask("status")
    assert (after["cycle"], after["directory"]) == (status["cycle"], status["directory"])
    assert "the check is over: 0 of 14 failed" in daemon.log()
    for who in ("member", "stranger"):
        assert "root" in bus.ctl("check", who=who, expect=2).err


def test_what_is_known_stays(daemon, idsyncd, bus, slapd, company, standin):
    """Neither the people nor the listing of a check come into the daemon's own."""
    slapd.add_person(Person("new"), "umbrella")
    standin.add_accounts(accounts=[{"email": "other@example.com", "firstname": "A", "lastname": "B", "role": "Read Only"}])
    lines = bus.ask("check", expect=0)["checks"]
    assert any(line["detail"].startswith("11 below") for line in lines), lines
    assert any(line["detail"].startswith("11 accounts") for line in lines), lines
    target = bus.ask("status")["targets"][0]
    assert target["accounts"] == 10
    assert "other@example.com" not in [account["address"] for account in bus.ask("orphans")["accounts"]]
    assert bus.ctl("explain", "new").code == 2


def test_failures(daemon, idsyncd, bus, slapd, standin):
    """The file as it is now; what the API says now; the exit code of the worst."""
    standin.fault("status", code=500, method="GET", path="/users$")
    idsyncd.target["grops"] = []
    idsyncd.write()
    slapd.stop()
    document = bus.ask("check", expect=3)
    failed = {(line["part"], line["what"]) for line in document["checks"] if line["result"] == "fail"}
    assert failed == {("configuration", "file"), ("directory", "connection"), ("target", "listing")}
    text = bus.ctl("check", expect=3).out
    assert "grops" in text and "2 of " in text, "the target was parked for a moment"
    standin.revoke_tokens()
    standin.fault("status", code=401, method="POST", path="/token", count=1)
    assert "check the key" in bus.ctl("check", expect=3).out
    standin.clear_ledger()
    text = bus.ctl("check", expect=3).out
    assert "not called before" in text and "idsyncctl resume" in text and standin.calls() == []


def test_one_at_a_time(daemon, bus, slapd, ask):
    slapd.freeze()
    first = ask()
    under_way(daemon)
    refused = bus.ctl("check", expect=2)
    assert "under way" in refused.err, refused
    assert bus.ask("status")["daemon"]["state"] == "running"
    slapd.thaw()
    answer(first, 0)
    bus.ctl("check", expect=0)


def test_the_daemon_works_on(daemon, bus, slapd, company, standin, ask):
    """A cycle reads, lists and creates while a check waits for the same API."""
    standin.switches(latency=0.4)
    process = ask()
    under_way(daemon)
    slapd.add_person(Person("new"), "umbrella")
    bus.ctl("sync", expect=0)
    wait_for(lambda: standin.account("new@example.com"), 20, "the new account", every=0.1)
    answer(process, 0)


def test_the_caller_goes_away(daemon, bus, slapd, ask):
    before = readers(daemon)
    slapd.freeze()
    first = ask()
    under_way(daemon)
    wait_for(lambda: readers(daemon) != before, 10, "a reader")
    first.kill()
    wait_for(lambda: "nobody waits for its answer" in daemon.log() and readers(daemon) == before, 10, "its end", every=0.1)
    slapd.thaw()
    bus.ctl("check", expect=0)


def test_the_bus_goes_away(daemon, bus, slapd, ask):
    slapd.freeze()
    first = ask()
    under_way(daemon)
    bus.stop()
    assert first.wait(20) == 8
    daemon.wait_log("nobody waits for its answer")
    slapd.thaw()
    bus.start()
    wait_for(lambda: bus.ctl("status").code != 8, 20, "the daemon on the bus", every=0.3)
    bus.ctl("check", expect=0)


def test_reload_in_mid_check(daemon, bus, slapd, ask):
    slapd.freeze()
    first = ask()
    under_way(daemon)
    daemon.reload()
    assert "reloading: ask again" in answer(first, 2)
    slapd.thaw()
    wait_for(lambda: bus.ask("status")["daemon"]["state"] == "running", 10, "the new configuration", every=0.1)
    answer(ask(), 0)


def test_stop_in_mid_check(daemon, bus, slapd, ask):
    slapd.freeze()
    first = ask()
    under_way(daemon)
    began = time.monotonic()
    assert daemon.terminate() == 0 and time.monotonic() - began < 10
    assert "stopping: ask again" in answer(first, 2)
    slapd.thaw()


def test_no_daemon(bus):
    alone = bus.ctl("check", expect=8)
    assert "idsyncd --check" in alone.err
