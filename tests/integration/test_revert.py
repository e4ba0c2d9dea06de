# SPDX-License-Identifier: Apache-2.0
"""Taking back what a cycle did: held like any other plan, exact, and not undone by the next comparison."""

import os
import re

import pytest

from lib.bus import compared, sync, wait_done, writes
from lib.company import Person
from lib.process import wait_for
from lib.standin import ANALYTICS, P6, UNIFIER

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users: needs root")


def rows(bus, kind, state="done"):
    return [a for a in bus.ask("history")["actions"] if a["action"] == kind and a["state"] == state]


def revert(bus, cycle, expect=0):
    doc = bus.ask("revert", str(cycle), expect=expect)
    assert doc["cycle"] == cycle and len(doc["targets"]) == 1
    return doc["targets"][0]


def nothing_more(bus, standin, cycles=3):
    """The next comparisons ask for nothing."""
    before = len(writes(standin))
    for _ in range(cycles):
        sync(bus)
    assert len(writes(standin)) == before, writes(standin)[before:]
    assert bus.ask("queue")["actions"] == []


def next_of(bus, person):
    return bus.ask("explain", person.id)["targets"][0]["next"]


def test_creations(make_daemon, bus, slapd, company, standin):
    _, daemon = make_daemon()
    cycle = wait_done(bus, 10)[0]["cycle"]
    compared(bus, "ok")
    plan = revert(bus, cycle)
    assert len(plan["actions"]) == 9 and {a["action"] for a in plan["actions"]} == {"delete"}
    assert [(n["address"], "last active" in n["reason"]) for n in plan["not"]] == [(company.people[0].email, True)]

    # Held, shown, and by no means done.
    daemon.wait_status(f"umbrella: plan {plan['hash']} held")
    status = bus.ctl("status", expect=6)
    assert re.search(rf"^umbrella .* {plan['hash']} ", status.out, re.M)
    assert plan["hash"] in status.out and f"idsyncctl approve {plan['hash']}" in status.out
    shown = bus.ctl("plan", expect=6).out
    assert plan["hash"] in shown and f"takes back what cycle {cycle} did" in shown
    assert "delete" in next_of(bus, company.people[5]) and plan["hash"] in next_of(bus, company.people[5])
    sync(bus)
    assert len(standin.emails()) == 10 and len(writes(standin)) == 10
    assert plan["hash"] in bus.ctl("revert", str(cycle), expect=2).err, "one at a time"

    bus.ctl("approve", plan["hash"], expect=0)
    wait_done(bus, 9, "delete")
    assert standin.emails() == [company.people[0].email]
    nothing_more(bus, standin)
    assert "taken back" in next_of(bus, company.people[5])
    assert bus.ctl("status").code == 1

    # Until the person changes: then it is like any other wish.
    slapd.modify(company.people[5].dn, givenName="Changed")
    sync(bus)
    wait_done(bus, 11)
    assert len(standin.emails()) == 2
    # Or an operator says so.
    again = [a for a in bus.ask("queue", "--dead")["actions"] if a["address"] == company.people[6].email]
    bus.ctl("retry", str(again[0]["id"]), expect=0)
    wait_done(bus, 12)
    assert len(standin.emails()) == 3
    nothing_more(bus, standin)


def test_a_role(make_daemon, bus, slapd, company, standin):
    make_daemon()
    wait_done(bus, 10)
    bob = company.people[5]
    slapd.join("umbrella-admins", bob)
    sync(bus)
    cycle = wait_done(bus, 1, "recreate")[0]["cycle"]
    sync(bus)
    plan = revert(bus, cycle)
    assert [(a["action"], a["before"]["role"], a["after"]["role"]) for a in plan["actions"]] == \
        [("recreate", "Full Admin", "Read Only")] and plan["not"] == []
    bus.ctl("approve", plan["hash"], expect=0)
    wait_done(bus, 2, "recreate")
    assert standin.account(bob.email)["role"] == "Read Only"
    nothing_more(bus, standin)
    # Once the group says so too, nobody remembers; and later it counts again.
    slapd.leave("umbrella-admins", bob)
    nothing_more(bus, standin)
    slapd.join("umbrella-admins", bob)
    sync(bus)
    wait_done(bus, 3, "recreate")
    assert standin.account(bob.email)["role"] == "Full Admin"


def test_a_leaver(make_daemon, bus, slapd, company, standin):
    make_daemon(target={"leave": "delete", "leave_grace": "0s", "list_interval": "1s"})
    wait_done(bus, 10)
    bob = company.people[4]
    slapd.leave("umbrella", bob)
    wait_for(lambda: sync(bus) and rows(bus, "delete"), 15, "the deletion", every=0.3)
    plan = revert(bus, rows(bus, "delete")[0]["cycle"])
    assert [(a["action"], a["address"], a["after"]["role"]) for a in plan["actions"]] == [("create", bob.email, "Read Only")]
    bus.ctl("approve", plan["hash"], expect=0)
    wait_done(bus, 11)
    assert bob.email in standin.emails() and "took something back" in next_of(bus, bob)
    link = bus.ask("explain", bob.id)["targets"][0]["link"]
    assert link["remote_id"] and link["origin"] == "created"
    nothing_more(bus, standin, cycles=5)
    assert bob.email in standin.emails() and "taken back" in next_of(bus, bob)
    # Who comes back and leaves again is a leaver like any other.
    slapd.join("umbrella", bob)
    nothing_more(bus, standin, cycles=1)
    slapd.leave("umbrella", bob)
    wait_for(lambda: sync(bus) and len(rows(bus, "delete")) == 2, 15, "the second deletion", every=0.3)
    assert bob.email not in standin.emails()


def test_changed_since(make_daemon, bus, slapd, company, standin):
    _, daemon = make_daemon(target={"list_interval": "1s"})
    cycle = wait_done(bus, 10)[0]["cycle"]
    bob, dave = company.people[5:7]
    slapd.join("umbrella-admins", bob)
    sync(bus)
    number = wait_done(bus, 1, "recreate")[0]["id"]
    sync(bus)
    plan = revert(bus, cycle)
    why = {n["address"]: n["reason"] for n in plan["not"]}
    assert f"action {number} came after" in why[bob.email]
    assert len(plan["actions"]) + len(why) == 10 and dave.email not in why

    # What changes while it is held makes it stale; nothing of it is done, and it is gone.
    slapd.join("umbrella-admins", dave)
    sync(bus)
    wait_done(bus, 2, "recreate")
    before = len(writes(standin))
    stale = bus.ctl("approve", plan["hash"], expect=6)
    assert "nothing was done" in stale.err and dave.email in stale.err
    sync(bus)
    assert len(writes(standin)) == before and bus.ask("status")["targets"][0]["revert"] is None
    assert len(revert(bus, cycle)["actions"]) == len(plan["actions"]) - 1


def test_what_there_is_not(make_daemon, bus, slapd, company, standin):
    make_daemon()
    wait_done(bus, 10)
    assert "no cycle 4711" in bus.ctl("revert", "4711", expect=2).err
    assert "number of a cycle" in bus.ctl("revert", "x", expect=2).err
    sync(bus)
    sync(bus)
    idle = bus.ask("status")["cycle"]
    assert "did nothing" in bus.ctl("revert", str(idle), expect=2).err
    for who in ("member", "stranger"):
        assert "root" in bus.ctl("revert", "1", who=who, expect=2).err


def test_beside_a_held_plan(make_daemon, bus, slapd, company, standin, tmp_path):
    make_daemon(target={"limits": {"create": 10}})
    cycle = wait_done(bus, 10)[0]["cycle"]
    slapd.add_person(Person("late"), "umbrella")
    sync(bus, "held")
    held = bus.ask("status")["targets"][0]["held"]["hash"]
    plan = revert(bus, cycle)
    text = bus.ctl("plan", expect=6).out
    assert held in text and plan["hash"] in text and held != plan["hash"]
    assert held in bus.ctl("plan", "-o", tmp_path / "x", expect=2).err
    bus.ctl("plan", plan["hash"], "-o", tmp_path / "x", expect=0)

    assert "nothing is taken back" in bus.ctl("reject", plan["hash"], expect=0).out
    assert bus.ask("status")["targets"][0]["held"]["hash"] == held
    assert revert(bus, cycle)["hash"] == plan["hash"]
    bus.ctl("apply", tmp_path / "x", expect=0)
    wait_done(bus, 9, "delete")
    assert bus.ask("status")["targets"][0]["held"]["hash"] == held
    bus.ctl("approve", held, expect=0)
    wait_done(bus, 11)
    assert sorted(standin.emails()) == sorted([company.people[0].email, "late@example.com"])


def test_over_restarts(make_daemon, bus, slapd, company, standin):
    runner, daemon = make_daemon()
    cycle = wait_done(bus, 10)[0]["cycle"]
    sync(bus)
    plan = revert(bus, cycle)
    daemon.kill()
    daemon = runner.start()
    compared(bus)
    bus.ctl("pause", expect=0)
    bus.ctl("approve", plan["hash"], expect=0)
    assert len(bus.ask("queue")["actions"]) == 9
    sync(bus)
    assert len(bus.ask("queue")["actions"]) == 9, "what no plan asks for stays in the queue"
    # Somebody moves on meanwhile: that part isn't taken back any more.
    slapd.join("umbrella-admins", company.people[5])
    sync(bus)
    daemon.kill()
    runner.start()
    compared(bus)
    bus.ctl("resume", expect=0)
    wait_done(bus, 8, "delete")
    wait_done(bus, 1, "recreate")
    assert sorted(standin.emails()) == sorted([company.people[0].email, company.people[5].email])
    nothing_more(bus, standin)


# --- Primavera: what it disables, it can enable ---

@pytest.mark.standin(api="primavera")
def test_disabled_at_primavera(make_daemon, bus, slapd, company, standin):
    make_daemon(target={"leave": "disable", "limits": dict.fromkeys(("create", "update", "enable", "disable", "reset"), 50),
                        "list_interval": "1s"})
    wait_done(bus, 10)
    wait_done(bus, 10, "reset")
    bob = company.people[4]
    by_hand = [{"name": name} for name in (ANALYTICS, P6)]
    standin.change_account(login=bob.uid, fields={"roles": by_hand})
    sync(bus)
    slapd.leave("primavera", bob)
    wait_for(lambda: sync(bus) and rows(bus, "disable"), 20, "the leaver's end", every=0.3)
    assert standin.user(bob.uid)["disabled"] and standin.roles(bob.uid) == []

    plan = revert(bus, rows(bus, "disable")[0]["cycle"])
    assert [(a["action"], a["after"]["roles"]) for a in plan["actions"]] == [("enable", sorted([ANALYTICS, P6]))]
    bus.ctl("approve", plan["hash"], expect=0)
    wait_done(bus, 1, "enable")
    assert not standin.user(bob.uid)["disabled"]
    assert standin.roles(bob.uid) == sorted([ANALYTICS, P6]), "what was given by hand too"
    nothing_more(bus, standin)
    assert not standin.user(bob.uid)["disabled"]


@pytest.mark.standin(api="primavera")
def test_roles_at_primavera(make_daemon, bus, slapd, company, standin):
    make_daemon(target={"limits": dict.fromkeys(("create", "update", "enable", "disable", "reset"), 50)})
    creation = wait_done(bus, 10)[0]["cycle"]
    wait_done(bus, 10, "reset")
    bob = company.people[4]
    assert standin.roles(bob.uid) == [P6]
    sync(bus)
    slapd.join("primavera-unifier", bob)
    sync(bus)
    cycle = wait_done(bus, 1, "update")[0]["cycle"]
    assert standin.roles(bob.uid) == sorted([P6, UNIFIER])
    plan = revert(bus, cycle)
    assert [(a["action"], a["after"]["roles"]) for a in plan["actions"]] == [("update", [P6])]
    bus.ctl("approve", plan["hash"], expect=0)
    wait_done(bus, 2, "update")
    assert standin.roles(bob.uid) == [P6]
    nothing_more(bus, standin)

    # What it created it can only disable; passwords are gone for good.
    plan = revert(bus, creation)
    why = {(n["action"], n["address"]): n["reason"] for n in plan["not"]}
    assert why["reset", bob.email] == "a password can't be put back" and "came after" in why["create", bob.email]
    assert {a["action"] for a in plan["actions"]} == {"disable"} and len(plan["actions"]) == 9


# --- kill -9 at every step ---

def killed_at(point, number, make_daemon, bus, slapd, standin):
    """A deletion is taken back, and the process that does it is killed once; False: it wasn't."""
    standin.reset()
    runner, daemon = make_daemon(target={"roles": [{"role": "Read Only"}]})
    cycle = wait_done(bus, 3)[0]["cycle"]
    plan = revert(bus, cycle)
    assert daemon.terminate() == 0
    runner.config["directory"]["poll_interval"] = "1s"      # what waits for a complete read tries again after that
    arguments = ["--wait", "10s", "--approve", plan["hash"]]
    first = runner.once(*arguments, env={"IDSYNCD_FAILPOINT": f"{point}:{number}"})
    assert first.code in (0, -9), first
    second = runner.once("--wait", "10s")
    if second.code == 6:                # it died before the approval was in the store
        second = runner.once(*arguments)
    assert second.code in (0, 1), second
    assert standin.emails() == [], second
    gone = [c for c in standin.calls("DELETE") if c["handled"]]
    assert len(gone) in (3, 4), gone    # one may be said twice: its answer never came
    assert len([c for c in gone if c["status"] == 204]) <= 3
    made = len(standin.calls("POST", "/users$"))
    runner.once("--wait", "1s", expect=1)       # what was taken back is a difference
    assert made == 3 and len(standin.calls("POST", "/users$")) == 3, "nobody comes back"
    return first.code == -9


@pytest.mark.slow
@pytest.mark.company(people=3, admins=0)
@pytest.mark.parametrize("point", ["job-step", "call-recorded"])
def test_killed_at_every_point(make_daemon, bus, slapd, company, standin, point):
    number = 1
    while killed_at(point, number, make_daemon, bus, slapd, standin):
        number += 1
    print(f"killed at {point} {number - 1} times")
    assert 1 < number < 150
