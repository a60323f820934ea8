/*
 * A message: one pass finds the start line and every header as offsets into
 * the received bytes; values are decoded when somebody asks. Nothing is
 * copied, nothing allocated. One function serves datagrams and streams.
 */
#ifndef OFFHOOK_MSG_H
#define OFFHOOK_MSG_H

#include <offhook/address.h>
#include <offhook/header.h>
#include <offhook/method.h>
#include <offhook/via.h>

#define OH_MSG_HEADERS_MAX 256 /* rows; more is OH_E_LIMIT (513) */

struct oh_row {
    uint32_t name, value; /* offsets in bytes from raw.p; the value is without blanks at its ends,
                             folds inside remain */
    uint32_t value_len;
    uint16_t name_len;
    uint16_t next; /* index + 1 of the next row with the same id, 0 = none */
    uint16_t id;   /* enum oh_header_id */
    uint32_t end;  /* offset behind the row's CRLF (folded lines included) */
};

struct oh_msg {
    struct oh_span raw;   /* start line .. end of body; noise behind is not in it */
    struct oh_span start; /* the start line without CRLF */
    bool request;
    uint8_t method;  /* enum oh_method; of the CSeq in a response once oh_msg_check has run */
    uint16_t status; /* 0 in a request */
    struct oh_span method_text; /* request only */
    struct oh_span uri;         /* Request-URI as received; request only */
    struct oh_span reason;      /* response only */
    struct oh_span version;     /* "SIP/2.0" */
    uint32_t body_at;           /* offset of the body = behind the empty line */
    struct oh_span body;
    bool has_length; /* a Content-Length row was there */
    uint16_t rows_n;
    struct oh_row rows[OH_MSG_HEADERS_MAX];
    uint16_t first[OH_HEADER_COUNT]; /* index + 1 of the first row of an id, 0 = none */

    /* Filled by oh_msg_check. */
    struct oh_via via; /* topmost */
    struct oh_address from, to;
    struct oh_uri from_uri, to_uri; /* scheme OTHER is fine here */
    struct oh_uri request_uri;      /* request only; scheme OTHER is fine (416) */
    struct oh_span from_tag, to_tag;
    struct oh_span call_id;
    uint32_t cseq;
    uint8_t cseq_method; /* enum oh_method */
    struct oh_span cseq_method_text;
    int32_t max_forwards; /* -1 = absent (or above 255, RFC 4475 3.1.2.4) */
};

struct oh_msg_limits {
    uint32_t message; /* bytes of start line, headers and body; 0 = 65,535 */
    uint32_t headers; /* bytes before the body; 0 = 32,768 */
    uint32_t body;    /* bytes; 0 = 16,384 */
    uint32_t uri;     /* bytes of the Request-URI; 0 = 1,024 */
};

enum oh_msg_mode { OH_MSG_DATAGRAM, OH_MSG_STREAM };

/*
 * Indexes one message at the start of bytes.
 *
 * OH_OK: *used bytes were consumed (leading CRLFs included).
 * OH_E_INCOMPLETE (stream only): more bytes are needed; *used (leading CRLFs) may be dropped.
 * OH_E_ABSENT: only CRLFs, NULs or fewer than a start line's bytes in a datagram: ignore it
 *   (RFC 3261 7.5, RFC 5626 3.5.1).
 * OH_E_VERSION: a request of another SIP version, rows as far as readable (505).
 * OH_E_LIMIT: the start line and the rows read so far are valid; oh_msg_fault_status tells which
 *   limit it was (413, 414, 513).
 * OH_E_SYNTAX, OH_E_DUPLICATE: not a message, or framing in doubt (Content-Length negative, not a
 *   number, twice, longer than a datagram; a stream without Content-Length; a bare CR or LF, or a
 *   NUL that is not escaped, in the headers). The rows that are fine are valid, so that 400 can be
 *   sent when there is a Via.
 * All errors but OH_E_INCOMPLETE consume everything; a stream has to be closed then. fault (may be
 * NULL) is filled on every error. What oh_msg_check fills is empty until it has run.
 */
int oh_msg_parse(struct oh_span bytes, enum oh_msg_mode mode, const struct oh_msg_limits *limits,
                 struct oh_msg *msg, size_t *used, struct oh_fault *fault);

/* The status that answers a fault of oh_msg_parse or oh_msg_check: 400, 413, 414, 505 or 513. */
unsigned oh_msg_fault_status(const struct oh_fault *fault);

/*
 * Decodes and checks what every element needs: Via, From, To, Call-ID, CSeq, Max-Forwards and the
 * Request-URI; each there once (RFC 4475 3.3.8), CSeq method equal to the request's. OH_OK or the
 * first fault, OH_E_ABSENT for a header that is missing; fields decoded before it are valid and the
 * others empty, so that an error reply can copy what exists (SYN-009). CSeq is compared last: with
 * an unknown method, 501 is the better answer (RFC 4475 3.1.2.18).
 */
int oh_msg_check(struct oh_msg *msg, struct oh_fault *fault);

/* The i-th row's value. */
static inline struct oh_span oh_row_value(const struct oh_msg *m, const struct oh_row *r)
{
    return oh_span(m->raw.p + r->value, r->value_len);
}

/* The i-th row's name as received. */
static inline struct oh_span oh_row_name(const struct oh_msg *m, const struct oh_row *r)
{
    return oh_span(m->raw.p + r->name, r->name_len);
}

/* The first row with this id, or NULL. */
static inline const struct oh_row *oh_msg_row(const struct oh_msg *m, enum oh_header_id id)
{
    return m->first[id] ? &m->rows[m->first[id] - 1] : NULL;
}

/* The next row with the same id, or NULL. */
static inline const struct oh_row *oh_msg_row_next(const struct oh_msg *m, const struct oh_row *r)
{
    return r->next ? &m->rows[r->next - 1] : NULL;
}

/* The value of the first row with this id; p == NULL when there is none. */
struct oh_span oh_msg_value(const struct oh_msg *m, enum oh_header_id id);

/*
 * The next row of an unknown header by name (without case) after row `after` (NULL = from the
 * start), or NULL.
 */
const struct oh_row *oh_msg_other(const struct oh_msg *m, struct oh_span name,
                                  const struct oh_row *after);

/* Walks the values of a list header over all rows and commas. Start with {0}. */
struct oh_list {
    uint16_t row; /* index + 1 of the row being walked */
    uint32_t at;  /* offset of the rest inside the row's value */
    bool begun;
};

/*
 * Gives the next value of a list header, blanks cut. OH_OK, OH_E_ABSENT at the end, OH_E_SYNTAX for
 * unbalanced quotes or brackets. An empty element between commas is skipped.
 */
int oh_list_next(const struct oh_msg *m, enum oh_header_id id, struct oh_list *it,
                 struct oh_span *value);

/* A value of a list of addresses, read down to its URI. */
struct oh_msg_address {
    struct oh_span value;      /* the whole value */
    struct oh_address address; /* star (Contact only): uri is empty */
    struct oh_uri uri;
    struct oh_span tag; /* empty when absent */
};

/*
 * oh_list_next, oh_address_decode and oh_uri_parse at once, for Contact, Route, Record-Route, Path
 * and their kin; does the work of the three in one pass. OH_OK, OH_E_ABSENT at the end, or what the
 * three return: then *out is half filled, the walk is behind the value (but for unbalanced quotes
 * or brackets, where it stays), and fault (may be NULL) has an offset relative to the value.
 */
int oh_msg_address_next(const struct oh_msg *m, enum oh_header_id id, struct oh_list *it,
                        struct oh_msg_address *out, struct oh_fault *fault);

/* Takes the next comma-separated element off *rest; quotes and <> protect commas. As oh_list_next.
 */
int oh_comma_next(struct oh_span *rest, struct oh_span *value);

/* True when a token list header (Require, Supported, Allow ...) has the token (without case). */
bool oh_msg_has_token(const struct oh_msg *m, enum oh_header_id id, struct oh_span token);

/*
 * A NUMBER header's value: OH_OK, OH_E_ABSENT, OH_E_SYNTAX; overflow gives 2^32-1. Parameters
 * behind it are ignored.
 */
int oh_msg_number(const struct oh_msg *m, enum oh_header_id id, uint32_t *out);

#endif
