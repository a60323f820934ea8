#include "host/process.h"

const struct oh__config *oh__host_config(struct oh__host *host)
{
    pthread_mutex_lock(&host->config_lock);
    const struct oh__config *config = oh__config_ref(host->config);

    pthread_mutex_unlock(&host->config_lock);
    return config;
}

int oh__host_reload(struct oh__host *host, struct oh__config_report *report)
{
    struct oh__config *fresh;
    int r = oh__config_reload(host->config, &fresh, report);

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
