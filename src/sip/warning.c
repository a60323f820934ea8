/*
 * A Warning is for logs and people, who want its text whole and in one line; so
 * the quoted text keeps its escapes as they came, and is written back through
 * the function that lets no line end out.
 */
#include <offhook/warning.h>

#include "sip/lex.h"
#include "sip/value.h"

int oh_warning_decode(struct oh_span value, struct oh_warning *out, struct oh_fault *fault)
{
    struct oh_warning w;
    struct oh_span rest = value;
    uint64_t code;
    size_t digits;

    oh__lex_lws(&rest);
    digits = oh__run(rest, OH__C_DIGIT);
    /* Exactly three: "3700" is not the code 370 with a rest. */
    if (digits != 3 || !oh__lex_number(&rest, 999, &code) || code < 100)
        return oh__fail(fault, OH_E_SYNTAX, 0, "a warning code that is not three digits");
    w.code = (uint16_t)code;
    /* White space must follow, a fold among it: without it the agent would begin with the code. */
    if (!oh__at(rest, ' ') && !oh__at(rest, '\t') && !oh__at(rest, '\r'))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "no warning agent");
    oh__lex_lws(&rest);
    /* hostport or a token: neither is looked up by anybody, so its bytes are checked and no more.
     */
    if (!oh__lex_run(&rest, OH__C_VALUE, &w.agent))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "no warning agent");
    oh__lex_lws(&rest);
    if (!oh__lex_quoted(&rest, &w.text))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p),
                        "a warning text that is not quoted");
    oh__lex_lws(&rest);
    if (rest.n)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p),
                        "something behind the warning text");
    *out = w;
    return OH_OK;
}

void oh_warning_put(struct oh_buf *out, const struct oh_warning *w)
{
    oh_buf_u64(out, w->code);
    oh_buf_char(out, ' ');
    oh__put_line(out, w->agent);
    oh_buf_char(out, ' ');
    oh__put_inside(out, w->text);
}
