/*
 * A heap for tests: it counts what is out, fails the call it is told to fail,
 * and stops the program when a block comes back with another size than it was
 * asked for, twice, or overrun. Header only; needs nothing but the C library.
 *
 * To let every allocation fail in turn:
 *
 *     static void scenario(struct test_heap *h, void *arg)
 *     {
 *         struct thing *t = thing_new(&h->alloc);
 *
 *         if (t)
 *             thing_use(t);
 *         thing_free(t);
 *     }
 *     ...
 *     assert_true(test_heap_fail_each(scenario, NULL) >= 2);
 */
#ifndef OH_TESTS_UNIT_ALLOC_FAIL_H
#define OH_TESTS_UNIT_ALLOC_FAIL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <offhook/alloc.h>

struct test_heap {
    struct oh_alloc alloc; /* give its address to what is tested */
    size_t blocks;         /* blocks that are out */
    size_t bytes;          /* bytes that are out */
    size_t peak;           /* most bytes that were out at once */
    size_t calls;          /* calls of alloc and realloc so far */
    size_t fail_at;        /* the call, counted from 1, that fails; 0 = none */
    size_t failed;         /* calls that failed */
    int fail_rest;         /* true: all calls after fail_at fail as well */
};

#define TEST_HEAP_MAGIC UINT64_C(0x5afe5afe5afe5afe)
#define TEST_HEAP_DEAD  UINT64_C(0xdeaddeaddeaddead)

/* Stands before each block, and its magic number behind it again. */
struct test_heap_head {
    uint64_t magic;
    uint64_t size;
};

/* Tests must not go on with a broken heap: what follows would be misleading. */
static inline void test_heap_demand(int truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "test heap: %s\n", what);
    abort();
}

/* Counts a call; true when it is to fail. */
static inline int test_heap_hit(struct test_heap *h)
{
    h->calls++;
    if (h->fail_at == 0 || h->calls < h->fail_at || (h->calls > h->fail_at && !h->fail_rest))
        return 0;
    h->failed++;
    return 1;
}

static inline void *test_heap_get(struct test_heap *h, size_t size)
{
    struct test_heap_head *head;
    uint64_t magic = TEST_HEAP_MAGIC;

    if (size > SIZE_MAX / 2)
        return NULL;
    head = malloc(sizeof(*head) + size + sizeof(magic));
    test_heap_demand(head != NULL, "the real heap is empty");
    *head = (struct test_heap_head){magic, size};
    /* Whoever reads before writing gets something remarkable. */
    memset(head + 1, 0xa5, size);
    memcpy((char *)(head + 1) + size, &magic, sizeof(magic));
    h->blocks++;
    h->bytes += size;
    if (h->bytes > h->peak)
        h->peak = h->bytes;
    return head + 1;
}

static inline void test_heap_put(struct test_heap *h, void *p, size_t size)
{
    struct test_heap_head *head = (struct test_heap_head *)p - 1;
    uint64_t magic = TEST_HEAP_MAGIC;

    test_heap_demand(head->magic == magic, "freed what was not allocated, or twice");
    test_heap_demand(head->size == size, "freed with another size than it was asked for");
    test_heap_demand(memcmp((char *)p + size, &magic, sizeof(magic)) == 0, "block was overrun");
    head->magic = TEST_HEAP_DEAD;
    h->blocks--;
    h->bytes -= size;
    free(head);
}

static inline void *test_heap_alloc(void *ctx, size_t size)
{
    struct test_heap *h = ctx;

    return test_heap_hit(h) ? NULL : test_heap_get(h, size);
}

static inline void *test_heap_realloc(void *ctx, void *p, size_t old_size, size_t new_size)
{
    struct test_heap *h = ctx;
    void *q;

    if (test_heap_hit(h))
        return NULL;
    /* Always moves, so that pointers into the old block are found out. */
    q = test_heap_get(h, new_size);
    if (q && p) {
        memcpy(q, p, old_size < new_size ? old_size : new_size);
        test_heap_put(h, p, old_size);
    }
    return q;
}

static inline void test_heap_free(void *ctx, void *p, size_t size)
{
    if (p)
        test_heap_put(ctx, p, size);
}

/* Starts a heap with nothing out and no failure planned. */
static inline void test_heap_init(struct test_heap *h)
{
    *h = (struct test_heap){
        .alloc = {h, test_heap_alloc, test_heap_realloc, test_heap_free},
    };
}

/* Lets the n-th call from now on fail (1 = the next one); 0 lets none fail. */
static inline void test_heap_fail(struct test_heap *h, size_t n)
{
    h->fail_at = n ? h->calls + n : 0;
}

/*
 * Runs a scenario again and again: with its first allocation failing, with its
 * second, and so on until it runs through; each once with only that call
 * failing and once with all later ones, too. The scenario must end with
 * nothing allocated. Returns how many allocations it makes.
 */
static inline size_t test_heap_fail_each(void (*scenario)(struct test_heap *h, void *arg),
                                         void *arg)
{
    for (size_t n = 1;; n++) {
        size_t failed = 0;

        for (int rest = 0; rest < 2; rest++) {
            struct test_heap h;

            test_heap_init(&h);
            h.fail_at = n;
            h.fail_rest = rest;
            scenario(&h, arg);
            test_heap_demand(h.blocks == 0 && h.bytes == 0, "the scenario left blocks behind");
            failed += h.failed;
        }
        if (failed == 0)
            return n - 1;
    }
}

#endif
