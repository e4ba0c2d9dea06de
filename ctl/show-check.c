/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "check/check-lines.h"
#include "show.h"
#include "table.h"

#define TEXT_MAX ((size_t) 64 << 20)

static const char *text_of(struct json_object *object, const char *key) {
        const char *text = json_text(object, key);

        return text ? text : "";
}

static void add_line(CheckLines *lines, struct json_object *check) {
        int verdict = check_verdict_from_string(json_text(check, "result"));
        struct json_object *more = NULL;
        size_t n = json_list(check, "more", &more);

        check_line(lines, verdict < 0 ? CHECK_FAIL : (CheckVerdict) verdict, EXIT_IN_STEP,
                   text_of(check, "part"), json_text(check, "target"), text_of(check, "what"), "%s",
                   text_of(check, "detail"));
        for (size_t i = 0; i < n; i++)
                check_more(lines, json_object_get_string(json_object_array_get_idx(more, i)));
}

void show_check(struct json_object *doc) {
        _cleanup_(check_lines_deinit) CheckLines lines = { 0 };
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(TEXT_MAX);
        struct json_object *list = NULL;
        size_t n = json_list(doc, "checks", &list);

        for (size_t i = 0; i < n; i++)
                add_line(&lines, json_object_array_get_idx(list, i));
        if (check_lines_text(&lines, &out) < 0 || out.error < 0)
                fputs("out of memory\n", stderr);
        else
                fputs(out.data, stdout);
}
