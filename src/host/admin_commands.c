/*
 * Accounts by JSON. What the commands of the terminal, the control socket and
 * later an HTTP interface may ask is decided here once, with its limits: a
 * page of a list, the rows of one import, the faults that are told.
 * Hashes never leave: whoever reads a reply cannot log in with it.
 */
#include "host/admin_commands.h"

#include <stdio.h>

#include "host/control_commands.h"
#include "host/control_json.h"

#define LIST_MOST   5000
#define FAULTS_MAX  1000
#define ROWS_MOST   100000
#define EXIT_NO     1
#define EXIT_REFUSE 9

static struct oh_span text_of(const char *s)
{
    return oh_span_str(s);
}

/* "101@example.com", or "101" for an account of every domain. */
static void put_aor(struct oh_span user, struct oh_span domain, char out[600])
{
    snprintf(out, 600, "%.*s%s%.*s", OH_PRI(oh_span_head(user, 255)), domain.n ? "@" : "",
             OH_PRI(oh_span_head(domain, 255)));
}

/* True when phones can use an account of this domain. */
static bool served(const struct oh__settings *s, struct oh_span domain)
{
    if (!s || domain.n == 0)
        return true;
    if (s->domains_n == 0)
        return oh_span_ieq(domain, text_of(s->default_domain));
    for (unsigned i = 0; i < s->domains_n; i++)
        if (oh_span_ieq(domain, text_of(s->domains[i].name)))
            return true;
    return false;
}

static void note_domain(const struct oh__admin *admin, struct oh_span user, struct oh_span domain,
                        struct oh_span realm, json_t *reply)
{
    char text[1024];

    if (!served(admin->settings, domain))
        snprintf(text, sizeof text,
                 "this server does not serve the domain %.*s, so no phone can use this account "
                 "yet: add the domain to `domains` in the configuration (or --domain) and reload",
                 OH_PRI(oh_span_head(domain, 255)));
    else if (domain.n == 0 && realm.n && !oh__admin_asks(admin->settings, realm))
        snprintf(text, sizeof text,
                 "this server asks for the passwords of its domains, and this account is of the "
                 "realm %.*s, from before it had any: no phone can use it; make another with "
                 "`offhook user add %.*s`",
                 OH_PRI(oh_span_head(realm, 255)), OH_PRI(oh_span_head(user, 255)));
    else
        return;
    json_object_set_new(reply, "note", oh__json_text(text_of(text)));
}

/* The reply about one account. */
static json_t *reply_of(const struct oh__admin *admin, const struct oh__account *account,
                        struct oh_span password)
{
    json_t *reply = oh__control_ok();

    json_object_set_new(reply, "user", oh__json_text(text_of(account->user)));
    json_object_set_new(reply, "domain", oh__json_text(text_of(account->domain)));
    json_object_set_new(reply, "auth_name", oh__json_text(text_of(account->auth_name)));
    json_object_set_new(reply, "realm", oh__json_text(text_of(account->realm)));
    json_object_set_new(reply, "name", oh__json_text(text_of(account->name)));
    json_object_set_new(reply, "admin", json_boolean(account->flags & OH__ACCOUNT_ADMIN));
    json_object_set_new(reply, "barred", json_boolean(account->flags & OH__ACCOUNT_BARRED));
    if (password.n)
        json_object_set_new(reply, "password", oh__json_text(password));
    note_domain(admin, text_of(account->user), text_of(account->domain), text_of(account->realm),
                reply);
    return reply;
}

/* An exit status for a code of the store. */
static json_t *failed(int code, const char *why)
{
    return oh__control_error(code == OH_E_ABSENT ? EXIT_NO : EXIT_REFUSE, "%s", why);
}

/* The account that a request names. NULL: *reply says why not. */
static bool find(struct oh__admin *admin, const json_t *request, struct oh__account *out,
                 json_t **reply)
{
    struct oh_span user = oh__json_member(request, "user");
    struct oh_span domain = oh__json_member(request, "domain");
    char aor[600];
    int r = oh__admin_find(admin, user, domain, out);

    if (r == OH_OK)
        return true;
    put_aor(user, domain, aor);
    if (r == OH_E_ABSENT)
        *reply = oh__control_error(
            EXIT_NO,
            "there is no account %s: see `offhook user list`, or make it with "
            "`offhook user add %s`",
            aor, aor);
    else
        *reply = oh__control_error(EXIT_REFUSE, "the accounts could not be read: %s",
                                   oh_error_text(r));
    return false;
}

/* The request's password, or a new one in room. */
static struct oh_span password_of(struct oh__admin *admin, const json_t *request,
                                  char room[OH__PASSWORD_MAX], bool *fresh)
{
    struct oh_span given = oh__json_member(request, "password");

    /* An empty one was given all the same: it is refused, not replaced by ours. */
    *fresh = given.p == NULL;
    if (!*fresh)
        return given;
    oh__password_make(admin->rng, room);
    return text_of(room);
}

/*
 * user-add: user, domain, auth_name, realm, name, password (strings, all but user optional), admin,
 * barred (booleans). The reply has the account, and the password when it was made here.
 */
static json_t *user_add(struct oh__admin *admin, const json_t *request)
{
    struct oh__admin_row row = {.account = {.user = oh__json_member(request, "user"),
                                            .domain = oh__json_member(request, "domain"),
                                            .auth_name = oh__json_member(request, "auth_name"),
                                            .realm = oh__json_member(request, "realm"),
                                            .name = oh__json_member(request, "name")}};
    char room[OH__PASSWORD_MAX], why[OH__ADMIN_WHY] = "", aor[600];
    struct oh__account account;
    struct oh__admin_put done;
    bool fresh;

    row.account.password = password_of(admin, request, room, &fresh);
    if (json_is_true(json_object_get(request, "admin")))
        row.account.flags |= OH__ACCOUNT_ADMIN;
    if (json_is_true(json_object_get(request, "barred")))
        row.account.flags |= OH__ACCOUNT_BARRED;
    oh__admin_complete(admin, &row.account);
    const char *fault = oh__account_fault(&row.account);

    if (fault)
        return oh__control_error(EXIT_REFUSE, "%s", fault);
    int r = oh__admin_get(admin, row.account.user, row.account.domain, &account);

    put_aor(row.account.user, row.account.domain, aor);
    if (r == OH_OK && account.gone_at == 0)
        return oh__control_error(EXIT_REFUSE,
                                 "there is an account %s already: give it a new password with "
                                 "`offhook user passwd %s`",
                                 aor, aor);
    if ((r != OH_OK && r != OH_E_ABSENT) ||
        (r = oh__admin_put(admin, &row, 1, &done, why)) != OH_OK ||
        (r = oh__admin_get(admin, row.account.user, row.account.domain, &account)) != OH_OK)
        return failed(r == OH_E_ABSENT ? OH_E_IO : r, why[0] ? why : oh_error_text(r));
    return reply_of(admin, &account, fresh ? row.account.password : oh_span(NULL, 0));
}

/* user-passwd: user, domain, password (optional). The reply as for user-add. */
static json_t *user_passwd(struct oh__admin *admin, const json_t *request)
{
    char room[OH__PASSWORD_MAX], why[OH__ADMIN_WHY] = "";
    struct oh__account account;
    json_t *reply;
    bool fresh;

    if (!find(admin, request, &account, &reply))
        return reply;
    struct oh_span password = password_of(admin, request, room, &fresh);
    struct oh__new_account probe = {
        .user = text_of(account.user), .realm = text_of(account.realm), .password = password};
    const char *fault = oh__account_fault(&probe);

    if (fault)
        return oh__control_error(EXIT_REFUSE, "%s", fault);
    int r = oh__admin_passwd(admin, &account, password, why);

    return r == OH_OK ? reply_of(admin, &account, fresh ? password : oh_span(NULL, 0))
                      : failed(r, why);
}

static void set_flag(const json_t *request, const char *key, uint32_t flag, uint32_t *flags)
{
    const json_t *v = json_object_get(request, key);

    if (json_is_true(v))
        *flags |= flag;
    else if (json_is_false(v))
        *flags &= ~flag;
}

/* user-set: user, domain, and what is to change of name, admin, barred. The reply has the account.
 */
static json_t *user_set(struct oh__admin *admin, const json_t *request)
{
    struct oh_span name = oh__json_member(request, "name");
    char why[OH__ADMIN_WHY] = "";
    struct oh__account account;
    json_t *reply;

    if (!find(admin, request, &account, &reply))
        return reply;
    if (name.n >= sizeof account.name)
        return oh__control_error(EXIT_REFUSE, "the display name must have at most 255 bytes");
    if (name.p) {
        memcpy(account.name, name.p, name.n);
        account.name[name.n] = '\0';
    }
    set_flag(request, "admin", OH__ACCOUNT_ADMIN, &account.flags);
    set_flag(request, "barred", OH__ACCOUNT_BARRED, &account.flags);
    int r = oh__admin_update(admin, &account, why);

    return r == OH_OK ? reply_of(admin, &account, oh_span(NULL, 0)) : failed(r, why);
}

/*
 * user-remove: user, domain, forget (boolean). A tombstone can be forgotten, too. The reply has
 * "ended": how many addresses-of-record had phones.
 */
static json_t *user_remove(struct oh__admin *admin, const json_t *request)
{
    bool forget = json_is_true(json_object_get(request, "forget"));
    struct oh__new_account name = {.user = oh__json_member(request, "user"),
                                   .domain = oh__json_member(request, "domain")};
    char why[OH__ADMIN_WHY] = "";
    struct oh__account account;
    json_t *reply;
    unsigned ended = 0;

    oh__admin_complete(admin, &name);
    /* A tombstone can only be forgotten; for everything else it is as if it were not there. */
    if (!forget || oh__admin_get(admin, name.user, name.domain, &account) != OH_OK) {
        if (!find(admin, request, &account, &reply))
            return reply;
    }
    int r = oh__admin_remove(admin, &account, forget, &ended, why);

    if (r != OH_OK)
        return failed(r, why);
    reply = reply_of(admin, &account, oh_span(NULL, 0));
    json_object_del(reply, "note");
    json_object_set_new(reply, "ended", json_integer(ended));
    return reply;
}

/* ---- list ---- */

struct list {
    struct oh_span after_user, after_domain; /* what the client has seen last; empty: nothing */
    struct oh_span domain;
    bool all;
    uint64_t most;
    json_t *accounts, *next;
};

static json_t *hashes_of(const struct oh__account_row *row)
{
    static const char *const names[3] = {"MD5", "SHA-256", "SHA-512-256"};
    json_t *v = json_array();

    for (unsigned i = 0; i < 3; i++)
        if (row->ha1[i].n)
            json_array_append_new(v, json_string(names[i]));
    return v;
}

static int list_one(void *ctx, const struct oh__account_row *row)
{
    struct list *l = ctx;
    json_t *o;

    if (oh_span_eq(row->user, l->after_user) && oh_span_eq(row->domain, l->after_domain))
        return OH_OK;
    if ((row->gone_at && !l->all) || (l->domain.p && !oh_span_ieq(row->domain, l->domain)))
        return OH_OK;
    if (json_array_size(l->accounts) >= l->most) {
        const json_t *last = json_array_get(l->accounts, l->most - 1);

        l->next = json_pack("[O,O]", json_object_get(last, "user"),
                            json_object_get(last, "domain"));
        return 1;
    }
    o = json_object();
    json_object_set_new(o, "user", oh__json_text(row->user));
    json_object_set_new(o, "domain", oh__json_text(row->domain));
    json_object_set_new(o, "auth_name", oh__json_text(row->auth_name));
    json_object_set_new(o, "realm", oh__json_text(row->realm));
    json_object_set_new(o, "name", oh__json_text(row->name));
    json_object_set_new(o, "admin", json_boolean(row->flags & OH__ACCOUNT_ADMIN));
    json_object_set_new(o, "barred", json_boolean(row->flags & OH__ACCOUNT_BARRED));
    json_object_set_new(o, "hashes", hashes_of(row));
    json_object_set_new(o, "gone_at",
                        row->gone_at ? json_integer((json_int_t)row->gone_at) : json_null());
    json_array_append_new(l->accounts, o);
    return OH_OK;
}

/*
 * user-list: domain (optional), all (boolean), limit, after ([user, domain] of an earlier reply's
 * "next"). The reply has "accounts" in the order of user and domain, and "next" or null.
 */
static json_t *user_list(struct oh__admin *admin, const json_t *request)
{
    const json_t *after = json_object_get(request, "after");
    struct list l = {.domain = oh__json_member(request, "domain"),
                     .all = json_is_true(json_object_get(request, "all")),
                     .most = oh__json_u64(request, "limit", LIST_MOST),
                     .accounts = json_array()};
    const char *user = json_string_value(json_array_get(after, 0));
    const char *domain = json_string_value(json_array_get(after, 1));
    json_t *reply;

    l.after_user = text_of(user);
    l.after_domain = text_of(domain);
    if (l.most == 0 || l.most > LIST_MOST)
        l.most = LIST_MOST;
    int r = oh__store_accounts_from(admin->store, l.after_user, l.after_domain, list_one, &l);

    if (r < 0) {
        json_decref(l.accounts);
        return oh__control_error(EXIT_REFUSE, "the accounts could not be read: %s",
                                 oh_error_text(r));
    }
    reply = oh__control_ok();
    json_object_set_new(reply, "accounts", l.accounts);
    json_object_set_new(reply, "next", l.next ? l.next : json_null());
    return reply;
}

/* ---- import ---- */

static struct oh_span element(const json_t *row, size_t i)
{
    const json_t *v = json_array_get(row, i);

    return json_is_string(v) ? oh_span(json_string_value(v), json_string_length(v))
                             : oh_span(NULL, 0);
}

static void read_row(const struct oh__admin *admin, const json_t *from, struct oh__admin_row *row)
{
    const json_t *line = json_array_get(from, 0);

    *row = (struct oh__admin_row){.line = (unsigned)json_integer_value(line),
                                  .keep = true, /* a file has no flags, and perhaps no names */
                                  .account = {.user = element(from, 1),
                                              .domain = element(from, 2),
                                              .auth_name = element(from, 3),
                                              .realm = element(from, 4),
                                              .password = element(from, 5),
                                              .ha1 = {element(from, 6), element(from, 7)},
                                              .name = element(from, 8)}};
    oh__admin_complete(admin, &row->account);
}

static json_t *faulty(const struct oh__admin_fault *faults, unsigned n)
{
    json_t *reply = oh__control_error(EXIT_REFUSE,
                                      "%u of the accounts are wrong; none was imported", n);
    json_t *list = json_array();

    for (unsigned i = 0; i < n && i < FAULTS_MAX; i++)
        json_array_append_new(
            list, json_pack("{s:i,s:s}", "line", (int)faults[i].line, "why", faults[i].why));
    json_object_set_new(reply, "faults", list);
    return reply;
}

static json_t *import_rows(struct oh__admin *admin, const struct oh__admin_row *rows, size_t n)
{
    struct oh__admin_fault *faults = oh_alloc_zero(oh_alloc_default(), FAULTS_MAX, sizeof *faults);
    char why[OH__ADMIN_WHY] = "";
    struct oh__admin_put done;
    json_t *reply;
    int r = faults ? oh__admin_check(rows, n, faults, FAULTS_MAX) : OH_E_NOMEM;

    if (r > 0) {
        reply = faulty(faults, (unsigned)r);
    } else if (r < 0 || (r = oh__admin_put(admin, rows, n, &done, why)) != OH_OK) {
        reply = failed(r == OH_E_ABSENT ? OH_E_SYNTAX : r, why[0] ? why : oh_error_text(r));
    } else {
        reply = oh__control_ok();
        json_object_set_new(reply, "added", json_integer((json_int_t)done.added));
        json_object_set_new(reply, "replaced", json_integer((json_int_t)done.replaced));
        for (size_t i = 0; i < n && !json_object_get(reply, "note"); i++)
            note_domain(admin, rows[i].account.user, rows[i].account.domain, rows[i].account.realm,
                        reply);
    }
    oh_free(oh_alloc_default(), faults, FAULTS_MAX * sizeof *faults);
    return reply;
}

/*
 * user-import: rows, a list of [line, user, domain, auth_name, realm, password, ha1_md5,
 * ha1_sha256, name] where null is absent: one transaction. The reply has "added" and "replaced", or
 * as an error "faults" with line and why.
 */
static json_t *user_import(struct oh__admin *admin, const json_t *request)
{
    const json_t *list = json_object_get(request, "rows");
    size_t n = json_array_size(list);
    struct oh__admin_row *rows;
    json_t *reply;

    if (!json_is_array(list) || n > ROWS_MOST)
        return oh__control_error(2, "rows must be a list of at most %d accounts", ROWS_MOST);
    rows = oh_alloc_zero(oh_alloc_default(), n + 1, sizeof *rows);
    if (!rows)
        return oh__control_error(EXIT_REFUSE, "memory is short");
    for (size_t i = 0; i < n; i++)
        read_row(admin, json_array_get(list, i), &rows[i]);
    reply = import_rows(admin, rows, n);
    oh_free(oh_alloc_default(), rows, (n + 1) * sizeof *rows);
    return reply;
}

json_t *oh__admin_command(struct oh__admin *admin, const json_t *request)
{
    static const struct {
        const char *name;
        json_t *(*run)(struct oh__admin *admin, const json_t *request);
    } commands[] = {{"user-add", user_add},       {"user-list", user_list},
                    {"user-passwd", user_passwd}, {"user-set", user_set},
                    {"user-remove", user_remove}, {"user-import", user_import}};
    const char *name = oh__json_str(request, "command");

    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(admin, request);
    return oh__control_error(2, "there is no command '%s' for accounts", name);
}
