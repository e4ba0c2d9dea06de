# SPDX-License-Identifier: Apache-2.0
"""The questions of a new operator: why has Bob no account, and what will happen next? The answer is in the line `next` of
explain, and what calls for somebody is in status with the command that helps."""

import os
import re

import pytest

from lib.bus import compared, sync, wait_done
from lib.company import Person
from lib.process import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users: needs root")


def why(bus, who):
    """Of the only target: the lines by their names, and the line `next`."""
    text = bus.ctl("explain", who, who="member", expect=0).out
    lines = dict(re.findall(r"^  (\w[\w ]*?) {2,}(.*)$", text, re.M))
    return lines, lines["next"]


def test_people_who_get_none(make_daemon, bus, slapd, company, standin):
    foreign = Person("foreign")
    standin.add_accounts(accounts=[foreign.account()])
    slapd.add_person(Person("nogroup"))
    for person in (Person("twin1", email="twin@example.com"), Person("twin2", email="twin@example.com"),
                   Person("nomail", email=""), Person("guarded"), foreign):
        slapd.add_person(person, "umbrella")
    make_daemon(target={"adopt": "never", "protect": ["guarded@example.com"]})
    wait_done(bus, 10)

    lines, following = why(bus, "nogroup")
    assert lines["because"].startswith("in none of the target's groups: cn=umbrella,")
    assert following == "nothing: doesn't belong here, and has no account of ours"
    assert why(bus, "nomail")[1] == "nothing: blocked: directory.attributes.email is missing or empty, and umbrella needs it"
    assert "twin@example.com is also that of uid=twin2," in why(bus, "twin1")[1]
    both = bus.ctl("explain", "twin@example.com", expect=2).err
    assert "uid=twin1," in both and "uid=twin2," in both and "with one address for two nobody gets an account" in both
    assert why(bus, "guarded")[1] == "nothing: no create: its address is in protect"
    assert why(bus, "foreign")[1] == 'nothing: an account that isn\'t ours has its address (adopt = "never")'

    sync(bus)                                          # what was done before isn't told any more
    plan = bus.ctl("plan", expect=1).out
    assert "nothing is asked for" in plan
    for name in ("twin1", "twin2", "nomail"):
        assert re.search(rf"^blocked +uid={name},", plan, re.M), plan
    status = bus.ctl("status", expect=1).out
    assert "3 people are blocked\n    -> idsyncctl plan umbrella" in status


def test_leavers(make_idsyncd, bus, slapd, company, standin):
    runner = make_idsyncd(slapd, standin)
    runner.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    runner.config["directory"] |= {"poll_interval": "1h", "disabled": {"attribute": "employeeType", "when": "value:gone"}}
    runner.target.update({"leave": "delete", "leave_grace": "2d"})
    never, disabled, gone = company.people[5:8]
    slapd.modify(never.dn, employeeType="gone")
    runner.start()
    wait_done(bus, 9)
    slapd.modify(disabled.dn, employeeType="gone")
    slapd.delete(gone.dn)
    sync(bus)
    lines, following = why(bus, never.uid)
    assert lines["directory"] == "there, disabled" and lines["because"] == "the entry is disabled (employeeType)"
    assert "no account of ours" in following
    start = "nothing until the grace is over: the person is "
    assert why(bus, disabled.uid)[1].startswith(start + "disabled in the directory; its account is deleted in ")
    assert why(bus, gone.email)[1].startswith(start + "no longer in the directory; its account is deleted in ")


def test_held_behind_and_rejected(make_daemon, bus, slapd):
    make_daemon(first_plan="hold")
    held = bus.ask("status")["targets"][0]["held"]["hash"]
    assert why(bus, "p00003")[1].startswith(f"create, when the held plan {held} is approved (held: it is the first plan")
    slapd.add_person(Person("late"), "umbrella")
    sync(bus, "held")
    assert why(bus, "late")[1].startswith(f"create, when the held plan {held} is approved or rejected: it came on top")
    plan = bus.ctl("plan", expect=6).out
    assert plan.count(" held ") == 10 and re.search(r"- +behind +create +late@example.com", plan), plan
    bus.ctl("reject", held, expect=0)
    compared(bus, "held")
    said = why(bus, "p00003")[1]
    assert re.match(r'nothing: action \d+ \(create\) is dropped: rejected by an operator; "idsyncctl retry \d+"', said), said
    late = bus.ask("status")["targets"][0]["held"]["hash"]
    assert f"held plan {late} is approved (" in why(bus, "late")[1]


def test_refused_paused_and_parked(make_daemon, bus, slapd, standin):
    standin.fault("status", code=400, body='{"message": "refused by the test"}', method="POST", path="/users$", count=1)
    make_daemon(target={"concurrency": 1})
    wait_done(bus, 9)
    dead = bus.ask("queue", "--dead")["actions"][0]
    assert why(bus, dead["address"])[1] == (f"nothing: action {dead['id']} (create) is a dead letter: HTTP 400: refused by "
                                            f"the test; \"idsyncctl retry {dead['id']}\" tries it again")
    bus.ctl("pause", "umbrella", expect=0)
    slapd.add_person(Person("late"), "umbrella")
    sync(bus, "paused")
    assert re.match(r'create: action \d+ is waiting; the target is paused by an operator, until "idsyncctl resume"',
                    why(bus, "late")[1])
    standin.fault("status", code=503, method="POST", path="/users$", count=1000)
    bus.ctl("resume", "umbrella", expect=0)
    parked = wait_for(lambda: "parked" in (said := why(bus, "late")[1]) and said, 10, "parking", every=0.1)
    assert re.match(r"create: action \d+ is \w+; not before 20\d\d-.*Z: the target is parked: HTTP 503", parked), parked


def test_what_is_not_known(make_daemon, bus, slapd, standin):
    """Neither side may be silent for the other."""
    make_daemon(target={"list_interval": "1s"})
    wait_done(bus, 10)
    assert "as it shall be" in why(bus, "p00003")[1]
    standin.fault("status", code=503, method="GET", path="/users", count=1000)
    slapd.add_person(Person("late"), "umbrella")
    wait_for(lambda: sync(bus)["targets"][0]["state"] == "unreachable", 15, "an API that is down", every=0.3)
    said = why(bus, "late")[1]
    assert said.startswith("not known") and ("HTTP 503" in said or "are being listed" in said), said
    slapd.stop()
    bus.ctl("sync", expect=0)
    wait_for(lambda: bus.ask("status")["directory"]["state"] == "unreachable", 15, "a directory that is down", every=0.1)
    assert "since then failed: ldaps://" in bus.ctl("explain", "late", expect=0).out
    assert "the last read failed: ldaps://" in bus.ctl("explain", "newcomer", expect=2).err


def test_who_was_deleted_long_ago(make_daemon, bus, slapd, company):
    """The history knows people whom the directory has forgotten."""
    make_daemon(target={"leave": "delete", "leave_grace": "0s"})
    wait_done(bus, 10)
    gone = company.people[4]
    slapd.delete(gone.dn)
    wait_for(lambda: sync(bus) and bus.ask("status")["targets"][0]["accounts"] == 9, 15, "the deletion", every=0.2)
    sync(bus, "ok")
    lines, following = why(bus, gone.email.upper())
    assert "no account of ours" in following and lines["directory"] == "not there in the last complete read"
    assert "delete" in lines["history"]
    assert [a["action"] for a in bus.ask("history", gone.id)["actions"]] == ["delete", "create"]
