/*
 * One thread for what may take its time. Workers never wait for it: it takes
 * the same short locks as they do, one stripe or one list at a time, and writes
 * to the disk while it holds none.
 *
 * It runs every second, because that is how much of the journal a power cut
 * may cost (a killed process loses nothing, see store.h), and because bindings
 * that have expired are invisible to look-ups anyway: the sweep only gives
 * their memory back. The store wakes it earlier when a worker took one of the
 * prepared segments, or met a disk that fails: nobody else reports that, so
 * that it is in the log once, and once more when it is over.
 */
#include "host/maintain.h"

#include <malloc.h>
#include <time.h>

#include "host/process.h"

#define PERIOD_MS  1000
#define TRIM_AFTER ((size_t)1 << 20) /* bytes given back to the heap, about */
#define TRIM_PAUSE (5 * OH__SEC)
#define BINDING    300 /* bytes of an expired binding, about */

struct oh__maintain {
    struct oh__host *host;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    bool stop, wanted;   /* by the store, before the second is over */
    size_t freed;        /* since the last trim */
    size_t held, peak;   /* by transactions: now, and at most since the last trim */
    uint64_t trimmed_at; /* ns */
    /* What was logged last, so that a failure is logged once and not every second. */
    int last, trouble;
    bool refusing;
};

/* What shards keep for the next message. One lock at a time, and half of what is too much at once:
 * a worker that waits for it waits for some hundred calls of free. */
static size_t relax(struct oh__maintain *m)
{
    struct oh__host *host = m->host;
    struct oh__serve_stats stats;
    size_t freed = 0, held = 0;

    for (unsigned i = 0; i < OH__SHARDS; i++) {
        struct oh__shard *s = &host->shards[i];

        pthread_mutex_lock(&s->lock);
        freed += oh__serve_relax(s->serve);
        oh__serve_stats(s->serve, &stats);
        pthread_mutex_unlock(&s->lock);
        held += stats.endpoint.bytes;
    }
    m->held = held;
    if (held > m->peak)
        m->peak = held;
    return freed;
}

/*
 * The heap keeps what was freed; after a peak it is given back to the system (decision 6). Not too
 * often: trimming walks over all that is free. The sum is no account, it tells when it is worth it.
 */
static void sweep(struct oh__maintain *m)
{
    size_t ended;
    uint64_t now = oh__clock_now();

    m->freed += (size_t)BINDING *
                oh__location_sweep(m->host->shared.location, oh__host_wall(m->host, now));
    m->freed += relax(m);
    /* Workers free what ends, and take it again: only a peak that has passed is one. */
    ended = m->held < m->peak / 4 * 3 ? m->peak - m->held : 0;
    if (m->freed + ended < TRIM_AFTER || now - m->trimmed_at < TRIM_PAUSE)
        return;
    m->freed = 0;
    m->peak = m->held;
    m->trimmed_at = now;
    malloc_trim(0);
}

/* Tells when the disk begins to fail, begins to cost registrations, and is well again. */
static void tell_trouble(struct oh__maintain *m)
{
    struct oh__store_trouble t;

    oh__store_trouble(m->host->store, &t);
    if (t.code != OH_OK && (m->trouble == OH_OK || (t.refusing && !m->refusing)))
        oh__log_say(m->host->log, OH__LOG_ERROR, "store-failed", "%s%s", t.why,
                    t.refusing ? " (until then registrations are answered 500; calls go on)" : "");
    if (t.code == OH_OK && m->trouble != OH_OK)
        oh__log_say(m->host->log, OH__LOG_INFO, "store-recovered",
                    "registrations can be written again");
    m->trouble = t.code;
    m->refusing = t.refusing;
}

static void compact(struct oh__maintain *m)
{
    struct oh__state_cursor cursor;

    tell_trouble(m); /* what this compaction may mend has cost somebody his answer */
    oh__state_cursor_init(&cursor, m->host->shared.location);
    int r = oh__store_compact(m->host->store, oh__state_next, &cursor);

    oh__state_cursor_done(&cursor);
    tell_trouble(m);
    /* What is wrong with no file: memory. */
    if (r != OH_OK && r != m->last && m->trouble == OH_OK)
        oh__log_say(m->host->log, OH__LOG_ERROR, "compaction-failed",
                    "the journals in the state directory could not be compacted (%s)",
                    oh_error_text(r));
    m->last = r;
}

/* From the store, with its lock held. */
static void wake(void *ctx)
{
    struct oh__maintain *m = ctx;

    pthread_mutex_lock(&m->lock);
    m->wanted = true;
    pthread_cond_signal(&m->asked);
    pthread_mutex_unlock(&m->lock);
}

/* A second, or until somebody wants us; false: to stop. */
static bool wait_turn(struct oh__maintain *m)
{
    struct timespec until = oh__cond_after(PERIOD_MS);
    int r = 0;

    while (!m->stop && !m->wanted && r == 0)
        r = pthread_cond_timedwait(&m->asked, &m->lock, &until);
    m->wanted = false;
    return !m->stop;
}

static void *run(void *arg)
{
    struct oh__maintain *m = arg;

    pthread_mutex_lock(&m->lock);
    while (wait_turn(m)) {
        /* Whoever stops us waits in join, not on the lock, while a snapshot is written. */
        pthread_mutex_unlock(&m->lock);
        sweep(m);
        compact(m);
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

int oh__maintain_start(struct oh__host *host, struct oh__maintain **out)
{
    struct oh__maintain *m = oh_alloc_zero(oh_alloc_default(), 1, sizeof *m);

    if (!m)
        return OH_E_NOMEM;
    m->host = host;
    if (oh__cond_init(&m->asked) != OH_OK) {
        oh_free(oh_alloc_default(), m, sizeof *m);
        return OH_E_NOMEM;
    }
    pthread_mutex_init(&m->lock, NULL);
    if (pthread_create(&m->thread, NULL, run, m) != 0) {
        pthread_cond_destroy(&m->asked);
        pthread_mutex_destroy(&m->lock);
        oh_free(oh_alloc_default(), m, sizeof *m);
        return OH_E_NOMEM;
    }
    oh__store_watch(host->store, wake, m);
    *out = m;
    return OH_OK;
}

void oh__maintain_stop(struct oh__maintain *m)
{
    if (!m)
        return;
    oh__store_watch(m->host->store, NULL, NULL);
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_cond_signal(&m->asked);
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->thread, NULL);
    pthread_cond_destroy(&m->asked);
    pthread_mutex_destroy(&m->lock);
    oh_free(oh_alloc_default(), m, sizeof *m);
}
