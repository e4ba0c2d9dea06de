/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon without its sockets, over days: what is sent, when, and what never is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>

#include "base/log.h"
#include "play.h"
#include "sync/forecast.h"

static size_t n_calls(const char *method, const char *part) {
        const PlayCall *calls;
        size_t n, found = 0;

        calls = play_calls(&n);
        for (size_t i = 0; i < n; i++)
                found += str_eq(calls[i].method, method) && strstr(calls[i].path, part);
        return found;
}

static size_t all_calls(void) {
        size_t n;

        (void) play_calls(&n);
        return n;
}

/* The most admin calls within any window of this length. */
static unsigned busiest(usec_t window) {
        const PlayCall *calls;
        unsigned most = 0;
        size_t n;

        calls = play_calls(&n);
        for (size_t i = 0; i < n; i++) {
                unsigned within = 0;

                for (size_t k = i; k < n && calls[k].at < calls[i].at + window; k++)
                        within += !strstr(calls[k].path, "/token");
                most = within > most ? within : most;
        }
        return most;
}

static void everybody_has_one_account(size_t n) {
        char address[64];

        assert_int_equal(play_umbrella.n, n);
        for (size_t i = 0; i < n; i++) {
                snprintf(address, sizeof(address), "p%zu@example.com", i);
                assert_true(play_umbrella_has(address));
        }
}

/* ---- an API that is down ---- */

static void down_for_days(int how) {
        Play play;
        QueueCounts counts;
        size_t calls;

        play_setup(&play, 20, "", "");
        play_umbrella.fail_posts = how > 0 ? how : 0;
        play_umbrella.fail_all = how > 0 ? 0 : how;
        play_start(&play);
        play_run(play.loop, 10 * USEC_PER_DAY);
        counts = play_counts(&play);
        assert_int_equal(counts.dead, 0);
        assert_int_equal(play_umbrella.n, 0);
        calls = all_calls();
        /* One probe in at most 15 minutes, and its listings; not a storm. */
        assert_true(calls < 10 * 24 * 4 * 8);
        assert_true(calls > 10 * 24 * 2);
        play_umbrella.fail_posts = play_umbrella.fail_all = 0;
        play_run(play.loop, 40 * USEC_PER_MINUTE);
        everybody_has_one_account(20);
        assert_int_equal(play_umbrella.created, 20);
        assert_int_equal(play_counts(&play).dead, 0);
        play_teardown(&play);
}

static void test_down_connect(void **state _unused_) {
        down_for_days(-1);
}

static void test_down_503(void **state _unused_) {
        down_for_days(503);
}

static void test_down_500(void **state _unused_) {
        down_for_days(500);
}

static void test_down_over_restarts(void **state _unused_) {
        Play play;

        play_setup(&play, 5, "", "");
        play_start(&play);
        play_run(play.loop, USEC_PER_MINUTE);
        everybody_has_one_account(5);
        play_umbrella.fail_all = -1;
        play_run(play.loop, USEC_PER_DAY);
        play_forget_calls();
        /* The parking survives: a service manager that restarts us every ten seconds makes no storm. */
        for (int i = 0; i < 60; i++) {
                play_restart(&play);
                play_run(play.loop, 10 * USEC_PER_SEC);
        }
        assert_true(all_calls() <= 3);
        play_teardown(&play);
}

/* ---- one bad action among good ones ---- */

static void test_bad_action(void **state _unused_) {
        Play play;
        size_t n = 0;

        play_setup(&play, 1, "", "");
        play_umbrella.fail_posts = 503;
        play_umbrella.fail_address = "p0@example.com";
        play_start(&play);
        play_run(play.loop, 2 * USEC_PER_DAY);
        /* Alone it is the target's fault. */
        assert_int_equal(play_counts(&play).dead, 0);
        play_teardown(&play);

        play_setup(&play, 60, "rate = { second = 5; minute = 14; half_hour = 350; };", "");
        play_umbrella.fail_posts = 503;
        play_umbrella.fail_address = "p0@example.com";
        /* Others come one by one. */
        n = play_directory.n;
        play_directory.n = 1;
        play_start(&play);
        while (play_directory.n < n) {
                play_run(play.loop, USEC_PER_HOUR);
                play_directory.n++;
        }
        assert_int_equal(play_counts(&play).dead, 1);
        assert_int_equal(play_umbrella.n, n - 2);
        play_directory.n = n;
        play_teardown(&play);
}

/* ---- budgets ---- */

static void test_published_limits(void **state _unused_) {
        Play play;
        usec_t begun, took;
        Forecast told;
        double hours;

        play_setup(&play, 1000, "limits = { create = 2000; };", "");
        play_umbrella.enforce = true;
        play_start(&play);
        begun = loop_now(play.loop);
        play_run(play.loop, 10 * USEC_PER_SEC);
        assert_int_equal(forecast(play.engine, &told), 0);
        told.done_by -= loop_wall(play.loop);
        while (play_umbrella.n < 1000 && loop_now(play.loop) - begun < USEC_PER_DAY)
                play_run(play.loop, USEC_PER_MINUTE);
        everybody_has_one_account(1000);
        assert_int_equal(play_umbrella.refused, 0);
        /* What was told at the beginning came about. */
        took = loop_now(play.loop) - begun;
        assert_false(told.partly);
        assert_true(told.done_by > took / 10 * 9 && told.done_by < took / 10 * 11);
        assert_int_equal(forecast(play.engine, &told), 0);
        assert_int_equal(told.done_by, 0);
        assert_true(busiest(USEC_PER_SEC) <= 5);
        assert_true(busiest(USEC_PER_MINUTE) <= 14);
        assert_true(busiest(30 * USEC_PER_MINUTE) <= 350);
        /* At least 98 % of the 700 calls an hour were used; what else was called counts as used. */
        hours = (double) (loop_now(play.loop) - begun) / (double) USEC_PER_HOUR;
        assert_true((double) (all_calls() - n_calls("POST", "/token")) >= 0.98 * (hours * 700 - 350));
        play_teardown(&play);
}

static void test_throttled(void **state _unused_) {
        Play play;

        /* Somebody else uses the key too: our own count says there is room, the API says there isn't. */
        play_setup(&play, 30, "rate = { second = 100; minute = 1000; half_hour = 10000; };", "");
        play_umbrella.enforce = true;
        play_start(&play);
        play_run(play.loop, 3 * USEC_PER_HOUR);
        everybody_has_one_account(30);
        /* Without Retry-After a minute passes after each. */
        assert_true(play_umbrella.refused >= 1);
        assert_true(play_umbrella.refused <= 20);
        assert_int_equal(play_counts(&play).dead, 0);
        play_teardown(&play);
}

static void test_token_ends_early(void **state _unused_) {
        Play play;

        /* The API forgets tokens after 20 s although it promised an hour: one renewal each time, nothing
         * is lost. */
        play_setup(&play, 40, "", "");
        play_umbrella.token_life = 20 * USEC_PER_SEC;
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        everybody_has_one_account(40);
        assert_int_equal(play_umbrella.created, 40);
        assert_true(n_calls("POST", "/token") <= 40);
        play_teardown(&play);
}

/* ---- clocks ---- */

static void test_wall_clock_steps(void **state _unused_) {
        Play play;

        play_setup(&play, 100, "limits = { create = 200; };", "");
        play_start(&play);
        play_run(play.loop, 2 * USEC_PER_MINUTE);
        play_step_wall(play.loop, -3 * (int64_t) USEC_PER_DAY);
        play_run(play.loop, 30 * USEC_PER_MINUTE);
        everybody_has_one_account(100);
        play_umbrella.fail_all = -1;
        play_run(play.loop, 2 * USEC_PER_HOUR);
        /* Parked by a clock that now is years ahead: the wait doesn't become years. */
        play_step_wall(play.loop, -400 * (int64_t) USEC_PER_DAY);
        play_umbrella.fail_all = 0;
        play_forget_calls();
        play_restart(&play);
        play_run(play.loop, USEC_PER_HOUR);
        assert_true(n_calls("GET", "/users") > 0);
        play_teardown(&play);
}

/* The same without a restart. */
static void test_wall_clock_steps_while_parked(void **state _unused_) {
        Play play;

        play_setup(&play, 3, "", "");
        play_umbrella.fail_all = -1;
        play_start(&play);
        play_run(play.loop, 2 * USEC_PER_HOUR);
        play_step_wall(play.loop, -400 * (int64_t) USEC_PER_DAY);
        play_umbrella.fail_all = 0;
        play_run(play.loop, USEC_PER_HOUR);
        everybody_has_one_account(3);
        play_teardown(&play);
}

/* ---- what an API repeats ---- */

static char sent_password[128];
static const char *repeat_before;               /* says this and the password; the rest is cut */

static void echoing_api(const char *method, const char *url, const char *body, PlayAnswer *answer,
                        void *userdata) {
        const char *password = strstr(body, "\"password\":\"");

        play_umbrella_api(method, url, body, answer, userdata);
        if (!password)
                return;
        password += strlen("\"password\":\"");
        snprintf(sent_password, sizeof(sent_password), "%.*s", (int) strcspn(password, "\""), password);
        answer->status = 500;
        snprintf(answer->body, sizeof(answer->body), "{\"message\":\"%s %s\"}", repeat_before,
                 sent_password);
}

/* Runs until its answer parked the target: the listing that follows ends that. */
static void run_until_parked(Play *play, Park *park) {
        bool found = false;

        *sent_password = 0;
        for (int i = 0; i < 1000 && !(found && *sent_password); i++) {
                play_run(play->loop, 20 * USEC_PER_MSEC);
                assert_int_equal(store_park_get(play->store, "target:umbrella", park, &found), 0);
        }
        assert_true(found);
}

static void test_password_comes_back(void **state _unused_) {
        char start[16];
        Play play;
        Park park;

        play_setup(&play, 1, "", "");
        play_api(echoing_api, NULL);
        repeat_before = "can't take";
        play_start(&play);
        run_until_parked(&play, &park);
        assert_true(strlen(sent_password) > 16);
        assert_non_null(strstr(park.detail, "can't take ***"));
        assert_null(strstr(park.detail, sent_password));
        play_teardown(&play);

        /* What is cut off in the middle of it. */
        play_setup(&play, 1, "", "");
        play_api(echoing_api, NULL);
        repeat_before = "a long story of two hundred and thirty-three bytes, in which nothing else "
                        "happens than that it goes on, as if somebody was paid for every line of it, or "
                        "had to fill a whole page before lunch, and which nobody would have read for fun";
        play_start(&play);
        run_until_parked(&play, &park);
        snprintf(start, sizeof(start), "%.8s", sent_password);
        assert_non_null(strstr(park.detail, "read for fun ************"));
        assert_null(strstr(park.detail, start));
        play_teardown(&play);
}

/* The token, and what a token is asked for with: "key:secret" in base64. */
static void telling_api(const char *method, const char *url, const char *body, PlayAnswer *answer,
                        void *userdata) {
        play_umbrella_api(method, url, body, answer, userdata);
        if (!strstr(url, userdata))
                return;
        *sent_password = 'x';
        answer->status = 500;
        snprintf(answer->body, sizeof(answer->body),
                 "{\"error\":\"won't do: Bearer token-of-the-play or Basic a2V5OnNlY3JldA==, key secret\"}");
}

static void test_authorization_comes_back(void **state _unused_) {
        static const struct { char path[8]; const char *detail; } calls[] = {
                { "/token", "Bearer token-of-the-play or Basic ****************, key ******" },
                { "/users", "Bearer ***************** or Basic a2V5OnNlY3JldA==, key ******" },
        };
        Play play;
        Park park;

        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                play_setup(&play, 1, "", "");
                play_api(telling_api, (void *) calls[i].path);
                play_start(&play);
                run_until_parked(&play, &park);
                if (!strstr(park.detail, calls[i].detail))
                        fail_msg("%s", park.detail);
                play_teardown(&play);
        }
}

/* ---- refused credentials ---- */

static void test_reload_tries_refused_again(void **state _unused_) {
        Play play;

        play_setup(&play, 3, "", "");
        play_umbrella.fail_all = 401;
        play_start(&play);
        play_run(play.loop, USEC_PER_MINUTE);
        play_umbrella.fail_all = 0;
        play_forget_calls();
        play_restart(&play);
        play_run(play.loop, USEC_PER_MINUTE);
        assert_int_equal(all_calls(), 0);
        engine_retry_refused(play.engine);
        play_run(play.loop, USEC_PER_MINUTE);
        everybody_has_one_account(3);
        play_teardown(&play);
}

/* ---- a queue without a directory ---- */

static void test_queue_without_directory(void **state _unused_) {
        Play play;

        play_setup(&play, 5, "", "");
        play_umbrella.fail_posts = 503;
        play_start(&play);
        play_run(play.loop, USEC_PER_MINUTE);
        assert_int_equal(play_counts(&play).waiting + play_counts(&play).running, 5);
        play_directory.state = READ_UNREACHABLE;
        play_umbrella.fail_all = -1;
        play_run(play.loop, 20 * USEC_PER_MINUTE);
        play_restart(&play);
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        play_umbrella.fail_posts = play_umbrella.fail_all = 0;
        play_run(play.loop, 40 * USEC_PER_MINUTE);
        everybody_has_one_account(5);
        play_teardown(&play);
}

static void one_by_one_fails(const char *method, const char *url, const char *body, PlayAnswer *answer,
                             void *userdata) {
        play_umbrella_api(method, url, body, answer, userdata);
        if (strstr(url, "/users/"))
                answer->status = 503;
}

/* What waits for a complete read keeps no run going: none comes in it. */
static void test_removal_without_directory(void **state _unused_) {
        Play play;

        play_setup(&play, 5, "leave = \"delete\"; leave_grace = \"0s\";", "");
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        everybody_has_one_account(5);
        play_api(one_by_one_fails, NULL);
        play_directory.n--;
        play_run(play.loop, 20 * USEC_PER_MINUTE);
        assert_int_equal(play_counts(&play).waiting, 1);
        play_directory.n++;
        play_directory.state = READ_UNREACHABLE;
        play_restart(&play);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_counts(&play).waiting, 1);
        assert_true(engine_next_due(play.engine) == USEC_INFINITY);
        play_teardown(&play);
}

/* ---- a look that is asked for while a listing is under way ---- */

static void slow_api(const char *method, const char *url, const char *body, PlayAnswer *answer,
                     void *userdata) {
        play_umbrella_api(method, url, body, answer, userdata);
        if (strstr(url, "page="))
                answer->delay = 90 * USEC_PER_SEC;
        if (strstr(body, "\"p79@example.com\"")) {
                answer->delay = 70 * USEC_PER_SEC;
                answer->failure = HTTP_CUT;
        }
}

static void test_look_during_listing(void **state _unused_) {
        Play play;

        play_setup(&play, 80, "list_interval = \"4min\"; limits = { create = 100; };", "");
        play_umbrella.enforce = true;
        play_api(slow_api, NULL);
        play_start(&play);
        play_run(play.loop, 14 * USEC_PER_MINUTE);
        assert_int_equal(play_counts(&play).uncertain, 0);
        assert_int_equal(play_counts(&play).waiting, 0);
        everybody_has_one_account(80);
        assert_int_equal(play_umbrella.created, 80);
        play_teardown(&play);
}

/* ---- an action that ends while its call waits for the budget ---- */

typedef struct Rows { int64_t ids[64]; size_t n; } Rows;

static int note_waiting(const QueueItem *item, void *userdata) {
        Rows *rows = userdata;

        if (item->state == QUEUE_WAITING)
                rows->ids[rows->n++] = item->id;
        return 0;
}

static bool says(FILE *log, const char *text) {
        char line[1024];
        bool found = false;

        rewind(log);
        while (fgets(line, sizeof(line), log))
                found |= strstr(line, text) != NULL;
        return found;
}

static void test_ended_while_it_waits(void **state _unused_) {
        const QueueChange dropped = { .state = QUEUE_DROPPED };
        FILE *log = tmpfile();
        int before = dup(STDERR_FILENO);
        Rows rows = { 0 };
        Play play;
        size_t n;

        play_setup(&play, 10, "rate = { second = 5; minute = 5; half_hour = 350; };", "");
        play_start(&play);
        play_run(play.loop, 10 * USEC_PER_SEC);
        n = play_umbrella.n;
        assert_int_equal(store_queue_list(play.store, "umbrella", INT64_MAX, note_waiting, &rows), 0);
        assert_int_equal(rows.n, 10 - n);
        for (size_t i = 0; i < rows.n; i++)
                assert_int_equal(store_queue_change(play.store, rows.ids[i], &dropped, loop_wall(play.loop)),
                                 0);
        log_setup(LOG_TARGET_CONSOLE, LOG_INFO);
        assert_true(log && before >= 0 && dup2(fileno(log), STDERR_FILENO) >= 0);
        play_run(play.loop, 3 * USEC_PER_MINUTE);
        assert_true(dup2(before, STDERR_FILENO) >= 0);
        close(before);
        /* Nobody is to blame: neither the store, nor the API, nor the person. */
        assert_false(says(log, "err"));
        assert_false(says(log, "warning"));
        fclose(log);
        assert_int_equal(play_umbrella.n, n);
        assert_int_equal(play_counts(&play).dead, 0);
        assert_int_equal(play_counts(&play).waiting, 0);
        play_teardown(&play);
}

/* ---- absence ---- */

static void test_directory_fails(void **state _unused_) {
        Play play;
        size_t n;

        play_setup(&play, 50,
                   "leave = \"delete\"; leave_grace = \"0s\"; limits = { delete = 1000; percent = 100; };",
                   "");
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        everybody_has_one_account(50);
        n = play_directory.n;
        /* Nobody is found, with success. */
        play_directory.n = 0;
        play_run(play.loop, 2 * USEC_PER_DAY);
        everybody_has_one_account(50);
        /* Half of them, without. */
        play_directory.n = n / 2;
        play_directory.state = READ_INCOMPLETE;
        play_directory.error = "cut";
        play_run(play.loop, 2 * USEC_PER_DAY);
        everybody_has_one_account(50);
        assert_int_equal(n_calls("DELETE", "/users"), 0);
        play_directory.n = n;
        play_directory.state = READ_COMPLETE;
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.created, 50);
        assert_int_equal(play_counts(&play).waiting, 0);
        play_teardown(&play);
}

static void test_nothing_to_do(void **state _unused_) {
        Play play;
        size_t lists;

        play_setup(&play, 10, "", "");
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        play_forget_calls();
        play_run(play.loop, USEC_PER_DAY);
        /* One listing in half an hour, of one page: it holds every linked account. */
        lists = n_calls("GET", "/users");
        assert_in_range(lists, 40, 49);
        assert_int_equal(n_calls("POST", "/users"), 0);
        assert_true(n_calls("POST", "/token") <= 25);
        assert_true(n_calls("GET", "/roles") <= 2);
        assert_true(play_directory.reads >= 12 * 24);
        play_teardown(&play);
}

/* ---- a listing that lacks others each time ---- */

static bool flickers;

static void rotate(void) {
        char email[64];
        uint64_t id = play_umbrella.ids[0];

        memcpy(email, play_umbrella.emails[0], sizeof(email));
        memmove(play_umbrella.emails[0], play_umbrella.emails[1], (play_umbrella.n - 1) * sizeof(email));
        memmove(&play_umbrella.ids[0], &play_umbrella.ids[1], (play_umbrella.n - 1) * sizeof(id));
        memcpy(play_umbrella.emails[play_umbrella.n - 1], email, sizeof(email));
        play_umbrella.ids[play_umbrella.n - 1] = id;
}

static void flickering_api(const char *method, const char *url, const char *body, PlayAnswer *answer,
                           void *userdata) {
        size_t n = play_umbrella.n;
        bool half = flickers && str_eq(method, "GET") && strstr(url, "/users?");

        if (half) {
                rotate();
                play_umbrella.n = n / 2;
        }
        play_umbrella_api(method, url, body, answer, userdata);
        if (half)
                play_umbrella.n = n;
}

/* No two of them agree: it is asked again, but not as fast as the budget allows. */
static void test_flickering_listing(void **state _unused_) {
        Play play;

        play_setup(&play, 20, "", "");
        play_api(flickering_api, NULL);
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        everybody_has_one_account(20);
        flickers = true;
        play_run(play.loop, USEC_PER_HOUR);
        play_forget_calls();
        play_run(play.loop, 6 * USEC_PER_HOUR);
        assert_in_range(n_calls("GET", "/users?"), 6 * 2, 6 * 30);
        assert_int_equal(play_umbrella.created, 20);
        assert_int_equal(play_umbrella.deleted, 0);
        flickers = false;
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(remote_state(engine_find_remote(play.engine, "umbrella")), REMOTE_OK);
        everybody_has_one_account(20);
        play_teardown(&play);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flickering_listing),
                cmocka_unit_test(test_down_connect),
                cmocka_unit_test(test_down_503),
                cmocka_unit_test(test_down_500),
                cmocka_unit_test(test_down_over_restarts),
                cmocka_unit_test(test_bad_action),
                cmocka_unit_test(test_published_limits),
                cmocka_unit_test(test_throttled),
                cmocka_unit_test(test_token_ends_early),
                cmocka_unit_test(test_wall_clock_steps),
                cmocka_unit_test(test_wall_clock_steps_while_parked),
                cmocka_unit_test(test_password_comes_back),
                cmocka_unit_test(test_authorization_comes_back),
                cmocka_unit_test(test_reload_tries_refused_again),
                cmocka_unit_test(test_queue_without_directory),
                cmocka_unit_test(test_removal_without_directory),
                cmocka_unit_test(test_look_during_listing),
                cmocka_unit_test(test_ended_while_it_waits),
                cmocka_unit_test(test_directory_fails),
                cmocka_unit_test(test_nothing_to_do),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
