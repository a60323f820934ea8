/*
 * What the files of the configuration share among themselves: the report, the
 * schema, the lexer with its positions, and the loader that ties them
 * together. Other modules include host/config.h or host/policy_lua.h.
 */
#ifndef OH_HOST_CONFIG_PARTS_H
#define OH_HOST_CONFIG_PARTS_H

#include <stdatomic.h>

#include <lua.h>

#include <offhook/arena.h>
#include <offhook/error.h>

#include "host/config.h"

/* --- report ------------------------------------------------------------- */

/* A place in a text; zeros when unknown. */
struct oh__position {
    uint32_t line, column; /* from 1 */
};

/* Adds a problem; beyond the bound it is only counted. setting may be "". */
__attribute__((format(printf, 5, 6))) void oh__config_problem(struct oh__config_report *report,
                                                              const char *file,
                                                              struct oh__position at,
                                                              const char *setting,
                                                              const char *format, ...);

/* Puts the problems in the order of files and lines, and removes doubles. */
void oh__config_report_sort(struct oh__config_report *report);

/* --- did you mean ------------------------------------------------------- */

/* The best match so far; start with {0}. */
struct oh__suggestion {
    const char *name;
    size_t distance;
};

/* Offers one known name for a word that is unknown; keeps it when it is near and the nearest. */
void oh__suggest(struct oh__suggestion *best, struct oh_span word, const char *name);

/* --- lexer -------------------------------------------------------------- */

enum oh__token {
    OH__TOKEN_END,
    OH__TOKEN_NAME,
    OH__TOKEN_STRING,
    OH__TOKEN_NUMBER,
    OH__TOKEN_SYMBOL
};

struct oh__lexer {
    struct oh_span rest;
    uint32_t line; /* of rest */
    const char *line_start;
    /* The current token. */
    enum oh__token kind;
    struct oh_span text; /* a string's is the inside of its quotes, escapes as written */
    struct oh__position at;
};

/* Starts before the first token; oh__lexer_next must follow. A "#!" line is skipped. */
void oh__lexer_init(struct oh__lexer *lx, struct oh_span text);

/* Goes to the next token; at the end it stays at OH__TOKEN_END. Never fails: the text may be wrong.
 */
void oh__lexer_next(struct oh__lexer *lx);

/* True when the current token is this name, keyword or symbol. */
bool oh__lexer_is(const struct oh__lexer *lx, const char *text);

/* True for a reserved word of Lua. */
bool oh__lexer_keyword(struct oh_span name);

/* --- positions ---------------------------------------------------------- */

struct oh__positions;

/* Which part of `key = value` is meant. */
enum oh__position_part { OH__POSITION_KEY, OH__POSITION_VALUE };

/* Maps the settings of one text; the result lives in the arena. OH_OK or OH_E_NOMEM. */
int oh__positions_build(struct oh_span text, struct oh_arena *arena, struct oh__positions **out);

/*
 * Where a setting such as "domains[2].mode" stands, or the nearest thing that
 * holds it. line is where its global was assigned at run time, which chooses
 * between several assignments of one name; 0 = the first one.
 */
struct oh__position oh__positions_find(const struct oh__positions *p, const char *path,
                                       uint32_t line, enum oh__position_part part);

/* The i-th key that is written twice in one table: its path and both places. False past the end. */
bool oh__positions_double(const struct oh__positions *p, size_t i, const char **path,
                          struct oh__position *first, struct oh__position *second);

/* The column of a word on a line, of the line's first token when it is not there or empty. */
struct oh__position oh__positions_word(struct oh_span text, uint32_t line, struct oh_span word);

/* Reports every name in a text that is neither local to it nor known to the configuration. */
void oh__config_names_check(struct oh_span text, const char *file, struct oh_arena *arena,
                            struct oh__config_report *report);

/* True when the sandbox or the schema knows this global name. */
bool oh__config_name_known(struct oh_span name);

/* Offers every known global name. */
void oh__config_name_suggest(struct oh__suggestion *best, struct oh_span word);

/* --- schema ------------------------------------------------------------- */

enum oh__setting_type {
    OH__SETTING_BOOL,     /* bool */
    OH__SETTING_COUNT,    /* uint32_t */
    OH__SETTING_SECONDS,  /* uint32_t, written as a duration */
    OH__SETTING_DURATION, /* uint64_t, nanoseconds */
    OH__SETTING_SIZE,     /* uint32_t, bytes */
    OH__SETTING_TEXT,     /* char[size]; min 1: must not be empty */
    OH__SETTING_HOST,     /* char[size]: host name or address */
    OH__SETTING_CHOICE,   /* uint8_t, index into choices */
    OH__SETTING_DIGEST,   /* uint8_t[3], enum oh_hash, 0 ends */
};

/* Which struct a row's offset is counted from. */
enum oh__setting_base { OH__BASE_SETTINGS, OH__BASE_PROCESS, OH__BASE_ELEMENT };

struct oh__setting_row {
    const char *name;
    uint8_t type; /* enum oh__setting_type */
    uint8_t base; /* enum oh__setting_base */
    size_t offset;
    uint64_t min, max; /* in the unit of the field */
    uint32_t size;     /* of a text field, with its terminator */
    bool zero;         /* 0 is allowed although min is above it: it switches something off */
    bool fixed;        /* cannot change while the server runs */
    const char *const *choices; /* ends with NULL */
    const char *doc;            /* one sentence */
};

enum oh__group_kind {
    OH__GROUP_TOP,    /* rows are globals */
    OH__GROUP_TABLE,  /* a global table of rows */
    OH__GROUP_LISTEN, /* lists: their elements are a text, or a table of text and rows */
    OH__GROUP_DOMAINS,
    OH__GROUP_TRUSTED,
};

struct oh__setting_group {
    const char *name; /* "" for OH__GROUP_TOP */
    uint8_t kind;
    bool fixed;
    unsigned rows_n;
    const struct oh__setting_row *rows;
    const char *doc;
};

/* The i-th group in the order of the reference; NULL past the end. */
const struct oh__setting_group *oh__schema_group(unsigned i);

/* A group by name; "" gives the plain globals. NULL when there is none. */
const struct oh__setting_group *oh__schema_find(const char *name);

/* A policy function or a name that Lua files may use, for the check of names and the reference. */
struct oh__schema_name {
    const char *name, *doc;
};

/* The i-th policy function; name NULL past the end. Their order is that of enum oh__policy_point.
 */
struct oh__schema_name oh__schema_function(unsigned i);

/* The i-th name that the sandbox offers; name NULL past the end. */
struct oh__schema_name oh__schema_builtin(unsigned i);

/* The embedded defaults of the process settings. */
void oh__config_process_default(struct oh__config_process *p);

/* --- values ------------------------------------------------------------- */

/* Reads "30 s", "1.5 min" or a plain number of seconds. OH_OK, OH_E_SYNTAX, OH_E_RANGE. */
int oh__config_duration(struct oh_span text, uint64_t *ns);

/* Reads "64 KiB" or a plain number of bytes. OH_OK, OH_E_SYNTAX, OH_E_RANGE. */
int oh__config_size(struct oh_span text, uint64_t *bytes);

#define OH__CONFIG_VALUE_TEXT 64

/* Writes a value of a numeric row as it would be written in a file ("30 s", "64 KiB", "10"). */
void oh__config_value_text(const struct oh__setting_row *row, uint64_t value,
                           char out[OH__CONFIG_VALUE_TEXT]);

/* Reads the number a row's field holds in the struct that its offset counts from. */
uint64_t oh__config_field(const struct oh__setting_row *row, const void *base);

#define OH__CONFIG_WHY_MAX 256

/*
 * Converts the value on top of a Lua stack into a row's field, counted from
 * base; the value stays there. OH_OK; OH_E_SYNTAX or OH_E_RANGE with the reason
 * written ("must be a time such as \"30 s\", but is a boolean").
 */
int oh__config_convert(lua_State *L, const struct oh__setting_row *row, void *base,
                       char why[OH__CONFIG_WHY_MAX]);

/* Reads "udp:0.0.0.0:5060" into transport and address. OH_OK, or OH_E_SYNTAX with the reason. */
int oh__config_listener(struct oh_span text, struct oh__settings_listener *out,
                        char why[OH__CONFIG_WHY_MAX]);

/*
 * Writes a host name or address in the one form it is compared in: lower case,
 * no final dot, IPv6 in brackets. OH_OK, or OH_E_SYNTAX with the reason.
 */
int oh__config_domain(struct oh_span text, char out[OH__NAME_MAX], char why[OH__CONFIG_WHY_MAX]);

/* Splits "sip.example.com:5080" of `advertise`. OH_OK, or OH_E_SYNTAX with the reason. */
int oh__config_advertise(struct oh_span text, struct oh__settings_listener *out,
                         char why[OH__CONFIG_WHY_MAX]);

/* --- sources ------------------------------------------------------------ */

#define OH__CONFIG_FILES_MAX    32
#define OH__CONFIG_DEPTH_MAX    8
#define OH__CONFIG_FILE_BYTES   (1u << 20)
#define OH__CONFIG_SECRET_BYTES (64u << 10)

enum oh__source_kind { OH__SOURCE_LUA, OH__SOURCE_FILE, OH__SOURCE_ENV };

/* Something that was read while loading; workers read it here, never from the disk again. */
struct oh__source {
    struct oh__source *next;
    enum oh__source_kind kind;
    const char *name;                /* path as resolved, or the variable's name */
    struct oh_span text;             /* p == NULL: an environment variable that is not set */
    struct oh__positions *positions; /* OH__SOURCE_LUA only */
};

/* Reads a file of at most max bytes into the arena. OH_OK, OH_E_IO, OH_E_LIMIT, OH_E_NOMEM; why
 * says more. */
int oh__config_read(const char *path, size_t max, struct oh_arena *arena, struct oh_span *out,
                    char why[OH__CONFIG_WHY_MAX]);

struct oh__config {
    atomic_uint refs;
    struct oh_arena arena;      /* texts, positions and copies of the overrides */
    const char *path;           /* NULL: embedded defaults */
    struct oh__source *sources; /* the main file first */
    struct oh__config_overrides cli;
    struct oh__settings settings;
    struct oh__config_process process;
    unsigned wanted_n; /* listeners as configured; origin leads from settings to them */
    struct oh__settings_listener wanted[OH__LISTENERS_MAX];
    uint8_t origin[OH__LISTENERS_MAX];
};

/* Finds what was read earlier; NULL when it was not. */
struct oh__source *oh__config_source_find(const struct oh__config *config,
                                          enum oh__source_kind kind, const char *name);

/* Adds a source at the end of the list; the name is copied, the text is in the arena already. NULL:
 * no memory. */
struct oh__source *oh__config_source_add(struct oh__config *config, enum oh__source_kind kind,
                                         const char *name, struct oh_span text);

/* --- loader ------------------------------------------------------------- */

struct oh__sandbox;

#define OH__CONFIG_GLOBALS_MAX 64

/* Where a global was assigned at run time. */
struct oh__assignment {
    const char *name; /* in the arena of the snapshot */
    const struct oh__source *source;
    uint32_t line;
};

/* One run of the text: the first fills the snapshot, later ones (replay) serve a worker. */
struct oh__loader {
    struct oh__config *config;
    struct oh__config_report *report; /* NULL in a replay */
    struct oh__sandbox *sandbox;
    bool replay;
    bool loaded;    /* over: globals are closed now */
    unsigned depth; /* of include */
    /* Places of listeners and domains in the file's lists, where wrong elements count, too. */
    uint16_t listener_at[OH__LISTENERS_MAX], domain_at[OH__DOMAINS_MAX];
    unsigned assigned_n;
    struct oh__assignment assigned[OH__CONFIG_GLOBALS_MAX];
};

/*
 * Runs the text in the sandbox of the loader. Problems go to the report; what was set before
 * one stays set. OH_OK, OH_E_SYNTAX, OH_E_IO, OH_E_NOMEM.
 */
int oh__loader_run(struct oh__loader *ld);

/* Reports a problem of a setting at its place in the text. */
__attribute__((format(printf, 4, 5))) void oh__loader_problem(struct oh__loader *ld,
                                                              const char *path,
                                                              enum oh__position_part part,
                                                              const char *format, ...);

/* Walks the globals against the schema into the snapshot. */
void oh__loader_apply(struct oh__loader *ld);

/* Checks what no single row can: orders, aliases, doubles. */
void oh__loader_cross_check(struct oh__loader *ld);

#endif
