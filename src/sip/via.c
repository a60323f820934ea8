#include <offhook/via.h>

#include "sip/lex.h"
#include "sip/params.h"

/* Takes "SIP/2.0/" in any spacing and up to the transport (RFC 3261 25.1, sent-protocol). */
static const char *protocol_next(struct oh_span *rest, struct oh_via *v)
{
    struct oh_span name;

    if (rest->n > 8 && memcmp(rest->p, "SIP/2.0/", 8) == 0 && oh__is(rest->p[8], OH__C_TOKEN)) {
        oh__skip(rest, 8);
    } else if (!oh__lex_token(rest, &name) || !oh__lex_sep(rest, '/') ||
               !oh__lex_token(rest, &name) || !oh__lex_sep(rest, '/')) {
        return "no protocol such as SIP/2.0/UDP";
    }
    if (!oh__lex_token(rest, &v->transport_text))
        return "no transport";
    v->transport = oh_transport_of(v->transport_text);
    if (!rest->n || !oh__is(*rest->p, OH__C_LWS))
        return "no blank between transport and host";
    oh__lex_lws(rest);
    return NULL;
}

/* Takes the sent-by: host and, with blanks allowed round the colon, port. */
static const char *sent_by_next(struct oh_span *rest, struct oh_via *v)
{
    const char *why;

    if (!oh__lex_host(rest, &v->host, &v->addr, &why))
        return why;
    if (oh__lex_sep(rest, ':') && !oh__lex_port(rest, &v->port, &why))
        return why;
    oh__lex_lws(rest);
    return NULL;
}

/* rport with or without a value (RFC 3581 3). */
static const char *rport_set(struct oh_via *v, const struct oh_param *p)
{
    struct oh_span digits = p->value;
    const char *why = "an rport that is not 1 to 65535";

    v->has_rport = true;
    v->rport_at = (uint32_t)(p->name.p + p->name.n - v->text.p);
    if (p->value.p && (p->quoted || !oh__lex_port(&digits, &v->rport, &why) || digits.n))
        return "an rport that is not 1 to 65535";
    return NULL;
}

/* Keeps the parameters that are asked for all the time. */
static const char *param_set(struct oh_via *v, const struct oh_param *p)
{
    struct oh_span *slot = NULL;

    switch (p->name.n) {
    case 5:
        if (oh_span_ieq(p->name, OH_LIT("rport")))
            return rport_set(v, p);
        slot = oh_span_ieq(p->name, OH_LIT("maddr")) ? &v->maddr : NULL;
        break;
    case 6: slot = oh_span_ieq(p->name, OH_LIT("branch")) ? &v->branch : NULL; break;
    case 8: slot = oh_span_ieq(p->name, OH_LIT("received")) ? &v->received : NULL; break;
    default: break;
    }
    if (!slot)
        return NULL;
    if (!p->value.n || p->quoted)
        return "a branch, received or maddr without a value";
    *slot = p->value;
    return NULL;
}

int oh_via_decode(struct oh_span text, struct oh_via *out, struct oh_fault *fault)
{
    static const char cookie[] = "z9hG4bK";
    struct oh_span rest = text;
    struct oh__names seen;
    struct oh_via v = {.text = text};
    struct oh_param p;
    const char *why;
    int rc;

    oh__lex_lws(&rest);
    why = protocol_next(&rest, &v);
    if (!why)
        why = sent_by_next(&rest, &v);
    if (why)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - text.p), why);
    v.params = rest;
    seen.n = 0;
    while ((rc = oh_param_next(&rest, &p)) == OH_OK) {
        rc = oh__names_add(&seen, p.name);
        why = rc == OH_OK ? param_set(&v, &p) : oh__params_why(rc);
        if (why)
            return oh__fail(fault, rc == OH_OK ? OH_E_SYNTAX : rc, (size_t)(p.name.p - text.p),
                            why);
    }
    if (rc != OH_E_ABSENT)
        return oh__fail(fault, rc, (size_t)(rest.p - text.p), oh__params_why(rc));
    v.cookie = v.branch.n > sizeof(cookie) - 1 &&
               oh_span_ieq(oh_span_head(v.branch, sizeof(cookie) - 1), OH_LIT("z9hG4bK"));
    *out = v;
    return OH_OK;
}
