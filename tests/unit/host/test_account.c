/* What makes an account, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/account.h"
#include "net/system.h"

/* H("alice:example.com:secret"), as md5sum gives it. */
#define HA1_LOWER "b1726872c344b6dc8365b774f8fd6412"

static struct oh__new_account usual(void)
{
    return (struct oh__new_account){.user = OH_LIT("alice"),
                                    .domain = OH_LIT("example.com"),
                                    .realm = OH_LIT("example.com"),
                                    .password = OH_LIT("secret")};
}

static void test_password(void **state)
{
    struct oh_hasher *h = oh__hasher_new();
    struct oh__new_account a = usual();
    struct oh__account_made made;
    const char *why;
    struct oh_span md5;

    (void)state;
    assert_non_null(h);
    assert_int_equal(oh__account_make(h, &a, &made, &why), OH_OK);
    md5 = made.row.ha1[0];
    assert_true(oh_span_eq(made.row.auth_name, OH_LIT("alice")));
    assert_true(oh_span_eq(md5, OH_LIT(HA1_LOWER)));
    assert_int_equal(made.row.ha1[1].n, 64);
    assert_int_equal(made.row.ha1[2].n, 64);
    assert_int_equal(made.row.userhash[1].n, 64);
    oh__hasher_free(h);
}

/* An HA1 is hashed further as text, so an import's capitals would make a password that no phone
 * ever has. */
static void test_ha1_is_lower_case(void **state)
{
    struct oh_hasher *h = oh__hasher_new();
    struct oh__new_account given = usual();
    struct oh__account_made made;
    char upper[33];
    const char *why;

    (void)state;
    assert_non_null(h);
    for (unsigned i = 0; i < 33; i++)
        upper[i] = HA1_LOWER[i] >= 'a' ? (char)(HA1_LOWER[i] & ~0x20) : HA1_LOWER[i];
    given.password = oh_span(NULL, 0);
    given.ha1[0] = oh_span(upper, 32);
    assert_null(oh__account_fault(&given));
    assert_int_equal(oh__account_make(h, &given, &made, &why), OH_OK);
    assert_true(oh_span_eq(made.row.ha1[0], OH_LIT(HA1_LOWER)));
    assert_int_equal(made.row.ha1[1].n, 0);
    oh__hasher_free(h);
}

static void test_refused(void **state)
{
    static const struct {
        struct oh_span user, realm, name;
    } cases[] = {
        {OH_LIT(""), OH_LIT("r"), OH_LIT("")},          {OH_LIT("a b"), OH_LIT("r"), OH_LIT("")},
        {OH_LIT("a:b"), OH_LIT("r"), OH_LIT("")},       {OH_LIT("a@b"), OH_LIT("r"), OH_LIT("")},
        {OH_LIT("a\x7f"), OH_LIT("r"), OH_LIT("")},     {OH_LIT("a"), OH_LIT(""), OH_LIT("")},
        {OH_LIT("a"), OH_LIT("r\"x"), OH_LIT("")},      {OH_LIT("a"), OH_LIT("r\n"), OH_LIT("")},
        {OH_LIT("a"), OH_LIT("r"), OH_LIT("x\x1b[2J")},
    };
    struct oh_hasher *h = oh__hasher_new();

    (void)state;
    assert_non_null(h);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct oh__new_account a = {.user = cases[i].user,
                                    .realm = cases[i].realm,
                                    .name = cases[i].name,
                                    .password = OH_LIT("p")};
        struct oh__account_made made;
        const char *why = NULL;

        assert_non_null(oh__account_fault(&a));
        assert_int_equal(oh__account_make(h, &a, &made, &why), OH_E_SYNTAX);
        assert_non_null(why);
    }
    oh__hasher_free(h);
}

static void test_nothing_to_check(void **state)
{
    struct oh_hasher *h = oh__hasher_new();
    struct oh__new_account a = usual();
    struct oh__account_made made;
    const char *why;

    (void)state;
    assert_non_null(h);
    a.password = oh_span(NULL, 0);
    assert_non_null(oh__account_fault(&a));
    assert_int_equal(oh__account_make(h, &a, &made, &why), OH_E_ABSENT);
    a.ha1[0] = OH_LIT("abc");
    assert_non_null(oh__account_fault(&a));
    assert_int_equal(oh__account_make(h, &a, &made, &why), OH_E_ABSENT);
    oh__hasher_free(h);
}

static void test_passwords(void **state)
{
    struct oh__rng rng;
    char a[OH__PASSWORD_MAX], b[OH__PASSWORD_MAX];

    (void)state;
    oh__rng_init(&rng, (const uint8_t[32]){1});
    oh__password_make(&rng, a);
    oh__password_make(&rng, b);
    assert_int_equal(strlen(a), 19);
    assert_string_not_equal(a, b);
    for (unsigned i = 0; i < 19; i++)
        assert_true(i % 5 == 4 ? a[i] == '-' : !strchr("01lo-", a[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_password),  cmocka_unit_test(test_ha1_is_lower_case),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_nothing_to_check),
        cmocka_unit_test(test_passwords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
