/* Plans and schedules: when everything happens is known before the run, and workers share it
 * evenly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/load.h"

#define SEC UINT64_C(1000000000)

static void test_shares(void **state)
{
    uint64_t sum = 0;

    (void)state;
    for (unsigned i = 0; i < 7; i++)
        sum += oh__load_share(100, i, 7);
    assert_int_equal(sum, 100);
    assert_int_equal(oh__load_share(100, 0, 7), 15);
    assert_int_equal(oh__load_share(100, 6, 7), 14);
    assert_int_equal(oh__load_share(2, 2, 3), 0);
}

/* One stream at a constant rate: operation k is due at k / rate, and the last before the end. */
static void test_constant(void **state)
{
    struct oh__load_config c = {.rate = 250, .duration = 2 * SEC};
    struct oh__load_schedule s;
    struct oh__load_plan plan;
    unsigned step, n = 0;
    uint64_t at;

    (void)state;
    oh__load_plan_make(&c, &plan);
    assert_int_equal(plan.n, 1);
    oh__load_schedule_init(&s, &plan, 0, 1);
    while (oh__load_schedule_peek(&s, &at, &step)) {
        uint64_t again;

        assert_true(oh__load_schedule_peek(&s, &again, &step)); /* looking is not taking */
        assert_int_equal(at, again);
        assert_int_equal(at, n * 4 * OH__MS);
        assert_int_equal(step, 0);
        oh__load_schedule_take(&s);
        n++;
    }
    assert_int_equal(n, 500);
}

/* Three workers together are the stream of one: nothing twice, nothing left out. */
static void test_workers(void **state)
{
    struct oh__load_config c = {.rate = 1000, .duration = SEC, .warmup = SEC / 10};
    struct oh__load_plan plan;
    unsigned char due[1100] = {0};

    (void)state;
    oh__load_plan_make(&c, &plan);
    assert_int_equal(plan.n, 2);
    assert_false(plan.steps[0].counted);
    assert_true(plan.steps[1].counted);
    for (unsigned i = 0; i < 3; i++) {
        struct oh__load_schedule s;
        unsigned step;
        uint64_t at;

        oh__load_schedule_init(&s, &plan, i, 3);
        while (oh__load_schedule_peek(&s, &at, &step)) {
            assert_int_equal(step, at >= SEC / 10);
            assert_int_equal(at % OH__MS, 0);
            assert_in_range(at / OH__MS, 0, sizeof due - 1);
            due[at / OH__MS]++;
            oh__load_schedule_take(&s);
        }
    }
    for (size_t i = 0; i < sizeof due; i++)
        assert_int_equal(due[i], 1);
}

/* A ramp has both ends, and every step its own rate and length. */
static void test_ramp(void **state)
{
    struct oh__load_config c = {
        .rate = 100, .ramp_to = 500, .ramp_steps = 5, .ramp_step = 2 * SEC, .warmup = SEC};
    unsigned n[6] = {0}, step;
    struct oh__load_schedule s;
    struct oh__load_plan plan;
    uint64_t at, last = 0;

    (void)state;
    oh__load_plan_make(&c, &plan);
    assert_int_equal(plan.n, 6);
    assert_int_equal(plan.steps[5].until, 11 * SEC);
    oh__load_schedule_init(&s, &plan, 0, 1);
    while (oh__load_schedule_peek(&s, &at, &step)) {
        assert_true(at >= last);
        assert_true(at >= plan.steps[step].from && at < plan.steps[step].until);
        assert_int_equal(oh__load_plan_at(&plan, at), step);
        last = at;
        n[step]++;
        oh__load_schedule_take(&s);
    }
    assert_int_equal(n[0], 100);
    for (unsigned i = 1; i < 6; i++)
        assert_int_equal(n[i], i * 200);
    assert_int_equal(oh__load_plan_at(&plan, 100 * SEC), 5);
    c.ramp_steps = 1;
    oh__load_plan_make(&c, &plan);
    assert_true(plan.steps[1].rate == 500);
}

/* The count ends a run of several workers exactly, and gives an open loop its length. */
static void test_count(void **state)
{
    struct oh__load_config c = {.rate = 100, .count = 7, .warmup = SEC};
    struct oh__load_plan plan;
    unsigned counted = 0;

    (void)state;
    oh__load_plan_make(&c, &plan);
    assert_in_range(plan.steps[1].until - plan.steps[1].from, 70 * OH__MS, 70 * OH__MS + 1);
    for (unsigned i = 0; i < 4; i++) {
        struct oh__load_schedule s;
        unsigned step;
        uint64_t at;

        oh__load_schedule_init(&s, &plan, i, 4);
        while (oh__load_schedule_peek(&s, &at, &step)) {
            counted += step == 1;
            oh__load_schedule_take(&s);
        }
    }
    assert_int_equal(counted, 7);
    /* The time is up before the count. */
    c.duration = 50 * OH__MS;
    oh__load_plan_make(&c, &plan);
    assert_int_equal(plan.steps[1].until - plan.steps[1].from, 50 * OH__MS);
    /* A closed loop without time lasts until its count. */
    c = (struct oh__load_config){.window = 4, .count = 100};
    oh__load_plan_make(&c, &plan);
    assert_int_equal(plan.steps[0].until, OH__NEVER);
    assert_int_equal(plan.count, 100);
}

/* The time of an operation comes from its number, so it does not drift after a billion of them. */
static void test_no_drift(void **state)
{
    struct oh__load_config c = {.rate = 30000};
    struct oh__load_schedule s;
    struct oh__load_plan plan;
    unsigned step;
    uint64_t at;

    (void)state;
    oh__load_plan_make(&c, &plan);
    oh__load_schedule_init(&s, &plan, 0, 1);
    s.done = UINT64_C(3000000000);
    assert_true(oh__load_schedule_peek(&s, &at, &step));
    assert_int_equal(at, 100000 * SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),  cmocka_unit_test(test_constant),
        cmocka_unit_test(test_workers), cmocka_unit_test(test_ramp),
        cmocka_unit_test(test_count),   cmocka_unit_test(test_no_drift),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
