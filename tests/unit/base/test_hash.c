#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <offhook/buf.h>

#include "base/hash.h"
#include "exact.h"

/* The key of the reference vectors: the bytes 00 to 0f. */
static const struct oh__hash_key reference_key = {
    UINT64_C(0x0706050403020100),
    UINT64_C(0x0f0e0d0c0b0a0908),
};

/*
 * SipHash-2-4 with 128 bits of output of the inputs "", 00, 00 01, ... up to 63
 * bytes: the published vectors of its authors.
 */
static const char *const reference_mac[64] = {
    "a3817f04ba25a8e66df67214c7550293", "da87c1d86b99af44347659119b22fc45",
    "8177228da4a45dc7fca38bdef60affe4", "9c70b60c5267a94e5f33b6b02985ed51",
    "f88164c12d9c8faf7d0f6e7c7bcd5579", "1368875980776f8854527a07690e9627",
    "14eeca338b208613485ea0308fd7a15e", "a1f1ebbed8dbc153c0b84aa61ff08239",
    "3b62a9ba6258f5610f83e264f31497b4", "264499060ad9baabc47f8b02bb6d71ed",
    "00110dc378146956c95447d3f3d0fbba", "0151c568386b6677a2b4dc6f81e5dc18",
    "d626b266905ef35882634df68532c125", "9869e247e9c08b10d029934fc4b952f7",
    "31fcefac66d7de9c7ec7485fe4494902", "5493e99933b0a8117e08ec0f97cfc3d9",
    "6ee2a4ca67b054bbfd3315bf85230577", "473d06e8738db89854c066c47ae47740",
    "a426e5e423bf4885294da481feaef723", "78017731cf65fab074d5208952512eb1",
    "9e25fc833f2290733e9344a5e83839eb", "568e495abe525a218a2214cd3e071d12",
    "4a29b54552d16b9a469c10528eff0aae", "c9d184ddd5a9f5e0cf8ce29a9abf691c",
    "2db479ae78bd50d8882a8a178a6132ad", "8ece5f042d5e447b5051b9eacb8d8f6f",
    "9c0b53b4b3c307e87eaee08678141f66", "abf248af69a6eae4bfd3eb2f129eeb94",
    "0664da1668574b88b935f3027358aef4", "aa4b9dc4bf337de90cd4fd3c467c6ab7",
    "ea5c7f471faf6bde2b1ad7d4686d2287", "2939b0183223fafc1723de4f52c43d35",
    "7c3956ca5eeafc3e363e9d556546eb68", "77c6077146f01c32b6b69d5f4ea9ffcf",
    "37a6986cb8847edf0925f0f1309b54de", "a705f0e69da9a8f907241a2e923c8cc8",
    "3dc47d1f29c448461e9e76ed904f6711", "0d62bf01e6fc0e1a0d3c4751c5d3692b",
    "8c03468bca7c669ee4fd5e084bbee7b5", "528a5bb93baf2c9c4473cce5d0d22bd9",
    "df6a301e95c95dad97ae0cc8c6913bd8", "801189902c857f39e73591285e70b6db",
    "e617346ac9c231bb3650ae34ccca0c5b", "27d93437efb721aa401821dcec5adf89",
    "89237d9ded9c5e78d8b1c9b166cc7342", "4a6d8091bf5e7d651189fa94a250b14c",
    "0e33f96055e7ae893ffc0e3dcf492902", "e61c432b720b19d18ec8d84bdc63151b",
    "f7e5aef549f782cf379055a608269b16", "438d030fd0b7a54fa837f2ad201a6403",
    "a590d3ee4fbf04e3247e0d27f286423f", "5fe2c1a172fe93c4b15cd37caef9f538",
    "2c97325cbd06b36eb2133dd08b3a017c", "92c814227a6bca949ff0659f002ad39e",
    "dce850110bd8328cfbd50841d6911d87", "67f14984c7da791248e32bb5922583da",
    "1938f2cf72d54ee97e94166fa91d2a36", "74481e9646ed49fe0f6224301604698e",
    "57fca5de98a9d6d8006438d0583d8a1d", "9fecde1cefdc1cbed4763674d9575359",
    "e3040c00eb28f15366ca73cbd872e740", "7697009a6a831dfecca91c5993670f7a",
    "5853542321f567a005d547a4f04759bd", "5150d1772f50834a503e069a973fbd7c",
};

/*
 * SipHash after the text of its paper, byte by byte, with every parameter
 * free. It is checked against published vectors itself, and then says what
 * SipHash-1-3 must be.
 */
struct slow {
    uint64_t v[4];
};

static uint64_t slow_rotl(uint64_t x, unsigned by)
{
    for (; by > 0; by--)
        x = x * 2 + (x >> 63);
    return x;
}

static void slow_rounds(struct slow *s, int n)
{
    for (; n > 0; n--) {
        s->v[0] += s->v[1];
        s->v[1] = slow_rotl(s->v[1], 13);
        s->v[1] ^= s->v[0];
        s->v[0] = slow_rotl(s->v[0], 32);
        s->v[2] += s->v[3];
        s->v[3] = slow_rotl(s->v[3], 16);
        s->v[3] ^= s->v[2];
        s->v[0] += s->v[3];
        s->v[3] = slow_rotl(s->v[3], 21);
        s->v[3] ^= s->v[0];
        s->v[2] += s->v[1];
        s->v[1] = slow_rotl(s->v[1], 17);
        s->v[1] ^= s->v[2];
        s->v[2] = slow_rotl(s->v[2], 32);
    }
}

static uint64_t slow_siphash(struct oh__hash_key key, struct oh_span in, int c, int d)
{
    struct slow s = {{key.k0, key.k1, key.k0, key.k1}};
    static const char text[] = "somepseudorandomlygeneratedbytes";
    size_t words = in.n / 8 + 1;

    for (int i = 0; i < 4; i++) {
        uint64_t constant = 0;

        for (int b = 0; b < 8; b++)
            constant = constant << 8 | (unsigned char)text[8 * i + b];
        s.v[i] ^= constant;
    }
    for (size_t w = 0; w < words; w++) {
        uint64_t m = w + 1 == words ? (uint64_t)(in.n % 256) << 56 : 0;

        for (size_t b = 0; b < 8 && 8 * w + b < in.n; b++)
            m |= (uint64_t)(unsigned char)in.p[8 * w + b] << 8 * b;
        s.v[3] ^= m;
        slow_rounds(&s, c);
        s.v[0] ^= m;
    }
    s.v[2] ^= 0xff;
    slow_rounds(&s, d);
    return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

static void mac_is_the_published_one(void **state)
{
    char in[64];
    (void)state;

    for (size_t n = 0; n < 64; n++) {
        struct oh_span copy;
        uint8_t out[16];
        char hex[32];
        struct oh_buf b;

        in[n] = (char)n;
        copy = exact_copy(oh_span(in, n));
        oh__mac128(&reference_key, copy, out);
        exact_free(copy);
        oh_buf_init(&b, hex, sizeof(hex));
        oh_buf_hex(&b, out, sizeof(out));
        assert_true(oh_span_eq(oh_buf_view(&b), oh_span_str(reference_mac[n])));
    }
}

/* The slow one is right: the example of the paper's appendix A, and 1-3 of the empty text. */
static void slow_siphash_is_right(void **state)
{
    char in[15];
    (void)state;

    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (char)i;
    assert_true(slow_siphash(reference_key, oh_span(in, 15), 2, 4) == UINT64_C(0xa129ca6149be45e5));
    assert_true(slow_siphash(reference_key, OH_LIT(""), 1, 3) == UINT64_C(0xabac0158050fc4dc));
}

static void hash_is_siphash_1_3(void **state)
{
    struct oh__rng rng;
    uint8_t seed[32] = {3};
    char in[300];
    (void)state;

    oh__rng_init(&rng, seed);
    for (size_t n = 0; n <= sizeof(in); n++) {
        struct oh__hash_key key = {oh__rng_u64(&rng), oh__rng_u64(&rng)};
        struct oh_span copy;

        oh__rng_bytes(&rng, in, n);
        copy = exact_copy(oh_span(in, n));
        assert_true(oh__hash(&key, copy) == slow_siphash(key, copy, 1, 3));
        assert_true(oh__hash(&reference_key, copy) == slow_siphash(reference_key, copy, 1, 3));
        exact_free(copy);
    }
    assert_true(oh__hash(&reference_key, oh_span(NULL, 0)) == oh__hash(&reference_key, OH_LIT("")));
}

/* Hashing with folding is hashing what was folded before; 65 to 90 bytes look like letters. */
static void fold_is_hash_of_lower_case(void **state)
{
    struct oh__rng rng;
    uint8_t seed[32] = {4};
    char in[300], lower[300];
    (void)state;

    oh__rng_init(&rng, seed);
    for (size_t n = 0; n <= sizeof(in); n++) {
        oh__rng_bytes(&rng, in, n);
        for (size_t i = 0; i < n; i++)
            lower[i] = (char)(in[i] >= 'A' && in[i] <= 'Z' ? in[i] + 32 : in[i]);
        assert_true(oh__hash_fold(&reference_key, oh_span(in, n)) ==
                    oh__hash(&reference_key, oh_span(lower, n)));
    }
    assert_true(oh__hash_fold(&reference_key, OH_LIT("Call-ID")) ==
                oh__hash_fold(&reference_key, OH_LIT("call-id")));
    assert_true(oh__hash_fold(&reference_key, OH_LIT("Call-ID")) !=
                oh__hash_fold(&reference_key, OH_LIT("Call-IE")));
}

static void every_bit_counts(void **state)
{
    char in[24] = {0};
    uint64_t whole = oh__hash(&reference_key, oh_span(in, sizeof(in)));
    struct oh__hash_key other = reference_key;
    (void)state;

    for (size_t i = 0; i < sizeof(in) * 8; i++) {
        in[i / 8] ^= (char)(1 << i % 8);
        assert_true(oh__hash(&reference_key, oh_span(in, sizeof(in))) != whole);
        in[i / 8] ^= (char)(1 << i % 8);
    }
    other.k1 ^= 1;
    assert_true(oh__hash(&other, oh_span(in, sizeof(in))) != whole);
    /* Zeros at the end are not the same as nothing at the end. */
    assert_true(oh__hash(&reference_key, oh_span(in, 8)) !=
                oh__hash(&reference_key, oh_span(in, 9)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mac_is_the_published_one), cmocka_unit_test(slow_siphash_is_right),
        cmocka_unit_test(hash_is_siphash_1_3),      cmocka_unit_test(fold_is_hash_of_lower_case),
        cmocka_unit_test(every_bit_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
