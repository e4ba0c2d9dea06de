# SPDX-License-Identifier: Apache-2.0
"""idsyncctl and the daemon on a private bus with the shipped policy."""

import csv
import io
import os
import re
import signal
import sqlite3
import stat

import pytest

from lib.bus import AS_MEMBER, AS_STRANGER, compared, sync, wait_done, writes
from lib.company import Person, group_dn
from lib.process import scaled, spawn, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users: needs root")


# --- who may do what ---

def test_the_group_looks_and_root_changes(make_daemon, bus, standin):
    make_daemon(first_plan="hold")
    held = bus.ask("status")["targets"][0]["held"]["hash"]
    for verb in (["status"], ["targets"], ["plan"], ["queue"], ["history"], ["orphans"], ["explain", "p00001"], ["health"]):
        assert bus.ctl(*verb, who="member").code in (0, 1, 6), verb
        stranger = bus.ctl(*verb, who="stranger")
        assert stranger.code == (3 if verb == ["health"] else 2), stranger
        assert "group idsync" in stranger.out + stranger.err and "example.com" not in stranger.out, stranger

    changing = (["approve", held], ["reject", held], ["retry", "1"], ["drop", "1"], ["pause"], ["resume"], ["sync"],
                ["reset", "p00001", "--target", "umbrella"])
    for who in ("member", "stranger"):
        for verb in changing:
            refused = bus.ctl(*verb, who=who, expect=2)
            assert "root" in refused.err, refused
    after = bus.ask("status")["targets"][0]
    assert after["held"]["hash"] == held and after["paused"] is None and writes(standin) == []
    bus.ctl("approve", held, expect=0)
    wait_done(bus, 10)


def test_the_daemon_itself_refuses(make_daemon, bus):
    """With a policy that lets everybody call everything."""
    bus.stop()
    bus._write("policy.conf", '<busconfig><policy context="default"><allow own="org.idsyncd1"/>'
                              '<allow send_destination="org.idsyncd1"/></policy></busconfig>')
    bus.start()
    make_daemon(first_plan="hold")
    held = bus.ask("status", who="stranger")["targets"][0]["held"]["hash"]
    for verb in (["approve", held], ["pause"], ["sync"]):
        assert "root" in bus.ctl(*verb, who="stranger", expect=2).err
    assert bus.ask("status")["targets"][0]["held"]["hash"] == held
    bus.ctl("pause", expect=0)


def test_a_bus_without_the_policy(make_daemon, bus):
    """Installed, and the bus wasn't told."""
    make_daemon()
    bus._write("policy.conf", "<busconfig/>")
    bus.process.send_signal(signal.SIGHUP)
    refused = wait_for(lambda: (result := bus.ctl("status")).code == 2 and result, 10, "a bus that refuses root")
    assert "systemctl reload dbus" in refused.err, refused


# --- held plans in the running daemon ---

def test_approve(make_daemon, bus, standin):
    _, daemon = make_daemon(first_plan="hold")
    status = bus.ctl("status", expect=6)
    held = bus.ask("status")["targets"][0]["held"]["hash"]
    assert held in status.out and "idsyncctl approve" in status.out
    plan = bus.ctl("plan", "umbrella", expect=6)
    assert plan.out.count(" create ") == 10 and f"idsyncctl approve {held}" in plan.out
    assert writes(standin) == []
    done = bus.ctl("approve", held, expect=0)
    assert "goes ahead" in done.out, done
    wait_done(bus, 10)
    assert len(standin.emails()) == 10
    assert compared(bus, "ok")["targets"][0]["held"] is None
    assert "approved by an operator" in daemon.log()
    bus.ctl("status", expect=0)


def test_approve_is_stale(make_daemon, bus, slapd, company, standin):
    _, daemon = make_daemon(first_plan="hold")
    held = bus.ask("status")["targets"][0]["held"]["hash"]
    unknown = bus.ctl("approve", "0123456789ab", expect=6)
    assert held in unknown.err, "what is held is named"
    bus.ctl("approve", "nonsense", expect=2)

    slapd.modify(company.people[3].dn, givenName="Changed")
    sync(bus, "held")
    stale = bus.ctl("approve", held, expect=6)
    new = bus.ask("status")["targets"][0]["held"]["hash"]
    assert new != held and new in stale.err and writes(standin) == []
    bus.ctl("approve", new, expect=0)
    wait_done(bus, 10)


def test_reject(make_daemon, bus, slapd, company, standin):
    runner, daemon = make_daemon(first_plan="hold")
    held = bus.ask("status")["targets"][0]["held"]["hash"]
    bus.ctl("reject", held, expect=0)
    after = compared(bus, "ok")
    assert after["targets"][0]["held"] is None and after["targets"][0]["suppressed"] == 10
    assert len(bus.ask("queue", "--dead")["actions"]) == 10
    assert "10 actions aren't asked for, being dropped, rejected" in bus.ctl("status", expect=1).out
    sync(bus, "ok")
    assert daemon.terminate() == 0                 # over a restart too
    runner.start()
    compared(bus, "ok")
    assert writes(standin) == []

    slapd.modify(company.people[3].dn, givenName="Changed")     # that one wish is another now
    doc = sync(bus, "held")
    assert doc["targets"][0]["held"]["actions"] == 1 and writes(standin) == []


def test_reject_an_adoption(make_daemon, bus, company, standin):
    standin.add_accounts(accounts=[company.people[1].account()])
    make_daemon(first_plan="hold")
    assert any(a["action"] == "adopt" for a in bus.ask("plan")["targets"][0]["actions"])
    bus.ctl("reject", bus.ask("status")["targets"][0]["held"]["hash"], expect=0)
    compared(bus, "ok")
    assert sync(bus, "ok")["targets"][0]["linked"] == 0


def test_approved_removal_looks_first(make_daemon, bus, slapd, company, standin):
    """Nothing is taken away on the word of an old listing."""
    make_daemon(target={"leave": "delete", "leave_grace": "0s", "limits": {"delete": 0}})
    wait_done(bus, 10)
    slapd.delete(company.people[4].dn)
    wait_for(lambda: sync(bus)["targets"][0]["held"], 15, "a held plan", every=0.3)
    doc = sync(bus, "held")                         # a later cycle, by the listing that there is
    standin.clear_ledger()
    bus.ctl("approve", doc["targets"][0]["held"]["hash"], expect=0)
    wait_done(bus, 1, "delete")
    calls = [(c["method"], c["path"]) for c in standin.calls()]
    assert ("GET", "/admin/v2/users") in [(m, p.split("?")[0]) for m, p in calls[:-1]], calls
    assert len(standin.emails()) == 9


@pytest.mark.slow
def test_approval_survives_a_restart(make_daemon, bus, slapd, standin):
    """Given while nothing can be compared, used when it can."""
    runner, daemon = make_daemon(first_plan="hold", target={"list_interval": "1s"})
    held = bus.ask("status")["targets"][0]["held"]["hash"]
    standin.fault("status", code=503, method="GET", path="/users", count=1000)
    wait_for(lambda: sync(bus)["targets"][0]["state"] == "unreachable", 15, "an API that is down", every=0.3)
    assert "is approved" in bus.ctl("approve", held, expect=0).out
    daemon.kill()
    standin.clear_faults()
    runner.start()
    wait_done(bus, 10)
    assert len(standin.emails()) == 10


@pytest.mark.company(people=2)
def test_a_target_that_was_taken_out(make_daemon, bus, standin):
    """Its dead letters call for nobody any more."""
    standin.fault("status", code=422, body={"message": "refused by the test"}, method="POST", path="/users$", count=None)
    runner, daemon = make_daemon()
    wait_for(lambda: len(bus.ask("queue", "--dead")["actions"]) == 2, 10, "two dead letters", every=0.1)
    standin.clear_faults()
    runner.target["name"] = "anew"
    daemon.reload()
    wait_for(lambda: bus.ask("status")["targets"][0]["name"] == "anew", 15, "the new configuration", every=0.1)
    wait_done(bus, 2)
    assert bus.ask("status")["queue"]["dead"] == 0 and bus.ctl("health").code == 0
    daemon.wait_status("0 dead letters")


# --- the queue ---

def test_dead_letter_retry_drop(make_daemon, bus, company, standin):
    standin.fault("status", code=400, body='{"message": "refused by the test"}', method="POST", path="/users$", count=2)
    _, daemon = make_daemon(target={"concurrency": 1})
    wait_done(bus, 8)
    dead = bus.ask("queue", "--dead")["actions"]
    assert [a["state"] for a in dead] == ["dead", "dead"] and "refused by the test" in dead[0]["detail"]
    assert bus.ctl("status").code == 1
    health = bus.ctl("health", expect=1)
    assert health.out.startswith("IDSYNC WARNING") and "2 dead letters" in health.out

    one, two = (a["id"] for a in dead)
    bus.ctl("retry", str(one), expect=0)
    wait_done(bus, 9)
    assert "only dead letters" in bus.ctl("retry", str(one), expect=2).err
    bus.ctl("drop", str(two), expect=0)
    assert [a["state"] for a in bus.ask("queue", "--dead")["actions"]] == ["dropped"]
    sync(bus)
    assert len(standin.emails()) == 9, "what was dropped isn't asked for again"
    assert bus.ctl("retry", "999999", expect=2).err and bus.ctl("drop", "x", expect=2).err
    assert bus.ctl("drop", str(one), expect=2).err

    assert "1 action isn't asked for" in bus.ctl("status", expect=1).out
    bus.ctl("retry", str(two), expect=0)
    wait_done(bus, 10)
    wait_for(lambda: bus.ctl("status").code == 0, 10, "a status that knows of it, without a cycle", every=0.1)


def test_pause_and_resume(make_daemon, bus, slapd, standin):
    runner, daemon = make_daemon()
    wait_done(bus, 10)
    bus.ctl("pause", "umbrella", expect=0)
    slapd.add_person(Person("late"), "umbrella")
    standin.clear_ledger()
    assert sync(bus, "paused")["targets"][0]["paused"] == "operator"
    queue = bus.ask("queue")["actions"]
    assert [a["address"] for a in queue] == ["late@example.com"] and writes(standin) == []
    assert "paused" in bus.ctl("explain", "late", expect=0).out

    assert daemon.terminate() == 0
    daemon = runner.start()
    compared(bus, "paused")
    assert writes(standin) == []
    assert bus.ctl("pause", "nowhere", expect=2).err
    bus.ctl("resume", "umbrella", expect=0)
    wait_done(bus, 11)

    bus.ctl("pause", expect=0)
    assert bus.ask("status")["paused"] is True
    assert "all targets" in bus.ctl("resume", "umbrella", expect=2).err
    bus.ctl("resume", expect=0)
    assert bus.ask("status")["paused"] is False
    compared(bus, "ok")


def test_once_keeps_the_pause(make_daemon, bus, slapd, standin):
    runner, daemon = make_daemon()
    wait_done(bus, 10)
    bus.ctl("pause", expect=0)
    assert daemon.terminate() == 0
    slapd.add_person(Person("late"), "umbrella")
    runner.once("--wait", "1s")
    assert len(standin.emails()) == 10


def test_resume_ends_parking(make_daemon, bus, slapd, standin):
    _, daemon = make_daemon(target={"list_interval": "1s"})
    wait_done(bus, 10)
    standin.fault("status", code=403, method="GET", path="/users", count=1000)
    parked = wait_for(lambda: sync(bus)["targets"][0]["parked"], 10, "parking", every=0.3)
    assert parked["outcome"] == "auth"
    assert bus.ctl("health", expect=2).out.startswith("IDSYNC CRITICAL")
    standin.clear_faults()
    bus.ctl("resume", "umbrella", expect=0)
    doc = compared(bus, "ok")
    assert doc["targets"][0]["parked"] is None


# --- looking ---

def test_explain(make_daemon, bus, slapd, company, standin):
    bob, outside = Person("bob", email=None), Person("outside")
    bob.email = ""
    slapd.add_person(bob, "umbrella")
    slapd.add_person(outside)
    team, crew = group_dn("team"), group_dn("crew")
    slapd.add(crew, {"objectClass": "groupOfNames", "cn": "crew", "member": [company.people[1].dn]})
    slapd.add(team, {"objectClass": "groupOfNames", "cn": "team", "member": [crew]})
    slapd.modify(group_dn("umbrella-admins"), member=[company.people[0].dn, team])
    make_daemon()
    wait_done(bus, 10)
    sync(bus)
    calls = len(standin.calls())

    admin = bus.ask("explain", "p00000@example.com", expect=0)
    target = admin["targets"][0]
    assert target["belongs"] and target["role"] == "Full Admin" and "umbrella-admins" in target["role_group"]
    assert target["link"]["origin"] == "created" and target["history"][0]["state"] == "done"
    assert admin["person"]["id"] == company.people[0].id and admin["attributes"]["email"] == "mail"

    assert target["role_way"] is None and "through" not in target["why"], "the groups name this person"
    target = bus.ask("explain", "p00001@example.com", expect=0)["targets"][0]
    assert target["role"] == "Full Admin" and target["role_way"] == f"{team} > {crew}"
    assert f"by {group_dn('umbrella-admins')}, through {team} > {crew}" in bus.ctl("explain", "p00001").out

    text = bus.ctl("explain", "bob", expect=0).out
    assert "blocked" in text and "mail" in text
    text = bus.ctl("explain", "outside", who="member", expect=0).out
    assert "doesn't belong here" in text and "none of the target's groups" in text
    nobody = bus.ctl("explain", "nobody@example.com", expect=2)
    assert "In scope is who stands below" in nobody.err and "inetOrgPerson" in nobody.err
    assert len(bus.ask("history", "p00002", expect=0)["actions"]) == 1
    assert len(standin.calls()) == calls, "nothing was asked of the API"


def test_explain_what_waits(make_daemon, bus, company, standin):
    _, daemon = make_daemon(first_plan="hold")
    held = bus.ask("status")["targets"][0]["held"]["hash"]
    assert f"held plan {held}" in bus.ctl("explain", company.people[4].dn, expect=0).out
    bus.ctl("pause", expect=0)
    daemon.wait_status(f"umbrella: plan {held} held; umbrella: paused")
    bus.ctl("approve", held, expect=0)
    doc = wait_for(lambda: (d := bus.ask("explain", company.people[4].id))["targets"][0]["queued"] and d, 10, "the queue")
    assert 1 <= doc["targets"][0]["position"] <= 10 and "paused" in doc["targets"][0]["next"]


def test_orphans(make_daemon, bus, slapd, company, standin):
    ghost = {"email": "ghost@example.com", "firstname": "G", "lastname": "Host", "role": "Full Admin"}
    careful = {"email": "careful@example.com", "role": "Read Only", "twoFactorEnable": True}
    standin.add_accounts(accounts=[ghost, careful, company.people[2].account() | {"twoFactorEnable": True}])
    make_daemon()
    wait_done(bus, 9)
    slapd.delete(company.people[4].dn)
    sync(bus)
    doc = bus.ask("orphans", expect=0)
    rows = {a["address"]: a for a in doc["accounts"]}
    assert [a["address"] for a in doc["accounts"]][:2] == ["ghost@example.com", "careful@example.com"], "orphans come first"
    ours = "administrator without a second factor"
    assert rows["ghost@example.com"]["reason"] == f"no link: the account isn't ours; {ours}"
    assert rows["ghost@example.com"]["privileged"] and rows["ghost@example.com"]["person"] is None
    assert rows["careful@example.com"]["reason"] == "no link: the account isn't ours"
    assert rows["careful@example.com"]["second_factor"] is True and not rows["careful@example.com"]["privileged"]
    assert rows["p00004@example.com"]["reason"] == f"its person is no longer in the directory; {ours}"
    assert rows["p00001@example.com"]["reason"] == ours and rows["p00001@example.com"]["person"] == company.people[1].id
    assert "p00002@example.com" not in rows and len(rows) == 11
    assert "ghost@example.com" in bus.ctl("orphans", who="member").out


def test_orphans_for_a_spreadsheet(make_daemon, bus, standin):
    evil = ['=HYPERLINK("http://example.com")', "+1@example.com", "@here", '"a",b@example.com', "plain@example.com"]
    standin.add_accounts(accounts=[{"email": email, "role": "Read Only"} for email in evil])
    make_daemon()
    bus.ctl("orphans", "--csv", expect=0)
    bus.run_as("root", "sh", "-c", f"{bus.home}/idsyncctl orphans --csv > {bus.home}/orphans.csv")
    with open(f"{bus.home}/orphans.csv", newline="") as source:
        text = source.read()
    assert text.count("\r\n") == text.count("\n") and text.endswith("\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert [row["address"] for row in rows[:5]] == ["'" + evil[0], "'" + evil[1], "'" + evil[2], *evil[3:]]
    assert set(rows[0]) == {"target", "remote_id", "address", "login", "role", "status", "last_login", "person",
                            "privileged", "second_factor", "reason"}
    assert [row["second_factor"] for row in rows[:5]] == ["no"] * 5 and rows[0]["login"] == ""
    assert [a["address"] for a in bus.ask("orphans")["accounts"]][:5] == evil, "the JSON document is exact"
    assert bus.ctl("orphans", "--csv", "--json", expect=2).err and bus.ctl("status", "--csv", expect=2).err


def test_orphans_without_a_listing(make_daemon, bus, standin):
    standin.fault("status", code=503, method="GET", path="/users", count=1000)
    make_daemon()
    for form in ([], ["--csv"]):
        result = bus.ctl("orphans", *form, expect=5)
        assert "umbrella: not listed" in result.out + result.err
    assert bus.ask("orphans", expect=5)["not_listed"] == ["umbrella"]


def test_backup(make_daemon, bus, tmp_path):
    runner, _ = make_daemon()
    wait_done(bus, 10)
    file = str(tmp_path / "copy.db")
    with open(f"{runner.state}/backup.tmp", "w") as left:
        left.write("by one who was killed over it")
    bus.ctl("backup", file, expect=0)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
        assert db.execute("SELECT count(*) FROM link").fetchone() == (10,)
    assert not [name for name in os.listdir(runner.state) if name.startswith("backup")]
    assert "exists" in bus.ctl("backup", file, expect=2).err
    os.unlink(file)
    assert "root" in bus.ctl("backup", "/tmp/idsync-stranger.db", who="stranger", expect=2).err
    assert not os.path.exists("/tmp/idsync-stranger.db")


def test_properties_and_signals(make_daemon, bus):
    make_daemon(first_plan="hold")
    held = bus.ask("status")["targets"][0]["held"]["hash"]
    base = ["busctl", f"--address={bus.address}"]

    def prop(name):
        return bus.run_as("member", *base, "get-property", "org.idsyncd1", "/org/idsyncd1", "org.idsyncd1", name).out
    wait_for(lambda: held in prop("Held"), 10, "the property")
    assert "people read" in prop("Status") and prop("Queued") == "t 0\n"
    listen = ["dbus-monitor", "--address", bus.address, "type='signal',interface='org.freedesktop.DBus.Properties'"]
    logs = [open(f"{bus.home}/signals-{who}", "w+") for who in ("member", "stranger")]
    watches = [spawn([*become, *listen], stdout=log, stderr=log) for become, log in zip((AS_MEMBER, AS_STRANGER), logs)]
    member, stranger = (lambda log=log: open(log.name).read() for log in logs)
    wait_for(lambda: "NameAcquired" in member() and "NameAcquired" in stranger(), 10, "both listen")
    bus.ctl("approve", held, expect=0)
    wait_for(lambda: re.search(r'"Held"\s+variant\s+array \[\s+\]', member()), 10, "the signal")
    assert "idsyncd1" not in stranger()
    for watch in watches:
        watch.kill()
        watch.wait(scaled(5))


@pytest.mark.company(people=2)
def test_odd_characters(make_idsyncd, bus, slapd, company, standin):
    """Other people's words neither steer the terminal, nor turn its text around, nor end a line."""
    evil = Person("evil", first="Ev\x1b]0;x\x07il\numbrella: all is well \u009b31m \u202egnp\u2066")
    slapd.add_person(evil, "umbrella")
    slapd.add_person(Person("bad", email="b\x1b[5md@example.com"), "umbrella")
    standin.add_accounts(accounts=[evil.account() | {"firstname": "No\x1b[2Jne"},
                                   {"email": "gh\x1b[31most@example.com", "role": "Read Only"}])
    runner = make_idsyncd(slapd, standin, first_plan="hold")
    runner.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    texts = [runner.run("--once", "--dry-run"), runner.run("--once")]
    runner.start()
    compared(bus)
    shown = bus.ctl("plan")
    assert re.search(r" adopt +evil@example.com +role: Read Only +-\n", shown.out), shown
    texts += [shown, *(bus.ctl(*words) for words in (["orphans", "--csv"], ["orphans"], ["explain", "evil"],
                                                    ["explain", "bad"], ["sync", "evil"], ["explain", "\x1b[2J"]))]
    assert all("No\\x1b[2Jne" in text.out for text in texts[:3])
    assert all("gh\\x1b[31most" in text.out for text in texts[3:5])
    for text in texts:
        odd = re.findall("[^\n -~\u00a0-\u2007\u2010-\u2027\u2030-\u2065\u206a-\uffff]|\numbrella: all is",
                         text.out + text.err)
        assert not odd, (odd, text)
    full = bus.run_as("root", "sh", "-c", f"{bus.home}/idsyncctl sync evil > /dev/full")
    assert full.code == 70 and "standard output" in full.err, full


# --- no bus, no daemon ---

def test_no_bus(idsyncd, bus, standin, slapd):
    """The daemon works without one, warns once, and comes to a bus that comes."""
    bus.stop()
    idsyncd.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    daemon = idsyncd.start()
    wait_for(lambda: len(standin.emails()) == 10, 15, "accounts")
    gone = bus.ctl("status", expect=8)
    assert "idsyncd --once --dry-run" in gone.err, gone
    assert bus.ctl("health", expect=3).out.startswith("IDSYNC UNKNOWN")
    assert len(re.findall("the system bus: ", daemon.log())) == 1
    bus.start()
    wait_for(lambda: bus.ctl("status").code == 0, 20, "the daemon on the bus", every=0.2)
    assert "the system bus is there again" in daemon.log()

    bus.stop()                                      # it goes away, and work goes on
    slapd.add_person(Person("late"), "umbrella")
    wait_for(lambda: len(standin.emails()) == 11, 15, "the account")
    bus.start()
    wait_for(lambda: bus.ctl("status").code == 0, 20, "the daemon on the bus again", every=0.2)
    assert daemon.terminate() == 0


def test_no_daemon(bus):
    result = bus.ctl("approve", "0123456789ab", expect=8)
    assert "idsyncd --once --approve" in result.err
    assert bus.ctl("status", "--json", expect=8).out == ""
    health = bus.ask("health", expect=3)
    assert health["health"] == 3 and "idsyncd isn't running" in health["problems"][0]["text"]


def test_reload_keeps_the_bus(make_daemon, bus):
    runner, daemon = make_daemon()
    wait_done(bus, 10)
    runner.config["colour"] = "blue"
    daemon.reload()
    daemon.wait_status("the new configuration is refused")
    assert "refused at" in bus.ask("status")["problems"][0]["text"] and bus.ctl("health").code == 1
    del runner.config["colour"]
    daemon.reload()
    daemon.wait_log("reloaded ")
    assert compared(bus, "ok")["problems"] == []
    daemon.wait_for(lambda: "refused" not in daemon.notify.values("STATUS")[-1], 5, "a status without it")


# --- the command line ---

@pytest.mark.parametrize("words", [[], ["nonsense"], ["approve"], ["status", "more"], ["status", "--dead"], ["reset", "bob"],
                                   ["explain", "a", "b"], ["--nonsense"], ["pause", ""], ["resume", ""], ["history", ""],
                                   ["sync", "bob", "--target", ""], ["reset", "bob", "--target="], ["plan", "-o", ""]])
def test_usage(bus, words):
    result = bus.ctl(*words, expect=2)
    assert result.err and not result.out


def test_help(bus):
    text = bus.ctl("--help", expect=0).out
    for verb in ("status", "approve", "explain", "pause", "backup", "health"):
        assert f"\n  {verb} " in text
    assert "Why has Bob no account?" in text and max(map(len, text.splitlines())) <= 120
    assert bus.ctl("--version", expect=0).out.startswith("idsyncctl ")
    assert 'did you mean "approve"' in bus.ctl("aprove", expect=2).err


def test_fuzzed_calls(make_daemon, bus):
    """Wrong types and interfaces are refused by the bus library; the daemon goes on."""
    make_daemon()
    for call in (["org.idsyncd1", "GetQueue", "s", "x"], ["org.idsyncd1.Control", "Approve", "s", ""],
                 ["org.idsyncd1.Control", "Approve", "s", "%n%s" * 100], ["org.idsyncd1.Control", "Retry", "x", "-1"],
                 ["org.idsyncd1", "Explain", "s", "x" * 100000], ["org.idsyncd1", "Nonsense"]):
        done = bus.run_as("root", "busctl", f"--address={bus.address}", "call", "org.idsyncd1", "/org/idsyncd1", *call)
        assert done.code != 0, call
    bus.ctl("status", expect=0)
