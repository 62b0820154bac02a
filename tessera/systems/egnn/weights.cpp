#include "tessera/systems/egnn/weights.h"

#include <string_view>

namespace tessera::egnn {

TensorMap from_authors(const TensorMap& theirs) {
  constexpr std::string_view kParallel = "module.";
  TensorMap ours;
  for (const auto& [name, tensor] : theirs) {
    std::string_view own = name;
    if (own.starts_with(kParallel)) own.remove_prefix(kParallel.size());
    // What the authors' classes build and never use: a range, the map of the one that moves
    // nothing.
    if (own.ends_with("coords_range") || own.starts_with("dummy.")) continue;
    ours.set(std::string(own), tensor);
  }
  return ours;
}

}  // namespace tessera::egnn
