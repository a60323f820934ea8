/*
 * Transport (requirements 2): over what requests and responses go and to
 * where, and how messages are found in streams. Sockets themselves are tested
 * beside them (tests/unit/net).
 */
#include <stdio.h>

#include "harness.h"
#include "sim/parts.h"

#define ALICE "192.0.2.10:5060"
#define BOB   "192.0.2.20:5060"
#define FAR   "192.0.2.99:5060"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define LINE "OPTIONS sip:example.test SIP/2.0\n"
#define VIA  "Via: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK-"
#define CORE                                                         \
    "From: <sip:alice@example.test>;tag=f\nTo: <sip:example.test>\n" \
    "Call-ID: raw@alice\nCSeq: 1 OPTIONS\nMax-Forwards: 70\n"

/* Text of n bytes, for bodies; lives until the next call. */
static const char *filler(size_t n)
{
    static char text[65536];

    memset(text, 'x', sizeof text);
    text[n < sizeof text ? n : sizeof text - 1] = 0;
    return text;
}

/* ---- which transport ---- */

/* A server that nobody configured listens on UDP and TCP, on each port that it has. */
static void both_transports(struct world *w)
{
    const struct oh__settings *settings = server_settings(w);
    struct peer *alice = peer_new(w, ALICE, "alice");
    unsigned udp = 0;

    for (unsigned i = 0; i < settings->listeners_n; i++) {
        const struct oh__settings_listener *l = &settings->listeners[i];
        bool paired = false;

        for (unsigned k = 0; k < settings->listeners_n; k++)
            paired |= settings->listeners[k].transport != l->transport &&
                      oh_addr_eq(&settings->listeners[k].addr, &l->addr);
        CHECK(w, paired);
        udp += l->transport == OH_TRANSPORT_UDP;
    }
    CHECK(w, udp > 0);
    ASK(alice, .method = "OPTIONS", .uri = "sip:192.0.2.1");
    answer(alice, "200");
    peer_connect(alice);
    ASK(alice, .method = "OPTIONS", .uri = "sip:192.0.2.1");
    answer(alice, "200");
}

static void large_requests(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *far = peer_new(w, FAR, "far");
    const struct oh_msg *m;

    ASK(alice, .method = "MESSAGE", .uri = "sip:far@192.0.2.99", .body = filler(300));
    m = peer_expect(far, "MESSAGE");
    CHECK(w, m->raw.n <= 1300 && !peer_connected(far));
    CHECK(w, text_has(value_of(m, OH_HEADER_VIA), "SIP/2.0/UDP 192.0.2.1:5060"));
    peer_reply(far, m, 200, "");
    answer(alice, "200");
    ASK(alice, .method = "MESSAGE", .uri = "sip:far@192.0.2.99", .body = filler(1200));
    m = peer_expect(far, "MESSAGE");
    CHECK(w, m->raw.n > 1300 && peer_connected(far));
    CHECK(w, text_has(value_of(m, OH_HEADER_VIA), "SIP/2.0/TCP 192.0.2.1:5060"));
    peer_reply(far, m, 200, "");
    answer(alice, "200");
}

/* The TCP attempt is refused, and then the port is there after all: by UDP. */
static void large_requests_without_tcp(struct world *w)
{
    static const struct network_faults slow = {.delay_min = 10, .delay_max = 10};
    struct peer *alice = peer_new(w, ALICE, "alice"), *far = peer_new(w, FAR, "far");
    const struct oh_msg *m;

    network_faults(w, &slow);
    network_refuse(w, FAR);
    ASK(alice, .method = "MESSAGE", .uri = "sip:far@192.0.2.99", .body = filler(1200));
    world_run(w, 15);
    network_allow(w, FAR);
    m = peer_expect(far, "MESSAGE");
    CHECK(w, !peer_connected(far));
    CHECK(w, text_has(value_of(m, OH_HEADER_VIA), "SIP/2.0/UDP 192.0.2.1:5060"));
    CHECK(w, m->body.n == 1200);
    peer_reply(far, m, 200, "");
    answer(alice, "200");
}

/* The way by which a phone registered is the way to it. */
static void phones_keep_their_transport(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .body = filler(3000));
    m = peer_expect(bob, "MESSAGE");
    CHECK(w, m->body.n == 3000 && !peer_connected(bob));
    peer_reply_as(bob, m, 200, "t", "Content-Type: text/plain\n", filler(5000));
    m = answer(alice, "200");
    CHECK(w, m->body.n == 5000 && !peer_connected(alice));
}

static void largest_datagrams(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");

    peer_register(bob, 600);
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .body = filler(60000));
    peer_expect(alice, "413");
    peer_none(bob, "MESSAGE", 0);
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .body = filler(16000));
    CHECK(w, peer_expect(bob, "MESSAGE")->body.n == 16000);
}

/* RFC 3261 16.6 step 9, 18.3. */
static void content_length_for_streams(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_connect(bob);
    peer_register(bob, 600);
    peer_send(alice, "MESSAGE sip:bob@example.test SIP/2.0\nVia: SIP/2.0/UDP " ALICE
                     ";branch=z9hG4bK-cl\nFrom: <sip:alice@example.test>;tag=f\n"
                     "To: <sip:bob@example.test>\nCall-ID: cl\nCSeq: 1 MESSAGE\n"
                     "Max-Forwards: 70\nContent-Type: text/plain\n\nall the rest");
    m = peer_expect(bob, "MESSAGE");
    CHECK(w, message_rows(m, OH_HEADER_CONTENT_LENGTH) == 1);
    CHECK(w, strcmp(value_of(m, OH_HEADER_CONTENT_LENGTH), "12") == 0);
    CHECK(w, oh_span_eq(m->body, OH_LIT("all the rest")));
    peer_reply(bob, m, 200, "");
    peer_expect(alice, "200");
}

static void one_connection(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *far = peer_new(w, FAR, "far");

    for (unsigned i = 0; i < 3; i++) {
        ASK(alice, .method = "MESSAGE", .uri = "sip:far@192.0.2.99;transport=tcp");
        peer_reply(far, peer_expect(far, "MESSAGE"), 200, "");
        answer(alice, "200");
        world_run(w, 10000);
    }
    CHECK_SAY(w, w->network.conns_n == 1, "%u connections were made", (unsigned)w->network.conns_n);
}

/* ---- where the server says it is ---- */

#define ADVERTISED                                                           \
    "listen = { { 'udp:192.0.2.1:5060', advertise = 'sip.example.test' },\n" \
    "           'tcp:192.0.2.1:5060' }\n"                                    \
    "domains = { 'example.test' }\nno_auth = true\n"

static void sent_by(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m, *again;

    peer_register(bob, 600);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    again = peer_expect(bob, "INVITE");
    CHECK(w, oh_span_eq(m->raw, again->raw));
    CHECK(w, text_has(value_of(m, OH_HEADER_VIA), server_settings(w)->listeners[0].advertise[0]
                                                      ? "SIP/2.0/UDP sip.example.test:5060;"
                                                      : "SIP/2.0/UDP 192.0.2.1:5060;"));
    /* RFC 3581 3: the response may come to where the request came from. */
    CHECK(w, m->via.has_rport && m->via.rport == 0);
    peer_reply(bob, m, 486, "");
    answer(alice, "486");
}

/* The same branch, but it was sent to somebody else. */
static void foreign_sent_by(struct world *w)
{
    static const char *const hosts[] = {"192.0.2.2:5060", "192.0.2.1:5061", "example.test",
                                        "[2001:db8::1]:5060"};
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    peer_expect(alice, "100");
    for (unsigned i = 0; i < N(hosts); i++) {
        peer_send(bob,
                  "SIP/2.0 486 Busy Here\nVia: SIP/2.0/UDP %s;rport;branch=%.*s\nVia: %.*s\n"
                  "From: %.*s\nTo: <sip:bob@example.test>;tag=t\nCall-ID: %.*s\n"
                  "CSeq: 1 INVITE\nContent-Length: 0\n\n",
                  hosts[i], OH_PRI(m->via.branch), OH_PRI(message_value(m, OH_HEADER_VIA, 1)),
                  OH_PRI(oh_msg_value(m, OH_HEADER_FROM)), OH_PRI(m->call_id));
        peer_none(alice, "", 100);
    }
    peer_none(bob, "ACK", 0);
    peer_reply(bob, m, 486, "");
    answer(alice, "486");
}

/* ---- where responses go ---- */

static void received(struct world *w)
{
    static const struct {
        const char *via, *want; /* NULL: no received */
    } list[] = {
        {"SIP/2.0/UDP pc.example.test;branch=z9hG4bK-a", ";received=192.0.2.10"},
        {"SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK-b", ";received=192.0.2.10"},
        {"SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-c", NULL},
        {"SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-d", NULL},
        /* What the sender says of himself counts nothing. */
        {"SIP/2.0/UDP 192.0.2.77;received=192.0.2.99;branch=z9hG4bK-e", ";received=192.0.2.10"},
        {"SIP/2.0/UDP 192.0.2.10;received=192.0.2.99;branch=z9hG4bK-f", NULL},
    };
    struct peer *alice = peer_new(w, ALICE, "alice"), *far = peer_new(w, FAR, "far");

    for (unsigned i = 0; i < N(list); i++) {
        const char *via;

        ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .via = list[i].via);
        via = value_of(answer(alice, "200"), OH_HEADER_VIA);
        CHECK_SAY(w, list[i].want ? text_has(via, list[i].want) : !text_has(via, "received"),
                  "%s became %s", list[i].via, via);
        CHECK_SAY(w, !text_has(via, "192.0.2.99"), "%s became %s", list[i].via, via);
    }
    peer_none(far, "", 0);
}

/* By rport to the port that it came from, without to the one in the Via (RFC 3581 4, RFC 3261
 * 18.2.2). */
static void response_ports(struct world *w)
{
    struct peer *alice = peer_new(w, "192.0.2.10:6000", "alice");
    struct peer *other = peer_new(w, "192.0.2.10:5555", "other");
    struct peer *usual = peer_new(w, ALICE, "usual");
    const struct oh_msg *m;

    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test",
        .via = "SIP/2.0/UDP 192.0.2.10:5555;rport;branch=z9hG4bK-a");
    m = answer(alice, "200");
    CHECK(w, m->via.rport == 6000);
    CHECK(w, oh_span_eq(m->via.received, OH_LIT("192.0.2.10")));
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test",
        .via = "SIP/2.0/UDP 192.0.2.10:5555;branch=z9hG4bK-b");
    m = peer_expect(other, "200");
    CHECK(w, !m->via.has_rport);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test",
        .via = "SIP/2.0/UDP pc.example.test:5555;branch=z9hG4bK-c");
    peer_expect(other, "200");
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test",
        .via = "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-d");
    peer_expect(usual, "200");
    /* The same holds for what has a transaction. */
    ASK(alice, .method = "INVITE", .uri = "sip:nobody@example.test",
        .via = "SIP/2.0/UDP 192.0.2.10:5555;branch=z9hG4bK-e");
    m = peer_expect(other, "404");
    peer_ack(alice, m);
    peer_none(alice, "", 0);
    peer_none(usual, "", 0);
}

static void responses_on_streams(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    peer_connect(alice);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test",
        .via = "SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK-a");
    m = peer_expect(bob, "INVITE");
    peer_expect(alice, "100");
    peer_reply(bob, m, 180, "");
    peer_expect(alice, "180");
    CHECK(w, w->network.conns_n == 1);
    peer_disconnect(alice);
    world_run(w, 10);
    /* It is gone; who sent the request listens at the address in his Via. */
    peer_reply(bob, m, 486, "");
    m = answer(alice, "486");
    CHECK(w, peer_connected(alice) && w->network.conns_n == 2);
    CHECK(w, m->to_tag.n > 0);
}

static void nobody_at_the_port(struct world *w)
{
    static const char *const uris[] = {"sip:far@192.0.2.99", "sip:far@192.0.2.99;transport=tcp",
                                       "sip:bob@example.test"};
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    uint64_t began = world_now(w);

    peer_register(bob, 600);
    network_refuse(w, BOB);
    network_refuse(w, FAR);
    for (unsigned i = 0; i < N(uris); i++) {
        ASK(alice, .method = "INVITE", .uri = uris[i]);
        CHECK(w, message_rows(answer(alice, "500"), OH_HEADER_RETRY_AFTER) == 0);
        ASK(alice, .method = "MESSAGE", .uri = uris[i]);
        answer(alice, "500");
    }
    /* And not after Timer B. */
    CHECK(w, world_now(w) - began < WORLD_SECOND);
}

static void to_crowds(struct world *w)
{
    static const char *const vias[] = {
        "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK-a",
        "SIP/2.0/UDP 224.0.1.75;branch=z9hG4bK-b",
        "SIP/2.0/UDP 192.0.2.10;maddr=255.255.255.255;branch=z9hG4bK-c",
        "SIP/2.0/UDP 192.0.2.10;maddr=224.0.1.75;ttl=1;branch=z9hG4bK-d",
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-e",
    };
    static const char *const uris[] = {"sip:a@255.255.255.255", "sip:a@224.0.1.75", "sip:a@0.0.0.0",
                                       "sip:a@[ff02::1]"};
    struct peer *alice = peer_new(w, ALICE, "alice");
    struct peer *all = peer_new(w, "255.255.255.255:5060", "all");

    /* Somebody who says that he is everybody. */
    ASK(all, .method = "OPTIONS", .uri = "sip:example.test");
    ASK(all, .method = "INVITE", .uri = "sip:nobody@example.test");
    peer_none(all, "", 5000);
    network_closed(w, true);
    for (unsigned i = 0; i < N(vias); i++) {
        ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .via = vias[i]);
        peer_expect(alice, "200");
    }
    for (unsigned i = 0; i < N(uris); i++) {
        ASK(alice, .method = "INVITE", .uri = uris[i]);
        const struct oh_msg *m = answer(alice, "");

        m = m->status == 100 ? answer(alice, "") : m;
        CHECK_SAY(w, m->status >= 400, "%s: %u", uris[i], m->status);
    }
}

/* ---- messages in streams ---- */

static void byte_by_byte(struct world *w)
{
    static const struct network_faults faults = {.one_by_one = true};
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    network_faults(w, &faults);
    peer_connect(bob);
    peer_register(bob, 600);
    peer_connect(alice);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test", .body = "v=0\ns=-\n",
        .rows = "Content-Type: application/sdp\n");
    m = peer_expect(bob, "INVITE");
    CHECK(w, oh_span_eq(m->body, OH_LIT("v=0\r\ns=-\r\n")));
    peer_reply_as(bob, m, 200, "t", "Content-Type: application/sdp\n", "v=0\n");
    m = peer_expect(alice, "200");
    CHECK(w, oh_span_eq(m->body, OH_LIT("v=0\r\n")));
    peer_ack(alice, m);
    peer_expect(bob, "ACK");
}

static void pipelined(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");

    peer_connect(alice);
    peer_send(alice,
              LINE VIA "1\n" CORE "Content-Length: 5\n\nOPTIO" LINE VIA "2\n" CORE
                       "Content-Length: 0\n\n\n" LINE VIA "3\n" CORE "Content-Length: 0\n\n");
    CHECK(w, oh_span_eq(peer_expect(alice, "415")->via.branch, OH_LIT("z9hG4bK-1")));
    CHECK(w, oh_span_eq(peer_expect(alice, "200")->via.branch, OH_LIT("z9hG4bK-2")));
    CHECK(w, oh_span_eq(peer_expect(alice, "200")->via.branch, OH_LIT("z9hG4bK-3")));
    CHECK(w, peer_connected(alice));
}

/* A stream that is waited for: half a message is none. */
static void halves(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");

    peer_connect(alice);
    peer_send(alice, LINE VIA "1\n" CORE "Content-Type: text/plain\nContent-Length: 10\n\nhalf");
    peer_none(alice, "", 5000);
    CHECK(w, peer_connected(alice));
    peer_send(alice, "a body" LINE VIA "2\n" CORE);
    peer_expect(alice, "200");
    peer_none(alice, "", 5000);
    peer_send(alice, "Content-Length: 0\n\n");
    peer_expect(alice, "200");
}

static void no_length(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");

    peer_register(bob, 600);
    peer_connect(alice);
    peer_send(alice,
              "INVITE sip:bob@example.test SIP/2.0\n" VIA "1\n"
              "From: <sip:alice@example.test>;tag=f\nTo: <sip:bob@example.test>\n"
              "Call-ID: nl\nCSeq: 1 INVITE\nMax-Forwards: 70\n"
              "Contact: <sip:alice@" ALICE ">\n\n" LINE VIA "2\n" CORE "Content-Length: 0\n\n");
    peer_expect(alice, "400");
    world_settle(w);
    CHECK(w, !peer_connected(alice));
    peer_none(alice, "", 1000);
    peer_none(bob, "INVITE", 0);
}

static void too_long(struct world *w)
{
    static const struct {
        const char *length, *answer;
    } list[] = {{"99999999", "413"}, {"16385", "413"}, {"4294967295", "413"}};
    size_t before = server_bytes(w);

    for (unsigned i = 0; i < N(list); i++) {
        char address[32];
        struct peer *p;

        snprintf(address, sizeof address, "192.0.2.%u:5060", 100 + i);
        p = peer_new(w, address, "stream");
        peer_connect(p);
        peer_send(p, LINE VIA "1\n" CORE "Content-Type: text/plain\nContent-Length: %s\n\nx",
                  list[i].length);
        peer_expect(p, list[i].answer);
        world_settle(w);
        CHECK_SAY(w, !peer_connected(p), "the stream goes on behind %s", list[i].length);
    }
    CHECK(w, server_bytes(w) < before + 65536);
}

/* Headers without end. */
static void endless_headers(struct world *w)
{
    struct peer *p = peer_new(w, ALICE, "stream");

    peer_connect(p);
    peer_send(p, LINE VIA "1\n" CORE);
    for (unsigned i = 0; i < 40 && peer_connected(p); i++) {
        peer_send(p, "X-%u: %s\n", i, filler(1000));
        world_settle(w);
    }
    peer_expect(p, "513");
    CHECK(w, !peer_connected(p));
}

/* ---- datagrams ---- */

/* A body that is shorter than it says: requests are refused, responses dropped. */
static void short_bodies(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    peer_send(alice, LINE "Via: SIP/2.0/UDP " ALICE ";branch=z9hG4bK-1\n" CORE
                          "Content-Type: application/sdp\nContent-Length: 142\n\nv=0\n");
    CHECK(w, text_has(text_of(peer_expect(alice, "400")->reason), "Content-Length"));
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "MESSAGE");
    peer_send(bob,
              "SIP/2.0 200 OK\nVia: %.*s\nVia: %.*s\nFrom: %.*s\n"
              "To: <sip:bob@example.test>;tag=t\nCall-ID: %.*s\nCSeq: 1 MESSAGE\n"
              "Content-Type: text/plain\nContent-Length: 10\n\nshort",
              OH_PRI(message_value(m, OH_HEADER_VIA, 0)),
              OH_PRI(message_value(m, OH_HEADER_VIA, 1)), OH_PRI(oh_msg_value(m, OH_HEADER_FROM)),
              OH_PRI(m->call_id));
    peer_none(alice, "", 100);
    peer_reply(bob, m, 202, "");
    answer(alice, "202");
}

/* Nothing answers a response or an ACK, and noise gets nothing but silence. */
static void never_answered(struct world *w)
{
    static const char *const list[] = {
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP " ALICE ";branch=z9hG4bK-1\n" CORE "\n",
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1\n" CORE "\n",
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP " ALICE ";branch=z9hG4bK-1\nContent-Length: 9\n\n",
        "SIP/2.0 600\n\n",
        "SIP/2.0\n\n",
        "ACK sip:bob@example.test SIP/2.0\nVia: SIP/2.0/UDP " ALICE
        ";branch=z9hG4bK-2\nFrom: <sip:a@b>;tag=f\nTo: <sip:bob@example.test>\nCall-ID: a\n"
        "CSeq: 1 ACK\n\n",
        "ACK sip:bob@example.test SIP/2.0\nVia: SIP/2.0/UDP " ALICE ";branch=z9hG4bK-3\n\n",
        "ACK sip:bob@example.test SIP/7.0\nVia: SIP/2.0/UDP " ALICE ";branch=z9hG4bK-4\n\n",
        "ACK <> SIP/2.0\nVia: SIP/2.0/UDP " ALICE
        ";branch=z9hG4bK-5\nFrom: x\nTo: y\nCall-ID: a\nCSeq: 1 ACK\n\n",
        "GET / HTTP/1.1\nHost: example.test\n\n",
        "\x16\x03\x01\x02",
        "\n",
        " ",
        "OPTIONS",
    };
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");

    peer_register(bob, 600);
    peer_forget(bob);
    for (unsigned i = 0; i < N(list); i++) {
        world_note(w, "line %u of the list", i);
        peer_send(alice, "%s", list[i]);
        peer_none(alice, "", 100);
    }
    peer_none(bob, "", 1000);
}

/* Who has not proved who he is costs no memory. */
static void strangers_are_stateless(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");
    struct oh__serve_stats stats;
    size_t before = 0;

    accounts(w);
    for (unsigned i = 0; i < 300; i++) {
        if (i == 100)
            before = server_bytes(w);
        ASK(alice, .method = i % 3 ? "INVITE" : "REGISTER",
            .uri = i % 3 ? "sip:bob@example.test" : "sip:example.test",
            .to = "sip:bob@example.test");
        peer_expect(alice, "4xx");
    }
    server_stats(w, &stats);
    CHECK(w, stats.endpoint.in_flight == 0 && stats.endpoint.completed == 0 && stats.contexts == 0);
    CHECK(w, stats.endpoint.tx_stateless == 300 && stats.challenges == 300);
    CHECK_SAY(w, server_bytes(w) == before, "the heap grew by %zd bytes",
              (ssize_t)(server_bytes(w) - before));
}

static const struct conformance_case cases[] = {
    CASE("TRN-001", "UDP and TCP on every port", both_transports, .lua = "no_auth = true\n"),
    CASE("TRN-002", "what is larger than 1300 bytes goes over TCP", large_requests),
    CASE("TRN-003", "and over UDP when TCP is refused", large_requests_without_tcp),
    CASE("TRN-004", "phones and responses keep their transport at any size",
         phones_keep_their_transport),
    CASE("TRN-004 UAS-013", "the largest datagrams are answered", largest_datagrams),
    CASE("TRN-032", "a stream gets the Content-Length that a datagram did without",
         content_length_for_streams),
    CASE("TRN-017", "an open connection is used again", one_connection),
    CASE("TRN-005 TRN-009 TXN-003", "sent-by is the listener's address, repetitions are the same",
         sent_by),
    CASE("TRN-005", "sent-by is the name that is advertised", sent_by, .lua = ADVERTISED),
    CASE("TRN-006", "responses that were sent to somebody else", foreign_sent_by),
    CASE("TRN-007", "received is put in when the Via is not the source", received),
    CASE("TRN-008 TRN-010", "ports that responses go to", response_ports),
    CASE("TRN-011 TXN-011", "responses on streams, and when the stream is gone",
         responses_on_streams),
    CASE("TRN-012 TXN-020", "a closed port is a failure at once", nobody_at_the_port),
    CASE("TRN-022", "nothing is sent to crowds", to_crowds),
    CASE("TRN-013", "a call in streams byte by byte", byte_by_byte),
    CASE("TRN-013", "three requests in one piece", pipelined),
    CASE("TRN-013", "half a message is waited for", halves),
    CASE("TRN-015", "a stream without Content-Length ends", no_length),
    CASE("TRN-016 UAS-013", "a stream with too large a body ends", too_long),
    CASE("TRN-016 UAS-013 SEC-004", "a stream with endless headers ends", endless_headers),
    CASE("TRN-014", "bodies that are shorter than they say", short_bodies),
    CASE("TRN-030", "what is never answered", never_answered),
    CASE("TRN-033 UAS-021", "strangers cost no memory", strangers_are_stateless, .lua = CLOSED),
};

CONFORMANCE_CHAPTER(transport, cases);
