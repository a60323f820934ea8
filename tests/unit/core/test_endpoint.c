/* The endpoint as a whole: bounds, memory, handles, replay, trace; TXN-023, TXN-024. */
#include "unit/core/harness.h"

#include "core/internal.h"

#define UDP rig_flow(OH_TRANSPORT_UDP)

static struct oh_endpoint_stats stats_of(const struct rig *r)
{
    struct oh_endpoint_stats stats;

    oh_endpoint_stats(r->ep, &stats);
    return stats;
}

/* A request text whose branch and Call-ID carry a number. */
static const char *numbered(const char *method, unsigned n)
{
    char branch[32];

    snprintf(branch, sizeof(branch), "z9hG4bK%u", n);
    return request_text(method, branch, "");
}

/* TXN-024 */
static void full_table_refuses_new_work_only(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_options o = {.transactions_max = 2};
    char branch[OH_BRANCH_MAX];
    uint64_t a, b, c = 0;
    size_t n;

    (void)state;
    rig_init(&r, &o);
    a = serve(&r, &flow, numbered("INVITE", 1), 1);
    assert_int_equal(oh_client_reserve(r.ep, 0, &b, branch, &n), OH_OK);
    rig_udp(&r, numbered("INVITE", 2));
    assert_int_equal(oh_server_new(r.ep, r.now, r.msg, &r.flow, 2, &c), OH_E_FULL);
    assert_int_equal(oh_client_reserve(r.ep, 0, &c, branch, &n), OH_E_FULL);
    assert_int_equal(c, 0);
    assert_int_equal(stats_of(&r).refused_full, 2);
    /* What is at work goes on: retransmission, CANCEL, reply. */
    assert_int_equal(respond(&r, a, 180, "bob1"), OH_OK);
    rig_udp(&r, numbered("INVITE", 1));
    rig_udp(&r, numbered("CANCEL", 1));
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 180"), 2);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 200"), 1);
    assert_int_equal(rig_count(&r, OH_OUT_CANCEL, ""), 1);
    oh_client_drop(r.ep, b);
    assert_int_equal(oh_client_reserve(r.ep, 0, &c, branch, &n), OH_OK);
    oh_endpoint_check(r.ep);
    rig_done(&r);
}

/* Completed ones do not count against those at work; beyond their own bound the oldest goes. */
static void oldest_completed_goes_first(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_options o = {.transactions_max = 1, .completed_max = 3};

    (void)state;
    rig_init(&r, &o);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t server = serve(&r, &flow, numbered(i == 1 ? "INVITE" : "OPTIONS", i), i);

        assert_int_equal(respond(&r, server, 200, "bob1"), OH_OK);
        rig_until(&r, i + 1);
    }
    assert_int_equal(stats_of(&r).completed, 3);
    assert_int_equal(stats_of(&r).completed_evicted, 2);
    /* The INVITE among the two evicted said good-bye. */
    assert_int_equal(rig_count(&r, OH_OUT_ENDED, ""), 1);
    assert_int_equal(rig_get(&r, OH_OUT_ENDED, "", 0)->out.user, 1);
    assert_int_equal(rig_get(&r, OH_OUT_ENDED, "", 0)->out.code, 0);
    rig_forget(&r);
    rig_udp(&r, numbered("OPTIONS", 2)); /* still known */
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 200"), 1);
    rig_udp(&r, numbered("OPTIONS", 0)); /* forgotten: new again */
    assert_int_equal(rig_count(&r, OH_OUT_REQUEST, ""), 1);
    rig_done(&r);
}

/* Both delays together: the oldest is the one that completed first, not the one that ends first. */
static void oldest_is_by_age_and_not_by_expiry(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_options o = {.completed_max = 2};
    char request[TEXT_MAX];

    (void)state;
    rig_init(&r, &o);
    assert_int_equal(respond(&r, serve(&r, &flow, numbered("OPTIONS", 1), 1), 200, "x"), OH_OK);
    rig_until(&r, 100);
    rig_forget(&r);
    call(&r, &flow, "OPTIONS", 5, 6); /* Timer K: ends at 5.1 s, before the other's 32 s */
    snprintf(request, sizeof(request), "%s", rig_get(&r, OH_OUT_SEND, "OPTIONS", 0)->text);
    rig_udp(&r, response_text(request, 200, "bob1"));
    rig_until(&r, 200);
    assert_int_equal(respond(&r, serve(&r, &flow, numbered("OPTIONS", 2), 1), 200, "x"), OH_OK);
    rig_forget(&r);
    rig_udp(&r, response_text(request, 200, "bob1"));
    assert_int_equal(stats_of(&r).rx_stray_responses, 0);
    rig_udp(&r, numbered("OPTIONS", 1));
    assert_int_equal(rig_count(&r, OH_OUT_REQUEST, ""), 1);
    rig_done(&r);
}

/* The same the other way round: now the one with the short delay is the oldest. */
static void oldest_may_be_in_either_queue(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_options o = {.completed_max = 2};
    char request[TEXT_MAX];

    (void)state;
    rig_init(&r, &o);
    call(&r, &flow, "OPTIONS", 5, 6);
    snprintf(request, sizeof(request), "%s", rig_get(&r, OH_OUT_SEND, "OPTIONS", 0)->text);
    rig_udp(&r, response_text(request, 200, "bob1"));
    for (unsigned i = 1; i < 3; i++) {
        rig_until(&r, i * 100);
        assert_int_equal(respond(&r, serve(&r, &flow, numbered("OPTIONS", i), 1), 200, "x"), OH_OK);
    }
    rig_forget(&r);
    rig_udp(&r, numbered("OPTIONS", 1));
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 200"), 1);
    rig_udp(&r, response_text(request, 200, "bob1"));
    assert_int_equal(stats_of(&r).rx_stray_responses, 1);
    rig_done(&r);
}

static void stale_handles_do_nothing(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_reply reply = {.code = 200};
    struct oh_client_request request = {.method = OH_METHOD_OPTIONS, .flow = flow};
    uint64_t server, client, bad[6];

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, numbered("INVITE", 1), 1);
    client = call(&r, &flow, "INVITE", 5, 6);
    rig_forget(&r);
    bad[0] = 0;
    bad[1] = server + 1;
    bad[2] = client + 1;
    bad[3] = UINT64_MAX;
    bad[4] = client; /* a client's handle for a server's function, and below the other way */
    bad[5] = server ^ (UINT64_C(1) << 40);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(oh_server_reply(r.ep, r.now, bad[i], 200, OH_LIT("x")), OH_E_STALE);
        assert_int_equal(oh_server_respond(r.ep, r.now, bad[i], &r.request, &flow, &reply),
                         OH_E_STALE);
        assert_false(oh_server_pending(r.ep, bad[i]));
        oh_server_set_user(r.ep, bad[i], 77);
    }
    bad[4] = server;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(oh_client_start(r.ep, r.now, bad[i], &request), OH_E_STALE);
        assert_int_equal(oh_client_cancel(r.ep, r.now, bad[i], oh_span(NULL, 0)), OH_E_STALE);
        oh_client_drop(r.ep, bad[i]);
    }
    oh_endpoint_answer(r.ep, r.now, bad[1], OH_E_IO);
    rig_take(&r);
    rig_quiet(&r);
    assert_int_equal(stats_of(&r).in_flight, 2);
    assert_true(oh_server_pending(r.ep, server));
    /* A running one cannot be started again. */
    assert_int_equal(oh_client_start(r.ep, r.now, client, &request), OH_E_STATE);
    rig_done(&r);
}

/* A request whose Via is not the reserved one could never be answered. */
static void foreign_via_is_refused(void **state)
{
    struct rig r;
    char branch[OH_BRANCH_MAX];
    struct oh_client_request request = {.method = OH_METHOD_OPTIONS, .flow = UDP};
    uint64_t client;
    size_t n;

    (void)state;
    rig_init(&r, NULL);
    request.bytes = oh_span_str(numbered("OPTIONS", 1));
    assert_int_equal(oh_client_reserve(r.ep, 0, &client, branch, &n), OH_OK);
    assert_int_equal(oh_client_start(r.ep, r.now, client, &request), OH_E_SYNTAX);
    assert_int_equal(oh_client_start(r.ep, r.now, client, &request), OH_E_STALE);
    request.bytes = OH_LIT("OPTIONS");
    assert_int_equal(oh_client_reserve(r.ep, 0, &client, branch, &n), OH_OK);
    assert_int_equal(oh_client_start(r.ep, r.now, client, &request), OH_E_SYNTAX);
    assert_int_equal(oh_client_reserve(r.ep, 0, &client, branch, &n), OH_OK);
    request.method = OH_METHOD_ACK;
    assert_int_equal(oh_client_start(r.ep, r.now, client, &request), OH_E_STATE);
    oh_client_drop(r.ep, client);
    assert_int_equal(stats_of(&r).in_flight, 0);
    rig_done(&r);
}

/* One call and two other requests, from both sides: 11 messages in, and what they cause. */
static void traffic(struct rig *r, unsigned n)
{
    struct oh_flow flow = UDP;
    char sent[TEXT_MAX];
    uint64_t server = serve(r, &flow, numbered("INVITE", n), n);

    assert_int_equal(respond(r, server, 100, ""), OH_OK);
    assert_int_equal(respond(r, server, 180, "bob1"), OH_OK);
    rig_udp(r, numbered("INVITE", n));
    assert_int_equal(respond(r, server, n % 2 ? 200 : 486, "bob1"), OH_OK);
    rig_udp(r, numbered("ACK", n));
    server = serve(r, &flow, numbered("REGISTER", n), n);
    assert_int_equal(respond(r, server, 200, "bob1"), OH_OK);
    rig_forget(r);
    call(r, &flow, "INVITE", n, 0);
    snprintf(sent, sizeof(sent), "%s", rig_get(r, OH_OUT_SEND, "INVITE", 0)->text);
    rig_udp(r, response_text(sent, 100, ""));
    rig_udp(r, response_text(sent, n % 2 ? 200 : 486, "bob1"));
    rig_udp(r, response_text(sent, n % 2 ? 200 : 486, "bob1"));
    rig_forget(r);
    call(r, &flow, "OPTIONS", n, 0);
    snprintf(sent, sizeof(sent), "%s", rig_get(r, OH_OUT_SEND, "OPTIONS", 0)->text);
    rig_udp(r, response_text(sent, 200, "bob1"));
    rig_udp(r, "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\r\n\r\n");
    rig_udp(r, numbered("MESSAGE", n));
    assert_int_equal(oh_reply_stateless(r->ep, r->msg, &r->flow, &(struct oh_reply){.code = 404}),
                     OH_OK);
    rig_take(r);
    rig_forget(r);
}

/* No heap call per message once the tables have their size. */
static void steady_state_asks_the_heap_for_nothing(void **state)
{
    struct rig r;
    uint64_t ms = 0;
    uint64_t messages;
    size_t calls;
    unsigned n = 0;

    (void)state;
    rig_init(&r, NULL);
    for (; ms < 70000; ms += 50, n++) {
        rig_until(&r, ms);
        rig_forget(&r);
        traffic(&r, n);
    }
    calls = r.heap.calls;
    messages = stats_of(&r).rx_requests + stats_of(&r).rx_responses + stats_of(&r).tx_messages;
    for (; stats_of(&r).rx_requests + stats_of(&r).rx_responses + stats_of(&r).tx_messages <
           messages + 10000;
         ms += 50, n++) {
        rig_until(&r, ms);
        rig_forget(&r);
        traffic(&r, n);
    }
    assert_int_equal(r.heap.calls - calls, 0);
    assert_int_equal(stats_of(&r).bytes, r.heap.bytes);
    rig_done(&r);
}

/* Memory goes back after a peak, and a completed transaction is as small as promised. */
static void memory_goes_back_after_a_peak(void **state)
{
    enum { N = 5000 };
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t before, peak;
    size_t reply;

    (void)state;
    assert_true(sizeof(struct oh__txn) <= 128);
    rig_init(&r, NULL);
    traffic(&r, 1000000);
    rig_until(&r, 100000);
    rig_forget(&r);
    before = stats_of(&r).bytes;
    reply = 0;
    for (unsigned i = 0; i < N; i++) {
        uint64_t server = serve(&r, &flow, numbered("OPTIONS", i), i);

        assert_int_equal(respond(&r, server, 200, "bob1"), OH_OK);
        reply = rig_get(&r, OH_OUT_SEND, "", 0)->out.bytes.n;
        rig_forget(&r);
    }
    assert_int_equal(stats_of(&r).completed, N);
    peak = stats_of(&r).bytes - before;
    /* Record, reply in a block of 16-byte steps with its count, handle and place in the table. */
    assert_true(peak / N <= 128 + reply + 16 + 8 + 8 + 2 * sizeof(void *) + 16);
    rig_until(&r, 200000);
    rig_forget(&r);
    assert_int_equal(stats_of(&r).completed, 0);
    assert_true(stats_of(&r).bytes < before + peak / 2);
    assert_true(r.ep->table.mask < N / 8);
    rig_done(&r);
}

/* Feeds the same to two endpoints and compares all that comes out (TXN-023). */
static void same_input_gives_same_output(void **state)
{
    static const char *const methods[] = {"INVITE", "OPTIONS", "MESSAGE"};
    struct rig *r = calloc(2, sizeof(*r));
    struct oh_flow flow = UDP;

    (void)state;
    assert_non_null(r);
    for (int i = 0; i < 2; i++) {
        rig_init(&r[i], NULL);
        for (unsigned n = 0; n < 3; n++) {
            uint64_t server = serve(&r[i], &flow, numbered(methods[n], n), n);

            call(&r[i], &flow, methods[n], n, server);
            assert_int_equal(respond(&r[i], server, 486, ""), OH_OK);
        }
        rig_until(&r[i], 100000);
    }
    assert_int_equal(r[0].n, r[1].n);
    for (size_t i = 0; i < r[0].n; i++) {
        const struct taken *a = &r[0].taken[i], *b = &r[1].taken[i];

        assert_int_equal(a->out.kind, b->out.kind);
        assert_int_equal(a->out.code, b->out.code);
        assert_int_equal(a->out.server, b->out.server);
        assert_int_equal(a->out.client, b->out.client);
        assert_int_equal(a->at, b->at);
        assert_string_equal(a->text, b->text);
    }
    rig_done(&r[0]);
    rig_done(&r[1]);
    free(r);
}

/* A user that does not take everything in time loses events with messages, never bytes to be sent.
 */
static void what_was_not_taken_is_safe(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_output out;
    const char *text = numbered("OPTIONS", 1);
    char *first = strdup(text);

    (void)state;
    assert_non_null(first);
    rig_init(&r, NULL);
    assert_int_equal(oh_endpoint_input(r.ep, r.now, &flow, oh_span_str(first)), OH_OK);
    assert_int_equal(oh_endpoint_send(r.ep, &flow, OH_LIT("bytes of mine")), OH_OK);
    memset(first, 'x', strlen(first));
    free(first);
    text = numbered("OPTIONS", 2);
    assert_int_equal(oh_endpoint_input(r.ep, r.now, &flow, oh_span_str(text)), OH_OK);
    assert_true(oh_endpoint_take(r.ep, &out));
    assert_int_equal(out.kind, OH_OUT_SEND);
    assert_true(oh_span_eq(out.bytes, OH_LIT("bytes of mine")));
    assert_true(oh_endpoint_take(r.ep, &out));
    assert_int_equal(out.kind, OH_OUT_REQUEST);
    assert_true(oh_span_eq(out.msg->raw, oh_span_str(text)));
    assert_false(oh_endpoint_take(r.ep, &out));
    rig_done(&r);
}

/* Many outputs at once cross the slabs of the queue, in order; then its memory shrinks again. */
static void queue_keeps_order_over_slabs(void **state)
{
    enum { N = 1000 };
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_output out;
    char text[16];
    uint64_t full;

    (void)state;
    rig_init(&r, NULL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            size_t n = (size_t)snprintf(text, sizeof(text), "no %d", i);

            assert_int_equal(oh_endpoint_send(r.ep, &flow, oh_span(text, n)), OH_OK);
        }
        for (int i = 0; i < N; i++) {
            size_t n = (size_t)snprintf(text, sizeof(text), "no %d", i);

            assert_true(oh_endpoint_take(r.ep, &out));
            assert_true(oh_span_eq(out.bytes, oh_span(text, n)));
        }
        assert_false(oh_endpoint_take(r.ep, &out));
        full = stats_of(&r).bytes;
        oh_endpoint_expire(r.ep, r.now, 1);
        assert_true(stats_of(&r).bytes < full);
    }
    rig_done(&r);
}

/* expire does as much as it is told, and the deadline says that there is more. */
static void expire_does_no_more_than_told(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;

    (void)state;
    rig_init(&r, NULL);
    for (unsigned i = 0; i < 10; i++)
        call(&r, &flow, "OPTIONS", i, 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(respond(&r, serve(&r, &flow, numbered("MESSAGE", i), i), 200, "x"), OH_OK);
    rig_forget(&r);
    r.now = START + 500 * MS;
    assert_int_equal(oh_endpoint_expire(r.ep, r.now, 3), 3);
    rig_take(&r);
    assert_int_equal(r.n, 3);
    assert_true(oh_endpoint_deadline(r.ep) <= r.now);
    assert_int_equal(oh_endpoint_expire(r.ep, r.now, 100), 7);
    rig_take(&r);
    assert_true(oh_endpoint_deadline(r.ep) > r.now);
    assert_int_equal(oh_endpoint_expire(r.ep, r.now, 100), 0);
    /* A clock that goes back changes nothing. */
    assert_int_equal(oh_endpoint_expire(r.ep, START, 100), 0);
    r.now = START + 32000 * MS;
    assert_int_equal(oh_endpoint_expire(r.ep, r.now, 4), 4);
    rig_take(&r);
    assert_int_equal(stats_of(&r).completed, 1);
    rig_done(&r);
}

/* The caller may parse: to know the shard, or to frame a stream. */
static void parsed_messages_are_taken(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_msg *msg = malloc(sizeof(*msg));
    struct oh_fault fault = {0};
    const char *text = numbered("OPTIONS", 1);
    const char *bad = "OPTIONS sip:x SIP/3.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\r\n\r\n";
    uint64_t server = 0;
    size_t used;
    int parsed;

    (void)state;
    assert_non_null(msg);
    rig_init(&r, NULL);
    parsed = oh_msg_parse(oh_span_str(text), OH_MSG_DATAGRAM, &r.options.limits, msg, &used,
                          &fault);
    assert_int_equal(oh_endpoint_input_msg(r.ep, r.now, &flow, msg, parsed, &fault), OH_OK);
    rig_take(&r);
    assert_ptr_equal(rig_get(&r, OH_OUT_REQUEST, "", 0)->out.msg, msg);
    assert_int_equal(oh_server_new(r.ep, r.now, msg, &flow, 1, &server), OH_OK);
    oh_endpoint_check(r.ep);
    parsed = oh_msg_parse(oh_span_str(bad), OH_MSG_DATAGRAM, &r.options.limits, msg, &used, &fault);
    assert_int_equal(oh_endpoint_input_msg(r.ep, r.now, &flow, msg, parsed, &fault), OH_E_VERSION);
    rig_take(&r);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 505"), 1);
    rig_done(&r);
    free(msg);
}

/* What a trace saw. */
struct seen {
    unsigned rx, tx, states;
    char log[512];
};

static void see(void *ctx, const struct oh__trace_event *ev)
{
    struct seen *s = ctx;
    size_t n = strlen(s->log);

    s->rx += ev->kind == OH__TRACE_RX;
    s->tx += ev->kind == OH__TRACE_TX;
    if (ev->kind != OH__TRACE_STATE)
        return;
    s->states++;
    snprintf(s->log + n, sizeof(s->log) - n, "%s %.*s;", ev->name, OH_PRI(ev->text));
}

static void trace_sees_everything(void **state)
{
    struct seen seen = {0};
    struct oh__trace trace = {.ctx = &seen, .kinds = ~0u, .sink = see};
    struct oh_endpoint_options o = {.trace = &trace};
    struct oh_flow flow = UDP;
    struct rig r;
    uint64_t server;

    (void)state;
    rig_init(&r, &o);
    server = serve(&r, &flow, numbered("INVITE", 1), 1);
    assert_int_equal(respond(&r, server, 180, "x"), OH_OK);
    assert_int_equal(respond(&r, server, 486, "x"), OH_OK);
    rig_udp(&r, numbered("ACK", 1));
    rig_forget(&r);
    call(&r, &flow, "OPTIONS", 1, 1);
    rig_udp(&r, response_text(rig_get(&r, OH_OUT_SEND, "OPTIONS", 0)->text, 200, "x"));
    assert_int_equal(seen.rx, 3);
    assert_int_equal(seen.tx, 3);
    assert_string_equal(seen.log, "ist Proceeding;ist Completed;ist Confirmed;nict Trying;"
                                  "nict Completed;");
    rig_done(&r);
}

/* The names of all states, as the RFC has them, and of what is none. */
static void states_have_the_names_of_the_rfc(void **state)
{
    static const struct {
        const char *(*of)(unsigned);
        const char *names[5];
    } all[] = {
        {oh__ict_state_name, {"Calling", "Proceeding", "Completed", "Accepted", "?"}},
        {oh__nict_state_name, {"Trying", "Proceeding", "Completed", "?", "?"}},
        {oh__ist_state_name, {"Proceeding", "Completed", "Confirmed", "Accepted", "?"}},
        {oh__nist_state_name, {"Trying", "Proceeding", "Completed", "?", "?"}},
    };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 5; k++)
            assert_string_equal(all[i].of(k), all[i].names[k]);
    }
}

/* --- every allocation fails once --- */

struct script {
    struct oh_endpoint *ep;
    uint64_t now;
};

/* Takes everything; a REQUEST gets a transaction and a reply, if there is memory. */
static void serve_all(struct script *s, unsigned code)
{
    struct oh_output out;

    while (oh_endpoint_take(s->ep, &out)) {
        struct oh_reply reply = {.code = code};
        uint64_t server;

        if (out.kind == OH_OUT_REQUEST &&
            oh_server_new(s->ep, s->now, out.msg, &out.flow, 1, &server) == OH_OK) {
            (void)oh_server_respond(s->ep, s->now, server, out.msg, &out.flow,
                                    &(struct oh_reply){.code = 180});
            (void)oh_server_respond(s->ep, s->now, server, out.msg, &out.flow, &reply);
        } else if (out.kind == OH_OUT_REQUEST) {
            (void)oh_reply_stateless(s->ep, out.msg, &out.flow, &reply);
        }
    }
    oh_endpoint_check(s->ep);
}

static void bring(struct script *s, const char *text)
{
    struct oh_flow flow = UDP;

    (void)oh_endpoint_input(s->ep, s->now, &flow, oh_span_str(text));
    serve_all(s, strncmp(text, "INVITE", 6) == 0 ? 486 : 200);
}

/* Sends an INVITE, and answers it: 180, the CANCEL in between, 487. */
static void place(struct script *s, int route)
{
    char branch[OH_BRANCH_MAX + 1], text[TEXT_MAX], rows[2048];
    struct oh_client_request request = {.method = OH_METHOD_INVITE, .flow = UDP};
    uint64_t client;
    size_t n;

    if (oh_client_reserve(s->ep, 0, &client, branch, &n) != OH_OK)
        return;
    branch[n] = 0;
    /* Long, so that its ACK and CANCEL are of sizes that no block in the cache has. */
    snprintf(rows, sizeof(rows), "Subject: %0700d\r\nRoute: <sip:%0*d;lr>\r\n", 0, route, 0);
    snprintf(text, sizeof(text), "%s", request_text("INVITE", branch, rows));
    request.bytes = oh_span_str(text);
    (void)oh_client_cancel(s->ep, s->now, client, oh_span(NULL, 0));
    if (oh_client_start(s->ep, s->now, client, &request) != OH_OK)
        return;
    (void)oh_client_cancel(s->ep, s->now, client, OH_LIT("Reason: x\r\n"));
    bring(s, response_text(text, 180, "bob1"));
    (void)oh_client_cancel(s->ep, s->now, client, OH_LIT("Reason: x\r\n"));
    bring(s, response_text(text, 487, "bob1"));
}

static void scenario(struct test_heap *h, void *arg)
{
    struct oh_endpoint_options o = {.alloc = &h->alloc, .server = OH_LIT("test")};
    struct script s = {.now = START};

    (void)arg;
    if (oh_endpoint_new(&o, s.now, &s.ep) != OH_OK)
        return;
    bring(&s, numbered("INVITE", 1));
    bring(&s, numbered("ACK", 1));
    bring(&s, numbered("OPTIONS", 2));
    bring(&s, numbered("CANCEL", 1));
    bring(&s, "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\r\n\r\n");
    for (int i = 1; i < 8; i++)
        place(&s, i * 97);
    for (int i = 0; i < 200; i++) {
        struct oh_flow flow = UDP;

        (void)oh_endpoint_send(s.ep, &flow, OH_LIT("x"));
    }
    for (int i = 0; i < 100; i++) {
        s.now += 1000 * MS;
        oh_endpoint_expire(s.ep, s.now, 1000);
        serve_all(&s, 200);
    }
    oh_endpoint_free(s.ep);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(test_heap_fail_each(scenario, NULL) >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_table_refuses_new_work_only),
        cmocka_unit_test(oldest_completed_goes_first),
        cmocka_unit_test(oldest_is_by_age_and_not_by_expiry),
        cmocka_unit_test(oldest_may_be_in_either_queue),
        cmocka_unit_test(stale_handles_do_nothing),
        cmocka_unit_test(foreign_via_is_refused),
        cmocka_unit_test(steady_state_asks_the_heap_for_nothing),
        cmocka_unit_test(memory_goes_back_after_a_peak),
        cmocka_unit_test(same_input_gives_same_output),
        cmocka_unit_test(what_was_not_taken_is_safe),
        cmocka_unit_test(queue_keeps_order_over_slabs),
        cmocka_unit_test(expire_does_no_more_than_told),
        cmocka_unit_test(parsed_messages_are_taken),
        cmocka_unit_test(trace_sees_everything),
        cmocka_unit_test(states_have_the_names_of_the_rfc),
        cmocka_unit_test(any_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
