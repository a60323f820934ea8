/*
 * Where a request goes that has no flow: RFC 3263 for a URI, without SRV and
 * NAPTR. The transport is the explicit one, else UDP (numeric host or port),
 * and addresses come from the URI or from a look-up of A and AAAA.
 */
#ifndef OH_SERVE_TARGET_H
#define OH_SERVE_TARGET_H

#include <offhook/uri.h>

#include "serve/internal.h"

struct oh__target {
    uint8_t transport;       /* enum oh_transport: UDP or TCP */
    bool explicit_transport; /* the URI says so: no change by size */
    uint16_t port;
    struct oh_addr addr; /* with port; family NONE: host is a name */
    struct oh_span host; /* points into the URI */
};

/* Reads transport, port and host of a URI. OH_OK, or OH_E_UNSUPPORTED for a scheme or transport
 * that we do not speak. */
int oh__target_of(const struct oh_uri *uri, struct oh__target *out);

/*
 * The flow to an address: our listener of that transport and family. in: the request's flow, whose
 * local address stands in for a wildcard listener's. OH_OK, OH_E_UNSUPPORTED (no such listener),
 * OH_E_DENIED (broadcast, multicast, nobody), OH_E_STATE (it is this server itself).
 */
int oh__target_flow(const struct oh__settings *settings, const struct oh_flow *in,
                    uint8_t transport, const struct oh_addr *addr, struct oh_flow *out);

/*
 * Makes a stored flow fit the listeners there are now: a binding or a token may be older than the
 * configuration (a restart with another file). Returns false when no listener is left that can
 * reach the peer.
 */
bool oh__target_rebind(const struct oh__settings *settings, struct oh_flow *flow);

/* A wildcard has no name of its own: gives the flow whose local address can be written into Via and
 * Record-Route. */
struct oh_flow oh__target_named(const struct oh_flow *out, const struct oh_flow *in);

#endif
