/*
 * What the load generator looks at in a message: seven of its rows. Most that
 * arrives is plain (a name, a colon, a value, CR LF), and then one pass over
 * the line ends finds them; for everything else there is the general parser,
 * and nobody behind this header sees the difference.
 */
#ifndef OH_CMD_LOAD_VIEW_H
#define OH_CMD_LOAD_VIEW_H

#include <offhook/build.h>
#include <offhook/msg.h>

/* Rows of Via and of Record-Route each; a message with more is for the general parser to refuse or
 * to the caller's surprise, but not for a load test. */
#define OH__VIEW_ROWS 16

struct oh__load_view {
    struct oh_span raw; /* the whole message */
    unsigned status;    /* 0 = it is a request */
    uint8_t method;     /* enum oh_method: of the request, or of CSeq in a response */
    struct oh_span from, to, call_id, cseq, contact; /* values of the first such rows */
    unsigned vias_n, routes_n;
    struct oh_span vias[OH__VIEW_ROWS], routes[OH__VIEW_ROWS]; /* values; routes: Record-Route */
};

/*
 * Reads a message in plain form. OH_OK; OH_E_UNSUPPORTED when it is not (rows that are folded or
 * end otherwise, blanks in front of colons, too many rows, a missing Via, From, To, Call-ID or
 * CSeq): then the general parser has to tell. The body is not looked at.
 */
int oh__load_view_read(struct oh_span bytes, struct oh__load_view *out);

/*
 * The same out of a message that was parsed and checked; raw is m's bytes. OH_OK, or OH_E_LIMIT
 * for too many rows of Via or Record-Route.
 */
int oh__load_view_of(const struct oh_msg *m, struct oh__load_view *out);

/*
 * Writes the rows that all responses to a request have, Via to CSeq (RFC 3261 8.2.6.2, 18.2.1):
 * what stands between the status line and our own rows. Record-Route is copied when
 * with_routes. The tag is added to a To without one. *back is where the responses go (18.2.2).
 * OH_OK, OH_E_SYNTAX for a Via or To that cannot be read, OH_E_LIMIT.
 */
int oh__load_view_head(const struct oh__load_view *request, const struct oh_flow *flow,
                       bool with_routes, struct oh_span tag, struct oh_flow *back,
                       struct oh_buf *out);

#endif
