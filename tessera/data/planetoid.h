#pragma once

#include <string>

#include "tessera/data/graph_data.h"
#include "tessera/data/source.h"

namespace tessera::data {

/// A citation graph with the standard split of Planetoid (Yang, Cohen, Salakhutdinov, 2016), from
/// <root>/planetoid/<name>.safetensors where there is one, else from the official eight files
/// <root>/planetoid/ind.<name>.{x,tx,allx,y,ty,ally,graph,test.index}, else (Cora) from the copy
/// that ships with the library. Features are as the files hold them (see row_normalized). Nodes
/// between the test nodes that the files leave out (15 of CiteSeer) have no features, class 0, and
/// lie in no part of the split. train: the rows of y; validation: the next 500 nodes; test: the
/// nodes of test.index, ascending. Throws Io (not there), BadFile, Unsupported (pickled by another
/// Python).
GraphData load_planetoid(const std::string& name, const std::string& data_root);

DataSource cora_source();
DataSource citeseer_source();
DataSource pubmed_source();

}  // namespace tessera::data
