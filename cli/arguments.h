#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::cli {

struct Verb;

/// What was given to a verb, checked against its row of the table of verbs.
class Arguments {
 public:
  /// `words` are those after the verb. Accepts `--name value`, `--name=value` and `--`, after which
  /// everything is positional. Throws InvalidArgument with the nearest name or the usage.
  Arguments(const Verb& verb, const std::vector<std::string>& words);

  const Verb& verb() const { return *verb_; }
  const std::vector<std::string>& positional() const { return positional_; }
  bool wants_help() const { return wants_help_; }

  /// Options by name without dashes. Asking for one that the verb does not list is our bug.
  bool has(std::string_view option) const;
  /// The value; the last one where it was given twice; `otherwise` where it was not.
  std::string get(std::string_view option, std::string_view otherwise = "") const;
  /// All values in the order given.
  std::vector<std::string> all(std::string_view option) const;
  /// Throws InvalidArgument on anything but an integer of at least `min`.
  int64_t integer(std::string_view option, int64_t otherwise, int64_t min) const;

 private:
  void take_option(const std::vector<std::string>& words, size_t& i);
  void check_count() const;

  const Verb* verb_;
  bool wants_help_ = false;
  std::vector<std::string> positional_;
  std::map<std::string, std::vector<std::string>, std::less<>> options_;
};

}  // namespace tessera::cli
