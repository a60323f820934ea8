/*
 * A sentence about a failure names what was being done, the file, the system's
 * reason and, where there is one, the remedy. errno is kept on the way to
 * whoever writes the sentence; codes travel separately, because callers decide
 * by them (a full disk is answered, a broken one is not written to again).
 */
#define _XOPEN_SOURCE 700

#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes moved at a time when a file is copied. */
#define COPY_BYTES 65536

void oh__why(char why[OH__STORE_WHY], const char *format, ...)
{
    va_list args;

    if (!why)
        return;
    va_start(args, format);
    if (vsnprintf(why, OH__STORE_WHY, format, args) < 0)
        why[0] = '\0';
    va_end(args);
}

int oh__files_code(int err)
{
    switch (err) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return OH_E_FULL;
    case EACCES:
    case EPERM:
    case EROFS: return OH_E_DENIED;
    case ENOMEM: return OH_E_NOMEM;
    case ENOENT: return OH_E_ABSENT;
    default: return OH_E_IO;
    }
}

int oh__files_fail(char why[OH__STORE_WHY], int err, const char *doing, const char *path)
{
    int code = oh__files_code(err);
    char text[96];

    if (strerror_r(err, text, sizeof(text)) != 0)
        snprintf(text, sizeof(text), "error %d", err);
    if (err == EROFS)
        oh__why(why, "cannot %s %s: %s; mount its file system for writing", doing, path, text);
    else if (err == EIO)
        oh__why(why, "cannot %s %s: %s; its disk fails, look at the kernel's messages (dmesg)",
                doing, path, text);
    else if (code == OH_E_FULL)
        oh__why(why, "cannot %s %s: %s; free space on its disk and try again", doing, path, text);
    else if (code == OH_E_DENIED)
        oh__why(why, "cannot %s %s: %s; run as the user that owns it, or mend its mode", doing,
                path, text);
    else
        oh__why(why, "cannot %s %s: %s", doing, path, text);
    return code;
}

int oh__files_write(int fd, const void *p, size_t n, uint64_t at)
{
    const char *from = p;

    /* Usually one call; less than all is written when a signal or a limit comes in between. */
    while (n > 0) {
        ssize_t done = pwrite(fd, from, n, (off_t)at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return oh__files_code(errno);
        /* Not for files, says POSIX; but going round for ever would be worse than an error. */
        if (done == 0) {
            errno = EIO;
            return OH_E_IO;
        }
        from += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return OH_OK;
}

int oh__files_read(int fd, void *p, size_t n, uint64_t at, size_t *got)
{
    char *to = p;
    size_t have = 0;

    while (have < n) {
        ssize_t done = pread(fd, to + have, n - have, (off_t)(at + have));

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return OH_E_IO;
        if (done == 0)
            break;
        have += (size_t)done;
    }
    *got = have;
    return OH_OK;
}

/* An existing directory keeps its mode: whoever widened it had a reason, the files are 0600 anyway.
 */
int oh__files_dir(int at_fd, const char *path, bool make)
{
    if (make && mkdirat(at_fd, path, 0700) != 0 && errno != EEXIST)
        return -1;
    return openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int oh__files_make_above(const char *path)
{
    char above[OH__PATH_MAX];
    size_t n = strlen(path);

    if (n >= sizeof(above)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(above, path, n + 1);
    for (size_t i = 1; i < n; i++) {
        if (above[i] != '/')
            continue;
        above[i] = '\0';
        if (mkdir(above, 0700) != 0 && errno != EEXIST)
            return -1;
        above[i] = '/';
    }
    return 0;
}

/* Copies bytes from the start of one file to the start of another, and syncs that one. */
static int copy_bytes(int from, int to)
{
    char bytes[COPY_BYTES];
    uint64_t at = 0;
    size_t got = 0;

    do {
        int rc = oh__files_read(from, bytes, sizeof(bytes), at, &got);

        if (rc == OH_OK)
            rc = oh__files_write(to, bytes, got, at);
        if (rc != OH_OK)
            return rc;
        at += got;
    } while (got == sizeof(bytes));
    return fsync(to) == 0 ? OH_OK : oh__files_code(errno);
}

int oh__files_copy(int from_fd, int to_dir, const char *name)
{
    /* O_EXCL: nothing that is there already may be written into, least of all by a link. */
    int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc, err;

    if (to < 0)
        return oh__files_code(errno);
    rc = copy_bytes(from_fd, to);
    err = errno;
    close(to);
    errno = err;
    return rc;
}

int oh__files_join(char out[OH__PATH_MAX], const char *dir, const char *name)
{
    int n = snprintf(out, OH__PATH_MAX, "%s/%s", dir, name);

    return n < 0 || n >= OH__PATH_MAX ? OH_E_LIMIT : OH_OK;
}

/* A new or renamed name is on disk when the directory that holds it is, not when the file is. */
int oh__files_sync_parent(const char *path)
{
    char parent[OH__PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    int fd, rc;

    if (n >= sizeof(parent))
        return OH_E_IO;
    memcpy(parent, path, n);
    parent[n] = '\0';
    fd = open(slash ? (n ? parent : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return OH_E_IO;
    rc = fsync(fd) == 0 ? OH_OK : OH_E_IO;
    close(fd);
    return rc;
}

/* Who holds the lock, for the sentence only: the pid may be of a process that has just ended. */
static int busy(int fd, const char *dir, char why[OH__STORE_WHY])
{
    char text[16];
    struct oh_span pid;
    uint32_t number;
    size_t n = 0;

    if (oh__files_read(fd, text, sizeof(text), 0, &n) != OH_OK)
        n = 0;
    pid = oh_span_trim(oh_span(text, n));
    if (oh_span_u32(pid, INT32_MAX, &number) == OH_OK)
        oh__why(why,
                "another offhook (pid %u) uses the state directory %s: stop it or give --state "
                "another directory",
                number, dir);
    else
        oh__why(why,
                "another offhook uses the state directory %s: stop it or give --state another "
                "directory",
                dir);
    return OH_E_BUSY;
}

/* The pid stays in the file afterwards, which harms nobody: only the lock on it counts. */
static int write_pid(int fd)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) != 0)
        return oh__files_code(errno);
    return oh__files_write(fd, text, (size_t)n, 0);
}

/*
 * flock, not fcntl: a lock of fcntl goes when any descriptor of the file is closed by anybody in
 * this process, say a library that looks around.
 */
int oh__files_lock(int dir_fd, const char *dir, bool shared, int *fd, char why[OH__STORE_WHY])
{
    int lock = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int rc;

    if (lock < 0 && shared)
        lock = openat(dir_fd, "lock", O_RDONLY | O_CLOEXEC);
    if (lock < 0 && shared && errno == ENOENT) {
        *fd = -1; /* nobody has ever locked a directory that we may not write to */
        return OH_OK;
    }
    if (lock < 0)
        return oh__files_fail(why, errno, "open the lock file in", dir);
    while (flock(lock, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
        if (errno == EINTR)
            continue;
        rc = errno == EWOULDBLOCK ? busy(lock, dir, why)
                                  : oh__files_fail(why, errno, "lock the state directory", dir);
        close(lock);
        return rc;
    }
    if (!shared && (rc = write_pid(lock)) != OH_OK) {
        oh__files_fail(why, errno, "write the lock file in", dir);
        close(lock);
        return rc;
    }
    *fd = lock;
    return OH_OK;
}
