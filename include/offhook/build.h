/*
 * Building messages of our own: responses out of a request (RFC 3261 8.2.6,
 * 18.2.1), and the CANCEL and ACK that a client transaction owes.
 */
#ifndef OFFHOOK_BUILD_H
#define OFFHOOK_BUILD_H

#include <offhook/buf.h>
#include <offhook/flow.h>
#include <offhook/msg.h>

struct oh_reply {
    unsigned code;
    struct oh_span reason;  /* empty: the default phrase */
    struct oh_span to_tag;  /* added to To when it has none and code > 100 */
    struct oh_span headers; /* complete rows "Name: value\r\n"..., may be empty */
    struct oh_span server;  /* value of Server; empty: no such row */
    struct oh_span body;    /* with Content-Type among headers */
};

/*
 * Writes a response: all Via rows in order with received/rport put into the topmost (RFC 3581 4)
 * when `flow` is given, From, To with tag, Call-ID, CSeq, Timestamp (100 only), then headers,
 * Server, Content-Length and body. Rows that the request lacks are left out (an error reply to half
 * a message). Record-Route is copied for codes 101-299 to a request that can create a dialog. CR
 * and LF in reason are dropped. OH_OK or OH_E_LIMIT.
 */
int oh_build_reply(struct oh_buf *out, const struct oh_msg *request, const struct oh_flow *flow,
                   const struct oh_reply *reply);

/*
 * The value that the topmost Via of a received request must have: received and rport filled by RFC
 * 3261 18.2.1 and RFC 3581 4. Writes the whole value.
 */
void oh_build_via_received(struct oh_buf *out, const struct oh_via *via,
                           const struct oh_flow *flow);

/*
 * Where a response goes (RFC 3261 18.2.2, RFC 3581 4), from the topmost Via and the flow of the
 * request: streams: the flow; UDP: rport, else received/source with the sent-by port (default
 * 5060). maddr is used only when the flow has no source, not before it as the RFC says: see the
 * reason in build.c.
 */
void oh_reply_flow(const struct oh_via *via, const struct oh_flow *in, struct oh_flow *out);

/*
 * Writes the CANCEL of a request that we sent (RFC 3261 9.1); headers: rows to add, e.g. Reason.
 * OH_OK or OH_E_LIMIT.
 */
int oh_build_cancel(struct oh_buf *out, const struct oh_msg *invite, struct oh_span headers);

/* Writes the ACK for a non-2xx final response (RFC 3261 17.1.1.3). OH_OK or OH_E_LIMIT. */
int oh_build_ack(struct oh_buf *out, const struct oh_msg *invite, const struct oh_msg *response);

#endif
