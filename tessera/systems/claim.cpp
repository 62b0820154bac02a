#include "tessera/systems/claim.h"

#include "tessera/core/error.h"

namespace tessera {

const char* name_of(Scale scale) {
  switch (scale) {
    case Scale::kQuick:
      return "quick";
    case Scale::kCpu:
      return "cpu";
    case Scale::kPaper:
      return "paper";
  }
  return "";
}

Scale scale_of(std::string_view name) {
  for (const Scale scale : {Scale::kQuick, Scale::kCpu, Scale::kPaper}) {
    if (name == name_of(scale)) return scale;
  }
  fail<InvalidArgument>({.where = "scale",
                         .rule = "a scale is quick, cpu or paper",
                         .got = "\"" + std::string(name) + "\"",
                         .id = "T-CLM-01"});
}

double metric(const Metrics& metrics, std::string_view name) {
  for (const auto& [key, value] : metrics) {
    if (key == name) return value;
  }
  fail<Internal>({.where = "metrics", .rule = "no metric named \"" + std::string(name) + "\""});
}

}  // namespace tessera
