/*
 * Messages that no application writes: the reply to a request, and the CANCEL
 * and ACK that belong to an INVITE. They are made of rows of another message,
 * copied as they came: a Call-ID or tag that is rewritten, if only in its
 * blanks, is no longer the one that the peer compares with. Names are written
 * in full, whatever form they came in.
 *
 * A reply may be to half a message, because that is what a 400 is for. So every
 * row is copied if it is there, and nothing here relies on oh_msg_check.
 */
#include <offhook/build.h>
#include <offhook/status.h>

#include "sip/lex.h"
#include "sip/value.h"

/* Writes "Name: value" with the header's full name. */
static void put_row(struct oh_buf *out, enum oh_header_id id, struct oh_span value)
{
    oh_buf_span(out, oh_span_str(oh_header_info(id)->name));
    oh_buf_lit(out, ": ");
    oh_buf_span(out, value);
    oh_buf_lit(out, "\r\n");
}

/* Copies the first row of a header, if there is one. */
static void copy_row(struct oh_buf *out, const struct oh_msg *m, enum oh_header_id id)
{
    const struct oh_row *row = oh_msg_row(m, id);

    if (row)
        put_row(out, id, oh_row_value(m, row));
}

/* Copies all rows of a header in order, from `row` on. */
static void copy_rows(struct oh_buf *out, const struct oh_msg *m, enum oh_header_id id,
                      const struct oh_row *row)
{
    for (; row; row = oh_msg_row_next(m, row))
        put_row(out, id, oh_row_value(m, row));
}

/* Writes ";received=" and the bare address, as RFC 3261 25.1 has it (no brackets, RFC 5118 4.5). */
static void put_received(struct oh_buf *out, const struct oh_addr *peer)
{
    struct oh_addr a = *peer;
    char text[OH_ADDR_TEXT_MAX];

    a.scope = 0;
    oh_addr_unmap(&a);
    oh_buf_lit(out, ";received=");
    oh_buf_put(out, text, oh_addr_host_text(&a, text));
}

void oh_build_via_received(struct oh_buf *out, const struct oh_via *via, const struct oh_flow *flow)
{
    struct oh_span rest = via->params;
    struct oh_param p;
    bool differs = via->addr.family == OH_FAMILY_NONE ||
                   !oh_addr_same_host(&via->addr, &flow->peer);

    /* Nothing to say: the value goes back exactly as it came. */
    if (!differs && !via->has_rport && !via->received.n) {
        oh_buf_span(out, via->text);
        return;
    }
    /* Mostly an rport waits for its value, or there is none, and nothing has to be taken out. A
     * fold, though, is not for the next one to unfold. */
    if (!via->received.n && !via->rport && oh_span_find(via->text, '\n') < 0) {
        size_t at = via->has_rport ? via->rport_at : via->text.n;

        oh_buf_put(out, via->text.p, at);
        if (via->has_rport) {
            oh_buf_char(out, '=');
            oh_buf_u64(out, flow->peer.port);
            oh_buf_span(out, oh_span_from(via->text, at));
        }
        put_received(out, &flow->peer);
        return;
    }
    oh_buf_span(out, oh_span_trim(oh_span(via->text.p, (size_t)(rest.p - via->text.p))));
    while (oh_param_next(&rest, &p) == OH_OK) {
        /* Both are ours to say: a value that the sender made up must not steer the response. */
        if (oh_span_ieq(p.name, OH_LIT("received")))
            continue;
        oh_buf_char(out, ';');
        if (oh_span_ieq(p.name, OH_LIT("rport"))) {
            oh_buf_lit(out, "rport=");
            oh_buf_u64(out, flow->peer.port);
            continue;
        }
        oh_buf_put(out, p.name.p,
                   (size_t)((p.value.p ? p.value.p + p.value.n + p.quoted : p.name.p + p.name.n) -
                            p.name.p));
    }
    if (differs || via->has_rport)
        put_received(out, &flow->peer);
}

/* The Via rows of a request as its response has them. */
static void put_vias(struct oh_buf *out, const struct oh_msg *request, const struct oh_flow *flow)
{
    const struct oh_row *row = oh_msg_row(request, OH_HEADER_VIA);
    struct oh_span rest, value;
    struct oh_via decoded;
    const struct oh_via *via = &request->via;

    if (!row)
        return;
    rest = oh_row_value(request, row);
    /* Only the first value of the first row is ours to fill; its neighbours are copied. What has
     * been checked is decoded already. */
    if (flow && !via->branch.n && oh_comma_next(&rest, &value) == OH_OK &&
        oh_via_decode(value, &decoded, NULL) == OH_OK)
        via = &decoded;
    if (flow && via->host.n) {
        rest = oh_span_trim(
            oh_span_from(oh_row_value(request, row),
                         (size_t)(via->text.p + via->text.n - request->raw.p) - row->value));
        oh_buf_lit(out, "Via: ");
        oh_build_via_received(out, via, flow);
        if (rest.n) {
            /* The comma and what is behind it. */
            oh_buf_lit(out, ", ");
            oh_buf_span(out, oh_span_trim(oh_span_from(rest, 1)));
        }
        oh_buf_lit(out, "\r\n");
        row = oh_msg_row_next(request, row);
    }
    copy_rows(out, request, OH_HEADER_VIA, row);
}

/* To, with our tag when it has none. One that cannot be read is copied: nobody knows where a tag
 * would go. */
static void put_to(struct oh_buf *out, const struct oh_msg *request, const struct oh_reply *reply)
{
    const struct oh_row *row = oh_msg_row(request, OH_HEADER_TO);
    struct oh_address to;

    if (!row)
        return;
    oh_buf_lit(out, "To: ");
    oh_buf_span(out, oh_row_value(request, row));
    if (reply->code > 100 && reply->to_tag.n &&
        oh_address_decode(oh_row_value(request, row), &to, NULL) == OH_OK &&
        !oh_address_tag(&to).n) {
        oh_buf_lit(out, ";tag=");
        oh_buf_span(out, reply->to_tag);
    }
    oh_buf_lit(out, "\r\n");
}

/* True for requests whose 101-299 responses can create a dialog. */
static bool creates_dialog(const struct oh_msg *request)
{
    /* To the others a Record-Route in the response would mean nothing (RFC 3261 12.1.1). */
    switch (request->method) {
    case OH_METHOD_INVITE:
    case OH_METHOD_SUBSCRIBE:
    case OH_METHOD_NOTIFY:
    case OH_METHOD_REFER: return true;
    default: return false;
    }
}

static void put_status_line(struct oh_buf *out, const struct oh_reply *reply)
{
    struct oh_span reason = reply->reason;

    if (!reason.n)
        reason = oh_span_str(oh_status_phrase(reply->code));
    oh_buf_lit(out, "SIP/2.0 ");
    oh_buf_u64(out, reply->code);
    oh_buf_char(out, ' ');
    /* It may quote what a stranger sent, so a line end in it must not become one (SYN-039). */
    oh__put_line(out, reason);
    oh_buf_lit(out, "\r\n");
}

/* Content-Length, the empty line and the body. */
static void put_body(struct oh_buf *out, struct oh_span body)
{
    oh_buf_lit(out, "Content-Length: ");
    oh_buf_u64(out, body.n);
    oh_buf_lit(out, "\r\n\r\n");
    oh_buf_span(out, body);
}

int oh_build_reply(struct oh_buf *out, const struct oh_msg *request, const struct oh_flow *flow,
                   const struct oh_reply *reply)
{
    put_status_line(out, reply);
    put_vias(out, request, flow);
    if (reply->code > 100 && reply->code < 300 && creates_dialog(request))
        copy_rows(out, request, OH_HEADER_RECORD_ROUTE,
                  oh_msg_row(request, OH_HEADER_RECORD_ROUTE));
    copy_row(out, request, OH_HEADER_FROM);
    put_to(out, request, reply);
    copy_row(out, request, OH_HEADER_CALL_ID);
    copy_row(out, request, OH_HEADER_CSEQ);
    /* Only a 100 comes back so fast that the client can measure with it (RFC 3261 8.2.6.1). */
    if (reply->code == 100)
        copy_row(out, request, OH_HEADER_TIMESTAMP);
    oh_buf_span(out, reply->headers);
    if (reply->server.n)
        put_row(out, OH_HEADER_SERVER, reply->server);
    put_body(out, reply->body);
    return oh_buf_error(out);
}

/* Where a datagram's response goes when the flow does not say: what the topmost Via claims. */
static struct oh_addr claimed(const struct oh_via *via)
{
    struct oh_addr a = {0};

    if (via->received.n && oh_addr_parse(via->received, &a) == OH_OK)
        return a;
    if (via->maddr.n && oh_addr_parse(via->maddr, &a) == OH_OK)
        return a;
    return via->addr;
}

/*
 * RFC 3261 18.2.2 puts maddr before the source of the request. That was meant
 * for multicast; followed for unicast, it would let anybody who can send us a
 * datagram have our responses sent to a third party. So the source wins, as it
 * does with rport, and maddr counts only where there is no source to know.
 */
void oh_reply_flow(const struct oh_via *via, const struct oh_flow *in, struct oh_flow *out)
{
    struct oh_flow f = *in;

    /* With rport the source is the answer, port included, whatever value the sender gave it. */
    if (!oh_transport_reliable(in->transport) &&
        (!via->has_rport || in->peer.family == OH_FAMILY_NONE)) {
        if (f.peer.family == OH_FAMILY_NONE)
            f.peer = claimed(via);
        f.peer.port = via->has_rport && via->rport ? via->rport : via->port ? via->port : 5060;
    }
    *out = f;
}

/* The rows that CANCEL and ACK share with the INVITE, up to From (RFC 3261 9.1, 17.1.1.3). */
static void put_sibling(struct oh_buf *out, const struct oh_msg *invite, enum oh_method method)
{
    const struct oh_row *row = oh_msg_row(invite, OH_HEADER_VIA);
    struct oh_span rest, value;

    oh_buf_span(out, oh_method_text(method));
    oh_buf_char(out, ' ');
    oh_buf_span(out, invite->uri);
    oh_buf_lit(out, " SIP/2.0\r\n");
    if (row) {
        rest = oh_row_value(invite, row);
        if (oh_comma_next(&rest, &value) == OH_OK)
            put_row(out, OH_HEADER_VIA, value);
    }
    /* Its own and not the INVITE's, which is as good as used up when that came far. */
    oh_buf_lit(out, "Max-Forwards: 70\r\n");
    copy_rows(out, invite, OH_HEADER_ROUTE, oh_msg_row(invite, OH_HEADER_ROUTE));
    copy_row(out, invite, OH_HEADER_FROM);
}

/* Call-ID, and CSeq with the INVITE's number and another method. */
static void put_call(struct oh_buf *out, const struct oh_msg *invite, enum oh_method method)
{
    struct oh_span cseq = oh_msg_value(invite, OH_HEADER_CSEQ), number;

    copy_row(out, invite, OH_HEADER_CALL_ID);
    /* The digits as they are: 007 stays 007, for who compares text. */
    if (!oh__lex_run(&cseq, OH__C_DIGIT, &number))
        return;
    oh_buf_lit(out, "CSeq: ");
    oh_buf_span(out, number);
    oh_buf_char(out, ' ');
    oh_buf_span(out, oh_method_text(method));
    oh_buf_lit(out, "\r\n");
}

int oh_build_cancel(struct oh_buf *out, const struct oh_msg *invite, struct oh_span headers)
{
    put_sibling(out, invite, OH_METHOD_CANCEL);
    copy_row(out, invite, OH_HEADER_TO);
    put_call(out, invite, OH_METHOD_CANCEL);
    oh_buf_span(out, headers);
    put_body(out, oh_span(NULL, 0));
    return oh_buf_error(out);
}

int oh_build_ack(struct oh_buf *out, const struct oh_msg *invite, const struct oh_msg *response)
{
    put_sibling(out, invite, OH_METHOD_ACK);
    copy_row(out, response, OH_HEADER_TO);
    put_call(out, invite, OH_METHOD_ACK);
    put_body(out, oh_span(NULL, 0));
    return oh_buf_error(out);
}
