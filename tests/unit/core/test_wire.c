/*
 * Two endpoints and a wire between them that loses, doubles and delays, so
 * that messages overtake each other. One side calls, the other answers, some
 * calls are cancelled. Both users must agree how each call ended as far as SIP
 * promises it, and in the end both endpoints must be empty.
 */
#include "unit/core/harness.h"

#include "core/internal.h"

enum { CALLS = 150, WIRE = 4096, HOLD = 2048 };

/* A datagram on its way. */
struct packet {
    uint64_t at;
    char *text; /* NULL: free place */
    int to;
};

/* A call as both users see it; user value of both sides' transactions. */
struct one {
    uint64_t client, server;
    char request[HOLD]; /* as it arrived, to answer it later */
    uint64_t answer_at, repeat_at, repeat;
    uint64_t patience; /* when the caller stops waiting (RFC 3261 16.6 has Timer C for that) */
    unsigned code;     /* the final that the server chose; 0 = not yet */
    unsigned heard;    /* the final that the client heard; OH_E_* negated when it failed */
    unsigned told;     /* how often */
    bool invite, acked, cancel, ended;
};

struct world {
    struct oh_endpoint *ep[2]; /* 0 calls, 1 answers */
    struct test_heap heap;
    struct oh__rng rng;
    uint64_t now;
    struct packet wire[WIRE];
    struct one calls[CALLS];
    struct oh_msg held;
    unsigned loss; /* percent */
};

static unsigned below(struct world *w, unsigned n)
{
    return (unsigned)oh__rng_below(&w->rng, n);
}

static struct oh_flow flow_of(int from)
{
    struct oh_flow f = rig_flow(OH_TRANSPORT_UDP);

    if (from == 1) {
        struct oh_addr a = f.local;

        f.local = f.peer;
        f.peer = a;
    }
    return f;
}

static void launch(struct world *w, int to, struct oh_span bytes)
{
    for (unsigned copies = below(w, 100) < 15 ? 2 : 1; copies; copies--) {
        struct packet *p = w->wire;

        if (below(w, 100) < w->loss)
            continue;
        while (p->text)
            assert_true(++p < w->wire + WIRE);
        p->text = malloc(bytes.n + 1);
        assert_non_null(p->text);
        memcpy(p->text, bytes.p, bytes.n);
        p->text[bytes.n] = 0;
        p->to = to;
        p->at = w->now + (1 + below(w, 900)) * MS;
    }
}

/* The number of the call that a message is about. */
static unsigned number_of(const struct oh_msg *msg)
{
    uint64_t n = 0;

    assert_int_equal(oh_span_u64(msg->call_id, CALLS - 1, &n), OH_OK);
    return (unsigned)n;
}

static void place(struct world *w, unsigned i)
{
    struct one *c = &w->calls[i];
    char branch[OH_BRANCH_MAX + 1], text[HOLD];
    struct oh_client_request request = {.flow = flow_of(0), .user = i};
    const char *method;
    size_t n;

    c->invite = below(w, 3) != 0;
    method = c->invite ? "INVITE" : "MESSAGE";
    request.method = c->invite ? OH_METHOD_INVITE : OH_METHOD_MESSAGE;
    assert_int_equal(oh_client_reserve(w->ep[0], 0, &c->client, branch, &n), OH_OK);
    branch[n] = 0;
    n = (size_t)snprintf(text, sizeof(text),
                         "%s sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=%s\r\n"
                         "Max-Forwards: 70\r\nFrom: <sip:a@x>;tag=a\r\nTo: <sip:b@x>\r\n"
                         "Call-ID: %u\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
                         method, branch, i, method);
    request.bytes = oh_span(text, n);
    assert_int_equal(oh_client_start(w->ep[0], w->now, c->client, &request), OH_OK);
    c->patience = w->now + 120000 * MS;
    c->cancel = c->invite && below(w, 4) == 0;
    if (c->cancel)
        assert_int_equal(oh_client_cancel(w->ep[0], w->now, c->client, oh_span(NULL, 0)), OH_OK);
}

/* Answers a call out of the request that the user has kept. */
static void answer(struct world *w, struct one *c, unsigned code)
{
    struct oh_flow flow = flow_of(1);
    struct oh_reply reply = {.code = code};
    size_t used;

    assert_int_equal(oh_msg_parse(oh_span_str(c->request), OH_MSG_DATAGRAM,
                                  &(struct oh_msg_limits){0}, &w->held, &used, NULL),
                     OH_OK);
    assert_int_equal(oh_msg_check(&w->held, NULL), OH_OK);
    (void)oh_server_respond(w->ep[1], w->now, c->server, &w->held, &flow, &reply);
}

static void on_request(struct world *w, const struct oh_output *out)
{
    unsigned i = number_of(out->msg);
    struct one *c = &w->calls[i];

    if (c->request[0]) /* it was answered so long ago that it is forgotten */
        return;
    snprintf(c->request, sizeof(c->request), "%.*s", OH_PRI(out->msg->raw));
    assert_int_equal(oh_server_new(w->ep[1], w->now, out->msg, &out->flow, i, &c->server), OH_OK);
    c->answer_at = w->now + below(w, c->invite ? 20000 : 8000) * MS;
    if (c->invite && below(w, 2))
        answer(w, c, 180);
}

/* The server's user decides, and repeats a 200 until it is acknowledged (RFC 3261 13.3.1.4). */
static void decide(struct world *w, struct one *c)
{
    if (c->server && !c->code && w->now >= c->answer_at) {
        c->code = below(w, 2) ? 200 : 486;
        answer(w, c, c->code);
        c->repeat = 500 * MS;
        c->repeat_at = w->now + c->repeat;
    } else if (c->invite && c->code == 200 && !c->acked && w->now >= c->repeat_at) {
        answer(w, c, 200);
        c->repeat = c->repeat * 2 < 4000 * MS ? c->repeat * 2 : 4000 * MS;
        c->repeat_at += c->repeat;
        if (w->now > c->answer_at + 32000 * MS)
            c->acked = true; /* gives up */
    }
}

/* The caller does not wait for ever: CANCEL sets the core's limit. */
static void lose_patience(struct world *w, struct one *c)
{
    if (c->told || !c->invite || w->now < c->patience)
        return;
    assert_int_equal(oh_client_cancel(w->ep[0], w->now, c->client, oh_span(NULL, 0)), OH_OK);
}

static void on_response(struct world *w, const struct oh_output *out)
{
    struct one *c = &w->calls[out->user];
    char ack[HOLD];
    size_t n;

    if (out->code < 200)
        return;
    assert_true(c->told == 0 || (c->invite && c->heard == 200 && out->code == 200));
    c->heard = (unsigned)out->code;
    c->told++;
    if (!c->invite || out->code != 200)
        return;
    n = (size_t)snprintf(ack, sizeof(ack),
                         "ACK sip:b@192.0.2.2 SIP/2.0\r\n"
                         "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKack%u\r\n"
                         "From: <sip:a@x>;tag=a\r\nTo: <sip:b@x>;tag=b\r\n"
                         "Call-ID: %u\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
                         (unsigned)out->user, (unsigned)out->user);
    launch(w, 1, oh_span(ack, n));
}

static void on_output(struct world *w, int side, const struct oh_output *out)
{
    struct one *c = &w->calls[out->user];

    switch (out->kind) {
    case OH_OUT_SEND: launch(w, 1 - side, out->bytes); break;
    case OH_OUT_REQUEST: on_request(w, out); break;
    case OH_OUT_RESPONSE: on_response(w, out); break;
    case OH_OUT_FAILED:
        assert_int_equal(c->told++, 0);
        c->heard = (unsigned)-out->code;
        break;
    case OH_OUT_CANCEL:
        if (out->server && !c->code) {
            c->code = 487;
            answer(w, c, 487);
        }
        break;
    case OH_OUT_ACK: w->calls[number_of(out->msg)].acked = true; break;
    case OH_OUT_TRYING: answer(w, c, 100); break;
    case OH_OUT_ENDED:
        assert_true(c->invite && !c->ended);
        c->ended = true;
        break;
    }
}

static void drain(struct world *w)
{
    struct oh_output out;

    for (int side = 0; side < 2; side++) {
        while (oh_endpoint_take(w->ep[side], &out))
            on_output(w, side, &out);
        oh_endpoint_check(w->ep[side]);
    }
}

/* The next time at which anything happens, but at most 100 ms from now while users have plans. */
static uint64_t next_time(const struct world *w)
{
    uint64_t next = OH_NEVER;

    for (int side = 0; side < 2; side++) {
        uint64_t t = oh_endpoint_deadline(w->ep[side]);

        next = t < next ? t : next;
    }
    for (size_t i = 0; i < WIRE; i++) {
        if (w->wire[i].text && w->wire[i].at < next)
            next = w->wire[i].at;
    }
    return next;
}

static void deliver(struct world *w)
{
    for (size_t i = 0; i < WIRE; i++) {
        struct packet *p = &w->wire[i];
        struct oh_flow flow = flow_of(p->to);
        char *text = p->text;

        if (!text || p->at > w->now)
            continue;
        assert_int_equal(oh_endpoint_input(w->ep[p->to], w->now, &flow, oh_span_str(text)), OH_OK);
        p->text = NULL;
        drain(w);
        free(text);
    }
}

static void check_outcome(const struct world *w)
{
    for (unsigned i = 0; i < CALLS; i++) {
        const struct one *c = &w->calls[i];

        assert_true(c->told > 0);
        assert_true(!c->server || c->ended == c->invite);
        /* Whatever the client heard is what the server said, or that nothing was heard. */
        if (c->heard >= 200)
            assert_int_equal(c->heard, c->code);
        else
            assert_int_equal(c->heard, -OH_E_TIMEOUT);
        if (w->loss == 0)
            assert_int_equal(c->heard, c->code);
    }
    for (int side = 0; side < 2; side++) {
        struct oh_endpoint_stats stats;

        oh_endpoint_stats(w->ep[side], &stats);
        assert_int_equal(stats.in_flight + stats.completed, 0);
    }
}

/* All callers have heard something. */
static bool nobody_waits(const struct world *w)
{
    for (unsigned i = 0; i < CALLS; i++) {
        if (!w->calls[i].told)
            return false;
    }
    return true;
}

static void run(uint8_t seed, unsigned loss)
{
    struct world *w = calloc(1, sizeof(*w));
    struct oh_endpoint_options o = {.seed = {seed}};
    unsigned placed = 0;

    assert_non_null(w);
    test_heap_init(&w->heap);
    o.alloc = &w->heap.alloc;
    w->now = START;
    w->loss = loss;
    oh__rng_init(&w->rng, o.seed);
    for (int side = 0; side < 2; side++)
        assert_int_equal(oh_endpoint_new(&o, w->now, &w->ep[side]), OH_OK);
    for (;;) {
        uint64_t next = next_time(w);
        uint64_t soon = w->now + 100 * MS;

        if (next == OH_NEVER && placed == CALLS && nobody_waits(w))
            break;
        w->now = next < soon ? (next > w->now ? next : w->now) : soon;
        for (int side = 0; side < 2; side++)
            oh_endpoint_expire(w->ep[side], w->now, 1000);
        drain(w);
        deliver(w);
        if (placed < CALLS && below(w, 3) == 0)
            place(w, placed++);
        for (unsigned i = 0; i < placed; i++)
            decide(w, &w->calls[i]);
        for (unsigned i = 0; i < placed; i++)
            lose_patience(w, &w->calls[i]);
        drain(w);
    }
    check_outcome(w);
    for (int side = 0; side < 2; side++)
        oh_endpoint_free(w->ep[side]);
    assert_int_equal(w->heap.blocks, 0);
    assert_int_equal(w->heap.bytes, 0);
    free(w);
}

static void perfect_wire(void **state)
{
    (void)state;
    run(1, 0);
}

static void lossy_wire(void **state)
{
    (void)state;
    for (uint8_t seed = 2; seed < 5; seed++) {
        print_message("seed %u\n", seed);
        run(seed, 30);
    }
}

static void nearly_dead_wire(void **state)
{
    (void)state;
    run(9, 85);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(perfect_wire),
        cmocka_unit_test(lossy_wire),
        cmocka_unit_test(nearly_dead_wire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
