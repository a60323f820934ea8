/*
 * Overload and availability: maintenance, draining, full tables (requirements
 * 20). What is under way goes on; what is new is told to come back.
 */
#include <stdio.h>

#include "harness.h"

#define CALLER "192.0.2.10:5060"
#define PHONE  "192.0.2.20:5060"

#define MAINTENANCE OPEN "maintenance = { on = true, retry_after = '2 min' }\n"

/* Everything new that a phone may want. */
static void all_refused(struct world *w, struct peer *alice, const char *retry_after)
{
    static const char *const methods[] = {"INVITE",  "SUBSCRIBE", "MESSAGE", "REFER",
                                          "OPTIONS", "PUBLISH",   "BREW"};

    for (unsigned i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        ASK(alice, .method = methods[i], .uri = "sip:bob@example.test", .rows = "Event: x\n");
        CHECK(w, strcmp(value_of(answer(alice, "503"), OH_HEADER_RETRY_AFTER), retry_after) == 0);
    }
    registers(alice, "alice", "", 1, NULL, "");
    CHECK(w, strcmp(value_of(answer(alice, "503"), OH_HEADER_RETRY_AFTER), retry_after) == 0);
    CHECK(w, server_bindings(w, "alice@example.test") == 0);
}

/* A call that is answered and one that rings; returns with both. */
struct calls {
    struct peer *alice, *bob, *carol;
    const struct oh_msg *ringing; /* at bob */
    struct peer_dialog talking;   /* of alice with bob */
};

static void set_up(struct world *w, struct calls *c)
{
    const struct oh_msg *m;

    c->alice = peer_new(w, CALLER, "alice");
    c->bob = phone(w, PHONE, "bob");
    c->carol = peer_new(w, "192.0.2.30:5060", "carol");
    ASK(c->alice, .method = "INVITE", .uri = "sip:bob@example.test", .call = "talking");
    peer_reply(c->bob, peer_expect(c->bob, "INVITE"), 200, "");
    m = peer_expect(c->alice, "200");
    peer_ack(c->alice, m);
    peer_expect(c->bob, "ACK");
    peer_dialog_caller(c->alice, m, &c->talking);
    ASK(c->carol, .method = "INVITE", .uri = "sip:bob@example.test", .call = "ringing");
    c->ringing = peer_expect(c->bob, "INVITE");
    peer_reply(c->bob, c->ringing, 180, "");
    peer_expect(c->carol, "180");
}

/* All that the two calls may still do. */
static void calls_go_on(struct world *w, struct calls *c)
{
    const struct oh_msg *m;

    peer_dialog_request(c->alice, &c->talking, "INFO", "");
    peer_reply(c->bob, peer_expect(c->bob, "INFO"), 200, "");
    peer_expect(c->alice, "200 INFO");
    peer_cancel(c->carol, "");
    peer_expect(c->carol, "200 CANCEL");
    m = peer_expect(c->bob, "CANCEL");
    peer_reply(c->bob, m, 200, "");
    peer_reply(c->bob, c->ringing, 487, "");
    answer(c->carol, "487");
    peer_dialog_request(c->alice, &c->talking, "BYE", "");
    peer_reply(c->bob, peer_expect(c->bob, "BYE"), 200, "");
    peer_expect(c->alice, "200 BYE");
    (void)w;
}

static void maintenance(struct world *w)
{
    struct calls c;

    set_up(w, &c);
    reload(w, MAINTENANCE);
    all_refused(w, peer_new(w, "192.0.2.40:5060", "alice"), "120");
    calls_go_on(w, &c);
    reload(w, OPEN);
    registers(c.alice, "alice", "", 1, NULL, "");
    answer(c.alice, "200");
}

static void draining(struct world *w)
{
    struct calls c;

    set_up(w, &c);
    server_drain(w, true);
    all_refused(w, peer_new(w, "192.0.2.40:5060", "alice"), "30");
    calls_go_on(w, &c);
}

static void refused_before_password(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice");

    accounts(w);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    answer(alice, "503");
    CHECK(w, told(w, "maintenance"));
}

/* A shard of eight transactions: a call takes two, so the fifth call finds no room. */
static const struct world_options tiny = {.shards = 1, .transactions_max = 8, .completed_max = 64};

static void full(struct world *w)
{
    struct peer *callers[4], *late = peer_new(w, "192.0.2.50:5060", "late");
    struct peer *bob = phone(w, PHONE, "bob");
    const struct oh_msg *ringing[4];
    struct oh__serve_stats stats;
    char address[32];

    for (unsigned i = 0; i < 4; i++) {
        snprintf(address, sizeof address, "192.0.2.%u:5060", 30 + i);
        callers[i] = peer_new(w, address, "caller");
        ASK(callers[i], .method = "INVITE", .uri = "sip:bob@example.test");
        ringing[i] = peer_expect(bob, "INVITE");
        peer_reply(bob, ringing[i], 180, "");
        peer_expect(callers[i], "180");
    }
    ASK(late, .method = "INVITE", .uri = "sip:bob@example.test");
    /* How long it will last is not known, so Retry-After would be a lie. */
    CHECK(w, message_rows(answer(late, "503"), OH_HEADER_RETRY_AFTER) == 0);
    peer_none(bob, "INVITE", 1000);
    for (unsigned i = 0; i < 4; i++) {
        peer_reply(bob, ringing[i], 486, "");
        answer(callers[i], "486");
    }
    world_run(w, 40000);
    server_stats(w, &stats);
    CHECK(w, stats.contexts == 0);
    ASK(late, .method = "INVITE", .uri = "sip:bob@example.test");
    peer_reply(bob, peer_expect(bob, "INVITE"), 486, "");
    answer(late, "486");
}

/* A repetition needs no room: the transaction that is there answers it. */
static void repetitions_are_served(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice"), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *m;

    for (unsigned i = 0; i < 3; i++) {
        ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
        peer_reply(bob, peer_expect(bob, "INVITE"), 180, "");
        peer_expect(alice, "180");
    }
    struct peer *carol = peer_new(w, "192.0.2.30:5060", "carol");

    ASK(carol, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    peer_reply(bob, m, 180, "");
    peer_expect(carol, "180");
    peer_forget(carol);
    peer_again(carol);
    peer_expect(carol, "180");
    peer_none(carol, "5xx", 100);
    CHECK(w, peer_count(bob, "INVITE") == 4);
    peer_reply(bob, m, 486, "");
    m = peer_expect(carol, "486");
    peer_again(carol);
    peer_expect(carol, "486");
    peer_ack(carol, m);
    world_run(w, 400000); /* Timer C ends the other calls */
}

static const struct conformance_case cases[] = {
    CASE("OVL-001", "maintenance refuses what is new, calls go on", maintenance),
    CASE("OVL-001", "a server that is shut down refuses what is new, calls go on", draining),
    CASE("OVL-001", "nobody is asked for a password in vain", refused_before_password,
         .lua = CLOSED "maintenance = { on = true }\n"),
    CASE("OVL-001 OVL-007 TXN-024", "a full table refuses new calls until there is room", full,
         .options = &tiny),
    CASE("OVL-007", "repetitions are answered although the table is full", repetitions_are_served,
         .options = &tiny),
};

CONFORMANCE_CHAPTER(overload, cases);
