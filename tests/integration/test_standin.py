# SPDX-License-Identifier: Apache-2.0
"""The stand-in's own contract: each rule and each fault once."""

import http.client
import json
import re
import socket
import ssl
import time
from urllib.parse import urlencode, urlparse

import pytest

from lib.client import JSON, Client as PlainClient
from lib.process import never, wait_for
from lib.standin import KEY, ORGANIZATION, SECRET, StandIn

CHILD = 1000002
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
READ = ["admin.users:read", "admin.roles:read"]


class Client(PlainClient):
    def __init__(self, standin, organization=None, **settings):
        super().__init__(standin, **settings)
        self.organization = organization

    def ask_token(self, body="grant_type=client_credentials", **headers):
        child = {"X-Umbrella-OrgId": str(self.organization)} if self.organization else {}
        return self.raw("POST", "/auth/v2/token", {**self.basic, **FORM, **child, **headers}, body)

    def get_token(self):
        return self.ask_token().json["access_token"]

    def users(self, **query):
        return self.call("GET", "/admin/v2/users" + ("?" + urlencode(query) if query else ""))

    def create(self, email, role=2, **changes):
        return self.call("POST", "/admin/v2/users", {
            "email": email, "password": "Abcdefgh1234-xyz", "firstname": "A", "lastname": "B",
            "roleId": role, "timezone": "UTC", **changes})

    def recreate(self, email, role=2):
        return self.call("POST", "/admin/v2/users", {"email": email, "roleId": role})


@pytest.fixture(scope="module")
def shared(tmp_path_factory, ca):
    standin = StandIn(tmp_path_factory.mktemp("standin"), ca)
    yield standin
    standin.cleanup()


@pytest.fixture
def standin(request, shared, make_standin):
    """One process for all tests here that need nothing special, reset before each."""
    if request.node.get_closest_marker("standin"):
        return make_standin(**request.node.get_closest_marker("standin").kwargs)
    shared.reset()
    shared.allow_violations = False
    return shared


@pytest.fixture
def client(standin):
    return Client(standin)


def check_refused(answer, status, text=None):
    assert answer.status == status
    if text is not None:
        assert answer.json == {"message": text}


# --- token ---

def test_token(standin, client):
    answer = client.ask_token()
    assert answer.status == 200
    assert answer.json["token_type"] == "Bearer" and answer.json["expires_in"] == 3600
    assert len(answer.json["access_token"]) > 1800
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["x-request-id"]


def test_token_bad_secret(standin):
    answer = Client(standin, secret="wrong").ask_token()
    check_refused(answer, 401, "Invalid authentication credentials")
    assert answer.headers["Content-Length"] == "48" and "x-ratelimit-limit-minute" not in answer.headers


@pytest.mark.parametrize("body, headers", [
    ("", {}), ("grant_type=password", {}), ("grant_type=client_credentials&x=1", {}),
    ('{"grant_type":"client_credentials"}', {"Content-Type": "application/json"}),
])
def test_token_needs_the_form(standin, client, body, headers):
    standin.allow_violations = True
    assert client.ask_token(body, **headers).status == 400
    assert standin.violations()


def test_token_expires(standin, client):
    standin.switches(token={"expires_in": 1})
    assert client.users().status == 200
    standin.expire_tokens()
    answer = client.users()
    assert answer.status == 400 and answer.json == {"error": "invalid_request"}
    client.token = None
    assert client.users().status == 200
    time.sleep(1.05)
    assert client.users().status == 400


def test_unknown_token(standin, client):
    assert client.users().status == 200
    standin.revoke_tokens()
    check_refused(client.users(), 401, "Unauthorized request")
    check_refused(client.raw("GET", "/admin/v2/users"), 401)
    assert [c["token"] for c in standin.calls(path="users")] == [1, None, None]


def test_token_type_in_small_letters(standin, client):
    standin.switches(token={"token_type": "bearer"})
    assert client.ask_token().json["token_type"] == "bearer"


def two_organizations(scopes=None):
    keys = [{"key": KEY, "secret": SECRET, "organization": ORGANIZATION}]
    if scopes is not None:
        keys[0]["scopes"] = scopes
    return {"organizations": [{"id": ORGANIZATION, "name": "Parent"},
                              {"id": CHILD, "name": "Child", "parent": ORGANIZATION}], "keys": keys}


def test_child_organization(standin):
    standin.set_state(**two_organizations())
    standin.add_accounts(organization=CHILD, accounts=[{"email": "kid@example.com"}])
    parent, child = Client(standin), Client(standin, organization=CHILD)
    assert parent.users().json == [] and child.users().json[0]["email"] == "kid@example.com"
    assert Client(standin, organization=77).ask_token().status == 403
    assert standin.calls(path="users")[1]["organization"] == CHILD


def test_missing_scope(standin):
    standin.set_state(**two_organizations(scopes=READ))
    client = Client(standin)
    assert client.users().status == 200
    check_refused(client.create("a@example.com"), 403, "Forbidden")
    assert standin.accounts() == []


def test_resets_need_the_parent_token(standin):
    standin.set_state(**two_organizations())
    standin.add_accounts(organization=CHILD, accounts=[{"email": "kid@example.com"}])
    parent, child = Client(standin), Client(standin, organization=CHILD)
    path, body = f"/admin/v2/passwordResets/{CHILD}", {"adminEmails": ["kid@example.com", "x@example.com"]}
    check_refused(child.call("POST", path, body), 403)
    answer = parent.call("POST", path, body)
    assert answer.status == 200 and answer.json == ""
    assert standin.accounts(organization=CHILD)[0]["resets"] == 1
    check_refused(parent.call("POST", f"/admin/v2/passwordResets/{ORGANIZATION}", body), 404)
    check_refused(child.call("GET", "/admin/v2/organizations?email=kid@example.com"), 403)
    assert parent.call("GET", "/admin/v2/organizations?email=kid@example.com").json[0]["organizationId"] == CHILD
    assert parent.call("GET", "/admin/v2/organizations?email=no@example.com").status == 404


@pytest.mark.standin(api="umbrella-gov")
def test_government_has_less(standin, client):
    standin.allow_violations = True
    assert client.users().status == 200
    assert client.call("POST", "/admin/v2/passwordResets/1", {"adminEmails": ["a@b"]}).status == 404
    assert client.call("GET", "/admin/v2/organizations?email=a@b").status == 404
    assert len(standin.violations()) == 2


# --- requests that break the contract ---

@pytest.mark.parametrize("method, target, value, headers, status", [
    ("GET", "/admin/v2/users?page=0", None, {}, 400),
    ("GET", "/admin/v2/users?limit=x", None, {}, 400),
    ("GET", "/admin/v2/users?size=5", None, {}, 400),
    ("GET", "/admin/v2/users?page=1&page=2", None, {}, 400),
    ("GET", "/admin/v2/users/abc", None, {}, 400),
    ("GET", "/admin/v2/user", None, {}, 404),
    ("PUT", "/admin/v2/users/1", {"roleId": 1}, {}, 405),
    ("PATCH", "/admin/v2/users/1", {"roleId": 1}, {}, 405),
    ("GET", "/admin/v2/roles", {}, {}, 400),
    ("POST", "/admin/v2/users", {"email": "a@example.com"}, {}, 400),
    ("POST", "/admin/v2/users", {"email": "a@example.com", "roleId": "2"}, {}, 400),
    ("POST", "/admin/v2/users", {"email": "a@example.com", "roleId": 2, "password": "x"}, {}, 400),
    ("POST", "/admin/v2/users", {"email": "a@example.com", "roleId": 2, "more": 1}, {}, 400),
    ("POST", "/admin/v2/users", {"email": "nobody", "roleId": 2}, {}, 400),
    ("POST", "/admin/v2/users", {"email": "a@example.com", "roleId": 2}, {"Content-Type": "text/plain"}, 400),
])
def test_violations(standin, client, method, target, value, headers, status):
    standin.allow_violations = True
    assert client.call(method, target, value, **headers).status == status
    assert len(standin.violations()) == 1 and standin.accounts() == []


def test_duplicate_key_in_a_request(standin, client):
    standin.allow_violations = True
    client.users()
    answer = client.raw("POST", "/admin/v2/users", {"Authorization": f"Bearer {client.token}", **JSON},
                        '{"email":"a@example.com","roleId":1,"roleId":2}')
    assert answer.status == 400 and "twice" in standin.violations()[0]


def test_not_http(standin):
    client = Client(standin)
    client.connection.connect()
    client.connection.sock.sendall(b"HELLO\r\n\r\n")
    assert client.connection.sock.recv(100).startswith(b"HTTP/1.1 400 ")
    assert standin.connections()[-1]["bad_request"]


def test_misspelt_switches_are_errors(standin):
    for verb, arguments in (("quirks", {"pageing": {}}), ("switches", {"limit": {}}), ("set_state", {"org": []}),
                            ("fault", {"do": {"kind": "nonsense"}}), ("nonsense", {})):
        with pytest.raises(AssertionError):
            standin.control(verb, **arguments)


# --- accounts ---

def test_roles_as_recorded(client):
    assert client.call("GET", "/admin/v2/roles").json == [
        {"organizationId": 0, "label": label, "roleId": n + 1} for n, label in enumerate(
            ["Full Admin", "Read Only", "Block Page Bypass", "Reporting Only", "Investigate Only"])]


def test_custom_role(standin, client):
    standin.set_state(roles=[{"roleId": 41, "label": "Help Desk", "organizationId": ORGANIZATION}])
    assert client.call("GET", "/admin/v2/roles").json[-1] == {
        "organizationId": ORGANIZATION, "label": "Help Desk", "roleId": 41}
    assert client.create("a@example.com", role=41).json["role"] == "Help Desk"


def test_life_of_an_account(standin, client):
    answer = client.create("Anna@Example.com", role=1)
    assert answer.status == 200
    account = answer.json
    assert list(account) == ["firstname", "lastname", "email", "role", "roleId", "status", "twoFactorEnable", "id",
                             "timezone"]
    assert account["role"] == "Full Admin" and account["status"] == "Active"
    assert client.call("GET", f"/admin/v2/users/{account['id']}").json == account == client.users().json[0]
    check_refused(client.create("anna@example.com"), 400, "Email already in use")
    answer = client.call("DELETE", f"/admin/v2/users/{account['id']}")
    assert answer.status == 204 and answer.body == b""
    assert client.call("DELETE", f"/admin/v2/users/{account['id']}").status == 404
    assert client.call("GET", f"/admin/v2/users/{account['id']}").status == 404
    check_refused(client.create("anna@example.com"), 400, "Email already in use")
    again = client.recreate("anna@EXAMPLE.com", role=2).json
    assert again["roleId"] == 2 and again["firstname"] == "A" and again["id"] != account["id"]
    check_refused(client.recreate("anna@example.com"), 400, "Email already in use")


def test_addresses_known_elsewhere(standin, client):
    standin.set_state(known=["Known@example.com"], foreign=["foreign@example.com"])
    check_refused(client.recreate("new@example.com"), 400, "Invalid request")
    check_refused(client.create("known@example.com"), 400, "Email already in use")
    assert client.recreate("known@example.com").status == 200
    check_refused(client.create("foreign@example.com"), 400, "Email already in use")
    check_refused(client.recreate("foreign@example.com"), 400, "Email already in use")
    check_refused(client.create("b@example.com", role=99), 400, "Invalid request")


def test_active_in_another_organization(standin):
    standin.set_state(**two_organizations())
    standin.add_accounts(organization=CHILD, accounts=[{"email": "kid@example.com"}])
    client = Client(standin)
    check_refused(client.create("kid@example.com"), 400, "Email already in use")
    check_refused(client.recreate("kid@example.com"), 400, "Email already in use")
    standin.quirks(cross_org="invite")
    check_refused(client.create("kid@example.com"), 400, "Email already in use")
    assert client.recreate("kid@example.com").status == 200


def test_variants_of_an_account(standin, client):
    standin.add_accounts(accounts=[{"email": "a@example.com", "lastLoginTime": "2023-04-12T10:11:12.000Z"}])
    standin.quirks(active_word="on", empty_names=True, created_status="Pending", recreate_same_id=True)
    account = client.users().json[0]
    assert account["status"] == "on" and account["firstname"] == "" and list(account)[-1] == "lastLoginTime"
    assert client.create("b@example.com").json["status"] == "Pending"
    client.call("DELETE", f"/admin/v2/users/{account['id']}")
    assert client.recreate("a@example.com").json["id"] == account["id"]


def test_last_admin_and_unknown_resets(standin, client):
    standin.add_accounts(accounts=[{"email": "a@example.com", "role": "Full Admin", "id": 5}])
    standin.quirks(last_admin="refuse")
    assert client.call("DELETE", "/admin/v2/users/5").status == 400
    standin.quirks(last_admin="allow")
    assert client.call("DELETE", "/admin/v2/users/5").status == 204


def test_changes_by_hand(standin, client):
    standin.add_accounts(accounts=[{"email": "a@example.com"}])
    standin.change_account(email="a@example.com", fields={"role": "Full Admin", "status": "Suspended"})
    assert [(a["roleId"], a["status"]) for a in client.users().json] == [(1, "Suspended")]
    standin.remove_accounts(emails=["a@example.com"])
    assert client.users().json == [] and standin.state()["organizations"][0]["former"]


# --- listing ---

def numbers(answer):
    return [int(a["email"][1:8]) for a in answer.json]


def test_paging(standin, client):
    standin.fill(count=250)
    assert numbers(client.users()) == list(range(1, 101))
    assert numbers(client.users(page=3, limit=100)) == list(range(201, 251))
    assert client.users(page=4).json == [] and client.users(page=10000000).json == []
    assert client.users(limit=101).status == 400
    standin.quirks(paging={"over_limit": "clamp"})
    assert len(client.users(limit=200).json) == 100
    standin.quirks(paging={"over_limit": "allow"})
    assert len(client.users(limit=200).json) == 200


@pytest.mark.parametrize("paging, pages", [
    ({"mode": "whole"}, [(1, 25), (1, 25)]),
    ({"mode": "ignore-page"}, [(1, 10), (1, 10)]),
    ({"beyond": "repeat"}, [(1, 10), (11, 20), (21, 25), (21, 25)]),
    ({"overlap": 2}, [(1, 10), (9, 18), (17, 25), None]),
    ({"short": {"1": 3}}, [(1, 3), (4, 13), (14, 23), (24, 25), None]),
    ({"short": {"2": 0}}, [(1, 10), None, (11, 20), (21, 25)]),
    ({"reverse": True}, [(25, 16), (15, 6), (5, 1), None]),
    ({"on_page": [{"page": 1, "remove": "u0000001@example.com"}]}, [(1, 10), (12, 21), (22, 25)]),
    ({"reverse": True, "on_page": [{"page": 1, "add": {"email": "u0000099@example.com"}}]},
     [(25, 16), (16, 7), (6, 1)]),
])
def test_paging_surprises(standin, client, paging, pages):
    standin.fill(count=25)
    standin.quirks(paging=paging)
    for page, expected in enumerate(pages, 1):
        rows = numbers(client.users(page=page, limit=10))
        assert (rows[0], rows[-1]) == expected if expected else rows == []


def test_paging_refuses_beyond(standin, client):
    standin.quirks(paging={"beyond": "refuse"})
    assert client.users(page=1).json == [] and client.users(page=2).status == 404


def test_eventual_consistency(standin, client):
    standin.quirks(list_delay=0.4, get_delay=0.2, delete_delay=0.3)
    account = client.create("a@example.com").json["id"]
    assert client.users().json == []
    assert client.call("GET", f"/admin/v2/users/{account}").status == 404
    wait_for(lambda: client.call("GET", f"/admin/v2/users/{account}").status == 200)
    wait_for(lambda: client.users().json)
    assert client.call("DELETE", f"/admin/v2/users/{account}").status == 204
    assert len(client.users().json) == 1
    wait_for(lambda: client.users().json == [])


# --- limits ---

@pytest.mark.standin(limits=True)
def test_published_limits(standin, client):
    answers = []
    for n in range(14):
        answers.append(client.users())
        if n % 5 == 4:
            time.sleep(1.05)
    assert {a.status for a in answers} == {200}
    limits = [(n, v) for n, v in answers[0].headers.items() if "ratelimit" in n]
    assert limits == [
        ("x-ratelimit-limit-second", "5"), ("x-ratelimit-remaining-second", "4"),
        ("x-ratelimit-limit-minute", "14"), ("x-ratelimit-remaining-minute", "13"),
        ("x-ratelimit-limit-1800", "350"), ("x-ratelimit-remaining-1800", "349"),
        ("ratelimit-limit", "5"), ("ratelimit-remaining", "4"), ("ratelimit-reset", "1")]
    answer = client.users()
    check_refused(answer, 429, "API rate limit exceeded")
    assert "Retry-After" not in answer.headers and answer.headers["x-ratelimit-remaining-minute"] == "0"
    standin.switches(limits={"retry_after": "seconds"})
    assert 50 <= int(client.users().headers["Retry-After"]) <= 60
    standin.clear_limits()
    assert client.users().status == 200


@pytest.mark.standin(limits=True)
@pytest.mark.parametrize("counted", [False, True])
def test_five_a_second_and_refused_calls(standin, client, counted):
    client.users()
    standin.clear_limits()
    standin.switches(limits={"refused_count": counted, "retry_after": "date"})
    assert [client.users().status for _ in range(5)] == [200] * 5
    time.sleep(0.6)
    answer = client.users()
    assert answer.status == 429 and answer.headers["Retry-After"].endswith("GMT")
    time.sleep(0.5)
    statuses = [client.users().status for _ in range(5)]
    assert statuses == [200] * 4 + [429 if counted else 200]    # the refused one is in the window, or not


@pytest.mark.standin(limits=True)
def test_token_limit(client):
    answers = [client.ask_token() for _ in range(21)]
    assert [a.status for a in answers] == [200] * 20 + [429]
    assert answers[0].headers["x-ratelimit-limit-minute"] == "20"
    assert answers[0].headers["ratelimit-remaining"] == "19"
    assert "x-ratelimit-limit-second" not in answers[0].headers


@pytest.mark.standin(limits=True)
def test_children_share_the_key(standin):
    standin.set_state(**two_organizations())
    standin.switches(limits={"second": 100, "minute": 3})
    parent, child = Client(standin), Client(standin, organization=CHILD)
    assert [c.users().status for c in (parent, child, parent, child)] == [200, 200, 200, 429]


# --- ledger ---

def test_ledger(standin, client):
    client.create("a@example.com")
    first = standin.calls()[0]["seq"]
    call = standin.calls("POST", "users$")[0]
    assert call["body"]["password"] == "<redacted length=16>" and call["body"]["email"] == "a@example.com"
    assert call["password"] == {"length": 16, "classes": 4, "lower": True, "upper": True, "digit": True,
                                "other": True}
    assert (call["key"], call["organization"], call["handled"], call["answered"], call["status"]) == (
        KEY, ORGANIZATION, True, True, 200)
    with open(standin.ledger_path) as source:
        text = source.read()
    assert [json.loads(line)["seq"] for line in text.splitlines()][-2:] == [first, first + 1]
    assert "Abcdefgh1234-xyz" not in text and client.token not in text and SECRET not in text
    assert standin.passwords()[-1] == "Abcdefgh1234-xyz"
    assert standin.counts() == {"POST /auth/v2/token": 1, "POST /admin/v2/users": 1}
    assert len({c["connection"] for c in standin.calls()}) == 1
    standin.clear_ledger()
    client.users()
    assert [c["seq"] for c in standin.calls()] == [first + 2]


# --- faults: answers of their own ---

@pytest.mark.parametrize("code", [200, 201, 204, 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503])
def test_status(standin, client, code):
    standin.fault("status", code=code, method="POST", path="/users$")
    answer = client.create("a@example.com")
    assert answer.status == code and standin.accounts() == []
    assert answer.body == (b"" if code == 204 else b'{"message": "a fault on command"}')
    assert client.create("a@example.com").status == 200
    assert [(c["fault"], c["handled"]) for c in standin.calls("POST", "/users$")] == [
        ("status", False), (None, True)]


def test_status_after_the_deed(standin, client):
    standin.fault("status", code=500, execute=True, method="POST", path="/users$")
    assert client.create("a@example.com").status == 500
    assert standin.emails() == ["a@example.com"] and standin.calls("POST", "/users$")[0]["handled"]


def test_retry_after(standin, client):
    standin.fault("status", code=429, retry_after=7, path="/roles")
    standin.fault("status", code=503, retry_after={"date": 90}, path="/roles")
    standin.fault("status", code=429, path="/roles")
    answers = [client.call("GET", "/admin/v2/roles") for _ in range(3)]
    assert answers[0].headers["Retry-After"] == "7"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", answers[1].headers["Retry-After"])
    assert "Retry-After" not in answers[2].headers


def test_html_and_content_type(standin, client):
    standin.fault("html", code=400, path="/users")
    standin.fault("content-type", type="text/html", path="/users")
    first, second = client.users(), client.users()
    assert first.status == 400 and first.headers["Content-Type"] == "text/html" and b"<html>" in first.body
    assert second.json == [] and second.headers["Content-Type"] == "text/html"


def test_scopes_of_a_fault(standin, client):
    standin.fault("status", code=401, path="/users", skip=1, count=2)
    assert [client.users().status for _ in range(4)] == [200, 401, 401, 200]
    assert client.call("GET", "/admin/v2/roles").status == 200
    assert [(f["seen"], f["fired"]) for f in standin.faults()] == [(4, 2)]
    standin.clear_faults()
    number = standin.fault("status", code=500, count=None, probability=0.5)
    statuses = [client.users().status for _ in range(40)]
    assert 8 < statuses.count(500) < 32
    standin.clear_faults(id=number)
    assert client.users().status == 200


def test_redirect(standin, client):
    standin.fault("redirect", path="/users")
    answer = client.users(page=1)
    assert answer.status == 307 and answer.headers["Location"] == standin.elsewhere_url + "/admin/v2/users?page=1"
    assert standin.elsewhere() == []
    place = urlparse(answer.headers["Location"])
    other = http.client.HTTPSConnection(place.hostname, place.port, context=client.tls)
    other.request("GET", place.path, headers={"Authorization": "Bearer x"})
    assert other.getresponse().status == 200
    assert standin.elsewhere()[0]["authorization"] is True


def test_huge(standin, client):
    standin.fault("huge", size=3 << 20, path="/users")
    standin.fault("huge", size=1 << 20, chunked=True, path="/users")
    first, second = client.users(), client.users()
    assert len(first.body) == 3 << 20 and isinstance(first.json, list)
    assert len(second.body) == 1 << 20 and isinstance(second.json, list)
    standin.fault("huge", path="/users")        # 100 MiB: nobody has to read it
    client.connection.request("GET", "/admin/v2/users", headers={"Authorization": f"Bearer {client.token}"})
    assert client.connection.getresponse().headers["Content-Length"] == str(100 << 20)
    client.connection.close()
    wait_for(lambda: standin.calls()[-1].get("gone"), what="the stand-in notices")


def test_deep_and_duplicate_keys(standin, client):
    standin.add_accounts(accounts=[{"email": "a@example.com", "id": 7}])
    standin.fault("deep", path="/users")
    standin.fault("duplicate-keys", path="/users")
    assert client.users().body.startswith(b"[" * 1000)
    body = client.users().body
    assert b'"id":7,"id":1' in body and json.loads(body)[0]["email"] == "twice@example.com"


def test_transform(standin, client):
    standin.fault("transform", remove=["id"], set={"status": "odd"}, path="/users", method="POST")
    standin.fault("transform", rows=[1], path="/users", method="GET")
    assert "id" not in client.create("a@example.com").json
    client.create("b@example.com")
    assert [a["email"] for a in client.users().json] == ["b@example.com"]


# --- faults: bytes and time ---

def test_truncated(standin, client):
    for how in ("cut", "close", "reset"):
        standin.fault("truncate", how=how, path="/users", method="POST")
        with pytest.raises((http.client.IncompleteRead, OSError)):
            client.create(f"{how}@example.com")
        client.connect()
    assert len(standin.accounts()) == 3


def test_no_length(standin, client):
    standin.fault("no-length", path="/roles")
    client.token = client.ask_token().json["access_token"]
    client.tls.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    client.connect()
    answer = client.call("GET", "/admin/v2/roles")
    assert "Content-Length" not in answer.headers and len(answer.json) == 5


def test_delay(standin, client):
    client.users()
    standin.fault("delay", seconds=0.3, path="/users")
    start = time.monotonic()
    assert client.users().status == 200 and time.monotonic() - start >= 0.3
    standin.switches(latency=0.2)
    assert client.users().status == 200 and time.monotonic() - start >= 0.5


@pytest.mark.parametrize("amount", [0, 5, "head"])
def test_stall(standin, client, amount):
    client.users()
    client.connection.sock.settimeout(0.3)
    standin.fault("stall", bytes=amount, path="/roles")
    with pytest.raises(TimeoutError):
        client.call("GET", "/admin/v2/roles")
    client.connection.close()
    wait_for(lambda: standin.calls(path="roles")[0].get("gone"), what="the stand-in notices")


def test_drip(standin, client):
    client.users()
    standin.fault("drip", bytes=100, seconds=0.05, path="/roles")
    start = time.monotonic()
    assert len(client.call("GET", "/admin/v2/roles").json) == 5
    assert time.monotonic() - start > 0.15


@pytest.mark.parametrize("kind", ["reset", "close"])
@pytest.mark.parametrize("execute", [False, True])
def test_no_answer(standin, client, kind, execute):
    client.users()
    standin.fault(kind, execute=execute, method="POST")
    client.connection.request("POST", "/admin/v2/users", json.dumps({
        "email": "a@example.com", "password": "Abc1-", "firstname": "A", "lastname": "B", "roleId": 2,
        "timezone": "UTC"}), {"Authorization": f"Bearer {client.token}", **JSON})
    with socket.socket(fileno=client.connection.sock.detach()) as raw:      # TLS would hide the difference
        raw.settimeout(5)
        if kind == "reset":
            with pytest.raises(ConnectionResetError):
                raw.recv(1)
        else:
            assert raw.recv(1) == b""
    assert len(standin.accounts()) == int(execute)
    call = standin.calls("POST", "/users$")[0]
    assert call["handled"] is execute and call["fault"] == kind
    assert call["status"] == (200 if execute else None)


def test_garbage(standin, client):
    standin.fault("garbage", path="/users")
    with pytest.raises(http.client.BadStatusLine):
        client.users()
    client.connect()
    assert client.users().status == 200


def test_keep_alive_ends_between_requests(standin, client):
    standin.fault("close-after", path="/users")
    assert "Connection" not in client.users().headers
    with pytest.raises((http.client.RemoteDisconnected, OSError)):
        time.sleep(0.05)
        client.users()
    client.connect()
    assert client.users().status == 200
    wait_for(lambda: standin.close_idle(reset=True), what="an idle connection")
    time.sleep(0.05)
    with pytest.raises(OSError):
        client.users()
    standin.switches(keep_alive=1)
    client.connect()
    assert client.users().headers["Connection"] == "close"


# --- faults: TLS and connections ---

@pytest.mark.parametrize("name", ["wrong-host", "expired", "other-ca"])
def test_certificates(standin, client, name):
    standin.switches(certificate=name)
    with pytest.raises(ssl.SSLCertVerificationError):
        client.users()
    standin.switches(certificate="good")
    standin.fault("certificate", at="connect", use=name)
    with pytest.raises(ssl.SSLCertVerificationError):
        client.connect().users()
    assert client.connect().users().status == 200
    assert [c["handshake"] for c in standin.connections()][-1] == "TLSv1.3"


def test_certificate_that_ends_soon(standin):
    standin.switches(certificate="soon")
    assert Client(standin).users().status == 200


def test_other_ca_is_what_it_says(standin):
    standin.switches(certificate="other-ca")
    assert Client(standin, ca="other-root.pem").users().status == 200


@pytest.mark.parametrize("kind, error", [("tls-stall", TimeoutError), ("tls-garbage", ssl.SSLError),
                                         ("reset", ConnectionResetError), ("close", (ssl.SSLError, OSError))])
def test_connect_faults(standin, client, kind, error):
    standin.fault(kind, at="connect")
    with pytest.raises(error):
        client.connect(timeout=0.3).users()
    assert client.connect().users().status == 200


def test_refused_connections(standin, client):
    assert client.users().status == 200
    standin.listen(on=False)
    with pytest.raises(ConnectionRefusedError):
        Client(standin).users()
    assert client.users().status == 200
    standin.listen(on=True)
    assert client.connect().users().status == 200


def test_only_http11_by_alpn(standin):
    tls = ssl.create_default_context(cafile=f"{standin.ca}/ca.pem")
    tls.set_alpn_protocols(["h2", "http/1.1"])
    place = urlparse(standin.url)
    with socket.create_connection((place.hostname, place.port)) as raw:
        with tls.wrap_socket(raw, server_hostname="localhost") as link:
            assert link.selected_alpn_protocol() == "http/1.1"


def test_fast_enough(standin, client):
    standin.fill(count=100)
    client.users()
    start = time.monotonic()
    for n in range(100):
        assert client.create(f"n{n}@example.com").status == 200
    assert time.monotonic() - start < 2


def test_large_listing(standin, client):
    standin.fill(count=10000)
    client.users()
    start = time.monotonic()
    assert sum(len(client.users(page=page).json) for page in range(1, 102)) == 10000
    assert time.monotonic() - start < 5


def test_several_connections_at_once(standin):
    standin.fault("delay", seconds=0.5, path="/roles")
    slow, fast = Client(standin), Client(standin)
    slow.users()
    slow.connection.request("GET", "/admin/v2/roles", headers={"Authorization": f"Bearer {slow.token}"})
    start = time.monotonic()
    assert fast.users().status == 200 and time.monotonic() - start < 0.4
    assert len(json.loads(slow.connection.getresponse().read())) == 5
    never(lambda: standin.calls(status=500), 0.05)
