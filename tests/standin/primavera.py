# SPDX-License-Identifier: Apache-2.0
"""Primavera Administration v3: companies, applications, users and what each operation does to them.

A login and an address are compared without case. The users of the keys are users like others, and are listed; one
that is disabled or locked is of no use as a key any more. Jobs: primavera_job.py.
"""

import itertools
import json
import secrets
import time
from functools import lru_cache

from api import Api, Plain, Refused, Rendered, fold
from http1 import Reply
from primavera_job import JOB_QUIRKS, Jobs

BASE = "/cloudapi/restapi"
# Fields of a UserRO that are kept as they were sent, with what a new user has.
PLAIN_FIELDS = {"firstName": None, "middleName": None, "lastName": None, "emailAddress": None, "disabled": False,
                "locked": False, "userType": "EMP", "employeeNumber": None, "manager": None, "admin": False,
                "startDate": None, "endDate": None, "pwdCantChange": False}
TEXTS = {400: "Invalid input, Please check.", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
         405: "Method Not Allowed", 409: "Conflict", 429: "Too Many Requests",
         500: "Internal Server Error. Underlying Identity Management System threw an error, Please check the logs."}

QUIRKS = {
    "tenant": "",               # path prefix, without slashes: everything else is 404
    "basic": False,             # name and password on the v3 paths too
    "unauthorized": 403,        # what a key gets for what it may not: 403 | 401 | 404
    "max_token_expiry": None,   # seconds; more is refused
    "token_text": "raw",        # raw | newline (one after the token)
    "errors": "text",           # text | json | html | empty
    "dates": "object",          # object (CloudTZDateTime) | string (without a zone)
    "zone": 0,                  # minutes that the zoneless strings are ahead of UTC
    "absent": "omit",           # what has no value: omit | null
    "list_delay": 0,            # seconds until a created user is listed
    "get_delay": 0,             # the same for GET /v3/user/{userId}
    "listing": {
        "wrap": "",             # the member that holds the array; "": a bare array
        "beside": {},           # other members of that object, before it
        "pretty": False,
        "transfer": "chunked",  # chunked | length
    },
    "unique_email": True,
    "omitted": "keep",          # fields that an update doesn't have: keep | clear. Roles are replaced in any case
    "put_answer": "user",       # answer of a PUT with several users: user (the first) | users | object (empty) | empty
    "put_needs_id": False,      # each user of a PUT must have its id
    "partial": "none",          # a PUT refused for one of several users: none was changed | others were
    "policy": {"length": 16, "classes": 4},     # of passwords
    "job": JOB_QUIRKS,
}


def plain(item):
    return {name: value for name, value in item.items() if name in PLAIN_FIELDS}


def now_ms():
    return int(time.time() * 1000)


@lru_cache(1024)
def moment(millis, form, zone):
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000 + zone * 60))
    return text if form == "string" else {"millis": millis, "wrappedDateTime": text}


class User:
    __slots__ = ("id", "login", "fields", "organization", "roles", "created_by", "created", "updated", "reset",
                 "born", "password", "password_set", "mails", "resets", "attempts", "rendered")

    def __init__(self, number, login, fields, organization, roles, created_by="admin", born=0.0, password_set=True):
        self.id = str(number)
        self.login = login
        self.fields = {**PLAIN_FIELDS, **fields}
        self.organization = organization
        self.roles = roles              # name → RoleRO; replaced, never changed
        self.created_by = created_by
        self.created = self.updated = now_ms() if born else 1527678340000
        self.reset = self.created if password_set else None
        self.born = born                # monotonic; 0: long ago
        self.password = None            # the last one that is known
        self.password_set = password_set
        self.mails = self.resets = self.attempts = 0
        self.rendered = (None, None)

    def touch(self):
        self.updated = max(now_ms(), self.updated + 1)
        self.rendered = (None, None)

    def set_password(self, password, mail):
        self.touch()
        self.reset = self.updated
        self.password, self.password_set = password, True
        self.resets += 1
        self.mails += mail

    def to_dict(self, quirks):
        form, zone, fields = quirks["dates"], quirks["zone"], self.fields
        value = {
            "id": self.id, "loginId": self.login, "firstName": fields["firstName"],
            "middleName": fields["middleName"], "lastName": fields["lastName"],
            "emailAddress": fields["emailAddress"], "disabled": fields["disabled"], "locked": fields["locked"],
            "status": "Inactive" if fields["disabled"] else "Active", "userType": fields["userType"],
            "employeeNumber": fields["employeeNumber"], "manager": fields["manager"], "admin": fields["admin"],
            "startDate": fields["startDate"], "endDate": fields["endDate"],
            "organization": self.organization, "roles": list(self.roles.values()),
            "changePwdAtNextLogin": False, "pwdCantChange": fields["pwdCantChange"], "pwdExpired": False,
            "loginAttemptsCtr": str(self.attempts), "createdBy": self.created_by,
            "createdDate": moment(self.created, form, zone), "updatedDate": moment(self.updated, form, zone),
            "lastPasswordResetDate": None if self.reset is None else moment(self.reset, form, zone)}
        if quirks["absent"] == "omit":
            return {name: item for name, item in value.items() if item is not None}
        return value

    def sign_in_problem(self, password=None):
        """Why this user can't get in, or "". PASSWORD None: whatever it is."""
        if self.fields["disabled"]:
            return "disabled"
        if self.fields["locked"]:
            return "locked"
        if not self.password_set:
            return "no password was set"
        return "" if password in (None, self.password) else "wrong password"


class Primavera(Api):
    contract = "primavera.yaml"
    QUIRKS = QUIRKS
    SWITCHES = {"limits": {"enforce": False, "headers": False}}     # none are published
    DEFAULT_STATE = {
        "companies": [{"id": "1", "name": "example", "displayName": "Example Ltd", "type": "Company"}],
        "applications": ["P6Production", "PrimaveraUnifierProduction", "AnalyticsProduction"],
        "keys": [{"key": "test-key", "secret": "test-secret"}],
    }
    PARTS = ("companies", "applications", "keys", "users")

    def start(self):
        self.next_id = itertools.count(3336)
        self.companies = {}
        self.applications = {}
        self.users = {}             # folded login → User, in the order of creation
        self.by_email = {}          # folded address → set of folded logins
        self.jobs = Jobs(self)
        self.operations = {"listUsers": self.list_users, "getUser": self.get_user, "saveUsers": self.jobs.save,
                           "jobStatus": self.jobs.status, "jobDraft": self.jobs.draft, "jobLog": self.jobs.log,
                           "changeStatus": self.change_status, "changeLock": self.change_lock,
                           "manualReset": self.manual_reset, "autoReset": self.auto_reset,
                           "autoResetOne": self.auto_reset_one}

    # --- state ---

    def set_companies(self, items):
        self.companies = {item["id"]: dict(item) for item in items}

    def set_applications(self, items):
        """Names, or RoleROs: a name, and what else each user's role has by default."""
        items = [{"name": item} if isinstance(item, str) else item for item in items]
        self.applications = {item["name"]: {"id": str(n), "displayName": item["name"], **item}
                             for n, item in enumerate(items, 101)}

    def set_keys(self, items):
        """key, secret; may: ["read", "write"] by default. Each key is the login of a user, made if missing."""
        super().set_keys(items)
        for key in self.keys:
            if fold(key) not in self.users:
                self.add_users([{"loginId": key, "firstName": "API", "lastName": "User", "admin": True}])

    def set_users(self, items):
        keys = {login: user for login, user in self.users.items() if self.is_key(user)}
        self.users, self.by_email = {}, {}
        for user in keys.values():
            self.put(user)
        self.add_users(items)

    def add_users(self, items):
        """By hand, past all rules: what isn't told has a default. `roles`: names of applications."""
        for item in items:
            item = dict(item)
            login = item.pop("loginId")
            if fold(login) in self.users:
                raise ValueError(f"{login} is there already")
            fields = {"firstName": "First", "lastName": "Last", "emailAddress": f"{login}@example.com"}
            settings = {"password_set": item.pop("password_set", True), "created_by": "by-hand"}
            company = item.pop("company", None) or next(iter(self.companies))
            roles = self.grant_names(item.pop("roles", []))
            unknown = set(item) - set(PLAIN_FIELDS)
            if unknown:
                raise KeyError(f"unknown field of a user: {', '.join(sorted(unknown))}")
            self.put(User(next(self.next_id), login, fields | item, self.companies[company], roles, **settings))

    def grant_names(self, names):
        return {name: self.applications[name] for name in names}

    def grant(self, role):
        """The role that a user has after an update asked for ROLE."""
        application = self.applications[role["name"]]
        return {**application, **role, "id": application["id"]}

    def create(self, item, company, key):
        """A new user, without roles and without a password."""
        user = User(next(self.next_id), item["loginId"], plain(item), company, {}, key, time.monotonic(), False)
        self.put(user)
        return user

    def update(self, user, item, company):
        cleared = PLAIN_FIELDS if self.quirks["omitted"] == "clear" else {}
        user.organization = company
        self.change(user, {**cleared, **plain(item)})

    def put(self, user):
        self.users[fold(user.login)] = user
        self.by_email.setdefault(fold(user.fields["emailAddress"]), set()).add(fold(user.login))

    def change(self, user, fields):
        """New values for some of the plain fields."""
        self.by_email[fold(user.fields["emailAddress"])].discard(fold(user.login))
        user.fields = {**user.fields, **fields}
        self.put(user)
        user.touch()

    def remove(self, user):
        del self.users[fold(user.login)]
        self.by_email[fold(user.fields["emailAddress"])].discard(fold(user.login))

    def is_key(self, user):
        return any(fold(key) == fold(user.login) for key in self.keys)

    def find(self, login):
        return self.users.get(fold(login))

    def view(self, user):
        """For tests: a UserRO, what the API doesn't tell, and the address under the name that all APIs share."""
        return {**user.to_dict(self.quirks), "email": user.fields["emailAddress"], "own": self.is_key(user),
                "password_set": user.password_set, "mails": user.mails, "resets": user.resets,
                "can_sign_in": not user.sign_in_problem()}

    def get_state(self):
        self.jobs.advance()
        return {"companies": list(self.companies.values()), "applications": list(self.applications.values()),
                "keys": self.public_keys(), "users": [self.view(user) for user in self.users.values()],
                "jobs": self.jobs.facts()}

    # --- who asks, and how it is answered ---

    def local_path(self, path):
        prefix = f"/{self.quirks['tenant']}" if self.quirks["tenant"] else ""
        return path[len(prefix):] if path.startswith(prefix + "/") else None

    def identify(self, op, request, tokens, entry):
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        if (op is not None and op.basic) or (self.quirks["basic"] and scheme == "basic"):
            key, expired = self.basic(request), False
        else:
            token = tokens.find(request) or {"key": None, "until": 0}
            key, expired = token["key"], token["until"] <= time.monotonic()
            entry["token"] = token.get("number")
        entry["key"] = key
        if key is None or expired or self.find(key) is None or self.find(key).sign_in_problem():
            raise Refused(401)
        return {"key": key}

    def authorize(self, op, values, token):
        if not op.basic and ("read" if op.method == "GET" else "write") not in self.may(token):
            raise Refused(self.quirks["unauthorized"])

    def may(self, token):
        return self.keys[token["key"]].get("may", ("read", "write"))

    def issue(self, op, values, token, tokens, rules):
        wanted = values[1]["tokenExpiry"]
        if self.quirks["max_token_expiry"] is not None and wanted > self.quirks["max_token_expiry"]:
            raise Refused(400)
        text = tokens.issue(wanted if rules["lifetime"] is None else rules["lifetime"], key=token["key"])
        return self.reply(op, 200, Plain(text + ("\n" if self.quirks["token_text"] == "newline" else "")))

    def perform(self, op, values, token, entry):
        self.jobs.advance()
        return super().perform(op, values, token, entry)

    def problem(self, status, text="", body=None):
        text = text or TEXTS.get(status, "Error")
        form = self.quirks["errors"]
        if form == "json":
            return Reply(status, json.dumps({"message": text, "statusCode": status}).encode())
        if form == "html":
            return Reply(status, f"<html><body><h1>{status}</h1><p>{text}</p></body></html>\n".encode(),
                         content_type="text/html")
        return Reply(status, b"" if form == "empty" else text.encode(), content_type="text/plain")

    def url(self, path):
        """PATH below the base, as an absolute path."""
        return (f"/{self.quirks['tenant']}" if self.quirks["tenant"] else "") + BASE + path

    # --- operations: (token, path values, query, body) → (status, value[, headers]) ---

    def render(self, user):
        """The user as JSON text, checked against the contract once per state of it."""
        version, text = user.rendered
        if version != self.version:
            value = user.to_dict(self.quirks)
            self.check_shape(value, tuple(tuple(role) for role in user.roles.values()))
            if self.quirks["listing"]["pretty"]:
                text = json.dumps(value, ensure_ascii=False, indent=2)
            else:
                text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            user.rendered = (self.version, text)
        return text

    def visible(self, user, delay):
        return not user.born or time.monotonic() - user.born >= self.quirks[delay]

    def list_users(self, token, path, query, body):
        rules = self.quirks["listing"]
        users = [user for user in self.users.values() if self.visible(user, "list_delay")]
        gap = "\n" if rules["pretty"] else ""
        start, end = f"[{gap}", f"{gap}]"
        if rules["wrap"]:
            beside = json.dumps(rules["beside"], ensure_ascii=False)[1:-1]
            start = f"{{{gap}{beside}{',' if beside else ''}{gap}{json.dumps(rules['wrap'])}:{start}"
            end += gap + "}"
        pieces, size = [start.encode()], 256
        for first in range(0, len(users), size):
            text = f",{gap}".join(self.render(user) for user in users[first:first + size])
            pieces.append(((f",{gap}" if first else "") + text).encode())
        pieces.append(end.encode())
        return 200, Reply(200, pieces if rules["transfer"] == "chunked" else b"".join(pieces))

    def get_user(self, token, path, query, body):
        user = self.find(path["userId"])
        if user is None or not self.visible(user, "get_delay"):
            raise Refused(404)
        return 200, Rendered(self.render(user))

    def _each(self, items, act, fine=lambda user, item: True):
        """ACT on each user of a PUT; 400 if one is unknown, twice there, or not FINE."""
        pairs = [(self.find(item["loginId"]), item) for item in items]
        good = [(user, item) for user, item in pairs if user is not None and fine(user, item)
                and item.get("id", user.id) == user.id and ("id" in item or not self.quirks["put_needs_id"])]
        twice = len({fold(item["loginId"]) for item in items}) < len(items)
        if (len(good) < len(items) and self.quirks["partial"] == "none") or twice:
            raise Refused(400)
        for user, item in good:
            act(user, item)
        if len(good) < len(items):
            raise Refused(400)
        return self._changed([user for user, item in good])

    def _changed(self, users):
        values = [user.to_dict(self.quirks) for user in users]
        return 200, {"user": values[0], "users": values, "object": {}, "empty": None}[self.quirks["put_answer"]]

    def change_status(self, token, path, query, body):
        """Only `disabled` counts; the same as before is no change."""
        def act(user, item):
            if user.fields["disabled"] != item["disabled"]:
                self.change(user, {"disabled": item["disabled"]})
        return self._each(body, act)

    def change_lock(self, token, path, query, body):
        def act(user, item):
            user.attempts = 5 if item["locked"] else 0
            self.change(user, {"locked": item["locked"]})
        return self._each(body, act)

    def password_fits(self, user, password):
        kinds = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
        classes = sum(any(kind(c) for c in password) for kind in kinds)
        policy = self.quirks["policy"]
        return (len(password) >= policy["length"] and classes >= policy["classes"] and password != user.password
                and fold(user.login) not in password.casefold())

    def manual_reset(self, token, path, query, body):
        def act(user, item):
            self.set_password(user, item["password"], path["isEmailPasswd"])
        return self._each(body, act, lambda user, item: self.password_fits(user, item["password"]))

    def set_password(self, user, password, mail):
        user.set_password(password, mail)
        for key, item in self.keys.items():
            if fold(key) == fold(user.login):
                item["secret"] = password

    def auto_reset(self, token, path, query, body):
        messages = {}
        for login in body:
            user = self.find(login)
            messages[login] = "User does not exist" if user is None else ""
            if user is not None:
                self.set_password(user, secrets.token_urlsafe(24), True)
        return 200, messages

    def auto_reset_one(self, token, path, query, body):
        user = self.find(path["userId"])
        if user is None:
            raise Refused(404)
        self.set_password(user, secrets.token_urlsafe(24), True)
        return 200, Plain("Success")


class PrimaveraVerbs:
    """The control verbs that only Primavera has; see control.py."""

    def __init__(self, api):
        self._api = api
        api.jobs.advance()

    def _user(self, login=None, email=None):
        if login is None:
            login, = self._api.by_email.get(fold(email), [email])
        user = self._api.find(login)
        if user is None:
            raise KeyError(f"no user {login}")
        return user

    def accounts(self):
        """Every user as the API tells it, and: email, own (a key's user), password_set, mails, resets, can_sign_in."""
        return [self._api.view(user) for user in self._api.users.values()]

    def add_accounts(self, accounts):
        """By hand, past all rules: [{"loginId": …, "roles": [application, …], "company": id, …}]."""
        self._api.add_users(accounts)

    def fill(self, count, domain="example.com", first=1, roles=()):
        """Add COUNT users u0000001 …, with addresses @DOMAIN."""
        self._api.add_users({"loginId": f"u{n:07d}", "emailAddress": f"u{n:07d}@{domain}", "lastName": f"Last {n}",
                             "roles": roles} for n in range(first, first + count))

    def remove_accounts(self, logins=(), emails=()):
        """By hand; no operation of the API does that."""
        for user in [*(self._user(login) for login in logins), *(self._user(email=email) for email in emails)]:
            self._api.remove(user)

    def change_account(self, fields, login=None, email=None):
        """By hand: plain fields; roles (names, or objects with more than a name); company (its id); password_set."""
        user, fields = self._user(login, email), dict(fields)
        if "roles" in fields:
            roles = [{"name": role} if isinstance(role, str) else role for role in fields.pop("roles")]
            user.roles = {role["name"]: {**self._api.applications[role["name"]], **role} for role in roles}
        if "company" in fields:
            user.organization = self._api.companies[fields.pop("company")]
        if "password_set" in fields:
            user.password_set = fields.pop("password_set")
        unknown = set(fields) - set(PLAIN_FIELDS)
        if unknown:
            raise KeyError(f"unknown field of a user: {', '.join(sorted(unknown))}")
        self._api.change(user, fields)

    def sign_in(self, login, password=None):
        """Try to get in (no password: whatever it is); why it fails, or ""."""
        return self._user(login).sign_in_problem(password)

    def jobs(self):
        """Every job: number, key, state (running, done, error, lost), logins, polls, results."""
        return self._api.jobs.facts()

    def start_job(self, **settings):
        """A job of somebody else, without users: it blocks others; SETTINGS over the quirks of jobs. Its number."""
        return self._api.jobs.begin("somebody-else", {}, settings).number

    def finish_job(self, **settings):
        """End the job that runs, now; SETTINGS (outcome, …) over those it began with."""
        self._api.jobs.finish_now(settings)

    def script(self, login, text, effect="none", ok=False, processed=None, report=True, count=1):
        """What the next COUNT jobs (null: all) do with LOGIN: effect none | fields (roles stay) | all; statusInfo TEXT
        and statusInfoOK; processed (default: if there is an effect); report false: missing in the result."""
        self._api.jobs.add_script(login, text, effect, ok, processed, report, count)


Primavera.VERBS = PrimaveraVerbs
