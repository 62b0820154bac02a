#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <fstream>
#include <sstream>

#include "tessera/core/config.h"
#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera {
namespace {

// A recipe is a page of text; a larger file is not one.
constexpr size_t kMaxTomlBytes = 4u << 20;

Json convert(const toml::node& node, const std::string& path, const std::string& name,
             Origins& origins) {
  if (!path.empty()) origins[path] = name + ":" + std::to_string(node.source().begin.line);
  if (const toml::table* table = node.as_table()) {
    // toml++ sorts its keys; a document keeps the order in which they were written.
    std::vector<std::pair<std::string, const toml::node*>> items;
    for (const auto& [key, value] : *table) items.emplace_back(std::string(key.str()), &value);
    std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
      const auto& x = a.second->source().begin;
      const auto& y = b.second->source().begin;
      return std::tie(x.line, x.column) < std::tie(y.line, y.column);
    });
    Json object = Json::object();
    for (const auto& [key, value] : items) {
      object[key] = convert(*value, path.empty() ? key : path + "." + key, name, origins);
    }
    return object;
  }
  if (const toml::array* array = node.as_array()) {
    Json list = Json::array();
    for (const toml::node& item : *array) list.push_back(convert(item, "", name, origins));
    return list;
  }
  if (const auto* value = node.as_boolean()) return value->get();
  if (const auto* value = node.as_integer()) return value->get();
  if (const auto* value = node.as_floating_point()) return value->get();
  if (const auto* value = node.as_string()) return value->get();
  fail<InvalidArgument>({.where = "config",
                         .rule = name + ":" + std::to_string(node.source().begin.line) +
                                 ": dates and times have no meaning here",
                         .id = "T-CFG-04"});
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string key_text(const std::string& key) {
  const bool is_bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-';
  });
  return is_bare ? key : quoted(key);
}

std::string value_text(const Json& value) {
  if (value.is_null()) return "\"none\"";
  if (value.is_string()) return quoted(value.get<std::string>());
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::isnan(number)) return "nan";
    if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
    const std::string text = shortest(number);
    // A float stays one when read back: "1" would become an integer.
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  }
  if (value.is_array()) {
    std::vector<std::string> items;
    for (const Json& item : value) items.push_back(value_text(item));
    return "[" + join(items, ", ") + "]";
  }
  if (value.is_object()) {
    std::vector<std::string> items;
    for (const auto& [key, item] : value.items()) {
      items.push_back(key_text(key) + " = " + value_text(item));
    }
    return items.empty() ? "{}" : "{ " + join(items, ", ") + " }";
  }
  return value.dump();
}

}  // namespace

Document parse_toml(std::string_view text, const std::string& name) {
  if (text.size() > kMaxTomlBytes) {
    fail<InvalidArgument>({.where = "config",
                           .rule = name + " is at most 4 MiB",
                           .got = std::to_string(text.size()) + " bytes",
                           .id = "T-CFG-05"});
  }
  Document document;
  try {
    const toml::table table = toml::parse(text, name);
    document.values = convert(table, "", name, document.origins);
  } catch (const toml::parse_error& error) {
    fail<InvalidArgument>({.where = "config",
                           .rule = name + ":" + std::to_string(error.source().begin.line) + ": " +
                                   std::string(error.description()),
                           .next = "See the TOML grammar at toml.io.",
                           .id = "T-CFG-06"});
  }
  return document;
}

Document read_toml_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    fail<Io>({.where = "config",
              .rule = "cannot read " + path,
              .next = "Check the path; `tessera list` shows the recipes.",
              .id = "T-CFG-07"});
  }
  return parse_toml(text.str(), path);
}

std::string write_toml(const Json& values) {
  std::string plain, tables;
  for (const auto& [key, value] : values.items()) {
    if (!value.is_object()) plain += key_text(key) + " = " + value_text(value) + "\n";
  }
  for (const auto& [key, value] : values.items()) {
    if (!value.is_object()) continue;
    tables += "\n[" + key_text(key) + "]\n";
    for (const auto& [name, item] : value.items()) {
      tables += key_text(name) + " = " + value_text(item) + "\n";
    }
  }
  return plain + tables;
}

void apply_setting(Document& document, std::string_view assignment) {
  const size_t equals = assignment.find('=');
  const std::string path(assignment.substr(0, equals));
  if (equals == std::string_view::npos || path.empty()) {
    fail<InvalidArgument>({.where = "--set",
                           .rule = "a setting is key=value",
                           .got = "\"" + std::string(assignment) + "\"",
                           .next = "For example --set train.lr=0.001.",
                           .id = "T-CFG-08"});
  }
  const std::string text(assignment.substr(equals + 1));
  Json value;
  try {
    value = parse_toml("value = " + text, "--set").values.at("value");
  } catch (const std::exception&) {
    value = text;  // a bare word: --set model.architecture=gnn
  }
  Json* place = &document.values;
  const std::vector<std::string> keys = split(path, '.');
  for (size_t i = 0; i + 1 < keys.size(); ++i) {
    Json& next = (*place)[keys[i]];
    if (next.is_null()) next = Json::object();
    if (!next.is_object()) {
      fail<InvalidArgument>({.where = "--set",
                             .rule = "\"" + keys[i] + "\" holds keys",
                             .got = next.dump(),
                             .id = "T-CFG-09"});
    }
    place = &next;
  }
  (*place)[keys.back()] = std::move(value);
  document.origins[path] = "--set";
}

}  // namespace tessera
