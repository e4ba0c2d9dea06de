# SPDX-License-Identifier: Apache-2.0
"""A target that refuses too much: in quarantine nothing is written but one action now and then. (How often, and over
days: tests/replay/replay-quarantine.)"""

import os
import sqlite3

import pytest

from lib.bus import writes
from lib.process import wait_for
from test_resets import CHILD, SIGNAL, calls, family, run, signal

REFUSED = {"code": 422, "method": "POST", "path": "/users$", "count": 1000}
WIDE = {name: 1000 for name in ("create", "update", "recreate", "delete", "reset")} | {"percent": 100}


def rows(result, state, target=None):
    return [a for a in result.actions(target=target) if a["state"] == state]


@pytest.fixture
def strict(make_idsyncd, slapd, standin):
    """A runner whose third dead letter is too much; one call at a time."""
    runner = make_idsyncd(slapd, standin)
    runner.target.update(quarantine={"percent": 40, "after": 3}, concurrency=1, limits=dict(WIDE))
    return runner


def test_too_many_refused(strict, standin):
    standin.fault("status", **REFUSED)
    result = strict.once(expect=5)
    target = result.target()
    assert target["state"] == "parked" and "3 of the last 3 actions failed" in target["reason"], target
    assert len(rows(result, "dead")) == 3 and len(rows(result, "waiting")) == 7
    assert len(standin.calls("POST", "/users$")) == 3
    assert "in quarantine: 3 of the last 3 actions failed, more than quarantine.percent = 40" in result.err

    standin.clear_faults()
    again = strict.once(expect=5)               # it lasts, also when the API would do it
    assert again.target()["state"] == "parked" and standin.emails() == [] and len(standin.calls("GET", "/users$")) >= 2
    assert strict.run("--once").out.count("3 of the last 3 actions failed") == 1


def test_switched_off(strict, standin):
    standin.fault("status", **REFUSED)
    strict.once(expect=5)
    standin.clear_faults()
    strict.target["quarantine"] = {"percent": 100, "after": 3}
    result = strict.once(expect=1)              # the three dead letters stand
    assert len(standin.emails()) == 7 and result.target()["state"] == "ok"


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users: needs root")
def test_operator(make_daemon, bus, standin):
    """Status, targets and health tell of it, explain of what waits; resume ends it."""
    standin.fault("status", **REFUSED)
    _, daemon = make_daemon(target={"quarantine": {"percent": 40, "after": 3}, "concurrency": 1})
    daemon.wait_log("in quarantine", 20)
    status = bus.ctl("status", expect=5)
    assert "in quarantine: 3 of the last 3" in status.out and "idsyncctl resume umbrella" in status.out
    target = bus.ask("targets")["targets"][0]
    assert target["state"] == "parked" and target["parked"]["outcome"] == "rejected"
    assert target["next_action"] == target["parked"]["until"]
    assert bus.ctl("health", expect=2).out.startswith("IDSYNC CRITICAL")
    waiting = bus.ask("queue")["actions"][0]
    assert target["parked"]["until"] in bus.ctl("explain", waiting["address"]).out
    daemon.wait_status("umbrella: parked until", 5)

    standin.clear_faults()
    bus.ctl("resume", "umbrella", expect=0)
    wait_for(lambda: len(standin.emails()) == 7, 10, "what waited")
    assert "the quarantine is over: resumed by an operator" in daemon.log()
    assert len(writes(standin)) == 10
    assert bus.ask("status")["targets"][0]["parked"] is None


def test_reload_ends_it(strict, standin):
    standin.fault("status", **REFUSED)
    daemon = strict.start()
    daemon.wait_log("in quarantine", 20)
    standin.clear_faults()
    daemon.reload()
    wait_for(lambda: len(standin.emails()) == 7, 10, "what waited")
    assert daemon.terminate() == 0


@pytest.mark.company(people=30)
def test_resets_count_one_by_one(make_idsyncd, make_standin, slapd, company):
    """A batch of thirty is thirty actions; in quarantine they go one by one."""
    api = make_standin(state=family(company.people))
    runner = make_idsyncd(slapd, api)
    runner.config["directory"]["password_reset"] = {"attribute": SIGNAL, "when": "true"}
    runner.target.update(organization=CHILD, password_reset=True, limits=dict(WIDE),
                         quarantine={"percent": 40, "after": 3})
    run(runner, api)
    signal(slapd, company.people)
    api.fault("status", code=400, method="POST", path="/passwordResets/", count=1000)
    result = run(runner, api, expect=5)
    assert result.target()["state"] == "parked" and len(rows(result, "dead")) == 3
    assert [len(c) for c in calls(api)] == [30, 15, 8, 4, 2, 1, 1, 1]
    with sqlite3.connect(f"{runner.state}/idsyncd.db") as db:
        db.execute("UPDATE park SET until = 1 WHERE scope = 'quarantine:umbrella'")
    api.clear_faults()
    result = run(runner, api, expect=1)
    assert [len(c) for c in calls(api)] == [1, 26] and len(rows(result, "done")) == 27


@pytest.mark.standin(api="primavera")
@pytest.mark.company(people=8, services=["primavera"])
def test_primavera_users(make_idsyncd, slapd, standin):
    """Each user of a job is an action."""
    runner = make_idsyncd(slapd, standin)
    runner.target.update(quarantine={"percent": 40, "after": 3}, limits={"create": 100})
    for number in range(8):
        standin.script(login=f"p{number:05d}", text="User could not be created: no licence", effect="none")
    result = runner.once(expect=5)
    assert result.target()["state"] == "parked" and len(rows(result, "dead")) == 3 and len(rows(result, "waiting")) == 5
