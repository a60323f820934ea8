/*
 * A backup is a state directory without lock and journals: the database and
 * one snapshot of the bindings. It is made beside its final name and renamed
 * at the end, so a directory of that name is always a whole backup.
 *
 * Restoring makes a new directory, too, and exchanges it with the old one in
 * one step; whatever happens, one of the two is complete and in its place.
 */
#define _GNU_SOURCE /* renameat2 */

#include "store/files.h"
#include "store/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* A directory under construction and the names of its parts. */
struct draft {
    char path[OH__PATH_MAX];
    int dir_fd, bind_fd;
};

/* Removes what a draft may hold. Errors are of no interest: something else has failed already. */
static void draft_drop(struct draft *d)
{
    if (d->bind_fd >= 0) {
        unlinkat(d->bind_fd, OH__SNAPSHOT_NAME, 0);
        close(d->bind_fd);
    }
    if (d->dir_fd >= 0) {
        unlinkat(d->dir_fd, OH__DB_NAME, 0);
        unlinkat(d->dir_fd, OH__BINDINGS_NAME, AT_REMOVEDIR);
        close(d->dir_fd);
    }
    rmdir(d->path);
    d->dir_fd = d->bind_fd = -1;
}

/* Makes an empty draft named after a directory; what an interrupted run left is used again. */
static int draft_make(struct draft *d, const char *final, const char *suffix,
                      char why[OH__STORE_WHY])
{
    int n = snprintf(d->path, sizeof(d->path), "%s.%s", final, suffix);

    d->dir_fd = d->bind_fd = -1;
    if (n < 0 || (size_t)n >= sizeof(d->path)) {
        oh__why(why, "the path %.100s... is too long", final);
        return OH_E_LIMIT;
    }
    d->dir_fd = oh__files_dir(AT_FDCWD, d->path, true);
    if (d->dir_fd >= 0)
        d->bind_fd = oh__files_dir(d->dir_fd, OH__BINDINGS_NAME, true);
    if (d->bind_fd < 0) {
        int rc = oh__files_fail(why, errno, "make", d->path);

        draft_drop(d);
        return rc;
    }
    unlinkat(d->bind_fd, OH__SNAPSHOT_NAME, 0);
    unlinkat(d->dir_fd, OH__DB_NAME, 0);
    return OH_OK;
}

/* Everything in the draft is on disk afterwards. */
static int draft_sync(struct draft *d, char why[OH__STORE_WHY])
{
    if (fsync(d->bind_fd) != 0 || fsync(d->dir_fd) != 0)
        return oh__files_fail(why, errno, "sync", d->path);
    return OH_OK;
}

static void draft_close(struct draft *d)
{
    close(d->bind_fd);
    close(d->dir_fd);
    d->dir_fd = d->bind_fd = -1;
}

/* Copies a path without its trailing slashes. */
static int plain_path(char out[OH__PATH_MAX], const char *path, char why[OH__STORE_WHY])
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0 || n >= OH__PATH_MAX) {
        oh__why(why, "a path is empty or too long");
        return OH_E_LIMIT;
    }
    memcpy(out, path, n);
    out[n] = '\0';
    return OH_OK;
}

/* Database and bindings into the draft. */
static int fill(struct oh__store *store, struct draft *d, struct oh__snapshot_source *from,
                char why[OH__STORE_WHY])
{
    char path[OH__PATH_MAX];
    uint64_t size;
    int rc;

    if (oh__files_join(path, d->path, OH__DB_NAME) != OH_OK) {
        oh__why(why, "the path %.100s... is too long", d->path);
        return OH_E_LIMIT;
    }
    rc = oh__db_copy(&store->db, path, why);
    if (rc != OH_OK)
        return rc;
    /* The copy stands alone: nothing of this run's journals comes with it. */
    from->floor = store->lsn;
    errno = 0;
    rc = oh__snapshot_write(d->bind_fd, from, &size);
    if (rc != OH_OK && errno)
        oh__files_fail(why, errno, "write the bindings to", d->path);
    else if (rc != OH_OK)
        oh__why(why, "cannot write the bindings to %s: %s", d->path, oh_error_text(rc));
    return rc == OH_OK ? draft_sync(d, why) : rc;
}

int oh__store_backup(struct oh__store *store, const char *to_dir,
                     int (*next)(void *ctx, struct oh_span *aor, uint64_t *version,
                                 struct oh_span *record),
                     void *ctx, char why[OH__STORE_WHY])
{
    struct oh__snapshot_source from = {.next = next, .ctx = ctx, .generation = store->generation};
    char to[OH__PATH_MAX];
    struct draft d;
    int rc = plain_path(to, to_dir, why);

    if (rc != OH_OK)
        return rc;
    /* An empty directory of that name may go: people make it before they call us. */
    if (access(to, F_OK) == 0 && rmdir(to) != 0) {
        oh__why(why, "%s is there already: name a new directory for the backup", to);
        return OH_E_DUPLICATE;
    }
    rc = draft_make(&d, to, "partial", why);
    if (rc != OH_OK)
        return rc;
    rc = fill(store, &d, &from, why);
    if (rc == OH_OK && rename(d.path, to) != 0)
        rc = oh__files_fail(why, errno, "finish", to);
    if (rc != OH_OK) {
        draft_drop(&d);
        return rc;
    }
    draft_close(&d);
    return oh__files_sync_parent(to) == OH_OK ? OH_OK : oh__files_fail(why, errno, "sync", to);
}

/* A backup without its snapshot has lost it: one is written even when nobody is registered. */
static int check_snapshot(const struct oh__store *store, char why[OH__STORE_WHY])
{
    if (store->bind_fd >= 0 && faccessat(store->bind_fd, OH__SNAPSHOT_NAME, F_OK, 0) == 0)
        return OH_OK;
    oh__why(why,
            "%.90s has lost its file " OH__BINDINGS_NAME "/" OH__SNAPSHOT_NAME
            ": use another backup",
            store->dir);
    return OH_E_CORRUPT;
}

/* Accepts every record: what is asked is whether the files can be read. */
static int accept_one(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    (void)ctx, (void)aor, (void)version, (void)record;
    return OH_OK;
}

/* Asked first, because opening a directory leaves a lock file in it, whatever else it may hold. */
static int look_like_backup(const char *dir, char why[OH__STORE_WHY])
{
    char path[OH__PATH_MAX];

    if (oh__files_join(path, dir, OH__DB_NAME) != OH_OK) {
        oh__why(why, "the path %.100s... is too long", dir);
        return OH_E_LIMIT;
    }
    if (access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
        return OH_OK; /* opening it tells more about what is wrong */
    oh__why(why,
            "%.100s is no backup (it has no " OH__DB_NAME "): name a directory that `offhook "
            "backup` has made",
            dir);
    return OH_E_ABSENT;
}

int oh__store_backup_open(const char *dir,
                          int (*visit)(void *ctx, struct oh_span aor, uint64_t version,
                                       struct oh_span record),
                          void *ctx, struct oh__store **out, char why[OH__STORE_WHY])
{
    struct oh__store_options options = {.dir = dir, .read_only = true};
    struct oh__store *store;
    int rc = look_like_backup(dir, why);

    if (rc == OH_OK)
        rc = oh__store_open(&options, &store, why);
    if (rc != OH_OK)
        return rc;
    rc = oh__store_replay(store, visit, ctx, why);
    if (rc != OH_OK && !why[0])
        oh__why(why, "the registrations in %.100s cannot be read: %s", dir, oh_error_text(rc));
    /* What is good enough for a start is not for a restore: nothing is lost by refusing. */
    if (rc == OH_OK && store->suspect) {
        oh__why(why,
                "%.90s/" OH__BINDINGS_NAME "/" OH__SNAPSHOT_NAME " is damaged: use another backup",
                dir);
        rc = OH_E_CORRUPT;
    }
    if (rc == OH_OK && store->segments) {
        oh__why(why, "%s is a state directory, not a backup: make one of it with offhook backup",
                dir);
        rc = OH_E_CORRUPT;
    }
    if (rc == OH_OK)
        rc = check_snapshot(store, why);
    if (rc != OH_OK)
        oh__store_close(store);
    else
        *out = store;
    return rc;
}

/* Copies one file of the backup. */
static int copy_part(int from_dir, int to_dir, const char *name)
{
    int fd = openat(from_dir, name, O_RDONLY | O_CLOEXEC), rc, err;

    if (fd < 0)
        return oh__files_code(errno);
    rc = oh__files_copy(fd, to_dir, name);
    err = errno;
    close(fd);
    errno = err;
    return rc;
}

/* A name for the directory that is replaced, one that is free. */
static int name_before(char out[OH__PATH_MAX], const char *state)
{
    for (unsigned i = 1; i < 10000; i++) {
        int n = snprintf(out, OH__PATH_MAX, "%s.before-restore-%u", state, i);

        if (n < 0 || n >= OH__PATH_MAX)
            return OH_E_LIMIT;
        if (access(out, F_OK) != 0 && errno == ENOENT)
            return OH_OK;
    }
    return OH_E_FULL;
}

/*
 * Puts the draft in the place of the state directory, which gets the name `before`. OH_OK also when
 * only that name could not be given: then the old state stays under the draft's name.
 */
static int exchange(const char *draft, const char *state, const char *before)
{
    if (renameat2(AT_FDCWD, draft, AT_FDCWD, state, RENAME_EXCHANGE) == 0) {
        (void)rename(draft, before);
        return OH_OK;
    }
    if (errno == ENOENT)
        return rename(draft, state) == 0 ? OH_OK : oh__files_code(errno);
    /* A file system without exchange: two steps, and both directories stay in between. */
    if (rename(state, before) != 0)
        return oh__files_code(errno);
    return rename(draft, state) == 0 ? OH_OK : oh__files_code(errno);
}

/* The steps of a restoration whose draft is made and whose state directory is locked. */
static int replace(struct oh__store *backup, struct draft *d, const char *state,
                   char why[OH__STORE_WHY])
{
    char before[OH__PATH_MAX];
    int rc;

    rc = copy_part(backup->dir_fd, d->dir_fd, OH__DB_NAME);
    if (rc == OH_OK)
        rc = copy_part(backup->bind_fd, d->bind_fd, OH__SNAPSHOT_NAME);
    if (rc != OH_OK)
        return oh__files_fail(why, errno, "copy the backup to", d->path);
    rc = draft_sync(d, why);
    if (rc != OH_OK)
        return rc;
    rc = name_before(before, state);
    if (rc != OH_OK) {
        oh__why(why, "no free name %s.before-restore-N: remove old ones", state);
        return rc;
    }
    rc = exchange(d->path, state, before);
    if (rc != OH_OK)
        oh__files_fail(why, errno, "put the restored state into", state);
    return rc;
}

int oh__store_restore(const char *from_dir, const char *state_dir, char why[OH__STORE_WHY])
{
    char state[OH__PATH_MAX];
    struct oh__store *backup;
    struct draft d;
    int state_fd, lock = -1;
    int rc = plain_path(state, state_dir, why);

    if (rc == OH_OK)
        rc = oh__store_backup_open(from_dir, accept_one, NULL, &backup, why);
    if (rc != OH_OK)
        return rc;
    /* Without a lock of its own the old state could be written to while it is moved away. */
    state_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state_fd >= 0)
        rc = oh__files_lock(state_fd, state, false, &lock, why);
    else if (errno != ENOENT)
        rc = oh__files_fail(why, errno, "open the state directory", state);
    if (rc == OH_OK)
        rc = draft_make(&d, state, "restoring", why);
    if (rc == OH_OK) {
        rc = replace(backup, &d, state, why);
        if (rc != OH_OK) {
            draft_drop(&d);
        } else {
            draft_close(&d);
            if (oh__files_sync_parent(state) != OH_OK)
                rc = oh__files_fail(why, errno, "sync", state);
        }
    }
    if (lock >= 0)
        close(lock);
    if (state_fd >= 0)
        close(state_fd);
    oh__store_close(backup);
    return rc;
}
