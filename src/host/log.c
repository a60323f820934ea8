#define _GNU_SOURCE /* pthread_timedjoin_np */

/*
 * Whoever has something to say writes his line into the buffer in front, under a short lock;
 * a thread swaps the two buffers a few times a second and writes the one behind with one call.
 * Nobody is woken for a line: a wake costs more than the line. A buffer that is full drops the
 * line and counts it; the count is written as soon as there is room.
 */
#include "host/log.h"

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
    pthread_cond_t asked; /* closing or reopen */
    pthread_t thread;
    char *front, *back; /* BUFFER_BYTES each; back is the writer's */
    size_t n;           /* bytes in front; under lock */
    time_t second;      /* that stamp holds; under lock */
    char stamp[32];     /* "ts=2026-01-31T12:00:00." */
    size_t stamp_n;
    bool closing, reopen;
    int fd; /* the writer's */
    char path[OH__CONFIG_PATH_MAX];
    _Atomic int level;
    _Atomic uint64_t dropped;
    uint64_t dropped_told; /* the writer's */
};

static const char *const LEVELS[] = {"error", "warn", "info", "debug"};

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

        if (done <= 0)
            return; /* a log that cannot be written must not end the server */
        p += done;
        n -= (size_t)done;
    }
}

static void open_again(struct oh__log *log)
{
    int fd = open_path(log->path);

    if (fd < 0)
        return;
    if (log->fd != STDERR_FILENO)
        close(log->fd);
    log->fd = fd;
}

static void tell_dropped(struct oh__log *log)
{
    uint64_t dropped = oh__log_dropped(log);
    char text[96];
    struct oh_buf b;

    if (dropped == log->dropped_told)
        return;
    oh_buf_init(&b, text, sizeof text);
    oh_buf_lit(&b, "level=warn event=log-dropped lines=");
    oh_buf_u64(&b, dropped - log->dropped_told);
    oh_buf_char(&b, '\n');
    write_all(log->fd, b.p, b.n);
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
    pthread_mutex_unlock(&log->lock);
    if (n)
        write_all(log->fd, full, n);
    tell_dropped(log);
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
        until = oh__wall_after(SWAP_MS);
        pthread_cond_timedwait(&log->asked, &log->lock, &until);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

static void release(struct oh__log *log)
{
    const struct oh_alloc *a = oh_alloc_default();

    oh_free(a, log->front, BUFFER_BYTES);
    oh_free(a, log->back, BUFFER_BYTES);
    oh_free(a, log, sizeof *log);
}

int oh__log_open(const char *to, enum oh__log_level level, struct oh__log **out)
{
    const struct oh_alloc *a = oh_alloc_default();
    struct oh__log *log = oh_alloc_zero(a, 1, sizeof *log);

    if (!log)
        return OH_E_NOMEM;
    struct oh_buf b;

    oh_buf_init(&b, log->path, sizeof log->path - 1);
    oh_buf_span(&b, oh_span_str(to));
    atomic_init(&log->level, (int)level);
    log->front = oh_alloc(a, BUFFER_BYTES);
    log->back = oh_alloc(a, BUFFER_BYTES);
    log->fd = open_path(to);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->asked, NULL);
    int r = log->fd < 0 ? OH_E_IO : log->front && log->back ? OH_OK : OH_E_NOMEM;

    if (r == OH_OK && pthread_create(&log->thread, NULL, run, log) != 0)
        r = OH_E_NOMEM;
    if (r != OH_OK) {
        release(log);
        return r;
    }
    *out = log;
    return OH_OK;
}

void oh__log_close(struct oh__log *log)
{
    struct timespec until;

    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->closing = true;
    pthread_cond_signal(&log->asked);
    pthread_mutex_unlock(&log->lock);
    until = oh__wall_after(CLOSE_PATIENCE_MS);
    if (pthread_timedjoin_np(log->thread, NULL, &until) != 0)
        return; /* the destination blocks: the process is ending, the thread ends with it */
    if (log->fd != STDERR_FILENO)
        close(log->fd);
    release(log);
}

void oh__log_reopen(struct oh__log *log, enum oh__log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
    pthread_mutex_lock(&log->lock);
    log->reopen = true;
    pthread_cond_signal(&log->asked);
    pthread_mutex_unlock(&log->lock);
}

bool oh__log_wants(const struct oh__log *log, enum oh__log_level level)
{
    return (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
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

void oh__log_event(struct oh__log *log, enum oh__log_level level, const char *event,
                   const struct oh__log_field *fields, unsigned n)
{
    struct oh_buf b;

    if (!oh__log_wants(log, level))
        return;
    pthread_mutex_lock(&log->lock);
    if (BUFFER_BYTES - log->n < LINE_MAX_BYTES) {
        atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
        pthread_mutex_unlock(&log->lock);
        return;
    }
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

uint64_t oh__log_dropped(const struct oh__log *log)
{
    return atomic_load_explicit(&log->dropped, memory_order_relaxed);
}
