# SPDX-License-Identifier: Apache-2.0
"""Entries of a directory of the tests, whichever it is: added, changed, moved and looked at over LDAP."""

import ldap

from .company import values
from .process import scaled


def connect(uri, dn, password, ca_file=None):
    """A python-ldap connection, bound."""
    connection = ldap.initialize(uri)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, scaled(10))
    connection.set_option(ldap.OPT_REFERRALS, 0)
    if ca_file:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, ca_file)
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.simple_bind_s(dn, password)
    return connection


def replacing(changes):
    return [(ldap.MOD_REPLACE, name, values(value) if value not in (None, []) else None)
            for name, value in changes.items()]


def replace(connection, dn, changes):
    connection.modify_s(dn, replacing(changes))


class Entries:
    """Of a class with connect(dn, password); without arguments as the administrator."""

    def add(self, dn, attributes):
        with Bound(self) as connection:
            connection.add_s(dn, [(name, values(value)) for name, value in attributes.items()])

    def modify(self, dn, **changes):
        """Replace attributes; None or [] removes one."""
        with Bound(self) as connection:
            replace(connection, dn, changes)

    def modify_all(self, people, **changes):
        """The same of many, all on their way at once."""
        with Bound(self) as connection:
            for number in [connection.modify(person.dn, replacing(changes)) for person in people]:
                connection.result(number)

    def extend(self, dn, **changes):
        """Add values to attributes."""
        with Bound(self) as connection:
            connection.modify_s(dn, [(ldap.MOD_ADD, name, values(value)) for name, value in changes.items()])

    def shrink(self, dn, **changes):
        """Take values from attributes."""
        with Bound(self) as connection:
            connection.modify_s(dn, [(ldap.MOD_DELETE, name, values(value)) for name, value in changes.items()])

    def rename(self, dn, new_rdn, new_superior=None):
        with Bound(self) as connection:
            connection.rename_s(dn, new_rdn, new_superior)

    def delete(self, dn):
        with Bound(self) as connection:
            connection.delete_s(dn)

    def get(self, dn, *attributes):
        """One entry's attributes as {name: [text, …]}; None if there is no such entry."""
        found = self.get_bytes(dn, *attributes)
        return found and {name: [item.decode(errors="replace") for item in items] for name, items in found.items()}

    def get_bytes(self, dn, *attributes):
        with Bound(self) as connection:
            try:
                found = connection.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", list(attributes) or None)
            except ldap.NO_SUCH_OBJECT:
                return None
        return found[0][1]


class Bound:
    """with Bound(server) as connection: bound as the administrator, unbound at the end."""

    def __init__(self, server, *identity):
        self.connection = server.connect(*identity)

    def __enter__(self):
        return self.connection

    def __exit__(self, *_):
        self.connection.unbind_s()
