/* The counting set against a plain array, with keys that come, go and collide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/location_count.h"
#include "unit/alloc_fail.h"

static const struct oh__hash_key key = {1, 2};

#define KEYS 3000

static void against_an_array(void **state)
{
    struct oh__location_count *set = oh__location_count_new(oh_alloc_default(), &key);
    static uint32_t model[KEYS];
    uint32_t seed = 5;
    size_t peak = 0;

    (void)state;
    assert_non_null(set);
    for (unsigned i = 0; i < 60000; i++) {
        /* Two thirds additions at first, then two thirds removals: it grows and shrinks. */
        bool add;
        uint32_t which;
        struct oh__location_key k;

        seed = seed * 1664525u + 1013904223u;
        which = (seed >> 8) % KEYS;
        add = (seed >> 4) % 3 < (i < 20000 ? 2u : 1u);
        k = oh__location_key_flow(which);
        if (add) {
            assert_int_equal(oh__location_count_add(set, &k), OH_OK);
            model[which]++;
        } else {
            uint32_t times = 1 + (seed >> 20) % 3;

            oh__location_count_sub(set, &k, times);
            model[which] -= times < model[which] ? times : model[which];
        }
        if (oh__location_count_bytes(set) > peak)
            peak = oh__location_count_bytes(set);
        if (i % 500)
            continue;
        for (which = 0; which < KEYS; which++) {
            k = oh__location_key_flow(which);
            assert_int_equal(oh__location_count_get(set, &k), model[which]);
        }
    }
    for (unsigned which = 0; which < KEYS; which++) {
        struct oh__location_key k = oh__location_key_flow(which);

        oh__location_count_sub(set, &k, UINT32_MAX);
        assert_int_equal(oh__location_count_get(set, &k), 0);
    }
    assert_true(oh__location_count_bytes(set) * 2 < peak);
    oh__location_count_free(set);
}

static void keys_of_addresses(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", true},          {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "[::ffff:192.0.2.1]", true}, {"192.0.2.1", "[::192.0.2.1]", false},
        {"[fe80::1%1]", "[fe80::1%2]", false},     {"[::1]", "[::1]", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct oh__location_key a, b;
        struct oh_addr x, y;

        assert_int_equal(oh_addr_parse(oh_span_str(rows[i].a), &x), OH_OK);
        assert_int_equal(oh_addr_parse(oh_span_str(rows[i].b), &y), OH_OK);
        x.port = 1;
        y.port = 2;
        a = oh__location_key_addr(&x);
        b = oh__location_key_addr(&y);
        assert_int_equal(memcmp(&a, &b, sizeof(a)) == 0, rows[i].same);
    }
}

static void scenario(struct test_heap *h, void *arg)
{
    struct oh__location_count *set = oh__location_count_new(&h->alloc, &key);
    bool in[2000] = {false};

    (void)arg;
    for (unsigned i = 0; set && i < 2000; i++) {
        struct oh__location_key k = oh__location_key_flow(i);

        in[i] = oh__location_count_add(set, &k) == OH_OK;
    }
    for (unsigned i = 0; set && i < 2000; i++) {
        struct oh__location_key k = oh__location_key_flow(i);

        assert_int_equal(oh__location_count_get(set, &k), in[i]);
        oh__location_count_sub(set, &k, 1);
        assert_int_equal(oh__location_count_get(set, &k), 0);
    }
    oh__location_count_free(set);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(test_heap_fail_each(scenario, NULL) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_an_array),
        cmocka_unit_test(keys_of_addresses),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
