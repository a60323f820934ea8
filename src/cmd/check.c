/*
 * offhook check: reads a configuration as the server would and reports all of
 * its problems, for people or as JSON for editors and deployment scripts.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <offhook/alloc.h>

#include "cmd/cmd.h"
#include "host/config.h"

static const char usage[] =
    "usage: offhook check [-o text|json] FILE\n"
    "       offhook check --reference\n"
    "\n"
    "Checks a configuration file and reports every problem with line and column.\n"
    "\n"
    "  -o text|json   how to report; text is the default\n"
    "  --reference    print the reference of all settings (Markdown)\n"
    "\n"
    "Exit status: 0 the file is good, 9 it is refused, 2 wrong usage.\n";

struct options {
    const char *file;
    bool json, reference, help;
};

/* Reads the arguments; false when they make no sense. */
static bool parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *format = NULL;

        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
            format = argv[++i];
        else if (strcmp(argv[i], "--reference") == 0)
            o->reference = true;
        else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            o->help = true;
        else if (argv[i][0] == '-' || o->file)
            return false;
        else
            o->file = argv[i];
        if (format && strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
            return false;
        o->json = format ? strcmp(format, "json") == 0 : o->json;
    }
    return o->help || o->reference != (o->file != NULL);
}

/* Texts of the file may be no UTF-8, which JSON cannot hold; such bytes become "?". */
static json_t *json_text(const char *text)
{
    json_t *s = json_string(text);
    char copy[OH__CONFIG_PATH_MAX];

    if (s)
        return s;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *c = copy; *c; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    return json_string(copy);
}

/* One problem as an object; what does not apply is null, never left out. */
static json_t *json_problem(const struct oh__config_problem *p)
{
    json_t *o = json_object();

    json_object_set_new(o, "file", json_text(p->file));
    json_object_set_new(o, "line", p->line ? json_integer(p->line) : json_null());
    json_object_set_new(o, "column", p->column ? json_integer(p->column) : json_null());
    json_object_set_new(o, "setting", p->setting[0] ? json_text(p->setting) : json_null());
    json_object_set_new(o, "text", json_text(p->text));
    return o;
}

/* The whole report as one object, whose form schema_version names. */
static void print_json(const char *file, int result, const struct oh__config_report *report)
{
    json_t *all = json_object(), *problems = json_array();

    for (unsigned i = 0; i < report->n; i++)
        json_array_append_new(problems, json_problem(&report->problems[i]));
    json_object_set_new(all, "schema_version", json_integer(OH__SCHEMA_VERSION));
    json_object_set_new(all, "file", json_text(file));
    json_object_set_new(all, "ok", json_boolean(result == OH_OK));
    json_object_set_new(all, "problems", problems);
    json_object_set_new(all, "dropped", json_integer(report->dropped));
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    fputc('\n', stdout);
    json_decref(all);
}

/* What a good file amounts to, in one line. */
static void print_good(const char *file, const struct oh__config *config)
{
    const struct oh__settings *s = oh__config_settings(config);

    printf("%s: good: %u listener%s, ", file, s->listeners_n, s->listeners_n == 1 ? "" : "s");
    if (s->any_domain)
        printf("any domain");
    else
        printf("%u domain%s", s->domains_n, s->domains_n == 1 ? "" : "s");
    printf("%s%s%s%s\n", s->has_on_register ? ", on_register" : "",
           s->has_on_call ? ", on_call" : "", s->has_on_request ? ", on_request" : "",
           s->no_auth ? " (no_auth: everybody is trusted)" : "");
}

/* Loads the file as the server would, without the command line of a server. */
static int check_file(const struct options *o)
{
    struct oh__config_report *report = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*report));
    struct oh__config *config = NULL;
    int e;

    if (!report) {
        fputs("offhook check: out of memory\n", stderr);
        return OH__EXIT_REFUSED;
    }
    e = oh__config_load(o->file, NULL, &config, report);
    if (o->json)
        print_json(o->file, e, report);
    else if (e == OH_OK)
        print_good(o->file, config);
    else if (report->n)
        oh__config_report_print(report, stderr);
    else
        fprintf(stderr, "%s: %s\n", o->file, oh_error_text(e));
    oh__config_unref(config);
    oh_free(oh_alloc_default(), report, sizeof(*report));
    return e == OH_OK ? OH__EXIT_OK : OH__EXIT_REFUSED;
}

int oh__cmd_check(int argc, char **argv)
{
    struct options o = {0};

    if (!parse(argc, argv, &o)) {
        fputs(usage, stderr);
        return OH__EXIT_USAGE;
    }
    if (o.help)
        fputs(usage, stdout);
    else if (o.reference)
        oh__config_reference(stdout);
    else
        return check_file(&o);
    return OH__EXIT_OK;
}
