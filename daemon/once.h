/* SPDX-License-Identifier: Apache-2.0 */
/* --once: one cycle for all targets, then the queue. */
#pragma once

#include "config/config.h"
#include "options.h"
#include "store/store.h"

/* Runs it and prints the report on standard output. SIGTERM and SIGINT (blocked by the caller) end it
 * early and cleanly. */
ExitCode once_run(const Options *options, Config *config, Store *store);
