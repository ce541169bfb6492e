/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON: what the door and the command line speak, to and from the structs of the core. Recipes are
 * driven by int8x/fields.def, so a new field needs nothing here. Nothing that is hashed passes
 * through JSON.
 *
 * Reading is bounded (size, depth, number of values) before the parser allocates for it; an unknown
 * or doubled member is an error that names it and the nearest known one.
 *
 *     i8x_json *doc; I8X_TRY(i8x_json_parse(text, size, &doc));
 *     I8X_TRY(i8x_json_to_job(doc, &job));   i8x_json_free(doc);
 *
 *     i8x_json *out; I8X_TRY(i8x_json_object(&out));
 *     i8x_json_put_text(out, "id", id);  I8X_TRY(i8x_json_print(out, true, &text, &size));
 * i8x_json_free(out);
 *
 * The put functions keep the first failure in the document; i8x_json_print returns it.
 * Thread-safe as long as a document stays with one thread.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/inspect.h"
#include "int8x/recipe.h"
#include "int8x/report.h"
#include "int8x/status.h"
#include "int8x/sweep.h"
#include "int8x/task.h"

#define I8X_JSON_SIZE_MAX ((size_t)16 << 20)
#define I8X_JSON_REQUEST_MAX ((size_t)1 << 20) /* bytes of a document that a client sends */
#define I8X_JSON_DEPTH_MAX 32
#define I8X_JSON_WHOLE_MAX ((uint64_t)9007199254740991) /* whole numbers up to here are exact */
#define I8X_JSON_VALUES_MAX 1000000

/* A value of a document. The root is freed with i8x_json_free; all others are borrowed from it. */
typedef struct i8x_json i8x_json;

/* ---- reading ---- */

/** Errors: I8X_EFORMAT (with the byte offset; also what is no UTF-8, and a zero byte, \u0000 too),
 * I8X_ELIMIT (size, depth, values), I8X_ENOMEM. */
i8x_status i8x_json_parse(const char *text, size_t size_bytes, i8x_json **json)
    __attribute__((warn_unused_result));
/** NULL is allowed. */
void i8x_json_free(i8x_json *json);
/** Member of an object, or NULL (also if json is NULL or no object). */
const i8x_json *i8x_json_member(const i8x_json *json, const char *name);
/** Items of a list, members of an object; 0 for anything else. */
int i8x_json_count(const i8x_json *json);
const i8x_json *i8x_json_item(const i8x_json *json, int index);
/** Text of a string value, or NULL. */
const char *i8x_json_text(const i8x_json *json);
/** Name of a member of an object, else NULL. */
const char *i8x_json_name(const i8x_json *json);
/** False if the value is no number. */
bool i8x_json_number(const i8x_json *json, double *number);
/** False if the value is neither true nor false (*value is false then). */
bool i8x_json_bool(const i8x_json *json, bool *value);
bool i8x_json_is_list(const i8x_json *json);
bool i8x_json_is_object(const i8x_json *json);
/** Every member of the object is one of names [count], and none stands twice; `what` names the
 * object in the sentence. Errors: I8X_EARG. */
i8x_status i8x_json_check(const i8x_json *json, const char *what, const char *const *names,
                          int count) __attribute__((warn_unused_result));
/** Value of a member: its text, number or truth; `otherwise` if it is missing or of another kind.
 */
const char *i8x_json_member_text(const i8x_json *json, const char *name, const char *otherwise);
double i8x_json_member_number(const i8x_json *json, const char *name, double otherwise);
bool i8x_json_member_bool(const i8x_json *json, const char *name, bool otherwise);

/* ---- writing ---- */

i8x_status i8x_json_object(i8x_json **json) __attribute__((warn_unused_result));
i8x_status i8x_json_list(i8x_json **json) __attribute__((warn_unused_result));
/* name is the member's name in an object and NULL in a list. Bytes of a text that are no UTF-8
 * become U+FFFD. A number reads back as the same number. */
void i8x_json_put_text(i8x_json *json, const char *name, const char *text);
void i8x_json_put_number(i8x_json *json, const char *name,
                         double number); /* NaN and infinity become null */
void i8x_json_put_u64(i8x_json *json, const char *name, uint64_t number); /* exact up to 2^53 */
void i8x_json_put_bool(i8x_json *json, const char *name, bool value);
void i8x_json_put_null(i8x_json *json, const char *name);
void i8x_json_put_digest(i8x_json *json, const char *name, const i8x_digest *digest); /* hex */
/** A copy of a value with all that is in it; null for NULL. */
void i8x_json_put_copy(i8x_json *json, const char *name, const i8x_json *value);
i8x_json *i8x_json_put_object(i8x_json *json,
                              const char *name); /* borrowed; usable even after a failure */
i8x_json *i8x_json_put_list(i8x_json *json, const char *name);
/** Text with a closing zero byte, to be freed with i8x_alloc_free(i8x_alloc_heap(), text, size +
 * 1); indented if pretty. Errors: the first failure of a put; I8X_ENOMEM. */
i8x_status i8x_json_print(const i8x_json *json, bool pretty, char **text, size_t *size_bytes)
    __attribute__((warn_unused_result));

/* ---- the structs ---- */

/** Recipe from an object; fields that are missing keep what *recipe holds. Errors: I8X_EARG
 * (unknown field: the nearest is named; wrong kind of value), I8X_ERANGE. */
i8x_status i8x_json_to_recipe(const i8x_json *json, i8x_recipe *recipe)
    __attribute__((warn_unused_result));
void i8x_json_put_recipe(i8x_json *json, const char *name, const i8x_recipe *recipe);
/**
 * Job: {"name": "m.onnx", "model": REF, "calib": REF, "eval": REF, "labels": REF, "recipe": {...}}
 * with REF = {"sha256": "64 hex digits", "size_bytes": n}. eval, labels, recipe and name may be
 * missing. Errors: I8X_EARG, I8X_ERANGE, naming the member.
 */
i8x_status i8x_json_to_job(const i8x_json *json, i8x_job *job) __attribute__((warn_unused_result));
void i8x_json_put_job(i8x_json *json, const char *name, const i8x_job *job);
/**
 * Sweep: {"search": "grid", "seed": 1, "trials": 20, "base": {recipe}, "space": {"clip": ["mse",
 * "kl"], "percentile": {"low": 99, "high": 100, "steps": 4, "log": false}}}; space is wanted, the
 * others have defaults (grid, 0, 0, the default recipe). Texts live in the arena. The sweep has
 * been checked; count gets its trials. Errors: I8X_EARG, I8X_ERANGE, I8X_ELIMIT, naming the member.
 */
i8x_status i8x_json_to_sweep(const i8x_json *json, i8x_arena *arena, i8x_sweep *sweep, int *count)
    __attribute__((warn_unused_result));
/* One trial as others see it. */
typedef struct i8x_sweep_row {
    const char *state;  /* "waiting", "running", "done", "failed", "canceled" */
    const char *job;    /* id of its job; NULL if there is none */
    const char *detail; /* of a trial that failed; else NULL */
    i8x_sweep_point point;
    i8x_digest artifact_sha256, result_sha256; /* of a trial that is done */
} i8x_sweep_row;

/**
 * Results of a sweep as members of the object json: "search", "metric", "count", "done", "fields"
 * (those with an axis), "trials": [{"trial", "state", "job", "recipe": {field: value}, "sqnr_db",
 * "agreement", "top1", "artifact_bytes", "front", ...}], "best" (a trial's number or null),
 * "best_recipe" (the whole recipe). rows [count]. Errors: I8X_ENOMEM, those of i8x_sweep_trial.
 */
i8x_status i8x_json_put_sweep(i8x_json *json, const i8x_sweep *sweep, const i8x_sweep_row *rows,
                              int count, i8x_sweep_metric metric)
    __attribute__((warn_unused_result));
/** {"result": {...}, "result_sha256", "artifact_sha256", "measured": {...}, "command"}: members of
 * the object json. measured and command may be NULL. */
void i8x_json_put_report(i8x_json *json, const i8x_report *report, const i8x_digest *result_sha256,
                         const i8x_measured *measured, const char *command);
void i8x_json_put_measured(i8x_json *json, const char *name, const i8x_measured *measured);
/** Back from that object; numbers that are missing are 0; names live in the arena. Errors:
 * I8X_ENOMEM. */
i8x_status i8x_json_to_measured(const i8x_json *json, i8x_arena *arena, i8x_measured *measured)
    __attribute__((warn_unused_result));
void i8x_json_put_inspection(i8x_json *json, const i8x_inspection *inspection);
/** {"error": {"status": "ESHAPE", "detail": "..."}} as members of the object json. */
void i8x_json_put_error(i8x_json *json, i8x_status status, const char *detail);

#endif
