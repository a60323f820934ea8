/* Accounts on a store in memory, with the tables of workers beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/admin.h"
#include "host/admin_commands.h"
#include "host/control_json.h"
#include "net/system.h"

#define DAY_MS UINT64_C(86400000)

struct world {
    struct oh__admin admin;
    struct oh__rng rng;
    struct oh__settings *settings;
};

static int set_up(void **state)
{
    static const uint8_t seed[32] = "a seed of thirty-two bytes it is", key[16] = "0123456789abcde";
    struct oh__store_options options = {.workers = 2};
    struct world *w = calloc(1, sizeof *w);
    char why[OH__STORE_WHY];

    assert_non_null(w);
    w->settings = calloc(1, sizeof *w->settings);
    assert_non_null(w->settings);
    oh__settings_default(w->settings);
    w->settings->any_domain = true;
    snprintf(w->settings->default_domain, OH__NAME_MAX, "pbx");
    snprintf(w->settings->fallback.name, OH__NAME_MAX, "pbx");
    oh__rng_init(&w->rng, seed);
    assert_int_equal(oh__store_open(&options, &w->admin.store, why), OH_OK);
    w->admin.accounts = oh__accounts_new(oh_alloc_default(), key);
    w->admin.location = oh__location_new(oh_alloc_default(), key, 1000);
    w->admin.journal = oh__store_journal(w->admin.store, 1);
    w->admin.settings = w->settings;
    w->admin.hasher = oh__hasher_new();
    w->admin.rng = &w->rng;
    w->admin.wall = 100 * DAY_MS;
    snprintf(w->admin.realm, OH__NAME_MAX, "pbx");
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    oh__hasher_free((struct oh_hasher *)w->admin.hasher);
    oh__location_free(w->admin.location);
    oh__accounts_free(w->admin.accounts);
    oh__store_close(w->admin.store);
    free(w->settings);
    free(w);
    return 0;
}

/* Runs a request written as JSON with ' for ". */
static json_t *run(struct world *w, const char *text)
{
    char quoted[4096];
    size_t n = strlen(text);
    json_t *request, *reply;

    assert_true(n < sizeof quoted);
    for (size_t i = 0; i <= n; i++)
        quoted[i] = (char)(text[i] == '\'' ? '"' : text[i]);
    request = json_loads(quoted, 0, NULL);
    assert_non_null(request);
    reply = oh__admin_command(&w->admin, request);
    assert_non_null(reply);
    json_decref(request);
    return reply;
}

/* Runs a request that must succeed, or must fail with this exit status. */
static void expect(struct world *w, const char *text, int exit_status)
{
    json_t *reply = run(w, text);

    if (exit_status == 0 && !json_is_true(json_object_get(reply, "ok")))
        fail_msg("%s: %s", text, oh__json_str(reply, "error"));
    assert_int_equal(json_integer_value(json_object_get(reply, "exit")), exit_status);
    if (exit_status)
        assert_true(strlen(oh__json_str(reply, "error")) > 20);
    json_decref(reply);
}

static bool live(struct world *w, const char *user, const char *domain, struct oh__account *out)
{
    return oh__accounts_find(w->admin.accounts, oh_span_str(user), oh_span_str(domain), out) ==
               OH_OK &&
           out->gone_at == 0;
}

static void test_add(void **state)
{
    struct world *w = *state;
    struct oh__account a;
    char ha1[OH_HASH_HEX_MAX];
    json_t *reply = run(w, "{'command':'user-add','user':'101','name':'Front desk','barred':true}");
    struct oh_span password = oh__json_member(reply, "password");

    assert_int_equal(password.n, 19);
    assert_string_equal(oh__json_str(reply, "realm"), "pbx");
    assert_null(json_object_get(reply, "note"));
    assert_true(live(w, "101", "anything.example", &a));
    assert_string_equal(a.name, "Front desk");
    assert_int_equal(a.flags, OH__ACCOUNT_BARRED);
    /* What phones will compute with the password that was shown. */
    assert_int_equal(
        oh_digest_ha1(w->admin.hasher, OH_HASH_MD5, OH_LIT("101"), OH_LIT("pbx"), password, ha1),
        32);
    assert_int_equal(a.ha1_len[0], 32);
    assert_memory_equal(a.ha1[0], ha1, 32);
    assert_int_equal(a.ha1_len[1], 64);
    assert_int_equal(a.ha1_len[2], 64);
    json_decref(reply);
    expect(w, "{'command':'user-add','user':'101'}", 9);
}

static void test_add_given_password(void **state)
{
    struct world *w = *state;
    struct oh__account a;
    char ha1[OH_HASH_HEX_MAX];
    json_t *reply = run(w, "{'command':'user-add','user':'al','domain':'Example.COM',"
                           "'auth_name':'al-login','password':'s3cret'}");

    assert_true(json_is_true(json_object_get(reply, "ok")));
    assert_null(json_object_get(reply, "password")); /* known to who gave it */
    assert_non_null(json_object_get(reply, "note")); /* nobody serves that domain */
    assert_string_equal(oh__json_str(reply, "domain"), "example.com");
    assert_string_equal(oh__json_str(reply, "realm"), "example.com");
    json_decref(reply);
    assert_true(live(w, "al", "example.com", &a));
    oh_digest_ha1(w->admin.hasher, OH_HASH_MD5, OH_LIT("al-login"), OH_LIT("example.com"),
                  OH_LIT("s3cret"), ha1);
    assert_memory_equal(a.ha1[0], ha1, 32);
}

static void test_bad_names(void **state)
{
    static const char *const requests[] = {
        "{'command':'user-add'}",
        "{'command':'user-add','user':''}",
        "{'command':'user-add','user':'a b'}",
        "{'command':'user-add','user':'a@b'}",
        "{'command':'user-add','user':'a','domain':'x y'}",
        "{'command':'user-add','user':'a','realm':'q\\\"q'}",
        "{'command':'user-add','user':'a','name':'tab\\t'}",
        "{'command':'user-add','user':'a','password':''}",
    };
    struct world *w = *state;

    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++)
        expect(w, requests[i], 9);
    assert_int_equal(oh__accounts_count(w->admin.accounts), 0);
    expect(w, "{'command':'user-juggle'}", 2);
}

static void test_passwd_and_set(void **state)
{
    struct world *w = *state;
    struct oh__account before, after;

    expect(w, "{'command':'user-passwd','user':'101'}", 1);
    expect(w, "{'command':'user-add','user':'101','name':'N','admin':true}", 0);
    assert_true(live(w, "101", "", &before));
    expect(w, "{'command':'user-passwd','user':'101','password':'other'}", 0);
    assert_true(live(w, "101", "", &after));
    assert_memory_not_equal(before.ha1[0], after.ha1[0], 32);
    assert_string_equal(after.name, "N");
    assert_int_equal(after.flags, OH__ACCOUNT_ADMIN);
    expect(w, "{'command':'user-set','user':'101','name':'','admin':false,'barred':true}", 0);
    assert_true(live(w, "101", "", &before));
    assert_memory_equal(before.ha1[0], after.ha1[0], 32);
    assert_memory_equal(before.ha1[2], after.ha1[2], 64);
    assert_string_equal(before.name, "");
    assert_int_equal(before.flags, OH__ACCOUNT_BARRED);
    /* As the log and `phones` write it; another domain is another account. */
    expect(w, "{'command':'user-passwd','user':'101','domain':'PBX'}", 0);
    expect(w, "{'command':'user-passwd','user':'101','domain':'example.com'}", 1);
}

static unsigned bindings(struct world *w, const char *aor)
{
    struct oh__binding_list list = {0};
    struct oh_arena arena;

    oh_arena_init(&arena, oh_alloc_default(), 65536);
    assert_int_equal(
        oh__location_get(w->admin.location, oh_span_str(aor), w->admin.wall, &arena, &list), OH_OK);
    oh_arena_done(&arena);
    return list.n;
}

static void bind_phone(struct world *w, const char *aor)
{
    struct oh__binding b = {.contact = OH_LIT("sip:101@192.0.2.1"),
                            .call_id = OH_LIT("its-call-id"),
                            .cseq = 7,
                            .expires_at = w->admin.wall + 60000};
    struct oh__registration reg = {.aor = oh_span_str(aor),
                                   .call_id = b.call_id,
                                   .cseq = 7,
                                   .contacts_n = 1,
                                   .contacts = &b,
                                   .wall = w->admin.wall,
                                   .contacts_max = 10};
    struct oh__binding_list list = {0};
    enum oh__registered done;
    struct oh_arena arena;

    oh_arena_init(&arena, oh_alloc_default(), 65536);
    assert_int_equal(
        oh__location_register(w->admin.location, &reg, w->admin.journal, &arena, &list, &done),
        OH_OK);
    oh_arena_done(&arena);
}

/* The phones of a removed account stop ringing at once, and callers learn that it has gone. */
static void test_remove(void **state)
{
    struct world *w = *state;
    struct oh__account a;
    json_t *reply;

    expect(w, "{'command':'user-remove','user':'101'}", 1);
    expect(w, "{'command':'user-add','user':'101'}", 0);
    expect(w, "{'command':'user-add','user':'102'}", 0);
    bind_phone(w, "101@pbx");
    bind_phone(w, "102@pbx");
    reply = run(w, "{'command':'user-remove','user':'101'}");
    assert_int_equal(json_integer_value(json_object_get(reply, "ended")), 1);
    json_decref(reply);
    assert_int_equal(bindings(w, "101@pbx"), 0);
    assert_int_equal(bindings(w, "102@pbx"), 1);
    assert_int_equal(oh__accounts_find(w->admin.accounts, OH_LIT("101"), OH_LIT(""), &a), OH_OK);
    assert_int_equal(a.gone_at, w->admin.wall);
    assert_int_equal(oh__accounts_count(w->admin.accounts), 1);
    expect(w, "{'command':'user-passwd','user':'101'}", 1); /* no way back through a new password */
    expect(w, "{'command':'user-add','user':'101'}", 0);    /* but as a new account */
    assert_true(live(w, "101", "", &a));
}

/* An account of every domain takes its phones along, but not those of a namesake. */
static void test_remove_of_all_domains(void **state)
{
    struct world *w = *state;
    struct oh__settings *s = w->settings;
    json_t *reply;

    expect(w, "{'command':'user-add','user':'101'}", 0);
    s->domains_n = 2;
    snprintf(s->domains[0].name, OH__NAME_MAX, "example.com");
    snprintf(s->domains[1].name, OH__NAME_MAX, "example.org");
    expect(w, "{'command':'user-add','user':'101','domain':'example.com'}", 0);
    bind_phone(w, "101@pbx");
    bind_phone(w, "101@example.com");
    bind_phone(w, "101@example.org");
    snprintf(s->default_domain, OH__NAME_MAX, "example.com");
    reply = run(w, "{'command':'user-remove','user':'101','domain':''}");
    assert_int_equal(json_integer_value(json_object_get(reply, "ended")), 1);
    json_decref(reply);
    assert_int_equal(bindings(w, "101@pbx"), 1); /* that name is not the server's any more */
    assert_int_equal(bindings(w, "101@example.com"), 1);
    assert_int_equal(bindings(w, "101@example.org"), 0);
}

static void test_forget(void **state)
{
    struct world *w = *state;
    struct oh__account a;

    expect(w, "{'command':'user-add','user':'101'}", 0);
    expect(w, "{'command':'user-remove','user':'101'}", 0);
    expect(w, "{'command':'user-remove','user':'101','forget':true}", 0);
    assert_int_equal(oh__accounts_find(w->admin.accounts, OH_LIT("101"), OH_LIT(""), &a),
                     OH_E_ABSENT);
    assert_int_equal(oh__admin_get(&w->admin, OH_LIT("101"), OH_LIT(""), &a), OH_E_ABSENT);
    expect(w, "{'command':'user-remove','user':'101','forget':true}", 1);
}

static void test_purge(void **state)
{
    struct world *w = *state;
    struct oh__account a;

    expect(w, "{'command':'user-add','user':'old'}", 0);
    expect(w, "{'command':'user-add','user':'new'}", 0);
    expect(w, "{'command':'user-remove','user':'old'}", 0);
    w->admin.wall += 30 * DAY_MS;
    assert_int_equal(oh__admin_purge(&w->admin), 0); /* to the day */
    expect(w, "{'command':'user-remove','user':'new'}", 0);
    w->admin.wall += 1;
    assert_int_equal(oh__admin_purge(&w->admin), 1);
    assert_int_equal(oh__accounts_find(w->admin.accounts, OH_LIT("old"), OH_LIT(""), &a),
                     OH_E_ABSENT);
    assert_int_equal(oh__accounts_find(w->admin.accounts, OH_LIT("new"), OH_LIT(""), &a), OH_OK);
}

static void test_list_pages(void **state)
{
    struct world *w = *state;
    char request[256];
    json_t *reply;

    for (int i = 0; i < 5; i++) {
        snprintf(request, sizeof request, "{'command':'user-add','user':'u%d'}", i);
        expect(w, request, 0);
    }
    expect(w, "{'command':'user-remove','user':'u4'}", 0);
    reply = run(w, "{'command':'user-list','limit':3}");
    assert_int_equal(json_array_size(json_object_get(reply, "accounts")), 3);
    assert_string_equal(json_string_value(json_array_get(json_object_get(reply, "next"), 0)), "u2");
    json_decref(reply);
    reply = run(w, "{'command':'user-list','limit':3,'after':['u2','']}");
    assert_int_equal(json_array_size(json_object_get(reply, "accounts")), 1);
    assert_true(json_is_null(json_object_get(reply, "next")));
    json_decref(reply);
    /* An account that was forgotten between two pages loses none of the others. */
    reply = run(w, "{'command':'user-list','limit':3,'after':['u1-gone','']}");
    assert_int_equal(json_array_size(json_object_get(reply, "accounts")), 2);
    json_decref(reply);
    reply = run(w, "{'command':'user-list','all':true}");
    assert_int_equal(json_array_size(json_object_get(reply, "accounts")), 5);
    /* Nothing that could be used to log in is ever listed. */
    char *text = json_dumps(reply, 0);

    assert_null(strstr(text, "ha1"));
    free(text);
    json_decref(reply);
}

static void test_import(void **state)
{
    struct world *w = *state;
    struct oh__account a;
    json_t *reply;

    expect(w, "{'command':'user-add','user':'101','name':'Kept','admin':true}", 0);
    reply = run(w, "{'command':'user-import','rows':["
                   "[2,'101',null,null,null,'new',null,null,null],"
                   "[3,'102',null,'login','r',null,'0123456789abcdef0123456789ABCDEF',null,'B']]}");
    assert_int_equal(json_integer_value(json_object_get(reply, "added")), 1);
    assert_int_equal(json_integer_value(json_object_get(reply, "replaced")), 1);
    json_decref(reply);
    assert_true(live(w, "101", "", &a));
    assert_string_equal(a.name, "Kept");
    assert_int_equal(a.flags, OH__ACCOUNT_ADMIN);
    assert_true(live(w, "102", "", &a));
    assert_string_equal(a.auth_name, "login");
    assert_string_equal(a.realm, "r");
    assert_int_equal(a.ha1_len[0], 32);
    assert_int_equal(a.ha1_len[1], 0);
}

/* One wrong line, and nothing at all is imported; all wrong lines are named. */
static void test_import_all_or_nothing(void **state)
{
    struct world *w = *state;
    const json_t *faults;
    json_t *reply = run(w, "{'command':'user-import','rows':["
                           "[1,'a',null,null,null,'p',null,null,null],"
                           "[2,'b c',null,null,null,'p',null,null,null],"
                           "[3,'d',null,null,null,null,'zz',null,null],"
                           "[4,'a',null,null,null,'q',null,null,null],"
                           "[5,'e',null,null,null,null,null,null,null]]}");

    assert_int_equal(json_integer_value(json_object_get(reply, "exit")), 9);
    faults = json_object_get(reply, "faults");
    assert_int_equal(json_array_size(faults), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            json_integer_value(json_object_get(json_array_get(faults, (size_t)i), "line")), i + 2);
    json_decref(reply);
    assert_int_equal(oh__accounts_count(w->admin.accounts), 0);
    expect(w, "{'command':'user-import'}", 2);
    expect(w, "{'command':'user-import','rows':[17]}", 9);
}

static void test_domains(void **state)
{
    struct world *w = *state;
    struct oh__settings *s = w->settings;
    struct oh__account a;
    json_t *reply;

    expect(w, "{'command':'user-add','user':'every'}", 0);
    s->any_domain = false;
    s->domains_n = 2;
    snprintf(s->domains[0].name, OH__NAME_MAX, "example.com");
    snprintf(s->domains[1].name, OH__NAME_MAX, "example.org");
    snprintf(s->domains[1].alias_of, OH__NAME_MAX, "example.com");
    snprintf(s->default_domain, OH__NAME_MAX, "example.com");
    snprintf(w->admin.domain, OH__NAME_MAX, "example.com");
    snprintf(w->admin.realm, OH__NAME_MAX, "example.com");
    reply = run(w, "{'command':'user-add','user':'al','domain':'example.org'}");
    assert_string_equal(oh__json_str(reply, "domain"), "example.com"); /* what it is an alias of */
    assert_string_equal(oh__json_str(reply, "realm"), "example.com");
    assert_null(json_object_get(reply, "note"));
    json_decref(reply);
    expect(w, "{'command':'user-passwd','user':'al'}", 0);
    /* An account of every domain is found by its name alone, not under a domain. */
    reply = run(w, "{'command':'user-passwd','user':'every'}");
    assert_non_null(strstr(oh__json_str(reply, "note"), "realm pbx"));
    json_decref(reply);
    expect(w, "{'command':'user-passwd','user':'every','domain':'example.com'}", 1);
    bind_phone(w, "every@example.com");
    expect(w, "{'command':'user-remove','user':'every','forget':true}", 0);
    assert_int_equal(bindings(w, "every@example.com"), 0);
    assert_false(live(w, "every", "", &a));
}

static void test_remember(void **state)
{
    struct world *w = *state;
    char domain[OH__NAME_MAX], realm[OH__NAME_MAX];

    assert_int_equal(oh__admin_recall(w->admin.store, domain, realm), OH_E_ABSENT);
    assert_int_equal(oh__admin_remember(w->admin.store, "", "pbx"), OH_OK);
    assert_int_equal(oh__admin_recall(w->admin.store, domain, realm), OH_OK);
    assert_string_equal(domain, "");
    assert_string_equal(realm, "pbx");
    assert_int_equal(oh__admin_remember(w->admin.store, "example.com", "example.com"), OH_OK);
    assert_int_equal(oh__admin_recall(w->admin.store, domain, realm), OH_OK);
    assert_string_equal(domain, "example.com");
    assert_string_equal(realm, "example.com");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_add),
        TEST(test_add_given_password),
        TEST(test_bad_names),
        TEST(test_remove),
        TEST(test_remove_of_all_domains),
        TEST(test_passwd_and_set),
        TEST(test_forget),
        TEST(test_purge),
        TEST(test_list_pages),
        TEST(test_import),
        TEST(test_domains),
        TEST(test_import_all_or_nothing),
        TEST(test_remember),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
