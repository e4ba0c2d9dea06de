# SPDX-License-Identifier: Apache-2.0
"""A small company for the directory: people, groups, and the service entry that the daemon binds as."""

import base64
import uuid

SUFFIX = "dc=example,dc=com"
PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"
BIND_DN = f"cn=idsyncd,ou=services,{SUFFIX}"
BIND_PASSWORD = "correct-horse-ldap-8841"
FIRST = "James Mary José Zoë Renée Søren Łukasz Chloë Björn Linda".split()
LAST = "Smith García Müller O'Brien Þórsson Jones Nuñez Wilson Taylor".split()


class Person:
    def __init__(self, uid, first=None, last=None, email=None, number=0, **attributes):
        self.uid = uid
        self.first = first or FIRST[number % len(FIRST)]
        self.last = last or LAST[number % len(LAST)]
        self.email = email if email is not None else f"{uid}@example.com"
        self.dn = f"uid={uid},{PEOPLE}"
        self.id = str(uuid.uuid5(uuid.NAMESPACE_DNS, self.dn))     # entryUUID
        self.attributes = attributes

    def entry(self, with_id=False):
        """Attributes for add(); WITH_ID for slapadd, which alone may set entryUUID."""
        attributes = {"objectClass": ["inetOrgPerson"], "uid": self.uid, "cn": f"{self.first} {self.last}",
                      "givenName": self.first, "sn": self.last, **self.attributes}
        if self.email:
            attributes["mail"] = self.email
        if with_id:
            attributes["entryUUID"] = self.id
        return self.dn, {name: value for name, value in attributes.items() if value is not None}

    def account(self, role="Read Only"):
        """This person's account, for StandIn.add_accounts."""
        return {"email": self.email, "firstname": self.first, "lastname": self.last, "role": role}

    def user(self, **fields):
        """The same at Primavera."""
        return {"loginId": self.uid, "emailAddress": self.email, "firstName": self.first, "lastName": self.last, **fields}


def group_dn(name):
    return f"cn={name},{GROUPS}"


class Company:
    """PEOPLE people: the first ADMINS of them are in umbrella-admins too, the last OUTSIDERS in no group. SERVICES: for
    what there are groups, umbrella, primavera (whose second group is primavera-unifier), or both."""

    def __init__(self, people=10, admins=1, outsiders=0, groups=None, extra=(), services=("umbrella",)):
        self.people = [Person(f"p{n:05d}", number=n) for n in range(people)]
        self.people += list(extra)
        members = self.people[:len(self.people) - outsiders]
        second = {"umbrella": "umbrella-admins", "primavera": "primavera-unifier"}
        self.groups = {}
        for service in services:
            self.groups |= {service: members, second[service]: self.people[:admins]}
        self.groups |= groups or {}

    def entries(self, with_ids=True):
        yield SUFFIX, {"objectClass": ["dcObject", "organization"], "dc": "example", "o": "Example"}
        for unit in ("people", "groups", "services", "policies"):
            yield f"ou={unit},{SUFFIX}", {"objectClass": "organizationalUnit", "ou": unit}
        yield BIND_DN, {"objectClass": ["applicationProcess", "simpleSecurityObject"], "cn": "idsyncd",
                        "userPassword": BIND_PASSWORD}
        yield f"cn=default,ou=policies,{SUFFIX}", {
            "objectClass": ["device", "pwdPolicy"], "cn": "default", "pwdAttribute": "userPassword",
            "pwdLockout": "TRUE", "pwdMaxFailure": "5", "pwdMaxAge": "0"}
        for person in self.people:
            yield person.entry(with_ids)
        for name, members in self.groups.items():
            # groupOfNames needs a member: the service entry stands for an empty group
            yield group_dn(name), {"objectClass": "groupOfNames", "cn": name,
                                   "member": [p.dn for p in members] or [BIND_DN]}


def values(value):
    """An attribute's values as bytes, from a string, bytes or a list of these."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return [item if isinstance(item, bytes) else str(item).encode() for item in items]


def ldif(entries):
    for dn, attributes in entries:
        yield f"dn:: {base64.b64encode(dn.encode()).decode()}\n"
        for name, value in attributes.items():
            for item in values(value):
                yield f"{name}:: {base64.b64encode(item).decode()}\n"
        yield "\n"
