/*
 * Replies without a transaction (RFC 3261 8.2.7): to requests that are no
 * good, and to those that the user does not want to remember. Every
 * retransmission of a request gets the same reply, so the To tag is a MAC of
 * what is the same in all of them. It leaves the method out: then the CANCEL
 * of an INVITE, whose Via, Call-ID, From tag and CSeq number are the same, is
 * answered with the tag that the INVITE's response has (RFC 3261 9.2).
 */
#include "core/internal.h"

#include "base/base32.h"

/* Bytes of a tag before they become text: 96 bits, 20 digits. */
#define TAG_BYTES 12

/* Of the texts that a tag is made of. */
#define PART_MAX 128

/* Room for start line, names, numbers and received parameters of a reply. */
#define REPLY_ROOM 512

/* What a row may gain when its name is written in full. */
#define ROW_ROOM 12

/* Bytes of the reason phrase that tells what is wrong. */
#define REASON_MAX 120

/* A text that goes into a MAC, with its length before it, so that no two lists of texts look alike;
 * a long one as a MAC of its own. */
static size_t put_part(const struct oh_endpoint *ep, struct oh_span s, char *out)
{
    uint32_t n = (uint32_t)s.n;

    memcpy(out, &n, sizeof(n));
    if (s.n > PART_MAX) {
        oh__mac128(&ep->secret, s, (uint8_t *)out + sizeof(n));
        return sizeof(n) + 16;
    }
    if (s.n)
        memcpy(out + sizeof(n), s.p, s.n);
    return sizeof(n) + s.n;
}

size_t oh_stateless_tag(const struct oh_endpoint *ep, const struct oh_msg *request,
                        char out[OH_TAG_MAX])
{
    const struct oh_span parts[] = {request->call_id, request->from_tag, request->via.text};
    char text[1 + 4 + 3 * (4 + PART_MAX)];
    uint8_t mac[16];
    size_t n = 5;

    text[0] = 't';
    memcpy(text + 1, &request->cseq, 4);
    for (unsigned i = 0; i < 3; i++)
        n += put_part(ep, parts[i], text + n);
    oh__mac128(&ep->secret, oh_span(text, n), mac);
    return oh__base32_put(out, mac, TAG_BYTES);
}

size_t oh_new_tag(struct oh_endpoint *ep, char out[OH_TAG_MAX])
{
    uint8_t bytes[TAG_BYTES];

    oh__rng_bytes(&ep->rng, bytes, sizeof(bytes));
    return oh__base32_put(out, bytes, sizeof(bytes));
}

int oh__build_reply(struct oh_endpoint *ep, const struct oh_msg *request,
                    const struct oh_flow *flow, const struct oh_reply *reply, struct oh_span *bytes)
{
    struct oh_reply full = *reply;
    char tag[OH_TAG_MAX];
    struct oh_buf out;
    size_t most;
    char *room;
    int err;

    /* 100 has none (RFC 3261 17.2.1), and a To that has one keeps it. */
    if (full.to_tag.n == 0 && full.code > 100 && request->to_tag.n == 0)
        full.to_tag = oh_span(tag, oh_stateless_tag(ep, request, tag));
    most = request->raw.n + full.headers.n + full.body.n + full.server.n + full.reason.n +
           full.to_tag.n + request->rows_n * ROW_ROOM + REPLY_ROOM;
    room = oh_arena_take(&ep->arena, most);
    if (!room)
        return OH_E_NOMEM;
    oh_buf_init(&out, room, most);
    err = oh_build_reply(&out, request, flow, &full);
    if (err)
        return err;
    *bytes = oh_buf_view(&out);
    return OH_OK;
}

int oh_reply_stateless(struct oh_endpoint *ep, const struct oh_msg *request,
                       const struct oh_flow *flow, const struct oh_reply *reply)
{
    struct oh_span bytes;
    struct oh_flow back;
    int err = oh__outputs_reserve(ep);

    if (err)
        return err;
    err = oh__build_reply(ep, request, flow, reply, &bytes);
    if (err)
        return err;
    oh_reply_flow(&request->via, flow, &back);
    oh__put_send(ep, &back, bytes, NULL, 0);
    ep->stats.tx_stateless++;
    return OH_OK;
}

int oh_endpoint_send(struct oh_endpoint *ep, const struct oh_flow *flow, struct oh_span bytes)
{
    int err = oh__outputs_reserve(ep);
    struct oh_span copy;

    if (err)
        return err;
    copy = oh_arena_copy(&ep->arena, bytes);
    if (!copy.p)
        return OH_E_NOMEM;
    oh__put_send(ep, flow, copy, NULL, 0);
    return OH_OK;
}

/* An unknown method whose CSeq names another one: "we do not know it" says more than "bad" (RFC
 * 4475 3.1.2.18). */
static bool unknown_method(const struct oh_msg *msg, const struct oh_fault *fault)
{
    return fault->header == OH_HEADER_CSEQ && msg->method == OH_METHOD_OTHER &&
           msg->cseq_method_text.n && !oh_span_eq(msg->cseq_method_text, msg->method_text);
}

static unsigned status_of(const struct oh_msg *msg, const struct oh_fault *fault)
{
    return unknown_method(msg, fault) ? 501 : oh_msg_fault_status(fault);
}

/* "Missing Call-ID", "Bad CSeq: a CSeq of 2^31 or more" (RFC 3261 21.4.1). Phrases that begin a
 * sentence name the header. */
static void put_reason(struct oh_buf *out, const struct oh_fault *fault)
{
    struct oh_span why = oh_span_head(oh_span_str(fault->why), REASON_MAX / 2);

    if (why.n && why.p[0] >= 'A' && why.p[0] <= 'Z') {
        oh_buf_span(out, why);
        return;
    }
    oh_buf_lit(out, "Bad ");
    if (fault->header)
        oh_buf_span(out, oh_span_str(oh_header_info(fault->header)->name));
    else
        oh_buf_lit(out, "Request");
    if (why.n) {
        oh_buf_lit(out, ": ");
        oh_buf_span(out, why);
    }
}

void oh__refuse_bad(struct oh_endpoint *ep, struct oh_msg *msg, const struct oh_flow *flow,
                    const struct oh_fault *fault)
{
    struct oh_reply reply = {.server = ep->options.server};
    char text[REASON_MAX];
    struct oh_buf reason;
    struct oh_flow back;

    ep->stats.rx_bad++;
    /* Nothing answers a response or an ACK, and without a Via nobody knows where to. */
    if (!msg->request || msg->method == OH_METHOD_ACK || msg->via.host.n == 0)
        return;
    oh_reply_flow(&msg->via, flow, &back);
    if (back.peer.port == 0 && back.id == 0)
        return;
    reply.code = status_of(msg, fault);
    if (reply.code == 400) {
        oh_buf_init(&reason, text, sizeof(text));
        put_reason(&reason, fault);
        if (oh_buf_error(&reason) == OH_OK)
            reply.reason = oh_buf_view(&reason);
    }
    /* Without memory it stays unanswered, as if the datagram had been lost. */
    (void)oh_reply_stateless(ep, msg, flow, &reply);
}
