/* What the decoders of this layer share about ";name=value" lists. */
#ifndef OH_SIP_PARAMS_H
#define OH_SIP_PARAMS_H

#include <offhook/params.h>

#include "sip/wide.h"

/*
 * No value needs more parameters. Without the bound, finding a repeated name
 * would cost a hostile message's length squared.
 */
#define OH__PARAMS_MAX 64

/* The names seen so far; start with n = 0. */
struct oh__names {
    unsigned n;
    struct oh_span v[OH__PARAMS_MAX];
};

/* Adds a name. OH_OK, OH_E_DUPLICATE when it is there already (without case), OH_E_LIMIT. */
static inline int oh__names_add(struct oh__names *seen, struct oh_span name)
{
    unsigned i;

    /* Two readers of a repeated parameter may each take another one, so it is refused. */
    for (i = 0; i < seen->n; i++)
        if (seen->v[i].n == name.n && oh_span_ieq(seen->v[i], name))
            return OH_E_DUPLICATE;
    if (seen->n == OH__PARAMS_MAX)
        return OH_E_LIMIT;
    seen->v[seen->n++] = name;
    return OH_OK;
}

/*
 * oh_param_next on pointers (not NULL): *at is behind white space on return, except on an error,
 * when it stays where the parameter begins. Bytes up to limit may be read, see wide.h. Inline, so
 * that in a decoder's loop nothing goes through memory.
 */
static inline int oh__param_next(const char **at, const char *end, const char *limit,
                                 struct oh_param *out)
{
    const char *p = oh__skip_lws(*at, end), *name, *value = NULL, *value_end = NULL;
    bool quoted = false;

    if (p == end) {
        *at = p;
        return OH_E_ABSENT;
    }
    if (*p != ';')
        return OH_E_SYNTAX;
    name = oh__skip_lws(p + 1, end);
    p = oh__skip_wide(name, end, limit, OH__C_TOKEN);
    if (p == name)
        return OH_E_SYNTAX;
    out->name = oh_span(name, (size_t)(p - name));
    p = oh__skip_lws(p, end);
    if (p < end && *p == '=') {
        value = oh__skip_lws(p + 1, end);
        quoted = value < end && *value == '"';
        p = quoted ? oh__skip_quoted(value, end) : oh__skip_wide(value, end, limit, OH__C_VALUE);
        if (!p || p == value)
            return OH_E_SYNTAX;
        value_end = p;
        p = oh__skip_lws(p, end);
    }
    out->value = oh_span(NULL, 0);
    if (value)
        out->value = oh_span(value + quoted, (size_t)(value_end - value) - 2 * quoted);
    out->quoted = quoted;
    *at = p;
    return OH_OK;
}

/*
 * Walks a whole list (not NULL) and checks it like oh_params_check; *value gets the value of `name`
 * when it is there and stays otherwise. On an error *at is the offset of what is wrong.
 */
int oh__params_scan(struct oh_span params, const char *limit, struct oh_span name,
                    struct oh_span *value, size_t *at);

/* A phrase for people about an error of the functions above. */
const char *oh__params_why(int code);

#endif
