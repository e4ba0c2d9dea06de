# SPDX-License-Identifier: Apache-2.0
"""Umbrella's organisations, accounts and rules, without any HTTP: what each operation does and answers.

An address is compared without case. It can be
  active    an account in an organisation here;
  former    deleted here: only the two-field body brings it back;
  known     Umbrella knows it from elsewhere and would let it in: only the two-field body again;
  foreign   it belongs to an organisation that doesn't let go: refused both ways.
"""

import itertools
import json
import time
import uuid

from api import Api, Refused, Rendered, fold
from http1 import Reply

BUILT_IN_ROLES = [(1, "Full Admin"), (2, "Read Only"), (3, "Block Page Bypass"), (4, "Reporting Only"),
                  (5, "Investigate Only")]
ACCOUNT_FIELDS = ("firstname", "lastname", "email", "role", "roleId", "status", "twoFactorEnable", "id",
                  "timezone", "lastLoginTime")

QUIRKS = {
    "list_delay": 0,            # seconds until a created account is listed
    "get_delay": 0,             # the same for GET /users/{id}
    "delete_delay": 0,          # seconds for which a deleted account is still listed
    "active_word": "Active",    # the documentation's example says "on"
    "created_status": "",       # "": the active word; else e.g. "Pending"
    "empty_names": False,       # real answers may have empty names
    "recreate_same_id": False,
    "cross_org": "refuse",      # an address active in another organisation here: refuse | invite
    "last_admin": "allow",      # deleting the last Full Admin: allow | refuse
    "reset_unknown": "ignore",  # a password reset for an unknown address: ignore | refuse
    "paging": {
        "mode": "normal",       # normal | ignore-page | whole
        "over_limit": "refuse",  # limit > 100: refuse | clamp | allow
        "beyond": "empty",      # a page after the last: empty | repeat (the last one again) | refuse
        "overlap": 0,           # rows that each page repeats from the one before
        "short": {},            # page number (as text): rows on that page, instead of limit
        "reverse": False,       # newest first, so that a create shifts everything
        "on_page": [],          # [{"page": 1, "remove": EMAIL} or {"page": 1, "add": {…}}], once, after it
    },
}


class Account:
    def __init__(self, number, fields):
        self.id = number
        self.email = fields["email"]
        self.role_id = fields["roleId"]
        self.first = fields.get("firstname", "First")
        self.last = fields.get("lastname", "Last")
        self.timezone = fields.get("timezone", "UTC")
        self.status = fields.get("status", "")
        self.two_factor = fields.get("twoFactorEnable", False)
        self.last_login = fields.get("lastLoginTime")
        self.created = fields.get("created", 0.0)       # monotonic; 0: long ago
        self.deleted = None
        self.resets = 0
        self.rendered = (None, None)

    def to_dict(self, roles, quirks):
        empty = quirks["empty_names"]
        fields = {"firstname": "" if empty else self.first, "lastname": "" if empty else self.last,
                  "email": self.email, "role": roles[self.role_id], "roleId": self.role_id,
                  "status": self.status or quirks["active_word"], "twoFactorEnable": self.two_factor,
                  "id": self.id, "timezone": self.timezone, "lastLoginTime": self.last_login}
        if fields["lastLoginTime"] is None:
            del fields["lastLoginTime"]
        return fields


class Organization:
    def __init__(self, number, name, parent):
        self.id = number
        self.name = name
        self.parent = parent
        self.accounts = {}      # id → Account, ascending
        self.by_email = {}
        self.former = {}        # folded address → Account
        self.fading = []        # deleted, perhaps still listed
        self.listed = (None, [])

    def add(self, account):
        self.accounts[account.id] = account
        self.by_email[fold(account.email)] = account
        self.former.pop(fold(account.email), None)
        self.listed = (None, [])

    def remove(self, account):
        del self.accounts[account.id]
        del self.by_email[fold(account.email)]
        account.deleted = time.monotonic()
        self.former[fold(account.email)] = account
        self.fading.append(account)
        self.listed = (None, [])


class Umbrella(Api):
    contract = "umbrella.yaml"
    QUIRKS = QUIRKS
    DEFAULT_STATE = {       # one organisation, one key
        "organizations": [{"id": 1000001, "name": "Example"}],
        "keys": [{"key": "test-key", "secret": "test-secret", "organization": 1000001}],
    }
    PARTS = ("roles", "organizations", "keys", "known", "foreign")

    def start(self):
        self.next_id = itertools.count(11957342)
        self.organizations = {}
        self.roles = dict(BUILT_IN_ROLES)
        self.role_owner = {}
        self.known = set()
        self.foreign = set()
        self.resets = []
        self.operations = {"listUsers": self.list_users, "createUser": self.create_user,
                           "getUser": self.get_user, "deleteUser": self.delete_user,
                           "listRoles": self.list_roles, "resetPasswords": self.reset_passwords,
                           "listOrganizations": self.list_organizations}

    # --- state, as the control interface sees it ---

    def set_roles(self, items):
        self.roles = dict(BUILT_IN_ROLES) | {r["roleId"]: r["label"] for r in items}
        self.role_owner = {r["roleId"]: r.get("organizationId", 0) for r in items}

    def set_organizations(self, items):
        self.organizations = {}
        for item in items:
            self._load_organization(item)

    def set_known(self, emails):
        self.known = {fold(email) for email in emails}

    def set_foreign(self, emails):
        self.foreign = {fold(email) for email in emails}

    def _load_organization(self, item):
        organization = Organization(item["id"], item.get("name", f"Organisation {item['id']}"),
                                    item.get("parent", 0))
        self.organizations[organization.id] = organization
        self.add_accounts(organization.id, item.get("accounts", []))
        for fields in item.get("former", []):
            account = self._account(fields if isinstance(fields, dict) else {"email": fields})
            organization.former[fold(account.email)] = account

    def _account(self, fields):
        fields = dict(fields)
        if "role" in fields:
            labels = {label: number for number, label in self.roles.items()}
            fields["roleId"] = labels[fields.pop("role")]
        fields.setdefault("roleId", 2)
        number = fields.get("id") or next(self.next_id)
        return Account(number, fields)

    def add_accounts(self, organization, accounts):
        """By hand, as in the dashboard: no rule is checked but uniqueness."""
        owner = self.organizations[organization]
        for fields in accounts:
            account = self._account(fields)
            if fold(account.email) in owner.by_email or account.id in owner.accounts:
                raise ValueError(f"{account.email} is there already")
            owner.add(account)

    def remove_accounts(self, organization, emails, forget=False):
        owner = self.organizations[organization]
        for email in emails:
            owner.remove(owner.by_email[fold(email)])
            if forget:
                del owner.former[fold(email)]

    def change_account(self, organization, email, fields):
        """By hand: a role, a status, a name."""
        account = self.organizations[organization].by_email[fold(email)]
        names = {"roleId": "role_id", "firstname": "first", "lastname": "last", "timezone": "timezone",
                 "status": "status", "twoFactorEnable": "two_factor", "lastLoginTime": "last_login"}
        for key, value in fields.items():
            if key == "role":
                key, value = "roleId", {label: n for n, label in self.roles.items()}[value]
            setattr(account, names[key], value)
        account.rendered = (None, None)

    def get_state(self):
        return {
            "roles": [{"roleId": n, "label": label, "organizationId": self.role_owner.get(n, 0)}
                      for n, label in self.roles.items()],
            "organizations": [
                {"id": o.id, "name": o.name, "parent": o.parent,
                 "accounts": [a.to_dict(self.roles, self.quirks) | {"resets": a.resets}
                              for a in o.accounts.values()],
                 "former": [a.to_dict(self.roles, self.quirks) for a in o.former.values()]}
                for o in self.organizations.values()],
            "keys": self.public_keys(),
            "known": sorted(self.known), "foreign": sorted(self.foreign), "resets": list(self.resets)}

    # --- who asks, and how it is answered ---

    def identify(self, op, request, tokens, entry):
        if op is not None and op.basic:
            key = self.basic(request)
            if key is None:
                raise Refused(401, "Invalid authentication credentials")
            entry["key"] = key
            return {"key": key, "organization": self.keys[key]["organization"], "parent": True}
        token = tokens.find(request)
        if token is None:
            raise Refused(401, "Unauthorized request")
        entry.update(key=token["key"], organization=token["organization"], token=token["number"])
        if token["until"] <= time.monotonic():
            raise Refused(400, body=b'{"error":"invalid_request"}')
        return token

    def authorize(self, op, values, token):
        if op.basic:
            child = values[2].get("x-umbrella-orgid")
            organization = self.organizations.get(child)
            if child is not None and (organization is None or token["organization"] not in (
                    organization.id, organization.parent)):
                raise Refused(403)
            return
        granted = self.keys[token["key"]].get("scopes", self.rules.scopes)
        if not set(op.scopes) <= set(granted) or (op.parent_only and not token["parent"]):
            raise Refused(403)

    def issue(self, op, values, token, tokens, rules):
        own = token["organization"]
        organization = values[2].get("x-umbrella-orgid") or own
        told = rules["expires_in"]
        lifetime = told if rules["lifetime"] is None else rules["lifetime"]
        value = {"token_type": rules["token_type"], "expires_in": told,
                 "access_token": tokens.issue(lifetime, key=token["key"], organization=organization,
                                              parent=organization == own)}
        token["organization"] = organization
        self.rules.check_answer(op, 200, value)
        return Reply(200, json.dumps(value).encode(),
                     [("Cache-Control", "no-store"), ("x-request-id", uuid.uuid4().hex)])

    def subject(self, token):
        return self.organizations[token["organization"]]

    def problem(self, status, text="", body=None):
        text = text or {403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 429: "API rate limit exceeded",
                        }.get(status, "Invalid request")
        return Reply(status, body or json.dumps({"message": text}, separators=(",", ":")).encode())

    # --- operations: each takes (organisation, path values, query, body), gives (status, value or raw text) ---

    def render(self, account):
        """The account as JSON text, checked against the contract once per state of it."""
        version, text = account.rendered
        if version != self.version:
            value = account.to_dict(self.roles, self.quirks)
            self.check_shape(value, (value.get("lastLoginTime"),))
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            account.rendered = (self.version, text)
        return text

    def list_users(self, organization, path, query, body):
        paging = self.quirks["paging"]
        limit, page = query["limit"], query["page"]
        if limit > 100 and paging["over_limit"] == "refuse":
            raise Refused(400, "Invalid request")
        if limit > 100 and paging["over_limit"] == "clamp":
            limit = 100
        rows = self._cut(self._listed(organization), page, limit, paging)
        text = "[" + ",".join(self.render(account) for account in rows) + "]"
        self._after_page(organization, page)
        return 200, Rendered(text)

    def _listed(self, organization):
        """The rows of a listing in order; kept until something changes, for the sake of large tests."""
        quirks, now = self.quirks, time.monotonic()
        steady = not quirks["list_delay"] and not quirks["delete_delay"]
        if steady and organization.listed[0] == self.version:
            return organization.listed[1]
        shown = [a for a in organization.accounts.values()
                 if not a.created or now - a.created >= quirks["list_delay"]]
        if quirks["delete_delay"]:
            shown += [a for a in organization.fading if now - a.deleted < quirks["delete_delay"]]
        shown.sort(key=lambda a: a.id, reverse=quirks["paging"]["reverse"])
        organization.listed = (self.version if steady else None, shown)
        return shown

    def _cut(self, rows, page, limit, paging):
        if paging["mode"] == "whole":
            return rows
        if paging["mode"] == "ignore-page":
            return rows[:limit]
        if not paging["short"] and not paging["overlap"]:
            start, size, last = (page - 1) * limit, limit, rows[-(len(rows) % limit or limit):]
        else:
            start, size, last = self._walk(rows, page, limit, paging)
        if start >= len(rows) and page > 1:
            if paging["beyond"] == "repeat":
                return last
            if paging["beyond"] == "refuse":
                raise Refused(404, "Not Found")
        return rows[start:start + size]

    @staticmethod
    def _walk(rows, page, limit, paging):
        """Where page PAGE starts and how long it is, if pages have lengths of their own or overlap."""
        start, last = 0, []
        for number in range(1, page + 1):
            size = paging["short"].get(str(number), limit)
            if number == page or start >= len(rows):
                break
            last = rows[start:start + size] or last
            start += size
            if start < len(rows):
                start = max(0, start - paging["overlap"])
        return start, size, last

    def _after_page(self, organization, page):
        pending = self.quirks["paging"]["on_page"]
        for item in [item for item in pending if item["page"] == page]:
            pending.remove(item)
            if "remove" in item:
                self.remove_accounts(organization.id, [item["remove"]])
            if "add" in item:
                self.add_accounts(organization.id, [item["add"]])

    def _find(self, organization, number):
        account = organization.accounts.get(number)
        if account is None:
            raise Refused(404, "Not Found")
        return account

    def get_user(self, organization, path, query, body):
        account = self._find(organization, path["userId"])
        if account.created and time.monotonic() - account.created < self.quirks["get_delay"]:
            raise Refused(404, "Not Found")
        return 200, Rendered(self.render(account))

    def delete_user(self, organization, path, query, body):
        account = self._find(organization, path["userId"])
        admins = [a for a in organization.accounts.values() if a.role_id == 1]
        if self.quirks["last_admin"] == "refuse" and admins == [account]:
            raise Refused(400, "Invalid request")
        organization.remove(account)
        return 204, None

    def create_user(self, organization, path, query, body):
        address = fold(body["email"])
        if body["roleId"] not in self.roles:
            raise Refused(400, "Invalid request")
        elsewhere = any(address in o.by_email for o in self.organizations.values() if o is not organization)
        if address in organization.by_email or address in self.foreign:
            raise Refused(400, "Email already in use")
        if elsewhere and self.quirks["cross_org"] == "refuse":
            raise Refused(400, "Email already in use")
        former = organization.former.get(address)
        comes_back = former is not None or address in self.known or elsewhere
        if "password" in body:
            if comes_back:
                raise Refused(400, "Email already in use")
            return 200, self._create(organization, body)
        if not comes_back:
            raise Refused(400, "Invalid request")
        return 200, self._create(organization, self._former_fields(body, former))

    def _former_fields(self, body, former):
        if former is None:
            return {**body, "firstname": "", "lastname": ""}
        fields = {**body, "firstname": former.first, "lastname": former.last, "timezone": former.timezone}
        if self.quirks["recreate_same_id"]:
            fields["id"] = former.id
        return fields

    def _create(self, organization, fields):
        account = self._account({**fields, "status": self.quirks["created_status"],
                                 "created": time.monotonic()})
        organization.add(account)
        return Rendered(self.render(account))

    def list_roles(self, organization, path, query, body):
        shown = [(n, label) for n, label in self.roles.items()
                 if self.role_owner.get(n, 0) in (0, organization.id)]
        return 200, [{"organizationId": self.role_owner.get(n, 0), "label": label, "roleId": n}
                     for n, label in shown]

    def reset_passwords(self, organization, path, query, body):
        child = self.organizations.get(path["customerId"])
        if child is None or child.parent != organization.id:
            raise Refused(404, "Not Found")
        accounts = [child.by_email.get(fold(email)) for email in body["adminEmails"]]
        if self.quirks["reset_unknown"] == "refuse" and None in accounts:
            raise Refused(400, "Invalid request")
        for account in filter(None, accounts):
            account.resets += 1
        self.resets.append({"organization": child.id, "emails": list(body["adminEmails"])})
        return 200, ""

    def list_organizations(self, organization, path, query, body):
        found = [o for o in self.organizations.values()
                 if fold(query["email"]) in o.by_email and organization.id in (o.id, o.parent)]
        if not found:
            raise Refused(404, f"The user identified by the email address {query['email']} does not exist "
                          "in the organization.")
        return 200, [{"organizationId": o.id, "organizationName": o.name, "mspOrganizationId": o.parent,
                      "organizationTypeId": 1, "createdAt": 1600000000, "modifiedAt": 1600000000}
                     for o in found]


class UmbrellaGov(Umbrella):
    """The Government family: its contract leaves out what it doesn't offer."""

    contract = "umbrella-gov.yaml"


class UmbrellaVerbs:
    """The control verbs that only Umbrella has; see control.py."""

    def __init__(self, api):
        self._api = api

    def _first(self, organization):
        return organization or next(iter(self._api.organizations))

    def accounts(self, organization=None):
        """The accounts alone, of one organisation (default: the first)."""
        owner = self._api.organizations[self._first(organization)]
        return [a.to_dict(self._api.roles, self._api.quirks) | {"resets": a.resets}
                for a in owner.accounts.values()]

    def add_accounts(self, accounts, organization=None):
        """By hand, past all rules: [{"email": …, "role": label or "roleId": number, …}]."""
        self._api.add_accounts(self._first(organization), accounts)

    def fill(self, count, organization=None, domain="example.com", first=1, role="Read Only"):
        """Add COUNT accounts u0000001@DOMAIN …"""
        self.add_accounts([{"email": f"u{n:07d}@{domain}", "role": role, "firstname": "First",
                            "lastname": f"Last {n}"} for n in range(first, first + count)], organization)

    def remove_accounts(self, emails, organization=None, forget=False):
        """By hand; they become former accounts, unless forgotten altogether."""
        self._api.remove_accounts(self._first(organization), emails, forget)

    def change_account(self, email, fields, organization=None):
        """By hand: role, status, names, time zone."""
        self._api.change_account(self._first(organization), email, fields)


Umbrella.VERBS = UmbrellaVerbs
