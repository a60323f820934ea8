/*
 * The process as a whole: its name and phase, its configuration, its end, a
 * copy of its state. The copy is made by a thread of its own (control_job.c),
 * everything else by the control thread.
 */
#include <stdio.h>
#include <unistd.h>

#include "host/admin.h"
#include "host/control_topics.h"

static const char *phase_name(const struct oh__host *host)
{
    switch ((enum oh__phase)host->phase) {
    case OH__PHASE_RUNNING: return "running";
    case OH__PHASE_DRAINING: return "draining";
    case OH__PHASE_STOPPING: return "stopping";
    }
    return "?";
}

json_t *oh__control_ping(struct oh__host *host, const json_t *request)
{
    json_t *reply = oh__control_ok();

    (void)request;
    json_object_set_new(reply, "version", json_string(OH_VERSION_TEXT));
    json_object_set_new(reply, "pid", json_integer(getpid()));
    json_object_set_new(reply, "phase", json_string(phase_name(host)));
    return reply;
}

json_t *oh__control_config(struct oh__host *host, const json_t *request)
{
    json_t *reply = oh__control_ok(), *domains = json_array();
    const struct oh__config *config;
    struct oh__admin admin;

    (void)request;
    oh__control_admin(host, &admin, &config);
    const char *file = oh__config_path(config);

    for (unsigned i = 0; i < admin.settings->domains_n; i++)
        json_array_append_new(domains, oh__json_text(oh_span_str(admin.settings->domains[i].name)));
    json_object_set_new(reply, "file", file ? oh__json_text(oh_span_str(file)) : json_null());
    json_object_set_new(reply, "state",
                        oh__json_text(oh_span_str(oh__config_process(config)->state)));
    json_object_set_new(reply, "domains", domains);
    json_object_set_new(reply, "domain", oh__json_text(oh_span_str(admin.domain)));
    json_object_set_new(reply, "realm", oh__json_text(oh_span_str(admin.realm)));
    oh__config_unref(config);
    return reply;
}

static json_t *problems_of(const struct oh__config_report *report)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < report->n; i++) {
        const struct oh__config_problem *p = &report->problems[i];
        json_t *o = json_pack("{s:i,s:i}", "line", (int)p->line, "column", (int)p->column);

        json_object_set_new(o, "file", oh__json_text(oh_span_str(p->file)));
        json_object_set_new(o, "setting", oh__json_text(oh_span_str(p->setting)));
        json_object_set_new(o, "text", oh__json_text(oh_span_str(p->text)));
        json_array_append_new(list, o);
    }
    return list;
}

json_t *oh__control_reload(struct oh__host *host, const json_t *request)
{
    struct oh__config_report *report = oh_alloc_zero(oh_alloc_default(), 1, sizeof *report);
    json_t *reply;

    (void)request;
    if (!report)
        return oh__control_error(9, "memory is short: nothing was changed");
    int r = oh__host_reload(host, report);

    if (r == OH_OK) {
        const struct oh__settings *settings = oh__config_settings(host->config);

        reply = oh__control_ok();
        json_object_set_new(reply, "config_version", json_integer(settings->version));
        json_object_set_new(reply, "file",
                            host->options->file ? oh__json_text(oh_span_str(host->options->file))
                                                : json_null());
    } else {
        reply = oh__control_error(9, "the configuration was refused and nothing was changed%s%s",
                                  report->n ? "" : ": ", report->n ? "" : oh_error_text(r));
        json_object_set_new(reply, "problems", problems_of(report));
        json_object_set_new(reply, "dropped", json_integer(report->dropped));
    }
    oh_free(oh_alloc_default(), report, sizeof *report);
    return reply;
}

static json_t *leave(struct oh__host *host, enum oh__phase phase)
{
    json_t *reply;

    /* Who is stopping already does not go back to draining. */
    if (host->phase < (int)phase)
        oh__host_phase(host, phase);
    reply = oh__control_ping(host, NULL);
    return reply;
}

json_t *oh__control_drain(struct oh__host *host, const json_t *request)
{
    (void)request;
    return leave(host, OH__PHASE_DRAINING);
}

json_t *oh__control_stop(struct oh__host *host, const json_t *request)
{
    (void)request;
    return leave(host, OH__PHASE_STOPPING);
}

json_t *oh__control_backup(struct oh__host *host, const json_t *request)
{
    const char *to = oh__json_str(request, "directory");
    struct oh__state_cursor cursor;
    char why[OH__STORE_WHY] = "";

    if (to[0] != '/')
        return oh__control_error(2, "the directory must be an absolute path, because the server "
                                    "works in another directory than you");
    oh__state_cursor_init(&cursor, host->shared.location);
    int r = oh__store_backup(host->store, to, oh__state_next, &cursor, why);

    oh__state_cursor_done(&cursor);
    if (r != OH_OK)
        return oh__control_error(9, "%s", why[0] ? why : oh_error_text(r));
    json_t *reply = oh__control_ok();

    json_object_set_new(reply, "directory", oh__json_text(oh_span_str(to)));
    return reply;
}
