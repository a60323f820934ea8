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

/* Notes a trouble with a path below the state directory; errno is the reason, and is kept. */
static void note(struct oh__store *store, bool refusing, const char *doing, const char *below)
{
    char path[OH__PATH_MAX];
    int err = errno;

    /* A path that is cut off still says which directory is meant. */
    if (snprintf(path, sizeof(path), "%s%s%s", store->dir, *below ? "/" : "", below) < 0)
        path[0] = '\0';
    pthread_mutex_lock(&store->lock);
    store->troubles++;
    store->trouble.refusing = store->trouble.refusing || refusing;
    if (store->trouble.code == OH_OK) {
        store->trouble.code = oh__files_fail(store->trouble.why, err, doing, path);
        if (store->wake)
            store->wake(store->wake_ctx);
    }
    pthread_mutex_unlock(&store->lock);
    errno = err;
}

void oh__trouble(struct oh__store *store, bool refusing, const char *doing, const char *name)
{
    char below[sizeof(OH__BINDINGS_NAME) + OH__NAME_ROOM + 1];
    int err = errno;

    if (snprintf(below, sizeof(below), OH__BINDINGS_NAME "%s%s", *name ? "/" : "", name) < 0)
        below[0] = '\0';
    errno = err;
    note(store, refusing, doing, below);
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

        if (!absent(store->bind_fd, s->name))
            continue;
        all = false;
        if (!s->closed)
            atomic_compare_exchange_strong(&store->journals[s->worker].state, &good,
                                           OH__JOURNAL_RETRY);
    }
    pthread_mutex_unlock(&store->lock);
    return all;
}

/* Notes that a file has gone, which no call has failed about yet. */
static bool missing(struct oh__store *store, const char *what, const char *below)
{
    errno = ENOENT;
    note(store, false, what, below);
    return false;
}

int oh__files_there(struct oh__store *store)
{
    bool whole = true;

    if (nameless(store->dir_fd)) {
        store->gone = true;
        errno = ENOENT;
        note(store, true, "go on without the state directory", "");
        return OH_E_ABSENT;
    }
    if (absent(store->dir_fd, OH__DB_NAME))
        missing(store, "change accounts without", OH__DB_NAME);
    if (nameless(store->bind_fd)) {
        missing(store, "find the directory", OH__BINDINGS_NAME);
        whole = false;
        if (make_bindings(store) != OH_OK)
            note(store, true, "make the directory", OH__BINDINGS_NAME);
    }
    if (whole && store->live_bytes && absent(store->bind_fd, OH__SNAPSHOT_NAME))
        whole = missing(store, "find", OH__BINDINGS_NAME "/" OH__SNAPSHOT_NAME);
    if (!segments_there(store))
        whole = missing(store, "find all journals in", OH__BINDINGS_NAME);
    if (!whole) {
        pthread_mutex_lock(&store->lock);
        store->suspect = true;
        pthread_mutex_unlock(&store->lock);
    }
    return OH_OK;
}
