"""Line plots as SVG: panels in columns, each with axes, units and a legend; the same numbers make the same file."""
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 450, 190                            # a panel with its margins
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 36
COLOURS = ("#1f77b4", "#d95f02", "#888888")


@dataclass
class Line:
    label: str
    points: list
    dash: str = ""


@dataclass
class Panel:
    title: str
    x: tuple                                        # from, to
    y: tuple
    y_label: str
    lines: list = field(default_factory=list)
    levels: list = field(default_factory=list)      # (y, what it is, by how much the words stand lower)
    x_label: str = "time (s)"


def ticks(low, high, about):
    rough = (high - low) / about
    power = 10 ** (len(f"{rough:.0f}") - 1) if rough >= 1 else 0.1
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough)
    first = -(-low // step)
    return [(first + i) * step for i in range(int((high - first * step) / step + 1e-9) + 1)]


def thin(points):
    """A column of pixels needs its first, lowest, highest and last point, and a level line its ends."""
    kept, column, held = [], None, []
    for p in points:
        if column is not None and round(p[0]) != column:
            kept += sorted({held[0], min(held, key=lambda q: q[1]), max(held, key=lambda q: q[1]), held[-1]})
            held = []
        column = round(p[0])
        held.append(p)
    kept += held
    return [p for before, p, after in zip([None, *kept], kept, [*kept[1:], None])
            if not before or not after or not abs(before[1] - p[1]) == abs(p[1] - after[1]) == 0]


def text(x, y, words, anchor="start", extra=""):
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{extra}>{escape(words)}</text>'


def draw_line(line, colour, to_x, to_y, x_range):
    inside = [(to_x(x), to_y(y)) for x, y in line.points if x_range[0] <= x <= x_range[1]]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in thin(inside))
    dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2"{dash}/>'


def draw_axes(panel, left, top, width, height, to_x, to_y):
    bottom = top + height
    out = [f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#444"/>']
    for value in ticks(*panel.x, 6):
        x = round(to_x(value), 1)
        out.append(f'<path d="M{x} {bottom}v4" stroke="#444"/>' + text(x, bottom + 15, f"{value:g}", "middle"))
    for value in ticks(*panel.y, 5):
        y = round(to_y(value), 1)
        out.append(f'<path d="M{left} {y}h-4" stroke="#444"/>' + text(left - 7, y + 4, f"{value:g}", "end"))
    out.append(text(left + width / 2, bottom + 29, panel.x_label, "middle"))
    middle = top + height / 2
    out.append(text(left - 42, middle, panel.y_label, "middle", f' transform="rotate(-90 {left - 42} {middle})"'))
    out.append(text(left, top - 8, panel.title, extra=' font-weight="bold"'))
    return out


def draw_legend(panel, right, y):
    out, x = [], right
    for line, colour in reversed(list(zip(panel.lines, COLOURS))):
        x -= 6 * len(line.label) + 4
        dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
        out.append(text(x, y, line.label))
        out.append(f'<path d="M{x - 22} {y - 4}h18" stroke="{colour}" stroke-width="1.6"{dash}/>')
        x -= 30
    return out


def draw_panel(panel, x0, y0):
    left, top = x0 + LEFT, y0 + TOP
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def to_x(x):
        return left + width * (x - panel.x[0]) / (panel.x[1] - panel.x[0])

    def to_y(y):
        low, high = panel.y
        return top + height - height * (min(max(y, low), high) - low) / (high - low)

    out = []
    for value, what, lower in panel.levels:
        y = round(to_y(value), 1)
        out.append(f'<path d="M{left} {y}h{width}" stroke="#bbb"/>')
        out.append(text(left + width - 4, y + lower, what, "end", ' fill="#777"'))
    for line, colour in reversed(list(zip(panel.lines, COLOURS))):
        out.append(draw_line(line, colour, to_x, to_y, panel.x))
    return out + draw_axes(panel, left, top, width, height, to_x, to_y) + draw_legend(panel, left + width, top - 8)


def render(title, panels, columns=2):
    rows = -(-len(panels) // columns)
    width, height = WIDTH * columns, HEIGHT * rows + 34
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="11">', f'<rect width="{width}" height="{height}" fill="#fff"/>',
           text(width / 2, 22, title, "middle", ' font-size="14"')]
    for i, panel in enumerate(panels):
        out += draw_panel(panel, WIDTH * (i % columns), 34 + HEIGHT * (i // columns))
    return "\n".join(out) + "\n</svg>\n"
