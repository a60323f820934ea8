#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <offhook/alloc.h>

#include "unit/alloc_fail.h"

static void default_heap_gives_blocks(void **state)
{
    const struct oh_alloc *a = oh_alloc_default();
    char *p;
    (void)state;

    assert_ptr_equal(a, oh_alloc_default());
    p = oh_alloc(a, 0);
    assert_non_null(p);
    p = oh_realloc(a, p, 0, 100);
    assert_non_null(p);
    memset(p, 7, 100);
    p = oh_realloc(a, p, 100, 10);
    assert_non_null(p);
    assert_int_equal(p[9], 7);
    /* Growing from nothing, and shrinking to nothing, are no failures. */
    p = oh_realloc(a, p, 10, 0);
    assert_non_null(p);
    oh_free(a, p, 0);
    p = oh_realloc(a, NULL, 0, 16);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
    oh_free(a, p, 16);
    oh_free(a, NULL, 16);
}

static void zero_is_zero_and_does_not_overflow(void **state)
{
    struct test_heap h;
    unsigned char *p;
    (void)state;

    test_heap_init(&h);
    p = oh_alloc_zero(&h.alloc, 25, 4);
    assert_non_null(p);
    assert_int_equal(h.bytes, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    oh_free(&h.alloc, p, 100);
    assert_null(oh_alloc_zero(&h.alloc, SIZE_MAX / 2, 3));
    assert_null(oh_alloc_zero(&h.alloc, 3, SIZE_MAX / 2));
    assert_int_equal(h.calls, 1);
    /* The largest product that is no overflow is asked for, and refused by the heap. */
    assert_null(oh_alloc_zero(&h.alloc, SIZE_MAX, 1));
    assert_int_equal(h.calls, 2);
    p = oh_alloc_zero(&h.alloc, 0, 8);
    assert_non_null(p);
    oh_free(&h.alloc, p, 0);
    p = oh_alloc_zero(&h.alloc, 8, 0);
    assert_non_null(p);
    oh_free(&h.alloc, p, 0);
    assert_int_equal(h.blocks, 0);
}

static void the_table_decides(void **state)
{
    struct test_heap h;
    char *p, *q;
    (void)state;

    test_heap_init(&h);
    test_heap_fail(&h, 2);
    p = oh_alloc(&h.alloc, 10);
    assert_non_null(p);
    memcpy(p, "012345678", 10);
    assert_null(oh_realloc(&h.alloc, p, 10, 20));
    assert_string_equal(p, "012345678");
    q = oh_realloc(&h.alloc, p, 10, 20);
    assert_non_null(q);
    assert_string_equal(q, "012345678");
    assert_int_equal(h.blocks, 1);
    assert_int_equal(h.bytes, 20);
    assert_int_equal(h.failed, 1);
    oh_free(&h.alloc, q, 20);
    assert_int_equal(h.bytes, 0);
    assert_int_equal(h.peak, 30);
    test_heap_fail(&h, 1);
    assert_null(oh_alloc_zero(&h.alloc, 1, 1));
}

/* Allocates three blocks, as far as it gets. */
static void three(struct test_heap *h, void *arg)
{
    void *p[3];
    size_t *runs = arg;

    for (int i = 0; i < 3; i++)
        p[i] = oh_alloc(&h->alloc, 8);
    for (int i = 0; i < 3; i++)
        oh_free(&h->alloc, p[i], 8);
    ++*runs;
}

static void every_call_fails_once(void **state)
{
    size_t runs = 0;
    (void)state;

    assert_int_equal(test_heap_fail_each(three, &runs), 3);
    assert_int_equal(runs, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_heap_gives_blocks),
        cmocka_unit_test(zero_is_zero_and_does_not_overflow),
        cmocka_unit_test(the_table_decides),
        cmocka_unit_test(every_call_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
