#include "tessera/io/ts.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "tessera/io/cursor.h"

namespace tessera::io {
namespace {

/// More steps than any series has: a larger @seriesLength is no length.
constexpr int64_t kMaxSteps = 1'000'000'000;

struct Header {
  bool has_equal_length = false;
  int64_t channels = 0;  ///< 0: not stated
  int64_t steps = 0;     ///< 0: not stated
};

class TsReader {
 public:
  TsReader(std::string_view text, const Origin& origin) : lines_(text, origin, "T-TS-") {}

  SeriesFile read() {
    read_header();
    std::string_view line;
    while (lines_.next(line)) read_series(line);
    return std::move(result_);
  }

 private:
  void read_header() {
    std::string_view line;
    while (lines_.next(line)) {
      if (line[0] != '@') {
        lines_.bad("01", "a header's line begins with @, and @data ends it", shown(line));
      }
      const std::string directive = lower_case(take_word(line));
      if (directive == "@data") {
        if (!line.empty()) lines_.bad("02", "@data stands alone", shown(line));
        return;
      }
      if (!seen_.insert(directive == "@dimension" ? "@dimensions" : directive).second) {
        lines_.bad("03", "a directive is given once", shown(directive));
      }
      read_directive(directive, line);
    }
    lines_.bad("01", "a header ends with @data", "the end of the file");
  }

  void read_directive(const std::string& directive, std::string_view rest) {
    if (directive == "@problemname") {
      result_.name = rest;
    } else if (directive == "@timestamps") {
      if (truth(rest)) refuse_timestamps("@timeStamps true");
    } else if (directive == "@missing") {
      truth(rest);
    } else if (directive == "@univariate") {
      if (truth(rest)) state_channels(1);
    } else if (directive == "@dimensions" || directive == "@dimension") {
      state_channels(count(rest, kMaxSeriesChannels));
    } else if (directive == "@equallength") {
      header_.has_equal_length = truth(rest);
    } else if (directive == "@serieslength") {
      header_.steps = count(rest, kMaxSteps);
    } else if (directive == "@classlabel") {
      if (!truth(take_word(rest))) {
        if (!rest.empty()) lines_.bad("04", "@classLabel false lists no classes", shown(rest));
        return;
      }
      answer_is(SeriesFile::Answer::kClass);
      while (!rest.empty()) lines_.add_class(take_word(rest), result_.class_names);
      if (result_.class_names.empty()) lines_.bad("14", "@classLabel true lists the classes");
    } else if (directive == "@targetlabel") {
      if (truth(rest)) answer_is(SeriesFile::Answer::kValue);
    } else {
      lines_.bad("05",
                 "a directive is @problemName, @timeStamps, @missing, @univariate, @dimensions, "
                 "@equalLength, @seriesLength, @classLabel, @targetLabel or @data",
                 shown(directive));
    }
  }

  bool truth(std::string_view word) const {
    const std::string lower = lower_case(word);
    if (lower != "true" && lower != "false") lines_.bad("04", "true or false", shown(word));
    return lower == "true";
  }

  int64_t count(std::string_view word, int64_t most) const {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    // 0: some files of series that differ say so.
    if (error != std::errc() || end != word.data() + word.size() || value < 0 || value > most) {
      lines_.bad("06", "a count from 0 to " + std::to_string(most), shown(word));
    }
    return value;
  }

  void state_channels(int64_t channels) {
    if (header_.channels > 0 && channels > 0 && channels != header_.channels) {
      lines_.bad("07", "@univariate true means @dimensions 1", std::to_string(channels));
    }
    header_.channels = std::max(header_.channels, channels);
  }

  void answer_is(SeriesFile::Answer answer) {
    if (result_.answer != SeriesFile::Answer::kNone) {
      lines_.bad("08", "a file has @classLabel true or @targetLabel true, not both");
    }
    result_.answer = answer;
  }

  [[noreturn]] void refuse_timestamps(std::string_view got) const {
    lines_.unsupported("09", "series are read as values at equal steps, without time stamps", got,
                       "Resample them, and write the values alone.");
  }

  void read_series(std::string_view line) {
    if (line.find('(') != line.npos) refuse_timestamps("\"(\"");
    const bool has_answer = result_.answer != SeriesFile::Answer::kNone;
    std::string_view answer;
    if (has_answer) {
      const size_t colon = line.rfind(':');
      if (colon == line.npos) lines_.bad("10", "a series is followed by a colon and its label");
      answer = line.substr(colon + 1);
      line = line.substr(0, colon);
    }
    int64_t channels = 0, steps = 0;
    while (true) {
      const size_t colon = std::min(line.find(':'), line.size());
      const int64_t here = read_channel(line.substr(0, colon));
      if (channels > 0 && here != steps) {
        lines_.bad("15", "a series' channels have the same number of steps",
                   std::to_string(steps) + " and " + std::to_string(here));
      }
      steps = here;
      if (++channels > kMaxSeriesChannels) {
        lines_.bad("16", "a series has at most 100,000 channels", "more");
      }
      if (colon == line.size()) break;
      line.remove_prefix(colon + 1);
    }
    check_sizes(channels, steps);
    result_.channels = channels;
    result_.lengths.push_back(steps);
    if (result_.answer == SeriesFile::Answer::kClass) {
      result_.classes.push_back(lines_.class_of(answer, result_.class_names));
    } else if (has_answer) {
      result_.targets.push_back(lines_.target(answer));
    }
  }

  /// Appends the channel's values and returns how many.
  int64_t read_channel(std::string_view text) {
    if (trimmed(text).empty()) lines_.bad("17", "a channel has at least one step", "none");
    int64_t steps = 0;
    while (true) {
      const size_t comma = std::min(text.find(','), text.size());
      result_.values.push_back(lines_.value(text.substr(0, comma)));
      ++steps;
      if (comma == text.size()) return steps;
      text.remove_prefix(comma + 1);
    }
  }

  void check_sizes(int64_t channels, int64_t steps) const {
    const int64_t stated = header_.channels > 0 ? header_.channels : result_.channels;
    if (stated > 0 && channels != stated) {
      lines_.bad("16",
                 "a series has " + std::to_string(stated) +
                     " channels, as the header says or "
                     "the first one",
                 std::to_string(channels));
    }
    if (!header_.has_equal_length) return;
    const int64_t length = header_.steps > 0         ? header_.steps
                           : result_.lengths.empty() ? steps
                                                     : result_.lengths[0];
    if (steps != length) {
      lines_.bad("18", "@equalLength: a series has " + std::to_string(length) + " steps",
                 std::to_string(steps));
    }
  }

  SeriesLines lines_;
  SeriesFile result_;
  Header header_;
  std::set<std::string> seen_;
};

}  // namespace

SeriesFile parse_ts(std::span<const std::byte> bytes, std::string_view file) {
  return TsReader(as_text(bytes), {"ts", file}).read();
}

}  // namespace tessera::io
