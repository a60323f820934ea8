/*
 * The whole file is read and checked here, so that every wrong line is named
 * at once and nothing is sent when there is one. Then it goes over in batches,
 * each of them one transaction.
 */
#include <errno.h>
#include <string.h>

#include <offhook/alloc.h>

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "cmd/prompt.h"
#include "host/control_json.h"
#include "host/csv_accounts.h"

#define FILE_MOST   (64u << 20)
#define BATCH_ROWS  20000
#define BATCH_BYTES (2u << 20) /* well below the longest line that the server takes */
#define FAULTS_MOST 1000

struct text {
    char *p;
    size_t n, cap;
};

/* Reads a whole file. False: told. */
static bool read_all(FILE *from, const char *path, struct text *t)
{
    const struct oh_alloc *a = oh_alloc_default();

    for (;;) {
        if (t->n == t->cap) {
            size_t cap = t->cap ? t->cap * 2 : 65536;
            char *p = cap <= FILE_MOST ? oh_realloc(a, t->p, t->cap, cap) : NULL;

            if (!p) {
                oh__fail("%s is larger than %u MiB: split it", path, FILE_MOST >> 20);
                return false;
            }
            t->p = p;
            t->cap = cap;
        }
        size_t n = fread(t->p + t->n, 1, t->cap - t->n, from);

        t->n += n;
        if (n == 0)
            break;
    }
    if (ferror(from))
        oh__fail("%s cannot be read: %s", path, strerror(errno));
    return !ferror(from);
}

static bool read_file(const char *path, struct text *t)
{
    bool in = strcmp(path, "-") == 0;
    FILE *from = in ? stdin : fopen(path, "rb");

    if (!from) {
        oh__fail("%s cannot be read: %s", path, strerror(errno));
        return false;
    }
    bool read = read_all(from, in ? "standard input" : path, t);

    if (!in)
        fclose(from);
    return read;
}

static int told(const struct oh__args *args, const char *path, const struct oh__admin_fault *faults,
                unsigned n, unsigned all)
{
    json_t *list, *object;

    if (args->json) {
        list = json_array();
        for (unsigned i = 0; i < n; i++)
            json_array_append_new(
                list, json_pack("{s:i,s:s}", "line", (int)faults[i].line, "why", faults[i].why));
        object = json_pack("{s:b,s:i,s:i,s:s,s:o}", "ok", 0, "schema_version", OH__SCHEMA_VERSION,
                           "exit", OH__EXIT_REFUSED, "error",
                           "lines of the file are wrong; nothing was imported", "faults", list);
        oh__print_json(object);
        json_decref(object);
        return OH__EXIT_REFUSED;
    }
    for (unsigned i = 0; i < n; i++) {
        oh__puts(stderr, path);
        fprintf(stderr, ":%u: ", faults[i].line);
        oh__puts(stderr, faults[i].why);
        fputc('\n', stderr);
    }
    if (all > n)
        fprintf(stderr, "and %u more\n", all - n);
    oh__fail("%u line%s of the file %s wrong: nothing was imported", all, all == 1 ? "" : "s",
             all == 1 ? "is" : "are");
    return OH__EXIT_REFUSED;
}

/* The rows as accounts, with any realm at all where the server will fill one in. */
static struct oh__admin_row *completed(const struct oh__csv_accounts *file)
{
    static const struct oh__admin admin = {.domain = "", .realm = "-"};
    struct oh__admin_row *rows = oh_alloc_zero(oh_alloc_default(), file->n + 1, sizeof *rows);

    for (size_t i = 0; rows && i < file->n; i++) {
        rows[i] = file->rows[i];
        oh__admin_complete(&admin, &rows[i].account);
    }
    return rows;
}

/* Faults of records that are no accounts: as oh__admin_check. */
static int check_rows(const struct oh__csv_accounts *file, struct oh__admin_fault *faults)
{
    struct oh__admin_row *rows = completed(file);
    int n = rows ? oh__admin_check(rows, file->n, faults, FAULTS_MOST) : OH_E_NOMEM;

    oh_free(oh_alloc_default(), rows, (file->n + 1) * sizeof *rows);
    return n;
}

/* All faults of the file: lines that are no records, and records that are no accounts. */
static int check(const struct oh__args *args, const char *path, const struct oh__csv_accounts *file)
{
    const struct oh_alloc *a = oh_alloc_default();
    struct oh__admin_fault *faults = oh_alloc_zero(a, FAULTS_MOST, sizeof *faults);
    int more = faults ? check_rows(file, faults) : OH_E_NOMEM;
    int status = OH__EXIT_OK;

    if (more < 0) {
        oh__fail("memory is short: nothing was imported");
        oh_free(a, faults, FAULTS_MOST * sizeof *faults);
        return OH__EXIT_REFUSED;
    }
    unsigned n = (unsigned)more < FAULTS_MOST ? (unsigned)more : FAULTS_MOST;

    /* Both lists are in order of lines; those of the file are put in where they belong. */
    for (unsigned i = 0; i < file->faults_n && n < FAULTS_MOST; i++) {
        unsigned at = n++;

        for (; at > 0 && faults[at - 1].line > file->faults[i].line; at--)
            faults[at] = faults[at - 1];
        faults[at] = file->faults[i];
    }
    if (more || file->faults_n)
        status = told(args, path, faults, n, (unsigned)more + file->faults_n);
    oh_free(a, faults, FAULTS_MOST * sizeof *faults);
    return status;
}

static json_t *field(struct oh_span s)
{
    return s.n ? json_stringn(s.p, s.n) : json_null();
}

static json_t *row_of(const struct oh__admin_row *row)
{
    const struct oh__new_account *a = &row->account;

    return json_pack("[i,o,o,o,o,o,o,o,o]", (int)row->line, field(a->user), field(a->domain),
                     field(a->auth_name), field(a->realm), field(a->password), field(a->ha1[0]),
                     field(a->ha1[1]), field(a->name));
}

static size_t size_of(const struct oh__admin_row *row)
{
    const struct oh__new_account *a = &row->account;

    /* JSON may write a byte as six: \u0000. */
    return 64 + 6 * (a->user.n + a->domain.n + a->auth_name.n + a->realm.n + a->password.n +
                     a->ha1[0].n + a->ha1[1].n + a->name.n);
}

struct sums {
    size_t sent;
    uint64_t added, replaced;
    json_t *note;
};

/* Sends rows from sums->sent on, as many as fit. */
static int send_batch(const struct oh__args *args, const struct oh__csv_accounts *file,
                      struct sums *sums)
{
    json_t *rows = json_array(), *reply = NULL;
    size_t bytes = 0, i = sums->sent;

    for (; i < file->n && i < sums->sent + BATCH_ROWS && bytes < BATCH_BYTES; i++) {
        json_t *row = row_of(&file->rows[i]);

        if (!row || json_array_append_new(rows, row) != 0) {
            oh__fail("line %u is no UTF-8 text: save the file as UTF-8", file->rows[i].line);
            json_decref(rows);
            return OH__EXIT_REFUSED;
        }
        bytes += size_of(&file->rows[i]);
    }
    int status = oh__ask_or_do(args, json_pack("{s:s,s:o}", "command", "user-import", "rows", rows),
                               &reply);

    if (status)
        return status;
    sums->sent = i;
    sums->added += oh__json_u64(reply, "added", 0);
    sums->replaced += oh__json_u64(reply, "replaced", 0);
    if (!sums->note)
        sums->note = json_incref(json_object_get(reply, "note"));
    json_decref(reply);
    return OH__EXIT_OK;
}

static int tell_done(const struct oh__args *args, const struct sums *sums, bool only_checked)
{
    if (args->json) {
        json_t *o = json_pack("{s:b,s:i,s:b,s:I,s:I,s:O*}", "ok", 1, "schema_version",
                              OH__SCHEMA_VERSION, "checked_only", only_checked, "added",
                              (json_int_t)sums->added, "replaced", (json_int_t)sums->replaced,
                              "note", sums->note);
        int status = oh__print_json(o);

        json_decref(o);
        return status;
    }
    if (only_checked)
        printf("Every line is good; nothing was changed.\n");
    else
        printf("Imported %llu account%s: %llu new, %llu replaced.\n",
               (unsigned long long)(sums->added + sums->replaced),
               sums->added + sums->replaced == 1 ? "" : "s", (unsigned long long)sums->added,
               (unsigned long long)sums->replaced);
    if (sums->note)
        oh__fail("note: %s", json_string_value(sums->note));
    return OH__EXIT_OK;
}

/* The domain of lines that name none. */
static void set_domain(const struct oh__args *args, struct oh__csv_accounts *file)
{
    const char *domain = oh__arg(args, "domain");

    for (size_t i = 0; i < file->n && domain; i++)
        if (!file->rows[i].account.domain.p)
            file->rows[i].account.domain = oh_span_str(domain);
}

static int import(const struct oh__args *args, struct oh__csv_accounts *file)
{
    struct sums sums = {0};
    bool only_check = oh__arg_given(args, "check");
    int status = OH__EXIT_OK;

    if (file->n == 0)
        oh__fail("note: there is no account in %s", args->words[0]);
    while (!only_check && status == OH__EXIT_OK && sums.sent < file->n)
        status = send_batch(args, file, &sums);
    if (status == OH__EXIT_OK)
        status = tell_done(args, &sums, only_check);
    else if (sums.sent)
        oh__fail("the first %zu accounts were imported before that", sums.sent);
    json_decref(sums.note);
    return status;
}

int oh__cmd_user_import(const struct oh__args *args)
{
    struct oh__csv_accounts file;
    struct text text = {0};
    int status = OH__EXIT_REFUSED;

    if (!read_file(args->words[0], &text)) {
        oh_free(oh_alloc_default(), text.p, text.cap);
        return status;
    }
    if (oh__csv_accounts_read(oh_span(text.p, text.n), &file) != OH_OK) {
        oh__fail("memory is short: nothing was imported");
    } else {
        set_domain(args, &file);
        status = check(args, args->words[0], &file);
        if (status == OH__EXIT_OK)
            status = import(args, &file);
    }
    oh__csv_accounts_done(&file);
    oh__forget(text.p, text.n); /* passwords */
    oh_free(oh_alloc_default(), text.p, text.cap);
    return status;
}
