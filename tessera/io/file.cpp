#include "tessera/io/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "tessera/core/error.h"

namespace tessera::io {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(std::string_view verb, const std::string& path, std::string_view next) {
  const std::string reason = std::strerror(errno);
  const std::string rule = "cannot " + std::string(verb) + " " + path + ": " + reason;
  fail<Io>({.where = "file", .rule = rule, .next = next, .id = "T-IO-01"});
}

/// A descriptor that is closed when the scope ends.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return value_; }

 private:
  int value_;
};

constexpr std::string_view kCheckPath = "Check the path and its permissions.";
constexpr std::string_view kCheckDisk = "Check the free space and the permissions of its folder.";

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

/// Beside `path`, hidden, and different for every writer on this machine.
std::string temporary_for(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  const fs::path name = "." + fs::path(path).filename().string() + ".tmp-" +
                        std::to_string(::getpid()) + "-" + std::to_string(counter++);
  return (fs::path(path).parent_path() / name).string();
}

}  // namespace

MappedFile::MappedFile(std::string path) : path_(std::move(path)) {
  const Descriptor descriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor < 0) refuse("open", path_, kCheckPath);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) refuse("open", path_, kCheckPath);
  if (!S_ISREG(status.st_mode)) {
    errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    refuse("read", path_, "It must be a regular file.");
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* address =
      ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
  if (address == MAP_FAILED) refuse("map", path_, kCheckPath);
  data_ = static_cast<std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

std::string read_text(const std::string& path) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::byte> read_bytes(const std::string& path) {
  const MappedFile file(path);
  return {file.bytes().begin(), file.bytes().end()};
}

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(temporary_for(path_)) {
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) refuse("create", path_, kCheckDisk);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) refuse("write", path_, kCheckDisk);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) refuse("write", path_, kCheckDisk);
  if (::close(std::exchange(descriptor_, -1)) != 0) refuse("write", path_, kCheckDisk);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) refuse("replace", path_, kCheckDisk);
  temporary_.clear();
  flush_to_disk(folder_of(path_));
}

void write_atomically(const std::string& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_atomically(const std::string& path, std::string_view text) {
  write_atomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

void flush_to_disk(const std::string& path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor < 0) refuse("open", path, kCheckPath);
  // EINVAL: a file system that cannot flush this kind of thing; there is nothing to be done.
  if (::fsync(descriptor) != 0 && errno != EINVAL) refuse("flush", path, kCheckDisk);
}

}  // namespace tessera::io
