#include "tessera/systems/skeleton/weights.h"

#include <string>

namespace tessera::skeleton {
namespace {

struct Entry {
  const char *theirs, *ours;
};
constexpr Entry kEntries[] = {{"0.", "hidden."}, {"2.", "out."}};

TensorMap renamed(const TensorMap& from, const char* Entry::*old_prefix,
                  const char* Entry::*new_prefix) {
  TensorMap to;
  for (const auto& [name, tensor] : from) {
    std::string renamed = name;
    for (const Entry& entry : kEntries) {
      const std::string prefix = entry.*old_prefix;
      if (name.starts_with(prefix)) renamed = entry.*new_prefix + name.substr(prefix.size());
    }
    to.set(renamed, tensor);
  }
  return to;
}

}  // namespace

TensorMap from_authors(const TensorMap& theirs) {
  return renamed(theirs, &Entry::theirs, &Entry::ours);
}

TensorMap to_authors(const TensorMap& ours) { return renamed(ours, &Entry::ours, &Entry::theirs); }

}  // namespace tessera::skeleton
