#include "load_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <offhook/build.h>

#include "base/wheel.h"
#include "net/system.h"

#define REALM "test"
#define NONCE "abc\\\"def"
#define OURS  "z9hG4bKproxy"

/* The text of a header's first value without the terminator problem. */
static bool value_is(const struct oh_msg *m, enum oh_header_id id, const char *text)
{
    return oh_span_eq(oh_msg_value(m, id), oh_span_str(text));
}

static void reply(struct load_server *s, const struct oh_flow *flow, unsigned code,
                  const char *headers)
{
    struct oh_reply r = {.code = code, .to_tag = OH_LIT("server"), .headers = oh_span_str(headers)};
    struct oh_flow back;
    char bytes[4096];
    struct oh_buf b;

    oh_buf_init(&b, bytes, sizeof bytes);
    assert_int_equal(oh_build_reply(&b, &s->msg, flow, &r), OH_OK);
    oh_reply_flow(&s->msg.via, flow, &back);
    oh__net_send(s->net, &back, oh_buf_view(&b), 0);
}

/* Remembers who is where. */
static void bind_user(struct load_server *s)
{
    struct oh_span contact = oh_msg_value(&s->msg, OH_HEADER_CONTACT);
    struct oh_address a;
    char aor[64];
    unsigned i = 0;

    if (oh_address_decode(contact, &a, NULL) != OH_OK) {
        s->wrong++;
        return;
    }
    snprintf(aor, sizeof aor, "%.*s", OH_PRI(s->msg.to.uri));
    while (i < s->users_n && strcmp(s->users[i].aor, aor) != 0)
        i++;
    if (i == 64)
        return;
    s->users_n += i == s->users_n;
    memcpy(s->users[i].aor, aor, sizeof aor);
    snprintf(s->users[i].contact, sizeof s->users[i].contact, "%.*s", OH_PRI(a.uri));
}

/* True when the credentials are there and right. */
static bool authorized(struct load_server *s)
{
    struct oh_span row = oh_msg_value(&s->msg, OH_HEADER_AUTHORIZATION);
    char ha1[OH_HASH_HEX_MAX], response[OH_HASH_HEX_MAX];
    struct oh_credentials c;
    size_t n;

    if (!row.n || oh_credentials_decode(row, &c, NULL) != OH_OK)
        return false;
    n = oh_digest_ha1(s->hasher, OH_HASH_SHA256, c.username, OH_LIT(REALM),
                      oh_span_str(s->password), ha1);
    n = oh_digest_response(s->hasher, &c, oh_span(ha1, n), s->msg.method_text, oh_span(NULL, 0),
                           response);
    if (!oh_digest_equal(c.response, oh_span(response, n)) || !oh_span_eq(c.nonce, OH_LIT(NONCE)) ||
        !oh_span_eq(c.uri, s->msg.uri))
        return false;
    s->credentials++;
    if (c.nc > s->nc_max)
        s->nc_max = c.nc;
    return true;
}

static void on_register(struct load_server *s, const struct oh_flow *flow)
{
    if (s->password && !authorized(s)) {
        /* The first is one that nobody can answer: it is to be passed over. */
        reply(s, flow, 401,
              "WWW-Authenticate: Digest realm=\"" REALM "\", nonce=\"x\", algorithm=WHIRLPOOL\r\n"
              "WWW-Authenticate: Digest realm=\"" REALM "\", nonce=\"" NONCE
              "\", opaque=\"o\", qop=\"auth,auth-int\", algorithm=SHA-256\r\n");
        return;
    }
    if (value_is(&s->msg, OH_HEADER_EXPIRES, "0"))
        s->signed_off++;
    bind_user(s);
    reply(s, flow, s->code, "");
}

/* Where a request goes on: its Route without us, or the user's contact. */
static bool next_uri(struct load_server *s, char uri[64])
{
    struct oh_span contact;
    struct oh_uri parsed;

    if (s->msg.to_tag.n == 0) {
        for (unsigned i = 0; i < s->users_n; i++) {
            if (oh_span_eq(s->msg.uri, oh_span_str(s->users[i].aor))) {
                memcpy(uri, s->users[i].contact, 64);
                return true;
            }
        }
        return false;
    }
    /* A loose router is on top of Route; a strict one is the Request-URI and the last Route is
     * the target. */
    contact = s->msg.uri;
    if (s->strict) {
        struct oh_span route = oh_msg_value(&s->msg, OH_HEADER_ROUTE);
        struct oh_address a;

        if (oh_address_decode(route, &a, NULL) != OH_OK ||
            oh_uri_parse(s->msg.uri, &parsed, NULL) != OH_OK || parsed.port != s->addr.port)
            return false;
        contact = a.uri;
    } else if (!oh_msg_row(&s->msg, OH_HEADER_ROUTE)) {
        return false;
    }
    snprintf(uri, 64, "%.*s", OH_PRI(contact));
    return true;
}

/* Forwards the request with our Via and Record-Route, without its Route. */
static void forward(struct load_server *s)
{
    char bytes[4096], uri[64], self[OH_ADDR_TEXT_MAX];
    struct oh_flow out = {.transport = OH_TRANSPORT_UDP};
    struct oh_uri parsed;
    struct oh_buf b;

    if (!next_uri(s, uri) || oh_uri_parse(oh_span_str(uri), &parsed, NULL) != OH_OK) {
        s->wrong++;
        return;
    }
    oh_addr_text(&s->addr, self);
    oh_buf_init(&b, bytes, sizeof bytes);
    oh_buf_span(&b, s->msg.method_text);
    oh_buf_char(&b, ' ');
    oh_buf_span(&b, oh_span_str(uri));
    oh_buf_lit(&b, " SIP/2.0\r\nVia: SIP/2.0/UDP ");
    oh_buf_span(&b, oh_span_str(self));
    oh_buf_lit(&b, ";branch=" OURS);
    oh_buf_span(&b, oh_span_from(s->msg.via.branch, 7));
    oh_buf_lit(&b, "\r\n");
    if (s->msg.method == OH_METHOD_INVITE) {
        oh_buf_lit(&b, "Record-Route: <sip:");
        oh_buf_span(&b, oh_span_str(self));
        oh_buf_span(&b, s->strict ? OH_LIT(">\r\n") : OH_LIT(";lr>\r\n"));
    }
    for (unsigned i = 0; i < s->msg.rows_n; i++) {
        const struct oh_row *r = &s->msg.rows[i];

        if (r->id != OH_HEADER_ROUTE)
            oh_buf_put(&b, s->msg.raw.p + r->name, r->end - r->name);
    }
    oh_buf_lit(&b, "\r\n");
    oh_buf_span(&b, s->msg.body);
    assert_false(b.full);
    out.peer = parsed.addr;
    out.peer.port = parsed.port;
    oh__net_send(s->net, &out, oh_buf_view(&b), 0);
}

static void on_request(struct load_server *s, const struct oh_flow *flow)
{
    s->seen[s->msg.method]++;
    if (s->lose_requests) {
        s->lose_requests--;
        return;
    }
    if (s->silent_after && s->requests++ >= s->silent_after)
        return;
    if (s->msg.method == OH_METHOD_REGISTER && s->code)
        on_register(s, flow);
    else if (s->proxy && s->msg.method != OH_METHOD_OPTIONS)
        forward(s);
    else if (s->msg.method != OH_METHOD_ACK && s->code)
        reply(s, flow, s->code, "");
}

/* Takes our Via off a response and sends it where the next one says. */
static void on_response(struct load_server *s)
{
    const struct oh_row *top = oh_msg_row(&s->msg, OH_HEADER_VIA);
    const struct oh_row *next = top ? oh_msg_row_next(&s->msg, top) : NULL;
    struct oh_flow out = {.transport = OH_TRANSPORT_UDP};
    struct oh_via via;
    char bytes[4096];
    struct oh_buf b;

    if (s->lose_answers && s->msg.status == 200 && s->msg.cseq_method == OH_METHOD_INVITE) {
        s->lose_answers--;
        return;
    }
    if (!next || oh_via_decode(oh_row_value(&s->msg, next), &via, NULL) != OH_OK) {
        s->wrong++;
        return;
    }
    oh_buf_init(&b, bytes, sizeof bytes);
    oh_buf_put(&b, s->msg.raw.p, top->name);
    oh_buf_put(&b, s->msg.raw.p + top->end, s->msg.raw.n - top->end);
    out.peer = via.addr;
    out.peer.port = via.port;
    oh__net_send(s->net, &out, oh_buf_view(&b), 0);
}

static void *serve(void *p)
{
    struct load_server *s = p;
    struct oh__net_input in;
    struct oh_fault fault;
    size_t used;

    while (!s->stop) {
        oh__net_wait(s->net, oh__clock_now() + 100 * OH__MS);
        while (oh__net_take(s->net, &in)) {
            if (in.kind != OH__NET_DATAGRAM)
                continue;
            if (oh_msg_parse(in.bytes, OH_MSG_DATAGRAM, NULL, &s->msg, &used, &fault) != OH_OK ||
                oh_msg_check(&s->msg, &fault) != OH_OK)
                s->wrong++;
            else if (s->msg.request)
                on_request(s, &in.flow);
            else
                on_response(s);
        }
        oh__net_flush(s->net);
    }
    return NULL;
}

void load_server_start(struct load_server *s, char target[OH_ADDR_TEXT_MAX])
{
    struct oh__net_options o = {.listeners_n = 1, .workers = 1};
    char why[256];

    o.listeners[0].transport = OH_TRANSPORT_UDP;
    assert_int_equal(oh_addr_parse(OH_LIT("127.0.0.1"), &o.listeners[0].addr), OH_OK);
    assert_int_equal(oh__net_open(&o, &s->shared, why, sizeof why), OH_OK);
    assert_int_equal(oh__net_new(s->shared, 0, &s->net), OH_OK);
    s->addr = oh__net_listener(s->shared, 0);
    s->hasher = oh__hasher_new();
    assert_non_null(s->hasher);
    oh_addr_text(&s->addr, target);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

void load_server_stop(struct load_server *s)
{
    s->stop = 1;
    oh__net_wake(s->net);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    oh__net_free(s->net);
    oh__net_close(s->shared);
    oh__hasher_free(s->hasher);
}
