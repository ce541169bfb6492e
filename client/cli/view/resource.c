/* SPDX-License-Identifier: Apache-2.0
 *
 * Resource: the few requests that all resources share, and descriptions by their sections.
 */
#include "client/cli/view/resource.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/output.h"
#include "client/cli/sweep_view.h"
#include "client/cli/view/flat.h"
#include "client/cli/view/printable.h"
#include "int8x/alloc.h"
#include "int8x/recipe.h"

#define ID_MAX 127     /* bytes */
#define PAGES_MAX 1000 /* of one list */

/* ---- requests ---- */

i8x_status i8x_resource_path(const i8x_resource *resource, const char *id, const char *tail,
                             char *path, size_t size_bytes)
{
    static const char allowed[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.";
    size_t length = strlen(id);
    I8X_ENSURE(length > 0 && length <= ID_MAX && strspn(id, allowed) == length && id[0] != '.',
               I8X_EARG, "'%.60s' is no id of a %s; `int8x get %s` lists them", id, resource->one,
               resource->many);
    int used = snprintf(path, size_bytes, "%s/%s%s", resource->collection, id, tail);
    I8X_ENSURE(used > 0 && (size_t)used < size_bytes, I8X_EARG, "'%.60s' is too long", id);
    return I8X_OK;
}

static i8x_status check_state(const i8x_resource *resource, const char *state)
{
    size_t length = strlen(state);
    I8X_ENSURE(resource->states != NULL, I8X_EARG, "%s cannot be picked by --state",
               resource->many);
    for (const char *word = resource->states; *word != 0; word += *word == '|') {
        size_t size = strcspn(word, "|");
        if (size == length && strncmp(word, state, size) == 0)
            return I8X_OK;
        word += size;
    }
    I8X_FAIL(I8X_EARG, "option '--state' is '%.40s'; for %s it is one of %s", state, resource->many,
             resource->states);
}

/* "/v1/jobs?state=failed" */
static i8x_status list_path(const i8x_resource *resource, const i8x_selection *selection,
                            char *path, size_t size)
{
    if (selection->state != NULL)
        I8X_TRY(check_state(resource, selection->state));
    if (resource->inside) {
        const i8x_resource *jobs;
        I8X_ENSURE(selection->job != NULL, I8X_EARG, "whose %s? int8x get %s JOB", resource->many,
                   resource->many);
        I8X_TRY(i8x_resource_find("jobs", &jobs));
        I8X_TRY(i8x_resource_path(jobs, selection->job, "/", path, size));
        snprintf(path + strlen(path), size - strlen(path), "%s", resource->many);
    } else {
        snprintf(path, size, "%s", resource->collection);
    }
    snprintf(path + strlen(path), size - strlen(path), "?%s%s%s",
             selection->state != NULL ? "state=" : "",
             selection->state != NULL ? selection->state : "", selection->state != NULL ? "&" : "");
    return I8X_OK;
}

static i8x_status get_page(const i8x_resource *resource, i8x_remote *remote, const char *start,
                           long limit, const char *cursor, i8x_json **page)
{
    char path[512];
    snprintf(path, sizeof path, "%.200slimit=%ld%s%.200s", start,
             limit < I8X_RESOURCE_PAGE ? limit : I8X_RESOURCE_PAGE,
             cursor[0] != 0 ? "&cursor=" : "", cursor);
    I8X_TRY(i8x_remote_call(remote, "GET", path, NULL, page));
    if (i8x_json_is_list(i8x_json_member(*page, resource->many)))
        return I8X_OK;
    i8x_json_free(*page);
    *page = NULL;
    I8X_FAIL(I8X_EFORMAT, "the service's answer has no list '%s'", resource->many);
}

/* Page after page into one document: its list, and the last page's cursor. A page may be empty and
 * still promise more. */
static i8x_status add_pages(const i8x_resource *resource, i8x_remote *remote,
                            const i8x_selection *selection, i8x_json *all)
{
    i8x_json *list = i8x_json_put_list(all, resource->many), *page = NULL;
    char cursor[256] = "", start[256];
    long left = selection->limit;
    I8X_TRY(list_path(resource, selection, start, sizeof start));
    for (int pages = 0; left > 0 && pages < PAGES_MAX; pages++) {
        I8X_TRY(get_page(resource, remote, start, left, cursor, &page));
        const i8x_json *rows = i8x_json_member(page, resource->many);
        int count = i8x_json_count(rows);
        for (int i = 0; i < count; i++)
            i8x_json_put_copy(list, NULL, i8x_json_item(rows, i));
        snprintf(cursor, sizeof cursor, "%s", i8x_json_member_text(page, "next", ""));
        left -= count;
        i8x_json_free(page);
        if (cursor[0] == 0)
            break;
    }
    i8x_json_put_text(all, "next", cursor[0] != 0 ? cursor : NULL);
    return I8X_OK;
}

i8x_status i8x_resource_list(const i8x_resource *resource, i8x_remote *remote,
                             const i8x_selection *selection, i8x_json **answer,
                             const i8x_json **rows)
{
    I8X_TRY(i8x_json_object(answer));
    i8x_status status = add_pages(resource, remote, selection, *answer);
    if (status == I8X_OK) {
        *rows = i8x_json_member(*answer, resource->many);
        return I8X_OK;
    }
    i8x_json_free(*answer);
    *answer = NULL;
    return status;
}

/* One that is not in the list may still be known by its id: a worker that is away. */
static i8x_status ask_by_id(const i8x_resource *resource, i8x_remote *remote, const char *id,
                            i8x_json **answer)
{
    char path[256];
    i8x_status status = i8x_resource_path(resource, id, "", path, sizeof path);
    if (status == I8X_OK)
        status = i8x_remote_call(remote, "GET", path, NULL, answer);
    I8X_ENSURE(status != I8X_EARG && status != I8X_ENOENT, I8X_ENOENT,
               "no %s '%.60s'; `int8x get %s` lists them", resource->one, id, resource->many);
    return status;
}

/* The object of that id, or the only one of that name; NULL if there is none. */
static i8x_status pick(const i8x_resource *resource, const char *id, const i8x_json *rows,
                       const i8x_json **object)
{
    int named = 0;
    *object = NULL;
    for (int i = 0; i < i8x_json_count(rows); i++) {
        const i8x_json *row = i8x_json_item(rows, i);
        if (strcmp(i8x_json_member_text(row, "id", ""), id) == 0) {
            *object = row;
            return I8X_OK;
        }
        if (strcmp(i8x_json_member_text(row, "name", ""), id) == 0) {
            *object = row;
            named++;
        }
    }
    I8X_ENSURE(named <= 1, I8X_EARG, "%d %s have the name '%.60s': give the id", named,
               resource->many, id);
    return I8X_OK;
}

i8x_status i8x_resource_get(const i8x_resource *resource, i8x_remote *remote, const char *id,
                            i8x_json **answer, const i8x_json **object)
{
    char path[256];
    const i8x_json *rows;
    if (!resource->by_name) {
        I8X_TRY(i8x_resource_path(resource, id, "", path, sizeof path));
        I8X_TRY(i8x_remote_call(remote, "GET", path, NULL, answer));
        *object = *answer;
        return I8X_OK;
    }
    i8x_selection all = {.limit = I8X_RESOURCE_LIMIT_MAX};
    I8X_TRY(i8x_resource_list(resource, remote, &all, answer, &rows));
    i8x_status status = pick(resource, id, rows, object);
    if (status == I8X_OK && *object != NULL)
        return I8X_OK;
    i8x_json_free(*answer);
    *answer = NULL;
    if (status == I8X_OK)
        status = ask_by_id(resource, remote, id, answer);
    *object = *answer;
    return status;
}

/* ---- showing ---- */

i8x_status i8x_resource_show(const i8x_resource *resource, const i8x_json *answer,
                             const i8x_json *rows, i8x_form form)
{
    return form == I8X_FORM_JSON
               ? i8x_output_json(answer)
               : i8x_columns_list(resource->columns, resource->column_count, rows, form);
}

/* A recipe's field is shown if it is not the default, or if all are. A field that this version does
 * not know is shown as it is. value [I8X_CELL_SIZE] becomes the field's own text. */
static bool is_shown(i8x_recipe *recipe, const char *name, bool wide, char *value)
{
    char usual[I8X_CELL_SIZE];
    i8x_recipe_default(recipe);
    if (i8x_recipe_get(recipe, name, usual, sizeof usual) != I8X_OK ||
        i8x_recipe_set(recipe, name, value) != I8X_OK ||
        i8x_recipe_get(recipe, name, value, I8X_CELL_SIZE) != I8X_OK)
        return true;
    return wide || strcmp(usual, value) != 0;
}

static i8x_status print_recipe(const i8x_json *fields, bool wide)
{
    i8x_recipe *recipe = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *recipe);
    I8X_TRY(i8x_alloc_check(recipe));
    int shown = 0;
    for (int i = 0; i < i8x_json_count(fields); i++) {
        const char *name = i8x_json_name(i8x_json_item(fields, i));
        char value[I8X_CELL_SIZE];
        i8x_value_text(i8x_json_item(fields, i), I8X_CELL_PLAIN, true, value, sizeof value);
        if (!is_shown(recipe, name, wide, value))
            continue;
        printf("%-18s  %s\n", name, i8x_printable(value));
        shown++;
    }
    if (shown == 0)
        printf("every field has its default (--output wide shows them)\n");
    i8x_alloc_free(i8x_alloc_heap(), recipe, sizeof *recipe);
    return I8X_OK;
}

static i8x_status describe_section(const i8x_section *section, const i8x_json *part, bool wide)
{
    if (section->title != NULL)
        printf("\n%s\n", section->title);
    switch (section->kind) {
    case I8X_SECTION_FACTS:
        i8x_columns_facts(section->columns, section->column_count, part, wide);
        break;
    case I8X_SECTION_LINES:
        i8x_printable_lines(i8x_json_text(part));
        break;
    case I8X_SECTION_TRIALS:
        return i8x_sweep_view_print(part, wide);
    case I8X_SECTION_RECIPE:
        return print_recipe(part, wide);
    case I8X_SECTION_LIST:
        return i8x_columns_list(section->columns, section->column_count, part,
                                wide ? I8X_FORM_WIDE : I8X_FORM_TABLE);
    }
    return I8X_OK;
}

/* Nothing is said about what the object does not have: a worker that is away has no machine. */
static bool has_any(const i8x_section *section, const i8x_json *part)
{
    const char *text = i8x_json_text(part);
    if (section->kind != I8X_SECTION_FACTS)
        return i8x_json_count(part) > 0 || (text != NULL && *text != 0);
    for (int i = 0; i < section->column_count; i++)
        if (i8x_path_follow(part, section->columns[i].path) != NULL)
            return true;
    return false;
}

static i8x_status describe_all(const i8x_resource *resource, const i8x_json *object, bool wide)
{
    for (int i = 0; i < resource->section_count; i++) {
        const i8x_json *part = i8x_path_follow(object, resource->sections[i].path);
        if (has_any(&resource->sections[i], part))
            I8X_TRY(describe_section(&resource->sections[i], part, wide));
    }
    return I8X_OK;
}

i8x_status i8x_resource_describe(const i8x_resource *resource, const i8x_json *object,
                                 i8x_form form)
{
    if (form == I8X_FORM_JSON)
        return i8x_output_json(object);
    if (form == I8X_FORM_CSV)
        return i8x_flat_csv(object);
    if (form == I8X_FORM_NAME)
        return i8x_columns_list(NULL, 0, object, form);
    return describe_all(resource, object, form == I8X_FORM_WIDE);
}
