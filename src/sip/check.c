/*
 * What every element needs of a message, whatever it does with it: the path
 * back, the two ends, the dialog's and the transaction's numbers (RFC 3261
 * 8.1.1 and 16.3). Everything else may be broken without harm to who does not
 * look at it (RFC 3261 8.2.2).
 */
#include <offhook/msg.h>

#include "sip/address.h"
#include "sip/lex.h"
#include "sip/uri.h"
#include "sip/via.h"

#define CSEQ_MAX UINT32_C(0x7fffffff)

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

/* The topmost Via value, which may stand before others in its row. */
static int check_via(struct oh_msg *m, struct oh_fault *fault)
{
    struct oh_span rest, value;
    struct oh_fault inner = {0};
    int rc = required(m, OH_HEADER_VIA, fault, &rest);

    if (rc != OH_OK)
        return rc;
    /* Mostly there is one value, and no comma to look for in quotes. */
    value = rest;
    if (rest.n && memchr(rest.p, ',', rest.n)) {
        rc = oh_comma_next(&rest, &value);
        if (rc != OH_OK)
            return refuse(m, fault, OH_HEADER_VIA, rest, OH_E_SYNTAX, 0,
                          "Via values that cannot be told apart");
    }
    rc = oh__via_decode(value, &m->via, &inner);
    if (rc == OH_OK)
        return OH_OK;
    keep_sent_by(&m->via);
    return refuse(m, fault, OH_HEADER_VIA, value, rc, inner.at, inner.why);
}

/* From or To: the address, its URI and its tag, decoded in place. */
static int check_end(struct oh_msg *m, enum oh_header_id id, struct oh_address *address,
                     struct oh_uri *uri, struct oh_span *tag, struct oh_fault *fault)
{
    struct oh_span value, rest;
    struct oh_fault inner = {0};
    const char *why;
    int rc = required(m, id, fault, &value);

    if (rc != OH_OK)
        return rc;
    rc = oh__address_decode_tag(value, address, tag, &inner);
    if (rc == OH_OK) {
        rest = address->uri;
        why = address->star ? "'*' instead of an address" : oh__uri_decode(&rest, uri);
        if (!why)
            return OH_OK;
        inner = (struct oh_fault){OH_E_SYNTAX, 0, address->star ? 0 : (uint32_t)(rest.p - value.p),
                                  why};
    }
    /* Half-decoded fields are emptied, so that nobody works with them. */
    oh__clear(address, sizeof(*address));
    oh__clear(uri, sizeof(*uri));
    *tag = oh_span(NULL, 0);
    return refuse(m, fault, id, value, inner.code, inner.at, inner.why);
}

/* word [ "@" word ] */
static int check_call_id(struct oh_msg *m, struct oh_fault *fault)
{
    struct oh_span rest, part;
    int rc = required(m, OH_HEADER_CALL_ID, fault, &rest);

    if (rc != OH_OK)
        return rc;
    part = rest;
    if (!oh__lex_word(&rest, &part) || (oh__lex_char(&rest, '@') && !oh__lex_word(&rest, &part)) ||
        rest.n)
        return refuse(m, fault, OH_HEADER_CALL_ID, rest, OH_E_SYNTAX, 0,
                      "a Call-ID that is not one word, or two with '@' between");
    m->call_id = oh_msg_value(m, OH_HEADER_CALL_ID);
    return OH_OK;
}

/* Number and method; a number from 2^31 on is nobody's (RFC 3261 8.1.1.5). */
static int check_cseq(struct oh_msg *m, struct oh_fault *fault)
{
    struct oh_span value, rest, method;
    uint64_t number;
    int rc = required(m, OH_HEADER_CSEQ, fault, &value);

    if (rc != OH_OK)
        return rc;
    rest = value;
    if (!oh__lex_number(&rest, CSEQ_MAX, &number) || !rest.n || !oh__is(*rest.p, OH__C_LWS))
        return refuse(m, fault, OH_HEADER_CSEQ, rest, OH_E_SYNTAX, 0,
                      "a CSeq that does not begin with a number and a blank");
    if (number > CSEQ_MAX)
        return refuse(m, fault, OH_HEADER_CSEQ, value, OH_E_RANGE, 0, "a CSeq of 2^31 or more");
    oh__lex_lws(&rest);
    if (!oh__lex_token(&rest, &method) || rest.n)
        return refuse(m, fault, OH_HEADER_CSEQ, rest, OH_E_SYNTAX, 0,
                      "a CSeq that does not end with one method");
    m->cseq = (uint32_t)number;
    m->cseq_method_text = method;
    m->cseq_method = (uint8_t)oh_method_of(method);
    return OH_OK;
}

/* Max-Forwards of a request; above 255 it counts as absent (RFC 4475 3.1.2.4). */
static int check_max_forwards(struct oh_msg *m, struct oh_fault *fault)
{
    const struct oh_row *row = oh_msg_row(m, OH_HEADER_MAX_FORWARDS);
    struct oh_span value;
    uint64_t number;

    if (!row || !m->request)
        return OH_OK;
    if (row->next)
        return refuse(m, fault, OH_HEADER_MAX_FORWARDS, oh_row_name(m, oh_msg_row_next(m, row)),
                      OH_E_DUPLICATE, 0, "More than one Max-Forwards");
    value = oh_row_value(m, row);
    if (!oh__lex_number(&value, 255, &number) || value.n)
        return refuse(m, fault, OH_HEADER_MAX_FORWARDS, value, OH_E_SYNTAX, 0,
                      "a Max-Forwards that is not a number");
    m->max_forwards = number > 255 ? -1 : (int32_t)number;
    return OH_OK;
}

/* The Request-URI, and whether CSeq speaks of the same method. */
static int check_request(struct oh_msg *m, struct oh_fault *fault)
{
    struct oh_span rest = m->uri;
    const char *why = oh__uri_decode(&rest, &m->request_uri);

    if (why) {
        oh__clear(&m->request_uri, sizeof(m->request_uri));
        return refuse(m, fault, OH_HEADER_OTHER, rest, OH_E_SYNTAX, 0, why);
    }
    /* Last, so that a caller who answers 501 to an unknown method has everything else. */
    if (!oh_span_eq(m->cseq_method_text, m->method_text))
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
