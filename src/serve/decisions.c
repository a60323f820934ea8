/*
 * The rings: one for what our own people do, a smaller one for strangers, who
 * may send thousands of bad requests a second and must not push out why a call
 * has failed. The memory is asked for at once but not touched, so that the
 * operating system provides it page by page as it fills. Everything that takes
 * time (cleaning texts that strangers wrote) happens before the lock.
 */
#include "serve/decisions.h"

#include <pthread.h>

#define STRANGERS_PART 4 /* their ring is one so many-th of the other */

/* Entries in the order of seq, which has gaps where an entry went into the other ring. */
struct ring {
    uint32_t cap;
    uint64_t count; /* entries ever; the last `cap` of them are there */
    struct oh__decision *v;
};

struct oh__decisions {
    const struct oh_alloc *alloc;
    pthread_mutex_t lock;
    uint64_t next;        /* seq of the next entry */
    struct ring rings[2]; /* [1]: of strangers */
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
    d->next = 1;
    pthread_mutex_init(&d->lock, NULL);
    d->rings[0].cap = n ? n : 1;
    d->rings[1].cap = n / STRANGERS_PART + 1;
    for (unsigned i = 0; i < 2; i++) {
        d->rings[i].v = oh_alloc(alloc, d->rings[i].cap * sizeof(struct oh__decision));
        if (!d->rings[i].v) {
            oh__decisions_free(d);
            return NULL;
        }
    }
    return d;
}

void oh__decisions_free(struct oh__decisions *d)
{
    if (!d)
        return;
    pthread_mutex_destroy(&d->lock);
    for (unsigned i = 0; i < 2; i++)
        oh_free(d->alloc, d->rings[i].v, d->rings[i].cap * sizeof(struct oh__decision));
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
    struct ring *r = &d->rings[e.stranger];

    r->v[r->count++ % r->cap] = e;
    pthread_mutex_unlock(&d->lock);
}

/* The newest entry of a ring with seq <= most; NULL when there is none. */
static const struct oh__decision *newest(const struct ring *r, uint64_t most)
{
    uint64_t low = r->count > r->cap ? r->count - r->cap : 0, first = low, high = r->count;

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;

        if (r->v[mid % r->cap].seq <= most)
            low = mid + 1;
        else
            high = mid;
    }
    return low > first ? &r->v[(low - 1) % r->cap] : NULL;
}

int oh__decisions_before(struct oh__decisions *d, uint64_t before, struct oh__decision *out)
{
    const struct oh__decision *a, *b;

    pthread_mutex_lock(&d->lock);
    a = newest(&d->rings[0], before ? before - 1 : UINT64_MAX);
    b = newest(&d->rings[1], before ? before - 1 : UINT64_MAX);
    if (!a || (b && b->seq > a->seq))
        a = b;
    if (a)
        *out = *a;
    pthread_mutex_unlock(&d->lock);
    return a ? OH_OK : OH_E_ABSENT;
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
