/*
 * The arithmetic of digest: which texts are hashed in which order.
 *
 * Every hash of RFC 7616 is a hash over texts joined by colons, so all of them
 * go through one list of parts that the hasher concatenates: nothing is copied
 * and no text has a length limit. "unq" (RFC 7616 3.3) removes the backslashes
 * of a quoted-string; it is done by leaving them out between two parts, which
 * bounds the number of escapes and not the length. Nobody escapes more than a
 * character or two; whoever sends more than fit fails to authenticate.
 */
#include <offhook/digest.h>

#define PARTS_MAX 48

struct parts {
    struct oh_span p[PARTS_MAX];
    size_t n;
    bool full; /* sticky: a part did not fit */
};

struct algorithm_row {
    const char *name;
    struct oh_algorithm algorithm;
};

/* RFC 7616 6.1: the registry's names, as far as RFC 8760 2.1 takes them into SIP. */
static const struct algorithm_row algorithms[] = {
    {"MD5", {OH_HASH_MD5, false}},
    {"MD5-sess", {OH_HASH_MD5, true}},
    {"SHA-256", {OH_HASH_SHA256, false}},
    {"SHA-256-sess", {OH_HASH_SHA256, true}},
    {"SHA-512-256", {OH_HASH_SHA512_256, false}},
    {"SHA-512-256-sess", {OH_HASH_SHA512_256, true}},
};

#define ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

size_t oh_hash_size(enum oh_hash h)
{
    switch (h) {
    case OH_HASH_MD5: return 16;
    case OH_HASH_SHA256: return 32;
    case OH_HASH_SHA512_256: return 32;
    default: return 0;
    }
}

struct oh_algorithm oh_algorithm_of(struct oh_span token)
{
    /* A challenge that names none means MD5 (RFC 7616 3.3). */
    if (token.n == 0)
        return algorithms[0].algorithm;
    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (oh_span_ieq(token, oh_span_str(algorithms[i].name)))
            return algorithms[i].algorithm;
    }
    return (struct oh_algorithm){OH_HASH_NONE, false};
}

struct oh_span oh_algorithm_text(struct oh_algorithm a)
{
    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (algorithms[i].algorithm.hash == a.hash && algorithms[i].algorithm.sess == a.sess)
            return oh_span_str(algorithms[i].name);
    }
    return oh_span(NULL, 0);
}

static void add(struct parts *t, struct oh_span s)
{
    if (s.n == 0)
        return;
    if (t->n == PARTS_MAX) {
        t->full = true;
        return;
    }
    t->p[t->n++] = s;
}

/* Joins with ":" everything but the first text. */
static void add_joined(struct parts *t, struct oh_span s)
{
    add(t, OH_LIT(":"));
    add(t, s);
}

/* ":" and the text without the backslashes that quote the byte behind them. */
static void add_unquoted(struct parts *t, struct oh_span s)
{
    size_t from = 0;

    add(t, OH_LIT(":"));
    for (size_t i = 0; i + 1 < s.n; i++) {
        if (s.p[i] != '\\')
            continue;
        add(t, oh_span(s.p + from, i - from));
        from = i + 1;
        i++;
    }
    add(t, oh_span_from(s, from));
}

/* Hashes the parts into hex digits; their number, 0 on failure. */
static size_t hash_hex(const struct oh_hasher *h, enum oh_hash algorithm, const struct parts *t,
                       char out[OH_HASH_HEX_MAX])
{
    uint8_t bytes[OH_HASH_BYTES_MAX];
    struct oh_buf hex;
    size_t size = oh_hash_size(algorithm);

    if (size == 0 || t->full || h->hash(h->ctx, algorithm, t->p, t->n, bytes) != OH_OK)
        return 0;
    oh_buf_init(&hex, out, OH_HASH_HEX_MAX);
    oh_buf_hex(&hex, bytes, size);
    return hex.full ? 0 : hex.n;
}

size_t oh_digest_ha1(const struct oh_hasher *h, enum oh_hash algorithm, struct oh_span user,
                     struct oh_span realm, struct oh_span password, char out[OH_HASH_HEX_MAX])
{
    struct parts t = {.n = 0};

    add(&t, user);
    add_joined(&t, realm);
    add_joined(&t, password);
    return hash_hex(h, algorithm, &t, out);
}

size_t oh_digest_userhash(const struct oh_hasher *h, enum oh_hash algorithm, struct oh_span user,
                          struct oh_span realm, char out[OH_HASH_HEX_MAX])
{
    struct parts t = {.n = 0};

    add(&t, user);
    add_joined(&t, realm);
    return hash_hex(h, algorithm, &t, out);
}

/* The HA1 of a session: H(HA1 ":" nonce ":" cnonce) (RFC 7616 3.4.2). */
static size_t session_key(const struct oh_hasher *h, const struct oh_credentials *c,
                          struct oh_span ha1, char out[OH_HASH_HEX_MAX])
{
    struct parts t = {.n = 0};

    if (!c->cnonce.p)
        return 0;
    add(&t, ha1);
    add_unquoted(&t, c->nonce);
    add_unquoted(&t, c->cnonce);
    return hash_hex(h, c->algorithm.hash, &t, out);
}

/* HA2 = H(method ":" uri [":" H(body)]) (RFC 7616 3.4.3). */
static size_t hash_a2(const struct oh_hasher *h, const struct oh_credentials *c,
                      struct oh_span method, struct oh_span body, char out[OH_HASH_HEX_MAX])
{
    struct parts t = {.n = 0};
    char body_hex[OH_HASH_HEX_MAX];

    add(&t, method);
    add_unquoted(&t, c->uri);
    if (c->qop == OH_QOP_AUTH_INT) {
        struct parts b = {.n = 0};
        size_t n;

        add(&b, body);
        n = hash_hex(h, c->algorithm.hash, &b, body_hex);
        if (n == 0)
            return 0;
        add_joined(&t, oh_span(body_hex, n));
    }
    return hash_hex(h, c->algorithm.hash, &t, out);
}

/* The count as it was sent, or 8 lower-case digits for credentials of our own. */
static struct oh_span nc_digits(const struct oh_credentials *c, char digits[8])
{
    uint8_t bytes[4];
    struct oh_buf b;

    if (c->nc_text.n)
        return c->nc_text;
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(c->nc >> (24 - 8 * i));
    oh_buf_init(&b, digits, 8);
    oh_buf_hex(&b, bytes, sizeof(bytes));
    return oh_buf_view(&b);
}

/* The option as it was sent, or its canonical spelling. */
static struct oh_span qop_word(const struct oh_credentials *c)
{
    if (c->qop_text.n)
        return c->qop_text;
    return c->qop == OH_QOP_AUTH ? OH_LIT("auth") : OH_LIT("auth-int");
}

/* Whether the parameters that enter the hash are there (RFC 7616 3.4.1). */
static bool qop_complete(const struct oh_credentials *c)
{
    if (c->qop == OH_QOP_NONE)
        return true;
    if (c->qop != OH_QOP_AUTH && c->qop != OH_QOP_AUTH_INT)
        return false;
    return c->has_nc && c->cnonce.p;
}

size_t oh_digest_response(const struct oh_hasher *h, const struct oh_credentials *c,
                          struct oh_span ha1_hex, struct oh_span method, struct oh_span body,
                          char out[OH_HASH_HEX_MAX])
{
    struct parts t = {.n = 0};
    char session[OH_HASH_HEX_MAX], a2[OH_HASH_HEX_MAX], nc[8];
    size_t a2_n;

    if (!qop_complete(c) || ha1_hex.n != 2 * oh_hash_size(c->algorithm.hash))
        return 0;
    if (c->algorithm.sess) {
        ha1_hex = oh_span(session, session_key(h, c, ha1_hex, session));
        if (ha1_hex.n == 0)
            return 0;
    }
    a2_n = hash_a2(h, c, method, body, a2);
    if (a2_n == 0)
        return 0;
    add(&t, ha1_hex);
    add_unquoted(&t, c->nonce);
    if (c->qop != OH_QOP_NONE) {
        add_joined(&t, nc_digits(c, nc));
        add_unquoted(&t, c->cnonce);
        add_joined(&t, qop_word(c));
    }
    add_joined(&t, oh_span(a2, a2_n));
    return hash_hex(h, c->algorithm.hash, &t, out);
}

size_t oh_digest_rspauth(const struct oh_hasher *h, const struct oh_credentials *c,
                         struct oh_span ha1_hex, struct oh_span body, char out[OH_HASH_HEX_MAX])
{
    return oh_digest_response(h, c, ha1_hex, oh_span(NULL, 0), body, out);
}

/* Lower case for letters only; compiles without a branch on the secret. */
static unsigned char fold(char c)
{
    unsigned char u = (unsigned char)c;

    return (unsigned char)(u | ((u >= 'A' && u <= 'Z') << 5));
}

bool oh_digest_equal(struct oh_span a, struct oh_span b)
{
    unsigned char differ = 0;

    /* Lengths are public: they follow from the algorithm. */
    if (a.n != b.n || a.n == 0)
        return false;
    for (size_t i = 0; i < a.n; i++)
        differ |= fold(a.p[i]) ^ fold(b.p[i]);
    return differ == 0;
}
