/*
 * The rings: one for what our own people do, a smaller one for strangers, who
 * may send thousands of bad requests a second and must not push out why a call
 * has failed. The memory is asked for at once but not touched, so that the
 * operating system provides it page by page as it fills. In an entry the texts
 * stand one behind the other, so that adding one touches a few lines of memory
 * that nobody has in his cache, and not all that it might take. Everything that
 * takes time (cleaning texts that strangers wrote) happens before the lock.
 */
#include "serve/decisions.h"

#include <pthread.h>

#include "base/word.h"

#define STRANGERS_PART 4 /* their ring is one so many-th of the other */

#define ADD_BYTES(name, bytes) +(bytes)
#define ADD_ONE(name, bytes)   +1
#define TEXT_BYTES             (0 OH__DECISION_TEXTS(ADD_BYTES))
#define TEXTS                  (0 OH__DECISION_TEXTS(ADD_ONE))

/* A decision as it is kept; a text ends where the next one begins. */
struct entry {
    OH__DECISION_HEAD(OH__DECISION_MEMBER)
    uint16_t end[TEXTS];
    char text[TEXT_BYTES];
};

/* Entries in the order of seq, which has gaps where an entry went into the other ring. */
struct ring {
    uint32_t cap;
    uint64_t count; /* entries ever; the last `cap` of them are there */
    struct entry *v;
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
        d->rings[i].v = oh_alloc(alloc, d->rings[i].cap * sizeof(struct entry));
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
        oh_free(d->alloc, d->rings[i].v, d->rings[i].cap * sizeof(struct entry));
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

/* Makes n bytes safe to print. */
static void clean(char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = printable(p + i, n - i);

        if (len == 0)
            p[i] = '?';
        i += len ? len : 1;
    }
}

/* True when all bytes are printable ASCII, which they mostly are. */
static bool plain(const char *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v = oh__load64le(p);
        uint64_t del = v ^ (OH__ONES * 0x7f);

        /* No byte of 0x80 and above, none below a blank, none that is DEL. */
        if ((v | (v - (OH__ONES * 0x20)) | (del - (OH__ONES * 0x01))) & (OH__ONES * 0x80))
            return false;
    }
    for (; n; p++, n--)
        if ((uint8_t)(*p - 0x20) >= 0x7f - 0x20)
            return false;
    return true;
}

/* Adds a text to an entry, at most cap - 1 bytes of it, cut at a UTF-8 character's start. */
static uint16_t put(struct entry *e, uint16_t at, struct oh_span text, size_t cap)
{
    size_t n = text.n < cap ? text.n : cap - 1;

    while (n > 0 && n < text.n && ((uint8_t)text.p[n] & 0xc0) == 0x80)
        n--;
    if (n)
        memcpy(e->text + at, text.p, n);
    if (!plain(e->text + at, n))
        clean(e->text + at, n);
    return (uint16_t)(at + n);
}

void oh__decisions_add(struct oh__decisions *d, const struct oh__decided *decided)
{
    struct entry e;
    unsigned i = 0;
    uint16_t at = 0;

#define COPY(type, name) e.name = decided->name;
    OH__DECISION_HEAD(COPY)
#undef COPY
#define PUT(name, bytes) e.end[i++] = at = put(&e, at, decided->name, bytes);
    OH__DECISION_TEXTS(PUT)
#undef PUT
    pthread_mutex_lock(&d->lock);
    e.seq = d->next++;
    struct ring *r = &d->rings[e.stranger];

    memcpy(&r->v[r->count++ % r->cap], &e, offsetof(struct entry, text) + at);
    pthread_mutex_unlock(&d->lock);
}

/* The newest entry of a ring with seq <= most; NULL when there is none. */
static const struct entry *newest(const struct ring *r, uint64_t most)
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

/* Gives a text its own field and its terminator. */
static uint16_t get(const struct entry *e, uint16_t at, uint16_t end, char *field)
{
    memcpy(field, e->text + at, (size_t)(end - at));
    field[end - at] = 0;
    return end;
}

static void unpack(const struct entry *e, struct oh__decision *out)
{
    unsigned i = 0;
    uint16_t at = 0;

#define COPY(type, name) out->name = e->name;
    OH__DECISION_HEAD(COPY)
#undef COPY
#define GET(name, bytes) at = get(e, at, e->end[i++], out->name);
    OH__DECISION_TEXTS(GET)
#undef GET
}

int oh__decisions_before(struct oh__decisions *d, uint64_t before, struct oh__decision *out)
{
    const struct entry *a, *b;

    pthread_mutex_lock(&d->lock);
    a = newest(&d->rings[0], before ? before - 1 : UINT64_MAX);
    b = newest(&d->rings[1], before ? before - 1 : UINT64_MAX);
    if (!a || (b && b->seq > a->seq))
        a = b;
    if (a)
        unpack(a, out);
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
