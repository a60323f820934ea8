/*
 * Address literals. The system's own parsers are not used: they accept forms
 * that SIP does not know (octal and hexadecimal IPv4, fewer than four parts),
 * they need terminated text, and they differ between systems. What is accepted
 * here is the grammar of RFC 5954 4.1, which took over RFC 3986's, and two
 * things more: a numeric zone behind '%' (RFC 4007 11), because configuration
 * needs it, and the three colons that RFC 5118 4.10 describes.
 *
 * Zones are numbers only. A name such as "eth0" can be turned into a number by
 * the operating system alone, and this layer has none.
 */
#include <offhook/addr.h>
#include <offhook/buf.h>
#include <offhook/error.h>

#include "base/ipv4.h"
#include "base/word.h"

/* The first twelve bytes of ::ffff:0:0/96 (RFC 4291 2.5.5.2). */
static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* The value of a hexadecimal digit, or -1; without a table or the locale. */
static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * dec-octet of RFC 3986: 0 to 255 without leading zeros. "010" would be eight
 * for some programs and ten for others, and an access list must not depend on
 * who reads it. Gives what is behind it, NULL when there is none.
 */
static inline const char *take_octet(const char *p, const char *end, uint8_t *out)
{
    unsigned v, digit;

    if (p == end || !is_digit(*p))
        return NULL;
    v = (unsigned)(*p++ - '0');
    *out = (uint8_t)v;
    if (p == end || !is_digit(*p))
        return p;
    if (v == 0)
        return NULL;
    v = v * 10 + (unsigned)(*p++ - '0');
    if (p < end && (digit = (unsigned char)*p - (unsigned)'0') <= 9) {
        v = v * 10 + digit;
        p++;
    }
    *out = (uint8_t)v;
    return v <= 255 ? p : NULL;
}

size_t oh__ipv4_take(const char *p, size_t n, uint8_t out[4])
{
    const char *at = p, *end = p + n;
    unsigned i;

    for (i = 0; i < 4; i++) {
        if (i > 0 && (at == end || *at++ != '.'))
            return 0;
        at = take_octet(at, end, &out[i]);
        if (!at)
            return 0;
    }
    return (size_t)(at - p);
}

/* Four octets that fill the span. */
static int parse_ipv4(struct oh_span s, uint8_t out[4])
{
    return s.n && oh__ipv4_take(s.p, s.n, out) == s.n ? OH_OK : OH_E_SYNTAX;
}

/* One to four hexadecimal digits; returns how many, 0 when there are none. */
static size_t take_group(struct oh_span s, unsigned *out)
{
    unsigned v = 0;
    size_t n = 0;

    while (n < s.n && n < 4 && hex_value(s.p[n]) >= 0)
        v = v << 4 | (unsigned)hex_value(s.p[n++]);
    *out = v;
    return n;
}

/* The state of reading an IPv6 address from left to right. */
struct ipv6_reader {
    uint8_t ip[16];
    size_t n;     /* bytes of ip that are filled */
    size_t gap;   /* where "::" stood, in bytes of ip; meaningful when gapped */
    bool gapped;  /* "::" was seen */
    bool three;   /* it was ":::", which only an IPv4 part may follow */
    bool is_done; /* an IPv4 part ended the address */
};

/*
 * Reads the colons between two groups: one, or two for the gap. RFC 2373's
 * grammar, which RFC 3261 copied, put one more colon between "::" and an IPv4
 * part; RFC 5118 4.10 asks receivers to be liberal about it.
 */
static int take_colons(struct ipv6_reader *r, struct oh_span *s)
{
    size_t n = 0;

    while (n < s->n && s->p[n] == ':')
        n++;
    if (n == 0 || n > 3 || (n == 1 && r->n == 0) || (n >= 2 && r->gapped))
        return OH_E_SYNTAX;
    *s = oh_span_from(*s, n);
    if (n == 1)
        return s->n ? OH_OK : OH_E_SYNTAX;
    r->gapped = true;
    r->gap = r->n;
    r->three = n == 3;
    return OH_OK;
}

/* Reads one group, or the IPv4 part that ends the address. */
static int take_part(struct ipv6_reader *r, struct oh_span *s)
{
    unsigned v;
    size_t n = take_group(*s, &v);
    bool after_three = r->three;

    r->three = false;
    /* Digits before a dot were the first octet; they are read again as decimal. */
    if (n < s->n && s->p[n] == '.') {
        if (r->n > 12 || parse_ipv4(*s, r->ip + r->n) != OH_OK)
            return OH_E_SYNTAX;
        r->n += 4;
        r->is_done = true;
        return OH_OK;
    }
    if (n == 0 || r->n > 14 || after_three)
        return OH_E_SYNTAX;
    r->ip[r->n++] = (uint8_t)(v >> 8);
    r->ip[r->n++] = (uint8_t)v;
    *s = oh_span_from(*s, n);
    return OH_OK;
}

/* An IPv6 address without brackets and zone that fills the span. */
static int parse_ipv6(struct oh_span s, uint8_t out[16])
{
    struct ipv6_reader r = {.n = 0};

    if (s.n == 0)
        return OH_E_SYNTAX;
    while (s.n && !r.is_done) {
        /* Colons come before every part but the first, which may have "::" before it. */
        if ((r.n > 0 || s.p[0] == ':') && take_colons(&r, &s) != OH_OK)
            return OH_E_SYNTAX;
        if (s.n && take_part(&r, &s) != OH_OK)
            return OH_E_SYNTAX;
    }
    /* A gap stands for at least one group; without one, all must be there. */
    if (r.three || (r.gapped ? r.n > 14 : r.n != 16))
        return OH_E_SYNTAX;
    /* What stood before the gap goes to the front, the rest to the end, zeros between. */
    memset(out, 0, 16);
    if (!r.gapped) {
        memcpy(out, r.ip, 16);
        return OH_OK;
    }
    memcpy(out, r.ip, r.gap);
    memcpy(out + 16 - (r.n - r.gap), r.ip + r.gap, r.n - r.gap);
    return OH_OK;
}

/* An IPv6 address with an optional zone. */
static int parse_ipv6_zone(struct oh_span s, struct oh_addr *out)
{
    struct oh_addr a = {.family = OH_FAMILY_IPV6};
    ptrdiff_t at = oh_span_find(s, '%');

    if (at >= 0) {
        if (oh_span_u32(oh_span_from(s, (size_t)at + 1), UINT32_MAX, &a.scope) != OH_OK)
            return OH_E_SYNTAX;
        s = oh_span_head(s, (size_t)at);
    }
    if (parse_ipv6(s, a.ip) != OH_OK)
        return OH_E_SYNTAX;
    *out = a;
    return OH_OK;
}

/* Brackets are for IPv6 alone (RFC 5954 4.1, IPv6reference), and a colon is found in no IPv4. */
int oh_addr_parse(struct oh_span text, struct oh_addr *out)
{
    struct oh_addr a = {.family = OH_FAMILY_IPV4};

    /* Most are IPv4, so that is tried first. */
    if (parse_ipv4(text, a.ip) == OH_OK) {
        *out = a;
        return OH_OK;
    }
    if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        return parse_ipv6_zone(oh_span(text.p + 1, text.n - 2), out);
    return oh_span_find(text, ':') >= 0 ? parse_ipv6_zone(text, out) : OH_E_SYNTAX;
}

/*
 * Where the colon before the port is, or text.n when there is none. More than
 * one colon outside brackets is an IPv6 address, which cannot have a port.
 */
static size_t port_colon(struct oh_span text)
{
    ptrdiff_t close = oh_span_find(text, ']');
    size_t at = close < 0 ? 0 : (size_t)close;
    ptrdiff_t colon = oh_span_find(oh_span_from(text, at), ':');

    if (colon < 0)
        return text.n;
    at += (size_t)colon;
    if (close < 0 && oh_span_find(oh_span_from(text, at + 1), ':') >= 0)
        return text.n;
    return at;
}

int oh_addr_parse_port(struct oh_span text, struct oh_addr *out)
{
    size_t colon = port_colon(text);
    struct oh_addr a;
    uint32_t port = 0;
    int rc;

    if (colon < text.n && oh_span_u32(oh_span_from(text, colon + 1), 65535, &port) != OH_OK)
        return OH_E_SYNTAX;
    rc = oh_addr_parse(oh_span_head(text, colon), &a);
    if (rc != OH_OK)
        return rc;
    a.port = (uint16_t)port;
    *out = a;
    return OH_OK;
}

/* True for a mapped IPv4 address, whose four bytes are the last ones. */
static inline bool is_mapped(const struct oh_addr *a)
{
    return a->family == OH_FAMILY_IPV6 && memcmp(a->ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

void oh_addr_unmap(struct oh_addr *a)
{
    if (!is_mapped(a))
        return;
    memcpy(a->ip, a->ip + 12, 4);
    memset(a->ip + 4, 0, 12);
    a->family = OH_FAMILY_IPV4;
    a->scope = 0;
}

/* Sockets for both families report IPv4 peers as mapped; they are the same peers. */
static struct oh_addr unmapped(const struct oh_addr *a)
{
    struct oh_addr plain = *a;

    oh_addr_unmap(&plain);
    return plain;
}

/* Zones count: fe80::1 on two links is two hosts. */
bool oh_addr_same_host(const struct oh_addr *a, const struct oh_addr *b)
{
    struct oh_addr x, y;

    /* The usual question needs no copies; it is asked several times for every message. */
    if (a->family == OH_FAMILY_IPV4 && b->family == OH_FAMILY_IPV4)
        return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0 && a->scope == b->scope;
    x = unmapped(a);
    y = unmapped(b);
    return x.family == y.family && x.scope == y.scope && memcmp(x.ip, y.ip, sizeof(x.ip)) == 0;
}

bool oh_addr_eq(const struct oh_addr *a, const struct oh_addr *b)
{
    return a->port == b->port && oh_addr_same_host(a, b);
}

bool oh_addr_is_loopback(const struct oh_addr *a)
{
    static const uint8_t one[16] = {[15] = 1};

    if (a->family == OH_FAMILY_IPV4)
        return a->ip[0] == 127;
    if (is_mapped(a))
        return a->ip[12] == 127;
    return a->family == OH_FAMILY_IPV6 && memcmp(a->ip, one, sizeof(one)) == 0;
}

bool oh_addr_is_any(const struct oh_addr *a)
{
    /* Twelve bytes of the prefix besides four zeros make a mapped one. */
    if (is_mapped(a))
        return !(a->ip[12] | a->ip[13] | a->ip[14] | a->ip[15]);
    return a->family != OH_FAMILY_NONE && !(oh__load64(a->ip) | oh__load64(a->ip + 8));
}

bool oh_addr_is_broadcast(const struct oh_addr *a)
{
    static const uint8_t all[4] = {255, 255, 255, 255};
    struct oh_addr x = unmapped(a);

    if (x.family == OH_FAMILY_IPV4)
        return (x.ip[0] & 0xf0) == 0xe0 || memcmp(x.ip, all, sizeof(all)) == 0;
    return x.family == OH_FAMILY_IPV6 && x.ip[0] == 0xff;
}

/* Clears what lies behind the first `bits` bits, so equal networks have equal bytes. */
static void clear_host_bits(uint8_t ip[16], unsigned bits)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned keep = bits > i * 8 ? bits - i * 8 : 0;

        if (keep < 8)
            ip[i] &= (uint8_t)(0xff00u >> keep);
    }
}

int oh_network_parse(struct oh_span text, struct oh_network *out)
{
    ptrdiff_t slash = oh_span_find(text, '/');
    struct oh_network net;
    uint32_t bits, most;

    if (oh_addr_parse(slash < 0 ? text : oh_span_head(text, (size_t)slash), &net.addr) != OH_OK)
        return OH_E_SYNTAX;
    most = bits = net.addr.family == OH_FAMILY_IPV4 ? 32 : 128;
    if (slash >= 0 && oh_span_u32(oh_span_from(text, (size_t)slash + 1), most, &bits) != OH_OK)
        return OH_E_SYNTAX;
    clear_host_bits(net.addr.ip, bits);
    /* A network inside the mapped range means IPv4; a wider one holds no IPv4 address. */
    if (bits >= 96 && most == 128) {
        oh_addr_unmap(&net.addr);
        bits -= net.addr.family == OH_FAMILY_IPV4 ? 96 : 0;
    }
    net.bits = (uint8_t)bits;
    *out = net;
    return OH_OK;
}

bool oh_network_has(const struct oh_network *net, const struct oh_addr *a)
{
    struct oh_addr x = unmapped(a);

    if (x.family == OH_FAMILY_NONE || x.family != net->addr.family)
        return false;
    /* A network without zone means the addresses on any link. */
    if (net->addr.scope && net->addr.scope != x.scope)
        return false;
    clear_host_bits(x.ip, net->bits);
    return memcmp(x.ip, net->addr.ip, sizeof(x.ip)) == 0;
}

static void put_ipv4(struct oh_buf *b, const uint8_t ip[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            oh_buf_char(b, '.');
        oh_buf_u64(b, ip[i]);
    }
}

/* Four bits at a time, without leading zeros (RFC 5952 4.1). */
static void put_group(struct oh_buf *b, unsigned v)
{
    bool started = false;

    for (int shift = 12; shift >= 0; shift -= 4) {
        unsigned d = v >> shift & 15;

        started = started || d || shift == 0;
        if (started)
            oh_buf_char(b, "0123456789abcdef"[d]);
    }
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952 4.2). */
static void find_zero_run(const unsigned group[8], unsigned *at, unsigned *len)
{
    unsigned run = 0;

    *at = 8;
    *len = 1;
    for (unsigned i = 0; i < 8; i++) {
        run = group[i] ? 0 : run + 1;
        if (run > *len) {
            *len = run;
            *at = i + 1 - run;
        }
    }
}

static void put_ipv6(struct oh_buf *b, const uint8_t ip[16])
{
    unsigned group[8], at, len;

    for (unsigned i = 0; i < 8; i++)
        group[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
    /* A mapped address is known by its prefix, so its end is written as IPv4 (RFC 5952 5). */
    if (memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        oh_buf_lit(b, "::ffff:");
        put_ipv4(b, ip + 12);
        return;
    }
    find_zero_run(group, &at, &len);
    for (unsigned i = 0; i < 8; i++) {
        if (i == at) {
            oh_buf_lit(b, "::");
            i += len - 1;
            continue;
        }
        if (i > 0 && i != at + len)
            oh_buf_char(b, ':');
        put_group(b, group[i]);
    }
}

/* The address alone; '-' keeps the columns of a log line when there is none. */
static void put_host(struct oh_buf *b, const struct oh_addr *a)
{
    if (a->family == OH_FAMILY_IPV4) {
        put_ipv4(b, a->ip);
    } else if (a->family == OH_FAMILY_IPV6) {
        put_ipv6(b, a->ip);
        if (a->scope) {
            oh_buf_char(b, '%');
            oh_buf_u64(b, a->scope);
        }
    } else {
        oh_buf_char(b, '-');
    }
}

size_t oh_addr_host_text(const struct oh_addr *a, char out[OH_ADDR_TEXT_MAX])
{
    struct oh_buf b;

    oh_buf_init(&b, out, OH_ADDR_TEXT_MAX - 1);
    put_host(&b, a);
    out[b.n] = '\0';
    return b.n;
}

size_t oh_addr_text(const struct oh_addr *a, char out[OH_ADDR_TEXT_MAX])
{
    struct oh_buf b;
    bool brackets = a->family == OH_FAMILY_IPV6;

    oh_buf_init(&b, out, OH_ADDR_TEXT_MAX - 1);
    if (brackets)
        oh_buf_char(&b, '[');
    put_host(&b, a);
    if (brackets)
        oh_buf_char(&b, ']');
    if (a->port) {
        oh_buf_char(&b, ':');
        oh_buf_u64(&b, a->port);
    }
    out[b.n] = '\0';
    return b.n;
}
