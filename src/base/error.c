/*
 * Names and texts come out of the table in error.h. As switches, not as arrays
 * by number, two codes of one value do not compile and gaps do no harm.
 */
#include <offhook/error.h>

const char *oh_error_name(int code)
{
    switch (code) {
    case OH_OK: return "OK";
#define OH_ERROR_NAME(name, value, text) \
    case (value): return #name;
        OH_ERRORS(OH_ERROR_NAME)
#undef OH_ERROR_NAME
    default: return "?";
    }
}

const char *oh_error_text(int code)
{
    switch (code) {
    case OH_OK: return "no error";
#define OH_ERROR_TEXT(name, value, text) \
    case (value): return text;
        OH_ERRORS(OH_ERROR_TEXT)
#undef OH_ERROR_TEXT
    default: return "unknown error";
    }
}
