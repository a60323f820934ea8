/*
 * Order matters in every change: the store first, on disk, then the table that
 * workers read. A crash in between leaves what the next start reads anyway; the
 * other way round, a phone could register with a password that a restart
 * forgets.
 */
#include "host/admin.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_MS UINT64_C(86400000)

static struct oh_span text_of(const char *s)
{
    return oh_span_str(s);
}

/* ---- rows ---- */

void oh__admin_complete(const struct oh__admin *admin, struct oh__new_account *a)
{
    if (!a->domain.p)
        a->domain = text_of(admin->domain);
    if (admin->settings && a->domain.n) {
        /* The accounts of an alias are those of the domain it stands for. */
        const struct oh__settings_domain *d = oh__settings_domain(admin->settings, a->domain);

        if (d && admin->settings->domains_n && d->name[0])
            a->domain = text_of(d->name);
    }
    if (!a->realm.n)
        a->realm = a->domain.n ? a->domain : text_of(admin->realm);
    if (!a->auth_name.n)
        a->auth_name = a->user;
}

bool oh__admin_asks(const struct oh__settings *s, struct oh_span realm)
{
    if (!s)
        return true;
    if (s->domains_n == 0)
        return oh_span_ieq(realm, text_of(s->default_domain));
    for (unsigned i = 0; i < s->domains_n; i++)
        if (!s->domains[i].alias_of[0] && oh_span_ieq(realm, text_of(s->domains[i].name)))
            return true;
    return false;
}

static int compare_spans(struct oh_span a, struct oh_span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;

    return d ? d : a.n < b.n ? -1 : a.n > b.n;
}

/* Order of accounts: user, then domain without case. */
static int compare_names(struct oh_span user, struct oh_span domain,
                         const struct oh__new_account *b)
{
    int d = compare_spans(user, b->user);

    return d ? d : oh_span_icmp(domain, b->domain);
}

static int compare_rows(const void *a, const void *b)
{
    const struct oh__admin_row *x = *(const struct oh__admin_row *const *)a;
    const struct oh__admin_row *y = *(const struct oh__admin_row *const *)b;
    int d = compare_names(x->account.user, x->account.domain, &y->account);

    /* Equal ones in the order of the file, so that the later one is the double. */
    return d ? d : x < y ? -1 : x > y;
}

/* Pointers to the rows in the order of their accounts; NULL when memory is short. */
static const struct oh__admin_row **sorted(const struct oh__admin_row *rows, size_t n)
{
    const struct oh__admin_row **v = oh_alloc(oh_alloc_default(), (n + 1) * sizeof *v);

    if (!v)
        return NULL;
    for (size_t i = 0; i < n; i++)
        v[i] = &rows[i];
    qsort(v, n, sizeof *v, compare_rows);
    return v;
}

static void release(const struct oh__admin_row **v, size_t n)
{
    oh_free(oh_alloc_default(), v, (n + 1) * sizeof *v);
}

static int compare_faults(const void *a, const void *b)
{
    const struct oh__admin_fault *x = a, *y = b;

    return x->line < y->line ? -1 : x->line > y->line;
}

int oh__admin_check(const struct oh__admin_row *rows, size_t n, struct oh__admin_fault *faults,
                    unsigned max)
{
    const struct oh__admin_row **v = sorted(rows, n);
    unsigned found = 0, kept;
    const char *why;

    if (!v)
        return OH_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        why = oh__account_fault(&rows[i].account);
        if (why && found++ < max)
            faults[found - 1] = (struct oh__admin_fault){rows[i].line, why};
    }
    for (size_t i = 1; i < n; i++) {
        if (compare_names(v[i - 1]->account.user, v[i - 1]->account.domain, &v[i]->account) == 0 &&
            found++ < max)
            faults[found - 1] = (struct oh__admin_fault){v[i]->line,
                                                         "this account stands in the file twice"};
    }
    release(v, n);
    kept = found < max ? found : max;
    qsort(faults, kept, sizeof *faults, compare_faults);
    return (int)found;
}

/* What an account that is replaced hands on. */
struct kept {
    uint32_t flags;
    struct oh_span name;
};

/* The accounts of the store that the rows replace. */
struct replaced {
    const struct oh__admin_row **v, *rows;
    struct kept *kept; /* by row */
    struct oh_arena arena;
    size_t n, count;
};

static int match_one(void *ctx, const struct oh__account_row *row)
{
    struct replaced *r = ctx;
    size_t low = 0, high = r->n;

    if (compare_spans(row->user, r->v[r->n - 1]->account.user) > 0)
        return 1; /* nobody that comes now can be among them */
    while (low < high && !row->gone_at) {
        size_t mid = low + (high - low) / 2;
        int d = compare_names(row->user, row->domain, &r->v[mid]->account);

        if (d == 0) {
            struct kept *kept = &r->kept[r->v[mid] - r->rows];

            *kept = (struct kept){row->flags, oh_arena_copy(&r->arena, row->name)};
            r->count++;
            return kept->name.p ? OH_OK : OH_E_NOMEM;
        }
        if (d < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return OH_OK;
}

/* Looks the rows up in the store with one walk, from the first user of theirs to the last. To be
 * ended with unmatch in every case. */
static int match(struct oh__admin *admin, const struct oh__admin_row *rows, size_t n,
                 struct replaced *r)
{
    *r = (struct replaced){.v = sorted(rows, n), .rows = rows, .n = n};
    oh_arena_init(&r->arena, oh_alloc_default(), (n + 1) * 272);
    r->kept = oh_alloc_zero(oh_alloc_default(), n + 1, sizeof *r->kept);
    if (!r->v || !r->kept)
        return OH_E_NOMEM;
    if (n == 0)
        return OH_OK;
    int rc = oh__store_accounts_from(admin->store, r->v[0]->account.user, OH_LIT(""), match_one, r);

    return rc < 0 ? rc : OH_OK;
}

static void unmatch(struct replaced *r)
{
    oh_arena_done(&r->arena);
    oh_free(oh_alloc_default(), r->kept, (r->n + 1) * sizeof *r->kept);
    if (r->v)
        release(r->v, r->n);
}

/* Domains are compared without case, so they are kept in lower case. */
static struct oh_span lower(struct oh_span s, char room[256])
{
    size_t n = s.n < 255 ? s.n : 255;

    for (size_t i = 0; i < n; i++)
        room[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] - 'A' + 'a' : s.p[i]);
    return oh_span(room, n);
}

struct made {
    struct oh__account_made made;
    char domain[256];
};

static int make_row(const struct oh__admin *admin, const struct oh__admin_row *row,
                    const struct kept *kept, struct made *out, char why[OH__ADMIN_WHY])
{
    struct oh__new_account account = row->account;
    const char *text = "";

    account.domain = lower(account.domain, out->domain);
    if (oh_span_ieq(account.realm, account.domain))
        account.realm = account.domain; /* the server asks for the realm in lower case, too */
    if (row->keep) {
        account.flags = kept->flags;
        account.name = account.name.p ? account.name : kept->name;
    }
    int r = oh__account_make(admin->hasher, &account, &out->made, &text);

    if (r != OH_OK)
        snprintf(why, OH__ADMIN_WHY, "the account %.*s: %s",
                 OH_PRI(oh_span_head(account.user, 255)), text);
    return r;
}

/* Stores rows, then shows them to the workers. */
static int store_rows(struct oh__admin *admin, const struct oh__account_row *rows, size_t n,
                      char why[OH__ADMIN_WHY])
{
    char text[OH__STORE_WHY] = "";
    int r = oh__store_accounts_put(admin->store, rows, n, text);

    if (r != OH_OK) {
        snprintf(why, OH__ADMIN_WHY, "%s", text[0] ? text : oh_error_text(r));
        return r;
    }
    for (size_t i = 0; i < n && admin->accounts; i++) {
        if (oh__accounts_put(admin->accounts, &rows[i]) != OH_OK) {
            snprintf(why, OH__ADMIN_WHY,
                     "the accounts are stored, but memory is short: restart the server to use all "
                     "of them");
            return OH_E_NOMEM;
        }
    }
    return OH_OK;
}

int oh__admin_put(struct oh__admin *admin, const struct oh__admin_row *rows, size_t n,
                  struct oh__admin_put *done, char why[OH__ADMIN_WHY])
{
    const struct oh_alloc *a = oh_alloc_default();
    struct made *made = oh_alloc_zero(a, n + 1, sizeof *made);
    struct oh__account_row *v = oh_alloc_zero(a, n + 1, sizeof *v);
    struct replaced old;
    int r = match(admin, rows, n, &old);

    if (r == OH_OK && (!made || !v))
        r = OH_E_NOMEM;
    if (r != OH_OK)
        snprintf(why, OH__ADMIN_WHY, "the accounts could not be read: %s", oh_error_text(r));
    for (size_t i = 0; i < n && r == OH_OK; i++) {
        r = make_row(admin, &rows[i], &old.kept[i], &made[i], why);
        v[i] = made[i].made.row;
    }
    if (r == OH_OK)
        r = store_rows(admin, v, n, why);
    if (r == OH_OK)
        *done = (struct oh__admin_put){n - old.count, old.count};
    unmatch(&old);
    oh_free(a, v, (n + 1) * sizeof *v);
    oh_free(a, made, (n + 1) * sizeof *made);
    return r;
}

/* ---- finding ---- */

struct search {
    struct oh_span user, domain;
    struct oh__account *out;
    bool found;
};

static void copy_text(char out[256], struct oh_span s)
{
    size_t n = s.n < 255 ? s.n : 255;

    if (n)
        memcpy(out, s.p, n);
    out[n] = '\0';
}

static int look_at(void *ctx, const struct oh__account_row *row)
{
    struct search *s = ctx;

    if (!oh_span_eq(row->user, s->user))
        return 1; /* all accounts of the user have been seen */
    if (!oh_span_ieq(row->domain, s->domain))
        return OH_OK;
    memset(s->out, 0, sizeof *s->out);
    copy_text(s->out->user, row->user);
    copy_text(s->out->domain, row->domain);
    copy_text(s->out->auth_name, row->auth_name);
    copy_text(s->out->realm, row->realm);
    copy_text(s->out->name, row->name);
    for (unsigned i = 0; i < 3; i++) {
        s->out->ha1_len[i] = (uint8_t)(row->ha1[i].n <= OH_HASH_HEX_MAX ? row->ha1[i].n : 0);
        if (s->out->ha1_len[i])
            memcpy(s->out->ha1[i], row->ha1[i].p, s->out->ha1_len[i]);
    }
    s->out->gone_at = row->gone_at;
    s->out->flags = row->flags;
    s->found = true;
    return 1; /* stops the walk */
}

int oh__admin_get(struct oh__admin *admin, struct oh_span user, struct oh_span domain,
                  struct oh__account *out)
{
    struct oh__account copy;
    struct search s = {user, domain, &copy, false};

    if (user.n > 255 || domain.n > 255)
        return OH_E_ABSENT;
    int r = oh__store_accounts_from(admin->store, user, OH_LIT(""), look_at, &s);

    if (s.found)
        *out = copy;
    return s.found ? OH_OK : r < 0 ? r : OH_E_ABSENT;
}

static int get_live(struct oh__admin *admin, struct oh_span user, struct oh_span domain,
                    struct oh__account *out)
{
    struct oh__account found;
    int r = oh__admin_get(admin, user, domain, &found);

    if (r != OH_OK)
        return r;
    if (found.gone_at)
        return OH_E_ABSENT;
    *out = found;
    return OH_OK;
}

int oh__admin_find(struct oh__admin *admin, struct oh_span user, struct oh_span domain,
                   struct oh__account *out)
{
    struct oh__new_account a = {.user = user, .domain = domain};

    oh__admin_complete(admin, &a);
    int r = get_live(admin, user, a.domain, out);

    /* Without a word about the domain, any account that serves all of them will do. Where there are
     * no domains, what the log and `phones` show behind the @ is the realm: it means the same. */
    bool any = !domain.p || (!admin->domain[0] && oh_span_ieq(domain, text_of(admin->realm)));

    if (r == OH_E_ABSENT && any && a.domain.n)
        r = get_live(admin, user, OH_LIT(""), out);
    return r;
}

/* ---- changing ---- */

static struct oh__new_account new_of(const struct oh__account *account)
{
    struct oh__new_account a = {.user = text_of(account->user),
                                .domain = text_of(account->domain),
                                .auth_name = text_of(account->auth_name),
                                .realm = text_of(account->realm),
                                .name = text_of(account->name),
                                .flags = account->flags};

    return a;
}

int oh__admin_passwd(struct oh__admin *admin, const struct oh__account *account,
                     struct oh_span password, char why[OH__ADMIN_WHY])
{
    struct oh__admin_row row = {.account = new_of(account)};
    struct oh__admin_put done;

    row.account.password = password;
    return oh__admin_put(admin, &row, 1, &done, why);
}

int oh__admin_update(struct oh__admin *admin, const struct oh__account *account,
                     char why[OH__ADMIN_WHY])
{
    struct oh__admin_row row = {.account = new_of(account)};
    struct oh__admin_put done;

    for (unsigned i = 0; i < 3; i++)
        row.account.ha1[i] = oh_span(account->ha1[i], account->ha1_len[i]);
    return oh__admin_put(admin, &row, 1, &done, why);
}

/*
 * Ends the bindings of one AOR as its phone would: Contact "*" with Expires 0
 * (RFC 3261 10.2.2), from a Call-ID of our own, so that no CSeq is in the way.
 */
static int end_bindings(struct oh__admin *admin, struct oh_span user, const char *domain,
                        unsigned *ended)
{
    char aor[600], call_id[48];
    struct oh_arena arena;
    struct oh__binding_list *list;
    enum oh__registered done;
    int n = snprintf(aor, sizeof aor, "%.*s@%s", OH_PRI(user), domain);

    if (n < 0 || (size_t)n >= sizeof aor)
        return OH_E_LIMIT;
    snprintf(call_id, sizeof call_id, "removed-%016llx",
             (unsigned long long)oh__rng_u64(admin->rng));
    oh_arena_init(&arena, oh_alloc_default(), 1024 * 1024);
    list = oh_arena_take(&arena, sizeof *list);
    struct oh__registration reg = {.aor = oh_span(aor, (size_t)n),
                                   .call_id = oh_span_str(call_id),
                                   .cseq = 1,
                                   .star = true,
                                   .wall = admin->wall,
                                   .contacts_max = OH__BINDINGS_PER_AOR};
    int r = OH_E_NOMEM;

    if (list)
        r = oh__location_get(admin->location, reg.aor, admin->wall, &arena, list);
    if (r == OH_OK && list->n > 0) {
        r = oh__location_register(admin->location, &reg, admin->journal, &arena, list, &done);
        *ended += r == OH_OK;
    }
    oh_arena_done(&arena);
    return r;
}

/* The same for an account of every domain, unless somebody has this name in this domain with an
 * account for it alone. */
static int end_shared(struct oh__admin *admin, struct oh_span user, const char *domain,
                      unsigned *ended)
{
    struct oh__account found;

    if (admin->accounts &&
        oh__accounts_find(admin->accounts, user, text_of(domain), &found) == OH_OK &&
        found.domain[0] && found.gone_at == 0)
        return OH_OK;
    return end_bindings(admin, user, domain, ended);
}

/* The bindings of an account of every domain stand under each of the server's names. */
int oh__admin_end_bindings(struct oh__admin *admin, struct oh_span user, struct oh_span domain,
                           unsigned *ended)
{
    const struct oh__settings *s = admin->settings;
    char name[256];
    int r;

    if (!admin->location)
        return OH_OK;
    copy_text(name, domain);
    if (name[0])
        r = end_bindings(admin, user, name, ended);
    else
        r = end_shared(admin, user, s ? s->default_domain : admin->realm, ended);
    for (unsigned i = 0; r == OH_OK && s && !name[0] && i < s->domains_n; i++)
        if (!s->domains[i].alias_of[0])
            r = end_shared(admin, user, s->domains[i].name, ended);
    if (r == OH_OK && admin->journal)
        r = oh__journal_commit(admin->journal);
    return r;
}

int oh__admin_remove(struct oh__admin *admin, const struct oh__account *account, bool forget,
                     unsigned *ended, char why[OH__ADMIN_WHY])
{
    struct oh_span user = text_of(account->user), domain = text_of(account->domain);
    unsigned n = 0;
    char text[OH__STORE_WHY];
    int r = oh__store_account_remove(admin->store, user, domain, forget ? 0 : admin->wall, text);

    if (r != OH_OK) {
        snprintf(why, OH__ADMIN_WHY, "the account %.200s could not be removed: %s", account->user,
                 r == OH_E_ABSENT ? oh_error_text(r) : text);
        return r;
    }
    /* From here on nobody logs in with it, whatever fails below. */
    if (admin->accounts && forget) {
        oh__accounts_remove(admin->accounts, user, domain);
    } else if (admin->accounts) {
        struct oh__account_row row = {.user = user,
                                      .domain = domain,
                                      .auth_name = text_of(account->auth_name),
                                      .realm = text_of(account->realm),
                                      .name = text_of(account->name),
                                      .gone_at = admin->wall,
                                      .flags = account->flags};

        r = oh__accounts_put(admin->accounts, &row);
    }
    if (r == OH_OK)
        r = oh__admin_end_bindings(admin, user, domain, &n);
    if (ended)
        *ended = n;
    if (r != OH_OK)
        snprintf(why, OH__ADMIN_WHY,
                 "the account %s is removed, but its phones are still registered: %s",
                 account->user, oh_error_text(r));
    return r;
}

/* ---- tombstones ---- */

#define PURGE_AT_ONCE 256

struct purge {
    uint64_t before;
    unsigned n;
    char names[PURGE_AT_ONCE][2][256];
};

static int note_old(void *ctx, const struct oh__account_row *row)
{
    struct purge *p = ctx;

    if (row->gone_at == 0 || row->gone_at >= p->before)
        return OH_OK;
    copy_text(p->names[p->n][0], row->user);
    copy_text(p->names[p->n][1], row->domain);
    p->n++;
    return p->n == PURGE_AT_ONCE ? 1 : OH_OK;
}

int oh__admin_purge(struct oh__admin *admin)
{
    struct purge *p = oh_alloc_zero(oh_alloc_default(), 1, sizeof *p);
    int gone = 0, r = OH_OK;

    if (!p)
        return OH_E_NOMEM;
    p->before = admin->wall > OH__TOMBSTONE_DAYS * DAY_MS
                    ? admin->wall - OH__TOMBSTONE_DAYS * DAY_MS
                    : 0;
    /* The walk may not change what it walks over: names are collected first, some at a time. */
    do {
        p->n = 0;
        r = oh__store_accounts_each(admin->store, note_old, p);
        for (unsigned i = 0; i < p->n; i++) {
            struct oh_span user = text_of(p->names[i][0]), domain = text_of(p->names[i][1]);

            r = oh__store_account_remove(admin->store, user, domain, 0, NULL);
            if (r != OH_OK)
                break;
            if (admin->accounts)
                oh__accounts_remove(admin->accounts, user, domain);
            gone++;
        }
    } while (r == OH_OK && p->n == PURGE_AT_ONCE);
    oh_free(oh_alloc_default(), p, sizeof *p);
    return r < 0 ? r : gone;
}

/* ---- what a state remembers ---- */

static const char DOMAIN_NAME[] = "account.domain", REALM_NAME[] = "account.realm";

static int recall(struct oh__store *store, const char *name, char out[OH__NAME_MAX])
{
    size_t n = OH__NAME_MAX - 1;
    int r = oh__store_get(store, name, out, &n);

    out[r == OH_OK ? n : 0] = '\0';
    return r;
}

static int remember(struct oh__store *store, const char *name, const char *value)
{
    char old[OH__NAME_MAX];

    /* Each write is synced to disk, which a start need not wait for when nothing has changed. */
    if (recall(store, name, old) == OH_OK && strcmp(old, value) == 0)
        return OH_OK;
    return oh__store_put(store, name, value, strlen(value));
}

int oh__admin_remember(struct oh__store *store, const char *domain, const char *realm)
{
    int r = remember(store, DOMAIN_NAME, domain);

    return r == OH_OK ? remember(store, REALM_NAME, realm) : r;
}

int oh__admin_recall(struct oh__store *store, char domain[OH__NAME_MAX], char realm[OH__NAME_MAX])
{
    int r = recall(store, DOMAIN_NAME, domain);

    return r == OH_OK ? recall(store, REALM_NAME, realm) : r;
}
