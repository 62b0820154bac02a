#include "tessera/systems/lmu/lmu.h"

#include "tessera/systems/lmu/claims.h"
#include "tessera/systems/lmu/config.h"
#include "tessera/systems/lmu/model.h"
#include "tessera/systems/lmu/procedures.h"
#include "tessera/systems/lmu/tasks.h"
#include "tessera/systems/lmu/weights.h"
#include "tessera/systems/lmu/workloads.h"
#include "tessera/systems/sequence_tasks.h"

namespace tessera::lmu {
namespace {

const LmuConfig& as_lmu(const Config& config) { return dynamic_cast<const LmuConfig&>(config); }

}  // namespace

System system() {
  return {.name = "lmu",
          .title = "Parallelizing Legendre Memory Unit Training",
          .paper = "N. R. Chilkuri, C. Eliasmith, ICML 2021, arXiv 2102.11417",
          .reference = "hrshtv/pytorch-lmu@95a0b93, nengo/keras-lmu@a166946, abr/neurips2019",
          .kind = "sequence model",
          .model = model_factory<LmuConfig>(make_model),
          .tasks = tasks(),
          .procedures = procedures(),
          .claims = claims(),
          .workloads = workloads(),
          .data = sequence_data_sources(),
          .from_authors = [](const TensorMap& theirs,
                             const Config& config) { return from_authors(theirs, as_lmu(config)); },
          .to_authors = [](const TensorMap& ours,
                           const Config& config) { return to_authors(ours, as_lmu(config)); }};
}

}  // namespace tessera::lmu
