/*
 * Sources that are not listened to for a while, because they failed too often
 * (decision 13): altogether ("any"), about one account, or about all but those
 * that have a phone there ("others").
 */
#include "cmd/cmd.h"
#include "cmd/output.h"
#include "host/control_json.h"

static void print_bans(const json_t *bans)
{
    static const char *const heads[] = {"address", "account", "failures", "ends in"};
    char failures[OH__WORDS_MAX], left[OH__WORDS_MAX];
    struct oh__sheet t;
    const json_t *ban;
    size_t i;

    oh__sheet_init(&t, 4, heads);
    json_array_foreach(bans, i, ban)
    {
        snprintf(failures, sizeof failures, "%llu",
                 (unsigned long long)oh__json_u64(ban, "failures", 0));
        oh__sheet_add(&t, oh__json_str(ban, "address"));
        oh__sheet_add(&t, json_object_get(ban, "account") ? oh__json_str(ban, "account") : "any");
        oh__sheet_add(&t, failures);
        oh__sheet_add(&t, oh__words_duration(oh__json_u64(ban, "seconds_left", 0), left));
    }
    oh__sheet_print(&t, stdout);
    oh__sheet_done(&t);
}

int oh__cmd_bans_list(const struct oh__args *args)
{
    json_t *reply = NULL;
    int status = oh__ask(args, json_pack("{s:s}", "command", "bans-list"), &reply);

    if (status)
        return status;
    if (args->json)
        status = oh__print_json(reply);
    else if (json_array_size(json_object_get(reply, "bans")))
        print_bans(json_object_get(reply, "bans"));
    else
        printf("Nobody is banned.\n");
    json_decref(reply);
    return status;
}

int oh__cmd_bans_clear(const struct oh__args *args)
{
    json_t *request = json_pack("{s:s}", "command", "bans-clear"), *reply = NULL;
    int status;

    if (request && args->words_n)
        json_object_set_new(request, "address", oh__json_text(oh_span_str(args->words[0])));
    status = oh__ask(args, request, &reply);
    if (status)
        return status;
    if (args->json)
        status = oh__print_json(reply);
    else
        printf("%llu ban(s) lifted.\n", (unsigned long long)oh__json_u64(reply, "lifted", 0));
    json_decref(reply);
    return status;
}
