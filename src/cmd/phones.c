/* Who is registered; and whoever tried in vain, with the reason and the remedy. */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "host/control_json.h"

/* A row for people: units with the numbers, and one word for how the phone is reached. */
static void add_phone(struct oh__sheet *t, const json_t *phone)
{
    uint64_t rtt = oh__json_u64(phone, "round_trip_us", 0);
    char from[160], trip[OH__WORDS_MAX] = "-", expires[OH__WORDS_MAX];
    const char *state = json_is_true(json_object_get(phone, "nat")) ? "behind NAT" : "direct";

    snprintf(from, sizeof from, "%s:%s", oh__json_str(phone, "transport"),
             oh__json_str(phone, "from"));
    if (rtt)
        snprintf(trip, sizeof trip, "%.1f ms", (double)rtt / 1000);
    if (!json_is_true(json_object_get(phone, "reachable")))
        state = "connection ended";
    oh__sheet_add(t, oh__json_str(phone, "aor"));
    oh__sheet_add(t, from);
    oh__sheet_add(t, oh__json_str(phone, "device"));
    oh__sheet_add(t, state);
    oh__sheet_add(t, trip);
    oh__sheet_add(t, oh__words_duration(oh__json_u64(phone, "expires_in", 0), expires));
}

static bool print_page(const json_t *phones)
{
    static const char *const heads[] = {"account", "from",       "device",
                                        "network", "round trip", "expires in"};
    struct oh__sheet table;
    const json_t *phone;
    size_t i;

    oh__sheet_init(&table, 6, heads);
    json_array_foreach(phones, i, phone) add_phone(&table, phone);
    bool whole = oh__sheet_print(&table, stdout);

    oh__sheet_done(&table);
    if (!whole)
        oh__fail("memory is short: the list is not complete");
    return whole;
}

/* All pages: printed as they come, for there may be more phones than there is memory for here, or
 * collected in `all` for JSON. *n counts the phones. */
static int pages(const struct oh__args *args, json_t *all, size_t *n)
{
    json_t *cursor = json_null();
    int status = OH__EXIT_OK;

    do {
        json_t *reply = NULL,
               *request = json_pack("{s:s,s:o}", "command", "phones", "cursor", cursor);

        if (request && args->words_n)
            json_object_set_new(request, "who", oh__json_text(oh_span_str(args->words[0])));
        status = oh__ask(args, request, &reply);
        if (status)
            return status;
        const json_t *phones = json_object_get(reply, "phones");

        *n += json_array_size(phones);
        if (args->json)
            json_array_extend(all, json_object_get(reply, "phones"));
        else if (json_array_size(phones))
            status = print_page(phones) ? OH__EXIT_OK : OH__EXIT_REFUSED;
        cursor = json_incref(json_object_get(reply, "next"));
        json_decref(reply);
    } while (status == OH__EXIT_OK && json_is_array(cursor));
    json_decref(cursor);
    return status;
}

static void print_tried(const json_t *tried)
{
    char words[OH__WORDS_MAX];
    const json_t *d;
    size_t i;

    if (json_array_size(tried) == 0)
        return;
    oh__paint(stdout, OH__STYLE_BOLD, "Tried lately, and failed:");
    printf("\n");
    json_array_foreach(tried, i, d)
    {
        printf("  ");
        oh__paint(stdout, OH__STYLE_DIM, oh__words_time(oh__json_u64(d, "time_ms", 0), words));
        printf("  ");
        oh__paint(stdout, OH__STYLE_BAD,
                  oh__json_str(d, "account")[0] ? oh__json_str(d, "account") : "somebody");
        printf(" from ");
        oh__puts(stdout, oh__json_str(d, "from"));
        if (oh__json_str(d, "device")[0]) {
            printf(" (");
            oh__puts(stdout, oh__json_str(d, "device"));
            printf(")");
        }
        printf(": ");
        oh__puts(stdout, oh__json_str(d, "why"));
        if (oh__json_str(d, "fix")[0]) {
            printf("\n      -> ");
            oh__puts(stdout, oh__json_str(d, "fix"));
        }
        printf("\n");
    }
}

/* The tries, those of one account when one is named. */
static json_t *tries_of(const struct oh__args *args, json_t *reply)
{
    json_t *list = json_array(), *d;
    size_t i;

    json_array_foreach(json_object_get(reply, "tried"), i, d)
    {
        const char *account = oh__json_str(d, "account");
        const char *who = args->words_n ? args->words[0] : "";
        size_t n = strlen(who);

        if (!n || (strncmp(account, who, n) == 0 && (!account[n] || account[n] == '@')))
            json_array_append(list, d);
    }
    return list;
}

static void say_none(const struct oh__args *args)
{
    if (args->words_n)
        oh__fail("no phone is registered as %s", args->words[0]);
    else
        printf("No phone is registered. `offhook serve` says at its start what to enter in one.\n");
}

int oh__cmd_phones(const struct oh__args *args)
{
    bool only_tried = oh__arg_given(args, "tried");
    json_t *all = json_array(), *reply = NULL, *tried;
    size_t n = 0;
    int status = only_tried ? OH__EXIT_OK : pages(args, all, &n);

    if (status == OH__EXIT_OK)
        status = oh__ask(args, json_pack("{s:s}", "command", "tried"), &reply);
    if (status) {
        json_decref(all);
        return status;
    }
    tried = tries_of(args, reply);
    if (args->json) {
        json_t *o = json_pack("{s:b,s:i,s:O,s:O}", "ok", 1, "schema_version", OH__SCHEMA_VERSION,
                              "phones", all, "tried", tried);

        status = oh__print_json(o);
        json_decref(o);
    } else {
        if (n == 0 && !only_tried)
            say_none(args);
        else if (n && json_array_size(tried))
            printf("\n");
        print_tried(tried);
        if (only_tried && json_array_size(tried) == 0)
            printf("Nobody tried and failed lately.\n");
    }
    if (status == OH__EXIT_OK && n == 0 && args->words_n && !only_tried)
        status = OH__EXIT_UNEXPECTED;
    json_decref(tried);
    json_decref(reply);
    json_decref(all);
    return status;
}
