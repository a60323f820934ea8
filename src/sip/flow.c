/* One table of transports: the spelling in Via and the one in a URI's transport parameter. */
#include <offhook/flow.h>

#include "sip/lex.h"

struct entry {
    struct oh_span via, param;
};

#define ENTRY(upper, lower)          \
    {                                \
        {upper, sizeof(upper) - 1},  \
        {                            \
            lower, sizeof(lower) - 1 \
        }                            \
    }

static const struct entry transports[] = {
    [OH_TRANSPORT_OTHER] = ENTRY("UNKNOWN", "unknown"), [OH_TRANSPORT_UDP] = ENTRY("UDP", "udp"),
    [OH_TRANSPORT_TCP] = ENTRY("TCP", "tcp"),           [OH_TRANSPORT_TLS] = ENTRY("TLS", "tls"),
    [OH_TRANSPORT_SCTP] = ENTRY("SCTP", "sctp"),        [OH_TRANSPORT_WS] = ENTRY("WS", "ws"),
    [OH_TRANSPORT_WSS] = ENTRY("WSS", "wss"),
};

#define COUNT (sizeof(transports) / sizeof(transports[0]))

uint8_t oh_transport_of(struct oh_span token)
{
    uint8_t i;

    /* As it is spelled in nearly every Via. */
    if (token.n == 3 && oh__word(token.p, 3) == oh__word("UDP", 3))
        return OH_TRANSPORT_UDP;
    if (token.n == 3 && oh__word(token.p, 3) == oh__word("TCP", 3))
        return OH_TRANSPORT_TCP;
    for (i = OH_TRANSPORT_UDP; i < COUNT; i++)
        if (token.n == transports[i].via.n && oh_span_ieq(token, transports[i].via))
            return i;
    return OH_TRANSPORT_OTHER;
}

struct oh_span oh_transport_text(uint8_t transport)
{
    return transports[transport < COUNT ? transport : OH_TRANSPORT_OTHER].via;
}

struct oh_span oh_transport_param(uint8_t transport)
{
    return transports[transport < COUNT ? transport : OH_TRANSPORT_OTHER].param;
}

bool oh_flow_same(const struct oh_flow *a, const struct oh_flow *b)
{
    if (a->transport != b->transport)
        return false;
    /* A connection is its id; one that is still to be opened is known by its ends only. */
    if (oh_transport_reliable(a->transport) && (a->id || b->id))
        return a->id == b->id; /* ids are never used twice, addresses are */
    return a->listener == b->listener && oh_addr_eq(&a->local, &b->local) &&
           oh_addr_eq(&a->peer, &b->peer);
}
