/* Nonces: form, age, realm, MAC; nc windows; what is forgotten is stale (AUT-008, RFC 7616 5.4). */
#include "harness.h"

#define LIFE 300000 /* ms */

static const uint8_t key[16] = "nonce-test-key!";
static const struct oh_span realm = {"example.test", 12};

struct nonce {
    char text[OH__NONCE_MAX];
    size_t n;
};

/* Whom nonces are made for. */
static const struct oh_addr here = {.family = OH_FAMILY_IPV4, .port = 5060, .ip = {192, 0, 2, 10}};

static struct oh__nonces *nonces_of(uint32_t max)
{
    struct oh__nonces *n = oh__nonces_new(NULL, key, max);

    assert_non_null(n);
    return n;
}

static struct nonce make(const struct oh__nonces *n, uint64_t wall, uint64_t random)
{
    struct nonce x;

    x.n = oh__nonce_make(n, wall, random, realm, &here, x.text);
    return x;
}

static struct oh_span text_of(const struct nonce *x)
{
    return oh_span(x->text, x->n);
}

static void test_age(void **state)
{
    struct oh__nonces *n = nonces_of(64);
    uint64_t wall = UINT64_C(1800000000000);
    struct nonce x = make(n, wall, 7);

    (void)state;
    assert_int_equal(oh__nonce_check(n, wall, LIFE, text_of(&x), realm, &here), OH__NONCE_GOOD);
    assert_int_equal(oh__nonce_check(n, wall + LIFE, LIFE, text_of(&x), realm, &here),
                     OH__NONCE_GOOD);
    assert_int_equal(oh__nonce_check(n, wall + LIFE + 1, LIFE, text_of(&x), realm, &here),
                     OH__NONCE_STALE);
    /* The clock was set back: good for a while, not for ever. */
    assert_int_equal(oh__nonce_check(n, wall - LIFE, LIFE, text_of(&x), realm, &here),
                     OH__NONCE_GOOD);
    assert_int_equal(oh__nonce_check(n, wall - LIFE - 1, LIFE, text_of(&x), realm, &here),
                     OH__NONCE_STALE);
    oh__nonces_free(n);
}

/* Every digit counts, the length counts, and so do the realm and the key. */
static void test_forged(void **state)
{
    struct oh__nonces *n = nonces_of(64), *other;
    struct nonce x = make(n, 1000, 7), y;

    (void)state;
    for (size_t i = 0; i < x.n; i++) {
        y = x;
        y.text[i] = y.text[i] == '0' ? '1' : '0';
        /* The last eight digits are the source's. */
        assert_int_equal(oh__nonce_check(n, 1000, LIFE, text_of(&y), realm, &here),
                         i < x.n - 8 ? OH__NONCE_FOREIGN : OH__NONCE_MOVED);
        y.text[i] = 'g';
        assert_int_equal(oh__nonce_check(n, 1000, LIFE, text_of(&y), realm, &here),
                         OH__NONCE_FOREIGN);
        assert_int_equal(oh__nonce_check(n, 1000, LIFE, oh_span(x.text, i), realm, &here),
                         OH__NONCE_FOREIGN);
    }
    assert_int_equal(oh__nonce_check(n, 1000, LIFE, oh_span(NULL, 0), realm, &here),
                     OH__NONCE_FOREIGN);
    assert_int_equal(oh__nonce_check(n, 1000, LIFE, text_of(&x), OH_LIT("example.tesT"), &here),
                     OH__NONCE_FOREIGN);
    other = oh__nonces_new(NULL, (const uint8_t *)"another-test-key", 64);
    assert_int_equal(oh__nonce_check(other, 1000, LIFE, text_of(&x), realm, &here),
                     OH__NONCE_FOREIGN);
    oh__nonces_free(other);
    /* The same key makes nonces survive a restart. */
    other = nonces_of(64);
    assert_int_equal(oh__nonce_check(other, 1000, LIFE, text_of(&x), realm, &here), OH__NONCE_GOOD);
    oh__nonces_free(other);
    oh__nonces_free(n);
}

/* Good for the source that it was given to, whatever its port; elsewhere neither good nor a
 * failure, however old it is (decision 13). */
static void test_source(void **state)
{
    static const struct {
        const char *given, *used;
        enum oh__nonce_state want;
    } rows[] = {
        {"192.0.2.10:5060", "192.0.2.10:61000", OH__NONCE_GOOD},
        {"192.0.2.10:5060", "[::ffff:192.0.2.10]:5060", OH__NONCE_GOOD},
        {"192.0.2.10:5060", "192.0.2.11:5060", OH__NONCE_MOVED},
        {"192.0.2.10:5060", "[::192.0.2.10]:5060", OH__NONCE_MOVED},
        {"[2001:db8::1]:5060", "[2001:db8::ffff:2]:5061", OH__NONCE_GOOD},
        {"[2001:db8::1]:5060", "[2001:db8:0:1::1]:5060", OH__NONCE_MOVED},
        {"[fe80::1%1]:5060", "[fe80::1%2]:5060", OH__NONCE_MOVED},
    };
    struct oh__nonces *n = nonces_of(64);
    char text[OH__NONCE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct oh_addr given = harness_addr(rows[i].given), used = harness_addr(rows[i].used);
        struct oh_span nonce = oh_span(text, oh__nonce_make(n, 1000, 7, realm, &given, text));

        if (oh__nonce_check(n, 1000, LIFE, nonce, realm, &used) != rows[i].want)
            fail_msg("row %zu: given to %s, used from %s", i, rows[i].given, rows[i].used);
        assert_int_equal(oh__nonce_check(n, 1001 + LIFE, LIFE, nonce, realm, &used),
                         rows[i].want == OH__NONCE_GOOD ? OH__NONCE_STALE : OH__NONCE_MOVED);
        assert_int_equal(oh__nonce_check(n, 1000, LIFE, nonce, OH_LIT("other"), &used),
                         OH__NONCE_FOREIGN);
    }
    oh__nonces_free(n);
}

static void test_distinct(void **state)
{
    struct oh__nonces *n = nonces_of(64);
    struct nonce a = make(n, 1000, 7), b = make(n, 1000, 8), c = make(n, 1001, 7);

    (void)state;
    assert_memory_not_equal(a.text, b.text, a.n);
    assert_memory_not_equal(a.text, c.text, a.n);
    oh__nonces_free(n);
}

/* AUT-008: each nc once, in any order within the last 64. */
static void test_window(void **state)
{
    static const struct {
        uint32_t nc;
        enum oh__nonce_state want;
    } steps[] = {
        {1, OH__NONCE_GOOD},
        {1, OH__NONCE_STALE},
        {2, OH__NONCE_GOOD},
        {4, OH__NONCE_GOOD},
        {3, OH__NONCE_GOOD},
        {3, OH__NONCE_STALE},
        {4, OH__NONCE_STALE},
        {67, OH__NONCE_GOOD},
        {5, OH__NONCE_GOOD},
        {4, OH__NONCE_STALE},
        {3, OH__NONCE_STALE},
        {66, OH__NONCE_GOOD},
        {68, OH__NONCE_GOOD},
        {5, OH__NONCE_STALE},
        {6, OH__NONCE_GOOD},
        {0, OH__NONCE_STALE},
        {1000, OH__NONCE_GOOD},
        {67, OH__NONCE_STALE},
        {937, OH__NONCE_GOOD},
        {936, OH__NONCE_STALE},
        {UINT32_MAX, OH__NONCE_GOOD},
        {1, OH__NONCE_STALE},
        {UINT32_MAX - 1, OH__NONCE_GOOD},
    };
    struct oh__nonces *n = nonces_of(64);
    struct nonce x = make(n, 1000, 7);

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (oh__nonce_use(n, text_of(&x), steps[i].nc) != steps[i].want)
            fail_msg("step %zu, nc %u", i, (unsigned)steps[i].nc);
    }
    oh__nonces_free(n);
}

/* AUT-005: a client of RFC 2069 sends no nc; its nonce is good once and for nobody else. */
static void test_without_nc(void **state)
{
    struct oh__nonces *n = nonces_of(64);
    struct nonce x = make(n, 1000, 7), y = make(n, 1000, 8);

    (void)state;
    assert_int_equal(oh__nonce_use(n, text_of(&x), 0), OH__NONCE_GOOD);
    assert_int_equal(oh__nonce_use(n, text_of(&x), 0), OH__NONCE_STALE);
    assert_int_equal(oh__nonce_use(n, text_of(&x), 1), OH__NONCE_STALE);
    assert_int_equal(oh__nonce_use(n, text_of(&x), UINT32_MAX), OH__NONCE_STALE);
    assert_int_equal(oh__nonce_use(n, text_of(&y), 5), OH__NONCE_GOOD);
    assert_int_equal(oh__nonce_use(n, text_of(&y), 0), OH__NONCE_STALE);
    assert_int_equal(oh__nonce_use(n, OH_LIT("no nonce at all"), 1), OH__NONCE_STALE);
    oh__nonces_free(n);
}

/* What the bounded table forgot is stale, never good again; newer nonces are not hurt. */
static void test_eviction(void **state)
{
    struct oh__nonces *n = nonces_of(64); /* one per stripe */
    struct nonce many[1000];
    unsigned good = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        many[i] = make(n, 1000 + i, i * UINT64_C(0x9e3779b97f4a7c15));
        assert_int_equal(oh__nonce_use(n, text_of(&many[i]), 1), OH__NONCE_GOOD);
    }
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(oh__nonce_use(n, text_of(&many[i]), 1), OH__NONCE_STALE);
        good += oh__nonce_use(n, text_of(&many[i]), 2) == OH__NONCE_GOOD;
    }
    /* Of each stripe the last one is remembered, and no other. */
    assert_in_range(good, 1, 64);
    oh__nonces_free(n);
}

static void failing(struct test_heap *h, void *arg)
{
    struct oh__nonces *n = oh__nonces_new(&h->alloc, key, 1024);
    enum oh__nonce_state first;
    struct nonce x;

    (void)arg;
    if (!n)
        return;
    x = make(n, 1000, 7);
    first = oh__nonce_use(n, text_of(&x), 1);
    assert_int_equal(first, h->failed ? OH__NONCE_STALE : OH__NONCE_GOOD);
    /* A second use is never good, whatever could be remembered of the first. */
    if (first == OH__NONCE_GOOD)
        assert_int_equal(oh__nonce_use(n, text_of(&x), 1), OH__NONCE_STALE);
    oh__nonces_free(n);
}

static void test_memory_fails(void **state)
{
    (void)state;
    assert_int_equal(test_heap_fail_each(failing, NULL), 3);
}

/* What an earlier run handed out is spent; what this run hands out is not. */
static void test_forget(void **state)
{
    struct oh__nonces *n = nonces_of(64);
    struct nonce old = make(n, 1000, 7), fresh = make(n, 1001, 8);

    (void)state;
    oh__nonces_forget(n, 1000);
    assert_int_equal(oh__nonce_use(n, text_of(&old), 1), OH__NONCE_STALE);
    assert_int_equal(oh__nonce_use(n, text_of(&fresh), 1), OH__NONCE_GOOD);
    oh__nonces_forget(n, 1);
    assert_int_equal(oh__nonce_use(n, text_of(&old), 2), OH__NONCE_STALE);
    oh__nonces_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_age),      cmocka_unit_test(test_forged),
        cmocka_unit_test(test_source),   cmocka_unit_test(test_distinct),
        cmocka_unit_test(test_window),   cmocka_unit_test(test_without_nc),
        cmocka_unit_test(test_eviction), cmocka_unit_test(test_memory_fails),
        cmocka_unit_test(test_forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
