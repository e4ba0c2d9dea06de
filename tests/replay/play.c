/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "play.h"

#define POLL (5 * USEC_PER_MINUTE)

static uint64_t everybody = ~UINT64_C(0);

static void write_file(const char *directory, const char *name, const char *text) {
        char path[512];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        f = fopen(path, "w");
        assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
        assert(chmod(path, 0600) == 0);
}

static void make_people(size_t n) {
        char text[64];

        play_directory = (PlayDirectory){ .people = calloc(n + 1, sizeof(Person)),
                                          .n = n,
                                          .state = READ_COMPLETE };
        assert(play_directory.people);
        for (size_t i = 0; i < n; i++) {
                Person *p = &play_directory.people[i];

                snprintf(text, sizeof(text), "id-%04zu", i);
                p->id = strdup(text);
                snprintf(text, sizeof(text), "uid=p%zu,dc=example", i);
                p->dn = strdup(text);
                snprintf(text, sizeof(text), "p%zu", i);
                p->field[PERSON_LOGIN] = strdup(text);
                snprintf(text, sizeof(text), "p%zu@example.com", i);
                p->field[PERSON_EMAIL] = strdup(text);
                p->field[PERSON_FIRST_NAME] = strdup("F");
                p->field[PERSON_LAST_NAME] = strdup("L");
                p->marks = &everybody;
        }
}

static void load_config(Play *play, const char *target, const char *top) {
        ConfigProblems problems = { 0 };
        char *text, path[512];

        assert(asprintf(&text,
                        "directory = { uris = [ \"ldaps://played\" ]; bind = { method = \"simple\"; dn = "
                        "\"cn=x\"; "
                        "password_credential = \"p\"; }; people = { base = \"dc=example\"; filter = "
                        "\"(uid=*)\"; }; "
                        "poll_interval = \"5min\"; };\n"
                        "targets = ( { name = \"umbrella\"; type = \"umbrella\"; url = \"https://played\"; "
                        "key_credential = \"k\"; "
                        "secret_credential = \"s\"; groups = [ \"cn=g,dc=example\" ]; roles = ( { role = "
                        "\"Read Only\"; } );\n %s } );\n"
                        "first_plan = \"apply\";\n%s",
                        target, top) > 0);
        write_file(play->directory, "idsyncd.conf", text);
        free(text);
        write_file(play->directory, "p", "secret");
        write_file(play->directory, "k", "key");
        write_file(play->directory, "s", "secret");
        snprintf(path, sizeof(path), "%s/idsyncd.conf", play->directory);
        if (config_load(path, play->directory, &problems, &play->config) != 0) {
                for (size_t i = 0; i < problems.n_lines; i++)
                        fprintf(stderr, "# %s\n", problems.lines[i]);
                abort();
        }
        config_problems_deinit(&problems);
}

static void arm_retry(Play *play) {
        usec_t at = cycle_retry_at(engine_cycle(play->engine));

        if (at == USEC_INFINITY)
                loop_timer_stop(play->retry);
        else
                loop_timer_after(play->retry, usec_sub(at, loop_wall(play->loop)));
}

static void on_cycle_done(void *userdata) {
        Play *play = userdata;

        play->cycles++;
        arm_retry(play);
}

static void on_changed(void *userdata _unused_) {
}

static void on_retry(void *userdata) {
        Play *play = userdata;

        assert(cycle_retry(engine_cycle(play->engine)) >= 0);
}

static void on_poll(void *userdata) {
        Play *play = userdata;
        int r;

        loop_timer_after(play->poll, play->every);
        r = cycle_start(engine_cycle(play->engine));
        if (r < 0)
                cycle_not_started(engine_cycle(play->engine), r);
}

static void open_all(Play *play) {
        ErrCtx err = { 0 };
        char state[512];
        const EngineOptions options = {
                .loop = play->loop,
                .store = NULL,
                .credentials = play->directory,
                .reader = "/nonexistent",
                .cycle_done = on_cycle_done,
                .changed = on_changed,
                .userdata = play,
        };
        EngineOptions o = options;

        snprintf(state, sizeof(state), "%s/state", play->directory);
        assert(store_open(state, &play->store, NULL, &err) == 0);
        o.store = play->store;
        assert(engine_new(&o, play->config, &play->engine, &err) == 0);
}

void play_setup(Play *play, size_t n, const char *target, const char *top) {
        *play = (Play){ .every = POLL };
        /* The clock jumps by years: what is logged is for the one who looks for a bug. */
        log_setup(LOG_TARGET_CONSOLE, getenv("PLAY_LOG") ? LOG_DEBUG : LOG_CRIT);
        assert(asprintf(&play->directory, "%s/idsyncd-replay-XXXXXX", getenv("TMPDIR") ?: "/tmp") > 0);
        assert(mkdtemp(play->directory));
        play_umbrella = (PlayUmbrella){ .next_id = 1000 };
        play_forget_calls();
        make_people(n);
        load_config(play, target, top);
        assert(loop_new(&play->loop) == 0);
        play_umbrella.loop = play->loop;
        play_api(play_umbrella_api, NULL);
        assert(loop_timer_new(play->loop, LOOP_TIMER, "poll", on_poll, play, &play->poll) == 0);
        assert(loop_timer_new(play->loop, LOOP_TIMER, "retry", on_retry, play, &play->retry) == 0);
        open_all(play);
}

void play_start(Play *play) {
        engine_start(play->engine);
        loop_timer_after(play->poll, 0);
}

static void close_all(Play *play) {
        loop_timer_stop(play->poll);
        loop_timer_stop(play->retry);
        engine_drain(play->engine);
        play->engine = engine_free(play->engine);
        play->store = store_free(play->store);
}

void play_restart(Play *play) {
        close_all(play);
        open_all(play);
        play_start(play);
}

void play_teardown(Play *play) {
        char command[600];

        close_all(play);
        play->poll = loop_timer_free(play->poll);
        play->retry = loop_timer_free(play->retry);
        play->loop = loop_free(play->loop);
        play->config = config_unref(play->config);
        /* Also those who have left: a row without an id ends it. */
        for (Person *p = play_directory.people; p->id; p++) {
                free((char *) p->id);
                free((char *) p->dn);
                for (unsigned f = 0; f < _PERSON_FIELD_MAX; f++)
                        free((char *) p->field[f]);
        }
        free(play_directory.people);
        play_directory = (PlayDirectory){ 0 };
        play_forget_calls();
        snprintf(command, sizeof(command), "rm -rf '%s'", play->directory);
        assert(system(command) == 0);
        free(play->directory);
}

QueueCounts play_counts(Play *play) {
        QueueCounts counts = { 0 };

        assert(store_queue_counts(play->store, NULL, &counts) == 0);
        return counts;
}
