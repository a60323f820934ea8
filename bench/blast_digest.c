/*
 * The answer to a challenge (RFC 7616 3.4.1), for REGISTER only. The algorithms are fetched once:
 * OpenSSL's look-up by name would cost more than the hashing.
 */
#include <openssl/evp.h>

#include "blast.h"

#define HEX_MAX 64 /* of a SHA-256 */

/* Appends the hash of a text as hexadecimal digits; false when OpenSSL refuses. */
static bool put_hash(struct text *out, const EVP_MD *md, const struct text *of)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (EVP_Digest(of->p, of->n, bytes, &n, md, NULL) != 1)
        return false;
    for (unsigned i = 0; i < n; i++) {
        text_put(out, &"0123456789abcdef"[bytes[i] >> 4], 1);
        text_put(out, &"0123456789abcdef"[bytes[i] & 15], 1);
    }
    return true;
}

/* An algorithm of the two that servers offer. */
static const EVP_MD *algorithm(bool sha256)
{
    static EVP_MD *known[2];

    if (!known[sha256])
        known[sha256] = EVP_MD_fetch(NULL, sha256 ? "SHA2-256" : "MD5", NULL);
    return known[sha256];
}

/* H(A1), of the user's password, which is "pw" and the name. */
static bool put_ha1(struct text *out, const EVP_MD *md, uint32_t user, struct span realm)
{
    char room[256];
    struct text t = {.p = room, .size = sizeof room};

    text_user(&t, user);
    TEXT(&t, ":");
    text_put(&t, realm.p, realm.n);
    TEXT(&t, ":pw");
    text_user(&t, user);
    return !t.cut && put_hash(out, md, &t);
}

/* H(A2) of a REGISTER. */
static bool put_ha2(struct text *out, const EVP_MD *md, const char *uri)
{
    char room[256];
    struct text t = {.p = room, .size = sizeof room};

    TEXT(&t, "REGISTER:");
    text_str(&t, uri);
    return !t.cut && put_hash(out, md, &t);
}

/* The response of RFC 7616 3.4.1, with qop or as RFC 2069 without. */
static bool put_response(struct text *out, const EVP_MD *md, struct span challenge, uint32_t user,
                         const char *uri)
{
    struct span nonce = span_param(challenge, "nonce=");
    char room[HEX_MAX * 2 + 512];
    struct text t = {.p = room, .size = sizeof room};

    if (!put_ha1(&t, md, user, span_param(challenge, "realm=")))
        return false;
    TEXT(&t, ":");
    text_put(&t, nonce.p, nonce.n);
    if (span_find(challenge, "qop="))
        TEXT(&t, ":00000001:c0ffee:auth");
    TEXT(&t, ":");
    return put_ha2(&t, md, uri) && !t.cut && put_hash(out, md, &t);
}

bool digest_put(struct text *t, struct span challenge, uint32_t user, const char *uri)
{
    bool sha256 = span_find(challenge, "SHA-256") != NULL;
    struct span realm = span_param(challenge, "realm=");
    struct span nonce = span_param(challenge, "nonce=");
    struct span opaque = span_param(challenge, "opaque=");
    const EVP_MD *md = algorithm(sha256);

    if (!md || !nonce.n)
        return false;
    TEXT(t, "Authorization: Digest username=\"");
    text_user(t, user);
    TEXT(t, "\", realm=\"");
    text_put(t, realm.p, realm.n);
    TEXT(t, "\", nonce=\"");
    text_put(t, nonce.p, nonce.n);
    TEXT(t, "\", uri=\"");
    text_str(t, uri);
    TEXT(t, "\", response=\"");
    if (!put_response(t, md, challenge, user, uri))
        return false;
    TEXT(t, "\", algorithm=");
    text_str(t, sha256 ? "SHA-256" : "MD5");
    if (span_find(challenge, "qop="))
        TEXT(t, ", qop=auth, nc=00000001, cnonce=\"c0ffee\"");
    if (opaque.n) {
        TEXT(t, ", opaque=\"");
        text_put(t, opaque.p, opaque.n);
        TEXT(t, "\"");
    }
    TEXT(t, "\r\n");
    return !t->cut;
}
