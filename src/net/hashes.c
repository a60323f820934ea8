/*
 * Digest authentication on OpenSSL 3. Looking an algorithm up by name walks
 * the providers under a lock and costs as much as hashing a short string, so
 * each hasher fetches its algorithms once. It also keeps one context per
 * algorithm: starting it again with the digest that it already has reuses the
 * provider's state, so a hash makes no heap call.
 */
#include "net/system.h"

#include <offhook/alloc.h>

#include <openssl/evp.h>

struct engine {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
};

struct hasher {
    struct oh_hasher door; /* first: what users see */
    struct engine engines[OH_HASH_COUNT];
};

/* OpenSSL's names, in the order of enum oh_hash. */
static const char *const names[OH_HASH_COUNT] = {
    [OH_HASH_MD5] = "MD5",
    [OH_HASH_SHA256] = "SHA2-256",
    [OH_HASH_SHA512_256] = "SHA2-512/256",
};

static int hash(void *ctx, enum oh_hash algorithm, const struct oh_span *parts, size_t n,
                uint8_t out[OH_HASH_BYTES_MAX])
{
    struct hasher *h = ctx;
    struct engine *e;
    unsigned len = 0;

    if ((unsigned)algorithm >= OH_HASH_COUNT || !h->engines[algorithm].ctx)
        return OH_E_UNSUPPORTED;
    e = &h->engines[algorithm];
    if (EVP_DigestInit_ex2(e->ctx, e->md, NULL) != 1)
        return OH_E_UNSUPPORTED;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n && EVP_DigestUpdate(e->ctx, parts[i].p, parts[i].n) != 1)
            return OH_E_UNSUPPORTED;
    }
    return EVP_DigestFinal_ex(e->ctx, out, &len) == 1 ? OH_OK : OH_E_UNSUPPORTED;
}

/*
 * An algorithm that the installed providers do not offer (MD5 under FIPS)
 * stays without a context and is OH_E_UNSUPPORTED when somebody asks for it.
 */
static bool engine_init(struct engine *e, const char *name)
{
    e->md = EVP_MD_fetch(NULL, name, NULL);
    if (!e->md || EVP_MD_get_size(e->md) > OH_HASH_BYTES_MAX)
        return false;
    e->ctx = EVP_MD_CTX_new();
    return e->ctx != NULL;
}

struct oh_hasher *oh__hasher_new(void)
{
    struct hasher *h = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*h));
    unsigned works = 0;

    if (!h)
        return NULL;
    for (int i = OH_HASH_NONE + 1; i < OH_HASH_COUNT; i++)
        works += engine_init(&h->engines[i], names[i]);
    h->door.ctx = h;
    h->door.hash = hash;
    if (works == 0) {
        oh__hasher_free(&h->door);
        return NULL;
    }
    return &h->door;
}

void oh__hasher_free(struct oh_hasher *hasher)
{
    struct hasher *h;

    if (!hasher)
        return;
    h = hasher->ctx;
    for (int i = 0; i < OH_HASH_COUNT; i++) {
        EVP_MD_CTX_free(h->engines[i].ctx);
        EVP_MD_free(h->engines[i].md);
    }
    oh_free(oh_alloc_default(), h, sizeof(*h));
}
