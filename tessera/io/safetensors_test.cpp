// What the reader refuses is in the corpus (corpus_test.cpp); here is what it gives, and the
// writer.

#include "tessera/io/safetensors.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/origin.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::io {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

SafetensorsTensor bytes_tensor(std::string name, std::string_view text) {
  return {.name = std::move(name),
          .type = ElementType::kU8,
          .shape = {static_cast<int64_t>(text.size())},
          .data = bytes_of(text)};
}

std::string id_of_write(std::vector<SafetensorsTensor> tensors,
                        std::vector<std::pair<std::string, std::string>> metadata = {}) {
  const TemporaryFolder folder;
  try {
    write_safetensors(folder / "a", std::move(tensors), std::move(metadata));
  } catch (const InvalidArgument& error) {
    return error.id();
  }
  return "";
}

TEST(Safetensors, what_is_written_reads_back) {
  const TemporaryFolder folder;
  const std::array<double, 2> numbers = {1.5, -2};
  write_safetensors(folder / "a",
                    {bytes_tensor("text \"x\"", "hello"),
                     {"numbers", ElementType::kF64, {2, 1}, std::as_bytes(std::span(numbers))},
                     bytes_tensor("nothing", "")},
                    {{"note", "ü\n"}, {"a", ""}});

  const MappedFile file(folder / "a");
  const SafetensorsHeader header = parse_safetensors(file.bytes());
  ASSERT_EQ(header.entries.size(), 3u);
  EXPECT_EQ(header.entries[0].name, "numbers");
  EXPECT_EQ(header.entries[0].shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(header.entries[1].name, "nothing");
  EXPECT_EQ(header.entries[2].name, "text \"x\"");
  EXPECT_EQ(header.entries[2].end, header.data.size());
  EXPECT_EQ(header.metadata[1], (std::pair<std::string, std::string>("note", "ü\n")));
  EXPECT_EQ((header.data.data() - file.bytes().data()) % 8, 0);
}

TEST(Safetensors, the_order_of_what_is_given_does_not_change_the_bytes) {
  const TemporaryFolder folder;
  const auto a = bytes_tensor("a", "1"), b = bytes_tensor("b", "22");
  write_safetensors(folder / "1", {a, b}, {{"x", "1"}, {"y", "2"}});
  write_safetensors(folder / "2", {b, a}, {{"y", "2"}, {"x", "1"}});
  EXPECT_EQ(read_text(folder / "1"), read_text(folder / "2"));
}

TEST(Safetensors, complaints_name_the_file_and_the_tensor) {
  const std::string header = R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  const std::string text = std::string(1, static_cast<char>(header.size())) + std::string(7, '\0');
  try {
    parse_safetensors(bytes_of(text + header + "x"), "model.safetensors");
    FAIL();
  } catch (const BadFile& error) {
    EXPECT_STREQ(error.what(),
                 "[safetensors] model.safetensors: tensor \"w\" must end between its begin and the "
                 "end of the data, 1, but got 2.  (T-ST-16)");
  }
}

TEST(Safetensors, control_bytes_of_a_hostile_name_do_not_reach_the_terminal) {
  EXPECT_EQ(shown("a\n\x1b[2J"), "\"a\\x0a\\x1b[2J\"");
  EXPECT_EQ(shown(std::string(200, 'a')).size(), 85u);
}

TEST(Safetensors, the_writer_refuses_a_name_or_key_given_twice) {
  EXPECT_EQ(id_of_write({bytes_tensor("a", "1"), bytes_tensor("a", "2")}), "T-ST-19");
  EXPECT_EQ(id_of_write({}, {{"a", "1"}, {"a", "2"}}), "T-ST-19");
}

TEST(Safetensors, the_writer_refuses_text_that_is_not_utf8) {
  EXPECT_EQ(id_of_write({bytes_tensor("\xff", "1")}), "T-ST-20");
  EXPECT_EQ(id_of_write({}, {{"a", "\xff"}}), "T-ST-20");
}

TEST(Safetensors, the_writer_refuses_the_name_of_the_metadata) {
  EXPECT_EQ(id_of_write({bytes_tensor("__metadata__", "1")}), "T-ST-22");
}

TEST(Safetensors, the_writer_refuses_a_header_that_no_reader_takes) {
  EXPECT_EQ(id_of_write({}, {{"a", std::string(kSafetensorsHeaderLimit, 'x')}}), "T-ST-21");
}

}  // namespace
}  // namespace tessera::io
