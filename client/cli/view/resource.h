/* SPDX-License-Identifier: Apache-2.0
 *
 * Resource: what the service has (jobs, workers): where it is found and how it is shown. A resource
 * is a row of the table in resource.c; get, describe and top have no words of their own for it.
 */
#ifndef CLIENT_CLI_VIEW_RESOURCE_H
#define CLIENT_CLI_VIEW_RESOURCE_H

#include "client/c/remote.h"
#include "client/cli/view/columns.h"

#define I8X_RESOURCE_WORDS "jobs|workers|sweeps|tasks"
#define I8X_RESOURCE_LIMIT 100 /* objects of a list if no other number is given */
#define I8X_RESOURCE_LIMIT_MAX 10000
#define I8X_RESOURCE_PAGE 1000   /* objects of one answer */
#define I8X_RESOURCE_ID_SIZE 160 /* bytes of an id and its end */

/* A part of a description. */
typedef struct i8x_section {
    const char *title; /* NULL = none */
    const char *path;  /* member of the object; NULL = the object itself */
    enum {
        I8X_SECTION_FACTS,  /* an object, a line a column */
        I8X_SECTION_LIST,   /* a list of objects, by columns */
        I8X_SECTION_LINES,  /* a text of several lines */
        I8X_SECTION_TRIALS, /* a sweep, as its table of trials */
        I8X_SECTION_RECIPE, /* an object of recipe fields; those that are not the default, unless
                               wide */
    } kind;
    const i8x_column *columns; /* [column_count]; NULL for a recipe */
    int column_count;
} i8x_section;

typedef struct i8x_resource {
    const char *one, *many; /* "job", "jobs" */
    const char *collection; /* "/v1/jobs"; NULL if inside */
    bool inside;            /* lies in a job, /v1/jobs/ID/tasks: an ID is the job's */
    const char *states;     /* "running|done": what ?state= picks; NULL = nothing */
    bool by_name;           /* the list is looked through first: a name that only one object has
                               will do, too */
    const i8x_column *columns;
    int column_count;
    const i8x_section *sections; /* of a description; none: it has none */
    int section_count;
} i8x_resource;

/* Which rows of a resource. */
typedef struct i8x_selection {
    long limit;        /* so many at most, the newest first (tasks: in their order) */
    const char *state; /* NULL = any */
    const char *job;   /* of a resource that is inside a job */
} i8x_selection;

/** Resource of a word, singular or plural. Static. Errors: I8X_EARG with the nearest. */
I8X_FALLIBLE i8x_status i8x_resource_find(const char *word, const i8x_resource **resource);
/** "/v1/jobs/ID" + tail in path. Errors: I8X_EARG (a text that can be no id). */
I8X_FALLIBLE i8x_status i8x_resource_path(const i8x_resource *resource, const char *id,
                                          const char *tail, char *path, size_t size_bytes);
/** The selected rows: answer is freed with i8x_json_free, rows is its list; its member "next" is
 * null if these are all. Errors: I8X_EARG (a state or job that can be none), those of
 * i8x_remote_call, I8X_EFORMAT (the answer has no such list). */
I8X_FALLIBLE i8x_status i8x_resource_list(const i8x_resource *resource, i8x_remote *remote,
                                          const i8x_selection *selection, i8x_json **answer,
                                          const i8x_json **rows);
/** One of them: answer is freed with i8x_json_free, object lies in it. Errors: I8X_EARG,
 * I8X_ENOENT, I8X_EARG (several of that name), those of i8x_remote_call. */
I8X_FALLIBLE i8x_status i8x_resource_get(const i8x_resource *resource, i8x_remote *remote,
                                         const char *id, i8x_json **answer,
                                         const i8x_json **object);
/** rows (a list or one object) in any form; answer is what JSON shows. Errors: I8X_ENOMEM, I8X_EIO.
 */
I8X_FALLIBLE i8x_status i8x_resource_show(const i8x_resource *resource, const i8x_json *answer,
                                          const i8x_json *rows, i8x_form form);
/** A description in any form: every section that the object has; CSV: a line a value; NAME: its id.
 * Errors: I8X_ENOMEM, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_resource_describe(const i8x_resource *resource, const i8x_json *object,
                                              i8x_form form);

#endif
