#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

/// For tests alone.
namespace tessera::io {

/// A ustar archive of text files: names and contents.
inline std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string archive;
  for (const auto& [name, text] : files) {
    std::array<char, 512> header{};
    std::snprintf(header.data(), 100, "%s", name.c_str());
    std::snprintf(header.data() + 100, 8, "%07o", 0644);
    std::snprintf(header.data() + 108, 8, "%07o", 0);
    std::snprintf(header.data() + 116, 8, "%07o", 0);
    std::snprintf(header.data() + 124, 12, "%011zo", text.size());
    std::snprintf(header.data() + 136, 12, "%011o", 0);
    header[156] = '0';
    std::snprintf(header.data() + 257, 8, "ustar");
    header[263] = header[264] = '0';
    std::fill_n(header.data() + 148, 8, ' ');
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    std::snprintf(header.data() + 148, 8, "%06o", sum);
    archive.append(header.data(), header.size());
    archive += text;
    archive.append((512 - text.size() % 512) % 512, '\0');
  }
  return archive.append(1024, '\0');
}

}  // namespace tessera::io
