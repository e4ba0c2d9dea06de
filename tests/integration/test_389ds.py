# SPDX-License-Identifier: Apache-2.0
"""The reader and the daemon with 389 Directory Server."""

import ldap
import pytest

from lib import ds389
from lib.company import BIND_DN
from lib.entries import Bound, replace
from lib.unit import Unit, counts, members, read, record, small_life

pytestmark = [pytest.mark.xdist_group("389ds"),
              pytest.mark.skipif(ds389.why_not() is not None, reason=str(ds389.why_not()))]


@pytest.fixture(scope="session")
def server(tmp_path_factory, ca):
    made = ds389.Ds389(tmp_path_factory.mktemp("ds389"), ca)
    yield made
    made.cleanup()



# --- connection and bind ---

@pytest.mark.parametrize("starttls", [False, True])
def test_tls(unit_reader, unit, server, starttls):
    unit.people(3)
    reader = unit_reader(**({"uris": [server.ldap], "starttls": True} if starttls else {}))
    assert counts(read(reader)) == (3, 0, 0)
    reader.directory["ca_file"] = f"{server.ca}/other-root.pem"
    text = read(reader, 4).err
    assert "certificate verification failed (for localhost, " in text and "no CA in that file has signed it" in text


def test_wrong_password(unit_reader, unit):
    reader = unit_reader()
    reader.credentials["ldap-password"] = "not-the-one-6630"
    text = read(reader, 4).err
    assert f"the bind as {BIND_DN} was refused: Invalid credentials (49)" in text
    assert "check directory.bind.dn and the file of directory.bind.password_credential" in text


def test_bind_account_that_is_locked(unit_reader, unit, server):
    reader = unit_reader()
    server.modify(BIND_DN, nsAccountLock="true")
    try:
        text = read(reader, 4).err
    finally:
        server.modify(BIND_DN, nsAccountLock=None)
    assert "Server is unwilling to perform (53; Account inactivated. Contact system administrator.)" in text


# --- who a person is ---

def test_ids_survive_renames_and_moves(unit_reader, unit, server):
    person, other = unit.people(2)
    before = read(unit_reader())
    assert record(before, person)["login"] == [person.uid] and len(person.id) == 35
    assert unit.moved(person)
    after = record(read(unit_reader()), person)
    assert after["dn"] == [person.dn.lower()] and after["email"] == [person.email]
    assert record(read(unit_reader()), other)["dn"] == [other.dn.lower()]


def test_entries_made_anew_are_others(unit_reader, unit, server):
    person = unit.person("anna")
    server.delete(person.dn)
    again = unit.person("anna")
    assert again.id != person.id
    assert record(read(unit_reader()), person) is None and record(read(unit_reader()), again)


def test_disabled(unit_reader, unit, server):
    """By an administrator (dsidm account lock), not by wrong passwords, and not by a password that has expired."""
    locked, guessed, fine = unit.people(3)
    server.modify(locked.dn, nsAccountLock="true")
    server.modify(fine.dn, nsAccountLock="false")
    server.modify(guessed.dn, userPassword="right-password", passwordExpirationTime="20200101000000Z")
    server.modify("cn=config", passwordLockout="on", passwordMaxFailure="2")
    try:
        for code in ("INVALID_CREDENTIALS", "INVALID_CREDENTIALS", "CONSTRAINT_VIOLATION"):
            with pytest.raises(getattr(ldap, code)):
                server.connect(guessed.dn, "wrong")
    finally:
        server.modify("cn=config", passwordLockout="off")
    assert server.get(guessed.dn, "accountUnlockTime")
    result = read(unit_reader())
    assert record(result, locked)["disabled"] == ["yes"]
    assert "disabled" not in record(result, guessed) and "disabled" not in record(result, fine)


def test_password_signals(unit_reader, unit, server):
    """passwordMustChange: a password that an administrator sets has to be changed by its person."""
    person = unit.person("anna")
    server.modify(person.dn, userPassword="first-password")
    reader = unit_reader(password_reset={"attribute": "pwdReset", "when": "true"})
    assert "password_reset" not in record(read(reader), person)
    server.modify("cn=config", passwordMustChange="on")
    try:
        server.modify(person.dn, userPassword="second-password")
        assert record(read(reader), person)["password_reset"] == ["TRUE"]
        with Bound(server, person.dn, "second-password") as connection:
            replace(connection, person.dn, {"userPassword": "third-password"})
    finally:
        server.modify("cn=config", passwordMustChange="off")
    assert record(read(reader), person)["password_reset"] == ["FALSE"]


# --- groups ---

def test_groups_of_both_kinds_nested(unit_reader, unit, server):
    anna, ben, carl = (unit.person(name) for name in ("anna", "ben", "carl"))
    inner = unit.group("inner", carl)
    unique = f"CN={unit.name}-unique,{unit.base}"
    server.add(unique, {"objectClass": "groupOfUniqueNames", "cn": f"{unit.name}-unique", "uniqueMember": [ben.dn, inner]})
    outer = unit.group("outer", anna, unique)
    server.extend(inner, member=outer)                       # a circle
    everybody = sorted(p.uid for p in (anna, ben, carl))
    assert members(read(unit_reader(outer)), outer) == everybody        # the others aren't configured, but followed
    result = read(unit_reader(outer, inner, unique))
    assert [members(result, group) for group in (outer, inner, unique)] == [everybody] * 3
    assert f"group {outer}: found, 6 members" in result.err


def test_by_member_of(unit_reader, unit, server):
    """Where the plug-in keeps memberOf, the filter can ask for it."""
    inside, outside = unit.people(2)
    reader = unit_reader()
    reader.directory["people"]["filter"] = f"(memberOf={unit.group('some', inside)})"
    result = read(reader)
    assert counts(result)[0] == 1 and record(result, inside)


# --- size ---

@pytest.fixture(scope="session")
def crowd(server):
    unit = Unit(server)
    with Bound(server) as connection:
        for number in [connection.add(f"uid=c{n},{unit.base}", [
                ("objectClass", [b"inetOrgPerson"]), ("uid", [b"c%d" % n]), ("cn", [b"x"]), ("sn", [b"x"]),
                ("mail", [b"c%d@example.com" % n])]) for n in range(1001)]:
            connection.result(number)
    return unit


@pytest.mark.parametrize("page_size", [1000, 77, 100000])
def test_pages(unit_reader, crowd, page_size):
    reader = unit_reader(page_size=page_size)
    reader.directory["people"]["base"] = crowd.base
    assert counts(read(reader)) == (1001, 0, 0)


@pytest.mark.parametrize("limit, page_size, said", [
    ("nsSizeLimit", 1000, "Size limit exceeded (4)"),
    ("nsLookThroughLimit", 100, "Administrative limit exceeded (11)"),
])
def test_limits(unit_reader, crowd, server, limit, page_size, said):
    reader = unit_reader(page_size=page_size)
    reader.directory["people"]["base"] = crowd.base
    server.modify(BIND_DN, **{limit: "50"})
    try:
        text = read(reader, 4).err
    finally:
        server.modify(BIND_DN, **{limit: None})
    assert said in text and "incomplete: " in text
    assert f"raise the server's limit for this account: {limit}: -1 in the entry {BIND_DN}" in text


# --- a life ---

def test_small_life(make_idsyncd, standin, unit, server):
    runner = make_idsyncd(standin=standin)
    runner.config["directory"] = unit.directory()
    small_life(runner, standin, unit, leave=lambda person: server.modify(person.dn, nsAccountLock="TRUE"),
               come_back=lambda person: server.modify(person.dn, nsAccountLock=None))
