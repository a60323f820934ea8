#include <offhook/params.h>

#include "sip/lex.h"
#include "sip/params.h"

/* The part behind the name: nothing, or "=" and a token, host or quoted-string. */
static bool value_next(struct oh_span *rest, struct oh_param *out)
{
    struct oh_span s = *rest;

    out->value = oh_span(NULL, 0);
    out->quoted = false;
    if (!oh__at(s, '=')) {
        if (!oh__lex_sep(&s, '='))
            return true;
    } else {
        oh__skip(&s, 1);
        if (s.n && oh__is(*s.p, OH__C_LWS))
            oh__lex_lws(&s);
    }
    if (oh__at(s, '"')) {
        if (!oh__lex_quoted(&s, &out->value))
            return false;
        out->quoted = true;
    } else if (!oh__lex_run(&s, OH__C_VALUE, &out->value)) {
        return false;
    }
    *rest = s;
    return true;
}

int oh_param_next(struct oh_span *rest, struct oh_param *out)
{
    struct oh_span s = *rest;
    struct oh_param p;

    oh__lex_lws(&s);
    if (!s.n) {
        *rest = s;
        return OH_E_ABSENT;
    }
    if (!oh__lex_char(&s, ';'))
        return OH_E_SYNTAX;
    oh__lex_lws(&s);
    if (!oh__lex_token(&s, &p.name) || !value_next(&s, &p))
        return OH_E_SYNTAX;
    *rest = s;
    *out = p;
    return OH_OK;
}

bool oh_param_find(struct oh_span params, struct oh_span name, struct oh_span *value)
{
    struct oh_param p;

    while (oh_param_next(&params, &p) == OH_OK) {
        if (p.name.n != name.n || !oh_span_ieq(p.name, name))
            continue;
        if (value)
            *value = p.value;
        return true;
    }
    return false;
}

int oh__names_add(struct oh__names *seen, struct oh_span name)
{
    unsigned i;

    for (i = 0; i < seen->n; i++)
        if (seen->v[i].n == name.n && oh_span_ieq(seen->v[i], name))
            return OH_E_DUPLICATE;
    if (seen->n == OH__PARAMS_MAX)
        return OH_E_LIMIT;
    seen->v[seen->n++] = name;
    return OH_OK;
}

const char *oh__params_why(int code)
{
    switch (code) {
    case OH_E_DUPLICATE: return "a parameter that is there twice";
    case OH_E_LIMIT: return "more parameters than any element needs";
    default: return "a parameter that is not of the form ;name=value";
    }
}

int oh__params_scan(struct oh_span *rest, struct oh_span name, struct oh_span *value)
{
    struct oh__names seen;
    struct oh_param p;
    int rc;

    seen.n = 0;
    while ((rc = oh_param_next(rest, &p)) == OH_OK) {
        rc = oh__names_add(&seen, p.name);
        if (rc != OH_OK)
            return rc;
        if (p.name.n == name.n && oh_span_ieq(p.name, name))
            *value = p.value;
    }
    return rc == OH_E_ABSENT ? OH_OK : rc;
}

int oh_params_check(struct oh_span params)
{
    struct oh_span unused;

    return oh__params_scan(&params, oh_span(NULL, 0), &unused);
}

void oh_unquote(struct oh_span inside, struct oh_buf *out)
{
    size_t i, from = 0;

    for (i = 0; i < inside.n; i++) {
        if (inside.p[i] != '\\' || i + 1 == inside.n)
            continue;
        oh_buf_put(out, inside.p + from, i - from);
        from = ++i;
    }
    oh_buf_put(out, inside.p + from, inside.n - from);
}
