/*
 * jansson refuses text that is no UTF-8, and a refused member would be a
 * missing one: a phone with one bad byte in its name would vanish from the
 * list. So bad text is mended instead.
 */
#include "host/control_json.h"

#include <offhook/addr.h>
#include <offhook/alloc.h>

json_t *oh__json_text(struct oh_span text)
{
    const struct oh_alloc *a = oh_alloc_default();
    json_t *s = json_stringn(text.n ? text.p : "", text.n);
    char *copy;

    if (s)
        return s;
    copy = oh_alloc(a, text.n + 1);
    if (!copy)
        return NULL;
    /* One bad byte makes the whole text suspect, so everything beyond ASCII goes. */
    for (size_t i = 0; i < text.n; i++)
        copy[i] = (unsigned char)text.p[i] >= 0x80 ? '?' : text.p[i];
    s = json_stringn(copy, text.n);
    oh_free(a, copy, text.n + 1);
    return s;
}

json_t *oh__json_addr(const struct oh_addr *addr)
{
    char text[OH_ADDR_TEXT_MAX];

    return json_stringn(text, oh_addr_text(addr, text));
}

struct oh_span oh__json_member(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_string(v) ? oh_span(json_string_value(v), json_string_length(v))
                             : oh_span(NULL, 0);
}

const char *oh__json_str(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? s : "";
}

uint64_t oh__json_u64(const json_t *object, const char *key, uint64_t fallback)
{
    const json_t *v = json_object_get(object, key);

    return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v)
                                                            : fallback;
}
