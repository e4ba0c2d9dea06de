/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by check.c (the whole), check-ldap.c (the directory) and check-api.c (a target) alone. */
#pragma once

#include "check/check.h"
#include "directory/source.h"

#define CHECK_CERTIFICATE_WARNING (14 * USEC_PER_DAY)

/* ---- check-ldap.c ---- */

#define CHECK_SAMPLES 3

typedef struct CheckLdap {
        Loop *loop;
        const Config *config;
        Source *source;
        SourceRead *read;               /* NULL: not begun, or over */
        bool over, complete;
        CheckLines lines, notices;
        uint32_t needs;
        char *samples[CHECK_SAMPLES];
        size_t n_samples;
        People *people;                 /* for expectations; NULL: there are none */
        uint64_t n_disabled, lacking[_PERSON_FIELD_MAX];
        struct CheckBelong {
                uint64_t n, no_role;
                uint64_t *roles;        /* by row */
        } *belong;                      /* at each target */
        int error;                      /* -ENOMEM */
        void (*done)(void *userdata);
        void *userdata;
} CheckLdap;

int check_ldap_start(CheckLdap *c, const EngineParts *in, void (*done)(void *userdata), void *userdata);
/* It took too long. */
void check_ldap_give_up(CheckLdap *c);
void check_ldap_deinit(CheckLdap *c);

/* ---- check-api.c ---- */

typedef struct CheckApi {
        Loop *loop;
        Remote *remote;
        Channel *channel;
        const TargetConfig *target;
        const TargetDriver *driver;
        ChannelCall *call;              /* of the roles */
        Lister *lister;
        Roles roles;
        Outcome outcome;                /* of the last call */
        usec_t begun;                   /* monotonic */
        bool over;
        CheckLines lines;
        void (*done)(void *userdata);
        void *userdata;
} CheckApi;

int check_api_start(CheckApi *c, Loop *loop, Remote *remote, void (*done)(void *userdata), void *userdata);
/* Once a second: it is over where no call may go out for long. */
void check_api_tick(CheckApi *c);
void check_api_give_up(CheckApi *c);
void check_api_deinit(CheckApi *c);

/* ---- check.c ---- */

/* One line on a certificate that was accepted; chain_end 0: not known. */
void check_certificate(CheckLines *l, const char *part, const char *target, usec_t end, usec_t chain_end,
                       usec_t wall);
