/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/rules.h"

#define RULES_MAX ((size_t) 4 << 20)

static void put(StrBuf *b, const char *key, const char *value) {
        strbuf_printf(b, "%s ", key);
        strbuf_json(b, value ? value : "");
        strbuf_putc(b, '\n');
}

static void put_number(StrBuf *b, const char *key, uint64_t value) {
        strbuf_printf(b, "%s %llu\n", key, (unsigned long long) value);
}

static void put_list(StrBuf *b, const char *key, char *const *items, size_t n) {
        strbuf_puts(b, key);
        for (size_t i = 0; i < n; i++) {
                strbuf_putc(b, ' ');
                strbuf_json(b, items[i]);
        }
        strbuf_putc(b, '\n');
}

/* Groups are indexes into the configuration's list: their names are what counts. */
static const char *group_name(const Config *config, int group) {
        return group < 0 ? "*" : config->groups[group];
}

static void put_mapping(StrBuf *b, const Config *config) {
        const DirectoryConfig *d = &config->directory;

        put(b, "directory.people.base", d->people.base);
        put(b, "directory.people.scope", search_scope_to_string(d->people.scope));
        put(b, "directory.people.filter", d->people.filter);
        put(b, "directory.attributes.id", d->attributes.id);
        put(b, "directory.attributes.login", d->attributes.login);
        put(b, "directory.attributes.email", d->attributes.email);
        put(b, "directory.attributes.first_name", d->attributes.first_name);
        put(b, "directory.attributes.last_name", d->attributes.last_name);
        put(b, "directory.attributes.timezone", d->attributes.timezone);
        put(b, "directory.attributes.employee_number", d->attributes.employee_number);
        put(b, "directory.disabled.attribute", d->disabled.attribute);
        put_number(b, "directory.disabled.when", d->disabled.when);
        put(b, "directory.disabled.value", d->disabled.value);
        put_number(b, "directory.disabled.mask", d->disabled.mask);
        put(b, "directory.password_reset.attribute", d->password_reset.attribute);
        put_number(b, "directory.password_reset.when", d->password_reset.when);
}

static void put_rules(StrBuf *b, const Config *config, const TargetConfig *t) {
        for (size_t i = 0; i < t->n_groups; i++)
                put(b, "groups", group_name(config, t->groups[i]));
        for (size_t i = 0; i < t->n_roles; i++) {
                put(b, "roles", group_name(config, t->roles[i].group));
                put(b, "roles", t->roles[i].role);
        }
        for (size_t i = 0; i < t->n_applications; i++) {
                put(b, "applications", group_name(config, t->applications[i].group));
                put_list(b, "applications", t->applications[i].names, t->applications[i].n_names);
        }
}

char *rules_text(const Config *config, const TargetConfig *t) {
        StrBuf b = STRBUF_INIT(RULES_MAX);

        put_list(&b, "directory.uris", config->directory.uris, config->directory.n_uris);
        put_mapping(&b, config);
        put(&b, "url", t->url);
        put_number(&b, "organization", t->organization);
        put_rules(&b, config, t);
        put_number(&b, "create", t->create);
        put_number(&b, "adopt", t->adopt);
        put_number(&b, "leave", t->leave);
        put_list(&b, "protect", t->protect, t->n_protect);
        return strbuf_take(&b);
}

static size_t line_len(const char *text) {
        return strcspn(text, "\n");
}

const char *rules_changed(const char *before, const char *now, char *buf, size_t size) {
        const char *line;

        while (*before || *now) {
                if (line_len(before) != line_len(now) || memcmp(before, now, line_len(now)) != 0) {
                        /* A list that grew shows the key that follows it in the other text: the longer
                         * text knows better. */
                        line = strlen(before) > strlen(now) ? before : now;
                        snprintf(buf, size, "%.*s", (int) strcspn(line, " \n"), line);
                        return buf;
                }
                before += line_len(before) + (before[line_len(before)] == '\n');
                now += line_len(now) + (now[line_len(now)] == '\n');
        }
        return NULL;
}
