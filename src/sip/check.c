/*
 * What every element needs of a message, whatever it does with it: the path
 * back, the two ends, the dialog's and the transaction's numbers (RFC 3261
 * 8.1.1 and 16.3). Everything else may be broken without harm to who does not
 * look at it (RFC 3261 8.2.2).
 */
#include <offhook/msg.h>

#include "sip/address.h"
#include "sip/uri.h"
#include "sip/via.h"
#include "sip/wide.h"

#define CSEQ_MAX UINT32_C(0x7fffffff)

/* Behind the last byte of the message: up to there a decoder may read. */
static inline const char *limit_of(const struct oh_msg *m)
{
    return m->raw.p + m->raw.n;
}

/* Fills a fault whose offset is relative to a span of the message; one that is not there counts
 * from the start. */
static int refuse(const struct oh_msg *m, struct oh_fault *fault, enum oh_header_id id,
                  struct oh_span in, int code, size_t at, const char *why)
{
    oh__fail(fault, code, (in.p ? (size_t)(in.p - m->raw.p) : 0) + at, why);
    if (fault)
        fault->header = (uint16_t)id;
    return code;
}

/* What is said about a header that must be there and is not, or is there again (SYN-009). */
struct presence {
    const char *missing, *twice;
};

static const struct presence presences[] = {
    [OH_HEADER_VIA] = {"Missing Via", ""},
    [OH_HEADER_FROM] = {"Missing From", "More than one From"},
    [OH_HEADER_TO] = {"Missing To", "More than one To"},
    [OH_HEADER_CALL_ID] = {"Missing Call-ID", "More than one Call-ID"},
    [OH_HEADER_CSEQ] = {"Missing CSeq", "More than one CSeq"},
};

/* The value of a header that must be there, and once unless it is Via. */
static int required(const struct oh_msg *m, enum oh_header_id id, struct oh_fault *fault,
                    struct oh_span *value)
{
    const struct oh_row *row = oh_msg_row(m, id);

    if (!row)
        return refuse(m, fault, id, m->start, OH_E_ABSENT, 0, presences[id].missing);
    if (row->next && id != OH_HEADER_VIA)
        return refuse(m, fault, id, oh_row_name(m, oh_msg_row_next(m, row)), OH_E_DUPLICATE, 0,
                      presences[id].twice);
    *value = oh_row_value(m, row);
    return OH_OK;
}

/*
 * Of a Via that is no good the sent-by remains if it was whole, so that the sender can be told (RFC
 * 4475 3.1.2.1); what its parameters said is forgotten, and without sent-by everything.
 */
static void keep_sent_by(struct oh_via *v)
{
    struct oh_via kept;

    oh__clear(&kept, sizeof(kept));
    /* Parameters begin behind the sent-by. */
    if (v->params.p) {
        kept.text = v->text;
        kept.transport_text = v->transport_text;
        kept.transport = v->transport;
        kept.host = v->host;
        kept.addr = v->addr;
        kept.port = v->port;
    }
    *v = kept;
}

/* Takes the topmost Via apart from others first, when it could not just be read from the front. */
static int check_odd_via(struct oh_msg *m, struct oh_span rest, struct oh_fault *fault)
{
    struct oh_span value = rest;
    struct oh_fault inner = {0};
    int rc;

    if (rest.n && memchr(rest.p, ',', rest.n)) {
        rc = oh_comma_next(&rest, &value);
        if (rc != OH_OK) {
            oh__clear(&m->via, sizeof(m->via));
            return refuse(m, fault, OH_HEADER_VIA, rest, OH_E_SYNTAX, 0,
                          "Via values that cannot be told apart");
        }
    }
    rc = oh__via_decode(value, limit_of(m), false, &m->via, &inner);
    if (rc == OH_OK)
        return OH_OK;
    keep_sent_by(&m->via);
    return refuse(m, fault, OH_HEADER_VIA, value, rc, inner.at, inner.why);
}

/* The topmost Via value, which may stand before others in its row. */
static int check_via(struct oh_msg *m, struct oh_fault *fault)
{
    struct oh_span value;
    int rc = required(m, OH_HEADER_VIA, fault, &value);

    if (rc != OH_OK)
        return rc;
    /* Read from the front it ends at its comma; only what is odd is taken apart first. */
    if (oh__via_decode(value, limit_of(m), true, &m->via, NULL) == OH_OK)
        return OH_OK;
    return check_odd_via(m, value, fault);
}

/* What is wrong with From or To, if it is not just written in an unusual way. */
static int check_odd_end(const struct oh_msg *m, struct oh_span value, struct oh_address *address,
                         struct oh_uri *uri, struct oh_span *tag, struct oh_fault *fault)
{
    const char *why;
    size_t at;
    int rc = oh__address_decode_tag(value, limit_of(m), address, tag, fault);

    if (rc != OH_OK)
        return rc;
    if (address->star)
        return oh__fail(fault, OH_E_SYNTAX, 0, "'*' instead of an address");
    why = oh__uri_decode(address->uri, limit_of(m), uri, &at);
    if (!why)
        return OH_OK;
    return oh__fail(fault, OH_E_SYNTAX, (size_t)(address->uri.p - value.p) + at, why);
}

/* From or To: the address, its URI and its tag, decoded in place. */
static int check_end(struct oh_msg *m, enum oh_header_id id, struct oh_address *address,
                     struct oh_uri *uri, struct oh_span *tag, struct oh_fault *fault)
{
    const char *end;
    struct oh_span value;
    struct oh_fault inner;
    int rc = required(m, id, fault, &value);

    if (rc != OH_OK)
        return rc;
    end = value.p + value.n;
    if (oh__address_read(value.p, end, limit_of(m), address, uri, tag) == end)
        return OH_OK;
    rc = check_odd_end(m, value, address, uri, tag, &inner);
    if (rc == OH_OK)
        return OH_OK;
    /* Half-decoded fields are emptied, so that nobody works with them. */
    oh__clear(address, sizeof(*address));
    oh__clear(uri, sizeof(*uri));
    *tag = oh_span(NULL, 0);
    return refuse(m, fault, id, value, inner.code, inner.at, inner.why);
}

/* word [ "@" word ] */
static int check_call_id(struct oh_msg *m, struct oh_fault *fault)
{
    const char *limit = limit_of(m), *end, *p, *part;
    struct oh_span value;
    int rc = required(m, OH_HEADER_CALL_ID, fault, &value);

    if (rc != OH_OK)
        return rc;
    end = value.p + value.n;
    p = oh__skip_wide(value.p, end, limit, OH__C_WORD);
    part = value.p;
    if (p > part && p < end && *p == '@') {
        part = p + 1;
        p = oh__skip_wide(part, end, limit, OH__C_WORD);
    }
    if (p == part || p < end)
        return refuse(m, fault, OH_HEADER_CALL_ID, oh_span(p, 0), OH_E_SYNTAX, 0,
                      "a Call-ID that is not one word, or two with '@' between");
    m->call_id = value;
    return OH_OK;
}

/* Number and method; a number from 2^31 on is nobody's (RFC 3261 8.1.1.5). */
static int check_cseq(struct oh_msg *m, struct oh_fault *fault)
{
    const char *p, *end, *method;
    struct oh_span value;
    uint64_t number;
    int rc = required(m, OH_HEADER_CSEQ, fault, &value);

    if (rc != OH_OK)
        return rc;
    end = value.p + value.n;
    p = oh__digits_skip(value.p, end, CSEQ_MAX, &number);
    if (p == value.p || p == end || !oh__is(*p, OH__C_LWS))
        return refuse(m, fault, OH_HEADER_CSEQ, oh_span(p, 0), OH_E_SYNTAX, 0,
                      "a CSeq that does not begin with a number and a blank");
    if (number > CSEQ_MAX)
        return refuse(m, fault, OH_HEADER_CSEQ, value, OH_E_RANGE, 0, "a CSeq of 2^31 or more");
    method = oh__skip_lws(p + (*p == ' '), end);
    p = oh__skip_wide(method, end, limit_of(m), OH__C_TOKEN);
    if (p == method || p < end)
        return refuse(m, fault, OH_HEADER_CSEQ, oh_span(p, 0), OH_E_SYNTAX, 0,
                      "a CSeq that does not end with one method");
    m->cseq = (uint32_t)number;
    m->cseq_method_text = oh_span(method, (size_t)(p - method));
    m->cseq_method = (uint8_t)oh_method_of(m->cseq_method_text);
    return OH_OK;
}

/* Max-Forwards of a request; above 255 it counts as absent (RFC 4475 3.1.2.4). */
static int check_max_forwards(struct oh_msg *m, struct oh_fault *fault)
{
    const struct oh_row *row = oh_msg_row(m, OH_HEADER_MAX_FORWARDS);
    const char *p, *end;
    struct oh_span value;
    uint64_t number;

    if (!row || !m->request)
        return OH_OK;
    if (row->next)
        return refuse(m, fault, OH_HEADER_MAX_FORWARDS, oh_row_name(m, oh_msg_row_next(m, row)),
                      OH_E_DUPLICATE, 0, "More than one Max-Forwards");
    value = oh_row_value(m, row);
    end = value.p + value.n;
    p = oh__digits_skip(value.p, end, 255, &number);
    if (p == value.p || p < end)
        return refuse(m, fault, OH_HEADER_MAX_FORWARDS, oh_span(p, 0), OH_E_SYNTAX, 0,
                      "a Max-Forwards that is not a number");
    m->max_forwards = number > 255 ? -1 : (int32_t)number;
    return OH_OK;
}

/* The Request-URI, and whether CSeq speaks of the same method. */
static int check_request(struct oh_msg *m, struct oh_fault *fault)
{
    /* A start line that is no request's has none. */
    struct oh_span uri = m->uri.p ? m->uri : oh_span(m->raw.p, 0);
    size_t at;
    const char *why = oh__uri_decode(uri, limit_of(m), &m->request_uri, &at);

    if (why) {
        oh__clear(&m->request_uri, sizeof(m->request_uri));
        return refuse(m, fault, OH_HEADER_OTHER, m->uri, OH_E_SYNTAX, at, why);
    }
    /* Last, so that a caller who answers 501 to an unknown method has everything else. Of a known
     * method the number says it all. */
    if (m->method != OH_METHOD_OTHER ? m->method != m->cseq_method
                                     : !oh_span_eq(m->cseq_method_text, m->method_text))
        return refuse(m, fault, OH_HEADER_CSEQ, m->cseq_method_text, OH_E_SYNTAX, 0,
                      "a CSeq method that is not the request's");
    return OH_OK;
}

int oh_msg_check(struct oh_msg *m, struct oh_fault *fault)
{
    int rc;

    /* In the order in which an error reply needs them. */
    m->max_forwards = -1;
    rc = check_via(m, fault);
    if (rc == OH_OK)
        rc = check_end(m, OH_HEADER_FROM, &m->from, &m->from_uri, &m->from_tag, fault);
    if (rc == OH_OK)
        rc = check_end(m, OH_HEADER_TO, &m->to, &m->to_uri, &m->to_tag, fault);
    if (rc == OH_OK)
        rc = check_call_id(m, fault);
    if (rc == OH_OK)
        rc = check_cseq(m, fault);
    if (rc == OH_OK)
        rc = check_max_forwards(m, fault);
    if (rc != OH_OK)
        return rc;
    if (m->request)
        return check_request(m, fault);
    m->method = m->cseq_method;
    return OH_OK;
}
