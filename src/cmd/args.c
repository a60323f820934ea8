/*
 * Options by table. Long ones with "=" or a blank, also behind the words;
 * "--" ends them. An unknown option names the nearest one that exists, because
 * most of them are slips.
 */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/output.h"

static const struct oh__option COMMON[] = {
    {"o", "text|json", "how to answer: for people, or as JSON for programs", 0},
    {"help", NULL, "what you are reading", 0},
    {"state", "DIR",
     "the state directory that names the server (default: /var/lib/offhook for "
     "root, else ~/.local/state/offhook)",
     0},
    {NULL, NULL, NULL, 0}};

/* --state stands last in the table, so that leaving it out is ending one earlier. */
static const struct oh__option COMMON_STATELESS[] = {
    {"o", "text|json", "how to answer: for people, or as JSON for programs", 0},
    {"help", NULL, "what you are reading", 0},
    {NULL, NULL, NULL, 0}};

const struct oh__option *oh__args_common(const struct oh__command *command)
{
    return command->stateless ? COMMON_STATELESS : COMMON;
}

static const struct oh__option *find_in(const struct oh__option *list, const char *name, size_t n)
{
    for (; list && list->name; list++)
        if (strlen(list->name) == n && memcmp(list->name, name, n) == 0)
            return list;
    return NULL;
}

static const struct oh__option *find(const struct oh__command *command, const char *name, size_t n)
{
    const struct oh__option *found = find_in(command->options, name, n);

    return found ? found : find_in(oh__args_common(command), name, n);
}

/* The i-th option's name of a command, for "did you mean". */
static const char *option_name(const void *ctx, unsigned i)
{
    const struct oh__command *command = ctx;
    const struct oh__option *list = command->options;

    for (; list && list->name; list++, i--)
        if (i == 0)
            return list->flags & OH__OPTION_SECRET ? "" : list->name;
    for (list = oh__args_common(command); list->name; list++, i--)
        if (i == 0)
            return list->name;
    return NULL;
}

static int refuse(char why[OH__ARGS_WHY], const struct oh__command *command, const char *format,
                  const char *a, const char *b)
{
    int n = snprintf(why, OH__ARGS_WHY, format, a, b);

    if (n >= 0 && n < OH__ARGS_WHY)
        snprintf(why + n, (size_t)(OH__ARGS_WHY - n), " (see offhook %s --help)", command->name);
    return OH__EXIT_USAGE;
}

static int unknown(const struct oh__command *command, const char *arg, char why[OH__ARGS_WHY])
{
    const char *name = arg + (arg[1] == '-' ? 2 : 1);
    const char *near = oh__cmd_nearest(name, option_name, command);

    if (near)
        return refuse(why, command, "unknown option %.100s: did you mean --%.40s?", arg, near);
    return refuse(why, command, "unknown option %.100s%s", arg, "");
}

/* Notes one option; *i moves on when the value is the next argument. */
static int take_option(struct oh__args *out, int argc, char **argv, int *i, char why[OH__ARGS_WHY])
{
    char *arg = argv[*i];
    bool dashes = arg[1] == '-';
    const char *name = arg + (dashes ? 2 : 1), *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    const struct oh__option *o = NULL;
    const char *value = equals ? equals + 1 : NULL;

    if (!dashes && n == 1 && name[0] == 'h')
        o = find(out->command, "help", 4);
    else if (dashes == (n > 1))
        o = find(out->command, name, n);
    if (!o)
        return unknown(out->command, arg, why);
    if (o->flags & OH__OPTION_SECRET) {
        snprintf(why, OH__ARGS_WHY, "%s", o->help);
        return OH__EXIT_USAGE;
    }
    if (value && !o->value)
        return refuse(why, out->command, "--%.40s takes no value%s", o->name, "");
    if (!value && o->value && !(o->flags & OH__OPTION_OPTIONAL)) {
        if (*i + 1 >= argc)
            return refuse(why, out->command, "--%.40s needs a value: %.40s", o->name, o->value);
        value = argv[++*i];
    }
    if (out->options_n == OH__ARGS_MAX)
        return refuse(why, out->command, "too many options%s%s", "", "");
    out->options[out->options_n++] = (struct oh__arg){o, value};
    return OH__EXIT_OK;
}

/* Rules that concern all options together. */
static int check(struct oh__args *out, char why[OH__ARGS_WHY])
{
    const struct oh__command *c = out->command;
    const char *form = oh__arg(out, "o");

    if (form && strcmp(form, "json") != 0 && strcmp(form, "text") != 0)
        return refuse(why, c, "-o %.40s: there is text, and there is json%s", form, "");
    out->json = form && strcmp(form, "json") == 0;
    out->help = oh__arg_given(out, "help");
    for (unsigned i = 0; i < out->options_n; i++)
        for (unsigned k = 0; k < i; k++)
            if (out->options[i].option == out->options[k].option &&
                !(out->options[i].option->flags & OH__OPTION_MANY))
                return refuse(why, c, "--%.40s is given twice%s", out->options[i].option->name, "");
    if (out->help)
        return OH__EXIT_OK;
    if (out->words_n < c->words_min)
        return refuse(why, c, "something is missing: offhook %.40s %.80s", c->name, c->words);
    if (out->words_n > c->words_max)
        return refuse(why, c, "'%.80s' is too much: offhook %s", out->words[c->words_max], c->name);
    return OH__EXIT_OK;
}

int oh__args_parse(const struct oh__command *command, int argc, char **argv, struct oh__args *out,
                   char why[OH__ARGS_WHY])
{
    bool words_only = false;

    *out = (struct oh__args){.command = command};
    for (int i = 0; i < argc; i++) {
        if (!words_only && strcmp(argv[i], "--") == 0) {
            words_only = true;
        } else if (!words_only && argv[i][0] == '-' && argv[i][1]) {
            int status = take_option(out, argc, argv, &i, why);

            if (status)
                return status;
        } else if (out->words_n == OH__ARGS_MAX) {
            return refuse(why, command, "too many words%s%s", "", "");
        } else {
            out->words[out->words_n++] = argv[i];
        }
    }
    return check(out, why);
}

const char *oh__arg(const struct oh__args *args, const char *name)
{
    const char *value = NULL;

    for (unsigned i = 0; i < args->options_n; i++)
        if (strcmp(args->options[i].option->name, name) == 0)
            value = args->options[i].value;
    return value;
}

bool oh__arg_given(const struct oh__args *args, const char *name)
{
    for (unsigned i = 0; i < args->options_n; i++)
        if (strcmp(args->options[i].option->name, name) == 0)
            return true;
    return false;
}

unsigned oh__arg_all(const struct oh__args *args, const char *name, const char **out, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < args->options_n && n < max; i++)
        if (strcmp(args->options[i].option->name, name) == 0)
            out[n++] = args->options[i].value;
    return n;
}

bool oh__arg_number(const struct oh__args *args, const char *name, unsigned long max,
                    unsigned long fallback, unsigned long *out)
{
    const char *text = oh__arg(args, name);
    uint64_t value = fallback;

    if (text && (oh_span_u64(oh_span_str(text), max, &value) != 0 || value == 0)) {
        oh__fail("--%s %s: it must be a number from 1 to %lu", name, text, max);
        return false;
    }
    *out = (unsigned long)value;
    return true;
}
