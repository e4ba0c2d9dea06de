# SPDX-License-Identifier: Apache-2.0
"""The calls that reached a stand-in, in order, each in a word."""

import re


UMBRELLA = {"POST /auth/v2/token": "token", "GET /roles": "roles", "GET /users": "list", "GET /users/{id}": "get",
            "DELETE /users/{id}": "delete", "POST /users": "create", "POST /passwordResets/{id}": "reset",
            "GET /organizations": "who"}
PRIMAVERA = {"GET /oauth2/token": "token", "GET /v3/user": "list", "GET /v3/user/{id}": "get", "POST /v3/user": "upsert",
             "GET /v3/user/status/{id}": "job", "PUT /v3/user/change-status": "status",
             "PUT /v3/user/change-lock": "lock", "PUT /v3/user/auto-reset-pwd": "auto-reset",
             "PUT /v3/user/manual-reset-pwd/true": "reset", "PUT /v3/user/manual-reset-pwd/false": "reset"}
LOOKS = ("token", "roles", "list", "get", "job", "who")


def word(standin, call):
    """list, get, create, re-create (the short body), delete, reset …; Primavera: upsert, job, status, lock, reset …"""
    if standin.api == "primavera":
        path = call["path"].partition("/cloudapi/restapi")[2]
        path = re.sub("(/v3/user/status/|/v3/user/(?!change-|manual-|auto-|status/))[^/]+$", r"\g<1>{id}", path)
        return PRIMAVERA[call["method"] + " " + path]
    path = re.sub(r"/\d+$", "/{id}", call["path"].removeprefix("/admin/v2"))
    name = UMBRELLA[call["method"] + " " + path]
    return "re-create" if name == "create" and "password" not in call["body"] else name


def trace(standin, but=("token",)):
    """All of them but those words, as they were sent."""
    return [name for name in (word(standin, call) for call in standin.calls()) if name not in but]


def writes(standin, handled=False):
    """Only what changes something; HANDLED: only what did."""
    return [name for name, call in ((word(standin, call), call) for call in standin.calls())
            if name not in LOOKS and (call["handled"] or not handled)]
