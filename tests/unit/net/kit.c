#include "unit/net/kit.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sock.h"

struct oh_addr kit_parse(const char *text)
{
    struct oh_addr a;

    assert_int_equal(oh_addr_parse_port(oh_span_str(text), &a), OH_OK);
    return a;
}

void kit_listen(struct kit *k, uint8_t transport, const char *addr)
{
    struct oh__listener *l = &k->options.listeners[k->options.listeners_n++];

    l->transport = transport;
    l->addr = kit_parse(addr);
}

void kit_open(struct kit *k)
{
    char why[256] = "";
    int rc = oh__net_open(&k->options, &k->shared, why, sizeof(why));

    if (rc != OH_OK)
        fail_msg("oh__net_open: %s: %s", oh_error_name(rc), why);
    assert_int_equal(oh__net_new(k->shared, 0, &k->net), OH_OK);
}

void kit_close(struct kit *k)
{
    oh__net_free(k->net);
    oh__net_close(k->shared);
}

bool kit_next(struct oh__net *net, enum oh__net_kind kind, struct oh__net_input *in, unsigned ms)
{
    uint64_t end = oh__clock_now() + ms * MS;

    for (;;) {
        while (oh__net_take(net, in)) {
            if (in->kind == kind)
                return true;
        }
        if (oh__clock_now() >= end)
            return false;
        assert_int_equal(oh__net_wait(net, end), OH_OK);
    }
}

unsigned kit_run(struct oh__net *net, enum oh__net_kind kind, unsigned ms)
{
    uint64_t end = oh__clock_now() + ms * MS;
    struct oh__net_input in;
    unsigned n = 0;

    do {
        while (oh__net_take(net, &in))
            n += in.kind == kind;
        assert_int_equal(oh__net_wait(net, end), OH_OK);
    } while (oh__clock_now() < end);
    while (oh__net_take(net, &in))
        n += in.kind == kind;
    return n;
}

struct oh_addr kit_addr(const struct kit *k, unsigned listener)
{
    return oh__net_listener(k->shared, listener);
}

struct oh_flow kit_flow(const struct kit *k, unsigned listener, const struct oh_addr *peer)
{
    return (struct oh_flow){.local = kit_addr(k, listener),
                            .peer = *peer,
                            .listener = (uint16_t)listener,
                            .transport = k->options.listeners[listener].transport};
}

int kit_socket(int type, const char *addr, struct oh_addr *bound)
{
    struct oh_addr a = kit_parse(addr);
    struct timeval limit = {.tv_sec = 2};
    union oh__sockaddr sa;
    socklen_t n = oh__sockaddr_of(&a, &sa);
    int fd = socket(oh__family_of(&a), type, 0);
    int room = 2 << 20;

    assert_true(fd >= 0);
    if (type == SOCK_DGRAM)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    assert_int_equal(bind(fd, &sa.sa, n), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    n = sizeof(sa);
    assert_int_equal(getsockname(fd, &sa.sa, &n), 0);
    if (bound)
        *bound = oh__addr_of(&sa);
    return fd;
}

int kit_connect(const struct oh_addr *to)
{
    int fd = kit_socket(SOCK_STREAM, to->family == OH_FAMILY_IPV4 ? "127.0.0.1:0" : "[::1]:0",
                        NULL);
    union oh__sockaddr sa;
    socklen_t n = oh__sockaddr_of(to, &sa);
    int on = 1;

    /* Tests that send single bytes mean single segments. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    assert_int_equal(connect(fd, &sa.sa, n), 0);
    return fd;
}

void kit_sendto(int fd, const struct oh_addr *to, struct oh_span bytes)
{
    union oh__sockaddr sa;
    socklen_t n = oh__sockaddr_of(to, &sa);

    assert_int_equal(sendto(fd, bytes.p, bytes.n, 0, &sa.sa, n), bytes.n);
}

ssize_t kit_recvfrom(int fd, char *out, size_t cap, struct oh_addr *from)
{
    union oh__sockaddr sa;
    socklen_t n = sizeof(sa);
    ssize_t got = recvfrom(fd, out, cap, 0, &sa.sa, &n);

    if (got >= 0 && from)
        *from = oh__addr_of(&sa);
    return got;
}

void kit_write(int fd, const char *text, size_t n)
{
    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
}

size_t kit_read(int fd, char *out, size_t n)
{
    size_t have = 0;

    while (have < n) {
        ssize_t got = recv(fd, out + have, n - have, 0);

        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

bool kit_ended(int fd)
{
    char bytes[4096];
    ssize_t got;

    do {
        got = recv(fd, bytes, sizeof(bytes), 0);
    } while (got > 0);
    return got == 0;
}

/*
 * A port that is given back would be the next program's, on a busy machine at
 * once. So the socket stays open until the process ends: one of a stream does
 * not listen, and a datagram socket that is connected to itself takes nothing
 * from others, so the kernel refuses them as if it were not there.
 */
struct oh_addr kit_closed_port(int type, const char *addr)
{
    struct oh_addr bound;
    int fd = kit_socket(type, addr, &bound);
    union oh__sockaddr sa;
    socklen_t n = oh__sockaddr_of(&bound, &sa);

    if (type == SOCK_DGRAM)
        assert_int_equal(connect(fd, &sa.sa, n), 0);
    return bound;
}

size_t kit_message(char *out, size_t cap, unsigned cseq, size_t body)
{
    int n = snprintf(out, cap,
                     "MESSAGE sip:bob@example.com SIP/2.0\r\n"
                     "Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK%u\r\n"
                     "From: <sip:alice@example.com>;tag=1\r\n"
                     "To: <sip:bob@example.com>\r\n"
                     "Call-ID: kit\r\n"
                     "CSeq: %u MESSAGE\r\n"
                     "Max-Forwards: 70\r\n"
                     "Content-Type: text/plain\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     cseq, cseq, body);

    assert_true(n > 0 && (size_t)n + body < cap);
    memset(out + n, 'x', body);
    return (size_t)n + body;
}

struct oh__net_stats kit_stats(const struct kit *k)
{
    struct oh__net_stats s;

    oh__net_stats(k->net, &s);
    return s;
}
