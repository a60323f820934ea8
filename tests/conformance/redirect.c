/*
 * The redirect server (RFC 3261 8.3): domains in mode redirect answer with the
 * bindings of their users; policies redirect whom they like.
 */
#include "harness.h"

#define CALLER "192.0.2.10:5060"
#define PHONE  "192.0.2.20:5060"

#define REDIRECT                                                \
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060' }\n" \
    "domains = { { 'example.test', mode = 'redirect' } }\n"

#define OPEN_REDIRECT REDIRECT "no_auth = true\n"

/* The profiles of requirements 0.1, as an administrator writes them. */
#define PROFILES                                                                               \
    OPEN "local function moved(r)\n"                                                           \
         "  if r.user == 'moved' then\n"                                                       \
         "    return reply{ 301, contacts = { 'sip:moved@new.example.net' } }\n"               \
         "  elseif r.user == 'away' then\n"                                                    \
         "    return reply{ 302, contacts = { { uri = 'sip:away@hotel.example.net',\n"         \
         "                                      expires = 600 } } }\n"                         \
         "  elseif r.user == 'multi' then\n"                                                   \
         "    return reply{ 300, contacts = { { uri = 'sip:m1@example.net', q = 0.7 },\n"      \
         "                                    { uri = 'mailto:m2@example.net', q = 0.2 } },\n" \
         "                  body = 'Choose one', type = 'text/plain' }\n"                      \
         "  end\n"                                                                             \
         "end\n"                                                                               \
         "function on_call(r) return moved(r) end\n"                                           \
         "function on_request(r) return moved(r) end\n"

static struct peer *caller(struct world *w)
{
    return peer_new(w, CALLER, "alice");
}

static const char *contact(const struct oh_msg *m, unsigned i)
{
    return text_of(message_value(m, OH_HEADER_CONTACT, i));
}

static void one_final(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *first, *second;

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    first = peer_expect(alice, "302");
    check_reply(alice, first);
    CHECK(w, text_has(contact(first, 0), "<sip:bob@192.0.2.20:5060>"));
    CHECK(w, message_values(first, OH_HEADER_CONTACT) == 1);
    CHECK(w, message_rows(first, OH_HEADER_RECORD_ROUTE) == 0);
    peer_again(alice);
    second = peer_expect(alice, "302");
    CHECK(w, oh_span_eq(first->raw, second->raw));
    peer_ack(alice, first);
    peer_forget(alice);
    peer_none(alice, "", 64000);
    peer_none(bob, "INVITE", 0);
    peer_none(bob, "ACK", 0);
}

/* The transaction is a real one: without an ACK the answer comes again, from 0.5 s on. */
static void repeats_until_ack(struct world *w)
{
    struct peer *alice = caller(w);

    phone(w, PHONE, "bob");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    const struct oh_msg *m = peer_expect(alice, "302");

    world_run(w, 1600);
    CHECK(w, peer_count(alice, "302") == 3);
    peer_ack(alice, m);
    world_run(w, 60000);
    CHECK(w, peer_count(alice, "302") == 3);
}

static void several(struct world *w)
{
    struct peer *alice = caller(w), *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1,
              "<sip:bob@192.0.2.31>;q=0.2, <sip:bob@192.0.2.32>;q=0.9, <sip:bob@192.0.2.33>;q=0.5",
              "");
    answer(bob, "200");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = answer(alice, "300");
    CHECK(w, message_values(m, OH_HEADER_CONTACT) == 3);
    CHECK(w, text_has(contact(m, 0), "<sip:bob@192.0.2.32>;q=0.9"));
    CHECK(w, text_has(contact(m, 1), "<sip:bob@192.0.2.33>;q=0.5"));
    CHECK(w, text_has(contact(m, 2), "<sip:bob@192.0.2.31>;q=0.2"));
}

static void profile_with_choice(struct world *w)
{
    struct peer *alice = caller(w);
    const struct oh_msg *m;

    ASK(alice, .method = "INVITE", .uri = "sip:multi@example.test");
    m = answer(alice, "300");
    CHECK(w, text_has(contact(m, 0), "<sip:m1@example.net>;q=0.7"));
    CHECK(w, text_has(contact(m, 1), "<mailto:m2@example.net>;q=0.2"));
    CHECK(w, oh_span_eq(m->body, OH_LIT("Choose one")));
    CHECK(w, text_has(value_of(m, OH_HEADER_CONTENT_TYPE), "text/plain"));
}

static void permanent_and_temporary(struct world *w)
{
    struct peer *alice = caller(w);

    ASK(alice, .method = "INVITE", .uri = "sip:moved@example.test");
    CHECK(w, text_has(contact(answer(alice, "301"), 0), "<sip:moved@new.example.net>"));
    ASK(alice, .method = "INVITE", .uri = "sip:away@example.test");
    CHECK(w,
          text_has(contact(answer(alice, "302"), 0), "<sip:away@hotel.example.net>;expires=600"));
}

#define PROXY_FIRST \
    OPEN "function on_call(r) return reply{ 305, contacts = { 'sip:p.test' } } end\n"

/* Whatever an administrator writes, no 305 leaves a redirect server. */
static void no_305(struct world *w)
{
    struct peer *alice = caller(w);

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    answer(alice, "500");
    CHECK(w, told(w, "305"));
    peer_none(alice, "305", 40000);
}

static void not_to_itself(struct world *w)
{
    struct peer *alice = caller(w), *bob = peer_new(w, PHONE, "bob");

    registers(bob, "+8610555", "", 1, "<tel:+8610555>", "");
    answer(bob, "200");
    ASK(alice, .method = "INVITE", .uri = "tel:+8610555");
    answer(alice, "404");
    registers(bob, "+8610555", "", 2, "<sip:bob@192.0.2.31>", "");
    answer(bob, "200");
    ASK(alice, .method = "INVITE", .uri = "tel:+8610555");
    const struct oh_msg *m = answer(alice, "302");

    CHECK(w, message_values(m, OH_HEADER_CONTACT) == 1);
    CHECK(w, text_has(contact(m, 0), "sip:bob@192.0.2.31"));
}

static void unknown_things(struct world *w)
{
    struct peer *alice = caller(w);

    ASK(alice, .method = "BREW", .uri = "sip:moved@example.test",
        .rows = "Require: foo\nX-Unknown: yes\n");
    answer(alice, "301");
    ASK(alice, .method = "INVITE", .uri = "sip:moved@example.test",
        .rows = "Require: foo\nContent-Type: application/x-unknown\n", .body = "???");
    answer(alice, "301");
}

static void unknown_things_for_bindings(struct world *w)
{
    struct peer *alice = caller(w);

    phone(w, PHONE, "bob");
    ASK(alice, .method = "BREW", .uri = "sip:bob@example.test", .rows = "Require: foo\n");
    answer(alice, "302");
}

static void cancelled(struct world *w)
{
    struct peer *alice = caller(w);

    phone(w, PHONE, "bob");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    const struct oh_msg *m = peer_expect(alice, "302");

    peer_cancel(alice, "");
    peer_expect(alice, "200 CANCEL");
    peer_ack(alice, m);
    peer_none(alice, "487", 40000);
}

static void nobody_there(struct world *w)
{
    struct peer *alice = caller(w);
    static const struct {
        const char *uri, *code;
    } list[] = {{"sip:nobody@example.test", "404"},
                {"sip:noreg@example.test", "480"},
                {"sip:gone@example.test", "410"}};

    accounts(w);
    for (unsigned i = 0; i < 3; i++) {
        ASK(alice, .method = "INVITE", .uri = list[i].uri);
        CHECK(w, message_rows(answer(alice, list[i].code), OH_HEADER_CONTACT) == 0);
    }
}

static void may_ask_who(struct world *w)
{
    struct peer *alice = caller(w);

    accounts(w);
    phone(w, PHONE, "bob");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    const struct oh_msg *m = peer_expect(alice, "4xx");

    CHECK(w, m->status == 401 || m->status == 407);
    CHECK(w, message_rows(m, OH_HEADER_CONTACT) == 0);
    peer_ack(alice, m);
    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:bob@example.test", .call = "again");
    answer(alice, "302");
}

static void other_methods(struct world *w)
{
    static const char *const methods[] = {"MESSAGE", "SUBSCRIBE", "OPTIONS", "REFER"};
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");

    for (unsigned i = 0; i < 4; i++) {
        ASK(alice, .method = methods[i], .uri = "sip:bob@example.test",
            .rows = "Event: presence\nRefer-To: <sip:x@example.net>\n");
        CHECK(w, text_has(contact(answer(alice, "302"), 0), "<sip:bob@192.0.2.20:5060>"));
    }
    peer_none(bob, "MESSAGE", 0);
    peer_none(bob, "OPTIONS", 0);
}

static void inside_a_dialog(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");

    ASK(alice, .method = "BYE", .uri = "sip:bob@example.test", .to_tag = "of-bob", .cseq = 2);
    world_run(w, 1000);
    CHECK(w, peer_count(alice, "3xx") == 0);
    const struct oh_msg *m = peer_last(bob, "BYE");

    if (m)
        peer_reply(bob, m, 481, "");
    peer_expect(alice, "481");
}

static const struct conformance_case cases[] = {
    CASE("RDR-001", "one answer, repeated to the byte, and no request", one_final,
         .lua = OPEN_REDIRECT),
    CASE("RDR-001", "the answer is repeated until the ACK", repeats_until_ack,
         .lua = OPEN_REDIRECT),
    CASE("RDR-002", "several bindings are 300, best first", several, .lua = OPEN_REDIRECT),
    CASE("RDR-002 RDR-011", "a choice with a body and other schemes", profile_with_choice,
         .lua = PROFILES),
    CASE("RDR-003", "301 for good and 302 for a time", permanent_and_temporary, .lua = PROFILES),
    CASE("RDR-005", "no 305", no_305, .lua = PROXY_FIRST),
    CASE("RDR-006", "nobody is sent where he just was", not_to_itself, .lua = OPEN_REDIRECT),
    CASE("RDR-007", "unknown methods, headers and Require are redirected", unknown_things,
         .lua = PROFILES),
    CASE("RDR-007", "likewise to bindings", unknown_things_for_bindings, .lua = OPEN_REDIRECT),
    CASE("RDR-008", "CANCEL is 200", cancelled, .lua = OPEN_REDIRECT),
    CASE("RDR-009 PRX-011", "404, 480, 410 when there is nowhere to go", nobody_there,
         .lua = OPEN_REDIRECT),
    CASE("RDR-009", "credentials may be asked for first", may_ask_who, .lua = REDIRECT),
    CASE("RDR-012", "requests other than INVITE are redirected", other_methods,
         .lua = OPEN_REDIRECT),
    CASE("RDR-012", "requests inside a dialog are not", inside_a_dialog, .lua = OPEN_REDIRECT),
};

CONFORMANCE_CHAPTER(redirect, cases);
