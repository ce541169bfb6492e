/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x evaluate: two models on the same samples, in our executor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/table.h"
#include "int8x/kernels.h"
#include "int8x/local.h"

static const i8x_option evaluate_options[] = {
    {"eval", 0, "FILE", "evaluation samples, first axis = samples (.npy or .npz)",
     I8X_OPTION_REQUIRED},
    {"labels", 0, "FILE", "class index of each sample (.npy)", 0},
    {"shape", 0, "NAME=DIMS", "shape of an input that the model leaves open: NAME=1,3,224,224",
     I8X_OPTION_REPEAT},
    {"threads", 0, "N", "threads (default: one a processor)", 0},
};

struct comparison {
    i8x_blobdir *dir;
    i8x_arena *arena;
    i8x_evaluation what;
    i8x_report_output *outputs;
    int output_count;
    int64_t samples;
    i8x_measured measured;
    i8x_progress progress;
};

static bool show_progress(void *user, uint64_t done, uint64_t total)
{
    i8x_progress_show(user, "evaluate", (int)done, (int)total);
    return true;
}

static i8x_status link_files(const i8x_options *options, struct comparison *c)
{
    const char *labels = i8x_options_get(options, "labels");
    I8X_TRY(i8x_options_recipe(options, &c->what.recipe));
    I8X_TRY(i8x_blobdir_link_model(c->dir, options->positional[0], &c->what.quantized));
    I8X_TRY(i8x_blobdir_link_model(c->dir, options->positional[1], &c->what.model));
    I8X_TRY(i8x_blobdir_link(c->dir, i8x_options_get(options, "eval"), &c->what.eval));
    return labels != NULL ? i8x_blobdir_link(c->dir, labels, &c->what.labels) : I8X_OK;
}

static void put_share(i8x_json *json, const char *name, double share)
{
    if (share < 0)
        i8x_json_put_null(json, name);
    else
        i8x_json_put_number(json, name, share);
}

static i8x_status print_json(const struct comparison *c)
{
    i8x_json *json;
    I8X_TRY(i8x_json_object(&json));
    i8x_json_put_digest(json, "quantized_sha256", &c->what.quantized.digest);
    i8x_json_put_digest(json, "model_sha256", &c->what.model.digest);
    i8x_json_put_number(json, "samples", (double)c->samples);
    i8x_json *list = i8x_json_put_list(json, "outputs");
    for (int i = 0; i < c->output_count; i++) {
        i8x_json *row = i8x_json_put_object(list, NULL);
        i8x_json_put_text(row, "name", c->outputs[i].name);
        i8x_json_put_number(row, "sqnr_db", c->outputs[i].sqnr_db);
        put_share(row, "agreement", c->outputs[i].agreement);
        put_share(row, "top1_float", c->outputs[i].top1_float);
        put_share(row, "top1_quantized", c->outputs[i].top1_quantized);
    }
    i8x_json_put_measured(json, "measured", &c->measured);
    i8x_status status = i8x_output_json(json);
    i8x_json_free(json);
    return status;
}

static i8x_status print_table(const struct comparison *c)
{
    i8x_table *table;
    I8X_TRY(i8x_table_new("output|>SQNR dB|>agreement|>top-1 float|>top-1 int8", &table));
    for (int i = 0; i < c->output_count; i++) {
        const i8x_report_output *output = &c->outputs[i];
        char cells[3][16];
        const double shares[3] = {output->agreement, output->top1_float, output->top1_quantized};
        for (int k = 0; k < 3; k++)
            snprintf(cells[k], sizeof cells[k], shares[k] < 0 ? "-" : "%.4f", shares[k]);
        i8x_table_add(table, "%s|%.2f|%s|%s|%s", output->name, output->sqnr_db, cells[0], cells[1],
                      cells[2]);
    }
    i8x_table_print(table);
    printf("%lld samples\n", (long long)c->samples);
    return I8X_OK;
}

static i8x_status compare(const i8x_options *options, struct comparison *c)
{
    long threads;
    I8X_TRY(i8x_options_int(options, "threads", 1, 256, i8x_cpu_count(), &threads));
    I8X_TRY(i8x_arena_new(NULL, 0, &c->arena));
    I8X_TRY(i8x_blobdir_open_temporary(getenv("TMPDIR"), &c->dir));
    I8X_TRY(link_files(options, c));
    i8x_progress_init(&c->progress, i8x_options_has(options, "json"));
    i8x_task_env env = {.io = i8x_blobdir_io(c->dir),
                        .threads = (int)threads,
                        .level = i8x_kernels_level(),
                        .progress = show_progress,
                        .user = &c->progress};
    i8x_status status = i8x_local_evaluate(&c->what, &env, c->arena, &c->outputs, &c->output_count,
                                           &c->samples, &c->measured);
    i8x_progress_end(&c->progress);
    I8X_TRY(status);
    return i8x_options_has(options, "json") ? print_json(c) : print_table(c);
}

static i8x_status evaluate(const i8x_options *options)
{
    struct comparison c;
    memset(&c, 0, sizeof c);
    i8x_status status = compare(options, &c);
    i8x_blobdir_close(c.dir);
    i8x_arena_free(c.arena);
    return status;
}

const i8x_command i8x_cmd_evaluate = {"evaluate",
                                      "QUANTIZED FP32 --eval X.npy [--labels Y.npy]",
                                      "compares a quantized model with the float one on samples",
                                      evaluate_options,
                                      I8X_COUNT(evaluate_options),
                                      2,
                                      2,
                                      false,
                                      evaluate};
