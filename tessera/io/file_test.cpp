#include "tessera/io/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <utility>

#include "tessera/core/error.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::io {
namespace {

namespace fs = std::filesystem;

size_t entries_in(const std::string& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// Files of this process may not grow beyond `bytes` while this lives: a disk that fills up.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(File, written_text_reads_back) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.txt";
  write_atomically(path, "first");
  write_atomically(path, "second");
  EXPECT_EQ(read_text(path), "second");
  EXPECT_EQ(read_bytes(path).size(), 6u);
  EXPECT_EQ(entries_in(folder.path()), 1u);
}

TEST(File, an_empty_file_maps_to_nothing) {
  const TemporaryFolder folder;
  write_atomically(folder / "empty", "");
  EXPECT_TRUE(MappedFile(folder / "empty").bytes().empty());
}

TEST(File, writing_to_mapped_pages_leaves_the_file_alone) {
  const TemporaryFolder folder;
  write_atomically(folder / "a", "abc");
  const MappedFile file(folder / "a");
  const_cast<std::byte&>(file.bytes()[0]) = std::byte{'X'};
  EXPECT_EQ(read_text(folder / "a"), "abc");
}

TEST(File, a_map_can_be_moved) {
  const TemporaryFolder folder;
  write_atomically(folder / "a", "abc");
  MappedFile first(folder / "a");
  const MappedFile second(std::move(first));
  EXPECT_EQ(second.bytes().size(), 3u);
  EXPECT_TRUE(
      first.bytes().empty());  // NOLINT: what a moved-from map holds is part of its contract
}

TEST(File, a_missing_file_is_an_io_error_that_names_it) {
  try {
    read_text("/no/such/file");
    FAIL();
  } catch (const Io& error) {
    EXPECT_EQ(error.id(), "T-IO-01");
    EXPECT_NE(std::string(error.what()).find("/no/such/file"), std::string::npos);
  }
}

TEST(File, a_folder_is_not_a_file) {
  const TemporaryFolder folder;
  EXPECT_THROW(MappedFile{folder.path()}, Io);
}

TEST(File, without_commit_the_old_file_stays_and_the_temporary_goes) {
  const TemporaryFolder folder;
  write_atomically(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new");
    EXPECT_EQ(entries_in(folder.path()), 2u);
  }
  EXPECT_EQ(read_text(folder / "a"), "old");
  EXPECT_EQ(entries_in(folder.path()), 1u);
}

TEST(File, a_full_disk_is_an_io_error_and_leaves_the_old_file) {
  const TemporaryFolder folder;
  write_atomically(folder / "a", "old");
  const std::string large(100'000, 'x');
  {
    const FullDisk disk(10'000);
    EXPECT_THROW(write_atomically(folder / "a", large), Io);
  }
  EXPECT_EQ(read_text(folder / "a"), "old");
  EXPECT_EQ(entries_in(folder.path()), 1u);
}

TEST(File, a_missing_folder_is_an_io_error) {
  EXPECT_THROW(write_atomically("/no/such/folder/a", "x"), Io);
}

}  // namespace
}  // namespace tessera::io
