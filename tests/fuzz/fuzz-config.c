/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration of any bytes is loaded or refused with lines that name a place; the look at the bare text
 * counts the same whole numbers as libconfig; the normal form of a name is its own normal form. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include <libconfig.h>

#include "base/strings.h"
#include "config/config.h"
#include "config/dn.h"
#include "config/scan.h"
#include "config/syntax.h"
#include "fuzz.h"

const char *__lsan_default_suppressions(void);

/* libconfig 1.5 loses a name or two when its parser gives up. */
const char *__lsan_default_suppressions(void) {
        return "leak:libconfig.so";
}

static void check(bool fine, const char *what) {
        if (fine)
                return;
        fprintf(stderr, "%s\n", what);
        abort();
}

static void check_load(const char *path) {
        ConfigProblems problems;
        Config *config = NULL;
        int r;

        r = config_load(path, NULL, &problems, &config);
        check(r == 0 || r == CONFIG_E_INVALID, "config_load() failed");
        check((r == 0) == (config != NULL), "a configuration without success, or the other way round");
        check((r == 0) == (problems.n_lines == 0), "problems without failure, or the other way round");
        for (size_t i = 0; i < problems.n_lines; i++)
                check(str_starts_with(problems.lines[i], "/proc/self/fd"), "a line that names no file");
        for (size_t i = 0; config && i < config->n_targets; i++) {
                const TargetConfig *t = &config->targets[i];

                check(t->name && t->url && t->key_credential && t->secret_credential && t->timezone &&
                                      t->ca_file,
                      "a target lacks what it must have");
                for (size_t j = 0; j < t->n_groups; j++)
                        check(t->groups[j] >= 0 && (size_t) t->groups[j] < config->n_groups,
                              "a group out of range");
                for (size_t j = 0; j < t->n_roles; j++)
                        check(t->roles[j].role && t->roles[j].group >= -1 &&
                                              t->roles[j].group < (int) config->n_groups,
                              "a role's group out of range");
        }
        config_problems_deinit(&problems);
        (void) config_unref(config);
}

static size_t count_integers(const config_setting_t *s) {
        size_t n = config_setting_type(s) == CONFIG_TYPE_INT || config_setting_type(s) == CONFIG_TYPE_INT64;
        int length = config_setting_is_aggregate(s) ? config_setting_length(s) : 0;

        for (int i = 0; i < length; i++)
                n += count_integers(config_setting_get_elem(s, (unsigned) i));
        return n;
}

static void check_scan(const char *path) {
        Scan scan = {0};
        ErrCtx err = {0};
        config_t tree;

        if (scan_run(&scan, path, "/proc/self/fd", &err) == 0 && scan.n_files == 1) {
                config_init(&tree);
                config_set_include_dir(&tree, "/proc/self/fd");
                if (config_read_file(&tree, path))
                        check(count_integers(config_root_setting(&tree)) == scan.files[0].n_integers,
                              "libconfig found other whole numbers than we");
                config_destroy(&tree);
        }
        scan_deinit(&scan);
}

static void check_texts(const uint8_t *data, size_t size) {
        static const syntax_fn_t functions[] = {
                        syntax_text,        syntax_ldap_uri, syntax_https_url, syntax_proxy,
                        syntax_listen,      syntax_filter,   syntax_attribute, syntax_credential,
                        syntax_target_name, syntax_pattern,  syntax_tenant,
        };
        _cleanup_(freep) char *text = malloc(size + 1), *normal = NULL, *again = NULL;
        ErrCtx err = {0};

        check(text, "out of memory");
        memcpy(text, data, size);
        text[size] = 0;
        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                err.text[0] = 0;
                check(functions[i](text, &err) == 0 || err.text[0], "refused without a reason");
        }
        if (dn_normalise(text, &normal, &err) != 0)
                return;
        /* Escapes make a normal form longer than the name. */
        if (strlen(normal) > 4096)
                return;
        check(dn_normalise(normal, &again, &err) == 0, "a normal form is no name");
        check(str_eq(normal, again), "a normal form has another normal form");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char path[64];
        int fd;

        if (size > 65536)
                return 0;
        fd = memfd_create("config", MFD_CLOEXEC);
        check(fd >= 0 && write(fd, data, size) == (ssize_t) size, "memfd_create() failed");
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        check_load(path);
        check_scan(path);
        check_texts(data, size);
        (void) close(fd);
        return 0;
}
