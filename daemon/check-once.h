/* SPDX-License-Identifier: Apache-2.0 */
/* --check: the configuration, then directory and targets, by reading alone. */
#pragma once

#include "config/config.h"
#include "options.h"
#include "store/store.h"

/* The files alone; what is wrong is printed on standard output as a report, and then it is no use to go on.
 * Loads nothing that stays. */
ExitCode check_once_files(const Options *options);
/* Everything; prints the report. SIGTERM and SIGINT (blocked by the caller) end it early. */
ExitCode check_once_run(const Options *options, Config *config, Store *store);
