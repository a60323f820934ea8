/*
 * One decoder for the many headers whose grammar is a token and parameters.
 * That they are read by the same few lines is the point: an extension header
 * that a proxy has to look at (Supported, Require) must not be liberal in one
 * place and strict in another.
 */
#include <offhook/token.h>

#include "sip/lex.h"
#include "sip/value.h"

int oh_token_decode(struct oh_span value, struct oh_token *out, struct oh_fault *fault)
{
    struct oh_token t;
    struct oh_span rest = value;
    int rc;

    oh__lex_lws(&rest);
    if (!oh__lex_token(&rest, &t.token))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "no token");
    rc = oh__value_params(rest, value.p, &t.params, fault);
    if (rc != OH_OK)
        return rc;
    *out = t;
    return OH_OK;
}

int oh_token_q(const struct oh_token *t, uint16_t *q)
{
    return oh__params_q(t->params, q);
}

void oh_token_put(struct oh_buf *out, const struct oh_token *t)
{
    oh__put_line(out, t->token);
    oh__put_params(out, t->params);
}

int oh_refer_sub_decode(struct oh_span value, bool *out, struct oh_fault *fault)
{
    struct oh_token t;
    int rc = oh_token_decode(value, &t, fault);
    bool yes;

    if (rc != OH_OK)
        return rc;
    /* A third word is an error, not a no: "false" gives up the subscription (RFC 4488 4). */
    yes = oh_span_ieq(t.token, OH_LIT("true"));
    if (!yes && !oh_span_ieq(t.token, OH_LIT("false")))
        return oh__fail(fault, OH_E_SYNTAX, 0, "neither true nor false");
    *out = yes;
    return OH_OK;
}

void oh_refer_sub_put(struct oh_buf *out, bool subscribe)
{
    oh_buf_span(out, subscribe ? OH_LIT("true") : OH_LIT("false"));
}
