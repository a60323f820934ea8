#include "rewrite.h"

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

/* A function of the shape of rewrite out of a decoder and a builder. */
#define REWRITE(name, type, decode, put)                                              \
    static int name(struct oh_span value, struct oh_buf *out, struct oh_fault *fault) \
    {                                                                                 \
        struct type x;                                                                \
        int rc = decode(value, &x, fault);                                            \
                                                                                      \
        if (rc == OH_OK)                                                              \
            put(out, &x);                                                             \
        return rc;                                                                    \
    }

REWRITE(media, oh_media, oh_media_decode, oh_media_put)
REWRITE(range, oh_media, oh_media_range_decode, oh_media_put)
REWRITE(token, oh_token, oh_token_decode, oh_token_put)
REWRITE(event, oh_event, oh_event_decode, oh_event_put)
REWRITE(state, oh_subscription_state, oh_subscription_state_decode, oh_subscription_state_put)
REWRITE(disposition, oh_disposition, oh_disposition_decode, oh_disposition_put)
REWRITE(reason, oh_reason, oh_reason_decode, oh_reason_put)
REWRITE(retry_after, oh_retry_after, oh_retry_after_decode, oh_retry_after_put)
REWRITE(timestamp, oh_timestamp, oh_timestamp_decode, oh_timestamp_put)
REWRITE(warning, oh_warning, oh_warning_decode, oh_warning_put)
REWRITE(rack, oh_rack, oh_rack_decode, oh_rack_put)
REWRITE(replaces, oh_replaces, oh_replaces_decode, oh_replaces_put)
REWRITE(join, oh_replaces, oh_join_decode, oh_replaces_put)
REWRITE(target_dialog, oh_target_dialog, oh_target_dialog_decode, oh_target_dialog_put)
REWRITE(delta, oh_delta, oh_delta_decode, oh_delta_put)
REWRITE(session, oh_session_expires, oh_session_expires_decode, oh_session_expires_put)
REWRITE(info, oh_info, oh_info_decode, oh_info_put)
REWRITE(pref, oh_contact_pref, oh_contact_pref_decode, oh_contact_pref_put)
REWRITE(identity, oh_identity, oh_identity_decode, oh_identity_put)
REWRITE(credentials, oh_credentials, oh_credentials_decode, oh_credentials_put)
REWRITE(challenge, oh_challenge, oh_challenge_decode, oh_challenge_put)
REWRITE(auth_info, oh_auth_info, oh_auth_info_decode, oh_auth_info_put)

static int privacy(struct oh_span value, struct oh_buf *out, struct oh_fault *fault)
{
    unsigned set;
    int rc = oh_privacy_decode(value, &set, fault);

    if (rc == OH_OK)
        oh_privacy_put(out, set);
    return rc;
}

static int directives(struct oh_span value, struct oh_buf *out, struct oh_fault *fault)
{
    unsigned set = 0;
    int rc = oh_request_disposition_decode(value, &set, fault);

    if (rc == OH_OK)
        oh_request_disposition_put(out, set);
    return rc;
}

static int refer_sub(struct oh_span value, struct oh_buf *out, struct oh_fault *fault)
{
    bool yes;
    int rc = oh_refer_sub_decode(value, &yes, fault);

    if (rc == OH_OK)
        oh_refer_sub_put(out, yes);
    return rc;
}

static int date(struct oh_span value, struct oh_buf *out, struct oh_fault *fault)
{
    int64_t seconds;
    int rc = oh_date_decode(value, &seconds, fault);

    return rc == OH_OK ? oh_date_put(out, seconds) : rc;
}

static int mime_version(struct oh_span value, struct oh_buf *out, struct oh_fault *fault)
{
    uint16_t major, minor;
    int rc = oh_mime_version_decode(value, &major, &minor);

    if (rc == OH_OK)
        oh_mime_version_put(out, major, minor);
    else if (fault)
        *fault = (struct oh_fault){rc, 0, 0, "version"};
    return rc;
}

static int call_id(struct oh_span value, struct oh_buf *out, struct oh_fault *fault)
{
    struct oh_span id;
    int rc = oh_call_id_decode(value, &id, fault);

    if (rc == OH_OK)
        oh_buf_span(out, id);
    return rc;
}

/* Headers with a decoder of their own; the others go by their form. */
static int (*const by_id[OH_HEADER_COUNT])(struct oh_span, struct oh_buf *, struct oh_fault *) = {
    [OH_HEADER_EVENT] = event,
    [OH_HEADER_ALLOW_EVENTS] = event,
    [OH_HEADER_SUBSCRIPTION_STATE] = state,
    [OH_HEADER_CONTENT_DISPOSITION] = disposition,
    [OH_HEADER_REASON] = reason,
    [OH_HEADER_PRIVACY] = privacy,
    [OH_HEADER_REFER_SUB] = refer_sub,
    [OH_HEADER_REQUEST_DISPOSITION] = directives,
    [OH_HEADER_ACCEPT_CONTACT] = pref,
    [OH_HEADER_REJECT_CONTACT] = pref,
    [OH_HEADER_SESSION_EXPIRES] = session,
    [OH_HEADER_REPLACES] = replaces,
    [OH_HEADER_JOIN] = join,
    [OH_HEADER_TARGET_DIALOG] = target_dialog,
    [OH_HEADER_ACCEPT] = range,
    [OH_HEADER_DATE] = date,
    [OH_HEADER_MIME_VERSION] = mime_version,
    [OH_HEADER_RETRY_AFTER] = retry_after,
    [OH_HEADER_TIMESTAMP] = timestamp,
    [OH_HEADER_WARNING] = warning,
    [OH_HEADER_RACK] = rack,
    [OH_HEADER_IDENTITY] = identity,
    [OH_HEADER_WWW_AUTHENTICATE] = challenge,
    [OH_HEADER_PROXY_AUTHENTICATE] = challenge,
    [OH_HEADER_AUTHENTICATION_INFO] = auth_info,
};

int rewrite(enum oh_header_id id, struct oh_span value, struct oh_buf *out, struct oh_fault *fault)
{
    if (by_id[id])
        return by_id[id](value, out, fault);
    switch (oh_header_info(id)->form) {
    case OH_FORM_NUMBER: return delta(value, out, fault);
    case OH_FORM_TOKEN:
    case OH_FORM_TOKENS: return token(value, out, fault);
    case OH_FORM_URIS: return info(value, out, fault);
    case OH_FORM_MEDIA: return media(value, out, fault);
    case OH_FORM_CREDENTIALS: return credentials(value, out, fault);
    case OH_FORM_CALLID: return call_id(value, out, fault);
    default: return OH_E_UNSUPPORTED;
    }
}
