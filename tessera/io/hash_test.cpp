#include "tessera/io/hash.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace tessera::io {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// FIPS 180-4's published examples.
TEST(Sha256, gives_the_published_digests) {
  EXPECT_EQ(sha256_hex(bytes_of("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(bytes_of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(bytes_of(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, pieces_of_any_length_give_the_digest_of_the_whole) {
  const std::string text(517, 'q');
  const std::string whole = sha256_hex(bytes_of(text));
  for (size_t cut = 0; cut <= 130; ++cut) {
    Sha256 hash;
    hash.update(bytes_of(std::string_view(text).substr(0, cut)));
    hash.update(bytes_of(std::string_view(text).substr(cut)));
    EXPECT_EQ(hash.finish_hex(), whole) << cut;
  }
}

TEST(Xxh3, gives_the_digest_of_the_xxhsum_tool) {
  EXPECT_EQ(xxh3_hex(bytes_of("")), "99aa06d3014798d86001c324468d497f");
}

}  // namespace
}  // namespace tessera::io
