/*
 * Whoever has something to say writes his line into the buffer in front, under
 * a short lock; a thread swaps the two buffers a few times a second and writes
 * the one behind with one call. Nobody is woken for a line: a wake costs more
 * than the line. A buffer that is full drops the line and counts it; the count
 * is the first line of the next buffer.
 *
 * Everything that may wait for a disk or a pipe (open, write) is done by that
 * thread and without the lock, since a worker that logs holds the lock of a
 * shard, and whoever waits for that shard would wait for the disk.
 */
#include "host/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include <offhook/alloc.h>
#include <offhook/buf.h>

#include "net/system.h"

#define BUFFER_BYTES      (512 * 1024)
#define LINE_MAX_BYTES    1024
#define CLOSE_PATIENCE_MS 1000
#define SWAP_MS           100 /* how long a line may wait */

struct oh__log {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* closing, reopen or ended */
    pthread_t thread;
    char *front, *back; /* BUFFER_BYTES each; back is the writer's */
    size_t n;           /* bytes in front; under lock */
    time_t second;      /* that stamp holds; under lock */
    char stamp[32];     /* "ts=2026-01-31T12:00:00." */
    size_t stamp_n;
    bool closing, reopen, ended;
    int fd; /* the writer's */
    char path[OH__CONFIG_PATH_MAX];
    _Atomic int level;
    _Atomic uint64_t dropped;
    uint64_t dropped_told; /* the writer's */
};

static const char *const LEVELS[] = {"error", "warn", "info", "debug"};

/* Appending: two processes, or a rotation in the middle, never write over each other's lines. */
static int open_path(const char *path)
{
    if (strcmp(path, "stderr") == 0)
        return STDERR_FILENO;
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

static void write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* a log that cannot be written must not end the server */
        p += done;
        n -= (size_t)done;
    }
}

/* The date changes once a second, so it is written once a second. */
static void put_time(struct oh__log *log, struct oh_buf *b)
{
    uint64_t now = oh__clock_wall();
    time_t second = (time_t)(now / 1000);
    unsigned ms = (unsigned)(now % 1000);
    struct tm tm;

    if (second != log->second || log->stamp_n == 0) {
        gmtime_r(&second, &tm);
        log->stamp_n = strftime(log->stamp, sizeof log->stamp, "ts=%Y-%m-%dT%H:%M:%S.", &tm);
        log->second = second;
    }
    oh_buf_put(b, log->stamp, log->stamp_n);
    oh_buf_char(b, (char)('0' + ms / 100));
    oh_buf_char(b, (char)('0' + ms / 10 % 10));
    oh_buf_char(b, (char)('0' + ms % 10));
    oh_buf_char(b, 'Z');
}

/* Whether a logfmt value may stand without quotes. */
static bool plain(struct oh_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return false;
    }
    return true;
}

/* logfmt: quoted when needed; control characters, which could forge a line or drive a terminal,
 * become \xNN. */
static void put_value(struct oh_buf *b, struct oh_span s)
{
    if (plain(s)) {
        oh_buf_span(b, s);
        return;
    }
    oh_buf_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\')
            oh_buf_char(b, '\\');
        if (c < ' ' || c == 0x7f) {
            oh_buf_lit(b, "\\x");
            oh_buf_hex(b, &c, 1);
        } else {
            oh_buf_char(b, (char)c);
        }
    }
    oh_buf_char(b, '"');
}

/* Adds " key=value" as a whole, or cut to what fits when the value is long. */
static void put_field(struct oh_buf *b, const struct oh__log_field *f)
{
    struct oh_buf try = *b;
    struct oh_span value = f->value;

    /* Halving wastes some of the line and needs no second set of rules for the last bytes. */
    for (; value.n; value.n /= 2) {
        try = *b;
        oh_buf_char(&try, ' ');
        oh_buf_span(&try, oh_span_str(f->key));
        oh_buf_char(&try, '=');
        put_value(&try, value);
        if (!try.full) {
            *b = try;
            return;
        }
    }
}

/* Adds a line to the buffer in front, or counts it as dropped. The lock is held. */
static void append(struct oh__log *log, enum oh__log_level level, const char *event,
                   const struct oh__log_field *fields, unsigned n)
{
    struct oh_buf b;

    if (BUFFER_BYTES - log->n < LINE_MAX_BYTES) {
        atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
        return;
    }
    /* Written where it will be sent from; one byte is kept for the line end. */
    oh_buf_init(&b, log->front + log->n, LINE_MAX_BYTES - 1);
    put_time(log, &b);
    oh_buf_lit(&b, " level=");
    oh_buf_span(&b, oh_span_str(LEVELS[level]));
    oh_buf_lit(&b, " event=");
    oh_buf_span(&b, oh_span_str(event));
    for (unsigned i = 0; i < n; i++)
        put_field(&b, &fields[i]);
    log->front[log->n + b.n] = '\n';
    log->n += b.n + 1;
}

/*
 * Opens the file again under its name. When that fails, say because the
 * directory belongs to whom we were before we dropped privileges, the old file
 * stays, and says so: lines in a file that was rotated away look like silence.
 * Called and left with the lock held.
 */
static void open_again(struct oh__log *log)
{
    char why[96];
    int fd;

    pthread_mutex_unlock(&log->lock);
    fd = open_path(log->path);
    if (fd < 0 && strerror_r(errno, why, sizeof why) != 0)
        why[0] = '\0';
    if (fd >= 0 && log->fd != STDERR_FILENO)
        close(log->fd);
    pthread_mutex_lock(&log->lock);
    if (fd >= 0) {
        log->fd = fd;
        return;
    }
    const struct oh__log_field fields[] = {{"path", oh_span_str(log->path)},
                                           {"why", oh_span_str(why)}};

    append(log, OH__LOG_ERROR, "log-not-reopened", fields, 2);
}

/* Says how many lines were dropped since it was said last. The lock is held. */
static void tell_dropped(struct oh__log *log)
{
    uint64_t dropped = oh__log_dropped(log);
    char digits[24];
    struct oh_buf b;

    if (dropped == log->dropped_told)
        return;
    oh_buf_init(&b, digits, sizeof digits);
    oh_buf_u64(&b, dropped - log->dropped_told);
    append(log, OH__LOG_WARN, "log-dropped", &(struct oh__log_field){"lines", oh_buf_view(&b)}, 1);
    log->dropped_told = dropped;
}

/* Takes what is in front. Called and left with the lock held. */
static void write_front(struct oh__log *log)
{
    char *full = log->front;
    size_t n = log->n;

    log->front = log->back;
    log->back = full;
    log->n = 0;
    /* Now there is room for it, and it stands where the lines are missing. */
    tell_dropped(log);
    pthread_mutex_unlock(&log->lock);
    if (n)
        write_all(log->fd, full, n);
    pthread_mutex_lock(&log->lock);
}

static void *run(void *arg)
{
    struct oh__log *log = arg;
    struct timespec until;

    pthread_mutex_lock(&log->lock);
    while (!log->closing || log->n) {
        if (log->reopen) {
            log->reopen = false;
            open_again(log);
        }
        write_front(log);
        if (log->closing || log->reopen)
            continue;
        until = oh__cond_after(SWAP_MS);
        pthread_cond_timedwait(&log->changed, &log->lock, &until);
    }
    log->ended = true;
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

/* Gives everything back but the thread and the lock. */
static void release(struct oh__log *log)
{
    const struct oh_alloc *a = oh_alloc_default();

    if (log->fd >= 0 && log->fd != STDERR_FILENO)
        close(log->fd);
    oh_free(a, log->front, BUFFER_BYTES);
    oh_free(a, log->back, BUFFER_BYTES);
    oh_free(a, log, sizeof *log);
}

/* The last steps of oh__log_open: what needs no memory of its own. */
static int start(struct oh__log *log)
{
    if (oh__cond_init(&log->changed) != OH_OK)
        return OH_E_NOMEM;
    pthread_mutex_init(&log->lock, NULL);
    if (pthread_create(&log->thread, NULL, run, log) == 0)
        return OH_OK;
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    return OH_E_NOMEM;
}

int oh__log_open(const char *to, enum oh__log_level level, struct oh__log **out)
{
    const struct oh_alloc *a = oh_alloc_default();
    struct oh__log *log = oh_alloc_zero(a, 1, sizeof *log);
    int r = OH_E_NOMEM;

    if (!log)
        return r;
    struct oh_buf b;

    oh_buf_init(&b, log->path, sizeof log->path - 1);
    oh_buf_span(&b, oh_span_str(to));
    atomic_init(&log->level, (int)level);
    log->fd = open_path(to);
    if (log->fd < 0 || b.full)
        r = OH_E_IO;
    else if ((log->front = oh_alloc(a, BUFFER_BYTES)) && (log->back = oh_alloc(a, BUFFER_BYTES)))
        r = start(log);
    if (r != OH_OK) {
        release(log);
        return r;
    }
    *out = log;
    return OH_OK;
}

void oh__log_close(struct oh__log *log)
{
    struct timespec until = oh__cond_after(CLOSE_PATIENCE_MS);
    bool ended;

    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->closing = true;
    pthread_cond_broadcast(&log->changed);
    while (!log->ended && pthread_cond_timedwait(&log->changed, &log->lock, &until) == 0)
        continue;
    ended = log->ended;
    pthread_mutex_unlock(&log->lock);
    if (!ended)
        return; /* the destination blocks: the process is ending, the thread ends with it */
    pthread_join(log->thread, NULL);
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    release(log);
}

void oh__log_reopen(struct oh__log *log, enum oh__log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
    pthread_mutex_lock(&log->lock);
    log->reopen = true;
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->lock);
}

bool oh__log_wants(const struct oh__log *log, enum oh__log_level level)
{
    return (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

void oh__log_event(struct oh__log *log, enum oh__log_level level, const char *event,
                   const struct oh__log_field *fields, unsigned n)
{
    if (!oh__log_wants(log, level))
        return;
    pthread_mutex_lock(&log->lock);
    append(log, level, event, fields, n);
    pthread_mutex_unlock(&log->lock);
}

void oh__log_say(struct oh__log *log, enum oh__log_level level, const char *event,
                 const char *format, ...)
{
    char text[512];
    va_list args;

    if (!oh__log_wants(log, level))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    oh__log_event(log, level, event, &(struct oh__log_field){"msg", oh_span_str(text)}, 1);
}

void oh__log_skip(struct oh__log *log)
{
    atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
}

uint64_t oh__log_dropped(const struct oh__log *log)
{
    return atomic_load_explicit(&log->dropped, memory_order_relaxed);
}
