#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tessera/data/source.h"

namespace tessera::data {

/// `total` is 0 where the server does not say.
using DownloadProgress = std::function<void(int64_t done, int64_t total)>;

enum class FileState {
  kMissing,
  kPartial,  ///< a download broke off; the next goes on
  kPresent,  ///< there, with the known size
};
FileState state_of(const RemoteFile& file, const std::string& root);

/// Fetches a file to <root>/<path>; one that is there and right is left alone. What has come lies
/// beside as `.<name>.part`: after an interruption the same call asks the server for the rest. The
/// name appears when the size and the SHA-256 have been checked. Of a file whose SHA-256 is not
/// known, the one that came is kept in <path>.sha256 (as sha256sum writes it) for later checks.
/// `mirror`: empty, or a folder or URL that holds the same paths. http, https and file only.
/// Throws Io (no network, no such file, broken off), BadFile (wrong size or SHA-256).
void download(const RemoteFile& file, const std::string& root, const std::string& mirror = "",
              const DownloadProgress& progress = {});

/// Checks size and SHA-256, the known one or the one kept by download. Returns whether there was a
/// SHA-256 to compare with. Throws Io (missing), BadFile (wrong).
bool check_file(const RemoteFile& file, const std::string& root);

}  // namespace tessera::data
