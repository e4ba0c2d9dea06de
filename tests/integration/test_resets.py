# SPDX-License-Identifier: Apache-2.0
"""Password resets: by the directory's signal, on its edge, once; in batches; and on an operator's word."""

import sqlite3

import pytest

from lib.bus import compared

PARENT, CHILD = 1000001, 2000001
KEY = {"key": "test-key-73f1", "secret": "tell-nobody-secret-2207", "organization": PARENT}
WIDE = {name: 2000 for name in ("create", "update", "recreate", "delete", "reset")} | {"percent": 100}
SIGNAL = "employeeType"
UNKNOWN = "it is unknown whether the password was reset"


def family(people=(), admins=1):
    """The state of a stand-in: a parent with the key, and a child with these people's accounts."""
    accounts = [p.account("Full Admin" if n < admins else "Read Only") for n, p in enumerate(people)]
    return {"organizations": [{"id": PARENT, "name": "Parent"},
                              {"id": CHILD, "name": "Child", "parent": PARENT, "accounts": accounts}], "keys": [KEY]}


@pytest.fixture
def api(make_standin, company):
    return make_standin(state=family(company.people))


@pytest.fixture
def runner(make_idsyncd, slapd, api):
    runner = make_idsyncd(slapd, api)
    runner.config["directory"]["password_reset"] = {"attribute": SIGNAL, "when": "true"}
    runner.target.update({"organization": CHILD, "password_reset": True, "limits": dict(WIDE)})
    return runner


def run(runner, api, *args, expect=0, **options):
    api.clear_ledger()
    if runner.state_files():
        with sqlite3.connect(f"{runner.state}/idsyncd.db") as db:
            db.execute("DELETE FROM call")      # many runs in a minute would wait for tokens
    return runner.once(*args, expect=expect, **options)


def signal(slapd, people, value="TRUE", attribute=SIGNAL):
    slapd.modify_all(people, **{attribute: value})


def resets(api):
    """How often each account's password was reset, those never left out."""
    return {a["email"]: a["resets"] for a in api.accounts(organization=CHILD) if a["resets"]}


def calls(api):
    return [c["body"]["adminEmails"] for c in api.calls("POST", "/passwordResets/")]


# --- the edge ---

@pytest.mark.company(people=3)
def test_edge_fires_once(runner, slapd, company, api):
    person = company.people[2]
    signal(slapd, [company.people[1]])
    run(runner, api)                            # the first sight records, whatever the value
    run(runner, api)
    assert calls(api) == [] and resets(api) == {}

    signal(slapd, [person])
    result = run(runner, api)
    assert calls(api) == [[person.email]] and resets(api) == {person.email: 1}
    assert [a["state"] for a in result.actions("reset")] == ["done"]
    call, = api.calls("POST", "/passwordResets/")
    assert call["path"].endswith(f"/{CHILD}") and call["organization"] == PARENT     # the parent's token
    assert {c["organization"] for c in api.calls(path="/users|/roles")} == {CHILD}

    for value in ("TRUE", "FALSE", None):       # nothing new, and its end
        signal(slapd, [person], value)
        run(runner, api)
        assert calls(api) == []
    signal(slapd, [person], "true")
    run(runner, api)
    assert calls(api) == [[person.email]] and resets(api) == {person.email: 2}


@pytest.mark.company(people=3)
def test_password_policy_attribute(runner, slapd, company, api):
    """pwdReset, as OpenLDAP's overlay has it."""
    runner.config["directory"]["password_reset"]["attribute"] = "pwdReset"
    run(runner, api)
    slapd.modify(company.people[1].dn, userPassword="Initial-password-1")
    signal(slapd, [company.people[1]], "TRUE", "pwdReset")
    run(runner, api)
    assert calls(api) == [[company.people[1].email]]


@pytest.mark.company(people=3)
def test_changed(runner, slapd, company, api):
    runner.config["directory"]["password_reset"]["when"] = "changed"
    person = company.people[1]
    signal(slapd, [person], "20260101000000Z")
    run(runner, api)
    for value, fires in (("20260102000000Z", True), ("20260102000000Z", False), (None, False), ("20260103000000Z", True)):
        signal(slapd, [person], value)
        run(runner, api)
        assert calls(api) == ([[person.email]] if fires else []), value


@pytest.mark.company(people=3)
def test_not_asked_for(runner, slapd, company, api):
    runner.target["password_reset"] = False
    run(runner, api)
    signal(slapd, company.people)
    run(runner, api)
    assert calls(api) == []


@pytest.mark.company(people=4, outsiders=1)
def test_without_account_it_is_consumed(runner, slapd, company, api):
    outsider = company.people[3]
    api.remove_accounts(organization=CHILD, emails=[outsider.email], forget=True)
    run(runner, api)
    signal(slapd, [outsider])
    result = run(runner, api)
    assert calls(api) == [] and f"the password signal of {outsider.email} leads to nothing" in result.err
    result = run(runner, api)
    assert "leads to nothing" not in result.err         # once
    slapd.join("umbrella", outsider)
    run(runner, api)
    run(runner, api)
    assert calls(api) == [] and outsider.email in api.emails(CHILD)


@pytest.mark.company(people=3)
def test_paused_consumes_it(runner, slapd, company, api):
    run(runner, api)
    runner.target["paused"] = True
    signal(slapd, company.people[1:])
    result = run(runner, api)
    assert calls(api) == [] and result.err.count("leads to nothing: the target is paused") == 2
    runner.target["paused"] = False
    run(runner, api)
    assert calls(api) == [] and resets(api) == {}


@pytest.mark.company(people=3)
def test_role_change_goes_first(runner, slapd, company, api):
    """One thing at a time: the signal waits for what the same plan asks for."""
    person = company.people[2]
    run(runner, api)
    slapd.join("umbrella-admins", person)
    signal(slapd, [person])
    run(runner, api)
    assert api.account(person.email, CHILD)["role"] == "Full Admin" and calls(api) == []
    run(runner, api)
    assert calls(api) == [[person.email]] and resets(api) == {person.email: 1}


@pytest.mark.company(people=3)
def test_dead_letter_is_not_waited_for(runner, slapd, company, api):
    """A role change that was given up and is still asked for stands in no reset's way."""
    person = company.people[2]
    run(runner, api)
    slapd.join("umbrella-admins", person)
    api.fault("status", code=400, method="DELETE", count=None)
    run(runner, api, expect=1)
    signal(slapd, [person])
    run(runner, api, expect=1)
    assert calls(api) == [[person.email]] and resets(api) == {person.email: 1}


@pytest.mark.company(people=3)
def test_each_of_a_batch_is_shown_its_call(runner, bus, slapd, company, api):
    """idsyncctl sync PERSON, of somebody whose reset goes with another's."""
    runner.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    runner.config["directory"]["poll_interval"] = "1h"
    runner.start()
    compared(bus, "ok")
    signal(slapd, company.people[1:])
    steps = bus.ask("sync", company.people[2].email, expect=0)["steps"]
    assert [s["text"] for s in steps if s["step"] == "call"] == ["reset", "reset: ok, HTTP 200"], steps
    assert sorted(calls(api)[0]) == sorted(p.email for p in company.people[1:])


# --- batches ---

@pytest.mark.slow
@pytest.mark.company(people=1000)
def test_a_thousand(runner, slapd, company, api):
    runner.target["limits"]["reset"] = 5000
    for batch, wanted in ((100, 10), (300, 4)):
        runner.target["reset_batch"] = batch
        signal(slapd, company.people, None)
        run(runner, api)
        before = resets(api)
        signal(slapd, company.people)
        run(runner, api)
        assert [len(c) for c in calls(api)] == [batch] * (1000 // batch) + ([1000 % batch] if 1000 % batch else [])
        assert len(calls(api)) == wanted
        assert resets(api) == {p.email: before.get(p.email, 0) + 1 for p in company.people}

    bad = company.people[613]               # and with one bad address: it alone isn't done, by a few calls more
    signal(slapd, company.people, None)
    run(runner, api)
    api.quirks(reset_unknown="refuse", delete_delay=600)
    api.remove_accounts(organization=CHILD, emails=[bad.email])
    before = resets(api)
    signal(slapd, company.people)
    result = run(runner, api, expect=1)
    assert resets(api) == {p.email: before[p.email] + 1 for p in company.people if p is not bad}
    assert [a["address"] for a in result.actions("reset") if a["state"] == "dead"] == [bad.email]
    assert len(calls(api)) <= 34 and calls(api).count([bad.email]) == 1        # wherever it is


@pytest.mark.parametrize("code", [400, 413])
@pytest.mark.company(people=20)
def test_one_bad_address_stops_nobody(runner, slapd, company, api, code):
    bad = company.people[13]
    run(runner, api)
    if code == 413:                     # first the size, then the address
        api.fault("status", code=413, method="POST", path="/passwordResets/")
    api.quirks(reset_unknown="refuse", delete_delay=600)
    api.remove_accounts(organization=CHILD, emails=[bad.email])
    signal(slapd, company.people)
    result = run(runner, api, expect=1)
    assert resets(api) == {p.email: 1 for p in company.people if p is not bad}
    dead, = [a for a in result.actions("reset") if a["state"] == "dead"]
    assert dead["address"] == bad.email and "Invalid request" in dead["detail"]
    assert len(calls(api)) <= 16 and calls(api).count([bad.email]) == 1


@pytest.mark.company(people=5)
def test_limit_holds_and_approval_goes(runner, slapd, company, api):
    runner.target["limits"]["reset"] = 3
    run(runner, api)
    signal(slapd, company.people)
    held = run(runner, api, expect=6)
    assert calls(api) == [] and "limits.reset" in held.target()["reason"] and len(held.actions("reset")) == 5
    signal(slapd, company.people[:2], "FALSE")  # the edge was taken in with the held plan
    again = run(runner, api, expect=6)
    assert calls(api) == [] and again.target()["hash"] == held.target()["hash"]
    signal(slapd, company.people[:2], "TRUE")   # fires anew; it is asked for already
    again = run(runner, api, expect=6)
    assert again.target()["hash"] == held.target()["hash"]
    run(runner, api, "--approve", held.target()["hash"])
    assert [len(c) for c in calls(api)] == [5] and resets(api) == {p.email: 1 for p in company.people}
    run(runner, api)
    assert calls(api) == []


@pytest.mark.company(people=3)
def test_throttled_and_refused_tokens(runner, slapd, company, api):
    run(runner, api)
    signal(slapd, company.people[1:])
    api.fault("status", code=429, retry_after=1, method="POST", path="/passwordResets/")
    run(runner, api, "--wait", "20s")
    assert [len(c) for c in calls(api)] == [2, 2] and set(resets(api).values()) == {1}


@pytest.mark.company(people=3)
def test_unavailable_is_waited_for(runner, slapd, company, api):
    run(runner, api)
    signal(slapd, company.people[1:])
    api.fault("status", code=503, method="POST", path="/passwordResets/")
    run(runner, api, "--wait", "20s")
    assert [len(c) for c in calls(api)] == [2, 2] and set(resets(api).values()) == {1}


@pytest.mark.company(people=3)
def test_leaver_needs_none(runner, slapd, company, api):
    """A reset that waits yields to the person's leaving."""
    person = company.people[2]
    runner.target.update({"leave": "delete", "leave_grace": "0s"})
    run(runner, api)
    signal(slapd, [person])
    api.fault("status", code=503, method="POST", path="/passwordResets/", count=None)
    run(runner, api, "--wait", "0s", expect=5)
    slapd.delete(person.dn)
    run(runner, api, "--wait", "5s")            # the target is parked for a second
    api.clear_faults()
    run(runner, api, "--wait", "20s")
    assert person.email not in api.emails(CHILD) and resets(api) == {}


# --- answers that never came ---

@pytest.mark.parametrize("again", [False, True])
@pytest.mark.company(people=3)
def test_uncertain(runner, slapd, company, api, again):
    runner.target["reset_uncertain"] = "again" if again else "once"
    run(runner, api)
    signal(slapd, company.people[1:])
    api.fault("reset", execute=True, method="POST", path="/passwordResets/")
    result = run(runner, api, "--wait", "20s", expect=0 if again else 1)
    assert [len(c) for c in calls(api)] == ([2, 2] if again else [2])
    assert set(resets(api).values()) == ({2} if again else {1})
    if not again:
        assert {a["state"] for a in result.actions("reset")} == {"dead"} and UNKNOWN in result.err
        run(runner, api, expect=1)
        assert calls(api) == []
        signal(slapd, company.people[1:], "FALSE")
        run(runner, api, expect=1)
        signal(slapd, company.people[1:])           # asked for anew: that is another matter
        run(runner, api, expect=1)
        assert [len(c) for c in calls(api)] == [2] and set(resets(api).values()) == {2}


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("point", ["call-recorded", "call-write-answered", "reset-answered", "reset-recorded"])
@pytest.mark.company(people=3)
def test_kill(runner, slapd, company, api, point, again):
    """Never lost without a word; with "once" never done twice; with "again" done at least once."""
    people = company.people[1:]
    runner.target["reset_uncertain"] = "again" if again else "once"
    run(runner, api)
    for number in range(1, 60):
        signal(slapd, people, "FALSE")
        run(runner, api, expect=None)
        before = resets(api)
        signal(slapd, people)
        first = run(runner, api, expect=None, env={"IDSYNCD_FAILPOINT": f"{point}:{number}"})
        if first.code != -9:
            if number == 1:
                pytest.skip("the build has no fail points")
            break
        sent = bool(calls(api))
        second = run(runner, api, "--wait", "20s", expect=None)
        did = {p.email: resets(api).get(p.email, 0) - before.get(p.email, 0) for p in people}
        if again:
            assert set(did.values()) <= {1, 2} and (sent or set(did.values()) == {1}), (number, did, second)
        else:
            told = UNKNOWN in second.err
            assert set(did.values()) <= {0, 1} and (told or set(did.values()) == {1}), (number, did, second)
        third = run(runner, api, expect=None)
        assert calls(api) == [], third
    assert number > 1


# --- on an operator's word ---

@pytest.mark.company(people=3)
def test_by_word(runner, slapd, company, api):
    person = company.people[1]
    runner.target["password_reset"] = False     # the word doesn't need the signal
    runner.target["limits"]["reset"] = 0        # nor does the limit hold it
    run(runner, api)
    for n, name in enumerate((person.email.upper(), person.uid, person.dn, person.id), 1):
        run(runner, api, "--reset", name, "--target", "umbrella")
        assert calls(api) == [[person.email]] and resets(api) == {person.email: n}, name


@pytest.mark.company(people=3, outsiders=1)
def test_by_word_refused(runner, slapd, company, api):
    api.remove_accounts(organization=CHILD, emails=[company.people[2].email], forget=True)
    run(runner, api)
    for name, target, words in (("nobody", "umbrella", "nobody"), (company.people[2].uid, "umbrella", "no account"),
                                (company.people[1].uid, "elsewhere", "no target")):
        result = run(runner, api, "--reset", name, "--target", target, expect=2)
        assert words in result.err and api.calls() == [], result
    runner.target.update({"organization": 0, "password_reset": False})
    result = run(runner, api, "--reset", company.people[1].uid, "--target", "umbrella", expect=2)
    assert "can't be reset" in result.err


@pytest.mark.company(people=3)
def test_by_word_protected(runner, slapd, company, api):
    """A protected account is never touched, not even by word."""
    run(runner, api)
    runner.target["protect"] = [company.people[1].email]
    result = run(runner, api, "--reset", company.people[1].uid, "--target", "umbrella", expect=None)
    assert calls(api) == [] and "protect" in result.err


# --- configuration ---

def test_needs_an_organization(runner):
    runner.target["organization"] = 0
    result = runner.run("--check-config")
    assert result.code == 3 and "password_reset" in result.err + result.out and "organi" in result.err + result.out
