/*
 * What a caller wishes for (RFC 3841): which kinds of phones to reach, and how
 * the request is to be treated on its way. Both are wishes: an unknown
 * directive is passed over, since a proxy that refused it would be worse than
 * one that ignores it. But a directive together with its opposite is an error
 * of the sender, and guessing which of the two it meant would be one of ours.
 */
#include <offhook/caller_prefs.h>

#include "sip/lex.h"
#include "sip/value.h"

#define REQUIRE  OH_LIT("require")
#define EXPLICIT OH_LIT("explicit")

int oh_contact_pref_decode(struct oh_span value, struct oh_contact_pref *out,
                           struct oh_fault *fault)
{
    struct oh_contact_pref p;
    struct oh_span rest = value;
    int rc;

    oh__lex_lws(&rest);
    if (!oh__lex_char(&rest, '*'))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "missing '*'");
    rc = oh__value_params(rest, value.p, &p.params, fault);
    if (rc != OH_OK)
        return rc;
    /* These two stand among the features but are none (RFC 3841 9.2). */
    p.require = oh_param_find(p.params, REQUIRE, NULL);
    p.explicit_match = oh_param_find(p.params, EXPLICIT, NULL);
    *out = p;
    return OH_OK;
}

int oh_feature_next(struct oh_span *params, struct oh_param *out)
{
    struct oh_param p;
    int rc;

    do {
        rc = oh_param_next(params, &p);
        if (rc != OH_OK)
            return rc;
    } while (oh_span_ieq(p.name, REQUIRE) || oh_span_ieq(p.name, EXPLICIT));
    *out = p;
    return OH_OK;
}

void oh_contact_pref_put(struct oh_buf *out, const struct oh_contact_pref *p)
{
    oh_buf_char(out, '*');
    oh__put_params(out, p->params);
    if (p->params.n)
        return;
    if (p->require)
        oh_buf_lit(out, ";require");
    if (p->explicit_match)
        oh_buf_lit(out, ";explicit");
}

static const struct {
    const char *text;
    unsigned bit;
} directives[] = {
#define ROW(name, bit, text) {(text), (bit)},
    OH_DIRECTIVES(ROW)
#undef ROW
};

#define DIRECTIVES (sizeof(directives) / sizeof(directives[0]))

static unsigned bit_of(struct oh_span token)
{
    for (size_t i = 0; i < DIRECTIVES; i++) {
        if (oh_span_ieq(token, oh_span_str(directives[i].text)))
            return directives[i].bit;
    }
    return 0;
}

/* Whether both bits of some pair are set: a directive has an even bit, its opposite the next one.
 */
static bool contradicts(unsigned set)
{
    return (set & set >> 1 & 0x555) != 0;
}

int oh_request_disposition_decode(struct oh_span value, unsigned *set, struct oh_fault *fault)
{
    struct oh_span rest = value, token;
    unsigned found = *set; /* of the rows before this one */

    oh__lex_lws(&rest);
    do {
        if (!oh__lex_token(&rest, &token))
            return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "no directive");
        found |= bit_of(token);
        if (contradicts(found))
            return oh__fail(fault, OH_E_DUPLICATE, (size_t)(token.p - value.p),
                            "a directive and its opposite");
    } while (oh__lex_sep(&rest, ','));
    oh__lex_lws(&rest);
    if (rest.n)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p),
                        "something behind a directive");
    *set = found;
    return OH_OK;
}

void oh_request_disposition_put(struct oh_buf *out, unsigned set)
{
    bool begun = false;

    for (size_t i = 0; i < DIRECTIVES; i++) {
        if (!(set & directives[i].bit))
            continue;
        if (begun)
            oh_buf_lit(out, ", ");
        oh_buf_span(out, oh_span_str(directives[i].text));
        begun = true;
    }
}
