#pragma once

#include <string>

namespace tessera::io {

/// Keeps other processes that ask for it out of a folder while it lives. Nothing is left behind,
/// also after kill -9: the system holds the lock on the folder itself. On a file system without
/// locks it keeps nobody out.
class FolderLock {
 public:
  FolderLock() = default;
  /// Throws InvalidArgument where another process has it, Io where the folder cannot be opened.
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;

 private:
  int descriptor_ = -1;
};

}  // namespace tessera::io
