// The fuzzing corpus as a regression test: "ok_..." is accepted, "<id>_..." is refused with that
// id.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "tessera/io/file.h"
#include "tests/fuzz/readers.h"

namespace tessera {
namespace {

struct CorpusFile {
  void (*read)(fuzz::Bytes);
  std::filesystem::path path;
};

void PrintTo(const CorpusFile& file, std::ostream* out) { *out << file.path; }

std::vector<CorpusFile> corpus() {
  const std::pair<const char*, void (*)(fuzz::Bytes)> readers[] = {
      {"safetensors", fuzz::read_safetensors},
      {"npy", fuzz::read_npy},
      {"npz", fuzz::read_npz},
      {"idx", fuzz::read_idx},
      {"tar", fuzz::read_tar},
      {"xyz", fuzz::read_xyz},
      {"ts", fuzz::read_ts},
      {"arff", fuzz::read_arff},
      {"checkpoint", fuzz::read_checkpoint},
      {"xz", fuzz::read_xz},
      {"word_vectors", fuzz::read_word_vectors},
      {"png", fuzz::read_png},
      {"jpeg", fuzz::read_jpeg},
      {"planetoid", fuzz::read_planetoid},
      {"csv", fuzz::read_csv},
      {"bvh", fuzz::read_bvh},
      {"image_list", fuzz::read_image_list}};
  std::vector<CorpusFile> files;
  for (const auto& [name, read] : readers) {
    const auto folder = std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/fuzz/corpus" / name;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      files.push_back({read, entry.path()});
    }
  }
  std::sort(files.begin(), files.end(), [](auto& a, auto& b) { return a.path < b.path; });
  return files;
}

std::string test_name(const testing::TestParamInfo<CorpusFile>& info) {
  std::string name =
      info.param.path.parent_path().filename().string() + "_" + info.param.path.filename().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class Corpus : public testing::TestWithParam<CorpusFile> {};

TEST_P(Corpus, file_is_taken_or_refused_as_its_name_says) {
  const std::string name = GetParam().path.filename().string();
  const std::string expected = name.substr(0, name.find('_'));
  const io::MappedFile file(GetParam().path.string());
  std::string id = "ok";
  try {
    GetParam().read(file.bytes());
  } catch (const Error& error) {
    id = error.id();
    EXPECT_NE(std::string(error.what()).find("  (" + id + ")"), std::string::npos);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
  }
  EXPECT_EQ(id, expected);
}

INSTANTIATE_TEST_SUITE_P(All, Corpus, testing::ValuesIn(corpus()), test_name);

}  // namespace
}  // namespace tessera
