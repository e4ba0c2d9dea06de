/* SPDX-License-Identifier: Apache-2.0 */
/* A search, page by page (RFC 2696) where the server can, complete or failed. */
#pragma once

#include "reader/connection.h"

typedef struct SearchSpec {
        const char *base;
        SearchScope scope;
        const char *filter;
        char **attributes; /* ends with NULL */
        const char *key; /* the configuration key that the base comes from, for messages; may be NULL */
} SearchSpec;

typedef struct SearchHandler {
        /* Each entry; non-zero ends the search and is returned. */
        int (*entry)(LDAPMessage *entry, void *userdata);
        /* After each page; may be NULL. */
        int (*page)(void *userdata);
        void *userdata;
} SearchHandler;

/* 0 only if the final result was a success and every page came; references to other servers are counted
 * in *referrals and not followed. CONNECTION_E_FAILED with err as connection_fail() makes it; -EPIPE;
 * what a handler returned. */
int search_run(Connection *c, const SearchSpec *spec, const SearchHandler *handler, uint64_t *referrals,
               ErrCtx *err);
