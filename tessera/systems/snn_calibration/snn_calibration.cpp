#include "tessera/systems/snn_calibration/snn_calibration.h"

#include "tessera/systems/snn_calibration/claims.h"
#include "tessera/systems/snn_calibration/config.h"
#include "tessera/systems/snn_calibration/model.h"
#include "tessera/systems/snn_calibration/procedures.h"
#include "tessera/systems/snn_calibration/tasks.h"
#include "tessera/systems/snn_calibration/workloads.h"

namespace tessera::snn_calibration {

System system() {
  return {
      .name = "snn_calibration",
      .title =
          "A Free Lunch From ANN: Towards Efficient, Accurate Spiking Neural Networks "
          "Calibration",
      .paper = "Y. Li, S. Deng, X. Dong, R. Gong, S. Gu, ICML 2021 (PMLR 139), arXiv 2106.06984",
      .reference = "yhhhli/SNN_Calibration@4aece7c",
      .kind = "method on a convnet",
      .model = model_factory<SnnConfig>(make_model),
      .tasks = tasks(),
      .procedures = procedures(),
      .claims = claims(),
      .workloads = workloads(),
      .from_authors = [](const TensorMap& theirs, const Config& config) {
        return from_authors(theirs, dynamic_cast<const SnnConfig&>(config));
      }};
}

}  // namespace tessera::snn_calibration
