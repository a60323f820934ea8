/*
 * The snapshot of what the administrator decided, and the three questions that
 * every request asks of it: whose domain is this host, is it this server, and
 * is the sender trusted. All are linear walks over small arrays: a length
 * comparison rules out nearly every name, and a server with more than a
 * handful of domains is rare.
 *
 * Addresses are compared as addresses, never as text, because IPv6 has many
 * spellings of one address; names are compared without case and without the
 * final dot that RFC 3261 25.1 lets a host name have.
 */
#include "serve/settings.h"

#include <offhook/error.h>
#include <offhook/flow.h>

#define SECOND       UINT64_C(1000000000)
#define DEFAULT_PORT 5060

/* A host as it stands in a URI. It is read as an address when somebody asks, and once. */
struct host {
    struct oh_span name;
    bool read;
    struct oh_addr addr; /* family NONE: a name */
};

/* Without its final dot if it is a name. */
static struct host host_of(struct oh_span text)
{
    struct host h = {.name = text};

    if (text.n > 1 && text.p[text.n - 1] == '.')
        h.name.n--;
    return h;
}

/* The host as an address; NULL when it is a name. */
static const struct oh_addr *address_of(struct host *h)
{
    if (!h->read) {
        h->read = true;
        if (oh_addr_parse(h->name, &h->addr) != OH_OK)
            h->addr = (struct oh_addr){0};
        else
            oh_addr_unmap(&h->addr);
    }
    return h->addr.family == OH_FAMILY_NONE ? NULL : &h->addr;
}

/* True when the configured text names the host. */
static bool host_is(struct host *h, const char *text)
{
    const struct oh_addr *addr;
    struct oh_addr other;

    /* Also an address is usually spelled as it was configured, and then needs no reading. */
    if (oh_span_ieq(h->name, oh_span_str(text)))
        return true;
    addr = address_of(h);
    return addr && oh_addr_parse(oh_span_str(text), &other) == OH_OK &&
           oh_addr_same_host(addr, &other);
}

/* The wildcard addresses come first, as most machines run it. */
static void default_listeners(struct oh__settings *s)
{
    static const struct {
        uint8_t transport, family;
    } rows[] = {
        {OH_TRANSPORT_UDP, OH_FAMILY_IPV4},
        {OH_TRANSPORT_TCP, OH_FAMILY_IPV4},
        {OH_TRANSPORT_UDP, OH_FAMILY_IPV6},
        {OH_TRANSPORT_TCP, OH_FAMILY_IPV6},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct oh__settings_listener *l = &s->listeners[s->listeners_n++];

        l->transport = rows[i].transport;
        l->addr.family = rows[i].family;
        l->addr.port = DEFAULT_PORT;
        l->optional = rows[i].family == OH_FAMILY_IPV6;
    }
}

/* Bounds that a small machine can hold; the configuration may raise them. */
static void default_limits(struct oh__settings *s)
{
    s->limits = (struct oh_msg_limits){
        .message = 65535, .headers = 32768, .body = 16384, .uri = 1024};
    s->stream_message_max = 262144;
    s->transactions_max = 400000;
    s->completed_max = 1600000;
    s->bindings_max = 2000000;
    s->connections_max = 10000;
    s->connections_per_source = 256;
    s->send_queue_max = 1048576;
    s->message_timeout = 10 * SECOND;
    s->idle_timeout = 300 * SECOND;
}

void oh__settings_default(struct oh__settings *s)
{
    memset(s, 0, sizeof(*s));
    default_listeners(s);
    default_limits(s);
    s->any_domain = true;
    s->fallback.digest[0] = OH_HASH_MD5;

    s->expires_min = 60;
    s->expires_default = 3600;
    s->expires_max = 7200;
    s->contacts_max = 10;
    s->contact_len_max = 512;

    s->timer_c = 181 * SECOND; /* RFC 3261 16.6 step 11 asks for more than three minutes. */
    s->ring_time = 30 * SECOND;
    s->branches_max = 16;
    s->max_breadth = 60;
    s->recurse = true;
    s->record_route = true;
    s->nat_keepalive = 25 * SECOND;
    s->call_max = 12 * 3600 * SECOND;

    s->failures_max = 60; /* a phone with a wrong password asks again by itself, some 15 times */
    s->ban_window = 60 * SECOND;
    s->ban_time = 300 * SECOND;
    s->nonce_life = 300 * SECOND;
    s->maintenance_retry = 30;

    s->t1 = SECOND / 2;
    s->t2 = 4 * SECOND;
    s->t4 = 5 * SECOND;
    memcpy(s->server_name, "offhook", sizeof("offhook"));
}

/* The listed domain of a host, without following its alias; NULL when it is not listed. */
static const struct oh__settings_domain *listed(const struct oh__settings *s, struct host *h)
{
    for (unsigned i = 0; i < s->domains_n; i++) {
        if (host_is(h, s->domains[i].name))
            return &s->domains[i];
    }
    return NULL;
}

/* An alias leads to the domain it stands for; the configuration allows no alias of an alias. */
static const struct oh__settings_domain *follow(const struct oh__settings *s,
                                                const struct oh__settings_domain *d)
{
    const struct oh__settings_domain *main;
    struct host h;

    if (!d || !d->alias_of[0])
        return d;
    h = host_of(oh_span_str(d->alias_of));
    main = listed(s, &h);
    return main ? main : d;
}

const struct oh__settings_domain *oh__settings_main(const struct oh__settings *s)
{
    struct host h = host_of(oh_span_str(s->default_domain));
    const struct oh__settings_domain *d = follow(s, listed(s, &h));

    if (d)
        return d;
    return s->domains_n ? follow(s, &s->domains[0]) : &s->fallback;
}

/* True when a listener is bound to the host's address, or advertises the host. */
static bool is_listener(const struct oh__settings_listener *l, struct host *h)
{
    const struct oh_addr *addr;

    if (l->advertise[0] && host_is(h, l->advertise))
        return true;
    addr = address_of(h);
    return addr && !oh_addr_is_any(&l->addr) && oh_addr_same_host(&l->addr, addr);
}

/* True when any listener is the host; a wildcard one counts for all addresses when asked so. */
static bool any_listener(const struct oh__settings *s, struct host *h, bool wildcard)
{
    for (unsigned i = 0; i < s->listeners_n; i++) {
        const struct oh__settings_listener *l = &s->listeners[i];

        if (is_listener(l, h))
            return true;
        if (wildcard && address_of(h) && oh_addr_is_any(&l->addr))
            return true;
    }
    return false;
}

const struct oh__settings_domain *oh__settings_domain(const struct oh__settings *s,
                                                      struct oh_span host)
{
    struct host h = host_of(host);
    const struct oh__settings_domain *d = listed(s, &h);

    if (d)
        return follow(s, d);
    if (!s->any_domain)
        return any_listener(s, &h, false) ? oh__settings_main(s) : NULL;
    if (!address_of(&h) && h.name.n)
        return &s->fallback;
    return any_listener(s, &h, true) ? &s->fallback : NULL;
}

bool oh__settings_is_us(const struct oh__settings *s, struct oh_span host, uint16_t port,
                        const struct oh_addr *local)
{
    struct host h = host_of(host);
    /* A domain, and without domains any name, is ours on every port that we listen on. */
    bool domain = listed(s, &h) || (s->any_domain && !address_of(&h) && h.name.n);

    for (unsigned i = 0; i < s->listeners_n; i++) {
        const struct oh__settings_listener *l = &s->listeners[i];

        if (port && port != l->addr.port && port != l->advertise_port)
            continue;
        if (domain || is_listener(l, &h))
            return true;
        if (address_of(&h) && local && oh_addr_is_any(&l->addr) &&
            oh_addr_same_host(local, &h.addr))
            return true;
    }
    return false;
}

bool oh__settings_trusted(const struct oh__settings *s, const struct oh_addr *peer)
{
    for (unsigned i = 0; i < s->trusted_n; i++) {
        if (oh_network_has(&s->trusted[i], peer))
            return true;
    }
    return false;
}
