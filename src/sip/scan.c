/*
 * The work of finding rows is three questions: where are control characters
 * (line ends, or something that must not be there), does the next line go on
 * with this one (a fold), and which header is named at the front of a line. The
 * second and the bookkeeping are written once, below, and compiled twice: with
 * words of eight bytes, and with loads of 32. Control characters are found for
 * 64 bytes at a time, before anything is known about lines, so the loads do not
 * wait for each other. Lines come first and rows second: two loops that each
 * have few things in mind stay in registers, one that does both does not.
 *
 * Bare CR and bare LF are refused. RFC 3261 7 knows only CRLF, and what one
 * element takes for a line end and the next does not is how a header is
 * smuggled past a check.
 */
#include "sip/scan.h"

#include "sip/header.h"
#include "sip/lex.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_AVX2 1
#include <immintrin.h>
#define TARGET_AVX2 __attribute__((target("avx2,bmi")))
#endif

#define INLINE inline __attribute__((always_inline))

/* What a line begins with: a header's name of n bytes with a colon directly behind; id 0 when it
 * has to be looked at closer. */
struct name {
    unsigned id, n;
};

/*
 * What a version does in its own way. control_fn: one bit for each control
 * character among the 64 bytes at i (those behind n have none). name_fn: what
 * the line at i begins with.
 */
typedef uint64_t control_fn(const char *p, size_t i, size_t n);
/* lint: allow names: this is the type of a function, not a name for the struct. */
typedef struct name name_fn(const char *p, size_t i, size_t n);

/* The lines of a message, as found so far. */
struct lines {
    const char *p;
    size_t n;
    size_t from; /* where the line begins that is being read */
    size_t at;   /* where the search ended */
    bool start_folded;
    unsigned count;
    uint32_t *end; /* of each line, the start line first: where its CR is */
};

#define LINES_MAX (OH_MSG_HEADERS_MAX + 1)

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

/* The result of a step: OH__SCAN_DONE is the end of the message, GO_ON is not the end. */
#define GO_ON (-1)

/* Ends the search. */
static INLINE int stop(struct lines *l, enum oh__scan_result result, size_t at)
{
    l->at = at;
    return (int)result;
}

/* Takes the line that ends with the CR at i. */
static INLINE int line_done(struct lines *l, size_t i)
{
    if (__builtin_expect(l->count == LINES_MAX, 0))
        return stop(l, OH__SCAN_ROWS, l->from);
    l->end[l->count++] = (uint32_t)i;
    l->from = i + 2;
    return GO_ON;
}

/* The CR at i, with less than two bytes behind it. */
static INLINE int last_return(struct lines *l, size_t i)
{
    int r;

    if (i + 1 == l->n)
        return stop(l, OH__SCAN_INCOMPLETE, l->n);
    if (l->p[i + 1] != '\n')
        return stop(l, OH__SCAN_BARE_CR, i);
    if (i == l->from && i > 0)
        return stop(l, OH__SCAN_DONE, i + 2);
    r = line_done(l, i);
    return r == GO_ON ? stop(l, OH__SCAN_INCOMPLETE, i) : r;
}

/* The CR at i: a fold, the end of a line, or the empty line. */
static INLINE int carriage_return(struct lines *l, size_t i, bool inner)
{
    if (!inner && __builtin_expect(i + 2 >= l->n, 0))
        return last_return(l, i);
    if (__builtin_expect(l->p[i + 1] != '\n', 0))
        return stop(l, OH__SCAN_BARE_CR, i);
    if (i == l->from && i > 0)
        return stop(l, OH__SCAN_DONE, i + 2);
    /* Only a tab and a blank begin a fold, but one comparison sets nearly all lines free. */
    if (__builtin_expect((unsigned char)l->p[i + 2] <= ' ', 0) &&
        (l->p[i + 2] == ' ' || l->p[i + 2] == '\t')) {
        l->start_folded |= l->from == 0;
        return GO_ON;
    }
    return line_done(l, i);
}

/* Looks at every control character of one block; behind an inner one are two bytes at least. */
static INLINE int block(struct lines *l, size_t base, uint64_t mask, uint64_t *carry, bool inner)
{
    enum oh__scan_result odd;
    size_t i;
    int r;

    for (; mask; mask &= mask - 1) {
        i = base + (unsigned)__builtin_ctzll(mask);
        if (__builtin_expect(l->p[i] != '\r', 0)) {
            odd = odd_byte(l->p, l->from, i);
            if (odd != OH__SCAN_DONE)
                return stop(l, odd, i);
            continue;
        }
        r = carriage_return(l, i, inner);
        if (r != GO_ON)
            return r;
        /* The LF behind it is done with; it may be the first byte of the next block. */
        mask &= mask - 1;
        if (__builtin_expect(i == base + 63, 0))
            *carry = 1;
        if (!mask)
            break;
    }
    return GO_ON;
}

/* Finds the ends of all lines up to the empty one. */
static INLINE enum oh__scan_result find_lines(struct lines *l, control_fn *control)
{
    uint64_t mask, carry = 0;
    size_t base = 0;
    int r;

    /* Far from the end nobody has to ask where it is. */
    for (; l->n - base >= 66; base += 64) {
        mask = control(l->p, base, SIZE_MAX) & ~carry;
        carry = 0;
        r = block(l, base, mask, &carry, true);
        if (r != GO_ON)
            return (enum oh__scan_result)r;
    }
    for (; base < l->n; base += 64) {
        mask = control(l->p, base, l->n) & ~carry;
        carry = 0;
        r = block(l, base, mask, &carry, false);
        if (r != GO_ON)
            return (enum oh__scan_result)r;
    }
    return OH__SCAN_INCOMPLETE;
}

/* The first byte at or behind i that is in no token, or n. */
static size_t token_end(const char *p, size_t i, size_t n)
{
    return i + oh__run_inline(p + i, n - i, OH__C_TOKEN);
}

/* The id of a token; only the last rows of a message have not enough bytes behind them. */
static unsigned id_of(const char *p, size_t n, size_t readable)
{
    return readable >= OH__HEADER_WIDE ? oh__header_of_wide(p, n) : oh_header_of(oh_span(p, n));
}

/* What is wrong with a row that has no name, or no colon behind it. */
static const char *broken_row(char c, size_t name_n)
{
    if (c == ':')
        return "no header name before ':'";
    return name_n ? "no ':' behind the header name, or a byte that no name has"
                  : "a line that does not begin with a header name";
}

/*
 * Splits a line that the fast way could not: a name that is not in the table, or blanks before the
 * colon. Gives the colon's offset; 0 when the line is no header, which is remembered if it is the
 * first.
 */
static size_t split(const char *p, size_t n, size_t from, struct oh_row *row, struct oh__scan *out)
{
    size_t i = token_end(p, from, n), name_n = i - from <= UINT16_MAX ? i - from : 0;

    i = from + name_n;
    /* Every row ends in CR LF, so this ends there at the latest. */
    while (p[i] == ' ' || p[i] == '\t')
        i++;
    if (p[i] != ':' || !name_n) {
        if (!out->broken) {
            out->broken = broken_row(p[i], name_n);
            out->broken_at = (uint32_t)from;
        }
        return 0;
    }
    row->name_len = (uint16_t)name_n;
    row->id = (uint16_t)id_of(p + from, name_n, n - from);
    return i;
}

/* Fills a row with the line between two offsets; false when it is no header. */
static INLINE bool row_done(const char *p, size_t n, size_t from, size_t end, struct oh_row *row,
                            struct oh__scan *out, name_fn *name)
{
    struct name found = name(p, from, n);
    size_t to = end, i;

    row->name = (uint32_t)from;
    row->end = (uint32_t)end + 2;
    if (__builtin_expect(found.id != OH_HEADER_OTHER, 1)) {
        row->id = (uint16_t)found.id;
        row->name_len = (uint16_t)found.n;
        i = from + found.n;
    } else {
        i = split(p, n, from, row, out);
        if (!i)
            return false;
    }
    i++;
    /* Mostly there is one blank before the value and none behind it. */
    i += p[i] == ' ';
    if (__builtin_expect((unsigned char)p[i] <= ' ', 0))
        while (i < end && oh__is(p[i], OH__C_LWS))
            i++;
    if (__builtin_expect((unsigned char)p[to - 1] <= ' ', 0))
        while (to > i && oh__is(p[to - 1], OH__C_LWS))
            to--;
    row->value = (uint32_t)i;
    row->value_len = (uint32_t)(to - i);
    return true;
}

/* Makes rows of the lines behind the start line. */
static INLINE void make_rows(const struct lines *l, struct oh_msg *m, struct oh__scan *out,
                             name_fn *name)
{
    struct oh_row *row = m->rows;
    unsigned k;

    for (k = 1; k < l->count; k++)
        row += row_done(l->p, l->n, l->end[k - 1] + (size_t)2, l->end[k], row, out, name);
    m->rows_n = (uint16_t)(row - m->rows);
}

/* Chains the rows of each header; from the last one on, so that each meets the one behind it. */
static INLINE void chain_rows(struct oh_msg *m)
{
    unsigned k;

    for (k = m->rows_n; k > 0; k--) {
        struct oh_row *row = &m->rows[k - 1];

        row->next = m->first[row->id];
        m->first[row->id] = (uint16_t)k;
    }
}

/* The pass itself. */
static INLINE enum oh__scan_result scan(const char *p, size_t n, struct oh_msg *m,
                                        struct oh__scan *out, control_fn *control, name_fn *name)
{
    uint32_t end[LINES_MAX];
    struct lines l = {.p = p, .n = n, .at = n, .end = end};
    enum oh__scan_result result = find_lines(&l, control);

    out->at = (uint32_t)l.at;
    out->start_n = l.count ? end[0] : 0;
    out->start_folded = l.start_folded;
    out->broken = NULL;
    out->broken_at = 0;
    make_rows(&l, m, out, name);
    chain_rows(m);
    return result;
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
            if ((unsigned char)p[i + k] < ' ')
                mask |= UINT64_C(1) << k;
    }
    return mask;
}

static struct name name_scalar(const char *p, size_t i, size_t n)
{
    size_t end = token_end(p, i, n);

    if (end == n || p[end] != ':' || end - i > UINT16_MAX)
        return (struct name){OH_HEADER_OTHER, 0};
    return (struct name){id_of(p + i, end - i, n - i), (unsigned)(end - i)};
}

enum oh__scan_result oh__scan_scalar(const char *p, size_t n, struct oh_msg *m,
                                     struct oh__scan *out)
{
    return scan(p, n, m, out, control_scalar, name_scalar);
}

#ifdef HAVE_AVX2

TARGET_AVX2 static INLINE __m256i load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* One bit for each control character among 32 bytes. */
TARGET_AVX2 static INLINE uint32_t control_mask(__m256i v)
{
    __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);

    return (uint32_t)_mm256_movemask_epi8(low);
}

/* The last bytes are read together with some before them, not behind them. */
TARGET_AVX2 static INLINE uint64_t control_avx2(const char *p, size_t i, size_t n)
{
    size_t from = i;

    if (n - i < 64) {
        if (n < 64)
            return control_scalar(p, i, n);
        from = n - 64;
    }
    return ((uint64_t)control_mask(load(p + from + 32)) << 32 | control_mask(load(p + from))) >>
           (i - from);
}

/*
 * Nearly all rows begin with a name of the table and a colon, so the name ends at the first colon.
 * It is compared with the one or two names that it can be; bit 5, which tells upper from lower
 * case, does not count. Where a name has "-", a CR would pass for it, but no CR stands in a line.
 */
TARGET_AVX2 static INLINE struct name name_avx2(const char *p, size_t i, size_t n)
{
    struct name name = {OH_HEADER_OTHER, 0};
    __m256i v, counts;
    uint32_t colons;

    if (__builtin_expect(n - i < 32, 0))
        return name_scalar(p, i, n);
    v = load(p + i);
    colons = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(':')));
    if (__builtin_expect(!colons, 0))
        return name;
    name.n = (unsigned)__builtin_ctz(colons);
    counts = load(oh__header_counts + 32 - name.n);
    name.id = oh__header_slots[OH__HEADER_SLOT(name.n, p[i])];
    while (__builtin_expect(
        !_mm256_testz_si256(_mm256_xor_si256(v, load(oh__header_names[name.id].text)), counts),
        0)) {
        /* A compact form is not the beginning of its name, and known by its place. */
        if (name.n == 1) {
            name.id = oh__is(p[i], OH__C_ALPHA) ? name.id : OH_HEADER_OTHER;
            break;
        }
        name.id = oh__header_chain[name.id];
        if (!name.id)
            break;
    }
    return name;
}

TARGET_AVX2 enum oh__scan_result oh__scan_avx2(const char *p, size_t n, struct oh_msg *m,
                                               struct oh__scan *out)
{
    return scan(p, n, m, out, control_avx2, name_avx2);
}

bool oh__scan_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
}

#else

enum oh__scan_result oh__scan_avx2(const char *p, size_t n, struct oh_msg *m, struct oh__scan *out)
{
    return oh__scan_scalar(p, n, m, out);
}

bool oh__scan_has_avx2(void)
{
    return false;
}

#endif

enum oh__scan_result oh__scan(const char *p, size_t n, struct oh_msg *m, struct oh__scan *out)
{
    return oh__scan_has_avx2() ? oh__scan_avx2(p, n, m, out) : oh__scan_scalar(p, n, m, out);
}
