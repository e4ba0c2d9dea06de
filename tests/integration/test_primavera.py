# SPDX-License-Identifier: Apache-2.0
"""Oracle Primavera Administration: whole lives, jobs and their mishaps, roles that aren't ours, resets, long listings."""

import re
import sqlite3

import ldap
import pytest

from lib.company import Person
from lib.entries import Bound
from lib.process import wait_for
from lib.standin import ANALYTICS, KEY, P6, SECRET, UNIFIER, default_state
from lib.trace import trace, writes

API = pytest.mark.standin(api="primavera")
WIDE = {name: 5000 for name in ("create", "update", "enable", "disable", "reset")} | {"percent": 100}
SIGNAL = "employeeType"


def acts(standin):
    return trace(standin, but=("token", "list"))


def kinds(result):
    return sorted(a["action"] for a in result.actions(target="primavera"))


@pytest.fixture
def runner(make_idsyncd, slapd, standin):
    runner = make_idsyncd(slapd, standin)
    runner.target.update({"limits": dict(WIDE), "leave": "disable"})
    return runner


def run(runner, standin, *args, expect=0, **options):
    standin.clear_ledger()
    if runner.state_files():
        with sqlite3.connect(f"{runner.state}/idsyncd.db") as db:
            db.execute("DELETE FROM call")      # many runs in a minute would wait for tokens
    return runner.once(*args, expect=expect, **options)


def set_attribute(slapd, person, name, value):
    with Bound(slapd) as connection:
        connection.modify_s(person.dn, [(ldap.MOD_REPLACE, name, None if value is None else [value.encode()])])


# --- roles that aren't ours ---

def hand(standin, person, *more):
    """Somebody gives roles by hand, one of them with what no list of names can say."""
    standin.change_account(login=person.uid, fields={"roles": [{"name": ANALYTICS, "userAccessType": "odd"}, *more],
                                                     "manager": "boss"})


def by_hand_is_kept(standin, person):
    user = standin.user(person.uid)
    kept = [role for role in user["roles"] if role["name"] == ANALYTICS]
    return len(kept) == 1 and kept[0]["userAccessType"] == "odd" and user["manager"] == "boss"


@API
@pytest.mark.company(people=2, admins=0)
def test_role_given_by_hand_survives_every_update(runner, slapd, company, standin):
    runner.config["directory"]["password_reset"] = {"attribute": SIGNAL, "when": "true"}
    runner.target["password_reset"] = True
    person = company.people[1]
    run(runner, standin)
    hand(standin, person, P6)
    for change, calls, roles in (
            (lambda: slapd.join("primavera-unifier", person), ["get", "upsert", "job"], [ANALYTICS, P6, UNIFIER]),
            (lambda: set_attribute(slapd, person, "givenName", "Renamed"), ["get", "upsert", "job"],
             [ANALYTICS, P6, UNIFIER]),
            (lambda: set_attribute(slapd, person, "mail", "new@example.com"), ["get", "upsert", "job"],
             [ANALYTICS, P6, UNIFIER]),
            (lambda: set_attribute(slapd, person, SIGNAL, "TRUE"), ["reset"], [ANALYTICS, P6, UNIFIER]),
            (lambda: slapd.leave("primavera-unifier", person), ["get", "upsert", "job"], [ANALYTICS, P6])):
        change()
        run(runner, standin)
        assert acts(standin) == calls
        assert standin.roles(person.uid) == roles and by_hand_is_kept(standin, person), standin.user(person.uid)
    hand(standin, person)               # somebody took ours away, and gave theirs: ours come back, theirs stay
    run(runner, standin)
    assert standin.roles(person.uid) == [ANALYTICS, P6] and by_hand_is_kept(standin, person)


@API
@pytest.mark.company(people=2, admins=0)
def test_role_given_by_hand_after_the_listing(runner, slapd, company, standin):
    """It is in no listing of ours, and the plan doesn't know it: the look right before the update does."""
    person = company.people[1]
    run(runner, standin)
    slapd.join("primavera-unifier", person)
    standin.fault("delay", seconds=3, method="GET", path="/v3/user$", count=1)  # answered before, told after
    runner.write()
    standin.clear_ledger()
    daemon = runner.start(ready=False)
    wait_for(lambda: standin.calls("GET", "/v3/user$"), 20, "the listing")
    hand(standin, person, P6)
    wait_for(lambda: UNIFIER in standin.roles(person.uid), 20, "the update")
    assert standin.roles(person.uid) == [ANALYTICS, P6, UNIFIER] and by_hand_is_kept(standin, person)
    assert daemon.terminate() == 0


@pytest.mark.parametrize("leave", ["keep", "disable"])
@pytest.mark.company(people=2, services=("primavera",))
def test_lock_goes_with_the_directory_s(make_idsyncd, make_standin, slapd, company, leave):
    """A lock is lifted once, when the directory's own ends; any other stays as it is."""
    standin = make_standin(api="primavera")
    runner = make_idsyncd(slapd, standin)
    runner.target.update({"limits": dict(WIDE), "leave": leave})
    runner.config["directory"]["disabled"] = {"attribute": "description", "when": "value:disabled"}
    person = company.people[1]

    def lock():
        standin.change_account(login=person.uid, fields={"locked": True, "disabled": False})
    run(runner, standin)
    lock()                                              # wrong passwords
    for _ in range(2):
        run(runner, standin)
        assert acts(standin) == [] and standin.user(person.uid)["locked"]
    set_attribute(slapd, person, "description", "disabled")
    run(runner, standin)
    assert standin.user(person.uid)["disabled"] == (leave == "disable")
    lock()                                              # whoever enabled it by hand
    set_attribute(slapd, person, "description", None)
    result = run(runner, standin)
    enable, = result.actions("enable", target="primavera")
    assert (enable["before"]["status"], enable["after"]) == ("locked", {"status": "unlocked"})
    assert acts(standin) == ["get", "lock", "get"] and standin.user(person.uid)["can_sign_in"]
    body, = standin.calls("PUT", "/change-lock$")
    assert body["body"] == [{"loginId": person.uid, "locked": False, "id": standin.user(person.uid)["id"]}]
    run(runner, standin)
    lock()                                              # and again wrong passwords
    for _ in range(2):
        run(runner, standin)
        assert writes(standin) == [] and standin.user(person.uid)["locked"]


@API
@pytest.mark.company(people=2)
def test_leaver_kept(runner, slapd, company, standin):
    del runner.target["leave"]
    run(runner, standin)
    slapd.delete(company.people[1].dn)
    run(runner, standin)
    assert acts(standin) == [] and standin.user("p00001")["can_sign_in"]


@API
@pytest.mark.company(people=1)
def test_login_change_is_drift(runner, slapd, company, standin):
    runner.target.update({"groups": [], "applications": []})
    run(runner, standin)
    slapd.rename(company.people[0].dn, "uid=other")
    result = run(runner, standin)
    assert acts(standin) == []
    drift, = result.target("primavera")["drift"]
    assert (drift["field"], drift["directory"], drift["account"]) == ("login", "other", "p00000")


# --- what a create must not overwrite ---

@API
@pytest.mark.company(people=2)
def test_login_of_another_address_blocks(runner, standin):
    standin.add_accounts(accounts=[{"loginId": "P00001", "emailAddress": "somebody@example.com", "roles": [ANALYTICS]}])
    result = run(runner, standin, expect=1)
    blocked, = result.target("primavera")["blocked"]
    assert "P00001" in blocked["reason"] and "somebody@example.com" in blocked["reason"]
    assert standin.user("p00001")["email"] == "somebody@example.com" and standin.roles("p00001") == [ANALYTICS]
    assert standin.user("p00000")["can_sign_in"]


@API
@pytest.mark.company(people=1)
def test_login_taken_after_the_plan(runner, standin):
    """Somebody takes the login between the listing of the plan and the one of the create."""
    # The answer is made before it is held back: the thief comes after it, and before the next listing begins.
    standin.fault("delay", seconds=3, method="GET", path="/v3/user$", count=1)
    runner.write()
    daemon = runner.start(ready=False)
    wait_for(lambda: len(standin.calls("GET", "/v3/user$")) >= 1, 20, "the first listing")
    standin.add_accounts(accounts=[{"loginId": "p00000", "emailAddress": "thief@example.com"}])
    daemon.wait_log("is that of the account with the address thief@example.com", 20)
    assert "upsert" not in trace(standin) and standin.user("p00000")["email"] == "thief@example.com"
    daemon.terminate()


@API
@pytest.mark.company(people=1)
def test_address_is_adopted(runner, company, standin):
    standin.add_accounts(accounts=[{"loginId": "OTHER", "emailAddress": "P00000@Example.com", "roles": [P6, UNIFIER],
                                    "firstName": company.people[0].first, "lastName": company.people[0].last}])
    result = run(runner, standin)
    assert kinds(result) == ["adopt"] and acts(standin) == []


@API
def test_own_user_is_left_alone(runner, slapd, standin):
    own = Person("own", email=f"{KEY}@example.com")
    slapd.add_person(own, "primavera")
    run(runner, standin)
    slapd.leave("primavera", own)
    run(runner, standin)
    assert standin.user(KEY)["can_sign_in"] and acts(standin) == []


# --- jobs ---

@pytest.mark.parametrize("tell", ["absolute", "path", "relative", "typo", "body"])
@pytest.mark.company(people=1, services=("primavera",))
def test_job_places(make_standin, make_idsyncd, slapd, tell):
    standin = make_standin(api="primavera", quirks={"tenant": "abc-prod", "put_needs_id": True,
                                                     "job": {"tell": tell, "polls": 2}})
    runner = make_idsyncd(slapd, standin)
    run(runner, standin)
    assert acts(standin) == ["upsert", "job", "job", "job", "reset"] and standin.user("p00000")["can_sign_in"]


@pytest.mark.parametrize("tell", ["elsewhere", "none"])
@pytest.mark.company(people=1, services=("primavera",))
def test_job_of_nowhere(make_standin, make_idsyncd, slapd, tell):
    """A place at another host is never visited; the listing tells what became of it."""
    standin = make_standin(api="primavera", quirks={"job": {"tell": tell}})
    runner = make_idsyncd(slapd, standin)
    run(runner, standin)
    assert "job" not in trace(standin) and writes(standin) == ["upsert", "reset"]
    assert standin.user("p00000")["can_sign_in"]


@pytest.mark.slow
@pytest.mark.standin(api="primavera", quirks={"job": {"polls": 3}})
@pytest.mark.company(people=4, admins=4)
def test_one_job_at_a_time(runner, standin):
    run(runner, standin)
    order = [name for name in trace(standin) if name in ("upsert", "job")]
    assert order == 4 * ["upsert", "job", "job", "job", "job"]
    assert [c["status"] for c in standin.calls("POST")] == 4 * [202]


@pytest.mark.standin(api="primavera", quirks={"job": {"busy": 409}})
@pytest.mark.company(people=1)
def test_somebody_elses_job(runner, standin):
    standin.start_job(seconds=1000)
    run(runner, standin, "--wait", "1s", expect=1)
    assert acts(standin) == ["upsert"] and standin.user("p00000") is None
    standin.finish_job()
    runner.config["directory"]["poll_interval"] = "1h"
    result = run(runner, standin, expect=None)
    wait_for(lambda: standin.user("p00000"), 5, "the account") if result.code == 0 else None
    assert result.code == 0 and standin.user("p00000")["can_sign_in"]


@API
@pytest.mark.company(people=2)
def test_failed_users(runner, standin):
    standin.script(login="p00000", text="User could not be created: no licence", effect="none")
    result = run(runner, standin, expect=1)
    dead, = [a for a in result.actions("create", target="primavera") if a["state"] == "dead"]
    assert "no licence" in dead["detail"] and dead["address"] == "p00000@example.com"
    assert standin.user("p00000") is None and standin.user("p00001")["can_sign_in"]


@API
@pytest.mark.company(people=1)
def test_half_created(runner, standin):
    """The user is there and has no access: it is ours, gets its password, and the roles are asked for again."""
    standin.script(login="p00000", text="User created, but Application Access failed", effect="fields")
    words = f"User created, but Application Access failed; asked for {P6} (applications[0]), {UNIFIER} (applications[1])"
    result = run(runner, standin, expect=None)
    create, = result.actions("create", target="primavera")
    assert (create["state"], create["detail"]) == ("done", f"Primavera said: {words}"), create
    assert re.search(f"^warning: .*done, account p00000; Primavera said: {re.escape(words)}", result.err, re.M), result.err
    assert standin.user("p00000")["can_sign_in"] and standin.roles("p00000") == []
    run(runner, standin)
    assert acts(standin) == ["get", "upsert", "job"] and standin.roles("p00000") == [P6, UNIFIER]


@API
@pytest.mark.company(people=1)
def test_unknown_application(runner, standin):
    """No call tells which applications there are: the dead letter names the row that asks for one that isn't."""
    runner.target["applications"] += [{"names": ["P6Prodction"]}]
    run(runner, standin)
    assert standin.user("p00000")["can_sign_in"] and standin.roles("p00000") == []
    result = run(runner, standin, expect=1)
    dead, = result.actions("update", target="primavera")
    assert dead["state"] == "dead" and "User updated, but Application Access failed" in dead["detail"]
    assert "P6Prodction (applications[2])" in dead["detail"]
    del runner.target["applications"][2]                # another wish: it isn't held back by the dead letter
    held = run(runner, standin, expect=6)
    run(runner, standin, "--approve", held.target("primavera")["hash"])
    assert standin.roles("p00000") == [P6, UNIFIER]


@pytest.mark.parametrize("outcome", ["lost", "lost-applied", "error-applied"])
@pytest.mark.company(people=1, services=("primavera",))
def test_lost_job(make_standin, make_idsyncd, slapd, outcome):
    standin = make_standin(api="primavera", quirks={"job": {"outcome": outcome}})
    runner = make_idsyncd(slapd, standin)
    result = run(runner, standin, "--wait", "3s", expect=None)
    create, = result.actions("create", target="primavera")
    if outcome == "lost-applied":
        assert result.code == 0 and writes(standin) == ["upsert", "reset"]
    elif outcome == "lost":
        assert result.code == 1 and writes(standin) == 3 * ["upsert"]
        assert "ended without a word" in create["detail"]
    else:                               # what can't be read says nothing: it is asked again, and nothing sent twice
        assert result.code == 5 and writes(standin) == ["upsert"] and create["state"] == "running", create


@API
@pytest.mark.company(people=1)
def test_update_goes_right_after_its_look(runner, slapd, company, standin):
    """What was found is sent back while it is new, also where there are few calls."""
    run(runner, standin)
    set_attribute(slapd, company.people[0], "givenName", "Renamed")
    runner.target["rate"] = {"second": 2, "minute": 1000, "half_hour": 1000}
    run(runner, standin)
    calls = [(name, call["wall"]) for name, call in zip(trace(standin, but=()), standin.calls(), strict=True)]
    look, update = (next(when for name, when in calls if name == word) for word in ("get", "upsert"))
    assert update - look < 0.9, calls


@API
@pytest.mark.company(people=1)
def test_user_missing_in_the_result(runner, standin):
    standin.script(login="p00000", text="", effect="all", ok=True, report=False)
    run(runner, standin)
    assert writes(standin) == ["upsert", "reset"] and standin.user("p00000")["can_sign_in"]


# --- resets ---

def with_accounts(standin, company):
    standin.add_accounts(accounts=[p.user(roles=[P6]) for p in company.people])


@pytest.fixture
def resetting(runner):
    runner.config["directory"]["password_reset"] = {"attribute": SIGNAL, "when": "true"}
    runner.target.update({"password_reset": True, "reset_batch": 100})
    return runner


@API
@pytest.mark.company(people=1000, admins=0)
def test_thousand_resets(resetting, slapd, company, standin):
    with_accounts(standin, company)
    run(resetting, standin)
    slapd.modify_all(company.people, **{SIGNAL: "TRUE"})
    run(resetting, standin, timeout=120)
    assert writes(standin) == 10 * ["reset"]
    assert {a["resets"] for a in standin.users()} == {1} and {a["mails"] for a in standin.users()} == {1}
    assert {tuple(role["name"] for role in a["roles"]) for a in standin.users()} == {(P6,)}


@pytest.mark.parametrize("mode", ["manual", "auto"])
@pytest.mark.company(people=12, admins=0, services=("primavera",))
def test_one_bad_member_stops_nobody(make_standin, make_idsyncd, slapd, company, mode):
    """Somebody removes a user between the listing and the call: the batch is halved until that one is alone."""
    standin = make_standin(api="primavera")
    runner = make_idsyncd(slapd, standin)
    runner.config["directory"]["password_reset"] = {"attribute": SIGNAL, "when": "true"}
    runner.target.update({"password_reset": True, "reset": mode, "limits": dict(WIDE), "gone": "report"})
    with_accounts(standin, company)
    run(runner, standin)
    slapd.modify_all(company.people, **{SIGNAL: "TRUE"})
    bad = company.people[7]
    standin.clear_ledger()
    standin.fault("delay", seconds=3, method="GET", path="/v3/user$", count=1)  # answered before, told after
    daemon = runner.start(ready=False)
    wait_for(lambda: standin.calls("GET", "/v3/user$"), 20, "the listing")
    standin.remove_accounts(logins=[bad.uid])
    line = daemon.wait_log(f"reset {bad.email}: given up: .*", 20)[0]
    daemon.wait_for(lambda: {a["resets"] for a in standin.users()} == {1}, 20, "the others")
    assert daemon.terminate() == 0
    tried = [c["body"] for c in standin.calls("PUT", "-pwd")]
    if mode == "auto":                      # its answer tells who failed
        assert len(tried) == 1 and "User does not exist" in line
    else:
        assert len(tried) <= 2 * 4 + 1 and [len(body) for body in tried if bad.uid in [u["loginId"] for u in body]][-1] == 1


@API
@pytest.mark.company(people=3, admins=0)
def test_automatic_resets(resetting, slapd, company, standin):
    resetting.target["reset"] = "auto"
    with_accounts(standin, company)
    run(resetting, standin)
    slapd.modify_all(company.people, **{SIGNAL: "TRUE"})
    run(resetting, standin)
    assert writes(standin) == ["auto-reset"] and {a["resets"] for a in standin.users()} == {1}
    body = standin.calls("PUT", "/auto-reset-pwd$")[0]["body"]
    assert sorted(body) == ["p00000", "p00001", "p00002"]


@API
@pytest.mark.company(people=2, admins=0)
def test_no_mail(resetting, slapd, company, standin):
    resetting.target["email_password"] = False
    with_accounts(standin, company)
    run(resetting, standin)
    slapd.modify_all(company.people[:1], **{SIGNAL: "TRUE"})
    run(resetting, standin)
    assert standin.user("p00000")["resets"] == 1 and standin.user("p00000")["mails"] == 0


@pytest.mark.parametrize("dates", ["object", "string"])
@pytest.mark.parametrize("execute", [True, False])
@pytest.mark.company(people=2, admins=0, services=("primavera",))
def test_uncertain_resets(make_standin, make_idsyncd, slapd, company, dates, execute):
    """The answer never comes: the date in the listing tells whether it was done."""
    standin = make_standin(api="primavera", quirks={"dates": dates})
    runner = make_idsyncd(slapd, standin)
    runner.config["directory"]["password_reset"] = {"attribute": SIGNAL, "when": "true"}
    runner.target.update({"password_reset": True, "limits": dict(WIDE)})
    with_accounts(standin, company)
    run(runner, standin)
    slapd.modify_all(company.people, **{SIGNAL: "TRUE"})
    standin.fault("reset", execute=execute, method="PUT", path="/manual-reset-pwd/", count=1)
    run(runner, standin, "--wait", "10s")
    assert {a["resets"] for a in standin.users()} == {1}
    assert writes(standin) == ["reset"] if execute else 2 * ["reset"]


@API
@pytest.mark.company(people=1)
def test_password_repeated_until_it_is_set(runner, standin):
    standin.fault("status", code=503, method="PUT", path="/manual-reset-pwd/", count=2)
    run(runner, standin, "--wait", "20s")
    assert writes(standin) == ["upsert", "reset", "reset", "reset"] and standin.user("p00000")["resets"] == 1


# --- tokens and rights ---

@pytest.mark.standin(api="primavera", quirks={"basic": True})
@pytest.mark.company(people=1)
def test_basic(runner, standin):
    runner.target["auth"] = "basic"
    run(runner, standin)
    assert "token" not in trace(standin, but=()) and standin.user("p00000")["can_sign_in"]


@pytest.mark.standin(api="primavera", quirks={"token_text": "newline"})
@pytest.mark.company(people=1)
def test_token_with_newline(runner, standin):
    run(runner, standin)
    assert trace(standin, but=())[0] == "token"


@pytest.mark.parametrize("code", [401, 403, 404])
@pytest.mark.company(people=2, services=("primavera",))
def test_not_allowed(make_standin, make_idsyncd, slapd, code):
    """404 for want of rights: nobody is taken for absent."""
    state = {**default_state("primavera"), "keys": [{"key": KEY, "secret": SECRET, "may": ["write"]}]}
    standin = make_standin(api="primavera", state=state, quirks={"unauthorized": code})
    runner = make_idsyncd(slapd, standin)
    result = run(runner, standin, "--wait", "1s", expect=5)
    assert result.target("primavera")["state"] == "parked" and writes(standin) == []


@API
@pytest.mark.company(people=2, admins=0)
def test_404_is_no_proof(runner, slapd, company, standin):
    run(runner, standin)
    slapd.leave("primavera", company.people[1])
    standin.fault("status", code=404, method="GET", path="/v3/user/p00001$", count=1)
    result = run(runner, standin, expect=1)
    action, = result.actions("disable", target="primavera")
    assert action["state"] == "dead" and "can't be fetched" in action["detail"]
    assert not standin.user("p00001")["disabled"]


# --- a long listing ---

@pytest.mark.slow
@pytest.mark.company(people=1, admins=0, services=("primavera",))
def test_fifty_thousand_users(make_standin, make_idsyncd, slapd):
    users = [{"loginId": f"user{n:06d}", "emailAddress": f"user{n:06d}@example.com", "firstName": f"First{n}",
              "lastName": f"Last{n}", "roles": [P6, UNIFIER] if n % 3 else [P6]} for n in range(50000)]
    idle = make_standin(api="primavera")
    big = make_standin(api="primavera", state={**default_state("primavera"), "users": users})
    sizes = []
    for standin in (idle, big):
        runner = make_idsyncd(slapd, standin)
        runner.target["max_listing"] = "512MiB"
        daemon = runner.start()
        daemon.wait_log("reset .*: done", 60)
        assert standin.user("p00000")["can_sign_in"]
        with open(f"/proc/{daemon.pid}/status") as status:
            sizes.append(int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]))
        assert daemon.terminate() == 0
    print(f"peak: {sizes[0]} KiB idle, {sizes[1]} KiB with 50,000 users")
    assert sizes[1] - sizes[0] <= 32 * 1024
