#pragma once

#include <string>

#include "tessera/data/graph_data.h"

namespace tessera::data {

/// A node-classification graph in the layout of the Open Graph Benchmark's own downloads:
///   raw/edge.csv.gz               sender, receiver
///   raw/num-node-list.csv.gz      the number of nodes of the only graph
///   raw/node-feat.csv.gz          F numbers a node; without it features are (N, 0)
///   raw/node-label.csv.gz         one class, or a 0/1 for each of several tasks, a node
///   split/<split>/{train,valid,test}.csv.gz   nodes
/// Each may also lie there unpacked (.csv). Edges are as listed, sorted, duplicates merged; see
/// undirected and with_self_loops. `split` may be empty where there is one folder only.
/// labels: (N), or (N, tasks) where a node has several.
/// Throws Io (not there), BadFile.
GraphData load_ogb_nodes(const std::string& folder, const std::string& split = "");

}  // namespace tessera::data
