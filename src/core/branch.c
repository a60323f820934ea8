/*
 * A branch of ours is not a name to be looked up but a message to ourselves:
 * shard and handle lead a response to its transaction without a table, the
 * loop hash tells a proxy whether a request that came back was changed on its
 * way (RFC 5393 4), 48 random bits keep branches apart when the process
 * restarts with the same secret (RFC 3261 8.1.1.7), and a MAC over it all lets
 * strangers write nothing that we would believe.
 *
 *   z9hG4bK base32(shard 1 | handle 8 | loop 8 | nonce 6 | MAC 8)
 *
 * Base 32 in lower case: a token is compared without case, so a peer may
 * change it, and then it still can be read.
 */
#include "core/internal.h"

#include "base/base32.h"
#include "base/word.h"

#define COOKIE    "z9hG4bK"
#define COOKIE_N  7
#define PLAIN_N   23 /* bytes before the MAC */
#define MAC_N     8
#define SEALED_N  (PLAIN_N + MAC_N)
#define DIGITS_N  OH__BASE32_SIZE(SEALED_N)
#define NONCE_MAX ((UINT64_C(1) << 48) - 1)

_Static_assert(COOKIE_N + DIGITS_N <= OH_BRANCH_MAX, "a branch has room");
_Static_assert(MAC_N == sizeof(uint64_t), "the MAC is compared as one word");

struct oh__hash_key oh__key_of_bytes(const uint8_t bytes[16])
{
    return (struct oh__hash_key){oh__load64le(bytes), oh__load64le(bytes + 8)};
}

/* The MAC of the plain part; its first byte keeps it apart from the other uses of the secret. */
static void seal(const struct oh__hash_key *secret, const uint8_t plain[PLAIN_N], uint8_t out[16])
{
    char text[1 + PLAIN_N];

    text[0] = 'b';
    memcpy(text + 1, plain, PLAIN_N);
    oh__mac128(secret, oh_span(text, sizeof(text)), out);
}

size_t oh__branch_put(const struct oh__hash_key *secret, const struct oh__branch *b,
                      char out[OH_BRANCH_MAX])
{
    uint8_t sealed[PLAIN_N + 16], nonce[8];

    assert(b->nonce <= NONCE_MAX);
    sealed[0] = b->shard;
    oh__store64le(sealed + 1, b->handle);
    oh__store64le(sealed + 9, b->loop);
    oh__store64le(nonce, b->nonce);
    memcpy(sealed + 17, nonce, 6);
    seal(secret, sealed, sealed + PLAIN_N);
    memcpy(out, COOKIE, COOKIE_N);
    return COOKIE_N + oh__base32_put(out + COOKIE_N, sealed, SEALED_N);
}

bool oh__branch_get(const struct oh__hash_key *secret, struct oh_span text, struct oh__branch *out)
{
    uint8_t sealed[SEALED_N], mac[16], nonce[8] = {0};

    if (!oh_span_ieq(oh_span_head(text, COOKIE_N), OH_LIT(COOKIE)) ||
        oh__base32_get(oh_span_from(text, COOKIE_N), sealed, SEALED_N) != SEALED_N)
        return false;
    seal(secret, sealed, mac);
    /* As one word: a comparison that ends early would tell how much of a guess was right. */
    if (oh__load64(mac) != oh__load64(sealed + PLAIN_N))
        return false;
    memcpy(nonce, sealed + 17, 6);
    *out = (struct oh__branch){
        .shard = sealed[0],
        .handle = oh__load64le(sealed + 1),
        .loop = oh__load64le(sealed + 9),
        .nonce = oh__load64le(nonce),
    };
    return true;
}

int oh_branch_hint(struct oh_span branch)
{
    uint8_t first[5];

    if (branch.n != COOKIE_N + DIGITS_N ||
        oh__base32_get(oh_span(branch.p + COOKIE_N, 8), first, sizeof(first)) != sizeof(first))
        return -1;
    return first[0];
}

int oh_branch_shard(const uint8_t secret[16], struct oh_span branch)
{
    struct oh__hash_key key = oh__key_of_bytes(secret);
    struct oh__branch b;

    return oh__branch_get(&key, branch, &b) ? b.shard : -1;
}

bool oh_branch_loop(const uint8_t secret[16], struct oh_span branch, uint64_t *loop)
{
    struct oh__hash_key key = oh__key_of_bytes(secret);
    struct oh__branch b;

    if (!oh__branch_get(&key, branch, &b))
        return false;
    *loop = b.loop;
    return true;
}

unsigned oh_call_shard(const uint8_t secret[16], struct oh_span call_id, unsigned shards)
{
    struct oh__hash_key key = oh__key_of_bytes(secret);

    return (unsigned)(oh__hash(&key, call_id) % shards);
}
