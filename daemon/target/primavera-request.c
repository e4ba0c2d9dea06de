/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to Primavera: one row per call, and what a row can't say in a function beside it. */
#include <errno.h>

#include "base/strings.h"
#include "target/authorization.h"
#include "target/primavera.h"

#define URL_MAX 8192
#define ANSWER_MAX (1u << 20)

typedef int (*fill_fn_t)(const TargetConfig *target, const CallInput *in, CallRequest *r);

typedef struct RequestRow {
        const char *method, *path;
        bool by_login;          /* the login ends the path */
        bool by_job;            /* the job's id does */
        uint64_t max_body;      /* 0: max_listing */
        fill_fn_t fill;
} RequestRow;

bool primavera_reset_has_passwords(const TargetConfig *target) {
        return !target->reset_auto;
}

int primavera_authorize(const TargetConfig *target, const Secret *key, const Secret *secret, Secret **ret) {
        return target->auth_basic ? basic_authorization(key, secret, ret) : 1;
}

/* ROPC by HTTP Basic (D142272): the answer is the bare token, of no media type that is told. */
static int fill_token(const TargetConfig *target _unused_, const CallInput *in, CallRequest *r) {
        r->accept = "*/*";
        return basic_authorization(in->key, in->secret, &r->authorization);
}

static int keep_body(CallRequest *r, int q) {
        r->content_type = "application/json";
        return q;
}

static int fill_upsert(const TargetConfig *target, const CallInput *in, CallRequest *r) {
        if (!in->action)
                return -EINVAL;
        if (in->action->kind == ACTION_CREATE)
                return keep_body(r, primavera_body_create(target, in->action, &r->body));
        return keep_body(r, primavera_body_change(target, in->call, in->action, in->document, &r->body));
}

static int fill_change(const TargetConfig *target, const CallInput *in, CallRequest *r) {
        if (!in->action)
                return -EINVAL;
        return keep_body(r, primavera_body_change(target, in->call, in->action, in->document, &r->body));
}

static int fill_reset(const TargetConfig *target, const CallInput *in, CallRequest *r) {
        return keep_body(r, primavera_body_reset(target, in, &r->body));
}

static const RequestRow rows[_CALL_MAX] = {
        [CALL_TOKEN] = { "GET", "/oauth2/token?tokenExpiry=3600", .max_body = 64u << 10,
                         .fill = fill_token },
        [CALL_LIST] = { "GET", "/v3/user", .max_body = 0 },
        [CALL_GET] = { "GET", "/v3/user", .by_login = true, .max_body = PRIMAVERA_USER_MAX },
        [CALL_UPSERT] = { "POST", "/v3/user", .max_body = ANSWER_MAX, .fill = fill_upsert },
        [CALL_JOB] = { "GET", "/v3/user/status", .by_job = true, .max_body = ANSWER_MAX },
        [CALL_STATUS] = { "PUT", "/v3/user/change-status", .max_body = ANSWER_MAX, .fill = fill_change },
        [CALL_UNLOCK] = { "PUT", "/v3/user/change-lock", .max_body = ANSWER_MAX, .fill = fill_change },
        [CALL_RESET] = { "PUT", NULL, .max_body = 16 * ANSWER_MAX, .fill = fill_reset },
};

static const char *path_of(const TargetConfig *target, Call call) {
        if (call != CALL_RESET)
                return rows[call].path;
        if (target->reset_auto)
                return "/v3/user/auto-reset-pwd";
        return target->email_password ? "/v3/user/manual-reset-pwd/true" : "/v3/user/manual-reset-pwd/false";
}

void primavera_base(const TargetConfig *target, StrBuf *b) {
        strbuf_puts(b, target->url);
        if (!str_empty(target->tenant))
                strbuf_printf(b, "/%s", target->tenant);
        strbuf_puts(b, "/cloudapi/restapi");
}

static const char *login_of(const CallInput *in) {
        if (in->remote_id)
                return in->remote_id;
        return in->action && in->action->has_after ? in->action->after.login : NULL;
}

static int make_url(const TargetConfig *target, const CallInput *in, char **ret) {
        StrBuf b = STRBUF_INIT(URL_MAX);
        const char *login = login_of(in);
        PrimaveraJob job;
        int r = 0;

        primavera_base(target, &b);
        strbuf_puts(&b, path_of(target, in->call));
        if (rows[in->call].by_login) {
                /* Steps of a path, in whatever spelling. */
                if (str_empty(login) || str_eq(login, ".") || str_eq(login, ".."))
                        r = -EINVAL;
                strbuf_putc(&b, '/');
                strbuf_urlencode(&b, login ? login : "");
        }
        if (rows[in->call].by_job) {
                if (!primavera_job_read(in->memo, &job) || !primavera_job_id_is_valid(job.id,
                                                                                      strlen(job.id)))
                        r = -EINVAL;
                else
                        strbuf_printf(&b, "/%s", job.id);
        }
        return call_url_end(&b, r, ret);
}

int primavera_build(const TargetConfig *target, const CallInput *in, CallRequest *ret) {
        const RequestRow *row = (unsigned) in->call < _CALL_MAX ? &rows[in->call] : NULL;
        CallRequest request = { 0 };
        int r;

        if (!row || !row->method || str_empty(target->url))
                return -EINVAL;
        request.method = row->method;
        request.max_body = row->max_body > 0 ? row->max_body : target->max_listing;
        r = make_url(target, in, &request.url);
        if (r == 0 && row->fill)
                r = row->fill(target, in, &request);
        if (r < 0) {
                call_request_deinit(&request);
                return r;
        }
        *ret = request;
        return 0;
}
