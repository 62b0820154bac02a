#include "tessera/cases/case_file.h"

#include <ATen/ATen.h>

#include <charconv>
#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::cases {
namespace {

/// The metadata of one file, read with complaints that name it.
class MetadataReader {
 public:
  MetadataReader(const io::TensorFile& file, const std::string& path) : file_(file), path_(path) {}

  [[noreturn]] void refuse(const std::string& rule, const std::string& got = "",
                           const std::string& next = "") const {
    fail<BadFile>({.where = "case",
                   .rule = path_ + ": " + rule,
                   .got = got,
                   .next = next,
                   .id = "T-CASE-01"});
  }

  std::string text(std::string_view key) const {
    const std::string* value = file_.find_metadata(key);
    return value ? *value : "";
  }

  std::string required(std::string_view key) const {
    const std::string* value = file_.find_metadata(key);
    if (!value || value->empty()) {
      refuse("a case says its \"" + std::string(key) + "\" in the metadata", "none",
             "Is this a case file?");
    }
    return *value;
  }

  /// A JSON object; empty where the key is missing.
  Json object(std::string_view key) const {
    const std::string* value = file_.find_metadata(key);
    if (!value) return Json::object();
    Json parsed = Json::parse(*value, nullptr, /*allow_exceptions=*/false);
    if (!parsed.is_object()) {
      refuse("metadata \"" + std::string(key) + "\" is a JSON object", value->substr(0, 60));
    }
    return parsed;
  }

  double tolerance(std::string_view key) const {
    const std::string* value = file_.find_metadata(key);
    if (!value) return 0;
    double number = 0;
    const char* end = value->data() + value->size();
    const auto result = std::from_chars(value->data(), end, number);
    if (result.ec != std::errc() || result.ptr != end || !std::isfinite(number) || number < 0) {
      refuse("metadata \"" + std::string(key) + "\" is a number of 0 or more",
             "\"" + *value + "\"");
    }
    return number;
  }

 private:
  const io::TensorFile& file_;
  const std::string& path_;
};

const System* find_system(const std::string& name, const std::string& path) {
  for (const System& system : systems().all()) {
    if (system.name == name) return &system;
  }
  fail<Unsupported>({.where = "case",
                     .rule = path + ": this library has no system \"" + name + "\"",
                     .next = did_you_mean(name, systems().names()),
                     .id = "T-CASE-02"});
}

}  // namespace

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::kForward:
      return "forward";
    case Kind::kTrace:
      return "trace";
    case Kind::kProcedure:
      return "procedure";
  }
  return "";
}

CaseFile parse_case(const io::TensorFile& file, const std::string& path) {
  const MetadataReader metadata(file, path);
  CaseFile it;
  it.path = path;
  const std::string kind = metadata.required("kind");
  it.system = find_system(metadata.required("system"), path);
  it.config = metadata.object("config");
  it.rtol = metadata.tolerance("rtol");
  it.atol = metadata.tolerance("atol");
  it.source = metadata.text("source");
  it.note = metadata.text("note");
  it.training = metadata.text("training") != "false";
  const Json mode = it.config.value("mode", Json());
  if (mode == "train" || mode == "eval") it.training = mode == "train";
  const Json training = it.config.value("training", Json());
  if (training.is_boolean()) it.training = training.get<bool>();
  // Integer procedures carry dtype "int64"; their arithmetic, where there is any, is float.
  if (metadata.text("dtype") == "float64") it.dtype = at::kDouble;

  if (kind == name_of(Kind::kForward)) {
    it.kind = Kind::kForward;
  } else if (kind == name_of(Kind::kTrace)) {
    it.kind = Kind::kTrace;
    metadata.required("train");
    it.train = metadata.object("train");
  } else if (kind == name_of(Kind::kProcedure)) {
    it.kind = Kind::kProcedure;
    it.procedure = metadata.required("procedure");
  } else {
    fail<Unsupported>({.where = "case",
                       .rule = path + ": a case is of kind forward, trace or procedure",
                       .got = "\"" + kind + "\"",
                       .id = "T-CASE-03"});
  }

  it.weights = file.tensors.with_prefix("weight/");
  for (const auto& [name, tensor] : file.tensors.with_prefix("buffer/")) {
    // After the forward: a result, recorded under its whole name.
    if (name.ends_with("_after")) {
      it.recorded.set("buffer/" + name, tensor);
    } else {
      it.buffers.set(name, tensor);
    }
  }
  it.inputs = file.tensors.with_prefix("input/");
  it.cotangents = file.tensors.with_prefix("cotangent/");
  for (const char* prefix : {"output/", "grad/", "grad_input/"}) {
    it.recorded.merge(file.tensors.with_prefix(prefix).prefixed(prefix));
  }
  return it;
}

CaseFile read_case(const std::string& path) {
  // Copied: a view into the file may be aligned differently from run to run, and BLAS rounds by it.
  return parse_case(io::read_tensor_file(path, io::Storage::kCopied), path);
}

}  // namespace tessera::cases
