#include <stdio.h>

#include "host/admin.h"
#include "host/admin_commands.h"
#include "host/control_topics.h"

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

json_t *oh__control_users(struct oh__host *host, const json_t *request)
{
    const struct oh__config *config;
    struct oh__admin admin;

    oh__control_admin(host, &admin, &config);
    oh__admin_purge(&admin);
    json_t *reply = oh__admin_command(&admin, request);

    oh__config_unref(config);
    return reply;
}
