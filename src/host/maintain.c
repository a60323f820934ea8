/*
 * One thread for what may take its time. Workers never wait for it: it takes
 * the same short locks as they do, one stripe or one list at a time, and writes
 * to the disk while it holds none.
 *
 * It runs every second, because that is how much of the journal a power cut
 * may cost (a killed process loses nothing, see store.h), and because bindings
 * that have expired are invisible to look-ups anyway: the sweep only gives
 * their memory back.
 */
#include "host/maintain.h"

#include <malloc.h>
#include <time.h>

#include "host/process.h"

#define PERIOD_MS  1000
#define TRIM_AFTER 50000 /* expired bindings */

struct oh__maintain {
    struct oh__host *host;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop_asked;
    bool stop;
    unsigned swept; /* bindings that went since the last trim */
    int last;       /* result of the last compaction, so that a failure is logged once and not every
                       second */
};

/* The heap keeps what was freed; after a peak it is given back to the system (decision 6). */
static void sweep(struct oh__maintain *m)
{
    m->swept += oh__location_sweep(m->host->shared.location,
                                   oh__host_wall(m->host, oh__clock_now()));
    if (m->swept < TRIM_AFTER)
        return;
    m->swept = 0;
    malloc_trim(0);
}

static void compact(struct oh__maintain *m)
{
    struct oh__state_cursor cursor;

    oh__state_cursor_init(&cursor, m->host->shared.location);
    int r = oh__store_compact(m->host->store, oh__state_next, &cursor);

    oh__state_cursor_done(&cursor);
    if (r != OH_OK && r != m->last)
        oh__log_say(
            m->host->log, OH__LOG_ERROR, "compaction-failed",
            "the journals in the state directory could not be synced or compacted (%s): check its "
            "disk",
            oh_error_text(r));
    m->last = r;
}

static void *run(void *arg)
{
    struct oh__maintain *m = arg;
    struct timespec until;

    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        until = oh__cond_after(PERIOD_MS);
        pthread_cond_timedwait(&m->stop_asked, &m->lock, &until);
        if (m->stop)
            break;
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
    if (oh__cond_init(&m->stop_asked) != OH_OK) {
        oh_free(oh_alloc_default(), m, sizeof *m);
        return OH_E_NOMEM;
    }
    pthread_mutex_init(&m->lock, NULL);
    if (pthread_create(&m->thread, NULL, run, m) != 0) {
        pthread_cond_destroy(&m->stop_asked);
        pthread_mutex_destroy(&m->lock);
        oh_free(oh_alloc_default(), m, sizeof *m);
        return OH_E_NOMEM;
    }
    *out = m;
    return OH_OK;
}

void oh__maintain_stop(struct oh__maintain *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_cond_signal(&m->stop_asked);
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->thread, NULL);
    pthread_cond_destroy(&m->stop_asked);
    pthread_mutex_destroy(&m->lock);
    oh_free(oh_alloc_default(), m, sizeof *m);
}
