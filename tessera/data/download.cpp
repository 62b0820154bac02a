#include "tessera/data/download.h"

#include <curl/curl.h>

#include <cctype>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "tessera/core/error.h"
#include "tessera/core/version.h"
#include "tessera/io/file.h"
#include "tessera/io/hash.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

// A server that sends nothing for so long is taken for dead.
constexpr long kConnectSeconds = 30, kSilentSeconds = 60;

int64_t size_on_disk(const fs::path& path) {
  std::error_code missing;
  const auto bytes = fs::file_size(path, missing);
  return missing ? -1 : static_cast<int64_t>(bytes);
}

fs::path part_of(const fs::path& target) {
  return target.parent_path() / ("." + target.filename().string() + ".part");
}

fs::path kept_hash_of(const fs::path& target) { return target.string() + ".sha256"; }

std::string sha256_of(const fs::path& path) {
  return io::sha256_hex(io::MappedFile(path.string()).bytes());
}

/// A path as it stands in a URL.
std::string url_path(const std::string& path) {
  std::string out;
  for (const unsigned char c : path) {
    const bool is_plain = std::isalnum(c) || std::string_view("/-._~").find(static_cast<char>(c)) !=
                                                 std::string_view::npos;
    if (is_plain) {
      out += static_cast<char>(c);
    } else {
      char code[4];
      std::snprintf(code, sizeof code, "%%%02X", static_cast<unsigned>(c));
      out += code;
    }
  }
  return out;
}

/// "https://…" of the file, or its place in the mirror; a folder becomes a file URL.
std::string source_of(const RemoteFile& file, const std::string& mirror) {
  if (mirror.empty()) return file.url;
  if (mirror.find("://") != std::string::npos) {
    return mirror + (mirror.ends_with('/') ? "" : "/") + url_path(file.path);
  }
  return "file://" + url_path((fs::absolute(mirror) / file.path).string());
}

[[noreturn]] void refuse(const fs::path& path, const std::string& rule, const std::string& got,
                         const std::string& next) {
  fail<BadFile>({.where = "data",
                 .rule = path.string() + ": " + rule,
                 .got = got,
                 .next = next,
                 .id = "T-DATA-01"});
}

/// One transfer that appends to a file.
class Transfer {
 public:
  Transfer(std::string source, const fs::path& part, const DownloadProgress& progress)
      : source_(std::move(source)), part_(part), progress_(progress), curl_(curl_easy_init()) {
    if (!curl_) fail<Io>({.where = "data", .rule = "libcurl can start", .id = "T-DATA-02"});
  }

  /// Appends from byte `offset` on. Returns libcurl's code; `http_status` where there was one.
  CURLcode run(int64_t offset) {
    file_.reset(std::fopen(part_.c_str(), offset > 0 ? "ab" : "wb"));
    if (!file_) {
      fail<Io>({.where = "data", .rule = "cannot write " + part_.string(), .id = "T-DATA-03"});
    }
    offset_ = offset;
    CURL* curl = curl_.get();
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, source_.c_str());
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#endif
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, agent_.c_str());
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message_);
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(offset));
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, file_.get());
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, progress_ ? 0L : 1L);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http_status_);
    if (std::fclose(file_.release()) != 0 && code == CURLE_OK) code = CURLE_WRITE_ERROR;
    return code;
  }

  long http_status() const { return http_status_; }
  std::string message(CURLcode code) const {
    return *message_ ? message_ : curl_easy_strerror(code);
  }

 private:
  struct CloseCurl {
    void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  };
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  static int on_progress(void* self, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
    const auto& it = *static_cast<const Transfer*>(self);
    it.progress_(it.offset_ + done, total > 0 ? it.offset_ + total : 0);
    return 0;
  }

  std::string source_;
  fs::path part_;
  const DownloadProgress& progress_;
  std::string agent_ = std::string("tessera/") + kVersion;
  std::unique_ptr<CURL, CloseCurl> curl_;
  std::unique_ptr<std::FILE, CloseFile> file_;
  int64_t offset_ = 0;
  long http_status_ = 0;
  char message_[CURL_ERROR_SIZE] = "";
};

/// Brings the part to its end.
void fetch(const std::string& source, const fs::path& part, const DownloadProgress& progress) {
  Transfer transfer(source, part, progress);
  const int64_t have = std::max<int64_t>(size_on_disk(part), 0);
  CURLcode code = transfer.run(have);
  const bool cannot_resume = code == CURLE_RANGE_ERROR || code == CURLE_BAD_DOWNLOAD_RESUME ||
                             (code == CURLE_HTTP_RETURNED_ERROR && transfer.http_status() == 416);
  if (have > 0 && cannot_resume) code = transfer.run(0);
  if (code == CURLE_OK) return;

  const int64_t now = std::max<int64_t>(size_on_disk(part), 0);
  if (now == 0) fs::remove(part);
  fail<Io>({.where = "data",
            .rule = source + ": " + transfer.message(code),
            .next = now > 0 ? "Of it " + std::to_string(now) +
                                  " bytes are here: the same command goes on from there."
                            : "Check the network, or fetch from a copy with --mirror.",
            .id = "T-DATA-04"});
}

void check_size(const RemoteFile& file, const fs::path& path) {
  const int64_t bytes = size_on_disk(path);
  if (file.bytes > 0 && bytes != file.bytes) {
    refuse(path, "the file has " + std::to_string(file.bytes) + " bytes", std::to_string(bytes),
           "Fetch it again.");
  }
}

}  // namespace

FileState state_of(const RemoteFile& file, const std::string& root) {
  const fs::path target = fs::path(root) / file.path;
  const int64_t bytes = size_on_disk(target);
  if (bytes >= 0 && (file.bytes == 0 || bytes == file.bytes)) return FileState::kPresent;
  return size_on_disk(part_of(target)) > 0 ? FileState::kPartial : FileState::kMissing;
}

void download(const RemoteFile& file, const std::string& root, const std::string& mirror,
              const DownloadProgress& progress) {
  const fs::path target = fs::path(root) / file.path, part = part_of(target);
  if (state_of(file, root) == FileState::kPresent) {
    check_file(file, root);
    return;
  }
  fs::create_directories(target.parent_path());
  if (file.bytes == 0 || size_on_disk(part) != file.bytes) {
    fetch(source_of(file, mirror), part, progress);
  }
  std::string hash;
  try {
    check_size(file, part);
    hash = sha256_of(part);
    if (!file.sha256.empty() && hash != file.sha256) {
      refuse(target, "the file has SHA-256 " + file.sha256, hash,
             "What came was removed; fetch it again, or from elsewhere.");
    }
  } catch (const BadFile&) {
    // What is wrong in the middle cannot be mended by appending.
    fs::remove(part);
    throw;
  }
  if (file.sha256.empty()) {
    io::write_atomically(kept_hash_of(target).string(),
                         hash + "  " + target.filename().string() + "\n");
  }
  io::flush_to_disk(part.string());
  fs::rename(part, target);
  io::flush_to_disk(target.parent_path().string());
}

bool check_file(const RemoteFile& file, const std::string& root) {
  const fs::path target = fs::path(root) / file.path;
  if (size_on_disk(target) < 0) {
    fail<Io>({.where = "data",
              .rule = target.string() + " is not there",
              .next = "`tessera data get` fetches it.",
              .id = "T-DATA-05"});
  }
  check_size(file, target);
  std::string expected = file.sha256;
  if (expected.empty() && fs::exists(kept_hash_of(target))) {
    expected = io::read_text(kept_hash_of(target).string()).substr(0, 64);
  }
  if (expected.empty()) return false;
  if (const std::string hash = sha256_of(target); hash != expected) {
    refuse(target, "the file has SHA-256 " + expected, hash, "Remove it and fetch it again.");
  }
  return true;
}

}  // namespace tessera::data
