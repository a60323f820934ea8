/*
 * Methods are compared with case (RFC 3261 7.1). The length and a letter leave one
 * candidate, which is then compared in full: "invite" and "INVITF" are other methods,
 * and any token is a method that can be forwarded.
 */
#include <offhook/method.h>

#include "sip/lex.h"

struct entry {
    struct oh_span text;
    const char *rfc;
};

static const struct entry methods[OH_METHOD_COUNT] = {{{"", 0}, ""},
#define METHOD(name, rfc) {{#name, sizeof(#name) - 1}, rfc},
                                                      OH_METHODS(METHOD)
#undef METHOD
};

/* The only method that a token can be, by its length and first letters. */
static enum oh_method candidate(struct oh_span t)
{
    switch (t.n) {
    case 3: return t.p[0] == 'A' ? OH_METHOD_ACK : OH_METHOD_BYE;
    case 4: return OH_METHOD_INFO;
    case 5: return t.p[0] == 'P' ? OH_METHOD_PRACK : OH_METHOD_REFER;
    case 6:
        switch (t.p[0]) {
        case 'I': return OH_METHOD_INVITE;
        case 'C': return OH_METHOD_CANCEL;
        case 'N': return OH_METHOD_NOTIFY;
        default: return OH_METHOD_UPDATE;
        }
    case 7:
        switch (t.p[0]) {
        case 'O': return OH_METHOD_OPTIONS;
        case 'P': return OH_METHOD_PUBLISH;
        default: return OH_METHOD_MESSAGE;
        }
    case 8: return OH_METHOD_REGISTER;
    case 9: return OH_METHOD_SUBSCRIBE;
    default: return OH_METHOD_OTHER;
    }
}

/* Equality of n bytes, 3 to 9: two words that overlap instead of a call. */
static inline bool same(const char *a, const char *b, size_t n)
{
    if (n >= 8)
        return !((oh__word(a, 8) ^ oh__word(b, 8)) |
                 (oh__word(a + n - 8, 8) ^ oh__word(b + n - 8, 8)));
    if (n >= 4)
        return !((oh__word(a, 4) ^ oh__word(b, 4)) |
                 (oh__word(a + n - 4, 4) ^ oh__word(b + n - 4, 4)));
    return oh__word(a, 3) == oh__word(b, 3);
}

enum oh_method oh_method_of(struct oh_span token)
{
    /* Most tokens are one of these, and the one comparison settles it. */
    enum oh_method m = candidate(token);

    return m != OH_METHOD_OTHER && same(token.p, methods[m].text.p, token.n) ? m : OH_METHOD_OTHER;
}

struct oh_span oh_method_text(enum oh_method m)
{
    return methods[(unsigned)m < OH_METHOD_COUNT ? m : OH_METHOD_OTHER].text;
}

const char *oh_method_rfc(enum oh_method m)
{
    return methods[(unsigned)m < OH_METHOD_COUNT ? m : OH_METHOD_OTHER].rfc;
}
