#include <ATen/ATen.h>

#include <filesystem>
#include <sstream>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/tensor_file.h"
#include "tessera/systems/task_extras.h"
#include "tessera/train/precision.h"

namespace tessera::cli {
namespace {

/// The lines of a text file as the recipe's task reads them.
TensorMap read_lines(const std::string& path, const train::Recipe& recipe,
                     const std::string& data_root) {
  std::istringstream text(io::read_text(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (!line.empty()) lines.push_back(std::move(line));
  }
  const auto task = train::make_task(recipe, data_root);
  const auto* input = dynamic_cast<const TextInput*>(task.get());
  if (input == nullptr || lines.empty()) {
    fail<InvalidArgument>(
        {.where = "predict",
         .rule = input == nullptr ? "task " + recipe.task_factory->name + " reads tensors, not text"
                                  : path + " must hold a line of text",
         .got = input == nullptr ? path : "none",
         .next = "Give --input FILE.safetensors or .npz.",
         .id = "T-CLI-20"});
  }
  return input->inputs_of(lines);
}

}  // namespace

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
  const auto packing = std::filesystem::path(path).extension();
  // The small file before the model: a wrong path should not cost more than a glance.
  TensorMap given;
  if (packing == ".npz") given = io::read_npz(path);
  if (packing != ".npz" && packing != ".txt") given = io::read_tensor_file(path).tensors;
  const Trained trained = open_trained(arguments);
  if (packing == ".txt") given = read_lines(path, trained.recipe, data_root(arguments));
  const train::RunConfig& how = trained.recipe.run;
  const TensorMap outputs = train::predict(*trained.model, given, how);
  io::write_tensor_file(arguments.get("output"), outputs,
                        {{"recipe", trained.recipe.name}, {"dtype", how.dtype}});
  for (const auto& [name, tensor] : outputs) {
    line("{} {} {}", name, c10::toString(tensor.scalar_type()), c10::str(tensor.sizes()));
  }
  line("computed in {}", how.dtype);
  return 0;
}

}  // namespace tessera::cli
