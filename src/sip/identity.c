/*
 * Identity looks like a token with parameters, but its "info" has a URI in <>
 * for a value, which no other parameter of SIP has; so it is walked here.
 */
#include <offhook/identity.h>

#include "sip/lex.h"
#include "sip/params.h"
#include "sip/value.h"

/* base64-char / "." (RFC 8224 4), and the two of base64url, which PASSporTs are made of. */
static bool is_digest(char c)
{
    return oh__is(c, OH__C_ALPHA | OH__C_DIGIT) || (c && strchr("+/=.-_", c));
}

/* Takes "<" URI ">". */
static bool info_next(struct oh_span *rest, struct oh_span *uri)
{
    struct oh_span s = *rest;

    if (!oh__lex_char(&s, '<') || !oh__lex_run(&s, OH__C_URI, uri) || !oh__lex_char(&s, '>'))
        return false;
    *rest = s;
    return true;
}

/* Takes the value behind "=", of a form that the parameter's name decides. */
static bool value_next(struct oh_span *rest, struct oh_span name, struct oh_identity *i)
{
    struct oh_span value;

    if (oh_span_ieq(name, OH_LIT("info")))
        return info_next(rest, &i->info);
    if (!oh__lex_quoted(rest, &value) && !oh__lex_run(rest, OH__C_VALUE, &value))
        return false;
    if (oh_span_ieq(name, OH_LIT("alg")))
        i->alg = value;
    else if (oh_span_ieq(name, OH_LIT("ppt")))
        i->ppt = value;
    return true;
}

/* Takes ";name" or ";name=value". */
static int param_next(struct oh_span *rest, struct oh__names *seen, struct oh_identity *i)
{
    struct oh_span name;
    int rc;

    if (!oh__lex_sep(rest, ';') || !oh__lex_token(rest, &name))
        return OH_E_SYNTAX;
    rc = oh__names_add(seen, name);
    if (rc == OH_OK && oh__lex_sep(rest, '=') && !value_next(rest, name, i))
        rc = OH_E_SYNTAX;
    oh__lex_lws(rest);
    return rc;
}

int oh_identity_decode(struct oh_span value, struct oh_identity *out, struct oh_fault *fault)
{
    struct oh_identity i = {.digest = {NULL, 0}};
    struct oh__names seen;
    struct oh_span rest = value;

    oh__lex_lws(&rest);
    /* The older Identity signed other things, so it must not be taken for a broken new one. */
    if (oh__at(rest, '"'))
        return oh__fail(fault, OH_E_UNSUPPORTED, 0, "a quoted digest as in RFC 4474");
    while (i.digest.n < rest.n && is_digest(rest.p[i.digest.n]))
        i.digest.n++;
    i.digest.p = rest.p;
    oh__skip(&rest, i.digest.n);
    oh__lex_lws(&rest);
    if (i.digest.n == 0)
        return oh__fail(fault, OH_E_SYNTAX, 0, "no digest");
    seen.n = 0;
    while (rest.n) {
        const char *at = rest.p;
        int rc = param_next(&rest, &seen, &i);

        if (rc != OH_OK)
            return oh__fail(fault, rc, (size_t)(at - value.p), oh__params_why(rc));
    }
    /* Nobody can verify a signature without knowing whose (RFC 8224 4). */
    if (!i.info.n)
        return oh__fail(fault, OH_E_ABSENT, 0, "an identity without info");
    *out = i;
    return OH_OK;
}

void oh_identity_put(struct oh_buf *out, const struct oh_identity *i)
{
    oh__put_line(out, i->digest);
    oh_buf_lit(out, ";info=<");
    oh__put_line(out, i->info);
    oh_buf_char(out, '>');
    if (i->alg.n) {
        oh_buf_lit(out, ";alg=");
        if (oh__is_token(i->alg))
            oh_buf_span(out, i->alg);
        else
            oh__put_inside(out, i->alg);
    }
    if (i->ppt.n) {
        oh_buf_lit(out, ";ppt=");
        oh__put_inside(out, i->ppt);
    }
}
