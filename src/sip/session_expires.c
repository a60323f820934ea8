/*
 * Numbers of seconds with parameters behind them. More than 32 bits are the
 * largest number and no error: RFC 3261 20.19 allows that for Expires, and
 * whoever asks for so long a time means "as long as you can". The digits stay
 * at hand as text for headers whose number is compared and not counted with.
 */
#include <offhook/session_expires.h>

#include "sip/lex.h"
#include "sip/value.h"

int oh_delta_decode(struct oh_span value, struct oh_delta *out, struct oh_fault *fault)
{
    struct oh_delta d;
    struct oh_span rest = value;
    int rc;

    oh__lex_lws(&rest);
    if (!oh__lex_run(&rest, OH__C_DIGIT, &d.text))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "not a number");
    rc = oh__value_params(rest, value.p, &d.params, fault);
    if (rc == OH_OK)
        rc = oh__seconds(d.text, &d.value);
    if (rc != OH_OK)
        return rc;
    *out = d;
    return OH_OK;
}

void oh_delta_put(struct oh_buf *out, const struct oh_delta *d)
{
    oh_buf_u64(out, d->value);
    oh__put_params(out, d->params);
}

int oh_session_expires_decode(struct oh_span value, struct oh_session_expires *out,
                              struct oh_fault *fault)
{
    struct oh_session_expires s = {.refresher = OH_REFRESHER_NONE};
    struct oh_delta d;
    struct oh_span who;
    int rc = oh_delta_decode(value, &d, fault);

    if (rc != OH_OK)
        return rc;
    s.seconds = d.value;
    /* Who refreshes must be beyond doubt: with both sides waiting for the other, the call would end
     * in the middle (RFC 4028 10). */
    if (oh_param_find(d.params, OH_LIT("refresher"), &who)) {
        if (oh_span_ieq(who, OH_LIT("uac")))
            s.refresher = OH_REFRESHER_UAC;
        else if (oh_span_ieq(who, OH_LIT("uas")))
            s.refresher = OH_REFRESHER_UAS;
        else
            return oh__fail(fault, OH_E_SYNTAX, (size_t)(d.params.p - value.p),
                            "a refresher that is neither uac nor uas");
    }
    *out = s;
    return OH_OK;
}

void oh_session_expires_put(struct oh_buf *out, const struct oh_session_expires *s)
{
    oh_buf_u64(out, s->seconds);
    if (s->refresher == OH_REFRESHER_UAC)
        oh_buf_lit(out, ";refresher=uac");
    else if (s->refresher == OH_REFRESHER_UAS)
        oh_buf_lit(out, ";refresher=uas");
}
