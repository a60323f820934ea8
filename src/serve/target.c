/*
 * From a URI to a flow (RFC 3263), as far as no server has to be asked for it:
 * which transport, which port, which name or address, and over which of our
 * listeners. SRV and NAPTR are not looked up, so a name without a port means
 * the default port of its transport.
 *
 * A flow is told by the addresses of its listener, not by the listener's
 * number alone: bindings and tokens outlive a restart with another
 * configuration, in which the number may belong to somebody else.
 */
#include "serve/target.h"

#define SIP_PORT 5060

int oh__target_of(const struct oh_uri *uri, struct oh__target *out)
{
    struct oh__target t = {
        .transport = OH_TRANSPORT_UDP, .port = uri->port ? uri->port : SIP_PORT, .host = uri->host};
    struct oh_span value;

    /* sips demands TLS on every hop, and tel is resolved to a user before anybody comes here. */
    if (uri->scheme != OH_SCHEME_SIP)
        return OH_E_UNSUPPORTED;
    if (oh_uri_param(uri, OH_LIT("transport"), &value)) {
        t.transport = oh_transport_of(value);
        t.explicit_transport = true;
    }
    if (t.transport != OH_TRANSPORT_UDP && t.transport != OH_TRANSPORT_TCP)
        return OH_E_UNSUPPORTED;
    /* maddr is where to send, whatever the host says (RFC 3263 4). */
    if (oh_uri_param(uri, OH_LIT("maddr"), &value) && value.n)
        t.host = value;
    if (oh_addr_parse(t.host, &t.addr) == OH_OK)
        t.addr.port = t.port;
    *out = t;
    return OH_OK;
}

static bool ourselves(const struct oh__settings *settings, const struct oh_flow *in,
                      const struct oh_addr *addr)
{
    for (unsigned i = 0; i < settings->listeners_n; i++) {
        const struct oh__settings_listener *l = &settings->listeners[i];

        if (l->addr.port != addr->port)
            continue;
        if (oh_addr_same_host(&l->addr, addr))
            return true;
        /* Of a wildcard we only know the address that this request came to, and loopback. */
        if (oh_addr_is_any(&l->addr) &&
            (oh_addr_same_host(&in->local, addr) || oh_addr_is_loopback(addr)))
            return true;
    }
    return false;
}

/* The first listener of a transport that can reach the family: by itself, or as the IPv6 wildcard
 * of both. */
static int listener_of(const struct oh__settings *settings, uint8_t transport, uint8_t family)
{
    for (unsigned i = 0; i < settings->listeners_n; i++) {
        const struct oh__settings_listener *l = &settings->listeners[i];

        if (l->transport == transport && l->addr.family == family)
            return (int)i;
    }
    return -1;
}

int oh__target_flow(const struct oh__settings *settings, const struct oh_flow *in,
                    uint8_t transport, const struct oh_addr *addr, struct oh_flow *out)
{
    int i = listener_of(settings, transport, addr->family);

    /* A URI is a stranger's text: it must not make us shout at a whole network, or at ourselves. */
    if (addr->family == OH_FAMILY_NONE || oh_addr_is_broadcast(addr) || oh_addr_is_any(addr))
        return OH_E_DENIED;
    if (i < 0)
        return OH_E_UNSUPPORTED;
    if (ourselves(settings, in, addr))
        return OH_E_STATE;
    *out = (struct oh_flow){.local = settings->listeners[i].addr,
                            .peer = *addr,
                            .listener = (uint16_t)i,
                            .transport = transport};
    return OH_OK;
}

/* True when the flow's local address is one that this listener sends from. */
static bool owns(const struct oh__settings_listener *l, const struct oh_flow *flow)
{
    return l->transport == flow->transport && l->addr.family == flow->local.family &&
           l->addr.port == flow->local.port &&
           (oh_addr_is_any(&l->addr) || oh_addr_same_host(&l->addr, &flow->local));
}

bool oh__target_rebind(const struct oh__settings *settings, struct oh_flow *flow)
{
    /* The number first, because it is nearly always right; then the same address under another
     * number; then any listener that reaches the peer, which NAT may not let through, but no worse
     * than giving up. */
    if (flow->listener < settings->listeners_n && owns(&settings->listeners[flow->listener], flow))
        return true;
    for (unsigned i = 0; i < settings->listeners_n; i++) {
        if (!owns(&settings->listeners[i], flow))
            continue;
        flow->listener = (uint16_t)i;
        return true;
    }
    int i = listener_of(settings, flow->transport, flow->peer.family);

    if (i < 0)
        return false;
    flow->listener = (uint16_t)i;
    flow->local = settings->listeners[i].addr;
    return true;
}

struct oh_flow oh__target_named(const struct oh_flow *out, const struct oh_flow *in)
{
    struct oh_flow named = *out;

    if (oh_addr_is_any(&out->local) || out->local.family == OH_FAMILY_NONE) {
        named.local = in->local;
        named.local.port = out->local.port;
    }
    return named;
}
