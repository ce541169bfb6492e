/* SPDX-License-Identifier: Apache-2.0
 *
 * Node filter: the recipe's exclude, only and op_types lists applied to the nodes of a graph. A
 * list is globs separated by commas: * any text, ? any one character; blanks around an entry do not
 * count. Names that hold a comma are matched with ? in its place.
 */
#ifndef CORE_QUANT_NODE_FILTER_H
#define CORE_QUANT_NODE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/graph/graph.h"
#include "int8x/recipe.h"

/** True if the glob matches the whole text. glob is glob_size bytes, not terminated. */
bool i8x_glob_match(const char *glob, size_t glob_size, const char *text);
/** True if some entry of the list matches; an empty list matches nothing. */
bool i8x_glob_list_match(const char *list, const char *text);
/**
 * Errors: I8X_EARG (an entry of exclude or only matches no node name, or one of op_types no
 * operator type of the graph: the entry is named).
 */
I8X_FALLIBLE i8x_status i8x_node_filter_check(const i8x_graph *graph, const i8x_recipe *recipe);

#endif
