/* SPDX-License-Identifier: Apache-2.0 */
/* What sets one directory server apart from another, as far as people have to be told. Pure. */
#pragma once

#include <lber.h>
#include <stddef.h>

typedef enum ServerKind { SERVER_OTHER, SERVER_389, SERVER_AD } ServerKind;

/* The attributes of the root DSE that tell; ends with NULL. */
extern char *const server_kind_attributes[];
/* What one value of the root DSE says: before, unless it tells. 389 Directory Server names itself in
 * vendorName; Active Directory and Samba have the capability of MS-ADTS §3.1.1.3.4.3.1. */
ServerKind server_kind(ServerKind before, const char *attribute, const struct berval *value);

/* The way out when this server stopped at a limit of its own: rc is LDAP_SIZELIMIT_EXCEEDED,
 * LDAP_TIMELIMIT_EXCEEDED or LDAP_ADMINLIMIT_EXCEEDED; account: the name that idsyncd binds as. */
void server_limit_way_out(ServerKind kind, int rc, const char *account, char *buf, size_t size);

/* Active Directory tells why it refused a bind by a Windows error code in its diagnostic message ("…, data
 * 52e, …"). That in words, with the way out; NULL if it says nothing of the kind. diagnostic may be NULL. */
const char *server_bind_refusal(const char *diagnostic);
