/*
 * The life of a snapshot: made, counted, replaced. A snapshot is written by
 * one thread before anybody else sees it and never again, so readers need no
 * lock; the count of references is the only thing that changes, and atomically.
 */
#include "host/config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/config_parts.h"
#include "host/config_sandbox.h"

#define ARENA_MAX   (256u << 20)
#define LOAD_MEMORY (64u << 20)
#define LOAD_STEPS  20000000
#define CLI         "command line"

/* Everything a snapshot points to lives in its arena. */
static void config_free(struct oh__config *c)
{
    oh_arena_done(&c->arena);
    oh_free(oh_alloc_default(), c, sizeof(*c));
}

/* Copies a text into the arena; NULL stays NULL, as it does for want of memory. */
static const char *keep_text(struct oh__config *c, const char *text)
{
    return text ? oh_arena_copy(&c->arena, oh_span(text, strlen(text) + 1)).p : NULL;
}

/* Copies a list of texts into the arena; NULL when memory is short. */
static const char *const *keep_list(struct oh__config *c, const char *const *list, unsigned n)
{
    const char **copy = oh_arena_take(&c->arena, (n + 1) * sizeof(*copy));

    for (unsigned i = 0; copy && i < n; i++) {
        copy[i] = keep_text(c, list[i]);
        if (!copy[i])
            return NULL;
    }
    return copy;
}

/* A snapshot outlives the caller's command line, because a reload needs it again. */
static int keep_overrides(struct oh__config *c, const struct oh__config_overrides *cli)
{
    c->cli = *cli;
    c->cli.listen = keep_list(c, cli->listen, cli->listen_n);
    c->cli.domains = keep_list(c, cli->domains, cli->domains_n);
    c->cli.default_domain = keep_text(c, cli->default_domain);
    c->cli.state = keep_text(c, cli->state);
    if (!c->cli.listen || !c->cli.domains || (cli->default_domain && !c->cli.default_domain) ||
        (cli->state && !c->cli.state))
        return OH_E_NOMEM;
    return OH_OK;
}

/* A snapshot with nothing but defaults, and what the command line said. */
static int config_new(const char *path, const struct oh__config_overrides *cli,
                      struct oh__config **out)
{
    static const struct oh__config_overrides none;
    struct oh__config *c = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*c));
    int e = OH_OK;

    if (!c)
        return OH_E_NOMEM;
    atomic_init(&c->refs, 1);
    oh_arena_init(&c->arena, oh_alloc_default(), ARENA_MAX);
    oh__settings_default(&c->settings);
    oh__config_process_default(&c->process);
    c->settings.version = 1;
    c->path = keep_text(c, path);
    e = path && !c->path ? OH_E_NOMEM : keep_overrides(c, cli ? cli : &none);
    if (e != OH_OK) {
        config_free(c);
        return e;
    }
    *out = c;
    return OH_OK;
}

/* A list of listeners of the command line replaces the file's. */
static void override_listeners(struct oh__loader *ld)
{
    struct oh__config *c = ld->config;
    struct oh__config_report *report = ld->report;
    struct oh__settings *s = &c->settings;
    char why[OH__CONFIG_WHY_MAX];

    if (c->cli.listen_n == 0)
        return;
    s->listeners_n = 0;
    memset(s->listeners, 0, sizeof(s->listeners));
    for (unsigned i = 0; i < c->cli.listen_n; i++) {
        if (s->listeners_n == OH__LISTENERS_MAX) {
            oh__config_problem(report, CLI, (struct oh__position){0, 0}, "listen",
                               "more than %d listeners", OH__LISTENERS_MAX);
            return;
        }
        ld->listener_at[s->listeners_n] = (uint16_t)(i + 1);
        if (oh__config_listener(oh_span_str(c->cli.listen[i]), &s->listeners[s->listeners_n],
                                why) == OH_OK)
            s->listeners_n++;
        else
            oh__config_problem(report, CLI, (struct oh__position){0, 0}, "listen", "a listener %s",
                               why);
    }
}

/* A list of domains of the command line replaces the file's; they get domain_defaults. */
static void override_domains(struct oh__loader *ld)
{
    struct oh__config *c = ld->config;
    struct oh__config_report *report = ld->report;
    struct oh__settings *s = &c->settings;
    char why[OH__CONFIG_WHY_MAX], name[OH__NAME_MAX];

    if (c->cli.domains_n == 0)
        return;
    s->domains_n = 0;
    for (unsigned i = 0; i < c->cli.domains_n; i++) {
        struct oh__settings_domain *d = &s->domains[s->domains_n];

        if (s->domains_n == OH__DOMAINS_MAX) {
            oh__config_problem(report, CLI, (struct oh__position){0, 0}, "domains",
                               "more than %d domains", OH__DOMAINS_MAX);
            return;
        }
        if (oh__config_domain(oh_span_str(c->cli.domains[i]), name, why) != OH_OK) {
            oh__config_problem(report, CLI, (struct oh__position){0, 0}, "domains", "a domain %s",
                               why);
            continue;
        }
        ld->domain_at[s->domains_n] = (uint16_t)(i + 1);
        *d = s->fallback;
        memcpy(d->name, name, sizeof(name));
        s->domains_n++;
    }
}

/* A path that does not fit is a problem, not a shorter path. */
static void override_text(char *field, size_t cap, const char *text, const char *name,
                          struct oh__config_report *report)
{
    if (!text)
        return;
    if (strlen(text) >= cap)
        oh__config_problem(report, CLI, (struct oh__position){0, 0}, name,
                           "%s must be shorter than %zu bytes", name, cap);
    else
        snprintf(field, cap, "%s", text);
}

/* Runs after the file, so that the command line wins; its problems go into the same report. */
static void apply_overrides(struct oh__loader *ld)
{
    struct oh__config *c = ld->config;
    struct oh__config_report *report = ld->report;

    override_listeners(ld);
    override_domains(ld);
    override_text(c->process.state, sizeof(c->process.state), c->cli.state, "state", report);
    if (c->cli.no_auth)
        c->settings.no_auth = true;
    if (c->cli.workers > OH__CONFIG_WORKERS_MAX)
        oh__config_problem(report, CLI, (struct oh__position){0, 0}, "workers",
                           "workers must be 0 to %d, but is %u", OH__CONFIG_WORKERS_MAX,
                           c->cli.workers);
    else if (c->cli.workers)
        c->process.workers = c->cli.workers;
}

/* Where bindings go when nobody said it: where a service, or a person, expects state. */
static void default_state(struct oh__config_process *p)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;

    if (p->state[0])
        return;
    if (geteuid() == 0)
        n = snprintf(p->state, sizeof(p->state), "/var/lib/offhook");
    else if (state && state[0] == '/')
        n = snprintf(p->state, sizeof(p->state), "%s/offhook", state);
    else
        n = snprintf(p->state, sizeof(p->state), "%s/.local/state/offhook",
                     home && home[0] == '/' ? home : "");
    if (n < 0 || (size_t)n >= sizeof(p->state))
        snprintf(p->state, sizeof(p->state), "/var/lib/offhook");
}

/* What follows from other settings. */
static void derive(struct oh__config *c)
{
    struct oh__settings *s = &c->settings;
    const char *first = s->domains_n ? s->domains[0].name : c->cli.default_domain;

    s->any_domain = s->domains_n == 0;
    if (s->domains_n && s->domains[0].alias_of[0])
        first = s->domains[0].alias_of;
    if (!s->default_domain[0] && first)
        snprintf(s->default_domain, sizeof(s->default_domain), "%s", first);
    memcpy(s->fallback.name, s->default_domain, sizeof(s->fallback.name));
    default_state(&c->process);
    c->wanted_n = s->listeners_n;
    memcpy(c->wanted, s->listeners, sizeof(c->wanted));
    for (unsigned i = 0; i < c->wanted_n; i++)
        c->origin[i] = (uint8_t)i;
}

/* Runs the file and puts its settings into the snapshot. */
static int run_file(struct oh__loader *ld)
{
    int e;

    ld->sandbox = oh__sandbox_new(LOAD_MEMORY);
    if (!ld->sandbox)
        return OH_E_NOMEM;
    oh__sandbox_budget(ld->sandbox, LOAD_STEPS);
    e = oh__loader_run(ld);
    /* What was set before an error is checked, too; a fresh budget makes up for a spent one. */
    oh__sandbox_budget(ld->sandbox, LOAD_STEPS);
    if (e != OH_E_NOMEM && e != OH_E_IO)
        oh__loader_apply(ld);
    return e;
}

/*
 * The common part of a first load and a reload. On any failure the caller
 * releases the snapshot.
 */
static int load(const char *path, const struct oh__config_overrides *cli, struct oh__loader *ld)
{
    struct oh__config_report *report = ld->report;
    int e = config_new(path, cli, &ld->config);

    if (e != OH_OK)
        return e;
    if (path)
        e = run_file(ld);
    if (e == OH_E_NOMEM || e == OH_E_IO)
        return e;
    apply_overrides(ld);
    derive(ld->config);
    oh__loader_cross_check(ld);
    return report->n ? OH_E_SYNTAX : OH_OK;
}

/* Ends a load: what is not handed out is released. */
static int finish(struct oh__loader *ld, int e, struct oh__config **out)
{
    oh__sandbox_free(ld->sandbox);
    oh__config_report_sort(ld->report);
    if (e == OH_OK)
        *out = ld->config;
    else if (ld->config)
        config_free(ld->config);
    return e;
}

int oh__config_load(const char *path, const struct oh__config_overrides *cli,
                    struct oh__config **out, struct oh__config_report *report)
{
    struct oh__loader ld = {.report = report};

    report->n = report->dropped = 0;
    return finish(&ld, load(path, cli, &ld), out);
}

/* True when a row's field has the same value in both structs. */
static bool same_field(const struct oh__setting_row *row, const void *a, const void *b)
{
    if (row->type == OH__SETTING_TEXT || row->type == OH__SETTING_HOST)
        return strcmp((const char *)a + row->offset, (const char *)b + row->offset) == 0;
    return oh__config_field(row, a) == oh__config_field(row, b);
}

/* Sockets, threads and tables are made once; their settings must be what they were. */
static void check_rows(struct oh__loader *ld, const struct oh__config *old,
                       const struct oh__setting_group *g)
{
    for (unsigned i = 0; i < g->rows_n; i++) {
        const struct oh__setting_row *row = &g->rows[i];
        bool process = row->base == OH__BASE_PROCESS;
        const void *a = process ? (const void *)&old->process : (const void *)&old->settings;
        const void *b = process ? (const void *)&ld->config->process
                                : (const void *)&ld->config->settings;
        char path[64];

        if (!row->fixed || same_field(row, a, b))
            continue;
        snprintf(path, sizeof(path), "%s%s%s", g->name, g->name[0] ? "." : "", row->name);
        oh__loader_problem(ld, path, OH__POSITION_KEY,
                           "'%s' cannot change while the server runs: restart it, or take the "
                           "change back",
                           path);
    }
}

/* Sockets are open: the list must name the same transports and addresses in the same order. */
static bool same_listeners(const struct oh__config *a, const struct oh__config *b)
{
    if (a->wanted_n != b->wanted_n)
        return false;
    for (unsigned i = 0; i < a->wanted_n; i++) {
        if (a->wanted[i].transport != b->wanted[i].transport ||
            !oh_addr_eq(&a->wanted[i].addr, &b->wanted[i].addr))
            return false;
    }
    return true;
}

/* The sockets go on as they are: bound ports and left-out addresses carry over. */
static void inherit_listeners(struct oh__config *c, const struct oh__config *old)
{
    c->settings.listeners_n = old->settings.listeners_n;
    memcpy(c->origin, old->origin, sizeof(c->origin));
    for (unsigned i = 0; i < old->settings.listeners_n; i++) {
        c->settings.listeners[i] = c->wanted[old->origin[i]];
        c->settings.listeners[i].addr = old->settings.listeners[i].addr;
    }
}

int oh__config_reload(const struct oh__config *old, struct oh__config **out,
                      struct oh__config_report *report)
{
    struct oh__loader ld = {.report = report};
    int e;

    report->n = report->dropped = 0;
    e = load(old->path, &old->cli, &ld);
    if (e == OH_OK) {
        for (unsigned i = 0; oh__schema_group(i); i++) {
            if (oh__schema_group(i)->kind == OH__GROUP_TOP ||
                oh__schema_group(i)->kind == OH__GROUP_TABLE)
                check_rows(&ld, old, oh__schema_group(i));
        }
        if (!same_listeners(old, ld.config))
            oh__loader_problem(&ld, "listen", OH__POSITION_KEY,
                               "'listen' cannot change while the server runs: restart it, or "
                               "take the change back");
        e = report->n ? OH_E_SYNTAX : OH_OK;
    }
    if (e == OH_OK) {
        ld.config->settings.version = old->settings.version + 1;
        inherit_listeners(ld.config, old);
    }
    return finish(&ld, e, out);
}

/* Counting references is the one change to a snapshot that others share. */
static atomic_uint *refs_of(const struct oh__config *config)
{
    return (atomic_uint *)&((struct oh__config *)(uintptr_t)config)->refs;
}

const struct oh__config *oh__config_ref(const struct oh__config *config)
{
    atomic_fetch_add_explicit(refs_of(config), 1, memory_order_relaxed);
    return config;
}

void oh__config_unref(const struct oh__config *config)
{
    if (config && atomic_fetch_sub_explicit(refs_of(config), 1, memory_order_acq_rel) == 1)
        config_free((struct oh__config *)(uintptr_t)config);
}

const struct oh__settings *oh__config_settings(const struct oh__config *config)
{
    return &config->settings;
}

const struct oh__config_process *oh__config_process(const struct oh__config *config)
{
    return &config->process;
}

const char *oh__config_path(const struct oh__config *config)
{
    return config->path;
}

struct oh_span oh__config_source(const struct oh__config *config)
{
    return config->sources ? config->sources->text : oh_span("", 0);
}

void oh__config_bound(struct oh__config *config, unsigned listener, const struct oh_addr *addr)
{
    if (listener < config->settings.listeners_n)
        config->settings.listeners[listener].addr = *addr;
}

void oh__config_drop_listener(struct oh__config *config, unsigned listener)
{
    struct oh__settings *s = &config->settings;

    if (listener >= s->listeners_n)
        return;
    s->listeners_n--;
    memmove(&s->listeners[listener], &s->listeners[listener + 1],
            (s->listeners_n - listener) * sizeof(s->listeners[0]));
    memmove(&config->origin[listener], &config->origin[listener + 1], s->listeners_n - listener);
}
