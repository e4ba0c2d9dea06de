/* SPDX-License-Identifier: Apache-2.0 */
/* One person brought in step now, each step told as it happens: read, person, compare, scope, match, plan,
 * call, wait, result. Nothing is let past a breaker, a pause or the API's limits: the person's action goes
 * first among those that it may go among, and that is all. It looks on; whoever stops looking changes
 * nothing. */
#pragma once

#include "service/view.h"

typedef struct Errand Errand;

typedef struct ErrandSpec {
        const char *person;             /* address, login, DN, directory id */
        const char *target;             /* "": all where the person belongs, or has an account */
        usec_t wait;                    /* longer than that nothing is waited for */
        int64_t cycle;                  /* that reads for it: cycle_ask() */
        bool reads_next;                /* another read is under way: that cycle's comes after it */
        void (*told)(const char *json, void *userdata); /* a step, as it happens */
        void *userdata;
} ErrandSpec;

/* Copies the texts; the target exists. 0, -ENOMEM. */
int errand_new(const View *v, const ErrandSpec *spec, Errand **ret);
Errand *errand_free(Errand *errand);
DEFINE_CLEANUP(Errand *, errand_free);

/* A call was made for somebody; told at the next look. */
void errand_called(Errand *errand, const CallEvent *event);
/* Goes on as far as it can. 0: not over yet; ERRAND_E_OVER: errand_document() tells; VIEW_E_UNKNOWN with
 * words in err: nobody is meant, or several; -errno of the store, -ENOMEM. */
#define ERRAND_E_OVER 2
int errand_look(Errand *errand, const View *v, ErrCtx *err);
void errand_document(const Errand *errand, StrBuf *out);
