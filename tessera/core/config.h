#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tessera/core/json.h"

namespace tessera {

/// What a field may hold and what one says about it. All parts but `help` are optional.
struct FieldInfo {
  std::string_view help;       ///< one line, no full stop
  std::string_view unit = {};  ///< "Å", "steps"
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_exclusive = false;            ///< value must be > min, not only ≥ min
  std::vector<std::string> one_of = {};  ///< the allowed words of a string field
  std::string_view authors_name = {};    ///< the flag or argument in the authors' code
};

/// The types a field can have. optional<> reads null (TOML: the word "none").
using FieldPointer =
    std::variant<bool*, int64_t*, double*, std::string*, std::optional<int64_t>*,
                 std::optional<double>*, std::optional<std::string>*, std::vector<int64_t>*,
                 std::vector<double>*, std::vector<std::string>*, Json*>;

struct Field {
  std::string name;
  FieldPointer value;
  FieldInfo info;
};

/// The visitor a config hands its fields to, each once: everything else (TOML, --set, JSON, info,
/// documentation, checkpoints, Python keywords) is derived from this list.
class FieldList {
 public:
  template <class T>
  void operator()(std::string name, T& value, FieldInfo info) {
    fields_.push_back({std::move(name), FieldPointer(&value), std::move(info)});
  }
  const std::vector<Field>& fields() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

/// A plain struct with defaults in its members that lists them in `fields`.
class Config {
 public:
  virtual ~Config() = default;
  virtual void fields(FieldList& list) = 0;
  /// Called before `given` is read: sets the defaults that depend on another key ("attention" on
  /// "architecture").
  virtual void choose_defaults(const Json& given) { (void)given; }
  /// Rules between fields, checked after reading; throws InvalidArgument.
  virtual void validate() const {}
};

/// Where each key of a configuration was written: "train.lr" → "recipes/x.toml:14" or "--set".
using Origins = std::map<std::string, std::string>;

/// Sets the fields of `config` from the object `values`, checks types and ranges, then calls
/// validate(). `path` is the dotted prefix of the keys ("model"), used in messages and to look up
/// `origins`. Throws InvalidArgument: unknown key (with the nearest name, file and line), wrong
/// type, value out of range (with both).
void read_config(Config& config, const Json& values, const std::string& path = "",
                 const Origins& origins = {});

/// All fields with their present values, in order.
Json write_config(Config& config);

/// One row of the table that `tessera info` prints.
struct FieldRow {
  std::string name, type, default_value, range, unit, help, authors_name;
};
std::vector<FieldRow> describe_config(Config& config);

/// A configuration document (a recipe): nested objects, with the place of each key.
struct Document {
  Json values = Json::object();
  Origins origins;
};

/// Parses TOML text. `name` is the file's name for messages. Throws InvalidArgument with name:line.
Document parse_toml(std::string_view text, const std::string& name);
Document read_toml_file(const std::string& path);
/// TOML text of nested objects; parse_toml(write_toml(v)) has the same values (null is "none").
std::string write_toml(const Json& values);

/// Applies `key.path=value` as given on the command line. The value is read as TOML (number, bool,
/// quoted string, list); anything else is taken as a bare string.
void apply_setting(Document& document, std::string_view assignment);

}  // namespace tessera
