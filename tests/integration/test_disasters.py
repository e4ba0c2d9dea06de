# SPDX-License-Identifier: Apache-2.0
"""What has gone wrong with programs like this one, disaster by disaster: on the directory's side. Nothing was removed or
overwritten, and the operator was told, in all four ways (lib/site.py). The API's side: test_disasters_api.py."""

import time

import pytest

from lib.company import PEOPLE, Person, group_dn
from lib.ldapproxy import LdapProxy
from lib.process import wait_for
from lib.site import dump
from lib.standin import KEY

UNREADABLE = "critical: the last read of the directory failed"


def unreadable(site, words):
    """The directory's answer is refused as a whole, with these words, on every way."""
    return site.told(4, "READ_INCOMPLETE", journal=f"{words}.*nobody is removed", status=f"the last read failed: .*{words}",
                     shown=f"{UNREADABLE}: .*{words}")


@pytest.fixture
def proxied(site):
    """The site, its directory behind site.proxy."""
    site.proxy = LdapProxy(site.slapd)
    site.runner.config["directory"].update(uris=[site.proxy.uri], insecure=True)
    yield site
    site.proxy.close()


# --- 1: the directory is unreachable, so everybody has left ---

def test_directory_unreachable_is_not_everybody_left(site):
    site.settle()
    site.slapd.stop()
    told = unreadable(site, "127.0.0.1.*refused")
    assert told.once.json["directory"]["state"] == "unreachable" and told.once.actions() == []
    site.slapd.start()
    site.recovers()


def test_directory_lost_in_mid_search_is_not_everybody_left(proxied):
    """Some entries came, then the connection ended."""
    proxied.settle()
    proxied.proxy.spoil("cut", after=4)
    unreadable(proxied, "server")
    assert proxied.proxy.spoiled >= 2
    proxied.proxy.heal()
    proxied.recovers()


def test_directory_restarted_is_not_everybody_left(site):
    """It comes back while the daemon runs: nobody has to do anything."""
    site.settle()
    with site.daemon() as daemon:
        daemon.wait_status("^10 people read at [^;]*; 0 queued")
        site.slapd.stop()
        site.told_by(daemon, 4, "READ_INCOMPLETE", journal="nobody is removed",
                     status="^10 people read at .*; the last read failed",
                     shown=f"directory +unreachable, 10 people at (?s:.)*{UNREADABLE}")
        site.slapd.start()
        since = time.monotonic()
        site.journaled("READ_RECOVERED", "10 people, 0 new, 0 changed, 0 no longer there", since, 20)
        daemon.wait_status("^10 people read at [^;]*; 0 queued", since=since)
        site.shown(0, "directory +complete")
    site.untouched()


# --- 2: part of an answer, or an empty one, is taken for the whole ---

PARTIAL = [1, 3, 4, 10, 11, 50, 51, 52, 53, 80]    # time limit, size limit, administrative limit, busy …


def test_partial_read_is_not_a_small_company(proxied):
    """Four of ten entries, then any result code but success."""
    proxied.settle()
    for code in PARTIAL:
        proxied.proxy.spoil(code, after=4)
        result = proxied.once(code=4)
        entry, = proxied.journal.of("READ_INCOMPLETE", result.entries)
        assert entry["IDSYNC_LDAP_RC"] == str(code), entry
        proxied.untouched()
    proxied.proxy.spoil(3, after=4)
    unreadable(proxied, "[Tt]ime ?limit")
    proxied.proxy.heal()
    proxied.recovers()


def test_empty_read_is_not_an_empty_company(site):
    """An access rule hides the people: success, and nobody."""
    site.settle()
    site.slapd.configure(olcAccess=['{0}to attrs=userPassword by anonymous auth by * none',
                                    f'{{1}}to dn.children="{PEOPLE}" by * none', '{2}to * by * read'])
    unreadable(site, "nobody was found below")


def test_wrong_scope_is_not_an_empty_company(site):
    site.settle()
    site.runner.config["directory"]["people"].update(base="dc=example,dc=com", scope="one")
    unreadable(site, "nobody was found below dc=example,dc=com")


def test_half_an_answer_with_success_is_held(proxied):
    """What no result code tells: half of the people are missing, and the server says that this was all. The limits stand."""
    proxied.target["limits"] = {"create": 50}
    proxied.settle()
    proxied.proxy.spoil("success", after=5)
    told = held(proxied, "5 deletes .*limits.percent")
    assert len(told.once.actions("delete")) == 5
    proxied.proxy.heal()
    proxied.recovers()


def held(site, words):
    """A plan that waits for a person, for these reasons, on every way."""
    told = site.told(6, "PLAN_HELD", journal=f"is held: .*{words}", status="umbrella: plan [0-9a-f]{12} held",
                     shown=f"warning: umbrella: plan [0-9a-f]{{12}} .*is held: .*{words}(?s:.)*idsyncctl approve")
    plan = told.once.target()["hash"]
    assert plan in told.status and plan in told.shown.out
    assert plan in [e.get("IDSYNC_PLAN") for e in told.entries]
    return told


# --- 3: an edited filter removes everybody whom it leaves out ---

def test_filter_edit_is_held_and_named(site, company):
    """The limits would let it go: the edit alone holds it."""
    site.settle()
    site.runner.config["directory"]["people"]["filter"] = f"(&(objectClass=inetOrgPerson)(!(uid={company.people[7].uid})))"
    told = held(site, "directory.people.filter has changed")
    assert [a["address"] for a in told.once.actions("delete")] == [company.people[7].email]
    site.runner.config["directory"]["people"]["filter"] = "(objectClass=inetOrgPerson)"
    site.recovers()


def test_dry_run_of_a_filter_edit_writes_nothing(site, company):
    """Not there, and not here: but for the calls that it made, which count against the rate."""
    site.settle()
    site.runner.config["directory"]["people"]["filter"] = f"(!(uid={company.people[7].uid}))"
    before = dump(site.runner, leave_out=["call"])
    dry = site.once("--dry-run", code=1)
    assert [a["address"] for a in dry.actions()] == [company.people[7].email] and dry.target()["hash"]
    assert dump(site.runner, leave_out=["call"]) == before
    site.untouched()


# --- 4: accounts that were never ours, must not go, or let us in ---

def test_accounts_of_others_stay_though_everybody_leaves(site, company):
    """Nine of ten leave, and are deleted at once: of the accounts that others made none is touched."""
    site.standin.fill(count=30)
    others = {a["email"] for a in site.standin.users()}
    site.settle()
    ours = {str(a["id"]) for a in site.standin.users() if a["email"] not in others}
    for person in company.people[1:]:
        site.slapd.delete(person.dn)
    done = site.once(code=0, wait="10s")
    assert {a["email"] for a in site.standin.users()} == others | {company.people[0].email}
    deleted = [path.rpartition("/")[2] for method, path in site.writes() if method == "DELETE"]
    assert len(deleted) == len(site.writes()) == 9 and set(deleted) <= ours
    assert {e["IDSYNC_ACCOUNT"] for e in site.journal.of("ACTION_DONE", done.entries)} == {
        p.email for p in company.people[1:]}
    with site.daemon() as daemon:
        daemon.wait_status("^1 people read at [^;]*; 0 queued, 0 dead letters$")
        orphans = site.bus.ask("orphans")["accounts"]
        assert {a["address"] for a in orphans if "isn't ours" in a["reason"]} == others


def kept(site, words):
    """An account that is left alone on purpose: that is no fault, and it is told."""
    told = site.told(0, "LAST_OR_PROTECTED_KEPT", journal=words, status="umbrella: 1 kept",
                     shown="note: umbrella: 1 account is kept")
    assert words in [f"{n['address']}: {n['reason']}" for n in told.once.target()["notes"]]
    assert told.health.startswith("IDSYNC OK"), "nobody is woken up for it"


def test_protected_account_is_never_removed(site, company):
    """It was ours before somebody protected it."""
    site.settle()
    site.target["protect"] = [company.people[4].email]
    site.slapd.delete(company.people[4].dn)
    kept(site, f"{company.people[4].email}: no delete: its address is in protect")


def test_last_admin_is_never_removed(site, company):
    site.settle()
    site.slapd.delete(company.people[0].dn)
    kept(site, f"{company.people[0].email}: no delete: it is the last active account of a role in last_of")


@pytest.mark.standin(api="primavera")
@pytest.mark.company(people=3)
def test_the_apis_own_user_is_never_disabled(site, company):
    """Somebody is so kind as to give the API's user an entry, and takes it away again."""
    own = Person(KEY.lower(), email=f"{KEY}@example.com")
    site.slapd.add_person(own, "primavera")
    site.settle()
    site.slapd.delete(own.dn)
    site.once(code=0)
    site.untouched()
    assert site.standin.user(KEY)["can_sign_in"]


# --- 6: no undo, no grace ---

def test_leaver_has_a_grace_and_may_return(site, company):
    person = company.people[5]
    site.target["leave_grace"] = "1h"
    site.settle()
    site.slapd.leave("umbrella", person)
    told = site.told(0, "LEAVER_IN_GRACE", journal=f"{person.email}: has no group or role .* is deleted in ",
                     status="umbrella: 1 in grace",
                     shown="note: umbrella: 1 account of leavers is deleted when the grace is over")
    assert [n["person"] for n in told.once.target()["notes"]] == [person.id]
    site.slapd.join("umbrella", person)
    site.recovers()
    assert site.once(code=0).target()["notes"] == []


@pytest.mark.standin(api="primavera")
@pytest.mark.company(people=3)
def test_leaver_is_disabled_first_and_enabled_again(site, company):
    """Where an API can: nothing is deleted, what was there is kept in the history, and who returns gets it back."""
    person = company.people[2]
    site.settle()
    roles = site.standin.roles(person.uid)
    site.slapd.leave("primavera", person)
    left = site.once(code=0, wait="20s")
    assert site.standin.user(person.uid) and not site.standin.user(person.uid)["can_sign_in"]
    done = left.actions("disable", "primavera")[0]
    assert done["before"]["roles"] == roles and done["outcome"] == "ok"
    site.slapd.join("primavera", person)
    site.once(code=0, wait="20s")
    site.once(code=0, wait="20s")
    assert site.standin.user(person.uid)["can_sign_in"] and site.standin.roles(person.uid) == roles


# --- 7: duplicates by letter case, one address twice ---

def test_one_address_twice_blocks_both_and_nobody_else(site, company):
    one, two = company.people[3:5]
    site.settle()
    site.slapd.modify(two.dn, mail=f" {one.email.upper()}")
    told = site.told(1, "PERSON_BLOCKED", journal="is blocked: the address .* is also that of uid=",
                     status="umbrella: 2 blocked",
                     shown="warning: umbrella: 2 people are blocked(?s:.)*idsyncctl plan umbrella")
    reasons = {e["IDSYNC_PERSON"]: e["MESSAGE"] for e in site.journal.of("PERSON_BLOCKED", told.entries)}
    assert set(reasons) == {one.id, two.id} and two.dn in reasons[one.id] and one.dn in reasons[two.id]
    site.slapd.add_person(Person("new"), "umbrella")
    site.once(code=1, wait="10s")
    assert site.writes() == [("POST", "/admin/v2/users")] and site.standin.account("new@example.com")


def test_account_of_another_spelling_is_neither_doubled_nor_lost(site, company):
    """The account was made by hand, in capitals: it is the same address."""
    person = company.people[6]
    site.standin.add_accounts(accounts=[{**person.account(), "email": person.email.upper()}])
    first = site.settle()
    assert [a["address"] for a in first.actions("adopt")] == [person.email] and len(site.standin.emails()) == 10
    site.recovers()


# --- 8: a rename or a move is a leaver and a new person ---

def rename(site, person, rdn, superior=None):
    """As the directory's tools do it: the groups follow."""
    site.slapd.rename(person.dn, rdn, superior)
    person.dn = f"{rdn},{superior or PEOPLE}"
    members = [p.dn for p in site.people]
    site.slapd.modify(group_dn("umbrella"), member=members)


def test_rename_and_move_are_the_same_person(site, company):
    site.people = company.people
    site.settle()
    sales = f"ou=sales,{PEOPLE}"
    site.slapd.add(sales, {"objectClass": "organizationalUnit", "ou": "sales"})
    rename(site, company.people[3], "uid=another-name")
    rename(site, company.people[4], "uid=p00004", sales)
    rename(site, company.people[5], "uid=both", sales)
    assert site.once(code=0).json["directory"]["people"] == 10
    site.untouched()


def test_new_address_is_the_same_person(site, company):
    """At an API that can't change it: reported, by name, and no call."""
    site.settle()
    site.slapd.modify(company.people[3].dn, mail="married@example.com")
    drift, = site.once(code=0).target()["drift"]
    assert (drift["directory"], drift["account"]) == ("married@example.com", company.people[3].email)
    site.untouched()
    with site.daemon() as daemon:
        daemon.wait_status("10 people")
        wait_for(lambda: "1 with drift" in site.bus.ctl("targets").out, 10, "the drift")
    site.untouched()


def test_new_ids_are_held_as_relinks(site, company):
    """A directory that was moved or restored: everybody has a new id and the old address."""
    site.settle()
    for person in company.people:
        site.slapd.delete(person.dn)
        site.slapd.add_person(person)
    told = held(site, "10 relinks would tie an account to an entry with another id")
    assert {a["action"] for a in told.once.actions()} == {"relink"}
    site.once("--approve", told.once.target()["hash"], code=0)      # the way out makes no call either
    site.recovers()
    site.slapd.delete(company.people[9].dn)
    site.once(code=0, wait="10s")
    assert [method for method, _ in site.writes()] == ["DELETE"] and not site.standin.account(company.people[9].email)
