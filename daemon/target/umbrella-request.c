/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to Umbrella: one row per call, and what a row can't say in a function beside it. */
#include <errno.h>
#include <inttypes.h>

#include "base/strings.h"
#include "target/authorization.h"
#include "target/umbrella.h"

#define URL_MAX 4096

typedef int (*fill_fn_t)(const TargetConfig *target, const CallInput *in, CallRequest *r);

typedef struct RequestRow {
        const char *method, *path;
        bool by_id;             /* the account's id ends the path */
        bool by_organization;   /* the child organization's id ends the path */
        bool paged;
        bool by_address;        /* the wanted address is the query */
        uint64_t max_body;      /* 0: max_listing; an API that ignores pages answers with the whole list */
        fill_fn_t fill;
} RequestRow;

static int parse_id(const char *text, uint64_t *ret) {
        uint64_t id;
        int r;

        if (!text)
                return -EINVAL;
        r = parse_u64(text, &id);
        if (r < 0)
                return r;
        if (id == 0)
                return -EINVAL;
        *ret = id;
        return 0;
}

static int add_header(CallRequest *r, const char *name, uint64_t value) {
        if (r->n_headers == ELEMENTSOF(r->headers))
                return -EINVAL;
        if (asprintf(&r->values[r->n_headers], "%" PRIu64, value) < 0) {
                r->values[r->n_headers] = NULL;
                return -ENOMEM;
        }
        r->headers[r->n_headers] = (HttpHeader){ name, r->values[r->n_headers] };
        r->n_headers++;
        return 0;
}

/* RFC 6749 §4.4.2. A child organisation is chosen here and nowhere else: the token then belongs to it. */
static int fill_token(const TargetConfig *target, const CallInput *in, CallRequest *r) {
        static const char grant[] = "grant_type=client_credentials";
        int q;

        q = basic_authorization(in->key, in->secret, &r->authorization);
        if (q < 0)
                return q;
        r->body = secret_new(grant, strlen(grant));
        if (!r->body)
                return -ENOMEM;
        r->content_type = "application/x-www-form-urlencoded";
        if (target->organization == 0 || in->parent)
                return 0;
        return add_header(r, "X-Umbrella-OrgId", target->organization);
}

/* Appends {"name":"value" or ,"name":"value"; sticky in *q. */
static void put_text(Secret *body, int *q, const char *name, const char *value, size_t len) {
        if (*q == 0)
                *q = secret_append_str(body, secret_len(body) == 0 ? "{" : ",");
        if (*q == 0)
                *q = secret_append_json(body, name, strlen(name));
        if (*q == 0)
                *q = secret_append_str(body, ":");
        if (*q == 0)
                *q = secret_append_json(body, value, len);
}

/* The last member: roleId is a number at the API, unlike our ids. */
static void put_role(Secret *body, int *q, uint64_t role) {
        char text[64];

        snprintf(text, sizeof(text), ",\"roleId\":%" PRIu64 "}", role);
        if (*q == 0)
                *q = secret_append_str(body, text);
}

/* A recreate changes the role alone: another address wouldn't be known to the API as a deleted account's. */
static const char *wanted_address(const Action *a) {
        if (a->kind == ACTION_RECREATE && a->has_before && a->before.address)
                return a->before.address;
        return a->has_after && a->after.address ? a->after.address : a->address;
}

/* Takes the body, whole and of an account. */
static int set_body(CallRequest *r, Secret **body, int q) {
        if (q < 0)
                return q;
        r->body = TAKE(*body);
        r->content_type = "application/json";
        return 0;
}

/* All six fields: each is required and must not be empty. */
static int fill_create(const TargetConfig *target, const CallInput *in, CallRequest *r) {
        _cleanup_(secret_freep) Secret *body = NULL;
        const char *address, *timezone;
        const AccountState *after;
        uint64_t role;
        int q = 0;

        if (!in->action || !in->action->has_after || !in->password || secret_len(in->password) == 0)
                return -EINVAL;
        after = &in->action->after;
        address = wanted_address(in->action);
        timezone = str_empty(after->timezone) ? target->timezone : after->timezone;
        if (str_empty(address) || str_empty(after->first_name) || str_empty(after->last_name) ||
            str_empty(timezone) || parse_id(in->role_id, &role) < 0)
                return -EINVAL;
        body = secret_with_capacity(1024);
        if (!body)
                return -ENOMEM;
        put_text(body, &q, "firstname", after->first_name, strlen(after->first_name));
        put_text(body, &q, "lastname", after->last_name, strlen(after->last_name));
        put_text(body, &q, "email", address, strlen(address));
        put_text(body, &q, "password", secret_data(in->password), secret_len(in->password));
        put_text(body, &q, "timezone", timezone, strlen(timezone));
        put_role(body, &q, role);
        return set_body(r, &body, q);
}

/* A deleted account comes back by these two fields alone; with all six the API says "Email already in
 * use". */
static int fill_create_short(const TargetConfig *target _unused_, const CallInput *in, CallRequest *r) {
        _cleanup_(secret_freep) Secret *body = NULL;
        const char *address;
        uint64_t role;
        int q = 0;

        if (!in->action || parse_id(in->role_id, &role) < 0)
                return -EINVAL;
        address = wanted_address(in->action);
        if (str_empty(address))
                return -EINVAL;
        body = secret_with_capacity(512);
        if (!body)
                return -ENOMEM;
        put_text(body, &q, "email", address, strlen(address));
        put_role(body, &q, role);
        return set_body(r, &body, q);
}

/* As the API knows it: the directory may have another one by now. */
static const char *address_at_the_api(const CallInput *in, size_t i) {
        const Account *a = in->accounts ? in->accounts[i] : NULL;

        return a && !str_empty(a->address) ? a->address : in->batch[i]->address;
}

static int fill_reset(const TargetConfig *target _unused_, const CallInput *in, CallRequest *r) {
        _cleanup_(secret_freep) Secret *body = secret_with_capacity(64 + in->n_batch * 64);
        int q;

        if (in->n_batch == 0)
                return -EINVAL;
        if (!body)
                return -ENOMEM;
        q = secret_append_str(body, "{\"adminEmails\":[");
        for (size_t i = 0; q == 0 && i < in->n_batch; i++) {
                const char *address = address_at_the_api(in, i);

                if (str_empty(address))
                        return -EINVAL;
                if (i > 0)
                        q = secret_append_str(body, ",");
                if (q == 0)
                        q = secret_append_json(body, address, strlen(address));
        }
        if (q == 0)
                q = secret_append_str(body, "]}");
        return set_body(r, &body, q);
}

static const RequestRow rows[_CALL_MAX] = {
        [CALL_TOKEN] = { "POST", "/auth/v2/token", .max_body = 64u << 10, .fill = fill_token },
        [CALL_ROLES] = { "GET", "/admin/v2/roles", .max_body = 1u << 20 },
        [CALL_LIST] = { "GET", "/admin/v2/users", .paged = true },
        [CALL_GET] = { "GET", "/admin/v2/users", .by_id = true, .max_body = 1u << 20 },
        [CALL_CREATE] = { "POST", "/admin/v2/users", .max_body = 1u << 20, .fill = fill_create },
        [CALL_CREATE_SHORT] = { "POST", "/admin/v2/users", .max_body = 1u << 20, .fill = fill_create_short },
        [CALL_DELETE] = { "DELETE", "/admin/v2/users", .by_id = true, .max_body = 1u << 20 },
        [CALL_RESET] = { "POST", "/admin/v2/passwordResets", .by_organization = true, .max_body = 1u << 20,
                         .fill = fill_reset },
        [CALL_ORGANIZATIONS] = { "GET", "/admin/v2/organizations", .by_address = true,
                                 .max_body = 1u << 20 },
};

static int put_address(const CallInput *in, StrBuf *b) {
        const char *address = in->action ? wanted_address(in->action) : NULL;

        if (str_empty(address))
                return -EINVAL;
        strbuf_puts(b, "?email=");
        strbuf_urlencode(b, address);
        return 0;
}

static int make_url(const TargetConfig *target, const RequestRow *row, const CallInput *in, char **ret) {
        StrBuf b = STRBUF_INIT(URL_MAX);
        uint64_t id;
        int r = 0;

        strbuf_puts(&b, target->url);
        strbuf_puts(&b, row->path);
        if (row->by_id) {
                r = parse_id(in->remote_id, &id);
                if (r == 0)
                        strbuf_printf(&b, "/%" PRIu64, id);
        }
        if (row->by_organization) {
                if (target->organization == 0)
                        r = -EINVAL;
                strbuf_printf(&b, "/%" PRIu64, target->organization);
        }
        if (row->paged) {
                if (in->page == 0)
                        r = -EINVAL;
                strbuf_printf(&b, "?page=%u&limit=%u", in->page, UMBRELLA_PAGE_ROWS);
        }
        if (row->by_address)
                r = put_address(in, &b);
        return call_url_end(&b, r, ret);
}

int umbrella_build(const TargetConfig *target, const CallInput *in, CallRequest *ret) {
        const RequestRow *row = (unsigned) in->call < _CALL_MAX ? &rows[in->call] : NULL;
        CallRequest request = { 0 };
        int r;

        if (!row || !row->method || str_empty(target->url))
                return -EINVAL;
        request.method = row->method;
        request.max_body = row->max_body > 0 ? row->max_body : target->max_listing;
        r = make_url(target, row, in, &request.url);
        if (r == 0 && row->fill)
                r = row->fill(target, in, &request);
        if (r < 0) {
                call_request_deinit(&request);
                return r;
        }
        *ret = request;
        return 0;
}
