/*
 * A worker's journal: records are gathered in a batch and written by one call.
 * A record that does not fit into the segment makes the batch go out early and
 * the next segment be opened; written too early is harmless, since a record
 * promises nothing before the commit that its reply waits for.
 *
 * When a write fails nobody can say what is on the disk. The batch is dropped,
 * its commit says so, and the journal refuses work until the background thread
 * has found that files can be written again; then it goes on in a new segment.
 */
#define _XOPEN_SOURCE 700

#include "store/files.h"
#include "store/parts.h"

struct oh__journal *oh__store_journal(struct oh__store *store, unsigned worker)
{
    return worker < store->workers ? &store->journals[worker] : NULL;
}

/* Writes the batch. On failure it is dropped, and the next commit will tell. */
static int flush(struct oh__journal *j)
{
    int rc;

    if (j->batch_n == 0)
        return OH_OK;
    rc = oh__files_write(j->segment->fd, j->batch, j->batch_n, j->at);
    if (rc == OH_OK) {
        j->segment->dirty = true;
        j->at += j->batch_n;
    } else {
        /* The state first: a compaction that sees the trouble must see why it is not over. */
        j->lost = true;
        j->state = OH__JOURNAL_FAILED;
        oh__trouble(j->store, true, "write", j->segment->name);
        rc = OH_E_IO;
    }
    j->batch_n = 0;
    return rc;
}

/*
 * Goes on in a new segment. The old one stays in use when there is none: smaller records may still
 * have their place in it, and what it holds is committed as before.
 */
static int turn(struct oh__journal *j)
{
    struct oh__segment *fresh;
    int rc = oh__segment_take(j->store, j->worker, &fresh);

    if (rc != OH_OK)
        return rc == OH_E_FULL || rc == OH_E_NOMEM ? OH_E_FULL : OH_E_IO;
    if (j->segment)
        oh__segment_close(j->store, j->segment);
    j->segment = fresh;
    j->at = OH__FILE_HEAD;
    return OH_OK;
}

/* Sees to it that a record of this size has its place, on disk and in the batch. */
static int make_room(struct oh__journal *j, size_t size)
{
    bool fits = j->segment && j->at + j->batch_n + size <= j->segment->size;
    int rc = OH_OK;

    if (!fits || j->batch_n + size > OH__BATCH_BYTES)
        rc = flush(j);
    if (rc == OH_OK && !fits)
        rc = turn(j);
    return rc;
}

/*
 * The first append after a failure that has passed, or after the segment was deleted: what the old
 * one holds is not trusted. In the second case a batch may wait that was made for it.
 */
static int recover(struct oh__journal *j)
{
    int rc = flush(j);

    if (rc == OH_OK)
        rc = turn(j);
    j->state = rc == OH_OK ? OH__JOURNAL_GOOD : OH__JOURNAL_FAILED;
    return rc;
}

int oh__journal_append(struct oh__journal *journal, struct oh_span aor, uint64_t version,
                       struct oh_span record)
{
    struct oh__journal *j = journal;
    struct oh__record r = {.version = version, .aor = aor, .body = record};
    size_t size = oh__record_size(aor, record);
    int rc;

    if (j->store->read_only)
        return OH_E_IO;
    if (aor.n == 0 || size == 0 || size > j->store->segment_bytes - OH__FILE_HEAD)
        return OH_E_LIMIT;
    /* In memory only there is nothing to write, but replies wait for the commit all the same, so
     * that both kinds of server answer in the same order. */
    if (!j->store->dir) {
        j->pending = true;
        return OH_OK;
    }
    if (j->state == OH__JOURNAL_FAILED || j->store->gone)
        return OH_E_IO;
    if (j->state == OH__JOURNAL_RETRY && (rc = recover(j)) != OH_OK)
        return rc;
    if ((rc = make_room(j, size)) != OH_OK)
        return rc;
    /* Drawn under the caller's lock, so that the records of one AOR have it in the order of
     * changes. */
    r.lsn = atomic_fetch_add(&j->store->lsn, 1) + 1;
    oh__record_put(j->batch + j->batch_n, j->segment->seed, &r);
    j->batch_n += size;
    j->pending = true;
    return OH_OK;
}

bool oh__journal_pending(const struct oh__journal *journal)
{
    return journal->pending;
}

int oh__journal_commit(struct oh__journal *journal)
{
    int rc = flush(journal);

    /* Some of the batch may have gone out early, and failed then. */
    if (journal->lost)
        rc = OH_E_IO;
    journal->pending = journal->lost = false;
    return rc;
}
