/*
 * Shows a message as the server reads it: the start line, each header with the
 * parts that its decoder finds, the body's size. A message that is wrong is
 * shown at the line, with a caret under the byte where reading stopped.
 */
#include <errno.h>
#include <string.h>

#include <offhook/alloc.h>
#include <offhook/decode.h>

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "host/control_json.h"

#define MESSAGE_MOST (1u << 20)

/* Reads all there is, up to a bound. Returns the length, 0 after telling why not. */
static size_t read_message(const char *path, char *out)
{
    bool in = strcmp(path, "-") == 0;
    FILE *from = in ? stdin : fopen(path, "rb");

    if (!from) {
        oh__fail("%s cannot be read: %s", path, strerror(errno));
        return 0;
    }
    size_t n = fread(out, 1, MESSAGE_MOST, from);
    bool bad = ferror(from) != 0;

    if (!in)
        fclose(from);
    if (bad || n == 0)
        oh__fail("%s %s", in ? "standard input" : path,
                 bad ? "cannot be read" : "is empty: a SIP message was expected");
    return bad ? 0 : n;
}

/*
 * Text editors end lines with LF alone. Such a file is read as if it had CRLF,
 * and that is said; one with any CRLF is taken as it is.
 */
static size_t mend_ends(char *text, size_t n, bool *mended)
{
    size_t lf = 0;

    *mended = false;
    if (memchr(text, '\r', n))
        return n;
    for (size_t i = 0; i < n; i++)
        lf += text[i] == '\n';
    if (lf == 0 || n + lf + 4 > 2 * MESSAGE_MOST)
        return n;
    *mended = true;
    /* From the end, so that nothing is overwritten before it has moved. */
    for (size_t i = n, at = n + lf; i-- > 0;) {
        text[--at] = text[i];
        if (text[i] == '\n')
            text[--at] = '\r';
    }
    return n + lf;
}

/* ---- what is wrong ---- */

/* The line that holds an offset, without its end. */
static struct oh_span line_at(struct oh_span text, size_t at, unsigned *number)
{
    size_t begin = 0, end;

    *number = 1;
    at = at < text.n ? at : text.n;
    for (size_t i = 0; i < at; i++) {
        if (text.p[i] == '\n') {
            begin = i + 1;
            ++*number;
        }
    }
    for (end = begin; end < text.n && text.p[end] != '\n' && text.p[end] != '\r'; end++)
        continue;
    return oh_span(text.p + begin, end - begin);
}

static const char *header_name(const struct oh_fault *fault)
{
    return fault->header < OH_HEADER_COUNT ? oh_header_info((enum oh_header_id)fault->header)->name
                                           : "";
}

static void print_fault(struct oh_span text, const struct oh_fault *fault)
{
    unsigned number;
    struct oh_span line = line_at(text, fault->at, &number);
    size_t column = fault->at - (size_t)(line.p - text.p);
    const char *name = header_name(fault);

    column = column < line.n ? column : line.n;
    fflush(stdout);
    fprintf(stderr, "line %u, column %zu: %s%s%s\n  ", number, column + 1, name,
            name[0] ? ": " : "", fault->why);
    oh__put(stderr, line);
    fprintf(stderr, "\n  %*s^\n", (int)oh__width(oh_span_head(line, column)), "");
}

static json_t *json_fault(struct oh_span text, const struct oh_fault *fault)
{
    unsigned number;
    struct oh_span line = line_at(text, fault->at, &number);
    json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:i,s:I}", "code", oh_error_name(fault->code), "why",
                          fault->why, "header", header_name(fault), "offset", (json_int_t)fault->at,
                          "line", (int)number, "column",
                          (json_int_t)(fault->at - (size_t)(line.p - text.p) + 1));

    json_object_set_new(o, "text", oh__json_text(line));
    return o;
}

/* ---- what is there ---- */

static void print_part(void *ctx, const struct oh_field *f)
{
    unsigned *value = ctx;

    if (f->value != *value) {
        printf("      -\n");
        *value = f->value;
    }
    printf("      %s", f->param ? ";" : "");
    oh__put(stdout, f->name);
    if (f->text.p) {
        printf(" = ");
        oh__put(stdout, f->text);
    }
    printf("\n");
}

static void json_part(void *ctx, const struct oh_field *f)
{
    json_t *o = json_object();

    json_object_set_new(o, "name", oh__json_text(f->name));
    json_object_set_new(o, "text", f->text.p ? oh__json_text(f->text) : json_null());
    json_object_set_new(o, "value", json_integer(f->value));
    json_object_set_new(o, "param", json_boolean(f->param));
    json_array_append_new(ctx, o);
}

/* A header's name as its standard spells it, else as received. */
static struct oh_span name_of(const struct oh_msg *m, const struct oh_row *row)
{
    const struct oh_header_info *info = oh_header_info((enum oh_header_id)row->id);

    return row->id ? oh_span_str(info->name) : oh_row_name(m, row);
}

/* The first fault of any row goes into *first. */
static void note_fault(const struct oh_fault *fault, struct oh_fault *first)
{
    if (first->code == OH_OK)
        *first = *fault;
}

static void print_rows(const struct oh_msg *m, struct oh_fault *first)
{
    for (unsigned i = 0; i < m->rows_n; i++) {
        const struct oh_row *row = &m->rows[i];
        struct oh_fault fault = {0};
        unsigned value = 0;
        struct oh_visitor visitor = {&value, print_part};

        printf("\n  ");
        oh__paint(stdout, OH__STYLE_BOLD, "");
        oh__put(stdout, name_of(m, row));
        printf(": ");
        oh__put(stdout, oh_row_value(m, row));
        printf("\n");
        if (oh_decode_row(m, row, &visitor, &fault) != OH_OK)
            note_fault(&fault, first);
    }
}

static void print_start(const struct oh_msg *m, bool mended)
{
    oh__paint(stdout, OH__STYLE_BOLD, m->request ? "request" : "response");
    printf("  ");
    oh__put(stdout, m->start);
    printf("\n");
    if (m->request) {
        printf("      method = ");
        oh__put(stdout, m->method_text);
        printf("\n      uri = ");
        oh__put(stdout, m->uri);
    } else {
        printf("      status = %u\n      reason = ", m->status);
        oh__put(stdout, m->reason);
    }
    printf("\n");
    if (mended)
        printf("      (lines end with LF alone; on the wire they end with CRLF)\n");
}

static json_t *json_message(const struct oh_msg *m, bool mended, struct oh_fault *first)
{
    json_t *o = json_pack("{s:s,s:b}", "kind", m->request ? "request" : "response", "lf_only",
                          mended);
    json_t *headers = json_array();

    if (m->request) {
        json_object_set_new(o, "method", oh__json_text(m->method_text));
        json_object_set_new(o, "uri", oh__json_text(m->uri));
    } else {
        json_object_set_new(o, "status", json_integer(m->status));
        json_object_set_new(o, "reason", oh__json_text(m->reason));
    }
    for (unsigned i = 0; i < m->rows_n; i++) {
        json_t *h = json_object(), *parts = json_array();
        struct oh_visitor visitor = {parts, json_part};
        struct oh_fault fault = {0};

        json_object_set_new(h, "name", oh__json_text(name_of(m, &m->rows[i])));
        json_object_set_new(h, "value", oh__json_text(oh_row_value(m, &m->rows[i])));
        if (oh_decode_row(m, &m->rows[i], &visitor, &fault) != OH_OK)
            note_fault(&fault, first);
        json_object_set_new(h, "parts", parts);
        json_array_append_new(headers, h);
    }
    json_object_set_new(o, "headers", headers);
    json_object_set_new(o, "body_bytes", json_integer((json_int_t)m->body.n));
    return o;
}

static int show_json(struct oh_span text, struct oh_msg *m, bool mended, bool whole,
                     struct oh_fault *first)
{
    json_t *message = whole ? json_message(m, mended, first) : json_null();
    json_t *o = json_pack("{s:b,s:i,s:o}", "ok", first->code == OH_OK, "schema_version",
                          OH__SCHEMA_VERSION, "message", message);
    int status;

    if (first->code != OH_OK) {
        json_object_set_new(o, "exit", json_integer(OH__EXIT_PROTOCOL));
        json_object_set_new(o, "error", json_string(first->why));
        json_object_set_new(o, "fault", json_fault(text, first));
    }
    status = oh__print_json(o);
    json_decref(o);
    return status ? status : first->code == OH_OK ? OH__EXIT_OK : OH__EXIT_PROTOCOL;
}

static int show(const struct oh__args *args, struct oh_span text, struct oh_msg *m, bool mended)
{
    struct oh_fault fault = {0}, first = {0};
    size_t used;
    int r = oh_msg_parse(text, OH_MSG_DATAGRAM, NULL, m, &used, &fault);
    bool whole = r == OH_OK;

    /* CRLFs alone keep a NAT open (RFC 5626 3.5.1); they are fine, but nothing to show. */
    if (r == OH_E_ABSENT)
        fault = (struct oh_fault){OH_E_ABSENT, 0, 0, "this is no SIP message but a keep-alive"};
    if (whole)
        r = oh_msg_check(m, &fault);
    if (r != OH_OK)
        first = fault;
    if (args->json)
        return show_json(text, m, mended, whole, &first);
    if (whole) {
        print_start(m, mended);
        print_rows(m, &first);
        printf("\n  body of %zu bytes\n", m->body.n);
    }
    if (first.code == OH_OK)
        return OH__EXIT_OK;
    print_fault(text, &first);
    return OH__EXIT_PROTOCOL;
}

int oh__cmd_decode(const struct oh__args *args)
{
    const struct oh_alloc *a = oh_alloc_default();
    char *text = oh_alloc(a, 2 * MESSAGE_MOST);
    struct oh_msg *m = oh_alloc_zero(a, 1, sizeof *m);
    int status = OH__EXIT_REFUSED;
    bool mended;

    if (!text || !m) {
        oh__fail("not enough memory");
    } else {
        size_t n = read_message(args->words_n ? args->words[0] : "-", text);

        if (n) {
            n = mend_ends(text, n, &mended);
            status = show(args, oh_span(text, n), m, mended);
        }
    }
    oh_free(a, m, sizeof *m);
    oh_free(a, text, 2 * MESSAGE_MOST);
    return status;
}
