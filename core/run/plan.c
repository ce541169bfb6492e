/* SPDX-License-Identifier: Apache-2.0
 *
 * Plan: the tasks of a job as a graph of "reads the output R of task T". It starts as one task,
 * inspect; inspect's summary says where the samples lie and how many layers there are, and all
 * other tasks follow from that and the job. From then on nothing is added, so shard boundaries and
 * task numbers depend on the job alone and not on who computes what in which order.
 *
 * Partials meet in merge tasks of at most I8X_PLAN_FAN_IN inputs, in shard order; the tree's form
 * follows from the number of shards. A task's inputs are resolved to blobs when the last task it
 * waits for is done, and its options are encoded when it is added.
 */
#include <string.h>

#include "core/quant/equalize.h"
#include "core/run/inspect.h"
#include "core/run/recipe.h"
#include "core/run/task.h"

#define I8X_PLAN_FAN_IN 64
#define I8X_PLAN_LAYERS_PER_GROUP 16
#define I8X_PLAN_GROUPS_MAX 32
#define NO_TASK (-1)
#define NO_EDGE (-1)

/* Where an input comes from: a blob known from the start, or an output of another task. */
struct source {
    char role[I8X_TASK_ROLE_MAX];
    int task; /* NO_TASK: ref is fixed */
    char output[I8X_TASK_ROLE_MAX];
    i8x_blob_ref ref;
};

/* What a task gave; in the arena, and no larger than it is: plans have up to 100,000 tasks. */
struct outcome {
    const i8x_task_output *outputs;
    int output_count;
    const uint8_t *summary;
    size_t summary_size;
};

struct node {
    i8x_task task;
    struct source *sources;
    i8x_plan_state state;
    int missing;            /* tasks it still waits for */
    int first_edge;         /* list of those that wait for it */
    int next_fresh;         /* list of READY tasks that were not taken yet */
    struct outcome outcome; /* DONE */
};

struct edge {
    int to, next;
};

struct i8x_plan {
    i8x_arena *arena;
    i8x_job job;
    struct node *nodes;
    int count, capacity;
    struct edge *edges;
    int edge_count, edge_capacity;
    int done;
    int fresh_first, fresh_last; /* NO_TASK = none */
    int report;                  /* task numbers; NO_TASK before they exist */
    int assemble;
};

/* ---- growing ---- */

static i8x_status grow(void **items, int count, int *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return I8X_OK;
    int larger = *capacity == 0 ? 64 : *capacity * 2;
    void *block = i8x_alloc_resize(i8x_alloc_heap(), *items, (size_t)*capacity * item_bytes,
                                   (size_t)larger * item_bytes);
    I8X_TRY(i8x_alloc_check(block));
    *items = block;
    *capacity = larger;
    return I8X_OK;
}

/* A task while it is put together. */
struct draft {
    i8x_task_kind kind;
    i8x_task_params params;
    struct source sources[I8X_TASK_INPUTS_MAX];
    int count;
    bool overflow;
    int wait_first, wait_count; /* tasks that it waits for without reading them */
};

static void draft_begin(struct draft *draft, i8x_task_kind kind, const i8x_job *job)
{
    memset(draft, 0, sizeof *draft);
    draft->kind = kind;
    draft->params.recipe = job->recipe;
}

static struct source *draft_source(struct draft *draft, const char *role)
{
    if (draft->count == I8X_TASK_INPUTS_MAX) {
        draft->overflow = true;
        return &draft->sources[0];
    }
    struct source *source = &draft->sources[draft->count++];
    I8X_ASSERT(strlen(role) < I8X_TASK_ROLE_MAX);
    memcpy(source->role, role, strlen(role) + 1);
    source->task = NO_TASK;
    return source;
}

static void draft_blob(struct draft *draft, const char *role, const i8x_blob_ref *ref)
{
    draft_source(draft, role)->ref = *ref;
}

static void draft_output(struct draft *draft, const char *role, int task, const char *output)
{
    struct source *source = draft_source(draft, role);
    I8X_ASSERT(task != NO_TASK && strlen(output) < I8X_TASK_ROLE_MAX);
    source->task = task;
    memcpy(source->output, output, strlen(output) + 1);
}

/* The samples [first, first + count) of a set, and what they are. */
static void draft_samples(struct draft *draft, const i8x_sample_set *set, int64_t first,
                          int64_t count)
{
    draft->params.first = first;
    draft->params.count = count;
    draft->params.array_count = set->array_count;
    for (int i = 0; i < set->array_count; i++) {
        draft->params.arrays[i] = set->arrays[i].type;
        i8x_blob_ref ref = i8x_sample_array_range(&set->arrays[i], first, count);
        draft_blob(draft, "samples", &ref);
    }
}

static void draft_job(struct draft *draft, const i8x_job *job, const i8x_inspect_summary *summary)
{
    draft->params.model = job->model.digest;
    draft->params.model_bytes = job->model.size_bytes;
    draft->params.calib = job->calib.digest;
    draft->params.eval = job->eval.digest;
    draft->params.labels = job->labels.digest;
    if (summary != NULL) {
        draft->params.calib_samples = summary->calib.samples;
        draft->params.eval_samples = summary->eval.samples;
    }
}

static i8x_status encode_options(i8x_plan *plan, const struct draft *draft, i8x_task *task)
{
    i8x_canon_writer writer;
    i8x_canon_writer_init(&writer, NULL, I8X_TASK_OPTIONS_MAX);
    i8x_task_params_put(&writer, draft->kind, &draft->params);
    return i8x_task_record(&writer, plan->arena, &task->options, &task->options_size);
}

static i8x_status add_edge(i8x_plan *plan, int from, int to)
{
    void *edges = plan->edges;
    I8X_TRY(grow(&edges, plan->edge_count, &plan->edge_capacity, sizeof *plan->edges));
    plan->edges = edges;
    plan->edges[plan->edge_count] = (struct edge){to, plan->nodes[from].first_edge};
    plan->nodes[from].first_edge = plan->edge_count++;
    return I8X_OK;
}

static i8x_status find_output(const i8x_task_output *outputs, int count, const char *role,
                              i8x_blob_ref *ref)
{
    for (int i = 0; i < count; i++)
        if (strcmp(outputs[i].role, role) == 0) {
            *ref = outputs[i].ref;
            return I8X_OK;
        }
    I8X_FAIL(I8X_EFORMAT, "a task result lacks its output '%s'", role);
}

static i8x_status kept_output(const i8x_plan *plan, int task, const char *role, i8x_blob_ref *ref)
{
    const struct outcome *outcome = &plan->nodes[task].outcome;
    return find_output(outcome->outputs, outcome->output_count, role, ref);
}

/* All it waits for is done: its inputs become blobs. */
static i8x_status make_ready(i8x_plan *plan, int index)
{
    struct node *node = &plan->nodes[index];
    i8x_task_input *inputs =
        i8x_arena_array(plan->arena, (size_t)node->task.input_count, sizeof *inputs);
    I8X_TRY(i8x_alloc_check(inputs));
    for (int i = 0; i < node->task.input_count; i++) {
        const struct source *source = &node->sources[i];
        memcpy(inputs[i].role, source->role, sizeof inputs[i].role);
        inputs[i].ref = source->ref;
        if (source->task != NO_TASK)
            I8X_TRY(kept_output(plan, source->task, source->output, &inputs[i].ref));
    }
    node->task.inputs = inputs;
    node->state = I8X_PLAN_READY;
    node->next_fresh = NO_TASK;
    if (plan->fresh_last == NO_TASK)
        plan->fresh_first = index;
    else
        plan->nodes[plan->fresh_last].next_fresh = index;
    plan->fresh_last = index;
    return I8X_OK;
}

/* Adds the drafted task; *index receives its number. */
static i8x_status draft_end(i8x_plan *plan, const struct draft *draft, int *index)
{
    I8X_ENSURE(!draft->overflow, I8X_ELIMIT,
               "task %s would have more than %d inputs; raise shard_samples",
               i8x_task_kind_name(draft->kind), I8X_TASK_INPUTS_MAX);
    I8X_ENSURE(plan->count < I8X_PLAN_TASKS_MAX, I8X_ELIMIT,
               "the job has more than %d tasks; raise shard_samples", I8X_PLAN_TASKS_MAX);
    void *nodes = plan->nodes;
    I8X_TRY(grow(&nodes, plan->count, &plan->capacity, sizeof *plan->nodes));
    plan->nodes = nodes;
    struct node *node = &plan->nodes[plan->count];
    memset(node, 0, sizeof *node);
    node->task.kind = draft->kind;
    node->task.revision = i8x_task_kind_revision(draft->kind);
    node->task.input_count = draft->count;
    node->first_edge = NO_EDGE;
    node->sources =
        i8x_arena_copy(plan->arena, draft->sources, (size_t)draft->count * sizeof *draft->sources);
    I8X_TRY(i8x_alloc_check(node->sources));
    I8X_TRY(encode_options(plan, draft, &node->task));
    *index = plan->count++;
    for (int i = 0; i < draft->count; i++) {
        int from = draft->sources[i].task;
        if (from == NO_TASK || plan->nodes[from].state == I8X_PLAN_DONE)
            continue;
        I8X_TRY(add_edge(plan, from, *index));
        plan->nodes[*index].missing++;
    }
    for (int i = 0; i < draft->wait_count; i++)
        I8X_TRY(add_edge(plan, draft->wait_first + i, *index));
    plan->nodes[*index].missing += draft->wait_count;
    return plan->nodes[*index].missing == 0 ? make_ready(plan, *index) : I8X_OK;
}

/* ---- the stages ---- */

/* What the stages pass on to each other while the plan is built. */
struct build {
    i8x_plan *plan;
    const i8x_job *job;
    const i8x_inspect_summary *summary;
    struct draft *draft; /* one draft, reused: it is large */
    int64_t shard;       /* samples of a shard */
    int groups;
    int prepare, solve, assemble;
    int histograms, moments; /* task that holds the merged record */
    int *calibrate;
    int calibrate_count;
    int *select;
    int *quantize;
    int correct;
    int metrics, layer_first, layer_count;
};

static int64_t parts_of(int64_t count, int64_t part)
{
    return (count + part - 1) / part;
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Merges output `output` of tasks[0..count) by a tree; *root is the task that holds the result. */
static i8x_status add_merge(struct build *b, const int *tasks, int count, const char *output,
                            int *root)
{
    int *level = i8x_arena_copy(b->plan->arena, tasks, (size_t)count * sizeof *level);
    I8X_TRY(i8x_alloc_check(level));
    while (count > 1) {
        int next = 0;
        for (int first = 0; first < count; first += I8X_PLAN_FAN_IN) {
            int last = first + I8X_PLAN_FAN_IN < count ? first + I8X_PLAN_FAN_IN : count;
            if (last - first == 1) {
                level[next++] = level[first];
                continue;
            }
            draft_begin(b->draft, I8X_TASK_MERGE, b->job);
            for (int i = first; i < last; i++)
                draft_output(b->draft, output, level[i], output);
            I8X_TRY(draft_end(b->plan, b->draft, &level[next]));
            next++;
        }
        count = next;
    }
    *root = level[0];
    return I8X_OK;
}

static i8x_status add_prepare(struct build *b)
{
    draft_begin(b->draft, I8X_TASK_PREPARE, b->job);
    draft_blob(b->draft, "model", &b->job->model);
    if (b->job->recipe.equalize != I8X_EQUALIZE_NONE) {
        int64_t samples =
            lesser(parts_of(I8X_EQUALIZE_SAMPLES, b->summary->batch_step) * b->summary->batch_step,
                   b->summary->calib.samples);
        draft_samples(b->draft, &b->summary->calib, 0, samples);
    }
    return draft_end(b->plan, b->draft, &b->prepare);
}

static i8x_status add_calibrate(struct build *b)
{
    const i8x_sample_set *set = &b->summary->calib;
    int64_t shards = parts_of(set->samples, b->shard);
    I8X_ENSURE(
        shards <= I8X_PLAN_TASKS_MAX, I8X_ELIMIT,
        "%lld calibration samples in shards of %lld are more than %d tasks; raise shard_samples",
        (long long)set->samples, (long long)b->shard, I8X_PLAN_TASKS_MAX);
    b->calibrate = i8x_arena_array(b->plan->arena, (size_t)shards, sizeof *b->calibrate);
    I8X_TRY(i8x_alloc_check(b->calibrate));
    b->calibrate_count = (int)shards;
    for (int64_t i = 0; i < shards; i++) {
        int64_t first = i * b->shard;
        draft_begin(b->draft, I8X_TASK_CALIBRATE, b->job);
        draft_output(b->draft, "prepared", b->prepare, "prepared");
        draft_samples(b->draft, set, first, lesser(b->shard, set->samples - first));
        I8X_TRY(draft_end(b->plan, b->draft, &b->calibrate[i]));
    }
    I8X_TRY(add_merge(b, b->calibrate, b->calibrate_count, "histograms", &b->histograms));
    b->moments = NO_TASK;
    if (b->job->recipe.weight_scale != I8X_WEIGHT_SCALE_MAX)
        I8X_TRY(add_merge(b, b->calibrate, b->calibrate_count, "moments", &b->moments));
    return I8X_OK;
}

static i8x_status add_select(struct build *b)
{
    b->select = NULL;
    if (b->job->recipe.clip != I8X_CLIP_AUTO)
        return I8X_OK;
    b->select = i8x_arena_array(b->plan->arena, (size_t)b->groups, sizeof *b->select);
    I8X_TRY(i8x_alloc_check(b->select));
    for (int i = 0; i < b->groups; i++) {
        draft_begin(b->draft, I8X_TASK_SELECT, b->job);
        b->draft->params.group = i;
        b->draft->params.group_count = b->groups;
        draft_output(b->draft, "prepared", b->prepare, "prepared");
        draft_output(b->draft, "histograms", b->histograms, "histograms");
        int64_t step = b->summary->batch_step;
        int64_t samples = parts_of(b->job->recipe.select_samples, step) * step;
        draft_samples(b->draft, &b->summary->calib, 0, lesser(samples, b->summary->calib.samples));
        I8X_TRY(draft_end(b->plan, b->draft, &b->select[i]));
    }
    return I8X_OK;
}

static i8x_status add_solve(struct build *b)
{
    draft_begin(b->draft, I8X_TASK_SOLVE, b->job);
    draft_output(b->draft, "prepared", b->prepare, "prepared");
    draft_output(b->draft, "histograms", b->histograms, "histograms");
    for (int i = 0; b->select != NULL && i < b->groups; i++)
        draft_output(b->draft, "selection", b->select[i], "selection");
    return draft_end(b->plan, b->draft, &b->solve);
}

static i8x_status add_quantize(struct build *b)
{
    b->quantize = i8x_arena_array(b->plan->arena, (size_t)b->groups, sizeof *b->quantize);
    I8X_TRY(i8x_alloc_check(b->quantize));
    for (int i = 0; i < b->groups; i++) {
        draft_begin(b->draft, I8X_TASK_QUANTIZE, b->job);
        b->draft->params.group = i;
        b->draft->params.group_count = b->groups;
        draft_output(b->draft, "prepared", b->prepare, "prepared");
        draft_output(b->draft, "solved", b->solve, "solved");
        if (b->moments != NO_TASK)
            draft_output(b->draft, "moments", b->moments, "moments");
        I8X_TRY(draft_end(b->plan, b->draft, &b->quantize[i]));
    }
    return I8X_OK;
}

static void draft_pieces(struct build *b)
{
    for (int i = 0; i < b->groups; i++)
        draft_output(b->draft, "weights", b->quantize[i], "weights");
}

/* The block of whole shards that correction walks through, with the FP32 moments of just these
 * shards. */
static i8x_status add_correct(struct build *b)
{
    b->correct = NO_TASK;
    const i8x_recipe *recipe = &b->job->recipe;
    if (recipe->bias_correction == I8X_BIAS_CORRECTION_NONE &&
        recipe->rounding == I8X_ROUNDING_NEAREST)
        return I8X_OK;
    const i8x_sample_set *set = &b->summary->calib;
    int shards =
        (int)lesser(parts_of(b->job->recipe.correct_samples, b->shard), b->calibrate_count);
    int moments;
    I8X_TRY(add_merge(b, b->calibrate, shards, "moments", &moments));
    draft_begin(b->draft, I8X_TASK_CORRECT, b->job);
    draft_output(b->draft, "prepared", b->prepare, "prepared");
    draft_output(b->draft, "solved", b->solve, "solved");
    draft_output(b->draft, "moments", moments, "moments");
    draft_pieces(b);
    draft_samples(b->draft, set, 0, lesser(shards * b->shard, set->samples));
    return draft_end(b->plan, b->draft, &b->correct);
}

static i8x_status add_assemble(struct build *b)
{
    draft_begin(b->draft, I8X_TASK_ASSEMBLE, b->job);
    draft_job(b->draft, b->job, b->summary);
    /* the model does not depend on what it is evaluated with: the same key with and without */
    memset(&b->draft->params.eval, 0, sizeof b->draft->params.eval);
    memset(&b->draft->params.labels, 0, sizeof b->draft->params.labels);
    b->draft->params.eval_samples = 0;
    draft_output(b->draft, "prepared", b->prepare, "prepared");
    draft_output(b->draft, "solved", b->solve, "solved");
    draft_pieces(b);
    if (b->correct != NO_TASK)
        draft_output(b->draft, "weights", b->correct, "weights");
    I8X_TRY(draft_end(b->plan, b->draft, &b->assemble));
    b->plan->assemble = b->assemble;
    return I8X_OK;
}

static i8x_status add_metrics(struct build *b)
{
    const i8x_sample_set *set = &b->summary->eval;
    const i8x_sample_set *labels = &b->summary->labels;
    int64_t shards = parts_of(set->samples, b->shard);
    I8X_ENSURE(
        shards <= I8X_PLAN_TASKS_MAX, I8X_ELIMIT,
        "%lld evaluation samples in shards of %lld are more than %d tasks; raise shard_samples",
        (long long)set->samples, (long long)b->shard, I8X_PLAN_TASKS_MAX);
    int *tasks = i8x_arena_array(b->plan->arena, (size_t)shards, sizeof *tasks);
    I8X_TRY(i8x_alloc_check(tasks));
    for (int64_t i = 0; i < shards; i++) {
        int64_t first = i * b->shard, count = lesser(b->shard, set->samples - first);
        draft_begin(b->draft, I8X_TASK_EVALUATE, b->job);
        draft_blob(b->draft, "model", &b->job->model);
        draft_output(b->draft, "artifact", b->assemble, "artifact");
        draft_samples(b->draft, set, first, count);
        if (labels->samples > 0) {
            i8x_blob_ref ref = i8x_sample_array_range(&labels->arrays[0], first, count);
            draft_blob(b->draft, "labels", &ref);
            b->draft->params.label_dtype = labels->arrays[0].type.dtype;
        }
        I8X_TRY(draft_end(b->plan, b->draft, &tasks[i]));
    }
    return add_merge(b, tasks, (int)shards, "metrics", &b->metrics);
}

/* Per-layer table: a task per group of layers, each layer quantized alone. */
static i8x_status add_layer_metrics(struct build *b)
{
    int64_t step = b->summary->batch_step;
    int64_t samples =
        lesser(parts_of(b->job->recipe.layer_samples, step) * step, b->summary->eval.samples);
    b->layer_first = b->plan->count;
    for (int i = 0; samples > 0 && i < b->groups; i++) {
        draft_begin(b->draft, I8X_TASK_EVALUATE, b->job);
        b->draft->params.group = i;
        b->draft->params.group_count = b->groups;
        draft_output(b->draft, "prepared", b->prepare, "prepared");
        draft_output(b->draft, "solved", b->solve, "solved");
        draft_output(b->draft, "weights", b->quantize[i], "weights");
        draft_samples(b->draft, &b->summary->eval, 0, samples);
        int index;
        I8X_TRY(draft_end(b->plan, b->draft, &index));
    }
    b->layer_count = b->plan->count - b->layer_first;
    return I8X_OK;
}

static i8x_status add_report(struct build *b)
{
    b->metrics = NO_TASK;
    b->layer_count = 0;
    if (b->summary->eval.samples > 0) {
        I8X_TRY(add_metrics(b));
        I8X_TRY(add_layer_metrics(b));
    }
    draft_begin(b->draft, I8X_TASK_REPORT, b->job);
    draft_job(b->draft, b->job, b->summary);
    draft_output(b->draft, "inspection", 0, "inspection");
    draft_output(b->draft, "coverage", b->assemble, "coverage");
    if (b->metrics != NO_TASK)
        draft_output(b->draft, "metrics", b->metrics, "metrics");
    for (int i = 0; i < b->layer_count; i++)
        draft_output(b->draft, "layers", b->layer_first + i, "layers");
    return draft_end(b->plan, b->draft, &b->plan->report);
}

/* Tasks that try the service, and one that ends the job when they are done. */
static i8x_status add_probes(struct build *b)
{
    const i8x_probe *probe = &b->summary->probe;
    int first = b->plan->count, count = (int)probe->count, index = 0;
    bool parts = probe->bytes > 0 && count <= I8X_PROBE_PARTS_MAX;
    for (int i = 0; i <= count; i++) {
        draft_begin(b->draft, I8X_TASK_PROBE, b->job);
        b->draft->params.model = b->job->model.digest;
        b->draft->params.first = i;
        b->draft->params.probe = *probe;
        if (i == count) {
            draft_blob(b->draft, "model", &b->job->model);
            for (int k = 0; parts && k < count; k++)
                draft_output(b->draft, "part", first + k, "part");
            b->draft->wait_first = first;
            b->draft->wait_count = parts ? 0 : count;
        }
        I8X_TRY(draft_end(b->plan, b->draft, &index));
    }
    b->plan->assemble = b->plan->report = index;
    return I8X_OK;
}

/* select and correct run sample by sample, which a model with a fixed batch cannot do. */
static i8x_status check_batch(const i8x_recipe *recipe, int64_t batch)
{
    bool single = recipe->clip == I8X_CLIP_AUTO ||
                  recipe->bias_correction != I8X_BIAS_CORRECTION_NONE ||
                  recipe->rounding != I8X_ROUNDING_NEAREST;
    I8X_ENSURE(
        batch == 1 || !single, I8X_EUNSUPPORTED,
        "the model fixes its batch at %lld, but the recipe works sample by sample; export it "
        "with an open batch, or set clip=minmax, bias_correction=none and rounding=nearest",
        (long long)batch);
    return I8X_OK;
}

static i8x_status build(i8x_plan *plan, const i8x_inspect_summary *summary)
{
    struct build b = {.plan = plan, .job = &plan->job, .summary = summary};
    b.draft = i8x_arena_array(plan->arena, 1, sizeof *b.draft);
    I8X_TRY(i8x_alloc_check(b.draft));
    if (summary->probe.count > 0)
        return add_probes(&b);
    I8X_ENSURE(summary->calib.samples > 0, I8X_ESHAPE, "the calibration set is empty");
    I8X_TRY(check_batch(&plan->job.recipe, summary->batch_step));
    b.shard = parts_of(plan->job.recipe.shard_samples, summary->batch_step) * summary->batch_step;
    b.groups =
        (int)lesser(parts_of(summary->layers > 0 ? summary->layers : 1, I8X_PLAN_LAYERS_PER_GROUP),
                    I8X_PLAN_GROUPS_MAX);
    I8X_TRY(add_prepare(&b));
    I8X_TRY(add_calibrate(&b));
    I8X_TRY(add_select(&b));
    I8X_TRY(add_solve(&b));
    I8X_TRY(add_quantize(&b));
    I8X_TRY(add_correct(&b));
    I8X_TRY(add_assemble(&b));
    return add_report(&b);
}

/* ---- the interface ---- */

static void draft_data(struct draft *draft, const char *role, const char *head_role,
                       const i8x_blob_ref *ref)
{
    if (ref->size_bytes == 0)
        return;
    /* The head alone tells a .npy; the whole blob is opened only if it is a .npz. */
    i8x_blob_ref head = *ref;
    head.size_bytes =
        ref->size_bytes < I8X_INSPECT_HEAD_BYTES ? ref->size_bytes : I8X_INSPECT_HEAD_BYTES;
    head.whole = false;
    draft_blob(draft, head_role, &head);
    draft_blob(draft, role, ref);
}

static i8x_status start(i8x_plan *plan)
{
    const i8x_job *job = &plan->job;
    struct draft *draft = i8x_arena_array(plan->arena, 1, sizeof *draft);
    I8X_TRY(i8x_alloc_check(draft));
    draft_begin(draft, I8X_TASK_INSPECT, job);
    draft_job(draft, job, NULL);
    draft_blob(draft, "model", &job->model);
    draft_data(draft, "calib", "calib.head", &job->calib);
    draft_data(draft, "eval", "eval.head", &job->eval);
    draft_data(draft, "labels", "labels.head", &job->labels);
    int index;
    return draft_end(plan, draft, &index);
}

i8x_status i8x_plan_new(const i8x_job *job, i8x_plan **plan)
{
    I8X_TRY(i8x_recipe_check(&job->recipe));
    I8X_ENSURE(job->model.size_bytes > 0, I8X_EARG, "the job has no model");
    I8X_ENSURE(job->calib.size_bytes > 0, I8X_EARG, "the job has no calibration data");
    I8X_ENSURE(job->labels.size_bytes == 0 || job->eval.size_bytes > 0, I8X_EARG,
               "the job has labels but no evaluation data");
    i8x_plan *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->job = *job;
    made->report = NO_TASK;
    made->assemble = NO_TASK;
    made->fresh_first = made->fresh_last = NO_TASK;
    i8x_status status = i8x_arena_new(NULL, 0, &made->arena);
    if (status == I8X_OK)
        status = start(made);
    if (status != I8X_OK) {
        i8x_plan_free(made);
        return status;
    }
    *plan = made;
    return I8X_OK;
}

void i8x_plan_free(i8x_plan *plan)
{
    if (plan == NULL)
        return;
    i8x_alloc_free(i8x_alloc_heap(), plan->nodes, (size_t)plan->capacity * sizeof *plan->nodes);
    i8x_alloc_free(i8x_alloc_heap(), plan->edges,
                   (size_t)plan->edge_capacity * sizeof *plan->edges);
    i8x_arena_free(plan->arena);
    i8x_alloc_free(i8x_alloc_heap(), plan, sizeof *plan);
}

int i8x_plan_task_count(const i8x_plan *plan)
{
    return plan->count;
}

int i8x_plan_done_count(const i8x_plan *plan)
{
    return plan->done;
}

bool i8x_plan_finished(const i8x_plan *plan)
{
    return plan->report != NO_TASK && plan->nodes[plan->report].state == I8X_PLAN_DONE;
}

i8x_plan_state i8x_plan_task_state(const i8x_plan *plan, int index)
{
    I8X_ASSERT(index >= 0 && index < plan->count);
    return plan->nodes[index].state;
}

i8x_task_kind i8x_plan_task_kind(const i8x_plan *plan, int index)
{
    I8X_ASSERT(index >= 0 && index < plan->count);
    return plan->nodes[index].task.kind;
}

const i8x_task *i8x_plan_task(const i8x_plan *plan, int index)
{
    I8X_ASSERT(index >= 0 && index < plan->count && plan->nodes[index].state != I8X_PLAN_WAITING);
    return &plan->nodes[index].task;
}

static bool same_result(const struct outcome *a, const i8x_task_result *b)
{
    if (a->output_count != b->output_count || a->summary_size != b->summary_size)
        return false;
    for (int i = 0; i < a->output_count; i++)
        if (strcmp(a->outputs[i].role, b->outputs[i].role) != 0 ||
            !i8x_digest_equal(&a->outputs[i].ref.digest, &b->outputs[i].ref.digest) ||
            a->outputs[i].ref.size_bytes != b->outputs[i].ref.size_bytes)
            return false;
    return a->summary_size == 0 || memcmp(a->summary, b->summary, a->summary_size) == 0;
}

static i8x_status keep_result(i8x_arena *arena, const i8x_task_result *from, struct outcome *to)
{
    struct outcome kept = {.output_count = from->output_count, .summary_size = from->summary_size};
    if (from->output_count > 0) {
        kept.outputs = i8x_arena_copy(arena, from->outputs,
                                      (size_t)from->output_count * sizeof *from->outputs);
        I8X_TRY(i8x_alloc_check(kept.outputs));
    }
    if (from->summary_size > 0) {
        kept.summary = i8x_arena_copy(arena, from->summary, from->summary_size);
        I8X_TRY(i8x_alloc_check(kept.summary));
    }
    *to = kept;
    return I8X_OK;
}

/* True if the result has every output that a waiting task reads, so that a bad result is refused
 * whole. */
static i8x_status check_outputs(const i8x_plan *plan, int index, const i8x_task_result *result)
{
    I8X_ENSURE(result->output_count >= 0 && result->output_count <= I8X_TASK_OUTPUTS_MAX,
               I8X_EFORMAT, "a task result has %d outputs", result->output_count);
    i8x_blob_ref ref;
    for (int e = plan->nodes[index].first_edge; e != NO_EDGE; e = plan->edges[e].next) {
        const struct node *reader = &plan->nodes[plan->edges[e].to];
        for (int i = 0; i < reader->task.input_count; i++)
            if (reader->sources[i].task == index)
                I8X_TRY(find_output(result->outputs, result->output_count,
                                    reader->sources[i].output, &ref));
    }
    if (index == plan->report)
        I8X_TRY(find_output(result->outputs, result->output_count, "report", &ref));
    return plan->nodes[index].task.kind == I8X_TASK_INSPECT
               ? find_output(result->outputs, result->output_count, "inspection", &ref)
               : I8X_OK;
}

static i8x_status release_readers(i8x_plan *plan, int index)
{
    for (int e = plan->nodes[index].first_edge; e != NO_EDGE; e = plan->edges[e].next)
        if (--plan->nodes[plan->edges[e].to].missing == 0)
            I8X_TRY(make_ready(plan, plan->edges[e].to));
    return I8X_OK;
}

i8x_status i8x_plan_complete(i8x_plan *plan, int index, const i8x_task_result *result)
{
    I8X_ENSURE(index >= 0 && index < plan->count, I8X_EARG, "task %d is not in a plan of %d tasks",
               index, plan->count);
    struct node *node = &plan->nodes[index];
    I8X_ENSURE(node->state != I8X_PLAN_WAITING, I8X_EARG, "task %d (%s) was not given out yet",
               index, i8x_task_kind_name(node->task.kind));
    if (node->state == I8X_PLAN_DONE) {
        I8X_ENSURE(same_result(&node->outcome, result), I8X_ECORRUPT,
                   "task %d (%s) was done twice with different results", index,
                   i8x_task_kind_name(node->task.kind));
        return I8X_OK;
    }
    I8X_TRY(check_outputs(plan, index, result));
    i8x_inspect_summary *summary = NULL;
    if (node->task.kind == I8X_TASK_INSPECT) {
        summary = i8x_arena_array(plan->arena, 1, sizeof *summary);
        I8X_TRY(i8x_alloc_check(summary));
        I8X_TRY(i8x_inspect_summary_decode(result->summary, result->summary_size, summary));
    }
    I8X_TRY(keep_result(plan->arena, result, &node->outcome));
    node->state = I8X_PLAN_DONE;
    plan->done++;
    return summary != NULL ? build(plan, summary) : release_readers(plan, index);
}

int i8x_plan_next_ready(const i8x_plan *plan, int from)
{
    for (int i = from < 0 ? 0 : from; i < plan->count; i++)
        if (plan->nodes[i].state == I8X_PLAN_READY)
            return i;
    return -1;
}

int i8x_plan_take_ready(i8x_plan *plan)
{
    int index = plan->fresh_first;
    if (index == NO_TASK)
        return -1;
    plan->fresh_first = plan->nodes[index].next_fresh;
    if (plan->fresh_first == NO_TASK)
        plan->fresh_last = NO_TASK;
    return index;
}

static bool output_of(const i8x_plan *plan, int task, const char *role, i8x_blob_ref *ref)
{
    if (task == NO_TASK || plan->nodes[task].state != I8X_PLAN_DONE)
        return false;
    return kept_output(plan, task, role, ref) == I8X_OK;
}

bool i8x_plan_artifact(const i8x_plan *plan, i8x_blob_ref *artifact)
{
    return output_of(plan, plan->assemble, "artifact", artifact);
}

bool i8x_plan_report(const i8x_plan *plan, i8x_blob_ref *report)
{
    return output_of(plan, plan->report, "report", report);
}

const i8x_task_output *i8x_plan_outputs(const i8x_plan *plan, int index, int *count)
{
    I8X_ASSERT(index >= 0 && index < plan->count);
    const struct node *node = &plan->nodes[index];
    *count = node->outcome.output_count;
    return node->state == I8X_PLAN_DONE ? node->outcome.outputs : NULL;
}
