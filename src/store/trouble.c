/*
 * What is wrong with the disk, told once. A disk that fails does so with every
 * request, and a log that says it with every request hides the first line,
 * which has the reason. So whoever meets a failure notes it here, and the
 * background thread, which tries again every second anyway, tells when trouble
 * begins and when it has ended.
 *
 * Some failures make no call fail: a file that was deleted can be written to
 * for as long as it is open, and everything that is acknowledged meanwhile is
 * gone at the next start. Names are looked up once a second for that.
 */
#define _GNU_SOURCE /* dup3 */

#include "store/files.h"
#include "store/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Notes a trouble that has been put into words. Only the first is told until all is well again. */
static void note(struct oh__store *store, bool refusing, int code, const char *why)
{
    pthread_mutex_lock(&store->lock);
    store->troubles++;
    store->trouble.refusing = store->trouble.refusing || refusing;
    if (store->trouble.code == OH_OK) {
        store->trouble.code = code;
        oh__why(store->trouble.why, "%s", why);
        if (store->wake)
            store->wake(store->wake_ctx);
    }
    pthread_mutex_unlock(&store->lock);
}

void oh__trouble(struct oh__store *store, bool refusing, const char *doing, const char *name)
{
    char path[OH__PATH_MAX], why[OH__STORE_WHY];
    int err = errno, code;

    /* A path that is cut off still says which directory is meant. */
    if (snprintf(path, sizeof(path), "%s/" OH__BINDINGS_NAME "%s%s", store->dir, *name ? "/" : "",
                 name) < 0)
        path[0] = '\0';
    code = oh__files_fail(why, err, doing, path);
    note(store, refusing, code, why);
    errno = err;
}

unsigned oh__troubles(struct oh__store *store)
{
    unsigned n;

    pthread_mutex_lock(&store->lock);
    n = store->troubles;
    pthread_mutex_unlock(&store->lock);
    return n;
}

void oh__trouble_over(struct oh__store *store, unsigned count)
{
    pthread_mutex_lock(&store->lock);
    if (store->troubles == count)
        store->trouble = (struct oh__store_trouble){.code = OH_OK};
    pthread_mutex_unlock(&store->lock);
}

void oh__store_trouble(struct oh__store *store, struct oh__store_trouble *out)
{
    pthread_mutex_lock(&store->lock);
    *out = store->trouble;
    pthread_mutex_unlock(&store->lock);
}

void oh__store_watch(struct oh__store *store, void (*wake)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&store->lock);
    store->wake = wake;
    store->wake_ctx = ctx;
    pthread_mutex_unlock(&store->lock);
}

/* ---- deleted files ---- */

/* An open file or directory without a name is gone for whoever starts next. */
static bool nameless(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

static bool absent(int dir_fd, const char *name)
{
    struct stat st;

    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

/*
 * A new directory takes the place of the deleted one behind the same descriptor, which workers may
 * be using in this moment.
 */
static int make_bindings(struct oh__store *store)
{
    int fd = oh__files_dir(store->dir_fd, OH__BINDINGS_NAME, true), rc = OH_OK;

    if (fd < 0 || dup3(fd, store->bind_fd, O_CLOEXEC) < 0 || fsync(store->dir_fd) != 0)
        rc = oh__files_code(errno);
    if (fd >= 0)
        close(fd);
    return rc;
}

/*
 * Everything in a deleted file is still in the table: a snapshot writes it again. A journal that is
 * writing to one goes on in another, as after a failure: what was appended before it learns of that
 * is in the table when the snapshot begins (see parts.h).
 */
static bool segments_there(struct oh__store *store)
{
    bool all = true;

    pthread_mutex_lock(&store->lock);
    for (struct oh__segment *s = store->segments; s; s = s->next) {
        int good = OH__JOURNAL_GOOD;

        if (s->missed || !absent(store->bind_fd, s->name))
            continue;
        s->missed = true; /* its journal turns away from it with the next record only */
        all = false;
        if (!s->closed)
            atomic_compare_exchange_strong(&store->journals[s->worker].state, &good,
                                           OH__JOURNAL_RETRY);
    }
    pthread_mutex_unlock(&store->lock);
    return all;
}

/* Notes that something has gone, which no call has failed about yet. */
static void missing(struct oh__store *store, bool refusing, const char *below, const char *then)
{
    char why[OH__STORE_WHY];

    oh__why(why, "%.90s%s deleted under the running server: %s", store->dir, below, then);
    note(store, refusing, OH_E_ABSENT, why);
}

#define WRITTEN_AGAIN "everything is written again out of memory"

/* The bindings' directory and what is in it. False: something has to be written again. */
static bool bindings_there(struct oh__store *store)
{
    if (nameless(store->bind_fd)) {
        missing(store, false, "/" OH__BINDINGS_NAME " was", WRITTEN_AGAIN);
        if (make_bindings(store) != OH_OK)
            oh__trouble(store, true, "make", "");
        return false;
    }
    if (store->live_bytes && absent(store->bind_fd, OH__SNAPSHOT_NAME)) {
        missing(store, false, "/" OH__BINDINGS_NAME "/" OH__SNAPSHOT_NAME " was", WRITTEN_AGAIN);
        return false;
    }
    return true;
}

int oh__files_there(struct oh__store *store)
{
    bool whole;

    if (nameless(store->dir_fd)) {
        store->gone = true;
        missing(store, true, " was",
                "nothing can be written any more; make it again, or restore a backup, and restart");
        return OH_E_ABSENT;
    }
    if (absent(store->dir_fd, OH__DB_NAME))
        missing(store, false, "/" OH__DB_NAME " was",
                "accounts are in force and cannot be changed; take a backup, stop the server and "
                "restore it");
    whole = bindings_there(store);
    oh__segments_check_spares(store);
    if (!segments_there(store) && whole) {
        missing(store, false, "/" OH__BINDINGS_NAME ": journals were", WRITTEN_AGAIN);
        whole = false;
    }
    if (!whole) {
        pthread_mutex_lock(&store->lock);
        store->suspect = true;
        pthread_mutex_unlock(&store->lock);
    }
    return OH_OK;
}
