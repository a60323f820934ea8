/* Restoring into a running server: real state directories, and the tables of the workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/control_json.h"
#include "host/control_topics.h"
#include "host/process.h"

static const char *const LISTEN[] = {"udp:127.0.0.1:0"};

struct world {
    struct oh__host host;
    struct oh__host_options options;
    char root[64], state[80], copy[80];
};

/* Two journals: one worker's, and that of the control thread behind it. */
static int set_up(void **state)
{
    static const uint8_t seed[32] = "a seed of thirty-two bytes it is";
    struct world *w = calloc(1, sizeof *w);
    struct oh__config_report *report = calloc(1, sizeof *report);
    struct oh__config *config;

    assert_true(w && report);
    snprintf(w->root, sizeof w->root, "/tmp/offhook-restore-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    snprintf(w->state, sizeof w->state, "%s/state", w->root);
    snprintf(w->copy, sizeof w->copy, "%s/copy", w->root);
    w->options.overrides = (struct oh__config_overrides){
        .state = w->state, .listen_n = 1, .listen = LISTEN, .default_domain = "pbx"};
    w->host.options = &w->options;
    assert_int_equal(oh__config_load(NULL, &w->options.overrides, &config, report), OH_OK);
    free(report);
    w->host.config = config;
    w->host.hasher = oh__hasher_new();
    w->host.workers_n = 1;
    w->host.started = oh__clock_now();
    w->host.started_wall = oh__clock_wall();
    w->host.purge_at = OH_NEVER;
    oh__rng_init(&w->host.rng, seed);
    pthread_mutex_init(&w->host.config_lock, NULL);
    assert_int_equal(oh__log_open("/dev/null", OH__LOG_INFO, &w->host.log), OH_OK);
    assert_int_equal(oh__state_open(&w->host), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[128];

    oh__state_close(&w->host);
    oh__hasher_free(w->host.hasher);
    oh__log_close(w->host.log);
    oh__config_unref(w->host.config);
    snprintf(command, sizeof command, "rm -rf '%s'", w->root);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

/* What a restart would find. */
static void reopen(struct world *w)
{
    oh__state_close(&w->host);
    memset(&w->host.shared, 0, sizeof w->host.shared);
    assert_int_equal(oh__state_open(&w->host), 0);
}

/* Runs a command of accounts, which must succeed. */
static void users(struct world *w, const char *command, const char *user, const char *more_key,
                  json_t *more)
{
    json_t *request = json_pack("{s:s,s:s}", "command", command, "user", user);
    json_t *reply;

    if (more_key)
        json_object_set_new(request, more_key, more);
    reply = oh__control_users(&w->host, request);
    if (!json_is_true(json_object_get(reply, "ok")))
        fail_msg("%s %s: %s", command, user, oh__json_str(reply, "error"));
    json_decref(reply);
    json_decref(request);
}

static json_t *with_directory(struct world *w, json_t *(*run)(struct oh__host *, const json_t *),
                              const char *directory)
{
    json_t *request = json_pack("{s:s}", "directory", directory);
    json_t *reply = run(&w->host, request);

    json_decref(request);
    return reply;
}

static void back_up(struct world *w)
{
    json_t *reply = with_directory(w, oh__control_backup, w->copy);

    assert_true(json_is_true(json_object_get(reply, "ok")));
    json_decref(reply);
}

/* Restores, and checks all counts of the reply. */
static void restore(struct world *w, unsigned restored, unsigned removed, unsigned added,
                    unsigned kept, unsigned ended)
{
    json_t *reply = with_directory(w, oh__control_restore, w->copy);

    if (!json_is_true(json_object_get(reply, "ok")))
        fail_msg("%s", oh__json_str(reply, "error"));
    assert_int_equal(oh__json_u64(reply, "accounts_restored", 99), restored);
    assert_int_equal(oh__json_u64(reply, "accounts_removed", 99), removed);
    assert_int_equal(oh__json_u64(reply, "accounts_useless", 99), 0);
    assert_int_equal(oh__json_u64(reply, "added", 99), added);
    assert_int_equal(oh__json_u64(reply, "kept", 99), kept);
    assert_int_equal(oh__json_u64(reply, "ended", 99), ended);
    json_decref(reply);
}

/* Registers a contact for so many ms, durably; 0 removes it. */
static void bind_phone(struct world *w, const char *aor, const char *contact, uint64_t ms,
                       enum oh_transport transport, uint32_t cseq)
{
    uint64_t wall = oh__host_wall(&w->host, oh__clock_now());
    struct oh__binding b = {
        .contact = oh_span_str(contact), .reachable = true, .expires_at = ms ? wall + ms : 0};
    struct oh__registration reg = {.aor = oh_span_str(aor),
                                   .call_id = OH_LIT("c"),
                                   .cseq = cseq,
                                   .contacts_n = 1,
                                   .contacts = &b,
                                   .wall = wall,
                                   .contacts_max = 10};
    struct oh__journal *journal = oh__store_journal(w->host.store, 0);
    struct oh__binding_list list;
    enum oh__registered done;
    struct oh_arena arena;

    b.flow.transport = transport;
    b.flow.id = oh_transport_reliable(transport) ? 7 : 0;
    assert_int_equal(oh_addr_parse_port(OH_LIT("192.0.2.1:5060"), &b.flow.peer), OH_OK);
    oh_arena_init(&arena, oh_alloc_default(), 65536);
    assert_int_equal(
        oh__location_register(w->host.shared.location, &reg, journal, &arena, &list, &done), OH_OK);
    assert_int_equal(oh__journal_commit(journal), OH_OK);
    oh_arena_done(&arena);
}

/* The AOR's one binding must be this, or with NULL there must be none. */
static void assert_bound(struct world *w, const char *aor, const char *contact, bool reachable)
{
    struct oh__binding_list list;
    struct oh_arena arena;

    oh_arena_init(&arena, oh_alloc_default(), 65536);
    assert_int_equal(oh__location_get(w->host.shared.location, oh_span_str(aor),
                                      oh__host_wall(&w->host, oh__clock_now()), &arena, &list),
                     OH_OK);
    assert_int_equal(list.n, contact ? 1 : 0);
    if (contact) {
        assert_true(oh_span_eq(list.v[0].contact, oh_span_str(contact)));
        assert_int_equal(list.v[0].reachable, reachable);
    }
    oh_arena_done(&arena);
}

static int write_row(void *ctx, const struct oh__account_row *row)
{
    struct oh_buf *b = ctx;

    oh_buf_put(b, row->user.p, row->user.n);
    oh_buf_char(b, ' ');
    oh_buf_put(b, row->ha1[0].p, row->ha1[0].n);
    oh_buf_char(b, row->gone_at ? '-' : '+');
    oh_buf_char(b, '\n');
    return OH_OK;
}

/* All accounts of the store as text. */
static size_t accounts(struct world *w, char out[2048])
{
    struct oh_buf b;

    oh_buf_init(&b, out, 2048);
    assert_int_equal(oh__store_accounts_each(w->host.store, write_row, &b), OH_OK);
    return b.n;
}

/* 1 live, 0 a tombstone, -1 absent, as the workers see it. */
static int known(struct world *w, const char *user)
{
    struct oh__account a;
    int r = oh__accounts_find(w->host.shared.accounts, oh_span_str(user), OH_LIT("pbx"), &a);

    return r != OH_OK ? -1 : a.gone_at == 0;
}

/* ---- accounts ---- */

static void accounts_become_those_of_the_backup(void **state)
{
    struct world *w = *state;
    char before[2048], after[2048];
    struct oh__account was, is;

    users(w, "user-add", "101", "password", json_string("one"));
    users(w, "user-add", "102", NULL, NULL);
    users(w, "user-add", "103", NULL, NULL);
    users(w, "user-remove", "103", NULL, NULL);
    users(w, "user-add", "104", NULL, NULL);
    users(w, "user-remove", "104", NULL, NULL);
    size_t n = accounts(w, before);

    assert_int_equal(oh__accounts_find(w->host.shared.accounts, OH_LIT("101"), OH_LIT("pbx"), &was),
                     OH_OK);
    back_up(w);
    users(w, "user-passwd", "101", "password", json_string("two"));
    users(w, "user-remove", "102", NULL, NULL);
    users(w, "user-remove", "103", "forget", json_true());
    users(w, "user-add", "104", NULL, NULL); /* gone then, live now */
    users(w, "user-add", "105", NULL, NULL); /* not there then */
    users(w, "user-add", "106", NULL, NULL); /* not there then, and gone now */
    users(w, "user-remove", "106", NULL, NULL);
    bind_phone(w, "104@pbx", "sip:d@192.0.2.1", 60000, OH_TRANSPORT_UDP, 1);
    bind_phone(w, "105@pbx", "sip:e@192.0.2.1", 60000, OH_TRANSPORT_UDP, 1);
    restore(w, 2, 2, 0, 0, 2);
    for (unsigned i = 0; i < 2; i++) { /* in force, and after a restart */
        assert_int_equal(accounts(w, after), n);
        assert_memory_equal(after, before, n);
        assert_int_equal(
            oh__accounts_find(w->host.shared.accounts, OH_LIT("101"), OH_LIT("pbx"), &is), OH_OK);
        assert_memory_equal(is.ha1[0], was.ha1[0], was.ha1_len[0]);
        assert_int_equal(known(w, "102"), 1);
        assert_int_equal(known(w, "103"), 0);
        assert_int_equal(known(w, "104"), 0);
        assert_int_equal(known(w, "105"), -1);
        assert_int_equal(known(w, "106"), -1);
        assert_bound(w, "104@pbx", NULL, false);
        assert_bound(w, "105@pbx", NULL, false);
        reopen(w);
    }
}

/* ---- registrations ---- */

static void registrations_of_now_stay(void **state)
{
    static const char old[] = "sip:old@192.0.2.1", new[] = "sip:new@192.0.2.1";
    struct world *w = *state;
    char user[8], aor[16];

    for (unsigned i = 1; i <= 6; i++) {
        snprintf(user, sizeof user, "10%u", i);
        snprintf(aor, sizeof aor, "10%u@pbx", i);
        if (i != 5)
            users(w, "user-add", user, NULL, NULL);
        bind_phone(w, aor, old, i == 4 ? 1000 : 600000,
                   i == 3 ? OH_TRANSPORT_TCP : OH_TRANSPORT_UDP, 1);
    }
    back_up(w);
    for (unsigned i = 1; i <= 5; i++) {
        snprintf(aor, sizeof aor, "10%u@pbx", i);
        bind_phone(w, aor, old, 0, OH_TRANSPORT_UDP, 2);
    }
    bind_phone(w, "102@pbx", new, 600000, OH_TRANSPORT_UDP, 3);
    bind_phone(w, "106@pbx", old, 0, OH_TRANSPORT_UDP, 2);
    bind_phone(w, "106@pbx", new, 30000, OH_TRANSPORT_UDP, 3);
    w->host.started_wall += 60000; /* 104 has expired meanwhile, and so has 106's newer one */
    restore(w, 5, 0, 3, 1, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_bound(w, "101@pbx", old, true);
        assert_bound(w, "102@pbx", new, true);
        assert_bound(w, "103@pbx", old, false); /* its stream is of another time */
        assert_bound(w, "104@pbx", NULL, false);
        assert_bound(w, "105@pbx", NULL, false); /* nobody's */
        assert_bound(w, "106@pbx", old, true);
        reopen(w);
    }
    /* What a phone says afterwards counts more than what was added. */
    bind_phone(w, "101@pbx", old, 0, OH_TRANSPORT_UDP, 9);
    assert_bound(w, "101@pbx", NULL, false);
    reopen(w);
    assert_bound(w, "101@pbx", NULL, false);
    restore(w, 5, 0, 1, 3, 0); /* a second time; only that one is missing */
}

/* Calls in progress were set up with them. */
static void secrets_stay(void **state)
{
    struct world *w = *state;
    uint8_t was[16], is[16];
    size_t n = 16;

    assert_int_equal(oh__store_put(w->host.store, "secret.token", "an older secret.", 16), OH_OK);
    back_up(w);
    assert_int_equal(oh__store_put(w->host.store, "secret.token", "a newer secret..", 16), OH_OK);
    restore(w, 0, 0, 0, 0, 0);
    memcpy(was, "a newer secret..", 16);
    assert_int_equal(oh__store_get(w->host.store, "secret.token", is, &n), OH_OK);
    assert_memory_equal(is, was, 16);
}

static void useless_accounts_are_told(void **state)
{
    struct world *w = *state;
    struct oh__account_row row = {
        .user = OH_LIT("9"), .auth_name = OH_LIT("9"), .realm = OH_LIT("elsewhere")};
    char why[OH__STORE_WHY];

    assert_int_equal(oh__store_accounts_put(w->host.store, &row, 1, why), OH_OK);
    back_up(w);
    json_t *reply = with_directory(w, oh__control_restore, w->copy);

    assert_int_equal(oh__json_u64(reply, "accounts_useless", 99), 1);
    json_decref(reply);
}

/* ---- what is refused ---- */

/* The directory must be refused with this in the sentence, and nothing may change. */
static void refuse(struct world *w, const char *directory, int exit_status, const char *sentence)
{
    char before[2048], after[2048];
    size_t n = accounts(w, before);
    json_t *reply = with_directory(w, oh__control_restore, directory);

    assert_true(json_is_false(json_object_get(reply, "ok")));
    assert_int_equal(json_integer_value(json_object_get(reply, "exit")), exit_status);
    if (!strstr(oh__json_str(reply, "error"), sentence))
        fail_msg("no '%s' in: %s", sentence, oh__json_str(reply, "error"));
    json_decref(reply);
    assert_int_equal(accounts(w, after), n);
    assert_memory_equal(after, before, n);
    assert_int_equal(known(w, "101"), -1);
    assert_int_equal(known(w, "102"), 1);
    assert_bound(w, "101@pbx", NULL, false);
    assert_bound(w, "102@pbx", "sip:now@192.0.2.1", true);
}

/* Turns some bits of one byte of a file of the copy; twice is as before. */
static void turn(struct world *w, const char *name, long at, int bits)
{
    char path[128];
    int c;

    snprintf(path, sizeof path, "%s/%s", w->copy, name);
    FILE *f = fopen(path, "r+b");

    assert_non_null(f);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    c = fgetc(f);
    assert_true(c != EOF);
    assert_int_equal(fseek(f, -1, SEEK_CUR), 0);
    fputc(c ^ bits, f);
    assert_int_equal(fclose(f), 0);
}

static void what_cannot_be_read_changes_nothing(void **state)
{
    struct world *w = *state;
    char path[128];

    users(w, "user-add", "101", NULL, NULL);
    bind_phone(w, "101@pbx", "sip:then@192.0.2.1", 60000, OH_TRANSPORT_UDP, 1);
    back_up(w);
    users(w, "user-remove", "101", "forget", json_true());
    users(w, "user-add", "102", NULL, NULL);
    bind_phone(w, "102@pbx", "sip:now@192.0.2.1", 60000, OH_TRANSPORT_UDP, 1);
    refuse(w, "copy", 2, "absolute path");
    refuse(w, "/nowhere/at/all", 9, "is no backup");
    snprintf(path, sizeof path, "%s/empty", w->root);
    assert_int_equal(mkdir(path, 0700), 0);
    refuse(w, path, 9, "is no backup");
    assert_int_equal(rmdir(path), 0); /* and nothing was left in it */
    refuse(w, w->state, 9, "nothing was restored");
    turn(w, "offhook.db", 63, 0x40); /* the schema's version, in SQLite's header */
    refuse(w, w->copy, 9, "newer");
    turn(w, "offhook.db", 63, 0x40);
    turn(w, "offhook.db", 4100, 0xff); /* the head of the second page */
    refuse(w, w->copy, 9, "damaged");
    turn(w, "offhook.db", 4100, 0xff);
    turn(w, "bindings/snapshot", -20, 0x01);
    refuse(w, w->copy, 9, "damaged");
    turn(w, "bindings/snapshot", -20, 0x01);
    restore(w, 1, 1, 1, 0, 1); /* whole again, it is good */
    assert_bound(w, "101@pbx", "sip:then@192.0.2.1", true);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(accounts_become_those_of_the_backup),
        TEST(registrations_of_now_stay),
        TEST(secrets_stay),
        TEST(useless_accounts_are_told),
        TEST(what_cannot_be_read_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
