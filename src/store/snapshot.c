/*
 * A snapshot is one file with the state of every AOR, and the compaction that
 * writes it. The order of the steps makes every moment a good one for the
 * power to fail: the new file is complete and synced under another name, then
 * renamed, then the directory is synced, and only then do segments go.
 */
#define _XOPEN_SOURCE 700

#include "store/files.h"
#include "store/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NEW_NAME "snapshot.new"

/* Records are gathered up to this much for one write. */
#define WRITE_BYTES (4u * OH__RECORD_MAX)

/* A file that grows by records. */
struct writer {
    int fd;
    uint32_t seed;
    char *buf;
    size_t n;
    uint64_t at;
    uint64_t records;
};

/* Writes what was gathered. */
static int write_out(struct writer *w)
{
    int rc = oh__files_write(w->fd, w->buf, w->n, w->at);

    if (rc == OH_OK) {
        w->at += w->n;
        w->n = 0;
    }
    return rc;
}

/* Gathers a record; its texts may go when this returns. */
static int add(struct writer *w, const struct oh__record *r)
{
    size_t size = oh__record_size(r->aor, r->body);
    int rc;

    if (size == 0)
        return OH_E_LIMIT;
    /* A record always fits into an empty buffer, which is four times as large as the largest. */
    if (size > WRITE_BYTES - w->n && (rc = write_out(w)) != OH_OK)
        return rc;
    oh__record_put(w->buf + w->n, w->seed, r);
    w->n += size;
    w->records++;
    return OH_OK;
}

/* Writes everything that next gives, and the record without an AOR that says how many there were.
 */
static int write_all(struct writer *w, const struct oh__snapshot_source *from)
{
    struct oh__record r = {.lsn = from->floor};
    int rc;

    while ((rc = from->next(from->ctx, &r.aor, &r.version, &r.body)) == OH_OK) {
        rc = r.aor.n ? add(w, &r) : OH_E_SYNTAX;
        if (rc != OH_OK)
            return rc;
    }
    if (rc != OH_E_ABSENT)
        return rc;
    r.aor = r.body = oh_span(NULL, 0);
    r.version = w->records;
    rc = add(w, &r);
    if (rc == OH_OK)
        rc = write_out(w);
    if (rc == OH_OK && fsync(w->fd) != 0)
        rc = oh__files_code(errno);
    return rc;
}

/* Puts the finished file in the place of the old one, for good. */
static int install(int bind_fd)
{
    if (renameat(bind_fd, NEW_NAME, bind_fd, OH__SNAPSHOT_NAME) != 0 || fsync(bind_fd) != 0)
        return oh__files_code(errno);
    return OH_OK;
}

int oh__snapshot_write(int bind_fd, const struct oh__snapshot_source *from, uint64_t *size)
{
    struct oh__file_head head = {
        .magic = OH__SNAPSHOT_MAGIC,
        .generation = from->generation,
        .floor = from->floor,
    };
    struct writer w = {.n = OH__FILE_HEAD};
    int rc, err;

    w.buf = oh_alloc(oh_alloc_default(), WRITE_BYTES);
    if (!w.buf)
        return OH_E_NOMEM;
    sqlite3_randomness(sizeof(head.salt), head.salt);
    oh__file_head_put(w.buf, &head);
    w.seed = oh__file_seed(&head);
    w.fd = openat(bind_fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    rc = w.fd < 0 ? oh__files_code(errno) : write_all(&w, from);
    err = errno;
    if (w.fd >= 0)
        close(w.fd);
    if (rc == OH_OK) {
        rc = install(bind_fd);
        err = errno;
    } else {
        unlinkat(bind_fd, NEW_NAME, 0);
    }
    oh_free(oh_alloc_default(), w.buf, WRITE_BYTES);
    if (rc == OH_OK)
        *size = w.at;
    errno = err;
    return rc;
}

int oh__snapshot_open(int bind_fd, int *fd, struct oh__file_head *head)
{
    int f = openat(bind_fd, OH__SNAPSHOT_NAME, O_RDONLY | O_CLOEXEC);
    char bytes[OH__FILE_HEAD];
    size_t got = 0;
    int rc;

    if (f < 0)
        return oh__files_code(errno);
    rc = oh__files_read(f, bytes, sizeof(bytes), 0, &got);
    if (rc == OH_OK)
        rc = got < sizeof(bytes) ? OH_E_CORRUPT
                                 : oh__file_head_get(bytes, OH__SNAPSHOT_MAGIC, head);
    if (rc != OH_OK)
        close(f);
    else
        *fd = f;
    return rc;
}

bool oh__store_wants_compaction(const struct oh__store *store)
{
    /* The lock is no part of what a caller sees of the store. */
    struct oh__store *s = (struct oh__store *)store;
    bool wants;

    pthread_mutex_lock(&s->lock);
    wants = s->dir && !s->read_only && s->replayed &&
            (s->suspect || s->closed_bytes > s->live_bytes);
    pthread_mutex_unlock(&s->lock);
    return wants;
}

/* Failed journals may try again when there is a segment for them and the directory can be synced.
 */
static int revive(struct oh__store *store)
{
    bool failed = false;
    int rc;

    for (unsigned i = 0; i < store->workers; i++)
        failed = failed || store->journals[i].state == OH__JOURNAL_FAILED;
    if (!failed)
        return OH_OK;
    rc = oh__segments_prepare(store);
    if (rc == OH_OK)
        rc = oh__segments_probe(store);
    for (unsigned i = 0; rc == OH_OK && i < store->workers; i++) {
        int expected = OH__JOURNAL_FAILED;

        atomic_compare_exchange_strong(&store->journals[i].state, &expected, OH__JOURNAL_RETRY);
    }
    return rc;
}

/* A snapshot that cannot fit is not begun: it would fill the rest of the disk every second. */
static bool fits(struct oh__store *store)
{
    struct statvfs fs;

    return fstatvfs(store->bind_fd, &fs) != 0 ||
           (uint64_t)fs.f_bavail * fs.f_frsize > store->live_bytes;
}

/* Writes a snapshot and drops what it covers. */
static int fold(struct oh__store *store, struct oh__snapshot_source *from)
{
    uint64_t size;
    int rc;

    /* The floor first, then the table: see parts.h. */
    from->floor = oh__segments_cover(store);
    errno = fits(store) ? 0 : ENOSPC;
    rc = errno ? OH_E_FULL : oh__snapshot_write(store->bind_fd, from, &size);
    if (rc != OH_OK && errno)
        oh__trouble(store, false, "write", OH__SNAPSHOT_NAME);
    oh__segments_uncover(store, rc == OH_OK);
    if (rc != OH_OK)
        return rc;
    pthread_mutex_lock(&store->lock);
    store->live_bytes = size;
    store->suspect = false;
    pthread_mutex_unlock(&store->lock);
    return OH_OK;
}

int oh__store_compact(struct oh__store *store,
                      int (*next)(void *ctx, struct oh_span *aor, uint64_t *version,
                                  struct oh_span *record),
                      void *ctx)
{
    struct oh__snapshot_source from = {.next = next, .ctx = ctx, .generation = store->generation};
    unsigned troubles;
    int rc, made;

    if (!store->dir)
        return OH_OK;
    if (store->read_only)
        return OH_E_STATE;
    troubles = oh__troubles(store);
    rc = oh__files_there(store);
    if (rc != OH_OK)
        return rc;
    /* Journals first: they refuse registrations until they are revived, and soon want segments. */
    rc = revive(store);
    if (rc == OH_OK)
        rc = oh__segments_prepare(store);
    if (oh__segments_sync(store) != OH_OK) {
        /* The system may have dropped what it could not write, and would not say so again. */
        pthread_mutex_lock(&store->lock);
        store->suspect = true;
        pthread_mutex_unlock(&store->lock);
        rc = OH_E_IO;
    }
    made = oh__store_wants_compaction(store) ? fold(store, &from) : OH_OK;
    rc = rc == OH_OK ? made : rc;
    if (rc == OH_OK)
        oh__trouble_over(store, troubles);
    return rc;
}
