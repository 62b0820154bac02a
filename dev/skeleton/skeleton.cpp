#include "tessera/systems/skeleton/skeleton.h"

#include "tessera/systems/skeleton/claims.h"
#include "tessera/systems/skeleton/config.h"
#include "tessera/systems/skeleton/model.h"
#include "tessera/systems/skeleton/tasks.h"
#include "tessera/systems/skeleton/weights.h"
#include "tessera/systems/skeleton/workloads.h"

namespace tessera::skeleton {

System system() {
  return {
      .name = "skeleton",
      .title = "Title of the paper",
      .paper = "A. Author, B. Author, ICML 2021, PMLR 139",
      .reference = "owner/repository@commit (licence)",
      .kind = "model",
      .model = model_factory<SkeletonConfig>(make_model),
      .tasks = tasks(),
      .claims = claims(),
      .workloads = workloads(),
      .from_authors = [](const TensorMap& theirs, const Config&) { return from_authors(theirs); },
      .to_authors = [](const TensorMap& ours, const Config&) { return to_authors(ours); }};
}

}  // namespace tessera::skeleton
