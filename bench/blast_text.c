/*
 * Messages as text: put together by appending, taken apart by looking for line ends and comparing
 * names. This is enough for the well-behaved answers of a server under test, and cheap enough that
 * the generator is not the limit.
 */
#include <strings.h>

#include "blast.h"

void text_str(struct text *t, const char *s)
{
    text_put(t, s, strlen(s));
}

void text_num(struct text *t, uint64_t v)
{
    char digits[20];
    size_t n = sizeof digits;

    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    text_put(t, digits + n, sizeof digits - n);
}

void text_user(struct text *t, uint32_t user)
{
    char name[7] = "u000000";

    for (int i = 6; i > 0; i--, user /= 10)
        name[i] = (char)('0' + user % 10);
    text_put(t, name, sizeof name);
}

void text_hex(struct text *t, uint32_t v)
{
    char digits[8];

    for (int i = 7; i >= 0; i--, v >>= 4)
        digits[i] = "0123456789abcdef"[v & 15];
    text_put(t, digits, sizeof digits);
}

bool span_hex(const char *p, const char *end, uint32_t *out)
{
    uint32_t v = 0;

    if (end - p < 8)
        return false;
    for (int i = 0; i < 8; i++) {
        char c = p[i];

        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = v;
    return true;
}

const char *span_find(struct span in, const char *word)
{
    return in.n ? memmem(in.p, in.n, word, strlen(word)) : NULL;
}

struct span span_param(struct span value, const char *name)
{
    const char *at = span_find(value, name), *end = value.p + value.n, *p;
    struct span found = {0};

    if (!at)
        return found;
    p = at + strlen(name);
    if (p < end && *p == '"') {
        const char *text = p + 1, *close = memchr(text, '"', (size_t)(end - text));

        return (struct span){text, (size_t)((close ? close : end) - text)};
    }
    found.p = p;
    while (p < end && *p != ',' && *p != ';' && *p != ' ')
        p++;
    found.n = (size_t)(p - found.p);
    return found;
}

/* Is it this name, in full or compact? */
static bool named(struct span name, const char *full, char compact)
{
    if (name.n == 1)
        return compact && (name.p[0] | 0x20) == compact;
    return name.n == strlen(full) && strncasecmp(name.p, full, name.n) == 0;
}

/* Keeps a row when it is one that the generator looks at. */
static void keep_row(struct message *m, struct span name, struct span value)
{
    switch (name.p[0] | 0x20) {
    case 'v':
        if (named(name, "Via", 'v') && m->vias < ROWS)
            m->via[m->vias++] = value;
        break;
    case 'r':
        if (named(name, "Record-Route", 0) && m->record_routes < ROWS)
            m->record_route[m->record_routes++] = value;
        break;
    case 'f':
        if (named(name, "From", 'f'))
            m->from = value;
        break;
    case 't':
        if (named(name, "To", 't'))
            m->to = value;
        break;
    case 'i':
        if (named(name, "i", 'i'))
            m->call_id = value;
        break;
    case 'c':
        if (named(name, "Call-ID", 0))
            m->call_id = value;
        else if (named(name, "CSeq", 0))
            m->cseq = value;
        else if (named(name, "Contact", 0))
            m->contact = value;
        break;
    case 'm':
        if (named(name, "m", 'm'))
            m->contact = value;
        break;
    case 'w':
        if (named(name, "WWW-Authenticate", 0))
            m->challenge = value;
        break;
    default: break;
    }
}

/* Cuts a line into name and value, without the blanks around the colon. */
static bool cut_row(const char *p, const char *end, struct span *name, struct span *value)
{
    const char *colon = memchr(p, ':', (size_t)(end - p)), *v;

    if (!colon || colon == p)
        return false;
    v = colon + 1;
    while (v < end && *v == ' ')
        v++;
    *value = (struct span){v, (size_t)(end - v)};
    while (colon > p + 1 && colon[-1] == ' ')
        colon--;
    *name = (struct span){p, (size_t)(colon - p)};
    return true;
}

/* The status of a response, 0 for a request. */
static unsigned status_of(struct span start)
{
    unsigned code = 0;

    if (start.n < 11 || memcmp(start.p, "SIP/2.0 ", 8) != 0)
        return 0;
    for (int i = 8; i < 11; i++)
        code = code * 10 + (unsigned)(start.p[i] - '0');
    return code;
}

bool message_read(const char *p, size_t n, struct message *m)
{
    const char *end = p + n, *line = p, *eol;

    memset(m, 0, sizeof *m);
    while ((eol = memchr(line, '\r', (size_t)(end - line))) && eol > line) {
        struct span name, value;

        if (line == p)
            m->start = (struct span){line, (size_t)(eol - line)};
        else if (cut_row(line, eol, &name, &value))
            keep_row(m, name, value);
        if (end - eol < 2)
            return false;
        line = eol + 2;
    }
    m->code = status_of(m->start);
    return eol && m->vias && m->from.n && m->to.n && m->call_id.n && m->cseq.n;
}
