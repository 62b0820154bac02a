#include "tessera/io/xyz.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "tessera/io/cursor.h"

namespace tessera::io {
namespace {

/// QM9 has 29 atoms at most; a file of this size is no small molecule.
constexpr int64_t kMaxAtoms = 1000;
constexpr size_t kMaxBytes = 1 << 20;
constexpr std::string_view kSpaces = " \t\r";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  size_t at = line.find_first_not_of(kSpaces);
  while (at != line.npos) {
    const size_t end = std::min(line.find_first_of(kSpaces, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kSpaces, end);
  }
  return words;
}

class Lines {
 public:
  Lines(std::string_view text, const Origin& origin) : text_(text), origin_(origin) {}

  /// The next line's words; nothing at the end of the file.
  std::optional<std::vector<std::string_view>> next() {
    if (text_.empty()) return std::nullopt;
    const size_t end = std::min(text_.find('\n'), text_.size());
    const std::string_view line = text_.substr(0, end);
    text_.remove_prefix(std::min(end + 1, text_.size()));
    ++number_;
    return words_of(line);
  }
  /// A line that must be there, with `count` words.
  std::vector<std::string_view> take(size_t count, std::string_view what) {
    std::optional<std::vector<std::string_view>> words = next();
    if (!words) ++number_;
    if (!words || words->size() != count) {
      bad("T-XYZ-02", what,
          words ? std::to_string(words->size()) + " words" : "the end of the file");
    }
    return *words;
  }

  double number(std::string_view word) const {
    // Fortran and Mathematica wrote exponents as "1.5*^-6".
    std::string text(word);
    if (const size_t star = text.find("*^"); star != text.npos) text.replace(star, 2, "e");
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
      bad("T-XYZ-03", "a finite number", shown(word));
    }
    return value;
  }
  int64_t integer(std::string_view word, int64_t least, int64_t most) const {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value < least || value > most) {
      bad("T-XYZ-04", "an integer from " + std::to_string(least) + " to " + std::to_string(most),
          shown(word));
    }
    return value;
  }

  [[noreturn]] void bad(std::string_view id, std::string_view what, const std::string& got) const {
    const std::string rule = "line " + std::to_string(number_) + " must hold " + std::string(what);
    origin_.bad(id, rule, got);
  }

 private:
  std::string_view text_;
  Origin origin_;
  int64_t number_ = 0;
};

bool is_symbol(std::string_view word) {
  return !word.empty() && word.size() <= 3 && word[0] >= 'A' && word[0] <= 'Z' &&
         word.find_first_not_of("abcdefghijklmnopqrstuvwxyz", 1) == word.npos;
}

std::vector<std::string> strings_of(const std::vector<std::string_view>& words) {
  return {words.begin(), words.end()};
}

}  // namespace

QM9Molecule parse_qm9_molecule(std::span<const std::byte> bytes, std::string_view file) {
  const Origin origin{"xyz", file};
  if (bytes.size() > kMaxBytes) {
    origin.bad("T-XYZ-01", "a molecule's file must have at most 1 MiB",
               std::to_string(bytes.size()) + " bytes");
  }
  Lines lines(as_text(bytes), origin);
  QM9Molecule molecule;
  const int64_t atoms = lines.integer(lines.take(1, "the number of atoms")[0], 1, kMaxAtoms);

  const auto properties = lines.take(2 + QM9Molecule::kProperties, "tag, index and 15 numbers");
  molecule.tag = properties[0];
  molecule.index = lines.integer(properties[1], 1, 1'000'000'000);
  for (size_t i = 0; i < QM9Molecule::kProperties; ++i) {
    molecule.properties[i] = lines.number(properties[2 + i]);
  }

  for (int64_t i = 0; i < atoms; ++i) {
    const auto atom = lines.take(5, "an atom: symbol x y z charge");
    if (!is_symbol(atom[0])) lines.bad("T-XYZ-05", "an element's symbol", shown(atom[0]));
    molecule.symbols.emplace_back(atom[0]);
    molecule.positions.push_back(
        {lines.number(atom[1]), lines.number(atom[2]), lines.number(atom[3])});
    molecule.partial_charges.push_back(lines.number(atom[4]));
  }

  const auto frequencies = lines.next();
  if (!frequencies) lines.bad("T-XYZ-06", "or be followed by frequencies", "the end of the file");
  for (const std::string_view word : *frequencies) {
    molecule.frequencies.push_back(lines.number(word));
  }
  if (const auto words = lines.next()) molecule.smiles = strings_of(*words);
  if (const auto words = lines.next()) molecule.inchi = strings_of(*words);
  while (const auto words = lines.next()) {
    if (!words->empty()) lines.bad("T-XYZ-07", "nothing behind InChI", shown((*words)[0]));
  }
  return molecule;
}

}  // namespace tessera::io
