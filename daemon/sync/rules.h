/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that decides who belongs where: when it changes, the next plan waits for a person. */
#pragma once

#include "config/config.h"

/* Those keys of directory and target as text, a line each: "KEY VALUE". No secrets. NULL when out of
 * memory. */
char *rules_text(const Config *config, const TargetConfig *target);
/* The key of the first line that differs between two such texts into buf; NULL if none does. */
const char *rules_changed(const char *before, const char *now, char *buf, size_t size);
