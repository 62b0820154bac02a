"""Archives for the fuzzing corpus: called by make_corpus.py."""

import bz2
import lzma
import struct
import tarfile
import zlib

# ---- tar -----------------------------------------------------------------------------------------


def tar():
    def archive(files, format=tarfile.USTAR_FORMAT, end=bytes(1024), **fields):
        result = b""
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field, value in fields.items():
                setattr(info, field, value)
            result += info.tobuf(format) + data + bytes(-len(data) % 512)
        return result + end

    def patched(*patches, fix=True):
        block = bytearray(archive([("a", b"x")]))
        for at, text in patches:
            block[at:at + len(text)] = text
        if fix:
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block[:512])
        return bytes(block)

    def pax(record):
        return archive([("././@PaxHeader", record)], type=tarfile.XHDTYPE, end=b"") + archive(
            [("a", b"x")])

    plain, long = archive([("a.txt", b"hello"), ("b/c.txt", b"")]), "d/" * 60 + "e"
    yield "ok_ustar", plain
    yield "ok_ustar_prefix", archive([(long, b"hello")])
    yield "ok_gnu_long_name", archive([(long, b"hello")], tarfile.GNU_FORMAT)
    yield "ok_pax_long_name", archive([("é" * 80, b"hello")], tarfile.PAX_FORMAT)
    yield "ok_pax_global", archive([("g", b"18 comment=abcdef\n")], type=tarfile.XGLTYPE,
                                   end=b"") + plain
    yield "ok_folder", archive([("b/", b"")], type=tarfile.DIRTYPE)
    yield "ok_v7", patched((257, bytes(8)))
    yield "ok_no_files", bytes(1024)
    yield "ok_bzip2", bz2.compress(plain)

    yield "T-TAR-01_empty_file", b""
    yield "T-TAR-01_truncated_data", archive([("a", bytes(600))])[:1000]
    yield "T-TAR-01_no_end", archive([("a", b"x")], end=b"")
    yield "T-TAR-01_huge_size", patched((124, b"77777777777\0"))
    yield "T-TAR-02_binary_size", patched((124, b"\x80" + b"\xff" * 11))
    yield "T-TAR-02_no_number", patched((124, b"0000000009x\0"))
    yield "T-TAR-03_wrong_checksum", patched((0, b"b"), fix=False)
    yield "T-TAR-04_pax_length", pax(b"99 path=x\n")
    yield "T-TAR-04_pax_no_equals", pax(b"9 pathxx\n")
    yield "T-TAR-04_pax_tiny_length", pax(b"1 path=x\n")
    yield "T-TAR-04_pax_no_newline", pax(b"9 path=xx")
    yield "T-TAR-05_absolute_path", archive([("/etc/passwd", b"x")])
    yield "T-TAR-05_climbing_path", archive([("a/../../b", b"x")])
    yield "T-TAR-05_no_name", archive([("", b"x")])
    yield "T-TAR-05_pax_climbing_path", pax(b"13 path=../x\n")
    yield "T-TAR-06_trailing_data", plain + b"x" * 512
    yield "T-TAR-06_one_zero_block", archive([("a", b"x")], end=bytes(512) + b"x" * 512)
    yield "T-TAR-07_unknown_magic", patched((257, b"USTAR\x0000"))
    yield "T-TAR-08_huge_long_name", patched((156, b"L"), (124, b"00000400000\0"))
    yield "T-TAR-09_pax_size", pax(b"14 size=12345\n")
    yield "T-TAR-10_symbolic_link", archive([("a", b"")], type=tarfile.SYMTYPE, linkname="/etc")
    yield "T-TAR-10_device", archive([("a", b"")], type=tarfile.CHRTYPE)
    yield "T-TAR-11_duplicate", archive([("a", b"x"), ("a", b"y")])
    yield "T-BZ-01_truncated", bz2.compress(plain)[:-5]
    yield "T-BZ-01_trailing_bytes", bz2.compress(plain) + b"x"
    yield "T-BZ-02_bomb", bz2.compress(bytes(2 << 20))
    yield "ok_xz", lzma.compress(plain)
    yield "T-XZ-01_truncated", lzma.compress(plain)[:-5]


# ---- xz ------------------------------------------------------------------------------------------


def xz():
    text = b"the quick brown fox " * 20

    def patched(at, *values):
        data = bytearray(lzma.compress(text))
        data[at:at + len(values)] = values
        return bytes(data)

    def dictionary(size_code):
        """The block header with another dictionary, and its checksum made right again."""
        data = bytearray(lzma.compress(text))
        length = (data[12] + 1) * 4
        block = data[12:12 + length]
        at = block.index(b"\x21\x01")  # LZMA2, one byte of properties
        block[at + 2] = size_code
        block[-4:] = struct.pack("<I", zlib.crc32(block[:-4]))
        data[12:12 + length] = block
        return bytes(data)

    yield "ok_text", lzma.compress(text)
    yield "ok_no_bytes", lzma.compress(b"")
    for name, check in (("crc32", lzma.CHECK_CRC32), ("sha256", lzma.CHECK_SHA256),
                        ("no_check", lzma.CHECK_NONE)):
        yield "ok_" + name, lzma.compress(text, check=check)
    yield "ok_two_streams", lzma.compress(text) + lzma.compress(b"more")
    yield "ok_padding", lzma.compress(text) + bytes(4) + lzma.compress(b"more")

    yield "T-XZ-01_empty_file", b""
    yield "T-XZ-01_not_xz", b"PK\3\4" + bytes(20)
    yield "T-XZ-01_lzma_alone", lzma.compress(text, format=lzma.FORMAT_ALONE)
    yield "T-XZ-01_truncated", lzma.compress(text)[:-1]
    yield "T-XZ-01_truncated_block", lzma.compress(text)[:40]
    yield "T-XZ-01_trailing_bytes", lzma.compress(text) + b"x"
    yield "T-XZ-01_odd_padding", lzma.compress(text) + bytes(3)
    yield "T-XZ-01_damaged", patched(36, 0xff, 0xff)
    damaged = bytearray(lzma.compress(text))
    damaged[-30] ^= 1  # the check or the index
    yield "T-XZ-01_wrong_check", bytes(damaged)
    yield "T-XZ-02_bomb", lzma.compress(bytes(2 << 20))
    yield "T-XZ-03_huge_dictionary", dictionary(40)
    yield "T-XZ-04_unknown_dictionary", dictionary(0x3f)
