/* Record-Route tokens: read back, bound to their call, forged by nobody (decision 8). */
#include "harness.h"

static struct oh__shared shared;

#define WALL UINT64_C(1800000000000)

static struct oh__token token_of(enum oh_transport transport, const char *peer, const char *local,
                                 uint64_t id)
{
    struct oh__token t = {.kind = OH__TOKEN_FLOW, .expires = WALL + 5000};

    t.flow.transport = (uint8_t)transport;
    t.flow.listener = 7;
    t.flow.id = id;
    t.flow.peer = harness_addr(peer);
    t.flow.local = harness_addr(local);
    return t;
}

static int up(void **state)
{
    (void)state;
    memset(&shared, 0, sizeof shared);
    shared.token_key = (struct oh__hash_key){11, 22};
    return 0;
}

static void reads_back(void **state)
{
    const struct oh__token tokens[] = {
        token_of(OH_TRANSPORT_UDP, "192.0.2.1:5060", "198.51.100.1:5060", 0),
        token_of(OH_TRANSPORT_TCP, "192.0.2.1:40000", "198.51.100.1:5060", UINT64_MAX - 3),
        token_of(OH_TRANSPORT_TCP, "[2001:db8::1]:65535", "[2001:db8::2]:1", 1),
    };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        char text[OH__TOKEN_TEXT_MAX];
        struct oh__token out;
        size_t n = oh__token_make(&shared, &tokens[i], OH_LIT("call"), text);

        assert_true(n < sizeof text);
        assert_int_equal(oh__token_read(&shared, oh_span(text, n), OH_LIT("call"), WALL, &out),
                         OH_OK);
        assert_int_equal(out.kind, OH__TOKEN_FLOW);
        assert_true(oh_flow_same(&out.flow, &tokens[i].flow));
        assert_true(oh_addr_eq(&out.flow.local, &tokens[i].flow.local));
        assert_int_equal(out.flow.listener, 7);
        assert_int_equal(out.flow.id, tokens[i].flow.id);
        assert_int_equal(out.expires, WALL + 5000);
        /* Peers may write a URI's user in another case, though they must not. */
        for (size_t k = 0; k < n; k++)
            text[k] = (char)(text[k] >= 'a' && text[k] <= 'z' ? text[k] - 32 : text[k]);
        assert_int_equal(oh__token_read(&shared, oh_span(text, n), OH_LIT("call"), WALL, &out),
                         OH_OK);
    }
}

static void belongs_to_one_call_and_time(void **state)
{
    struct oh__token t = token_of(OH_TRANSPORT_UDP, "192.0.2.1:5060", "198.51.100.1:5060", 0), out;
    char text[OH__TOKEN_TEXT_MAX];
    size_t n = oh__token_make(&shared, &t, OH_LIT("call"), text);

    (void)state;
    assert_int_equal(oh__token_read(&shared, oh_span(text, n), OH_LIT("Call"), WALL, &out),
                     OH_E_DENIED);
    assert_int_equal(oh__token_read(&shared, oh_span(text, n), OH_LIT("call"), WALL + 6000, &out),
                     OH_E_TIMEOUT);
    shared.token_key.k0++;
    assert_int_equal(oh__token_read(&shared, oh_span(text, n), OH_LIT("call"), WALL, &out),
                     OH_E_DENIED);
}

/* Every single change of a character is found out, and so is every cut. */
static void changes_are_found_out(void **state)
{
    struct oh__token t = token_of(OH_TRANSPORT_TCP, "192.0.2.1:5060", "198.51.100.1:5060", 9), out;
    char text[OH__TOKEN_TEXT_MAX + 1];
    size_t n = oh__token_make(&shared, &t, OH_LIT("call"), text);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        for (const char *c = "ab7q-\x80"; *c; c++) {
            char old = text[i];

            if (old == *c)
                continue;
            text[i] = *c;
            int r = oh__token_read(&shared, oh_span(text, n), OH_LIT("call"), WALL, &out);

            assert_true(r == OH_E_DENIED || r == OH_E_SYNTAX);
            text[i] = old;
        }
        assert_true(oh__token_read(&shared, oh_span(text, i), OH_LIT("call"), WALL, &out) != OH_OK);
    }
    text[n] = 'a';
    assert_true(oh__token_read(&shared, oh_span(text, n + 1), OH_LIT("call"), WALL, &out) != OH_OK);
}

static void others_are_no_tokens(void **state)
{
    static const char *const texts[] = {"", "oh", "101", "ohm",
                                        "ohaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct oh__token out;

    (void)state;
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(oh__token_read(&shared, oh_span_str(texts[i]), OH_LIT("call"), WALL, &out),
                         OH_E_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reads_back, up),
        cmocka_unit_test_setup(belongs_to_one_call_and_time, up),
        cmocka_unit_test_setup(changes_are_found_out, up),
        cmocka_unit_test_setup(others_are_no_tokens, up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
