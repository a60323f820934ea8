/* Histograms: no value is lost, none is off by more than 1/128, and sums add up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cmd/load.h"

static struct oh__hist *fresh(void)
{
    struct oh__hist *h = oh_alloc_zero(oh_alloc_default(), 1, sizeof *h);

    assert_non_null(h);
    return h;
}

static void done(struct oh__hist *h)
{
    oh_free(oh_alloc_default(), h, sizeof *h);
}

static void test_empty(void **state)
{
    struct oh__hist *h = fresh();

    (void)state;
    assert_int_equal(oh__hist_at(h, 0.99), 0);
    assert_int_equal(oh__hist_mean(h), 0);
    done(h);
}

/* A single value is told within 1/128 above itself, whatever its size; and exactly as the largest.
 */
static void test_resolution(void **state)
{
    struct oh__hist *h = fresh();

    (void)state;
    for (uint64_t v = 1; v < UINT64_C(1) << 39; v += v / 3 + 1) {
        for (uint64_t d = 0; d < 2; d++) {
            uint64_t value = v - d, told;

            *h = (struct oh__hist){0};
            oh__hist_add(h, value);
            oh__hist_add(h, UINT64_C(1) << 39);
            told = oh__hist_at(h, 0.5);
            assert_true(told >= value);
            assert_true(told <= value + value / 128);
            assert_int_equal(oh__hist_at(h, 1), UINT64_C(1) << 39);
        }
    }
    done(h);
}

/* Neighbouring values never change places: the buckets are in order without gap. */
static void test_monotonic(void **state)
{
    struct oh__hist *h = fresh();
    uint64_t before = 0;

    (void)state;
    for (uint64_t v = 0; v < 5000; v++) {
        *h = (struct oh__hist){0};
        oh__hist_add(h, v);
        oh__hist_add(h, UINT64_MAX / 2);
        assert_true(oh__hist_at(h, 0.5) >= before);
        before = oh__hist_at(h, 0.5);
    }
    done(h);
}

static void test_percentiles(void **state)
{
    struct oh__hist *h = fresh();

    (void)state;
    for (uint64_t v = 1; v <= 100; v++)
        oh__hist_add(h, v); /* below 128 every value has a bucket of its own */
    assert_int_equal(oh__hist_at(h, 0), 1);
    assert_int_equal(oh__hist_at(h, 0.5), 50);
    assert_int_equal(oh__hist_at(h, 0.9), 90);
    assert_int_equal(oh__hist_at(h, 0.99), 99);
    assert_int_equal(oh__hist_at(h, 0.991), 100);
    assert_int_equal(oh__hist_at(h, 1), 100);
    assert_int_equal(oh__hist_mean(h), 50);
    done(h);
}

/* What is longer than the range is counted in the last bucket, and its size is not lost. */
static void test_beyond(void **state)
{
    struct oh__hist *h = fresh();

    (void)state;
    oh__hist_add(h, 5);
    oh__hist_add(h, UINT64_C(1) << 40);
    oh__hist_add(h, UINT64_C(1) << 50);
    assert_int_equal(h->n, 3);
    assert_int_equal(h->counts[OH__HIST_BUCKETS - 1], 2);
    assert_int_equal(oh__hist_at(h, 0.9), UINT64_C(1) << 50);
    assert_int_equal(oh__hist_at(h, 0.3), 5);
    done(h);
}

/* Two halves merged are the same as all in one. */
static void test_merge(void **state)
{
    struct oh__hist *a = fresh(), *b = fresh(), *all = fresh();

    (void)state;
    for (uint64_t v = 1, i = 0; i < 1000;
         i++, v = v * 6364136223846793005u + 1442695040888963407u) {
        uint64_t value = v >> (24 + i % 30);

        oh__hist_add(i % 3 ? a : b, value);
        oh__hist_add(all, value);
    }
    oh__hist_merge(a, b);
    assert_memory_equal(a, all, sizeof *a);
    *b = (struct oh__hist){0};
    oh__hist_merge(a, b);
    assert_memory_equal(a, all, sizeof *a);
    done(a);
    done(b);
    done(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),     cmocka_unit_test(test_resolution),
        cmocka_unit_test(test_monotonic), cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_beyond),    cmocka_unit_test(test_merge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
