/* SPDX-License-Identifier: Apache-2.0
 *
 * Globs over node names. Matching is the usual two-pointer walk with one step back to the last
 * star, so it is linear in practice and never recursive.
 */
#include "core/quant/node_filter.h"

#include <string.h>

bool i8x_glob_match(const char *glob, size_t glob_size, const char *text)
{
    size_t g = 0, t = 0, star = glob_size, mark = 0, text_size = strlen(text);
    while (t < text_size) {
        if (g < glob_size && glob[g] == '*') {
            star = g++;
            mark = t;
        } else if (g < glob_size && (glob[g] == '?' || glob[g] == text[t])) {
            g++;
            t++;
        } else if (star < glob_size) {
            g = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (g < glob_size && glob[g] == '*')
        g++;
    return g == glob_size;
}

/* The next entry of a list without the blanks around it; false at the end. Empty entries are
 * skipped. */
static bool entry_next(const char **list, const char **entry, size_t *size)
{
    while (**list == ' ' || **list == ',')
        (*list)++;
    if (**list == '\0')
        return false;
    const char *end = strchr(*list, ',');
    if (end == NULL)
        end = *list + strlen(*list);
    *entry = *list;
    *list = end;
    while (end > *entry && end[-1] == ' ')
        end--;
    *size = (size_t)(end - *entry);
    return true;
}

bool i8x_glob_list_match(const char *list, const char *text)
{
    const char *entry;
    size_t size;
    while (entry_next(&list, &entry, &size)) {
        if (i8x_glob_match(entry, size, text))
            return true;
    }
    return false;
}

static i8x_status list_check(const i8x_graph *graph, const char *list, bool types, const char *what)
{
    const char *entry;
    size_t size;
    while (entry_next(&list, &entry, &size)) {
        bool found = false;
        for (int i = 0; i < graph->node_count && !found; i++) {
            const i8x_node *node = &graph->nodes[i];
            found = !i8x_node_removed(node) &&
                    i8x_glob_match(entry, size, types ? node->op_type : node->name);
        }
        I8X_ENSURE(found, I8X_EARG, "%s: '%.*s' matches no %s of the model", what,
                   (int)(size > 128 ? 128 : size), entry, types ? "operator type" : "node");
    }
    return I8X_OK;
}

i8x_status i8x_node_filter_check(const i8x_graph *graph, const i8x_recipe *recipe)
{
    I8X_TRY(list_check(graph, recipe->exclude, false, "exclude"));
    I8X_TRY(list_check(graph, recipe->only, false, "only"));
    return list_check(graph, recipe->op_types, true, "op_types");
}
