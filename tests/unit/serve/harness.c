/* The shard of the tests; see the header. */
#include "harness.h"

#include <stdio.h>

#include <offhook/digest.h>

#include "store/store.h"

#define TEXT_MAX 65536

static void *must(void *p)
{
    assert_non_null(p);
    return p;
}

/*
 * A hash for tests that do not link a library of real ones: SipHash keyed by
 * the algorithm. The arithmetic of digest is tested against published vectors
 * elsewhere; here only equality counts.
 */
static int fake_hash(void *ctx, enum oh_hash algorithm, const struct oh_span *parts, size_t n,
                     uint8_t out[OH_HASH_BYTES_MAX])
{
    static char text[TEXT_MAX];
    struct oh__hash_key key = {(uint64_t)algorithm, 0};
    struct oh_buf b;

    assert_null(ctx);
    oh_buf_init(&b, text, sizeof(text));
    for (size_t i = 0; i < n; i++)
        oh_buf_span(&b, parts[i]);
    assert_false(b.full);
    oh__mac128(&key, oh_buf_view(&b), out);
    key.k1 = 1;
    if (oh_hash_size(algorithm) > 16)
        oh__mac128(&key, oh_buf_view(&b), out + 16);
    return OH_OK;
}

static void put_name(char *field, const char *text)
{
    assert_true(strlen(text) < OH__NAME_MAX);
    memcpy(field, text, strlen(text) + 1);
}

void harness_init(struct harness *h)
{
    struct oh__settings *settings;

    memset(h, 0, sizeof(*h));
    test_heap_init(&h->heap);
    settings = h->settings = must(calloc(1, sizeof(*settings)));
    oh__settings_default(settings);
    settings->listeners_n = 2;
    for (unsigned i = 0; i < 2; i++) {
        memset(&settings->listeners[i], 0, sizeof(settings->listeners[i]));
        settings->listeners[i].transport = i ? OH_TRANSPORT_TCP : OH_TRANSPORT_UDP;
        settings->listeners[i].addr = harness_addr("192.0.2.1:5060");
    }
    settings->any_domain = false;
    settings->domains_n = 1;
    memset(&settings->domains[0], 0, sizeof(settings->domains[0]));
    put_name(settings->domains[0].name, "example.test");
    settings->domains[0].digest[0] = OH_HASH_MD5;
    put_name(settings->default_domain, "example.test");
    h->flow = harness_flow(OH_TRANSPORT_UDP, "192.0.2.10:5060", 0);
    h->transactions_max = h->completed_max = 64;
    h->hasher = (struct oh_hasher){NULL, fake_hash};
    h->env.now = 1000 * HARNESS_SECOND;
    h->env.wall = UINT64_C(1800000000000);
    h->env.settings = settings;
    h->env.hasher = &h->hasher;
}

void harness_start(struct harness *h)
{
    const struct oh_alloc *alloc = &h->heap.alloc;
    static const uint8_t key[16] = "0123456789abcdef";
    struct oh__serve_options options = {.alloc = alloc,
                                        .shared = &h->shared,
                                        .shards = 1,
                                        .transactions_max = h->transactions_max,
                                        .completed_max = h->completed_max,
                                        .settings = h->settings};

    h->shared.accounts = must(oh__accounts_new(alloc, key));
    h->shared.location = must(oh__location_new(alloc, key, h->settings->bindings_max));
    h->shared.nonces = must(oh__nonces_new(alloc, key, HARNESS_NONCES));
    h->shared.guard = must(oh__guard_new(alloc, key, 1024));
    h->shared.decisions = must(oh__decisions_new(alloc, 64));
    memcpy(h->shared.secret, key, sizeof(h->shared.secret));
    h->shared.token_key = (struct oh__hash_key){1, 2};
    assert_int_equal(oh__serve_new(&options, h->env.now, &h->s), OH_OK);
}

void harness_done(struct harness *h)
{
    harness_clear(h);
    if (h->s)
        oh__serve_check(h->s);
    oh__serve_free(h->s);
    oh__decisions_free(h->shared.decisions);
    oh__guard_free(h->shared.guard);
    oh__nonces_free(h->shared.nonces);
    oh__location_free(h->shared.location);
    oh__accounts_free(h->shared.accounts);
    free(h->settings);
    assert_int_equal(h->heap.blocks, 0);
    assert_int_equal(h->heap.bytes, 0);
}

void harness_account_full(struct harness *h, const struct harness_account *a)
{
    struct oh__account_row row = {.user = oh_span_str(a->user),
                                  .domain = oh_span_str(a->domain),
                                  .auth_name = oh_span_str(a->auth_name ? a->auth_name : a->user),
                                  .realm = oh_span_str(a->realm ? a->realm : a->domain),
                                  .name = OH_LIT(""),
                                  .gone_at = a->gone_at,
                                  .flags = a->flags};
    char ha1[3][OH_HASH_HEX_MAX], userhash[3][OH_HASH_HEX_MAX];

    for (unsigned i = 0; i < 3; i++) {
        enum oh_hash hash = (enum oh_hash)(i + 1);

        if (!(a->hashes & 1u << hash))
            continue;
        row.ha1[i] = oh_span(ha1[i], oh_digest_ha1(&h->hasher, hash, row.auth_name, row.realm,
                                                   oh_span_str(a->password), ha1[i]));
        row.userhash[i] = oh_span(userhash[i], oh_digest_userhash(&h->hasher, hash, row.auth_name,
                                                                  row.realm, userhash[i]));
    }
    assert_int_equal(oh__accounts_put(h->shared.accounts, &row), OH_OK);
}

void harness_account(struct harness *h, const char *user, const char *password, uint32_t flags)
{
    harness_account_full(h, &(struct harness_account){.user = user,
                                                      .domain = "example.test",
                                                      .password = password,
                                                      .hashes = ~0u,
                                                      .flags = flags});
}

struct oh_addr harness_addr(const char *text)
{
    struct oh_addr a;

    assert_int_equal(oh_addr_parse_port(oh_span_str(text), &a), OH_OK);
    return a;
}

struct oh_flow harness_flow(enum oh_transport transport, const char *peer, uint64_t id)
{
    return (struct oh_flow){.id = id,
                            .local = harness_addr("192.0.2.1:5060"),
                            .peer = harness_addr(peer),
                            .listener = transport == OH_TRANSPORT_UDP ? 0 : 1,
                            .transport = (uint8_t)transport};
}

void harness_collect(struct harness *h)
{
    struct oh__serve_output out;

    while (oh__serve_take(h->s, &out)) {
        if (out.kind == OH__SERVE_SEND) {
            struct harness_send *send = &h->sends[h->sends_n];

            assert_true(h->sends_n++ < HARNESS_SENDS);
            *send = (struct harness_send){out.flow, out.durable, out.ticket, NULL, out.bytes.n};
            send->bytes = must(malloc(out.bytes.n));
            memcpy(send->bytes, out.bytes.p, out.bytes.n);
        } else if (out.kind == OH__SERVE_KEEP) {
            assert_true(h->keeps_n < HARNESS_OTHERS);
            h->keeps[h->keeps_n++] = out.flow;
        } else {
            struct harness_resolve *r = &h->resolves[h->resolves_n];

            assert_true(h->resolves_n++ < HARNESS_OTHERS && out.host.n < sizeof(r->host));
            r->ticket = out.ticket;
            memcpy(r->host, out.host.p, out.host.n);
            r->host[out.host.n] = 0;
        }
    }
}

int harness_bytes(struct harness *h, const struct oh_flow *flow, struct oh_span bytes)
{
    enum oh_msg_mode mode = oh_transport_reliable(flow->transport) ? OH_MSG_STREAM
                                                                   : OH_MSG_DATAGRAM;
    /* A copy of the exact size, so that a read beyond the end is found out. */
    char *copy = must(malloc(bytes.n));
    struct oh_fault fault = {0};
    size_t used;
    int result;

    memcpy(copy, bytes.p, bytes.n);
    result = oh_msg_parse(oh_span(copy, bytes.n), mode, &h->settings->limits, &h->in, &used,
                          &fault);
    result = oh__serve_input(h->s, &h->env, flow, &h->in, result, &fault);
    harness_collect(h);
    free(copy);
    return result;
}

int harness_input(struct harness *h, const char *format, ...)
{
    static char plain[TEXT_MAX / 2], text[TEXT_MAX];
    struct oh_buf b;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(plain, sizeof(plain), format, args);
    va_end(args);
    assert_true(n > 0 && (size_t)n < sizeof(plain));
    oh_buf_init(&b, text, sizeof(text));
    for (int i = 0; i < n; i++) {
        if (plain[i] == '\n')
            oh_buf_char(&b, '\r');
        oh_buf_char(&b, plain[i]);
    }
    return harness_bytes(h, &h->flow, oh_buf_view(&b));
}

void harness_advance(struct harness *h, uint64_t ns)
{
    uint64_t end = h->env.now + ns, start = h->env.now, wall = h->env.wall;

    for (;;) {
        uint64_t next = oh__serve_deadline(h->s);

        h->env.now = next < end ? (next > h->env.now ? next : h->env.now) : end;
        h->env.wall = wall + (h->env.now - start) / 1000000;
        unsigned ran = oh__serve_expire(h->s, &h->env, 1000);

        harness_collect(h);
        if (h->env.now == end && ran == 0)
            return;
    }
}

void harness_answer(struct harness *h, uint64_t ticket, int result, const struct oh_addr *addrs,
                    unsigned n)
{
    struct oh__serve_answer answer = {ticket, result, n, addrs};

    oh__serve_answer(h->s, &h->env, &answer);
    harness_collect(h);
}

void harness_clear(struct harness *h)
{
    for (unsigned i = 0; i < h->sends_n; i++)
        free(h->sends[i].bytes);
    h->sends_n = h->resolves_n = h->keeps_n = 0;
}

const struct oh_msg *harness_message(struct harness *h, unsigned i)
{
    struct oh_fault fault = {0};
    size_t used;

    assert_true(i < h->sends_n);
    struct oh_span bytes = oh_span(h->sends[i].bytes, h->sends[i].n);

    if (oh_msg_parse(bytes, OH_MSG_STREAM, &h->settings->limits, &h->last, &used, &fault) !=
            OH_OK ||
        oh_msg_check(&h->last, &fault) != OH_OK)
        fail_msg("sent a bad message (%s): %.*s", fault.why ? fault.why : "?", OH_PRI(bytes));
    assert_int_equal(used, bytes.n);
    return &h->last;
}

const struct oh_msg *harness_last(struct harness *h)
{
    assert_true(h->sends_n > 0);
    return harness_message(h, h->sends_n - 1);
}

unsigned harness_code(struct harness *h)
{
    return h->sends_n ? harness_last(h)->status : 0;
}

struct oh_span harness_value(struct harness *h, enum oh_header_id id)
{
    return oh_msg_value(harness_last(h), id);
}

unsigned harness_rows(struct harness *h, enum oh_header_id id)
{
    const struct oh_msg *m = harness_last(h);
    unsigned n = 0;

    for (const struct oh_row *r = oh_msg_row(m, id); r; r = oh_msg_row_next(m, r))
        n++;
    return n;
}

bool harness_has(struct harness *h, const char *text)
{
    struct oh_span all = harness_last(h)->raw;
    size_t n = strlen(text);

    for (size_t i = 0; i + n <= all.n; i++) {
        if (memcmp(all.p + i, text, n) == 0)
            return true;
    }
    return false;
}

/* The challenge of the last message that is to be answered. */
static void read_challenge(struct harness *h, unsigned which, struct oh_challenge *out, bool *proxy)
{
    const struct oh_msg *m = harness_last(h);
    const struct oh_row *row;

    *proxy = m->status == 407;
    row = oh_msg_row(m, *proxy ? OH_HEADER_PROXY_AUTHENTICATE : OH_HEADER_WWW_AUTHENTICATE);
    for (unsigned i = 0; i < which && row; i++)
        row = oh_msg_row_next(m, row);
    assert_non_null(row);
    assert_int_equal(oh_challenge_decode(oh_row_value(m, row), out, NULL), OH_OK);
}

static struct oh_span text_or(const char *text, struct oh_span other)
{
    return text ? oh_span_str(text) : other;
}

const char *harness_authorize(struct harness *h, const struct harness_digest *d, char *out,
                              size_t cap)
{
    struct oh_challenge challenge;
    struct oh_credentials c = {0};
    char ha1[OH_HASH_HEX_MAX], response[OH_HASH_HEX_MAX];
    struct oh_buf b;
    size_t n;
    bool proxy;

    read_challenge(h, d->challenge, &challenge, &proxy);
    c.username = oh_span_str(d->user);
    c.realm = text_or(d->realm, challenge.realm);
    c.nonce = text_or(d->nonce, challenge.nonce);
    c.uri = oh_span_str(d->uri);
    c.algorithm = d->algorithm ? oh_algorithm_of(oh_span_str(d->algorithm)) : challenge.algorithm;
    if (!d->no_qop) {
        c.qop = d->auth_int ? OH_QOP_AUTH_INT : OH_QOP_AUTH;
        c.qop_text = d->auth_int ? OH_LIT("auth-int") : OH_LIT("auth");
        c.cnonce = OH_LIT("0a4f113b");
        c.nc = d->nc ? d->nc : 1;
        c.has_nc = true;
    }
    n = oh_digest_ha1(&h->hasher, c.algorithm.hash, c.username, c.realm, oh_span_str(d->password),
                      ha1);
    n = oh_digest_response(&h->hasher, &c, oh_span(ha1, n), oh_span_str(d->method),
                           oh_span_str(d->body), response);
    assert_true(n > 0);
    c.response = oh_span(response, n);
    oh_buf_init(&b, out, cap);
    oh_buf_span(&b, proxy ? OH_LIT("Proxy-Authorization: ") : OH_LIT("Authorization: "));
    oh_credentials_put(&b, &c);
    oh_buf_put(&b, "\n", 2);
    assert_false(b.full);
    return out;
}

bool harness_decision(struct harness *h, struct oh__decision *out)
{
    return oh__decisions_before(h->shared.decisions, 0, out) == OH_OK;
}
