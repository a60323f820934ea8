/* osip2 decodes addresses, Via and CSeq while it parses; Max-Forwards stays a text. */
#include <osipparser2/osip_parser.h>
#include <stdlib.h>
#include <string.h>

#include "parse_peer.h"

const char peer_name[] = "osip2 " PEER_VERSION;

bool peer_init(void)
{
    return parser_init() == 0;
}

/* Has a URI this host? */
static bool host_is(const osip_uri_t *uri, const char *host)
{
    return uri && uri->host && strcmp(uri->host, host) == 0;
}

/* Are the fields those of bench/invite.sip? */
static bool complete(const osip_message_t *m)
{
    osip_header_t *hops = NULL;
    osip_contact_t *contact = osip_list_get(&m->contacts, 0);
    osip_route_t *route = osip_list_get(&m->routes, 0);
    osip_via_t *via = osip_list_get(&m->vias, 0);

    osip_message_get_max_forwards(m, 0, &hops);
    return hops && strtol(hops->hvalue, NULL, 10) == 70 && via && via->host &&
           host_is(m->req_uri, "biloxi.example.com") && m->from &&
           host_is(m->from->url, "atlanta.example.com") && m->to &&
           host_is(m->to->url, "biloxi.example.com") && m->call_id && m->call_id->number &&
           m->cseq && strtol(m->cseq->number, NULL, 10) == 2 && contact &&
           host_is(contact->url, "client.atlanta.example.com") && route &&
           host_is(route->url, "ss1.atlanta.example.com");
}

bool peer_read(const char *p, size_t n)
{
    osip_message_t *m = NULL;
    bool fine = osip_message_init(&m) == 0 && osip_message_parse(m, p, n) == 0 && complete(m);

    osip_message_free(m);
    return fine;
}
