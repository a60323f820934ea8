/*
 * The client side. One operation has one request under way at a time, and is
 * its transaction: Timers A and B of an INVITE, E and F of the others (RFC 3261
 * 17.1) are fields of the operation. A request is not kept but rendered again
 * when it is to be repeated; all that it is made of stands in the operation.
 *
 * A branch is the cookie, the operation's id and the number of the transaction
 * in it: a response finds its operation by index. The ACK of a 2xx has a
 * branch of its own, told by a bit; that of a refusal has the INVITE's (RFC
 * 3261 17.1.1.3) and is made out of the response alone, so it can still be
 * sent for a refusal that is repeated when its operation is over.
 */
#include <stdio.h>

#include "cmd/load.h"

#define T1         (500 * OH__MS)
#define T2         (4 * OH__SEC)
#define TRIES_MAX  3
#define ACK_TXN    0x80 /* added to the INVITE's number */
#define TXN_DIGITS 2
#define CSEQ_MAX   12

#define COOKIE   "z9hG4bK"
#define VIA      "Via: SIP/2.0/{proto} {self};branch=" COOKIE "{id}{txn};rport\r\n" FORWARDS
#define FORWARDS "Max-Forwards: 70\r\n"
#define AGENT    "User-Agent: offhook-load/" OH_VERSION_TEXT "\r\n"
#define NOBODY   "Content-Length: 0\r\n\r\n"
#define CALL     "Call-ID: {id}@{ip}\r\nCSeq: {cseq} "
#define FROM     "From: <{user}>;tag={id}\r\n"

static const char *const TEXTS[OH__REQUEST_COUNT] = {
    [OH__REQUEST_OPTIONS] = "OPTIONS {uri} SIP/2.0\r\n" VIA FROM "To: <{uri}>\r\n" CALL
                            "OPTIONS\r\nContact: <sip:{name}@{contact}>\r\n"
                            "Accept: application/sdp\r\n{auth}" AGENT NOBODY,
    [OH__REQUEST_REGISTER] = "REGISTER {uri} SIP/2.0\r\n" VIA FROM "To: <{user}>\r\n" CALL
                             "REGISTER\r\nContact: <sip:{name}@{contact}>\r\n"
                             "Expires: {expires}\r\n{auth}" AGENT NOBODY,
    [OH__REQUEST_MESSAGE] = "MESSAGE {uri} SIP/2.0\r\n" VIA FROM "To: <{peer}>\r\n" CALL
                            "MESSAGE\r\n{auth}" AGENT "Content-Type: text/plain\r\n"
                            "Content-Length: 17\r\n\r\nhello from a test",
    [OH__REQUEST_INVITE] = "INVITE {uri} SIP/2.0\r\n" VIA FROM "To: <{peer}>\r\n" CALL
                           "INVITE\r\nContact: <sip:{name}@{contact}>\r\n"
                           "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n{auth}" AGENT
                           "Content-Type: application/sdp\r\n"
                           "Content-Length: {sdp_n}\r\n\r\n{sdp}",
    [OH__REQUEST_CANCEL] = "CANCEL {uri} SIP/2.0\r\n" VIA FROM "To: <{peer}>\r\n" CALL
                           "CANCEL\r\n" AGENT NOBODY,
    [OH__REQUEST_ACK] = "ACK {uri} SIP/2.0\r\n" VIA "{routes}" FROM "To: {to}\r\n" CALL
                        "ACK\r\n{auth}" AGENT NOBODY,
    [OH__REQUEST_BYE] = "BYE {uri} SIP/2.0\r\n" VIA "{routes}" FROM "To: {to}\r\n" CALL
                        "BYE\r\n{auth}" AGENT NOBODY,
};

int oh__load_ops_init(struct oh__load_worker *w)
{
    const struct oh__load_config *c = w->run->config;
    const char *family = w->run->local.family == OH_FAMILY_IPV6 ? "IP6" : "IP4";
    char bare[OH_ADDR_TEXT_MAX];
    int n, rc = OH_OK;

    oh_addr_host_text(&w->run->local, bare);
    n = snprintf(w->sdp, sizeof w->sdp,
                 "v=0\r\no=- 1 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n"
                 "m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
                 family, bare, family, bare);
    snprintf(w->sdp_n, sizeof w->sdp_n, "%d", n % 1000);
    snprintf(w->expires, sizeof w->expires, "%u", c->expires);
    snprintf(w->server_uri, sizeof w->server_uri, "sip:%s", c->domain);
    w->fixed[OH__HOLE_proto] = oh_transport_text(c->transport);
    w->fixed[OH__HOLE_ip] = oh_span_str(w->ip);
    w->fixed[OH__HOLE_expires] = oh_span_str(w->expires);
    w->fixed[OH__HOLE_sdp] = oh_span_str(w->sdp);
    w->fixed[OH__HOLE_sdp_n] = oh_span_str(w->sdp_n);
    for (unsigned i = 0; i < c->ports; i++) {
        struct oh_buf via, contact;

        oh_buf_init(&via, w->ports[i].via, sizeof w->ports[i].via);
        oh_buf_lit(&via, "SIP/2.0/");
        oh_buf_span(&via, oh_transport_text(c->transport));
        oh_buf_char(&via, ' ');
        oh_buf_span(&via, w->ports[i].self_text);
        oh_buf_lit(&via, ";branch=" COOKIE);
        w->ports[i].via_text = oh_buf_view(&via);
        oh_buf_init(&contact, w->ports[i].contact, sizeof w->ports[i].contact);
        oh_buf_span(&contact, w->ports[i].self_text);
        if (c->transport != OH_TRANSPORT_UDP) {
            oh_buf_lit(&contact, ";transport=");
            oh_buf_span(&contact, oh_transport_param(c->transport));
        }
        w->ports[i].contact_text = oh_buf_view(&contact);
    }
    for (unsigned i = 0; rc == OH_OK && i < OH__REQUEST_COUNT; i++)
        rc = oh__load_template_compile(oh_span_str(TEXTS[i]), &w->templates[i]);
    return rc;
}

/* ---- rooms ---- */

/* The text of a part of the room. */
static struct oh_span part(const struct oh__load_op *op, struct oh__load_part p)
{
    return oh_span(op->room + p.at, p.n);
}

/* Copies a text into the room to stay; false when it is full. */
static bool keep(struct oh__load_op *op, struct oh_span text, struct oh__load_part *out)
{
    if (text.n > OH__LOAD_ROOM - (size_t)op->room_n)
        return false;
    *out = (struct oh__load_part){op->room_n, (uint16_t)text.n};
    if (text.n)
        memcpy(op->room + op->room_n, text.p, text.n);
    op->room_n = (uint16_t)(op->room_n + text.n);
    return true;
}

/* ---- rendering ---- */

/* The template of a method that begins a transaction. */
static enum oh__load_request request_of(enum oh_method method)
{
    switch (method) {
    case OH_METHOD_REGISTER: return OH__REQUEST_REGISTER;
    case OH_METHOD_MESSAGE: return OH__REQUEST_MESSAGE;
    case OH_METHOD_INVITE: return OH__REQUEST_INVITE;
    case OH_METHOD_BYE: return OH__REQUEST_BYE;
    default: return OH__REQUEST_OPTIONS;
    }
}

/* The Request-URI: the registrar, the server, the remote target, or whom the caller means. */
static struct oh_span uri_of(const struct oh__load_worker *w, const struct oh__load_op *op,
                             enum oh__load_request request)
{
    switch (request) {
    case OH__REQUEST_OPTIONS: return oh_span_str(w->server_uri);
    case OH__REQUEST_REGISTER: return w->run->users->list[op->user].home;
    case OH__REQUEST_ACK:
    case OH__REQUEST_BYE: return part(op, op->uri);
    default: return w->run->users->list[op->peer].aor;
    }
}

/* Sends a request of an operation; it has a ticket when a failure to deliver it ends the operation.
 * False when there is no way to go now. */
static bool send(struct oh__load_worker *w, struct oh__load_op *op, enum oh__load_request request)
{
    const struct oh__load_user *user = &w->run->users->list[op->user];
    bool of_invite = request == OH__REQUEST_ACK || request == OH__REQUEST_CANCEL;
    bool in_dialog = request == OH__REQUEST_ACK || request == OH__REQUEST_BYE;
    char txn[TXN_DIGITS], digits[CSEQ_MAX];
    struct oh_span v[OH__HOLE_COUNT];
    struct oh_buf cseq, out;
    struct oh_flow flow;
    uint64_t ticket = 0;

    if (!oh__load_way(w, op->port, in_dialog ? &op->next_hop : &w->run->server, &flow))
        return false;
    memcpy(v, w->fixed, sizeof v);
    oh_buf_init(&cseq, digits, sizeof digits);
    oh_buf_u64(&cseq, of_invite ? op->invite_cseq : op->cseq);
    oh__load_hex_put(
        txn, (of_invite ? op->invite_txn : op->txn) | (request == OH__REQUEST_ACK ? ACK_TXN : 0u),
        TXN_DIGITS);
    v[OH__HOLE_uri] = uri_of(w, op, request);
    v[OH__HOLE_id] = oh_span(op->id, OH__LOAD_ID);
    v[OH__HOLE_txn] = oh_span(txn, TXN_DIGITS);
    v[OH__HOLE_self] = w->ports[op->port].self_text;
    v[OH__HOLE_contact] = w->ports[op->port].contact_text;
    v[OH__HOLE_user] = user->aor;
    v[OH__HOLE_name] = oh__load_user_name(user);
    v[OH__HOLE_peer] = w->run->users->list[op->peer].aor;
    v[OH__HOLE_cseq] = oh_buf_view(&cseq);
    v[OH__HOLE_auth] = part(op, of_invite ? op->invite_auth : op->auth);
    v[OH__HOLE_routes] = part(op, op->routes);
    v[OH__HOLE_to] = part(op, op->to);
    if (op->leaving)
        v[OH__HOLE_expires] = OH_LIT("0");
    oh_buf_init(&out, w->out, sizeof w->out);
    oh__load_template_render(&w->templates[request], v, &out);
    if (out.full)
        return true; /* the time-out of the operation tells; no option makes a message that long */
    if (!of_invite)
        ticket = (uint64_t)op->gen << 32 | (oh__load_slot(w, op) + 1);
    oh__net_send(w->net, &flow, oh_buf_view(&out), ticket);
    return true;
}

/* Begins a new transaction of the operation. */
static void begin(struct oh__load_worker *w, struct oh__load_op *op, enum oh_method method,
                  uint64_t now)
{
    enum oh__load_request request = request_of(method);
    struct oh_buf b;

    op->method = (uint8_t)method;
    op->txn++;
    op->cseq++;
    op->first = now;
    op->interval = T1;
    op->provisional = false;
    op->state = OH__OP_WAITING;
    if (method == OH_METHOD_INVITE) {
        op->invite_txn = op->txn;
        op->invite_cseq = op->cseq;
    }
    oh_buf_init(&b, op->room + op->room_n, OH__LOAD_ROOM - (size_t)op->room_n);
    oh__load_login_put(w, op->user, method, uri_of(w, op, request), &b);
    if (b.full) {
        oh__load_op_failed(w, op, OH__LOAD_FAIL_ROOM);
        return;
    }
    op->auth = (struct oh__load_part){op->room_n, (uint16_t)b.n};
    op->unsent = !send(w, op, request);
    oh__load_op_timer(w, op, now + T1);
}

void oh__load_op_begin(struct oh__load_worker *w, struct oh__load_op *op, uint64_t now)
{
    static const enum oh_method first[] = {
        [OH__LOAD_OPTIONS] = OH_METHOD_OPTIONS,
        [OH__LOAD_REGISTER] = OH_METHOD_REGISTER,
        [OH__LOAD_MESSAGE] = OH_METHOD_MESSAGE,
        [OH__LOAD_CALL] = OH_METHOD_INVITE,
    };
    enum oh_method method = w->phase == OH__LOAD_RUNNING ? first[w->run->config->kind]
                                                         : OH_METHOD_REGISTER;

    /* The binding must name the same port each time, or a user would have several. */
    if (method == OH_METHOD_REGISTER)
        op->port = (uint8_t)(op->user / w->port_run % w->run->config->ports);
    begin(w, op, method, now);
}

void oh__load_hang_up(struct oh__load_worker *w, struct oh__load_op *op, uint64_t now)
{
    op->hung_up = now;
    begin(w, op, OH_METHOD_BYE, now);
}

/* ---- responses ---- */

/* Writes a complete row. */
static void put_row(struct oh_buf *b, const char *name, struct oh_span value)
{
    oh_buf_span(b, oh_span_str(name));
    oh_buf_lit(b, ": ");
    oh_buf_span(b, value);
    oh_buf_lit(b, "\r\n");
}

/* The ACK of a refusal (RFC 3261 17.1.1.3); our INVITEs have the URI of their To as Request-URI. */
static void ack_refusal(struct oh__load_worker *w, const struct oh__load_view *v,
                        struct oh_span branch, const struct oh_flow *flow)
{
    struct oh_flow out = *flow; /* a stream's own; a datagram's goes where the INVITE went */
    struct oh_span number = oh_span_head(v->cseq, 0);
    struct oh_address to;
    struct oh_buf b;

    if (oh_address_decode(v->to, &to, NULL) != OH_OK)
        return;
    while (number.n < v->cseq.n && v->cseq.p[number.n] >= '0' && v->cseq.p[number.n] <= '9')
        number.n++;
    if (out.transport == OH_TRANSPORT_UDP)
        out.peer = w->run->server;
    oh_buf_init(&b, w->out, sizeof w->out);
    oh_buf_lit(&b, "ACK ");
    oh_buf_span(&b, to.uri);
    oh_buf_lit(&b, " SIP/2.0\r\nVia: ");
    oh_buf_span(&b, w->ports[flow->listener].via_text);
    oh_buf_span(&b, oh_span_from(branch, sizeof COOKIE - 1));
    oh_buf_lit(&b, ";rport\r\nMax-Forwards: 70\r\n");
    put_row(&b, "From", v->from);
    put_row(&b, "To", v->to);
    put_row(&b, "Call-ID", v->call_id);
    oh_buf_lit(&b, "CSeq: ");
    oh_buf_span(&b, number);
    oh_buf_lit(&b, " ACK\r\n" NOBODY);
    if (!b.full)
        oh__net_send(w->net, &out, oh_buf_view(&b), 0);
}

/* The target and routes of a dialog: at a glance, or with care when it is not as usual. */
static int read_dialog(struct oh__load_worker *w, const struct oh__load_view *v,
                       struct oh__load_target *target, struct oh_buf *routes)
{
    int rc = oh__load_dialog_quick(v, &w->known, target, routes);
    const struct oh_msg *m;

    if (rc != OH_E_UNSUPPORTED)
        return rc;
    m = oh__load_whole(w, v);
    return m ? oh__load_dialog_read(m, target, routes) : OH_E_SYNTAX;
}

/* Whether the To of a response has a tag, without which there is no dialog. */
static bool has_tag(const struct oh__load_view *v)
{
    struct oh_address to;

    return oh_address_decode(v->to, &to, NULL) == OH_OK && oh_address_tag(&to).n > 0;
}

/* Keeps what the rest of the call needs of the 2xx. OH_OK, or why it cannot go on. */
static int enter_dialog(struct oh__load_worker *w, struct oh__load_op *op,
                        const struct oh__load_view *v)
{
    char rows[OH__LOAD_ROOM];
    struct oh__load_target target;
    struct oh_buf routes;
    int rc;

    oh_buf_init(&routes, rows, sizeof rows);
    rc = read_dialog(w, v, &target, &routes);
    if (rc != OH_OK)
        return rc;
    if (!has_tag(v))
        return OH_E_ABSENT;
    /* The ACK carries the credentials of its INVITE (RFC 3261 22.1), so they stay, too. */
    op->invite_auth = op->auth;
    op->room_n = (uint16_t)(op->room_n + op->auth.n);
    if (!keep(op, target.uri, &op->uri) || !keep(op, oh_buf_view(&routes), &op->routes) ||
        !keep(op, v->to, &op->to))
        return OH_E_LIMIT;
    /* A name, or an address that is none of the laboratory's, is the server's to reach. */
    bool usable = target.hop.family == w->run->server.family &&
                  (oh__load_addr_is_near(&target.hop) ||
                   oh_addr_same_host(&target.hop, &w->run->server));
    op->next_hop = usable ? target.hop : w->run->server;
    op->in_dialog = true;
    return OH_OK;
}

/* The 2xx of an INVITE: ACK at once, BYE when the time of the call is over. */
static void on_answer(struct oh__load_worker *w, struct oh__load_op *op,
                      const struct oh__load_view *v, uint64_t now)
{
    uint64_t hold = w->run->config->hold;
    int rc = enter_dialog(w, op, v);

    if (rc != OH_OK) {
        oh__load_op_failed(w, op, rc == OH_E_LIMIT ? OH__LOAD_FAIL_ROOM : OH__LOAD_FAIL_DIALOG);
        return;
    }
    op->setup = now - op->due;
    send(w, op, OH__REQUEST_ACK);
    if (hold == 0 || w->stopping) {
        oh__load_hang_up(w, op, now);
        return;
    }
    op->state = OH__OP_HOLDING;
    oh__load_op_timer(w, op, now + hold);
}

/* 401 and 407: once more with credentials. */
static void on_challenge(struct oh__load_worker *w, struct oh__load_op *op,
                         const struct oh__load_view *v, uint64_t now)
{
    enum oh_method method = (enum oh_method)op->method;
    const struct oh_msg *m = oh__load_whole(w, v);

    if (!m || op->tries >= TRIES_MAX ||
        oh__load_login_learn(w, op->user, m, method, op->tries > 0) != OH_OK) {
        oh__load_op_refused(w, op, v->status);
        return;
    }
    op->tries++;
    oh__load_stats_of(w, op)->challenges++;
    begin(w, op, method, now);
}

/* The response to the current request. */
static void on_current(struct oh__load_worker *w, struct oh__load_op *op,
                       const struct oh__load_view *v, uint64_t now)
{
    if (v->status < 200) {
        /* Timer A ends, Timer E goes on with T2 (RFC 3261 17.1.1.2, 17.1.2.2). */
        if (!op->provisional && op->method == OH_METHOD_INVITE)
            oh__load_op_timer(w, op, op->first + w->run->config->timeout);
        op->provisional = true;
        op->interval = T2;
    } else if (v->status == 401 || v->status == 407) {
        on_challenge(w, op, v, now);
    } else if (v->status >= 300) {
        oh__load_op_refused(w, op, v->status);
    } else if (op->method == OH_METHOD_INVITE) {
        on_answer(w, op, v, now);
    } else {
        oh__load_op_done(w, op, now);
    }
}

/* The branch of our own Via; servers seldom change what stands in front of it. */
static struct oh_span branch_of(const struct oh__load_worker *w, const struct oh__load_view *v,
                                unsigned port)
{
    struct oh_span start = w->ports[port].via_text, value = v->vias[0], rest = value;
    size_t cookie = start.n - (sizeof COOKIE - 1);
    struct oh_via via;

    if (value.n > start.n && memcmp(value.p, start.p, start.n) == 0) {
        rest = oh_span_from(value, cookie);
        ptrdiff_t end = oh_span_find(rest, ';');

        if (oh_span_find(rest, ',') < 0)
            return oh_span_trim(end < 0 ? rest : oh_span_head(rest, (size_t)end));
    }
    rest = value;
    if (oh_comma_next(&rest, &value) != OH_OK || oh_via_decode(value, &via, NULL) != OH_OK ||
        !via.cookie)
        return oh_span(NULL, 0);
    return via.branch;
}

void oh__load_on_response(struct oh__load_worker *w, const struct oh__load_view *v,
                          const struct oh_flow *flow, uint64_t now)
{
    struct oh_span branch = branch_of(w, v, flow->listener);
    struct oh_span id = oh_span_from(branch, sizeof COOKIE - 1);
    struct oh_span rest = oh_span_from(id, OH__LOAD_ID);
    bool invite = v->method == OH_METHOD_INVITE;
    struct oh__load_op *op = oh__load_op_find(w, id);
    uint64_t txn = 0;
    bool ours = oh__load_hex_get(&rest, TXN_DIGITS, &txn) && !rest.n &&
                memcmp(id.p, w->run_text, sizeof w->run_text) == 0;

    /* Repeated refusals, too: the server asks until it has an ACK. */
    if (invite && ours && v->status >= 300)
        ack_refusal(w, v, branch, flow);
    if (!ours || !op) {
        w->stray += !ours || v->status >= 200;
    } else if (op->state == OH__OP_WAITING && txn == op->txn && v->method == op->method) {
        on_current(w, op, v, now);
    } else if (invite && v->status / 100 == 2 && op->in_dialog && txn == op->invite_txn) {
        send(w, op, OH__REQUEST_ACK);
    }
}

/* ---- time ---- */

/* Timer B or F, or nobody has taken the call in time. */
static void give_up(struct oh__load_worker *w, struct oh__load_op *op)
{
    /* A phone that still rings must not ring for ever (RFC 3261 9.1). */
    if (op->method == OH_METHOD_INVITE && op->provisional)
        send(w, op, OH__REQUEST_CANCEL);
    oh__load_op_failed(w, op, OH__LOAD_FAIL_TIMEOUT);
}

void oh__load_on_timer(struct oh__load_worker *w, struct oh__load_op *op, uint64_t now)
{
    uint64_t end = op->first + w->run->config->timeout, next;

    if (op->state == OH__OP_HOLDING) {
        oh__load_hang_up(w, op, now);
        return;
    }
    if (now >= end) {
        give_up(w, op);
        return;
    }
    if (op->unsent) {
        oh__load_op_failed(w, op, OH__LOAD_FAIL_CONNECTION);
        return;
    }
    oh__load_op_waits(w, op, now);
    /* A stream loses nothing (RFC 3261 17.1.1.2, 17.1.2.2). */
    if (!oh_transport_reliable(w->run->config->transport)) {
        oh__load_stats_of(w, op)->retransmissions++;
        oh__load_live_add(&w->live.retransmissions, 1);
        send(w, op, request_of((enum oh_method)op->method));
    }
    op->interval *= 2;
    if (op->method != OH_METHOD_INVITE && op->interval > T2)
        op->interval = T2;
    next = now + op->interval;
    oh__load_op_timer(w, op, next < end ? next : end);
}
