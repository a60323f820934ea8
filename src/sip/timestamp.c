/*
 * The client's number is returned as the text that it sent: it compares it with
 * its own clock in its own unit, and a number that went through our arithmetic
 * might come back with one digit less. Our own delay is counted in microseconds
 * and never in floating point, whose rounding differs between machines.
 */
#include <offhook/timestamp.h>

#include "sip/lex.h"

#define SECOND 1000000u

/* The fraction's first six digits as microseconds. */
static uint64_t fraction(struct oh_span digits)
{
    uint64_t us = 0, unit = SECOND / 10;

    for (size_t i = 0; i < digits.n && unit; i++, unit /= 10)
        us += unit * (uint64_t)(digits.p[i] - '0');
    return us;
}

/* Takes *DIGIT [ "." *DIGIT ]; at least one of both must be there. */
static bool decimal_next(struct oh_span *rest, uint64_t *us)
{
    const uint64_t max = (UINT64_MAX - SECOND) / SECOND;
    struct oh_span s = *rest, digits = {NULL, 0};
    uint64_t whole = 0;
    bool any = oh__lex_number(&s, max, &whole); /* too large gives max + 1 */

    if (oh__lex_char(&s, '.'))
        any = oh__lex_run(&s, OH__C_DIGIT, &digits) || any;
    if (!any)
        return false;
    *us = whole > max ? UINT64_MAX : whole * SECOND + fraction(digits);
    *rest = s;
    return true;
}

int oh_timestamp_decode(struct oh_span value, struct oh_timestamp *out, struct oh_fault *fault)
{
    struct oh_timestamp t = {.delay_us = 0};
    struct oh_span rest = value;
    size_t before;

    oh__lex_lws(&rest);
    t.text = rest;
    if (!rest.n || !oh__is(*rest.p, OH__C_DIGIT) || !decimal_next(&rest, &t.us))
        return oh__fail(fault, OH_E_SYNTAX, 0, "a timestamp that is not a decimal number");
    t.text.n -= rest.n;
    before = rest.n;
    oh__lex_lws(&rest);
    t.has_delay = rest.n > 0;
    if (t.has_delay && (rest.n == before || !decimal_next(&rest, &t.delay_us) || rest.n))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p),
                        "a delay that is not a decimal number");
    *out = t;
    return OH_OK;
}

/* Seconds with as many of six decimals as say something. */
static void put_seconds(struct oh_buf *out, uint64_t us)
{
    uint64_t left = us % SECOND, unit = SECOND / 10;

    oh_buf_u64(out, us / SECOND);
    if (left)
        oh_buf_char(out, '.');
    for (; left; unit /= 10) {
        oh_buf_char(out, (char)('0' + left / unit));
        left %= unit;
    }
}

void oh_timestamp_put(struct oh_buf *out, const struct oh_timestamp *t)
{
    if (t->text.n)
        oh_buf_span(out, t->text);
    else
        put_seconds(out, t->us);
    if (t->has_delay) {
        oh_buf_char(out, ' ');
        put_seconds(out, t->delay_us);
    }
}
