/* SPDX-License-Identifier: Apache-2.0 */
/* A held plan as a file of model/plan-file.h: more than a message holds, so it goes into memory that is
 * handed out. */
#include <errno.h>
#include <sys/mman.h>

#include "model/plan-file.h"
#include "service/view-internal.h"
#include "store/store-ledger.h"
#include "sync/report-row.h"

#define CHUNK ((size_t) 256 << 10)
#define CHUNK_MAX ((size_t) 2 << 20)

typedef struct Choice {
        const char *target;             /* the engine's */
        HeldPlan *held;
        size_t n;
        StrBuf names;                   /* of all that are held */
} Choice;

static void choice_deinit(Choice *c) {
        held_plan_free(c->held);
        strbuf_deinit(&c->names);
}

static int look_at(const View *v, const char *target, HeldSlot slot, const char *wanted, Choice *c) {
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        int r;

        r = store_held_get(v->store, target, slot, &held);
        if (r < 0 || !held)
                return r;
        strbuf_printf(&c->names, "%s%s of %s", c->names.len > 0 ? ", " : "", held->hash, target);
        if (!str_empty(wanted) && !str_eq(wanted, target) && !str_eq(wanted, held->hash))
                return 0;
        c->n++;
        c->target = target;
        held_plan_free(c->held);
        c->held = TAKE(held);
        return 0;
}

static int choose(const View *v, const char *wanted, Choice *c, ErrCtx *err) {
        int r = 0;

        for (size_t i = 0; i < engine_n_remotes(v->engine) && r >= 0; i++) {
                const char *target = remote_config(engine_remote(v->engine, i))->name;

                r = look_at(v, target, HELD_PLAN, wanted, c);
                if (r >= 0)
                        r = look_at(v, target, HELD_REVERT, wanted, c);
        }
        if (r < 0)
                return r;
        if (c->n == 0 && !str_empty(wanted) && !engine_find_remote(v->engine, wanted))
                return err_set(err, VIEW_E_UNKNOWN, 0,
                               "%s: no target of the configuration has this name, and no held plan this "
                               "hash",
                               wanted);
        if (c->n == 0)
                return err_set(err, VIEW_E_UNKNOWN, 0,
                               "%s%sno plan is held%s%s: what isn't held is queued at once, see "
                               "\"idsyncctl queue\"",
                               str_empty(wanted) ? "" : wanted, str_empty(wanted) ? "" : ": ",
                               c->names.len > 0 ? "; held: " : "", c->names.len > 0 ? c->names.data : "");
        if (c->n > 1)
                return err_set(err, VIEW_E_UNKNOWN, 0, "several plans are held; name one by its hash: %s",
                               c->names.data);
        return 0;
}

static int flush(int fd, StrBuf *out, size_t until) {
        if (out->error < 0)
                return out->error;
        if (out->len < until)
                return 0;
        for (size_t done = 0; done < out->len;) {
                ssize_t n = write(fd, out->data + done, out->len - done);

                if (n < 0)
                        return -errno;
                done += (size_t) n;
        }
        strbuf_reset(out);
        return 0;
}

static int write_plan(int fd, const char *target, const HeldPlan *held) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(CHUNK_MAX);
        int r = 0;

        plan_file_head(target, held->hash, held->reason, &out);
        for (size_t i = 0; i < held->n_actions && r >= 0; i++) {
                plan_file_action(&held->actions[i], i == 0, &out);
                r = flush(fd, &out, CHUNK);
        }
        plan_file_end(&out);
        if (r >= 0)
                r = flush(fd, &out, 0);
        return r < 0 || lseek(fd, 0, SEEK_SET) == 0 ? r : -errno;
}

int view_export(const View *v, const char *target, StrBuf *out, int *ret_fd, ErrCtx *err) {
        _cleanup_(choice_deinit) Choice c = { .names = STRBUF_INIT(4096) };
        _cleanup_(closep) int fd = -1;
        int r;

        r = choose(v, target, &c, err);
        if (r != 0)
                return r;
        fd = memfd_create("idsyncd-plan", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_plan(fd, c.target, c.held);
        if (r < 0)
                return r;
        strbuf_puts(out, "{\"version\":1,");
        report_put_pairs(out, "target", c.target, "hash", c.held->hash, NULL);
        strbuf_printf(out, ",\"actions\":%zu}", c.held->n_actions);
        *ret_fd = take_fd(&fd);
        return 0;
}
