#include "tessera/data/qm9.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_set>

#include "tessera/core/error.h"
#include "tessera/data/reference_random.h"
#include "tessera/io/bzip2.h"
#include "tessera/io/file.h"
#include "tessera/io/tar.h"
#include "tessera/io/tensor_file.h"
#include "tessera/io/xyz.h"

namespace tessera::data {
namespace {

using io::QM9Molecule;
using Progress = std::function<void(const std::string&, double)>;

constexpr double kHartreeInEv = 27.2114;
/// The tar of 133,885 small files; ten times that is no QM9.
constexpr size_t kLargestMoleculesArchive = size_t{6} << 30;
constexpr size_t kFilesBetweenProgress = 1000;

struct Element {
  std::string symbol;
  int64_t charge;
};
const std::vector<Element> kElements = {{"H", 1}, {"C", 6}, {"N", 7}, {"O", 8}, {"F", 9}};

/// The columns of the reference file, in its order.
constexpr std::array<QM9Molecule::Property, 6> kReferenced = {QM9Molecule::kZpve, QM9Molecule::kU0,
                                                              QM9Molecule::kU,    QM9Molecule::kH,
                                                              QM9Molecule::kG,    QM9Molecule::kCv};

using References = std::map<int64_t, std::array<double, kReferenced.size()>>;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

std::optional<double> read_number(const std::string& word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return {};
  return value;
}

int64_t charge_of(const std::string& symbol, const std::string& where) {
  const auto element = std::ranges::find(kElements, symbol, &Element::symbol);
  if (element == kElements.end()) {
    fail<BadFile>({.where = "qm9",
                   .rule = where + ": QM9 has the elements H, C, N, O, F",
                   .got = "\"" + symbol + "\"",
                   .id = "T-QM9-01"});
  }
  return element->charge;
}

/// Lines whose first word is a number name a molecule; the others are headings.
std::unordered_set<int64_t> read_excluded(const std::string& path) {
  std::istringstream lines(io::read_text(path));
  std::unordered_set<int64_t> excluded;
  for (std::string line; std::getline(lines, line);) {
    const auto words = words_of(line);
    if (words.empty()) continue;
    int64_t index = 0;
    const char* end = words[0].data() + words[0].size();
    if (std::from_chars(words[0].data(), end, index).ptr == end) excluded.insert(index);
  }
  return excluded;
}

References read_references(const std::string& path) {
  std::istringstream lines(io::read_text(path));
  References references;
  for (std::string line; std::getline(lines, line);) {
    const auto words = words_of(line);
    const auto element =
        words.empty() ? kElements.end() : std::ranges::find(kElements, words[0], &Element::symbol);
    if (element == kElements.end()) continue;
    auto& values = references[element->charge];
    for (size_t k = 0; k < kReferenced.size(); ++k) {
      const auto value = k + 1 < words.size() ? read_number(words[k + 1]) : std::nullopt;
      if (!value) {
        fail<BadFile>({.where = "qm9",
                       .rule = path + ": an element is followed by six numbers",
                       .got = "\"" + line + "\"",
                       .id = "T-QM9-02"});
      }
      values[k] = *value;
    }
  }
  return references;
}

/// What is kept of a molecule.
struct Entry {
  std::vector<int64_t> charges;
  std::vector<std::array<double, 3>> positions;
  std::vector<double> labels;  // in the order of qm9_properties()
};

Entry make_entry(const QM9Molecule& molecule, const References& references,
                 const std::string& name) {
  Entry entry{.positions = molecule.positions};
  for (const std::string& symbol : molecule.symbols) {
    entry.charges.push_back(charge_of(symbol, name));
  }
  auto values = molecule.properties;
  for (const int64_t charge : entry.charges) {
    const auto reference = references.find(charge);
    if (reference == references.end()) {
      fail<BadFile>({.where = "qm9",
                     .rule = "the atom references must have every element of " + name,
                     .got = "none of charge " + std::to_string(charge),
                     .id = "T-QM9-03"});
    }
    for (size_t k = 0; k < kReferenced.size(); ++k) values[kReferenced[k]] -= reference->second[k];
  }
  for (const auto property :
       {QM9Molecule::kHomo, QM9Molecule::kLumo, QM9Molecule::kGap, QM9Molecule::kU0,
        QM9Molecule::kU, QM9Molecule::kH, QM9Molecule::kG}) {
    values[property] *= kHartreeInEv;
  }
  values[QM9Molecule::kZpve] *= kHartreeInEv * 1000;
  entry.labels.assign(values.begin(), values.end());
  const auto& frequencies = molecule.frequencies;
  entry.labels.push_back(frequencies.empty() ? 0 : std::ranges::max(frequencies));
  return entry;
}

std::vector<Entry> read_archive(const Qm9Files& files, const Progress& progress) {
  const auto excluded = read_excluded(files.uncharacterized);
  const References references = read_references(files.atom_references);
  const io::MappedFile file(files.archive);
  std::span<const std::byte> bytes = file.bytes();
  std::vector<std::byte> unpacked;
  if (files.archive.ends_with(".bz2")) {
    if (progress) progress("unpacking " + files.archive, 0);
    unpacked = io::bunzip2(bytes, kLargestMoleculesArchive, files.archive);
    bytes = unpacked;
  }
  io::TarReader tar(bytes, files.archive);
  std::vector<Entry> entries;
  // Numbered by their place in the archive, as the authors do.
  int64_t index = 0;
  while (const auto file_in_tar = tar.next()) {
    if (++index % kFilesBetweenProgress == 0 && progress) {
      const auto read = static_cast<double>(file_in_tar->data.data() - bytes.data());
      progress("reading molecules", read / static_cast<double>(bytes.size()));
    }
    if (excluded.contains(index)) continue;
    const QM9Molecule molecule = io::parse_qm9_molecule(file_in_tar->data, file_in_tar->name);
    entries.push_back(make_entry(molecule, references, file_in_tar->name));
  }
  return entries;
}

/// The molecules of one split as padded tensors.
TensorMap to_table(const std::vector<Entry>& entries, const std::vector<int64_t>& chosen,
                   int64_t slots) {
  const auto size = static_cast<int64_t>(chosen.size());
  const at::Tensor charges = at::zeros({size, slots}, at::kByte);
  const at::Tensor positions = at::zeros({size, slots, 3}, at::kFloat);
  std::vector<at::Tensor> labels;
  for (size_t p = 0; p < qm9_properties().size(); ++p)
    labels.push_back(at::empty({size}, at::kDouble));

  auto charges_Ms = charges.accessor<uint8_t, 2>();
  auto positions_Ms3 = positions.accessor<float, 3>();
  for (int64_t m = 0; m < size; ++m) {
    const Entry& entry = entries[static_cast<size_t>(chosen[static_cast<size_t>(m)])];
    for (size_t a = 0; a < entry.charges.size(); ++a) {
      const auto slot = static_cast<int64_t>(a);
      charges_Ms[m][slot] = static_cast<uint8_t>(entry.charges[a]);
      for (size_t axis = 0; axis < 3; ++axis) {
        positions_Ms3[m][slot][static_cast<int64_t>(axis)] =
            static_cast<float>(entry.positions[a][axis]);
      }
    }
    for (size_t p = 0; p < labels.size(); ++p) {
      labels[p].mutable_data_ptr<double>()[m] = entry.labels[p];
    }
  }
  TensorMap table{{"charges", charges}, {"positions", positions}};
  for (size_t p = 0; p < labels.size(); ++p) table.set(qm9_properties()[p].name, labels[p]);
  return table;
}

}  // namespace

const std::vector<Qm9Property>& qm9_properties() {
  static const std::vector<Qm9Property> properties = {
      {"A", "GHz"},       {"B", "GHz"},    {"C", "GHz"},        {"mu", "D"},
      {"alpha", "bohr³"}, {"homo", "eV"},  {"lumo", "eV"},      {"gap", "eV"},
      {"r2", "bohr²"},    {"zpve", "meV"}, {"U0", "eV"},        {"U", "eV"},
      {"H", "eV"},        {"G", "eV"},     {"Cv", "cal/mol K"}, {"omega1", "cm⁻¹"}};
  return properties;
}

const std::vector<int64_t>& qm9_species() {
  static const std::vector<int64_t> species = {1, 6, 7, 8, 9};
  return species;
}

TensorMap read_qm9(const Qm9Files& files, int64_t train_size, const Progress& progress) {
  const std::vector<Entry> entries = read_archive(files, progress);
  const auto size = static_cast<int64_t>(entries.size());
  const int64_t test_size = size / 10;
  if (size < train_size + test_size || train_size < 1 || test_size < 1) {
    fail<BadFile>({.where = "qm9",
                   .rule = files.archive + " must hold molecules for " +
                           std::to_string(train_size) + " in training and a tenth in test",
                   .got = std::to_string(size),
                   .next = "Get the whole archive.",
                   .id = "T-QM9-04"});
  }
  size_t largest = 0;
  for (const Entry& entry : entries) largest = std::max(largest, entry.charges.size());

  const std::vector<int64_t> order = NumpyRandom(0).permutation(size);
  const auto part = [&](int64_t begin, int64_t end) {
    std::vector<int64_t> chosen(order.begin() + begin, order.begin() + end);
    std::ranges::sort(chosen);
    return to_table(entries, chosen, static_cast<int64_t>(largest));
  };
  TensorMap tables;
  tables.merge(part(0, train_size).prefixed("train/"));
  tables.merge(part(train_size, size - test_size).prefixed("valid/"));
  tables.merge(part(size - test_size, size).prefixed("test/"));
  return tables;
}

TensorMap load_qm9(const std::string& data_root, const Progress& progress) {
  const std::filesystem::path folder = std::filesystem::path(data_root) / "qm9";
  const std::string table = (folder / "table-1.safetensors").string();
  if (std::filesystem::exists(table)) return io::read_tensor_file(table).tensors;

  const Qm9Files files{.archive = (folder / "dsgdb9nsd.xyz.tar.bz2").string(),
                       .uncharacterized = (folder / "uncharacterized.txt").string(),
                       .atom_references = (folder / "atomref.txt").string()};
  for (const std::string& path : {files.archive, files.uncharacterized, files.atom_references}) {
    if (std::filesystem::exists(path)) continue;
    fail<Io>({.where = "qm9",
              .rule = "QM9's raw files must lie in " + folder.string(),
              .got = "no " + std::filesystem::path(path).filename().string(),
              .next = "`tessera data get qm9` fetches them.",
              .id = "T-QM9-05"});
  }
  const TensorMap tables = read_qm9(files, kQm9TrainSize, progress);
  io::write_tensor_file(table, tables);
  return tables;
}

}  // namespace tessera::data
