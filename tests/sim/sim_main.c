/*
 * The simulator: every scenario with many seeds.
 *
 *   sim                          a few seeds of each scenario, some of them twice
 *   sim --seeds 1-1000           other seeds
 *   sim --until 1000000          seed after seed of all scenarios, until there were so many
 *                                transactions
 *   sim --forever [--seeds N-M]  seed after seed until it is stopped, from N on
 *   sim --scenario cancel        only this one
 *   sim --seed 17 --scenario cancel -v   one run with its ladder; -v -v: whole messages
 *   sim --list                   what there is
 *
 * Prints "ok FAMILY seeds A-B" or "not ok FAMILY seed N: why", and in the end
 * how much that was. The same seed gives the same run, to the byte; that this
 * is so is tested, too. Exit status 1 when anything failed.
 */
#include "scenario.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define HAVE_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define HAVE_SANITIZER 1
#endif
#endif

#define SEEDS_DEFAULT 24
#define TWICE         2 /* seeds of each scenario that are run again, to compare */
#define LADDER_TAIL   6000
#define FAILED_MAX    3 /* of one scenario, then it is left alone */
#define FAMILIES_MAX  64

struct job {
    uint64_t first, last;
    uint64_t until; /* transactions; 0 = the seeds are all */
    bool forever;
    bool chosen; /* seeds were named */
    const char *only;
    unsigned verbose;
};

/* What was done so far. */
struct tally {
    uint64_t transactions, worlds, failures;
    unsigned failed[FAMILIES_MAX];
};

static const char *program;

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

/* Ctrl-C while there is no end of seeds: the world that runs is the last one. */
static volatile sig_atomic_t stopped;

static void on_stop(int signal_number)
{
    stopped = 1;
    signal(signal_number, SIG_DFL); /* the second time means at once */
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

/* ---- one world ---- */

/* Runs it; true when all was well. *trace gets the hash of what happened. */
static bool run_once(const struct scenario *scenario, struct world_options *options,
                     struct tally *tally, uint64_t *trace)
{
    const char *why, *ladder;
    struct world *w = world_new(options);

    why = world_try(w, scenario->run, NULL);
    *trace = world_trace(w);
    if (options->quiet)
        tally->transactions += world_transactions(w);
    /* The first run kept no ladder: the second one has it. */
    if (why && !options->quiet) {
        ladder = world_ladder(w);
        if (!options->verbose && strlen(ladder) > LADDER_TAIL)
            ladder += strlen(ladder) - LADDER_TAIL;
        if (!options->verbose)
            printf("%s\n", ladder);
        printf("not ok %s seed %llu: %s\n", scenario->name, (unsigned long long)options->seed, why);
        printf("  (%s --seed %llu --scenario %s -v)\n", program, (unsigned long long)options->seed,
               scenario->name);
        fflush(stdout);
    }
    bool well = why == NULL;

    world_free(w);
    return well;
}

/* What a scenario leaves open is different from seed to seed. */
static void vary(struct world_options *options)
{
    static const unsigned shards[] = {4, 1, 16, 64};

    if (!options->shards)
        options->shards = shards[options->seed % 4];
    if (!options->workers)
        options->workers = 1 + options->seed / 4 % 2;
    if (options->seed % 5 == 0)
        options->expire_at_once = 1;
}

/* A seed of a scenario; again with its ladder when it fails, or to see whether it is the same. */
static bool run(const struct scenario *scenario, uint64_t seed, const struct job *job,
                struct tally *tally)
{
    struct oh__settings *settings = malloc(sizeof *settings);
    struct world_options options = {.seed = seed, .settings = settings, .verbose = job->verbose};
    uint64_t first = 0, second = 0;
    bool well;

    if (!settings)
        abort();
    current = scenario;
    current_seed = seed;
    world_settings_default(settings);
    if (scenario->prepare)
        scenario->prepare(settings, &options);
    vary(&options);
    options.quiet = !job->verbose;
    well = run_once(scenario, &options, tally, &first);
    tally->worlds++;
    if (options.quiet && (!well || seed < job->first + TWICE)) {
        options.quiet = false;
        if (run_once(scenario, &options, tally, &second) != well || first != second) {
            printf("not ok %s seed %llu: it does not run the same way twice\n", scenario->name,
                   (unsigned long long)seed);
            well = false;
        }
    }
    free(settings);
    current = NULL;
    tally->failures += !well;
    return well;
}

/* ---- many worlds ---- */

static bool wanted(const struct job *job, const struct scenario *scenario)
{
    return !job->only || strcmp(job->only, scenario->name) == 0;
}

static void run_family(const struct scenario *scenario, const struct job *job, struct tally *tally)
{
    unsigned failed = 0;

    for (uint64_t seed = job->first; seed <= job->last && failed < FAILED_MAX; seed++)
        if (job->first == job->last || seed % scenario->every == 0)
            failed += !run(scenario, seed, job, tally);
    if (failed == 0)
        printf("ok %s seeds %llu-%llu\n", scenario->name, (unsigned long long)job->first,
               (unsigned long long)job->last);
    fflush(stdout);
}

/* The seeds that found something once. */
static void run_known(const struct job *job, struct tally *tally)
{
    const struct known_seed *k;

    for (unsigned i = 0; (k = known_seed_at(i)) != NULL; i++)
        for (unsigned j = 0; scenario_at(j); j++)
            if (strcmp(k->scenario, scenario_at(j)->name) == 0 && wanted(job, scenario_at(j)) &&
                run(scenario_at(j), k->seed, job, tally))
                printf("ok %s seed %llu\n", k->scenario, (unsigned long long)k->seed);
}

/* 1234567 as "1,234,567". */
static const char *grouped(uint64_t n, char out[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;

    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}

/* One seed of every scenario after the other, so that a run may be stopped at any time. */
static void run_on(const struct job *job, struct tally *tally)
{
    uint64_t seed = job->first;
    char number[32];

    signal(SIGINT, on_stop);
    signal(SIGTERM, on_stop);
    for (; !stopped && (job->forever || tally->transactions < job->until); seed++) {
        for (unsigned i = 0; !stopped && scenario_at(i) && i < FAMILIES_MAX; i++) {
            const struct scenario *scenario = scenario_at(i);

            if (wanted(job, scenario) && seed % scenario->every == 0 &&
                tally->failed[i] < FAILED_MAX)
                tally->failed[i] += !run(scenario, seed, job, tally);
        }
        if ((seed - job->first) % 50 == 49) {
            printf("seed %llu: %s transactions, %llu failures\n", (unsigned long long)seed,
                   grouped(tally->transactions, number), (unsigned long long)tally->failures);
            fflush(stdout);
        }
    }
    printf("seeds %llu-%llu of each scenario%s\n", (unsigned long long)job->first,
           (unsigned long long)seed - 1, stopped ? "; stopped, the last one in the middle" : "");
}

static void report(const struct tally *tally, time_t begun)
{
    char transactions[32], worlds[32];

    printf("%s transactions, %s seeds, %llu failures, %.0f seconds\n",
           grouped(tally->transactions, transactions), grouped(tally->worlds, worlds),
           (unsigned long long)tally->failures, difftime(time(NULL), begun));
}

static void list(void)
{
    for (unsigned i = 0; scenario_at(i); i++)
        printf("%-16s %s\n", scenario_at(i)->name, scenario_at(i)->about);
}

static int usage(void)
{
    fprintf(stderr, "usage: sim [--list] [--seed N | --seeds A-B] [--until TRANSACTIONS | "
                    "--forever] [--scenario NAME] [-v]\n");
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

/* Reads one option; 0: it is none; else how many arguments it is. */
static int read_option(const char *name, const char *value, struct job *job)
{
    if (strcmp(name, "-v") == 0) {
        job->verbose++;
        return 1;
    }
    if (strcmp(name, "--forever") == 0) {
        job->forever = true;
        return 1;
    }
    job->chosen |= strncmp(name, "--seed", 6) == 0;
    if (value && (strcmp(name, "--seed") == 0 || strcmp(name, "--seeds") == 0))
        return read_seeds(value, job) ? 2 : 0;
    if (value && strcmp(name, "--until") == 0) {
        job->until = strtoull(value, NULL, 10);
        return job->until ? 2 : 0;
    }
    if (value && strcmp(name, "--scenario") == 0) {
        job->only = value;
        return 2;
    }
    return 0;
}

static bool knows(const char *name)
{
    for (unsigned i = 0; scenario_at(i); i++)
        if (!name || strcmp(name, scenario_at(i)->name) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    struct job job = {.first = 1, .last = SEEDS_DEFAULT};
    struct tally tally = {0};
    time_t begun = time(NULL);

    program = argv[0];
    for (int i = 1, n; i < argc; i += n) {
        if (strcmp(argv[i], "--list") == 0) {
            list();
            return 0;
        }
        n = read_option(argv[i], i + 1 < argc ? argv[i + 1] : NULL, &job);
        if (n == 0)
            return usage();
    }
    if (!knows(job.only))
        return usage();
    listen_for_the_end();
    if (job.until || job.forever)
        run_on(&job, &tally);
    else
        for (unsigned i = 0; scenario_at(i); i++)
            if (wanted(&job, scenario_at(i)))
                run_family(scenario_at(i), &job, &tally);
    if (!job.chosen && !job.forever)
        run_known(&job, &tally);
    report(&tally, begun);
    return tally.failures ? 1 : 0;
}
