/*
 * Three headers name a dialog by Call-ID and two tags. Whoever can name a dialog
 * can take a call over, so nothing is guessed: both tags, each once, each a
 * token. What differs is only how the tags are called and from whose side they
 * are seen, so one function reads all three and the callers give the names.
 */
#include <offhook/replaces.h>

#include "sip/lex.h"
#include "sip/value.h"

/* Takes word [ "@" word ]. */
static bool call_id_next(struct oh_span *rest, struct oh_span *out)
{
    struct oh_span s = *rest, part;

    if (!oh__lex_word(&s, &part) || (oh__lex_char(&s, '@') && !oh__lex_word(&s, &part)))
        return false;
    /* Both words and the "@" as one text: a Call-ID is compared byte by byte (RFC 3261 20.8). */
    *out = oh_span_head(*rest, rest->n - s.n);
    *rest = s;
    return true;
}

int oh_call_id_decode(struct oh_span value, struct oh_span *out, struct oh_fault *fault)
{
    struct oh_span rest = value, id;

    if (!call_id_next(&rest, &id) || rest.n)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "not a Call-ID");
    *out = id;
    return OH_OK;
}

/* A dialog's name with its two tags under the names that the header gives them. */
struct named {
    struct oh_span call_id, one, other, params;
};

static int named_decode(struct oh_span value, struct oh_span one, struct oh_span other,
                        struct named *out, struct oh_fault *fault)
{
    struct named d;
    struct oh_span rest = value;
    int rc;

    oh__lex_lws(&rest);
    if (!call_id_next(&rest, &d.call_id))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "not a Call-ID");
    rc = oh__value_params(rest, value.p, &d.params, fault);
    if (rc != OH_OK)
        return rc;
    if (!oh_param_find(d.params, one, &d.one) || !oh_param_find(d.params, other, &d.other) ||
        !d.one.n || !d.other.n)
        return oh__fail(fault, OH_E_ABSENT, (size_t)(d.params.p - value.p),
                        "a dialog without both tags");
    if (!oh__is_token(d.one) || !oh__is_token(d.other))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(d.params.p - value.p),
                        "a tag that is not a token");
    *out = d;
    return OH_OK;
}

int oh_join_decode(struct oh_span value, struct oh_replaces *out, struct oh_fault *fault)
{
    struct named d;
    int rc = named_decode(value, OH_LIT("to-tag"), OH_LIT("from-tag"), &d, fault);

    if (rc == OH_OK)
        *out = (struct oh_replaces){d.call_id, d.one, d.other, false};
    return rc;
}

int oh_replaces_decode(struct oh_span value, struct oh_replaces *out, struct oh_fault *fault)
{
    struct named d;
    int rc = named_decode(value, OH_LIT("to-tag"), OH_LIT("from-tag"), &d, fault);

    if (rc == OH_OK)
        *out = (struct oh_replaces){d.call_id, d.one, d.other,
                                    oh_param_find(d.params, OH_LIT("early-only"), NULL)};
    return rc;
}

void oh_replaces_put(struct oh_buf *out, const struct oh_replaces *r)
{
    oh__put_line(out, r->call_id);
    oh_buf_lit(out, ";to-tag=");
    oh__put_line(out, r->to_tag);
    oh_buf_lit(out, ";from-tag=");
    oh__put_line(out, r->from_tag);
    if (r->early_only)
        oh_buf_lit(out, ";early-only");
}

int oh_target_dialog_decode(struct oh_span value, struct oh_target_dialog *out,
                            struct oh_fault *fault)
{
    struct named d;
    int rc = named_decode(value, OH_LIT("local-tag"), OH_LIT("remote-tag"), &d, fault);

    if (rc == OH_OK)
        *out = (struct oh_target_dialog){d.call_id, d.one, d.other};
    return rc;
}

void oh_target_dialog_put(struct oh_buf *out, const struct oh_target_dialog *t)
{
    oh__put_line(out, t->call_id);
    oh_buf_lit(out, ";local-tag=");
    oh__put_line(out, t->local_tag);
    oh_buf_lit(out, ";remote-tag=");
    oh__put_line(out, t->remote_tag);
}
