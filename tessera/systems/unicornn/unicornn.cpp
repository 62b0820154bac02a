#include "tessera/systems/unicornn/unicornn.h"

#include "tessera/systems/sequence_tasks.h"
#include "tessera/systems/series_tasks.h"
#include "tessera/systems/unicornn/claims.h"
#include "tessera/systems/unicornn/config.h"
#include "tessera/systems/unicornn/losses.h"
#include "tessera/systems/unicornn/model.h"
#include "tessera/systems/unicornn/procedures.h"
#include "tessera/systems/unicornn/workloads.h"

namespace tessera::unicornn {

namespace {

std::vector<DataSource> data_sources() {
  std::vector<DataSource> sources = sequence_data_sources();
  for (const DataSource& source : series_data_sources()) sources.push_back(source);
  return sources;
}

}  // namespace

System system() {
  return {
      .name = "unicornn",
      .title = "UnICORNN: A recurrent model for learning very long time dependencies",
      .paper = "T. K. Rusch, S. Mishra, ICML 2021, PMLR 139:9168-9178, arXiv 2103.05487",
      .reference = "tk-rusch/unicornn@35b243d (no licence)",
      .kind = "sequence model",
      .model = model_factory<UnicornnConfig>(make_model),
      .tasks = {psmnist_task(), noise_padded_task(), eigenworms_task(), bidmc_task(), imdb_task()},
      .procedures = procedures(),
      .claims = claims(),
      .workloads = workloads(),
      .data = data_sources(),
      .trace_loss = trace_loss};
}

}  // namespace tessera::unicornn
