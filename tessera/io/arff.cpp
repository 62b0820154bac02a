#include "tessera/io/arff.h"

#include <algorithm>

#include "tessera/io/cursor.h"

namespace tessera::io {
namespace {

/// A step is an attribute of its own; the archives' longest series has 17,984.
constexpr int64_t kMaxAttributes = 10'000'000;

bool is_quote(char c) { return c == '\'' || c == '"'; }

class ArffReader {
 public:
  ArffReader(std::string_view text, const Origin& origin) : lines_(text, origin, "T-ARFF-") {}

  SeriesFile read() {
    read_header();
    std::string_view line;
    while (lines_.next(line)) read_row(line);
    return std::move(result_);
  }

 private:
  void read_header() {
    std::string_view line;
    while (lines_.next(line)) {
      const std::string keyword = lower_case(take_word(line));
      if (keyword == "@relation") {
        if (has_relation_) lines_.bad("01", "@relation is given once");
        has_relation_ = true;
        result_.name = take_name(line);
      } else if (keyword == "@attribute") {
        read_attribute(line);
      } else if (keyword == "@end") {
        if (!is_in_bag_) lines_.bad("02", "@end follows a relational attribute");
        if (take_name(line) != bag_) lines_.bad("02", "@end names the attribute it ends");
        is_in_bag_ = false;
      } else if (keyword == "@data") {
        finish_header();
        return;
      } else {
        lines_.bad("03", "a header's line is @relation, @attribute, @end or @data", shown(keyword));
      }
    }
    lines_.bad("03", "a header ends with @data", "the end of the file");
  }

  /// A name, quoted or not, which is cut off the line.
  std::string_view take_name(std::string_view& line) {
    line = trimmed(line);
    if (line.empty() || !is_quote(line[0])) return take_word(line);
    const size_t end = line.find(line[0], 1);
    if (end == line.npos) lines_.bad("04", "a quote is closed on its line", shown(line));
    const std::string_view name = line.substr(1, end - 1);
    line = trimmed(line.substr(end + 1));
    return name;
  }

  void read_attribute(std::string_view line) {
    if (!has_relation_) lines_.bad("01", "@relation comes first");
    const std::string_view name = take_name(line);
    if (name.empty()) lines_.bad("05", "an attribute has a name");
    if (is_nominal_) lines_.bad("06", "the label is the last attribute", shown(name));
    const std::string type = line.starts_with('{') ? "{" : lower_case(line);
    if (type == "{") {
      if (is_in_bag_) lines_.unsupported("07", "a series' attributes are numeric", shown(line));
      read_classes(line);
    } else if (type == "numeric" || type == "real" || type == "integer") {
      if (is_in_bag_) {
        ++steps_;
      } else {
        ++numeric_;
      }
      if (steps_ + numeric_ > kMaxAttributes) {
        lines_.bad("08", "there are at most ten million attributes", "more");
      }
    } else if (type == "relational") {
      if (!bag_.empty() || numeric_ > 0) {
        lines_.bad("09", "a relational attribute is the first one, and has no other beside it");
      }
      bag_ = name;
      is_in_bag_ = true;
    } else {
      lines_.unsupported("07", "an attribute is numeric, relational or a list of classes",
                         shown(line));
    }
  }

  void read_classes(std::string_view line) {
    if (!line.ends_with('}')) lines_.bad("10", "classes stand between { and }", shown(line));
    line = line.substr(1, line.size() - 2);
    is_nominal_ = true;
    while (true) {
      const std::string_view field = take_field(line);
      lines_.add_class(field, result_.class_names);
      if (line.empty()) return;
      line.remove_prefix(1);
    }
  }

  /// What stands before the next comma, without its quotes. The line is left at the comma.
  std::string_view take_field(std::string_view& line) {
    line = trimmed(line);
    std::string_view field;
    if (!line.empty() && is_quote(line[0])) {
      const size_t end = line.find(line[0], 1);
      if (end == line.npos) lines_.bad("04", "a quote is closed on its line", shown(line));
      field = line.substr(1, end - 1);
      line = trimmed(line.substr(end + 1));
      if (!line.empty() && line[0] != ',') {
        lines_.bad("15", "a comma follows a closing quote", shown(line));
      }
    } else {
      const size_t comma = std::min(line.find(','), line.size());
      field = trimmed(line.substr(0, comma));
      line.remove_prefix(comma);
    }
    return field;
  }

  void finish_header() {
    if (is_in_bag_) lines_.bad("02", "a relational attribute is closed by @end", shown(bag_));
    const bool is_value = !is_nominal_ && numeric_ > 0;
    if (is_value) --numeric_;
    result_.answer = is_nominal_ ? SeriesFile::Answer::kClass
                     : is_value  ? SeriesFile::Answer::kValue
                                 : SeriesFile::Answer::kNone;
    if (bag_.empty()) {
      steps_ = numeric_;
    } else if (numeric_ > 0) {
      lines_.bad("06", "one label follows a relational attribute", std::to_string(numeric_ + 1));
    }
    if (steps_ == 0) lines_.bad("05", "a series has at least one numeric attribute");
  }

  void read_row(std::string_view line) {
    if (line[0] == '{') lines_.unsupported("16", "rows hold every value", "a sparse row");
    const int64_t channels = bag_.empty() ? 1 : read_bag(line);
    if (bag_.empty()) read_values(line, /*is_whole=*/false);
    if (result_.channels > 0 && channels != result_.channels) {
      lines_.bad("17",
                 "a series has " + std::to_string(result_.channels) + " channels, as the first",
                 std::to_string(channels));
    }
    result_.channels = channels;
    result_.lengths.push_back(steps_);
    if (result_.answer == SeriesFile::Answer::kNone) {
      if (!line.empty()) lines_.bad("18", "nothing follows the last attribute", shown(line));
      return;
    }
    if (!line.starts_with(',')) lines_.bad("18", "a label follows the series", shown(line));
    line.remove_prefix(1);
    const std::string_view answer = take_field(line);
    if (!line.empty()) lines_.bad("18", "nothing follows the last attribute", shown(line));
    if (result_.answer == SeriesFile::Answer::kClass) {
      result_.classes.push_back(lines_.class_of(answer, result_.class_names));
    } else {
      result_.targets.push_back(lines_.target(answer));
    }
  }

  /// The quoted rows of a relational value; returns how many channels they are.
  int64_t read_bag(std::string_view& line) {
    if (!is_quote(line[0])) lines_.bad("04", "a relational value is quoted", shown(line));
    std::string_view rows = take_field(line);
    int64_t channels = 0;
    while (true) {
      const size_t end = std::min(rows.find("\\n"), rows.size());
      std::string_view row = rows.substr(0, end);
      read_values(row, /*is_whole=*/true);
      if (++channels > kMaxSeriesChannels) {
        lines_.bad("17", "a series has at most 100,000 channels", "more");
      }
      if (end == rows.size()) return channels;
      rows.remove_prefix(end + 2);
      // Weka ends the last row too.
      if (trimmed(rows).empty()) return channels;
    }
  }

  /// Appends a channel's values and leaves the line behind the last. is_whole: nothing may follow.
  void read_values(std::string_view& line, bool is_whole) {
    for (int64_t step = 0; step < steps_; ++step) {
      if (step > 0) {
        if (line.empty()) {
          lines_.bad("19", "a channel has " + std::to_string(steps_) + " values",
                     std::to_string(step));
        }
        line.remove_prefix(1);
      }
      const size_t comma = std::min(line.find(','), line.size());
      result_.values.push_back(lines_.value(line.substr(0, comma)));
      line.remove_prefix(comma);
    }
    if (is_whole && !line.empty()) {
      lines_.bad("19", "a channel has " + std::to_string(steps_) + " values", "more");
    }
  }

  SeriesLines lines_;
  SeriesFile result_;
  bool has_relation_ = false, is_in_bag_ = false, is_nominal_ = false;
  std::string_view bag_;
  int64_t steps_ = 0, numeric_ = 0;
};

}  // namespace

SeriesFile parse_arff(std::span<const std::byte> bytes, std::string_view file) {
  return ArffReader(as_text(bytes), {"arff", file}).read();
}

}  // namespace tessera::io
