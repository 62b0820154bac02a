#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera {

/// Named values in the order of their registration. T has a member `name`.
template <class T>
class Registry {
 public:
  /// `what` names the entries in messages: "system", "task".
  explicit Registry(std::string what) : what_(std::move(what)) {}

  /// Throws Internal on a name that is taken.
  void add(T entry) {
    for (const T& e : entries_) {
      if (e.name == entry.name) {
        fail<Internal>({.where = what_, .rule = "names are unique", .got = entry.name});
      }
    }
    entries_.push_back(std::move(entry));
  }

  const std::vector<T>& all() const { return entries_; }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const T& e : entries_) names.push_back(e.name);
    return names;
  }

  /// Throws InvalidArgument with the nearest name.
  const T& at(std::string_view name) const {
    for (const T& e : entries_) {
      if (e.name == name) return e;
    }
    fail<InvalidArgument>({.where = what_,
                           .rule = "unknown " + what_ + " \"" + std::string(name) + "\"",
                           .next = did_you_mean(name, names()),
                           .id = "T-REG-01"});
  }

  /// The entries whose name matches a wildcard pattern; throws InvalidArgument when none does.
  std::vector<const T*> matching(std::string_view pattern) const {
    std::vector<const T*> found;
    for (const T& e : entries_) {
      if (glob_match(pattern, e.name)) found.push_back(&e);
    }
    if (found.empty()) at(pattern);
    return found;
  }

 private:
  std::string what_;
  std::vector<T> entries_;
};

}  // namespace tessera
