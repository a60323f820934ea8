#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/trace.h"

static void keep(void *ctx, const struct oh__trace_event *ev)
{
    *(struct oh__trace_event *)ctx = *ev;
}

static void sink_sees_the_event(void **state)
{
    struct oh__trace_event got = {0};
    struct oh__trace trace = {.ctx = &got, .kinds = ~0u, .sink = keep};
    struct oh__trace_event ev = {
        .now = 5, .kind = OH__TRACE_DECISION, .name = "request.refused", .code = 403};
    (void)state;

    oh__trace_emit(&trace, &ev);
    assert_true(got.now == 5);
    assert_int_equal(got.kind, OH__TRACE_DECISION);
    assert_string_equal(got.name, "request.refused");
    assert_int_equal(got.code, 403);
}

static void nobody_listens(void **state)
{
    struct oh__trace_event got = {.code = 1}, ev = {.code = 2};
    struct oh__trace trace = {.ctx = &got};
    (void)state;

    oh__trace_emit(NULL, &ev);
    oh__trace_emit(&trace, &ev);
    assert_int_equal(got.code, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sink_sees_the_event),
        cmocka_unit_test(nobody_listens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
