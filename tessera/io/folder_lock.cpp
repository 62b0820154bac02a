#include "tessera/io/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "tessera/core/error.h"

namespace tessera::io {

FolderLock::FolderLock(const std::string& folder)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0) {
    fail<Io>({.where = "file",
              .rule = "the folder " + folder + " can be opened",
              .got = std::strerror(errno),
              .next = "Check the path and its permissions.",
              .id = "T-IO-03"});
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  fail<InvalidArgument>({.where = "file",
                         .rule = "one process at a time writes into " + folder,
                         .got = "another one that does",
                         .next = "Wait for it or stop it, or give a new folder with --out.",
                         .id = "T-IO-04"});
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace tessera::io
