/*
 * Names to addresses. A name that is asked for becomes an entry of one bounded
 * table, which is both the cache and the list of what is in flight: whoever
 * asks for a name in flight waits for the same answer. A and AAAA are asked
 * at once, as raw queries, because only the raw answer has the time to live
 * and, for names that do not exist, the SOA record (RFC 2308).
 *
 * One silent family does not hold up the other: when one has brought addresses
 * the rest has half a second. The whole look-up has its own time limit, whatever
 * the resolver library does about servers and repetitions.
 */
#include <ares.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "base/hash.h"
#include "net/dns_wire.h"
#include "net/hosts.h"
#include "net/order.h"
#include "net/system.h"
#include "net/worker.h"

#define NAME_MAX_BYTES 253
#define NAMES_MAX      4096
#define IN_FLIGHT_MAX  1024
#define WAITERS_MAX    16384
#define BUCKETS        4096u

#define GRACE    (500 * OH__MS)
#define TTL_MOST 86400 /* seconds */
#define TTL_HALF 30    /* when one family did not answer */
#define TTL_NEGATIVE \
    300 /* most; RFC 2308 5 allows more, but an operator who has mended a zone does not wait */
#define TTL_BROKEN  2 /* a failing server is not asked for each call */
#define TTL_HOSTS   5
#define QUERY_TRIES 3
#define FAMILIES    2

/* What one family's query has brought. */
struct half {
    bool is_done;
    int result; /* OH_OK, OH_E_NOTFOUND, OH_E_TIMEOUT, OH_E_IO */
    uint32_t ttl;
    unsigned n;
    struct oh_addr addrs[OH__NET_ADDRS_MAX];
};

struct waiter {
    struct waiter *next;
    uint64_t handle, ticket;
    struct name *name;
};

struct name {
    struct oh__alarm alarm; /* the end of the look-up */
    struct name *chain;
    struct name *older, *newer; /* by last use, all names */
    uint64_t handle;
    uint64_t expires; /* ns; when the answer is not to be used any more */
    struct waiter *waiters;
    unsigned queries; /* in the resolver's hands */
    uint32_t round;   /* counts look-ups, so that a reply to an earlier one is known */
    unsigned untaken; /* answers that wait for oh__dns_take */
    bool is_in_flight;
    int result;
    unsigned addrs_n;
    struct oh_addr addrs[OH__NET_ADDRS_MAX];
    struct half halves[FAMILIES];
    uint8_t text_n;
    char text[NAME_MAX_BYTES + 1];
};

struct query {
    struct oh__dns *dns;
    struct name *name; /* stays as long as its queries */
    uint64_t handle;
    unsigned half;
    uint32_t round;
};

struct oh__dns {
    struct oh__net *net;
    ares_channel channel;
    struct oh__hash_key key;
    struct oh__pool *names, *waiters, *queries;
    struct name *buckets[BUCKETS];
    struct name *oldest, *newest;
    struct waiter *done, *done_last;
    unsigned in_flight;
    struct oh__hosts hosts;
};

static const uint8_t families[FAMILIES] = {OH_FAMILY_IPV6, OH_FAMILY_IPV4};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    ares_library_init(ARES_LIB_INIT_ALL);
}

/* The resolver opens, changes and closes its sockets: the loop follows. */
static void socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct oh__dns *dns = data;
    uint64_t tag = oh__tagged(OH__TAG_DNS, (uint32_t)fd);
    uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);

    if (!events)
        oh__loop_remove(dns->net, fd);
    else if (oh__loop_add(dns->net, fd, events, tag) != OH_OK)
        oh__loop_change(dns->net, fd, events, tag);
}

/* Three tries that wait t, 2t and 4t fill the time of a look-up. */
static int try_ms(const struct oh__net_options *o)
{
    uint64_t ms = o->dns_timeout / OH__MS / 7;

    return ms < 20 ? 20 : ms > 10000 ? 10000 : (int)ms;
}

static int open_channel(struct oh__dns *dns)
{
    const struct oh__net_options *o = dns->net->options;
    struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
                                   .timeout = try_ms(o),
                                   .tries = QUERY_TRIES,
                                   .sock_state_cb = socket_state,
                                   .sock_state_cb_data = dns};
    /* No search domains: a host in a URI is what it says, whatever /etc/resolv.conf would add. */
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;

    int rc;

    pthread_once(&library_once, library_init);
    rc = ares_init_options(&dns->channel, &options, mask);
    if (rc != ARES_SUCCESS) {
        dns->channel = NULL;
        return rc == ARES_ENOMEM ? OH_E_NOMEM : OH_E_IO;
    }
    rc = o->nameservers ? ares_set_servers_ports_csv(dns->channel, o->nameservers) : ARES_SUCCESS;
    if (rc == ARES_ENOMEM)
        return OH_E_NOMEM;
    return rc == ARES_SUCCESS ? OH_OK : OH_E_SYNTAX;
}

int oh__dns_new(struct oh__net *net, struct oh__dns **out)
{
    const struct oh_alloc *heap = oh_alloc_default();
    struct oh__dns *dns = oh_alloc_zero(heap, 1, sizeof(*dns));
    int rc;

    if (!dns)
        return OH_E_NOMEM;
    dns->net = net;
    dns->names = oh__pool_new(heap, sizeof(struct name), NAMES_MAX, 0);
    dns->waiters = oh__pool_new(heap, sizeof(struct waiter), WAITERS_MAX, 0);
    dns->queries = oh__pool_new(heap, sizeof(struct query), NAMES_MAX * FAMILIES, 0);
    rc = dns->names && dns->waiters && dns->queries ? oh__entropy(&dns->key, sizeof(dns->key))
                                                    : OH_E_NOMEM;
    if (rc == OH_OK)
        rc = open_channel(dns);
    if (rc != OH_OK) {
        oh__dns_free(dns);
        return rc;
    }
    *out = dns;
    return OH_OK;
}

void oh__dns_free(struct oh__dns *dns)
{
    if (!dns)
        return;
    /* Ends all queries, which still look at their names. */
    if (dns->channel)
        ares_destroy(dns->channel);
    for (struct name *name = dns->oldest; name; name = name->newer)
        oh__wheel_clear(dns->net->wheel, &name->alarm.timer);
    oh__pool_free(dns->names);
    oh__pool_free(dns->waiters);
    oh__pool_free(dns->queries);
    oh__hosts_done(&dns->hosts);
    oh_free(oh_alloc_default(), dns, sizeof(*dns));
}

/* ---- the table ---- */

static struct name **bucket_of(struct oh__dns *dns, struct oh_span text)
{
    return &dns->buckets[oh__hash_fold(&dns->key, text) % BUCKETS];
}

static void unlink_use(struct oh__dns *dns, struct name *name)
{
    if (name->older)
        name->older->newer = name->newer;
    else
        dns->oldest = name->newer;
    if (name->newer)
        name->newer->older = name->older;
    else
        dns->newest = name->older;
}

static void link_use(struct oh__dns *dns, struct name *name)
{
    name->older = dns->newest;
    name->newer = NULL;
    if (dns->newest)
        dns->newest->newer = name;
    else
        dns->oldest = name;
    dns->newest = name;
}

static void forget(struct oh__dns *dns, struct name *name)
{
    struct name **link = bucket_of(dns, oh_span(name->text, name->text_n));

    while (*link != name)
        link = &(*link)->chain;
    *link = name->chain;
    unlink_use(dns, name);
    oh__pool_give(dns->names, name->handle);
}

/* Makes room for one name; false when all names are in use. */
static bool evict(struct oh__dns *dns)
{
    /* The least recently used one that nobody holds; those in flight are soon over. */
    for (struct name *name = dns->oldest; name; name = name->newer) {
        if (name->is_in_flight || name->queries > 0 || name->untaken > 0)
            continue;
        forget(dns, name);
        return true;
    }
    return false;
}

/* The entry of a name, made when there is none; NULL when the table is full of names in use. */
static struct name *name_of(struct oh__dns *dns, struct oh_span text)
{
    struct name **bucket = bucket_of(dns, text);
    struct name *name = *bucket;
    uint64_t handle;

    while (name && !oh_span_ieq(oh_span(name->text, name->text_n), text))
        name = name->chain;
    if (name) {
        unlink_use(dns, name);
        link_use(dns, name);
        return name;
    }
    if (oh__pool_live(dns->names) >= NAMES_MAX && !evict(dns))
        return NULL;
    name = oh__pool_take(dns->names, &handle);
    if (!name)
        return NULL;
    name->handle = handle;
    name->alarm.kind = OH__ALARM_LOOKUP;
    name->text_n = (uint8_t)text.n;
    memcpy(name->text, text.p, text.n);
    name->chain = *bucket;
    *bucket = name;
    link_use(dns, name);
    return name;
}

/* ---- the end of a look-up ---- */

/* Hands the answer to everybody who waits. */
static void answer(struct oh__dns *dns, struct name *name)
{
    /* Only queued: the caller may be in the middle of oh__dns_resolve, and must not be called back.
     */
    struct waiter *w;

    while ((w = name->waiters) != NULL) {
        name->waiters = w->next;
        w->next = NULL;
        if (dns->done_last)
            dns->done_last->next = w;
        else
            dns->done = w;
        dns->done_last = w;
        name->untaken++;
    }
}

/* Puts the addresses of both families together; each may fill what the other leaves. */
static void merge(struct name *name)
{
    unsigned half = OH__NET_ADDRS_MAX / FAMILIES;
    unsigned v4 = name->halves[1].n, v6;

    v6 = name->halves[0].n;
    if (v6 > half && v6 + v4 > OH__NET_ADDRS_MAX)
        v6 = v4 >= half ? half : OH__NET_ADDRS_MAX - v4;
    if (v4 > OH__NET_ADDRS_MAX - v6)
        v4 = OH__NET_ADDRS_MAX - v6;
    memcpy(name->addrs, name->halves[0].addrs, v6 * sizeof(struct oh_addr));
    memcpy(name->addrs + v6, name->halves[1].addrs, v4 * sizeof(struct oh_addr));
    name->addrs_n = v6 + v4;
    oh__order(name->addrs, name->addrs_n);
}

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

/* How long the result may be used, in seconds. */
static uint32_t lifetime(const struct name *name)
{
    /* A good answer of one family alone is asked for again soon: the other may only have been late.
     */
    uint32_t ttl = name->result == OH_OK ? TTL_MOST : TTL_NEGATIVE;

    for (unsigned i = 0; i < FAMILIES; i++) {
        const struct half *h = &name->halves[i];

        if (h->is_done && h->result == name->result)
            ttl = at_most(ttl, h->ttl);
        else if (name->result == OH_OK && (!h->is_done || h->result != OH_E_NOTFOUND))
            ttl = at_most(ttl, TTL_HALF);
    }
    return ttl;
}

/* The look-up is over with what there is: addresses of one family are enough, and silence counts
 * above refusal. */
static void conclude(struct oh__dns *dns, struct name *name)
{
    int result = OH_E_NOTFOUND;

    for (unsigned i = 0; i < FAMILIES; i++) {
        int r = name->halves[i].is_done ? name->halves[i].result : OH_E_TIMEOUT;

        if (r == OH_OK || (result != OH_OK && r == OH_E_TIMEOUT) ||
            (result == OH_E_NOTFOUND && r == OH_E_IO))
            result = r;
    }
    name->result = result;
    name->addrs_n = 0;
    name->expires = 0;
    if (result == OH_OK)
        merge(name);
    if (result == OH_E_TIMEOUT)
        oh__count(&dns->net->counters.dns_timeouts, 1);
    else
        name->expires = dns->net->now + lifetime(name) * OH__SEC;
    name->is_in_flight = false;
    dns->in_flight--;
    oh__wheel_clear(dns->net->wheel, &name->alarm.timer);
    answer(dns, name);
}

void oh__dns_expire(struct oh__dns *dns, struct oh__alarm *alarm)
{
    struct name *name = OH__CONTAINER(alarm, struct name, alarm);

    if (name->is_in_flight)
        conclude(dns, name);
}

/* ---- queries ---- */

/* Reads what the resolver has to say about one family. */
static void read_half(struct half *h, uint8_t family, int status, const unsigned char *p, int n)
{
    size_t len = p && n > 0 ? (size_t)n : 0;

    switch (status) {
    case ARES_SUCCESS:
        h->n = oh__dns_addrs(p, len, family, h->addrs, OH__NET_ADDRS_MAX, &h->ttl);
        h->result = h->n > 0 ? OH_OK : OH_E_NOTFOUND;
        if (h->n == 0)
            h->ttl = oh__dns_negative_ttl(p, len);
        break;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        h->result = OH_E_NOTFOUND;
        h->ttl = len ? oh__dns_negative_ttl(p, len) : OH__DNS_NEGATIVE_DEFAULT;
        break;
    case ARES_ETIMEOUT: h->result = OH_E_TIMEOUT; break;
    default:
        h->result = OH_E_IO;
        h->ttl = TTL_BROKEN;
        break;
    }
    h->is_done = true;
}

/* The resolver has finished with a query; it may call from within ares_query. */
static void on_reply(void *arg, int status, int timeouts, unsigned char *p, int n)
{
    struct query *q = arg;
    struct oh__dns *dns = q->dns;
    struct name *name = q->name;
    unsigned half = q->half;
    struct half *h = &name->halves[half];
    /* The look-up may have been concluded without this answer, and even have begun anew. */
    bool late = !name->is_in_flight || q->round != name->round;
    bool all = true;

    (void)timeouts; /* how often it asked again is the library's affair */
    name->queries--;
    oh__pool_give(dns->queries, q->handle);
    if (late || status == ARES_EDESTRUCTION)
        return;
    read_half(h, families[half], status, p, n);
    for (unsigned i = 0; i < FAMILIES; i++)
        all = all && name->halves[i].is_done;
    if (all)
        conclude(dns, name);
    else if (h->result == OH_OK && dns->net->now + GRACE < name->alarm.timer.at)
        oh__wheel_set(dns->net->wheel, &name->alarm.timer, dns->net->now + GRACE);
}

static void start(struct oh__dns *dns, struct name *name)
{
    dns->net->now = oh__clock_now();
    name->is_in_flight = true;
    name->round++;
    dns->in_flight++;
    memset(name->halves, 0, sizeof(name->halves));
    name->text[name->text_n] = '\0';
    oh__wheel_set(dns->net->wheel, &name->alarm.timer,
                  dns->net->now + dns->net->options->dns_timeout);
    for (unsigned i = 0; i < FAMILIES; i++) {
        uint64_t handle;
        struct query *q = oh__pool_take(dns->queries, &handle);

        if (!q) {
            name->halves[i] = (struct half){.is_done = true, .result = OH_E_IO};
            continue;
        }
        *q = (struct query){
            .dns = dns, .name = name, .handle = handle, .half = i, .round = name->round};
        name->queries++;
        oh__count(&dns->net->counters.dns_queries, 1);
        ares_query(dns->channel, name->text, 1, families[i] == OH_FAMILY_IPV6 ? 28 : 1, on_reply,
                   q);
    }
    if (name->is_in_flight && name->queries == 0)
        conclude(dns, name);
}

/* ---- what needs no query ---- */

/*
 * Host names are letters, digits, hyphens and dots (RFC 1123 2.1), with the
 * underscore that people use all the same. Anything else would be read as an
 * escape by the resolver, or is not meant for it.
 */
static bool is_name(struct oh_span host)
{
    size_t label = 0;

    if (host.n == 0 || host.n > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];
        bool letter = (unsigned char)((c | 0x20) - 'a') < 26 || (unsigned char)(c - '0') < 10;

        if (c == '.' && label > 0)
            label = 0;
        else if ((letter || c == '-' || c == '_') && label < 63)
            label++;
        else
            return false;
    }
    return true;
}

/* RFC 6761 6.3: these never leave the machine. */
static bool is_localhost(struct oh_span host)
{
    static const char suffix[] = ".localhost";
    size_t n = sizeof(suffix) - 1;

    return oh_span_ieq(host, OH_LIT("localhost")) ||
           (host.n > n && oh_span_ieq(oh_span_from(host, host.n - n), oh_span(suffix, n)));
}

/* Answers from the hosts file; false when the name is not in it. */
static bool from_hosts(struct oh__dns *dns, struct name *name)
{
    struct oh_span text = oh_span(name->text, name->text_n);

    oh__hosts_refresh(&dns->hosts, "/etc/hosts", dns->net->now);
    name->addrs_n = oh__hosts_find(oh_span(dns->hosts.text, dns->hosts.n), text, name->addrs,
                                   OH__NET_ADDRS_MAX);
    if (name->addrs_n == 0 && is_localhost(text)) {
        name->addrs[0] = (struct oh_addr){.family = OH_FAMILY_IPV6, .ip[15] = 1};
        name->addrs[1] = (struct oh_addr){.family = OH_FAMILY_IPV4, .ip = {127, 0, 0, 1}};
        name->addrs_n = 2;
    }
    if (name->addrs_n == 0)
        return false;
    oh__order(name->addrs, name->addrs_n);
    name->result = OH_OK;
    name->expires = dns->net->now + TTL_HOSTS * OH__SEC;
    return true;
}

static void refuse(struct oh__dns *dns, uint64_t ticket, int result)
{
    oh__notify(dns->net,
               &(struct oh__notice){.kind = OH__NET_RESOLVED, .ticket = ticket, .result = result});
}

/* Puts a ticket on a name; false when there are too many. */
static bool wait_for(struct oh__dns *dns, struct name *name, uint64_t ticket)
{
    uint64_t handle;
    struct waiter *w = oh__pool_take(dns->waiters, &handle);

    if (!w)
        return false;
    *w = (struct waiter){.next = name->waiters, .handle = handle, .ticket = ticket, .name = name};
    name->waiters = w;
    return true;
}

void oh__dns_resolve(struct oh__dns *dns, struct oh_span host, uint64_t ticket)
{
    struct oh__notice numeric = {.kind = OH__NET_RESOLVED, .ticket = ticket};
    struct name *name;

    if (oh_addr_parse(host, &numeric.flow.peer) == OH_OK) {
        oh__notify(dns->net, &numeric);
        return;
    }
    if (host.n > 1 && host.p[host.n - 1] == '.')
        host.n--;
    if (!is_name(host)) {
        refuse(dns, ticket, OH_E_NOTFOUND);
        return;
    }
    name = name_of(dns, host);
    if (!name || (!name->is_in_flight && dns->in_flight >= IN_FLIGHT_MAX) ||
        !wait_for(dns, name, ticket)) {
        refuse(dns, ticket, OH_E_FULL);
        return;
    }
    if (name->is_in_flight)
        return;
    if (name->expires > dns->net->now) {
        oh__count(&dns->net->counters.dns_cache_hits, 1);
        answer(dns, name);
    } else if (from_hosts(dns, name)) {
        answer(dns, name);
    } else {
        start(dns, name);
    }
}

void oh__dns_ready(struct oh__dns *dns, int fd, uint32_t events)
{
    bool readable = events & (EPOLLIN | EPOLLERR | EPOLLHUP);

    ares_process_fd(dns->channel, readable ? fd : ARES_SOCKET_BAD,
                    events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
}

void oh__dns_poll(struct oh__dns *dns)
{
    if (oh__pool_live(dns->queries) > 0)
        ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

uint64_t oh__dns_deadline(struct oh__dns *dns)
{
    struct timeval tv;

    if (oh__pool_live(dns->queries) == 0 || !ares_timeout(dns->channel, NULL, &tv))
        return OH__NEVER;
    return oh__clock_now() + (uint64_t)tv.tv_sec * OH__SEC + (uint64_t)tv.tv_usec * 1000;
}

bool oh__dns_pending(const struct oh__dns *dns)
{
    return dns->done != NULL;
}

bool oh__dns_take(struct oh__dns *dns, struct oh__net_input *in)
{
    struct waiter *w = dns->done;
    const struct name *name;

    if (!w)
        return false;
    dns->done = w->next;
    if (!dns->done)
        dns->done_last = NULL;
    name = w->name;
    in->kind = OH__NET_RESOLVED;
    in->ticket = w->ticket;
    in->result = name->result;
    in->addrs_n = name->result == OH_OK ? name->addrs_n : 0;
    memcpy(in->addrs, name->addrs, in->addrs_n * sizeof(struct oh_addr));
    w->name->untaken--;
    oh__pool_give(dns->waiters, w->handle);
    return true;
}
