/* SPDX-License-Identifier: Apache-2.0 */
/* Directory and targets are looked at side by side, each with lines of its own; when all are over, the lines
 * are put together in the order of the configuration. */
#include <errno.h>

#include "check/check-internal.h"
#include "model/expect.h"

#define TICK USEC_PER_SEC

struct Check {
        Loop *loop;
        Config *config;
        CheckLines lines;
        CheckLdap ldap;
        CheckApi *apis;
        size_t n_apis;
        usec_t deadline;                /* monotonic */
        LoopTask *end;
        LoopTimer *tick;
        check_done_t done;
        void *userdata;
};

void check_certificate(CheckLines *l, const char *part, const char *target, usec_t end,
                       usec_t chain_end, usec_t wall) {
        usec_t first = chain_end > 0 && chain_end < end ? chain_end : end;
        bool soon = first <= usec_add(wall, CHECK_CERTIFICATE_WARNING);
        char text[USEC_FORMAT_MAX], of_chain[96] = "";

        if (end == 0) {
                check_line(l, CHECK_OK, 0, part, target, "certificate",
                           "accepted; when it ends isn't known");
                return;
        }
        if (first < end)
                snprintf(of_chain, sizeof(of_chain), "; an issuer's in %llu days",
                         (unsigned long long) (usec_sub(first, wall) / USEC_PER_DAY));
        check_line(l, soon ? CHECK_WARN : CHECK_OK, 0, part, target, "certificate",
                   "accepted; ends %s, in %llu days%s%s", usec_format_wall(end, text),
                   (unsigned long long) (usec_sub(end, wall) / USEC_PER_DAY), of_chain,
                   soon ? ": have it renewed in time" : "");
}

/* ---- configuration ---- */

int check_configuration(const char *file, const char *credentials, CheckLines *lines) {
        _cleanup_(config_unrefp) Config *config = NULL;
        ConfigProblems problems = { 0 };
        int r;

        r = config_load(file, credentials, &problems, &config);
        for (size_t i = 0; i < problems.n_lines; i++)
                check_line(lines, CHECK_FAIL, EXIT_CONFIG, "configuration", NULL, "file", "%s",
                           problems.lines[i]);
        if (r < 0)
                check_line(lines, CHECK_FAIL, EXIT_CONFIG, "configuration", NULL, "file", "%s: %s", file,
                           strerror(-r));
        if (r == 0) {
                check_line(lines, CHECK_OK, 0, "configuration", NULL, "file", "%s: %zu %s, %zu %s", file,
                           config->n_targets, config->n_targets == 1 ? "target" : "targets",
                           config->n_groups, config->n_groups == 1 ? "group" : "groups");
                check_line(lines, CHECK_OK, 0, "configuration", NULL, "credentials",
                           "each one that it names is in %s, readable, and not for everybody", credentials);
        }
        for (size_t i = 0; r == 0 && i < problems.n_notices; i++)
                check_line(lines, CHECK_WARN, 0, "configuration", NULL, "file", "%s", problems.notices[i]);
        config_problems_deinit(&problems);
        return r < 0 ? r : 0;
}

/* ---- expectations ---- */

static bool has_expectations(const Check *c, const TargetConfig *target) {
        for (size_t i = 0; i < c->config->n_expect; i++)
                if (str_eq(c->config->expect[i].target, target->name))
                        return true;
        return false;
}

/* Whom the directory itself blocks: of a plan for an API without any account, of which nothing else is
 * looked at. */
static int find_blocked(const Check *c, const TargetConfig *target, Plan **ret) {
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(0);
        _cleanup_(links_freep) Links *links = links_new();
        const DiffInput in = {
                .target = target,
                .capabilities = &target_driver(target->type)->capabilities,
                .n_groups = c->config->n_groups,
                .people = c->ldap.people,
                .accounts = accounts,
                .links = links,
        };
        ErrCtx err = { 0 };

        return accounts && links ? diff_run(&in, ret, &err) : -ENOMEM;
}

static void add_expectations(Check *c, const TargetConfig *target) {
        _cleanup_(plan_freep) Plan *plan = NULL;
        _cleanup_(expectations_deinit) Expectations e = { 0 };
        ExpectInput in = { .config = c->config, .target = target, .people = c->ldap.people };
        int r;

        r = find_blocked(c, target, &plan);
        in.plan = plan;
        if (r >= 0)
                r = expect_examine(&in, &e);
        if (r < 0) {
                c->lines.error = r;
                return;
        }
        for (size_t i = 0; i < e.n; i++)
                check_line(&c->lines, e.items[i].holds ? CHECK_OK : CHECK_FAIL, EXIT_DIFFERENCES, "expect",
                           target->name, "expectation", "%s", e.items[i].text);
}

static void check_expectations(Check *c) {
        if (c->config->n_expect == 0)
                return;
        if (!c->ldap.complete) {
                check_line(&c->lines, CHECK_WARN, 0, "expect", NULL, "expectations",
                           "not looked at, because the directory couldn't be read");
                return;
        }
        for (size_t i = 0; i < c->config->n_targets; i++)
                if (has_expectations(c, &c->config->targets[i]))
                        add_expectations(c, &c->config->targets[i]);
}

/* ---- the whole ---- */

static bool is_over(const Check *c) {
        for (size_t i = 0; i < c->n_apis; i++)
                if (!c->apis[i].over)
                        return false;
        return c->ldap.over;
}

static void on_end(void *userdata) {
        Check *c = userdata;

        if (!is_over(c))
                return;
        loop_timer_stop(c->tick);
        check_lines_move(&c->lines, &c->ldap.lines);
        for (size_t i = 0; i < c->n_apis; i++)
                check_lines_move(&c->lines, &c->apis[i].lines);
        check_expectations(c);
        c->done(&c->lines, c->userdata);
}

static void on_part(void *userdata) {
        Check *c = userdata;

        loop_task_arm(c->end);
}

static void on_tick(void *userdata) {
        Check *c = userdata;
        bool late = loop_now(c->loop) >= c->deadline;

        loop_timer_after(c->tick, TICK);
        if (late)
                check_ldap_give_up(&c->ldap);
        for (size_t i = 0; i < c->n_apis; i++)
                if (late)
                        check_api_give_up(&c->apis[i]);
                else
                        check_api_tick(&c->apis[i]);
}

static int start_parts(Check *c, const EngineParts *in) {
        int r;

        r = check_ldap_start(&c->ldap, in, on_part, c);
        for (size_t i = 0; i < in->n_remotes && r >= 0; i++) {
                c->n_apis++;
                r = check_api_start(&c->apis[i], in->loop, in->remotes[i], on_part, c);
        }
        return r;
}

int check_start(Engine *engine, const char *file, check_done_t done, void *userdata, Check **ret) {
        _cleanup_(check_freep) Check *c = calloc(1, sizeof(*c));
        const EngineParts in = engine_parts(engine);
        int r;

        if (!c)
                return -ENOMEM;
        c->loop = in.loop;
        c->config = config_ref((Config *) in.config);
        c->done = done;
        c->userdata = userdata;
        c->deadline = usec_add(loop_now(in.loop), CHECK_MAX);
        c->apis = calloc(in.n_remotes + 1, sizeof(*c->apis));
        if (!c->apis)
                return -ENOMEM;
        r = loop_task_new(in.loop, LOOP_SLICE, "end of the check", on_end, c, &c->end);
        if (r < 0)
                return r;
        r = loop_timer_new(in.loop, LOOP_TIMER, "the check", on_tick, c, &c->tick);
        if (r < 0)
                return r;
        r = check_configuration(file, in.credentials, &c->lines);
        if (r == -ENOMEM)
                return r;
        r = start_parts(c, &in);
        if (r < 0)
                return r;
        loop_timer_after(c->tick, 0);
        *ret = TAKE(c);
        return 0;
}

Check *check_free(Check *c) {
        if (!c)
                return NULL;
        check_ldap_deinit(&c->ldap);
        for (size_t i = 0; i < c->n_apis; i++)
                check_api_deinit(&c->apis[i]);
        free(c->apis);
        loop_task_free(c->end);
        loop_timer_free(c->tick);
        check_lines_deinit(&c->lines);
        config_unref(c->config);
        free(c);
        return NULL;
}
