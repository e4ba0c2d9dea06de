# SPDX-License-Identifier: Apache-2.0
"""A held plan as a file, and doing exactly what such a file has."""

import json
import os
import shutil
import stat
import time

import pytest

from lib.bus import compared, sync, wait_done, writes
from lib.company import Person
from lib.process import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users: needs root")


def held(bus):
    return bus.ask("status")["targets"][0]["held"]["hash"]


def export(bus, path, *words):
    done = bus.ctl("plan", *words, "-o", path, expect=0)
    with open(path, encoding="utf-8") as source:
        doc = json.load(source)
    assert doc["hash"] in done.out and f"{len(doc['actions'])} actions" in done.out
    return doc


def test_review_and_apply(make_daemon, bus, company, standin, tmp_path):
    _, daemon = make_daemon(first_plan="hold")
    path, again = tmp_path / "plan.json", tmp_path / "again.json"
    doc = export(bus, path)
    assert list(doc) == ["format", "version", "target", "hash", "reason", "actions"]
    assert (doc["target"], doc["hash"], doc["version"]) == ("umbrella", held(bus), 1) and "first plan" in doc["reason"]
    assert [a["action"] for a in doc["actions"]] == ["create"] * 10
    assert sorted(a["person"] for a in doc["actions"]) == [a["person"] for a in doc["actions"]]
    assert doc["actions"][0]["before"] is None and doc["actions"][0]["after"]["role"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert path.read_text().count("\n      \"action\": ") == 10, "an action is a block of lines"
    export(bus, again, "umbrella")
    assert again.read_bytes() == path.read_bytes()

    assert "exists" in bus.ctl("plan", "-o", path, expect=2).err
    assert "no target" in bus.ctl("plan", "nowhere", "-o", tmp_path / "x", expect=2).err
    assert not (tmp_path / "x").exists()
    assert writes(standin) == []
    assert "goes ahead" in bus.ctl("apply", path, expect=0).out
    wait_done(bus, 10)
    assert len(standin.emails()) == 10
    assert all(a["approved"] for a in bus.ask("history")["actions"])
    assert "no plan is held" in bus.ctl("plan", "-o", tmp_path / "x", expect=2).err

    sync(bus)
    stale = bus.ctl("apply", path, expect=6)
    assert "nothing was done" in stale.err and "isn't asked for" in stale.err and len(writes(standin)) == 10
    assert bus.ctl("status", expect=0)
    assert "fits no plan" in daemon.log()


def test_only_root_and_only_as_written(make_daemon, bus, tmp_path):
    make_daemon(first_plan="hold")
    path, forged = tmp_path / "plan.json", tmp_path / "forged.json"
    doc = export(bus, path)
    shutil.copy(path, f"{bus.home}/plan.json")
    os.chmod(f"{bus.home}/plan.json", 0o644)
    assert "root" in bus.ctl("apply", f"{bus.home}/plan.json", who="member", expect=2).err

    doc["actions"][3]["after"]["role"] = "Full Admin"
    forged.write_text(json.dumps(doc, ensure_ascii=False))
    assert "edited" in bus.ctl("apply", forged, expect=2).err
    doc["actions"][3]["surprise"] = True
    forged.write_text(json.dumps(doc, ensure_ascii=False))
    assert "action 4" in bus.ctl("apply", forged, expect=2).err
    forged.write_text("{}")
    assert "not a plan" in bus.ctl("apply", forged, expect=2).err
    os.mkfifo(tmp_path / "fifo")
    for odd in (tmp_path, tmp_path / "fifo", "/dev/zero"):
        assert "regular" in bus.ctl("apply", odd, expect=2).err
    assert "No such file" in bus.ctl("apply", tmp_path / "none", expect=2).err
    assert bus.ask("status")["targets"][0]["held"]["hash"] == doc["hash"]

    doc = json.loads(path.read_text())
    forged.write_text(json.dumps(doc, ensure_ascii=False))
    bus.ctl("apply", forged, expect=0)          # other white space is the same plan
    wait_done(bus, 10)


def test_stale_file(make_daemon, bus, slapd, company, standin, tmp_path):
    make_daemon(first_plan="hold")
    path = tmp_path / "plan.json"
    export(bus, path)
    slapd.modify(company.people[3].dn, givenName="Changed")
    sync(bus, "held")
    before = held(bus)
    stale = bus.ctl("apply", path, expect=6)
    assert company.people[3].email in stale.err and before in stale.err, stale
    assert held(bus) == before and writes(standin) == [], "what was held still is"
    bus.ctl("approve", before, expect=0)
    wait_done(bus, 10)


def test_a_part_of_what_is_held(make_daemon, bus, slapd, company, standin, tmp_path):
    """The plan was frozen anew since the file was written; all that the file has is still asked for."""
    make_daemon(first_plan="hold")
    path = tmp_path / "plan.json"
    first = export(bus, path)
    name = company.people[3].first
    slapd.modify(company.people[3].dn, givenName="Changed")
    sync(bus, "held")
    slapd.modify(company.people[3].dn, givenName=name)
    slapd.add_person(Person("late"), "umbrella")
    sync(bus, "held")
    assert held(bus) != first["hash"]
    bus.ctl("apply", path, expect=0)
    wait_done(bus, 10)
    assert "late@example.com" not in standin.emails() and len(standin.emails()) == 10
    rest = compared(bus, "held")["targets"][0]["held"]
    assert rest["actions"] == 1 and "first plan" in rest["reason"], "the rest is a plan of its own"
    bus.ctl("approve", rest["hash"], expect=0)
    wait_done(bus, 11)


def test_what_was_rejected_stays_so(make_daemon, bus, standin, tmp_path):
    make_daemon(first_plan="hold")
    path = tmp_path / "plan.json"
    export(bus, path)
    bus.ctl("reject", held(bus), expect=0)
    stale = bus.ctl("apply", path, expect=6)
    assert "rejected" in stale.err and writes(standin) == []


def test_answer_of_the_next_judgement(make_daemon, bus, standin, tmp_path):
    """What came of the same file before is no answer, however long the listing takes."""
    make_daemon(first_plan="hold", target={"list_interval": "1s"})
    path = tmp_path / "plan.json"
    export(bus, path)
    assert "goes ahead" in bus.ctl("apply", path, expect=0).out
    wait_done(bus, 10)
    time.sleep(1.1)
    standin.fault("delay", seconds=4, method="GET", path="/users", count=1)
    assert "nothing was done" in bus.ctl("apply", path, expect=6).err
    assert len(writes(standin)) == 10


@pytest.mark.slow
def test_survives_a_restart(make_daemon, bus, slapd, company, standin, tmp_path):
    runner, daemon = make_daemon(first_plan="hold")
    path = tmp_path / "plan.json"
    export(bus, path)
    slapd.modify(company.people[3].dn, givenName="Changed")
    sync(bus, "held")
    slapd.modify(company.people[3].dn, givenName=company.people[3].first)
    before = held(bus)
    daemon.kill()
    # The listing fails, so nothing can be compared.
    standin.fault("status", code=503, method="GET", path="/users", count=10000)
    daemon = runner.start()
    assert "is approved" in bus.ctl("apply", path, expect=0).out
    assert held(bus) == before
    daemon.kill()
    standin.clear_faults()
    runner.start()
    wait_done(bus, 10)
    assert len(standin.emails()) == 10


# --- what was done ---

def test_history_has_the_account_as_it_was(make_daemon, bus, slapd, company, standin):
    make_daemon(target={"leave": "delete", "leave_grace": "0s", "limits": {"delete": 5}})
    wait_done(bus, 10)
    leaver, riser = company.people[4], company.people[5]
    slapd.join("umbrella-admins", riser)
    slapd.delete(leaver.dn)
    wait_for(lambda: sync(bus) and len(standin.emails()) == 9, 15, "the leaver's end", every=0.3)
    wait_done(bus, 1, "recreate")
    rows = {a["action"]: a for a in bus.ask("history")["actions"]}
    assert rows["delete"]["before"]["address"] == leaver.email and rows["delete"]["before"]["role"] == "Read Only"
    assert rows["delete"]["cycle"] > rows["create"]["cycle"] > 0
    text = bus.ctl("history", expect=0).out
    lines = {line.split()[5]: line for line in text.splitlines()}
    assert "CYCLE" in lines["ACTION"] and f" {rows['delete']['cycle']} " in lines["delete"]
    assert "role: Read Only -> none" in lines["delete"] and "role: Read Only -> Full Admin" in lines["recreate"]
    assert "role: none -> Read Only" in lines["create"] or "role: none -> Full Admin" in lines["create"]
