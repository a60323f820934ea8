/*
 * What survives a restart: accounts and secrets out of the database, bindings
 * out of the journals. Everything is in memory before the first datagram is
 * read.
 */
#include <stdio.h>

#include "host/admin.h"
#include "host/process.h"

#define DECISIONS     8192
#define GUARD_SOURCES 65536
#define NONCES        262144
#define CURSOR_ARENA  (1024 * 1024)

/* Secrets that keep calls, nonces and branches valid over a restart. The names are part of the
 * schema. */
enum secret { SECRET_BRANCH, SECRET_TOKEN, SECRET_NONCE, SECRET_COUNT };
static const char *const SECRET_NAMES[SECRET_COUNT] = {"secret.branch", "secret.token",
                                                       "secret.nonce"};

/* A secret of the wrong length is damage and not replaced: that would end all calls in progress
 * with nobody knowing why. */
static int secret_of(struct oh__store *store, enum secret which, uint8_t out[16])
{
    size_t n = 16;
    int r = oh__store_get(store, SECRET_NAMES[which], out, &n);

    if (r == OH_OK && n == 16)
        return OH_OK;
    if (r != OH_E_ABSENT)
        return r == OH_OK ? OH_E_CORRUPT : r;
    r = oh__entropy(out, 16);
    return r == OH_OK ? oh__store_put(store, SECRET_NAMES[which], out, 16) : r;
}

/* Accounts on their way into the table. */
struct intake {
    struct oh__accounts *accounts;
    const struct oh__settings *settings;
    unsigned useless; /* their realm is not asked for */
};

static int take_account(void *ctx, const struct oh__account_row *row)
{
    struct intake *in = ctx;

    if (row->gone_at == 0 && row->domain.n == 0 && !oh__admin_asks(in->settings, row->realm))
        in->useless++;
    return oh__accounts_put(in->accounts, row);
}

/* The accounts of the first start end when the server gets domains: a person must hear of it here,
 * since each phone by itself only hears that its password is wrong. */
static int load_accounts(struct oh__host *host)
{
    struct intake in = {.accounts = host->shared.accounts,
                        .settings = oh__config_settings(host->config)};
    int r = oh__store_accounts_each(host->store, take_account, &in);

    if (r == OH_OK && in.useless)
        oh__log_say(host->log, OH__LOG_WARN, "accounts-useless",
                    "%u of the accounts were made before this server had its domains, and no phone "
                    "can use them: make them again with `offhook user add NAME`",
                    in.useless);
    return r;
}

struct replay {
    struct oh__location *location;
    uint64_t wall;
    unsigned bad;
};

/* A record that this version cannot read loses one phone's binding, not the start: it is counted
 * and reported. */
static int take_record(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    struct replay *replay = ctx;
    int r = oh__location_restore(replay->location, aor, version, record, replay->wall);

    if (r == OH_E_CORRUPT) {
        replay->bad++;
        return OH_OK;
    }
    return r;
}

static int failed(const char *what, int error)
{
    fprintf(stderr, "offhook: %s: %s\n", what, oh_error_text(error));
    return 9;
}

/*
 * The keys of tables are drawn anew at each start, since nothing that is stored depends on them;
 * the secrets are not, because peers hold branches, tokens and nonces that were made with them.
 */
static int make_tables(struct oh__host *host)
{
    const struct oh_alloc *a = oh_alloc_default();
    const struct oh__settings *settings = oh__config_settings(host->config);
    struct oh__shared *sh = &host->shared;
    uint8_t secrets[SECRET_COUNT][16], keys[3][16];

    for (unsigned i = 0; i < SECRET_COUNT; i++) {
        int r = secret_of(host->store, (enum secret)i, secrets[i]);

        if (r != OH_OK)
            return failed("the secrets in the state directory could not be read or made", r);
    }
    if (oh__entropy(keys, sizeof keys) != OH_OK)
        return failed("the kernel gave no random bytes", OH_E_IO);
    memcpy(sh->secret, secrets[SECRET_BRANCH], 16);
    memcpy(&sh->token_key, secrets[SECRET_TOKEN], 16);
    sh->accounts = oh__accounts_new(a, keys[0]);
    sh->location = oh__location_new(a, keys[1], settings->bindings_max);
    sh->guard = oh__guard_new(a, keys[2], GUARD_SOURCES);
    sh->nonces = oh__nonces_new(a, secrets[SECRET_NONCE], NONCES);
    sh->decisions = oh__decisions_new(a, DECISIONS);
    if (!sh->accounts || !sh->location || !sh->guard || !sh->nonces || !sh->decisions)
        return failed("the tables could not be made", OH_E_NOMEM);
    oh__nonces_forget(sh->nonces, oh__clock_wall());
    return 0;
}

/* Commands that find no server running learn from the state what accounts are called. */
static int remember_names(struct oh__host *host)
{
    const struct oh__settings *settings = oh__config_settings(host->config);
    const char *name = oh__settings_main(settings)->name;
    int r = oh__admin_remember(host->store, settings->domains_n ? name : "", name);

    return r == OH_OK ? 0 : failed("the state directory could not be written", r);
}

/* Accounts before bindings: the realm and the names are there when the first binding is looked at.
 */
int oh__state_open(struct oh__host *host)
{
    const struct oh__config_process *process = oh__config_process(host->config);
    /* One journal more than workers: the control thread's, for bindings that end with accounts. */
    struct oh__store_options options = {.dir = process->state,
                                        .workers = host->workers_n + 1,
                                        .segment_bytes = process->segment_bytes};
    char why[OH__STORE_WHY] = "";

    if (oh__store_open(&options, &host->store, why) != OH_OK) {
        fprintf(stderr, "offhook: %s\n", why);
        return 9;
    }
    int status = make_tables(host);

    if (status)
        return status;
    int r = load_accounts(host);

    if (r != OH_OK)
        return failed("the accounts could not be read", r);
    struct replay replay = {.location = host->shared.location, .wall = oh__clock_wall()};

    status = remember_names(host);
    if (status)
        return status;
    r = oh__store_replay(host->store, take_record, &replay, why);
    if (r == OH_E_FULL) {
        fprintf(
            stderr,
            "offhook: there are more registrations than limits.bindings allows (%u): raise it\n",
            (unsigned)oh__config_settings(host->config)->bindings_max);
        return 9;
    }
    if (r != OH_OK) {
        fprintf(stderr, "offhook: %s\n", why[0] ? why : oh_error_text(r));
        return 9;
    }
    if (why[0])
        oh__log_say(host->log, OH__LOG_WARN, "store-damaged", "%s", why);
    if (replay.bad)
        oh__log_say(
            host->log, OH__LOG_WARN, "bindings-lost",
            "%u stored registrations could not be read; those phones register again by themselves",
            replay.bad);
    return 0;
}

void oh__state_close(struct oh__host *host)
{
    struct oh__shared *sh = &host->shared;

    /* The store commits and syncs when it is closed, and needs no table for that. */
    oh__store_close(host->store);
    oh__decisions_free(sh->decisions);
    oh__nonces_free(sh->nonces);
    oh__guard_free(sh->guard);
    oh__location_free(sh->location);
    oh__accounts_free(sh->accounts);
}

void oh__state_cursor_init(struct oh__state_cursor *cursor, struct oh__location *location)
{
    *cursor = (struct oh__state_cursor){.location = location};
    oh_arena_init(&cursor->arena, oh_alloc_default(), CURSOR_ARENA);
}

void oh__state_cursor_done(struct oh__state_cursor *cursor)
{
    oh_arena_done(&cursor->arena);
}

int oh__state_next(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    struct oh__state_cursor *cursor = ctx;
    struct oh__binding_list list;

    oh_arena_reset(&cursor->arena);
    int r = oh__location_next(cursor->location, &cursor->at, &cursor->arena, aor, version, &list);

    return r == OH_OK ? oh__location_encode(&list, &cursor->arena, record) : r;
}
