/*
 * The registrar: RFC 3261 10.3 step by step. Most cases need no passwords;
 * those about who may register for whom have the accounts of the test bed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#define PHONE "192.0.2.20:5060"
#define OTHER "192.0.2.21:5060"

/* Seconds that a 200 gives a Contact with this URI; -1 when it does not list it. */
static long expires_of(const struct oh_msg *m, const char *uri)
{
    char bracketed[256];

    snprintf(bracketed, sizeof bracketed, "<%s>", uri);
    for (unsigned i = 0; i < message_values(m, OH_HEADER_CONTACT); i++) {
        const char *value = text_of(message_value(m, OH_HEADER_CONTACT, i));
        const char *expires = strstr(value, ";expires=");

        if (strncmp(value, bracketed, strlen(bracketed)) == 0)
            return expires ? strtol(expires + strlen(";expires="), NULL, 10) : -1;
    }
    return -1;
}

static bool lists(const struct oh_msg *m, const char *uri)
{
    return expires_of(m, uri) >= 0;
}

static unsigned contacts(const struct oh_msg *m)
{
    return message_values(m, OH_HEADER_CONTACT);
}

/* ---- steps 1 to 5 ---- */

static void foreign_domain(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob"), *far = peer_new(w, "192.0.2.99:5060", "far");
    const struct oh_msg *m;

    network_name(w, "other.test", "192.0.2.99");
    ASK(bob, .method = "REGISTER", .uri = "sip:other.test", .to = "sip:bob@other.test");
    m = peer_expect(far, "REGISTER");
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:other.test")));
    CHECK(w, message_rows(m, OH_HEADER_RECORD_ROUTE) == 0);
    peer_reply(far, m, 200, "Contact: <sip:bob@192.0.2.20>;expires=60\n");
    CHECK(w, lists(answer(bob, "200"), "sip:bob@192.0.2.20"));
    CHECK(w, server_bindings(w, "bob@other.test") == 0);
}

static void foreign_domain_of_a_stranger(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob"), *far = peer_new(w, "192.0.2.99:5060", "far");

    accounts(w);
    network_name(w, "other.test", "192.0.2.99");
    ASK(bob, .method = "REGISTER", .uri = "sip:other.test", .to = "sip:bob@other.test");
    answer(bob, "407");
    peer_none(far, "", 40000);
}

static void user_in_request_uri(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");

    ASK(bob, .method = "REGISTER", .uri = "sip:bob@example.test", .to = "sip:bob@example.test");
    CHECK(w, lists(answer(bob, "200"), "sip:bob@192.0.2.20:5060"));
}

static void required_extension(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, NULL, "Require: path, foo\n");
    m = answer(bob, "420");
    CHECK(w, text_has(value_of(m, OH_HEADER_UNSUPPORTED), "foo"));
    CHECK(w, !text_has(value_of(m, OH_HEADER_UNSUPPORTED), "path"));
    CHECK(w, contacts(fetch(bob, "bob")) == 0);
}

static void challenge(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    accounts(w);
    registers(bob, "bob", "", 1, NULL, "");
    m = answer(bob, "401");
    CHECK(w, message_rows(m, OH_HEADER_WWW_AUTHENTICATE) == 1);
    CHECK(w, message_rows(m, OH_HEADER_PROXY_AUTHENTICATE) == 0);
    CHECK(w, server_bindings(w, "bob@example.test") == 0);
    ASK_AS(bob, "bob", .method = "REGISTER", .uri = "sip:example.test",
           .to = "sip:bob@example.test", .call = "second");
    CHECK(w, lists(answer(bob, "200"), "sip:bob@192.0.2.20:5060"));
}

static void not_for_others(struct world *w)
{
    struct peer *alice = peer_new(w, PHONE, "alice");

    accounts(w);
    ASK_AS(alice, "alice", .method = "REGISTER", .uri = "sip:example.test",
           .to = "sip:bob@example.test", .call = "third-party");
    answer(alice, "403");
    ASK_AS(alice, "alice", .method = "REGISTER", .uri = "sip:example.test", .call = "as-bob",
           .to = "sip:bob@example.test", .from = "sip:bob@example.test");
    answer(alice, "403");
    CHECK(w, server_bindings(w, "bob@example.test") == 0);
}

static void administrator_may(struct world *w)
{
    struct peer *admin = peer_new(w, PHONE, "admin");

    accounts(w);
    ASK_AS(admin, "admin", .method = "REGISTER", .uri = "sip:example.test",
           .to = "sip:bob@example.test", .call = "for-bob", .contact = "<sip:bob@192.0.2.33>");
    CHECK(w, lists(answer(admin, "200"), "sip:bob@192.0.2.33"));
    CHECK(w, server_has_binding(w, "bob@example.test", OH_LIT("sip:bob@192.0.2.33")));
}

static void no_such_user(struct world *w)
{
    struct peer *admin = peer_new(w, PHONE, "admin");

    accounts(w);
    ASK_AS(admin, "admin", .method = "REGISTER", .uri = "sip:example.test",
           .to = "sip:nobody@example.test", .call = "nobody");
    answer(admin, "404");
    CHECK(w, told(w, "nobody"));
    ASK_AS(admin, "admin", .method = "REGISTER", .uri = "sip:example.test",
           .to = "sip:gone@example.test", .call = "gone");
    answer(admin, "404");
    ASK_AS(admin, "admin", .method = "REGISTER", .uri = "sip:example.test",
           .to = "sip:bob@other.test", .call = "elsewhere");
    answer(admin, "404");
}

static void to_is_no_sip_address(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");

    ASK(bob, .method = "REGISTER", .uri = "sip:example.test", .to = "isbn:2983792873");
    answer(bob, "400");
    ASK(bob, .method = "REGISTER", .uri = "sip:example.test", .to = "http://www.example.test");
    answer(bob, "400");
}

static void canonical_name(struct world *w)
{
    struct peer *alice = peer_new(w, PHONE, "alice");

    ASK(alice, .method = "REGISTER", .uri = "sip:example.test",
        .to = "sip:%61lice@EXAMPLE.test;x=1");
    answer(alice, "200");
    CHECK(w, server_bindings(w, "alice@example.test") == 1);
    CHECK(w, lists(fetch(alice, "alice"), "sip:alice@192.0.2.20:5060"));
    registers(alice, "Alice", "", 1, "-", "");
    CHECK(w, contacts(answer(alice, "200")) == 0);
}

/* ---- step 6 ---- */

static void star_alone(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");

    registers(bob, "bob", "", 1, NULL, "");
    answer(bob, "200");
    registers(bob, "bob", "", 2, "*", "Expires: 3600\n");
    answer(bob, "400");
    registers(bob, "bob", "", 3, "*", "");
    answer(bob, "400");
    registers(bob, "bob", "", 4, "*, <sip:bob@192.0.2.33>", "Expires: 0\n");
    answer(bob, "400");
    registers(bob, "bob", "", 5, "<sip:bob@192.0.2.33>", "Contact: *\nExpires: 0\n");
    answer(bob, "400");
    CHECK(w, contacts(fetch(bob, "bob")) == 1);
}

static void star_removes(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob"), *other = peer_new(w, OTHER, "bob2");

    registers(bob, "bob", "-a", 7, NULL, "");
    answer(bob, "200");
    registers(other, "bob", "-b", 7, NULL, "");
    CHECK(w, contacts(answer(other, "200")) == 2);
    registers(bob, "bob", "-a", 6, "*", "Expires: 0\n");
    answer(bob, "500");
    registers(bob, "bob", "-a", 7, "*", "Expires: 0\n");
    answer(bob, "500");
    CHECK(w, contacts(fetch(bob, "bob")) == 2);
    registers(bob, "bob", "-a", 8, "*", "Expires: 0\n");
    CHECK(w, contacts(answer(bob, "200")) == 0);
    CHECK(w, server_bindings(w, "bob@example.test") == 0);
}

/* ---- step 7 ---- */

static void expiry_matrix(struct world *w)
{
    static const struct {
        const char *param, *row;
        long want;
    } list[] = {
        {"", "", 1800},
        {"", "Expires: 1200\n", 1200},
        {"", "Expires: soon\n", 3600},
        {";expires=600", "", 600},
        {";expires=600", "Expires: 1200\n", 600},
        {";expires=600", "Expires: soon\n", 600},
        {";expires=abc", "", 3600},
        {";expires=abc", "Expires: 1200\n", 3600},
        {";expires=abc", "Expires: soon\n", 3600},
        {";expires=99999", "", 7200},
        {";expires=4294967295", "", 7200},
    };
    struct peer *bob = peer_new(w, PHONE, "bob");

    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        char contact[64];
        long got;

        snprintf(contact, sizeof contact, "<sip:bob@192.0.2.20>%s", list[i].param);
        registers(bob, "bob", "", i + 1, contact, list[i].row);
        got = expires_of(answer(bob, "200"), "sip:bob@192.0.2.20");
        CHECK_SAY(w, got == list[i].want, "line %u: %ld s were granted, not %ld", i, got,
                  list[i].want);
    }
}

static void too_brief(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, NULL, "Expires: 10\n");
    m = answer(bob, "423");
    CHECK(w, strcmp(value_of(m, OH_HEADER_MIN_EXPIRES), "60") == 0);
    CHECK(w, contacts(fetch(bob, "bob")) == 0);
    registers(bob, "bob", "", 2, NULL, "Expires: 60\n");
    CHECK(w, expires_of(answer(bob, "200"), "sip:bob@192.0.2.20:5060") == 60);
    registers(bob, "bob", "", 3, NULL, "Expires: 0\n");
    CHECK(w, contacts(answer(bob, "200")) == 0);
}

/* A minimum above an hour must not refuse what asks for an hour. */
static void never_brief_from_an_hour(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");

    registers(bob, "bob", "", 1, NULL, "Expires: 3599\n");
    answer(bob, "423");
    registers(bob, "bob", "", 2, NULL, "Expires: 3600\n");
    CHECK(w, expires_of(answer(bob, "200"), "sip:bob@192.0.2.20:5060") == 3600);
}

static void one_of_two_is_too_brief(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");

    registers(bob, "bob", "", 1, "<sip:bob@192.0.2.33>;expires=600, <sip:bob@192.0.2.34>;expires=9",
              "");
    answer(bob, "423");
    CHECK(w, contacts(fetch(bob, "bob")) == 0);
}

static void old_cseq(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "", 2, "<sip:bob@192.0.2.20>;expires=600", "");
    answer(bob, "200");
    registers(bob, "bob", "", 1, "<sip:bob@192.0.2.20>;expires=0", "");
    answer(bob, "500");
    registers(bob, "bob", "", 1, "<sip:bob@192.0.2.33>, <sip:bob@192.0.2.20>;expires=900", "");
    answer(bob, "500");
    registers(bob, "bob", "", 1, "<sip:bob@192.0.2.20>;expires=600", "");
    answer(bob, "500");
    m = fetch(bob, "bob");
    CHECK(w, contacts(m) == 1 && expires_of(m, "sip:bob@192.0.2.20") == 600);
    registers(bob, "bob", "-reboot", 1, "<sip:bob@192.0.2.20>;expires=700", "");
    CHECK(w, expires_of(answer(bob, "200"), "sip:bob@192.0.2.20") == 700);
}

static void late_repetition(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "", 2, "<sip:bob@192.0.2.20>;expires=600", "");
    answer(bob, "200");
    world_run(w, 100000);
    peer_again(bob);
    m = answer(bob, "200");
    CHECK(w, contacts(m) == 1 && expires_of(m, "sip:bob@192.0.2.20") == 500);
    registers(bob, "bob", "", 2, "<sip:bob@192.0.2.20>;expires=900", "");
    answer(bob, "500");
}

static void equal_uris_are_one_binding(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, "<sip:bob@PHONE.example.net;transport=udp>;expires=600", "");
    answer(bob, "200");
    registers(bob, "bob", "", 2, "<sip:%62ob@phone.example.net;transport=UDP>;expires=700", "");
    m = answer(bob, "200");
    CHECK(w, contacts(m) == 1);
    registers(bob, "bob", "", 3, "<sip:BOB@phone.example.net;transport=udp>;expires=700", "");
    m = answer(bob, "200");
    CHECK(w, contacts(m) == 2);
}

static const struct world_options journalled = {.journal = true};

static void failed_commit(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const char *three = "<sip:bob@192.0.2.31>, <sip:bob@192.0.2.32>, <sip:bob@192.0.2.20>";
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, "<sip:bob@192.0.2.20>;expires=600", "");
    answer(bob, "200");
    server_journal_faults(w, 100, 0);
    registers(bob, "bob", "", 2, three, "");
    answer(bob, "500");
    server_journal_faults(w, 0, 0);
    m = fetch(bob, "bob");
    CHECK(w, contacts(m) == 1 && expires_of(m, "sip:bob@192.0.2.20") == 600);
    registers(bob, "bob", "", 3, three, "");
    CHECK(w, contacts(answer(bob, "200")) == 3);
}

/* ---- step 8 ---- */

static void lists_everybody(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob"), *other = peer_new(w, OTHER, "bob2");
    const struct oh_msg *m;

    registers(bob, "bob", "-a", 1,
              "\"Bob\" <sip:bob@192.0.2.20>;q=0.5;expires=600;+sip.instance=\"<urn:uuid:1>\";audio",
              "");
    answer(bob, "200");
    world_run(w, 10000);
    registers(other, "bob", "-b", 1, "<sip:bob@192.0.2.21>;expires=900", "");
    m = answer(other, "200");
    CHECK(w, contacts(m) == 2);
    CHECK(w, expires_of(m, "sip:bob@192.0.2.20") == 590);
    CHECK(w, expires_of(m, "sip:bob@192.0.2.21") == 900);
    CHECK(w, message_has(m, ";q=0.5"));
    CHECK(w, message_has(m, ";+sip.instance=\"<urn:uuid:1>\""));
    CHECK(w, message_has(m, ";audio"));
    CHECK(w, text_has(value_of(m, OH_HEADER_DATE), " GMT"));
}

static void fetch_changes_nothing(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");

    registers(bob, "bob", "", 5, "<sip:bob@192.0.2.20>;expires=600", "");
    answer(bob, "200");
    world_run(w, 60000);
    registers(bob, "bob", "", 1, "-", "Expires: 0\n");
    CHECK(w, expires_of(answer(bob, "200"), "sip:bob@192.0.2.20") == 540);
    registers(bob, "bob", "-other", 1, "-", "Expires: 7200\n");
    CHECK(w, expires_of(answer(bob, "200"), "sip:bob@192.0.2.20") == 540);
}

/* The second one is late, so it is refused, and not put into its place. */
static void pipelined(struct world *w)
{
    static const struct {
        unsigned cseq, expires;
    } list[] = {{2, 602}, {1, 601}, {3, 603}};
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    peer_connect(bob);
    for (unsigned i = 0; i < 3; i++) {
        char contact[64];

        snprintf(contact, sizeof contact, "<sip:bob@192.0.2.20;transport=tcp>;expires=%u",
                 list[i].expires);
        registers(bob, "bob", "", list[i].cseq, contact, "");
    }
    m = peer_expect(bob, "");
    CHECK(w, m->status == 200 && m->cseq == 2);
    CHECK(w, expires_of(m, "sip:bob@192.0.2.20;transport=tcp") == 602);
    m = peer_expect(bob, "");
    CHECK(w, m->status == 500 && m->cseq == 1);
    m = peer_expect(bob, "");
    CHECK(w, m->status == 200 && m->cseq == 3 && contacts(m) == 1);
    CHECK(w, expires_of(m, "sip:bob@192.0.2.20;transport=tcp") == 603);
}

/* ---- never ---- */

static void no_record_route(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const char *row = "Record-Route: <sip:192.0.2.50;lr>\n";
    const struct oh_msg *m;
    char rows[96];

    registers(bob, "bob", "", 1, NULL, row);
    CHECK(w, message_rows(answer(bob, "200"), OH_HEADER_RECORD_ROUTE) == 0);
    snprintf(rows, sizeof rows, "%sExpires: 5\n", row);
    registers(bob, "bob", "", 2, NULL, rows);
    CHECK(w, message_rows(answer(bob, "423"), OH_HEADER_RECORD_ROUTE) == 0);
    ASK(bob, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    CHECK(w, !message_has(m, "192.0.2.50"));
    peer_reply(bob, m, 486, "");
    peer_ack(bob, peer_expect(bob, "486"));
}

#define DECLINING OPEN "function on_register(r) return reply{ 603, reason = 'Never' } end\n"

static void no_6xx(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");

    registers(bob, "bob", "", 1, NULL, "");
    answer(bob, "403");
    peer_none(bob, "6xx", 1000);
    CHECK(w, server_bindings(w, "bob@example.test") == 0);
}

/* ---- limits and life ---- */

static void eleventh_contact(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    char contact[64];

    for (unsigned i = 0; i < 10; i++) {
        snprintf(contact, sizeof contact, "<sip:bob@192.0.2.20:%u>", 5100 + i);
        registers(bob, "bob", "", i + 1, contact, "");
        CHECK(w, contacts(answer(bob, "200")) == i + 1);
    }
    registers(bob, "bob", "", 11,
              "<sip:bob@192.0.2.20:5100>;expires=0, <sip:bob@192.0.2.20:6000>, "
              "<sip:bob@192.0.2.20:6001>",
              "");
    CHECK(w, oh_span_eq(answer(bob, "403")->reason, OH_LIT("Too many contacts")));
    const struct oh_msg *m = fetch(bob, "bob");

    CHECK(w, contacts(m) == 10 && lists(m, "sip:bob@192.0.2.20:5100"));
    registers(bob, "bob", "", 12, "<sip:bob@192.0.2.20:5100>;expires=0, <sip:bob@192.0.2.20:6000>",
              "");
    CHECK(w, contacts(answer(bob, "200")) == 10);
}

static void long_contact(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    char contact[700];

    snprintf(contact, sizeof contact, "<sip:bob@192.0.2.20>, <sip:%0600u@192.0.2.20>", 7);
    registers(bob, "bob", "", 1, contact, "");
    answer(bob, "413");
    CHECK(w, contacts(fetch(bob, "bob")) == 0);
}

/* What leads back to this server would run in a circle. */
static void contact_is_the_server(struct world *w)
{
    static const char *const list[] = {"<sip:bob@example.test>", "<sip:x@192.0.2.1:5060>",
                                       "<sip:alice@example.test>"};
    struct peer *bob = peer_new(w, PHONE, "bob");

    for (unsigned i = 0; i < 3; i++) {
        registers(bob, "bob", "", i + 1, list[i], "");
        answer(bob, "403");
    }
    CHECK(w, contacts(fetch(bob, "bob")) == 0);
}

#define REDIRECTING                                             \
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060' }\n" \
    "domains = { { 'example.test', mode = 'redirect' } }\n"     \
    "no_auth = true\n"

static void other_schemes(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob"), *alice = peer_new(w, OTHER, "alice");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, "<mailto:bob@example.net>;q=0.2, <tel:+8610555>;q=0.6", "");
    m = answer(bob, "200");
    CHECK(w, lists(m, "mailto:bob@example.net") && lists(m, "tel:+8610555"));
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = answer(alice, "300");
    CHECK(w, text_has(text_of(message_value(m, OH_HEADER_CONTACT, 0)), "<tel:+8610555>"));
    CHECK(w, text_has(text_of(message_value(m, OH_HEADER_CONTACT, 1)), "<mailto:bob@example.net>"));
}

/* RFC 4475 3.3.7 (regaut01). */
static void unknown_scheme_of_credentials(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    accounts(w);
    registers(bob, "bob", "", 1, NULL,
              "Authorization: NoOneKnowsThisScheme opaque-data=here,realm=\"example.test\"\n");
    m = answer(bob, "401");
    CHECK(w, text_has(value_of(m, OH_HEADER_WWW_AUTHENTICATE), "Digest "));
}

static void expired_is_invisible(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob"), *alice = peer_new(w, OTHER, "alice");

    accounts(w);
    registers(bob, "bob", "", 1, NULL, "Expires: 60\n");
    answer(bob, "200");
    world_run(w, 59000);
    CHECK(w, contacts(fetch(bob, "bob")) == 1);
    world_run(w, 1001);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    answer(alice, "480");
    CHECK(w, contacts(fetch(bob, "bob")) == 0);
    peer_none(bob, "INVITE", 0);
}

static void bindings_survive(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob"), *alice = peer_new(w, OTHER, "alice");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, NULL, "Expires: 600\n");
    answer(bob, "200");
    world_run(w, 100000);
    server_restart(w);
    world_run(w, 100000);
    CHECK(w, expires_of(fetch(bob, "bob"), "sip:bob@192.0.2.20:5060") == 400);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    peer_reply(bob, m, 486, "");
    answer(alice, "486");
    world_run(w, 401000);
    CHECK(w, contacts(fetch(bob, "bob")) == 0);
}

static void methods_of_the_server(struct world *w)
{
    struct peer *alice = peer_new(w, PHONE, "alice");
    const struct oh_msg *m;

    ASK(alice, .method = "INVITE", .uri = "sip:example.test");
    answer(alice, "404");
    ASK(alice, .method = "BREW", .uri = "sip:example.test");
    m = answer(alice, "501");
    CHECK(w, text_has(value_of(m, OH_HEADER_ALLOW), "REGISTER"));
    ASK(alice, .method = "SUBSCRIBE", .uri = "sip:example.test", .rows = "Event: reg\n");
    m = answer(alice, "405");
    CHECK(w, text_has(value_of(m, OH_HEADER_ALLOW), "REGISTER"));
    CHECK(w, !text_has(value_of(m, OH_HEADER_ALLOW), "SUBSCRIBE"));
    ASK(alice, .method = "INVITE", .uri = "sip:example.test", .to_tag = "old");
    answer(alice, "481");
}

static const struct conformance_case cases[] = {
    CASE("REG-001", "a REGISTER for a foreign domain is passed on", foreign_domain),
    CASE("REG-001", "but not for strangers", foreign_domain_of_a_stranger, .lua = CLOSED),
    CASE("REG-002", "a user in the Request-URI of REGISTER is tolerated", user_in_request_uri),
    CASE("REG-003", "an unknown Require is 420 and changes nothing", required_extension),
    CASE("REG-004 AUT-002", "without credentials 401, never 407", challenge, .lua = CLOSED),
    CASE("REG-005", "nobody registers for somebody else", not_for_others, .lua = CLOSED),
    CASE("REG-005", "but an administrator", administrator_may, .lua = CLOSED),
    CASE("REG-006", "To names no user of the domain", no_such_user, .lua = CLOSED),
    CASE("REG-006", "To is no sip address", to_is_no_sip_address),
    CASE("REG-007", "parameters, escapes and case of To make no other user", canonical_name),
    CASE("REG-008", "a star stands alone and with Expires 0", star_alone),
    CASE("REG-008", "a star removes all, unless it is late", star_removes),
    CASE("REG-009", "the expiry asked for, in nine ways", expiry_matrix,
         .lua = OPEN "registrar = { expires_default = '30 min' }\n"),
    CASE("REG-010", "too brief is 423 with Min-Expires, zero never is", too_brief),
    CASE("REG-010", "an hour is never too brief", never_brief_from_an_hour,
         .lua = OPEN
         "registrar = { expires_min = '2 h', expires_default = '2 h', expires_max = '4 h' }\n"),
    CASE("REG-010 REG-012", "one contact that is too brief refuses all", one_of_two_is_too_brief),
    CASE("REG-011", "an older CSeq fails as a whole", old_cseq),
    CASE("REG-011", "a late repetition is answered with what is current", late_repetition),
    CASE("REG-011", "bindings are compared as URIs", equal_uris_are_one_binding),
    CASE("REG-012", "what cannot be stored leaves no trace", failed_commit, .options = &journalled),
    CASE("REG-013", "the 200 lists all bindings with their parameters", lists_everybody),
    CASE("REG-014", "a REGISTER without Contact lists and changes nothing", fetch_changes_nothing),
    CASE("REG-015", "requests of one stream are served in their order", pipelined),
    CASE("REG-016", "Record-Route is ignored and never returned", no_record_route),
    CASE("REG-016", "a policy cannot make the registrar say 6xx", no_6xx, .lua = DECLINING),
    CASE("REG-023", "the eleventh contact", eleventh_contact),
    CASE("REG-023", "a contact that is too long", long_contact),
    CASE("REG-024", "a contact that is this server itself", contact_is_the_server),
    CASE("REG-025 RDR-011", "contacts of other schemes are for redirection", other_schemes,
         .lua = REDIRECTING),
    CASE("REG-026", "credentials of an unknown scheme are challenged",
         unknown_scheme_of_credentials, .lua = CLOSED),
    CASE("REG-028 PRX-011", "an expired binding is invisible at once", expired_is_invisible),
    CASE("REG-028", "bindings survive kill -9 with the time they had left", bindings_survive,
         .options = &journalled),
    CASE("REG-042 UAS-003", "methods that the server itself does not serve", methods_of_the_server),
};

CONFORMANCE_CHAPTER(registrar, cases);
