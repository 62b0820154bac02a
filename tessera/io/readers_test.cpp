// What the readers of foreign formats give; what they refuse is in the corpus (corpus_test.cpp).

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tessera/core/error.h"
#include "tessera/io/bzip2.h"
#include "tessera/io/cursor.h"
#include "tessera/io/file.h"
#include "tessera/io/gzip.h"
#include "tessera/io/idx.h"
#include "tessera/io/manifest.h"
#include "tessera/io/npy.h"
#include "tessera/io/strict_json.h"
#include "tessera/io/tar.h"
#include "tessera/io/unpack.h"
#include "tessera/io/word_vectors.h"
#include "tessera/io/xyz.h"
#include "tessera/io/xz.h"
#include "tessera/io/zip.h"

namespace tessera::io {
namespace {

std::vector<std::byte> corpus(const std::string& name) {
  return read_bytes(std::string(TESSERA_SOURCE_DIR) + "/tests/fuzz/corpus/" + name);
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Npy, header_gives_type_order_and_shape) {
  const auto bytes = corpus("npy/ok_fortran_order");
  const NpyArray array = parse_npy(bytes);
  EXPECT_EQ(array.type, ElementType::kF32);
  EXPECT_TRUE(array.is_fortran_order);
  EXPECT_EQ(array.shape, (std::vector<int64_t>{1, 2}));
}

TEST(Zip, files_are_listed_in_the_order_of_the_directory_and_unpacked) {
  for (const char* name : {"npz/ok_stored", "npz/ok_deflated", "npz/ok_zip64", "npz/ok_comment"}) {
    const auto bytes = corpus(name);
    const std::vector<ZipEntry> entries = read_zip_directory(bytes, 1 << 20);
    ASSERT_FALSE(entries.empty()) << name;
    EXPECT_EQ(entries[0].name, "a.npy");
    EXPECT_EQ(parse_npy(read_zip_entry(entries[0])).shape, std::vector<int64_t>{2});
  }
}

TEST(Gzip, members_are_joined) {
  const auto bytes = corpus("idx/ok_two_gzip_members");
  EXPECT_EQ(gunzip(bytes, 16), corpus("idx/ok_images"));
  EXPECT_THROW(gunzip(bytes, 15), BadFile);
}

TEST(Bzip2, gives_what_was_packed_up_to_the_limit) {
  const auto bytes = corpus("tar/ok_bzip2"), plain = corpus("tar/ok_ustar");
  EXPECT_EQ(bunzip2(bytes, plain.size()), plain);
  EXPECT_THROW(bunzip2(bytes, plain.size() - 1), BadFile);
  auto twice = bytes;
  twice.insert(twice.end(), bytes.begin(), bytes.end());
  EXPECT_EQ(bunzip2(twice, 1 << 20).size(), 2 * plain.size());
}

TEST(Xz, gives_what_was_packed_up_to_the_limit) {
  const auto bytes = corpus("tar/ok_xz"), plain = corpus("tar/ok_ustar");
  EXPECT_EQ(unxz(bytes, plain.size()), plain);
  EXPECT_THROW(unxz(bytes, plain.size() - 1), BadFile);
  auto twice = bytes;
  twice.insert(twice.end(), bytes.begin(), bytes.end());
  EXPECT_EQ(unxz(twice, 1 << 20).size(), 2 * plain.size());
}

TEST(Unpack, every_packing_gives_the_same_bytes) {
  const auto plain = corpus("tar/ok_ustar");
  for (const char* name : {"tar/ok_ustar", "tar/ok_bzip2", "tar/ok_xz"}) {
    const auto bytes = corpus(name);
    std::vector<std::byte> storage;
    const auto content = unpack(bytes, 1 << 20, storage);
    EXPECT_TRUE(std::equal(content.begin(), content.end(), plain.begin(), plain.end())) << name;
  }
  std::vector<std::byte> storage;
  const auto bytes = corpus("idx/ok_gzip");
  const auto content = unpack(bytes, 1 << 20, storage);
  EXPECT_EQ(std::vector<std::byte>(content.begin(), content.end()), corpus("idx/ok_images"));
  EXPECT_THROW(unpack(bytes, 3, storage), BadFile);
}

TEST(WordVectors, only_wanted_words_are_kept) {
  const auto bytes = corpus("word_vectors/ok_word_with_spaces");
  const WordVectors vectors =
      parse_word_vectors(bytes, [](std::string_view word) { return word != "film"; });
  EXPECT_EQ(vectors.dim, 3u);
  EXPECT_EQ(vectors.words, (std::vector<std::string>{"the", ". . ."}));
  EXPECT_EQ(vectors.values, (std::vector<float>{0.5f, -1, 2e-3f, 1, 2, 3}));
}

TEST(Idx, wide_elements_come_in_native_order) {
  const auto bytes = corpus("idx/ok_i16");
  const IdxArray array = parse_idx(bytes);
  EXPECT_EQ(array.shape, std::vector<int64_t>{3});
  const std::vector<std::byte> native = little_endian_bytes(array);
  int16_t values[3];
  ASSERT_EQ(native.size(), sizeof values);
  std::memcpy(values, native.data(), sizeof values);
  EXPECT_EQ(values[0], 0x0001);
  EXPECT_EQ(values[2], 0x0405);
}

TEST(Tar, gives_names_and_contents) {
  const auto bytes = corpus("tar/ok_ustar");
  TarReader reader(bytes);
  const std::optional<TarEntry> first = reader.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->name, "a.txt");
  EXPECT_EQ(as_text(first->data), "hello");
  EXPECT_EQ(reader.next()->name, "b/c.txt");
  EXPECT_FALSE(reader.next());
}

TEST(Tar, long_names_of_every_dialect_are_read) {
  std::string folders;
  for (int i = 0; i < 60; ++i) folders += "d/";
  for (const char* name : {"tar/ok_ustar_prefix", "tar/ok_gnu_long_name"}) {
    const auto bytes = corpus(name);
    EXPECT_EQ(TarReader(bytes).next()->name, folders + "e") << name;
  }
  const auto bytes = corpus("tar/ok_pax_long_name");
  EXPECT_EQ(TarReader(bytes).next()->name.size(), 160u);
}

TEST(Tar, folders_are_passed_over) {
  const auto bytes = corpus("tar/ok_folder");
  EXPECT_FALSE(TarReader(bytes).next());
}

TEST(Xyz, a_molecule_is_read_in_the_files_units) {
  const auto bytes = corpus("xyz/ok_molecule");
  const QM9Molecule molecule = parse_qm9_molecule(bytes);
  EXPECT_EQ(molecule.tag, "gdb");
  EXPECT_EQ(molecule.index, 1);
  EXPECT_EQ(molecule.properties[QM9Molecule::kHomo], -0.3877);
  EXPECT_EQ(molecule.properties[QM9Molecule::kCv], 6.4);
  EXPECT_EQ(molecule.symbols, std::vector<std::string>{"C"});
  EXPECT_EQ(molecule.positions[0], (std::array<double, 3>{0.0, 1.5e-6, -1.0}));
  EXPECT_EQ(molecule.partial_charges[0], -0.5);
  EXPECT_EQ(molecule.frequencies, (std::vector<double>{1341.3, 1341.4}));
  EXPECT_EQ(molecule.smiles, (std::vector<std::string>{"C", "C"}));
  EXPECT_EQ(molecule.inchi.size(), 2u);
}

TEST(Xyz, complaints_name_the_line) {
  try {
    parse_qm9_molecule(bytes_of("1\ngdb 1\n"), "a.xyz");
    FAIL();
  } catch (const BadFile& error) {
    EXPECT_STREQ(error.what(),
                 "[xyz] a.xyz: line 2 must hold tag, index and 15 numbers, but got 2 words.  "
                 "(T-XYZ-02)");
  }
}

TEST(Xyz, a_file_too_large_for_a_molecule_is_refused) {
  const std::string text((1 << 20) + 1, ' ');
  try {
    parse_qm9_molecule(bytes_of(text));
    FAIL();
  } catch (const BadFile& error) {
    EXPECT_EQ(error.id(), "T-XYZ-01");
  }
}

TEST(Manifest, a_file_too_large_for_one_is_refused) {
  const std::string text((1 << 20) + 1, ' ');
  try {
    parse_manifest(bytes_of(text));
    FAIL();
  } catch (const BadFile& error) {
    EXPECT_EQ(error.id(), "T-CKPT-01");
  }
}

TEST(StrictJson, documents_keep_their_order_and_values) {
  const std::string text = R"({"b": [1, -2, 2.5, null, {"x": true}], "a": "é"})";
  const Json json = parse_strict_json(text, {"json", ""});
  EXPECT_EQ(json, Json::parse(text));
  EXPECT_EQ(json.begin().key(), "b");
}

TEST(ByteSize, overflow_shows_even_beside_a_zero) {
  const auto size = [](std::vector<int64_t> shape) { return byte_size(shape, ElementType::kF64); };
  EXPECT_EQ(size({}), 8u);
  EXPECT_EQ(size({3, 0}), 0u);
  EXPECT_EQ(size({int64_t{1} << 59}), uint64_t{1} << 62);
  EXPECT_EQ(size({int64_t{1} << 60}), std::nullopt);
  EXPECT_EQ(size({0, int64_t{1} << 40, int64_t{1} << 40}), std::nullopt);
  EXPECT_EQ(size({-1}), std::nullopt);
}

}  // namespace
}  // namespace tessera::io
