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
#define HMRK (MARK | OH__C_HOST | OH__C_SCHEME)                                 /* - . */
#define UNDR (MARK | OH__C_HOST)                                                /* _ */
#define PLUS (TOKEN | URIS | OH__C_SCHEME)                                      /* + */
#define PARN (URIS | OH__C_WORD)                                                /* ( ) */
#define DIGT (HMRK | OH__C_DIGIT | OH__C_HEX)                                   /* 0-9 */
#define ALPH (HMRK | OH__C_ALPHA)                                               /* G-Z g-z */
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
    TAB,  MARK, DQOT, HASH, DOLR, PRCT, AMPR, MARK, PARN, PARN, MARK, PLUS, COMM, HMRK, HMRK, SLSH,
    DIGT, DIGT, DIGT, DIGT, DIGT, DIGT, DIGT, DIGT, DIGT, DIGT, COLN, SEMI, ANGL, EQAL, ANGL, QUES,
    ATSG, HEXA, HEXA, HEXA, HEXA, HEXA, HEXA, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH,
    ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, BRKT, BSLH, BRKT, TEXT, UNDR,
    TICK, HEXA, HEXA, HEXA, HEXA, HEXA, HEXA, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH,
    ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ALPH, ANGL, TEXT, ANGL, MARK, NONE,
    UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8, UTF8,
};
/* clang-format on */

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
    return oh__lex_run(rest, OH__C_TOKEN, out);
}

bool oh__lex_word(struct oh_span *rest, struct oh_span *out)
{
    return oh__lex_run(rest, OH__C_WORD, out);
}

bool oh__lex_quoted(struct oh_span *rest, struct oh_span *inside)
{
    const char *p = rest->p;
    size_t i = 1, n = rest->n;

    if (!oh__at(*rest, '"'))
        return false;
    while (i < n) {
        if (oh__is(p[i], OH__C_QTEXT)) {
            i++;
        } else if (p[i] == '"') {
            *inside = oh_span(p + 1, i - 1);
            oh__skip(rest, i + 1);
            return true;
        } else if (p[i] == '\\' && i + 1 < n && p[i + 1] != '\r' && p[i + 1] != '\n') {
            i += 2;
        } else if (p[i] == '\r' && i + 2 < n && p[i + 1] == '\n' && oh__is(p[i + 2], OH__C_WSP)) {
            i += 3;
        } else {
            return false;
        }
    }
    return false;
}

bool oh__lex_sep(struct oh_span *rest, char c)
{
    struct oh_span s = *rest;

    oh__lex_lws(&s);
    if (!oh__lex_char(&s, c))
        return false;
    oh__lex_lws(&s);
    *rest = s;
    return true;
}

bool oh__lex_number(struct oh_span *rest, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    size_t i;

    for (i = 0; i < rest->n && oh__is(rest->p[i], OH__C_DIGIT); i++) {
        unsigned digit = (unsigned)(rest->p[i] - '0');

        /* Above max it stays there, however many digits follow. */
        v = v > max || v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
    }
    if (!i)
        return false;
    oh__skip(rest, i);
    *out = v > max ? max + 1 : v;
    return true;
}

/* Checks the labels of a host name; NULL when they are fine. */
static const char *name_fault(struct oh_span name)
{
    size_t i, label = 0;

    for (i = 0; i <= name.n; i++) {
        if (i < name.n && name.p[i] != '.')
            continue;
        /* One dot at the end makes a name absolute; anywhere else a label stands between dots. */
        if (i == label && (i < name.n || i == 0))
            return "an empty label in the host name";
        if (i > label && (name.p[label] == '-' || name.p[i - 1] == '-'))
            return "a label of the host name begins or ends with '-'";
        if (i + 1 >= name.n && i > label && oh__is(name.p[label], OH__C_DIGIT))
            return "neither a host name nor an IPv4 address";
        label = i + 1;
    }
    return NULL;
}

bool oh__lex_host(struct oh_span *rest, struct oh_span *host, struct oh_addr *addr,
                  const char **why)
{
    const char *close;
    size_t n;

    if (oh__at(*rest, '[')) {
        close = memchr(rest->p, ']', rest->n);
        n = close ? (size_t)(close - rest->p) + 1 : 0;
        *why = close ? "not an IPv6 address between '[' and ']'" : "no ']' behind the IPv6 address";
        if (!close || oh_addr_parse(oh_span(rest->p + 1, n - 2), addr) ||
            addr->family != OH_FAMILY_IPV6)
            return false;
    } else {
        n = oh__run(*rest, OH__C_HOST);
        *why = "no host";
        if (!n)
            return false;
        if (oh__is(*rest->p, OH__C_DIGIT) && oh_addr_parse(oh_span(rest->p, n), addr) == OH_OK) {
            /* An IPv4 address. */
        } else {
            *why = name_fault(oh_span(rest->p, n));
            if (*why)
                return false;
            *addr = (struct oh_addr){0};
        }
    }
    *why = NULL;
    *host = oh_span(rest->p, n);
    oh__skip(rest, n);
    return true;
}

bool oh__lex_port(struct oh_span *rest, uint16_t *port, const char **why)
{
    uint64_t v;

    *why = "a port that is not 1 to 65535";
    if (!oh__lex_number(rest, 65535, &v) || !v || v > 65535)
        return false;
    *port = (uint16_t)v;
    return true;
}
