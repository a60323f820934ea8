/*
 * Via is read for every message and decides where every response goes, so it is
 * decoded in one pass into the few fields that are asked for. White space is
 * allowed in places where nobody writes it ("SIP / 2.0 / UDP first : 4000");
 * the usual spelling is recognised by eight bytes.
 */
#include <offhook/via.h>

#include "sip/host.h"
#include "sip/params.h"
#include "sip/via.h"
#include "sip/wide.h"

/* A value being read: where it ends, and up to where bytes may be read at all. */
struct reader {
    const char *end, *limit;
    struct oh_via *v;
    int code;        /* of what is wrong */
    const char *why; /* what is wrong; NULL = nothing so far */
};

/* Says what is wrong, and stays there. */
static const char *refuse(struct reader *r, const char *p, const char *why)
{
    r->code = OH_E_SYNTAX;
    r->why = why;
    return p;
}

/* Moves over "SIP/2.0/UDP" in any spacing and up to the host (RFC 3261 25.1, sent-protocol). */
static const char *protocol_skip(struct reader *r, const char *p)
{
    struct oh_span rest = oh_span(p, (size_t)(r->end - p)), name;
    const char *start;

    if (rest.n > 8 && memcmp(p, "SIP/2.0/", 8) == 0 && oh__is(p[8], OH__C_TOKEN))
        oh__skip(&rest, 8);
    else if (!oh__lex_token(&rest, &name) || !oh__lex_sep(&rest, '/') ||
             !oh__lex_token(&rest, &name) || !oh__lex_sep(&rest, '/'))
        return refuse(r, rest.p, "no protocol such as SIP/2.0/UDP");
    start = rest.p;
    p = oh__skip_run(start, r->end, OH__C_TOKEN);
    if (p == start)
        return refuse(r, p, "no transport");
    r->v->transport_text = oh_span(start, (size_t)(p - start));
    r->v->transport = oh_transport_of(r->v->transport_text);
    if (p == r->end || !oh__is(*p, OH__C_LWS))
        return refuse(r, p, "no blank between transport and host");
    return oh__skip_lws(p + (*p == ' '), r->end);
}

/* Moves over the sent-by: host and, with blanks allowed round the colon, port. */
static const char *sent_by_skip(struct reader *r, const char *p)
{
    const char *why = NULL, *host = p, *colon;

    p = oh__host_skip(host, r->end, r->limit, &r->v->addr, &why);
    if (!p)
        return refuse(r, host, why);
    r->v->host = oh_span(host, (size_t)(p - host));
    colon = oh__skip_lws(p, r->end);
    if (colon < r->end && *colon == ':') {
        p = oh__port_skip(oh__skip_lws(colon + 1, r->end), r->end, &r->v->port, &why);
        if (why)
            return refuse(r, p, why);
    }
    return oh__skip_lws(p, r->end);
}

/* rport with or without a value (RFC 3581 3). */
static const char *rport_set(struct oh_via *v, const struct oh_param *p)
{
    const char *why = NULL, *end;

    /* A bare "rport" asks for the port; one with a value has been answered (RFC 3581 4). */
    v->has_rport = true;
    v->rport_at = (uint32_t)(p->name.p + p->name.n - v->text.p);
    if (!p->value.p)
        return NULL;
    end = p->value.p + p->value.n;
    if (p->quoted || oh__port_skip(p->value.p, end, &v->rport, &why) != end || why)
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

/* Moves over all parameters, up to the end or, with `first`, a comma. */
static const char *params_skip(struct reader *r, const char *p, bool first)
{
    struct oh__names seen;
    struct oh_param param;
    int rc;

    seen.n = 0;
    while ((rc = oh__param_next(&p, r->end, r->limit, &param)) != OH_E_ABSENT) {
        if (rc != OH_OK && first && *p == ',')
            break;
        if (rc == OH_OK)
            rc = oh__names_add(&seen, param.name);
        r->why = rc == OH_OK ? param_set(r->v, &param) : oh__params_why(rc);
        if (r->why) {
            r->code = rc == OH_OK ? OH_E_SYNTAX : rc;
            break;
        }
    }
    return p;
}

/* Ends the value in front of the comma at p and what is white before it. */
static void cut(struct oh_via *v, const char *p)
{
    while (oh__is(p[-1], OH__C_LWS))
        p--;
    v->text.n = (size_t)(p - v->text.p);
    if (v->params.p > p)
        v->params.p = p;
    v->params.n = (size_t)(p - v->params.p);
}

int oh__via_decode(struct oh_span text, const char *limit, bool first, struct oh_via *v,
                   struct oh_fault *fault)
{
    struct reader r = {text.p + text.n, limit, v, OH_OK, NULL};
    const char *p;

    via_clear(v, text);
    p = protocol_skip(&r, oh__skip_lws(text.p, r.end));
    if (!r.why)
        p = sent_by_skip(&r, p);
    if (!r.why) {
        v->params = oh_span(p, (size_t)(r.end - p));
        p = params_skip(&r, p, first);
    }
    if (r.why)
        return oh__fail(fault, r.code, (size_t)(p - text.p), r.why);
    if (p < r.end)
        cut(v, p);
    v->cookie = v->branch.n > 7 && oh__same_letters(v->branch.p, "z9hg4bk", 7);
    return OH_OK;
}

int oh_via_decode(struct oh_span text, struct oh_via *out, struct oh_fault *fault)
{
    struct oh_via v;
    int rc;

    /* NULL has no end to compare with. */
    if (!text.p)
        text = OH_LIT("");
    rc = oh__via_decode(text, text.p + text.n, false, &v, fault);

    if (rc == OH_OK)
        *out = v;
    return rc;
}
