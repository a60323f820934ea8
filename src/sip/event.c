/*
 * Events name packages, and a subscription is found by its event, so equality
 * is the question here. It is asked byte by byte (RFC 6665 8.2.1), unlike
 * nearly everything else in SIP: "Presence" is another package than "presence",
 * and a NOTIFY for it belongs to no subscription of ours.
 */
#include <offhook/event.h>

#include "sip/lex.h"
#include "sip/value.h"

/* token-nodot *("." token-nodot): a token without empty labels. */
static bool is_event_type(struct oh_span s)
{
    char before = '.';

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' && before == '.')
            return false;
        before = s.p[i];
    }
    return before != '.';
}

int oh_event_decode(struct oh_span value, struct oh_event *out, struct oh_fault *fault)
{
    struct oh_event e = {.id = {NULL, 0}};
    struct oh_token t;
    int rc = oh_token_decode(value, &t, fault);

    if (rc != OH_OK)
        return rc;
    if (!is_event_type(t.token))
        return oh__fail(fault, OH_E_SYNTAX, 0, "an event type with an empty part");
    /* A quoted id would compare with its quotes in one program and without them in the next. */
    if (oh_param_find(t.params, OH_LIT("id"), &e.id) && !oh__is_token(e.id))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(t.params.p - value.p), "id is not a token");
    e.type = t.token;
    e.params = t.params;
    *out = e;
    return OH_OK;
}

bool oh_event_equal(const struct oh_event *a, const struct oh_event *b)
{
    return oh_span_eq(a->type, b->type) && !a->id.p == !b->id.p && oh_span_eq(a->id, b->id);
}

void oh_event_put(struct oh_buf *out, const struct oh_event *e)
{
    oh__put_line(out, e->type);
    if (e->params.n) {
        oh__put_params(out, e->params);
    } else if (e->id.n) {
        oh_buf_lit(out, ";id=");
        oh__put_line(out, e->id);
    }
}

static const char *const state_names[] = {
    [OH_SUB_OTHER] = "",
    [OH_SUB_ACTIVE] = "active",
    [OH_SUB_PENDING] = "pending",
    [OH_SUB_TERMINATED] = "terminated",
};

#define STATES (sizeof(state_names) / sizeof(state_names[0]))

static uint8_t state_of(struct oh_span s)
{
    for (size_t i = OH_SUB_ACTIVE; i < STATES; i++) {
        if (oh_span_ieq(s, oh_span_str(state_names[i])))
            return (uint8_t)i;
    }
    return OH_SUB_OTHER;
}

/* A parameter in seconds; *has tells whether it is there. */
static int seconds_param(struct oh_span params, struct oh_span name, bool *has, uint32_t *out)
{
    struct oh_span text;

    *has = oh_param_find(params, name, &text);
    return *has ? oh__seconds(text, out) : OH_OK;
}

int oh_subscription_state_decode(struct oh_span value, struct oh_subscription_state *out,
                                 struct oh_fault *fault)
{
    struct oh_subscription_state s = {.expires = 0};
    struct oh_token t;
    int rc = oh_token_decode(value, &t, fault);

    if (rc != OH_OK)
        return rc;
    /* States of extensions are kept as text, so that they can be passed on. */
    s.text = t.token;
    s.state = state_of(t.token);
    if (oh_param_find(t.params, OH_LIT("reason"), &s.reason) && !oh__is_token(s.reason))
        rc = OH_E_SYNTAX;
    if (rc == OH_OK)
        rc = seconds_param(t.params, OH_LIT("expires"), &s.has_expires, &s.expires);
    if (rc == OH_OK)
        rc = seconds_param(t.params, OH_LIT("retry-after"), &s.has_retry_after, &s.retry_after);
    if (rc != OH_OK)
        return oh__fail(fault, rc, (size_t)(t.params.p - value.p),
                        "reason, expires or retry-after has no proper value");
    *out = s;
    return OH_OK;
}

void oh_subscription_state_put(struct oh_buf *out, const struct oh_subscription_state *s)
{
    if (s->state != OH_SUB_OTHER && s->state < STATES)
        oh_buf_span(out, oh_span_str(state_names[s->state]));
    else
        oh__put_line(out, s->text);
    if (s->reason.n) {
        oh_buf_lit(out, ";reason=");
        oh__put_line(out, s->reason);
    }
    if (s->has_expires) {
        oh_buf_lit(out, ";expires=");
        oh_buf_u64(out, s->expires);
    }
    if (s->has_retry_after) {
        oh_buf_lit(out, ";retry-after=");
        oh_buf_u64(out, s->retry_after);
    }
}
