/*
 * A file system that fails on request, for crash.py: put into a server with LD_PRELOAD, it stands
 * between the program and the system calls that change files. A real disk fails when it likes, is
 * remounted read-only only by the kernel, and cannot be told to stop the process in the middle of
 * a rename; here each of that happens at a chosen call.
 *
 * FAULTS_KILL=N kills the process at the N-th such call: before it when N % 3 is 0, after it when
 * it is 1, and in its middle when it is 2, which for a write means that a part is written.
 *
 * FAULTS_FILE=PATH names a file of eight 32-bit numbers that the test changes while the server
 * runs: see enum knob. Only files below FAULTS_DIR are meant by them.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum knob {
    KNOB_WRITE,     /* errno of pwrite; 0 = works */
    KNOB_SYNC,      /* of fsync and fdatasync */
    KNOB_NAMES,     /* of making, renaming and removing files */
    KNOB_ALLOCATE,  /* of posix_fallocate */
    KNOB_SLOW,      /* milliseconds that posix_fallocate takes longer */
    KNOB_CLOCK,     /* seconds that the wall clock is set forward; may be negative */
    KNOB_SLOW_SYNC, /* milliseconds that fsync and fdatasync take longer */
    KNOB_FAILED,    /* how many calls were made to fail so far: for the test to read */
    KNOBS
};

static _Atomic int *knobs;
static long kill_at;
static atomic_long calls;
static const char *below;

/* The next definition of a function, the system's. */
static void *system_one(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);

    if (!p)
        abort();
    return p;
}

__attribute__((constructor)) static void begin(void)
{
    const char *kill_text = getenv("FAULTS_KILL"), *file = getenv("FAULTS_FILE");
    int (*real)(const char *, int, ...) = system_one("open");

    below = getenv("FAULTS_DIR");
    kill_at = kill_text ? strtol(kill_text, NULL, 10) : 0;
    if (!file)
        return;
    int fd = real(file, O_RDWR | O_CLOEXEC);
    void *p = fd < 0 ? MAP_FAILED
                     : mmap(NULL, KNOBS * sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        abort();
    close(fd);
    knobs = p;
}

static int knob(enum knob which)
{
    return knobs ? atomic_load(&knobs[which]) : 0;
}

static void wait_ms(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

    if (ms > 0)
        nanosleep(&t, NULL);
}

/* Is this descriptor a file of the state directory? Sockets, the log and the rest are not. */
static bool meant(int fd)
{
    char link[64], path[PATH_MAX];

    if (!below)
        return true;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);

    return n > 0 && strncmp(path, below, strlen(below)) == 0;
}

/* One more call. True when the process is to end in its middle, or behind it. */
static bool count(void)
{
    long n = kill_at ? atomic_fetch_add(&calls, 1) + 1 : 0;

    if (n && n == kill_at && n % 3 == 0)
        raise(SIGKILL);
    return n && n == kill_at;
}

static void over(bool end)
{
    int e = errno;

    if (end)
        raise(SIGKILL);
    errno = e;
}

/* Fails as the knob says; 0 = go on. */
static int refused(enum knob which)
{
    int e = knob(which);

    if (e) {
        atomic_fetch_add(&knobs[KNOB_FAILED], 1);
        errno = e;
    }
    return e;
}

static ssize_t write_at(ssize_t (*real)(int, const void *, size_t, off_t), int fd, const void *p,
                        size_t n, off_t at)
{
    if (!meant(fd))
        return real(fd, p, n, at);
    if (refused(KNOB_WRITE))
        return -1;
    bool end = count();

    if (end && kill_at % 3 == 2)
        n = n / 2 + 1;
    ssize_t done = real(fd, p, n, at);

    over(end);
    return done;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);

    real = real ? real : system_one("pwrite");
    return write_at(real, fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}

static int sync_one(const char *name, int fd)
{
    int (*real)(int) = system_one(name);

    if (!meant(fd))
        return real(fd);
    wait_ms(knob(KNOB_SLOW_SYNC));
    if (refused(KNOB_SYNC))
        return -1;
    bool end = count();
    int r = real(fd);

    over(end);
    return r;
}

int fsync(int fd)
{
    return sync_one("fsync", fd);
}

int fdatasync(int fd)
{
    return sync_one("fdatasync", fd);
}

int posix_fallocate(int fd, off_t at, off_t n)
{
    int (*real)(int, off_t, off_t) = system_one("posix_fallocate");

    if (!meant(fd))
        return real(fd, at, n);
    wait_ms(knob(KNOB_SLOW));
    if (refused(KNOB_ALLOCATE))
        return knob(KNOB_ALLOCATE);
    bool end = count();
    int r = real(fd, at, n);

    over(end);
    return r;
}

int posix_fallocate64(int fd, off_t at, off_t n)
{
    return posix_fallocate(fd, at, n);
}

/* Opening is meant when it may make a file, by a descriptor or by a path of the directory. */
static int open_one(int dir, const char *name, int flags, int mode)
{
    int (*real)(int, const char *, int, ...) = system_one("openat");
    bool ours = name[0] == '/' || dir == AT_FDCWD
                    ? below && strncmp(name, below, strlen(below)) == 0
                    : meant(dir);

    if (!(flags & O_CREAT) || !ours)
        return real(dir, name, flags, mode);
    if (refused(KNOB_NAMES))
        return -1;
    bool end = count();
    int r = real(dir, name, flags, mode);

    over(end);
    return r;
}

#define MODE_OF(flags, mode)          \
    do {                              \
        va_list args;                 \
        va_start(args, flags);        \
        if ((flags)&O_CREAT)          \
            mode = va_arg(args, int); \
        va_end(args);                 \
    } while (0)

int openat(int dir, const char *name, int flags, ...)
{
    int mode = 0;

    MODE_OF(flags, mode);
    return open_one(dir, name, flags, mode);
}

int open(const char *name, int flags, ...)
{
    int mode = 0;

    MODE_OF(flags, mode);
    return open_one(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
    int mode = 0;

    MODE_OF(flags, mode);
    return open_one(AT_FDCWD, name, flags, mode);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    int (*real)(int, const char *, int, const char *) = system_one("renameat");

    if (refused(KNOB_NAMES))
        return -1;
    bool end = count();
    int r = real(from_dir, from, to_dir, to);

    over(end);
    return r;
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    int (*real)(int, const char *, int, const char *, unsigned) = system_one("renameat2");

    if (refused(KNOB_NAMES))
        return -1;
    bool end = count();
    int r = real(from_dir, from, to_dir, to, flags);

    over(end);
    return r;
}

int mkdirat(int dir, const char *name, mode_t mode)
{
    int (*real)(int, const char *, mode_t) = system_one("mkdirat");

    if (refused(KNOB_NAMES))
        return -1;
    bool end = count();
    int r = real(dir, name, mode);

    over(end);
    return r;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dir, const char *name, int flags)
{
    int (*real)(int, const char *, int) = system_one("unlinkat");

    if (refused(KNOB_NAMES))
        return -1;
    bool end = count();
    int r = real(dir, name, flags);

    over(end);
    return r;
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);

    real = real ? real : system_one("clock_gettime");
    int r = real(id, t);

    if (r == 0 && id == CLOCK_REALTIME)
        t->tv_sec += knob(KNOB_CLOCK);
    return r;
}
