/* Sofia-SIP parses every header that it knows into structures when it is given the message. */
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <string.h>

#include "parse_peer.h"

const char peer_name[] = "Sofia-SIP " PEER_VERSION;

bool peer_init(void)
{
    return sip_default_mclass() != NULL;
}

/* Has a URI this host? */
static bool host_is(const url_t *uri, const char *host)
{
    return uri->url_host && strcmp(uri->url_host, host) == 0;
}

/* Are the fields those of bench/invite.sip? */
static bool complete(const sip_t *s)
{
    return s && s->sip_request && s->sip_via && s->sip_from && s->sip_to && s->sip_call_id &&
           s->sip_cseq && s->sip_max_forwards && s->sip_contact && s->sip_route &&
           s->sip_via->v_host && s->sip_cseq->cs_seq == 2 && s->sip_max_forwards->mf_count == 70 &&
           host_is(s->sip_request->rq_url, "biloxi.example.com") &&
           host_is(s->sip_from->a_url, "atlanta.example.com") &&
           host_is(s->sip_to->a_url, "biloxi.example.com") &&
           host_is(s->sip_contact->m_url, "client.atlanta.example.com") &&
           host_is(s->sip_route->r_url, "ss1.atlanta.example.com");
}

bool peer_read(const char *p, size_t n)
{
    msg_t *m = msg_make(sip_default_mclass(), 0, p, (ssize_t)n);
    bool fine = m && complete(sip_object(m));

    msg_destroy(m);
    return fine;
}
