#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/poison.h"
#include "base/pool.h"
#include "unit/alloc_fail.h"

static void refuses_senseless_pools(void **state)
{
    struct test_heap h;
    (void)state;

    test_heap_init(&h);
    assert_null(oh__pool_new(&h.alloc, 0, 1, 0));
    assert_null(oh__pool_new(&h.alloc, 8, 0, 0));
    assert_null(oh__pool_new(&h.alloc, 8, (1u << 24) + 1, 0));
    assert_null(oh__pool_new(&h.alloc, 8, UINT32_MAX, 0));
    assert_null(oh__pool_new(&h.alloc, SIZE_MAX, 1, 0));
    assert_int_equal(h.calls, 0);
    oh__pool_free(NULL);
}

static void gives_cleared_aligned_objects(void **state)
{
    static const size_t sizes[] = {1, 7, 8, 15, 16, 17, 128, 1000, 65536, 100000};
    struct test_heap h;
    (void)state;

    test_heap_init(&h);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct oh__pool *p = oh__pool_new(&h.alloc, sizes[i], 100, 7);
        unsigned char *object[20];
        uint64_t handle[20];

        assert_non_null(p);
        for (int round = 0; round < 2; round++) {
            for (int k = 0; k < 20; k++) {
                object[k] = oh__pool_take(p, &handle[k]);
                assert_non_null(object[k]);
                assert_int_equal((uintptr_t)object[k] % 16, 0);
                for (size_t b = 0; b < sizes[i]; b++)
                    assert_int_equal(object[k][b], 0);
                memset(object[k], 0xff, sizes[i]);
            }
            assert_true(oh__pool_ok(p));
            assert_int_equal(oh__pool_bytes(p), h.bytes);
            for (int k = 0; k < 20; k++)
                oh__pool_give(p, handle[k]);
        }
        oh__pool_free(p);
        assert_int_equal(h.bytes, 0);
    }
}

static void stale_handles_find_nothing(void **state)
{
    struct test_heap h;
    struct oh__pool *p, *q;
    uint64_t first, second, other;
    void *a, *b;
    (void)state;

    test_heap_init(&h);
    p = oh__pool_new(&h.alloc, 32, 1, 3);
    q = oh__pool_new(&h.alloc, 32, 1, 4);
    a = oh__pool_take(p, &first);
    assert_non_null(oh__pool_take(q, &other));
    assert_int_equal(oh__handle_tag(first), 3);
    assert_int_equal(oh__handle_tag(other), 4);
    assert_ptr_equal(oh__pool_get(p, first), a);
    assert_null(oh__pool_get(p, other));
    assert_null(oh__pool_get(q, first));
    oh__pool_give(p, first);
    assert_null(oh__pool_get(p, first));
    b = oh__pool_take(p, &second);
    assert_ptr_equal(a, b);
    assert_true(first != second);
    assert_null(oh__pool_get(p, first));
    /* Giving back by a stale handle must not end the new object. */
    oh__pool_give(p, first);
    oh__pool_give(p, 0);
    oh__pool_give(p, other);
    assert_ptr_equal(oh__pool_get(p, second), b);
    assert_int_equal(oh__pool_live(p), 1);
    oh__pool_free(p);
    oh__pool_free(q);
    assert_int_equal(h.bytes, 0);
}

static void invented_handles_find_nothing(void **state)
{
    struct test_heap h;
    struct oh__pool *p;
    struct oh__rng rng;
    uint8_t seed[32] = {1};
    uint64_t handle;
    (void)state;

    test_heap_init(&h);
    p = oh__pool_new(&h.alloc, 16, 1u << 24, 0);
    assert_null(oh__pool_get(p, 0));
    assert_non_null(oh__pool_take(p, &handle));
    assert_true(handle != 0);
    for (int bit = 0; bit < 64; bit++)
        assert_null(oh__pool_get(p, handle ^ UINT64_C(1) << bit));
    oh__rng_init(&rng, seed);
    for (int i = 0; i < 10000; i++) {
        uint64_t invented = oh__rng_u64(&rng);

        if (invented != handle)
            assert_null(oh__pool_get(p, invented));
    }
    /* Generation 0 with a good index names what is free. */
    assert_null(oh__pool_get(p, handle & 0xffffff));
    assert_null(oh__pool_get(p, (handle & 0xffffff) + 1));
    oh__pool_free(p);
}

static void max_is_exact(void **state)
{
    static const uint32_t max[] = {1, 2, 3, 255, 256, 257, 1023, 1024, 1025, 5000};
    struct test_heap h;
    (void)state;

    test_heap_init(&h);
    for (size_t i = 0; i < sizeof(max) / sizeof(max[0]); i++) {
        struct oh__pool *p = oh__pool_new(&h.alloc, 24, max[i], 255);
        uint64_t handle = 0, last = 0;

        for (uint32_t k = 0; k < max[i]; k++) {
            assert_int_equal(oh__pool_live(p), k);
            assert_non_null(oh__pool_take(p, &handle));
        }
        last = handle;
        assert_null(oh__pool_take(p, &handle));
        assert_true(handle == last);
        assert_true(oh__pool_ok(p));
        oh__pool_give(p, handle);
        assert_non_null(oh__pool_take(p, &handle));
        assert_null(oh__pool_take(p, &handle));
        oh__pool_free(p);
    }
    assert_int_equal(h.bytes, 0);
}

/* A pool for one object must not cost the slab of a thousand. */
static void small_pools_are_small(void **state)
{
    struct test_heap h;
    struct oh__pool *p;
    uint64_t handle;
    (void)state;

    test_heap_init(&h);
    p = oh__pool_new(&h.alloc, 64, 1, 0);
    assert_non_null(oh__pool_take(p, &handle));
    assert_true(oh__pool_bytes(p) < 512);
    oh__pool_free(p);
}

static void a_peak_does_not_stay(void **state)
{
    enum { MANY = 20000 };
    struct test_heap h;
    struct oh__pool *p;
    uint64_t *handle = calloc(MANY, sizeof(*handle));
    size_t one, peak, calls;
    (void)state;

    test_heap_init(&h);
    p = oh__pool_new(&h.alloc, 128, MANY, 1);
    assert_non_null(oh__pool_take(p, &handle[0]));
    one = oh__pool_bytes(p);
    for (int i = 1; i < MANY; i++)
        assert_non_null(oh__pool_take(p, &handle[i]));
    peak = oh__pool_bytes(p);
    assert_true(peak < (size_t)MANY * (128 + 8) * 102 / 100);
    for (int i = 0; i < MANY; i++)
        oh__pool_give(p, handle[i]);
    assert_int_equal(oh__pool_live(p), 0);
    assert_true(oh__pool_ok(p));
    assert_true(oh__pool_bytes(p) < one + peak / 50);
    assert_int_equal(oh__pool_bytes(p), h.bytes);
    /* One slab stays, so coming and going makes no heap call. */
    calls = h.calls;
    for (int i = 0; i < 1000; i++) {
        assert_non_null(oh__pool_take(p, &handle[0]));
        oh__pool_give(p, handle[0]);
    }
    assert_int_equal(h.calls, calls);
    oh__pool_free(p);
    assert_int_equal(h.bytes, 0);
    free(handle);
}

/* A slab that was made anew must not honour handles of its predecessor. */
/* The last empty slab goes when nobody needed it from one call to the next. */
static void rests(void **state)
{
    struct test_heap h;
    struct oh__pool *p;
    uint64_t handle, stale;
    size_t own;
    (void)state;

    test_heap_init(&h);
    p = oh__pool_new(&h.alloc, 100, 1000, 1);
    own = h.bytes;
    assert_int_equal(oh__pool_relax(p), 0);
    assert_non_null(oh__pool_take(p, &stale));
    assert_int_equal(oh__pool_relax(p), 0);
    oh__pool_give(p, stale);
    assert_int_equal(oh__pool_relax(p), 0);
    /* In use now and then: it stays. */
    assert_non_null(oh__pool_take(p, &handle));
    oh__pool_give(p, handle);
    assert_int_equal(oh__pool_relax(p), 0);
    assert_true(oh__pool_ok(p));
    assert_true(oh__pool_relax(p) > 0);
    assert_true(oh__pool_ok(p));
    assert_in_range(h.bytes, own, own + 64);
    assert_null(oh__pool_get(p, stale));
    assert_non_null(oh__pool_take(p, &handle));
    assert_null(oh__pool_get(p, stale));
    oh__pool_free(p);
    assert_int_equal(h.bytes, 0);
}

static void handles_stay_stale_across_slabs(void **state)
{
    enum { MANY = 5000 };
    struct test_heap h;
    struct oh__pool *p;
    uint64_t *old = calloc(MANY, sizeof(*old)), *new = calloc(MANY, sizeof(*new));
    (void)state;

    test_heap_init(&h);
    p = oh__pool_new(&h.alloc, 100, MANY, 1);
    for (int i = 0; i < MANY; i++)
        assert_non_null(oh__pool_take(p, &old[i]));
    for (int i = MANY; i-- > 0;)
        oh__pool_give(p, old[i]);
    for (int i = 0; i < MANY; i++)
        assert_non_null(oh__pool_take(p, &new[i]));
    for (int i = 0; i < MANY; i++) {
        assert_null(oh__pool_get(p, old[i]));
        assert_non_null(oh__pool_get(p, new[i]));
    }
    oh__pool_free(p);
    free(old);
    free(new);
}

static void walks_over_the_living(void **state)
{
    enum { MANY = 3000 };
    struct test_heap h;
    struct oh__pool *p;
    uint64_t handle[MANY], found;
    uint32_t cursor = 0, n = 0;
    uint32_t *object;
    (void)state;

    test_heap_init(&h);
    p = oh__pool_new(&h.alloc, sizeof(uint32_t), MANY, 9);
    assert_null(oh__pool_next(p, &cursor, &found));
    for (uint32_t i = 0; i < MANY; i++) {
        object = oh__pool_take(p, &handle[i]);
        *object = i;
    }
    for (uint32_t i = 0; i < MANY; i++) {
        if (i % 7 && (i < 500 || i > 2000))
            continue;
        oh__pool_give(p, handle[i]);
        handle[i] = 0;
    }
    cursor = 0;
    while ((object = oh__pool_next(p, &cursor, &found)) != NULL) {
        assert_true(found == handle[*object]);
        assert_ptr_equal(oh__pool_get(p, found), object);
        n++;
        /* A sweep gives back what it stands on. */
        if (*object % 2)
            oh__pool_give(p, found);
    }
    assert_true(n > 1000 && n < MANY);
    assert_null(oh__pool_next(p, &cursor, &found));
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(oh__pool_get(p, handle[i]) != NULL, handle[i] && i % 2 == 0);
    assert_true(oh__pool_ok(p));
    oh__pool_free(p);
    assert_int_equal(h.bytes, 0);
}

/* Random coming and going, with a plain array as the model. */
static void agrees_with_a_model(void **state)
{
    enum { MAX = 700, STEPS = 100000 };
    struct {
        uint64_t handle;
        uint64_t value;
    } model[MAX];
    uint64_t dead[64] = {0};
    uint8_t seed[32] = {42};
    struct test_heap h;
    struct oh__pool *p;
    struct oh__rng rng;
    uint32_t n = 0;
    (void)state;

    test_heap_init(&h);
    oh__rng_init(&rng, seed);
    p = oh__pool_new(&h.alloc, 200, MAX, 200);
    for (int step = 0; step < STEPS; step++) {
        /* The target moves slowly between empty and full. */
        uint32_t target = (uint32_t)(step / 50 % MAX);
        bool up = oh__rng_below(&rng, 100) < (n < target ? 80u : 20u);

        if (up) {
            uint64_t *object = oh__pool_take(p, &model[n == MAX ? 0 : n].handle);

            assert_int_equal(object != NULL, n < MAX);
            if (object)
                *object = model[n++].value = oh__rng_u64(&rng);
        } else if (n > 0) {
            uint32_t i = (uint32_t)oh__rng_below(&rng, n);

            assert_true(*(uint64_t *)oh__pool_get(p, model[i].handle) == model[i].value);
            oh__pool_give(p, model[i].handle);
            dead[step % 64] = model[i].handle;
            model[i] = model[--n];
        }
        assert_int_equal(oh__pool_live(p), n);
        assert_null(oh__pool_get(p, dead[oh__rng_below(&rng, 64)]));
        if (step % 500 == 0)
            assert_true(oh__pool_ok(p));
    }
    for (uint32_t i = 0; i < n; i++)
        assert_true(*(uint64_t *)oh__pool_get(p, model[i].handle) == model[i].value);
    oh__pool_free(p);
    assert_int_equal(h.bytes, 0);
}

static void scenario(struct test_heap *h, void *arg)
{
    struct oh__pool *p = oh__pool_new(&h->alloc, 4000, 200, 1);
    uint64_t handle[200] = {0};
    uint32_t got = 0;
    (void)arg;

    if (!p)
        return;
    for (int i = 0; i < 200; i++) {
        uint64_t before = handle[i];

        if (oh__pool_take(p, &handle[i]))
            got++;
        else
            assert_true(handle[i] == before);
    }
    assert_int_equal(oh__pool_live(p), got);
    assert_true(oh__pool_ok(p));
    for (int i = 0; i < 200; i++)
        oh__pool_give(p, handle[i]);
    assert_int_equal(oh__pool_live(p), 0);
    assert_true(oh__pool_ok(p));
    oh__pool_free(p);
}

static void survives_each_failure(void **state)
{
    (void)state;
    assert_true(test_heap_fail_each(scenario, NULL) > 10);
}

#ifdef OH__HAVE_ASAN
static void dead_objects_are_seen(void **state)
{
    struct test_heap h;
    struct oh__pool *p;
    uint64_t handle;
    char *object;
    (void)state;

    test_heap_init(&h);
    p = oh__pool_new(&h.alloc, 24, 10, 1);
    object = oh__pool_take(p, &handle);
    assert_false(__asan_address_is_poisoned(object + 23));
    assert_true(__asan_address_is_poisoned(object + 24));
    oh__pool_give(p, handle);
    assert_true(__asan_address_is_poisoned(object));
    oh__pool_free(p);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_senseless_pools),
        cmocka_unit_test(gives_cleared_aligned_objects),
        cmocka_unit_test(stale_handles_find_nothing),
        cmocka_unit_test(invented_handles_find_nothing),
        cmocka_unit_test(max_is_exact),
        cmocka_unit_test(small_pools_are_small),
        cmocka_unit_test(a_peak_does_not_stay),
        cmocka_unit_test(rests),
        cmocka_unit_test(handles_stay_stale_across_slabs),
        cmocka_unit_test(walks_over_the_living),
        cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(survives_each_failure),
#ifdef OH__HAVE_ASAN
        cmocka_unit_test(dead_objects_are_seen),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
