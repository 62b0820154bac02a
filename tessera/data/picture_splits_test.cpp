#include "tessera/data/picture_splits.h"

#include <gtest/gtest.h>

#include "tessera/core/refused_test.h"
#include "tessera/data/picture_folder_test.h"

namespace tessera::data {
namespace {

using testing::refused;

std::vector<std::string> names_of(const std::vector<PictureFile>& files) {
  std::vector<std::string> names;
  for (const PictureFile& file : files) {
    names.push_back(std::filesystem::path(file.path).filename().string() + " " +
                    std::to_string(file.label));
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(PictureFolders, have_the_classes_of_the_training_folder) {
  const PictureFolder folder;
  folder.add("train/a/1.png");
  folder.add("train/b/2.png");
  refused<Io>("T-FOLDER-01", [&] { picture_folders(folder.path()); });
  folder.add("val/a/3.png");
  const auto split = [&] { picture_folders(folder.path()); };
  EXPECT_NE(refused<BadFile>("T-FOLDER-06", split).find("\"b\""), std::string::npos);
  folder.add("val/b/4.png");
  // There is no test: val takes its place.
  const PictureSplits two = picture_folders(folder.path());
  EXPECT_EQ(two.class_names, (Names{"a", "b"}));
  EXPECT_EQ(names_of(two.test), (Names{"3.png 0", "4.png 1"}));
  EXPECT_EQ(names_of(two.valid), names_of(two.test));
  folder.add("test/b/5.png");
  folder.add("test/c/6.png");
  refused<BadFile>("T-FOLDER-06", split);
  std::filesystem::remove_all(folder.path() + "/test/c");
  folder.add("test/a/6.png");
  EXPECT_EQ(names_of(picture_folders(folder.path()).test), (Names{"6.png 0", "5.png 1"}));
  std::filesystem::remove_all(folder.path() + "/val");
  EXPECT_TRUE(picture_folders(folder.path()).valid.empty());
}

/// Pictures a.png … d.png in the folder p, and lists of them.
class Lists {
 public:
  Lists() {
    for (const char* name : {"a", "b", "c", "d"}) folder.add(std::string("p/") + name + ".png");
    folder.write("train.txt", "p/b.png 1\np/a.png 0\n");
    folder.write("test.txt", "p/c.png 1\n");
  }
  PictureSplits read(const std::string& train = "train.txt", const std::string& test = "test.txt",
                     const std::optional<std::string>& valid = std::nullopt) const {
    return picture_lists(folder.path(), {.train = train, .valid = valid, .test = test});
  }
  PictureFolder folder;
};

TEST(PictureLists, name_pictures_below_the_root_in_their_order) {
  const Lists lists;
  lists.folder.write("valid.txt", lists.folder.path() + "/p/d.png 0\n");
  const PictureSplits splits = lists.read("train.txt", "test.txt", "valid.txt");
  EXPECT_EQ(names_of(splits.train), (Names{"b.png 1", "a.png 0"}));
  EXPECT_EQ(names_of(splits.test), (Names{"c.png 1"}));
  EXPECT_EQ(names_of(splits.valid), (Names{"d.png 0"}));
  EXPECT_EQ(splits.class_names, (Names{"0", "1"}));
  EXPECT_TRUE(lists.read().valid.empty());
  EXPECT_NO_THROW(read_image(splits.valid[0].path));
}

TEST(PictureLists, what_is_not_there_is_named_with_its_line) {
  const Lists lists;
  lists.folder.write("gone.txt", "p/a.png 0\np/gone.png 1\n");
  const std::string error = refused<Io>("T-LIST-07", [&] { lists.read("gone.txt"); });
  EXPECT_NE(error.find("gone.txt: line 2"), std::string::npos) << error;
  EXPECT_NE(error.find("p/gone.png"), std::string::npos) << error;
  lists.folder.write("folder.txt", "p 0\n");
  refused<Io>("T-LIST-07", [&] { lists.read("folder.txt"); });
  EXPECT_THROW(lists.read("no_list.txt"), Io);
}

TEST(PictureLists, labels_are_classes_of_the_training_list) {
  const Lists lists;
  lists.folder.write("gap.txt", "p/a.png 0\np/b.png 2\n");
  EXPECT_NE(refused<BadFile>("T-LIST-08", [&] { lists.read("gap.txt"); }).find("class 1"),
            std::string::npos);
  lists.folder.write("more.txt", "p/c.png 2\n");
  refused<BadFile>("T-LIST-09", [&] { lists.read("train.txt", "more.txt"); });
  refused<BadFile>("T-LIST-09", [&] { lists.read("train.txt", "test.txt", "more.txt"); });
}

TEST(PictureLists, do_not_leave_the_root) {
  const Lists lists;
  for (const std::string& path : {std::string("../a.png"), std::string("/etc/passwd"),
                                  lists.folder.path() + "_other/a.png"}) {
    lists.folder.write("out.txt", path + " 0\n");
    refused<BadFile>("T-LIST-05", [&] { lists.read("out.txt"); });
  }
}

TEST(HoldOut, takes_its_share_of_each_class_but_the_last_picture) {
  const auto splits = [] {
    PictureSplits made{.class_names = {"0", "1", "2"}};
    for (int64_t i = 0; i < 26; ++i) {
      const int64_t label = i < 10 ? 0 : i < 25 ? 1 : 2;
      made.train.push_back({std::to_string(100 + i), label});
    }
    return made;
  };
  PictureSplits held = splits();
  hold_out(held, 0.3, 0);
  std::vector<int64_t> counts(3);
  for (const PictureFile& file : held.valid) ++counts[static_cast<size_t>(file.label)];
  EXPECT_EQ(counts, (std::vector<int64_t>{3, 5, 0}));
  EXPECT_EQ(held.train.size(), 18u);
  const auto is_sorted = [](const std::vector<PictureFile>& files) {
    return std::ranges::is_sorted(files, {}, &PictureFile::path);
  };
  EXPECT_TRUE(is_sorted(held.train) && is_sorted(held.valid));
  PictureSplits same = splits(), other = splits(), none = splits(), most = splits();
  hold_out(same, 0.3, 0);
  hold_out(other, 0.3, 1);
  hold_out(none, 0, 0);
  hold_out(most, 1, 0);
  EXPECT_EQ(names_of(same.valid), names_of(held.valid));
  EXPECT_NE(names_of(other.valid), names_of(held.valid));
  EXPECT_TRUE(none.valid.empty());
  EXPECT_EQ(most.train.size(), 3u);
}

}  // namespace
}  // namespace tessera::data
