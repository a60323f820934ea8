/*
 * What peers send. Requests are written out in full, so that a case shows what
 * goes over the wire; only what it does not care about has defaults.
 */
#include "parts.h"

#include <offhook/build.h>
#include <offhook/digest.h>

#define TEXT_MAX 70000

/* ---- bytes ---- */

void peer_send_bytes(struct peer *p, struct oh_span bytes)
{
    network_to_server(p->world, p, bytes);
}

/* "\n" becomes CRLF. */
static void put_lines(struct oh_buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            oh_buf_char(b, '\r');
        oh_buf_char(b, *text);
    }
}

void peer_send(struct peer *p, const char *format, ...)
{
    struct world *w = p->world;
    char plain[TEXT_MAX], text[2 * TEXT_MAX];
    struct oh_buf b;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(plain, sizeof plain, format, args);
    va_end(args);
    CHECK(w, n > 0 && n < TEXT_MAX);
    oh_buf_init(&b, text, sizeof text);
    put_lines(&b, plain);
    peer_send_bytes(p, oh_buf_view(&b));
}

/* ---- requests ---- */

static const char *or_default(const char *text, const char *other)
{
    return text ? text : other;
}

static bool wanted(const char *text)
{
    return strcmp(text, "-") != 0;
}

/* A name that nobody had before, in this world. */
static const char *fresh(struct peer *p, const char *prefix)
{
    char *text = world_keep(p->world, 64);

    snprintf(text, 64, "%s%s%u", prefix, p->name, ++p->world->fresh);
    return text;
}

/* The address that the peer's messages come from. */
static const char *own_address(struct peer *p)
{
    char *text;

    if (!p->conn)
        return p->address;
    text = world_keep(p->world, OH_ADDR_TEXT_MAX);
    oh_addr_text(&p->conn->flow.peer, text);
    return text;
}

static void put(struct oh_buf *b, const char *text)
{
    oh_buf_span(b, oh_span_str(text));
}

static void put_via(struct peer *p, struct oh_buf *b, const struct peer_request *r)
{
    put(b, "Via: ");
    if (r->via) {
        put(b, r->via);
    } else {
        put(b, p->conn ? "SIP/2.0/TCP " : "SIP/2.0/UDP ");
        put(b, own_address(p));
        put(b, ";rport;branch=");
        put(b, r->branch ? r->branch : fresh(p, "z9hG4bK-"));
    }
    put(b, "\r\n");
}

static void put_side(struct oh_buf *b, const char *name, const char *uri, const char *tag)
{
    if (!wanted(uri))
        return;
    put(b, name);
    /* "<" of his own: a whole value. */
    if (strchr(uri, '<')) {
        put(b, uri);
    } else {
        put(b, "<");
        put(b, uri);
        put(b, ">");
    }
    if (tag && wanted(tag)) {
        put(b, ";tag=");
        put(b, tag);
    }
    put(b, "\r\n");
}

static bool has_contact(const char *method)
{
    static const char *without[] = {"CANCEL", "BYE", "MESSAGE", "OPTIONS", "ACK", "INFO", "PRACK"};

    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (strcmp(method, without[i]) == 0)
            return false;
    return true;
}

static void put_contact(struct peer *p, struct oh_buf *b, const char *contact)
{
    put(b, "Contact: ");
    if (contact) {
        put(b, contact);
    } else {
        put(b, "<sip:");
        put(b, p->name);
        put(b, "@");
        put(b, own_address(p));
        put(b, p->conn ? ";transport=tcp>" : ">");
    }
    put(b, "\r\n");
}

/* CRs that put_lines will add. */
static size_t wire_length(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n' ? 2 : 1;
    return n;
}

static void put_body(struct oh_buf *b, const char *body)
{
    put(b, "Content-Length: ");
    oh_buf_u64(b, wire_length(body));
    put(b, "\r\n\r\n");
    put_lines(b, body);
}

static void put_row(struct oh_buf *b, const char *name, const char *value)
{
    if (!wanted(value))
        return;
    put(b, name);
    put(b, value);
    put(b, "\r\n");
}

static void write_request(struct peer *p, struct oh_buf *b, const struct peer_request *r)
{
    char from[128], number[64];

    snprintf(from, sizeof from, "sip:%s@" WORLD_DOMAIN, p->name);
    snprintf(number, sizeof number, "%u %s", r->cseq ? r->cseq : 1, r->method);
    put(b, r->method);
    put(b, " ");
    put(b, r->uri);
    put(b, " SIP/2.0\r\n");
    put_via(p, b, r);
    put_row(b, "Max-Forwards: ", or_default(r->max_forwards, "70"));
    put_side(b, "From: ", or_default(r->from, from), r->from_tag);
    put_side(b, "To: ", or_default(r->to, r->uri), r->to_tag);
    put_row(b, "Call-ID: ", r->call ? r->call : fresh(p, "call-"));
    put_row(b, "CSeq: ", number);
    if (r->contact ? wanted(r->contact) : has_contact(r->method))
        put_contact(p, b, r->contact);
    put_lines(b, or_default(r->rows, ""));
    put_body(b, or_default(r->body, ""));
}

static void remember(struct peer *p, const char *method, struct oh_span bytes)
{
    p->request = world_keep_text(p->world, bytes);
    p->request_n = bytes.n;
    if (strcmp(method, "INVITE") == 0) {
        p->invite = p->request;
        p->invite_n = p->request_n;
    }
}

struct oh_span peer_write(struct peer *p, const struct peer_request *request)
{
    char text[TEXT_MAX], tag[48];
    struct peer_request r = *request;
    struct oh_buf b;

    snprintf(tag, sizeof tag, "f-%s", p->name);
    r.from_tag = or_default(r.from_tag, tag);
    oh_buf_init(&b, text, TEXT_MAX);
    write_request(p, &b, &r);
    CHECK(p->world, !b.full);
    return oh_span(world_keep_text(p->world, oh_buf_view(&b)), b.n);
}

void peer_request(struct peer *p, const struct peer_request *request)
{
    struct oh_span bytes = peer_write(p, request);

    remember(p, request->method, bytes);
    peer_send_bytes(p, bytes);
}

void peer_again(struct peer *p)
{
    CHECK(p->world, p->request);
    peer_send_bytes(p, oh_span(p->request, p->request_n));
}

/* The newest INVITE, parsed. */
static const struct oh_msg *invite_of(struct peer *p)
{
    struct oh_msg *m = world_keep(p->world, sizeof *m);
    struct oh_fault fault;
    size_t used;

    CHECK(p->world, p->invite);
    CHECK(p->world, oh_msg_parse(oh_span(p->invite, p->invite_n), OH_MSG_DATAGRAM, NULL, m, &used,
                                 &fault) == OH_OK);
    CHECK(p->world, oh_msg_check(m, &fault) == OH_OK);
    return m;
}

void peer_cancel(struct peer *p, const char *rows)
{
    char text[TEXT_MAX], wire[TEXT_MAX];
    struct oh_buf b, r;

    oh_buf_init(&r, wire, TEXT_MAX);
    put_lines(&r, rows);
    oh_buf_init(&b, text, TEXT_MAX);
    CHECK(p->world, oh_build_cancel(&b, invite_of(p), oh_buf_view(&r)) == OH_OK);
    peer_send_bytes(p, oh_buf_view(&b));
}

void peer_ack(struct peer *p, const struct oh_msg *response)
{
    struct peer_dialog dialog;
    char text[TEXT_MAX];
    struct oh_buf b;

    if (response->status < 300) {
        peer_dialog_caller(p, response, &dialog);
        peer_dialog_request(p, &dialog, "ACK", "");
        return;
    }
    oh_buf_init(&b, text, TEXT_MAX);
    CHECK(p->world, oh_build_ack(&b, invite_of(p), response) == OH_OK);
    peer_send_bytes(p, oh_buf_view(&b));
}

/* ---- responses ---- */

/* True when one of the rows has this name. */
static bool rows_have(const char *rows, const char *name)
{
    for (const char *line = rows; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (oh_span_ieq(oh_span_head(oh_span_str(line), strlen(name)), oh_span_str(name)))
            return true;
    }
    return false;
}

void peer_reply_as(struct peer *p, const struct oh_msg *request, unsigned status, const char *tag,
                   const char *rows, const char *body)
{
    char text[TEXT_MAX], wire[TEXT_MAX], content[TEXT_MAX];
    struct oh_buf b, r, c;

    oh_buf_init(&r, wire, TEXT_MAX);
    if (request->method == OH_METHOD_INVITE && status > 100 && status < 300 &&
        !rows_have(rows, "Contact:"))
        put_contact(p, &r, NULL);
    put_lines(&r, rows);
    oh_buf_init(&c, content, TEXT_MAX);
    put_lines(&c, body);
    oh_buf_init(&b, text, TEXT_MAX);
    struct oh_reply reply = {.code = status,
                             .to_tag = oh_span_str(tag),
                             .headers = oh_buf_view(&r),
                             .body = oh_buf_view(&c)};

    /* The Via is copied as it came: who answers does not know better. */
    CHECK(p->world, oh_build_reply(&b, request, NULL, &reply) == OH_OK);
    peer_send_bytes(p, oh_buf_view(&b));
}

void peer_reply(struct peer *p, const struct oh_msg *request, unsigned status, const char *rows)
{
    char tag[48];

    snprintf(tag, sizeof tag, "t-%s", p->name);
    peer_reply_as(p, request, status, tag, rows, "");
}

void peer_register(struct peer *p, unsigned expires)
{
    char rows[64], uri[64];

    snprintf(rows, sizeof rows, "Expires: %u\n", expires);
    snprintf(uri, sizeof uri, "sip:%s@" WORLD_DOMAIN, p->name);
    peer_request(p, &(struct peer_request){
                        .method = "REGISTER", .uri = "sip:" WORLD_DOMAIN, .to = uri, .rows = rows});
    peer_expect(p, "200 REGISTER");
}

/* ---- dialogs ---- */

static const char *keep(struct peer *p, struct oh_span s)
{
    return world_keep_text(p->world, s);
}

/* The URI of the first Contact. */
const char *peer_target_of(struct peer *p, const struct oh_msg *m)
{
    struct oh_address a;

    if (oh_address_decode(message_value(m, OH_HEADER_CONTACT, 0), &a, NULL) == OH_OK)
        return keep(p, a.uri);
    /* Somebody has damaged it; whoever is called like this is not there. */
    CHECK_SAY(p->world, p->world->hostile, "a message that forms a dialog has no Contact");
    return "sip:nobody@" WORLD_DOMAIN;
}

/* Record-Route as Route rows, in its order or backwards (RFC 3261 12.1). */
const char *peer_routes_of(struct peer *p, const struct oh_msg *m, bool backwards)
{
    char text[TEXT_MAX];
    unsigned n = message_values(m, OH_HEADER_RECORD_ROUTE);
    struct oh_buf b;

    oh_buf_init(&b, text, TEXT_MAX);
    for (unsigned i = 0; i < n; i++) {
        put(&b, "Route: ");
        oh_buf_span(&b, message_value(m, OH_HEADER_RECORD_ROUTE, backwards ? n - 1 - i : i));
        put(&b, "\n");
    }
    CHECK(p->world, !b.full);
    return keep(p, oh_buf_view(&b));
}

void peer_dialog_caller(struct peer *p, const struct oh_msg *response, struct peer_dialog *out)
{
    *out = (struct peer_dialog){.call = keep(p, response->call_id),
                                .local = keep(p, oh_msg_value(response, OH_HEADER_FROM)),
                                .remote = keep(p, oh_msg_value(response, OH_HEADER_TO)),
                                .target = peer_target_of(p, response),
                                .routes = peer_routes_of(p, response, true),
                                .cseq = response->cseq};
}

void peer_dialog_callee(struct peer *p, const struct oh_msg *invite, struct peer_dialog *out)
{
    char *local = world_keep(p->world, 1024);

    snprintf(local, 1024, "%.*s;tag=t-%s", OH_PRI(oh_msg_value(invite, OH_HEADER_TO)), p->name);
    *out = (struct peer_dialog){.call = keep(p, invite->call_id),
                                .local = local,
                                .remote = keep(p, oh_msg_value(invite, OH_HEADER_FROM)),
                                .target = peer_target_of(p, invite),
                                .routes = peer_routes_of(p, invite, false),
                                .cseq = 1};
}

void peer_dialog_request(struct peer *p, struct peer_dialog *dialog, const char *method,
                         const char *rows)
{
    char *all = world_keep(p->world, strlen(dialog->routes) + strlen(rows) + 1);

    memcpy(all, dialog->routes, strlen(dialog->routes));
    memcpy(all + strlen(dialog->routes), rows, strlen(rows) + 1);
    if (strcmp(method, "ACK") != 0)
        dialog->cseq++;
    peer_request(p, &(struct peer_request){.method = method,
                                           .uri = dialog->target,
                                           .from = dialog->local,
                                           .from_tag = "-",
                                           .to = dialog->remote,
                                           .call = dialog->call,
                                           .cseq = dialog->cseq,
                                           .rows = all});
}

/* ---- digest ---- */

/* How often this nonce was answered, this time included. */
static uint32_t count_nonce(struct peer *p, struct oh_span nonce)
{
    struct nonce_use *u;

    for (u = p->nonces; u; u = u->next)
        if (oh_span_eq(u->nonce, nonce))
            return ++u->nc;
    u = world_keep(p->world, sizeof *u);
    *u = (struct nonce_use){oh_span(keep(p, nonce), nonce.n), 1, p->nonces};
    p->nonces = u;
    return 1;
}

const char *peer_authorize(struct peer *p, const struct oh_msg *challenge, const char *user,
                           const char *password, const char *method, const char *uri)
{
    bool proxy = challenge->status == 407;
    const struct oh_hasher *hasher = p->world->server.env.hasher;
    struct oh_challenge ch;
    struct oh_credentials c = {0};
    char ha1[OH_HASH_HEX_MAX], response[OH_HASH_HEX_MAX], *text = world_keep(p->world, 2048);
    struct oh_buf b;
    size_t n;

    struct oh_span value = oh_msg_value(challenge, proxy ? OH_HEADER_PROXY_AUTHENTICATE
                                                         : OH_HEADER_WWW_AUTHENTICATE);
    CHECK(p->world, oh_challenge_decode(value, &ch, NULL) == OH_OK);
    c.username = oh_span_str(user);
    c.realm = ch.realm;
    c.nonce = ch.nonce;
    c.opaque = ch.opaque;
    c.uri = oh_span_str(uri);
    c.algorithm = ch.algorithm;
    if (ch.qop & OH_QOP_AUTH) {
        c.qop = OH_QOP_AUTH;
        c.qop_text = OH_LIT("auth");
        c.cnonce = OH_LIT("0a4f113b");
        c.nc = count_nonce(p, ch.nonce);
        c.has_nc = true;
    }
    n = oh_digest_ha1(hasher, c.algorithm.hash, c.username, c.realm, oh_span_str(password), ha1);
    n = oh_digest_response(hasher, &c, oh_span(ha1, n), oh_span_str(method), oh_span("", 0),
                           response);
    CHECK(p->world, n > 0 || p->world->hostile);
    c.response = oh_span(response, n);
    oh_buf_init(&b, text, 2046);
    put(&b, proxy ? "Proxy-Authorization: " : "Authorization: ");
    oh_credentials_put(&b, &c);
    put(&b, "\n");
    CHECK(p->world, !b.full);
    return text;
}
