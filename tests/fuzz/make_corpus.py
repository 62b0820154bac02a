#!/usr/bin/env python3
"""Writes the fuzzing corpus: one folder a reader, one small file a rule of its format.

A file named "ok_..." must be accepted; any other begins with the id of the error that it must
provoke ("T-ST-15_hole"). tessera/io/corpus_test.cpp holds the readers to that. The corpus is kept
in the repository; run this script after a change of it: python3 tests/fuzz/make_corpus.py
"""

import bz2
import gzip
import io
import json
import lzma
import pathlib
import shutil
import struct
import tarfile
import zipfile
import zlib

from bvh_corpus import bvh

ROOT = pathlib.Path(__file__).parent / "corpus"


# ---- safetensors ---------------------------------------------------------------------------------


def tensors(header, data=b"", length=None):
    if not isinstance(header, bytes):
        header = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(dtype="F32", shape=(2,), begin=0, end=8, **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end], **more}


def safetensors():
    widths = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2,
              "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1}
    every, offset = {}, 0
    for name, width in widths.items():
        every["t/" + name] = entry(name, (1,), offset, offset + width)
        offset += width
    one = '"dtype":"F32","shape":[2],"data_offsets":[0,8]'
    eight, sixteen = bytes(8), bytes(16)

    yield "ok_empty", tensors({})
    yield "ok_every_type", tensors(every, bytes(offset))
    yield "ok_scalar", tensors({"a": entry(shape=(), end=4)}, bytes(4))
    yield "ok_no_elements", tensors({"a": entry(shape=(0, 3), end=0), "b": entry()}, eight)
    yield "ok_other_order", tensors({"b": entry(begin=8, end=16), "a": entry()}, sixteen)
    yield "ok_metadata", tensors({"__metadata__": {"k": "v", "": "é"}, "a": entry()}, eight)
    yield "ok_padded", tensors("{}      ")
    yield "ok_unicode_name", tensors({"größe": entry()}, eight)

    yield "T-ST-01_empty_file", b""
    yield "T-ST-01_half_a_length", bytes(4)
    yield "T-ST-02_huge_header", tensors("{}", length=1 << 63)
    yield "T-ST-02_header_above_cap", tensors("{}", length=100_000_001)
    yield "T-ST-03_header_beyond_end", tensors("{}", length=3)
    yield "T-ST-04_no_header", tensors("")
    yield "T-ST-04_byte_order_mark", tensors(b"\xef\xbb\xbf{}")
    yield "T-ST-04_space_in_front", tensors(" {}")
    yield "T-ST-04_newline_behind", tensors("{}\n")
    yield "T-ST-04_zero_byte", tensors(b"{}\x00garbage}")
    yield "T-ST-04_array", tensors("[]")
    yield "T-ST-05_bad_utf8", tensors(b'{"\xff":{' + one.encode() + b"}}", eight)
    yield "T-ST-05_overlong_utf8", tensors(b'{"\xc0\xaf":{' + one.encode() + b"}}", eight)
    yield "T-ST-05_lone_surrogate", tensors('{"\\ud800":{%s}}' % one, eight)
    yield "T-ST-05_trailing_comma", tensors('{"a":{%s},}' % one, eight)
    yield "T-ST-05_two_documents", tensors("{} {}")
    yield "T-ST-05_comment", tensors("{/*x*/}")
    yield "T-ST-05_number_out_of_range", tensors(
        '{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,8]}}', eight)
    yield "T-ST-06_duplicate_tensor", tensors('{"a":{%s},"a":{%s}}' % (one, one), eight)
    yield "T-ST-06_duplicate_escaped", tensors('{"a":{%s},"\\u0061":{%s}}' % (one, one), eight)
    yield "T-ST-06_duplicate_metadata_key", tensors('{"__metadata__":{"k":"1","k":"2"}}')
    yield "T-ST-06_duplicate_metadata", tensors('{"__metadata__":{},"__metadata__":{}}')
    yield "T-ST-06_duplicate_field", tensors('{"a":{%s,"dtype":"F32"}}' % one, eight)
    yield "T-ST-07_unknown_field", tensors({"a": entry(strides=[1])}, eight)
    yield "T-ST-08_missing_field", tensors('{"a":{"dtype":"F32","shape":[2]}}', eight)
    yield "T-ST-08_empty_entry", tensors('{"a":{}}')
    yield "T-ST-09_unknown_type", tensors({"a": entry("F31")}, eight)
    yield "T-ST-09_lower_case_type", tensors({"a": entry("f32")}, eight)
    yield "T-ST-10_float8", tensors({"a": entry("F8_E4M3", (8,))}, eight)
    yield "T-ST-11_negative_size", tensors({"a": entry(shape=(-2, -1))}, eight)
    yield "T-ST-11_fractional_size", tensors({"a": entry(shape=(2.0,))}, eight)
    yield "T-ST-11_size_of_64_bits", tensors({"a": entry(shape=(1 << 63,))}, eight)
    yield "T-ST-11_size_of_65_bits", tensors({"a": entry(shape=(1 << 64,))}, eight)
    yield "T-ST-11_axes", tensors({"a": entry(shape=(1,) * 64 + (2,))}, eight)
    yield "T-ST-12_one_offset", tensors('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}')
    yield "T-ST-12_three_offsets", tensors(
        '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}', eight)
    yield "T-ST-13_deep_nesting", tensors('{"a":{"dtype":' + '{"a":' * 200 + "1" + "}" * 202)
    yield "T-ST-13_deep_array", tensors('{"a":{"shape":' + "[" * 200 + "]" * 200 + "}}")
    yield "T-ST-13_metadata_number", tensors('{"__metadata__":{"k":1}}')
    yield "T-ST-13_metadata_null", tensors('{"__metadata__":null}')
    yield "T-ST-13_metadata_object", tensors('{"__metadata__":{"k":{}}}')
    yield "T-ST-13_tensor_is_string", tensors('{"a":"b"}')
    yield "T-ST-13_tensor_is_array", tensors('{"a":[1]}')
    yield "T-ST-13_negative_offset", tensors({"a": entry(begin=-8, end=0)}, eight)
    yield "T-ST-13_offset_of_65_bits", tensors({"a": entry(end=1 << 64)}, eight)
    yield "T-ST-13_boolean", tensors('{"a":{"dtype":true}}')
    yield "T-ST-14_product_overflow", tensors({"a": entry(shape=(1 << 32, 1 << 31))}, eight)
    yield "T-ST-14_overflow_to_zero", tensors({"a": entry(shape=(1 << 32, 1 << 32), end=0)})
    yield "T-ST-14_overflow_beside_zero", tensors({"a": entry(shape=(1 << 62, 4, 0), end=0)})
    yield "T-ST-15_hole", tensors({"a": entry(), "b": entry(begin=9, end=17)}, bytes(17))
    yield "T-ST-15_overlap", tensors({"a": entry(), "b": entry(begin=4, end=12)}, bytes(12))
    yield "T-ST-15_same_bytes", tensors({"a": entry(), "b": entry()}, eight)
    yield "T-ST-15_not_from_zero", tensors({"a": entry(begin=8, end=16)}, sixteen)
    yield "T-ST-16_end_before_begin", tensors({"a": entry(shape=(0,), end=0), "b": {
        "dtype": "U8", "shape": [0], "data_offsets": [0, 0]}, "c": entry("U8", (2,), 0, 2),
        "d": entry("U8", (0,), 2, 1)}, bytes(2))
    yield "T-ST-16_truncated_data", tensors({"a": entry()}, bytes(7))
    yield "T-ST-16_end_of_64_bits", tensors({"a": entry(end=(1 << 64) - 1)}, eight)
    yield "T-ST-17_shape_too_large", tensors({"a": entry(shape=(3,))}, eight)
    yield "T-ST-17_shape_too_small", tensors({"a": entry(shape=(1,))}, eight)
    yield "T-ST-18_trailing_data", tensors({"a": entry()}, bytes(9))
    yield "T-ST-18_data_of_nobody", tensors({}, bytes(1))


# ---- npy and npz ---------------------------------------------------------------------------------


def array(descr="'<f4'", order="False", shape="(2,)", data=bytes(8), version=1, header=None):
    if header is None:
        header = "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (descr, order, shape)
    header = header.encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def npy():
    yield "ok_vector", array()
    yield "ok_version_2", array(version=2)
    yield "ok_version_3", array(version=3)
    yield "ok_scalar", array(shape="()", data=bytes(4))
    yield "ok_fortran_order", array(order="True", shape="(1, 2)")
    yield "ok_no_elements", array(shape="(0, 3)", data=b"")
    yield "ok_bool", array("'|b1'", data=b"\x00\x01")
    yield "ok_double", array('"<f8"', shape="(1,)")
    yield "ok_numpy_padding", array(
        header="{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }" + " " * 20 + "\n")

    yield "T-NPY-01_empty_file", b""
    yield "T-NPY-01_truncated_header", array()[:40]
    yield "T-NPY-02_not_npy", b"\x93NUMPZ" + bytes(20)
    yield "T-NPY-03_version_9", array(version=9)
    yield "T-NPY-04_expression", array(descr="__import__('os')")
    yield "T-NPY-04_no_tuple", array(shape="(2)")
    yield "T-NPY-04_negative_size", array(shape="(-2,)")
    yield "T-NPY-04_size_of_64_bits", array(shape="(9223372036854775808,)")
    yield "T-NPY-04_open_dict", array(header="{'descr': '<f4', 'fortran_order': False")
    yield "T-NPY-04_text_behind", array(
        header="{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} + {}")
    yield "T-NPY-04_open_string", array(header="{'descr': '<f4")
    yield "T-NPY-05_missing_key", array(header="{'descr': '<f4', 'shape': (2,)}")
    yield "T-NPY-05_duplicate_key", array(
        header="{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}")
    yield "T-NPY-05_unknown_key", array(
        header="{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}")
    yield "T-NPY-06_axes", array(shape="(" + "1," * 65 + ")")
    yield "T-NPY-07_records", array("[('a', '<f4'), ('b', '<f4')]")
    yield "T-NPY-08_pickle", array("'|O'", data=b"cos\nsystem\n(S'true'\ntR.")
    yield "T-NPY-09_big_endian", array("'>f4'")
    yield "T-NPY-09_complex", array("'<c8'", shape="(1,)")
    yield "T-NPY-09_text", array("'<U2'", shape="(1,)")
    yield "T-NPY-10_no_type", array("'float'")
    yield "T-NPY-11_huge_header", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"
    yield "T-NPY-12_product_overflow", array(shape="(4294967296, 4294967296)")
    yield "T-NPY-13_truncated_data", array(data=bytes(7))
    yield "T-NPY-13_trailing_data", array(data=bytes(9))


class Zip:
    """A zip writer that can lie in every field."""

    def __init__(self):
        self.files, self.directory, self.count = b"", b"", 0

    def add(self, name, data, *, method=8, size=None, crc=None, flags=0, local_name=None,
            offset=None, packed=None, packed_size=None, zip64=False):
        raw = name if isinstance(name, bytes) else name.encode()
        local = raw if local_name is None else local_name
        if packed is None:
            packed = data if method == 0 else zlib.compress(data, 9, wbits=-15)
        size = len(data) if size is None else size
        crc = zlib.crc32(data) if crc is None else crc
        at = len(self.files) if offset is None else offset
        if offset is None:
            self.files += struct.pack("<IHHHIIIIHH", 0x04034B50, 20, flags, method, 0, crc,
                                      len(packed), size, len(local), 0) + local + packed
        stored = len(packed) if packed_size is None else packed_size
        sizes = (0xFFFFFFFF,) * 3 if zip64 else (stored, size, at)
        extra = struct.pack("<HHQQQ", 1, 24, size, len(packed), at) if zip64 else b""
        self.directory += struct.pack("<IHHHHIIIIHHHHHII", 0x02014B50, 20, 20, flags, method, 0,
                                      crc, sizes[0], sizes[1], len(raw), len(extra), 0, 0, 0, 0,
                                      sizes[2]) + raw + extra
        self.count += 1
        return self

    def bytes(self, *, count=None, size=None, offset=None, comment=b"", disk=0):
        count = self.count if count is None else count
        size = len(self.directory) if size is None else size
        offset = len(self.files) if offset is None else offset
        return self.files + self.directory + struct.pack(
            "<IHHHHIIH", 0x06054B50, disk, disk, count, count, size, offset, len(comment)) + comment

    def bytes64(self, *, where=None, record_size=44):
        at = len(self.files) + len(self.directory)
        end = struct.pack("<IQHHIIQQQQ", 0x06064B50, record_size, 45, 45, 0, 0, self.count,
                          self.count, len(self.directory), len(self.files))
        locator = struct.pack("<IIQI", 0x07064B50, 0, at if where is None else where, 1)
        last = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        return self.files + self.directory + end + locator + last


def npz():
    vector, zeros = array(), bytes(2 << 20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(zipfile.ZipInfo("a.npy"), "w", force_zip64=True) as file:
            file.write(vector)

    yield "ok_stored", Zip().add("a.npy", vector, method=0).add("b.npy", vector, method=0).bytes()
    yield "ok_deflated", Zip().add("a.npy", vector).bytes()
    yield "ok_no_files", Zip().bytes()
    yield "ok_comment", Zip().add("a.npy", vector).bytes(comment=b"hello")
    yield "ok_as_numpy_writes", buffer.getvalue()
    yield "ok_zip64", Zip().add("a.npy", vector, zip64=True).bytes64()

    whole = Zip().add("a.npy", vector).bytes()
    yield "T-ZIP-01_too_many_counted", Zip().add("a.npy", vector).bytes(count=2)
    yield "T-ZIP-01_data_beyond_files", Zip().add("a.npy", vector, packed_size=999).bytes()
    yield "T-ZIP-02_empty_file", b""
    yield "T-ZIP-02_truncated", whole[:-1]
    yield "T-ZIP-02_trailing_bytes", whole + b"x"
    yield "T-ZIP-03_locator_elsewhere", Zip().add("a.npy", vector).bytes64(where=1 << 62)
    yield "T-ZIP-04_end_record_cut", Zip().add("a.npy", vector).bytes64(record_size=1 << 60)
    yield "T-ZIP-05_several_volumes", Zip().add("a.npy", vector).bytes(disk=1)
    yield "T-ZIP-06_directory_beyond_end", Zip().add("a.npy", vector).bytes(offset=0xFFFFFF)
    yield "T-ZIP-06_directory_too_small", Zip().add("a.npy", vector).bytes(size=1)
    yield "T-ZIP-07_path", Zip().add("../a.npy", vector).bytes()
    yield "T-ZIP-07_backslash", Zip().add("..\\a.npy", vector).bytes()
    yield "T-ZIP-07_no_name", Zip().add("", vector).bytes()
    yield "T-ZIP-07_zero_byte", Zip().add(b"a\x00.npy", vector).bytes()
    yield "T-ZIP-08_duplicate", Zip().add("a.npy", vector).add("a.npy", vector).bytes()
    yield "T-ZIP-09_too_few_counted", Zip().add("a.npy", vector).add("b.npy", vector).bytes(count=1)
    yield "T-ZIP-10_encrypted", Zip().add("a.npy", vector, flags=1).bytes()
    yield "T-ZIP-10_other_compression", Zip().add("a.npy", vector, method=14, packed=b"x").bytes()
    yield "T-ZIP-11_no_local_header", Zip().add("a.npy", vector).add(
        "b.npy", vector, offset=1).bytes()
    yield "T-ZIP-11_header_beyond_files", Zip().add("a.npy", vector, offset=0xFFFFFF).bytes()
    yield "T-ZIP-12_other_local_name", Zip().add("a.npy", vector, local_name=b"b.npy").bytes()
    yield "T-ZIP-13_impossible_ratio", Zip().add("a.npy", vector, size=1 << 30).bytes()
    yield "T-ZIP-13_stored_size", Zip().add("a.npy", vector, method=0, size=1).bytes()
    yield "T-ZIP-14_bomb", Zip().add("a.npy", zeros).bytes()
    inner = Zip().add("b.npy", vector, method=0).files
    outer = Zip().add("a.npy", inner, method=0)
    yield "T-ZIP-15_overlap", outer.add(
        "b.npy", vector, method=0, offset=len(outer.files) - len(inner)).bytes()
    yield "T-ZIP-16_wrong_crc", Zip().add("a.npy", vector, crc=0).bytes()
    yield "T-GZ-03_longer_than_promised", Zip().add("a.npy", vector, size=3).bytes()
    yield "T-GZ-03_shorter_than_promised", Zip().add("a.npy", vector, size=999).bytes()
    yield "T-GZ-03_damaged", Zip().add("a.npy", vector, packed=b"\xff" * 20).bytes()
    yield "T-NPY-08_pickle", Zip().add("a.npy", array("'|O'", data=b"N.")).bytes()


# ---- IDX -----------------------------------------------------------------------------------------


def idx():
    def images(kind=8, sizes=(2, 2), data=bytes(4), zeros=0):
        return struct.pack(">HBB", zeros, kind, len(sizes)) + struct.pack(
            ">%dI" % len(sizes), *sizes) + data

    def packed(data):
        return gzip.compress(data, 9, mtime=0)

    yield "ok_images", images()
    yield "ok_gzip", packed(images())
    yield "ok_two_gzip_members", packed(images()[:7]) + packed(images()[7:])
    yield "ok_scalar", images(sizes=(), data=b"\x07")
    for name, kind, width in (("i8", 9, 1), ("i16", 11, 2), ("i32", 12, 4), ("f32", 13, 4),
                              ("f64", 14, 8)):
        yield "ok_" + name, images(kind, (3,), bytes(range(3 * width)))

    yield "T-IDX-01_empty_file", b""
    yield "T-IDX-01_truncated_sizes", images()[:7]
    yield "T-IDX-02_not_idx", images(zeros=1)
    yield "T-IDX-02_unknown_kind", images(kind=10)
    yield "T-IDX-02_axes", images(sizes=(1,) * 65, data=b"\0")
    yield "T-IDX-03_product_overflow", images(sizes=(0xFFFFFFFF,) * 3)
    yield "T-IDX-04_truncated_data", images(data=bytes(3))
    yield "T-IDX-04_trailing_data", images(data=bytes(5))
    yield "T-GZ-01_bomb", packed(bytes(2 << 20))
    yield "T-GZ-02_truncated", packed(images())[:-1]
    yield "T-GZ-02_trailing_bytes", packed(images()) + b"x"
    damaged = bytearray(packed(images()))
    damaged[-6] ^= 1
    yield "T-GZ-02_wrong_crc", bytes(damaged)


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


# ---- Word vectors --------------------------------------------------------------------------------


def word_vectors():
    lines = b"the 0.5 -1 2e-3\nfilm 1 2 3\n"
    yield "ok_two_words", lines
    yield "ok_no_newline", lines[:-1]
    yield "ok_windows_lines", lines.replace(b"\n", b"\r\n")
    yield "ok_word_with_spaces", lines + b". . . 1 2 3\n"
    yield "ok_utf8", lines + "é 1 2 3\n".encode()
    yield "ok_any_bytes", lines + b"\xff\0 1 2 3\n"

    yield "T-VEC-01_empty_file", b""
    yield "T-VEC-02_long_line", lines + b"a" + b" 1" * (1 << 17)
    yield "T-VEC-03_too_few_numbers", lines + b"good 1 2\n"
    yield "T-VEC-03_blank_line", lines + b"\n" + lines
    yield "T-VEC-03_no_word", lines + b" 1 2 3\n"
    yield "T-VEC-03_long_word", lines + b"a" * 5000 + b" 1 2 3\n"
    yield "T-VEC-04_no_number", lines + b"good 1 two 3\n"
    yield "T-VEC-04_empty_number", lines + b"good 1  3\n"
    yield "T-VEC-04_not_finite", lines + b"good 1 nan 3\n"
    yield "T-VEC-04_out_of_range", lines + b"good 1 1e99 3\n"
    yield "T-VEC-05_no_numbers", b"the\n"
    yield "T-VEC-05_too_many_numbers", b"the" + b" 1" * 5000 + b"\n"
    yield "T-VEC-06_duplicate", lines + lines


# ---- QM9's xyz -----------------------------------------------------------------------------------


def xyz():
    numbers = ("157.7 157.7 157.7 0. 13.2 -0.3877 0.1171 0.5048 35.36 0.0447 "
               "-40.4 -40.4 -40.4 -40.4 6.4")

    def molecule(count="1", line="gdb 1\t" + numbers, atoms="C\t0.0\t1.5*^-6\t-1.0\t-0.5",
                 rest="1341.3\t1341.4\nC\tC\nInChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4\n"):
        return "\n".join((count, line, atoms, rest)).encode()

    yield "ok_molecule", molecule()
    yield "ok_windows_lines", molecule().replace(b"\n", b"\r\n")
    yield "ok_without_inchi", molecule(rest="1341.3")
    yield "ok_blank_end", molecule() + b"\n\n"

    yield "T-XYZ-02_empty_file", b""
    yield "T-XYZ-02_missing_property", molecule(line="gdb 1 " + numbers[:-4])
    yield "T-XYZ-02_missing_atom", molecule(count="2")
    yield "T-XYZ-02_missing_charge", molecule(atoms="C 0 0 0")
    yield "T-XYZ-03_no_number", molecule(atoms="C 0 0 zero 0")
    yield "T-XYZ-03_not_finite", molecule(atoms="C 0 0 inf 0")
    yield "T-XYZ-03_out_of_range", molecule(atoms="C 0 0 1*^999 0")
    yield "T-XYZ-04_huge_count", molecule(count="99999999999999999999")
    yield "T-XYZ-04_negative_count", molecule(count="-1")
    yield "T-XYZ-04_index", molecule(line="gdb x " + numbers)
    yield "T-XYZ-05_symbol", molecule(atoms="c 0 0 0 0")
    yield "T-XYZ-06_no_frequencies", molecule(rest="")[:-1]
    yield "T-XYZ-07_text_behind", molecule() + b"C 0 0 0 0\n"


# ---- Time series: .ts and ARFF ------------------------------------------------------------------


def ts():
    def problem(*rows, head=(), name="@problemName Name", label="@classLabel true a b",
                data="@data"):
        lines = [line for line in (name, *head, label, data) if line]
        return "\n".join(lines + list(rows)).encode()

    whole = problem("1,2:3,4:a", "5,6:7,8:b", head=(
        "@timeStamps false", "@missing false", "@univariate false", "@dimensions 2",
        "@equalLength true", "@seriesLength 2"))
    target = "@targetLabel true"

    yield "ok_two_channels", whole
    yield "ok_windows_lines", whole.replace(b"\n", b"\r\n")
    yield "ok_any_case", whole.replace(b"@problemName", b"@PROBLEMNAME").replace(b"true", b"True")
    yield "ok_comments", b"# by hand\n% too\n\n" + whole
    yield "ok_missing_values", problem("1,?,NaN:a", head=("@missing true",))
    yield "ok_unequal_lengths", problem("1,2:a", "1,2,3:b", head=("@equalLength false",))
    yield "ok_targets", problem("1,2:0.5", "3,4:-1e3", label=target)
    yield "ok_without_labels", problem("1,2:3,4", label="@classLabel false")
    yield "ok_one_step", problem("1:a")
    yield "ok_no_series", problem()
    yield "ok_spaces", problem(" 1 , +2e0 : 3,4 : b ")

    yield "T-TS-01_empty_file", b""
    yield "T-TS-01_no_data", problem(data="")
    yield "T-TS-01_series_before_data", problem(name="1,2:a")
    yield "T-TS-01_zero_bytes", bytes(100)
    yield "T-TS-01_byte_order_mark", b"\xef\xbb\xbf" + whole
    yield "T-TS-02_data_with_text", problem(data="@data 1,2:a")
    yield "T-TS-03_directive_twice", problem(head=("@missing false", "@missing true"))
    yield "T-TS-03_dimensions_twice", problem(head=("@dimensions 2", "@dimension 2"))
    yield "T-TS-04_no_boolean", problem(head=("@missing maybe",))
    yield "T-TS-04_no_word", problem(label="@classLabel")
    yield "T-TS-04_classes_of_nobody", problem(label="@classLabel false a b")
    yield "T-TS-05_unknown_directive", problem(head=("@include /etc/passwd",))
    yield "T-TS-06_negative_count", problem(head=("@dimensions -1",))
    yield "T-TS-06_huge_count", problem(head=("@dimensions 99999999999999999999",))
    yield "T-TS-06_count_above_cap", problem(head=("@seriesLength 1000000001",))
    yield "T-TS-06_no_count", problem(head=("@seriesLength 2x",))
    yield "T-TS-07_univariate_of_two", problem(head=("@univariate true", "@dimensions 2"))
    yield "T-TS-08_class_and_target", problem(head=(target,))
    yield "T-TS-09_timestamps", problem(head=("@timeStamps true",))
    yield "T-TS-09_timestamps_in_data", problem("(0,1.5),(1,2.5):a")
    yield "T-TS-10_no_label", problem("1,2")
    yield "T-TS-11_no_number", problem("1,two:a")
    yield "T-TS-11_not_finite", problem("1,inf:a")
    yield "T-TS-11_beyond_float", problem("1,1e39:a")
    yield "T-TS-11_beyond_double", problem("1,1e999:a")
    yield "T-TS-11_hexadecimal", problem("1,0x10:a")
    yield "T-TS-11_trailing_comma", problem("1,2,:a")
    yield "T-TS-11_long_number", problem("0" * 65 + ":a")
    yield "T-TS-11_two_signs", problem("++1:a")
    yield "T-TS-11_zero_byte", problem("1,2\0:a")
    yield "T-TS-12_missing_target", problem("1,2:?", label=target)
    yield "T-TS-12_target_not_finite", problem("1,2:nan", label=target)
    yield "T-TS-13_unknown_class", problem("1,2:c")
    yield "T-TS-13_empty_class", problem("1,2:")
    yield "T-TS-14_class_twice", problem(label="@classLabel true a b a")
    yield "T-TS-14_no_classes", problem(label="@classLabel true")
    yield "T-TS-15_channels_of_two_lengths", problem("1,2:3:a")
    yield "T-TS-16_other_channels", problem("1:2:a", "1:2:3:a")
    yield "T-TS-16_not_the_header_s", problem("1:2:a", head=("@dimensions 3",))
    yield "T-TS-16_univariate", problem("1:2:a", head=("@univariate true",))
    yield "T-TS-16_too_many_channels", problem("1:" * 100_001 + "a")
    yield "T-TS-17_empty_channel", problem("1::a")
    yield "T-TS-17_no_channel", problem(":a")
    yield "T-TS-18_not_equal_length", problem("1,2:a", "1:a", head=("@equalLength true",))
    yield "T-TS-18_not_the_header_s", problem("1,2:a", head=(
        "@equalLength true", "@seriesLength 3"))


def arff():
    def table(*rows, atts=("x numeric", "y real", "label {a,b}"), relation="@relation name",
              data="@data"):
        attributes = ["@attribute " + att for att in atts]
        return "\n".join([line for line in (relation, *attributes, data) if line]
                         + list(rows)).encode()

    def bags(*rows, end="@end bag", label="@attribute label {a,b}"):
        return "\n".join(["@relation name", "@attribute bag relational", "  @attribute x numeric",
                          "  @attribute y numeric", end, label, "@data", *rows]).encode()

    yield "ok_one_channel", table("1,2,a", "3,4,b")
    yield "ok_two_channels", bags("'1,2\\n3,4',a", '"5,6\\n7,8",b')
    yield "ok_last_row_ended", bags("'1,2\\n3,4\\n',a")
    yield "ok_windows_lines", bags("'1,2',a").replace(b"\n", b"\r\n")
    yield "ok_any_case", table("1,2,a").replace(b"@data", b"@DATA").replace(b"numeric", b"Numeric")
    yield "ok_comments", b"% by hand\n\n" + table("1,2,a")
    yield "ok_quotes", table("1,2,'a b'", relation="@relation 'a name'",
                             atts=("'x 1' numeric", '"y" integer', "label {'a b', c}"))
    yield "ok_missing_values", table("?,2,a")
    yield "ok_target", table("1,2,-3.5", atts=("x numeric", "y numeric", "z numeric"))
    yield "ok_target_of_bags", bags("'1,2\\n3,4',0.5", label="@attribute z numeric")
    yield "ok_without_labels", bags("'1,2\\n3,4'", label="")
    yield "ok_no_series", table()

    yield "T-ARFF-01_relation_twice", table(relation="@relation a\n@relation b")
    yield "T-ARFF-01_no_relation", table(relation="")
    yield "T-ARFF-02_open_bag", bags(end="", label="")
    yield "T-ARFF-02_other_end", bags(end="@end box")
    yield "T-ARFF-02_end_of_nothing", table(relation="@relation a\n@end a")
    yield "T-ARFF-03_empty_file", b""
    yield "T-ARFF-03_no_data", table(data="")
    yield "T-ARFF-03_unknown_keyword", table(relation="@relation a\n@include /etc/passwd")
    yield "T-ARFF-03_zero_bytes", bytes(100)
    yield "T-ARFF-04_open_quote_in_header", table(atts=("'x numeric",))
    yield "T-ARFF-04_open_quote", bags("'1,2,a")
    yield "T-ARFF-04_bag_not_quoted", bags("1,2,a")
    yield "T-ARFF-05_attribute_without_name", table(atts=("",))
    yield "T-ARFF-05_no_attributes", table(atts=())
    yield "T-ARFF-05_label_alone", table(atts=("label {a,b}",))
    yield "T-ARFF-05_empty_bag", (b"@relation a\n@attribute bag relational\n@end bag\n"
                                  b"@attribute y {a}\n@data\n")
    yield "T-ARFF-06_label_first", table(atts=("label {a,b}", "x numeric"))
    yield "T-ARFF-06_two_labels", bags(label="@attribute y numeric\n@attribute z numeric")
    yield "T-ARFF-07_string", table(atts=("x string", "label {a,b}"))
    yield "T-ARFF-07_date", table(atts=('x date "yyyy"', "label {a,b}"))
    yield "T-ARFF-07_class_in_bag", bags(end="@attribute z {a}\n@end bag")
    yield "T-ARFF-09_two_bags", bags(label="@attribute box relational")
    yield "T-ARFF-09_bag_in_bag", bags(end="@attribute box relational")
    yield "T-ARFF-09_bag_after_number", table(atts=("x numeric", "bag relational"))
    yield "T-ARFF-10_open_brace", table(atts=("x numeric", "label {a,b"))
    yield "T-ARFF-11_no_number", table("1,two,a")
    yield "T-ARFF-11_not_finite", table("1,-inf,a")
    yield "T-ARFF-11_empty_value", table("1,,a")
    yield "T-ARFF-12_missing_target", table("1,?", atts=("x numeric", "z numeric"))
    yield "T-ARFF-13_unknown_class", table("1,2,c")
    yield "T-ARFF-13_missing_class", table("1,2,?")
    yield "T-ARFF-14_class_twice", table(atts=("x numeric", "label {a,a}"))
    yield "T-ARFF-14_empty_class", table(atts=("x numeric", "label {a,}"))
    yield "T-ARFF-15_text_behind_quote", bags("'1,2'x,a")
    yield "T-ARFF-16_sparse_row", table("{0 1, 2 a}")
    yield "T-ARFF-17_other_channels", bags("'1,2\\n3,4',a", "'1,2',a")
    yield "T-ARFF-18_no_label", table("1,2")
    yield "T-ARFF-18_weight", table("1,2,a,{3}")
    yield "T-ARFF-19_too_few_values", bags("'1',a")
    yield "T-ARFF-19_too_many_values", bags("'1,2,3',a")
    yield "T-ARFF-19_too_few_in_row", table("1")


# ---- Planetoid's pickles -------------------------------------------------------------------------


class Python2Pickle:
    """Writes the opcodes of a citation graph's parts as Python 2's cPickle did, protocol 2."""

    def __init__(self):
        self.memo, self.bytes = 0, b"\x80\x02"

    def put(self):
        self.memo += 1
        self.bytes += b"q" + bytes([self.memo]) if self.memo < 256 else b"r" + struct.pack("<I", self.memo)
        return self

    def raw(self, code):
        self.bytes += code
        return self

    def name(self, module, name):
        return self.raw(f"c{module}\n{name}\n".encode())

    def text(self, value):
        value = value if isinstance(value, bytes) else value.encode("latin-1")
        short = b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))
        return self.raw(short + value)

    def number(self, value):
        if 0 <= value < 256:
            return self.raw(b"K" + bytes([value]))
        return self.raw(b"M" + struct.pack("<H", value) if 0 <= value < 65536 else
                        b"J" + struct.pack("<i", value))

    def tuple(self, *values):
        for value in values:
            self.number(value)
        return self.raw([b")", b"\x85", b"\x86", b"\x87"][len(values)])

    def dtype(self, name, order="<"):
        self.name("numpy", "dtype").put().text(name).number(0).number(1).raw(b"\x87R").put()
        return self.raw(b"(").number(3).text(order).raw(b"NNN").number(-1).number(-1).number(0).raw(b"tb")

    def array(self, kind, shape, data, order="<", fortran=False):
        self.name("numpy.core.multiarray", "_reconstruct").put().name("numpy", "ndarray").put()
        self.tuple(0).text("b").raw(b"\x87R").put().raw(b"(").number(1).tuple(*shape)
        return self.dtype(kind, order).raw(b"\x88" if fortran else b"\x89").text(data).raw(b"tb")

    def matrix(self, shape=(2, 3), indptr=(0, 2, 3), indices=(0, 2, 1), data=(1.0, 1.0, 0.5), skip=(),
               twice=False, kind="f4", order="<"):
        self.name("scipy.sparse.csr", "csr_matrix").put().raw(b")\x81").put().raw(b"}").put().raw(b"(")
        parts = {
            "format": lambda: self.text("csr"),
            "_shape": lambda: self.tuple(*shape),
            "indptr": lambda: self.array("i4", (len(indptr),), struct.pack(f"<{len(indptr)}i", *indptr)),
            "_cs_matrix__has_sorted_indices": lambda: self.raw(b"\x88"),
            "indices": lambda: self.array("i4", (len(indices),), struct.pack(f"<{len(indices)}i", *indices)),
            "maxprint": lambda: self.number(50),
            "data": lambda: self.array(kind, (len(data),),
                                       struct.pack(f"{order}{len(data)}{'d' if kind == 'f8' else 'f'}", *data), order),
        }
        for key, write in parts.items():
            if key not in skip:
                self.text(key).put()
                write()
        if twice:
            self.text("_shape").tuple(2, 3)
        return self.raw(b"ub.")

    def graph(self, lists):
        self.name("collections", "defaultdict").put().name("__builtin__", "list").put().raw(b"\x85R").put()
        self.raw(b"(")
        for node, neighbours in lists:
            self.number(node).raw(b"]").put()
            if len(neighbours) == 1:
                self.number(neighbours[0]).raw(b"a")
            elif neighbours:
                self.raw(b"(")
                for other in neighbours:
                    self.number(other)
                self.raw(b"e")
        return self.raw(b"u.")


def planetoid():
    """The first byte says which part the rest is: m(atrix), t(able), g(raph)."""

    def matrix(**parts):
        return b"m" + Python2Pickle().matrix(**parts).bytes

    def table(*arguments, **more):
        return b"t" + Python2Pickle().array(*arguments, **more).raw(b".").bytes

    def graph(lists):
        return b"g" + Python2Pickle().graph(lists).bytes

    def code(opcodes, part=b"g"):
        return part + b"\x80\x02" + opcodes

    one_hot = struct.pack("<4i", 0, 1, 1, 0)
    many = [(node, [node - 1, node + 1]) for node in range(1, 300)]

    yield "ok_matrix", matrix()
    yield "ok_matrix_of_doubles_in_big_endian", matrix(kind="f8", order=">")
    yield "ok_empty_matrix", matrix(shape=(0, 5), indptr=(0,), indices=(), data=())
    yield "ok_table", table("i4", (2, 2), one_hot)
    yield "ok_table_of_i8", table("i8", (1, 2), struct.pack("<2q", 1, 0))
    yield "ok_graph", graph([(0, [1, 2]), (1, [0]), (2, []), (70000, [0, 0])])
    yield "ok_graph_beyond_the_short_memo", graph(many)
    yield "ok_graph_of_one_item", code(b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85RK\x00]s.")

    yield "T-PKL-01_empty_file", b"m"
    yield "T-PKL-01_truncated", matrix()[:-7]
    yield "T-PKL-01_string_beyond_the_end", code(b"U\xffabc.")
    yield "T-PKL-01_huge_string", code(b"T\xff\xff\xff\x7fabc.")
    yield "T-PKL-01_negative_string", code(b"T\xff\xff\xff\xffabc.")
    yield "T-PKL-01_no_stop", matrix()[:-1]
    yield "T-PKL-02_protocol_0", b"g(dp0\n."
    yield "T-PKL-02_protocol_4", b"g\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}."
    yield "T-PKL-03_frame", code(b"\x95\x00\x00\x00\x00\x00\x00\x00\x00}.")
    yield "T-PKL-03_inst", code(b"(ios\nsystem\n.")
    yield "T-PKL-03_long_binget", code(b"]j\x00\x00\x00\x00.")
    yield "T-PKL-03_persistent_id", code(b"Pevil\n.")
    yield "T-PKL-03_unicode", code(b"X\x01\x00\x00\x00a.")
    yield "T-PKL-03_extension", code(b"\x82\x01.")
    yield "T-PKL-03_no_opcode", code(b"\xff.")
    yield "T-PKL-04_os_system", code(b"cos\nsystem\nU\x02id\x85R.")
    yield "T-PKL-04_eval", code(b"c__builtin__\neval\nU\x011\x85R.")
    yield "T-PKL-04_newer_scipy", code(b"cscipy.sparse._csr\ncsr_matrix\n)\x81.", b"m")
    yield "T-PKL-04_endless_name", code(b"c" + b"a" * 500)
    yield "T-PKL-05_empty_stack", code(b".")
    yield "T-PKL-05_two_values", code(b"NN.")
    yield "T-PKL-05_underflow", code(b"N\x86.")
    yield "T-PKL-05_no_mark", code(b"Nt.")
    yield "T-PKL-05_below_the_mark", code(b"]N(a.")
    yield "T-PKL-05_open_mark", code(b"](.")
    yield "T-PKL-05_append_to_dict", code(b"}Na.")
    yield "T-PKL-05_odd_items", code(b"}(Nu.")
    yield "T-PKL-05_set_item_of_list", code(b"](NNu.")
    yield "T-PKL-05_call_of_a_string", code(b"U\x06system)R.")
    yield "T-PKL-05_call_of_list", code(b"c__builtin__\nlist\n)R.")
    yield "T-PKL-05_new_ndarray", code(b"cnumpy\nndarray\n)\x81.")
    yield "T-PKL-05_dict_with_another_factory", code(b"ccollections\ndefaultdict\ncnumpy\ndtype\n\x85R.")
    yield "T-PKL-05_build_of_none", code(b"NNb.")
    yield "T-PKL-05_build_twice", matrix()[:-1] + b"}b."
    yield "T-PKL-05_dtype_of_records", code(
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NU\x01aNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.")
    yield "T-PKL-05_array_without_state", code(
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(tb.", b"t")
    yield "T-PKL-06_recall_of_nothing", code(b"h\x00.")
    yield "T-PKL-06_recall_of_the_future", code(b"]q\x01h\x02.")
    yield "T-PKL-06_memo_overflow", code(b"]r\xff\xff\xff\xff.")
    yield "T-PKL-06_memo_gap", code(b"]q\x01q\x05.")
    yield "T-PKL-06_remembered_twice", code(b"]q\x01q\x01.")
    yield "T-PKL-07_objects", table("O8", (1, 1), bytes(8))
    yield "T-PKL-07_fortran_order", table("i4", (2, 2), one_hot, fortran=True)
    yield "T-PKL-08_fewer_bytes", table("i4", (2, 2), one_hot[:-1])
    yield "T-PKL-08_more_bytes", table("i4", (2, 1), one_hot)
    yield "T-PKL-08_huge_shape", table("i4", (2**31 - 1, 2**31 - 1), one_hot)
    yield "T-PKL-08_overflow", table("i8", (2**31 - 1, 2**31 - 1), one_hot)
    yield "T-PKL-09_bytes_behind", matrix() + b"\x00"
    yield "T-PKL-10_graph_for_matrix", b"m" + graph([(0, [])])[1:]
    yield "T-PKL-10_matrix_for_graph", b"g" + matrix()[1:]
    yield "T-PKL-10_plain_dict", code(b"}.")
    yield "T-PKL-10_one_axis", table("i4", (4,), one_hot)
    yield "T-PKL-10_negative_axis", table("i4", (-1, 4), one_hot)
    yield "T-PKL-10_floats_for_table", table("f4", (2, 2), one_hot)
    yield "T-PKL-10_no_shape", matrix(skip=("_shape",))
    yield "T-PKL-10_shape_of_one", matrix(shape=(2,))
    yield "T-PKL-10_no_indptr", matrix(skip=("indptr",))
    yield "T-PKL-10_no_indices", matrix(skip=("indices",))
    yield "T-PKL-10_no_data", matrix(skip=("data",))
    yield "T-PKL-11_indptr_of_other_rows", matrix(shape=(3, 3))
    yield "T-PKL-11_huge_rows", matrix(shape=(2**31 - 1, 3))
    yield "T-PKL-11_indptr_beyond_the_end", matrix(indptr=(0, 2, 4))
    yield "T-PKL-11_indptr_from_1", matrix(indptr=(1, 2, 3))
    yield "T-PKL-11_indptr_descends", matrix(shape=(3, 3), indptr=(0, 5, 2, 3))
    yield "T-PKL-11_column_beyond_the_end", matrix(indices=(0, 3, 1))
    yield "T-PKL-11_negative_column", matrix(indices=(0, -1, 1))
    yield "T-PKL-11_column_twice", matrix(indices=(2, 2, 1))
    yield "T-PKL-11_fewer_values", matrix(data=(1.0, 1.0))
    yield "T-PKL-11_not_finite", matrix(data=(1.0, float("nan"), 1.0))
    yield "T-PKL-12_negative_node", graph([(-1, [])])
    yield "T-PKL-12_negative_neighbour", graph([(0, [-1])])
    yield "T-PKL-12_no_list", code(b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85RK\x00Ns.")
    yield "T-PKL-12_list_in_itself", code(
        b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85RK\x00]q\x01h\x01as.")
    yield "T-PKL-12_dict_in_itself", code(
        b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85Rq\x01K\x00h\x01s.")
    yield "T-PKL-12_one_list_many_times", code(
        b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R(K\x00]q\x01(" + b"K\x00" * 200 + b"e" +
        b"".join(b"K" + bytes([i]) + b"h\x01" for i in range(1, 100)) + b"u.")
    yield "T-PKL-14_node_twice", graph([(0, [1]), (0, [2])])
    yield "T-PKL-14_part_twice", matrix(twice=True)


def citation_graph():
    """A small graph in Planetoid's eight files: 4 training, 500 validation, 2 more nodes and the test
    nodes 506, 508 and 509; 507 is left out. Node v has the feature v % 5 and the class v % 2."""
    known = range(506)
    tests = [509, 506, 508]

    def features(nodes):
        return Python2Pickle().matrix((len(nodes), 5), range(len(nodes) + 1), [v % 5 for v in nodes],
                                      [1.0 + v for v in nodes]).bytes

    def classes(nodes):
        rows = b"".join(struct.pack("<2i", 1 - v % 2, v % 2) for v in nodes)
        return Python2Pickle().array("i4", (len(nodes), 2), rows).raw(b".").bytes

    # Duplicates, one direction only, a loop.
    lists = [(v, {0: [1, 1, 2], 3: [3], 509: [0, 508]}.get(v, [])) for v in range(510)]
    for part, content in (("x", features(known[:4])), ("allx", features(known)), ("tx", features(tests)),
                          ("y", classes(known[:4])), ("ally", classes(known)), ("ty", classes(tests)),
                          ("graph", Python2Pickle().graph(lists).bytes),
                          ("test.index", "".join(f"{v}\n" for v in tests).encode())):
        yield "ind.tiny." + part, content


# ---- Comma-separated numbers ---------------------------------------------------------------------


def csv():
    """The first byte says which numbers the rest holds: i(ntegers), f(loats)."""
    yield "ok_integers", b"i0,1\n2,-3\n"
    yield "ok_floats", b"f0.5,-1e-3\n2,3\n"
    yield "ok_windows_lines", b"i0\r\n1\r\n"
    yield "ok_spaces", b"i 0 ,\t1"
    yield "ok_empty_file", b"i"
    yield "ok_underflow", b"f1e-60\n"

    yield "T-CSV-01_header", b"isource,target\n0,1\n"
    yield "T-CSV-01_empty_field", b"i0,,1\n"
    yield "T-CSV-01_comma_at_the_end", b"i0,1,\n"
    yield "T-CSV-01_blank_line", b"i0\n\n1\n"
    yield "T-CSV-01_quotes", b'i"0","1"\n'
    yield "T-CSV-01_float_for_integer", b"i1.0\n"
    yield "T-CSV-01_out_of_range", b"i9223372036854775808\n"
    yield "T-CSV-01_not_finite", b"fnan\n"
    yield "T-CSV-01_infinity", b"f-inf\n"
    yield "T-CSV-01_overflow", b"f1e60\n"
    yield "T-CSV-01_endless_number", b"f" + b"1" * 1000
    yield "T-CSV-01_zero_byte", b"i0\x00\n"
    yield "T-CSV-02_shorter_line", b"i0,1\n2\n"
    yield "T-CSV-02_longer_line", b"i0,1\n2,3,4\n"




# ---- A checkpoint's manifest ---------------------------------------------------------------------


def checkpoint():
    def manifest(format=1, step=200, files=None, **more):
        item = {"name": "model.safetensors", "bytes": 8, "xxh3": "0" * 32}
        return json.dumps({"format": format, "step": step,
                           "files": [item] if files is None else files, **more}).encode()

    def item(name="a", bytes=8, xxh3="0" * 32):
        return {"name": name, "bytes": bytes, "xxh3": xxh3}

    yield "ok_manifest", manifest()
    yield "ok_two_files", manifest(files=[item("a"), item("b")])
    yield "ok_no_files", manifest(files=[])

    yield "T-JSON-01_empty_file", b""
    yield "T-JSON-01_truncated", manifest()[:-1]
    yield "T-JSON-01_zero_byte", manifest() + b"\0{}"
    yield "T-JSON-01_bad_utf8", manifest().replace(b"model", b"m\xffdel")
    yield "T-JSON-01_text_behind", manifest() + b"x"
    yield "T-JSON-02_duplicate_key", manifest()[:-1] + b', "step": 1}'
    yield "T-JSON-03_deep_nesting", b"[" * 5000
    yield "T-JSON-03_deep_object", b'{"a":' * 5000
    yield "T-CKPT-02_no_object", b"[]"
    yield "T-CKPT-02_unknown_key", manifest(host="x")
    yield "T-CKPT-02_missing_key", b'{"format": 1, "step": 1}'
    yield "T-CKPT-02_negative_step", manifest(step=-1)
    yield "T-CKPT-02_step_of_64_bits", manifest(step=(1 << 64) - 1)
    yield "T-CKPT-02_step_is_text", manifest(step="1")
    yield "T-CKPT-02_files_is_object", manifest(files={})
    yield "T-CKPT-02_name_is_number", manifest(files=[item(name=1)])
    yield "T-CKPT-03_other_format", manifest(format=2)
    yield "T-CKPT-04_path", manifest(files=[item("../a")])
    yield "T-CKPT-04_hidden_name", manifest(files=[item(".a")])
    yield "T-CKPT-04_short_hash", manifest(files=[item(xxh3="0")])
    yield "T-CKPT-05_duplicate_file", manifest(files=[item("a"), item("a")])
    yield "T-CKPT-05_unordered", manifest(files=[item("b"), item("a")])


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


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    for make in (safetensors, npy, npz, idx, tar, xyz, ts, arff, checkpoint, xz, word_vectors, png,
                 jpeg, planetoid, csv, bvh):
        folder = ROOT / make.__name__
        folder.mkdir(parents=True)
        for name, content in make():
            (folder / name).write_bytes(content)
    folder = ROOT.parent.parent / "data/planetoid"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in citation_graph():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
