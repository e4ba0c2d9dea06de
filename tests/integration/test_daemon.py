# SPDX-License-Identifier: Apache-2.0
"""The service: what it tells the service manager, polling, reload, the end, paging surprises, an idle day."""

import os
import re
import signal
import time

import pytest

from lib.company import Company, Person, group_dn
from lib.daemon import find_binary
from lib.process import children, never


def writes(standin):
    return [c for c in standin.calls() if c["method"] != "GET" and not c["path"].endswith("/token")]


def test_life(idsyncd, slapd, standin):
    daemon = idsyncd.start(watchdog=1)
    assert daemon.notify.values("READY") == ["1"]
    daemon.wait_for(lambda: len(standin.emails()) == 10, 10, "the first cycle")
    daemon.wait_status("^10 people read at .*; 0 queued, 0 dead letters")
    slapd.add_person(Person("new"), "umbrella")
    daemon.wait_for(lambda: standin.account("new@example.com"), 4, "a new person, a poll later")
    daemon.wait_for(lambda: len(daemon.notify.values("WATCHDOG")) >= 3, 5, "WATCHDOG=1")
    assert daemon.warnings() == []
    assert daemon.terminate() == 0
    assert daemon.notify.values("STOPPING") == ["1"] and "started with" in daemon.log()


@pytest.mark.company(people=12)
def test_status_tells_when_all_is_done(idsyncd, standin):
    idsyncd.target["rate"] = {"second": 5, "minute": 6, "half_hour": 350}
    daemon = idsyncd.start()
    line = daemon.wait_status("queued, 0 dead letters, done by ≈")
    told = re.search(r"; (\d+) queued, 0 dead letters, done by ≈(\S+)Z", line)
    at = time.mktime(time.strptime(told[2], "%Y-%m-%dT%H:%M:%S")) - time.timezone - time.time()
    assert 10 < at < 240 and 1 <= int(told[1]) <= 12, line
    assert daemon.terminate() == 0


def test_missing_group_is_said_once(idsyncd, slapd, standin):
    idsyncd.target["groups"].append(group_dn("nobody-made-it"))
    daemon = idsyncd.start()
    for uid in ("first", "second", "third"):
        slapd.add_person(Person(uid), "umbrella")
        daemon.wait_for(lambda uid=uid: standin.account(f"{uid}@example.com"), 6, f"{uid}, a poll later")
    assert daemon.log().count("warning: directory: group cn=nobody-made-it") == 1
    assert daemon.terminate() == 0


def test_watchdog_is_off_without_a_manager(idsyncd, standin):
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(standin.emails()) == 10)
    assert daemon.notify.values("WATCHDOG") == []
    assert daemon.terminate() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain(idsyncd, standin, number):
    """The answer of a create that is under way is waited for; nothing new begins."""
    idsyncd.target["concurrency"] = 1
    standin.fault("delay", method="POST", path="/users$", skip=1, seconds=1.5)
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(standin.calls("POST", "/users$")) == 2, 10, "a create under way")
    daemon.process.send_signal(number)
    assert daemon.process.wait(10) == 0
    assert len(standin.calls("POST", "/users$")) == 2 and len(standin.emails()) == 2
    log = daemon.log()
    assert len(re.findall("create .*: done", log)) == 2, log
    standin.clear_ledger()
    idsyncd.once(expect=0)
    assert len(standin.calls("POST", "/users$")) == 8 and len(standin.emails()) == 10


@pytest.mark.company(people=1500)
def test_terminated_in_mid_read(idsyncd, standin, slapd):
    idsyncd.config["directory"]["page_size"] = 50
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(slapd.searches()) > 2, 10, "a read")
    assert daemon.terminate() == 0 and writes(standin) == []


def test_end_is_bounded(idsyncd, standin):
    """An answer that never comes: the service ends all the same, and the next one looks first."""
    idsyncd.target.update(concurrency=1, timeout="3s")
    standin.fault("stall", method="POST", path="/users$")
    daemon = idsyncd.start()
    daemon.wait_for(lambda: standin.calls("POST", "/users$"), 10, "a create under way")
    start = time.monotonic()
    assert daemon.terminate() == 0 and time.monotonic() - start < 22
    idsyncd.once(expect=0)
    made = [c["body"]["email"] for c in standin.calls("POST", "/users$") if c["handled"]]
    assert len(made) == len(set(made)) == 10


def test_reload(idsyncd, slapd, standin):
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(standin.emails()) == 10, 10, "the first cycle")

    # a bad file: all its problems, and the old one stays
    good = idsyncd.config["directory"]["poll_interval"]
    idsyncd.config["directory"]["poll_interval"] = "never"
    idsyncd.config["colour"] = "blue"
    daemon.reload()
    daemon.wait_log("old one stays")
    refused = daemon.warnings()
    assert len(refused) == 3 and "colour" in daemon.log() and "directory.poll_interval" in daemon.log()
    daemon.wait_for(lambda: len(daemon.notify.values("READY")) == 2, 5, "READY after RELOADING")
    slapd.add_person(Person("one"), "umbrella")
    daemon.wait_for(lambda: standin.account("one@example.com"), 5, "a create under the old configuration")

    # a good one
    del idsyncd.config["colour"]
    idsyncd.config["directory"]["poll_interval"] = good
    idsyncd.target["timezone"] = "Europe/Rome"
    daemon.reload()
    daemon.wait_log("reloaded")
    daemon.wait_for(lambda: len(daemon.notify.values("READY")) == 3, 5, "READY after RELOADING")
    slapd.add_person(Person("two"), "umbrella")
    daemon.wait_for(lambda: standin.account("two@example.com"), 5, "a create under the new configuration")
    assert standin.account("two@example.com")["timezone"] == "Europe/Rome"

    stamps = daemon.notify.values("MONOTONIC_USEC")
    assert len(daemon.notify.values("RELOADING")) == 2 == len(stamps)
    assert all(0 < int(stamp) <= time.monotonic() * 1e6 for stamp in stamps)
    # one message each, as sd_notify(3) asks
    assert all("MONOTONIC_USEC" in m for _, m in daemon.notify.messages if "RELOADING" in m)
    assert daemon.terminate() == 0


def test_reload_with_a_bad_credential(idsyncd, slapd, standin):
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(standin.emails()) == 10, 10, "the first cycle")
    idsyncd.credentials["umbrella-secret"] = ""
    daemon.reload()
    daemon.wait_log("old one stays")
    slapd.add_person(Person("one"), "umbrella")
    daemon.wait_for(lambda: standin.account("one@example.com"), 5, "a create under the old configuration")
    idsyncd.credentials["umbrella-secret"] = standin.secret
    assert daemon.terminate() == 0


def test_reload_in_mid_flight(idsyncd, standin):
    """The create under way is finished by the generation that sent it; several hangups are one reload."""
    idsyncd.target["concurrency"] = 1
    standin.fault("delay", method="POST", path="/users$", seconds=1)
    daemon = idsyncd.start()
    daemon.wait_for(lambda: standin.calls("POST", "/users$"), 10, "a create under way")
    for _ in range(3):
        daemon.reload()
    daemon.wait_for(lambda: len(standin.emails()) == 10, 10, "all creates")
    daemon.wait_for(lambda: len(re.findall("create .*: done", daemon.log())) == 10, 10, "all answers")
    assert len(standin.calls("POST", "/users$")) == 10
    assert daemon.terminate() == 0


def test_held_plan_and_once(make_idsyncd, slapd, standin):
    """The service holds, and says so; the approval is given with --once while it is stopped."""
    runner = make_idsyncd(slapd, standin, first_plan="hold")
    daemon = runner.start()
    daemon.wait_log("plan [0-9a-f]{12} with 10 actions is held")
    status = daemon.wait_status("plan [0-9a-f]{12} held")
    plan = re.search("plan ([0-9a-f]{12}) held", status)[1]
    never(lambda: writes(standin), 2.5, "writes of a held plan")
    assert len(re.findall("is held", daemon.log())) == 1, "said once"
    assert daemon.terminate() == 0
    runner.once("--approve", plan, expect=0)
    assert len(standin.emails()) == 10


# --- polls ---

def poll_times(slapd, base="ou=people,dc=example,dc=com"):
    """When each read of the people began, by slapd's log (its stamps are hexadecimal, with nanoseconds)."""
    with open(slapd.log_path, errors="replace") as source:
        return [int(a, 16) + int(b, 16) / 1e9 for a, b in re.findall(
            rf'^([0-9a-f]+)\.([0-9a-f]+) \S+ conn=\d+ op=\d+ SRCH base="{base}" scope=2', source.read(), re.M)]


@pytest.mark.company(people=600)
def test_polls_count_from_their_start(idsyncd, slapd, standin):
    idsyncd.config["directory"].update(poll_interval="2s", page_size=1000)
    standin.fill(count=1)
    standin.switches(latency=0.4)
    idsyncd.target["limits"] = {"create": 600}
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(poll_times(slapd)) >= 4, 15, "four reads")
    times = poll_times(slapd)
    spans = [b - a for a, b in zip(times, times[1:])]
    assert all(1.8 <= span <= 2.9 for span in spans), spans         # from the end of what it led to it would be 3 at least
    assert len(set(round(s, 3) for s in spans)) > 1, "there is a jitter"
    daemon.kill()


@pytest.mark.company(people=1000)
def test_overrun(idsyncd, slapd, standin):
    """A read that takes longer than the interval: the polls in between are skipped, and that is said."""
    idsyncd.config["directory"].update(poll_interval="1s", page_size=20, timeout="10s", poll_timeout="30s")
    daemon = idsyncd.start()
    for _ in range(3):
        daemon.wait_for(lambda: children(daemon.pid), 10, "the reader")
        slapd.freeze()
        time.sleep(1.3)
        slapd.thaw()
        if "skipped" in daemon.log():
            break
    daemon.wait_log("still runs: this poll is skipped", 5)
    daemon.wait_status("^1000 people", 20)
    assert daemon.terminate() == 0


def test_poll_interval_of_a_new_configuration(idsyncd, slapd, standin):
    idsyncd.config["directory"]["poll_interval"] = "1h"
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(standin.emails()) == 10, 10, "the first cycle")
    slapd.add_person(Person("one"), "umbrella")
    never(lambda: standin.account("one@example.com"), 1.5, "a poll too early")
    idsyncd.config["directory"]["poll_interval"] = "1s"
    daemon.reload()
    daemon.wait_for(lambda: standin.account("one@example.com"), 4, "a poll right after the reload")
    assert daemon.terminate() == 0


# --- what an idle service costs ---

def switches(pid):
    """Voluntary context switches of all threads: how often it woke up."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as status:
            total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read(), re.M)[1])
    return total


def test_idle(idsyncd, standin):
    idsyncd.config["directory"]["poll_interval"] = "1h"
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(standin.emails()) == 10, 10, "the first cycle")
    time.sleep(3)               # connections close, the status is told
    before, cpu = switches(daemon.pid), daemon.cpu()
    time.sleep(4)
    woken, used = switches(daemon.pid) - before, daemon.cpu() - cpu
    # Of a process that isn't dumpable only root may ask.
    pss = daemon.pss() if os.geteuid() == 0 else 0
    print(f"idle: {woken} wake-ups and {used:.3f} s of processor time in 4 s, {pss / 1048576:.1f} MiB PSS")
    assert woken <= 1 and used <= 0.02
    with open(find_binary("idsyncd"), "rb") as binary:
        sanitized = b"__asan_init" in binary.read()
    assert pss < 24 << 20 or sanitized
    assert daemon.terminate() == 0


# --- paging surprises (each may be true at some API of this family) ---

PAGING = {
    "pages are ignored": ({"mode": "ignore-page"}, 100),
    "the whole list": ({"mode": "whole"}, 230),
    "the last page again": ({"beyond": "repeat"}, 230),
    "a refusal beyond": ({"beyond": "refuse"}, 230),
    "overlap": ({"overlap": 7}, 230),
    "a short page in the middle": ({"short": {"2": 60}}, 230),
    "a short first page": ({"short": {"1": 30}}, 230),
    "newest first": ({"reverse": True}, 230),
    "exactly one page": ({}, 100),
    "exactly two pages": ({}, 200),
    "nobody": ({}, 0),
    "one removed between pages": ({"on_page": [{"page": 1, "remove": "u0000003@example.com"}]}, 230),
    "one added between pages": ({"on_page": [{"page": 1, "add": {"email": "by-hand@example.com"}}],
                                 "reverse": True}, 230),
}


@pytest.mark.company(people=5)
@pytest.mark.parametrize("name", PAGING)
def test_paging(idsyncd, company, standin, name):
    """Four people have accounts, at the end of the list; one is new. Nobody gets a second account, whatever the
    pages look like; where a listing can't be told from half of one, nothing is done at all."""
    paging, others = PAGING[name]
    standin.fill(count=others)
    standin.add_accounts(accounts=[p.account("Full Admin" if n == 0 else "Read Only")
                                   for n, p in enumerate(company.people[:4])])
    standin.quirks(paging=paging)
    result = idsyncd.once("--wait", "0s")
    made = [c["body"]["email"] for c in standin.calls("POST", "/users$") if c["handled"]]
    assert made in ([], [company.people[4].email]), made
    assert not standin.calls("DELETE")
    assert len(standin.calls("GET", "/users$")) <= 12, "no endless list"
    if made:
        assert result.code == 0 and len(result.actions("adopt")) == 4, result
        standin.clear_ledger()
        idsyncd.once("--wait", "0s", expect=0)
        assert writes(standin) == []
    else:
        # one that can't be trusted: said so
        assert result.code == 5 and result.target()["state"] in ("incomplete", "unreachable"), result
        assert result.target()["reason"] and "umbrella: " in result.err
    # pages that can be read to the end are read to the end
    assert made or name in ("pages are ignored", "a refusal beyond"), result


def test_paging_at_the_service(idsyncd, slapd, company, standin):
    """Rows shift with each create, page by page; a listing for each poll."""
    idsyncd.target["list_interval"] = "1s"
    standin.fill(count=150)
    standin.quirks(paging={"reverse": True, "overlap": 3})
    daemon = idsyncd.start()
    for number in range(3):
        slapd.add_person(Person(f"n{number}"), "umbrella")
        time.sleep(0.8)
    daemon.wait_for(lambda: len(standin.emails()) == 163, 10, "all creates")
    assert daemon.terminate() == 0
    made = [c["body"]["email"] for c in standin.calls("POST", "/users$") if c["handled"]]
    assert len(made) == len(set(made)) == 13 == len(standin.calls("POST", "/users$"))


@pytest.mark.parametrize("delays", [{"list_delay": 6}, {"list_delay": 6, "get_delay": 6}])
@pytest.mark.company(people=3)
def test_accounts_that_are_listed_late(idsyncd, standin, delays):
    """A created account isn't in the listing for a while: it isn't created again, and all is well afterwards."""
    standin.quirks(**delays)
    idsyncd.target["list_interval"] = "1s"
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(standin.calls("POST", "/users$")) == 3, 10, "three creates")
    never(lambda: len(standin.calls("POST", "/users$")) > 3, 4, "a second create")
    assert [line for line in daemon.warnings() if "held" in line] == []
    assert daemon.terminate() == 0
    standin.quirks(list_delay=0, get_delay=0)
    idsyncd.once(expect=0)
    assert len(standin.calls("POST", "/users$")) == 3


@pytest.mark.company(people=3)
@pytest.mark.parametrize("quirks", [{"empty_names": True}, {"active_word": "on"}, {"created_status": "Pending"},
                                    {"recreate_same_id": True}])
def test_other_quirks(idsyncd, company, standin, quirks):
    standin.quirks(**quirks)
    standin.add_accounts(accounts=[company.people[2].account()])
    standin.remove_accounts(emails=[company.people[2].email])
    idsyncd.once(expect=0)
    standin.clear_ledger()
    idsyncd.once(expect=0)
    assert writes(standin) == [] and len(standin.emails()) == 3


def test_company_of_nobody(make_standin, make_idsyncd, make_slapd):
    slapd, standin = make_slapd(Company(people=0, admins=0)), make_standin()
    result = make_idsyncd(slapd, standin).once(expect=0)
    assert result.json["directory"]["people"] == 0 and standin.emails() == []
