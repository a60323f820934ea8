#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <offhook/arena.h>

#include "base/poison.h"
#include "unit/alloc_fail.h"

#define USUAL 16384 /* what arena.h calls the usual size */

static void starts_without_memory(void **state)
{
    struct test_heap h;
    struct oh_arena a;
    (void)state;

    test_heap_init(&h);
    oh_arena_init(&a, &h.alloc, 1000);
    assert_int_equal(h.calls, 0);
    oh_arena_reset(&a);
    oh_arena_done(&a);
    assert_int_equal(h.calls, 0);
}

static void takes_are_apart_and_aligned(void **state)
{
    struct test_heap h;
    struct oh_arena a;
    unsigned char *p[200];
    (void)state;

    test_heap_init(&h);
    oh_arena_init(&a, &h.alloc, SIZE_MAX);
    for (size_t i = 0; i < 200; i++) {
        p[i] = oh_arena_take(&a, i * 3);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], (int)i, i * 3);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < i * 3; j++)
            assert_int_equal(p[i][j], i);
    }
    assert_true(h.blocks > 1);
    oh_arena_done(&a);
    assert_int_equal(h.bytes, 0);
}

static void limit_is_exact(void **state)
{
    static const size_t limits[] = {1, 16, 100, 5000, 3 * USUAL};
    struct test_heap h;
    struct oh_arena a;
    (void)state;

    test_heap_init(&h);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        oh_arena_init(&a, &h.alloc, limits[i]);
        assert_null(oh_arena_take(&a, limits[i] + 1));
        assert_null(oh_arena_take(&a, SIZE_MAX));
        assert_null(oh_arena_take(&a, SIZE_MAX - 8));
        if (limits[i] > 1)
            assert_non_null(oh_arena_take(&a, limits[i] - 1));
        assert_non_null(oh_arena_copy(&a, OH_LIT("x")).p);
        assert_null(oh_arena_copy(&a, OH_LIT("x")).p);
        assert_null(oh_arena_take(&a, 0));
        oh_arena_reset(&a);
        assert_non_null(oh_arena_take(&a, limits[i]));
        assert_null(oh_arena_take(&a, 1));
        assert_int_equal(a.used, limits[i]);
        oh_arena_done(&a);
    }
    oh_arena_init(&a, &h.alloc, 0);
    assert_null(oh_arena_take(&a, 0));
    assert_null(oh_arena_take(&a, 1));
    oh_arena_done(&a);
    /* Without a limit, the size of a block must not wrap round. */
    oh_arena_init(&a, &h.alloc, SIZE_MAX);
    assert_null(oh_arena_take(&a, SIZE_MAX));
    assert_null(oh_arena_take(&a, SIZE_MAX - 16));
    oh_arena_done(&a);
    assert_int_equal(h.bytes, 0);
}

static void padding_counts(void **state)
{
    struct test_heap h;
    struct oh_arena a;
    (void)state;

    test_heap_init(&h);
    oh_arena_init(&a, &h.alloc, 32);
    assert_non_null(oh_arena_take(&a, 1));
    assert_non_null(oh_arena_take(&a, 1));
    assert_int_equal(a.used, 17);
    assert_null(oh_arena_take(&a, 1));
    assert_int_equal(oh_arena_copy(&a, OH_LIT("123456789012345")).n, 15);
    assert_null(oh_arena_copy(&a, OH_LIT("6")).p);
    oh_arena_done(&a);
}

static void copies(void **state)
{
    struct test_heap h;
    struct oh_arena a;
    struct oh_span x, y, none;
    (void)state;

    test_heap_init(&h);
    oh_arena_init(&a, &h.alloc, 1000);
    none = oh_arena_copy(&a, oh_span(NULL, 0));
    assert_non_null(none.p);
    assert_int_equal(none.n, 0);
    assert_int_equal(h.calls, 0);
    x = oh_arena_copy(&a, OH_LIT("abc"));
    y = oh_arena_copy(&a, OH_LIT("de"));
    assert_true(oh_span_eq(x, OH_LIT("abc")));
    assert_true(oh_span_eq(y, OH_LIT("de")));
    assert_ptr_equal(y.p, x.p + 3);
    oh_arena_done(&a);
}

/* What one message needed, the next one gets without the heap. */
static void steady_state_makes_no_call(void **state)
{
    struct test_heap h;
    struct oh_arena a;
    size_t calls;
    (void)state;

    test_heap_init(&h);
    oh_arena_init(&a, &h.alloc, 1 << 20);
    for (int i = 0; i < 100; i++)
        assert_non_null(oh_arena_take(&a, 1000));
    calls = h.calls;
    for (int round = 0; round < 10; round++) {
        oh_arena_reset(&a);
        assert_int_equal(a.used, 0);
        for (int i = 0; i < 100; i++)
            assert_non_null(oh_arena_take(&a, 1000));
    }
    assert_int_equal(h.calls, calls);
    oh_arena_done(&a);
    assert_int_equal(h.bytes, 0);
    /* It can be used again after that. */
    assert_non_null(oh_arena_take(&a, 10));
    oh_arena_done(&a);
    assert_int_equal(h.bytes, 0);
}

static void one_large_take_does_not_stay(void **state)
{
    struct test_heap h;
    struct oh_arena a;
    char *small, *next;
    size_t usual;
    (void)state;

    test_heap_init(&h);
    oh_arena_init(&a, &h.alloc, 1 << 20);
    small = oh_arena_take(&a, 16);
    usual = h.bytes;
    assert_int_equal(usual, USUAL);
    assert_non_null(oh_arena_take(&a, 100000));
    assert_int_equal(h.blocks, 2);
    /* The usual block goes on where it was. */
    next = oh_arena_take(&a, 16);
    assert_ptr_equal(next, small + 16);
    assert_int_equal(h.blocks, 2);
    oh_arena_reset(&a);
    assert_int_equal(h.bytes, usual);
    /* As the very first take, too. */
    assert_non_null(oh_arena_take(&a, 100000));
    assert_non_null(oh_arena_take(&a, 16));
    oh_arena_reset(&a);
    assert_int_equal(h.bytes, usual);
    oh_arena_done(&a);
    assert_int_equal(h.bytes, 0);
}

static void scenario(struct test_heap *h, void *arg)
{
    struct oh_arena a;
    size_t got = 0;
    (void)arg;

    oh_arena_init(&a, &h->alloc, 1 << 20);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 40; i++) {
            size_t used = a.used;
            void *p = oh_arena_take(&a, 1000);

            got += p != NULL;
            if (!p)
                assert_int_equal(a.used, used);
        }
        got += oh_arena_copy(&a, OH_LIT("text")).p != NULL;
        got += oh_arena_take(&a, 50000) != NULL;
        oh_arena_reset(&a);
    }
    if (!h->failed)
        assert_int_equal(got, 84);
    else
        assert_true(got < 84);
    oh_arena_done(&a);
}

static void survives_each_failure(void **state)
{
    (void)state;
    assert_int_equal(test_heap_fail_each(scenario, NULL), 5);
}

#ifdef OH__HAVE_ASAN
static void stale_pointers_are_seen(void **state)
{
    struct test_heap h;
    struct oh_arena a;
    char *p;
    (void)state;

    test_heap_init(&h);
    oh_arena_init(&a, &h.alloc, 1000);
    p = oh_arena_take(&a, 40);
    assert_false(__asan_address_is_poisoned(p + 39));
    assert_true(__asan_address_is_poisoned(p + 40));
    oh_arena_reset(&a);
    assert_true(__asan_address_is_poisoned(p));
    oh_arena_done(&a);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_without_memory),
        cmocka_unit_test(takes_are_apart_and_aligned),
        cmocka_unit_test(limit_is_exact),
        cmocka_unit_test(padding_counts),
        cmocka_unit_test(copies),
        cmocka_unit_test(steady_state_makes_no_call),
        cmocka_unit_test(one_large_take_does_not_stay),
        cmocka_unit_test(survives_each_failure),
#ifdef OH__HAVE_ASAN
        cmocka_unit_test(stale_pointers_are_seen),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
