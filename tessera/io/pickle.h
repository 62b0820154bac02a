#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tessera/io/origin.h"

// What the pickles of Planetoid's graphs hold, as plain values: planetoid_pickle.h says what is
// read and what is refused.

namespace tessera::io::pickle {

/// Where a value lies. Values refer to each other by number, so a list that holds itself is no
/// danger: nothing here walks deeper than the shapes that it looks for.
using Id = uint32_t;

enum class Kind : uint8_t {
  kNone,
  kBool,
  kInt,
  kString,
  kGlobal,
  kTuple,
  kList,
  kDict,
  kArray,
  kDtype,
  kCsr
};

struct Value {
  Kind kind = Kind::kNone;
  /// A dict that makes lists: the graph. An array, dtype or matrix that has had its BUILD.
  bool is_default_dict = false, is_built = false;
  int64_t number = 0;          ///< of a bool, int or Global; of an array or matrix its state's Id
  std::string_view text;       ///< of a string, and of a dtype its name ("f4")
  bool is_big_endian = false;  ///< dtype
  std::vector<Id> items;       ///< of a tuple or list; of a dict key, value, key, value…
};

struct Array {
  std::vector<int64_t> shape;
  std::string_view type;  ///< "i4", "i8", "f4", "f8"
  bool is_big_endian = false;
  std::span<const std::byte> data;

  int64_t size() const {
    int64_t count = 1;
    for (const int64_t axis : shape) count *= axis;
    return count;
  }
};

/// The values of a pickle, and checked views of them. Texts and arrays lie in the pickle's bytes.
class Values {
 public:
  explicit Values(const Origin& origin) : origin_(origin) {}

  const Value& value(Id id) const { return values_[id]; }
  const Value& whole() const { return value(whole_); }  ///< what the pickle is of
  /// The value of a key of a dict, or nullptr. Keys are few.
  const Value* find(const Value& dict, std::string_view key) const;
  /// An array that was BUILT, its parts checked against each other.
  Array array_of(const Value& array, std::string_view what) const;
  /// Sizes of a tuple of non-negative integers whose product is no overflow.
  std::vector<int64_t> shape_of(const Value& tuple, std::string_view what) const;
  [[noreturn]] void wrong(std::string_view what, std::string_view rule) const;

 protected:
  Origin origin_;
  std::vector<Value> values_;
  Id whole_ = 0;
};

/// Runs a pickle to STOP, which must be its last byte. Throws BadFile and Unsupported.
Values run(std::span<const std::byte> bytes, const Origin& origin);

}  // namespace tessera::io::pickle
