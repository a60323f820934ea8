/*
 * Replay reads the journals first, newest segment first, and the snapshot
 * last. The newest records of an AOR so come before the older ones, which are
 * then passed over, and the table of versions holds only the AORs that are in
 * journals, not the million that may be in the snapshot.
 *
 * A file that is damaged costs what is damaged: records behind the hole are
 * whole states with sums of their own and as good as those before it.
 */
#define _XOPEN_SOURCE 700

#include "store/files.h"
#include "store/parts.h"
#include "store/versions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct replay {
    struct oh__store *store;
    int (*visit)(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record);
    void *ctx;
    char *why;
    struct oh__versions seen;
    uint64_t floor; /* LSNs up to here are in the snapshot */
    uint64_t last;  /* the highest LSN of all */
    unsigned damaged_files;
};

/* What a file's head says. */
struct source {
    uint32_t seed;
    uint64_t floor; /* of a snapshot */
};

/* The first damage is described, the rest counted. */
static void report(struct replay *r, const char *name, const char *what, uint64_t bytes,
                   uint64_t at)
{
    if (r->damaged_files++ == 0)
        oh__why(r->why,
                "bindings/%s is damaged (%s, %llu bytes from byte %llu): what could be read was "
                "loaded, phones whose bindings were lost are missing until they register again",
                name, what, (unsigned long long)bytes, (unsigned long long)at);
}

/* The records of one segment that are newer than the snapshot. */
static int visit_records(struct replay *r, struct oh__scan *scan)
{
    struct oh__record record;
    int rc;

    while ((rc = oh__scan_next(scan, &record)) == OH_OK) {
        r->last = record.lsn > r->last ? record.lsn : r->last;
        if (record.lsn <= r->floor || record.aor.n == 0)
            continue;
        rc = oh__versions_note(&r->seen, record.aor, record.version);
        if (rc == OH_E_STALE)
            continue;
        if (rc == OH_OK)
            rc = r->visit(r->ctx, record.aor, record.version, record.body);
        if (rc != OH_OK)
            return rc;
    }
    return rc == OH_E_ABSENT ? OH_OK : rc;
}

/* A head that is damaged costs nothing as long as the first record behind it is intact: that has
 * what the other sums start from, and in a snapshot the floor. */
static int mend_head(struct replay *r, int fd, const char *name, const char head[OH__FILE_HEAD],
                     struct source *out)
{
    char *bytes = oh_alloc(oh_alloc_default(), OH__RECORD_MAX);
    struct oh__record first;
    size_t got;
    int rc = bytes ? oh__files_read(fd, bytes, OH__RECORD_MAX, OH__FILE_HEAD, &got) : OH_E_NOMEM;

    if (rc == OH_OK)
        rc = oh__file_seed_guess(head, oh_span(bytes, got), &out->seed, &first);
    if (rc == OH_OK)
        out->floor = first.lsn;
    oh_free(oh_alloc_default(), bytes, OH__RECORD_MAX);
    if (rc == OH_E_CORRUPT)
        report(r, name, "its head", OH__FILE_HEAD, 0);
    else if (rc == OH_OK && r->damaged_files++ == 0)
        oh__why(r->why, "bindings/%s has a damaged head: its records were read all the same", name);
    return rc == OH_E_CORRUPT ? OH_E_ABSENT : rc;
}

/*
 * Reads a file's head. OH_E_ABSENT when nothing of it can be read: a head of zeros is a file that
 * was made when the power failed, anything else that is wrong is damage and reported.
 */
static int read_head(struct replay *r, int fd, const char *name, const char *magic,
                     struct source *out)
{
    static const char zeros[OH__FILE_HEAD];
    struct oh__file_head head;
    char bytes[OH__FILE_HEAD];
    size_t got;
    int rc = oh__files_read(fd, bytes, sizeof(bytes), 0, &got);

    if (rc != OH_OK)
        return rc;
    if (got < sizeof(bytes) || memcmp(bytes, zeros, sizeof(bytes)) == 0)
        return OH_E_ABSENT;
    rc = oh__file_head_get(bytes, magic, &head);
    if (rc == OH_E_CORRUPT)
        return mend_head(r, fd, name, bytes, out);
    if (rc != OH_OK)
        return rc;
    out->seed = oh__file_seed(&head);
    out->floor = head.floor;
    return OH_OK;
}

/* One file; that it ends in something that is no record is how every file of this kind ends. */
static int replay_segment(struct replay *r, const struct oh__segment *s)
{
    int fd = openat(r->store->bind_fd, s->name, O_RDONLY | O_CLOEXEC);
    struct source from;
    struct oh__scan scan;
    int rc;

    if (fd < 0)
        return OH_E_IO;
    rc = read_head(r, fd, s->name, OH__SEGMENT_MAGIC, &from);
    if (rc == OH_OK)
        rc = oh__scan_init(&scan, fd, from.seed);
    if (rc != OH_OK) {
        close(fd);
        return rc == OH_E_ABSENT ? OH_OK : rc;
    }
    rc = visit_records(r, &scan);
    if (scan.damaged)
        report(r, s->name, "in its middle", scan.damaged, scan.first);
    oh__scan_done(&scan);
    close(fd);
    return rc;
}

/* The snapshot's records; *complete tells whether the last one was there and counted right. */
static int visit_snapshot(struct replay *r, struct oh__scan *scan, bool *complete)
{
    struct oh__record record;
    uint64_t n = 0;
    int rc;

    *complete = false;
    while ((rc = oh__scan_next(scan, &record)) == OH_OK) {
        if (record.aor.n == 0) {
            *complete = record.version == n;
            return OH_OK;
        }
        n++;
        if (oh__versions_check(&r->seen, record.aor, record.version) != OH_OK)
            continue;
        rc = r->visit(r->ctx, record.aor, record.version, record.body);
        if (rc != OH_OK)
            return rc;
    }
    return rc == OH_E_ABSENT ? OH_OK : rc;
}

/* A snapshot was synced before it got its name: one without its end is damaged, not torn. */
static int replay_snapshot(struct replay *r, int fd, uint32_t seed)
{
    struct oh__scan scan;
    bool complete;
    int rc = oh__scan_init(&scan, fd, seed);

    if (rc != OH_OK)
        return rc;
    rc = visit_snapshot(r, &scan, &complete);
    if (rc == OH_OK && !complete)
        report(r, OH__SNAPSHOT_NAME, scan.damaged ? "in its middle" : "its end is missing",
               scan.damaged ? scan.damaged : scan.gap,
               scan.damaged || scan.gap ? scan.first : scan.offset + scan.at);
    oh__scan_done(&scan);
    return rc;
}

/* For qsort; sequences are unique. */
static int newest_first(const void *a, const void *b)
{
    uint64_t x = (*(struct oh__segment *const *)a)->sequence;
    uint64_t y = (*(struct oh__segment *const *)b)->sequence;

    return (x < y) - (x > y);
}

/* All segments in order. The list does not change: nobody appends before the replay has ended. */
static int replay_segments(struct replay *r)
{
    struct oh__segment **sorted;
    size_t n = 0, i = 0;
    int rc = OH_OK;

    for (struct oh__segment *s = r->store->segments; s; s = s->next)
        n++;
    if (n == 0)
        return OH_OK;
    sorted = oh_alloc_zero(oh_alloc_default(), n, sizeof(struct oh__segment *));
    if (!sorted)
        return OH_E_NOMEM;
    for (struct oh__segment *s = r->store->segments; s; s = s->next)
        sorted[i++] = s;
    qsort(sorted, n, sizeof(struct oh__segment *), newest_first);
    for (i = 0; i < n && rc == OH_OK; i++)
        rc = replay_segment(r, sorted[i]);
    oh_free(oh_alloc_default(), sorted, n * sizeof(struct oh__segment *));
    return rc;
}

/*
 * The snapshot, if there is one that can be read; *fd is -1 otherwise. Without its floor everything
 * counts that is in the segments: too much is better than nothing.
 */
static int open_snapshot(struct replay *r, int *fd, struct source *from)
{
    unsigned damaged = r->damaged_files;
    int rc;

    *fd = r->store->bind_fd < 0
              ? -1
              : openat(r->store->bind_fd, OH__SNAPSHOT_NAME, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return r->store->bind_fd < 0 || errno == ENOENT ? OH_OK : OH_E_IO;
    rc = read_head(r, *fd, OH__SNAPSHOT_NAME, OH__SNAPSHOT_MAGIC, from);
    if (rc == OH_OK)
        return OH_OK;
    close(*fd);
    *fd = -1;
    /* Unlike a segment, it had its name only when all of it was on disk. */
    if (rc == OH_E_ABSENT && r->damaged_files == damaged)
        report(r, OH__SNAPSHOT_NAME, "its head", OH__FILE_HEAD, 0);
    return rc == OH_E_ABSENT ? OH_OK : rc;
}

/*
 * From now on the table holds all there is, and a snapshot of it may replace the files. A file
 * whose head was damaged has not counted for the generation: its records tell it.
 */
static void replayed(struct replay *r)
{
    struct oh__store *store = r->store;
    uint64_t generation = (r->last > r->floor ? r->last : r->floor) >> OH__LSN_BITS;

    pthread_mutex_lock(&store->lock);
    if (generation >= store->generation) {
        store->generation = generation + 1;
        store->lsn = store->generation << OH__LSN_BITS;
    }
    store->replayed = true;
    store->suspect = r->damaged_files > 0; /* a new snapshot leaves the damage behind */
    pthread_mutex_unlock(&store->lock);
}

int oh__store_replay(struct oh__store *store,
                     int (*visit)(void *ctx, struct oh_span aor, uint64_t version,
                                  struct oh_span record),
                     void *ctx, char why[OH__STORE_WHY])
{
    struct replay r = {.store = store, .visit = visit, .ctx = ctx, .why = why};
    struct source from = {.floor = 0};
    int fd, rc;

    oh__why(why, "%s", "");
    sqlite3_randomness(sizeof(r.seen.key), &r.seen.key);
    if (store->bindings_missing) {
        oh__why(why,
                "%.90s/" OH__BINDINGS_NAME " was missing: all registrations that it held are "
                "lost, and the phones are missing until they register again",
                store->dir);
        r.damaged_files++;
    }
    rc = open_snapshot(&r, &fd, &from);
    r.floor = from.floor;
    if (rc == OH_OK)
        rc = replay_segments(&r);
    /* Last, and only what no journal has had: see above. */
    if (rc == OH_OK && fd >= 0)
        rc = replay_snapshot(&r, fd, from.seed);
    if (fd >= 0)
        close(fd);
    oh__versions_done(&r.seen);
    if (rc == OH_E_IO)
        oh__files_fail(why, EIO, "read the bindings in", store->dir);
    else if (rc == OH_E_VERSION)
        oh__why(why, "the bindings in %s were written by a newer offhook: upgrade the program",
                store->dir);
    if (rc != OH_OK)
        return rc;
    replayed(&r);
    /* Failing is not the end of a start: it is told with the first compaction, and tried again. */
    if (store->dir && !store->read_only)
        (void)oh__segments_prepare(store);
    return OH_OK;
}
