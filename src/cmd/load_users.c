/*
 * Who plays in a load test: numbered users of one domain, or the accounts of a
 * file. Their addresses are written once, into one block, so that a message
 * costs a copy and not a conversion.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/load.h"
#include "host/csv_accounts.h"

#define SCHEME_N    4 /* "sip:" */
#define FILE_MAX    ((size_t)128 << 20)
#define NUMBER_ROOM 20 /* digits that a format may add */

static int no_memory(const struct oh__load_config *c)
{
    return oh__load_refuse(c, OH__EXIT_REFUSED, "not enough memory for the users of this test");
}

/* Takes the memory of n users whose texts have so many bytes together. */
static bool reserve(struct oh__load_users *users, size_t n, size_t text)
{
    users->list = oh_alloc_zero(oh_alloc_default(), n, sizeof *users->list);
    users->text = oh_alloc(oh_alloc_default(), text);
    users->n = (uint32_t)n;
    users->text_cap = text;
    return users->list && users->text;
}

/* What was written since `from`. */
static struct oh_span since(const struct oh_buf *b, size_t from)
{
    return oh_span(b->p + from, b->n - from);
}

/* Writes the address of a user whose name stands in the buffer from `from` + "sip:" on. */
static void finish_aor(struct oh__load_user *u, struct oh_buf *b, size_t from,
                       struct oh_span domain)
{
    u->name_n = (uint32_t)(b->n - from - SCHEME_N);
    oh_buf_char(b, '@');
    oh_buf_span(b, domain);
    u->aor = since(b, from);
}

/* Writes where the user's REGISTER goes. */
static void put_home(struct oh__load_user *u, struct oh_buf *b, struct oh_span domain)
{
    size_t from = b->n;

    oh_buf_lit(b, "sip:");
    oh_buf_span(b, domain);
    u->home = since(b, from);
}

/* Writes the inside of a quoted-string. */
static void put_escaped(struct oh_buf *b, struct oh_span text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\' || text.p[i] == '"')
            oh_buf_char(b, '\\');
        oh_buf_char(b, text.p[i]);
    }
}

/* Numbered users; the formats were checked when the options were read. */
static int make_numbered(const struct oh__load_config *c, struct oh__load_users *users)
{
    struct oh_span format = oh_span_str(c->user_format);
    struct oh_span password = oh_span_str(c->password_format);
    size_t each = SCHEME_N + format.n + 1 + strlen(c->domain) + password.n + 2 * NUMBER_ROOM;
    struct oh_buf b;

    if (!reserve(users, c->users, each * (c->users + (size_t)1)))
        return no_memory(c);
    oh_buf_init(&b, users->text, users->text_cap);
    put_home(&users->list[0], &b, oh_span_str(c->domain));
    for (uint32_t i = 0; i < c->users; i++) {
        struct oh__load_user *u = &users->list[i];
        size_t from = b.n;

        oh_buf_lit(&b, "sip:");
        oh__load_format(format, i, &b);
        finish_aor(u, &b, from, oh_span_str(c->domain));
        u->auth_name = oh__load_user_name(u);
        u->home = users->list[0].home;
        from = b.n;
        oh__load_format(password, i, &b);
        u->password = since(&b, from);
    }
    return oh_buf_error(&b) == OH_OK ? OH__EXIT_OK : no_memory(c);
}

/* Reads a whole file into one block. OH_OK, OH_E_IO (errno tells), OH_E_LIMIT, OH_E_NOMEM. */
static int read_file(const char *path, char **text, size_t *n, size_t *cap)
{
    const struct oh_alloc *a = oh_alloc_default();
    FILE *f = fopen(path, "rb");
    int rc = f ? OH_OK : OH_E_IO;
    size_t got = 1;

    while (rc == OH_OK && got > 0) {
        if (*n == *cap) {
            size_t more = *cap ? *cap * 2 : 65536;
            char *p = more > FILE_MAX ? NULL : oh_realloc(a, *text, *cap, more);

            if (!p) {
                rc = more > FILE_MAX ? OH_E_LIMIT : OH_E_NOMEM;
                break;
            }
            *text = p;
            *cap = more;
        }
        got = fread(*text + *n, 1, *cap - *n, f);
        *n += got;
        if (got == 0 && ferror(f))
            rc = OH_E_IO;
    }
    if (f)
        fclose(f);
    return rc;
}

/* Copies the accounts out of the file's memory, in the form that messages have. */
static int copy_accounts(const struct oh__load_config *c, const struct oh__csv_accounts *accounts,
                         struct oh__load_users *users)
{
    size_t text = 1;
    struct oh_buf b;

    for (size_t i = 0; i < accounts->n; i++) {
        const struct oh__new_account *a = &accounts->rows[i].account;

        /* A user part may need escapes of three bytes for one, the name of digest two. */
        text += 2 * SCHEME_N + 5 * a->user.n + 1 + 2 * a->domain.n + 2 * strlen(c->domain) +
                2 * a->auth_name.n + a->password.n;
    }
    if (!reserve(users, accounts->n, text))
        return no_memory(c);
    oh_buf_init(&b, users->text, users->text_cap);
    for (size_t i = 0; i < accounts->n; i++) {
        const struct oh__new_account *a = &accounts->rows[i].account;
        struct oh_span domain = oh_span_str(c->domain);
        struct oh__load_user *u = &users->list[i];
        size_t from = b.n;

        oh_buf_lit(&b, "sip:");
        oh_uri_put_user(&b, a->user);
        finish_aor(u, &b, from, a->domain.n ? a->domain : domain);
        put_home(u, &b, a->domain.n ? a->domain : domain);
        from = b.n;
        put_escaped(&b, a->auth_name.n ? a->auth_name : a->user);
        u->auth_name = since(&b, from);
        from = b.n;
        oh_buf_span(&b, a->password);
        u->password = since(&b, from);
    }
    return oh_buf_error(&b) == OH_OK ? OH__EXIT_OK : no_memory(c);
}

/* Says what is wrong with the file of accounts, or takes its rows over. */
static int take_accounts(const struct oh__load_config *c, int rc,
                         const struct oh__csv_accounts *accounts, struct oh__load_users *users)
{
    if (rc != OH_OK)
        return oh__load_refuse(c, OH__EXIT_REFUSED, "%s: %s", c->accounts, oh_error_text(rc));
    if (accounts->faults_n)
        return oh__load_refuse(c, OH__EXIT_REFUSED, "%s, line %u: %s", c->accounts,
                               accounts->faults[0].line, accounts->faults[0].why);
    if (accounts->n == 0 || accounts->n > OH__LOAD_USERS_MAX)
        return oh__load_refuse(c, OH__EXIT_REFUSED, "%s: it must have 1 to %d accounts",
                               c->accounts, OH__LOAD_USERS_MAX);
    return copy_accounts(c, accounts, users);
}

/* The whole file is read first: a wrong line anywhere means that nothing is sent. */
static int make_of_file(const struct oh__load_config *c, struct oh__load_users *users)
{
    struct oh__csv_accounts accounts = {0};
    char *text = NULL;
    size_t n = 0, cap = 0;
    int rc = read_file(c->accounts, &text, &n, &cap), status;

    if (rc == OH_E_IO) {
        status = oh__load_refuse(c, OH__EXIT_REFUSED, "%s: %s", c->accounts, strerror(errno));
    } else {
        if (rc == OH_OK)
            rc = oh__csv_accounts_read(oh_span(text, n), &accounts);
        status = take_accounts(c, rc, &accounts, users);
        oh__csv_accounts_done(&accounts);
    }
    oh_free(oh_alloc_default(), text, cap);
    return status;
}

/* Without passwords no room for logins is needed, which is the larger part per user. */
static bool anybody_has_password(const struct oh__load_users *users)
{
    for (uint32_t i = 0; i < users->n; i++)
        if (users->list[i].password.n)
            return true;
    return false;
}

int oh__load_users_make(const struct oh__load_config *c, struct oh__load_users *out)
{
    int status;

    *out = (struct oh__load_users){0};
    status = c->accounts ? make_of_file(c, out) : make_numbered(c, out);
    if (status == OH__EXIT_OK && anybody_has_password(out)) {
        out->logins = oh__load_logins_new(out->n);
        if (!out->logins)
            status = no_memory(c);
    }
    if (status != OH__EXIT_OK)
        oh__load_users_done(out);
    return status;
}

void oh__load_users_done(struct oh__load_users *users)
{
    oh__load_logins_free(users->logins, users->n);
    oh_free(oh_alloc_default(), users->list, users->n * sizeof *users->list);
    oh_free(oh_alloc_default(), users->text, users->text_cap);
    *users = (struct oh__load_users){0};
}
