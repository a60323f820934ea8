/*
 * Peers: somebody with an address, who sends exactly what he is told and keeps
 * all that he gets. Text is written with "\n", which becomes CRLF on the wire.
 *
 * What to expect is written as text: a method ("INVITE"), a status ("200"),
 * either with the CSeq's method ("200 INVITE", "2xx BYE"), a class ("1xx"), or
 * "" for anything. Each message is expected once: peer_expect takes the oldest
 * one that fits and was not taken before, and leaves others alone.
 */
#ifndef OH_TESTS_SIM_PEER_H
#define OH_TESTS_SIM_PEER_H

#include <offhook/msg.h>

struct world;
struct peer;

/*
 * A peer on UDP at "192.0.2.10:5060"; name is its user part ("alice") and its column in the
 * ladder. It accepts streams that the server opens to its address. Lives until world_free.
 */
struct peer *peer_new(struct world *w, const char *address, const char *name);

/* Opens a stream to the server (of its TCP listener); from now on the peer sends on it. */
void peer_connect(struct peer *p);

/* Ends the peer's stream; it sends datagrams again. */
void peer_disconnect(struct peer *p);

/* True while it has a stream (the server may have ended it). */
bool peer_connected(const struct peer *p);

/* Answers nothing and receives nothing from now on, as a phone without power. */
void peer_silence(struct peer *p, bool silent);

/* ---- sending ---- */

/* Bytes as they are. */
void peer_send_bytes(struct peer *p, struct oh_span bytes);

/* Text; as printf, "\n" becomes CRLF. */
void peer_send(struct peer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A request; NULL and 0 mean default, "-" leaves the row out. */
struct peer_request {
    const char *method;       /* must be said */
    const char *uri;          /* must be said */
    const char *from;         /* URI; sip:NAME@WORLD_DOMAIN */
    const char *from_tag;     /* "f-NAME" */
    const char *to;           /* URI; uri */
    const char *to_tag;       /* none */
    const char *call;         /* Call-ID; a fresh one */
    const char *branch;       /* with the magic cookie; a fresh one */
    const char *via;          /* whole value; "SIP/2.0/UDP ADDRESS;rport;branch=..." */
    const char *contact;      /* value; <sip:NAME@ADDRESS>, none in CANCEL, BYE, MESSAGE, OPTIONS */
    const char *rows;         /* more rows, each with "\n" */
    const char *body;         /* "\n" becomes CRLF; Content-Type stands in rows */
    unsigned cseq;            /* 1 */
    const char *max_forwards; /* "70" */
};

/* Builds and sends a request with a right Content-Length; the peer remembers it. */
void peer_request(struct peer *p, const struct peer_request *request);

/* Sends the newest request again, to the byte. */
void peer_again(struct peer *p);

/* Cancels the newest INVITE (same branch and CSeq number). */
void peer_cancel(struct peer *p, const char *rows);

/*
 * Acknowledges a final response to the newest INVITE with that CSeq: for 300-699 in its
 * transaction, for 2xx along the dialog's route set to the Contact.
 */
void peer_ack(struct peer *p, const struct oh_msg *response);

/*
 * Answers a request with all that a response must have; To tag "t-NAME", a Contact in 101-299 to an
 * INVITE. rows: more rows; a line that starts with "Contact:" or "To:" replaces ours.
 */
void peer_reply(struct peer *p, const struct oh_msg *request, unsigned status, const char *rows);

/* As peer_reply with another To tag and a body (Content-Type among rows). */
void peer_reply_as(struct peer *p, const struct oh_msg *request, unsigned status, const char *tag,
                   const char *rows, const char *body);

/* REGISTER sip:NAME@... with its own Contact; runs until 200 came, else fails the case. */
void peer_register(struct peer *p, unsigned expires);

/* A dialog as one side sees it; texts belong to the peer. */
struct peer_dialog {
    const char *call, *local, *remote; /* Call-ID; From and To values with tags */
    const char *target;                /* Request-URI */
    const char *routes;                /* rows "Route: ...\n", in order */
    unsigned cseq;                     /* of the newest request sent in it */
};

/* The dialog of a response to this peer's INVITE; of an INVITE that it answers with tag "t-NAME".
 */
void peer_dialog_caller(struct peer *p, const struct oh_msg *response, struct peer_dialog *out);
void peer_dialog_callee(struct peer *p, const struct oh_msg *invite, struct peer_dialog *out);

/* A request within a dialog with the next CSeq (ACK: the same one); rows as in peer_request. */
void peer_dialog_request(struct peer *p, struct peer_dialog *dialog, const char *method,
                         const char *rows);

/*
 * The row (with "\n") that answers the first challenge of a 401 or 407. nc counts
 * from 1 by itself for a nonce that is answered again.
 */
const char *peer_authorize(struct peer *p, const struct oh_msg *challenge, const char *user,
                           const char *password, const char *method, const char *uri);

/* ---- receiving ---- */

/* Takes the message that fits, running the world for at most a second of its time until it comes;
 * fails the case when it does not. Parsed and checked; lives until world_free. */
const struct oh_msg *peer_expect(struct peer *p, const char *what);

/* As peer_expect with another patience in ms. */
const struct oh_msg *peer_expect_within(struct peer *p, const char *what, uint64_t ms);

/* Runs for ms and fails the case when a message that fits and was not taken is there. */
void peer_none(struct peer *p, const char *what, uint64_t ms);

/* How many messages that fit came since the start, or peer_forget; taken ones included. */
unsigned peer_count(const struct peer *p, const char *what);

/* The newest one that fits, taken or not; NULL when there is none. */
const struct oh_msg *peer_last(struct peer *p, const char *what);

/* Forgets all that came so far; messages given out stay valid. */
void peer_forget(struct peer *p);

/* Bytes received that were no message (keep-alive answers of streams), since the start. */
size_t peer_noise(const struct peer *p);

/* Its flow as the server sees it, its name, its address. */
const char *peer_name(const struct peer *p);
const char *peer_address(const struct peer *p);
struct world *peer_world(const struct peer *p);

/* ---- looking at messages ---- */

/* True when the text stands somewhere in the message. */
bool message_has(const struct oh_msg *m, const char *text);

/* How many rows of a header there are. */
unsigned message_rows(const struct oh_msg *m, enum oh_header_id id);

/* The i-th value of a list header over all rows; empty when there are fewer. */
struct oh_span message_value(const struct oh_msg *m, enum oh_header_id id, unsigned i);

/* How many values a list header has. */
unsigned message_values(const struct oh_msg *m, enum oh_header_id id);

#endif
