#include "cli/arguments.h"

#include <algorithm>
#include <charconv>

#include "cli/help.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::cli {
namespace {

const Option* find_option(const Verb& verb, std::string_view name) {
  for (const Option& option : verb.options) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

[[noreturn]] void refuse(const Verb& verb, const std::string& rule, const std::string& got,
                         const std::string& next) {
  fail<InvalidArgument>(
      {.where = verb.name, .rule = rule, .got = got, .next = next, .id = "T-CLI-02"});
}

std::string usage_hint(const Verb& verb) { return "Usage: " + usage(verb); }

}  // namespace

Arguments::Arguments(const Verb& verb, const std::vector<std::string>& words) : verb_(&verb) {
  bool options_end = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!options_end && word == "--") {
      options_end = true;
    } else if (!options_end && (word == "--help" || word == "-h")) {
      wants_help_ = true;
    } else if (!options_end && word.size() > 1 && word[0] == '-') {
      take_option(words, i);
    } else {
      positional_.push_back(word);
    }
  }
  if (!wants_help_) check_count();
}

void Arguments::take_option(const std::vector<std::string>& words, size_t& i) {
  const std::string& word = words[i];
  const size_t equals = word.find('=');
  const std::string given = word.substr(0, equals);
  const std::string name = given.substr(given.starts_with("--") ? 2 : 1);
  const Option* option = given.starts_with("--") ? find_option(*verb_, name) : nullptr;
  if (!option) {
    std::vector<std::string> known{"--help"};
    for (const Option& other : verb_->options) known.push_back("--" + std::string(other.name));
    refuse(*verb_, "unknown option \"" + given + "\"", "", did_you_mean(given, known));
  }
  std::vector<std::string>& values = options_[name];
  if (option->value.empty()) {
    if (equals != std::string::npos) refuse(*verb_, given + " takes no value", word, "");
    values.push_back("");
    return;
  }
  std::string value;
  if (equals != std::string::npos) {
    value = word.substr(equals + 1);
  } else if (i + 1 < words.size()) {
    value = words[++i];
  } else {
    refuse(*verb_, given + " takes a value", "none",
           "Write " + given + " " + std::string(option->value) + ".");
  }
  if (!option->one_of.empty() &&
      std::find(option->one_of.begin(), option->one_of.end(), value) == option->one_of.end()) {
    const std::vector<std::string> allowed(option->one_of.begin(), option->one_of.end());
    refuse(*verb_, given + " is one of " + join(allowed, ", "), "\"" + value + "\"", "");
  }
  values.push_back(value);
}

void Arguments::check_count() const {
  const auto count = static_cast<int>(positional_.size());
  if (count < verb_->min_arguments) {
    refuse(*verb_, "needs " + std::string(verb_->arguments),
           count == 0 ? "nothing" : join(positional_, " "), usage_hint(*verb_));
  }
  if (verb_->max_arguments >= 0 && count > verb_->max_arguments) {
    const std::string takes = verb_->max_arguments == 0 ? "nothing" : std::string(verb_->arguments);
    refuse(*verb_, "takes " + takes, join(positional_, " "), usage_hint(*verb_));
  }
}

bool Arguments::has(std::string_view option) const {
  if (!find_option(*verb_, option)) {
    fail<Internal>({.where = verb_->name, .rule = "does not list --" + std::string(option)});
  }
  return options_.find(option) != options_.end();
}

std::string Arguments::get(std::string_view option, std::string_view otherwise) const {
  return has(option) ? options_.find(option)->second.back() : std::string(otherwise);
}

std::vector<std::string> Arguments::all(std::string_view option) const {
  return has(option) ? options_.find(option)->second : std::vector<std::string>();
}

int64_t Arguments::integer(std::string_view option, int64_t otherwise, int64_t min) const {
  if (!has(option)) return otherwise;
  const std::string text = get(option);
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end || number < min) {
    refuse(*verb_, "--" + std::string(option) + " is an integer of at least " + std::to_string(min),
           "\"" + text + "\"", "");
  }
  return number;
}

}  // namespace tessera::cli
