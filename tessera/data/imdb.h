#pragma once

#include <string>
#include <vector>

#include "tessera/data/source.h"

namespace tessera::data {

struct Review {
  std::string text;  ///< UTF-8, with the site's HTML line breaks
  int id = 0, stars = 0;
  bool is_good = false;
};

/// Reviews of each split: the bad ones, then the good ones, each in the order of their numbers, so
/// that every packing gives the same list.
struct ReviewData {
  std::vector<Review> train, test;
};

/// The Large Movie Review Dataset (Maas et al. 2011): {train,test}/{pos,neg}/<id>_<stars>.txt in a
/// tar archive, plain, .gz, .bz2 or .xz, or in a folder. Everything else in it (unlabelled reviews,
/// bags of words) is passed over. Throws BadFile (a name that is no review's, a review given twice,
/// one above 1 MiB, a split without good or bad ones), Io (not there).
ReviewData read_imdb(const std::string& path);

/// read_imdb of what lies in <data_root>/imdb: the folder aclImdb, aclImdb_v1.tar.gz, or a .tar.xz
/// of either name. Throws also where a split is not the 12,500 good and 12,500 bad reviews.
ReviewData load_imdb(const std::string& data_root);

DataSource imdb_source();

}  // namespace tessera::data
