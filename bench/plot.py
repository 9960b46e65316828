#!/usr/bin/env python3
"""./nova bench plot: the plots of docs/performance.md, made of what ./nova bench --json printed.

    plot.py RUN.json [FOLDER]        into docs/performance, unless told otherwise

  ratios.svg   each figure's ratio to its limit, by its aim: right of the line it is met
  peers.svg    how many times each peer ours is (only where the run had peers)

The same JSON gives the same bytes, on every machine with the same matplotlib.
"""
import pathlib
import sys

import matplotlib

matplotlib.use("SVG")
from matplotlib import pyplot, ticker

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import report

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "docs/performance"
STYLE = {"svg.hashsalt": "nova", "svg.fonttype": "none", "font.family": "sans-serif",
         "axes.spines.top": False, "axes.spines.right": False}
MET, MISSED, NO_AIM, RUNS = "#1a7f5a", "#b3402e", "#6b7280", "#9ca3af"
ROW_INCHES, HEAD_INCHES, WIDTH_INCHES = 0.32, 1.1, 9


def colour(met):
    return {True: MET, False: MISSED, None: NO_AIM}[met]


def nearness(ratio, aim, better):
    """Above 1 the aim is met, whichever way is better."""
    aim = aim or 1
    return ratio / aim if better == "higher" else aim / ratio


def ratio_rows(results):
    """[(name, how near to the aim, the runs', met, what it is in words)]"""
    return [(each["figure"], nearness(each["ratio"], each["aim"], each["better"]),
             [nearness(run["ratio"], each["aim"], each["better"]) for run in each["runs"]],
             each["met"], f"{each['ratio']:.3g}" + (
                 f" (aim {'≥' if each['better'] == 'higher' else '≤'} {each['aim']:g})"
                 if each["aim"] is not None else " (no aim)")) for each in results]


def peer_rows(results):
    rows = []
    for each in results:
        for peer in each.get("peers", []):
            one_by_one = [run["ours"] / value if each["better"] == "higher" else value / run["ours"]
                          for run, value in zip(each["runs"], peer["runs"])]
            rows.append((f"{each['figure']}: {peer['peer']}", peer["times"], one_by_one,
                         peer["met"], f"{peer['times']:.3g} times" + (
                             f" (aim ≥ {peer['aim']:g})" if peer["aim"] != 1 else "")))
    return rows


def plot(rows, title, label):
    """Dots on a logarithmic scale, one row a figure; 1 is where the aim, or the peer, stands."""
    figure, axes = pyplot.subplots(
        figsize=(WIDTH_INCHES, HEAD_INCHES + ROW_INCHES * len(rows)), layout="constrained")
    for row, (_, value, runs, met, words) in enumerate(rows):
        axes.plot([min(runs), max(runs)], [row, row], color=RUNS, linewidth=2, zorder=1)
        axes.plot(value, row, "o", color=colour(met), markersize=6, zorder=2)
        left = value < 1  # words stand away from the line
        axes.annotate(words, (min(runs) if left else max(runs), row), fontsize=8, va="center",
                      xytext=(-8 if left else 8, 0), textcoords="offset points",
                      ha="right" if left else "left", color=colour(met))
    axes.axvline(1, color="#111827", linewidth=1, zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.margins(x=0.4)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(label, fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_title(title, fontsize=10, loc="left")
    return figure


def save(figure, path):
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    print(path)


def main(words):
    if not 1 <= len(words) <= 2 or words[0] in ("-h", "--help"):
        print(__doc__.partition("\n\n")[2], end="", file=sys.stderr)
        return 0 if words[:1] in (["-h"], ["--help"]) else 2
    try:
        results = list(report.read(pathlib.Path(words[0])).values())
    except (OSError, ValueError) as failure:
        print(f"nova: {failure}", file=sys.stderr)
        return 1
    folder = pathlib.Path(words[1]) if len(words) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        save(plot(ratio_rows(results), "Ratio to the limit, by its aim: right of the line it is met",
                  "ratio by aim (inverted where less is better); grey: least to most of the runs"),
             folder / "ratios.svg")
        peers = peer_rows(results)
        if peers:
            save(plot(peers, "Peers, on the same servers: right of the line ours is ahead",
                      "times as good as the peer; grey: least to most of the runs"),
                 folder / "peers.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
