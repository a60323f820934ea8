/*
 * offhook serve. The one thing decided here is the realm of accounts that are
 * made without a domain: it must stay what it was when the first account was
 * made, or every stored hash is worthless (decision 12), so it does not depend on
 * this machine's name or addresses, and a state directory remembers it.
 */
#include "host/host.h"

#include <string.h>

#include <offhook/alloc.h>

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "host/offline.h"

static const char DEFAULT_DOMAIN[] = "offhook";

/* The default domain: as the state directory has it, else a word that no renaming of the machine
 * and no new address can make wrong. */
static void default_domain(const char *file, const struct oh__config_overrides *overrides,
                           char out[OH__NAME_MAX])
{
    struct oh__config_report *report = oh_alloc_zero(oh_alloc_default(), 1, sizeof *report);
    struct oh__config *config = NULL;
    char kept[OH__NAME_MAX];

    memcpy(out, DEFAULT_DOMAIN, sizeof DEFAULT_DOMAIN);
    if (!report)
        return;
    /* Problems are told by oh__host_run, which loads again. */
    if (oh__config_load(file, overrides, &config, report) == OH_OK &&
        oh__offline_realm(oh__config_process(config)->state, kept) == OH_OK)
        memcpy(out, kept, OH__NAME_MAX);
    oh__config_unref(config);
    oh_free(oh_alloc_default(), report, sizeof *report);
}

int oh__cmd_serve(const struct oh__args *args)
{
    const char *listen[OH__LISTENERS_MAX + 1], *domains[OH__DOMAINS_MAX + 1];
    const char *no_auth = oh__arg(args, "no-auth");
    char name[OH__NAME_MAX];
    unsigned long workers;

    if (no_auth && strcmp(no_auth, "anywhere") != 0) {
        oh__fail("--no-auth=%s: write --no-auth, or --no-auth=anywhere", no_auth);
        return OH__EXIT_USAGE;
    }
    if (!oh__arg_number(args, "workers", OH__CONFIG_WORKERS_MAX, 0, &workers))
        return OH__EXIT_USAGE;
    struct oh__host_options options = {
        .file = args->words_n ? args->words[0] : NULL,
        .overrides = {.listen_n = oh__arg_all(args, "listen", listen, OH__LISTENERS_MAX + 1),
                      .listen = listen,
                      .domains_n = oh__arg_all(args, "domain", domains, OH__DOMAINS_MAX + 1),
                      .domains = domains,
                      .state = oh__arg(args, "state"),
                      .no_auth = oh__arg_given(args, "no-auth"),
                      .workers = (uint32_t)workers},
        .no_auth_anywhere = no_auth != NULL};

    default_domain(options.file, &options.overrides, name);
    options.overrides.default_domain = name;
    return oh__host_run(&options);
}
