"""Motion files (Biovision hierarchy) for the fuzzing corpus: called by make_corpus.py."""

XYZ = "Xposition Yposition Zposition"
ZXY = "Zrotation Xrotation Yrotation"


def joint(name, *children, kind="JOINT", offset="0 1 0", channels=f"3 {ZXY}", order=("offset", "channels")):
    parts = {"offset": f"OFFSET {offset}", "channels": f"CHANNELS {channels}"}
    return "\n".join([f"{kind} {name}", "{", *[parts[part] for part in order], *children, "}"])


def end(offset="0 0.5 0", *more):
    return "\n".join(["End Site", "{", f"OFFSET {offset}", *more, "}"])


def skeleton(*children, name="Hips", channels=f"6 {XYZ} {ZXY}", **more):
    return joint(name, *children, kind="ROOT", channels=channels, **more)


def chain(depth):
    """A root and `depth` joints, each below the one before."""
    lines = ["ROOT r {", "OFFSET 0 0 0", "CHANNELS 1 Xrotation"]
    for n in range(depth):
        lines += [f"JOINT j{n} {{", "OFFSET 0 1 0", "CHANNELS 0"]
    return "\n".join(lines + ["}"] * (depth + 1))


def motion(*rows, frames=None, time="0.0333333"):
    count = len(rows) if frames is None else frames
    return "\n".join(["MOTION", f"Frames: {count}", f"Frame Time: {time}", *rows])


def file(hierarchy=None, moves=None, start="HIERARCHY", tail="\n"):
    hierarchy = skeleton(joint("Spine", end())) if hierarchy is None else hierarchy
    moves = motion(ROW, ROW) if moves is None else moves
    return "\n".join([start, hierarchy, moves]).encode() + tail.encode()


ROW = "0 90 1.5 -3e1 +0.25 1e-400 10 20 30"
ONE = skeleton(channels="1 Xrotation")


def bvh():
    yield "ok_two_frames", file()
    yield "ok_no_frames", file(moves=motion())
    yield "ok_windows_lines", file().replace(b"\n", b"\r\n")
    yield "ok_no_last_newline", file(tail="")
    yield "ok_blank_lines", file().replace(b"\n", b"\n\t\n")
    yield "ok_braces_on_the_names_lines", file().replace(b"\n{", b" {")
    yield "ok_hierarchy_on_one_line", file(joint("a b:c", end(), kind="ROOT").replace("OFFSET", "offset"),
                                           motion("1 2 3")).replace(b"\n}", b"}")
    yield "ok_names_with_spaces", file(skeleton(joint("Left Arm", end())))
    yield "ok_deep", file(chain(200), motion("5"))
    yield "ok_joint_without_motion", file(skeleton(joint("Chest", channels="0")), motion("1 2 3 4 5 6"))
    yield "ok_one_number_a_frame", file(ONE, motion("1", "2", "3"), tail="")

    yield "T-BVH-01_not_bvh", b"\x89PNG\r\n\x1a\n"
    yield "T-BVH-01_no_root", file(joint("Spine", end()))
    yield "T-BVH-01_unknown_word", file(skeleton("SCALE 1 1 1"))
    yield "T-BVH-01_end_of_nothing", file(skeleton("End\n{\nOFFSET 0 0 0\n}"))
    yield "T-BVH-01_joint_below_an_end", file(skeleton(end("0 0 0", joint("Toe"))))
    yield "T-BVH-01_words_after_the_skeleton", file(skeleton() + "\nJOINT Spine {}")
    yield "T-BVH-01_no_time", file(moves=f"MOTION\nFrames: 1\n{ROW}")
    yield "T-BVH-02_empty_file", b""
    yield "T-BVH-02_hierarchy_alone", b"HIERARCHY\n"
    yield "T-BVH-02_open_brace", b"HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\n"
    yield "T-BVH-02_no_motion", file(moves="")
    yield "T-BVH-02_cut_in_an_offset", b"HIERARCHY\nROOT Hips\n{\nOFFSET 0 0"
    yield "T-BVH-02_no_frame_count", file(moves="MOTION\nFrames:")
    yield "T-BVH-03_no_brace", b"HIERARCHY\nROOT Hips\nOFFSET 0 0 0\n"
    yield "T-BVH-03_closing_brace_first", b"HIERARCHY\nROOT Hips\n}\n"
    yield "T-BVH-04_no_name", file(skeleton(name=""))
    yield "T-BVH-04_long_name", file(skeleton(name="n" * 257))
    yield "T-BVH-04_two_of_a_name", file(skeleton(joint("Arm", end()), joint("Arm", end())))
    yield "T-BVH-04_child_of_its_name", file(skeleton(joint("Hips")))
    yield "T-BVH-05_no_offset", file(skeleton(order=("channels",)))
    yield "T-BVH-05_no_offset_of_an_end", file(skeleton("End Site\n{\n}"))
    yield "T-BVH-05_two_offsets", file(skeleton("OFFSET 1 2 3"))
    yield "T-BVH-06_no_channels", file(skeleton(joint("Spine", order=("offset",))))
    yield "T-BVH-06_seven_channels", file(skeleton(channels=f"7 {XYZ} {ZXY} Xrotation"))
    yield "T-BVH-06_negative_count", file(skeleton(channels="-1"))
    yield "T-BVH-06_huge_count", file(skeleton(channels="99999999999999999999"))
    yield "T-BVH-06_count_is_no_number", file(skeleton(channels=ZXY))
    yield "T-BVH-06_channels_of_an_end", file(skeleton(end("0 0 0", f"CHANNELS 3 {ZXY}")))
    yield "T-BVH-06_channels_twice", file(skeleton(f"CHANNELS 3 {ZXY}"))
    yield "T-BVH-06_channels_after_a_joint", file(
        skeleton(joint("Spine", end()), f"CHANNELS 3 {ZXY}", order=("offset",)))
    yield "T-BVH-06_none_at_all", file(skeleton(channels="0"), motion())
    yield "T-BVH-07_unknown_channel", file(skeleton(channels="3 Wrotation Xrotation Yrotation"))
    yield "T-BVH-07_scale", file(skeleton(channels="1 Xscale"))
    yield "T-BVH-07_channel_twice", file(skeleton(channels="3 Zrotation Xrotation zrotation"))
    yield "T-BVH-07_fewer_than_counted", file(skeleton(channels="4 Zrotation Xrotation Yrotation"))
    yield "T-BVH-08_deep", file(chain(300))
    yield "T-BVH-08_only_opened", b"HIERARCHY\nROOT r {\n" + b"".join(b"JOINT j%d{" % n for n in range(999))
    yield "T-BVH-09_many_joints", b"HIERARCHY\nROOT r{" + b"End Site{OFFSET 0 0 0}" * 10_000
    yield "T-BVH-10_negative_frames", file(moves=motion(ROW, frames=-1))
    yield "T-BVH-10_huge_frames", file(moves=motion(ROW, frames=2**63))
    yield "T-BVH-10_frames_with_a_fraction", file(moves=motion(ROW, frames=1.5))
    yield "T-BVH-11_no_time", file(moves=motion(ROW, time="0"))
    yield "T-BVH-11_negative_time", file(moves=motion(ROW, time="-0.01"))
    yield "T-BVH-11_an_hour_and_more", file(moves=motion(ROW, time="3601"))
    yield "T-BVH-12_short_frame", file(moves=motion(ROW, "0 90 1.5 -30 0.25 0 10 20 "))
    yield "T-BVH-12_long_frame", file(moves=motion(ROW, ROW + " 1"))
    yield "T-BVH-12_frame_behind_the_time", file(moves=motion(time=f"0.01 {ROW}", frames=1))
    yield "T-BVH-12_cut_in_a_frame", file(moves=motion(ROW, ROW + "000"))[:-20]
    yield "T-BVH-13_nan", file(moves=motion(ROW.replace("90", "nan")))
    yield "T-BVH-13_infinity", file(moves=motion(ROW.replace("90", "inf")))
    yield "T-BVH-13_infinite_offset", file(skeleton(offset="0 -inf 0"))
    yield "T-BVH-13_overflow", file(moves=motion(ROW.replace("90", "1e400")))
    yield "T-BVH-13_beyond_the_limit", file(moves=motion(ROW.replace("90", "1.1e9")))
    yield "T-BVH-13_two_points", file(moves=motion(ROW.replace("1.5", "1.5.0")))
    yield "T-BVH-13_decimal_comma", file(moves=motion(ROW.replace("1.5", "1,5")))
    yield "T-BVH-13_two_signs", file(moves=motion(ROW.replace("90", "+-90")))
    yield "T-BVH-13_long_number", file(moves=motion(ROW.replace("90", "0" * 65)))
    yield "T-BVH-13_zero_byte", file(moves=motion(ROW.replace("90", "9\0")))
    yield "T-BVH-13_time_is_no_number", file(moves=motion(ROW, time="fast"))
    yield "T-BVH-14_frame_missing", file(ONE, motion("11111", frames=2))
    yield "T-BVH-14_frame_more", file(ONE, motion("1", "2", frames=1))
    yield "T-BVH-14_words_behind", file(tail="\nHIERARCHY\n")
    yield "T-BVH-15_two_skeletons", file(skeleton() + "\n" + skeleton(name="Other"))
    yield "T-BVH-16_more_frames_than_bytes", file(moves=motion(ROW, frames=100_000_000))
    yield "T-BVH-16_no_frames_at_all", file(moves=motion(frames=1), tail="")
