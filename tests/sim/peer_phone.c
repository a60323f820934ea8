/*
 * A phone's transactions: the endpoint and its events, the requests that the
 * phone makes, its answers to everything but calls. Calls are in peer_call.c.
 */
#include "dialog_parts.h"

#include <offhook/digest.h>

/* ---- beginning and end ---- */

static void endpoint_new(struct phone *ph)
{
    struct oh_endpoint_options o = {.transactions_max = 256, .completed_max = 1024};

    for (unsigned i = 0; i < sizeof o.seed; i++)
        o.seed[i] = (uint8_t)world_random(ph->world, 256);
    memcpy(o.secret, o.seed, sizeof o.secret);
    CHECK(ph->world, oh_endpoint_new(&o, ph->world->now, &ph->ep) == OH_OK);
}

static void on_receive(void *self, const struct oh_flow *flow, struct oh_span bytes)
{
    struct phone *ph = self;

    oh_endpoint_input(ph->ep, ph->world->now, flow, bytes);
    phone_drain(ph);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t on_deadline(const void *self)
{
    const struct phone *ph = self;
    uint64_t at = oh_endpoint_deadline(ph->ep);

    for (unsigned i = 0; i < ph->tasks_n; i++)
        at = earlier(at, ph->tasks[i].cancel_at);
    for (unsigned i = 0; i < ph->calls_n; i++)
        at = earlier(at, phone_call_deadline(&ph->calls[i]));
    for (unsigned i = 0; i < ph->waiting_n; i++)
        at = earlier(at, ph->waiting[i].at);
    return at;
}

static void on_done(void *self)
{
    struct phone *ph = self;

    oh_endpoint_free(ph->ep);
}

struct phone *phone_new(struct world *w, const char *address, const char *user,
                        const char *password)
{
    static const struct peer_ops ops = {
        .receive = on_receive, .deadline = on_deadline, .expire = phone_expire, .done = on_done};
    struct phone *ph = world_keep(w, sizeof *ph);

    ph->world = w;
    ph->peer = peer_new(w, address, user);
    ph->password = password;
    ph->manner = (struct phone_manner){.rings = true, .code = 200, .answer_ms = 1000};
    endpoint_new(ph);
    ph->peer->self = ph;
    ph->peer->ops = &ops;
    return ph;
}

void phone_manner(struct phone *ph, const struct phone_manner *manner)
{
    ph->manner = *manner;
}

struct peer *phone_peer(struct phone *ph)
{
    return ph->peer;
}

void phone_crash(struct phone *ph)
{
    world_note(ph->world, "%s loses its memory", ph->peer->name);
    oh_endpoint_free(ph->ep);
    endpoint_new(ph);
    for (unsigned i = 0; i < ph->tasks_n; i++) {
        ph->tasks[i].ended = true;
        ph->tasks[i].cancel_at = OH_NEVER;
    }
    ph->calls_n = ph->waiting_n = 0;
    ph->register_call = NULL;
    ph->register_cseq = 0;
    ph->life++;
}

/* ---- requests ---- */

struct oh_flow phone_flow(const struct phone *ph)
{
    const struct conn *c = ph->peer->conn;
    struct oh_flow flow = {.local = ph->peer->addr, .transport = OH_TRANSPORT_UDP};
    bool six = ph->peer->addr.family == OH_FAMILY_IPV6;

    oh_addr_parse_port(six ? OH_LIT(WORLD_SERVER6) : OH_LIT(WORLD_SERVER), &flow.peer);
    if (c) {
        flow.id = c->id;
        flow.local = c->flow.peer;
        flow.transport = OH_TRANSPORT_TCP;
    }
    return flow;
}

/* Sends the task's request in a new transaction. */
static void launch(struct phone *ph, struct phone_task *t)
{
    struct world *w = ph->world;
    char branch[OH_BRANCH_MAX];
    struct oh_span bytes;
    size_t n;

    CHECK(w, oh_client_reserve(ph->ep, 0, &t->client, branch, &n) == OH_OK);
    t->request.branch = world_keep_text(w, oh_span(branch, n));
    bytes = peer_write(ph->peer, &t->request);
    struct oh_client_request request = {.method = oh_method_of(oh_span_str(t->method)),
                                        .flow = phone_flow(ph),
                                        .bytes = bytes,
                                        .user = (uint64_t)(t - ph->tasks) + 1,
                                        .link = 1};

    t->tries++;
    CHECK(w, oh_client_start(ph->ep, w->now, t->client, &request) == OH_OK);
}

struct phone_task *phone_start(struct phone *ph, const struct peer_request *request)
{
    struct phone_task *t = &ph->tasks[ph->tasks_n];
    char *call = world_keep(ph->world, 64);

    CHECK_SAY(ph->world, ph->tasks_n < PHONE_TASKS, "the scenario gives a phone too much to do");
    ph->tasks_n++;
    snprintf(call, 64, "%s-%u-%u@%u", ph->peer->name, ph->tasks_n, ph->life, ++ph->world->fresh);
    *t = (struct phone_task){.method = request->method,
                             .uri = request->uri,
                             .request = *request,
                             .cancel_at = OH_NEVER,
                             .started_at = ph->world->now};
    if (!t->request.call)
        t->request.call = call;
    if (!t->request.cseq)
        t->request.cseq = 1;
    t->call = t->request.call;
    launch(ph, t);
    phone_drain(ph);
    return t;
}

/* Somebody may have damaged it on its way. */
static bool is_whole(const struct oh_msg *m)
{
    struct oh_challenge ch;
    enum oh_header_id id = m->status == 407 ? OH_HEADER_PROXY_AUTHENTICATE
                                            : OH_HEADER_WWW_AUTHENTICATE;

    return oh_challenge_decode(oh_msg_value(m, id), &ch, NULL) == OH_OK;
}

/* Answers a challenge; false when it cannot, or has done so before. */
static bool authorize(struct phone *ph, struct phone_task *t, const struct oh_msg *challenge)
{
    const char *old = t->request.rows ? t->request.rows : "";
    const char *row;
    char *rows;

    if (!ph->password || t->tries > 1 ||
        !oh_msg_row(challenge, challenge->status == 407 ? OH_HEADER_PROXY_AUTHENTICATE
                                                        : OH_HEADER_WWW_AUTHENTICATE))
        return false;
    if (ph->world->hostile && !is_whole(challenge))
        return false;
    row = peer_authorize(ph->peer, challenge, ph->peer->name, ph->password, t->method, t->uri);
    rows = world_keep(ph->world, strlen(row) + strlen(old) + 1);
    memcpy(rows, row, strlen(row));
    memcpy(rows + strlen(row), old, strlen(old));
    t->request.rows = rows;
    t->request.cseq++;
    launch(ph, t);
    return true;
}

const struct phone_task *phone_task(const struct phone *ph, unsigned i)
{
    return i < ph->tasks_n ? &ph->tasks[i] : NULL;
}

const struct phone_task *phone_register(struct phone *ph, unsigned expires, const char *params)
{
    char *contact = world_keep(ph->world, 256), *uri = world_keep(ph->world, 128);
    struct oh_flow flow = phone_flow(ph);
    char address[OH_ADDR_TEXT_MAX];

    oh_addr_text(&flow.local, address);
    snprintf(contact, 256, "<sip:%s@%s%s>%s;expires=%u", ph->peer->name, address,
             flow.id ? ";transport=tcp" : "", params, expires);
    snprintf(uri, 128, "sip:%s@" WORLD_DOMAIN, ph->peer->name);
    /* All registrations of a phone have one Call-ID and rising CSeq (RFC 3261 10.2). */
    if (!ph->register_call) {
        char *call = world_keep(ph->world, 64);

        snprintf(call, 64, "reg-%s-%u", ph->peer->name, ph->life);
        ph->register_call = call;
    }
    ph->register_cseq += 2;
    return phone_start(ph, &(struct peer_request){.method = "REGISTER",
                                                  .uri = "sip:" WORLD_DOMAIN,
                                                  .to = uri,
                                                  .call = ph->register_call,
                                                  .cseq = ph->register_cseq,
                                                  .contact = contact});
}

const struct phone_task *phone_request(struct phone *ph, const char *method, const char *uri,
                                       const char *body)
{
    return phone_start(ph,
                       &(struct peer_request){.method = method,
                                              .uri = uri,
                                              .body = body,
                                              .rows = body ? "Content-Type: text/plain\n" : NULL});
}

const struct phone_task *phone_ask(struct phone *ph, const char *method, const char *uri,
                                   const char *rows)
{
    return phone_start(ph, &(struct peer_request){.method = method, .uri = uri, .rows = rows});
}

/* ---- answers ---- */

void phone_reply(struct phone *ph, uint64_t server, const struct oh_msg *request,
                 const struct oh_flow *flow, const struct oh_reply *reply)
{
    char text[16384];
    struct oh_buf b;

    oh_buf_init(&b, text, sizeof text);
    if (oh_build_reply(&b, request, flow, reply) != OH_OK)
        return;
    int err = oh_server_reply(ph->ep, ph->world->now, server, reply->code, oh_buf_view(&b));

    if (err != OH_OK || !ph->manner.stutters || reply->code < 200)
        return;
    /* Once more, as if the network had repeated it. */
    oh_endpoint_send(ph->ep, flow, oh_buf_view(&b));
}

static void answer(struct phone *ph, uint64_t server, const struct oh_msg *m,
                   const struct oh_flow *flow, unsigned code)
{
    struct oh_reply reply = {.code = code, .to_tag = OH_LIT("phone")};
    char rows[400];

    if (m->method == OH_METHOD_SUBSCRIBE && code < 300) {
        snprintf(rows, sizeof rows, "%.*sExpires: 60\r\n", OH_PRI(phone_contact_row(ph)));
        reply.headers = oh_span_str(rows);
    } else if (m->method == OH_METHOD_UPDATE && code < 300) {
        reply.headers = phone_contact_row(ph);
    }
    phone_reply(ph, server, m, flow, &reply);
    phone_follow(ph, m, code);
}

/* The final answer to anything but an INVITE; now, or later. */
static void answer_other(struct phone *ph, const struct oh_output *o)
{
    unsigned code = ph->manner.other_code ? ph->manner.other_code : 200;
    bool at_once = o->msg->method == OH_METHOD_BYE || o->msg->method == OH_METHOD_PRACK;
    uint64_t server;

    if (oh_server_new(ph->ep, ph->world->now, o->msg, &o->flow, 0, &server) != OH_OK)
        return;
    code = phone_code_within(ph, o->msg, code);
    if (ph->manner.other_ms && !at_once && ph->waiting_n < PHONE_CALLS) {
        struct phone_waiting *late = &ph->waiting[ph->waiting_n++];

        *late = (struct phone_waiting){.at = ph->world->now + ph->manner.other_ms * WORLD_MS,
                                       .server = server,
                                       .code = code,
                                       .flow = o->flow,
                                       .msg = phone_hold(ph, o->msg)};
        return;
    }
    answer(ph, server, phone_hold(ph, o->msg), &o->flow, code);
}

static void on_request(struct phone *ph, const struct oh_output *o)
{
    if (o->msg->method == OH_METHOD_INVITE && o->msg->to_tag.n)
        phone_call_again(ph, o);
    else if (o->msg->method == OH_METHOD_INVITE)
        phone_call_incoming(ph, o);
    else
        answer_other(ph, o);
}

static void on_cancel(struct phone *ph, const struct oh_output *o)
{
    if (o->server)
        phone_call_cancelled(ph, o);
    else
        oh_reply_stateless(ph->ep, o->msg, &o->flow, &(struct oh_reply){.code = 481});
}

const struct oh_msg *phone_hold(struct phone *ph, const struct oh_msg *msg)
{
    struct oh_msg *m = world_keep(ph->world, sizeof *m);
    struct oh_span bytes = oh_span(world_keep_text(ph->world, msg->raw), msg->raw.n);
    struct oh_fault fault;
    size_t used;

    CHECK(ph->world, oh_msg_parse(bytes, OH_MSG_DATAGRAM, NULL, m, &used, &fault) == OH_OK &&
                         oh_msg_check(m, &fault) == OH_OK);
    return m;
}

/* ---- what comes back ---- */

static void end_task(struct phone *ph, struct phone_task *t, int code)
{
    t->ended = true;
    t->code = code;
    t->ended_at = ph->world->now;
    t->cancel_at = OH_NEVER;
    phone_invite_ended(ph, t);
}

static void on_response(struct phone *ph, const struct oh_output *o)
{
    struct phone_task *t = &ph->tasks[o->user - 1];
    bool invite = strcmp(t->method, "INVITE") == 0;

    if (o->client != t->client)
        return;
    if (o->code < 200) {
        t->ringing += o->code > 100;
        if (o->code > 100 && invite && !t->ended)
            phone_acknowledge(ph, t, o->msg);
        return;
    }
    if (invite && o->code < 300) {
        if (phone_call_answered(ph, t, o->msg))
            t->answers++;
        if (!t->ended)
            end_task(ph, t, o->code);
        return;
    }
    CHECK_SAY(ph->world, !t->ended || ph->world->hostile,
              "%s got a second final response: %d after %d", ph->peer->name, o->code, t->code);
    if ((o->code == 401 || o->code == 407) && !t->cancelled && authorize(ph, t, o->msg))
        return;
    end_task(ph, t, o->code);
}

static void on_failed(struct phone *ph, const struct oh_output *o)
{
    struct phone_task *t = &ph->tasks[o->user - 1];

    if (o->client == t->client && !t->ended)
        end_task(ph, t, o->code);
}

void phone_drain(struct phone *ph)
{
    struct oh_output o;

    while (oh_endpoint_take(ph->ep, &o)) {
        switch (o.kind) {
        case OH_OUT_SEND: network_to_server(ph->world, ph->peer, o.bytes); break;
        case OH_OUT_REQUEST: on_request(ph, &o); break;
        case OH_OUT_ACK: phone_call_confirmed(ph, o.msg); break;
        case OH_OUT_CANCEL: on_cancel(ph, &o); break;
        case OH_OUT_RESPONSE: on_response(ph, &o); break;
        case OH_OUT_FAILED: on_failed(ph, &o); break;
        case OH_OUT_TRYING:
        case OH_OUT_ENDED: break;
        }
    }
    oh_endpoint_check(ph->ep);
}

/* ---- time ---- */

static void answer_late(struct phone *ph)
{
    for (unsigned i = ph->waiting_n; i-- > 0;) {
        struct phone_waiting late = ph->waiting[i];

        if (late.at > ph->world->now)
            continue;
        ph->waiting[i] = ph->waiting[--ph->waiting_n];
        answer(ph, late.server, late.msg, &late.flow, late.code);
    }
}

static void cancel_late(struct phone *ph)
{
    for (unsigned i = 0; i < ph->tasks_n; i++) {
        struct phone_task *t = &ph->tasks[i];

        if (t->cancel_at > ph->world->now)
            continue;
        t->cancel_at = OH_NEVER;
        t->cancelled = true;
        oh_client_cancel(ph->ep, ph->world->now, t->client, oh_span("", 0));
    }
}

void phone_expire(void *self)
{
    struct phone *ph = self;

    oh_endpoint_expire(ph->ep, ph->world->now, 256);
    phone_drain(ph);
    cancel_late(ph);
    answer_late(ph);
    phone_calls_expire(ph);
    phone_drain(ph);
}
