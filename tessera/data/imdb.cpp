#include "tessera/data/imdb.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>
#include <tuple>

#include "tessera/core/error.h"
#include "tessera/io/cursor.h"
#include "tessera/io/file.h"
#include "tessera/io/tar.h"
#include "tessera/io/unpack.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

/// The official archive unpacks to a fifth of this.
constexpr size_t kLargestReviewsArchive = size_t{2} << 30;
/// The longest review has 14 thousand bytes.
constexpr size_t kLargestReview = 1 << 20;
constexpr int64_t kOfEachKind = 12500;

[[noreturn]] void bad_reviews(const std::string& rule, const std::string& got, const char* next,
                              const char* id) {
  fail<BadFile>({.where = "imdb", .rule = rule, .got = got, .next = next, .id = id});
}

/// Where a file belongs, by the end of its path: train/pos/7_9.txt.
struct Place {
  bool is_train, is_good;
  std::string_view name;
};
std::optional<Place> place_of(std::string_view path) {
  const auto cut = [&] {
    const size_t slash = path.rfind('/');
    const std::string_view part = path.substr(slash == path.npos ? 0 : slash + 1);
    path = path.substr(0, slash == path.npos ? 0 : slash);
    return part;
  };
  const std::string_view name = cut(), kind = cut(), split = cut();
  if ((kind != "pos" && kind != "neg") || (split != "train" && split != "test")) return {};
  return Place{split == "train", kind == "pos", name};
}

std::optional<int> take_number(std::string_view& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return {};
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

void add(ReviewData& data, const Place& place, std::span<const std::byte> bytes,
         const std::string& file) {
  std::string_view rest = place.name;
  Review review{.is_good = place.is_good};
  const std::optional<int> id = take_number(rest);
  const bool has_bar = rest.starts_with('_');
  if (has_bar) rest.remove_prefix(1);
  const std::optional<int> stars = take_number(rest);
  if (!id || !has_bar || !stars || rest != ".txt" || *stars < 1 || *stars > 10) {
    bad_reviews(file + ": a review's file is named <number>_<1 to 10>.txt", io::shown(place.name),
                "", "T-IMDB-01");
  }
  if (bytes.size() > kLargestReview) {
    bad_reviews(file + ": a review has at most 1 MiB", std::to_string(bytes.size()) + " bytes", "",
                "T-IMDB-02");
  }
  review.id = *id;
  review.stars = *stars;
  review.text = io::as_text(bytes);
  (place.is_train ? data.train : data.test).push_back(std::move(review));
}

void read_archive(ReviewData& data, const std::string& path) {
  const io::MappedFile mapped(path);
  std::vector<std::byte> storage;
  io::TarReader tar(io::unpack(mapped.bytes(), kLargestReviewsArchive, storage, path), path);
  while (const auto entry = tar.next()) {
    if (const auto place = place_of(entry->name)) add(data, *place, entry->data, entry->name);
  }
}

void read_folder(ReviewData& data, const fs::path& root) {
  for (const char* split : {"train", "test"}) {
    for (const char* kind : {"neg", "pos"}) {
      const fs::path folder = root / split / kind;
      if (!fs::is_directory(folder)) continue;
      for (const auto& entry : fs::directory_iterator(folder)) {
        if (!entry.is_regular_file()) continue;
        const std::string file = entry.path().string();
        const std::vector<std::byte> bytes = io::read_bytes(file);
        add(data, *place_of(file), bytes, file);
      }
    }
  }
}

int64_t count_good(const std::vector<Review>& reviews) {
  return std::ranges::count(reviews, true, &Review::is_good);
}

void put_in_order(std::vector<Review>& reviews, const std::string& what) {
  const auto key = [](const Review& r) { return std::tuple(r.is_good, r.id); };
  std::ranges::sort(reviews, {}, key);
  const auto twice = std::ranges::adjacent_find(reviews, {}, key);
  if (twice != reviews.end()) {
    bad_reviews(what + " must hold every review once",
                "number " + std::to_string(twice->id) + " twice", "", "T-IMDB-03");
  }
  const int64_t good = count_good(reviews), all = static_cast<int64_t>(reviews.size());
  if (good == 0 || good == all) {
    bad_reviews(what + " must hold good and bad reviews",
                std::to_string(good) + " and " + std::to_string(all - good),
                "Fetch the archive again.", "T-IMDB-04");
  }
}

}  // namespace

ReviewData read_imdb(const std::string& path) {
  ReviewData data;
  if (fs::is_directory(path)) {
    read_folder(data, path);
  } else {
    read_archive(data, path);
  }
  put_in_order(data.train, path + ", train,");
  put_in_order(data.test, path + ", test,");
  return data;
}

ReviewData load_imdb(const std::string& data_root) {
  const fs::path folder = fs::path(data_root) / "imdb";
  for (const char* name : {"aclImdb", "aclImdb_v1.tar.gz", "aclImdb.tar.xz", "aclImdb_v1.tar.xz"}) {
    const std::string path = (folder / name).string();
    if (!fs::exists(path)) continue;
    ReviewData data = read_imdb(path);
    for (const auto* reviews : {&data.train, &data.test}) {
      const int64_t good = count_good(*reviews);
      if (good == kOfEachKind && std::ssize(*reviews) == 2 * kOfEachKind) continue;
      bad_reviews(path + " must hold 12,500 good and 12,500 bad reviews in each split",
                  std::to_string(good) + " and " + std::to_string(std::ssize(*reviews) - good),
                  "Unpack or fetch the archive again.", "T-IMDB-05");
    }
    return data;
  }
  fail<Io>({.where = "imdb",
            .rule = "the reviews must lie in " + folder.string(),
            .got = "neither aclImdb nor aclImdb_v1.tar.gz",
            .next = "`tessera data get imdb` fetches the archive.",
            .id = "T-IMDB-06"});
}

DataSource imdb_source() {
  return {.name = "imdb",
          .summary = "25,000 + 25,000 reviews of films, good or bad",
          .licence = "none stated; to be cited as A. L. Maas et al., ACL 2011",
          .files = {{.path = "imdb/aclImdb_v1.tar.gz",
                     .url = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                     .sha256 = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
                     .bytes = 84125825}}};
}

}  // namespace tessera::data
