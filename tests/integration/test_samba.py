# SPDX-License-Identifier: Apache-2.0
"""The reader and the daemon with Active Directory, for which Samba stands in. Pieces of large groups, which Samba doesn't
make, are played in test_reader.py."""

import time
import uuid

import ldap
import pytest

from lib import ad
from lib.ad import BIND_DN, BIND_UPN, REALM, SUFFIX
from lib.unit import counts, members, read, record, small_life
from test_resets import CHILD, family, resets

pytestmark = [pytest.mark.xdist_group("samba"), pytest.mark.skipif(ad.why_not() is not None, reason=str(ad.why_not()))]


@pytest.fixture(scope="session")
def server(tmp_path_factory, ca):
    made = ad.ActiveDirectory(tmp_path_factory.mktemp("ad"), ca)
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
    assert f"certificate verification failed (for dc1.{REALM}, {server.address}; CA file " in text
    assert "no CA in that file has signed it" in text


@pytest.mark.parametrize("name", [BIND_DN, BIND_UPN, "AD\\idsyncd"])
def test_names_to_bind_as(unit_reader, unit, name):
    unit.people(1)
    reader = unit_reader()
    reader.directory["bind"]["dn"] = name
    assert counts(read(reader)) == (1, 0, 0)
    reader.credentials["ldap-password"] = "not-the-one-6630"
    text = read(reader, 4).err
    assert f"the bind as {name} was refused: Invalid credentials (49; 80090308: LdapErr: " in text
    assert ", data 52e, v1db1): the name or the password is wrong: check directory.bind.dn and the file of" in text


def test_bind_account_that_is_disabled(unit_reader, unit, server):
    """The server tells why only to who knows the password."""
    person = unit.person("anna")
    server.set_password(person.dn, "Anna-pass-4417")
    server.modify(person.dn, userAccountControl="514")
    reader = unit_reader()
    reader.directory["bind"]["dn"] = person.dn
    reader.credentials["ldap-password"] = "Anna-pass-4417"
    assert ", data 533, v1db1): the account is disabled: it must be enabled" in read(reader, 4).err


def test_without_tls(unit_reader, unit, server):
    text = read(unit_reader(uris=[server.ldap], insecure=True), 4).err
    assert "Strong(er) authentication required (8; " in text
    assert "the server wants TLS: use ldaps:// or directory.starttls" in text


# --- who a person is ---

def test_ids_survive_renames_and_moves(unit_reader, unit, server):
    person, other = unit.people(2)
    assert person.id == str(uuid.UUID(person.id)) and record(read(unit_reader()), person)["login"] == [person.uid]
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
    """By an administrator; not by wrong passwords, and not by an account or a password that has expired."""
    disabled, guessed, expired, must_change = unit.people(4)
    server.modify(disabled.dn, userAccountControl="546")
    server.modify(expired.dn, accountExpires="116444736000000000")
    server.modify(must_change.dn, pwdLastSet="0")
    server.set_password(guessed.dn, "Right-pass-3321")
    server.modify(SUFFIX, lockoutThreshold="2")
    try:
        for _ in range(3):
            with pytest.raises(ldap.INVALID_CREDENTIALS):
                server.connect(guessed.dn, "wrong")
        with pytest.raises(ldap.INVALID_CREDENTIALS, match="data 775"):
            server.connect(guessed.dn, "Right-pass-3321")
        result = read(unit_reader())
    finally:
        server.modify(SUFFIX, lockoutThreshold="0")
    assert record(result, disabled)["disabled"] == ["yes"]
    assert not [p for p in (guessed, expired, must_change) if "disabled" in record(result, p)]


def test_password_signals(unit_reader, unit, server):
    person = unit.person("anna")
    reader = unit_reader(password_reset={"attribute": "pwdLastSet", "when": "changed"})
    assert record(read(reader), person)["password_reset"] == ["0"]
    server.set_password(person.dn, "First-pass-8812")
    first = record(read(reader), person)["password_reset"]
    server.set_password(person.dn, "Second-pass-8812")
    second = record(read(reader), person)["password_reset"]
    assert int(second[0]) > int(first[0]) > 0
    server.modify(person.dn, pwdLastSet="0")                # "must change the password at the next logon"
    assert record(read(reader), person)["password_reset"] == ["0"]


def test_reset_at_the_target(make_idsyncd, make_standin, unit, server):
    person = unit.person("anna")
    api = make_standin(state=family([person], admins=0))
    runner = make_idsyncd(standin=api)
    runner.config["directory"] = unit.directory(password_reset={"attribute": "pwdLastSet", "when": "changed"})
    runner.credentials["ldap-password"] = server.password
    runner.target.update({"organization": CHILD, "password_reset": True, "groups": [unit.group("all", person)],
                          "roles": [{"role": "Read Only"}], "last_of": []})
    runner.once(expect=0)
    assert resets(api) == {}
    server.set_password(person.dn, "Another-pass-7710")
    runner.once("--wait", "10s", expect=0)
    runner.once(expect=0)
    assert resets(api) == {person.email: 1}


# --- groups ---

def test_groups_nested(unit_reader, unit, server):
    anna, ben, carl = (unit.person(name) for name in ("anna", "ben", "carl"))
    inner = unit.group("inner", carl)
    middle = unit.group("middle", ben, inner, groupType="-2147483640")      # universal
    outer = unit.group("outer", anna, middle, groupType="-2147483644")      # domain local
    everybody = sorted(p.uid for p in (anna, ben, carl))
    assert members(read(unit_reader(outer)), outer) == everybody        # the others aren't configured, but followed
    result = read(unit_reader(outer, middle, inner))
    assert members(result, outer) == everybody
    assert members(result, middle) == sorted([ben.uid, carl.uid])
    assert members(result, inner) == [carl.uid]


def test_primary_group_has_no_members(unit_reader, unit):
    """Everybody is in Domain Users, and no entry says so: it can't be used."""
    unit.people(2)
    group = f"CN=Domain Users,CN=Users,{SUFFIX}"
    result = read(unit_reader(group))
    assert members(result, group) == [] and f"group {group}: found, 0 members" in result.err


# --- size ---

@pytest.mark.parametrize("page_size", [1000, 100000])
def test_large_group_in_pages(unit_reader, page_size):
    group = f"CN=everybody,OU=crowd,{SUFFIX}"
    reader = unit_reader(group, page_size=page_size)
    reader.directory["attributes"]["login"] = "cn"
    reader.directory["people"] = {"base": f"OU=crowd,{SUFFIX}", "filter": "(objectClass=contact)"}
    result = read(reader)
    assert counts(result) == (1001, 0, 0)
    assert len(members(result, group)) == 1001


def test_whole_domain(unit_reader, unit):
    """At the root of the domain there are references to its other parts."""
    people = unit.people(2)
    reader = unit_reader()
    reader.directory["people"]["base"] = SUFFIX
    start = time.monotonic()
    result = read(reader)
    assert time.monotonic() - start < 5 and all(record(result, person) for person in people)
    _, without_id, referrals = counts(result)
    assert without_id == 0 and referrals >= 1
    assert f"{referrals} references to other servers, below the search base" in result.err


# --- a life ---

def test_small_life(make_idsyncd, standin, unit, server):
    runner = make_idsyncd(standin=standin)
    runner.config["directory"] = unit.directory()
    runner.credentials["ldap-password"] = server.password
    small_life(runner, standin, unit, leave=lambda person: server.modify(person.dn, userAccountControl="546"),
               come_back=lambda person: server.modify(person.dn, userAccountControl="544"))
