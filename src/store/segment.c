/*
 * Segments are files of a fixed size, allocated before a record is accepted
 * for them, so that a full disk is found out when it can still be answered.
 * When a snapshot covers a segment it becomes a spare and is overwritten: the
 * file system then changes data only, which is what makes a sync cheap. The
 * old content stays behind the new and is told from it by the salt.
 */
#define _XOPEN_SOURCE 700

#include "store/files.h"
#include "store/parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A segment without a file. */
static struct oh__segment *segment_new(void)
{
    struct oh__segment *s = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*s));

    if (s)
        s->fd = -1;
    return s;
}

/* Closes its file, which stays where it is. */
static void segment_free(struct oh__segment *s)
{
    if (s->fd >= 0)
        close(s->fd);
    oh_free(oh_alloc_default(), s, sizeof(*s));
}

/* Frees a list that nobody else can see. */
static void free_list(struct oh__segment **list)
{
    while (*list) {
        struct oh__segment *s = *list;

        *list = s->next;
        segment_free(s);
    }
}

/* Reads "7-42.log" or "spare-42.log"; the number behind the dash. */
static bool parse_name(struct oh_span name, bool *spare, uint64_t *sequence)
{
    ptrdiff_t dash = oh_span_find(name, '-');
    struct oh_span worker, rest;
    uint32_t number;

    if (dash < 0 || name.n < (size_t)dash + 6 || name.n >= OH__NAME_ROOM ||
        !oh_span_eq(oh_span_from(name, name.n - 4), OH_LIT(".log")))
        return false;
    worker = oh_span_head(name, (size_t)dash);
    rest = oh_span_from(oh_span_head(name, name.n - 4), (size_t)dash + 1);
    *spare = oh_span_eq(worker, OH_LIT("spare"));
    return (*spare || oh_span_u32(worker, UINT32_MAX, &number) == OH_OK) &&
           oh_span_u64(rest, UINT64_MAX - 1, sequence) == OH_OK;
}

/* Puts a segment of an earlier run into the list; its head may be unreadable, replay tells. */
static int adopt(struct oh__store *store, const char *name, uint64_t sequence)
{
    int fd = openat(store->bind_fd, name, O_RDONLY | O_CLOEXEC);
    char bytes[OH__FILE_HEAD];
    struct oh__file_head head;
    struct oh__segment *s;
    struct stat st;
    size_t got;

    if (fd < 0)
        return oh__files_code(errno);
    s = segment_new();
    if (!s || fstat(fd, &st) != 0 || oh__files_read(fd, bytes, sizeof(bytes), 0, &got) != OH_OK) {
        int rc = s ? OH_E_IO : OH_E_NOMEM;

        close(fd);
        if (s)
            segment_free(s);
        return rc;
    }
    close(fd);
    if (got == sizeof(bytes) && oh__file_head_get(bytes, OH__SEGMENT_MAGIC, &head) == OH_OK &&
        head.generation >= store->generation)
        store->generation = head.generation + 1;
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->sequence = sequence;
    s->size = (uint64_t)st.st_size;
    s->closed = true;
    s->next = store->segments;
    store->segments = s;
    store->closed_bytes += s->size;
    return OH_OK;
}

/* Looks at one name of the directory. What is not ours is left alone. */
static int find_one(struct oh__store *store, const char *name)
{
    uint64_t sequence;
    bool spare;

    if (!parse_name(oh_span_str(name), &spare, &sequence))
        return OH_OK;
    if (sequence >= store->next_sequence)
        store->next_sequence = sequence + 1;
    if (!spare)
        return adopt(store, name, sequence);
    if (!store->read_only)
        unlinkat(store->bind_fd, name, 0);
    return OH_OK;
}

/* The snapshot counts for the generation, too: after a backup it is all there is. */
static int find_snapshot(struct oh__store *store)
{
    struct oh__file_head head;
    struct stat st;
    int fd, rc = oh__snapshot_open(store->bind_fd, &fd, &head);

    if (rc == OH_E_ABSENT || rc == OH_E_CORRUPT)
        return OH_OK; /* replay tells what was lost */
    if (rc != OH_OK)
        return rc;
    if (head.generation >= store->generation)
        store->generation = head.generation + 1;
    if (fstat(fd, &st) == 0)
        store->live_bytes = (uint64_t)st.st_size;
    close(fd);
    return OH_OK;
}

/* The next name; NULL at the end, and with *rc when the directory cannot be read on: half a list of
 * segments must not pass for all of them. */
static struct dirent *next_entry(DIR *dir, int *rc)
{
    struct dirent *entry;

    errno = 0;
    entry = readdir(dir);
    if (!entry && errno)
        *rc = oh__files_code(errno);
    return entry;
}

bool oh__segments_any(const struct oh__store *store)
{
    int fd = openat(store->dir_fd, OH__BINDINGS_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    uint64_t sequence;
    bool any = false, spare;

    if (!dir)
        return false;
    while (!any && (entry = readdir(dir)))
        any = strcmp(entry->d_name, OH__SNAPSHOT_NAME) == 0 ||
              (parse_name(oh_span_str(entry->d_name), &spare, &sequence) && !spare);
    closedir(dir);
    return any;
}

int oh__segments_find(struct oh__store *store, char why[OH__STORE_WHY])
{
    int fd = openat(store->bind_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    store->generation = 1;
    store->next_sequence = 1;
    if (!dir) {
        rc = oh__files_fail(why, errno, "read the bindings in", store->dir);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    rc = find_snapshot(store);
    while (rc == OH_OK && (entry = next_entry(dir, &rc)))
        rc = find_one(store, entry->d_name);
    closedir(dir);
    if (rc == OH_E_VERSION)
        oh__why(why, "the bindings in %s were written by a newer offhook: upgrade the program",
                store->dir);
    else if (rc != OH_OK)
        oh__why(why, "cannot read the bindings in %s: %s", store->dir, oh_error_text(rc));
    store->lsn = store->generation << OH__LSN_BITS;
    return rc;
}

/* Makes a file and allocates all of it. */
static int make_spare(struct oh__store *store, uint64_t sequence, uint64_t bytes,
                      struct oh__segment **out)
{
    struct oh__segment *s = segment_new();
    int err;

    if (!s)
        return OH_E_NOMEM;
    /* A name that replay does not look at, until the head is written. */
    snprintf(s->name, sizeof(s->name), "spare-%" PRIu64 ".log", sequence);
    s->fd = openat(store->bind_fd, s->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    err = s->fd < 0 ? errno : posix_fallocate(s->fd, 0, (off_t)bytes);
    if (err) {
        errno = err;
        oh__trouble(store, false, "allocate a journal in", "");
        if (s->fd >= 0)
            unlinkat(store->bind_fd, s->name, 0);
        segment_free(s);
        errno = err;
        return oh__files_code(err);
    }
    s->size = bytes;
    *out = s;
    return OH_OK;
}

/* Turns a spare into a worker's segment: the head first, then the name that makes it count. */
static int dedicate(struct oh__store *store, struct oh__segment *s, unsigned worker,
                    uint64_t sequence)
{
    struct oh__file_head head = {
        .magic = OH__SEGMENT_MAGIC,
        .worker = worker,
        .sequence = sequence,
        .generation = store->generation,
    };
    char bytes[OH__FILE_HEAD], name[OH__NAME_ROOM];
    int rc;

    sqlite3_randomness(sizeof(head.salt), head.salt);
    oh__file_head_put(bytes, &head);
    snprintf(name, sizeof(name), "%u-%" PRIu64 ".log", worker, sequence);
    rc = oh__files_write(s->fd, bytes, sizeof(bytes), 0);
    if (rc == OH_OK && renameat(store->bind_fd, s->name, store->bind_fd, name) != 0)
        rc = oh__files_code(errno);
    if (rc != OH_OK)
        return rc;
    memcpy(s->name, name, sizeof(name));
    s->worker = worker;
    s->seed = oh__file_seed(&head);
    s->sequence = sequence;
    s->closed = s->covered = false;
    s->dirty = true;
    store->dir_dirty = true;
    return OH_OK;
}

/* Takes a spare, or only the number for a new one; *sequence gets the segment's own number. */
static struct oh__segment *take_spare(struct oh__store *store, uint64_t *sequence)
{
    struct oh__segment *s;

    pthread_mutex_lock(&store->lock);
    s = store->spares;
    if (s) {
        store->spares = s->next;
        store->spares_n--;
    }
    *sequence = store->next_sequence++;
    if (store->wake && !store->full)
        store->wake(store->wake_ctx); /* to make another, before the next one is wanted */
    pthread_mutex_unlock(&store->lock);
    return s;
}

/* Makes a small one here and now, while a stripe is locked. */
static int make_quickly(struct oh__store *store, uint64_t sequence, struct oh__segment **out)
{
    uint64_t most = store->segment_bytes;
    int rc;

    /* While the disk is full nobody asks it again for every REGISTER: once a second is enough. */
    if (store->full)
        return OH_E_FULL;
    rc = make_spare(store, sequence, most < OH__SEGMENT_QUICK ? most : OH__SEGMENT_QUICK, out);
    if (rc == OH_E_FULL)
        store->full = true;
    return rc;
}

/* A worker has it from now on. */
static void hand_over(struct oh__store *store, unsigned worker, struct oh__segment *s)
{
    pthread_mutex_lock(&store->lock);
    s->next = store->segments;
    store->segments = s;
    if (!store->journals[worker].segment)
        store->idle_journals--;
    pthread_mutex_unlock(&store->lock);
}

int oh__segment_take(struct oh__store *store, unsigned worker, struct oh__segment **out)
{
    for (;;) {
        uint64_t sequence;
        struct oh__segment *s = take_spare(store, &sequence);
        bool spare = s != NULL;
        int rc = spare ? OH_OK : make_quickly(store, sequence, &s);

        if (rc != OH_OK)
            return rc;
        rc = dedicate(store, s, worker, sequence);
        if (rc == OH_OK) {
            hand_over(store, worker, s);
            *out = s;
            return OH_OK;
        }
        oh__trouble(store, !spare, "use", s->name);
        unlinkat(store->bind_fd, s->name, 0);
        segment_free(s);
        /* A spare may have been deleted by somebody; one that was made just now was not. */
        if (!spare)
            return rc;
    }
}

void oh__segment_close(struct oh__store *store, struct oh__segment *segment)
{
    pthread_mutex_lock(&store->lock);
    segment->closed = true;
    store->closed_bytes += segment->size;
    pthread_mutex_unlock(&store->lock);
}

/* The next segment behind `after` that needs the disk's attention; NULL at the end. */
static struct oh__segment *next_open(struct oh__store *store, struct oh__segment *after,
                                     bool *closed)
{
    struct oh__segment *s;

    pthread_mutex_lock(&store->lock);
    s = after ? after->next : store->segments;
    while (s && s->fd < 0)
        s = s->next;
    *closed = s && s->closed;
    pthread_mutex_unlock(&store->lock);
    return s;
}

int oh__segments_sync(struct oh__store *store)
{
    struct oh__segment *s = NULL;
    bool closed;
    int rc = OH_OK;

    while ((s = next_open(store, s, &closed))) {
        /* The mark goes before the sync: a write that comes meanwhile sets it again. */
        if (atomic_exchange(&s->dirty, false) && fdatasync(s->fd) != 0) {
            oh__trouble(store, false, "sync", s->name);
            s->dirty = true;
            rc = OH_E_IO;
        } else if (closed) {
            /* Nobody writes to it any more and all of it is on disk: a descriptor is worth more. */
            close(s->fd);
            s->fd = -1;
        }
    }
    if (atomic_exchange(&store->dir_dirty, false) && fsync(store->bind_fd) != 0) {
        oh__trouble(store, false, "sync", "");
        store->dir_dirty = true;
        rc = OH_E_IO;
    }
    return rc;
}

/*
 * The number is read before the table is looked at, so a change that is made in between is in the
 * snapshot and above its floor as well: replayed twice, and the same both times.
 */
uint64_t oh__segments_cover(struct oh__store *store)
{
    uint64_t floor;

    pthread_mutex_lock(&store->lock);
    floor = store->lsn;
    for (struct oh__segment *s = store->segments; s; s = s->next)
        s->covered = s->closed;
    pthread_mutex_unlock(&store->lock);
    return floor;
}

static void push_spare(struct oh__store *store, struct oh__segment *s)
{
    pthread_mutex_lock(&store->lock);
    s->next = store->spares;
    store->spares = s;
    store->spares_n++;
    pthread_mutex_unlock(&store->lock);
}

/* How many spares are missing; only the background thread adds any. */
static unsigned spares_missing(struct oh__store *store)
{
    unsigned n, wanted;

    pthread_mutex_lock(&store->lock);
    n = store->spares_n;
    wanted = OH__SPARES(store);
    pthread_mutex_unlock(&store->lock);
    return n < wanted ? wanted - n : 0;
}

/* Makes a spare of a segment that is in no list; false when it is not of the right size or cannot.
 */
static bool keep(struct oh__store *store, struct oh__segment *s)
{
    char name[OH__NAME_ROOM];

    if (s->size != store->segment_bytes || spares_missing(store) == 0)
        return false;
    /* One of an earlier run, or one that was closed when it was synced. */
    if (s->fd < 0)
        s->fd = openat(store->bind_fd, s->name, O_RDWR | O_CLOEXEC);
    snprintf(name, sizeof(name), "spare-%" PRIu64 ".log", s->sequence);
    if (s->fd < 0 || renameat(store->bind_fd, s->name, store->bind_fd, name) != 0)
        return false;
    memcpy(s->name, name, sizeof(name));
    s->sequence = 0;
    push_spare(store, s);
    return true;
}

/* Takes the covered segments out of the list, or only their marks when the snapshot failed. */
static struct oh__segment *take_covered(struct oh__store *store, bool done)
{
    struct oh__segment *covered = NULL;

    pthread_mutex_lock(&store->lock);
    for (struct oh__segment **at = &store->segments; *at;) {
        struct oh__segment *s = *at;

        if (!done || !s->covered) {
            s->covered = false;
            at = &s->next;
            continue;
        }
        *at = s->next;
        store->closed_bytes -= s->size;
        s->next = covered;
        covered = s;
    }
    pthread_mutex_unlock(&store->lock);
    return covered;
}

void oh__segments_uncover(struct oh__store *store, bool done)
{
    struct oh__segment *covered = take_covered(store, done);

    /* Removing large files takes its time, and a worker that needs a segment does not wait for it.
     */
    while (covered) {
        struct oh__segment *s = covered;

        covered = s->next;
        store->dir_dirty = true;
        if (keep(store, s))
            continue;
        unlinkat(store->bind_fd, s->name, 0);
        segment_free(s);
    }
}

int oh__segments_prepare(struct oh__store *store)
{
    store->full = false;
    while (spares_missing(store)) {
        struct oh__segment *s;
        uint64_t sequence;
        int rc;

        pthread_mutex_lock(&store->lock);
        sequence = store->next_sequence++;
        pthread_mutex_unlock(&store->lock);
        rc = make_spare(store, sequence, store->segment_bytes, &s);
        if (rc == OH_E_FULL)
            store->full = true;
        if (rc != OH_OK)
            return rc;
        push_spare(store, s);
    }
    return OH_OK;
}

void oh__segments_check_spares(struct oh__store *store)
{
    struct oh__segment *gone = NULL;
    struct stat st;

    pthread_mutex_lock(&store->lock);
    for (struct oh__segment **at = &store->spares; *at;) {
        struct oh__segment *s = *at;

        if (fstatat(store->bind_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        store->spares_n--;
        s->next = gone;
        gone = s;
    }
    pthread_mutex_unlock(&store->lock);
    free_list(&gone);
}

/* It is out of the list meanwhile: its head must not be written by two. */
int oh__segments_probe(struct oh__store *store)
{
    static const char zeros[4096]; /* a page, which every segment has */
    struct oh__segment *s;
    int rc;

    pthread_mutex_lock(&store->lock);
    s = store->spares;
    if (s) {
        store->spares = s->next;
        store->spares_n--;
    }
    pthread_mutex_unlock(&store->lock);
    if (!s)
        return OH_OK; /* a worker was faster: it tries the disk by itself */
    rc = oh__files_write(s->fd, zeros, sizeof(zeros), 0);
    if (rc == OH_OK && fdatasync(s->fd) != 0)
        rc = oh__files_code(errno);
    if (rc != OH_OK)
        oh__trouble(store, true, "write", s->name);
    push_spare(store, s);
    return rc;
}

void oh__segments_done(struct oh__store *store)
{
    /* Spares hold nothing, and the next run may want another size. */
    for (struct oh__segment *s = store->spares; s; s = s->next)
        unlinkat(store->bind_fd, s->name, 0);
    free_list(&store->segments);
    free_list(&store->spares);
}
