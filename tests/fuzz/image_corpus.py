"""Images for the fuzzing corpus: called by make_corpus.py."""

import struct
import zlib

# ---- PNG -----------------------------------------------------------------------------------------

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(name, data, crc=None):
    crc = zlib.crc32(name + data) if crc is None else crc
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)


def picture(width=2, height=2, depth=8, color=2, interlace=0, rows=None, before=b"", end=True,
            packed=None):
    """A PNG; `rows` are the bytes that are packed, each row behind its filter's number."""
    if rows is None:
        rows = (b"\0" + bytes(i % 256 for i in range(3 * min(width, 100)))) * min(height, 100)
    packed = zlib.compress(rows) if packed is None else packed
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    return (PNG_MAGIC + chunk(b"IHDR", head) + before + chunk(b"IDAT", packed) +
            (chunk(b"IEND", b"") if end else b""))


def png():
    yield "ok_rgb", picture()
    yield "ok_every_filter", picture(height=5, rows=b"".join(
        bytes([f, 1, 2, 3, 4, 5, 6]) for f in range(5)))
    yield "ok_grey_1_bit", picture(9, 2, 1, 0, rows=b"\0\xaa\x80" * 2)
    yield "ok_grey_16_bit", picture(2, 1, 16, 0, rows=b"\0\x12\x34\xff\xff")
    yield "ok_palette_transparent", picture(4, 1, 2, 3, rows=b"\0\x1b", before=chunk(
        b"PLTE", bytes(range(12))) + chunk(b"tRNS", b"\0\x80"))
    yield "ok_rgba_16_bit", picture(1, 1, 16, 6, rows=b"\0" + bytes(range(8)))
    yield "ok_interlaced", picture(1, 1, 8, 2, 1, rows=b"\0abc")
    yield "ok_bytes_behind", picture() + b"more"
    yield "T-PNG-01_empty_file", b""
    yield "T-PNG-01_not_png", b"GIF89a" + bytes(20)
    yield "T-PNG-02_no_header", PNG_MAGIC
    yield "T-PNG-02_truncated_header", picture()[:20]
    yield "T-PNG-02_zero_width", picture(width=0, rows=b"\0\0")
    yield "T-PNG-02_long_side", picture(width=(1 << 16) + 1)
    yield "T-PNG-02_width_of_32_bits", picture(width=(1 << 32) - 1, rows=b"\0")
    yield "T-PNG-02_depth_3", picture(depth=3)
    yield "T-PNG-02_color_5", picture(color=5)
    yield "T-PNG-02_no_palette", picture(4, 1, 2, 3, rows=b"\0\x1b")
    yield "T-PNG-02_chunk_length", picture()[:33] + b"\xff\xff\xff\xff" + picture()[37:]
    yield "T-PNG-02_header_crc", PNG_MAGIC + chunk(
        b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0), crc=0)
    yield "T-PNG-03_many_pixels", picture(60000, 60000)
    yield "T-PNG-04_few_bytes", picture(1000, 1000)
    yield "T-PNG-05_filter_9", picture(rows=b"\x09" + bytes(6) + b"\0" + bytes(6))
    yield "T-PNG-05_short_data", picture(rows=bytes(8))
    yield "T-PNG-05_no_end", picture(end=False)
    yield "T-PNG-05_cut", picture(40, 40)[:-20]
    yield "T-PNG-05_no_deflate", picture(packed=b"\xff" * 20)
    yield "T-PNG-05_short_deflate", picture(
        1, 1, 8, 3, packed=zlib.compress(b"\0\x05")[:-1], before=chunk(b"PLTE", bytes(6)))


# ---- JPEG ----------------------------------------------------------------------------------------


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def frame(height=8, width=8, components=1, marker=0xC0, sampling=0x11, table=0):
    return segment(marker, struct.pack(">BHHB", 8, height, width, components) + b"".join(
        bytes([i + 1, sampling, table]) for i in range(components)))


def huffman(kind, lengths, symbols):
    counts = bytes(lengths.count(n) for n in range(1, 17))
    return segment(0xC4, bytes([kind]) + counts + bytes(symbols))


def scan(components=1, data=b"", last=63, huffman_table=0):
    return segment(0xDA, bytes([components]) + b"".join(
        bytes([i + 1, huffman_table]) for i in range(components)) + bytes([0, last, 0])) + data


# The code 0 is a difference of no bits, 10 one of five; then 0 ends a block.
TABLES = (segment(0xDB, b"\0" + b"\x08" * 64) + huffman(0x00, [1, 2], [0, 5]) +
          huffman(0x10, [1], [0]))
# 10 11111 0: level 31, nothing else, then ones to the end of the byte.
BLOCK, FLAT = b"\xbe", b"\x3f"


def jpeg_file(*parts, tables=TABLES, end=True):
    return b"\xff\xd8" + tables + b"".join(parts) + (b"\xff\xd9" if end else b"")


def jpeg():
    yield "ok_grey", jpeg_file(frame(), scan(data=BLOCK))
    yield "ok_flat", jpeg_file(frame(), scan(data=FLAT))
    yield "ok_odd_size", jpeg_file(frame(5, 3), scan(data=BLOCK))
    yield "ok_colour", jpeg_file(frame(components=3), scan(3, b"\x03"))
    yield "ok_cmyk", jpeg_file(segment(0xEE, b"Adobe\0\x64\0\0\0\0\0"), frame(components=4),
                             scan(4, b"\x00"))
    yield "ok_progressive", jpeg_file(frame(marker=0xC2), scan(data=b"\x7f", last=0))
    yield "ok_bytes_behind", jpeg_file(frame(), scan(data=BLOCK)) + b"more"
    yield "T-JPEG-01_empty_file", b""
    yield "T-JPEG-01_not_jpeg", b"\x89PNG\r\n\x1a\n"
    yield "T-JPEG-02_no_frame", jpeg_file()
    yield "T-JPEG-02_cut", jpeg_file(end=False)
    yield "T-JPEG-02_zero_height", jpeg_file(frame(height=0), scan(data=BLOCK))
    yield "T-JPEG-02_no_components", jpeg_file(frame(components=0), scan(data=BLOCK))
    yield "T-JPEG-02_sampling_15", jpeg_file(frame(sampling=0xFF), scan(data=BLOCK))
    yield "T-JPEG-02_scan_before_frame", jpeg_file(scan(data=BLOCK), frame())
    yield "T-JPEG-02_segment_length", b"\xff\xd8\xff\xdb\0\1"
    yield "T-JPEG-02_huffman_overflow", jpeg_file(frame(), scan(), tables=segment(
        0xC4, b"\0" + b"\xff" * 16))
    yield "T-JPEG-02_arithmetic_lossless", jpeg_file(frame(marker=0xCB), scan(data=BLOCK))
    yield "T-JPEG-03_many_pixels", jpeg_file(frame(65500, 65500), scan(data=BLOCK))
    yield "T-JPEG-04_no_quantization", jpeg_file(frame(table=3), scan(data=BLOCK))
    yield "T-JPEG-04_no_huffman_table", jpeg_file(frame(), scan(data=BLOCK, huffman_table=0x33))
    yield "T-JPEG-04_few_bytes", jpeg_file(frame(64, 64), scan(data=BLOCK))
    yield "T-JPEG-04_no_end", jpeg_file(frame(16, 16), scan(data=BLOCK), end=False)
    yield "T-JPEG-04_wrong_code", jpeg_file(frame(), scan(data=b"\xf7"))
    yield "T-JPEG-05_many_scans", jpeg_file(frame(marker=0xC2), *[
        scan(data=b"\x7f", last=0)] * 100)
