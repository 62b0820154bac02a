#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tessera/core/tensor_map.h"

namespace tessera::data {

/// The raw files of QM9 (Ramakrishnan et al. 2014) as figshare serves them.
struct Qm9Files {
  std::string archive;          ///< dsgdb9nsd.xyz.tar.bz2, or the tar that is in it
  std::string uncharacterized;  ///< list of molecules to leave out, numbered from 1
  std::string atom_references;  ///< energies of free atoms
};

/// The properties that a table holds, with the unit of each.
struct Qm9Property {
  std::string name, unit;
};
const std::vector<Qm9Property>& qm9_properties();

/// The atomic numbers in QM9, ascending: H, C, N, O, F.
const std::vector<int64_t>& qm9_species();

inline constexpr int64_t kQm9TrainSize = 100000;

/// Reads the raw files into SPLIT/charges (M, slots) uint8, SPLIT/positions (M, slots, 3) float32
/// in Å and SPLIT/PROPERTY (M) float64, slots being the largest molecule's atoms.
///
/// Molecules of the list are left out. A permutation of the others (NumPy, seed 0) gives the first
/// `train_size` to training and the last tenth to test; within a split they stay in the archive's
/// order. The free atoms' zpve, U0, U, H, G, Cv are subtracted in double (the authors subtract in
/// float32: up to 0.4 meV apart), then Hartree become eV (zpve meV). omega1 is the largest
/// frequency.
/// Throws BadFile where a file breaks its format, an element has no reference energy, or too few
/// molecules are left; Io.
TensorMap read_qm9(const Qm9Files& files, int64_t train_size = kQm9TrainSize,
                   const std::function<void(const std::string&, double)>& progress = {});

/// read_qm9 of the files in `data_root`/qm9, done once: the table is kept beside them.
/// Throws Io where files are missing, saying how to get them.
TensorMap load_qm9(const std::string& data_root,
                   const std::function<void(const std::string&, double)>& progress = {});

}  // namespace tessera::data
