#include "tessera/io/checkpoint_store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <stdexcept>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::io {
namespace {

namespace fs = std::filesystem;

/// Writes a checkpoint whose content is a function of its step.
void write_step(CheckpointStore& store, int64_t step, const std::string& tag = "") {
  store.write(step, [&](const std::string& folder) {
    write_atomically(folder + "/model.safetensors", "model " + std::to_string(step) + tag);
    write_atomically(folder + "/state.json", "state " + std::to_string(step) + tag);
  });
}

std::vector<int64_t> steps_of(const CheckpointStore& store) {
  std::vector<int64_t> steps;
  for (const Checkpoint& checkpoint : store.list()) steps.push_back(checkpoint.step);
  return steps;
}

std::string refusal_of(const CheckpointStore& store) {
  try {
    store.open_latest();
  } catch (const BadFile& error) {
    EXPECT_EQ(error.id(), "T-CKPT-10");
    return error.what();
  }
  return "";
}

class CheckpointStoreTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  CheckpointStore store_{folder_ / "checkpoints"};

  std::string file(int64_t step, const std::string& name) const {
    return store_.folder() + "/step-" + std::to_string(step) + "/" + name;
  }
};

TEST_F(CheckpointStoreTest, a_folder_that_is_not_there_holds_none) {
  EXPECT_TRUE(store_.list().empty());
  EXPECT_FALSE(store_.open_latest());
}

TEST_F(CheckpointStoreTest, the_latest_is_the_one_written_last) {
  write_step(store_, 20);
  write_step(store_, 100);
  write_step(store_, 30);
  EXPECT_EQ(steps_of(store_), (std::vector<int64_t>{20, 30, 100}));
  EXPECT_EQ(store_.open_latest()->step, 30);
  EXPECT_EQ(read_text(store_.folder() + "/latest"), "step-30\n");
}

TEST_F(CheckpointStoreTest, without_the_pointer_the_highest_step_is_the_latest) {
  write_step(store_, 9);
  write_step(store_, 10);
  fs::remove(store_.folder() + "/latest");
  EXPECT_EQ(store_.open_latest()->step, 10);
  write_atomically(store_.folder() + "/latest", "step-11\n");
  EXPECT_EQ(store_.open_latest()->step, 10);
}

TEST_F(CheckpointStoreTest, a_damaged_file_is_named_and_the_one_before_offered) {
  write_step(store_, 1);
  write_step(store_, 2);
  write_step(store_, 3);
  write_atomically(file(3, "model.safetensors"), "model X");
  write_atomically(file(2, "state.json"), "state 2 and more");
  const std::string text = refusal_of(store_);
  EXPECT_NE(text.find(file(3, "model.safetensors")), std::string::npos) << text;
  EXPECT_NE(text.find("other bytes"), std::string::npos) << text;
  EXPECT_NE(text.find("to go on from step-1."), std::string::npos) << text;

  fs::remove_all(store_.folder() + "/step-3");
  EXPECT_NE(refusal_of(store_).find("16 bytes instead of 7"), std::string::npos);
  fs::remove_all(store_.folder() + "/step-2");
  EXPECT_EQ(store_.open_latest()->step, 1);
}

TEST_F(CheckpointStoreTest, missing_and_added_files_are_damage) {
  write_step(store_, 1);
  write_atomically(file(1, "extra"), "x");
  EXPECT_NE(refusal_of(store_).find("an added file"), std::string::npos);
  fs::remove(file(1, "extra"));
  EXPECT_EQ(store_.open_latest()->step, 1);
  fs::remove(file(1, "state.json"));
  EXPECT_NE(refusal_of(store_).find("a missing file"), std::string::npos);
}

TEST_F(CheckpointStoreTest, a_damaged_or_borrowed_manifest_is_damage) {
  write_step(store_, 1);
  write_step(store_, 2);
  const std::string manifest = read_text(file(1, "manifest.json"));
  write_atomically(file(2, "manifest.json"), manifest);
  EXPECT_NE(refusal_of(store_).find("the manifest of step 1"), std::string::npos);
  write_atomically(file(2, "manifest.json"), manifest.substr(0, 20));
  EXPECT_NE(refusal_of(store_).find("no readable manifest"), std::string::npos);
  fs::remove(file(2, "manifest.json"));
  EXPECT_NE(refusal_of(store_).find("a missing file"), std::string::npos);
}

TEST_F(CheckpointStoreTest, with_no_earlier_whole_one_the_way_on_is_to_begin_again) {
  write_step(store_, 1);
  write_atomically(file(1, "state.json"), "x");
  EXPECT_NE(refusal_of(store_).find("to begin again"), std::string::npos);
}

TEST_F(CheckpointStoreTest, a_step_can_be_written_again) {
  write_step(store_, 5, " first");
  write_step(store_, 5, " second");
  EXPECT_EQ(read_text(file(5, "state.json")), "state 5 second");
  EXPECT_EQ(store_.open_latest()->step, 5);
  EXPECT_EQ(std::distance(fs::directory_iterator(store_.folder()), fs::directory_iterator()), 2);
}

TEST_F(CheckpointStoreTest, a_failing_writer_changes_nothing) {
  write_step(store_, 1);
  EXPECT_THROW(store_.write(2,
                            [](const std::string& folder) {
                              write_atomically(folder + "/model.safetensors", "half");
                              throw std::runtime_error("disk full");
                            }),
               std::runtime_error);
  EXPECT_EQ(store_.open_latest()->step, 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(store_.folder()), fs::directory_iterator()), 2);
}

TEST_F(CheckpointStoreTest, leftovers_of_a_killed_write_are_unseen_and_removed_by_the_next) {
  write_step(store_, 1);
  fs::create_directories(store_.folder() + "/.step-2.writing");
  write_atomically(store_.folder() + "/.step-2.writing/model.safetensors", "half");
  EXPECT_EQ(steps_of(store_), std::vector<int64_t>{1});
  write_step(store_, 3);
  EXPECT_FALSE(fs::exists(store_.folder() + "/.step-2.writing"));
}

TEST_F(CheckpointStoreTest, strange_names_are_no_checkpoints) {
  write_step(store_, 1);
  for (const char* name : {"step-", "step-x", "step-01", "step--1", "step-1x", "other"}) {
    fs::create_directories(store_.folder() + "/" + name);
  }
  EXPECT_EQ(steps_of(store_), std::vector<int64_t>{1});
}

TEST_F(CheckpointStoreTest, only_the_newest_are_kept_and_the_latest_always) {
  for (const int64_t step : {10, 20, 30, 40}) write_step(store_, step);
  write_step(store_, 10);
  store_.keep_newest(0);
  EXPECT_EQ(store_.list().size(), 4u);
  store_.keep_newest(2);
  EXPECT_EQ(steps_of(store_), (std::vector<int64_t>{10, 30, 40}));
}

TEST_F(CheckpointStoreTest, a_checkpoint_must_hold_plain_files) {
  const auto id_of = [&](int64_t step, auto fill) -> std::string {
    try {
      store_.write(step, fill);
    } catch (const InvalidArgument& error) {
      return error.id();
    }
    return "";
  };
  EXPECT_EQ(id_of(-1, [](const std::string&) {}), "T-CKPT-09");
  EXPECT_EQ(id_of(1, [](const std::string&) {}), "T-CKPT-08");
  EXPECT_EQ(id_of(1, [](const std::string& path) { fs::create_directory(path + "/a"); }),
            "T-CKPT-07");
  EXPECT_EQ(id_of(1, [](const std::string& path) { write_atomically(path + "/.a", "x"); }),
            "T-CKPT-07");
  EXPECT_EQ(
      id_of(1, [](const std::string& path) { write_atomically(path + "/manifest.json", "x"); }),
      "T-CKPT-07");
  EXPECT_TRUE(store_.list().empty());
}

TEST_F(CheckpointStoreTest, a_folder_that_cannot_be_made_is_an_io_error) {
  write_atomically(folder_ / "file", "x");
  CheckpointStore store(folder_ / "file/checkpoints");
  try {
    write_step(store, 1);
    FAIL();
  } catch (const Io& error) {
    EXPECT_EQ(error.id(), "T-CKPT-06");
  }
}

/// A process that writes steps 1, 2, 3, … and rewrites step 1 in between until it is killed.
pid_t spawn_writer(const std::string& folder, int ready) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  CheckpointStore store(folder);
  for (int64_t step = 1;; ++step) {
    write_step(store, step);
    write_step(store, 1);
    if (step == 1 && ::write(ready, "r", 1) != 1) ::_exit(1);
    store.keep_newest(3);
  }
}

TEST_F(CheckpointStoreTest, kill_at_any_moment_leaves_a_whole_checkpoint) {
  for (int round = 0; round < 20; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = spawn_writer(store_.folder(), ends[1]);
    ASSERT_GT(child, 0);
    char byte;
    ASSERT_EQ(::read(ends[0], &byte, 1), 1);
    // Different moments of the writer's loop; whichever is hit, the store must be whole.
    ::usleep(static_cast<useconds_t>(271 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ends[0]);
    ::close(ends[1]);

    ASSERT_FALSE(store_.list().empty());
    for (const Checkpoint& checkpoint : store_.list()) ASSERT_NO_THROW(store_.verify(checkpoint));
    ASSERT_TRUE(store_.open_latest());
  }
}

}  // namespace
}  // namespace tessera::io
