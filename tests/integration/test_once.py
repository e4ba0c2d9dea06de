# SPDX-License-Identifier: Apache-2.0
"""--once from end to end: what is created, adopted, left alone, and how many calls that takes."""

import json

import pytest

from lib.company import Company, Person, group_dn
from lib.standin import ORGANIZATION


def posts(standin, **fields):
    """The bodies of all POST /users, or of those for one address."""
    bodies = [call["body"] for call in standin.calls("POST", "/users$")]
    return [b for b in bodies if all(b.get(name) == value for name, value in fields.items())]


@pytest.mark.slow
@pytest.mark.company(people=2000, admins=2)
def test_two_thousand_people(idsyncd, company, standin):
    standin.add_accounts(accounts=[p.account("Full Admin" if n < 2 else "Read Only")
                                   for n, p in enumerate(company.people[:1900])])
    idsyncd.target["limits"] = {"create": 200}

    result = idsyncd.once(expect=0)
    assert standin.counts() == {"POST /auth/v2/token": 1, "GET /admin/v2/roles": 1, "GET /admin/v2/users": 20,
                                "POST /admin/v2/users": 100}
    assert standin.emails() == sorted(p.email for p in company.people)
    assert {a["address"] for a in result.actions("create")} == {p.email for p in company.people[1900:]}
    assert all(a["state"] == "done" and a["remote_id"] for a in result.actions("create"))
    assert len(result.actions("adopt")) == 1900
    assert result.json["directory"] == {"state": "complete", "people": 2000, "error": None}
    assert result.target()["state"] == "ok"

    standin.clear_ledger()
    again = idsyncd.once(expect=0)
    assert standin.counts() == {"POST /auth/v2/token": 1, "GET /admin/v2/roles": 1, "GET /admin/v2/users": 21}
    assert again.actions() == [] and again.target()["accounts"] == 2000


def test_long_body(idsyncd, company, standin):
    idsyncd.target["timezone"] = "Europe/Berlin"
    idsyncd.once(expect=0)
    person = company.people[3]
    body, = posts(standin, email=person.email)
    assert body == {"email": person.email, "firstname": person.first, "lastname": person.last, "roleId": 2,
                    "timezone": "Europe/Berlin", "password": "<redacted length=24>"}
    assert all(call["password"]["classes"] == 4 for call in standin.calls("POST", "/users$"))
    assert posts(standin, email=company.people[0].email)[0]["roleId"] == 1
    assert len(set(standin.control("passwords"))) == 10


def test_short_first_page_saves_a_call(idsyncd, slapd, company, standin):
    """Every linked account is on a short first page and nobody is new: no second page is asked for."""
    idsyncd.once(expect=0)
    standin.clear_ledger()
    idsyncd.once(expect=0)
    assert [c["query"] for c in standin.calls("GET", "/users$")] == ["page=1&limit=100"]
    standin.clear_ledger()
    standin.remove_accounts(emails=[company.people[4].email])
    idsyncd.once()      # one is missing: that takes the whole listing
    assert len(standin.calls("GET", "/users$")) == 2


def test_full_asks_to_the_last_page(idsyncd, standin):
    idsyncd.once(expect=0)
    standin.clear_ledger()
    idsyncd.once("--full", expect=0)
    assert [c["query"] for c in standin.calls("GET", "/users$")] == ["page=1&limit=100", "page=2&limit=100"]


def test_nothing_to_do_in_text(idsyncd, standin):
    result = idsyncd.run("--once")
    assert result.code == 0 and result.out.startswith("directory: 10 people\numbrella: ok, "), result
    assert result.out.count(" create ") == 10
    result = idsyncd.run("--once", "--log-level", "info")
    assert result.code == 0 and result.out == "directory: 10 people\numbrella: ok, 10 accounts\n", result
    # neither what a busy machine nor what a sanitizer adds
    assert not [line for line in result.err.splitlines()
                if line.split(":")[0] in ("debug", "info", "notice", "warning", "err") and "loop was blocked" not in line]


def test_json_is_alone_on_stdout(idsyncd, standin):
    result = idsyncd.once(expect=0)
    document = json.loads(result.out)
    assert list(document)[:5] == ["version", "exit", "cycle", "directory", "targets"]
    assert document["version"] == 1 and document["exit"] == 0
    action = document["targets"][0]["actions"][0]
    assert {"id", "action", "person", "address", "remote_id", "before", "after", "outcome", "attempts",
            "detail"} <= set(action)


# --- addresses that Umbrella knows already ---

@pytest.mark.company(people=3)
def test_former_account_comes_back(idsyncd, company, standin):
    person = company.people[2]
    standin.add_accounts(accounts=[person.account()])
    old = standin.account(person.email)["id"]
    standin.remove_accounts(emails=[person.email])

    idsyncd.once(expect=0)
    assert [set(b) for b in posts(standin, email=person.email)] == [
        {"email", "firstname", "lastname", "roleId", "timezone", "password"}, {"email", "roleId"}]
    assert standin.account(person.email)["id"] != old
    # an empty page for the plan, a fresh listing of two pages after the refusal
    assert standin.counts() == {"POST /auth/v2/token": 1, "GET /admin/v2/roles": 1, "GET /admin/v2/users": 3,
                                "POST /admin/v2/users": 4}
    order = [(c["method"], c["path"][-6:], sorted(c["body"] or [])) for c in standin.calls(path="/users$")
             if c["method"] == "GET" or c["body"]["email"] == person.email]
    assert order[-1] == ("POST", "/users", ["email", "roleId"]) and order[-2][0] == "GET"


@pytest.mark.company(people=12)
def test_one_fresh_listing_serves_all(idsyncd, company, standin):
    back = company.people[2:9]
    standin.add_accounts(accounts=[p.account() for p in back])
    standin.remove_accounts(emails=[p.email for p in back])
    idsyncd.once(expect=0)
    assert standin.emails() == sorted(p.email for p in company.people)
    assert len(posts(standin)) == 12 + 7
    pages = [c["query"] for c in standin.calls("GET", "/users$")]
    assert pages.count("page=1&limit=100") == 2, pages
    assert len(standin.calls("GET", "/roles$")) == 1


@pytest.mark.company(people=4)
def test_address_of_another_organization(idsyncd, slapd, company, standin):
    person = company.people[3]
    standin.set_state(foreign=[person.email])
    result = idsyncd.once(expect=1)
    dead, = [a for a in result.actions() if a["state"] == "dead"]
    assert dead["address"] == person.email and dead["outcome"] == "rejected"
    assert "Email already in use" in dead["detail"] and "organi" in dead["detail"], dead
    assert "dead letter" in result.err and person.email in result.err
    assert len(posts(standin, email=person.email)) == 2 and len(standin.emails()) == 3

    standin.clear_ledger()
    again = idsyncd.once(expect=1)              # the same wish: no call
    assert not standin.calls("POST", "/users$")
    assert not [a for a in again.actions() if a["id"] is None]

    slapd.modify(person.dn, sn="Otherwise")     # the person has changed: a new try
    standin.set_state(foreign=[])
    idsyncd.once(expect=0)
    assert standin.account(person.email)["lastname"] == "Otherwise"


@pytest.mark.company(people=2)
def test_mapping_lifts_a_dead_letter(idsyncd, company, standin):
    person = company.people[1]
    standin.set_state(foreign=[person.email])
    idsyncd.once(expect=1)
    standin.set_state(foreign=[])
    idsyncd.once(expect=1)
    assert standin.account(person.email) is None
    idsyncd.target["timezone"] = "Europe/Paris"
    result = idsyncd.once(expect=0)
    assert standin.account(person.email)["timezone"] == "Europe/Paris"
    assert result.target()["drift"] == []       # only a time zone that the directory gives is compared


@pytest.mark.company(people=3)
def test_refused_by_the_api(idsyncd, company, standin):
    """The dead letter has the API's own words; the others go on."""
    standin.fault("status", code=400, body={"message": "the moon is wrong"}, method="POST", path="/users$")
    result = idsyncd.once(expect=1)
    dead, = [a for a in result.actions() if a["state"] == "dead"]
    assert "the moon is wrong" in dead["detail"] and dead["outcome"] == "rejected"
    assert len(standin.emails()) == 2 and len(posts(standin)) == 3


# --- several targets and organisations ---

def family(children):
    """A parent organisation whose key may act for CHILDREN child organisations."""
    return {"organizations": [{"id": ORGANIZATION, "name": "Parent"},
                              *({"id": ORGANIZATION + n, "name": f"Child {n}", "parent": ORGANIZATION}
                                for n in range(1, children + 1))],
            "keys": [{"key": "test-key-73f1", "secret": "tell-nobody-secret-2207",
                      "organization": ORGANIZATION}]}


@pytest.mark.standin(state=family(3))
@pytest.mark.company(people=3, groups={"second": []})
def test_child_organizations(idsyncd, company, standin):
    idsyncd.target["organizations"] = [ORGANIZATION + 1, ORGANIZATION + 2]
    # invite: one address may be in several organisations
    standin.quirks(cross_org="invite")
    result = idsyncd.once("--wait", "5s", expect=0)
    names = [t["name"] for t in result.json["targets"]]
    assert names == [f"umbrella-{ORGANIZATION + 1}", f"umbrella-{ORGANIZATION + 2}"]
    for number in (1, 2):
        assert standin.emails(ORGANIZATION + number) == sorted(p.email for p in company.people)
    assert standin.emails() == [] and standin.emails(ORGANIZATION + 3) == []
    assert len(standin.calls("POST", "/token$")) == 2


def test_one_target_down_holds_back_no_other(make_idsyncd, make_standin, slapd, company):
    good, bad = make_standin(), make_standin()
    runner = make_idsyncd(slapd, good)
    runner.config["targets"].append({**runner.target, "name": "other", "url": bad.url})
    bad.listen(on=False)
    result = runner.once("--wait", "0s", expect=5)
    assert result.target("umbrella")["state"] == "ok" and len(good.emails()) == 10
    assert result.target("other")["state"] in ("unreachable", "parked") and result.target("other")["reason"]
    bad.listen(on=True)
    runner.once(expect=0)
    assert len(bad.emails()) == 10 and len(good.calls("POST", "/users$")) == 10


def test_unknown_role(idsyncd, standin):
    idsyncd.target["roles"] = [{"role": "Grand Vizier"}]
    result = idsyncd.once(expect=3)
    assert "Grand Vizier" in result.target()["reason"] and "Read Only" in result.target()["reason"]
    assert standin.emails() == []


def test_paused(idsyncd, standin):
    idsyncd.target["paused"] = True
    result = idsyncd.once()
    assert standin.emails() == [] and result.target()["state"] == "paused" and result.code in (0, 1)
    idsyncd.target["paused"] = False
    idsyncd.once(expect=0)
    assert len(standin.emails()) == 10


def test_people_in_no_role_row(idsyncd, company, standin):
    """Who matches no row doesn't belong here."""
    idsyncd.target["roles"] = [{"group": group_dn("umbrella-admins"), "role": "Full Admin"}]
    idsyncd.once(expect=0)
    assert standin.emails() == [company.people[0].email]


def test_everybody_in_scope(idsyncd, make_slapd, standin, make_idsyncd):
    slapd = make_slapd(Company(people=5, outsiders=2))
    runner = make_idsyncd(slapd, standin)
    runner.once(expect=0)
    assert len(standin.emails()) == 3
    runner.target["groups"] = []
    runner.once(expect=6)       # another rule: waits for a person
    plan = runner.once("--dry-run", expect=1).target()["hash"]
    runner.once("--approve", plan, expect=0)
    assert len(standin.emails()) == 5


def test_many_uris(idsyncd, slapd, standin):
    idsyncd.config["directory"]["uris"] = ["ldaps://127.0.0.1:1", slapd.ldaps]
    result = idsyncd.once(expect=0)
    assert len(standin.emails()) == 10 and "127.0.0.1:1" in result.err


@pytest.mark.parametrize("how", ["starttls", "anonymous"])
def test_other_ways_to_the_directory(idsyncd, slapd, standin, how):
    directory = idsyncd.config["directory"]
    if how == "starttls":
        directory |= {"uris": [slapd.ldap], "starttls": True}
        idsyncd.once(expect=0)
        assert len(standin.emails()) == 10
    else:
        directory["bind"] = {"method": "anonymous"}     # reads nothing here, so nothing may happen
        idsyncd.once()
        assert standin.emails() == []


def test_new_person(idsyncd, slapd, standin):
    idsyncd.once(expect=0)
    new = Person("zed", "Zoë", "Zappa")
    slapd.add_person(new, "umbrella", "umbrella-admins")
    standin.clear_ledger()
    idsyncd.once(expect=0)
    assert standin.account("zed@example.com")["role"] == "Full Admin"
    assert len(standin.calls("POST", "/users$")) == 1
