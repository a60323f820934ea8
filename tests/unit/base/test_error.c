#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <offhook/error.h>

static const int all[] = {
#define CODE(name, value, text) OH_E_##name,
    OH_ERRORS(CODE)
#undef CODE
};

static void names_and_texts(void **state)
{
    (void)state;
    assert_string_equal(oh_error_name(OH_OK), "OK");
    assert_string_equal(oh_error_name(OH_E_SYNTAX), "SYNTAX");
    assert_string_equal(oh_error_name(OH_E_NOTFOUND), "NOTFOUND");
    assert_string_equal(oh_error_text(OH_OK), "no error");
    assert_string_equal(oh_error_text(OH_E_NOMEM), "out of memory");
}

static void strangers_have_a_text_too(void **state)
{
    static const int strange[] = {1, -10000, INT32_MAX, INT32_MIN};
    (void)state;

    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        assert_string_equal(oh_error_name(strange[i]), "?");
        assert_string_equal(oh_error_text(strange[i]), "unknown error");
    }
}

/* Two codes with one value would not compile; two with one name or text would mislead. */
static void all_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_true(all[i] < 0);
        assert_string_not_equal(oh_error_name(all[i]), "?");
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(oh_error_name(all[i]), oh_error_name(all[j]));
            assert_string_not_equal(oh_error_text(all[i]), oh_error_text(all[j]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_texts),
        cmocka_unit_test(strangers_have_a_text_too),
        cmocka_unit_test(all_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
