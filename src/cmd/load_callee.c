/*
 * The phone that is called: it rings and takes every call, accepts every other
 * request, and keeps nothing but the 2xx of a call until its ACK comes, since
 * only the callee repeats that (RFC 3261 13.3.1.4). The call is found by its
 * Call-ID, which a proxy does not change; behind a server that changes it the
 * phone answers as well, but without repeating.
 */
#include "cmd/load.h"

#define T1 (500 * OH__MS)
#define T2 (4 * OH__SEC)

#define TAG_N 16

#define NOBODY "Content-Length: 0\r\n\r\n"

void oh__load_answer_drop(struct oh__load_worker *w, struct oh__load_op *op)
{
    if (op->unconfirmed)
        oh__wheel_clear(w->wheel, &w->answers[oh__load_slot(w, op)].alarm.timer);
    op->unconfirmed = false;
}

/* Keeps a 2xx that has been sent. */
static void keep_answer(struct oh__load_worker *w, struct oh__load_op *op,
                        const struct oh_flow *flow, struct oh_span bytes, uint64_t now)
{
    struct oh__load_answer *a;

    op->answered = true;
    if (!w->answers || bytes.n > sizeof a->bytes)
        return;
    a = &w->answers[oh__load_slot(w, op)];
    op->unconfirmed = true;
    a->alarm = (struct oh__load_alarm){.kind = OH__ALARM_ANSWER};
    a->op = op;
    a->flow = *flow;
    a->interval = T1;
    a->until = now + 64 * T1;
    a->n = (uint16_t)bytes.n;
    memcpy(a->bytes, bytes.p, bytes.n);
    oh__wheel_set(w->wheel, &a->alarm.timer, now + T1);
}

/* Sends the kept 2xx once more. */
static void repeat(struct oh__load_worker *w, struct oh__load_answer *a)
{
    oh__load_stats_of(w, a->op)->retransmissions++;
    oh__load_live_add(&w->live.retransmissions, 1);
    oh__net_send(w->net, &a->flow, oh_span(a->bytes, a->n), 0);
}

void oh__load_on_answer_timer(struct oh__load_worker *w, struct oh__load_answer *a, uint64_t now)
{
    if (now >= a->until) {
        oh__load_answer_drop(w, a->op);
        return;
    }
    repeat(w, a);
    a->interval = 2 * a->interval < T2 ? 2 * a->interval : T2;
    oh__wheel_set(w->wheel, &a->alarm.timer, now + a->interval);
}

/* The tag of this phone in a call: the same for a repeated request, without keeping it. */
static struct oh_span tag_of(const struct oh__load_worker *w, const struct oh__load_view *v,
                             char out[TAG_N])
{
    oh__load_hex_put(out, oh__hash(&w->key, v->call_id), TAG_N);
    return oh_span(out, TAG_N);
}

/* A response: status line, what all to this request have in common, rows of its own with the body.
 * What was sent, empty when it does not fit. */
static struct oh_span reply(struct oh__load_worker *w, const struct oh_flow *back,
                            struct oh_span line, struct oh_span head, struct oh_span tail)
{
    struct oh_buf b;

    oh_buf_init(&b, w->out, sizeof w->out);
    oh_buf_span(&b, line);
    oh_buf_span(&b, head);
    oh_buf_span(&b, tail);
    if (b.full) {
        w->bad++;
        return oh_span(NULL, 0);
    }
    oh__net_send(w->net, back, oh_buf_view(&b), 0);
    return oh_buf_view(&b);
}

/*
 * Rings and answers at once, which is the hardest case for a server: both responses leave in one
 * batch, so whatever it does for a 1xx is still under way when the 2xx comes.
 */
static void on_invite(struct oh__load_worker *w, struct oh__load_op *op, const struct oh_flow *flow,
                      const struct oh_flow *back, struct oh_span head, uint64_t now)
{
    char room[sizeof w->sdp + OH_ADDR_TEXT_MAX + 120];
    struct oh_span sent;
    struct oh_buf b;
    size_t contact;

    if (op && op->unconfirmed)
        repeat(w, &w->answers[oh__load_slot(w, op)]);
    /* An INVITE that comes again behind its ACK was under way for long: nobody waits for it. */
    if (op && op->answered)
        return;
    oh_buf_init(&b, room, sizeof room);
    oh_buf_lit(&b, "Contact: <sip:callee@");
    oh_buf_span(&b, w->ports[flow->listener].contact_text);
    oh_buf_lit(&b, ">\r\n");
    contact = b.n;
    oh_buf_lit(&b, NOBODY);
    reply(w, back, OH_LIT("SIP/2.0 180 Ringing\r\n"), head, oh_buf_view(&b));
    b.n = contact;
    oh_buf_lit(&b, "Content-Type: application/sdp\r\nContent-Length: ");
    oh_buf_span(&b, w->fixed[OH__HOLE_sdp_n]);
    oh_buf_lit(&b, "\r\n\r\n");
    oh_buf_span(&b, w->fixed[OH__HOLE_sdp]);
    sent = reply(w, back, OH_LIT("SIP/2.0 200 OK\r\n"), head, oh_buf_view(&b));
    if (op && sent.n)
        keep_answer(w, op, back, sent, now);
}

void oh__load_on_request(struct oh__load_worker *w, const struct oh__load_view *v,
                         const struct oh_flow *flow, uint64_t now)
{
    struct oh__load_op *op = oh__load_op_find(w, v->call_id);
    bool invite = v->method == OH_METHOD_INVITE;
    struct oh_flow back;
    struct oh_buf head;
    char tag[TAG_N];

    /* Behind a BYE, too: the caller has got the 2xx, whatever became of its ACK. */
    if (op && (v->method == OH_METHOD_ACK || v->method == OH_METHOD_BYE))
        oh__load_answer_drop(w, op);
    if (v->method == OH_METHOD_ACK)
        return;
    oh_buf_init(&head, w->head, sizeof w->head);
    if (oh__load_view_head(v, flow, invite, tag_of(w, v, tag), &back, &head) != OH_OK)
        w->bad++;
    else if (invite)
        on_invite(w, op, flow, &back, oh_buf_view(&head), now);
    else
        reply(w, &back, OH_LIT("SIP/2.0 200 OK\r\n"), oh_buf_view(&head), OH_LIT(NOBODY));
}
