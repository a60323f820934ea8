/*
 * Which header is this? The question is asked for every row of every message,
 * so it must cost a few nanoseconds, and the answer must never rest on a hash.
 * A table indexed by the name's length and first letter gives the one name that
 * it can be (where several names share both, they are chained), and that name
 * is compared in full, eight bytes at a time.
 */
#include <offhook/header.h>

#include "sip/header.h"
#include "sip/lex.h"

#define NAME_MAX_N OH__HEADER_WIDE
#define SLOT       OH__HEADER_SLOT

static const struct oh_header_info infos[OH_HEADER_COUNT] = {{"", 0, OH_FORM_TEXT, false, ""},
#define INFO(id, name, compact, form, list, rfc) {name, compact, OH_FORM_##form, list, rfc},
                                                             OH_HEADERS(INFO)
#undef INFO
};

/* The names again, so that they can be read in words. */
const struct oh__header_name oh__header_names[OH_HEADER_COUNT] = {{""},
#define PADDED(id, name, compact, form, list, rfc) {name},
                                                                  OH_HEADERS(PADDED)
#undef PADDED
};

/*
 * The first candidate for each length and first letter. Two entries for one
 * slot are a compiler's warning (override-init); test_header finds a header of
 * the table that is missing here.
 */
const uint8_t oh__header_slots[OH__HEADER_SLOTS] = {
    [SLOT(1, 'a')] = OH_HEADER_ACCEPT_CONTACT,
    [SLOT(1, 'b')] = OH_HEADER_REFERRED_BY,
    [SLOT(1, 'c')] = OH_HEADER_CONTENT_TYPE,
    [SLOT(1, 'd')] = OH_HEADER_REQUEST_DISPOSITION,
    [SLOT(1, 'e')] = OH_HEADER_CONTENT_ENCODING,
    [SLOT(1, 'f')] = OH_HEADER_FROM,
    [SLOT(1, 'i')] = OH_HEADER_CALL_ID,
    [SLOT(1, 'j')] = OH_HEADER_REJECT_CONTACT,
    [SLOT(1, 'k')] = OH_HEADER_SUPPORTED,
    [SLOT(1, 'l')] = OH_HEADER_CONTENT_LENGTH,
    [SLOT(1, 'm')] = OH_HEADER_CONTACT,
    [SLOT(1, 'o')] = OH_HEADER_EVENT,
    [SLOT(1, 'r')] = OH_HEADER_REFER_TO,
    [SLOT(1, 's')] = OH_HEADER_SUBJECT,
    [SLOT(1, 't')] = OH_HEADER_TO,
    [SLOT(1, 'u')] = OH_HEADER_ALLOW_EVENTS,
    [SLOT(1, 'v')] = OH_HEADER_VIA,
    [SLOT(1, 'x')] = OH_HEADER_SESSION_EXPIRES,
    [SLOT(1, 'y')] = OH_HEADER_IDENTITY,
    [SLOT(2, 't')] = OH_HEADER_TO,
    [SLOT(3, 'v')] = OH_HEADER_VIA,
    [SLOT(4, 'c')] = OH_HEADER_CSEQ,
    [SLOT(4, 'd')] = OH_HEADER_DATE,
    [SLOT(4, 'f')] = OH_HEADER_FROM,
    [SLOT(4, 'j')] = OH_HEADER_JOIN,
    [SLOT(4, 'p')] = OH_HEADER_PATH,
    [SLOT(4, 'r')] = OH_HEADER_RACK,
    [SLOT(5, 'a')] = OH_HEADER_ALLOW,
    [SLOT(5, 'e')] = OH_HEADER_EVENT,
    [SLOT(5, 'r')] = OH_HEADER_ROUTE,
    [SLOT(6, 'a')] = OH_HEADER_ACCEPT,
    [SLOT(6, 'm')] = OH_HEADER_MIN_SE,
    [SLOT(6, 'r')] = OH_HEADER_REASON,
    [SLOT(6, 's')] = OH_HEADER_SERVER,
    [SLOT(7, 'c')] = OH_HEADER_CALL_ID,
    [SLOT(7, 'e')] = OH_HEADER_EXPIRES,
    [SLOT(7, 'p')] = OH_HEADER_PRIVACY,
    [SLOT(7, 'r')] = OH_HEADER_REQUIRE,
    [SLOT(7, 's')] = OH_HEADER_SUBJECT,
    [SLOT(7, 'w')] = OH_HEADER_WARNING,
    [SLOT(8, 'i')] = OH_HEADER_IDENTITY,
    [SLOT(8, 'p')] = OH_HEADER_PRIORITY,
    [SLOT(8, 'r')] = OH_HEADER_REPLY_TO,
    [SLOT(8, 's')] = OH_HEADER_SIP_ETAG,
    [SLOT(9, 'c')] = OH_HEADER_CALL_INFO,
    [SLOT(9, 'r')] = OH_HEADER_REFER_SUB,
    [SLOT(9, 's')] = OH_HEADER_SUPPORTED,
    [SLOT(9, 't')] = OH_HEADER_TIMESTAMP,
    [SLOT(10, 'a')] = OH_HEADER_ALERT_INFO,
    [SLOT(10, 'e')] = OH_HEADER_ERROR_INFO,
    [SLOT(10, 'f')] = OH_HEADER_FLOW_TIMER,
    [SLOT(10, 'u')] = OH_HEADER_USER_AGENT,
    [SLOT(11, 'i')] = OH_HEADER_IN_REPLY_TO,
    [SLOT(11, 'm')] = OH_HEADER_MIN_EXPIRES,
    [SLOT(11, 'r')] = OH_HEADER_RETRY_AFTER,
    [SLOT(11, 'u')] = OH_HEADER_UNSUPPORTED,
    [SLOT(12, 'a')] = OH_HEADER_ALLOW_EVENTS,
    [SLOT(12, 'c')] = OH_HEADER_CONTENT_TYPE,
    [SLOT(12, 'f')] = OH_HEADER_FEATURE_CAPS,
    [SLOT(12, 'h')] = OH_HEADER_HISTORY_INFO,
    [SLOT(12, 'i')] = OH_HEADER_INFO_PACKAGE,
    [SLOT(12, 'm')] = OH_HEADER_MAX_FORWARDS,
    [SLOT(12, 'o')] = OH_HEADER_ORGANIZATION,
    [SLOT(12, 'r')] = OH_HEADER_RECORD_ROUTE,
    [SLOT(12, 's')] = OH_HEADER_SIP_IF_MATCH,
    [SLOT(13, 'a')] = OH_HEADER_AUTHORIZATION,
    [SLOT(13, 'p')] = OH_HEADER_PROXY_REQUIRE,
    [SLOT(13, 's')] = OH_HEADER_SERVICE_ROUTE,
    [SLOT(13, 't')] = OH_HEADER_TARGET_DIALOG,
    [SLOT(14, 'a')] = OH_HEADER_ACCEPT_CONTACT,
    [SLOT(14, 'c')] = OH_HEADER_CONTENT_LENGTH,
    [SLOT(14, 'r')] = OH_HEADER_REJECT_CONTACT,
    [SLOT(15, 'a')] = OH_HEADER_ACCEPT_ENCODING,
    [SLOT(15, 's')] = OH_HEADER_SESSION_EXPIRES,
    [SLOT(16, 'c')] = OH_HEADER_CONTENT_ENCODING,
    [SLOT(16, 'w')] = OH_HEADER_WWW_AUTHENTICATE,
    [SLOT(17, 'r')] = OH_HEADER_RESOURCE_PRIORITY,
    [SLOT(17, 's')] = OH_HEADER_SUPPRESS_IF_MATCH,
    [SLOT(18, 'p')] = OH_HEADER_PROXY_AUTHENTICATE,
    [SLOT(18, 's')] = OH_HEADER_SUBSCRIPTION_STATE,
    [SLOT(19, 'a')] = OH_HEADER_AUTHENTICATION_INFO,
    [SLOT(19, 'c')] = OH_HEADER_CONTENT_DISPOSITION,
    [SLOT(19, 'p')] = OH_HEADER_PROXY_AUTHORIZATION,
    [SLOT(19, 'r')] = OH_HEADER_REQUEST_DISPOSITION,
    [SLOT(20, 'p')] = OH_HEADER_P_PREFERRED_IDENTITY,
};

/* Another name of the same length and first letter, to be tried next. */
const uint8_t oh__header_chain[OH_HEADER_COUNT] = {
    [OH_HEADER_RACK] = OH_HEADER_RSEQ,
    [OH_HEADER_CALL_ID] = OH_HEADER_CONTACT,
    [OH_HEADER_REPLY_TO] = OH_HEADER_REFER_TO,
    [OH_HEADER_REFER_TO] = OH_HEADER_REPLACES,
    [OH_HEADER_REFER_SUB] = OH_HEADER_RECV_INFO,
    [OH_HEADER_MIN_EXPIRES] = OH_HEADER_MAX_BREADTH,
    [OH_HEADER_RETRY_AFTER] = OH_HEADER_REFERRED_BY,
    [OH_HEADER_MAX_FORWARDS] = OH_HEADER_MIME_VERSION,
    [OH_HEADER_ACCEPT_ENCODING] = OH_HEADER_ACCEPT_LANGUAGE,
    [OH_HEADER_CONTENT_ENCODING] = OH_HEADER_CONTENT_LANGUAGE,
    [OH_HEADER_PROXY_AUTHORIZATION] = OH_HEADER_P_ASSERTED_IDENTITY,
};

static uint64_t word(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

const char oh__header_counts[64] =
    "\337\337\337\337\337\337\337\337\337\337\337\337\337\337\337\337"
    "\337\337\337\337\337\337\337\337\337\337\337\337\337\337\337\337";

enum oh_header_id oh__header_of_wide(const char *p, size_t n)
{
    const char *counts;
    unsigned id;

    if (n == 0 || n >= NAME_MAX_N || !oh__is(*p, OH__C_ALPHA))
        return OH_HEADER_OTHER;
    counts = oh__header_counts + 32 - n;
    id = oh__header_slots[SLOT(n, *p)];
    /* A compact form has no other letter that could differ. */
    if (n == 1)
        return (enum oh_header_id)id;
    for (; id; id = oh__header_chain[id]) {
        const char *known = oh__header_names[id].text;

        /* Where the name has "-", only CR differs in bit 5 alone, and no token has a CR. */
        if (!(((word(p) ^ word(known)) & word(counts)) |
              ((word(p + 8) ^ word(known + 8)) & word(counts + 8)) |
              ((word(p + 16) ^ word(known + 16)) & word(counts + 16))))
            break;
    }
    return (enum oh_header_id)id;
}

enum oh_header_id oh_header_of(struct oh_span name)
{
    char text[NAME_MAX_N] = {0};

    if (name.n == 0 || name.n >= NAME_MAX_N || oh__run(name, OH__C_TOKEN) != name.n)
        return OH_HEADER_OTHER;
    memcpy(text, name.p, name.n);
    return oh__header_of_wide(text, name.n);
}

const struct oh_header_info *oh_header_info(enum oh_header_id id)
{
    return &infos[(unsigned)id < OH_HEADER_COUNT ? id : OH_HEADER_OTHER];
}
