#include "proxy_harness.h"

#include <stdio.h>

void phones_prepare(struct phones *p)
{
    memset(p, 0, sizeof *p);
    harness_init(&p->h);
    p->h.settings->no_auth = true;
    for (unsigned i = 0; i < PHONES; i++) {
        char text[32];

        snprintf(text, sizeof text, "192.0.2.%u:5060", 10 + i);
        p->flow[i] = harness_flow(OH_TRANSPORT_UDP, text, 0);
    }
}

void phones_start(struct phones *p)
{
    harness_start(&p->h);
}

void phones_init(struct phones *p)
{
    phones_prepare(p);
    phones_start(p);
}

void phones_done(struct phones *p)
{
    harness_done(&p->h);
}

void phones_tcp(struct phones *p, unsigned i, uint64_t id)
{
    char text[32];

    snprintf(text, sizeof text, "192.0.2.%u:40000", 10 + i);
    p->flow[i] = harness_flow(OH_TRANSPORT_TCP, text, id);
}

void phone_send(struct phones *p, unsigned i, const char *format, ...)
{
    static char text[32768];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_true(n > 0 && (size_t)n < sizeof text);
    p->h.flow = p->flow[i];
    harness_input(&p->h, "%s", text);
    oh__serve_check(p->h.s);
}

static const char *via_of(const struct phones *p, unsigned i)
{
    return p->flow[i].transport == OH_TRANSPORT_UDP ? "UDP" : "TCP";
}

void phone_register_as(struct phones *p, unsigned i, const char *user, const char *contact,
                       const char *rows)
{
    unsigned n = ++p->cseq;

    harness_clear(&p->h);
    phone_send(
        p, i,
        "REGISTER sip:example.test SIP/2.0\nVia: SIP/2.0/%s 192.0.2.%u;branch=z9hG4bKreg%u;rport\n"
        "Max-Forwards: 70\n"
        "From: <sip:%s@example.test>;tag=r\nTo: <sip:%s@example.test>\nCall-ID: reg%u-%s\n"
        "CSeq: %u REGISTER\n"
        "Contact: %s\nExpires: 3600\n%sContent-Length: 0\n\n",
        via_of(p, i), 10 + i, n, user, user, i, user, n, contact, rows);
    assert_int_equal(harness_code(&p->h), 200);
    harness_clear(&p->h);
}

void phone_register(struct phones *p, unsigned i, const char *user, const char *params)
{
    char contact[256];

    snprintf(contact, sizeof contact, "<sip:%s@192.0.2.%u%s>%s", user, 10 + i,
             p->flow[i].transport == OH_TRANSPORT_UDP ? "" : ";transport=tcp", params);
    phone_register_as(p, i, user, contact, "");
}

void phone_request(struct phones *p, const char *method, const char *call, const char *uri,
                   const char *rows)
{
    phone_send(
        p, 0,
        "%s %s SIP/2.0\nVia: SIP/2.0/%s 192.0.2.10;branch=z9hG4bK%s;rport\nMax-Forwards: 70\n"
        "From: \"Alice\" <sip:101@example.test>;tag=a\nTo: <%s>\nCall-ID: %s\nCSeq: 1 %s\n"
        "Contact: <sip:101@192.0.2.10>\n%sContent-Length: 0\n\n",
        method, uri, via_of(p, 0), call, uri, call, method, rows);
}

void phone_invite(struct phones *p, const char *call, const char *user, const char *rows)
{
    char uri[128];

    snprintf(uri, sizeof uri, "sip:%s@example.test", user);
    phone_request(p, "INVITE", call, uri, rows);
}

void phone_cancel(struct phones *p, const char *call, const char *uri, const char *rows)
{
    phone_send(
        p, 0,
        "CANCEL %s SIP/2.0\nVia: SIP/2.0/%s 192.0.2.10;branch=z9hG4bK%s;rport\nMax-Forwards: 70\n"
        "From: \"Alice\" <sip:101@example.test>;tag=a\nTo: <%s>\nCall-ID: %s\nCSeq: 1 CANCEL\n"
        "%sContent-Length: 0\n\n",
        uri, via_of(p, 0), call, uri, call, rows);
}

/* True when the same bytes went to the same place before. */
static bool repeated(const struct phones *p, unsigned k)
{
    const struct harness_send *send = &p->h.sends[k];

    for (unsigned i = 0; i < k; i++) {
        const struct harness_send *old = &p->h.sends[i];

        if (old->n == send->n && memcmp(old->bytes, send->bytes, send->n) == 0 &&
            oh_flow_same(&old->flow, &send->flow))
            return true;
    }
    return false;
}

/* Walks the messages to phone i, newest first; method NULL: responses of this status. Counts, and
 * gives the first's index. */
static unsigned walk(struct phones *p, unsigned i, const char *method, unsigned status, int *at)
{
    unsigned n = 0;

    *at = -1;
    for (unsigned k = p->h.sends_n; k-- > 0;) {
        if (!oh_flow_same(&p->h.sends[k].flow, &p->flow[i]))
            continue;
        const struct oh_msg *m = harness_message(&p->h, k);
        bool same = method ? m->request && oh_span_eq(m->method_text, oh_span_str(method))
                           : m->status == status;

        if (!same || (method && repeated(p, k)))
            continue;
        n++;
        if (*at < 0)
            *at = (int)k;
    }
    return n;
}

int phone_request_at(struct phones *p, unsigned i, const char *method)
{
    int at;

    walk(p, i, method, 0, &at);
    return at;
}

int phone_status_at(struct phones *p, unsigned i, unsigned status)
{
    int at;

    walk(p, i, NULL, status, &at);
    return at;
}

unsigned phone_requests(struct phones *p, unsigned i, const char *method)
{
    int at;

    return walk(p, i, method, 0, &at);
}

unsigned phone_statuses(struct phones *p, unsigned i, unsigned status)
{
    int at;

    return walk(p, i, NULL, status, &at);
}

const struct oh_msg *phone_got(struct phones *p, unsigned i, const char *method)
{
    int at = phone_request_at(p, i, method);

    if (at < 0)
        fail_msg("phone %u got no %s", i, method);
    return harness_message(&p->h, (unsigned)at);
}

const struct oh_msg *phone_got_status(struct phones *p, unsigned i, unsigned status)
{
    int at = phone_status_at(p, i, status);

    if (at < 0)
        fail_msg("phone %u got no %u", i, status);
    return harness_message(&p->h, (unsigned)at);
}

void phone_reply(struct phones *p, unsigned i, const char *method, unsigned status,
                 const char *rows)
{
    static char text[32768];
    char tag[16], headers[2048];
    const struct oh_msg *m = phone_got(p, i, method);
    struct oh_buf out, more;

    snprintf(tag, sizeof tag, "t%u", i);
    oh_buf_init(&more, headers, sizeof headers);
    for (const char *c = rows; *c; c++) {
        if (*c == '\n')
            oh_buf_char(&more, '\r');
        oh_buf_char(&more, *c);
    }
    oh_buf_init(&out, text, sizeof text);
    assert_int_equal(oh_build_reply(&out, m, NULL,
                                    &(struct oh_reply){.code = status,
                                                       .to_tag = status > 100 ? oh_span_str(tag)
                                                                              : oh_span("", 0),
                                                       .headers = oh_buf_view(&more)}),
                     OH_OK);
    harness_bytes(&p->h, &p->flow[i], oh_buf_view(&out));
    oh__serve_check(p->h.s);
}

bool message_has(const struct oh_msg *m, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i + n <= m->raw.n; i++)
        if (memcmp(m->raw.p + i, text, n) == 0)
            return true;
    return false;
}

struct oh_span message_value(const struct oh_msg *m, enum oh_header_id id, unsigned i)
{
    struct oh_list it = {0};
    struct oh_span value;

    while (oh_list_next(m, id, &it, &value) == OH_OK)
        if (i-- == 0)
            return value;
    return oh_span("", 0);
}

const char *routes_of(const struct oh_msg *m, bool backwards, char *out, size_t cap)
{
    unsigned n = 0;
    size_t used = 0;

    out[0] = 0;
    while (message_value(m, OH_HEADER_RECORD_ROUTE, n).n)
        n++;
    for (unsigned i = 0; i < n; i++) {
        struct oh_span v = message_value(m, OH_HEADER_RECORD_ROUTE, backwards ? n - 1 - i : i);

        used += (size_t)snprintf(out + used, cap - used, "Route: %.*s\n", OH_PRI(v));
        assert_true(used < cap);
    }
    return out;
}

void assert_span_(struct oh_span span, const char *text, const char *file, int line)
{
    if (!oh_span_eq(span, oh_span_str(text))) {
        print_error("got '%.*s', want '%s'\n", OH_PRI(span), text);
        _fail(file, line);
    }
}

void phone_ack(struct phones *p, const char *call, const char *uri)
{
    phone_send(p, 0,
               "ACK %s SIP/2.0\nVia: SIP/2.0/%s 192.0.2.10;branch=z9hG4bK%s;rport\n"
               "Max-Forwards: 70\nFrom: \"Alice\" <sip:101@example.test>;tag=a\nTo: <%s>;tag=x\n"
               "Call-ID: %s\nCSeq: 1 ACK\nContent-Length: 0\n\n",
               uri, via_of(p, 0), call, uri, call);
}
