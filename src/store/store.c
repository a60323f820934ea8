/*
 * Opening a state directory goes from the outside in: the directory, its lock,
 * the database, the bindings, the journals. Each step fails with a sentence of
 * its own, because a server that does not start is where operators lose most
 * time. Nothing below the lock is touched without it, so two servers can never
 * repair, upgrade or clean up the same files at once.
 */
#define _XOPEN_SOURCE 700

#include "store/store.h"

#include "store/files.h"
#include "store/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_BYTES (16u << 20)

/* A segment smaller than this could not hold an ordinary record. */
#define SEGMENT_LEAST 4096u

#define WORKERS_MAX 1024u

/* The directory and its lock, which is held until the store is closed. */
static int open_dir(struct oh__store *store, char why[OH__STORE_WHY])
{
    store->dir_fd = oh__files_dir(AT_FDCWD, store->dir, !store->read_only);
    /* A fresh home directory has no .local/state. */
    if (store->dir_fd < 0 && errno == ENOENT && !store->read_only &&
        oh__files_make_above(store->dir) == 0)
        store->dir_fd = oh__files_dir(AT_FDCWD, store->dir, true);
    if (store->dir_fd < 0 && errno == ENOENT && store->read_only) {
        oh__why(why, "there is no state directory %s: nothing has been stored there yet",
                store->dir);
        return OH_E_ABSENT;
    }
    if (store->dir_fd < 0)
        return oh__files_fail(why, errno, "open the state directory", store->dir);
    return oh__files_lock(store->dir_fd, store->dir, store->read_only, &store->lock_fd, why);
}

/* The bindings' directory. A reader may look at a state that has never had any. */
static int open_bindings(struct oh__store *store, char why[OH__STORE_WHY])
{
    store->bind_fd = oh__files_dir(store->dir_fd, OH__BINDINGS_NAME, !store->read_only);
    if (store->bind_fd < 0 && store->read_only && errno == ENOENT)
        return OH_OK;
    if (store->bind_fd < 0)
        return oh__files_fail(why, errno, "open the bindings in", store->dir);
    /* New names are on disk before anything is promised that depends on them. */
    if (!store->read_only &&
        (fsync(store->dir_fd) != 0 || oh__files_sync_parent(store->dir) != OH_OK))
        return oh__files_fail(why, errno, "sync", store->dir);
    return oh__segments_find(store, why);
}

/* A batch of half a megabyte for each worker; pages of it that are never used cost nothing. */
static int open_journals(struct oh__store *store)
{
    const struct oh_alloc *heap = oh_alloc_default();

    store->journals = oh_alloc_zero(heap, store->workers, sizeof(store->journals[0]));
    if (!store->journals)
        return OH_E_NOMEM;
    for (unsigned i = 0; i < store->workers; i++) {
        struct oh__journal *j = &store->journals[i];

        j->store = store;
        j->worker = i;
        if (!store->dir || store->read_only)
            continue;
        j->batch = oh_alloc(heap, OH__BATCH_BYTES);
        if (!j->batch)
            return OH_E_NOMEM;
    }
    return OH_OK;
}

/*
 * A database that is missing or empty is made anew, with new secrets and no accounts. Where there
 * are registrations, that is no first start: somebody has lost a file, and must hear of it before
 * every phone is refused.
 */
static int check_files(struct oh__store *store, char why[OH__STORE_WHY])
{
    struct stat st;
    bool fresh = fstatat(store->dir_fd, OH__DB_NAME, &st, 0) != 0 ? errno == ENOENT
                                                                  : st.st_size == 0;

    if (fresh && !store->read_only && oh__segments_any(store)) {
        oh__why(why,
                "%.100s/" OH__DB_NAME " is missing or empty, but there are registrations: restore "
                "a backup with offhook restore, or remove %.80s/" OH__BINDINGS_NAME
                " to begin anew",
                store->dir, store->dir);
        return OH_E_CORRUPT;
    }
    store->bindings_missing = !fresh && !store->read_only &&
                              fstatat(store->dir_fd, OH__BINDINGS_NAME, &st, 0) != 0 &&
                              errno == ENOENT;
    return OH_OK;
}

/* Everything that can fail; oh__store_close takes away what was reached. */
static int open_parts(struct oh__store *store, char why[OH__STORE_WHY])
{
    int rc = OH_OK;

    if (store->dir)
        rc = open_dir(store, why);
    if (rc == OH_OK && store->dir)
        rc = check_files(store, why);
    /* In this order: a first start that dies in between leaves no database without the directory,
     * which the next one would miss. */
    if (rc == OH_OK && store->dir)
        rc = open_bindings(store, why);
    if (rc == OH_OK)
        rc = oh__db_open(&store->db, store->dir, store->read_only && store->dir, why);
    if (rc == OH_OK && (rc = open_journals(store)) != OH_OK)
        oh__why(why, "out of memory for the journals");
    return rc;
}

/* Copies the path without trailing slashes, which restore would stumble over. */
static int copy_dir(struct oh__store *store, const char *dir)
{
    size_t n = strlen(dir);

    while (n > 1 && dir[n - 1] == '/')
        n--;
    store->dir_room = n + 1;
    store->dir = oh_alloc(oh_alloc_default(), store->dir_room);
    if (!store->dir)
        return OH_E_NOMEM;
    memcpy(store->dir, dir, n);
    store->dir[n] = '\0';
    return OH_OK;
}

int oh__store_open(const struct oh__store_options *options, struct oh__store **out,
                   char why[OH__STORE_WHY])
{
    struct oh__store *store = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*store));
    int rc;

    /* Stands unless a step says something better, or all succeed. */
    oh__why(why, "out of memory for the store");
    if (!store)
        return OH_E_NOMEM;
    store->dir_fd = store->bind_fd = store->lock_fd = -1;
    store->read_only = options->read_only;
    store->workers = options->workers ? options->workers : 1;
    store->segment_bytes = options->segment_bytes ? options->segment_bytes : SEGMENT_BYTES;
    if (store->segment_bytes < SEGMENT_LEAST)
        store->segment_bytes = SEGMENT_LEAST;
    if (store->workers > WORKERS_MAX)
        store->workers = WORKERS_MAX;
    store->idle_journals = store->workers;
    pthread_mutex_init(&store->lock, NULL);
    rc = options->dir ? copy_dir(store, options->dir) : OH_OK;
    if (rc == OH_OK)
        rc = open_parts(store, why);
    if (rc != OH_OK) {
        oh__store_close(store);
        return rc;
    }
    oh__why(why, "%s", "");
    *out = store;
    return OH_OK;
}

/* What was never opened is -1. */
static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void oh__store_close(struct oh__store *store)
{
    const struct oh_alloc *heap = oh_alloc_default();

    if (!store)
        return;
    for (unsigned i = 0; store->journals && i < store->workers; i++) {
        /* A batch that waits here was never acknowledged, so it may fail. */
        if (store->journals[i].batch)
            (void)oh__journal_commit(&store->journals[i]);
        oh_free(heap, store->journals[i].batch, OH__BATCH_BYTES);
    }
    oh_free(heap, store->journals, store->workers * sizeof(store->journals[0]));
    if (store->bind_fd >= 0 && !store->read_only)
        oh__segments_sync(store);
    oh__segments_done(store);
    oh__db_close(&store->db);
    close_fd(store->bind_fd);
    close_fd(store->dir_fd);
    close_fd(store->lock_fd); /* the next owner finds everything written */
    pthread_mutex_destroy(&store->lock);
    oh_free(heap, store->dir, store->dir_room);
    oh_free(heap, store, sizeof(*store));
}

/* Copies the answer of a statement that was run to its row. */
static int take_value(struct oh__store *store, sqlite3_stmt *stmt, void *out, size_t *len)
{
    const void *p;
    size_t n;

    switch (sqlite3_step(stmt)) {
    case SQLITE_ROW: break;
    case SQLITE_DONE: return OH_E_ABSENT;
    default: return oh__db_fail(&store->db, "read", NULL);
    }
    /* In this order: asking for the bytes first may convert the value, and move it. */
    p = sqlite3_column_blob(stmt, 0);
    n = (size_t)sqlite3_column_bytes(stmt, 0);
    if (n > *len)
        return OH_E_LIMIT;
    if (n && !p)
        return OH_E_IO;
    if (n)
        memcpy(out, p, n);
    *len = n;
    return OH_OK;
}

int oh__store_get(struct oh__store *store, const char *name, void *out, size_t *len)
{
    sqlite3_stmt *stmt = store->db.stmt[OH__DB_SETTING_GET];
    int rc;

    pthread_mutex_lock(&store->db.lock);
    if (sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) != SQLITE_OK)
        rc = OH_E_IO;
    else
        rc = take_value(store, stmt, out, len);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    pthread_mutex_unlock(&store->db.lock);
    return rc;
}

int oh__store_put(struct oh__store *store, const char *name, const void *value, size_t len)
{
    sqlite3_stmt *stmt = store->db.stmt[OH__DB_SETTING_PUT];
    int rc = OH_E_IO;

    if (store->read_only)
        return OH_E_IO;
    pthread_mutex_lock(&store->db.lock);
    if (sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_blob64(stmt, 2, len ? value : "", len, SQLITE_STATIC) == SQLITE_OK)
        rc = oh__db_run(&store->db, OH__DB_SETTING_PUT, "write", NULL);
    pthread_mutex_unlock(&store->db.lock);
    return rc == OH_OK ? OH_OK : OH_E_IO;
}
