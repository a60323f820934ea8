/*
 * Which column is what. A header may select and order columns freely; whether
 * there is one is decided by the first field alone: nobody's user name is
 * "user" in a file whose first line is data, and if so a header says it.
 */
#include "host/csv_accounts.h"

#include "host/csv.h"

enum column { USER, DOMAIN, AUTH_NAME, REALM, PASSWORD, HA1_MD5, HA1_SHA256, NAME, COLUMNS };
static const char *const NAMES[COLUMNS] = {"user",     "domain",  "auth_name",  "realm",
                                           "password", "ha1_md5", "ha1_sha256", "name"};

#define NAME_SHOWN 40 /* bytes of a name that is none of these */

/* Which column each field of a record is; n fields. */
struct layout {
    unsigned n;
    enum column of[COLUMNS];
};

static int grow(void **v, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 64;
    void *p = oh_realloc(oh_alloc_default(), *v, *cap * size, more * size);

    if (!p)
        return OH_E_NOMEM;
    *v = p;
    *cap = more;
    return OH_OK;
}

static int add_fault(struct oh__csv_accounts *a, unsigned line, const char *why)
{
    size_t cap = a->faults_cap;
    void *v = a->faults;

    if (a->faults_n == a->faults_cap && grow(&v, &cap, sizeof *a->faults) != OH_OK)
        return OH_E_NOMEM;
    a->faults = v;
    a->faults_cap = (unsigned)cap;
    a->faults[a->faults_n++] = (struct oh__admin_fault){line, why};
    return OH_OK;
}

static int add_row(struct oh__csv_accounts *a, const struct oh__admin_row *row)
{
    void *v = a->rows;

    if (a->n == a->cap && grow(&v, &a->cap, sizeof *a->rows) != OH_OK)
        return OH_E_NOMEM;
    a->rows = v;
    a->rows[a->n++] = *row;
    return OH_OK;
}

static bool column_of(struct oh_span field, enum column *out)
{
    for (unsigned i = 0; i < COLUMNS; i++) {
        if (oh_span_ieq(field, oh_span_str(NAMES[i]))) {
            *out = (enum column)i;
            return true;
        }
    }
    return false;
}

/* Names a column that there is not, as far as it can be shown. */
static const char *unknown_column(struct oh_arena *arena, struct oh_span name)
{
    static const char known[] = "unknown column: there are user, domain, auth_name, realm, "
                                "password, ha1_md5, ha1_sha256 and name";
    size_t cap = sizeof known + NAME_SHOWN + 8;
    char *text = oh_arena_take(arena, cap);
    struct oh_buf b;

    if (!text)
        return known;
    oh_buf_init(&b, text, cap);
    oh_buf_lit(&b, "unknown column \"");
    for (size_t i = 0; i < name.n && i < NAME_SHOWN; i++)
        oh_buf_char(&b, name.p[i] > ' ' && name.p[i] < 0x7f ? name.p[i] : '?');
    oh_buf_lit(&b, "\"");
    /* The rest of the sentence, with its terminator. */
    oh_buf_put(&b, known + sizeof "unknown column" - 1, sizeof known - sizeof "unknown column" + 1);
    return b.full ? known : text;
}

/* Reads a header. NULL, or what is wrong with it. */
static const char *read_header(struct oh_arena *arena, const struct oh_span *fields, unsigned n,
                               struct layout *out)
{
    unsigned seen = 0;

    out->n = n;
    for (unsigned i = 0; i < n; i++) {
        if (!column_of(fields[i], &out->of[i]))
            return unknown_column(arena, fields[i]);
        if (seen & 1u << out->of[i])
            return "the header names a column twice";
        seen |= 1u << out->of[i];
    }
    if (!(seen & 1u << USER))
        return "the header has no column user";
    if (!(seen & (1u << PASSWORD | 1u << HA1_MD5 | 1u << HA1_SHA256)))
        return "the header has none of the columns password, ha1_md5 and ha1_sha256";
    return NULL;
}

static void set_field(struct oh__new_account *a, enum column column, struct oh_span value)
{
    switch (column) {
    case USER: a->user = value; break;
    case DOMAIN: a->domain = value; break;
    case AUTH_NAME: a->auth_name = value; break;
    case REALM: a->realm = value; break;
    case PASSWORD: a->password = value; break;
    case HA1_MD5: a->ha1[0] = value; break;
    case HA1_SHA256: a->ha1[1] = value; break;
    case NAME: a->name = value; break;
    case COLUMNS: break;
    }
}

/* "alice@example.com" in the user's place is both; an empty domain is an absent one. */
static void split_user(struct oh__new_account *a)
{
    ptrdiff_t at = oh_span_find(a->user, '@');

    if (at >= 0 && a->domain.n == 0) {
        a->domain = oh_span_from(a->user, (size_t)at + 1);
        a->user = oh_span_head(a->user, (size_t)at);
    }
    if (a->domain.n == 0)
        a->domain = oh_span(NULL, 0);
}

static const char *read_row(const struct layout *layout, const struct oh_span *fields, unsigned n,
                            struct oh__admin_row *out)
{
    if (n != layout->n)
        return n < layout->n ? "there are fewer fields than columns"
                             : "there are more fields than columns (put fields with commas in "
                               "quotes)";
    for (unsigned i = 0; i < n; i++)
        set_field(&out->account, layout->of[i], fields[i]);
    split_user(&out->account);
    return NULL;
}

/*
 * One record, which may be the header when it is the first: then row->line stays 0. NULL, or what
 * is wrong with it.
 */
static const char *take_record(struct oh_arena *arena, struct layout *layout, bool first,
                               const struct oh_span *fields, unsigned n, struct oh__admin_row *row)
{
    enum column column;

    row->line = 0;
    if (first && column_of(fields[0], &column))
        return read_header(arena, fields, n, layout);
    *row = (struct oh__admin_row){.line = 1};
    return read_row(layout, fields, n, row);
}

int oh__csv_accounts_read(struct oh_span text, struct oh__csv_accounts *out)
{
    struct layout layout = {2, {USER, PASSWORD}};
    struct oh_span fields[COLUMNS];
    struct oh__admin_row row;
    struct oh__csv csv;
    bool first = true;
    int r = OH_OK;

    *out = (struct oh__csv_accounts){0};
    oh_arena_init(&out->arena, oh_alloc_default(), text.n + 4096);
    oh__csv_init(&csv, text);
    while (r == OH_OK) {
        unsigned n = 0, line = 0;
        const char *why = NULL;
        int got = oh__csv_next(&csv, &out->arena, fields, COLUMNS, &n, &line, &why);

        if (got == OH_E_ABSENT || got == OH_E_NOMEM)
            return got == OH_E_ABSENT ? OH_OK : got;
        if (got == OH_OK)
            why = take_record(&out->arena, &layout, first, fields, n, &row);
        if (why)
            r = add_fault(out, line, why);
        else if (row.line) {
            row.line = line;
            r = add_row(out, &row);
        }
        /* Behind a header that is wrong, nothing can be understood. */
        if (why && first && got == OH_OK && row.line == 0)
            return r;
        first = false;
    }
    return r;
}

void oh__csv_accounts_done(struct oh__csv_accounts *a)
{
    const struct oh_alloc *heap = oh_alloc_default();

    oh_free(heap, a->rows, a->cap * sizeof *a->rows);
    oh_free(heap, a->faults, a->faults_cap * sizeof *a->faults);
    oh_arena_done(&a->arena);
    *a = (struct oh__csv_accounts){0};
}
