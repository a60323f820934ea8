/*
 * A real state directory under a world: the store of src/store with its files,
 * and a disk that fails by the seed. The linker gives the store's system calls
 * to the functions below (--wrap in tests/CMakeLists.txt); outside of a world
 * with options.disk they do what they always do.
 *
 * A kill is a disk that takes nothing any more: what the store would still
 * write while it is closed never arrives, but for the first half of it, which
 * is what a process that dies in a write may leave behind.
 *
 * Syncing waits for nothing here: a killed process needs none, and a power cut
 * is not what is tested.
 */
#define _GNU_SOURCE /* nftw */
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"

#define SEGMENT_BYTES 4096u /* a few records: a batch often reaches into the next one */
#define MAINTENANCE   (2 * WORLD_SECOND)

/* The disk of the world that runs; NULL: the machine's own. */
static struct disk *current;

ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_posix_fallocate(int fd, off_t at, off_t n);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_unlinkat(int dir, const char *name, int flags);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_unlinkat(int dir, const char *name, int flags);

/* ---- the disk ---- */

/* Counts the calls until the process is killed: at any of them, even in the midst of a snapshot. */
static void one_call_less(void)
{
    if (!current || current->dead || current->dies_in == 0 || --current->dies_in > 0)
        return;
    world_note(current->world, "from here on nothing reaches the disk");
    current->dead = current->last_gasp = true;
}

/* 0, or the error that this call is to meet. */
static int fault(unsigned percent)
{
    if (!current || current->dead || !world_chance(current->world, percent))
        return 0;
    world_note(current->world, "the disk fails");
    return world_chance(current->world, 50) ? ENOSPC : EIO;
}

static int failed(int err)
{
    errno = err;
    return -1;
}

ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
    int err;

    one_call_less();
    err = fault(current ? current->write_faults : 0);
    if (current && current->dead) {
        if (current->last_gasp && n > 1)
            (void)!__real_pwrite(fd, p, n / 2, at);
        current->last_gasp = false;
        return failed(EIO);
    }
    if (err && n > 1 && world_chance(current->world, 50))
        (void)!__real_pwrite(fd, p, 1 + world_random(current->world, n - 1), at);
    return err ? failed(err) : __real_pwrite(fd, p, n, at);
}

int __wrap_fdatasync(int fd)
{
    int err = fault(current ? current->write_faults : 0);

    return err ? failed(EIO) : current ? 0 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
    int err = fault(current ? current->write_faults : 0);

    return err ? failed(EIO) : current ? 0 : __real_fsync(fd);
}

/* A full disk shows here first. */
int __wrap_posix_fallocate(int fd, off_t at, off_t n)
{
    one_call_less();
    if (current && (current->dead || current->full))
        return ENOSPC;
    return __real_posix_fallocate(fd, at, n);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    int err;

    one_call_less();
    err = fault(current ? current->write_faults : 0);
    if (current && current->dead)
        err = EIO;
    return err ? failed(err) : __real_renameat(from_dir, from, to_dir, to);
}

int __wrap_unlinkat(int dir, const char *name, int flags)
{
    one_call_less();
    return current && current->dead ? failed(EIO) : __real_unlinkat(dir, name, flags);
}

/* ---- the store on it ---- */

static void open_store(struct world *w)
{
    struct disk *d = &w->server.disk;
    struct oh__store_options o = {
        .dir = d->dir, .workers = w->server.workers_n, .segment_bytes = SEGMENT_BYTES};
    char why[OH__STORE_WHY] = "";

    CHECK_SAY(w, oh__store_open(&o, &d->store, why) == OH_OK, "the store does not open: %s", why);
    for (unsigned i = 0; i < w->server.workers_n; i++)
        w->server.workers[i].env.journal = oh__store_journal(d->store, i);
}

static int restore(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    struct world *w = ctx;

    return oh__location_restore(w->server.shared.location, aor, version, record, world_wall(w));
}

static void replay(struct world *w)
{
    char why[OH__STORE_WHY] = "";
    int err = oh__store_replay(w->server.disk.store, restore, w, why);

    CHECK_SAY(w, err == OH_OK, "the journals cannot be replayed: %s: %s", oh_error_text(err), why);
}

void disk_start(struct world *w)
{
    struct disk *d = &w->server.disk;
    struct stat st;

    snprintf(d->dir, sizeof d->dir, "%s/offhook-sim-XXXXXX",
             stat("/dev/shm", &st) == 0 && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    d->world = w;
    if (!mkdtemp(d->dir)) {
        perror("sim: no directory for a store");
        abort();
    }
    current = d;
    open_store(w);
    replay(w);
    d->next = w->now + MAINTENANCE;
}

void disk_kill(struct world *w)
{
    struct disk *d = &w->server.disk;

    d->last_gasp |= !d->dead;
    d->dead = true;
    oh__store_close(d->store);
    d->store = NULL;
    d->dead = false;
    d->dies_in = 0;
}

void disk_restart(struct world *w)
{
    struct disk *d = &w->server.disk;
    unsigned faults = d->write_faults;
    bool full = d->full;

    /* A server that cannot write does not start; so somebody has seen to the disk. */
    d->write_faults = 0;
    d->full = false;
    open_store(w);
    replay(w);
    d->write_faults = faults;
    d->full = full;
}

static int next_record(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    struct disk *d = ctx;
    struct oh__binding_list list;

    oh_arena_reset(&d->arena);
    int r = oh__location_next(d->world->server.shared.location, &d->cursor, &d->arena, aor, version,
                              &list);

    return r == OH_OK ? oh__location_encode(&list, &d->arena, record) : r;
}

void disk_maintain(struct world *w)
{
    struct disk *d = &w->server.disk;

    if (!d->store || w->now < d->next)
        return;
    d->next = w->now + MAINTENANCE;
    d->cursor = (struct oh__location_cursor){0};
    oh_arena_init(&d->arena, oh_alloc_default(), 1 << 20);
    (void)oh__store_compact(d->store, next_record, d);
    oh_arena_done(&d->arena);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void disk_stop(struct world *w)
{
    struct disk *d = &w->server.disk;

    if (!d->world)
        return;
    if (d->store)
        oh__store_close(d->store);
    current = NULL;
    nftw(d->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void server_disk_dies(struct world *w, unsigned calls)
{
    w->server.disk.dies_in = calls;
}

void server_disk_faults(struct world *w, unsigned writes, bool full)
{
    w->server.disk.write_faults = writes;
    w->server.disk.full = full;
}
