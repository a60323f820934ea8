/*
 * The socket part of control: accept, read a line, run the command, write the
 * reply. Everything is non-blocking; a client that stalls is closed by time,
 * one that sends too much at once, and their number is bounded. A client whose
 * command runs as a job waits for it with his next line; others do not.
 */
#define _GNU_SOURCE /* accept4 */

#include "host/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/wheel.h"
#include "host/control_commands.h"
#include "host/control_job.h"

#define CLIENTS_MAX    32
#define LINE_MAX_BYTES (4 * 1024 * 1024)  /* an import sends its rows in batches below this */
#define REPLIES_MAX    (16 * 1024 * 1024) /* a client that asks and never reads is closed */
#define STALL_MAX      (30 * OH__SEC)
#define READ_BYTES     65536

struct client {
    int fd; /* -1 = free place */
    char *in;
    size_t in_n, in_cap;
    char *out;
    size_t out_n, out_at, out_cap; /* bytes there are, bytes written, room */
    bool wants_write;
    bool waits;      /* for the job that it has started */
    uint64_t active; /* ns of the last progress */
};

struct oh__control {
    struct oh__host *host;
    int epoll, listener;
    struct oh__control_job *job;
    char path[108];
    struct client clients[CLIENTS_MAX];
};

/* Closing takes it out of epoll, too; events of this round that are left find fd -1. */
static void drop(struct client *c)
{
    const struct oh_alloc *a = oh_alloc_default();

    close(c->fd);
    oh_free(a, c->in, c->in_cap);
    oh_free(a, c->out, c->out_cap);
    *c = (struct client){.fd = -1};
}

static int refuse(char why[OH__CONTROL_WHY], const char *what, const char *path)
{
    snprintf(why, OH__CONTROL_WHY, "the control socket %s: %s (%s)", path, what, strerror(errno));
    return OH_E_IO;
}

static int listen_at(struct oh__control *c, char why[OH__CONTROL_WHY])
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const char *state = oh__config_process(c->host->config)->state;
    int n = snprintf(c->path, sizeof c->path, "%s/control.sock", state);

    if (n < 0 || (size_t)n >= sizeof c->path || (size_t)n >= sizeof addr.sun_path) {
        snprintf(why, OH__CONTROL_WHY,
                 "the path of the state directory is too long for a socket (%d bytes, 90 fit): "
                 "give a shorter one with --state",
                 n);
        return OH_E_LIMIT;
    }
    memcpy(addr.sun_path, c->path, (size_t)n + 1);
    unlink(c->path); /* the state directory is locked, so a socket that is there is a dead one */
    c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->listener < 0)
        return refuse(why, "cannot be made", c->path);
    /* The mode is right from the first moment on: a chmod afterwards would leave a gap in which
     * anybody could connect. */
    mode_t before = umask(0177);
    int r = bind(c->listener, (struct sockaddr *)&addr, sizeof addr);

    umask(before);
    if (r != 0 || listen(c->listener, CLIENTS_MAX) != 0)
        return refuse(why, "cannot be bound", c->path);
    return OH_OK;
}

static int watch(struct oh__control *c, int fd, uint32_t events, void *what)
{
    struct epoll_event ev = {.events = events, .data.ptr = what};

    return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev);
}

int oh__control_open(struct oh__host *host, struct oh__control **out, char why[OH__CONTROL_WHY])
{
    struct oh__control *c = oh_alloc_zero(oh_alloc_default(), 1, sizeof *c);

    if (!c) {
        snprintf(why, OH__CONTROL_WHY, "not enough memory for the control socket");
        return OH_E_NOMEM;
    }
    c->host = host;
    c->listener = -1;
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        c->clients[i].fd = -1;
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    int r = c->epoll < 0 ? refuse(why, "cannot be watched", "epoll") : listen_at(c, why);

    if (r == OH_OK && watch(c, c->listener, EPOLLIN, NULL) != 0)
        r = refuse(why, "cannot be watched", c->path);
    if (r == OH_OK && (oh__control_job_new(&c->job) != OH_OK ||
                       watch(c, oh__control_job_fd(c->job), EPOLLIN, c) != 0))
        r = refuse(why, "cannot have long commands", c->path);
    if (r != OH_OK) {
        oh__control_close(c);
        return r;
    }
    *out = c;
    return OH_OK;
}

int oh__control_fd(const struct oh__control *c)
{
    return c->epoll;
}

/* Who comes when all places are taken is told so, as far as that needs no waiting. */
static void turn_away(int fd)
{
    static const char words[] =
        "{\"ok\":false,\"schema_version\":1,\"exit\":5,\"error\":"
        "\"too many commands talk to this server at once: try again in a moment\"}\n";

    (void)send(fd, words, sizeof words - 1, MSG_NOSIGNAL);
    close(fd);
}

static void accept_all(struct oh__control *c)
{
    for (;;) {
        int fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        unsigned i = 0;

        if (fd < 0)
            return;
        while (i < CLIENTS_MAX && c->clients[i].fd >= 0)
            i++;
        if (i == CLIENTS_MAX || watch(c, fd, EPOLLIN, &c->clients[i]) != 0)
            turn_away(fd);
        else
            c->clients[i] = (struct client){.fd = fd, .active = oh__clock_now()};
    }
}

/* Asks to be woken for writing only while something waits: else epoll would wake us for ever. */
static void want_write(struct oh__control *control, struct client *c, bool want)
{
    struct epoll_event ev = {.events = want ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};

    if (c->wants_write == want)
        return;
    c->wants_write = want;
    epoll_ctl(control->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

/* Writes what is left of the replies. False: the client has gone. */
static bool write_some(struct oh__control *control, struct client *c)
{
    while (c->out_at < c->out_n) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            want_write(control, c, true);
            return true;
        }
        if (n <= 0)
            return false;
        c->out_at += (size_t)n;
        c->active = oh__clock_now();
    }
    oh_free(oh_alloc_default(), c->out, c->out_cap);
    c->out = NULL;
    c->out_n = c->out_at = c->out_cap = 0;
    want_write(control, c, false);
    return true;
}

/* Runs a command, or starts it: then there is no reply yet and the client waits. */
static json_t *run_command(struct oh__control *control, struct client *c,
                           const struct oh__control_command *command, json_t *request)
{
    const char *running = oh__control_job_running(control->job);

    if (command->kind == OH__CONTROL_LOOK)
        return command->run(control->host, request);
    if (running)
        return oh__control_error(5, "a %s is being done: try again when it has ended", running);
    if (command->kind == OH__CONTROL_CHANGE)
        return command->run(control->host, request);
    if (oh__control_job_start(control->job, control->host, command, request) != OH_OK)
        return oh__control_error(9, "memory is short: nothing was changed");
    c->waits = true;
    return NULL;
}

/* The reply to a line, or NULL when the client waits for it. */
static json_t *run_line(struct oh__control *control, struct client *c, const char *line, size_t n)
{
    json_error_t error;
    json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
    const char *name = json_string_value(json_object_get(request, "command"));
    const struct oh__control_command *command = name ? oh__control_find(name) : NULL;
    json_t *reply;

    if (!request)
        reply = oh__control_error(2, "the request is not JSON: %s", error.text);
    else if (!command)
        reply = oh__control_error(
            2, "this server knows no command '%s': it may be of another version", name ? name : "");
    else
        reply = run_command(control, c, command, request);
    json_decref(request);
    return reply;
}

/* Room for n more bytes of replies, within the bound. */
static bool out_room(struct client *c, size_t n)
{
    size_t cap = c->out_cap ? c->out_cap : 4096;

    while (cap < c->out_n + n && cap < REPLIES_MAX)
        cap *= 2;
    if (c->out_n + n > cap)
        return false;
    if (cap == c->out_cap)
        return true;
    char *p = oh_realloc(oh_alloc_default(), c->out, c->out_cap, cap);

    if (!p)
        return false;
    c->out = p;
    c->out_cap = cap;
    return true;
}

/* Puts the reply behind what is still to be written. */
static bool queue_reply(struct client *c, const json_t *reply)
{
    size_t n = reply ? json_dumpb(reply, NULL, 0, JSON_COMPACT) : 0;

    if (n == 0 || !out_room(c, n + 1))
        return false;
    /* It allocates as well, and writes nothing when it cannot: the room may hold anything. */
    if (json_dumpb(reply, c->out + c->out_n, n, JSON_COMPACT) != n)
        return false;
    c->out[c->out_n + n] = '\n';
    c->out_n += n + 1;
    return true;
}

/* Runs every complete line, up to one that takes its time. False: the client must go. */
static bool run_lines(struct oh__control *control, struct client *c)
{
    char *end;

    while (!c->waits && c->in_n && (end = memchr(c->in, '\n', c->in_n)) != NULL) {
        size_t n = (size_t)(end - c->in);
        json_t *reply = run_line(control, c, c->in, n);
        bool queued = c->waits || queue_reply(c, reply);

        json_decref(reply);
        if (!queued)
            return false;
        memmove(c->in, end + 1, c->in_n - n - 1);
        c->in_n -= n + 1;
    }
    return write_some(control, c);
}

static bool read_some(struct oh__control *control, struct client *c)
{
    const struct oh_alloc *a = oh_alloc_default();

    for (;;) {
        if (c->in_cap - c->in_n < READ_BYTES) {
            size_t cap = c->in_cap ? c->in_cap * 2 : 2 * READ_BYTES;
            char *p = cap <= LINE_MAX_BYTES * 2 ? oh_realloc(a, c->in, c->in_cap, cap) : NULL;

            if (!p)
                return false;
            c->in = p;
            c->in_cap = cap;
        }
        ssize_t n = recv(c->fd, c->in + c->in_n, c->in_cap - c->in_n, 0);

        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        c->in_n += (size_t)n;
        c->active = oh__clock_now();
        if (!run_lines(control, c))
            return false;
    }
}

static void close_stalled(struct oh__control *c)
{
    uint64_t now = oh__clock_now();

    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (c->clients[i].fd >= 0 && !c->clients[i].waits && now - c->clients[i].active > STALL_MAX)
            drop(&c->clients[i]);
}

/* A job has ended: its client, if it is still there, gets the reply and goes on. */
static void end_job(struct oh__control *c)
{
    json_t *reply;

    if (!oh__control_job_take(c->job, &reply))
        return;
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &c->clients[i];

        if (client->fd < 0 || !client->waits)
            continue;
        client->waits = false;
        client->active = oh__clock_now();
        if (!queue_reply(client, reply) || !run_lines(c, client))
            drop(client);
        break; /* run_lines may have started the next one */
    }
    json_decref(reply);
}

void oh__control_run(struct oh__control *c)
{
    struct epoll_event events[CLIENTS_MAX + 2];
    int n = epoll_wait(c->epoll, events, CLIENTS_MAX + 2, 0);

    close_stalled(c); /* first, so that whoever comes now finds their places */
    for (int i = 0; i < n; i++) {
        struct client *client = events[i].data.ptr;

        if (!client)
            accept_all(c);
        else if (events[i].data.ptr == c)
            end_job(c);
        else if (client->fd >= 0 && (!write_some(c, client) || !read_some(c, client)))
            drop(client);
    }
}

void oh__control_close(struct oh__control *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (c->clients[i].fd >= 0)
            drop(&c->clients[i]);
    oh__control_job_free(c->job); /* what it uses of the host is still there */
    if (c->listener >= 0) {
        close(c->listener);
        unlink(c->path);
    }
    if (c->epoll >= 0)
        close(c->epoll);
    oh_free(oh_alloc_default(), c, sizeof *c);
}
