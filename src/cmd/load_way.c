/*
 * How requests leave. With datagrams a port is a socket. With streams it is a
 * connection that is opened when something is first sent on it and again when
 * it was lost; the phone that registered on it is called on it, too (RFC 5626
 * 5.3, and what every server does with a phone behind NAT).
 */
#include "cmd/load.h"
#include "net/system.h"

#define RETRY_AFTER                                                              \
    (100 * OH__MS) /* a server that is down is not asked at the rate of the test \
                    */

bool oh__load_way(struct oh__load_worker *w, unsigned port, const struct oh_addr *hop,
                  struct oh_flow *out)
{
    uint64_t *stream = &w->ports[port].stream;

    *out = (struct oh_flow){
        .peer = *hop, .listener = (uint16_t)port, .transport = w->run->config->transport};
    if (out->transport == OH_TRANSPORT_UDP || !oh_addr_eq(hop, &w->run->server))
        return true;
    if (!*stream) {
        uint64_t now = oh__clock_now();

        if (now < w->ports[port].next_try || oh__net_connect(w->net, out) != OH_OK)
            return false;
        *stream = out->id;
        w->ports[port].next_try = now + RETRY_AFTER;
    }
    out->id = *stream;
    return true;
}

void oh__load_way_lost(struct oh__load_worker *w, const struct oh_flow *flow)
{
    unsigned port = flow->listener;

    if (flow->transport == OH_TRANSPORT_UDP || port >= w->run->config->ports ||
        w->ports[port].stream != flow->id || flow->id == 0)
        return;
    w->ports[port].stream = 0;
    w->ports[port].next_try = oh__clock_now() + RETRY_AFTER;
    for (uint32_t i = 0; i < w->slots_used; i++)
        if (w->ops[i].state == OH__OP_WAITING && w->ops[i].port == port)
            oh__load_op_failed(w, &w->ops[i], OH__LOAD_FAIL_CONNECTION);
}
