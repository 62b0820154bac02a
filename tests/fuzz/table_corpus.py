"""Tables and series in text for the fuzzing corpus: called by make_corpus.py."""



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


# ---- Lists of labelled pictures -----------------------------------------------------------------


def image_list():
    """Read with the root /data/pictures."""
    lines = b"train/a.jpg 0\ntrain/b.jpg 12\n"
    yield "ok_two_pictures", lines
    yield "ok_windows_lines", lines.replace(b"\n", b"\r\n")
    yield "ok_spaces", b"my pictures/a b.jpg \t 3  \n"
    yield "ok_absolute_below_the_root", b"/data/pictures/a.jpg 0\n"
    yield "ok_empty_and_dot_parts", b"./a//b/./c.jpg 0\n"
    yield "ok_utf8", "ébène/a.jpg 0\n".encode()

    yield "T-LIST-01_empty_file", b""
    yield "T-LIST-02_no_newline", lines[:-1]
    yield "T-LIST-02_cut_label", lines[:-2]
    yield "T-LIST-03_blank_line", lines + b"\n" + b"c.jpg 0\n"
    yield "T-LIST-03_blank_end", lines + b"\n"
    yield "T-LIST-03_spaces", b"  \t\n"
    yield "T-LIST-03_no_label", b"a.jpg\n"
    yield "T-LIST-03_no_path", b" 3\n"
    yield "T-LIST-04_word", b"a.jpg cat\n"
    yield "T-LIST-04_negative", b"a.jpg -1\n"
    yield "T-LIST-04_fraction", b"a.jpg 1.0\n"
    yield "T-LIST-04_out_of_range", b"a.jpg 99999999999999999999\n"
    yield "T-LIST-04_too_many_classes", b"a.jpg 1048577\n"
    yield "T-LIST-04_comma", b"a.jpg,3 3,\n"
    yield "T-LIST-05_parent", b"../secret.jpg 0\n"
    yield "T-LIST-05_parent_inside", b"a/../b.jpg 0\n"
    yield "T-LIST-05_absolute", b"/etc/passwd 0\n"
    yield "T-LIST-05_sibling_of_the_root", b"/data/pictures2/a.jpg 0\n"
    yield "T-LIST-05_the_root", b"/data/pictures/ 0\n"
    yield "T-LIST-05_dot", b". 0\n"
    yield "T-LIST-05_zero_byte", b"a\0.jpg 0\n"
    yield "T-LIST-05_endless_path", b"a" * 5000 + b" 0\n"
    yield "T-LIST-06_duplicate", lines + b"train/a.jpg 0\n"
    yield "T-LIST-06_other_spelling", lines + b"/data/pictures/train//a.jpg 1\n"
