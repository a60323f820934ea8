/*
 * The configuration: one Lua 5.4 file, or none. Settings are literal tables,
 * checked against a schema; every problem is reported with file, line and
 * column, all of them at once. What comes out is an immutable snapshot with a
 * count of its users: reload makes a new one, whoever is at work keeps his.
 *
 * The same text also holds the policy functions; host/policy_lua.h turns a
 * snapshot into a policy for one worker.
 */
#ifndef OH_HOST_CONFIG_H
#define OH_HOST_CONFIG_H

#include <stdio.h>

#include "serve/settings.h"

#define OH__CONFIG_PATH_MAX     512
#define OH__CONFIG_PROBLEMS_MAX 64
#define OH__CONFIG_WORKERS_MAX  64

enum oh__log_level { OH__LOG_ERROR, OH__LOG_WARN, OH__LOG_INFO, OH__LOG_DEBUG };

/* Process settings that the protocol layers have no use for. */
struct oh__config_process {
    uint8_t log_level;                /* enum oh__log_level */
    char log_to[OH__CONFIG_PATH_MAX]; /* "stderr", or the path of a file */
    char state[OH__CONFIG_PATH_MAX];  /* state directory; never empty after loading */
    char user[OH__NAME_MAX]; /* account to run as once the sockets are open; "" = no change */
    uint32_t workers;        /* 0 = processor cores less one, at least one */
    uint32_t policy_steps;   /* Lua instructions that one policy call may take */
    uint32_t policy_memory;  /* bytes that one worker's policy may hold */
    uint32_t shared_max;     /* entries of `shared` in the whole process */
    uint32_t segment_bytes;  /* of a journal's files, see store.h */
};

/* What the command line decides; it wins over the file. Zero, NULL and false mean: not given. */
struct oh__config_overrides {
    unsigned listen_n;
    const char *const *listen; /* "udp:127.0.0.1:5060"; replaces the file's list */
    unsigned domains_n;
    const char *const *domains; /* replaces the file's list */
    const char *default_domain; /* used when neither file nor list names one */
    const char *state;
    bool no_auth;
    uint32_t workers;
};

/* One thing that is wrong. */
struct oh__config_problem {
    char file[OH__CONFIG_PATH_MAX]; /* as it was named; "command line" for overrides */
    unsigned line, column;          /* from 1; 0 = does not apply */
    char setting[128];              /* "registrar.expires_min", "domains[2].mode"; "" when none */
    char text[320];                 /* a sentence without a full stop */
};

/* A bounded list in the order of the text; the caller owns it, and it need not be released. */
struct oh__config_report {
    unsigned n;       /* entries of problems */
    unsigned dropped; /* problems beyond the bound */
    struct oh__config_problem problems[OH__CONFIG_PROBLEMS_MAX];
};

struct oh__config;

/*
 * Loads and checks a file. NULL as path means the embedded defaults; cli may
 * be NULL. OH_OK: *out holds one reference. OH_E_SYNTAX: refused, the report
 * (required) says why. OH_E_IO: the file could not be read, likewise.
 * OH_E_NOMEM.
 */
int oh__config_load(const char *path, const struct oh__config_overrides *cli,
                    struct oh__config **out, struct oh__config_report *report);

/*
 * Loads the same file again, with the same overrides, as the next version. A
 * setting that cannot change while the server runs (listen, workers, state,
 * user, limits of tables) is a problem like any other. On failure the old snapshot
 * is as it was and remains the caller's. Codes as oh__config_load.
 */
int oh__config_reload(const struct oh__config *old, struct oh__config **out,
                      struct oh__config_report *report);

/* Takes one more reference; callable from any thread. Returns its argument. */
const struct oh__config *oh__config_ref(const struct oh__config *config);

/* Gives one reference back; the last one releases everything. Any thread; NULL is ignored. */
void oh__config_unref(const struct oh__config *config);

/* What the protocol layers see; lives as long as the snapshot. */
const struct oh__settings *oh__config_settings(const struct oh__config *config);

/* What the process needs; lives as long as the snapshot. */
const struct oh__config_process *oh__config_process(const struct oh__config *config);

/* The file's path as given; NULL for the embedded defaults. */
const char *oh__config_path(const struct oh__config *config);

/* The text of the main file; empty for the embedded defaults. */
struct oh_span oh__config_source(const struct oh__config *config);

/*
 * Notes the address that a listener was really bound to (port 0 in the file).
 * Only between loading and the start of the first worker; a reload inherits it.
 */
void oh__config_bound(struct oh__config *config, unsigned listener, const struct oh_addr *addr);

/* Removes an optional listener that this machine cannot have; as oh__config_bound. */
void oh__config_drop_listener(struct oh__config *config, unsigned listener);

/* Prints one problem per line as compilers do: "office.lua:12:9: unknown setting ...". */
void oh__config_report_print(const struct oh__config_report *report, FILE *to);

/* Writes the reference of all settings and functions as Markdown (docs/configuration.md). */
void oh__config_reference(FILE *to);

#endif
