/*
 * Record-Route tokens (decision 8). When we record-route a call we put one
 * Record-Route row per side, whose user part names the flow on which that
 * side is reached. Nobody else can make one: the MAC covers the fields and
 * the Call-ID, so a token authorises the requests of its own dialog and
 * nothing else, and calls in progress survive a restart of the server.
 *
 * Text: "oh" and the lower-case base32 of
 *   version 1 | kind 1 | transport 1 | listener 2 | expires 4 (s since 2020)
 *   | flow id 8 (streams only) | family 1, ip 4/16, port 2 of peer
 *   | family 1, ip 4/16, port 2 of local | MAC 10
 */
#include "base/base32.h"
#include "serve/internal.h"

#define VERSION    2
#define MAC_BYTES  10
#define EPOCH_2020 UINT64_C(1577836800)
#define RAW_MAX    (1 + 1 + 1 + 2 + 4 + 8 + 2 * (1 + 16 + 2) + MAC_BYTES)

/* A longer Call-ID goes into the MAC as a MAC of its own. */
#define CALL_MAX 128

static const char PREFIX[] = "oh";

struct writer {
    uint8_t p[RAW_MAX];
    size_t n;
};

static void put(struct writer *w, const void *p, size_t n)
{
    memcpy(w->p + w->n, p, n);
    w->n += n;
}

/* Big-endian, `bytes` of them. */
static void put_number(struct writer *w, uint64_t v, size_t bytes)
{
    for (size_t i = bytes; i-- > 0;)
        w->p[w->n++] = (uint8_t)(v >> (8 * i));
}

static void put_addr(struct writer *w, const struct oh_addr *a)
{
    put_number(w, a->family, 1);
    if (a->family == OH_FAMILY_NONE)
        return;
    put(w, a->ip, a->family == OH_FAMILY_IPV4 ? 4 : 16);
    put_number(w, a->port, 2);
}

/* The MAC over the fields and the Call-ID; the key is used for nothing else. */
static void mac_of(const struct oh__shared *shared, const uint8_t *raw, size_t n,
                   struct oh_span call_id, uint8_t out[16])
{
    uint8_t both[2 + RAW_MAX + CALL_MAX];
    uint8_t call[16];

    both[0] = (uint8_t)n; /* so that no byte of one can pass for one of the other */
    both[1] = call_id.n > CALL_MAX;
    if (call_id.n > CALL_MAX) {
        oh__mac128(&shared->token_key, call_id, call);
        call_id = oh_span((const char *)call, sizeof call);
    }
    memcpy(both + 2, raw, n);
    if (call_id.n)
        memcpy(both + 2 + n, call_id.p, call_id.n);
    oh__mac128(&shared->token_key, oh_span((const char *)both, 2 + n + call_id.n), out);
}

size_t oh__token_make(const struct oh__shared *shared, const struct oh__token *token,
                      struct oh_span call_id, char out[OH__TOKEN_TEXT_MAX])
{
    struct writer w = {.n = 0};
    uint64_t seconds = token->expires / 1000;
    uint8_t mac[16];

    put_number(&w, VERSION, 1);
    put_number(&w, token->kind, 1);
    put_number(&w, token->flow.transport, 1);
    put_number(&w, token->flow.listener, 2);
    put_number(&w, seconds > EPOCH_2020 ? seconds - EPOCH_2020 : 0, 4);
    if (oh_transport_reliable(token->flow.transport))
        put_number(&w, token->flow.id, 8);
    put_addr(&w, &token->flow.peer);
    put_addr(&w, &token->flow.local);
    mac_of(shared, w.p, w.n, call_id, mac);
    put(&w, mac, MAC_BYTES);
    memcpy(out, PREFIX, sizeof PREFIX - 1);
    return sizeof PREFIX - 1 + oh__base32_put(out + sizeof PREFIX - 1, w.p, w.n);
}

struct reader {
    const uint8_t *p;
    size_t n;
    bool bad; /* sticky */
};

static uint64_t get_number(struct reader *r, size_t bytes)
{
    uint64_t v = 0;

    if (r->bad || r->n < bytes) {
        r->bad = true;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | *r->p++;
    r->n -= bytes;
    return v;
}

static void get_addr(struct reader *r, struct oh_addr *a)
{
    uint8_t family = (uint8_t)get_number(r, 1);
    size_t bytes = family == OH_FAMILY_IPV4 ? 4 : 16;

    if (family == OH_FAMILY_NONE)
        return;
    if ((family != OH_FAMILY_IPV4 && family != OH_FAMILY_IPV6) || r->bad || r->n < bytes) {
        r->bad = true;
        return;
    }
    a->family = family;
    memcpy(a->ip, r->p, bytes);
    r->p += bytes;
    r->n -= bytes;
    a->port = (uint16_t)get_number(r, 2);
}

int oh__token_read(const struct oh__shared *shared, struct oh_span text, struct oh_span call_id,
                   uint64_t wall, struct oh__token *out)
{
    struct oh__token token = {.kind = OH__TOKEN_NONE};
    uint8_t raw[RAW_MAX], mac[16];
    size_t prefix = sizeof PREFIX - 1;

    if (text.n <= prefix || text.n > OH__TOKEN_TEXT_MAX ||
        !oh_span_ieq(oh_span_head(text, prefix), oh_span(PREFIX, prefix)))
        return OH_E_SYNTAX;
    size_t n = oh__base32_get(oh_span_from(text, prefix), raw, sizeof raw);

    if (n <= MAC_BYTES || raw[0] != VERSION)
        return OH_E_SYNTAX;
    n -= MAC_BYTES;
    mac_of(shared, raw, n, call_id, mac);
    if (!oh__mac_equal(mac, raw + n, MAC_BYTES))
        return OH_E_DENIED;

    struct reader r = {raw + 1, n - 1, false};

    token.kind = (uint8_t)get_number(&r, 1);
    token.flow.transport = (uint8_t)get_number(&r, 1);
    token.flow.listener = (uint16_t)get_number(&r, 2);
    token.expires = (get_number(&r, 4) + EPOCH_2020) * 1000;
    if (oh_transport_reliable(token.flow.transport))
        token.flow.id = get_number(&r, 8);
    get_addr(&r, &token.flow.peer);
    get_addr(&r, &token.flow.local);
    if (r.bad || token.kind < OH__TOKEN_FLOW || token.kind > OH__TOKEN_URI)
        return OH_E_SYNTAX;
    if (token.expires < wall)
        return OH_E_TIMEOUT;
    *out = token;
    return OH_OK;
}
