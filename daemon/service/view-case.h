/* SPDX-License-Identifier: Apache-2.0 */
/* One person at one target: where they stand, and in words why, and what happens next. It comes from what
 * the daemon knows. */
#pragma once

#include "model/belong.h"
#include "service/view.h"
#include "store/store-queue.h"

/* What happens next: the first that applies. */
typedef enum CaseNext {
        CASE_WORKED_ON,                 /* an action is unfinished */
        CASE_BLOCKED,
        CASE_HELD,                      /* the held plan has it */
        CASE_SUPPRESSED,                /* a dead letter, or dropped or rejected */
        CASE_NOT_COMPARED,
        CASE_BEHIND_HELD,               /* asked for since a plan is held: that one is decided upon first */
        CASE_ASKED,                     /* asked for, and isn't in the queue */
        CASE_IN_STEP,                   /* the account is as it shall be */
        CASE_LEFT_ALONE,                /* knowingly: the plan's notes say why */
        CASE_NOT_HERE,                  /* doesn't belong, and has no account of ours */
} CaseNext;

typedef struct Case {
        const View *v;
        const Person *person;
        const Remote *remote;
        const TargetConfig *target;
        const char *group;              /* of target.groups, that the person is in; NULL: none */
        const RoleRule *role;           /* NULL: doesn't belong, or no roles are configured */
        char *ways;                     /* Person.ways; NULL: none */
        Belong belong;
        bool belongs;
        Links *links;
        const Link *link;               /* NULL: none */
        const char *blocked;            /* why; NULL */
        const Action *asked;            /* of the last plan; NULL: nothing */
        HeldPlan *held;                 /* the plan, or what takes something back; NULL: none */
        const Action *held_action;      /* of it, this person's */
        QueueItem *waiting, *stands;    /* unfinished; suppresses the same wish */
        int64_t taken_back;             /* the action that took something of theirs back; 0: none */
        QueueItem *latest;              /* the newest of all */
} Case;

/* v, person and remote are borrowed. 0, -errno of the store, -ENOMEM; case_deinit() in any case. */
int case_load(const View *v, const Person *person, const Remote *remote, Case *ret);
void case_deinit(Case *c);
CaseNext case_next(const Case *c);

/* Through which groups the person is in this one of Config.groups, outermost first; nothing where it names
 * the person. */
void case_say_way(const Case *c, int group, StrBuf *out);
void case_say_why(const Case *c, StrBuf *out);
void case_say_next(const Case *c, StrBuf *out);
/* Why nothing happens before `until` (wall); detail may be NULL. */
void case_say_until(const View *v, const Remote *remote, usec_t until, const char *detail, StrBuf *out);
void case_say_paused(const Remote *remote, StrBuf *out);
