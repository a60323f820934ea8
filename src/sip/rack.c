/*
 * RAck is three words that must be compared exactly with what a response had:
 * its RSeq and the number and method of its CSeq (RFC 3262 7.2). A PRACK that
 * is matched to the wrong response would stop the retransmission of one that
 * the caller has never seen.
 */
#include <offhook/rack.h>

#include "sip/lex.h"
#include "sip/value.h"

/* A number and the white space that must follow. */
static int number_next(struct oh_span *rest, uint32_t *out)
{
    uint64_t v;
    size_t before;

    if (!oh__lex_number(rest, UINT32_MAX, &v))
        return OH_E_SYNTAX;
    before = rest->n;
    oh__lex_lws(rest);
    if (rest->n == before)
        return OH_E_SYNTAX;
    /* Here a large number is not rounded down: it would name another response. */
    if (v > UINT32_MAX)
        return OH_E_RANGE;
    *out = (uint32_t)v;
    return OH_OK;
}

int oh_rack_decode(struct oh_span value, struct oh_rack *out, struct oh_fault *fault)
{
    struct oh_rack r;
    struct oh_span rest = value;
    int rc;

    oh__lex_lws(&rest);
    rc = number_next(&rest, &r.rseq);
    if (rc == OH_OK)
        rc = number_next(&rest, &r.cseq);
    if (rc != OH_OK)
        return oh__fail(fault, rc, (size_t)(rest.p - value.p), "not two numbers and a method");
    if (!oh__lex_token(&rest, &r.method_text))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "no method");
    oh__lex_lws(&rest);
    if (rest.n)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p),
                        "something behind the method");
    r.method = (uint8_t)oh_method_of(r.method_text);
    *out = r;
    return OH_OK;
}

void oh_rack_put(struct oh_buf *out, const struct oh_rack *r)
{
    oh_buf_u64(out, r->rseq);
    oh_buf_char(out, ' ');
    oh_buf_u64(out, r->cseq);
    oh_buf_char(out, ' ');
    oh__put_line(out, r->method_text.n ? r->method_text : oh_method_text(r->method));
}
