/*
 * Reading a message. oh_msg_parse decides framing and nothing else: where rows
 * begin and end, where the body ends, and whether somebody else could see that
 * differently, in which case the message is refused (a forwarded message that
 * two elements frame in two ways is how requests are smuggled). oh_msg_check
 * decodes what every element needs. Everything else is decoded when asked for.
 *
 * A broken row does not stop the index: the other rows are needed to send the
 * 400, so the first fault is remembered and reported at the end.
 */
#include <offhook/msg.h>

#include "sip/scan.h"
#include "sip/wide.h"

#define START_MIN 12 /* bytes of "SIP/2.0 200 " and of "A b: SIP/2.0" */

/* The phrases by which oh_msg_fault_status tells the limits apart. */
static const char why_uri[] = "the Request-URI is longer than the limit";
static const char why_body[] = "the body is longer than the limit";

/* What one call of oh_msg_parse passes around. */
struct parse {
    struct oh_msg *m;
    struct oh_msg_limits limits;
    struct oh_fault fault; /* the first one; code 0 = none */
};

/* Remembers a fault unless there is one already. */
static void note(struct parse *ps, int code, enum oh_header_id id, size_t at, const char *why)
{
    if (ps->fault.code == OH_OK)
        ps->fault = (struct oh_fault){code, (uint16_t)id, (uint32_t)at, why};
}

static struct oh_msg_limits limits_of(const struct oh_msg_limits *given)
{
    struct oh_msg_limits l = given ? *given : (struct oh_msg_limits){0};

    l.message = l.message ? l.message : 65535;
    l.headers = l.headers ? l.headers : 32768;
    l.body = l.body ? l.body : 16384;
    l.uri = l.uri ? l.uri : 1024;
    return l;
}

/* Bytes before the start line that mean nothing (RFC 3261 7.5; keep-alives of RFC 5626 3.5.1). */
static size_t leading(struct oh_span bytes, enum oh_msg_mode mode)
{
    size_t i = 0;

    /* A stream must keep what could be the first half of CR LF; a datagram is all there is. */
    if (mode == OH_MSG_STREAM) {
        while (i + 1 < bytes.n && bytes.p[i] == '\r' && bytes.p[i + 1] == '\n')
            i += 2;
        return i;
    }
    while (i < bytes.n && (bytes.p[i] == '\r' || bytes.p[i] == '\n' || bytes.p[i] == '\0'))
        i++;
    return i;
}

/* True for "SIP/" digits "." digits. */
static bool is_version(struct oh_span s)
{
    uint64_t number;

    if (s.n < 4 || !oh_span_ieq(oh_span_head(s, 4), OH_LIT("SIP/")))
        return false;
    oh__skip(&s, 4);
    return oh__lex_number(&s, 1000, &number) && oh__lex_char(&s, '.') &&
           oh__lex_number(&s, 1000, &number) && s.n == 0;
}

static bool is_ours(struct oh_span version)
{
    return version.n == 7 &&
           (memcmp(version.p, "SIP/2.0", 7) == 0 || oh_span_ieq(version, OH_LIT("SIP/2.0")));
}

/* "SIP/2.0 200 OK"; the reason may be empty, and so may the blank before it. */
static void status_line(struct parse *ps, struct oh_span rest)
{
    struct oh_msg *m = ps->m;
    struct oh_span code;
    uint32_t status;

    m->version = oh_span_head(rest, oh__run(rest, OH__C_TOKEN | OH__C_WORD));
    oh__skip(&rest, m->version.n);
    if (!is_ours(m->version)) {
        note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, 0, "a response of another version than SIP/2.0");
        return;
    }
    /* Exactly three digits: a longer number is no status, however it begins (RFC 4475 3.1.2.19). */
    code = oh_span_head(oh_span_from(rest, 1), 3);
    if (!oh__at(rest, ' ') || oh_span_u32(code, 699, &status) || code.n != 3 || status < 100 ||
        (rest.n > 4 && rest.p[4] != ' ')) {
        note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, m->version.n,
             "a status code that is not 100 to 699");
        return;
    }
    m->status = (uint16_t)status;
    m->reason = oh_span_from(rest, 5);
}

/* "INVITE sip:bob@example.com SIP/2.0", with exactly one blank between the parts. */
static void request_line(struct parse *ps, struct oh_span rest, size_t method_n)
{
    struct oh_msg *m = ps->m;
    const char *blank, *end;

    if (!method_n || method_n >= rest.n || rest.p[method_n] != ' ') {
        note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, method_n, "no method and one blank at the start");
        return;
    }
    /* One blank between the parts: a second one would be part of the next (RFC 4475 3.1.2.9). */
    m->method_text = oh_span_head(rest, method_n);
    m->method = (uint8_t)oh_method_of(m->method_text);
    oh__skip(&rest, method_n + 1);
    end = rest.p + rest.n;
    blank = oh__find(rest.p, end, m->raw.p + m->raw.n, ' ');
    m->uri = oh_span_head(rest, (size_t)(blank - rest.p));
    if (blank == end || !m->uri.n) {
        note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, method_n + 1,
             blank < end ? "more than one blank behind the method"
                         : "no SIP version behind the URI");
        return;
    }
    oh__skip(&rest, m->uri.n + 1);
    m->version = rest;
    if (is_ours(rest)) {
        if (m->uri.n > ps->limits.uri)
            note(ps, OH_E_LIMIT, OH_HEADER_OTHER, method_n + 1, why_uri);
    } else if (is_version(rest)) {
        note(ps, OH_E_VERSION, OH_HEADER_OTHER, (size_t)(rest.p - m->raw.p),
             "a version other than SIP/2.0");
    } else {
        note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, (size_t)(rest.p - m->raw.p),
             "something other than a SIP version behind the URI");
    }
}

/* Reads Content-Length; false when it must not be believed. */
static bool content_length(struct parse *ps, uint32_t *length)
{
    const struct oh_msg *m = ps->m;
    const struct oh_row *row = oh_msg_row(m, OH_HEADER_CONTENT_LENGTH);
    struct oh_span value;
    const char *why, *end;
    uint64_t v;

    /* Even when both say the same: somebody on the way may take the other one. */
    if (row->next) {
        note(ps, OH_E_DUPLICATE, OH_HEADER_CONTENT_LENGTH, m->rows[row->next - 1].name,
             "more than one Content-Length header");
        return false;
    }
    value = oh_row_value(m, row);
    end = value.p + value.n;
    if (value.n && oh__digits_skip(value.p, end, UINT32_MAX, &v) == end) {
        if (v <= UINT32_MAX) {
            *length = (uint32_t)v;
            return true;
        }
        why = "a Content-Length above 4294967295";
    } else {
        why = value.n ? "a Content-Length that is not a number" : "an empty Content-Length";
    }
    note(ps, OH_E_SYNTAX, OH_HEADER_CONTENT_LENGTH, row->value, why);
    return false;
}

/* Cuts the body. OH_E_INCOMPLETE when a stream has not brought it yet. */
static int frame_body(struct parse *ps, enum oh_msg_mode mode)
{
    struct oh_msg *m = ps->m;
    uint32_t have = (uint32_t)m->raw.n - m->body_at, length = have;
    size_t at = m->body_at;

    m->has_length = m->first[OH_HEADER_CONTENT_LENGTH] != 0;
    if (m->has_length) {
        at = oh_msg_row(m, OH_HEADER_CONTENT_LENGTH)->value;
        if (!content_length(ps, &length))
            return OH_OK;
    } else if (mode == OH_MSG_STREAM) {
        note(ps, OH_E_SYNTAX, OH_HEADER_CONTENT_LENGTH, at, "no Content-Length on a stream");
        return OH_OK;
    }
    /* A body that was cut on the way must not pass for a whole one (RFC 3261 18.3). */
    if (length > have && mode == OH_MSG_DATAGRAM) {
        note(ps, OH_E_SYNTAX, OH_HEADER_CONTENT_LENGTH, at,
             "a Content-Length larger than what the datagram holds");
        return OH_OK;
    }
    /* Limits before waiting: nobody can make us wait for four gigabytes. */
    if (length > ps->limits.body)
        note(ps, OH_E_LIMIT, OH_HEADER_CONTENT_LENGTH, at, why_body);
    else if (length > ps->limits.message - m->body_at || m->body_at > ps->limits.message)
        note(ps, OH_E_LIMIT, OH_HEADER_OTHER, m->body_at, "the message is longer than the limit");
    if (length > have)
        return ps->fault.code == OH_OK ? OH_E_INCOMPLETE : OH_OK;
    m->body = oh_span(m->raw.p + m->body_at, length);
    m->raw.n = m->body_at + length;
    return OH_OK;
}

/* Turns what ended the scan too early into a fault; OH_E_INCOMPLETE when a stream may go on. */
static int scan_fault(struct parse *ps, enum oh__scan_result r, size_t at, enum oh_msg_mode mode,
                      bool over)
{
    switch (r) {
    case OH__SCAN_BARE_CR:
        note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, at, "a CR that no LF follows");
        return OH_OK;
    case OH__SCAN_BARE_LF:
        note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, at, "a line that ends in LF instead of CR LF");
        return OH_OK;
    case OH__SCAN_NUL:
        note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, at, "a NUL byte in the headers");
        return OH_OK;
    case OH__SCAN_ROWS:
        note(ps, OH_E_LIMIT, OH_HEADER_OTHER, at, "more header rows than any message needs");
        return OH_OK;
    default: break;
    }
    if (over)
        note(ps, OH_E_LIMIT, OH_HEADER_OTHER, at, "the headers are longer than the limit");
    else if (mode == OH_MSG_STREAM)
        return OH_E_INCOMPLETE;
    else
        note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, at, "no empty line behind the headers");
    return OH_OK;
}

/* The first line: a request or a response. */
static void start_line(struct parse *ps)
{
    struct oh_msg *m = ps->m;
    struct oh_span start = m->start;
    const char *behind = oh__skip_wide(start.p, start.p + start.n, m->raw.p + m->raw.n,
                                       OH__C_TOKEN);
    size_t token = (size_t)(behind - start.p);

    m->request = !(token == 3 && start.n > 3 && start.p[3] == '/' &&
                   oh_span_ieq(oh_span_head(start, 3), OH_LIT("SIP")));
    if (m->request)
        request_line(ps, start, token);
    else
        status_line(ps, start);
}

/* Empties what parse and check fill. Rows are written before they are read, so only what lies round
 * them is cleared. */
static void clear(struct oh_msg *m)
{
    oh__clear(m, offsetof(struct oh_msg, rows));
    oh__clear(m->first, sizeof(*m) - offsetof(struct oh_msg, first));
}

/* Everything behind the leading bytes: m->raw is what there is. OH_E_INCOMPLETE, or OH_OK with
 * ps->fault. */
static int parse_raw(struct parse *ps, enum oh_msg_mode mode)
{
    struct oh_msg *m = ps->m;
    /* The scan never looks behind the limit, so its cost is bounded, too. */
    bool over = m->raw.n > ps->limits.headers;
    struct oh__scan s;
    enum oh__scan_result r = oh__scan(m->raw.p, over ? ps->limits.headers : m->raw.n, m, &s);

    m->start = oh_span_head(m->raw, s.start_n);
    /* What is wrong with the start line comes first, then what broke the scan off, then a row. */
    if (s.start_n) {
        start_line(ps);
        if (s.start_folded)
            note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, 0, "a folded start line");
    }
    if (r != OH__SCAN_DONE && scan_fault(ps, r, s.at, mode, over) != OH_OK) {
        struct oh_span raw = m->raw;

        /* Half a header section is nothing yet. */
        clear(m);
        m->raw = raw;
        return OH_E_INCOMPLETE;
    }
    if (s.broken)
        note(ps, OH_E_SYNTAX, OH_HEADER_OTHER, s.broken_at, s.broken);
    m->body_at = r == OH__SCAN_DONE ? s.at : (uint32_t)m->raw.n;
    m->body = oh_span_from(m->raw, m->body_at);
    return r == OH__SCAN_DONE ? frame_body(ps, mode) : OH_OK;
}

int oh_msg_parse(struct oh_span bytes, enum oh_msg_mode mode, const struct oh_msg_limits *limits,
                 struct oh_msg *msg, size_t *used, struct oh_fault *fault)
{
    struct parse ps = {.m = msg, .limits = limits_of(limits)};
    size_t skip = leading(bytes, mode);
    int rc;

    clear(msg);
    msg->raw = oh_span_from(bytes, skip);
    if (msg->raw.n > UINT32_MAX - 64)
        msg->raw.n = UINT32_MAX - 64;
    if (mode == OH_MSG_DATAGRAM && msg->raw.n < START_MIN) {
        *used = bytes.n;
        return oh__fail(fault, OH_E_ABSENT, 0, "no message in the datagram");
    }
    rc = msg->raw.n ? parse_raw(&ps, mode) : OH_E_INCOMPLETE;
    if (rc == OH_E_INCOMPLETE) {
        *used = skip;
        return oh__fail(fault, rc, msg->raw.n, "more bytes are needed");
    }
    if (ps.fault.code != OH_OK) {
        *used = bytes.n;
        if (fault)
            *fault = ps.fault;
        return ps.fault.code;
    }
    *used = mode == OH_MSG_STREAM ? skip + msg->raw.n : bytes.n;
    return OH_OK;
}

unsigned oh_msg_fault_status(const struct oh_fault *fault)
{
    switch (fault->code) {
    case OH_E_VERSION: return 505;
    case OH_E_LIMIT: return fault->why == why_uri ? 414 : fault->why == why_body ? 413 : 513;
    default: return 400;
    }
}
