/* SPDX-License-Identifier: Apache-2.0 */
/* Without libFuzzer a fuzzer is an ordinary test: it runs each file of its corpus once, and reports in TAP.
 * The corpus is tests/fuzz/corpus/NAME under $IDSYNCD_SRCDIR, or the files and directories on the command
 * line. A crash is a test that never says "ok". */

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned n_run;

static bool report(bool ok, const char *path) {
        n_run++;
        printf("%sok %u - %s\n", ok ? "" : "not ", n_run, path);
        fflush(stdout);
        return ok;
}

static bool run_file(const char *path) {
        FILE *f = fopen(path, "re");
        if (!f)
                return report(false, path);

        uint8_t *data = NULL;
        size_t size = 0;
        bool ok = true;
        while (!feof(f) && !ferror(f)) {
                uint8_t *more = realloc(data, size + 65536);
                if (!more) {
                        ok = false;
                        break;
                }
                data = more;
                size += fread(data + size, 1, 65536, f);
        }
        ok = ok && !ferror(f);
        fclose(f);

        if (ok) {
                /* Of the exact size, so that the sanitizers see a read past the end. */
                uint8_t *exact = malloc(size ? size : 1);
                ok = exact;
                if (exact) {
                        if (size > 0)
                                memcpy(exact, data, size);
                        LLVMFuzzerTestOneInput(exact, size);
                        free(exact);
                }
        }
        free(data);
        return report(ok, path);
}

static int not_hidden(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

static bool run_path(const char *path) {
        struct stat st;
        if (stat(path, &st) < 0)
                return report(false, path);
        if (!S_ISDIR(st.st_mode))
                return run_file(path);

        struct dirent **entries;
        int n = scandir(path, &entries, not_hidden, alphasort);
        if (n < 0)
                return report(false, path);
        bool ok = true;
        for (int i = 0; i < n; i++) {
                char inner[4096];
                if (snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name) < (int) sizeof(inner))
                        ok = run_path(inner) && ok;
                else
                        ok = report(false, path);
                free(entries[i]);
        }
        free(entries);
        return ok;
}

int main(int argc, char **argv) {
        bool ok = true;

        if (argc > 1)
                for (int i = 1; i < argc; i++)
                        ok = run_path(argv[i]) && ok;
        else {
                const char *srcdir = getenv("IDSYNCD_SRCDIR");
                char corpus[4096];
                snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
                         program_invocation_short_name);
                ok = run_path(corpus);
        }
        printf("1..%u\n", n_run);
        return ok && n_run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
