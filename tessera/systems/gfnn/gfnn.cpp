#include "tessera/systems/gfnn/gfnn.h"

#include "tessera/systems/gfnn/claims.h"
#include "tessera/systems/gfnn/config.h"
#include "tessera/systems/gfnn/gait_task.h"
#include "tessera/systems/gfnn/model.h"
#include "tessera/systems/gfnn/procedures.h"
#include "tessera/systems/gfnn/surfaces_task.h"
#include "tessera/systems/gfnn/workloads.h"

namespace tessera::gfnn {

System system() {
  return {.name = "gfnn",
          .title = "Grid-Functioned Neural Networks",
          .paper = "J. Dehesa, A. Vidler, J. Padget, C. Lutteroth, ICML 2021, PMLR 139",
          .reference = "no public code",
          .kind = "model",
          .model = model_factory<GfnnConfig>(make_model),
          .tasks = {surfaces_task(), gait_task()},
          .procedures = procedures(),
          .claims = claims(),
          .workloads = workloads()};
}

}  // namespace tessera::gfnn
