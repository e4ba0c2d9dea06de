# SPDX-License-Identifier: Apache-2.0
"""idsyncctl sync: a cycle now, a full one, or one person with each step shown."""

import os
import re
import signal
import subprocess

import pytest

from lib.bus import compared, sync, wait_done, writes
from lib.company import Person
from lib.process import children, scaled, spawn, wait_for

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


# --- one person ---

def told(shown):
    """The steps as (target or None, step, text)."""
    found = []
    for line in shown.out.splitlines():
        words = line.split(": ", 2)
        found.append((None, words[0], ": ".join(words[1:])) if words[0] in ("read", "person", "result") else tuple(words))
    return found


def of(steps, step):
    return [text for _, name, text in steps if name == step]


def dead_end(standin):
    standin.fault("status", code=503, method="POST", path="/users$", count=1000)


def test_a_newcomer(make_daemon, bus, slapd, standin):
    make_daemon()
    wait_done(bus, 10)
    late = Person("late")
    slapd.add_person(late, "umbrella")
    standin.clear_ledger()
    steps = told(bus.ctl("sync", "late", expect=0))
    assert [(target, step) for target, step, _ in steps] == [
        (None, "read"), (None, "read"), (None, "person"), ("umbrella", "scope"), ("umbrella", "match"), ("umbrella", "plan"),
        ("umbrella", "call"), ("umbrella", "call"), ("umbrella", "result")]
    assert of(steps, "read") == ["cycle 2", "complete: 11 people"]
    assert late.dn in of(steps, "person")[0] and late.id in of(steps, "person")[0]
    assert "in cn=umbrella," in of(steps, "scope")[0] and "role Read Only" in of(steps, "scope")[0]
    assert of(steps, "match") == ["no account of ours"] and of(steps, "plan") == ["create, role Read Only: action 11"]
    assert of(steps, "call") == ["create", "create: ok, HTTP 200"]
    assert of(steps, "result") == [f"create: done, account {standin.account('late@example.com')['id']}"]
    assert [c["method"] for c in writes(standin)] == ["POST"]

    doc = bus.ask("sync", "late@example.com", expect=0)
    assert [s["step"] for s in doc["steps"]] == ["read", "read", "person", "scope", "match", "result"]
    assert doc["exit"] == 0 and doc["person"] == late.id and all(s["time"] and s["text"] for s in doc["steps"])
    assert doc["targets"] == [{"name": "umbrella", "exit": 0, "action": None, "result": doc["steps"][-1]["text"]}]
    assert "as it shall be" in doc["targets"][0]["result"] and len(writes(standin)) == 1


def test_first_among_its_class(make_daemon, bus, slapd, standin):
    """One at a time, and twenty wait: the operator's person is next, and nobody is lost."""
    make_daemon(target={"concurrency": 1})
    wait_done(bus, 10)
    bus.ctl("pause", expect=0)
    for n in range(20):
        slapd.add_person(Person(f"late{n:02}"), "umbrella")
    sync(bus, "paused")
    standin.fault("delay", seconds=0.3, method="POST", path="/users$", count=1000)
    bus.ctl("resume", expect=0)
    bus.ctl("sync", "late19", expect=0)
    order = [c["body"]["email"] for c in writes(standin)][10:]
    assert "late19@example.com" in order[:6], order
    wait_done(bus, 30)


@pytest.mark.company(people=2)
def test_before_those_that_wait_for_the_api(make_daemon, bus, slapd, standin):
    """One call a second: four are taken up and wait for theirs, and the operator's person goes before them."""
    make_daemon(target={"rate": {"second": 1, "minute": 1000, "half_hour": 10000}})
    wait_done(bus, 2)
    bus.ctl("pause", expect=0)
    late = [Person(f"late{n}") for n in range(8)]
    for person in late:
        slapd.add_person(person, "umbrella")
    sync(bus, "paused")
    bus.ctl("resume", expect=0)
    standin.wait_calls(3, "POST", "/users$")
    last = max(late, key=lambda p: p.id)                # plans are in this order
    bus.ctl("sync", last.uid, expect=0)
    order = [c["body"]["email"] for c in writes(standin)][2:]
    assert last.email in order[:3], order


def test_a_held_plan_holds_everybody(make_daemon, bus, slapd, company):
    make_daemon(first_plan="hold")
    held = bus.ask("status")["targets"][0]["held"]["hash"]
    steps = told(bus.ctl("sync", "p00003", expect=6))
    assert steps[-1][1] == "result" and f"held plan {held}" in steps[-1][2] and "first plan" in steps[-1][2]
    slapd.add_person(Person("late"), "umbrella")       # on top of what is held
    steps = told(bus.ctl("sync", "late", expect=6))
    assert f"held plan {held}" in steps[-1][2] and "on top of that one" in steps[-1][2]
    assert bus.ask("queue")["actions"] == []


def test_blocked_and_left_alone(make_daemon, bus, slapd, company, standin):
    bob, foreign, outside = Person("bob", email=""), Person("foreign"), Person("outside")
    standin.add_accounts(accounts=[foreign.account()])
    for person in (bob, foreign):
        slapd.add_person(person, "umbrella")
    slapd.add_person(outside)
    make_daemon(target={"adopt": "never", "protect": ["p00005@example.com"]})
    wait_done(bus, 9)
    for who, code, words in (("bob", 1, "blocked: directory.attributes.email is missing"),
                             ("foreign", 0, "isn't ours"), ("p00005", 0, "its address is in protect"),
                             ("outside", 0, "doesn't belong here")):
        result = told(bus.ctl("sync", who, expect=code))[-1]
        assert result[1] == "result" and words in result[2], result


def test_a_leaver_in_grace(make_daemon, bus, slapd, company, standin):
    """Known by what they were: id, login, DN or address."""
    make_daemon(target={"leave": "delete", "leave_grace": "2d"})
    wait_done(bus, 10)
    gone = company.people[4]
    slapd.delete(gone.dn)
    for name in (gone.email, gone.uid, gone.dn, gone.id):
        steps = told(bus.ctl("sync", name, expect=0))
        assert "no longer in the directory" in of(steps, "person")[0]
        assert "its account is deleted in 1d" in steps[-1][2] or "its account is deleted in 2d" in steps[-1][2], steps
        assert "is theirs" in of(steps, "match")[0]


def test_a_leaver_goes(make_daemon, bus, slapd, company, standin):
    make_daemon(target={"leave": "delete", "leave_grace": "0s"})
    wait_done(bus, 10)
    gone = company.people[4]
    slapd.delete(gone.dn)
    bus.ctl("sync", gone.email)                        # gone, for no time yet
    steps = told(bus.ctl("sync", gone.email, expect=0))
    assert gone.email not in standin.emails(), steps
    # nobody's row is left: what was done is remembered all the same
    steps = told(bus.ctl("sync", gone.email, expect=0))
    assert gone.id in of(steps, "person")[0] and "no longer in the directory" in of(steps, "person")[0]


def test_nobody(make_daemon, bus):
    make_daemon()
    wait_done(bus, 10)
    nobody = bus.ctl("sync", "nobody@example.com", expect=2)
    assert "nobody in the directory" in nobody.err and nobody.out.startswith("read: ")
    assert "nowhere" in bus.ctl("sync", "p00001", "--target", "nowhere", expect=2).err
    for words in (["--target", "umbrella"], ["--wait", "5s"], ["p00001", "--wait", "long"], ["p00001", "more"]):
        assert bus.ctl("sync", *words, expect=2).err
    assert "root" in bus.ctl("sync", "p00001", who="member", expect=2).err


def test_an_api_that_is_down(make_daemon, bus, slapd, standin):
    make_daemon()
    wait_done(bus, 10)
    slapd.add_person(Person("late"), "umbrella")
    dead_end(standin)
    steps = told(bus.ctl("sync", "late", "--wait", "2s", expect=1))
    assert any("transient: HTTP 503" in text for text in of(steps, "call"))
    assert re.search(r"not before 20\d\d-.*Z: the target is parked: ", steps[-1][2]), steps
    standin.clear_faults()
    steps = told(bus.ctl("sync", "late", "--wait", "5min", expect=0))
    assert steps[-1][2].startswith("create: done") and "late@example.com" in standin.emails()


def test_a_listing_that_waits(make_daemon, bus, standin):
    """Credentials refused: parked for long."""
    make_daemon(target={"list_interval": "1s"})
    wait_done(bus, 10)
    standin.fault("status", code=403, method="GET", path="/users", count=1000)
    wait_for(lambda: sync(bus)["targets"][0]["parked"], 10, "parking", every=0.3)
    result = told(bus.ctl("sync", "p00001", expect=5))[-1]
    assert result[1] == "result" and "403" in result[2], result
    advice = bus.ask("status")["problems"][0]["do"]
    assert "systemctl restart idsyncd" in advice and "idsyncctl resume umbrella" in advice, advice


def test_a_directory_that_is_down(make_daemon, bus, slapd):
    make_daemon()
    wait_done(bus, 10)
    slapd.stop()
    steps = told(bus.ctl("sync", "p00001", expect=4))
    assert steps[-1][:2] == (None, "result") and "nothing is compared" in steps[-1][2]


def test_limits_of_the_api(make_daemon, bus, slapd, standin):
    """Fourteen calls a minute, and they are made."""
    make_daemon(target={"rate": {"second": 1000, "minute": 14, "half_hour": 350}})
    wait_done(bus, 10)
    late = [Person(f"late{n}") for n in range(6)]
    for person in late:
        slapd.add_person(person, "umbrella")
    *_, other, last = sorted(late, key=lambda p: p.id)     # plans are in this order
    steps = told(bus.ctl("sync", last.uid, "--wait", "0s"))
    result = told(bus.ctl("sync", other.uid, "--wait", "0s", expect=1))[-1]
    assert steps[-1][2].startswith("create: done"), "the operator's person had a call that was left"
    assert re.fullmatch(r"goes on not before 20\d\d-.*Z: the API's limits allow no call until then", result[2]), result
    assert len([c for c in standin.calls() if not c["path"].endswith("/token")]) <= 14


def test_another_role(make_daemon, bus, slapd, company, standin):
    """Recreated, call by call."""
    make_daemon()
    wait_done(bus, 10)
    slapd.join("umbrella-admins", company.people[3])
    steps = told(bus.ctl("sync", "p00003", expect=0))
    assert of(steps, "plan")[0].startswith("recreate, role Full Admin: action ")
    assert [text for text in of(steps, "call") if ":" not in text] == ["get", "delete", "create-short"], steps
    assert standin.account("p00003@example.com")["role"] == "Full Admin"


def test_a_role_that_is_unknown(make_daemon, bus, slapd, standin):
    make_daemon(target={"roles": [{"role": "Nonsense"}]})
    assert "Nonsense" in told(bus.ctl("sync", "p00003", expect=3))[-1][2]
    slapd.stop()
    bus.ctl("sync", "p00003", expect=4)                # of this person's read
    bus.ctl("status", expect=3)                        # of all that is wrong the first in the order of the exit codes


def test_paused(make_daemon, bus, slapd):
    make_daemon()
    wait_done(bus, 10)
    slapd.add_person(Person("late"), "umbrella")
    bus.ctl("pause", "umbrella", expect=0)
    assert "paused by an operator" in told(bus.ctl("sync", "late", expect=1))[-1][2]


def test_refused_by_the_api(make_daemon, bus, slapd, standin):
    make_daemon()
    wait_done(bus, 10)
    slapd.add_person(Person("late"), "umbrella")
    standin.fault("status", code=400, body='{"message": "refused by the test"}', method="POST", path="/users$")
    steps = told(bus.ctl("sync", "late", expect=1))
    assert any("rejected: HTTP 400: " in text for text in of(steps, "call"))
    assert "given up: " in steps[-1][2] and "refused by the test" in steps[-1][2] and "idsyncctl retry" in steps[-1][2]
    again = told(bus.ctl("sync", "late", expect=1))[-1][2]
    assert "dead letter" in again and "idsyncctl retry" in again


def test_one_target_of_two(make_daemon, make_standin, make_idsyncd, bus, slapd, standin):
    """Where it isn't asked for, nothing is told."""
    other = make_standin()
    runner = make_idsyncd(slapd, standin)
    runner.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    runner.config["directory"]["poll_interval"] = "1h"
    runner.add_target(other, name="second")
    runner.start()
    wait_done(bus, 20)
    slapd.add_person(Person("late"), "umbrella")
    doc = bus.ask("sync", "late", "--target", "second", expect=0)
    assert [t["name"] for t in doc["targets"]] == ["second"] and "late@example.com" in other.emails()
    doc = bus.ask("sync", "late", expect=0)
    assert [t["name"] for t in doc["targets"]] == ["umbrella", "second"]


# --- whatever else goes on ---

def start_ctl(bus, *words):
    """idsyncctl that runs on: its process."""
    bus.ctl("--version")                               # puts the program in its place
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "DBUS_SYSTEM_BUS_ADDRESS": bus.address}
    return spawn([f"{bus.home}/idsyncctl", *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE, text=True)


def reads_so_far(process):
    line = process.stdout.readline()
    assert line.startswith("read: cycle "), line
    return line


def test_two_at_once(make_daemon, bus, slapd, standin):
    _, daemon = make_daemon()
    wait_done(bus, 10)
    slapd.freeze()
    one = start_ctl(bus, "sync", "late1")
    reads_so_far(one)
    reader, = daemon.wait_for(lambda: children(daemon.pid), 10, "the reader")
    os.kill(reader, signal.SIGSTOP)         # the read lasts, while the directory changes
    slapd.thaw()
    for name in ("late1", "late2"):
        slapd.add_person(Person(name), "umbrella")
    two = start_ctl(bus, "sync", "late2")
    assert "when the read under way has ended" in reads_so_far(two)
    os.kill(reader, signal.SIGCONT)
    assert two.wait(scaled(20)) == 0 and one.wait(scaled(20)) in (0, 2)
    assert "late2@example.com" in standin.emails()


def test_a_caller_that_goes_away(make_daemon, bus, slapd, standin):
    _, daemon = make_daemon()
    wait_done(bus, 10)
    slapd.freeze()
    caller = start_ctl(bus, "sync", "p00001")
    reads_so_far(caller)
    caller.send_signal(signal.SIGINT)
    assert caller.wait(scaled(5)) != 0
    slapd.thaw()
    compared(bus, "ok")
    assert sync(bus, "ok") and not daemon.warnings()


def test_many_callers(make_daemon, bus, slapd):
    """Sixteen at once; who goes away makes room."""
    make_daemon()
    wait_done(bus, 10)
    slapd.freeze()
    callers = [start_ctl(bus, "sync", "p00001") for _ in range(16)]
    for caller in callers:
        reads_so_far(caller)
    assert "16 people are being synced already" in bus.ctl("sync", "p00002", expect=2).err
    for caller in callers:
        caller.kill()
        caller.wait(scaled(5))
    late = start_ctl(bus, "sync", "p00002")
    reads_so_far(late)
    slapd.thaw()
    assert late.wait(scaled(20)) == 0


@pytest.mark.parametrize("how", ["reload", "terminate", "kill"])
def test_a_daemon_that_goes_away(make_daemon, bus, slapd, standin, how):
    _, daemon = make_daemon()
    wait_done(bus, 10)
    slapd.freeze()
    caller = start_ctl(bus, "sync", "p00001")
    reads_so_far(caller)
    getattr(daemon, how)()
    assert caller.wait(scaled(20)) == (8 if how == "kill" else 1)
    error = caller.stderr.read()
    assert {"reload": "reloading its configuration", "terminate": "is stopping", "kill": "isn't running"}[how] in error
    slapd.thaw()


def test_fuzzed(make_daemon, bus):
    """Wrong words and signals of others harm nobody."""
    make_daemon()
    base = ["busctl", f"--address={bus.address}", "call", "org.idsyncd1", "/org/idsyncd1", "org.idsyncd1.Control"]
    for person in ("", "%n%s" * 100, "x" * 100000, "\x01"):
        assert bus.run_as("root", *base, "SyncPerson", "ssbt", person, "", "false", "0").code != 0
    assert bus.run_as("root", *base, "SyncPerson", "ssbt", "p00001", "", "true", str(2 ** 64 - 1)).code == 0
    bus.ctl("status", expect=0)
