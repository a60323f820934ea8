/* libre decodes start line, Via, From, To and CSeq at once, other addresses when asked for. */
/* re.h wants these before it. */
#include <stdbool.h>
#include <stdint.h>

#include <re/re.h>

#include "parse_peer.h"

const char peer_name[] = "libre " PEER_VERSION;

static struct mbuf *buffer; /* as received: reading moves its position only */

bool peer_init(void)
{
    buffer = mbuf_alloc(65536);
    return buffer != NULL;
}

/* Has the address in this header this host? */
static bool address_is(const struct sip_msg *m, enum sip_hdrid id, const char *host)
{
    const struct sip_hdr *row = sip_msg_hdr(m, id);
    struct sip_addr a;

    return row && sip_addr_decode(&a, &row->val) == 0 && pl_strcmp(&a.uri.host, host) == 0;
}

/* Are the fields those of bench/invite.sip? */
static bool complete(const struct sip_msg *m)
{
    return pl_strcmp(&m->uri.host, "biloxi.example.com") == 0 && m->via.branch.l &&
           pl_strcmp(&m->from.uri.host, "atlanta.example.com") == 0 &&
           pl_strcmp(&m->to.uri.host, "biloxi.example.com") == 0 && m->callid.l &&
           m->cseq.num == 2 && pl_u32(&m->maxfwd) == 70 &&
           address_is(m, SIP_HDR_CONTACT, "client.atlanta.example.com") &&
           address_is(m, SIP_HDR_ROUTE, "ss1.atlanta.example.com");
}

bool peer_read(const char *p, size_t n)
{
    struct sip_msg *m = NULL;
    bool fine;

    buffer->pos = 0;
    buffer->end = 0;
    if (mbuf_write_mem(buffer, (const uint8_t *)p, n) != 0)
        return false;
    buffer->pos = 0;
    fine = sip_msg_decode(&m, buffer) == 0 && complete(m);
    mem_deref(m);
    return fine;
}
