#include "tessera/train/run_store.h"

#include <gtest/gtest.h>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/train/toy_system_test.h"

namespace tessera::train {
namespace {

RunRecord record(const std::string& folder, const std::string& started) {
  return {.folder = folder,
          .recipe = "toy/sine",
          .system = "toy",
          .status = "running",
          .started = started,
          .updated = started,
          .steps = 3,
          .seconds = 1.5,
          .metrics = {{"loss", 0.5}}};
}

TEST(RunStore, lists_the_newest_first_and_keeps_one_row_a_folder) {
  const toy::TemporaryFolder folder;
  RunStore store(folder / "deep/runs.sqlite");
  const int64_t a = store.put(record("/a", "2021-01-01T00:00:00Z"));
  store.put(record("/b", "2021-01-02T00:00:00Z"));
  RunRecord again = record("/a", "2021-01-01T00:00:00Z");
  again.status = "finished";
  again.metrics = {{"loss", 0.25}};
  EXPECT_EQ(store.put(again), a);
  const auto rows = store.list();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].folder, "/b");
  EXPECT_EQ(rows[1].status, "finished");
  EXPECT_EQ(rows[1].metrics.at("loss"), 0.25);
  EXPECT_EQ(rows[1].seconds, 1.5);
  EXPECT_TRUE(store.list("other").empty());
  EXPECT_EQ(store.list("toy").size(), 2u);
}

TEST(RunStore, finds_by_number_and_by_folder_and_forgets) {
  const toy::TemporaryFolder folder;
  RunStore store(folder / "runs.sqlite");
  const int64_t id = store.put(record("/a", "2021-01-01T00:00:00Z"));
  EXPECT_EQ(store.at(std::to_string(id)).folder, "/a");
  EXPECT_EQ(store.at("/a").id, id);
  EXPECT_THROW(store.at("999"), InvalidArgument);
  EXPECT_THROW(store.at("/nowhere"), InvalidArgument);
  EXPECT_TRUE(store.erase(id));
  EXPECT_FALSE(store.erase(id));
}

TEST(RunStore, two_stores_share_a_file) {
  const toy::TemporaryFolder folder;
  RunStore one(folder / "runs.sqlite"), two(folder / "runs.sqlite");
  one.put(record("/a", "2021-01-01T00:00:00Z"));
  two.put(record("/b", "2021-01-01T00:00:00Z"));
  EXPECT_EQ(one.list().size(), 2u);
}

TEST(RunStore, a_file_that_is_no_store_and_a_path_that_cannot_be_are_refused) {
  const toy::TemporaryFolder folder;
  io::write_atomically(folder / "runs.sqlite", std::string_view(std::string(4096, 'x')));
  EXPECT_THROW(RunStore(folder / "runs.sqlite"), BadFile);
  EXPECT_THROW(RunStore(folder / "runs.sqlite/below"), Io);
}

TEST(RunStore, compares_configurations_and_metrics) {
  const toy::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "a");
  std::filesystem::create_directories(folder / "b");
  io::write_atomically(folder / "a/config.toml", std::string_view("[train]\nlr = 0.1\nseed = 1\n"));
  io::write_atomically(folder / "b/config.toml", std::string_view("[train]\nlr = 0.2\nseed = 1\n"));
  RunRecord a = record(folder / "a", ""), b = record(folder / "b", "");
  b.metrics = {{"loss", 0.25}};
  const auto rows = compare_runs(a, b);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].key, "metrics.loss");
  EXPECT_EQ(rows[1].key, "train.lr");
  EXPECT_EQ(rows[1].b, "0.2");
}

}  // namespace
}  // namespace tessera::train
