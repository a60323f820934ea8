/* Shares of the table: who holds as much as is left for everybody else gets no more. */
#include "unit/core/harness.h"

#include "core/internal.h"

#define UDP rig_flow(OH_TRANSPORT_UDP)

static struct rig r;

static void begin(uint32_t most)
{
    struct oh_endpoint_options o = {.transactions_max = most};

    rig_init(&r, &o);
}

static uint32_t payer(const char *name)
{
    return oh_payer_of(r.ep, oh_span_str(name));
}

/* A server transaction number n that somebody pays for. */
static uint64_t charged(unsigned n, uint32_t who)
{
    struct oh_flow flow = UDP;
    char branch[32];
    uint64_t server;

    snprintf(branch, sizeof(branch), "z9hG4bK%u", n);
    server = serve(&r, &flow, request_text("INVITE", branch, ""), n);
    oh_payer_charge(r.ep, server, who);
    oh_endpoint_check(r.ep);
    return server;
}

/* How many more a payer gets; they stay. */
static unsigned fill(unsigned first, uint32_t who)
{
    unsigned n = 0;
    struct oh_endpoint_stats stats;

    for (;; n++) {
        oh_endpoint_stats(r.ep, &stats);
        if (oh_payer_greedy(r.ep, who) || stats.in_flight == r.options.transactions_max)
            return n;
        charged(first + n, who);
    }
}

/* One gets half, two have two thirds, and so on; whoever holds nothing gets what there is. */
static void each_leaves_as_much_as_he_has(void **state)
{
    (void)state;
    begin(60);
    assert_int_equal(fill(0, payer("mallory")), 30);
    assert_int_equal(fill(100, payer("trudy")), 15);
    assert_true(oh_payer_greedy(r.ep, payer("mallory")));
    assert_true(oh_payer_greedy(r.ep, payer("trudy")));
    assert_false(oh_payer_greedy(r.ep, payer("alice")));
    assert_int_equal(fill(200, payer("alice")), 8);
    assert_false(oh_payer_greedy(r.ep, payer("bob")));
    rig_done(&r);
}

/* A full table is nobody's greed: it is full, and that is said. */
static void a_full_table_is_something_else(void **state)
{
    (void)state;
    begin(4);
    assert_int_equal(fill(0, 0), 4);
    assert_false(oh_payer_greedy(r.ep, payer("alice")));
    assert_false(oh_payer_greedy(r.ep, 0));
    rig_done(&r);
}

/* What is only remembered, dropped or timed out counts no more. */
static void ended_work_is_free(void **state)
{
    uint32_t who = 0;
    uint64_t server[4], client;
    struct oh_flow flow = UDP;

    (void)state;
    begin(8);
    who = payer("alice");
    for (unsigned i = 0; i < 4; i++)
        server[i] = charged(i, who);
    assert_true(oh_payer_greedy(r.ep, who));
    assert_int_equal(respond(&r, server[3], 200, "b"), OH_OK);
    oh_endpoint_check(r.ep);
    assert_false(oh_payer_greedy(r.ep, who));
    oh_payer_charge(r.ep, server[3], who); /* completed: nothing to be charged */
    oh_server_drop(r.ep, server[2]);
    oh_payer_charge(r.ep, server[2], who); /* stale */
    client = call(&r, &flow, "MESSAGE", 5, 6);
    oh_payer_charge(r.ep, client, who);
    oh_payer_charge(r.ep, client, payer("bob")); /* it has a payer */
    oh_endpoint_check(r.ep);
    assert_int_equal(fill(10, who), 1);
    rig_until(&r, 40000); /* Timer F */
    oh_endpoint_check(r.ep);
    assert_int_equal(fill(20, who), 1);
    rig_done(&r);
}

/* A caller cannot hide behind CANCELs of ours, which are made beyond the bound of the table. */
static void the_cancel_follows_its_invite(void **state)
{
    struct oh_flow flow = UDP;
    char invite[TEXT_MAX];
    uint64_t client;
    uint32_t who;

    (void)state;
    begin(6);
    who = payer("alice");
    client = call(&r, &flow, "INVITE", 5, 6);
    oh_payer_charge(r.ep, client, who);
    snprintf(invite, sizeof(invite), "%s", rig_get(&r, OH_OUT_SEND, "INVITE", 0)->text);
    rig_udp(&r, response_text(invite, 180, "bob1"));
    assert_int_equal(oh_client_cancel(r.ep, r.now, client, oh_span_str("")), OH_OK);
    oh_endpoint_check(r.ep);
    charged(1, who); /* the third: three are left */
    assert_true(oh_payer_greedy(r.ep, who));
    rig_done(&r);
}

/* A cell shared with somebody greedy is not enough to be taken for him. */
static void one_shared_cell_does_no_harm(void **state)
{
    unsigned met[2] = {0, 0};
    uint32_t greedy;

    (void)state;
    begin(20);
    greedy = payer("mallory");
    assert_int_equal(fill(0, greedy), 10);
    for (unsigned i = 0; i < 5000; i++) {
        char name[16];
        uint32_t p;

        snprintf(name, sizeof(name), "user%u", i);
        p = payer(name);
        assert_true(p != 0);
        if ((p & 0xffff) == (greedy & 0xffff))
            continue;
        met[0] += (p & 0xff) == (greedy & 0xff);
        met[1] += (p >> 8 & 0xff) == (greedy >> 8 & 0xff);
        assert_false(oh_payer_greedy(r.ep, p));
    }
    assert_true(met[0] > 0 && met[1] > 0);
    rig_done(&r);
}

/* A row that makes a request longer than so many bytes. */
static const char *long_row(size_t n)
{
    static char row[TEXT_MAX];

    memset(row, 'x', n);
    memcpy(row, "Subject: ", 9);
    memcpy(row + n, "\r\n", 3);
    return row;
}

/* Server transactions for requests with this row until there is no room. */
static unsigned fit(const char *row)
{
    for (unsigned n = 0;; n++) {
        char branch[32];
        uint64_t server;
        int err;

        snprintf(branch, sizeof(branch), "z9hG4bKlong%u", n);
        rig_udp(&r, request_text("MESSAGE", branch, row));
        err = oh_server_new(r.ep, r.now, r.msg, &r.flow, n, &server);
        oh_endpoint_check(r.ep);
        if (err) {
            assert_int_equal(err, OH_E_FULL);
            return n;
        }
    }
}

/* The bound is one on memory: what is held for a long message counts for more. */
static void long_requests_take_more_places(void **state)
{
    (void)state;
    begin(12);
    assert_int_equal(fit(""), 12);
    rig_done(&r);
    begin(12);
    assert_int_equal(fit(long_row(4096)), 6);
    rig_done(&r);
}

/* Likewise whatever is held later: responses, and what the user tells of. */
static void what_comes_later_counts(void **state)
{
    static char text[9000];
    uint32_t who;
    uint64_t a;

    (void)state;
    begin(12);
    who = payer("alice");
    a = charged(1, who);
    assert_false(oh_payer_greedy(r.ep, who));
    snprintf(text, sizeof(text), "SIP/2.0 180 Ringing\r\n%s", long_row(8000));
    assert_int_equal(oh_server_reply(r.ep, r.now, a, 180, oh_span(text, 8192)), OH_OK);
    rig_take(&r);
    oh_endpoint_check(r.ep); /* three of twelve */
    assert_false(oh_payer_greedy(r.ep, who));
    oh_payer_weigh(r.ep, a, 20480);
    oh_endpoint_check(r.ep); /* six */
    assert_true(oh_payer_greedy(r.ep, who));
    oh_payer_weigh(r.ep, a, 100); /* the most that there ever was */
    assert_true(oh_payer_greedy(r.ep, who));
    oh_server_drop(r.ep, a);
    oh_payer_weigh(r.ep, a, 20480);
    oh_endpoint_check(r.ep);
    assert_false(oh_payer_greedy(r.ep, who));
    rig_done(&r);
}

/* A large reply takes the places of several that are remembered. */
static void long_replies_are_forgotten_sooner(void **state)
{
    struct oh_endpoint_options o = {.completed_max = 9};
    static char text[TEXT_MAX];
    struct oh_endpoint_stats stats;
    struct oh_flow flow = UDP;

    (void)state;
    rig_init(&r, &o);
    snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\n%s", long_row(5000));
    for (unsigned i = 0; i < 5; i++) {
        char branch[32];
        uint64_t server;

        snprintf(branch, sizeof(branch), "z9hG4bKbig%u", i);
        server = serve(&r, &flow, request_text("OPTIONS", branch, ""), i);
        assert_int_equal(oh_server_reply(r.ep, r.now, server, 200, oh_span(text, 4096)), OH_OK);
        rig_take(&r);
        oh_endpoint_check(r.ep);
    }
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.completed, 3);
    assert_int_equal(stats.completed_evicted, 2);
    rig_until(&r, 60000);
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.completed, 0);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_leaves_as_much_as_he_has),
        cmocka_unit_test(a_full_table_is_something_else),
        cmocka_unit_test(ended_work_is_free),
        cmocka_unit_test(the_cancel_follows_its_invite),
        cmocka_unit_test(one_shared_cell_does_no_harm),
        cmocka_unit_test(long_requests_take_more_places),
        cmocka_unit_test(what_comes_later_counts),
        cmocka_unit_test(long_replies_are_forgotten_sooner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
