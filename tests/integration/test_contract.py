# SPDX-License-Identifier: Apache-2.0
"""A request that breaks an API's contract fails the test that caused it: whichever API, whenever it is sent."""

import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
INNER = '''
import base64, json, pytest
from lib.client import Client

class Plain(Client):
    def get_token(self):
        if "primavera" in API:
            return self.raw("GET", "/cloudapi/restapi/oauth2/token?tokenExpiry=3600", self.basic).text
        form = {{"Content-Type": "application/x-www-form-urlencoded"}}
        answer = self.raw("POST", "/auth/v2/token", {{**self.basic, **form}}, "grant_type=client_credentials")
        return answer.json["access_token"]

API = {api!r}

def test_one(make_standin):
    standin = make_standin(api=API)
    client = Plain(standin)
    answer = client.call(*{request!r})
    {after}
'''
USERS = {"umbrella": "/admin/v2/users", "umbrella-gov": "/admin/v2/users", "primavera": "/cloudapi/restapi/v3/user"}


def requests(api):
    """What each contract forbids, and last what it allows."""
    users = USERS[api]
    new = {"email": "a@example.com", "firstname": "A", "lastname": "B", "roleId": 2, "timezone": "UTC"}
    if api == "primavera":
        new = {"added": [{"loginId": "a", "firstName": "A", "lastName": "B", "emailAddress": "a@example.com",
                          "organization": {"id": "1", "name": "example", "displayName": "x"}}]}
    yield "GET", users + "s"
    yield "PATCH", users
    yield "GET", users + "?query=unknown"
    yield "POST", users, new                        # lacks the password, or "disabled"
    yield "POST", users, {**new, "unknown": 1}
    if api == "umbrella-gov":
        yield "POST", "/admin/v2/passwordResets/1", {"adminEmails": ["a@example.com"]}
        yield "GET", "/admin/v2/organizations?email=a%40example.com"
    yield "GET", users


AFTER = ["pass", "standin.clear_ledger()", "standin.reset()", "standin.cleanup()"]     # whatever the test does then


@pytest.mark.parametrize("api", USERS)
def test_wrong_requests_fail_the_suite(tmp_path, api):
    *wrong, right = requests(api)
    for number, request in enumerate([*wrong, right]):
        (tmp_path / f"test_{number}.py").write_text(INNER.format(api=api, request=request, after=AFTER[number % len(AFTER)]))
    # No short summary (-rN): what it repeats of a failure depends on the width, and on $CI.
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "conftest",
                           "--tb=line", "-rN", "--rootdir", str(tmp_path), str(tmp_path)],
                          env={**os.environ, "PYTHONPATH": HERE}, capture_output=True, text=True, timeout=120)
    assert done.stdout.count("requests that break the API's contract: [") == len(wrong), done.stdout
    assert f"{len(wrong) + 1} passed, {len(wrong)} errors" in done.stdout, done.stdout
