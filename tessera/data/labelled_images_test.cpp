#include "tessera/data/labelled_images.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tessera/core/error.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::data {
namespace {

/// An IDX file of bytes, all `value`.
void write_idx(const std::string& path, const std::vector<uint8_t>& shape, uint8_t value) {
  std::ofstream file(path, std::ios::binary);
  file.put(0).put(0).put(8).put(static_cast<char>(shape.size()));
  size_t count = 1;
  for (const uint8_t size : shape) {
    file.put(0).put(0).put(0).put(static_cast<char>(size));
    count *= size;
  }
  file << std::string(count, static_cast<char>(value));
}

class IdxImages : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_.path() + "/mnist"); }
  void write(const std::vector<uint8_t>& images, const std::vector<uint8_t>& labels,
             uint8_t label = 3) const {
    write_idx(folder_.path() + "/mnist/t10k-images-idx3-ubyte", images, 7);
    write_idx(folder_.path() + "/mnist/t10k-labels-idx1-ubyte", labels, label);
  }
  LabelledImages load() const { return load_idx_images("mnist", false, folder_.path()); }

  io::TemporaryFolder folder_;
};

TEST_F(IdxImages, are_read_as_bytes_with_one_channel) {
  write({4, 5, 6}, {4});
  const LabelledImages set = load();
  EXPECT_EQ(set.images.sizes(), at::IntArrayRef({4, 1, 5, 6}));
  EXPECT_EQ(set.images.max().item<int64_t>(), 7);
  EXPECT_EQ(set.labels.scalar_type(), at::kLong);
  EXPECT_EQ(set.first(9).size(), 4);
  EXPECT_EQ(set.select(at::tensor({2, 0}, at::kLong)).size(), 2);
}

TEST_F(IdxImages, files_that_do_not_fit_each_other_are_refused) {
  write({4, 5, 6}, {3});
  EXPECT_THROW(load(), BadFile);
  write({4, 5}, {4});
  EXPECT_THROW(load(), BadFile);
  write({4, 5, 6}, {4}, 10);
  EXPECT_THROW(load(), BadFile);
}

TEST_F(IdxImages, missing_files_name_the_folder) {
  try {
    load();
    FAIL();
  } catch (const Io& error) {
    EXPECT_EQ(error.id(), "T-IMG-01");
    EXPECT_NE(std::string(error.what()).find("/mnist"), std::string::npos) << error.what();
  }
}

TEST(RealImages, mnist_has_its_sizes) {
  const char* root = std::getenv("TESSERA_DATA");
  if (!root || !std::filesystem::exists(std::string(root) + "/mnist")) {
    GTEST_SKIP() << "MNIST: no mnist folder below TESSERA_DATA";
  }
  EXPECT_EQ(load_idx_images("mnist", true, root).size(), 60000);
  const LabelledImages test = load_idx_images("mnist", false, root);
  EXPECT_EQ(test.images.sizes(), at::IntArrayRef({10000, 1, 28, 28}));
  EXPECT_EQ(test.labels[0].item<int64_t>(), 7);
}

}  // namespace
}  // namespace tessera::data
