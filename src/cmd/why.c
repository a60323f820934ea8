/* Plain sentences about what happened, newest first, each with what to do. */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "host/control_json.h"

static enum oh__style style_of(const json_t *d)
{
    uint64_t code = oh__json_u64(d, "code", 0);

    return code >= 300 || strstr(oh__json_str(d, "event"), "fail") ||
                   strstr(oh__json_str(d, "event"), "refused")
               ? OH__STYLE_BAD
               : OH__STYLE_GOOD;
}

static void line_of(const char *head, const char *text)
{
    if (!text[0])
        return;
    printf("    %-8s", head);
    oh__puts(stdout, text);
    printf("\n");
}

/* A phone with a wrong password tries again and again: those are told once. */
static bool same(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"event", "account", "target", "why", "from", "call_id"};

    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(oh__json_str(a, keys[i]), oh__json_str(b, keys[i])) != 0)
            return false;
    return oh__json_u64(a, "code", 0) == oh__json_u64(b, "code", 0);
}

static void print_times(size_t times, const json_t *first)
{
    char words[OH__WORDS_MAX], text[OH__WORDS_MAX + 48];

    if (times < 2)
        return;
    snprintf(text, sizeof text, "%zu, from %s on", times,
             oh__words_time(oh__json_u64(first, "time_ms", 0), words));
    line_of("times", text);
}

static void print_one(const json_t *d)
{
    const char *account = oh__json_str(d, "account"), *target = oh__json_str(d, "target");
    uint64_t code = oh__json_u64(d, "code", 0);
    char words[OH__WORDS_MAX], from[128] = "";

    oh__paint(stdout, OH__STYLE_DIM, oh__words_time(oh__json_u64(d, "time_ms", 0), words));
    printf("  ");
    oh__paint(stdout, style_of(d), oh__json_str(d, "event"));
    if (code)
        printf(" %llu", (unsigned long long)code);
    printf("  ");
    oh__puts(stdout, oh__json_str(d, "method"));
    printf(" ");
    oh__puts(stdout, account[0] ? account : "somebody");
    if (target[0] && strcmp(account, target) != 0) {
        printf(" to ");
        oh__puts(stdout, target);
    }
    printf("\n    ");
    oh__paint(stdout, OH__STYLE_BOLD, oh__json_str(d, "why"));
    printf("\n");
    line_of("do", oh__json_str(d, "fix"));
    if (oh__json_str(d, "from")[0])
        snprintf(from, sizeof from, "%s:%s", oh__json_str(d, "transport"), oh__json_str(d, "from"));
    line_of("from", from);
    line_of("device", oh__json_str(d, "device"));
    line_of("call", oh__json_str(d, "call_id"));
}

static int print_all(const struct oh__args *args, const json_t *decisions)
{
    size_t n = json_array_size(decisions), end;

    for (size_t i = 0; i < n; i = end) {
        const json_t *d = json_array_get(decisions, i);

        if (i)
            printf("\n");
        print_one(d);
        for (end = i + 1; end < n && same(d, json_array_get(decisions, end)); end++)
            continue;
        print_times(end - i, json_array_get(decisions, end - 1));
    }
    if (n)
        return OH__EXIT_OK;
    if (args->words_n) {
        oh__fail("nothing is known about '%s': the server keeps its last 8,192 decisions, and "
                 "forgets them when it stops; an account is NAME or NAME@DOMAIN",
                 args->words[0]);
        return OH__EXIT_UNEXPECTED;
    }
    printf("Nothing has happened since the server started%s.\n",
           oh__arg_given(args, "failed") ? " that went wrong" : "");
    return OH__EXIT_OK;
}

int oh__cmd_why(const struct oh__args *args)
{
    unsigned long count;
    json_t *request, *reply = NULL;
    int status;

    if (!oh__arg_number(args, "count", 1000, 20, &count))
        return OH__EXIT_USAGE;
    if (oh__arg_given(args, "last"))
        count = 1;
    request = json_pack("{s:s,s:I,s:b}", "command", "why", "limit", (json_int_t)count, "failed",
                        oh__arg_given(args, "failed"));
    if (request && args->words_n)
        json_object_set_new(request, "who", oh__json_text(oh_span_str(args->words[0])));
    status = oh__ask(args, request, &reply);
    if (status)
        return status;
    if (args->json) {
        status = oh__print_json(reply);
        if (status == OH__EXIT_OK && args->words_n &&
            json_array_size(json_object_get(reply, "decisions")) == 0)
            status = OH__EXIT_UNEXPECTED;
    } else {
        status = print_all(args, json_object_get(reply, "decisions"));
    }
    json_decref(reply);
    return status;
}
