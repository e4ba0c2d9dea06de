# SPDX-License-Identifier: Apache-2.0
"""A part of a directory that one test has for itself, with people and groups; and a life that is lived in it."""

import itertools
import re

from .company import Person
from .process import wait_for

numbers = itertools.count(1)


class Unit:
    """SERVER: a Ds389 or an ActiveDirectory, which the tests of a session share."""

    def __init__(self, server):
        self.server = server
        self.name = f"u{next(numbers)}"
        self.base = f"OU={self.name},{server.suffix}"
        server.add(self.base, {"objectClass": "organizationalUnit", "ou": self.name})

    def person(self, name, *groups, **attributes):
        """Somebody new, in these groups; .dn and .id are the directory's."""
        person = Person(f"{self.name}-{name}", number=next(numbers))
        person.dn = f"CN={person.uid},{self.base}"
        self.server.add(person.dn, self.server.person(person) | attributes)
        person.id = self.server.id(person.dn)
        for group in groups:
            self.server.extend(group, member=person.dn)
        return person

    def people(self, count, *groups):
        return [self.person(f"p{n}", *groups) for n in range(count)]

    def group(self, name, *members, **attributes):
        """A group of these people and DNs; its DN."""
        dn = f"CN={self.name}-{name},{self.base}"
        self.server.add(dn, self.server.group(f"{self.name}-{name}") | attributes)
        if members:
            self.server.extend(dn, member=[getattr(member, "dn", member) for member in members])
        return dn

    def moved(self, person):
        """Renames this person's entry, and moves it into another container."""
        place = f"OU=elsewhere,{self.base}"
        self.server.add(place, {"objectClass": "organizationalUnit", "ou": "elsewhere"})
        old, person.dn = person.dn, f"CN=renamed {person.uid},{place}"
        self.server.rename(old, f"CN=renamed {person.uid}", place)
        return person.dn

    def target(self, *groups, **more):
        """A target of these groups for idsyncd-directory, which reads them and calls nobody."""
        return {"name": "umbrella", "type": "umbrella", "key_credential": "key", "secret_credential": "secret",
                "groups": list(groups), "roles": [{"role": "Read Only"}], **more}

    def directory(self, **more):
        """The section of the configuration that the manual's example has, for this unit."""
        return {**self.server.directory(), "timeout": "10s", "poll_interval": "1s",
                "people": {"base": self.base, "filter": self.server.people_filter}, **more}


def read(runner, code=0):
    """idsyncd-directory's result, with this exit code."""
    result = runner.reader()
    assert result.code == code, result
    return result


def records(result):
    """What idsyncd-directory printed: {DN: {name: [values]}}."""
    found = {}
    for block in filter(None, result.out.strip().split("\n\n")):
        record = {}
        for line in block.splitlines():
            name, _, value = line.partition(": ")
            record.setdefault(name, []).append(value)
        found[record["dn"][0]] = record
    return found


def record(result, person):
    """The record of this person's id; None without one."""
    return next((r for r in records(result).values() if r["id"] == [person.id]), None)


def members(result, group):
    """The logins of who is in GROUP, sorted."""
    return sorted(r["login"][0] for r in records(result).values()
                  if group.lower() in (name.lower() for name in r.get("group", [])))


def counts(result):
    """people, entries without an id, referrals: of the reader's last line."""
    line = re.search(r"complete: (\d+) people from .*, (\d+) entries without an id, (\d+) referrals", result.err)
    assert line, result
    return tuple(map(int, line.groups()))


def small_life(runner, standin, unit, leave, come_back):
    """Joins, gets another role, leaves by a disabled entry and by a deleted one, and comes back after each. LEAVE and
    COME_BACK disable a person's entry and enable it. Everything through --once."""
    anna, ben = unit.person("anna"), unit.person("ben")
    everybody, admins = unit.group("all", anna, ben), unit.group("admins", ben)
    runner.target.update({"groups": [everybody], "leave": "delete", "leave_grace": "1s", "limits": {"percent": 100},
                          "roles": [{"group": admins, "role": "Full Admin"}, {"role": "Read Only"}], "last_of": []})

    def roles():
        return {a["email"]: a["role"] for a in standin.accounts()}

    def run(*kinds):
        result = runner.once("--wait", "20s", expect=0)
        assert sorted(a["action"] for a in result.actions()) == sorted(kinds), result
        return result

    def wait_gone(person):
        """The first run only begins the grace."""
        assert run().target()["notes"][0]["person"] == person.id
        wait_for(lambda: runner.once(expect=0).actions("delete"), 30, "the end of the grace", every=0.6)
        assert person.email not in roles()

    run("create", "create")
    assert roles() == {anna.email: "Read Only", ben.email: "Full Admin"}
    first = standin.account(anna.email)["id"]

    unit.server.extend(admins, member=anna.dn)
    run("recreate")
    assert roles()[anna.email] == "Full Admin"
    assert unit.moved(anna)                                 # another name and another place: the same person
    run()

    leave(anna)
    wait_gone(anna)
    assert roles() == {ben.email: "Full Admin"}
    come_back(anna)
    run("create")
    assert roles()[anna.email] == "Full Admin" and standin.account(anna.email)["id"] != first

    unit.server.delete(ben.dn)
    wait_gone(ben)
    again = unit.person("ben", everybody)
    assert again.id != ben.id
    run("create")
    assert roles() == {anna.email: "Full Admin", ben.email: "Read Only"}
