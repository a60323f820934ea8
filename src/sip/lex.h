/*
 * The lexical units of SIP (RFC 3261 25.1), shared by every decoder of this
 * layer. A lexer takes what it recognises off the front of *rest and leaves
 * *rest alone when it recognises nothing. No function reads behind the span,
 * none copies, and none skips white space unless its name says so.
 */
#ifndef OH_SIP_LEX_H
#define OH_SIP_LEX_H

#include <offhook/error.h>
#include <offhook/span.h>

/*
 * What a byte may be, as a set of bits. '%' belongs to none of the URI sets
 * but URI itself: an escape is three bytes, which oh__lex_escape checks.
 */
enum {
    OH__C_TOKEN = 1 << 0,   /* token */
    OH__C_WORD = 1 << 1,    /* word (Call-ID) */
    OH__C_DIGIT = 1 << 2,   /* 0-9 */
    OH__C_ALPHA = 1 << 3,   /* A-Z a-z */
    OH__C_HEX = 1 << 4,     /* 0-9 A-F a-f */
    OH__C_WSP = 1 << 5,     /* SP and HTAB */
    OH__C_USER = 1 << 6,    /* user part of a URI, and "#", which phones send unescaped */
    OH__C_PASS = 1 << 7,    /* password of a URI */
    OH__C_PARAM = 1 << 8,   /* paramchar of a URI parameter */
    OH__C_HEADER = 1 << 9,  /* header name or value of a URI */
    OH__C_LABEL = 1 << 10,  /* label of a host name, and "_", which real names have */
    OH__C_URI = 1 << 11,    /* whatever may stand in some URI, "%" included */
    OH__C_VALUE = 1 << 12,  /* gen-value that is not quoted: token, or a host with "[", "]", ":" */
    OH__C_SCHEME = 1 << 13, /* URI scheme behind its first letter */
    OH__C_QTEXT = 1 << 14,  /* may stand in a quoted-string without "\" */
    OH__C_LWS = 1 << 15,    /* SP, HTAB, CR, LF: where white space may begin */
};

/* The sets that a byte belongs to. */
extern const uint16_t oh__lex_class[256];

/* True when the byte is in one of the sets. */
static inline bool oh__is(char c, unsigned sets)
{
    return (oh__lex_class[(unsigned char)c] & sets) != 0;
}

/* The ASCII letter in lower case; other bytes as they are. */
static inline char oh__lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* The value of a hexadecimal digit, -1 for another byte. */
static inline int oh__hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = oh__lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* True when the span begins with the byte. */
static inline bool oh__at(struct oh_span s, char c)
{
    return s.n && *s.p == c;
}

/* Moves the front of the span; n must not be more than there is. */
static inline void oh__skip(struct oh_span *rest, size_t n)
{
    rest->p += n;
    rest->n -= n;
}

/*
 * How many of n bytes at the front are in one of the sets, four at a time: most of
 * the time of a decoder is spent here. Inline, so that a constant set becomes
 * part of the instruction; oh__run is the same as a call.
 */
static inline size_t oh__run_inline(const char *p, size_t n, unsigned sets)
{
    size_t i = 0;

    while (n - i >= 4) {
        if (!oh__is(p[i], sets))
            return i;
        if (!oh__is(p[i + 1], sets))
            return i + 1;
        if (!oh__is(p[i + 2], sets))
            return i + 2;
        if (!oh__is(p[i + 3], sets))
            return i + 3;
        i += 4;
    }
    while (i < n && oh__is(p[i], sets))
        i++;
    return i;
}

/*
 * The hot decoders work on two pointers, where they are and where the text ends,
 * which stay in registers; a span behind a pointer goes through memory, and
 * copying one that was just written waits for the store.
 */
static inline const char *oh__skip_run(const char *p, const char *end, unsigned sets)
{
    return p + oh__run_inline(p, (size_t)(end - p), sets);
}

/* oh__skip_run as a call, where speed does not matter. */
const char *oh__skip_rest(const char *p, const char *end, unsigned sets);

/* oh__skip_lws where there may be white space. */
const char *oh__skip_lws_slow(const char *p, const char *end);

/*
 * Behind white space: blanks, tabs, and CR LF when a blank or tab follows (a fold).
 * A CR or LF that is not a fold stays and so becomes a syntax error of whoever
 * reads on.
 */
static inline const char *oh__skip_lws(const char *p, const char *end)
{
    return p < end && (unsigned char)*p <= ' ' ? oh__skip_lws_slow(p, end) : p;
}

/* Behind the closing quote of the quoted-string at p; NULL when there is none, see oh__lex_quoted.
 */
const char *oh__skip_quoted(const char *p, const char *end);

/* How many bytes at the front are in one of the sets. */
size_t oh__run(struct oh_span s, unsigned sets);

/*
 * Equality without case with a literal of lower-case letters and digits, for names
 * that are asked for all the time; compiles to a few comparisons.
 */
#define oh__is_name(s, literal) \
    ((s).n == sizeof(literal) - 1 && oh__same_letters((s).p, literal, sizeof(literal) - 1))

/*
 * One to eight bytes in one word, the middle ones perhaps twice: good for comparing. n is a
 * constant, and of a literal so is the word.
 */
static inline uint64_t oh__word(const char *p, size_t n)
{
    uint64_t whole;
    uint32_t half[2];
    uint16_t quarter[2];

    if (n == 8) {
        memcpy(&whole, p, 8);
        return whole;
    }
    if (n >= 4) {
        memcpy(&half[0], p, 4);
        memcpy(&half[1], p + n - 4, 4);
        return (uint64_t)half[1] << 32 | half[0];
    }
    if (n >= 2) {
        memcpy(&quarter[0], p, 2);
        memcpy(&quarter[1], p + n - 2, 2);
        return (uint64_t)quarter[1] << 16 | quarter[0];
    }
    return (unsigned char)*p;
}

/*
 * True when n bytes are those of a lower-case literal, or differ from its letters in case only.
 * Only for literals: then nothing remains but a word or two to compare.
 */
static inline bool oh__same_letters(const char *p, const char *lower, size_t n)
{
    const uint64_t cases = UINT64_C(0x2020202020202020);
    size_t last = n > 8 ? n - 8 : 0;
    uint64_t differ = oh__word(p, n < 8 ? n : 8) ^ oh__word(lower, n < 8 ? n : 8);

    /* A letter has bit 6, so only its case bit may differ; anything else must be equal. */
    differ &= ~(oh__word(lower, n < 8 ? n : 8) >> 1 & cases);
    if (last)
        differ |= (oh__word(p + last, 8) ^ oh__word(lower + last, 8)) &
                  ~(oh__word(lower + last, 8) >> 1 & cases);
    return differ == 0;
}

/* Clears memory; a call, because compilers turn small ones into slow string instructions. */
void oh__clear(void *p, size_t n);

/* Takes the longest run of bytes of the sets; false (nothing taken) when it is empty. */
bool oh__lex_run(struct oh_span *rest, unsigned sets, struct oh_span *out);

/* Takes a token (RFC 3261 25.1). */
bool oh__lex_token(struct oh_span *rest, struct oh_span *out);

/* Takes a word, the token of Call-ID with more bytes allowed. */
bool oh__lex_word(struct oh_span *rest, struct oh_span *out);

/*
 * Takes a quoted-string and gives what is between the quotes, escapes
 * untouched. False when *rest does not begin with a quote, the closing quote is
 * missing, or a control character stands inside without "\". Folds are white
 * space; NUL is allowed behind "\" only (RFC 4475 3.1.1.2).
 */
bool oh__lex_quoted(struct oh_span *rest, struct oh_span *inside);

/* Skips white space, see oh__skip_lws. */
static inline void oh__lex_lws(struct oh_span *rest)
{
    if (rest->n && oh__is(*rest->p, OH__C_LWS))
        oh__skip(rest, (size_t)(oh__skip_lws_slow(rest->p, rest->p + rest->n) - rest->p));
}

/* Takes a separator with white space on both sides (RFC 3261 25.1: SEMI, EQUAL, SLASH, COMMA ...).
 */
bool oh__lex_sep(struct oh_span *rest, char c);

/* Takes the byte and nothing else. */
static inline bool oh__lex_char(struct oh_span *rest, char c)
{
    if (!oh__at(*rest, c))
        return false;
    oh__skip(rest, 1);
    return true;
}

/* Takes 1*DIGIT; a number above max gives max + 1 (max < 2^64 - 1), so that the caller can tell. */
bool oh__lex_number(struct oh_span *rest, uint64_t max, uint64_t *out);

/*
 * Moves over digits (there need be none); *out is their number, or something above max when it is
 * larger.
 */
static inline const char *oh__digits_skip(const char *p, const char *end, uint32_t max,
                                          uint64_t *out)
{
    uint64_t v = 0;
    unsigned digit;

    for (; p < end && (digit = (unsigned)(unsigned char)*p - '0') <= 9; p++)
        if (v <= max)
            v = v * 10 + digit;
    *out = v;
    return p;
}

/* True when the span begins with a whole escape, "%" HEXDIG HEXDIG. */
static inline bool oh__lex_escape(struct oh_span s)
{
    return s.n >= 3 && s.p[0] == '%' && oh__is(s.p[1], OH__C_HEX) && oh__is(s.p[2], OH__C_HEX);
}

/*
 * The next byte of escaped URI text, decoded once: takes one byte, or three of
 * an escape, and returns 0 .. 255; -1 at the end. *rest must have been checked.
 */
static inline int oh__lex_unescape(struct oh_span *rest)
{
    int c;

    if (!rest->n)
        return -1;
    c = (unsigned char)*rest->p;
    if (c == '%' && oh__lex_escape(*rest)) {
        c = oh__hex_value(rest->p[1]) << 4 | oh__hex_value(rest->p[2]);
        oh__skip(rest, 3);
    } else {
        oh__skip(rest, 1);
    }
    return c;
}

/* Fills a fault (which may be NULL) for the byte at offset `at` and returns the code. */
static inline int oh__fail(struct oh_fault *fault, int code, size_t at, const char *why)
{
    if (fault)
        *fault = (struct oh_fault){code, 0, (uint32_t)at, why};
    return code;
}

#endif
