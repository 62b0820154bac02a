#include "tessera/systems/egnn/tasks.h"

#include "tessera/systems/egnn/tasks_autoencoder.h"
#include "tessera/systems/egnn/tasks_molecules.h"
#include "tessera/systems/egnn/tasks_nbody.h"

namespace tessera::egnn {

std::vector<TaskFactory> tasks() {
  return {nbody_task(), graph_autoencoder_task(), qm9_task(), clusters_task()};
}

std::vector<DataSource> data_sources() {
  const std::string figshare = "https://springernature.figshare.com/ndownloader/files/";
  // Sizes and checksums are left empty: figshare's page does not give them, and we have not seen
  // the files.
  return {{.name = "qm9",
           .summary = "133,885 small organic molecules with 15 computed properties each",
           .licence = "CC0 (Ramakrishnan et al. 2014, figshare collection 978904)",
           .files = {{.path = "qm9/dsgdb9nsd.xyz.tar.bz2", .url = figshare + "3195389"},
                     {.path = "qm9/uncharacterized.txt", .url = figshare + "3195404"},
                     {.path = "qm9/atomref.txt", .url = figshare + "3195395"}}}};
}

}  // namespace tessera::egnn
