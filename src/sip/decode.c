/*
 * One function per form of the header table, found through a table, and a
 * second table of the decoders that know more than the form does. The walkers
 * are built out of the public decoders and of nothing else: whatever this
 * shows, the rest of the system reads in the same way.
 */
#include <offhook/decode.h>

#include <offhook/caller_prefs.h>
#include <offhook/date.h>
#include <offhook/digest.h>
#include <offhook/disposition.h>
#include <offhook/event.h>
#include <offhook/identity.h>
#include <offhook/infos.h>
#include <offhook/media.h>
#include <offhook/privacy.h>
#include <offhook/rack.h>
#include <offhook/reason.h>
#include <offhook/replaces.h>
#include <offhook/retry_after.h>
#include <offhook/session_expires.h>
#include <offhook/timestamp.h>
#include <offhook/warning.h>

#include "sip/lex.h"

/* The state of one walk; faults of a value are relative to that value. */
struct walk {
    const struct oh_visitor *visitor;
    enum oh_header_id id;
    unsigned value; /* index in the list */
    struct oh_fault *fault;
};

/* Hands one part to whoever asked; the texts point into the message. */
static void emit(const struct walk *w, struct oh_span name, struct oh_span text)
{
    struct oh_field f = {name, text, w->value, false};

    w->visitor->field(w->visitor->ctx, &f);
}

/* As emit, for a part that need not be there. */
static void emit_some(const struct walk *w, struct oh_span name, struct oh_span text)
{
    if (text.n)
        emit(w, name, text);
}

/* A list that its decoder has checked already. */
static void emit_params(const struct walk *w, struct oh_span params)
{
    struct oh_param p;

    while (oh_param_next(&params, &p) == OH_OK) {
        struct oh_field f = {p.name, p.value, w->value, true};

        w->visitor->field(w->visitor->ctx, &f);
    }
}

/* For headers without a grammar that matters, such as Subject and User-Agent. */
static int walk_text(struct walk *w, struct oh_span value)
{
    emit(w, OH_LIT("text"), value);
    return OH_OK;
}

/* The digits as they came, not the number: what is shown must be what was sent. */
static int walk_number(struct walk *w, struct oh_span value)
{
    struct oh_delta d;
    int rc = oh_delta_decode(value, &d, w->fault);

    if (rc != OH_OK)
        return rc;
    emit(w, OH_LIT("number"), d.text);
    emit_params(w, d.params);
    return OH_OK;
}

static int walk_token(struct walk *w, struct oh_span value)
{
    struct oh_token t;
    int rc = oh_token_decode(value, &t, w->fault);

    if (rc != OH_OK)
        return rc;
    emit(w, OH_LIT("token"), t.token);
    emit_params(w, t.params);
    return OH_OK;
}

static int walk_address(struct walk *w, struct oh_span value)
{
    struct oh_address a;
    int rc = oh_address_decode(value, &a, w->fault);

    /* Everywhere else it would be a display name that forgot its URI. */
    if (rc == OH_OK && a.star && w->id != OH_HEADER_CONTACT)
        return oh__fail(w->fault, OH_E_SYNTAX, 0, "\"*\" is for Contact only");
    if (rc == OH_OK) {
        rc = oh_params_check(a.params);
        if (rc != OH_OK)
            oh__fail(w->fault, rc, (size_t)(a.params.p - value.p), "parameters out of form");
    }
    if (rc != OH_OK)
        return rc;
    if (a.star)
        emit(w, OH_LIT("star"), value);
    emit_some(w, OH_LIT("display"), a.display);
    emit_some(w, OH_LIT("uri"), a.uri);
    emit_params(w, a.params);
    return OH_OK;
}

static int walk_info(struct walk *w, struct oh_span value)
{
    struct oh_info i;
    int rc = oh_info_decode(value, &i, w->fault);

    if (rc != OH_OK)
        return rc;
    emit(w, OH_LIT("uri"), i.uri);
    emit_params(w, i.params);
    return OH_OK;
}

static int walk_media(struct walk *w, struct oh_span value)
{
    struct oh_media m;
    int rc = w->id == OH_HEADER_ACCEPT ? oh_media_range_decode(value, &m, w->fault)
                                       : oh_media_decode(value, &m, w->fault);

    if (rc != OH_OK)
        return rc;
    emit(w, OH_LIT("type"), m.type);
    emit(w, OH_LIT("subtype"), m.subtype);
    emit_params(w, m.params);
    return OH_OK;
}

static int walk_via(struct walk *w, struct oh_span value)
{
    struct oh_via v;
    int rc = oh_via_decode(value, &v, w->fault);

    if (rc != OH_OK)
        return rc;
    emit(w, OH_LIT("transport"), v.transport_text);
    emit(w, OH_LIT("host"), v.host);
    if (v.port) {
        struct oh_span rest = oh_span_from(value, (size_t)(v.host.p + v.host.n - value.p)), port;

        if (oh__lex_sep(&rest, ':') && oh__lex_run(&rest, OH__C_DIGIT, &port))
            emit(w, OH_LIT("port"), port);
    }
    emit_params(w, v.params);
    return OH_OK;
}

static int walk_cseq(struct walk *w, struct oh_span value)
{
    struct oh_span rest = value, number, method;

    if (!oh__lex_run(&rest, OH__C_DIGIT, &number) || !rest.n || !oh__is(*rest.p, OH__C_LWS))
        return oh__fail(w->fault, OH_E_SYNTAX, 0, "no CSeq number");
    oh__lex_lws(&rest);
    if (!oh__lex_token(&rest, &method) || rest.n)
        return oh__fail(w->fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "no CSeq method");
    emit(w, OH_LIT("number"), number);
    emit(w, OH_LIT("method"), method);
    return OH_OK;
}

/* Auth-params; those of another scheme than Digest may be a token68 instead. */
static int walk_auth_params(struct walk *w, struct oh_span rest)
{
    struct oh_param p;
    int rc;

    while ((rc = oh_auth_param_next(&rest, &p)) == OH_OK) {
        struct oh_field f = {p.name, p.value, w->value, true};

        w->visitor->field(w->visitor->ctx, &f);
    }
    return rc == OH_E_ABSENT ? OH_OK : rc;
}

static int walk_credentials(struct walk *w, struct oh_span value)
{
    struct oh_span rest = value, scheme;

    if (w->id == OH_HEADER_AUTHENTICATION_INFO)
        return walk_auth_params(w, value);
    if (oh_auth_scheme(&rest, &scheme) != OH_OK)
        return oh__fail(w->fault, OH_E_SYNTAX, 0, "no authentication scheme");
    emit(w, OH_LIT("scheme"), scheme);
    if (oh_span_ieq(scheme, OH_LIT("Digest")))
        return walk_auth_params(w, rest);
    emit_some(w, OH_LIT("data"), rest);
    return OH_OK;
}

static int walk_call_id(struct walk *w, struct oh_span value)
{
    ptrdiff_t semi = oh_span_find(value, ';');
    struct oh_span id = oh_span_trim(oh_span_head(value, semi < 0 ? value.n : (size_t)semi));
    int rc = oh_call_id_decode(id, &id, w->fault);

    if (rc != OH_OK)
        return rc;
    emit(w, OH_LIT("call-id"), id);
    if (semi >= 0) {
        struct oh_span params = oh_span_from(value, (size_t)semi);

        rc = oh_params_check(params);
        if (rc != OH_OK)
            return oh__fail(w->fault, rc, (size_t)semi, "parameters out of form");
        emit_params(w, params);
    }
    return OH_OK;
}

static int walk_retry_after(struct walk *w, struct oh_span value)
{
    struct oh_retry_after r;
    struct oh_span seconds;
    int rc = oh_retry_after_decode(value, &r, w->fault);

    if (rc != OH_OK)
        return rc;
    if (oh__lex_run(&value, OH__C_DIGIT, &seconds))
        emit(w, OH_LIT("number"), seconds);
    if (r.comment.p)
        emit(w, OH_LIT("comment"), r.comment);
    emit_params(w, r.params);
    return OH_OK;
}

static int walk_timestamp(struct walk *w, struct oh_span value)
{
    struct oh_timestamp t;
    int rc = oh_timestamp_decode(value, &t, w->fault);

    if (rc != OH_OK)
        return rc;
    emit(w, OH_LIT("number"), t.text);
    if (t.has_delay)
        emit(w, OH_LIT("delay"),
             oh_span_trim(oh_span_from(value, (size_t)(t.text.p + t.text.n - value.p))));
    return OH_OK;
}

static int walk_warning(struct walk *w, struct oh_span value)
{
    struct oh_warning x;
    int rc = oh_warning_decode(value, &x, w->fault);

    if (rc != OH_OK)
        return rc;
    emit(w, OH_LIT("code"), oh_span_head(value, 3));
    emit(w, OH_LIT("agent"), x.agent);
    emit(w, OH_LIT("text"), x.text);
    return OH_OK;
}

static int walk_rack(struct walk *w, struct oh_span value)
{
    struct oh_rack r;
    struct oh_span rseq, cseq;
    int rc = oh_rack_decode(value, &r, w->fault);

    if (rc != OH_OK)
        return rc;
    if (oh__lex_run(&value, OH__C_DIGIT, &rseq))
        emit(w, OH_LIT("rseq"), rseq);
    oh__lex_lws(&value);
    if (oh__lex_run(&value, OH__C_DIGIT, &cseq))
        emit(w, OH_LIT("cseq"), cseq);
    emit(w, OH_LIT("method"), r.method_text);
    return OH_OK;
}

static int walk_identity(struct walk *w, struct oh_span value)
{
    struct oh_identity i;
    int rc = oh_identity_decode(value, &i, w->fault);

    if (rc != OH_OK)
        return rc;
    emit(w, OH_LIT("digest"), i.digest);
    emit(w, OH_LIT("info"), i.info);
    emit_some(w, OH_LIT("alg"), i.alg);
    emit_some(w, OH_LIT("ppt"), i.ppt);
    return OH_OK;
}

static int walk_date(struct walk *w, struct oh_span value)
{
    int64_t seconds;
    int rc = oh_date_decode(value, &seconds, w->fault);

    if (rc == OH_OK)
        emit(w, OH_LIT("date"), value);
    return rc;
}

static int walk_mime_version(struct walk *w, struct oh_span value)
{
    uint16_t major, minor;
    int rc = oh_mime_version_decode(value, &major, &minor);

    if (rc != OH_OK)
        return oh__fail(w->fault, rc, 0, "not a version of the form 1.0");
    emit(w, OH_LIT("version"), value);
    return OH_OK;
}

/* The headers whose grammar no other header shares. */
static int walk_own(struct walk *w, struct oh_span value)
{
    switch (w->id) {
    case OH_HEADER_DATE: return walk_date(w, value);
    case OH_HEADER_MIME_VERSION: return walk_mime_version(w, value);
    case OH_HEADER_RETRY_AFTER: return walk_retry_after(w, value);
    case OH_HEADER_TIMESTAMP: return walk_timestamp(w, value);
    case OH_HEADER_WARNING: return walk_warning(w, value);
    case OH_HEADER_RACK: return walk_rack(w, value);
    case OH_HEADER_IDENTITY: return walk_identity(w, value);
    default: return oh__fail(w->fault, OH_E_UNSUPPORTED, 0, "a header without a decoder");
    }
}

/* Indexed by enum oh_form. */
static int (*const walkers[])(struct walk *w, struct oh_span value) = {
    [OH_FORM_TEXT] = walk_text,
    [OH_FORM_NUMBER] = walk_number,
    [OH_FORM_TOKEN] = walk_token,
    [OH_FORM_TOKENS] = walk_token,
    [OH_FORM_ADDRESS] = walk_address,
    [OH_FORM_ADDRESSES] = walk_address,
    [OH_FORM_URIS] = walk_info,
    [OH_FORM_MEDIA] = walk_media,
    [OH_FORM_VIA] = walk_via,
    [OH_FORM_CSEQ] = walk_cseq,
    [OH_FORM_CREDENTIALS] = walk_credentials,
    [OH_FORM_CALLID] = walk_call_id,
    [OH_FORM_OWN] = walk_own,
};

/* What a header means beyond its form: one value is checked before it is shown. */
static int check(enum oh_header_id id, struct oh_span value, struct oh_fault *fault)
{
    union {
        struct oh_event event;
        struct oh_subscription_state state;
        struct oh_disposition disposition;
        struct oh_reason reason;
        struct oh_session_expires session;
        struct oh_replaces replaces;
        struct oh_target_dialog target;
        struct oh_contact_pref pref;
        struct oh_credentials credentials;
        struct oh_challenge challenge;
        struct oh_auth_info info;
        unsigned set;
        bool yes;
    } x = {.set = 0};

    switch (id) {
    case OH_HEADER_EVENT:
    case OH_HEADER_ALLOW_EVENTS: return oh_event_decode(value, &x.event, fault);
    case OH_HEADER_SUBSCRIPTION_STATE: return oh_subscription_state_decode(value, &x.state, fault);
    case OH_HEADER_CONTENT_DISPOSITION: return oh_disposition_decode(value, &x.disposition, fault);
    case OH_HEADER_REASON: return oh_reason_decode(value, &x.reason, fault);
    case OH_HEADER_SESSION_EXPIRES: return oh_session_expires_decode(value, &x.session, fault);
    case OH_HEADER_REPLACES: return oh_replaces_decode(value, &x.replaces, fault);
    case OH_HEADER_JOIN: return oh_join_decode(value, &x.replaces, fault);
    case OH_HEADER_TARGET_DIALOG: return oh_target_dialog_decode(value, &x.target, fault);
    case OH_HEADER_ACCEPT_CONTACT:
    case OH_HEADER_REJECT_CONTACT: return oh_contact_pref_decode(value, &x.pref, fault);
    case OH_HEADER_REQUEST_DISPOSITION: return oh_request_disposition_decode(value, &x.set, fault);
    case OH_HEADER_PRIVACY: return oh_privacy_decode(value, &x.set, fault);
    case OH_HEADER_REFER_SUB: return oh_refer_sub_decode(value, &x.yes, fault);
    case OH_HEADER_AUTHORIZATION:
    case OH_HEADER_PROXY_AUTHORIZATION: return oh_credentials_decode(value, &x.credentials, fault);
    case OH_HEADER_WWW_AUTHENTICATE:
    case OH_HEADER_PROXY_AUTHENTICATE: return oh_challenge_decode(value, &x.challenge, fault);
    case OH_HEADER_AUTHENTICATION_INFO: return oh_auth_info_decode(value, &x.info, fault);
    default: return OH_OK;
    }
}

/* Headers whose values mean something only together. */
static bool checked_whole(enum oh_header_id id)
{
    return id == OH_HEADER_REQUEST_DISPOSITION || id == OH_HEADER_PRIVACY;
}

static int walk_one(struct walk *w, uint8_t form, struct oh_span value)
{
    int rc = checked_whole(w->id) ? OH_OK : check(w->id, value, w->fault);

    return rc == OH_OK ? walkers[form](w, value) : rc;
}

/* Values divided by commas; an empty row has none. */
static int walk_list(struct walk *w, uint8_t form, struct oh_span whole)
{
    struct oh_span rest = whole, value;
    int rc = checked_whole(w->id) ? check(w->id, whole, w->fault) : OH_OK;

    if (rc != OH_OK)
        return rc;
    while ((rc = oh_comma_next(&rest, &value)) == OH_OK) {
        rc = walk_one(w, form, value);
        if (rc != OH_OK) {
            if (w->fault)
                w->fault->at += (uint32_t)(value.p - whole.p);
            return rc;
        }
        w->value++;
    }
    if (rc != OH_E_ABSENT)
        return oh__fail(w->fault, rc, (size_t)(rest.p - whole.p), "quotes or <> out of balance");
    return OH_OK;
}

int oh_decode_value(enum oh_header_id id, struct oh_span value, const struct oh_visitor *visitor,
                    struct oh_fault *fault)
{
    const struct oh_header_info *info = oh_header_info(id);
    struct oh_fault scratch = {0};
    struct walk w = {visitor, id, 0, &scratch};
    int rc;

    if (id == OH_HEADER_OTHER)
        rc = walk_text(&w, value);
    else if (info->list)
        rc = walk_list(&w, info->form, value);
    else
        rc = walk_one(&w, info->form, value);
    if (rc != OH_OK && fault) {
        *fault = scratch;
        fault->header = (uint16_t)id;
    }
    return rc;
}

int oh_decode_row(const struct oh_msg *m, const struct oh_row *row,
                  const struct oh_visitor *visitor, struct oh_fault *fault)
{
    struct oh_fault found = {0};
    int rc = oh_decode_value(row->id, oh_row_value(m, row), visitor, &found);

    if (rc != OH_OK && fault) {
        *fault = found;
        fault->at += row->value;
    }
    return rc;
}
