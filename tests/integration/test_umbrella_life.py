# SPDX-License-Identifier: Apache-2.0
"""Umbrella and Umbrella for Government: leavers, recreates and conflicts that don't go smoothly, last_of, budgets. Whole
lives: test_lives.py."""

import re
import sqlite3
import time

import pytest

from lib.company import BIND_DN, group_dn
from lib.process import wait_for
from lib.standin import KEY, SECRET
from lib.trace import trace

LOOK = ["roles", "list"]        # what a run begins with, the token aside
WIDE = {name: 1000 for name in ("create", "update", "recreate", "enable", "disable", "delete", "reset")} | {"percent": 100}


def acts(standin):
    return trace(standin, but=("token", "roles", "list"))


def roles(standin):
    return {a["email"]: a["role"] for a in standin.accounts()}


def kinds(result):
    return sorted(a["action"] for a in result.actions())


@pytest.fixture(params=["umbrella", "umbrella-gov"])
def api(request, make_standin):
    return make_standin(api=request.param)


@pytest.fixture
def life(make_idsyncd, slapd, api):
    runner = make_idsyncd(slapd, api)
    runner.target["limits"] = dict(WIDE)
    return runner


def forget_calls(runner):
    """Calls made before count against the rate (of tokens, too): a test of many runs would have to wait."""
    with sqlite3.connect(f"{runner.state}/idsyncd.db") as db:
        db.execute("DELETE FROM call")


def run(runner, standin, *args, expect=0):
    standin.clear_ledger()
    forget_calls(runner) if runner.state_files() else None
    return runner.once(*args, expect=expect)


# --- leaving ---

@pytest.mark.company(people=4)
def test_leave_with_grace(life, slapd, company, api):
    person = company.people[3]
    life.target.update({"leave": "delete", "leave_grace": "3s"})
    run(life, api)
    slapd.leave("umbrella", person)
    run(life, api)
    assert acts(api) == [] and api.account(person.email)
    slapd.join("umbrella", person)                      # seen again: the grace ends, and begins anew later
    time.sleep(3.1)
    run(life, api)
    slapd.leave("umbrella", person)
    run(life, api)
    assert acts(api) == [] and api.account(person.email)

    def gone():
        run(life, api)
        return api.account(person.email) is None
    start = time.monotonic()
    wait_for(gone, 20, "the end of the grace")
    assert time.monotonic() - start > 1.5
    assert acts(api) == ["get", "delete"]


@pytest.mark.company(people=4)
def test_listed_and_not_to_be_had(life, slapd, company, api):
    """GET by id is documented for the commercial API alone: a 404 doesn't outweigh a listing."""
    life.target.update({"leave": "delete", "leave_grace": "0s"})
    run(life, api)
    slapd.leave("umbrella", company.people[3])
    api.fault("status", code=404, body={"message": "Not Found"}, method="GET", path=r"/users/\d+$", count=None)
    result = run(life, api, expect=1)
    assert acts(api) == ["get"] and len(api.emails()) == 4
    assert "is in the listing" in result.actions("delete")[0]["detail"]

    api.clear_faults()
    slapd.modify(company.people[3].dn, mail="other@example.com")        # another wish
    run(life, api)
    assert acts(api) == ["get", "delete"] and len(api.emails()) == 3


@pytest.mark.company(people=4)
def test_leave_is_kept_by_default(life, slapd, company, api):
    run(life, api)
    slapd.delete(company.people[3].dn)
    run(life, api)
    assert acts(api) == [] and len(api.emails()) == 4


@pytest.mark.company(people=4)
def test_gone(life, slapd, company, api):
    """An account that somebody removed by hand."""
    person = company.people[3]
    run(life, api)

    api.remove_accounts(emails=[person.email])
    life.age_links()
    life.target["gone"] = "report"
    run(life, api)
    assert acts(api) == [] and len(api.emails()) == 3

    life.target["gone"] = "hold"
    held = run(life, api, expect=6)
    assert acts(api) == [] and kinds(held) == ["create"]
    run(life, api, "--approve", held.target()["hash"])
    assert acts(api) == ["create", "re-create"] and api.account(person.email)

    api.remove_accounts(emails=[person.email])
    life.age_links()
    life.target["gone"] = "create"
    run(life, api)
    assert acts(api) == ["create", "re-create"] and api.account(person.email)


# --- recreates that don't go smoothly ---

@pytest.fixture
def changing(idsyncd, slapd, company, standin):
    """Everybody has an account, and the last person's role has changed."""
    idsyncd.target["limits"] = dict(WIDE)
    idsyncd.once(expect=0)
    slapd.join("umbrella-admins", company.people[-1])
    standin.clear_ledger()
    return idsyncd


@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.company(people=3)
def test_uncertain_delete_is_looked_up(changing, company, standin, executed):
    standin.fault("reset", execute=executed, method="DELETE")
    changing.once("--wait", "20s", expect=0)
    again = [] if executed else ["delete"]
    assert acts(standin) == ["get", "delete", "get", *again, "re-create"]
    assert standin.account(company.people[-1].email)["role"] == "Full Admin"


@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.company(people=3)
def test_uncertain_create_is_looked_up(changing, company, standin, executed):
    standin.fault("reset", execute=executed, method="POST", path="/users$")
    changing.once("--wait", "20s", expect=0)
    assert trace(standin)[2:] == ["get", "delete", "re-create", "list", "list"] + ([] if executed else ["re-create"])
    assert standin.account(company.people[-1].email)["role"] == "Full Admin" and len(standin.emails()) == 3
    standin.clear_ledger()
    changing.once(expect=0)
    assert trace(standin) == LOOK


@pytest.mark.company(people=3)
def test_recreate_listed_and_not_to_be_had(changing, company, standin):
    """Nothing is deleted or created for an account that can't be looked at, and nobody is said to have removed it."""
    standin.fault("status", code=404, body={"message": "Not Found"}, method="GET", path=r"/users/\d+$")
    result = changing.once(expect=1)
    assert acts(standin) == ["get"] and "is in the listing" in result.actions("recreate")[0]["detail"]


@pytest.mark.company(people=3)
def test_another_address_under_the_id(changing, company, standin):
    standin.fault("transform", set={"email": "else@example.com"}, method="GET", path=r"/users/\d+$")
    result = changing.once(expect=1)
    assert acts(standin) == ["get"] and "else@example.com" in result.actions("recreate")[0]["detail"]


@pytest.mark.company(people=3)
def test_delete_refused_leaves_everything(changing, company, standin):
    standin.fault("status", code=400, body={"message": "Invalid request"}, method="DELETE")
    result = changing.once(expect=1)
    assert acts(standin) == ["get", "delete"] and len(standin.emails()) == 3
    assert result.actions("recreate")[0]["state"] == "dead" and "deleted for its new role" not in result.err


@pytest.mark.company(people=3)
def test_delete_put_off_may_be_called_off(changing, slapd, company, standin):
    """503 to the DELETE: surely not done, so a wish that has gone meanwhile takes it back."""
    standin.fault("status", code=503, method="DELETE", count=1)
    changing.once("--wait", "0s", expect=5)
    assert acts(standin) == ["get", "delete"]
    slapd.leave("umbrella-admins", company.people[-1])
    standin.clear_ledger()
    changing.once("--wait", "20s", expect=0)
    assert acts(standin) == [] and standin.account(company.people[-1].email)["role"] == "Read Only"


@pytest.mark.company(people=3)
def test_unfinished_is_told_and_stands(changing, company, standin):
    person = company.people[-1]
    standin.fault("status", code=400, body={"message": "Invalid request"}, method="POST", path="/users$")
    changing.target["gone"] = "report"
    changing.age_links()
    result = changing.once(expect=1)
    dead, = result.actions("recreate")
    assert dead["state"] == "dead" and "can't be created again" in dead["detail"]
    assert re.search(r"^crit: umbrella: recreate .*can't be created again", result.err, re.M), result.err
    assert standin.account(person.email) is None
    standin.clear_ledger()
    again = changing.once(expect=1)             # not forgotten, not tried again by itself
    assert acts(standin) == [] and again.actions("recreate")[0]["state"] == "dead"

    changing.target["gone"] = "hold"            # the way out: the create that a person approves
    held = changing.once(expect=6)
    changing.once("--approve", held.target()["hash"], expect=0)
    assert standin.account(person.email)["role"] == "Full Admin"
    changing.once(expect=0)


@pytest.mark.company(people=3)
def test_in_use_is_waited_for_over_restarts(changing, company, standin):
    standin.fault("status", code=400, body={"message": "Email already in use"}, method="POST", path="/users$")
    changing.once("--wait", "1s", expect=1)
    assert acts(standin) == ["get", "delete", "re-create"]
    changing.once("--wait", "20s", expect=0)
    assert acts(standin)[3:] == ["re-create"]
    assert standin.account(company.people[-1].email)["role"] == "Full Admin"


@pytest.mark.company(people=3)
def test_leaver_isnt_created_again(changing, slapd, company, standin):
    person = company.people[-1]
    standin.fault("status", code=503, method="POST", path="/users$")
    changing.once("--wait", "0s", expect=5)
    assert acts(standin) == ["get", "delete", "re-create"]
    slapd.delete(person.dn)
    standin.clear_ledger()
    result = changing.once("--wait", "20s", expect=0)
    assert acts(standin) == [] and "given up: its person has left" in result.err
    assert standin.account(person.email) is None


@pytest.mark.company(people=3)
def test_leaver_of_a_recreate_returns(changing, slapd, company, standin):
    """The account that we deleted ourselves isn't "removed by somebody": the return isn't held."""
    person = company.people[-1]
    standin.fault("status", code=503, method="POST", path="/users$")
    changing.once("--wait", "0s", expect=5)
    slapd.leave("umbrella", person)
    assert "given up: its person has left" in changing.once("--wait", "20s", expect=0).err
    slapd.join("umbrella", person)
    changing.once("--wait", "20s", expect=0)
    assert standin.account(person.email)["role"] == "Full Admin"


@pytest.mark.company(people=3)
def test_role_is_looked_up_before_the_delete(changing, company, standin):
    """A label that the API doesn't know stops the target before anything is taken away."""
    changing.target["roles"][0]["role"] = "Chief"
    changing.once(expect=3)
    assert acts(standin) == []


# --- an address that another organisation has ---

PARENT, CHILD, OTHER = 1000001, 2000001, 2000002


def family(person, scopes=None):
    """A parent with the key and two children; the person's address is taken in the second."""
    key = {"key": KEY, "secret": SECRET, "organization": PARENT} | ({"scopes": scopes} if scopes else {})
    return {"organizations": [{"id": PARENT, "name": "Parent"}, {"id": CHILD, "name": "Child", "parent": PARENT},
                              {"id": OTHER, "name": "Other \u2013 child", "parent": PARENT,
                               "accounts": [person.account()]}],
            "keys": [key]}


@pytest.fixture
def conflicting(make_idsyncd, make_standin, slapd, company):
    def start(**options):
        standin = make_standin(state=family(company.people[1], **options))
        runner = make_idsyncd(slapd, standin)
        runner.target["organization"] = CHILD
        return runner, standin
    return start


def conflict(runner, expect=1):
    result = runner.once("--wait", "20s", expect=expect)
    dead, = [a for a in result.actions("create") if a["state"] == "dead"]
    assert dead["outcome"] == "rejected" and "Email already in use" in dead["detail"], dead
    return dead["detail"], result


ASKED = LOOK + ["create", "create", "list", "list", "re-create", "who"]


@pytest.mark.company(people=2)
def test_conflict_names_the_organization(conflicting, company):
    runner, standin = conflicting()
    detail, _ = conflict(runner)
    assert f"names the organization Other \u2013 child ({OTHER}) as having that address" in detail
    assert sorted(trace(standin)) == sorted(ASKED)
    call, = standin.calls("GET", "/organizations$")
    assert call["organization"] == PARENT and call["query"] == "email=p00001%40example.com"
    assert {c["organization"] for c in standin.calls(path="/users$")} == {CHILD}
    standin.clear_ledger()
    runner.once(expect=1)                   # a dead letter asks nothing
    assert acts(standin) == []


@pytest.mark.parametrize("fault", [{"kind": "status", "code": 403}, {"kind": "status", "code": 500}, {"kind": "garbage"},
                                   {"kind": "status", "code": 401}, {"kind": "stall"},
                                   {"kind": "redirect", "code": 302}])
@pytest.mark.company(people=2)
def test_conflict_without_an_answer(conflicting, company, fault):
    """The look-up only leaves its words out: nothing is parked, and it isn't asked again."""
    runner, standin = conflicting()
    runner.target["timeout"] = "1s"
    standin.fault(**fault, method="GET", path="/organizations$", count=None)
    detail, result = conflict(runner)
    assert "an account of another Umbrella organization has that address" in detail
    assert result.target()["state"] == "ok" and "next try" not in result.err
    assert trace(standin).count("who") == 1 and "p00000@example.com" in standin.emails(CHILD)


@pytest.mark.company(people=2)
def test_conflict_without_the_scope(conflicting, company):
    runner, standin = conflicting(scopes=["admin.users:read", "admin.users:write", "admin.roles:read"])
    detail, result = conflict(runner)
    assert "an account of another Umbrella organization has that address" in detail
    assert standin.calls("GET", "/organizations$")[0]["status"] == 403 and "next try" not in result.err


@pytest.mark.company(people=2)
def test_conflict_beyond_the_family(api, life, company):
    """Somebody whom no organisation of ours has; and Government, which can't be asked."""
    api.set_state(foreign=[company.people[1].email])
    detail, _ = conflict(life)
    asked = api.api == "umbrella"
    assert trace(api).count("who") == asked and ("one that this key can't ask about" in detail) == asked


@pytest.mark.slow
@pytest.mark.company(people=2)
def test_killed_while_asking(conflicting):
    for number in range(1, 60):
        runner, standin = conflicting()
        if runner.once(env={"IDSYNCD_FAILPOINT": f"job-step:{number}"}, expect=None).code != -9:
            break
        detail, _ = conflict(runner)
        assert f"({OTHER})" in detail and standin.emails(CHILD) == ["p00000@example.com"]
        standin.cleanup()
    assert number > 3


# --- last_of, protect ---

@pytest.mark.company(people=4, admins=2)
def test_last_two_admins_in_one_cycle(life, slapd, company, api):
    run(life, api)
    slapd.modify(group_dn("umbrella-admins"), member=BIND_DN)
    run(life, api)
    assert sorted(roles(api).values()).count("Full Admin") == 1
    assert acts(api).count("delete") == 1
    for _ in range(2):
        run(life, api)
        assert acts(api) == [] and sorted(roles(api).values()).count("Full Admin") == 1


@pytest.mark.company(people=4, admins=3)
def test_last_two_admins_one_after_the_other(life, slapd, company, api):
    """The third admin in the directory has no account here; so the last two go one after the other."""
    api.set_state(foreign=[company.people[2].email])
    run(life, api, expect=1)
    assert sorted(roles(api).values()).count("Full Admin") == 2
    slapd.leave("umbrella-admins", company.people[0])
    run(life, api, expect=1)
    assert acts(api) == ["get", "delete", "re-create"]
    slapd.leave("umbrella-admins", company.people[1])
    run(life, api, expect=1)
    assert acts(api) == [] and roles(api)[company.people[1].email] == "Full Admin"


@pytest.mark.company(people=4, admins=3)
def test_last_admin_while_another_goes(life, slapd, company, api):
    """The first demotion waits in the queue when the second comes: it counts as done."""
    api.set_state(foreign=[company.people[2].email])
    run(life, api, expect=1)
    api.fault("status", code=503, method="DELETE")
    slapd.leave("umbrella-admins", company.people[0])
    run(life, api, "--wait", "0s", expect=5)
    slapd.leave("umbrella-admins", company.people[1])
    run(life, api, "--wait", "20s", expect=1)
    assert acts(api) == ["get", "delete", "re-create"]
    run(life, api, "--wait", "20s", expect=1)
    assert acts(api) == [] and sorted(roles(api).values()).count("Full Admin") == 1


@pytest.mark.company(people=3, admins=1)
def test_last_admin_leaves(life, slapd, company, api):
    life.target.update({"leave": "delete", "leave_grace": "0s"})
    run(life, api)
    slapd.delete(company.people[0].dn)
    for _ in range(2):
        run(life, api)
        assert acts(api) == [] and roles(api)[company.people[0].email] == "Full Admin"


@pytest.mark.company(people=4, admins=1)
def test_protected_is_never_touched(life, slapd, company, api):
    person, leaver = company.people[2:]
    api.add_accounts(accounts=[p.account() for p in company.people[1:]])
    run(life, api)
    life.target.update({"leave": "delete", "leave_grace": "0s", "protect": [person.email, "p00003@*"]})
    slapd.join("umbrella-admins", person)
    slapd.delete(leaver.dn)
    for _ in range(2):
        run(life, api)
        assert acts(api) == []
    assert roles(api)[person.email] == "Read Only" and api.account(leaver.email)


# --- budget ---

@pytest.mark.company(people=3)
def test_delete_waits_for_both_calls(changing, company, standin):
    changing.target["rate"] = {"second": 100, "minute": 4, "half_hour": 1000}
    forget_calls(changing)
    changing.once("--wait", "1s", expect=1)
    assert acts(standin) == []                  # roles, list: two calls are free; get, delete, re-create need three
    standin.clear_ledger()
    changing.target["rate"]["minute"] = 1000
    changing.once("--wait", "1s", expect=0)
    assert acts(standin) == ["get", "delete", "re-create"]


@pytest.mark.company(people=8)
@pytest.mark.standin(limits=True)
def test_published_limits(make_idsyncd, slapd, company, standin):
    """14 calls a minute: whatever was deleted is there again when they are used up, and there was no 429."""
    standin.add_accounts(accounts=[p.account("Full Admin" if n == 0 else "Read Only") for n, p in enumerate(company.people)])
    runner = make_idsyncd(slapd, standin)
    runner.target["limits"] = dict(WIDE)
    del runner.target["rate"]
    for person in company.people[1:]:
        slapd.join("umbrella-admins", person)
    held = runner.once("--wait", "1s", expect=6)        # it adopts and changes in one go
    runner.once("--approve", held.target()["hash"], "--wait", "1s", expect=0)
    runner.once("--wait", "1s", expect=1)
    calls = standin.calls(path="^/admin")
    assert len(calls) <= 14 and not standin.calls(status=429)
    assert acts(standin).count("delete") == acts(standin).count("re-create") >= 2
    assert len(standin.emails()) == 8


@pytest.mark.company(people=3)
def test_many_organizations_one_key(make_idsyncd, make_standin, slapd, company):
    """One key: a token per organisation, one budget for all, at most 20 token calls a minute."""
    ids = list(range(2000001, 2000025))
    parent = 1000001
    standin = make_standin(limits=True, state={
        "organizations": [{"id": parent, "name": "Parent"}] + [
            {"id": n, "name": f"Child {n}", "parent": parent,
             "accounts": [p.account("Full Admin" if k == 0 else "Read Only")
                          for k, p in enumerate(company.people)]} for n in ids],
        "keys": [{"key": "test-key-73f1", "secret": "tell-nobody-secret-2207", "organization": parent}]},
        quirks={"cross_org": "invite"})
    runner = make_idsyncd(slapd, standin)
    runner.target["organizations"] = ids
    # Calls that leave evenly arrive in heaps where a machine is busy: two a second are never five.
    runner.target["rate"] = {"second": 2}
    runner.once("--wait", "5s")
    tokens = standin.calls("POST", "/token")
    assert len(tokens) <= 20 and not standin.calls(status=429)
    assert len(standin.calls(path="^/admin")) <= 14
    organizations = [c["organization"] for c in standin.calls(path="^/admin")]
    assert set(organizations) <= set(ids) and len(set(organizations)) > 2
