/* Accounts in memory: the three ways to find one, tombstones, replacement under readers' eyes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>
#include <stdatomic.h>
#include <cmocka.h>

#include "serve/accounts.h"
#include "store/store.h"
#include "unit/alloc_fail.h"

static const uint8_t key[16] = "accounts-test-k";

static struct oh__account_row row_of(const char *user, const char *domain)
{
    return (struct oh__account_row){
        .user = oh_span_str(user),
        .domain = oh_span_str(domain),
        .auth_name = oh_span_str(user),
        .realm = OH_LIT("example.test"),
        .ha1 = {OH_LIT("0123456789abcdef0123456789abcdef")},
        .name = OH_LIT("A Name"),
        .flags = OH__ACCOUNT_BARRED,
    };
}

static void found_by_aor(void **state)
{
    struct oh__accounts *a = oh__accounts_new(oh_alloc_default(), key);
    struct oh__account_row exact = row_of("alice", "example.test"), any = row_of("bob", "");
    struct oh__account out;

    (void)state;
    assert_int_equal(oh__accounts_put(a, &exact), OH_OK);
    assert_int_equal(oh__accounts_put(a, &any), OH_OK);
    assert_int_equal(oh__accounts_count(a), 2);
    assert_int_equal(oh__accounts_find(a, OH_LIT("alice"), OH_LIT("example.test"), &out), OH_OK);
    assert_string_equal(out.user, "alice");
    assert_string_equal(out.domain, "example.test");
    assert_string_equal(out.auth_name, "alice");
    assert_string_equal(out.realm, "example.test");
    assert_string_equal(out.name, "A Name");
    assert_int_equal(out.ha1_len[0], 32);
    assert_memory_equal(out.ha1[0], "0123456789abcdef0123456789abcdef", 32);
    assert_int_equal(out.ha1_len[1], 0);
    assert_int_equal(out.flags, OH__ACCOUNT_BARRED);
    assert_int_equal(oh__accounts_find(a, OH_LIT("alice"), OH_LIT("other.test"), &out),
                     OH_E_ABSENT);
    assert_int_equal(oh__accounts_find(a, OH_LIT("alice"), OH_LIT(""), &out), OH_E_ABSENT);
    assert_int_equal(oh__accounts_find(a, OH_LIT("Alice"), OH_LIT("example.test"), &out),
                     OH_E_ABSENT);
    assert_int_equal(oh__accounts_find(a, OH_LIT("alic"), OH_LIT("eexample.test"), &out),
                     OH_E_ABSENT);
    /* Domain "" is every domain, until the domain has an account of that name itself. */
    assert_int_equal(oh__accounts_find(a, OH_LIT("bob"), OH_LIT("any.test"), &out), OH_OK);
    assert_string_equal(out.domain, "");
    exact = row_of("bob", "any.test");
    assert_int_equal(oh__accounts_put(a, &exact), OH_OK);
    assert_int_equal(oh__accounts_find(a, OH_LIT("bob"), OH_LIT("any.test"), &out), OH_OK);
    assert_string_equal(out.domain, "any.test");
    oh__accounts_free(a);
}

static void found_by_credentials(void **state)
{
    struct oh__accounts *a = oh__accounts_new(oh_alloc_default(), key);
    struct oh__account_row row = row_of("alice", "example.test");
    struct oh__account out;

    (void)state;
    row.auth_name = OH_LIT("1001");
    row.userhash[0] = OH_LIT("aaaa");
    row.userhash[1] = OH_LIT("bbbb");
    row.userhash[2] = OH_LIT("cccc");
    assert_int_equal(oh__accounts_put(a, &row), OH_OK);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT("1001"), OH_LIT("example.test"), false, &out),
                     OH_OK);
    assert_string_equal(out.user, "alice");
    for (int i = 0; i < 3; i++)
        assert_int_equal(oh__accounts_find_auth(a, row.userhash[i], row.realm, true, &out), OH_OK);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT("BBBB"), row.realm, true, &out), OH_OK);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT("bbbb"), OH_LIT("x"), true, &out),
                     OH_E_ABSENT);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT("bbbb"), row.realm, false, &out),
                     OH_E_ABSENT);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT("1001"), row.realm, true, &out), OH_E_ABSENT);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT("alice"), row.realm, false, &out),
                     OH_E_ABSENT);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT(""), row.realm, false, &out), OH_E_ABSENT);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT(""), row.realm, true, &out), OH_E_ABSENT);
    oh__accounts_free(a);
}

static void replaced_removed_gone(void **state)
{
    struct oh__accounts *a = oh__accounts_new(oh_alloc_default(), key);
    struct oh__account_row row = row_of("alice", "example.test"), twin = row_of("a2", "b.test");
    struct oh__account out;

    (void)state;
    assert_int_equal(oh__accounts_put(a, &row), OH_OK);
    row.auth_name = OH_LIT("new");
    assert_int_equal(oh__accounts_put(a, &row), OH_OK);
    assert_int_equal(oh__accounts_count(a), 1);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT("alice"), row.realm, false, &out),
                     OH_E_ABSENT);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT("new"), row.realm, false, &out), OH_OK);
    row.gone_at = 12345;
    assert_int_equal(oh__accounts_put(a, &row), OH_OK);
    assert_int_equal(oh__accounts_count(a), 0);
    assert_int_equal(oh__accounts_find(a, row.user, row.domain, &out), OH_OK);
    assert_int_equal(out.gone_at, 12345);
    /* Another account took over the credentials: it is the one that counts, whichever came first.
     */
    twin.auth_name = OH_LIT("new");
    assert_int_equal(oh__accounts_put(a, &twin), OH_OK);
    assert_int_equal(oh__accounts_put(a, &row), OH_OK);
    assert_int_equal(oh__accounts_find_auth(a, OH_LIT("new"), row.realm, false, &out), OH_OK);
    assert_string_equal(out.user, "a2");
    assert_int_equal(oh__accounts_remove(a, row.user, row.domain), OH_OK);
    assert_int_equal(oh__accounts_remove(a, row.user, row.domain), OH_E_ABSENT);
    assert_int_equal(oh__accounts_find(a, row.user, row.domain, &out), OH_E_ABSENT);
    assert_int_equal(oh__accounts_count(a), 1);
    oh__accounts_free(a);
}

static void texts_are_bounded(void **state)
{
    struct oh__accounts *a = oh__accounts_new(oh_alloc_default(), key);
    struct oh__account_row row = row_of("alice", "example.test");
    struct oh__account out;
    char text[256];

    (void)state;
    memset(text, 'x', sizeof(text));
    row.name = oh_span(text, 256);
    assert_int_equal(oh__accounts_put(a, &row), OH_E_LIMIT);
    row.name = oh_span(text, 255);
    assert_int_equal(oh__accounts_put(a, &row), OH_OK);
    assert_int_equal(oh__accounts_find(a, row.user, row.domain, &out), OH_OK);
    assert_int_equal(strlen(out.name), 255);
    row.ha1[2] = oh_span(text, 65);
    assert_int_equal(oh__accounts_put(a, &row), OH_E_LIMIT);
    oh__accounts_free(a);
}

static void many(void **state)
{
    struct oh__accounts *a = oh__accounts_new(oh_alloc_default(), key);
    struct oh__account out;
    char user[16];

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        struct oh__account_row row;

        snprintf(user, sizeof(user), "u%u", i);
        row = row_of(user, "example.test");
        assert_int_equal(oh__accounts_put(a, &row), OH_OK);
    }
    assert_int_equal(oh__accounts_count(a), 20000);
    for (unsigned i = 0; i < 20000; i++) {
        struct oh_span name;

        snprintf(user, sizeof(user), "u%u", i);
        name = oh_span_str(user);
        assert_int_equal(oh__accounts_find(a, name, OH_LIT("example.test"), &out), OH_OK);
        assert_int_equal(oh__accounts_find_auth(a, name, OH_LIT("example.test"), false, &out),
                         OH_OK);
        assert_string_equal(out.user, user);
        if (i % 20)
            assert_int_equal(oh__accounts_remove(a, name, OH_LIT("example.test")), OH_OK);
    }
    assert_int_equal(oh__accounts_count(a), 1000);
    assert_int_equal(oh__accounts_find(a, OH_LIT("u40"), OH_LIT("example.test"), &out), OH_OK);
    oh__accounts_free(a);
}

static void scenario(struct test_heap *h, void *arg)
{
    struct oh__accounts *a = oh__accounts_new(&h->alloc, key);
    struct oh__account out;
    uint32_t expected = 0;
    char user[16];

    (void)arg;
    for (unsigned i = 0; a && i < 40; i++) {
        struct oh__account_row row;

        snprintf(user, sizeof(user), "u%u", i % 30);
        row = row_of(user, "example.test");
        if (oh__accounts_put(a, &row) == OH_OK)
            expected += i < 30 || oh__accounts_count(a) > expected;
        assert_int_equal(oh__accounts_count(a), expected);
    }
    for (unsigned i = 0; a && i < 30; i++) {
        snprintf(user, sizeof(user), "u%u", i);
        expected -= oh__accounts_find(a, oh_span_str(user), OH_LIT("example.test"), &out) == OH_OK;
    }
    assert_int_equal(expected, 0);
    oh__accounts_free(a);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(test_heap_fail_each(scenario, NULL) > 50);
}

struct reader {
    struct oh__accounts *accounts;
    atomic_bool stop;
    unsigned misses;
};

static void *read_on(void *arg)
{
    struct reader *r = arg;
    struct oh__account out;

    while (!r->stop) {
        if (oh__accounts_find(r->accounts, OH_LIT("alice"), OH_LIT("example.test"), &out) != OH_OK)
            r->misses++;
        if (oh__accounts_find_auth(r->accounts, OH_LIT("alice"), OH_LIT("example.test"), false,
                                   &out) != OH_OK)
            r->misses++;
    }
    return NULL;
}

/* An account that is changed again and again is there all the time. */
static void readers_never_miss(void **state)
{
    struct reader r = {.accounts = oh__accounts_new(oh_alloc_default(), key)};
    struct oh__account_row row = row_of("alice", "example.test");
    pthread_t thread;

    (void)state;
    assert_int_equal(oh__accounts_put(r.accounts, &row), OH_OK);
    assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
    for (unsigned i = 0; i < 20000; i++) {
        row.flags = i;
        assert_int_equal(oh__accounts_put(r.accounts, &row), OH_OK);
    }
    r.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(r.misses, 0);
    oh__accounts_free(r.accounts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_by_aor),
        cmocka_unit_test(found_by_credentials),
        cmocka_unit_test(replaced_removed_gone),
        cmocka_unit_test(texts_are_bounded),
        cmocka_unit_test(many),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(readers_never_miss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
