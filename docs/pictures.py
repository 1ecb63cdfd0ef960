#!/usr/bin/env python3
"""Draws the pictures of ARCHITECTURE.md beside this file: `python3 docs/pictures.py`, or with `--check`, which compares
those that lie here with what would be drawn. The control block's words are read from FORMAT.md."""

import pathlib
import re
import sys
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__).resolve().parent
INK, FAINT = "#1f2933", "#66727f"
WHOLE, WRITTEN, NOTHING, WINDOW = "#cfe8cf", "#f6c8a8", "#e8eaed", "#3b6fb6"


class Picture:
    """Shapes on a light ground of its own, so that it is legible on a page of any colour."""

    def __init__(self, title, width, height):
        self.title, self.width, self.height, self.shapes = title, width, height, []

    def box(self, x, y, width, height, text="", fill=NOTHING, size=13, dashed=False):
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.shapes.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{fill}" stroke="{INK}"{dash}/>')
        lines = text.split("\n")
        for number, line in enumerate(lines):
            offset = (number - (len(lines) - 1) / 2) * (size + 3)
            self.text(x + width / 2, y + height / 2 + size * 0.35 + offset, line, size, "middle")

    def text(self, x, y, text, size=13, anchor="start", colour=INK, bold=False):
        weight = ' font-weight="bold"' if bold else ""
        self.shapes.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(text)}</text>'
        )

    def line(self, points, colour=INK, arrow=False, width=1.3, dashed=False):
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        head = ' marker-end="url(#head)"' if arrow else ""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}{head}/>')

    def svg(self):
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" font-family="sans-serif" role="img">',
            f"<title>{escape(self.title)}</title>",
            f'<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            f'<path d="M0 0 L8 4 L0 8 z" fill="{INK}"/></marker></defs>',
            f'<rect width="{self.width}" height="{self.height}" rx="8" fill="#fdfdfa"/>',
            *self.shapes,
            "</svg>",
            "",
        ])


def words():
    """Offset, size and name of each word of the control block."""
    text = (HERE.parent / "FORMAT.md").read_text()
    table = text.split("## The control block")[1].split("All other bytes")[0]
    found = re.findall(r"^\| (\d+) \| `u(\d+)` \| (\w+) \|", table, re.M)
    return [(int(offset), int(bits) // 8, name) for offset, bits, name in found]


def segment():
    picture = Picture("A segment, and the cache lines of its control block", 1010, 430)
    x = 20
    parts = [("payload", "C", 170, WHOLE), ("mirror 0", "C", 170, WHOLE), ("mirror 1", "C", 170, WHOLE), ("room 0", "S", 90, NOTHING),
             ("room 1", "S", 90, NOTHING), ("records", "R", 110, NOTHING), ("control block", "320", 170, NOTHING)]
    for name, size, width, fill in parts:
        picture.box(x, 46, width, 46, name, fill, 14)
        picture.text(x + width / 2, 108, f"{size} bytes", 12, "middle", FAINT)
        x += width
    picture.text(20, 34, "offset 0: the C struct", 12, colour=FAINT)
    picture.text(x, 34, "found from the end of the segment", 12, "end", FAINT)
    left, scale, top, step = 86, 11, 172, 50
    picture.line([(820, 116), (left, top - 4)], FAINT, dashed=True)
    picture.line([(990, 116), (left + 64 * scale, top - 4)], FAINT, dashed=True)
    what = {0: "identity: written at birth,\nnever again", 64: "joining: who opens\nfor writing", 128: "readers look here;\none writer stores",
            192: "writers", 256: "waiters store,\nwriters look"}
    picture.text(20, top - 18, "byte", 12, colour=FAINT)
    for number, (line, says) in enumerate(what.items()):
        y = top + number * step
        picture.text(20, y + 24, str(line), 13)
        picture.box(left, y, 64 * scale, 38, fill="#ffffff")
        for offset, size, name in words():
            if line <= offset < line + 64:
                picture.box(left + (offset - line) * scale, y, size * scale, 38, name, WRITTEN if name in ("seq", "lock") else NOTHING, 9)
        for row, text in enumerate(says.split("\n")):
            picture.text(left + 64 * scale + 14, y + (24 if "\n" not in says else 15 + 16 * row), text, 12, colour=FAINT)
    return picture


def latch():
    picture = Picture("Sequence, payload and mirrors over two commits, and how long a reader's copy stays valid", 1120, 430)
    left, width, top, step = 170, 104, 66, 48
    # Sequence, then payload, mirror k mod 2 and mirror (k-1) mod 2.
    columns = [("2k-2", "k-1", "k-2", "k-1"), ("2k-1", "", "k-2", "k-1"), ("2k", "k", "", "k-1"), ("2k", "k", "k", "k-1"),
               ("2k+1", "", "k", "k-1"), ("2k+2", "k+1", "k", ""), ("2k+2", "k+1", "k", "k+1"), ("2k+3", "", "k", "k+1"),
               ("2k+4", "k+2", "", "k+1")]
    for row, name in enumerate(["sequence", "payload", "mirror k mod 2", "mirror (k-1) mod 2"]):
        picture.text(20, top + row * step + 24, name, 14, bold=row == 0)
        for number, column in enumerate(columns):
            text = column[row]
            if row == 0:
                fill = WRITTEN if text[2:] in ("-1", "+1", "+3") else "#ffffff"
            else:
                fill = WHOLE if text else WRITTEN
            picture.box(left + number * width, top + row * step, width, 36, text or "being written", fill, 14 if text else 12)
    for first, count, name in [(1, 3, "commit k"), (4, 3, "commit k+1"), (7, 2, "commit k+2 …")]:
        x = left + first * width
        picture.line([(x + 4, 52), (x + count * width - 4, 52)], FAINT)
        picture.text(x + count * width / 2, 44, name, 13, "middle", FAINT)
    picture.text(20, 44, "time →", 13, colour=FAINT)
    picture.text(20, 282, "A copy is valid if it ended in its window:", 13, bold=True)
    windows = [(1, 5, "found 2k-1: copies mirror (k-1) mod 2; the sequence is still below 2k+2"),
               (2, 4, "found 2k: copies the payload; the sequence is still 2k"),
               (4, 8, "overtaken at 2k: the rest from mirror k mod 2; above 2k, below 2k+4")]
    for row, (begin, end, says) in enumerate(windows):
        y = 306 + row * 42
        a, b = left + begin * width, left + end * width
        picture.shapes.append(f'<rect x="{a}" y="{y}" width="{b - a}" height="10" rx="5" fill="{WINDOW}"/>')
        picture.text(a, y + 26, says, 13)
    return picture


def life():
    picture = Picture("The lives of a segment", 1010, 400)
    place = {"none": (20, 220, "no segment", "#ffffff"), "newborn": (290, 220, "newborn (0)\nmode mark, no valid word", WRITTEN),
             "ready": (590, 130, "ready (1)\ngeneration g", WHOLE), "foreign": (20, 60, "another program's\nsegment", "#ffffff"),
             "adopted": (290, 60, "adopted (4)\na newborn with a value", WRITTEN), "removed": (590, 300, "removed (2)\ntombstone", NOTHING)}
    for x, y, text, fill in place.values():
        picture.box(x, y, 180, 56, text, fill, 13, dashed=fill == "#ffffff")

    def arrow(points, says, x, y, anchor="middle"):
        picture.line(points, arrow=True)
        for row, text in enumerate(says.split("\n")):
            picture.text(x, y + 15 * row, text, 12, anchor, FAINT)

    arrow([(200, 88), (288, 88)], "adopt", 244, 80)
    arrow([(470, 88), (680, 88), (680, 128)], "checked once more: compare-exchange 4 → 1", 480, 80, "start")
    arrow([(200, 248), (288, 248)], "shmget", 244, 240)
    arrow([(470, 248), (550, 248), (550, 160), (588, 160)], "all is written:\n0 → 1", 540, 196, "end")
    arrow([(380, 218), (380, 190), (330, 190), (330, 218)], "a creator dies: the next process\ndoes all steps again", 322, 176, "end")
    arrow([(770, 145), (810, 145), (810, 172), (772, 172)], "upgrade in place:\ng → g + 1", 818, 156, "start")
    arrow([(680, 186), (680, 298)], "remove: the tombstone first, then IPC_RMID\n(after ipcrm -m: by the writer that notices)", 690, 222, "start")
    arrow([(380, 278), (380, 328), (588, 328)], "a creator fails,\nor a removal", 392, 346, "start")
    arrow([(770, 328), (850, 328)], "IPC_RMID", 810, 320)
    picture.box(852, 300, 138, 56, "the key is free;\nmemory stays till\nthe last detaches", "#ffffff", 12, dashed=True)
    return picture


def main():
    check = sys.argv[1:] == ["--check"]
    for draw in (segment, latch, life):
        path, text = HERE / f"{draw.__name__}.svg", draw().svg()
        if not check:
            path.write_text(text)
        elif path.read_text() != text:
            sys.exit(f"{path.name} is not what `python3 docs/pictures.py` draws")


if __name__ == "__main__":
    main()
