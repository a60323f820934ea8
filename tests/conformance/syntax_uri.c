/*
 * URIs on the wire (requirements 1): what is the same address, what a Contact
 * means when it becomes a Request-URI, and IPv6.
 */
#include <stdio.h>

#include "harness.h"

#define ALICE "192.0.2.10:5060"
#define BOB   "192.0.2.20:5060"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Escapes are undone once, and never where they hide something. */
static void escapes(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    accounts(w);
    peer_register(bob, 600);
    ASK(alice, .method = "MESSAGE", .uri = "sip:%62%6fb@example.test");
    m = peer_expect(bob, "MESSAGE");
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
    ASK(alice, .method = "MESSAGE", .uri = "sip:%2562ob@example.test");
    answer(alice, "404");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob%00@example.test");
    answer(alice, "404");
    ASK(alice, .method = "MESSAGE", .uri = "sip:BOB@example.test");
    answer(alice, "404");
    peer_none(bob, "MESSAGE", 1000);
}

/* RFC 3261 19.1.4, by what the registrar takes for the same binding. */
static void equal_uris(struct world *w)
{
    static const struct {
        const char *a, *b;
        bool same;
    } list[] = {
        {"sip:a@h.test", "SIP:a@H.TEST", true},
        {"sip:%61@h.test", "sip:a@h.test", true},
        {"sip:a@h.test;x=1;y=2", "sip:a@h.test;y=2;x=1", true},
        {"sip:a@h.test;x=1", "sip:a@h.test", true},
        {"sip:a@h.test;transport=UDP", "sip:a@h.test;transport=udp", true},
        {"sip:a@h.test?x=1&y=2", "sip:a@h.test?y=2&x=1", true},
        {"sip:a@h.test", "sip:A@h.test", false},
        {"sip:a@h.test", "sip:a@h.test:5060", false},
        {"sip:a@h.test", "sip:a@h.test;transport=udp", false},
        {"sip:a@h.test", "sip:a@h.test;maddr=192.0.2.9", false},
        {"sip:a@h.test", "sip:a@h.test;ttl=1", false},
        {"sip:a@h.test", "sip:a@h.test;user=phone", false},
        {"sip:a@h.test", "sip:a@h.test;method=BYE", false},
        {"sip:a@h.test;x=1", "sip:a@h.test;x=2", false},
        {"sip:a@h.test", "sip:a@h.test?x=1", false},
        {"sip:a:p@h.test", "sip:a@h.test", false},
        {"sip:a@h.test", "sip:h.test", false},
        {"sip:a@192.0.2.7", "sip:a@h.test", false},
    };
    struct peer *bob = peer_new(w, BOB, "bob");

    for (unsigned i = 0; i < N(list); i++) {
        char call[16], contact[128];

        snprintf(call, sizeof call, "-%u", i);
        snprintf(contact, sizeof contact, "<%s>", list[i].a);
        registers(bob, "bob", call, 1, contact, "");
        answer(bob, "200");
        snprintf(contact, sizeof contact, "<%s>", list[i].b);
        registers(bob, "bob", call, 2, contact, "");
        CHECK_SAY(w,
                  message_values(answer(bob, "200"), OH_HEADER_CONTACT) == (list[i].same ? 1u : 2u),
                  "%s and %s", list[i].a, list[i].b);
        registers(bob, "bob", call, 3, "*", "Expires: 0\n");
        CHECK(w, message_values(answer(bob, "200"), OH_HEADER_CONTACT) == 0);
    }
}

/* A Contact becomes the Request-URI: what it says of itself stays, what it says of a request does
 * not become one. */
static void contact_becomes_request_uri(struct world *w)
{
    struct peer *alice = peer_new(w, ALICE, "alice"), *bob = peer_new(w, BOB, "bob");
    const char *uri = "sip:bob@" BOB
                      ";x-line=3;ob;method=BYE?Subject=hi&Via=evil&Route=%3Csip:x%3E";
    const struct oh_msg *m;
    char contact[160];

    snprintf(contact, sizeof contact, "<%s>", uri);
    registers(bob, "bob", "", 1, contact, "");
    CHECK(w, message_has(answer(bob, "200"), contact));
    CHECK(w, message_has(fetch(bob, "bob"), contact));
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "MESSAGE");
    CHECK_SAY(w, oh_span_eq(m->uri, OH_LIT("sip:bob@" BOB ";x-line=3;ob")),
              "the Request-URI is %.*s", OH_PRI(m->uri));
    CHECK(w, message_rows(m, OH_HEADER_SUBJECT) == 0 && message_rows(m, OH_HEADER_ROUTE) == 0);
    CHECK(w, message_values(m, OH_HEADER_VIA) == 2 && !message_has(m, "evil"));
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
    registers(bob, "bob", "", 2, "*", "Expires: 0\n");
    answer(bob, "200");
    registers(bob, "bob", "", 3, "<sip:bob@" BOB ";method=BYE;ob>", "");
    answer(bob, "200");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "MESSAGE");
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:bob@" BOB ";ob")));
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
}

/* Without brackets they are parameters of the header. */
static void contacts_without_brackets(struct world *w)
{
    struct peer *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, "sip:bob@" BOB ";unknownparam;expires=300", "");
    m = answer(bob, "200");
    CHECK(w, message_has(m, "<sip:bob@" BOB ">;") && message_has(m, ";expires=300"));
    registers(bob, "bob", "", 2, "sip:bob@192.0.2.21?Route=x", "");
    answer(bob, "400");
    registers(bob, "bob", "", 3, "sip:b,c@192.0.2.21", "");
    answer(bob, "400");
}

static void q_values(struct world *w)
{
    static const struct {
        const char *q, *answer;
    } list[] = {{"1.5", "400"},   {"0.1234", "400"}, {"-1", "400"},    {"x", "400"},
                {"1.001", "400"}, {"", "400"},       {"1.000", "200"}, {"0", "200"},
                {"0.333", "200"}, {"1.", "200"},     {"0.", "200"}};
    struct peer *bob = peer_new(w, BOB, "bob");

    for (unsigned i = 0; i < N(list); i++) {
        char contact[64];

        snprintf(contact, sizeof contact, "<sip:bob@" BOB ">;q=%s", list[i].q);
        registers(bob, "bob", "", i + 1, contact, "");
        answer(bob, list[i].answer);
    }
}

/* ---- addresses ---- */

#define DUAL                                                            \
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060',\n"          \
    "           'udp:[2001:db8::1]:5060', 'tcp:[2001:db8::1]:5060' }\n" \
    "domains = { 'example.test' }\n"                                    \
    "no_auth = true\n"

static void ipv6(struct world *w)
{
    struct peer *bob = peer_new(w, "[2001:db8::20]:5060", "bob");
    struct peer *alice = peer_new(w, "[2001:db8::10]:5060", "alice");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, "<sip:bob@[2001:db8::20]:5060>", "");
    answer(bob, "200");
    registers(bob, "bob", "", 2, "<sip:bob@[2001:DB8:0:0::0020]:5060>", "");
    CHECK(w, message_values(answer(bob, "200"), OH_HEADER_CONTACT) == 1);
    /* The server's own address in another spelling is still the server. */
    ASK(alice, .method = "OPTIONS", .uri = "sip:[2001:DB8::0:1]", .to = "sip:[2001:db8::1]",
        .via = "SIP/2.0/UDP [2001:DB8:0::10];branch=z9hG4bK-same-host");
    m = answer(alice, "200");
    CHECK(w, !text_has(value_of(m, OH_HEADER_VIA), "received"));
    ASK(alice, .method = "OPTIONS", .uri = "sip:[2001:db8::1]", .to = "sip:[2001:db8::1]",
        .via = "SIP/2.0/UDP [2001:db8::99];branch=z9hG4bK-other-host");
    m = answer(alice, "200");
    CHECK(w, text_has(value_of(m, OH_HEADER_VIA), ";received=2001:db8::10"));
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@[2001:db8::1]");
    m = peer_expect(bob, "MESSAGE");
    CHECK(w, text_has(value_of(m, OH_HEADER_VIA), "UDP [2001:db8::1]:5060;"));
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
}

static const struct conformance_case cases[] = {
    CASE("SYN-018", "escapes are undone once", escapes),
    CASE("SYN-027", "which URIs are the same", equal_uris),
    CASE("SYN-017 SYN-028 SYN-029", "a Contact becomes the Request-URI",
         contact_becomes_request_uri),
    CASE("SYN-015", "contacts without brackets", contacts_without_brackets),
    CASE("SYN-038", "q from 0 to 1 with three digits", q_values),
    CASE("SYN-035", "IPv6 addresses are compared by value", ipv6, .lua = DUAL),
};

CONFORMANCE_CHAPTER(uri, cases);
