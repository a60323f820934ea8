/* The location service: RFC 3261 10.3, expiry, streams, sources, cursors, journals, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>
#include <cmocka.h>

#include <offhook/arena.h>

#include "serve/location.h"
#include "store/store.h"
#include "unit/alloc_fail.h"

#define WALL 1000000u /* ms; the time at which most tests happen */

static const uint8_t key[16] = "location-test-k";

struct fixture {
    struct oh__location *loc;
    struct oh_arena arena;
    struct oh__binding_list out;
    enum oh__registered done;
    uint64_t wall;
};

static void begin(struct fixture *f, uint32_t bindings_max)
{
    memset(f, 0, sizeof(*f));
    f->loc = oh__location_new(oh_alloc_default(), key, bindings_max);
    assert_non_null(f->loc);
    oh_arena_init(&f->arena, oh_alloc_default(), 1 << 20);
    f->wall = WALL;
}

static void end(struct fixture *f)
{
    struct oh__location_stats stats;

    oh__location_stats(f->loc, &stats);
    assert_true(stats.bindings >= stats.aors);
    oh__location_free(f->loc);
    oh_arena_done(&f->arena);
}

static struct oh_addr address(const char *text)
{
    struct oh_addr a;

    assert_int_equal(oh_addr_parse_port(oh_span_str(text), &a), OH_OK);
    return a;
}

/* A contact for `seconds`, 0 to remove, from a UDP source. */
static struct oh__binding contact(const char *uri, unsigned seconds)
{
    return (struct oh__binding){
        .contact = oh_span_str(uri),
        .expires_at = seconds ? WALL + seconds * UINT64_C(1000) : 0,
        .user_agent = OH_LIT("test/1"),
        .flow = {.local = address("192.0.2.1:5060"),
                 .peer = address("198.51.100.7:5070"),
                 .transport = OH_TRANSPORT_UDP,
                 .listener = 3},
    };
}

static int reg(struct fixture *f, const char *aor, const char *call_id, uint32_t cseq, unsigned n,
               const struct oh__binding *contacts)
{
    struct oh__registration r = {
        .aor = oh_span_str(aor),
        .call_id = oh_span_str(call_id),
        .cseq = cseq,
        .contacts_n = n,
        .contacts = contacts,
        .wall = f->wall,
        .contacts_max = 10,
    };

    return oh__location_register(f->loc, &r, NULL, &f->arena, &f->out, &f->done);
}

static int reg1(struct fixture *f, const char *call_id, uint32_t cseq, const char *uri,
                unsigned seconds)
{
    struct oh__binding b = contact(uri, seconds);

    return reg(f, "alice@example.test", call_id, cseq, 1, &b);
}

static int star(struct fixture *f, const char *call_id, uint32_t cseq)
{
    struct oh__registration r = {
        .aor = OH_LIT("alice@example.test"),
        .call_id = oh_span_str(call_id),
        .cseq = cseq,
        .star = true,
        .wall = f->wall,
        .contacts_max = 10,
    };

    return oh__location_register(f->loc, &r, NULL, &f->arena, &f->out, &f->done);
}

/* How many bindings alice has at the fixture's time. */
static unsigned count(struct fixture *f)
{
    assert_int_equal(
        oh__location_get(f->loc, OH_LIT("alice@example.test"), f->wall, &f->arena, &f->out), OH_OK);
    return f->out.n;
}

static void assert_span(struct oh_span s, const char *text)
{
    assert_true(oh_span_eq(s, oh_span_str(text)));
}

static void a_binding_keeps_everything(void **state)
{
    struct oh__binding b = contact("sip:alice@198.51.100.7:5070;x=1", 60);
    struct fixture f;

    (void)state;
    begin(&f, 100);
    b.params = OH_LIT(";+sip.instance=\"<urn:uuid:1>\";methods=\"INVITE\"");
    b.path = OH_LIT("<sip:edge.example.test;lr>");
    b.q = 700;
    b.has_q = b.nat = true;
    b.flow.local = address("[2001:db8::1]:5061");
    b.flow.peer = address("[fe80::1%7]:6000");
    b.rtt_us = 5;
    assert_int_equal(reg(&f, "alice@example.test", "call-1", 9, 1, &b), OH_OK);
    assert_int_equal(f.done, OH__REG_DONE);
    for (int again = 0; again < 2; again++) {
        const struct oh__binding *v = &f.out.v[0];

        assert_int_equal(f.out.n, 1);
        assert_span(v->contact, "sip:alice@198.51.100.7:5070;x=1");
        assert_span(v->params, ";+sip.instance=\"<urn:uuid:1>\";methods=\"INVITE\"");
        assert_span(v->path, "<sip:edge.example.test;lr>");
        assert_span(v->call_id, "call-1");
        assert_span(v->user_agent, "test/1");
        assert_int_equal(v->cseq, 9);
        assert_int_equal(v->q, 700);
        assert_true(v->has_q && v->nat && v->reachable);
        assert_int_equal(v->expires_at, WALL + 60000);
        assert_int_equal(v->updated_at, WALL);
        assert_true(oh_addr_eq(&v->flow.local, &b.flow.local));
        assert_true(oh_addr_eq(&v->flow.peer, &b.flow.peer));
        assert_int_equal(v->flow.peer.scope, 7);
        assert_int_equal(v->flow.transport, OH_TRANSPORT_UDP);
        assert_int_equal(v->flow.listener, 3);
        assert_int_equal(v->rtt_us, 5);
        assert_int_not_equal(v->id, 0);
        assert_int_equal(count(&f), 1);
    }
    end(&f);
}

/* RFC 3261 10.3 step 7, REG-011: a list of requests and what each must do. */
static void order_of_requests(void **state)
{
    static const struct {
        const char *call_id, *uri;
        uint32_t cseq, seconds;
        int rc;
        enum oh__registered done;
        unsigned left;
    } rows[] = {
        {"a", "sip:alice@10.0.0.1", 5, 60, OH_OK, OH__REG_DONE, 1},
        {"a", "sip:alice@10.0.0.1", 5, 60, OH_OK, OH__REG_REPEATED, 1},
        {"a", "sip:alice@10.0.0.1", 5, 90, OH_E_STATE, 0, 1},   /* other expiry */
        {"a", "sip:alice@10.0.0.1", 5, 0, OH_E_STATE, 0, 1},    /* other intent */
        {"a", "sip:alice@10.0.0.1", 4, 60, OH_E_STATE, 0, 1},   /* from the past */
        {"a", "sip:%61lice@10.0.0.1", 4, 60, OH_E_STATE, 0, 1}, /* an equal URI */
        {"a", "sip:alice@10.0.0.1", 6, 60, OH_OK, OH__REG_DONE, 1},
        {"b", "sip:alice@10.0.0.1", 1, 60, OH_OK, OH__REG_DONE, 1}, /* a reboot */
        {"a", "sip:alice@10.0.0.1", 6, 60, OH_OK, OH__REG_DONE, 1}, /* another Call-ID again */
        {"a", "sip:alice@10.0.0.2", 7, 60, OH_OK, OH__REG_DONE, 2},
        {"a", "sip:alice@10.0.0.3", 8, 0, OH_OK, OH__REG_DONE, 2}, /* nothing to remove */
        {"c", "sip:alice@10.0.0.2", 1, 0, OH_OK, OH__REG_DONE, 1},
        {"a", "sip:alice@10.0.0.1", 9, 0, OH_OK, OH__REG_DONE, 0},
        {"a", "sip:alice@10.0.0.1", 9, 0, OH_OK, OH__REG_DONE, 0},
    };
    struct fixture f;

    (void)state;
    begin(&f, 100);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int rc = reg1(&f, rows[i].call_id, rows[i].cseq, rows[i].uri, rows[i].seconds);

        if (rc != rows[i].rc || (rc == OH_OK && f.done != rows[i].done) ||
            (rc == OH_OK && f.out.n != rows[i].left) || count(&f) != rows[i].left)
            fail_msg("row %zu: %d", i, rc);
    }
    end(&f);
}

/* A request whose nonce count was used before may repeat, and nothing else; and what changed is
 * told. */
static void only_a_repetition(void **state)
{
    struct oh__binding b = contact("sip:alice@10.0.0.1", 60);
    struct oh__registration r = {.aor = OH_LIT("alice@example.test"),
                                 .call_id = OH_LIT("a"),
                                 .cseq = 5,
                                 .contacts_n = 1,
                                 .contacts = &b,
                                 .wall = WALL,
                                 .contacts_max = 10,
                                 .repeat_only = true};
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(oh__location_register(f.loc, &r, NULL, &f.arena, &f.out, &f.done), OH_E_STATE);
    assert_int_equal(count(&f), 0);
    r.repeat_only = false;
    assert_int_equal(oh__location_register(f.loc, &r, NULL, &f.arena, &f.out, &f.done), OH_OK);
    assert_int_equal(f.out.added, 1);
    assert_int_equal(f.out.removed, 0);
    r.repeat_only = true;
    assert_int_equal(oh__location_register(f.loc, &r, NULL, &f.arena, &f.out, &f.done), OH_OK);
    assert_int_equal(f.done, OH__REG_REPEATED);
    assert_int_equal(f.out.added, 0);
    r.cseq = 6;
    assert_int_equal(oh__location_register(f.loc, &r, NULL, &f.arena, &f.out, &f.done), OH_E_STATE);
    r.contacts_n = 0;
    assert_int_equal(oh__location_register(f.loc, &r, NULL, &f.arena, &f.out, &f.done), OH_E_STATE);
    assert_int_equal(reg1(&f, "b", 1, "sip:alice@10.0.0.2", 60), OH_OK);
    assert_int_equal(reg1(&f, "b", 2, "sip:alice@10.0.0.2", 0), OH_OK);
    assert_int_equal(f.out.added, 0);
    assert_int_equal(f.out.removed, 1);
    assert_int_equal(star(&f, "c", 1), OH_OK);
    assert_int_equal(f.out.removed, 1);
    end(&f);
}

/* REG-008 and REG-012: all or nothing. */
static void failures_change_nothing(void **state)
{
    struct oh__binding two[2];
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(reg1(&f, "a", 5, "sip:alice@10.0.0.1", 60), OH_OK);
    assert_int_equal(reg1(&f, "b", 9, "sip:alice@10.0.0.2", 60), OH_OK);
    two[0] = contact("sip:alice@10.0.0.3", 60);
    two[1] = contact("sip:alice@10.0.0.1", 60);
    assert_int_equal(reg(&f, "alice@example.test", "a", 5, 2, two), OH_E_STATE);
    assert_int_equal(reg(&f, "alice@example.test", "a", 4, 2, two), OH_E_STATE);
    assert_int_equal(star(&f, "b", 9), OH_E_STATE);
    assert_int_equal(count(&f), 2);
    assert_int_equal(star(&f, "b", 10), OH_OK);
    assert_int_equal(f.out.n, 0);
    assert_int_equal(count(&f), 0);
    assert_int_equal(star(&f, "b", 10), OH_OK); /* its retransmission */
    end(&f);
}

static void contacts_of_one_request(void **state)
{
    struct oh__binding three[3];
    struct fixture f;

    (void)state;
    begin(&f, 100);
    /* The same contact twice in one request: the last one counts, nobody used a CSeq twice. */
    three[0] = contact("sip:alice@10.0.0.1", 60);
    three[1] = contact("sip:alice@10.0.0.2", 60);
    three[2] = contact("sip:alice@10.0.0.1", 90);
    assert_int_equal(reg(&f, "alice@example.test", "a", 1, 3, three), OH_OK);
    assert_int_equal(f.out.n, 2);
    assert_int_equal(reg(&f, "alice@example.test", "a", 2, 3, three), OH_OK);
    assert_int_equal(f.out.n, 2);
    assert_span(f.out.v[1].contact, "sip:alice@10.0.0.1");
    assert_int_equal(f.out.v[1].expires_at, WALL + 90000);
    /* One stays, one goes, one comes. */
    three[0] = contact("sip:alice@10.0.0.3", 60);
    three[1] = contact("sip:alice@10.0.0.2", 0);
    assert_int_equal(reg(&f, "alice@example.test", "a", 3, 2, three), OH_OK);
    assert_int_equal(f.out.n, 2);
    assert_span(f.out.v[0].contact, "sip:alice@10.0.0.1");
    assert_span(f.out.v[1].contact, "sip:alice@10.0.0.3");
    end(&f);
}

/* REG-023: bounds per AOR and of the table. */
static void bounds(void **state)
{
    struct oh__binding many[33];
    char uri[33][40];
    struct fixture f;

    (void)state;
    begin(&f, 12);
    for (unsigned i = 0; i < 33; i++) {
        snprintf(uri[i], sizeof(uri[i]), "sip:alice@10.0.0.%u", i + 1);
        many[i] = contact(uri[i], 60);
    }
    assert_int_equal(reg(&f, "alice@example.test", "a", 1, 33, many), OH_E_LIMIT);
    assert_int_equal(reg(&f, "alice@example.test", "a", 1, 11, many), OH_E_LIMIT);
    assert_int_equal(reg(&f, "alice@example.test", "a", 1, 10, many), OH_OK);
    assert_int_equal(f.out.n, 10);
    assert_int_equal(reg(&f, "alice@example.test", "a", 2, 1, many + 10), OH_E_LIMIT);
    assert_int_equal(count(&f), 10);
    /* One goes and one comes: ten afterwards. */
    many[9].expires_at = 0;
    assert_int_equal(reg(&f, "alice@example.test", "a", 3, 2, many + 9), OH_OK);
    assert_int_equal(f.out.n, 10);
    /* The table has room for two more. */
    many[9].expires_at = WALL + 60000;
    assert_int_equal(reg(&f, "bob@example.test", "b", 1, 3, many), OH_E_FULL);
    assert_int_equal(reg(&f, "bob@example.test", "b", 1, 2, many), OH_OK);
    assert_int_equal(reg(&f, "carol@example.test", "c", 1, 1, many), OH_E_FULL);
    assert_int_equal(star(&f, "z", 1), OH_OK);
    assert_int_equal(reg(&f, "carol@example.test", "c", 1, 10, many), OH_OK);
    end(&f);
}

static void too_long_texts_are_refused(void **state)
{
    struct oh__binding b = contact("sip:alice@10.0.0.1", 60);
    char *text = calloc(1, 70000);
    struct fixture f;

    (void)state;
    begin(&f, 12);
    memset(text, 'x', 70000);
    b.path = oh_span(text, 70000);
    assert_int_equal(reg(&f, "alice@example.test", "a", 1, 1, &b), OH_E_LIMIT);
    assert_int_equal(count(&f), 0);
    assert_int_equal(reg(&f, "", "a", 1, 1, &b), OH_E_SYNTAX);
    free(text);
    end(&f);
}

/* REG-014. */
static void a_fetch_changes_nothing(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 12);
    assert_int_equal(reg(&f, "alice@example.test", "x", 1, 0, NULL), OH_OK);
    assert_int_equal(f.done, OH__REG_FETCHED);
    assert_int_equal(f.out.n, 0);
    assert_int_equal(oh__location_version(f.loc, OH_LIT("alice@example.test")), 0);
    assert_int_equal(reg1(&f, "a", 5, "sip:alice@10.0.0.1", 60), OH_OK);
    assert_int_equal(reg(&f, "alice@example.test", "a", 1, 0, NULL), OH_OK);
    assert_int_equal(f.done, OH__REG_FETCHED);
    assert_int_equal(f.out.n, 1);
    end(&f);
}

/* REG-028. */
static void expiry(void **state)
{
    struct oh__location_stats stats;
    unsigned gone = 0;
    uint64_t version;
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(reg1(&f, "a", 5, "sip:alice@10.0.0.1", 60), OH_OK);
    assert_int_equal(reg1(&f, "b", 5, "sip:alice@10.0.0.2", 120), OH_OK);
    version = oh__location_version(f.loc, OH_LIT("alice@example.test"));
    f.wall = WALL + 59999;
    assert_int_equal(count(&f), 2);
    f.wall = WALL + 60000;
    assert_int_equal(count(&f), 1);
    /* What has expired cannot be out of order. */
    for (int i = 0; i < 32; i++)
        gone += oh__location_sweep(f.loc, f.wall);
    assert_int_equal(gone, 1);
    assert_true(oh__location_version(f.loc, OH_LIT("alice@example.test")) > version);
    oh__location_stats(f.loc, &stats);
    assert_int_equal(stats.bindings, 1);
    f.wall = WALL + 120000;
    assert_int_equal(count(&f), 0);
    for (int i = 0; i < 32; i++)
        gone += oh__location_sweep(f.loc, f.wall);
    assert_int_equal(gone, 2);
    assert_int_equal(oh__location_version(f.loc, OH_LIT("alice@example.test")), 0);
    oh__location_stats(f.loc, &stats);
    assert_int_equal(stats.aors, 0);
    end(&f);
}

static void an_expired_call_id_does_not_count(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(reg1(&f, "a", 5, "sip:alice@10.0.0.1", 60), OH_OK);
    f.wall = WALL + 60000;
    assert_int_equal(reg1(&f, "a", 1, "sip:alice@10.0.0.1", 3600), OH_OK);
    assert_int_equal(count(&f), 1);
    end(&f);
}

static void streams(void **state)
{
    struct oh__binding b = contact("sip:alice@10.0.0.1;transport=tcp", 60);
    uint64_t version;
    struct fixture f;

    (void)state;
    begin(&f, 100);
    b.flow.transport = OH_TRANSPORT_TCP;
    b.flow.id = 77;
    assert_int_equal(reg(&f, "alice@example.test", "a", 1, 1, &b), OH_OK);
    assert_int_equal(reg(&f, "bob@example.test", "a", 1, 1, &b), OH_OK);
    assert_int_equal(reg1(&f, "b", 1, "sip:alice@10.0.0.9", 60), OH_OK);
    version = oh__location_version(f.loc, OH_LIT("alice@example.test"));
    assert_int_equal(oh__location_flow_closed(f.loc, 0), 0);
    assert_int_equal(oh__location_flow_closed(f.loc, 76), 0);
    assert_int_equal(oh__location_flow_closed(f.loc, 77), 2);
    assert_int_equal(oh__location_flow_closed(f.loc, 77), 0);
    assert_true(oh__location_version(f.loc, OH_LIT("alice@example.test")) > version);
    assert_int_equal(count(&f), 2);
    assert_false(f.out.v[0].reachable);
    assert_true(f.out.v[1].reachable);
    /* A refresh on a new connection makes it reachable again; the old one's end means nothing. */
    b.flow.id = 78;
    assert_int_equal(reg(&f, "alice@example.test", "a", 2, 1, &b), OH_OK);
    assert_true(f.out.v[0].reachable);
    b.flow.id = 79;
    assert_int_equal(reg(&f, "alice@example.test", "a", 3, 1, &b), OH_OK);
    assert_int_equal(oh__location_flow_closed(f.loc, 78), 0);
    assert_int_equal(star(&f, "z", 1), OH_OK);
    assert_int_equal(oh__location_flow_closed(f.loc, 79), 0);
    end(&f);
}

static void many_on_one_stream(void **state)
{
    struct oh__binding b = contact("sip:x@10.0.0.1;transport=tcp", 60);
    char aor[32];
    struct fixture f;

    (void)state;
    begin(&f, 5000);
    b.flow.transport = OH_TRANSPORT_TCP;
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(aor, sizeof(aor), "u%u@example.test", i);
        b.flow.id = 1 + i % 3;
        assert_int_equal(reg(&f, aor, "a", 1, 1, &b), OH_OK);
        oh_arena_reset(&f.arena);
    }
    assert_int_equal(oh__location_flow_closed(f.loc, 2), 1000);
    b.expires_at = 0;
    for (unsigned i = 0; i < 3000; i += 6) {
        snprintf(aor, sizeof(aor), "u%u@example.test", i);
        assert_int_equal(reg(&f, aor, "a", 2, 1, &b), OH_OK);
        oh_arena_reset(&f.arena);
    }
    assert_int_equal(oh__location_flow_closed(f.loc, 1), 500);
    assert_int_equal(oh__location_flow_closed(f.loc, 3), 1000);
    end(&f);
}

static void sources(void **state)
{
    struct oh_addr other = address("203.0.113.5:1"), peer = address("198.51.100.7:9");
    struct oh_addr mapped = address("[::ffff:198.51.100.7]:4");
    struct oh__binding b = contact("sip:alice@10.0.0.2", 60);
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_false(oh__location_has_source(f.loc, &peer));
    assert_int_equal(reg1(&f, "a", 1, "sip:alice@10.0.0.1", 60), OH_OK);
    assert_int_equal(reg1(&f, "b", 1, "sip:alice@10.0.0.2", 60), OH_OK);
    assert_true(oh__location_has_source(f.loc, &peer));
    assert_true(oh__location_has_source(f.loc, &mapped));
    assert_false(oh__location_has_source(f.loc, &other));
    /* One of the two moves: both addresses have one. */
    b.flow.peer = other;
    assert_int_equal(reg(&f, "alice@example.test", "b", 2, 1, &b), OH_OK);
    assert_true(oh__location_has_source(f.loc, &peer));
    assert_true(oh__location_has_source(f.loc, &other));
    assert_int_equal(reg1(&f, "a", 2, "sip:alice@10.0.0.1", 0), OH_OK);
    assert_false(oh__location_has_source(f.loc, &peer));
    for (int i = 0; i < 32; i++)
        oh__location_sweep(f.loc, WALL + 60000);
    assert_false(oh__location_has_source(f.loc, &other));
    end(&f);
}

static void round_trips(void **state)
{
    struct oh__binding b = contact("sip:alice@10.0.0.1", 60);
    uint64_t id;
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(reg(&f, "alice@example.test", "a", 1, 1, &b), OH_OK);
    id = f.out.v[0].id;
    oh__location_rtt(f.loc, OH_LIT("alice@example.test"), id + 1, 1);
    oh__location_rtt(f.loc, OH_LIT("nobody@example.test"), id, 1);
    assert_int_equal(count(&f), 1);
    assert_int_equal(f.out.v[0].rtt_us, 0);
    oh__location_rtt(f.loc, OH_LIT("alice@example.test"), id, 4711);
    assert_int_equal(count(&f), 1);
    assert_int_equal(f.out.v[0].rtt_us, 4711);
    /* A refresh keeps id and round trip; one from elsewhere keeps the id only. */
    assert_int_equal(reg(&f, "alice@example.test", "a", 2, 1, &b), OH_OK);
    assert_int_equal(f.out.v[0].id, id);
    assert_int_equal(f.out.v[0].rtt_us, 4711);
    b.flow.peer.port++;
    assert_int_equal(reg(&f, "alice@example.test", "a", 3, 1, &b), OH_OK);
    assert_int_equal(f.out.v[0].id, id);
    assert_int_equal(f.out.v[0].rtt_us, 0);
    end(&f);
}

/* ---- cursors ---- */

#define MANY 20000

static void put_many(struct fixture *f, unsigned from, unsigned to, uint32_t cseq, unsigned seconds)
{
    struct oh__binding b = contact("sip:phone@10.0.0.1", seconds);
    char aor[40];

    for (unsigned i = from; i < to; i++) {
        snprintf(aor, sizeof(aor), "user%u@example.test", i);
        b.flow.peer.ip[2] = (uint8_t)(i >> 8);
        b.flow.peer.ip[3] = (uint8_t)i;
        assert_int_equal(reg(f, aor, "call", cseq, 1, &b), OH_OK);
        oh_arena_reset(&f->arena);
    }
}

/* Walks the whole table, doing something halfway; counts how often each user is seen. */
static void walk(struct fixture *f, uint8_t *seen, void (*halfway)(struct fixture *f))
{
    struct oh__location_cursor cursor = {0};
    struct oh_span aor;
    uint64_t version;
    uint32_t n, steps = 0;
    int rc;

    memset(seen, 0, 2 * MANY);
    while ((rc = oh__location_next(f->loc, &cursor, &f->arena, &aor, &version, &f->out)) == OH_OK) {
        struct oh_span digits = oh_span_head(oh_span_from(aor, 4), aor.n - 4 - 13);

        assert_int_equal(oh_span_u32(digits, 2 * MANY - 1, &n), OH_OK);
        seen[n]++;
        assert_int_equal(f->out.n, 1);
        assert_true(version > 0);
        oh_arena_reset(&f->arena);
        if (halfway && ++steps == MANY / 2)
            halfway(f);
    }
    assert_int_equal(rc, OH_E_ABSENT);
}

static void double_it(struct fixture *f)
{
    put_many(f, MANY, 2 * MANY, 1, 60);
}

static void halve_it(struct fixture *f)
{
    put_many(f, MANY, 2 * MANY, 2, 0);
}

static void cursors_see_everything_once(void **state)
{
    uint8_t *seen = malloc(2 * MANY);
    void (*const halfway[])(struct fixture * f) = {NULL, double_it, halve_it, NULL};
    struct oh__location_stats stats;
    struct fixture f;

    (void)state;
    begin(&f, 100000);
    put_many(&f, 0, MANY, 1, 60);
    for (size_t i = 0; i < sizeof(halfway) / sizeof(halfway[0]); i++) {
        walk(&f, seen, halfway[i]);
        for (unsigned n = 0; n < MANY; n++)
            assert_int_equal(seen[n], 1);
        for (unsigned n = MANY; n < 2 * MANY; n++)
            assert_true(seen[n] <= 1);
    }
    oh__location_stats(f.loc, &stats);
    assert_int_equal(stats.aors, MANY);
    assert_int_equal(stats.bindings, MANY);
    free(seen);
    end(&f);
}

/* ---- journal and replay ---- */

static int restore(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    struct fixture *f = ctx;

    return oh__location_restore(f->loc, aor, version, record, f->wall);
}

static void records_restore_what_was(void **state)
{
    struct oh__binding b[3] = {contact("sip:alice@10.0.0.1", 60), contact("sip:alice@10.0.0.2", 90),
                               contact("sip:alice@10.0.0.3;transport=tcp", 90)};
    struct oh_span record;
    uint64_t version;
    struct fixture f, g;

    (void)state;
    begin(&f, 100);
    begin(&g, 2);
    b[2].flow.transport = OH_TRANSPORT_TCP;
    b[2].flow.id = 5;
    assert_int_equal(reg(&f, "alice@example.test", "a", 7, 3, b), OH_OK);
    version = oh__location_version(f.loc, OH_LIT("alice@example.test"));
    assert_int_equal(oh__location_encode(&f.out, &f.arena, &record), OH_OK);

    /* Too small a table says so; later, when the first has expired, there is room. */
    assert_int_equal(
        oh__location_restore(g.loc, OH_LIT("alice@example.test"), version, record, WALL),
        OH_E_FULL);
    g.wall = WALL + 60000;
    assert_int_equal(restore(&g, OH_LIT("alice@example.test"), version, record), OH_OK);
    assert_int_equal(count(&g), 2);
    assert_span(g.out.v[0].contact, "sip:alice@10.0.0.2");
    assert_true(g.out.v[0].reachable);
    assert_span(g.out.v[1].contact, "sip:alice@10.0.0.3;transport=tcp");
    assert_false(g.out.v[1].reachable);
    assert_int_equal(g.out.v[1].flow.id, 0);
    assert_int_equal(g.out.v[1].cseq, 7);
    assert_int_not_equal(g.out.v[0].id, g.out.v[1].id);
    assert_int_equal(oh__location_version(g.loc, OH_LIT("alice@example.test")), version);

    /* An older version means nothing, a newer one everything; the next change is newer still. */
    f.out.n = 0;
    assert_int_equal(oh__location_encode(&f.out, &f.arena, &record), OH_OK);
    assert_int_equal(restore(&g, OH_LIT("alice@example.test"), version - 1, record), OH_OK);
    assert_int_equal(count(&g), 2);
    assert_int_equal(restore(&g, OH_LIT("alice@example.test"), version + 50, record), OH_OK);
    assert_int_equal(count(&g), 0);
    g.wall = WALL;
    assert_int_equal(reg1(&g, "n", 1, "sip:alice@10.0.0.1", 60), OH_OK);
    assert_true(oh__location_version(g.loc, OH_LIT("alice@example.test")) > version + 50);
    end(&f);
    end(&g);
}

static void hostile_records_are_refused(void **state)
{
    struct oh__binding b[2] = {contact("sip:alice@10.0.0.1", 60),
                               contact("sip:alice@10.0.0.2", 90)};
    struct oh_span record;
    unsigned accepted = 0;
    struct fixture f, g;

    (void)state;
    begin(&f, 100);
    begin(&g, 1000000);
    assert_int_equal(reg(&f, "alice@example.test", "a", 7, 2, b), OH_OK);
    assert_int_equal(oh__location_encode(&f.out, &f.arena, &record), OH_OK);
    /* Every truncation, in a block of its exact size so that a sanitizer sees one byte too far. */
    for (size_t n = 0; n < record.n; n++) {
        char *cut = malloc(n ? n : 1);

        memcpy(cut, record.p, n);
        assert_int_equal(restore(&g, OH_LIT("x"), 1, oh_span(cut, n)), OH_E_CORRUPT);
        free(cut);
    }
    /* Every byte with every bit flipped: refused, or another record that is well formed. */
    for (size_t i = 0; i < record.n * 8; i++) {
        char *bad = malloc(record.n);

        memcpy(bad, record.p, record.n);
        bad[i / 8] = (char)(bad[i / 8] ^ 1 << i % 8);
        if (restore(&g, OH_LIT("x"), i + 2, oh_span(bad, record.n)) == OH_OK)
            accepted++;
        free(bad);
    }
    assert_true(accepted > 0);
    assert_int_equal(restore(&g, OH_LIT(""), 1, record), OH_E_CORRUPT);
    end(&f);
    end(&g);
}

static int next_record(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    struct {
        struct fixture *f;
        struct oh__location_cursor cursor;
    } *walker = ctx;
    struct fixture *f = walker->f;
    int rc;

    oh_arena_reset(&f->arena);
    rc = oh__location_next(f->loc, &walker->cursor, &f->arena, aor, version, &f->out);
    return rc == OH_OK ? oh__location_encode(&f->out, &f->arena, record) : rc;
}

static struct oh__store *open_store(const char *dir)
{
    struct oh__store_options options = {.dir = dir, .workers = 1, .segment_bytes = 65536};
    char why[OH__STORE_WHY];
    struct oh__store *store;

    if (oh__store_open(&options, &store, why) != OH_OK)
        fail_msg("%s", why);
    return store;
}

/* Through the journal, a snapshot, and the journal again. */
static void a_restart_brings_bindings_back(void **state)
{
    char dir[] = "/tmp/oh_location_XXXXXX", why[OH__STORE_WHY], aor[32], command[64];
    struct oh__binding b = contact("sip:phone@10.0.0.1", 60);
    struct oh__registration r = {
        .call_id = OH_LIT("c"), .contacts_n = 1, .contacts = &b, .wall = WALL, .contacts_max = 10};
    struct oh__store *store;
    struct fixture f, g;
    struct {
        struct fixture *f;
        struct oh__location_cursor cursor;
    } walker = {.f = &f};

    (void)state;
    assert_non_null(mkdtemp(dir));
    begin(&f, 10000);
    begin(&g, 10000);
    store = open_store(dir);
    assert_int_equal(oh__store_replay(store, restore, &f, why), OH_OK);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(aor, sizeof(aor), "u%u@example.test", i % 500);
        r.aor = oh_span_str(aor);
        r.cseq = i + 1;
        b.expires_at = i % 7 == 0 ? 0 : WALL + 60000;
        assert_int_equal(oh__location_register(f.loc, &r, oh__store_journal(store, 0), &f.arena,
                                               &f.out, &f.done),
                         OH_OK);
        assert_int_equal(oh__journal_commit(oh__store_journal(store, 0)), OH_OK);
        oh_arena_reset(&f.arena);
        if (i == 1500)
            assert_int_equal(oh__store_compact(store, next_record, &walker), OH_OK);
    }
    oh__store_close(store);
    store = open_store(dir);
    assert_int_equal(oh__store_replay(store, restore, &g, why), OH_OK);
    assert_string_equal(why, "");
    for (unsigned i = 0; i < 500; i++) {
        struct oh__binding_list was;

        snprintf(aor, sizeof(aor), "u%u@example.test", i);
        assert_int_equal(oh__location_get(f.loc, oh_span_str(aor), WALL, &f.arena, &was), OH_OK);
        assert_int_equal(oh__location_get(g.loc, oh_span_str(aor), WALL, &g.arena, &g.out), OH_OK);
        assert_int_equal(was.n, g.out.n);
        if (was.n)
            assert_int_equal(was.v[0].cseq, g.out.v[0].cseq);
        oh_arena_reset(&f.arena);
        oh_arena_reset(&g.arena);
    }
    oh__store_close(store);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    end(&f);
    end(&g);
}

/* Every 200 but a fetch's waits for a record, also that of a repeat and of what removes nothing. */
static void what_is_journaled(void **state)
{
    static const struct {
        uint32_t cseq, seconds, contacts;
        bool star, journaled;
    } rows[] = {
        {1, 60, 1, false, true},  {1, 60, 1, false, true}, /* repeated */
        {1, 60, 0, false, false},                          /* fetched */
        {2, 0, 1, false, true},   {3, 0, 1, false, true},  {4, 0, 0, true, true},
    };
    struct oh__store_options options = {.workers = 1};
    char why[OH__STORE_WHY];
    struct oh__journal *journal;
    struct oh__store *store;
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(oh__store_open(&options, &store, why), OH_OK);
    journal = oh__store_journal(store, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct oh__binding b = contact("sip:alice@10.0.0.2", rows[i].seconds);
        struct oh__registration r = {.aor = OH_LIT("alice@example.test"),
                                     .call_id = OH_LIT("c"),
                                     .cseq = rows[i].cseq,
                                     .contacts_n = rows[i].contacts,
                                     .contacts = &b,
                                     .star = rows[i].star,
                                     .wall = WALL,
                                     .contacts_max = 10};

        assert_int_equal(oh__location_register(f.loc, &r, journal, &f.arena, &f.out, &f.done),
                         OH_OK);
        assert_int_equal(oh__journal_pending(journal), rows[i].journaled);
        assert_int_equal(oh__journal_commit(journal), OH_OK);
    }
    oh__store_close(store);
    end(&f);
}

/* A journal that refuses (here: it may only be read) leaves everything as it was. REG-012. */
static void a_journal_that_refuses(void **state)
{
    struct oh__store_options options = {.workers = 1, .read_only = true};
    struct oh__binding b = contact("sip:alice@10.0.0.2", 60);
    struct oh__registration r = {.aor = OH_LIT("alice@example.test"),
                                 .call_id = OH_LIT("c"),
                                 .cseq = 1,
                                 .contacts_n = 1,
                                 .contacts = &b,
                                 .wall = WALL,
                                 .contacts_max = 10};
    char why[OH__STORE_WHY];
    struct oh_addr peer = address("203.0.113.77:1");
    struct oh__location_stats stats;
    struct oh__store *store;
    uint64_t version;
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(oh__store_open(&options, &store, why), OH_OK);
    b.flow.peer = peer;
    b.flow.transport = OH_TRANSPORT_TCP;
    b.flow.id = 9;
    /* A new AOR, and one that exists. */
    for (int i = 0; i < 2; i++) {
        version = oh__location_version(f.loc, r.aor);
        assert_int_equal(oh__location_register(f.loc, &r, oh__store_journal(store, 0), &f.arena,
                                               &f.out, &f.done),
                         OH_E_IO);
        assert_int_equal(oh__location_version(f.loc, r.aor), version);
        assert_false(oh__location_has_source(f.loc, &peer));
        assert_int_equal(oh__location_flow_closed(f.loc, 9), 0);
        oh__location_stats(f.loc, &stats);
        assert_int_equal(stats.bindings, i);
        assert_int_equal(reg1(&f, "a", 1, "sip:alice@10.0.0.1", 60), OH_OK);
    }
    oh__store_close(store);
    end(&f);
}

/* ---- failing heap ---- */

static void scenario(struct test_heap *h, void *arg)
{
    struct oh__location *loc = oh__location_new(&h->alloc, key, 100);
    struct oh__binding b[2] = {contact("sip:a@10.0.0.1", 60), contact("sip:a@10.0.0.2", 60)};
    struct oh__location_stats stats;
    struct oh__binding_list out;
    enum oh__registered done;
    struct oh_arena arena;
    uint32_t expected = 0;
    char aor[32];

    (void)arg;
    oh_arena_init(&arena, &h->alloc, 1 << 20);
    b[1].flow.transport = OH_TRANSPORT_TCP;
    for (unsigned i = 0; loc && i < 24; i++) {
        struct oh__registration r = {.aor = oh_span(aor, 0),
                                     .call_id = OH_LIT("c"),
                                     .cseq = i + 1,
                                     .contacts_n = 1 + i % 2,
                                     .contacts = b,
                                     .wall = WALL,
                                     .contacts_max = 10};
        uint64_t before;

        r.aor.n = (size_t)snprintf(aor, sizeof(aor), "u%u@example.test", i % 12);
        b[1].flow.id = i + 1;
        b[0].flow.peer.ip[0] = (uint8_t)i;
        before = oh__location_version(loc, r.aor);
        if (oh__location_register(loc, &r, NULL, &arena, &out, &done) == OH_OK)
            expected += before ? 0 : 1 + i % 2;
        else
            assert_true(oh__location_version(loc, r.aor) == before);
    }
    if (loc) {
        oh__location_stats(loc, &stats);
        assert_true(stats.bindings >= expected);
        for (int i = 0; i < 40; i++)
            oh__location_sweep(loc, WALL + 60000);
        oh__location_stats(loc, &stats);
        assert_int_equal(stats.bindings, 0);
    }
    oh_arena_done(&arena);
    oh__location_free(loc);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(test_heap_fail_each(scenario, NULL) > 300);
}

/* ---- threads ---- */

struct hammer {
    struct oh__location *loc;
    unsigned seed;
    unsigned failures;
};

static void *hammer(void *arg)
{
    struct hammer *h = arg;
    struct oh__binding b = contact("sip:phone@10.0.0.1", 60);
    struct oh__binding_list out;
    enum oh__registered done;
    struct oh_arena arena;
    char aor[32], call_id[16];

    oh_arena_init(&arena, oh_alloc_default(), 1 << 20);
    snprintf(call_id, sizeof(call_id), "c%u", h->seed);
    for (unsigned i = 0; i < 6000; i++) {
        struct oh__registration r = {.aor = oh_span(aor, 0),
                                     .call_id = oh_span_str(call_id),
                                     .cseq = i + 1,
                                     .contacts_n = 1,
                                     .contacts = &b,
                                     .wall = WALL,
                                     .contacts_max = 10};

        h->seed = h->seed * 1103515245u + 12345u;
        r.aor.n = (size_t)snprintf(aor, sizeof(aor), "u%u@example.test", h->seed >> 16 & 63);
        b.flow.transport = i % 3 ? OH_TRANSPORT_UDP : OH_TRANSPORT_TCP;
        b.flow.id = i % 3 ? 0 : 1 + (h->seed >> 22 & 15);
        b.expires_at = h->seed >> 28 ? WALL + 1000 + i : 0;
        if (oh__location_register(h->loc, &r, NULL, &arena, &out, &done) != OH_OK)
            h->failures++;
        if (oh__location_get(h->loc, r.aor, WALL, &arena, &out) != OH_OK)
            h->failures++;
        oh__location_has_source(h->loc, &b.flow.peer);
        if (i % 16 == 0)
            oh__location_flow_closed(h->loc, 1 + (i >> 4 & 15));
        if (i % 64 == 0)
            oh__location_sweep(h->loc, WALL + i / 2);
        oh_arena_reset(&arena);
    }
    oh_arena_done(&arena);
    return NULL;
}

static void two_threads(void **state)
{
    struct oh__location_stats stats;
    struct hammer h[2];
    pthread_t thread;
    struct oh_addr peer = contact("sip:x@y", 1).flow.peer;
    struct fixture f;

    (void)state;
    begin(&f, 10000);
    h[0] = (struct hammer){f.loc, 1, 0};
    h[1] = (struct hammer){f.loc, 2, 0};
    assert_int_equal(pthread_create(&thread, NULL, hammer, &h[1]), 0);
    hammer(&h[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(h[0].failures + h[1].failures, 0);
    for (int i = 0; i < 32; i++)
        oh__location_sweep(f.loc, WALL + 100000);
    /* Every count went up as often as down. */
    oh__location_stats(f.loc, &stats);
    assert_int_equal(stats.bindings, 0);
    assert_false(oh__location_has_source(f.loc, &peer));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_binding_keeps_everything),
        cmocka_unit_test(order_of_requests),
        cmocka_unit_test(only_a_repetition),
        cmocka_unit_test(failures_change_nothing),
        cmocka_unit_test(contacts_of_one_request),
        cmocka_unit_test(bounds),
        cmocka_unit_test(too_long_texts_are_refused),
        cmocka_unit_test(a_fetch_changes_nothing),
        cmocka_unit_test(expiry),
        cmocka_unit_test(an_expired_call_id_does_not_count),
        cmocka_unit_test(streams),
        cmocka_unit_test(many_on_one_stream),
        cmocka_unit_test(sources),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(cursors_see_everything_once),
        cmocka_unit_test(records_restore_what_was),
        cmocka_unit_test(hostile_records_are_refused),
        cmocka_unit_test(a_restart_brings_bindings_back),
        cmocka_unit_test(what_is_journaled),
        cmocka_unit_test(a_journal_that_refuses),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
