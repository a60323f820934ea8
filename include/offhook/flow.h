/*
 * A flow: the path on which bytes came or go. Datagrams: our socket and the
 * peer's address. Streams: one connection, named by an id that is never reused.
 */
#ifndef OFFHOOK_FLOW_H
#define OFFHOOK_FLOW_H

#include <offhook/addr.h>

enum oh_transport {
    OH_TRANSPORT_OTHER = 0,
    OH_TRANSPORT_UDP,
    OH_TRANSPORT_TCP,
    OH_TRANSPORT_TLS,
    OH_TRANSPORT_SCTP,
    OH_TRANSPORT_WS,
    OH_TRANSPORT_WSS,
};

/*
 * id: 0 for datagrams and for a stream that is still to be opened or found;
 * otherwise the connection (unique for the life of the process).
 * listener: index of our listener in the configuration, which gives the socket
 * for datagrams and the name that we put into Via, Record-Route and Contact.
 */
struct oh_flow {
    uint64_t id;
    struct oh_addr local; /* our address and port, as the peer's packets reached us */
    struct oh_addr peer;
    uint16_t listener;
    uint8_t transport; /* enum oh_transport */
};

/* The transport of a Via or URI token ("UDP", "tcp"), OTHER when unknown. */
uint8_t oh_transport_of(struct oh_span token);

/* The token for Via ("UDP"); "OTHER" has the text "UNKNOWN". */
struct oh_span oh_transport_text(uint8_t transport);

/* The token for a URI's transport parameter ("udp"). */
struct oh_span oh_transport_param(uint8_t transport);

/* True for TCP, TLS, SCTP, WS, WSS: no retransmission timers, framing by Content-Length. */
static inline bool oh_transport_reliable(uint8_t transport)
{
    return transport >= OH_TRANSPORT_TCP;
}

/* True when both name the same path: same connection, or same socket and peer. */
bool oh_flow_same(const struct oh_flow *a, const struct oh_flow *b);

#endif
