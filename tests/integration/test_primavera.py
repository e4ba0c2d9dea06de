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

API = pytest.mark.standin(api="primavera")
WIDE = {name: 5000 for name in ("create", "update", "enable", "disable", "reset")} | {"percent": 100}
SIGNAL = "employeeType"


def trace(standin, tokens=False):
    """The calls in order: list, get, upsert, job, status, lock, reset, auto-reset."""
    found = []
    for call in standin.calls():
        path = call["path"].partition("/cloudapi/restapi")[2]
        name = ("token" if path.startswith("/oauth2/") else
                "list" if (call["method"], path) == ("GET", "/v3/user") else
                "upsert" if call["method"] == "POST" else
                "job" if path.startswith("/v3/user/status/") else
                "status" if path.endswith("/change-status") else
                "lock" if path.endswith("/change-lock") else
                "reset" if "/manual-reset-pwd/" in path else
                "auto-reset" if path.endswith("/auto-reset-pwd") else "get")
        if tokens or name != "token":
            found.append(name)
    return found


def acts(standin):
    return [name for name in trace(standin) if name != "list"]


def writes(standin):
    return [name for name in trace(standin) if name not in ("list", "get", "job")]


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


CREATE = ["upsert", "job"]


# --- a life ---

@API
@pytest.mark.company(people=2, admins=1)
def test_life(runner, slapd, company, standin):
    person = company.people[1]
    runner.config["directory"] |= {"disabled": {"attribute": "description", "when": "value:disabled"},
                                   "password_reset": {"attribute": SIGNAL, "when": "true"}}
    runner.target["password_reset"] = True

    run(runner, standin)                                # join: one listing more, younger than the plan
    assert trace(standin)[:2] == ["list", "list"] and trace(standin).count("list") == 2
    assert sorted(acts(standin)) == sorted(2 * ["upsert", "job", "reset"])
    assert standin.roles("p00000") == [P6, UNIFIER] and standin.roles("p00001") == [P6]
    user = standin.user(person.uid)
    assert user["email"] == person.email and user["can_sign_in"] and user["resets"] == user["mails"] == 1
    assert user["firstName"] == person.first and user["organization"]["id"] == "1" and user["userType"] == "EMP"
    run(runner, standin)
    assert trace(standin) == ["list"]

    standin.change_account(login=person.uid, fields={"roles": [P6, {"name": ANALYTICS, "userAccessType": "odd"}],
                                                     "manager": "boss"})
    slapd.join("primavera-unifier", person)             # role change; one given by hand is kept as it is
    result = run(runner, standin)
    assert kinds(result) == ["update"] and trace(standin) == ["list", "get", "upsert", "job"]
    assert standin.roles(person.uid) == [ANALYTICS, P6, UNIFIER]
    kept = next(role for role in standin.user(person.uid)["roles"] if role["name"] == ANALYTICS)
    assert kept["userAccessType"] == "odd" and standin.user(person.uid)["manager"] == "boss"

    set_attribute(slapd, person, "givenName", "Renamed")        # rename
    run(runner, standin)
    assert trace(standin) == ["list", "get", "upsert", "job"]
    assert standin.user(person.uid)["firstName"] == "Renamed" and standin.roles(person.uid) == [ANALYTICS, P6, UNIFIER]

    set_attribute(slapd, person, "mail", "new@example.com")     # new address: the same person
    result = run(runner, standin)
    assert kinds(result) == ["update"] and acts(standin) == ["get", "upsert", "job"]
    assert standin.user(person.uid)["email"] == "new@example.com"
    run(runner, standin)
    assert trace(standin) == ["list"]

    set_attribute(slapd, person, SIGNAL, "TRUE")        # reset
    run(runner, standin)
    assert trace(standin) == ["list", "reset"]
    assert standin.user(person.uid)["resets"] == 2 and standin.user(person.uid)["mails"] == 2
    assert standin.roles(person.uid) == [ANALYTICS, P6, UNIFIER]

    standin.change_account(login=person.uid, fields={"locked": True})
    set_attribute(slapd, person, "description", "disabled")     # locked in the directory
    result = run(runner, standin)
    assert kinds(result) == ["disable"] and trace(standin) == ["list", "get", "status", "get", "upsert", "job"]
    user = standin.user(person.uid)
    assert user["disabled"] and user["roles"] == []
    action, = result.actions("disable", target="primavera")
    assert action["before"]["roles"] == [ANALYTICS, P6, UNIFIER] and action["after"]["roles"] == []
    run(runner, standin)
    assert trace(standin) == ["list"]

    set_attribute(slapd, person, "description", None)   # and unlocked
    result = run(runner, standin)
    assert kinds(result) == ["enable"] and trace(standin) == ["list", "get", "lock", "get", "status"]
    user = standin.user(person.uid)
    assert not user["disabled"] and not user["locked"]
    result = run(runner, standin)                       # what is left follows
    assert kinds(result) == ["update"] and trace(standin) == ["list", "get", "upsert", "job"]
    assert standin.roles(person.uid) == [P6, UNIFIER]

    slapd.leave("primavera", person)                    # leave
    run(runner, standin)
    assert acts(standin) == ["get", "status", "get", "upsert", "job"]
    assert standin.user(person.uid)["disabled"] and standin.roles(person.uid) == []

    slapd.join("primavera", person)                     # return
    run(runner, standin)
    assert acts(standin) == ["get", "status"] and not standin.user(person.uid)["disabled"]
    run(runner, standin)
    assert acts(standin) == ["get", "upsert", "job"] and standin.user(person.uid)["can_sign_in"]
    run(runner, standin)
    assert trace(standin) == ["list"] and standin.user("p00000")["resets"] == 1


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
    standin = make_standin(api="primavera", quirks={"tenant": "abc-prod", "job": {"tell": tell, "polls": 2}})
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


@pytest.mark.parametrize("outcome, there", [("lost", False), ("lost-applied", True), ("error", False),
                                            ("error-applied", True)])
@pytest.mark.company(people=1, services=("primavera",))
def test_lost_job(make_standin, make_idsyncd, slapd, outcome, there):
    standin = make_standin(api="primavera", quirks={"job": {"outcome": outcome}})
    runner = make_idsyncd(slapd, standin)
    result = run(runner, standin, "--wait", "5s", expect=None)
    if there and outcome.startswith("lost"):
        assert result.code == 0 and writes(standin) == ["upsert", "reset"]
    if not there and outcome == "lost":
        assert result.code == 1 and writes(standin) == 3 * ["upsert"]
        assert "ended without a word" in result.actions("create", target="primavera")[0]["detail"]


@API
@pytest.mark.company(people=1)
def test_user_missing_in_the_result(runner, standin):
    standin.script(login="p00000", text="", effect="all", ok=True, report=False)
    run(runner, standin)
    assert writes(standin) == ["upsert", "reset"] and standin.user("p00000")["can_sign_in"]


# --- kill -9 ---

def survives(runner, standin, point, number, check, again=False):
    """A run that is killed, and one that finishes; CHECK is true then. AGAIN: what is left follows in a run of its own."""
    killed = run(runner, standin, env={"IDSYNCD_FAILPOINT": f"{point}:{number}"}, expect=None)
    assert killed.code in (0, -9), killed
    wait_for(lambda: all(job["state"] != "running" for job in standin.jobs()), 5, "the end of the job")
    done = runner.once("--wait", "5s", expect=None)
    assert done.code == 0, done
    assert check() is True, check()
    if again:
        runner.once(expect=0)
    standin.clear_ledger()
    last = runner.once(expect=0)
    assert writes(standin) == [], last
    return killed.code == -9


POINTS = ["job-step", "call-recorded", "call-write-answered", "call-read-answered", "reset-answered", "reset-recorded",
          "store-committed"]


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.company(people=1, services=("primavera",))
def test_killed_while_creating(make_idsyncd, standin_of_jobs, slapd, point):
    standin = standin_of_jobs
    for number in range(1, 60):
        standin.reset()
        runner = make_idsyncd(slapd, standin)

        def check():
            user = standin.user("p00000")
            return (user["can_sign_in"] and user["resets"] == 1 and standin.roles("p00000") == [P6, UNIFIER]) or user
        if not survives(runner, standin, point, number, check):
            break


def role_change(slapd, person):
    slapd.join("primavera-unifier", person)
    return lambda user: [role["name"] for role in user["roles"]] == [ANALYTICS, P6, UNIFIER]


def leaving(slapd, person):
    slapd.leave("primavera", person)
    return lambda user: user["disabled"] and user["roles"] == []


def returning(slapd, person):
    set_attribute(slapd, person, "description", None)
    return lambda user: not user["disabled"] and not user["locked"]


def resetting_one(slapd, person):
    set_attribute(slapd, person, SIGNAL, "TRUE")
    return lambda user: user["resets"] == user["mails"] == 1


def forget(slapd, person):
    """The directory as it was."""
    for name in ("description", SIGNAL):
        set_attribute(slapd, person, name, None)
    for group, member in (("primavera", True), ("primavera-unifier", False)):
        try:
            (slapd.join if member else slapd.leave)(group, person)
        except ldap.LDAPError:
            pass


@pytest.mark.slow
@pytest.mark.parametrize("change", [role_change, leaving, returning, resetting_one])
@pytest.mark.parametrize("point", POINTS[:6])
@pytest.mark.company(people=2, admins=0, services=("primavera",))
def test_killed_while_changing(make_idsyncd, standin_of_jobs, slapd, company, point, change):
    standin = standin_of_jobs
    person = company.people[1]
    for number in range(1, 40):
        standin.reset()
        forget(slapd, person)
        standin.add_accounts(accounts=[p.user(roles=[ANALYTICS, P6]) for p in company.people])
        runner = make_idsyncd(slapd, standin)
        runner.config["directory"] |= {"disabled": {"attribute": "description", "when": "value:disabled"},
                                       "password_reset": {"attribute": SIGNAL, "when": "true"}}
        runner.target.update({"leave": "disable", "limits": dict(WIDE), "password_reset": True})
        runner.once(expect=0)
        if change is returning:
            set_attribute(slapd, person, "description", "disabled")
            runner.once(expect=0)
            standin.change_account(login=person.uid, fields={"locked": True})
        fits = change(slapd, person)

        def check():
            user = standin.user(person.uid)
            return fits(user) or user
        if not survives(runner, standin, point, number, check, again=change is returning):
            break


@pytest.fixture
def standin_of_jobs(make_standin):
    return make_standin(api="primavera", quirks={"job": {"seconds": 0.2}})


# --- resets ---

def with_accounts(standin, company):
    standin.add_accounts(accounts=[p.user(roles=[P6]) for p in company.people])


@pytest.fixture
def resetting(runner):
    runner.config["directory"]["password_reset"] = {"attribute": SIGNAL, "when": "true"}
    runner.target.update({"password_reset": True, "reset_batch": 100})
    return runner


def signal_all(slapd, people):
    with Bound(slapd) as connection:
        for person in people:
            connection.modify_s(person.dn, [(ldap.MOD_REPLACE, SIGNAL, [b"TRUE"])])


@API
@pytest.mark.company(people=1000, admins=0)
def test_thousand_resets(resetting, slapd, company, standin):
    with_accounts(standin, company)
    run(resetting, standin)
    signal_all(slapd, company.people)
    run(resetting, standin, timeout=120)
    assert writes(standin) == 10 * ["reset"]
    assert {a["resets"] for a in standin.users()} == {1} and {a["mails"] for a in standin.users()} == {1}
    assert {tuple(role["name"] for role in a["roles"]) for a in standin.users()} == {(P6,)}


@API
@pytest.mark.company(people=5, admins=0)
def test_one_bad_member(resetting, slapd, company, standin):
    with_accounts(standin, company)
    run(resetting, standin)
    signal_all(slapd, company.people)
    standin.fault("status", code=400, method="PUT", path="/manual-reset-pwd/", count=1)
    run(resetting, standin)
    assert writes(standin)[0] == "reset" and {a["resets"] for a in standin.users()} == {1}


@API
@pytest.mark.company(people=3, admins=0)
def test_automatic_resets(resetting, slapd, company, standin):
    resetting.target["reset"] = "auto"
    with_accounts(standin, company)
    run(resetting, standin)
    signal_all(slapd, company.people)
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
    signal_all(slapd, company.people[:1])
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
    signal_all(slapd, company.people)
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
    assert "token" not in trace(standin, tokens=True) and standin.user("p00000")["can_sign_in"]


@pytest.mark.standin(api="primavera", quirks={"token_text": "newline"})
@pytest.mark.company(people=1)
def test_token_with_newline(runner, standin):
    run(runner, standin)
    assert trace(standin, tokens=True)[0] == "token"


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
        daemon.wait_for(lambda: standin.user("p00000") and standin.user("p00000")["can_sign_in"], 60, "the account")
        with open(f"/proc/{daemon.pid}/status") as status:
            sizes.append(int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]))
        assert daemon.terminate() == 0
    print(f"peak: {sizes[0]} KiB idle, {sizes[1]} KiB with 50,000 users")
    assert sizes[1] - sizes[0] <= 32 * 1024
