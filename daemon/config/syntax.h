/* SPDX-License-Identifier: Apache-2.0 */
/* What the texts of a configuration must look like. */
#pragma once

#include "base/error.h"

/* 0, or SYNTAX_E_BAD with "what is wrong; what is allowed" in err, fit to stand behind the name of a key. */
#define SYNTAX_E_BAD 1
typedef int (*syntax_fn_t)(const char *text, ErrCtx *err);

/* Any text: UTF-8 without control characters, at most 4096 bytes. The others take this for granted. */
int syntax_text(const char *text, ErrCtx *err);
int syntax_not_empty(const char *text, ErrCtx *err);
/* ldap://, ldaps:// and ldapi:// with a host and a port (a path at ldapi), and nothing behind them (RFC 4516
 * has more). */
int syntax_ldap_uri(const char *text, ErrCtx *err);
/* https:// with a host, a port, a path; neither user nor query. */
int syntax_https_url(const char *text, ErrCtx *err);
/* "" or http://, https://, socks5://, socks5h:// with host and port. */
int syntax_proxy(const char *text, ErrCtx *err);
/* "" or HOST:PORT. */
int syntax_listen(const char *text, ErrCtx *err);
/* A distinguished name (RFC 4514), not the empty one. */
int syntax_dn(const char *text, ErrCtx *err);
/* A name to bind as: a DN, or what Active Directory takes too: NAME@DOMAIN, DOMAIN\NAME (MS-ADTS
 * §5.1.1.1.1). */
int syntax_bind_name(const char *text, ErrCtx *err);
/* A search filter (RFC 4515), with its outer parentheses. */
int syntax_filter(const char *text, ErrCtx *err);
/* An attribute description (RFC 4512 §2.5); the second accepts "" too. */
int syntax_attribute(const char *text, ErrCtx *err);
int syntax_attribute_or_none(const char *text, ErrCtx *err);
/* An absolute path; the second accepts "" too. */
int syntax_path(const char *text, ErrCtx *err);
int syntax_path_or_none(const char *text, ErrCtx *err);
/* The name of a file in the credentials directory (systemd.exec(5)). */
int syntax_credential(const char *text, ErrCtx *err);
/* a-z, 0-9 and '-', 32 at most. */
int syntax_target_name(const char *text, ErrCtx *err);
/* A mail address as far as its shape goes; the second lets '*' stand for any run of characters. */
int syntax_address(const char *text, ErrCtx *err);
int syntax_pattern(const char *text, ErrCtx *err);
/* "" or a path prefix without slashes at its ends. */
int syntax_tenant(const char *text, ErrCtx *err);
