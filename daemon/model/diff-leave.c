/* SPDX-License-Identifier: Apache-2.0 */
/* Links whose person isn't wanted here any more. Everything that takes an account away starts in this
 * file. */
#include <string.h>

#include "model/diff-internal.h"

/* How long the person has been out: the store's row knows of absence alone, the link of all reasons. */
static usec_t out_for(const Diff *d, uint32_t link) {
        uint32_t person = d->links[link].person;
        usec_t absent =
                person == NONE || diff_person(d, person)->present ? 0 : diff_person(d, person)->absent_for;
        usec_t out = diff_link(d, link)->out_for;

        return absent > out ? absent : out;
}

static const char *reason_of(const Diff *d, uint32_t link) {
        uint32_t person = d->links[link].person;

        if (diff_is_gone(d, link))
                return "is no longer in the directory";
        return diff_person(d, person)->disabled ? "is disabled in the directory"
                                                : "has no group or role here any more";
}

/* The entry itself is the proof; anything else needs a complete read. */
static bool is_proven(const Diff *d, uint32_t link) {
        uint32_t person = d->links[link].person;

        return d->in->absence_proven || (!diff_is_gone(d, link) && diff_person(d, person)->disabled);
}

/* Stated, and none. */
static const char *const no_roles[] = { NULL };

static int take_away(Diff *d, uint32_t link, const Account *a, ActionKind kind) {
        uint32_t person = d->links[link].person;
        Action action = {
                .kind = kind,
                .person = diff_link(d, link)->person,
                .address = a->address ?: diff_link(d, link)->address,
                .remote_id = a->remote_id,
                .has_before = true,
        };

        if (person != NONE && diff_person(d, person)->present && d->rows[person].key)
                action.address = diff_address(d, person) ?: action.address;
        diff_state_of_account(a, &action.before);
        if (kind == ACTION_DISABLE) {
                action.before.status = a->disabled ? "disabled" : "enabled";
                action.has_after = true;
                action.after.status = "disabled";
                if (d->can->disable_takes_roles)
                        action.after.roles = no_roles;
        }
        return plan_add_action(d->plan, &action);
}

static int leave_delete(Diff *d, uint32_t link, const Account *a) {
        usec_t grace = d->target->leave_grace, out = out_for(d, link);
        char left[USEC_FORMAT_MAX];

        if (!d->can->delete)
                return diff_note(d, NOTE_UNABLE, d->links[link].person, link, a, "%s; the API can't delete",
                                 reason_of(d, link));
        if (out < grace)
                return diff_note(d, NOTE_GRACE, d->links[link].person, link, a,
                                 "%s; its account is deleted in %s", reason_of(d, link),
                                 usec_format(grace - out, left));
        return take_away(d, link, a, ACTION_DELETE);
}

static int leave_disable(Diff *d, uint32_t link, const Account *a) {
        if (a->disabled && !(d->can->disable_takes_roles && a->n_roles > 0))
                return 0;
        if (!d->can->disable)
                return diff_note(d, NOTE_UNABLE, d->links[link].person, link, a, "%s; the API can't disable",
                                 reason_of(d, link));
        return take_away(d, link, a, ACTION_DISABLE);
}

static int leave(Diff *d, uint32_t link, const Account *a) {
        uint32_t person = d->links[link].person;

        if (d->target->leave == LEAVE_KEEP)
                return diff_note(d, NOTE_KEPT, person, link, a, "%s; its account is kept (leave = \"keep\")",
                                 reason_of(d, link));
        if (!is_proven(d, link))
                return diff_note(d, NOTE_UNPROVEN, person, link, a,
                                 "%s, but the last read was incomplete: waits for a complete one",
                                 reason_of(d, link));
        return d->target->leave == LEAVE_DELETE ? leave_delete(d, link, a) : leave_disable(d, link, a);
}

int diff_leavers(Diff *d) {
        int r = 0;

        for (uint32_t l = 0; l < d->in->links->n && r >= 0; l++) {
                const LinkRow *row = &d->links[l];
                const Account *a = diff_account_of(d, l);
                unsigned flags = row->person == NONE ? 0 : d->rows[row->person].flags;

                /* Nothing is left to do where the account is gone as well. */
                if (!a || flags & (ROW_BELONGS | ROW_BLOCKED))
                        continue;
                if (row->ambiguous)
                        r = diff_note(d, NOTE_UNABLE, row->person, l, a,
                                      "%s; several links name this person, or the account", reason_of(d, l));
                else if (diff_is_gone(d, l) && diff_is_claimed(d, l))
                        r = diff_note(d, NOTE_RELINK, row->person, l, a,
                                      "may be in the directory under a new id: its account is left alone");
                else
                        r = leave(d, l, a);
        }
        return r;
}
