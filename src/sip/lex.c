#include "sip/lex.h"

/*
 * One byte of the table says everything that the grammar asks about a
 * character, so a decoder is a loop over one load and one test. The groups
 * below are the grammar's own: `mark` is in every URI set and, except for the
 * parentheses, in token.
 */
#define URIS  (OH__C_USER | OH__C_PASS | OH__C_PARAM | OH__C_HEADER | OH__C_URI | OH__C_QTEXT)
#define TOKEN (OH__C_TOKEN | OH__C_WORD | OH__C_VALUE | OH__C_QTEXT)

#define NONE 0
#define TAB  (OH__C_WSP | OH__C_LWS | OH__C_QTEXT)
#define EOL  OH__C_LWS
#define MARK (TOKEN | URIS)                                                     /* ! ' * ~ */
#define DASH (MARK | OH__C_LABEL | OH__C_SCHEME)                                /* - */
#define DOT_ (MARK | OH__C_SCHEME)                                              /* . */
#define UNDR (MARK | OH__C_LABEL)                                               /* _ */
#define PLUS (TOKEN | URIS | OH__C_SCHEME)                                      /* + */
#define PARN (URIS | OH__C_WORD)                                                /* ( ) */
#define DIGT (DASH | OH__C_DIGIT | OH__C_HEX)                                   /* 0-9 */
#define ALPH (DASH | OH__C_ALPHA)                                               /* G-Z g-z */
#define HEXA (ALPH | OH__C_HEX)                                                 /* A-F a-f */
#define DQOT OH__C_WORD                                                         /* " */
#define HASH (OH__C_USER | OH__C_URI | OH__C_QTEXT)                             /* # */
#define DOLR URIS                                                               /* $ */
#define PRCT (TOKEN | OH__C_URI)                                                /* % */
#define AMPR (URIS & ~OH__C_HEADER)                                             /* & */
#define COMM (OH__C_USER | OH__C_PASS | OH__C_URI | OH__C_QTEXT)                /* , */
#define SLSH (OH__C_WORD | (URIS & ~OH__C_PASS))                                /* / */
#define COLN (OH__C_WORD | OH__C_VALUE | (URIS & ~(OH__C_USER | OH__C_PASS)))   /* : */
#define SEMI (OH__C_USER | OH__C_URI | OH__C_QTEXT)                             /* ; */
#define ANGL (OH__C_WORD | OH__C_QTEXT)                                         /* < > { } */
#define EQAL (OH__C_USER | OH__C_PASS | OH__C_URI | OH__C_QTEXT)                /* = */
#define QUES (OH__C_WORD | OH__C_USER | OH__C_HEADER | OH__C_URI | OH__C_QTEXT) /* ? */
#define ATSG (OH__C_URI | OH__C_QTEXT)                                          /* @ */
#define BRKT COLN                                                               /* [ ] */
#define BSLH OH__C_WORD                                                         /* \ */
#define TICK TOKEN                                                              /* ` */
#define TEXT OH__C_QTEXT                                                        /* ^ | */
#define UTF8                                                                                   \
    OH__C_QTEXT, OH__C_QTEXT, OH__C_QTEXT, OH__C_QTEXT, OH__C_QTEXT, OH__C_QTEXT, OH__C_QTEXT, \
        OH__C_QTEXT

/* clang-format off */
const uint16_t oh__lex_class[256] = {
    NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, TAB,  EOL,  NONE, NONE, EOL,  NONE, NONE,
    NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
    TAB,  MARK, DQOT, HASH, DOLR, PRCT, AMPR, MARK, PARN, PARN, MARK, PLUS, COMM, DASH, DOT_, SLSH,
    DIGT, DIGT, DIGT, DIGT, DIGT, DIGT, DIGT, DIGT, DIGT, DIGT, COLN, SEMI, ANGL, EQAL, ANGL, QUES,
    ATSG, HEXA, HEXA, HEXA, HEXA, HEXA, HEXA, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH,
    ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, BRKT, BSLH, BRKT, TEXT, UNDR,
    TICK, HEXA, HEXA, HEXA, HEXA, HEXA, HEXA, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH,
    ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ANGL, TEXT, ANGL, MARK, NONE,
    UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8,
};
/* clang-format on */

size_t oh__run(struct oh_span s, unsigned sets)
{
    return oh__run_inline(s.p, s.n, sets);
}

const char *oh__skip_rest(const char *p, const char *end, unsigned sets)
{
    return oh__skip_run(p, end, sets);
}

void oh__clear(void *p, size_t n)
{
    memset(p, 0, n);
}

bool oh__lex_run(struct oh_span *rest, unsigned sets, struct oh_span *out)
{
    size_t n = oh__run(*rest, sets);

    if (!n)
        return false;
    *out = oh_span(rest->p, n);
    oh__skip(rest, n);
    return true;
}

bool oh__lex_token(struct oh_span *rest, struct oh_span *out)
{
    size_t n = oh__run_inline(rest->p, rest->n, OH__C_TOKEN);

    if (!n)
        return false;
    *out = oh_span(rest->p, n);
    oh__skip(rest, n);
    return true;
}

bool oh__lex_word(struct oh_span *rest, struct oh_span *out)
{
    size_t n = oh__run_inline(rest->p, rest->n, OH__C_WORD);

    if (!n)
        return false;
    *out = oh_span(rest->p, n);
    oh__skip(rest, n);
    return true;
}

const char *oh__skip_quoted(const char *p, const char *end)
{
    if (p == end || *p != '"')
        return NULL;
    p++;
    for (;;) {
        p = oh__skip_run(p, end, OH__C_QTEXT);
        if (p == end)
            return NULL;
        if (*p == '"')
            return p + 1;
        if (*p == '\\' && end - p >= 2 && p[1] != '\r' && p[1] != '\n')
            p += 2;
        else if (end - p >= 3 && p[0] == '\r' && p[1] == '\n' && oh__is(p[2], OH__C_WSP))
            p += 3;
        else
            return NULL;
    }
}

bool oh__lex_quoted(struct oh_span *rest, struct oh_span *inside)
{
    const char *start = rest->p, *behind = rest->n ? oh__skip_quoted(start, start + rest->n) : NULL;

    if (!behind)
        return false;
    *inside = oh_span(start + 1, (size_t)(behind - start) - 2);
    oh__skip(rest, (size_t)(behind - start));
    return true;
}

bool oh__lex_sep(struct oh_span *rest, char c)
{
    const char *end, *p;

    if (!rest->n)
        return false;
    end = rest->p + rest->n;
    p = oh__skip_lws(rest->p, end);
    if (p == end || *p != c)
        return false;
    p = oh__skip_lws(p + 1, end);
    oh__skip(rest, (size_t)(p - rest->p));
    return true;
}

bool oh__lex_number(struct oh_span *rest, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = 0, zeros, n = rest->n;

    while (i < n && rest->p[i] == '0')
        i++;
    zeros = i;
    for (; i < n; i++) {
        unsigned digit = (unsigned char)rest->p[i] - '0';

        if (digit > 9)
            break;
        /* Nineteen digits fit into 64 bits, so only from the twentieth on it matters. */
        if (i - zeros >= 19 && v > (UINT64_MAX - digit) / 10)
            v = UINT64_MAX;
        else
            v = v * 10 + digit;
    }
    if (!i)
        return false;
    oh__skip(rest, i);
    *out = v > max ? max + 1 : v;
    return true;
}

const char *oh__skip_lws_slow(const char *p, const char *end)
{
    while (p < end) {
        if (oh__is(*p, OH__C_WSP))
            p++;
        else if (end - p >= 3 && p[0] == '\r' && p[1] == '\n' && oh__is(p[2], OH__C_WSP))
            p += 3;
        else
            break;
    }
    return p;
}
