#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::data {

/// A file that can be fetched, and what is known of it.
struct RemoteFile {
  std::string path;  ///< below the data root, and below a mirror
  std::string url;
  std::string sha256 = {};  ///< empty: not known
  int64_t bytes = 0;        ///< 0: not known
  /// Of a gzip file: the SHA-256 of what is packed in it. Where it is known, the same content
  /// packed by another program is as right as the official bytes.
  std::string content_sha256 = {};
};

/// A data set that can be read from the data root.
struct DataSource {
  std::string name, summary, licence;
  std::vector<RemoteFile> files;
};

}  // namespace tessera::data
