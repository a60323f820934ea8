/* The table of scenarios, and what they have in common. */
#include "scenario.h"

#include "parts.h"

/* How long phones may need for everything that they have begun: Timer C, a CANCEL and its wait,
 * a BYE for an answer without ACK. */
#define WAIT_MS 400000

static void with_digest(struct oh__settings *settings, struct world_options *options)
{
    (void)options;
    settings->no_auth = false;
}

static void with_journal(struct oh__settings *settings, struct world_options *options)
{
    with_digest(settings, options);
    options->journal = true;
}

static void with_short_times(struct oh__settings *settings, struct world_options *options)
{
    (void)options;
    settings->timer_c = 60 * WORLD_SECOND;
    settings->ring_time = 10 * WORLD_SECOND;
}

static void with_tiny_tables(struct oh__settings *settings, struct world_options *options)
{
    with_short_times(settings, options);
    options->shards = 1;
    options->transactions_max = 6;
    options->completed_max = 12;
    options->nonces_max = 16;
    settings->bindings_max = 24;
    settings->contacts_max = 2;
}

static void with_one_shard(struct oh__settings *settings, struct world_options *options)
{
    with_short_times(settings, options);
    options->shards = 1;
}

/* The story frees old settings at once, which only one worker allows. */
static void with_one_worker(struct oh__settings *settings, struct world_options *options)
{
    (void)settings;
    options->workers = 1;
}

static void with_many_shards(struct oh__settings *settings, struct world_options *options)
{
    with_digest(settings, options);
    options->shards = 64;
}

static void hostile(struct oh__settings *settings, struct world_options *options)
{
    with_digest(settings, options);
    with_short_times(settings, options);
    /* Damaged credentials must not ban the good phones' neighbours in this story. */
    settings->failures_max = 0;
}

static void with_six(struct oh__settings *settings, struct world_options *options)
{
    with_short_times(settings, options);
    for (unsigned i = 0; i < 2; i++) {
        settings->listeners[2 + i] = settings->listeners[i];
        oh_addr_parse_port(OH_LIT(WORLD_SERVER6), &settings->listeners[2 + i].addr);
    }
    settings->listeners_n = 4;
}

static void with_workers(struct oh__settings *settings, struct world_options *options)
{
    with_journal(settings, options);
    with_short_times(settings, options);
    options->workers = 2;
    options->shards = 8;
}

static void with_disk(struct oh__settings *settings, struct world_options *options)
{
    with_digest(settings, options);
    options->workers = 2;
    options->disk = true;
}

static void with_policy(struct oh__settings *settings, struct world_options *options)
{
    with_digest(settings, options);
    with_short_times(settings, options);
    settings->has_on_call = settings->has_on_request = settings->has_on_register = true;
}

static void chaos(struct oh__settings *settings, struct world_options *options)
{
    with_six(settings, options);
    with_journal(settings, options);
    options->workers = 2;
}

static void chaos_disk(struct oh__settings *settings, struct world_options *options)
{
    chaos(settings, options);
    options->journal = false;
    options->disk = true;
}

static void corrupt(struct oh__settings *settings, struct world_options *options)
{
    hostile(settings, options);
    options->workers = 2;
}

static const struct scenario scenarios[] = {
    {"register-storm", "many phones register, refresh and leave at once, with digest",
     with_many_shards, scenario_register_storm, 1},
    {"register-lossy", "the same on a bad network", with_digest, scenario_register_lossy, 1},
    {"journal", "appending and committing fail now and then; the server is killed", with_journal,
     scenario_journal, 1},
    {"calls", "calls of every kind on a good network", with_short_times, scenario_calls, 1},
    {"calls-lossy", "calls on a network that loses up to 30 %", with_digest, scenario_calls_lossy,
     1},
    {"calls-streams", "calls over TCP in small pieces", with_short_times, scenario_calls_streams,
     1},
    {"cancel", "CANCEL crosses ringing, answers and refusals", with_short_times, scenario_cancel,
     1},
    {"cancel-lossy", "the same on a bad network", with_short_times, scenario_cancel_lossy, 1},
    {"requests", "MESSAGE and OPTIONS, quick, slow and without an answer", with_digest,
     scenario_requests, 1},
    {"fork", "several phones of one user ring together", with_short_times, scenario_fork, 1},
    {"fork-serial", "phones of one user ring by q", with_short_times, scenario_fork_serial, 1},
    {"both-answer", "several phones of one user answer at once", with_short_times,
     scenario_both_answer, 1},
    {"timers", "Timers B, C and F run out", with_short_times, scenario_timers, 1},
    {"death", "phones and streams die in the middle of everything", with_short_times,
     scenario_death, 1},
    {"restart", "the server is killed in mid-call", with_journal, scenario_restart, 1},
    {"reload", "settings are swapped in mid-call", with_one_worker, scenario_reload, 1},
    {"full", "tables of a few entries", with_tiny_tables, scenario_full, 1},
    {"memory", "allocations of the server fail", with_short_times, scenario_memory, 1},
    {"flood", "thousands of requests at once, twice; memory goes back", with_one_shard,
     scenario_flood, 20},
    {"hostile", "damaged copies of messages, while others are served", hostile, scenario_hostile,
     1},
    {"fork-late",
     "several phones of one user on a network that loses, repeats and delays for "
     "minutes",
     with_short_times, scenario_fork_late, 1},
    {"dialogs", "re-INVITE, UPDATE, INFO, REFER, 100rel and subscriptions", with_short_times,
     scenario_dialogs, 1},
    {"dialogs-lossy", "the same on a bad network", with_digest, scenario_dialogs_lossy, 1},
    {"ipv6", "calls between IPv4 and IPv6, datagrams and streams", with_six, scenario_ipv6, 1},
    {"late", "messages that come when every timer has run out", with_short_times, scenario_late, 1},
    {"corrupt", "bytes change on their way, in both directions", corrupt, scenario_corrupt, 1},
    {"breaks", "streams break in the middle of messages and transactions", with_short_times,
     scenario_breaks, 1},
    {"revival", "phones die in the middle of everything and come back", with_digest,
     scenario_revival, 1},
    {"workers", "two workers, slow commits, reloads that each takes in its own time", with_workers,
     scenario_workers, 1},
    {"disk", "the real store on a disk that fails, is full, is slow; the server is killed",
     with_disk, scenario_disk, 1},
    {"restart-disk", "the server is killed in mid-call and comes back from the real store",
     with_disk, scenario_restart, 2},
    {"policy", "a policy in Lua replies, routes and fails; reloads in mid-call", with_policy,
     scenario_policy, 1},
    {"loops", "users whose contacts are other users", with_short_times, scenario_loops, 1},
    {"watcher", "a server that is made to look guilty is found out", NULL, scenario_watcher, 4},
    {"chaos", "everything at once, restarts and reloads among it", chaos, scenario_chaos, 1},
    {"chaos-disk", "the same with the real store on a bad disk", chaos_disk, scenario_chaos, 2},
};

const struct scenario *scenario_at(unsigned i)
{
    return i < sizeof scenarios / sizeof *scenarios ? &scenarios[i] : NULL;
}

/* ---- the cast ---- */

void cast_make(struct cast *cast, struct world *w, unsigned n)
{
    cast_make_at(cast, w, n, false);
}

void cast_make_at(struct cast *cast, struct world *w, unsigned n, bool mixed)
{
    char address[OH_ADDR_TEXT_MAX], user[16];

    memset(cast, 0, sizeof *cast);
    CHECK(w, n <= SCENARIO_PHONES);
    cast->world = w;
    cast->n = n;
    network_closed(w, true);
    for (unsigned i = 0; i < n; i++) {
        snprintf(user, sizeof user, "u%u", i);
        snprintf(address, sizeof address,
                 mixed && i % 2 ? "[2001:db8::%u]:5060" : "192.0.2.%u:5060", 10 + i);
        snprintf(cast->uris[i], sizeof cast->uris[i], "sip:u%u@" WORLD_DOMAIN, i);
        server_account(w, user, "secret", 0);
        cast->phones[i] = phone_new(w, address, user, "secret");
    }
}

void cast_register(struct cast *cast)
{
    struct world *w = cast->world;

    for (unsigned i = 0; i < cast->n; i++) {
        phone_register(cast->phones[i], 3600, "");
        world_run(w, scenario_between(w, 0, 20));
    }
    world_run(w, 40000);
    for (unsigned i = 0; i < cast->n; i++)
        CHECK_SAY(w, phone_task(cast->phones[i], 0)->ended, "a REGISTER does not end");
}

uint32_t scenario_between(struct world *w, uint32_t low, uint32_t high)
{
    return low + (uint32_t)world_random(w, high - low + 1);
}

void scenario_network(struct world *w)
{
    network_faults(w, &(struct network_faults){.delay_min = 1, .delay_max = 40});
}

void scenario_bad_network(struct world *w, unsigned loss)
{
    network_faults(
        w, &(struct network_faults){.loss = loss, .repeat = 10, .delay_min = 1, .delay_max = 300});
}

void scenario_recover(struct cast *cast)
{
    struct phone_manner manner = {.rings = true, .code = 200, .answer_ms = 200};
    const struct phone_task *t, *message;
    struct world *w = cast->world;

    scenario_network(w);
    /* What is late comes first. */
    world_run(w, 240000);
    for (unsigned i = 0; i < cast->n; i++) {
        peer_silence(phone_peer(cast->phones[i]), false);
        phone_manner(cast->phones[i], &manner);
        t = phone_register(cast->phones[i], 3600, "");
        world_run(w, 5000);
        CHECK_SAY(w, t->code == 200, "with all well again, %s registers with %d",
                  peer_name(phone_peer(cast->phones[i])), t->code);
    }
    for (unsigned i = 0; i < cast->n; i++) {
        unsigned next = (i + 1) % cast->n;
        struct phone_plan plan = {.hangup_ms = 1000};

        t = phone_call(cast->phones[i], cast->uris[next], &plan);
        message = phone_request(cast->phones[i], "MESSAGE", cast->uris[next], "Hello.");
        world_run(w, 5000);
        CHECK_SAY(w, t->code == 200 && message->code == 200,
                  "with all well again, a call ends with %d, a MESSAGE with %d", t->code,
                  message->code);
    }
}

static void check_task(const struct cast *cast, struct phone *ph, const struct phone_task *t)
{
    struct world *w = cast->world;
    bool invite = strcmp(t->method, "INVITE") == 0;

    /* Only a caller waits without a timer of its own: on a bad network a final may get lost for
     * good, and then nobody tells him. */
    CHECK_SAY(w, t->ended || (invite && !cast->strict), "%s %s of %s (%s) does not end", t->method,
              t->uri, peer_name(phone_peer(ph)), t->call);
    /* A caller who has cancelled gives up after 64*T1, as the server does: either may be first. */
    CHECK_SAY(w, !cast->strict || t->code > 0 || (invite && t->cancelled),
              "%s %s of %s (%s) ends with: %s", t->method, t->uri, peer_name(phone_peer(ph)),
              t->call, oh_error_text(t->code));
}

void scenario_end(struct cast *cast)
{
    const struct phone_task *t;

    world_run(cast->world, WAIT_MS);
    for (unsigned i = 0; i < cast->n; i++) {
        for (unsigned j = 0; (t = phone_task(cast->phones[i], j)) != NULL; j++)
            check_task(cast, cast->phones[i], t);
        CHECK_SAY(cast->world, !cast->strict || phone_ringing(cast->phones[i]) == 0,
                  "%s still rings though nobody calls", peer_name(phone_peer(cast->phones[i])));
    }
    world_finish(cast->world);
}
