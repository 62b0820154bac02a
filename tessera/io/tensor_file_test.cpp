#include "tessera/io/tensor_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::io {
namespace {

bool is_aligned(const at::Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % tensor.element_size() == 0;
}

std::string header_and(const std::string& header, const std::string& data) {
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size());
  return length + header + data;
}

std::string corpus(const std::string& name) {
  return std::string(TESSERA_SOURCE_DIR) + "/tests/fuzz/corpus/" + name;
}

template <class Function>
std::string id_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.id();
  }
  return "";
}

TEST(TensorFile, tensors_of_every_type_and_their_metadata_come_back) {
  const TemporaryFolder folder;
  TensorMap tensors;
  for (const at::ScalarType type :
       {at::kBool, at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kUInt16, at::kUInt32,
        at::kUInt64, at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
    tensors.set(at::toString(type), at::arange(6).remainder(2).reshape({2, 3}).to(type));
  }
  tensors.set("scalar", at::scalar_tensor(2.5));
  tensors.set("empty", at::empty({0, 4}));
  write_tensor_file(folder / "a", tensors, {{"b", "2"}, {"a", "1"}});

  for (const Storage storage : {Storage::kMapped, Storage::kCopied}) {
    const TensorFile file = read_tensor_file(folder / "a", storage);
    ASSERT_EQ(file.tensors.size(), tensors.size());
    for (const auto& [name, tensor] : tensors) {
      EXPECT_TRUE(at::equal(file.tensors.at(name), tensor)) << name;
      EXPECT_EQ(file.tensors.at(name).scalar_type(), tensor.scalar_type()) << name;
      EXPECT_TRUE(is_aligned(file.tensors.at(name))) << name;
    }
    ASSERT_NE(file.find_metadata("b"), nullptr);
    EXPECT_EQ(*file.find_metadata("b"), "2");
    EXPECT_EQ(file.find_metadata("c"), nullptr);
  }
}

TEST(TensorFile, equal_content_gives_equal_bytes_in_any_order_and_layout) {
  const TemporaryFolder folder;
  const at::Tensor a = at::arange(6).reshape({2, 3}), b = at::ones({2});
  write_tensor_file(folder / "1", {{"a", a}, {"b", b}});
  write_tensor_file(folder / "2", {{"b", b}, {"a", a.t().contiguous().t()}});
  EXPECT_EQ(read_text(folder / "1"), read_text(folder / "2"));
}

TEST(TensorFile, views_are_written_as_what_they_show) {
  const TemporaryFolder folder;
  const at::Tensor whole = at::arange(12).reshape({3, 4});
  write_tensor_file(folder / "a", {{"part", whole.slice(1, 1, 3)}});
  EXPECT_TRUE(at::equal(read_tensor_file(folder / "a").tensors.at("part"), whole.slice(1, 1, 3)));
}

TEST(TensorFile, mapped_tensors_outlive_the_file_and_do_not_write_to_it) {
  const TemporaryFolder folder;
  write_tensor_file(folder / "a", {{"x", at::zeros({4})}});
  const std::string before = read_text(folder / "a");
  at::Tensor x = read_tensor_file(folder / "a").tensors.at("x");
  x.fill_(1);
  EXPECT_EQ(read_text(folder / "a"), before);
  std::filesystem::remove(folder / "a");
  EXPECT_EQ(x.sum().item<float>(), 4);
}

TEST(TensorFile, a_misaligned_tensor_is_copied) {
  const TemporaryFolder folder;
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  write_atomically(folder / "a", header_and(header, std::string("\x07\x00\x00\xc0\x3f", 5)));
  const TensorFile file = read_tensor_file(folder / "a");
  EXPECT_TRUE(is_aligned(file.tensors.at("b")));
  EXPECT_EQ(file.tensors.at("b").item<float>(), 1.5f);
}

TEST(TensorFile, a_bool_that_is_neither_0_nor_1_is_refused) {
  const TemporaryFolder folder;
  const std::string header = R"({"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})";
  write_atomically(folder / "a", header_and(header, "\x01\x02"));
  EXPECT_EQ(id_of([&] { read_tensor_file(folder / "a"); }), "T-TF-01");
}

TEST(TensorFile, what_the_format_cannot_hold_is_refused_and_nothing_is_written) {
  const TemporaryFolder folder;
  const auto id_of_write = [&](const at::Tensor& tensor) {
    return id_of([&] { write_tensor_file(folder / "a", {{"x", tensor}}); });
  };
  EXPECT_EQ(id_of_write(at::Tensor()), "T-TF-02");
  EXPECT_EQ(id_of_write(at::zeros({2}, at::kComplexFloat)), "T-TF-02");
  EXPECT_EQ(id_of_write(at::eye(3).to_sparse()), "T-TF-02");
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
}

TEST(TensorFile, the_repositorys_cases_are_read_and_written_back_with_equal_content) {
  const std::filesystem::path cases = std::string(TESSERA_SOURCE_DIR) + "/tests/cases";
  if (!std::filesystem::exists(cases)) GTEST_SKIP() << "no tests/cases";
  const TemporaryFolder folder;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(cases)) {
    if (entry.path().extension() != ".safetensors") continue;
    const TensorFile first = read_tensor_file(entry.path().string());
    EXPECT_NE(first.find_metadata("system"), nullptr) << entry.path();
    write_tensor_file(folder / "copy", first.tensors, first.metadata);
    const TensorFile second = read_tensor_file(folder / "copy", Storage::kCopied);
    EXPECT_EQ(second.metadata, first.metadata) << entry.path();
    ASSERT_EQ(second.tensors.size(), first.tensors.size()) << entry.path();
    for (const auto& [name, tensor] : first.tensors) {
      EXPECT_TRUE(at::equal(second.tensors.at(name), tensor)) << entry.path() << " " << name;
    }
  }
}

TEST(Npy, fortran_order_is_read_as_the_same_array) {
  const TemporaryFolder folder;
  std::string text = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }\n";
  text = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(text.size()) + '\0' + text;
  for (const char value : {0, 3, 1, 4, 2, 5}) text += {value, '\0'};
  write_atomically(folder / "a.npy", text);
  EXPECT_TRUE(at::equal(read_npy(folder / "a.npy"), at::arange(6, at::kShort).reshape({2, 3})));
}

TEST(Npz, arrays_come_under_their_names_without_the_suffix) {
  const TensorMap arrays = read_npz(corpus("npz/ok_stored"));
  EXPECT_EQ(arrays.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(arrays.at("a").sizes(), at::IntArrayRef({2}));
}

TEST(Npz, other_files_in_the_archive_are_refused) {
  const TemporaryFolder folder;
  std::string text = read_text(corpus("npz/ok_stored"));
  for (size_t at = 0; (at = text.find("b.npy", at)) != text.npos;) text.replace(at, 5, "b.txt");
  write_atomically(folder / "a.npz", text);
  EXPECT_EQ(id_of([&] { read_npz(folder / "a.npz"); }), "T-TF-03");
}

TEST(Idx, packed_and_plain_files_are_the_same_tensor) {
  const at::Tensor plain = read_idx(corpus("idx/ok_images"));
  EXPECT_EQ(plain.sizes(), at::IntArrayRef({2, 2}));
  EXPECT_TRUE(at::equal(plain, read_idx(corpus("idx/ok_gzip"))));
  const at::Tensor shorts = read_idx(corpus("idx/ok_i16"));
  EXPECT_EQ(shorts.scalar_type(), at::kShort);
  EXPECT_EQ(shorts[1].item<int>(), 0x0203);
}

TEST(Idx, the_real_mnist_test_labels_are_read) {
  const char* data = std::getenv("TESSERA_DATA");
  const std::string path =
      std::string(data == nullptr ? "" : data) + "/mnist/t10k-labels-idx1-ubyte.gz";
  if (data == nullptr || !std::filesystem::exists(path)) {
    GTEST_SKIP() << "TESSERA_DATA/mnist/t10k-labels-idx1-ubyte.gz is missing";
  }
  const at::Tensor labels = read_idx(path);
  EXPECT_EQ(labels.sizes(), at::IntArrayRef({10000}));
  EXPECT_EQ(at::bincount(labels)[0].item<int64_t>(), 980);
}

}  // namespace
}  // namespace tessera::io
