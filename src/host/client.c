/*
 * One request, one reply, one deadline for all of it. The sentences are the
 * point: "connection refused" helps nobody, but which directory was meant,
 * what is probably the matter and what to do does.
 */
#include "host/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <offhook/alloc.h>

#include "net/system.h"

#define REPLY_MOST                                                                  \
    (256u << 20) /* a server that we started ourselves is trusted, but not with all \
                    memory */
#define NS_PER_MS UINT64_C(1000000)

/* One call under way. */
struct call {
    const char *state;
    int fd;
    uint64_t deadline; /* ns */
    char *in;
    size_t n, cap;
    char *why;
};

static int fail(struct call *c, int code, const char *what)
{
    snprintf(c->why, OH__CLIENT_WHY, "the server that uses %s %s", c->state, what);
    return code;
}

static int cannot_connect(struct call *c, int error)
{
    /* A socket without a listener is what a server that was killed leaves behind. */
    if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR) {
        snprintf(c->why, OH__CLIENT_WHY,
                 "no server uses %s: start one with `offhook serve`, or name its directory with "
                 "--state",
                 c->state);
        return OH_E_ABSENT;
    }
    if (error == EACCES || error == EPERM) {
        snprintf(c->why, OH__CLIENT_WHY,
                 "only the user of the server may talk to it through %s: become that user (sudo "
                 "-u), or name another directory with --state",
                 c->state);
        return OH_E_DENIED;
    }
    snprintf(c->why, OH__CLIENT_WHY, "the server that uses %s cannot be reached: %s", c->state,
             strerror(error));
    return OH_E_IO;
}

static int connect_to(struct call *c)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int n = snprintf(addr.sun_path, sizeof addr.sun_path, "%s/control.sock", c->state);

    if (n < 0 || (size_t)n >= sizeof addr.sun_path) {
        snprintf(c->why, OH__CLIENT_WHY,
                 "the path of the state directory is too long for a socket: %s", c->state);
        return OH_E_LIMIT;
    }
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        return cannot_connect(c, errno);
    return OH_OK;
}

/* Waits for the socket until the deadline of the whole call; signals do not shorten it. */
static int wait_for(struct call *c, short events)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    uint64_t now = oh__clock_now();
    uint64_t left = now < c->deadline ? (c->deadline - now) / NS_PER_MS + 1 : 0;

    while (left) {
        int n = poll(&p, 1, left > 60000 ? 60000 : (int)left);

        if (n > 0)
            return OH_OK;
        if (n < 0 && errno != EINTR)
            break;
        now = oh__clock_now();
        left = now < c->deadline ? (c->deadline - now) / NS_PER_MS + 1 : 0;
    }
    return fail(c, OH_E_TIMEOUT, "does not answer: look at its log, or whether it is stopped");
}

static int send_all(struct call *c, const char *p, size_t n)
{
    while (n) {
        ssize_t done = send(c->fd, p, n, MSG_NOSIGNAL);

        if (done < 0 && errno == EAGAIN) {
            int r = wait_for(c, POLLOUT);

            if (r != OH_OK)
                return r;
        } else if (done < 0) {
            return fail(c, OH_E_IO, "closed the connection before it had the request");
        } else {
            p += done;
            n -= (size_t)done;
        }
    }
    return OH_OK;
}

/* Doubles the room when it is used up. The bound is a guard against nonsense, not a limit. */
static int make_room(struct call *c)
{
    size_t cap = c->cap ? c->cap * 2 : 65536;
    char *p = c->n < c->cap      ? c->in
              : cap > REPLY_MOST ? NULL
                                 : oh_realloc(oh_alloc_default(), c->in, c->cap, cap);

    if (!p)
        return fail(c, OH_E_NOMEM, "sends more than there is memory for");
    if (c->n == c->cap)
        c->cap = cap;
    c->in = p;
    return OH_OK;
}

/* Reads one line, whose end is cut. */
static int read_line(struct call *c)
{
    for (;;) {
        int r = make_room(c);

        if (r != OH_OK)
            return r;
        ssize_t n = recv(c->fd, c->in + c->n, c->cap - c->n, 0);

        if (n == 0 || (n < 0 && errno != EAGAIN))
            return fail(c, OH_E_IO, "went away before it answered: look at its log");
        if (n < 0 && (r = wait_for(c, POLLIN)) != OH_OK)
            return r;
        if (n < 0)
            continue;
        char *end = memchr(c->in + c->n, '\n', (size_t)n);

        c->n += (size_t)n;
        if (end) {
            c->n = (size_t)(end - c->in);
            return OH_OK;
        }
    }
}

static int send_request(struct call *c, const json_t *request)
{
    const struct oh_alloc *a = oh_alloc_default();
    size_t n = json_dumpb(request, NULL, 0, JSON_COMPACT);
    char *text = n ? oh_alloc(a, n + 1) : NULL;

    if (!text) {
        snprintf(c->why, OH__CLIENT_WHY, "not enough memory for the request");
        return OH_E_NOMEM;
    }
    json_dumpb(request, text, n, JSON_COMPACT);
    text[n] = '\n';
    int r = send_all(c, text, n + 1);

    oh_free(a, text, n + 1);
    return r;
}

int oh__client_call(const char *state, const json_t *request, int timeout_ms, json_t **reply,
                    char why[OH__CLIENT_WHY])
{
    struct call c = {.state = state,
                     .fd = -1,
                     .deadline = oh__clock_now() + (uint64_t)timeout_ms * NS_PER_MS,
                     .why = why};
    int r = connect_to(&c);

    if (r == OH_OK)
        r = send_request(&c, request);
    if (r == OH_OK)
        r = read_line(&c);
    /* Whatever else listens on a socket of that name must not be taken for our server. */
    if (r == OH_OK) {
        json_t *got = json_loadb(c.in, c.n, JSON_REJECT_DUPLICATES, NULL);

        if (json_is_boolean(json_object_get(got, "ok"))) {
            *reply = got;
        } else {
            json_decref(got);
            r = fail(&c, OH_E_SYNTAX, "answers in another language: it may be of another version");
        }
    }
    if (c.fd >= 0)
        close(c.fd);
    oh_free(oh_alloc_default(), c.in, c.cap);
    return r;
}
