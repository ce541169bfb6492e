/* SPDX-License-Identifier: Apache-2.0
 *
 * Graph: how a model is held, extended and looked up. Sorting and pruning are in topology.c.
 *
 * Values and nodes are plain arrays in the graph's arena that double when they are full; the old
 * array stays in the arena, which costs less than one more array and keeps everything under one
 * limit. Names are found through an open-addressing table of (hash, index). Its hash is fixed, so
 * that a run is repeatable; a file whose names were chosen to collide is refused after PROBES_MAX
 * steps instead of costing quadratic time. An entry whose value has been renamed simply no longer
 * matches.
 */
#include "core/graph/graph.h"

#include <stdio.h>
#include <string.h>

#include "core/base/checked.h"

#define VALUES_FIRST 64
#define NODES_FIRST 32
#define NAMES_FIRST 128
#define PROBES_MAX 1024
#define SUFFIX_MAX (INT32_MAX / 2)

typedef struct name_entry {
    uint32_t hash;
    int32_t index; /* -1 = free */
} name_entry;

struct i8x_name_table {
    name_entry *entries;
    size_t capacity; /* power of two, at least twice the number of entries */
    size_t count;
};

/* FNV-1a, then a finaliser, because the low bits pick the slot. */
static uint32_t hash_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    return (uint32_t)(hash >> 32);
}

static i8x_status names_new(i8x_arena *arena, size_t capacity, i8x_name_table *table)
{
    name_entry *entries = i8x_arena_array(arena, capacity, sizeof *entries);
    I8X_TRY(i8x_alloc_check(entries));
    for (size_t i = 0; i < capacity; i++)
        entries[i].index = I8X_GRAPH_NONE;
    *table = (i8x_name_table){entries, capacity, 0};
    return I8X_OK;
}

static i8x_status names_put(i8x_name_table *table, name_entry entry)
{
    size_t slot = entry.hash & (table->capacity - 1);
    for (int probe = 0; probe < PROBES_MAX; probe++) {
        if (table->entries[slot].index < 0) {
            table->entries[slot] = entry;
            table->count++;
            return I8X_OK;
        }
        slot = (slot + 1) & (table->capacity - 1);
    }
    I8X_FAIL(I8X_ELIMIT, "more than %d names fall on one slot of the name index", PROBES_MAX);
}

static i8x_status names_grow(i8x_arena *arena, i8x_name_table *table)
{
    i8x_name_table larger;
    I8X_TRY(names_new(arena, 2 * table->capacity, &larger));
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].index >= 0)
            I8X_TRY(names_put(&larger, table->entries[i]));
    *table = larger;
    return I8X_OK;
}

static i8x_status names_add(i8x_arena *arena, i8x_name_table *table, const char *name, int index)
{
    if (2 * (table->count + 1) > table->capacity)
        I8X_TRY(names_grow(arena, table));
    return names_put(table, (name_entry){hash_name(name), index});
}

typedef const char *(*name_of_fn)(const i8x_graph *graph, int index);

static const char *value_name_of(const i8x_graph *graph, int index)
{
    return index < graph->value_count ? graph->values[index].name : "";
}

static const char *node_name_of(const i8x_graph *graph, int index)
{
    return index < graph->node_count ? graph->nodes[index].name : "";
}

static int names_find(const i8x_graph *graph, const i8x_name_table *table, name_of_fn name_of,
                      const char *name)
{
    const uint32_t hash = hash_name(name);
    size_t slot = hash & (table->capacity - 1);
    for (int probe = 0; probe < PROBES_MAX; probe++) {
        const name_entry *entry = &table->entries[slot];
        if (entry->index < 0)
            return I8X_GRAPH_NONE;
        if (entry->hash == hash && strcmp(name_of(graph, entry->index), name) == 0)
            return entry->index;
        slot = (slot + 1) & (table->capacity - 1);
    }
    return I8X_GRAPH_NONE;
}

i8x_status i8x_graph_new(size_t limit_bytes, i8x_graph **graph)
{
    i8x_arena *arena;
    I8X_TRY(i8x_arena_new(NULL, limit_bytes, &arena));
    i8x_graph *made = i8x_arena_array(arena, 1, sizeof *made);
    i8x_name_table *tables = i8x_arena_array(arena, 2, sizeof *tables);
    i8x_status status = made != NULL ? i8x_alloc_check(tables) : i8x_alloc_check(made);
    if (status == I8X_OK)
        status = names_new(arena, NAMES_FIRST, &tables[0]);
    if (status == I8X_OK)
        status = names_new(arena, NAMES_FIRST, &tables[1]);
    if (status != I8X_OK) {
        i8x_arena_free(arena);
        return status;
    }
    made->arena = arena;
    made->value_names = &tables[0];
    made->node_names = &tables[1];
    made->name = made->producer_name = made->producer_version = made->domain = made->doc = "";
    *graph = made;
    return I8X_OK;
}

void i8x_graph_free(i8x_graph *graph)
{
    if (graph == NULL)
        return;
    if (graph->keep_release != NULL)
        graph->keep_release(graph->keep);
    i8x_arena_free(graph->arena); /* the graph itself lies in it */
}

int i8x_graph_input_count(const i8x_graph *graph)
{
    return graph->input_count;
}

int i8x_graph_output_count(const i8x_graph *graph)
{
    return graph->output_count;
}

int i8x_graph_node_count(const i8x_graph *graph)
{
    return graph->node_count;
}

static const char *describe_value(const i8x_graph *graph, int value, i8x_dtype *dtype,
                                  i8x_shape *shape)
{
    const i8x_value *v = &graph->values[value];
    if (dtype != NULL)
        *dtype = v->dtype;
    if (shape != NULL)
        *shape = v->shape;
    return v->name;
}

const char *i8x_graph_input(const i8x_graph *graph, int index, i8x_dtype *dtype, i8x_shape *shape)
{
    I8X_ASSERT(index >= 0 && index < graph->input_count);
    return describe_value(graph, graph->inputs[index], dtype, shape);
}

const char *i8x_graph_output(const i8x_graph *graph, int index, i8x_dtype *dtype, i8x_shape *shape)
{
    I8X_ASSERT(index >= 0 && index < graph->output_count);
    return describe_value(graph, graph->outputs[index], dtype, shape);
}

/* Array of at least `wanted` elements: the old one, or one of twice the size in the arena. */
static i8x_status grow_array(i8x_arena *arena, void **array, int count, int *capacity, int wanted,
                             int first, size_t element_bytes)
{
    if (wanted <= *capacity)
        return I8X_OK;
    int larger = *capacity < first ? first : *capacity;
    while (larger < wanted)
        larger = larger > INT32_MAX / 2 ? INT32_MAX : 2 * larger;
    void *moved = i8x_arena_array(arena, (size_t)larger, element_bytes);
    I8X_TRY(i8x_alloc_check(moved));
    if (count > 0)
        memcpy(moved, *array, (size_t)count * element_bytes);
    *array = moved;
    *capacity = larger;
    return I8X_OK;
}

static i8x_status reserve_values(i8x_graph *graph, int wanted)
{
    I8X_ENSURE(wanted <= I8X_GRAPH_VALUES_MAX, I8X_ELIMIT, "more than %d values",
               I8X_GRAPH_VALUES_MAX);
    void *values = graph->values;
    I8X_TRY(grow_array(graph->arena, &values, graph->value_count, &graph->value_capacity, wanted,
                       VALUES_FIRST, sizeof(i8x_value)));
    graph->values = values;
    return I8X_OK;
}

static i8x_status reserve_nodes(i8x_graph *graph, int wanted)
{
    I8X_ENSURE(wanted <= I8X_GRAPH_NODES_MAX, I8X_ELIMIT, "more than %d nodes",
               I8X_GRAPH_NODES_MAX);
    void *nodes = graph->nodes;
    I8X_TRY(grow_array(graph->arena, &nodes, graph->node_count, &graph->node_capacity, wanted,
                       NODES_FIRST, sizeof(i8x_node)));
    graph->nodes = nodes;
    return I8X_OK;
}

i8x_status i8x_graph_reserve(i8x_graph *graph, int value_count, int node_count)
{
    I8X_TRY(reserve_values(graph, value_count));
    return reserve_nodes(graph, node_count);
}

static i8x_status check_name(const char *what, const char *name)
{
    const size_t length = strlen(name);
    I8X_ENSURE(length > 0, I8X_EARG, "a %s has an empty name", what);
    I8X_ENSURE(length <= I8X_GRAPH_NAME_MAX, I8X_ELIMIT,
               "the name of %s '%.40s...' has %zu bytes, more than %d", what, name, length,
               I8X_GRAPH_NAME_MAX);
    return I8X_OK;
}

i8x_status i8x_graph_add_value(i8x_graph *graph, const char *name, int *value)
{
    I8X_TRY(check_name("value", name));
    I8X_ENSURE(i8x_graph_find_value(graph, name) < 0, I8X_EEXIST, "two values have the name '%s'",
               name);
    I8X_TRY(reserve_values(graph, graph->value_count + 1));
    char *copy = i8x_arena_string(graph->arena, name);
    I8X_TRY(i8x_alloc_check(copy));
    I8X_TRY(names_add(graph->arena, graph->value_names, copy, graph->value_count));
    graph->values[graph->value_count] =
        (i8x_value){.name = copy, .producer = I8X_GRAPH_NONE, .doc = ""};
    *value = graph->value_count++;
    return I8X_OK;
}

i8x_status i8x_graph_rename_value(i8x_graph *graph, int value, const char *name)
{
    I8X_ASSERT(value >= 0 && value < graph->value_count);
    if (strcmp(graph->values[value].name, name) == 0)
        return I8X_OK;
    I8X_TRY(check_name("value", name));
    I8X_ENSURE(i8x_graph_find_value(graph, name) < 0, I8X_EEXIST, "two values have the name '%s'",
               name);
    char *copy = i8x_arena_string(graph->arena, name);
    I8X_TRY(i8x_alloc_check(copy));
    I8X_TRY(names_add(graph->arena, graph->value_names, copy, value));
    graph->values[value].name = copy;
    return I8X_OK;
}

/* Appends to a short list of the graph (inputs, outputs); these are a handful, so each append
 * copies. */
static i8x_status append_index(i8x_arena *arena, int **list, int *count, int index)
{
    int *longer = i8x_arena_array(arena, (size_t)*count + 1, sizeof *longer);
    I8X_TRY(i8x_alloc_check(longer));
    if (*count > 0)
        memcpy(longer, *list, (size_t)*count * sizeof *longer);
    longer[*count] = index;
    *list = longer;
    *count += 1;
    return I8X_OK;
}

i8x_status i8x_graph_add_input(i8x_graph *graph, int value)
{
    I8X_ASSERT(value >= 0 && value < graph->value_count);
    I8X_ENSURE(!graph->values[value].is_input, I8X_EEXIST, "'%s' is a graph input already",
               graph->values[value].name);
    I8X_TRY(append_index(graph->arena, &graph->inputs, &graph->input_count, value));
    graph->values[value].is_input = true;
    return I8X_OK;
}

i8x_status i8x_graph_add_output(i8x_graph *graph, int value)
{
    I8X_ASSERT(value >= 0 && value < graph->value_count);
    I8X_ENSURE(!graph->values[value].is_output, I8X_EEXIST, "'%s' is a graph output already",
               graph->values[value].name);
    I8X_TRY(append_index(graph->arena, &graph->outputs, &graph->output_count, value));
    graph->values[value].is_output = true;
    return I8X_OK;
}

i8x_status i8x_graph_set_constant(i8x_graph *graph, int value, const i8x_tensor *tensor, bool copy)
{
    I8X_ASSERT(value >= 0 && value < graph->value_count);
    I8X_ASSERT(graph->values[value].producer == I8X_GRAPH_NONE);
    int64_t count;
    I8X_TRY(i8x_shape_elements(&tensor->shape, &count));
    I8X_ENSURE(count == 0 || tensor->data != NULL, I8X_EARG, "constant '%s' has no data",
               graph->values[value].name);
    const void *data = tensor->data;
    if (copy ||
        data == NULL) /* a constant is known by its data, so an empty one needs an address too */
        data = i8x_arena_copy(graph->arena, data, count == 0 ? 0 : i8x_tensor_size_bytes(tensor));
    I8X_TRY(i8x_alloc_check(data));
    i8x_value *v = &graph->values[value];
    v->dtype = tensor->dtype;
    v->shape = tensor->shape;
    v->shape_known = true;
    v->data = data;
    return I8X_OK;
}

i8x_status i8x_graph_add_constant(i8x_graph *graph, const char *name, const i8x_tensor *tensor,
                                  bool copy, int *value)
{
    I8X_TRY(i8x_graph_add_value(graph, name, value));
    return i8x_graph_set_constant(graph, *value, tensor, copy);
}

static i8x_status copy_indices(i8x_graph *graph, const int *list, int count, int **copy)
{
    I8X_ENSURE(count >= 0 && count <= I8X_GRAPH_NODE_IO_MAX, I8X_ELIMIT,
               "a node has %d inputs or outputs, more than %d", count, I8X_GRAPH_NODE_IO_MAX);
    for (int i = 0; i < count; i++)
        I8X_ASSERT(list[i] >= I8X_GRAPH_NONE && list[i] < graph->value_count);
    *copy = i8x_arena_copy(graph->arena, list, (size_t)count * sizeof **copy);
    return i8x_alloc_check(*copy);
}

static i8x_status check_outputs(const i8x_graph *graph, const char *op_type, const int *outputs,
                                int output_count)
{
    for (int i = 0; i < output_count; i++) {
        if (outputs[i] < 0)
            continue;
        const i8x_value *value = &graph->values[outputs[i]];
        I8X_ENSURE(value->producer < 0 && value->data == NULL && value->opaque.size == 0,
                   I8X_EEXIST, "%s writes '%s', which is constant or written by another node",
                   op_type, value->name);
        for (int j = 0; j < i; j++)
            I8X_ENSURE(outputs[j] != outputs[i], I8X_EEXIST, "%s writes '%s' twice", op_type,
                       value->name);
    }
    return I8X_OK;
}

/* "Conv_17": made for nodes without a name, from the node's index, or the next free number. */
static const char *make_node_name(i8x_graph *graph, const char *op_type)
{
    const char *base = i8x_arena_format(graph->arena, "%.200s_%d", op_type, graph->node_count);
    return base == NULL ? NULL : i8x_graph_unique_name(graph, base);
}

i8x_status i8x_graph_add_node(i8x_graph *graph, const char *op_type, const char *domain,
                              const char *name, const int *inputs, int input_count,
                              const int *outputs, int output_count, int *node)
{
    I8X_TRY(check_name("operator", op_type));
    const bool made = name == NULL || name[0] == '\0';
    if (!made)
        I8X_TRY(check_name("node", name));
    i8x_node added = {.op = -1, .name_made = made, .doc = ""};
    I8X_TRY(copy_indices(graph, inputs, input_count, &added.inputs));
    I8X_TRY(copy_indices(graph, outputs, output_count, &added.outputs));
    I8X_TRY(check_outputs(graph, op_type, outputs, output_count));
    I8X_TRY(reserve_nodes(graph, graph->node_count + 1));
    added.input_count = input_count;
    added.output_count = output_count;
    added.op_type = i8x_arena_string(graph->arena, op_type);
    I8X_TRY(i8x_alloc_check(added.op_type));
    added.domain =
        domain == NULL || domain[0] == '\0' ? "" : i8x_arena_string(graph->arena, domain);
    I8X_TRY(i8x_alloc_check(added.domain));
    added.name = made ? make_node_name(graph, op_type) : i8x_arena_string(graph->arena, name);
    I8X_TRY(i8x_alloc_check(added.name));
    if (names_find(graph, graph->node_names, node_name_of, added.name) < 0)
        I8X_TRY(names_add(graph->arena, graph->node_names, added.name, graph->node_count));
    for (int i = 0; i < output_count; i++)
        if (outputs[i] >= 0)
            graph->values[outputs[i]].producer = graph->node_count;
    graph->nodes[graph->node_count] = added;
    *node = graph->node_count++;
    return I8X_OK;
}

static i8x_status copy_strings(i8x_arena *arena, const char *const *strings, int count,
                               const char *const **copy)
{
    const char **list = i8x_arena_array(arena, (size_t)count, sizeof *list);
    I8X_TRY(i8x_alloc_check(list));
    for (int i = 0; i < count; i++) {
        list[i] = i8x_arena_string(arena, strings[i]);
        I8X_TRY(i8x_alloc_check(list[i]));
    }
    *copy = list;
    return I8X_OK;
}

static i8x_status copy_string_attr(i8x_arena *arena, const i8x_attr *attr, i8x_attr *copy)
{
    char *s = i8x_arena_alloc(arena, (size_t)attr->count + 1);
    I8X_TRY(i8x_alloc_check(s));
    if (attr->count > 0)
        memcpy(s, attr->s, (size_t)attr->count);
    s[attr->count] = '\0';
    copy->s = s;
    return I8X_OK;
}

/* Copies what hangs on an attribute into the arena. */
static i8x_status copy_attr(i8x_arena *arena, const i8x_attr *attr, i8x_attr *copy)
{
    const size_t count = (size_t)attr->count;
    *copy = *attr;
    copy->name = i8x_arena_string(arena, attr->name);
    I8X_TRY(i8x_alloc_check(copy->name));
    switch (attr->kind) {
    case I8X_ATTR_STRING:
        return copy_string_attr(arena, attr, copy);
    case I8X_ATTR_INTS:
        copy->ints = i8x_arena_copy(arena, attr->ints, count * sizeof *attr->ints);
        return i8x_alloc_check(copy->ints);
    case I8X_ATTR_FLOATS:
        copy->floats = i8x_arena_copy(arena, attr->floats, count * sizeof *attr->floats);
        return i8x_alloc_check(copy->floats);
    case I8X_ATTR_STRINGS:
        return copy_strings(arena, attr->strings, attr->count, &copy->strings);
    case I8X_ATTR_TENSOR:
        copy->tensor.data =
            i8x_arena_copy(arena, attr->tensor.data, i8x_tensor_size_bytes(&attr->tensor));
        return i8x_alloc_check(copy->tensor.data);
    case I8X_ATTR_OPAQUE:
        copy->opaque.data = i8x_arena_copy(arena, attr->opaque.data, attr->opaque.size);
        return i8x_alloc_check(copy->opaque.data);
    case I8X_ATTR_INT:
    case I8X_ATTR_FLOAT:
        break;
    }
    return I8X_OK;
}

i8x_status i8x_graph_set_attr(i8x_graph *graph, int node, const i8x_attr *attr)
{
    I8X_ASSERT(node >= 0 && node < graph->node_count && attr->count >= 0);
    i8x_node *n = &graph->nodes[node];
    i8x_attr copy;
    I8X_TRY(copy_attr(graph->arena, attr, &copy));
    for (int i = 0; i < n->attr_count; i++) {
        if (strcmp(n->attrs[i].name, attr->name) == 0) {
            n->attrs[i] = copy;
            return I8X_OK;
        }
    }
    i8x_attr *longer = i8x_arena_array(graph->arena, (size_t)n->attr_count + 1, sizeof *longer);
    I8X_TRY(i8x_alloc_check(longer));
    if (n->attr_count > 0)
        memcpy(longer, n->attrs, (size_t)n->attr_count * sizeof *longer);
    longer[n->attr_count++] = copy;
    n->attrs = longer;
    return I8X_OK;
}

const i8x_attr *i8x_node_attr(const i8x_node *node, const char *name)
{
    for (int i = 0; i < node->attr_count; i++)
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    return NULL;
}

int64_t i8x_node_attr_int(const i8x_node *node, const char *name, int64_t otherwise)
{
    const i8x_attr *attr = i8x_node_attr(node, name);
    return attr != NULL && attr->kind == I8X_ATTR_INT ? attr->i : otherwise;
}

float i8x_node_attr_float(const i8x_node *node, const char *name, float otherwise)
{
    const i8x_attr *attr = i8x_node_attr(node, name);
    return attr != NULL && attr->kind == I8X_ATTR_FLOAT ? attr->f : otherwise;
}

int i8x_graph_find_value(const i8x_graph *graph, const char *name)
{
    return names_find(graph, graph->value_names, value_name_of, name);
}

/* Fills the tables it has; an arena gives nothing back, and there are never more names than before.
 */
i8x_status i8x_graph_reindex(i8x_graph *graph)
{
    i8x_name_table *tables[2] = {graph->value_names, graph->node_names};
    for (int t = 0; t < 2; t++) {
        tables[t]->count = 0;
        for (size_t i = 0; i < tables[t]->capacity; i++)
            tables[t]->entries[i].index = I8X_GRAPH_NONE;
    }
    for (int i = 0; i < graph->value_count; i++)
        I8X_TRY(names_add(graph->arena, tables[0], graph->values[i].name, i));
    for (int i = 0; i < graph->node_count; i++)
        if (names_find(graph, tables[1], node_name_of, graph->nodes[i].name) < 0)
            I8X_TRY(names_add(graph->arena, tables[1], graph->nodes[i].name, i));
    return I8X_OK;
}

static bool name_taken(const i8x_graph *graph, const char *name)
{
    return i8x_graph_find_value(graph, name) >= 0 ||
           names_find(graph, graph->node_names, node_name_of, name) >= 0;
}

/* A free number is found by doubling and then halving the step, so that thousands of names on one
 * base do not cost quadratic time. */
const char *i8x_graph_unique_name(i8x_graph *graph, const char *base)
{
    char text[I8X_GRAPH_NAME_MAX + 16];
    if (strlen(base) > I8X_GRAPH_NAME_MAX - 12) {
        (void)i8x_fail(I8X_ELIMIT, __FILE__, __LINE__, "the name '%.40s...' is too long to extend",
                       base);
        return NULL;
    }
    if (!name_taken(graph, base))
        return i8x_arena_string(graph->arena, base);
    int low = 0, high = 1; /* low is taken, high becomes free */
    for (; high < SUFFIX_MAX; low = high, high *= 2) {
        (void)snprintf(text, sizeof text, "%s_%d", base, high);
        if (!name_taken(graph, text))
            break;
    }
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        (void)snprintf(text, sizeof text, "%s_%d", base, middle);
        if (name_taken(graph, text))
            low = middle;
        else
            high = middle;
    }
    (void)snprintf(text, sizeof text, "%s_%d", base, high);
    return i8x_arena_string(graph->arena, text);
}

i8x_status i8x_graph_set_metadata(i8x_graph *graph, const char *key, const char *value)
{
    char *copy = i8x_arena_string(graph->arena, value);
    I8X_TRY(i8x_alloc_check(copy));
    for (int i = 0; i < graph->metadata_count; i++) {
        if (strcmp(graph->metadata[i].key, key) == 0) {
            graph->metadata[i].value = copy;
            return I8X_OK;
        }
    }
    const size_t count = (size_t)graph->metadata_count;
    i8x_metadata *longer = i8x_arena_array(graph->arena, count + 1, sizeof *longer);
    I8X_TRY(i8x_alloc_check(longer));
    if (count > 0)
        memcpy(longer, graph->metadata, count * sizeof *longer);
    longer[count].key = i8x_arena_string(graph->arena, key);
    I8X_TRY(i8x_alloc_check(longer[count].key));
    longer[count].value = copy;
    graph->metadata = longer;
    graph->metadata_count++;
    return I8X_OK;
}

int64_t i8x_graph_opset(const i8x_graph *graph, const char *domain)
{
    for (int i = 0; i < graph->opset_count; i++)
        if (strcmp(graph->opsets[i].domain, domain) == 0)
            return graph->opsets[i].version;
    return 0;
}

i8x_tensor i8x_value_tensor(const i8x_value *value)
{
    I8X_ASSERT(value->data != NULL);
    /* The tensor type has no const; constants are never written through it. */
    union {
        const void *in;
        void *out;
    } data = {.in = value->data};
    return (i8x_tensor){value->dtype, value->shape, data.out};
}

bool i8x_value_is_constant(const i8x_value *value)
{
    return value->data != NULL;
}
