/*
 * Spreadsheets write this format in a dozen dialects. Read strictly where a
 * mistake could make two accounts out of one (quotes), and leniently where it
 * could not: line ends, blanks round plain fields, a byte order mark, empty
 * lines. After a wrong record reading goes on at the next line, so that all
 * that is wrong with a file is told at once.
 */
#include "host/csv.h"

void oh__csv_init(struct oh__csv *csv, struct oh_span text)
{
    static const char mark[] = "\xef\xbb\xbf"; /* what spreadsheets put in front */

    *csv = (struct oh__csv){.text = text, .line = 1};
    if (text.n >= 3 && memcmp(text.p, mark, 3) == 0)
        csv->at = 3;
}

static int peek(const struct oh__csv *csv)
{
    return csv->at < csv->text.n ? (unsigned char)csv->text.p[csv->at] : -1;
}

/* Takes CRLF, LF or the end of the text. */
static bool take_end(struct oh__csv *csv)
{
    int c = peek(csv);

    if (c == '\r' && csv->at + 1 < csv->text.n && csv->text.p[csv->at + 1] == '\n')
        csv->at++;
    else if (c != '\n' && c != -1)
        return false;
    if (c != -1) {
        csv->at++;
        csv->line++;
    }
    return true;
}

/* Goes behind the line's end, so that the next record is read whatever was wrong with this one. */
static void skip_line(struct oh__csv *csv)
{
    while (!take_end(csv))
        csv->at++;
}

/* The inside of quotes, doubled ones made single. The opening quote has been seen. */
static int quoted(struct oh__csv *csv, struct oh_arena *arena, struct oh_span *out,
                  const char **why)
{
    size_t begin = ++csv->at, doubled = 0, n = 0;
    unsigned line = csv->line;

    for (;; csv->at++) {
        int c = peek(csv);

        if (c == -1) {
            /* One forgotten quote must not swallow the rest of the file unseen. */
            csv->at = begin;
            csv->line = line;
            *why = "a quote (\") is opened and never closed";
            return OH_E_SYNTAX;
        }
        if (c == '\n')
            csv->line++;
        if (c != '"')
            continue;
        if (csv->at + 1 >= csv->text.n || csv->text.p[csv->at + 1] != '"')
            break;
        doubled++;
        csv->at++;
    }
    *out = oh_span(csv->text.p + begin, csv->at - begin);
    csv->at++;
    if (!doubled)
        return OH_OK;
    char *room = oh_arena_take(arena, out->n);

    if (!room)
        return OH_E_NOMEM;
    for (size_t i = 0; i < out->n; i++) {
        room[n++] = out->p[i];
        i += out->p[i] == '"';
    }
    *out = oh_span(room, n);
    return OH_OK;
}

static int plain(struct oh__csv *csv, struct oh_span *out, const char **why)
{
    size_t begin = csv->at;
    int c;

    while ((c = peek(csv)) != -1 && c != ',' && c != '\n' && c != '"' && c != 0)
        csv->at++;
    if (c == '"' || c == 0) {
        *why = c ? "a quote (\") inside a field: put the whole field in quotes and double it"
                 : "a NUL byte: this is not a text file (save it as UTF-8)";
        return OH_E_SYNTAX;
    }
    *out = oh_span_trim(oh_span(csv->text.p + begin, csv->at - begin));
    return OH_OK;
}

static int record(struct oh__csv *csv, struct oh_arena *arena, struct oh_span *fields, unsigned max,
                  unsigned *n, const char **why)
{
    for (*n = 0;;) {
        struct oh_span field;
        int r = peek(csv) == '"' ? quoted(csv, arena, &field, why) : plain(csv, &field, why);

        if (r != OH_OK)
            return r;
        if (*n == max) {
            *why = "too many fields";
            return OH_E_LIMIT;
        }
        fields[(*n)++] = field;
        if (take_end(csv))
            return OH_OK;
        if (peek(csv) != ',') {
            *why = "something stands behind the closing quote (\")";
            return OH_E_SYNTAX;
        }
        csv->at++;
    }
}

int oh__csv_next(struct oh__csv *csv, struct oh_arena *arena, struct oh_span *fields, unsigned max,
                 unsigned *n, unsigned *line, const char **why)
{
    unsigned count;

    while (peek(csv) != -1 && take_end(csv))
        continue;
    if (peek(csv) == -1)
        return OH_E_ABSENT;
    *line = csv->line;
    int r = record(csv, arena, fields, max, &count, why);

    if (r == OH_OK)
        *n = count;
    else
        skip_line(csv);
    return r;
}
