#include "tessera/systems/egnn/egnn.h"

#include "tessera/systems/egnn/claims.h"
#include "tessera/systems/egnn/config.h"
#include "tessera/systems/egnn/model.h"
#include "tessera/systems/egnn/procedures.h"
#include "tessera/systems/egnn/tasks.h"
#include "tessera/systems/egnn/weights.h"
#include "tessera/systems/egnn/workloads.h"

namespace tessera::egnn {

System system() {
  return {
      .name = "egnn",
      .title = "E(n) Equivariant Graph Neural Networks",
      .paper = "V. Garcia Satorras, E. Hoogeboom, M. Welling, ICML 2021, arXiv 2102.09844",
      .reference = "vgsatorras/egnn@e9ca6c0 (MIT)",
      .kind = "model",
      .model = model_factory<EgnnConfig>(make_model),
      .tasks = tasks(),
      .procedures = procedures(),
      .claims = claims(),
      .workloads = workloads(),
      .data = data_sources(),
      .from_authors = [](const TensorMap& theirs, const Config&) { return from_authors(theirs); }};
}

}  // namespace tessera::egnn
