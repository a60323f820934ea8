/*
 * What has to be read of a DNS answer by hand: the library gives addresses with
 * their time to live, but not for how long a name does not exist, which stands
 * in the SOA record of the authority section (RFC 2308 5). The answer comes
 * from the network, so every step is checked against its end; a reader that ran
 * over it stays bad, and is asked once per record.
 */
#include "net/dns_wire.h"

#include <ares.h>
#include <netinet/in.h>

#define HEADER   12
#define TYPE_SOA 6

/* A place in a message; is_bad once something reached beyond its end. */
struct reader {
    const uint8_t *p;
    size_t n, at;
    bool is_bad;
};

static void skip(struct reader *r, size_t bytes)
{
    if (bytes > r->n - r->at) {
        r->is_bad = true;
        r->at = r->n;
        return;
    }
    r->at += bytes;
}

static uint32_t number(struct reader *r, unsigned bytes)
{
    uint32_t v = 0;
    size_t from = r->at;

    skip(r, bytes);
    if (r->is_bad)
        return 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | r->p[from + i];
    return v;
}

/* A name in a record ends at its first pointer, so none has to be followed (RFC 1035 4.1.4). */
static void skip_name(struct reader *r)
{
    while (!r->is_bad) {
        uint32_t len = number(r, 1);

        if (len == 0)
            return;
        if (len >= 0xc0) {
            skip(r, 1);
            return;
        }
        skip(r, len);
    }
}

uint32_t oh__dns_negative_ttl(const uint8_t *p, size_t n)
{
    struct reader r = {.p = p, .n = n};
    uint32_t questions, records;

    skip(&r, 4);
    questions = number(&r, 2);
    /* Answers and authorities: the SOA is in the latter, behind a CNAME perhaps in the former. */
    records = number(&r, 2) + number(&r, 2);
    skip(&r, 2);
    for (; questions > 0 && !r.is_bad; questions--) {
        skip_name(&r);
        skip(&r, 4);
    }
    for (; records > 0 && !r.is_bad; records--) {
        uint32_t type, ttl, len, minimum;

        skip_name(&r);
        type = number(&r, 2);
        skip(&r, 2);
        ttl = number(&r, 4);
        len = number(&r, 2);
        if (type != TYPE_SOA || len < 4) {
            skip(&r, len);
            continue;
        }
        /* MINIMUM is the last of the SOA's fields (RFC 1035 3.3.13). */
        skip(&r, len - 4);
        minimum = number(&r, 4);
        if (!r.is_bad)
            return ttl < minimum ? ttl : minimum;
    }
    return OH__DNS_NEGATIVE_DEFAULT;
}

/* Follows RFC 2181 8: a time to live with the highest bit set is 0. */
static uint32_t sane_ttl(int ttl)
{
    return ttl < 0 ? 0 : (uint32_t)ttl;
}

unsigned oh__dns_addrs(const uint8_t *p, size_t n, uint8_t family, struct oh_addr *out,
                       unsigned max, uint32_t *ttl)
{
    struct ares_addrttl v4[64];
    struct ares_addr6ttl v6[64];
    int got = (int)(max < 64 ? max : 64);
    uint32_t least = UINT32_MAX;
    int rc = family == OH_FAMILY_IPV4 ? ares_parse_a_reply(p, (int)n, NULL, v4, &got)
                                      : ares_parse_aaaa_reply(p, (int)n, NULL, v6, &got);

    if (rc != ARES_SUCCESS)
        return 0;
    for (int i = 0; i < got; i++) {
        uint32_t t = sane_ttl(family == OH_FAMILY_IPV4 ? v4[i].ttl : v6[i].ttl);

        out[i] = (struct oh_addr){.family = family};
        if (family == OH_FAMILY_IPV4)
            memcpy(out[i].ip, &v4[i].ipaddr, 4);
        else
            memcpy(out[i].ip, &v6[i].ip6addr, 16);
        /* One answer for the whole name, so the shortest time holds for all of it. */
        least = t < least ? t : least;
    }
    if (got > 0)
        *ttl = least;
    return (unsigned)got;
}
