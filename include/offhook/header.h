/*
 * The header table. A header is identified by its full name, compared without
 * case, never by a hash alone. `compact` is the one-letter form (0 = none);
 * `form` says how its value is built, so that generic code (decode, fuzzers,
 * documentation) can walk any message; list = several values may be joined by
 * commas or stand in several rows (RFC 3261 7.3.1).
 */
#ifndef OFFHOOK_HEADER_H
#define OFFHOOK_HEADER_H

#include <offhook/span.h>

enum oh_form {
    OH_FORM_TEXT,    /* free text */
    OH_FORM_NUMBER,  /* digits, perhaps with params (Expires, Max-Forwards, RSeq, Min-SE) */
    OH_FORM_TOKEN,   /* one token or word, perhaps with params (Event, Content-Disposition) */
    OH_FORM_TOKENS,  /* list of tokens, each perhaps with params (Supported, Allow, Accept-Encoding,
                        Reason) */
    OH_FORM_ADDRESS, /* name-addr or addr-spec with header params (From, To, Refer-To) */
    OH_FORM_ADDRESSES,   /* list of those (Contact, Route, Record-Route, Path) */
    OH_FORM_URIS,        /* list of <URI> with params (Alert-Info, Call-Info, Error-Info) */
    OH_FORM_MEDIA,       /* media type with params (Content-Type), or a list of ranges (Accept) */
    OH_FORM_VIA,         /* Via */
    OH_FORM_CSEQ,        /* number and method */
    OH_FORM_CREDENTIALS, /* scheme and auth-params, never joined by commas */
    OH_FORM_CALLID,      /* word [ "@" word ], perhaps with params (Call-ID, Replaces, In-Reply-To,
                            Target-Dialog) */
    OH_FORM_OWN, /* a grammar of its own (Date, Timestamp, Retry-After, Warning, RAck ...) */
};

/* X(id, name, compact, form, list, rfc); id 0 is reserved for unknown headers. */
#define OH_HEADERS(X)                                                                  \
    X(VIA, "Via", 'v', VIA, 1, "RFC 3261 20.42")                                       \
    X(FROM, "From", 'f', ADDRESS, 0, "RFC 3261 20.20")                                 \
    X(TO, "To", 't', ADDRESS, 0, "RFC 3261 20.39")                                     \
    X(CALL_ID, "Call-ID", 'i', CALLID, 0, "RFC 3261 20.8")                             \
    X(CSEQ, "CSeq", 0, CSEQ, 0, "RFC 3261 20.16")                                      \
    X(MAX_FORWARDS, "Max-Forwards", 0, NUMBER, 0, "RFC 3261 20.22")                    \
    X(CONTACT, "Contact", 'm', ADDRESSES, 1, "RFC 3261 20.10")                         \
    X(ROUTE, "Route", 0, ADDRESSES, 1, "RFC 3261 20.34")                               \
    X(RECORD_ROUTE, "Record-Route", 0, ADDRESSES, 1, "RFC 3261 20.30")                 \
    X(CONTENT_LENGTH, "Content-Length", 'l', NUMBER, 0, "RFC 3261 20.14")              \
    X(CONTENT_TYPE, "Content-Type", 'c', MEDIA, 0, "RFC 3261 20.15")                   \
    X(EXPIRES, "Expires", 0, NUMBER, 0, "RFC 3261 20.19")                              \
    X(AUTHORIZATION, "Authorization", 0, CREDENTIALS, 0, "RFC 3261 20.7")              \
    X(PROXY_AUTHORIZATION, "Proxy-Authorization", 0, CREDENTIALS, 0, "RFC 3261 20.28") \
    X(WWW_AUTHENTICATE, "WWW-Authenticate", 0, CREDENTIALS, 0, "RFC 3261 20.44")       \
    X(PROXY_AUTHENTICATE, "Proxy-Authenticate", 0, CREDENTIALS, 0, "RFC 3261 20.27")   \
    X(AUTHENTICATION_INFO, "Authentication-Info", 0, CREDENTIALS, 0, "RFC 3261 20.6")  \
    X(REQUIRE, "Require", 0, TOKENS, 1, "RFC 3261 20.32")                              \
    X(PROXY_REQUIRE, "Proxy-Require", 0, TOKENS, 1, "RFC 3261 20.29")                  \
    X(SUPPORTED, "Supported", 'k', TOKENS, 1, "RFC 3261 20.37")                        \
    X(UNSUPPORTED, "Unsupported", 0, TOKENS, 1, "RFC 3261 20.40")                      \
    X(ALLOW, "Allow", 0, TOKENS, 1, "RFC 3261 20.5")                                   \
    X(ACCEPT, "Accept", 0, MEDIA, 1, "RFC 3261 20.1")                                  \
    X(ACCEPT_ENCODING, "Accept-Encoding", 0, TOKENS, 1, "RFC 3261 20.2")               \
    X(ACCEPT_LANGUAGE, "Accept-Language", 0, TOKENS, 1, "RFC 3261 20.3")               \
    X(ALERT_INFO, "Alert-Info", 0, URIS, 1, "RFC 3261 20.4")                           \
    X(CALL_INFO, "Call-Info", 0, URIS, 1, "RFC 3261 20.9")                             \
    X(CONTENT_DISPOSITION, "Content-Disposition", 0, TOKEN, 0, "RFC 3261 20.11")       \
    X(CONTENT_ENCODING, "Content-Encoding", 'e', TOKENS, 1, "RFC 3261 20.12")          \
    X(CONTENT_LANGUAGE, "Content-Language", 0, TOKENS, 1, "RFC 3261 20.13")            \
    X(DATE, "Date", 0, OWN, 0, "RFC 3261 20.17")                                       \
    X(ERROR_INFO, "Error-Info", 0, URIS, 1, "RFC 3261 20.18")                          \
    X(IN_REPLY_TO, "In-Reply-To", 0, CALLID, 1, "RFC 3261 20.21")                      \
    X(MIN_EXPIRES, "Min-Expires", 0, NUMBER, 0, "RFC 3261 20.23")                      \
    X(MIME_VERSION, "MIME-Version", 0, OWN, 0, "RFC 3261 20.24")                       \
    X(ORGANIZATION, "Organization", 0, TEXT, 0, "RFC 3261 20.25")                      \
    X(PRIORITY, "Priority", 0, TOKEN, 0, "RFC 3261 20.26")                             \
    X(REPLY_TO, "Reply-To", 0, ADDRESS, 0, "RFC 3261 20.31")                           \
    X(RETRY_AFTER, "Retry-After", 0, OWN, 0, "RFC 3261 20.33")                         \
    X(SERVER, "Server", 0, TEXT, 0, "RFC 3261 20.35")                                  \
    X(SUBJECT, "Subject", 's', TEXT, 0, "RFC 3261 20.36")                              \
    X(TIMESTAMP, "Timestamp", 0, OWN, 0, "RFC 3261 20.38")                             \
    X(USER_AGENT, "User-Agent", 0, TEXT, 0, "RFC 3261 20.41")                          \
    X(WARNING, "Warning", 0, OWN, 1, "RFC 3261 20.43")                                 \
    X(RACK, "RAck", 0, OWN, 0, "RFC 3262 7.2")                                         \
    X(RSEQ, "RSeq", 0, NUMBER, 0, "RFC 3262 7.1")                                      \
    X(REASON, "Reason", 0, TOKENS, 1, "RFC 3326 2")                                    \
    X(PATH, "Path", 0, ADDRESSES, 1, "RFC 3327 4")                                     \
    X(SERVICE_ROUTE, "Service-Route", 0, ADDRESSES, 1, "RFC 3608 5")                   \
    X(PRIVACY, "Privacy", 0, TOKENS, 1, "RFC 3323 4.2")                                \
    X(P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0, ADDRESSES, 1, "RFC 3325 9.1")     \
    X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0, ADDRESSES, 1, "RFC 3325 9.2")   \
    X(REFER_TO, "Refer-To", 'r', ADDRESS, 0, "RFC 3515 2.1")                           \
    X(ACCEPT_CONTACT, "Accept-Contact", 'a', TOKENS, 1, "RFC 3841 9.2")                \
    X(REJECT_CONTACT, "Reject-Contact", 'j', TOKENS, 1, "RFC 3841 9.2")                \
    X(REQUEST_DISPOSITION, "Request-Disposition", 'd', TOKENS, 1, "RFC 3841 9.1")      \
    X(REPLACES, "Replaces", 0, CALLID, 0, "RFC 3891 6.1")                              \
    X(REFERRED_BY, "Referred-By", 'b', ADDRESS, 0, "RFC 3892 3")                       \
    X(SIP_ETAG, "SIP-ETag", 0, TOKEN, 0, "RFC 3903 11.3.1")                            \
    X(SIP_IF_MATCH, "SIP-If-Match", 0, TOKEN, 0, "RFC 3903 11.3.2")                    \
    X(JOIN, "Join", 0, CALLID, 0, "RFC 3911 7.1")                                      \
    X(SESSION_EXPIRES, "Session-Expires", 'x', NUMBER, 0, "RFC 4028 4")                \
    X(MIN_SE, "Min-SE", 0, NUMBER, 0, "RFC 4028 5")                                    \
    X(RESOURCE_PRIORITY, "Resource-Priority", 0, TOKENS, 1, "RFC 4412 3.1")            \
    X(REFER_SUB, "Refer-Sub", 0, TOKEN, 0, "RFC 4488 4")                               \
    X(TARGET_DIALOG, "Target-Dialog", 0, CALLID, 0, "RFC 4538 7")                      \
    X(HISTORY_INFO, "History-Info", 0, ADDRESSES, 1, "RFC 7044 5")                     \
    X(EVENT, "Event", 'o', TOKEN, 0, "RFC 6665 8.4")                                   \
    X(ALLOW_EVENTS, "Allow-Events", 'u', TOKENS, 1, "RFC 6665 8.2.2")                  \
    X(SUBSCRIPTION_STATE, "Subscription-State", 0, TOKEN, 0, "RFC 6665 8.2.3")         \
    X(MAX_BREADTH, "Max-Breadth", 0, NUMBER, 0, "RFC 5393 5.8")                        \
    X(FLOW_TIMER, "Flow-Timer", 0, NUMBER, 0, "RFC 5626 10")                           \
    X(INFO_PACKAGE, "Info-Package", 0, TOKEN, 0, "RFC 6086 7.2")                       \
    X(RECV_INFO, "Recv-Info", 0, TOKENS, 1, "RFC 6086 7.3")                            \
    X(FEATURE_CAPS, "Feature-Caps", 0, TOKENS, 1, "RFC 6809 6")                        \
    X(IDENTITY, "Identity", 'y', OWN, 1, "RFC 8224 4")                                 \
    X(SUPPRESS_IF_MATCH, "Suppress-If-Match", 0, TOKEN, 0, "RFC 5839 5")

enum oh_header_id {
    OH_HEADER_OTHER = 0,
#define OH_HEADER_ENUM(id, name, compact, form, list, rfc) OH_HEADER_##id,
    OH_HEADERS(OH_HEADER_ENUM)
#undef OH_HEADER_ENUM
        OH_HEADER_COUNT
};

struct oh_header_info {
    const char *name; /* canonical spelling */
    char compact;     /* 0 = none */
    uint8_t form;     /* enum oh_form */
    bool list;
    const char *rfc;
};

/* The id of a header name, full or compact; OH_HEADER_OTHER when unknown. */
enum oh_header_id oh_header_of(struct oh_span name);

/* The table's entry; for OH_HEADER_OTHER one with an empty name. */
const struct oh_header_info *oh_header_info(enum oh_header_id id);

#endif
