/* The location service: RFC 3261 10.3, bounds, expiry, streams, sources. */
#include "unit/serve/location_fixture.h"

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

/* A phone on a stream of its own, from a port that its Contact names; `params` may be "". */
static int reg_stream(struct fixture *f, unsigned port, const char *params, uint32_t contacts_max)
{
    char uri[64], call_id[16];
    struct oh__binding b;
    struct oh__registration r = {.aor = OH_LIT("alice@example.test"),
                                 .cseq = 1,
                                 .contacts_n = 1,
                                 .contacts = &b,
                                 .wall = f->wall,
                                 .contacts_max = contacts_max};

    snprintf(uri, sizeof(uri), "sip:alice@10.0.0.1:%u;transport=tcp", port);
    snprintf(call_id, sizeof(call_id), "stream-%u", port);
    b = contact(uri, 3600);
    b.params = oh_span_str(params);
    b.flow.transport = OH_TRANSPORT_TCP;
    b.flow.id = port;
    r.call_id = oh_span_str(call_id);
    return oh__location_register(f->loc, &r, NULL, &f->arena, &f->out, &f->done);
}

/* Two contacts of alice at once, with a bound of four. */
static int reg_two(struct fixture *f, const char *call_id, uint32_t cseq,
                   const struct oh__binding two[2])
{
    struct oh__registration r = {.aor = OH_LIT("alice@example.test"),
                                 .call_id = oh_span_str(call_id),
                                 .cseq = cseq,
                                 .contacts_n = 2,
                                 .contacts = two,
                                 .wall = f->wall,
                                 .contacts_max = 4};

    return oh__location_register(f->loc, &r, NULL, &f->arena, &f->out, &f->done);
}

/* Are these, by the ids of their streams, all that alice has, in this order? */
static void assert_streams(struct fixture *f, unsigned n, const unsigned *ports)
{
    struct oh__location_stats stats;

    assert_int_equal(count(f), n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(f->out.v[i].flow.id, ports[i]);
    oh__location_stats(f->loc, &stats);
    assert_int_equal(stats.bindings, n);
}

/* A phone that comes back from a new port each time is never refused for what it left behind. */
static void reconnects_are_not_refused(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 100);
    for (unsigned port = 1; port <= 50; port++) {
        f.wall += 1000;
        assert_int_equal(reg_stream(&f, port, "", 3), OH_OK);
        assert_int_equal(f.out.n, port < 3 ? port : 3);
        assert_int_equal(f.out.added, 1);
        assert_int_equal(f.out.removed, port > 3);
        assert_int_equal(oh__location_flow_closed(f.loc, port), 1);
    }
    assert_streams(&f, 3, (const unsigned[]){48, 49, 50});
    end(&f);
}

/* The oldest go first, no more than must, and what is reachable or named in the request stays. */
static void unreachable_ones_give_way(void **state)
{
    struct oh__binding two[2];
    struct fixture f;

    (void)state;
    begin(&f, 100);
    f.wall = WALL + 5;
    assert_int_equal(reg_stream(&f, 1, "", 4), OH_OK);
    f.wall = WALL + 2;
    assert_int_equal(reg_stream(&f, 2, "", 4), OH_OK);
    assert_int_equal(reg_stream(&f, 3, "", 4), OH_OK);
    f.wall = WALL + 3;
    assert_int_equal(reg_stream(&f, 4, "", 4), OH_OK);
    f.wall = WALL + 6;
    assert_int_equal(reg_stream(&f, 5, "", 4), OH_E_LIMIT);
    for (unsigned port = 1; port <= 4; port += port == 1 ? 2 : 1) /* all but 2 */
        assert_int_equal(oh__location_flow_closed(f.loc, port), 1);
    /* A request that fails for another reason moves nobody out. */
    two[0] = contact("sip:alice@10.0.0.2", 60);
    two[1] = contact("sip:alice@10.0.0.1:3;transport=tcp", 60);
    assert_int_equal(reg_two(&f, "stream-3", 1, two), OH_E_STATE);
    assert_streams(&f, 4, (const unsigned[]){1, 2, 3, 4});
    assert_int_equal(reg_stream(&f, 5, "", 4), OH_OK); /* 3 is older than 4, and 4 than 1 */
    assert_streams(&f, 4, (const unsigned[]){1, 2, 4, 5});
    /* 4 would be the next, but this request refreshes it: so it is 1. */
    two[1] = contact("sip:alice@10.0.0.1:4;transport=tcp", 60);
    two[1].flow.id = 6;
    two[1].flow.transport = OH_TRANSPORT_TCP;
    two[0].flow.id = 7;
    two[0].flow.transport = OH_TRANSPORT_TCP;
    f.wall = WALL + 7;
    assert_int_equal(oh__location_flow_closed(f.loc, 5), 1);
    assert_int_equal(reg_two(&f, "stream-4", 2, two), OH_OK);
    assert_streams(&f, 4, (const unsigned[]){2, 6, 5, 7});
    /* One unreachable binding is left, and two would have to go: nothing changes. */
    two[0] = contact("sip:alice@10.0.0.8", 60);
    two[1] = contact("sip:alice@10.0.0.9", 60);
    assert_int_equal(reg_two(&f, "z", 1, two), OH_E_LIMIT);
    assert_streams(&f, 4, (const unsigned[]){2, 6, 5, 7});
    end(&f);
}

/* A bound that was lowered: those that are unreachable make no room for more reachable ones. */
static void a_lowered_bound(void **state)
{
    struct oh__binding two[2];
    struct fixture f;

    (void)state;
    begin(&f, 100);
    for (unsigned port = 1; port <= 5; port++)
        assert_int_equal(reg_stream(&f, port, "", 5), OH_OK);
    assert_int_equal(oh__location_flow_closed(f.loc, 1), 1);
    assert_int_equal(oh__location_flow_closed(f.loc, 2), 1);
    /* A refresh is no growth: nobody has to go, and nobody is refused. */
    two[0] = contact("sip:alice@10.0.0.1:4;transport=tcp", 60);
    two[1] = contact("sip:alice@10.0.0.1:5;transport=tcp", 60);
    for (unsigned i = 0; i < 2; i++) {
        two[i].flow.transport = OH_TRANSPORT_TCP;
        two[i].flow.id = 4 + i;
    }
    assert_int_equal(reg_two(&f, "z", 1, two), OH_OK);
    assert_streams(&f, 5, (const unsigned[]){1, 2, 3, 4, 5});
    assert_int_equal(reg_stream(&f, 6, "", 3), OH_E_LIMIT);
    assert_streams(&f, 5, (const unsigned[]){1, 2, 3, 4, 5});
    assert_int_equal(oh__location_flow_closed(f.loc, 3), 1);
    assert_int_equal(reg_stream(&f, 6, "", 3), OH_OK);
    assert_streams(&f, 3, (const unsigned[]){4, 5, 6});
    end(&f);
}

/* The hard bound holds whatever contacts_max says, and giving way works at it, too. */
static void the_hard_bound(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 100);
    for (unsigned port = 1; port <= OH__BINDINGS_PER_AOR; port++)
        assert_int_equal(reg_stream(&f, port, "", UINT32_MAX), OH_OK);
    assert_int_equal(reg_stream(&f, 100, "", UINT32_MAX), OH_E_LIMIT);
    assert_int_equal(oh__location_flow_closed(f.loc, OH__BINDINGS_PER_AOR), 1);
    assert_int_equal(reg_stream(&f, 100, "", UINT32_MAX), OH_OK);
    assert_int_equal(count(&f), OH__BINDINGS_PER_AOR);
    assert_int_equal(f.out.v[OH__BINDINGS_PER_AOR - 1].flow.id, 100);
    end(&f);
}

/* The same device (RFC 5626 4.1) replaces at once what it left behind, and nothing else. */
static void a_device_replaces_its_own(void **state)
{
    static const char one[] = ";+sip.instance=\"<urn:uuid:1>\"";
    static const char same[] = ";reg-id=1;+SIP.Instance=\"<urn:uuid:1>\"";
    static const char other[] = ";+sip.instance=\"<urn:uuid:10>\"";
    static const char empty[] = ";+sip.instance=\"\"";
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(reg_stream(&f, 1, one, 10), OH_OK);
    assert_int_equal(reg_stream(&f, 2, one, 10), OH_OK); /* 1 is reachable, so it stays */
    assert_streams(&f, 2, (const unsigned[]){1, 2});
    assert_int_equal(reg_stream(&f, 3, other, 10), OH_OK);
    assert_int_equal(reg_stream(&f, 4, "", 10), OH_OK);
    assert_int_equal(reg_stream(&f, 5, empty, 10), OH_OK);
    for (unsigned port = 1; port <= 5; port++)
        assert_int_equal(oh__location_flow_closed(f.loc, port), 1);
    assert_int_equal(reg_stream(&f, 6, "", 10), OH_OK);
    assert_int_equal(reg_stream(&f, 7, empty, 10), OH_OK);
    assert_streams(&f, 7, (const unsigned[]){1, 2, 3, 4, 5, 6, 7});
    assert_int_equal(reg_stream(&f, 8, same, 10), OH_OK);
    assert_int_equal(f.out.added, 1);
    assert_int_equal(f.out.removed, 2);
    assert_streams(&f, 6, (const unsigned[]){3, 4, 5, 6, 7, 8});
    /* Its repetition is one, although it would replace something if it were new. */
    assert_int_equal(reg_stream(&f, 8, same, 10), OH_OK);
    assert_int_equal(f.done, OH__REG_REPEATED);
    assert_int_equal(f.out.removed, 0);
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
        cmocka_unit_test(reconnects_are_not_refused),
        cmocka_unit_test(unreachable_ones_give_way),
        cmocka_unit_test(a_lowered_bound),
        cmocka_unit_test(the_hard_bound),
        cmocka_unit_test(a_device_replaces_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
