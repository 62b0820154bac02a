"""Planetoid's pickles for the fuzzing corpus: called by make_corpus.py."""

import struct

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
