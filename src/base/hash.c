/*
 * SipHash (Aumasson and Bernstein), with 1 round per word and 3 at the end for
 * tables, where only flooding must be prevented, and 2-4 with 128 bits of
 * output where the result is a MAC. One loop serves all of them; the
 * parameters are constants at each call, so the compiler makes one copy each.
 */
#include "base/hash.h"

#include "base/word.h"

struct sip_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

/* n times SipRound, the only mixing there is. */
static inline void rounds(struct sip_state *s, int n)
{
    while (n-- > 0) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotl(s->v1, 13) ^ s->v0;
        s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 = rotl(s->v0, 32) + s->v3;
        s->v2 += s->v1;
        s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v1 = rotl(s->v1, 17) ^ s->v2;
        s->v2 = rotl(s->v2, 32);
    }
}

/* One word of input goes in on both sides of the rounds, so that it cannot be undone. */
static inline void absorb(struct sip_state *s, uint64_t word, int n)
{
    s->v3 ^= word;
    rounds(s, n);
    s->v0 ^= word;
}

/* The key against four constants, which are the text "somepseudorandomlygeneratedbytes". */
static inline struct sip_state start(const struct oh__hash_key *key)
{
    return (struct sip_state){
        key->k0 ^ UINT64_C(0x736f6d6570736575),
        key->k1 ^ UINT64_C(0x646f72616e646f6d),
        key->k0 ^ UINT64_C(0x6c7967656e657261),
        key->k1 ^ UINT64_C(0x7465646279746573),
    };
}

/* The last, partial word: the bytes that are left, and the length on top. */
static inline uint64_t tail_of(struct oh_span s)
{
    size_t left = s.n & 7;
    uint64_t length = (uint64_t)s.n << 56;
    uint64_t last = 0;

    if (left == 0)
        return length;
    /* A word that ends where the text does: bytes seen before are shifted out. */
    if (s.n > 8)
        return oh__load64le(s.p + s.n - 8) >> (64 - 8 * left) | length;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)(unsigned char)s.p[i] << 8 * i;
    return last | length;
}

/*
 * All input. Folding happens on the words: the length byte on top of the last
 * one must be kept out of it, as it may look like a letter.
 */
static inline void absorb_all(struct sip_state *s, struct oh_span in, int n, bool fold)
{
    uint64_t tail = tail_of(in);

    for (size_t i = 0; in.n - i >= 8; i += 8) {
        uint64_t word = oh__load64le(in.p + i);

        absorb(s, fold ? oh__fold64(word) : word, n);
    }
    if (fold)
        tail = (oh__fold64(tail) & ~(UINT64_C(0xff) << 56)) | (tail & UINT64_C(0xff) << 56);
    absorb(s, tail, n);
}

static inline uint64_t sum(const struct sip_state *s)
{
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline uint64_t hash13(const struct oh__hash_key *key, struct oh_span in, bool fold)
{
    struct sip_state s = start(key);

    absorb_all(&s, in, 1, fold);
    s.v2 ^= 0xff;
    rounds(&s, 3);
    return sum(&s);
}

uint64_t oh__hash(const struct oh__hash_key *key, struct oh_span s)
{
    return hash13(key, s, false);
}

uint64_t oh__hash_fold(const struct oh__hash_key *key, struct oh_span s)
{
    return hash13(key, s, true);
}

void oh__mac128(const struct oh__hash_key *key, struct oh_span s, uint8_t out[16])
{
    struct sip_state st = start(key);

    /* 0xee, and 0xdd below, keep the longer output apart from that of 64 bits. */
    st.v1 ^= 0xee;
    absorb_all(&st, s, 2, false);
    st.v2 ^= 0xee;
    rounds(&st, 4);
    oh__store64le(out, sum(&st));
    st.v1 ^= 0xdd;
    rounds(&st, 4);
    oh__store64le(out + 8, sum(&st));
}

bool oh__mac_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
    uint8_t differ = 0;

    for (size_t i = 0; i < n; i++)
        differ |= a[i] ^ b[i];
    return differ == 0;
}
