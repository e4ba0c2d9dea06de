/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/strings.h"
#include "service/notify.h"

void notify_ready(void) {
        (void) sd_notify(0, "READY=1");
}

void notify_reloading(usec_t monotonic) {
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) monotonic);
}

void notify_stopping(void) {
        (void) sd_notify(0, "STOPPING=1");
}

/* Each line of the message would be an assignment of its own, and half a character none. */
static void make_line(char *text) {
        size_t len = strlen(text);

        for (char *p = text; *p; p++)
                if ((unsigned char) *p < ' ')
                        *p = ' ';
        while (len > 0 && !utf8_is_valid(text, len))
                text[--len] = '\0';
}

void notify_status(const char *format, ...) {
        static char last[512];
        char text[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        make_line(text);
        if (strcmp(text, last) == 0)
                return;
        memcpy(last, text, sizeof(last));
        (void) sd_notifyf(0, "STATUS=%s", text);
}
