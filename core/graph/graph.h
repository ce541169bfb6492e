/* SPDX-License-Identifier: Apache-2.0
 *
 * Graph: a model as values and nodes. A value is a tensor that is fed, constant or computed; a node
 * applies one operator. Values and nodes are named by index; -1 is "none" (an optional input left
 * out).
 *
 * Ownership: everything hangs on graph->arena; constant data may instead lie in memory that the
 * caller keeps alive as long as the graph (a mapped model file: see graph->keep). Nodes stand in
 * topological order whenever a graph is handed from one function to another (i8x_graph_sort
 * restores it). Names: node, tensor, input and output names of the model file are kept; new ones
 * are made unique with i8x_graph_unique_name. Not thread-safe while it is changed; read-only
 * sharing is fine. Adding may move graph->values and graph->nodes: hold indices, not pointers,
 * across an add.
 */
#ifndef CORE_GRAPH_GRAPH_H
#define CORE_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/graph.h"
#include "int8x/tensor.h"

#define I8X_GRAPH_NONE (-1)
#define I8X_GRAPH_NODES_MAX 200000
#define I8X_GRAPH_VALUES_MAX 500000
#define I8X_GRAPH_NODE_IO_MAX 4096 /* inputs or outputs of one node */
#define I8X_GRAPH_NAME_MAX 1024    /* bytes of a name */

/* Bytes that travel through unread: serialised unknown fields of the message this came from. */
typedef struct i8x_bytes_view {
    const uint8_t *data;
    size_t size;
} i8x_bytes_view;

typedef struct i8x_value {
    const char *name;                    /* unique in the graph, never empty */
    i8x_dtype dtype;                     /* I8X_DTYPE_NONE: not inferred yet */
    bool shape_known;                    /* false: nothing is known, not even the rank */
    i8x_shape shape;                     /* dimensions may be I8X_DIM_UNKNOWN */
    const char *dim_names[I8X_RANK_MAX]; /* symbolic names ("N") or NULL */
    uint8_t dims_open; /* bit i: dims[i] was unknown in the file and is filled by infer; the writer
                          leaves it open, the next infer binds it anew. All bits: not even the rank
                          was known */
    const void *data;  /* constant (initializer, Constant node); NULL otherwise */
    bool is_input;     /* fed by the caller */
    bool is_output;    /* returned to the caller */
    int producer;      /* node that computes it, or I8X_GRAPH_NONE */
    bool has_info;     /* the file described it (value_info): described again when it is written */
    i8x_bytes_view
        type; /* serialised TypeProto where it is no tensor of a type we read; dtype is NONE then */
    i8x_bytes_view opaque; /* serialised TensorProto of a constant whose type we do not read; data
                              is NULL then */
    i8x_bytes_view extra;  /* unknown fields of its ValueInfo / TensorProto */
    const char *doc;
} i8x_value;

typedef enum i8x_attr_kind {
    I8X_ATTR_INT,
    I8X_ATTR_FLOAT,
    I8X_ATTR_STRING,
    I8X_ATTR_INTS,
    I8X_ATTR_FLOATS,
    I8X_ATTR_STRINGS,
    I8X_ATTR_TENSOR,
    I8X_ATTR_OPAQUE /* a kind we do not read (sub-graphs, sparse tensors): kept as bytes */
} i8x_attr_kind;

typedef struct i8x_attr {
    const char *name;
    i8x_attr_kind kind;
    int count; /* elements of ints, floats, strings; bytes of string */
    int64_t i;
    float f;
    const char *s; /* string: count bytes, zero-terminated too */
    const int64_t *ints;
    const float *floats;
    const char *const *strings;
    i8x_tensor tensor;
    i8x_bytes_view opaque; /* the whole serialised AttributeProto */
    i8x_bytes_view extra;  /* unknown fields of the AttributeProto (its doc string too) */
} i8x_attr;

typedef struct i8x_node {
    const char *op_type; /* ONNX name: "Conv" */
    const char *domain;  /* "" = ai.onnx */
    const char *name;    /* never empty: "Conv_17" is made where the file has none */
    bool name_made;      /* true: the file had no name, none is written back */
    int op; /* row of the operator table (core/graph/op_table.h), -1 = unknown operator */
    const void *
        params; /* attributes of a known operator, parsed (struct of that operator), set by infer */
    int *inputs; /* value indices; I8X_GRAPH_NONE for an omitted optional input */
    int input_count;
    int *outputs;
    int output_count;
    i8x_attr *attrs;
    int attr_count;
    int *captured; /* outer values that its sub-graphs read by name: uses like inputs, but fixed */
    int captured_count;
    bool removed; /* see i8x_graph_remove_node */
    i8x_bytes_view extra;
    const char *doc;
} i8x_node;

typedef struct i8x_metadata {
    const char *key;
    const char *value;
} i8x_metadata;
typedef struct i8x_opset {
    const char *domain;
    int64_t version;
} i8x_opset;

typedef struct i8x_name_table i8x_name_table; /* hash index of names, core/graph/graph.c */

struct i8x_graph {
    i8x_arena *arena;
    const char *name, *producer_name, *producer_version, *domain, *doc;
    int64_t ir_version, model_version;
    i8x_opset *opsets;
    int opset_count;
    i8x_metadata *metadata;
    int metadata_count;
    i8x_value *values;
    int value_count, value_capacity;
    i8x_node *nodes;
    int node_count, node_capacity;
    int *inputs;
    int input_count; /* fed values, in the file's order (initializers left out) */
    int *outputs;
    int output_count;
    i8x_name_table *value_names, *node_names;
    i8x_bytes_view extra_model, extra_graph;
    void (*keep_release)(
        void *keep); /* called by i8x_graph_free: unmaps the file that constants lie in */
    void *keep;
};

/** New empty graph; freed with i8x_graph_free. limit_bytes bounds its arena, 0 = no limit. */
I8X_FALLIBLE i8x_status i8x_graph_new(size_t limit_bytes, i8x_graph **graph);
/** Room for that many values and nodes at once (a reader knows the numbers). Errors: I8X_ELIMIT,
 * I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_graph_reserve(i8x_graph *graph, int value_count, int node_count);
/** Adds a value; name is copied. Errors: I8X_EARG (empty name), I8X_EEXIST (name taken),
 * I8X_ELIMIT, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_graph_add_value(i8x_graph *graph, const char *name, int *value);
/** Marks a value as fed (returned) and appends it to graph->inputs (graph->outputs). Errors:
 * I8X_EEXIST (is one already). */
I8X_FALLIBLE i8x_status i8x_graph_add_input(i8x_graph *graph, int value);
I8X_FALLIBLE i8x_status i8x_graph_add_output(i8x_graph *graph, int value);
/** Gives a value another name, which the index then finds. Errors: as i8x_graph_add_value. */
I8X_FALLIBLE i8x_status i8x_graph_rename_value(i8x_graph *graph, int value, const char *name);
/** Adds a constant whose data is copied into the arena (copy) or borrowed. tensor->data may be NULL
 * if it has no elements. */
I8X_FALLIBLE i8x_status i8x_graph_add_constant(i8x_graph *graph, const char *name,
                                               const i8x_tensor *tensor, bool copy, int *value);
/** Makes an existing value a constant (a folded result); its producer must have been removed. */
I8X_FALLIBLE i8x_status i8x_graph_set_constant(i8x_graph *graph, int value,
                                               const i8x_tensor *tensor, bool copy);
/**
 * Adds a node at the end; lists are copied; sets producer of the outputs. name NULL or "": one is
 * made
 * ("Conv_17"). Errors: I8X_EARG, I8X_EEXIST (an output has a producer already), I8X_ELIMIT,
 * I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_graph_add_node(i8x_graph *graph, const char *op_type,
                                           const char *domain, const char *name, const int *inputs,
                                           int input_count, const int *outputs, int output_count,
                                           int *node);
/** Adds or replaces an attribute (name, strings, lists and tensor data are copied). */
I8X_FALLIBLE i8x_status i8x_graph_set_attr(i8x_graph *graph, int node, const i8x_attr *attr);
/** Attribute of a node or NULL. */
const i8x_attr *i8x_node_attr(const i8x_node *node, const char *name);
int64_t i8x_node_attr_int(const i8x_node *node, const char *name, int64_t otherwise);
float i8x_node_attr_float(const i8x_node *node, const char *name, float otherwise);
/** Value of that name or I8X_GRAPH_NONE (hash index, O(1)). */
int i8x_graph_find_value(const i8x_graph *graph, const char *name);
/** Rebuilds the name index (after values or nodes were moved). Sort and prune call it. */
I8X_FALLIBLE i8x_status i8x_graph_reindex(i8x_graph *graph);
/** base, or base_<n>, which no value and no node has; lives in the arena; NULL = no memory, or base
 * too long. */
const char *i8x_graph_unique_name(i8x_graph *graph, const char *base);
/** Number of uses of a value as a node input; graph output counts as one more. */
int i8x_graph_use_count(const i8x_graph *graph, int value);
/** The same for all values in one walk; counts [graph->value_count]. */
void i8x_graph_count_uses(const i8x_graph *graph, int *counts);
/** The only node that uses the value (in one place), or I8X_GRAPH_NONE if there are none, several,
 * or it is a graph output. */
int i8x_graph_single_user(const i8x_graph *graph, int value);
/** Every input that reads `from` reads `to` (node inputs; graph outputs and captured values are
 * left). */
void i8x_graph_replace_uses(i8x_graph *graph, int from, int to);
/** Marks a node as removed (outputs it produces lose their producer); i8x_graph_sort drops it for
 * good. */
void i8x_graph_remove_node(i8x_graph *graph, int node);
bool i8x_node_removed(const i8x_node *node);
/** Topological order (stable: file order where free), removed nodes dropped, producers renumbered.
 *  Errors: I8X_EFORMAT naming a node on a cycle. */
I8X_FALLIBLE i8x_status i8x_graph_sort(i8x_graph *graph);
/** Drops nodes and values (constants too) that reach no output; inputs stay. Values are renumbered:
 * indices held by the caller are void. */
I8X_FALLIBLE i8x_status i8x_graph_prune(i8x_graph *graph);
/** Metadata entry set (replaced if the key is there); strings are copied. */
I8X_FALLIBLE i8x_status i8x_graph_set_metadata(i8x_graph *graph, const char *key,
                                               const char *value);
/** Opset of a domain, 0 if not imported. */
int64_t i8x_graph_opset(const i8x_graph *graph, const char *domain);
/** Constant tensor of a value: dtype, shape, data. Asserts that it is constant. */
i8x_tensor i8x_value_tensor(const i8x_value *value);
bool i8x_value_is_constant(const i8x_value *value);

#endif
