/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "target/flow.h"

void flow_next(const FlowInput *in, FlowVerb verb, FlowNext *ret) {
        *ret = (FlowNext){ .verb = verb, .step = in->step };
}

void flow_call(const FlowInput *in, Step step, Call call, FlowNext *ret) {
        flow_next(in, FLOW_CALL, ret);
        ret->step = step;
        ret->call = call;
}

void flow_wait(const FlowInput *in, Step step, Call call, usec_t delay, FlowNext *ret) {
        flow_call(in, step, call, ret);
        ret->verb = FLOW_WAIT;
        ret->delay = delay;
}

void flow_done(const FlowInput *in, LinkEffect link, FlowNext *ret) {
        flow_next(in, FLOW_DONE, ret);
        ret->link = link;
}

void flow_done_put(const FlowInput *in, LinkOrigin origin, FlowNext *ret) {
        flow_done(in, LINK_PUT, ret);
        ret->origin = origin;
}

void flow_dead(const FlowInput *in, FlowNext *ret, const char *format, ...) {
        va_list ap;

        flow_next(in, FLOW_DEAD, ret);
        va_start(ap, format);
        vsnprintf(ret->detail, sizeof(ret->detail), format, ap);
        va_end(ap);
}

void flow_remark(FlowNext *ret, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vsnprintf(ret->detail, sizeof(ret->detail), format, ap);
        va_end(ap);
}

bool flow_not_found(const FlowInput *in) {
        return in->outcome->class == OUTCOME_OK && in->outcome->hint == HINT_NOT_FOUND;
}

void flow_by_class(const FlowInput *in, FlowNext *ret) {
        if (in->outcome->class == OUTCOME_REJECTED)
                flow_dead(in, ret, "%.400s", in->outcome->detail);
        else
                flow_next(in, FLOW_LATER, ret);
}
