#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/io/origin.h"

namespace tessera::io {

/// What a file of labelled time series holds, whichever its format.
struct SeriesFile {
  enum class Answer { kNone, kClass, kValue };

  std::string name;              ///< the problem's
  int64_t channels = 0;          ///< of every series; 0 where the file has no series
  std::vector<int64_t> lengths;  ///< steps of each series
  /// Series after series, of each channel after channel, of each step after step. NaN: missing.
  std::vector<float> values;
  Answer answer = Answer::kNone;
  std::vector<std::string> class_names;  ///< kClass, in the header's order
  std::vector<int64_t> classes;          ///< kClass: of each series, an index into class_names
  std::vector<double> targets;           ///< kValue: of each series
};

/// More channels than any archive has (the largest of UEA's have 1,345): above it, the separator
/// was probably not one.
inline constexpr int64_t kMaxSeriesChannels = 100'000;
/// Likewise of classes (UCR's largest have 60).
inline constexpr size_t kMaxSeriesClasses = 10'000;
/// A double needs 24 characters; longer ones are padding, and slow to read.
inline constexpr size_t kMaxNumberLength = 64;

/// Walks over the lines of a text file, without their ends (LF or CR LF), and complains by line.
/// Ids are made of the format's prefix and a number: "T-TS-" and "04".
class SeriesLines {
 public:
  SeriesLines(std::string_view text, const Origin& origin, std::string_view prefix)
      : text_(text), origin_(origin), prefix_(prefix) {}

  /// The next line that is neither blank nor a comment (# or %), trimmed. False at the end.
  bool next(std::string_view& line);

  /// A number as the formats write it, "?" or NaN for a missing one.
  /// Complains (number 11) about what is no number, infinite, or outside float's range.
  float value(std::string_view word) const;
  /// A finite number that must be there (number 12).
  double target(std::string_view word) const;
  /// The class's index, or a complaint (number 13) that lists a few.
  int64_t class_of(std::string_view word, const std::vector<std::string>& names) const;
  /// Adds a class to the header's list: complains about duplicates, empty names, too many (14).
  void add_class(std::string_view name, std::vector<std::string>& names) const;

  [[noreturn]] void bad(std::string_view number, std::string_view rule, std::string_view got = {},
                        std::string_view next = {}) const;
  [[noreturn]] void unsupported(std::string_view number, std::string_view rule,
                                std::string_view got = {}, std::string_view next = {}) const;

 private:
  std::string_view text_;
  Origin origin_;
  std::string_view prefix_;
  int64_t number_ = 0;
};

std::string_view trimmed(std::string_view text);
std::string lower_case(std::string_view text);
/// The first word of a line, which is cut off it.
std::string_view take_word(std::string_view& line);

}  // namespace tessera::io
