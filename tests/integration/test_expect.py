# SPDX-License-Identifier: Apache-2.0
"""What the configuration expects of a plan, and what becomes of one that breaks it."""

import pytest

from lib.company import Person, group_dn
from lib.standin import P6, UNIFIER

EXPECTATION_FAILED = "should be"
pytestmark = pytest.mark.company(people=4)


def row(person, role=None, **more):
    return {"person": person, "target": "umbrella", **({"role": role} if role else {"absent": True}), **more}


def place(runner, index):
    """FILE:LINE of the row, as messages name it."""
    with open(runner.config_path) as config:
        lines = config.read().splitlines()
    numbers = [number for number, line in enumerate(lines, 1) if "person =" in line]
    return f"{runner.config_path}:{numbers[index] - 1}: expect[{index}]: "


def writes(standin):
    return [c for c in standin.calls() if c["method"] != "GET" and not c["path"].endswith("/token")]


def warnings(result):
    return [line for line in result.err.splitlines() if line.startswith("warning") and EXPECTATION_FAILED in line]


def test_what_holds_goes(idsyncd, standin):
    idsyncd.config["expect"] = [row("p00000@example.com", "Full Admin"), row("P00001@EXAMPLE.COM", "Read Only"),
                                row("p00002", "Read Only"), row("nobody")]
    result = idsyncd.once(expect=0)
    assert len(standin.emails()) == 4 and not warnings(result)


def test_first_plan_that_breaks_one_is_held(idsyncd, slapd, standin):
    """Even with first_plan = "apply"; approved, it goes, and isn't asked about again."""
    idsyncd.config["expect"] = [row("p00000@example.com", "Read Only"), row("p00001", "Read Only"), row("p00002")]
    held = idsyncd.once(expect=6).target()
    assert held["reason"] == (
        place(idsyncd, 0) + 'p00000@example.com should be "Read Only" at umbrella, and would be "Full Admin" by roles[0]; '
        + place(idsyncd, 2) + 'p00002 should be absent from umbrella, and would be "Read Only" by roles[1]')
    assert writes(standin) == []
    result = idsyncd.once("--approve", held["hash"], expect=0)
    assert len(standin.emails()) == 4 and not warnings(result)
    slapd.add_person(Person("new"), "umbrella")
    assert not warnings(idsyncd.once(expect=0)) and len(standin.emails()) == 5


def test_what_is_approved_may_have_grown(idsyncd, slapd, standin):
    """An approval accepts the rules: what came on top isn't held by the same row."""
    idsyncd.config["expect"] = [row("p00002")]
    held = idsyncd.once(expect=6).target()
    slapd.add_person(Person("late"), "umbrella")
    idsyncd.once("--approve", held["hash"], expect=0)
    assert len(standin.emails()) == 5


def test_new_row_is_looked_at(idsyncd, slapd, standin):
    """A row alone is no change that holds a plan; one that fails does, until it is mended."""
    idsyncd.once(expect=0)
    slapd.add_person(Person("new"), "umbrella")
    idsyncd.config["expect"] = [row("new", "Full Admin")]
    held = idsyncd.once(expect=6).target()
    assert "expect[0]: new should be" in held["reason"] and "changed" not in held["reason"]
    idsyncd.config["expect"] = [row("new", "Read Only")]
    idsyncd.once(expect=0)
    assert len(standin.emails()) == 5


def test_changed_rules_name_the_row(idsyncd, slapd, standin):
    """The hold after a change of groups says whom the change would hit."""
    idsyncd.config["expect"] = [row("p00000", "Full Admin"), row("p00003", "Read Only")]
    idsyncd.once(expect=0)
    idsyncd.target.update(groups=[group_dn("umbrella-admins")], leave="delete", leave_grace="0s")
    held = idsyncd.once(expect=6).target()
    assert "groups" in held["reason"]
    assert 'p00003 should be "Read Only" at umbrella, and is in none of the target\'s groups' in held["reason"]
    assert "p00000" not in held["reason"]


def test_empty_plan_is_not_held(idsyncd, slapd, standin, company):
    """Nothing to hold; it is said, and what comes next waits."""
    idsyncd.once(expect=0)
    idsyncd.config["expect"] = [row("p00001")]
    for _ in range(2):
        result = idsyncd.once(expect=0)
        assert len(warnings(result)) == 1 and place(idsyncd, 0) + "p00001 should be absent" in warnings(result)[0]
    slapd.add_person(Person("new"), "umbrella")
    assert "p00001 should be absent" in idsyncd.once(expect=6).target()["reason"]
    slapd.leave("umbrella", company.people[1])          # now it is as expected
    assert not warnings(idsyncd.once(expect=0)) and "new@example.com" in standin.emails()


def test_dry_run_tells(idsyncd, standin):
    """Where a new configuration is tried out."""
    idsyncd.config["expect"] = [row("p00001", "Full Admin")]
    assert len(warnings(idsyncd.once("--dry-run", expect=1))) == 1 and writes(standin) == []


def test_blocked_person_is_none(idsyncd, slapd, standin, company):
    """Everything is mapped as it should be, and yet nothing would come of it."""
    idsyncd.config["expect"] = [row(company.people[1].uid, "Read Only")]
    slapd.modify(company.people[1].dn, mail=None)
    assert "p00001 should be \"Read Only\" at umbrella, and is blocked: " in idsyncd.once(expect=6).target()["reason"]


def test_service_says_it_once(idsyncd, slapd, standin):
    """Not with each cycle; and again after a reload only if something else fails."""
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(standin.emails()) == 4, 20, "the first accounts")
    idsyncd.config["expect"] = [row("p00001")]
    daemon.reload()
    daemon.wait_log("p00001 should be absent", 10)
    before = slapd.searches()
    daemon.wait_for(lambda: len(slapd.searches()) >= len(before) + 6, 20, "further cycles")
    assert daemon.log().count("p00001 should be absent") == 1
    slapd.add_person(Person("new"), "umbrella")
    daemon.wait_log("is held: ", 10)
    assert "new@example.com" not in standin.emails()
    assert daemon.terminate() == 0


@pytest.mark.standin(api="primavera")
@pytest.mark.company(people=3, services=["primavera"])
def test_applications_of_primavera(idsyncd, slapd, standin, company):
    """A role there is an application role: one of all that matching rows give."""
    idsyncd.config["expect"] = [{"person": "p00000", "target": "primavera", "role": UNIFIER},
                                {"person": "p00001", "target": "primavera", "role": UNIFIER}]
    held = idsyncd.once(expect=6).target()
    assert f'p00001 should have "{UNIFIER}" at primavera, and would have "{P6}" by applications[0]' in held["reason"]
    assert "p00000" not in held["reason"] and writes(standin) == []
    slapd.join("primavera-unifier", company.people[1])
    idsyncd.once(expect=0)
    assert {UNIFIER, P6} <= set(standin.roles("p00001"))

    idsyncd.config["expect"] = [{"person": "p00000", "target": "primavera", "role": "Full Admin"}]
    wrong = idsyncd.run("--check-config")
    assert wrong.code == 3 and '"Full Admin" is given by no row of the applications of "primavera"' in wrong.err
