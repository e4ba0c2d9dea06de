# SPDX-License-Identifier: Apache-2.0
"""A whole life at each API: what is called, in which order, and what is there afterwards; and the same with kill -9 at
the fail points, at each time that one is passed."""

import concurrent.futures
import contextlib
import sqlite3
import threading
import time
from collections import Counter

import pytest

from lib.company import Company
from lib.failpoints import Rounds, known_points, source_points
from lib.standin import ANALYTICS, KEY, P6, SECRET, UNIFIER
from lib.trace import LOOKS, trace, writes

SIGNAL, DISABLED = "employeeType", "description"
WIDE = {name: 1000 for name in ("create", "update", "recreate", "enable", "disable", "delete", "reset")} | {"percent": 100}
UNKNOWN = "it is unknown whether the password was reset"
PARENT, CHILD = 1000001, 2000001
APIS = ("umbrella", "umbrella-gov", "primavera")


class World:
    """A directory with an administrator, who has an account already, and somebody whose life it is."""

    def __init__(self, make_standin, make_slapd, make_idsyncd, api):
        self.api = api
        company = Company(people=2, admins=1, services=("primavera",) if api == "primavera" else ("umbrella",))
        self.admin, self.person = company.people
        self.slapd = make_slapd(company)
        self.standin = make_standin(api=api, **(self.organizations() if api == "umbrella" else {}))
        if api == "umbrella-gov":
            self.standin.add_accounts(accounts=[self.admin.account("Full Admin")])
        if api == "primavera":
            self.standin.add_accounts(accounts=[self.admin.user(roles=[P6, UNIFIER])])
        self.runner = make_idsyncd(self.slapd, self.standin)
        self.runner.config["directory"] |= {"disabled": {"attribute": DISABLED, "when": "value:disabled"},
                                            "password_reset": {"attribute": SIGNAL, "when": "true"}}
        self.runner.target["limits"] = dict(WIDE)
        if api == "primavera":
            self.runner.target.update({"leave": "disable", "password_reset": True})
        else:
            self.runner.target.update({"leave": "delete", "leave_grace": "1s"})
        if api == "umbrella":
            self.runner.target.update({"organization": CHILD, "password_reset": True})
        self.deaths, self.fine = 0, 0       # fine: the exit code of a run that leaves nothing to do

    def organizations(self):
        return {"state": {"keys": [{"key": KEY, "secret": SECRET, "organization": PARENT}],
                          "organizations": [{"id": PARENT, "name": "Parent"},
                                            {"id": CHILD, "name": "Child", "parent": PARENT,
                                             "accounts": [self.admin.account("Full Admin")]}]}}

    def set(self, **attributes):
        """Of the person, in the directory; None: none."""
        self.slapd.modify(self.person.dn, **attributes)

    def state(self):
        """What is at the API of the person; None: no account. The administrator is as ever."""
        if self.api == "primavera":
            other, user = self.standin.user(self.admin.uid), self.standin.user(self.person.uid)
            assert other["can_sign_in"] and self.standin.roles(self.admin.uid) == [P6, UNIFIER] and not other["resets"]
            assert not user or user["mails"] == user["resets"]
            return user and {"email": user["email"], "first": user["firstName"], "resets": user["resets"],
                             "in": user["can_sign_in"], "roles": self.standin.roles(self.person.uid)}
        where = {"organization": CHILD} if self.api == "umbrella" else {}
        accounts = {a["email"]: a for a in self.standin.accounts(**where)}
        assert accounts.pop(self.admin.email)["role"] == "Full Admin"
        assert list(accounts) in ([], [self.person.email])
        found = accounts.get(self.person.email)
        return found and {"role": found["role"], "resets": found["resets"]}

    def once(self, *args, **options):
        if self.runner.state_files():               # many runs in a minute would wait for tokens
            with sqlite3.connect(f"{self.runner.state}/idsyncd.db") as db, contextlib.suppress(sqlite3.OperationalError):
                db.execute("DELETE FROM call")      # no such table: killed before it was made
        return self.runner.once(*args, **options)


# A stage of a life: its name, what is called in each of its runs, the state at its end, the pause between its runs.

LOOK = ["roles", "list"]


def umbrella_life(world, slapd, person, resets):
    def role(label):
        return {"role": label, "resets": 0}
    yield "join", [LOOK + ["list", "create"]], role("Read Only")
    slapd.join("umbrella-admins", person)
    yield "role change", [LOOK + ["get", "delete", "re-create"]], role("Full Admin")
    slapd.leave("umbrella-admins", person)
    yield "role change back", [LOOK + ["get", "delete", "re-create"]], role("Read Only")
    world.set(givenName="Renamed")
    yield "rename", [LOOK], role("Read Only")                   # drift, no call
    world.set(mail="new@example.com")
    yield "new address", [LOOK], role("Read Only")              # the same person, drift
    done = {"role": "Read Only", "resets": int(resets)}
    if resets:
        world.set(**{SIGNAL: "TRUE"})
        yield "reset", [LOOK + ["reset"]], done
    world.set(mail=person.email)
    slapd.leave("umbrella", person)
    yield "leave, with grace", [LOOK, LOOK + ["get", "delete"]], None, 1.1
    slapd.join("umbrella", person)
    yield "return", [LOOK + ["list", "create", "list", "list", "re-create"]], role("Read Only")
    yield "rest", [LOOK], role("Read Only")


def primavera_life(world, slapd, person, short=False):
    state = {"email": person.email, "first": person.first, "resets": 1, "in": True, "roles": [P6]}
    change = ["list", "get", "upsert", "job"]
    yield "join", [["list", "list", "upsert", "job", "reset"]], state
    world.standin.change_account(login=person.uid, fields={"roles": [P6, {"name": ANALYTICS, "userAccessType": "odd"}]})
    slapd.join("primavera-unifier", person)
    state = {**state, "roles": [ANALYTICS, P6, UNIFIER]}
    if not short:
        yield "role change", [change], state
    world.set(givenName="Renamed")
    state = {**state, "first": "Renamed"}
    if not short:
        yield "rename", [change], state
    world.set(mail="new@example.com")
    state = {**state, "email": "new@example.com"}
    yield "new address", [change], state
    world.set(**{SIGNAL: "TRUE"})
    state = {**state, "resets": 2}
    yield "reset", [["list", "reset"]], state
    world.standin.change_account(login=person.uid, fields={"locked": True})
    world.set(**{DISABLED: "disabled"})
    away = ["list", "get", "status", "get", "upsert", "job"]
    yield "lock", [away], {**state, "in": False, "roles": []}
    world.set(**{DISABLED: None})
    state = {**state, "roles": [P6, UNIFIER]}
    yield "unlock", [["list", "get", "lock", "get", "status"], change], state
    slapd.leave("primavera", person)
    yield "leave", [away], {**state, "in": False, "roles": []}
    slapd.join("primavera", person)
    yield "return", [["list", "get", "status"], change], state
    yield "rest", [["list"]], state


def life_of(world, short=False):
    if world.api == "primavera":
        return primavera_life(world, world.slapd, world.person, short)
    return umbrella_life(world, world.slapd, world.person, resets=world.api == "umbrella")


@pytest.fixture
def make_world(make_standin, make_slapd, make_idsyncd):
    return lambda api: World(make_standin, make_slapd, make_idsyncd, api)


@pytest.mark.parametrize("api", APIS)
def test_life(make_world, api):
    world = make_world(api)
    for name, runs, state, *pause in life_of(world):
        for number, calls in enumerate(runs):
            time.sleep(pause[0] if number and pause else 0)
            world.standin.clear_ledger()
            result = world.once(expect=0)
            assert trace(world.standin) == calls, (name, number, result)
        assert world.state() == state, name


# --- kill -9 ---

def stage_with_a_kill(world, point, number, name, runs, pause):
    """The first run dies when POINT is passed for the NUMBERth time; what is left is finished by the runs after it. True:
    its reset became a dead letter, because Umbrella can't be asked whether it was done."""
    world.standin.clear_ledger()
    first = world.once(env={"IDSYNCD_FAILPOINT": f"{point}:{number}"}, expect=None)
    assert first.code in (world.fine, -9), (name, first)
    dead, told = first.code == -9, False
    for n in range(len(runs) - 1 + dead):
        time.sleep(pause)
        result = world.once("--wait", "8s", expect=None)
        told |= name == "reset" and UNKNOWN in result.err
        assert result.code == (1 if told else world.fine), (name, result)
    world.deaths += dead
    return told


def wanted_writes(runs):
    return Counter(name for calls in runs for name in calls if name not in LOOKS)


def check_once(world, name, runs):
    """What must happen once did: accounts made and deleted, passwords. What may be said twice without harm: updates."""
    done, wanted = Counter(writes(world.standin, handled=True)), wanted_writes(runs)
    for what in set(done) | set(wanted):
        if what in ("upsert", "status", "lock") and name != "join":
            assert 1 <= done[what] <= wanted[what] + 1, (name, done)
        elif name == "return" and what == "create":
            assert done[what] == 0, (name, done)            # refused as "in use"
        else:
            assert done[what] == wanted[what], (name, done)


def live_with_kills(world, point, number):
    for name, runs, state, *pause in life_of(world, short=True):
        told = stage_with_a_kill(world, point, number, name, runs, pause[0] if pause else 0)
        if told:        # never twice, never without a word; it counts until the person changes
            world.fine = 1
            assert world.state()["resets"] <= 1 and writes(world.standin).count("reset") <= 1
            if not world.state()["resets"]:
                world.once("--reset", world.person.uid, "--target", "umbrella", expect=1)
        else:
            check_once(world, name, runs)
        assert world.state() == state, (name, point, number)
    world.standin.clear_ledger()
    world.once(expect=world.fine)
    assert writes(world.standin) == []


# What a kill leaves behind is what was committed last, and what the API was told since: after each commit, and before an
# answer to a write is recorded, that is all there is. Every other point is as the commit before it (test_crash kills there).
# Government is Umbrella with a row of data of its own: there the points around steps will do.
LEFT_OUT = ("store-commit", "store-superseded", "store-people", "store-marker", "call-recorded", "call-read-answered",
            "job-step", "reset-recorded")
GOVERNMENT = ("job-step", "call-write-answered")
CASES = [(api, point) for api in APIS for point in source_points()
         if (point in GOVERNMENT if api == "umbrella-gov" else point not in LEFT_OUT)]
WORKERS = 2


@pytest.mark.slow
@pytest.mark.parametrize("api, point", CASES)
def test_killed_life(make_world, api, point):
    if point not in known_points():
        pytest.skip("the build has no fail points")
    rounds, lock = Rounds(), threading.Lock()

    def work(_):
        while (number := rounds.take()) is not None:
            with lock:
                world = make_world(api)
            try:
                live_with_kills(world, point, number)
            except AssertionError as error:
                raise AssertionError(f"killed at {point}:{number}: {error}") from error
            world.slapd.cleanup()
            world.standin.cleanup()
            if not world.deaths:
                rounds.over(number)

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    print(f"{api}: {point}: killed at up to {rounds.end - 1}")
    assert 1 < rounds.end < rounds.limit, "no stage of the life passes it"
