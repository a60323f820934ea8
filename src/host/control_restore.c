/*
 * Restoring into a running server. A backup is older than what the phones have
 * said since, so it is not put in place of everything. Accounts become those of
 * the backup: they are what somebody wants back. A registration that is live
 * now is newer than any backup and stays; the backup only adds where there is
 * none. The secrets are left alone, since branches, nonces and the routes of
 * calls in progress were made with them.
 *
 * The whole backup is read into tables of its own first, so that a damaged one
 * changes nothing. Then the accounts change in one transaction; what follows
 * brings the tables of the workers after it, and ends or adds registrations
 * through the journal of the control thread, while phones go on registering.
 */
#include <stdio.h>

#include "host/admin.h"
#include "host/control_topics.h"

#define EXIT_USAGE  2
#define EXIT_REFUSE 9

#define GONE_MOST (256u * 1024 * 1024) /* bytes for the names of accounts that go */
#define WALK_MOST (1024u * 1024)       /* one AOR and its record, twice */

/* An account that the backup does not have as a live one. */
struct gone {
    struct gone *next;
    struct oh_span user, domain;
    bool live;   /* it is one now: its phones are to be ended */
    bool absent; /* not even a tombstone comes in its place */
};

struct restore {
    struct oh__admin admin;
    struct oh__store *backup;
    struct oh__location *then; /* the registrations of the backup */
    struct oh_arena names;     /* of gone */
    struct gone *gone;
    uint64_t restored, removed, added, kept;
    unsigned useless; /* accounts whose realm no phone is asked for */
    unsigned ended;
};

/* ---- reading ---- */

/* Unlike at a start, a record that cannot be read is a reason to stop: nothing is lost by that. */
static int take_record(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    struct restore *r = ctx;

    return oh__location_restore(r->then, aor, version, record, r->admin.wall);
}

static int read_backup(struct restore *r, const char *from, char why[OH__STORE_WHY])
{
    uint8_t key[16];
    int rc = oh__entropy(key, sizeof key);

    if (rc != OH_OK)
        return rc;
    /* Its number of registrations is bounded by the size of its file. */
    r->then = oh__location_new(oh_alloc_default(), key, UINT32_MAX);
    if (!r->then)
        return OH_E_NOMEM;
    return oh__store_backup_open(from, take_record, r, &r->backup, why);
}

/* One account of the backup, looked for by its key. */
struct search {
    struct oh_span user, domain;
    bool found, live;
};

static int look_at(void *ctx, const struct oh__account_row *row)
{
    struct search *s = ctx;

    s->found = oh_span_eq(row->user, s->user) && oh_span_eq(row->domain, s->domain);
    s->live = s->found && row->gone_at == 0;
    return 1; /* the first one is it, or it is not there */
}

/* Notes an account of now that has no live one in the backup. */
static int note_gone(void *ctx, const struct oh__account_row *row)
{
    struct restore *r = ctx;
    struct search s = {.user = row->user, .domain = row->domain};
    int rc = oh__store_accounts_from(r->backup, row->user, row->domain, look_at, &s);
    bool live = row->gone_at == 0;

    if (rc < 0)
        return rc;
    if (s.live || (s.found && !live))
        return OH_OK;
    struct gone *g = oh_arena_take(&r->names, sizeof *g);

    if (!g)
        return OH_E_NOMEM;
    *g = (struct gone){.next = r->gone,
                       .user = oh_arena_copy(&r->names, row->user),
                       .domain = oh_arena_copy(&r->names, row->domain),
                       .live = live,
                       .absent = !s.found};
    if (!g->user.p || (row->domain.n && !g->domain.p))
        return OH_E_NOMEM;
    r->gone = g;
    r->removed += live;
    return OH_OK;
}

/* Everything that is read, before anything changes. */
static int prepare(struct restore *r, const char *from, char why[OH__STORE_WHY])
{
    int rc = read_backup(r, from, why);

    if (rc == OH_OK)
        rc = oh__store_accounts_each(r->admin.store, note_gone, r);
    return rc;
}

/* ---- accounts ---- */

static int put_account(void *ctx, const struct oh__account_row *row)
{
    struct restore *r = ctx;

    r->restored += row->gone_at == 0;
    if (row->gone_at == 0 && !oh__admin_asks(r->admin.settings, row->realm))
        r->useless++;
    return oh__accounts_put(r->admin.accounts, row);
}

/* The table of the workers follows the store, and the phones of those that are gone leave. */
static int follow(struct restore *r)
{
    int rc;

    /* First, because this cannot fail: nobody logs in with an account that the store lacks. */
    for (const struct gone *g = r->gone; g; g = g->next)
        if (g->absent)
            (void)oh__accounts_remove(r->admin.accounts, g->user, g->domain);
    rc = oh__store_accounts_each(r->admin.store, put_account, r);
    for (const struct gone *g = r->gone; g && rc == OH_OK; g = g->next)
        if (g->live)
            rc = oh__admin_end_bindings(&r->admin, g->user, g->domain, &r->ended);
    return rc;
}

/* ---- registrations ---- */

/* May this AOR have phones? Where nobody has to prove anything, names need no accounts. */
static bool has_account(const struct restore *r, struct oh_span aor)
{
    struct oh__account found;
    size_t at = aor.n;

    if (r->admin.settings->no_auth)
        return true;
    while (at > 0 && aor.p[at - 1] != '@') /* a user may have one, too */
        at--;
    return at > 1 &&
           oh__accounts_find(r->admin.accounts, oh_span_head(aor, at - 1), oh_span_from(aor, at),
                             &found) == OH_OK &&
           found.gone_at == 0;
}

static int add_one(struct restore *r, struct oh_span aor, const struct oh__binding_list *list,
                   struct oh_arena *arena)
{
    int rc;

    if (!has_account(r, aor))
        return OH_OK;
    rc = oh__location_adopt(r->admin.location, aor, list, r->admin.wall, r->admin.journal, arena);
    r->added += rc == OH_OK;
    r->kept += rc == OH_E_DUPLICATE;
    return rc == OH_E_DUPLICATE || rc == OH_E_ABSENT ? OH_OK : rc;
}

static int add_all(struct restore *r)
{
    struct oh__location_cursor at = {0};
    struct oh__binding_list list;
    struct oh_arena arena;
    struct oh_span aor;
    uint64_t version;
    int rc = OH_OK, committed;

    oh_arena_init(&arena, oh_alloc_default(), WALK_MOST);
    while (rc == OH_OK &&
           (rc = oh__location_next(r->then, &at, &arena, &aor, &version, &list)) == OH_OK) {
        rc = add_one(r, aor, &list, &arena);
        oh_arena_reset(&arena);
    }
    oh_arena_done(&arena);
    /* What was added before a failure stays, and is worth being on disk. */
    committed = r->admin.journal ? oh__journal_commit(r->admin.journal) : OH_OK;
    return rc == OH_E_ABSENT ? committed : rc;
}

/* ---- the command ---- */

static void log_restored(struct oh__host *host, const struct restore *r, const char *from)
{
    char counts[160];

    snprintf(
        counts, sizeof counts,
        "accounts: %llu restored, %llu removed; registrations: %llu added, %llu kept, %u ended",
        (unsigned long long)r->restored, (unsigned long long)r->removed,
        (unsigned long long)r->added, (unsigned long long)r->kept, r->ended);
    const struct oh__log_field fields[] = {{"directory", oh_span_str(from)},
                                           {"msg", oh_span_str(counts)}};

    oh__log_event(host->log, OH__LOG_INFO, "restored", fields, 2);
    if (r->useless)
        oh__log_say(host->log, OH__LOG_WARN, "accounts-useless",
                    "%u of the restored accounts are of a realm that this server does not ask for, "
                    "and no phone can use them: make them again with `offhook user add NAME`",
                    r->useless);
}

static json_t *reply_of(const struct restore *r, const char *from)
{
    json_t *reply = oh__control_ok();

    json_object_set_new(reply, "directory", oh__json_text(oh_span_str(from)));
    json_object_set_new(reply, "accounts_restored", json_integer((json_int_t)r->restored));
    json_object_set_new(reply, "accounts_removed", json_integer((json_int_t)r->removed));
    json_object_set_new(reply, "accounts_useless", json_integer(r->useless));
    json_object_set_new(reply, "added", json_integer((json_int_t)r->added));
    json_object_set_new(reply, "kept", json_integer((json_int_t)r->kept));
    json_object_set_new(reply, "ended", json_integer(r->ended));
    return reply;
}

/* The steps in their order; until the store has the accounts, a failure changes nothing. */
static json_t *restore_from(struct oh__host *host, struct restore *r, const char *from)
{
    char why[OH__STORE_WHY] = "";
    int rc = prepare(r, from, why);

    if (rc == OH_OK)
        rc = oh__store_accounts_replace(r->admin.store, r->backup, why);
    if (rc != OH_OK)
        return oh__control_error(EXIT_REFUSE, "nothing was restored: %s",
                                 why[0] ? why : oh_error_text(rc));
    rc = follow(r);
    if (rc != OH_OK)
        return oh__control_error(EXIT_REFUSE,
                                 "the accounts are restored on disk, but not all of them are in "
                                 "force (%s): restart the server",
                                 oh_error_text(rc));
    rc = add_all(r);
    log_restored(host, r, from);
    if (rc != OH_OK)
        return oh__control_error(EXIT_REFUSE,
                                 "the accounts are restored, but not all registrations (%s): those "
                                 "phones come back when they register again",
                                 oh_error_text(rc));
    return reply_of(r, from);
}

json_t *oh__control_restore(struct oh__host *host, const json_t *request)
{
    const char *from = oh__json_str(request, "directory");
    const struct oh__config *config;
    struct restore r = {0};
    json_t *reply;

    if (from[0] != '/')
        return oh__control_error(EXIT_USAGE,
                                 "the directory must be an absolute path, because the server "
                                 "works in another directory than you");
    oh__control_admin(host, &r.admin, &config);
    /* The time by which the phones of this process expire, whatever was done to the clock. */
    r.admin.wall = oh__host_wall(host, oh__clock_now());
    oh_arena_init(&r.names, oh_alloc_default(), GONE_MOST);
    reply = restore_from(host, &r, from);
    oh_arena_done(&r.names);
    oh__location_free(r.then);
    oh__store_close(r.backup);
    oh__config_unref(config);
    return reply;
}
