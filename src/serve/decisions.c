/*
 * The ring. Its memory is asked for at once but not touched, so that the
 * operating system provides it page by page as it fills. Everything that takes
 * time (cleaning texts that strangers wrote) happens before the lock.
 */
#include "serve/decisions.h"

#include <pthread.h>

struct oh__decisions {
    const struct oh_alloc *alloc;
    pthread_mutex_t lock;
    uint64_t next; /* seq of the next entry */
    uint32_t n;
    struct oh__decision *ring;
};

struct oh__decisions *oh__decisions_new(const struct oh_alloc *alloc, uint32_t n)
{
    struct oh__decisions *d;

    if (!alloc)
        alloc = oh_alloc_default();
    d = oh_alloc_zero(alloc, 1, sizeof(*d));
    if (!d)
        return NULL;
    d->alloc = alloc;
    d->n = n ? n : 1;
    d->next = 1;
    d->ring = oh_alloc(alloc, d->n * sizeof(*d->ring));
    if (!d->ring) {
        oh_free(alloc, d, sizeof(*d));
        return NULL;
    }
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

void oh__decisions_free(struct oh__decisions *d)
{
    if (!d)
        return;
    pthread_mutex_destroy(&d->lock);
    oh_free(d->alloc, d->ring, d->n * sizeof(*d->ring));
    oh_free(d->alloc, d, sizeof(*d));
}

/* How many bytes follow the first one of a UTF-8 sequence (RFC 3629 4); -1 for a byte that starts
 * none. */
static int follow_of(uint8_t c)
{
    if (c < 0x80)
        return 0;
    if (c >= 0xc2 && c < 0xe0)
        return 1;
    if (c >= 0xe0 && c < 0xf0)
        return 2;
    return c >= 0xf0 && c < 0xf5 ? 3 : -1;
}

/*
 * The length of the printable character at p, or 0 when it is a control
 * character (C1, too: terminals obey U+009B) or no UTF-8.
 */
static size_t printable(const char *p, size_t n)
{
    uint8_t c = (uint8_t)*p;
    int follow = follow_of(c);

    if (follow < 0 || (size_t)follow >= n || c < 0x20 || c == 0x7f)
        return 0;
    for (int i = 1; i <= follow; i++) {
        if (((uint8_t)p[i] & 0xc0) != 0x80)
            return 0;
    }
    if (follow == 0)
        return 1;
    uint8_t second = (uint8_t)p[1];

    /* Overlong forms, surrogates, numbers above U+10FFFF, and C1. */
    if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
        (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f) ||
        (c == 0xc2 && second < 0xa0))
        return 0;
    return (size_t)follow + 1;
}

/* Makes a field safe to print and ends it within its room. */
static void clean(char *field, size_t cap)
{
    const char *end = memchr(field, 0, cap);
    size_t n = end ? (size_t)(end - field) : cap - 1;

    for (size_t i = 0; i < n;) {
        size_t len = printable(field + i, n - i);

        if (len == 0)
            field[i] = '?';
        i += len ? len : 1;
    }
    memset(field + n, 0, cap - n);
}

void oh__decisions_add(struct oh__decisions *d, const struct oh__decision *entry)
{
    struct oh__decision e = *entry;

    clean(e.method, sizeof(e.method));
    clean(e.call_id, sizeof(e.call_id));
    clean(e.account, sizeof(e.account));
    clean(e.target, sizeof(e.target));
    clean(e.agent, sizeof(e.agent));
    clean(e.why, sizeof(e.why));
    clean(e.fix, sizeof(e.fix));
    pthread_mutex_lock(&d->lock);
    e.seq = d->next++;
    d->ring[(e.seq - 1) % d->n] = e;
    pthread_mutex_unlock(&d->lock);
}

int oh__decisions_before(struct oh__decisions *d, uint64_t before, struct oh__decision *out)
{
    int result = OH_E_ABSENT;

    pthread_mutex_lock(&d->lock);
    uint64_t seq = before && before < d->next ? before - 1 : d->next - 1;

    if (seq > 0 && d->next - seq <= d->n) {
        *out = d->ring[(seq - 1) % d->n];
        result = OH_OK;
    }
    pthread_mutex_unlock(&d->lock);
    return result;
}

const char *oh__decision_name(enum oh__decision_kind kind)
{
    static const char *const names[OH__DECISION_COUNT] = {
#define OH__DECISION_NAME(name, text) text,
        OH__DECISIONS(OH__DECISION_NAME)
#undef OH__DECISION_NAME
    };

    return (unsigned)kind < OH__DECISION_COUNT ? names[kind] : "?";
}
