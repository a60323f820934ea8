/*
 * The sums are CRC-32C, which finds every burst of up to 32 bits and misses
 * other damage once in four billion times; the processor adds up eight bytes
 * per instruction, so a record costs some 20 ns. A sum is no protection against
 * a writer of the file; the salt only keeps strangers from planting a record
 * inside of their own data, where it would lie in wait for damage before it.
 */
#include "store/record.h"

#include "base/hash.h"
#include "base/word.h"
#include "store/files.h"

#define FORMAT 1

/* Where the salt lies in the head of a file. */
#define SALT_AT 40

#define CASTAGNOLI 0x82f63b78u

/* The window of a scan: room for the largest record and enough to make reads worth their while. */
#define WINDOW (4u * OH__RECORD_MAX)

static void put32(char *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (char)(v >> 8 * i);
}

static uint32_t get32(const char *from)
{
    const unsigned char *u = (const unsigned char *)from;

    return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

/* Records begin at multiples of 8, so a search for the next one has few places to look at. */
static size_t padded(size_t n)
{
    return (n + OH__RECORD_STEP - 1) & ~(size_t)(OH__RECORD_STEP - 1);
}

size_t oh__record_size(struct oh_span aor, struct oh_span body)
{
    if (aor.n > UINT16_MAX || body.n > OH__RECORD_MAX ||
        OH__RECORD_HEAD + aor.n + body.n > OH__RECORD_MAX)
        return 0;
    return padded(OH__RECORD_HEAD + aor.n + body.n);
}

void oh__record_put(char *to, uint32_t seed, const struct oh__record *r)
{
    size_t n = OH__RECORD_HEAD + r->aor.n + r->body.n;
    char *text = to + OH__RECORD_HEAD;

    if (r->aor.n)
        memcpy(text, r->aor.p, r->aor.n);
    if (r->body.n)
        memcpy(text + r->aor.n, r->body.p, r->body.n);
    memset(to + n, 0, padded(n) - n);
    put32(to + 4, oh__crc32c(seed, text, n - OH__RECORD_HEAD));
    put32(to + 8, (uint32_t)n);
    put32(to + 12, (uint32_t)r->aor.n | (uint32_t)FORMAT << 16);
    oh__store64le(to + 16, r->lsn);
    oh__store64le(to + 24, r->version);
    put32(to, oh__crc32c(seed, to + 4, OH__RECORD_HEAD - 4));
}

int oh__record_get(struct oh_span bytes, uint32_t seed, struct oh__record *out, size_t *size)
{
    size_t n, aor_n;

    if (bytes.n < OH__RECORD_HEAD)
        return OH_E_CORRUPT;
    n = get32(bytes.p + 8);
    aor_n = get32(bytes.p + 12) & UINT16_MAX;
    /* The plain comparisons come first: they reject nearly everything that is no record. */
    if (get32(bytes.p + 12) >> 16 != FORMAT || n < OH__RECORD_HEAD + aor_n || n > OH__RECORD_MAX)
        return OH_E_CORRUPT;
    if (get32(bytes.p) != oh__crc32c(seed, bytes.p + 4, OH__RECORD_HEAD - 4))
        return OH_E_CORRUPT;
    /* The head is good, so its size can be believed. */
    if (bytes.n < padded(n))
        return OH_E_INCOMPLETE;
    if (get32(bytes.p + 4) != oh__crc32c(seed, bytes.p + OH__RECORD_HEAD, n - OH__RECORD_HEAD))
        return OH_E_CORRUPT;
    out->lsn = oh__load64le(bytes.p + 16);
    out->version = oh__load64le(bytes.p + 24);
    out->aor = oh_span(bytes.p + OH__RECORD_HEAD, aor_n);
    out->body = oh_span_from(oh_span_head(bytes, n), OH__RECORD_HEAD + aor_n);
    *size = padded(n);
    return OH_OK;
}

void oh__file_head_put(char to[OH__FILE_HEAD], const struct oh__file_head *head)
{
    memset(to, 0, OH__FILE_HEAD);
    memcpy(to, head->magic, 8);
    put32(to + 8, OH__FILE_FORMAT);
    put32(to + 12, head->worker);
    oh__store64le(to + 16, head->sequence);
    oh__store64le(to + 24, head->generation);
    oh__store64le(to + 32, head->floor);
    memcpy(to + SALT_AT, head->salt, sizeof(head->salt));
    put32(to + OH__FILE_HEAD - 4, oh__crc32c(0, to, OH__FILE_HEAD - 4));
}

int oh__file_head_get(const char from[OH__FILE_HEAD], const char magic[8],
                      struct oh__file_head *out)
{
    if (get32(from + OH__FILE_HEAD - 4) != oh__crc32c(0, from, OH__FILE_HEAD - 4) ||
        memcmp(from, magic, 8) != 0)
        return OH_E_CORRUPT;
    if (get32(from + 8) > OH__FILE_FORMAT)
        return OH_E_VERSION;
    memcpy(out->magic, from, 8);
    out->worker = get32(from + 12);
    out->sequence = oh__load64le(from + 16);
    out->generation = oh__load64le(from + 24);
    out->floor = oh__load64le(from + 32);
    memcpy(out->salt, from + SALT_AT, sizeof(out->salt));
    return OH_OK;
}

uint32_t oh__file_seed(const struct oh__file_head *head)
{
    return oh__crc32c(0, head->salt, sizeof(head->salt));
}

/*
 * The value that a sum over these bytes started from: the sum is run backwards. A step of it shifts
 * out a bit and adds the polynomial if that bit was 1, which the highest bit tells afterwards.
 */
static uint32_t start_of(uint32_t sum, const char *p, size_t n)
{
    uint32_t crc = ~sum;

    while (n-- > 0) {
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 31 ? (crc ^ CASTAGNOLI) << 1 | 1 : crc << 1;
        crc ^= (unsigned char)p[n];
    }
    return ~crc;
}

/*
 * Only the first place is looked at, where no stranger's text can lie: in the middle of a file a
 * record could have been planted, since its writer would be free to choose the seed.
 */
int oh__file_seed_guess(const char head[OH__FILE_HEAD], struct oh_span bytes, uint32_t *seed,
                        struct oh__record *first)
{
    uint32_t guesses[2];
    size_t size;

    if (bytes.n < OH__RECORD_HEAD)
        return OH_E_CORRUPT;
    guesses[0] = oh__crc32c(0, head + SALT_AT, 16);
    guesses[1] = start_of(get32(bytes.p), bytes.p + 4, OH__RECORD_HEAD - 4);
    for (int i = 0; i < 2; i++) {
        if (oh__record_get(bytes, guesses[i], first, &size) != OH_OK)
            continue;
        *seed = guesses[i];
        return OH_OK;
    }
    return OH_E_CORRUPT;
}

int oh__scan_init(struct oh__scan *s, int fd, uint32_t seed)
{
    memset(s, 0, sizeof(*s));
    s->fd = fd;
    s->seed = seed;
    s->offset = OH__FILE_HEAD;
    s->buf = oh_alloc(oh_alloc_default(), WINDOW);
    return s->buf ? OH_OK : OH_E_NOMEM;
}

void oh__scan_done(struct oh__scan *s)
{
    oh_free(oh_alloc_default(), s->buf, WINDOW);
    s->buf = NULL;
}

/* Moves the window so that it begins where we are. */
static int refill(struct oh__scan *s)
{
    size_t rest = s->n - s->at, got;
    int rc;

    memmove(s->buf, s->buf + s->at, rest);
    s->offset += s->at;
    s->at = 0;
    s->n = rest;
    rc = oh__files_read(s->fd, s->buf + rest, WINDOW - rest, s->offset + rest, &got);
    if (rc != OH_OK)
        return rc;
    s->n += got;
    /* Less than asked for comes only at the end: oh__files_read goes on after an interruption. */
    s->ended = s->n < WINDOW;
    return OH_OK;
}

/* Passes what is no record: one step, and at once all the zeros that follow it. */
static void pass(struct oh__scan *s)
{
    size_t from = s->at;

    if (s->gap == 0 && s->damaged == 0)
        s->first = s->offset + s->at;
    do {
        s->at += OH__RECORD_STEP;
    } while (s->n - s->at >= 2 * OH__RECORD_STEP && oh__load64(s->buf + s->at) == 0);
    s->gap += s->at - from;
}

/*
 * The window always holds a whole record, if there is one, before it is looked at; what is
 * incomplete is so because the file ends, and is passed like everything else that is no record.
 */
int oh__scan_next(struct oh__scan *s, struct oh__record *out)
{
    for (;;) {
        size_t size;
        int rc;

        if (!s->ended && s->n - s->at < OH__RECORD_MAX && (rc = refill(s)) != OH_OK)
            return rc;
        if (s->n - s->at < OH__RECORD_HEAD)
            return OH_E_ABSENT;
        if (oh__record_get(oh_span(s->buf + s->at, s->n - s->at), s->seed, out, &size) != OH_OK) {
            pass(s);
            continue;
        }
        s->at += size;
        /* Only now it is known that what was passed was a hole and not the end. */
        s->damaged += s->gap;
        s->gap = 0;
        return OH_OK;
    }
}
