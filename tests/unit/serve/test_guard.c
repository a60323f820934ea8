/* The guard and the bounded table below it: windows, bans, eviction, families, failing memory. */
#include "harness.h"

#include <pthread.h>
#include <stdio.h>

#include "serve/recent.h"

#define MAX    20
#define WINDOW (60 * HARNESS_SECOND)
#define BAN    (300 * HARNESS_SECOND)

static const uint8_t key[16] = "guard-test-key!";

static struct oh__guard *guard_of(uint32_t max)
{
    struct oh__guard *g = oh__guard_new(NULL, key, max);

    assert_non_null(g);
    return g;
}

static bool guard_fail(struct oh__guard *g, uint64_t now, const char *text)
{
    struct oh_addr a = harness_addr(text);

    return oh__guard_fail(g, now, &a, MAX, WINDOW, BAN);
}

static bool banned(struct oh__guard *g, uint64_t now, const char *text)
{
    struct oh_addr a = harness_addr(text);

    return oh__guard_banned(g, now, &a);
}

/* AUT-014: the twenty-first failure within a minute bans, for five minutes, that source alone. */
static void test_ban(void **state)
{
    struct oh__guard *g = guard_of(1024);
    uint64_t now = HARNESS_SECOND;

    (void)state;
    for (int i = 0; i < MAX; i++) {
        assert_false(guard_fail(g, now + (uint64_t)i * HARNESS_SECOND, "198.51.100.7:5060"));
        assert_false(banned(g, now, "198.51.100.7"));
    }
    now += 30 * HARNESS_SECOND;
    assert_true(guard_fail(g, now, "198.51.100.7:61000"));
    assert_true(banned(g, now, "198.51.100.7:1"));
    assert_false(banned(g, now, "198.51.100.8"));
    assert_true(banned(g, now + BAN - 1, "198.51.100.7"));
    assert_false(banned(g, now + BAN, "198.51.100.7"));
    /* It begins anew, not one failure before the next ban. */
    assert_false(guard_fail(g, now + BAN, "198.51.100.7"));
    oh__guard_free(g);
}

/* Failures that are spread over more than the window never add up. */
static void test_window(void **state)
{
    struct oh__guard *g = guard_of(1024);
    uint64_t now = HARNESS_SECOND;

    (void)state;
    for (int i = 0; i < 10 * MAX; i++, now += 4 * HARNESS_SECOND)
        assert_false(guard_fail(g, now, "198.51.100.7"));
    oh__guard_free(g);
}

/* A failure during the ban neither lengthens nor lifts it. */
static void test_ban_stays(void **state)
{
    struct oh__guard *g = guard_of(1024);
    uint64_t now = HARNESS_SECOND;

    (void)state;
    for (int i = 0; i <= MAX; i++)
        guard_fail(g, now, "198.51.100.7");
    assert_true(guard_fail(g, now + 2 * WINDOW, "198.51.100.7"));
    assert_true(banned(g, now + BAN - 1, "198.51.100.7"));
    assert_false(banned(g, now + BAN, "198.51.100.7"));
    oh__guard_free(g);
}

/* A ban that ends before its window begins that window anew: the next one takes as many failures.
 */
static void test_short_ban(void **state)
{
    struct oh__guard *g = guard_of(1024);
    struct oh_addr a = harness_addr("198.51.100.7");

    (void)state;
    for (uint64_t now = HARNESS_SECOND; now < 50 * HARNESS_SECOND; now += 10 * HARNESS_SECOND) {
        for (int i = 0; i < MAX; i++)
            assert_false(oh__guard_fail(g, now, &a, MAX, WINDOW, 10 * HARNESS_SECOND));
        assert_true(oh__guard_fail(g, now, &a, MAX, WINDOW, 10 * HARNESS_SECOND));
    }
    oh__guard_free(g);
}

static void test_success_forgets(void **state)
{
    struct oh__guard *g = guard_of(1024);
    struct oh_addr a = harness_addr("198.51.100.7");

    (void)state;
    oh__guard_ok(g, &a);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MAX; i++)
            assert_false(guard_fail(g, HARNESS_SECOND, "198.51.100.7"));
        oh__guard_ok(g, &a);
    }
    oh__guard_free(g);
}

static void test_never(void **state)
{
    struct oh__guard *g = guard_of(1024);
    struct oh_addr a = harness_addr("198.51.100.7");

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_false(oh__guard_fail(g, 1, &a, 0, WINDOW, BAN));
    assert_false(oh__guard_banned(g, 1, &a));
    oh__guard_free(g);
}

/* An IPv6 /64 is one source; a mapped address is the IPv4 one; zones differ. */
static void test_families(void **state)
{
    static const struct {
        const char *failing, *asked;
        bool same;
    } rows[] = {
        {"[2001:db8::1]:5060", "2001:db8::ffff:1", true},
        {"2001:db8::1", "2001:db8:0:1::1", false},
        {"::ffff:198.51.100.7", "198.51.100.7", true},
        {"198.51.100.7", "::ffff:198.51.100.7", true},
        {"0.0.0.0", "::", false},
        {"fe80::1%1", "fe80::2%1", true},
        {"fe80::1%1", "fe80::1%2", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct oh__guard *g = guard_of(1024);

        for (int k = 0; k <= MAX; k++)
            guard_fail(g, 1, rows[i].failing);
        if (banned(g, 2, rows[i].asked) != rows[i].same)
            fail_msg("row %zu: %s and %s", i, rows[i].failing, rows[i].asked);
        oh__guard_free(g);
    }
}

static bool guess(struct oh__guard *g, uint64_t now, const char *text, const char *account)
{
    const struct oh__guard_limits limits = {MAX, WINDOW, BAN};
    struct oh_addr a = harness_addr(text);

    return oh__guard_guess(g, now, &a, oh_span_str(account), &limits);
}

static bool guessed(struct oh__guard *g, uint64_t now, const char *text, const char *account)
{
    struct oh_addr a = harness_addr(text);

    return oh__guard_guessed(g, now, &a, oh_span_str(account));
}

/* Decision 13: too many guesses cost a source that one account, and nobody else anything. */
static void test_pairs(void **state)
{
    struct oh__guard *g = guard_of(1024);
    struct oh_addr a = harness_addr("198.51.100.7");

    (void)state;
    assert_false(oh__guard_has_guesses(g));
    for (int i = 0; i < MAX; i++)
        assert_false(guess(g, 1, "198.51.100.7:5060", "101@example.test"));
    assert_true(oh__guard_has_guesses(g));
    assert_false(guessed(g, 1, "198.51.100.7", "101@example.test"));
    assert_true(guess(g, 1, "198.51.100.7:5061", "101@example.test"));
    assert_true(guessed(g, 1 + BAN - 1, "198.51.100.7", "101@example.test"));
    assert_false(guessed(g, 2, "198.51.100.8", "101@example.test"));
    assert_false(guessed(g, 2, "198.51.100.7", "102@example.test"));
    assert_false(guessed(g, 2, "198.51.100.7", ""));
    assert_false(oh__guard_banned(g, 2, &a));
    /* It began once, and what fails meanwhile does not lengthen it. */
    assert_false(guess(g, BAN, "198.51.100.7", "101@example.test"));
    assert_false(guessed(g, 1 + BAN, "198.51.100.7", "101@example.test"));
    oh__guard_free(g);
}

/* Knowing one password is no licence to guess another. */
static void test_pair_success(void **state)
{
    struct oh__guard *g = guard_of(1024);
    struct oh_addr a = harness_addr("198.51.100.7");

    (void)state;
    for (int i = 0; i < MAX; i++) {
        assert_false(guess(g, 1, "198.51.100.7", "101"));
        assert_false(guess(g, 1, "198.51.100.7", "102"));
        assert_false(guess(g, 1, "198.51.100.7", ""));
    }
    oh__guard_ok(g, &a);
    oh__guard_known(g, &a, OH_LIT("101"));
    assert_false(guess(g, 1, "198.51.100.7", "101"));
    assert_true(guess(g, 1, "198.51.100.7", "102"));
    assert_true(guess(g, 1, "198.51.100.7", ""));
    oh__guard_free(g);
}

/* Names of any length and any bytes; a name never runs into the address before it. */
static void test_pair_names(void **state)
{
    struct oh__guard *g = guard_of(1024);
    const struct oh__guard_limits limits = {0, WINDOW, BAN};
    struct oh_addr a = harness_addr("198.51.100.7");
    struct oh__ban ban;
    char name[2000];

    (void)state;
    memset(name, 'x', sizeof(name));
    assert_false(oh__guard_guess(g, 1, &a, OH_LIT("101"), &limits));
    assert_false(oh__guard_has_guesses(g));
    for (int k = 0; k <= MAX; k++)
        oh__guard_guess(g, 1, &a, oh_span(name, sizeof(name)),
                        &(struct oh__guard_limits){MAX, WINDOW, BAN});
    assert_true(oh__guard_guessed(g, 1, &a, oh_span(name, sizeof(name))));
    assert_false(oh__guard_guessed(g, 1, &a, oh_span(name, 639)));
    assert_int_equal(oh__guard_list(g, 1, &ban, 1), 1);
    assert_true(ban.is_pair);
    assert_int_equal(strlen(ban.account), OH__GUARD_NAME - 1);
    oh__guard_free(g);
}

static void test_list_pairs(void **state)
{
    struct oh__guard *g = guard_of(1024);
    struct oh_addr a = harness_addr("198.51.100.7:5060");
    struct oh__ban bans[4];

    (void)state;
    for (int k = 0; k <= MAX; k++) {
        guess(g, 1, "198.51.100.7", "101");
        guess(g, 1, "198.51.100.7", "102");
        guess(g, 1, "198.51.100.8", "101");
    }
    for (int k = 0; k <= MAX; k++)
        guard_fail(g, 1, "198.51.100.9");
    assert_int_equal(oh__guard_list(g, 2, bans, 4), 4);
    assert_false(bans[0].is_pair);
    for (int i = 1; i < 4; i++) {
        assert_true(bans[i].is_pair);
        assert_true(strcmp(bans[i].account, "101") == 0 || strcmp(bans[i].account, "102") == 0);
        assert_int_equal(bans[i].failures, MAX + 1);
    }
    assert_int_equal(oh__guard_list(g, 2, bans, 2), 2);
    assert_int_equal(oh__guard_clear(g, &a), 2);
    assert_false(guessed(g, 2, "198.51.100.7", "101"));
    assert_true(guessed(g, 2, "198.51.100.8", "101"));
    assert_int_equal(oh__guard_clear(g, NULL), 2);
    assert_false(oh__guard_has_guesses(g));
    oh__guard_free(g);
}

/* However many names are tried, memory is bounded; what is tried all the time stays in. */
static void test_pair_bound(void **state)
{
    struct test_heap heap;
    struct oh__guard *g;
    size_t bytes = 0;
    char name[32];

    (void)state;
    test_heap_init(&heap);
    g = oh__guard_new(&heap.alloc, key, 256);
    assert_non_null(g);
    for (int k = 0; k <= MAX; k++)
        guess(g, 1, "198.51.100.7", "");
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "%u@example.test", i);
        guess(g, 1, "198.51.100.7", name);
        if (i % 4 == 0)
            assert_true(guessed(g, 2, "198.51.100.7", ""));
        if (i == 10000)
            bytes = heap.bytes;
    }
    assert_int_equal(heap.bytes, bytes);
    oh__guard_free(g);
    assert_int_equal(heap.blocks, 0);
}

static void test_list_and_clear(void **state)
{
    struct oh__guard *g = guard_of(1024);
    struct oh_addr a = harness_addr("198.51.100.7");
    struct oh__ban bans[4];

    (void)state;
    guard_fail(g, 1, "198.51.100.1");
    for (int k = 0; k <= MAX; k++) {
        guard_fail(g, 1, "198.51.100.7:5060");
        guard_fail(g, 1, "[2001:db8::9]:5060");
    }
    assert_int_equal(oh__guard_list(g, 2, bans, 4), 2);
    assert_int_equal(oh__guard_list(g, 2, bans, 1), 1);
    assert_int_equal(oh__guard_list(g, 1 + BAN, bans, 4), 0);
    assert_int_equal(oh__guard_list(g, 2, bans, 4), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bans[i].source.port, 0);
        assert_int_equal(bans[i].until, 1 + BAN);
        assert_int_equal(bans[i].failures, MAX + 1);
        assert_true(bans[i].source.family == OH_FAMILY_IPV6 ||
                    oh_addr_same_host(&bans[i].source, &a));
    }
    assert_int_equal(oh__guard_clear(g, &a), 1);
    assert_int_equal(oh__guard_clear(g, &a), 0);
    assert_false(oh__guard_banned(g, 2, &a));
    assert_true(banned(g, 2, "2001:db8::1"));
    assert_int_equal(oh__guard_clear(g, NULL), 1);
    assert_false(banned(g, 2, "2001:db8::1"));
    oh__guard_free(g);
}

/* However many sources fail, memory is bounded, and the busiest attacker stays in. */
static void test_bound(void **state)
{
    struct test_heap heap;
    struct oh__guard *g;
    size_t bytes = 0;

    (void)state;
    test_heap_init(&heap);
    g = oh__guard_new(&heap.alloc, key, 256);
    assert_non_null(g);
    for (int k = 0; k <= MAX; k++)
        guard_fail(g, 1, "198.51.100.7");
    for (uint32_t i = 0; i < 20000; i++) {
        struct oh_addr a = {.family = OH_FAMILY_IPV4,
                            .ip = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

        oh__guard_fail(g, 1, &a, MAX, WINDOW, BAN);
        if (i % 4 == 0)
            assert_true(banned(g, 2, "198.51.100.7"));
        if (i == 10000)
            bytes = heap.bytes;
    }
    assert_int_equal(heap.bytes, bytes);
    oh__guard_free(g);
    assert_int_equal(heap.blocks, 0);
}

static void failing(struct test_heap *h, void *arg)
{
    struct oh__guard *g = oh__guard_new(&h->alloc, key, 1024);

    (void)arg;
    if (!g)
        return;
    for (int i = 0; i <= MAX; i++)
        guard_fail(g, 1, "198.51.100.7");
    /* Without memory nobody is banned; with it, the source is. */
    if (h->failed == 0)
        assert_true(banned(g, 2, "198.51.100.7"));
    oh__guard_free(g);
}

static void test_memory_fails(void **state)
{
    (void)state;
    assert_int_equal(test_heap_fail_each(failing, NULL), 3);
}

struct item {
    struct oh__recent_entry head;
    uint32_t value;
};

static void key_for(uint32_t n, uint8_t out[OH__RECENT_KEY])
{
    memset(out, 0, OH__RECENT_KEY);
    memcpy(out + 4, &n, sizeof(n));
}

static void note_evicted(void *ctx, const void *entry)
{
    *(uint32_t *)ctx = ((const struct item *)entry)->value;
}

/* The table below: the least recently used goes first, and every step keeps it whole. */
static void test_recent_order(void **state)
{
    struct oh__hash_key hash = {1, 2};
    struct oh__recent t;
    uint8_t k[OH__RECENT_KEY];
    uint32_t evicted = 0;

    (void)state;
    oh__recent_init(&t, oh_alloc_default(), &hash, sizeof(struct item), 100);
    t.evicted = note_evicted;
    t.ctx = &evicted;
    key_for(1, k);
    assert_null(oh__recent_find(&t, k));
    for (uint32_t i = 1; i <= 100; i++) {
        key_for(i, k);
        struct item *e = oh__recent_add(&t, k);

        assert_int_equal(e->value, 0);
        e->value = i;
        assert_true(oh__recent_ok(&t));
    }
    assert_int_equal(evicted, 0);
    key_for(1, k);
    assert_int_equal(((struct item *)oh__recent_find(&t, k))->value, 1);
    key_for(101, k);
    ((struct item *)oh__recent_add(&t, k))->value = 101;
    assert_int_equal(evicted, 2);
    for (uint32_t i = 1; i <= 101; i += 3) {
        key_for(i, k);
        struct item *e = oh__recent_find(&t, k);

        if (i == 2)
            assert_null(e);
        else
            assert_int_equal(e->value, i);
        if (e)
            oh__recent_drop(&t, e);
        assert_true(oh__recent_ok(&t));
        assert_null(oh__recent_find(&t, k));
    }
    while (t.n) {
        oh__recent_drop(&t, oh__recent_at(&t, t.n / 2));
        assert_true(oh__recent_ok(&t));
    }
    oh__recent_done(&t);
}

static void *hammer(void *arg)
{
    struct oh__guard *g = arg;
    struct oh__ban bans[8];

    for (uint32_t i = 0; i < 5000; i++) {
        struct oh_addr a = {.family = OH_FAMILY_IPV4, .ip = {10, 0, 0, (uint8_t)(i % 50)}};

        oh__guard_fail(g, i, &a, 3, 1000, 100);
        oh__guard_banned(g, i, &a);
        if (i % 7 == 0)
            oh__guard_ok(g, &a);
        if (i % 100 == 0)
            oh__guard_list(g, i, bans, 8);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct oh__guard *g = guard_of(32);
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, g), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    oh__guard_clear(g, NULL);
    assert_false(banned(g, 5000, "10.0.0.1"));
    oh__guard_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ban),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_ban_stays),
        cmocka_unit_test(test_short_ban),
        cmocka_unit_test(test_success_forgets),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_pair_success),
        cmocka_unit_test(test_pair_names),
        cmocka_unit_test(test_list_pairs),
        cmocka_unit_test(test_pair_bound),
        cmocka_unit_test(test_list_and_clear),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_memory_fails),
        cmocka_unit_test(test_recent_order),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
