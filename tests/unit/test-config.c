/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <cmocka.h>

#include "base/strings.h"
#include "config/config.h"
#include "config/keys.h"

/* ---- A directory with configurations in it */

typedef struct Fixture {
        char dir[64];
        char path[96];
        ConfigProblems problems;
        Config *config;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        (void) snprintf(f->dir, sizeof(f->dir), "/tmp/idsyncd-config-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        (void) snprintf(f->path, sizeof(f->path), "%s/c.conf", f->dir);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        static const char *const names[] = {"c.conf", "more.conf", "again.conf", "key",
                                            "secret", "ldap",      "fifo"};
        Fixture *f = *state;
        char path[128];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
                (void) unlink(path);
        }
        (void) snprintf(path, sizeof(path), "%s/sub", f->dir);
        (void) rmdir(path);
        assert_int_equal(rmdir(f->dir), 0);
        config_problems_deinit(&f->problems);
        (void) config_unref(f->config);
        free(f);
        return 0;
}

static void write_file(const Fixture *f, const char *name, const char *text) {
        char path[128];
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/%s", f->dir, name);
        file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, 0600), 0);
}

static int load_with(Fixture *f, const char *text, const char *credentials) {
        config_problems_deinit(&f->problems);
        f->config = config_unref(f->config);
        if (text)
                write_file(f, "c.conf", text);
        return config_load(f->path, credentials, &f->problems, &f->config);
}

static int load(Fixture *f, const char *text) {
        return load_with(f, text, NULL);
}

#define DIRECTORY_WITH(more)                                                                    \
        "directory = { uris = [ \"ldaps://ldap.example.com\" ];\n"                              \
        "  bind = { dn = \"cn=reader,dc=example,dc=com\"; password_credential = \"ldap\"; };\n" \
        "  people = { base = \"ou=people,dc=example,dc=com\"; filter = \"(mail=*)\"; }; " more "};\n"
#define DIRECTORY DIRECTORY_WITH("")
#define SIGNALLED DIRECTORY_WITH("password_reset = { attribute = \"pwdReset\"; };")
#define KEYS "key_credential = \"key\"; secret_credential = \"secret\";"
#define BASICS "name = \"umbrella\"; type = \"umbrella\"; " KEYS
#define ROLES "roles = ( { role = \"Read Only\"; } );"
#define TARGET(more) "targets = ( { " BASICS " groups = []; " ROLES " " more " } );\n"

static void load_good(Fixture *f, const char *text) {
        int r = load(f, text);

        for (size_t i = 0; i < f->problems.n_lines; i++)
                print_error("%s\n", f->problems.lines[i]);
        assert_int_equal(r, 0);
        assert_int_equal(f->problems.n_lines, 0);
}

/* Exactly these problems, each by the part behind the file's name. */
static void load_bad(Fixture *f, const char *text, const char *const *expected, size_t n) {
        int r = load(f, text);
        bool same = f->problems.n_lines == n;

        assert_int_equal(r, CONFIG_E_INVALID);
        assert_null(f->config);
        for (size_t i = 0; i < n && same; i++)
                same = str_starts_with(f->problems.lines[i], f->path) &&
                       str_starts_with(f->problems.lines[i] + strlen(f->path), expected[i]);
        if (same)
                return;
        for (size_t i = 0; i < f->problems.n_lines; i++)
                print_error("was:  %s\n", f->problems.lines[i] + strlen(f->path));
        for (size_t i = 0; i < n; i++)
                print_error("want: %s\n", expected[i]);
        fail();
}

#define load_bad(f, text, ...)                                \
        load_bad(f, text, (const char *const[]){__VA_ARGS__}, \
                 ELEMENTSOF(((const char *const[]){__VA_ARGS__})))

/* ---- Values */

static void test_defaults(void **state) {
        Fixture *f = *state;
        const Config *c;
        const TargetConfig *t;

        load_good(f, DIRECTORY TARGET(""));
        assert_int_equal(f->problems.n_notices, 0);
        c = f->config;
        assert_string_equal(c->file, f->path);
        assert_int_equal(c->directory.n_uris, 1);
        assert_string_equal(c->directory.ca_file, "/etc/ssl/certs/ca-certificates.crt");
        assert_int_equal(c->directory.bind.method, BIND_SIMPLE);
        assert_string_equal(c->directory.bind.password_credential, "ldap");
        assert_null(c->directory.bind.keytab_credential);
        assert_int_equal(c->directory.people.scope, SCOPE_SUB);
        assert_string_equal(c->directory.attributes.id, "entryUUID");
        assert_string_equal(c->directory.attributes.timezone, "");
        assert_int_equal(c->directory.disabled.when, DISABLED_PRESENT);
        assert_int_equal(c->directory.page_size, 1000);
        assert_true(c->directory.timeout == 30 * USEC_PER_SEC);
        assert_true(c->directory.poll_timeout == 10 * USEC_PER_MINUTE);
        assert_true(c->directory.poll_interval == 5 * USEC_PER_MINUTE);
        assert_true(c->directory.full_interval == USEC_PER_DAY);
        assert_int_equal(c->directory.incremental, INCREMENTAL_AUTO);
        assert_false(c->first_plan_apply);
        assert_int_equal(c->password.length, 24);
        assert_int_equal(c->password.classes, 4);
        assert_true(c->history == 400 * USEC_PER_DAY);
        assert_string_equal(c->metrics_listen, "");
        assert_int_equal(c->n_groups, 0);
        assert_int_equal(c->n_targets, 1);
        t = &c->targets[0];
        assert_string_equal(t->url, "https://api.umbrella.com");
        assert_int_equal(t->line, 4);
        assert_true(t->create);
        assert_int_equal(t->adopt, ADOPT_EMAIL);
        assert_int_equal(t->leave, LEAVE_KEEP);
        assert_int_equal(t->gone, GONE_HOLD);
        assert_true(t->leave_grace == 7 * USEC_PER_DAY);
        assert_int_equal(t->limits.create, 50);
        assert_int_equal(t->limits.percent, 10);
        assert_int_equal(t->rate.second, 5);
        assert_int_equal(t->rate.minute, 14);
        assert_int_equal(t->rate.half_hour, 350);
        assert_true(t->max_listing == UINT64_C(64) << 20);
        assert_int_equal(t->n_last_of, 1);
        assert_string_equal(t->last_of[0], "Full Admin");
        assert_string_equal(t->ca_file, "/etc/ssl/certs/ca-certificates.crt");
        assert_int_equal(t->n_roles, 1);
        assert_int_equal(t->roles[0].group, -1);
        assert_int_equal(t->n_groups, 0);
}

/* Every default of the table is one that its own row would accept. */
static void test_defaults_are_allowed(void **state) {
        ConfigKey key;
        size_t n = 0;

        (void) state;
        for (; config_key_describe(n, &key); n++) {
                usec_t usec;
                uint64_t size;

                assert_true(strlen(key.name) > 0 && strlen(key.doc) > 0 && strlen(key.range) > 0);
                if (str_eq(key.type, "duration"))
                        assert_int_equal(usec_parse(key.def, &usec), 0);
                if (str_eq(key.type, "size"))
                        assert_int_equal(size_parse(key.def, &size), 0);
                if (str_eq(key.type, "int") && !str_eq(key.def, "by type"))
                        assert_int_equal(parse_u64(key.def, &size), 0);
                if (str_eq(key.type, "choice") && !str_eq(key.def, "required"))
                        assert_non_null(strstr(key.range, key.def));
        }
        assert_true(n > 90);
        assert_false(config_key_describe(n, &key));
        assert_false(config_key_describe(SIZE_MAX, &key));
}

static void test_values(void **state) {
        Fixture *f = *state;
        const Config *c;

        load_good(f,
                  "directory = { uris = ( \"ldap://a:3389\", \"ldapi://%2Frun%2Fx\" ); starttls = true;\n"
                  "  ca_file = \"/ca.pem\"; bind = { method = \"anonymous\"; };\n"
                  "  people = { base = \"dc=x\"; scope = \"one\"; filter = \"(&(a=b)(!(c=\\\\28)))\"; };\n"
                  "  disabled = { attribute = \"uac\"; when = \"mask:0x2\"; };\n"
                  "  page_size = 500L; poll_interval = \"1min 30s\"; canaries = [ \"uid=a,dc=x\" ]; };\n"
                  "first_plan = \"apply\";\n" TARGET(
                                  "url = \"https://localhost:8443/x//\"; leave_grace = \"0s\"; limits = { "
                                  "create = 0; };"
                                  "max_listing = \"4KiB\"; last_of = []; protect = [ \"*@v.example\", "
                                  "\"a@b.example\" ];"
                                  "rate = { second = 1000; minute = 60000; half_hour = 1800000; }; gone = "
                                  "\"report\";"
                                  "adopt = \"never\"; proxy = \"http://proxy:3128\"; ca_file = "
                                  "\"/api.pem\"; paused = true;"));
        c = f->config;
        assert_int_equal(c->directory.n_uris, 2);
        assert_true(c->directory.starttls);
        assert_int_equal(c->directory.bind.method, BIND_ANONYMOUS);
        assert_int_equal(c->directory.people.scope, SCOPE_ONE);
        assert_string_equal(c->directory.people.filter, "(&(a=b)(!(c=\\28)))");
        assert_int_equal(c->directory.disabled.when, DISABLED_MASK);
        assert_int_equal(c->directory.disabled.mask, 2);
        assert_int_equal(c->directory.page_size, 500);
        assert_true(c->directory.poll_interval == 90 * USEC_PER_SEC);
        assert_string_equal(c->directory.canaries[0], "uid=a,dc=x");
        assert_true(c->first_plan_apply);
        assert_string_equal(c->targets[0].url, "https://localhost:8443/x");
        assert_true(c->targets[0].leave_grace == 0);
        assert_int_equal(c->targets[0].limits.create, 0);
        assert_int_equal(c->targets[0].limits.update, 50);
        assert_true(c->targets[0].max_listing == 4096);
        assert_int_equal(c->targets[0].n_last_of, 0);
        assert_int_equal(c->targets[0].n_protect, 2);
        assert_int_equal(c->targets[0].rate.half_hour, 1800000);
        assert_int_equal(c->targets[0].gone, GONE_REPORT);
        assert_int_equal(c->targets[0].adopt, ADOPT_NEVER);
        assert_string_equal(c->targets[0].ca_file, "/api.pem");
        assert_true(c->targets[0].paused);
}

static void test_disabled_when(void **state) {
        Fixture *f = *state;

#define WHEN(attribute, when)                                                             \
        "directory = { uris = [ \"ldapi://%2Fx\" ]; bind = { method = \"external\"; };\n" \
        "  people = { base = \"dc=x\"; filter = \"(a=b)\"; };\n"                          \
        "  disabled = { attribute = \"" attribute "\"; when = \"" when "\"; }; };\n" TARGET("")
        load_good(f, WHEN("x", "true"));
        assert_int_equal(f->config->directory.disabled.when, DISABLED_TRUE);
        load_good(f, WHEN("x", "value:000001010000Z"));
        assert_int_equal(f->config->directory.disabled.when, DISABLED_VALUE);
        assert_string_equal(f->config->directory.disabled.value, "000001010000Z");
        load_good(f, WHEN("x", "mask:18"));
        assert_int_equal(f->config->directory.disabled.mask, 18);
        load_good(f, WHEN("x", "mask:0xfF"));
        assert_int_equal(f->config->directory.disabled.mask, 255);
        load_bad(f, WHEN("x", "mask:"),
                 ":3: directory.disabled.when: \"mask:\" is not allowed, must be \"present\"");
        load_bad(f, WHEN("x", "mask:0x"), ":3: directory.disabled.when: ");
        load_bad(f, WHEN("x", "mask:0"), ":3: directory.disabled.when: ");
        load_bad(f, WHEN("x", "mask:0xg"), ":3: directory.disabled.when: ");
        load_bad(f, WHEN("x", "mask:18446744073709551616"), ":3: directory.disabled.when: ");
        load_bad(f, WHEN("x", "value:"), ":3: directory.disabled.when: ");
        load_bad(f, WHEN("x", "False"), ":3: directory.disabled.when: ");
        load_bad(f, WHEN("", "true"),
                 ":3: directory.disabled.when: has no effect: directory.disabled.attribute names no");
}

/* ---- Mistakes */

static void test_ten_mistakes(void **state) {
        Fixture *f = *state;

        load_bad(f,
                 "directory = {\n"
                 "  uris = [ \"ldaps://ldap.example.com\" ];\n"
                 "  starttls = \"false\";\n" /* 1 type */
                 "  bind = { dn = \"cn=reader,dc=example\"; password_credential = \"ldap\"; };\n"
                 "  people = { base = \"ou=people,dc=example\"; filtre = \"(mail=*)\"; };\n" /* 2 key */
                 "  page_size = 0;\n" /* 3 value */
                 "  pollinterval = \"5min\";\n" /* 4 key */
                 "  timeout = 30;\n" /* 5 type */
                 "};\n"
                 "targets = ( {\n"
                 "  name = \"umbrella\"; type = \"umbrella\"; " KEYS "\n"
                 "  leave = \"disable\";\n" /* 6 value */
                 "  groups = \"cn=umbrella,dc=example\";\n" /* 7 type */
                 "  rolls = ( { role = \"Read Only\"; } );\n" /* 8 key */
                 "  limits = { create = 5000000000; };\n" /* 9 value */
                 "} );\n"
                 "first_plan = \"aply\";\n", /* 10 value */
                 ":3: directory.starttls: is a text, must be true or false, without quotes",
                 ":5: directory.people.filtre: is not a key here; did you mean \"filter\"?",
                 ":6: directory.page_size: 0 is out of range, must be a whole number from 1 to 100000",
                 ":7: directory.pollinterval: is not a key here; did you mean \"poll_interval\"?",
                 ":8: directory.timeout: is a whole number, must be a duration from \"1s\" to \"1h\", "
                 "like \"30s\"",
                 ":12: targets[0].leave: \"disable\" is not possible at Umbrella; use \"keep\" or "
                 "\"delete\"",
                 ":13: targets[0].groups: is a text, must be a list of texts: [ \"…\", \"…\" ]",
                 ":14: targets[0].rolls: is not a key here; did you mean \"roles\"?",
                 ":15: targets[0].limits.create: 5000000000 is out of range, must be a whole number from "
                 "0 to 1000000",
                 ":17: first_plan: \"aply\" is not allowed, must be \"hold\" or \"apply\"");
}

static void test_syntax(void **state) {
        Fixture *f = *state;

        load_bad(f, "a = 1;\nb = = 2;\n", ":2: syntax error");
        load_bad(f, "first_plan = \"hold\";\nfirst_plan = \"hold\";\n",
                 ":2: syntax error: a key stands twice in its group");
        load_bad(f, "directory = { uris = [ \"a\", 5 ]; };\n", ":1: ");
        load_bad(f, "@include \"c.conf\"\n", ":1: ");
        /* libconfig would take the rest for a comment. */
        load_bad(f, "# /*\na = \"/*\"; /**/\n/* first_plan = \"hold\";\n/\n*",
                 ":3: the comment that begins here has no end");
        write_file(f, "more.conf", "\n/*/ password = { };\n");
        assert_int_equal(load(f, DIRECTORY TARGET("") "@include \"more.conf\"\n"), CONFIG_E_INVALID);
        assert_int_equal(f->problems.n_lines, 1);
        assert_non_null(strstr(f->problems.lines[0], "/more.conf:2: the comment that begins here has no"));
        load_bad(f, "\xef\xbb\xbf" DIRECTORY TARGET(""), ": can't be read: begins with a byte order mark");
}

static void test_nesting(void **state) {
        Fixture *f = *state;
        StrBuf b = STRBUF_INIT(1 << 20);

        strbuf_puts(&b, "x = ");
        for (int i = 0; i < 20000; i++)
                strbuf_puts(&b, "(");
        load_bad(f, b.data, ":1: syntax error: groups and lists are nested too deeply");
        strbuf_deinit(&b);
}

static void test_unreadable(void **state) {
        Fixture *f = *state;
        char path[128];

        assert_int_equal(load(f, NULL), CONFIG_E_INVALID);
        assert_int_equal(f->problems.n_lines, 1);
        assert_non_null(strstr(f->problems.lines[0], "c.conf: can't be read: No such file"));
        config_problems_deinit(&f->problems);
        assert_int_equal(config_load(f->dir, NULL, &f->problems, &f->config), CONFIG_E_INVALID);
        assert_non_null(strstr(f->problems.lines[0], "can't be read: not a regular file"));

        /* libconfig would end the process at these. */
        (void) snprintf(path, sizeof(path), "%s/sub", f->dir);
        assert_int_equal(mkdir(path, 0700), 0);
        load_bad(f, "\n@include \"sub\"\n", ":2: @include: ");
        assert_non_null(strstr(f->problems.lines[0],
                               "/sub can't be read: not a regular file; names are relative to"));
        (void) snprintf(path, sizeof(path), "%s/fifo", f->dir);
        assert_int_equal(mkfifo(path, 0600), 0);
        load_bad(f, "@include \"fifo\"\n", ":1: @include: ");
        load_bad(f, "@include \"nothing\"\n", ":1: @include: ");
}

static void test_required(void **state) {
        Fixture *f = *state;

        load_bad(f, "", ":1: directory: is required; it isn't there, or empty",
                 ":1: targets: is required: ");
        load_bad(f, "directory = {\n people = { base = \"dc=x\"; }; };\ntargets = ( { } );\n",
                 ":1: directory.uris: is required: servers, tried in order",
                 ":1: directory.bind: is required; it isn't there, or empty",
                 ":2: directory.people.filter: is required: ", ":3: targets[0].name: is required: ",
                 ":3: targets[0].type: is required: ", ":3: targets[0].key_credential: is required: ",
                 ":3: targets[0].secret_credential: is required: ", ":3: targets[0].groups: is required: ");
        load_bad(f, DIRECTORY "targets = ();\n", ":4: targets: is empty; one target at least is needed");
        load_bad(f, DIRECTORY "targets = { };\n", ":4: targets: is a group, must be a list of groups");
        load_bad(f, DIRECTORY "targets = ( 5 );\n",
                 ":4: targets[0]: is a whole number, must be a group { … }");
        load_bad(f, DIRECTORY "targets = ( { " BASICS " groups = []; } );\n",
                 ":4: targets[0].roles: is required: ");
        load_bad(f, DIRECTORY "targets = ( { " BASICS " groups = []; roles = (); } );\n",
                 ":4: targets[0].roles: is empty");
        load_bad(f, DIRECTORY "targets = ( { " BASICS " groups = []; roles = ( { } ); } );\n",
                 ":4: targets[0].roles[0].role: is required: ");
}

static void test_unknown_keys(void **state) {
        Fixture *f = *state;

        /* A group that is misspelt is not missing too. */
        load_bad(f, "directry = { };\n" TARGET(""),
                 ":1: directry: is not a key here; did you mean \"directory\"?");
        load_bad(f, DIRECTORY TARGET("colour = 5;"),
                 ":4: targets[0].colour: is not a key here; idsyncd.conf(5) has them all");
        load_bad(f, DIRECTORY TARGET("half_hour = 350;"),
                 ":4: targets[0].half_hour: is not a key here; did you mean \"rate.half_hour\"?");
        load_bad(f, DIRECTORY TARGET("rate = 5;"), ":4: targets[0].rate: must be a group: rate = { … };");
        load_bad(f, "directory = ( );\n" TARGET(""),
                 ":1: directory: must be a group: directory = { … };");
        load_bad(f, DIRECTORY "targets = ( { " BASICS " groups = []; roles = ( { rol = \"x\"; } ); } );\n",
                 ":4: targets[0].roles[0].rol: is not a key here; did you mean \"role\"?");
}

/* libconfig cuts these off without a word. */
static void test_large_numbers(void **state) {
        Fixture *f = *state;

        load_bad(f,
                 DIRECTORY TARGET(
                                 "rate = { second = 4294967297; minute = 0x100000001; half_hour = "
                                 "-4294967295; };"),
                 ":4: targets[0].rate.second: 4294967297 is out of range",
                 ":4: targets[0].rate.minute: 0x100000001 is out of range",
                 ":4: targets[0].rate.half_hour: -4294967295 is out of range");
        load_bad(f,
                 DIRECTORY TARGET(
                                 "concurrency = 2147483648; reset_batch = 18446744073709551617L; "
                                 "organization = 3000000000L;"),
                 ":4: targets[0].organization: 3000000000 is out of range, must be a whole number from 0 "
                 "to 2147483647",
                 ":4: targets[0].reset_batch: 18446744073709551617L is out of range",
                 ":4: targets[0].concurrency: 2147483648 is out of range");
        /* Numbers in comments, texts and names don't count, and each is found in its own file. */
        write_file(f, "more.conf",
                   "# 99999999999\n/* 99999999999 */ password = { length = 20; classes = 4294967297; };\n");
        assert_int_equal(load(f, "// 5000000000\nfirst_plan = \"hold\"; @include = 5;\n"), CONFIG_E_INVALID);
        assert_int_equal(load(f, "first_plan /* 4294967297 */ = \"hold\"; # \"4294967297\n"
                                 "@include \"more.conf\"\n" DIRECTORY TARGET("concurrency = 3;")),
                         CONFIG_E_INVALID);
        assert_int_equal(f->problems.n_lines, 1);
        assert_non_null(strstr(f->problems.lines[0],
                               "more.conf:2: password.classes: 4294967297 is out of range"));
}

static void test_include(void **state) {
        Fixture *f = *state;

        write_file(f, "more.conf", DIRECTORY);
        write_file(f, "again.conf", TARGET(""));
        load_good(f, "@include \"more.conf\"\n  @include \"again.conf\"\n");
        /* Problems of the main file come first. */
        write_file(f, "more.conf", "history = 5;\n" DIRECTORY);
        assert_int_equal(load(f, "\n@include \"more.conf\"\n@include \"again.conf\"\nfirst_plan = 5;\n"),
                         CONFIG_E_INVALID);
        assert_int_equal(f->problems.n_lines, 2);
        assert_non_null(strstr(f->problems.lines[0], "c.conf:4: first_plan: "));
        assert_non_null(strstr(f->problems.lines[1], "/more.conf:1: history: "));
}

static void test_texts(void **state) {
        Fixture *f = *state;

        load_bad(f, DIRECTORY TARGET("timezone = \"\\x01\";"),
                 ":4: targets[0].timezone: has a control character (\\x01) in it");
        load_bad(f, DIRECTORY TARGET("timezone = \"\u00a0\\xc2\\x9b\";"),
                 ":4: targets[0].timezone: has a control character (\\x9b) in it");
        load_bad(f, DIRECTORY TARGET("timezone = \"\\xff\";"), ":4: targets[0].timezone: is not UTF-8");
        load_bad(f, DIRECTORY TARGET("timezone = \"\";"), ":4: targets[0].timezone: is empty");
        load_bad(f, DIRECTORY TARGET("timezone = 5.5;"),
                 ":4: targets[0].timezone: is a number with a fraction, must be a text in quotes");
        load_bad(f, DIRECTORY TARGET("protect = [ \"a@b.c\", \"b\", \"a b@c\", \"a@b@c\" ];"),
                 ":4: targets[0].protect[1]: \"b\" is not a mail address; an address or a pattern",
                 ":4: targets[0].protect[2]: \"a b@c\" has a character that no address has",
                 ":4: targets[0].protect[3]: \"a@b@c\" has more than one @");
        load_bad(f, DIRECTORY TARGET("protect = ( \"a@b.c\", 5 );"),
                 ":4: targets[0].protect[1]: is a whole number, must be a text in quotes");
        load_bad(f, DIRECTORY TARGET("key_credential2 = 5;") "metrics = { listen = \"9464\"; };\n",
                 ":4: targets[0].key_credential2: is not a key here; did you mean \"key_credential\"?",
                 ":5: metrics.listen: has no port; write HOST:PORT");
}

/* ---- The directory */

#define CONNECTION(uri, more, bind)                                                \
        "directory = { uris = [ \"" uri "\" ];\n" more "\n bind = { " bind " };\n" \
        " people = { base = \"dc=x\"; filter = \"(a=b)\"; }; };\n" TARGET("")
#define SIMPLE "dn = \"cn=x\"; password_credential = \"p\";"

static void test_connection(void **state) {
        Fixture *f = *state;

        load_good(f, CONNECTION("ldaps://h", "", SIMPLE));
        load_good(f, CONNECTION("ldap://h", "starttls = true;", SIMPLE));
        load_good(f, CONNECTION("ldap://h", "insecure = true;", SIMPLE));
        load_good(f, CONNECTION("ldapi://%2Fx", "", SIMPLE));
        load_good(f, CONNECTION("ldap://h", "", "method = \"anonymous\";"));
        load_bad(f, CONNECTION("ldap://h", "", SIMPLE),
                 ":1: directory.uris[0]: a simple bind over plain ldap:// would show");
        load_bad(f, CONNECTION("ldaps://h", "starttls = true;", SIMPLE),
                 ":1: directory.uris[0]: ldaps:// is TLS already");
        /* What hangs on a value that can't be read isn't told. */
        load_bad(f, CONNECTION("ldap://h", "starttls = 1;", SIMPLE),
                 ":2: directory.starttls: is a whole number");
        load_bad(f, CONNECTION("http://h", "", SIMPLE),
                 ":1: directory.uris[0]: \"http://h\" is not a directory's URI");
        load_bad(f, CONNECTION("ldaps://h/dc=x", "", SIMPLE),
                 ":1: directory.uris[0]: \"ldaps://h/dc=x\" has more than a host");
        load_bad(f, CONNECTION("ldaps://h:0", "", SIMPLE), ":1: directory.uris[0]: has no proper port");
        load_bad(f, CONNECTION("ldaps://h:65536", "", SIMPLE), ":1: directory.uris[0]: has no proper port");
        load_bad(f, CONNECTION("ldaps://", "", SIMPLE), ":1: directory.uris[0]: has no host name");
        load_good(f, CONNECTION("ldaps://[::1]:636/", "", SIMPLE));
        load_bad(f, CONNECTION("ldaps://[::1", "", SIMPLE),
                 ":1: directory.uris[0]: has no proper IPv6 address");
        load_bad(f,
                 "directory = { uris = [];\n bind = { " SIMPLE
                 " }; people = { base = \"dc=x\"; filter = \"(a=b)\"; }; };\n" TARGET(""),
                 ":1: directory.uris: is empty; one server at least is needed");
}

static void test_bind(void **state) {
        Fixture *f = *state;

        load_bad(f, CONNECTION("ldaps://h", "", "method = \"simpel\";"),
                 ":3: directory.bind.method: \"simpel\" is not allowed, must be \"simple\", \"external\", "
                 "\"gssapi\" or \"anonymous\"");
        load_bad(f, CONNECTION("ldaps://h", "", "method = \"simple\";"),
                 ":3: directory.bind.dn: is required: ",
                 ":3: directory.bind.password_credential: is required: ");
        load_bad(f, CONNECTION("ldaps://h", "", "method = \"gssapi\";"),
                 ":3: directory.bind.keytab_credential: is required: ");
        load_bad(f, CONNECTION("ldaps://h", "", "method = \"anonymous\"; dn = \"cn=x\";"),
                 ":3: directory.bind.dn: has no meaning with method = \"anonymous\"; remove it, or change "
                 "the method");
        load_good(f, CONNECTION("ldaps://h", "", "dn = \"me@example.com\"; password_credential = \"p\";"));
        load_good(f, CONNECTION("ldaps://h", "", "dn = \"CORP\\\\idsyncd\"; password_credential = \"p\";"));
        load_good(f, CONNECTION("ldaps://h", "", "dn = \"cn=a\\\\,b@c\"; password_credential = \"p\";"));
        load_bad(f, CONNECTION("ldaps://h", "", "dn = \"idsyncd@\"; password_credential = \"p\";"),
                 ":3: directory.bind.dn: is no name to bind as: ");
        load_bad(f, CONNECTION("ldaps://h", "", "dn = \"@example.com\"; password_credential = \"p\";"),
                 ":3: directory.bind.dn: is no name to bind as: ");
        load_bad(f, CONNECTION("ldaps://h", "", "dn = \"idsyncd\"; password_credential = \"p\";"),
                 ":3: directory.bind.dn: is not a distinguished name: ");
        load_good(f, CONNECTION("ldaps://h", "", "method = \"gssapi\"; keytab_credential = \"k\";"));
        assert_int_equal(f->problems.n_notices, 2);

        load_good(f, CONNECTION("ldapi://%2Fx", "", "method = \"external\";"));
        assert_int_equal(f->problems.n_notices, 0);
        load_bad(f, CONNECTION("ldap://h", "", "method = \"external\";"),
                 ":1: directory.uris[0]: method = \"external\" needs ldapi://");
        load_bad(f, CONNECTION("ldaps://h", "", "method = \"external\";"),
                 ":3: directory.bind.method: \"external\" over TLS needs a client certificate");
        load_bad(f, CONNECTION("ldaps://h", "", "method = \"external\"; certificate_credential = \"c\";"),
                 ":3: directory.bind.key_credential: is required: ");
        load_good(f,
                  CONNECTION("ldap://h", "starttls = true;",
                             "method = \"external\"; certificate_credential = \"c\"; key_credential = "
                             "\"k\";"));
        assert_string_equal(f->config->directory.bind.certificate_credential, "c");
}

static void test_filters(void **state) {
        static const char *const good[] = {
                        "(a=b)",
                        "(a=*)",
                        "(&(a=b)(|(c>=d)(e~=f))(!(g<=h)))",
                        "(&)",
                        "(|)",
                        "(a=)",
                        "(a:dn:1.2.3:=x)",
                        "(a=\\2a\\29)",
                        "(cn;lang-de=x)",
                        "(a=b c)",
        };
        static const char *const bad[] = {
                        "",        "a=b",      "(a=b",    "a=b)",       "(a=b))",        "(a)",
                        "()",      "(=b)",     "(&(a=b)", "(!a=b)",     "(!(a=b)(c=d))", "(a=(b))",
                        "(a=\\2)", "(a=\\zz)", "((a=b))", "(a=b)(c=d)", "(a b=c)",       "(&a=b)",
        };
        char deep[400] = "";
        ErrCtx err;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                if (syntax_filter(good[i], &err) != 0)
                        fail_msg("%s: %s", good[i], err.text);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (syntax_filter(bad[i], &err) != SYNTAX_E_BAD)
                        fail_msg("%s was accepted", bad[i]);
        for (size_t i = 0; i < 100; i++)
                (void) snprintf(deep + 2 * i, sizeof(deep) - 2 * i, "(!");
        assert_int_equal(syntax_filter(deep, &err), SYNTAX_E_BAD);
        assert_non_null(strstr(err.text, "nested too deeply"));
}

static void test_urls(void **state) {
        static const char *const good[] = {
                        "https://api.example.com",     "https://h/",        "https://h:8443/a/b%20c",
                        "https://[2001:db8::1]:443/x", "https://127.0.0.1",
        };
        static const char *const bad[] = {
                        "",
                        "http://h",
                        "https://",
                        "https://h:",
                        "https://h:x",
                        "https://h:70000",
                        "https://u:p@h",
                        "https://h?x",
                        "https://h/#x",
                        "https://h/a b",
                        "https://h/../x",
                        "https://[::1",
                        "https://[h]",
                        "HTTPS://h",
                        "https:///x",
                        "https://h\\x",
        };
        ErrCtx err;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                if (syntax_https_url(good[i], &err) != 0)
                        fail_msg("%s: %s", good[i], err.text);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (syntax_https_url(bad[i], &err) != SYNTAX_E_BAD)
                        fail_msg("%s was accepted", bad[i]);
        assert_int_equal(syntax_proxy("", &err), 0);
        assert_int_equal(syntax_proxy("socks5h://h:1080", &err), 0);
        assert_int_equal(syntax_proxy("h:3128", &err), SYNTAX_E_BAD);
        assert_int_equal(syntax_proxy("http://h", &err), SYNTAX_E_BAD);
        assert_int_equal(syntax_proxy("http://u:p@h:1", &err), SYNTAX_E_BAD);
        assert_int_equal(syntax_listen("[::]:9464", &err), 0);
        assert_int_equal(syntax_listen("127.0.0.1:9464", &err), 0);
        assert_int_equal(syntax_listen("127.0.0.1:9464/x", &err), SYNTAX_E_BAD);
}

/* ---- Targets */

static void test_merging(void **state) {
        Fixture *f = *state;
        const TargetConfig *t;

        load_good(f, DIRECTORY
                  "target_defaults = { type = \"umbrella\"; " KEYS
                  " groups = [ \"cn=all,dc=x\" ]; adopt = \"never\";\n"
                  "  limits = { create = 7; disable = 3; }; roles = ( { role = \"Read Only\"; } ); tenant "
                  "= \"t\"; };\n"
                  "targets = ( { name = \"a\"; },\n"
                  "  { name = \"b\"; adopt = \"email\"; limits = { create = 9; }; groups = [ "
                  "\"cn=b,dc=x\" ];\n"
                  "    roles = ( { group = \"CN=All, DC=x\"; role = \"Full Admin\"; }, { role = "
                  "\"Reporting Only\"; } ); } );\n");
        assert_int_equal(f->config->n_targets, 2);
        t = f->config->targets;
        assert_int_equal(t[0].adopt, ADOPT_NEVER);
        assert_int_equal(t[0].limits.create, 7);
        assert_int_equal(t[0].limits.disable, 3);
        assert_int_equal(t[0].n_roles, 1);
        assert_int_equal(t[0].line, 6);
        assert_int_equal(t[1].adopt, ADOPT_EMAIL);
        assert_int_equal(t[1].limits.create, 9);
        assert_int_equal(t[1].limits.disable, 3);
        assert_int_equal(t[1].n_roles, 2);
        assert_string_equal(t[1].roles[1].role, "Reporting Only");
        /* Groups, once each by their normal form, spelt as they first were. */
        assert_int_equal(f->config->n_groups, 2);
        assert_string_equal(f->config->groups[0], "cn=all,dc=x");
        assert_string_equal(f->config->groups[1], "cn=b,dc=x");
        assert_int_equal(t[0].groups[0], 0);
        assert_int_equal(t[1].groups[0], 1);
        assert_int_equal(t[1].roles[0].group, 0);
        assert_int_equal(t[1].roles[1].group, -1);
}

/* A problem in target_defaults is told once, where it stands. */
static void test_defaults_problems(void **state) {
        Fixture *f = *state;

        load_bad(f,
                 DIRECTORY
                 "target_defaults = { " KEYS
                 " groups = []; concurrency = 0;\n leave = \"disable\"; name = \"x\"; adpt = 5;\n"
                 " roles = ( { role = \"a\"; }, { group = \"cn=x\"; role = \"b\"; }, { group = \"x\"; "
                 "role = 5; } ); };\n"
                 "targets = ( { name = \"a\"; type = \"umbrella\"; }, { name = \"b\"; type = "
                 "\"umbrella-gov\"; } );\n",
                 ":4: target_defaults.concurrency: 0 is out of range",
                 ":4: target_defaults.key_credential: \"key\" is also that of target \"a\" at Umbrella",
                 ":4: target_defaults.secret_credential: \"secret\" is also that of target \"a\"",
                 ":5: target_defaults.adpt: is not a key here; did you mean \"adopt\"?",
                 ":5: target_defaults.name: belongs in each target, not in target_defaults",
                 ":5: target_defaults.leave: \"disable\" is not possible at Umbrella; use",
                 ":6: target_defaults.roles[2].group: is not a distinguished name",
                 ":6: target_defaults.roles[2].role: is a whole number",
                 ":6: target_defaults.roles[1]: is never reached: roles[0] has no group and fits everybody",
                 ":6: target_defaults.roles[2]: is never reached: roles[0] has no group and fits everybody");
        load_bad(f, DIRECTORY "target_defaults = ( );\n" TARGET(""),
                 ":4: target_defaults: is a list, must be a group");
        /* A key that is misspelt there isn't missing in each target. */
        load_bad(f, DIRECTORY "target_defaults = { group = []; };\ntargets = ( { " BASICS ROLES " } );\n",
                 ":4: target_defaults.group: is not a key here; did you mean \"groups\"?");
}

/* Nothing that is done for each of them looks at each pair: that would take a minute. */
static void test_many_organizations(Fixture *f) {
        struct itimerval limit = {.it_value.tv_sec = 20}, none = {0};
        StrBuf b = STRBUF_INIT(1 << 20);

        strbuf_puts(&b, DIRECTORY "target_defaults = { organizations = [ 1");
        for (int i = 2; i <= 5000; i++)
                strbuf_printf(&b, ",%d", i);
        strbuf_puts(&b, " ]; };\n" TARGET(""));
        assert_int_equal(setitimer(ITIMER_VIRTUAL, &limit, NULL), 0);
        load_good(f, b.data);
        assert_int_equal(setitimer(ITIMER_VIRTUAL, &none, NULL), 0);
        strbuf_deinit(&b);
        assert_int_equal(f->config->n_targets, 5000);
        assert_string_equal(f->config->targets[4999].name, "umbrella-5000");
}

static void test_organizations(void **state) {
        Fixture *f = *state;

        load_good(f, DIRECTORY TARGET("organizations = [ 12, 2147483647 ];"));
        assert_int_equal(f->config->n_targets, 2);
        assert_string_equal(f->config->targets[0].name, "umbrella-12");
        assert_int_equal(f->config->targets[0].organization, 12);
        assert_string_equal(f->config->targets[1].name, "umbrella-2147483647");
        assert_int_equal(f->config->targets[1].organization, 2147483647);
        assert_string_equal(f->config->targets[1].url, "https://api.umbrella.com");
        assert_int_equal(f->config->targets[1].n_roles, 1);
        /* The target's own key wins over the other one of target_defaults. */
        load_good(f, DIRECTORY
                  "target_defaults = { organizations = [ 1, 2 ]; };\n" TARGET("organization = 5;"));
        assert_int_equal(f->config->n_targets, 1);
        assert_int_equal(f->config->targets[0].organization, 5);
        load_good(f, DIRECTORY
                  "target_defaults = { organization = 5; };\n" TARGET("organizations = [ 1, 2 ];"));
        assert_int_equal(f->config->n_targets, 2);

        load_bad(f, DIRECTORY TARGET("organization = 5; organizations = [ 1 ];"),
                 ":4: targets[0].organizations: stands beside organization; use one of the two");
        load_bad(f, DIRECTORY TARGET("organizations = [ 1, 1, 0 ];"),
                 ":4: targets[0].organizations[2]: 0 is out of range",
                 ":4: targets[0].organizations: 1 is listed twice");
        load_bad(f, DIRECTORY TARGET("organizations = [ 4294967297 ];"),
                 ":4: targets[0].organizations[0]: 4294967297 is out of range");
        load_bad(f, DIRECTORY TARGET("organizations = 5;"),
                 ":4: targets[0].organizations: is a whole number, must be a list");
        load_bad(f, SIGNALLED TARGET("organization = \"7\"; password_reset = true;"),
                 ":4: targets[0].organization: is a text, must be a whole number from 0 to 2147483647");
        test_many_organizations(f);
        /* One mistake is one line, however many targets it becomes. */
        load_bad(f, DIRECTORY TARGET("organizations = [ 1, 2, 3 ]; leave = \"disable\"; timezone = 5;"),
                 ":4: targets[0].timezone: is a whole number",
                 ":4: targets[0].leave: \"disable\" is not possible");
}

static void test_names(void **state) {
        Fixture *f = *state;

        load_bad(f,
                 DIRECTORY "targets = ( { " BASICS " groups = []; " ROLES " },\n { " BASICS
                           " groups = []; " ROLES " } );\n",
                 ":5: targets[1].name: \"umbrella\" is the name of another target already (line 4)");
        load_bad(f,
                 DIRECTORY "targets = ( { name = \"umbrella-2\"; type = \"umbrella\"; " KEYS
                           " groups = []; " ROLES " },\n"
                           " { " BASICS " groups = []; " ROLES " organizations = [ 1, 2 ]; } );\n",
                 ":5: targets[1].name: \"umbrella-2\" is the name of another target already (line 4)");
        load_bad(f,
                 DIRECTORY "targets = ( { name = \"Umbrella 1\"; type = \"umbrella\"; " KEYS
                           " groups = []; " ROLES " } );\n",
                 ":4: targets[0].name: \"Umbrella 1\" is not a name for a target");
}

static void test_capabilities(void **state) {
        Fixture *f = *state;

#define GOV(more) \
        "targets = ( { name = \"g\"; type = \"umbrella-gov\"; " KEYS " groups = []; " ROLES more " } );\n"
#define PRIMAVERA(more)                                           \
        "targets = ( { name = \"p\"; type = \"primavera\"; " KEYS \
        " groups = []; url = \"https://p.example\"; " more " } );\n"
#define COMPANY "company = { id = \"1\"; name = \"n\"; display_name = \"d\"; };"

        load_good(f, DIRECTORY TARGET("leave = \"delete\";"));
        load_good(f, DIRECTORY GOV("leave = \"delete\";"));
        assert_string_equal(f->config->targets[0].url, "https://api.umbrellagov.com");
        load_good(f,
                  SIGNALLED PRIMAVERA(
                                  COMPANY
                                  "leave = \"disable\"; password_reset = true;"
                                  "applications = ( { group = \"cn=a\"; names = [ \"P6\", \"U\" ]; } );"));
        assert_int_equal(f->config->targets[0].rate.minute, 120);
        assert_int_equal(f->config->targets[0].n_last_of, 0);
        assert_int_equal(f->config->targets[0].n_applications, 1);
        assert_int_equal(f->config->targets[0].applications[0].n_names, 2);
        assert_int_equal(f->config->targets[0].applications[0].group, 0);
        assert_string_equal(f->config->targets[0].company.display_name, "d");

        load_bad(f, DIRECTORY PRIMAVERA(COMPANY "leave = \"delete\";"),
                 ":4: targets[0].leave: \"delete\" is not possible at Primavera; use \"keep\" or "
                 "\"disable\"");
        load_bad(f, DIRECTORY GOV("password_reset = true;"),
                 ":4: targets[0].password_reset: true is not possible at Umbrella for Government: its API "
                 "has no password resets");
        load_bad(f, DIRECTORY TARGET("password_reset = true;"),
                 ":4: targets[0].password_reset: true is possible at Umbrella only with organization");
        load_good(f, SIGNALLED TARGET("password_reset = true; organization = 7;"));
        load_good(f, SIGNALLED TARGET("password_reset = true; organizations = [ 7 ];"));
        load_good(f, DIRECTORY TARGET("password_reset = true; organization = 7;"));
        assert_int_equal(f->problems.n_notices, 1);
        assert_non_null(strstr(f->problems.notices[0],
                               ":4: targets[0].password_reset: no signal asks for resets, as "));
        load_bad(f, DIRECTORY TARGET("tenant = \"t\";"),
                 ":4: targets[0].tenant: has no meaning at Umbrella; remove it");
        load_bad(f, DIRECTORY PRIMAVERA(COMPANY ROLES),
                 ":4: targets[0].roles: has no meaning at Primavera; remove it");
        load_bad(f, DIRECTORY PRIMAVERA(""),
                 ":4: targets[0].company: is required; it isn't there, or empty");
        load_bad(f,
                 DIRECTORY "targets = ( { name = \"p\"; type = \"primavera\"; " KEYS " groups = []; " COMPANY
                           " } );\n",
                 ":4: targets[0].url: is required: ");
        load_bad(f, DIRECTORY GOV("url = \"https://API.umbrella.com/x\";"),
                 ":4: targets[0].url: API.umbrella.com is not a host of Umbrella for Government");
        load_bad(f, DIRECTORY GOV("url = \"https://api.umbrella.com.:443\";"),
                 ":4: targets[0].url: api.umbrella.com is not a host of Umbrella for Government");
        load_bad(f, DIRECTORY GOV("proxy = \"http://proxy.umbrella.com:3128\";"),
                 ":4: targets[0].proxy: proxy.umbrella.com is not a host of Umbrella for Government");
        load_bad(f, DIRECTORY TARGET("url = \"https://api.umbrellagov.com\";"), ":4: targets[0].url: ");
        load_good(f, DIRECTORY GOV("url = \"https://notumbrella.com\";"));
        load_bad(f, DIRECTORY "targets = ( { name = \"x\"; type = \"scim\"; " KEYS " groups = []; } );\n",
                 ":4: targets[0].type: \"scim\" is not allowed, must be \"umbrella\", \"umbrella-gov\" or "
                 "\"primavera\"");
}

static void test_keys_are_one_apis(void **state) {
        Fixture *f = *state;

#define TYPE(name, type, key, secret)                                                                      \
        "{ name = \"" name "\"; type = \"" type "\"; key_credential = \"" key "\"; secret_credential = \"" \
        secret "\"; groups = []; " ROLES " }"
#define BOTH(a, b) "targets = ( " a ",\n" b " );\n"
        load_good(f, DIRECTORY BOTH(TYPE("a", "umbrella", "k", "s"), TYPE("b", "umbrella", "k", "s")));
        load_good(f, DIRECTORY BOTH(TYPE("a", "umbrella", "k", "s"), TYPE("b", "umbrella-gov", "l", "t")));
        load_bad(f, DIRECTORY BOTH(TYPE("a", "umbrella", "k", "s"), TYPE("b", "umbrella-gov", "k", "t")),
                 ":5: targets[1].key_credential: \"k\" is also that of target \"a\" at Umbrella;");
        load_bad(f, DIRECTORY BOTH(TYPE("a", "umbrella-gov", "k", "s"), TYPE("b", "umbrella", "l", "s")),
                 ":5: targets[1].secret_credential: \"s\" is also that of target \"a\" at Umbrella for");
}

static void test_roles(void **state) {
        Fixture *f = *state;

#define WITH_ROLES(rows) "targets = ( { " BASICS " groups = []; roles = ( " rows " ); } );\n"
        load_bad(f,
                 DIRECTORY WITH_ROLES(
                                 "{ group = \"cn=a\"; role = \"x\"; }, { group = \"CN = A\"; role = "
                                 "\"y\"; }"),
                 ":4: targets[0].roles[1]: is never reached: roles[0] has the same group");
        load_bad(f, DIRECTORY WITH_ROLES("{ role = \"x\"; }, { group = \"cn=a\"; role = \"y\"; }"),
                 ":4: targets[0].roles[1]: is never reached: roles[0] has no group and fits everybody");
        /* A group that can't be read is not "no group". */
        load_bad(f,
                 DIRECTORY WITH_ROLES(
                                 "{ group = \"a\"; role = \"x\"; }, { group = \"cn=a\"; role = \"y\"; }"),
                 ":4: targets[0].roles[0].group: is not a distinguished name");
        load_bad(f, DIRECTORY WITH_ROLES("{ role = \"\"; }"), ":4: targets[0].roles[0].role: is empty");
}

static void test_expect(void **state) {
        Fixture *f = *state;

        load_good(f,
                  DIRECTORY TARGET(
                                  "") "expect = ( { person = \"a\"; target = \"umbrella\"; role = \"Read "
                                      "Only\"; },\n"
                                      " { person = \"b\"; target = \"umbrella\"; absent = true; } );\n");
        assert_int_equal(f->config->n_expect, 2);
        assert_string_equal(f->config->expect[0].role, "Read Only");
        assert_true(f->config->expect[1].absent);
        assert_int_equal(f->config->expect[1].line, 6);
        assert_string_equal(f->config->expect[1].file, f->path);
        assert_int_equal(f->problems.n_notices, 0);
        load_bad(f,
                 DIRECTORY TARGET(
                                 "") "expect = ( { person = \"a\"; target = \"umbrela\"; absent = true; },\n"
                                     " { person = \"b\"; target = \"umbrella\"; },\n"
                                     " { person = \"b\"; target = \"umbrella\"; role = \"x\"; absent = "
                                     "true; },\n"
                                     " { person = \"b\"; target = \"umbrella\"; role = \"x\"; },\n"
                                     " { absent = 1; } );\n",
                 ":5: expect[0].target: there is no target \"umbrela\"",
                 ":6: expect[1]: expects nothing; set role, or absent = true",
                 ":7: expect[2]: has role and absent; use one of the two",
                 ":8: expect[3].role: \"x\" is given by no row of the roles of \"umbrella\"",
                 ":9: expect[4].person: is required: ", ":9: expect[4].target: is required: ",
                 ":9: expect[4].absent: is a whole number, must be true or false, without quotes");
}

static void test_notices(void **state) {
        Fixture *f = *state;

        /* Nothing for a default that is written out. */
        load_good(f, DIRECTORY TARGET("") "notify = { events = [ \"held\" ]; command = \"\"; };\n"
                                          "metrics = { listen = \"127.0.0.1:9464\"; };\n");
        assert_int_equal(f->problems.n_notices, 2);
        assert_string_equal(f->problems.notices[0] + strlen(f->path),
                            ":5: notify.events: accepted, has no effect in this version");
        assert_string_equal(f->problems.notices[1] + strlen(f->path),
                            ":6: metrics.listen: accepted, has no effect in this version");
}

/* Past a thousand problems the rest is counted. */
static void test_many_problems(void **state) {
        Fixture *f = *state;
        StrBuf b = STRBUF_INIT(1 << 20);

        for (int i = 0; i < 1500; i++)
                strbuf_printf(&b, "unknown%d = %d;\n", i, i);
        strbuf_puts(&b, DIRECTORY TARGET(""));
        assert_int_equal(load(f, b.data), CONFIG_E_INVALID);
        strbuf_deinit(&b);
        assert_int_equal(f->problems.n_lines, 1001);
        assert_non_null(strstr(f->problems.lines[999], "c.conf:1000: unknown999: "));
        assert_non_null(strstr(f->problems.lines[1000], "c.conf: and 500 more"));
}

static void test_credentials(void **state) {
        Fixture *f = *state;
        char path[128];

        write_file(f, "key", "k\n");
        write_file(f, "secret", "s\n");
        assert_int_equal(load_with(f, DIRECTORY TARGET(""), f->dir), CONFIG_E_INVALID);
        assert_int_equal(f->problems.n_lines, 1);
        assert_non_null(strstr(f->problems.lines[0], "c.conf:2: directory.bind.password_credential: "));
        assert_non_null(strstr(f->problems.lines[0], "/ldap is not there; create it"));
        write_file(f, "ldap", "l\n");
        assert_int_equal(load_with(f, DIRECTORY TARGET("organizations = [ 1, 2 ];"), f->dir), 0);
        (void) snprintf(path, sizeof(path), "%s/secret", f->dir);
        assert_int_equal(chmod(path, 0604), 0);
        assert_int_equal(load_with(f, DIRECTORY TARGET("organizations = [ 1, 2 ];"), f->dir),
                         CONFIG_E_INVALID);
        assert_int_equal(f->problems.n_lines, 1);
        assert_non_null(strstr(f->problems.lines[0], "c.conf:4: targets[0].secret_credential: "));
        assert_non_null(strstr(f->problems.lines[0], "may be used by everybody (mode 0604)"));
}

static void test_reference(void **state) {
        Fixture *f = *state;
        Config *other;

        load_good(f, DIRECTORY TARGET(""));
        other = config_ref(f->config);
        assert_ptr_equal(other, f->config);
        assert_null(config_unref(other));
        assert_string_equal(f->config->targets[0].name, "umbrella");
        assert_null(config_ref(NULL));
        assert_null(config_unref(NULL));
        assert_string_equal(bind_method_to_string(BIND_GSSAPI), "gssapi");
        assert_string_equal(search_scope_to_string(SCOPE_ONE), "one");
        assert_string_equal(target_type_to_string(TARGET_UMBRELLA_GOV), "umbrella-gov");
        assert_null(target_type_to_string(_TARGET_TYPE_MAX));
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                        test(test_defaults),
                        cmocka_unit_test(test_defaults_are_allowed),
                        test(test_values),
                        test(test_disabled_when),
                        test(test_ten_mistakes),
                        test(test_syntax),
                        test(test_nesting),
                        test(test_unreadable),
                        test(test_required),
                        test(test_unknown_keys),
                        test(test_large_numbers),
                        test(test_include),
                        test(test_texts),
                        test(test_connection),
                        test(test_bind),
                        cmocka_unit_test(test_filters),
                        cmocka_unit_test(test_urls),
                        test(test_merging),
                        test(test_defaults_problems),
                        test(test_organizations),
                        test(test_names),
                        test(test_capabilities),
                        test(test_keys_are_one_apis),
                        test(test_roles),
                        test(test_expect),
                        test(test_notices),
                        test(test_many_problems),
                        test(test_credentials),
                        test(test_reference),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
