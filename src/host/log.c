/*
 * Whoever has something to say formats it into a slot of a ring under a short
 * lock; one thread takes slots out and writes them. A ring that is full drops
 * the newest line and counts it; the count is written as soon as there is room.
 */
#define _GNU_SOURCE /* pthread_timedjoin_np */

#include "host/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include <offhook/alloc.h>
#include <offhook/buf.h>

#define SLOTS             2048
#define LINE_MAX_BYTES    1024
#define CLOSE_PATIENCE_MS 1000

struct line {
    uint16_t n;
    char text[LINE_MAX_BYTES];
};

struct oh__log {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_t thread;
    struct line *lines;
    unsigned head, n; /* under lock */
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

static void *run(void *arg)
{
    struct oh__log *log = arg;
    struct line line;

    pthread_mutex_lock(&log->lock);
    for (;;) {
        while (log->n == 0 && !log->closing && !log->reopen)
            pthread_cond_wait(&log->filled, &log->lock);
        if (log->reopen) {
            log->reopen = false;
            open_again(log);
            continue;
        }
        if (log->n == 0)
            break;
        line = log->lines[log->head];
        log->head = (log->head + 1) % SLOTS;
        log->n--;
        pthread_mutex_unlock(&log->lock);
        write_all(log->fd, line.text, line.n);
        tell_dropped(log);
        pthread_mutex_lock(&log->lock);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
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
    log->lines = oh_alloc(a, SLOTS * sizeof *log->lines);
    log->fd = open_path(to);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->filled, NULL);
    int r = log->fd < 0 ? OH_E_IO : log->lines ? OH_OK : OH_E_NOMEM;

    if (r == OH_OK && pthread_create(&log->thread, NULL, run, log) != 0)
        r = OH_E_NOMEM;
    if (r != OH_OK) {
        oh_free(a, log->lines, SLOTS * sizeof *log->lines);
        oh_free(a, log, sizeof *log);
        return r;
    }
    *out = log;
    return OH_OK;
}

void oh__log_close(struct oh__log *log)
{
    const struct oh_alloc *a = oh_alloc_default();
    struct timespec until;

    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->closing = true;
    pthread_cond_signal(&log->filled);
    pthread_mutex_unlock(&log->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_PATIENCE_MS / 1000;
    if (pthread_timedjoin_np(log->thread, NULL, &until) != 0)
        return; /* the destination blocks: the process is ending, the thread ends with it */
    if (log->fd != STDERR_FILENO)
        close(log->fd);
    oh_free(a, log->lines, SLOTS * sizeof *log->lines);
    oh_free(a, log, sizeof *log);
}

void oh__log_reopen(struct oh__log *log, enum oh__log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
    pthread_mutex_lock(&log->lock);
    log->reopen = true;
    pthread_cond_signal(&log->filled);
    pthread_mutex_unlock(&log->lock);
}

bool oh__log_wants(const struct oh__log *log, enum oh__log_level level)
{
    return (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

static void put_time(struct oh_buf *b)
{
    struct timespec now;
    struct tm tm;
    char text[40];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    oh_buf_put(b, text, strftime(text, sizeof text, "ts=%Y-%m-%dT%H:%M:%S.", &tm));
    unsigned ms = (unsigned)(now.tv_nsec / 1000000);

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
    if (!oh__log_wants(log, level))
        return;
    pthread_mutex_lock(&log->lock);
    if (log->n == SLOTS) {
        atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
        pthread_mutex_unlock(&log->lock);
        return;
    }
    struct line *line = &log->lines[(log->head + log->n) % SLOTS];
    struct oh_buf b;

    oh_buf_init(&b, line->text, sizeof line->text - 1);
    put_time(&b);
    oh_buf_lit(&b, " level=");
    oh_buf_span(&b, oh_span_str(LEVELS[level]));
    oh_buf_lit(&b, " event=");
    oh_buf_span(&b, oh_span_str(event));
    for (unsigned i = 0; i < n; i++)
        put_field(&b, &fields[i]);
    line->text[b.n++] = '\n';
    line->n = (uint16_t)b.n;
    log->n++;
    pthread_cond_signal(&log->filled);
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
