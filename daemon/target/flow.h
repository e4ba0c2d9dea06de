/* SPDX-License-Identifier: Apache-2.0 */
/* The words that flows are written in; each keeps the action's step unless it names another. */
#pragma once

#include "target/target.h"

void flow_next(const FlowInput *in, FlowVerb verb, FlowNext *ret);
void flow_call(const FlowInput *in, Step step, Call call, FlowNext *ret);
/* FLOW_WAIT: the call comes after `delay`. */
void flow_wait(const FlowInput *in, Step step, Call call, usec_t delay, FlowNext *ret);
void flow_done(const FlowInput *in, LinkEffect link, FlowNext *ret);
void flow_done_put(const FlowInput *in, LinkOrigin origin, FlowNext *ret);
void flow_dead(const FlowInput *in, FlowNext *ret, const char *format, ...) _printf_(3, 4);
/* A remark that goes with what was done: FLOW_DONE alone. */
void flow_remark(FlowNext *ret, const char *format, ...) _printf_(2, 3);
/* The read of one account, or job, ended with "there is none". */
bool flow_not_found(const FlowInput *in);
/* For an answer that leaves nothing but its class's rule: later, or a dead letter with the API's words. */
void flow_by_class(const FlowInput *in, FlowNext *ret);
