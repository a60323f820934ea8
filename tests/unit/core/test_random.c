/*
 * An endpoint under thousands of random steps of peers, user and clock. After
 * each one its rules are checked; at the end every transaction must have said
 * how it ended, once, and nothing may be left.
 */
#include "unit/core/harness.h"

#include "core/internal.h"

enum { STEPS = 4000, CLIENTS = 400, SERVERS = 1200, SENT = 64 };

/* A client transaction as its user sees it. */
struct client {
    uint64_t handle;
    unsigned finals, accepted, failed; /* events so far */
    bool started, dropped;
};

/* An INVITE server transaction as its user sees it. */
struct server {
    uint64_t handle;
    unsigned ended;
    bool invite;
};

struct world {
    struct oh_endpoint *ep;
    struct test_heap heap;
    struct oh__rng rng;
    uint64_t now;
    struct client clients[CLIENTS];
    struct server servers[SERVERS];
    size_t clients_n, servers_n;
    char sent[SENT][TEXT_MAX]; /* some requests that it sent, to be answered */
    uint64_t tickets[SENT];
    unsigned sent_n;
    char input[TEXT_MAX];
};

static unsigned below(struct world *w, unsigned n)
{
    return (unsigned)oh__rng_below(&w->rng, n);
}

static struct oh_flow some_flow(struct world *w)
{
    return rig_flow(below(w, 4) ? OH_TRANSPORT_UDP : OH_TRANSPORT_TCP);
}

static void on_send(struct world *w, const struct oh_output *out)
{
    unsigned i = w->sent_n++ % SENT;

    snprintf(w->sent[i], TEXT_MAX, "%.*s", OH_PRI(out->bytes));
    w->tickets[i] = out->ticket;
}

static void on_response(struct world *w, const struct oh_output *out)
{
    struct client *c = &w->clients[out->user];

    assert_true(out->user < w->clients_n && c->handle == out->client);
    assert_int_equal(out->link, out->user + 1);
    assert_false(c->dropped);
    assert_int_equal(c->failed + c->finals, 0);
    if (out->code >= 300) {
        assert_int_equal(c->accepted, 0);
        c->finals++;
    } else if (out->code >= 200) {
        c->accepted++;
    } else {
        assert_int_equal(c->accepted, 0);
    }
}

static void on_failed(struct world *w, const struct oh_output *out)
{
    struct client *c = &w->clients[out->user];

    assert_true(c->handle == out->client);
    assert_false(c->dropped);
    assert_int_equal(c->failed + c->finals + c->accepted, 0);
    c->failed++;
}

static void on_request(struct world *w, const struct oh_output *out)
{
    struct server *s = &w->servers[w->servers_n];
    int err;

    if (w->servers_n == SERVERS || below(w, 8) == 0) {
        (void)oh_reply_stateless(w->ep, out->msg, &out->flow, &(struct oh_reply){.code = 503});
        return;
    }
    err = oh_server_new(w->ep, w->now, out->msg, &out->flow, w->servers_n, &s->handle);
    assert_true(err == OH_OK || err == OH_E_FULL);
    if (err)
        return;
    s->invite = out->msg->method == OH_METHOD_INVITE;
    w->servers_n++;
    if (below(w, 2))
        (void)oh_server_respond(w->ep, w->now, s->handle, out->msg, &out->flow,
                                &(struct oh_reply){.code = 100 + below(w, 6) * 100});
}

static void drain(struct world *w)
{
    struct oh_output out;

    while (oh_endpoint_take(w->ep, &out)) {
        switch (out.kind) {
        case OH_OUT_SEND: on_send(w, &out); break;
        case OH_OUT_REQUEST: on_request(w, &out); break;
        case OH_OUT_RESPONSE: on_response(w, &out); break;
        case OH_OUT_FAILED: on_failed(w, &out); break;
        case OH_OUT_ENDED:
            assert_true(w->servers[out.user].handle == out.server);
            assert_true(w->servers[out.user].invite);
            assert_int_equal(w->servers[out.user].ended++, 0);
            break;
        case OH_OUT_CANCEL:
            if (out.server)
                (void)oh_server_reply(w->ep, w->now, out.server, 487,
                                      OH_LIT("SIP/2.0 487 x\r\nTo: <sip:b>;tag=x\r\n\r\n"));
            break;
        case OH_OUT_ACK:
        case OH_OUT_TRYING: break;
        }
    }
    oh_endpoint_check(w->ep);
}

static void bring(struct world *w, const char *text, size_t n)
{
    struct oh_flow flow = some_flow(w);

    memmove(w->input, text, n);
    (void)oh_endpoint_input(w->ep, w->now, &flow, oh_span(w->input, n));
}

static void step_request(struct world *w)
{
    static const char *const methods[] = {"INVITE", "ACK", "CANCEL", "OPTIONS", "BYE", "EXPLODE"};
    char branch[32];
    const char *text;

    snprintf(branch, sizeof(branch), "%s%u", below(w, 8) ? "z9hG4bK" : "", below(w, 300));
    text = request_text(methods[below(w, 6)], branch, "");
    bring(w, text, strlen(text));
}

static void step_response(struct world *w)
{
    const char *text = w->sent[below(w, SENT)];

    if (text[0] == 0 || strncmp(text, "SIP/", 4) == 0)
        return;
    text = response_text(text, 100 + below(w, 6) * 100 + below(w, 2) * 80, "bob1");
    bring(w, text, strlen(text));
}

static void step_garbage(struct world *w)
{
    char text[TEXT_MAX];
    size_t n;

    snprintf(text, sizeof(text), "%s", w->sent[below(w, SENT)]);
    n = strlen(text);
    for (int i = 0; n && i < 3; i++)
        text[below(w, (unsigned)n)] = (char)below(w, 256);
    bring(w, text, n ? below(w, (unsigned)n + 1) : 0);
}

static void step_call(struct world *w)
{
    struct client *c = &w->clients[w->clients_n];
    char branch[OH_BRANCH_MAX + 1];
    struct oh_client_request request = {.flow = some_flow(w)};
    const char *method = below(w, 3) ? "INVITE" : "OPTIONS";
    size_t n;
    int err;

    if (w->clients_n == CLIENTS)
        return;
    err = oh_client_reserve(w->ep, below(w, 1000), &c->handle, branch, &n);
    assert_true(err == OH_OK || err == OH_E_FULL);
    if (err)
        return;
    branch[n] = 0;
    request.method = oh_method_of(oh_span_str(method));
    request.user = w->clients_n++;
    request.link = request.user + 1;
    request.bytes = oh_span_str(request_text(method, branch, ""));
    if (below(w, 10) == 0) {
        oh_client_drop(w->ep, c->handle);
        c->dropped = true;
        return;
    }
    assert_int_equal(oh_client_start(w->ep, w->now, c->handle, &request), OH_OK);
    c->started = true;
}

static void step_user(struct world *w)
{
    struct client *c = w->clients_n ? &w->clients[below(w, (unsigned)w->clients_n)] : NULL;
    struct server *s = w->servers_n ? &w->servers[below(w, (unsigned)w->servers_n)] : NULL;
    unsigned code = 100 + below(w, 6) * 100;
    char text[128];

    switch (below(w, 5)) {
    case 0:
        if (c)
            (void)oh_client_cancel(w->ep, w->now, c->handle, OH_LIT("Reason: x\r\n"));
        break;
    case 1:
        if (c && below(w, 3) == 0) {
            oh_client_drop(w->ep, c->handle);
            c->dropped = true;
        }
        break;
    case 2: oh_endpoint_answer(w->ep, w->now, w->tickets[below(w, SENT)], OH_E_IO); break;
    default:
        snprintf(text, sizeof(text), "SIP/2.0 %u x\r\nTo: <sip:b>;tag=x\r\n\r\n", code);
        if (s)
            (void)oh_server_reply(w->ep, w->now, s->handle, code, oh_span_str(text));
        break;
    }
}

static void step_time(struct world *w)
{
    uint64_t next = oh_endpoint_deadline(w->ep);

    if (below(w, 2) && next != OH_NEVER)
        w->now = next > w->now ? next : w->now;
    else
        w->now += below(w, 400) * MS;
    (void)oh_endpoint_expire(w->ep, w->now, 1 + below(w, 50));
}

static void step(struct world *w)
{
    static void (*const steps[])(struct world *) = {step_request,  step_request, step_response,
                                                    step_response, step_garbage, step_call,
                                                    step_user,     step_time};

    steps[below(w, 8)](w);
    drain(w);
}

/* The user finishes what it has open, then time passes until nothing is due. */
static void finish(struct world *w)
{
    for (size_t i = 0; i < w->servers_n; i++) {
        if (oh_server_pending(w->ep, w->servers[i].handle))
            (void)oh_server_reply(w->ep, w->now, w->servers[i].handle, 500,
                                  OH_LIT("SIP/2.0 500 x\r\nTo: <sip:b>;tag=x\r\n\r\n"));
        drain(w);
    }
    for (size_t i = 0; i < w->clients_n; i++) {
        (void)oh_client_cancel(w->ep, w->now, w->clients[i].handle, oh_span(NULL, 0));
        drain(w);
    }
    for (;;) {
        uint64_t next = oh_endpoint_deadline(w->ep);

        if (next == OH_NEVER)
            break;
        w->now = next > w->now ? next : w->now;
        (void)oh_endpoint_expire(w->ep, w->now, 100);
        drain(w);
    }
}

static void check_ends(struct world *w)
{
    struct oh_endpoint_stats stats;

    oh_endpoint_stats(w->ep, &stats);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.completed, 0);
    for (size_t i = 0; i < w->clients_n; i++) {
        const struct client *c = &w->clients[i];

        if (c->started && !c->dropped)
            assert_int_equal(c->failed + c->finals + (c->accepted > 0), 1);
    }
    for (size_t i = 0; i < w->servers_n; i++)
        assert_int_equal(w->servers[i].ended, w->servers[i].invite);
}

static void run(uint8_t seed)
{
    struct world *w = calloc(1, sizeof(*w));
    struct oh_endpoint_options o = {.transactions_max = 80, .completed_max = 25, .seed = {seed}};
    struct oh_endpoint_stats stats;

    assert_non_null(w);
    test_heap_init(&w->heap);
    o.alloc = &w->heap.alloc;
    w->now = START;
    oh__rng_init(&w->rng, o.seed);
    assert_int_equal(oh_endpoint_new(&o, w->now, &w->ep), OH_OK);
    for (int i = 0; i < STEPS; i++)
        step(w);
    oh_endpoint_stats(w->ep, &stats);
    /* The dice have reached the interesting corners. */
    assert_true(stats.completed_evicted && stats.refused_full && stats.timeouts && stats.rx_bad &&
                stats.rx_stray_responses && stats.rx_retransmissions && stats.transport_errors);
    finish(w);
    check_ends(w);
    oh_endpoint_free(w->ep);
    assert_int_equal(w->heap.blocks, 0);
    free(w);
}

static void random_steps_break_no_rule(void **state)
{
    (void)state;
    for (uint8_t seed = 1; seed <= 20; seed++) {
        print_message("seed %u\n", seed);
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps_break_no_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
