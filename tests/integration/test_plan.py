# SPDX-License-Identifier: Apache-2.0
"""What is planned, held, approved, blocked and left alone."""

import hashlib
import os
import sqlite3

import pytest

from lib.company import PEOPLE, Person, group_dn
from lib.site import dump

HELD = {"first_plan": "hold"}


@pytest.fixture
def holding(make_idsyncd, slapd, standin):
    """A runner whose first plan is held."""
    return make_idsyncd(slapd, standin, first_plan="hold")


def writes(standin):
    return [c for c in standin.calls() if c["method"] != "GET" and not c["path"].endswith("/token")]


# --- the first plan, approval ---

def test_first_plan_is_held(holding, standin):
    first = holding.once(expect=6)
    target = first.target()
    assert target["state"] == "held" and len(target["hash"]) == 12 and "first" in target["reason"]
    assert len(first.actions("create")) == 10 and all(a["id"] is None for a in first.actions())
    assert writes(standin) == [] and f"plan {target['hash']}" in first.err

    text = holding.run("--once")
    assert text.code == 6 and f"--approve {target['hash']}" in text.out, text
    again = holding.once(expect=6)              # survives, unchanged
    assert again.target()["hash"] == target["hash"] and writes(standin) == []

    done = holding.once("--approve", target["hash"], expect=0)
    assert len(standin.emails()) == 10 and done.target()["state"] == "ok"
    standin.clear_ledger()
    holding.once(expect=0)
    assert writes(standin) == []


def test_held_while_paused(holding, standin):
    """Paused is how the target stands; that a plan waits for a person is for the exit code."""
    holding.target["paused"] = True
    first = holding.once(expect=6).target()
    assert first["state"] == "paused" and len(first["hash"]) == 12 and "first" in first["reason"]
    assert first["hash"] in holding.run("--once").out
    holding.once("--approve", first["hash"], expect=1)
    assert writes(standin) == []
    holding.target["paused"] = False
    holding.once(expect=0)
    assert len(standin.emails()) == 10


def test_dry_run_changes_nothing(holding, standin):
    holding.run("--check-config")
    dry = holding.once("--dry-run", expect=1)
    assert len(dry.actions("create")) == 10 and all(a["outcome"] is None for a in dry.actions())
    assert writes(standin) == []
    held = holding.once(expect=6)
    assert held.target()["hash"] == dry.target()["hash"]

    before = dump(holding, leave_out=["call"])
    again = holding.once("--dry-run", expect=1)
    assert again.target()["hash"] == dry.target()["hash"]
    assert dump(holding, leave_out=["call"]) == before and writes(standin) == []
    text = holding.run("--once", "--dry-run")
    assert text.code == 1 and dry.target()["hash"] in text.out and text.out.count(" create ") == 10, text


def everything(runner):
    """All tables but the calls, and the marker."""
    with sqlite3.connect(f"file:{runner.state}/idsyncd.db?mode=ro", uri=True) as db:
        tables = [n for n, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'") if n != "call"]
        rows = {n: sorted(map(repr, db.execute(f'SELECT * FROM "{n}"'))) for n in tables}
    with open(f"{runner.state}/idsyncd.generation") as file:
        return rows, file.read()


def test_dry_run_after_a_crash(idsyncd, slapd, company, standin):
    """What was left begun is settled by a real run, not by one that only looks."""
    killed = idsyncd.once(env={"IDSYNCD_FAILPOINT": "call-write-answered"})
    assert killed.code == -9, killed
    before = everything(idsyncd)
    assert any("'running'" in row for row in before[0]["action"])
    slapd.add_person(Person("new"), "umbrella")
    dry = idsyncd.once("--dry-run", expect=1)
    assert "new@example.com" in [a["address"] for a in dry.actions("create")]
    assert everything(idsyncd) == before
    idsyncd.once(expect=0)
    assert len(standin.emails()) == 11


def test_dry_run_counts_its_calls(idsyncd, standin):
    idsyncd.once("--dry-run", expect=1)
    with sqlite3.connect(f"file:{idsyncd.state}/idsyncd.db?mode=ro", uri=True) as db:
        assert db.execute("SELECT count(*) FROM call").fetchone() == (len(standin.calls()),)


def test_dry_run_in_step(idsyncd, standin):
    idsyncd.once(expect=0)
    result = idsyncd.once("--dry-run", expect=0)
    assert result.actions() == []


def test_hash_is_that_of_the_actions(make_idsyncd, slapd, standin):
    """No times, no state: two installations give the same plan the same hash."""
    one, two = (make_idsyncd(slapd, standin, **HELD) for _ in range(2))
    assert one.once(expect=6).target()["hash"] == two.once(expect=6).target()["hash"]


def test_wrong_and_stale_hash(holding, slapd, company, standin):
    held = holding.once(expect=6).target()["hash"]
    wrong = holding.once("--approve", "0123456789ab", expect=6)
    assert "0123456789ab" in wrong.err and wrong.target()["hash"] == held and writes(standin) == []

    slapd.modify(company.people[2].dn, givenName="Changed")     # one action is no longer asked for unchanged
    stale = holding.once("--approve", held, expect=6)
    new = stale.target()["hash"]
    assert new != held and held in stale.err and writes(standin) == []
    standin.fault("status", code=503, method="GET", path="/users", count=1000)
    unread = holding.once("--approve", new, "--wait", "0s", expect=5)
    assert "give it again" in unread.err and "fits no plan" not in unread.err
    standin.clear_faults()
    holding.once("--approve", new, expect=0)
    assert len(standin.emails()) == 10


def test_what_came_on_top_waits(holding, slapd, standin):
    """An approval does exactly the actions of its plan."""
    held = holding.once(expect=6).target()["hash"]
    slapd.add_person(Person("late"), "umbrella")
    result = holding.once("--approve", held)
    assert len(standin.emails()) in (10, 11)
    bodies = [c["body"]["email"] for c in standin.calls("POST", "/users$")]
    # the plan that came on top is judged as any later one: within the limits it goes as well
    assert len(bodies) == len(set(bodies)) == len(standin.emails())
    assert result.code in (0, 6)


def test_approval_counts_against_no_limit(make_idsyncd, slapd, standin):
    runner = make_idsyncd(slapd, standin)
    runner.target["limits"] = {"create": 5}
    held = runner.once(expect=6)
    assert "10 creates" in held.target()["reason"] and "limits.create" in held.target()["reason"]
    runner.once("--approve", held.target()["hash"], expect=0)
    slapd.add_person(Person("one"), "umbrella")
    runner.once(expect=0)
    assert len(standin.emails()) == 11


def test_several_approvals(make_idsyncd, make_standin, slapd):
    one, two = make_standin(), make_standin()
    runner = make_idsyncd(slapd, one, **HELD)
    runner.config["targets"].append({**runner.target, "name": "other", "url": two.url})
    held = runner.once(expect=6)
    hashes = [held.target(name)["hash"] for name in ("umbrella", "other")]
    assert hashes[0] != hashes[1]       # the target's name is part of it
    part = runner.once("--approve", hashes[1], expect=6)
    assert len(two.emails()) == 10 and one.emails() == [] and part.target("umbrella")["state"] == "held"
    runner.once("--approve", hashes[0], expect=0)
    assert len(one.emails()) == 10


def test_empty_first_plan_counts_as_approved(holding, slapd, company, standin):
    standin.add_accounts(accounts=[p.account("Full Admin" if n == 0 else "Read Only")
                                   for n, p in enumerate(company.people)])
    result = holding.once(expect=0)
    assert len(result.actions("adopt")) == 10 and writes(standin) == []
    slapd.add_person(Person("new"), "umbrella")
    holding.once(expect=0)
    assert len(standin.emails()) == 11


RULES = [
    ("groups", lambda r: r.target.update(groups=[])),
    ("roles", lambda r: r.target.update(roles=[{"role": "Read Only"}])),
    ("directory.people.filter", lambda r: r.config["directory"]["people"].update(filter="(uid=*)")),
    ("directory.people.base", lambda r: r.config["directory"]["people"].update(base="dc=example,dc=com")),
    ("directory.attributes", lambda r: r.config["directory"].update(attributes={"last_name": "cn"})),
    ("directory.disabled", lambda r: r.config["directory"].update(disabled={"attribute": "employeeType"})),
    ("protect", lambda r: r.target.update(protect=["p00001@example.com"])),
    ("adopt", lambda r: r.target.update(adopt="never")),
]


@pytest.mark.company(people=4)
def test_changed_rules_hold_again(make_idsyncd, slapd, standin):
    """The key that changed is named; nothing is done until a person agrees; then it is quiet again."""
    base = make_idsyncd(slapd, standin)
    base.once(expect=0)
    base.run("--check-config")
    state = base.state
    for number, (key, change) in enumerate(RULES):
        runner = make_idsyncd(slapd, standin)
        copy_state(state, runner.state)
        change(runner)
        new = Person(f"after{number}")
        slapd.add_person(new, "umbrella")
        standin.clear_ledger()
        held = runner.once(expect=6)
        assert key in held.target()["reason"], (key, held.target()["reason"])
        assert writes(standin) == []
        slapd.delete(new.dn)
        slapd.leave("umbrella", new) if new.dn in slapd.get(group_dn("umbrella"), "member")["member"] else None


def copy_state(source, target):
    for name in os.listdir(source):
        with open(f"{source}/{name}", "rb") as data, open(f"{target}/{name}", "wb") as out:
            out.write(data.read())
        os.chmod(f"{target}/{name}", 0o600)


@pytest.mark.company(people=4)
def test_changed_rules_and_back(idsyncd, slapd, standin):
    idsyncd.once(expect=0)
    slapd.add_person(Person("new"), "umbrella")
    idsyncd.target["protect"] = ["nobody@example.com"]
    held = idsyncd.once(expect=6).target()
    idsyncd.once(expect=6)
    del idsyncd.target["protect"]
    idsyncd.once(expect=0)      # the rules that were approved
    assert len(standin.emails()) == 5 and held["hash"]
    idsyncd.target["protect"] = ["nobody@example.com"]
    idsyncd.once(expect=0)      # nothing to do: nothing to hold


# --- people ---

def test_blocked_people(idsyncd, slapd, company, standin):
    """Two with one address, one without, one whose name can't be read: reported by name, the others go on."""
    one, two, none, odd = company.people[2:6]
    idsyncd.config["directory"]["attributes"] = {"first_name": "audio"}    # one that may hold any bytes
    for person in company.people:
        slapd.modify(person.dn, audio=person.first)
    slapd.modify(two.dn, mail=one.email.upper())
    slapd.modify(none.dn, mail=None)
    slapd.modify(odd.dn, audio=b"\xff\xfe no text")
    result = idsyncd.once(expect=1)
    reasons = {b["person"]: b["reason"] for b in result.target()["blocked"]}
    assert set(reasons) == {one.id, two.id, none.id, odd.id}
    assert two.dn in reasons[one.id] and one.dn in reasons[two.id]
    assert "attributes.email" in reasons[none.id] and "attributes.first_name" in reasons[odd.id], reasons
    assert standin.emails() == sorted(p.email for p in company.people if p not in (one, two, none, odd))
    assert result.err.count("is blocked") == 4

    slapd.modify(two.dn, mail="p3@example.com")
    slapd.modify(none.dn, mail="p4@example.com")
    slapd.modify(odd.dn, audio="Fine")
    idsyncd.once(expect=0)
    assert len(standin.emails()) == 10


def test_blocked_person_keeps_the_account(idsyncd, slapd, company, standin):
    idsyncd.once(expect=0)
    slapd.modify(company.people[5].dn, mail=None)
    standin.clear_ledger()
    idsyncd.once(expect=1)
    assert len(standin.emails()) == 10 and writes(standin) == []


@pytest.mark.company(people=1, extra=[
    Person("odd1", "Łucja", "Ó'Néill", email="lucja.o'neill+tag@bücher.example"),
    Person("odd2", "Ann, \"the\" \\ Great", "#1 <x>", email="  Ann.Great@Example.COM "),
])
def test_odd_people(idsyncd, company, standin):
    idsyncd.once(expect=0)
    accounts = {a["email"]: a for a in standin.accounts()}
    assert len(accounts) == 3
    assert accounts["lucja.o'neill+tag@bücher.example"]["lastname"] == "Ó'Néill"
    assert [a["firstname"] for e, a in accounts.items() if e.strip() == "Ann.Great@Example.COM"] == [
        'Ann, "the" \\ Great']
    standin.clear_ledger()
    idsyncd.once(expect=0)
    assert writes(standin) == []


def test_rename_is_the_same_person(idsyncd, slapd, company, standin):
    idsyncd.once(expect=0)
    one, two = company.people[3:5]
    slapd.rename(one.dn, "uid=renamed")
    slapd.modify(two.dn, mail="new-address@example.com", sn="Married")
    standin.clear_ledger()
    result = idsyncd.once(expect=0)
    assert writes(standin) == [] and len(standin.emails()) == 10
    drift = {(d["person"], d["field"]): (d["directory"], d["account"]) for d in result.target()["drift"]}
    assert drift == {(two.id, "email"): ("new-address@example.com", two.email),
                     (two.id, "last_name"): ("Married", two.last)}


def test_adopt_by_any_spelling(idsyncd, company, standin):
    accounts = [p.account() for p in company.people]
    accounts[4]["email"] = accounts[4]["email"].upper()
    accounts[0]["role"] = "Full Admin"
    standin.add_accounts(accounts=accounts)
    result = idsyncd.once(expect=0)
    assert len(result.actions("adopt")) == 10 and writes(standin) == []


def test_adopt_never(idsyncd, company, standin):
    standin.add_accounts(accounts=[p.account() for p in company.people[:4]])
    idsyncd.target["adopt"] = "never"
    result = idsyncd.once(expect=0)
    assert len(writes(standin)) == 6 and not result.actions("adopt")
    # said, by name, and no difference
    assert {n["address"] for n in result.target()["notes"]} == {p.email for p in company.people[:4]}
    standin.clear_ledger()
    idsyncd.once(expect=0)
    assert writes(standin) == []


def test_adoption_that_would_change_waits(idsyncd, company, standin):
    """The account of a person who should be Full Admin is Read Only: adopt and change is for a person to say."""
    standin.add_accounts(accounts=[p.account() for p in company.people])
    result = idsyncd.once()
    assert result.code in (1, 6) and writes(standin) == []
    assert standin.account(company.people[0].email)["role"] == "Read Only"


def test_protected(idsyncd, company, standin):
    idsyncd.target["protect"] = ["p00001@*"]
    idsyncd.once()
    assert "p00001@example.com" not in standin.emails() and len(standin.emails()) == 9


def test_accounts_of_others_are_left_alone(idsyncd, standin):
    standin.fill(count=30)
    idsyncd.once(expect=0)
    assert len(standin.emails()) == 40 and all(c["method"] != "DELETE" for c in standin.calls())
    assert len(writes(standin)) == 10


@pytest.mark.parametrize("how", ["deleted", "left the group", "disabled"])
def test_leave_keep(idsyncd, slapd, company, standin, how):
    idsyncd.config["directory"]["disabled"] = {"attribute": "employeeType", "when": "value:gone"}
    idsyncd.once(expect=0)
    person = company.people[6]
    if how == "deleted":
        slapd.delete(person.dn)
    elif how == "disabled":
        slapd.modify(person.dn, employeeType="gone")
    if how != "disabled":
        slapd.leave("umbrella", person) if slapd.get(person.dn) else None
    standin.clear_ledger()
    for _ in range(2):
        result = idsyncd.once(expect=0)
        assert writes(standin) == [] and len(standin.emails()) == 10 and result.actions() == []


def test_leaver_comes_back(idsyncd, slapd, company, standin):
    """By its id it is the same person, with the same account."""
    idsyncd.once(expect=0)
    person = company.people[6]
    slapd.leave("umbrella", person)
    idsyncd.once(expect=0)
    slapd.join("umbrella", person)
    standin.clear_ledger()
    idsyncd.once(expect=0)
    assert writes(standin) == []


def test_same_address_with_another_id_is_a_relink(idsyncd, slapd, company, standin):
    """The entry was deleted and made anew: never a second account, and a person decides."""
    idsyncd.once(expect=0)
    person = company.people[6]
    slapd.delete(person.dn)
    slapd.add_person(Person(person.uid))        # still a member, by its name
    standin.clear_ledger()
    result = idsyncd.once()
    assert writes(standin) == [] and len(standin.emails()) == 10
    assert result.code in (1, 6), result


def test_account_gone_at_the_api(idsyncd, company, standin):
    """Somebody removed a linked account there: not simply created again."""
    idsyncd.once(expect=0)
    standin.remove_accounts(emails=[company.people[4].email])
    standin.clear_ledger()
    idsyncd.once(expect=0)                      # APIs list new accounts late: not yet
    assert writes(standin) == []
    idsyncd.age_links()
    result = idsyncd.once(expect=6)
    assert writes(standin) == [] and "gone" in result.target()["reason"]
    idsyncd.once("--approve", result.target()["hash"], expect=0)
    assert company.people[4].email in standin.emails()


# --- reads that prove nothing ---

def untouched(runner, standin, code=4):
    """A run that must end so, without any write."""
    standin.clear_ledger()
    result = runner.once("--wait", "0s", expect=code)
    assert writes(standin) == []
    return result


@pytest.fixture
def in_step(idsyncd, standin):
    idsyncd.once(expect=0)
    return idsyncd


def test_group_gone(in_step, slapd, standin):
    slapd.delete(group_dn("umbrella-admins"))
    result = untouched(in_step, standin)
    assert group_dn("umbrella-admins") in result.json["directory"]["error"]
    assert result.json["directory"]["state"] == "incomplete"


def test_group_of_strangers(in_step, slapd, standin):
    """Members that are no people are members all the same: everybody has left it."""
    slapd.modify(group_dn("umbrella"), member=[f"cn=nobody,{PEOPLE}"])
    result = untouched(in_step, standin, code=0)
    assert result.json["directory"]["state"] == "complete" and len(result.target()["notes"]) == 10


def test_filter_that_matches_nobody(in_step, standin):
    in_step.config["directory"]["people"]["filter"] = "(uid=nobody-at-all)"
    result = untouched(in_step, standin)
    assert "nobody" in result.json["directory"]["error"]


def test_canary_missing(in_step, company, slapd, standin):
    in_step.config["directory"]["canaries"] = [company.people[0].dn]
    untouched(in_step, standin, code=0)
    slapd.delete(company.people[0].dn)
    result = untouched(in_step, standin)
    assert company.people[0].dn in result.json["directory"]["error"]


def test_size_limit(in_step, slapd, standin):
    slapd.limit_reader("size.soft=5 size.hard=5 size.prtotal=5")
    result = untouched(in_step, standin)
    assert result.json["directory"]["state"] == "incomplete"
    assert "4" in result.json["directory"]["error"] and "limit" in result.json["directory"]["error"].lower()
    slapd.limit_reader("size=unlimited size.pr=unlimited size.prtotal=unlimited")
    untouched(in_step, standin, code=0)


def test_hidden_attribute(in_step, slapd, standin):
    """An access rule hides the addresses: nobody has left."""
    slapd.configure(olcAccess=[
        '{0}to attrs=userPassword by anonymous auth by * none',
        '{1}to attrs=mail by * none',
        '{2}to * by dn.exact="cn=idsyncd,ou=services,dc=example,dc=com" read by anonymous auth by * none'])
    result = untouched(in_step, standin)
    assert "attribute" in result.json["directory"]["error"]


def test_hidden_groups(in_step, slapd, standin):
    slapd.configure(olcAccess=[
        '{0}to attrs=userPassword by anonymous auth by * none',
        '{1}to dn.subtree="ou=groups,dc=example,dc=com" by * none',
        '{2}to * by dn.exact="cn=idsyncd,ou=services,dc=example,dc=com" read by anonymous auth by * none'])
    result = untouched(in_step, standin)
    assert "group" in result.json["directory"]["error"]


def test_wrong_password(in_step, standin):
    in_step.credentials["ldap-password"] = "not-the-right-one-5512"
    result = untouched(in_step, standin)
    assert "credentials" in result.json["directory"]["error"].lower()
    assert "[" in result.err and "ldap=49" in result.err


def test_listing_canary(in_step, company, standin):
    in_step.target["canaries"] = [company.people[1].email]
    untouched(in_step, standin, code=0)
    in_step.target["canaries"] = ["always-there@example.com"]
    result = untouched(in_step, standin, code=5)
    assert "always-there@example.com" in result.target()["reason"]


def test_first_read_incomplete(idsyncd, slapd, standin):
    slapd.limit_reader("size.soft=5 size.hard=5 size.prtotal=5")
    untouched(idsyncd, standin)


def test_state_is_private(idsyncd, standin):
    idsyncd.once(expect=0)
    for path in idsyncd.state_files():
        assert os.stat(path).st_mode & 0o077 == 0, path
    assert os.path.exists(f"{idsyncd.state}/idsyncd.db")
    assert hashlib.sha256(open(f"{idsyncd.state}/idsyncd.db", "rb").read()).hexdigest()
