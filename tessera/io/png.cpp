#include "tessera/io/png.h"

#include <png.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "tessera/io/origin.h"

namespace tessera::io {
namespace {

constexpr png_uint_32 kLongestSide = 1u << 16;
// Deflate packs at most 1,032 bytes into one.
constexpr uint64_t kBestPacking = 1032;
constexpr size_t kLargestChunk = size_t{8} << 20;

/// What the library's callbacks see. They may leave by longjmp, so that nothing here and in the
/// functions that call the library needs a destructor.
struct Source {
  const std::byte* next;
  size_t left;
  char complaint[128];
};

void on_error(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::strncpy(source->complaint, message, sizeof source->complaint - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void read(png_structp png, png_bytep out, size_t size) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (size > source->left) png_error(png, "the file ends early");
  std::memcpy(out, source->next, size);
  source->next += size;
  source->left -= size;
}

struct Size {
  png_uint_32 height, width;
  size_t packed_row;  ///< bytes of a row before the transforms
};

bool read_header(png_structp png, png_infop info, Source& source, Size& size) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_read_fn(png, &source, read);
  png_set_user_limits(png, kLongestSide, kLongestSide);
  png_set_chunk_malloc_max(png, kLargestChunk);
  png_read_info(png, info);
  size = {png_get_image_height(png, info), png_get_image_width(png, info),
          png_get_rowbytes(png, info)};
  return true;
}

/// `rows`: one pointer a row.
bool read_pixels(png_structp png, png_infop info, png_bytepp rows, size_t row_bytes) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != row_bytes) png_error(png, "its pixels are not RGB");
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

class Reader {
 public:
  explicit Reader(Source& source)
      : png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, on_error, on_warning)),
        info_(png_ != nullptr ? png_create_info_struct(png_) : nullptr) {}
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  png_structp png() const { return png_; }
  png_infop info() const { return info_; }

 private:
  png_structp png_;
  png_infop info_;
};

}  // namespace

bool is_png(std::span<const std::byte> bytes) {
  return bytes.size() >= 8 &&
         png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) == 0;
}

Raster decode_png(std::span<const std::byte> bytes, std::string_view file, int64_t most_pixels) {
  const Origin origin{"png", file};
  if (!is_png(bytes)) origin.bad("T-PNG-01", "the file must begin with PNG's eight bytes");
  Source source{bytes.data(), bytes.size(), {}};
  const Reader reader(source);
  if (reader.info() == nullptr) throw std::bad_alloc();
  Size size{};
  const auto refuse = [&](std::string_view id) {
    origin.bad(id, "the file must be a whole PNG", shown(source.complaint), "Fetch it again.");
  };
  if (!read_header(reader.png(), reader.info(), source, size)) refuse("T-PNG-02");
  const auto pixels = int64_t{size.height} * int64_t{size.width};
  if (pixels > most_pixels) {
    origin.bad("T-PNG-03", "a picture must have at most " + std::to_string(most_pixels) + " pixels",
               std::to_string(size.height) + " × " + std::to_string(size.width));
  }
  if (uint64_t{size.height} * (size.packed_row + 1) > kBestPacking * bytes.size()) {
    origin.bad("T-PNG-04",
               "the pixels of a picture must be able to come out of " +
                   std::to_string(bytes.size()) + " bytes",
               std::to_string(size.height) + " × " + std::to_string(size.width));
  }
  const size_t row_bytes = size_t{size.width} * 3;
  Raster raster{size.height, size.width, {}};
  raster.rgb.resize(size.height * row_bytes);
  std::vector<png_bytep> rows(size.height);
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = raster.rgb.data() + y * row_bytes;
  if (!read_pixels(reader.png(), reader.info(), rows.data(), row_bytes)) refuse("T-PNG-05");
  return raster;
}

}  // namespace tessera::io
