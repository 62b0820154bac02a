#include "tessera/io/jpeg.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio>  // jpeglib.h uses FILE
#include <cstring>
#include <string>

#include <jpeglib.h>
// After jpeglib.h.
#include <jerror.h>

#include "tessera/io/origin.h"

namespace tessera::io {
namespace {

// A progressive picture has some ten scans; each costs a pass over all coefficients, so that a
// small file of many scans could keep us busy for hours.
constexpr int kMostScans = 64;

/// What the library's callbacks see. They leave by longjmp, so that nothing here and in the
/// functions that call the library needs a destructor.
struct Source {
  jpeg_error_mgr errors;  // first: the library hands out its address
  jpeg_progress_mgr progress;
  jpeg_decompress_struct jpeg;
  jmp_buf escape;
  bool has_too_many_scans;
  char complaint[JMSG_LENGTH_MAX];
};

void on_error(j_common_ptr jpeg) {
  auto* source = reinterpret_cast<Source*>(jpeg->err);
  jpeg->err->format_message(jpeg, source->complaint);
  std::longjmp(source->escape, 1);
}

/// Warnings (level −1) are data that the library invented; some are harmless.
void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_TOO_MUCH_DATA:
      return;
    default:
      on_error(jpeg);
  }
}

void on_progress(j_common_ptr jpeg) {
  auto* source = reinterpret_cast<Source*>(jpeg->err);
  if (source->jpeg.input_scan_number <= kMostScans) return;
  source->has_too_many_scans = true;
  std::longjmp(source->escape, 1);
}

bool read_header(Source& source, std::span<const std::byte> bytes) {
  if (setjmp(source.escape)) return false;
  jpeg_mem_src(&source.jpeg, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&source.jpeg, TRUE);
  const J_COLOR_SPACE space = source.jpeg.jpeg_color_space;
  source.jpeg.out_color_space = space == JCS_CMYK || space == JCS_YCCK ? JCS_CMYK : JCS_RGB;
  source.jpeg.dct_method = JDCT_ISLOW;
  return true;
}

/// `rows`: one pointer a row.
bool read_pixels(Source& source, JSAMPARRAY rows) {
  if (setjmp(source.escape)) return false;
  jpeg_start_decompress(&source.jpeg);
  while (source.jpeg.output_scanline < source.jpeg.output_height) {
    jpeg_read_scanlines(&source.jpeg, rows + source.jpeg.output_scanline,
                        source.jpeg.output_height - source.jpeg.output_scanline);
  }
  jpeg_finish_decompress(&source.jpeg);
  return true;
}

class Reader {
 public:
  Reader() {
    source_.jpeg.err = jpeg_std_error(&source_.errors);
    source_.errors.error_exit = on_error;
    source_.errors.emit_message = on_message;
    jpeg_create_decompress(&source_.jpeg);
    source_.progress.progress_monitor = on_progress;
    source_.jpeg.progress = &source_.progress;
  }
  ~Reader() { jpeg_destroy_decompress(&source_.jpeg); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Source& source() { return source_; }

 private:
  Source source_{};
};

/// Ink to light. Adobe's files hold 255 − ink.
void to_rgb(const std::vector<uint8_t>& cmyk, bool is_inverted, std::vector<uint8_t>& rgb) {
  for (size_t i = 0; i < rgb.size() / 3; ++i) {
    const auto light = [&](size_t c) {
      const unsigned value = cmyk[4 * i + c];
      return is_inverted ? value : 255 - value;
    };
    for (size_t c = 0; c < 3; ++c) {
      rgb[3 * i + c] = static_cast<uint8_t>((light(c) * light(3) + 127) / 255);
    }
  }
}

}  // namespace

bool is_jpeg(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0xd8} &&
         bytes[2] == std::byte{0xff};
}

Raster decode_jpeg(std::span<const std::byte> bytes, std::string_view file, int64_t most_pixels) {
  const Origin origin{"jpeg", file};
  if (!is_jpeg(bytes)) origin.bad("T-JPEG-01", "the file must begin with JPEG's marker");
  Reader reader;
  Source& source = reader.source();
  const auto refuse = [&](std::string_view id) {
    if (source.has_too_many_scans) {
      origin.bad("T-JPEG-05",
                 "a picture must have at most " + std::to_string(kMostScans) + " scans", "more");
    }
    origin.bad(id, "the file must be a whole JPEG", shown(source.complaint), "Fetch it again.");
  };
  if (!read_header(source, bytes)) refuse("T-JPEG-02");
  const auto height = int64_t{source.jpeg.image_height}, width = int64_t{source.jpeg.image_width};
  if (height * width > most_pixels) {
    origin.bad("T-JPEG-03",
               "a picture must have at most " + std::to_string(most_pixels) + " pixels",
               std::to_string(height) + " × " + std::to_string(width));
  }
  const bool is_cmyk = source.jpeg.out_color_space == JCS_CMYK;
  const size_t row_bytes = static_cast<size_t>(width) * (is_cmyk ? 4 : 3);
  std::vector<uint8_t> pixels(static_cast<size_t>(height) * row_bytes);
  std::vector<JSAMPROW> rows(static_cast<size_t>(height));
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = pixels.data() + y * row_bytes;
  if (!read_pixels(source, rows.data())) refuse("T-JPEG-04");
  if (!is_cmyk) return {height, width, std::move(pixels)};
  Raster raster{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width) * 3)};
  to_rgb(pixels, source.jpeg.saw_Adobe_marker, raster.rgb);
  return raster;
}

}  // namespace tessera::io
