/*
 * A record is a byte for the format, a byte for the number of bindings, and
 * the bindings. All numbers are little-endian and unaligned.
 *
 *   0 u32 size of the binding     44 u16 q
 *   4 u32 CSeq                    46 u16 listener
 *   8 u64 id                      48 u8  flags
 *  16 u64 expires_at              49 u8  transport
 *  24 u64 updated_at              50 u8  kinds of the two addresses
 *  32 u64 flow id                 51 u16 lengths of the five texts
 *  40 u32 round trip              61     local address, peer's address, texts
 *
 * An address is a port and 0, 4, 16 or 16 + 4 (zone) bytes. What is patched in
 * place (reachable, round trip) so has a fixed offset, and an IPv4 binding
 * costs 73 bytes besides its texts.
 */
#include "serve/location_record.h"

#include "base/word.h"

#define FORMAT 1

enum {
    AT_SIZE = 0,
    AT_CSEQ = 4,
    AT_ID = 8,
    AT_EXPIRES = 16,
    AT_UPDATED = 24,
    AT_FLOW = 32,
    AT_RTT = 40,
    AT_Q = 44,
    AT_LISTENER = 46,
    AT_FLAGS = 48,
    AT_TRANSPORT = 49,
    AT_KINDS = 50,
    AT_LENGTHS = 51,
    FIXED = 61
};

enum { HAS_Q = 1, NAT = 2, REACHABLE = 4, FLAGS = 7 };

/* Kinds of address; two bits each. */
enum { KIND_NONE, KIND_IPV4, KIND_IPV6, KIND_SCOPED };

#define TEXTS 5

static const uint8_t kind_bytes[] = {2, 6, 18, 22};

static void put16(char *to, uint32_t v)
{
    to[0] = (char)v;
    to[1] = (char)(v >> 8);
}

static void put32(char *to, uint32_t v)
{
    put16(to, v);
    put16(to + 2, v >> 16);
}

static uint32_t get16(const char *from)
{
    return (uint32_t)((unsigned char)from[0] | (unsigned char)from[1] << 8);
}

static uint32_t get32(const char *from)
{
    return get16(from) | get16(from + 2) << 16;
}

/* A zone is kept only where there is one, since next to no phone has any. */
static unsigned kind_of(const struct oh_addr *a)
{
    if (a->family == OH_FAMILY_IPV4)
        return KIND_IPV4;
    if (a->family == OH_FAMILY_IPV6)
        return a->scope ? KIND_SCOPED : KIND_IPV6;
    return KIND_NONE;
}

/* Writes an address; returns where the next thing goes. */
static char *put_addr(char *to, const struct oh_addr *a)
{
    unsigned kind = kind_of(a);

    put16(to, a->port);
    memcpy(to + 2, a->ip, kind == KIND_SCOPED ? 16 : kind_bytes[kind] - 2u);
    if (kind == KIND_SCOPED)
        put32(to + 18, a->scope);
    return to + kind_bytes[kind];
}

/* Reads an address of a kind that was checked; returns where the next thing is. */
static const char *get_addr(const char *from, unsigned kind, struct oh_addr *a)
{
    memset(a, 0, sizeof(*a));
    a->port = (uint16_t)get16(from);
    if (kind != KIND_NONE)
        a->family = kind == KIND_IPV4 ? OH_FAMILY_IPV4 : OH_FAMILY_IPV6;
    memcpy(a->ip, from + 2, kind == KIND_SCOPED ? 16 : kind_bytes[kind] - 2u);
    if (kind == KIND_SCOPED)
        a->scope = get32(from + 18);
    return from + kind_bytes[kind];
}

/* The five texts in the order they have in a record. */
static void texts_of(const struct oh__binding *b, struct oh_span t[TEXTS])
{
    t[0] = b->contact;
    t[1] = b->params;
    t[2] = b->call_id;
    t[3] = b->user_agent;
    t[4] = b->path;
}

/* 0 when a text is too long. */
static size_t binding_size(const struct oh__binding *b)
{
    struct oh_span t[TEXTS];
    size_t n = FIXED + (size_t)kind_bytes[kind_of(&b->flow.local)] +
               kind_bytes[kind_of(&b->flow.peer)];

    texts_of(b, t);
    for (int i = 0; i < TEXTS; i++) {
        if (t[i].n > UINT16_MAX)
            return 0;
        n += t[i].n;
    }
    return n;
}

size_t oh__location_record_size(const struct oh__binding_list *list)
{
    size_t n = OH__LOCATION_RECORD_EMPTY;

    for (unsigned i = 0; i < list->n; i++) {
        size_t one = binding_size(&list->v[i]);

        if (one == 0)
            return 0;
        n += one;
    }
    return n;
}

/* Writes a binding; returns where the next one goes. */
static char *put_binding(char *to, const struct oh__binding *b)
{
    struct oh_span t[TEXTS];
    char *at = to + FIXED;

    put32(to + AT_SIZE, (uint32_t)binding_size(b));
    put32(to + AT_CSEQ, b->cseq);
    oh__store64le(to + AT_ID, b->id);
    oh__store64le(to + AT_EXPIRES, b->expires_at);
    oh__store64le(to + AT_UPDATED, b->updated_at);
    oh__store64le(to + AT_FLOW, b->flow.id);
    put32(to + AT_RTT, b->rtt_us);
    put16(to + AT_Q, b->q);
    put16(to + AT_LISTENER, b->flow.listener);
    to[AT_FLAGS] = (char)((b->has_q ? HAS_Q : 0) | (b->nat ? NAT : 0) |
                          (b->reachable ? REACHABLE : 0));
    to[AT_TRANSPORT] = (char)b->flow.transport;
    to[AT_KINDS] = (char)(kind_of(&b->flow.local) | kind_of(&b->flow.peer) << 2);
    at = put_addr(at, &b->flow.local);
    at = put_addr(at, &b->flow.peer);
    texts_of(b, t);
    for (int i = 0; i < TEXTS; i++) {
        put16(to + AT_LENGTHS + 2 * i, (uint32_t)t[i].n);
        if (t[i].n)
            memcpy(at, t[i].p, t[i].n);
        at += t[i].n;
    }
    return at;
}

void oh__location_record_put(char *to, const struct oh__binding_list *list)
{
    to[0] = FORMAT;
    to[1] = (char)list->n;
    to += OH__LOCATION_RECORD_EMPTY;
    for (unsigned i = 0; i < list->n; i++)
        to = put_binding(to, &list->v[i]);
}

/* The size of the binding at p, checked against all that its own bytes say; 0 when it is bad. */
static size_t check_binding(const char *p, size_t room)
{
    unsigned kinds;
    size_t n = FIXED;

    if (room < FIXED)
        return 0;
    kinds = (unsigned char)p[AT_KINDS];
    if (kinds > 15 || (unsigned char)p[AT_FLAGS] > FLAGS || get16(p + AT_Q) > 1000 ||
        (unsigned char)p[AT_TRANSPORT] > OH_TRANSPORT_WSS)
        return 0;
    n += (size_t)kind_bytes[kinds & 3] + kind_bytes[kinds >> 2];
    for (int i = 0; i < TEXTS; i++)
        n += get16(p + AT_LENGTHS + 2 * i);
    return n <= room && n == get32(p + AT_SIZE) ? n : 0;
}

/* Decodes a binding whose size was checked. */
static void get_binding(const char *p, struct oh__binding *b)
{
    unsigned kinds = (unsigned char)p[AT_KINDS], flags = (unsigned char)p[AT_FLAGS];
    struct oh_span t[TEXTS];
    const char *at = p + FIXED;

    at = get_addr(at, kinds & 3, &b->flow.local);
    at = get_addr(at, kinds >> 2, &b->flow.peer);
    for (int i = 0; i < TEXTS; i++) {
        t[i] = oh_span(at, get16(p + AT_LENGTHS + 2 * i));
        at += t[i].n;
    }
    b->contact = t[0];
    b->params = t[1];
    b->call_id = t[2];
    b->user_agent = t[3];
    b->path = t[4];
    b->cseq = get32(p + AT_CSEQ);
    b->q = (uint16_t)get16(p + AT_Q);
    b->has_q = flags & HAS_Q;
    b->nat = flags & NAT;
    b->reachable = flags & REACHABLE;
    b->expires_at = oh__load64le(p + AT_EXPIRES);
    b->updated_at = oh__load64le(p + AT_UPDATED);
    b->rtt_us = get32(p + AT_RTT);
    b->flow.id = oh__load64le(p + AT_FLOW);
    b->flow.listener = (uint16_t)get16(p + AT_LISTENER);
    b->flow.transport = (uint8_t)p[AT_TRANSPORT];
    b->id = oh__load64le(p + AT_ID);
}

int oh__location_record_get(struct oh_span record, struct oh__binding_list *out)
{
    size_t at = OH__LOCATION_RECORD_EMPTY;
    unsigned n;

    if (record.n < OH__LOCATION_RECORD_EMPTY || record.p[0] != FORMAT)
        return OH_E_CORRUPT;
    n = (unsigned char)record.p[1];
    if (n > OH__BINDINGS_PER_AOR)
        return OH_E_CORRUPT;
    for (unsigned i = 0; i < n; i++) {
        size_t size = check_binding(record.p + at, record.n - at);

        if (size == 0)
            return OH_E_CORRUPT;
        get_binding(record.p + at, &out->v[i]);
        at += size;
    }
    /* Bytes behind the last binding were written by nobody who knows the format. */
    if (at != record.n)
        return OH_E_CORRUPT;
    out->n = n;
    out->added = out->removed = 0;
    return OH_OK;
}

unsigned oh__location_record_expired(struct oh_span record, uint64_t wall, uint64_t *earliest)
{
    size_t at = OH__LOCATION_RECORD_EMPTY;
    unsigned expired = 0;

    for (; at < record.n; at += get32(record.p + at)) {
        uint64_t expires = oh__load64le(record.p + at + AT_EXPIRES);

        if (expires <= wall)
            expired++;
        else if (expires < *earliest)
            *earliest = expires;
    }
    return expired;
}

unsigned oh__location_record_unreach(char *record, size_t n, uint64_t flow_id)
{
    size_t at = OH__LOCATION_RECORD_EMPTY;
    unsigned marked = 0;

    for (; at < n; at += get32(record + at)) {
        char *flags = record + at + AT_FLAGS;

        if (oh__load64le(record + at + AT_FLOW) != flow_id || !(*flags & REACHABLE))
            continue;
        *flags = (char)(*flags & ~REACHABLE);
        marked++;
    }
    return marked;
}

void oh__location_record_rtt(char *record, size_t n, uint64_t id, uint32_t rtt_us)
{
    size_t at = OH__LOCATION_RECORD_EMPTY;

    for (; at < n; at += get32(record + at)) {
        if (oh__load64le(record + at + AT_ID) == id)
            put32(record + at + AT_RTT, rtt_us);
    }
}

void oh__location_drop_expired(struct oh__binding_list *list, uint64_t wall)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < list->n; i++) {
        if (list->v[i].expires_at <= wall)
            continue;
        if (kept != i)
            list->v[kept] = list->v[i];
        kept++;
    }
    list->n = kept;
}
