# SPDX-License-Identifier: Apache-2.0
"""The published rate limits, on both sides: no call is wasted, none is refused, restarts and neighbours count."""

import threading

import pytest

from lib.company import Company, group_dn
from lib.standin import ORGANIZATION, default_state

MINUTE, SECOND = 14, 5
UNLIMITED = {"second": 1000, "minute": 60000, "half_hour": 1800000}


def published(runner):
    """The target's own limits: those of its type."""
    for target in runner.config["targets"]:
        target.pop("rate", None)
    return runner


def admin_calls(standin):
    return [c for c in standin.calls() if not c["path"].endswith("/token")]


def allowed_span(calls):
    """How long CALLS calls take at least under the published windows, if there were no time but theirs."""
    return (calls - 1) // MINUTE * 60 + ((calls - 1) % MINUTE) // SECOND


def check_windows(standin):
    """By the stand-in's own clock, too: never more in any window than allowed."""
    times = sorted(c["mono"] for c in admin_calls(standin))
    for width, most in ((1, SECOND), (60, MINUTE)):
        for n in range(len(times) - most):
            assert times[n + most] - times[n] >= width - 0.05, (width, n, times[n + most] - times[n])
    assert not standin.calls(status=429)


def creates_at_the_published_rate(runner, standin):
    """26 creates: roles, a page and 26 creates are 28 calls, the most that two minutes' windows allow."""
    published(runner).once(expect=0, timeout=100)
    assert len(standin.emails()) == 26
    calls = admin_calls(standin)
    assert len(calls) == 28 and len(standin.calls("POST", "/token$")) == 1
    check_windows(standin)
    took = calls[-1]["mono"] - calls[0]["mono"]
    assert took <= allowed_span(len(calls)) + 10, took


def restarts_count(runner, standin):
    """The calls of earlier processes count, and those of a dry run; what is left over is done by the last."""
    dry = published(runner).once("--dry-run", expect=1)
    assert len(dry.actions("create")) == 15 and len(admin_calls(standin)) == 2
    first = runner.once("--wait", "3s", expect=1)
    assert len(admin_calls(standin)) == MINUTE
    assert len([a for a in first.actions("create") if a["state"] == "waiting"]) == 15 - (MINUTE - 4)
    second = runner.once("--wait", "3s")
    assert len(admin_calls(standin)) == MINUTE and second.code in (1, 5), second
    daemon = runner.start()
    daemon.wait_for(lambda: len(standin.emails()) == 15, 80, "the rest of the creates")
    check_windows(standin)
    assert daemon.terminate() == 0


def family():
    state = default_state()
    state["organizations"] += [{"id": ORGANIZATION + n, "name": f"Child {n}", "parent": ORGANIZATION}
                               for n in (1, 2)]
    return state


def two_groups():
    company = Company(people=8)
    company.groups |= {"one": company.people[:4], "two": company.people[4:]}
    return company


def neighbours_share(runner, standin):
    """Two targets with one key, one of them with a wider limit: the lowest counts, for both together."""
    template = {**runner.config["targets"].pop(), "roles": [{"role": "Read Only"}]}
    for n, name in enumerate(("one", "two"), 1):
        runner.config["targets"].append({**template, "name": name, "organization": ORGANIZATION + n,
                                         "groups": [group_dn(name)]})
    runner.config["targets"][1].pop("rate")
    result = runner.once("--wait", "3s")
    # roles, a page and four creates each are twelve calls, two tokens apart
    assert result.code == 0, result
    assert len(admin_calls(standin)) == 12
    check_windows(standin)
    runner.once("--wait", "3s")
    assert len(admin_calls(standin)) <= MINUTE
    check_windows(standin)


def a_second_is_a_window_too(runner, standin):
    """A quota of our own below the published one holds."""
    runner.target["rate"] = {**UNLIMITED, "second": 2}
    runner.once(expect=0)
    times = [c["mono"] for c in admin_calls(standin)]
    assert len(times) == 8 and all(times[n + 2] - times[n] >= 0.95 for n in range(6)), times


SLOW = [(creates_at_the_published_rate, Company(people=26), default_state()),
        (restarts_count, Company(people=15), default_state()),
        (neighbours_share, two_groups(), family()),
        (a_second_is_a_window_too, Company(people=6), default_state())]


@pytest.mark.slow
def test_published_limits(make_idsyncd, make_slapd, make_standin):
    """All of these wait for windows of a minute: they do it at the same time."""
    failures, threads = [], []

    def run(check, runner, standin):
        try:
            check(runner, standin)
        except Exception as error:      # told below, with the check's name
            failures.append(f"{check.__name__}: {type(error).__name__}: {error}")
    for check, company, state in SLOW:
        standin = make_standin(limits=True, state=state)
        runner = make_idsyncd(make_slapd(company), standin)
        threads.append(threading.Thread(target=run, args=[check, runner, standin]))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, "\n\n".join(failures)


@pytest.mark.company(people=3)
@pytest.mark.standin(limits=True)
def test_hints_of_the_api(idsyncd, standin):
    """Somebody else uses the same key: the headers say so, and our estimate sinks."""
    idsyncd.target.pop("rate")
    standin.fault("transform", count=None, path="/roles$")
    standin.switches(extra_headers={"x-ratelimit-limit-minute": "14", "x-ratelimit-remaining-minute": "0"})
    idsyncd.once("--wait", "2s")
    assert len(admin_calls(standin)) <= 2 and standin.emails() == []


def test_unused_places_are_not_lost(idsyncd, standin):
    """The generous rates of the other tests: nothing waits."""
    result = idsyncd.once(expect=0)
    assert result.seconds < 5


@pytest.mark.slow
@pytest.mark.standin(api="primavera")
@pytest.mark.company(people=14, services=["primavera"])
def test_disabled_one_by_one(idsyncd, slapd, standin, company):
    """A script that disables people one every second is stopped at the limit. (200 of them, and the days after:
    tests/replay/replay-limits.)"""
    idsyncd.config["directory"]["disabled"] = {"attribute": "employeeType", "when": "value:off"}
    idsyncd.target.update(leave="disable", limits={"percent": 100})
    idsyncd.once(expect=0)
    daemon = idsyncd.start()

    def disabled():
        return [p.uid for p in company.people if standin.user(p.uid)["disabled"]]

    for person in company.people[:10]:
        slapd.modify(person.dn, employeeType="off")
        daemon.wait_for(lambda uid=person.uid: standin.user(uid)["disabled"], 20, f"{person.uid} is disabled")
    for person in company.people[10:]:
        before = len(slapd.searches())
        slapd.modify(person.dn, employeeType="off")
        daemon.wait_for(lambda number=before: len(slapd.searches()) > number + 2, 20, "a read")
    daemon.wait_log(r"is held: 11 disables \(10 of them in the last 24 hours\) are over "
                    r"targets\[primavera\]\.limits\.disable = 10", 10)
    assert len(disabled()) == 10
    assert daemon.terminate() == 0 and len(disabled()) == 10
