/*
 * Writing a forwarded request (RFC 3261 16.6): the received bytes plus edits.
 */
#ifndef OH_SERVE_FORWARD_H
#define OH_SERVE_FORWARD_H

#include "serve/internal.h"

struct oh__forward {
    const struct oh_msg *msg;
    struct oh_flow in;                /* where it came from */
    struct oh_flow out;               /* where it goes */
    struct oh_span uri;               /* Request-URI to be: a target */
    struct oh_span path;              /* pushed as Route; may be empty */
    struct oh_span rows;              /* complete rows to add; may be empty */
    struct oh_span branch;            /* of our Via */
    const struct oh_row *credentials; /* for us, taken out; NULL: none */
    uint32_t breadth;                 /* Max-Breadth; 0: leave alone (ACK) */
    unsigned routes_popped;
    bool strict_upstream; /* the last Route value became the Request-URI and goes */
    bool record_route;
    bool callee_by_flow;    /* Record-Route of the outgoing side names the flow `out` */
    bool stranger;          /* the sender has proved nothing: his side's token names his flow */
    uint64_t token_expires; /* wall ms */

    /* Out: what our Via says; valid as long as the bytes. */
    struct oh__sent_by sent_by;
};

/* True for requests that may make a dialog and are not inside one (PRX-015). */
bool oh__forward_forms_dialog(const struct oh_msg *msg);

/* The first Route value that is not ours; false when none remains. A malformed one counts as none.
 */
bool oh__forward_next_route(const struct oh_msg *msg, unsigned popped, bool strict_upstream,
                            struct oh_span *value);

/* Writes the request into the arena. OH_OK, OH_E_LIMIT, OH_E_STATE (edits overlap) or OH_E_SYNTAX
 * (a Route value). */
int oh__forward_build(struct oh__serve *s, struct oh__forward *f, struct oh_span *bytes);

/* Sends an ACK of a 2xx on, which belongs to no transaction (RFC 3261 13.2.2.4), with a branch of
 * its own. False: it could not be. */
bool oh__forward_ack(struct oh__serve *s, struct oh__forward *f);

/* True when a response has no Via behind ours: it is for nobody else. */
bool oh__forward_ends_here(const struct oh_msg *msg);

/* Takes our Via off a response and adds rows (may be empty), into the arena. OH_OK, OH_E_ABSENT
 * when no other Via is left, OH_E_LIMIT. */
int oh__forward_response(struct oh__serve *s, const struct oh_msg *msg, struct oh_span rows,
                         struct oh_span *bytes);

#endif
