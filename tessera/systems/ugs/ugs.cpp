#include "tessera/systems/ugs/ugs.h"

#include "tessera/data/planetoid.h"
#include "tessera/systems/ugs/claims.h"
#include "tessera/systems/ugs/config.h"
#include "tessera/systems/ugs/procedures.h"
#include "tessera/systems/ugs/search.h"
#include "tessera/systems/ugs/tasks.h"
#include "tessera/systems/ugs/workloads.h"

namespace tessera::ugs {

System system() {
  return {.name = "ugs",
          .title = "A Unified Lottery Ticket Hypothesis for Graph Neural Networks",
          .paper = "T. Chen, Y. Sui, X. Chen, A. Zhang, Z. Wang, ICML 2021 (PMLR 139)",
          .reference = "VITA-Group/Unified-LTH-GNN@4f1b08b (MIT)",
          .kind = "method on a graph network",
          .model = model_factory<UgsConfig>(
              [](const UgsConfig& config) -> std::shared_ptr<Model> { return make_model(config); }),
          .tasks = tasks(),
          .procedures = procedures(),
          .claims = claims(),
          .workloads = workloads(),
          .data = {data::cora_source(), data::citeseer_source(), data::pubmed_source()}};
}

}  // namespace tessera::ugs
