/*
 * The work of finding rows is three questions per line: how long is the token
 * at its front (a header name), where is the next control character (a line end,
 * or something that must not be there), and does the next line go on with this
 * one (a fold). The third and the bookkeeping are written once, below, and
 * compiled twice: with loops over bytes, and with loads of 32 bytes. Control
 * characters are rare, so one load usually answers for half a line.
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

#define INLINE static inline __attribute__((always_inline))

/* The two questions that a version answers in its own way. */
typedef size_t scan_fn(const char *p, size_t i, size_t n);

/* True for a NUL behind an odd number of "\", which is an escaped one. */
static bool escaped(const char *p, size_t from, size_t at)
{
    size_t i = at;

    while (i > from && p[i - 1] == '\\')
        i--;
    return ((at - i) & 1) != 0;
}

/*
 * Finds the CR that ends the logical line which begins at `line`. DONE: *at is
 * that CR, and a byte that is no blank follows its LF. INCOMPLETE with *at < n:
 * the line has its end, but the bytes end there.
 */
INLINE enum oh__scan_result line_end(const char *p, size_t line, size_t n, size_t *at,
                                     scan_fn *control)
{
    size_t i = line;

    for (;;) {
        i = control(p, i, n);
        *at = i;
        if (i == n)
            return OH__SCAN_INCOMPLETE;
        if (__builtin_expect(p[i] == '\r', 1)) {
            if (i + 1 == n) {
                *at = n;
                return OH__SCAN_INCOMPLETE;
            }
            if (p[i + 1] != '\n')
                return OH__SCAN_BARE_CR;
            if (i + 2 == n)
                return OH__SCAN_INCOMPLETE;
            if (p[i + 2] != ' ' && p[i + 2] != '\t')
                return OH__SCAN_DONE;
            i += 3;
        } else if (p[i] == '\n') {
            return OH__SCAN_BARE_LF;
        } else if (p[i] == '\0' && !escaped(p, line, i)) {
            return OH__SCAN_NUL;
        } else {
            i++;
        }
    }
}

/* The pass itself. */
INLINE enum oh__scan_result scan(const char *p, size_t n, struct oh_row *rows, struct oh__scan *out,
                                 scan_fn *control, scan_fn *token)
{
    size_t line, end, name_n;
    uint16_t rows_n = 0;
    enum oh__scan_result r = line_end(p, 0, n, &end, control);

    *out = (struct oh__scan){.at = (uint32_t)end};
    if (end == n || r > OH__SCAN_INCOMPLETE)
        return r;
    out->start_token = (uint32_t)token(p, 0, n);
    out->start_n = (uint32_t)end;
    while (r == OH__SCAN_DONE) {
        line = end + 2;
        if (p[line] == '\r' && line + 1 < n && p[line + 1] == '\n') {
            end = line + 2;
            break;
        }
        r = line_end(p, line, n, &end, control);
        if (end == n || r > OH__SCAN_INCOMPLETE)
            break;
        if (rows_n == OH_MSG_HEADERS_MAX) {
            r = OH__SCAN_ROWS;
            end = line;
            break;
        }
        name_n = token(p, line, n) - line;
        rows[rows_n].name = (uint32_t)line;
        rows[rows_n].name_len = (uint16_t)(name_n > UINT16_MAX ? 0 : name_n);
        rows[rows_n].end = (uint32_t)end + 2;
        rows_n++;
    }
    out->at = (uint32_t)end;
    out->rows_n = rows_n;
    return r;
}

/* The first control character but tab at or behind i, or n. */
static size_t control_scalar(const char *p, size_t i, size_t n)
{
    while (i < n && ((unsigned char)p[i] >= ' ' || p[i] == '\t'))
        i++;
    return i;
}

/* The first byte at or behind i that no token has, or n. */
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
TARGET_AVX2 INLINE uint32_t control_mask(__m256i v)
{
    __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);
    __m256i tab = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\t'));

    return (uint32_t)_mm256_movemask_epi8(_mm256_andnot_si256(tab, low));
}

TARGET_AVX2 INLINE __m256i load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

TARGET_AVX2 INLINE size_t control_avx2(const char *p, size_t i, size_t n)
{
    uint32_t mask;

    for (; i + 32 <= n; i += 32) {
        mask = control_mask(load(p + i));
        if (mask)
            return i + (size_t)__builtin_ctz(mask);
    }
    if (i == n || n < 32)
        return control_scalar(p, i, n);
    /* The last bytes are read together with some before them, not behind them. */
    mask = control_mask(load(p + n - 32)) >> (i - (n - 32));
    return mask ? i + (size_t)__builtin_ctz(mask) : n;
}

/*
 * One bit for each byte that is not in token. A byte is two nibbles: the low one
 * selects a set of high ones (bit h: the byte 0xhl is in token), the high one
 * its bit in that set; bytes above 0x7f select no set.
 */
TARGET_AVX2 INLINE uint32_t other_mask(__m256i v)
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

TARGET_AVX2 INLINE size_t token_avx2(const char *p, size_t i, size_t n)
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
