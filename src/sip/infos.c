/*
 * Alert-Info, Call-Info and Error-Info point to something that a phone may
 * fetch or play. The URI is any URI, mostly no SIP one, so only its bytes and
 * its scheme are checked; whether it is wise to follow it is for the phone to
 * decide, which is why a relative one (it would be relative to nothing) and one
 * with a blank or a quote are refused here already.
 */
#include <offhook/infos.h>

#include "sip/lex.h"
#include "sip/value.h"

/* scheme ":" and something behind it, all of bytes that may stand in a URI. */
static bool is_absolute(struct oh_span uri)
{
    struct oh_span rest = uri;

    if (!rest.n || !oh__is(*rest.p, OH__C_ALPHA))
        return false;
    oh__skip(&rest, oh__run(rest, OH__C_SCHEME));
    return oh__lex_char(&rest, ':') && rest.n && oh__run(rest, OH__C_URI) == rest.n;
}

int oh_info_decode(struct oh_span value, struct oh_info *out, struct oh_fault *fault)
{
    struct oh_info i;
    struct oh_span rest = value;
    ptrdiff_t end;
    int rc;

    oh__lex_lws(&rest);
    if (!oh__lex_char(&rest, '<'))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "missing '<'");
    end = oh_span_find(rest, '>');
    if (end < 0)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "missing '>'");
    i.uri = oh_span_head(rest, (size_t)end);
    if (!is_absolute(i.uri))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "not an absolute URI");
    oh__skip(&rest, (size_t)end + 1);
    rc = oh__value_params(rest, value.p, &i.params, fault);
    if (rc != OH_OK)
        return rc;
    *out = i;
    return OH_OK;
}

void oh_info_put(struct oh_buf *out, const struct oh_info *i)
{
    oh_buf_char(out, '<');
    oh__put_line(out, i->uri);
    oh_buf_char(out, '>');
    oh__put_params(out, i->params);
}
