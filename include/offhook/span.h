/*
 * A span is text that somebody else owns: a pointer and a length, never
 * terminated. Everything the parser hands out is a span into the bytes that
 * were received, so it lives as long as those bytes do and costs nothing.
 */
#ifndef OFFHOOK_SPAN_H
#define OFFHOOK_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct oh_span {
    const char *p; /* first byte; may be NULL when n is 0 */
    size_t n;      /* length in bytes */
};

/* A span over a string literal. */
#define OH_LIT(s) ((struct oh_span){(s), sizeof(s) - 1})

/* For printf: printf("%.*s", OH_PRI(span)). */
#define OH_PRI(s) (int)(s).n, (s).p

/* Makes a span of a pointer and a length. */
static inline struct oh_span oh_span(const char *p, size_t n)
{
    return (struct oh_span){p, n};
}

/* Makes a span of a terminated string (NULL gives the empty span). */
static inline struct oh_span oh_span_str(const char *s)
{
    return (struct oh_span){s, s ? strlen(s) : 0};
}

/* Byte-wise equality. */
static inline bool oh_span_eq(struct oh_span a, struct oh_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Equality without regard to ASCII case. */
bool oh_span_ieq(struct oh_span a, struct oh_span b);

/* Three-way comparison without regard to ASCII case, then by length: -1, 0 or 1. */
int oh_span_icmp(struct oh_span a, struct oh_span b);

/* The first place of byte c, or -1. */
ptrdiff_t oh_span_find(struct oh_span s, char c);

/* The part from offset at (clamped) to the end. */
static inline struct oh_span oh_span_from(struct oh_span s, size_t at)
{
    if (at > s.n)
        at = s.n;
    /* Adding 0 to NULL is undefined in C, and the empty span may hold NULL. */
    return oh_span(at ? s.p + at : s.p, s.n - at);
}

/* The first n bytes (clamped). */
static inline struct oh_span oh_span_head(struct oh_span s, size_t n)
{
    return oh_span(s.p, n < s.n ? n : s.n);
}

/* Without blanks, tabs, CR and LF at both ends (SIP's LWS after folding). */
struct oh_span oh_span_trim(struct oh_span s);

/*
 * Reads an unsigned decimal number that must fill the whole span.
 * OH_E_SYNTAX when it is empty or holds another byte, OH_E_RANGE above max;
 * leading zeros are fine. A long number with a letter in it is a syntax error.
 */
int oh_span_u64(struct oh_span s, uint64_t max, uint64_t *out);

/* As oh_span_u64, for 32 bits. */
int oh_span_u32(struct oh_span s, uint32_t max, uint32_t *out);

#endif
