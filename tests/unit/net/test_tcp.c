/* Streams: framing, limits, time-outs, slow readers, reuse. */
#include "unit/net/kit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLY "SIP/2.0 400 Bad\r\nContent-Length: 0\r\n\r\n"

static void open_tcp(struct kit *k)
{
    kit_listen(k, OH_TRANSPORT_TCP, "127.0.0.1:0");
    kit_open(k);
}

static int connect_to(const struct kit *k)
{
    struct oh_addr to = kit_addr(k, 0);

    return kit_connect(&to);
}

/* Runs for a second at most, until there are no more than n connections. */
static bool runs_down_to(struct kit *k, unsigned n)
{
    uint64_t end = oh__clock_now() + 1000 * MS;

    while (kit_stats(k).connections > n && oh__clock_now() < end)
        kit_run(k->net, OH__NET_MESSAGE, 1);
    return kit_stats(k).connections <= n;
}

/* Takes one good MESSAGE with this CSeq and body length. */
static void expect_message(struct kit *k, struct oh__net_input *in, unsigned cseq, size_t body)
{
    char row[32];

    snprintf(row, sizeof(row), "%u MESSAGE", cseq);
    assert_true(kit_next(k->net, OH__NET_MESSAGE, in, 1000));
    assert_int_equal(in->parsed, OH_OK);
    assert_true(oh_span_eq(oh_msg_value(in->msg, OH_HEADER_CSEQ), oh_span_str(row)));
    assert_int_equal(in->msg->body.n, body);
    assert_int_equal(in->bytes.n, in->msg->raw.n);
    assert_int_not_equal(in->flow.id, 0);
    assert_int_equal(in->flow.transport, OH_TRANSPORT_TCP);
}

/* rows: TRN-013 */
static void test_byte_by_byte(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    char text[1024], back[sizeof(REPLY) - 1];
    size_t n = kit_message(text, sizeof(text), 7, 40);
    int fd;

    (void)state;
    open_tcp(&k);
    fd = connect_to(&k);
    for (size_t i = 0; i < n; i++) {
        kit_write(fd, text + i, 1);
        if (i + 1 < n && i % 8 == 0)
            assert_int_equal(kit_run(k.net, OH__NET_MESSAGE, 0), 0);
    }
    expect_message(&k, &in, 7, 40);
    oh__net_send(k.net, &in.flow, OH_LIT(REPLY), 1);
    assert_int_equal(kit_read(fd, back, sizeof(back)), sizeof(back));
    assert_memory_equal(back, REPLY, sizeof(back));
    /* The buffer is given back between messages, and the next one works. */
    kit_write(fd, text, n);
    expect_message(&k, &in, 7, 40);
    assert_int_equal(kit_stats(&k).rx_stream_messages, 2);
    close(fd);
    assert_true(runs_down_to(&k, 0));
    kit_close(&k);
}

/* rows: TRN-013 */
static void test_pipelined(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    char text[4096];
    size_t n = 0;
    int fd;

    (void)state;
    open_tcp(&k);
    fd = connect_to(&k);
    n += kit_message(text, sizeof(text), 1, 5);
    n += kit_message(text + n, sizeof(text) - n, 2, 0);
    n += kit_message(text + n, sizeof(text) - n, 3, 99);
    kit_write(fd, text, n);
    close(fd);
    expect_message(&k, &in, 1, 5);
    oh__net_keep(k.net, &in.flow, true);
    expect_message(&k, &in, 2, 0);
    expect_message(&k, &in, 3, 99);
    /* The end comes behind the messages, although it was there with them. */
    assert_true(kit_next(k.net, OH__NET_CLOSED, &in, 1000));
    assert_false(kit_next(k.net, OH__NET_CLOSED, &in, 20));
    kit_close(&k);
}

/* Larger than the first buffer and than one round's share (TRN-013). */
static void test_many_segments(void **state)
{
    static char text[120000];
    struct kit k = {.options.stream_limits = {.body = 110000}};
    struct oh__net_input in;
    size_t n = kit_message(text, sizeof(text), 1, 100000), at = 0;
    int fd;

    (void)state;
    open_tcp(&k);
    fd = connect_to(&k);
    while (at < n) {
        size_t some = n - at < 7001 ? n - at : 7001;

        kit_write(fd, text + at, some);
        at += some;
        if (at < n)
            assert_int_equal(kit_run(k.net, OH__NET_MESSAGE, 0), 0);
    }
    expect_message(&k, &in, 1, 100000);
    assert_true(oh_span_eq(in.bytes, oh_span(text, n)));
    close(fd);
    kit_close(&k);
}

/* What breaks the framing is delivered with its fault; the reply leaves, then the stream ends. */
static void framing(const char *text, int parsed, bool with_reply)
{
    struct kit k = {0};
    struct oh__net_input in;
    char back[sizeof(REPLY) - 1];
    int fd;

    open_tcp(&k);
    fd = connect_to(&k);
    kit_write(fd, text, strlen(text));
    assert_true(kit_next(k.net, OH__NET_MESSAGE, &in, 1000));
    assert_int_equal(in.parsed, parsed);
    assert_int_equal(in.fault.code, parsed);
    assert_true(oh_span_eq(in.msg->method_text, OH_LIT("OPTIONS")));
    assert_int_equal(kit_stats(&k).framing_closed, 1);
    /* What comes behind is not read as a message, and does not turn the end into a reset. */
    kit_write(fd, "OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n", 44);
    if (with_reply)
        oh__net_send(k.net, &in.flow, OH_LIT(REPLY), 9);
    assert_int_equal(kit_run(k.net, OH__NET_MESSAGE, 20), 0);
    if (with_reply) {
        assert_int_equal(kit_read(fd, back, sizeof(back)), sizeof(back));
        assert_memory_equal(back, REPLY, sizeof(back));
        assert_true(kit_ended(fd));
        /* The id is gone for us as soon as our side is shut. */
        oh__net_send(k.net, &in.flow, OH_LIT(REPLY), 10);
        assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
        assert_int_equal(in.ticket, 10);
    }
    close(fd);
    kit_close(&k);
}

/* rows: TRN-015 TRN-016 SYN-026 */
static void test_framing(void **state)
{
    (void)state;
    framing("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n\r\n", OH_E_SYNTAX,
            true);
    framing("OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 99999999\r\n\r\n", OH_E_LIMIT, true);
    framing("OPTIONS sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n", OH_E_SYNTAX, true);
    framing("OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            OH_E_DUPLICATE, true);
    framing("OPTIONS sip:a@b SIP/2.0\r\nl: x\r\n\r\n", OH_E_SYNTAX, false);
}

/* Headers without an end: refused at the limit, whatever the sender goes on to send (TRN-016,
 * SEC-004). */
static void test_header_flood(void **state)
{
    static char flood[200000];
    struct kit k = {0};
    struct oh__net_input in;
    int fd;

    (void)state;
    open_tcp(&k);
    fd = connect_to(&k);
    memset(flood, 'a', sizeof(flood));
    memcpy(flood, "OPTIONS sip:a@b SIP/2.0\r\nX: ", 28);
    assert_true(send(fd, flood, sizeof(flood), MSG_DONTWAIT | MSG_NOSIGNAL) > 32768);
    assert_true(kit_next(k.net, OH__NET_MESSAGE, &in, 1000));
    assert_int_equal(in.parsed, OH_E_LIMIT);
    assert_in_range(in.bytes.n, 32768, 32768 + 65536 + 4096);
    oh__net_send(k.net, &in.flow, OH_LIT(REPLY), 0);
    kit_run(k.net, OH__NET_MESSAGE, 20);
    assert_true(kit_ended(fd));
    close(fd);
    kit_close(&k);
}

/* Behind a broken message a bounded amount is thrown away; whoever goes on sending is reset before
 * the time for that is over (SEC-004). */
static void test_discard_is_bounded(void **state)
{
    static const char broken[] = "OPTIONS sip:a@b SIP/2.0\r\nl: x\r\n\r\n";
    static char junk[16384];
    struct kit k = {0};
    struct oh__net_input in;
    size_t sent = 0;
    uint64_t began, end;
    bool reset = false;
    int fd;

    (void)state;
    open_tcp(&k);
    fd = connect_to(&k);
    kit_write(fd, broken, sizeof(broken) - 1);
    assert_true(kit_next(k.net, OH__NET_MESSAGE, &in, 1000));
    oh__net_send(k.net, &in.flow, OH_LIT(REPLY), 0);
    began = oh__clock_now();
    end = began + 1000 * MS;
    while (!reset && oh__clock_now() < end) {
        ssize_t n = send(fd, junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL);

        sent += n > 0 ? (size_t)n : 0;
        reset = n < 0 && (errno == ECONNRESET || errno == EPIPE);
        kit_run(k.net, OH__NET_MESSAGE, 0);
    }
    assert_true(reset);
    /* All of the bound was read; beyond it, at most what the kernel's buffers hold. */
    assert_in_range(sent, 256 << 10, 16 << 20);
    assert_int_equal(kit_stats(&k).connections, 0);
    close(fd);
    kit_close(&k);
}

/* Whoever connects, talks and goes leaves no trace, unless somebody can wait for him (TRN-033). */
static void test_end_of_a_stranger(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    char text[1024], back[sizeof(REPLY) - 1];
    size_t n = kit_message(text, sizeof(text), 1, 0);
    struct oh_flow flow;
    int fd;

    (void)state;
    open_tcp(&k);
    fd = connect_to(&k);
    kit_run(k.net, OH__NET_CLOSED, 5);
    assert_int_equal(kit_stats(&k).connections, 1);
    close(fd);
    assert_int_equal(kit_run(k.net, OH__NET_CLOSED, 20), 0);
    assert_int_equal(kit_stats(&k).connections, 0);
    /* A message and its answer, after which nothing is waited for. */
    fd = connect_to(&k);
    kit_write(fd, text, n);
    expect_message(&k, &in, 1, 0);
    oh__net_send(k.net, &in.flow, OH_LIT(REPLY), 1);
    assert_int_equal(kit_read(fd, back, sizeof(back)), sizeof(back));
    close(fd);
    assert_int_equal(kit_run(k.net, OH__NET_CLOSED, 20), 0);
    assert_int_equal(kit_stats(&k).connections, 0);
    /* A request makes the end matter, when somebody wants to know what becomes of it. */
    fd = connect_to(&k);
    kit_write(fd, text, n);
    expect_message(&k, &in, 1, 0);
    oh__net_send(k.net, &in.flow, oh_span(text, n), 0);
    assert_int_equal(kit_read(fd, text, n), n);
    close(fd);
    assert_int_equal(kit_run(k.net, OH__NET_CLOSED, 20), 0);
    fd = connect_to(&k);
    kit_write(fd, text, n);
    expect_message(&k, &in, 1, 0);
    flow = in.flow;
    oh__net_send(k.net, &flow, oh_span(text, n), 1);
    assert_int_equal(kit_read(fd, text, n), n);
    close(fd);
    assert_true(kit_next(k.net, OH__NET_CLOSED, &in, 1000));
    assert_int_equal(in.flow.id, flow.id);
    assert_int_equal(kit_run(k.net, OH__NET_CLOSED, 5), 0);
    /* A binding that comes too late hears that its stream has gone. */
    oh__net_keep(k.net, &flow, true);
    assert_true(kit_next(k.net, OH__NET_CLOSED, &in, 1000));
    assert_int_equal(in.flow.id, flow.id);
    oh__net_keep(k.net, &flow, false);
    assert_int_equal(kit_run(k.net, OH__NET_CLOSED, 5), 0);
    kit_close(&k);
}

/* A message has to be whole in time; a connection without one does not (TRN-033). */
static void test_message_timeout(void **state)
{
    struct kit k = {.options.message_timeout = 60 * MS};
    int slow, idle;

    (void)state;
    open_tcp(&k);
    slow = connect_to(&k);
    idle = connect_to(&k);
    kit_write(slow, "OPTIONS sip:a@b SIP/2.0\r\nVia", 28);
    kit_run(k.net, OH__NET_MESSAGE, 5);
    assert_int_equal(kit_stats(&k).connections, 2);
    assert_true(runs_down_to(&k, 1));
    assert_true(kit_ended(slow));
    assert_int_equal(kit_stats(&k).slow_peers_closed, 1);
    /* Whoever has begun nothing is not late. */
    kit_run(k.net, OH__NET_MESSAGE, 30);
    assert_int_equal(kit_stats(&k).connections, 1);
    close(slow);
    close(idle);
    kit_close(&k);
}

/* rows: TRN-017 */
static void test_idle_timeout(void **state)
{
    struct kit k = {.options.idle_timeout = 60 * MS};
    struct oh__net_input in;
    char text[1024];
    size_t n = kit_message(text, sizeof(text), 1, 0);
    int kept, idle;

    (void)state;
    open_tcp(&k);
    kept = connect_to(&k);
    kit_write(kept, text, n);
    expect_message(&k, &in, 1, 0);
    oh__net_keep(k.net, &in.flow, true);
    idle = connect_to(&k);
    struct oh_flow registered = in.flow;

    kit_run(k.net, OH__NET_MESSAGE, 5);
    assert_int_equal(kit_stats(&k).connections, 2);
    assert_true(runs_down_to(&k, 1));
    assert_true(kit_ended(idle));
    assert_int_equal(kit_stats(&k).idle_closed, 1);
    assert_int_equal(kit_run(k.net, OH__NET_CLOSED, 80), 0);
    /* When the binding has gone, the time runs again. */
    oh__net_keep(k.net, &registered, false);
    assert_true(kit_next(k.net, OH__NET_CLOSED, &in, 1000));
    assert_int_equal(in.flow.id, registered.id);
    close(kept);
    close(idle);
    kit_close(&k);
}

/* rows: TRN-033 */
static void test_limits(void **state)
{
    struct kit k = {.options = {.connections_per_source = 2, .connections_max = 3}};
    int fd[3], other;
    struct oh_addr to;

    (void)state;
    kit_listen(&k, OH_TRANSPORT_TCP, "0.0.0.0:0");
    kit_listen(&k, OH_TRANSPORT_TCP, "[::1]:0");
    kit_open(&k);
    to = kit_parse("127.0.0.1:1");
    to.port = kit_addr(&k, 0).port;
    for (unsigned i = 0; i < 3; i++)
        fd[i] = kit_connect(&to);
    kit_run(k.net, OH__NET_CLOSED, 20);
    assert_int_equal(kit_stats(&k).connections, 2);
    assert_int_equal(kit_stats(&k).connections_refused_source, 1);
    assert_true(kit_ended(fd[2]));
    /* Another source is served, until the table is full. */
    to = kit_addr(&k, 1);
    other = kit_connect(&to);
    kit_run(k.net, OH__NET_CLOSED, 20);
    assert_int_equal(kit_stats(&k).connections, 3);
    close(fd[2]);
    fd[2] = kit_connect(&to);
    kit_run(k.net, OH__NET_CLOSED, 20);
    assert_int_equal(kit_stats(&k).connections_refused_limit, 1);
    assert_true(kit_ended(fd[2]));
    close(fd[2]);
    /* A connection that has gone makes room. */
    close(fd[0]);
    assert_true(runs_down_to(&k, 2));
    to = kit_parse("127.0.0.1:1");
    to.port = kit_addr(&k, 0).port;
    fd[0] = kit_connect(&to);
    kit_run(k.net, OH__NET_CLOSED, 20);
    assert_int_equal(kit_stats(&k).connections, 3);
    close(fd[0]);
    close(fd[1]);
    close(other);
    kit_close(&k);
}

/* No descriptors left: who comes is turned away, without keeping the loop busy, and who comes when
 * there are some again is served (TRN-033). */
static void test_no_descriptors(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    struct rlimit old, low;
    char text[1024];
    size_t n = kit_message(text, sizeof(text), 1, 0);
    int fd[8];
    unsigned waits = 0;

    (void)state;
    open_tcp(&k);
    for (unsigned i = 0; i < 8; i++)
        fd[i] = connect_to(&k);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)fd[7] + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (uint64_t end = oh__clock_now() + 50 * MS; oh__clock_now() < end; waits++)
        assert_int_equal(oh__net_wait(k.net, end), OH_OK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_in_range(waits, 1, 8);
    assert_int_equal(kit_stats(&k).connections_refused_limit, 8);
    for (unsigned i = 0; i < 8; i++) {
        assert_true(kit_ended(fd[i]));
        close(fd[i]);
    }
    fd[0] = connect_to(&k);
    kit_write(fd[0], text, n);
    expect_message(&k, &in, 1, 0);
    close(fd[0]);
    kit_close(&k);
}

/* rows: TRN-012 */
static void test_connect_refused(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    struct oh_addr closed = kit_closed_port(SOCK_STREAM, "127.0.0.1:0");
    struct oh_flow flow;

    (void)state;
    open_tcp(&k);
    flow = kit_flow(&k, 0, &closed);
    for (uint64_t ticket = 1; ticket <= 3; ticket++) {
        oh__net_send(k.net, &flow, OH_LIT("x"), ticket);
        assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
        assert_int_equal(in.ticket, ticket);
        assert_int_equal(in.result, OH_E_IO);
    }
    /* A connection that never was does not end. */
    assert_int_equal(kit_run(k.net, OH__NET_CLOSED, 10), 0);
    assert_int_equal(kit_stats(&k).connections, 0);
    kit_close(&k);
}

/* A listener whose backlog is full swallows the handshake, as a host behind a firewall would. */
static void test_connect_timeout(void **state)
{
    struct kit k = {.options.connect_timeout = 50 * MS};
    struct oh__net_input in;
    struct oh_addr addr;
    int full = kit_socket(SOCK_STREAM, "127.0.0.1:0", &addr), fd[4];
    struct oh_flow flow;

    (void)state;
    open_tcp(&k);
    assert_int_equal(listen(full, 0), 0);
    for (unsigned i = 0; i < 4; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        struct oh_addr to = addr;
        struct sockaddr_in sa = {.sin_family = AF_INET,
                                 .sin_port = (in_port_t)(to.port << 8 | to.port >> 8)};

        memcpy(&sa.sin_addr, to.ip, 4);
        (void)connect(fd[i], (struct sockaddr *)&sa, sizeof(sa));
    }
    flow = kit_flow(&k, 0, &addr);
    oh__net_send(k.net, &flow, OH_LIT("x"), 4);
    oh__net_send(k.net, &flow, OH_LIT("y"), 5);
    for (uint64_t ticket = 4; ticket <= 5; ticket++) {
        assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
        assert_int_equal(in.ticket, ticket);
        assert_int_equal(in.result, OH_E_TIMEOUT);
    }
    for (unsigned i = 0; i < 4; i++)
        close(fd[i]);
    close(full);
    kit_close(&k);
}

/* Two sends to one peer use one connection, and what comes back names it (TRN-017). */
static void test_reuse(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    struct oh_addr addr;
    char text[1024], back[16];
    size_t n = kit_message(text, sizeof(text), 1, 0);
    int listener = kit_socket(SOCK_STREAM, "127.0.0.1:0", &addr), fd;
    struct oh_flow flow;

    (void)state;
    open_tcp(&k);
    assert_int_equal(listen(listener, 4), 0);
    flow = kit_flow(&k, 0, &addr);
    oh__net_send(k.net, &flow, OH_LIT("one "), 1);
    oh__net_send(k.net, &flow, OH_LIT("two "), 2);
    kit_run(k.net, OH__NET_FAILED, 10);
    oh__net_send(k.net, &flow, OH_LIT("three"), 3);
    fd = accept(listener, NULL, NULL);
    assert_int_equal(kit_read(fd, back, 13), 13);
    assert_memory_equal(back, "one two three", 13);
    assert_int_equal(kit_stats(&k).connections_opened, 1);
    kit_write(fd, text, n);
    expect_message(&k, &in, 1, 0);
    assert_true(oh_addr_eq(&in.flow.peer, &addr));
    assert_int_not_equal(in.flow.local.port, kit_addr(&k, 0).port);
    oh__net_send(k.net, &in.flow, OH_LIT("four"), 4);
    assert_int_equal(kit_read(fd, back, 4), 4);
    /* The peer ends it; a send by id fails, a send to the peer opens a new one. */
    flow.id = in.flow.id;
    close(fd);
    assert_true(kit_next(k.net, OH__NET_CLOSED, &in, 1000));
    assert_int_equal(in.flow.id, flow.id);
    oh__net_send(k.net, &flow, OH_LIT("five"), 5);
    assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
    assert_int_equal(in.ticket, 5);
    flow.id = 0;
    oh__net_send(k.net, &flow, OH_LIT("six"), 6);
    kit_run(k.net, OH__NET_FAILED, 10);
    fd = accept(listener, NULL, NULL);
    assert_int_equal(kit_read(fd, back, 3), 3);
    assert_int_equal(kit_stats(&k).connections_opened, 2);
    close(fd);
    close(listener);
    kit_close(&k);
}

/* Connections that were asked for are nobody else's, and their end is told. */
static void test_connect(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    struct oh_addr addr;
    struct oh_flow flows[2], flow;
    char back[16];
    int listener = kit_socket(SOCK_STREAM, "127.0.0.1:0", &addr), fds[3];

    (void)state;
    open_tcp(&k);
    assert_int_equal(listen(listener, 4), 0);
    for (unsigned i = 0; i < 2; i++) {
        flows[i] = kit_flow(&k, 0, &addr);
        assert_int_equal(oh__net_connect(k.net, &flows[i]), OH_OK);
        kit_run(k.net, OH__NET_FAILED, 10);
        fds[i] = accept(listener, NULL, NULL);
    }
    assert_true(flows[0].id != 0 && flows[1].id != 0 && flows[0].id != flows[1].id);
    oh__net_send(k.net, &flows[1], OH_LIT("two"), 0);
    oh__net_send(k.net, &flows[0], OH_LIT("one"), 0);
    flow = kit_flow(&k, 0, &addr);
    oh__net_send(k.net, &flow, OH_LIT("three"), 0);
    kit_run(k.net, OH__NET_FAILED, 10);
    fds[2] = accept(listener, NULL, NULL);
    assert_int_equal(kit_read(fds[0], back, 3), 3);
    assert_memory_equal(back, "one", 3);
    assert_int_equal(kit_read(fds[1], back, 3), 3);
    assert_memory_equal(back, "two", 3);
    assert_int_equal(kit_read(fds[2], back, 5), 5);
    assert_int_equal(oh__net_connect(k.net, &flow), OH_E_BUSY);
    close(fds[1]);
    assert_true(kit_next(k.net, OH__NET_CLOSED, &in, 1000));
    assert_int_equal(in.flow.id, flows[1].id);
    flow.transport = OH_TRANSPORT_UDP;
    assert_int_equal(oh__net_connect(k.net, &flow), OH_E_UNSUPPORTED);
    close(fds[0]);
    close(fds[2]);
    close(listener);
    kit_close(&k);
}

/* One peer does not read. It is closed at the bound; another is served all the while. */
static void test_slow_reader(void **state)
{
    static char big[60000];
    struct kit k = {.options.send_queue_max = 200000};
    struct oh__net_input in;
    char text[1024], back[sizeof(REPLY) - 1];
    size_t n = kit_message(text, sizeof(text), 1, 0);
    unsigned served = 0, failed = 0;
    bool closed = false;
    int slow, fast, small = 4096;

    (void)state;
    open_tcp(&k);
    slow = connect_to(&k);
    setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    kit_write(slow, text, n);
    expect_message(&k, &in, 1, 0);
    struct oh_flow flow = in.flow;

    fast = connect_to(&k);
    memset(big, 'z', sizeof(big));
    for (unsigned i = 0; i < 2000 && !closed; i++) {
        oh__net_send(k.net, &flow, oh_span(big, sizeof(big)), 1000 + i);
        closed = kit_stats(&k).slow_peers_closed > 0;
        if (i % 4 == 0 && !closed) {
            kit_write(fast, text, n);
            expect_message(&k, &in, 1, 0);
            oh__net_send(k.net, &in.flow, OH_LIT(REPLY), 0);
            assert_int_equal(kit_read(fast, back, sizeof(back)), sizeof(back));
            served++;
        }
    }
    assert_true(closed);
    assert_true(served > 0);
    assert_int_equal(kit_stats(&k).slow_peers_closed, 1);
    while (kit_next(k.net, OH__NET_FAILED, &in, 10)) {
        assert_true(in.ticket >= 1000);
        failed++;
    }
    /* What waited, and what did not fit any more. */
    assert_in_range(failed, 3, 5);
    assert_int_equal(kit_stats(&k).connections, 1);
    close(slow);
    close(fast);
    kit_close(&k);
}

/* A slow but willing reader gets everything, in order. */
static void test_partial_writes(void **state)
{
    enum { PARTS = 40, PART = 50000 };
    static char part[PART], back[PART];
    struct kit k = {.options.send_queue_max = PARTS * PART};
    struct oh__net_input in;
    char text[1024];
    size_t n = kit_message(text, sizeof(text), 1, 0);
    int fd;

    (void)state;
    open_tcp(&k);
    fd = connect_to(&k);
    kit_write(fd, text, n);
    expect_message(&k, &in, 1, 0);
    struct oh_flow flow = in.flow;

    for (unsigned i = 0; i < PARTS; i++) {
        memset(part, 'A' + (int)i, sizeof(part));
        oh__net_send(k.net, &flow, oh_span(part, sizeof(part)), 1 + i);
    }
    for (unsigned i = 0; i < PARTS; i++) {
        memset(part, 'A' + (int)i, sizeof(part));
        for (size_t have = 0; have < PART;) {
            ssize_t got = recv(fd, back + have, PART - have, MSG_DONTWAIT);

            have += got > 0 ? (size_t)got : 0;
            if (got <= 0)
                assert_int_equal(kit_run(k.net, OH__NET_FAILED, 1), 0);
        }
        assert_memory_equal(back, part, PART);
    }
    assert_int_equal(kit_stats(&k).tx_stream_messages, PARTS);
    close(fd);
    kit_close(&k);
}

/* rows: SYN-036 TRN-019 */
static void test_keep_alive(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    char text[1024], back[8];
    size_t n = kit_message(text, sizeof(text), 1, 4);
    int fd;

    (void)state;
    open_tcp(&k);
    fd = connect_to(&k);
    /* In one piece, in four, and twice at once. */
    kit_write(fd, "\r\n\r\n", 4);
    kit_run(k.net, OH__NET_MESSAGE, 5);
    assert_int_equal(kit_read(fd, back, 2), 2);
    assert_memory_equal(back, "\r\n", 2);
    for (unsigned i = 0; i < 4; i++) {
        kit_write(fd, &"\r\n\r\n"[i], 1);
        kit_run(k.net, OH__NET_MESSAGE, 2);
    }
    assert_int_equal(kit_read(fd, back, 2), 2);
    kit_write(fd, "\r\n\r\n\r\n\r\n", 8);
    kit_run(k.net, OH__NET_MESSAGE, 5);
    assert_int_equal(kit_read(fd, back, 4), 4);
    /* One CRLF before a message is no ping, nor are those inside a body. */
    memcpy(text + n - 4, "\r\n\r\n", 4);
    kit_write(fd, "\r\n", 2);
    kit_write(fd, text, n);
    expect_message(&k, &in, 1, 4);
    kit_run(k.net, OH__NET_MESSAGE, 5);
    assert_int_equal(recv(fd, back, 1, MSG_DONTWAIT), -1);
    close(fd);
    kit_close(&k);
}

/* Pongs of a server that we connected to, one after another, are never answered. */
static void test_pongs_are_no_ping(void **state)
{
    struct kit k = {0};
    struct oh_addr addr;
    char back[8];
    int listener = kit_socket(SOCK_STREAM, "127.0.0.1:0", &addr), fd;
    struct oh_flow flow;

    (void)state;
    open_tcp(&k);
    assert_int_equal(listen(listener, 4), 0);
    flow = kit_flow(&k, 0, &addr);
    oh__net_send(k.net, &flow, OH_LIT("\r\n\r\n"), 1);
    kit_run(k.net, OH__NET_FAILED, 5);
    fd = accept(listener, NULL, NULL);
    assert_int_equal(kit_read(fd, back, 4), 4);
    for (unsigned i = 0; i < 4; i++) {
        kit_write(fd, "\r\n", 2);
        kit_run(k.net, OH__NET_MESSAGE, 3);
    }
    assert_int_equal(recv(fd, back, 1, MSG_DONTWAIT), -1);
    close(fd);
    close(listener);
    kit_close(&k);
}

/* 500 messages in one stream do not keep another stream's one waiting for all of them. */
static void test_fairness(void **state)
{
    static char flood[200000];
    struct kit k = {0};
    struct oh__net_input in;
    char text[1024];
    size_t n = 0, one = kit_message(text, sizeof(text), 9999, 0);
    unsigned before = 0, all = 0;
    bool seen = false;
    int greedy, modest;

    (void)state;
    for (unsigned i = 0; i < 300; i++)
        n += kit_message(flood + n, sizeof(flood) - n, i, 0);
    open_tcp(&k);
    greedy = connect_to(&k);
    modest = connect_to(&k);
    kit_run(k.net, OH__NET_MESSAGE, 10);
    kit_write(greedy, flood, n);
    kit_write(modest, text, one);
    while (all < 301 && kit_next(k.net, OH__NET_MESSAGE, &in, 1000)) {
        assert_int_equal(in.parsed, OH_OK);
        seen = seen || oh_span_eq(oh_msg_value(in.msg, OH_HEADER_CSEQ), OH_LIT("9999 MESSAGE"));
        before += !seen;
        all++;
    }
    assert_int_equal(all, 301);
    assert_in_range(before, 0, 20);
    close(greedy);
    close(modest);
    kit_close(&k);
}

/* A flood gets a share of each round, so that datagrams and timers have their turn; nothing of it
 * is lost. */
static void test_share_of_a_round(void **state)
{
    static char flood[60000];
    struct kit k = {0};
    struct oh__net_input in;
    size_t n = 0;
    unsigned all = 0, rounds = 0;
    int fd;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        n += kit_message(flood + n, sizeof(flood) - n, i, 0);
    open_tcp(&k);
    fd = connect_to(&k);
    kit_run(k.net, OH__NET_MESSAGE, 5);
    kit_write(fd, flood, n);
    for (; all < 100 && rounds < 1000; rounds++) {
        unsigned got = 0;

        assert_int_equal(oh__net_wait(k.net, oh__clock_now() + 100 * MS), OH_OK);
        while (oh__net_take(k.net, &in))
            got += in.kind == OH__NET_MESSAGE;
        assert_in_range(got, 0, 16);
        all += got;
    }
    assert_int_equal(all, 100);
    close(fd);
    kit_close(&k);
}

static void test_stop_accepting(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    char text[1024];
    size_t n = kit_message(text, sizeof(text), 1, 0);
    struct oh_addr to;
    int early;

    (void)state;
    open_tcp(&k);
    to = kit_addr(&k, 0);
    early = connect_to(&k);
    oh__net_stop_accepting(k.net);
    /* Whoever had connected is served; the port is free for somebody else. */
    kit_write(early, text, n);
    expect_message(&k, &in, 1, 0);
    char addr[OH_ADDR_TEXT_MAX];

    oh_addr_text(&to, addr);
    struct kit next = {0};

    close(early);
    assert_true(runs_down_to(&k, 0));
    kit_listen(&next, OH_TRANSPORT_TCP, addr);
    kit_open(&next);
    kit_close(&next);
    kit_close(&k);
}

static void test_ipv6(void **state)
{
    struct kit k = {0};
    struct oh__net_input in;
    char text[1024];
    size_t n = kit_message(text, sizeof(text), 1, 0);
    struct oh_addr to, local = kit_parse("[::1]:0");
    int fd;

    (void)state;
    kit_listen(&k, OH_TRANSPORT_TCP, "[::]:0");
    kit_open(&k);
    to = local;
    to.port = kit_addr(&k, 0).port;
    fd = kit_connect(&to);
    kit_write(fd, text, n);
    expect_message(&k, &in, 1, 0);
    assert_true(oh_addr_eq(&in.flow.local, &to));
    close(fd);
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_many_segments),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_header_flood),
        cmocka_unit_test(test_message_timeout),
        cmocka_unit_test(test_idle_timeout),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_connect_refused),
        cmocka_unit_test(test_connect_timeout),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_partial_writes),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_pongs_are_no_ping),
        cmocka_unit_test(test_fairness),
        cmocka_unit_test(test_share_of_a_round),
        cmocka_unit_test(test_discard_is_bounded),
        cmocka_unit_test(test_end_of_a_stranger),
        cmocka_unit_test(test_stop_accepting),
        cmocka_unit_test(test_ipv6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
