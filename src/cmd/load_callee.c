/*
 * The phone that is called: it rings and takes every call, accepts every other
 * request, and keeps nothing but the 2xx of a call until its ACK comes, since
 * only the callee repeats that (RFC 3261 13.3.1.4). The call is found by its
 * Call-ID, which a proxy does not change; behind a server that changes it the
 * phone answers as well, but without repeating.
 */
#include "cmd/load.h"

#include <offhook/build.h>

#define T1 (500 * OH__MS)
#define T2 (4 * OH__SEC)

#define TAG_N 16

void oh__load_answer_drop(struct oh__load_worker *w, struct oh__load_op *op)
{
    struct oh__load_answer *a = oh__pool_get(w->answers, op->answer);

    if (a)
        oh__wheel_clear(w->wheel, &a->alarm.timer);
    oh__pool_give(w->answers, op->answer);
    op->answer = 0;
}

/* Keeps a 2xx that has been sent. */
static void keep_answer(struct oh__load_worker *w, struct oh__load_op *op,
                        const struct oh_flow *flow, struct oh_span bytes, uint64_t now)
{
    struct oh__load_answer *a;

    op->answered = true;
    if (bytes.n > OH__LOAD_ANSWER)
        return;
    a = oh__pool_take(w->answers, &op->answer);
    if (!a)
        return;
    a->alarm.kind = OH__ALARM_ANSWER;
    a->handle = op->answer;
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

/* Sends a response; what was sent, empty when it does not fit. */
static struct oh_span reply(struct oh__load_worker *w, const struct oh_msg *m,
                            const struct oh_flow *flow, const struct oh_reply *r)
{
    struct oh_flow back;
    struct oh_buf b;

    oh_buf_init(&b, w->out, sizeof w->out);
    if (oh_build_reply(&b, m, flow, r) != OH_OK) {
        w->bad++;
        return oh_span(NULL, 0);
    }
    oh_reply_flow(&m->via, flow, &back);
    oh__net_send(w->net, &back, oh_buf_view(&b), 0);
    return oh_buf_view(&b);
}

/* The tag of this phone in a call: the same for a repeated request, without keeping it. */
static struct oh_span tag_of(const struct oh__load_worker *w, const struct oh_msg *m,
                             char out[TAG_N])
{
    oh__load_hex_put(out, oh__hash(&w->key, m->call_id), TAG_N);
    return oh_span(out, TAG_N);
}

/*
 * Rings and answers at once, which is the hardest case for a server: both responses leave in one
 * batch, so whatever it does for a 1xx is still under way when the 2xx comes.
 */
static void on_invite(struct oh__load_worker *w, const struct oh_msg *m, struct oh__load_op *op,
                      const struct oh_flow *flow, uint64_t now)
{
    char headers[OH_ADDR_TEXT_MAX + 80], tag[TAG_N];
    struct oh__load_answer *kept = op ? oh__pool_get(w->answers, op->answer) : NULL;
    struct oh_reply r = {.code = 180, .to_tag = tag_of(w, m, tag)};
    struct oh_flow back;
    struct oh_span sent;
    struct oh_buf b;

    if (kept)
        repeat(w, kept);
    /* An INVITE that comes again behind its ACK was under way for long: nobody waits for it. */
    if (kept || (op && op->answered))
        return;
    oh_buf_init(&b, headers, sizeof headers);
    oh_buf_lit(&b, "Contact: <sip:callee@");
    oh_buf_span(&b, oh_span_str(w->self[flow->listener]));
    oh_buf_lit(&b, ">\r\n");
    r.headers = oh_buf_view(&b);
    reply(w, m, flow, &r);
    oh_buf_lit(&b, "Content-Type: application/sdp\r\n");
    r.headers = oh_buf_view(&b);
    r.code = 200;
    r.body = oh_span_str(w->sdp);
    sent = reply(w, m, flow, &r);
    oh_reply_flow(&m->via, flow, &back);
    if (op && sent.n)
        keep_answer(w, op, &back, sent, now);
}

void oh__load_on_request(struct oh__load_worker *w, const struct oh_msg *m,
                         const struct oh_flow *flow, uint64_t now)
{
    struct oh_span rest = m->call_id;
    struct oh__load_op *op = oh__load_op_find(w, &rest);
    char tag[TAG_N];
    struct oh_reply r = {.code = 200};

    switch (m->method) {
    case OH_METHOD_INVITE: on_invite(w, m, op, flow, now); return;
    case OH_METHOD_ACK:
        if (op)
            oh__load_answer_drop(w, op);
        return;
    case OH_METHOD_BYE:
        /* The caller has got the 2xx, whatever became of its ACK. */
        if (op)
            oh__load_answer_drop(w, op);
        break;
    default: break;
    }
    r.to_tag = tag_of(w, m, tag);
    reply(w, m, flow, &r);
}
