#include "tessera/core/config.h"

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera {
namespace {

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kIsList = false;
template <class T>
inline constexpr bool kIsList<std::vector<T>> = true;

template <class T>
std::string type_name() {
  if constexpr (std::is_same_v<T, bool>) {
    return "bool";
  } else if constexpr (std::is_same_v<T, int64_t>) {
    return "int";
  } else if constexpr (std::is_same_v<T, double>) {
    return "float";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "string";
  } else if constexpr (std::is_same_v<T, Json>) {
    return "table";
  } else if constexpr (kIsOptional<T>) {
    return type_name<typename T::value_type>() + " or none";
  } else {
    return "list of " + type_name<typename T::value_type>();
  }
}

/// One field being read: what its messages need to say.
struct Place {
  std::string key;     ///< "train.lr"
  std::string origin;  ///< "recipes/x.toml:14", "--set" or empty
  const FieldInfo& info;

  [[noreturn]] void refuse(const std::string& rule, const std::string& got,
                           const std::string& next = "") const {
    fail<InvalidArgument>({.where = "config",
                           .rule = (origin.empty() ? "" : origin + ": ") + key + " " + rule,
                           .got = got,
                           .next = next,
                           .id = "T-CFG-02"});
  }
};

std::string range_text(const FieldInfo& info) {
  const bool has_min = std::isfinite(info.min), has_max = std::isfinite(info.max);
  const std::string low = (info.min_exclusive ? "> " : "≥ ") + shortest(info.min);
  const std::string high = "≤ " + shortest(info.max);
  if (has_min && has_max) return low + " and " + high;
  return has_min ? low : has_max ? high : "";
}

void check_range(double value, const Place& place) {
  const FieldInfo& info = place.info;
  const bool is_low = info.min_exclusive ? value <= info.min : value < info.min;
  if (std::isnan(value)) place.refuse("is a number", "nan");
  if (std::isinf(value)) place.refuse("is a finite number", value > 0 ? "inf" : "-inf");
  if ((std::isfinite(info.min) && is_low) || value > info.max) {
    place.refuse("must be " + range_text(info), shortest(value));
  }
}

/// Null, or the word that stands for it in TOML.
bool is_none(const Json& value) {
  return value.is_null() || (value.is_string() && value == "none");
}

template <class T>
T read_value(const Json& value, const Place& place) {
  if constexpr (kIsOptional<T>) {
    if (is_none(value)) return std::nullopt;
    return read_value<typename T::value_type>(value, place);
  } else if constexpr (kIsList<T>) {
    if (!value.is_array()) place.refuse("is a " + type_name<T>(), value.dump());
    T list;
    for (const Json& item : value) list.push_back(read_value<typename T::value_type>(item, place));
    return list;
  } else if constexpr (std::is_same_v<T, Json>) {
    return is_none(value) ? Json() : value;
  } else if constexpr (std::is_same_v<T, bool>) {
    // 0 and 1 too: the authors' command lines write flags as numbers.
    if (value.is_number_integer() && (value == 0 || value == 1)) return value == 1;
    if (!value.is_boolean()) place.refuse("is true or false", value.dump());
    return value.get<bool>();
  } else if constexpr (std::is_same_v<T, int64_t>) {
    const bool is_whole = value.is_number_float() && std::nearbyint(value.get<double>()) == value &&
                          std::abs(value.get<double>()) < 0x1p53;
    if (!value.is_number_integer() && !is_whole) place.refuse("is an integer", value.dump());
    const int64_t number =
        is_whole ? static_cast<int64_t>(value.get<double>()) : value.get<int64_t>();
    check_range(static_cast<double>(number), place);
    return number;
  } else if constexpr (std::is_same_v<T, double>) {
    if (!value.is_number()) place.refuse("is a number", value.dump());
    check_range(value.get<double>(), place);
    return value.get<double>();
  } else {
    if (!value.is_string()) place.refuse("is a string", value.dump());
    const std::string word = value.get<std::string>();
    const auto& allowed = place.info.one_of;
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), word) == allowed.end()) {
      const std::string name = nearest(word, allowed);
      place.refuse("is one of " + join(allowed, ", "), "\"" + word + "\"",
                   name.empty() ? "" : "Did you mean \"" + name + "\"?");
    }
    return word;
  }
}

template <class T>
Json to_json(const T& value) {
  if constexpr (kIsOptional<T>) {
    return value ? Json(*value) : Json(nullptr);
  } else {
    return Json(value);
  }
}

}  // namespace

void read_config(Config& config, const Json& values, const std::string& path,
                 const Origins& origins) {
  FieldList list;
  config.fields(list);
  const std::string prefix = path.empty() ? "" : path + ".";
  const auto origin_of = [&](const std::string& key) {
    const auto it = origins.find(key);
    return it == origins.end() ? std::string() : it->second;
  };
  if (!values.is_object()) {
    fail<InvalidArgument>(
        {.where = "config",
         .rule = (path.empty() ? "a configuration" : path) + " is a table of keys",
         .got = values.dump(),
         .id = "T-CFG-03"});
  }
  config.choose_defaults(values);
  for (const auto& [key, value] : values.items()) {
    const auto& fields = list.fields();
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const Field& candidate) { return candidate.name == key; });
    const std::string origin = origin_of(prefix + key);
    if (field == fields.end()) {
      std::vector<std::string> names;
      for (const Field& known : fields) names.push_back(known.name);
      fail<InvalidArgument>(
          {.where = "config",
           .rule = (origin.empty() ? "" : origin + ": ") + "unknown key \"" + prefix + key + "\"",
           .next = did_you_mean(key, names),
           .id = "T-CFG-01"});
    }
    const Place place{prefix + key, origin, field->info};
    std::visit(
        [&](auto* target) {
          *target = read_value<std::remove_pointer_t<decltype(target)>>(value, place);
        },
        field->value);
  }
  config.validate();
}

Json write_config(Config& config) {
  FieldList list;
  config.fields(list);
  Json values = Json::object();
  for (const Field& field : list.fields()) {
    values[field.name] = std::visit([](const auto* value) { return to_json(*value); }, field.value);
  }
  return values;
}

std::vector<FieldRow> describe_config(Config& config) {
  FieldList list;
  config.fields(list);
  std::vector<FieldRow> rows;
  for (const Field& field : list.fields()) {
    FieldRow row{.name = field.name,
                 .range = range_text(field.info),
                 .unit = std::string(field.info.unit),
                 .help = std::string(field.info.help),
                 .authors_name = std::string(field.info.authors_name)};
    if (!field.info.one_of.empty()) row.range = join(field.info.one_of, ", ");
    std::visit(
        [&](const auto* value) {
          row.type = type_name<std::remove_cvref_t<decltype(*value)>>();
          const Json shown = to_json(*value);
          row.default_value = shown.is_null()           ? "none"
                              : shown.is_number_float() ? shortest(shown.get<double>())
                              : shown.is_string()       ? shown.get<std::string>()
                                                        : shown.dump();
        },
        field.value);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tessera
