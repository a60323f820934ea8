/* Digest: the published and computed vectors, and the three rows with their quoting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <openssl/evp.h>
#include <cmocka.h>

#include <offhook/digest.h>

#include "exact.h"

/* The hasher of these tests, out of OpenSSL; ctx counts the calls that are still allowed. */
static int evp_hash(void *ctx, enum oh_hash algorithm, const struct oh_span *parts, size_t n,
                    uint8_t out[OH_HASH_BYTES_MAX])
{
    const EVP_MD *md = algorithm == OH_HASH_MD5      ? EVP_md5()
                       : algorithm == OH_HASH_SHA256 ? EVP_sha256()
                                                     : EVP_sha512_256();
    EVP_MD_CTX *c;
    int *left = ctx;

    if (left && (*left)-- == 0)
        return OH_E_UNSUPPORTED;
    c = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestInit_ex(c, md, NULL), 1);
    for (size_t i = 0; i < n; i++)
        EVP_DigestUpdate(c, parts[i].p, parts[i].n);
    EVP_DigestFinal_ex(c, out, NULL);
    EVP_MD_CTX_free(c);
    return OH_OK;
}

static const struct oh_hasher hasher = {NULL, evp_hash};

static void assert_text(struct oh_span got, const char *want)
{
    if (!oh_span_eq(got, oh_span_str(want)))
        fail_msg("got '%.*s', want '%s'", OH_PRI(got), want);
}

/* A JSON member as text; p == NULL when it is null or absent. */
static struct oh_span text_of(const json_t *v, const char *name)
{
    return oh_span_str(json_string_value(json_object_get(v, name)));
}

static struct oh_credentials credentials_of(const json_t *v)
{
    struct oh_credentials c = {
        .username = text_of(v, "user"),
        .realm = text_of(v, "realm"),
        .nonce = text_of(v, "nonce"),
        .uri = text_of(v, "uri"),
        .cnonce = text_of(v, "cnonce"),
        .qop_text = text_of(v, "qop"),
        .nc = 1,
        .algorithm = oh_algorithm_of(text_of(v, "alg")),
    };

    c.has_nc = text_of(v, "nc").n > 0;
    if (oh_span_eq(c.qop_text, OH_LIT("auth")))
        c.qop = OH_QOP_AUTH;
    else if (c.qop_text.n)
        c.qop = OH_QOP_AUTH_INT;
    return c;
}

static void check_vector(const json_t *v)
{
    struct oh_credentials c = credentials_of(v), again;
    char ha1[OH_HASH_HEX_MAX], hex[OH_HASH_HEX_MAX], row[2048];
    struct oh_buf b;
    size_t n, response_n;

    n = oh_digest_ha1(&hasher, c.algorithm.hash, c.username, c.realm, text_of(v, "pw"), ha1);
    assert_int_equal(n, 2 * oh_hash_size(c.algorithm.hash));
    /* One vector prints the key of the session instead. */
    if (!oh_span_eq(text_of(v, "name"), OH_LIT("smith-3.4-md5sess")))
        assert_text(oh_span(ha1, n), text_of(v, "HA1").p);
    response_n = oh_digest_response(&hasher, &c, oh_span(ha1, n), text_of(v, "method"),
                                    text_of(v, "body"), hex);
    assert_text(oh_span(hex, response_n), text_of(v, "computed_response").p);

    /* The same through a written and read row. */
    c.response = oh_span(hex, response_n);
    oh_buf_init(&b, row, sizeof(row));
    oh_credentials_put(&b, &c);
    assert_int_equal(oh_buf_error(&b), OH_OK);
    assert_int_equal(oh_credentials_decode(oh_buf_view(&b), &again, NULL), OH_OK);
    n = oh_digest_response(&hasher, &again, oh_span(ha1, n), text_of(v, "method"),
                           text_of(v, "body"), hex);
    assert_true(oh_digest_equal(oh_span(hex, n), again.response));
}

static void vectors(void **state)
{
    json_t *all = json_load_file(OH_TEST_DATA "/corpus/digest/digest-vectors.json", 0, NULL), *v;
    size_t i;

    (void)state;
    assert_int_equal(json_array_size(all), 22);
    json_array_foreach(all, i, v) check_vector(v);
    json_decref(all);
}

/* RFC 7616 3.9.2 with the right values: SHA-512/256, not SHA-512 cut short. */
static void userhash(void **state)
{
    char hex[OH_HASH_HEX_MAX];
    size_t n = oh_digest_userhash(&hasher, OH_HASH_SHA512_256, OH_LIT("J\xc3\xa4s\xc3\xb8n Doe"),
                                  OH_LIT("api@example.org"), hex);

    (void)state;
    assert_text(oh_span(hex, n),
                "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b");
}

static void algorithms(void **state)
{
    static const struct {
        const char *token;
        enum oh_hash hash;
        bool sess;
        const char *canonical;
    } cases[] = {
        {"", OH_HASH_MD5, false, "MD5"},
        {"MD5", OH_HASH_MD5, false, "MD5"},
        {"md5-SESS", OH_HASH_MD5, true, "MD5-sess"},
        {"SHA-256", OH_HASH_SHA256, false, "SHA-256"},
        {"sha-256-sess", OH_HASH_SHA256, true, "SHA-256-sess"},
        {"SHA-512-256", OH_HASH_SHA512_256, false, "SHA-512-256"},
        {"SHA-512-256-sess", OH_HASH_SHA512_256, true, "SHA-512-256-sess"},
        {"SHA-512", OH_HASH_NONE, false, ""},
        {"SHA-256-", OH_HASH_NONE, false, ""},
        {"MD", OH_HASH_NONE, false, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_algorithm a = oh_algorithm_of(oh_span_str(cases[i].token));

        assert_int_equal(a.hash, cases[i].hash);
        assert_int_equal(a.sess, cases[i].sess);
        assert_text(oh_algorithm_text(a), cases[i].canonical);
    }
    assert_int_equal(oh_hash_size(OH_HASH_NONE), 0);
}

#define CORE "username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:a\", response=\"e\""

static void credentials_good(void **state)
{
    static const struct {
        const char *row, *username, *nonce, *uri;
        unsigned qop;
        int64_t nc; /* -1: absent */
        enum oh_hash hash;
        bool userhash;
    } cases[] = {
        {"Digest " CORE, "u", "n", "sip:a", OH_QOP_NONE, -1, OH_HASH_MD5, false},
        {"digest\r\n " CORE " ,\r\n\tqop = auth , nc=0000000A,cnonce=\"c\"", "u", "n", "sip:a",
         OH_QOP_AUTH, 10, OH_HASH_MD5, false},
        {"Digest " CORE ",algorithm=\"SHA-256\",qop=\"auth-int\",nc=\"FFFFFFFF\",cnonce=\"\"", "u",
         "n", "sip:a", OH_QOP_AUTH_INT, 0xffffffff, OH_HASH_SHA256, false},
        {"Digest ,," CORE ",, algorithm=FOO, x=y, x=z,", "u", "n", "sip:a", OH_QOP_NONE, -1,
         OH_HASH_NONE, false},
        {"Digest username=u,realm=r,nonce=ab+/==,uri=sip:a@b;c,response=e, qop=token", "u",
         "ab+/==", "sip:a@b;c", OH_QOP_OTHER, -1, OH_HASH_MD5, false},
        {"Digest " CORE ", userhash=TRUE", "u", "n", "sip:a", OH_QOP_NONE, -1, OH_HASH_MD5, true},
        {"Digest username=\"\",realm=\"r\",nonce=\"\",uri=\"sip:a\",response=\"\"", "", "", "sip:a",
         OH_QOP_NONE, -1, OH_HASH_MD5, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_credentials c;

        assert_int_equal(oh_credentials_decode(oh_span_str(cases[i].row), &c, NULL), OH_OK);
        assert_text(c.username, cases[i].username);
        assert_text(c.nonce, cases[i].nonce);
        assert_text(c.uri, cases[i].uri);
        assert_int_equal(c.qop, cases[i].qop);
        assert_int_equal(c.has_nc ? (int64_t)c.nc : -1, cases[i].nc);
        assert_int_equal(c.algorithm.hash, cases[i].hash);
        assert_int_equal(c.userhash, cases[i].userhash);
    }
}

static void credentials_bad(void **state)
{
    static const struct {
        const char *row;
        int code;
    } cases[] = {
        {"", OH_E_SYNTAX},
        {"Digest", OH_E_ABSENT},
        {"=Digest " CORE, OH_E_SYNTAX},
        {"Digest," CORE, OH_E_SYNTAX},
        {"Digest " CORE ", realm=\"x\"", OH_E_DUPLICATE},
        {"Digest " CORE ", REALM=\"r\"", OH_E_DUPLICATE},
        {"Digest " CORE ", username*=UTF-8''u", OH_E_SYNTAX},
        {"Digest username*=UTF-8''u, realm=r, nonce=n, uri=u, response=e, userhash=true",
         OH_E_SYNTAX},
        {"Digest realm=\"r\", nonce=\"n\", uri=\"u\", response=\"e\"", OH_E_ABSENT},
        {"Digest username=\"u\", nonce=\"n\", uri=\"u\", response=\"e\"", OH_E_ABSENT},
        {"Digest username=\"u\", realm=\"r\", uri=\"u\", response=\"e\"", OH_E_ABSENT},
        {"Digest username=\"u\", realm=\"r\", nonce=\"n\", response=\"e\"", OH_E_ABSENT},
        {"Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"u\"", OH_E_ABSENT},
        {"Digest " CORE ", nc=1", OH_E_SYNTAX},
        {"Digest " CORE ", nc=0000000g", OH_E_SYNTAX},
        {"Digest " CORE ", nc=000000001", OH_E_SYNTAX},
        {"Digest " CORE ", opaque=", OH_E_SYNTAX},
        {"Digest " CORE ", opaque", OH_E_SYNTAX},
        {"Digest " CORE ", opaque=\"x", OH_E_SYNTAX},
        {"Digest " CORE ", opaque=\"x\"y", OH_E_SYNTAX},
        {"Digest " CORE " opaque=\"x\"", OH_E_SYNTAX},
        {"Digest " CORE ", Digest realm=\"two\"", OH_E_SYNTAX},
        {"Digest " CORE "\r\nX: y", OH_E_SYNTAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_credentials c = {.nc = 77};
        struct oh_fault fault = {0};
        int rc = oh_credentials_decode(oh_span_str(cases[i].row), &c, &fault);

        if (rc != cases[i].code)
            fail_msg("'%s' gave %d", cases[i].row, rc);
        assert_int_equal(fault.code, rc);
        assert_non_null(fault.why);
        assert_in_range(fault.at, 0, strlen(cases[i].row));
        assert_int_equal(c.nc, 77);
    }
}

static void other_schemes(void **state)
{
    struct oh_credentials c;
    struct oh_challenge ch;

    (void)state;
    assert_int_equal(oh_credentials_decode(OH_LIT("Basic dTpw=="), &c, NULL), OH_OK);
    assert_text(c.scheme, "Basic");
    assert_null(c.username.p);
    assert_int_equal(oh_challenge_decode(OH_LIT("Bearer authz_server=\"x\""), &ch, NULL), OH_OK);
    assert_text(ch.scheme, "Bearer");
    assert_int_equal(ch.algorithm.hash, OH_HASH_NONE);
}

/* What decodes is written so that it decodes to the same again; every cut is survived. */
static void challenge_round_trip(void **state)
{
    static const struct {
        const char *row, *written;
    } cases[] = {
        {"Digest realm=\"a \\\"b\\\"\",qop=\"auth,auth-int\",nonce=\"n\",opaque=\"\",stale=TRUE,"
         "algorithm=MD5",
         "Digest realm=\"a \\\"b\\\"\", nonce=\"n\", opaque=\"\", stale=true, algorithm=MD5, "
         "qop=\"auth,auth-int\""},
        {"Digest nonce=n,realm=r,qop=\"x, auth\",userhash=true,algorithm=SHA-256,domain=\"sip:a\"",
         "Digest realm=\"r\", domain=\"sip:a\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\", "
         "userhash=true"},
        {"Digest nonce=n,realm=r,stale=maybe", "Digest realm=\"r\", nonce=\"n\", algorithm=MD5"},
    };
    char out[512];
    struct oh_buf b;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_span row = oh_span_str(cases[i].row);
        struct oh_challenge c;

        assert_int_equal(oh_challenge_decode(row, &c, NULL), OH_OK);
        oh_buf_init(&b, out, sizeof(out));
        oh_challenge_put(&b, &c);
        assert_text(oh_buf_view(&b), cases[i].written);
        for (size_t n = 0; n <= row.n; n++) {
            struct oh_span cut = exact_copy(oh_span_head(row, n));

            (void)oh_challenge_decode(cut, &c, NULL);
            exact_free(cut);
        }
    }
    for (size_t cap = 0; cap < strlen(cases[0].written); cap++) {
        struct oh_challenge c;

        assert_int_equal(oh_challenge_decode(oh_span_str(cases[0].row), &c, NULL), OH_OK);
        oh_buf_init(&b, out, cap);
        oh_challenge_put(&b, &c);
        assert_int_equal(oh_buf_error(&b), OH_E_LIMIT);
    }
}

static void challenge_bad(void **state)
{
    struct oh_challenge c;

    (void)state;
    assert_int_equal(oh_challenge_decode(OH_LIT("Digest nonce=n"), &c, NULL), OH_E_ABSENT);
    assert_int_equal(oh_challenge_decode(OH_LIT("Digest realm=r"), &c, NULL), OH_E_ABSENT);
    assert_int_equal(oh_challenge_decode(OH_LIT("Digest realm=r,nonce=n,nonce=n"), &c, NULL),
                     OH_E_DUPLICATE);
    assert_int_equal(oh_challenge_decode(OH_LIT("Digest realm=r,nonce"), &c, NULL), OH_E_SYNTAX);
}

static void credentials_written(void **state)
{
    struct oh_span row = OH_LIT(
        "Digest username=\"u\\\\\", realm=\"r\", nonce=\"n\", uri=\"sip:a\", "
        "response=\"e\", algorithm=SHA-256-sess, cnonce=\"c\", "
        "opaque=\"\", qop=auth-int, nc=0000000A, userhash=true");
    struct oh_credentials c;
    char out[512];
    struct oh_buf b;

    (void)state;
    assert_int_equal(oh_credentials_decode(row, &c, NULL), OH_OK);
    oh_buf_init(&b, out, sizeof(out));
    oh_credentials_put(&b, &c);
    assert_true(oh_span_eq(oh_buf_view(&b), row));
    for (size_t n = 0; n <= row.n; n++) {
        struct oh_span cut = exact_copy(oh_span_head(row, n));

        (void)oh_credentials_decode(cut, &c, NULL);
        exact_free(cut);
    }
}

/* Text that nobody escaped cannot leave its quotes. */
static void no_injection(void **state)
{
    struct oh_credentials c = {.username = OH_LIT("a\", realm=\"evil\r\nX: y\\"),
                               .realm = OH_LIT("r"),
                               .nonce = OH_LIT("n"),
                               .uri = OH_LIT("sip:a"),
                               .response = OH_LIT("e"),
                               .algorithm_text = OH_LIT("MD5,\r\nopaque=\"x\"")},
                          back;
    char out[512];
    struct oh_buf b;

    (void)state;
    oh_buf_init(&b, out, sizeof(out));
    oh_credentials_put(&b, &c);
    assert_int_equal(oh_credentials_decode(oh_buf_view(&b), &back, NULL), OH_OK);
    assert_text(back.username, "a\\\", realm=\\\"evilX: y\\\\");
    assert_text(back.realm, "r");
    assert_null(back.opaque.p);
    assert_int_equal(oh_span_find(oh_buf_view(&b), '\n'), -1);
}

static void user_names(void **state)
{
    static const struct {
        const char *param;
        int code;
        const char *plain;
    } cases[] = {
        {"username=\"J\\\"o\\\\e\"", OH_OK, "J\"o\\e"},
        {"username*=UTF-8''J%C3%A4s%c3%b8n%20Doe", OH_OK, "J\xc3\xa4s\xc3\xb8n Doe"},
        {"username*=utf-8'de'a.b~", OH_OK, "a.b~"},
        {"username*=ISO-8859-1''a", OH_E_SYNTAX, NULL},
        {"username*=UTF-8'a", OH_E_SYNTAX, NULL},
        {"username*=UTF-8''a%4", OH_E_SYNTAX, NULL},
        {"username*=UTF-8''a%zz", OH_E_SYNTAX, NULL},
        {"username*=UTF-8''a:b", OH_E_SYNTAX, NULL},
        {"username*=UTF-8", OH_E_SYNTAX, NULL},
        {"username=\"0123456789012345678901234567890123456789\"", OH_E_LIMIT, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char row[160], plain[32];
        struct oh_buf b, p;
        struct oh_credentials c;

        oh_buf_init(&b, row, sizeof(row));
        oh_buf_lit(&b, "Digest realm=r, nonce=n, uri=u, response=e, ");
        oh_buf_span(&b, oh_span_str(cases[i].param));
        assert_int_equal(oh_credentials_decode(oh_buf_view(&b), &c, NULL), OH_OK);
        oh_buf_init(&p, plain, sizeof(plain));
        assert_int_equal(oh_credentials_user(&c, &p), cases[i].code);
        if (cases[i].plain)
            assert_text(oh_buf_view(&p), cases[i].plain);
    }
}

/* Escapes are not hashed, the digits of nc are hashed as sent. */
static void hashed_text(void **state)
{
    struct oh_credentials a, b;
    char ha1[OH_HASH_HEX_MAX], one[OH_HASH_HEX_MAX], two[OH_HASH_HEX_MAX];
    size_t n = oh_digest_ha1(&hasher, OH_HASH_MD5, OH_LIT("u"), OH_LIT("r"), OH_LIT("p"), ha1);
    const char *tail = "Digest username=u,realm=r,uri=u,response=e,qop=auth,cnonce=c,nonce=\"x\\"
                       "y\",nc=0000000A";

    (void)state;
    assert_int_equal(oh_credentials_decode(oh_span_str(tail), &a, NULL), OH_OK);
    b = a;
    b.nonce = OH_LIT("xy");
    assert_int_equal(oh_digest_response(&hasher, &a, oh_span(ha1, n), OH_LIT("M"), OH_LIT(""), one),
                     32);
    oh_digest_response(&hasher, &b, oh_span(ha1, n), OH_LIT("M"), OH_LIT(""), two);
    assert_memory_equal(one, two, 32);
    b.nc_text = oh_span(NULL, 0);
    oh_digest_response(&hasher, &b, oh_span(ha1, n), OH_LIT("M"), OH_LIT(""), two);
    assert_memory_not_equal(one, two, 32);
}

/* Everything that must enter the hash must be there, and a failing hasher fails the whole. */
static void no_response(void **state)
{
    struct oh_credentials good = {.nonce = OH_LIT("n"),
                                  .uri = OH_LIT("u"),
                                  .cnonce = OH_LIT("c"),
                                  .algorithm = {OH_HASH_MD5, true},
                                  .qop = OH_QOP_AUTH_INT,
                                  .has_nc = true,
                                  .nc = 1},
                          c;
    struct oh_span ha1 = OH_LIT("0123456789abcdef0123456789abcdef");
    struct oh_hasher limited = {NULL, evp_hash};
    char out[OH_HASH_HEX_MAX], many[200];
    int calls = 100;

    (void)state;
    limited.ctx = &calls;
    assert_int_equal(oh_digest_response(&limited, &good, ha1, OH_LIT("M"), OH_LIT("b"), out), 32);
    for (int allowed = 100 - calls - 1; allowed >= 0; allowed--) {
        calls = allowed;
        assert_int_equal(oh_digest_response(&limited, &good, ha1, OH_LIT("M"), OH_LIT("b"), out),
                         0);
    }
    c = good, c.has_nc = false;
    assert_int_equal(oh_digest_response(&hasher, &c, ha1, OH_LIT("M"), OH_LIT("b"), out), 0);
    c = good, c.cnonce = oh_span(NULL, 0);
    assert_int_equal(oh_digest_response(&hasher, &c, ha1, OH_LIT("M"), OH_LIT("b"), out), 0);
    c.qop = OH_QOP_NONE;
    assert_int_equal(oh_digest_response(&hasher, &c, ha1, OH_LIT("M"), OH_LIT("b"), out), 0);
    c = good, c.qop = OH_QOP_OTHER;
    assert_int_equal(oh_digest_response(&hasher, &c, ha1, OH_LIT("M"), OH_LIT("b"), out), 0);
    c = good, c.algorithm.hash = OH_HASH_NONE;
    assert_int_equal(oh_digest_response(&hasher, &c, ha1, OH_LIT("M"), OH_LIT("b"), out), 0);
    c = good, c.algorithm.hash = OH_HASH_SHA256; /* a key of another length */
    assert_int_equal(oh_digest_response(&hasher, &c, ha1, OH_LIT("M"), OH_LIT("b"), out), 0);
    memset(many, '\\', sizeof(many));
    c = good, c.nonce = oh_span(many, sizeof(many)); /* more escapes than parts */
    assert_int_equal(oh_digest_response(&hasher, &c, ha1, OH_LIT("M"), OH_LIT("b"), out), 0);
}

static void auth_info(void **state)
{
    struct oh_span row = OH_LIT("nextnonce=\"n2\", qop=auth, rspauth=\"ab\", cnonce=\"c\", "
                                "nc=00000002");
    struct oh_auth_info a, bad;
    char out[256];
    struct oh_buf b;

    (void)state;
    assert_int_equal(oh_auth_info_decode(row, &a, NULL), OH_OK);
    assert_text(a.nextnonce, "n2");
    assert_text(a.rspauth, "ab");
    assert_int_equal(a.qop, OH_QOP_AUTH);
    assert_int_equal(a.nc, 2);
    oh_buf_init(&b, out, sizeof(out));
    oh_auth_info_put(&b, &a);
    assert_true(oh_span_eq(oh_buf_view(&b), row));
    a.nc_text = oh_span(NULL, 0);
    oh_buf_init(&b, out, sizeof(out));
    oh_auth_info_put(&b, &a);
    assert_true(oh_span_eq(oh_buf_view(&b), row));
    assert_int_equal(oh_auth_info_decode(OH_LIT("nc=2"), &bad, NULL), OH_E_SYNTAX);
    assert_int_equal(oh_auth_info_decode(OH_LIT("rspauth=a,rspauth=a"), &bad, NULL),
                     OH_E_DUPLICATE);
}

/* rspauth is the response with an empty method (RFC 7616 3.5). */
static void rspauth(void **state)
{
    struct oh_credentials c = {.nonce = OH_LIT("n"),
                               .uri = OH_LIT("u"),
                               .cnonce = OH_LIT("c"),
                               .algorithm = {OH_HASH_MD5, false},
                               .qop = OH_QOP_AUTH,
                               .has_nc = true,
                               .nc = 1};
    char ha1[OH_HASH_HEX_MAX], ha2[OH_HASH_HEX_MAX], want[OH_HASH_HEX_MAX], got[OH_HASH_HEX_MAX];
    size_t n = oh_digest_ha1(&hasher, OH_HASH_MD5, OH_LIT("u"), OH_LIT("r"), OH_LIT("p"), ha1);

    (void)state;
    /* H(a:b) is what userhash computes; so HA2 = H("" ":" "u"). */
    oh_digest_userhash(&hasher, OH_HASH_MD5, OH_LIT(""), OH_LIT("u"), ha2);
    oh_digest_ha1(&hasher, OH_HASH_MD5, oh_span(ha1, n), OH_LIT("n:00000001:c:auth"),
                  oh_span(ha2, n), want);
    assert_int_equal(oh_digest_rspauth(&hasher, &c, oh_span(ha1, n), OH_LIT("body"), got), 32);
    assert_memory_equal(got, want, 32);
}

static void equal(void **state)
{
    (void)state;
    assert_true(oh_digest_equal(OH_LIT("09afAF"), OH_LIT("09AFaf")));
    assert_false(oh_digest_equal(OH_LIT("09af"), OH_LIT("09ae")));
    assert_false(oh_digest_equal(OH_LIT("09af"), OH_LIT("09a")));
    assert_false(oh_digest_equal(OH_LIT(""), OH_LIT("")));
    /* A byte 0x20 away from a digit is not that digit. */
    assert_false(oh_digest_equal(OH_LIT("0"), OH_LIT("\x10")));
    assert_false(oh_digest_equal(OH_LIT("@"), OH_LIT("`")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),         cmocka_unit_test(userhash),
        cmocka_unit_test(algorithms),      cmocka_unit_test(credentials_good),
        cmocka_unit_test(credentials_bad), cmocka_unit_test(other_schemes),
        cmocka_unit_test(challenge_bad),   cmocka_unit_test(challenge_round_trip),
        cmocka_unit_test(no_injection),    cmocka_unit_test(credentials_written),
        cmocka_unit_test(user_names),      cmocka_unit_test(hashed_text),
        cmocka_unit_test(no_response),     cmocka_unit_test(auth_info),
        cmocka_unit_test(rspauth),         cmocka_unit_test(equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
