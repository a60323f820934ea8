/*
 * What a status code or method means to a person. Codes come from the table
 * that the server's replies use as well; what methods are for stands here,
 * because nobody else needs it.
 */
#include <string.h>

#include <offhook/method.h>
#include <offhook/status.h>

#include "cmd/cmd.h"
#include "cmd/output.h"

/* What a method is for, who sends it, and what is worth knowing when it fails. */
static const struct {
    enum oh_method method;
    const char *meaning, *sender, *remedy;
} METHODS[] = {
    {OH_METHOD_INVITE, "Asks for a call, or changes a call that is up (re-INVITE).",
     "The calling phone; either phone to change it.",
     "Its final response says how it went: `offhook why` has the reason of each refusal."},
    {OH_METHOD_ACK, "Confirms the final response to an INVITE.",
     "Whoever sent the INVITE; for other than 2xx each proxy on its own.",
     "A call that drops after 32 s has lost its ACK: look at Record-Route, Contact and NAT."},
    {OH_METHOD_BYE, "Ends a call.", "Either phone.",
     "481 in reply means that the other side has no such call any more; nothing is to be done."},
    {OH_METHOD_CANCEL, "Gives up a call that is not answered yet.",
     "The calling phone, or a proxy whose other branches need not ring any longer.",
     "The INVITE ends with 487; a 200 that crosses it must be ended with BYE."},
    {OH_METHOD_REGISTER, "Tells the server where a user's phone is, for a limited time.",
     "Phones, again and again before the time is over.",
     "`offhook phones` shows who is registered, and who tried and failed."},
    {OH_METHOD_OPTIONS, "Asks what the other side can do; mostly a sign of life.",
     "Servers and phones that check whether somebody is there.",
     "Any answer at all means that the other side is alive."},
    {OH_METHOD_PRACK, "Confirms a provisional response that must arrive (100rel).",
     "The calling phone.", "Without it ringing is repeated and the call ends with 504 or 408."},
    {OH_METHOD_SUBSCRIBE, "Asks to be told when something changes (presence, messages, dialogs).",
     "Phones with lamp keys, clients with contact lists.",
     "489 means that the server does not know that event package."},
    {OH_METHOD_NOTIFY, "Tells a subscriber the state that it asked for.",
     "The server or phone that was subscribed to.",
     "481 in reply ends the subscription: the subscriber has forgotten it."},
    {OH_METHOD_PUBLISH, "Gives the server a state to tell others (presence).", "Phones, clients.",
     "412 means that the entity-tag is not known any more: publish in full again."},
    {OH_METHOD_INFO, "Carries application data within a call (keys pressed, for example).",
     "Either phone.", "469 means that the package was not agreed on."},
    {OH_METHOD_REFER, "Asks the other side to call somebody: transfers a call.",
     "The phone that transfers.", "202 says only that it was taken; NOTIFYs tell how it went."},
    {OH_METHOD_MESSAGE, "Carries a short text.", "Clients and phones.",
     "A 2xx of a server that stores messages does not yet mean that it was read."},
    {OH_METHOD_UPDATE, "Changes a session before or after it is answered, without a new INVITE.",
     "Either phone; also to keep session timers alive.",
     "491 means that both changed it at once; the phones try again by themselves."}};

static int tell(const struct oh__args *args, const char *name, const char *const part[4])
{
    static const char *const keys[4] = {"meaning", "sender", "remedy", "rfc"};
    static const char *const heads[4] = {"means", "from", "do", "see"};
    int status = OH__EXIT_OK;

    if (args->json) {
        json_t *o = json_pack("{s:b,s:i,s:s}", "ok", 1, "schema_version", OH__SCHEMA_VERSION,
                              "name", name);

        for (unsigned i = 0; i < 4; i++)
            json_object_set_new(o, keys[i], json_string(part[i]));
        status = oh__print_json(o);
        json_decref(o);
        return status;
    }
    oh__paint(stdout, OH__STYLE_BOLD, name);
    printf("\n");
    for (unsigned i = 0; i < 4; i++)
        printf("  %-6s %s\n", heads[i], part[i]);
    return status;
}

static int explain_code(const struct oh__args *args, unsigned code)
{
    const struct oh_status *s = oh_status_find(code);
    char name[128];

    if (!s) {
        oh__fail("%u is no registered status code; a %u.. means: %s", code, code / 100,
                 oh_status_phrase(code));
        return OH__EXIT_UNEXPECTED;
    }
    snprintf(name, sizeof name, "%u %s", s->code, s->phrase);
    return tell(args, name, (const char *const[4]){s->meaning, s->sender, s->remedy, s->rfc});
}

static const char *method_name(const void *ctx, unsigned i)
{
    (void)ctx;
    return i < OH_METHOD_COUNT - 1 ? oh_method_text((enum oh_method)(i + 1)).p : NULL;
}

/* Methods are compared with case on the wire; a person may write as he likes. */
static enum oh_method method_of(const char *word, char upper[32])
{
    size_t n = strlen(word);

    if (n >= 32)
        return OH_METHOD_OTHER;
    for (size_t i = 0; i <= n; i++)
        upper[i] = (char)(word[i] >= 'a' && word[i] <= 'z' ? word[i] - 'a' + 'A' : word[i]);
    return oh_method_of(oh_span(upper, n));
}

int oh__cmd_explain(const struct oh__args *args)
{
    const char *word = args->words[0], *near;
    char upper[32] = "";
    uint32_t code;

    if (oh_span_u32(oh_span_str(word), 699, &code) == 0 && code >= 100)
        return explain_code(args, code);
    enum oh_method method = method_of(word, upper);

    for (unsigned i = 0; i < sizeof METHODS / sizeof *METHODS; i++)
        if (METHODS[i].method == method && method != OH_METHOD_OTHER)
            return tell(args, upper,
                        (const char *const[4]){METHODS[i].meaning, METHODS[i].sender,
                                               METHODS[i].remedy, oh_method_rfc(method)});
    near = oh__cmd_nearest(upper, method_name, NULL);
    if (near)
        oh__fail("'%s' is no status code (100 to 699) and no method: did you mean %s?", word, near);
    else
        oh__fail("'%s' is no status code (100 to 699) and no method", word);
    return OH__EXIT_USAGE;
}
