/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "sync/rules.h"

static void changed(const char *before, const char *now, const char *key) {
        char buf[64];
        const char *found = rules_changed(before, now, buf, sizeof(buf));

        if (!str_eq(found, key))
                fail_msg("\"%s\" -> \"%s\": %s, expected %s", before, now, found ? found : "(none)",
                         key ? key : "(none)");
}

static void test_changed(void **state) {
        char small[4];

        (void) state;
        changed("", "", NULL);
        changed("url \"a\"\n", "url \"a\"\n", NULL);
        changed("url \"a\"\n", "url \"b\"\n", "url");
        changed("url \"a\"\nleave 1\n", "url \"a\"\nleave 2\n", "leave");
        /* The first one is named. */
        changed("url \"a\"\nleave 1\n", "url \"b\"\nleave 2\n", "url");
        /* A list that grew, or shrank. */
        changed("groups \"a\"\nleave 1\n", "groups \"a\"\ngroups \"b\"\nleave 1\n", "groups");
        changed("groups \"a\"\ngroups \"b\"\nleave 1\n", "groups \"a\"\nleave 1\n", "groups");
        changed("", "url \"a\"\n", "url");
        changed("url \"a\"\n", "", "url");
        /* No LF at the end, and a prefix of the other. */
        changed("url \"a\"", "url \"a\"\n", NULL);
        changed("url 1\n", "url 12\n", "url");
        assert_string_equal(rules_changed("directory.uris 1\n", "directory.uris 2\n", small, sizeof(small)),
                            "dir");
}

/* Each of these keys decides who belongs where: design of the breakers. */
static void test_text(void **state) {
        char a[] = "ldaps://a", b[] = "ldaps://b", x[] = "x@example.com", one[] = "cn=a", two[] = "cn=b";
        char *uris[] = { a, b }, *protect[] = { x };
        char *groups[] = { one, two };
        int of_target[] = { 0 };
        RoleRule roles[] = { { .group = 1, .role = (char *) "Full Admin" },
                             { .group = -1, .role = (char *) "Read Only" } };
        TargetConfig target = {
                .name = (char *) "t",
                .url = (char *) "https://api.example.com",
                .groups = of_target,
                .n_groups = 1,
                .roles = roles,
                .n_roles = 2,
                .protect = protect,
                .n_protect = 1,
        };
        Config config = {
                .groups = groups,
                .n_groups = 2,
                .directory = { .uris = uris,
                               .n_uris = 2,
                               .people = { .base = (char *) "ou=people", .filter = (char *) "(a=b)" } },
        };
        _cleanup_(freep) char *before = rules_text(&config, &target);
        struct { const char *key; char *now; } cases[16] = { 0 };
        size_t n = 0;
        char buf[64];

        (void) state;
        assert_non_null(before);
        assert_non_null(strstr(before,
                               "roles \"cn=b\"\nroles \"Full Admin\"\nroles \"*\"\nroles \"Read Only\"\n"));
#define CHANGED(what, change, back) \
        do { change; cases[n].key = what; cases[n++].now = rules_text(&config, &target); back; } while (0)
        CHANGED("directory.uris", config.directory.n_uris = 1, config.directory.n_uris = 2);
        CHANGED("directory.people.base", config.directory.people.base = (char *) "ou=x",
                config.directory.people.base = (char *) "ou=people");
        CHANGED("directory.people.filter", config.directory.people.filter = (char *) "(c=d)",
                config.directory.people.filter = (char *) "(a=b)");
        CHANGED("directory.attributes.email", config.directory.attributes.email = (char *) "m",
                config.directory.attributes.email = NULL);
        CHANGED("directory.disabled.attribute", config.directory.disabled.attribute = (char *) "l",
                config.directory.disabled.attribute = NULL);
        CHANGED("directory.password_reset.when", config.directory.password_reset.when = RESET_CHANGED,
                config.directory.password_reset.when = RESET_TRUE);
        CHANGED("url", target.url = (char *) "https://b", target.url = (char *) "https://api.example.com");
        CHANGED("organization", target.organization = 7, target.organization = 0);
        CHANGED("groups", of_target[0] = 1, of_target[0] = 0);
        CHANGED("roles", roles[0].role = (char *) "Other", roles[0].role = (char *) "Full Admin");
        CHANGED("create", target.create = true, target.create = false);
        CHANGED("adopt", target.adopt = ADOPT_EMAIL, target.adopt = ADOPT_NEVER);
        CHANGED("leave", target.leave = LEAVE_DELETE, target.leave = LEAVE_KEEP);
        CHANGED("protect", target.n_protect = 0, target.n_protect = 1);
        /* What doesn't decide who belongs where holds nothing back. */
        CHANGED(NULL, target.limits.create = 9, target.limits.create = 0);
#undef CHANGED
        for (size_t i = 0; i < n; i++) {
                const char *key = rules_changed(before, cases[i].now, buf, sizeof(buf));

                if (!str_eq(key, cases[i].key))
                        fail_msg("%s, expected %s", key ? key : "(none)",
                                 cases[i].key ? cases[i].key : "(none)");
                free(cases[i].now);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_changed),
                cmocka_unit_test(test_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
