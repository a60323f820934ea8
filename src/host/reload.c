/*
 * A new configuration while calls go on. The control thread alone makes
 * snapshots; it puts the newest into the host and raises a number, and each
 * worker that sees the number change takes a reference of its own and lets go
 * of the old one between two batches (adopt in worker.c). So nobody waits for
 * anybody, no worker ever sees half a change, and the old snapshot ends with
 * the last worker that used it. What a transaction needs for its whole life it
 * has copied when it began.
 */
#include "host/config_parts.h"
#include "host/process.h"

const struct oh__config *oh__host_config(struct oh__host *host)
{
    pthread_mutex_lock(&host->config_lock);
    const struct oh__config *config = oh__config_ref(host->config);

    pthread_mutex_unlock(&host->config_lock);
    return config;
}

bool oh__host_no_auth_safe(const struct oh__host_options *options,
                           const struct oh__settings *settings, char listener[OH_ADDR_TEXT_MAX])
{
    if (!settings->no_auth || options->no_auth_anywhere)
        return true;
    for (unsigned i = 0; i < settings->listeners_n; i++) {
        if (oh_addr_is_loopback(&settings->listeners[i].addr))
            continue;
        oh_addr_text(&settings->listeners[i].addr, listener);
        return false;
    }
    return true;
}

/* A fresh configuration that may be put in force. */
static int load(const struct oh__host *host, struct oh__config **out,
                struct oh__config_report *report)
{
    char listener[OH_ADDR_TEXT_MAX];
    int r = oh__config_reload(host->config, out, report);

    if (r != OH_OK || oh__host_no_auth_safe(host->options, oh__config_settings(*out), listener))
        return r;
    /* What is refused at start must not come in by the back door. */
    oh__config_problem(report, host->options->file ? host->options->file : "configuration",
                       (struct oh__position){0}, "no_auth",
                       "'no_auth' with the listener %s would let every stranger register and call: "
                       "listen on loopback only, or start with --no-auth=anywhere",
                       listener);
    oh__config_unref(*out);
    return OH_E_DENIED;
}

int oh__host_reload(struct oh__host *host, struct oh__config_report *report)
{
    struct oh__config *fresh;
    int r = load(host, &fresh, report);

    if (r != OH_OK) {
        oh__log_say(host->log, OH__LOG_ERROR, "reload-refused",
                    "the configuration was not changed: %u problem(s), the first: %s", report->n,
                    report->n ? report->problems[0].text : oh_error_text(r));
        return r;
    }
    pthread_mutex_lock(&host->config_lock);
    const struct oh__config *old = host->config;

    host->config = fresh;
    atomic_store_explicit(&host->config_version, oh__config_settings(fresh)->version,
                          memory_order_release);
    pthread_mutex_unlock(&host->config_lock);
    oh__config_unref(old);
    for (unsigned i = 0; i < host->workers_n; i++)
        oh__net_wake(host->workers[i].net);
    oh__log_reopen(host->log, (enum oh__log_level)oh__config_process(fresh)->log_level);
    oh__log_say(host->log, OH__LOG_INFO, "reloaded", "configuration version %u is in force",
                oh__config_settings(fresh)->version);
    return OH_OK;
}

void oh__host_phase(struct oh__host *host, enum oh__phase phase)
{
    atomic_store_explicit(&host->phase, phase, memory_order_release);
    atomic_store_explicit(&host->shared.draining, phase != OH__PHASE_RUNNING, memory_order_relaxed);
    for (unsigned i = 0; i < host->workers_n; i++)
        oh__net_wake(host->workers[i].net);
}
