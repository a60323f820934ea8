/*
 * The last step before a terminal. Phones send their names, reasons and
 * headers to the server, and an operator reads them: whoever can register can
 * otherwise clear his screen, colour a line, or forge one. So text goes out
 * character by character, and what is not printable UTF-8 is spelt in hex.
 * Columns count characters; wide ones of East Asian scripts count one, which
 * costs alignment and nothing else.
 */
#include "cmd/output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <offhook/alloc.h>

#define SENTENCE_MAX 1024

static const char *const STYLES[] = {"", "\033[32m", "\033[31m", "\033[2m", "\033[1m"};

/*
 * The length of the UTF-8 character at p (RFC 3629 4), 0 when there is none or
 * when a terminal would obey it: C0, DEL, and C1, which is U+0080 to U+009F.
 */
static size_t visible(const unsigned char *p, size_t n)
{
    size_t len = p[0] < 0x80                    ? 1
                 : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
                 : p[0] >= 0xe0 && p[0] <= 0xef ? 3
                 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                : 0;

    if (len == 0 || len > n || p[0] < 0x20 || p[0] == 0x7f)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* C1: terminals take U+009B for the beginning of a command. */
    if (len == 2 && p[0] == 0xc2 && p[1] < 0xa0)
        return 0;
    /* Overlong forms, surrogates, and what is beyond the last character. */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

void oh__put(FILE *to, struct oh_span text)
{
    for (size_t i = 0; i < text.n;) {
        size_t len = visible((const unsigned char *)text.p + i, text.n - i);

        if (len)
            fwrite(text.p + i, 1, len, to);
        else
            fprintf(to, "\\x%02x", (unsigned char)text.p[i]);
        i += len ? len : 1;
    }
}

size_t oh__width(struct oh_span text)
{
    size_t columns = 0;

    for (size_t i = 0; i < text.n;) {
        size_t len = visible((const unsigned char *)text.p + i, text.n - i);

        columns += len ? 1 : 4;
        i += len ? len : 1;
    }
    return columns;
}

void oh__puts(FILE *to, const char *text)
{
    oh__put(to, oh_span_str(text));
}

bool oh__coloured(FILE *to)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(fileno(to));
}

void oh__paint(FILE *to, enum oh__style style, const char *text)
{
    bool colour = style != OH__STYLE_PLAIN && oh__coloured(to);

    if (colour)
        fputs(STYLES[style], to);
    oh__puts(to, text);
    if (colour)
        fputs("\033[0m", to);
}

void oh__fail(const char *format, ...)
{
    char text[SENTENCE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout); /* what was said before stands before it where both go to one place */
    fputs("offhook: ", stderr);
    oh__puts(stderr, text);
    fputc('\n', stderr);
}

/* ---- tables ---- */

static char *copy_cell(const char *text)
{
    size_t n = text ? strlen(text) : 0;
    char *cell = oh_alloc(oh_alloc_default(), n + 1);

    if (!cell)
        return NULL;
    memcpy(cell, text ? text : "", n);
    cell[n] = '\0';
    return cell;
}

void oh__sheet_init(struct oh__sheet *t, unsigned columns, const char *const *heads)
{
    *t = (struct oh__sheet){.columns = columns};
    for (unsigned i = 0; i < columns; i++)
        oh__sheet_add(t, heads[i]);
}

void oh__sheet_add(struct oh__sheet *t, const char *text)
{
    const struct oh_alloc *a = oh_alloc_default();

    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        char **cells = oh_realloc(a, t->cells, t->cap * sizeof *cells, cap * sizeof *cells);

        if (!cells) {
            t->broken = true;
            return;
        }
        t->cells = cells;
        t->cap = cap;
    }
    char *cell = copy_cell(text);

    if (cell)
        t->cells[t->n++] = cell;
    else
        t->broken = true;
}

static void drop_cells(struct oh__sheet *t, size_t from)
{
    for (size_t i = from; i < t->n; i++)
        oh_free(oh_alloc_default(), t->cells[i], strlen(t->cells[i]) + 1);
    t->n = from < t->n ? from : t->n;
}

bool oh__sheet_print(struct oh__sheet *t, FILE *to)
{
    size_t width[OH__SHEET_COLUMNS] = {0};
    bool whole = !t->broken;

    for (size_t i = 0; i < t->n; i++) {
        size_t w = oh__width(oh_span_str(t->cells[i]));

        if (w > width[i % t->columns])
            width[i % t->columns] = w;
    }
    size_t blanks = 0;

    for (size_t i = 0; i < t->n; i++) {
        size_t column = i % t->columns, w = oh__width(oh_span_str(t->cells[i]));

        /* Blanks are held back until something follows them: none stand at the end of a line. */
        if (w) {
            fprintf(to, "%*s", (int)blanks, "");
            blanks = 0;
        }
        oh__paint(to, i < t->columns ? OH__STYLE_DIM : OH__STYLE_PLAIN, t->cells[i]);
        blanks += width[column] - w + 2;
        if (column + 1 == t->columns) {
            fputc('\n', to);
            blanks = 0;
        }
    }
    drop_cells(t, t->columns);
    return whole;
}

void oh__sheet_done(struct oh__sheet *t)
{
    drop_cells(t, 0);
    oh_free(oh_alloc_default(), t->cells, t->cap * sizeof *t->cells);
    t->cells = NULL;
    t->cap = 0;
}

/* ---- words for numbers ---- */

const char *oh__words_duration(unsigned long long s, char out[OH__WORDS_MAX])
{
    if (s >= 86400)
        snprintf(out, OH__WORDS_MAX, "%llu d %llu h", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        snprintf(out, OH__WORDS_MAX, "%llu h %llu min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(out, OH__WORDS_MAX, "%llu min %llu s", s / 60, s % 60);
    else
        snprintf(out, OH__WORDS_MAX, "%llu s", s);
    return out;
}

const char *oh__words_time(unsigned long long wall_ms, char out[OH__WORDS_MAX])
{
    time_t at = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (!localtime_r(&at, &tm) || strftime(out, OH__WORDS_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(out, OH__WORDS_MAX, "-");
    return out;
}

const char *oh__words_bytes(unsigned long long bytes, char out[OH__WORDS_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    unsigned unit = 0;

    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(out, OH__WORDS_MAX, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}
