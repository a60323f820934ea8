#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/wheel.h"
#include "unit/alloc_fail.h"

#define DAY (86400 * OH__SEC)

static void ends_without_trace(void **state)
{
    struct test_heap h;
    struct oh__wheel *w;
    struct oh__timer t = {0};
    (void)state;

    test_heap_init(&h);
    w = oh__wheel_new(&h.alloc, 0);
    oh__wheel_set(w, &t, 5);
    oh__wheel_free(w);
    oh__wheel_free(NULL);
    assert_int_equal(h.bytes, 0);
    test_heap_fail(&h, 1);
    assert_null(oh__wheel_new(&h.alloc, 0));
}

static void empty_wheel_yields_nothing(void **state)
{
    struct oh__wheel *w = oh__wheel_new(oh_alloc_default(), 7);
    struct oh__timer t = {0};
    (void)state;

    assert_true(oh__wheel_next(w) == OH__NEVER);
    assert_null(oh__wheel_take(w, 7));
    assert_null(oh__wheel_take(w, OH__NEVER));
    assert_false(oh__timer_armed(&t));
    oh__wheel_clear(w, &t);
    oh__wheel_set(w, &t, OH__NEVER);
    assert_false(oh__timer_armed(&t));
    assert_true(oh__wheel_ok(w));
    oh__wheel_free(w);
}

/* Around each boundary of ticks and levels: not a nanosecond early, less than a tick late. */
static void fires_in_its_tick(void **state)
{
    static const uint64_t starts[] = {0, 1, OH__MS - 1, OH__MS, 63 * OH__MS, 123456789012345};
    (void)state;

    for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
        for (int bit = 0; bit < 60; bit++) {
            for (int off = -1; off <= 1; off++) {
                struct oh__wheel *w = oh__wheel_new(oh_alloc_default(), starts[s]);
                struct oh__timer t = {0};
                uint64_t at = starts[s] + (UINT64_C(1) << bit) + (uint64_t)off;

                oh__wheel_set(w, &t, at);
                assert_true(oh__timer_armed(&t));
                assert_true(t.at == at);
                assert_true(oh__wheel_ok(w));
                if (at > starts[s])
                    assert_null(oh__wheel_take(w, at - 1));
                assert_true(oh__wheel_next(w) < at + OH__MS);
                assert_ptr_equal(oh__wheel_take(w, at + OH__MS - 1), &t);
                assert_false(oh__timer_armed(&t));
                assert_null(oh__wheel_take(w, at + OH__MS));
                assert_true(oh__wheel_next(w) == OH__NEVER);
                oh__wheel_free(w);
            }
        }
    }
}

static void whole_milliseconds_are_exact(void **state)
{
    struct oh__wheel *w = oh__wheel_new(oh_alloc_default(), 10 * OH__SEC);
    struct oh__timer t = {0};
    (void)state;

    oh__wheel_set(w, &t, 10 * OH__SEC + 500 * OH__MS);
    assert_null(oh__wheel_take(w, 10 * OH__SEC + 500 * OH__MS - 1));
    assert_true(oh__wheel_next(w) == 10 * OH__SEC + 500 * OH__MS);
    assert_ptr_equal(oh__wheel_take(w, 10 * OH__SEC + 500 * OH__MS), &t);
    oh__wheel_free(w);
}

static void the_past_is_due_at_once(void **state)
{
    const uint64_t now = 5 * OH__SEC + 123456;
    static const uint64_t back[] = {0, 1, 123455, 123456, 123457, OH__SEC, 5 * OH__SEC};
    struct oh__wheel *w = oh__wheel_new(oh_alloc_default(), 0);
    struct oh__timer t = {0};
    (void)state;

    assert_null(oh__wheel_take(w, now));
    for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++) {
        oh__wheel_set(w, &t, now - back[i]);
        assert_true(oh__wheel_ok(w));
        assert_true(oh__wheel_next(w) <= now);
        assert_ptr_equal(oh__wheel_take(w, now), &t);
    }
    oh__wheel_free(w);
}

static void comes_in_order(void **state)
{
    struct oh__wheel *w = oh__wheel_new(oh_alloc_default(), 0);
    struct oh__timer t[500] = {{0}};
    uint64_t last = 0;
    (void)state;

    for (size_t i = 0; i < 500; i++)
        oh__wheel_set(w, &t[i], (i * 7919 % 500) * 3 * OH__MS);
    for (size_t i = 0; i < 500; i++) {
        struct oh__timer *got = oh__wheel_take(w, 2 * OH__SEC);

        assert_non_null(got);
        assert_true(got->at >= last);
        last = got->at;
    }
    assert_null(oh__wheel_take(w, 2 * OH__SEC));
    oh__wheel_free(w);
}

static void handlers_may_arm_and_clear(void **state)
{
    struct oh__wheel *w = oh__wheel_new(oh_alloc_default(), 0);
    struct oh__timer a = {0}, b = {0}, c = {0};
    (void)state;

    oh__wheel_set(w, &a, OH__SEC);
    oh__wheel_set(w, &b, OH__SEC);
    oh__wheel_set(w, &c, 2 * OH__SEC);
    assert_ptr_equal(oh__wheel_take(w, 3 * OH__SEC), &a);
    /* b is due already and must not come any more; a comes again before c. */
    oh__wheel_clear(w, &b);
    oh__wheel_set(w, &a, OH__SEC + OH__MS);
    assert_true(oh__wheel_ok(w));
    assert_ptr_equal(oh__wheel_take(w, 3 * OH__SEC), &a);
    assert_ptr_equal(oh__wheel_take(w, 3 * OH__SEC), &c);
    assert_null(oh__wheel_take(w, 3 * OH__SEC));
    assert_false(oh__timer_armed(&b));
    oh__wheel_free(w);
}

/* Two threads take turns; the one that read its clock first may come second. */
static void a_clock_read_earlier_fires_nothing_early(void **state)
{
    struct oh__wheel *w = oh__wheel_new(oh_alloc_default(), 0);
    struct oh__timer a = {0}, b = {0};
    (void)state;

    oh__wheel_set(w, &a, 10 * OH__MS);
    oh__wheel_set(w, &b, 10 * OH__MS);
    assert_ptr_equal(oh__wheel_take(w, 20 * OH__MS), &a);
    assert_null(oh__wheel_take(w, 10 * OH__MS - 1));
    assert_true(oh__wheel_next(w) <= 11 * OH__MS);
    assert_ptr_equal(oh__wheel_take(w, 10 * OH__MS), &b);
    oh__wheel_free(w);
}

static void the_end_of_time(void **state)
{
    struct oh__wheel *w = oh__wheel_new(oh_alloc_default(), 1);
    struct oh__timer t = {0};
    uint64_t next;
    (void)state;

    oh__wheel_set(w, &t, OH__NEVER - 1);
    assert_true(oh__timer_armed(&t));
    assert_true(oh__wheel_ok(w));
    for (int i = 0; i < 8 && (next = oh__wheel_next(w)) < OH__NEVER - 1; i++)
        assert_null(oh__wheel_take(w, next));
    assert_true(oh__wheel_next(w) == OH__NEVER - 1);
    assert_null(oh__wheel_take(w, OH__NEVER - 1));
    assert_true(oh__timer_armed(&t));
    oh__wheel_clear(w, &t);
    assert_true(oh__wheel_next(w) == OH__NEVER);
    oh__wheel_free(w);
}

/* Following oh__wheel_next alone reaches each timer in few steps. */
static void next_leads_there(void **state)
{
    static const uint64_t far[] = {
        1, OH__MS, 70 * OH__MS, 5 * OH__SEC, 3600 * OH__SEC, 3 * DAY, 400 * DAY, 36500 * DAY,
    };
    (void)state;

    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        uint64_t now = 987654321987654;
        struct oh__wheel *w = oh__wheel_new(oh_alloc_default(), now);
        struct oh__timer t = {0};
        int steps = 0;

        oh__wheel_set(w, &t, now + far[i]);
        do {
            assert_true(oh__wheel_next(w) > now);
            now = oh__wheel_next(w);
            assert_true(now < t.at + OH__MS);
            steps++;
        } while (oh__wheel_take(w, now) == NULL);
        assert_true(now >= t.at);
        assert_true(steps <= 8);
        oh__wheel_free(w);
    }
}

/* The model: an array of the same times, and the plain rule. */
enum { TIMERS = 400, STEPS = 100000 };

struct model {
    struct oh__wheel *w;
    struct oh__rng rng;
    uint64_t now;
    uint64_t at[TIMERS]; /* OH__NEVER = not armed */
    bool past[TIMERS];   /* was armed for a time that had come */
    struct oh__timer timer[TIMERS];
    uint32_t taken;
};

/* Distances of every order of magnitude, from nanoseconds to years. */
static uint64_t random_distance(struct model *m)
{
    return oh__rng_u64(&m->rng) >> (8 + oh__rng_below(&m->rng, 56));
}

static uint64_t earliest(const struct model *m)
{
    uint64_t at = OH__NEVER;

    for (size_t i = 0; i < TIMERS; i++)
        at = m->at[i] < at ? m->at[i] : at;
    return at;
}

static uint64_t rounded_up(uint64_t at)
{
    return (at + OH__MS - 1) / OH__MS * OH__MS;
}

/* Takes what is due: all of it, in order of ticks, nothing else. */
static void drain(struct model *m)
{
    struct oh__timer *t;
    uint64_t last = 0;

    while ((t = oh__wheel_take(m->w, m->now)) != NULL) {
        size_t i = (size_t)(t - m->timer);

        assert_true(i < TIMERS);
        assert_true(t->at == m->at[i]);
        assert_true(m->at[i] <= m->now);
        if (!m->past[i]) {
            assert_true(rounded_up(t->at) >= last);
            last = rounded_up(t->at);
        }
        assert_false(oh__timer_armed(t));
        m->at[i] = OH__NEVER;
        m->taken++;
    }
    for (size_t i = 0; i < TIMERS; i++)
        assert_true(m->at[i] == OH__NEVER || rounded_up(m->at[i]) > m->now);
}

static void advance(struct model *m)
{
    uint64_t next = oh__wheel_next(m->w);
    uint64_t first = earliest(m);

    assert_int_equal(next == OH__NEVER, first == OH__NEVER);
    assert_true(next == OH__NEVER || next <= m->now || next <= rounded_up(first));
    if (oh__rng_below(&m->rng, 2) && next != OH__NEVER)
        m->now = next > m->now ? next : m->now;
    else
        m->now += oh__rng_u64(&m->rng) >> (30 + oh__rng_below(&m->rng, 34));
    drain(m);
}

static void step(struct model *m)
{
    size_t i = (size_t)oh__rng_below(&m->rng, TIMERS);
    uint64_t distance = random_distance(m);

    switch (oh__rng_below(&m->rng, 8)) {
    case 0:
        oh__wheel_clear(m->w, &m->timer[i]);
        m->at[i] = OH__NEVER;
        break;
    case 1: advance(m); break;
    case 2: /* a time in the past */
        m->at[i] = distance < m->now ? m->now - distance : 0;
        oh__wheel_set(m->w, &m->timer[i], m->at[i]);
        break;
    default: m->at[i] = m->now + distance; oh__wheel_set(m->w, &m->timer[i], m->at[i]);
    }
    m->past[i] = m->at[i] <= m->now;
    assert_int_equal(oh__timer_armed(&m->timer[i]), m->at[i] != OH__NEVER);
}

static void agrees_with_a_list(void **state)
{
    struct model *m = calloc(1, sizeof(*m));
    uint8_t seed[32] = {77};
    (void)state;

    oh__rng_init(&m->rng, seed);
    m->now = 1234567890123456;
    m->w = oh__wheel_new(oh_alloc_default(), m->now);
    for (size_t i = 0; i < TIMERS; i++)
        m->at[i] = OH__NEVER;
    for (int i = 0; i < STEPS; i++) {
        step(m);
        if (i % 200 == 0)
            assert_true(oh__wheel_ok(m->w));
    }
    assert_true(m->taken > 10000);
    /* Years pass, and everything comes. */
    m->now += 400 * 365 * DAY;
    drain(m);
    assert_true(oh__wheel_next(m->w) == OH__NEVER);
    assert_true(oh__wheel_ok(m->w));
    oh__wheel_free(m->w);
    free(m);
}

struct call {
    int number;
    struct oh__timer timer;
};

static void container_is_found(void **state)
{
    struct call c = {.number = 5};
    struct oh__timer *t = &c.timer;
    (void)state;

    assert_ptr_equal(OH__CONTAINER(t, struct call, timer), &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_without_trace),
        cmocka_unit_test(empty_wheel_yields_nothing),
        cmocka_unit_test(fires_in_its_tick),
        cmocka_unit_test(whole_milliseconds_are_exact),
        cmocka_unit_test(the_past_is_due_at_once),
        cmocka_unit_test(comes_in_order),
        cmocka_unit_test(handlers_may_arm_and_clear),
        cmocka_unit_test(a_clock_read_earlier_fires_nothing_early),
        cmocka_unit_test(the_end_of_time),
        cmocka_unit_test(next_leads_there),
        cmocka_unit_test(agrees_with_a_list),
        cmocka_unit_test(container_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
