/* Finding transactions: RFC 3261 17.1.3, 17.2.3, 8.1.1.7; TXN-001, 002, 015, 019. */
#include "unit/core/harness.h"

#include "core/internal.h"

#define UDP rig_flow(OH_TRANSPORT_UDP)

/* A request with everything that matching looks at. */
struct parts {
    const char *method, *uri, *host, *branch, *from_tag, *to_tag, *call_id;
    unsigned cseq;
};

static const struct parts usual = {
    "INVITE", "sip:bob@192.0.2.1", "client.example:5060", "z9hG4bK1", "alice1", "", "call1", 1};

static const char *text_of(struct parts p)
{
    static char text[TEXT_MAX];

    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\n"
             "Via: SIP/2.0/UDP %s%s%s\r\n"
             "Max-Forwards: 70\r\n"
             "From: <sip:alice@client.example>;tag=%s\r\n"
             "To: <sip:bob@192.0.2.1>%s%s\r\n"
             "Call-ID: %s\r\n"
             "CSeq: %u %s\r\n"
             "Content-Length: 0\r\n\r\n",
             p.method, p.uri, p.host, p.branch[0] ? ";branch=" : "", p.branch, p.from_tag,
             p.to_tag[0] ? ";tag=" : "", p.to_tag, p.call_id, p.cseq, p.method);
    return text;
}

/* Whether the second request is taken for the same as the first. */
static bool same(struct parts first, struct parts second)
{
    struct rig r;
    struct oh_flow flow = UDP;
    bool found;

    rig_init(&r, NULL);
    serve(&r, &flow, text_of(first), 5);
    rig_forget(&r);
    assert_int_equal(rig_udp(&r, text_of(second)), OH_OK);
    found = rig_count(&r, OH_OUT_REQUEST, "") == 0;
    rig_done(&r);
    return found;
}

#define WITH(base, field, value)  \
    ({                            \
        struct parts p_ = (base); \
        p_.field = (value);       \
        p_;                       \
    })

static void expect(struct parts first, struct parts second, bool found)
{
    if (same(first, second) != found)
        fail_msg("%s found: %s", found ? "not" : "wrongly", text_of(second));
}

/* TXN-002 */
static void requests_match_by_branch_sent_by_and_method(void **state)
{
    char long_branch[300] = "z9hG4bK", other_branch[300];

    (void)state;
    expect(usual, usual, true);
    expect(usual, WITH(usual, branch, "z9hG4bK2"), false);
    expect(usual, WITH(usual, host, "client.example:5061"), false);
    expect(usual, WITH(usual, host, "client.test:5060"), false);
    expect(usual, WITH(usual, method, "OPTIONS"), false);
    expect(usual, WITH(usual, method, "EXPLODE"), false);
    /* Hosts compare without case; the port that is not written is 5060. */
    expect(usual, WITH(usual, host, "Client.EXAMPLE"), true);
    /* With a cookie nothing else counts (a request may be changed by the client's own hop). */
    expect(usual, WITH(usual, call_id, "call2"), true);
    expect(usual, WITH(usual, uri, "sip:carol@192.0.2.1"), true);
    /* Unknown methods are told apart by their text. */
    expect((struct parts){"EXPLODE", usual.uri, usual.host, usual.branch, "a", "", "c", 1},
           WITH(usual, method, "IMPLODE"), false);
    expect(WITH(usual, method, "EXPLODE"), WITH(usual, method, "EXPLODE"), true);
    /* Long branches count to their end. */
    memset(long_branch + 7, 'x', 290);
    memcpy(other_branch, long_branch, sizeof(long_branch));
    other_branch[296] = 'y';
    expect(WITH(usual, branch, long_branch), WITH(usual, branch, long_branch), true);
    expect(WITH(usual, branch, long_branch), WITH(usual, branch, other_branch), false);
}

/* TXN-002: clients from before the cookie. */
static void old_requests_match_by_everything(void **state)
{
    static const char *const branches[] = {"", "1", "z9hG4bK"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct parts old = WITH(usual, branch, branches[i]);

        expect(old, old, true);
        expect(old, WITH(old, uri, "sip:carol@192.0.2.1"), false);
        expect(old, WITH(old, to_tag, "bob1"), false);
        expect(old, WITH(old, from_tag, "alice2"), false);
        expect(old, WITH(old, call_id, "call2"), false);
        expect(old, WITH(old, cseq, 2), false);
        expect(old, WITH(old, branch, "2"), false);
        expect(old, WITH(old, host, "client.test:5060"), false);
        expect(old, WITH(old, method, "OPTIONS"), false);
    }
}

/* An old ACK has the To tag of the response, whether the INVITE had it or not; and only that one
 * matches. */
static void old_ack_matches_by_our_tag(void **state)
{
    static const char *const tags[] = {"", "bob1"};
    struct rig r;
    struct oh_flow flow = UDP;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct parts old = WITH(usual, branch, "");
        struct parts ack = WITH(old, method, "ACK");
        uint64_t server;

        old.to_tag = tags[i];
        rig_init(&r, NULL);
        server = serve(&r, &flow, text_of(old), 5);
        assert_int_equal(respond(&r, server, 486, "bob1"), OH_OK);
        rig_forget(&r);
        ack.to_tag = "other";
        rig_udp(&r, text_of(ack)); /* of somebody else's response: not for this one */
        assert_int_equal(rig_get(&r, OH_OUT_ACK, "", 0)->out.server, 0);
        ack.to_tag = "bob1";
        rig_forget(&r);
        rig_udp(&r, text_of(ack));
        rig_quiet(&r);
        rig_udp(&r, text_of(ack)); /* again: Confirmed still knows the tag */
        rig_until(&r, 4999);
        rig_quiet(&r);
        rig_until(&r, 5000);
        assert_int_equal(rig_get(&r, OH_OUT_ENDED, "", 0)->out.code, 0);
        rig_done(&r);
    }
}

/* The old ACK of a 2xx matches the Accepted INVITE by the tag that is all that is left of the
 * response. */
static void old_ack_of_2xx_goes_up(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct parts old = WITH(usual, branch, "");
    struct parts ack = WITH(old, method, "ACK");
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, text_of(old), 5);
    assert_int_equal(respond(&r, server, 200, "bob1"), OH_OK);
    ack.to_tag = "bob1";
    rig_udp(&r, text_of(ack));
    assert_int_equal(rig_get(&r, OH_OUT_ACK, "", 0)->out.server, server);
    rig_done(&r);
}

static void old_cancel_matches(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct parts old = WITH(usual, branch, "");
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, text_of(old), 5);
    rig_udp(&r, text_of(WITH(old, method, "CANCEL")));
    assert_int_equal(rig_get(&r, OH_OUT_CANCEL, "", 0)->out.server, server);
    rig_udp(&r, text_of(WITH(old, method, "CANCEL")));
    assert_int_equal(rig_count(&r, OH_OUT_CANCEL, ""), 1);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 200"), 2);
    rig_done(&r);
}

/* Puts something else in place of a part of a text. */
static const char *replace(const char *text, const char *from, const char *to)
{
    static char out[TEXT_MAX];
    const char *at = strstr(text, from);

    assert_non_null(at);
    snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

/* TXN-001, TXN-015: branch, sent-by and method must all be those that we sent. */
static void responses_match_by_branch_sent_by_and_method(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_stats stats;
    char good[TEXT_MAX], upper[TEXT_MAX];
    char *branch;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "OPTIONS", 5, 6);
    snprintf(good, sizeof(good), "%s",
             response_text(rig_get(&r, OH_OUT_SEND, "", 0)->text, 180, "bob1"));
    rig_forget(&r);
    rig_udp(&r, replace(good, "192.0.2.1:5060;", "192.0.2.1:5061;"));
    rig_udp(&r, replace(good, "192.0.2.1:5060;", "192.0.2.3:5060;"));
    rig_udp(&r, replace(good, "17 OPTIONS", "17 INVITE"));
    rig_udp(&r, replace(good, "17 OPTIONS", "17 CANCEL"));
    rig_udp(&r, replace(good, "branch=z9hG4bK", "branch=z9hG4bKa"));
    rig_udp(&r, replace(good, "branch=z9hG4bK", "branch=Z9"));
    /* Each digit of the branch counts. */
    branch = strstr(good, "z9hG4bK") + 7;
    for (size_t i = 0; branch[i] != '\r'; i++) {
        branch[i] ^= 1;
        rig_udp(&r, good);
        branch[i] ^= 1;
    }
    rig_quiet(&r);
    oh_endpoint_stats(r.ep, &stats);
    assert_true(stats.rx_stray_responses + stats.rx_bad >= 6 + 50);
    /* A token may change its case on the way, and the default port may go. */
    snprintf(upper, sizeof(upper), "%s", good);
    branch = strstr(upper, "z9hG4bK") + 7;
    for (size_t i = 0; branch[i] != '\r'; i++) {
        if (branch[i] >= 'a' && branch[i] <= 'z')
            branch[i] = (char)(branch[i] - 32);
    }
    rig_udp(&r, upper);
    rig_udp(&r, replace(good, "192.0.2.1:5060;", "192.0.2.1;"));
    rig_udp(&r, good);
    assert_int_equal(rig_count(&r, OH_OUT_RESPONSE, "SIP/2.0 180"), 3);
    rig_done(&r);
}

/*
 * A message of our own may have folded rows and compact names, as whoever wrote the forwarded
 * one liked it.
 */
static void own_messages_are_read_in_any_form(void **state)
{
    static const struct {
        const char *text, *tag, *host;
    } all[] = {
        {"SIP/2.0 200 OK\r\nTo: <sip:b>;tag=1\r\nVia: SIP/2.0/UDP h\r\n\r\n", "1", "h"},
        {"SIP/2.0 200 OK\r\nt : \"x\"\r\n <sip:b>\r\n\t;tag=1\r\nV: SIP/2.0/UDP\r\n  h\r\n\r\n",
         "1", "h"},
        {"SIP/2.0 200 OK\r\nTo: <sip:b;tag=2>\r\nvia: SIP/2.0/UDP h , SIP/2.0/UDP i\r\n\r\n", "",
         "h"},
        {"SIP/2.0 200 OK\r\nX: 1\r\n To: <sip:b>;tag=1\r\n\r\nTo: <sip:b>;tag=1\r\n", "", ""},
        {"SIP/2.0 200 OK\r\nTo", "", ""},
        {"SIP/2.0 200 OK", "", ""},
        {"", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        struct oh_span text = oh_span_str(all[i].text);
        struct oh_via via = {0};
        int err = oh__own_via(text, &via);

        assert_true(oh_span_eq(oh__own_to_tag(text), oh_span_str(all[i].tag)));
        assert_int_equal(err, all[i].host[0] ? OH_OK : OH_E_SYNTAX);
        assert_true(err || oh_span_eq(via.host, oh_span_str(all[i].host)));
    }
}

/* TXN-015: a response of an earlier transaction in the same place does not reach the present one.
 */
static void old_branch_is_stray(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    char old[TEXT_MAX];

    (void)state;
    rig_init(&r, NULL);
    oh_client_drop(r.ep, call(&r, &flow, "OPTIONS", 5, 6));
    snprintf(old, sizeof(old), "%s",
             response_text(rig_get(&r, OH_OUT_SEND, "", 0)->text, 200, "bob1"));
    call(&r, &flow, "OPTIONS", 5, 6);
    rig_forget(&r);
    rig_udp(&r, old);
    rig_quiet(&r);
    rig_done(&r);
}

/* After a restart with the same secret handles repeat; the random part of the branch does not. */
static void branch_of_another_life_is_stray(void **state)
{
    struct rig first, second;
    struct oh_flow flow = UDP;
    struct oh_endpoint_options o = {0};
    uint64_t a, b;

    (void)state;
    rig_init(&first, &o);
    o.seed[0] = 1;
    rig_init(&second, &o);
    a = call(&first, &flow, "OPTIONS", 5, 6);
    b = call(&second, &flow, "OPTIONS", 5, 6);
    assert_int_equal(a, b);
    rig_udp(&second, response_text(rig_get(&first, OH_OUT_SEND, "", 0)->text, 200, "bob1"));
    assert_int_equal(rig_count(&second, OH_OUT_RESPONSE, ""), 0);
    rig_done(&first);
    rig_done(&second);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, OH_BRANCH_MAX);
}

/* TXN-019 */
static void branches_are_unique_and_ours(void **state)
{
    enum { N = 10000 };
    struct rig r;
    struct oh_endpoint_options o = {.shard = 63};
    char(*all)[OH_BRANCH_MAX] = calloc(N, OH_BRANCH_MAX);
    uint8_t other[16] = {1};

    (void)state;
    assert_non_null(all);
    rig_init(&r, &o);
    for (uint64_t i = 0; i < N; i++) {
        uint64_t client, loop = 0;
        size_t n;
        struct oh_span text;

        assert_int_equal(oh_client_reserve(r.ep, i * i, &client, all[i], &n), OH_OK);
        text = oh_span(all[i], n);
        assert_true(n <= OH_BRANCH_MAX);
        assert_int_equal(memcmp(all[i], "z9hG4bK", 7), 0);
        assert_int_equal(oh_branch_shard(r.options.secret, text), 63);
        assert_true(oh_branch_loop(r.options.secret, text, &loop));
        assert_true(loop == i * i);
        assert_int_equal(oh_branch_shard(other, text), -1);
        assert_false(oh_branch_loop(other, text, &loop));
        oh_client_drop(r.ep, client);
    }
    qsort(all, N, OH_BRANCH_MAX, compare);
    for (size_t i = 1; i < N; i++)
        assert_int_not_equal(memcmp(all[i - 1], all[i], OH_BRANCH_MAX), 0);
    assert_int_equal(oh_branch_shard(r.options.secret, OH_LIT("z9hG4bK")), -1);
    assert_int_equal(oh_branch_shard(r.options.secret, OH_LIT("")), -1);
    rig_done(&r);
    free(all);
}

/* Calls spread over the shards, and always to the same one. */
static void calls_spread_over_shards(void **state)
{
    const uint8_t secret[16] = {3};
    unsigned count[8] = {0};

    (void)state;
    for (int i = 0; i < 8000; i++) {
        char id[32];
        struct oh_span call_id = oh_span(id, (size_t)snprintf(id, sizeof(id), "%d@host", i));
        unsigned shard = oh_call_shard(secret, call_id, 8);

        assert_true(shard < 8);
        assert_int_equal(oh_call_shard(secret, call_id, 8), shard);
        count[shard]++;
    }
    for (int i = 0; i < 8; i++)
        assert_in_range(count[i], 850, 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_match_by_branch_sent_by_and_method),
        cmocka_unit_test(old_requests_match_by_everything),
        cmocka_unit_test(old_ack_matches_by_our_tag),
        cmocka_unit_test(old_ack_of_2xx_goes_up),
        cmocka_unit_test(old_cancel_matches),
        cmocka_unit_test(responses_match_by_branch_sent_by_and_method),
        cmocka_unit_test(own_messages_are_read_in_any_form),
        cmocka_unit_test(old_branch_is_stray),
        cmocka_unit_test(branch_of_another_life_is_stray),
        cmocka_unit_test(branches_are_unique_and_ours),
        cmocka_unit_test(calls_spread_over_shards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
