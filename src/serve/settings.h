/*
 * What the administrator decided: an immutable snapshot made by host/config
 * out of the Lua file (or of nothing). A transaction keeps the snapshot it
 * started with; reload swaps the pointer.
 */
#ifndef OH_SERVE_SETTINGS_H
#define OH_SERVE_SETTINGS_H

#include <offhook/addr.h>
#include <offhook/digest.h>
#include <offhook/msg.h>

#define OH__LISTENERS_MAX 32
#define OH__DOMAINS_MAX   256
#define OH__NETWORKS_MAX  256
#define OH__NAME_MAX      256

struct oh__settings_listener {
    uint8_t transport;   /* enum oh_transport: UDP or TCP */
    struct oh_addr addr; /* as bound; port filled in by the host after binding */
    /* Host name or address put into Via and Record-Route; "" = flow.local. */
    char advertise[OH__NAME_MAX];
    uint16_t advertise_port; /* 0 = the listener's */
    bool optional;           /* left out silently when the machine has no such address (IPv6) */
};

enum oh__domain_mode { OH__DOMAIN_PROXY = 0, OH__DOMAIN_REDIRECT = 1 };

struct oh__settings_domain {
    char name[OH__NAME_MAX];     /* lower case */
    char alias_of[OH__NAME_MAX]; /* "" or a domain whose accounts and realm are this one's */
    uint8_t mode;                /* enum oh__domain_mode */
    bool accept_foreign;         /* strangers may call users of it without credentials */
    uint8_t digest[3];           /* enum oh_hash, order of challenges, 0 ends; default MD5 */
};

struct oh__settings {
    uint32_t version; /* counts reloads */
    unsigned listeners_n;
    struct oh__settings_listener listeners[OH__LISTENERS_MAX];

    unsigned domains_n; /* 0: any name or address of this machine (embedded defaults) */
    struct oh__settings_domain domains[OH__DOMAINS_MAX];
    bool any_domain; /* every host name that reaches us is ours (no domains configured) */
    bool no_auth;    /* laboratories: everybody is trusted */
    /* Mode, digest and so on of domains that are not listed (any_domain). */
    struct oh__settings_domain fallback;
    char default_domain[OH__NAME_MAX]; /* realm and domain of accounts made without one */

    unsigned trusted_n; /* networks whose requests need no credentials (peers, gateways) */
    struct oh_network trusted[OH__NETWORKS_MAX];

    /* Registrar (seconds). */
    uint32_t expires_min, expires_default, expires_max; /* 60, 3600, 7200 */
    uint32_t contacts_max;                              /* per AOR; 10 (<= OH__BINDINGS_PER_AOR) */
    uint32_t contact_len_max;                           /* bytes of one Contact value; 512 */

    /* Proxy (ns unless said). */
    uint64_t timer_c;       /* 180 s + a bit: 181 s */
    uint64_t ring_time;     /* of a group of equal q before the next lower one; 30 s */
    uint32_t branches_max;  /* per request; 16 */
    uint32_t max_breadth;   /* 60 (RFC 5393 5.3.3) */
    bool recurse;           /* follow 3xx of own users' phones; true */
    bool record_route;      /* true */
    uint64_t nat_keepalive; /* interval of OPTIONS to UDP phones behind NAT; 25 s; 0 = never */
    uint64_t call_max;      /* lifetime of Record-Route tokens; 12 h */

    /* Abuse. */
    uint32_t failures_max; /* failed authentications per source before a ban; 60; 0 = never */
    uint64_t ban_window, ban_time; /* ns: within which they count; how long it lasts; 60 s, 300 s */
    uint64_t nonce_life;           /* ns; 300 s */
    uint32_t maintenance_retry;    /* seconds in Retry-After while draining; 30 */
    bool maintenance; /* new out-of-dialog requests get 503 with Retry-After (OVL-001) */

    /* Limits. */
    struct oh_msg_limits limits; /* datagrams */
    uint32_t stream_message_max; /* bytes; 262,144 */
    uint32_t transactions_max;   /* whole process; 400,000 */
    uint32_t completed_max;      /* whole process; 1,600,000 */
    uint32_t bindings_max;       /* whole process; 2,000,000 */
    uint64_t t1, t2, t4;         /* ns; 0 = defaults */

    /* Streams. */
    uint32_t connections_max;        /* whole process; 10,000 */
    uint32_t connections_per_source; /* 256 */
    uint32_t send_queue_max;         /* bytes that wait for one peer; 1 MiB */
    uint64_t message_timeout;        /* ns, from a message's first byte to its last; 10 s */
    uint64_t idle_timeout;           /* ns, without a message or keep-alive; 300 s */

    char server_name[64]; /* value of Server; "" = none */

    /* Which policy functions the file has. */
    bool has_on_call, has_on_request, has_on_register;
};

/* Fills in every default. */
void oh__settings_default(struct oh__settings *s);

/*
 * The domain that a host belongs to: a listed one (aliases followed), or NULL
 * when it is foreign. With any_domain every name, and every address that a
 * listener may have, gives the fallback; so the caller asks oh__settings_is_us
 * first, which knows port and local address. With listed domains, an address
 * or advertised name of a listener gives oh__settings_main.
 */
const struct oh__settings_domain *oh__settings_domain(const struct oh__settings *s,
                                                      struct oh_span host);

/*
 * True when host and port name this server itself: a listener's address, its
 * advertised name, a domain (any name with any_domain), or, for a wildcard
 * listener, the flow's local address (may be NULL). Port 0 means absent.
 */
bool oh__settings_is_us(const struct oh__settings *s, struct oh_span host, uint16_t port,
                        const struct oh_addr *local);

/*
 * The domain that stands for the server itself: default_domain's entry (aliases
 * followed), else the first one listed, else the fallback. It is the domain of
 * requests for a bare address or name of ours (oh__settings_is_us) that is no
 * domain.
 */
const struct oh__settings_domain *oh__settings_main(const struct oh__settings *s);

/* True when the address lies in a trusted network. */
bool oh__settings_trusted(const struct oh__settings *s, const struct oh_addr *peer);

#endif
