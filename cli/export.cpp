#include <filesystem>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/tensor_file.h"
#include "tessera/train/precision.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kProgram =
    R"(// Loads the bundle in this folder and runs its model on a file of named tensors:
//   predict BUNDLE INPUT.safetensors OUTPUT.safetensors
#include <string>

#include "tessera/io/tensor_file.h"
#include "tessera/train/masked_model.h"
#include "tessera/train/precision.h"
#include "tessera/train/recipe.h"

int main(int, char** words) {
  const std::string bundle = words[1];
  const tessera::train::Recipe recipe = tessera::train::load_recipe(bundle + "/config.toml");
  const auto weights = tessera::io::read_tensor_file(bundle + "/model.safetensors",
                                                     tessera::io::Storage::kCopied);
  const auto model = tessera::train::make_trained_model(recipe, weights.tensors);
  const auto input = tessera::io::read_tensor_file(words[2]);
  tessera::io::write_tensor_file(words[3],
                                 tessera::train::predict(*model, input.tensors, recipe.run));
}
)";

constexpr std::string_view kBuild = R"(cmake_minimum_required(VERSION 3.22)
project(predict CXX)
find_package(Tessera REQUIRED)
add_executable(predict predict.cpp)
target_link_libraries(predict PRIVATE Tessera::tessera)
)";

}  // namespace

int export_bundle(const Arguments& arguments) {
  const fs::path out = arguments.positional().at(1);
  check_new_folder(arguments, out.string());
  const Trained trained = open_trained(arguments);
  if (!trained.method.empty()) {
    fail<Unsupported>({.where = "export",
                       .rule = arguments.positional()[0] + " is a run or a recipe",
                       .got = "a bundle of method " + trained.method,
                       .next = "It is one already: copy the folder.",
                       .id = "T-CLI-23"});
  }
  const train::Recipe& recipe = trained.recipe;
  const auto task = train::make_task(recipe, data_root(arguments));
  BatchContext context{
      .split = Split::kTest,
      .generator = Rng(static_cast<uint64_t>(recipe.train.seed)).stream("example")};
  std::vector<int64_t> examples;
  const int64_t count = std::min({int64_t{4}, recipe.train.batch_size, task->size(Split::kTest)});
  for (int64_t i = 0; i < count; ++i) examples.push_back(i);
  const TensorMap batch = task->batch(examples, context);
  const TensorMap outputs = train::predict(*trained.model, batch, recipe.run);

  fs::create_directories(out / "example");
  io::write_atomically((out / "config.toml").string(), write_toml(train::to_json(recipe)));
  io::write_tensor_file((out / "model.safetensors").string(), weights_of(*trained.model),
                        {{"system", recipe.system->name}});
  io::write_tensor_file((out / "example" / "input.safetensors").string(), batch);
  io::write_tensor_file((out / "example" / "output.safetensors").string(), outputs);
  io::write_atomically((out / "predict.cpp").string(), kProgram);
  io::write_atomically((out / "CMakeLists.txt").string(), kBuild);
  line("{}: config.toml, model.safetensors, example/ and a C++ program. Try:", out.string());
  line("  tessera predict {0} --input {0}/example/input.safetensors --output out.safetensors",
       out.string());
  return 0;
}

}  // namespace tessera::cli
