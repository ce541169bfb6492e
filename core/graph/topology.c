/* SPDX-License-Identifier: Apache-2.0
 *
 * Topology: who uses a value, the order of nodes, and what can be dropped.
 *
 * Sort is Kahn's algorithm with the ready nodes in a binary heap by file position, so that nodes
 * that do not depend on each other keep the order of the file and the result is the same on every
 * machine. Uses are counted by walking all nodes: passes change input lists freely, and an index of
 * users that must be kept up to date by everyone was thought more dangerous than the walk. Working
 * memory comes from the graph's arena and is given back.
 */
#include "core/graph/graph.h"

#include <string.h>

static int count_in(const int *list, int count, int value)
{
    int found = 0;
    for (int i = 0; i < count; i++)
        found += list[i] == value;
    return found;
}

static int node_uses(const i8x_node *node, int value)
{
    return node->removed ? 0
                         : count_in(node->inputs, node->input_count, value) +
                               count_in(node->captured, node->captured_count, value);
}

int i8x_graph_use_count(const i8x_graph *graph, int value)
{
    int uses = graph->values[value].is_output ? 1 : 0;
    for (int i = 0; i < graph->node_count; i++)
        uses += node_uses(&graph->nodes[i], value);
    return uses;
}

void i8x_graph_count_uses(const i8x_graph *graph, int *counts)
{
    for (int i = 0; i < graph->value_count; i++)
        counts[i] = graph->values[i].is_output ? 1 : 0;
    for (int i = 0; i < graph->node_count; i++) {
        const i8x_node *node = &graph->nodes[i];
        for (int k = 0; !node->removed && k < node->input_count; k++)
            if (node->inputs[k] >= 0)
                counts[node->inputs[k]]++;
        for (int k = 0; !node->removed && k < node->captured_count; k++)
            counts[node->captured[k]]++;
    }
}

int i8x_graph_single_user(const i8x_graph *graph, int value)
{
    if (graph->values[value].is_output)
        return I8X_GRAPH_NONE;
    int user = I8X_GRAPH_NONE;
    for (int i = 0; i < graph->node_count; i++) {
        const int uses = node_uses(&graph->nodes[i], value);
        if (uses == 0)
            continue;
        if (uses > 1 || user != I8X_GRAPH_NONE)
            return I8X_GRAPH_NONE;
        user = i;
    }
    return user;
}

void i8x_graph_replace_uses(i8x_graph *graph, int from, int to)
{
    for (int i = 0; i < graph->node_count; i++) {
        i8x_node *node = &graph->nodes[i];
        for (int k = 0; k < node->input_count; k++)
            if (node->inputs[k] == from)
                node->inputs[k] = to;
    }
}

void i8x_graph_remove_node(i8x_graph *graph, int node)
{
    i8x_node *n = &graph->nodes[node];
    n->removed = true;
    for (int i = 0; i < n->output_count; i++)
        if (n->outputs[i] >= 0 && graph->values[n->outputs[i]].producer == node)
            graph->values[n->outputs[i]].producer = I8X_GRAPH_NONE;
}

bool i8x_node_removed(const i8x_node *node)
{
    return node->removed;
}

/* Edges from each node to the nodes that read its outputs, as offsets into one list; a node that
 * reads a value twice stands there twice and has the edge counted twice in `missing`. */
typedef struct order_work {
    int *first;   /* [node_count + 1] */
    int *users;   /* [edges] */
    int *missing; /* [node_count] inputs not computed yet */
    int *heap;    /* [node_count] ready nodes, smallest index on top */
    int heap_count;
    int *order; /* [node_count] result */
    int order_count;
} order_work;

typedef void (*edge_fn)(order_work *work, int producer, int user);

static void count_edge(order_work *work, int producer, int user)
{
    work->first[producer + 1]++;
    work->missing[user]++;
}

/* heap is free until the edges stand, and serves as the fill position of each list. */
static void store_edge(order_work *work, int producer, int user)
{
    work->users[work->first[producer] + work->heap[producer]++] = user;
}

static void each_edge_of(const i8x_graph *graph, int user, const int *list, int count, edge_fn fn,
                         order_work *work)
{
    for (int k = 0; k < count; k++) {
        const int producer = list[k] < 0 ? I8X_GRAPH_NONE : graph->values[list[k]].producer;
        if (producer >= 0)
            fn(work, producer, user);
    }
}

static void each_edge(const i8x_graph *graph, edge_fn fn, order_work *work)
{
    for (int i = 0; i < graph->node_count; i++) {
        const i8x_node *node = &graph->nodes[i];
        if (node->removed)
            continue;
        each_edge_of(graph, i, node->inputs, node->input_count, fn, work);
        each_edge_of(graph, i, node->captured, node->captured_count, fn, work);
    }
}

static i8x_status find_edges(const i8x_graph *graph, order_work *work)
{
    const size_t count = (size_t)graph->node_count;
    work->first = i8x_arena_array(graph->arena, count + 1, sizeof(int));
    I8X_TRY(i8x_alloc_check(work->first));
    work->missing = i8x_arena_array(graph->arena, count, sizeof(int));
    I8X_TRY(i8x_alloc_check(work->missing));
    work->heap = i8x_arena_array(graph->arena, count, sizeof(int));
    I8X_TRY(i8x_alloc_check(work->heap));
    work->order = i8x_arena_array(graph->arena, count, sizeof(int));
    I8X_TRY(i8x_alloc_check(work->order));
    each_edge(graph, count_edge, work);
    for (size_t i = 0; i < count; i++)
        work->first[i + 1] += work->first[i];
    work->users = i8x_arena_array(graph->arena, (size_t)work->first[count], sizeof(int));
    I8X_TRY(i8x_alloc_check(work->users));
    each_edge(graph, store_edge, work);
    return I8X_OK;
}

static void heap_push(order_work *work, int node)
{
    int at = work->heap_count++;
    for (; at > 0 && work->heap[(at - 1) / 2] > node; at = (at - 1) / 2)
        work->heap[at] = work->heap[(at - 1) / 2];
    work->heap[at] = node;
}

static int heap_pop(order_work *work)
{
    const int top = work->heap[0], last = work->heap[--work->heap_count];
    int at = 0;
    for (int child = 1; child < work->heap_count; child = 2 * at + 1) {
        if (child + 1 < work->heap_count && work->heap[child + 1] < work->heap[child])
            child++;
        if (work->heap[child] >= last)
            break;
        work->heap[at] = work->heap[child];
        at = child;
    }
    work->heap[at] = last;
    return top;
}

static int find_order(const i8x_graph *graph, order_work *work)
{
    int alive = 0;
    for (int i = 0; i < graph->node_count; i++) {
        alive += !graph->nodes[i].removed;
        if (!graph->nodes[i].removed && work->missing[i] == 0)
            heap_push(work, i);
    }
    while (work->heap_count > 0) {
        const int node = heap_pop(work);
        work->order[work->order_count++] = node;
        for (int k = work->first[node]; k < work->first[node + 1]; k++)
            if (--work->missing[work->users[k]] == 0)
                heap_push(work, work->users[k]);
    }
    return alive;
}

static int unfinished_producer(const i8x_graph *graph, const order_work *work, const int *list,
                               int count)
{
    for (int k = 0; k < count; k++) {
        const int producer = list[k] < 0 ? I8X_GRAPH_NONE : graph->values[list[k]].producer;
        if (producer >= 0 && work->missing[producer] > 0)
            return producer;
    }
    return I8X_GRAPH_NONE;
}

/* Every node left over waits for another one left over: walking up as many steps as there are nodes
 * ends on a cycle, not merely behind one. */
static int node_on_cycle(const i8x_graph *graph, const order_work *work)
{
    int node = 0;
    while (graph->nodes[node].removed || work->missing[node] == 0)
        node++;
    for (int step = 0; step < graph->node_count; step++) {
        const i8x_node *n = &graph->nodes[node];
        int next = unfinished_producer(graph, work, n->inputs, n->input_count);
        if (next < 0)
            next = unfinished_producer(graph, work, n->captured, n->captured_count);
        node = next;
    }
    return node;
}

static i8x_status apply_order(i8x_graph *graph, const order_work *work)
{
    i8x_node *sorted = i8x_arena_array(graph->arena, (size_t)work->order_count, sizeof *sorted);
    I8X_TRY(i8x_alloc_check(sorted));
    for (int i = 0; i < work->order_count; i++)
        sorted[i] = graph->nodes[work->order[i]];
    if (work->order_count > 0)
        memcpy(graph->nodes, sorted, (size_t)work->order_count * sizeof *sorted);
    graph->node_count = work->order_count;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].output_count; k++)
            if (graph->nodes[i].outputs[k] >= 0)
                graph->values[graph->nodes[i].outputs[k]].producer = i;
    return I8X_OK;
}

static i8x_status sort_in(i8x_graph *graph)
{
    order_work work = {0};
    I8X_TRY(find_edges(graph, &work));
    const int alive = find_order(graph, &work);
    if (work.order_count < alive) {
        const i8x_node *node = &graph->nodes[node_on_cycle(graph, &work)];
        I8X_FAIL(I8X_EFORMAT, "the graph has a cycle through %s node '%s'", node->op_type,
                 node->name);
    }
    return apply_order(graph, &work);
}

i8x_status i8x_graph_sort(i8x_graph *graph)
{
    const i8x_arena_mark mark = i8x_arena_mark_get(graph->arena);
    const i8x_status status = sort_in(graph);
    i8x_arena_rewind(graph->arena, mark);
    return status == I8X_OK ? i8x_graph_reindex(graph) : status;
}

static void mark_list(const int *list, int count, uint8_t *live)
{
    for (int i = 0; i < count; i++)
        if (list[i] >= 0)
            live[list[i]] = 1;
}

/* Nodes stand in topological order, so one walk from the end sees every user before its producer.
 */
static void mark_live(i8x_graph *graph, uint8_t *live)
{
    mark_list(graph->inputs, graph->input_count, live);
    mark_list(graph->outputs, graph->output_count, live);
    for (int i = graph->node_count - 1; i >= 0; i--) {
        i8x_node *node = &graph->nodes[i];
        bool needed = false;
        for (int k = 0; k < node->output_count; k++)
            needed = needed || (node->outputs[k] >= 0 && live[node->outputs[k]]);
        if (!needed) {
            i8x_graph_remove_node(graph, i);
            continue;
        }
        mark_list(node->inputs, node->input_count, live);
        mark_list(node->captured, node->captured_count, live);
        mark_list(node->outputs, node->output_count, live);
    }
}

static void renumber(int *list, int count, const int *moved)
{
    for (int i = 0; i < count; i++)
        if (list[i] >= 0)
            list[i] = moved[list[i]];
}

static void drop_values(i8x_graph *graph, const uint8_t *live, int *moved)
{
    int kept = 0;
    for (int i = 0; i < graph->value_count; i++) {
        moved[i] = live[i] ? kept : I8X_GRAPH_NONE;
        if (live[i])
            graph->values[kept++] = graph->values[i];
    }
    graph->value_count = kept;
    renumber(graph->inputs, graph->input_count, moved);
    renumber(graph->outputs, graph->output_count, moved);
    for (int i = 0; i < graph->node_count; i++) {
        i8x_node *node = &graph->nodes[i];
        renumber(node->inputs, node->input_count, moved);
        renumber(node->captured, node->captured_count, moved);
        renumber(node->outputs, node->output_count, moved);
    }
}

static i8x_status prune_in(i8x_graph *graph)
{
    const size_t count = (size_t)graph->value_count;
    uint8_t *live = i8x_arena_array(graph->arena, count, 1);
    I8X_TRY(i8x_alloc_check(live));
    int *moved = i8x_arena_array(graph->arena, count, sizeof *moved);
    I8X_TRY(i8x_alloc_check(moved));
    mark_live(graph, live);
    I8X_TRY(sort_in(graph));
    drop_values(graph, live, moved);
    return I8X_OK;
}

i8x_status i8x_graph_prune(i8x_graph *graph)
{
    I8X_TRY(i8x_graph_sort(graph));
    const i8x_arena_mark mark = i8x_arena_mark_get(graph->arena);
    const i8x_status status = prune_in(graph);
    i8x_arena_rewind(graph->arena, mark);
    return status == I8X_OK ? i8x_graph_reindex(graph) : status;
}
