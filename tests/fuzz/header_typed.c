/* What decoders that are not plain decode-and-write pairs owe: addresses, URIs, digest. */
#include "header_parts.h"

#include <offhook/address.h>
#include <offhook/digest.h>
#include <offhook/params.h>
#include <offhook/uri.h>

#include "base/hash.h"
#include "corpus_walk.h"

#define OUT_MAX 16384

void header_corpus(void (*each)(void *ctx, const char *name, struct oh_span bytes), void *ctx)
{
    MUST(corpus_walk("corpus/rfc4475/dat", ".dat", each, ctx) > 0);
    MUST(corpus_walk("corpus/rfc5118/dat", ".dat", each, ctx) > 0);
    MUST(corpus_walk("corpus/rfc-flows", ".sip", each, ctx) > 0);
}

/* ---- URIs ---- */

/* What was taken can be named, written and read back. */
static void one_uri(const struct oh_uri *u, struct oh_span text)
{
    static char user[OUT_MAX], written[OUT_MAX], key[OUT_MAX];
    struct oh_buf plain, out, aor;
    struct oh_span value;
    struct oh_uri again;

    MUST(oh_span_eq(u->text, text) && fuzz_inside(text, u->user) && fuzz_inside(text, u->host));
    MUST(fuzz_inside(text, u->params) && fuzz_inside(text, u->headers));
    MUST(oh_uri_equal(u, u));
    (void)oh_uri_param(u, OH_LIT("transport"), &value);
    oh_buf_init(&aor, key, sizeof key);
    oh_uri_aor(u, &aor);
    MUST(!aor.full);
    if (u->scheme != OH_SCHEME_SIP || !u->has_user)
        return;
    oh_buf_init(&plain, user, sizeof user);
    oh_uri_user_decode(u, &plain);
    MUST(!plain.full && plain.n <= u->user.n);
    oh_buf_init(&out, written, sizeof written);
    oh_buf_lit(&out, "sip:");
    oh_uri_put_user(&out, oh_buf_view(&plain));
    oh_buf_lit(&out, "@");
    oh_buf_span(&out, u->host);
    MUST(!out.full);
    if (plain.n == 0)
        return;
    MUST(oh_uri_parse(oh_buf_view(&out), &again, NULL) == OH_OK);
    oh_buf_init(&aor, key, sizeof key);
    oh_uri_user_decode(&again, &aor);
    MUST(oh_span_eq(oh_buf_view(&aor), oh_buf_view(&plain)));
}

/* Users by the key of their address; equal URIs have one key. */
static void two_uris(const struct oh_uri *a, const struct oh_uri *b)
{
    static char a_key[OUT_MAX], b_key[OUT_MAX];
    bool equal = oh_uri_equal(a, b);
    struct oh_buf ka, kb;

    MUST(oh_uri_equal(b, a) == equal);
    if (!equal || a->scheme != OH_SCHEME_SIP || a->port || b->port)
        return;
    oh_buf_init(&ka, a_key, sizeof a_key);
    oh_buf_init(&kb, b_key, sizeof b_key);
    oh_uri_aor(a, &ka);
    oh_uri_aor(b, &kb);
    MUST(oh_span_eq(oh_buf_view(&ka), oh_buf_view(&kb)));
}

static bool parse_uri(struct oh_span text, struct oh_uri *u)
{
    struct oh_fault fault = {0};
    int rc = oh_uri_parse(text, u, &fault);

    if (rc != OH_OK)
        MUST(rc == OH_E_SYNTAX && fault.code == rc && fault.why && fault.at <= text.n);
    else
        one_uri(u, text);
    return rc == OH_OK;
}

void header_uris(struct oh_span text)
{
    ptrdiff_t end = oh_span_find(text, '\n');
    struct oh_uri a, b;

    if (end < 0) {
        parse_uri(text, &a);
        return;
    }
    if (parse_uri(oh_span_head(text, (size_t)end), &a) &&
        parse_uri(oh_span_from(text, (size_t)end + 1), &b))
        two_uris(&a, &b);
}

/* ---- addresses ---- */

static void address(struct oh_span value)
{
    static char text[OUT_MAX], name[OUT_MAX];
    struct oh_address a, again;
    struct oh_contact_params c;
    struct oh_fault fault = {0};
    struct oh_buf out, plain;
    struct oh_span inside;
    struct oh_uri u;
    int rc = oh_address_decode(value, &a, &fault);

    if (rc != OH_OK) {
        MUST(fault.code == rc && fault.why && fault.at <= value.n);
        return;
    }
    MUST(fuzz_inside(value, a.uri) && fuzz_inside(value, a.params) &&
         fuzz_inside(value, oh_address_tag(&a)));
    if (oh_contact_params(&a, &c) == OH_OK)
        MUST(c.q <= 1000);
    if (a.star || !parse_uri(a.uri, &u))
        return;
    /* Written with its display name as plain text, it is the same address again. */
    inside = a.display;
    if (inside.n >= 2 && inside.p[0] == '"')
        inside = oh_span(inside.p + 1, inside.n - 2);
    oh_buf_init(&plain, name, sizeof name);
    oh_unquote(inside, &plain);
    oh_buf_init(&out, text, sizeof text);
    oh_address_put(&out, oh_buf_view(&plain), a.uri);
    MUST(!out.full && oh_address_decode(oh_buf_view(&out), &again, NULL) == OH_OK);
    MUST(oh_span_eq(again.uri, a.uri) && again.bracketed && again.params.n == 0);
}

/* ---- digest ---- */

/* A hash of the right size; what is tested is what is hashed, not the arithmetic. */
static int hash(void *ctx, enum oh_hash algorithm, const struct oh_span *parts, size_t n,
                uint8_t out[OH_HASH_BYTES_MAX])
{
    struct oh__hash_key key = {(uint64_t)algorithm, 0};
    uint64_t *calls = ctx;

    for (size_t i = 0; i < n; i++)
        key.k1 = key.k1 * UINT64_C(0x9e3779b97f4a7c15) + oh__hash(&key, parts[i]) + parts[i].n;
    for (size_t i = 0; i < OH_HASH_BYTES_MAX; i++)
        out[i] = (uint8_t)(key.k1 >> 8 * (i % 8));
    ++*calls;
    return OH_OK;
}

static void credentials(struct oh_span value)
{
    static char text[OUT_MAX], user_text[OUT_MAX], again_text[OUT_MAX];
    uint64_t calls = 0;
    struct oh_hasher hasher = {&calls, hash};
    char ha1[OH_HASH_HEX_MAX], response[OH_HASH_HEX_MAX], again_response[OH_HASH_HEX_MAX];
    struct oh_credentials c, again;
    struct oh_buf user, out, again_user;
    size_t n, size;
    int rc;

    if (oh_credentials_decode(value, &c, NULL) != OH_OK || !oh_span_ieq(c.scheme, OH_LIT("Digest")))
        return;
    oh_buf_init(&user, user_text, sizeof user_text);
    rc = oh_credentials_user(&c, &user);
    MUST(rc == OH_OK || (rc == OH_E_SYNTAX && c.username_star.p));
    if (rc != OH_OK)
        return;
    size = 2 * oh_hash_size(c.algorithm.hash);
    n = oh_digest_ha1(&hasher, c.algorithm.hash, oh_buf_view(&user), c.realm, OH_LIT("secret"),
                      ha1);
    MUST(n == size);
    n = oh_digest_response(&hasher, &c, oh_span(ha1, n), OH_LIT("INVITE"), value, response);
    MUST(n == 0 || n == size);
    MUST(n == 0 || oh_digest_equal(oh_span(response, n), oh_span(response, n)));
    MUST(!oh_digest_equal(oh_span(response, n), oh_span(response, n ? n - 1 : 0)));
    /* Written and read again it is the same proof of the same user. */
    oh_buf_init(&out, text, sizeof text);
    oh_credentials_put(&out, &c);
    MUST(!out.full && oh_credentials_decode(oh_buf_view(&out), &again, NULL) == OH_OK);
    /* A fold inside quotes is hashed as it came, and is a blank once written. */
    if (oh_span_find(value, '\n') >= 0 || oh_span_find(value, '\r') >= 0)
        return;
    oh_buf_init(&again_user, again_text, sizeof again_text);
    MUST(oh_credentials_user(&again, &again_user) == OH_OK);
    MUST(oh_span_eq(oh_buf_view(&user), oh_buf_view(&again_user)));
    MUST(oh_digest_response(&hasher, &again, oh_span(ha1, size), OH_LIT("INVITE"), value,
                            again_response) == n);
    MUST(memcmp(response, again_response, n) == 0);
}

void header_typed(enum oh_header_id id, struct oh_span value)
{
    switch (oh_header_info(id)->form) {
    case OH_FORM_ADDRESS:
    case OH_FORM_ADDRESSES: address(value); break;
    case OH_FORM_CREDENTIALS: credentials(value); break;
    default: break;
    }
}
