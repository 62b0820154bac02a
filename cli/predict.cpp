#include <ATen/ATen.h>

#include <filesystem>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/io/tensor_file.h"

namespace tessera::cli {

int predict(const Arguments& arguments) {
  for (const char* option : {"input", "output"}) {
    if (!arguments.has(option)) {
      fail<InvalidArgument>({.where = "predict",
                             .rule = std::string("needs --") + option + " FILE",
                             .got = "none",
                             .id = "T-CLI-04"});
    }
  }
  const std::string path = arguments.get("input");
  const TensorMap given = std::filesystem::path(path).extension() == ".npz"
                              ? io::read_npz(path)
                              : io::read_tensor_file(path).tensors;
  const Trained trained = open_trained(arguments);
  const at::NoGradGuard no_grad;
  const TensorMap outputs = trained.model->predict(
      given.to(train::device_of(trained.recipe.run), train::dtype_of(trained.recipe.run)));
  io::write_tensor_file(arguments.get("output"), outputs, {{"recipe", trained.recipe.name}});
  for (const auto& [name, tensor] : outputs) {
    line("{} {} {}", name, c10::toString(tensor.scalar_type()), c10::str(tensor.sizes()));
  }
  return 0;
}

}  // namespace tessera::cli
