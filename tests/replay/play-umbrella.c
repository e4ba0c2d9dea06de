/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "play.h"

PlayUmbrella play_umbrella;

static struct { usec_t window; unsigned limit; } windows[] = {
        { USEC_PER_SEC, 5 }, { USEC_PER_MINUTE, 14 }, { 30 * USEC_PER_MINUTE, 350 },
};

bool play_umbrella_has(const char *email) {
        for (size_t i = 0; i < play_umbrella.n; i++)
                if (strcasecmp(play_umbrella.emails[i], email) == 0)
                        return true;
        return false;
}

/* Counts the calls on record, all of which were given an answer by us. */
static bool over_limit(void) {
        const PlayCall *calls;
        usec_t wall = loop_wall(play_umbrella.loop);
        size_t n;

        calls = play_calls(&n);
        for (size_t w = 0; w < ELEMENTSOF(windows); w++) {
                unsigned within = 0;

                for (size_t i = n; i > 0 && calls[i - 1].at + windows[w].window > wall; i--)
                        within += !strstr(calls[i - 1].path, "/token");
                if (within >= windows[w].limit)
                        return true;
        }
        return false;
}

static void user_json(size_t i, StrBuf *out) {
        strbuf_printf(out,
                      "{\"id\":%llu,\"email\":\"%s\",\"firstname\":\"F\",\"lastname\":\"L\",\"role\":\"Read "
                      "Only\",\"roleId\":2,"
                      "\"timezone\":\"UTC\",\"status\":\"Active\",\"twoFactorEnable\":false}",
                      (unsigned long long) play_umbrella.ids[i], play_umbrella.emails[i]);
}

static void answer_json(PlayAnswer *a, int status, const char *json) {
        a->failure = HTTP_DONE;
        a->status = status;
        assert(strlen(json) < sizeof(a->body));
        strcpy(a->body, json);
}

static void list(const char *url, PlayAnswer *a) {
        unsigned page = (unsigned) strtoul(strstr(url, "page=") + 5, NULL, 10);
        StrBuf out = STRBUF_INIT(1 << 17);

        strbuf_putc(&out, '[');
        for (size_t i = (page - 1) * 100; i < page * 100 && i < play_umbrella.n; i++) {
                if (i % 100 > 0)
                        strbuf_putc(&out, ',');
                user_json(i, &out);
        }
        strbuf_putc(&out, ']');
        answer_json(a, 200, out.data);
        strbuf_deinit(&out);
}

static void create(const char *body, PlayAnswer *a) {
        PlayUmbrella *u = &play_umbrella;
        const char *email = strstr(body, "\"email\":\"");
        StrBuf out = STRBUF_INIT(4096);
        char address[64];

        assert(email && u->n < ELEMENTSOF(u->emails));
        email += strlen("\"email\":\"");
        snprintf(address, sizeof(address), "%.*s", (int) strcspn(email, "\""), email);
        if (u->fail_posts && (!u->fail_address || str_eq(u->fail_address, address))) {
                answer_json(a, u->fail_posts, "{\"message\":\"Server error\"}");
                return;
        }
        if (play_umbrella_has(address)) {
                answer_json(a, 400, "{\"message\":\"Email already in use\"}");
                return;
        }
        strcpy(u->emails[u->n], address);
        u->ids[u->n] = ++u->next_id;
        u->created++;
        user_json(u->n++, &out);
        answer_json(a, 200, out.data);
        strbuf_deinit(&out);
}

/* GET and DELETE of one user. */
static void one_user(const char *method, const char *url, PlayAnswer *a) {
        PlayUmbrella *u = &play_umbrella;
        uint64_t id = strtoull(strrchr(url, '/') + 1, NULL, 10);
        StrBuf out = STRBUF_INIT(4096);
        size_t i = 0;

        while (i < u->n && u->ids[i] != id)
                i++;
        if (i == u->n) {
                answer_json(a, 404, "{\"message\":\"Not Found\"}");
                return;
        }
        user_json(i, &out);
        answer_json(a, 200, out.data);
        strbuf_deinit(&out);
        if (!str_eq(method, "DELETE"))
                return;
        u->n--;
        u->deleted++;
        memmove(u->emails[i], u->emails[i + 1], (u->n - i) * sizeof(u->emails[0]));
        memmove(&u->ids[i], &u->ids[i + 1], (u->n - i) * sizeof(u->ids[0]));
        answer_json(a, 204, "");
}

static void token(PlayAnswer *a) {
        PlayUmbrella *u = &play_umbrella;
        usec_t life = u->token_life ? u->token_life : USEC_PER_HOUR;
        char json[128];

        u->token_until = loop_now(u->loop) + life;
        snprintf(json, sizeof(json),
                 "{\"token_type\":\"bearer\",\"access_token\":\"token-of-the-play\",\"expires_in\":%llu}",
                 (unsigned long long) (u->token_life ? 3600 : life / USEC_PER_SEC));
        answer_json(a, 200, json);
}

void play_umbrella_api(const char *method, const char *url, const char *body, PlayAnswer *a,
                       void *userdata _unused_) {
        PlayUmbrella *u = &play_umbrella;

        a->delay = 50 * USEC_PER_MSEC;
        if (u->fail_all < 0) {
                a->failure = HTTP_CONNECT;
                return;
        }
        if (u->fail_all > 0)
                answer_json(a, u->fail_all, "{\"message\":\"Server error\"}");
        else if (strstr(url, "/token"))
                token(a);
        else if (u->enforce && over_limit()) {
                u->refused++;
                answer_json(a, 429, "{\"message\":\"API rate limit exceeded\"}");
        } else if (loop_now(u->loop) >= u->token_until)
                answer_json(a, 400, "{\"error\":\"invalid_request\"}");
        else if (strstr(url, "/roles"))
                answer_json(a, 200, "[{\"organizationId\":0,\"label\":\"Full Admin\",\"roleId\":1},"
                                    "{\"organizationId\":0,\"label\":\"Read Only\",\"roleId\":2}]");
        else if (str_eq(method, "POST"))
                create(body, a);
        else if (strstr(url, "page="))
                list(url, a);
        else if (strstr(url, "/users/"))
                one_user(method, url, a);
        else
                answer_json(a, 404, "{\"message\":\"Not Found\"}");
}
