#include "tessera/io/strict_json.h"

#include <set>
#include <utility>
#include <vector>

namespace tessera::io {
namespace {

/// Builds the document from the parser's events, which come without recursion.
class DocumentBuilder final : public nlohmann::json_sax<Json> {
 public:
  explicit DocumentBuilder(const Origin& origin) : origin_(origin) {}

  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& key) override {
    if (!open_.back().keys.insert(key).second) {
      origin_.bad("T-JSON-02", "every key of an object must be given once", shown(key) + " twice");
    }
    key_ = std::move(key);
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    origin_.bad("T-JSON-01", "the text must be JSON in UTF-8",
                "a syntax error at byte " + std::to_string(position));
  }

 private:
  struct Level {
    Json* value;
    std::set<std::string> keys;
  };

  Json& place(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& parent = *open_.back().value;
    if (parent.is_array()) return parent.emplace_back(std::move(value));
    // The keys are known to differ, so the object's linear search for one can be left out.
    auto& members = parent.get_ref<Json::object_t&>();
    members.Container::emplace_back(std::move(key_), std::move(value));
    return members.back().second;
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (open_.size() == kJsonDepthLimit) {
      origin_.bad("T-JSON-03", "the text must have at most 32 levels", "more");
    }
    open_.push_back({&place(std::move(value)), {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Origin origin_;
  Json root_;
  std::vector<Level> open_;
  std::string key_;
};

}  // namespace

Json parse_strict_json(std::string_view text, const Origin& origin) {
  // The lexer takes a zero byte for the end and passes over what follows it.
  if (const size_t zero = text.find('\0'); zero != text.npos) {
    origin.bad("T-JSON-01", "the text must be JSON in UTF-8",
               "a zero byte at byte " + std::to_string(zero));
  }
  DocumentBuilder builder(origin);
  Json::sax_parse(text, &builder);
  return builder.take();
}

}  // namespace tessera::io
