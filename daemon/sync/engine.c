/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/log.h"
#include "config/credential.h"
#include "sync/engine.h"

struct Engine {
        EngineOptions options;
        Config *config;
        Secret *bind_secret;
        Http *http;
        Channels *channels;
        Remote **remotes;
        size_t n_remotes;
        Source *source;
        Reading *reading;
        Cycle *cycle;
};

static void on_cycle_read(Cycle *cycle _unused_, void *userdata) {
        Engine *e = userdata;

        e->options.changed(e->options.userdata);
}

static void on_cycle_done(Cycle *cycle _unused_, void *userdata) {
        Engine *e = userdata;

        e->options.cycle_done(e->options.userdata);
}

static int load_bind_secret(Engine *e, ErrCtx *err) {
        const DirectoryConfig *d = &e->config->directory;

        if (d->bind.method != BIND_SIMPLE || str_empty(d->bind.password_credential))
                return 0;
        return credential_load(e->options.credentials, d->bind.password_credential, &e->bind_secret, err);
}

static void nobody_looks_on(const CallEvent *event _unused_, void *userdata _unused_) {
}

static int make_remote(Engine *e, const TargetConfig *target, ErrCtx *err) {
        _cleanup_(secret_freep) Secret *key = NULL, *secret = NULL;
        Channel *channel;
        RemoteEnv env = {
                        .loop = e->options.loop,
                        .store = e->options.store,
                        .config = e->config,
                        .dry_run = e->options.dry_run,
                        .once = e->options.once,
                        .approvals = e->options.approvals,
                        .n_approvals = e->options.n_approvals,
                        .changed = e->options.changed,
                        .called = e->options.called ? e->options.called : nobody_looks_on,
                        .userdata = e->options.userdata,
        };
        int r;

        r = credential_load(e->options.credentials, target->key_credential, &key, err);
        if (r == 0)
                r = credential_load(e->options.credentials, target->secret_credential, &secret, err);
        if (r != 0)
                return r;
        if (!target_driver(target->type)) {
                (void) err_set(err, 0, 0, "%s: targets of type \"%s\" aren't served by this version",
                               target->name, target_type_to_string(target->type));
                return ENGINE_E_CREDENTIAL;
        }
        r = channel_new(e->channels, target, TAKE(key), TAKE(secret), &channel);
        if (r < 0)
                return r;
        r = remote_new(&env, channel, &e->remotes[e->n_remotes]);
        if (r < 0)
                return r;
        e->n_remotes++;
        return 0;
}

static int make_remotes(Engine *e, ErrCtx *err) {
        int r;

        e->remotes = calloc(e->config->n_targets + 1, sizeof(*e->remotes));
        if (!e->remotes)
                return -ENOMEM;
        for (size_t i = 0; i < e->config->n_targets; i++) {
                r = make_remote(e, &e->config->targets[i], err);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* What some target can't do without: a person who lacks it is blocked there. */
static uint32_t needed_fields(const Config *config) {
        uint32_t needs = 1u << PERSON_EMAIL;

        for (size_t i = 0; i < config->n_targets; i++) {
                const TargetDriver *driver = target_driver(config->targets[i].type);

                if (driver && driver->capabilities.needs_names)
                        needs |= 1u << PERSON_FIRST_NAME | 1u << PERSON_LAST_NAME;
                if (driver && driver->capabilities.needs_login)
                        needs |= 1u << PERSON_LOGIN;
        }
        return needs;
}

static int make_directory(Engine *e) {
        const EngineOptions *o = &e->options;
        int r;

        r = source_new(o->loop, o->reader, &e->source);
        if (r < 0)
                return r;
        r = reading_new(o->loop, o->store, e->config, e->source, e->bind_secret, needed_fields(e->config),
                        &e->reading);
        if (r < 0)
                return r;
        return cycle_new(o->loop, o->store, e->config, e->reading, e->remotes, e->n_remotes,
                         on_cycle_read, on_cycle_done, e, &e->cycle);
}

int engine_new(const EngineOptions *options, Config *config, Engine **ret, ErrCtx *err) {
        _cleanup_(engine_freep) Engine *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        /* What an engine before this one left begun. */
        r = store_queue_recover(options->store, NULL, false);
        if (r < 0)
                return r;
        e->options = *options;
        e->config = config_ref(config);
        r = load_bind_secret(e, err);
        if (r != 0)
                return r;
        r = http_new(options->loop, "idsyncd/" PACKAGE_VERSION, &e->http);
        if (r < 0)
                return r;
        r = channels_new(options->loop, e->http, options->store, &e->channels);
        if (r < 0)
                return r;
        r = make_remotes(e, err);
        if (r != 0)
                return r;
        r = make_directory(e);
        if (r < 0)
                return r;
        *ret = TAKE(e);
        return 0;
}

Engine *engine_free(Engine *e) {
        if (!e)
                return NULL;
        reading_free(e->reading);
        source_free(e->source);
        for (size_t i = 0; i < e->n_remotes; i++)
                remote_free(e->remotes[i]);
        cycle_free(e->cycle);
        free(e->remotes);
        channels_free(e->channels);
        http_free(e->http);
        secret_free(e->bind_secret);
        config_unref(e->config);
        free(e);
        return NULL;
}

ExitCode engine_failed(int r, const Store *store, const ErrCtx *err) {
        if (r == ENGINE_E_CREDENTIAL) {
                log_error("%s", err->text);
                return EXIT_CONFIG;
        }
        log_error("can't run: %s", store_strerror(store, r));
        return r == -EIO || r == -ENOSPC ? EXIT_STATE : EXIT_FAULT;
}

void engine_retry_refused(Engine *e) {
        for (size_t i = 0; i < e->n_remotes; i++)
                remote_retry_refused(e->remotes[i]);
}

void engine_start(Engine *e) {
        if (e->options.dry_run)
                return;
        for (size_t i = 0; i < e->n_remotes; i++)
                remote_start(e->remotes[i]);
}

void engine_drain(Engine *e) {
        cycle_cancel(e->cycle);
        for (size_t i = 0; i < e->n_remotes; i++)
                remote_drain(e->remotes[i]);
}

bool engine_is_idle(const Engine *e) {
        for (size_t i = 0; i < e->n_remotes; i++)
                if (!remote_is_idle(e->remotes[i]))
                        return false;
        return true;
}

EngineParts engine_parts(const Engine *e) {
        return (EngineParts){
                .loop = e->options.loop,
                .config = e->config,
                .credentials = e->options.credentials,
                .reader = e->options.reader,
                .bind_secret = e->bind_secret,
                .needs = needed_fields(e->config),
                .remotes = e->remotes,
                .n_remotes = e->n_remotes,
        };
}

Store *engine_store(const Engine *e) {
        return e->options.store;
}

const Config *engine_config(const Engine *e) {
        return e->config;
}

Cycle *engine_cycle(Engine *e) {
        return e->cycle;
}

size_t engine_n_remotes(const Engine *e) {
        return e->n_remotes;
}

const Remote *engine_remote(const Engine *e, size_t i) {
        return e->remotes[i];
}

Remote *engine_find_remote(Engine *e, const char *target) {
        for (size_t i = 0; i < e->n_remotes; i++)
                if (str_eq(remote_config(e->remotes[i])->name, target))
                        return e->remotes[i];
        return NULL;
}

int engine_queue_counts(const Engine *e, QueueCounts *ret) {
        int r = 0;

        *ret = (QueueCounts){ 0 };
        for (size_t i = 0; i < e->n_remotes && r >= 0; i++) {
                QueueCounts one = { 0 };

                r = store_queue_counts(e->options.store, remote_config(e->remotes[i])->name, &one);
                ret->waiting += one.waiting;
                ret->running += one.running;
                ret->uncertain += one.uncertain;
                ret->dead += one.dead;
        }
        return r;
}

usec_t engine_next_due(const Engine *e) {
        usec_t earliest = USEC_INFINITY, due;

        for (size_t i = 0; i < e->n_remotes; i++) {
                due = remote_next_due(e->remotes[i]);
                if (due < earliest)
                        earliest = due;
        }
        return earliest;
}
