#include <filesystem>

#include "cli/output.h"
#include "cli/verbs.h"
#include "cli/weights.h"
#include "tessera/core/error.h"
#include "tessera/io/tensor_file.h"

namespace tessera::cli {

int convert(const Arguments& arguments) {
  const System& system = systems().at(arguments.positional().at(0));
  const std::string &in = arguments.positional().at(1), &out = arguments.positional().at(2);
  const bool to_authors = arguments.get("to", "tessera") == "authors";

  const WeightFile file = read_weights(in);
  Document document{.values = file.config.is_object() ? file.config : Json::object(),
                    .origins = {}};
  for (const auto& [key, value] : document.values.items()) document.origins[key] = in;
  for (const std::string& setting : arguments.all("set")) apply_setting(document, setting);
  const auto config = system.model.config();
  read_config(*config, document.values, "", document.origins);

  TensorMap weights = to_ours(file.tensors, system, *config);
  const bool is_checked = !document.values.empty();
  if (is_checked) {
    const auto model = system.model.make(*config);
    if (!weights.empty()) model->to(weights.begin()->second.scalar_type());
    load_weights(*model, weights);
  }
  if (to_authors && system.to_authors) weights = system.to_authors(weights, *config);

  io::Metadata metadata{{"system", system.name}, {"names", to_authors ? "authors" : "tessera"}};
  if (is_checked) metadata.emplace_back("config", document.values.dump());
  io::write_tensor_file(out, weights, metadata);
  line("{}: {} tensors under {} names; {}", out, weights.size(),
       to_authors ? "the authors'" : "our",
       is_checked ? "they fit the model"
                  : "not checked against a model, since no configuration was given (--set)");
  return 0;
}

}  // namespace tessera::cli
