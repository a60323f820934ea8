/*
 * Syntax (requirements 1): what is accepted, refused, passed on untouched and
 * never let through. The torture messages have a chapter of their own
 * (syntax_torture.c); grammar that only the parser sees is tested beside it
 * (tests/unit/sip).
 */
#include <ctype.h>
#include <stdio.h>
#include <time.h>

#include "harness.h"
#include "sim/parts.h"

#define ALICE "192.0.2.10:5060"
#define BOB   "192.0.2.20:5060"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define LINE "OPTIONS sip:example.test SIP/2.0\n"
#define FROM "From: <sip:alice@example.test>;tag=f\n"
#define TO   "To: <sip:example.test>\n"
#define CALL "Call-ID: raw@alice\n"
#define CSEQ "CSeq: 1 OPTIONS\n"
#define HOPS "Max-Forwards: 70\n"
#define END  "Content-Length: 0\n\n"
#define CORE FROM TO CALL CSEQ HOPS

/* Sends a request of these parts with a Via of alice's between them, each with another branch. */
static void send_raw(struct peer *p, const char *line, const char *rest)
{
    peer_send(p, "%sVia: SIP/2.0/UDP " ALICE ";rport;branch=z9hG4bK-raw%u\n%s", line,
              ++peer_world(p)->fresh, rest);
}

/* What such a request is answered with; NULL: nothing. */
struct exchange {
    const char *line, *rest, *answer;
    const char *reason; /* NULL: any */
};

static void exchanges(struct world *w, const struct exchange *list, size_t n)
{
    struct peer *alice = peer_new(w, ALICE, "alice");

    for (size_t i = 0; i < n; i++) {
        const struct exchange *e = &list[i];

        world_note(w, "line %u of the list", (unsigned)i);
        send_raw(alice, e->line, e->rest);
        if (!e->answer) {
            peer_none(alice, "", 1000);
            continue;
        }
        const struct oh_msg *m = peer_expect(alice, e->answer);

        CHECK_SAY(w, !e->reason || text_has(text_of(m->reason), e->reason),
                  "line %u: the reason is: %.*s", (unsigned)i, OH_PRI(m->reason));
        peer_none(alice, "", 0);
    }
}

/* Each line of rows is a row of the message, as it was written. */
static void check_rows(struct world *w, const struct oh_msg *m, const char *rows)
{
    char row[512];

    for (const char *end, *line = rows; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        snprintf(row, sizeof row, "\r\n%.*s\r\n", (int)(end - line), line);
        CHECK_SAY(w, message_has(m, row), "a row was changed: %s", row);
    }
}

/* ---- lines, names and versions ---- */

/* Every line of everything that a peer got ends with CRLF, and there is an empty one. */
static void check_lines(struct peer *p)
{
    for (unsigned i = 0; i < p->letters_n; i++) {
        struct oh_span s = p->letters[i].bytes;
        bool empty = false;

        for (size_t k = 0; k < s.n && !empty; k++) {
            if (s.p[k] == '\n')
                CHECK(p->world, k && s.p[k - 1] == '\r');
            if (s.p[k] == '\r')
                CHECK(p->world, k + 1 < s.n && s.p[k + 1] == '\n');
            empty = k >= 3 && memcmp(s.p + k - 3, "\r\n\r\n", 4) == 0;
        }
        CHECK(p->world, empty);
    }
}

static void only_crlf(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    struct peer_dialog dialog;
    const struct oh_msg *m;

    peer_register(bob, 600);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test");
    answer(alice, "200");
    ASK(alice, .method = "INVITE", .uri = "sip:nobody@example.test");
    answer(alice, "4xx");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test", .body = "v=0\n",
        .rows = "Content-Type: application/sdp\n");
    m = peer_expect(bob, "INVITE");
    peer_reply(bob, m, 180, "");
    peer_reply(bob, m, 200, "");
    m = peer_expect(alice, "200 INVITE");
    peer_ack(alice, m);
    peer_expect(bob, "ACK");
    peer_dialog_caller(alice, m, &dialog);
    peer_dialog_request(alice, &dialog, "BYE", "");
    peer_reply(bob, peer_expect(bob, "BYE"), 200, "");
    answer(alice, "200 BYE");
    CHECK(w, alice->letters_n >= 6 && bob->letters_n == 4);
    check_lines(alice);
    check_lines(bob);
}

/* Bare line feeds are no lines of SIP. */
static void only_lf(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");

    peer_send_bytes(alice, OH_LIT("OPTIONS sip:example.test SIP/2.0\n"
                                  "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-lf\n"
                                  "From: <sip:alice@example.test>;tag=f\nTo: <sip:example.test>\n"
                                  "Call-ID: lf\nCSeq: 1 OPTIONS\nMax-Forwards: 70\n\n"));
    world_run(w, 1000);
    CHECK(w, peer_count(alice, "") <= 1);
    CHECK(w, peer_count(alice, "") == peer_count(alice, "200") + peer_count(alice, "400"));
    check_lines(alice);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test");
    answer(alice, "200");
}

static void versions(struct world *w)
{
    static const struct exchange list[] = {
        {"OPTIONS sip:example.test sip/2.0\n", CORE END, "200", NULL},
        {"OPTIONS sip:example.test SiP/2.0\n", CORE END, "200", NULL},
        {"OPTIONS sip:example.test SIP/3.0\n", CORE END, "505", NULL},
        {"OPTIONS sip:example.test SIP/7.0\n", "From: %%\nTo: <<\nCSeq: x\nCall-ID: a\n" END, "505",
         NULL},
        {"OPTIONS sip:example.test HTTP/1.1\n", CORE END, "400", NULL},
    };

    exchanges(w, list, N(list));
    CHECK(w, oh_span_eq(oh_span_head(w->peers->letters[0].bytes, 8), OH_LIT("SIP/2.0 ")));
}

static void header_names(struct world *w)
{
    static const struct exchange list[] = {
        {LINE,
         "FROM : <sip:alice@example.test>;tag=f\ntO\t:\n <sip:example.test>\nCALL-id:raw\n"
         "cseq:\t1\n\tOPTIONS\nmax-FORWARDS  :  70\nSubject:\nX-Empty: \ncontent-LENGTH :0\n\n",
         "200", NULL},
        {LINE,
         "f: <sip:alice@example.test>;tag=f\nt: <sip:example.test>\ni: raw\n"
         "CSeq: 1 OPTIONS\nMax-Forwards: 70\ns: compact\nk: path\nl: 0\n\n",
         "200", NULL},
        /* A name ends at blanks or a colon, and there is one. */
        {LINE, CORE "No colon here\n" END, "400", NULL},
        {LINE, CORE "Two words: x\n" END, "400", NULL},
        {LINE, CORE ": no name\n" END, "400", NULL},
    };

    exchanges(w, list, N(list));
}

/* Every compact name, beside long ones: the proxy understands those it must and keeps them all. */
static void compact_names(struct world *w)
{
    static const char rows[] = "a: *;audio\nb: <sip:carol@example.test>\nd: no-fork\n"
                               "j: *;video\nk: timer\no: talk\nr: <sip:dave@example.test>\n"
                               "s: compact\nu: reg\nx: 1800\ny: \"c2ln\"\ne: identity\n"
                               "c: text/plain\nSubject: long\n";
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_send(bob, "REGISTER sip:example.test SIP/2.0\nv: SIP/2.0/UDP " BOB
                   ";branch=z9hG4bK-c1\nf: <sip:bob@example.test>;tag=1\nt: <sip:bob@example.test>"
                   "\ni: c1\nCSeq: 1 REGISTER\nMax-Forwards: 70\nm: <sip:bob@" BOB ">\nl: 0\n\n");
    CHECK(w, message_values(peer_expect(bob, "200"), OH_HEADER_CONTACT) == 1);
    peer_send(alice,
              "MESSAGE sip:bob@example.test SIP/2.0\nv: SIP/2.0/UDP " ALICE
              ";branch=z9hG4bK-c2\nf: <sip:alice@example.test>;tag=1\n"
              "t: <sip:bob@example.test>\ni: c2\nCSeq: 1 MESSAGE\nMax-Forwards: 70\n%s"
              "l: 5\n\nhello",
              rows);
    m = peer_expect(bob, "MESSAGE");
    CHECK(w, message_values(m, OH_HEADER_VIA) == 2);
    CHECK(w, oh_span_eq(m->body, OH_LIT("hello")));
    check_rows(w, m, rows);
    peer_reply(bob, m, 200, "");
    peer_expect(alice, "200");
    /* Those that the server itself needs. */
    peer_send(alice, LINE "v: SIP/2.0/UDP " ALICE ";branch=z9hG4bK-c3\n" CORE
                          "c: application/x-foo\nl: 1\n\nx");
    CHECK(w, *value_of(peer_expect(alice, "415"), OH_HEADER_ACCEPT));
    peer_send(alice, LINE "v: SIP/2.0/UDP " ALICE ";branch=z9hG4bK-c4\n" CORE
                          "c: text/plain\ne: gzip\nl: 1\n\nx");
    CHECK(w, *value_of(peer_expect(alice, "415"), OH_HEADER_ACCEPT_ENCODING));
}

/* ---- lists ---- */

static void vias_in_any_rows(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");
    const struct oh_msg *m;

    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test",
        .rows = "Via: SIP/2.0/UDP 192.0.2.30;branch=z9hG4bK-1\n"
                "Subject: between\n"
                "v: SIP/2.0/TCP [2001:db8::1]:5070;branch=z9hG4bK-2 ,\n"
                " SIP/2.0/TLS c.example.net;branch=z9hG4bK-3;x=\"a, b\"\n"
                "Via: SIP/2.0/UDP 192.0.2.31;branch=z9hG4bK-4\n");
    m = answer(alice, "200");
    CHECK(w, message_values(m, OH_HEADER_VIA) == 5);
    CHECK(w, text_has(text_of(message_value(m, OH_HEADER_VIA, 3)), ";x=\"a, b\""));
}

#define TWO_ALGORITHMS                                          \
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060' }\n" \
    "domains = { { 'example.test', digest = { 'SHA-256', 'MD5' } } }\n"

static void challenges_in_rows(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");
    const struct oh_msg *m;

    accounts(w);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = answer(alice, "407");
    CHECK(w, message_rows(m, OH_HEADER_PROXY_AUTHENTICATE) == 2);
    registers(alice, "alice", "", 1, NULL, "");
    m = answer(alice, "401");
    CHECK(w, message_rows(m, OH_HEADER_WWW_AUTHENTICATE) == 2);
    CHECK(w, text_has(value_of(m, OH_HEADER_WWW_AUTHENTICATE), "SHA-256"));
}

/* ---- what is there too often, or not at all ---- */

static void once_only(struct world *w)
{
    static const struct exchange list[] = {
        {LINE, CORE FROM END, "400", "More than one From"},
        {LINE, CORE TO END, "400", "More than one To"},
        {LINE, CORE "i: other\n" END, "400", "More than one Call-ID"},
        {LINE, CORE CSEQ END, "400", "More than one CSeq"},
        {LINE, CORE "Max-Forwards: 7\n" END, "400", "More than one Max-Forwards"},
        {LINE, FROM TO CALL CSEQ HOPS END, "200", NULL},
    };

    exchanges(w, list, N(list));
}

static void must_be_there(struct world *w)
{
    static const struct exchange list[] = {
        {LINE, TO CALL CSEQ HOPS END, "400", "Missing From"},
        {LINE, FROM CALL CSEQ HOPS END, "400", "Missing To"},
        {LINE, FROM TO CSEQ HOPS END, "400", "Missing Call-ID"},
        {LINE, FROM TO CALL HOPS END, "400", "Missing CSeq"},
    };
    struct peer *alice;

    exchanges(w, list, N(list));
    alice = peer_new(w, "192.0.2.11:5060", "again");
    peer_send(alice, LINE CORE END);
    peer_send(alice, LINE "Via:\n" CORE END);
    peer_send(alice, LINE "Via: SIP/2.0/UDP\n" CORE END);
    peer_send(alice, LINE "Via: nonsense\n" CORE END);
    peer_none(alice, "", 1000);
}

static void cseqs(struct world *w)
{
    static const struct exchange list[] = {
        {LINE, FROM TO CALL HOPS "CSeq: 1 INVITE\n" END, "400", NULL},
        {LINE, FROM TO CALL HOPS "CSeq: 1 options\n" END, "400", NULL},
        {"BREW sip:example.test SIP/2.0\n", FROM TO CALL HOPS "CSeq: 1 INVITE\n" END, "501", NULL},
        {LINE, FROM TO CALL HOPS "CSeq: 2147483647 OPTIONS\n" END, "200", NULL},
        {LINE, FROM TO CALL HOPS "CSeq: 0 OPTIONS\n" END, "200", NULL},
        {LINE, FROM TO CALL HOPS "CSeq: 2147483648 OPTIONS\n" END, "400", NULL},
        {LINE, FROM TO CALL HOPS "CSeq: 4294967296 OPTIONS\n" END, "400", NULL},
        {LINE, FROM TO CALL HOPS "CSeq: 18446744073709551617 OPTIONS\n" END, "400", NULL},
        {LINE, FROM TO CALL HOPS "CSeq: -1 OPTIONS\n" END, "400", NULL},
        {LINE, FROM TO CALL HOPS "CSeq: 1\n" END, "400", NULL},
    };

    exchanges(w, list, N(list));
}

static void params_once(struct world *w)
{
    static const struct exchange list[] = {
        {LINE, "From: <sip:alice@example.test>;tag=a;tag=b\n" TO CALL CSEQ HOPS END, "400", NULL},
        {LINE, "From: <sip:alice@example.test>;tag=a;x=1;X=2\n" TO CALL CSEQ HOPS END, "400", NULL},
        {LINE, "From: <sip:alice@example.test>;foo;tag=a;bar=\"b;tag=c\"\n" TO CALL CSEQ HOPS END,
         "200", NULL},
    };
    struct peer *alice;

    exchanges(w, list, N(list));
    alice = peer_new(w, "192.0.2.11:5060", "again");
    peer_send(alice,
              LINE "Via: SIP/2.0/UDP 192.0.2.11;branch=z9hG4bK-a;branch=z9hG4bK-b\n" CORE END);
    peer_expect(alice, "400");
    peer_send(alice, LINE "Via: SIP/2.0/UDP 192.0.2.11;foo;branch=z9hG4bK-a;bar=1\n" CORE END);
    peer_expect(alice, "200");
}

/* ---- numbers ---- */

static void numbers_too_large(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, "<sip:bob@" BOB ">;expires=99999999999", "");
    CHECK(w, text_has(value_of(answer(bob, "200"), OH_HEADER_CONTACT), ";expires=7200"));
    registers(bob, "bob", "", 2, NULL, "Expires: 99999999999\n");
    CHECK(w, text_has(value_of(answer(bob, "200"), OH_HEADER_CONTACT), ";expires=7200"));
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .max_forwards = "300");
    m = peer_expect(bob, "MESSAGE");
    CHECK(w, message_rows(m, OH_HEADER_MAX_FORWARDS) == 1 && m->max_forwards == 70);
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .max_forwards = "many");
    answer(alice, "400");
    peer_none(bob, "MESSAGE", 0);
}

/* Answers that cannot be ones are dropped, and the right one is still awaited (RFC 4475 3.1.2.5,
 * 3.1.2.19). */
static void broken_responses(struct world *w)
{
    static const char *const lines[] = {"SIP/2.0 4294967301 better not break",
                                        "SIP/2.0 099 Early",
                                        "SIP/2.0 700 Late",
                                        "SIP/2.0 20 Short",
                                        "SIP/2.0 2000 Long",
                                        "SIP/3.0 200 OK"};
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;
    char via[512];

    peer_register(bob, 600);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    snprintf(via, sizeof via, "Via: %.*s\nVia: %.*s\n", OH_PRI(message_value(m, OH_HEADER_VIA, 0)),
             OH_PRI(message_value(m, OH_HEADER_VIA, 1)));
    peer_expect(alice, "100");
    for (unsigned i = 0; i <= N(lines); i++)
        peer_send(bob, "%s\n%s%sFrom: %.*s\nTo: <sip:bob@example.test>;tag=t\nCall-ID: %.*s\n" END,
                  i < N(lines) ? lines[i] : "SIP/2.0 503 Service Unavailable", via,
                  i < N(lines) ? "CSeq: 1 INVITE\n" : "CSeq: 4294967301 INVITE\n",
                  OH_PRI(oh_msg_value(m, OH_HEADER_FROM)), OH_PRI(m->call_id));
    peer_none(alice, "", 1000);
    peer_reply(bob, m, 486, "");
    answer(alice, "486");
}

/* A Content-Length that cannot be believed is no reason to guess. */
static const char *const bad_lengths[] = {
    "Content-Length: five\n",    "Content-Length: -1\n",
    "Content-Length: +0\n",      "Content-Length: 99999999999999999999\n",
    "Content-Length: 0x0\n",     "Content-Length: 0\nContent-Length: 5\n",
    "Content-Length: 5\nl: 0\n", "Content-Length:\n",
    "Content-Length: 0 0\n",
};

static void bad_lengths_in_datagrams(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");

    peer_register(bob, 600);
    for (unsigned i = 0; i < N(bad_lengths); i++) {
        char rest[512];

        snprintf(rest, sizeof rest, CORE "%s\n", bad_lengths[i]);
        send_raw(alice, "OPTIONS sip:bob@example.test SIP/2.0\n", rest);
        peer_expect(alice, "400");
    }
    peer_none(bob, "OPTIONS", 1000);
}

static void bad_lengths_on_streams(struct world *w)
{
    for (unsigned i = 0; i < N(bad_lengths); i++) {
        char address[32];
        struct peer *p;

        snprintf(address, sizeof address, "192.0.2.%u:5060", 100 + i);
        p = peer_new(w, address, "stream");
        peer_connect(p);
        peer_send(p, LINE "Via: SIP/2.0/TCP 192.0.2.10;branch=z9hG4bK-l%u\n" CORE "%s\n", i,
                  bad_lengths[i]);
        peer_expect(p, "400");
        world_settle(w);
        CHECK_SAY(w, !peer_connected(p), "the stream goes on behind %s", bad_lengths[i]);
    }
}

/* What stands behind the body in a datagram is not passed on. */
static void surplus_is_dropped(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    send_raw(alice, "MESSAGE sip:bob@example.test SIP/2.0\n",
             FROM TO CALL "CSeq: 1 MESSAGE\n" HOPS "Content-Type: text/plain\nContent-Length: 5\n\n"
                          "helloINVITE sip:bob@example.test SIP/2.0\n\n");
    m = peer_expect(bob, "MESSAGE");
    CHECK(w, oh_span_eq(m->body, OH_LIT("hello")));
    CHECK(w, !message_has(m, "helloINVITE"));
    peer_reply(bob, m, 200, "");
    peer_expect(alice, "200");
    peer_none(bob, "", 0);
}

/* ---- what is not understood ---- */

static void unknown_headers(struct world *w)
{
    static const char rows[] = "X-Foo: ((\nDate: Fri, 01 Jan 2010 16:00:00 EST\n"
                               "Retry-After: soon\nWarning: \"\nReply-To: <<>\nX-Utf8: \xd0\xb6\n"
                               "Timestamp: never\nx-foo:   twice\n";
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, NULL, rows);
    CHECK(w, message_values(answer(bob, "200"), OH_HEADER_CONTACT) == 1);
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .rows = rows);
    m = peer_expect(bob, "MESSAGE");
    CHECK(w, message_has(m, "X-Foo: ((\r\nDate: Fri, 01 Jan 2010 16:00:00 EST\r\n"
                            "Retry-After: soon\r\nWarning: \"\r\nReply-To: <<>\r\n"
                            "X-Utf8: \xd0\xb6\r\nTimestamp: never\r\nx-foo:   twice\r\n"));
    peer_reply(bob, m, 200, "X-Bar: ))\n");
    CHECK(w, strcmp(row_of(answer(alice, "200"), "X-Bar"), "))") == 0);
}

#define ODD "!interesting-Method0123456789_*+`.%indeed'~"

/* RFC 4475 3.1.1.2, to somebody who is there. */
static void odd_method(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    ASK(alice, .method = ODD, .uri = "sip:bob@example.test", .rows = "X-Odd: \"BEL:\\\x07\"\n",
        .body = "odd");
    m = peer_expect(bob, ODD);
    CHECK(w, oh_span_eq(m->cseq_method_text, OH_LIT(ODD)));
    CHECK(w, message_has(m, "\r\nX-Odd: \"BEL:\\\x07\"\r\n"));
    CHECK(w, oh_span_eq(m->body, OH_LIT("odd")));
    peer_reply(bob, m, 501, "Allow: INVITE\n");
    CHECK(w, strcmp(value_of(answer(alice, "501"), OH_HEADER_ALLOW), "INVITE") == 0);
    ASK(alice, .method = ODD, .uri = "sip:example.test");
    m = answer(alice, "501");
    CHECK(w, text_has(value_of(m, OH_HEADER_ALLOW), "OPTIONS"));
}

/* Methods are compared by bytes: this is no INVITE, so nothing rings for long. */
static void case_of_methods(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    ASK(alice, .method = "invite", .uri = "sip:example.test");
    answer(alice, "501");
    ASK(alice, .method = "register", .uri = "sip:example.test", .to = "sip:alice@example.test");
    answer(alice, "501");
    CHECK(w, server_bindings(w, "alice@example.test") == 0);
    ASK(alice, .method = "invite", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "invite");
    peer_none(alice, "100", 200);
    peer_reply(bob, m, 501, "");
    answer(alice, "501");
}

/* Branches are compared without regard to case, Call-IDs byte by byte. */
static void case_of_tokens(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .branch = "z9hG4bK-abc",
        .call = "one");
    m = peer_expect(bob, "MESSAGE");
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .branch = "Z9HG4BK-ABC",
        .call = "one");
    peer_expect(alice, "200");
    peer_none(bob, "MESSAGE", 1000);
    registers(bob, "bob", "-x", 7, "<sip:bob@" BOB ">;expires=100", "");
    answer(bob, "200");
    registers(bob, "bob", "-X", 1, "<sip:bob@" BOB ">;expires=200", "");
    CHECK(w, text_has(value_of(answer(bob, "200"), OH_HEADER_CONTACT), ";expires=200"));
}

/* ---- reason phrases ---- */

static void reason_phrases(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m, *r;

    peer_register(bob, 600);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    for (unsigned i = 0; i < 2; i++)
        peer_send(bob,
                  "%s\nVia: %.*s\nVia: %.*s\nFrom: %.*s\nTo: <sip:bob@example.test>;tag=t\n"
                  "Call-ID: %.*s\nCSeq: 1 INVITE\n" END,
                  i ? "SIP/2.0 486 \xd0\xbd\xd0\xb5\xd1\x82 = 2**3" : "SIP/2.0 180 ",
                  OH_PRI(message_value(m, OH_HEADER_VIA, 0)),
                  OH_PRI(message_value(m, OH_HEADER_VIA, 1)),
                  OH_PRI(oh_msg_value(m, OH_HEADER_FROM)), OH_PRI(m->call_id));
    r = peer_expect(alice, "180");
    CHECK(w, oh_span_eq(oh_span_head(r->raw, 14), OH_LIT("SIP/2.0 180 \r\n")));
    r = answer(alice, "486");
    CHECK(w, oh_span_eq(r->reason, OH_LIT("\xd0\xbd\xd0\xb5\xd1\x82 = 2**3")));
}

#define INJECTING                                                                \
    OPEN "function on_request(r)\n"                                              \
         "    return reply{ 403, reason = 'a\\r\\nX-Evil: y' }\n"                \
         "end\n"                                                                 \
         "function on_call(r)\n"                                                 \
         "    return reply{ 480, headers = { ['X-A'] = 'b\\r\\nX-Evil: y' } }\n" \
         "end\n"

/* A policy is careless with what users wrote. */
static void no_injection(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");
    const struct oh_msg *m;

    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = answer(alice, "500");
    CHECK(w, !message_has(m, "X-Evil"));
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = answer(alice, "500");
    CHECK(w, !message_has(m, "X-Evil"));
}

/* What was quoted stays quoted. */
static void display_names(struct world *w)
{
    struct peer *bob = peer_new(w, BOB, "bob");
    const char *value = "\"a\\\"b, <c>\" <sip:bob@" BOB ">;+x=\"1,2\"";
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, value, "");
    m = answer(bob, "200");
    CHECK(w, message_values(m, OH_HEADER_CONTACT) == 1);
    CHECK(w, message_has(m, "<sip:bob@" BOB ">") && message_has(m, "+x=\"1,2\""));
}

/* ---- URIs ---- */

static void request_uris(struct world *w)
{
    static const struct exchange list[] = {
        {"OPTIONS <sip:example.test> SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS sip:example.test; lr SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS  sip:example.test SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS sip:example.test  SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS sip:example.test SIP/2.0 \n", CORE END, "400", NULL},
        {"OPTIONS sip:\x01@example.test SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS sip:a@ SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS sip:example.test:0x5 SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS sip:example.test:65536 SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS sip:%zz@example.test SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS sip:2001:db8::1 SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS sip:[2001:db8::1 SIP/2.0\n", CORE END, "400", NULL},
        {"OPTIONS sip:example.test;transport=udp SIP/2.0\n", CORE END, "200", NULL},
        {"OPTIONS SIP:EXAMPLE.TEST:5060 SIP/2.0\n", CORE END, "200", NULL},
    };

    exchanges(w, list, N(list));
}

/* ---- before the start line ---- */

static void line_ends_before(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *phone = peer_new(w, BOB, "phone");

    peer_send_bytes(alice, OH_LIT("\r\n\r\n"));
    peer_send_bytes(alice, OH_LIT("\0"));
    peer_send_bytes(alice, OH_LIT("x"));
    peer_none(alice, "", 1000);
    peer_send(alice, "\n\n" LINE "Via: SIP/2.0/UDP " ALICE ";branch=z9hG4bK-a\n" CORE END);
    peer_expect(alice, "200");
    peer_connect(phone);
    peer_send(phone, "\n\n" LINE "Via: SIP/2.0/TCP 192.0.2.20;branch=z9hG4bK-a\n" CORE END);
    peer_expect(phone, "200");
    CHECK(w, peer_noise(phone) == 2);
    peer_send(phone, "\n" LINE "Via: SIP/2.0/TCP 192.0.2.20;branch=z9hG4bK-b\n" CORE END);
    peer_expect(phone, "200");
    CHECK(w, peer_noise(phone) == 2 && peer_connected(phone));
}

/* ---- dates and bodies ---- */

static void dates(struct world *w)
{
    struct peer *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;
    time_t wall;
    struct tm tm;
    char text[64];

    registers(bob, "bob", "", 1, NULL, "Date: Fri, 01 Jan 2010 16:00:00 EST\n");
    m = answer(bob, "200");
    wall = (time_t)(world_wall(w) / 1000);
    gmtime_r(&wall, &tm);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    CHECK_SAY(w, strcmp(value_of(m, OH_HEADER_DATE), text) == 0, "%s is not %s",
              value_of(m, OH_HEADER_DATE), text);
}

static void bodies(struct world *w)
{
    static const struct {
        const char *rows, *answer;
    } list[] = {
        {"Content-Type: application/sdp\n", "200"},
        {"Content-Type: text/plain;charset=utf-8\n", "200"},
        {"Content-Type: application/x-foo\n", "415"},
        {"Content-Type: application/x-foo\nContent-Disposition: session\n", "415"},
        {"Content-Type: application/x-foo\nContent-Disposition: render;handling=required\n", "415"},
        {"Content-Type: application/x-foo\nContent-Disposition: render;handling=optional\n", "200"},
        {"Content-Type: application/x-foo\nContent-Disposition: x;HANDLING=Optional\n", "200"},
        {"", "415"},
    };
    struct peer *alice = peer_new(w, ALICE, "alice");

    for (unsigned i = 0; i < N(list); i++) {
        world_note(w, "line %u of the list", i);
        ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .rows = list[i].rows,
            .body = "x");
        answer(alice, list[i].answer);
    }
}

static void encodings(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");
    const struct oh_msg *m;

    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .body = "x",
        .rows = "Content-Type: application/sdp\nContent-Encoding: foo\n");
    m = answer(alice, "415");
    CHECK(w, strcmp(value_of(m, OH_HEADER_ACCEPT_ENCODING), "identity") == 0);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .body = "x",
        .rows = "Content-Type: application/sdp\nContent-Encoding: identity\n");
    answer(alice, "200");
}

static void empty_accept(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");

    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .rows = "Accept:\n");
    CHECK(w, answer(alice, "200")->body.n == 0);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test");
    answer(alice, "200");
}

/* ---- long things ---- */

/* Long, but legal: taken and passed on whole. */
static void long_values(struct world *w)
{
    static char rows[24000], uri[900];
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;
    size_t n = 0;

    peer_connect(bob);
    peer_register(bob, 600);
    for (unsigned i = 0; n < sizeof rows - 400; i++)
        n += (size_t)snprintf(rows + n, sizeof rows - n, "X-Long-%u: %0300u\n", i, i);
    snprintf(uri, sizeof uri, "sip:bob@example.test;p=%0800u", 1);
    peer_connect(alice);
    ASK(alice, .method = "MESSAGE", .uri = uri, .to = "sip:bob@example.test", .rows = rows);
    m = peer_expect(bob, "MESSAGE");
    check_rows(w, m, rows);
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
}

static const struct conformance_case cases[] = {
    CASE("SYN-001", "every line that is sent ends with CRLF", only_crlf),
    CASE("SYN-001", "a request with bare line feeds does no harm", only_lf),
    CASE("SYN-003", "versions of the protocol", versions),
    CASE("SYN-004 SYN-006", "names of headers in any case and spacing", header_names),
    CASE("SYN-006", "every compact name", compact_names),
    CASE("SYN-005 UAS-011", "Vias over rows and commas come back in order", vias_in_any_rows),
    CASE("SYN-005", "two challenges are two rows", challenges_in_rows, .lua = TWO_ALGORITHMS),
    CASE("SYN-008", "headers that may be there only once", once_only),
    CASE("SYN-009", "headers that must be there", must_be_there),
    CASE("SYN-010 SYN-011", "CSeq with the wrong method or number", cseqs),
    CASE("SYN-032", "a parameter occurs once", params_once),
    CASE("SYN-012", "numbers that are too large are not taken for small ones", numbers_too_large),
    CASE("SYN-013", "broken responses change nothing", broken_responses),
    CASE("SYN-026", "Content-Length that cannot be believed in datagrams",
         bad_lengths_in_datagrams),
    CASE("SYN-026 TRN-015", "Content-Length that cannot be believed on streams",
         bad_lengths_on_streams),
    CASE("SYN-020 TRN-014", "what stands behind the body is dropped", surplus_is_dropped),
    CASE("SYN-007 SYN-037", "unknown and malformed headers are passed on", unknown_headers),
    CASE("SYN-022 UAS-003", "any token is a method", odd_method),
    CASE("SYN-031", "methods are compared by bytes", case_of_methods),
    CASE("SYN-031 TXN-002", "branches in any case, Call-IDs by bytes", case_of_tokens),
    CASE("SYN-023", "reason phrases in UTF-8 and none at all", reason_phrases),
    CASE("SYN-039", "line ends cannot be smuggled in by a policy", no_injection, .lua = INJECTING),
    CASE("SYN-039", "quoted texts stay quoted", display_names),
    CASE("SYN-002 SYN-016 SYN-035", "start lines and Request-URIs", request_uris),
    CASE("SYN-036", "line ends before the start line", line_ends_before),
    CASE("SYN-037", "the Date that is sent", dates),
    CASE("SYN-030 UAS-007", "bodies for the server, required or not", bodies),
    CASE("SYN-040 UAS-007", "encodings of bodies for the server", encodings),
    CASE("SYN-041", "an empty Accept", empty_accept),
    CASE("SYN-019", "long values pass whole", long_values),
};

CONFORMANCE_CHAPTER(syntax, cases);
