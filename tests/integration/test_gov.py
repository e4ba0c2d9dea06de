# SPDX-License-Identifier: Apache-2.0
"""Umbrella for Government: what it lacks, and that nothing of it goes elsewhere. Its life: test_umbrella_life.py."""

import pytest


@pytest.fixture
def gov(make_standin):
    return make_standin(api="umbrella-gov")


@pytest.fixture
def runner(make_idsyncd, slapd, gov):
    return make_idsyncd(slapd, gov)


def test_resets_are_refused_at_once(runner, gov):
    runner.target["password_reset"] = True
    for options in (["--check-config"], ["--once"]):
        result = runner.run(*options)
        text = result.out + result.err
        assert result.code == 3 and "password_reset" in text and "has no password resets" in text, result
        assert ".conf:" in text                 # file and line
    assert gov.calls() == []


def test_leave_disable_is_refused(runner):
    runner.target["leave"] = "disable"
    result = runner.run("--check-config")
    assert result.code == 3 and "leave" in result.out + result.err


@pytest.mark.company(people=2)
def test_reset_by_word_is_refused(runner, company, gov):
    runner.once(expect=0)
    gov.clear_ledger()
    result = runner.once("--reset", company.people[1].uid, "--target", "umbrella", expect=2)
    assert "can't be reset" in result.err and gov.calls() == []


@pytest.mark.company(people=2)
def test_redirects_lead_nowhere(runner, gov):
    """Not with the token, and not with anything else."""
    gov.fault("redirect", code=307, method="GET", path="/users$", count=None)
    result = runner.once("--wait", "0s", expect=5)
    assert "redirect" in result.err and gov.elsewhere() == [] and gov.emails() == []
    gov.clear_faults()
    gov.fault("redirect", code=308, method="POST", path="/token$", count=None)
    runner.once("--wait", "0s", expect=5)
    assert gov.elsewhere() == []


@pytest.mark.company(people=2)
def test_no_proxy_of_the_environment(runner, gov):
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    runner.once(env={name: "http://127.0.0.1:9" for name in names}, expect=0)
    assert len(gov.emails()) == 2


@pytest.mark.company(people=3)
def test_beside_the_commercial_one(make_idsyncd, make_standin, slapd, gov, company):
    """Two targets, two keys, two hosts: each call goes where it belongs."""
    commercial = make_standin()
    runner = make_idsyncd(slapd, commercial)
    runner.credentials |= {"gov-key": gov.key, "gov-secret": gov.secret}
    runner.config["targets"].append({**runner.target, "name": "gov", "type": "umbrella-gov", "url": gov.url,
                                     "key_credential": "gov-key", "secret_credential": "gov-secret"})
    runner.once(expect=0)
    assert gov.emails() == commercial.emails() and len(gov.emails()) == 3
    assert gov.counts() == commercial.counts()
