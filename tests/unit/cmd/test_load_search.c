/* The search for a limit, against servers whose limit is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/load.h"

#define SEC UINT64_C(1000000000)

/* A server that holds every rate up to a limit, but spoils some laps for no reason of its own. */
struct server {
    double limit;
    unsigned hiccups[4], hiccups_n; /* steps of the plan that are not held whatever their rate */
};

struct search {
    struct oh__load_search s;
    struct oh__load_plan plan;
    double tried[OH__LOAD_STEPS_MAX];
    unsigned n, laps;
};

static bool holds(const struct server *server, const struct oh__load_plan *plan, unsigned step)
{
    for (unsigned i = 0; i < server->hiccups_n; i++)
        if (server->hiccups[i] == step)
            return false;
    return plan->steps[step].rate <= server->limit;
}

/* Runs laps to the end, as a run does: a lap ends behind its first step that is not held. */
static void run(struct search *r, const struct oh__load_config *c, const struct server *server)
{
    unsigned first = 0;

    memset(r, 0, sizeof *r);
    oh__load_plan_make(c, &r->plan);
    oh__load_search_init(&r->s, c, &r->plan);
    do {
        unsigned held = 0;
        bool all_held = true;

        r->laps++;
        for (unsigned i = first; i < r->plan.n && all_held; i++) {
            r->tried[r->n++] = r->plan.steps[i].rate;
            if (!r->plan.steps[i].counted)
                continue;
            all_held = holds(server, &r->plan, i);
            held += all_held;
            if (!all_held)
                r->plan.n = i + 1;
        }
        first = r->plan.n;
        if (!oh__load_search_next(&r->s, held, &r->plan))
            break;
        assert_true(r->plan.n > first);
        assert_int_equal(r->plan.steps[first].from, r->plan.steps[first - 1].until);
        assert_in_range(r->plan.n, 1, r->s.steps_max);
    } while (r->laps < 100);
    assert_in_range(r->laps, 1, 20);
}

static const struct oh__load_config ramp = {
    .rate = 1000, .ramp_to = 10000, .ramp_steps = 10, .ramp_step = SEC};

/* Everything is held: one lap, and nothing missed. */
static void test_all_held(void **state)
{
    struct server server = {.limit = 1e9};
    struct search r;

    (void)state;
    run(&r, &ramp, &server);
    assert_int_equal(r.laps, 1);
    assert_int_equal(r.n, 10);
    assert_true(r.s.missed == 0);
    assert_true(r.s.held == 10000);
}

/* The rate that is too much is tried twice, then halved in; none above it is tried at all. */
static void test_limit(void **state)
{
    struct server server = {.limit = 4321};
    struct search r;

    (void)state;
    run(&r, &ramp, &server);
    assert_true(r.tried[4] == 5000);
    assert_true(r.tried[5] == 5000);
    assert_true(r.tried[6] == 4500);
    assert_true(r.tried[7] == 4250);
    for (unsigned i = 0; i < r.n; i++)
        assert_true(r.tried[i] <= 5000);
    assert_true(r.s.held <= server.limit && r.s.missed > server.limit);
    assert_true(r.s.missed - r.s.held <= 0.03 * r.s.missed);
}

/* Nothing is held: there is no rate below to halve in from. */
static void test_nothing_held(void **state)
{
    struct server server = {.limit = 500};
    struct search r;

    (void)state;
    run(&r, &ramp, &server);
    assert_int_equal(r.n, 2);
    assert_true(r.s.held == 0);
    assert_true(r.s.missed == 1000);
}

/* A rate that is held when it is tried again was spoilt by something else: the climb goes on. */
static void test_hiccup(void **state)
{
    struct server server = {.limit = 1e9, .hiccups = {2, 7}, .hiccups_n = 2};
    struct search r;

    (void)state;
    run(&r, &ramp, &server);
    assert_int_equal(r.n, 12);
    assert_true(r.tried[2] == 3000 && r.tried[3] == 3000 && r.tried[4] == 4000);
    assert_true(r.s.held == 10000);
    assert_true(r.s.missed == 0);
}

/* The last rate of all, retried and held: the ramp is at its end. */
static void test_hiccup_at_the_end(void **state)
{
    struct server server = {.limit = 1e9, .hiccups = {9}, .hiccups_n = 1};
    struct search r;

    (void)state;
    run(&r, &ramp, &server);
    assert_int_equal(r.n, 11);
    assert_true(r.s.held == 10000);
}

/* Too many hiccups are a limit, whoever makes them. */
static void test_retries_end(void **state)
{
    struct server server = {.limit = 1e9, .hiccups = {1, 3, 5, 7}, .hiccups_n = 4};
    struct search r;

    (void)state;
    run(&r, &ramp, &server);
    assert_int_equal(r.s.retries, OH__LOAD_RETRIES);
    assert_true(r.s.missed > 0 && r.s.held < r.s.missed);
}

/* The warm-up judges nothing, and steps that are cut short leave no gap. */
static void test_warm_up(void **state)
{
    struct oh__load_config c = ramp;
    struct server server = {.limit = 2500};
    struct search r;

    (void)state;
    c.warmup = 5 * SEC;
    run(&r, &c, &server);
    assert_true(r.tried[0] == 1000 && r.tried[1] == 1000);
    assert_true(r.s.held >= 2000 && r.s.held <= 2500);
}

/* Any other run has one lap. */
static void test_no_ramp(void **state)
{
    struct oh__load_config c = {.rate = 100, .duration = SEC};
    struct oh__load_search s;
    struct oh__load_plan plan;

    (void)state;
    oh__load_plan_make(&c, &plan);
    oh__load_search_init(&s, &c, &plan);
    assert_false(oh__load_search_next(&s, 0, &plan));
    assert_int_equal(plan.n, 1);
}

/* The longest ramp that may be asked for fits, with everything that a search adds. */
static void test_longest(void **state)
{
    struct oh__load_config c = {.rate = 1,
                                .ramp_to = 100,
                                .ramp_steps = OH__LOAD_RAMP_MAX,
                                .ramp_step = SEC,
                                .warmup = SEC};
    struct server server = {.limit = 99.5, .hiccups = {10, 20}, .hiccups_n = 2};
    struct search r;

    (void)state;
    run(&r, &c, &server);
    assert_true(r.s.held >= 99);
    assert_in_range(r.plan.n, 101, OH__LOAD_STEPS_MAX);
}

static void test_is_held(void **state)
{
    (void)state;
    assert_true(oh__load_is_held(1000, 999, 1, 9));
    assert_false(oh__load_is_held(1000, 998, 2, 0));
    assert_false(oh__load_is_held(1000, 1000, 0, 11));
    assert_true(oh__load_is_held(10, 10, 0, 0));
    assert_false(oh__load_is_held(10, 10, 0, 1));
    assert_false(oh__load_is_held(10, 9, 1, 0));
    assert_false(oh__load_is_held(0, 0, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_held),          cmocka_unit_test(test_limit),
        cmocka_unit_test(test_nothing_held),      cmocka_unit_test(test_hiccup),
        cmocka_unit_test(test_hiccup_at_the_end), cmocka_unit_test(test_retries_end),
        cmocka_unit_test(test_warm_up),           cmocka_unit_test(test_no_ramp),
        cmocka_unit_test(test_longest),           cmocka_unit_test(test_is_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
