/*
 * Writing is where care is needed: a value may quote what a stranger sent, and
 * whoever could put a line end into a row of ours would write our next header.
 * So CR, LF and NUL never get out of here, in whatever they came in.
 */
#include "sip/value.h"

#include "sip/lex.h"
#include "sip/params.h"

int oh__value_params(struct oh_span rest, const char *base, struct oh_span *params,
                     struct oh_fault *fault)
{
    struct oh_span unused;
    size_t at;
    int rc;

    oh__lex_lws(&rest);
    if (rest.n) {
        rc = oh__params_scan(rest, rest.p + rest.n, oh_span(NULL, 0), &unused, &at);
        if (rc != OH_OK)
            return oh__fail(fault, rc, (size_t)(rest.p - base) + at, oh__params_why(rc));
    }
    *params = rest;
    return OH_OK;
}

/* An empty span is no token, and must not be written as one: ";tag=" would be a syntax error. */
bool oh__is_token(struct oh_span s)
{
    return s.n && oh__run(s, OH__C_TOKEN) == s.n;
}

int oh__qvalue(struct oh_span s, uint16_t *out)
{
    uint16_t q, unit = 100;

    /* By hand, because "1." and "0.123" are fine, and ".5", "1e0" and "0.1234" are not. */
    if (s.n == 0 || s.n > 5 || (*s.p != '0' && *s.p != '1'))
        return OH_E_SYNTAX;
    q = *s.p == '1' ? 1000 : 0;
    if (s.n > 1 && s.p[1] != '.')
        return OH_E_SYNTAX;
    for (size_t i = 2; i < s.n; i++, unit /= 10) {
        if (!oh__is(s.p[i], OH__C_DIGIT))
            return OH_E_SYNTAX;
        q = (uint16_t)(q + unit * (s.p[i] - '0'));
    }
    if (q > 1000)
        return OH_E_SYNTAX;
    *out = q;
    return OH_OK;
}

void oh__put_qvalue(struct oh_buf *out, unsigned q)
{
    oh_buf_char(out, q >= 1000 ? '1' : '0');
    if (q == 0 || q >= 1000)
        return;
    oh_buf_char(out, '.');
    for (unsigned place = 100; q; q %= place, place /= 10)
        oh_buf_char(out, (char)('0' + q / place));
}

int oh__params_q(struct oh_span params, uint16_t *q)
{
    struct oh_span value;

    if (oh_param_find(params, OH_LIT("q"), &value))
        return oh__qvalue(value, q);
    *q = 1000;
    return OH_OK;
}

int oh__seconds(struct oh_span s, uint32_t *out)
{
    uint64_t v;

    if (!oh__lex_number(&s, UINT32_MAX, &v) || s.n)
        return OH_E_SYNTAX;
    *out = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    return OH_OK;
}

/* NUL ends text in too many programs that read it after us. */
static bool ends_line(char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

void oh__put_line(struct oh_buf *out, struct oh_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!ends_line(s.p[i]))
            oh_buf_char(out, s.p[i]);
    }
}

void oh__put_inside(struct oh_buf *out, struct oh_span inside)
{
    oh_buf_char(out, '"');
    for (size_t i = 0; i < inside.n; i++) {
        char c = inside.p[i];

        if (ends_line(c))
            continue;
        if (c != '\\') {
            if (c == '"')
                oh_buf_char(out, '\\');
            oh_buf_char(out, c);
            continue;
        }
        /* An escape is two bytes; one that quotes nothing writable becomes a backslash. */
        oh_buf_char(out, '\\');
        if (i + 1 < inside.n && !ends_line(inside.p[i + 1]))
            oh_buf_char(out, inside.p[++i]);
        else
            oh_buf_char(out, '\\');
    }
    oh_buf_char(out, '"');
}

void oh__put_params(struct oh_buf *out, struct oh_span params)
{
    if (params.n && *params.p != ';')
        oh_buf_char(out, ';');
    oh__put_line(out, params);
}
