/*
 * A phone's calls: what a user agent does with INVITE, its 2xx, ACK and BYE
 * (RFC 3261 13 to 15), and the bad manners that make life interesting.
 */
#include "dialog_parts.h"

#define T1 (WORLD_SECOND / 2)
#define T2 (4 * WORLD_SECOND)

static struct phone_call *new_call(struct phone *ph)
{
    struct phone_call *c = &ph->calls[ph->calls_n];

    CHECK_SAY(ph->world, ph->calls_n < PHONE_CALLS, "the scenario gives a phone too many calls");
    ph->calls_n++;
    memset(c, 0, sizeof *c);
    c->ring_at = c->answer_at = c->hangup_at = c->die_at = c->resend_at = OH_NEVER;
    c->reliable_at = OH_NEVER;
    return c;
}

static struct oh_span keep(struct phone *ph, struct oh_span s)
{
    return oh_span(world_keep_text(ph->world, s), s.n);
}

struct phone_call *phone_call_find(struct phone *ph, struct oh_span call, struct oh_span local,
                                   struct oh_span remote)
{
    for (unsigned i = 0; i < ph->calls_n; i++) {
        struct phone_call *c = &ph->calls[i];

        if (oh_span_eq(c->call, call) && oh_span_eq(c->local_tag, local) &&
            oh_span_eq(c->remote_tag, remote))
            return c;
    }
    return NULL;
}

/* ---- being called ---- */

void phone_call_incoming(struct phone *ph, const struct oh_output *o)
{
    const struct phone_manner *manner = &ph->manner;
    uint64_t now = ph->world->now, server;
    char tag[OH_TAG_MAX];
    struct phone_call *c;

    if (oh_server_new(ph->ep, now, o->msg, &o->flow, ph->calls_n + 1, &server) != OH_OK)
        return;
    c = new_call(ph);
    c->server = server;
    c->flow = o->flow;
    c->invite = phone_hold(ph, o->msg);
    c->call = c->invite->call_id;
    c->remote_tag = c->invite->from_tag;
    c->local_tag = keep(ph, oh_span(tag, oh_new_tag(ph->ep, tag)));
    if (manner->reliable && oh_msg_has_token(o->msg, OH_HEADER_SUPPORTED, OH_LIT("100rel")))
        c->reliable_at = now + manner->ring_ms * WORLD_MS;
    else if (manner->rings)
        c->ring_at = now + manner->ring_ms * WORLD_MS;
    if (manner->code)
        c->answer_at = now + manner->answer_ms * WORLD_MS;
    if (manner->dies_ms)
        c->die_at = now + manner->dies_ms * WORLD_MS;
}

struct oh_span phone_contact_row(struct phone *ph)
{
    char *row = world_keep(ph->world, 256), address[OH_ADDR_TEXT_MAX];
    struct oh_flow flow = phone_flow(ph);

    oh_addr_text(&flow.local, address);
    snprintf(row, 256, "Contact: <sip:%s@%s%s>\r\n", ph->peer->name, address,
             flow.id ? ";transport=tcp" : "");
    return oh_span_str(row);
}

static void ring(struct phone *ph, struct phone_call *c)
{
    phone_reply(
        ph, c->server, c->invite, &c->flow,
        &(struct oh_reply){.code = 180, .to_tag = c->local_tag, .headers = phone_contact_row(ph)});
}

static void refuse(struct phone *ph, struct phone_call *c, unsigned code)
{
    struct oh_reply reply = {.code = code, .to_tag = c->local_tag};
    char row[300];

    if (code < 400 && ph->manner.contact) {
        snprintf(row, sizeof row, "Contact: %s\r\n", ph->manner.contact);
        reply.headers = oh_span_str(row);
    }
    c->ended = true;
    c->reliable_at = OH_NEVER;
    phone_reply(ph, c->server, c->invite, &c->flow, &reply);
}

static struct oh_span write_answer(struct phone *ph, struct phone_call *c, struct oh_span tag)
{
    char *text = world_keep(ph->world, 16384);
    struct oh_buf b;

    oh_buf_init(&b, text, 16384);
    CHECK(ph->world, oh_build_reply(&b, c->invite, &c->flow,
                                    &(struct oh_reply){.code = 200,
                                                       .to_tag = tag,
                                                       .headers = phone_contact_row(ph)}) == OH_OK);
    return oh_buf_view(&b);
}

/* Through the transaction as long as there is one. */
static void send_answer(struct phone *ph, struct phone_call *c, struct oh_span bytes)
{
    if (oh_server_reply(ph->ep, ph->world->now, c->server, 200, bytes) == OH_E_STALE)
        oh_endpoint_send(ph->ep, &c->flow, bytes);
}

static void send_2xx(struct phone *ph, struct phone_call *c)
{
    c->answer = write_answer(ph, c, c->local_tag);
    send_answer(ph, c, c->answer);
    c->resend_gap = T1;
    c->resend_at = ph->world->now + T1;
    c->resend_end = ph->world->now + 64 * T1;
}

void phone_call_accept_again(struct phone *ph, struct phone_call *c)
{
    c->dialog.target = peer_target_of(ph->peer, c->invite);
    send_2xx(ph, c);
}

static void accept(struct phone *ph, struct phone_call *c)
{
    const struct oh_msg *m = c->invite;
    char *local = world_keep(ph->world, 1024);

    c->answered = true;
    c->reliable_at = OH_NEVER;
    send_2xx(ph, c);
    snprintf(local, 1024, "%.*s;tag=%.*s", OH_PRI(oh_msg_value(m, OH_HEADER_TO)),
             OH_PRI(c->local_tag));
    c->dialog = (struct peer_dialog){
        .call = world_keep_text(ph->world, c->call),
        .local = local,
        .remote = world_keep_text(ph->world, oh_msg_value(m, OH_HEADER_FROM)),
        .target = peer_target_of(ph->peer, m),
        .routes = peer_routes_of(ph->peer, m, false),
        .cseq = 1};
    if (ph->manner.twice) {
        struct oh_span tag = keep(ph, OH_LIT("another"));

        send_answer(ph, c, write_answer(ph, c, tag));
    }
}

void phone_call_cancelled(struct phone *ph, const struct oh_output *o)
{
    struct phone_call *c;

    if (o->user == 0 || o->user > ph->calls_n)
        return;
    c = &ph->calls[o->user - 1];
    c->cancelled = true;
    if (c->answered || c->ended || ph->manner.ignores_cancel)
        return;
    c->ring_at = c->answer_at = c->reliable_at = OH_NEVER;
    refuse(ph, c, 487);
}

void phone_call_confirmed(struct phone *ph, const struct oh_msg *ack)
{
    struct phone_call *c = phone_call_find(ph, ack->call_id, ack->to_tag, ack->from_tag);

    if (!c)
        return;
    c->resend_at = OH_NEVER;
    if (c->caller || c->confirmed)
        return;
    c->confirmed = true;
    if (ph->manner.hangup_ms)
        c->hangup_at = ph->world->now + ph->manner.hangup_ms * WORLD_MS;
}

/* ---- hanging up ---- */

bool phone_call_ended(struct phone *ph, const struct oh_msg *bye)
{
    struct phone_call *c = phone_call_find(ph, bye->call_id, bye->to_tag, bye->from_tag);

    if (!c)
        return false;
    c->ended = true;
    c->resend_at = c->hangup_at = c->reliable_at = OH_NEVER;
    return true;
}

static void send_bye(struct phone *ph, struct phone_call *c)
{
    c->ended = true;
    c->hangup_at = c->resend_at = OH_NEVER;
    phone_start(ph, &(struct peer_request){.method = "BYE",
                                           .uri = c->dialog.target,
                                           .from = c->dialog.local,
                                           .from_tag = "-",
                                           .to = c->dialog.remote,
                                           .call = c->dialog.call,
                                           .cseq = ++c->dialog.cseq,
                                           .rows = c->dialog.routes});
}

void phone_hang_up(struct phone *ph)
{
    for (unsigned i = 0; i < ph->calls_n; i++)
        if (ph->calls[i].confirmed && !ph->calls[i].ended)
            send_bye(ph, &ph->calls[i]);
}

unsigned phone_talking(const struct phone *ph)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ph->calls_n; i++)
        n += ph->calls[i].confirmed && !ph->calls[i].ended;
    return n;
}

unsigned phone_ringing(const struct phone *ph)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ph->calls_n; i++) {
        const struct phone_call *c = &ph->calls[i];

        n += !c->caller && !c->answered && !c->ended && !c->cancelled;
    }
    return n;
}

/* ---- calling ---- */

const struct phone_task *phone_call(struct phone *ph, const char *uri,
                                    const struct phone_plan *plan)
{
    struct phone_task *t;

    t = phone_start(ph, &(struct peer_request){
                            .method = "INVITE", .uri = uri, .rows = plan ? plan->rows : NULL});
    if (plan)
        t->plan = *plan;
    if (t->plan.cancel_ms && !t->ended)
        t->cancel_at = ph->world->now + t->plan.cancel_ms * WORLD_MS;
    return t;
}

/* The ACK of a 2xx has the CSeq number of its INVITE, and is the same whenever it is asked for. */
static void send_ack(struct phone *ph, struct phone_call *c, uint32_t cseq)
{
    struct oh_flow flow = phone_flow(ph);

    if (c->ack.n == 0 || c->ack_cseq != cseq)
        c->ack = peer_write(ph->peer, &(struct peer_request){.method = "ACK",
                                                             .uri = c->dialog.target,
                                                             .from = c->dialog.local,
                                                             .from_tag = "-",
                                                             .to = c->dialog.remote,
                                                             .call = c->dialog.call,
                                                             .cseq = cseq,
                                                             .rows = c->dialog.routes});
    c->ack_cseq = cseq;
    oh_endpoint_send(ph->ep, &flow, c->ack);
}

bool phone_call_answered(struct phone *ph, struct phone_task *t, const struct oh_msg *response)
{
    struct phone_call *c = phone_call_find(ph, response->call_id, response->from_tag,
                                           response->to_tag);

    if (t->plan.no_ack)
        return c == NULL;
    if (c) {
        send_ack(ph, c, response->cseq);
        return false;
    }
    c = new_call(ph);
    c->caller = c->answered = c->confirmed = true;
    c->call = keep(ph, response->call_id);
    c->local_tag = keep(ph, response->from_tag);
    c->remote_tag = keep(ph, response->to_tag);
    peer_dialog_caller(ph->peer, response, &c->dialog);
    c->dialog.cseq += t->pracks_n;
    send_ack(ph, c, response->cseq);
    /* Who has hung up, or talks to somebody already, ends the call at once. */
    if (t->cancelled || t->answers)
        send_bye(ph, c);
    else if (t->plan.hangup_ms)
        c->hangup_at = ph->world->now + t->plan.hangup_ms * WORLD_MS;
    return true;
}

/* ---- time ---- */

uint64_t phone_call_deadline(const struct phone_call *c)
{
    const uint64_t all[] = {c->ring_at,   c->answer_at, c->hangup_at,
                            c->resend_at, c->die_at,    c->reliable_at};
    uint64_t at = OH_NEVER;

    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        at = all[i] < at ? all[i] : at;
    return at;
}

static void resend(struct phone *ph, struct phone_call *c)
{
    if (ph->world->now >= c->resend_end) {
        /* Nobody acknowledges: the call is ended (RFC 3261 13.3.1.4). */
        c->resend_at = OH_NEVER;
        send_bye(ph, c);
        return;
    }
    send_answer(ph, c, c->answer);
    c->resend_gap = c->resend_gap * 2 < T2 ? c->resend_gap * 2 : T2;
    c->resend_at = ph->world->now + c->resend_gap;
}

/* True once when the time has come. */
static bool due(struct phone *ph, uint64_t *at)
{
    if (*at > ph->world->now)
        return false;
    *at = OH_NEVER;
    return true;
}

static void run(struct phone *ph, struct phone_call *c)
{
    if (due(ph, &c->die_at)) {
        /* One dies once. */
        for (unsigned i = 0; i < ph->calls_n; i++)
            ph->calls[i].die_at = OH_NEVER;
        peer_silence(ph->peer, true);
        return;
    }
    if (due(ph, &c->ring_at) && !c->answered && !c->ended)
        ring(ph, c);
    if (c->reliable_at <= ph->world->now && !phone_call_insists(ph, c))
        refuse(ph, c, 500);
    if (due(ph, &c->answer_at) && !c->ended) {
        if (ph->manner.code < 300)
            accept(ph, c);
        else
            refuse(ph, c, ph->manner.code);
    }
    if (due(ph, &c->hangup_at) && !c->ended)
        send_bye(ph, c);
    if (c->resend_at <= ph->world->now)
        resend(ph, c);
}

void phone_calls_expire(struct phone *ph)
{
    for (unsigned i = 0; i < ph->calls_n && !ph->peer->silent; i++)
        run(ph, &ph->calls[i]);
}
