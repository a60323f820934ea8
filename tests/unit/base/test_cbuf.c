#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cbuf.h"
#include "base/hash.h"
#include "base/poison.h"
#include "unit/alloc_fail.h"

static void classes_are_exact(void **state)
{
    struct test_heap h;
    struct oh__blocks *b;
    size_t own, used, idle;
    (void)state;

    test_heap_init(&h);
    b = oh__blocks_new(&h.alloc, 1 << 20);
    own = h.bytes;
    for (size_t n = 0; n <= 4096; n++) {
        unsigned char *p = oh__blocks_take(b, n);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, (uintptr_t)p % _Alignof(max_align_t));
        memset(p, 1, n);
        oh__blocks_stats(b, &used, &idle);
        assert_true(used >= n && used <= (n > 8 ? n + 15 : 8));
        assert_int_equal(used + idle, h.bytes - own);
        oh__blocks_give(b, p, n);
    }
    oh__blocks_free(b);
    assert_int_equal(h.bytes, 0);
    oh__blocks_free(NULL);
}

static void large_blocks_are_powers_of_two(void **state)
{
    static const struct {
        size_t n, used;
    } cases[] = {
        {4097, 8192},    {8191, 8192},       {8192, 8192},
        {8193, 16384},   {65535, 65536},     {65536, 65536},
        {65537, 131072}, {1 << 20, 1 << 20}, {(1 << 20) + 1, (1 << 20) + 1},
    };
    struct test_heap h;
    struct oh__blocks *b;
    (void)state;

    test_heap_init(&h);
    b = oh__blocks_new(&h.alloc, 8 << 20);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t used, idle, calls = h.calls;
        void *p = oh__blocks_take(b, cases[i].n);

        memset(p, 1, cases[i].n);
        oh__blocks_stats(b, &used, &idle);
        assert_int_equal(used, cases[i].used);
        oh__blocks_give(b, p, cases[i].n);
        /* The next one comes from the cache, unless it is of a size of its own. */
        calls = h.calls;
        p = oh__blocks_take(b, cases[i].n);
        assert_int_equal(h.calls - calls, cases[i].n > 1 << 20);
        oh__blocks_give(b, p, cases[i].n);
    }
    assert_null(oh__blocks_take(b, SIZE_MAX));
    oh__blocks_free(b);
    assert_int_equal(h.bytes, 0);
}

static void keeps_no_more_than_told(void **state)
{
    static const size_t keeps[] = {0, 1, 1000, 5000, 100000};
    struct test_heap h;
    struct oh__rng rng;
    uint8_t seed[32] = {7};
    (void)state;

    test_heap_init(&h);
    oh__rng_init(&rng, seed);
    for (size_t k = 0; k < sizeof(keeps) / sizeof(keeps[0]); k++) {
        struct oh__blocks *b = oh__blocks_new(&h.alloc, keeps[k]);
        size_t own = h.bytes, size[50], used, idle;
        char *p[50] = {0};

        for (int step = 0; step < 5000; step++) {
            size_t i = (size_t)oh__rng_below(&rng, 50);

            if (p[i]) {
                assert_int_equal(p[i][0], (char)i);
                assert_int_equal(p[i][size[i] - 1], (char)i);
                oh__blocks_give(b, p[i], size[i]);
                p[i] = NULL;
            } else {
                size[i] = 1 + (size_t)oh__rng_below(&rng, step % 9 ? 1500 : 20000);
                p[i] = oh__blocks_take(b, size[i]);
                memset(p[i], (int)i, size[i]);
            }
            oh__blocks_stats(b, &used, &idle);
            assert_true(idle <= keeps[k]);
            assert_int_equal(used + idle, h.bytes - own);
        }
        for (size_t i = 0; i < 50; i++)
            oh__blocks_give(b, p[i], size[i]);
        oh__blocks_stats(b, &used, &idle);
        assert_int_equal(used, 0);
        oh__blocks_free(b);
        assert_int_equal(h.bytes, 0);
    }
}

/* When traffic changes its sizes, the cache must follow, or it helps nobody. */
static void follows_the_sizes_in_use(void **state)
{
    struct test_heap h;
    struct oh__blocks *b;
    void *p[20];
    size_t calls;
    (void)state;

    test_heap_init(&h);
    b = oh__blocks_new(&h.alloc, 20000);
    for (int size = 100; size <= 900; size += 400) {
        for (int round = 0; round < 10; round++) {
            calls = h.calls;
            for (int i = 0; i < 20; i++)
                p[i] = oh__blocks_take(b, (size_t)size);
            for (int i = 0; i < 20; i++)
                oh__blocks_give(b, p[i], (size_t)size);
        }
        assert_int_equal(h.calls, calls);
    }
    oh__blocks_free(b);
}

/* Takes n blocks of a size and gives them back; returns how many the heap had to make. */
static size_t heap_calls_for(struct test_heap *h, struct oh__blocks *b, size_t n, size_t size)
{
    size_t calls = h->calls;
    void *p[8];

    for (size_t i = 0; i < n; i++)
        p[i] = oh__blocks_take(b, size);
    calls = h->calls - calls;
    for (size_t i = 0; i < n; i++)
        oh__blocks_give(b, p[i], size);
    return calls;
}

/* No class pays for all the others. */
static void classes_lose_in_turn(void **state)
{
    struct test_heap h;
    struct oh__blocks *b;
    void *p;
    (void)state;

    for (int first = 0; first < 2; first++) {
        test_heap_init(&h);
        b = oh__blocks_new(&h.alloc, 5 * 88 + 5 * 184);
        assert_int_equal(heap_calls_for(&h, b, 5, 88), 5);
        assert_int_equal(heap_calls_for(&h, b, 5, 184), 5);
        p = oh__blocks_take(b, 408);
        /* Room for it takes 88, 184, 88 and 184 bytes away. */
        oh__blocks_give(b, p, 408);
        assert_int_equal(heap_calls_for(&h, b, first ? 3 : 4, 88), first ? 0 : 1);
        if (first)
            assert_int_equal(heap_calls_for(&h, b, 4, 184), 1);
        oh__blocks_free(b);
        assert_int_equal(h.bytes, 0);
    }
}

/* What was idle for a while goes in halves; what is used in between stays. */
static void rests(void **state)
{
    struct test_heap h;
    struct oh__blocks *b;
    size_t used, idle, calls;
    void *p[100];
    (void)state;

    test_heap_init(&h);
    b = oh__blocks_new(&h.alloc, 1 << 20);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            p[i] = oh__blocks_take(b, 1000);
        for (int i = 0; i < 100; i++)
            oh__blocks_give(b, p[i], 1000);
    }
    /* All of it was in use since the beginning: nothing is too much. */
    assert_int_equal(oh__blocks_relax(b), 0);
    oh__blocks_stats(b, &used, &idle);
    assert_true(idle >= 100 * 1000);
    calls = h.calls;
    for (int second = 0; second < 100; second++) {
        for (int i = 0; i < 10; i++)
            p[i] = oh__blocks_take(b, 1000);
        for (int i = 0; i < 10; i++)
            oh__blocks_give(b, p[i], 1000);
        oh__blocks_relax(b);
    }
    assert_int_equal(h.calls, calls);
    oh__blocks_stats(b, &used, &idle);
    assert_in_range(idle, 10 * 1000, 10 * 1010);
    for (int second = 0; second < 8; second++)
        oh__blocks_relax(b);
    oh__blocks_stats(b, &used, &idle);
    assert_int_equal(used, 0);
    assert_int_equal(idle, 0);
    assert_int_equal(oh__blocks_relax(b), 0);
    oh__blocks_free(b);
    assert_int_equal(h.bytes, 0);
}

static void counts_references(void **state)
{
    struct test_heap h;
    struct oh__blocks *b;
    struct oh__cbuf *c;
    char text[] = "SIP/2.0 200 OK";
    size_t used, idle, calls;
    (void)state;

    test_heap_init(&h);
    b = oh__blocks_new(&h.alloc, 1000);
    c = oh__cbuf_new(b, oh_span_str(text));
    assert_non_null(c);
    text[0] = 'x';
    assert_int_equal(c->refs, 1);
    assert_true(oh_span_eq(oh__cbuf_view(c), OH_LIT("SIP/2.0 200 OK")));
    assert_ptr_equal(oh__cbuf_ref(c), c);
    oh__cbuf_unref(b, c);
    assert_true(oh_span_eq(oh__cbuf_view(c), OH_LIT("SIP/2.0 200 OK")));
    oh__cbuf_unref(b, c);
    oh__blocks_stats(b, &used, &idle);
    assert_int_equal(used, 0);
    assert_true(idle > 0);
    calls = h.calls;
    c = oh__cbuf_new(b, OH_LIT("SIP/2.0 404 No"));
    assert_int_equal(h.calls, calls);
    oh__cbuf_unref(b, c);
    oh__blocks_free(b);
    assert_int_equal(h.bytes, 0);
}

static void empty_and_absent_buffers(void **state)
{
    struct test_heap h;
    struct oh__blocks *b;
    struct oh__cbuf *c;
    (void)state;

    test_heap_init(&h);
    b = oh__blocks_new(&h.alloc, 0);
    c = oh__cbuf_new(b, oh_span(NULL, 0));
    assert_non_null(c);
    assert_int_equal(oh__cbuf_view(c).n, 0);
    oh__cbuf_unref(b, c);
    assert_int_equal(oh__cbuf_view(NULL).n, 0);
    oh__cbuf_unref(b, NULL);
    oh__blocks_give(b, NULL, 10);
    /* More than its length field can say is refused before a byte is read. */
    assert_null(oh__cbuf_new(b, oh_span("", (size_t)UINT32_MAX - 7)));
    assert_null(oh__cbuf_new(b, oh_span("", SIZE_MAX)));
    oh__blocks_free(b);
    assert_int_equal(h.bytes, 0);
}

static void scenario(struct test_heap *h, void *arg)
{
    struct oh__blocks *b = oh__blocks_new(&h->alloc, 5000);
    struct oh__cbuf *c[8];
    char bytes[9000] = {0};
    size_t used, idle;
    (void)arg;

    if (!b)
        return;
    for (size_t i = 0; i < 8; i++)
        c[i] = oh__cbuf_new(b, oh_span(bytes, i * 1200));
    for (size_t i = 0; i < 8; i++)
        oh__cbuf_unref(b, c[i]);
    oh__blocks_stats(b, &used, &idle);
    assert_int_equal(used, 0);
    oh__blocks_free(b);
}

static void survives_each_failure(void **state)
{
    (void)state;
    assert_int_equal(test_heap_fail_each(scenario, NULL), 9);
}

#ifdef OH__HAVE_ASAN
static void idle_blocks_are_seen(void **state)
{
    struct test_heap h;
    struct oh__blocks *b;
    char *p;
    (void)state;

    test_heap_init(&h);
    b = oh__blocks_new(&h.alloc, 1000);
    p = oh__blocks_take(b, 100);
    oh__blocks_give(b, p, 100);
    assert_true(__asan_address_is_poisoned(p));
    assert_ptr_equal(oh__blocks_take(b, 100), p);
    assert_false(__asan_address_is_poisoned(p));
    oh__blocks_give(b, p, 100);
    oh__blocks_free(b);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_exact),       cmocka_unit_test(large_blocks_are_powers_of_two),
        cmocka_unit_test(keeps_no_more_than_told), cmocka_unit_test(follows_the_sizes_in_use),
        cmocka_unit_test(classes_lose_in_turn),    cmocka_unit_test(rests),
        cmocka_unit_test(counts_references),       cmocka_unit_test(empty_and_absent_buffers),
        cmocka_unit_test(survives_each_failure),
#ifdef OH__HAVE_ASAN
        cmocka_unit_test(idle_blocks_are_seen),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
