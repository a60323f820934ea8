/*
 * Two looks at the counters: sums since the start, and rates over the time in
 * between. What is not zero of the refusals and losses is named one by one.
 */
#include <poll.h>

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "host/control_json.h"

/* Counters whose rates are worth a line; per second. */
static const struct {
    const char *key, *words;
} RATES[] = {{"requests", "requests"},
             {"registers", "registrations"},
             {"calls", "calls"},
             {"messages", "messages"},
             {"forwarded_requests", "requests forwarded"},
             {"tx_messages", "messages sent"}};

/* Counters that tell of refusals and losses, in the words for them. */
static const struct {
    const char *key, *words;
} TROUBLES[] = {
    {"challenges", "asked for a password (401, 407)"},
    {"auth_failed", "wrong password or unknown account"},
    {"banned_dropped", "dropped, because the source is banned"},
    {"guesses_dropped", "dropped, because the source guesses passwords of this account"},
    {"refused_policy", "refused by the policy"},
    {"refused_relay", "strangers who wanted to reach others through this server"},
    {"refused_overload", "refused, because the server was full or draining"},
    {"refused_limits", "refused, because a limit was exceeded"},
    {"not_found", "for users that do not exist"},
    {"loops", "loops"},
    {"acks_dropped", "ACKs that belong to no call"},
    {"responses_dropped", "responses that belong to no request"},
    {"store_failures", "the store failed"},
    {"policy_failures", "the policy function failed"},
    {"contexts_full", "refused, because too many requests were in progress"},
    {"refused_share", "refused, because their sender had too many requests in progress"},
    {"rx_bad", "malformed messages"},
    {"rx_retransmissions", "retransmissions received"},
    {"tx_retransmissions", "retransmissions sent"},
    {"timeouts", "transactions without an answer"},
    {"transport_errors", "could not be delivered"},
    {"completed_evicted", "completed transactions forgotten before their time"},
    {"refused_full", "refused, because the transaction table was full"},
};

/* Sentences about the whole server: null when all is well. */
static const char *const WARNINGS[] = {"warning", "store_trouble"};

/* The same of the workers, and of their network side. */
static const struct {
    const char *key, *words;
} WORKER_TROUBLES[] = {
    {"rx_shed", "datagrams thrown away unread, of strangers first: there was more to do than time"},
    {"kernel_drops", "datagrams lost by the kernel, because the server was too slow for a moment"},
    {"connections_refused_limit", "connections refused, because there were too many"},
    {"connections_refused_source", "connections refused, because one address had too many"},
    {"slow_peers_closed", "connections closed, because the peer was too slow"},
    {"idle_closed", "connections closed, because nothing came any more"},
    {"framing_closed", "connections closed, because of what cannot be read"},
};

static uint64_t counter(const json_t *status, const char *key)
{
    return oh__json_u64(json_object_get(status, "counters"), key, 0);
}

/* A sum over all workers of a counter of theirs or of their network side. */
static uint64_t net_sum(const json_t *status, const char *key)
{
    const json_t *worker;
    uint64_t sum = 0;
    size_t i;

    json_array_foreach(json_object_get(status, "workers"), i, worker)
        sum += oh__json_u64(json_object_get(worker, "net"), key, oh__json_u64(worker, key, 0));
    return sum;
}

static double seconds_between(const json_t *first, const json_t *second)
{
    uint64_t a = oh__json_u64(first, "now_ns", 0), b = oh__json_u64(second, "now_ns", 0);

    return b > a ? (double)(b - a) / 1e9 : 1;
}

static double rate(const json_t *first, const json_t *second, const char *key)
{
    uint64_t a = counter(first, key), b = counter(second, key);

    return (double)(b > a ? b - a : 0) / seconds_between(first, second);
}

static json_t *rates_of(const json_t *first, const json_t *second)
{
    json_t *o = json_object();

    for (unsigned i = 0; i < sizeof RATES / sizeof *RATES; i++)
        json_object_set_new(o, RATES[i].key, json_real(rate(first, second, RATES[i].key)));
    json_object_set_new(o, "seconds", json_real(seconds_between(first, second)));
    return o;
}

static void print_head(const json_t *s)
{
    char up[OH__WORDS_MAX], since[OH__WORDS_MAX];
    const json_t *listener;
    const char *phase = oh__json_str(s, "phase");
    size_t i;

    printf("offhook ");
    oh__puts(stdout, oh__json_str(s, "version"));
    printf(", ");
    oh__paint(stdout, phase[0] == 'r' ? OH__STYLE_GOOD : OH__STYLE_BAD, phase);
    printf(", up %s (since %s), process %llu\n",
           oh__words_duration(oh__json_u64(s, "uptime_s", 0), up),
           oh__words_time(oh__json_u64(s, "started_ms", 0), since),
           (unsigned long long)oh__json_u64(s, "pid", 0));
    printf("listening on");
    json_array_foreach(json_object_get(s, "listeners"), i, listener)
    {
        printf("%s ", i ? "," : "");
        oh__puts(stdout, json_string_value(listener));
    }
    printf("\nconfiguration ");
    oh__puts(stdout, oh__json_str(s, "file")[0] ? oh__json_str(s, "file") : "(built in)");
    printf(", version %llu; state in ", (unsigned long long)oh__json_u64(s, "config_version", 0));
    oh__puts(stdout, oh__json_str(s, "state"));
    printf("\n");
    if (json_is_true(json_object_get(s, "no_auth"))) {
        oh__paint(stdout, OH__STYLE_BAD, "NO AUTHENTICATION: everybody may register and call");
        printf("\n");
    }
}

static void print_count(const char *before, uint64_t n, const char *what)
{
    printf("%s%llu %s%s", before, (unsigned long long)n, what, n == 1 ? "" : "s");
}

static void print_gauges(const json_t *s)
{
    char bytes[OH__WORDS_MAX], more[OH__WORDS_MAX];

    printf("\n");
    print_count("", oh__json_u64(s, "accounts", 0), "account");
    print_count(", ", oh__json_u64(s, "bindings", 0), "registered phone");
    printf(" (%s)", oh__words_bytes(oh__json_u64(s, "binding_bytes", 0), bytes));
    print_count(", ", net_sum(s, "connections"), "connection");
    printf("\n");
    print_count("", oh__json_u64(s, "transactions_in_flight", 0), "transaction");
    printf(" in flight, %llu kept for repetitions (%s)",
           (unsigned long long)oh__json_u64(s, "transactions_completed", 0),
           oh__words_bytes(oh__json_u64(s, "transaction_bytes", 0), more));
    print_count(", ", oh__json_u64(s, "requests_in_progress", 0), "request");
    printf(" in progress\n");
}

static void print_rates(const json_t *first, const json_t *second)
{
    static const char *const heads[] = {"", "per second now", "since the start", "in all"};
    char now[OH__WORDS_MAX], mean[OH__WORDS_MAX], all[OH__WORDS_MAX];
    uint64_t up = oh__json_u64(second, "uptime_s", 0);
    struct oh__sheet t;

    oh__sheet_init(&t, 4, heads);
    for (unsigned i = 0; i < sizeof RATES / sizeof *RATES; i++) {
        uint64_t sum = counter(second, RATES[i].key);

        snprintf(now, sizeof now, "%.1f", rate(first, second, RATES[i].key));
        snprintf(mean, sizeof mean, "%.1f", (double)sum / (double)(up ? up : 1));
        snprintf(all, sizeof all, "%llu", (unsigned long long)sum);
        oh__sheet_add(&t, RATES[i].words);
        oh__sheet_add(&t, now);
        oh__sheet_add(&t, mean);
        oh__sheet_add(&t, all);
    }
    printf("\n");
    oh__sheet_print(&t, stdout);
    oh__sheet_done(&t);
}

/* A line about what went wrong, when something did. */
static void print_trouble(uint64_t n, const char *words)
{
    if (n)
        printf("%12llu  %s\n", (unsigned long long)n, words);
}

static void print_troubles(const json_t *s)
{
    printf("\n");
    for (unsigned i = 0; i < sizeof TROUBLES / sizeof *TROUBLES; i++)
        print_trouble(counter(s, TROUBLES[i].key), TROUBLES[i].words);
    for (unsigned i = 0; i < sizeof WORKER_TROUBLES / sizeof *WORKER_TROUBLES; i++)
        print_trouble(net_sum(s, WORKER_TROUBLES[i].key), WORKER_TROUBLES[i].words);
    print_trouble(oh__json_u64(s, "log_dropped", 0),
                  "log lines left out, because somebody caused too many of them");
    for (unsigned i = 0; i < sizeof WARNINGS / sizeof *WARNINGS; i++) {
        if (!oh__json_str(s, WARNINGS[i])[0])
            continue;
        printf("\n");
        oh__paint(stdout, OH__STYLE_BAD, oh__json_str(s, WARNINGS[i]));
        printf("\n");
    }
}

static void print_workers(const json_t *first, const json_t *second)
{
    static const char *const heads[] = {"worker", "messages", "per second", "malformed",
                                        "stray",  "lost",     "connections"};
    static const char *const keys[] = {"rx_bad", "rx_stray"};
    double seconds = seconds_between(first, second);
    const json_t *w;
    char text[OH__WORDS_MAX];
    struct oh__sheet t;
    size_t i;

    oh__sheet_init(&t, 7, heads);
    json_array_foreach(json_object_get(second, "workers"), i, w)
    {
        const json_t *before = json_array_get(json_object_get(first, "workers"), i);
        const json_t *net = json_object_get(w, "net");
        uint64_t n = oh__json_u64(w, "rx_messages", 0);
        uint64_t then = oh__json_u64(before, "rx_messages", n);

        snprintf(text, sizeof text, "%zu", i);
        oh__sheet_add(&t, text);
        snprintf(text, sizeof text, "%llu", (unsigned long long)n);
        oh__sheet_add(&t, text);
        snprintf(text, sizeof text, "%.1f", (double)(n > then ? n - then : 0) / seconds);
        oh__sheet_add(&t, text);
        for (unsigned k = 0; k < 2; k++) {
            snprintf(text, sizeof text, "%llu", (unsigned long long)oh__json_u64(w, keys[k], 0));
            oh__sheet_add(&t, text);
        }
        snprintf(text, sizeof text, "%llu",
                 (unsigned long long)oh__json_u64(net, "kernel_drops", 0));
        oh__sheet_add(&t, text);
        snprintf(text, sizeof text, "%llu",
                 (unsigned long long)oh__json_u64(net, "connections", 0));
        oh__sheet_add(&t, text);
    }
    printf("\n");
    oh__sheet_print(&t, stdout);
    oh__sheet_done(&t);
}

int oh__cmd_status(const struct oh__args *args)
{
    json_t *first = NULL, *second = NULL;
    unsigned long seconds;
    int status;

    if (!oh__arg_number(args, "for", 3600, 1, &seconds))
        return OH__EXIT_USAGE;
    status = oh__ask(args, json_pack("{s:s}", "command", "status"), &first);
    if (status)
        return status;
    poll(NULL, 0, (int)seconds * 1000);
    status = oh__ask(args, json_pack("{s:s}", "command", "status"), &second);
    if (status == OH__EXIT_OK && args->json) {
        json_object_set_new(second, "rates", rates_of(first, second));
        status = oh__print_json(second);
    } else if (status == OH__EXIT_OK) {
        print_head(second);
        print_gauges(second);
        print_rates(first, second);
        print_troubles(second);
        print_workers(first, second);
    }
    json_decref(first);
    json_decref(second);
    return status;
}
