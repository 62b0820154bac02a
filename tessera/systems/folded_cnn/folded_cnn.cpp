#include "tessera/systems/folded_cnn/folded_cnn.h"

#include "tessera/data/cifar.h"
#include "tessera/data/mnist.h"
#include "tessera/systems/folded_cnn/claims.h"
#include "tessera/systems/folded_cnn/config.h"
#include "tessera/systems/folded_cnn/model.h"
#include "tessera/systems/folded_cnn/procedures.h"
#include "tessera/systems/folded_cnn/tasks.h"
#include "tessera/systems/folded_cnn/workloads.h"

namespace tessera::folded_cnn {

System system() {
  return {
      .name = "folded_cnn",
      .title =
          "Boosting the Throughput and Accelerator Utilization of Specialized CNN Inference "
          "Beyond Increasing Batch Size",
      .paper =
          "J. Kosaian, A. Phanishayee, M. Philipose, D. Dey, K. V. Rashmi, ICML 2021 "
          "(PMLR 139)",
      .reference = "msr-fiddle/folded-cnns@c87ac63 (MIT)",
      .kind = "method on a convnet",
      .model = model_factory<FoldedCnnConfig>(make_model),
      .tasks = tasks(),
      .procedures = procedures(),
      .claims = claims(),
      .workloads = workloads(),
      .data = {data::mnist_source(), data::fashion_mnist_source(), data::cifar10_source(),
               data::cifar100_source()},
      .trace_loss =
          [](const Json& spec, const TensorMap& outputs, const TensorMap& inputs) {
            const std::string name = spec.value("name", "cross_entropy");
            const at::Tensor& logits = outputs.at("logits");
            const at::Tensor target = inputs.at("target").narrow(0, 0, logits.size(0));
            const bool is_mse = name == "mse" || target.is_floating_point();
            return loss_of(is_mse ? "mse_logits" : name, logits, target);
          },
      .from_authors = [](const TensorMap& theirs, const Config&) { return from_authors(theirs); }};
}

}  // namespace tessera::folded_cnn
