/*
 * Comparing, searching and reading numbers: what is done with almost every
 * span. Nothing here may look at s.p[s.n], because nothing terminates a span
 * and the byte behind it may be another's or not exist. Case is that of ASCII
 * only; SIP's names know no other, and the locale must not decide about routing.
 */
#include <offhook/error.h>
#include <offhook/span.h>

#include "base/word.h"

/* Names mostly arrive in the usual case, so the fold is rarely needed. */
static inline bool word_ieq(const char *a, const char *b)
{
    uint64_t x = oh__load64(a);
    uint64_t y = oh__load64(b);

    return x == y || oh__fold64(x) == oh__fold64(y);
}

bool oh_span_ieq(struct oh_span a, struct oh_span b)
{
    size_t i = 0;

    if (a.n != b.n)
        return false;
    if (a.n >= 8) {
        for (; a.n - i > 8; i += 8) {
            if (!word_ieq(a.p + i, b.p + i))
                return false;
        }
        /* The last word may overlap the one before; that is cheaper than single bytes. */
        return word_ieq(a.p + a.n - 8, b.p + b.n - 8);
    }
    for (; i < a.n; i++) {
        if (oh__fold(a.p[i]) != oh__fold(b.p[i]))
            return false;
    }
    return true;
}

int oh_span_icmp(struct oh_span a, struct oh_span b)
{
    /* By bytes: the order must be the same on machines of either byte order. */
    size_t n = a.n < b.n ? a.n : b.n;

    for (size_t i = 0; i < n; i++) {
        int d = (int)oh__fold(a.p[i]) - (int)oh__fold(b.p[i]);

        if (d)
            return d < 0 ? -1 : 1;
    }
    return (a.n > b.n) - (a.n < b.n);
}

ptrdiff_t oh_span_find(struct oh_span s, char c)
{
    /* memchr must not be given NULL, not even with a length of 0. */
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;

    return hit ? hit - s.p : -1;
}

/* Line ends count as blanks, since a folded header keeps them inside (RFC 3261 25.1, LWS). */
static bool is_lws(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct oh_span oh_span_trim(struct oh_span s)
{
    while (s.n && is_lws(s.p[s.n - 1]))
        s.n--;
    while (s.n && is_lws(s.p[0])) {
        s.p++;
        s.n--;
    }
    return s;
}

int oh_span_u64(struct oh_span s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    bool over = false;

    if (s.n == 0)
        return OH_E_SYNTAX;
    /*
     * The scan goes on after an overflow: "99999999999999999999x" is a syntax
     * error, and callers answer the two with different status codes.
     */
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

        if (d > 9)
            return OH_E_SYNTAX;
        /* Exact: true if and only if v * 10 + d is above 64 bits. */
        if (v > (UINT64_MAX - d) / 10)
            over = true;
        else
            v = v * 10 + d;
    }
    if (over || v > max)
        return OH_E_RANGE;
    *out = v;
    return OH_OK;
}

int oh_span_u32(struct oh_span s, uint32_t max, uint32_t *out)
{
    uint64_t v;
    int rc = oh_span_u64(s, max, &v);

    if (rc == OH_OK)
        *out = (uint32_t)v;
    return rc;
}
