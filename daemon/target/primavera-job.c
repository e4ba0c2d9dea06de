/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: which one an action waits for stands in its memo, durable before the first question about it:
 * "ID SINCE LOSSES". */
#include <stdio.h>

#include "base/strings.h"
#include "target/flow.h"
#include "target/primavera.h"

#define DELAY_FIRST USEC_PER_SEC
#define DELAY_MAX (30 * USEC_PER_SEC)
#define BUSY_DELAY USEC_PER_MINUTE
#define BUSY_DELAY_MAX USEC_PER_HOUR
#define PATIENCE (6 * USEC_PER_HOUR)
/* Where it is only a guess that a job runs. */
#define MAYBE_PATIENCE (3 * USEC_PER_MINUTE)
#define SOMEBODY_ELSES "-"
#define LOSSES_MAX 2

/* The id comes from a URL, and goes into one. */
bool primavera_job_id_is_valid(const char *id, size_t len) {
        if (len == 0 || len > PRIMAVERA_JOB_ID_MAX)
                return false;
        for (size_t i = 0; i < len; i++)
                if (!((id[i] >= 'a' && id[i] <= 'z') || (id[i] >= 'A' && id[i] <= 'Z') ||
                      (id[i] >= '0' && id[i] <= '9') ||
                      id[i] == '_' || (id[i] == '-' && i > 0)))
                        return false;
        return true;
}

bool primavera_job_read(const char *memo, PrimaveraJob *ret) {
        char since[24], losses[8];
        size_t id = memo ? strcspn(memo, " ") : 0, second, third;
        PrimaveraJob job = { 0 };
        uint64_t n;

        if (id == 0 || id >= sizeof(job.id) || memo[id] != ' ')
                return false;
        second = strcspn(memo + id + 1, " ");
        third = strlen(memo + id + 1 + second);
        if (second >= sizeof(since) || third < 2 || third > sizeof(losses))
                return false;
        snprintf(job.id, sizeof(job.id), "%.*s", (int) id, memo);
        snprintf(since, sizeof(since), "%.*s", (int) second, memo + id + 1);
        snprintf(losses, sizeof(losses), "%s", memo + id + 1 + second + 1);
        if (parse_u64(since, &job.since) < 0 || parse_u64(losses, &n) < 0 || n > UINT32_MAX)
                return false;
        job.losses = (unsigned) n;
        *ret = job;
        return true;
}

static void write_job(const PrimaveraJob *job, FlowNext *next) {
        snprintf(next->memo, sizeof(next->memo), "%s %llu %u", job->id, (unsigned long long) job->since,
                 job->losses);
}

/* A third of the time that it has run already: 1 s, growing to 30 s. */
static usec_t next_delay(usec_t wall, usec_t since) {
        usec_t delay = usec_sub(wall, since) / 3;

        return delay < DELAY_FIRST ? DELAY_FIRST : delay > DELAY_MAX ? DELAY_MAX : delay;
}

void primavera_job_wait(const FlowInput *in, FlowNext *ret) {
        PrimaveraJob job = { .since = in->wall }, before;
        const char *id = in->answer ? in->answer->memo : NULL;
        bool known = primavera_job_read(in->memo, &before);

        if (id && (!known || !str_eq(id, before.id))) {
                snprintf(job.id, sizeof(job.id), "%s", id);
                job.losses = known ? before.losses : 0;
                flow_wait(in, STEP_JOB, CALL_JOB, DELAY_FIRST, ret);
                write_job(&job, ret);
        } else
                flow_wait(in, STEP_JOB, CALL_JOB, known ? next_delay(in->wall, before.since) : DELAY_MAX,
                          ret);
}

void primavera_job_failed(const FlowInput *in, const char *words, FlowNext *ret) {
        char asked[256];

        flow_dead(in, ret, "%.200s%s",
                  str_empty(words) ? "Primavera says that it failed, and not why" : words,
                  primavera_applications(in->target, in->action, asked, sizeof(asked)));
        /* A retry asks anew: the old job would say the same for ever. */
        ret->step = STEP_START;
}

void primavera_job_lost(const FlowInput *in, PrimaveraJob *job, Step step, Call call, FlowNext *ret) {
        if (++job->losses > LOSSES_MAX) {
                flow_dead(in, ret,
                          "job %s ended without a word about the account, as %u before it did; retry",
                          job->id, job->losses - 1);
                ret->step = STEP_START;
                return;
        }
        flow_call(in, step, call, ret);
        write_job(job, ret);
}

bool primavera_job_is_overdue(const FlowInput *in) {
        PrimaveraJob job;

        return primavera_job_read(in->memo, &job) && usec_sub(in->wall, job.since) >= PATIENCE;
}

bool primavera_job_is_lost_sight_of(const FlowInput *in) {
        const Outcome *o = in->outcome;

        return o->class == OUTCOME_TRANSIENT && o->http_status > 0 && o->http_status != 503 &&
               primavera_job_is_overdue(in);
}

/* The wait of a retry begins anew. */
static void tired(PrimaveraJob *job, FlowNext *ret) {
        job->since = 0;
        write_job(job, ret);
}

void primavera_job_busy(const FlowInput *in, Step step, FlowNext *ret) {
        PrimaveraJob job = { .id = SOMEBODY_ELSES, .since = in->wall }, before;
        usec_t delay = BUSY_DELAY;

        if (primavera_job_read(in->memo, &before)) {
                job.losses = before.losses;
                if (str_eq(before.id, SOMEBODY_ELSES) && before.since > 0)
                        job.since = before.since;
        }
        if (in->outcome->class == OUTCOME_REJECTED && usec_sub(in->wall, job.since) >= MAYBE_PATIENCE) {
                flow_dead(in, ret, "%.400s", in->outcome->detail);
                tired(&job, ret);
                return;
        }
        if (usec_sub(in->wall, job.since) >= PATIENCE) {
                flow_dead(in, ret,
                          "another job has been running at Primavera for hours: %.300s; see to it there, "
                          "then retry", in->outcome->detail);
                tired(&job, ret);
                return;
        }
        if (in->outcome->has_retry_after)
                delay = in->outcome->retry_after < USEC_PER_SEC ? USEC_PER_SEC : in->outcome->retry_after;
        flow_wait(in, step, CALL_GET, delay > BUSY_DELAY_MAX ? BUSY_DELAY_MAX : delay, ret);
        write_job(&job, ret);
}
