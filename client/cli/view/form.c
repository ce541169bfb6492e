/* SPDX-License-Identifier: Apache-2.0
 *
 * Form: see form.h.
 */
#include "client/cli/view/form.h"

#include <string.h>

/* The word of --output; NULL if it was not given, or is the path that other commands take there. */
static const char *word_of(const i8x_options *options)
{
    for (int i = 0; i < options->given_count; i++)
        if (strcmp(options->given[i].option->name, "output") == 0 &&
            strcmp(options->given[i].option->value, I8X_FORM_WORDS) == 0)
            return options->given[i].value;
    return NULL;
}

i8x_status i8x_form_of(const i8x_options *options, i8x_form *form)
{
    static const char *const words[I8X_FORM_COUNT] = {"table", "wide", "json", "csv", "name"};
    const char *word = word_of(options);
    bool json = i8x_options_has(options, "json");
    *form = json ? I8X_FORM_JSON : I8X_FORM_TABLE;
    if (word == NULL)
        return I8X_OK;
    for (int i = 0; i < I8X_FORM_COUNT; i++)
        if (strcmp(words[i], word) == 0)
            *form = (i8x_form)i; /* the parser lets no other word through */
    I8X_ENSURE(!json || *form == I8X_FORM_JSON, I8X_EARG,
               "--json and --output %s at once: leave one of them out", word);
    return I8X_OK;
}

bool i8x_form_is_json(const i8x_options *options)
{
    const char *word = word_of(options);
    return i8x_options_has(options, "json") || (word != NULL && strcmp(word, "json") == 0);
}
