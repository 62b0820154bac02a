#include "tessera/io/zip.h"

#include <zlib.h>

#include <algorithm>
#include <optional>
#include <set>

#include "tessera/io/cursor.h"
#include "tessera/io/gzip.h"

namespace tessera::io {
namespace {

constexpr std::string_view kTruncated = "T-ZIP-01";
constexpr uint32_t kLocalMagic = 0x04034b50, kCentralMagic = 0x02014b50, kEndMagic = 0x06054b50;
constexpr uint32_t kEnd64Magic = 0x06064b50, kLocator64Magic = 0x07064b50;
constexpr size_t kEndSize = 22, kLocatorSize = 20, kEnd64Size = 56, kCommentLimit = 65'535;
constexpr uint16_t kEncrypted = 1, kStored = 0, kDeflated = 8, kZip64Field = 1;
constexpr uint32_t kInZip64 = 0xffffffff;
/// No deflate stream expands more than this: 258 bytes from two bits.
constexpr uint64_t kDeflateRatio = 1032;

/// Where the central directory lies.
struct Directory {
  uint64_t entries = 0, size = 0, offset = 0;
  uint64_t end = 0;  ///< of the directory: where the end records begin
};

/// An entry with the place of its local header.
struct Located {
  ZipEntry entry;
  uint64_t stored_size = 0, begin = 0, end = 0;
};

/// The end record is the last thing in the file but for a comment that must reach its exact end.
size_t find_end_record(std::span<const std::byte> bytes, const Origin& origin) {
  const size_t tail = std::min(bytes.size(), kEndSize + kCommentLimit);
  for (size_t back = kEndSize; back <= tail; ++back) {
    const std::span<const std::byte> record = bytes.last(back);
    if (load_little<uint32_t>(record) != kEndMagic) continue;
    if (load_little<uint16_t>(record.subspan(20)) == back - kEndSize) return bytes.size() - back;
  }
  origin.bad("T-ZIP-02", "the file must end with a zip directory", {},
             "It may be cut short, or no zip file.");
}

Directory read_end64(std::span<const std::byte> bytes, size_t locator, const Origin& origin) {
  Cursor at_locator(bytes.subspan(locator), origin, kTruncated);
  at_locator.skip(8, "zip64 locator");
  const auto offset = at_locator.little<uint64_t>("zip64 locator");
  if (locator < kEnd64Size || offset != locator - kEnd64Size) {
    origin.bad("T-ZIP-03", "the zip64 end record must stand before its locator",
               "offset " + std::to_string(offset));
  }
  Cursor cursor(bytes.subspan(offset), origin, kTruncated);
  const bool is_record = cursor.little<uint32_t>("zip64 end record") == kEnd64Magic;
  const auto size = cursor.little<uint64_t>("zip64 end record");
  cursor.skip(12, "zip64 end record");
  const auto entries_here = cursor.little<uint64_t>("zip64 end record");
  Directory directory;
  directory.entries = cursor.little<uint64_t>("zip64 end record");
  directory.size = cursor.little<uint64_t>("zip64 end record");
  directory.offset = cursor.little<uint64_t>("zip64 end record");
  directory.end = offset;
  if (!is_record || size != kEnd64Size - 12 || entries_here != directory.entries) {
    origin.bad("T-ZIP-04", "the zip64 end record must be whole and of one volume");
  }
  return directory;
}

Directory find_directory(std::span<const std::byte> bytes, const Origin& origin) {
  const size_t end = find_end_record(bytes, origin);
  Cursor cursor(bytes.subspan(end + 4), origin, kTruncated);
  const auto disk = cursor.little<uint16_t>("end record");
  const auto directory_disk = cursor.little<uint16_t>("end record");
  const auto entries_here = cursor.little<uint16_t>("end record");
  Directory directory;
  directory.entries = cursor.little<uint16_t>("end record");
  directory.size = cursor.little<uint32_t>("end record");
  directory.offset = cursor.little<uint32_t>("end record");
  directory.end = end;
  if (end >= kLocatorSize &&
      load_little<uint32_t>(bytes.subspan(end - kLocatorSize)) == kLocator64Magic) {
    directory = read_end64(bytes, end - kLocatorSize, origin);
  } else if (disk != 0 || directory_disk != 0 || entries_here != directory.entries) {
    origin.unsupported("T-ZIP-05", "the archive must be one file, not a part of several");
  }
  if (directory.offset > directory.end || directory.end - directory.offset != directory.size) {
    origin.bad(
        "T-ZIP-06",
        "the directory must end where the end record begins, at " + std::to_string(directory.end),
        std::to_string(directory.offset) + " + " + std::to_string(directory.size));
  }
  return directory;
}

/// Replaces those of the values that stand in the zip64 field of an entry's extra bytes.
void read_zip64_field(std::span<const std::byte> extra, std::initializer_list<uint64_t*> values,
                      const Origin& origin) {
  Cursor cursor(extra, origin, kTruncated);
  while (cursor.remaining() > 0) {
    const auto id = cursor.little<uint16_t>("extra field");
    const auto size = cursor.little<uint16_t>("extra field");
    Cursor field(cursor.take(size, "extra field"), origin, kTruncated);
    if (id != kZip64Field) continue;
    for (uint64_t* value : values) {
      if (*value == kInZip64) *value = field.little<uint64_t>("zip64 field");
    }
    return;
  }
}

void check_name(const std::string& name, std::set<std::string>& seen, const Origin& origin) {
  if (name.empty() || name.find_first_of(std::string_view("/\\\0", 3)) != name.npos) {
    origin.bad("T-ZIP-07", "the files of the archive must have plain names without folders",
               shown(name));
  }
  if (!seen.insert(name).second) {
    origin.bad("T-ZIP-08", "every file of the archive must be there once", shown(name) + " twice");
  }
}

/// An entry of the central directory; where its data lie is left to find_data.
Located read_entry(Cursor& cursor, const Origin& origin) {
  constexpr std::string_view kWhat = "directory entry";
  if (cursor.little<uint32_t>(kWhat) != kCentralMagic) {
    origin.bad("T-ZIP-09", "the directory must list as many files as the end record counts");
  }
  cursor.skip(4, kWhat);  // versions
  const auto flags = cursor.little<uint16_t>(kWhat);
  const auto method = cursor.little<uint16_t>(kWhat);
  cursor.skip(4, kWhat);  // time
  Located located;
  located.entry.crc = cursor.little<uint32_t>(kWhat);
  located.stored_size = cursor.little<uint32_t>(kWhat);
  located.entry.size = cursor.little<uint32_t>(kWhat);
  const auto name_size = cursor.little<uint16_t>(kWhat);
  const auto extra_size = cursor.little<uint16_t>(kWhat);
  const auto comment_size = cursor.little<uint16_t>(kWhat);
  cursor.skip(8, kWhat);  // volume and attributes
  located.begin = cursor.little<uint32_t>(kWhat);
  located.entry.name = as_text(cursor.take(name_size, kWhat));
  read_zip64_field(cursor.take(extra_size, kWhat),
                   {&located.entry.size, &located.stored_size, &located.begin}, origin);
  cursor.skip(comment_size, kWhat);

  if ((flags & kEncrypted) != 0 || (method != kStored && method != kDeflated)) {
    origin.unsupported("T-ZIP-10",
                       shown(located.entry.name) + " must be stored or deflated, not encrypted",
                       "method " + std::to_string(method));
  }
  located.entry.is_deflated = method == kDeflated;
  return located;
}

/// Reads the local header, which must agree in name, and so finds the data behind it.
void find_data(Located& located, std::span<const std::byte> files, const Origin& origin) {
  constexpr std::string_view kWhat = "local header";
  const std::string name = shown(located.entry.name);
  if (located.begin > files.size()) {
    origin.bad("T-ZIP-11", name + " must begin before the directory",
               std::to_string(located.begin));
  }
  Cursor cursor(files.subspan(located.begin), origin, kTruncated);
  if (cursor.little<uint32_t>(kWhat) != kLocalMagic) {
    origin.bad("T-ZIP-11", name + " must begin with a local header");
  }
  cursor.skip(22, kWhat);  // what the directory says too
  const auto name_size = cursor.little<uint16_t>(kWhat);
  const auto extra_size = cursor.little<uint16_t>(kWhat);
  if (as_text(cursor.take(name_size, kWhat)) != located.entry.name) {
    origin.bad("T-ZIP-12", name + " must have the same name in its local header");
  }
  cursor.skip(extra_size, kWhat);
  located.entry.data = cursor.take(located.stored_size, "file data");
  located.end = files.size() - cursor.remaining();
}

/// Whether the stored bytes can give the promised size at all: refuses bombs before unpacking.
void check_size(const ZipEntry& entry, const Origin& origin) {
  const uint64_t stored = entry.data.size();
  if (entry.is_deflated ? entry.size > stored * kDeflateRatio : entry.size != stored) {
    origin.bad("T-ZIP-13", shown(entry.name) + " must have a size that its data can give",
               std::to_string(entry.size) + " from " + std::to_string(stored));
  }
}

void check_overlap(std::vector<Located>& located, const Origin& origin) {
  std::sort(located.begin(), located.end(),
            [](const Located& a, const Located& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < located.size(); ++i) {
    if (located[i].begin < located[i - 1].end) {
      origin.bad("T-ZIP-15", "no two files of the archive may share bytes",
                 shown(located[i - 1].entry.name) + " and " + shown(located[i].entry.name));
    }
  }
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> bytes, uint64_t limit,
                                         std::string_view file) {
  const Origin origin{"zip", file};
  const Directory directory = find_directory(bytes, origin);
  Cursor cursor(bytes.subspan(directory.offset, directory.size), origin, kTruncated);
  const std::span<const std::byte> files = bytes.first(directory.offset);

  std::vector<ZipEntry> entries;
  std::vector<Located> located;
  std::set<std::string> seen;
  uint64_t total = 0;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    Located& one = located.emplace_back(read_entry(cursor, origin));
    find_data(one, files, origin);
    check_name(one.entry.name, seen, origin);
    check_size(one.entry, origin);
    if (one.entry.size > limit - total) {
      origin.bad("T-ZIP-14", "the archive must hold at most " + std::to_string(limit) + " bytes",
                 "more");
    }
    total += one.entry.size;
    entries.push_back(one.entry);
  }
  if (cursor.remaining() != 0) {
    origin.bad("T-ZIP-09", "the directory must list as many files as the end record counts");
  }
  check_overlap(located, origin);
  return entries;
}

std::vector<std::byte> read_zip_entry(const ZipEntry& entry, std::string_view file) {
  std::vector<std::byte> bytes = entry.is_deflated
                                     ? inflate_raw(entry.data, entry.size, file)
                                     : std::vector<std::byte>(entry.data.begin(), entry.data.end());
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  if (crc != entry.crc) {
    Origin{"zip", file}.bad("T-ZIP-16", shown(entry.name) + " must have the CRC of its entry",
                            "another: the file is damaged", "Fetch it again.");
  }
  return bytes;
}

}  // namespace tessera::io
