/*
 * A letter is its head and its bytes, copied one behind the other into one
 * array. A worker that posts ten letters in a batch rings once: the reader
 * takes all there is, and whoever posts before it has read the bell need not
 * ring again. `rung` and the eventfd change under the same lock, or a bell that
 * was rung between taking and reading would be lost, and with it the letter
 * until the next one came.
 */
#include "net/mail.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <offhook/alloc.h>

#define FIRST_BYTES 4096

/* Beyond this the reader is stuck; what is sent to it fails rather than filling memory. */
#define MOST_BYTES ((size_t)32 << 20)

/* And beyond this, nothing is taken that only the network has caused: ICMP errors come as fast as
 * somebody cares to forge them, and one that is lost costs a transaction its time, no more. */
#define MOST_ERRORS ((size_t)256 << 10)

/* A bag that a burst has blown up goes back to the heap when it is empty again. */
#define KEEP_BYTES ((size_t)1 << 20)

int oh__mail_init(struct oh__mailbox *m)
{
    *m = (struct oh__mailbox){.eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (m->eventfd < 0)
        return OH_E_IO;
    pthread_mutex_init(&m->lock, NULL);
    return OH_OK;
}

void oh__mail_done(struct oh__mailbox *m)
{
    oh__bag_done(&m->bag);
    pthread_mutex_destroy(&m->lock);
    close(m->eventfd);
}

void oh__mail_open(struct oh__mailbox *m, bool open)
{
    pthread_mutex_lock(&m->lock);
    m->open = open;
    m->woken = false;
    m->bag.n = 0;
    pthread_mutex_unlock(&m->lock);
}

/* The eventfd's counter cannot overflow, because it is written once per take. */
static void ring(struct oh__mailbox *m)
{
    uint64_t one = 1;

    if (m->rung)
        return;
    m->rung = write(m->eventfd, &one, sizeof(one)) == sizeof(one);
}

static int reserve(struct oh__bag *b, size_t more)
{
    size_t cap = b->cap ? b->cap : FIRST_BYTES;
    char *p;

    while (cap - b->n < more)
        cap *= 2;
    if (cap == b->cap)
        return OH_OK;
    p = oh_realloc(oh_alloc_default(), b->p, b->cap, cap);
    if (!p)
        return OH_E_NOMEM;
    b->p = p;
    b->cap = cap;
    return OH_OK;
}

/*
 * The bytes that a bag may hold with a letter of this kind in it. Answers to what a worker has sent
 * are as many as it has sent, and keeps as many as there are registrations, so they have no bound
 * of their own.
 */
static size_t most_bytes(enum oh__letter_kind kind)
{
    switch (kind) {
    case OH__LETTER_SEND: return MOST_BYTES;
    case OH__LETTER_UNREACHABLE: return MOST_ERRORS;
    case OH__LETTER_FAILED:
    case OH__LETTER_KEEP:
    case OH__LETTER_LOSE: break;
    }
    return SIZE_MAX;
}

static int append(struct oh__bag *b, const struct oh__letter *letter, struct oh_span bytes)
{
    struct oh__letter head = *letter;
    int rc;

    if (b->n + sizeof(head) + bytes.n > most_bytes(letter->kind))
        return OH_E_FULL;
    rc = reserve(b, sizeof(head) + bytes.n);
    if (rc != OH_OK)
        return rc;
    head.n = (uint32_t)bytes.n;
    memcpy(b->p + b->n, &head, sizeof(head));
    if (bytes.n)
        memcpy(b->p + b->n + sizeof(head), bytes.p, bytes.n);
    b->n += sizeof(head) + bytes.n;
    return OH_OK;
}

int oh__mail_post(struct oh__mailbox *m, const struct oh__letter *letter, struct oh_span bytes)
{
    int rc = OH_E_STATE;

    pthread_mutex_lock(&m->lock);
    if (m->open)
        rc = append(&m->bag, letter, bytes);
    if (rc == OH_OK)
        ring(m);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

void oh__mail_wake(struct oh__mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    m->woken = true;
    ring(m);
    pthread_mutex_unlock(&m->lock);
}

bool oh__mail_take(struct oh__mailbox *m, struct oh__bag *bag)
{
    struct oh__bag empty;
    uint64_t count;
    bool woken;

    /* The bag that is read now becomes the mailbox's, so both shrink again in turn. */
    if (bag->cap > KEEP_BYTES)
        oh__bag_done(bag);
    bag->n = 0;
    pthread_mutex_lock(&m->lock);
    empty = *bag;
    *bag = m->bag;
    m->bag = empty;
    woken = m->woken;
    m->woken = false;
    if (m->rung && read(m->eventfd, &count, sizeof(count)) == sizeof(count))
        m->rung = false;
    pthread_mutex_unlock(&m->lock);
    return woken;
}

bool oh__bag_next(const struct oh__bag *bag, size_t *at, struct oh__letter *letter,
                  struct oh_span *bytes)
{
    if (*at >= bag->n)
        return false;
    /* Letters lie at odd places, so the head is copied out. */
    memcpy(letter, bag->p + *at, sizeof(*letter));
    *bytes = oh_span(bag->p + *at + sizeof(*letter), letter->n);
    *at += sizeof(*letter) + letter->n;
    return true;
}

void oh__bag_done(struct oh__bag *bag)
{
    oh_free(oh_alloc_default(), bag->p, bag->cap);
    *bag = (struct oh__bag){0};
}
