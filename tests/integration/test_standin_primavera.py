# SPDX-License-Identifier: Apache-2.0
"""The contract of the stand-in Primavera: each rule and each switch once. What it shares with the others (faults, limits,
TLS, control): test_standin.py."""

import http.client
import json
import time
from urllib.parse import quote, urlparse

import pytest

from lib.client import Client as PlainClient
from lib.process import scaled, wait_for
from lib.standin import ANALYTICS, COMPANY, KEY, P6, SECRET, UNIFIER, StandIn, default_state

V3 = "/cloudapi/restapi/v3/user"
TOKEN = "/cloudapi/restapi/oauth2/token"
INVALID = "Invalid input, Please check."
GOOD = "Abcd-efgh-1234-ijkl"


class Client(PlainClient):
    def __init__(self, standin, **settings):
        super().__init__(standin, **settings)
        self.prefix = f"/{standin.tenant}" if standin.tenant else ""

    def ask_token(self, query="?tokenExpiry=3600"):
        return self.raw("GET", self.prefix + TOKEN + query, self.basic)

    def get_token(self):
        return self.ask_token().text

    def user(self, method, path="", value=None, **headers):
        return self.call(method, self.prefix + V3 + path, value, **headers)

    def save(self, *users, part="added"):
        return self.user("POST", value={part: list(users)})

    def poll(self, answer):
        """Follow the Location of ANSWER."""
        return self.call("GET", urlparse(answer.headers["Location"]).path)

    def job(self, *users, part="added"):
        """The result of a whole job, by login."""
        answer = self.save(*users, part=part)
        assert answer.status == 202
        result = self.poll(answer)
        assert result.status == 200
        return {user["loginId"]: user for user in result.json["added"] + result.json["modified"]}

    def listed(self):
        return {user["loginId"]: user for user in self.user("GET").json}


def person(login, *roles, **changes):
    value = {"loginId": login, "firstName": "Anna", "lastName": "Smith", "emailAddress": f"{login}@example.com",
             "disabled": False, "organization": {k: v for k, v in COMPANY.items() if k != "type"},
             "userType": "EMP", "roles": [{"name": role} for role in roles], **changes}
    return {name: item for name, item in value.items() if item is not None}


@pytest.fixture(scope="module")
def shared(tmp_path_factory, ca):
    standin = StandIn(tmp_path_factory.mktemp("primavera"), ca, api="primavera")
    yield standin
    standin.cleanup()


@pytest.fixture
def standin(request, shared, make_standin):
    """One process for all tests here that need nothing special, reset before each."""
    if request.node.get_closest_marker("standin"):
        yield make_standin(**request.node.get_closest_marker("standin").kwargs)
        return
    shared.reset()
    shared.allow_violations = False
    yield shared
    assert shared.allow_violations or not shared.violations()


@pytest.fixture
def client(standin):
    return Client(standin)


# --- who asks ---

def test_token_is_raw_text(standin, client):
    answer = client.ask_token()
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/plain"
    assert len(answer.text) > 1800 and answer.text == answer.text.strip().strip('"')
    standin.quirks(token_text="newline")
    assert client.ask_token().text.endswith("\n")
    assert [(c["key"], c["token"], c["authorization"]) for c in standin.calls("GET", TOKEN)] == [
        (KEY, 1, "Basic"), (KEY, 2, "Basic")]
    assert Client(standin, secret="wrong").ask_token().status == 401
    standin.allow_violations = True
    for query in ("", "?tokenExpiry=0", "?tokenExpiry=x", "?tokenExpiry=60&scope=a"):
        assert client.ask_token(query).status == 400
    assert len(standin.violations()) == 4
    assert client.raw("POST", TOKEN, client.basic).status in (401, 405)


def test_token_expires(standin, client):
    client.token = client.ask_token("?tokenExpiry=1").text
    assert client.user("GET").status == 200
    time.sleep(1.05)
    assert client.user("GET").status == 401
    client.token = None
    assert client.user("GET").status == 200
    standin.expire_tokens()
    assert client.user("GET").status == 401
    client.token = None
    standin.switches(token={"lifetime": 0})
    assert client.user("GET").status == 401
    standin.quirks(max_token_expiry=600)
    assert client.ask_token().status == 400 and client.ask_token("?tokenExpiry=600").status == 200


def test_unknown_token_and_no_authorization(standin, client):
    client.token = "nonsense"
    assert client.user("GET").status == 401 and client.raw("GET", V3).status == 401
    assert client.raw("GET", V3, client.basic).status == 401
    standin.quirks(basic=True)
    assert client.raw("GET", V3, client.basic).status == 200
    assert Client(standin, secret="x").raw("GET", V3, client.basic | {"Authorization": "Basic eDp5"}).status == 401


@pytest.mark.parametrize("code", [401, 403, 404])
def test_not_allowed(standin, client, code):
    standin.set_state(keys=[{"key": KEY, "secret": SECRET, "may": ["read"]}])
    standin.quirks(unauthorized=code)
    assert client.user("GET").status == 200
    assert client.save(person("a")).status == code and standin.user("a") is None
    standin.set_state(keys=[{"key": KEY, "secret": SECRET, "may": []}])
    assert client.user("GET", f"/{KEY}").status == code


@pytest.mark.standin(api="primavera", quirks={"tenant": "acme"})
def test_tenant(standin, client):
    assert client.user("GET").status == 200
    answer = client.save(person("a", P6))
    assert urlparse(answer.headers["Location"]).path.startswith("/acme/cloudapi/")
    assert client.poll(answer).status == 200
    standin.allow_violations = True
    client.prefix = ""
    assert client.user("GET").status == 404 and client.ask_token().status in (401, 404)
    assert len(standin.violations()) == 2


def test_a_key_is_a_user(standin, client):
    assert list(client.listed()) == [KEY] and standin.users() == []
    me = standin.user(KEY)
    assert me["own"] and me["can_sign_in"] and me["admin"]
    assert client.user("PUT", "/auto-reset-pwd", [KEY]).json == {KEY: ""}
    assert client.ask_token().status == 401         # its password is another one now
    assert client.user("PUT", "/change-status", [person(KEY, disabled=True)]).status == 200
    assert client.user("GET").status == 401


# --- the listing ---

def test_listing_shapes(standin, client):
    standin.add_accounts(accounts=[{"loginId": "anna", "roles": [P6]}])
    answer = client.user("GET")
    assert answer.headers["Transfer-Encoding"] == "chunked" and b" " not in answer.body[:40]
    rows = answer.json
    assert [row["loginId"] for row in rows] == [KEY, "anna"]
    assert client.user("GET", "/anna").json == rows[1]
    standin.quirks(listing={"transfer": "length", "pretty": True})
    answer = client.user("GET")
    assert answer.json == rows and answer.body.startswith(b"[\n{\n  ")
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    for pretty in (True, False):
        standin.quirks(listing={"wrap": "users", "beside": {"total": 2, "more": False, "filter": None}, "pretty": pretty})
        assert client.user("GET").json == {"total": 2, "more": False, "filter": None, "users": rows}
    standin.quirks(listing={"wrap": "items", "beside": {}})
    assert client.user("GET").json == {"items": rows}


def test_dates_and_nulls(standin, client):
    standin.add_accounts(accounts=[{"loginId": "anna", "password_set": False}])
    user = client.user("GET", "/anna").json
    assert user["createdDate"] == {"millis": 1527678340000, "wrappedDateTime": "2018-05-30T11:05:40"}
    assert "lastPasswordResetDate" not in user and "manager" not in user
    standin.quirks(dates="string", zone=120, absent="null")
    user = client.user("GET", "/anna").json
    assert user["createdDate"] == "2018-05-30T13:05:40" and user["lastPasswordResetDate"] is None
    assert user["manager"] is None and user["middleName"] is None
    assert client.listed()["anna"] == user


@pytest.mark.parametrize("settings, text", [
    ({"drop": 1}, lambda true: true[:-1]), ({"drop": 30}, lambda true: true[:-30]),
    ({"append": "]"}, lambda true: true + b"]"), ({"append": "<html>"}, lambda true: true + b"<html>"),
    ({"prepend": "\ufeff"}, lambda true: b"\xef\xbb\xbf" + true),
])
def test_spoiled_listing(standin, client, settings, text):
    true = client.user("GET").body
    standin.fault("edit", path="/user$", **settings)
    spoiled = client.user("GET")
    assert spoiled.status == 200 and spoiled.body == text(true) and client.user("GET").body == true


def test_oversized_element(standin, client):
    standin.fill(count=3)
    for wrap in ("", "users"):
        standin.quirks(listing={"wrap": wrap})
        standin.fault("oversize", path="/user$", row=2, bytes=3 << 20)
        rows = client.user("GET").json
        rows = rows["users"] if wrap else rows
        assert [len(row.get("middleName", "")) for row in rows] == [0, 0, 3 << 20, 0]


def test_truncated_listing(standin, client):
    standin.fill(count=50)
    for settings in ({"chunked": True}, {}):
        standin.fault("truncate", path="/user$", **settings)
        with pytest.raises(http.client.IncompleteRead):
            client.user("GET")
        client.connect()
    standin.fault("stall", path="/user$", seconds=0.3)
    start = time.monotonic()
    assert len(client.user("GET").json) == 51 and time.monotonic() - start >= 0.3
    standin.fault("drip", path="/user$", bytes=8192, seconds=0.05)
    assert len(client.user("GET").json) == 51


def test_huge_listing(standin, client):
    standin.fill(count=50000, roles=[P6])
    client.connect(timeout=30)
    start = time.monotonic()
    first = client.user("GET").body
    second = client.user("GET").body
    seconds = time.monotonic() - start
    assert first == second and len(json.loads(first)) == 50001 and len(first) > 20 << 20
    assert seconds < scaled(20), seconds
    standin.reset()


def test_delayed(standin, client):
    standin.quirks(list_delay=0.4, get_delay=0.2)
    client.job(person("anna"))
    assert "anna" not in client.listed() and client.user("GET", "/anna").status == 404
    wait_for(lambda: client.user("GET", "/anna").status == 200, 2)
    wait_for(lambda: "anna" in client.listed(), 2)


def test_get_by_login(standin, client):
    standin.add_accounts(accounts=[{"loginId": "Anna Ö/x@y", "emailAddress": "a@y"}])
    assert client.user("GET", "/" + quote("anna ö/X@y", safe="")).json["loginId"] == "Anna Ö/x@y"
    assert client.user("GET", "/nobody").status == 404


# --- jobs ---

def test_create(standin, client):
    answer = client.save(person("anna", P6, employeeNumber="7", admin=False))
    assert answer.status == 202 and answer.body == b""
    assert answer.headers["Location"] == f"{standin.url}{V3}/status/95733"
    result = client.poll(answer)
    assert result.status == 200 and result.json["modified"] == [] and result.json["deleted"] == []
    user, = result.json["added"]
    assert (user["processed"], user["statusInfo"], user["statusInfoOK"]) == (True, "User created", True)
    assert user["roles"] == [{"id": "101", "displayName": P6, "name": P6}] and user["employeeNumber"] == "7"
    stored = standin.account("ANNA@example.com")
    assert stored["createdBy"] == KEY and not stored["password_set"] and not stored["can_sign_in"]
    assert standin.sign_in(login="anna") == "no password was set"
    assert standin.emails() == ["anna@example.com"] and standin.roles("anna") == [P6]
    assert standin.wait_job()["results"] == {"anna": "User created"} and standin.job(95733)["logins"] == ["anna"]
    assert standin.calls("POST", "/user$")[0]["handled"]
    assert standin.counts() == {f"GET {TOKEN}": 1, f"POST {V3}": 1, f"GET {V3}/status/{{id}}": 1}


def test_update_replaces_roles(standin, client):
    standin.set_state(applications=[P6, {"name": UNIFIER, "userAccessType": "default"}, ANALYTICS])
    standin.add_accounts(accounts=[{"loginId": "anna", "manager": "boss"}])
    standin.change_account(login="anna", fields={"roles": [P6, {"name": UNIFIER, "userAccessType": "special"}]})
    roles = client.user("GET", "/anna").json["roles"]
    assert roles[1]["userAccessType"] == "special"
    both = client.job(person("ANNA", lastName="Miller", roles=[roles[1]], emailAddress="new@example.com"))["anna"]
    assert both["statusInfo"] == "User updated" and both["id"] == standin.user("anna")["id"]
    user = client.user("GET", "/anna").json
    assert user["roles"] == [roles[1]] and user["lastName"] == "Miller" and user["manager"] == "boss"
    assert standin.emails() == ["new@example.com"]
    client.job(person("anna", UNIFIER), part="modified")
    assert client.user("GET", "/anna").json["roles"][0]["userAccessType"] == "default"
    standin.quirks(omitted="clear")
    client.job(person("anna", roles=None, disabled=True))
    user = standin.user("anna")
    assert user["roles"] == [] and user["disabled"] and "manager" not in user and standin.sign_in(login="anna") == "disabled"


def test_one_job_at_a_time(standin, client):
    standin.quirks(job={"polls": 2})
    first = client.save(person("anna"))
    busy = client.save(person("bob"))
    assert busy.status == 400 and busy.text == INVALID
    assert "anna" not in client.listed()
    for _ in range(2):
        running = client.poll(first)
        assert running.status == 202 and running.headers["Location"] == first.headers["Location"]
    assert standin.job()["state"] == "running" or "anna" in client.listed()
    assert client.poll(first).status == 200 and "anna" in client.listed()
    standin.quirks(job={"polls": 0, "seconds": 0.3, "busy": 409, "busy_text": "wait"})
    second = client.save(person("bob"))
    busy = client.save(person("carl"))
    assert busy.status == 409 and busy.text == "wait" and client.poll(second).status == 202
    standin.wait_job()
    assert client.poll(second).status == 200 and sorted(client.listed()) == ["anna", "bob", KEY]
    number = standin.start_job(seconds=60)
    standin.quirks(job={"busy": 500, "busy_text": ""})
    assert "Identity Management" in client.save(person("carl")).text
    standin.finish_job()
    assert standin.job(number)["state"] == "done" and client.save(person("carl")).status == 202


@pytest.mark.parametrize("tell, location", [
    ("absolute", "{url}{path}/status/95733"), ("path", "{path}/status/95733"), ("relative", "user/status/95733"),
    ("typo", "{path}s/status/95733"), ("elsewhere", "{elsewhere}{path}/status/95733"), ("body", None), ("none", None)])
def test_where_the_number_is(standin, client, tell, location):
    standin.quirks(job={"tell": tell})
    answer = client.save(person("anna"))
    places = {"url": standin.url, "elsewhere": standin.elsewhere_url, "path": V3}
    assert answer.status == 202 and answer.headers["Location"] == (location and location.format(**places))
    assert answer.body == (b"95733" if tell == "body" else b"")
    assert client.user("GET", "/status/95733").status == 200


@pytest.mark.parametrize("outcome, code, there, state", [
    ("done", 200, True, "done"), ("error", 500, False, "error"), ("error-applied", 500, True, "error"),
    ("lost", 404, False, "lost"), ("lost-applied", 404, True, "lost")])
def test_outcome_of_a_job(standin, client, outcome, code, there, state):
    standin.quirks(job={"outcome": outcome, "polls": 1})
    answer = client.save(person("anna"))
    assert [client.poll(answer).status for _ in range(3)] == [202, code, code]
    assert ("anna" in client.listed()) == there and standin.job()["state"] == state
    assert client.user("GET", "/status/95733/log").status == (200 if code == 200 else 404)
    assert client.save(person("bob")).status == 202


def test_job_that_is_forgotten_and_answer_500(standin, client):
    standin.quirks(job={"keep": 0.3, "apply": "start", "seconds": 0.1})
    answer = client.save(person("anna"))
    assert "anna" in client.listed() and client.poll(answer).status == 202
    standin.wait_job()
    standin.fault("status", code=500, path="/status/")
    assert [client.poll(answer).status for _ in range(2)] == [500, 200]
    wait_for(lambda: client.poll(answer).status == 404, 3)
    assert client.user("GET", "/status/1").status == 404


def test_a_job_that_runs_ends_by_hand(standin, client):
    standin.quirks(job={"seconds": 3600})
    answer = client.save(person("anna"))
    standin.finish_job(outcome="lost-applied")
    assert client.poll(answer).status == 404 and standin.user("anna")


def test_partial_failure(standin, client):
    standin.add_accounts(accounts=[{"loginId": "taken", "emailAddress": "Taken@example.com", "roles": [ANALYTICS]},
                                   {"loginId": "other"}])
    other = {"id": "9", "name": "nowhere", "displayName": "Nowhere"}
    result = client.job(person("good", P6), person("anna", emailAddress="taken@EXAMPLE.com"),
                        person("bob", organization=other), person("taken", P6, "NoSuchRole", firstName="Zoë"),
                        person("carl", "NoSuchRole"), person("other", id="1"))
    told = {login: (user["processed"], user["statusInfoOK"], user["statusInfo"]) for login, user in result.items()}
    assert told == {
        "good": (True, True, "User created"),
        "anna": (False, False, "Email address is already in use"),
        "bob": (False, False, "Company does not exist"),
        "taken": (True, False, "User updated, but Application Access failed"),
        "carl": (True, False, "User created, but Application Access failed"),
        "other": (False, False, "User id does not match")}
    assert sorted(client.listed()) == ["carl", "good", "other", "taken", KEY]
    assert standin.roles("taken") == [ANALYTICS] and standin.user("taken")["firstName"] == "Zoë"
    assert standin.roles("carl") == []
    assert client.job(person("new"), part="modified")["new"]["statusInfo"] == "User does not exist"
    standin.quirks(unique_email=False)
    assert client.job(person("anna", emailAddress="taken@example.com"))["anna"]["statusInfoOK"]


def test_scripted_failure(standin, client):
    standin.script(login="anna", text="User created, but Application Access failed", effect="fields")
    standin.script(login="bob", text="Something is wrong", count=2)
    standin.script(login="carl", text="All well but silent", effect="all", report=False)
    standin.script(login="dora", text="Done, perhaps", effect="all", processed=False)
    result = client.job(*(person(login, P6) for login in ("anna", "bob", "carl", "dora")))
    assert {login: (user["processed"], user["statusInfoOK"]) for login, user in result.items()} == {
        "anna": (True, False), "bob": (False, False), "dora": (False, False)}
    assert standin.roles("anna") == [] and standin.roles("carl") == [P6] and standin.user("bob") is None
    again = client.job(person("anna", P6), person("bob", P6))
    assert again["anna"]["statusInfoOK"] and again["bob"]["statusInfo"] == "Something is wrong"
    assert client.job(person("bob", P6))["bob"]["statusInfoOK"]
    with pytest.raises(AssertionError):
        standin.script(login="x", text="", effect="nonsense")


def test_draft_and_log(standin, client):
    standin.script(login="anna", text="Bad luck")
    client.job(person("anna", P6), person("bob"))
    draft = client.user("GET", "/status/95733/draft")
    assert draft.headers["Content-Type"] == "application/octet-stream"
    assert draft.text.splitlines() == ["Last Name,First Name,Email,Username,Company,User Type,Locked,Active",
                                       "Smith,Anna,anna@example.com,anna,example,EMP,False,True"]
    assert client.user("GET", "/status/95733/log").text == "anna: Bad luck\nbob: User created\n"


def test_refused_stores(standin, client):
    assert client.user("POST", value={}).status == 400 and client.user("POST", value={"added": []}).status == 400
    assert client.save(person("anna"), person("ANNA")).status == 400
    assert standin.job() is None


# --- requests that break the contract ---

@pytest.mark.parametrize("method, path, value, status", [
    *(("POST", "", {"added": [person("anna", **{field: None})]}, 400) for field in (
        "firstName", "lastName", "emailAddress", "disabled", "organization")),
    *(("POST", "", {"added": [person("anna", organization={k: v for k, v in COMPANY.items() if k != field})]}, 400)
      for field in ("id", "name", "displayName")),
    ("POST", "", {"added": [person("")]}, 400),
    ("POST", "", {"added": [person("anna", emailAddress="nobody")]}, 400),
    ("POST", "", {"added": [person("anna", password=GOOD)]}, 400),
    ("POST", "", {"added": [person("anna", createdBy="me")]}, 400),
    ("POST", "", {"added": [person("anna", shoeSize=44)]}, 400),
    ("POST", "", {"added": [person("anna", roles=[P6])]}, 400),
    ("POST", "", {"deleted": ["anna"]}, 400),
    ("POST", "", [person("anna")], 400),
    ("GET", "?page=1", None, 400),
    ("DELETE", "/anna", None, 405),
    ("PATCH", "/anna", {}, 405),
    ("GET", "/status/x", None, 400),
    ("GET", "s", None, 404),
    ("PUT", "/change-status", person("anna"), 400),
    ("PUT", "/change-status", [], 400),
    ("PUT", "/change-status", [{"loginId": "anna", "disabled": True}], 400),
    ("PUT", "/change-lock", [{"loginId": "anna"}], 400),
    ("PUT", "/manual-reset-pwd/true", [person("anna")], 400),
    ("PUT", "/manual-reset-pwd/true", [{"loginId": "anna", "password": GOOD}], 400),
    ("PUT", "/manual-reset-pwd/yes", [person("anna", password=GOOD)], 400),
    ("PUT", "/auto-reset-pwd", [{"loginId": "anna"}], 400),
    ("PUT", "/auto-reset-pwd", ["anna", "anna"], 400),
    ("PUT", "/anna/auto-reset-pwd", {}, 400),
])
def test_violations(standin, client, method, path, value, status):
    standin.allow_violations = True
    standin.add_accounts(accounts=[{"loginId": "anna"}])
    before = standin.accounts()
    answer = client.user(method, path, value)
    assert answer.status == status and standin.accounts() == before
    assert len(standin.violations()) == 1 and GOOD not in standin.violations()[0]


def test_errors_have_many_shapes(standin, client):
    assert (client.save().text, client.save().headers["Content-Type"]) == (INVALID, "text/plain")
    standin.quirks(errors="json")
    assert client.save().json == {"message": INVALID, "statusCode": 400}
    standin.quirks(errors="html")
    assert client.save().headers["Content-Type"] == "text/html"
    standin.quirks(errors="empty")
    assert client.save().body == b""


# --- status, lock, passwords ---

def test_change_status(standin, client):
    standin.add_accounts(accounts=[{"loginId": "anna", "roles": [P6]}, {"loginId": "bob"}])
    answer = client.user("PUT", "/change-status", [person("anna", disabled=True), person("bob", disabled=True)])
    assert answer.status == 200 and answer.json["loginId"] == "anna" and answer.json["disabled"]
    assert standin.user("anna")["status"] == "Inactive" and standin.roles("anna") == [P6]     # roles stay
    updated = standin.user("anna")["updatedDate"]
    assert client.user("PUT", "/change-status", [person("anna", disabled=True)]).status == 200
    assert standin.user("anna")["updatedDate"] == updated
    assert client.user("PUT", "/change-status", [person("anna"), person("nobody")]).status == 400
    assert standin.user("anna")["disabled"]
    standin.quirks(partial="others")
    assert client.user("PUT", "/change-status", [person("anna"), person("nobody")]).status == 400
    assert not standin.user("anna")["disabled"]
    for form, body in (("users", lambda a: a.json[0]["loginId"] == "anna"), ("object", lambda a: a.json == {}),
                       ("empty", lambda a: a.body == b"")):
        standin.quirks(put_answer=form)
        answer = client.user("PUT", "/change-status", [person("anna", disabled=True)])
        assert answer.status == 200 and body(answer)


def test_ids_in_a_put(standin, client):
    standin.add_accounts(accounts=[{"loginId": "anna"}])
    number = standin.user("anna")["id"]
    assert client.user("PUT", "/change-status", [person("anna", id=number)]).status == 200
    assert client.user("PUT", "/change-status", [person("anna", id="1")]).status == 400
    standin.quirks(put_needs_id=True)
    assert client.user("PUT", "/change-status", [person("anna")]).status == 400
    assert client.user("PUT", "/change-status", [person("anna", id=number)]).status == 200


def test_change_lock(standin, client):
    standin.add_accounts(accounts=[{"loginId": "anna", "locked": True}])
    assert standin.sign_in(login="anna") == "locked"
    answer = client.user("PUT", "/change-lock", [{"loginId": "anna", "locked": False, "id": standin.user("anna")["id"]}])
    assert answer.status == 200 and not standin.user("anna")["locked"] and standin.sign_in(login="anna") == ""
    assert client.user("PUT", "/change-lock", [{"loginId": "anna", "locked": True}]).status == 200
    assert standin.user("anna")["loginAttemptsCtr"] == "5"
    assert client.user("PUT", "/change-lock", [{"loginId": "nobody", "locked": False}]).status == 400


def test_manual_reset(standin, client):
    client.job(person("anna", P6), person("bob", P6))
    assert not standin.user("anna")["can_sign_in"] and "lastPasswordResetDate" not in standin.user("anna")
    users = [person("anna", password=GOOD), person("bob", password=GOOD + "1")]
    answer = client.user("PUT", "/manual-reset-pwd/true", users)
    assert answer.status == 200 and "password" not in answer.text
    anna = standin.user("anna")
    assert anna["can_sign_in"] and anna["mails"] == 1 and anna["resets"] == 1
    assert abs(anna["lastPasswordResetDate"]["millis"] - time.time() * 1000) < 5000
    assert standin.sign_in(login="anna", password=GOOD) == "" and standin.sign_in(login="bob", password=GOOD)
    call = standin.calls("PUT")[0]
    assert [user["password"] for user in call["body"]] == ["<redacted length=19>", "<redacted length=20>"]
    assert [fact["classes"] for fact in call["passwords"]] == [4, 4] and call["password"] == call["passwords"][0]
    assert GOOD not in json.dumps(standin.ledger()) and set(standin.passwords()) >= {GOOD, GOOD + "1"}
    first = anna["lastPasswordResetDate"]["millis"]
    assert client.user("PUT", "/manual-reset-pwd/false", [person("anna", password=GOOD + "2")]).status == 200
    anna = standin.user("anna")
    assert anna["mails"] == 1 and anna["lastPasswordResetDate"]["millis"] > first


@pytest.mark.parametrize("partial", ["none", "others"])
def test_manual_reset_refused_for_one(standin, client, partial):
    standin.quirks(partial=partial)
    standin.add_accounts(accounts=[{"loginId": "anna", "password_set": False}, {"loginId": "bob"}])
    for bad in (person("nobody", password=GOOD), person("bob", password="Short-1"), person("bob", password="x" * 30),
                person("bob", password="Bob-secret-1234567")):
        answer = client.user("PUT", "/manual-reset-pwd/false", [person("anna", password=GOOD), bad])
        assert answer.status == 400 and answer.text == INVALID
        assert standin.user("anna")["password_set"] == (partial == "others") and standin.user("bob")["resets"] == 0
        standin.change_account(login="anna", fields={"password_set": False})
        standin.quirks(policy={"classes": 4})
        if partial == "others":     # the same password again is refused too
            assert client.user("PUT", "/manual-reset-pwd/false", [person("anna", password=GOOD)]).status == 400
            standin.remove_accounts(logins=["anna"])
            standin.add_accounts(accounts=[{"loginId": "anna", "password_set": False}])
    standin.quirks(policy={"length": 5, "classes": 1})
    assert client.user("PUT", "/manual-reset-pwd/false", [person("bob", password="x" * 30)]).status == 200


def test_auto_reset(standin, client):
    client.job(person("anna", P6))
    answer = client.user("PUT", "/auto-reset-pwd", ["anna", "nobody"])
    assert answer.status == 200 and answer.json == {"anna": "", "nobody": "User does not exist"}
    anna = standin.user("anna")
    assert anna["can_sign_in"] and anna["mails"] == 1
    answer = client.user("PUT", "/Anna/auto-reset-pwd")
    assert answer.status == 200 and answer.text == "Success" and answer.headers["Content-Type"] == "text/plain"
    assert standin.user("anna")["resets"] == 2
    assert client.user("PUT", "/nobody/auto-reset-pwd").status == 404


# --- what is shared with the other APIs ---

def test_no_limits_unless_switched_on(standin, client):
    assert all(client.user("GET", f"/{KEY}").status == 200 for _ in range(30))
    standin.switches(limits={"enforce": True, "retry_after": "seconds", "second": 1000, "minute": 2})
    answers = [client.user("GET", f"/{KEY}") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429] and int(answers[2].headers["Retry-After"]) > 50


def test_faults_and_ledger(standin, client):
    standin.fault("reset", execute=True, method="POST", path="/user$")
    with pytest.raises(OSError):
        client.save(person("anna"))
    client.connect()
    assert standin.job()["state"] == "done" or "anna" in client.listed()
    assert standin.calls("POST")[0]["fault"] == "reset" and standin.calls("POST")[0]["handled"]
    standin.fault("status", code=503, method="PUT", path="/auto-reset-pwd$", retry_after=7)
    answer = client.user("PUT", "/auto-reset-pwd", ["anna"])
    assert answer.status == 503 and answer.headers["Retry-After"] == "7" and standin.user("anna")["resets"] == 0


def test_state_by_hand(standin, client):
    standin.set_state(users=[{"loginId": "x", "emailAddress": "x@y", "roles": [ANALYTICS]}])
    assert sorted(client.listed()) == [KEY, "x"]
    standin.set_state(companies=[COMPANY, {"id": "2", "name": "second", "displayName": "Second"}])
    standin.change_account(email="X@Y", fields={"company": "2", "employeeNumber": "12", "roles": [P6]})
    user = client.user("GET", "/x").json
    assert user["organization"]["name"] == "second" and user["employeeNumber"] == "12" and standin.roles("x") == [P6]
    state = standin.state()
    assert [u["loginId"] for u in state["users"]] == [KEY, "x"] and "secret" not in json.dumps(state["keys"])
    standin.remove_accounts(emails=["x@y"])
    assert standin.users() == [] and list(client.listed()) == [KEY]
    for verb, arguments in (("quirks", {"jobs": {}}), ("set_state", {"organizations": []}), ("start_job", {"x": 1}),
                            ("add_accounts", {"accounts": [{"loginId": "a", "mail": "x"}]}),
                            ("change_account", {"login": "no", "fields": {}}), ("finish_job", {}),
                            ("start_job", {"outcome": "nonsense"})):
        with pytest.raises(AssertionError):
            standin.control(verb, **arguments)
    assert "script" in standin.help() and default_state("primavera")["companies"] == [COMPANY]


@pytest.mark.standin(api="primavera", quirks={"tenant": "acme"})
def test_runner_is_configured(make_idsyncd, standin, company):
    runner = make_idsyncd(None, standin)
    target = runner.target
    assert target["type"] == "primavera" and target["tenant"] == "acme" and target["company"]["id"] == COMPANY["id"]
    assert target["applications"][1]["names"] == [UNIFIER] and "roles" not in target
    assert set(company.groups) == {"primavera", "primavera-unifier"}
    assert runner.credentials["primavera-key"] == KEY and runner.credentials["primavera-secret"] == SECRET
