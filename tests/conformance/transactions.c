/*
 * Transactions (requirements 4) as they are seen from outside: when something
 * is sent again and when no more, which response belongs to which request, and
 * what is absorbed. The machines themselves are tested in tests/unit/core.
 */
#include <stdio.h>

#include "harness.h"
#include "sim/parts.h"

#define ALICE "192.0.2.10:5060"
#define BOB   "192.0.2.20:5060"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct peer *alice_new(struct world *w)
{
    return peer_new(w, ALICE, "alice");
}

static struct peer *bob_new(struct world *w)
{
    struct peer *bob = peer_new(w, BOB, "bob");

    peer_register(bob, 3600);
    peer_forget(bob);
    return bob;
}

/* From now on copies of what fits reach the peer at these moments (ms), and at no others until the
 * world has run for `until`. The first moment is 0: it is there already. */
static void check_copies(struct peer *p, const char *what, const unsigned *at, size_t n,
                         unsigned until)
{
    struct world *w = peer_world(p);
    unsigned gone = 0;

    world_settle(w);
    for (size_t i = 1; i <= n; i++) {
        unsigned next = i < n ? at[i] : until;

        CHECK_SAY(w, peer_count(p, what) == i, "%u %s after %u ms, not %u", peer_count(p, what),
                  what, gone, (unsigned)i);
        world_run(w, next - 1 - gone);
        CHECK_SAY(w, peer_count(p, what) == i, "%u %s after %u ms, not %u", peer_count(p, what),
                  what, next - 1, (unsigned)i);
        world_run(w, 1);
        gone = next;
    }
    CHECK_SAY(w, peer_count(p, what) == n, "%u %s in %u ms, not %u", peer_count(p, what), what,
              until, (unsigned)n);
}

/* The end of a case in which a 2xx came too late: the watcher would miss it upstream. */
static void finish_without(struct world *w)
{
    leave_unfinished(w);
    world_run(w, 200000);
    CHECK(w, server_idle(w));
}

/* ---- client transactions ---- */

static const unsigned doubling[] = {0, 500, 1500, 3500, 7500, 15500, 31500};
static const unsigned capped[] = {0,     500,   1500,  3500,  7500, 11500,
                                  15500, 19500, 23500, 27500, 31500};

static void invite_to_silence(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    check_copies(bob, "INVITE", doubling, N(doubling), 31999);
    CHECK(w, peer_count(alice, "408") == 0);
    world_run(w, 1);
    CHECK(w, peer_count(alice, "408") == 1);
    answer(alice, "408");
    /* Too late: no ACK, and nobody hears of it. */
    world_run(w, 8000);
    peer_reply(bob, peer_last(bob, "INVITE"), 486, "");
    peer_reply(bob, peer_last(bob, "INVITE"), 200, "");
    peer_none(bob, "ACK", 1000);
    CHECK(w, peer_count(alice, "486") == 0 && peer_count(alice, "200") == 0);
    finish_without(w);
}

static void provisional_stops_repetition(struct world *w)
{
    static const unsigned once[] = {0};
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m;

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    peer_reply(bob, m, 100, "");
    check_copies(bob, "INVITE", once, 1, 170000);
    CHECK(w, peer_count(alice, "408") == 0 && peer_count(bob, "CANCEL") == 0);
    /* The 100 of another hop says nothing to the caller. */
    CHECK(w, peer_count(alice, "100") == 1);
    peer_reply(bob, m, 486, "");
    answer(alice, "486");
}

/* The ACK of a refused INVITE, field by field (RFC 3261 17.1.1.3). */
static void ack_of_refusal(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m, *ack, *again;

    registers(bob, "bob", "", 1, "<sip:bob@192.0.2.21:5070>",
              "Supported: path\nPath: <sip:192.0.2.20:5060;lr>\n");
    answer(bob, "200");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    CHECK(w, message_rows(m, OH_HEADER_ROUTE) == 1);
    peer_reply(bob, m, 486, "");
    ack = peer_expect(bob, "ACK");
    CHECK(w, oh_span_eq(ack->uri, m->uri));
    CHECK(w, message_values(ack, OH_HEADER_VIA) == 1);
    CHECK(w, oh_span_eq(ack->via.text, m->via.text));
    CHECK(w, oh_span_eq(ack->call_id, m->call_id));
    CHECK(w, oh_span_eq(oh_msg_value(ack, OH_HEADER_FROM), oh_msg_value(m, OH_HEADER_FROM)));
    CHECK(w, oh_span_eq(ack->to_tag, OH_LIT("t-bob")));
    CHECK(w, ack->cseq == m->cseq && ack->cseq_method == OH_METHOD_ACK);
    CHECK(w, oh_span_eq(oh_msg_value(ack, OH_HEADER_ROUTE), oh_msg_value(m, OH_HEADER_ROUTE)));
    CHECK(w, ack->body.n == 0 && message_rows(ack, OH_HEADER_MAX_FORWARDS) == 1);
    for (unsigned i = 0; i < 3; i++) {
        peer_reply(bob, m, 486, "");
        again = peer_expect(bob, "ACK");
        CHECK(w, oh_span_eq(again->raw, ack->raw));
        world_run(w, 1000);
    }
    answer(alice, "486");
    CHECK(w, peer_count(bob, "INVITE") == 1);
}

/* Every 2xx goes up for 64 T1, and the transaction acknowledges none (RFC 6026 7.2). */
static void accepted(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m;

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    peer_reply(bob, m, 200, "");
    peer_expect(alice, "200");
    world_run(w, 5000);
    peer_reply(bob, m, 200, "");
    peer_expect(alice, "200");
    world_run(w, 15000);
    peer_reply_as(bob, m, 200, "fork", "", "");
    CHECK(w, oh_span_eq(peer_expect(alice, "200")->to_tag, OH_LIT("fork")));
    /* A refusal behind a 2xx is nothing any more. */
    peer_reply(bob, m, 486, "");
    peer_none(alice, "486", 10000);
    CHECK(w, peer_count(bob, "ACK") == 0);
    world_run(w, 5000);
    peer_reply(bob, m, 200, "");
    peer_none(alice, "200", 1000);
}

static void non_invite_to_silence(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m;

    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "MESSAGE");
    check_copies(bob, "MESSAGE", capped, N(capped), 32001);
    /* 408 would make things worse, and late responses too (RFC 4320 4.2). */
    peer_reply(bob, m, 200, "");
    world_run(w, 10000);
    CHECK(w, peer_count(alice, "4xx") == 0 && peer_count(alice, "2xx") == 0);
    CHECK(w, peer_count(bob, "MESSAGE") == N(capped));
}

/* In Proceeding every T2. */
static void non_invite_proceeding(struct world *w)
{
    static const unsigned every_t2[] = {0, 500, 4500, 8500, 12500, 16500};
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m;

    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "MESSAGE");
    peer_reply(bob, m, 100, "");
    check_copies(bob, "MESSAGE", every_t2, N(every_t2), 17000);
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
    peer_none(alice, "200", 20000);
    CHECK(w, peer_count(bob, "MESSAGE") == N(every_t2));
}

static void responses_find_their_request(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m, *c;

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    peer_expect(alice, "100");
    peer_reply(bob, m, 180, "");
    peer_expect(alice, "180");
    peer_cancel(alice, "");
    peer_expect(alice, "200 CANCEL");
    c = peer_expect(bob, "CANCEL");
    CHECK(w, oh_span_eq(c->via.text, m->via.text) && message_values(c, OH_HEADER_VIA) == 1);
    /* The same branch: CSeq tells them apart, in this order and the other. */
    peer_reply(bob, c, 200, "");
    peer_none(alice, "2xx", 100);
    CHECK(w, peer_count(alice, "2xx") == 1);
    peer_reply(bob, m, 487, "");
    answer(alice, "487 INVITE");
    peer_expect(bob, "ACK");
    peer_reply(bob, c, 200, "");
    peer_none(alice, "", 1000);
}

static void strays(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m, *i;
    struct oh__serve_stats stats;

    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "MESSAGE");
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    i = peer_expect(bob, "INVITE");
    peer_reply(bob, i, 486, "");
    answer(alice, "486");
    world_run(w, 70000);
    peer_forget(alice);
    peer_forget(bob);
    server_stats(w, &stats);
    uint64_t before = stats.endpoint.rx_stray_responses;

    peer_reply(bob, m, 200, "");
    peer_reply(bob, i, 200, "");
    peer_reply(bob, i, 486, "");
    peer_reply(bob, i, 180, "");
    world_settle(w);
    server_stats(w, &stats);
    CHECK(w, stats.endpoint.rx_stray_responses == before + 4);
    /* A branch that never was ours. */
    peer_send(bob,
              "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0123456789abcdef\n"
              "Via: SIP/2.0/UDP " ALICE ";branch=z9hG4bK-x\nFrom: <sip:a@b>;tag=1\n"
              "To: <sip:c@d>;tag=2\nCall-ID: x\nCSeq: 1 INVITE\nContent-Length: 0\n\n");
    peer_none(alice, "", 1000);
    peer_none(bob, "", 0);
    finish_without(w);
}

static void branches(struct world *w)
{
    enum { MANY = 500 };
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    static struct oh_span seen[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        const struct oh_msg *m;

        ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .call = "one",
            .cseq = i + 1);
        m = peer_expect(bob, "MESSAGE");
        seen[i] = m->via.branch;
        CHECK(w, oh_span_eq(oh_span_head(seen[i], 7), OH_LIT("z9hG4bK")) && seen[i].n > 20);
        for (unsigned k = 0; k < i; k++)
            CHECK(w, !oh_span_ieq(seen[i], seen[k]));
        peer_reply(bob, m, 200, "");
        peer_expect(alice, "200");
    }
}

/* ---- server transactions ---- */

static void requests_find_their_transaction(struct world *w)
{
    static const char *const vias[] = {
        "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-same",
        "SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK-same",
        "SIP/2.0/UDP 192.0.2.10:5061;branch=z9hG4bK-same",
        "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-other",
    };
    struct peer *alice = alice_new(w), *bob = bob_new(w);

    for (unsigned i = 0; i < N(vias); i++) {
        for (unsigned copy = 0; copy < 3; copy++)
            ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .call = "one",
                .via = vias[i]);
        world_settle(w);
        CHECK_SAY(w, peer_count(bob, "MESSAGE") == i + 1, "%s: %u in all", vias[i],
                  peer_count(bob, "MESSAGE"));
    }
    /* The method counts too. */
    ASK(alice, .method = "INFO", .uri = "sip:bob@example.test", .call = "one", .via = vias[0]);
    peer_expect(bob, "INFO");
}

/* Without the cookie everything counts (RFC 3261 17.2.3). */
static void old_requests(struct world *w)
{
    static const char *const via = "SIP/2.0/UDP 192.0.2.10:5060;branch=1";
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m;

    for (unsigned i = 0; i < 3; i++)
        ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .call = "one", .via = via);
    m = peer_expect(bob, "MESSAGE");
    peer_none(bob, "MESSAGE", 0);
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .call = "one", .via = via,
        .cseq = 2);
    peer_expect(bob, "MESSAGE");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .call = "two", .via = via);
    peer_expect(bob, "MESSAGE");
    peer_reply(bob, m, 200, "");
    peer_expect(alice, "200");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .call = "one", .via = via);
    peer_expect(alice, "200");
    peer_none(bob, "MESSAGE", 0);
}

static void provisionals(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m, *trying, *ringing;

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    trying = peer_expect_within(alice, "100", 200);
    CHECK(w, trying->to_tag.n == 0);
    check_reply(alice, trying);
    m = peer_expect(bob, "INVITE");
    peer_again(alice);
    CHECK(w, oh_span_eq(peer_expect(alice, "100")->raw, trying->raw));
    peer_reply(bob, m, 180, "X-Ring: yes\n");
    ringing = peer_expect(alice, "180");
    peer_again(alice);
    CHECK(w, oh_span_eq(peer_expect(alice, "180")->raw, ringing->raw));
    CHECK(w, peer_count(bob, "INVITE") == 1);
    peer_reply(bob, m, 486, "");
    m = answer(alice, "486");
    CHECK(w, oh_span_eq(m->to_tag, ringing->to_tag));
}

static void refusal_is_repeated(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    peer_reply(bob, peer_expect(bob, "INVITE"), 486, "");
    check_copies(alice, "486", capped, N(capped), 60000);
}

static void ack_ends_repetition(struct world *w)
{
    static const unsigned twice[] = {0, 500};
    struct peer *alice = alice_new(w), *bob = bob_new(w);

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    peer_reply(bob, peer_expect(bob, "INVITE"), 486, "");
    check_copies(alice, "486", twice, 2, 1000);
    peer_ack(alice, peer_last(alice, "486"));
    world_run(w, 1000);
    CHECK(w, peer_count(alice, "486") == 2);
    /* Confirmed: what is still on its way is absorbed. */
    peer_again(alice);
    peer_ack(alice, peer_last(alice, "486"));
    world_run(w, 1000);
    CHECK(w, peer_count(alice, "486") == 2);
    /* One ACK of the server's own, none of alice's. */
    CHECK(w, peer_count(bob, "ACK") == 1 && peer_count(bob, "INVITE") == 1);
}

static void repetition_after_2xx(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m, *invite;

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    invite = peer_expect(bob, "INVITE");
    peer_expect(alice, "100");
    peer_reply(bob, invite, 200, "");
    m = peer_expect(alice, "200");
    for (unsigned i = 0; i < 3; i++) {
        peer_again(alice);
        peer_none(alice, "", 10000);
        CHECK(w, peer_count(bob, "INVITE") == 1);
    }
    peer_ack(alice, m);
    m = peer_expect(bob, "ACK");
    /* A transaction of its own, and nobody answers it. */
    CHECK(w, message_values(m, OH_HEADER_VIA) == 2);
    CHECK(w, !oh_span_eq(m->via.branch, invite->via.branch));
    peer_none(alice, "", 5000);
}

static void final_is_kept(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m, *final;

    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "MESSAGE");
    peer_again(alice);
    peer_none(alice, "", 400);
    peer_reply(bob, m, 202, "X-Once: 1\n");
    final = peer_expect(alice, "202");
    for (unsigned i = 0; i < 3; i++) {
        world_run(w, 10000);
        peer_again(alice);
        CHECK(w, oh_span_eq(peer_expect(alice, "202")->raw, final->raw));
    }
    CHECK(w, peer_count(bob, "MESSAGE") == 1);
}

static void register_again(struct world *w)
{
    struct peer *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;
    unsigned records;

    registers(bob, "bob", "", 1, "<sip:bob@" BOB ">, <sip:bob@192.0.2.21>;expires=600", "");
    m = peer_expect(bob, "200");
    records = server_journal_records(w);
    CHECK(w, records > 0);
    peer_again(bob);
    CHECK(w, oh_span_eq(peer_expect(bob, "200")->raw, m->raw));
    CHECK(w, server_journal_records(w) == records);
}

static const struct world_options journalled = {.journal = true};

/* RFC 4320 4.1: a 100 would be worthless before the sender slows down, and must come then. */
static void late_100(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m;

    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "MESSAGE");
    peer_reply(bob, m, 100, "");
    peer_reply(bob, m, 180, "");
    peer_none(alice, "", 3499);
    world_run(w, 2);
    CHECK(w, peer_count(alice, "100") == 1);
    CHECK(w, peer_expect(alice, "100")->to_tag.n == 0);
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
    CHECK(w, peer_count(alice, "1xx") == 1);
}

static void cancel_is_a_transaction(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m, *first;

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    peer_reply(bob, m, 180, "");
    peer_expect(alice, "180");
    peer_cancel(alice, "");
    first = peer_expect(alice, "200 CANCEL");
    peer_expect(bob, "CANCEL");
    peer_cancel(alice, "");
    CHECK(w, oh_span_eq(peer_expect(alice, "200 CANCEL")->raw, first->raw));
    peer_reply(bob, peer_last(bob, "CANCEL"), 200, "");
    peer_reply(bob, m, 487, "");
    answer(alice, "487");
    peer_cancel(alice, "");
    CHECK(w, oh_span_eq(peer_expect(alice, "200 CANCEL")->raw, first->raw));
    peer_none(bob, "CANCEL", 1000);
}

/* ---- streams ---- */

static void nothing_is_repeated_on_streams(struct world *w)
{
    static const unsigned once[] = {0};
    struct peer *alice = alice_new(w), *bob = peer_new(w, BOB, "bob");

    peer_connect(bob);
    peer_register(bob, 3600);
    peer_connect(alice);
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    check_copies(bob, "MESSAGE", once, 1, 40000);
    CHECK(w, peer_count(alice, "408") == 0);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    check_copies(bob, "INVITE", once, 1, 31999);
    world_run(w, 1);
    CHECK(w, peer_count(alice, "408") == 1);
    check_copies(alice, "408", once, 1, 40000);
}

/* Who answered a call repeats his 200 himself, on streams too; each comes through. */
static void success_is_repeated_by_its_sender(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = peer_new(w, BOB, "bob");
    const struct oh_msg *m;

    peer_connect(bob);
    peer_register(bob, 3600);
    peer_connect(alice);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    for (unsigned i = 1; i < 5; i++) {
        peer_reply(bob, m, 200, "");
        world_run(w, 4000);
        CHECK(w, peer_count(alice, "200") == i);
    }
}

/* ---- without state, without end, without chance ---- */

static void same_challenge(struct world *w)
{
    struct peer *alice = alice_new(w);
    const struct oh_msg *m, *again;

    accounts(w);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(alice, "407");
    world_run(w, 500);
    peer_again(alice);
    again = peer_expect(alice, "407");
    CHECK(w, m->to_tag.n > 0 && oh_span_eq(m->to_tag, again->to_tag));
    peer_ack(alice, again);
    peer_none(alice, "", 40000);
    /* Another call has another tag. */
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    CHECK(w, !oh_span_eq(peer_expect(alice, "407")->to_tag, m->to_tag));
}

/* What a world is like in which some things happen. */
static void lossy_call(struct world *w, void *arg)
{
    static const struct network_faults faults = {.loss = 20, .repeat = 10, .delay_max = 300};
    struct peer *alice = alice_new(w), *bob = bob_new(w);

    (void)arg;
    network_faults(w, &faults);
    for (unsigned i = 0; i < 5; i++) {
        ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
        world_run(w, 3000);
        if (peer_last(bob, "INVITE"))
            peer_reply(bob, peer_last(bob, "INVITE"), i % 2 ? 486 : 404, "");
        world_run(w, 40000);
    }
}

static void replays(struct world *w)
{
    const struct world_options options = {.seed = 7};
    char *ladders[2];
    struct world *worlds[2];

    for (unsigned i = 0; i < 2; i++) {
        worlds[i] = world_new(&options);
        world_try(worlds[i], lossy_call, NULL);
        ladders[i] = world_keep_text(w, oh_span_str(world_ladder(worlds[i])));
        world_free(worlds[i]);
    }
    CHECK(w, strlen(ladders[0]) > 1000);
    CHECK(w, strcmp(ladders[0], ladders[1]) == 0);
}

static const struct world_options tiny = {.shards = 1, .transactions_max = 12};

/* The table is full: what is new is refused, what is under way goes on. */
static void bounded(struct world *w)
{
    struct peer *alice = alice_new(w), *bob = bob_new(w);
    const struct oh_msg *m, *first = NULL;
    unsigned refused = 0;

    for (unsigned i = 0; i < 20; i++) {
        char call[16];

        snprintf(call, sizeof call, "call-%u", i);
        ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test", .call = call);
        world_settle(w);
        refused += peer_last(alice, "503") != NULL && peer_count(alice, "503") > refused;
    }
    CHECK_SAY(w, refused >= 8 && refused < 20, "%u of 20 were refused", refused);
    CHECK(w, message_rows(peer_last(alice, "503"), OH_HEADER_RETRY_AFTER) == 0);
    first = peer_expect(bob, "INVITE");
    peer_reply(bob, first, 180, "");
    CHECK(w, oh_span_eq(peer_expect(alice, "180")->call_id, first->call_id));
    peer_reply(bob, first, 486, "");
    m = peer_expect(alice, "486");
    CHECK(w, oh_span_eq(m->call_id, first->call_id));
    peer_expect(bob, "ACK");
    /* And then there is room again. */
    world_run(w, 100000);
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    peer_reply(bob, peer_expect(bob, "MESSAGE"), 200, "");
    answer(alice, "200");
}

static const struct conformance_case cases[] = {
    CASE("TXN-003 TXN-021", "an INVITE to silence, seven times", invite_to_silence),
    CASE("TXN-004", "a provisional response stops the repetition", provisional_stops_repetition),
    CASE("TXN-005", "the ACK of a refusal", ack_of_refusal),
    CASE("TXN-006", "every 2xx goes up for 32 seconds", accepted),
    CASE("TXN-007 TXN-014", "a MESSAGE to silence, eleven times", non_invite_to_silence),
    CASE("TXN-007", "a MESSAGE that is being worked on, every T2", non_invite_proceeding),
    CASE("TXN-001", "responses to INVITE and CANCEL are told apart", responses_find_their_request),
    CASE("TXN-015", "responses that nobody waits for", strays),
    CASE("TXN-019", "no branch is used twice", branches),
    CASE("TXN-002", "requests match by branch, sent-by and method",
         requests_find_their_transaction),
    CASE("TXN-002", "requests without the cookie match by everything", old_requests),
    CASE("TXN-008 UAS-011", "100 at once, and the last provisional again", provisionals),
    CASE("TXN-009", "a refusal is repeated until the ACK, or for 32 seconds", refusal_is_repeated),
    CASE("TXN-009", "the ACK ends it and goes no further", ack_ends_repetition),
    CASE("TXN-010 TXN-017", "an INVITE that is repeated behind its 2xx", repetition_after_2xx),
    CASE("TXN-012", "the same final response for 32 seconds", final_is_kept),
    CASE("TXN-012", "a repeated REGISTER is not run again", register_again, .options = &journalled),
    CASE("TXN-013", "100 to other requests after 3.5 seconds and nothing before", late_100),
    CASE("TXN-018", "CANCEL is answered again", cancel_is_a_transaction),
    CASE("TXN-016", "nothing is repeated on streams", nothing_is_repeated_on_streams),
    CASE("TXN-016", "but a 2xx by its sender", success_is_repeated_by_its_sender),
    CASE("TXN-022", "a repeated request gets the same challenge", same_challenge, .lua = CLOSED),
    CASE("TXN-023", "the same input gives the same output", replays),
    CASE("TXN-024", "a full table refuses what is new and nothing else", bounded, .options = &tiny),
};

CONFORMANCE_CHAPTER(transactions, cases);
