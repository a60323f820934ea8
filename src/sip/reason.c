/*
 * Reason goes through proxies in CANCEL and BYE, and tells a phone that stops
 * ringing whether the call was missed or answered elsewhere. Only protocol,
 * cause and text mean something to us; all other parameters are kept in their
 * list and written back as they came, because a gateway behind us may know them
 * (RFC 3326 2).
 */
#include <offhook/reason.h>

#include <offhook/token.h>

#include "sip/lex.h"
#include "sip/value.h"

int oh_reason_decode(struct oh_span value, struct oh_reason *out, struct oh_fault *fault)
{
    struct oh_reason r = {.cause = 0};
    struct oh_span cause;
    struct oh_token t;
    uint32_t number = 0;
    int rc = oh_token_decode(value, &t, fault);

    if (rc != OH_OK)
        return rc;
    r.protocol = t.token;
    r.params = t.params;
    /* A reason without a cause is allowed; one whose cause is no number would be misread. */
    r.has_cause = oh_param_find(t.params, OH_LIT("cause"), &cause);
    if (r.has_cause)
        rc = oh_span_u32(cause, UINT16_MAX, &number);
    if (rc != OH_OK)
        return oh__fail(fault, rc, (size_t)(t.params.p - value.p), "cause is not a number");
    r.cause = (uint16_t)number;
    (void)oh_param_find(t.params, OH_LIT("text"), &r.text);
    *out = r;
    return OH_OK;
}

void oh_reason_put(struct oh_buf *out, const struct oh_reason *r)
{
    oh__put_line(out, r->protocol);
    /* What was received is the whole truth; cause and text were found in it. */
    if (r->params.n) {
        oh__put_params(out, r->params);
        return;
    }
    if (r->has_cause) {
        oh_buf_lit(out, ";cause=");
        oh_buf_u64(out, r->cause);
    }
    if (r->text.p) {
        oh_buf_lit(out, ";text=");
        oh__put_inside(out, r->text);
    }
}
