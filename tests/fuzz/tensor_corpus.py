"""Files of tensors for the fuzzing corpus: called by make_corpus.py."""

import gzip
import io
import json
import struct
import zipfile
import zlib

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
