/*
 * The simulator: every scenario with many seeds.
 *
 *   sim                          40 seeds of each scenario
 *   sim --seeds 1-1000           other seeds
 *   sim --scenario cancel        only this one
 *   sim --seed 17 --scenario cancel -v   one run with its ladder; -v -v: whole messages
 *   sim --list                   what there is
 *
 * Prints "ok FAMILY seeds A-B" or "not ok FAMILY seed N: why". The same seed
 * gives the same run, to the byte. Exit status 1 when anything failed.
 */
#include "scenario.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define HAVE_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define HAVE_SANITIZER 1
#endif
#endif

#define SEEDS_DEFAULT 40
#define LADDER_TAIL   6000

struct job {
    uint64_t first, last;
    const char *only;
    unsigned verbose;
};

/* What runs now, for whoever ends the program without asking. */
static const struct scenario *current;
static uint64_t current_seed;

/* The last words when a rule of the server's own (assert) or a sanitizer stops the program. */
static void last_words(void)
{
    if (current)
        printf("not ok %s seed %llu: the program was stopped\n", current->name,
               (unsigned long long)current_seed);
    fflush(stdout);
    current = NULL;
}

static void on_abort(int signal_number)
{
    (void)signal_number;
    last_words();
    _Exit(1);
}

static void listen_for_the_end(void)
{
    signal(SIGABRT, on_abort);
#ifdef HAVE_SANITIZER
    __sanitizer_set_death_callback(last_words);
#else
    signal(SIGSEGV, on_abort);
#endif
}

/* Runs one world; true when all was well. */
static bool run(const struct scenario *scenario, uint64_t seed, unsigned verbose)
{
    struct oh__settings *settings = malloc(sizeof *settings);
    struct world_options options = {.seed = seed, .settings = settings, .verbose = verbose};
    const char *why, *ladder;
    struct world *w;

    if (!settings)
        abort();
    current = scenario;
    current_seed = seed;
    world_settings_default(settings);
    if (scenario->prepare)
        scenario->prepare(settings, &options);
    w = world_new(&options);
    why = world_try(w, scenario->run, NULL);
    if (why) {
        ladder = world_ladder(w);
        if (!verbose && strlen(ladder) > LADDER_TAIL)
            ladder += strlen(ladder) - LADDER_TAIL;
        printf("not ok %s seed %llu: %s\n", scenario->name, (unsigned long long)seed, why);
        if (!verbose)
            printf("%s\n  (sim --seed %llu --scenario %s -v)\n", ladder, (unsigned long long)seed,
                   scenario->name);
        fflush(stdout);
    }
    bool well = why == NULL;

    world_free(w);
    free(settings);
    current = NULL;
    return well;
}

static bool run_family(const struct scenario *scenario, const struct job *job)
{
    unsigned failed = 0;

    for (uint64_t seed = job->first; seed <= job->last && failed < 3; seed++)
        if (job->first == job->last || seed % scenario->every == 0)
            failed += !run(scenario, seed, job->verbose);
    if (failed)
        return false;
    printf("ok %s seeds %llu-%llu\n", scenario->name, (unsigned long long)job->first,
           (unsigned long long)job->last);
    fflush(stdout);
    return true;
}

static void list(void)
{
    for (unsigned i = 0; scenario_at(i); i++)
        printf("%-16s %s\n", scenario_at(i)->name, scenario_at(i)->about);
}

static int usage(void)
{
    fprintf(stderr, "usage: sim [--list] [--seed N | --seeds A-B] [--scenario NAME] [-v]\n");
    return 2;
}

/* Reads "A" or "A-B". */
static bool read_seeds(const char *text, struct job *job)
{
    char *end;

    job->first = job->last = strtoull(text, &end, 10);
    if (*end == '-')
        job->last = strtoull(end + 1, &end, 10);
    return *end == 0 && end != text && job->last >= job->first;
}

int main(int argc, char **argv)
{
    struct job job = {.first = 1, .last = SEEDS_DEFAULT};
    bool well = true, any = false;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--list") == 0) {
            list();
            return 0;
        }
        if (strcmp(argv[i], "-v") == 0) {
            job.verbose++;
        } else if (value && strncmp(argv[i], "--seed", 6) == 0 && read_seeds(value, &job)) {
            i++;
        } else if (value && strcmp(argv[i], "--scenario") == 0) {
            job.only = value;
            i++;
        } else {
            return usage();
        }
    }
    listen_for_the_end();
    for (unsigned i = 0; scenario_at(i); i++) {
        if (job.only && strcmp(job.only, scenario_at(i)->name) != 0)
            continue;
        any = true;
        well &= run_family(scenario_at(i), &job);
    }
    return !any ? usage() : well ? 0 : 1;
}
