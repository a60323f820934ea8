#include "unit/core/harness.h"

void rig_init(struct rig *r, const struct oh_endpoint_options *options)
{
    memset(r, 0, sizeof(*r));
    test_heap_init(&r->heap);
    r->now = START;
    if (options)
        r->options = *options;
    r->options.alloc = &r->heap.alloc;
    memset(r->options.secret, 7, sizeof(r->options.secret));
    assert_int_equal(oh_endpoint_new(&r->options, r->now, &r->ep), OH_OK);
}

void rig_done(struct rig *r)
{
    rig_forget(r);
    oh_endpoint_free(r->ep);
    free(r->bytes);
    free(r->request_bytes);
    assert_int_equal(r->heap.blocks, 0);
    assert_int_equal(r->heap.bytes, 0);
}

struct oh_flow rig_flow(uint8_t transport)
{
    struct oh_flow f = {.transport = transport};

    f.local = (struct oh_addr){OH_FAMILY_IPV4, 5060, {192, 0, 2, 1}, 0};
    f.peer = (struct oh_addr){OH_FAMILY_IPV4, 5060, {192, 0, 2, 2}, 0};
    if (oh_transport_reliable(transport))
        f.id = 7;
    return f;
}

static char *copy(struct oh_span s)
{
    char *p = malloc(s.n + 1);

    assert_non_null(p);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return p;
}

/* Holds a request for longer than its input lasts. */
static void hold(struct rig *r, const struct oh_output *out)
{
    size_t used;

    free(r->request_bytes);
    r->request_bytes = copy(out->msg->raw);
    assert_int_equal(oh_msg_parse(oh_span(r->request_bytes, out->msg->raw.n), OH_MSG_DATAGRAM,
                                  &r->options.limits, &r->request, &used, NULL),
                     OH_OK);
    assert_int_equal(oh_msg_check(&r->request, NULL), OH_OK);
    r->msg = out->msg;
    r->flow = out->flow;
}

void rig_take(struct rig *r)
{
    struct oh_output out;

    while (oh_endpoint_take(r->ep, &out)) {
        struct taken *t = &r->taken[r->n];

        assert_true(r->n < OUTPUTS_MAX);
        t->out = out;
        t->at = (r->now - START) / MS;
        t->text = copy(out.kind == OH_OUT_SEND ? out.bytes
                       : out.msg               ? out.msg->raw
                                               : oh_span(NULL, 0));
        if (out.kind == OH_OUT_REQUEST)
            hold(r, &out);
        r->n++;
    }
    oh_endpoint_check(r->ep);
}

int rig_input(struct rig *r, const struct oh_flow *flow, const char *text)
{
    size_t n = strlen(text);
    char *old = r->bytes;
    int result;

    r->bytes = malloc(n ? n : 1);
    assert_non_null(r->bytes);
    memcpy(r->bytes, text, n);
    r->msg = NULL;
    result = oh_endpoint_input(r->ep, r->now, flow, oh_span(r->bytes, n));
    free(old);
    rig_take(r);
    return result;
}

int rig_udp(struct rig *r, const char *text)
{
    struct oh_flow flow = rig_flow(OH_TRANSPORT_UDP);

    return rig_input(r, &flow, text);
}

void rig_until(struct rig *r, uint64_t ms)
{
    uint64_t end = START + ms * MS;

    for (;;) {
        uint64_t next = oh_endpoint_deadline(r->ep);

        if (next > end)
            break;
        if (next > r->now)
            r->now = next;
        oh_endpoint_expire(r->ep, r->now, 1000);
        rig_take(r);
    }
    r->now = end;
}

void rig_forget(struct rig *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->taken[i].text);
    r->n = 0;
}

static bool is(const struct taken *t, enum oh_output_kind kind, const char *start)
{
    return t->out.kind == kind && strncmp(t->text, start, strlen(start)) == 0;
}

size_t rig_count(const struct rig *r, enum oh_output_kind kind, const char *start)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        n += is(&r->taken[i], kind, start);
    return n;
}

const struct taken *rig_get(const struct rig *r, enum oh_output_kind kind, const char *start,
                            size_t i)
{
    for (size_t k = 0; k < r->n; k++) {
        if (is(&r->taken[k], kind, start) && i-- == 0)
            return &r->taken[k];
    }
    fail_msg("no such output: kind %d, '%s'", (int)kind, start);
    return NULL;
}

void rig_times(const struct rig *r, enum oh_output_kind kind, const char *start, const uint64_t *ms,
               size_t n)
{
    assert_int_equal(rig_count(r, kind, start), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rig_get(r, kind, start, i)->at, ms[i]);
}

void rig_quiet(const struct rig *r)
{
    for (size_t i = 0; i < r->n; i++)
        fail_msg("unexpected output: kind %d, '%.40s'", (int)r->taken[i].out.kind,
                 r->taken[i].text);
}

const char *request_text(const char *method, const char *branch, const char *extra)
{
    static char text[TEXT_MAX];
    int n = snprintf(text, sizeof(text),
                     "%s sip:bob@192.0.2.1 SIP/2.0\r\n"
                     "Via: SIP/2.0/UDP 192.0.2.2:5060;branch=%s\r\n"
                     "Max-Forwards: 70\r\n"
                     "From: <sip:alice@192.0.2.2>;tag=alice1\r\n"
                     "To: <sip:bob@192.0.2.1>\r\n"
                     "Call-ID: call1@192.0.2.2\r\n"
                     "CSeq: 1 %s\r\n"
                     "%s"
                     "Content-Length: 0\r\n\r\n",
                     method, branch, method, extra);

    assert_true(n > 0 && (size_t)n < sizeof(text));
    return text;
}

const char *row_of(const char *text, const char *name)
{
    static char values[8][512];
    static unsigned turn;
    char *value = values[turn++ % 8];
    size_t n = strlen(name);
    const char *line = strstr(text, "\r\n");

    value[0] = 0;
    for (; line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *end = strstr(line + 2, "\r\n");

        if (!end || strncmp(line + 2, name, n) != 0 || line[2 + n] != ':')
            continue;
        line += 2 + n + 1;
        line += strspn(line, " ");
        snprintf(value, 512, "%.*s", (int)(end - line), line);
        break;
    }
    return value;
}

const char *response_text(const char *request, unsigned code, const char *tag)
{
    static char text[TEXT_MAX];
    const char *to = row_of(request, "To");
    bool tagged = code > 100 && tag[0] && !strstr(to, ";tag=");
    int n = snprintf(text, sizeof(text),
                     "SIP/2.0 %u Status\r\n"
                     "Via: %s\r\n"
                     "From: %s\r\n"
                     "To: %s%s%s\r\n"
                     "Call-ID: %s\r\n"
                     "CSeq: %s\r\n"
                     "Content-Length: 0\r\n\r\n",
                     code, row_of(request, "Via"), row_of(request, "From"), to,
                     tagged ? ";tag=" : "", tagged ? tag : "", row_of(request, "Call-ID"),
                     row_of(request, "CSeq"));

    assert_true(n > 0 && (size_t)n < sizeof(text));
    return text;
}

uint64_t serve(struct rig *r, const struct oh_flow *flow, const char *text, uint64_t user)
{
    uint64_t server = 0;

    assert_int_equal(rig_input(r, flow, text), OH_OK);
    assert_non_null(r->msg);
    assert_int_equal(oh_server_new(r->ep, r->now, r->msg, &r->flow, user, &server), OH_OK);
    rig_take(r);
    return server;
}

uint64_t call(struct rig *r, const struct oh_flow *flow, const char *method, uint64_t user,
              uint64_t link)
{
    char branch[OH_BRANCH_MAX], text[TEXT_MAX];
    size_t branch_n;
    uint64_t client;
    struct oh_client_request request = {
        .method = oh_method_of(oh_span_str(method)), .flow = *flow, .user = user, .link = link};
    int n;

    assert_int_equal(oh_client_reserve(r->ep, 42, &client, branch, &branch_n), OH_OK);
    n = snprintf(text, sizeof(text),
                 "%s sip:bob@192.0.2.2 SIP/2.0\r\n"
                 "Via: SIP/2.0/%s 192.0.2.1:5060;branch=%.*s\r\n"
                 "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKbelow\r\n"
                 "Max-Forwards: 69\r\n"
                 "Route: <sip:192.0.2.2;lr>\r\n"
                 "From: <sip:alice@192.0.2.1>;tag=alice1\r\n"
                 "To: <sip:bob@192.0.2.2>\r\n"
                 "Call-ID: call2@192.0.2.1\r\n"
                 "CSeq: 17 %s\r\n"
                 "Contact: <sip:alice@192.0.2.1>\r\n"
                 "Require: 100rel\r\n"
                 "Content-Length: 4\r\n\r\nbody",
                 method, (const char *)oh_transport_text(flow->transport).p, (int)branch_n, branch,
                 method);
    assert_true(n > 0 && (size_t)n < sizeof(text));
    request.bytes = oh_span(text, (size_t)n);
    assert_int_equal(oh_client_start(r->ep, r->now, client, &request), OH_OK);
    rig_take(r);
    return client;
}

int respond(struct rig *r, uint64_t server, unsigned code, const char *tag)
{
    struct oh_reply reply = {.code = code, .to_tag = oh_span_str(tag)};
    int result = oh_server_respond(r->ep, r->now, server, &r->request, &r->flow, &reply);

    rig_take(r);
    return result;
}
