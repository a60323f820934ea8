/* The accounts: add, list, passwd, set, remove. import is in user_import.c. */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "cmd/prompt.h"
#include "host/control_json.h"

/* Puts NAME[@DOMAIN] and --domain into a request. False: told. */
static bool put_who(const struct oh__args *args, json_t *request)
{
    const char *word = args->words[0], *domain = oh__arg(args, "domain");
    const char *at = strchr(word, '@');

    if (at && domain && strcmp(at + 1, domain) != 0) {
        oh__fail("%s and --domain %s name two domains", word, domain);
        return false;
    }
    if (at == word || !*word) {
        oh__fail("'%s' has no user name", word);
        return false;
    }
    if (at)
        domain = at + 1;
    json_object_set_new(request, "user",
                        json_stringn(word, at ? (size_t)(at - word) : strlen(word)));
    if (domain)
        json_object_set_new(request, "domain", json_string(domain));
    return true;
}

static void put_option(const struct oh__args *args, json_t *request, const char *option,
                       const char *key)
{
    if (oh__arg(args, option))
        json_object_set_new(request, key, oh__json_text(oh_span_str(oh__arg(args, option))));
}

/* A request of this name about the account in the first word; NULL: told. */
static json_t *request_of(const struct oh__args *args, const char *command)
{
    json_t *request = json_pack("{s:s}", "command", command);

    if (request && put_who(args, request))
        return request;
    json_decref(request);
    return NULL;
}

/* "101@example.com", or "101" for one that serves every name of the server. */
static void print_who(FILE *to, const json_t *account)
{
    const char *domain = oh__json_str(account, "domain");

    oh__puts(to, oh__json_str(account, "user"));
    if (domain[0]) {
        fputc('@', to);
        oh__puts(to, domain);
    }
}

static void print_password(const json_t *reply)
{
    if (!json_object_get(reply, "password"))
        return;
    printf("\n    user      ");
    oh__puts(stdout, oh__json_str(reply, "auth_name"));
    printf("\n    password  ");
    oh__paint(stdout, OH__STYLE_BOLD, oh__json_str(reply, "password"));
    printf("\n\nThe password is shown only now.\n");
}

static void print_note(const json_t *reply)
{
    if (json_object_get(reply, "note"))
        oh__fail("note: %s", oh__json_str(reply, "note"));
}

/* Asks, and prints the reply: as JSON, or "WHAT WHO." and what else there is to say. */
static int ask_and_tell(const struct oh__args *args, json_t *request, const char *what)
{
    json_t *reply = NULL;
    int status = oh__ask_or_do(args, request, &reply);

    if (status)
        return status;
    if (args->json) {
        status = oh__print_json(reply);
    } else {
        printf("%s ", what);
        print_who(stdout, reply);
        printf(".\n");
        print_password(reply);
        print_note(reply);
    }
    json_decref(reply);
    return status;
}

/* Adds the password of the options to a request. An exit status, told. */
static int put_password(const struct oh__args *args, json_t *request)
{
    char password[OH__PASSWORD_ROOM] = "";
    bool given = false;
    int status = oh__password(args, password, &given);

    if (status == OH__EXIT_OK && given) {
        json_t *text = json_string(password);

        if (!text || json_object_set_new(request, "password", text) != 0) {
            oh__fail("the password is no UTF-8 text");
            status = OH__EXIT_REFUSED;
        }
    }
    oh__forget(password, sizeof password);
    return status;
}

int oh__cmd_user_add(const struct oh__args *args)
{
    json_t *request = request_of(args, "user-add");
    int status = request ? put_password(args, request) : OH__EXIT_USAGE;

    if (status) {
        json_decref(request);
        return status;
    }
    put_option(args, request, "name", "name");
    put_option(args, request, "auth-name", "auth_name");
    put_option(args, request, "realm", "realm");
    json_object_set_new(request, "admin", json_boolean(oh__arg_given(args, "admin")));
    json_object_set_new(request, "barred", json_boolean(oh__arg_given(args, "barred")));
    return ask_and_tell(args, request, "Made the account");
}

int oh__cmd_user_passwd(const struct oh__args *args)
{
    json_t *request = request_of(args, "user-passwd");
    int status = request ? put_password(args, request) : OH__EXIT_USAGE;

    if (status) {
        json_decref(request);
        return status;
    }
    return ask_and_tell(args, request, "New password for");
}

/* Puts yes or no into a request. False: it is neither, told. */
static bool put_switch(const struct oh__args *args, json_t *request, const char *name)
{
    const char *value = oh__arg(args, name);
    bool yes = value && strcmp(value, "yes") == 0;

    if (!value)
        return true;
    if (!yes && strcmp(value, "no") != 0) {
        oh__fail("--%s %s: it is yes or no", name, value);
        return false;
    }
    json_object_set_new(request, name, json_boolean(yes));
    return true;
}

int oh__cmd_user_set(const struct oh__args *args)
{
    json_t *request;

    if (!oh__arg(args, "name") && !oh__arg(args, "admin") && !oh__arg(args, "barred")) {
        oh__fail("nothing to change: say --name, --admin or --barred");
        return OH__EXIT_USAGE;
    }
    request = request_of(args, "user-set");
    if (!request || !put_switch(args, request, "admin") || !put_switch(args, request, "barred")) {
        json_decref(request);
        return OH__EXIT_USAGE;
    }
    put_option(args, request, "name", "name");
    return ask_and_tell(args, request, "Changed");
}

int oh__cmd_user_remove(const struct oh__args *args)
{
    json_t *request = request_of(args, "user-remove");

    if (!request)
        return OH__EXIT_USAGE;
    json_object_set_new(request, "forget", json_boolean(oh__arg_given(args, "forget")));
    return ask_and_tell(args, request, "Removed");
}

/* ---- list ---- */

static void list_row(struct oh__sheet *table, const json_t *account)
{
    uint64_t gone = oh__json_u64(account, "gone_at", 0);
    char words[OH__WORDS_MAX], rights[OH__WORDS_MAX + 16] = "";

    if (gone)
        snprintf(rights, sizeof rights, "removed %s", oh__words_time(gone, words));
    else
        snprintf(rights, sizeof rights, "%s%s",
                 json_is_true(json_object_get(account, "admin")) ? "admin " : "",
                 json_is_true(json_object_get(account, "barred")) ? "barred" : "");
    oh__sheet_add(table, oh__json_str(account, "user"));
    oh__sheet_add(table,
                  oh__json_str(account, "domain")[0] ? oh__json_str(account, "domain") : "(every)");
    oh__sheet_add(table, oh__json_str(account, "name"));
    oh__sheet_add(table, oh__json_str(account, "auth_name"));
    oh__sheet_add(table, oh__json_str(account, "realm"));
    oh__sheet_add(table, rights);
}

/* Asks for page after page, because a large server has more
 * accounts than one reply holds; `all` collects them. */
static int list_pages(const struct oh__args *args, json_t *all)
{
    json_t *after = json_null(), *reply = NULL;
    int status = OH__EXIT_OK;

    do {
        json_t *request = json_pack("{s:s,s:b,s:o}", "command", "user-list", "all",
                                    oh__arg_given(args, "all"), "after", after);

        if (request)
            put_option(args, request, "domain", "domain");
        status = oh__ask_or_do(args, request, &reply);
        if (status)
            return status;
        json_array_extend(all, json_object_get(reply, "accounts"));
        after = json_incref(json_object_get(reply, "next"));
        json_decref(reply);
    } while (json_is_array(after));
    json_decref(after);
    return status;
}

static void print_list(const json_t *all)
{
    static const char *const heads[] = {"user", "domain", "name", "login", "realm", ""};
    struct oh__sheet table;
    const json_t *account;
    size_t i;

    oh__sheet_init(&table, 6, heads);
    json_array_foreach(all, i, account) list_row(&table, account);
    if (!oh__sheet_print(&table, stdout))
        oh__fail("memory is short: the list is not complete");
    oh__sheet_done(&table);
}

int oh__cmd_user_list(const struct oh__args *args)
{
    json_t *all = json_array(), *object;
    int status = list_pages(args, all);

    if (status == OH__EXIT_OK && args->json) {
        object = json_pack("{s:b,s:i,s:O}", "ok", 1, "schema_version", OH__SCHEMA_VERSION,
                           "accounts", all);
        status = oh__print_json(object);
        json_decref(object);
    } else if (status == OH__EXIT_OK && json_array_size(all)) {
        print_list(all);
    } else if (status == OH__EXIT_OK) {
        printf("There are no accounts: make one with `offhook user add NAME`.\n");
    }
    json_decref(all);
    return status;
}
