/*
 * The same commands with nobody to ask. Bindings are read only when they
 * matter: a backup copies them, and a removed account must not ring again at
 * the next start.
 */
#include "host/offline.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "host/admin.h"
#include "host/admin_commands.h"
#include "host/control_commands.h"
#include "host/control_json.h"
#include "net/system.h"

#define BINDINGS_MOST 2000000u /* as the default of the setting bindings_max */

/* A locked state and what works on it. */
struct offline {
    struct oh__store *store;
    struct oh__location *location;
    struct oh_hasher *hasher;
    struct oh__rng rng;
    struct oh__admin admin;
};

static int take_record(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    struct offline *o = ctx;
    int r = oh__location_restore(o->location, aor, version, record, o->admin.wall);

    return r == OH_E_CORRUPT ? OH_OK : r; /* as at a start: it loses one phone's binding */
}

/* Bindings are read only for those who change or copy them. */
static int read_bindings(struct offline *o, char why[OH__OFFLINE_WHY])
{
    char text[OH__STORE_WHY] = "";
    uint8_t key[16];
    int r = oh__entropy(key, sizeof key);

    if (r == OH_OK) {
        o->location = oh__location_new(oh_alloc_default(), key, BINDINGS_MOST);
        r = o->location ? OH_OK : OH_E_NOMEM;
    }
    if (r == OH_OK)
        r = oh__store_replay(o->store, take_record, o, text);
    if (r != OH_OK)
        snprintf(why, OH__OFFLINE_WHY, "the registrations could not be read: %s",
                 text[0] ? text : oh_error_text(r));
    o->admin.location = o->location;
    o->admin.journal = oh__store_journal(o->store, 0);
    return r;
}

static int open_state(struct offline *o, const char *state, char why[OH__OFFLINE_WHY])
{
    struct oh__store_options options = {.dir = state, .workers = 1};
    char text[OH__STORE_WHY] = "";
    uint8_t seed[32];

    *o = (struct offline){0};
    int r = oh__store_open(&options, &o->store, text);

    if (r != OH_OK) {
        snprintf(why, OH__OFFLINE_WHY, "%s", text);
        return r;
    }
    o->hasher = oh__hasher_new();
    if (!o->hasher || oh__entropy(seed, sizeof seed) != OH_OK) {
        snprintf(why, OH__OFFLINE_WHY, "not enough memory or entropy");
        return OH_E_NOMEM;
    }
    oh__rng_init(&o->rng, seed);
    o->admin.store = o->store;
    o->admin.hasher = o->hasher;
    o->admin.rng = &o->rng;
    o->admin.wall = oh__clock_wall();
    if (oh__admin_recall(o->store, o->admin.domain, o->admin.realm) != OH_OK)
        o->admin.realm[0] = '\0';
    return OH_OK;
}

static void close_state(struct offline *o)
{
    oh__location_free(o->location);
    oh__hasher_free(o->hasher);
    oh__store_close(o->store);
}

/* A cursor over the table, for the copy. */
struct cursor {
    struct oh__location *location;
    struct oh__location_cursor at;
    struct oh_arena arena;
};

static int next_record(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    struct cursor *c = ctx;
    struct oh__binding_list list;

    oh_arena_reset(&c->arena);
    int r = oh__location_next(c->location, &c->at, &c->arena, aor, version, &list);

    return r == OH_OK ? oh__location_encode(&list, &c->arena, record) : r;
}

static json_t *back_up(struct offline *o, const json_t *request)
{
    struct cursor c = {.location = o->location};
    const char *to = oh__json_str(request, "directory");
    char why[OH__STORE_WHY] = "";

    oh_arena_init(&c.arena, oh_alloc_default(), 1024 * 1024);
    int r = oh__store_backup(o->store, to, next_record, &c, why);

    oh_arena_done(&c.arena);
    if (r != OH_OK)
        return oh__control_error(9, "%s", why[0] ? why : oh_error_text(r));
    json_t *reply = oh__control_ok();

    json_object_set_new(reply, "directory", oh__json_text(oh_span_str(to)));
    return reply;
}

/* Without a realm on record, an account that names no domain could never log in. */
static bool lacks_realm(const struct offline *o, const json_t *request)
{
    return !o->admin.realm[0] && !oh__json_member(request, "domain").n &&
           !oh__json_member(request, "realm").n &&
           strcmp(oh__json_str(request, "command"), "user-add") == 0;
}

static int run(struct offline *o, const json_t *request, json_t **reply, char why[OH__OFFLINE_WHY])
{
    const char *command = oh__json_str(request, "command");
    bool backup = strcmp(command, "backup") == 0;
    int r = OH_OK;

    if (lacks_realm(o, request)) {
        snprintf(why, OH__OFFLINE_WHY,
                 "no server has used this state directory yet, so its domain is not known: say "
                 "--domain NAME, or start the server first");
        return OH_E_ABSENT;
    }
    /* Replaying a million bindings takes a second: not for a list of accounts. */
    if (backup || strcmp(command, "user-remove") == 0)
        r = read_bindings(o, why);
    if (r == OH_OK)
        *reply = backup ? back_up(o, request) : oh__admin_command(&o->admin, request);
    return r;
}

/*
 * A directory that is not there is mostly a misspelt one: a list of nothing, or a backup of
 * nothing, would hide that. Only who brings accounts along may begin a new state.
 */
static bool misspelt(const char *state, const json_t *request)
{
    const char *command = oh__json_str(request, "command");

    return access(state, F_OK) != 0 && errno == ENOENT && strcmp(command, "user-add") != 0 &&
           strcmp(command, "user-import") != 0;
}

/* The whole state is exchanged: "before" tells whether there was one, which is kept beside it. */
static json_t *put_back(const char *state, const json_t *request)
{
    bool before = access(state, F_OK) == 0;
    char why[OH__STORE_WHY] = "";
    int r = oh__store_restore(oh__json_str(request, "directory"), state, why);

    if (r != OH_OK)
        return oh__control_error(9, "%s", why[0] ? why : oh_error_text(r));
    json_t *reply = oh__control_ok();

    json_object_set_new(reply, "state", oh__json_text(oh_span_str(state)));
    json_object_set_new(reply, "before", json_boolean(before));
    return reply;
}

int oh__offline_run(const char *state, const json_t *request, json_t **reply,
                    char why[OH__OFFLINE_WHY])
{
    struct offline o;

    /* It makes the state, or locks it by itself. */
    if (strcmp(oh__json_str(request, "command"), "restore") == 0) {
        *reply = put_back(state, request);
        return OH_OK;
    }
    if (misspelt(state, request)) {
        snprintf(why, OH__OFFLINE_WHY,
                 "there is no state directory %s: start a server with `offhook serve`, or name its "
                 "directory with --state",
                 state);
        return OH_E_ABSENT;
    }
    int r = open_state(&o, state, why);

    if (r == OH_OK)
        r = run(&o, request, reply, why);
    close_state(&o);
    return r;
}

int oh__offline_realm(const char *state, char realm[OH__NAME_MAX])
{
    struct oh__store_options options = {.dir = state, .read_only = true, .workers = 1};
    char why[OH__STORE_WHY], domain[OH__NAME_MAX], found[OH__NAME_MAX];
    struct oh__store *store;
    int r = oh__store_open(&options, &store, why);

    if (r != OH_OK)
        return r;
    r = oh__admin_recall(store, domain, found);
    oh__store_close(store);
    if (r == OH_OK && !found[0])
        r = OH_E_ABSENT;
    if (r == OH_OK)
        memcpy(realm, found, OH__NAME_MAX);
    return r;
}

bool oh__offline_busy(const char *state)
{
    struct oh__store_options options = {.dir = state, .read_only = true, .workers = 1};
    char why[OH__STORE_WHY];
    struct oh__store *store = NULL;
    int r = oh__store_open(&options, &store, why);

    if (r == OH_OK)
        oh__store_close(store);
    return r == OH_E_BUSY;
}
