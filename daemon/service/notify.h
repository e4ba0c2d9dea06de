/* SPDX-License-Identifier: Apache-2.0 */
/* What the service manager is told (sd_notify(3)). Without one all of this does nothing. */
#pragma once

#include "base/cleanup.h"
#include "base/time.h"

void notify_ready(void);
/* monotonic: of now; the service manager pairs it with the READY=1 that follows. */
void notify_reloading(usec_t monotonic);
void notify_stopping(void);
/* One line for people; the same line isn't sent twice. */
void notify_status(const char *format, ...) _printf_(1, 2);
