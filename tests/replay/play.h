/* SPDX-License-Identifier: Apache-2.0 */
/* The three seams played: time that jumps from one event to the next, an API that is a function, people
 * that are an array. Years pass in seconds, and every call is on record. */
#pragma once

#include "base/loop.h"
#include "config/config.h"
#include "directory/source.h"
#include "net/http.h"
#include "store/store.h"
#include "sync/engine.h"

/* ---- time (play-loop.c) ---- */

/* The monotonic clock starts at 1 s, the wall clock at PLAY_EPOCH. */
#define PLAY_EPOCH (1700000000 * USEC_PER_SEC)
/* Runs everything that falls due within `span` from now; a loop that makes more than 100,000 turns in one
 * moment fails the test. */
void play_run(Loop *loop, usec_t span);
/* Steps the wall clock alone. */
void play_step_wall(Loop *loop, int64_t usec);
/* An sd_event loop has turned this often. */
uint64_t play_turns(const Loop *loop);

/* ---- the API (play-http.c) ---- */

typedef struct PlayAnswer {
        HttpFailure failure;
        int status;
        char body[1 << 17];
        usec_t delay;                   /* until the answer */
        usec_t retry_after;             /* with has_retry_after */
        bool has_retry_after;
} PlayAnswer;

/* Called when a request starts: what will come of it. */
typedef void (*play_api_t)(const char *method, const char *url, const char *body, PlayAnswer *answer,
                           void *userdata);
void play_api(play_api_t api, void *userdata);

typedef struct PlayCall { usec_t at; char method[8]; char path[256]; int status; } PlayCall;
/* All calls so far, in order. */
const PlayCall *play_calls(size_t *ret_n);
void play_forget_calls(void);

/* ---- the directory (play-source.c) ---- */

typedef struct PlayDirectory {
        Person *people;
        size_t n;
        ReadState state;                /* how reads end */
        const char *error;
        uint64_t without_id;            /* entries beside the people */
        bool no_groups;                 /* they don't exist */
        unsigned reads;                 /* so far */
        usec_t takes;                   /* 0: 10 ms */
} PlayDirectory;
extern PlayDirectory play_directory;

/* ---- an Umbrella of one organisation (play-umbrella.c) ---- */

typedef struct PlayUmbrella {
        char emails[2048][64];
        uint64_t ids[2048];
        size_t n;
        uint64_t next_id;
        /* answer everything (tokens too) with this status; -1: no connection; 0: work */
        int fail_all;
        int fail_posts;                 /* answer each POST of a user with this status, undone */
        const char *fail_address;       /* … or of this one alone */
        usec_t token_life;              /* 0: an hour; counted and enforced */
        usec_t token_until;
        /* the published limits: 5 a second, 14 a minute, 350 in 30 minutes */
        bool enforce;
        unsigned refused;               /* 429s given */
        unsigned created, deleted;
        Loop *loop;
} PlayUmbrella;
extern PlayUmbrella play_umbrella;
void play_umbrella_api(const char *method, const char *url, const char *body, PlayAnswer *answer,
                       void *userdata);
bool play_umbrella_has(const char *email);

/* ---- the whole (play.c) ---- */

typedef struct Play {
        char *directory;                /* temporary: state, credentials, configuration */
        Loop *loop;
        Store *store;
        Config *config;
        Engine *engine;
        LoopTimer *poll, *retry;
        usec_t every;                   /* from poll to poll: five minutes unless changed before the start */
        unsigned cycles;
} Play;

/* n people p0@example.com …; `target` is added to the target's settings, `top` to the file. Polls run
 * once play_start() was called. Fails the test on any error. */
void play_setup(Play *play, size_t n, const char *target, const char *top);
void play_start(Play *play);
/* As a restart: engine and store are closed and opened anew, time goes on. */
void play_restart(Play *play);
void play_teardown(Play *play);
/* Waiting, uncertain and running together, and dead letters. */
QueueCounts play_counts(Play *play);
