# SPDX-License-Identifier: Apache-2.0
"""kill -9 between any two steps: nobody is lost, nobody is doubled. Needs a build with --enable-failpoints."""

import concurrent.futures
import os
import re
import signal
import threading
import time

import pytest

from lib.company import Company, Person
from lib.failpoints import Rounds, known_points
from lib.process import wait_for
from lib.standin import ORGANIZATION, default_state

KILLED = -signal.SIGKILL
ROUNDS_AT_MOST = 150
EMAILS = ["p00000@example.com", "p00001@example.com", "p00002@example.com"]


class Create:
    """One person is new, one is known to Umbrella from before, one has an account already."""

    first_plan = "apply"

    def prepare(self, runner, standin):
        standin.set_state(organizations=[{"id": ORGANIZATION, "name": "Example",
                                          "former": [EMAILS[1]], "accounts": [{"email": EMAILS[2]}]}])

    def arguments(self, runner):
        return []

    def check(self, standin):
        made = sorted(c["body"]["email"] for c in standin.calls("POST", "/users$") if c["handled"])
        assert made == EMAILS[:2], made


class Approve(Create):
    """The same, by an approval of the held first plan."""

    first_plan = "hold"

    def prepare(self, runner, standin):
        super().prepare(runner, standin)
        self.hash = runner.once(expect=6).target()["hash"]

    def arguments(self, runner):
        return ["--approve", self.hash]


SCENARIOS = [(Create, None), (Approve, "store-|job-")]


def finish(runner, scenario):
    """Runs until all is done: an approval that wasn't recorded is given again."""
    result = runner.once("--wait", "10s")
    if result.code == 6:
        result = runner.once("--wait", "10s", *scenario.arguments(runner))
    assert result.code == 0, result
    return result


def one_round(runner, standin, scenario, point, number):
    """One run that is killed, one that is killed while it recovers, one that finishes; False: not killed."""
    standin.reset()
    runner.config["first_plan"] = scenario.first_plan
    scenario.prepare(runner, standin)
    arguments = scenario.arguments(runner)
    first = runner.once(*arguments, env={"IDSYNCD_FAILPOINT": f"{point}:{number}"})
    assert first.code in (0, KILLED), first
    if first.code == KILLED:
        again = runner.once(env={"IDSYNCD_FAILPOINT": f"{point}:{number // 2 + 1}"})
        assert again.code in (0, 1, 6, KILLED), again
        finish(runner, scenario)
    assert standin.emails() == EMAILS
    assert standin.account(EMAILS[0])["role"] == "Read Only"
    scenario.check(standin)
    standin.clear_ledger()
    last = runner.once(expect=0)
    assert not [c for c in standin.calls() if c["method"] != "GET" and "token" not in c["path"]], last
    return first.code == KILLED


@pytest.mark.slow
@pytest.mark.company(people=3, admins=0)
@pytest.mark.parametrize("kind, points", SCENARIOS)
def test_killed_at_every_point(make_idsyncd, make_standin, slapd, tmp_path, kind, points):
    assert known_points(), "no fail points in this build: configure it with --enable-failpoints"
    tasks = {point: Rounds(ROUNDS_AT_MOST) for point in known_points() if points is None or re.match(points, point)}
    runners = []

    def work(worker, standin):
        for point, rounds in tasks.items():
            while (number := rounds.take()) is not None:
                with lock:
                    runner = make_idsyncd(slapd, standin)
                    runners.append(runner)
                runner.target["roles"] = [{"role": "Read Only"}]
                try:
                    if not one_round(runner, standin, kind(), point, number):
                        rounds.over(number)
                except AssertionError as error:
                    raise AssertionError(f"killed at {point}:{number}: {error}") from error

    lock = threading.Lock()
    standins = [make_standin(state=default_state()) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(len(standins)) as pool:
        for job in [pool.submit(work, n, standin) for n, standin in enumerate(standins)]:
            job.result()
    tried = {point: rounds.end for point, rounds in tasks.items()}
    print(f"{kind.__name__}: killed at {tried}")
    assert all(end < ROUNDS_AT_MOST for end in tried.values()), tried
    assert sum(tried.values()) > 20


@pytest.mark.company(people=4)
@pytest.mark.parametrize("execute", [True, False])
def test_killed_while_the_answer_is_on_its_way(idsyncd, standin, company, execute):
    """The API has (or hasn't) carried out a create, and its answer never came."""
    if execute:
        standin.fault("stall", method="POST", path="/users$", skip=1)
    else:
        standin.fault("delay", method="POST", path="/users$", skip=1, seconds=60, execute=False)
    idsyncd.target["concurrency"] = 1
    daemon = idsyncd.start()
    daemon.wait_for(lambda: [c for c in standin.calls("POST", "/users$") if c["fault"]], 10, "the fault")
    daemon.kill()
    standin.clear_faults()
    result = idsyncd.once(expect=0)
    emails = sorted(p.email for p in company.people)
    assert standin.emails() == emails
    assert sorted(c["body"]["email"] for c in standin.calls("POST", "/users$") if c["handled"]) == emails
    assert len(result.actions("create")) >= 3


@pytest.mark.slow
@pytest.mark.company(people=40)
def test_killed_by_the_clock(idsyncd, standin, slapd, company):
    """Again and again, wherever it is; the stand-in is slow, so that it is mostly in the middle of a create."""
    standin.switches(latency=0.03)
    emails = sorted(p.email for p in company.people)
    idsyncd.target["concurrency"] = 3
    for number in range(15):
        daemon = idsyncd.start(ready=False)
        time.sleep(0.12 + number * 0.037 % 0.4)
        assert daemon.process.poll() is None, daemon.log()
        daemon.kill()
        if standin.emails() == emails:
            break
    standin.switches(latency=0)
    idsyncd.once(expect=0)
    assert standin.emails() == emails
    assert sorted(c["body"]["email"] for c in standin.calls("POST", "/users$") if c["handled"]) == emails
    assert number >= 2, "it was never in the middle of anything"


def test_the_reader_ends_with_the_daemon(make_slapd, make_idsyncd, standin):
    """kill -9 of the daemon: its reader ends by itself."""
    slapd = make_slapd(Company(people=1500))
    runner = make_idsyncd(slapd, standin)
    runner.config["directory"]["page_size"] = 20
    daemon = runner.start(ready=False)
    reader = daemon.wait_for(lambda: [p for p in readers() if parent(p) == daemon.pid], 10, "the reader")[0]
    slapd.freeze()
    daemon.kill()
    wait_for(lambda: not os.path.exists(f"/proc/{reader}") or parent(reader) == -1, 5, "the reader's end")
    slapd.thaw()


def readers():
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/comm") as comm:
                if comm.read().startswith("idsyncd-directo"):
                    found.append(int(name))
        except OSError:
            pass
    return found


def parent(pid):
    """-1: it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            state, ppid = stat.read().rpartition(")")[2].split()[:2]
            return -1 if state == "Z" else int(ppid)
    except OSError:
        return -1


@pytest.mark.company(people=2)
def test_new_people_after_a_crash(idsyncd, slapd, standin):
    """What a crash leaves doesn't stop what comes later."""
    result = idsyncd.once(env={"IDSYNCD_FAILPOINT": "call-write-answered"})
    assert result.code == KILLED
    slapd.add_person(Person("later"), "umbrella")
    idsyncd.once(expect=0)
    assert len(standin.emails()) == 3 and len(standin.calls("POST", "/users$")) == 3
