/*
 * The server as a UAS (requirements 6): requests that it answers itself, in
 * which order they are looked at, and what the answer must carry. Rows about
 * the phone's decisions belong to the phone.
 */
#include <stdio.h>

#include "harness.h"
#include "sim/parts.h"

#define ALICE "192.0.2.10:5060"
#define BOB   "192.0.2.20:5060"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const char *filler(size_t n)
{
    static char text[65536];

    memset(text, 'x', sizeof text);
    text[n < sizeof text ? n : sizeof text - 1] = 0;
    return text;
}

/* ---- the order of checks (RFC 3261 8.2) ---- */

#define ALL_WRONG "Require: foo\nContent-Type: application/x-foo\n"

static void order(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");
    const struct oh_msg *m;

    accounts(w);
    /* Everything is wrong with it; what comes first is told. */
    peer_send(alice, "BREW sip:example.test SIP/7.0\nVia: SIP/2.0/UDP " ALICE
                     ";branch=z9hG4bK-1\nFrom: <sip:alice@example.test>;tag=f\n"
                     "To: <sip:example.test>\nCall-ID: 1\nCSeq: 1 BREW\n" ALL_WRONG
                     "Content-Length: 0\n\n");
    peer_expect(alice, "505");
    ASK(alice, .method = "BREW", .uri = "sip:example.test", .rows = ALL_WRONG, .body = "x",
        .max_forwards = "x");
    answer(alice, "400");
    ASK(alice, .method = "BREW", .uri = "sip:example.test", .rows = ALL_WRONG, .body = "x");
    answer(alice, "401");
    ASK_AS(alice, "alice", .method = "BREW", .uri = "sip:example.test", .rows = ALL_WRONG,
           .body = "x", .call = "a");
    answer(alice, "501");
    ASK_AS(alice, "alice", .method = "PUBLISH", .uri = "sip:example.test", .rows = ALL_WRONG,
           .body = "x", .call = "b");
    answer(alice, "405");
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .rows = ALL_WRONG, .body = "x");
    m = answer(alice, "420");
    CHECK(w, message_rows(m, OH_HEADER_ACCEPT) == 0);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .body = "x",
        .rows = "Content-Type: application/x-foo\n");
    answer(alice, "415");
    /* The registrar looks at Require before it asks who it is (10.3 step 2), and at the address
     * afterwards. */
    registers(alice, "bob", "", 1, "<broken", "");
    answer(alice, "401");
    registers(alice, "bob", "", 2, "<broken", "Require: foo\n");
    answer(alice, "420");
}

/* A proxy's order (16.3): hops before extensions before the sender, and the user last of all. */
static void order_of_a_proxy(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");

    accounts(w);
    ASK(alice, .method = "INVITE", .uri = "foo:bar", .rows = "Proxy-Require: foo\n",
        .max_forwards = "0");
    answer(alice, "416");
    ASK(alice, .method = "INVITE", .uri = "sip:nobody@example.test",
        .rows = "Proxy-Require: foo\nRequire: foo\n", .max_forwards = "0");
    answer(alice, "483");
    ASK(alice, .method = "INVITE", .uri = "sip:nobody@example.test",
        .rows = "Proxy-Require: foo\nRequire: foo\n");
    answer(alice, "420");
    ASK(alice, .method = "INVITE", .uri = "sip:nobody@example.test", .rows = "Require: foo\n");
    answer(alice, "407");
    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:nobody@example.test",
           .rows = "Require: foo\n", .call = "a");
    answer(alice, "404");
}

/* ---- methods, schemes, extensions ---- */

static void methods_without_service(struct world *w)
{
    static const char *const methods[] = {"PUBLISH", "SUBSCRIBE", "REFER"};
    struct peer *alice = peer_new(w, ALICE, "alice");

    for (unsigned i = 0; i < N(methods); i++) {
        const char *allow;

        ASK(alice, .method = methods[i], .uri = "sip:example.test", .rows = "Event: presence\n");
        allow = value_of(answer(alice, "405"), OH_HEADER_ALLOW);
        CHECK_SAY(w, *allow && !text_has(allow, methods[i]), "%s: Allow: %s", methods[i], allow);
    }
    /* The list is honest: what is in it is served. */
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test");
    CHECK(w, message_values(answer(alice, "200"), OH_HEADER_ALLOW) == 2);
    registers(alice, "alice", "", 1, NULL, "");
    answer(alice, "200");
}

static void schemes(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    ASK(alice, .method = "OPTIONS", .uri = "nobodyknows:x", .to = "sip:bob@example.test");
    answer(alice, "416");
    ASK(alice, .method = "INVITE", .uri = "mailto:bob@example.test", .to = "sip:bob@example.test");
    answer(alice, "416");
    /* What stands in To is not looked at to find the way. */
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .to = "tel:+1");
    answer(alice, "200");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .to = "isbn:2983792873");
    m = peer_expect(bob, "MESSAGE");
    CHECK(w, oh_span_eq(m->to.uri, OH_LIT("isbn:2983792873")));
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
    ASK(alice, .method = "INVITE", .uri = "sip:example.test");
    answer(alice, "404");
    ASK(alice, .method = "REGISTER", .uri = "sip:example.test", .to = "isbn:2983792873");
    answer(alice, "400");
}

static void required_extensions(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test",
        .rows = "Require: path, foo\nRequire: bar\n");
    m = answer(alice, "420");
    CHECK(w, strcmp(value_of(m, OH_HEADER_UNSUPPORTED), "foo, bar") == 0);
    registers(alice, "alice", "", 1, NULL, "Require: foo, PATH ,bar\n");
    m = answer(alice, "420");
    CHECK(w, strcmp(value_of(m, OH_HEADER_UNSUPPORTED), "foo, bar") == 0);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .rows = "Require: path\n");
    answer(alice, "200");
    /* For proxies, and this is none here. */
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .rows = "Proxy-Require: foo\n");
    answer(alice, "200");
    /* For the UAS, and that is bob. */
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test", .rows = "Require: 100rel, foo\n");
    m = peer_expect(bob, "INVITE");
    CHECK(w, message_has(m, "\r\nRequire: 100rel, foo\r\n"));
    peer_expect(alice, "100");
    peer_reply(bob, m, 180, "");
    peer_expect(alice, "180");
    peer_cancel(alice, "Require: foo\nProxy-Require: foo\n");
    peer_expect(alice, "200 CANCEL");
    peer_expect(bob, "CANCEL");
    peer_reply(bob, m, 487, "");
    m = peer_expect(alice, "487");
    peer_send(alice,
              "ACK sip:bob@example.test SIP/2.0\nVia: %.*s\nFrom: %.*s\nTo: %.*s\nCall-ID: %.*s\n"
              "CSeq: 1 ACK\nMax-Forwards: 70\nRequire: foo\nProxy-Require: foo\n"
              "Content-Length: 0\n\n",
              OH_PRI(m->via.text), OH_PRI(oh_msg_value(m, OH_HEADER_FROM)),
              OH_PRI(oh_msg_value(m, OH_HEADER_TO)), OH_PRI(m->call_id));
    peer_none(alice, "", 5000);
}

static void languages(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");
    const struct oh_msg *m;

    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .body = "x",
        .rows = "Content-Type: text/plain\nContent-Language: xx\n");
    m = answer(alice, "415");
    CHECK(w, strcmp(value_of(m, OH_HEADER_ACCEPT_LANGUAGE), "en") == 0);
    CHECK(w, message_rows(m, OH_HEADER_ACCEPT) == 0);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .body = "x",
        .rows = "Content-Type: application/x-foo\nContent-Encoding: gzip\nContent-Language: xx\n");
    m = answer(alice, "415");
    CHECK(w, text_has(value_of(m, OH_HEADER_ACCEPT), "application/sdp"));
    CHECK(w, *value_of(m, OH_HEADER_ACCEPT_ENCODING) && *value_of(m, OH_HEADER_ACCEPT_LANGUAGE));
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .body = "x",
        .rows = "Content-Type: text/plain\nContent-Language: en-GB\n");
    answer(alice, "200");
}

/* What the sender did not offer is not used. */
static void no_extensions_of_ours(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_register(bob, 600);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test");
    CHECK(w, message_rows(answer(alice, "200"), OH_HEADER_REQUIRE) == 0);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = answer(alice, "100");
    CHECK(w, message_rows(m, OH_HEADER_REQUIRE) == 0 && !*row_of(m, "RSeq"));
    m = peer_expect(bob, "INVITE");
    CHECK(w, message_rows(m, OH_HEADER_REQUIRE) == 0 && message_rows(m, OH_HEADER_SUPPORTED) == 0);
    peer_reply(bob, m, 486, "");
    CHECK(w, message_rows(answer(alice, "486"), OH_HEADER_REQUIRE) == 0);
}

/* ---- what answers carry ---- */

static void one_tag(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");
    const struct oh_msg *m, *again;

    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test",
        .to = "\"S\" <sip:example.test>;x=y");
    m = answer(alice, "200");
    CHECK(w, text_has(value_of(m, OH_HEADER_TO), "\"S\" <sip:example.test>;x=y;tag="));
    world_run(w, 1000);
    peer_again(alice);
    again = answer(alice, "200");
    CHECK(w, oh_span_eq(m->to_tag, again->to_tag));
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test");
    CHECK(w, !oh_span_eq(answer(alice, "200")->to_tag, m->to_tag));
    /* RFC 3261 8.2.6.2: a tag that is there stays. */
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .to_tag = "old");
    CHECK(w, oh_span_eq(answer(alice, "481")->to_tag, OH_LIT("old")));
}

static void timestamps(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;
    const char *value;

    peer_register(bob, 600);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test", .rows = "Timestamp: 54\n");
    value = value_of(answer(alice, "100"), OH_HEADER_TIMESTAMP);
    CHECK_SAY(w, strncmp(value, "54", 2) == 0 && (value[2] == 0 || value[2] == ' '),
              "Timestamp: %s", value);
    m = peer_expect(bob, "INVITE");
    CHECK(w, strcmp(value_of(m, OH_HEADER_TIMESTAMP), "54") == 0);
    peer_reply(bob, m, 486, "");
    answer(alice, "486");
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .rows = "Timestamp: 54\n");
    CHECK(w, message_rows(answer(alice, "200"), OH_HEADER_TIMESTAMP) == 0);
}

#define NAMED    OPEN "server_name = 'Example/1.0 (test)'\n"
#define NAMELESS OPEN "server_name = ''\n"

static void server_name(struct world *w)
{
    const char *name = server_settings(w)->server_name;
    struct peer *alice = peer_new(w, ALICE, "alice");

    for (unsigned i = 0; i < 3; i++) {
        static const char *const uris[] = {"sip:example.test", "sip:bob@example.test", "foo:x"};
        const struct oh_msg *m;

        ASK(alice, .method = "OPTIONS", .uri = uris[i]);
        m = answer(alice, "");
        CHECK(w, message_rows(m, OH_HEADER_SERVER) == (*name ? 1u : 0u));
        CHECK(w, strcmp(value_of(m, OH_HEADER_SERVER), name) == 0);
    }
}

/* ---- limits and failures ---- */

/* Before anything else, and so before the question who asks. */
static void limits(struct world *w)
{
    static char rows[70000];
    struct peer *alice = peer_new(w, ALICE, "alice"), *stream = peer_new(w, BOB, "stream");
    char uri[2000];
    size_t n = 0;

    accounts(w);
    snprintf(uri, sizeof uri, "sip:bob@example.test;p=%0*u", 1024 - 23, 1);
    CHECK(w, strlen(uri) == 1024);
    ASK(alice, .method = "INVITE", .uri = uri, .to = "sip:bob@example.test");
    answer(alice, "407");
    snprintf(uri, sizeof uri, "sip:bob@example.test;p=%0*u", 1025 - 23, 1);
    ASK(alice, .method = "INVITE", .uri = uri, .to = "sip:bob@example.test");
    peer_expect(alice, "414");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .body = filler(16384));
    answer(alice, "407");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .body = filler(16385));
    CHECK(w, message_rows(peer_expect(alice, "413"), OH_HEADER_RETRY_AFTER) == 0);
    while (n < 66000)
        n += (size_t)snprintf(rows + n, sizeof rows - n, "X-%zu: %0500u\n", n, 1);
    peer_connect(stream);
    ASK(stream, .method = "MESSAGE", .uri = "sip:bob@example.test", .rows = rows);
    peer_expect(stream, "513");
}

static void nothing_is_left(struct world *w)
{
    struct peer *bob = peer_new(w, BOB, "bob");

    registers(bob, "bob", "", 1, "<sip:bob@" BOB ">;expires=600", "");
    answer(bob, "200");
    registers(bob, "bob", "", 2,
              "<sip:bob@192.0.2.31>, <sip:bob@" BOB ">;expires=900, <sip:bob@192.0.2.32", "");
    answer(bob, "400");
    registers(bob, "bob", "", 3, "<sip:bob@192.0.2.31>, <sip:bob@192.0.2.32>;q=7", "");
    answer(bob, "400");
    registers(bob, "bob", "", 4, "<sip:bob@192.0.2.31>, <nonsense>", "");
    answer(bob, "400");
    CHECK(w, message_values(fetch(bob, "bob"), OH_HEADER_CONTACT) == 1);
    CHECK(w, server_bindings(w, "bob@example.test") == 1);
    CHECK(w, server_has_binding(w, "bob@example.test", OH_LIT("sip:bob@" BOB)));
}

#define FAILING                                             \
    OPEN "function on_request(r) error('broken') end\n"     \
         "function on_call(r) local x = nil; x.y = 1 end\n" \
         "function on_register(r) while true do end end\n"

static void internal_failures(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");

    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    answer(alice, "500");
    CHECK(w, told(w, "broken"));
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    answer(alice, "500");
    registers(alice, "alice", "", 1, NULL, "");
    answer(alice, "500");
    CHECK(w, server_bindings(w, "alice@example.test") == 0);
}

/* One allocation after the other fails: each request still gets an end, and later ones work. */
static void short_memory(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");

    peer_register(bob, 3600);
    for (unsigned n = 1; n < 12; n++) {
        char call[32];

        snprintf(call, sizeof call, "short-%u", n);
        server_fail_allocation(w, n);
        ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .call = call);
        /* What was lost for lack of memory is asked for again, as every client does. */
        for (unsigned i = 0; i < 4; i++) {
            world_run(w, 500);
            if (peer_last(bob, "MESSAGE"))
                peer_reply(bob, peer_last(bob, "MESSAGE"), 200, "");
            world_settle(w);
            if (peer_last(alice, "2xx") || peer_last(alice, "5xx"))
                break;
            peer_again(alice);
        }
        CHECK_SAY(w, peer_last(alice, "2xx") || peer_last(alice, "5xx"),
                  "no answer when allocation %u fails", n);
        peer_forget(alice);
        peer_forget(bob);
    }
    server_fail_allocation(w, 0);
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    peer_reply(bob, peer_expect(bob, "MESSAGE"), 200, "");
    answer(alice, "200");
}

#define MAINTENANCE OPEN "maintenance = { on = true, retry_after = '45 s' }\n"

static void maintenance(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    struct peer_dialog dialog;
    const struct oh_msg *m;

    peer_register(bob, 600);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    peer_reply(bob, peer_expect(bob, "INVITE"), 200, "");
    m = peer_expect(alice, "200");
    reload(w, MAINTENANCE);
    ASK(bob, .method = "OPTIONS", .uri = "sip:alice@example.test");
    CHECK(w, strcmp(value_of(answer(bob, "503"), OH_HEADER_RETRY_AFTER), "45") == 0);
    peer_ack(alice, m);
    peer_expect(bob, "ACK");
    peer_dialog_caller(alice, m, &dialog);
    peer_dialog_request(alice, &dialog, "BYE", "");
    peer_reply(bob, peer_expect(bob, "BYE"), 200, "");
    answer(alice, "200 BYE");
}

/* ---- without state ---- */

/* RFC 3261 8.2.7: no 100, nothing again, and what follows has no effect. */
static void stateless(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice");
    struct oh__serve_stats stats;
    const struct oh_msg *m;

    accounts(w);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(alice, "407");
    peer_none(alice, "", 40000);
    CHECK(w, peer_count(alice, "100") == 0 && peer_count(alice, "407") == 1);
    peer_ack(alice, m);
    peer_none(alice, "", 1000);
    peer_cancel(alice, "");
    CHECK(w, oh_span_eq(peer_expect(alice, "481 CANCEL")->to_tag, m->to_tag));
    peer_again(alice);
    CHECK(w, oh_span_eq(peer_expect(alice, "407")->to_tag, m->to_tag));
    server_stats(w, &stats);
    CHECK(w, stats.endpoint.in_flight == 0 && stats.endpoint.completed == 0);
}

static void last_hop(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");

    peer_register(bob, 600);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .max_forwards = "0");
    answer(alice, "200");
    ASK(alice, .method = "REGISTER", .uri = "sip:example.test", .to = "sip:alice@example.test",
        .max_forwards = "0");
    answer(alice, "200");
    ASK(alice, .method = "OPTIONS", .uri = "sip:bob@example.test", .max_forwards = "0");
    answer(alice, "483");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test", .max_forwards = "0");
    answer(alice, "483");
    peer_none(bob, "INVITE", 0);
    ASK(alice, .method = "OPTIONS", .uri = "sip:bob@example.test", .max_forwards = "1");
    CHECK(w, peer_expect(bob, "OPTIONS")->max_forwards == 0);
}

static const struct conformance_case cases[] = {
    CASE("UAS-001", "the server looks at one thing after the other", order, .lua = CLOSED),
    CASE("UAS-001", "and so does the proxy", order_of_a_proxy, .lua = CLOSED),
    CASE("UAS-002", "methods that the server does not serve are 405 with Allow",
         methods_without_service),
    CASE("UAS-004", "schemes and users that are not ours", schemes),
    CASE("UAS-006", "extensions that are demanded", required_extensions),
    CASE("UAS-007", "languages of bodies for the server", languages),
    CASE("UAS-009", "no extension that was not offered", no_extensions_of_ours),
    CASE("UAS-011", "one tag for one request", one_tag),
    CASE("UAS-012", "Timestamp is copied into 100 alone", timestamps),
    CASE("UAS-023", "the Server header as configured", server_name, .lua = NAMED),
    CASE("UAS-023", "no Server header when its value is empty", server_name, .lua = NAMELESS),
    CASE("UAS-013", "limits are looked at first", limits, .lua = CLOSED),
    CASE("UAS-014", "what is refused changes nothing", nothing_is_left),
    CASE("UAS-019", "a policy that fails", internal_failures, .lua = FAILING),
    CASE("UAS-019", "memory that is short", short_memory),
    CASE("UAS-020", "maintenance leaves calls alone", maintenance),
    CASE("UAS-021 TXN-022 CAN-008", "answers without state", stateless, .lua = CLOSED),
    CASE("UAS-022", "the last hop answers", last_hop),
};

CONFORMANCE_CHAPTER(uas, cases);
