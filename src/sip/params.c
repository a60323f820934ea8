/*
 * Parameters are looked up by walking the text. Values have few of them, a table
 * would have to live somewhere, and a walk costs less than filling one. Where the
 * form matters for safety (no name twice), the walk also checks, within a bound.
 */
#include <offhook/params.h>

#include "sip/params.h"

int oh_param_next(struct oh_span *rest, struct oh_param *out)
{
    const char *at = rest->p;
    int rc;

    if (!rest->n)
        return OH_E_ABSENT;
    rc = oh__param_next(&at, rest->p + rest->n, rest->p + rest->n, out);
    oh__skip(rest, (size_t)(at - rest->p));
    return rc;
}

bool oh_param_find(struct oh_span params, struct oh_span name, struct oh_span *value)
{
    struct oh_param p;

    /* The first one counts; that there is no second was checked when the value was decoded. */
    while (oh_param_next(&params, &p) == OH_OK) {
        if (p.name.n != name.n || !oh_span_ieq(p.name, name))
            continue;
        if (value)
            *value = p.value;
        return true;
    }
    return false;
}

const char *oh__params_why(int code)
{
    switch (code) {
    case OH_E_DUPLICATE: return "a parameter that is there twice";
    case OH_E_LIMIT: return "more parameters than any element needs";
    default: return "a parameter that is not of the form ;name=value";
    }
}

int oh__params_scan(struct oh_span params, const char *limit, struct oh_span name,
                    struct oh_span *value, size_t *at)
{
    const char *p = params.p, *end = p + params.n;
    struct oh__names seen;
    struct oh_param param;
    int rc;

    seen.n = 0;
    while ((rc = oh__param_next(&p, end, limit, &param)) == OH_OK) {
        rc = oh__names_add(&seen, param.name);
        if (rc != OH_OK)
            break;
        if (param.name.n == name.n && oh_span_ieq(param.name, name))
            *value = param.value;
    }
    /* Behind the last good parameter, so that a fault points to the first bad one. */
    *at = (size_t)(p - params.p);
    return rc == OH_E_ABSENT ? OH_OK : rc;
}

int oh_params_check(struct oh_span params)
{
    struct oh_span unused;
    size_t at;

    return params.n ? oh__params_scan(params, params.p + params.n, oh_span(NULL, 0), &unused, &at)
                    : OH_OK;
}

void oh_unquote(struct oh_span inside, struct oh_buf *out)
{
    size_t i, from = 0;

    for (i = 0; i < inside.n; i++) {
        /* A "\\" at the very end escapes nothing and stays. */
        if (inside.p[i] != '\\' || i + 1 == inside.n)
            continue;
        oh_buf_put(out, inside.p + from, i - from);
        from = ++i;
    }
    if (from < inside.n)
        oh_buf_put(out, inside.p + from, inside.n - from);
}
