/*
 * Framing by the code that reads sockets. An input is a stream and, in its
 * first bytes, the places where it is cut into pieces. Each piece is written to
 * a connection on loopback while the server reads; the messages that come out
 * must be those of the uncut stream, which is framed here by hand, and the
 * connection must be given up exactly where the framing is lost.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"
#include "corpus_walk.h"
#include "fuzz.h"
#include "mutate.h"
#include "net/net.h"
#include "net/sock.h"
#include "net/system.h"

#define MS           UINT64_C(1000000)
#define CUTS         4
#define HEAD         (2 * CUTS)
#define MESSAGES_MAX 64

/* What came out: results and hashes of the messages in their order. */
struct outcome {
    unsigned n;
    int parsed[MESSAGES_MAX];
    uint64_t hash[MESSAGES_MAX];
};

static struct oh__net_options options = {
    .workers = 1,
    .connections_per_source = 10000,
    .stream_limits = {.message = 8192, .headers = 4096, .body = 4096, .uri = 512},
};
static struct oh__net_shared *shared;
static struct oh__net *net;

static void open_net(void)
{
    char why[256] = "";

    if (net)
        return;
    options.listeners_n = 1;
    options.listeners[0].transport = OH_TRANSPORT_TCP;
    MUST(oh_addr_parse_port(OH_LIT("127.0.0.1:0"), &options.listeners[0].addr) == OH_OK);
    if (oh__net_open(&options, &shared, why, sizeof why) != OH_OK ||
        oh__net_new(shared, 0, &net) != OH_OK)
        fuzz_fail("no net: %s", why);
}

static void note(struct outcome *o, int parsed, struct oh_span raw)
{
    static const struct oh__hash_key key = {7, 7};

    if (o->n == MESSAGES_MAX)
        return;
    o->parsed[o->n] = parsed;
    /* Of what was refused, how much came before it was depends on the pieces. */
    o->hash[o->n++] = parsed == OH_OK ? oh__hash(&key, raw) : 0;
}

/* The part that ends with the last line end. */
static struct oh_span whole_lines(struct oh_span in)
{
    while (in.n && in.p[in.n - 1] != '\n')
        in.n--;
    return in;
}

enum end { GOES_ON, LOST, UNDECIDED };

/*
 * Frames the uncut stream as RFC 3261 18.3 says. A fault behind the last line end is seen when the
 * line has ended, or earlier when it came in one piece with such an end: it is undecided.
 */
static enum end frame_by_hand(struct oh_span in, struct outcome *o)
{
    static struct oh_msg m;
    size_t used;
    int rc;

    for (;;) {
        while (in.n >= 2 && memcmp(in.p, "\r\n", 2) == 0)
            in = oh_span_from(in, 2);
        if (in.n == 0)
            return GOES_ON;
        rc = oh_msg_parse(in, OH_MSG_STREAM, &options.stream_limits, &m, &used, NULL);
        if (rc == OH_E_INCOMPLETE)
            return GOES_ON;
        if (rc != OH_OK && oh_msg_parse(whole_lines(in), OH_MSG_STREAM, &options.stream_limits, &m,
                                        &used, NULL) == OH_E_INCOMPLETE)
            return UNDECIDED;
        note(o, rc, m.raw);
        if (rc != OH_OK)
            return LOST;
        in = oh_span_from(in, used);
    }
}

/*
 * A connection of a loopback address that changes each time: one address alone
 * would run out of ports when other tests keep them busy.
 */
static int dial(void)
{
    static uint16_t turn;
    struct oh_addr to = oh__net_listener(shared, 0), from = {.family = OH_FAMILY_IPV4};
    struct linger abort_at_once = {1, 0};
    union oh__sockaddr sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    socklen_t n;

    MUST(fd >= 0);
    turn++;
    memcpy(from.ip, (uint8_t[]){127, 1, (uint8_t)(turn >> 8), (uint8_t)(turn % 250 + 1)}, 4);
    n = oh__sockaddr_of(&from, &sa);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    MUST(bind(fd, &sa.sa, n) == 0);
    n = oh__sockaddr_of(&to, &sa);
    if (connect(fd, &sa.sa, n) != 0)
        fuzz_fail("cannot connect: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* No connection of ours waits for the end of its time. */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_at_once, sizeof abort_at_once);
    return fd;
}

/* One round of the server's loop; true when something came out of it. */
static bool round_of(struct outcome *o, uint64_t wait)
{
    struct oh__net_input in;
    bool came = false;

    MUST(oh__net_wait(net, oh__clock_now() + wait) == OH_OK);
    while (oh__net_take(net, &in)) {
        came = true;
        if (in.kind != OH__NET_MESSAGE)
            continue;
        note(o, in.parsed, in.msg->raw);
        MUST(in.parsed == OH_OK || (in.fault.code == in.parsed && in.fault.why));
        /* What broke the framing is answered, and then the stream ends. */
        if (in.parsed != OH_OK)
            oh__net_send(net, &in.flow, OH_LIT("SIP/2.0 400 Bad Request\r\n\r\n"), 0);
    }
    oh__net_flush(net);
    return came;
}

static void write_piece(int fd, struct oh_span piece, struct outcome *o)
{
    while (piece.n) {
        ssize_t sent = send(fd, piece.p, piece.n, MSG_NOSIGNAL | MSG_DONTWAIT);

        /* The server has given the connection up: the rest has no reader. */
        if (sent <= 0)
            return;
        piece = oh_span_from(piece, (size_t)sent);
        round_of(o, 0);
    }
}

/* True when the server ends its side within a second. */
static bool is_ended(int fd, struct outcome *o)
{
    char bytes[4096];

    for (unsigned i = 0; i < 1000; i++) {
        ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);

        if (got == 0 || (got < 0 && errno != EAGAIN))
            return true;
        round_of(o, got > 0 ? 0 : MS);
    }
    return false;
}

static void end(int fd)
{
    struct oh__net_stats stats;
    struct outcome rest = {0};

    close(fd);
    for (unsigned i = 0; i < 4000; i++) {
        oh__net_stats(net, &stats);
        if (stats.connections == 0)
            return;
        round_of(&rest, MS);
    }
    fuzz_fail("not so: a connection ends when its peer has gone");
}

static void run(struct oh_span in)
{
    struct fuzz_bytes b = {in};
    struct outcome want = {0}, got = {0};
    size_t cuts[CUTS], at = 0;
    enum end how;
    int fd;

    open_net();
    for (unsigned i = 0; i < CUTS; i++)
        cuts[i] = fuzz_u16(&b);
    how = frame_by_hand(b.rest, &want);
    fd = dial();
    round_of(&got, MS);
    for (unsigned i = 0; i < CUTS; i++) {
        size_t n = b.rest.n > at ? cuts[i] % (b.rest.n - at + 1) : 0;

        write_piece(fd, oh_span_head(oh_span_from(b.rest, at), n), &got);
        at += n;
    }
    write_piece(fd, oh_span_from(b.rest, at), &got);
    /* All that was sent is with the server by now, or soon. */
    for (unsigned i = 0; i < 200 && got.n < want.n; i++)
        round_of(&got, 5 * MS);
    round_of(&got, 0);
    if (how == UNDECIDED && got.n > want.n)
        got.n = want.n;
    if (got.n != want.n || memcmp(got.parsed, want.parsed, want.n * sizeof *want.parsed) != 0 ||
        memcmp(got.hash, want.hash, want.n * sizeof *want.hash) != 0)
        fuzz_fail("not so: %u messages come out of the pieces, the last with %d; of the whole %u, "
                  "the last with %d",
                  got.n, got.n ? got.parsed[got.n - 1] : 0, want.n,
                  want.n ? want.parsed[want.n - 1] : 0);
    if (how == LOST)
        MUST(is_ended(fd, &got));
    end(fd);
}

/* ---- seeds ---- */

static void seed(void *ctx, const char *name, struct oh_span bytes)
{
    static char text[16384];
    size_t n = HEAD;

    (void)name;
    if (2 * bytes.n + HEAD + 4 > sizeof text)
        return;
    memset(text, 0, HEAD);
    text[0] = (char)(bytes.n / 2);
    text[2] = 1;
    text[4] = (char)(bytes.n / 2 + 3);
    /* Twice, with a keep-alive between them. */
    memcpy(text + n, bytes.p, bytes.n);
    n += bytes.n;
    memcpy(text + n, "\r\n\r\n", 4);
    n += 4;
    memcpy(text + n, bytes.p, bytes.n);
    fuzz_seed(ctx, oh_span(text, n + bytes.n));
}

static void seeds(struct fuzz_seeds *to)
{
    MUST(corpus_walk("corpus/rfc4475/dat", ".dat", seed, to) > 0);
    MUST(corpus_walk("corpus/rfc-flows/rfc3261", ".sip", seed, to) > 0);
    MUST(corpus_walk("corpus/rfc-flows/rfc3665", ".sip", seed, to) > 0);
}

/* The cuts stay or change; the stream is changed as a message. */
static size_t mutate(char *p, size_t n, size_t cap, uint64_t random)
{
    if (n <= HEAD)
        return n;
    if (random % 4 == 0)
        memcpy(p + random / 4 % CUTS * 2, &random, 2);
    return HEAD + mutate_message(p + HEAD, n - HEAD, cap - HEAD, random);
}

const struct fuzz_harness fuzz_harness = {"stream", 8192, run, seeds, mutate};
