#include "tessera/systems/zoo_tuning/zoo_tuning.h"

#include "tessera/systems/zoo_tuning/claims.h"
#include "tessera/systems/zoo_tuning/config.h"
#include "tessera/systems/zoo_tuning/model.h"
#include "tessera/systems/zoo_tuning/procedures.h"
#include "tessera/systems/zoo_tuning/tasks.h"
#include "tessera/systems/zoo_tuning/workloads.h"

namespace tessera::zoo_tuning {

System system() {
  return {
      .name = "zoo_tuning",
      .title = "Zoo-Tuning: Adaptive Transfer from A Zoo of Models",
      .paper = "Y. Shu, Z. Kou, Z. Cao, J. Wang, M. Long, ICML 2021 (PMLR 139)",
      .reference = "thuml/Zoo-Tuning@c5975f6 (no licence file)",
      .kind = "method on a convnet",
      .model = model_factory<ZooConfig>(make_model),
      .tasks = tasks(),
      .procedures = procedures(),
      .claims = claims(),
      .workloads = workloads(),
      .from_authors = [](const TensorMap& theirs, const Config&) { return from_authors(theirs); }};
}

}  // namespace tessera::zoo_tuning
