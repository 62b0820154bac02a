#include "tessera/data/imdb.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tessera/core/error.h"
#include "tessera/io/temporary_folder.h"
#include "tessera/io/test_tar.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

using Files = std::vector<std::pair<std::string, std::string>>;

const Files kFiles = {
    {"aclImdb/README", "About"},
    {"aclImdb/train/pos/10_9.txt", "Good <br />film"},
    {"aclImdb/train/pos/9_7.txt", "Fine"},
    {"aclImdb/train/neg/0_3.txt", "Bad"},
    {"aclImdb/train/unsup/0_0.txt", "Nobody said"},
    {"aclImdb/train/urls_pos.txt", "http"},
    {"aclImdb/test/neg/7_1.txt", "Worse"},
    {"aclImdb/test/pos/0_10.txt", "Best"},
};

using io::tar_of;

void put(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string complaint(const std::string& path) {
  try {
    read_imdb(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no complaint";
}

bool has_text(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Imdb, archive_and_folder_give_the_same_reviews_in_the_order_of_their_numbers) {
  const io::TemporaryFolder folder;
  put(folder / "a.tar", tar_of(kFiles));
  for (const auto& [name, text] : kFiles) put(folder / name, text);
  for (const char* path : {"a.tar", "aclImdb"}) {
    const ReviewData data = read_imdb(folder / path);
    ASSERT_EQ(data.train.size(), 3u) << path;
    ASSERT_EQ(data.test.size(), 2u) << path;
    EXPECT_EQ(data.train[0].text, "Bad");
    EXPECT_EQ(data.train[1].id, 9);
    EXPECT_EQ(data.train[2].text, "Good <br />film");
    EXPECT_EQ(data.train[2].stars, 9);
    EXPECT_TRUE(data.train[2].is_good && !data.train[0].is_good);
    EXPECT_EQ(data.test[1].stars, 10);
  }
}

TEST(Imdb, what_is_no_review_is_refused) {
  const io::TemporaryFolder folder;
  const auto with = [&](const std::string& name, const std::string& text = "x") {
    Files files = kFiles;
    files.emplace_back(name, text);
    put(folder / "a.tar", tar_of(files));
    return complaint(folder / "a.tar");
  };
  for (const char* name : {"8.txt", "8_11.txt", "8_0.txt", "_8.txt", "8_8.txt.gz", "-8_8.txt",
                           "99999999999_8.txt", "8_8_8.txt"}) {
    EXPECT_TRUE(has_text(with("aclImdb/train/pos/" + std::string(name)), "T-IMDB-01")) << name;
  }
  EXPECT_TRUE(
      has_text(with("aclImdb/test/pos/8_8.txt", std::string((1 << 20) + 1, 'x')), "T-IMDB-02"));
  EXPECT_TRUE(has_text(with("aclImdb/test/pos/0_9.txt"), "number 0 twice"));
}

TEST(Imdb, a_split_without_good_or_bad_reviews_is_refused) {
  const io::TemporaryFolder folder;
  put(folder / "a.tar", tar_of({kFiles[1], kFiles[3], kFiles[6]}));
  EXPECT_TRUE(has_text(complaint(folder / "a.tar"), "T-IMDB-04"));
  put(folder / "cut.tar", tar_of(kFiles).substr(0, 2000));
  EXPECT_TRUE(has_text(complaint(folder / "cut.tar"), "T-TAR-01"));
}

TEST(Imdb, the_data_root_must_hold_all_reviews) {
  const io::TemporaryFolder folder;
  EXPECT_THROW(load_imdb(folder / ""), Io);
  for (const auto& [name, text] : kFiles) put(folder / ("imdb/" + name), text);
  EXPECT_THROW(load_imdb(folder / ""), BadFile);
}

TEST(Imdb, the_real_reviews_are_read) {
  const char* root = std::getenv("TESSERA_DATA");
  if (root == nullptr || !fs::exists(std::string(root) + "/imdb")) {
    GTEST_SKIP() << "TESSERA_DATA/imdb is missing";
  }
  const ReviewData data = load_imdb(root);
  EXPECT_EQ(data.train.size(), 25000u);
  EXPECT_EQ(data.test.size(), 25000u);
  EXPECT_EQ(data.test[0].id, 0);
  EXPECT_EQ(data.test[0].stars, 2);
  for (const Review& review : data.train) ASSERT_EQ(review.is_good, review.stars > 5);
}

TEST(Imdb, the_official_archive_is_known) {
  const DataSource source = imdb_source();
  ASSERT_EQ(source.files.size(), 1u);
  EXPECT_EQ(source.files[0].sha256.size(), 64u);
  EXPECT_EQ(source.files[0].bytes, 84125825);
}

}  // namespace
}  // namespace tessera::data
