/*
 * Peers on streams that do harm by doing little: they connect and go, connect
 * and stay, send a byte in a second, ask and never read, or begin a TLS
 * handshake that never ends. Holding a few thousand connections costs an
 * attacker nothing, so the server must not pay either.
 */
#include "flood.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The beginning of a TLS 1.2 ClientHello record that announces 512 bytes. */
static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

enum habit { HABIT_CHURN, HABIT_IDLE, HABIT_SLOW, HABIT_DEAF, HABIT_HELLO };

static const char *const habits[] = {"churn", "idle", "slow", "deaf", "hello"};

struct held {
    int fd;
    size_t at; /* bytes of the slow message that have left */
};

struct crowd {
    const struct options *o;
    enum habit habit;
    char text[1024];
    size_t text_n;
    struct held *v;
    uint64_t opened, refused, closed, bytes;
};

static void request(struct crowd *c)
{
    c->text_n = (size_t)snprintf(c->text, sizeof c->text,
                                 "OPTIONS sip:%s SIP/2.0\r\n"
                                 "Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK%llx\r\n"
                                 "Max-Forwards: 70\r\nFrom: <sip:x@%s>;tag=1\r\nTo: <sip:%s>\r\n"
                                 "Call-ID: %llx\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
                                 c->o->host, (unsigned long long)random_u64(), c->o->host,
                                 c->o->host, (unsigned long long)random_u64());
}

/* Closing with a reset leaves no port of ours in TIME_WAIT: there are only 28,000 of them. */
static void hang_up(int fd)
{
    struct linger linger = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

static int dial(struct crowd *c, unsigned i)
{
    int fd = source_connect(c->o->source_first + i % c->o->sources, &c->o->to,
                            c->habit == HABIT_DEAF ? 4096 : 0);

    if (fd < 0) {
        c->refused++;
        return -1;
    }
    c->opened++;
    return fd;
}

static void churn(struct crowd *c, uint64_t end)
{
    for (unsigned i = 0; clock_ns() < end; i++) {
        int fd = dial(c, i);

        if (fd >= 0) {
            if (i % 2)
                c->bytes += (uint64_t)send(fd, c->text, c->text_n, MSG_NOSIGNAL | MSG_DONTWAIT);
            hang_up(fd);
        }
    }
}

/* What one held connection does in a round of its habit. */
static void act(struct crowd *c, struct held *h)
{
    ssize_t n = 0;

    switch (c->habit) {
    case HABIT_SLOW: n = send(h->fd, c->text + h->at, 1, MSG_NOSIGNAL | MSG_DONTWAIT); break;
    case HABIT_DEAF: n = send(h->fd, c->text, c->text_n, MSG_NOSIGNAL | MSG_DONTWAIT); break;
    case HABIT_HELLO:
        if (h->at == 0)
            n = send(h->fd, hello, sizeof hello - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        break;
    default: break;
    }
    if (n > 0) {
        c->bytes += (uint64_t)n;
        h->at = (h->at + (size_t)n) % (c->text_n - 1);
    }
}

/* True when the server has ended the connection; a deaf peer learns it from its sends alone. */
static bool ended(const struct crowd *c, const struct held *h)
{
    struct pollfd p = {.fd = h->fd, .events = c->habit == HABIT_DEAF ? 0 : POLLIN};
    char byte;

    if (poll(&p, 1, 0) <= 0)
        return false;
    if (p.revents & (POLLHUP | POLLERR))
        return true;
    return recv(h->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void hold(struct crowd *c, uint64_t end)
{
    const struct timespec rest = {.tv_sec = c->habit == HABIT_SLOW ? 1 : 0,
                                  .tv_nsec = c->habit == HABIT_DEAF   ? 1000000
                                             : c->habit == HABIT_SLOW ? 0
                                                                      : 100000000};
    unsigned n = c->o->connections;

    for (unsigned i = 0; i < n; i++)
        c->v[i].fd = dial(c, i);
    while (clock_ns() < end) {
        for (unsigned i = 0; i < n; i++) {
            if (c->v[i].fd < 0)
                continue;
            act(c, &c->v[i]);
            if (ended(c, &c->v[i])) {
                hang_up(c->v[i].fd);
                c->v[i].fd = -1;
                c->closed++;
            }
        }
        nanosleep(&rest, NULL);
    }
    for (unsigned i = 0; i < n; i++) {
        if (c->v[i].fd >= 0)
            hang_up(c->v[i].fd);
    }
}

int flood_tcp(const struct options *o)
{
    struct crowd c = {.o = o};
    uint64_t end = clock_ns() + (uint64_t)o->seconds * 1000000000;
    unsigned k = 0;

    while (k < sizeof habits / sizeof habits[0] && strcmp(habits[k], o->kind) != 0)
        k++;
    if (k == sizeof habits / sizeof habits[0])
        return 2;
    c.habit = (enum habit)k;
    c.v = calloc(o->connections, sizeof *c.v);
    if (!c.v)
        return 1;
    request(&c);
    if (c.habit == HABIT_CHURN)
        churn(&c, end);
    else
        hold(&c, end);
    printf("%s: %llu connections opened from %u sources, %llu refused, %llu closed by the server, "
           "%llu bytes sent\n",
           o->kind, (unsigned long long)c.opened, o->sources, (unsigned long long)c.refused,
           (unsigned long long)c.closed, (unsigned long long)c.bytes);
    free(c.v);
    return 0;
}
