#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tessera/core/error.h"
#include "tessera/io/arff.h"
#include "tessera/io/bvh.h"
#include "tessera/io/bzip2.h"
#include "tessera/io/csv.h"
#include "tessera/io/cursor.h"
#include "tessera/io/gzip.h"
#include "tessera/io/idx.h"
#include "tessera/io/image_list.h"
#include "tessera/io/jpeg.h"
#include "tessera/io/manifest.h"
#include "tessera/io/npy.h"
#include "tessera/io/planetoid_pickle.h"
#include "tessera/io/png.h"
#include "tessera/io/safetensors.h"
#include "tessera/io/tar.h"
#include "tessera/io/ts.h"
#include "tessera/io/unpack.h"
#include "tessera/io/word_vectors.h"
#include "tessera/io/xyz.h"
#include "tessera/io/xz.h"
#include "tessera/io/zip.h"

/// What fuzzing does with each reader, and corpus_test.cpp with each file of the corpus: read all
/// of it and touch every byte that the reader hands out.
namespace tessera::fuzz {

using Bytes = std::span<const std::byte>;

/// Small, so that a bomb shows as a refusal and not as a fuzzer out of memory.
inline constexpr size_t kUnpackedLimit = 1 << 20;

inline void touch(Bytes bytes) {
  uint8_t sum = 0;
  for (const std::byte byte : bytes) sum = static_cast<uint8_t>(sum + std::to_integer<int>(byte));
  [[maybe_unused]] static volatile uint8_t sink;
  sink = sum;
}

/// For what must hold of everything that a reader accepts.
inline void require(bool holds) {
  if (!holds) __builtin_trap();
}

inline void read_safetensors(Bytes bytes) {
  const io::SafetensorsHeader header = io::parse_safetensors(bytes);
  uint64_t end = 0;
  for (const io::SafetensorsEntry& entry : header.entries) {
    require(entry.begin == end);
    end = entry.end;
    touch(header.data.subspan(entry.begin, entry.end - entry.begin));
  }
  require(end == header.data.size());
}

inline void read_npy(Bytes bytes) {
  const io::NpyArray array = io::parse_npy(bytes);
  require(io::byte_size(array.shape, array.type) == array.data.size());
  touch(array.data);
}

inline void read_npz(Bytes bytes) {
  for (const io::ZipEntry& entry : io::read_zip_directory(bytes, kUnpackedLimit)) {
    read_npy(io::read_zip_entry(entry));
  }
}

inline void read_idx(Bytes bytes) {
  std::vector<std::byte> unpacked;
  if (io::is_gzip(bytes)) {
    unpacked = io::gunzip(bytes, kUnpackedLimit);
    bytes = unpacked;
  }
  const io::IdxArray array = io::parse_idx(bytes);
  require(io::byte_size(array.shape, array.type) == array.data.size());
  touch(io::little_endian_bytes(array));
}

inline void read_tar(Bytes bytes) {
  std::vector<std::byte> unpacked;
  io::TarReader reader(io::unpack(bytes, kUnpackedLimit, unpacked));
  while (const std::optional<io::TarEntry> entry = reader.next()) {
    require(!entry->name.empty() && entry->name[0] != '/');
    touch(entry->data);
  }
}

inline void read_xz(Bytes bytes) {
  const std::vector<std::byte> unpacked = io::unxz(bytes, kUnpackedLimit);
  require(unpacked.size() <= kUnpackedLimit);
  touch(unpacked);
}

inline void read_word_vectors(Bytes bytes) {
  const auto every = [](std::string_view) { return true; };
  const io::WordVectors vectors = io::parse_word_vectors(bytes, every);
  require(vectors.dim > 0 && vectors.values.size() == vectors.words.size() * vectors.dim);
  for (const float value : vectors.values) require(std::isfinite(value));
}

inline void read_xyz(Bytes bytes) {
  const io::QM9Molecule molecule = io::parse_qm9_molecule(bytes);
  require(molecule.symbols.size() == molecule.positions.size());
}

inline void check_series(const io::SeriesFile& file) {
  int64_t steps = 0;
  for (const int64_t length : file.lengths) {
    require(length > 0);
    steps += length;
  }
  require(file.values.size() == static_cast<size_t>(steps * file.channels));
  using Answer = io::SeriesFile::Answer;
  require(file.classes.size() == (file.answer == Answer::kClass ? file.lengths.size() : 0));
  require(file.targets.size() == (file.answer == Answer::kValue ? file.lengths.size() : 0));
  for (const int64_t c : file.classes) {
    require(c >= 0 && static_cast<size_t>(c) < file.class_names.size());
  }
  touch(std::as_bytes(std::span(file.values)));
}

inline void read_ts(Bytes bytes) { check_series(io::parse_ts(bytes)); }
inline void read_arff(Bytes bytes) { check_series(io::parse_arff(bytes)); }

/// The first byte says which part of a citation graph the rest is.
inline void read_planetoid(Bytes bytes) {
  if (bytes.empty()) return;
  const Bytes rest = bytes.subspan(1);
  if (bytes[0] == std::byte{'m'}) {
    const io::SparseRows m = io::parse_sparse_pickle(rest);
    require(m.row_ptr.size() == static_cast<size_t>(m.rows) + 1);
    require(m.row_ptr.back() == static_cast<int64_t>(m.col.size()));
    for (const int64_t c : m.col) require(c >= 0 && c < m.cols);
  } else if (bytes[0] == std::byte{'t'}) {
    const io::IntegerTable t = io::parse_table_pickle(rest);
    require(t.value.size() == static_cast<size_t>(t.rows * t.cols));
  } else {
    const io::NeighbourLists g = io::parse_graph_pickle(rest);
    require(g.list_ptr.size() == g.node.size() + 1);
    require(g.list_ptr.back() == static_cast<int64_t>(g.neighbour.size()));
  }
}

/// The first byte says which numbers the rest holds.
inline void read_csv(Bytes bytes) {
  if (bytes.empty()) return;
  const auto is_whole = [](const auto& table) {
    require(table.value.size() == static_cast<size_t>(table.rows * table.cols));
  };
  if (bytes[0] == std::byte{'i'}) {
    is_whole(io::parse_csv_integers(bytes.subspan(1)));
  } else {
    is_whole(io::parse_csv_floats(bytes.subspan(1)));
  }
}

inline void read_image_list(Bytes bytes) {
  for (const io::ImageListEntry& entry : io::parse_image_list(bytes, "/data/pictures")) {
    const std::string parts = "/" + entry.path + "/";
    require(entry.label >= 0 && entry.path.find('\0') == entry.path.npos);
    for (const char* part : {"//", "/./", "/../"}) require(parts.find(part) == parts.npos);
  }
}

inline void read_bvh(Bytes bytes) {
  const io::BvhMotion motion = io::parse_bvh(bytes);
  require(!motion.joints.empty() && motion.joints[0].parent == -1);
  int64_t channels = 0;
  for (size_t j = 0; j < motion.joints.size(); ++j) {
    const io::BvhJoint& joint = motion.joints[j];
    require(joint.parent < static_cast<int64_t>(j) && (j == 0 || joint.parent >= 0));
    require(joint.channels.size() <= 6 && (!joint.name.empty() || joint.channels.empty()));
    channels += static_cast<int64_t>(joint.channels.size());
  }
  require(channels == motion.channels && motion.frame_time > 0);
  require(motion.values.size() == static_cast<size_t>(motion.frames * motion.channels));
  for (const float value : motion.values) require(std::isfinite(value));
}

inline void read_checkpoint(Bytes bytes) {
  const io::Manifest manifest = io::parse_manifest(bytes);
  const std::string text = io::to_text(manifest);
  require(io::to_text(io::parse_manifest(std::as_bytes(std::span(text)))) == text);
}

inline void read_picture(const io::Raster& raster) {
  require(raster.height > 0 && raster.width > 0);
  require(raster.rgb.size() == static_cast<size_t>(raster.height * raster.width * 3));
  touch(std::as_bytes(std::span(raster.rgb)));
}

inline void read_png(Bytes bytes) { read_picture(io::decode_png(bytes, {}, kUnpackedLimit)); }
inline void read_jpeg(Bytes bytes) { read_picture(io::decode_jpeg(bytes, {}, kUnpackedLimit)); }

/// The body of a fuzz target: refusing is right, anything else that goes wrong is a finding.
inline int run(void (*read)(Bytes), const uint8_t* data, size_t size) {
  try {
    read(std::as_bytes(std::span(data, size)));
  } catch (const BadFile&) {
  } catch (const Unsupported&) {
  }
  return 0;
}

}  // namespace tessera::fuzz
