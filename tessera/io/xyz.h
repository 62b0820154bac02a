#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::io {

/// One molecule of QM9's raw files (Ramakrishnan et al. 2014, table 2), in the files' own units.
struct QM9Molecule {
  /// The numbers of the second line, in its order.
  enum Property { kA, kB, kC, kMu, kAlpha, kHomo, kLumo, kGap, kR2, kZpve, kU0, kU, kH, kG, kCv };
  static constexpr size_t kProperties = 15;

  std::string tag;    ///< "gdb"
  int64_t index = 0;  ///< from 1
  std::array<double, kProperties> properties{};
  std::vector<std::string> symbols;              ///< one an atom: "C"
  std::vector<std::array<double, 3>> positions;  ///< Å
  std::vector<double> partial_charges;           ///< Mulliken, e
  std::vector<double> frequencies;               ///< harmonic vibrations, cm⁻¹
  std::vector<std::string> smiles, inchi;        ///< before and after relaxation
};

/// Parses one file: atom count; tag, index and 15 numbers; `symbol x y z charge` an atom;
/// frequencies; SMILES; InChI (the last two lines may be missing). Numbers may write "*^" for the
/// exponent's "e". Throws BadFile naming the line.
QM9Molecule parse_qm9_molecule(std::span<const std::byte> bytes, std::string_view file = {});

}  // namespace tessera::io
