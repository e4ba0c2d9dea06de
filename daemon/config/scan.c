/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of libconfig, as far as they matter here:
 *
 *   comment     "#" to the end of the line, "//" likewise, slash-star to star-slash
 *   string      '"', with backslash escapes
 *   name        [A-Za-z*][-A-Za-z0-9_*]*
 *   integer     [-+]?[0-9]+ or 0[Xx][0-9A-Fa-f]+, 64 bits wide with "L" or "LL" behind it
 *   float       with "." or an exponent
 *   @include    at the start of a line, with a string behind it */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "config/scan.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define INCLUDE_DEPTH_MAX 10
#define FILES_MAX 100

typedef struct Scanner {
        Scan *scan;
        size_t file; /* index into scan->files */
        const char *text, *p;
        const char *include_dir;
        unsigned line, depth;
        ErrCtx *err;
} Scanner;

static int scan_one(Scan *scan, const char *name, const char *path, const char *include_dir, unsigned depth,
                    ErrCtx *err);

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_hex(char c) {
        return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name_start(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}

static int read_text(const char *path, char **ret, ErrCtx *err) {
        _cleanup_(closep) int fd = -1;
        _cleanup_(freep) char *text = NULL;
        struct stat st;
        size_t len = 0;

        /* O_NONBLOCK: a FIFO must not hold us up before we know that it is one. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, SCAN_E_BAD, errno, "%s", strerror(errno));
        if (!S_ISREG(st.st_mode))
                return err_set(err, SCAN_E_BAD, 0, "not a regular file");
        if (st.st_size > FILE_SIZE_MAX)
                return err_set(err, SCAN_E_BAD, 0, "larger than %d bytes", FILE_SIZE_MAX);
        text = malloc(FILE_SIZE_MAX + 1);
        if (!text)
                return -ENOMEM;
        while (len < FILE_SIZE_MAX) {
                ssize_t n = read(fd, text + len, FILE_SIZE_MAX - len);

                if (n < 0)
                        return err_set(err, SCAN_E_BAD, errno, "%s", strerror(errno));
                if (n == 0)
                        break;
                len += (size_t) n;
        }
        text[len] = 0;
        if (strlen(text) != len)
                return err_set(err, SCAN_E_BAD, 0, "has a NUL byte in it: not a text file");
        if (str_starts_with(text, "\xef\xbb\xbf"))
                return err_set(err, SCAN_E_BAD, 0,
                               "begins with a byte order mark; save it as UTF-8 without one");
        *ret = TAKE(text);
        return 0;
}

static int note_number(ScanFile *f, const char *text, size_t len) {
        ScanNumber *numbers = reallocarray(f->numbers, f->n_numbers + 1, sizeof(*numbers));

        if (!numbers)
                return -ENOMEM;
        f->numbers = numbers;
        numbers[f->n_numbers] = (ScanNumber){.index = f->n_integers, .text = strndup(text, len)};
        if (!numbers[f->n_numbers].text)
                return -ENOMEM;
        f->n_numbers++;
        return 0;
}

/* The value of digits, UINT64_MAX if they say more. */
static uint64_t magnitude(const char *p, size_t len, unsigned base) {
        uint64_t value = 0;

        for (size_t i = 0; i < len; i++) {
                unsigned digit = is_digit(p[i]) ? (unsigned) (p[i] - '0')
                                                : ((unsigned) p[i] | 0x20) - 'a' + 10;

                if (__builtin_mul_overflow(value, base, &value) ||
                    __builtin_add_overflow(value, digit, &value))
                        return UINT64_MAX;
        }
        return value;
}

/* The length of an exponent at p, 0 if there is none. */
static size_t exponent_len(const char *p) {
        size_t sign, n = 0;

        if (*p != 'e' && *p != 'E')
                return 0;
        sign = p[1] == '+' || p[1] == '-';
        while (is_digit(p[1 + sign + n]))
                n++;
        return n > 0 ? 1 + sign + n : 0;
}

/* A number, *s->p being a sign, a digit or a point. */
static int scan_number(Scanner *s) {
        ScanFile *f = &s->scan->files[s->file];
        const char *start = s->p, *digits;
        bool negative = *s->p == '-', wide = false;
        uint64_t value, limit;
        unsigned base = 10;

        if (*s->p == '-' || *s->p == '+')
                s->p++;
        digits = s->p;
        if (s->p == start && s->p[0] == '0' && (s->p[1] == 'x' || s->p[1] == 'X') && is_hex(s->p[2])) {
                base = 16;
                for (digits = s->p += 2; is_hex(*s->p);)
                        s->p++;
        } else {
                while (is_digit(*s->p))
                        s->p++;
                if (*s->p == '.' || exponent_len(s->p) > 0) {
                        s->p += *s->p == '.';
                        while (is_digit(*s->p))
                                s->p++;
                        s->p += exponent_len(s->p);
                        return 0;
                }
        }
        if (s->p == digits)
                return 0;
        value = magnitude(digits, (size_t) (s->p - digits), base);
        if (*s->p == 'L') {
                wide = true;
                s->p += s->p[1] == 'L' ? 2 : 1;
        }
        limit = wide ? (uint64_t) INT64_MAX : (uint64_t) INT32_MAX;
        if (value > limit + negative && note_number(f, start, (size_t) (s->p - start)) < 0)
                return -ENOMEM;
        f->n_integers++;
        return 0;
}

static void skip_string(Scanner *s) {
        for (s->p++; *s->p && *s->p != '"'; s->p++) {
                if (*s->p == '\\' && s->p[1])
                        s->p++;
                s->line += *s->p == '\n';
        }
        s->p += *s->p == '"';
}

/* A problem has a place: in the file that is being read. SCAN_E_BAD, -ENOMEM. */
static int bad_line(Scanner *s, unsigned line) {
        s->scan->line = line;
        s->scan->bad_file = strdup(s->scan->files[s->file].path);
        return s->scan->bad_file ? SCAN_E_BAD : -ENOMEM;
}

static int skip_comment(Scanner *s) {
        unsigned line = s->line;

        if (s->p[0] != '/' || s->p[1] != '*') {
                s->p += strcspn(s->p, "\n");
                return 0;
        }
        for (s->p += 2; *s->p && !(s->p[0] == '*' && s->p[1] == '/'); s->p++)
                s->line += *s->p == '\n';
        /* libconfig takes the rest of the file for a comment, and what it would have said for a default. */
        if (!*s->p)
                return err_set(s->err, bad_line(s, line), 0, "the comment that begins here has no end");
        s->p += 2;
        return 0;
}

/* The name in an @include, s->p being at its opening quote. */
static int include_name(Scanner *s, char **ret) {
        __attribute__((cleanup(strbuf_deinit))) StrBuf name = STRBUF_INIT(4096);

        for (s->p++; *s->p && *s->p != '"' && *s->p != '\n'; s->p++) {
                if (*s->p == '\\' && (s->p[1] == '"' || s->p[1] == '\\'))
                        s->p++;
                strbuf_putc(&name, *s->p);
        }
        s->p += *s->p == '"';
        *ret = strbuf_take(&name);
        return *ret ? 0 : name.error;
}

static int scan_include(Scanner *s) {
        _cleanup_(freep) char *name = NULL, *path = NULL;
        unsigned line = s->line;
        ErrCtx reason = {0};
        int r;

        r = include_name(s, &name);
        if (r == 0 && asprintf(&path, "%s/%s", s->include_dir, name) < 0)
                r = -ENOMEM;
        if (r == -E2BIG)
                r = err_set(&reason, SCAN_E_BAD, 0, "the name is too long");
        if (r == 0 && s->depth < INCLUDE_DEPTH_MAX)
                r = scan_one(s->scan, name, path, s->include_dir, s->depth + 1, &reason);
        if (r != SCAN_E_BAD)
                return r;
        if (s->scan->bad_file)
                return err_set(s->err, r, reason.code, "%s", reason.text);
        return err_set(s->err, bad_line(s, line), reason.code,
                       "@include: %s can't be read: %s; names are relative to %s",
                       path ?: "its file", reason.text, s->include_dir);
}

/* An @include counts at the start of a line alone. */
static const char *include_at(const Scanner *s) {
        const char *p = s->p, *back = s->p;

        if (!str_starts_with(p, "@include"))
                return NULL;
        while (back > s->text && (back[-1] == ' ' || back[-1] == '\t'))
                back--;
        if (back > s->text && back[-1] != '\n')
                return NULL;
        p += strlen("@include");
        if (*p != ' ' && *p != '\t')
                return NULL;
        while (*p == ' ' || *p == '\t')
                p++;
        return *p == '"' ? p : NULL;
}

static int scan_token(Scanner *s) {
        const char *quote = include_at(s);

        if (quote) {
                s->p = quote;
                return scan_include(s);
        }
        if (*s->p == '"')
                skip_string(s);
        else if (*s->p == '#' || (*s->p == '/' && (s->p[1] == '/' || s->p[1] == '*')))
                return skip_comment(s);
        else if (is_name_start(*s->p))
                while (is_name_start(*s->p) || is_digit(*s->p) || *s->p == '-' || *s->p == '_')
                        s->p++;
        else if (is_digit(*s->p) || *s->p == '.' ||
                 ((*s->p == '-' || *s->p == '+') && (is_digit(s->p[1]) || s->p[1] == '.')))
                return scan_number(s);
        else {
                s->line += *s->p == '\n';
                s->p++;
        }
        return 0;
}

static int add_file(Scan *scan, const char *name, const char *path) {
        ScanFile *files = reallocarray(scan->files, scan->n_files + 1, sizeof(*files)), *f;

        if (!files)
                return -ENOMEM;
        scan->files = files;
        f = &files[scan->n_files++];
        *f = (ScanFile){.name = strdup(name), .path = strdup(path)};
        return f->name && f->path ? 0 : -ENOMEM;
}

ScanFile *scan_find(const Scan *scan, const char *name) {
        for (size_t i = 0; i < scan->n_files; i++)
                if (str_eq(scan->files[i].name, name))
                        return &scan->files[i];
        return NULL;
}

static int scan_one(Scan *scan, const char *name, const char *path, const char *include_dir, unsigned depth,
                    ErrCtx *err) {
        _cleanup_(freep) char *text = NULL;
        Scanner s = {
                        .scan = scan,
                        .file = scan->n_files,
                        .include_dir = include_dir,
                        .line = 1,
                        .depth = depth,
                        .err = err,
        };
        int r;

        if (scan_find(scan, name))
                return 0;
        if (scan->n_files == FILES_MAX)
                return err_set(err, SCAN_E_BAD, 0, "more than %d files", FILES_MAX);
        r = read_text(path, &text, err);
        if (r == 0)
                r = add_file(scan, name, path);
        s.text = s.p = text;
        while (r == 0 && *s.p)
                r = scan_token(&s);
        return r;
}

int scan_run(Scan *scan, const char *file, const char *include_dir, ErrCtx *err) {
        return scan_one(scan, file, file, include_dir, 0, err);
}

void scan_deinit(Scan *scan) {
        for (size_t i = 0; i < scan->n_files; i++) {
                for (size_t j = 0; j < scan->files[i].n_numbers; j++)
                        free(scan->files[i].numbers[j].text);
                free(scan->files[i].numbers);
                free(scan->files[i].name);
                free(scan->files[i].path);
        }
        free(scan->files);
        free(scan->bad_file);
        *scan = (Scan){0};
}
