/*
 * How a command gets its answer. There are three ways it can fail, and the
 * person must be able to tell them apart: the server cannot be reached (whose
 * directory, and what to do), it refused (its own sentence), or the command
 * could not even ask. With -o json all three come as one object on standard
 * output, so that a script parses one thing and looks at one status.
 */
#include <offhook/alloc.h>

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "host/client.h"
#include "host/config.h"
#include "host/control_json.h"
#include "host/offline.h"

#define PATIENCE_MS 60000 /* a backup or an import of a large state takes its time */

/* The configuration decides about the default, so that commands and server cannot disagree. */
bool oh__state_dir(const struct oh__args *args, char *out, size_t cap)
{
    struct oh__config_report *report = oh_alloc_zero(oh_alloc_default(), 1, sizeof *report);
    struct oh__config_overrides cli = {.state = oh__arg(args, "state")};
    struct oh__config *config = NULL;
    int r = report ? oh__config_load(NULL, &cli, &config, report) : OH_E_NOMEM;

    if (r == OH_OK)
        snprintf(out, cap, "%s", oh__config_process(config)->state);
    else if (report && report->n)
        oh__fail("%s", report->problems[0].text);
    else
        oh__fail("the state directory could not be found out: %s", oh_error_text(r));
    oh__config_unref(config);
    oh_free(oh_alloc_default(), report, sizeof *report);
    return r == OH_OK;
}

int oh__print_json(const json_t *object)
{
    if (!object || json_dumpf(object, stdout, JSON_INDENT(2)) != 0) {
        oh__fail("the answer could not be written");
        return OH__EXIT_REFUSED;
    }
    putchar('\n');
    return OH__EXIT_OK;
}

/* Tells a failure in the form that was asked for. */
static int tell(const struct oh__args *args, int status, const char *text)
{
    json_t *o;

    if (!args->json) {
        oh__fail("%s", text);
        return status;
    }
    o = json_pack("{s:b,s:i,s:i,s:s}", "ok", 0, "schema_version", OH__SCHEMA_VERSION, "exit",
                  status, "error", text);
    oh__print_json(o);
    json_decref(o);
    return status;
}

/* A client's code as an exit status: whatever keeps us from talking to a server is 5. */
static int status_of(int code)
{
    switch (code) {
    case OH_E_TIMEOUT: return OH__EXIT_TIMEOUT;
    case OH_E_ABSENT:
    case OH_E_IO:
    case OH_E_DENIED: return OH__EXIT_CONNECTION;
    default: return OH__EXIT_REFUSED;
    }
}

/* What a reply says when it says no: its sentence, and the details that some have. */
static int refused(const struct oh__args *args, json_t *reply)
{
    const char *text = json_string_value(json_object_get(reply, "error"));
    int status = (int)json_integer_value(json_object_get(reply, "exit"));
    const json_t *problem;
    size_t i;

    /* An exit status beyond ours would be another version's, or nonsense. */
    status = status > 0 && status < 10 ? status : OH__EXIT_REFUSED;
    if (args->json) {
        oh__print_json(reply);
        return status;
    }
    oh__fail("%s", text ? text : "the server refused, and did not say why");
    json_array_foreach(json_object_get(reply, "problems"), i, problem)
    {
        oh__puts(stderr, json_string_value(json_object_get(problem, "file")));
        /* A file that cannot be read has no lines. */
        if (oh__json_u64(problem, "line", 0))
            fprintf(stderr, ":%llu:%llu", (unsigned long long)oh__json_u64(problem, "line", 0),
                    (unsigned long long)oh__json_u64(problem, "column", 0));
        fputs(": ", stderr);
        oh__puts(stderr, json_string_value(json_object_get(problem, "text")));
        fputc('\n', stderr);
    }
    json_array_foreach(json_object_get(reply, "faults"), i, problem)
    {
        fprintf(stderr, "line %d: ", (int)json_integer_value(json_object_get(problem, "line")));
        oh__puts(stderr, json_string_value(json_object_get(problem, "why")));
        fputc('\n', stderr);
    }
    return status;
}

static int ask(const struct oh__args *args, json_t *request, bool offline, json_t **reply)
{
    char state[OH__CONFIG_PATH_MAX], why[OH__CLIENT_WHY] = "";
    json_t *got = NULL;
    int r, status;

    if (!request)
        return tell(args, OH__EXIT_USAGE, "an argument is no UTF-8 text");
    if (!oh__state_dir(args, state, sizeof state)) {
        json_decref(request);
        return OH__EXIT_REFUSED;
    }
    /* The server first, always: while it runs, the files are its own. */
    r = oh__client_call(state, request, PATIENCE_MS, &got, why);
    if (r == OH_E_ABSENT && offline)
        r = oh__offline_run(state, request, &got, why);
    json_decref(request);
    if (r != OH_OK || !got)
        return tell(args, status_of(r), why[0] ? why : oh_error_text(r));
    if (json_is_true(json_object_get(got, "ok"))) {
        *reply = got;
        return OH__EXIT_OK;
    }
    status = refused(args, got);
    json_decref(got);
    return status;
}

int oh__ask(const struct oh__args *args, json_t *request, json_t **reply)
{
    return ask(args, request, false, reply);
}

int oh__ask_or_do(const struct oh__args *args, json_t *request, json_t **reply)
{
    return ask(args, request, true, reply);
}
