#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::io {

/// A whole file, mapped. The pages are private: writing to them (through a tensor that views them)
/// changes this process's copy, never the file. Move-only; an empty file maps to an empty span.
/// Throws Io where the file cannot be opened or mapped. Whoever truncates a file that is mapped
/// kills the reader (SIGBUS): our own writers rename a new file into place instead.
class MappedFile {
 public:
  explicit MappedFile(std::string path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Whole small files. Throw Io where the file cannot be read.
std::string read_text(const std::string& path);
std::vector<std::byte> read_bytes(const std::string& path);

/// A file that appears whole or not at all, also after kill -9 or a power cut: it is written beside
/// its place under a name that begins with a dot, flushed to the disk and renamed by commit().
/// Without a commit the temporary is removed and an older file of that name stays as it was.
/// Throws Io where the system refuses: no such folder, no permission, a full disk.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  void commit();

 private:
  std::string path_, temporary_;
  int descriptor_ = -1;
};

void write_atomically(const std::string& path, std::span<const std::byte> bytes);
void write_atomically(const std::string& path, std::string_view text);

/// Flushes a file or a folder (the names in it) to the disk. Throws Io.
void flush_to_disk(const std::string& path);

}  // namespace tessera::io
