/*
 * Digest for many users. What a user was asked for last is kept, and the nonce
 * is used again with the next count (RFC 7616 3.4), as a good phone does: so a
 * second REGISTER takes one round trip and not two.
 */
#include "cmd/load.h"

#define REALM_MAX  96
#define NONCE_MAX  192
#define OPAQUE_MAX 96
#define PLAIN_MAX  512

struct oh__load_login {
    struct oh_algorithm algorithm;
    uint8_t qop;   /* OH_QOP_AUTH or OH_QOP_NONE */
    uint8_t proxy; /* 407: Proxy-Authorization */
    uint8_t home;  /* the challenge was for REGISTER, else for requests to others */
    uint8_t ha1_n, realm_n, nonce_n, opaque_n;
    bool has_opaque;
    uint32_t nc; /* the count that was used last */
    char ha1[OH_HASH_HEX_MAX];
    char realm[REALM_MAX], nonce[NONCE_MAX], opaque[OPAQUE_MAX];
};

struct oh__load_login *oh__load_logins_new(uint32_t n)
{
    /* Not cleared: a login is made when its user is challenged, and most of a million never are. */
    return oh_alloc(oh_alloc_default(), n * sizeof(struct oh__load_login));
}

void oh__load_logins_free(struct oh__load_login *logins, uint32_t n)
{
    oh_free(oh_alloc_default(), logins, n * sizeof(struct oh__load_login));
}

/* Whether a challenge is Digest of an algorithm and qop that we have; auth-int alone is not. */
static bool can_answer(const struct oh_challenge *c)
{
    return oh_span_ieq(c->scheme, OH_LIT("Digest")) && c->algorithm.hash != OH_HASH_NONE &&
           (c->qop == OH_QOP_NONE || (c->qop & OH_QOP_AUTH));
}

/* The topmost challenge that we can answer (RFC 8760 2.4). */
static bool choose(const struct oh_msg *m, enum oh_header_id id, struct oh_challenge *out)
{
    const struct oh_row *row = oh_msg_row(m, id);

    for (; row; row = oh_msg_row_next(m, row))
        if (oh_challenge_decode(oh_row_value(m, row), out, NULL) == OH_OK && can_answer(out))
            return true;
    return false;
}

/* The inside of quotes as plain text; false when it is too long. */
static bool plain(struct oh_span inside, char out[PLAIN_MAX], struct oh_span *text)
{
    struct oh_buf b;

    oh_buf_init(&b, out, PLAIN_MAX);
    oh_unquote(inside, &b);
    *text = oh_buf_view(&b);
    return !b.full;
}

/* Hashes name, realm and password once per challenge, so that a request costs two hashes only. */
static int make_ha1(const struct oh_hasher *h, const struct oh__load_user *u,
                    const struct oh_challenge *c, struct oh__load_login *l)
{
    char name_room[PLAIN_MAX], realm_room[PLAIN_MAX];
    struct oh_span name, realm;

    if (!plain(u->auth_name, name_room, &name) || !plain(c->realm, realm_room, &realm))
        return OH_E_LIMIT;
    l->ha1_n = (uint8_t)oh_digest_ha1(h, (enum oh_hash)c->algorithm.hash, name, realm, u->password,
                                      l->ha1);
    return l->ha1_n ? OH_OK : OH_E_UNSUPPORTED;
}

int oh__load_login_learn(struct oh__load_worker *w, uint32_t user, const struct oh_msg *m,
                         enum oh_method method, bool answered)
{
    struct oh__load_user *u = &w->run->users->list[user];
    bool proxy = m->status == 407;
    struct oh_challenge c;
    struct oh__load_login *l;
    int rc;

    if (!u->password.n ||
        !choose(m, proxy ? OH_HEADER_PROXY_AUTHENTICATE : OH_HEADER_WWW_AUTHENTICATE, &c))
        return OH_E_ABSENT;
    if (c.realm.n > REALM_MAX || c.nonce.n > NONCE_MAX || c.opaque.n > OPAQUE_MAX)
        return OH_E_LIMIT;
    /* A fresh nonce was answered, and still not "stale": the password is wrong (RFC 3261 22.2). */
    if (answered && !c.stale)
        return OH_E_DENIED;
    l = &w->run->users->logins[user];
    rc = make_ha1(w->hasher, u, &c, l);
    if (rc != OH_OK)
        return rc;
    l->algorithm = c.algorithm;
    l->qop = c.qop & OH_QOP_AUTH ? OH_QOP_AUTH : OH_QOP_NONE;
    l->proxy = proxy;
    l->home = method == OH_METHOD_REGISTER;
    l->nc = 0;
    l->realm_n = (uint8_t)c.realm.n;
    l->nonce_n = (uint8_t)c.nonce.n;
    l->opaque_n = (uint8_t)c.opaque.n;
    l->has_opaque = c.opaque.p != NULL;
    memcpy(l->realm, c.realm.p, c.realm.n);
    memcpy(l->nonce, c.nonce.p, c.nonce.n);
    if (c.opaque.n)
        memcpy(l->opaque, c.opaque.p, c.opaque.n);
    u->known = true;
    return OH_OK;
}

void oh__load_login_put(struct oh__load_worker *w, uint32_t user, enum oh_method method,
                        struct oh_span uri, struct oh_buf *out)
{
    const struct oh__load_user *u = &w->run->users->list[user];
    struct oh__load_login *l = u->known ? &w->run->users->logins[user] : NULL;
    char response[OH_HASH_HEX_MAX];
    struct oh_credentials c = {0};
    size_t n;

    /* What a registrar asks for says nothing about calls, and the other way round. */
    if (!l || l->home != (method == OH_METHOD_REGISTER))
        return;
    c.username = u->auth_name;
    c.realm = oh_span(l->realm, l->realm_n);
    c.nonce = oh_span(l->nonce, l->nonce_n);
    c.uri = uri;
    c.algorithm = l->algorithm;
    c.algorithm_text = oh_algorithm_text(l->algorithm);
    if (l->has_opaque)
        c.opaque = oh_span(l->opaque, l->opaque_n);
    c.qop = l->qop;
    if (l->qop != OH_QOP_NONE) {
        c.nc = ++l->nc;
        c.has_nc = true;
    }
    if (l->qop != OH_QOP_NONE || l->algorithm.sess)
        c.cnonce = oh_span_str(w->cnonce);
    n = oh_digest_response(w->hasher, &c, oh_span(l->ha1, l->ha1_n), oh_method_text(method),
                           oh_span(NULL, 0), response);
    c.response = oh_span(response, n);
    oh_buf_span(out, l->proxy ? OH_LIT("Proxy-Authorization: ") : OH_LIT("Authorization: "));
    oh_credentials_put(out, &c);
    oh_buf_lit(out, "\r\n");
}
