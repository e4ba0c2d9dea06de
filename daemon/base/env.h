/* SPDX-License-Identifier: Apache-2.0 */
/* The environment: the one place that reads or changes it. */
#pragma once

/* NULL where it isn't set, or is empty. Borrowed. */
const char *env_get(const char *name);
/* For us, and for all that we start. */
void env_forget(const char *name);
