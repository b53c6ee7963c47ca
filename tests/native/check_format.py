#!/usr/bin/env python3
"""check_format.py FORMAT.md: runs the Python program of the format's text against the text's own tables."""

import re
import struct
import sys


def bits(value):
    return struct.unpack(">I", struct.pack(">f", float(value)))[0]


def same(value, wanted):
    """Equal to the bit; the program does not model the sign of zero."""
    return bits(value) == wanted or (value == 0 and wanted in (0, 0x80000000))


def main(path):
    text = open(path, encoding="utf-8").read()
    program = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    names = {}
    exec(compile(program, path, "exec"), names)
    failures = rows = 0
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7 and cells[2].startswith("0x"):
            kind = cells[0].split("(")[0]
            wanted = [int(cells[5], 16)]
            found = [names["element"](kind, int(cells[2], 16), int(cells[3], 16), int(cells[4]), int(cells[1]))]
        elif len(cells) == 6 and cells[0].startswith("0x"):
            wanted = [int(cells[2], 16), int(cells[3], 16)]
            found = names["normal_pair"](int(cells[0], 16), int(cells[1], 16))
        else:
            continue
        rows += 1
        if not all(map(same, found, wanted)):
            failures += 1
            print(f"{line}\n  found {[f'0x{bits(value):08x}' for value in found]}")
    print(f"{rows} rows, {failures} wrong")
    return 0 if rows >= 90 and failures == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
