/*
 * The subcommands of the program: a table with what each is called, takes and
 * does, and what they share: options, output, questions to a running server.
 * A new subcommand is one row in commands.c and one file.
 */
#ifndef OH_CMD_CMD_H
#define OH_CMD_CMD_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/* Exit statuses of every subcommand (docs/commands.md). */
enum oh__exit {
    OH__EXIT_OK = 0,
    OH__EXIT_UNEXPECTED = 1, /* the answer is no: not what was expected, not there */
    OH__EXIT_USAGE = 2,
    OH__EXIT_TIMEOUT = 3,
    OH__EXIT_DNS = 4,
    OH__EXIT_CONNECTION = 5, /* no server there, or its address is taken */
    OH__EXIT_AUTH = 6,
    OH__EXIT_PROTOCOL = 8, /* somebody violates a standard */
    OH__EXIT_REFUSED = 9,  /* configuration, state or input refused */
};

#define OH__SCHEMA_VERSION 1 /* of every -o json output */

/* ---- options, args.c ---- */

enum oh__option_flag {
    OH__OPTION_MANY = 1,     /* may be given several times */
    OH__OPTION_OPTIONAL = 2, /* its value is optional and comes with "=" only */
    OH__OPTION_SECRET = 4,   /* not to be used: help, when it is a value, says what to do instead */
};

struct oh__option {
    const char *name;  /* "state" for --state; one letter for -o; NULL ends a list */
    const char *value; /* what help shows for the value, "DIR"; NULL = a flag without one */
    const char *help;  /* a phrase; of a SECRET one the explanation for whoever tried */
    unsigned flags;    /* enum oh__option_flag */
};

struct oh__args;

struct oh__command {
    const char *name;  /* "serve", "user add" */
    const char *words; /* what follows the options in the usage line; "" = nothing */
    const char *help;  /* one line for the overview */
    const char *text;  /* more, for its own help; may be NULL */
    const struct oh__option *options;
    const char *examples; /* lines, each with its line end */
    unsigned words_min, words_max;
    bool stateless; /* has no --state: it asks no server */
    int (*run)(const struct oh__args *args);
    int (*raw)(int argc, char **argv); /* instead of run: reads its arguments by itself */
};

#define OH__ARGS_MAX 512

struct oh__arg {
    const struct oh__option *option;
    const char *value; /* NULL for a flag */
};

/* Arguments after parsing; values point into argv. */
struct oh__args {
    const struct oh__command *command;
    bool json; /* -o json */
    bool help;
    unsigned options_n, words_n;
    struct oh__arg options[OH__ARGS_MAX];
    const char *words[OH__ARGS_MAX];
};

#define OH__ARGS_WHY 320

/* Parses what follows the subcommand's name. 0, or OH__EXIT_USAGE with a sentence in why. */
int oh__args_parse(const struct oh__command *command, int argc, char **argv, struct oh__args *out,
                   char why[OH__ARGS_WHY]);

/* The last value given for an option, NULL when it was not given (or has none). */
const char *oh__arg(const struct oh__args *args, const char *name);

/* True when the option was given, with or without value. */
bool oh__arg_given(const struct oh__args *args, const char *name);

/* All values given for an option, in order; returns how many (at most max). */
unsigned oh__arg_all(const struct oh__args *args, const char *name, const char **out, unsigned max);

/* Reads a number that must be min .. max. False: a sentence was printed. Absent: fallback. */
bool oh__arg_number(const struct oh__args *args, const char *name, unsigned long max,
                    unsigned long fallback, unsigned long *out);

/* The options that every subcommand has: -o, --state (not for stateless ones), --help. */
const struct oh__option *oh__args_common(const struct oh__command *command);

/* ---- the table, commands.c ---- */

/* All subcommands in the order of the help; ended by a NULL name. */
extern const struct oh__command oh__commands[];

/* The program: finds the subcommand and runs it. Returns the exit status. */
int oh__cmd_main(int argc, char **argv);

/* The known word nearest to a misspelt one, NULL when none is near; `next` gives the i-th word. */
const char *oh__cmd_nearest(const char *word, const char *(*next)(const void *ctx, unsigned i),
                            const void *ctx);

/* ---- help, help.c ---- */

/* Prints the overview of all subcommands. */
void oh__help_overview(FILE *to);

/* Prints usage, options and examples of one subcommand. */
void oh__help_command(FILE *to, const struct oh__command *command);

/* Prints the group of subcommands with this first word ("user"). */
void oh__help_group(FILE *to, const char *first);

/* Prints the whole reference as Markdown: what stands in docs/commands.md. */
void oh__help_markdown(FILE *to);

/* ---- questions to a running server, ask.c ---- */

/*
 * Sends a request (stolen) to the server that uses the state directory. 0 with the reply, or the
 * exit status after the failure was told on stderr, or as JSON on stdout with -o json.
 */
int oh__ask(const struct oh__args *args, json_t *request, json_t **reply);

/* As oh__ask; when no server runs, the state directory is locked and the request done here. */
int oh__ask_or_do(const struct oh__args *args, json_t *request, json_t **reply);

/* The state directory in force for these arguments: --state, else the default. False: told. */
bool oh__state_dir(const struct oh__args *args, char *out, size_t cap);

/* Prints a reply or other object as JSON; returns 0, or OH__EXIT_REFUSED when it cannot be written.
 */
int oh__print_json(const json_t *object);

/* ---- the subcommands ---- */

/* offhook check: argv[0] is "check". Returns the exit status: 0, 2 (usage) or 9 (refused). */
int oh__cmd_check(int argc, char **argv);

/* offhook serve: runs the server until it is told to stop. */
int oh__cmd_serve(const struct oh__args *args);

/* offhook user add: makes one account. */
int oh__cmd_user_add(const struct oh__args *args);

/* offhook user list: shows the accounts. */
int oh__cmd_user_list(const struct oh__args *args);

/* offhook user passwd: gives an account a new password. */
int oh__cmd_user_passwd(const struct oh__args *args);

/* offhook user set: changes what an account is called and may do. */
int oh__cmd_user_set(const struct oh__args *args);

/* offhook user remove: takes an account away. */
int oh__cmd_user_remove(const struct oh__args *args);

/* offhook user import: makes or replaces accounts out of a CSV file. */
int oh__cmd_user_import(const struct oh__args *args);

/* offhook phones: who is registered, and who tried and failed. */
int oh__cmd_phones(const struct oh__args *args);

/* offhook why: what happened to calls and registrations, and what to do. */
int oh__cmd_why(const struct oh__args *args);

/* offhook status: how the server is doing. */
int oh__cmd_status(const struct oh__args *args);

/* offhook bans list: sources that failed too often. */
int oh__cmd_bans_list(const struct oh__args *args);

/* offhook bans clear: lifts one ban or all. */
int oh__cmd_bans_clear(const struct oh__args *args);

/* offhook reload: reads the configuration again. */
int oh__cmd_reload(const struct oh__args *args);

/* offhook drain: lets calls in progress finish their transactions, then stops the server. */
int oh__cmd_drain(const struct oh__args *args);

/* offhook stop: stops the server at once. */
int oh__cmd_stop(const struct oh__args *args);

/* offhook backup: writes a copy of the state. */
int oh__cmd_backup(const struct oh__args *args);

/* offhook restore: puts a copy of the state in place. */
int oh__cmd_restore(const struct oh__args *args);

/* offhook decode: shows every part of a message, or where it is wrong. */
int oh__cmd_decode(const struct oh__args *args);

/* offhook explain: what a status code or method means and what to do. */
int oh__cmd_explain(const struct oh__args *args);

/* offhook load options, register, message, call: finds the limit of a server. */
int oh__cmd_load(const struct oh__args *args);

/* The options of each kind of load, load_options.c. */
extern const struct oh__option oh__load_options_options[], oh__load_options_register[],
    oh__load_options_message[], oh__load_options_call[];

/* offhook help: the overview, one subcommand, or the Markdown reference. */
int oh__cmd_help(const struct oh__args *args);

#endif
