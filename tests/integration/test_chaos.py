# SPDX-License-Identifier: Apache-2.0
"""Everything at once: people come and go, both sides fail, the daemon is killed. Afterwards the accounts are those that
the directory asks for, and the ledger has no call that nobody asked for. IDSYNCD_SEED repeats a run as far as time allows;
IDSYNCD_CHAOS (seconds, default 12) makes it longer."""

import os
import random
import time

import pytest

from lib.company import Person, group_dn
from lib.standin import P6, UNIFIER

SECONDS = float(os.environ.get("IDSYNCD_CHAOS", "12"))
SEED = int(os.environ.get("IDSYNCD_SEED", random.SystemRandom().randrange(1 << 32)))
STRANGERS = ["stranger@other.example", "breakglass@example.com"]
WIDE = {name: 100000 for name in ("create", "update", "recreate", "enable", "disable", "delete", "reset")} | {"percent": 100}

# What an API does on a bad day; execute: the write happened all the same.
FAULTS = [{"kind": "status", "code": 503}, {"kind": "status", "code": 500}, {"kind": "html"}, {"kind": "reset"},
          {"kind": "close"}, {"kind": "status", "code": 500, "execute": True}, {"kind": "reset", "execute": True},
          {"kind": "close", "execute": True}, {"kind": "truncate"}, {"kind": "garbage", "execute": True},
          {"kind": "status", "code": 429, "retry_after": 1}, {"kind": "delay", "seconds": 0.5}]


class Chaos:
    """The world outside the daemon, and what must be true of it in the end."""

    def __init__(self, seed, slapd, standin, company, second):
        self.random = random.Random(seed)
        self.slapd, self.standin = slapd, standin
        self.first, self.second = list(company.groups)[:2]
        self.second_role = second
        self.people = {p.uid: p for p in company.people}
        self.members = {group: {p.uid for p in company.groups[group]} for group in (self.first, self.second)}
        self.moved = set()              # addresses whose owner lost or changed anything
        self.number = 0
        self.owners = {}                # account id → address, as far as seen
        self.told = []

    def pick(self):
        return self.people[self.random.choice(sorted(self.people))]

    def join_or_leave(self, group):
        person = self.pick()
        if person.uid not in self.members[group]:
            self.slapd.join(group, person)
            self.members[group].add(person.uid)
        elif len(self.members[group]) > 2:
            self.slapd.leave(group, person)
            self.members[group].discard(person.uid)
        self.moved.add(person.email)

    def arrive(self):
        self.number += 1
        person = Person(f"new{self.number:03d}", number=self.number)
        self.slapd.add_person(person, self.first)
        self.people[person.uid] = person
        self.members[self.first].add(person.uid)

    def depart(self):
        person = self.pick()
        if len(self.people) < 6 or any(m == {person.uid} for m in self.members.values()):
            return
        for group, members in self.members.items():
            if person.uid in members:
                self.slapd.leave(group, person)
                members.discard(person.uid)
        self.slapd.delete(person.dn)
        del self.people[person.uid]
        self.moved.add(person.email)

    def move(self):
        """Another DN, the same person; for a moment without a login."""
        person = self.pick()
        old, rdn = person.dn, f"cn={person.uid} {self.random.randrange(1000)}"
        self.slapd.rename(old, rdn)
        person.dn = f"{rdn},{old.partition(',')[2]}"
        self.slapd.modify(person.dn, uid=person.uid)
        for group, members in self.members.items():
            if person.uid in members:
                self.slapd.modify(group_dn(group), member=[self.people[uid].dn for uid in sorted(members)])

    def directory_away(self):
        self.slapd.stop()
        time.sleep(self.random.uniform(0, 1.5))
        self.slapd.start()

    def directory_silent(self):
        self.slapd.freeze()
        time.sleep(self.random.uniform(0, 1))
        self.slapd.thaw()

    def fault(self):
        do = dict(self.random.choice(FAULTS))
        self.standin.fault(do.pop("kind"), count=self.random.randrange(1, 4), skip=self.random.randrange(3),
                           method=self.random.choice(["GET", "POST", "PUT", "DELETE"]), **do)

    def events(self):
        return 5 * [self.arrive] + 3 * [self.depart] + 5 * [lambda: self.join_or_leave(self.first)] + \
            5 * [lambda: self.join_or_leave(self.second)] + 2 * [self.move] + 10 * [self.fault] + \
            [self.directory_away, self.directory_silent]

    def step(self):
        event = self.random.choice(self.events())
        self.told.append(event.__name__)
        event()
        self.owners |= {str(a.get("id")): a["email"] for a in self.standin.users()}

    def wanted(self):
        """{address: has the second group's role}"""
        return {p.email: p.uid in self.members[self.second] for p in self.people.values()
                if p.uid in self.members[self.first]}


def restless(chaos, runner):
    """The daemon through SECONDS of it: killed, stopped and reloaded as well."""
    daemon = runner.start()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        chaos.step()
        time.sleep(chaos.random.uniform(0, 0.25))
        chance = chaos.random.random()
        if chance < 0.08:
            daemon.kill()
        elif chance < 0.12:
            assert daemon.terminate() == 0
        elif chance < 0.16:
            daemon.reload()
        if daemon.process.poll() is not None:
            daemon = runner.start()
    chaos.standin.clear_faults()
    return daemon


def calm(chaos, runner, daemon):
    """All is well again: the daemon gets there by itself."""
    daemon.reload()
    # Back-off that grew while all failed runs its time.
    daemon.wait_for(lambda: state_of(chaos) == chaos.wanted(), 150, "the accounts that the directory asks for")
    assert daemon.terminate() == 0
    result = runner.once()
    assert result.code == 0, result
    return result


def state_of(chaos):
    """{address: has the second group's role} of the active accounts, strangers left out."""
    if chaos.standin.api == "primavera":
        return {a["email"]: chaos.second_role in [r["name"] for r in a["roles"]]
                for a in chaos.standin.users() if a["email"] not in STRANGERS and not a["disabled"]}
    return {a["email"]: a["role"] == chaos.second_role for a in chaos.standin.users() if a["email"] not in STRANGERS}


def check_deletes(chaos, strangers):
    """Nobody was deleted who was always wanted as they are."""
    for call in chaos.standin.calls("DELETE"):
        number = call["path"].rpartition("/")[2]
        assert number not in strangers, f"a stranger's account {number} was deleted"
        owner = chaos.owners.get(number)
        assert not call["handled"] or owner is None or owner in chaos.moved, f"{owner} was deleted, who never moved"


def configure(runner, **settings):
    runner.config["directory"]["timeout"] = "2s"
    runner.target.update({"limits": WIDE, "protect": STRANGERS[1:], "list_interval": "2s", "timeout": "3s",
                          "quarantine": {"percent": 100}, **settings})


def run(chaos, runner, check):
    try:
        calm(chaos, runner, restless(chaos, runner))
        calls = chaos.standin.calls()
        assert sum(c["fault"] is not None for c in calls) > 2 and sum(c["method"] != "GET" for c in calls) > 12
        check()
    except AssertionError as error:
        raise AssertionError(f"IDSYNCD_SEED={SEED}: {error}\n{chaos.told}") from error


@pytest.mark.slow
@pytest.mark.company(people=12, admins=3)
def test_umbrella(make_idsyncd, make_standin, slapd, company):
    standin = make_standin(switches={"latency": 0.01})
    standin.add_accounts(accounts=[{"email": email, "role": "Full Admin"} for email in STRANGERS])
    before = {str(a["id"]): dict(a) for a in standin.accounts()}
    chaos = Chaos(SEED, slapd, standin, company, "Full Admin")
    runner = make_idsyncd(slapd, standin)
    configure(runner, leave="delete", leave_grace="0s")

    def check():
        check_deletes(chaos, before)
        assert {i: dict(a) for a in standin.accounts() if (i := str(a["id"])) in before} == before
    run(chaos, runner, check)


@pytest.mark.slow
@pytest.mark.company(people=12, admins=3, services=["primavera"])
def test_primavera(make_idsyncd, make_standin, slapd, company):
    standin = make_standin(api="primavera", switches={"latency": 0.01})
    standin.add_accounts(accounts=[{"loginId": f"x{n}", "emailAddress": email, "firstName": "X", "lastName": "Y",
                                    "roles": [UNIFIER]} for n, email in enumerate(STRANGERS)])
    before = [standin.user(f"x{n}") for n in range(len(STRANGERS))]
    chaos = Chaos(SEED, slapd, standin, company, UNIFIER)
    runner = make_idsyncd(slapd, standin)
    configure(runner, leave="disable")

    def check():
        assert [standin.user(f"x{n}") for n in range(len(STRANGERS))] == before
        assert all(P6 in standin.roles(p.uid) for p in chaos.people.values() if p.uid in chaos.members[chaos.first])
    run(chaos, runner, check)
