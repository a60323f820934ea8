/*
 * A generator that parses each message in full spends more on the answers than
 * the server on making them. It needs a few rows only, and needs them as they
 * came: values are compared or copied, hardly ever decoded.
 */
#include "cmd/load_view.h"

#include "base/word.h"

#define STATUS_LINE "SIP/2.0 "
#define LONGEST     12 /* the longest name that is looked for: Record-Route */

/* What is looked for, by the length of its name. */
enum row { ROW_OTHER, ROW_VIA, ROW_FROM, ROW_TO, ROW_CALL_ID, ROW_CSEQ, ROW_CONTACT, ROW_ROUTE };

/* Whether a name is this one, without case; `lower` is as long as the name. */
static bool is(const char *name, const char *lower, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = name[i];

        if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != lower[i])
            return false;
    }
    return true;
}

/* The row of a name of n bytes; compact forms are those of RFC 3261 7.3.3. */
static enum row row_of(const char *name, size_t n)
{
    switch (n) {
    case 1:
        switch (name[0] | 0x20) {
        case 'v': return ROW_VIA;
        case 'f': return ROW_FROM;
        case 't': return ROW_TO;
        case 'i': return ROW_CALL_ID;
        case 'm': return ROW_CONTACT;
        default: return ROW_OTHER;
        }
    case 2: return is(name, "to", 2) ? ROW_TO : ROW_OTHER;
    case 3: return is(name, "via", 3) ? ROW_VIA : ROW_OTHER;
    case 4: return is(name, "from", 4) ? ROW_FROM : is(name, "cseq", 4) ? ROW_CSEQ : ROW_OTHER;
    case 7:
        return is(name, "call-id", 7)   ? ROW_CALL_ID
               : is(name, "contact", 7) ? ROW_CONTACT
                                        : ROW_OTHER;
    case 12: return is(name, "record-route", 12) ? ROW_ROUTE : ROW_OTHER;
    default: return ROW_OTHER;
    }
}

/* Adds a value to a list; false when there are too many. */
static bool add(struct oh_span *list, unsigned *n, struct oh_span value)
{
    if (*n == OH__VIEW_ROWS)
        return false;
    list[(*n)++] = value;
    return true;
}

/* Keeps the first value of a row that may stand once. */
static bool keep(struct oh_span *first, struct oh_span value)
{
    if (!first->p)
        *first = value;
    return true;
}

static bool put(struct oh__load_view *v, enum row row, struct oh_span value)
{
    switch (row) {
    case ROW_VIA: return add(v->vias, &v->vias_n, value);
    case ROW_ROUTE: return add(v->routes, &v->routes_n, value);
    case ROW_FROM: return keep(&v->from, value);
    case ROW_TO: return keep(&v->to, value);
    case ROW_CALL_ID: return keep(&v->call_id, value);
    case ROW_CSEQ: return keep(&v->cseq, value);
    case ROW_CONTACT: return keep(&v->contact, value);
    default: return true;
    }
}

/* Whether eight folded bytes begin with a name of n bytes, its colon included. */
static bool starts(uint64_t folded, const char name[8], unsigned n)
{
    return ((folded ^ oh__load64le(name)) << (64 - 8 * n)) == 0;
}

/*
 * The names as nearly everybody writes them, told by their first eight bytes. *n is the length with
 * the colon; ROW_OTHER leaves it to a closer look.
 */
static enum row usual_row(const char *p, unsigned *n)
{
    uint64_t folded = oh__fold64(oh__load64le(p));

    switch (folded & 0xff) {
    case 'v': return starts(folded, "via:\0\0\0", *n = 4) ? ROW_VIA : ROW_OTHER;
    case 'f': return starts(folded, "from:\0\0", *n = 5) ? ROW_FROM : ROW_OTHER;
    case 't': return starts(folded, "to:\0\0\0\0", *n = 3) ? ROW_TO : ROW_OTHER;
    case 'c':
        if (starts(folded, "cseq:\0\0", *n = 5))
            return ROW_CSEQ;
        *n = 8;
        return starts(folded, "call-id:", 8)   ? ROW_CALL_ID
               : starts(folded, "contact:", 8) ? ROW_CONTACT
                                               : ROW_OTHER;
    case 'r':
        *n = LONGEST + 1;
        return starts(folded, "record-r", 8) && is(p + 8, "oute:", 5) ? ROW_ROUTE : ROW_OTHER;
    default: return ROW_OTHER;
    }
}

/* What stands behind a colon: mostly one blank, and none at the end. */
static struct oh_span value_of(const char *p, const char *end)
{
    if (end - p > 2 && p[0] == ' ' && p[1] > ' ' && end[-1] > ' ')
        return oh_span(p + 1, (size_t)(end - p - 1));
    return oh_span_trim(oh_span(p, (size_t)(end - p)));
}

/* Takes a row off: "Name: value". False when it is not plain. */
static bool take_row(struct oh__load_view *v, const char *p, const char *end)
{
    const char *stop = end - p > LONGEST + 1 ? p + LONGEST + 1 : end, *colon;
    enum row row = ROW_OTHER;
    unsigned n;

    if (*p == ' ' || *p == '\t')
        return false;
    if (end - p > LONGEST)
        row = usual_row(p, &n);
    if (row != ROW_OTHER)
        return put(v, row, value_of(p + n, end));
    colon = memchr(p, ':', (size_t)(stop - p));
    /* A longer name is none of ours, but a blank may hide one: "Via   :". */
    if (!colon)
        return stop < end && stop[-1] != ' ' && stop[-1] != '\t';
    if (colon == p || colon[-1] == ' ' || colon[-1] == '\t')
        return false;
    row = row_of(p, (size_t)(colon - p));
    if (row == ROW_OTHER)
        return true;
    return put(v, row, value_of(colon + 1, end));
}

/* The method behind the number of CSeq. */
static uint8_t cseq_method(struct oh_span cseq)
{
    size_t n = 0;

    while (n < cseq.n && cseq.p[n] >= '0' && cseq.p[n] <= '9')
        n++;
    return n == 0 || n == cseq.n ? (uint8_t)OH_METHOD_OTHER
                                 : (uint8_t)oh_method_of(oh_span_trim(oh_span_from(cseq, n)));
}

/* Reads "SIP/2.0 200 OK" or "INVITE sip:... SIP/2.0". */
static bool take_first(struct oh__load_view *v, struct oh_span line)
{
    static const size_t at = sizeof STATUS_LINE - 1;
    ptrdiff_t blank;

    if (line.n > at + 3 && memcmp(line.p, STATUS_LINE, at) == 0) {
        const char *code = line.p + at;

        for (unsigned i = 0; i < 3; i++)
            if (code[i] < '0' || code[i] > '9')
                return false;
        v->status = (unsigned)(code[0] - '0') * 100 + (unsigned)(code[1] - '0') * 10 +
                    (unsigned)(code[2] - '0');
        return code[3] == ' ' && v->status >= 100 && v->status < 700;
    }
    blank = oh_span_find(line, ' ');
    if (blank <= 0 || line.n < at + 1 || memcmp(line.p + line.n - at, " SIP/2.0", at) != 0)
        return false;
    v->method = (uint8_t)oh_method_of(oh_span_head(line, (size_t)blank));
    return v->method != OH_METHOD_OTHER;
}

int oh__load_view_read(struct oh_span bytes, struct oh__load_view *out)
{
    const char *p = bytes.p, *end = bytes.p + bytes.n;
    bool first = true;

    out->raw = bytes;
    out->status = out->vias_n = out->routes_n = 0;
    out->from = out->to = out->call_id = out->cseq = out->contact = oh_span(NULL, 0);
    for (;;) {
        const char *lf = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;

        if (!lf || lf == p || lf[-1] != '\r')
            return OH_E_UNSUPPORTED;
        if (lf - 1 == p)
            break;
        if (first ? !take_first(out, oh_span(p, (size_t)(lf - 1 - p))) : !take_row(out, p, lf - 1))
            return OH_E_UNSUPPORTED;
        first = false;
        p = lf + 1;
    }
    if (first || !out->vias_n || !out->from.n || !out->to.n || !out->call_id.n || !out->cseq.n)
        return OH_E_UNSUPPORTED;
    if (out->status)
        out->method = cseq_method(out->cseq);
    return OH_OK;
}

/* Collects the values of all rows of a header. */
static int collect(const struct oh_msg *m, enum oh_header_id id, struct oh_span *list, unsigned *n)
{
    *n = 0;
    for (const struct oh_row *row = oh_msg_row(m, id); row; row = oh_msg_row_next(m, row))
        if (!add(list, n, oh_row_value(m, row)))
            return OH_E_LIMIT;
    return OH_OK;
}

int oh__load_view_of(const struct oh_msg *m, struct oh__load_view *out)
{
    int rc = collect(m, OH_HEADER_VIA, out->vias, &out->vias_n);

    if (rc == OH_OK)
        rc = collect(m, OH_HEADER_RECORD_ROUTE, out->routes, &out->routes_n);
    out->raw = m->raw;
    out->status = m->request ? 0 : m->status;
    out->method = (uint8_t)(m->request ? m->method : m->cseq_method);
    out->from = oh_msg_value(m, OH_HEADER_FROM);
    out->to = oh_msg_value(m, OH_HEADER_TO);
    out->call_id = m->call_id;
    out->cseq = oh_msg_value(m, OH_HEADER_CSEQ);
    out->contact = oh_msg_value(m, OH_HEADER_CONTACT);
    return rc;
}

/* ---- responses ---- */

static void put_row(struct oh_buf *out, const char *name, size_t n, struct oh_span value)
{
    oh_buf_put(out, name, n);
    oh_buf_span(out, value);
    oh_buf_lit(out, "\r\n");
}

#define PUT_ROW(out, name, value) put_row((out), name ": ", sizeof name ": " - 1, (value))

/* The topmost Via, with where the request really came from, and the others as they are. */
static int put_vias(const struct oh__load_view *v, const struct oh_flow *flow, struct oh_flow *back,
                    struct oh_buf *out)
{
    struct oh_span rest = v->vias[0], value;
    struct oh_via via;
    int rc = oh_comma_next(&rest, &value);

    if (rc == OH_OK)
        rc = oh_via_decode(value, &via, NULL);
    if (rc != OH_OK)
        return OH_E_SYNTAX;
    oh_buf_lit(out, "Via: ");
    oh_build_via_received(out, &via, flow);
    rest = oh_span_trim(rest);
    if (rest.n) {
        oh_buf_lit(out, ", ");
        oh_buf_span(out, rest);
    }
    oh_buf_lit(out, "\r\n");
    for (unsigned i = 1; i < v->vias_n; i++)
        PUT_ROW(out, "Via", v->vias[i]);
    oh_reply_flow(&via, flow, back);
    return OH_OK;
}

int oh__load_view_head(const struct oh__load_view *v, const struct oh_flow *flow, bool with_routes,
                       struct oh_span tag, struct oh_flow *back, struct oh_buf *out)
{
    struct oh_address to;
    int rc = put_vias(v, flow, back, out);

    if (rc == OH_OK && oh_address_decode(v->to, &to, NULL) != OH_OK)
        rc = OH_E_SYNTAX;
    if (rc != OH_OK)
        return rc;
    for (unsigned i = 0; with_routes && i < v->routes_n; i++)
        PUT_ROW(out, "Record-Route", v->routes[i]);
    PUT_ROW(out, "From", v->from);
    oh_buf_lit(out, "To: ");
    oh_buf_span(out, v->to);
    if (!oh_address_tag(&to).n) {
        oh_buf_lit(out, ";tag=");
        oh_buf_span(out, tag);
    }
    oh_buf_lit(out, "\r\n");
    PUT_ROW(out, "Call-ID", v->call_id);
    PUT_ROW(out, "CSeq", v->cseq);
    return oh_buf_error(out);
}
