#include "tessera/data/download.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/hash.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

const std::string kText = "the quick brown fox";

/// A mirror with one file, and what is known of it.
struct Fixture {
  io::TemporaryFolder folder;
  std::string root = folder / "root", mirror = folder / "mirror";
  RemoteFile file{.path = "set/a.txt",
                  .url = "https://invalid.invalid/a.txt",
                  .sha256 = io::sha256_hex(std::as_bytes(std::span(kText))),
                  .bytes = static_cast<int64_t>(kText.size())};
  std::string target = root + "/set/a.txt", part = root + "/set/.a.txt.part";

  Fixture() { put(mirror + "/set/a.txt", kText); }

  static void put(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
  }
};

TEST(Download, a_file_appears_when_its_size_and_hash_are_right) {
  Fixture it;
  EXPECT_EQ(state_of(it.file, it.root), FileState::kMissing);
  download(it.file, it.root, it.mirror);
  EXPECT_EQ(io::read_text(it.target), kText);
  EXPECT_FALSE(fs::exists(it.part));
  EXPECT_EQ(state_of(it.file, it.root), FileState::kPresent);
  EXPECT_TRUE(check_file(it.file, it.root));
}

TEST(Download, a_part_is_continued) {
  Fixture it;
  Fixture::put(it.part, kText.substr(0, 7));
  EXPECT_EQ(state_of(it.file, it.root), FileState::kPartial);
  download(it.file, it.root, it.mirror);
  EXPECT_EQ(io::read_text(it.target), kText);
}

TEST(Download, a_wrong_part_is_removed_so_that_the_next_try_starts_over) {
  Fixture it;
  Fixture::put(it.part, "THE QUI");
  EXPECT_THROW(download(it.file, it.root, it.mirror), BadFile);
  EXPECT_FALSE(fs::exists(it.part));
  EXPECT_FALSE(fs::exists(it.target));
  download(it.file, it.root, it.mirror);
  EXPECT_EQ(io::read_text(it.target), kText);
}

TEST(Download, a_file_of_another_size_or_hash_is_refused) {
  Fixture it;
  Fixture::put(it.mirror + "/set/a.txt", kText + "!");
  EXPECT_THROW(download(it.file, it.root, it.mirror), BadFile);
  std::string other = kText;
  other[3] = '_';
  Fixture::put(it.mirror + "/set/a.txt", other);
  EXPECT_THROW(download(it.file, it.root, it.mirror), BadFile);
  EXPECT_FALSE(fs::exists(it.target));
}

TEST(Download, without_a_known_hash_the_first_one_is_kept) {
  Fixture it;
  it.file.sha256.clear();
  it.file.bytes = 0;
  download(it.file, it.root, it.mirror);
  EXPECT_TRUE(check_file(it.file, it.root));
  std::string other = kText;
  other[0] = 'T';
  Fixture::put(it.target, other);
  EXPECT_THROW(check_file(it.file, it.root), BadFile);
  fs::remove(it.target + ".sha256");
  EXPECT_FALSE(check_file(it.file, it.root));
}

TEST(Download, what_is_missing_and_other_protocols_are_input_errors) {
  Fixture it;
  EXPECT_THROW(download(it.file, it.root, it.folder / "nowhere"), Io);
  EXPECT_THROW(download(it.file, it.root, "ftp://127.0.0.1"), Io);
  EXPECT_THROW(check_file(it.file, it.root), Io);
}

}  // namespace
}  // namespace tessera::data
