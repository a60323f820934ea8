/*
 * Account commands of a running server: the control thread owns the store's
 * accounts and a journal of its own, one behind those of the workers.
 */
#include <stdio.h>

#include "base/wheel.h"
#include "host/admin.h"
#include "host/admin_commands.h"
#include "host/control_topics.h"

#define PURGE_PERIOD (3600 * OH__SEC)

void oh__control_admin(struct oh__host *host, struct oh__admin *out,
                       const struct oh__config **config)
{
    *config = oh__host_config(host);
    const struct oh__settings *settings = oh__config_settings(*config);
    const char *name = oh__settings_main(settings)->name;

    *out = (struct oh__admin){.store = host->store,
                              .accounts = host->shared.accounts,
                              .location = host->shared.location,
                              .journal = oh__store_journal(host->store, host->workers_n),
                              .settings = settings,
                              .hasher = host->hasher,
                              .rng = &host->rng,
                              .wall = oh__clock_wall()};
    /* As the first accounts: without domains of its own the server has one set for all names. */
    snprintf(out->domain, sizeof out->domain, "%s", settings->domains_n ? name : "");
    snprintf(out->realm, sizeof out->realm, "%s", name);
}

/* Every change of an account is in the log: who can do what is worth knowing later. */
static void log_change(struct oh__host *host, const json_t *request, const json_t *reply)
{
    const char *command = oh__json_str(request, "command");
    char counts[64] = "";

    if (!json_is_true(json_object_get(reply, "ok")) || strcmp(command, "user-list") == 0)
        return;
    if (json_object_get(reply, "added"))
        snprintf(counts, sizeof counts, "%llu added, %llu replaced",
                 (unsigned long long)oh__json_u64(reply, "added", 0),
                 (unsigned long long)oh__json_u64(reply, "replaced", 0));
    const struct oh__log_field fields[] = {{"command", oh_span_str(command)},
                                           {"user", oh__json_member(reply, "user")},
                                           {"domain", oh__json_member(reply, "domain")},
                                           {"msg", oh_span_str(counts)}};

    oh__log_event(host->log, OH__LOG_INFO, "account-changed", fields, 4);
}

json_t *oh__control_users(struct oh__host *host, const json_t *request)
{
    const struct oh__config *config;
    struct oh__admin admin;

    oh__control_admin(host, &admin, &config);
    /* Tombstones live for weeks, and looking for them means reading every account. */
    if (oh__clock_now() >= host->purge_at) {
        host->purge_at = oh__clock_now() + PURGE_PERIOD;
        oh__admin_purge(&admin);
    }
    json_t *reply = oh__admin_command(&admin, request);

    log_change(host, request, reply);
    oh__config_unref(config);
    return reply;
}
