/*
 * Default address selection (RFC 6724) for the addresses of one name: rules 1,
 * 2, 5, 6, 8 and 10, which are those that need no knowledge of care-of and
 * deprecated addresses. Rule 9 (longest common prefix) is left out, as by most
 * resolvers for IPv4, because it defeats the order in which a DNS server
 * spreads load.
 */
#include "net/order.h"

#include "net/system.h"

#define MOST 64

/* RFC 6724 2.1: the default policy table. */
static const struct policy {
    uint8_t prefix[16];
    uint8_t bits, precedence, label;
} table[] = {
    {{[15] = 1}, 128, 50, 0},                /* ::1 */
    {{[10] = 0xff, [11] = 0xff}, 96, 35, 4}, /* IPv4 */
    {{0x20, 0x02}, 16, 30, 2},               /* 6to4 */
    {{0x20, 0x01}, 32, 5, 5},                /* Teredo */
    {{0xfc}, 7, 3, 13},                      /* unique local */
    {{0xfe, 0xc0}, 10, 1, 11},               /* site-local, deprecated */
    {{0x3f, 0xfe}, 16, 1, 12},               /* 6bone, returned */
    {{0}, 96, 1, 3},                         /* IPv4-compatible, deprecated */
    {{0}, 0, 40, 1},                         /* everything else */
};

/* RFC 4291 2.7 and RFC 6724 3.2. */
enum scope { SCOPE_LINK = 2, SCOPE_SITE = 5, SCOPE_GLOBAL = 14 };

static bool has_prefix(const uint8_t ip[16], const uint8_t prefix[16], unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    if (memcmp(ip, prefix, bytes) != 0)
        return false;
    return rest == 0 || (ip[bytes] ^ prefix[bytes]) >> (8 - rest) == 0;
}

static const struct policy *policy_of(const struct oh_addr *a)
{
    uint8_t ip[16] = {[10] = 0xff, [11] = 0xff};
    const struct policy *p = table;

    if (a->family == OH_FAMILY_IPV4)
        memcpy(ip + 12, a->ip, 4);
    else
        memcpy(ip, a->ip, 16);
    /* The last row matches everything. */
    while (!has_prefix(ip, p->prefix, p->bits))
        p++;
    return p;
}

static enum scope scope_of(const struct oh_addr *a)
{
    if (oh_addr_is_loopback(a))
        return SCOPE_LINK;
    if (a->family == OH_FAMILY_IPV4)
        return a->ip[0] == 169 && a->ip[1] == 254 ? SCOPE_LINK : SCOPE_GLOBAL;
    if (a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80)
        return SCOPE_LINK;
    return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0xc0 ? SCOPE_SITE : SCOPE_GLOBAL;
}

/* True when destination b, reached from source sb, is to be tried before a. */
static bool is_better(const struct oh_addr *b, const struct oh_addr *sb, const struct oh_addr *a,
                      const struct oh_addr *sa)
{
    bool reach_a = sa->family != OH_FAMILY_NONE, reach_b = sb->family != OH_FAMILY_NONE;
    const struct policy *pa = policy_of(a), *pb = policy_of(b);
    bool match_a, match_b;

    if (reach_a != reach_b) /* rule 1 */
        return reach_b;
    if (reach_a) {
        match_a = scope_of(a) == scope_of(sa);
        match_b = scope_of(b) == scope_of(sb);
        if (match_a != match_b) /* rule 2 */
            return match_b;
        match_a = pa->label == policy_of(sa)->label;
        match_b = pb->label == policy_of(sb)->label;
        if (match_a != match_b) /* rule 5 */
            return match_b;
    }
    if (pa->precedence != pb->precedence) /* rule 6 */
        return pb->precedence > pa->precedence;
    return scope_of(b) < scope_of(a); /* rule 8; otherwise the order stays, rule 10 */
}

/* An insertion sort, which keeps the order of equals. */
void oh__order_by(struct oh_addr *addrs, struct oh_addr *sources, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        struct oh_addr addr = addrs[i], source = sources[i];
        unsigned j = i;

        while (j > 0 && is_better(&addr, &source, &addrs[j - 1], &sources[j - 1])) {
            addrs[j] = addrs[j - 1];
            sources[j] = sources[j - 1];
            j--;
        }
        addrs[j] = addr;
        sources[j] = source;
    }
}

/* The source address towards a destination; of no family when there is no route. */
static struct oh_addr source_for(const struct oh_addr *addr)
{
    struct oh_addr to = *addr, from = {0};

    /* Any port will do, but some kernels refuse 0. */
    to.port = to.port ? to.port : 5060;
    (void)oh__local_toward(&to, &from);
    return from;
}

void oh__order(struct oh_addr *addrs, unsigned n)
{
    struct oh_addr sources[MOST];

    if (n < 2 || n > MOST)
        return;
    for (unsigned i = 0; i < n; i++)
        sources[i] = source_for(&addrs[i]);
    oh__order_by(addrs, sources, n);
}
