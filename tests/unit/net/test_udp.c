/* Datagrams: batches, source addresses, ICMP errors, listeners. */
#define _GNU_SOURCE

#include "unit/net/kit.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/udp.h"

/* More than the four batches of one round, sent before the server looks. */
static void test_echo(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    char text[32];
    unsigned sent = 400, got = 0;
    int fd = kit_socket(SOCK_DGRAM, "127.0.0.1:0", NULL);

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    for (unsigned i = 0; i < sent; i++) {
        struct oh_addr to = kit_addr(&k, 0);
        int n = snprintf(text, sizeof(text), "datagram %u", i);

        kit_sendto(fd, &to, oh_span(text, (size_t)n));
    }
    while (got < sent && kit_next(k.net, OH__NET_DATAGRAM, &in, 1000)) {
        int n = snprintf(text, sizeof(text), "datagram %u", got++);

        assert_true(oh_span_eq(in.bytes, oh_span(text, (size_t)n)));
        assert_int_equal(in.flow.id, 0);
        assert_true(oh_addr_eq(&in.flow.local, &k.options.listeners[0].addr) ||
                    in.flow.local.port == kit_addr(&k, 0).port);
        oh__net_send(k.net, &in.flow, in.bytes, 0);
    }
    oh__net_flush(k.net);
    assert_int_equal(got, sent);
    for (unsigned i = 0; i < sent; i++) {
        struct oh_addr from, ours = kit_addr(&k, 0);
        char back[64];
        int n = snprintf(text, sizeof(text), "datagram %u", i);

        assert_int_equal(kit_recvfrom(fd, back, sizeof(back), &from), n);
        assert_memory_equal(back, text, (size_t)n);
        assert_true(oh_addr_eq(&from, &ours));
    }
    assert_int_equal(kit_stats(&k).rx_datagrams, sent);
    assert_int_equal(kit_stats(&k).tx_datagrams, sent);
    assert_int_equal(kit_stats(&k).rx_bytes, kit_stats(&k).tx_bytes);
    close(fd);
    kit_close(&k);
}

/* The bytes of everything taken in one round stay valid until the next wait. */
static void test_bytes_stay(void **state)
{
    struct kit k = {0};
    struct oh__net_input in[10];
    struct oh_addr to;
    unsigned n = 0;
    int fd = kit_socket(SOCK_DGRAM, "127.0.0.1:0", NULL);

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    to = kit_addr(&k, 0);
    for (char c = 'a'; c < 'a' + 10; c++)
        kit_sendto(fd, &to, oh_span(&c, 1));
    assert_int_equal(oh__net_wait(k.net, oh__clock_now() + 1000 * MS), OH_OK);
    while (n < 10 && oh__net_take(k.net, &in[n]))
        n++;
    assert_int_equal(n, 10);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(in[i].bytes.p[0], 'a' + (int)i);
    close(fd);
    kit_close(&k);
}

static void largest(const char *addr)
{
    static char big[65507], back[65535];
    struct kit k = {0};
    struct oh__net_input in;
    struct oh_addr to;
    int fd = kit_socket(SOCK_DGRAM, addr, NULL);

    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7);
    kit_listen(&k, OH_TRANSPORT_UDP, addr);
    kit_open(&k);
    to = kit_addr(&k, 0);
    kit_sendto(fd, &to, oh_span(big, sizeof(big)));
    assert_true(kit_next(k.net, OH__NET_DATAGRAM, &in, 1000));
    assert_true(oh_span_eq(in.bytes, oh_span(big, sizeof(big))));
    oh__net_send(k.net, &in.flow, in.bytes, 0);
    oh__net_flush(k.net);
    assert_int_equal(kit_recvfrom(fd, back, sizeof(back), NULL), sizeof(big));
    /* One byte more fits no datagram. */
    oh__net_send(k.net, &in.flow, oh_span(back, sizeof(big) + 1), 5);
    assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
    assert_int_equal(in.ticket, 5);
    assert_int_equal(in.result, OH_E_LIMIT);
    close(fd);
    kit_close(&k);
}

/* rows: TRN-004 */
static void test_largest(void **state)
{
    (void)state;
    largest("127.0.0.1:0");
    largest("[::1]:0");
}

/* A wildcard socket answers from the address that was asked, not from the route's (TRN-005,
 * TRN-009). */
static void test_source_address(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    struct oh_addr to, from;
    char back[16];
    int fd = kit_socket(SOCK_DGRAM, "127.0.0.1:0", NULL);

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "0.0.0.0:0");
    kit_listen(&k, OH_TRANSPORT_UDP, "[::]:0");
    kit_open(&k);
    to = kit_parse("127.0.0.77:1");
    to.port = kit_addr(&k, 0).port;
    kit_sendto(fd, &to, OH_LIT("hello"));
    assert_true(kit_next(k.net, OH__NET_DATAGRAM, &in, 1000));
    assert_true(oh_addr_eq(&in.flow.local, &to));
    oh__net_send(k.net, &in.flow, OH_LIT("back"), 0);
    oh__net_flush(k.net);
    assert_int_equal(kit_recvfrom(fd, back, sizeof(back), &from), 4);
    assert_true(oh_addr_eq(&from, &to));
    close(fd);

    fd = kit_socket(SOCK_DGRAM, "[::1]:0", NULL);
    to = kit_parse("[::1]:1");
    to.port = kit_addr(&k, 1).port;
    kit_sendto(fd, &to, OH_LIT("hello"));
    assert_true(kit_next(k.net, OH__NET_DATAGRAM, &in, 1000));
    assert_true(oh_addr_eq(&in.flow.local, &to));
    assert_int_equal(in.flow.listener, 1);
    oh__net_send(k.net, &in.flow, OH_LIT("back"), 0);
    oh__net_flush(k.net);
    assert_int_equal(kit_recvfrom(fd, back, sizeof(back), &from), 4);
    assert_true(oh_addr_eq(&from, &to));
    close(fd);
    kit_close(&k);
}

/* Three sends to closed ports fail with their own tickets; those to an open one do not, though they
 * share the socket. */
static void refused(const char *addr)
{
    struct kit k = {0};
    struct oh__net_input in;
    struct oh_addr open_addr;
    unsigned seen = 0;
    char text[64];
    int fd = kit_socket(SOCK_DGRAM, addr, &open_addr);
    struct oh_addr closed = kit_closed_port(SOCK_DGRAM, addr);

    kit_listen(&k, OH_TRANSPORT_UDP, addr);
    kit_open(&k);
    for (unsigned i = 0; i < 3; i++) {
        struct oh_flow bad = kit_flow(&k, 0, &closed), good = kit_flow(&k, 0, &open_addr);
        int n = snprintf(text, sizeof(text), "OPTIONS %u", i);

        oh__net_send(k.net, &bad, oh_span(text, (size_t)n), 10 + i);
        oh__net_send(k.net, &good, oh_span(text, (size_t)n), 20 + i);
    }
    oh__net_flush(k.net);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
        assert_int_equal(in.result, OH_E_IO);
        assert_in_range(in.ticket, 10, 12);
        assert_true(oh_addr_eq(&in.flow.peer, &closed));
        seen |= 1u << (in.ticket - 10);
    }
    assert_int_equal(seen, 7);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(kit_recvfrom(fd, text, sizeof(text), NULL), 9);
    assert_int_equal(kit_run(k.net, OH__NET_FAILED, 20), 0);
    close(fd);
    kit_close(&k);
}

/* A request of a usual size: the kernel brings back less than all of it, and enough. */
static void test_refused_large(void **state)
{
    static char big[1400];
    struct kit k = {0};
    struct oh__net_input in;
    struct oh_addr closed = kit_closed_port(SOCK_DGRAM, "127.0.0.1:0");
    struct oh_flow flow;

    (void)state;
    memset(big, 'x', sizeof(big));
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    flow = kit_flow(&k, 0, &closed);
    /* The later one is not the one that the first error is about. */
    for (unsigned i = 0; i < 2; i++) {
        big[100] = (char)i;
        oh__net_send(k.net, &flow, oh_span(big, sizeof(big)), 30 + i);
    }
    oh__net_flush(k.net);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
        assert_int_equal(in.ticket, 30 + i);
        assert_int_equal(in.result, OH_E_IO);
    }
    kit_close(&k);
}

/* rows: TRN-012 */
static void test_refused(void **state)
{
    (void)state;
    refused("127.0.0.1:0");
    refused("[::1]:0");
}

/*
 * With two workers on one port the ICMP error often comes to the other one's
 * socket; the failure has to reach the worker that sent.
 */
static void test_refused_elsewhere(void **state)
{
    struct kit k = {.options.workers = 2};
    struct oh__net *other;
    struct oh__net_input in;
    unsigned failed = 0, strange = 0;

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    assert_int_equal(oh__net_new(k.shared, 1, &other), OH_OK);
    for (unsigned i = 0; i < 16; i++) {
        struct oh_addr closed = kit_closed_port(SOCK_DGRAM, "127.0.0.1:0");
        struct oh_flow flow = kit_flow(&k, 0, &closed);

        oh__net_send(k.net, &flow, OH_LIT("nobody there"), 100 + i);
        oh__net_flush(k.net);
    }
    for (unsigned i = 0; i < 200 && failed < 16; i++) {
        oh__net_wait(other, oh__clock_now() + MS);
        while (oh__net_take(other, &in))
            strange++;
        oh__net_wait(k.net, oh__clock_now() + MS);
        while (oh__net_take(k.net, &in))
            failed += in.kind == OH__NET_FAILED;
    }
    assert_int_equal(failed, 16);
    assert_int_equal(strange, 0);
    oh__net_free(other);
    kit_close(&k);
}

static void test_no_socket(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    struct oh_addr v6 = kit_parse("[::1]:5060"), v4 = kit_parse("127.0.0.1:5060");
    struct oh_flow flow;

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    flow = kit_flow(&k, 0, &v6);
    oh__net_send(k.net, &flow, OH_LIT("x"), 1);
    assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
    assert_int_equal(in.ticket, 1);
    flow = kit_flow(&k, 0, &v4);
    flow.transport = OH_TRANSPORT_TLS;
    oh__net_send(k.net, &flow, OH_LIT("x"), 2);
    assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
    assert_int_equal(in.ticket, 2);
    assert_int_equal(in.result, OH_E_UNSUPPORTED);
    assert_int_equal(kit_stats(&k).send_errors, 2);
    kit_close(&k);
}

/* Receives what came in bulk: datagrams of 9, 10 and 11 bytes, each length in its order. */
static void take_bulk(int fd, const struct oh_addr *ours, unsigned each)
{
    unsigned next[3] = {0};

    for (unsigned i = 0; i < 3 * each; i++) {
        char text[32], back[64];
        struct oh_addr from;
        ssize_t got = kit_recvfrom(fd, back, sizeof(back), &from);

        assert_in_range(got, 9, 11);
        snprintf(text, sizeof(text), "%.*s%04u", (int)got - 4, "abcdefgh", next[got - 9]++);
        assert_memory_equal(back, text, (size_t)got);
        assert_true(oh_addr_eq(&from, ours));
    }
    assert_int_equal(next[0], each);
    assert_int_equal(next[1], each);
}

/* In bulk what has one length leaves as one; what arrives are the datagrams that were sent. */
static void bulk(const char *listener, const char *peer_addr)
{
    struct kit k = {.options.bulk = true};
    struct oh_addr to[2], ours;
    struct oh_flow flow;
    char text[32];
    unsigned each = 150;
    int fds[2] = {kit_socket(SOCK_DGRAM, peer_addr, &to[0]),
                  kit_socket(SOCK_DGRAM, peer_addr, &to[1])};

    kit_listen(&k, OH_TRANSPORT_UDP, listener);
    kit_open(&k);
    ours = to[0];
    ours.port = kit_addr(&k, 0).port;
    for (unsigned i = 0; i < 6 * each; i++) {
        int n = snprintf(text, sizeof(text), "%.*s%04u", 5 + (int)(i / 2 % 3), "abcdefgh", i / 6);

        flow = kit_flow(&k, 0, &to[i & 1]);
        flow.local = ours;
        oh__net_send(k.net, &flow, oh_span(text, (size_t)n), 0);
    }
    oh__net_flush(k.net);
    take_bulk(fds[0], &ours, each);
    take_bulk(fds[1], &ours, each);
    assert_int_equal(kit_stats(&k).tx_datagrams, 6 * each);
    assert_int_equal(kit_stats(&k).tx_bytes, 6 * each * 10);
    close(fds[0]);
    close(fds[1]);
    kit_close(&k);
}

static void test_bulk(void **state)
{
    (void)state;
    bulk("127.0.0.1:0", "127.0.0.1:0");
    bulk("0.0.0.0:0", "127.0.0.1:0");
    bulk("[::]:0", "[::1]:0");
}

/* Takes what arrives and compares it with what should: texts, in order. */
static void take_texts(int fd, const char *const *want, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char back[64];
        ssize_t got = kit_recvfrom(fd, back, sizeof(back), NULL);

        assert_int_equal(got, strlen(want[i]));
        assert_memory_equal(back, want[i], (size_t)got);
    }
}

/* Of one length and one peer: they leave together, before what was sent between them. Of one lane:
 * never before an earlier one, however well it would suit. */
static void test_lanes(void **state)
{
    static const struct {
        unsigned lane;
        const char *text;
    } sends[] = {
        {1, "INVITE 1"}, {1, "CANCEL"}, {2, "INVITE 2"}, {3, "CANCEL"}, {1, "INVITE 3"},
        {3, "INVITE 4"}, {66, "BYE"},   {2, "INVITE 5"}, {4, "CANCEL"}, {4, "INVITE 6"},
    };
    static const char *const arrive[] = {
        /* INVITE 3 is behind the CANCEL of its lane, and so is what joins it; INVITE 5 behind the
         * BYE of lane 66, which is lane 2. */
        "INVITE 1", "INVITE 2", "CANCEL", "CANCEL",   "CANCEL",
        "INVITE 3", "INVITE 4", "BYE",    "INVITE 5", "INVITE 6",
    };
    struct kit k = {0};
    struct oh_addr to;
    struct oh_flow flow;
    int fd = kit_socket(SOCK_DGRAM, "127.0.0.1:0", &to);

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    flow = kit_flow(&k, 0, &to);
    for (unsigned i = 0; i < sizeof(sends) / sizeof(sends[0]); i++)
        oh__net_send_in(k.net, sends[i].lane, &flow, oh_span_str(sends[i].text), 0);
    oh__net_flush(k.net);
    take_texts(fd, arrive, sizeof(arrive) / sizeof(arrive[0]));
    close(fd);
    kit_close(&k);
}

/* The kernel tells of the first of a run, and all of it has failed. From then on each goes by
 * itself. */
static void test_run_refused(void **state)
{
    struct kit k = {0};
    struct oh_addr nobody = kit_closed_port(SOCK_DGRAM, "127.0.0.1:0");
    struct oh__net_input in;
    struct oh_flow flow;

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    flow = kit_flow(&k, 0, &nobody);
    for (unsigned round = 0; round < 2; round++) {
        uint64_t seen = 0;

        for (unsigned i = 0; i < 8; i++) {
            char text[300];

            /* As long as a request: an error brings back enough of it to be known again. */
            memset(text, 'x', sizeof(text));
            text[0] = (char)('a' + i);
            text[1] = (char)('a' + round);
            oh__net_send_in(k.net, i, &flow, oh_span(text, sizeof(text)), 1 + i);
        }
        for (unsigned i = 0; i < 8; i++) {
            assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
            assert_int_equal(in.result, OH_E_IO);
            assert_in_range(in.ticket, 1, 8);
            seen |= UINT64_C(1) << in.ticket;
        }
        assert_int_equal(seen, 0x1fe);
    }
    assert_int_equal(kit_run(k.net, OH__NET_FAILED, 20), 0);
    kit_close(&k);
}

/* Short ones are sent one by one: the error of a run would bring back more than its first. */
static void test_short_refused(void **state)
{
    struct kit k = {0};
    struct oh_addr nobody = kit_closed_port(SOCK_DGRAM, "127.0.0.1:0");
    struct oh__net_input in;
    struct oh_flow flow;

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    flow = kit_flow(&k, 0, &nobody);
    for (unsigned i = 0; i < 4; i++) {
        char text[] = "OPTIONS .";

        text[sizeof(text) - 2] = (char)('a' + i);
        oh__net_send_in(k.net, i, &flow, oh_span_str(text), 1 + i);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
    kit_close(&k);
}

/* A loopback of a network of our own, with this many bytes per packet; false: we may not. */
static bool enter_narrow_network(int mtu)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_mtu = mtu};
    bool ok = false;
    int fd;

    if (unshare(CLONE_NEWNET) != 0)
        return false;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd >= 0 && ioctl(fd, SIOCSIFMTU, &lo) == 0) {
        lo.ifr_flags = IFF_UP | IFF_RUNNING;
        ok = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Longer ones than the way takes whole, of one length: the kernel refuses the run, all arrive. */
static void narrow(const char *addr)
{
    struct kit k = {0};
    struct oh__net_input in;
    struct oh_addr to;
    struct oh_flow flow;
    char text[1440], back[2000];
    int fd = kit_socket(SOCK_DGRAM, addr, &to);

    kit_listen(&k, OH_TRANSPORT_UDP, addr);
    kit_open(&k);
    flow = kit_flow(&k, 0, &to);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 5; i++) {
            memset(text, 'a' + (int)i, sizeof(text));
            oh__net_send_in(k.net, i, &flow, oh_span(text, sizeof(text)), 1 + i);
        }
        oh__net_flush(k.net);
        for (unsigned i = 0; i < 5; i++) {
            memset(text, 'a' + (int)i, sizeof(text));
            assert_int_equal(kit_recvfrom(fd, back, sizeof(back), NULL), sizeof(text));
            assert_memory_equal(back, text, sizeof(text));
        }
    }
    assert_int_equal(kit_stats(&k).tx_datagrams, 10);
    assert_false(kit_next(k.net, OH__NET_FAILED, &in, 1));
    close(fd);
    kit_close(&k);
}

static void test_narrow(void **state)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    bool ok = home >= 0 && enter_narrow_network(1300);

    (void)state;
    if (ok) {
        narrow("127.0.0.1:0");
        narrow("[::1]:0");
    }
    if (home >= 0) {
        setns(home, CLONE_NEWNET);
        close(home);
    }
    if (!ok)
        skip(); /* only root makes networks */
}

/* Pages of slots that long datagrams have touched go back although nothing else happens. */
static void test_rest(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    struct oh_addr to;
    char text[60000];
    int fd = kit_socket(SOCK_DGRAM, "127.0.0.1:0", NULL);
    uint64_t start;

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    to = kit_addr(&k, 0);
    memset(text, 'x', sizeof(text));
    kit_sendto(fd, &to, oh_span(text, sizeof(text)));
    assert_true(kit_next(k.net, OH__NET_DATAGRAM, &in, 1000));
    assert_int_equal(in.bytes.n, sizeof(text));
    start = oh__clock_now();
    assert_int_equal(oh__net_wait(k.net, start + 10000 * MS), OH_OK);
    assert_in_range(oh__clock_now() - start, 500 * MS, 5000 * MS);
    /* And then there is no more to do. */
    start = oh__clock_now();
    assert_int_equal(oh__net_wait(k.net, start + 1500 * MS), OH_OK);
    assert_true(oh__clock_now() - start >= 1400 * MS);
    close(fd);
    kit_close(&k);
}

/* A TCP socket whose peer does not read: as an interface that takes nothing. */
static int full_socket(int *peer)
{
    struct oh_addr to;
    int listener = kit_socket(SOCK_STREAM, "127.0.0.1:0", &to), fd;
    char bytes[4096] = {0};
    int room = 4096; /* fixed, or both ends would grow with what comes */

    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    assert_int_equal(listen(listener, 1), 0);
    fd = kit_connect(&to);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    *peer = accept(listener, NULL, NULL);
    assert_true(*peer >= 0);
    close(listener);
    /* Until nothing was taken for a while. */
    for (unsigned idle = 0; idle < 20; idle++) {
        while (send(fd, bytes, idle ? 1 : sizeof(bytes), MSG_DONTWAIT) > 0)
            idle = 0;
        usleep(2000);
    }
    return fd;
}

/* What one interface does not take is no reason not to use another, however much of it waits. */
static void test_stuck(void **state)
{
    struct kit k = {0};
    struct oh_addr to;
    struct oh_flow stuck, flow;
    char text[1000], back[1000];
    int peer, full = full_socket(&peer), fd = kit_socket(SOCK_DGRAM, "127.0.0.1:0", &to);

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    assert_true(dup2(full, k.shared->fds[0][0]) >= 0);
    stuck = kit_flow(&k, 0, &to);
    flow = kit_flow(&k, 1, &to);
    memset(text, 'x', sizeof(text));
    /* One that waits keeps little, many keep all there is. */
    for (unsigned waiting = 1; waiting <= 1000; waiting += 999) {
        for (unsigned i = 0; i < waiting; i++)
            oh__net_send(k.net, &stuck, oh_span(text, sizeof(text)), 0);
        for (unsigned i = 0; i < 600; i++) {
            text[0] = (char)i;
            oh__net_send(k.net, &flow, oh_span(text, sizeof(text)), 0);
            oh__net_flush(k.net);
            assert_int_equal(kit_recvfrom(fd, back, sizeof(back), NULL), sizeof(text));
            assert_memory_equal(back, text, sizeof(text));
        }
    }
    /* The system asks a closed window now and then, so a few of them may have got away. */
    assert_true(kit_stats(&k).send_errors > 0);
    close(full);
    close(peer);
    close(fd);
    kit_close(&k);
}

/* Who does not know of runs says so: here TCP, elsewhere an old kernel. */
static void test_has_runs(void **state)
{
    int udp = kit_socket(SOCK_DGRAM, "127.0.0.1:0", NULL);
    int tcp = kit_socket(SOCK_STREAM, "127.0.0.1:0", NULL);

    (void)state;
    assert_true(oh__udp_has_runs(udp));
    assert_false(oh__udp_has_runs(tcp));
    close(udp);
    close(tcp);
}

/* 64 listeners, and each datagram names the right one. */
static void test_many_listeners(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    uint64_t seen = 0;
    int fd = kit_socket(SOCK_DGRAM, "127.0.0.1:0", NULL);

    (void)state;
    for (unsigned i = 0; i < OH__NET_LISTENERS_MAX; i++)
        kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    for (unsigned i = 0; i < OH__NET_LISTENERS_MAX; i++) {
        struct oh_addr to = kit_addr(&k, i);
        char byte = (char)i;

        kit_sendto(fd, &to, oh_span(&byte, 1));
    }
    for (unsigned i = 0; i < OH__NET_LISTENERS_MAX; i++) {
        assert_true(kit_next(k.net, OH__NET_DATAGRAM, &in, 1000));
        assert_int_equal(in.flow.listener, in.bytes.p[0]);
        assert_int_equal(in.flow.local.port, kit_addr(&k, in.flow.listener).port);
        seen |= UINT64_C(1) << in.flow.listener;
    }
    assert_true(seen == UINT64_MAX);
    close(fd);
    kit_close(&k);
}

/* A port that somebody has, even with SO_REUSEPORT, is not shared silently. */
static void test_busy(void **state)
{
    static const uint8_t transports[] = {OH_TRANSPORT_UDP, OH_TRANSPORT_TCP};
    char why[256] = "";

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct kit k = {0}, second = {0};

        kit_listen(&k, transports[i], "127.0.0.1:0");
        kit_open(&k);
        kit_listen(&second, transports[i], "127.0.0.1:0");
        second.options.listeners[0].addr = kit_addr(&k, 0);
        assert_int_equal(oh__net_open(&second.options, &second.shared, why, sizeof(why)),
                         OH_E_BUSY);
        assert_non_null(strstr(why, "in use by another program"));
        kit_close(&k);
        /* And free again afterwards. */
        kit_open(&second);
        kit_close(&second);
    }
}

static void test_bad_options(void **state)
{
    struct kit k = {0}, absent = {0}, there = {0}, tls = {0};
    char why[256] = "";

    (void)state;
    k.options.workers = 65;
    assert_int_equal(oh__net_open(&k.options, &k.shared, why, sizeof(why)), OH_E_RANGE);
    kit_listen(&absent, OH_TRANSPORT_UDP, "192.0.2.99:0");
    assert_int_equal(oh__net_open(&absent.options, &absent.shared, why, sizeof(why)),
                     OH_E_UNSUPPORTED);
    assert_non_null(strstr(why, "no such address"));
    assert_false(oh__net_has_address(&absent.options.listeners[0].addr));
    kit_listen(&there, OH_TRANSPORT_UDP, "127.0.0.1:1");
    assert_true(oh__net_has_address(&there.options.listeners[0].addr));
    kit_listen(&tls, OH_TRANSPORT_TLS, "127.0.0.1:0");
    assert_int_equal(oh__net_open(&tls.options, &tls.shared, why, sizeof(why)), OH_E_UNSUPPORTED);
}

/* TCP follows UDP's port when both may be chosen (RFC 3261 18) (TRN-001). */
static void test_same_port(void **state)
{
    struct kit k = {.options.workers = 2};
    bool same = false;

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_listen(&k, OH_TRANSPORT_TCP, "127.0.0.1:0");
    /* A connection of somebody else that has just ended keeps the second port now and then. */
    for (unsigned i = 0; i < 8 && !same; i++) {
        kit_open(&k);
        assert_true(kit_addr(&k, 0).port != 0);
        same = kit_addr(&k, 0).port == kit_addr(&k, 1).port;
        assert_int_equal(kit_addr(&k, 2).family, OH_FAMILY_NONE);
        kit_close(&k);
    }
    assert_true(same);
}

/* A buffer that even root cannot have would be named with the sysctl; one that is small enough is
 * silent. */
static void test_buffer(void **state)
{
    struct kit k = {.options.rcvbuf = 65536};

    (void)state;
    kit_listen(&k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&k);
    assert_null(oh__net_warning(k.shared));
    kit_close(&k);
    k.options.rcvbuf = INT32_MAX;
    kit_open(&k);
    if (oh__net_warning(k.shared))
        assert_non_null(strstr(oh__net_warning(k.shared), "net.core.rmem_max"));
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),          cmocka_unit_test(test_bytes_stay),
        cmocka_unit_test(test_largest),       cmocka_unit_test(test_source_address),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_refused_elsewhere),
        cmocka_unit_test(test_no_socket),     cmocka_unit_test(test_many_listeners),
        cmocka_unit_test(test_busy),          cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_same_port),     cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_refused_large), cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_lanes),         cmocka_unit_test(test_run_refused),
        cmocka_unit_test(test_short_refused), cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_has_runs),      cmocka_unit_test(test_rest),
        cmocka_unit_test(test_stuck),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
