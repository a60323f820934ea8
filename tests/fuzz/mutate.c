/*
 * Random bytes seldom get past the first line of a message. These changes work
 * on rows, which is what the code behind the first pass tells apart: one more
 * Route, no To, two Content-Lengths, a fold in the middle of a number.
 */
#include "mutate.h"

#include <stdio.h>

#include <offhook/header.h>

#include "base/hash.h"

/* Each of them is the edge of some rule. */
static const char *const values[] = {
    "",
    "0",
    "1",
    "70",
    "4294967295",
    "4294967296",
    "99999999999999999999",
    "*",
    "-1",
    "\"",
    "\"a\\\"b\" <sip:bob@example.test>",
    "<sip:bob@example.test>;tag=t-bob",
    "<sip:192.0.2.1;lr>",
    "<sip:192.0.2.1:5060;lr>,<sip:192.0.2.10:5060;lr>",
    "<sips:bob@example.test;user=phone?Subject=x>",
    "sip:%62ob@example.test;q=0.5;expires=60",
    "tel:+1-201-555-0123;phone-context=example.test",
    "1 INVITE",
    "2 BYE",
    "1 ACK",
    "1 CANCEL",
    "2 REGISTER",
    "SIP/2.0/UDP 192.0.2.10:5060;rport;branch=z9hG4bK-1",
    "SIP/2.0/TCP [2001:db8::1]:5060;received=[2001:db8::9];branch=z9hG4bK",
    "SIP / 2.0 / UDP host.example.test ;ttl=1;maddr=224.2.0.1;branch=z9hG4bK2",
    "100rel, timer, path, outbound",
    "application/sdp",
    "multipart/mixed;boundary=\"x\"",
    "Digest username=\"alice\", realm=\"example.test\", nonce=\"n\", uri=\"sip:x\", response=\"0\"",
    "Sat, 13 Nov 2010 23:29:00 GMT",
    "SIP;cause=200;text=\"x\"",
    "call-1@x;to-tag=1;from-tag=2;early-only",
    "18000;refresher=uas",
};

#define VALUES (sizeof values / sizeof *values)

struct text {
    char *p;
    size_t n, cap;
};

/* The place of a line that a random number names: its begin, and its length with its end. */
static size_t line_at(const struct text *t, uint64_t random, size_t *begin)
{
    size_t at = random % t->n, end = at;

    while (at > 0 && t->p[at - 1] != '\n')
        at--;
    while (end < t->n && t->p[end] != '\n')
        end++;
    *begin = at;
    return (end < t->n ? end + 1 : end) - at;
}

/* Puts bytes in the place of `cut` bytes at `at`; nothing happens when they do not fit. */
static void splice(struct text *t, size_t at, size_t cut, struct oh_span in)
{
    if (cut > t->n - at)
        cut = t->n - at;
    if (t->n - cut + in.n > t->cap)
        return;
    memmove(t->p + at + in.n, t->p + at + cut, t->n - at - cut);
    if (in.n)
        memcpy(t->p + at, in.p, in.n);
    t->n = t->n - cut + in.n;
}

static void repeat_line(struct text *t, struct oh__rng *rng)
{
    char copy[1024];
    size_t from, to, n = line_at(t, oh__rng_u64(rng), &from);

    if (n > sizeof copy)
        return;
    memcpy(copy, t->p + from, n);
    line_at(t, oh__rng_u64(rng), &to);
    /* Half of the time it moves instead. */
    if (oh__rng_below(rng, 2)) {
        splice(t, from, n, oh_span("", 0));
        to -= to > from ? n : 0;
    }
    splice(t, to, 0, oh_span(copy, n));
}

static void add_row(struct text *t, struct oh__rng *rng)
{
    const struct oh_header_info *h = oh_header_info(
        (enum oh_header_id)(1 + oh__rng_below(rng, OH_HEADER_COUNT - 1)));
    const char *value = values[oh__rng_below(rng, VALUES)];
    char row[512];
    size_t at, n = 0, name_n = strlen(h->name), value_n = strlen(value);

    if (h->compact && oh__rng_below(rng, 2)) {
        row[n++] = h->compact;
    } else {
        memcpy(row, h->name, name_n);
        n = name_n;
    }
    memcpy(row + n, ": ", 2);
    memcpy(row + n + 2, value, value_n);
    memcpy(row + n + 2 + value_n, "\r\n", 2);
    n += value_n + 4;
    line_at(t, oh__rng_u64(rng), &at);
    /* Before the start line no row means anything. */
    if (at == 0)
        at = line_at(t, 0, &at);
    splice(t, at, 0, oh_span(row, n));
}

static void change_value(struct text *t, struct oh__rng *rng)
{
    const char *value = values[oh__rng_below(rng, VALUES)];
    size_t at, n = line_at(t, oh__rng_u64(rng), &at);
    struct oh_span line = oh_span(t->p + at, n);
    ptrdiff_t colon = oh_span_find(line, ':');
    size_t from, len;

    if (colon < 0 || n < 2)
        return;
    from = at + (size_t)colon + 1;
    len = at + n - from;
    len -= len >= 2 && t->p[at + n - 2] == '\r' ? 2 : 0;
    /* A value more, or another one. */
    if (oh__rng_below(rng, 3) == 0) {
        splice(t, from, 0, OH_LIT(" ,"));
        splice(t, from + 1, 0, oh_span(value, strlen(value)));
        return;
    }
    splice(t, from, len, oh_span(value, strlen(value)));
}

/* Where the first empty line ends, or n. */
static size_t body_at(const struct text *t)
{
    for (size_t i = 0; i + 4 <= t->n; i++)
        if (memcmp(t->p + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    return t->n;
}

static void mend_length(struct text *t)
{
    static const char name[] = "Content-Length:";
    char row[64];
    size_t body = body_at(t), at = 0, n = 0;
    int row_n = snprintf(row, sizeof row, "Content-Length: %zu\r\n", t->n - body);

    while (at < body && (n = line_at(t, at, &at)) != 0) {
        struct oh_span line = oh_span(t->p + at, n);

        if (oh_span_ieq(oh_span_head(line, sizeof name - 1), OH_LIT(name)) ||
            oh_span_ieq(oh_span_head(line, 2), OH_LIT("l:"))) {
            splice(t, at, n, oh_span(row, (size_t)row_n));
            return;
        }
        at += n;
    }
    if (body >= 2 && body < t->n)
        splice(t, body - 2, 0, oh_span(row, (size_t)row_n));
}

size_t mutate_message(char *p, size_t n, size_t cap, uint64_t random)
{
    struct text t = {p, n, cap};
    uint8_t seed[32] = {0};
    struct oh__rng rng;
    size_t at, len;

    memcpy(seed, &random, sizeof random);
    oh__rng_init(&rng, seed);
    for (uint64_t turns = 1 + oh__rng_below(&rng, 3); turns > 0 && t.n > 0; turns--) {
        switch (oh__rng_below(&rng, 8)) {
        case 0:
            len = line_at(&t, oh__rng_u64(&rng), &at);
            splice(&t, at, len, oh_span("", 0));
            break;
        case 1: repeat_line(&t, &rng); break;
        case 2: splice(&t, oh__rng_below(&rng, t.n), 0, OH_LIT("\r\n ")); break;
        case 3:
        case 4: change_value(&t, &rng); break;
        case 5: add_row(&t, &rng); break;
        case 6: p[oh__rng_below(&rng, t.n)] = (char)oh__rng_u64(&rng); break;
        default: mend_length(&t); break;
        }
    }
    return t.n;
}
