/*
 * The work of finding rows is three questions: where are control characters
 * (line ends, or something that must not be there), does the next line go on
 * with this one (a fold), and how long is the token at the front of a line (a
 * header name). The second and the bookkeeping are written once, below, and
 * compiled twice: with words of eight bytes, and with loads of 32. Control
 * characters are found for 64 bytes at a time, before anything is known about
 * lines, so the loads do not wait for each other.
 *
 * Bare CR and bare LF are refused. RFC 3261 7 knows only CRLF, and what one
 * element takes for a line end and the next does not is how a header is
 * smuggled past a check.
 */
#include "sip/scan.h"

#include "sip/lex.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_AVX2 1
#include <immintrin.h>
#define TARGET_AVX2 __attribute__((target("avx2")))
#endif

#define INLINE inline __attribute__((always_inline))

/*
 * What a version does in its own way: one bit for each control character but tab
 * among the 64 bytes at i (those behind n have none), and the first byte at or
 * behind i that is in no token, or n.
 */
typedef uint64_t control_fn(const char *p, size_t i, size_t n);
typedef size_t token_fn(const char *p, size_t i, size_t n);

/* A pass in progress. */
struct pass {
    const char *p;
    size_t n;
    size_t line;                   /* where the logical line begins */
    struct oh_row *row, *rows_end; /* the next row to fill */
    size_t at, start_token, start_n;
    bool start_folded;
    enum oh__scan_result result;
};

/* True for a NUL behind an odd number of "\", which is an escaped one. */
static bool escaped(const char *p, size_t from, size_t at)
{
    size_t i = at;

    while (i > from && p[i - 1] == '\\')
        i--;
    return ((at - i) & 1) != 0;
}

/* Something other than CR LF: what the pass ends with, or DONE when it goes on. */
static enum oh__scan_result odd_byte(const char *p, size_t line, size_t i)
{
    switch (p[i]) {
    case '\n': return OH__SCAN_BARE_LF;
    case '\r': return OH__SCAN_BARE_CR;
    case '\0': return escaped(p, line, i) ? OH__SCAN_DONE : OH__SCAN_NUL;
    default: return OH__SCAN_DONE;
    }
}

/* Ends the pass. */
static INLINE bool stop(struct pass *s, enum oh__scan_result result, size_t at)
{
    s->result = result;
    s->at = at;
    return true;
}

/* Records the line that ends with the CR at `end`; true when the pass ends there. */
static INLINE bool line_done(struct pass *s, size_t end, token_fn *token)
{
    size_t name_n = token(s->p, s->line, s->n) - s->line;
    struct oh_row *row = s->row;

    if (s->line == 0) {
        s->start_token = name_n;
        s->start_n = end;
    } else {
        if (row == s->rows_end)
            return stop(s, OH__SCAN_ROWS, s->line);
        row->name = (uint32_t)s->line;
        row->name_len = (uint16_t)(name_n > UINT16_MAX ? 0 : name_n);
        row->end = (uint32_t)end + 2;
        s->row++;
    }
    s->line = end + 2;
    return false;
}

/* The CR at i: a fold, the end of a line, or the empty line. True when the pass ends there. */
static INLINE bool carriage_return(struct pass *s, size_t i, token_fn *token)
{
    if (__builtin_expect(i + 2 >= s->n, 0)) {
        if (i + 1 == s->n)
            return stop(s, OH__SCAN_INCOMPLETE, s->n);
        if (s->p[i + 1] != '\n')
            return stop(s, OH__SCAN_BARE_CR, i);
        if (i == s->line && i > 0)
            return stop(s, OH__SCAN_DONE, i + 2);
        return line_done(s, i, token) || stop(s, OH__SCAN_INCOMPLETE, i);
    }
    if (s->p[i + 1] != '\n')
        return stop(s, OH__SCAN_BARE_CR, i);
    if (i == s->line && i > 0)
        return stop(s, OH__SCAN_DONE, i + 2);
    if (s->p[i + 2] == ' ' || s->p[i + 2] == '\t') {
        s->start_folded |= s->line == 0;
        return false;
    }
    return line_done(s, i, token);
}

/* Looks at every control character of one block; true when the pass ends there. */
static INLINE bool block(struct pass *s, size_t base, uint64_t mask, uint64_t *carry,
                         token_fn *token)
{
    enum oh__scan_result odd;
    size_t i;

    for (; mask; mask &= mask - 1) {
        i = base + (size_t)__builtin_ctzll(mask);
        if (__builtin_expect(s->p[i] != '\r', 0)) {
            odd = odd_byte(s->p, s->line, i);
            if (odd != OH__SCAN_DONE)
                return stop(s, odd, i);
            continue;
        }
        if (carriage_return(s, i, token))
            return true;
        /* The LF behind it is done with; it may be the first byte of the next block. */
        mask &= mask - 1;
        *carry = i == base + 63;
        if (!mask)
            break;
    }
    return false;
}

/* The pass itself. */
static INLINE enum oh__scan_result scan(const char *p, size_t n, struct oh_row *rows,
                                        struct oh__scan *out, control_fn *control, token_fn *token)
{
    struct pass s = {.p = p,
                     .n = n,
                     .row = rows,
                     .rows_end = rows + OH_MSG_HEADERS_MAX,
                     .at = n,
                     .result = OH__SCAN_INCOMPLETE};
    uint64_t mask, carry = 0;
    size_t base;

    for (base = 0; base < n; base += 64) {
        mask = control(p, base, n) & ~carry;
        carry = 0;
        if (block(&s, base, mask, &carry, token))
            break;
    }
    out->at = (uint32_t)s.at;
    out->start_token = (uint32_t)s.start_token;
    out->start_n = (uint32_t)s.start_n;
    out->rows_n = (uint16_t)(s.row - rows);
    out->start_folded = s.start_folded;
    return s.result;
}

static uint64_t eight(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* Bit 7 of each byte that is below 0x20: exact, since no sum carries into the next byte. */
static uint64_t below_blank(uint64_t v)
{
    const uint64_t high = UINT64_C(0x8080808080808080);

    return ~(((v & ~high) + UINT64_C(0x6060606060606060)) | v) & high;
}

static uint64_t control_scalar(const char *p, size_t i, size_t n)
{
    size_t end = n - i < 64 ? n - i : 64, k = 0, stop_at;
    uint64_t mask = 0;

    while (k < end) {
        stop_at = end - k < 8 ? end : k + 8;
        if (end - k >= 8 && !below_blank(eight(p + i + k))) {
            k += 8;
            continue;
        }
        for (; k < stop_at; k++)
            if ((unsigned char)p[i + k] < ' ' && p[i + k] != '\t')
                mask |= UINT64_C(1) << k;
    }
    return mask;
}

static size_t token_scalar(const char *p, size_t i, size_t n)
{
    while (i < n && oh__is(p[i], OH__C_TOKEN))
        i++;
    return i;
}

enum oh__scan_result oh__scan_scalar(const char *p, size_t n, struct oh_row *rows,
                                     struct oh__scan *out)
{
    return scan(p, n, rows, out, control_scalar, token_scalar);
}

#ifdef HAVE_AVX2

/* One bit for each control character but tab among 32 bytes. */
TARGET_AVX2 static INLINE uint32_t control_mask(__m256i v)
{
    __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);
    __m256i tab = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\t'));

    return (uint32_t)_mm256_movemask_epi8(_mm256_andnot_si256(tab, low));
}

TARGET_AVX2 static INLINE __m256i load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

TARGET_AVX2 static INLINE uint64_t control_avx2(const char *p, size_t i, size_t n)
{
    size_t from = i;

    if (i + 64 > n) {
        if (n < 64)
            return control_scalar(p, i, n);
        /* The last bytes are read together with some before them, not behind them. */
        from = n - 64;
    }
    return ((uint64_t)control_mask(load(p + from + 32)) << 32 | control_mask(load(p + from))) >>
           (i - from);
}

/*
 * One bit for each byte that is not in token. A byte is two nibbles: the low one
 * selects a set of high ones (bit h: the byte 0xhl is in token), the high one
 * its bit in that set; bytes above 0x7f select no set.
 */
TARGET_AVX2 static INLINE uint32_t other_mask(__m256i v)
{
    const __m256i sets = _mm256_setr_epi8(
        (char)0xe8, (char)0xfc, (char)0xf8, (char)0xf8, (char)0xf8, (char)0xfc, (char)0xf8,
        (char)0xfc, (char)0xf8, (char)0xf8, (char)0xf4, 0x54, 0x50, 0x54, (char)0xd4, 0x70,
        (char)0xe8, (char)0xfc, (char)0xf8, (char)0xf8, (char)0xf8, (char)0xfc, (char)0xf8,
        (char)0xfc, (char)0xf8, (char)0xf8, (char)0xf4, 0x54, 0x50, 0x54, (char)0xd4, 0x70);
    const __m256i bits = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)0x80, 0, 0, 0, 0, 0, 0, 0,
                                          0, 1, 2, 4, 8, 16, 32, 64, (char)0x80, 0, 0, 0, 0, 0, 0,
                                          0, 0);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(0x0f));
    __m256i hit = _mm256_and_si256(_mm256_shuffle_epi8(sets, v), _mm256_shuffle_epi8(bits, high));

    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(hit, _mm256_setzero_si256()));
}

TARGET_AVX2 static INLINE size_t token_avx2(const char *p, size_t i, size_t n)
{
    uint32_t mask;

    for (; i + 32 <= n; i += 32) {
        mask = other_mask(load(p + i));
        if (mask)
            return i + (size_t)__builtin_ctz(mask);
    }
    return token_scalar(p, i, n);
}

TARGET_AVX2 enum oh__scan_result oh__scan_avx2(const char *p, size_t n, struct oh_row *rows,
                                               struct oh__scan *out)
{
    return scan(p, n, rows, out, control_avx2, token_avx2);
}

bool oh__scan_has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

#else

enum oh__scan_result oh__scan_avx2(const char *p, size_t n, struct oh_row *rows,
                                   struct oh__scan *out)
{
    return oh__scan_scalar(p, n, rows, out);
}

bool oh__scan_has_avx2(void)
{
    return false;
}

#endif

enum oh__scan_result oh__scan(const char *p, size_t n, struct oh_row *rows, struct oh__scan *out)
{
    return oh__scan_has_avx2() ? oh__scan_avx2(p, n, rows, out) : oh__scan_scalar(p, n, rows, out);
}
