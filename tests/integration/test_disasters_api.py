# SPDX-License-Identifier: Apache-2.0
"""What has gone wrong with programs like this one, disaster by disaster: on the API's side, and of our own making. The
directory's side, and how to read this: test_disasters.py."""

import time

import pytest

from lib.company import Person
from lib.process import never, wait_for

USERS, ONE = "/users$", r"/users/\d+$"


@pytest.fixture
def leaving(site, company):
    """In step, but that the last person has just left: the account's deletion is due."""
    site.settle()
    site.leaver = company.people[-1]
    site.slapd.delete(site.leaver.dn)
    return site


def deleted(site):
    """What was broken is whole again: exactly what was due is done now."""
    site.once(code=0, wait="20s")
    assert [method for method, _ in site.writes()] == ["DELETE"] and len(site.standin.emails()) == 9
    assert site.standin.account(site.leaver.email) is None


def unlisted(site, words):
    """A list of accounts that isn't believed, for this reason, on every way."""
    return site.told(5, "LISTING_INCOMPLETE", journal=f"couldn't be listed: .*{words}",
                     status=f"umbrella: (unreachable|incomplete): .*{words}",
                     shown=f"critical: umbrella: (unreachable|incomplete): .*{words}")


# --- 5: an error of the API is taken for an absence ---

ERRORS = {"503": {"code": 503}, "500": {"code": 500}, "404": {"code": 404, "body": {"message": "Not Found"}},
          "200 with an error": {"code": 200, "body": {"message": "internal error", "txId": "7"}},
          "200 with an empty list of errors": {"code": 200, "body": {"errors": []}},
          "200 and null": {"code": 200, "body": "null"}, "200 and nothing": {"code": 200, "body": ""}}


def test_error_of_the_api_is_not_nobody(leaving):
    for name, answer in ERRORS.items():
        leaving.standin.fault("status", path=USERS, count=None, **answer)
        result = leaving.once(code=5)
        assert leaving.journal.of("LISTING_INCOMPLETE", result.entries), name
        assert result.actions() == [] and result.target()["reason"], name
        leaving.untouched()
        leaving.pass_time()
        leaving.standin.clear_faults()
    leaving.standin.fault("status", path=USERS, count=None, code=503)
    unlisted(leaving, "HTTP 503")
    leaving.standin.clear_faults()
    leaving.pass_time()
    deleted(leaving)


def test_no_delete_without_a_look_at_that_account(leaving):
    """The listing is fine; the last look before the deletion isn't."""
    for answer in ({"code": 503}, {"code": 200, "body": {"message": "internal error"}}, {"code": 403}):
        leaving.standin.fault("status", path=ONE, count=None, **answer)
        leaving.once(code=5, wait="1s")
        leaving.untouched()
        leaving.pass_time()
        leaving.standin.clear_faults()
    leaving.standin.fault("status", path=ONE, count=None, code=503)
    leaving.told(5, "TARGET_PARKED", journal="get: HTTP 503", status="1 queued.*umbrella: parked until",
                 shown="warning: umbrella: parked until .*HTTP 503", wait="1s")
    leaving.standin.clear_faults()
    leaving.pass_time()
    deleted(leaving)


# --- 13: storms against a rate limit ---

def test_rate_limit_is_no_reason_for_a_storm(site):
    """One 429 parks the key, for everybody and over restarts; nothing is lost by it."""
    site.settle()
    site.standin.fault("status", code=429, method="POST", path=USERS, retry_after=600, count=None)
    site.slapd.add_person(Person("new"), "umbrella")
    with site.daemon() as daemon:
        site.told_by(daemon, 1, "THROTTLED", journal="HTTP 429.*no call under this key until",
                     status="1 queued.*umbrella: parked until", shown="warning: umbrella: parked until .*asked for a pause")
        calls = len(site.standin.ledger())
        never(lambda: len(site.standin.ledger()) > calls, 2.5, "a call of a key that is parked")
    for _ in range(2):
        site.once(code=5, wait="1s")
    with site.daemon() as daemon:
        daemon.wait_status("1 queued.*umbrella: parked until")
        site.shown(5, "warning: umbrella: parked until .*asked for a pause")
    assert len(site.standin.ledger()) == calls and site.writes() == [("POST", "/admin/v2/users")]
    assert len(site.standin.calls(status=429)) == 1 and site.standin.control("accounts") == site.before
    site.standin.clear_faults()
    site.pass_time()
    site.once(code=0, wait="10s")
    assert site.standin.account("new@example.com")


# --- 14: listings that are cut, or wrong ---

def test_cut_listing_is_not_a_short_one(leaving):
    for how in ({"kind": "truncate"}, {"kind": "edit", "drop": 1}, {"kind": "edit", "append": "garbage"}):
        leaving.standin.fault(path=USERS, count=None, **how)
        leaving.once(code=5)
        leaving.untouched()
        leaving.standin.clear_faults()
        leaving.pass_time()
    leaving.standin.fault("truncate", path=USERS, count=None)
    unlisted(leaving, "list|answer|closed|cut")
    leaving.standin.clear_faults()
    leaving.pass_time()
    deleted(leaving)


def test_ignored_page_numbers_are_not_the_whole_list(leaving):
    """A hundred accounts on each page, always the same hundred."""
    leaving.standin.fill(count=90)
    leaving.mark()
    leaving.standin.quirks(paging={"mode": "ignore-page"})
    unlisted(leaving, "ignore page numbers")


PAGES = {"they overlap": {"overlap": 7}, "a short one in the middle": {"short": {"2": 60}},
         "a short first one": {"short": {"1": 30}}, "the last one again": {"beyond": "repeat"},
         "newest first": {"reverse": True}}


def test_odd_pages_lose_nobody(site):
    site.standin.fill(count=230)
    site.settle()
    site.target["gone"] = "create"
    for name, paging in PAGES.items():
        site.standin.quirks(paging={"overlap": 0, "short": {}, "beyond": "empty", "reverse": False} | paging)
        result = site.once(code=0)
        assert result.target()["accounts"] == 240 and result.target()["notes"] == [], name
        site.untouched()


@pytest.fixture
def shrinking(site):
    """The limits stand, accounts that are gone are made again without asking, and somebody is new."""
    site.settle()
    site.runner.age_links()
    site.target.update(limits={}, gone="create")
    site.slapd.add_person(Person("new"), "umbrella")
    return site


def test_listing_that_shrank_once_is_not_believed(shrinking):
    """Four of ten are missing, once: said, asked again, and all is well."""
    shrinking.standin.fault("transform", rows=[0, 1, 2, 3, 4, 5], path=USERS, count=1)
    shrinking.standin.fault("transform", rows=[], path=USERS, count=1)
    result = shrinking.once(code=0, wait="10s")
    entry, = shrinking.journal.of("LISTING_INCOMPLETE", result.entries)
    assert "4 of 10 linked accounts" in entry["MESSAGE"]
    assert [c["body"]["email"] for c in shrinking.standin.calls("POST", USERS)] == ["new@example.com"]


def test_listing_that_stays_shrunk_is_held(shrinking):
    """A second one says the same: then it is for a person to say. Nobody is made again, nobody new is made."""
    gone = shrinking.standin.emails()[-4:]
    shrinking.standin.remove_accounts(emails=gone)
    shrinking.mark()
    told = shrinking.told(6, "PLAN_HELD", journal="is held: 4 of 10 linked accounts aren't in the listing any more",
                          status="umbrella: plan [0-9a-f]{12} held",
                          shown="warning: umbrella: plan .* is held: 4 of 10 linked accounts")
    assert shrinking.journal.of("LISTING_INCOMPLETE", told.entries)
    assert sorted(a["address"] for a in told.once.actions("create")) == sorted(["new@example.com", *gone])
    shrinking.once("--approve", told.once.target()["hash"], code=0, wait="10s")
    assert len(shrinking.standin.emails()) == 11
    shrinking.mark()
    shrinking.recovers()


# --- 20: one bad user stops everybody ---

def test_one_refused_user_stops_nobody_else(site, company):
    person = company.people[4]
    site.standin.set_state(foreign=[person.email])
    result = site.once(code=1, wait="10s")
    assert site.standin.emails() == sorted(p.email for p in company.people if p is not person)
    entry, = site.journal.of("DEAD_LETTER", result.entries)
    assert entry["IDSYNC_ACCOUNT"] == person.email and "Email already in use" in entry["MESSAGE"]
    site.mark()
    with site.daemon() as daemon:
        daemon.wait_status("0 queued, 1 dead letter")
        site.shown(1, "warning: umbrella: 1 dead letter(?s:.)*idsyncctl queue --dead")
        site.slapd.add_person(Person("later"), "umbrella")
        wait_for(lambda: site.standin.account("later@example.com"), 10, "the next person's account")
        later(site, 0, 1)               # and not all is applied
    assert len(site.writes()) == 1


def test_one_bad_entry_stops_nobody_else(site, company):
    person = company.people[4]
    site.settle()
    site.slapd.modify(person.dn, mail="no address at all")
    told = site.told(1, "PERSON_BLOCKED", journal="is blocked: .*email is not an address", status="umbrella: 1 blocked",
                     shown="warning: umbrella: 1 person is blocked")
    assert [b["person"] for b in told.once.target()["blocked"]] == [person.id]
    site.slapd.add_person(Person("later"), "umbrella")
    site.once(code=1, wait="10s")
    assert site.standin.account("later@example.com") and len(site.standin.emails()) == 11


# --- 21: silent failure, success that lies ---

def clocks(site):
    """When a read was last tried, when one was last complete, when all was last applied; once nothing is under way."""
    def look():
        document = site.bus.ask("status")
        return not document["cycle_running"] and document["directory"]["last_attempt"] and document
    document = wait_for(look, 10, "a cycle that ended", every=0.1)
    directory = document["directory"]
    return directory["last_attempt"], directory["last_complete"], document["targets"][0]["applied"]


def later(site, *which):
    """Waits until these clocks (0, 1, 2) have moved on; they only."""
    before = clocks(site)
    after = wait_for(lambda: all((now := clocks(site))[n] > before[n] for n in which) and now, 15, f"clocks {which}",
                     every=0.2)
    assert all(after[n] == before[n] for n in {0, 1, 2} - set(which)), (before, after)


def test_failure_is_never_called_success(site):
    """Three clocks, also over a restart: what failed moves none that it shouldn't."""
    site.settle()
    with site.daemon() as daemon:
        later(site, 0, 1, 2)
        site.standin.fault("status", code=503, path=USERS, count=None)
        site.shown(5, "critical: umbrella: unreachable: HTTP 503")
        later(site, 0, 1)
        site.standin.clear_faults()
        site.bus.ctl("resume", "umbrella", expect=0)
        site.shown(0, "umbrella +ok")
        site.slapd.stop()
        site.shown(4, "directory +unreachable, 10 people at .*; last tried ")
        later(site, 0)
        before = clocks(site)
    with site.daemon() as daemon:
        daemon.wait_status("^10 people read at .*; the last read failed")
        assert clocks(site)[1:] == before[1:] and all(before)
        site.shown(4, before[2])
    site.untouched()


def test_failed_run_is_not_remembered_as_done(site):
    """What a failed run should have done is done by the next one: at both sides."""
    site.settle()
    site.slapd.add_person(Person("new"), "umbrella")
    site.standin.fault("status", code=503, path=USERS, count=None)
    assert site.once(code=5).target()["state"] == "unreachable"
    site.untouched()
    site.slapd.stop()
    site.once(code=4)
    site.slapd.start()
    site.standin.clear_faults()
    site.pass_time()
    result = site.once(code=0, wait="10s")
    assert site.standin.account("new@example.com")
    assert [a["address"] for a in result.actions("create")] == ["new@example.com"]


# --- 22: overlapping runs, several instances ---

def test_second_instance_is_refused(site):
    """A one-shot run beside the service, and a second service: both end at once, do nothing, and name the first."""
    site.settle()
    with site.daemon() as daemon:
        daemon.wait_status("^10 people")
        for arguments in (["--once"], []):
            since = time.monotonic()
            result = site.runner.run("--log-target", "journal", *arguments, timeout=10, wrap=site.journal.wrap())
            assert result.code == 7, result
            site.journaled("STATE_IN_USE", f"is in use by process {daemon.pid}", since)
        assert f"pid {daemon.pid}" in site.shown(0, "running, pid").out
    site.untouched()


def test_cycle_longer_than_the_interval_is_skipped(site):
    site.settle()
    with site.daemon() as daemon:
        daemon.wait_status("^10 people")
        site.slapd.freeze()
        told = site.told_by(daemon, 0, "CYCLE_OVERRUN", journal="still runs: this poll is skipped",
                            status="; the read begun at .* still runs",
                            shown="warning: the read of the directory .* still runs")
        assert told.health.startswith("IDSYNC WARNING")
        site.slapd.thaw()
        since = time.monotonic()
        daemon.wait_status("^10 people read at [^;]*; 0 queued", since=since)
        site.shown(0, "directory +complete")
    site.untouched()
