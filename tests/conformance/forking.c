/*
 * Forking (RFC 3261 16.6 to 16.10, RFC 5393): target sets, groups of q, which
 * response goes up, CANCEL, timers, loops.
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#define CALLER "192.0.2.10:5060"

#define NO_RECURSION OPEN "proxy = { recurse = false }\n"

/* alice, who calls, and bob's phones at 192.0.2.21, .22, .23. */
struct fork {
    struct peer *alice, *b[3];
    const struct oh_msg *invite[3]; /* what each phone got; NULL: nothing (yet) */
};

/* n phones with these q values ("" = none). */
static void set_up(struct world *w, struct fork *f, unsigned n, const char *const q[])
{
    memset(f, 0, sizeof *f);
    f->alice = peer_new(w, CALLER, "alice");
    for (unsigned i = 0; i < n; i++) {
        char address[32], name[16], contact[96];

        snprintf(address, sizeof address, "192.0.2.%u:5060", 21 + i);
        snprintf(name, sizeof name, "b%u", i);
        f->b[i] = peer_new(w, address, name);
        snprintf(contact, sizeof contact, "<sip:%s@%s>%s%s", name, address,
                 q && q[i][0] ? ";q=" : "", q ? q[i] : "");
        registers(f->b[i], "bob", name, 1, contact, "");
        answer(f->b[i], "200");
        peer_forget(f->b[i]);
    }
}

/* alice calls bob; takes the INVITE of the first n phones. */
static void call(struct fork *f, unsigned n, const char *rows)
{
    ASK(f->alice, .method = "INVITE", .uri = "sip:bob@example.test", .rows = rows);
    for (unsigned i = 0; i < n; i++)
        f->invite[i] = peer_expect(f->b[i], "INVITE");
}

static void reply(struct fork *f, unsigned i, unsigned status, const char *rows)
{
    peer_reply(f->b[i], f->invite[i], status, rows);
}

/* A phone is cancelled and says so. */
static const struct oh_msg *cancelled(struct fork *f, unsigned i)
{
    const struct oh_msg *m = peer_expect(f->b[i], "CANCEL");

    peer_reply(f->b[i], m, 200, "");
    reply(f, i, 487, "");
    return m;
}

static void end(struct fork *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        reply(f, i, 486, "");
    answer(f->alice, "486");
}

static uint32_t breadth(struct world *w, const struct oh_msg *m)
{
    uint32_t value = 0;

    CHECK(w, oh_msg_number(m, OH_HEADER_MAX_BREADTH, &value) == OH_OK);
    return value;
}

/* Final responses that came so far. */
static unsigned finals(struct peer *p)
{
    return peer_count(p, "2xx") + peer_count(p, "3xx") + peer_count(p, "4xx") +
           peer_count(p, "5xx") + peer_count(p, "6xx");
}

/* ---- loops and breadth ---- */

static void loop(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice"), *t = phone(w, "192.0.2.40:5060", "bob");

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    bounce(t, peer_expect(t, "INVITE"), "sip:bob@example.test");
    peer_expect(t, "482");
    peer_none(t, "INVITE", 100);
    /* The method has no part in it: a CANCEL or ACK of a spiral must find the same branch. */
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    bounce(t, peer_expect(t, "MESSAGE"), "sip:bob@example.test");
    peer_expect(t, "482");
}

static void spiral(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice"), *t = phone(w, "192.0.2.40:5060", "bob");
    struct peer *carol = phone(w, "192.0.2.41:5060", "carol");
    const struct oh_msg *m;

    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    bounce(t, peer_expect(t, "MESSAGE"), "sip:carol@example.test");
    m = peer_expect(carol, "MESSAGE");
    CHECK(w, message_values(m, OH_HEADER_VIA) == 4);
    peer_reply(carol, m, 200, "");
    peer_expect(t, "200");
}

/* RFC 5393 3: two users whose phones forward to each other, each on two phones. */
static void cross_forwarding(struct world *w)
{
    struct peer *caller = peer_new(w, CALLER, "caller"), *t[4];
    static const char *const users[] = {"alice", "alice", "bob", "bob"};
    unsigned bounced[4] = {0}, all = 0;
    bool any = true;

    for (unsigned i = 0; i < 4; i++) {
        char address[32], name[16], contact[64];

        snprintf(address, sizeof address, "192.0.2.%u:5060", 40 + i);
        snprintf(name, sizeof name, "t%u", i);
        snprintf(contact, sizeof contact, "<sip:%s@%s>", name, address);
        t[i] = peer_new(w, address, name);
        registers(t[i], users[i], name, 1, contact, "");
        answer(t[i], "200");
    }
    ASK(caller, .method = "INVITE", .uri = "sip:alice@example.test");
    world_settle(w);
    while (any) {
        any = false;
        for (unsigned i = 0; i < 4; i++) {
            while (bounced[i] < peer_count(t[i], "INVITE")) {
                bounce(t[i], peer_expect(t[i], "INVITE"),
                       i < 2 ? "sip:bob@example.test" : "sip:alice@example.test");
                bounced[i]++;
                any = true;
                CHECK_SAY(w, ++all <= 40, "the requests do not end");
            }
        }
        world_settle(w);
    }
    CHECK_SAY(w, all <= 8, "%u requests went round", all);
    CHECK(w, peer_count(t[2], "482") + peer_count(t[3], "482") >= 4);
}

static void breadth_of_its_own(struct world *w)
{
    struct fork f;
    uint32_t sum = 0;

    set_up(w, &f, 3, NULL);
    call(&f, 3, "");
    for (unsigned i = 0; i < 3; i++) {
        CHECK(w, breadth(w, f.invite[i]) >= 1);
        sum += breadth(w, f.invite[i]);
    }
    CHECK_SAY(w, sum <= 60, "%u in all", (unsigned)sum);
    end(&f, 3);
    call(&f, 3, "Max-Breadth: 7\n");
    sum = 0;
    for (unsigned i = 0; i < 3; i++)
        sum += breadth(w, f.invite[i]);
    CHECK_SAY(w, sum <= 7, "%u out of 7", (unsigned)sum);
    end(&f, 3);
}

/* Who is only passed through hands on all of it: it is no count of hops. */
static void breadth_is_no_hop_count(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice"), *t = peer_new(w, "192.0.2.60:5060", "t");
    const struct oh_msg *m;

    ASK(alice, .method = "INVITE", .uri = "sip:t@192.0.2.60", .rows = "Max-Breadth: 9\n");
    m = peer_expect(t, "INVITE");
    CHECK(w, breadth(w, m) == 9);
    peer_reply(t, m, 486, "");
    answer(alice, "486");
    ASK(alice, .method = "INVITE", .uri = "sip:t@192.0.2.60", .rows = "Max-Breadth: 900\n");
    m = peer_expect(t, "INVITE");
    CHECK(w, breadth(w, m) == 60);
    peer_reply(t, m, 486, "");
    answer(alice, "486");
}

static void breadth_of_one(struct world *w)
{
    struct fork f;

    set_up(w, &f, 3, NULL);
    ASK(f.alice, .method = "INVITE", .uri = "sip:bob@example.test", .rows = "Max-Breadth: 1\n");
    for (unsigned done = 0; done < 3; done++) {
        unsigned ringing = 0, at = 0;

        world_run(w, 100);
        for (unsigned i = 0; i < 3; i++) {
            if (!f.invite[i] && peer_count(f.b[i], "INVITE")) {
                f.invite[i] = peer_expect(f.b[i], "INVITE");
                at = i;
                ringing++;
            }
        }
        CHECK_SAY(w, ringing == 1, "%u phones at once", ringing);
        CHECK(w, breadth(w, f.invite[at]) == 1);
        reply(&f, at, 486, "");
    }
    answer(f.alice, "486");
    ASK(f.alice, .method = "INVITE", .uri = "sip:bob@example.test",
        .rows = "Max-Breadth: 1\nRequest-Disposition: parallel\n");
    answer(f.alice, "440");
}

/* ---- targets ---- */

static void no_duplicates(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice"), *bob = peer_new(w, "192.0.2.21:5060", "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "-a", 1, "<sip:bob@192.0.2.21:5060;transport=udp>", "");
    answer(bob, "200");
    registers(bob, "bob", "-b", 1, "\"Bob\" <sip:%62ob@192.0.2.21:5060;transport=UDP>", "");
    answer(bob, "200");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "INVITE");
    peer_reply(bob, m, 180, "");
    peer_none(bob, "INVITE", 5000);
    peer_reply(bob, m, 486, "");
    answer(alice, "486");
}

#define TWICE                                                                                      \
    OPEN "function on_call(r)\n"                                                                   \
         "  return route{ 'sip:x@192.0.2.21', 'sip:x@192.0.2.21;transport=udp', 'sip:%78@192.0.2." \
         "21' }\n"                                                                                 \
         "end\n"

static void no_duplicates_of_policy(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice"), *x = peer_new(w, "192.0.2.21:5060", "x");

    ASK(alice, .method = "INVITE", .uri = "sip:group@example.test");
    peer_reply(x, peer_expect(x, "INVITE"), 486, "");
    /* RFC 3261 19.1.4: with and without transport are different URIs; the escape is not. */
    peer_reply(x, peer_expect(x, "INVITE"), 486, "");
    answer(alice, "486");
    CHECK(w, peer_count(x, "INVITE") == 2);
}

static void late_phone_joins(struct world *w)
{
    struct fork f;

    set_up(w, &f, 2, NULL);
    registers(f.b[1], "bob", "b1", 2, "<sip:b1@192.0.2.22:5060>;expires=0", "");
    answer(f.b[1], "200");
    call(&f, 1, "");
    reply(&f, 0, 180, "");
    peer_expect(f.alice, "180");
    peer_none(f.b[1], "INVITE", 1000);
    registers(f.b[1], "bob", "b1", 3, "<sip:b1@192.0.2.22:5060>", "");
    f.invite[1] = peer_expect_within(f.b[1], "INVITE", 2000);
    reply(&f, 1, 200, "");
    peer_ack(f.alice, answer(f.alice, "200"));
    cancelled(&f, 0);
}

static void branches_differ(struct world *w)
{
    struct fork f;

    set_up(w, &f, 3, NULL);
    call(&f, 3, "");
    for (unsigned i = 0; i < 3; i++) {
        struct oh_span a = f.invite[i]->via.branch, b = f.invite[(i + 1) % 3]->via.branch;

        CHECK(w, f.invite[i]->via.cookie && !oh_span_eq(a, b));
        CHECK(w, message_values(f.invite[i], OH_HEADER_VIA) == 2);
        CHECK(w, f.invite[i]->via.has_rport && f.invite[i]->via.rport == 0);
    }
    end(&f, 3);
}

static void groups_of_q(struct world *w)
{
    struct fork f;

    set_up(w, &f, 3, (const char *const[]){"1", "1.0", "0.5"});
    call(&f, 2, "");
    reply(&f, 0, 180, "");
    reply(&f, 1, 180, "");
    peer_none(f.b[2], "INVITE", 29000);
    f.invite[2] = peer_expect_within(f.b[2], "INVITE", 2000);
    cancelled(&f, 0);
    cancelled(&f, 1);
    reply(&f, 2, 486, "");
    answer(f.alice, "486");
}

/* When all of a group have refused, nobody waits for the clock. */
static void next_group_at_once(struct world *w)
{
    struct fork f;

    /* The order of registration is not that of q. */
    set_up(w, &f, 3, (const char *const[]){"0.2", "0.9", "0.5"});
    call(&f, 0, "");
    f.invite[1] = peer_expect(f.b[1], "INVITE");
    CHECK(w, peer_count(f.b[0], "INVITE") + peer_count(f.b[2], "INVITE") == 0);
    reply(&f, 1, 486, "");
    f.invite[2] = peer_expect(f.b[2], "INVITE");
    CHECK(w, peer_count(f.b[0], "INVITE") == 0);
    reply(&f, 2, 404, "");
    f.invite[0] = peer_expect(f.b[0], "INVITE");
    reply(&f, 0, 200, "");
    peer_ack(f.alice, answer(f.alice, "200"));
}

/* ---- responses ---- */

static void all_early_and_all_2xx(struct world *w)
{
    struct fork f;
    const struct oh_msg *m;

    set_up(w, &f, 2, NULL);
    call(&f, 2, "");
    reply(&f, 0, 180, "");
    m = peer_expect(f.alice, "180");
    CHECK(w, oh_span_eq(m->to_tag, OH_LIT("t-b0")));
    reply(&f, 1, 183, "");
    m = peer_expect(f.alice, "183");
    CHECK(w, oh_span_eq(m->to_tag, OH_LIT("t-b1")));
    reply(&f, 0, 200, "");
    m = answer(f.alice, "200");
    CHECK(w, oh_span_eq(m->to_tag, OH_LIT("t-b0")));
    peer_ack(f.alice, m);
    reply(&f, 1, 200, ""); /* crosses our CANCEL */
    m = peer_expect(f.alice, "200");
    CHECK(w, oh_span_eq(m->to_tag, OH_LIT("t-b1")));
    peer_ack(f.alice, m);
    peer_expect(f.b[0], "ACK");
    peer_expect(f.b[1], "ACK");
    world_run(w, 10000);
    reply(&f, 1, 200, ""); /* repeated, although the context has gone */
    m = peer_expect(f.alice, "200");
    CHECK(w, oh_span_eq(m->to_tag, OH_LIT("t-b1")));
}

/* Three answers and what the caller gets of them. */
static void best_response(struct world *w)
{
    static const struct {
        unsigned answer[3];
        const char *want;
    } list[] = {
        {{404, 486, 503}, "4xx"}, {{503, 302, 503}, "302"}, {{486, 603, 404}, "603"},
        {{500, 404, 503}, "404"}, {{480, 407, 486}, "407"}, {{404, 486, 401}, "401"},
        {{484, 486, 404}, "484"}, {{404, 415, 480}, "415"}, {{480, 404, 420}, "420"},
        {{503, 503, 503}, "500"}, {{501, 503, 501}, "501"}, {{302, 600, 486}, "600"},
        {{487, 486, 404}, "486"}, {{487, 480, 487}, "480"}, {{408, 486, 487}, "486"},
    };
    struct fork f;

    set_up(w, &f, 3, NULL);
    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        call(&f, 3, "");
        for (unsigned k = 0; k < 3; k++) {
            CHECK(w, !finals(f.alice));
            reply(&f, k, list[i].answer[k],
                  list[i].answer[k] == 302 ? "Contact: <sip:x@other.test>\n" : "");
        }
        answer(f.alice, list[i].want);
        CHECK_SAY(w, peer_count(f.alice, "503") == 0, "a 503 went up");
        peer_forget(f.alice);
        world_run(w, 50);
    }
}

static void silence(struct world *w)
{
    struct fork f;

    set_up(w, &f, 2, NULL);
    peer_silence(f.b[0], true);
    peer_silence(f.b[1], true);
    ASK(f.alice, .method = "INVITE", .uri = "sip:bob@example.test");
    peer_none(f.alice, "408", 31000);
    check_reply(f.alice, peer_expect_within(f.alice, "408", 2000));
    peer_ack(f.alice, peer_last(f.alice, "408"));
    world_run(w, 40000);
    CHECK(w, peer_count(f.alice, "408") == 1);
}

static void challenges_of_all(struct world *w)
{
    static const char *const rows[] = {
        "WWW-Authenticate: Digest  realm=\"one\", nonce=\"1\"\n",
        ("Proxy-Authenticate: Digest realm=\"two\", nonce=\"2\", algorithm=SHA-256\n"
         "Proxy-Authenticate: Digest realm=\"two\", nonce=\"2\", algorithm=MD5\n"),
        "Proxy-Authenticate: Digest realm=\"three\", nonce=\"3\"\n"};
    struct fork f;
    const struct oh_msg *m;

    set_up(w, &f, 3, NULL);
    call(&f, 3, "");
    for (unsigned i = 0; i < 3; i++)
        reply(&f, i, i ? 407 : 401, rows[i]);
    m = answer(f.alice, "4xx");
    CHECK(w, m->status == 401 || m->status == 407);
    CHECK(w, message_rows(m, OH_HEADER_WWW_AUTHENTICATE) == 1);
    CHECK(w, message_rows(m, OH_HEADER_PROXY_AUTHENTICATE) == 3);
    CHECK(w, message_has(m, "WWW-Authenticate: Digest  realm=\"one\", nonce=\"1\"\r\n"));
    CHECK(w, message_has(m, "Proxy-Authenticate: Digest realm=\"three\", nonce=\"3\"\r\n"));
    const char *all = text_of(m->raw), *sha = strstr(all, "SHA-256"), *md5 = strstr(all, "=MD5");

    CHECK(w, sha && md5 && sha < md5);
    /* The other way round: what comes later joins what was chosen. */
    call(&f, 3, "");
    for (unsigned i = 3; i-- > 0;)
        reply(&f, i, i ? 407 : 401, rows[i]);
    m = answer(f.alice, "4xx");
    CHECK(w, message_rows(m, OH_HEADER_WWW_AUTHENTICATE) == 1);
    CHECK(w, message_rows(m, OH_HEADER_PROXY_AUTHENTICATE) == 3);
}

static void declined(struct world *w)
{
    struct fork f;

    set_up(w, &f, 3, (const char *const[]){"1", "1", "0.3"});
    call(&f, 2, "");
    reply(&f, 1, 180, "");
    peer_expect(f.alice, "180");
    reply(&f, 0, 603, "");
    peer_none(f.alice, "6xx", 0);
    cancelled(&f, 1);
    answer(f.alice, "603");
    peer_none(f.b[2], "INVITE", 60000);
}

static void answer_beats_decline(struct world *w)
{
    struct fork f;

    set_up(w, &f, 2, NULL);
    call(&f, 2, "");
    reply(&f, 1, 180, "");
    reply(&f, 0, 603, "");
    peer_expect(f.b[1], "CANCEL");
    reply(&f, 1, 200, "");
    peer_ack(f.alice, answer(f.alice, "200"));
    peer_none(f.alice, "603", 40000);
}

static void others_are_cancelled(struct world *w)
{
    struct fork f;

    set_up(w, &f, 3, NULL);
    call(&f, 3, "");
    reply(&f, 1, 180, "");
    reply(&f, 0, 200, "");
    peer_ack(f.alice, answer(f.alice, "200"));
    CHECK(w, text_has(value_of(cancelled(&f, 1), OH_HEADER_REASON), "cause=200"));
    /* The third one has said nothing yet, so nothing can be cancelled; that is made up for. */
    CHECK(w, peer_count(f.b[2], "CANCEL") == 0);
    reply(&f, 2, 180, "");
    cancelled(&f, 2);
    CHECK(w, peer_count(f.b[0], "CANCEL") == 0);
    peer_none(f.alice, "487", 40000);
}

static void follows_3xx(struct world *w)
{
    struct fork f;
    struct peer *t = peer_new(w, "192.0.2.60:5060", "t");
    const struct oh_msg *m;

    set_up(w, &f, 1, NULL);
    call(&f, 1, "");
    reply(&f, 0, 302, "Contact: <sip:t@192.0.2.60>, <sip:b0@192.0.2.21:5060>\n");
    m = peer_expect(t, "INVITE");
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:t@192.0.2.60")));
    CHECK(w, !oh_span_eq(m->via.branch, f.invite[0]->via.branch));
    peer_reply(t, m, 180, "");
    peer_expect(f.alice, "180");
    peer_reply(t, m, 200, "");
    peer_ack(f.alice, answer(f.alice, "200"));
    CHECK(w, peer_count(f.alice, "302") == 0 && peer_count(f.b[0], "INVITE") == 1);
}

static void returns_other_schemes(struct world *w)
{
    struct fork f;

    set_up(w, &f, 1, NULL);
    call(&f, 1, "");
    reply(&f, 0, 302, "Contact: <mailto:bob@example.net>\n");
    CHECK(w, text_has(value_of(answer(f.alice, "302"), OH_HEADER_CONTACT), "mailto:"));
}

static void no_recursion(struct world *w)
{
    struct fork f;

    set_up(w, &f, 1, NULL);
    call(&f, 1, "");
    reply(&f, 0, 302, "Contact: <sip:t@192.0.2.60>\n");
    CHECK(w, text_has(value_of(answer(f.alice, "302"), OH_HEADER_CONTACT), "sip:t@192.0.2.60"));
}

/* ---- timers, transport, CANCEL ---- */

static void timer_c(struct world *w)
{
    struct fork f;

    set_up(w, &f, 1, NULL);
    call(&f, 1, "");
    reply(&f, 0, 180, "");
    peer_expect(f.alice, "180");
    peer_none(f.b[0], "CANCEL", 180000); /* more than three minutes */
    peer_expect_within(f.b[0], "CANCEL", 30000);
    peer_reply(f.b[0], peer_last(f.b[0], "CANCEL"), 200, "");
    reply(&f, 0, 487, "");
    answer(f.alice, "408");
    CHECK(w, peer_count(f.alice, "487") == 0);
}

static void timer_c_and_silence(struct world *w)
{
    struct fork f;

    set_up(w, &f, 1, NULL);
    call(&f, 1, "");
    reply(&f, 0, 180, "");
    peer_silence(f.b[0], true);
    check_reply(f.alice, peer_expect_within(f.alice, "408", 260000));
    peer_ack(f.alice, peer_last(f.alice, "408"));
}

static void timer_c_is_reset(struct world *w)
{
    struct fork f;

    set_up(w, &f, 1, NULL);
    call(&f, 1, "");
    for (unsigned minute = 0; minute < 10; minute++) {
        reply(&f, 0, 180, "");
        world_run(w, 60000);
    }
    CHECK(w, peer_count(f.b[0], "CANCEL") == 0);
    reply(&f, 0, 100, ""); /* counts for nothing */
    world_run(w, 119000);
    CHECK(w, peer_count(f.b[0], "CANCEL") == 0);
    world_run(w, 3000);
    CHECK(w, peer_count(f.b[0], "CANCEL") > 0);
    peer_reply(f.b[0], peer_expect(f.b[0], "CANCEL"), 200, "");
    reply(&f, 0, 487, "");
    answer(f.alice, "408");
}

static void one_cannot_be_reached(struct world *w)
{
    struct fork f;

    set_up(w, &f, 2, NULL);
    peer_silence(f.b[0], true);
    network_refuse(w, "192.0.2.21:5060");
    ASK(f.alice, .method = "INVITE", .uri = "sip:bob@example.test");
    f.invite[1] = peer_expect(f.b[1], "INVITE");
    reply(&f, 1, 180, "");
    peer_expect(f.alice, "180");
    peer_none(f.alice, "5xx", 10000);
    reply(&f, 1, 200, "");
    peer_ack(f.alice, answer(f.alice, "200"));
}

static void a_stream_ends(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice"), *bob = peer_new(w, "192.0.2.21:5060", "bob");

    peer_connect(bob);
    peer_register(bob, 3600);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    peer_reply(bob, peer_expect(bob, "INVITE"), 180, "");
    peer_expect(alice, "180");
    peer_disconnect(bob);
    answer(alice, "500");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    answer(alice, "480");
}

static void caller_cancels(struct world *w)
{
    struct fork f;

    set_up(w, &f, 3, (const char *const[]){"1", "1", "0.2"});
    call(&f, 2, "");
    reply(&f, 0, 180, "");
    peer_expect(f.alice, "180");
    peer_cancel(f.alice, "Reason: SIP;cause=600;text=\"bored\"\n");
    peer_expect(f.alice, "200 CANCEL");
    CHECK(w, message_has(cancelled(&f, 0), "bored"));
    CHECK(w, peer_count(f.b[1], "CANCEL") == 0);
    reply(&f, 1, 180, "");
    cancelled(&f, 1);
    answer(f.alice, "487");
    peer_none(f.b[2], "INVITE", 40000);
}

/* After CANCEL nothing new begins, and whoever stays silent cannot keep the caller waiting. */
static void nothing_after_cancel(struct world *w)
{
    struct fork f;
    struct peer *t = peer_new(w, "192.0.2.60:5060", "t");

    set_up(w, &f, 3, NULL);
    registers(f.b[1], "bob", "b1", 2, "<sip:b1@192.0.2.22:5060>;expires=0", "");
    answer(f.b[1], "200");
    ASK(f.alice, .method = "INVITE", .uri = "sip:bob@example.test");
    f.invite[0] = peer_expect(f.b[0], "INVITE");
    f.invite[2] = peer_expect(f.b[2], "INVITE");
    reply(&f, 0, 180, "");
    reply(&f, 2, 180, "");
    peer_cancel(f.alice, "");
    peer_expect(f.alice, "200 CANCEL");
    peer_reply(f.b[0], peer_expect(f.b[0], "CANCEL"), 200, "");
    peer_reply(f.b[2], peer_expect(f.b[2], "CANCEL"), 200, "");
    reply(&f, 2, 302, "Contact: <sip:t@192.0.2.60>\n");
    registers(f.b[1], "bob", "b1", 3, "<sip:b1@192.0.2.22:5060>", "");
    answer(f.b[1], "200");
    peer_none(f.b[1], "INVITE", 3000);
    CHECK(w, peer_count(t, "INVITE") == 0);
    peer_silence(f.b[0], true);
    world_run(w, 60000);
    CHECK_SAY(w, finals(f.alice) >= 2, "no final response after CANCEL");
    CHECK(w, peer_count(f.alice, "408") == 0);
    peer_ack(f.alice, peer_expect(f.alice, peer_count(f.alice, "3xx") ? "3xx" : "487"));
}

static void silent_after_cancel(struct world *w)
{
    struct fork f;

    set_up(w, &f, 1, NULL);
    call(&f, 1, "");
    reply(&f, 0, 180, "");
    peer_expect(f.alice, "180");
    peer_silence(f.b[0], true);
    peer_cancel(f.alice, "");
    peer_expect(f.alice, "200 CANCEL");
    peer_ack(f.alice, peer_expect_within(f.alice, "487", 60000));
    peer_none(f.alice, "408", 40000);
}

static void cancel_of_nothing(struct world *w)
{
    struct fork f;

    set_up(w, &f, 1, NULL);
    ASK(f.alice, .method = "CANCEL", .uri = "sip:bob@example.test");
    answer(f.alice, "481");
    call(&f, 1, "");
    reply(&f, 0, 200, "");
    peer_ack(f.alice, answer(f.alice, "200"));
    peer_cancel(f.alice, "");
    world_run(w, 1000);
    CHECK(w, peer_count(f.b[0], "CANCEL") == 0);
}

static void answer_crosses_cancel(struct world *w)
{
    struct fork f;

    set_up(w, &f, 1, NULL);
    call(&f, 1, "");
    reply(&f, 0, 180, "");
    peer_expect(f.alice, "180");
    peer_cancel(f.alice, "");
    peer_expect(f.alice, "200 CANCEL");
    peer_expect(f.b[0], "CANCEL");
    reply(&f, 0, 200, "");
    peer_ack(f.alice, answer(f.alice, "200 INVITE"));
    peer_none(f.alice, "487", 40000);
}

/* ---- other methods ---- */

static void one_final_of_a_message(struct world *w)
{
    struct fork f;
    const struct oh_msg *m[2];

    set_up(w, &f, 2, NULL);
    ASK(f.alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    for (unsigned i = 0; i < 2; i++)
        m[i] = peer_expect(f.b[i], "MESSAGE");
    peer_reply(f.b[0], m[0], 200, "");
    answer(f.alice, "200");
    peer_reply(f.b[1], m[1], 200, "");
    peer_none(f.alice, "", 60000);
    CHECK(w, peer_count(f.b[1], "CANCEL") == 0);
}

static void no_408_of_a_message(struct world *w)
{
    struct fork f;

    set_up(w, &f, 1, NULL);
    peer_silence(f.b[0], true);
    ASK(f.alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    world_run(w, 60000);
    CHECK(w, !finals(f.alice));
}

static const struct conformance_case cases[] = {
    CASE("PRX-004", "a request that comes back unchanged is a loop", loop),
    CASE("PRX-004", "a request that comes back for another user is a spiral", spiral),
    CASE("SEC-005 PRX-004", "users who forward to each other do not multiply", cross_forwarding),
    CASE("PRX-005", "Max-Breadth is shared out among the branches", breadth_of_its_own),
    CASE("PRX-005", "Max-Breadth is no count of hops", breadth_is_no_hop_count),
    CASE("PRX-005", "a breadth of one is one phone after the other, or 440", breadth_of_one),
    CASE("PRX-013", "equal bindings are one branch", no_duplicates),
    CASE("PRX-013", "equal targets of a policy are one branch", no_duplicates_of_policy,
         .lua = TWICE),
    CASE("PRX-013", "a phone that registers while it rings joins", late_phone_joins),
    CASE("PRX-018", "each branch has a name of its own", branches_differ),
    CASE("PRX-021", "every early answer and every 2xx goes up", all_early_and_all_2xx),
    CASE("PRX-023 PRX-024", "the best of several refusals", best_response, .lua = NO_RECURSION),
    CASE("PRX-023", "silence of all is 408", silence),
    CASE("PRX-025", "the challenges of all branches go up", challenges_of_all),
    CASE("PRX-026", "a 6xx ends the others and waits for them", declined),
    CASE("PRX-026", "an answer that crosses a 6xx wins", answer_beats_decline),
    CASE("PRX-027", "after an answer the others are cancelled", others_are_cancelled),
    CASE("PRX-028", "a 3xx of a phone is followed", follows_3xx),
    CASE("PRX-028", "contacts that are no SIP go back to the caller", returns_other_schemes),
    CASE("PRX-028", "nothing is followed when the settings say so", no_recursion,
         .lua = NO_RECURSION),
    CASE("PRX-030 PRX-018", "Timer C cancels, and the caller gets 408", timer_c),
    CASE("PRX-030", "Timer C and a phone that has died", timer_c_and_silence),
    CASE("PRX-022", "101 to 199 reset Timer C, 100 does not", timer_c_is_reset),
    CASE("PRX-031", "one phone that cannot be reached disturbs no other", one_cannot_be_reached),
    CASE("PRX-031", "a stream that ends is a 503 of its branch", a_stream_ends),
    CASE("PRX-032", "CANCEL reaches every phone, now or when it rings", caller_cancels),
    CASE("PRX-032", "after CANCEL nothing new begins", nothing_after_cancel),
    CASE("PRX-032", "silence after CANCEL is 487", silent_after_cancel),
    CASE("PRX-032", "CANCEL of nothing is 481", cancel_of_nothing),
    CASE("PRX-032 PRX-021", "an answer that crosses the CANCEL reaches the caller",
         answer_crosses_cancel),
    CASE("PRX-035", "a MESSAGE to two phones has one answer", one_final_of_a_message),
    CASE("PRX-035", "no 408 to a MESSAGE", no_408_of_a_message),
    CASE("PRX-038", "equal q at once, lower q after the ring time", groups_of_q),
    CASE("PRX-038", "the next group follows at once when all refuse", next_group_at_once),
};

CONFORMANCE_CHAPTER(forking, cases);
