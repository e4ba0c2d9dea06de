/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "play.h"

PlayDirectory play_directory;

struct Source { Loop *loop; };

struct SourceRead {
        LoopTimer *timer;
        SourceHandler handler;
        const Config *config;
};

int source_new(Loop *loop, const char *program _unused_, Source **ret) {
        *ret = calloc(1, sizeof(**ret));
        assert(*ret);
        (*ret)->loop = loop;
        return 0;
}

Source *source_free(Source *source) {
        free(source);
        return NULL;
}

static void read_free(SourceRead *read) {
        loop_timer_free(read->timer);
        free(read);
}

static void deliver(void *userdata) {
        SourceRead *read = userdata;
        GroupResult *groups = calloc(read->config->n_groups + 1, sizeof(*groups));
        ReadResult result = {
                .state = play_directory.state,
                .uri = "ldaps://played",
                .people = play_directory.n,
                .without_id = play_directory.without_id,
                .groups = groups,
        };
        SourceHandler handler = read->handler;

        assert(groups);
        play_directory.reads++;
        snprintf(result.error, sizeof(result.error), "%s", play_directory.error ? play_directory.error : "");
        for (size_t g = 0; g < read->config->n_groups; g++)
                groups[g].found = !play_directory.no_groups;
        for (size_t i = 0; i < play_directory.n; i++) {
                handler.person(&play_directory.people[i], handler.userdata);
                for (size_t g = 0; g < read->config->n_groups; g++)
                        groups[g].members += marks_test(play_directory.people[i].marks, g);
        }
        read_free(read);
        handler.done(&result, handler.userdata);
        free(groups);
}

int source_read_start(Source *source, const Config *config, const Secret *bind_secret _unused_,
                      const SourceHandler *handler, SourceRead **ret) {
        SourceRead *read = calloc(1, sizeof(*read));

        assert(read);
        read->handler = *handler;
        read->config = config;
        assert(loop_timer_new(source->loop, LOOP_IO, "played read", deliver, read, &read->timer) == 0);
        loop_timer_after(read->timer,
                         play_directory.takes > 0 ? play_directory.takes : 10 * USEC_PER_MSEC);
        *ret = read;
        return 0;
}

SourceRead *source_read_cancel(SourceRead *read) {
        if (read)
                read_free(read);
        return NULL;
}
