/*
 * Via is read for every message and decides where every response goes, so it is
 * decoded in one pass into the few fields that are asked for. White space is
 * allowed in places where nobody writes it ("SIP / 2.0 / UDP first : 4000");
 * the usual spelling is recognised by eight bytes.
 */
#include <offhook/via.h>

#include "sip/lex.h"
#include "sip/params.h"
#include "sip/via.h"

/* Takes "SIP/2.0/" in any spacing and up to the host (RFC 3261 25.1, sent-protocol). */
static const char *protocol_next(struct oh_span *rest, struct oh_via *v)
{
    struct oh_span name;

    if (rest->n > 8 && memcmp(rest->p, "SIP/2.0/", 8) == 0 && oh__is(rest->p[8], OH__C_TOKEN))
        oh__skip(rest, 8);
    else if (!oh__lex_token(rest, &name) || !oh__lex_sep(rest, '/') ||
             !oh__lex_token(rest, &name) || !oh__lex_sep(rest, '/'))
        return "no protocol such as SIP/2.0/UDP";
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

    /* A bare "rport" asks for the port; one with a value has been answered (RFC 3581 4). */
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

    /* By length first: one comparison for a known name, none for most others. */
    switch (p->name.n) {
    case 5:
        if (oh__is_name(p->name, "rport"))
            return rport_set(v, p);
        slot = oh__is_name(p->name, "maddr") ? &v->maddr : NULL;
        break;
    case 6: slot = oh__is_name(p->name, "branch") ? &v->branch : NULL; break;
    case 8: slot = oh__is_name(p->name, "received") ? &v->received : NULL; break;
    default: break;
    }
    if (!slot)
        return NULL;
    /* These are tokens or hosts; quoted or empty they could match anything. */
    if (!p->value.n || p->quoted)
        return "a branch, received or maddr without a value";
    *slot = p->value;
    return NULL;
}

/* Empties every field; one by one, which is the fastest way for this size. */
static void via_clear(struct oh_via *v, struct oh_span text)
{
    const struct oh_span none = {NULL, 0};

    v->text = text;
    v->transport_text = none;
    v->transport = OH_TRANSPORT_OTHER;
    v->host = none;
    v->port = 0;
    v->params = none;
    v->branch = none;
    v->received = none;
    v->maddr = none;
    v->has_rport = false;
    v->rport = 0;
    v->rport_at = 0;
    v->cookie = false;
    v->addr = (struct oh_addr){0};
}

/* Takes all parameters. *code is set when a reason is returned. */
static const char *params_next(struct oh_span *rest, struct oh_via *v, int *code)
{
    const char *at = rest->p, *end = at + rest->n, *why = NULL;
    struct oh__names seen;
    struct oh_param p;
    int rc;

    seen.n = 0;
    while (!why && (rc = oh__param_next(&at, end, &p)) != OH_E_ABSENT) {
        if (rc == OH_OK)
            rc = oh__names_add(&seen, p.name);
        why = rc == OH_OK ? param_set(v, &p) : oh__params_why(rc);
        *code = rc == OH_OK ? OH_E_SYNTAX : rc;
    }
    oh__skip(rest, (size_t)(at - rest->p));
    return why;
}

int oh__via_decode(struct oh_span text, struct oh_via *v, struct oh_fault *fault)
{
    struct oh_span rest = text;
    const char *why;
    int code = OH_E_SYNTAX;

    via_clear(v, text);
    oh__lex_lws(&rest);
    why = protocol_next(&rest, v);
    if (!why)
        why = sent_by_next(&rest, v);
    if (!why) {
        v->params = rest;
        why = params_next(&rest, v, &code);
    }
    if (why)
        return oh__fail(fault, code, (size_t)(rest.p - text.p), why);
    v->cookie = v->branch.n > 7 && oh__same_letters(v->branch.p, "z9hg4bk", 7);
    return OH_OK;
}

int oh_via_decode(struct oh_span text, struct oh_via *out, struct oh_fault *fault)
{
    struct oh_via v;
    int rc = oh__via_decode(text, &v, fault);

    if (rc == OH_OK)
        *out = v;
    return rc;
}
