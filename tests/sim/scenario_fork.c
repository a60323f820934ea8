/* One user, several phones. */
#include "scenario.h"

#include "parts.h"

enum { CALLERS = 2, FORKS_MAX = 5 };

/* Phones that all register for one user; phones 0 .. CALLERS-1 call. */
static void make(struct cast *cast, struct world *w, unsigned forks, bool serial)
{
    char contact[128], params[32];

    cast_make(cast, w, CALLERS + forks);
    cast->strict = true;
    scenario_network(w);
    server_account(w, "team", "secret", 0);
    for (unsigned i = CALLERS; i < cast->n; i++) {
        struct peer *p = phone_peer(cast->phones[i]);

        snprintf(params, sizeof params, serial ? ";q=0.%u" : ";q=0.5",
                 (unsigned)world_random(w, 10));
        snprintf(contact, sizeof contact, "<sip:%s@%s>%s;expires=3600", peer_name(p),
                 peer_address(p), params);
        peer_request(p,
                     &(struct peer_request){.method = "REGISTER",
                                            .uri = "sip:" WORLD_DOMAIN,
                                            .to = "sip:team@" WORLD_DOMAIN,
                                            .contact = world_keep_text(w, oh_span_str(contact))});
        world_run(w, 200);
    }
    CHECK_SAY(w, server_bindings(w, "team@" WORLD_DOMAIN) == forks, "%u of %u phones registered",
              server_bindings(w, "team@" WORLD_DOMAIN), forks);
}

static void give_manners(struct cast *cast, const struct phone_manner *base)
{
    struct world *w = cast->world;
    static const unsigned codes[] = {200, 200, 486, 480, 603, 500, 0, 408, 302, 503};

    for (unsigned i = CALLERS; i < cast->n; i++) {
        struct phone_manner m = {.rings = world_chance(w, 80),
                                 .ring_ms = scenario_between(w, 0, 300),
                                 .code = codes[world_random(w, 10)],
                                 .answer_ms = scenario_between(w, 0, 6000),
                                 .ignores_cancel = world_chance(w, 20),
                                 .contact = "<sip:u1@" WORLD_DOMAIN ">"};

        phone_manner(cast->phones[i], base ? base : &m);
    }
}

static void check_talking(struct cast *cast, unsigned before_end)
{
    unsigned talking = 0;

    for (unsigned i = CALLERS; i < cast->n; i++)
        talking += phone_talking(cast->phones[i]);
    CHECK_SAY(cast->world, talking == before_end, "%u phones talk, not %u", talking, before_end);
}

static void story(struct world *w, bool serial, const struct network_faults *faults)
{
    struct cast cast;

    make(&cast, w, scenario_between(w, 2, FORKS_MAX), serial);
    if (faults) {
        cast.strict = false;
        network_faults(w, faults);
    }
    for (unsigned i = 0; i < 5; i++) {
        struct phone_plan plan = {.hangup_ms = 3000};

        if (world_chance(w, 30))
            plan.cancel_ms = scenario_between(w, 1, 8000);
        if (world_chance(w, 30))
            plan.rows = "Expires: 7\n";
        give_manners(&cast, NULL);
        phone_call(cast.phones[0], "sip:team@" WORLD_DOMAIN, &plan);
        world_run(w, scenario_between(w, 10000, 200000));
    }
    world_run(w, 150000);
    if (!faults)
        check_talking(&cast, 0);
    scenario_end(&cast);
}

void scenario_fork(struct world *w, void *arg)
{
    (void)arg;
    story(w, false, NULL);
}

void scenario_fork_serial(struct world *w, void *arg)
{
    (void)arg;
    story(w, true, NULL);
}

void scenario_fork_late(struct world *w, void *arg)
{
    struct network_faults faults = {
        .repeat = 10, .late_max = 100000, .delay_min = 1, .delay_max = 200};

    (void)arg;
    faults.loss = scenario_between(w, 0, 30);
    faults.late = scenario_between(w, 0, 20);
    story(w, world_chance(w, 30), &faults);
}

void scenario_both_answer(struct world *w, void *arg)
{
    struct phone_manner manner = {.rings = true, .code = 200};
    const struct phone_task *t;
    struct cast cast;
    unsigned forks = scenario_between(w, 2, FORKS_MAX);

    (void)arg;
    manner.answer_ms = scenario_between(w, 0, 1000);
    manner.ignores_cancel = true;
    make(&cast, w, forks, false);
    give_manners(&cast, &manner);
    t = phone_call(cast.phones[0], "sip:team@" WORLD_DOMAIN, NULL);
    world_run(w, 60000);
    CHECK_SAY(w, t->code == 200, "the call ends with %d", t->code);
    /* Nobody's answer gets lost (RFC 3261 16.7 step 5): the caller has ended all but one. */
    CHECK_SAY(w, t->answers == forks, "%u of %u answers came through", t->answers, forks);
    check_talking(&cast, 1);
    phone_hang_up(cast.phones[0]);
    world_run(w, 5000);
    check_talking(&cast, 0);
    scenario_end(&cast);
}
