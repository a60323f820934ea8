/*
 * Sockets in batches: a system call costs more than all else that the generator does for a message,
 * so up to 64 datagrams go out and come in with one. Streams take the same way, cut by
 * Content-Length.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "blast.h"

#define STREAM_ROOM (64 * 1024)
#define SOCKET_ROOM (8 << 20)

/* As much as the kernel gives: the generator must not be the one that loses datagrams. */
static void enlarge(int fd)
{
    int room = SOCKET_ROOM;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

int link_open(struct link *l, unsigned number, int epoll, const struct sockaddr_in *server)
{
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_port = htons(l->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    socklen_t n = sizeof own;
    int one = 1;

    l->out = malloc(BATCH * sizeof *l->out);
    l->in = l->stream ? malloc(STREAM_ROOM) : NULL;
    if (!l->out || (l->stream && !l->in))
        return ENOMEM;
    l->fd = socket(AF_INET, (l->stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return errno;
    if (!l->stream)
        enlarge(l->fd);
    if (bind(l->fd, (struct sockaddr *)&own, sizeof own) != 0 ||
        connect(l->fd, (const struct sockaddr *)server, sizeof *server) != 0 ||
        getsockname(l->fd, (struct sockaddr *)&own, &n) != 0)
        return errno;
    if (l->stream)
        setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    l->port = ntohs(own.sin_port);
    return epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &event) == 0 ? 0 : errno;
}

void link_put(struct link *l, const char *p, size_t n)
{
    if (l->n == BATCH)
        link_flush(l);
    memcpy(l->out[l->n], p, n);
    l->size[l->n++] = (uint16_t)n;
}

/* Sends bytes of a stream, waiting while its peer takes none. */
static void write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t did = send(fd, p, n, MSG_NOSIGNAL);

        if (did > 0) {
            p += did;
            n -= (size_t)did;
        } else if (errno == EAGAIN) {
            struct pollfd full = {.fd = fd, .events = POLLOUT};

            poll(&full, 1, 100);
        } else if (errno != EINTR) {
            return; /* the connection is gone: its operations fail by themselves */
        }
    }
}

/* Sends waiting datagrams. An error belongs to an earlier datagram (ICMP), or says wait. */
static void send_datagrams(struct link *l)
{
    struct mmsghdr m[BATCH];
    struct iovec v[BATCH];
    unsigned sent = 0;

    memset(m, 0, l->n * sizeof m[0]);
    for (unsigned i = 0; i < l->n; i++) {
        v[i] = (struct iovec){l->out[i], l->size[i]};
        m[i].msg_hdr.msg_iov = &v[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    while (sent < l->n) {
        int did = sendmmsg(l->fd, m + sent, l->n - sent, 0);

        if (did > 0) {
            sent += (unsigned)did;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            struct pollfd full = {.fd = l->fd, .events = POLLOUT};

            poll(&full, 1, 1);
        } else if (errno != EINTR && errno != ECONNREFUSED) {
            break;
        }
    }
}

void link_flush(struct link *l)
{
    if (!l->n)
        return;
    if (l->stream) {
        for (unsigned i = 0; i < l->n; i++)
            write_all(l->fd, l->out[i], l->size[i]);
    } else {
        send_datagrams(l);
    }
    l->n = 0;
}

/* The length of the first message in a stream's bytes; 0 while it is not complete. */
static size_t framed(const char *p, size_t n)
{
    static const char name[] = "\r\nContent-Length:";
    const char *end = memmem(p, n, "\r\n\r\n", 4), *at;
    size_t head, body = 0;

    if (!end)
        return 0;
    head = (size_t)(end - p) + 4;
    at = memmem(p, head, name, sizeof name - 1);
    for (at = at ? at + sizeof name - 1 : end; *at == ' '; at++)
        ;
    for (; *at >= '0' && *at <= '9' && body < DATAGRAM; at++)
        body = body * 10 + (size_t)(*at - '0');
    return head + body <= n ? head + body : 0;
}

/* Reads a stream and hands on what is complete. */
static unsigned receive_stream(struct link *l, unsigned number, link_handler *handler, void *ctx)
{
    ssize_t got = recv(l->fd, l->in + l->in_n, STREAM_ROOM - l->in_n, MSG_DONTWAIT);
    unsigned messages = 0;
    size_t at = 0, n;

    if (got <= 0)
        return 0;
    l->in_n += (size_t)got;
    while (at < l->in_n && (n = framed(l->in + at, l->in_n - at)) > 0) {
        handler(ctx, number, l->in + at, n);
        at += n;
        messages++;
    }
    memmove(l->in, l->in + at, l->in_n - at);
    l->in_n -= at;
    return messages;
}

unsigned link_receive(struct link *l, unsigned number, link_handler *handler, void *ctx)
{
    static char bytes[BATCH][DATAGRAM]; /* one is enough: a batch is handled before the next */
    struct mmsghdr m[BATCH];
    struct iovec v[BATCH];
    int got;

    if (l->stream)
        return receive_stream(l, number, handler, ctx);
    memset(m, 0, sizeof m);
    for (unsigned i = 0; i < BATCH; i++) {
        v[i] = (struct iovec){bytes[i], DATAGRAM};
        m[i].msg_hdr.msg_iov = &v[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    got = recvmmsg(l->fd, m, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++)
        handler(ctx, number, bytes[i], m[i].msg_len);
    return got > 0 ? (unsigned)got : 0;
}
