/* SPDX-License-Identifier: Apache-2.0 */
/* The service: polls, reloads, stops, and tells the service manager how it goes. */
#pragma once

#include "config/config.h"
#include "options.h"
#include "store/store.h"

/* Runs until SIGTERM or SIGINT (blocked by the caller, as SIGHUP). */
ExitCode manager_run(const Options *options, Config *config, Store *store);
