/*
 * A power cut, for crash.py: put into a server with LD_PRELOAD, it remembers what was written and
 * not synced, and which names were changed in directories that were not synced. At the call with
 * the number POWERCUT_AT it takes a part of that back, as the page cache and the journal of a file
 * system would have lost it, and kills the process. POWERCUT_SEED decides which part.
 *
 * Of data any page may be lost, in any order. Of names the newest changes are lost and the older
 * ones kept, which is what journaling file systems do.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096
#define NAME 128

/* One change that a power cut may undo. */
struct change {
    bool data; /* else a name */
    dev_t dev;
    ino_t ino;                 /* of the file, or of the directory that holds the name */
    int fd;                    /* of the same */
    off_t at;                  /* data */
    size_t n;                  /* bytes, all of them in old */
    char *old;                 /* what was there; zeros behind the old end */
    char from[NAME], to[NAME]; /* a rename; from is empty for a removal of `to` */
    char kept[NAME];           /* what `to` was before, under a name of ours; "" = nothing */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct change *changes;
static size_t changes_n, changes_room;
static long cut_at, calls;
static unsigned seed, kept_n;
static const char *below;

static int (*real_rename)(int, const char *, int, const char *);
static int (*real_unlink)(int, const char *, int);
static ssize_t (*real_write)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("POWERCUT_AT"), *text = getenv("POWERCUT_SEED");

    below = getenv("FAULTS_DIR");
    cut_at = at ? strtol(at, NULL, 10) : 0;
    seed = text ? (unsigned)strtoul(text, NULL, 10) : 1;
    real_rename = dlsym(RTLD_NEXT, "renameat");
    real_unlink = dlsym(RTLD_NEXT, "unlinkat");
    real_write = dlsym(RTLD_NEXT, "pwrite");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
}

static bool meant(int fd)
{
    char link[64], path[PATH_MAX];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = below && cut_at ? readlink(link, path, sizeof path - 1) : -1;

    return n > 0 && strncmp(path, below, strlen(below)) == 0;
}

/* A new entry about an open file or directory; the caller fills in the rest. */
static struct change *note(int fd, bool data)
{
    struct stat st;
    char link[64];

    if (changes_n == changes_room) {
        changes_room = changes_room ? 2 * changes_room : 256;
        changes = realloc(changes, changes_room * sizeof *changes);
    }
    struct change *c = &changes[changes_n++];

    fstat(fd, &st);
    *c = (struct change){.data = data, .dev = st.st_dev, .ino = st.st_ino, .fd = -1};
    for (size_t i = changes_n - 1; i-- > 0 && c->fd < 0;)
        if (changes[i].ino == c->ino && changes[i].dev == c->dev && changes[i].data == data)
            c->fd = changes[i].fd;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (c->fd < 0) /* one of our own: theirs may be closed, or not be for reading */
        c->fd = open(link, (data ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    return c;
}

/* Takes a written page back, or leaves it. */
static void undo_data(const struct change *c)
{
    for (size_t i = 0; i < c->n; i += PAGE - (size_t)(c->at + (off_t)i) % PAGE) {
        size_t n = PAGE - (size_t)(c->at + (off_t)i) % PAGE;

        if (rand_r(&seed) % 2)
            real_write(c->fd, c->old + i, n < c->n - i ? n : c->n - i, c->at + (off_t)i);
    }
}

static void undo_name(const struct change *c)
{
    if (c->from[0])
        real_rename(c->fd, c->to, c->fd, c->from);
    if (c->kept[0])
        real_rename(c->fd, c->kept, c->fd, c->to);
}

static void cut(void)
{
    size_t names = 0, lost;

    for (size_t i = 0; i < changes_n; i++)
        names += !changes[i].data;
    lost = names ? (size_t)rand_r(&seed) % (names + 1) : 0;
    for (size_t i = changes_n; i-- > 0;) {
        if (changes[i].data) {
            undo_data(&changes[i]);
        } else if (lost > 0) {
            undo_name(&changes[i]);
            lost--;
        } else if (changes[i].kept[0]) {
            real_unlink(changes[i].fd, changes[i].kept, 0);
        }
    }
    raise(SIGKILL);
}

/* Counts a call; with the lock held. */
static void step(void)
{
    if (cut_at && ++calls == cut_at)
        cut();
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (!meant(fd))
        return real_write(fd, p, n, at);
    pthread_mutex_lock(&lock);
    step();
    struct change *c = note(fd, true);

    c->at = at;
    c->n = n;
    c->old = calloc(1, n);
    if (pread(c->fd, c->old, n, at) < 0)
        memset(c->old, 0, n);
    ssize_t done = real_write(fd, p, n, at);

    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}

/* What was changed of this file or directory is there for good. */
static void settle(int fd)
{
    struct stat st;
    size_t left = 0;
    int ours = -1;

    fstat(fd, &st);
    for (size_t i = 0; i < changes_n; i++) {
        struct change *c = &changes[i];

        if (c->ino != st.st_ino || c->dev != st.st_dev) {
            changes[left++] = *c;
            continue;
        }
        if (c->kept[0])
            real_unlink(c->fd, c->kept, 0);
        free(c->old);
        ours = c->fd;
    }
    changes_n = left;
    if (ours >= 0)
        close(ours);
}

static int sync_one(int (*real)(int), int fd)
{
    if (!meant(fd))
        return real(fd);
    /* Only what was written before the sync began is covered by it. */
    pthread_mutex_lock(&lock);
    step();
    int r = real(fd);

    if (r == 0)
        settle(fd);
    pthread_mutex_unlock(&lock);
    return r;
}

int fsync(int fd)
{
    return sync_one(real_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_one(real_fdatasync, fd);
}

/* The directory of a path, opened, and the name in it. */
static int split(int dir, const char *path, char name[NAME])
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int fd;

    if (!slash) {
        snprintf(name, NAME, "%s", path);
        return openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
    snprintf(name, NAME, "%s", slash + 1);
    fd = openat(dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    char from_name[NAME], to_name[NAME], kept[NAME];
    int fd = split(to_dir, to, to_name), r;

    if (fd < 0 || !meant(fd)) {
        if (fd >= 0)
            close(fd);
        return real_rename(from_dir, from, to_dir, to);
    }
    close(split(from_dir, from, from_name));
    pthread_mutex_lock(&lock);
    step();
    snprintf(kept, sizeof kept, ".kept-%ld-%u", (long)getpid(), kept_n++);
    bool replaces = linkat(fd, to_name, fd, kept, 0) == 0;

    r = real_rename(from_dir, from, to_dir, to);
    if (r == 0) {
        struct change *c = note(fd, false);

        memcpy(c->from, from_name, NAME);
        memcpy(c->to, to_name, NAME);
        if (replaces)
            memcpy(c->kept, kept, NAME);
    }
    close(fd);
    pthread_mutex_unlock(&lock);
    return r;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dir, const char *path, int flags)
{
    char name[NAME], kept[NAME];
    int fd = flags ? -1 : split(dir, path, name), r;

    if (fd < 0 || !meant(fd)) {
        if (fd >= 0)
            close(fd);
        return real_unlink(dir, path, flags);
    }
    pthread_mutex_lock(&lock);
    step();
    snprintf(kept, sizeof kept, ".kept-%ld-%u", (long)getpid(), kept_n++);
    r = linkat(fd, name, fd, kept, 0) == 0 ? real_unlink(dir, path, 0) : -1;
    if (r == 0) {
        struct change *c = note(fd, false);

        memcpy(c->to, name, NAME);
        memcpy(c->kept, kept, NAME);
    }
    close(fd);
    pthread_mutex_unlock(&lock);
    return r;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}
