#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sound and broken .npy files: <name> <status> <words of the sentence, _ for a blank> <hex of the file>.
Packed by hand from the format's description (NEP 1). Writes into the folder given as the argument."""
import pathlib
import struct
import sys


def npy(header=None, data=bytes(24), version=(1, 0), descr="'<f4'", order="False", shape="(2, 3)", length=None):
    if header is None:
        header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    text = header.encode("latin-1")
    width = 2 if version[0] == 1 else 4
    text += b" " * (-(len(text) + 1 + 8 + width) % 64) + b"\n"
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if width == 2 else "<I", size) + text + data


CASES = [
    ("plain", "OK", "-", npy()),
    ("version_2", "OK", "-", npy(version=(2, 0))),
    ("version_3", "OK", "-", npy(version=(3, 0))),
    ("other_order_and_quotes", "OK", "-", npy('{"shape":(2,3),"fortran_order":False,"descr":"<f4"}')),
    ("vector", "OK", "-", npy(shape="(6,)")),
    ("bytes", "OK", "-", npy(descr="'|u1'", shape="(24, 1)")),
    ("empty_file", "EFORMAT", "no_.npy_file", b""),
    ("other_magic", "EFORMAT", "no_.npy_file", b"\x93NUMPX" + npy()[6:]),
    ("zip", "EFORMAT", "no_.npy_file", b"PK\3\4" + bytes(30)),
    ("version_4", "EFORMAT", "version_4.0", npy(version=(4, 0))),
    ("version_1_1", "EFORMAT", "version_1.1", npy(version=(1, 1))),
    ("cut_in_length", "EFORMAT", "cut_off", npy(version=(2, 0))[:11]),
    ("cut_in_header", "EFORMAT", "cut_off", npy()[:40]),
    ("header_longer_than_file", "EFORMAT", "cut_off", npy(length=5000)),
    ("huge_header", "ELIMIT", "header_has", npy(version=(2, 0), length=0x7FFFFFFF)),
    ("header_of_zeros", "EFORMAT", "'{'", b"\x93NUMPY\1\0\x36\0" + bytes(54)),
    ("expression", "EFORMAT", "malformed", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2*3,)}")),
    ("no_dictionary", "EFORMAT", "malformed", npy("['descr']")),
    ("words_after_the_header", "EFORMAT", "end_of_the_header", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x")),
    ("missing_shape", "EFORMAT", "lacks_'shape'", npy("{'descr': '<f4', 'fortran_order': False}")),
    ("missing_descr", "EFORMAT", "lacks_'descr'", npy("{'fortran_order': False, 'shape': (2, 3)}")),
    ("key_twice", "EFORMAT", "twice", npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}")),
    ("unknown_key", "EFORMAT", "does_not_know", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}")),
    ("unclosed_quote", "EFORMAT", "malformed", npy("{'descr: False")),
    ("backslash", "EFORMAT", "malformed", npy("{'de\\x73cr': '<f4', 'fortran_order': False, 'shape': (2, 3)}")),
    ("negative_dimension", "EFORMAT", "a_dimension", npy(shape="(-2, 3)")),
    ("dimension_with_letters", "EFORMAT", "malformed", npy(shape="(2L, 3)")),
    ("shape_without_comma", "EFORMAT", "malformed", npy(shape="(6)")),
    ("fortran_order", "EUNSUPPORTED", "Fortran", npy(order="True")),
    ("order_is_a_number", "EFORMAT", "True_or_False", npy(order="0")),
    ("float64", "EUNSUPPORTED", "'<f8':_save_it_as_float32", npy(descr="'<f8'")),
    ("bool", "EUNSUPPORTED", "'|b1':_save_it_as_uint8", npy(descr="'|b1'")),
    ("big_endian", "EUNSUPPORTED", "little_endian", npy(descr="'>f4'")),
    ("objects", "EUNSUPPORTED", "Python_objects", npy(descr="'|O'")),
    ("text_elements", "EUNSUPPORTED", "'<U5'", npy(descr="'<U5'")),
    ("records", "EUNSUPPORTED", "records", npy(descr="[('a', '<f4')]")),
    ("scalar", "ESHAPE", "single_number", npy(shape="()", data=bytes(4))),
    ("empty_set", "ESHAPE", "empty", npy(shape="(0, 3)", data=b"")),
    ("empty_sample", "ESHAPE", "empty", npy(shape="(2, 0)", data=b"")),
    ("rank_9", "ELIMIT", "more_than_8", npy(shape="(1, 1, 1, 1, 1, 1, 1, 1, 6)")),
    ("dimension_overflows", "ELIMIT", "too_large", npy(shape="(2, 9223372036854775808)")),
    ("product_overflows", "ELIMIT", "too_large", npy(shape="(2, 4294967296, 4294967296)")),
    ("too_many_samples", "ELIMIT", "samples", npy(shape="(2147483649, 3)")),
    ("data_too_short", "EFORMAT", "23_bytes_of_data", npy(data=bytes(23))),
    ("data_too_long", "EFORMAT", "25_bytes_of_data", npy(data=bytes(25))),
    ("no_data", "EFORMAT", "0_bytes_of_data", npy(data=b"")),
]

lines = ["# name, status, words of the sentence (_ is a blank), file"]
lines += [f"{name} {status} {words} {data.hex() or '-'}" for name, status, words, data in CASES]
pathlib.Path(sys.argv[1], "files.txt").write_text("\n".join(lines) + "\n")
